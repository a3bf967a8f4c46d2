//! Runs that runs start: an errand to another run, and what is found there.
//!
//! A shard never waits for another, so each errand is a task of its own. What it does can be done again
//! at any time: the id of a run follows from the run that starts it and its effect.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use holdpoint_core::{
    Action, Actor, Authentication, ChildRun, Command, CommandId, Digest, EffectId, ProjectId,
    Refusal, RefusalCode, RunId, RunStatus,
    command::request_of,
    run::{DEPTH_MAX, Parent},
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::{
    deciding::own_command,
    engine::{check_size, shard_of},
    failure::{CommandFailure, QueryFailure},
    guard::guard,
    load::{Library, LiveRun},
    shard::Ask,
    slot::Begin,
};

/// What an errand brings back.
pub(crate) struct Errand {
    /// The run that sent it; `None` for one that only tells.
    pub run: RunId,
    pub effect: Option<EffectId>,
    pub found: Found,
}

/// What is to be told of the other run.
pub(crate) enum Found {
    /// It is there.
    Started(RunId),
    /// It cannot be started.
    Refused(String),
    /// It is over.
    Ended(RunId, String),
    /// It goes on; whether it was told to stop.
    GoesOn { stop: bool },
    /// Nothing was found out.
    Nothing,
}

/// Whom a run is started for.
pub(crate) struct For {
    pub project: ProjectId,
    pub requester: Actor,
    pub parent: Parent,
}

/// The way from one shard to the others.
#[derive(Clone)]
pub(crate) struct Nursery {
    /// Weak, or the shards would keep each other alive.
    shards: Arc<OnceLock<Vec<mpsc::WeakSender<Ask>>>>,
    library: Library,
    /// How many errands were begun.
    begun: Arc<AtomicU64>,
}

impl Nursery {
    pub(crate) fn new(library: Library) -> Self {
        Self { shards: Arc::default(), library, begun: Arc::default() }
    }

    /// Says where the shards are, once they are.
    pub(crate) fn opens(&self, shards: &[mpsc::Sender<Ask>]) {
        let _ = self.shards.set(shards.iter().map(mpsc::Sender::downgrade).collect());
    }

    /// Notes that an errand is about to be begun.
    pub(crate) fn begins(&self) {
        self.begun.fetch_add(1, Ordering::AcqRel);
    }

    /// How many errands were begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    async fn send(&self, run: RunId, ask: Ask) -> Result<(), QueryFailure> {
        let shards = self.shards.get().ok_or(QueryFailure::Stopped)?;
        let shard = shards.get(shard_of(run, shards.len())).ok_or(QueryFailure::Stopped)?;
        let shard = shard.upgrade().ok_or(QueryFailure::Stopped)?;
        shard.send(ask).await.map_err(|_| QueryFailure::Stopped)
    }

    async fn live(&self, run: RunId) -> Result<LiveRun, QueryFailure> {
        let (reply, answer) = oneshot::channel();
        self.send(run, Ask::Query { run, reply }).await?;
        answer.await.map_err(|_| QueryFailure::Stopped)?
    }

    /// Starts a run unless there is one.
    pub(crate) async fn start(self, run: RunId, child: ChildRun, whom: For) -> Errand {
        let (parent, effect) = (whom.parent.run, whom.parent.effect.clone());
        let found = match self.started(run, child, whom).await {
            Ok(()) => Found::Started(run),
            Err(CommandFailure::Refused(refusal)) => Found::Refused(in_words(&refusal)),
            Err(failure) => {
                tracing::error!(%run, error = %failure, "a run could not be started by another");
                Found::Nothing
            }
        };
        Errand { run: parent, effect: Some(effect), found }
    }

    async fn started(&self, run: RunId, child: ChildRun, whom: For) -> Result<(), CommandFailure> {
        match self.live(run).await {
            Ok(live) if live.run.parent() == Some(&whom.parent) => return Ok(()),
            Ok(_) => {
                return Err(Refusal::new(
                    RefusalCode::CommandIdReused,
                    format!("the id {run} was used before, for another run"),
                )
                .into());
            }
            Err(QueryFailure::NoSuchRun(_)) => {}
            Err(failure) => return Err(failure.into()),
        }
        if child.stop {
            return Err(Refusal::new(
                RefusalCode::NotAwaited,
                "nobody wanted it any more before it was started",
            )
            .into());
        }
        if whom.parent.depth > DEPTH_MAX {
            return Err(Refusal::new(
                RefusalCode::NotAwaited,
                format!("{DEPTH_MAX} runs have started each other already, and no more may"),
            )
            .into());
        }
        let missing = || Refusal::new(RefusalCode::NotFound, "its project is not there");
        let project = self.library.projects.get(&whom.project).ok_or_else(missing)?;
        if let Some(member) = whom.requester.member() {
            project.member(member)?;
        }
        let definition = project.definition(&child.definition, child.version)?;
        let definition = definition.reference.clone();
        let workflow = self
            .library
            .catalog
            .workflow(&project, &definition.digest)
            .map_err(QueryFailure::from)?;
        let request = request(&whom, &child);
        let input = guard("complete_input", || workflow.complete_input(child.input))
            .map_err(CommandFailure::Broken)?;
        check_size("input with its defaults", &input)?;
        let (reply, answer) = oneshot::channel();
        let begin = Begin {
            command: Command {
                id: CommandId::from_uuid(run.as_uuid()),
                actor: whom.requester,
                auth: Authentication::new(format!("run:{}", whom.parent.run)),
                trace: None,
                action: Action::Start,
            },
            request,
            definition,
            input,
            project: whom.project,
            workflow,
            parent: Some(whom.parent),
            reply,
            known: false,
        };
        self.send(run, Ask::Submit(Box::new(begin))).await?;
        answer.await.map_err(|_| QueryFailure::Stopped)??;
        Ok(())
    }

    /// Looks whether a run has ended, and tells it to stop where it is to.
    pub(crate) async fn look(
        self,
        parent: RunId,
        effect: EffectId,
        run: RunId,
        stop: bool,
    ) -> Errand {
        let found = match self.ended(run).await {
            Ok(Some(outcome)) => Found::Ended(run, outcome),
            Ok(None) => {
                if stop {
                    self.stop(parent, run).await;
                }
                Found::GoesOn { stop }
            }
            Err(failure) => {
                tracing::error!(%run, error = %failure, "a run that another waits for is not there");
                Found::Nothing
            }
        };
        Errand { run: parent, effect: Some(effect), found }
    }

    async fn ended(&self, run: RunId) -> Result<Option<String>, QueryFailure> {
        let live = self.live(run).await?;
        let status = guard("status", || live.run.status(&*live.workflow));
        Ok(match status {
            Ok(RunStatus::Ended { outcome }) => Some(outcome),
            _ => None,
        })
    }

    /// Tells a run to stop. One that is being stopped already, or has just ended, says so.
    async fn stop(&self, parent: RunId, run: RunId) {
        let (reply, answer) = oneshot::channel();
        let reason = format!("the run {parent}, which started it, was stopped");
        let command = Box::new(own_command(Action::Stop { reason }));
        if self.send(run, Ask::Command { run, command, only_if: None, reply }).await.is_ok()
            && let Ok(Err(failure)) = answer.await
        {
            tracing::info!(%run, error = %failure, "a run that is to stop did not take that");
        }
    }

    /// Tells a run that one which it started has ended.
    pub(crate) async fn tell(self, parent: RunId) -> Errand {
        // Where nobody can be told the next start looks.
        let _ = self.send(parent, Ask::Child(parent)).await;
        Errand { run: parent, effect: None, found: Found::Nothing }
    }
}

/// The digest of what is asked, which only this run asks.
fn request(whom: &For, child: &ChildRun) -> Digest {
    #[derive(Serialize)]
    #[serde(tag = "action", rename = "submit_for")]
    struct Submit<'a> {
        parent: RunId,
        effect: &'a EffectId,
        input: &'a Value,
    }
    let Parent { run, effect, .. } = &whom.parent;
    request_of(&whom.requester, &Submit { parent: *run, effect, input: &child.input })
}

fn in_words(refusal: &Refusal) -> String {
    if refusal.needed.is_empty() {
        refusal.message.clone()
    } else {
        format!("{} ({})", refusal.message, refusal.needed.join("; "))
    }
}
