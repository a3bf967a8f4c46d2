//! Putting an engine together.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use holdpoint_core::{
    BaselineReader, CalendarReader, DefinitionName, LoadFailure, Loader, Version,
    workflow::{DynWorkflow, LoadedDefinition},
};
use holdpoint_log::EventLog;
use tokio::sync::{mpsc, watch};

use crate::{
    activity::ActivityHandler,
    baselines::Judge,
    catalog::Catalog,
    children::Nursery,
    clock::{Clock, SystemClock},
    conflict_desk::{ConflictDesk, ConflictNews, TellConflicts},
    conflicts::Looker,
    engine::{Acknowledged, Engine, Shared, shard_of},
    failure::StartFailure,
    files::EvidenceFiles,
    limit_desk::LimitDesk,
    limits::{Limiter, QueueLimits},
    load::Library,
    locks::LockDesk,
    masking::{Mask, Masked},
    projects::{COMMANDS_WAITING_MAX, ProjectDesk, Projects, changed},
    read_model::Tables,
    recent::Recent,
    recovery,
    shard::{ASKS_WAITING_MAX, Ask, Shard},
    workers::{Leased, Pool},
};

/// Where the read model is kept. It is derived from the log and can be deleted at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReadModelAt {
    /// In memory: built again at every start.
    #[default]
    Memory,
    /// In this file.
    File(PathBuf),
}

/// Whether the engine does what runs are owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effects {
    /// Timers fire and activities are attempted.
    #[default]
    Perform,
    /// Commands are decided and nothing else happens: timers and activities wait for an engine
    /// that performs them. For tools that record one decision and leave.
    LeaveAlone,
}

/// The language of workflows written in Rust; see [`rust_source`].
const RUST: &str = "rust";

/// How many runs a shard keeps in memory by default.
const RESIDENT_RUNS_MAX: usize = 1024;

/// The source under which a workflow written in Rust is published (language `rust`): it names the
/// type that the engine was built with.
#[must_use]
pub fn rust_source(name: &DefinitionName, version: u32) -> String {
    format!("{name} {version}")
}

/// Workflows written in Rust, by their published source.
#[derive(Default)]
struct RustWorkflows(BTreeMap<String, LoadedDefinition>);

impl Loader for RustWorkflows {
    fn language(&self) -> &str {
        RUST
    }

    fn load(&self, source: &str) -> Result<LoadedDefinition, LoadFailure> {
        self.0.get(source).cloned().ok_or_else(|| LoadFailure {
            reason: format!("this engine was built without the Rust workflow `{source}`"),
        })
    }
}

/// Puts an [`Engine`] together.
#[must_use = "an engine runs only once it is started"]
pub struct EngineBuilder {
    log: Option<Arc<dyn EventLog>>,
    read_model: ReadModelAt,
    loaders: Vec<Arc<dyn Loader>>,
    rust: RustWorkflows,
    handlers: HashMap<String, Arc<dyn ActivityHandler>>,
    knows_handlers: bool,
    queues: BTreeMap<String, QueueLimits>,
    /// The queues from which workers lease activities, by their names.
    leased: BTreeMap<String, String>,
    clock: Arc<dyn Clock>,
    shards: usize,
    effects: Effects,
    resident_runs_max: usize,
    calendars: Option<Arc<dyn CalendarReader>>,
    baselines: Option<Arc<dyn BaselineReader>>,
    files: Option<Arc<dyn EvidenceFiles>>,
    mask: Mask,
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self {
            log: None,
            read_model: ReadModelAt::Memory,
            loaders: Vec::new(),
            rust: RustWorkflows::default(),
            handlers: HashMap::new(),
            knows_handlers: true,
            queues: BTreeMap::new(),
            leased: BTreeMap::new(),
            clock: Arc::new(SystemClock),
            shards: std::thread::available_parallelism().map_or(1, usize::from),
            effects: Effects::Perform,
            resident_runs_max: RESIDENT_RUNS_MAX,
            calendars: None,
            baselines: None,
            files: None,
            mask: Arc::new(str::to_owned),
        }
    }
}

impl EngineBuilder {
    /// The log: the truth. Needed.
    pub fn log(mut self, log: Arc<dyn EventLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// Where the read model is kept; in memory by default.
    pub fn read_model(mut self, at: ReadModelAt) -> Self {
        self.read_model = at;
        self
    }

    /// A language in which definitions are written.
    pub fn loader(mut self, loader: Arc<dyn Loader>) -> Self {
        self.loaders.push(loader);
        self
    }

    /// Who reads calendars: without one, none can be published.
    pub fn calendars(mut self, reader: Arc<dyn CalendarReader>) -> Self {
        self.calendars = Some(reader);
        self
    }

    /// Who reads baselines, and judges definitions by them: without one, none can be published, and in a
    /// project that has one nothing is.
    pub fn baselines(mut self, reader: Arc<dyn BaselineReader>) -> Self {
        self.baselines = Some(reader);
        self
    }

    /// Where the files of evidence are: they are looked at before a person's command that could release a hold
    /// which demands them. Without it nobody does.
    pub fn evidence_files(mut self, files: Arc<dyn EvidenceFiles>) -> Self {
        self.files = Some(files);
        self
    }

    /// A workflow written in Rust. It can be used once it was published like any other, with
    /// language `rust` and [`rust_source`]. A change to the type that changes how it replays needs
    /// a new version, and the old one must stay registered while runs are pinned to it.
    pub fn workflow(
        mut self,
        name: DefinitionName,
        version: u32,
        title: impl Into<String>,
        workflow: Arc<dyn DynWorkflow>,
    ) -> Self {
        let source = rust_source(&name, version);
        let loaded = LoadedDefinition { name, version, title: title.into(), workflow };
        self.rust.0.insert(source, loaded);
        self
    }

    /// Who does the activities of this name. An activity that nobody does is not begun: its run
    /// rests until an engine runs that can do it.
    pub fn activity(mut self, name: impl Into<String>, handler: Arc<dyn ActivityHandler>) -> Self {
        self.handlers.insert(name.into(), handler);
        self
    }

    /// It is not known which activities can be done: nothing is said of that. For an engine that leaves effects
    /// alone.
    pub fn activities_unknown(mut self) -> Self {
        self.knows_handlers = false;
        self
    }

    /// Activities of this name are done by workers that lease them from this queue, see
    /// [`Engine::lease`].
    pub fn leased(mut self, name: impl Into<String>, queue: impl Into<String>) -> Self {
        self.leased.insert(name.into(), queue.into());
        self
    }

    /// How secrets are masked in each text of what attempts answer, also those that were
    /// [leased](Self::leased), before anything is recorded of it; they are not by default.
    pub fn masking(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// How many attempts of a queue may be under way, and how fast they may begin.
    pub fn queue(mut self, name: impl Into<String>, limits: QueueLimits) -> Self {
        self.queues.insert(name.into(), limits);
        self
    }

    /// Where time comes from; the machine's clock by default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Over how many tasks runs are spread, at least one; as many as there are cores by default.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// Whether the engine does what runs are owed; it does by default.
    pub fn effects(mut self, effects: Effects) -> Self {
        self.effects = effects;
        self
    }

    /// How many runs a shard keeps in memory while nothing happens to them; 1,024 by default.
    pub fn resident_runs_max(mut self, runs: usize) -> Self {
        self.resident_runs_max = runs;
        self
    }

    /// Starts the engine: replays what its read model has not seen, and takes up what runs are
    /// owed. Must be called inside a tokio runtime with time enabled.
    ///
    /// # Errors
    /// See [`StartFailure`].
    pub async fn start(mut self) -> Result<Engine, StartFailure> {
        let log = self.log.ok_or(StartFailure::NoLog)?;
        self.loaders.push(Arc::new(self.rust));
        let projects = Projects::default();
        let catalog =
            Arc::new(Catalog::new(self.loaders, self.calendars, Judge::new(self.baselines)));
        let library = Library {
            log: Arc::clone(&log),
            catalog: Arc::clone(&catalog),
            projects: projects.clone(),
            files: self.files,
            refusing: watch::Sender::new(None),
        };
        let mut tables = match &self.read_model {
            ReadModelAt::Memory => Tables::open(None)?,
            ReadModelAt::File(path) => Tables::open(Some(path))?,
        };
        let head = recovery::recover(&library, &mut tables).await?;
        let highest = tables.highest()?;
        let read_model = tables.follow(head)?;
        let acknowledged = Acknowledged::default();
        acknowledged.raise(head);

        let mut tasks = Vec::new();
        let (desk, asks) = mpsc::channel(COMMANDS_WAITING_MAX);
        let nursery = Nursery::new(library.clone());
        let pool = Arc::new(Pool::new(Arc::clone(&self.clock)));
        for (name, queue) in self.leased {
            let pool = Arc::clone(&pool);
            self.handlers.insert(name, Arc::new(Leased { pool, queue }));
        }
        for handler in self.handlers.values_mut() {
            *handler = Arc::new(Masked::new(Arc::clone(handler), Arc::clone(&self.mask)));
        }
        let handlers = Arc::new(self.handlers);
        let mut shards = Vec::with_capacity(self.shards);
        let performs = self.effects == Effects::Perform;
        let (locks, news) = mpsc::unbounded_channel();
        let locks = performs.then_some(locks);
        let (conflicts, conflict_news) = TellConflicts::new();
        let (limits, limit_news) = mpsc::unbounded_channel();
        for _ in 0..self.shards {
            let (send, asks) = mpsc::channel(ASKS_WAITING_MAX);
            let shard = Shard::new(
                asks,
                library.clone(),
                read_model.clone(),
                Arc::clone(&self.clock),
                Arc::clone(&handlers),
                self.effects,
                self.resident_runs_max,
                acknowledged.clone(),
                locks.clone(),
                performs.then(|| conflicts.clone()),
                limits.clone(),
                Recent::above(highest),
                nursery.clone(),
            );
            tasks.push(tokio::spawn(shard.run()));
            shards.push(send);
        }
        nursery.opens(&shards);
        let limit_desk = LimitDesk {
            news: limit_news,
            limiter: Limiter::new(self.queues),
            clock: Arc::clone(&self.clock),
            shards: shards.clone(),
        };
        tasks.push(tokio::spawn(limit_desk.run()));
        let project_desk = ProjectDesk {
            asks,
            library: library.clone(),
            clock: Arc::clone(&self.clock),
            read_model: read_model.clone(),
            acknowledged: acknowledged.clone(),
            shards: if self.effects == Effects::Perform { shards.clone() } else { Vec::new() },
        };
        tasks.push(tokio::spawn(project_desk.run()));
        if performs {
            let runs = read_model.claims(None).await?;
            for (run, project, _, claims) in &runs {
                if let Some(effect) = &claims.looks {
                    // What it has seen is not known, so it is looked for again.
                    let (project, asks) = (project.clone(), Some(effect.clone()));
                    let version = Version::ZERO;
                    conflicts.tell(ConflictNews::Run { run: *run, project, version, asks });
                }
            }
            let looker = Looker {
                shards: shards.clone(),
                read_model: read_model.clone(),
                acknowledged: acknowledged.clone(),
                clock: Arc::clone(&self.clock),
            };
            let tell = conflicts.clone();
            let desk = ConflictDesk::new(conflict_news, tell, looker, projects.clone());
            tasks.push(tokio::spawn(desk.run()));
            let runs =
                runs.into_iter().map(|(run, project, _, claims)| (run, project, claims)).collect();
            tasks.push(tokio::spawn(LockDesk::new(runs, news, shards.clone()).run()));
            let (working, waking) = read_model.owed().await?;
            let watching = changed(&projects, read_model.watching(None).await?);
            let asks = working
                .into_iter()
                .chain(watching)
                .map(|run| (run, Ask::Resume(run)))
                .chain(waking.into_iter().map(|(run, at)| (run, Ask::WakeAt(run, at))));
            for (run, ask) in asks {
                if let Some(shard) = shards.get(shard_of(run, self.shards)) {
                    // A shard that cannot be reached has ended, and says so when it is asked.
                    let _ = shard.send(ask).await;
                }
            }
        }
        Ok(Engine {
            shared: Arc::new(Shared {
                shards,
                desk,
                library,
                clock: self.clock,
                handlers,
                knows_handlers: self.knows_handlers,
                read_model,
                nursery,
                acknowledged,
                locks,
                conflicts: performs.then_some(conflicts),
                limits,
                pool,
                tasks: tokio::sync::Mutex::new(tasks),
            }),
        })
    }
}
