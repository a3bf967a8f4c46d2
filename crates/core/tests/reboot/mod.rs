//! A workflow to test runs with: a host is rebooted when somebody else has approved it.

use std::collections::BTreeMap;

use holdpoint_core::{
    Action, Activity, Actor, Again, Command, Effect, EffectId, EffectKind, IllegalEvent, Moment,
    Refusal, RefusalCode, Restraint, RetryPolicy, RunStatus, RunView, Settling, Started,
    TimeLimits, Vote, Workflow, workflow::Meta,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long a request waits for its approval.
pub(crate) const LAPSES_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// How long the reboot may take in all, whatever its attempts do.
pub(crate) const LIMIT: SignedDuration = SignedDuration::from_mins(10);
/// How many attempts may fail, and how long to wait between them.
pub(crate) const RETRY: RetryPolicy = RetryPolicy::fixed(3, SignedDuration::from_secs(10));

/// The workflow, with a defect or none.
#[derive(Default)]
pub(crate) struct Reboot {
    /// It goes on asking for what it has been told the end of.
    pub(crate) is_deaf: bool,
    /// It restrains what it does not ask for.
    pub(crate) restrains_nothing: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RebootState {
    requester: Actor,
    host: Value,
    notes: Vec<Value>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Stage {
    Submitted,
    Asked { lapses: Timestamp },
    Rebooting { limit: Timestamp, drained: bool, rebooted: bool },
    Over { outcome: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum RebootEvent {
    #[serde(rename = "acme.reboot.asked")]
    Asked {},
    #[serde(rename = "acme.reboot.approved")]
    Approved {},
    #[serde(rename = "acme.reboot.noted")]
    Noted { note: Value },
    #[serde(rename = "acme.reboot.done")]
    Done { what: EffectId },
    #[serde(rename = "acme.reboot.over")]
    Over { outcome: String },
}

fn over(outcome: &str) -> Vec<RebootEvent> {
    vec![RebootEvent::Over { outcome: outcome.to_owned() }]
}

fn activity(name: &str, state: &RebootState) -> Effect {
    Effect {
        id: EffectId::new(name),
        kind: EffectKind::Activity(Activity {
            name: name.to_owned(),
            input: json!({ "host": state.host }),
            timeout: SignedDuration::from_secs(60),
            limits: TimeLimits::default(),
            retry: RETRY,
            settling: Settling::default(),
        }),
    }
}

fn timer(name: &str, due: Timestamp) -> Effect {
    Effect { id: EffectId::new(name), kind: EffectKind::Timer { due } }
}

impl Workflow for Reboot {
    type State = RebootState;
    type Event = RebootEvent;

    fn start(&self, started: &Started<'_>) -> Result<RebootState, Refusal> {
        let host = started
            .input
            .get("host")
            .ok_or_else(|| Refusal::new(RefusalCode::InvalidInput, "a reboot names its `host`"))?;
        Ok(RebootState {
            requester: started.requester.clone(),
            host: host.clone(),
            notes: Vec::new(),
            stage: Stage::Submitted,
        })
    }

    fn decide(
        &self,
        state: &RebootState,
        command: &Command,
        _: &Moment<'_>,
    ) -> Result<Vec<RebootEvent>, Refusal> {
        match (&command.action, &state.stage) {
            // A defect to test with: nothing is asked twice.
            (Action::Start, Stage::Submitted) if state.host == "twice" => {
                Ok(vec![RebootEvent::Asked {}, RebootEvent::Asked {}])
            }
            (Action::Start, Stage::Submitted) => Ok(vec![RebootEvent::Asked {}]),
            (Action::Signal { name, data }, _) if name == "note" => {
                Ok(vec![RebootEvent::Noted { note: data.clone() }])
            }
            // Another.
            (Action::Signal { name, .. }, _) if name == "misbehave" => Ok(vec![
                RebootEvent::Noted { note: json!("so far so good") },
                RebootEvent::Asked {},
            ]),
            (Action::Vote { .. }, Stage::Asked { .. }) if command.actor == state.requester => {
                Err(Refusal::new(RefusalCode::SelfApproval, "nobody approves their own reboot"))
            }
            (Action::Vote { vote: Vote::Approve, .. }, Stage::Asked { .. }) => {
                Ok(vec![RebootEvent::Approved {}])
            }
            (Action::Vote { vote: Vote::Reject, .. }, Stage::Asked { .. }) => Ok(over("rejected")),
            (Action::TimerFired { .. }, Stage::Asked { .. }) => Ok(over("lapsed")),
            (Action::Completed { effect, .. }, Stage::Rebooting { drained, rebooted, .. }) => {
                let mut events = vec![RebootEvent::Done { what: effect.clone() }];
                if *drained || *rebooted {
                    events.extend(over("rebooted"));
                }
                Ok(if self.is_deaf { Vec::new() } else { events })
            }
            (Action::Failed { effect, .. }, Stage::Rebooting { .. }) => {
                Ok(over(&format!("{effect} failed")))
            }
            (Action::TimerFired { .. }, Stage::Rebooting { .. }) => Ok(over("out of time")),
            (Action::Cancel { .. }, _) => Ok(over("cancelled")),
            _ => Err(Refusal::new(RefusalCode::NotAwaited, "nobody waits for this")),
        }
    }

    fn evolve(
        &self,
        state: &mut RebootState,
        event: &RebootEvent,
        meta: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        match (&mut state.stage, event) {
            (stage @ Stage::Submitted, RebootEvent::Asked {}) => {
                *stage = Stage::Asked { lapses: meta.time + LAPSES_AFTER };
            }
            (stage @ Stage::Asked { .. }, RebootEvent::Approved {}) => {
                let limit = meta.time + LIMIT;
                *stage = Stage::Rebooting { limit, drained: false, rebooted: false };
            }
            (Stage::Rebooting { drained, .. }, RebootEvent::Done { what })
                if what.as_str() == "drain" =>
            {
                *drained = true;
            }
            (Stage::Rebooting { rebooted, .. }, RebootEvent::Done { what })
                if what.as_str() == "reboot" =>
            {
                *rebooted = true;
            }
            (Stage::Asked { .. } | Stage::Rebooting { .. }, RebootEvent::Noted { note }) => {
                state.notes.push(note.clone());
            }
            (
                stage @ (Stage::Asked { .. } | Stage::Rebooting { .. }),
                RebootEvent::Over { outcome },
            ) => {
                *stage = Stage::Over { outcome: outcome.clone() };
            }
            (stage, event) => {
                return Err(IllegalEvent::new(format!("{event:?}"), format!("it is {stage:?}")));
            }
        }
        Ok(())
    }

    fn restraints(&self, _: &RebootState) -> BTreeMap<EffectId, Restraint> {
        let restraint = Restraint { if_begun: true, again: Again::Never };
        let named = self.restrains_nothing.then(|| (EffectId::new("elsewhere"), restraint));
        named.into_iter().collect()
    }

    fn pending(&self, state: &RebootState) -> Vec<Effect> {
        match &state.stage {
            Stage::Submitted | Stage::Over { .. } => Vec::new(),
            Stage::Asked { lapses } => vec![timer("lapse", *lapses)],
            Stage::Rebooting { limit, drained, rebooted } => {
                let mut owed = vec![timer("limit", *limit)];
                if !drained {
                    owed.push(activity("drain", state));
                }
                if !rebooted {
                    owed.push(activity("reboot", state));
                }
                owed
            }
        }
    }

    fn status(&self, state: &RebootState) -> RunStatus {
        match &state.stage {
            Stage::Submitted | Stage::Asked { .. } => RunStatus::Held,
            Stage::Rebooting { .. } => RunStatus::Working,
            Stage::Over { outcome } => RunStatus::Ended { outcome: outcome.clone() },
        }
    }

    fn view(&self, state: &RebootState, _: &Moment<'_>) -> RunView {
        let name = match &state.stage {
            Stage::Submitted => "submitted",
            Stage::Asked { .. } => "asked",
            Stage::Rebooting { .. } => "rebooting",
            Stage::Over { .. } => "over",
        };
        RunView::new(format!("reboot {}", state.host), name, Workflow::status(self, state))
    }
}
