//! What differs in meaning between two baselines, requirement by requirement, and in how two
//! definitions stand to one.

use crate::{
    Definition,
    baseline::{Baseline, Demanded, Requirement, WorkKind},
    compare::{Change, Facts, changes, facts, set},
    hold_model::{Approver, Exclusion},
};

impl Baseline {
    /// What is different in meaning in `after`, in the order of its requirements; what is demanded no
    /// more comes last.
    #[must_use]
    pub fn compare(&self, after: &Self) -> Vec<Change> {
        let mut changes = changes(
            "baseline",
            &facts([("name", self.name.clone()), ("title", self.title.clone())]),
            &facts([("name", after.name.clone()), ("title", after.title.clone())]),
        );
        for new in &after.requirements {
            let old = self.get(&new.name).map(demands).unwrap_or_default();
            changes.extend(self::changes(&place(new), &old, &demands(new)));
        }
        for old in self.requirements.iter().filter(|one| after.get(&one.name).is_none()) {
            changes.extend(self::changes(&place(old), &demands(old), &Facts::new()));
        }
        changes
    }

    /// What is different in how two definitions stand to each requirement, and by what.
    #[must_use]
    pub fn compare_standings(&self, before: &Definition, after: &Definition) -> Vec<Change> {
        let stands = |definition: &Definition| -> Facts {
            let all = self.outline(definition).requirements.into_iter();
            all.map(|one| (one.name.clone(), one.in_words())).collect()
        };
        changes(&format!("baseline {}", self.name), &stands(before), &stands(after))
    }
}

fn place(of: &Requirement) -> String {
    format!("requirement {}", of.name)
}

fn listed(names: impl IntoIterator<Item = String>) -> String {
    set(names).join(", ")
}

fn who(from: &[Approver]) -> String {
    listed(from.iter().map(ToString::to_string))
}

fn excluded(not: &[Exclusion]) -> String {
    listed(not.iter().map(|one| one.as_str().to_owned()))
}

/// All that a requirement says, property by property.
fn demands(of: &Requirement) -> Facts {
    let Requirement { name: _, title, before, when, demand, waivable, except, overriders } = of;
    let mut facts = Facts::new();
    let mut say = |what: &str, says: String| _ = facts.insert(what.to_owned(), says);
    if let Some(title) = title {
        say("title", title.clone());
    }
    let all = before.len() == WorkKind::ALL.len();
    let kinds = listed(before.iter().map(|kind| kind.as_str().to_owned()));
    say("before", if all { "any work".to_owned() } else { kinds });
    say("when", when.clone().unwrap_or_else(|| "always".to_owned()));
    match demand {
        Demanded::Approval { from, need, qualified, not } => {
            say("approval: by", who(from));
            say("approval: how many", need.to_string());
            if let Some(domain) = qualified {
                say("approval: qualified in", domain.clone());
            }
            if !not.is_empty() {
                say("approval: not by", excluded(not));
            }
        }
        Demanded::Evidence(name) => say("evidence", name.clone()),
        Demanded::NotDuring { calendar, .. } => say("not during", calendar.clone()),
    }
    if *waivable {
        say("a hold that was waived", "counts".to_owned());
    }
    if let Some(overriders) = overriders {
        let not = excluded(&overriders.not);
        let not = if not.is_empty() { String::new() } else { format!("; not by {not}") };
        say("may be overridden by", format!("{}{not}", who(&overriders.from)));
    }
    for (definition, reason) in except {
        say(&format!("not of {definition}"), reason.clone());
    }
    facts
}
