//! The files of evidence that people rely on when they release what a run is held for: whether they still
//! are what was attached.
//!
//! A digest in the log says what a file was. Whether what lies on the disk still is that, only reading it says; so
//! it is read before a person's command that could release a hold is decided, and by nothing that is replayed.

use std::{collections::BTreeMap, sync::Arc};

use holdpoint_core::{Action, Digest, Refusal, RefusalCode, Vote};

/// Where the files of evidence are kept.
pub trait EvidenceFiles: Send + Sync {
    /// Checks that a file is there, unchanged. It may wait for the disk.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    fn check(&self, digest: &Digest) -> Result<(), String>;
}

/// Of the evidence that open holds demand, what must be as it was before `action` is decided.
pub(crate) fn relied_on(
    action: &Action,
    mut shown: BTreeMap<String, Digest>,
) -> BTreeMap<String, Digest> {
    match action {
        // It mends what is damaged: the same bytes anew.
        Action::Attach { name, evidence, .. } => match shown.remove(name) {
            Some(before) if before == evidence.digest => BTreeMap::new(),
            _ => shown,
        },
        _ => shown,
    }
}

/// Whether a person lets a hold be released by this, relying on what was attached. A waiver does not: an
/// emergency does not wait for a file.
pub(crate) const fn may_release(action: &Action) -> bool {
    match action {
        Action::Vote { vote, .. } => matches!(vote, Vote::Approve),
        Action::Withdraw { .. }
        | Action::Overrule { .. }
        | Action::Recount { .. }
        | Action::Override { .. }
        | Action::Attach { .. }
        | Action::Done { .. }
        | Action::Amend { .. }
        | Action::AcceptConflict { .. }
        | Action::Signal { .. } => true,
        Action::Start
        | Action::Object { .. }
        | Action::Recheck { .. }
        | Action::OverrideRequirement { .. }
        | Action::WithdrawOverride { .. }
        | Action::Discharge { .. }
        | Action::Reopen { .. }
        | Action::Waive { .. }
        | Action::Comment { .. }
        | Action::Steer { .. }
        | Action::Settle { .. }
        | Action::Migrate { .. }
        | Action::Cancel { .. }
        | Action::BreakLock { .. }
        | Action::Completed { .. }
        | Action::Failed { .. }
        | Action::NotBegun { .. }
        | Action::LocksGranted { .. }
        | Action::ConflictsFound { .. }
        | Action::ConflictsLooked { .. }
        | Action::TimerFired { .. }
        | Action::Stop { .. }
        | Action::ChildStarted { .. }
        | Action::ChildRefused { .. }
        | Action::ChildEnded { .. }
        | Action::AttemptQueued { .. }
        | Action::AttemptNotBegun { .. }
        | Action::AttemptStarted { .. }
        | Action::AttemptEnded { .. }
        | Action::AttemptSettled { .. } => false,
    }
}

/// Checks all of it, elsewhere than where others would wait for it.
pub(crate) async fn check(
    files: Arc<dyn EvidenceFiles>,
    shown: BTreeMap<String, Digest>,
) -> Result<(), Refusal> {
    let looked = tokio::task::spawn_blocking(move || {
        for (name, digest) in &shown {
            files.check(digest).map_err(|why| (name.clone(), why))?;
        }
        Ok(())
    });
    let damaged = match looked.await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(damaged)) => damaged,
        Err(failure) => (String::new(), failure.to_string()),
    };
    let (name, why) = damaged;
    Err(Refusal::new(
        RefusalCode::EvidenceDamaged,
        format!("the evidence `{name}`, which the hold demands, is not what was attached: {why}"),
    )
    .needs(format!("attach the same file again: `holdpoint attach RUN {name} FILE`"))
    .needs("or copy it from a backup's `evidence`: `holdpoint verify` says which are damaged"))
}
