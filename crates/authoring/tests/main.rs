//! Reports, pictures and formatting through the public interface.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod format;
mod picture;
mod report;
