//! A workflow to test the engine with, and an engine over a log in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use holdpoint_core::{
    Action, Activity, Actor, Authentication, Command, CommandId, Effect, EffectId, EffectKind,
    IllegalEvent, Moment, Outcome, ProjectAction, ProjectCommand, ProjectId, Refusal, RefusalCode,
    RetryPolicy, RunId, RunStatus, RunView, Settling, Started, TimeLimits, Vote, Workflow,
    workflow::Meta,
};
use holdpoint_engine::{
    ActivityHandler, Attempt, Effects, Engine, EngineBuilder, ManualClock, Submission,
};
use holdpoint_log::{EventLog, MemoryLog};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

/// So many cents are paid by one who must give signs of life.
pub(crate) const ALIVE: u64 = 1_000_000;
/// So many cents wait for their turn for a minute.
pub(crate) const HURRIED: u64 = 2_000_000;
pub(crate) const HEARTBEAT: SignedDuration = SignedDuration::from_secs(1);

/// An expense: approved by anyone but who asks within a day, then paid.
pub(crate) struct Expense;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExpenseState {
    requester: Actor,
    cents: u64,
    expires: Timestamp,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Stage {
    Claimed,
    Approved,
    Ended(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum ExpenseEvent {
    #[serde(rename = "acme.expense.claimed")]
    Claimed {},
    #[serde(rename = "acme.expense.approved")]
    Approved {},
    #[serde(rename = "acme.expense.noted")]
    Noted { note: Value },
    #[serde(rename = "acme.expense.ended")]
    Ended { outcome: String },
}

impl Workflow for Expense {
    type State = ExpenseState;
    type Event = ExpenseEvent;

    /// An expense without a purpose gets one, of the length that is asked for.
    fn complete_input(&self, mut input: Value) -> Value {
        let length = input.get("pad").and_then(Value::as_u64);
        if let (Some(length), Some(members)) = (length, input.as_object_mut()) {
            let purpose = || json!("x".repeat(usize::try_from(length).unwrap_or(0)));
            members.entry("purpose").or_insert_with(purpose);
        }
        input
    }

    fn start(&self, started: &Started<'_>) -> Result<ExpenseState, Refusal> {
        let cents = started.input.get("cents").and_then(Value::as_u64).ok_or_else(|| {
            Refusal::new(RefusalCode::InvalidInput, "an expense has a number of `cents`")
        })?;
        Ok(ExpenseState {
            requester: started.requester.clone(),
            cents,
            expires: started.at + SignedDuration::from_hours(24),
            stage: Stage::Claimed,
        })
    }

    fn decide(
        &self,
        state: &ExpenseState,
        command: &Command,
        _: &Moment<'_>,
    ) -> Result<Vec<ExpenseEvent>, Refusal> {
        let ended = |outcome: &str| Ok(vec![ExpenseEvent::Ended { outcome: outcome.to_owned() }]);
        match (&command.action, &state.stage) {
            (Action::Start, _) => Ok(vec![ExpenseEvent::Claimed {}]),
            (Action::Vote { .. }, _) if command.actor == state.requester => {
                Err(Refusal::new(RefusalCode::SelfApproval, "nobody approves their own expense"))
            }
            (Action::Vote { vote: Vote::Approve, .. }, Stage::Claimed) => {
                Ok(vec![ExpenseEvent::Approved {}])
            }
            (Action::Vote { vote: Vote::Reject, .. }, Stage::Claimed) => ended("rejected"),
            (Action::TimerFired { .. }, Stage::Claimed) => ended("lapsed"),
            (Action::Completed { .. }, Stage::Approved) => ended("paid"),
            (Action::Failed { .. }, Stage::Approved) => ended("unpaid"),
            (Action::Cancel { .. } | Action::Stop { .. }, _) => ended("cancelled"),
            (Action::Signal { data, .. }, _) => {
                Ok(vec![ExpenseEvent::Noted { note: data.clone() }])
            }
            _ => Err(Refusal::new(RefusalCode::NotAwaited, "nobody waits for this")),
        }
    }

    fn evolve(
        &self,
        state: &mut ExpenseState,
        event: &ExpenseEvent,
        _: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        match event {
            ExpenseEvent::Claimed {} | ExpenseEvent::Noted { .. } => {}
            ExpenseEvent::Approved {} => state.stage = Stage::Approved,
            ExpenseEvent::Ended { outcome } => state.stage = Stage::Ended(outcome.clone()),
        }
        Ok(())
    }

    fn pending(&self, state: &ExpenseState) -> Vec<Effect> {
        match state.stage {
            Stage::Claimed => vec![Effect {
                id: EffectId::new("lapse"),
                kind: EffectKind::Timer { due: state.expires },
            }],
            Stage::Approved => vec![Effect {
                id: EffectId::new("pay"),
                kind: EffectKind::Activity(Activity {
                    name: "pay".to_owned(),
                    input: json!({ "cents": state.cents }),
                    timeout: SignedDuration::from_secs(60),
                    limits: TimeLimits {
                        heartbeat: (state.cents == ALIVE).then_some(HEARTBEAT),
                        start: (state.cents == HURRIED).then_some(SignedDuration::from_secs(60)),
                        ..TimeLimits::default()
                    },
                    retry: RetryPolicy::fixed(
                        if state.cents == ALIVE { 1 } else { 3 },
                        SignedDuration::from_secs(10),
                    ),
                    settling: Settling::default(),
                }),
            }],
            Stage::Ended(_) => vec![],
        }
    }

    fn status(&self, state: &ExpenseState) -> RunStatus {
        match &state.stage {
            Stage::Claimed => RunStatus::Held,
            Stage::Approved => RunStatus::Working,
            Stage::Ended(outcome) => RunStatus::Ended { outcome: outcome.clone() },
        }
    }

    fn view(&self, state: &ExpenseState, _: &Moment<'_>) -> RunView {
        RunView::new(
            format!("{} cents", state.cents),
            format!("{:?}", state.stage).to_lowercase(),
            Workflow::status(self, state),
        )
    }
}

/// Pays, as it is told: each attempt takes the next outcome, and waits where there is none.
#[derive(Default)]
pub(crate) struct Cashier {
    pub(crate) outcomes: Mutex<Vec<Outcome>>,
    pub(crate) attempts: Mutex<Vec<Attempt>>,
    pub(crate) begun: Notify,
}

#[async_trait]
impl ActivityHandler for Cashier {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        self.attempts.lock().unwrap().push(attempt);
        self.begun.notify_one();
        let next = self.outcomes.lock().unwrap().pop();
        match next {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }
}

pub(crate) struct Office {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) clock: ManualClock,
    pub(crate) cashier: Arc<Cashier>,
    pub(crate) project: ProjectId,
}

impl Office {
    pub(crate) fn new() -> Self {
        Self {
            log: Arc::new(MemoryLog::new()),
            clock: ManualClock::new("2026-01-05T09:00:00Z".parse().unwrap()),
            cashier: Arc::default(),
            project: "office".parse().unwrap(),
        }
    }

    pub(crate) fn builder(&self) -> EngineBuilder {
        let log: Arc<dyn EventLog> = self.log.clone();
        Engine::builder()
            .log(log)
            .shards(2)
            .clock(Arc::new(self.clock.clone()))
            .workflow("expense".parse().unwrap(), 1, "An expense", Arc::new(Expense))
            .activity("pay", self.cashier.clone())
    }

    /// An engine with the project and the definition in it.
    pub(crate) async fn open(&self) -> Engine {
        let engine = self.builder().start().await.unwrap();
        self.set_up(&engine).await;
        engine
    }

    /// One that only records decisions.
    pub(crate) async fn open_leaving_effects(&self) -> Engine {
        let engine = self.builder().effects(Effects::LeaveAlone).start().await.unwrap();
        self.set_up(&engine).await;
        engine
    }

    pub(crate) async fn set_up(&self, engine: &Engine) {
        if engine.project(&self.project).is_some() {
            return;
        }
        self.change(engine, ProjectAction::Create { title: "Office".to_owned() }).await;
        for member in ["ben", "cleo"] {
            let member = member.parse().unwrap();
            self.change(engine, ProjectAction::AddMember { member, name: None, roles: vec![] })
                .await;
        }
        let source = holdpoint_engine::rust_source(&"expense".parse().unwrap(), 1);
        let (actor, auth) = who("ada");
        engine.publish(&self.project, new_id(), actor, auth, "rust", &source).await.unwrap();
    }

    pub(crate) async fn change(&self, engine: &Engine, action: ProjectAction) {
        let (actor, auth) = who("ada");
        let command = ProjectCommand { id: new_id(), actor, auth, trace: None, action };
        engine.change_project(&self.project, command).await.unwrap();
    }

    pub(crate) fn submission(&self, id: CommandId, cents: u64) -> Submission {
        let (actor, auth) = who("ada");
        Submission {
            command: id,
            actor,
            auth,
            trace: None,
            definition: "expense".parse().unwrap(),
            version: None,
            input: json!({ "cents": cents }),
        }
    }

    pub(crate) async fn submit(&self, engine: &Engine, cents: u64) -> RunId {
        engine.submit(&self.project, self.submission(new_id(), cents)).await.unwrap().run
    }

    /// The types of a run's events.
    pub(crate) async fn history(&self, run: RunId) -> Vec<String> {
        let stream = holdpoint_core::StreamId { project: self.project.clone(), run: Some(run) };
        let records =
            self.log.read_stream(&stream, holdpoint_core::Version::ZERO, 10_000).await.unwrap();
        records.iter().map(|record| record.event().unwrap().kind.to_string()).collect()
    }
}

pub(crate) fn who(name: &str) -> (Actor, Authentication) {
    (Actor::Member(name.parse().unwrap()), Authentication::new("test"))
}

pub(crate) fn new_id() -> CommandId {
    CommandId::from_uuid(Uuid::now_v7())
}

pub(crate) fn command(name: &str, action: Action) -> Command {
    let (actor, auth) = who(name);
    Command { id: new_id(), actor, auth, trace: None, action }
}

pub(crate) fn approve(name: &str) -> Command {
    command(name, Action::vote(Vote::Approve, None))
}

pub(crate) fn counts(words: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word.as_str()).or_default() += 1;
    }
    counts
}
