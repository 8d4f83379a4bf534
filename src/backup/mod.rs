//! Backups of a data directory: made beside a running server, gone on with, verified, and restored to their end or to an
//! earlier point.
//!
//! Owns the directory of a backup; it never writes into a data directory but one that it makes.
//!
//! # What a backup is
//!
//! ```text
//! backup.json                  the manifest, written last: what belongs to the backup, with SHA-256 of each file
//! log/FIRST-LAST.records       records of the event log
//! audit/NUMBER/FIRST-LAST.records   those of a segment of the audit trail
//! files/SHA-256                all other files of the data directory, by their content
//! backup.begun                 that a first backup was begun here, until it is finished
//! ```
//!
//! No file is changed once it has its name, and the manifest is replaced at once; what it does not name any more is removed
//! after that, if it is called as files of a backup are: others are left alone. A directory with other files and without a backup is refused. So a backup that was finished stays one while it is gone on with, what is there after a crash is used by the
//! next run, and any program can copy the directory elsewhere.
//!
//! # Why records are copied, and not the database
//!
//! SQLite's online backup begins anew whenever another process writes, copies everything each time, wants a file system with
//! shared memory for the write-ahead log of its target, and copies damage as it finds it. Records are read through the chain,
//! so what is in a backup has been verified, a backup goes on where it ended, and files that are only written once can be kept
//! anywhere.
//!
//! # What fits what
//!
//! The trail is read before the event log, so that nothing is signed of the log that the backup has not; the other files are
//! read after it, so that every secret that the log refers to is there: a secret is kept before it is referred to. Snapshots are
//! a short cut, and copied only if the beginning of the log is kept no longer: then they are read before it, so that they stand for
//! what the backup has.

mod files;
mod make;
mod manifest;
mod records;
mod restore;
mod verify;

use std::fs::File;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::audit;
use crate::engine;
use crate::log::{Damage, LogError};
use crate::server::files::FileError;
use crate::server::{ServeError, lock};

pub use make::{Made, make};
pub use manifest::Manifest;
pub use restore::{Restored, Wanted, restore};
pub use verify::verify;

/// Told now and then how far it has come: of what, a plural; how many are done; how many there are, if that is known.
pub type Told<'t> = &'t mut dyn FnMut(&str, u64, Option<u64>);

/// Why there is no backup, or no restored directory.
#[derive(Debug, Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A log of the data directory cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A server uses the directory.
    #[error(transparent)]
    InUse(#[from] ServeError),
    /// Another process does the same.
    #[error("another process is at work in {}", .0.display())]
    Busy(PathBuf),
    /// There is no finished backup.
    #[error("{} is no finished backup: backup.json, which is written last, is not there", .0.display())]
    Unfinished(PathBuf),
    /// A file of the backup is not what was written.
    #[error("{} is damaged: {why}", .path.display())]
    Damaged {
        /// Which one.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// A record of the backup is not what was written.
    #[error("{} is damaged at octet {octet}: {damage}", .path.display())]
    DamagedRecord {
        /// Which file.
        path: PathBuf,
        /// Where the record begins in it.
        octet: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// The backup has records that the log has not.
    #[error(
        "the backup is of another log: at position {position} it has other records than {}; give this one a directory of its own",
        .log.display()
    )]
    Other {
        /// The log, in the data directory.
        log: PathBuf,
        /// The last position of the backup.
        position: u64,
    },
    /// What is in the directory is no backup.
    #[error("{} has files and no backup: give the backup a directory of its own", .0.display())]
    Foreign(PathBuf),
    /// One directory is inside the other.
    #[error("{} is inside of the data directory", .0.display())]
    Inside(PathBuf),
    /// The backup does not go so far.
    #[error("the backup ends at position {end}, at {time}")]
    Beyond {
        /// Its last position.
        end: u64,
        /// When that was recorded.
        time: String,
    },
    /// Nothing was recorded by then.
    #[error("nothing was recorded by then: the log began at {0}")]
    Before(String),
    /// The log begins after a position, and the trail does not say so.
    #[error(
        "what came up to position {0} is missing from the event log, and the audit trail has no note that it was meant to go: see `agentconf log verify`"
    )]
    Missing(u64),
    /// What follows the backup is kept no longer.
    #[error(
        "the backup ends at position {end}, and the log begins at position {first}: what was between them is kept no longer. Make a new backup in another directory, and keep this one for what came before"
    )]
    Gap {
        /// The last position of the backup.
        end: u64,
        /// The first of the log.
        first: u64,
    },
    /// The log begins after a position, and nothing stands for what came before it.
    #[error(
        "the log begins after position {0}, and there is no snapshot that stands for what came before: it cannot be restored"
    )]
    NoSnapshot(u64),
    /// There are records of that point, but no state that they could be applied to.
    #[error("the beginning of the log is not in the backup: it can be restored to position {0} or later")]
    BeforeSnapshot(u64),
    /// There are files already.
    #[error("{} is not empty; with --force it is renamed, and restored beside it", .0.display())]
    NotEmpty(PathBuf),
    /// What is there is the beginning of another restore.
    #[error("{} is an unfinished restore of another backup or to another point; remove it first", .0.display())]
    OtherRestore(PathBuf),
    /// The restored log cannot be replayed.
    #[error("the restored log cannot be replayed")]
    Replay(#[from] engine::OpenError),
    /// It cannot be noted in the trail.
    #[error("it cannot be noted in the audit trail")]
    Trail(#[from] audit::OpenError),
    /// The key of the trail is none.
    #[error("audit.key is no key")]
    Key(#[from] audit::KeyError),
}

/// Keeps other processes that make or restore a backup out of a directory, as long as this one has the file open.
fn alone(directory: &Path) -> Result<File, BackupError> {
    lock(directory).map_err(|error| match error {
        ServeError::InUse(directory) => BackupError::Busy(directory),
        error => error.into(),
    })
}

/// The directory that a directory is in.
fn parent(directory: &Path) -> &Path {
    directory.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}
