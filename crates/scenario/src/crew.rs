//! The workers of a play: what they answer to the activities that a run asks for, and how the
//! clock goes on while they work.

use holdpoint_core::{
    Action, Activity, Actor, ChildRun, EffectId, Outcome, RunId, Settlement, run::DueStep,
    workflow::DecideFailure,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::play::Play;

/// No run of a scenario has more events: one that does goes round for ever.
const EVENTS_MAX: usize = 100_000;

/// How a run ends that was cancelled.
const CANCELLED: &str = "cancelled";

/// What workers do when they are asked for an activity.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which activities are meant.
    pub which: Which,
    /// How often this is the answer in one scenario; always, when `None`.
    pub times: Option<u32>,
    /// How long the worker takes.
    pub takes: SignedDuration,
    /// What comes of it.
    pub reply: Reply,
    /// The line in which it stands.
    pub line: usize,
}

/// Which activities are meant: all that fit what is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// The activity's name.
    pub run: Option<String>,
    /// The target, in a rollout.
    pub target: Option<String>,
    /// The step of a rollout: `deploy`, `check` or `restore`.
    pub step: Option<String>,
    /// The check of a hold.
    pub check: Option<String>,
    /// Whether a run of a definition of this name is meant, and no activity.
    pub child: bool,
}

/// What comes of an attempt at an activity.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It is done, and this is what the worker answers.
    Succeeds(Value),
    /// It fails.
    Fails {
        /// What went wrong.
        error: String,
        /// Whether another attempt makes sense.
        retryable: bool,
    },
    /// Nobody knows how it ended.
    Unknown {
        /// What is known of it.
        reason: String,
    },
    /// A run that was asked for is started, and ends so.
    Ends {
        /// How, in its definition's words.
        outcome: String,
    },
    /// A run that was asked for cannot be started.
    Refused {
        /// Why not.
        error: String,
    },
    /// Nothing, until somebody says what; or the time that the activity has is over.
    Waits,
}

impl Which {
    /// Whether an activity is meant.
    #[must_use]
    pub fn fits(&self, asked: &Asked) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        self.child == asked.child
            && fits(&self.run, Some(&asked.run))
            && fits(&self.target, asked.target.as_deref())
            && fits(&self.step, asked.step.as_deref())
            && fits(&self.check, asked.check.as_deref())
    }

    /// In words, such as `deploy at web-1`.
    #[must_use]
    pub fn in_words(&self) -> String {
        if self.child {
            return format!("the run of {}", self.run.as_deref().unwrap_or("any definition"));
        }
        if let Some(check) = &self.check {
            return format!("the check `{check}`");
        }
        match (self.run.as_deref().or(self.step.as_deref()), self.target.as_deref()) {
            (Some(run), target) => in_words(run, target),
            (None, Some(target)) => format!("any activity at `{target}`"),
            (None, None) => "any activity".to_owned(),
        }
    }
}

fn in_words(run: &str, target: Option<&str>) -> String {
    match target {
        Some(target) => format!("`{run}` at `{target}`"),
        None => format!("`{run}`"),
    }
}

/// An activity that a run has asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The activity's name.
    pub run: String,
    /// The target, in a rollout.
    pub target: Option<String>,
    /// The step of a rollout.
    pub step: Option<String>,
    /// The check of a hold.
    pub check: Option<String>,
    /// Whether it is a run of a definition of this name.
    pub child: bool,
    /// What the worker is given, or what is submitted.
    pub with: Value,
}

impl Asked {
    fn new(effect: &EffectId, run: &str, with: &Value) -> Self {
        let rest = effect.as_str().split_once('/').map(|(_, rest)| rest);
        // `ready#1/check/pipeline/2`: state and visit, the check, which time.
        let check = rest.and_then(|rest| rest.strip_prefix("check/")?.rsplit_once('/'));
        let check = check
            .filter(|(_, time)| time.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|(check, _)| check.to_owned());
        // `implement#1/web-1/check-2`: state and visit, target, step; a target may have slashes.
        let parts = rest.filter(|_| check.is_none()).and_then(|rest| rest.rsplit_once('/'));
        let (target, step) = parts
            .map(|(target, step)| {
                let step = step.split_once('-').map_or(step, |(step, _)| step);
                (target.to_owned(), step.to_owned())
            })
            .unzip();
        Self { run: run.to_owned(), target, step, check, child: false, with: with.clone() }
    }

    fn of_run(child: &ChildRun) -> Self {
        let (run, with) = (child.definition.to_string(), child.input.clone());
        Self { run, target: None, step: None, check: None, child: true, with }
    }

    /// In words, such as `deploy at web-1`.
    #[must_use]
    pub fn in_words(&self) -> String {
        if self.child {
            return format!("the run of {}", self.run);
        }
        if let Some(check) = &self.check {
            return format!("the check `{check}`");
        }
        in_words(&self.run, self.target.as_deref())
    }
}

/// An attempt that is under way.
#[derive(Clone, Debug)]
struct UnderWay {
    effect: EffectId,
    attempt: u32,
    asked: Asked,
    ends: Timestamp,
    outcome: Outcome,
    /// Whether somebody is to say what comes of it.
    waits: bool,
    /// The run that was started, and how it ends, where it is no attempt.
    child: Option<(RunId, String)>,
    /// Whether it is the question how the attempt ended, rather than the attempt.
    asks: bool,
}

/// The workers.
#[derive(Clone, Debug, Default)]
pub struct Crew {
    answers: Vec<Answer>,
    used: Vec<u32>,
    under_way: Vec<UnderWay>,
    asked: Vec<Asked>,
}

/// The workers cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// A decision about an activity or a timer failed.
    #[error("{0}")]
    Decided(#[from] DecideFailure),
    /// The run goes round and round.
    #[error("the run has made more than {EVENTS_MAX} events without coming to rest")]
    Endless,
    /// Nothing waits that could be answered.
    #[error("no worker waits to be told what comes of {wanted}; {waiting}")]
    NotWaiting {
        /// What was meant.
        wanted: String,
        /// What waits.
        waiting: String,
    },
}

impl Crew {
    /// Workers who answer so: the first answer that fits counts. What none fits succeeds at once.
    #[must_use]
    pub fn new(answers: Vec<Answer>) -> Self {
        Self { used: vec![0; answers.len()], answers, ..Self::default() }
    }

    /// Lets the workers work until only people, the clock, or workers who wait to be told could
    /// bring the run further. While they work the clock goes on, by what they take and by the
    /// pauses before they try again.
    ///
    /// # Errors
    /// When the workflow has a defect, or never comes to rest.
    pub fn settle(&mut self, play: &mut Play) -> Result<(), Stopped> {
        loop {
            look_and_lock(play)?;
            self.begin(play)?;
            let work = self.next_work(play);
            let timer = next_timer(play)
                .filter(|(at, _)| *at <= work.map_or(play.now(), |(at, _)| at.max(play.now())));
            match (timer, work) {
                (Some((at, effect)), _) => fire(play, at, effect)?,
                (None, Some((at, next))) => self.go_on(play, at, next)?,
                (None, None) => return Ok(()),
            }
        }
    }

    /// Moves the clock to `end`; what comes due on the way happens when it is due.
    ///
    /// # Errors
    /// As [`Crew::settle`].
    pub fn wait_until(&mut self, play: &mut Play, end: Timestamp) -> Result<(), Stopped> {
        loop {
            look_and_lock(play)?;
            self.begin(play)?;
            let timer = next_timer(play);
            let work = self.next_end(play);
            let first = match (&timer, work) {
                (Some((timer, _)), Some((work, _))) => *timer <= work,
                (Some(_), None) => true,
                (None, _) => false,
            };
            match (timer, work) {
                (Some((at, effect)), _) if first && at <= end => fire(play, at, effect)?,
                (_, Some((at, next))) if at <= end => self.go_on(play, at, next)?,
                _ => {
                    play.move_to(end);
                    return Ok(());
                }
            }
        }
    }

    /// Says what comes of the attempts that wait to be told, of all that are meant.
    ///
    /// # Errors
    /// When none waits that is meant.
    pub fn tell(&mut self, play: &mut Play, which: &Which, reply: &Reply) -> Result<(), Stopped> {
        self.forget(play);
        let (told, left): (Vec<_>, Vec<_>) =
            self.under_way.drain(..).partition(|one| one.waits && which.fits(&one.asked));
        self.under_way = left;
        if told.is_empty() {
            let waiting = self.waiting();
            let waiting = if waiting.is_empty() {
                "none waits for anything".to_owned()
            } else {
                format!("what waits is {}", waiting.join(", "))
            };
            return Err(Stopped::NotWaiting { wanted: which.in_words(), waiting });
        }
        for one in told {
            // What was told first may have ended the others.
            if !is_under_way(play, &one) {
                continue;
            }
            end(play, one.told(reply))?;
        }
        Ok(())
    }

    /// The attempts that wait to be told what comes of them.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        self.under_way.iter().filter(|one| one.waits).map(|one| one.asked.in_words()).collect()
    }

    /// All that the run has asked for so far; a repeated attempt is asked for again.
    #[must_use]
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// The first of `count` answers that nobody has needed.
    #[must_use]
    pub fn unused(&self, count: usize) -> Option<&Answer> {
        let mut all = self.answers.iter().zip(&self.used).take(count);
        all.find(|(_, used)| **used == 0).map(|(answer, _)| answer)
    }

    /// Begins every attempt that may begin now.
    fn begin(&mut self, play: &mut Play) -> Result<(), Stopped> {
        self.forget(play);
        if play.history().len() > EVENTS_MAX {
            return Err(Stopped::Endless);
        }
        for due in play.due() {
            let begun = match due.step {
                DueStep::Attempt { activity, attempt, not_before, until, .. } => {
                    if not_before.is_some_and(|at| at > play.now()) {
                        continue;
                    }
                    let effect = due.effect.clone();
                    play.act(
                        Actor::Engine,
                        Action::AttemptStarted { effect, attempt, configured: None },
                    )?;
                    let last = play.history().last();
                    if last.is_none_or(|event| event.kind.as_str() != "holdpoint.activity.started")
                    {
                        // Something keeps it from beginning.
                        continue;
                    }
                    // Whoever takes its time gives signs of life.
                    let timeout = activity.time_left(until, play.now());
                    let Activity { name, input, .. } = &*activity;
                    let asked = Asked::new(&due.effect, name, input);
                    self.answered(play, due.effect, attempt, asked, timeout, false)
                }
                DueStep::Settle { check, attempt, .. }
                    if !self.under_way.iter().any(|one| one.effect == due.effect) =>
                {
                    let asked = Asked::new(&due.effect, &check.name, &check.input);
                    self.answered(play, due.effect, attempt, asked, check.timeout, true)
                }
                DueStep::Start { child, run } => {
                    self.start(play, due.effect, run, &child)?;
                    continue;
                }
                DueStep::Await { stop: true, .. } => {
                    // It is cancelled, and ends at once.
                    let now = play.now();
                    let mut runs = self.under_way.iter_mut();
                    if let Some(one) = runs.find(|one| one.effect == due.effect) {
                        one.ends = one.ends.min(now);
                        one.waits = false;
                        one.child = one.child.take().map(|(run, _)| (run, CANCELLED.to_owned()));
                    }
                    continue;
                }
                DueStep::Settle { .. }
                | DueStep::Rest { .. }
                | DueStep::Fire { .. }
                | DueStep::Watch { .. }
                | DueStep::UnderWay { .. }
                | DueStep::Await { .. } => continue,
            };
            self.asked.push(begun.asked.clone());
            self.under_way.push(begun);
        }
        Ok(())
    }

    /// Starts a run that was asked for. One about which nothing was said goes on until somebody says
    /// how it ends.
    fn start(
        &mut self,
        play: &mut Play,
        effect: EffectId,
        run: RunId,
        child: &ChildRun,
    ) -> Result<(), Stopped> {
        let asked = Asked::of_run(child);
        self.asked.push(asked.clone());
        let found = self.answers.iter().zip(&mut self.used).find(|(answer, used)| {
            answer.which.fits(&asked) && answer.times.is_none_or(|times| **used < times)
        });
        let (reply, takes) = match found {
            Some((answer, used)) => {
                *used = used.saturating_add(1);
                (answer.reply.clone(), answer.takes)
            }
            None => (Reply::Waits, SignedDuration::ZERO),
        };
        let refused = match &reply {
            Reply::Refused { error } => Some(error.clone()),
            _ if child.stop => Some("nobody wanted it any more".to_owned()),
            _ => None,
        };
        if let Some(error) = refused {
            return Ok(play.act(Actor::Engine, Action::ChildRefused { effect, error })?);
        }
        play.act(Actor::Engine, Action::ChildStarted { effect: effect.clone(), run })?;
        let (outcome, ends) = match reply {
            Reply::Ends { outcome } => {
                (Some(outcome), play.now().saturating_add(takes).unwrap_or(Timestamp::MAX))
            }
            _ => (None, Timestamp::MAX),
        };
        self.under_way.push(UnderWay {
            effect,
            attempt: 0,
            asked,
            ends,
            outcome: Outcome::Completed(Value::Null),
            waits: outcome.is_none(),
            child: Some((run, outcome.unwrap_or_default())),
            asks: false,
        });
        Ok(())
    }

    /// What will come of an attempt that has just begun.
    fn answered(
        &mut self,
        play: &Play,
        effect: EffectId,
        attempt: u32,
        asked: Asked,
        timeout: SignedDuration,
        asks: bool,
    ) -> UnderWay {
        let found = self.answers.iter().zip(&mut self.used).find(|(answer, used)| {
            answer.which.fits(&asked) && answer.times.is_none_or(|times| **used < times)
        });
        let (reply, takes) = match found {
            None => (&Reply::SUCCESS, SignedDuration::ZERO),
            Some((answer, used)) => {
                *used = used.saturating_add(1);
                (&answer.reply, answer.takes)
            }
        };
        let after =
            |span: SignedDuration| play.now().saturating_add(span).unwrap_or(Timestamp::MAX);
        let late = takes >= timeout;
        match outcome(reply).filter(|_| !late) {
            Some(outcome) => {
                let ends = after(takes);
                UnderWay { effect, attempt, asked, ends, outcome, waits: false, child: None, asks }
            }
            // As the engine says it.
            None => UnderWay {
                effect,
                attempt,
                asked,
                ends: after(timeout),
                outcome: Outcome::Unanswered { error: format!("no answer within {timeout:#}") },
                waits: !late,
                child: None,
                asks,
            },
        }
    }

    /// Forgets attempts that the run has moved on from.
    fn forget(&mut self, play: &Play) {
        self.under_way.retain(|one| is_under_way(play, one));
    }

    /// When the next attempt ends by itself, or the next is due; and which ends then.
    fn next_work(&self, play: &Play) -> Option<(Timestamp, Option<usize>)> {
        self.next(play, |one| !one.waits)
    }

    /// As [`Crew::next_work`], with the attempts whose time is over before somebody says a word.
    fn next_end(&self, play: &Play) -> Option<(Timestamp, Option<usize>)> {
        self.next(play, |_| true)
    }

    fn next(
        &self,
        play: &Play,
        counts: impl Fn(&UnderWay) -> bool,
    ) -> Option<(Timestamp, Option<usize>)> {
        let ends = self
            .under_way
            .iter()
            .enumerate()
            .filter(|(_, one)| counts(one))
            .map(|(n, one)| (one.ends, Some(n)));
        let again = play.due().into_iter().filter_map(|due| match due.step {
            DueStep::Attempt { not_before, .. } => not_before.map(|at| (at, None)),
            DueStep::Fire { .. }
            | DueStep::Watch { .. }
            | DueStep::UnderWay { .. }
            | DueStep::Start { .. }
            | DueStep::Await { .. }
            | DueStep::Settle { .. }
            | DueStep::Rest { .. } => None,
        });
        ends.chain(again).min_by_key(|(at, _)| *at)
    }

    /// Goes on to a moment, and ends the attempt that ends then.
    fn go_on(
        &mut self,
        play: &mut Play,
        at: Timestamp,
        next: Option<usize>,
    ) -> Result<(), Stopped> {
        play.move_to(at);
        let Some(next) = next.filter(|next| *next < self.under_way.len()) else { return Ok(()) };
        let one = self.under_way.remove(next);
        end(play, one)
    }
}

impl Reply {
    /// What comes of an activity about which nothing was said. The verdict is for those that check
    /// something.
    pub const SUCCESS: Self = Self::Succeeds(Value::Null);

    /// Whether this is what came of an activity.
    fn is(&self, answer: &Value) -> bool {
        outcome(self) == Some(Outcome::Completed(answer.clone()))
    }
}

fn is_under_way(play: &Play, one: &UnderWay) -> bool {
    play.due().iter().any(|due| {
        due.effect == one.effect
            && match due.step {
                DueStep::UnderWay { attempt } => {
                    one.child.is_none() && !one.asks && attempt == one.attempt
                }
                DueStep::Await { run, .. } => one.child.as_ref().is_some_and(|one| one.0 == run),
                DueStep::Settle { attempt, .. } => one.asks && attempt == one.attempt,
                _ => false,
            }
    })
}

/// The outcome of an attempt; `None` when somebody is still to say it.
fn outcome(reply: &Reply) -> Option<Outcome> {
    match reply {
        Reply::Succeeds(Value::Null) => Some(Outcome::Completed(json!({ "verdict": "passed" }))),
        Reply::Succeeds(output) => Some(Outcome::Completed(output.clone())),
        Reply::Fails { error, retryable } => {
            Some(Outcome::Failed { error: error.clone(), retryable: *retryable })
        }
        Reply::Unknown { reason } => Some(Outcome::Unknown { reason: reason.clone() }),
        Reply::Ends { .. } | Reply::Refused { .. } | Reply::Waits => None,
    }
}

impl UnderWay {
    /// With what somebody says comes of it.
    fn told(self, reply: &Reply) -> Self {
        match (reply, &self.child) {
            (Reply::Ends { outcome }, Some((run, _))) => {
                Self { child: Some((*run, outcome.clone())), ..self }
            }
            _ => match outcome(reply) {
                Some(outcome) => Self { outcome, ..self },
                None => self,
            },
        }
    }
}

fn end(play: &mut Play, one: UnderWay) -> Result<(), Stopped> {
    let UnderWay { effect, attempt, outcome, child, asks, .. } = one;
    let action = match child {
        Some((run, outcome)) => Action::ChildEnded { effect, run, outcome },
        None if asks => Action::AttemptSettled { effect, attempt, settlement: settlement(outcome) },
        None => Action::AttemptEnded { effect, attempt, outcome },
    };
    Ok(play.act(Actor::Engine, action)?)
}

/// What a check found out. One about which nothing was said finds that the work was done.
fn settlement(outcome: Outcome) -> Settlement {
    match outcome {
        Outcome::Completed(answer) if Reply::SUCCESS.is(&answer) => {
            Settlement::Done { output: answer }
        }
        Outcome::Completed(answer) => Settlement::read(&answer),
        Outcome::Failed { error: detail, .. }
        | Outcome::Unanswered { error: detail }
        | Outcome::Unknown { reason: detail } => Settlement::Unknown { detail },
    }
}

fn next_timer(play: &Play) -> Option<(Timestamp, EffectId)> {
    play.due()
        .into_iter()
        .filter_map(|due| match due.step {
            DueStep::Fire { at } => Some((at, due.effect)),
            DueStep::Watch { seen } => {
                play.has_changed(&due.effect, &seen).then_some((play.now(), due.effect))
            }
            DueStep::Attempt { .. }
            | DueStep::UnderWay { .. }
            | DueStep::Start { .. }
            | DueStep::Await { .. }
            | DueStep::Settle { .. }
            | DueStep::Rest { .. } => None,
        })
        .min()
}

/// Tells the run of its conflicts and gives it locks, as long as it asks for more after that.
fn look_and_lock(play: &mut Play) -> Result<(), Stopped> {
    loop {
        let before = play.history().len();
        match play.look_for_conflicts() {
            // It expires at this very moment.
            Err(DecideFailure::Refused(_)) => {}
            looked => looked?,
        }
        take_locks(play)?;
        if play.history().len() == before || before > EVENTS_MAX {
            return Ok(());
        }
    }
}

/// Gives the run the locks that it waits for: there is no other that could hold them.
fn take_locks(play: &mut Play) -> Result<(), Stopped> {
    let Some(effect) = play.locks_wanted() else { return Ok(()) };
    match play.act(Actor::Engine, Action::LocksGranted { effect }) {
        // It waits for something else again.
        Err(DecideFailure::Refused(_)) => Ok(()),
        taken => Ok(taken?),
    }
}

fn fire(play: &mut Play, at: Timestamp, effect: EffectId) -> Result<(), Stopped> {
    play.move_to(at);
    Ok(play.act(Actor::Engine, Action::TimerFired { effect })?)
}
