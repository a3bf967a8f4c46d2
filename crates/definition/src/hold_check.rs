//! Checks: what a hold has looked at from outside while it is open, again and again until it is as
//! it should be.

use std::{collections::BTreeMap, sync::Arc};

use holdpoint_core::{
    Activity, Digest, Effect, EffectId, EffectKind, NextAsk, NextStep, Refusal, RetryPolicy,
    Settling, TimeLimits,
    view::{ConditionStatus, ConditionView},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decide::{Draft, invalid, not_awaited, unknown},
    event::DefinitionEvent as Event,
    event_data::{Because, CheckTimes, OpenCheck, Verdict},
    expr::Expr,
    health::{Health, Probe},
    hold_model::Hold,
    hold_state::HoldState,
    model::Timed,
    phrase,
    view::condition,
    waiver::Waivable,
};

/// A check as it is defined.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) when: Option<Expr>,
    /// What is looked at; once each time the check is made.
    pub(crate) health: Health,
    pub(crate) timeout: SignedDuration,
    /// How long after one that did not pass it is made again.
    pub(crate) every: Option<Timed>,
    /// How often it is made by itself.
    pub(crate) attempts: Option<u32>,
    pub(crate) on_fail: OnFail,
    /// How old a check that has passed may be when the hold is released.
    pub(crate) valid: Option<Timed>,
}

/// What follows when a check fails, and is not made again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFail {
    /// The hold waits until a person has it made again.
    Wait,
    /// The hold has failed.
    Refuse,
}

impl OnFail {
    pub(crate) const ALL: [Self; 2] = [Self::Wait, Self::Refuse];

    /// Its name in a definition.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Refuse => "refuse",
        }
    }
}

/// One look, and no more: what is borne is said by how often the check is made.
const ONE_LOOK: CheckTimes = CheckTimes { for_ms: 0, every_ms: 1_000 };

impl Check {
    /// Its name among the conditions of a hold.
    pub(crate) fn key(&self) -> String {
        format!("check/{}", self.name)
    }

    /// Whether it is made again by itself after so many times.
    fn goes_on(&self, tries: u32) -> bool {
        self.every.is_some() && self.attempts.is_none_or(|attempts| tries < attempts)
    }
}

impl Hold {
    /// Whether a check can make it fail.
    pub(crate) fn can_fail(&self) -> bool {
        self.checks.iter().any(|check| check.on_fail == OnFail::Refuse)
    }

    fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// The checks of an open hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checks {
    all: Vec<CheckState>,
    /// How often each was made in this visit, also those that do not apply any more: no name of an
    /// effect is ever given again.
    made: BTreeMap<String, u32>,
}

/// How far a check has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CheckState {
    open: OpenCheck,
    /// How often it was made since the input or its age demanded it anew.
    tries: u32,
    /// Whether it is being made.
    asking: bool,
    told: Option<Told>,
    /// When it is made again.
    next: Option<Timestamp>,
}

/// What a check has told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    verdict: Verdict,
    detail: Option<String>,
    at: Timestamp,
}

impl CheckState {
    fn has_passed(&self) -> bool {
        !self.asking && self.told.as_ref().is_some_and(|told| told.verdict == Verdict::Passed)
    }

    /// Whether it has passed too long ago.
    fn is_stale(&self, now: Timestamp) -> bool {
        let (Some(valid), Some(told)) = (self.open.valid_ms, &self.told) else { return false };
        let valid = SignedDuration::from_millis(i64::try_from(valid).unwrap_or(i64::MAX));
        self.has_passed() && now.duration_since(told.at) >= valid
    }

    fn name(&self) -> &str {
        &self.open.check
    }
}

impl Checks {
    /// Whether there is none, and never was.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.made.is_empty()
    }

    /// Has these made from now on, and no others.
    pub(crate) fn begin(&mut self, open: &[OpenCheck]) {
        self.all = open
            .iter()
            .map(|open| CheckState {
                open: open.clone(),
                tries: 1,
                asking: true,
                told: None,
                next: None,
            })
            .collect();
        for one in open {
            let made = self.made.entry(one.check.clone()).or_default();
            *made = made.saturating_add(1);
        }
    }

    fn made(&self, name: &str) -> u32 {
        self.made.get(name).copied().unwrap_or_default()
    }

    /// Whether every one has passed.
    pub(crate) fn have_passed(&self) -> bool {
        self.all.iter().all(CheckState::has_passed)
    }

    /// Those that have passed too long ago.
    fn stale(&self, now: Timestamp) -> Vec<String> {
        self.all.iter().filter(|one| one.is_stale(now)).map(|one| one.name().to_owned()).collect()
    }
}

impl HoldState {
    /// The effect that a check is, the `number`th time in this visit.
    fn check_effect(&self, name: &str, number: u32) -> EffectId {
        EffectId::new(format!("{}#{}/check/{name}/{number}", self.hold, self.visit))
    }

    fn check_again_effect(&self, name: &str, number: u32) -> EffectId {
        EffectId::new(format!("{}#{}/check/{name}/{number}/again", self.hold, self.visit))
    }

    /// The checks that are being made, and the timers of those that are made again.
    pub(crate) fn check_effects(&self, hold: &Hold) -> Vec<Effect> {
        let of = |one: &CheckState| {
            let check = hold.check(one.name())?;
            let number = self.checks.made(one.name());
            if one.asking {
                let activity = Activity {
                    name: check.health.activity().to_owned(),
                    input: one.open.input.as_ref().clone(),
                    timeout: check.timeout,
                    limits: TimeLimits::default(),
                    retry: RetryPolicy::never(),
                    settling: Settling::default(),
                };
                let id = self.check_effect(one.name(), number);
                return Some(Effect { id, kind: EffectKind::Activity(activity) });
            }
            let due = one.next.filter(|due| self.ends().is_none_or(|ends| *due < ends))?;
            let id = self.check_again_effect(one.name(), number);
            Some(Effect { id, kind: EffectKind::Timer { due } })
        };
        self.checks.all.iter().filter_map(of).collect()
    }

    /// The checks that have not passed, by their names among the conditions.
    pub(crate) fn unmet_checks(&self) -> impl Iterator<Item = String> {
        let open = self.checks.all.iter().filter(|one| !one.has_passed());
        open.map(|one| format!("check/{}", one.name()))
    }

    /// Whether those that must have passed are not older than they may be.
    pub(crate) fn checks_are_fresh(&self, hold: &Hold, now: Timestamp) -> bool {
        self.waives(hold, Waivable::Check) || self.checks.stale(now).is_empty()
    }
}

impl<'a> Draft<'a> {
    /// The checks of a hold that apply, as they are made for this run.
    pub(crate) fn checks(
        &self,
        hold: &Hold,
        not_applicable: &std::collections::BTreeSet<String>,
    ) -> Result<Vec<OpenCheck>, String> {
        let vars = self.state.vars();
        let millis = |span: &Option<Timed>, what: &str| match span {
            None => Ok(None),
            Some(span) => match span.eval(&vars)? {
                span if span.is_zero() => {
                    Err(format!("`{what}` gives `0s`, which is no time at all"))
                }
                span => Ok(Some(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))),
            },
        };
        let applies = hold.checks.iter().filter(|check| !not_applicable.contains(&check.key()));
        applies
            .map(|check| {
                let mut input = check.health.planned(ONE_LOOK, &vars)?;
                if let (Probe::Run { .. }, Some(members)) =
                    (&check.health.probe, input.as_object_mut())
                {
                    // What the activity answered is kept with the verdict.
                    members.insert("report".to_owned(), true.into());
                }
                Ok(OpenCheck {
                    check: check.name.clone(),
                    input: Arc::new(input),
                    every_ms: millis(&check.every, "every")?,
                    valid_ms: millis(&check.valid, "valid_for")?,
                })
            })
            .collect()
    }

    /// Decides what a check has told, or that it could not be made, which tells nothing.
    pub(crate) fn check_told(
        &mut self,
        effect: &EffectId,
        answer: Result<&Value, &str>,
    ) -> Result<(), Refusal> {
        let Some((open, definition)) = self.hold() else { return Err(unknown(effect)) };
        // A deadline that nobody has noticed yet resolves the hold as it was then.
        if open.is_past(self.at.now) {
            let deadline = open.deadline_effect();
            return self.timer(&deadline);
        }
        let asked = open.checks.all.iter().find(|one| {
            one.asking && open.check_effect(one.name(), open.checks.made(one.name())) == *effect
        });
        let Some((asked, check)) = asked.and_then(|one| Some((one, definition.check(one.name())?)))
        else {
            return Err(unknown(effect));
        };
        let text = |output: &Value, key: &str| output.get(key)?.as_str().map(str::to_owned);
        let (verdict, detail) = match answer {
            Ok(output) => match text(output, "verdict").as_deref() {
                Some("passed") => (Verdict::Passed, text(output, "detail")),
                Some("failed") => (Verdict::Failed, text(output, "detail")),
                Some("inconclusive") => (Verdict::Inconclusive, text(output, "detail")),
                _ => (Verdict::Inconclusive, Some("the check gave no verdict".to_owned())),
            },
            Err(error) => (Verdict::Inconclusive, Some(error.to_owned())),
        };
        let output = answer.ok().and_then(|output| serde_json::to_vec(output).ok());
        let again = verdict != Verdict::Passed && check.goes_on(asked.tries);
        let every = asked.open.every_ms.filter(|_| again);
        let every =
            every.map(|ms| SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)));
        let (hold, name) = (open.hold.clone(), asked.name().to_owned());
        let refuses = verdict == Verdict::Failed
            && !again
            && check.on_fail == OnFail::Refuse
            && !open.waives(definition, Waivable::Check);
        self.emit(Event::CheckTold {
            hold: hold.clone(),
            check: name.clone(),
            number: open.checks.made(&name),
            verdict,
            detail,
            output: output.map(|bytes| Digest::of(&bytes)),
            next: every.and_then(|every| self.at.now.checked_add(every).ok()),
        });
        if refuses {
            self.emit(Event::HoldFailed { hold, check: name });
            self.go_on();
        } else if verdict == Verdict::Passed {
            self.release();
        }
        Ok(())
    }

    /// Decides that a check is made again, if `effect` is the timer for that, and says so.
    pub(crate) fn check_timer(&mut self, effect: &EffectId) -> bool {
        let Some((open, _)) = self.hold() else { return false };
        let now = self.at.now;
        let due = open.checks.all.iter().find(|one| {
            one.next.is_some_and(|next| next <= now)
                && open.check_again_effect(one.name(), open.checks.made(one.name())) == *effect
        });
        let Some(name) = due.map(|one| one.name().to_owned()) else { return false };
        self.make_again(name, Because::Due);
        true
    }

    fn make_again(&mut self, check: String, because: Because) {
        let Some((open, _)) = self.hold() else { return };
        let number = open.checks.made(&check).saturating_add(1);
        let hold = open.hold.clone();
        self.emit(Event::CheckAsked { hold, check, number, because });
    }

    /// Has the checks made again that have passed too long ago, where nothing else is missing, and
    /// says whether there are any.
    pub(crate) fn stale_checks(&mut self) -> bool {
        let Some((open, definition)) = self.hold() else { return false };
        if open.checks_are_fresh(definition, self.at.now) {
            return false;
        }
        for check in open.checks.stale(self.at.now) {
            self.make_again(check, Because::Stale);
        }
        true
    }

    /// Decides that a person has a check made again: the one that is named, or the only one that can
    /// be meant.
    pub(crate) fn recheck(
        &mut self,
        hold: Option<&str>,
        named: Option<&str>,
    ) -> Result<(), Refusal> {
        self.member()?;
        let Some((open, _)) = self.hold() else {
            return Err(not_awaited("nothing in this run waits for a check now"));
        };
        if let Some(named) = hold.filter(|named| *named != open.hold) {
            return Err(not_awaited(format!("the hold `{named}` is not open"))
                .needs(format!("the open hold is `{}`", open.hold)));
        }
        self.in_time(open)?;
        let all = &open.checks.all;
        let names: Vec<&str> = all.iter().map(CheckState::name).collect();
        let of = || format!("its checks are {}", names.join(", "));
        let found: Vec<&CheckState> = match named {
            Some(named) => all.iter().filter(|one| one.name() == named).collect(),
            None if all.len() == 1 => all.iter().collect(),
            None => all.iter().filter(|one| !one.asking && !one.has_passed()).collect(),
        };
        let [one] = found.as_slice() else {
            return Err(match (named, names.is_empty()) {
                (_, true) => not_awaited(format!("`{}` has no checks", open.hold)),
                (Some(named), _) => {
                    not_awaited(format!("`{}` has no check `{named}`", open.hold)).needs(of())
                }
                (None, _) => {
                    invalid(format!("it is not said which check of `{}` is meant", open.hold))
                        .needs(of())
                }
            });
        };
        let name = one.name().to_owned();
        if one.asking {
            return Err(not_awaited(format!("the check `{name}` is being made")));
        }
        self.make_again(name, Because::Asked);
        Ok(())
    }
}

/// Adds what happens with a check to an open hold.
pub(crate) fn evolve(open: &mut HoldState, event: &Event, at: Timestamp) -> Result<(), String> {
    let (Event::CheckAsked { hold, check, number, .. }
    | Event::CheckTold { hold, check, number, .. }) = event
    else {
        return Err("the event is about no check".to_owned());
    };
    let made = open.checks.made(check);
    let one = open.checks.all.iter_mut().find(|one| one.name() == check);
    let one = one.filter(|_| open.hold == *hold);
    let one = one.ok_or_else(|| format!("`{hold}` has no check `{check}`"))?;
    match event {
        Event::CheckTold { verdict, detail, next, .. } if one.asking && *number == made => {
            let (verdict, detail) = (*verdict, detail.clone());
            one.asking = false;
            one.told = Some(Told { verdict, detail, at });
            one.next = *next;
            Ok(())
        }
        Event::CheckAsked { because, .. } if !one.asking && *number == made.saturating_add(1) => {
            one.asking = true;
            one.next = None;
            one.tries = match because {
                Because::Stale => 1,
                Because::Due | Because::Asked => one.tries.saturating_add(1),
            };
            open.checks.made.insert(check.clone(), *number);
            Ok(())
        }
        _ => Err(format!("the check `{check}` is not that far")),
    }
}

/// What the checks of an open hold look like.
pub(crate) fn conditions(hold: &Hold, open: &HoldState) -> Vec<ConditionView> {
    let of = |one: &CheckState| {
        let check = hold.check(one.name())?;
        let how = match (&one.told, one.asking) {
            (None, _) => "it is being made".to_owned(),
            (Some(told), true) => format!("it is being made again; {}", told.in_words()),
            (Some(told), false) => match one.next {
                Some(next) => {
                    format!("{}; it is made again {}", told.in_words(), phrase::moment(next))
                }
                None => told.in_words(),
            },
        };
        let summary =
            format!("the check {}: {}: {how}", one.name(), check.health.must_for(&one.open.input));
        let mut view = condition("check", one.name(), one.has_passed(), summary);
        if let (Some(told), false) = (&one.told, one.asking) {
            view.status = match told.verdict {
                Verdict::Passed => ConditionStatus::Met,
                Verdict::Failed => ConditionStatus::Refused,
                Verdict::Inconclusive => ConditionStatus::Error,
            };
        }
        Some(view)
    };
    open.checks.all.iter().filter_map(of).collect()
}

impl Told {
    fn in_words(&self) -> String {
        let what = match self.verdict {
            Verdict::Passed => "it passed",
            Verdict::Failed => "it failed",
            Verdict::Inconclusive => "it told nothing",
        };
        let detail = self.detail.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{what} {}{detail}", phrase::moment(self.at))
    }
}

/// What can be done about checks that have not passed.
pub(crate) fn steps(open: &HoldState) -> Vec<NextStep> {
    let waiting = open.checks.all.iter().filter(|one| !one.asking && !one.has_passed());
    let step = |check: &str| {
        let (hold, check) = (open.hold.clone(), check.to_owned());
        let text = format!("have the check `{check}` made again");
        NextStep::ask(text, NextAsk::Recheck { hold, check })
    };
    waiting.map(|one| step(one.name())).collect()
}
