//! A project that is driven as an engine would, with its history.

use holdpoint_core::{
    Actor, Authentication, CommandId, Event, EventId, MemberId, PendingEvent, Project,
    ProjectAction, ProjectCommand, ProjectId, Refusal, RoleName, Sequence, Version,
    event::TypedEvent, testing::uuid,
};
use jiff::{SignedDuration, Timestamp};

pub(crate) fn member(name: &str) -> MemberId {
    name.parse().unwrap()
}

pub(crate) fn role(name: &str) -> RoleName {
    name.parse().unwrap()
}

pub(crate) struct Office {
    pub(crate) now: Timestamp,
    pub(crate) history: Vec<Event>,
    pub(crate) made: Option<Project>,
    ids: u128,
}

impl Default for Office {
    fn default() -> Self {
        let now = "2026-01-05T09:00:00Z".parse().unwrap();
        Self { now, history: Vec::new(), made: None, ids: 0 }
    }
}

impl Office {
    /// The project `lab`, which ada has created.
    pub(crate) fn created() -> Self {
        let mut office = Self::default();
        office.accept("ada", ProjectAction::Create { title: "A laboratory".to_owned() });
        office
    }

    #[track_caller]
    pub(crate) fn project(&self) -> &Project {
        self.made.as_ref().unwrap()
    }

    pub(crate) fn command(&mut self, actor: &str, action: ProjectAction) -> ProjectCommand {
        self.ids += 1;
        ProjectCommand {
            id: CommandId::from_uuid(uuid(self.ids)),
            actor: match actor {
                "engine" => Actor::Engine,
                name => Actor::Member(member(name)),
            },
            auth: Authentication::new("test"),
            trace: None,
            action,
        }
    }

    /// Sends a command, and answers with the types of its events.
    pub(crate) fn send(&mut self, command: &ProjectCommand) -> Result<Vec<String>, Refusal> {
        let id: ProjectId = "lab".parse().unwrap();
        if let Some(project) = &self.made
            && project.answer_to(command)?.is_some()
        {
            return Ok(Vec::new());
        }
        let decided = Project::decide(self.made.as_ref(), &id, command)?;
        assert!(!decided.is_empty(), "an accepted command has at least one event");
        self.now += SignedDuration::from_secs(1);
        let mut types = Vec::new();
        let mut request = Some(command.request());
        for event in decided {
            let new = event.to_new_event().unwrap();
            types.push(new.kind.as_str().to_owned());
            let at = self.history.len() as u64 + 1;
            let event = PendingEvent {
                id: EventId::from_uuid(uuid(u128::from(at) + 1_000_000)),
                source: id.clone(),
                subject: None,
                kind: new.kind,
                time: self.now,
                actor: command.actor.clone(),
                auth: command.auth.clone(),
                cause: command.id,
                request: request.take(),
                trace: None,
                definition: None,
                data: new.data,
            };
            let bytes = event.to_bytes(Sequence(at), Version(at), Sequence(at - 1)).unwrap();
            let event = Event::from_bytes(&bytes).unwrap();
            match &mut self.made {
                Some(project) => project.evolve(&event).unwrap(),
                None => self.made = Some(Project::begin(&event).unwrap()),
            }
            self.history.push(event);
        }
        assert_eq!(self.replay(self.history.len()), *self.project(), "replay differs");
        Ok(types)
    }

    /// The project after the first `count` events (at least one).
    pub(crate) fn replay(&self, count: usize) -> Project {
        let (first, rest) = self.history[..count].split_first().unwrap();
        let mut project = Project::begin(first).unwrap();
        for event in rest {
            project.evolve(event).unwrap();
        }
        project
    }

    #[track_caller]
    pub(crate) fn accept(&mut self, actor: &str, action: ProjectAction) -> Vec<String> {
        let command = self.command(actor, action);
        self.send(&command).unwrap()
    }
}
