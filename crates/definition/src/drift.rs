//! The plan of a rollout that a hold is released with: what becomes of votes when it becomes another
//! one while they are given, and of a rollout whose plan is another one when it begins.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{
    Digest, Effect, EffectId, EffectKind, Items, MemberId, Moment, PlanApproval, PlanDrift,
    Refusal, RefusalCode, Seen, Vote,
    view::{HoldView, PlansChanged},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    check,
    decide::Draft,
    diagnostics::{DiagnosticCode as Code, Findings},
    event::DefinitionEvent as Event,
    event_place,
    evolve::{hold_of, resolve},
    hold_model::Amended,
    hold_state::HoldState,
    model::{Model, StateKind},
    plan_targets::{PlanTargets, PlannedOf},
    rollout::{self, Made},
    rollout_evolve::rollout_of,
    rollout_model::Rollout,
    state::{Failure, Place, State},
};

/// The outcome of a rollout that did not begin because its plan is another one.
pub(crate) const DRIFTED: &str = "drifted";

/// When an open hold was last found to be asked about other plans, and how they differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replanned {
    pub(crate) at: Timestamp,
    pub(crate) drift: BTreeMap<String, PlanDrift>,
}

/// The rollouts whose plans a hold is asked about, with the names of their states.
fn asked_about<'m>(model: &'m Model, hold: &str) -> impl Iterator<Item = (&'m str, &'m Rollout)> {
    model.states.iter().filter_map(move |(name, state)| match &state.kind {
        StateKind::Rollout(rollout)
            if rollout.approved_at.as_ref().is_some_and(|at| at.name == hold) =>
        {
            Some((name.as_str(), &**rollout))
        }
        _ => None,
    })
}

/// Checks that people release the hold that a rollout names, and that it comes before; and that a hold
/// which says what becomes of its approvals when a plan changes is asked about one.
pub(crate) fn check(model: &Model, findings: &mut Findings) {
    for name in model.states.keys() {
        let approval = hold_of(model, name).and_then(|hold| hold.approval.as_ref());
        if let Some((_, span)) = approval.and_then(|approval| approval.drifted.as_ref())
            && asked_about(model, name).next().is_none()
        {
            findings
                .add(
                    Code::NoPlanToDrift,
                    span,
                    format!("`{name}` is asked about no plan that could change"),
                )
                .help("name the hold in `approved_at` of a rollout, or leave `drifted` out");
        }
    }
    for (name, state) in &model.states {
        let StateKind::Rollout(rollout) = &state.kind else { continue };
        let Some(at) = &rollout.approved_at else { continue };
        let wrong = match hold_of(model, &at.name) {
            None => "is no hold",
            Some(hold) if hold.approval.is_none() => "has no approval",
            Some(_) if !check::ahead(model, &at.name, false).contains(name.as_str()) => {
                "does not lead to it"
            }
            Some(_) => continue,
        };
        let message =
            format!("the plan of `{name}` cannot be approved at `{}`, which {wrong}", at.name);
        findings
            .add(Code::PlanApproval, &at.span, message)
            .help("name a hold with an approval from which a way leads to the rollout");
    }
}

/// What a hold is asked about.
#[derive(Default)]
struct AskedPlans {
    plans: BTreeMap<String, Digest>,
    targets: BTreeMap<String, PlanTargets>,
    /// Why there is no plan, of those of which there is none.
    problems: BTreeMap<String, String>,
}

/// The plans that a hold is asked about, as they are now. Of a rollout that cannot be planned yet
/// there is none: it drifts, and is asked about when it can be.
fn plans_at(model: &Model, state: &State, hold: &str, items: &Items) -> AskedPlans {
    let mut asked = AskedPlans::default();
    for (name, rollout) in asked_about(model, hold) {
        match rollout::plan(rollout, state, name, items) {
            Ok(made) => {
                asked.plans.insert(name.to_owned(), made.digest);
                asked.targets.insert(name.to_owned(), made.targets);
            }
            Err(problem) => {
                asked.problems.insert(name.to_owned(), problem);
            }
        }
    }
    asked
}

/// How plans differ from those of `before`, as far as their targets are known.
fn since(
    before: Option<&PlannedOf>,
    targets: &BTreeMap<String, PlanTargets>,
) -> BTreeMap<String, PlanDrift> {
    let before = before.into_iter().flat_map(|of| &of.targets);
    before
        .filter_map(|(name, before)| Some((name.clone(), targets.get(name)?, before)))
        .filter(|(_, now, before)| now != before)
        .map(|(name, now, before)| (name, now.since(before)))
        .collect()
}

/// What an open hold asks to be told of: that the inventory has changed one of its plans.
pub(crate) fn watch(model: &Model, open: &HoldState) -> Option<Effect> {
    asked_about(model, &open.hold).next()?;
    let id = EffectId::new(format!("{}#{}/plans-{}", open.hold, open.visit, open.replannings));
    // A history of an earlier version does not say what its plans were made of.
    let inventory = open.planned_of.as_ref().map_or_else(|| Digest::of(b""), |of| of.inventory);
    let seen = Seen { inventory: [inventory].into(), ..Seen::default() };
    Some(Effect { id, kind: EffectKind::Watch { seen } })
}

/// Whether the plans of the hold that asks for `watch` are others now; of what nobody knows here, yes.
pub(crate) fn has_changed(model: &Model, state: &State, watch: &EffectId, at: &Moment<'_>) -> bool {
    let changed = |state: &State| match &state.place {
        Place::Hold(open) if self::watch(model, open).is_some_and(|one| one.id == *watch) => {
            Some(plans_at(model, state, &open.hold, at.project.items()).plans != open.plans)
        }
        _ => None,
    };
    let found = match &state.place {
        Place::All(_) => {
            let paths = state.leaves().into_iter().map(|(path, _)| path);
            paths.filter_map(|path| changed(&state.looking_at(&path)?)).next()
        }
        _ => changed(state),
    };
    found.unwrap_or(true)
}

/// Shows how the plans of an open hold have changed: since it asks about them, if that is not recorded
/// yet, or when it was recorded last; and why there is none now.
pub(crate) fn add_to_view(
    held: &mut HoldView,
    model: &Model,
    state: &State,
    open: &HoldState,
    at: &Moment<'_>,
) {
    let known = open.planned_of.as_ref();
    let is_news = known.is_none_or(|of| of.inventory != at.project.inventory());
    if asked_about(model, &open.hold).any(|(name, _)| is_news || !open.plans.contains_key(name)) {
        let asked = plans_at(model, state, &open.hold, at.project.items());
        held.no_plan = asked.problems;
        if asked.plans != open.plans {
            let drift = since(known.map(|of| &**of), &asked.targets);
            held.replanned = Some(PlansChanged { recorded: None, plans: asked.plans, drift });
            return;
        }
    }
    held.replanned = open.replanned.clone().map(|Replanned { at, drift }| PlansChanged {
        recorded: Some(at),
        plans: open.plans.clone(),
        drift,
    });
}

/// The open hold that a rollout names, if it is open.
fn asking(rollout: &Rollout, state: &State) -> Option<HoldState> {
    let at = rollout.approved_at.as_ref()?;
    let is_it = |place: &Place| match place {
        Place::Hold(open) if open.hold == at.name => Some(open.clone()),
        _ => None,
    };
    let leaves = state.leaves();
    is_it(&state.place).or_else(|| leaves.iter().find_map(|(_, focus)| is_it(&focus.place)))
}

/// What people decide about the plan of a rollout.
pub(crate) fn approval(rollout: &Rollout, state: &State, name: &str) -> Option<PlanApproval> {
    let hold = rollout.approved_at.as_ref()?.name.clone();
    if let Some(open) = asking(rollout, state) {
        return Some(PlanApproval { hold, released: false, digest: open.plans.get(name).copied() });
    }
    let digest = Some(*state.approved_plans.get(name)?);
    Some(PlanApproval { hold, released: true, digest })
}

/// The targets of the plan that people are asked about, or have released.
pub(crate) fn approved_targets(
    rollout: &Rollout,
    state: &State,
    name: &str,
) -> Option<PlanTargets> {
    match asking(rollout, state) {
        Some(open) => open.planned_of?.targets.get(name).cloned(),
        None => state.approved_targets.get(name).cloned(),
    }
}

impl Draft<'_> {
    /// The plans that a hold is asked about, and what they were made of.
    pub(crate) fn plans_at(
        &self,
        hold: &str,
    ) -> (BTreeMap<String, Digest>, Option<Arc<PlannedOf>>) {
        let AskedPlans { plans, targets, .. } =
            plans_at(self.model, &self.state, hold, self.at.project.items());
        let asked = asked_about(self.model, hold).next();
        let of = asked.map(|_| Arc::new(PlannedOf::new(self.at.project.inventory(), targets)));
        (plans, of)
    }

    /// Notes that the open hold is to be asked about other plans than before, and what becomes of
    /// what people have decided on those.
    pub(crate) fn renew_plans(&mut self) {
        let Some((open, definition)) = self.hold() else { return };
        let hold = open.hold.clone();
        if asked_about(self.model, &hold).next().is_none() {
            return;
        }
        let AskedPlans { plans, targets, .. } =
            plans_at(self.model, &self.state, &hold, self.at.project.items());
        if plans == open.plans {
            return;
        }
        let before = open.planned_of.as_deref();
        let policy = definition.approval.as_ref().and_then(|approval| approval.drifted.as_ref());
        let stand = match policy.map_or(Amended::Reset, |(policy, _)| *policy) {
            Amended::Keep => true,
            Amended::Reset => false,
            Amended::Subset => {
                let is_less = |name: &String| {
                    let before = before.and_then(|of| of.targets.get(name));
                    targets.get(name).zip(before).is_some_and(|(now, then)| now.is_part_of(then))
                };
                plans.keys().eq(open.plans.keys())
                    && plans
                        .iter()
                        .all(|(name, plan)| open.plans.get(name) == Some(plan) || is_less(name))
            }
        };
        let approving = open.approving().map(|vote| &vote.member);
        let waiving = open.waivers.iter().map(|waiver| &waiver.member);
        let fell = approving.chain(waiving).filter(|_| !stand).cloned().collect();
        let drift = since(before, &targets);
        let planned_of = PlannedOf::new(self.at.project.inventory(), targets);
        let planned_of = Arc::new(planned_of);
        self.emit(Event::Replanned { hold, plans, planned_of, drift, fell });
    }

    /// Decides what [`watch`] does, if `named` is it, and says so.
    pub(crate) fn plans_changed(&mut self, named: &EffectId) -> bool {
        let watched = self.hold().and_then(|(open, _)| watch(self.model, open));
        if watched.is_none_or(|one| one.id != *named) {
            return false;
        }
        self.renew_plans();
        true
    }

    /// Refuses a vote that is about other plans than the open hold is asked about; an approval also
    /// where nobody can know yet that the hold is asked about others.
    pub(crate) fn is_about(&self, vote: Vote, named: &BTreeSet<Digest>) -> Result<(), Refusal> {
        let Some((open, _)) = self.hold() else { return Ok(()) };
        let hold = &open.hold;
        let asked: BTreeSet<Digest> = open.plans.values().copied().collect();
        let news = self.events().iter().rev().find_map(|event| match event {
            Event::Replanned { hold: at, drift, .. } if at == hold => Some(drift),
            _ => None,
        });
        // An approval that names no plan is not about the one that was found just now, nor is it about
        // there being none.
        let is_blind = named.is_empty() && vote == Vote::Approve && news.is_some();
        if !is_blind && (named.is_empty() || asked == *named) {
            return Ok(());
        }
        let problems = plans_at(self.model, &self.state, hold, self.at.project.items()).problems;
        let problems = problems.iter().map(|(state, why)| {
            format!(
                "; `{state}`: there is no plan as things are now: {}",
                event_place::cut(why.clone())
            )
        });
        if asked.is_empty() {
            let (now, needs) = if news.is_some() {
                let needs = "put that right; `reject` and `cancel` need no plan";
                (" now, as the inventory has changed", needs)
            } else {
                ("", "leave the plan out: nobody can look at one")
            };
            let why = problems.collect::<String>();
            return Err(Refusal::new(
                RefusalCode::OtherPlan,
                format!("`{hold}` is asked about no plan{now}{why}"),
            )
            .needs(needs));
        }
        let listed = |digests: &BTreeSet<Digest>, between: &str| {
            digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
        };
        let known = open.replanned.as_ref().map(|one| &one.drift);
        let how: Vec<String> = news
            .or(known)
            .into_iter()
            .flatten()
            .map(|(state, drift)| format!("; `{state}`: {}", drift.in_words()))
            .chain(problems)
            .collect();
        Err(Refusal::new(
            RefusalCode::OtherPlan,
            format!(
                "`{hold}` is asked about {} now{}{}",
                listed(&asked, " and "),
                if named.is_empty() { ", as the inventory has changed" } else { "" },
                how.concat()
            ),
        )
        .needs(format!(
            "look at it (`holdpoint plan RUN`), and vote on it: `--plan {}`",
            listed(&asked, " --plan ")
        )))
    }

    /// Whether a rollout that would begin so is not what was released; says so.
    pub(crate) fn drifts(&mut self, rollout: &Rollout, made: &Made) -> bool {
        let Event::RolloutStarted { state, .. } = &made.started else { return false };
        let approved = self.state.approved_plans.get(state).copied();
        if rollout.approved_at.is_none() || approved == Some(made.digest) {
            return false;
        }
        let before = self.state.approved_targets.get(state);
        let drift = before.map(|before| made.targets.since(before));
        let (state, found, problem) = (state.clone(), Some(made.digest), None);
        self.emit(Event::RolloutDrifted { state, approved, found, problem, drift });
        true
    }

    /// Says that a rollout cannot begin because it cannot be planned. Nobody has approved that
    /// nothing is done, so what people approve drifts by it.
    pub(crate) fn has_no_plan(&mut self, rollout: &Rollout, state: String, reason: String) {
        if rollout.approved_at.is_none() {
            return self.emit(Event::WorkFailed { state, reason });
        }
        let approved = self.state.approved_plans.get(&state).copied();
        let problem = Some(reason);
        self.emit(Event::RolloutDrifted { state, approved, found: None, problem, drift: None });
    }
}

/// Adds [`Event::Replanned`] to an open hold.
pub(crate) fn replan(open: &mut HoldState, event: &Event, now: Timestamp) -> Result<(), String> {
    let Event::Replanned { plans, planned_of, drift, fell, .. } = event else {
        return Err("this is not about plans".to_owned());
    };
    if open.plans == *plans {
        return Err(format!("the plans of `{}` are not others", open.hold));
    }
    let approves = |member: &MemberId| open.approving().any(|vote| vote.member == *member);
    let waives = |member: &MemberId| open.waivers.iter().any(|one| one.member == *member);
    if let Some(member) = fell.iter().find(|member| !approves(member) && !waives(member)) {
        return Err(format!("`{member}` has decided nothing on `{}`", open.hold));
    }
    open.votes.retain(|vote| vote.vote != Vote::Approve || !fell.contains(&vote.member));
    open.waivers.retain(|one| !fell.contains(&one.member));
    open.plans.clone_from(plans);
    open.planned_of = Some(Arc::clone(planned_of));
    open.replanned = Some(Replanned { at: now, drift: drift.clone() });
    open.replannings = open.replannings.saturating_add(1);
    Ok(())
}

/// Notes with which plans a hold was passed.
pub(crate) fn passed(model: &Model, state: &mut State, hold: &str) {
    let (plans, of) = match &state.place {
        Place::Hold(open) => (open.plans.clone(), open.planned_of.clone()),
        _ => (BTreeMap::new(), None),
    };
    for (name, _) in asked_about(model, hold) {
        state.approved_plans.remove(name);
        state.approved_targets.remove(name);
    }
    state.approved_plans.extend(plans);
    state.approved_targets.extend(of.map(|of| of.targets.clone()).unwrap_or_default());
}

/// Adds [`Event::RolloutDrifted`] to a state.
pub(crate) fn evolve(model: &Model, state: &mut State, event: &Event) -> Result<(), String> {
    let Event::RolloutDrifted { state: named, approved, found, problem, drift } = event else {
        return Err("this is not about a rollout that has drifted".to_owned());
    };
    let at = rollout_of(model, named).and_then(|rollout| rollout.approved_at.as_ref());
    let Some(at) = at else { return Err(format!("nobody approves the plan of `{named}`")) };
    if state.approved_plans.get(named) != approved.as_ref()
        || (found.is_some() && approved == found)
    {
        return Err(format!("the plan of `{named}` is not another one"));
    }
    let hold = &at.name;
    let reason = match (found, approved) {
        (None, _) => {
            let why = problem.as_deref().unwrap_or_default();
            format!("there is no plan as things are now: {why}")
        }
        (Some(_), Some(_)) => {
            let how = drift.as_ref().map(|drift| format!(": {}", drift.in_words()));
            let how = how.unwrap_or_default();
            format!("its plan is not the one with which `{hold}` was released{how}")
        }
        (Some(_), None) => format!("`{hold}` was not released with a plan of it"),
    };
    state.failure = Some(Failure { state: named.clone(), reason });
    resolve(state, named, DRIFTED)
}
