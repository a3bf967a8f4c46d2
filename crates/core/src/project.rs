//! A project: whose history it is. Its members with their roles and qualifications, its
//! configuration items, and the definitions that its runs may be started with.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    answers::{Answers, answer_in, answered_by},
    authority,
    baseline::{BaselineRef, Baselines, PublishedBaseline, Withdrawn},
    calendars::{Calendars, ReadCalendar},
    command::{Actor, Authentication, request_of},
    event::{Event, Sequence, TypedEvent, Version},
    evidence::NewEvidence,
    id::{
        BaselineName, CalendarName, CommandId, DefinitionName, Digest, Digesting, MemberId,
        ProjectId, QualificationName, RoleName, RunId,
    },
    item::{ItemName, Items, ItemsChange, NamedItem},
    lockdown::{Lockdown, LockdownScope, Lockdowns, Seen},
    publishing::{self, ReleaseRule},
    refusal::{Refusal, RefusalCode},
    run::{DefinitionRef, RunAnswer},
    substitute::{NewSubstitution, Substitutions},
    workflow::IllegalEvent,
};

mod event;

pub use event::ProjectEvent;

/// The role that may change a project. Its creator holds it first.
pub const OWNER: &str = "owner";

/// A member of a project.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Member {
    /// The name to show; the member's id where none was given.
    pub name: String,
    /// The roles held now.
    pub roles: BTreeSet<RoleName>,
    /// The qualifications recorded, valid or not.
    pub qualifications: Vec<Qualification>,
}

impl Member {
    /// Whether the member is qualified in `domain` at `now`.
    #[must_use]
    pub fn is_qualified(&self, domain: &str, now: Timestamp) -> bool {
        self.qualifications.iter().any(|held| held.domain.as_str() == domain && held.is_valid(now))
    }

    /// Whether the member holds `role`.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held.as_str() == role)
    }
}

/// What somebody attests that a member can do, for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qualification {
    /// The domain, such as `network`.
    pub domain: QualificationName,
    /// Who attests it, such as a school or a certificate.
    pub issuer: String,
    /// The first moment at which it holds; always, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The first moment at which it no longer holds; never, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What shows it, such as a certificate: a file by its digest, or a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<NewEvidence>,
}

impl Qualification {
    /// Whether it holds at `now`: from `from` on, and before `until`.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// A published definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishedDefinition {
    /// Its name, version and digest.
    #[serde(flatten)]
    pub reference: DefinitionRef,
    /// The language of its source.
    pub language: String,
    /// The run that has released it, where the project asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<RunId>,
    /// What it is about, in a line.
    pub title: String,
    /// Its source, byte for byte as published.
    #[serde(skip)]
    pub source: String,
}

/// A request to change a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectCommand {
    /// The same id twice gets the same answer once.
    pub id: CommandId,
    /// Who asks.
    pub actor: Actor,
    /// How the actor was authenticated.
    pub auth: Authentication,
    /// The W3C traceparent of the request.
    pub trace: Option<String>,
    /// What is asked.
    pub action: ProjectAction,
}

impl ProjectCommand {
    /// The digest of what is asked, see [`request_of`].
    #[must_use]
    pub fn request(&self) -> Digest {
        request_of(&self.actor, &self.action)
    }
}

/// What a project command asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ProjectAction {
    /// Create the project; the actor becomes its first member and owner.
    Create {
        /// What the project is about, in a line.
        title: String,
    },
    /// Add a member.
    AddMember {
        /// Who.
        member: MemberId,
        /// The name to show; the id when `None`.
        name: Option<String>,
        /// The roles to begin with.
        roles: Vec<RoleName>,
    },
    /// Remove a member.
    RemoveMember {
        /// Who.
        member: MemberId,
    },
    /// Give a member a role.
    GrantRole {
        /// Who.
        member: MemberId,
        /// Which.
        role: RoleName,
    },
    /// Take a role from a member.
    RevokeRole {
        /// Who.
        member: MemberId,
        /// Which.
        role: RoleName,
    },
    /// Record a qualification.
    Qualify {
        /// Whose.
        member: MemberId,
        /// What.
        qualification: Qualification,
    },
    /// Revoke a member's qualifications in a domain.
    Disqualify {
        /// Whose.
        member: MemberId,
        /// In which domain.
        domain: QualificationName,
        /// Why.
        reason: Option<String>,
    },
    /// Publish a definition. Whether `source` is one is checked by the loader before.
    Publish {
        /// The definition's name.
        name: DefinitionName,
        /// Its version.
        version: u32,
        /// The language of its source.
        language: String,
        /// What it is about, in a line.
        title: String,
        /// Its source.
        source: String,
        /// The run that has released it, where the project asks for one. Whether it has is checked by
        /// the engine before.
        #[serde(skip_serializing_if = "Option::is_none")]
        release: Option<RunId>,
    },
    /// Settle what is asked of definitions that are published.
    GovernPublishing {
        /// Which runs release them; nothing is asked, when `None`.
        rule: Option<ReleaseRule>,
        /// Why.
        reason: String,
    },
    /// Publish a baseline, also in place of the one that is in force. Whether `source` is one, and says
    /// this of itself, is checked by the [`BaselineReader`](crate::BaselineReader) before. Besides owners,
    /// members with the role [`BASELINE`](crate::baseline::BASELINE) may.
    PublishBaseline {
        /// The baseline's name.
        baseline: BaselineName,
        /// What it is about, in a line.
        title: String,
        /// Its source.
        source: String,
        /// Why.
        reason: String,
    },
    /// Let no baseline be in force. The same members may.
    WithdrawBaseline {
        /// Why.
        reason: String,
    },
    /// Set configuration items, and remove others.
    ChangeItems {
        /// Those that are to be as said; the others stay as they are.
        set: Vec<NamedItem>,
        /// Those that are to be no more.
        remove: Vec<ItemName>,
    },
    /// Publish a calendar, also in place of the one of its name. Whether `source` is one, and says
    /// this of itself, is checked by the [`CalendarReader`](crate::CalendarReader) before.
    PublishCalendar {
        /// The calendar's name.
        calendar: CalendarName,
        /// The digest of what it says.
        digest: Digest,
        /// What people call it.
        title: Option<String>,
        /// Its source.
        source: String,
    },
    /// Take a calendar away.
    RetireCalendar {
        /// Which.
        calendar: CalendarName,
        /// Why.
        reason: String,
    },
    /// Hold back all that would start in a scope. Besides owners, members with the role
    /// [`LOCKDOWN`](crate::lockdown::LOCKDOWN) may.
    ImposeLockdown {
        /// Which runs.
        scope: LockdownScope,
        /// Why.
        reason: String,
    },
    /// Let go on what a lockdown holds. The same members may.
    ReleaseLockdown {
        /// Its number.
        lockdown: u32,
        /// Why.
        reason: String,
    },
    /// Let somebody vote in the place of another member for a time. Besides owners, that member may.
    NameSubstitute(NewSubstitution),
    /// Let them no longer. Besides owners, both members may.
    WithdrawSubstitute {
        /// Its number.
        substitution: u32,
        /// Why.
        reason: Option<String>,
    },
}

/// A project: the sum of its stream's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    id: ProjectId,
    title: String,
    created: Timestamp,
    updated: Timestamp,
    at: RunAnswer,
    answers: Answers,
    members: BTreeMap<MemberId, Member>,
    definitions: BTreeMap<DefinitionName, BTreeMap<u32, PublishedDefinition>>,
    items: Items,
    /// Of all that has changed the items, one after the other.
    inventory: Digest,
    /// Of all that has changed who is qualified, one after the other.
    qualifications: Digest,
    calendars: Calendars,
    lockdowns: Lockdowns,
    substitutions: Substitutions,
    releases: Option<ReleaseRule>,
    baselines: Baselines,
}

impl Project {
    /// Decides a command against the project, or against its absence. No events mean "yes, and there
    /// was nothing to do".
    ///
    /// Ask [`Project::answer_to`] first whether the command was answered before.
    ///
    /// # Errors
    /// A refusal, with what would be needed for a "yes".
    pub fn decide(
        project: Option<&Self>,
        id: &ProjectId,
        command: &ProjectCommand,
    ) -> Result<Vec<ProjectEvent>, Refusal> {
        let Some(member) = command.actor.member() else {
            return Err(Refusal::new(RefusalCode::NotMember, "the engine changes no project"));
        };
        match (project, &command.action) {
            (None, ProjectAction::Create { title }) => Ok(vec![
                ProjectEvent::Created { title: title.clone() },
                ProjectEvent::MemberAdded { member: member.clone(), name: member.to_string() },
                ProjectEvent::RoleGranted {
                    member: member.clone(),
                    role: authority::owner_role()?,
                },
            ]),
            (None, _) => {
                Err(Refusal::new(RefusalCode::NotFound, format!("there is no project `{id}`"))
                    .needs(format!("create it: `holdpoint project create {id}`")))
            }
            (Some(_), ProjectAction::Create { .. }) => Err(Refusal::new(
                RefusalCode::AlreadyExists,
                format!("there is a project `{id}` already"),
            )),
            (Some(project), action) => {
                project.authorize(member, action)?;
                project.decide_change(action)
            }
        }
    }

    fn decide_change(&self, action: &ProjectAction) -> Result<Vec<ProjectEvent>, Refusal> {
        match action {
            ProjectAction::Create { .. } => Ok(Vec::new()),
            ProjectAction::AddMember { member, name, roles } => {
                if self.members.contains_key(member) {
                    return Err(Refusal::new(
                        RefusalCode::AlreadyExists,
                        format!("`{member}` is a member already"),
                    )
                    .needs(format!(
                        "to give them another role: `holdpoint project role grant {member} ROLE`"
                    )));
                }
                let name = name.clone().unwrap_or_else(|| member.to_string());
                let mut events = vec![ProjectEvent::MemberAdded { member: member.clone(), name }];
                let roles: BTreeSet<_> = roles.iter().cloned().collect();
                events.extend(
                    roles
                        .into_iter()
                        .map(|role| ProjectEvent::RoleGranted { member: member.clone(), role }),
                );
                Ok(events)
            }
            ProjectAction::RemoveMember { member } => {
                self.member(member)?;
                self.keeps_an_owner_without(member)?;
                Ok(vec![ProjectEvent::MemberRemoved { member: member.clone() }])
            }
            ProjectAction::GrantRole { member, role } => {
                if self.member(member)?.roles.contains(role) {
                    return Err(Refusal::new(
                        RefusalCode::AlreadyExists,
                        format!("`{member}` holds the role `{role}` already"),
                    ));
                }
                let (member, role) = (member.clone(), role.clone());
                Ok(vec![ProjectEvent::RoleGranted { member, role }])
            }
            ProjectAction::RevokeRole { member, role } => {
                if !self.member(member)?.roles.contains(role) {
                    return Err(Refusal::new(
                        RefusalCode::NotFound,
                        format!("`{member}` does not hold the role `{role}`"),
                    ));
                }
                if role.as_str() == OWNER {
                    self.keeps_an_owner_without(member)?;
                }
                let (member, role) = (member.clone(), role.clone());
                Ok(vec![ProjectEvent::RoleRevoked { member, role }])
            }
            ProjectAction::Qualify { member, qualification } => {
                self.member(member)?;
                if let (Some(from), Some(until)) = (qualification.from, qualification.until)
                    && until <= from
                {
                    return Err(Refusal::new(
                        RefusalCode::InvalidInput,
                        format!("the qualification would end ({until}) before it begins ({from})"),
                    )
                    .needs("let `until` be later than `from`, or leave one of them out"));
                }
                qualification.evidence.as_ref().map_or(Ok(()), NewEvidence::check)?;
                Ok(vec![ProjectEvent::QualificationRecorded {
                    member: member.clone(),
                    qualification: qualification.clone(),
                }])
            }
            ProjectAction::Disqualify { member, domain, reason } => {
                if !self.member(member)?.qualifications.iter().any(|held| held.domain == *domain) {
                    return Err(Refusal::new(
                        RefusalCode::NotFound,
                        format!("`{member}` has no qualification in `{domain}`"),
                    ));
                }
                let (member, domain, reason) = (member.clone(), domain.clone(), reason.clone());
                Ok(vec![ProjectEvent::QualificationRevoked { member, domain, reason }])
            }
            ProjectAction::PublishCalendar { calendar, digest, title, source } => {
                Ok(vec![self.calendars.publish(calendar, *digest, title.as_deref(), source)?])
            }
            ProjectAction::RetireCalendar { calendar, reason } => {
                Ok(vec![self.calendars.retire(calendar, reason)?])
            }
            ProjectAction::ImposeLockdown { scope, reason } => {
                for name in scope.definitions.iter().chain(&scope.except) {
                    self.definition(name, None)?;
                }
                Ok(vec![self.lockdowns.impose(scope, reason)?])
            }
            ProjectAction::ReleaseLockdown { lockdown, reason } => {
                Ok(vec![self.lockdowns.release(*lockdown, reason)?])
            }
            ProjectAction::NameSubstitute(asked) => {
                let member = self.member(&asked.member)?;
                self.member(&asked.substitute)?;
                Ok(vec![self.substitutions.name(asked, &member.roles)?])
            }
            ProjectAction::WithdrawSubstitute { substitution, reason } => {
                Ok(vec![self.substitutions.withdraw(*substitution, reason.as_deref())?])
            }
            ProjectAction::GovernPublishing { rule, reason } => {
                if let Some(rule) = rule {
                    self.definition(&rule.definition, None)?;
                }
                Ok(vec![publishing::govern(self.releases.as_ref(), rule.as_ref(), reason)?])
            }
            ProjectAction::Publish { name, version, language, title, source, release } => {
                let digest = Digest::of(source.as_bytes());
                let existing = self.definitions.get(name).and_then(|all| all.get(version));
                if let Some(existing) = existing {
                    let same = existing.reference.digest == digest;
                    return Err(Refusal::new(
                        RefusalCode::AlreadyExists,
                        format!(
                            "version {version} of `{name}` is published already, {}",
                            if same { "with the same text" } else { "with another text" }
                        ),
                    )
                    .needs(if same {
                        "nothing is to be done: runs can be submitted to it".to_owned()
                    } else {
                        format!(
                            "a published version never changes: give the new text a higher \
                             `version`, for example {}",
                            version.saturating_add(1)
                        )
                    }));
                }
                if let Some(rule) = &self.releases {
                    rule.named(*release)?;
                }
                Ok(vec![ProjectEvent::DefinitionPublished {
                    name: name.clone(),
                    version: *version,
                    digest,
                    language: language.clone(),
                    title: title.clone(),
                    source: source.clone(),
                    release: *release,
                }])
            }
            ProjectAction::PublishBaseline { baseline, title, source, reason } => {
                Ok(vec![self.baselines.publish(baseline, title, source, reason)?])
            }
            ProjectAction::WithdrawBaseline { reason } => {
                Ok(vec![self.baselines.withdraw(reason)?])
            }
            ProjectAction::ChangeItems { set, remove } => {
                let pieces = self.items.decide(set, remove)?;
                let event =
                    |ItemsChange { set, removed }| ProjectEvent::ItemsChanged { set, removed };
                Ok(pieces.into_iter().map(event).collect())
            }
        }
    }

    /// Reads the first event of a project's stream.
    ///
    /// # Errors
    /// When `event` is not the first event of a project.
    pub fn begin(event: &Event) -> Result<Self, IllegalEvent> {
        let Ok(ProjectEvent::Created { title }) =
            ProjectEvent::from_parts(&event.kind, &event.data)
        else {
            return Err(IllegalEvent::new(
                &event.kind,
                "a project begins with `holdpoint.project.created`",
            ));
        };
        let mut project = Self {
            id: event.source.clone(),
            title,
            created: event.time,
            updated: event.time,
            at: RunAnswer { version: Version::ZERO, sequence: Sequence::ZERO },
            answers: BTreeMap::new(),
            members: BTreeMap::new(),
            definitions: BTreeMap::new(),
            items: Items::default(),
            inventory: Digest::of(b""),
            qualifications: Digest::of(b""),
            calendars: Calendars::default(),
            lockdowns: Lockdowns::default(),
            substitutions: Substitutions::default(),
            releases: None,
            baselines: Baselines::default(),
        };
        project.moved_to(event)?;
        Ok(project)
    }

    /// Adds an event to the project.
    ///
    /// # Errors
    /// When the event is not the next of this project's stream, or cannot follow in its state. The
    /// project is then of no further use: it may have been changed in part.
    pub fn evolve(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        let illegal = |reason: String| IllegalEvent::new(&event.kind, reason);
        let typed = ProjectEvent::from_parts(&event.kind, &event.data)
            .map_err(|error| IllegalEvent::unread(&event.kind, &error))?;
        let absent = |member: &MemberId| illegal(format!("`{member}` is not a member"));
        match typed {
            ProjectEvent::Created { .. } => {
                return Err(illegal("the project has been created before".to_owned()));
            }
            ProjectEvent::MemberAdded { member, name } => {
                let Entry::Vacant(place) = self.members.entry(member) else {
                    return Err(illegal("the member has been added before".to_owned()));
                };
                place.insert(Member { name, ..Member::default() });
            }
            ProjectEvent::MemberRemoved { member } => {
                self.members.remove(&member).ok_or_else(|| absent(&member))?;
                self.substitutions.forget(&member);
                self.qualifications = chained(self.qualifications, event);
            }
            ProjectEvent::RoleGranted { member, role } => {
                let held = self.members.get_mut(&member).ok_or_else(|| absent(&member))?;
                if !held.roles.insert(role) {
                    return Err(illegal(format!("`{member}` holds the role already")));
                }
            }
            ProjectEvent::RoleRevoked { member, role } => {
                let held = self.members.get_mut(&member).ok_or_else(|| absent(&member))?;
                if !held.roles.remove(&role) {
                    return Err(illegal(format!("`{member}` does not hold the role `{role}`")));
                }
            }
            ProjectEvent::QualificationRecorded { member, qualification } => {
                let held = self.members.get_mut(&member).ok_or_else(|| absent(&member))?;
                held.qualifications.push(qualification);
                self.qualifications = chained(self.qualifications, event);
            }
            ProjectEvent::QualificationRevoked { member, domain, .. } => {
                let held = self.members.get_mut(&member).ok_or_else(|| absent(&member))?;
                let before = held.qualifications.len();
                held.qualifications.retain(|qualification| qualification.domain != domain);
                if held.qualifications.len() == before {
                    return Err(illegal(format!("`{member}` has no qualification in `{domain}`")));
                }
                self.qualifications = chained(self.qualifications, event);
            }
            ProjectEvent::DefinitionPublished {
                name,
                version,
                digest,
                language,
                title,
                source,
                release,
            } => {
                if Digest::of(source.as_bytes()) != digest {
                    return Err(illegal("the definition's digest is not its source's".to_owned()));
                }
                let reference = DefinitionRef { name: name.clone(), version, digest };
                let Entry::Vacant(place) = self.definitions.entry(name).or_default().entry(version)
                else {
                    return Err(illegal("the version has been published before".to_owned()));
                };
                place.insert(PublishedDefinition { reference, language, release, title, source });
            }
            ProjectEvent::ItemsChanged { set, removed } => {
                self.items.change(ItemsChange { set, removed }).map_err(illegal)?;
                self.inventory = chained(self.inventory, event);
            }
            ProjectEvent::CalendarPublished { calendar, revision, digest, title, source } => {
                let read = ReadCalendar { calendar, digest, title };
                self.calendars.put(read, revision, source, event.time).map_err(illegal)?;
            }
            ProjectEvent::CalendarRetired { calendar, .. } => {
                self.calendars.remove(calendar).map_err(illegal)?;
            }
            ProjectEvent::PublishingGoverned { rule, .. } => self.releases = rule,
            ProjectEvent::BaselinePublished {
                baseline: name,
                revision,
                digest,
                title,
                source,
                reason,
            } => {
                let reference = BaselineRef { name, revision, digest };
                let whence = (event.actor.clone(), event.time);
                self.baselines.put(reference, title, source, reason, whence).map_err(illegal)?;
            }
            ProjectEvent::BaselineWithdrawn { revision, reason, .. } => {
                let withdrawn = Withdrawn { by: event.actor.clone(), at: event.time, reason };
                self.baselines.remove(revision, withdrawn).map_err(illegal)?;
            }
            ProjectEvent::LockdownImposed { lockdown, scope, reason } => {
                let (by, since) = (event.actor.clone(), event.time);
                let one = Lockdown { lockdown, scope, reason, by, since };
                self.lockdowns.put(one).map_err(illegal)?;
            }
            ProjectEvent::LockdownReleased { lockdown, .. } => {
                self.lockdowns.remove(lockdown).map_err(illegal)?;
            }
            ProjectEvent::SubstituteNamed(one) => {
                for member in [&one.member, &one.substitute] {
                    self.members.get(member).ok_or_else(|| absent(member))?;
                }
                self.substitutions.put(one).map_err(illegal)?;
            }
            ProjectEvent::SubstituteWithdrawn { substitution, .. } => {
                self.substitutions.remove(substitution).map_err(illegal)?;
            }
        }
        self.moved_to(event)
    }

    fn moved_to(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        let next = self.at.version.next();
        if event.source != self.id || event.subject.is_some() || event.version != next {
            return Err(IllegalEvent::new(
                &event.kind,
                format!(
                    "expected version {next} of stream {}, found version {} of stream {}",
                    self.id,
                    event.version,
                    event.stream()
                ),
            ));
        }
        self.at = RunAnswer { version: event.version, sequence: event.sequence };
        self.updated = event.time;
        answered_by(&mut self.answers, event)
    }

    /// The answer that `command` got before, if it was accepted before.
    ///
    /// # Errors
    /// A refusal when the id was used for something else.
    pub fn answer_to(&self, command: &ProjectCommand) -> Result<Option<RunAnswer>, Refusal> {
        answer_in(&self.answers, command.id, || command.request())
    }

    /// The project's name.
    #[must_use]
    pub const fn id(&self) -> &ProjectId {
        &self.id
    }

    /// What the project is about, in a line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// When it was created.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// When its last event was decided.
    #[must_use]
    pub const fn updated(&self) -> Timestamp {
        self.updated
    }

    /// Where its last event stands.
    #[must_use]
    pub const fn at(&self) -> RunAnswer {
        self.at
    }

    /// All members, by name.
    #[must_use]
    pub const fn members(&self) -> &BTreeMap<MemberId, Member> {
        &self.members
    }

    /// A member.
    ///
    /// # Errors
    /// A refusal when there is no such member.
    pub fn member(&self, id: &MemberId) -> Result<&Member, Refusal> {
        self.members.get(id).ok_or_else(|| {
            Refusal::new(
                RefusalCode::NotMember,
                format!("`{id}` is not a member of the project `{}`", self.id),
            )
        })
    }

    /// The configuration items.
    #[must_use]
    pub const fn items(&self) -> &Items {
        &self.items
    }

    /// The calendars that are published.
    #[must_use]
    pub const fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// Which runs release the definitions that are published; nothing is asked, when `None`.
    #[must_use]
    pub const fn releases(&self) -> Option<&ReleaseRule> {
        self.releases.as_ref()
    }

    /// All baselines that were published.
    #[must_use]
    pub const fn baselines(&self) -> &Baselines {
        &self.baselines
    }

    /// The baseline that is in force.
    #[must_use]
    pub fn baseline(&self) -> Option<&PublishedBaseline> {
        self.baselines.in_force()
    }

    /// The lockdowns that are in force.
    #[must_use]
    pub const fn lockdowns(&self) -> &Lockdowns {
        &self.lockdowns
    }

    /// Who may vote in whose place.
    #[must_use]
    pub const fn substitutions(&self) -> &Substitutions {
        &self.substitutions
    }

    /// Whether something that a run goes by is no longer as it was seen.
    #[must_use]
    pub fn differs(&self, seen: &Seen) -> bool {
        self.calendars.differ(&seen.calendars)
            || self.lockdowns.lifted(&seen.lockdowns)
            || seen.inventory.iter().any(|inventory| *inventory != self.inventory)
            || seen.qualifications.iter().any(|seen| *seen != self.qualifications)
    }

    /// Names the inventory as it is now: another change of the items, or the same in another order,
    /// makes another digest.
    #[must_use]
    pub const fn inventory(&self) -> Digest {
        self.inventory
    }

    /// Names what members are qualified in as it is now: it is another after every change of that, and
    /// after a member was removed.
    #[must_use]
    pub const fn qualifications(&self) -> Digest {
        self.qualifications
    }

    /// All published definitions, by name and version.
    pub fn definitions(&self) -> impl Iterator<Item = &PublishedDefinition> {
        self.definitions.values().flat_map(BTreeMap::values)
    }

    /// A published definition: the given version, or the highest.
    ///
    /// # Errors
    /// A refusal when there is none, naming those there are.
    pub fn definition(
        &self,
        name: &DefinitionName,
        version: Option<u32>,
    ) -> Result<&PublishedDefinition, Refusal> {
        let found = self.definitions.get(name).and_then(|versions| match version {
            Some(version) => versions.get(&version),
            None => versions.last_key_value().map(|(_, newest)| newest),
        });
        found.ok_or_else(|| {
            let wanted = version.map(|version| format!(" {version}")).unwrap_or_default();
            let there: Vec<_> = self
                .definitions()
                .map(|one| format!("{} {}", one.reference.name, one.reference.version))
                .collect();
            Refusal::new(
                RefusalCode::NotFound,
                format!("no definition `{name}`{wanted} is published in the project `{}`", self.id),
            )
            .needs(if there.is_empty() {
                "publish one: `holdpoint definitions publish FILE`".to_owned()
            } else {
                format!("published are: {}", there.join(", "))
            })
        })
    }

    /// The published definition with this digest, if there is one.
    #[must_use]
    pub fn definition_by_digest(&self, digest: &Digest) -> Option<&PublishedDefinition> {
        self.definitions().find(|one| one.reference.digest == *digest)
    }
}

/// Names what an event has made of what had this name before.
fn chained(before: Digest, event: &Event) -> Digest {
    let mut then = Digesting::default();
    then.add(before.as_bytes());
    then.add(event.data.as_str().as_bytes());
    then.finish()
}
