//! That the comparison compares like with like: what a store has acknowledged it has.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]

use std::{path::Path, sync::Arc, time::Duration};

use holdpoint_bench::at_once;
use holdpoint_benches::{Fjall, GroupCommit, Redb, Sqlite, Store, compare};

/// What was acknowledged is there when the store is opened again.
async fn keeps<S: Store>(directory: &Path) {
    let events: Arc<[Vec<u8>]> = (0..7_u8).map(|n| vec![n; 300]).collect();
    let mut acknowledged = 0;
    for _ in 0..2 {
        let store = GroupCommit::<S>::open(directory).unwrap();
        let (writers, measured) =
            at_once(store.writers(&events, 5), Duration::from_millis(20)).await.unwrap();
        assert_eq!(writers.len(), 5, "{}", S::NAME);
        acknowledged += measured.count;
        drop(writers);
        assert_eq!(store.close().unwrap().count().unwrap(), acknowledged, "{}", S::NAME);
    }
}

#[tokio::test]
async fn every_store_keeps_what_it_has_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    keeps::<Redb>(directory.path()).await;
    keeps::<Sqlite>(directory.path()).await;
    keeps::<Fjall>(directory.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_store_is_compared() {
    let directory = tempfile::tempdir().unwrap();
    let compared = compare(directory.path(), 3, Duration::from_millis(80)).await.unwrap();
    let names: Vec<_> = compared.iter().map(|one| one.name).collect();
    assert_eq!(names, ["plain file", "Holdpoint", "redb", "SQLite", "fjall"]);
    for one in &compared {
        assert!(one.measured.count >= 8 * 3, "{}: each writer had each turn", one.name);
    }
}
