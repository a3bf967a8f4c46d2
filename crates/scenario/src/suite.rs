//! A file of scenarios, as it was read.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    Action, MemberId, RefusalCode, conflict::Look, item::ItemsChange, view::ConditionStatus,
};
use holdpoint_definition::yaml::Span;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    baselines::KeptBaseline,
    calendars::Calendars,
    crew::{Answer, Reply, Which},
    lockdowns::LockdownStep,
    play::Members,
};

/// A file of scenarios.
#[derive(Clone, Debug)]
pub struct Suite {
    pub(crate) file: String,
    pub(crate) source: String,
    pub(crate) definition: (String, Span),
    pub(crate) baseline: Option<KeptBaseline>,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) mentions: Vec<Mention>,
}

impl Suite {
    /// The file's name, as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The definition's file, relative to this one.
    #[must_use]
    pub fn definition(&self) -> &str {
        &self.definition.0
    }

    /// The baseline that its runs are judged by.
    #[must_use]
    pub const fn baseline(&self) -> Option<&KeptBaseline> {
        self.baseline.as_ref()
    }

    /// The same with this baseline, in place of that which the file names.
    #[must_use]
    pub fn judged_by(mut self, baseline: KeptBaseline) -> Self {
        for scenario in &mut self.scenarios {
            scenario.given.baseline = Some(baseline.clone());
        }
        self.baseline = Some(baseline);
        self
    }

    /// The signals that its scenarios send, with what comes with them, but for those that are refused.
    pub fn signals(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.scenarios.iter().flat_map(|scenario| &scenario.steps).filter_map(|step| {
            match &step.kind {
                StepKind::Act(Act {
                    deed: Deed::Action(Action::Signal { name, data }),
                    refused: None,
                    ..
                }) => Some((name.as_str(), data)),
                _ => None,
            }
        })
    }

    /// How its scenarios change the configuration items while they play.
    pub fn item_changes(&self) -> impl Iterator<Item = &[ItemsChange]> {
        self.scenarios.iter().flat_map(|scenario| &scenario.steps).filter_map(|step| {
            match &step.kind {
                StepKind::Items(changes) => Some(changes.as_slice()),
                _ => None,
            }
        })
    }

    /// The scenarios, in the order of the file.
    #[must_use]
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }
}

/// Something that the definition must have.
#[derive(Clone, Debug)]
pub(crate) struct Mention {
    pub(crate) kind: MentionKind,
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// What kind of thing is mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MentionKind {
    State,
    Ending,
    Condition,
    Activity,
    Signal,
    /// A check of a hold.
    Check,
    /// A level of the risk.
    Level,
    Hold,
    Event,
}

/// Given a run, when this happens, then it is expected to be so.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// The line in which it begins.
    pub line: usize,
    pub(crate) given: Given,
    pub(crate) steps: Vec<Step>,
    pub(crate) then: Option<Expectation>,
}

/// How a run begins.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) line: usize,
    pub(crate) by: MemberId,
    pub(crate) input: Value,
    pub(crate) at: Timestamp,
    pub(crate) members: Members,
    pub(crate) calendars: Calendars,
    /// How the project came by the items that there are then.
    pub(crate) items: Vec<ItemsChange>,
    /// The baseline that the project keeps.
    pub(crate) baseline: Option<KeptBaseline>,
    /// The runs that it is in conflict with.
    pub(crate) conflicts: Look,
    /// The scenario's own answers, before those of the file.
    pub(crate) answers: Vec<Answer>,
    /// How many of the answers are the scenario's own: each of these must be needed.
    pub(crate) own_answers: usize,
    pub(crate) refused: Option<Refused>,
}

/// A step of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) kind: StepKind,
}

/// What happens in a step.
#[derive(Clone, Debug)]
pub(crate) enum StepKind {
    /// A member does something.
    Act(Act),
    /// Time passes.
    After(SignedDuration),
    /// Time passes until a moment.
    At(Timestamp),
    /// A worker who waited is told what comes of it.
    Work { which: Which, reply: Reply },
    /// Members change.
    Members(Members),
    /// Calendars are published, or taken away.
    Calendars(Calendars),
    /// Configuration items change.
    Items(Vec<ItemsChange>),
    /// It is in conflict with these runs from now on.
    Conflicts(Look),
    /// A lockdown is imposed or lifted.
    Lockdown(LockdownStep),
    /// It is looked at.
    Expect(Box<Expectation>),
}

/// What a member does.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) by: MemberId,
    pub(crate) deed: Deed,
    pub(crate) refused: Option<Refused>,
}

/// What is done.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Action(Action),
    /// The input is amended: by what is put over it as it is then.
    Amend {
        patch: Value,
        reason: String,
    },
}

/// A refusal that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: RefusalCode,
    /// What its message says, among other things.
    pub(crate) says: Option<String>,
}

/// What a run is expected to look like: whatever is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expectation {
    pub(crate) line: usize,
    pub(crate) state: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) ended: Option<String>,
    pub(crate) risk: Option<String>,
    pub(crate) waiting_for: Option<Waiting>,
    pub(crate) could_approve: Option<BTreeSet<MemberId>>,
    /// Whose vetoes stand.
    pub(crate) vetoes: Option<BTreeSet<MemberId>>,
    pub(crate) duties: Option<Vec<OpenDuty>>,
    pub(crate) comments: Option<Vec<String>>,
    /// What the input is, among other things.
    pub(crate) input: Option<Value>,
    pub(crate) deadline: Option<Deadline>,
    /// In which state each of these branches is.
    pub(crate) branches: Option<BTreeMap<String, String>>,
    pub(crate) targets: Option<Targets>,
    /// How these requirements of the baseline stand.
    pub(crate) baseline: Option<BTreeMap<String, ConditionStatus>>,
    pub(crate) happened: Vec<String>,
    pub(crate) never: Vec<String>,
    pub(crate) asked: Vec<AskedFor>,
}

/// What a hold waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// These conditions.
    Names(BTreeSet<String>),
    /// These, each with how many are still needed.
    Counts(BTreeMap<String, u32>),
}

/// What an open duty is expected to be: whatever is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenDuty {
    pub(crate) duty: Option<u32>,
    pub(crate) text: Option<String>,
    /// The state that it is due before; within, `None` where it is due before the end.
    pub(crate) before: Option<Option<String>>,
    pub(crate) by: Option<MemberId>,
}

/// When a hold is to resolve by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    Never,
    At(Timestamp),
    In(SignedDuration),
}

/// How the targets of a rollout are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Targets {
    All(String),
    Each(BTreeMap<String, String>),
}

/// An activity that is to have been asked for.
#[derive(Clone, Debug)]
pub(crate) struct AskedFor {
    pub(crate) which: Which,
    /// What the worker was given, among other things.
    pub(crate) with: Option<Value>,
}
