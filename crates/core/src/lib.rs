//! The pure core of Holdpoint.
//!
//! Everything here is a function of its arguments: nothing reads a clock, draws a random number,
//! does I/O or logs. Time, identity and ids come in as values and are recorded in events, so that
//! a history replays to the same state wherever and whenever it is read.
//!
//! | module | subject |
//! |---|---|
//! | [`id`] | ids and names, made only by parsing or by the shell |
//! | [`event`] | the event as it is stored, and the positions it carries |
//! | [`command`] | requests to change a run, and the [`Refusal`] that answers "no" |
//! | [`workflow`] | [`Workflow`], the trait behind which every kind of definition stands |
//! | [`evidence`] | what a run is shown, known by its digest |
//! | [`effect`] | what a run's state asks of the outside world, and its retry policy |
//! | [`item`], [`selector`] | configuration items: labels, groups, dependencies, and selecting them |
//! | [`lock`] | locks on items: who holds them, who waits, and who is given what |
//! | [`run`] | one execution of a definition: idempotency, attempts, timers, replay |
//! | [`remains`] | what a run's history says without its definition |
//! | [`settlement`] | how it is settled what became of an attempt whose end nobody knows |
//! | [`project`] | members, roles, qualifications and published definitions |
//! | [`plan`] | what a run would do at which targets |
//! | [`calendars`] | the calendars that a project publishes |
//! | [`conflict`] | runs that touch the same or related items at overlapping times |
//! | [`migration`] | going on by another version of a definition |
//! | [`lockdown`] | what holds back all that would start in a scope |
//! | [`substitute`] | who may vote in the place of another, and for how long |
//! | [`baseline`] | the baselines that a project keeps |
//! | [`publishing`] | what a project asks of definitions that are published |
//! | [`refusal`] | the answer "no", with what a "yes" would take |
//! | [`next_step`] | what a person can do next about a run |
//! | [`view`] | what a run looks like to a person: holds, candidates, progress |

#![forbid(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this crate is pure: `clippy.toml` lists what that keeps it from"
)]

mod answers;
mod authority;
pub mod baseline;
pub mod calendars;
pub mod command;
pub mod conflict;
pub mod effect;
pub mod event;
pub mod evidence;
pub mod id;
pub mod item;
pub mod lock;
pub mod lockdown;
pub mod migration;
pub mod newer_work;
pub mod next_step;
pub mod plan;
pub mod project;
pub mod publishing;
pub mod refusal;
pub mod remains;
pub mod run;
pub mod selector;
pub mod settlement;
mod steerable;
pub mod substitute;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod view;
pub mod workflow;

pub use baseline::{
    BaselineReader, BaselineRef, Judged, PublishedBaseline, ReadBaseline, Shortfall,
};
pub use calendars::{CalendarReader, PublishedCalendar, ReadCalendar, SeenCalendars};
pub use command::{Action, Actor, Authentication, Command, NewDuty, Outcome, Steering, Vote};
pub use effect::{
    Activity, Again, ChildRun, Effect, EffectKind, Restraint, RetryPolicy, SettleCheck, Settling,
    TimeLimits,
};
pub use event::{Event, EventData, EventType, NewEvent, PendingEvent, Sequence, StreamId, Version};
pub use evidence::NewEvidence;
pub use id::{
    BaselineName, CalendarName, CommandId, DefinitionName, Digest, EffectId, EventId, MemberId,
    ProjectId, QualificationName, RoleName, RunId,
};
pub use item::{GroupName, Item, ItemName, Items, LabelName, NamedItem};
pub use lock::Claims;
pub use lockdown::{Lockdown, LockdownScope, Prospect, Seen};
pub use migration::{Migrating, MigrationPlan};
pub use next_step::{NextAsk, NextStep};
pub use plan::{Plan, PlanApproval, PlanDrift, Planned, SomeTargets};
pub use project::{Project, ProjectAction, ProjectCommand, ProjectEvent};
pub use publishing::{ReleaseRule, Releasing};
pub use refusal::{Refusal, RefusalCode};
pub use remains::Remains;
pub use run::{DefinitionRef, Run, RunAnswer};
pub use selector::{MalformedSelector, Selector};
pub use settlement::{Ruling, Settled, SettledBy, Settlement, Settlers};
pub use substitute::{NewSubstitution, Substitution, Substitutions};
pub use view::{RunStatus, RunSummary, RunView};
pub use workflow::{IllegalEvent, LoadFailure, Loader, Moment, Started, Workflow};
