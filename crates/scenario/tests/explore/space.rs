//! What is explored: a definition, with whom, in which projects, and with which inputs.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    DefinitionRef, Digest, LockdownScope, MemberId, Moment, Project, RoleName, item::ItemsChange,
};
use holdpoint_definition::{Definition, Outline};
use holdpoint_scenario::{Beginning, LockdownStep, Members, Play, Sheet, StandsFor};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ahead::{self, AllAhead};

/// No definition that ships has more inputs on which different things follow.
const INPUTS_MAX: usize = 8;

/// So many of each kind take part besides the requester.
const OF_A_KIND_MAX: usize = 3;

/// A definition, and with whom and what it is explored.
pub(super) struct Space {
    pub(super) definition: Definition,
    pub(super) outline: Outline,
    /// The project, as it is when its inventory has changed, and as it is when it is locked down.
    pub(super) projects: Vec<Circumstances>,
    pub(super) by: MemberId,
    /// Who takes part, those who are alike beside each other.
    pub(super) kinds: Vec<Vec<MemberId>>,
    /// The same by their names.
    pub(super) everybody: BTreeMap<String, MemberId>,
    /// What lies ahead of each state.
    pub(super) ahead: AllAhead,
    /// Who is asked for votes, by the states.
    pub(super) asked: BTreeMap<String, BTreeSet<MemberId>>,
    /// Whether there are rules that need a share of those who are asked.
    pub(super) counts_shares: bool,
    /// Who votes in the place of somebody.
    pub(super) stand_in: Option<(MemberId, MemberId)>,
    /// Those whom carrying the run out could exclude from something.
    pub(super) excludable: BTreeSet<MemberId>,
    pub(super) inputs: Vec<Value>,
    /// What comes with signals besides nothing, as scenarios send them.
    pub(super) signals: BTreeMap<String, Value>,
    /// How runs that are asked for end.
    pub(super) endings: BTreeSet<String>,
}

/// A project as it may be at any time.
pub(super) struct Circumstances {
    pub(super) project: Project,
    pub(super) is_locked_down: bool,
    /// Whether somebody who could approve is not qualified there.
    pub(super) lacks_qualification: bool,
}

impl Space {
    /// The space of a definition of this text, as its scenarios begin.
    pub(super) fn new(
        definition: Definition,
        source: &str,
        beginning: &Beginning,
        changes: Option<&[ItemsChange]>,
    ) -> Self {
        let roles = roles_of(source);
        let mut members = cast(&beginning.members, &beginning.by, &roles);
        let stand_in = substitute(&mut members, &definition.outline(), beginning);
        let loses = loses(source, &members, &beginning.by);
        let mut space = Self {
            endings: ["cancelled", "completed", "done", "passed", "refused"]
                .map(str::to_owned)
                .into(),
            outline: definition.outline(),
            inputs: inputs(&definition, &beginning.input),
            signals: BTreeMap::new(),
            projects: projects(&definition, beginning, &members, changes, loses.as_ref()),
            kinds: kinds(&members, &beginning.by, stand_in.as_ref(), loses.as_ref()),
            ahead: ahead::all(&definition.outline(), &texts(source).into_iter().collect()),
            asked: outline_asked(&definition.outline(), source, &members),
            counts_shares: source.contains("roster:"),
            everybody: members.keys().map(|one| (one.to_string(), one.clone())).collect(),
            excludable: excludable(source, &members, &beginning.by),
            by: beginning.by.clone(),
            stand_in,
            definition,
        };
        space.reduce_inputs(source, beginning.at);
        space
    }

    /// All who take part.
    pub(super) fn members(&self) -> impl Iterator<Item = &MemberId> {
        self.kinds.iter().flatten()
    }

    pub(super) fn moment(&self, circumstances: usize, now: Timestamp) -> Moment<'_> {
        Moment { now, project: &self.projects[circumstances].project }
    }

    /// Of inputs on which the same follows leaves one: after which the run begins in the same way and is as
    /// risky, and which say the same about what is decided later.
    fn reduce_inputs(&mut self, source: &str, at: Timestamp) {
        let mut seen = BTreeSet::new();
        let all = std::mem::take(&mut self.inputs);
        let states = source.split_once("\nstates:\n").map_or("", |(_, states)| states);
        let decide = ahead::deciding(states);
        let differs = |input: &Value| {
            let begun = self.begin(input, at).unwrap();
            let mut state = serde_json::to_value(&begun.state).unwrap();
            let level = state["risk"]["level"].take();
            for of_the_input in ["input", "digest", "risk"] {
                state.as_object_mut().unwrap().remove(of_the_input);
            }
            super::same::plain(&mut state);
            without(&mut state, &["digest", "qualified", "plans", "planned_of"]);
            let decides: Vec<_> = decide.iter().map(|name| &input[name]).collect();
            seen.insert(format!("{level} {decides:?} {state}"))
        };
        self.inputs = all.into_iter().filter(differs).collect();
        assert!(self.inputs.len() <= INPUTS_MAX, "{}", self.inputs.len());
    }
}

/// The roles that a definition names.
fn roles_of(source: &str) -> BTreeSet<&str> {
    let named = source.split("role:").skip(1);
    named
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next())
        .collect()
}

/// Of the members those who can do something, and of those who are alike a few; each with the roles that
/// matter.
fn cast(members: &Members, by: &MemberId, roles: &BTreeSet<&str>) -> Members {
    let matters = |role: &RoleName| roles.contains(role.as_str()) || role.as_str() == "owner";
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Members::new();
    for (member, sheet) in members {
        let mut sheet = sheet.clone();
        sheet.roles.retain(matters);
        sheet.stands_for.clear();
        // Who loses a qualification on the way cannot do more than who keeps it.
        sheet.qualifications.retain(|one| one.from.is_none() && one.until.is_none());
        if member == by {
            found.insert(member.clone(), sheet);
            continue;
        }
        let of_the_kind = seen.entry(format!("{sheet:?}")).or_default();
        *of_the_kind += 1;
        if !sheet.roles.is_empty() && *of_the_kind <= OF_A_KIND_MAX {
            found.insert(member.clone(), sheet);
        }
    }
    found
}

/// Has the first of those who could approve be stood in for by somebody who is nothing else: who votes for
/// whom, and for whom.
fn substitute(
    members: &mut Members,
    outline: &Outline,
    beginning: &Beginning,
) -> Option<(MemberId, MemberId)> {
    let may_be = outline
        .states
        .iter()
        .any(|state| state.parts.contains(&holdpoint_definition::ApprovalPart::Substitutes));
    let others =
        |(member, sheet): &(&MemberId, &Sheet)| **member != beginning.by && !sheet.roles.is_empty();
    let absent = members.iter().find(others).filter(|_| may_be)?.0.clone();
    let stand_in: MemberId = "stand-in".parse().unwrap();
    let until = beginning.at.checked_add(jiff::SignedDuration::from_hours(24 * 3650)).unwrap();
    let stands_for =
        vec![StandsFor { member: absent.clone(), from: None, until, roles: BTreeSet::new() }];
    let qualifications = members[&absent].qualifications.clone();
    members.insert(stand_in.clone(), Sheet { stands_for, qualifications, ..Sheet::default() });
    Some((stand_in, absent))
}

/// Who is not qualified any more in one of the projects, where it matters when work begins.
fn loses(source: &str, members: &Members, by: &MemberId) -> Option<MemberId> {
    let is_qualified =
        |(member, sheet): &(&MemberId, &Sheet)| *member != by && !sheet.qualifications.is_empty();
    let found = members.iter().find(is_qualified).filter(|_| source.contains("qualified_at: work"));
    found.map(|(member, _)| member.clone())
}

/// Who is alike. The requester is like nobody, nor is who is stood in for, or loses a qualification.
fn kinds(
    members: &Members,
    by: &MemberId,
    stand_in: Option<&(MemberId, MemberId)>,
    loses: Option<&MemberId>,
) -> Vec<Vec<MemberId>> {
    let mut alike: BTreeMap<String, Vec<MemberId>> = BTreeMap::new();
    for (member, sheet) in members {
        let alone = member == by
            || loses == Some(member)
            || stand_in.is_some_and(|(who, absent)| who == member || absent == member);
        let kind = if alone { member.to_string() } else { format!("{sheet:?}") };
        alike.entry(kind).or_default().push(member.clone());
    }
    alike.into_values().collect()
}

/// The project as it is, as its inventory is when a scenario has changed it, without a qualification, and
/// locked down.
fn projects(
    definition: &Definition,
    beginning: &Beginning,
    members: &Members,
    changes: Option<&[ItemsChange]>,
    loses: Option<&MemberId>,
) -> Vec<Circumstances> {
    let workflow = std::sync::Arc::new(definition.clone());
    let reference = DefinitionRef {
        name: definition.name().clone(),
        version: definition.version(),
        digest: Digest::of(b"explored"),
    };
    let mut play = Play::new(workflow, reference, members, beginning.at).unwrap();
    play.set_calendars(&beginning.calendars).unwrap();
    play.change_items(&beginning.items).unwrap();
    let circumstances = |play: &Play, is_locked_down| Circumstances {
        project: play.project().clone(),
        is_locked_down,
        lacks_qualification: false,
    };
    let mut found = vec![circumstances(&play, false)];
    if let Some(changes) = changes {
        let mut changed = play.clone();
        changed.change_items(changes).unwrap();
        found.push(circumstances(&changed, false));
    }
    if let Some(member) = loses {
        let (mut changed, mut members) = (play.clone(), members.clone());
        members.get_mut(member).unwrap().qualifications.clear();
        changed.set_members(&members).unwrap();
        found.push(Circumstances { lacks_qualification: true, ..circumstances(&changed, false) });
    }
    let reason = "something else burns".to_owned();
    play.add_lockdown(&LockdownStep::Impose { scope: LockdownScope::default(), reason }).unwrap();
    found.push(circumstances(&play, true));
    found
}

/// The text of each state of a definition, with that of its branches.
fn texts(source: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let states = source.split_once("\nstates:\n").map_or("", |(_, states)| states);
    for line in states.lines() {
        // A state begins with its name, two spaces in.
        let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
        match (name.and_then(|rest| rest.split_once(':')), found.last_mut()) {
            (Some((name, rest)), _) => found.push((name.to_owned(), rest.to_owned())),
            (None, Some((_, text))) => text.extend(["\n", line]),
            (None, None) => {}
        }
    }
    found
}

/// Who is asked, by the states; in those of branches whoever is in the whole state around them.
fn outline_asked(
    outline: &Outline,
    source: &str,
    members: &Members,
) -> BTreeMap<String, BTreeSet<MemberId>> {
    let texts: BTreeMap<_, _> = texts(source).into_iter().collect();
    let asked = |state: &holdpoint_definition::StateOutline| {
        let outermost = state.within.first().map_or(&state.name, |(all, _)| all);
        (state.name.clone(), asked_by(&texts[outermost], members))
    };
    outline.states.iter().map(asked).collect()
}

/// Those who have a role that a text names.
fn asked_by(text: &str, members: &Members) -> BTreeSet<MemberId> {
    let asked = roles_of(text);
    let is_asked = |sheet: &Sheet| sheet.roles.iter().any(|role| asked.contains(role.as_str()));
    members.iter().filter(|(_, sheet)| is_asked(sheet)).map(|(member, _)| member.clone()).collect()
}

/// Those whom it could exclude from something that they have carried the run out: who is asked where executors
/// are excluded, and is not excluded there already as the requester.
fn excludable(source: &str, members: &Members, by: &MemberId) -> BTreeSet<MemberId> {
    let states = texts(source).into_iter().filter(|(_, text)| text.contains("executors"));
    states
        .flat_map(|(_, text)| {
            let asked = asked_by(&text, members);
            asked.into_iter().filter(move |member| member != by || !text.contains("requester"))
        })
        .collect()
}

/// Takes members of these names away, wherever they are.
fn without(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, names)),
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            members.values_mut().for_each(|member| without(member, names));
        }
        _ => {}
    }
}

/// Inputs that take all ways: one for each choice that the schema gives, with few targets.
fn inputs(definition: &Definition, input: &Value) -> Vec<Value> {
    let all_targets = input["targets"].as_array().cloned().unwrap_or_default();
    let mut inputs = vec![input.clone()];
    let properties = definition.input_schema().get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let choices =
            match (property.get("enum").and_then(Value::as_array), property["type"].as_str()) {
                // The scenarios' own first, as it is that of which things happen.
                (Some(values), _) => {
                    let own = input.get(name).cloned();
                    let others = values.iter().filter(|one| Some(*one) != own.as_ref()).cloned();
                    own.clone().into_iter().chain(others).collect()
                }
                (None, Some("boolean")) => vec![json!(false), json!(true)],
                // What may be left out is given: with it there is more to wait for.
                (None, Some("string")) if property.get("default") == Some(&json!("")) => {
                    vec![json!("something")]
                }
                _ => continue,
            };
        inputs = inputs
            .into_iter()
            .flat_map(|input| {
                choices.iter().map(move |choice| {
                    let mut input = input.clone();
                    input[name] = choice.clone();
                    input
                })
            })
            .collect();
    }
    for input in &mut inputs {
        for member in input.as_object_mut().unwrap().values_mut() {
            if let Some(items) = member.as_array_mut() {
                items.truncate(2);
            }
        }
    }
    // A list that names some of the targets names some of those that are left.
    for input in &mut inputs {
        let left = input["targets"].as_array().cloned().unwrap_or_default();
        for (name, member) in input.as_object_mut().unwrap() {
            if let Some(items) = member.as_array_mut()
                && name != "targets"
                && all_targets.iter().any(|one| items.contains(one))
                && !items.iter().all(|item| left.contains(item))
            {
                *items = left.iter().take(1).cloned().collect();
            }
        }
    }
    inputs
        .into_iter()
        .map(|input| holdpoint_core::Workflow::complete_input(definition, input))
        .collect()
}
