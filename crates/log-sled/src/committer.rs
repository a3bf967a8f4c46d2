//! The one thread that writes.
//!
//! Whatever was sent while the last commit was syncing is the next commit: many appends share
//! one sync when there are many, and none waits when there are few.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use holdpoint_core::event::{Sequence, StreamId};
use holdpoint_log::{
    Append, AppendFailure, Head, Record,
    merkle::MerkleTree,
    numbering::{self, StreamHead},
};
use tokio::sync::oneshot;

use crate::{
    block,
    directory::Directory,
    head::{HeadFile, Note},
    log::Shared,
    preflight::Segments,
};

/// How many bytes of events are gathered into a commit at most, unless one append has more.
const COMMIT_BYTES_GOAL: usize = 512 * 1024;
/// How many appends are gathered into a commit at most.
const COMMIT_APPENDS_MAX: usize = 4096;
/// How long nothing must have been sent before the head is noted.
const IDLE: Duration = Duration::from_millis(200);
/// How old the note of the head may become while appends keep coming.
const NOTE_AGE_MAX: Duration = Duration::from_secs(10);

type Answer = Result<Vec<Sequence>, AppendFailure>;

/// Appends that somebody waits for.
#[derive(Debug)]
pub(crate) struct Request {
    pub appends: Vec<Append>,
    pub answer: oneshot::Sender<Answer>,
}

/// A commit that is being gathered.
#[derive(Debug, Default)]
struct Commit {
    records: Vec<Record>,
    bytes: usize,
    /// Where the streams end that have events in the commit.
    heads: HashMap<StreamId, StreamHead>,
    /// The answers are given only when the commit is durable, the refusals too: they may rest on
    /// events that are in the commit.
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

/// What the thread owns.
#[derive(Debug)]
pub(crate) struct Committer {
    pub shared: Arc<Shared>,
    pub directory: Directory,
    pub tree: MerkleTree,
    pub head_file: HeadFile,
    /// The highest segment of sled's file at opening.
    pub segment: u64,
}

impl Committer {
    /// Works until every sender is gone, then notes how far the log has come.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        let mut poison = None;
        let mut unnoted_since = Instant::now();
        loop {
            let head = self.shared.head();
            let is_noted = self.head_file.noted().is_some_and(|noted| noted.head == head);
            let request = if is_noted || poison.is_some() {
                let request = requests.recv();
                unnoted_since = Instant::now();
                request.map_err(|_| RecvTimeoutError::Disconnected)
            } else if unnoted_since.elapsed() > NOTE_AGE_MAX {
                Err(RecvTimeoutError::Timeout)
            } else {
                requests.recv_timeout(IDLE)
            };
            let outcome = match request {
                Ok(request) => match &poison {
                    None => self.commit(request, requests),
                    Some(reason) => {
                        let reason = String::clone(reason);
                        // Whoever does not wait any more does not need the answer.
                        let _ = request.answer.send(Err(AppendFailure::Poisoned { reason }));
                        Ok(())
                    }
                },
                Err(RecvTimeoutError::Timeout) => self.note(head),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Err(reason) = outcome {
                tracing::error!(reason, "the log accepts nothing until it is reopened");
                poison = Some(reason);
            }
        }
        if poison.is_none() {
            self.close();
        }
    }

    /// Makes a commit of `first` and what has been sent since.
    fn commit(&mut self, first: Request, requests: &Receiver<Request>) -> Result<(), String> {
        let mut commit = Commit::default();
        let mut next = Some(first);
        while let Some(request) = next {
            self.admit(&mut commit, request);
            let is_full =
                commit.bytes >= COMMIT_BYTES_GOAL || commit.answers.len() >= COMMIT_APPENDS_MAX;
            next = if is_full { None } else { requests.try_recv().ok() };
        }
        let Commit { records, heads, answers, .. } = commit;
        let written = if records.is_empty() { Ok(()) } else { self.write(&records) };
        if written.is_ok() && !records.is_empty() {
            let sequence = Sequence(self.tree.size());
            self.shared.publish(Head { sequence, root: self.tree.root() }, heads);
        }
        for (sender, answer) in answers {
            let answer = match &written {
                Ok(()) => answer,
                Err(reason) => Err(AppendFailure::Poisoned { reason: reason.clone() }),
            };
            // Whoever does not wait any more does not need the answer.
            let _ = sender.send(answer);
        }
        written
    }

    fn admit(&self, commit: &mut Commit, Request { appends, answer }: Request) {
        let last = self.shared.head().sequence.plus(commit.records.len() as u64);
        let head = |stream: &StreamId| {
            let head = commit.heads.get(stream).copied();
            head.unwrap_or_else(|| self.shared.stream_head(stream))
        };
        let numbered = match numbering::number(&appends, last, head) {
            Ok(numbered) => numbered,
            Err(failure) => return commit.answers.push((answer, Err(failure))),
        };
        commit.bytes += numbered.records.iter().map(|record| record.bytes.len()).sum::<usize>();
        commit.records.extend(numbered.records);
        commit.heads.extend(numbered.heads);
        commit.answers.push((answer, Ok(numbered.firsts)));
    }

    fn write(&mut self, records: &[Record]) -> Result<(), String> {
        let entries = block::pack(records, &mut self.tree)?;
        self.shared.store.write(entries).map_err(|failure| failure.to_string())
    }

    fn note(&mut self, head: Head) -> Result<(), String> {
        let note = Note { head, segment: self.segment };
        self.head_file.note(note).map_err(|error| format!("the head was not noted: {error}"))
    }

    /// Notes the end of the log and of its file, so that a loss at either is noticed.
    fn close(&mut self) {
        let segments = Segments::read(&self.directory.db()).map_err(|error| error.to_string());
        let noted = segments.and_then(|segments| {
            // The segments that were found must be durable before they are noted.
            self.shared.store.sync().map_err(|failure| failure.to_string())?;
            self.segment = segments.highest;
            self.note(self.shared.head())
        });
        if let Err(reason) = noted {
            tracing::warn!(reason, "the log was closed without a note of its end");
        }
    }
}
