//! The answers to the accepted commands of a stream, so that the same command gets the same answer
//! once.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    id::{CommandId, Digest},
    refusal::{Refusal, RefusalCode},
    run::RunAnswer,
    workflow::IllegalEvent,
};

/// An accepted command: what was asked, and the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    request: Digest,
    answer: RunAnswer,
}

/// The accepted commands of a stream.
pub(crate) type Answers = BTreeMap<CommandId, Answered>;

/// Adds an event of a member's command to the answers.
pub(crate) fn answered_by(answers: &mut Answers, event: &Event) -> Result<(), IllegalEvent> {
    let answer = RunAnswer { version: event.version, sequence: event.sequence };
    match (answers.entry(event.cause), event.request) {
        (Entry::Occupied(mut answered), None) => answered.get_mut().answer = answer,
        (Entry::Vacant(place), Some(request)) => {
            place.insert(Answered { request, answer });
        }
        (Entry::Occupied(_), Some(_)) => {
            return Err(IllegalEvent::new(&event.kind, "its command was answered before"));
        }
        (Entry::Vacant(_), None) => {
            let reason = "the first event of a member's command says what was asked";
            return Err(IllegalEvent::new(&event.kind, reason));
        }
    }
    Ok(())
}

/// Adds an accepted command to the answers.
pub(crate) fn answered(
    answers: &mut Answers,
    command: CommandId,
    request: Digest,
    answer: RunAnswer,
) {
    answers.insert(command, Answered { request, answer });
}

/// The answer that `command` got before. An id says nothing of who uses it, nor of what is asked:
/// nobody is given the answer to something else.
pub(crate) fn answer_in(
    answers: &Answers,
    command: CommandId,
    request: impl FnOnce() -> Digest,
) -> Result<Option<RunAnswer>, Refusal> {
    match answers.get(&command) {
        None => Ok(None),
        Some(answered) if answered.request == request() => Ok(Some(answered.answer)),
        Some(_) => Err(Refusal::new(
            RefusalCode::CommandIdReused,
            format!("the command id {command} was used before, for something else"),
        )
        .needs("make a new id for a new command")),
    }
}
