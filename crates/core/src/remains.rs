//! What a run's history says by itself, when its definition cannot be loaded or its history does not
//! replay: who asked, for what, and which locks it keeps from others.
//!
//! Nothing is decided about such a run but that a lock is taken from it, or it would keep others waiting
//! for as long as nobody can load it. The events about locks are the declarative language's; they are
//! read here by their types, so that no definition is needed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    answers::{Answers, answer_in, answered_by},
    command::{Action, Actor, Command},
    event::{Event, EventData, EventType, NewEvent, Sequence, TypedEvent, Version},
    id::{MemberId, ProjectId, RoleName, RunId},
    item::ItemName,
    lock::Claims,
    project::OWNER,
    refusal::{Refusal, RefusalCode},
    run::{DefinitionRef, Parent, RunAnswer, RunEvent},
    workflow::{DecideFailure, IllegalEvent, Moment},
};

const GRANTED: &str = "holdpoint.lock.granted";
const RELEASED: &str = "holdpoint.lock.released";
const BROKEN: &str = "holdpoint.lock.broken";
const ENDED: &str = "holdpoint.run.ended";

/// What is known of a run without its definition.
#[derive(Clone, Debug)]
pub struct Remains {
    /// The run.
    pub id: RunId,
    /// Its project.
    pub project: ProjectId,
    /// The definition that it is pinned to.
    pub definition: DefinitionRef,
    /// Who submitted it.
    pub requester: Actor,
    /// What its input gives as its title, if it gives one.
    pub title: Option<String>,
    /// The run that started it, if one did.
    pub parent: Option<Parent>,
    /// When it was submitted.
    pub started: Timestamp,
    /// When its last event was decided.
    pub updated: Timestamp,
    /// Where its last event stands.
    pub at: RunAnswer,
    /// How it ended, if it says so.
    pub outcome: Option<String>,
    held: BTreeMap<ItemName, Timestamp>,
    says_locks: bool,
    answers: Answers,
}

#[derive(Deserialize)]
struct Items {
    items: BTreeSet<ItemName>,
}

/// As the declarative language records it.
#[derive(Serialize, Deserialize)]
struct Broken {
    item: ItemName,
    member: MemberId,
    roles: BTreeSet<RoleName>,
    reason: String,
}

#[derive(Deserialize)]
struct Ended {
    outcome: String,
}

impl Remains {
    /// Reads the first event of a run's stream.
    ///
    /// # Errors
    /// When `event` does not begin a run.
    pub fn begin(event: &Event) -> Result<Self, IllegalEvent> {
        let illegal = |reason: &str| IllegalEvent::new(&event.kind, reason);
        let Ok(RunEvent::Started { workflow: name, version, input, parent, .. }) =
            RunEvent::from_parts(&event.kind, &event.data)
        else {
            return Err(illegal("a run begins with `holdpoint.run.started`"));
        };
        let (Some(id), Some(digest)) = (event.subject, event.definition) else {
            return Err(illegal("the first event of a run names the run and its definition"));
        };
        let title = input.get("title").and_then(|title| title.as_str()).map(str::to_owned);
        let mut remains = Self {
            id,
            project: event.source.clone(),
            definition: DefinitionRef { name, version, digest },
            requester: event.actor.clone(),
            title,
            parent,
            started: event.time,
            updated: event.time,
            at: RunAnswer { version: Version::ZERO, sequence: Sequence::ZERO },
            outcome: None,
            held: BTreeMap::new(),
            says_locks: false,
            answers: Answers::new(),
        };
        remains.moved_to(event);
        Ok(remains)
    }

    /// Adds an event, as far as it says something. What cannot be read says nothing.
    pub fn take(&mut self, event: &Event) {
        match event.kind.as_str() {
            GRANTED => {
                for item in event.data.read().map(|Items { items }| items).unwrap_or_default() {
                    self.held.entry(item).or_insert(event.time);
                }
                self.says_locks = true;
            }
            RELEASED => {
                for item in event.data.read().map(|Items { items }| items).unwrap_or_default() {
                    self.held.remove(&item);
                }
            }
            BROKEN => {
                if let Ok(Broken { item, .. }) = event.data.read() {
                    self.held.remove(&item);
                }
            }
            ENDED => {
                self.outcome = event.data.read().ok().map(|Ended { outcome }| outcome);
                self.held.clear();
            }
            _ => {
                if let Ok(RunEvent::Migrated { to, .. }) =
                    RunEvent::from_parts(&event.kind, &event.data)
                {
                    self.definition = to;
                }
            }
        }
        self.moved_to(event);
    }

    fn moved_to(&mut self, event: &Event) {
        self.at = RunAnswer { version: event.version, sequence: event.sequence };
        self.updated = event.time;
        if let Actor::Member(_) = event.actor {
            // What was asked twice is at worst answered anew.
            drop(answered_by(&mut self.answers, event));
        }
    }

    /// The locks that the run keeps; `None` where its history does not speak of locks, as that of a workflow in
    /// Rust may not.
    #[must_use]
    pub fn claims(&self) -> Option<Claims> {
        self.says_locks.then(|| Claims { held: self.held.clone(), ..Claims::default() })
    }

    /// The answer that `command` got before, if it was accepted before.
    ///
    /// # Errors
    /// A refusal when the id was used for something else.
    pub fn answer_to(&self, command: &Command) -> Result<Option<RunAnswer>, Refusal> {
        answer_in(&self.answers, command.id, || command.request())
    }

    /// Decides that a lock is taken from the run. Whom its definition allows that is not known, so only
    /// owners of the project may.
    ///
    /// # Errors
    /// A refusal, with what would be needed for a "yes"; also for every other command.
    pub fn decide(
        &self,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<NewEvent>, DecideFailure> {
        let (Action::BreakLock { item, reason }, Actor::Member(id)) =
            (&command.action, &command.actor)
        else {
            let message = "nothing is decided about a run that cannot be loaded";
            return Err(Refusal::new(RefusalCode::Unloadable, message).into());
        };
        let member = at.project.member(id)?;
        if !self.held.contains_key(item) {
            let message = format!("the run does not hold the lock on `{item}`");
            return Err(Refusal::new(RefusalCode::NotAwaited, message)
                .needs("`holdpoint locks` lists the locks that are held")
                .into());
        }
        if !member.has_role(OWNER) {
            let message = format!(
                "`{id}` may not break the lock on `{item}`: the run cannot be loaded, so nobody knows whom else \
                 its definition allows that"
            );
            return Err(Refusal::new(RefusalCode::NotEligible, message)
                .needs(format!("a member with the role {OWNER}"))
                .into());
        }
        let reason = reason.trim();
        if reason.is_empty() {
            let message = "a lock is broken with a reason";
            return Err(Refusal::new(RefusalCode::InvalidInput, message).into());
        }
        let broken = Broken {
            item: item.clone(),
            member: id.clone(),
            roles: member.roles.clone(),
            reason: reason.to_owned(),
        };
        let data =
            EventData::of(&broken).map_err(|error| IllegalEvent::new(BROKEN, error.to_string()))?;
        Ok(vec![NewEvent { kind: EventType::from_static(BROKEN), data }])
    }
}
