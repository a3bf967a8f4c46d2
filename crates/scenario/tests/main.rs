//! Scenarios through the public interface: what can be said, what is found, how it comes out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod approvals;
mod baselines;
mod common;
mod coverage;
mod docs;
mod explore;
mod findings;
mod items;
mod lockdown;
mod play;
mod properties;
mod settling;
mod shipped;
mod substitutes;
