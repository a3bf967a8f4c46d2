//! The writer of the read model: a thread of its own, which gathers what the shards tell.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use holdpoint_core::{EventId, RunId, Sequence, Version};
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, watch};

use super::{
    Progress, RunRecord, Subject, UPDATES_WAITING_MAX, Update, from_sql, in_memory, lock, to_sql,
};
use crate::failure::QueryFailure;

/// How long the writer lets updates gather that nobody wants yet: of a run that is committed to
/// several times meanwhile only the last state is written.
const PAUSE: Duration = Duration::from_millis(50);

/// Applies updates in the order of the log.
pub(super) struct Writer {
    tables: Arc<Mutex<Connection>>,
    /// What those read who ask.
    reading: Arc<Mutex<Connection>>,
    waiting: mpsc::Receiver<Update>,
    /// What is wanted soon: everything up to this sequence.
    wanted: Arc<AtomicU64>,
    /// Commits that are not next yet, by their first sequence.
    ahead: BTreeMap<Sequence, (Sequence, EventId, Subject)>,
    watermark: Sequence,
    /// Why it goes on in memory, if it does.
    in_memory: Option<String>,
    tell: watch::Sender<Progress>,
}

/// What is to be written at once.
struct Changes {
    subjects: Vec<Subject>,
    broken: Vec<RunRecord>,
    snapshots: Vec<(RunId, Version, Vec<u8>)>,
    /// Up to where, and the event there, if there is a new one.
    reached: (Sequence, Option<EventId>),
}

impl Writer {
    pub(super) const fn new(
        tables: Arc<Mutex<Connection>>,
        reading: Arc<Mutex<Connection>>,
        waiting: mpsc::Receiver<Update>,
        wanted: Arc<AtomicU64>,
        watermark: Sequence,
        tell: watch::Sender<Progress>,
    ) -> Self {
        Self {
            tables,
            reading,
            waiting,
            wanted,
            ahead: BTreeMap::new(),
            watermark,
            in_memory: None,
            tell,
        }
    }

    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        while self.waiting.blocking_recv_many(&mut batch, UPDATES_WAITING_MAX) > 0 {
            // Whoever wants something ends the pause.
            if self.wanted.load(Ordering::Acquire) <= self.watermark.0 {
                thread::park_timeout(PAUSE);
            }
            while batch.len() < UPDATES_WAITING_MAX
                && let Ok(update) = self.waiting.try_recv()
            {
                batch.push(update);
            }
            let applied = self.apply(std::mem::take(&mut batch));
            let failed = applied.err().map(|failure| match failure {
                QueryFailure::ReadModel(reason) => reason,
                other => other.to_string(),
            });
            let stop = failed.is_some();
            let (watermark, in_memory) = (self.watermark, self.in_memory.clone());
            self.tell.send_replace(Progress { watermark, failed, in_memory });
            if stop {
                return;
            }
        }
    }

    fn apply(&mut self, updates: Vec<Update>) -> Result<(), QueryFailure> {
        let mut changes = self.gather(updates);
        if let Err(failure) = write(&self.tables, &mut changes) {
            self.go_on_in_memory(failure)?;
            write(&self.tables, &mut changes)?;
        }
        (self.watermark, _) = changes.reached;
        Ok(())
    }

    /// What is next in the order of the log.
    fn gather(&mut self, updates: Vec<Update>) -> Changes {
        let (mut snapshots, mut broken) = (Vec::new(), Vec::new());
        for update in updates {
            match update {
                Update::Committed { first, last, event, subject } => {
                    self.ahead.insert(first, (last, event, subject));
                }
                Update::Broken(record) => broken.push(*record),
                Update::Snapshot { run, version, bytes } => snapshots.push((run, version, bytes)),
            }
        }
        // Of a run that was committed to several times only the last state is worth writing, but
        // its place among the new runs is that of its first, for the sake of its number.
        let mut subjects: Vec<Subject> = Vec::new();
        let mut place: HashMap<RunId, usize> = HashMap::new();
        let mut reached = (self.watermark, None);
        while let Some((last, event, subject)) = self.ahead.remove(&reached.0.next()) {
            reached = (last, Some(event));
            let known = match &subject {
                Subject::Run(record) => {
                    let next = subjects.len();
                    let at = *place.entry(record.row.id).or_insert(next);
                    subjects.get_mut(at)
                }
                Subject::Project(_) | Subject::Unreadable => None,
            };
            match known {
                Some(earlier) => *earlier = subject,
                None => subjects.push(subject),
            }
        }
        Changes { subjects, broken, snapshots, reached }
    }

    /// Goes on with a copy in memory, where the file cannot be written to any more, as on a full disk: who reads
    /// does not suffer from it, and the next start brings the file up to date.
    fn go_on_in_memory(&mut self, failure: QueryFailure) -> Result<(), QueryFailure> {
        if Arc::ptr_eq(&self.tables, &self.reading) {
            return Err(failure);
        }
        // Where it cannot even be read, that it could not be written to is what there is to say.
        let Ok(copy) = in_memory(&lock(&self.tables)) else { return Err(failure) };
        let reason = match failure {
            QueryFailure::ReadModel(reason) => reason,
            other => other.to_string(),
        };
        tracing::warn!(%reason, "the read model goes on in memory");
        *lock(&self.reading) = copy;
        self.tables = Arc::clone(&self.reading);
        self.in_memory = Some(reason);
        Ok(())
    }
}

fn write(tables: &Mutex<Connection>, changes: &mut Changes) -> Result<(), QueryFailure> {
    let mut tables = lock(tables);
    let transaction = tables.transaction()?;
    for subject in &mut changes.subjects {
        put(&transaction, subject)?;
    }
    for record in &mut changes.broken {
        put_run(&transaction, record)?;
    }
    for (run, version, bytes) in &changes.snapshots {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3)")?
            .execute(params![run.to_string(), to_sql(version.0), bytes])?;
    }
    if let (watermark, Some(event)) = changes.reached {
        set_watermark(&transaction, watermark, event)?;
    }
    Ok(transaction.commit()?)
}

pub(super) fn put(tables: &Connection, subject: &mut Subject) -> Result<(), QueryFailure> {
    match subject {
        Subject::Project(project) => {
            tables
                .prepare_cached("INSERT OR IGNORE INTO projects VALUES (?1)")?
                .execute([project.as_str()])?;
            Ok(())
        }
        Subject::Run(record) => put_run(tables, record),
        Subject::Unreadable => Ok(()),
    }
}

fn put_run(tables: &Connection, record: &mut RunRecord) -> Result<(), QueryFailure> {
    let id = record.row.id.to_string();
    let project = record.row.project.to_string();
    let number: i64 = tables
        .prepare_cached(
            "SELECT coalesce(
                (SELECT number FROM runs WHERE id = ?1),
                (SELECT max(number) FROM runs WHERE project = ?2) + 1,
                1)",
        )?
        .query_row([&id, &project], |row| row.get(0))?;
    record.row.number = from_sql(number);
    let locks = (!record.claims.is_empty())
        .then(|| serde_json::to_string(&record.claims))
        .transpose()
        .map_err(|error| QueryFailure::ReadModel(error.to_string()))?;
    let written = |error: serde_json::Error| QueryFailure::ReadModel(error.to_string());
    let body = serde_json::to_string(&record.row).map_err(written)?;
    let watches = match record.watches.is_empty() {
        true => None,
        false => Some(serde_json::to_string(&record.watches).map_err(written)?),
    };
    tables
        .prepare_cached(
            "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            id,
            project,
            number,
            record.row.status.as_str(),
            record.row.definition.digest.to_string(),
            to_sql(record.row.at.sequence.0),
            record.working,
            record.wake_at.map(|at| at.to_string()),
            watches,
            body,
            locks,
        ])?;
    Ok(())
}

pub(super) fn set_watermark(
    tables: &Connection,
    sequence: Sequence,
    event: EventId,
) -> Result<(), QueryFailure> {
    tables
        .prepare_cached("UPDATE watermark SET sequence = ?1, event = ?2")?
        .execute(params![to_sql(sequence.0), event.to_string()])?;
    Ok(())
}
