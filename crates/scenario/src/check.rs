//! Whether what scenarios name is there in the definition.

use std::collections::BTreeSet;

use holdpoint_core::{event::event_types, run::RunEvent};
use holdpoint_definition::{
    Definition, DefinitionEvent, DiagnosticCode as Code, Diagnostics, Outline, StateOf,
    yaml::{Findings, did_you_mean, listed},
};

use crate::suite::{MentionKind, Suite};

impl Suite {
    /// Findings about what the scenarios name and the definition does not have.
    #[must_use]
    pub fn check(&self, definition: &Definition) -> Diagnostics {
        let outline = definition.outline();
        let mut findings = Findings::new(&self.file, &self.source);
        for mention in &self.mentions {
            let known = known(mention.kind, &outline);
            let name = mention.name.as_str();
            if known.contains(name) {
                continue;
            }
            let (code, what) = match mention.kind {
                MentionKind::State => (Code::UnknownState, "state"),
                MentionKind::Ending => (Code::NotInDefinition, "end"),
                MentionKind::Condition => {
                    (Code::NotInDefinition, "rule, evidence, task, check or signal")
                }
                MentionKind::Activity => (Code::NotInDefinition, "activity"),
                MentionKind::Signal => (Code::NotInDefinition, "signal"),
                MentionKind::Check => (Code::NotInDefinition, "check"),
                MentionKind::Level => (Code::NotInDefinition, "level of risk"),
                MentionKind::Hold => (Code::NotInDefinition, "hold"),
                MentionKind::Event => (Code::NotInDefinition, "event"),
            };
            let help = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| {
                let known: Vec<&str> = known.iter().copied().collect();
                let there = if known.is_empty() {
                    format!("the definition has no {what} at all")
                } else {
                    format!("there are {}", listed(&known))
                };
                // What the checks of holds ask is told by their own names.
                let checks = self::known(MentionKind::Check, &outline);
                if mention.kind == MentionKind::Activity && !checks.is_empty() {
                    let checks: Vec<&str> = checks.into_iter().collect();
                    format!(
                        "{there}; the checks of holds are named by `check`: {}",
                        listed(&checks)
                    )
                } else {
                    there
                }
            });
            findings
                .add(code, &mention.span, format!("`{}` has no {what} `{name}`", definition.name()))
                .help(help);
        }
        findings.finish()
    }

    /// A finding about the definition's file, at the place where it is named.
    #[must_use]
    pub fn without_definition(&self, reason: &str, help: &str) -> Diagnostics {
        let mut findings = Findings::new(&self.file, &self.source);
        let message = format!("the definition `{}` {reason}", self.definition.0);
        findings.add(Code::ScenarioDefinition, &self.definition.1, message).help(help);
        findings.finish()
    }
}

/// All names that there are of a kind.
fn known(kind: MentionKind, outline: &Outline) -> BTreeSet<&str> {
    let states = outline.states.iter();
    match kind {
        MentionKind::State => states.map(|state| state.name.as_str()).collect(),
        MentionKind::Ending => {
            let outermost = states.filter(|state| state.within.is_empty());
            outermost.filter_map(|state| state.ends.as_deref()).chain(["cancelled"]).collect()
        }
        MentionKind::Condition => states
            .flat_map(|state| {
                let rules = state.rules.iter().map(|rule| rule.name.as_str());
                let evidence = state.evidence.iter().map(String::as_str);
                let tasks = state.tasks.iter().map(String::as_str);
                let named = state.signal.as_deref().into_iter().chain(state.run.as_deref());
                let checks = state.checks.iter().map(String::as_str);
                rules.chain(evidence).chain(tasks).chain(checks).chain(named)
            })
            .chain(["wait", "approval", "witness", "veto", "window", "lock", "conflicts"])
            .collect(),
        MentionKind::Activity => {
            states.flat_map(|state| &state.activities).map(String::as_str).collect()
        }
        MentionKind::Signal => states.filter_map(|state| state.signal.as_deref()).collect(),
        MentionKind::Check => states.flat_map(|state| &state.checks).map(String::as_str).collect(),
        MentionKind::Level => outline.levels.iter().map(String::as_str).collect(),
        MentionKind::Hold => states
            .filter(|state| state.kind == StateOf::Hold)
            .map(|state| state.name.as_str())
            .collect(),
        MentionKind::Event => event_types::<RunEvent>()
            .into_iter()
            .chain(event_types::<DefinitionEvent>())
            .map(|kind| kind.trim_start_matches("holdpoint."))
            .collect(),
    }
}
