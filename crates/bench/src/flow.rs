//! Flows: runs that are submitted, approved by two members and done, through an engine in the same
//! process.

use std::time::Duration;

use holdpoint::{DataDirectory, core::RunId, log::Record};
use serde_json::{Value, json};

use crate::{
    BenchFailure, Figures, Place, Raw, Writer,
    append::USER,
    at_once,
    project::{APPROVERS, Project},
    raw::{TURNS, in_turn},
};

/// The smallest definition with two approvals.
pub(crate) const DEFINITION: &str = include_str!("flow.yaml");

/// So much text that a submission has about 300 bytes of input.
const REASON: &str = "The certificates of the front end run out on Sunday. They are replaced on one \
                      machine first, which is watched for an hour; the others follow. If handshakes \
                      fail, the old ones are put back, which takes a minute.";

/// What is submitted; no two are the same.
pub(crate) fn input() -> Value {
    json!({ "title": format!("Change {:08x}", fastrand::u32(..)), "reason": REASON })
}

/// Who takes one run after the other from its submission to its end, a command at a time.
pub(crate) struct Flow {
    project: Project,
    /// The run that is under way, and how many have approved it.
    run: Option<(RunId, usize)>,
}

impl Flow {
    pub(crate) fn many(project: &Project, runs: u32) -> Vec<Self> {
        (0..runs).map(|_| Self { project: project.clone(), run: None }).collect()
    }
}

impl Writer for Flow {
    async fn write(&mut self) -> Result<(), BenchFailure> {
        let (run, approvals) = match self.run {
            None => (self.project.submit(input()).await?, 0),
            Some((run, approvals)) => {
                let approver = APPROVERS.get(approvals).copied().unwrap_or_default();
                self.project.approve(run, approver).await?;
                (run, approvals + 1)
            }
        };
        self.run = (approvals < APPROVERS.len()).then_some((run, approvals));
        Ok(())
    }
}

/// The history of a run that has come to its end.
pub(crate) async fn approved(project: &Project, input: Value) -> Result<Vec<Record>, BenchFailure> {
    let run = project.submit(input).await?;
    for member in APPROVERS {
        project.approve(run, member).await?;
    }
    project.history(run).await
}

/// Has so many runs under way at once, for as long as `span`. The limit is a plain file that takes
/// batches of what one command of each adds to the log.
///
/// # Errors
/// See [`BenchFailure`].
pub async fn flow(place: &Place, runs: u32, span: Duration) -> Result<Figures, BenchFailure> {
    let room = place.room("flow")?;
    let directory = DataDirectory::init(room.join("data")).await?;
    let engine = directory.engine(USER).await?.start().await?;
    let project = Project::create(engine, DEFINITION).await?;
    let whole: usize = approved(&project, input()).await?.iter().map(|r| r.bytes.len()).sum();
    let bytes = whole / (1 + APPROVERS.len());
    let (flows, _) = at_once(Flow::many(&project, runs), span / TURNS).await?;
    let raw = Raw::new(&room, runs.into(), bytes);
    let (ours, limit) = in_turn(flows, &raw, span).await?;
    project.engine.shutdown().await;
    Ok(Figures { event_bytes: Some(bytes as u64), ..Figures::against("flow", runs, &ours, &limit) })
}
