//! Finds out when something hangs: a test that never ends would say nothing.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

/// What each thread is at, and until when.
static UNDER_WAY: LazyLock<Mutex<HashMap<ThreadId, (Instant, String)>>> = LazyLock::new(|| {
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_secs(1));
            let under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, text)) = under_way.values().find(|(until, _)| *until < Instant::now()) {
                eprintln!("this has not come to an end in its time:\n{text}");
                std::process::abort();
            }
        }
    });
    Mutex::default()
});

/// While it lives, its thread is watched.
pub(crate) struct Watched(());

/// Ends the process, with the text, when it takes more than twice as long as it may.
pub(crate) fn over(text: &str, at_most: Duration) -> Watched {
    let until = Instant::now() + 2 * at_most;
    let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    under_way.insert(thread::current().id(), (until, text.to_owned()));
    Watched(())
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&thread::current().id());
    }
}
