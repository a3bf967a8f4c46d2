//! A definition's own code, called so that a panic in it holds one run and not its whole shard.

use std::panic::{AssertUnwindSafe, catch_unwind};

use holdpoint_core::IllegalEvent;

/// Calls a definition's code. What it has changed before a panic must not be used any more.
pub(crate) fn guard<T>(what: &str, call: impl FnOnce() -> T) -> Result<T, IllegalEvent> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("it said nothing");
        IllegalEvent::new(what, format!("BUG: the definition's code panicked: {said}"))
    })
}
