//! Baselines: publishing them, and seeing to it that definitions keep to the one that is in force.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use holdpoint_core::{
    BaselineReader, BaselineRef, DefinitionRef, Digest, Judged, LoadFailure, Project,
    ProjectAction, ProjectCommand, PublishedBaseline, ReadBaseline, Refusal, RefusalCode,
    Shortfall, project::PublishedDefinition,
};
use serde::Serialize;

use crate::{engine::Engine, guard::guard};

/// A published definition that does not keep to a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Below {
    /// The definition.
    #[serde(flatten)]
    pub definition: DefinitionRef,
    /// What it lacks.
    pub shortfalls: Vec<Shortfall>,
}

/// By the digests of a baseline and of a definition.
type Judgements = HashMap<(Digest, Digest), Arc<[Shortfall]>>;

/// Judges definitions by baselines, each once.
#[derive(Default)]
pub(crate) struct Judge {
    reader: Option<Arc<dyn BaselineReader>>,
    judged: Mutex<Judgements>,
}

impl Judge {
    pub(crate) fn new(reader: Option<Arc<dyn BaselineReader>>) -> Self {
        Self { reader, judged: Mutex::default() }
    }

    fn reader(&self) -> Result<&dyn BaselineReader, LoadFailure> {
        self.reader.as_deref().ok_or_else(|| LoadFailure {
            reason: "this engine has no reader of baselines".to_owned(),
        })
    }

    fn read(&self, source: &str) -> Result<ReadBaseline, LoadFailure> {
        let reader = self.reader()?;
        guard("read", || reader.read(source))
            .unwrap_or_else(|illegal| Err(LoadFailure { reason: illegal.to_string() }))
    }

    fn look(&self, baseline: &str, definition: &Judged<'_>) -> Result<Vec<Shortfall>, LoadFailure> {
        let reader = self.reader()?;
        guard("shortfalls", || reader.shortfalls(baseline, definition))
            .unwrap_or_else(|illegal| Err(LoadFailure { reason: illegal.to_string() }))
    }

    /// What a definition lacks that runs may be started with.
    fn shortfalls(
        &self,
        baseline: &PublishedBaseline,
        definition: &PublishedDefinition,
    ) -> Result<Arc<[Shortfall]>, LoadFailure> {
        let PublishedDefinition { reference, language, source, .. } = definition;
        let key = (baseline.reference.digest, reference.digest);
        let known = self.judged.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let judged = Judged { name: &reference.name, language, source };
        let found: Arc<[Shortfall]> = self.look(&baseline.source, &judged)?.into();
        let mut kept = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, Arc::clone(&found));
        Ok(found)
    }

    /// Refuses a run by a published definition that does not keep to the baseline in force.
    pub(crate) fn admit(
        &self,
        project: &Project,
        definition: &PublishedDefinition,
    ) -> Result<(), Refusal> {
        let Some(baseline) = project.baseline() else { return Ok(()) };
        let found = self
            .shortfalls(baseline, definition)
            .map_err(|failure| unknown(&baseline.reference, &definition.reference, &failure))?;
        if found.is_empty() {
            return Ok(());
        }
        let refusal = baseline.reference.refusal(&definition.reference, &found);
        Err(refusal.needs("publish a version that keeps to it, and take that"))
    }

    /// Refuses to publish what is not a baseline, or calls itself otherwise than the command does: it
    /// would refuse every definition.
    pub(crate) fn check(&self, command: &ProjectCommand) -> Result<(), Refusal> {
        let ProjectAction::PublishBaseline { baseline, title, source, .. } = &command.action else {
            return Ok(());
        };
        let invalid = |reason| Refusal::new(RefusalCode::InvalidInput, reason);
        let read = self.read(source).map_err(|failure| invalid(failure.reason))?;
        if (&read.baseline, &read.title) == (baseline, title) {
            return Ok(());
        }
        Err(invalid(format!(
            "the baseline says of itself that it is `{}`, \"{}\"",
            read.baseline, read.title
        )))
    }

    /// Refuses to publish a definition that does not keep to the project's baseline.
    pub(crate) fn admit_publication(
        &self,
        project: &Project,
        command: &ProjectCommand,
    ) -> Result<(), Refusal> {
        let ProjectAction::Publish { name, version, language, source, .. } = &command.action else {
            return Ok(());
        };
        let Some(baseline) = project.baseline() else { return Ok(()) };
        let digest = Digest::of(source.as_bytes());
        let reference = DefinitionRef { name: name.clone(), version: *version, digest };
        let found = self
            .look(&baseline.source, &Judged { name, language, source })
            .map_err(|failure| unknown(&baseline.reference, &reference, &failure))?;
        if found.is_empty() {
            return Ok(());
        }
        Err(baseline.reference.refusal(&reference, &found))
    }
}

/// That nobody knows whether a definition keeps to a baseline.
fn unknown(baseline: &BaselineRef, definition: &DefinitionRef, failure: &LoadFailure) -> Refusal {
    let DefinitionRef { name, version, .. } = definition;
    Refusal::new(
        RefusalCode::BelowBaseline,
        format!(
            "whether `{name}` v{version} keeps to the baseline `{}`, revision {}, cannot be told: {}",
            baseline.name, baseline.revision, failure.reason
        ),
    )
}

impl Engine {
    /// What a baseline says of itself.
    ///
    /// # Errors
    /// A refusal when `source` is not a baseline.
    pub fn read_baseline(&self, source: &str) -> Result<ReadBaseline, Refusal> {
        let read = self.shared.library.catalog.judge.read(source);
        read.map_err(|failure| Refusal::new(RefusalCode::InvalidInput, failure.reason))
    }

    /// The published definitions of a project that do not keep to a baseline, in force or not.
    ///
    /// # Errors
    /// A refusal when of one of them that cannot be told.
    pub fn below(&self, project: &Project, baseline: &str) -> Result<Vec<Below>, Refusal> {
        let judge = &self.shared.library.catalog.judge;
        let mut below = Vec::new();
        for one in project.definitions() {
            let PublishedDefinition { reference, language, source, .. } = one;
            let shortfalls =
                judge.look(baseline, &Judged { name: &reference.name, language, source });
            let shortfalls = shortfalls.map_err(|failure| {
                let DefinitionRef { name, version, .. } = reference;
                let message = format!("`{name}` v{version} cannot be judged: {}", failure.reason);
                Refusal::new(RefusalCode::BelowBaseline, message)
            })?;
            if !shortfalls.is_empty() {
                below.push(Below { definition: reference.clone(), shortfalls });
            }
        }
        Ok(below)
    }
}
