//! The lockdowns of a scenario: imposed in one step, and lifted in another.

use std::collections::BTreeSet;

use holdpoint_core::{DefinitionName, LockdownScope, ProjectEvent, Selector};
use holdpoint_definition::{DiagnosticCode as Code, yaml::Node};
use serde::Deserialize;

use crate::syntax::File;

/// What happens to the project's lockdowns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockdownStep {
    /// The next one is imposed.
    Impose {
        /// Which runs it is about.
        scope: LockdownScope,
        /// Why.
        reason: String,
    },
    /// One is released.
    Lift(u32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    reason: String,
    #[serde(default)]
    definitions: BTreeSet<DefinitionName>,
    #[serde(default)]
    except: BTreeSet<DefinitionName>,
    #[serde(default)]
    items: Option<Selector>,
}

/// Reads `{ reason: …, definitions: […], except: […], items: … }`.
pub(crate) fn imposed(file: &mut File<'_>, node: &Node) -> Option<LockdownStep> {
    match serde_json::from_value(node.to_json()) {
        Ok(Written { reason, definitions, except, items }) => {
            let scope = LockdownScope { definitions, except, items };
            Some(LockdownStep::Impose { scope, reason })
        }
        Err(error) => {
            file.reader
                .findings
                .add(Code::WrongKind, &node.span, format!("this is no lockdown: {error}"))
                .help(
                    "say `{ reason: TEXT }`, and which runs it is about with `definitions`, `except` \
                     and `items`, as docs/lockdown.md has it",
                );
            None
        }
    }
}

/// The facts that follow from steps.
pub(crate) fn facts(steps: &[LockdownStep]) -> impl Iterator<Item = ProjectEvent> {
    let mut imposed = 0_u32;
    steps.iter().map(move |step| match step.clone() {
        LockdownStep::Impose { scope, reason } => {
            imposed = imposed.saturating_add(1);
            ProjectEvent::LockdownImposed { lockdown: imposed, scope, reason }
        }
        LockdownStep::Lift(lockdown) => {
            let reason = "the scenario lifts it".to_owned();
            ProjectEvent::LockdownReleased { lockdown, reason }
        }
    })
}
