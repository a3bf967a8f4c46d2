//! Qualifications that must be valid when the work begins, too: what the approvals of a released hold rely
//! on is looked at again before the first work after it, and once more when that is begun with. How an
//! approval is given anew is in `approving_anew`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{
    Effect, EffectId, EffectKind, MemberId, Moment, NextAsk, NextStep, QualificationName, Seen,
    Vote,
    project::Member,
    view::{ConditionView, HoldView},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    approval::Asked,
    check,
    decide::Draft,
    diagnostics::{DiagnosticCode as Code, Findings},
    event::DefinitionEvent as Event,
    event_data::{Lapsing, QualifiedVote},
    evolve::hold_of,
    hold_model::{Approval, Hold},
    hold_state::HoldState,
    lockdown::begins_work,
    model::Model,
    phrase,
    state::{Place, State},
    view::{condition, rule_views},
    waiver::Waivable,
};

/// A hold that was released with approvals which are looked at again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Relied {
    /// As it was when it was released, and with what was approved anew since.
    pub(crate) open: Arc<HoldState>,
    /// The first work since, on each way that the run has gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    begun: Vec<Begun>,
}

/// Work that was entered after a hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Begun {
    /// In which branch, from the outermost.
    path: Vec<String>,
    /// The state, until it is left: what is asked for may not have begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

fn path(model: &Model, name: &str) -> Vec<String> {
    let path = model.path(name).unwrap_or_default();
    path.into_iter().map(|within| within.branch.clone()).collect()
}

/// Whether a run that goes one of two ways goes the other, too: they are not those of two branches.
fn is_one_way(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

impl Relied {
    /// Whether the approvals are looked at before a state of work, or when it is begun with that was
    /// entered: no other work came before on this way.
    fn is_looked_at(&self, model: &Model, work: &str, is_entered: bool) -> bool {
        let here = path(model, work);
        let first =
            |one: &Begun| is_entered && one.path == here && one.state.as_deref() == Some(work);
        is_one_way(&path(model, &self.open.hold), &here)
            && self.begun.iter().filter(|one| is_one_way(&one.path, &here)).all(first)
    }
}

/// Checks that work lies ahead of a hold that asks for qualifications which are valid then.
pub(crate) fn check(model: &Model, findings: &mut Findings) {
    for name in model.states.keys() {
        let approval = hold_of(model, name).and_then(|hold| hold.approval.as_ref());
        let asks = approval.and_then(|one| one.rules.iter().find(|rule| rule.at_work));
        let Some(rule) = asks else { continue };
        if !check::ahead(model, name, false).iter().any(|state| begins_work(model, state)) {
            findings
                .add(
                    Code::NoWorkToQualifyFor,
                    &rule.span,
                    format!("no work comes after `{name}`, when they would have to be qualified"),
                )
                .help("leave `qualified_at` out: they are qualified when they vote");
        }
    }
}

/// In what who approves under a rule must still be qualified when the work begins.
fn domain<'o>(
    open: &'o HoldState,
    approval: &Approval,
    rule: &str,
) -> Option<&'o QualificationName> {
    approval.rule(rule).filter(|rule| rule.at_work)?;
    open.rules.iter().find(|open| open.rule == rule)?.qualified.as_ref()
}

/// A released hold with the approvals of it that count at a moment.
pub(crate) fn counting(open: &HoldState, approval: &Approval, at: &Moment<'_>) -> HoldState {
    let counts = |rule: &String, voter: &MemberId| {
        domain(open, approval, rule).is_none_or(|domain| {
            let member = at.project.members().get(voter);
            member.is_some_and(|member| member.is_qualified(domain.as_str(), at.now))
        })
    };
    let mut then = open.clone();
    for vote in &mut then.votes {
        let (voter, before) = (vote.voter().clone(), vote.rules.len());
        vote.rules.retain(|rule| counts(rule, &voter));
        vote.lapsed = vote.rules.len() < before;
    }
    then.votes.retain(|vote| vote.vote != Vote::Approve || !vote.rules.is_empty());
    then
}

/// The released holds whose approvals are looked at before a state, or when what it does is begun with.
fn relied_upon<'s>(
    model: &'s Model,
    state: &'s State,
    next: &'s str,
) -> impl Iterator<Item = (&'s HoldState, &'s Approval)> {
    let is_entered = state.place.state() == next
        && matches!(state.place, Place::Activity { .. } | Place::Child(_) | Place::Rollout { .. });
    state
        .relied
        .values()
        .filter(move |one| begins_work(model, next) && one.is_looked_at(model, next, is_entered))
        .filter_map(|one| Some((&*one.open, hold_of(model, &one.open.hold)?.approval.as_ref()?)))
}

/// Until when a member is qualified at a moment, or was.
fn until(member: &Member, domain: &QualificationName, now: Timestamp) -> Option<Timestamp> {
    let held = || member.qualifications.iter().filter(|one| one.domain == *domain);
    let (mut valid, ended) = (
        held().filter(|one| one.is_valid(now)).peekable(),
        held().filter_map(|one| one.until).filter(|until| *until <= now),
    );
    if valid.peek().is_none() {
        return ended.max();
    }
    // One without an end lasts the longest.
    valid.map(|one| one.until).reduce(|a, b| Some(a?.max(b?))).flatten()
}

/// The approvals under rules that ask again, of which each counts, or does not, at a moment.
fn votes(
    open: &HoldState,
    approval: &Approval,
    at: &Moment<'_>,
    counts: bool,
) -> Vec<QualifiedVote> {
    let then = counting(open, approval, at);
    let kept = |vote: &MemberId, rule: &String| {
        then.vote_of(vote).is_some_and(|vote| vote.rules.contains(rule))
    };
    let mut found = Vec::new();
    for vote in open.approving() {
        let rules = vote.rules.iter().filter(|rule| kept(&vote.member, rule) == counts);
        found.extend(rules.filter_map(|rule| {
            let domain = domain(open, approval, rule)?.clone();
            let member = vote.voter().clone();
            let held = at.project.members().get(&member);
            let until = held.and_then(|held| until(held, &domain, at.now));
            Some(QualifiedVote {
                hold: open.hold.clone(),
                rule: rule.clone(),
                member,
                domain,
                until,
            })
        }));
    }
    found
}

/// The approvals that do not count any more, of holds that lack them before a state.
fn lapsed(model: &Model, state: &State, next: &str, at: &Moment<'_>) -> Vec<QualifiedVote> {
    relied_upon(model, state, next)
        .filter(|(open, approval)| !counting(open, approval, at).is_approved())
        .flat_map(|(open, approval)| votes(open, approval, at, false))
        .collect()
}

/// What keeps a run from work at a moment.
fn found(model: &Model, state: &State, next: &str, at: &Moment<'_>) -> Option<Lapsing> {
    let approvals = lapsed(model, state, next, at);
    if approvals.is_empty() {
        return None;
    }
    let held = approvals.iter().flat_map(|one| {
        let member = at.project.members().get(&one.member);
        let all = member.into_iter().flat_map(|member| &member.qualifications);
        all.filter(|held| held.domain == one.domain)
    });
    let later: BTreeSet<Timestamp> =
        held.filter_map(|held| held.from).filter(|from| *from > at.now).collect();
    let enough = |then: &Timestamp| {
        lapsed(model, state, next, &Moment { now: *then, project: at.project }).is_empty()
    };
    let again = later.into_iter().find(enough);
    let seen = at.project.qualifications();
    Some(Lapsing { state: next.to_owned(), approvals, seen, again })
}

/// What wakes a run that rests for that: that other qualifications were recorded, and the time from which
/// some hold.
pub(crate) fn effects(state: &State) -> Vec<Effect> {
    let Place::Owing { next, lapsed: Some(lapsed), .. } = &state.place else { return Vec::new() };
    // Each change makes another digest, so no name is given again after it was fired.
    let seen = lapsed.seen.to_string();
    let seen: String = seen.trim_start_matches("sha256:").chars().take(16).collect();
    let before = format!("{next}#{}/qualified-{seen}", state.visit(next).saturating_add(1));
    let watched = Seen { qualifications: [lapsed.seen].into(), ..Seen::default() };
    let timer = lapsed.again.map(|due| Effect {
        id: EffectId::new(format!("{before}-at-{}", due.as_second())),
        kind: EffectKind::Timer { due },
    });
    let watch = Effect { id: EffectId::new(before), kind: EffectKind::Watch { seen: watched } };
    [watch].into_iter().chain(timer).collect()
}

/// Whether other qualifications matter to a run that watches them, or a branch of it; `None` where it
/// watches something else.
pub(crate) fn has_changed(
    model: &Model,
    state: &State,
    watch: &EffectId,
    at: &Moment<'_>,
) -> Option<bool> {
    let changed = |state: &State| match &state.place {
        Place::Owing { next, lapsed: Some(known), .. }
            if effects(state).iter().any(|one| one.id == *watch) =>
        {
            let now = found(model, state, next, at);
            Some(now.is_none_or(|now| {
                (now.approvals, now.again) != (known.approvals.clone(), known.again)
            }))
        }
        _ => None,
    };
    match &state.place {
        Place::All(_) => {
            let paths = state.leaves().into_iter().map(|(path, _)| path);
            paths.filter_map(|path| changed(&state.looking_at(&path)?)).next()
        }
        _ => changed(state),
    }
}

impl Draft<'_> {
    /// The approvals that count for the work that a state begins.
    pub(crate) fn qualified_before(&self, name: &str) -> Vec<QualifiedVote> {
        relied_upon(self.model, &self.state, name)
            .flat_map(|(open, approval)| votes(open, approval, self.at, true))
            .collect()
    }

    /// Rests before a state of work, or takes back what of it is asked for and not begun, while approvals
    /// that led there do not count any more.
    pub(crate) fn unqualified_before(&mut self, name: &str) -> bool {
        let Some(now) = found(self.model, &self.state, name, self.at) else { return false };
        let known = match &self.state.place {
            Place::Owing { lapsed, .. } => lapsed.as_ref() == Some(&now),
            _ => false,
        };
        if !known {
            self.emit(Event::QualificationsLapsed(now));
        }
        true
    }

    /// Decides what [`effects`] do, if `named` is one of them, and says so.
    pub(crate) fn qualifications_changed(&mut self, named: &EffectId) -> bool {
        let is_one = effects(&self.state).iter().any(|one| one.id == *named);
        if is_one {
            self.look_at_qualifications();
        }
        is_one
    }

    /// Goes on, if the run rests for approvals that did not count and now do.
    pub(crate) fn look_at_qualifications(&mut self) {
        if let Place::Owing { next, lapsed: Some(_), .. } = &self.state.place {
            let next = next.clone();
            self.enter(next);
        }
    }
}

/// Keeps what a hold is released with, if it is looked at again. Who was let pass by a waiver of the approval
/// relied on that.
pub(crate) fn rely(state: &mut State, hold: &Hold) {
    let (Place::Hold(open), Some(approval)) = (&state.place, &hold.approval) else { return };
    let asks_again = open.rules.iter().any(|rule| domain(open, approval, &rule.rule).is_some());
    if asks_again && !open.waives(hold, Waivable::Approval) {
        let relied = Relied { open: Arc::new(open.clone()), begun: Vec::new() };
        state.relied.insert(open.hold.clone(), relied);
    }
}

/// Notes that a state was entered: the first work of a way, or what comes after that.
pub(crate) fn entered(model: &Model, state: &mut State, entered: &str) {
    if state.relied.is_empty() {
        return;
    }
    let here = path(model, entered);
    state.relied.retain(|hold, one| {
        one.begun
            .iter_mut()
            .filter(|begun| begun.path == here)
            .for_each(|begun| begun.state = None);
        if begins_work(model, entered) && one.is_looked_at(model, entered, false) {
            one.begun.push(Begun { path: here.clone(), state: Some(entered.to_owned()) });
        }
        // Whatever comes after the hold comes after what has ended here.
        let from = path(model, hold);
        !one.begun.iter().any(|begun| begun.state.is_none() && from.starts_with(&begun.path))
    });
}

/// Notes that what a state asked for was taken back before anything of it had begun.
pub(crate) fn taken_back(state: &mut State, named: &str) {
    for one in state.relied.values_mut() {
        one.begun.retain(|begun| begun.state.as_deref() != Some(named));
    }
}

/// Notes that branches have joined: what comes then comes after what any of them has done.
pub(crate) fn joined(model: &Model, state: &mut State, all: &str) {
    let here = path(model, all);
    for one in state.relied.values_mut() {
        for begun in &mut one.begun {
            if begun.path.len() > here.len() && begun.path.starts_with(&here) {
                *begun = Begun { path: here.clone(), state: None };
            }
        }
        one.begun.sort();
        one.begun.dedup();
    }
}

/// With the names that states have in another version, by which the run goes on before what it does next.
pub(crate) fn renamed(state: &mut State, name: impl Fn(&String) -> String) {
    let rename = |(hold, one): (String, Relied)| {
        let hold = name(&hold);
        let open = HoldState { hold: hold.clone(), ..Arc::unwrap_or_clone(one.open) };
        (hold, Relied { open: Arc::new(open), begun: Vec::new() })
    };
    state.relied = std::mem::take(&mut state.relied).into_iter().map(rename).collect();
}

/// Adds that qualifications have lapsed; `leads` says whether a way leads to the state it names.
pub(crate) fn evolve(state: &mut State, lapsing: &Lapsing, leads: bool) -> Result<(), String> {
    let named = &lapsing.state;
    let rests = |here: &str| Place::Owing {
        state: here.to_owned(),
        next: named.clone(),
        lockdowns: BTreeSet::new(),
        lacking: BTreeSet::new(),
        lapsed: Some(lapsing.clone()),
    };
    match &mut state.place {
        Place::Owing { next, lockdowns, lacking, lapsed, .. } if next == named => {
            // What else can keep a run is looked at before, and has let it go.
            lockdowns.clear();
            lacking.clear();
            *lapsed = Some(lapsing.clone());
            Ok(())
        }
        place @ (Place::Activity { .. } | Place::Child(_) | Place::Rollout { .. })
            if place.state() == named =>
        {
            // Nothing of it was begun.
            *place = rests(named);
            state.rollout = state.rollout.take().filter(|rollout| rollout.state != *named);
            taken_back(state, named);
            Ok(())
        }
        place if leads => {
            let here = if place.state().is_empty() { named } else { place.state() };
            *place = rests(here);
            Ok(())
        }
        _ => Err(format!("no way leads to `{named}`")),
    }
}

/// The released holds whose approvals do not count, as they look now.
pub(crate) fn hold_views(model: &Model, state: &State, at: &Moment<'_>) -> Vec<HoldView> {
    let Place::Owing { next, lapsed: Some(known), .. } = &state.place else { return Vec::new() };
    let now = lapsed(model, state, next, at);
    let of = |(relied, approval): (&HoldState, &Approval)| {
        let theirs = known.approvals.iter().filter(|one| one.hold == relied.hold);
        let mut conditions: Vec<ConditionView> = theirs
            .map(|one| {
                let QualifiedVote { hold, rule, member, domain, until } = one;
                let is_so = !now
                    .iter()
                    .any(|now| (&now.hold, &now.rule, &now.member) == (hold, rule, member));
                let was = until.map(|until| format!(", until {}", phrase::moment(until)));
                let words = format!(
                    "{member} qualified in {domain}, as when they approved `{hold}`{}",
                    was.unwrap_or_default()
                );
                condition("qualification", member.as_str(), is_so, words)
            })
            .collect();
        if conditions.is_empty() {
            return None;
        }
        let open = counting(relied, approval, at);
        let needs: Vec<u32> = open.rules.iter().map(|rule| rule.need).collect();
        let asked = Asked::of(approval, &open, state);
        let rules = rule_views(&asked, &open, &needs, state.digest, at);
        conditions.extend(rules.into_iter().filter(|rule| !rule.met));
        Some(HoldView {
            hold: relied.hold.clone(),
            since: state.entered,
            deadline: None,
            plans: relied.plans.clone(),
            replanned: None,
            no_plan: BTreeMap::new(),
            conditions,
        })
    };
    relied_upon(model, state, next).filter_map(of).collect()
}

/// What can be done where approvals do not count any more.
pub(crate) fn steps(model: &Model, state: &State, at: &Moment<'_>) -> Vec<NextStep> {
    let Place::Owing { next, lapsed: Some(known), .. } = &state.place else { return Vec::new() };
    let now = lapsed(model, state, next, at);
    let mut steps = Vec::new();
    for (relied, approval) in relied_upon(model, state, next) {
        let open = counting(relied, approval, at);
        if now.iter().any(|one| one.hold == open.hold)
            && !Asked::of(approval, &open, state).could(at).is_empty()
        {
            let text = format!("approve `{}` anew, as somebody who is qualified now", open.hold);
            steps.push(NextStep::ask(text, NextAsk::Vote { hold: open.hold.clone() }));
        }
    }
    let renewed = now.iter().map(|one| format!("{} in {}", one.member, one.domain));
    let renewed: BTreeSet<String> = renewed.collect();
    steps.extend(renewed.into_iter().map(|one| {
        NextStep::told(format!("have the qualification of {one} renewed, which lets the run go on"))
    }));
    steps.extend(known.again.filter(|_| !now.is_empty()).map(|again| {
        let again = phrase::moment(again);
        NextStep::told(format!("wait until {again}, when qualifications that are recorded hold"))
    }));
    steps
}
