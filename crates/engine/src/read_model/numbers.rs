//! The numbers of runs, for another process than the engine's.

use std::path::Path;

use holdpoint_core::{ProjectId, RunId};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{SCHEMA_VERSION, from_sql, parse};
use crate::failure::QueryFailure;

/// The projects and the numbers of these runs, by the read model at `path`, also while an engine writes to it;
/// `None` for a run that it does not have.
///
/// # Errors
/// When the read model cannot be read, or is of another version.
pub fn numbers(path: &Path, runs: &[RunId]) -> Result<Vec<Option<(ProjectId, u64)>>, QueryFailure> {
    let tables = read_only(path)?;
    let mut query = tables.prepare("SELECT project, number FROM runs WHERE id = ?1")?;
    runs.iter()
        .map(|run| {
            let found = query
                .query_row([run.to_string()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
            found.map(|(project, number)| Ok((parse(&project)?, from_sql(number)))).transpose()
        })
        .collect()
}

/// All runs with their projects and numbers, by the read model at `path`, also while an engine writes to it.
///
/// # Errors
/// As of [`numbers`].
pub fn numbered(path: &Path) -> Result<Vec<(RunId, ProjectId, u64)>, QueryFailure> {
    let tables = read_only(path)?;
    let mut query =
        tables.prepare("SELECT id, project, number FROM runs ORDER BY project, number")?;
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    rows.map(|row| {
        let (run, project, number) = row?;
        Ok((parse(&run)?, parse(&project)?, from_sql(number)))
    })
    .collect()
}

fn read_only(path: &Path) -> Result<Connection, QueryFailure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let tables = Connection::open_with_flags(path, flags)?;
    let version: i64 = tables.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != SCHEMA_VERSION {
        return Err(QueryFailure::ReadModel("it is of another version".to_owned()));
    }
    Ok(tables)
}
