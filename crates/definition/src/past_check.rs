//! Ways that lead past a hold: by which a run comes to what the hold was to keep it from although
//! nobody has released it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    check::next,
    diagnostics::{DiagnosticCode as Code, Findings},
    hold_model::Hold,
    model::{Model, StateKind, StateModel, Target},
};

/// What a hold keeps a run from until it is met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// People must agree, show or do something.
    People,
    /// People may object.
    Witness,
    /// A calendar must allow it.
    Window,
    /// Something outside must be as it should.
    Checks,
}

impl Gate {
    fn of(hold: &Hold) -> Option<Self> {
        if hold.is_for_people() {
            Some(Self::People)
        } else if hold.witness.is_some() {
            Some(Self::Witness)
        } else if hold.window.is_some() {
            Some(Self::Window)
        } else if !hold.checks.is_empty() {
            Some(Self::Checks)
        } else {
            None
        }
    }

    /// Whether what comes after the release of another hold is as well kept from as by this one:
    /// people have decided, or the same is asked again.
    fn is_kept_by(self, other: &Hold) -> bool {
        let people = other.is_for_people()
            || other.signal.as_ref().is_some_and(|signal| signal.senders.are_named());
        people
            || match self {
                Self::People => false,
                Self::Witness => other.witness.is_some(),
                Self::Window => other.window.is_some(),
                Self::Checks => !other.checks.is_empty(),
            }
    }
}

/// Checks every hold.
pub(crate) fn check(model: &Model, findings: &mut Findings) {
    for (name, state) in &model.states {
        let StateKind::Hold(hold) = &state.kind else { continue };
        let Some(gate) = Gate::of(hold) else { continue };
        let kept = Kept::behind(model, name, state);
        for (outcome, target) in &state.on {
            if !is_release(outcome) {
                check_way(model, &kept, (name, gate), (outcome, target), findings);
            }
        }
        // The time of what the hold is in can be over before anybody has released it.
        for within in model.path(name).into_iter().flatten() {
            let all = model.states.get(&within.all);
            if let Some(target) = all.and_then(|all| all.on.get("expired")) {
                check_way(model, &kept, (name, gate), ("expired", target), findings);
            }
        }
        if let Some((_, target)) = &model.expires {
            check_way(model, &kept, (name, gate), ("expired", target), findings);
        }
    }
}

/// Whether a hold lets the run on by an outcome because somebody has said so.
fn is_release(outcome: &str) -> bool {
    matches!(outcome, "released" | "waived")
}

/// Looks whether what an outcome leads to is what only a release may lead to.
fn check_way(
    model: &Model,
    kept: &Kept<'_>,
    (hold, gate): (&str, Gate),
    (outcome, target): (&str, &Target),
    findings: &mut Findings,
) {
    let reached = walk(model, [target.name.as_str()], |name, state| match &state.kind {
        _ if name == hold => Vec::new(),
        StateKind::Hold(other) if gate.is_kept_by(other) => {
            let by_itself = ["expired", "failed"].into_iter().filter_map(|one| state.on.get(one));
            by_itself.map(|to| to.name.as_str()).collect()
        }
        _ => onward(model, state),
    });
    let late = outcome == "expired";
    let Some(past) =
        reached.keys().find(|name| kept.work.contains(*name) || late && kept.next.contains(*name))
    else {
        return;
    };
    let mut way = vec![format!("`{past}`")];
    let mut before = reached.get(past).copied().flatten();
    while let Some(name) = before {
        way.push(format!("`{name}`"));
        before = reached.get(name).copied().flatten();
    }
    way.reverse();
    let way = match way.as_slice() {
        [to] => format!("to {to}"),
        several => format!("to {}", several.join(", then to ")),
    };
    let (code, message) = if late {
        let why = match gate {
            Gate::People => "people must release it",
            Gate::Witness => "it gives time to object",
            Gate::Window => "its window is closed",
            Gate::Checks => "its checks have not passed",
        };
        let message =
            format!("`{hold}` would go on by itself at its deadline, {way}, although {why}");
        (Code::DeadlineReleases, message)
    } else {
        let why = match outcome {
            "rejected" => "it is rejected",
            "objected" => "somebody objects",
            _ => "a check refuses it",
        };
        (
            Code::RefusalReleases,
            format!("where {why}, `{hold}` would go on as if it were released, {way}"),
        )
    };
    findings.add(code, &target.span, message).help(format!(
        "let `{outcome}` lead where `released` does not: to an `end` of its own, or to a hold that asks somebody else"
    ));
}

/// What a hold keeps a run from.
struct Kept<'m> {
    /// The work to which its release leads where all goes well.
    work: BTreeSet<&'m str>,
    /// What its release leads to next: holds for people, and, where there is neither that nor work,
    /// ends. There the release is all that was wanted.
    next: BTreeSet<&'m str>,
}

impl<'m> Kept<'m> {
    fn behind(model: &'m Model, itself: &str, hold: &'m StateModel) -> Self {
        let released: Vec<&str> = hold
            .on
            .iter()
            .filter(|(outcome, _)| is_release(outcome))
            .map(|(_, to)| to.name.as_str())
            .collect();
        let is =
            |name: &&str, what: fn(&StateModel) -> bool| model.states.get(*name).is_some_and(what);
        let all = walk(model, released.clone(), |_, state| if_well(model, state));
        let first = walk(model, released, |_, state| match &state.kind {
            _ if stops(state) => Vec::new(),
            _ => if_well(model, state),
        });
        let wanted = if first.keys().any(|name| is(name, stops)) { stops } else { is_end };
        let next = first.into_keys().filter(|name| *name != itself && is(name, wanted)).collect();
        Self { work: all.into_keys().filter(|name| is(name, is_work)).collect(), next }
    }
}

const fn is_work(state: &StateModel) -> bool {
    matches!(state.kind, StateKind::Activity(_) | StateKind::Rollout(_) | StateKind::Child(_))
}

const fn is_end(state: &StateModel) -> bool {
    matches!(state.kind, StateKind::End { .. })
}

/// Whether something is done, or asked of people, before the run comes past a state.
fn stops(state: &StateModel) -> bool {
    match &state.kind {
        StateKind::Hold(hold) => hold.is_for_people(),
        _ => is_work(state),
    }
}

/// The states that can follow on one.
fn onward<'m>(model: &'m Model, state: &'m StateModel) -> Vec<&'m str> {
    match &state.kind {
        StateKind::All(all) => {
            // How the branches end is looked at where they do.
            let over = state.on.get("expired");
            all.branches.values().chain(over).map(|to| to.name.as_str()).collect()
        }
        StateKind::End { .. } => {
            let how = if model.ends_well(state) { "completed" } else { "failed" };
            let joined = model.joins(state).and_then(|all| all.on.get(how));
            joined.map(|to| to.name.as_str()).into_iter().collect()
        }
        StateKind::Choose { .. } => next(model, state).map(|to| to.name.as_str()).collect(),
        _ => state.on.values().map(|to| to.name.as_str()).collect(),
    }
}

/// The states that can follow on one where all goes well.
fn if_well<'m>(model: &'m Model, state: &'m StateModel) -> Vec<&'m str> {
    let on = |outcomes: &[&str]| {
        outcomes.iter().filter_map(|one| state.on.get(*one)).map(|to| to.name.as_str()).collect()
    };
    match &state.kind {
        StateKind::Hold(_) => on(&["released", "waived"]),
        StateKind::Activity(_) | StateKind::Rollout(_) | StateKind::Child(_) => on(&["succeeded"]),
        StateKind::All(all) => all.branches.values().map(|to| to.name.as_str()).collect(),
        StateKind::End { .. } if !model.ends_well(state) => Vec::new(),
        StateKind::Choose { .. } | StateKind::End { .. } => onward(model, state),
    }
}

/// All states to which ways lead from some, those included; each with the one before it on a
/// shortest way.
fn walk<'m>(
    model: &'m Model,
    from: impl IntoIterator<Item = &'m str>,
    ways: impl Fn(&'m str, &'m StateModel) -> Vec<&'m str>,
) -> BTreeMap<&'m str, Option<&'m str>> {
    let mut reached = BTreeMap::new();
    let mut open: VecDeque<(&str, Option<&str>)> =
        from.into_iter().map(|one| (one, None)).collect();
    while let Some((name, before)) = open.pop_front() {
        if reached.contains_key(name) {
            continue;
        }
        reached.insert(name, before);
        if let Some(state) = model.states.get(name) {
            open.extend(ways(name, state).into_iter().map(|to| (to, Some(name))));
        }
    }
    reached
}
