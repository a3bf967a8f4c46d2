//! Definitions that have been loaded, by digest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use holdpoint_core::{
    CalendarReader, Digest, LoadFailure, Loader, Project, ReadCalendar,
    workflow::{DynWorkflow, LoadedDefinition},
};

use crate::{baselines::Judge, guard::guard};

/// Turns stored definitions into workflows and keeps them.
pub(crate) struct Catalog {
    loaders: Vec<Arc<dyn Loader>>,
    calendars: Option<Arc<dyn CalendarReader>>,
    pub judge: Judge,
    loaded: Mutex<HashMap<Digest, Arc<dyn DynWorkflow>>>,
}

impl Catalog {
    pub(crate) fn new(
        loaders: Vec<Arc<dyn Loader>>,
        calendars: Option<Arc<dyn CalendarReader>>,
        judge: Judge,
    ) -> Self {
        Self { loaders, calendars, judge, loaded: Mutex::default() }
    }

    /// Reads a calendar.
    pub(crate) fn calendar(&self, source: &str) -> Result<ReadCalendar, LoadFailure> {
        let reader = self.calendars.as_ref().ok_or_else(|| LoadFailure {
            reason: "this engine has no reader of calendars".to_owned(),
        })?;
        guard("read", || reader.read(source))
            .unwrap_or_else(|illegal| Err(LoadFailure { reason: illegal.to_string() }))
    }

    /// Loads a definition that is to be published.
    pub(crate) fn accept(
        &self,
        language: &str,
        source: &str,
    ) -> Result<LoadedDefinition, LoadFailure> {
        self.by(language, |loader| loader.accept(source))
    }

    fn by(
        &self,
        language: &str,
        load: impl FnOnce(&dyn Loader) -> Result<LoadedDefinition, LoadFailure>,
    ) -> Result<LoadedDefinition, LoadFailure> {
        let loader = self.loaders.iter().find(|loader| loader.language() == language);
        let loader = loader.ok_or_else(|| LoadFailure {
            reason: format!(
                "this engine has no loader for the language `{language}`; it has: {}",
                self.loaders.iter().map(|one| one.language()).collect::<Vec<_>>().join(", ")
            ),
        })?;
        guard("load", || load(&**loader))
            .unwrap_or_else(|illegal| Err(LoadFailure { reason: illegal.to_string() }))
    }

    /// The workflow of a published definition.
    pub(crate) fn workflow(
        &self,
        project: &Project,
        digest: &Digest,
    ) -> Result<Arc<dyn DynWorkflow>, LoadFailure> {
        let kept = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        if let Some(workflow) = kept {
            return Ok(workflow);
        }
        let published = project.definition_by_digest(digest).ok_or_else(|| LoadFailure {
            reason: format!(
                "no definition {digest} is published in the project `{}`",
                project.id()
            ),
        })?;
        let loaded = self.by(&published.language, |loader| loader.load(&published.source))?;
        let workflow = loaded.workflow;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(loaded.entry(*digest).or_insert(workflow)))
    }
}
