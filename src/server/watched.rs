//! A small file as it is now: read again when it has changed. Where the file system tells of changes a look costs one question
//! whether there are any, elsewhere one `stat`.
//!
//! It never forgets what the file said because the file has become unreadable.

#![expect(clippy::disallowed_methods, reason = "how long a file was not looked at is no time of a decision")]

use std::error::Error;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::files::FileError;

/// The longest file that is read. A longer one is damaged.
pub const BYTES_MAX: u64 = 64 << 20;

/// Why a file that has changed is not used.
pub type Unusable = Box<dyn Error + Send + Sync>;

/// However quiet its directory is, a file is looked at so often: it may be a link to another one, and a file system that
/// others write to may not tell.
const LOOK: Duration = Duration::from_secs(1);

/// What a file says. If it becomes unreadable or damaged, that stays as it was and the log says why.
pub struct Watched<T> {
    path: PathBuf,
    parse: fn(&Path, &str) -> Result<T, Unusable>,
    /// `None` where the system has no more of them: then the file is looked at each time.
    changes: Option<Changes>,
    seen: Mutex<Seen<T>>,
}

/// What the file held when it was last read. No stamp: it has not been looked at again since the start.
struct Seen<T> {
    stamp: Option<Stamp>,
    value: Arc<T>,
    looked_at: Option<Instant>,
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
        let seen = Mutex::new(Seen { stamp: None, value: Arc::new(value), looked_at: None });
        Watched { changes: Changes::beside(&path), path, parse, seen }
    }

    /// What the file says now.
    pub fn get(&self) -> Arc<T> {
        // Whoever has heard of a change has looked at it before anybody else asks.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_quiet, now) = (self.changes.as_ref().is_some_and(Changes::are_none), Instant::now());
        if is_quiet && seen.looked_at.is_some_and(|at| now.duration_since(at) < LOOK) {
            return Arc::clone(&seen.value);
        }
        seen.looked_at = Some(now);
        let stamp = look(&self.path);
        if seen.stamp == stamp {
            return Arc::clone(&seen.value);
        }
        match self.read() {
            Ok((stamp, value)) => (seen.stamp, seen.value) = (Some(stamp), Arc::new(value)),
            Err(error) => {
                let error = error.as_ref() as &dyn Error;
                tracing::error!(file = %self.path.display(), error, "what a file said before still holds");
                seen.stamp = stamp;
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

/// What the system tells of the directory of a file: files that came, went or were closed by who wrote them. What happens is
/// told before whoever did it goes on.
struct Changes(OwnedFd);

impl Changes {
    fn beside(file: &Path) -> Option<Changes> {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
        let of = WatchFlags::MOVE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        inotify::add_watch(&inotify, directory.unwrap_or(Path::new(".")), of).ok()?;
        Some(Changes(inotify))
    }

    /// Whether there were none since this was last asked.
    fn are_none(&self) -> bool {
        // What they are does not matter; a queue that has overflown says so in another one.
        let mut are_none = true;
        loop {
            match rustix::io::read(&self.0, &mut [0; 4096]) {
                Err(Errno::AGAIN) => return are_none,
                Ok(octets) if octets > 0 => are_none = false,
                _ => return false,
            }
        }
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len())
}
