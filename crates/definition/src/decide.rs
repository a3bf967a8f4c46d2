//! What a command makes happen: holds, activities, signals, cancellation. Rollouts are decided in
//! `rollout`.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint_core::{
    Actor, Command, EffectId, Moment, QualificationName, Refusal, RefusalCode,
    id::MemberId,
    project::{Member, OWNER},
    workflow::Meta,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    approval, check,
    event::DefinitionEvent as Event,
    event_data::OpenRule,
    event_place,
    evolve::{evolve, hold_of},
    expr::Vars,
    hold_model::{Hold, Need, Roster, SignalWait, Wait},
    hold_state::HoldState,
    model::{CANCELLED, Model, StateKind},
    parallel, phrase, risk, rollout,
    rollout_evolve::rollout_of,
    settling,
    state::{Place, State},
    template::COMPUTED_BYTES_MAX,
    terms::Times,
    windows::asked,
};

/// How many signals are kept for holds that are not open yet.
const SIGNALS_KEPT_MAX: usize = 100;

/// A decision being made, on a copy of the state that takes each event at once.
pub(crate) struct Draft<'a> {
    pub(crate) model: &'a Model,
    pub(crate) state: State,
    command: &'a Command,
    pub(crate) at: &'a Moment<'a>,
    events: Vec<Event>,
    /// It was looked for conflicts just now, and none keeps the hold.
    pub(crate) looked: bool,
    /// An event did not fit. The run takes the events again and says so.
    broken: bool,
}

pub(crate) fn not_awaited(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::NotAwaited, message)
}

pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::InvalidInput, message)
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        model: &'a Model,
        state: &State,
        command: &'a Command,
        at: &'a Moment<'a>,
    ) -> Self {
        Self {
            model,
            state: state.clone(),
            command,
            at,
            events: Vec::new(),
            looked: false,
            broken: false,
        }
    }

    /// The same, in another state, to look at what would follow.
    pub(crate) const fn with_state(&self, state: State) -> Self {
        let Self { model, command, at, .. } = *self;
        Self { model, state, command, at, events: Vec::new(), looked: false, broken: false }
    }

    pub(crate) fn finish(self) -> Vec<Event> {
        self.events
    }

    pub(crate) fn emit(&mut self, mut event: Event) {
        if self.broken {
            return;
        }
        event.cut();
        let meta = Meta { time: self.at.now, actor: &self.command.actor };
        self.broken = evolve(self.model, &mut self.state, &event, &meta).is_err();
        self.events.push(event);
    }

    /// The member who sent the command.
    pub(crate) fn member(&self) -> Result<(&'a MemberId, &'a Member), Refusal> {
        match &self.command.actor {
            Actor::Member(id) => Ok((id, self.at.project.member(id)?)),
            Actor::Engine => {
                Err(Refusal::new(RefusalCode::NotMember, "the engine does not decide for people"))
            }
        }
    }

    /// Begins the run.
    pub(crate) fn start(&mut self) -> Result<(), Refusal> {
        let Place::Begin = self.state.place else {
            return Err(Refusal::new(RefusalCode::AlreadyExists, "the run has begun before"));
        };
        let assessed = risk::of(self.model, &self.state);
        let assessed = assessed.map_err(|why| invalid(format!("with this input {why}")))?;
        if let Some(assessed) = assessed {
            self.emit(Event::RiskAssessed(assessed));
        }
        self.check_targets()?;
        self.check_conditions()?;
        let first = self.model.start.name.clone();
        self.enter(first);
        // Nothing is lost yet, so the submitter hears of it at once.
        let blocked = match &self.state.place {
            Place::Blocked { state, reason } => Some((state.clone(), reason.clone())),
            _ => parallel::blocked(&self.state),
        };
        match blocked {
            Some((state, reason)) => {
                Err(invalid(format!("with this input `{state}` cannot be entered: {reason}")))
            }
            None => self.check_times(),
        }
    }

    /// Enters a state, and all that follow without waiting. Every circle of states has a hold in
    /// it, but what it waits for may turn out to be past. Nothing that expressions see changes on
    /// the way, unless a hold takes a kept signal: so a run that comes back without that would go
    /// round for ever, and is blocked instead.
    pub(crate) fn enter(&mut self, first: String) {
        let mut next = Some(first);
        let mut passed = BTreeSet::new();
        while let Some(name) = next.take() {
            if self.rests_before(&name)
                || self.locked_down_before(&name)
                || self.kept_back_before(&name)
                || self.unqualified_before(&name)
            {
                return;
            }
            let visit = self.state.visit(&name).saturating_add(1);
            let qualified = self.qualified_before(&name);
            self.emit(Event::StateEntered { state: name.clone(), visit, qualified });
            if !passed.insert(name.clone()) {
                let reason = "the run has come back to it without waiting for anything".to_owned();
                self.emit(Event::Blocked { state: name, reason });
                return;
            }
            let Some(state) = self.model.states.get(&name).filter(|_| !self.broken) else {
                return;
            };
            if state.unlock {
                self.release_locks(name.clone());
            }
            match &state.kind {
                StateKind::End { outcome } => self.end(name, outcome),
                StateKind::All(_) => {
                    self.branch_out(&name);
                    next = parallel::joined(self);
                }
                StateKind::Choose { branches, otherwise } => {
                    let vars = self.state.vars();
                    let mut chosen = Ok(otherwise);
                    for (when, to) in branches {
                        match when.holds(&vars) {
                            Ok(false) => continue,
                            Ok(true) => chosen = Ok(to),
                            Err(reason) => chosen = Err(reason),
                        }
                        break;
                    }
                    match chosen {
                        Ok(to) => next = Some(to.name.clone()),
                        Err(reason) => self.emit(Event::Blocked { state: name, reason }),
                    }
                }
                StateKind::Hold(hold) => match self.open(&name, hold) {
                    Ok(opened) => {
                        self.emit(opened);
                        if self.take_kept_signal(hold) {
                            passed.clear();
                        }
                        self.note_window();
                        next = self.released();
                        if next.is_none() && self.window_is_over() {
                            next = self.resolved();
                        }
                    }
                    Err(reason) => self.emit(Event::Blocked { state: name, reason }),
                },
                StateKind::Activity(work) => {
                    let vars = self.state.vars();
                    let input = work.with.render(&vars, COMPUTED_BYTES_MAX);
                    let input = input.and_then(|input| {
                        settling::check(work, &vars)?;
                        let times = work.window.as_ref().map(|one| &one.times);
                        Ok((input, times.map(|times| asked(times, None, &vars)).transpose()?))
                    });
                    match input {
                        Ok((input, window)) => {
                            self.emit(Event::WorkRequested {
                                effect: EffectId::new(format!("{name}#{visit}")),
                                state: name,
                                activity: work.run.clone(),
                                input: Arc::new(input),
                                window,
                            });
                            // It was not open before.
                            self.activity_window();
                        }
                        Err(reason) => {
                            self.emit(Event::WorkFailed { state: name, reason });
                            next = self.resolved();
                        }
                    }
                }
                StateKind::Child(_) => next = self.request_child(&name, visit),
                StateKind::Rollout(rollout) => {
                    match rollout::plan(rollout, &self.state, &name, self.at.project.items()) {
                        Ok(made) if self.drifts(rollout, &made) => {
                            next = self.resolved();
                        }
                        Ok(made) => {
                            self.emit(made.started);
                            self.rollout_window();
                            next = rollout::settle(self);
                        }
                        Err(reason) => {
                            self.has_no_plan(rollout, name, reason);
                            next = self.resolved();
                        }
                    }
                }
            }
        }
    }

    /// Goes where the outcome leads, if the run has one.
    pub(crate) fn go_on(&mut self) {
        if let Some(next) = self.resolved() {
            self.enter(next);
        }
    }

    /// Where the outcome leads that the run has just had. A run that was cancelled, or whose time is
    /// over, ends instead.
    pub(crate) fn resolved(&mut self) -> Option<String> {
        let Place::Resolved { state, outcome } = &self.state.place else { return None };
        if self.state.is_stopped_from_outside() {
            self.stopped();
            return None;
        }
        if self.state.cancelled {
            self.emit(Event::Ended { outcome: CANCELLED.to_owned() });
            return None;
        }
        let to = match &self.model.expires {
            Some((_, to)) if self.state.expired => Some(to),
            _ => self.model.states.get(state).and_then(|state| state.on.get(outcome)),
        };
        to.map(|to| to.name.clone())
    }

    fn open(&self, name: &str, hold: &Hold) -> Result<Event, String> {
        let rules = self.rules(hold, &[])?;
        let mut times = self.times(hold, self.at.now)?;
        self.by_working_time(hold, &mut times)?;
        let Times { until, deadline, remind, escalate, counted } = times;
        let window = hold.window.as_ref().map(|one| self.asked_times(one)).transpose()?;
        hold.lock.as_ref().map_or(Ok(()), |lock| self.lock_items(lock).map(drop))?;
        if let Some(signal) = &hold.signal {
            signal.senders.domain(&self.state)?;
        }
        let not_applicable = self.not_applicable(hold)?;
        let tasks = self.tasks(hold, &not_applicable)?;
        let checks = self.checks(hold, &not_applicable)?;
        let (plans, planned_of) = self.plans_at(name);
        let (hold, digest) = (name.to_owned(), self.state.digest);
        Ok(Event::HoldOpened {
            hold,
            digest,
            rules,
            not_applicable,
            tasks,
            checks,
            plans,
            planned_of,
            until,
            deadline,
            window,
            remind,
            escalate,
            counted,
        })
    }

    /// The conditions of a hold that do not apply to this run.
    pub(crate) fn not_applicable(&self, hold: &Hold) -> Result<BTreeSet<String>, String> {
        let vars = self.state.vars();
        let evidence = hold.evidence.iter().map(|one| (one.key(), one.when.as_ref()));
        let tasks = hold.tasks.iter().map(|one| (one.key(), one.when.as_ref()));
        let checks = hold.checks.iter().map(|one| (one.key(), one.when.as_ref()));
        let mut found = BTreeSet::new();
        for (key, when) in evidence.chain(tasks).chain(checks) {
            if !when.map_or(Ok(true), |when| when.holds(&vars))? {
                found.insert(key);
            }
        }
        Ok(found)
    }

    /// The rules of a hold that apply, with what follows for each from the input and the members.
    /// Who is asked by the roster of the opening stays for the rules that were open `before`.
    pub(crate) fn rules(&self, hold: &Hold, before: &[OpenRule]) -> Result<Vec<OpenRule>, String> {
        let vars = self.state.vars();
        let mut rules = Vec::new();
        let asked =
            hold.approval.iter().flat_map(|one| one.rules.iter().map(move |rule| (one, rule)));
        for (approval, rule) in asked {
            let applies = rule.when.as_ref().map_or(Ok(true), |when| when.holds(&vars))?;
            if !applies {
                continue;
            }
            let qualified = match &rule.qualified {
                None => None,
                Some(template) => {
                    let text = template.render_text(&vars)?;
                    let domain: QualificationName = text
                        .parse()
                        .map_err(|error: holdpoint_core::id::MalformedId| error.to_string())?;
                    Some(domain)
                }
            };
            let same =
                before.iter().find(|one| one.rule == rule.name && one.qualified == qualified);
            let settled = same.and_then(|one| one.roster.clone());
            // Of many members a roster takes time, so it is made where it counts.
            let counts = rule.roster == Roster::Opening || matches!(rule.need, Need::Share(_));
            let members = match settled {
                Some(settled) => settled,
                None if counts => {
                    approval::roster(approval, rule, qualified.as_ref(), &self.state, self.at)
                }
                None => BTreeSet::new(),
            };
            let need = rule.need.eval(&vars, members.len())?;
            let roster = (rule.roster == Roster::Opening).then_some(members);
            rules.push(OpenRule { rule: rule.name.clone(), need, qualified, roster });
        }
        Ok(rules)
    }

    /// Until when a hold that was opened at a time waits, and when it expires.
    pub(crate) fn times(&self, hold: &Hold, opened: Timestamp) -> Result<Times, String> {
        let vars = self.state.vars();
        let mut counted = Vec::new();
        let until = match &hold.wait {
            None => None,
            Some(Wait::For(term)) => Some(term.over(opened, &vars, self.at, &mut counted)?),
            Some(Wait::Until(template)) => {
                let text = template.render_text(&vars)?;
                let parsed: Result<Timestamp, _> = text.parse();
                Some(parsed.map_err(|_| format!("`{text}` is not a time"))?)
            }
        };
        let mut deadline: Option<Timestamp> = None;
        for term in hold.expiries() {
            let at = term.over(opened, &vars, self.at, &mut counted)?;
            if at <= opened {
                return Err("`expires` gives `0s`, which leaves no time at all".to_owned());
            }
            deadline = Some(deadline.map_or(at, |other| other.min(at)));
        }
        Ok(Times { until, deadline, remind: None, escalate: None, counted })
    }

    /// The hold that is open, with its definition.
    pub(crate) fn hold(&self) -> Option<(&HoldState, &'a Hold)> {
        match &self.state.place {
            Place::Hold(open) => Some((open, hold_of(self.model, &open.hold)?)),
            _ => None,
        }
    }

    /// Releases the open hold if it has all that it waits for, and says where to go then.
    fn released(&mut self) -> Option<String> {
        let (open, definition) = self.hold()?;
        let hold = open.hold.clone();
        if !open.waited && open.until.is_some_and(|until| until <= self.at.now) {
            self.emit(Event::WaitElapsed { hold: hold.clone() });
        }
        if open_until_passed(self) {
            self.not_objected();
        }
        let (open, _) = self.hold()?;
        if open.is_complete_but_for_locks(definition, &self.state, self.at.now) {
            self.renew_plans();
        }
        let (open, _) = self.hold()?;
        if open.is_complete_but_for_locks(definition, &self.state, self.at.now) {
            // Nobody holds locks for a window that is closed.
            if !self.window_lets_go() {
                return None;
            }
            // Nor does anybody wait for locks whom a conflict keeps.
            if !self.conflicts_let_go() {
                return None;
            }
            self.ask_for_locks();
        }
        let (open, _) = self.hold()?;
        if !open.is_complete(definition, &self.state, self.at.now) || self.stale_checks() {
            return None;
        }
        self.released_on_conditions(hold);
        self.resolved()
    }

    /// Releases the open hold; what its approvals were given on condition of is owed from now on.
    fn released_on_conditions(&mut self, hold: String) {
        let conditions: Vec<_> = self
            .hold()
            .into_iter()
            .flat_map(|(open, _)| open.approving())
            .flat_map(|vote| vote.duties.iter().map(|duty| (vote.voter().clone(), duty.clone())))
            .collect();
        if self.hold().is_some_and(|(open, definition)| open.is_waived(definition)) {
            self.pass_by_waiver(&hold);
        } else {
            self.note_what_is_met();
            self.emit(Event::HoldReleased { hold: hold.clone() });
        }
        self.open_duties(&hold, conditions);
    }

    pub(crate) fn release(&mut self) {
        if let Some(next) = self.released() {
            self.enter(next);
        }
    }

    /// A late timer must not let a late decision in.
    pub(crate) fn in_time(&self, open: &HoldState) -> Result<(), Refusal> {
        match open.ends() {
            Some(deadline) if open.is_past(self.at.now) => Err(not_awaited(format!(
                "the hold `{}` expired at {}",
                open.hold,
                phrase::moment(deadline)
            ))),
            _ => Ok(()),
        }
    }

    /// Decides a signal: it is kept, and taken at once by a hold that waits for it.
    pub(crate) fn signal(&mut self, name: &str, data: &Value) -> Result<(), Refusal> {
        self.member()?;
        if self.state.cancelled {
            return Err(not_awaited("the run is being cancelled"));
        }
        let wanted = self.signals_wanted();
        let ahead: Vec<_> = wanted.iter().copied().filter(|(_, one)| one.name == name).collect();
        if ahead.is_empty() {
            let refusal = not_awaited(format!("nothing in this run can want the signal `{name}`"));
            let names: BTreeSet<&str> = wanted.iter().map(|(_, one)| one.name.as_str()).collect();
            let names: Vec<&str> = names.into_iter().collect();
            return Err(if names.is_empty() {
                refusal
            } else {
                refusal.needs(format!("it can still want {}", names.join(", ")))
            });
        }
        let awaited = self.hold().and_then(|(open, definition)| {
            let signal = definition.signal.as_ref()?;
            (signal.name == name && !open.signalled).then_some((open, definition, signal))
        });
        let Some((open, definition, signal)) = awaited else {
            if self.state.signals.len() >= SIGNALS_KEPT_MAX {
                return Err(not_awaited(format!(
                    "{SIGNALS_KEPT_MAX} signals are kept already and no hold has taken one"
                )));
            }
            let sender = self.sender(name, &ahead)?;
            let (name, data) = (name.to_owned(), Arc::new(data.clone()));
            self.emit(Event::SignalReceived { name, data, sender });
            return Ok(());
        };
        self.in_time(open)?;
        let sender = self.sender(name, &[(&open.hold, signal)])?;
        let hold = open.hold.clone();
        match accepts(signal, data, &self.state.vars()) {
            Ok(true) => {}
            Ok(false) => {
                return Err(invalid(format!(
                    "what came with `{name}` does not meet the condition of `{hold}`"
                )));
            }
            Err(reason) => {
                return Err(invalid(format!(
                    "the condition of `{hold}` cannot be told from what came with `{name}`: {}",
                    event_place::cut(reason)
                )));
            }
        }
        let (name, data) = (name.to_owned(), Arc::new(data.clone()));
        self.emit(Event::SignalReceived { name, data, sender });
        self.take_kept_signal(definition);
        self.release();
        Ok(())
    }

    /// Lets the open hold take the first kept signal that it accepts, and says whether it did.
    pub(crate) fn take_kept_signal(&mut self, definition: &Hold) -> bool {
        let (Some(signal), Place::Hold(open)) = (&definition.signal, &self.state.place) else {
            return false;
        };
        if open.signalled {
            return false;
        }
        let vars = self.state.vars();
        let found = self.state.signals.iter().position(|kept| {
            kept.name == signal.name
                && signal.senders.admit(&open.hold, kept.sender.as_ref(), &self.state)
                && accepts(signal, &kept.data, &vars) == Ok(true)
        });
        if let Some(index) = found {
            let (hold, name) = (open.hold.clone(), signal.name.clone());
            self.emit(Event::SignalConsumed { hold, name, index });
        }
        found.is_some()
    }

    /// The signals that holds which can still open, or are open, wait for, with the holds.
    fn signals_wanted(&self) -> Vec<(&'a str, &'a SignalWait)> {
        let model = self.model;
        let ahead = |place: &Place| match place {
            // It has left the state that it is still shown in.
            Place::Owing { next, .. } => check::ahead(model, next, true),
            Place::Hold(open) => check::ahead(model, &open.hold, !open.signalled),
            place => check::ahead(model, place.state(), true),
        };
        let states: BTreeSet<&'a str> = match &self.state.place {
            Place::All(_) => {
                let leaves = self.state.leaves();
                leaves.into_iter().flat_map(|(_, focus)| ahead(&focus.place)).collect()
            }
            place => ahead(place),
        };
        let signal = |name: &'a str| Some((name, hold_of(model, name)?.signal.as_ref()?));
        states.into_iter().filter_map(signal).collect()
    }

    /// Decides a cancellation.
    pub(crate) fn cancel(&mut self, reason: &str) -> Result<(), Refusal> {
        self.responsible("cancel this run")?;
        self.give_up(reason)
    }

    /// Decides that the run goes no further.
    pub(crate) fn give_up(&mut self, reason: &str) -> Result<(), Refusal> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("a cancellation needs a reason"));
        }
        if self.state.cancelled {
            return Err(not_awaited("the run is being cancelled already"));
        }
        self.owes_nothing_for_waivers()?;
        let (state, reason) = (self.state.state().to_owned(), reason.to_owned());
        self.emit(Event::Cancelled { state, reason });
        if let Place::Rollout { .. } = self.state.place {
            rollout::turn_back(self, "the run was cancelled");
            rollout::settle(self);
        } else if let Place::All(_) = self.state.place {
            self.stop_branches("the run was cancelled");
            parallel::joined(self);
        } else if !self.stop_child("the run was cancelled", None) {
            self.emit(Event::Ended { outcome: CANCELLED.to_owned() });
        }
        Ok(())
    }

    /// The requester, and the owners of the project, answer for a run.
    pub(crate) fn responsible(&self, what: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let requester = self.state.requester.member();
        if requester == Some(id) || member.has_role(OWNER) {
            return Ok(());
        }
        let mut could: Vec<&MemberId> = requester.into_iter().collect();
        could.extend(
            self.at
                .project
                .members()
                .iter()
                .filter(|(other, member)| member.has_role(OWNER) && requester != Some(*other))
                .map(|(other, _)| other),
        );
        let could: Vec<&str> = could.into_iter().map(MemberId::as_str).collect();
        Err(Refusal::new(RefusalCode::NotEligible, format!("`{id}` may not {what}")).needs(
            format!("the requester or a member with the role `{OWNER}`: {}", could.join(", ")),
        ))
    }

    /// Decides the end of an activity.
    pub(crate) fn completed(&mut self, effect: &EffectId, output: &Value) -> Result<(), Refusal> {
        match &self.state.place {
            Place::Activity { state, effect: asked, .. } if asked == effect => {
                let (state, output) = (state.clone(), Arc::new(output.clone()));
                self.emit(Event::WorkSucceeded { state, output });
                self.go_on();
                Ok(())
            }
            Place::Child(child) if child.effect == *effect => {
                let child = child.clone();
                self.child_ended(&child, Ok(output));
                Ok(())
            }
            Place::Hold(_) => self.check_told(effect, Ok(output)),
            Place::Rollout { .. } => {
                let next = rollout::completed(self, effect, output)?;
                next.into_iter().for_each(|next| self.enter(next));
                Ok(())
            }
            _ => Err(unknown(effect)),
        }
    }

    /// Decides the failure of an activity.
    pub(crate) fn failed(&mut self, effect: &EffectId, error: &str) -> Result<(), Refusal> {
        match &self.state.place {
            Place::Activity { state, effect: asked, .. } if asked == effect => {
                let (state, reason) = (state.clone(), error.to_owned());
                self.emit(Event::WorkFailed { state, reason });
                self.go_on();
                Ok(())
            }
            Place::Child(child) if child.effect == *effect => {
                let child = child.clone();
                self.child_ended(&child, Err(error));
                Ok(())
            }
            Place::Hold(_) => self.check_told(effect, Err(error)),
            Place::Rollout { .. } => {
                let next = rollout::failed(self, effect, error)?;
                next.into_iter().for_each(|next| self.enter(next));
                Ok(())
            }
            _ => Err(unknown(effect)),
        }
    }

    /// Decides what a timer does.
    pub(crate) fn timer(&mut self, effect: &EffectId) -> Result<(), Refusal> {
        if self.deadline(effect)
            || self.lockdown_released(effect)
            || self.qualifications_changed(effect)
            || self.window_timer(effect)
            || self.plans_changed(effect)
            || self.rollout_window_timer(effect)
            || self.activity_window_timer(effect)
            || self.hold_timer(effect)
            || self.check_timer(effect)
            || self.duty_overdue(effect)
            || rollout::bake_ended(self, effect)
        {
            return Ok(());
        }
        let Some((open, definition)) = self.hold() else { return Err(unknown(effect)) };
        let hold = open.hold.clone();
        let now = self.at.now;
        if *effect == open.wait_effect() && !open.waited && open.until.is_some_and(|t| t <= now) {
            self.emit(Event::WaitElapsed { hold });
            self.release();
            return Ok(());
        }
        let Some(deadline) = open.ends().filter(|_| *effect == open.deadline_effect()) else {
            return Err(unknown(effect));
        };
        if now < deadline {
            return Err(not_awaited(format!("`{effect}` is not due before {deadline}")));
        }
        // Where both were noticed late, what came first counts.
        if !open.waited && open.until.is_some_and(|until| until <= deadline) {
            self.emit(Event::WaitElapsed { hold: hold.clone() });
        }
        if self.hold().is_some_and(|(open, definition)| {
            open.objection_until(definition).is_some_and(|until| until <= deadline)
        }) {
            self.not_objected();
        }
        self.renew_plans();
        let complete = self.hold().is_some_and(|(open, _)| {
            open.is_complete(definition, &self.state, now) && open.checks_are_fresh(definition, now)
        });
        if complete && self.conflicts_let_go() && self.window_lets_go() {
            self.released_on_conditions(hold);
        } else {
            self.emit(Event::HoldExpired { hold, deadline });
        }
        self.go_on();
        Ok(())
    }

    /// The rollout that the run is in, as defined.
    pub(crate) fn rollout(&self) -> Option<&'a crate::rollout_model::Rollout> {
        rollout_of(self.model, self.state.state())
    }

    /// What has been decided so far.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether an event did not fit.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }
}

/// Whether nobody can object to the open hold any more.
fn open_until_passed(draft: &Draft<'_>) -> bool {
    draft.hold().is_some_and(|(open, definition)| {
        open.objection_until(definition).is_some_and(|until| until <= draft.at.now)
    })
}

pub(crate) fn unknown(effect: &EffectId) -> Refusal {
    not_awaited(format!("the run does not ask for `{effect}` now"))
}

pub(crate) fn accepts(signal: &SignalWait, data: &Value, vars: &Vars<'_>) -> Result<bool, String> {
    match &signal.when {
        None => Ok(true),
        Some(when) => when.holds(&Vars { signal: Some(data), ..*vars }),
    }
}
