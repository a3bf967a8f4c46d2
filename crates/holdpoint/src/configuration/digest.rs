//! What an activity is, as a text of which a digest is made: so that it can be told whether the operator has changed what a
//! name means.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// How many attempts there may be says nothing of what is done.
const LIMITS: [&str; 2] = ["queue", "at_once_at_target"];

/// What is said of each activity of the file `text`, whatever its order and form, but for limits and for the values of the
/// variables `secrets`.
pub(super) fn said(text: &str, secrets: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let file: Value = toml::from_str(text).unwrap_or_default();
    let activities = file.get("activity").and_then(Value::as_object);
    let one = |(name, said): (&String, &Value)| {
        let mut said = sorted(said);
        if let Some(said) = said.as_object_mut() {
            said.retain(|key, _| !LIMITS.contains(&key.as_str()));
            if let Some(variables) = said.get_mut("environment").and_then(Value::as_object_mut) {
                let hidden =
                    variables.iter_mut().filter(|(name, _)| secrets.contains(name.as_str()));
                hidden.for_each(|(_, value)| *value = Value::Null);
            }
        }
        (name.clone(), said.to_string())
    };
    activities.into_iter().flatten().map(one).collect()
}

/// The same, with the members of every object in the order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            members
                .into_iter()
                .map(|(name, one)| (name.clone(), sorted(one)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(all) => all.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_text_means_that_something_else_is_done() {
        let of = |text: &str| said(text, &BTreeSet::from(["TOKEN"]))["a"].clone();
        let first = "[activity.a]\ncommand = [\"b\"]\nenvironment = { A = \"1\", TOKEN = \"2\" }";
        for same in [
            "[activity.a]\nenvironment = { TOKEN = \"3\", A = '1' }\ncommand = [ \"b\" ] # said otherwise",
            "[queues.q]\nat_once = 1\n[activity.a]\nqueue = \"q\"\nat_once_at_target = 2\ncommand = [\"b\"]\n\
             [activity.a.environment]\nA = \"1\"\nTOKEN = \"2\"\n[activity.b]\ncommand = [\"c\"]",
        ] {
            assert_eq!(of(same), of(first), "{same}");
        }
        for other in [
            "[activity.a]\ncommand = [\"c\"]\nenvironment = { A = \"1\", TOKEN = \"2\" }",
            "[activity.a]\ncommand = [\"b\"]\nenvironment = { A = \"2\", TOKEN = \"2\" }",
            "[activity.a]\ncommand = [\"b\"]\nenvironment = { A = \"1\" }",
            "[activity.a]\ncommand = [\"b\"]\nshell = true\nenvironment = { A = \"1\", TOKEN = \"2\" }",
        ] {
            assert_ne!(of(other), of(first), "{other}");
        }
        assert!(said("[queues]", &BTreeSet::new()).is_empty());
    }
}
