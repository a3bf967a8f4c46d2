//! A scenario that is played step by step while it is written.

use std::sync::Arc;

use holdpoint_core::{DefinitionRef, MemberId, item::ItemsChange, workflow::DynWorkflow};
use holdpoint_definition::{
    Diagnostics,
    yaml::{self, Findings},
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    baselines::KeptBaseline,
    calendars::Calendars,
    crew::{Answer, Crew, Reply, Which},
    play::{Defect, Members, Play},
    runner::{self, Failure},
    suite::Suite,
    syntax::{self, File},
    syntax_step,
};

/// A run that is stepped through. It can be copied, to come back to where it was.
#[derive(Clone, Debug)]
pub struct Session {
    play: Play,
    crew: Crew,
    members: Members,
}

impl Session {
    /// The same with these calendars published.
    ///
    /// # Errors
    /// When the project cannot be made of them, which is a defect.
    pub fn with_calendars(mut self, calendars: &Calendars) -> Result<Self, Defect> {
        self.play.set_calendars(calendars)?;
        Ok(self)
    }
}

impl Session {
    /// The same with this baseline kept.
    ///
    /// # Errors
    /// When the project cannot be made of it, which is a defect.
    pub fn with_baseline(mut self, baseline: Option<&KeptBaseline>) -> Result<Self, Defect> {
        self.play.set_baseline(baseline)?;
        Ok(self)
    }
}

impl Session {
    /// The same with these configuration items.
    ///
    /// # Errors
    /// When they cannot be changed so, which is a defect.
    pub fn with_items(mut self, changes: &[ItemsChange]) -> Result<Self, Defect> {
        self.play.change_items(changes)?;
        Ok(self)
    }
}

/// A step did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoStep {
    /// It is not written as steps are.
    Unreadable(Diagnostics),
    /// It was refused, or is not as it was expected.
    Failed(Failure),
}

impl Session {
    /// Begins with a workflow and members, before any run. Workers wait to be told what comes of
    /// their work.
    ///
    /// # Errors
    /// When the project cannot be made of `members`, which is a defect.
    pub fn new(
        workflow: Arc<dyn DynWorkflow>,
        definition: DefinitionRef,
        members: Members,
        now: Timestamp,
    ) -> Result<Self, Defect> {
        let play = Play::new(workflow, definition, &members, now)?;
        let waits = Answer {
            which: Which::default(),
            times: None,
            takes: jiff::SignedDuration::ZERO,
            reply: Reply::Waits,
            line: 0,
        };
        Ok(Self { play, crew: Crew::new(vec![waits]), members })
    }

    /// Submits the run.
    ///
    /// # Errors
    /// When it is refused; there is no run then.
    pub fn submit(&mut self, by: &MemberId, input: &Value) -> Result<(), NoStep> {
        let submitted = self.play.submit(by, input);
        let step = format!("submit by {by}");
        runner::answered(1, &step, submitted, None).map_err(NoStep::Failed)?;
        runner::settle(&mut self.play, &mut self.crew, 1).map_err(NoStep::Failed)
    }

    /// Makes a step, written as in a file of scenarios: `approve: grace`.
    ///
    /// # Errors
    /// When it cannot be read, is refused, or expects what is not so. Only where workers were
    /// stopped in the middle of something may a part of it have happened: go on from a copy then.
    pub fn step(&mut self, text: &str) -> Result<(), NoStep> {
        let mut findings = Findings::new("step", text);
        let mut members = self.members.clone();
        let step = yaml::read(text, &mut findings).and_then(|node| {
            let mut file = File::new(&mut findings);
            file.items = self.play.project().items().clone();
            syntax_step::step(&mut file, &node, &mut members)
        });
        let found = findings.finish();
        let Some(step) = step.filter(|_| !found.has_errors()) else {
            return Err(NoStep::Unreadable(found));
        };
        step.go(&mut self.play, &mut self.crew).map_err(NoStep::Failed)?;
        self.members = members;
        Ok(())
    }

    /// The run.
    #[must_use]
    pub const fn play(&self) -> &Play {
        &self.play
    }

    /// The members as they are now.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// What workers wait to be told about.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        self.crew.waiting()
    }
}

/// What scenarios of a definition begin with: who its people are, and an input that fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Beginning {
    /// Who submits.
    pub by: MemberId,
    /// The members.
    pub members: Members,
    /// The calendars.
    pub calendars: Calendars,
    /// How the project came by its configuration items.
    pub items: Vec<ItemsChange>,
    /// The baseline that the project keeps.
    pub baseline: Option<KeptBaseline>,
    /// The input.
    pub input: Value,
    /// When.
    pub at: Timestamp,
}

impl Suite {
    /// What the first scenario begins with.
    #[must_use]
    pub fn beginning(&self) -> Option<Beginning> {
        let given = &self.scenarios.first()?.given;
        Some(Beginning {
            by: given.by.clone(),
            members: given.members.clone(),
            calendars: given.calendars.clone(),
            items: given.items.clone(),
            baseline: given.baseline.clone(),
            input: given.input.clone(),
            at: given.at,
        })
    }
}

/// Members, written as in a file of scenarios: `{ ada: role:engineer }`.
///
/// # Errors
/// When they are not written so.
pub fn members(text: &str) -> Result<Members, Diagnostics> {
    let mut findings = Findings::new("members", text);
    let read =
        yaml::read(text, &mut findings).and_then(|node| File::new(&mut findings).members(&node));
    let found = findings.finish();
    read.filter(|_| !found.has_errors()).ok_or(found)
}

/// Puts a mapping, written in YAML, over an input, as a scenario's `input` is put over its file's;
/// and answers with the mapping as JSON.
///
/// # Errors
/// When it is not a mapping.
pub fn put_over(input: &mut Value, text: &str) -> Result<Value, Diagnostics> {
    let mut findings = Findings::new("input", text);
    let read = yaml::read(text, &mut findings);
    let Some(node) = read.filter(|node| matches!(node.kind, yaml::Kind::Map(_))) else {
        return Err(findings.finish());
    };
    let patch = node.to_json();
    syntax::merge(input, patch.clone());
    Ok(patch)
}
