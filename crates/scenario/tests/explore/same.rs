//! Which states are the same: what of a state, and of how it was reached, is left out of account.

use std::collections::BTreeSet;

use holdpoint_core::{MemberId, Workflow};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Done, Reached, space::Space};

/// What of the whole state decides nothing of what follows: how often and how it was left before, what was
/// done wrong, and what it was told besides its answers.
const FORGOTTEN_OF_THE_RUN: [&str; 13] = [
    "visits",
    "left",
    "outputs",
    "duties_opened",
    "earlier",
    "failure",
    "kept",
    "waived",
    "accepted",
    "digest",
    "requester",
    "started",
    "entered",
];

/// How often something was tried, or asked about anew, since when, and the words for what went wrong or why it
/// was done, decide nothing, wherever they stand.
const FORGOTTEN: [&str; 17] = [
    "visit",
    "reminded",
    "again",
    "undone_again",
    "bakes",
    "pauses",
    "paused_for",
    "details",
    "unrestored",
    "replannings",
    "replanned",
    "looks",
    "outlook",
    "number",
    "reason",
    "note",
    "roles",
];

/// What is a list only because something must be first.
const UNORDERED: [&str; 8] =
    ["votes", "by", "editors", "executors", "confirmed", "waivers", "overruled", "waived"];

impl Space {
    /// What a state is, apart from what does not count; and who is named in it.
    pub(super) fn key(&self, at: &Reached) -> (String, BTreeSet<MemberId>) {
        let status = Workflow::status(&self.definition, &at.state);
        if status.is_ended() {
            // Nothing follows.
            return (format!("{status:?}"), BTreeSet::new());
        }
        let mut state = serde_json::to_value(&at.state).unwrap();
        let members = state.as_object_mut().unwrap();
        for forgotten in FORGOTTEN_OF_THE_RUN {
            members.remove(forgotten);
        }
        let mut done = at.done;
        self.forget(members, &mut done);
        plain(&mut state);
        let timers: Vec<String> =
            at.timers.iter().map(|(_, id)| without_visit(id.as_str())).collect();
        let mut named = BTreeSet::new();
        self.names(&state, &mut named);
        let alike = self.alike(&named);
        let (last, others) = alike.split_last().unwrap();
        let written = others.iter().map(|renamed| {
            let mut state = state.clone();
            rename(&mut state, renamed);
            state.to_string()
        });
        let first = written.min();
        rename(&mut state, last);
        let last = state.to_string();
        let state = first.filter(|one| *one < last).unwrap_or(last);
        (format!("{state} {timers:?} {done:?}"), named)
    }

    /// Leaves out what nothing that lies ahead goes by.
    fn forget(&self, members: &mut Map<String, Value>, done: &mut Done) {
        let begun = !members["rollout"].is_null();
        let mut ahead = vec![&self.ahead[&(state_of(&members["place"]), begun)]];
        if members["rollout"]["course"] == "done" {
            // It can be undone, and what then follows lies ahead as well.
            let state = members["rollout"]["state"].as_str().unwrap().to_owned();
            ahead.push(&self.ahead[&(state, true)]);
        }
        let input: Vec<_> =
            ahead.iter().flat_map(|one| &one.input).map(|name| &members["input"][name]).collect();
        let mut input = json!(input);
        if ahead.iter().any(|one| one.risk) {
            input = json!([input, members["risk"]["level"]]);
        }
        let amendable = ahead.iter().any(|one| one.amendable);
        if amendable {
            input = json!(self.inputs.iter().position(|one| *one == members["input"]));
        } else {
            // Nothing that was approved can be put in question by it any more.
            members.remove("approved");
            done.amended = true;
        }
        members.insert("input".to_owned(), input);
        members.remove("risk");
        let signals = members["signals"].as_array_mut().unwrap();
        signals.retain(|one| {
            ahead.iter().any(|ahead| ahead.signals.contains(one["name"].as_str().unwrap()))
        });
        done.signalled |= ahead.iter().all(|one| one.signals.is_empty());
        done.rechecked |= !ahead.iter().any(|one| one.checks);
        let excludable = |who: &Value| self.excludable.iter().any(|one| *who == one.as_str());
        let keep = ahead.iter().any(|one| one.executors);
        members["executors"].as_array_mut().unwrap().retain(|one| keep && excludable(one));
        let keep = ahead.iter().any(|one| one.editors);
        members["editors"].as_array_mut().unwrap().retain(|_| keep);
        let evidence = members["evidence"].as_object_mut().unwrap();
        evidence.retain(|name, _| ahead.iter().any(|one| one.evidence.contains(name)));
        for evidence in evidence.values_mut() {
            // It is all the same, whoever has shown it, and stays whatever becomes of the input.
            *evidence = json!(true);
        }
        if members["rollout"].is_null() {
            return;
        }
        // It has begun with the plan that was approved, and none begins again but behind the hold.
        members.remove("approved_plans");
        let is_at_work = members["place"].get("rollout").is_some();
        let rollout = &mut members["rollout"];
        if !is_at_work && matches!(rollout["course"].as_str(), Some("undone" | "failed")) {
            // It is not undone again.
            *rollout = json!("over");
        } else {
            for settled in ["targets", "plan", "gates", "check", "path", "undo", "parallel"] {
                // What they are called and what is done there follows from the definition; how many there are
                // is told by where they are, and by the waves.
                rollout.as_object_mut().unwrap().remove(settled);
            }
        }
    }

    /// Who is named anywhere.
    fn names(&self, value: &Value, found: &mut BTreeSet<MemberId>) {
        match value {
            Value::String(text) => found.extend(self.everybody.get(text.as_str()).cloned()),
            Value::Array(items) => items.iter().for_each(|item| self.names(item, found)),
            Value::Object(members) => members.values().for_each(|value| self.names(value, found)),
            _ => {}
        }
    }

    /// How those who are named could be called, so that who is like them counts as the same.
    fn alike(&self, named: &BTreeSet<MemberId>) -> Vec<Vec<(String, String)>> {
        let mut found = vec![Vec::new()];
        for kind in self.kinds.iter().filter(|kind| kind.len() > 1) {
            let seen: Vec<&MemberId> = kind.iter().filter(|one| named.contains(*one)).collect();
            let ways = orders(seen.len());
            found = found
                .into_iter()
                .flat_map(|before: Vec<(String, String)>| {
                    let (seen, kind) = (&seen, kind);
                    ways.iter().map(move |way| {
                        let called = seen.iter().zip(way);
                        let called =
                            called.map(|(one, at)| (one.to_string(), kind[*at].to_string()));
                        before.iter().cloned().chain(called).collect()
                    })
                })
                .collect();
        }
        found
    }
}

/// The state that a run is in.
fn state_of(place: &Value) -> String {
    let inside = place.as_object().and_then(|place| place.values().next()).unwrap();
    let name = inside.get("hold").or_else(|| inside.get("state"));
    name.and_then(Value::as_str).unwrap().to_owned()
}

/// Every order of so many.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new()];
    for _ in 0..count {
        found = found
            .into_iter()
            .flat_map(|before: Vec<usize>| {
                (0..count)
                    .filter(|one| !before.contains(one))
                    .map(|one| [&before[..], &[one]].concat())
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    found
}

/// Calls members otherwise, and puts what has no order into one.
fn rename(value: &mut Value, called: &[(String, String)]) {
    match value {
        Value::String(text) => {
            if let Some((_, other)) = called.iter().find(|(one, _)| one == text) {
                text.clone_from(other);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, called)),
        Value::Object(members) => {
            for (name, member) in members {
                rename(member, called);
                if let Some(items) =
                    member.as_array_mut().filter(|_| UNORDERED.contains(&name.as_str()))
                {
                    items.sort_by_cached_key(ToString::to_string);
                }
            }
        }
        _ => {}
    }
}

/// Takes away what does not count: times, how often something was there, and who did what anybody could.
pub(super) fn plain(value: &mut Value) {
    match value {
        Value::String(text) => {
            // A time begins with its year.
            if text.starts_with("20") && text.parse::<Timestamp>().is_ok() {
                "a time".clone_into(text);
            } else if text.contains('#') {
                *text = without_visit(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(members) => {
            members.retain(|name, _| !FORGOTTEN.contains(&name.as_str()));
            for name in ["paused", "overridden"] {
                if let Some(member) = members.get_mut(name).filter(|one| !one.is_boolean()) {
                    *member = json!(!member.is_null());
                }
            }
            let is_for_one = |task: &Value| task["need"] == 1;
            if members
                .get("tasks")
                .and_then(Value::as_array)
                .is_some_and(|all| all.iter().all(is_for_one))
            {
                for confirmed in members["confirmed"].as_array_mut().into_iter().flatten() {
                    confirmed.as_object_mut().unwrap().remove("member");
                }
            }
            members.values_mut().for_each(plain);
        }
        _ => {}
    }
}

/// `roll-out#3/web-1/check-2` as `roll-out/web-1/check`.
fn without_visit(text: &str) -> String {
    let Some((state, rest)) = text.split_once('#') else { return text.to_owned() };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    format!("{state}{rest}")
}
