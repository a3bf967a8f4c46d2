//! The commands of one append, decided one after the other.

use std::sync::Arc;

use holdpoint_core::{
    Action, Actor, Authentication, Command, CommandId, Digest, Moment, Refusal, RefusalCode, Run,
    RunAnswer, StreamId,
    event::PendingEvent,
    run::Decided,
    workflow::{DecideFailure, DynWorkflow},
};

use crate::{
    engine::new_event_id,
    failure::CommandFailure,
    guard::guard,
    load::{Library, LiveRun},
    migrating,
    only_if::OnlyIf,
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
    pub only_if: Option<OnlyIf>,
    /// The digest of what a member asked.
    pub request: Option<Digest>,
    pub then: Then,
}

pub(crate) enum Then {
    Reply(CommandReply),
    Own(Step),
}

pub(crate) struct Batch {
    pub stream: StreamId,
    /// The run with the events of the batch.
    pub run: Run,
    pub events: Vec<PendingEvent>,
    pub accepted: Vec<Accepted>,
    /// The workflow that the run goes by then.
    pub workflow: Arc<dyn DynWorkflow>,
    bytes: usize,
    commands_max: usize,
}

impl Batch {
    /// A batch of one command when `alone`.
    pub(crate) fn new(live: &LiveRun, alone: bool) -> Self {
        let stream = StreamId { project: live.run.project().clone(), run: Some(live.run.id()) };
        Self {
            stream,
            run: live.run.clone(),
            events: Vec::new(),
            accepted: Vec::new(),
            workflow: Arc::clone(&live.workflow),
            bytes: 0,
            commands_max: if alone { 1 } else { COMMANDS_MAX },
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.accepted.len() >= self.commands_max
            || self.bytes >= BYTES_ENOUGH
            || self.events.len() >= EVENTS_ENOUGH
    }

    /// Whether the batch has a command with this id.
    pub(crate) fn has(&self, command: CommandId) -> bool {
        self.accepted.iter().any(|one| one.command.id == command)
    }

    /// Decides a command, and answers with the digest of what a member asked. What was to be so is
    /// asked of the run with the events of the batch.
    pub(crate) fn decide(
        &mut self,
        library: &Library,
        command: &Command,
        only_if: Option<&OnlyIf>,
        at: &Moment<'_>,
    ) -> Result<Option<Digest>, DecideFailure> {
        let (run, workflow, before) = (&self.run, &*self.workflow, Arc::clone(&self.workflow));
        let Decided { events, run } = if let Action::Migrate { to, .. } = &command.action {
            let (decided, to) = migrating::decide(library, run, workflow, to, command, at)?;
            self.workflow = to;
            decided
        } else {
            guard("decide", || run.decide(workflow, command, at))??
        };
        if let Some(only_if) = only_if {
            guard("what was to be so", || only_if(&self.run.view(&*before, at), &events))??;
        }
        let request = command.actor.member().map(|_| command.request());
        self.bytes += events.iter().map(|event| event.data.as_str().len()).sum::<usize>();
        self.events.extend(command.events(&self.stream, request, at.now, events, new_event_id));
        self.run = run;
        Ok(request)
    }

    /// Keeps a command that was decided, to be answered when the batch is durable.
    pub(crate) fn accept(
        &mut self,
        command: Box<Command>,
        only_if: Option<OnlyIf>,
        request: Option<Digest>,
        then: Then,
    ) {
        let end = self.events.len() as u64;
        self.accepted.push(Accepted { end, command, only_if, request, then });
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
