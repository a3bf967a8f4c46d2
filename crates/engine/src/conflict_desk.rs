//! The task that looks for conflicts when holds that ask for that have all else.
//!
//! It looks for one run after the other, and the next only when what the one makes of it is durable: so of
//! two runs in conflict that are to be released at the same moment, the second always sees what has
//! become of the first. It keeps nothing that does not follow from the runs' states. A shard never waits
//! for it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use holdpoint_core::{Action, EffectId, ProjectId, RunId, Version};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};

use crate::{
    conflicts::Looker,
    deciding::own_command,
    failure::{CommandFailure, QueryFailure},
    projects::Projects,
    shard::Ask,
};

/// How long after a look that failed it is looked again.
const RETRY_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// What the task is told.
pub(crate) enum ConflictNews {
    /// A run is as it is at this version; which look it asks for then, if it does.
    Run {
        run: RunId,
        project: ProjectId,
        version: Version,
        asks: Option<EffectId>,
    },
    /// The project has changed.
    Project(ProjectId),
    /// Answer with how many looks have been told, when all that was told before has been taken.
    Count(oneshot::Sender<u64>),
    Stop,
}

/// The way to tell it.
#[derive(Clone)]
pub(crate) struct TellConflicts {
    news: mpsc::UnboundedSender<ConflictNews>,
    /// How many runs it looks for. While there are none, what others do is nothing to it.
    waiting: Arc<AtomicUsize>,
}

impl TellConflicts {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<ConflictNews>) {
        let (news, receiver) = mpsc::unbounded_channel();
        (Self { news, waiting: Arc::default() }, receiver)
    }

    pub(crate) fn tell(&self, news: ConflictNews) {
        let matters = match &news {
            ConflictNews::Run { asks: None, .. } | ConflictNews::Project(_) => {
                self.waiting.load(Ordering::SeqCst) > 0
            }
            _ => true,
        };
        if matters {
            // The desk ends after the shards.
            let _ = self.news.send(news);
        }
    }
}

/// A run that asks for a look.
struct Waiting {
    project: ProjectId,
    effect: EffectId,
    /// What it made of the last one is in this version.
    seen: Version,
    /// The runs by whose doings another look may find something else.
    by: BTreeSet<RunId>,
}

/// The task's state.
pub(crate) struct ConflictDesk {
    pub(crate) news: mpsc::UnboundedReceiver<ConflictNews>,
    pub(crate) tell: TellConflicts,
    pub(crate) looker: Looker,
    pub(crate) projects: Projects,
    waiting: HashMap<RunId, Waiting>,
    /// The runs for which a look has failed that may succeed later, and when it is tried again.
    failed: BTreeSet<RunId>,
    retry_at: Option<Timestamp>,
    told: u64,
}

impl ConflictDesk {
    pub(crate) fn new(
        news: mpsc::UnboundedReceiver<ConflictNews>,
        tell: TellConflicts,
        looker: Looker,
        projects: Projects,
    ) -> Self {
        let (waiting, failed) = (HashMap::new(), BTreeSet::new());
        Self { news, tell, looker, projects, waiting, failed, retry_at: None, told: 0 }
    }

    pub(crate) async fn run(mut self) {
        let clock = Arc::clone(&self.looker.clock);
        loop {
            let retry_at = self.retry_at;
            let retry = async {
                match retry_at {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let (mut news, mut due) = (Vec::new(), BTreeSet::new());
            tokio::select! {
                first = self.news.recv() => match first {
                    Some(first) => news.push(first),
                    None => return,
                },
                () = retry => {
                    self.retry_at = None;
                    due = std::mem::take(&mut self.failed);
                }
            }
            // What has come meanwhile is looked for once.
            while let Ok(next) = self.news.try_recv() {
                news.push(next);
            }
            let mut replies = Vec::new();
            for one in news {
                match one {
                    ConflictNews::Run { run, project, version, asks } => {
                        self.take(run, project, version, asks, &mut due);
                    }
                    ConflictNews::Project(project) => {
                        let of = self.waiting.iter().filter(|(_, one)| one.project == project);
                        due.extend(of.map(|(run, _)| *run));
                    }
                    ConflictNews::Count(reply) => replies.push(reply),
                    ConflictNews::Stop => return,
                }
            }
            self.tell.waiting.store(self.waiting.len(), Ordering::SeqCst);
            for run in due {
                self.failed.remove(&run);
                if let Err(error) = self.look(run).await {
                    if matches!(error, CommandFailure::Query(QueryFailure::Stopped)) {
                        return;
                    }
                    tracing::error!(%run, %error, "conflicts could not be looked for");
                    if may_pass(&error) {
                        self.failed.insert(run);
                    }
                }
            }
            if !self.failed.is_empty() && self.retry_at.is_none() {
                let next = clock.now().saturating_add(RETRY_PAUSE);
                self.retry_at = Some(next.unwrap_or(Timestamp::MAX));
            }
            for reply in replies {
                // Who asked may have gone.
                let _ = reply.send(self.told);
            }
        }
    }

    /// Notes what a run asks for, and for which runs there is something new to see.
    fn take(
        &mut self,
        run: RunId,
        project: ProjectId,
        version: Version,
        asks: Option<EffectId>,
        due: &mut BTreeSet<RunId>,
    ) {
        match asks {
            None => {
                self.waiting.remove(&run);
                due.remove(&run);
            }
            Some(effect) => {
                let known = self.waiting.get(&run);
                if known.is_none_or(|one| one.seen < version || one.effect != effect) {
                    let by = BTreeSet::new();
                    self.waiting.insert(run, Waiting { project, effect, seen: Version::ZERO, by });
                    due.insert(run);
                }
            }
        }
        let others = self.waiting.iter().filter(|(_, one)| one.by.contains(&run));
        due.extend(others.map(|(other, _)| *other));
    }

    /// Looks for the conflicts of a run, and has it decide what follows from them.
    async fn look(&mut self, run: RunId) -> Result<(), CommandFailure> {
        let Some(waiting) = self.waiting.get_mut(&run) else { return Ok(()) };
        // Until it is known that the run has seen it, it may have to be looked for again.
        waiting.seen = Version::ZERO;
        let Some(project) = self.projects.get(&waiting.project) else { return Ok(()) };
        let sight = self.looker.sight(&project).await?;
        let Some(at) = sight.version(run) else { return Ok(()) };
        let (found, by) = sight.look(&project, run);
        waiting.by = by;
        let effect = waiting.effect.clone();
        let command = own_command(Action::ConflictsLooked { effect, at, found });
        let (reply, answer) = oneshot::channel();
        let command = Box::new(command);
        self.looker.send(run, Ask::Command { run, command, only_if: None, reply }).await?;
        self.told = self.told.saturating_add(1);
        match answer.await.map_err(|_| QueryFailure::Stopped)? {
            Ok(answer) => waiting.seen = answer.version,
            // It is no longer as it was; it says so, or has said so, itself.
            Err(CommandFailure::Refused(_)) => waiting.seen = at,
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

/// Whether the same may succeed later. A run that is broken asks for a look again when it is not.
const fn may_pass(failure: &CommandFailure) -> bool {
    match failure {
        CommandFailure::Append(_) => true,
        CommandFailure::Query(failure) => {
            !failure.is_of_the_run() && !matches!(failure, QueryFailure::NoSuchRun(_))
        }
        CommandFailure::Refused(_) | CommandFailure::Broken(_) => false,
    }
}
