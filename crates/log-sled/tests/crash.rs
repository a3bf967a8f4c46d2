//! A process that writes to a log is killed, again and again: what it was told is durable is
//! there afterwards, and the log is whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support {
    pub(crate) mod log;
    pub(crate) mod writer;
}

use std::{fs, path::Path};

use support::{
    log::{Acknowledged, SMALL_TAILS, check, count},
    writer::{Load, Writer, random, wait_up_to, write_until_killed},
};

/// How many kills there are.
const ROUNDS: &str = "HOLDPOINT_TEST_CRASH_ROUNDS";
const WRITERS: u64 = 4;

/// The process that is killed.
#[test]
fn writer() {
    write_until_killed();
}

/// Runs the writer and kills it: before it can do anything, at some moment, or when it said
/// something, so that no part of its life is left out on a machine that is faster or slower.
fn write_and_kill(path: &Path, round: usize, durable: &mut Acknowledged) {
    // sled's file is one of its segments in a small tail, and several in others.
    let tail_bytes_max = *[SMALL_TAILS, 10 * SMALL_TAILS].get(round / 4 % 2).unwrap();
    let writer = Writer::start(path, Load { writers: WRITERS, tail_bytes_max }, &[]);
    match round % 4 {
        // As a kill before anything, while opening, or just after.
        0 => writer.wait_for(round / 4 % 3),
        // While it opens the log and what is left to be sealed is sealed.
        1 => wait_up_to(100),
        2 => {
            writer.wait_for(2);
            wait_up_to(300);
        }
        _ => writer.wait_for(2 + usize::try_from(random(100)).unwrap()),
    }
    durable.extend(writer.kill());
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut durable = Acknowledged::new();
    let rounds = count(ROUNDS, 20);
    let mut sealed = 0;
    for round in 0..rounds {
        write_and_kill(&path, round, &mut durable);
        if let Err(loss) = check(&path, &durable).await {
            panic!("after kill {round}: {loss}");
        }
        if round % 50 == 49 || round + 1 == rounds {
            sealed += fs::read_dir(path.join("sealed")).unwrap().count();
            assert_eq!(durable.len() as u64, WRITERS);
            // Long logs only make the checks long.
            fs::remove_dir_all(&path).unwrap();
            durable.clear();
        }
    }
    assert!(sealed > 1, "nothing was sealed");
    println!("{rounds} kills, {sealed} segments, nothing lost");
}
