//! A run with much under way at once: what happens to one activity has the engine look at that one.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use holdpoint_core::{
    Action, Activity, Actor, Authentication, Command, CommandId, Effect, EffectId, EffectKind,
    IllegalEvent, Moment, Outcome, ProjectAction, ProjectCommand, ProjectId, Refusal, RefusalCode,
    RetryPolicy, RunStatus, RunView, Settling, Started, TimeLimits, Workflow, workflow::Meta,
};
use holdpoint_engine::{ActivityHandler, Attempt, Engine, Submission};
use holdpoint_log::MemoryLog;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// Counts letters, all at once, and how many effects it was made to name.
#[derive(Default)]
struct Post {
    named: Arc<AtomicUsize>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PostState {
    open: BTreeSet<u32>,
    /// In their order.
    done: Vec<u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum PostEvent {
    #[serde(rename = "acme.post.collected")]
    Collected {},
    #[serde(rename = "acme.post.counted")]
    Counted { letter: u32 },
}

fn letter(effect: &EffectId) -> Option<u32> {
    effect.as_str().strip_prefix("letter-")?.parse().ok()
}

impl Post {
    fn effect(&self, letter: u32) -> Effect {
        self.named.fetch_add(1, Ordering::Relaxed);
        Effect {
            id: EffectId::new(format!("letter-{letter}")),
            kind: EffectKind::Activity(Activity {
                name: "count".to_owned(),
                input: Value::Null,
                timeout: SignedDuration::from_hours(1),
                limits: TimeLimits::default(),
                retry: RetryPolicy::fixed(2, SignedDuration::ZERO),
                settling: Settling::default(),
            }),
        }
    }
}

impl Workflow for Post {
    type State = PostState;
    type Event = PostEvent;

    fn start(&self, started: &Started<'_>) -> Result<PostState, Refusal> {
        let letters = started.input.get("letters").and_then(Value::as_u64).unwrap_or_default();
        Ok(PostState { open: (0..u32::try_from(letters).unwrap()).collect(), done: Vec::new() })
    }

    fn decide(
        &self,
        _: &PostState,
        command: &Command,
        _: &Moment<'_>,
    ) -> Result<Vec<PostEvent>, Refusal> {
        match &command.action {
            Action::Start => Ok(vec![PostEvent::Collected {}]),
            Action::Completed { effect, .. } => {
                Ok(vec![PostEvent::Counted { letter: letter(effect).unwrap() }])
            }
            _ => Err(Refusal::new(RefusalCode::NotAwaited, "nobody waits for this")),
        }
    }

    fn evolve(
        &self,
        state: &mut PostState,
        event: &PostEvent,
        _: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        if let PostEvent::Counted { letter } = event {
            state.open.remove(letter);
            state.done.push(*letter);
        }
        Ok(())
    }

    fn pending(&self, state: &PostState) -> Vec<Effect> {
        state.open.iter().map(|letter| self.effect(*letter)).collect()
    }

    fn owed(&self, state: &PostState, effect: &EffectId) -> Option<Effect> {
        letter(effect).filter(|letter| state.open.contains(letter)).map(|one| self.effect(one))
    }

    fn asks(&self, state: &PostState) -> BTreeSet<EffectId> {
        state.open.iter().map(|letter| self.effect(*letter).id).collect()
    }

    fn changed(&self, before: &PostState, after: &PostState) -> Option<BTreeSet<EffectId>> {
        let counted = after.done.get(before.done.len()..)?;
        Some(counted.iter().map(|letter| self.effect(*letter).id).collect())
    }

    fn status(&self, state: &PostState) -> RunStatus {
        if state.open.is_empty() {
            return RunStatus::Ended { outcome: "counted".to_owned() };
        }
        RunStatus::Working
    }

    fn view(&self, state: &PostState, _: &Moment<'_>) -> RunView {
        RunView::new("Post", format!("{} left", state.open.len()), Workflow::status(self, state))
    }
}

/// Fails at first, each time.
struct Count;

#[async_trait]
impl ActivityHandler for Count {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        if attempt.attempt == 1 {
            return Outcome::Failed { error: "it fell down".to_owned(), retryable: true };
        }
        Outcome::Completed(Value::Null)
    }
}

/// How many effects a run over so many letters has its workflow name.
async fn named(letters: usize) -> usize {
    let post = Post::default();
    let named = Arc::clone(&post.named);
    let id = || CommandId::from_uuid(Uuid::now_v7());
    let ada = Actor::Member("ada".parse().unwrap());
    let auth = || Authentication::new("test");
    let engine = Engine::builder()
        .log(Arc::new(MemoryLog::new()))
        .workflow("post".parse().unwrap(), 1, "Post", Arc::new(post))
        .activity("count", Arc::new(Count))
        .start()
        .await
        .unwrap();
    let project: ProjectId = "office".parse().unwrap();
    let action = ProjectAction::Create { title: "An office".to_owned() };
    let command =
        ProjectCommand { id: id(), actor: ada.clone(), auth: auth(), trace: None, action };
    engine.change_project(&project, command).await.unwrap();
    let source = holdpoint_engine::rust_source(&"post".parse().unwrap(), 1);
    engine.publish(&project, id(), ada.clone(), auth(), "rust", &source).await.unwrap();
    let submission = Submission {
        command: id(),
        actor: ada,
        auth: auth(),
        trace: None,
        definition: "post".parse().unwrap(),
        version: None,
        input: json!({ "letters": letters }),
    };
    let run = engine.submit(&project, submission).await.unwrap().run;
    engine.idle().await.unwrap();
    let counted = RunStatus::Ended { outcome: "counted".to_owned() };
    assert_eq!(engine.run(run).await.unwrap().row.status, counted);
    engine.shutdown().await;
    named.load(Ordering::Relaxed)
}

#[tokio::test]
async fn what_happens_to_one_of_many_has_only_that_one_looked_at() {
    // Two attempts, each begun and ended: as many decisions, and what follows from each.
    for letters in [10, 2_000] {
        let each = named(letters).await as f64 / letters as f64;
        assert!(each < 60.0, "of {letters} letters each was named {each} times");
    }
}
