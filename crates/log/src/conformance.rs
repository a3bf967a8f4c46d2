//! The suite that every back end must pass: what [`EventLog`] promises, as tests.
//!
//! A back end writes a [`Fixture`] and calls [`conformance_tests!`](crate::conformance_tests)
//! with it; each promise becomes a test of its own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests, although of other crates"
)]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use holdpoint_core::{
    command::{Actor, Authentication},
    event::{EventData, EventType, PendingEvent, Sequence, StreamId, Version},
};
use tokio::task::JoinSet;

use crate::{
    Append, AppendFailure, EventLog, Record,
    merkle::MerkleTree,
    numbering::{APPEND_EVENTS_MAX, EVENT_BYTES_MAX},
    verify,
};

/// Makes each promise of [`EventLog`] a test on what `$fixture`, an expression, evaluates to.
/// The calling crate needs tokio with its macros and its multi-threaded runtime.
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:expr) => {
        $crate::conformance_tests!(@each $fixture;
            an_empty_log_is_empty
            events_are_numbered_without_gaps
            a_conflict_leaves_nothing
            what_is_not_acceptable_leaves_nothing
            several_streams_are_appended_all_or_none
            concurrent_appends_are_all_kept
            one_of_many_rivals_wins
            reads_keep_their_bounds
            a_subscription_never_goes_back
            large_events_are_kept
            large_appends_are_kept
            bytes_are_kept_verbatim
            what_was_acknowledged_is_there_after_reopening
        );
    };
    (@each $fixture:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::conformance::$promise(&$fixture).await;
            }
        )*
    };
}

/// Where a back end keeps one log.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens the log: an empty one at first. It is called again only after every handle that it
    /// gave has been dropped, and then opens the same log.
    async fn open(&self) -> Arc<dyn EventLog>;
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The stream of the run numbered `run` in the project `conformance`.
#[must_use]
pub fn stream(run: u64) -> StreamId {
    let run = format!("01900000-0000-7000-8000-{run:012x}").parse().unwrap();
    StreamId { project: "conformance".parse().unwrap(), run: Some(run) }
}

/// An event of `stream` whose data is `text`, with an id of its own.
#[must_use]
pub fn event(stream: &StreamId, text: &str) -> PendingEvent {
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    PendingEvent {
        id: format!("01900000-0000-7000-9000-{id:012x}").parse().unwrap(),
        source: stream.project.clone(),
        subject: stream.run,
        kind: EventType::from_static("conformance.event"),
        time: "2026-01-01T00:00:00Z".parse().unwrap(),
        actor: Actor::Engine,
        auth: Authentication::engine(),
        cause: "01900000-0000-7000-a000-000000000001".parse().unwrap(),
        request: None,
        trace: None,
        definition: None,
        data: EventData::of(&text).unwrap(),
    }
}

/// An append of `count` small events to the run numbered `run`.
#[must_use]
pub fn append(run: u64, expected: u64, count: usize) -> Append {
    let stream = stream(run);
    let events = (0..count).map(|n| event(&stream, &format!("{run}/{n}"))).collect();
    Append { stream, expected: Version(expected), events }
}

/// A text of `length` characters that does not compress well.
#[must_use]
pub fn noise(length: usize, seed: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed | 1;
    let next = || {
        // Marsaglia's xorshift: the same text on every machine, without a library.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[usize::try_from(state % 64).unwrap()])
    };
    std::iter::repeat_with(next).take(length).collect()
}

async fn all(log: &dyn EventLog) -> Vec<Record> {
    log.read(Sequence::ZERO, usize::MAX).await.unwrap()
}

/// Checks the whole log, and that it has `events` events.
async fn assert_whole(log: &dyn EventLog, events: u64) {
    let verified = verify(log).await.unwrap();
    let head = log.head().await.unwrap();
    let mut tree = MerkleTree::new();
    all(log).await.iter().for_each(|record| tree.push(&record.bytes));
    assert_eq!((verified.events, head.sequence), (events, Sequence(events)));
    assert_eq!((verified.root, head.root), (tree.root(), tree.root()));
    assert_eq!(*log.subscribe().borrow(), head.sequence);
}

/// An empty log has no events, in no stream, and the root of the empty tree.
pub async fn an_empty_log_is_empty(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    assert_eq!(all(&*log).await, []);
    assert_eq!(log.read_stream(&stream(1), Version::ZERO, 10).await.unwrap(), []);
    assert_eq!(log.head().await.unwrap().root, MerkleTree::new().root());
    assert_whole(&*log, 0).await;
}

/// Sequences have no gaps over all streams, versions none in each, and each event names the one
/// before it in its stream.
pub async fn events_are_numbered_without_gaps(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    assert_eq!(log.append(vec![append(1, 0, 2)]).await.unwrap(), [Sequence(1)]);
    assert_eq!(log.append(vec![append(2, 0, 1)]).await.unwrap(), [Sequence(3)]);
    let both = vec![append(2, 1, 2), append(1, 2, 1)];
    assert_eq!(log.append(both).await.unwrap(), [Sequence(4), Sequence(6)]);
    let project = StreamId { run: None, ..stream(1) };
    let events = vec![event(&project, "of the project")];
    let append = Append { stream: project.clone(), expected: Version::ZERO, events };
    assert_eq!(log.append(vec![append]).await.unwrap(), [Sequence(7)]);

    let events = all(&*log).await.into_iter().map(|record| record.event().unwrap());
    let places: Vec<_> =
        events.map(|e| (e.stream(), e.sequence.0, e.version.0, e.previous.0)).collect();
    assert_eq!(
        places,
        [
            (stream(1), 1, 1, 0),
            (stream(1), 2, 2, 1),
            (stream(2), 3, 1, 0),
            (stream(2), 4, 2, 3),
            (stream(2), 5, 3, 4),
            (stream(1), 6, 3, 2),
            (project, 7, 1, 0),
        ]
    );
    assert_whole(&*log, 7).await;
}

/// An append that expects another version than the stream has is refused, says which version it
/// has, and leaves nothing.
pub async fn a_conflict_leaves_nothing(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    log.append(vec![append(1, 0, 2)]).await.unwrap();
    for (run, expected, actual) in [(1, 0, 2), (1, 1, 2), (1, 3, 2), (2, 1, 0)] {
        let failure = log.append(vec![append(run, expected, 1)]).await.unwrap_err();
        assert_eq!(
            failure,
            AppendFailure::Conflict {
                stream: stream(run),
                expected: Version(expected),
                actual: Version(actual),
            }
        );
    }
    assert_whole(&*log, 2).await;
    log.append(vec![append(1, 2, 1)]).await.unwrap();
    assert_whole(&*log, 3).await;
}

/// Appends that are empty, name a stream twice, have an event of another stream or are too large
/// are refused and leave nothing.
pub async fn what_is_not_acceptable_leaves_nothing(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let huge = "x".repeat(EVENT_BYTES_MAX);
    let large = "x".repeat(EVENT_BYTES_MAX - 1000);
    let one = |events| Append { stream: stream(1), expected: Version::ZERO, events };
    for (too_large, appends) in [
        (false, vec![]),
        (false, vec![append(1, 0, 0)]),
        (false, vec![append(2, 0, 1), append(1, 0, 0)]),
        (false, vec![append(1, 0, 1), append(1, 1, 1)]),
        (false, vec![one(vec![event(&stream(1), "mine"), event(&stream(2), "not mine")])]),
        (true, vec![one(vec![event(&stream(1), &huge)])]),
        (true, vec![append(1, 0, APPEND_EVENTS_MAX + 1)]),
        (true, vec![one((0..20).map(|_| event(&stream(1), &large)).collect())]),
    ] {
        let failure = log.append(appends).await.unwrap_err();
        let is_so = match failure {
            AppendFailure::TooLarge { .. } => too_large,
            AppendFailure::Unacceptable { .. } => !too_large,
            _ => false,
        };
        assert!(is_so, "{failure}");
        assert_whole(&*log, 0).await;
    }
    log.append(vec![append(1, 0, 1)]).await.unwrap();
    assert_whole(&*log, 1).await;
}

/// When one stream of an append is refused, the others get nothing either.
pub async fn several_streams_are_appended_all_or_none(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    log.append(vec![append(3, 0, 1)]).await.unwrap();
    let failure =
        log.append(vec![append(1, 0, 2), append(2, 0, 2), append(3, 0, 1)]).await.unwrap_err();
    assert!(matches!(failure, AppendFailure::Conflict { .. }), "{failure}");
    assert_whole(&*log, 1).await;
    log.append(vec![append(1, 0, 2), append(2, 0, 2), append(3, 1, 1)]).await.unwrap();
    assert_whole(&*log, 6).await;
}

/// Many tasks append at once, each to a stream of its own: every event is kept, where its
/// append was told that it is.
pub async fn concurrent_appends_are_all_kept(fixture: &dyn Fixture) {
    const TASKS: u64 = 16;
    const APPENDS: u64 = 8;
    let log = fixture.open().await;
    let mut tasks = JoinSet::new();
    for run in 0..TASKS {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            let mut firsts = Vec::new();
            for n in 0..APPENDS {
                let answer = log.append(vec![append(run, n * 2, 2)]).await.unwrap();
                // What is acknowledged can be read at once.
                let records = log.read(Sequence(answer[0].0 - 1), 2).await.unwrap();
                assert!(records.iter().all(|r| r.event().unwrap().stream() == stream(run)));
                firsts.extend(answer);
            }
            assert!(firsts.is_sorted());
            firsts
        });
    }
    let firsts: BTreeSet<Sequence> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(firsts.len() as u64, TASKS * APPENDS);
    assert!(firsts.iter().all(|first| first.0 % 2 == 1));
    assert_whole(&*log, TASKS * APPENDS * 2).await;
    for run in 0..TASKS {
        let records = log.read_stream(&stream(run), Version::ZERO, usize::MAX).await.unwrap();
        assert_eq!(records.len() as u64, APPENDS * 2);
    }
}

/// Of many appends that expect the same version at the same time one is accepted.
pub async fn one_of_many_rivals_wins(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let mut tasks = JoinSet::new();
    for rival in 0..12 {
        let log = Arc::clone(&log);
        tasks.spawn(
            async move { log.append(vec![append(1, 0, 1), append(100 + rival, 0, 1)]).await },
        );
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    let conflict =
        AppendFailure::Conflict { stream: stream(1), expected: Version::ZERO, actual: Version(1) };
    assert!(answers.into_iter().filter_map(Result::err).all(|failure| failure == conflict));
    assert_whole(&*log, 2).await;
}

/// `after` is exclusive, `limit` is kept, and beyond the end there is nothing.
pub async fn reads_keep_their_bounds(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    for n in 0..10 {
        log.append(vec![append(1, n * 3, 3), append(2, n, 1)]).await.unwrap();
    }
    let whole = all(&*log).await;
    assert_eq!(whole.len(), 40);
    let mine: Vec<Record> =
        whole.iter().filter(|r| r.event().unwrap().stream() == stream(1)).cloned().collect();
    for after in [0, 1, 2, 3, 17, 29, 30, 31, 39, 40, 41, u64::MAX] {
        for limit in [0, 1, 2, 5, 30, 40, usize::MAX] {
            let after_index = usize::try_from(after).unwrap();
            let expect = |of: &[Record]| -> Vec<Record> {
                of.iter().skip(after_index).take(limit).cloned().collect()
            };
            assert_eq!(log.read(Sequence(after), limit).await.unwrap(), expect(&whole));
            let records = log.read_stream(&stream(1), Version(after), limit).await.unwrap();
            assert_eq!(records, expect(&mine), "after {after}, {limit}");
        }
    }
}

/// A subscription tells positions that only grow, comes to the last, and never tells one that
/// cannot be read yet.
pub async fn a_subscription_never_goes_back(fixture: &dyn Fixture) {
    const EVENTS: u64 = 60;
    let log = fixture.open().await;
    let mut told = log.subscribe();
    assert_eq!(*told.borrow(), Sequence::ZERO);
    let mut tasks = JoinSet::new();
    let follower = Arc::clone(&log);
    tasks.spawn(async move {
        let mut at = Sequence::ZERO;
        while at < Sequence(EVENTS) {
            told.changed().await.unwrap();
            let now = *told.borrow_and_update();
            assert!(now > at, "{now} after {at}");
            let records = follower.read(at, usize::MAX).await.unwrap();
            assert!(records.last().unwrap().sequence >= now);
            at = now;
        }
    });
    for run in 0..3 {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            for n in 0..EVENTS / 3 {
                log.append(vec![append(run, n, 1)]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// Events of every size up to the largest are kept, compressible or not.
pub async fn large_events_are_kept(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let sizes = [1_000, 4_000, 4_096, 10_000, 16_384, 70_000, 131_072, 300_000];
    let mut texts: Vec<String> = sizes.iter().map(|size| noise(*size, *size as u64)).collect();
    texts.extend(sizes.iter().map(|size| "a".repeat(*size)));
    // 1,000 bytes are more than what an event has beside its data.
    texts.push(noise(EVENT_BYTES_MAX - 1000, 7));
    for (n, text) in (0..).zip(&texts) {
        let events = vec![event(&stream(1), text)];
        let append = Append { stream: stream(1), expected: Version(n), events };
        log.append(vec![append]).await.unwrap();
    }
    let records = log.read_stream(&stream(1), Version::ZERO, usize::MAX).await.unwrap();
    let read: Vec<String> =
        records.iter().map(|record| record.event().unwrap().data.read().unwrap()).collect();
    assert!(read == texts);
    assert_whole(&*log, texts.len() as u64).await;
}

/// An append of many megabytes is kept, and those beside it.
pub async fn large_appends_are_kept(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let large = |run: u64| Append {
        stream: stream(run),
        expected: Version::ZERO,
        events: (0..40).map(|n| event(&stream(run), &noise(30_000, run * 100 + n + 1))).collect(),
    };
    let (many, one, other) = tokio::join!(
        log.append(vec![large(1), large(2)]),
        log.append(vec![append(3, 0, 1)]),
        log.append(vec![append(4, 0, 2_000)]),
    );
    many.unwrap();
    one.unwrap();
    other.unwrap();
    assert_whole(&*log, 2_081).await;
}

/// What is read is byte for byte what the event says at its place.
pub async fn bytes_are_kept_verbatim(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let stream = stream(1);
    let texts = ["", "\u{0}\"\\/\u{7f}", "grüße 🏗", "{\"a\": [1, 2.50, 1e2]}"];
    let events: Vec<_> = texts.iter().map(|text| event(&stream, text)).collect();
    let append = Append { stream: stream.clone(), expected: Version::ZERO, events: events.clone() };
    log.append(vec![append]).await.unwrap();
    let expected = (1..).zip(&events).map(|(n, event)| Record {
        sequence: Sequence(n),
        bytes: event.to_bytes(Sequence(n), Version(n), Sequence(n - 1)).unwrap().into(),
    });
    let expected: Vec<Record> = expected.collect();
    assert_eq!(all(&*log).await, expected);
    assert_eq!(log.read_stream(&stream, Version::ZERO, 9).await.unwrap(), expected);
}

/// Closed and opened again, the log is the same, and goes on where it was.
pub async fn what_was_acknowledged_is_there_after_reopening(fixture: &dyn Fixture) {
    let mut history = Vec::new();
    for round in 0..4 {
        let log = fixture.open().await;
        assert_eq!(all(&*log).await, history);
        let appends = vec![append(1, round * 2, 2), append(10 + round, 0, 3)];
        assert_eq!(log.append(appends).await.unwrap()[0], Sequence(round * 5 + 1));
        let conflict = log.append(vec![append(1, round * 2, 1)]).await.unwrap_err();
        assert!(matches!(conflict, AppendFailure::Conflict { .. }), "{conflict}");
        assert_whole(&*log, (round + 1) * 5).await;
        history = all(&*log).await;
    }
}
