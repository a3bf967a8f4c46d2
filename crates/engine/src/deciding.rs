//! The commands of one append, decided one after the other.

use holdpoint_core::{
    Action, Actor, Authentication, Command, CommandId, Digest, Moment, Refusal, RefusalCode, Run,
    RunAnswer, Sequence, StreamId,
    event::{NewEvent, PendingEvent},
    workflow::DecideFailure,
};
use jiff::Timestamp;

use crate::{
    engine::new_event_id,
    failure::CommandFailure,
    guard::guard,
    load::LiveRun,
    slot::{Begin, CommandReply, Step},
};

/// How many commands of one run go into one append.
const COMMANDS_MAX: usize = 128;

/// A batch with so much data, or so many events, takes no further command: what would be accepted
/// alone must not be refused for what it was put together with. Far below what logs refuse, so
/// that the last command still fits.
const BYTES_ENOUGH: usize = 1024 * 1024;
const EVENTS_ENOUGH: usize = 1000;

/// What was accepted into an append, to be answered when it is durable.
pub(crate) struct Accepted {
    /// How many events of the append precede the end of this command's.
    pub end: u64,
    /// Kept to be tried alone when the append as a whole is not acceptable.
    pub command: Box<Command>,
    pub then: Then,
}

pub(crate) enum Then {
    Reply(CommandReply),
    Own(Step),
}

pub(crate) struct Batch {
    pub stream: StreamId,
    /// The run with the events of the batch.
    pub live: LiveRun,
    pub events: Vec<PendingEvent>,
    pub accepted: Vec<Accepted>,
    bytes: usize,
    commands_max: usize,
}

impl Batch {
    /// A batch of one command when `alone`.
    pub(crate) fn new(stream: StreamId, live: LiveRun, alone: bool) -> Self {
        let commands_max = if alone { 1 } else { COMMANDS_MAX };
        Self { stream, live, events: Vec::new(), accepted: Vec::new(), bytes: 0, commands_max }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.accepted.len() >= self.commands_max
            || self.bytes >= BYTES_ENOUGH
            || self.events.len() >= EVENTS_ENOUGH
    }

    /// Decides a command. After [`DecideFailure::Broken`] the run of the batch may have been
    /// changed in part, so nothing more is to be decided on it.
    pub(crate) fn decide(
        &mut self,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<(), DecideFailure> {
        let LiveRun { run, workflow, .. } = &self.live;
        let decided = guard("decide", || run.decide(&**workflow, command, at))??;
        let request = command.actor.member().map(|_| command.request());
        let added = pending(&self.stream, command, request, at.now, decided);
        for event in &added {
            // Where the events will stand in the whole log is known only when they are there;
            // nothing that a decision looks at depends on it.
            let version = self.live.run.at().version.next();
            let placed = event.clone().into_event(Sequence::ZERO, version, Sequence::ZERO);
            self.live.evolve(&placed)?;
        }
        self.bytes += added.iter().map(|event| event.data.as_str().len()).sum::<usize>();
        self.events.extend(added);
        Ok(())
    }
}

/// The answer to a submission whose run exists: the first one's, if it is the same request.
pub(crate) fn answer_again(run: &Run, begin: &Begin) -> Result<RunAnswer, CommandFailure> {
    match run.answer_to_submission(&begin.request) {
        Ok(answer) if run.project() == &begin.project => Ok(answer),
        _ => Err(Refusal::new(
            RefusalCode::CommandIdReused,
            format!("the command id {} was used before, for another submission", begin.command.id),
        )
        .needs("make a new id for a new submission")
        .into()),
    }
}

pub(crate) fn own_command(action: Action) -> Command {
    Command {
        id: CommandId::from_uuid(uuid::Uuid::now_v7()),
        actor: Actor::Engine,
        auth: Authentication::engine(),
        trace: None,
        action,
    }
}

pub(crate) fn pending(
    stream: &StreamId,
    command: &Command,
    mut request: Option<Digest>,
    time: Timestamp,
    decided: Vec<NewEvent>,
) -> Vec<PendingEvent> {
    let event = |NewEvent { kind, data }: NewEvent| PendingEvent {
        id: new_event_id(),
        source: stream.project.clone(),
        subject: stream.run,
        kind,
        time,
        actor: command.actor.clone(),
        auth: command.auth.clone(),
        cause: command.id,
        request: request.take(),
        trace: command.trace.clone(),
        definition: None,
        data,
    };
    decided.into_iter().map(event).collect()
}
