//! What needs the whole definition: where outcomes lead, what is ever reached, what ends.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::MemberId;

use crate::{
    approval,
    conflicting::OnConflict,
    diagnostics::{DiagnosticCode as Code, Findings},
    drift,
    event_data::OpenRule,
    evidence::{Again, Demand},
    expr::did_you_mean,
    hold_model::{Approval, Approver, Hold, Rule, Wait},
    model::{Model, StateKind, StateModel, Target, Term, Timed},
    outputs_check, parallel_check, past_check, requalifying,
    waiver::Waivable,
    window_model::{CalendarNamed, Times},
};

/// Checks a model as a whole.
pub(crate) fn check(model: &Model, findings: &mut Findings) {
    let before = findings.errors();
    check_targets(model, findings);
    let outermost = std::iter::once(&model.start).chain(model.expires.iter().map(|(_, to)| to));
    parallel_check::check_ways(model, None, outermost, findings);
    for (name, state) in &model.states {
        check_outcomes(name, state, &outcomes(model, name, state), findings);
        if let StateKind::Hold(hold) = &state.kind {
            check_conflicts(model, name, state, hold, findings);
        }
        if let StateKind::All(all) = &state.kind {
            parallel_check::check_all(model, name, state, all, findings);
        }
        parallel_check::check_ways(model, Some(state), named(state), findings);
    }
    let leads_well = findings.errors() == before;
    for (name, state) in &model.states {
        check_alone(name, state, findings);
    }
    // Where targets do not exist, what follows would only repeat that.
    if leads_well {
        check_reach(model, findings);
        past_check::check(model, findings);
        drift::check(model, findings);
        requalifying::check(model, findings);
        outputs_check::check(model, findings);
        check_loops(model, findings);
    }
}

/// Checks what a state says, whatever the others are.
pub(crate) fn check_alone(name: &str, state: &StateModel, findings: &mut Findings) {
    if let StateKind::Hold(hold) = &state.kind {
        check_rules(hold, findings);
        check_lock(name, state, hold, findings);
        check_evidence(hold, findings);
        check_waiver(hold, findings);
        check_witness(name, state, hold, findings);
        check_window(name, state, hold, findings);
    }
    if let StateKind::Rollout(rollout) = &state.kind
        && let Some(window) = &rollout.window
    {
        check_times(name, &window.times, findings);
    }
    if let StateKind::Activity(work) = &state.kind
        && let Some(window) = &work.window
    {
        check_times(name, &window.times, findings);
    }
}

/// The outcomes that a state can have, in the order in which the documents name them.
pub(crate) fn outcomes(model: &Model, name: &str, state: &StateModel) -> Vec<&'static str> {
    own_outcomes(state).unwrap_or_else(|| {
        let mut all = vec!["completed"];
        if model.can_fail(name) {
            all.push("failed");
        }
        if state.expires.is_some() {
            all.push("expired");
        }
        all
    })
}

/// As [`outcomes`], of a state for which that does not depend on others, as it does for an `all`.
pub(crate) fn own_outcomes(state: &StateModel) -> Option<Vec<&'static str>> {
    Some(match &state.kind {
        StateKind::Hold(hold) => {
            let mut all = vec!["released"];
            if hold.approval.is_some() {
                all.push("rejected");
            }
            if hold.witness.is_some() {
                all.push("objected");
            }
            if hold.can_fail() {
                all.push("failed");
            }
            if hold.waiver.is_some() {
                all.push("waived");
            }
            if hold.can_expire() {
                all.push("expired");
            }
            all
        }
        StateKind::Activity(_) | StateKind::Child(_) if state.expires.is_some() => {
            vec!["succeeded", "failed", "expired"]
        }
        StateKind::Activity(_) | StateKind::Child(_) => vec!["succeeded", "failed"],
        StateKind::Rollout(rollout) => {
            let mut all = vec!["succeeded"];
            if rollout.can_undo() {
                all.push("rolled_back");
            }
            all.push("failed");
            if rollout.approved_at.is_some() {
                all.push("drifted");
            }
            all
        }
        StateKind::All(_) => return None,
        StateKind::Choose { .. } | StateKind::End { .. } => Vec::new(),
    })
}

/// Every state that a state names as one that can follow it.
pub(crate) fn named(state: &StateModel) -> impl Iterator<Item = &Target> {
    let chosen: Vec<&Target> = match &state.kind {
        StateKind::Choose { branches, otherwise } => {
            branches.iter().map(|(_, to)| to).chain([otherwise]).collect()
        }
        _ => Vec::new(),
    };
    chosen.into_iter().chain(state.on.values())
}

/// Every state that a state can be followed by: also those in which its branches begin, and after
/// the end of a branch those that follow on all of them.
pub(crate) fn next<'m>(
    model: &'m Model,
    state: &'m StateModel,
) -> impl Iterator<Item = &'m Target> {
    let branches = match &state.kind {
        StateKind::All(all) => Some(all.branches.values()),
        _ => None,
    };
    let joined = model.joins(state).map(|all| all.on.values());
    named(state).chain(branches.into_iter().flatten()).chain(joined.into_iter().flatten())
}

fn check_targets(model: &Model, findings: &mut Findings) {
    // That there are none was said when they were read.
    if model.states.is_empty() {
        return;
    }
    let expires = model.expires.iter().map(|(_, to)| to);
    let targets = std::iter::once(&model.start)
        .chain(expires)
        .chain(model.states.values().flat_map(|state| next(model, state)));
    for target in targets {
        check_target(target, model.states.keys().map(String::as_str), findings);
    }
}

/// Tells a state that is named and not there, where these are all.
pub(crate) fn check_target<'n>(
    target: &Target,
    names: impl Iterator<Item = &'n str> + Clone,
    findings: &mut Findings,
) {
    if names.clone().any(|name| name == target.name) {
        return;
    }
    let help = did_you_mean(&target.name, names.clone())
        .unwrap_or_else(|| format!("the states are {}", names.collect::<Vec<_>>().join(", ")));
    findings
        .add(Code::UnknownState, &target.span, format!("there is no state `{}`", target.name))
        .help(help);
}

/// Checks that `on` names every outcome that is possible, and no other.
pub(crate) fn check_outcomes(
    name: &str,
    state: &StateModel,
    possible: &[&str],
    findings: &mut Findings,
) {
    // What was written for an outcome is told as that.
    let unknown = state.outcome_spans.keys().filter(|one| !possible.contains(&one.as_str()));
    let meant: Vec<String> =
        unknown.filter_map(|one| did_you_mean(one, possible.iter().copied())).collect();
    for outcome in possible {
        let misspelt = did_you_mean(outcome, std::iter::once(*outcome))
            .is_some_and(|one| meant.contains(&one));
        if !state.on.contains_key(*outcome) && !misspelt {
            let span = state.on_span.as_ref().unwrap_or(&state.span);
            findings
                .add(
                    Code::MissingOutcome,
                    span,
                    format!("`{name}` does not say where `{outcome}` leads"),
                )
                .help(format!("add `{outcome}: STATE` to its `on`"));
        }
    }
    for (outcome, span) in &state.outcome_spans {
        if !possible.contains(&outcome.as_str()) {
            let help = if possible.is_empty() {
                "this kind of state has no outcomes: leave `on` out".to_owned()
            } else {
                did_you_mean(outcome, possible.iter().copied())
                    .unwrap_or_else(|| format!("its outcomes are {}", possible.join(", ")))
            };
            findings
                .add(
                    Code::UnknownOutcome,
                    span,
                    format!("`{name}` cannot have the outcome `{outcome}`"),
                )
                .help(help);
        }
    }
}

fn check_rules(hold: &Hold, findings: &mut Findings) {
    let Some(approval) = &hold.approval else { return };
    let mut enough = true;
    for rule in &approval.rules {
        let Some(members) = only_members(&rule.from) else { continue };
        if members.len() < usize::try_from(rule.need.at_least()).unwrap_or(usize::MAX) {
            enough = false;
            findings
                .add(
                    Code::NobodyCanRelease,
                    &rule.span,
                    format!(
                        "the rule `{}` needs {} approvals but names only {} members",
                        rule.name,
                        rule.need.at_least(),
                        members.len()
                    ),
                )
                .help("name more members or a role, or lower `need`");
        }
    }
    if enough {
        check_seats(approval, findings);
    }
    check_order(approval, findings);
    if let Some(first) = approval.rules.first()
        && approval.rules.iter().all(|rule| rule.when.is_some())
    {
        findings
            .add(
                Code::EveryRuleConditional,
                &first.span,
                "every rule has a condition; where none is true, nobody can release the hold",
            )
            .help("leave `when` out of one rule, or `choose` before the hold");
    }
}

/// A run waits for locks only while it holds none; a branch cannot know what the others hold.
fn check_lock(name: &str, state: &StateModel, hold: &Hold, findings: &mut Findings) {
    if hold.lock.is_some() && state.within.is_some() {
        findings
            .add(
                Code::LockInBranch,
                &state.span,
                format!("`{name}` takes locks in a branch, where others may hold some"),
            )
            .help("take the locks of all branches in a hold before the `all`");
    }
}

/// A run that is held by a conflict gives back its locks, so it must get those again that it needs; and
/// a branch cannot give back what others work with.
fn check_conflicts(
    model: &Model,
    name: &str,
    state: &StateModel,
    hold: &Hold,
    findings: &mut Findings,
) {
    let Some(conflicts) = &hold.conflicts else { return };
    if state.within.is_some() {
        findings
            .add(
                Code::ConflictsInBranch,
                &state.span,
                format!("`{name}` looks for conflicts in a branch, and they are the whole run's"),
            )
            .help("look for them in a hold before the `all`");
        return;
    }
    if conflicts.found == OnConflict::Warn || hold.lock.is_some() || state.unlock {
        return;
    }
    let takes =
        |other: &StateModel| matches!(&other.kind, StateKind::Hold(hold) if hold.lock.is_some());
    let mut open: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    let locking = model.states.values().filter(|other| takes(other));
    open.extend(locking.flat_map(|other| next(model, other)).map(|to| to.name.as_str()));
    while let Some(at) = open.pop() {
        let Some(here) = model.states.get(at).filter(|one| !one.unlock && seen.insert(at)) else {
            continue;
        };
        if at == name {
            findings
                .add(
                    Code::ConflictsUnlock,
                    &state.span,
                    format!("the run can hold locks in `{name}`, and loses them when a conflict holds it"),
                )
                .help("have it ask for what it needs: `lock`; or say that it gives them back: `unlock: true`");
            return;
        }
        open.extend(next(model, here).map(|to| to.name.as_str()));
    }
}

/// Evidence can come after a vote, and then somebody must have said what becomes of that.
fn check_evidence(hold: &Hold, findings: &mut Findings) {
    if let (Some(approval), Some(first)) = (&hold.approval, hold.evidence.first())
        && approval.amended.is_none()
    {
        findings
            .add(
                Code::EvidenceAfterVotes,
                &first.span,
                "the hold has evidence and approvals, and does not say what becomes of approvals when the evidence changes",
            )
            .help(
                "add `amended` to the approval: `reset`, `subset` (they stand while what they were given on stays) or `keep`",
            );
    }
}

/// A waiver covers what there is, and enough people can do what they are asked for.
fn check_waiver(hold: &Hold, findings: &mut Findings) {
    let few = |from: &[Approver], need: u32| {
        let named = only_members(from);
        named.is_some_and(|named| named.len() < usize::try_from(need).unwrap_or(usize::MAX))
    };
    for task in hold.tasks.iter().filter(|task| few(&task.from, task.need)) {
        findings
            .add(
                Code::NobodyCanRelease,
                &task.span,
                format!("the task `{}` needs more people than it names", task.name),
            )
            .help("name more members or a role, or lower `need`");
    }
    let Some(waiver) = &hold.waiver else { return };
    if few(&waiver.from, waiver.need) {
        findings
            .add(Code::NobodyCanRelease, &waiver.span, "the waiver needs more people than it names")
            .help("name more members or a role, or lower `need`");
    }
    let has: Vec<&str> =
        Waivable::ALL.into_iter().filter(|one| one.is_of(hold)).map(Waivable::as_str).collect();
    let none = waiver.scope.iter().find(|one| !one.is_of(hold));
    if let Some(none) = none.filter(|_| waiver.scope.len() < Waivable::ALL.len()) {
        findings
            .add(
                Code::WaiverScope,
                &waiver.span,
                format!("the waiver covers `{}`, which the hold does not have", none.as_str()),
            )
            .help(format!("the hold has {}", has.join(", ")));
    }
}

/// Rules that come after others must come after some that there are, and not after themselves.
fn check_order(approval: &Approval, findings: &mut Findings) {
    let names = || approval.rules.iter().map(|rule| rule.name.as_str());
    let mut known = true;
    for named in approval.rules.iter().flat_map(|rule| &rule.after) {
        if approval.rule(&named.name).is_none() {
            known = false;
            let help = did_you_mean(&named.name, names()).unwrap_or_else(|| {
                format!("the rules are {}", names().collect::<Vec<_>>().join(", "))
            });
            findings
                .add(
                    Code::RuleOrder,
                    &named.span,
                    format!("there is no rule `{}` here", named.name),
                )
                .help(help);
        }
    }
    if !known {
        return;
    }
    // What is left after taking away, again and again, the rules that come after none that is left,
    // waits for itself.
    let mut left: Vec<&Rule> = approval.rules.iter().collect();
    loop {
        let before = left.len();
        let names: BTreeSet<&str> = left.iter().map(|rule| rule.name.as_str()).collect();
        left.retain(|rule| rule.after.iter().any(|named| names.contains(named.name.as_str())));
        if left.len() == before {
            break;
        }
    }
    if let Some(named) = left.first().and_then(|rule| rule.after.first()) {
        let names: Vec<String> = left.iter().map(|rule| format!("`{}`", rule.name)).collect();
        findings
            .add(
                Code::RuleOrder,
                &named.span,
                match names.as_slice() {
                    [one] => format!("the rule {one} waits for itself"),
                    several => format!("the rules {} wait for each other", several.join(", ")),
                },
            )
            .help("let one of them come first: leave its `after` out");
    }
}

/// The members who are asked, if no role is: a role may have any number of members.
fn only_members(from: &[Approver]) -> Option<BTreeSet<&MemberId>> {
    from.iter()
        .map(|from| match from {
            Approver::Member(member) => Some(member),
            Approver::Role(_) => None,
        })
        .collect()
}

/// Whether the members who are asked by name can fill the seats of all rules that always apply:
/// each fills one.
fn check_seats(approval: &Approval, findings: &mut Findings) {
    let rules: Vec<(&Rule, BTreeSet<&MemberId>)> = approval
        .rules
        .iter()
        .filter(|rule| rule.when.is_none())
        .filter_map(|rule| Some((rule, only_members(&rule.from)?)))
        .collect();
    let open: Vec<OpenRule> = rules
        .iter()
        .map(|(rule, _)| OpenRule {
            rule: rule.name.clone(),
            need: rule.need.at_least(),
            qualified: None,
            roster: None,
        })
        .collect();
    let members: BTreeSet<&MemberId> =
        rules.iter().flat_map(|(_, members)| members).copied().collect();
    let ballots: Vec<BTreeSet<String>> = members
        .iter()
        .map(|member| {
            let asking = rules.iter().filter(|(_, members)| members.contains(member));
            asking.map(|(rule, _)| rule.name.clone()).collect()
        })
        .collect();
    let filled = approval::filled(&open, &ballots.iter().collect::<Vec<_>>());
    let short =
        filled.iter().zip(&rules).find(|(filled, (rule, _))| **filled < rule.need.at_least());
    if let Some((_, (rule, _))) = short {
        findings
            .add(
                Code::NobodyCanRelease,
                &rule.span,
                format!(
                    "the rule `{}` needs members whom other rules need too, and each fills one seat",
                    rule.name
                ),
            )
            .help("name more members or a role, or lower `need`");
    }
}

/// The time for objections must end before the hold does.
fn check_witness(name: &str, state: &StateModel, hold: &Hold, findings: &mut Findings) {
    let Some(witness) = &hold.witness else { return };
    let is_before =
        |expires: &Term| matches!(expires, Term::Timed(Timed::Fixed(at)) if *at < witness.span);
    if hold.expiries().any(is_before) {
        findings
            .add(
                Code::NobodyCanRelease,
                &state.span,
                format!("`{name}` expires before the time of its `witness` ends"),
            )
            .help("let `expires` be later than the `for` of `witness`");
    }
}

/// Of the calendars only the names are known here: what they allow is asked when it matters.
fn check_window(name: &str, state: &StateModel, hold: &Hold, findings: &mut Findings) {
    let Some(window) = &hold.window else { return };
    check_times(name, &window.times, findings);
    let goes_on = hold.can_expire() || hold.approval.is_some() || hold.witness.is_some();
    if !goes_on && window.overriders.is_empty() {
        findings
            .add(
                Code::WindowWithoutEnd,
                &state.span,
                format!("where its window never opens, `{name}` waits for ever"),
            )
            .help("let the window expire, such as `expires: 30d`, or say who may `override` its window");
    }
}

/// What a calendar allows is not allowed where work must not be during it.
fn check_times(name: &str, times: &Times, findings: &mut Findings) {
    let texts = |all: &[CalendarNamed]| -> BTreeSet<String> {
        all.iter().map(|one| one.template.text().to_owned()).collect()
    };
    let not_during = texts(&times.not_during);
    let twice = times.windows.iter().find(|one| not_during.contains(one.template.text()));
    if let Some(twice) = twice {
        let span = &twice.span;
        findings
            .add(
                Code::WindowNeverOpens,
                span,
                format!(
                    "`{name}` waits for `{}` and must not be during it, so that its window never opens",
                    twice.template.text()
                ),
            )
            .help("name the calendar on one side only");
    }
}

/// The states that a run in `here` can still come to; `here` itself where `included`, and where a
/// way leads back to it.
pub(crate) fn ahead<'m>(model: &'m Model, here: &str, included: bool) -> BTreeSet<&'m str> {
    let mut seen = BTreeSet::new();
    let Some((name, state)) = model.states.get_key_value(here) else { return seen };
    for target in next(model, state) {
        seen.extend(reachable(model, &target.name));
    }
    if included {
        seen.insert(name.as_str());
    }
    seen
}

/// Whether a run in `here` can come to work, of machines or of people, without passing the state `through`.
pub(crate) fn works_without(model: &Model, here: &str, through: &str) -> bool {
    let mut seen = BTreeSet::from([through]);
    let mut open = vec![here];
    while let Some(name) = open.pop() {
        let Some((name, state)) = model.states.get_key_value(name) else { continue };
        if !seen.insert(name.as_str()) {
            continue;
        }
        let works = match &state.kind {
            StateKind::Activity(_) | StateKind::Rollout(_) | StateKind::Child(_) => true,
            StateKind::Hold(hold) => !hold.tasks.is_empty(),
            StateKind::Choose { .. } | StateKind::All(_) | StateKind::End { .. } => false,
        };
        if works {
            return true;
        }
        open.extend(next(model, state).map(|target| target.name.as_str()));
    }
    false
}

/// The states that can be reached from `from`, itself included.
fn reachable<'m>(model: &'m Model, from: &'m str) -> BTreeSet<&'m str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        if seen.insert(name)
            && let Some(state) = model.states.get(name)
        {
            open.extend(next(model, state).map(|target| target.name.as_str()));
        }
    }
    seen
}

fn check_reach(model: &Model, findings: &mut Findings) {
    let mut reached = reachable(model, &model.start.name);
    if let Some((_, to)) = &model.expires {
        reached.insert(&to.name);
        // Whatever the run is at then, nothing more is to be done.
        if model.states.get(&to.name).is_some_and(|to| !matches!(to.kind, StateKind::End { .. })) {
            findings
                .add(
                    Code::WrongKind,
                    &to.span,
                    format!("`{}` is no end, and a run whose time is over ends", to.name),
                )
                .help("name a state with `end: OUTCOME`");
        }
    }
    let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, state) in &model.states {
        for target in next(model, state) {
            before.entry(&target.name).or_default().push(name);
        }
    }
    let mut ends: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = model
        .states
        .iter()
        .filter(|(_, state)| matches!(state.kind, StateKind::End { .. }))
        .filter(|(_, state)| state.within.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    while let Some(name) = open.pop() {
        if ends.insert(name) {
            open.extend(before.get(name).into_iter().flatten());
        }
    }
    for (name, state) in &model.states {
        if !reached.contains(name.as_str()) {
            unreachable(&model.start.name, name, state, findings);
        } else if !ends.contains(name.as_str()) {
            findings
                .add(Code::NoWayToEnd, &state.span, format!("no way leads from `{name}` to an end"))
                .help("let one of its outcomes lead to a state with `end: OUTCOME`");
        }
    }
}

/// Tells a state that no run ever comes to.
pub(crate) fn unreachable(start: &str, name: &str, state: &StateModel, findings: &mut Findings) {
    findings
        .add(
            Code::UnreachableState,
            &state.span,
            format!("no way leads from `{start}` to `{name}`"),
        )
        .help("let an outcome lead to it, or remove it");
}

/// Whether a state can make a run wait for a person, a signal or some time.
fn can_hold(model: &Model, name: &str, kind: &StateKind) -> bool {
    match kind {
        StateKind::All(_) => model.states.iter().any(|(inner, state)| {
            state.within.as_ref().is_some_and(|within| within.all == name)
                && can_hold(model, inner, &state.kind)
        }),
        StateKind::Hold(hold) => {
            let no_time = matches!(
                &hold.wait,
                Some(Wait::For(Term::Timed(Timed::Fixed(span)))) if span.is_zero()
            );
            let anew =
                |demand: &Demand| demand.when.is_none() && demand.again.contains(&Again::EachVisit);
            hold.approval.is_some()
                || hold.witness.is_some()
                || hold.evidence.iter().any(anew)
                || hold.tasks.iter().any(|task| task.when.is_none())
                || hold.signal.is_some()
                || hold.window.is_some()
                || hold.wait.is_some() && !no_time
        }
        _ => false,
    }
}

/// Circles in which no state holds would be run through for ever, as fast as machines can.
fn check_loops(model: &Model, findings: &mut Findings) {
    let moving: BTreeSet<&str> = model
        .states
        .iter()
        .filter(|(name, state)| !can_hold(model, name, &state.kind))
        .map(|(name, _)| name.as_str())
        .collect();
    // What is left after taking away, again and again, the states that lead to none that is left,
    // lies on a circle or before one.
    let mut left = moving;
    loop {
        let kept: BTreeSet<&str> = left
            .iter()
            .copied()
            .filter(|name| {
                model.states.get(*name).is_some_and(|state| {
                    next(model, state).any(|to| left.contains(to.name.as_str()))
                })
            })
            .collect();
        if kept.len() == left.len() {
            break;
        }
        left = kept;
    }
    for name in &left {
        let returns = model.states.get(*name).is_some_and(|state| {
            next(model, state)
                .any(|to| left.contains(to.name.as_str()) && leads(model, &left, &to.name, name))
        });
        if let Some(state) = model.states.get(*name).filter(|_| returns) {
            findings
                .add(
                    Code::LoopWithoutHold,
                    &state.span,
                    format!("from `{name}` the run can come back to it without ever being held"),
                )
                .help("put a `hold` into the circle, such as a `wait`, or lead out of it; to try work again, use `retry`");
        }
    }
}

/// Whether a way within `among` leads from `from` to `to`.
fn leads(model: &Model, among: &BTreeSet<&str>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name.clone())
            && let Some(state) = model.states.get(&name)
        {
            open.extend(
                next(model, state)
                    .filter(|target| among.contains(target.name.as_str()))
                    .map(|target| target.name.clone()),
            );
        }
    }
    false
}
