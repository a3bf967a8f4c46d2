//! The one thread that writes.
//!
//! Whatever was sent while the last commit was written is the next commit: many appends share
//! one sync when there are many, and none waits when there are few.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use holdpoint_core::event::Sequence;
use holdpoint_log::{
    AppendFailure, Head,
    merkle::MerkleTree,
    numbering::{Prepared, Stored},
};
use tokio::sync::oneshot;

use crate::{
    ahead::{self, Ahead},
    aside::Print,
    block::Packer,
    head::{HeadFile, Note},
    log::Shared,
    parts::Parts,
    preflight::Positions,
    sealer::Full,
    store::SYNC_BYTES_MAX,
    syncing::{Answer, Syncs, Written},
    tail::{Streams, Tail},
};

/// How many bytes of events are gathered into a commit at most, unless one append has more.
const COMMIT_BYTES_GOAL: usize = 512 * 1024;
/// How many appends are gathered into a commit at most.
const COMMIT_APPENDS_MAX: usize = 4096;
/// With so many commits the file that is written to is kept ahead of what is in it.
const BUSY_COMMITS: u32 = 32;
/// How long an append waits at most for an empty tail.
const SPARE_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long nothing must have been sent before the head is noted.
const IDLE: Duration = Duration::from_millis(200);
/// How old the note of the head may become while appends keep coming.
const NOTE_AGE_MAX: Duration = Duration::from_secs(10);

/// Appends that somebody waits for.
#[derive(Debug)]
pub(crate) struct Request {
    pub appends: Prepared,
    pub answer: oneshot::Sender<Answer>,
}

/// A commit that is being gathered.
#[derive(Debug, Default)]
struct Commit {
    /// The bytes of its events.
    bytes: usize,
    /// Where the streams end that have events in it.
    heads: Streams,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

/// What the thread owns.
#[derive(Debug)]
pub(crate) struct Committer {
    pub shared: Arc<Shared>,
    /// The tree over the events up to the last one of the commit that is being made.
    pub tree: MerkleTree,
    pub packer: Packer,
    pub syncs: Syncs,
    pub head_file: HeadFile,
    /// The last tail: where events go.
    pub tail: Arc<Tail>,
    /// The bytes of the events in it.
    pub tail_bytes: u64,
    /// With so many bytes of events a tail is sealed.
    pub tail_bytes_max: u64,
    /// Once there have been enough commits.
    pub ahead: Option<Ahead>,
    pub commits: u32,
    /// The highest position in the tail's file at opening; zero for a tail that was made since.
    pub segment: u64,
    /// Tails to be sealed go out here, and empty ones come in there.
    pub full: Sender<Full>,
    pub spares: Receiver<Arc<Tail>>,
}

impl Committer {
    /// Works until every sender is gone, then notes how far the log has come.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        let mut poison = None;
        let mut next = None;
        let mut unnoted_since = Instant::now();
        loop {
            let head = self.shared.head();
            let is_noted = self.syncs.is_done()
                && self.head_file.noted().is_some_and(|noted| noted.head == head);
            let is_due = poison.is_none() && !is_noted && unnoted_since.elapsed() > NOTE_AGE_MAX;
            let request = if is_due {
                unnoted_since = Instant::now();
                Err(RecvTimeoutError::Timeout)
            } else if let Some(next) = next.take() {
                Ok(next)
            } else if is_noted || poison.is_some() {
                let request = requests.recv();
                unnoted_since = Instant::now();
                request.map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                requests.recv_timeout(IDLE)
            };
            let outcome = match request {
                Ok(request) => match &poison {
                    None => self.commit(request, requests).map(|sent| next = sent),
                    Some(reason) => {
                        let reason = String::clone(reason);
                        // Whoever does not wait any more does not need the answer.
                        let _ = request.answer.send(Err(AppendFailure::Poisoned { reason }));
                        Ok(())
                    }
                },
                Err(RecvTimeoutError::Timeout) => self.note_durable(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Err(reason) = outcome {
                tracing::error!(reason, "the log accepts nothing until it is reopened");
                poison = Some(reason);
            }
        }
        if poison.is_none() && self.syncs.until_done().is_ok() {
            self.close();
        }
    }

    /// Makes a commit of `first` and what has been sent since, and answers with a request that came
    /// while it was written.
    fn commit(
        &mut self,
        first: Request,
        requests: &Receiver<Request>,
    ) -> Result<Option<Request>, String> {
        let mut commit = Commit::default();
        // While one commit is synced the next is written; with more under way each would only be
        // smaller.
        let mut admitted = self.syncs.until(1, usize::MAX);
        let parts = self.shared.parts();
        let mut next = Some(first);
        while let Some(request) = next {
            if let Err(reason) = &admitted {
                commit.answers.push((request.answer, poisoned(reason)));
                break;
            }
            admitted = self.admit(&parts, &mut commit, request);
            let is_full =
                commit.bytes >= COMMIT_BYTES_GOAL || commit.answers.len() >= COMMIT_APPENDS_MAX;
            next = if is_full { None } else { requests.try_recv().ok() };
        }
        let Commit { bytes, heads, answers } = commit;
        let stored = match admitted.and_then(|()| self.write()) {
            Ok(stored) => stored,
            Err(reason) => {
                // Those before it may still become durable.
                let _ = self.syncs.until_done();
                for (sender, _) in answers {
                    // Whoever does not wait any more does not need the answer.
                    let _ = sender.send(poisoned(&reason));
                }
                return Err(reason);
            }
        };
        let written = Written {
            tail: Arc::clone(&self.tail),
            head: Head { sequence: Sequence(self.tree.size()), root: self.tree.root() },
            heads: Arc::new(heads),
            answers,
            bytes: stored,
        };
        self.tail_bytes += bytes as u64;
        self.commits = self.commits.saturating_add(1);
        let is_full = self.tail_bytes >= self.tail_bytes_max;
        let sent = requests.try_recv().ok();
        let synced = if is_full || sent.is_none() {
            self.syncs.sync_now(written)
        } else {
            self.syncs.sync_soon(written)
        };
        if let Err(reason) = synced {
            if let Some(Request { answer, .. }) = sent {
                // As above.
                let _ = answer.send(poisoned(&reason));
            }
            return Err(reason);
        }
        if is_full {
            self.change_tail();
        }
        self.keep_ahead();
        Ok(sent)
    }

    /// Goes on in an empty tail and has the full one sealed. Sealing slower than events come makes
    /// this wait, so that tails do not pile up; where there is no empty one to be had, the tail
    /// grows on.
    fn change_tail(&mut self) {
        let Ok(empty) = self.spares.recv_timeout(SPARE_WAIT_MAX) else {
            self.tail_bytes_max = self.tail_bytes.saturating_add(self.tail_bytes_max);
            return;
        };
        let full = std::mem::replace(&mut self.tail, empty);
        self.shared.add_tail(Arc::clone(&self.tail));
        (self.tail_bytes, self.segment, self.ahead) = (0, 0, None);
        // When the sealer is gone the tail stays, and is sealed after the next opening.
        let _ = self.full.send(Full { tail: full, end: self.tree.clone() });
    }

    /// Makes the next syncs cheaper. Without it, say because the disk is full, they are as they are.
    fn keep_ahead(&mut self) {
        if self.commits < BUSY_COMMITS {
            return;
        }
        let kept = match &mut self.ahead {
            Some(ahead) => ahead.keep(),
            none => Ahead::of(&self.tail.db()).map(|ahead| *none = Some(ahead)),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "the log's file could not be made longer in advance");
            (self.ahead, self.commits) = (None, 0);
        }
    }

    /// Adds a request to a commit, or the refusal that answers it. Fails when what is stored
    /// cannot be read.
    fn admit(
        &mut self,
        parts: &Parts,
        commit: &mut Commit,
        Request { appends, answer }: Request,
    ) -> Result<(), String> {
        let Self { packer, tree, syncs, .. } = self;
        let Commit { bytes, heads, answers } = commit;
        let last = Sequence(tree.size());
        let mut failed = Ok(());
        let head = |stream: &_| match heads.get(stream).copied().or_else(|| syncs.head_of(stream)) {
            Some(head) => Ok(head),
            None => parts
                .stream_head(stream)
                .map_err(|failure| AppendFailure::Poisoned { reason: failure.to_string() }),
        };
        let placed = appends.place(last, head, |sequence, stored: Stored<'_>| {
            *bytes += stored.size();
            if failed.is_ok() {
                failed = packer.push(sequence, stored, tree);
            }
        });
        let (answered, outcome) = match placed {
            Ok(placed) => {
                heads.extend(placed.heads);
                (Ok(placed.firsts), failed)
            }
            Err(AppendFailure::Poisoned { reason }) => (poisoned(&reason), Err(reason)),
            Err(refused) => (Err(refused), Ok(())),
        };
        answers.push((answer, answered));
        outcome
    }

    /// Hands the commit to the operating system; answers with how many bytes that were.
    fn write(&mut self) -> Result<usize, String> {
        let entries = self.packer.finish(&self.tree)?;
        let bytes = entries.iter().map(|(_, value)| value.len()).sum();
        if bytes > 0 {
            self.syncs.until(1, SYNC_BYTES_MAX.saturating_sub(bytes))?;
            self.tail.store.write(entries).map_err(|failure| failure.to_string())?;
        }
        Ok(bytes)
    }

    fn note_durable(&mut self) -> Result<(), String> {
        self.syncs.until_done()?;
        self.note(self.shared.head(), Print::default())
    }

    fn note(&mut self, head: Head, closed: Print) -> Result<(), String> {
        let note = Note { head, tail: self.tail.number, segment: self.segment, closed };
        self.head_file.note(note).map_err(|error| format!("the head was not noted: {error}"))
    }

    /// Notes the end of the log and of its file, so that a loss at either is noticed.
    fn close(&mut self) {
        if let Err(error) = ahead::cut_off(&self.tail.db()) {
            tracing::warn!(%error, "the log's file stays longer than what is in it");
        }
        let positions = Positions::read(&self.tail.db()).map_err(|error| error.to_string());
        let noted = positions.and_then(|positions| {
            // The positions that were found must be durable before they are noted.
            self.tail.store.sync().map_err(|failure| failure.to_string())?;
            self.segment = positions.highest;
            let closed = Print::of(self.tail.path()).map_err(|error| error.to_string())?;
            self.note(self.shared.head(), closed)
        });
        if let Err(reason) = noted {
            tracing::warn!(reason, "the log was closed without a note of its end");
        }
    }
}

fn poisoned(reason: &str) -> Answer {
    Err(AppendFailure::Poisoned { reason: reason.to_owned() })
}
