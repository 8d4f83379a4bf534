//! The log's file: one SQLite database, one writer, readers beside it.
//!
//! Owns `DIR/log.sqlite3`, and every SQL statement but those by which [`compaction`](super::compaction) moves records out of
//! it; it never decides what is appended and never reads a clock.
//!
//! # Tables
//!
//! `record(position, latest_at, bytes)`: `bytes` is the canonical record (see [`record`](super::record)), the only truth.
//! `latest_at` is the latest time of this and all records before it. It never decreases along the positions even when the
//! clock was set back, so the first record at or after a time is found by bisection, without an index that every
//! append would have to write. It is derived, and checked like everything else when a record is read.
//!
//! `base(only, position, hash, latest_at)` has one row once records were moved out (`user_version` is 2 from then on): where the
//! chain stood after the last one of these. What came before is in [archives](super::archive), or kept no longer; reading goes
//! through both.
//!
//! # Settings of SQLite, and why
//!
//! - `journal_mode=WAL`: a commit is one sequential write and one sync, and readers neither wait nor are waited for.
//! - `synchronous=FULL`: the commit syncs the write-ahead log before it returns. `NORMAL`, the usual companion of WAL, would
//!   lose acknowledged records with the power.
//! - `locking_mode=NORMAL`: the exclusive mode would shut out our own readers. A second server is kept out by a lock on
//!   `DIR/log.lock` instead, which the kernel releases however the process ends. It is a file of its own because closing
//!   any handle of a file that SQLite has open would drop SQLite's locks.
//! - `wal_autocheckpoint` 4000 pages (16 MB): moving pages into the database costs its own syncs, so it is done rarely; no
//!   reader stays in a transaction longer than one batch, so the write-ahead log can always start over. `journal_size_limit`
//!   takes back what a burst made it grow.
//! - `busy_timeout` 5 s: readers of another process (`log verify`) may hold a lock for a moment while they recover or close.
//! - Closing moves everything into the database and empties the write-ahead log. Without it, after a crash, the next opening
//!   replays the write-ahead log; nothing that was acknowledged depends on closing.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, ffi};
use thiserror::Error;

use super::ahead::{self, Index};
use super::archive::{self, Archive};
use super::chain::{Damage, Fault, Head};
use super::compaction::{Compactor, keep_base};
use super::record::{NewRecord, Record, RecordError};
use super::scan::Scan;

/// What to do about damage.
const ADVICE: &str = "nothing was changed: keep a copy of the directory, and go back to a backup";

pub(super) const DATABASE_FILE: &str = "log.sqlite3";
pub(super) const AHEAD_FILE: &str = "log.sqlite3-wal";
const INDEX_FILE: &str = "log.sqlite3-shm";
pub(super) const LOCK_FILE: &str = "log.lock";

/// "ACLG" in the database's header: tells our file from any other SQLite database.
const APPLICATION_ID: i32 = 0x4143_4c47;
/// Version of the table, in the database's header.
const USER_VERSION: i32 = 1;
/// The same once records were moved out of it.
pub(super) const COMPACTED_VERSION: i32 = 2;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const WAL_AUTOCHECKPOINT_PAGES: u32 = 4000;
const JOURNAL_SIZE_BYTES_MAX: u32 = 64 << 20;
/// One reading returns no further records once it has this many bytes of them: each subscriber can have so much in memory.
const READ_BYTES_MAX: usize = 1 << 20;
/// The same for a part of a scan.
const SCAN_BYTES_MAX: usize = 8 << 20;
/// Octets of the write-ahead log that are read at a time.
const AHEAD_READ_BYTES: usize = 1 << 20;
/// Records that a scan reads at a time.
const SCAN_BATCH: usize = 2048;
/// How often a lock that is taken is tried again, and how long it is waited for in between.
const LOCK_AGAIN_MAX: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// Connections kept for the next reader.
const IDLE_READERS_MAX: usize = 8;

/// Why the log cannot be opened, read or appended to.
#[derive(Debug, Error)]
pub enum LogError {
    /// The directory or one of its files cannot be made, opened, read or written.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has the log open for appending.
    #[error("{0} is in use by another server")]
    Locked(PathBuf),
    /// The file is there and is not ours.
    #[error("{0} is not an event log")]
    Foreign(PathBuf),
    /// The file was made by a version of the server that this one does not know.
    #[error(
        "{path} has version {found}, this server knows no later one than {COMPACTED_VERSION}: a newer agentconf is needed"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
    },
    /// What is asked for was moved out of the log and is not in its archives either.
    #[error("the log begins at position {first}: what came before it is kept no longer")]
    Gone {
        /// The first record that there is.
        first: u64,
    },
    /// The file system lacks what a write-ahead log needs (shared memory, as on some network file systems).
    #[error("{0} is on a file system that cannot hold a write-ahead log")]
    NoWriteAheadLog(PathBuf),
    /// An event cannot become a record; nothing of its group was appended.
    #[error("the event for position {position} is refused: {source}")]
    Refused {
        /// The position it would have had.
        position: u64,
        /// Why.
        source: RecordError,
    },
    /// Positions are used up.
    #[error("no position is left")]
    Exhausted,
    /// A record read is not the one that was written.
    #[error("{0}; {ADVICE}")]
    Damaged(#[from] Damage),
    /// A frame of the write-ahead log is wrong or gone, and SQLite would forget durable commits.
    #[error("{} is damaged or cut off {}, and what was kept from there on cannot be read; {ADVICE}", .path.display(), where_ahead(*.frame))]
    DamagedAhead {
        /// The file.
        path: PathBuf,
        /// Number of the frame from 1; 0 is the header.
        frame: u64,
    },
    /// SQLite cannot open a file, or make what it needs beside it.
    #[error("cannot use {}{}: {source}", .path.display(), if *.is_full { ": there is no room left on its file system" } else { "" })]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Whether its file system is full.
        is_full: bool,
        /// What SQLite says.
        source: Box<rusqlite::Error>,
    },
    /// SQLite failed: input or output error, disk full.
    #[error("the event log's store failed: {0}")]
    Store(#[from] rusqlite::Error),
}

impl LogError {
    /// Whether there is no space left.
    pub fn is_full(&self) -> bool {
        matches!(self, LogError::Store(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }

    /// Whether the system keeps it from being read, which says nothing of what is there. That a file is missing is another thing.
    pub fn is_unread(&self) -> bool {
        match self {
            LogError::File { source, .. } => is_of_system(source),
            LogError::Store(error) => !is_corrupt(error),
            LogError::Unusable { source, .. } => !is_corrupt(source),
            _ => false,
        }
    }

    /// Whether what is there is not what was written.
    pub fn is_damage(&self) -> bool {
        match self {
            LogError::Damaged(_) | LogError::DamagedAhead { .. } => true,
            LogError::Store(error) => is_corrupt(error),
            _ => false,
        }
    }

    /// Whether an appended group may be found in the log after a crash although appending it failed: all was written, and
    /// the system did not say that it is durable. While the process lives, the next group takes its place.
    pub fn is_unsure(&self) -> bool {
        let LogError::Store(error) = self else { return false };
        error.sqlite_error().is_some_and(|error| {
            [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC].contains(&error.extended_code)
        })
    }
}

/// The log, open for appending. At most one exists per directory, among all processes.
#[derive(Debug)]
pub struct Log {
    // Dropped in this order: the lock goes last.
    connection: Connection,
    reader: LogReader,
    head: Head,
    _lock: File,
}

impl Log {
    /// Opens the log in a directory, which is made if missing (mode 0700), as is the log (mode 0600).
    ///
    /// Checks the last record only. Replay checks what it reads, which is what follows the newest snapshot; [`verify`] checks
    /// everything.
    ///
    /// [`verify`]: super::verify()
    ///
    /// # Errors
    /// [`LogError::Locked`] if another server has it; [`LogError::Foreign`] or [`LogError::Version`] if the file is not one of
    /// this version; [`LogError::Damaged`] if the last record is, [`LogError::DamagedAhead`] if the write-ahead log is in the
    /// middle; [`LogError::File`] and [`LogError::Store`] for the system's.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| LogError::File { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at(dir))?;
        // Absolute, because SQLite would read a relative path that starts with "file:" as a URI.
        let dir = fs::canonicalize(dir).map_err(at(dir))?;
        let lock_path = dir.join(LOCK_FILE);
        let lock = private_file(&lock_path).map_err(at(&lock_path))?;
        take(&lock).map_err(|error| match error {
            TryLockError::WouldBlock => LogError::Locked(dir.clone()),
            TryLockError::Error(source) => LogError::File { path: lock_path, source },
        })?;
        let path = dir.join(DATABASE_FILE);
        private_file(&path).map_err(at(&path))?;
        // The files' names must outlive a power failure as their bytes do.
        File::open(&dir).and_then(|dir| dir.sync_all()).map_err(at(&dir))?;

        check_ahead(&dir)?;
        // The last commit of one who was killed may be whole and not durable yet. Who reads it from here on relies on it.
        let ahead = dir.join(AHEAD_FILE);
        match File::open(&ahead).and_then(|file| file.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&ahead)(error)),
            _ => {}
        }
        let opened = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|mut connection| {
            prepare(&mut connection, &path)?;
            Ok((last(&connection)?, connection))
        });
        let (head, connection) = opened.map_err(unusable(&path))?;
        let reader = LogReader::of(path, false);
        Ok(Self { connection, reader, head, _lock: lock })
    }

    /// As [`Log::open`]; one that has nothing yet begins after a place in the chain, as if what came before had been moved out of
    /// it.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_after(dir: &Path, place: &Head) -> Result<Self, LogError> {
        let mut log = Log::open(dir)?;
        if log.head == Head::EMPTY && *place != Head::EMPTY {
            let begun = log.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            keep_base(&begun, place)?;
            begun.commit()?;
            log.head = *place;
        }
        Ok(log)
    }

    /// Appends a group of transactions in one durable commit: on return all of them survive a power failure. Gives the
    /// number of records; [`Log::last`] is where they end. A transaction without records leaves no trace.
    ///
    /// # Errors
    /// [`LogError::Refused`] if an event is too large, [`LogError::Store`] if the store fails, for instance because the disk
    /// is full. After an error nothing of the group is in the log, and appending may be tried again.
    pub fn append(&mut self, transactions: &[Vec<NewRecord>]) -> Result<u64, LogError> {
        let mut head = self.head;
        let mut rows = Vec::with_capacity(transactions.iter().map(Vec::len).sum());
        for transaction in transactions {
            for (index, new) in transaction.iter().enumerate() {
                let position = head.next_position();
                let end = index + 1 == transaction.len();
                let refused = |source| LogError::Refused { position, source };
                let (bytes, hash) = new.sealed(position, end, &head.hash).map_err(refused)?;
                head = head.then(new.at, hash);
                let key = i64::try_from(position).map_err(|_| LogError::Exhausted)?;
                rows.push((key, head.latest_at, bytes));
            }
        }
        let appended = head.position - self.head.position;
        if appended == 0 {
            return Ok(0);
        }
        // An early return drops the transaction, which rolls it back.
        let commit = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = commit
                .prepare_cached("INSERT INTO record (position, latest_at, bytes) VALUES (?1, ?2, ?3)")?;
            for row in rows {
                insert.execute(row)?;
            }
        }
        if let Err(error) = commit.commit() {
            // A commit can fail after it took effect; then it is no failure, and the log goes on from there.
            match last(&self.connection) {
                Ok(found) if found == head => {}
                _ => return Err(error.into()),
            }
        }
        self.head = head;
        Ok(appended)
    }

    /// Octets that the log itself takes, without its archives.
    ///
    /// # Errors
    /// [`LogError::File`] if that cannot be found out.
    pub fn octets(&self) -> Result<u64, LogError> {
        let path = &self.reader.shared.path;
        let source = |source| LogError::File { path: path.clone(), source };
        Ok(fs::metadata(path).map_err(source)?.len())
    }

    /// The position that the next appended record gets.
    pub fn next_position(&self) -> u64 {
        self.head.next_position()
    }

    /// The end of the log: last position, last hash, latest time.
    pub fn last(&self) -> Head {
        self.head
    }

    /// A reader of this log.
    pub fn reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Moves everything into the database file and closes it; dropping the log may leave that to the next opening.
    ///
    /// # Errors
    /// [`LogError::Store`] if that fails; every acknowledged record is durable all the same.
    pub fn close(self) -> Result<(), LogError> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

/// Reads committed records, from any thread, while the writer appends. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Readers>,
}

#[derive(Debug)]
struct Readers {
    path: PathBuf,
    /// Connections that no reader uses at the moment.
    idle: Mutex<Vec<Connection>>,
    /// Whether no file may be made by reading.
    is_still: bool,
}

/// A connection for reading.
struct Lent {
    connection: Connection,
    /// Whether SQLite takes the file for one that nobody writes, so that it is good for one reading: it would not see what is
    /// written later, or half of it.
    is_immutable: bool,
}

impl LogReader {
    /// Opens the log in a directory for reading alone, also beside a running server (`agentconf log verify`).
    ///
    /// # Errors
    /// As [`Log::open`], but never [`LogError::Locked`]; a log that is not there is [`LogError::File`].
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        LogReader::begin(dir, false)
    }

    fn of(path: PathBuf, is_still: bool) -> Self {
        Self { shared: Arc::new(Readers { path, idle: Mutex::default(), is_still }) }
    }

    fn begin(dir: &Path, is_still: bool) -> Result<Self, LogError> {
        let path = dir.join(DATABASE_FILE);
        let path = fs::canonicalize(&path).map_err(|source| LogError::File { path, source })?;
        let reader = LogReader::of(path, is_still);
        let path = &reader.shared.path;
        reader.with(|connection| identify(connection, path)).map_err(unusable(path))?;
        Ok(reader)
    }

    /// As [`LogReader::open`]. If no server has the log open, the write-ahead log is checked first, as a start does: beside one,
    /// what it has opened has been checked.
    ///
    /// # Errors
    /// As [`LogReader::open`], and [`LogError::DamagedAhead`].
    pub fn open_checked(dir: &Path) -> Result<Self, LogError> {
        if !is_in_use(dir) {
            check_ahead(dir)?;
        }
        LogReader::open(dir)
    }

    /// As [`LogReader::open_checked`]. Where nobody writes and all is in the database, reading makes none of the files that SQLite
    /// needs beside a writer.
    ///
    /// # Errors
    /// As [`LogReader::open_checked`].
    pub fn open_still(dir: &Path) -> Result<Self, LogError> {
        if !is_in_use(dir) {
            check_ahead(dir)?;
        }
        LogReader::begin(dir, true)
    }

    /// The records after a position, at most `limit`; fewer if there are no more or they are large (1 MiB), and none only at
    /// the end or for a limit of 0. What it gives has been checked against the chain.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if a record is not the one that was appended, [`LogError::Store`] if SQLite fails.
    pub fn read(&self, after: u64, limit: usize) -> Result<Vec<Record>, LogError> {
        match limit {
            0 => Ok(Vec::new()),
            limit => Scan::new(self, after, limit, READ_BYTES_MAX).batch(),
        }
    }

    /// Where the chain stands before the first record that there is, in the archives or in the log.
    ///
    /// # Errors
    /// The archives or the store cannot be read.
    pub fn first(&self) -> Result<Head, LogError> {
        let base = self.base()?;
        let archives = self.archives()?;
        // Those that lead up to the log without a gap.
        let mut next = base.next_position();
        let mut leading = Vec::new();
        for archive in archives.iter().rev() {
            if archive.last.saturating_add(1) >= next && archive.first < next {
                next = archive.first;
                leading.push(archive);
            }
        }
        for archive in leading.into_iter().rev() {
            match archive::Records::open(archive) {
                // It was forgotten meanwhile.
                Err(LogError::Gone { .. }) => {}
                opened => return Ok(opened?.head),
            }
        }
        Ok(base)
    }

    /// Where the chain stands before the first record of the log itself: what came before it is in archives, or gone.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn base(&self) -> Result<Head, LogError> {
        self.with(base)
    }

    /// Where the log ends now: last position, last hash, latest time.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if the last record is, [`LogError::Store`] if SQLite fails.
    pub fn last(&self) -> Result<Head, LogError> {
        self.with(last)
    }

    /// What moves records out of the log, beside the writer.
    ///
    /// # Errors
    /// [`LogError::Store`] if the store cannot be opened once more.
    pub fn compactor(&self) -> Result<Compactor, LogError> {
        let connection = connect(&self.shared.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_AUTOCHECKPOINT_PAGES)?;
        Ok(Compactor::new(connection, self.clone()))
    }

    pub(super) fn archives(&self) -> Result<Vec<Archive>, LogError> {
        let dir = self.directory();
        archive::list(dir).map_err(|source| LogError::File { path: dir.join(archive::DIRECTORY), source })
    }

    /// Where the log is.
    pub fn directory(&self) -> &Path {
        self.shared.path.parent().unwrap_or(Path::new("."))
    }

    /// Where the chain stands after a record, be it in an archive; none if the log does not reach so far. One of the database
    /// is taken at its word.
    ///
    /// # Errors
    /// As [`LogReader::read`].
    pub fn head_at(&self, position: u64) -> Result<Option<Head>, LogError> {
        match self.with(|connection| head_at(connection, position)) {
            Err(LogError::Gone { .. }) => Ok(Some(self.archived(position)?.head)),
            found => found,
        }
    }

    /// All records after a position, those in archives included, up to the end as it is when the scan gets there. Ends after
    /// an error; [`LogError::Gone`] is one if it begins before [`LogReader::first`].
    pub fn scan(&self, after: u64) -> Scan {
        Scan::new(self, after, SCAN_BATCH, SCAN_BYTES_MAX)
    }

    /// What follows a position in the archive that has the next record.
    pub(super) fn archived(&self, position: u64) -> Result<archive::Records, LogError> {
        let wanted = position.saturating_add(1);
        let archives = self.archives()?;
        let Some(archive) = archives.iter().find(|a| (a.first..=a.last).contains(&wanted)) else {
            return Err(LogError::Gone { first: self.first()?.next_position() });
        };
        let mut archived = archive::Records::open(archive)?;
        while archived.head.position < position
            && let Some(record) = archived.next()
        {
            drop(record?);
        }
        Ok(archived)
    }

    /// The first position at which a record at or after a time had been made (microseconds since the epoch), or of those that
    /// there are, the first after that; none if all are earlier.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if a record that must be looked at is missing, [`LogError::Store`] if SQLite fails.
    pub fn position_at_time(&self, at: i64) -> Result<Option<u64>, LogError> {
        let found = self.with(|connection| {
            let base = base(connection)?;
            if base.latest_at >= at {
                return Err(LogError::Gone { first: base.next_position() });
            }
            let end = last_position(connection)?.saturating_add(1);
            let mut select = connection.prepare_cached("SELECT latest_at FROM record WHERE position = ?1")?;
            // The answer is in low..=high; high == end stands for none.
            let begin: i64 =
                connection
                    .query_row("SELECT coalesce(min(position), 1) FROM record", (), |row| row.get(0))?;
            let (mut low, mut high) = (begin, end);
            while low < high {
                let middle = low + (high - low) / 2;
                let latest: Option<i64> = select.query_row([middle], |row| row.get(0)).optional()?;
                match latest {
                    Some(latest) if latest < at => low = middle + 1,
                    Some(_) => high = middle,
                    None => return Err(missing(connection, middle.unsigned_abs())?.into()),
                }
            }
            Ok((low < end).then_some(low.unsigned_abs()))
        });
        match found {
            Err(LogError::Gone { .. }) => self.archived_at_time(at),
            found => found,
        }
    }

    /// The same where it was moved into an archive.
    fn archived_at_time(&self, at: i64) -> Result<Option<u64>, LogError> {
        let first = self.first()?;
        if first.latest_at >= at {
            // The record itself is kept no longer.
            return Ok((first.position < self.last()?.position).then(|| first.next_position()));
        }
        let mut archives = self.archives()?;
        archives.retain(|archive| archive.first > first.next_position());
        // One that cannot be read is found out below.
        let is_before = |archive: &Archive| {
            archive::Records::open(archive).is_ok_and(|archived| archived.head.latest_at < at)
        };
        let later = archives.partition_point(is_before);
        let begin = later.checked_sub(1).and_then(|index| archives.get(index));
        for record in self.scan(begin.map_or(first.position, |archive| archive.first.saturating_sub(1))) {
            let record = record?;
            if record.at >= at {
                return Ok(Some(record.position));
            }
        }
        Ok(None)
    }

    /// Lends an idle connection, or a new one. What is read with it is of one moment, whatever is moved beside it. It is not
    /// used again once the store has failed.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let idle = || self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = idle().pop();
        let Lent { connection, is_immutable } = match lent {
            Some(connection) => Lent { connection, is_immutable: false },
            None => connect_to_read(&self.shared.path, self.shared.is_still)?,
        };
        let moment = connection.unchecked_transaction()?;
        let result = work(&moment);
        if matches!(result, Err(LogError::Store(_))) {
            return result;
        }
        moment.commit()?;
        let mut idle = idle();
        if !is_immutable && idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
        result
    }
}

fn where_ahead(frame: u64) -> String {
    if frame == 0 { "in its header".to_owned() } else { format!("in frame {frame}") }
}

/// Checks what SQLite has not moved into the database yet. Beside a server that writes it may see damage where there is none.
///
/// # Errors
/// [`LogError::DamagedAhead`]; [`LogError::File`] if it cannot be read.
pub fn check_ahead(dir: &Path) -> Result<(), LogError> {
    let path = dir.join(AHEAD_FILE);
    let mut begins = Vec::new();
    // Where it cannot be read nothing is known from it.
    let index = File::open(dir.join(INDEX_FILE))
        .and_then(|index| index.take(Index::BYTES as u64).read_to_end(&mut begins))
        .ok()
        .and_then(|_| Index::read(&begins));
    let damaged = match File::open(&path) {
        Ok(file) => {
            ahead::damaged_frame(&mut BufReader::with_capacity(AHEAD_READ_BYTES, file), index.as_ref())
        }
        // SQLite removes it after the index, so somebody else did.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(index.is_some_and(|index| index.is_ahead()).then_some(0))
        }
        Err(error) => Err(error),
    };
    match damaged {
        Ok(None) => Ok(()),
        Ok(Some(frame)) => Err(LogError::DamagedAhead { path, frame }),
        Err(source) => Err(LogError::File { path, source }),
    }
}

/// Whether a server, or another process that appends, has the log open.
pub fn is_in_use(dir: &Path) -> bool {
    File::open(dir.join(LOCK_FILE)).is_ok_and(|lock| lock.try_lock_shared().is_err())
}

/// Takes the lock of a log. Who only asks [`is_in_use`] has it for a moment, and is not taken for another server.
#[expect(clippy::disallowed_methods, reason = "waiting for the lock itself would wait for a server too")]
fn take(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_AGAIN_MAX {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    lock.try_lock()
}

/// Whether the system keeps a file from being read, which says nothing of what is in it. That it is missing is another thing.
pub(crate) fn is_of_system(error: &io::Error) -> bool {
    error.raw_os_error().is_some() && error.kind() != io::ErrorKind::NotFound
}

/// Opens a file that only the owner may read, making it if missing.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Names the file that SQLite cannot open, of which it does not say that the file system is full.
pub(super) fn unusable(path: &Path) -> impl FnOnce(LogError) -> LogError {
    let path = path.to_owned();
    move |error| match error {
        LogError::Store(source) => {
            let is_full = rustix::fs::statvfs(&path).is_ok_and(|system| system.f_bavail == 0);
            LogError::Unusable { path, is_full, source: source.into() }
        }
        other => other,
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, LogError> {
    // No mutex: a connection is used by one thread at a time, which the types ensure.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// The same for reading alone, also where nobody can write: SQLite wants to make the memory that readers share with a writer.
fn connect_to_read(path: &Path, is_still: bool) -> Result<Lent, LogError> {
    // What is not in the database yet would be left out.
    let is_all = fs::metadata(path.with_file_name(AHEAD_FILE)).map_or(true, |ahead| ahead.len() == 0);
    if is_still && is_all && !path.parent().is_some_and(is_in_use) {
        return immutable(path);
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let probed = connection.pragma_query_value(None, "schema_version", |_| Ok(()));
    match probed.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::CannotOpen)) && is_all {
        true => immutable(path),
        false => Ok(Lent { connection, is_immutable: false }),
    }
}

/// A connection by which SQLite takes no lock and makes no file.
fn immutable(path: &Path) -> Result<Lent, LogError> {
    let escaped: String = path.as_os_str().as_bytes().iter().map(|octet| format!("%{octet:02X}")).collect();
    let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = connect(Path::new(&format!("file:{escaped}?immutable=1")), access)?;
    Ok(Lent { connection, is_immutable: true })
}

/// Makes the table in a new database, or checks that an old one is ours; then applies the settings.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), LogError> {
    if !is_empty(connection, path)? {
        identify(connection, path)?;
    }
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", (), |row| row.get(0))?;
    if mode != "wal" {
        return Err(LogError::NoWriteAheadLog(path.to_owned()));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "locking_mode", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_AUTOCHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_BYTES_MAX)?;
    if is_empty(connection, path)? {
        let creation = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        creation.execute_batch(
            "CREATE TABLE record (
                position INTEGER PRIMARY KEY CHECK (position > 0),
                latest_at INTEGER NOT NULL,
                bytes BLOB NOT NULL
            ) STRICT",
        )?;
        creation.pragma_update(None, "application_id", APPLICATION_ID)?;
        creation.pragma_update(None, "user_version", USER_VERSION)?;
        creation.commit()?;
    }
    Ok(())
}

/// Whether nothing was ever put into the database: the first start, or one that was cut off.
fn is_empty(connection: &Connection, path: &Path) -> Result<bool, LogError> {
    let tables: i64 =
        ours(path, connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)))?;
    Ok(tables == 0 && application_id(connection)? == 0)
}

/// Checks that the database is a log, of the version we know.
fn identify(connection: &Connection, path: &Path) -> Result<(), LogError> {
    if ours(path, application_id(connection))? != APPLICATION_ID {
        return Err(LogError::Foreign(path.to_owned()));
    }
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        USER_VERSION | COMPACTED_VERSION => Ok(()),
        found => Err(LogError::Version { path: path.to_owned(), found }),
    }
}

fn application_id(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "application_id", |row| row.get(0))
}

pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// A file that is no database at all is not ours either.
fn ours<T>(path: &Path, result: rusqlite::Result<T>) -> Result<T, LogError> {
    result.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => LogError::Foreign(path.to_owned()),
        _ => error.into(),
    })
}

/// The end of the log, from its last record.
fn last(connection: &Connection) -> Result<Head, LogError> {
    let position = last_position(connection)?.unsigned_abs();
    let Some((head, record)) = row_at(connection, position)? else { return base(connection) };
    if !record.transaction_end {
        return Err(Damage { position, fault: Fault::HalfTransaction }.into());
    }
    Ok(head)
}

pub(super) fn last_position(connection: &Connection) -> Result<i64, LogError> {
    let mut select = connection.prepare_cached("SELECT coalesce(max(position), 0) FROM record")?;
    Ok(select.query_row((), |row| row.get(0))?)
}

/// Where the chain stands after a position; none if the log does not reach so far.
pub(super) fn head_at(connection: &Connection, position: u64) -> Result<Option<Head>, LogError> {
    if let Some((head, _)) = row_at(connection, position)? {
        return Ok(Some(head));
    }
    let base = base(connection)?;
    match position {
        _ if position == base.position => Ok(Some(base)),
        _ if position < base.position => Err(LogError::Gone { first: base.next_position() }),
        _ if last_position(connection)?.unsigned_abs() < position => Ok(None),
        _ => Err(missing(connection, position)?.into()),
    }
}

/// Where the chain stands before the first record of the database.
pub(super) fn base(connection: &Connection) -> Result<Head, LogError> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != COMPACTED_VERSION {
        return Ok(Head::EMPTY);
    }
    let mut select = connection.prepare_cached("SELECT position, hash, latest_at FROM base")?;
    let row: Option<(i64, Vec<u8>, i64)> =
        select.query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((position, hash, latest_at)) = row else { return Ok(Head::EMPTY) };
    let position = position.unsigned_abs();
    let hash = hash.try_into().map_err(|_| Damage { position, fault: Fault::HashMismatch })?;
    Ok(Head { position, hash, latest_at })
}

/// The record at a position, taken at its word: what precedes it is not looked at.
pub(super) fn row_at(connection: &Connection, position: u64) -> Result<Option<(Head, Record)>, LogError> {
    let Ok(key) = i64::try_from(position) else { return Ok(None) };
    let mut select = connection.prepare_cached("SELECT latest_at, bytes FROM record WHERE position = ?1")?;
    let mut rows = select.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let record = Record::decode(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)
        .map_err(|error| Damage { position, fault: error.into() })?;
    if record.position != position {
        return Err(Damage { position, fault: Fault::Misplaced { claimed: record.position } }.into());
    }
    let head = Head { position, hash: record.hash, latest_at: row.get(0)? };
    Ok(Some((head, record)))
}

/// The damage of a record that should be there, as later ones are.
pub(super) fn missing(connection: &Connection, position: u64) -> Result<Damage, LogError> {
    let key = i64::try_from(position).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached("SELECT min(position) FROM record WHERE position > ?1")?;
    let found: Option<i64> = select.query_row([key], |row| row.get(0))?;
    Ok(Damage { position, fault: Fault::Missing { found: found.unwrap_or(0).unsigned_abs() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_scan_has_so_many_octets_be_it_in_an_archive() {
        let dir = std::env::temp_dir().join(format!("agentconf-log-parts-{}", std::process::id()));
        let mut log = Log::open(&dir).unwrap();
        let payload = vec![b' '; 200_000];
        let (actor, origin) = (String::new(), String::new());
        let new = NewRecord { at: 1, kind: 1, version: 1, actor, origin, payload };
        log.append(&vec![vec![new]; 90]).unwrap();
        let parts = |scan: Scan| -> Vec<usize> {
            let mut scan = scan;
            std::iter::repeat_with(|| scan.batch().unwrap().len()).take_while(|length| *length > 0).collect()
        };
        let reader = log.reader();
        assert_eq!(parts(reader.scan(0)), [42, 42, 6]);
        reader.compactor().unwrap().archive(80, |_| {}).unwrap();
        // Where an archive ends, a part does too.
        assert_eq!(parts(reader.scan(0)), [42, 38, 10]);
        assert_eq!(reader.read(40, 100).unwrap().len(), 2);
        assert_eq!(reader.read(42, 100).unwrap().len(), 6);
        drop(log);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_full_disk_is_an_error_that_leaves_nothing_and_passes() {
        let dir = std::env::temp_dir().join(format!("agentconf-log-full-{}", std::process::id()));
        let mut log = Log::open(&dir).unwrap();
        let transaction = |count: usize| {
            let new = NewRecord {
                at: 1,
                kind: 1,
                version: 1,
                actor: "a".into(),
                origin: String::new(),
                payload: vec![b' '; 5000],
            };
            vec![vec![new; count]]
        };
        log.append(&transaction(3)).unwrap();
        // SQLite's own limit gives the very error that a full disk gives, in the middle of a transaction.
        log.connection.query_row("PRAGMA max_page_count = 20", (), |_| Ok(())).unwrap();
        let (before, error) = (log.last(), log.append(&transaction(50)).unwrap_err());
        assert!(
            matches!(error, LogError::Store(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
        );
        assert_eq!((log.last(), log.reader().scan(0).count()), (before, 3));
        log.connection.query_row("PRAGMA max_page_count = 100000", (), |_| Ok(())).unwrap();
        assert_eq!((log.append(&transaction(50)).unwrap(), log.last().position), (50, 53));
        assert_eq!(log.reader().scan(0).filter(Result::is_ok).count(), 53);
        drop(log);
        fs::remove_dir_all(dir).unwrap();
    }
}
