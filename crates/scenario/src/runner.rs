//! Playing scenarios, and what comes of it.

use std::sync::Arc;

use holdpoint_core::{
    Action, Actor, DefinitionRef, Event, Refusal, RunView, Vote,
    workflow::{DecideFailure, DynWorkflow},
};

use crate::{
    crew::{Crew, Stopped},
    expect::{self, Difference},
    lockdowns::LockdownStep,
    play::{Defect, Play},
    suite::{Act, Deed, Given, Refused, Scenario, Step, StepKind},
    syntax,
};

/// A scenario that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its name.
    pub name: String,
    /// The line in which it begins.
    pub line: usize,
    /// What is not as it should be; nothing, when it passed.
    pub failure: Option<Failure>,
    /// What happened.
    pub history: Vec<Event>,
    /// What the run looks like at the end, if there is one.
    pub view: Option<RunView>,
}

/// Why a scenario failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the step, or of what was expected.
    pub line: usize,
    /// What was done or looked at, such as `approve by grace`.
    pub step: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl Failure {
    fn new(line: usize, step: impl Into<String>, differences: Vec<Difference>) -> Self {
        Self { line, step: step.into(), differences }
    }

    fn one(line: usize, step: impl Into<String>, expected: String, got: String) -> Self {
        Self::new(line, step, vec![Difference { what: "answer".to_owned(), expected, got }])
    }
}

impl Scenario {
    /// Plays the scenario. It ends at the first step that is not as it should be.
    #[must_use]
    pub fn play(&self, workflow: &Arc<dyn DynWorkflow>, definition: &DefinitionRef) -> Played {
        let Given { members, calendars, items, conflicts, at, answers, line, .. } = &self.given;
        let mut crew = Crew::new(answers.clone());
        let made = Play::new(Arc::clone(workflow), definition.clone(), members, *at);
        let made = made.and_then(|mut play| {
            play.set_calendars(calendars)?;
            play.set_baseline(self.given.baseline.as_ref())?;
            play.set_conflicts(conflicts.clone());
            play.change_items(items).map(|()| play)
        });
        let mut play = match made {
            Ok(play) => play,
            Err(defect) => {
                let failure =
                    Failure::one(*line, "given", "a project".to_owned(), defect.to_string());
                return self.played(Some(failure), None);
            }
        };
        let failure = self.go(&mut play, &mut crew).err();
        self.played(failure, Some(play))
    }

    fn played(&self, failure: Option<Failure>, play: Option<Play>) -> Played {
        Played {
            name: self.name.clone(),
            line: self.line,
            failure,
            view: play.as_ref().and_then(Play::view),
            history: play.map(|play| play.history().to_vec()).unwrap_or_default(),
        }
    }

    fn go(&self, play: &mut Play, crew: &mut Crew) -> Result<(), Failure> {
        let Given { by, input, refused, line, .. } = &self.given;
        let submitted = play.submit(by, input);
        answered(*line, &format!("submit by {by}"), submitted, refused.as_ref())?;
        if refused.is_some() {
            return Ok(());
        }
        settle(play, crew, *line)?;
        for step in &self.steps {
            step.go(play, crew)?;
        }
        if let Some(expected) = &self.then {
            let differences = expect::differences(expected, play, crew);
            if !differences.is_empty() {
                return Err(Failure::new(expected.line, "then", differences));
            }
        }
        self.every_answer_was_needed(crew)
    }

    /// An answer that nobody needs is a target or an activity that is misspelt.
    fn every_answer_was_needed(&self, crew: &Crew) -> Result<(), Failure> {
        match crew.unused(self.given.own_answers) {
            None => Ok(()),
            Some(answer) => Err(Failure::one(
                answer.line,
                "workers",
                format!("a worker is asked for {}", answer.which.in_words()),
                "nobody was, or another answer came first".to_owned(),
            )),
        }
    }
}

impl Step {
    pub(crate) fn go(&self, play: &mut Play, crew: &mut Crew) -> Result<(), Failure> {
        let line = self.line;
        match &self.kind {
            StepKind::Act(Act { by, deed, refused }) => {
                let action = match deed {
                    Deed::Action(action) => action.clone(),
                    Deed::Amend { patch, reason } => {
                        let mut input = play.input().cloned().unwrap_or_default();
                        syntax::merge(&mut input, patch.clone());
                        Action::Amend { input, reason: reason.clone() }
                    }
                };
                let step = format!("{} by {by}", words(&action));
                let answer = play.act(Actor::Member(by.clone()), action);
                answered(line, &step, answer, refused.as_ref())?;
                settle(play, crew, line)
            }
            StepKind::After(span) => {
                let end = play.now().saturating_add(*span).unwrap_or(jiff::Timestamp::MAX);
                stopped(line, "after", crew.wait_until(play, end))?;
                settle(play, crew, line)
            }
            StepKind::At(at) if *at < play.now() => Err(Failure::one(
                line,
                "at",
                format!("a time that is not past, {at}"),
                format!("it is {} already", play.now()),
            )),
            StepKind::At(at) => {
                stopped(line, "at", crew.wait_until(play, *at))?;
                settle(play, crew, line)
            }
            StepKind::Work { which, reply } => {
                stopped(line, "work", crew.tell(play, which, reply))?;
                settle(play, crew, line)
            }
            StepKind::Members(members) => {
                let set = play.set_members(members);
                set.map_err(|defect: Defect| {
                    Failure::one(line, "members", "a project".to_owned(), defect.to_string())
                })?;
                settle(play, crew, line)
            }
            StepKind::Calendars(calendars) => {
                let set = play.set_calendars(calendars);
                set.map_err(|defect: Defect| {
                    Failure::one(line, "calendars", "a project".to_owned(), defect.to_string())
                })?;
                settle(play, crew, line)
            }
            StepKind::Items(changes) => {
                let changed = play.change_items(changes);
                changed.map_err(|defect: Defect| {
                    Failure::one(line, "items", "a project".to_owned(), defect.to_string())
                })?;
                settle(play, crew, line)
            }
            StepKind::Conflicts(found) => {
                play.set_conflicts(found.clone());
                settle(play, crew, line)
            }
            StepKind::Lockdown(step) => {
                if let LockdownStep::Lift(lockdown) = step
                    && !play.is_in_force(*lockdown)
                {
                    let expected = format!("the lockdown {lockdown} to be in force");
                    let got = format!("no lockdown {lockdown} is in force");
                    return Err(Failure::one(line, "lift", expected, got));
                }
                let set = play.add_lockdown(step);
                set.map_err(|defect: Defect| {
                    Failure::one(line, "lockdown", "a project".to_owned(), defect.to_string())
                })?;
                settle(play, crew, line)
            }
            StepKind::Expect(expected) => {
                let differences = expect::differences(expected, play, crew);
                if differences.is_empty() {
                    return Ok(());
                }
                Err(Failure::new(line, "expect", differences))
            }
        }
    }
}

pub(crate) fn settle(play: &mut Play, crew: &mut Crew, line: usize) -> Result<(), Failure> {
    stopped(line, "work", crew.settle(play))
}

fn stopped(line: usize, step: &str, result: Result<(), Stopped>) -> Result<(), Failure> {
    result.map_err(|stopped| {
        Failure::one(line, step, "the run goes on".to_owned(), stopped.to_string())
    })
}

pub(crate) fn answered(
    line: usize,
    step: &str,
    answer: Result<(), DecideFailure>,
    refused: Option<&Refused>,
) -> Result<(), Failure> {
    let fail = |expected: String, got: String| Err(Failure::one(line, step, expected, got));
    let wanted = |refused: &Refused| match &refused.says {
        None => format!("refused with {}", refused.code),
        Some(says) => format!("refused with {} that says `{says}`", refused.code),
    };
    match (answer, refused) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(refused)) => fail(wanted(refused), "accepted".to_owned()),
        (Err(DecideFailure::Broken(illegal)), _) => {
            fail("a decision".to_owned(), DecideFailure::Broken(illegal).to_string())
        }
        (Err(DecideFailure::Refused(refusal)), None) => {
            fail("accepted".to_owned(), in_words(&refusal))
        }
        (Err(DecideFailure::Refused(refusal)), Some(expected)) => {
            let said = in_words(&refusal);
            let says = expected.says.as_ref().is_none_or(|says| said.contains(says));
            if refusal.code == expected.code && says {
                return Ok(());
            }
            fail(wanted(expected), said)
        }
    }
}

fn in_words(refusal: &Refusal) -> String {
    let needed = if refusal.needed.is_empty() {
        String::new()
    } else {
        format!(" ({})", refusal.needed.join("; "))
    };
    format!("refused with {}: {}{needed}", refusal.code, refusal.message)
}

/// What somebody does, in the words of a file of scenarios.
pub(crate) fn words(action: &Action) -> String {
    match action {
        Action::Start => "submit".to_owned(),
        Action::Vote { vote: Vote::Approve, .. } => "approve".to_owned(),
        Action::Vote { vote: Vote::Reject, .. } => "reject".to_owned(),
        Action::Vote { vote: Vote::Veto, .. } => "veto".to_owned(),
        Action::Withdraw { .. } => "withdraw".to_owned(),
        Action::Overrule { .. } => "overrule".to_owned(),
        Action::Object { .. } => "object".to_owned(),
        Action::Override { .. } => "override".to_owned(),
        Action::OverrideRequirement { requirement, .. } => format!("override `{requirement}`"),
        Action::WithdrawOverride { requirement, .. } => {
            format!("withdraw the override of `{requirement}`")
        }
        Action::Recount { .. } => "recount".to_owned(),
        Action::Recheck { .. } => "recheck".to_owned(),
        Action::Discharge { .. } => "discharge".to_owned(),
        Action::Attach { name, .. } => format!("attach `{name}`"),
        Action::Done { .. } => "done".to_owned(),
        Action::Reopen { .. } => "reopen".to_owned(),
        Action::Waive { .. } => "waive".to_owned(),
        Action::Amend { .. } => "amend".to_owned(),
        Action::Comment { .. } => "comment".to_owned(),
        Action::Settle { .. } => "settle".to_owned(),
        Action::Signal { name, .. } => format!("signal `{name}`"),
        Action::Steer { steering, .. } => steering.to_string(),
        Action::Migrate { .. } => "migrate".to_owned(),
        Action::Cancel { .. } => "cancel".to_owned(),
        Action::BreakLock { .. } => "break a lock".to_owned(),
        Action::AcceptConflict { .. } => "accept a conflict".to_owned(),
        Action::LocksGranted { .. }
        | Action::ConflictsLooked { .. }
        | Action::Stop { .. }
        | Action::ChildStarted { .. }
        | Action::ChildRefused { .. }
        | Action::ConflictsFound { .. }
        | Action::ChildEnded { .. }
        | Action::Completed { .. }
        | Action::Failed { .. }
        | Action::NotBegun { .. }
        | Action::TimerFired { .. }
        | Action::AttemptQueued { .. }
        | Action::AttemptNotBegun { .. }
        | Action::AttemptStarted { .. }
        | Action::AttemptEnded { .. }
        | Action::AttemptSettled { .. } => "the engine's own".to_owned(),
    }
}
