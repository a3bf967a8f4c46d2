//! All that can happen next: what people, machines, time and the project do.

use holdpoint_core::{
    Action, Actor, Authentication, Command, CommandId, Digest, Effect, EffectId, EffectKind,
    ItemName, MemberId, NewDuty, RunId, RunStatus, Started, Steering, Version, Vote, Workflow,
    conflict::{self, Found, Look, Overlap, Relation},
    evidence::NewEvidence,
    view::{HoldView, RunView},
    workflow::Meta,
};
use holdpoint_definition::{ApprovalPart, DefinitionEvent};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::{Done, Reached, id, resolves, space::Space};

/// A run that goes first.
const OTHER: RunId = RunId::from_uuid(id(2));

/// What is found when that run touches the same.
fn other_run() -> Look {
    let item: ItemName = "a".parse().unwrap();
    let items = vec![Overlap { item: item.clone(), relation: Relation::Same, other: item }];
    let digest = conflict::digest(&items.iter().cloned().collect());
    let found =
        Found { run: OTHER, number: 7, title: "Other".to_owned(), first: true, digest, items };
    Look { with: vec![found], more: 0 }
}

/// A way on: where it leads, what happens on it, and in which of the projects it is there.
pub(super) struct Step {
    pub(super) to: Reached,
    pub(super) events: Vec<DefinitionEvent>,
    pub(super) projects: Vec<usize>,
}

/// What is looked at once for all that can happen in a state.
struct Here<'a> {
    at: &'a Reached,
    view: RunView,
    pending: Vec<Effect>,
    /// Those who take part, of those who are alike and have done nothing yet only one.
    members: Vec<&'a MemberId>,
    found: Vec<Step>,
}

impl Here<'_> {
    /// Whether a rollout is under way. What becomes of duties meanwhile is as if it came afterwards: neither
    /// looks at the other, and the run does not end before both are over.
    fn is_rolling_out(&self) -> bool {
        let ended = |phase| matches!(phase, "done" | "undone" | "failed");
        self.view.rollouts().iter().any(|one| !ended(one.phase))
    }
}

/// Whether an event is an approval of a hold that was released before.
fn is_given_anew(from: &Reached, event: &DefinitionEvent) -> bool {
    let DefinitionEvent::ApprovalGranted(ballot) = event else { return false };
    let was_released = || {
        let state = serde_json::to_value(&from.state).unwrap();
        state["relied"].get(&ballot.hold).is_some()
    };
    !from.open.contains(&ballot.hold) && was_released()
}

impl Space {
    /// What comes of a command, if it is accepted.
    fn send(
        &self,
        from: &Reached,
        circumstances: usize,
        actor: &Actor,
        action: &Action,
    ) -> Option<(Reached, Vec<DefinitionEvent>)> {
        let command = Command {
            id: CommandId::from_uuid(id(1)),
            actor: actor.clone(),
            auth: Authentication::engine(),
            trace: None,
            action: action.clone(),
        };
        let at = self.moment(circumstances, from.now);
        let events = Workflow::decide(&self.definition, &from.state, &command, &at).ok()?;
        let mut to = from.clone();
        // A rollout that was done is undone from the hold that the run is in, which is left without an outcome.
        let rolls_back = matches!(action, Action::Steer { steering: Steering::Rollback, .. });
        let steers_back =
            rolls_back && Workflow::status(&self.definition, &from.state) == RunStatus::Held && {
                let moment = self.moment(circumstances, from.now);
                Workflow::view(&self.definition, &from.state, &moment).holds.len() == 1
            };
        let meta = Meta { time: from.now, actor };
        for event in &events {
            Workflow::evolve(&self.definition, &mut to.state, event, &meta)
                .unwrap_or_else(|error| panic!("{action:?}: {error}"));
            if !is_given_anew(from, event) {
                resolves(&mut to.open, event, steers_back);
            }
        }
        to.timers = self.timers(&to);
        Some((to, events))
    }

    /// Begins a run.
    pub(super) fn begin(&self, input: &Value, at: Timestamp) -> Option<Reached> {
        let input = Workflow::complete_input(&self.definition, input.clone());
        let requester = Actor::Member(self.by.clone());
        let started = Started {
            run: RunId::from_uuid(id(2)),
            project: self.projects[0].project.id(),
            requester: &requester,
            at,
            input: &input,
            baseline: None,
        };
        let state = Workflow::start(&self.definition, &started).ok()?;
        let (open, done) = (BTreeSet::new(), Done::default());
        let begin =
            Reached { state, now: at, open, done, timers: Vec::new(), named: BTreeSet::new() };
        self.send(&begin, 0, &requester, &Action::Start).map(|(reached, _)| reached)
    }

    /// The timers that are set, in the order in which they are due.
    fn timers(&self, at: &Reached) -> Vec<(Timestamp, EffectId)> {
        let mut timers: Vec<_> = Workflow::pending(&self.definition, &at.state)
            .into_iter()
            .filter_map(|effect| match effect.kind {
                EffectKind::Timer { due } => Some((due, effect.id)),
                EffectKind::Activity(_) | EffectKind::Watch { .. } | EffectKind::Child(_) => None,
            })
            .collect();
        timers.sort();
        timers
    }

    /// All that can happen now, and where it leads.
    pub(super) fn steps(&self, at: &Reached) -> Vec<Step> {
        let in_some_order = |kind: &'_ Vec<MemberId>| {
            let (seen, new): (Vec<_>, Vec<_>) =
                (0..kind.len()).partition(|one| at.named.contains(&kind[*one]));
            seen.into_iter().chain(new.into_iter().take(1)).collect::<Vec<_>>()
        };
        let mut here = Here {
            at,
            view: Workflow::view(&self.definition, &at.state, &self.moment(0, at.now)),
            pending: Workflow::pending(&self.definition, &at.state),
            members: self
                .kinds
                .iter()
                .flat_map(|kind| in_some_order(kind).into_iter().map(|one| &kind[one]))
                .collect(),
            found: Vec::new(),
        };
        self.about_holds(&mut here);
        self.about_the_run(&mut here);
        self.about_signals(&mut here);
        self.about_rollouts(&mut here);
        self.about_work(&mut here);
        self.about_the_project(&mut here);
        self.about_times(&mut here);
        here.found
    }

    /// Has somebody do something, in every project in which it could come out differently; whether it was
    /// accepted in any.
    fn try_on(&self, here: &mut Here<'_>, actor: &Actor, action: &Action, done: Done) -> bool {
        let before = here.found.len();
        // A hold that is asked about plans looks at the inventory whenever a member says something.
        let plans = |hold: &HoldView| !hold.plans.is_empty() || !hold.no_plan.is_empty();
        let looks = actor.member().is_some() && here.view.holds.iter().any(plans);
        for (circumstances, project) in self.projects.iter().enumerate() {
            let usual = here.found.get(before).filter(|step| step.projects.contains(&0));
            // Elsewhere it matters what the project is like only where the run goes on.
            let goes_on = usual.is_some_and(|step| {
                step.events.iter().any(|event| {
                    event.outcome().is_some()
                        || matches!(
                            event,
                            DefinitionEvent::StateEntered { .. }
                                | DefinitionEvent::HoldOpened { .. }
                        )
                })
            });
            let as_usual = project.is_locked_down || !(looks || project.lacks_qualification);
            if circumstances > 0 && !goes_on && as_usual {
                let usual = here.found.get_mut(before).filter(|step| step.projects.contains(&0));
                if let Some(step) = usual {
                    step.projects.push(circumstances);
                }
                continue;
            }
            if let Some((mut to, events)) = self.send(here.at, circumstances, actor, action) {
                to.done = done;
                let same = |step: &&mut Step| step.events == events;
                match here.found[before..].iter_mut().find(same) {
                    Some(step) => step.projects.push(circumstances),
                    None => here.found.push(Step { to, events, projects: vec![circumstances] }),
                }
            }
        }
        here.found.len() > before
    }

    /// What members can do about a hold.
    fn about_holds(&self, here: &mut Here<'_>) {
        let done = here.at.done;
        for hold in here.view.holds.clone() {
            for (action, done) in self.actions(&hold, done) {
                let votes = matches!(action, Action::Vote { .. });
                let withdraws = matches!(action, Action::Withdraw { .. });
                for member in here.members.clone() {
                    let is_asked = !votes || self.asked[&hold.hold].contains(member);
                    if !is_asked || (withdraws && !here.at.named.contains(member)) {
                        continue;
                    }
                    let accepted = self.try_on(here, &Actor::Member(member.clone()), &action, done);
                    // Of these it decides nothing who did it.
                    let by_anybody = matches!(
                        action,
                        Action::Attach { .. }
                            | Action::Override { .. }
                            | Action::Recheck { .. }
                            | Action::Recount { .. }
                            | Action::Reopen { .. }
                            | Action::Object { .. }
                            | Action::Overrule { .. }
                            | Action::Vote { vote: Vote::Reject, .. }
                    );
                    let is_done = matches!(action, Action::Done { .. });
                    if accepted && (by_anybody || is_done) {
                        break;
                    }
                }
                self.in_place_of(here, action, done);
            }
        }
    }

    /// The same vote in the place of another.
    fn in_place_of(&self, here: &mut Here<'_>, mut action: Action, done: Done) {
        let Some((who, absent)) = &self.stand_in else { return };
        match &mut action {
            Action::Vote { in_place_of, vote: Vote::Approve, .. }
            | Action::Withdraw { in_place_of, .. } => *in_place_of = Some(absent.clone()),
            _ => return,
        }
        self.try_on(here, &Actor::Member(who.clone()), &action, done);
    }

    fn actions(&self, hold: &HoldView, done: Done) -> Vec<(Action, Done)> {
        let name = || Some(hold.hold.clone());
        let no = || "no".to_owned();
        let outline = self.outline.states.iter().find(|state| state.name == hold.hold).unwrap();
        let vote = |vote: Vote, duties: Vec<NewDuty>| {
            let reason = (vote != Vote::Approve).then(no);
            let (in_place_of, plans) = (None, BTreeSet::new());
            Action::Vote { hold: name(), vote, reason, duties, in_place_of, plans }
        };
        let mut actions = Vec::new();
        if outline.ways.iter().any(|way| way.on == "waived") {
            actions.push(Action::Waive { hold: name(), reason: no() });
        }
        if outline.window.is_some_and(|window| window.overridable) {
            actions.push(Action::Override { hold: name(), reason: no() });
        }
        if !outline.rules.is_empty() {
            actions.push(vote(Vote::Approve, Vec::new()));
            actions.push(vote(Vote::Reject, Vec::new()));
            actions.push(Action::Withdraw { hold: name(), in_place_of: None, reason: None });
            if self.counts_shares {
                actions.push(Action::Recount { hold: name() });
            }
        }
        if outline.parts.contains(&ApprovalPart::Veto) {
            actions.push(vote(Vote::Veto, Vec::new()));
        }
        if outline.parts.contains(&ApprovalPart::Duties) {
            let duty = NewDuty { text: "tell them".to_owned(), before: None };
            actions.push(vote(Vote::Approve, vec![duty]));
        }
        let mut actions: Vec<_> = actions.into_iter().map(|action| (action, done)).collect();
        for condition in &hold.conditions {
            let task = || Some(condition.name.clone());
            let action = match condition.kind {
                "veto" => Action::Overrule {
                    hold: name(),
                    member: condition.name.parse().unwrap(),
                    reason: no(),
                },
                "witness" => Action::Object { hold: name(), reason: no() },
                "evidence" if !condition.met => Action::Attach {
                    name: condition.name.clone(),
                    evidence: NewEvidence {
                        digest: Digest::of(b"proof"),
                        size: Some(5),
                        file: Some("proof".to_owned()),
                        media_type: None,
                        reference: None,
                    },
                    note: None,
                },
                "task" if condition.met => {
                    Action::Reopen { hold: name(), task: task(), reason: no() }
                }
                "task" => Action::Done { hold: name(), task: task(), note: Some(no()) },
                "check" if !done.rechecked => {
                    let done = Done { rechecked: true, ..done };
                    actions.push((Action::Recheck { hold: name(), check: task() }, done));
                    continue;
                }
                _ => continue,
            };
            actions.push((action, done));
        }
        actions
    }

    /// Duties, amendments and the end that the requester makes.
    fn about_the_run(&self, here: &mut Here<'_>) {
        let done = here.at.done;
        let duties = if here.is_rolling_out() { Vec::new() } else { here.view.duties.clone() };
        for duty in duties {
            let action = Action::Discharge { duty: duty.duty, note: "done".to_owned() };
            if let Some(by) =
                duty.candidates.iter().find(|one| self.members().any(|who| who == *one))
            {
                self.try_on(here, &Actor::Member(by.clone()), &action, done);
            }
        }
        let accept = Action::AcceptConflict { with: OTHER, reason: "so".to_owned() };
        for member in here.members.clone() {
            // Who accepts it makes no difference.
            if self.try_on(here, &Actor::Member(member.clone()), &accept, done) {
                break;
            }
        }
        let requester = Actor::Member(self.by.clone());
        self.try_on(here, &requester, &Action::Cancel { reason: "enough".to_owned() }, done);
        let amendable = |hold: &HoldView| self.ahead[&(hold.hold.clone(), false)].amendable;
        if done.amended || !here.view.holds.iter().any(amendable) {
            return;
        }
        let current = serde_json::to_value(&here.at.state).unwrap()["input"].take();
        for input in self.inputs.iter().filter(|one| **one != current) {
            let action = Action::Amend { input: input.clone(), reason: "it is another".to_owned() };
            let done = Done { amended: true, ..done };
            if !self.try_on(here, &requester, &action, done) {
                // What one input is refused for, here, is where the run stands.
                break;
            }
        }
    }

    fn about_signals(&self, here: &mut Here<'_>) {
        let signals = self.outline.states.iter().filter_map(|state| state.signal.as_deref());
        for name in signals.collect::<BTreeSet<_>>() {
            // Where a hold waits for it now it may come any number of times.
            let awaited = here.view.holds.iter().flat_map(|hold| &hold.conditions);
            let awaited =
                awaited.into_iter().any(|one| one.kind == "signal" && !one.met && one.name == name);
            if !awaited && here.at.done.signalled {
                continue;
            }
            let done = Done { signalled: here.at.done.signalled || !awaited, ..here.at.done };
            for data in [Some(&json!({})), self.signals.get(name)].into_iter().flatten() {
                let action = Action::Signal { name: name.to_owned(), data: data.clone() };
                // Who sends it makes no difference, but that some may not.
                for by in here.members.clone() {
                    if self.try_on(here, &Actor::Member(by.clone()), &action, done) {
                        break;
                    }
                }
            }
        }
    }

    /// How people steer: all that fits, and single targets.
    fn about_rollouts(&self, here: &mut Here<'_>) {
        let mut wanted = Vec::new();
        let rollouts = here.view.rollouts();
        for rollout in &rollouts {
            let steer = |steering, target: Option<&str>| Action::Steer {
                steering,
                target: target.map(str::to_owned),
                reason: Some("so".to_owned()),
                state: None,
                over: BTreeSet::new(),
            };
            if rollout.phase == "done" {
                // What a hold has got so far makes no difference to that.
                let is_new = |hold: &HoldView| {
                    hold.conditions
                        .iter()
                        .all(|one| one.votes.is_empty() && (one.kind != "evidence" || !one.met))
                };
                if here.view.holds.iter().all(is_new) {
                    wanted.push(steer(Steering::Rollback, None));
                }
                continue;
            }
            if matches!(rollout.phase, "undone" | "failed") {
                continue;
            }
            // People decide about single targets while nothing is done at others.
            let is_at_work = |effect: &Effect| matches!(effect.kind, EffectKind::Activity(_));
            let is_idle = !here.pending.iter().any(is_at_work);
            wanted.extend(
                Steering::ALL
                    .into_iter()
                    .filter(|one| *one != Steering::Skip && (is_idle || *one != Steering::Retry))
                    .map(|one| steer(one, None)),
            );
            for target in rollout.targets.iter().filter(|_| is_idle) {
                if matches!(target.state, "waiting" | "failed" | "stuck" | "unchecked") {
                    wanted.push(steer(Steering::Skip, Some(&target.target)));
                }
                if target.state == "failed" {
                    wanted.push(steer(Steering::Retry, Some(&target.target)));
                    wanted.push(steer(Steering::TakeOver, Some(&target.target)));
                }
            }
        }
        let under_way = rollouts.iter().any(|one| one.phase != "done");
        let done = here.at.done;
        for action in wanted {
            let promotes = matches!(action, Action::Steer { steering: Steering::Promote, .. });
            let mut accepted = false;
            for member in here.members.clone() {
                // Whoever may steers as well as another, unless it excludes them from something.
                if accepted && !promotes && !self.excludable.contains(member) {
                    continue;
                }
                accepted |= self.try_on(here, &Actor::Member(member.clone()), &action, done);
            }
        }
        if under_way && here.view.holds.is_empty() {
            let action = Action::Override { hold: None, reason: "it is nearly done".to_owned() };
            for member in here.members.clone() {
                if self.try_on(here, &Actor::Member(member.clone()), &action, done) {
                    break;
                }
            }
        }
    }

    /// How work ends, or is not begun, and that locks are granted.
    fn about_work(&self, here: &mut Here<'_>) {
        let done = here.at.done;
        // Of what is asked for only if it was begun, one thing was not.
        for (effect, restraint) in Workflow::restraints(&self.definition, &here.at.state) {
            if restraint.if_begun {
                let action = Action::NotBegun { effects: [effect].into() };
                self.try_on(here, &Actor::Engine, &action, done);
            }
        }
        self.about_unbegun_work(here);
        for effect in here.pending.clone() {
            let verdict = |verdict: &str| json!({ "verdict": verdict });
            let answers = match &effect.kind {
                EffectKind::Timer { .. } | EffectKind::Watch { .. } => continue,
                EffectKind::Activity(activity)
                    if activity.name.ends_with("-check")
                        || effect.id.as_str().contains("/check/") =>
                {
                    vec![verdict("passed"), verdict("failed"), verdict("inconclusive")]
                }
                EffectKind::Activity(_) => vec![Value::Null],
                EffectKind::Child(_) => {
                    self.endings.iter().map(|end| json!({ "outcome": end })).collect()
                }
            };
            for output in answers {
                let action = Action::Completed { effect: effect.id.clone(), output };
                self.try_on(here, &Actor::Engine, &action, done);
            }
            let action = Action::Failed { effect: effect.id, error: "no".to_owned() };
            self.try_on(here, &Actor::Engine, &action, done);
        }
        let claims = Workflow::claims(&self.definition, &here.at.state);
        if let Some(effect) = claims.looks {
            let at = Version::default();
            for found in [Look::default(), other_run()] {
                let action = Action::ConflictsLooked { effect: effect.clone(), at, found };
                self.try_on(here, &Actor::Engine, &action, done);
            }
        }
        if let Some(wanted) = claims.wanted {
            let action = Action::LocksGranted { effect: wanted.effect };
            assert!(
                self.try_on(here, &Actor::Engine, &action, done),
                "locks that are wanted are refused"
            );
        }
    }

    /// It is asked whether work may begin that nobody has begun.
    fn about_unbegun_work(&self, here: &mut Here<'_>) {
        for (circumstances, project) in self.projects.iter().enumerate() {
            if !project.lacks_qualification {
                continue;
            }
            let effects = Workflow::unbegun(&self.definition, &here.at.state, &|_| false);
            if effects.is_empty() {
                continue;
            }
            let action = Action::NotBegun { effects };
            let told = self.send(here.at, circumstances, &Actor::Engine, &action);
            if let Some((to, events)) = told.filter(|(_, events)| !events.is_empty()) {
                here.found.push(Step { to, events, projects: vec![circumstances] });
            }
        }
    }

    /// The run is told that what it has seen of the project is not so any more.
    fn about_the_project(&self, here: &mut Here<'_>) {
        for effect in here.pending.clone() {
            let EffectKind::Watch { seen } = effect.kind else { continue };
            for circumstances in 0..self.projects.len() {
                let moment = self.moment(circumstances, here.at.now);
                if moment.project.differs(&seen)
                    && Workflow::has_changed(&self.definition, &here.at.state, &effect.id, &moment)
                {
                    let action = Action::TimerFired { effect: effect.id.clone() };
                    let told = self.send(here.at, circumstances, &Actor::Engine, &action);
                    let (to, events) = told.unwrap_or_else(|| panic!("what is watched is refused"));
                    here.found.push(Step { to, events, projects: vec![circumstances] });
                }
            }
        }
    }

    /// An engine that was down notices several timers at once, in any order.
    fn about_times(&self, here: &mut Here<'_>) {
        let is_rolling_out = here.is_rolling_out();
        for (due, effect) in &here.at.timers {
            if is_rolling_out && effect.as_str().starts_with("duty-") {
                continue;
            }
            let late = Reached { now: here.at.now.max(*due), ..here.at.clone() };
            let action = Action::TimerFired { effect: effect.clone() };
            let before = here.found.len();
            let mut then = Here {
                at: &late,
                view: here.view.clone(),
                pending: Vec::new(),
                members: Vec::new(),
                found: std::mem::take(&mut here.found),
            };
            let fired = self.try_on(&mut then, &Actor::Engine, &action, late.done);
            here.found = then.found;
            assert!(fired, "the timer `{effect}` is refused");
            for step in &here.found[before..] {
                assert!(
                    step.to.timers.iter().all(|(_, id)| id != effect),
                    "`{effect}` is asked for after it was fired"
                );
            }
        }
    }
}
