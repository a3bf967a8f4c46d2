//! What a project asks of definitions that are published: that a run of a workflow of its own has
//! released just these bytes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{DefinitionName, Digest, RunId},
    project::ProjectEvent,
    refusal::{Refusal, RefusalCode},
};

/// Which runs release a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRule {
    /// Runs of this definition, in whatever version.
    pub definition: DefinitionName,
    /// In one of these states, in which a definition counts as released; also those that a run ends in.
    pub states: BTreeSet<String>,
}

/// A run that is to release a definition, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Releasing<'a> {
    /// The run.
    pub run: RunId,
    /// The definition that it is of.
    pub definition: &'a DefinitionName,
    /// The state that it is in.
    pub state: &'a str,
    /// Its input, as it is now.
    pub input: &'a Value,
}

impl ReleaseRule {
    /// Whether a run releases the version of a definition whose source has this digest: its input has the
    /// digest as `digest`, and where it has `definition` and `version` they are those.
    ///
    /// # Errors
    /// A refusal, which says what the run lacks.
    pub fn check(
        &self,
        run: &Releasing<'_>,
        name: &DefinitionName,
        version: u32,
        digest: &Digest,
    ) -> Result<(), Refusal> {
        let Releasing { run: id, definition, state, input } = *run;
        let no =
            |why: String| Err(self.refusal(format!("the run {id} does not release it: {why}")));
        if *definition != self.definition {
            return no(format!("it is one of `{definition}`"));
        }
        if !self.states.contains(state) {
            return no(format!("it is in `{state}`"));
        }
        let digest = digest.to_string();
        match input.get("digest").and_then(Value::as_str) {
            Some(found) if found == digest => {}
            Some(found) => {
                return no(format!("its `digest` is {found}, and that of the source {digest}"));
            }
            None => return no("its input has no `digest`".to_owned()),
        }
        if input.get("definition").is_some_and(|found| found.as_str() != Some(name.as_str())) {
            return no(format!("its `definition` is not `{name}`"));
        }
        if input.get("version").is_some_and(|found| found.as_u64() != Some(u64::from(version))) {
            return no(format!("its `version` is not {version}"));
        }
        Ok(())
    }

    fn refusal(&self, message: String) -> Refusal {
        let states: Vec<String> = self.states.iter().map(|state| format!("`{state}`")).collect();
        Refusal::new(RefusalCode::NotReleased, message).needs(format!(
            "a run of `{}` in {} whose input has the digest of the source as `digest`: name it with \
             `--release RUN`",
            self.definition,
            states.join(" or ")
        ))
    }

    /// Refuses a publication that names no run.
    pub(crate) fn named(&self, release: Option<RunId>) -> Result<(), Refusal> {
        match release {
            Some(_) => Ok(()),
            None => {
                Err(self.refusal("in this project a run releases what is published".to_owned()))
            }
        }
    }
}

/// Decides what a project asks of definitions from now on.
pub(crate) fn govern(
    before: Option<&ReleaseRule>,
    rule: Option<&ReleaseRule>,
    reason: &str,
) -> Result<ProjectEvent, Refusal> {
    let reason = reason.trim();
    let invalid = |message: &str| Err(Refusal::new(RefusalCode::InvalidInput, message));
    if reason.is_empty() {
        return invalid("what is asked of definitions is changed with a reason");
    }
    if rule.is_some_and(|rule| rule.states.iter().all(|state| state.trim().is_empty())) {
        return invalid("at least one state of a run releases a definition");
    }
    if before == rule {
        return Err(Refusal::new(RefusalCode::AlreadyExists, "the project asks just that already"));
    }
    Ok(ProjectEvent::PublishingGoverned { rule: rule.cloned(), reason: reason.to_owned() })
}
