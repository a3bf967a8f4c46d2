//! The making of a data directory is recorded call by call, and cut off after every one: making it
//! again finishes it, or says that it is done and what is missing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

#[path = "../../crates/log-sled/tests/support/replay.rs"]
#[expect(dead_code, reason = "the tests of the log need more of it")]
mod replay;
#[path = "../../crates/log-sled/tests/support/shim.rs"]
mod shim;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use holdpoint::{DataDirectory, DirectoryFailure, keys::SigningKeyFailure};
use holdpoint_log::verify;
use replay::{Disk, Left, What};
use shim::Shim;

const DIRECTORY: &str = "HOLDPOINT_TEST_INIT_DIRECTORY";

/// The process that is recorded.
#[tokio::test]
async fn maker() {
    let Some(path) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    DataDirectory::init(path).await.unwrap();
}

#[tokio::test]
async fn cut_off_after_every_call_making_a_directory_is_done_again() {
    let directory = tempfile::tempdir().unwrap();
    let shim = match Shim::compile(directory.path()) {
        Ok(shim) => shim,
        Err(reason) => {
            println!("SKIPPED: calls cannot be recorded here: {reason}");
            return;
        }
    };
    let (root, trace) = (directory.path().join("recorded"), directory.path().join("record"));
    std::fs::create_dir(&root).unwrap();
    let trace_to = trace.to_str().unwrap().to_owned();
    let made = Command::new(env::current_exe().unwrap())
        .args(["maker", "--exact"])
        .env(DIRECTORY, root.join("data"))
        .envs(shim.environment(&root, &[("HOLDPOINT_SHIM_TRACE", trace_to)]))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let calls = replay::read(&trace, &root);
    let makes = |name: &str| {
        calls.iter().any(|call| matches!(call.what, What::Create) && call.path.ends_with(name))
    };
    assert!(makes("log/head") && makes("holdpoint.toml") && makes("checkpoint.key.new"));
    let mut disk = Disk::empty();
    for (n, call) in calls.iter().enumerate() {
        disk.apply(call);
        // Each part of the log's making is cut off in the tests of the log.
        if call.path.starts_with("data/log/tail") {
            continue;
        }
        for left in [Left::Everything, Left::Synced] {
            if Disk::changes(left, &call.what) {
                let cut = tempfile::tempdir().unwrap();
                disk.leave(left, cut.path());
                make_again(&cut.path().join("data"), &format!("call {n}, {left:?}")).await;
            }
        }
    }
}

/// Makes what a cut has left of a directory into a whole one.
async fn make_again(path: &Path, at: &str) {
    let directory = match DataDirectory::init(path).await {
        Ok(directory) => directory,
        Err(DirectoryFailure::AlreadyThere { .. }) => DataDirectory::open(path).unwrap(),
        Err(failure) => panic!("{at}: {failure}"),
    };
    let log = directory.log("test").await.unwrap();
    assert_eq!(verify(&*log).await.unwrap().events, 0, "{at}");
    drop(log);
    match directory.signing_key() {
        Ok(_) => {}
        // The directory was done but for its key; who makes one says so to those who check proofs.
        Err(failure @ SigningKeyFailure::NotThere { .. }) => {
            assert!(failure.help().contains("--new-key"), "{at}: {failure}");
            directory.new_signing_key("example.org/log".parse().unwrap()).unwrap();
        }
        Err(failure) => panic!("{at}: {failure}"),
    }
}
