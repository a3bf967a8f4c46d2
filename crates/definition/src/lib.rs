//! Holdpoint's declarative definition language: YAML, checked, into a [`Workflow`](holdpoint_core::Workflow).
//!
//! [`Definition::parse`] reads a definition and reports every finding with its place and a remedy;
//! [`Language`] is the [`Loader`] through which an engine runs definitions. Like the core, this
//! crate is pure: it never sees a log, a clock or a network. `docs/definitions.md` is the language's
//! guide and reference.
//!
//! ```
//! use holdpoint_definition::Definition;
//!
//! let checked = Definition::parse("two-eyes.yaml", "
//! workflow: two-eyes
//! version: 1
//! title: Somebody else agrees
//! start: agree
//! states:
//!   agree:
//!     hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester] } }
//!     on: { released: done, rejected: refused }
//!   done: { end: done }
//!   refused: { end: refused }
//! ")?;
//! assert_eq!(checked.definition.name().as_str(), "two-eyes");
//! assert!(checked.warnings.is_empty());
//!
//! let findings = Definition::parse("empty.yaml", "workflow: Empty!").unwrap_err();
//! assert!(findings.to_string().starts_with("empty.yaml:1:1: error[HP2003]: a definition has no `version`"));
//! # Ok::<(), holdpoint_definition::Diagnostics>(())
//! ```

#![forbid(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this crate is pure: `clippy.toml` lists what that keeps it from"
)]

use std::sync::Arc;

use holdpoint_core::{DefinitionName, LoadFailure, Loader, Project, workflow::LoadedDefinition};
use jiff::Timestamp;
use serde_json::Value;

mod activity_window;
mod address;
mod amending;
mod approval;
mod approving_anew;
mod authority;
mod baseline;
mod baseline_outline;
mod check;
mod check_part;
mod child;
mod compare;
mod compare_baselines;
mod conflicting;
mod deadlines;
mod decide;
mod diagnostics;
mod drift;
mod duties;
mod earlier;
mod event;
mod event_data;
mod event_place;
mod evidence;
mod evolve;
mod explain;
mod explain_baseline;
mod expr;
mod expr_names;
mod expr_types;
mod given_times;
mod health;
mod hold_check;
mod hold_model;
mod hold_state;
mod hold_steps;
mod hold_timers;
mod language_schema;
mod lockdown;
mod locking;
mod machine;
mod migrating;
mod migration_map;
mod model;
mod node;
mod outline;
mod outputs_check;
mod overruled;
mod parallel;
mod parallel_check;
mod parallel_model;
mod parallel_state;
mod past_check;
mod phrase;
mod plan_targets;
mod planned_times;
mod publishable;
mod requalifying;
mod requirement_override;
mod requirements;
mod risk;
mod rollout;
mod rollout_control;
mod rollout_evolve;
mod rollout_model;
mod rollout_moves;
mod rollout_plan;
mod rollout_state;
mod rollout_steps;
mod rollout_unbegun;
mod rollout_view;
mod rollout_window;
mod schema;
mod schema_cost;
mod secret_check;
mod senders;
mod settlers;
mod settling;
mod sharing;
mod state;
mod substitutes;
mod syntax;
mod syntax_approval;
mod syntax_baseline;
mod syntax_check;
mod syntax_child;
mod syntax_conflicts;
mod syntax_evidence;
mod syntax_health;
mod syntax_hold;
mod syntax_lock;
mod syntax_parallel;
mod syntax_risk;
mod syntax_rollout;
mod syntax_settle;
mod syntax_targets;
mod syntax_task;
mod syntax_window;
mod syntax_work;
mod target_names;
mod targets;
mod tasks;
mod template;
mod terms;
mod unbegun;
mod view;
mod voting;
mod waiver;
mod window_model;
mod windows;
mod work_window;
pub mod yaml;

/// The calendars that definitions go by.
pub use holdpoint_calendar as calendar;

pub use authority::Authority;
pub use baseline::{Baseline, Baselines, Conformance, Standing, is_baseline};
pub use baseline_outline::{BaselineOutline, RequirementOutline};
pub use compare::Change;
pub use diagnostics::{Diagnostic, DiagnosticCode, Diagnostics, Severity};
pub use event::DefinitionEvent;
pub use event_data::{
    Attached, Ballot, Because, CheckTimes, Confirmation, Gate, InPlaceOf, Lapsing, MetByRelease,
    OfTarget, OpenCheck, OpenRule, OpenTask, Opened, OverrideEnd, Overriding, Past, QualifiedVote,
    Risk, Sender, Verdict,
};
pub use language_schema::SCHEMA;
pub use lockdown::HeldBy;
pub use migration_map::MigrationMap;
pub use model::is_name;
pub use outline::{
    ApprovalPart, BranchOutline, Outline, RuleOutline, RunExpiry, StateOf, StateOutline, Way,
    WindowOutline,
};
pub use plan_targets::{PlanTargets, PlannedOf};
pub use state::State;
pub use windows::{AskedTimes, Outlook, SeenCalendar};

/// The language's name, as `holdpoint.definition.published` events carry it.
pub const LANGUAGE: &str = "holdpoint/1";

/// A definition that has been checked; a [`Workflow`](holdpoint_core::Workflow).
#[derive(Clone, Debug)]
pub struct Definition {
    model: Arc<model::Model>,
}

/// A definition that can be used, with what is worth a look nevertheless.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The definition.
    pub definition: Definition,
    /// Findings that do not keep it from being used.
    pub warnings: Diagnostics,
}

impl Definition {
    /// Reads and checks a definition. `file` is the name that findings show.
    ///
    /// # Errors
    /// All findings, when one of them keeps the definition from being used.
    pub fn parse(file: &str, source: &str) -> Result<Checked, Diagnostics> {
        let mut findings = diagnostics::Findings::new(file, source);
        let model = read_into(source, &mut findings);
        if let Some(model) = &model {
            publishable::check(source, model, &mut findings);
        }
        let found = findings.finish();
        match model {
            Some(model) if !found.has_errors() => {
                Ok(Checked { definition: Self::of(model), warnings: found })
            }
            _ => Err(found),
        }
    }

    fn of(model: model::Model) -> Self {
        Self { model: Arc::new(model) }
    }

    /// Reads a definition that was published, perhaps by an earlier version, which found less.
    ///
    /// # Errors
    /// All findings, when this version cannot have runs of it.
    pub fn published(source: &str) -> Result<Self, Diagnostics> {
        let (model, found) = read("definition", source);
        let wrong =
            |one: &Diagnostic| one.code.severity() == Severity::Error && !one.code.is_forgiven();
        match model {
            Some(model) if !found.iter().any(wrong) => Ok(Self::of(model)),
            _ => Err(found),
        }
    }

    /// The name that the definition gives itself.
    #[must_use]
    pub fn name(&self) -> &DefinitionName {
        &self.model.name
    }

    /// The version that it gives itself.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.model.version
    }

    /// What it is about, in a line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.model.title
    }

    /// Its states and where they lead, as plain data.
    #[must_use]
    pub fn outline(&self) -> Outline {
        outline::of(&self.model)
    }

    /// The definition in plain sentences.
    #[must_use]
    pub fn explain(&self) -> String {
        explain::explain(&self.model)
    }

    /// What its states ask of people, and who of a project's members could do it at `now`.
    #[must_use]
    pub fn authority(&self, project: &Project, now: Timestamp) -> Vec<Authority> {
        authority::of(&self.model, project, now)
    }

    /// What is different in meaning in `after`, a later version of this definition.
    #[must_use]
    pub fn compare(&self, after: &Self) -> Vec<Change> {
        compare::compare(&self.model, &after.model)
    }

    /// The JSON Schema of its input.
    #[must_use]
    pub fn input_schema(&self) -> &Value {
        &self.model.schema
    }
}

/// A definition as far as it can be read, and all that is found about it.
fn read(file: &str, source: &str) -> (Option<model::Model>, Diagnostics) {
    let mut findings = diagnostics::Findings::new(file, source);
    let model = read_into(source, &mut findings);
    (model, findings.finish())
}

fn read_into(source: &str, findings: &mut diagnostics::Findings) -> Option<model::Model> {
    let root = node::read(source, findings);
    if let Some(root) = &root {
        secret_check::check(root, findings);
    }
    let model = root.and_then(|root| syntax::read(&root, findings));
    if let Some(model) = &model {
        check::check(model, findings);
    }
    model
}

/// The loader of the declarative language.
#[derive(Clone, Copy, Debug, Default)]
pub struct Language;

impl Loader for Language {
    fn language(&self) -> &str {
        LANGUAGE
    }

    fn load(&self, source: &str) -> Result<LoadedDefinition, LoadFailure> {
        Definition::published(source)
            .map(loaded)
            .map_err(|findings| LoadFailure { reason: findings.to_string() })
    }

    fn accept(&self, source: &str) -> Result<LoadedDefinition, LoadFailure> {
        Definition::parse("definition", source)
            .map(|checked| loaded(checked.definition))
            .map_err(|findings| LoadFailure { reason: findings.to_string() })
    }
}

fn loaded(definition: Definition) -> LoadedDefinition {
    LoadedDefinition {
        name: definition.name().clone(),
        version: definition.version(),
        title: definition.title().to_owned(),
        workflow: Arc::new(definition),
    }
}
