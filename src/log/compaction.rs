//! Compaction: the oldest records leave the log's database and go into archives, beside the writer.
//!
//! A record is removed when it was read back from an archive that is durable, so it is in one of the two at any time, and what
//! was interrupted goes on. The database keeps where the chain stood after the last one that was removed. How far it goes is
//! not decided here.

use std::thread;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::archive::{self, Archive};
use super::chain::{Damage, Fault, Head};
use super::record::Record;
use super::storage::{COMPACTED_VERSION, LogError, LogReader, base, last_position, row_at};

/// An archive is full once it has so many records, or so many octets of them, at the end of a transaction. It is read from its
/// beginning whatever is looked for in it, and what it is written from is in memory.
const ARCHIVE_RECORDS_MAX: usize = 16_384;
const ARCHIVE_BYTES_MAX: usize = 8 << 20;
/// Records that are removed at a time: the writer waits for that long.
const REMOVED_AT_ONCE: u64 = 2048;
/// Between two removals.
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);

/// Moves the oldest records into archives. One at a time.
#[derive(Debug)]
pub struct Compactor {
    connection: Connection,
    reader: LogReader,
}

impl Compactor {
    pub(super) fn new(connection: Connection, reader: LogReader) -> Self {
        Compactor { connection, reader }
    }

    /// Moves whole transactions from the beginning up to a position at most, but for the last one: `progress` is told the
    /// position that was reached. What was interrupted goes on where it was. Gives the position of the last record that was
    /// moved ever.
    ///
    /// # Errors
    /// [`LogError::Damaged`] for a record that is not what was appended, and those of the store and the file system. What was
    /// moved before is in the archives.
    pub fn archive(&mut self, to: u64, mut progress: impl FnMut(u64)) -> Result<u64, LogError> {
        let to = to.min(last_position(&self.connection)?.unsigned_abs().saturating_sub(1));
        let mut head = base(&self.connection)?;
        loop {
            let records = self.next(&head, to)?;
            if records.is_empty() {
                return Ok(head.position);
            }
            let archive = archive::write(self.reader.directory(), &head, &records)?;
            is_kept(&archive, &records)?;
            drop(records);
            while head.position < archive.last {
                head = self.remove(head.position.saturating_add(REMOVED_AT_ONCE).min(archive.last))?;
                pause();
            }
            progress(head.position);
        }
    }

    /// The records of the next archive: whole transactions, none beyond a position.
    fn next(&self, head: &Head, to: u64) -> Result<Vec<Record>, LogError> {
        let (mut records, mut octets, mut whole) = (Vec::new(), 0, 0);
        for record in self.reader.scan(head.position).up_to(to) {
            let record = record?;
            octets += record.payload.len();
            let is_end = record.transaction_end;
            records.push(record);
            if is_end {
                whole = records.len();
                if whole >= ARCHIVE_RECORDS_MAX || octets >= ARCHIVE_BYTES_MAX {
                    break;
                }
            }
        }
        records.truncate(whole);
        Ok(records)
    }

    /// Removes the records up to a position, and keeps where the chain stands after it.
    fn remove(&mut self, to: u64) -> Result<Head, LogError> {
        let key = i64::try_from(to).map_err(|_| LogError::Exhausted)?;
        let removal = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (head, _) = row_at(&removal, to)?.ok_or(LogError::Exhausted)?;
        keep_base(&removal, &head)?;
        removal.execute("DELETE FROM record WHERE position <= ?1", [key])?;
        removal.commit()?;
        Ok(head)
    }

    /// Where the chain would stand before the first record that is left by [`Compactor::forget_before`]; none if it removes nothing.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn first_after(&self, at: i64) -> Result<Option<Head>, LogError> {
        let goes = archive::before(self.reader.directory(), &base(&self.connection)?, at)?.pop();
        let Some((_, head)) = goes else { return Ok(None) };
        // What an interruption left behind can be in another archive too, and then nothing is lost with it.
        Ok((head.position > self.reader.first()?.position).then_some(head))
    }

    /// Removes archives whose records are all older than a time (microseconds since the epoch). Gives how many.
    ///
    /// # Errors
    /// The files cannot be read or removed.
    pub fn forget_before(&self, at: i64) -> Result<u64, LogError> {
        archive::remove_before(self.reader.directory(), &base(&self.connection)?, at)
    }

    /// Gives the room of what was moved back to the file system, for which it takes as much again meanwhile. The writer waits.
    ///
    /// # Errors
    /// [`LogError::Store`], for instance if there is not so much room.
    pub fn shrink(&self) -> Result<(), LogError> {
        self.connection.execute_batch("VACUUM")?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        Ok(())
    }
}

/// Lets the writer in, if it waits: it looks at intervals, and would find the next removal.
#[expect(clippy::disallowed_methods, reason = "SQLite does not tell who waits for a lock")]
fn pause() {
    thread::sleep(REMOVAL_PAUSE);
}

/// That an archive has these records.
fn is_kept(archive: &Archive, records: &[Record]) -> Result<(), LogError> {
    let mut kept = archive::Records::open(archive)?;
    for record in records {
        if kept.next().transpose()?.as_ref() != Some(record) {
            let fault = Fault::Unreadable("what was archived is not found again".into());
            return Err(Damage { position: record.position, fault }.into());
        }
    }
    // It goes no further either, or that is damage.
    kept.next().transpose().map(drop)
}

/// Has the database say where the chain stood before its first record.
pub(super) fn keep_base(connection: &Connection, head: &Head) -> Result<(), LogError> {
    let key = i64::try_from(head.position).map_err(|_| LogError::Exhausted)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS base (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            position INTEGER NOT NULL,
            hash BLOB NOT NULL,
            latest_at INTEGER NOT NULL
        ) STRICT",
    )?;
    connection.pragma_update(None, "user_version", COMPACTED_VERSION)?;
    connection.execute(
        "INSERT OR REPLACE INTO base (only, position, hash, latest_at) VALUES (1, ?1, ?2, ?3)",
        (key, head.hash.as_slice(), head.latest_at),
    )?;
    Ok(())
}
