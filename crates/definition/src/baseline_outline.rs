//! How a definition stands to a baseline, as plain data for tools: by which of its states each
//! requirement is met, and which ways lead past it.

use crate::{
    Definition,
    baseline::{Baseline, Requirement, Standing},
    diagnostics::Findings,
    hold_model::Hold,
    model::{Model, StateKind},
    phrase,
};

/// How a definition stands to a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineOutline {
    /// The baseline's name.
    pub name: String,
    /// What it is about, in a line.
    pub title: String,
    /// What it demands, in its order.
    pub requirements: Vec<RequirementOutline>,
}

/// How a definition stands to one requirement. States are in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequirementOutline {
    /// Its name.
    pub name: String,
    /// How the definition stands to it.
    pub standing: Standing,
    /// The states with work that it stands before.
    pub before: Vec<String>,
    /// Those of them that keep to it themselves.
    pub within: Vec<String>,
    /// The holds whose release meets it.
    pub holds: Vec<String>,
    /// Those of them that can be waived, where that counts.
    pub waivable: Vec<String>,
    /// A shortest way to each of the work that can be reached past it.
    pub past: Vec<Vec<String>>,
    /// Whether it is demanded only under a condition.
    pub conditional: bool,
    /// Whether anybody may take it off one run.
    pub overridable: bool,
}

impl Baseline {
    /// How a definition stands to this baseline, and by what.
    #[must_use]
    pub fn outline(&self, definition: &Definition) -> BaselineOutline {
        let of = |one: &Requirement| one.outline(&definition.model, &self.name);
        BaselineOutline {
            name: self.name.clone(),
            title: self.title.clone(),
            requirements: self.requirements.iter().map(of).collect(),
        }
    }
}

impl Requirement {
    fn outline(&self, model: &Model, baseline: &str) -> RequirementOutline {
        // What is found is told by the standing; `check` has it with its place.
        let mut findings = Findings::new("definition", "");
        let (name, standing) = self.standing(model, baseline, &mut findings);
        let meets = |hold: &Hold| self.lacks(hold).is_none();
        let past = self.past(model).into_iter();
        let past = past.map(|(_, _, way)| way.into_iter().map(str::to_owned).collect());
        RequirementOutline {
            name,
            standing,
            before: named(model, |kind| self.is_before(kind)),
            within: named(model, |kind| self.is_before(kind) && self.is_within(kind)),
            holds: named(model, |kind| matches!(kind, StateKind::Hold(hold) if meets(hold))),
            waivable: named(model, |kind| {
                matches!(kind, StateKind::Hold(hold)
                    if self.waivable && hold.waiver.is_some() && meets(hold))
            }),
            past: past.collect(),
            conditional: self.when.is_some(),
            overridable: self.overriders.is_some(),
        }
    }
}

impl RequirementOutline {
    /// By what it is met, in words, where something meets it.
    pub(crate) fn by(&self) -> Option<String> {
        let mut by = Vec::new();
        if !self.holds.is_empty() {
            by.push(format!("the release of {}", phrase::joined(&quoted(&self.holds), "or")));
        }
        if !self.within.is_empty() {
            let within = phrase::joined(&quoted(&self.within), "and");
            by.push(format!("{within}, which keeps to it itself"));
        }
        (!by.is_empty()).then(|| by.join(", and by "))
    }

    /// The work that it stands before, in words.
    pub(crate) fn work(&self) -> String {
        phrase::joined(&quoted(&self.before), "and")
    }

    /// How the definition stands to it and by what, in a few words.
    pub(crate) fn in_words(&self) -> String {
        let standing = self.standing.in_words();
        match (&self.standing, self.by()) {
            (Standing::Met, Some(by)) => format!("{standing}, by {by}"),
            (Standing::NotMet, _) => {
                let ends = self.past.iter().filter_map(|way| way.last()).cloned();
                let reached = quoted(&ends.collect::<Vec<_>>());
                format!("{standing} before {}", phrase::joined(&reached, "and"))
            }
            _ => standing,
        }
    }
}

impl Standing {
    /// It in a few words, with its reason where it has one.
    #[must_use]
    pub fn in_words(&self) -> String {
        let reason = |reason: &String| reason.replace('\n', " ");
        match self {
            Self::NotApplicable => "not applicable".to_owned(),
            Self::Met => "met".to_owned(),
            Self::NotMet => "not met".to_owned(),
            Self::Error { reason: why } => format!("error: {}", reason(why)),
            Self::Overridden { met: true, reason: why } => {
                format!("overridden, met nevertheless: {}", reason(why))
            }
            Self::Overridden { met: false, reason: why } => {
                format!("overridden: {}", reason(why))
            }
        }
    }
}

fn quoted(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("`{name}`")).collect()
}

/// The names of the states that are so, in the order of the file.
fn named(model: &Model, is: impl Fn(&StateKind) -> bool) -> Vec<String> {
    let mut found: Vec<_> = model.states.iter().filter(|(_, state)| is(&state.kind)).collect();
    found.sort_by_key(|(_, state)| state.span.start);
    found.into_iter().map(|(name, _)| name.clone()).collect()
}
