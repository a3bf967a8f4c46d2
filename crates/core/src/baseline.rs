//! The baselines that a project keeps: what it demands of every definition. What is in one the core
//! does not know; it keeps their sources, each for ever, as runs are judged by the one that was in
//! force when they began.

use std::{any::Any, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    calendars::Reading,
    command::Actor,
    id::{BaselineName, DefinitionName, Digest},
    project::ProjectEvent,
    refusal::{Refusal, RefusalCode},
    run::DefinitionRef,
    workflow::LoadFailure,
};

/// The role whose holders publish and withdraw baselines, as the project's owners may, too.
pub const BASELINE: &str = "baseline";

/// The longest source of a baseline, in bytes: an event holds it, as JSON.
pub const BASELINE_BYTES_MAX: usize = 256 * 1024;

/// Reads baselines, and judges definitions by them: how an engine that knows neither sees to it that
/// they are kept to.
pub trait BaselineReader: Send + Sync {
    /// Reads the source of a baseline. The same text must give the same answer, for ever.
    ///
    /// # Errors
    /// When `source` is not a baseline.
    fn read(&self, source: &str) -> Result<ReadBaseline, LoadFailure>;

    /// What a definition lacks of what a baseline demands; nothing, where it keeps to it.
    ///
    /// # Errors
    /// When one of them cannot be read, so that nobody knows.
    fn shortfalls(
        &self,
        baseline: &str,
        definition: &Judged<'_>,
    ) -> Result<Vec<Shortfall>, LoadFailure>;
}

/// A definition that is judged by a baseline.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Its name.
    pub name: &'a DefinitionName,
    /// The language of its source.
    pub language: &'a str,
    /// Its source.
    pub source: &'a str,
}

/// What a baseline says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBaseline {
    /// Its name.
    pub baseline: BaselineName,
    /// What it is about, in a line.
    pub title: String,
    /// What it demands, by name, in its order.
    pub requirements: Vec<String>,
}

/// Where a definition demands less than a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shortfall {
    /// The requirement.
    pub requirement: String,
    /// The line of the definition's source at which it is so, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Shortfall {
    /// In a line, for a refusal.
    fn in_words(&self) -> String {
        let Self { line, column, message, help, .. } = self;
        let help = help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
        format!("{line}:{column}: {message}{help}")
    }
}

/// Names a baseline as it was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineRef {
    /// Its name.
    pub name: BaselineName,
    /// How many baselines the project had published then, this one included.
    pub revision: u32,
    /// The digest of its source.
    pub digest: Digest,
}

impl BaselineRef {
    /// That a definition does not keep to it.
    #[must_use]
    pub fn refusal(&self, definition: &DefinitionRef, shortfalls: &[Shortfall]) -> Refusal {
        let DefinitionRef { name, version, .. } = definition;
        let refusal = Refusal::new(
            RefusalCode::BelowBaseline,
            format!(
                "`{name}` v{version} does not keep to the baseline `{}`, revision {}",
                self.name, self.revision
            ),
        );
        shortfalls.iter().fold(refusal, |refusal, one| refusal.needs(one.in_words()))
    }
}

/// A baseline as it was published.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PublishedBaseline {
    /// Its name, revision and digest.
    #[serde(flatten)]
    pub reference: BaselineRef,
    /// What it is about, in a line.
    pub title: String,
    /// Who published it.
    pub by: Actor,
    /// When.
    pub published: Timestamp,
    /// Why.
    pub reason: String,
    /// Its source, byte for byte as published.
    #[serde(skip)]
    pub source: String,
    #[serde(skip)]
    reading: Reading,
}

impl PublishedBaseline {
    /// What `read` makes of the source; it is asked once for as long as the baseline is kept.
    pub fn read_as<T: Any + Send + Sync>(&self, read: impl FnOnce(&str) -> T) -> Option<&T> {
        self.reading.read_as(|| read(&self.source))
    }
}

/// How a baseline came out of force without another taking its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withdrawn {
    /// Who withdrew it.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// All baselines that a project has published, the oldest first. At most the last is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baselines(Vec<(Arc<PublishedBaseline>, Option<Withdrawn>)>);

impl Baselines {
    /// The baseline that is in force.
    #[must_use]
    pub fn in_force(&self) -> Option<&PublishedBaseline> {
        match self.0.last() {
            Some((last, None)) => Some(last),
            _ => None,
        }
    }

    /// All of them, with how each was withdrawn, if it was.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&PublishedBaseline, Option<&Withdrawn>)> {
        self.0.iter().map(|(one, withdrawn)| (&**one, withdrawn.as_ref()))
    }

    /// The baseline with this revision.
    ///
    /// # Errors
    /// A refusal when there is none.
    pub fn find(&self, revision: u32) -> Result<&PublishedBaseline, Refusal> {
        let found = self.iter().find(|(one, _)| one.reference.revision == revision);
        found.map(|(one, _)| one).ok_or_else(|| {
            Refusal::new(
                RefusalCode::NotFound,
                format!("there is no baseline of revision {revision}"),
            )
            .needs(match self.0.len() {
                0 => "publish one: `holdpoint baseline publish FILE`".to_owned(),
                last => format!("there are those from 1 to {last}: `holdpoint baseline list`"),
            })
        })
    }

    /// The baseline with this digest, in force or not.
    #[must_use]
    pub fn by_digest(&self, digest: &Digest) -> Option<&PublishedBaseline> {
        self.iter().map(|(one, _)| one).find(|one| one.reference.digest == *digest)
    }

    pub(crate) fn publish(
        &self,
        name: &BaselineName,
        title: &str,
        source: &str,
        reason: &str,
    ) -> Result<ProjectEvent, Refusal> {
        let reason = reason.trim();
        let invalid = |message: String| Refusal::new(RefusalCode::InvalidInput, message);
        if reason.is_empty() {
            return Err(invalid("a baseline is published with a reason".to_owned()));
        }
        if source.len() > BASELINE_BYTES_MAX {
            return Err(invalid(format!(
                "the baseline has {} bytes, more than {BASELINE_BYTES_MAX}",
                source.len()
            )));
        }
        let digest = Digest::of(source.as_bytes());
        if let Some(there) = self.in_force().filter(|one| one.reference.digest == digest) {
            let BaselineRef { name, revision, .. } = &there.reference;
            return Err(Refusal::new(
                RefusalCode::AlreadyExists,
                format!("just this is in force already: `{name}`, revision {revision}"),
            )
            .needs("nothing is to be done; `holdpoint baseline show` shows it"));
        }
        Ok(ProjectEvent::BaselinePublished {
            baseline: name.clone(),
            revision: self.next(),
            digest,
            title: title.to_owned(),
            source: source.to_owned(),
            reason: reason.to_owned(),
        })
    }

    pub(crate) fn withdraw(&self, reason: &str) -> Result<ProjectEvent, Refusal> {
        let there = self.in_force().ok_or_else(|| {
            Refusal::new(RefusalCode::NotFound, "no baseline is in force")
                .needs("`holdpoint baseline list` has those that were")
        })?;
        let reason = reason.trim();
        if reason.is_empty() {
            let message = "a baseline is withdrawn with a reason";
            return Err(Refusal::new(RefusalCode::InvalidInput, message));
        }
        let BaselineRef { name, revision, .. } = there.reference.clone();
        Ok(ProjectEvent::BaselineWithdrawn { baseline: name, revision, reason: reason.to_owned() })
    }

    fn next(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Adds that a baseline was published.
    pub(crate) fn put(
        &mut self,
        reference: BaselineRef,
        title: String,
        source: String,
        reason: String,
        (by, published): (Actor, Timestamp),
    ) -> Result<(), String> {
        if reference.revision != self.next() {
            return Err(format!("revision {} is not the next", reference.revision));
        }
        if Digest::of(source.as_bytes()) != reference.digest {
            return Err("the baseline's digest is not its source's".to_owned());
        }
        let reading = Reading::default();
        let one = PublishedBaseline { reference, title, by, published, reason, source, reading };
        self.0.push((Arc::new(one), None));
        Ok(())
    }

    /// Adds that the baseline that was in force is so no more.
    pub(crate) fn remove(&mut self, revision: u32, withdrawn: Withdrawn) -> Result<(), String> {
        match self.0.last_mut() {
            Some((one, end @ None)) if one.reference.revision == revision => {
                *end = Some(withdrawn);
                Ok(())
            }
            _ => Err(format!("revision {revision} is not in force")),
        }
    }
}
