//! The stores: each takes a batch of events in one transaction, and answers when it is durable.

use std::{error::Error, path::Path};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use redb::{Durability, ReadableDatabase, ReadableTableMetadata, TableDefinition};

/// Why a store did not do it, in its own words.
pub type StoreFailure = Box<dyn Error + Send + Sync>;

/// A store of events by their place in the log, one entry an event.
pub trait Store: Send + Sized + 'static {
    /// Its name.
    const NAME: &str;

    /// Opens what is in the directory; makes it when there is nothing.
    ///
    /// # Errors
    /// The store's own.
    fn open(directory: &Path) -> Result<Self, StoreFailure>;

    /// Adds events in one transaction, the first of them at this place; returns when they are
    /// durable.
    ///
    /// # Errors
    /// The store's own.
    fn commit(&mut self, first: u64, events: &[Vec<u8>]) -> Result<(), StoreFailure>;

    /// How many events there are.
    ///
    /// # Errors
    /// The store's own.
    fn count(&self) -> Result<u64, StoreFailure>;
}

/// The events with their places.
fn placed(first: u64, events: &[Vec<u8>]) -> impl Iterator<Item = (u64, &Vec<u8>)> {
    (first..).zip(events)
}

/// redb: a copy-on-write B-tree. Its commits are `fdatasync`ed.
#[derive(Debug)]
pub struct Redb(redb::Database);

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");

impl Store for Redb {
    const NAME: &str = "redb";

    fn open(directory: &Path) -> Result<Self, StoreFailure> {
        let database = redb::Database::create(directory.join("redb"))?;
        let transaction = database.begin_write()?;
        drop(transaction.open_table(EVENTS)?);
        transaction.commit()?;
        Ok(Self(database))
    }

    fn commit(&mut self, first: u64, events: &[Vec<u8>]) -> Result<(), StoreFailure> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let mut table = transaction.open_table(EVENTS)?;
        for (place, event) in placed(first, events) {
            table.insert(place, event.as_slice())?;
        }
        drop(table);
        Ok(transaction.commit()?)
    }

    fn count(&self) -> Result<u64, StoreFailure> {
        Ok(self.0.begin_read()?.open_table(EVENTS)?.len()?)
    }
}

/// SQLite with a write-ahead log that is synced at every commit.
#[derive(Debug)]
pub struct Sqlite(rusqlite::Connection);

impl Store for Sqlite {
    const NAME: &str = "SQLite";

    fn open(directory: &Path) -> Result<Self, StoreFailure> {
        let connection = rusqlite::Connection::open(directory.join("sqlite"))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute(
            "CREATE TABLE IF NOT EXISTS events (place INTEGER PRIMARY KEY, event BLOB NOT NULL)",
            (),
        )?;
        Ok(Self(connection))
    }

    fn commit(&mut self, first: u64, events: &[Vec<u8>]) -> Result<(), StoreFailure> {
        let transaction = self.0.transaction()?;
        let insert = "INSERT INTO events (place, event) VALUES (?1, ?2)";
        let mut insert = transaction.prepare_cached(insert)?;
        for (place, event) in placed(first, events) {
            insert.execute((i64::try_from(place)?, event))?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }

    fn count(&self) -> Result<u64, StoreFailure> {
        let count = self.0.query_row("SELECT count(*) FROM events", (), |row| row.get::<_, i64>(0));
        Ok(u64::try_from(count?)?)
    }
}

/// fjall: a log-structured merge tree, whose journal is `fdatasync`ed at every commit.
pub struct Fjall {
    database: Database,
    events: Keyspace,
}

impl Store for Fjall {
    const NAME: &str = "fjall";

    fn open(directory: &Path) -> Result<Self, StoreFailure> {
        let database = Database::builder(directory.join("fjall")).open()?;
        let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
        Ok(Self { database, events })
    }

    fn commit(&mut self, first: u64, events: &[Vec<u8>]) -> Result<(), StoreFailure> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (place, event) in placed(first, events) {
            batch.insert(&self.events, place.to_be_bytes(), event.as_slice());
        }
        Ok(batch.commit()?)
    }

    fn count(&self) -> Result<u64, StoreFailure> {
        Ok(self.database.snapshot().len(&self.events)? as u64)
    }
}
