//! The read model: what lists and lookups need, derived from the log into SQLite.
//!
//! It follows the log with a watermark: everything up to that position is in it. Updates come
//! from the shards in any order and are applied in the order of the log, so that the number of a
//! run depends on the log alone. The file can be deleted at any time; the next start builds it
//! again. A transaction holds the updates together with the watermark, so a power failure can
//! only take it back, never tear it. Where the file cannot be written to any more, a copy in memory
//! goes on for as long as the engine runs.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, Thread},
};

use holdpoint_core::{Claims, EventId, ItemName, ProjectId, RunId, Seen, Sequence, Version};
use jiff::Timestamp;
use rusqlite::{
    Connection, OptionalExtension, config::DbConfig, params, params_from_iter,
    types::Value as SqlValue,
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

use crate::{
    broken::BROKEN,
    failure::QueryFailure,
    query::{RunFilter, RunRow},
};

mod numbers;
mod writer;

pub use numbers::{numbered, numbers};

use writer::{Writer, put, set_watermark};

/// Raised whenever the tables change, and whenever a snapshot lacks what replay would give, such as how a run
/// has left each state; a file of another version is built again.
const SCHEMA_VERSION: i64 = 5;

const SCHEMA: &str = "
    CREATE TABLE watermark (sequence INTEGER NOT NULL, event TEXT NOT NULL);
    CREATE TABLE projects (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, project TEXT NOT NULL, number INTEGER NOT NULL,
        status TEXT NOT NULL, digest TEXT NOT NULL, sequence INTEGER NOT NULL,
        working INTEGER NOT NULL, wake_at TEXT, watches TEXT, body TEXT NOT NULL, locks TEXT,
        UNIQUE (project, number)
    );
    CREATE INDEX runs_by_sequence ON runs (sequence);
    CREATE INDEX runs_working ON runs (working) WHERE working = 1;
    CREATE INDEX runs_locking ON runs (id) WHERE locks IS NOT NULL;
    CREATE INDEX runs_waking ON runs (id) WHERE wake_at IS NOT NULL;
    CREATE INDEX runs_watching ON runs (project) WHERE watches IS NOT NULL;
    CREATE TABLE snapshots (run TEXT PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB NOT NULL);
    INSERT INTO watermark VALUES (0, '');
";

/// How many updates may wait for the writer before the shards wait for it.
const UPDATES_WAITING_MAX: usize = 8192;

/// A run as the read model keeps it.
#[derive(Debug, Clone)]
pub(crate) struct RunRecord {
    /// The row; its number is given by the read model.
    pub row: RunRow,
    /// When the run must be woken, at the earliest.
    pub wake_at: Option<Timestamp>,
    /// The calendars and lockdowns that it goes by, as it has seen them.
    pub watches: Seen,
    /// Whether there is work for machines.
    pub working: bool,
    /// The locks that it holds and waits for.
    pub claims: Claims,
}

/// A run that goes by calendars or lockdowns.
#[derive(Debug)]
pub(crate) struct Watching {
    pub run: RunId,
    pub project: ProjectId,
    /// These as the run has seen them.
    pub seen: Seen,
}

/// A change that the shards tell.
#[derive(Debug)]
pub(crate) enum Update {
    /// Events were committed.
    Committed { first: Sequence, last: Sequence, event: EventId, subject: Subject },
    /// A run cannot be loaded: what is known of it, although nothing has happened.
    Broken(Box<RunRecord>),
    /// A run leaves memory.
    Snapshot { run: RunId, version: Version, bytes: Vec<u8> },
}

/// Whose events were committed.
#[derive(Debug)]
pub(crate) enum Subject {
    Run(Box<RunRecord>),
    Project(ProjectId),
    /// Events of a run that is not in memory any more: there is nothing to keep of them, and what
    /// comes after them must not wait for them.
    Unreadable,
}

/// Where a run is to be found.
#[derive(Debug)]
pub(crate) struct Located {
    pub project: ProjectId,
    pub snapshot: Option<Vec<u8>>,
}

/// How far the read model has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub watermark: Sequence,
    failed: Option<String>,
    in_memory: Option<String>,
}

/// The tables, for reading; and the way to tell the writer of changes.
#[derive(Clone)]
pub(crate) struct ReadModel {
    tables: Arc<Mutex<Connection>>,
    updates: mpsc::Sender<Update>,
    progress: watch::Receiver<Progress>,
    wanted: Arc<AtomicU64>,
    writer: Arc<Awake>,
}

/// Ends the writer's pause when it is let go, so that the tables are not written to long after.
struct Awake(Thread);

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.unpark();
    }
}

fn lock(tables: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic while the lock was held leaves SQLite itself consistent: the transaction is undone.
    tables.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: Option<&Path>) -> Result<Connection, rusqlite::Error> {
    let connection = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    if path.is_some() {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
    }
    // Without it SQLite plans a statement again whenever other values are bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// A copy of the tables in memory.
fn in_memory(tables: &Connection) -> Result<Connection, QueryFailure> {
    let mut copy = Tables::create(connect(None)?, None)?.writing;
    let filling = copy.transaction()?;
    for table in ["watermark", "projects", "runs", "snapshots"] {
        filling.execute(&format!("DELETE FROM {table}"), [])?;
        let mut all = tables.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = all.column_count();
        let places = vec!["?"; columns].join(", ");
        let mut add = filling.prepare(&format!("INSERT INTO {table} VALUES ({places})"))?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let values: Result<Vec<SqlValue>, _> = (0..columns).map(|n| row.get(n)).collect();
            add.execute(params_from_iter(values?))?;
        }
    }
    filling.commit()?;
    Ok(copy)
}

/// The tables before the engine runs: to be brought up to the log's head.
pub(crate) struct Tables {
    writing: Connection,
    /// Another view of the same file, so that who reads does not wait for who writes; tables in
    /// memory have only one.
    reading: Option<Connection>,
}

impl Tables {
    /// Opens the tables, in memory when `path` is `None`; those that cannot be used are replaced
    /// by empty ones.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, QueryFailure> {
        let Some(path) = path else {
            return Self::create(connect(None)?, None);
        };
        match Self::open_file(path) {
            Ok(Some(tables)) => return Ok(tables),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the read model is built again");
            }
        }
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.as_os_str().to_owned();
            file.push(suffix);
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(QueryFailure::ReadModel(format!(
                        "cannot remove `{}`: {error}",
                        Path::new(&file).display()
                    )));
                }
                _ => {}
            }
        }
        Self::create(connect(Some(path))?, Some(path))
    }

    fn open_file(path: &Path) -> Result<Option<Self>, rusqlite::Error> {
        if !path.exists() {
            return Ok(None);
        }
        let writing = connect(Some(path))?;
        let version: i64 = writing.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let reading = Some(connect(Some(path))?);
        Ok((version == SCHEMA_VERSION).then_some(Self { writing, reading }))
    }

    fn create(writing: Connection, path: Option<&Path>) -> Result<Self, QueryFailure> {
        writing.execute_batch(SCHEMA)?;
        writing.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        let reading = path.map(|path| connect(Some(path))).transpose()?;
        Ok(Self { writing, reading })
    }

    /// The watermark, and the id of the event there.
    pub(crate) fn watermark(&self) -> Result<(Sequence, String), QueryFailure> {
        Ok(self.writing.query_row("SELECT sequence, event FROM watermark", [], |row| {
            Ok((Sequence(from_sql(row.get(0)?)), row.get(1)?))
        })?)
    }

    /// Empties the tables: they belong to another log.
    pub(crate) fn clear(&mut self) -> Result<(), QueryFailure> {
        Ok(self.writing.execute_batch(
            "BEGIN; DELETE FROM projects; DELETE FROM runs; DELETE FROM snapshots;
             UPDATE watermark SET sequence = 0, event = ''; COMMIT;",
        )?)
    }

    /// Brings subjects and the watermark up to date at once.
    pub(crate) fn catch_up(
        &mut self,
        subjects: Vec<Subject>,
        watermark: Sequence,
        event: EventId,
    ) -> Result<(), QueryFailure> {
        let transaction = self.writing.transaction()?;
        for mut subject in subjects {
            put(&transaction, &mut subject)?;
        }
        set_watermark(&transaction, watermark, event)?;
        Ok(transaction.commit()?)
    }

    /// Brings subjects up to date of which nothing has happened since.
    pub(crate) fn put(&mut self, subjects: Vec<Subject>) -> Result<(), QueryFailure> {
        let transaction = self.writing.transaction()?;
        for mut subject in subjects {
            put(&transaction, &mut subject)?;
        }
        Ok(transaction.commit()?)
    }

    /// The runs that are listed as broken.
    pub(crate) fn broken(&self) -> Result<Vec<(ProjectId, RunId)>, QueryFailure> {
        let mut query = self.writing.prepare(
            "SELECT project, id FROM runs
             WHERE working = 1 AND substr(json_extract(body, '$.state'), 1, length(?1)) = ?1",
        )?;
        let rows = query
            .query_map([BROKEN], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (project, id) = row?;
            Ok((parse(&project)?, parse(&id)?))
        })
        .collect()
    }

    /// What is known of the locks of a run.
    pub(crate) fn claims_of(&self, run: RunId) -> Result<Claims, QueryFailure> {
        claims_of(&self.writing, run)
    }

    /// All projects.
    pub(crate) fn projects(&self) -> Result<Vec<ProjectId>, QueryFailure> {
        let mut query = self.writing.prepare("SELECT id FROM projects ORDER BY id")?;
        let ids = query.query_map([], |row| row.get::<_, String>(0))?;
        ids.map(|id| parse(&id?)).collect()
    }

    /// The highest id of a run.
    pub(crate) fn highest(&self) -> Result<Option<RunId>, QueryFailure> {
        let highest: Option<String> =
            self.writing.query_row("SELECT max(id) FROM runs", [], |row| row.get(0))?;
        highest.map(|id| parse(&id)).transpose()
    }

    /// See [`ReadModel::locate`].
    pub(crate) fn locate(&self, run: RunId) -> Result<Option<Located>, QueryFailure> {
        locate(&self.writing, run)
    }

    /// Starts the writer; from now on the tables follow the shards.
    pub(crate) fn follow(self, head: Sequence) -> Result<ReadModel, QueryFailure> {
        let writing = Arc::new(Mutex::new(self.writing));
        let reading = self.reading.map(|reading| Arc::new(Mutex::new(reading)));
        let tables = reading.unwrap_or_else(|| Arc::clone(&writing));
        let (updates, waiting) = mpsc::channel(UPDATES_WAITING_MAX);
        let (tell, progress) =
            watch::channel(Progress { watermark: head, failed: None, in_memory: None });
        let wanted = Arc::default();
        let asked = Arc::clone(&tables);
        let writer = Writer::new(writing, asked, waiting, Arc::clone(&wanted), head, tell);
        let thread = thread::Builder::new()
            .name("holdpoint-read-model".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| QueryFailure::ReadModel(error.to_string()))?;
        let writer = Arc::new(Awake(thread.thread().clone()));
        Ok(ReadModel { tables, updates, progress, wanted, writer })
    }
}

impl ReadModel {
    /// Tells a change. A writer that has failed is reported to those who read.
    pub(crate) async fn tell(&self, update: Update) {
        let sent = match self.updates.try_send(update) {
            Ok(()) => true,
            Err(TrySendError::Full(update)) => {
                self.writer.0.unpark();
                self.updates.send(update).await.is_ok()
            }
            Err(TrySendError::Closed(_)) => false,
        };
        if !sent {
            tracing::warn!("the read model has stopped; a restart builds it again");
        }
    }

    /// Has what was told up to `sequence` written soon.
    pub(crate) fn want(&self, sequence: Sequence) {
        if self.wanted.fetch_max(sequence.0, Ordering::AcqRel) < sequence.0 {
            self.writer.0.unpark();
        }
    }

    /// Why it goes on in memory, if its file could not be written to any more.
    pub(crate) fn in_memory(&self) -> Option<String> {
        self.progress.borrow().in_memory.clone()
    }

    /// How far the read model has come.
    pub(crate) fn watermark(&self) -> Sequence {
        self.progress.borrow().watermark
    }

    /// Waits until everything up to `sequence` is in the read model.
    pub(crate) async fn reaches(&self, sequence: Sequence) -> Result<(), QueryFailure> {
        self.want(sequence);
        let mut progress = self.progress.clone();
        let reached = progress
            .wait_for(|progress| progress.failed.is_some() || progress.watermark >= sequence)
            .await
            .map_err(|_| QueryFailure::Stopped)?;
        match &reached.failed {
            Some(reason) => Err(QueryFailure::ReadModel(reason.clone())),
            None => Ok(()),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, QueryFailure> + Send + 'static,
    ) -> Result<T, QueryFailure> {
        let tables = Arc::clone(&self.tables);
        tokio::task::spawn_blocking(move || question(&lock(&tables)))
            .await
            .map_err(|error| QueryFailure::ReadModel(error.to_string()))?
    }

    /// Where a run is to be found, and its snapshot if there is one.
    pub(crate) async fn locate(&self, run: RunId) -> Result<Option<Located>, QueryFailure> {
        self.ask(move |tables| locate(tables, run)).await
    }

    /// The row of a run.
    pub(crate) async fn row(&self, run: RunId) -> Result<Option<RunRow>, QueryFailure> {
        self.ask(move |tables| {
            let body: Option<String> = tables
                .prepare_cached("SELECT body FROM runs WHERE id = ?1")?
                .query_row([run.to_string()], |row| row.get(0))
                .optional()?;
            body.map(|body| read_body(&body)).transpose()
        })
        .await
    }

    /// What is known of the locks of a run.
    pub(crate) async fn claims_of(&self, run: RunId) -> Result<Claims, QueryFailure> {
        self.ask(move |tables| claims_of(tables, run)).await
    }

    /// The rows that `filter` lets through, the newest first.
    pub(crate) async fn rows(&self, filter: RunFilter) -> Result<Vec<RunRow>, QueryFailure> {
        self.ask(move |tables| {
            let mut query = tables.prepare_cached(
                "SELECT body FROM runs
                 WHERE (?1 IS NULL OR project = ?1) AND (?2 IS NULL OR status = ?2)
                 AND (?4 IS NULL OR json_extract(body, '$.parent') = ?4)
                 ORDER BY project, number DESC LIMIT ?3",
            )?;
            let project = filter.project.map(|project| project.to_string());
            let limit = filter.limit.map_or(-1, i64::from);
            let parent = filter.parent.map(|parent| parent.to_string());
            let bodies = query
                .query_map(params![project, filter.status, limit, parent], |row| {
                    row.get::<_, String>(0)
                })?;
            bodies.map(|body| read_body(&body?)).collect()
        })
        .await
    }

    /// The runs with this number: one for each project that has so many, or the one of `project`.
    pub(crate) async fn numbered(
        &self,
        project: Option<ProjectId>,
        number: u64,
    ) -> Result<Vec<RunId>, QueryFailure> {
        self.ask(move |tables| {
            let mut query = tables.prepare_cached(
                "SELECT id FROM runs WHERE number = ?1 AND (?2 IS NULL OR project = ?2)",
            )?;
            let project = project.map(|project| project.to_string());
            let ids =
                query.query_map(params![to_sql(number), project], |row| row.get::<_, String>(0))?;
            ids.map(|id| parse(&id?)).collect()
        })
        .await
    }

    /// What runs hold and wait for, of all projects or of one.
    pub(crate) async fn claims(
        &self,
        project: Option<ProjectId>,
    ) -> Result<Vec<(RunId, ProjectId, u64, Claims)>, QueryFailure> {
        self.ask(move |tables| {
            let mut query = tables.prepare_cached(
                "SELECT id, project, number, locks FROM runs
                 WHERE locks IS NOT NULL AND (?1 IS NULL OR project = ?1)",
            )?;
            let project = project.map(|project| project.to_string());
            let found = query.query_map([project], |row| {
                let id = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
                Ok((id, row.get(2)?, row.get::<_, String>(3)?))
            })?;
            found
                .map(|row| {
                    let ((id, project), number, locks) = row?;
                    let claims = serde_json::from_str(&locks)
                        .map_err(|error| QueryFailure::ReadModel(error.to_string()))?;
                    Ok((parse(&id)?, parse(&project)?, from_sql(number), claims))
                })
                .collect()
        })
        .await
    }

    /// The items whose locks a run holds, as far as it could be read.
    pub(crate) async fn held(
        &self,
        project: &ProjectId,
        run: RunId,
    ) -> Result<BTreeSet<ItemName>, QueryFailure> {
        let claims = self.claims(Some(project.clone())).await?;
        let own = claims.into_iter().filter(|(one, ..)| *one == run);
        Ok(own.flat_map(|(.., claims)| claims.held.into_keys()).collect())
    }

    /// The runs that machines work for, and those to be woken with the time.
    pub(crate) async fn owed(&self) -> Result<(Vec<RunId>, Vec<(RunId, Timestamp)>), QueryFailure> {
        self.ask(|tables| {
            let mut query = tables.prepare("SELECT id FROM runs WHERE working = 1")?;
            let ids = query.query_map([], |row| row.get::<_, String>(0))?;
            let working = ids.map(|id| parse(&id?)).collect::<Result<_, QueryFailure>>()?;
            let mut query =
                tables.prepare("SELECT id, wake_at FROM runs WHERE wake_at IS NOT NULL")?;
            let wakes = query
                .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            let waking = wakes
                .map(|wake| {
                    let (id, at) = wake?;
                    Ok((parse(&id)?, parse(&at)?))
                })
                .collect::<Result<_, QueryFailure>>()?;
            Ok((working, waking))
        })
        .await
    }

    /// The runs that go by calendars or lockdowns, of all projects or of one.
    pub(crate) async fn watching(
        &self,
        project: Option<ProjectId>,
    ) -> Result<Vec<Watching>, QueryFailure> {
        self.ask(move |tables| {
            let mut query = tables.prepare_cached(
                "SELECT id, project, watches FROM runs
                 WHERE watches IS NOT NULL AND (?1 IS NULL OR project = ?1)",
            )?;
            let project = project.map(|project| project.to_string());
            let rows = query.query_map(params![project], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            rows.map(|row| {
                let (run, project, seen) = row?;
                let seen = serde_json::from_str(&seen)
                    .map_err(|error| QueryFailure::ReadModel(error.to_string()))?;
                Ok(Watching { run: parse(&run)?, project: parse(&project)?, seen })
            })
            .collect()
        })
        .await
    }
}

fn locate(tables: &Connection, run: RunId) -> Result<Option<Located>, QueryFailure> {
    let found = tables
        .prepare_cached(
            "SELECT project, bytes FROM runs LEFT JOIN snapshots ON run = id WHERE id = ?1",
        )?
        .query_row([run.to_string()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .optional()?;
    found.map(|(project, snapshot)| Ok(Located { project: parse(&project)?, snapshot })).transpose()
}

fn claims_of(tables: &Connection, run: RunId) -> Result<Claims, QueryFailure> {
    let locks: Option<String> = tables
        .query_row("SELECT locks FROM runs WHERE id = ?1", [run.to_string()], |row| row.get(0))
        .optional()?
        .flatten();
    let read = locks.map(|locks| serde_json::from_str(&locks)).transpose();
    Ok(read.map_err(|error| QueryFailure::ReadModel(error.to_string()))?.unwrap_or_default())
}

fn read_body(body: &str) -> Result<RunRow, QueryFailure> {
    serde_json::from_str(body).map_err(|error| QueryFailure::ReadModel(error.to_string()))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, QueryFailure> {
    text.parse().map_err(|error| QueryFailure::ReadModel(format!("`{text}`: {error}")))
}

/// SQLite's integers are signed; no log comes near the limit.
fn to_sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn from_sql(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
