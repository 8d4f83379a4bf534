//! A small file as it is now: read again when it has changed, at the cost of one `stat` per look.
//!
//! It never forgets what the file said because the file has become unreadable.

use std::error::Error;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::files::FileError;

/// The longest file that is read. A longer one is damaged.
pub const BYTES_MAX: u64 = 64 << 20;

/// Why a file that has changed is not used.
pub type Unusable = Box<dyn Error + Send + Sync>;

/// What a file says. If it becomes unreadable or damaged, that stays as it was and the log says why.
pub struct Watched<T> {
    path: PathBuf,
    parse: fn(&Path, &str) -> Result<T, Unusable>,
    seen: RwLock<Seen<T>>,
}

/// What the file held when it was last read. `None`: it has not been looked at again since the start.
struct Seen<T> {
    stamp: Option<Stamp>,
    value: Arc<T>,
}

/// What changes when a file is replaced or edited: inode, time of the change in seconds and nanoseconds, and length.
pub type Stamp = (u64, i64, i64, u64);

/// The stamp of a file now; `None` if there is none.
pub fn look(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().map(|metadata| stamp(&metadata))
}

impl<T> Watched<T> {
    /// Watches a file, which is known to say `value`. What it says later is read with `parse`.
    pub fn new(path: PathBuf, value: T, parse: fn(&Path, &str) -> Result<T, Unusable>) -> Watched<T> {
        Watched { path, parse, seen: RwLock::new(Seen { stamp: None, value: Arc::new(value) }) }
    }

    /// What the file says now.
    pub fn get(&self) -> Arc<T> {
        let stamp = look(&self.path);
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if seen.stamp == stamp {
            return Arc::clone(&seen.value);
        }
        drop(seen);
        self.look_again(stamp)
    }

    fn look_again(&self, seen_stamp: Option<Stamp>) -> Arc<T> {
        let result = self.read();
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok((stamp, value)) => *seen = Seen { stamp: Some(stamp), value: Arc::new(value) },
            Err(error) => {
                let error = error.as_ref() as &dyn Error;
                tracing::error!(file = %self.path.display(), error, "what a file said before still holds");
                seen.stamp = seen_stamp;
            }
        }
        Arc::clone(&seen.value)
    }

    fn read(&self) -> Result<(Stamp, T), Unusable> {
        let file = File::open(&self.path).map_err(FileError::of("read", &self.path))?;
        // Of the opened file, so that stamp and text belong together.
        let stamp = stamp(&file.metadata().map_err(FileError::of("read", &self.path))?);
        let mut text = String::new();
        file.take(BYTES_MAX).read_to_string(&mut text).map_err(FileError::of("read", &self.path))?;
        Ok((stamp, (self.parse)(&self.path, &text)?))
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it says may be secret.
        f.debug_struct("Watched").field("path", &self.path).finish_non_exhaustive()
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len())
}
