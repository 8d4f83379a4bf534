//! A small file as it is now: read again when it has changed. Where the file system tells of changes a look costs one question
//! whether there are any, elsewhere one `stat`. Who asks waits for nobody, unless there are changes that are being read.
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
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
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
    value: ArcSwap<T>,
    /// What was told of changes has been taken, and what came of it is not published yet.
    is_settling: AtomicBool,
    /// When the file was looked at last, in milliseconds since `began`; 0 if it was not.
    looked_at: AtomicU64,
    began: Instant,
    seen: Mutex<Seen>,
}

/// What the file was like when it was last read. No stamp: it has not been looked at again since the start.
struct Seen {
    stamp: Option<Stamp>,
    complaint: Complaint,
}

/// What changes when a file is replaced, edited, or given to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    edited: Edited,
    /// Seconds and nanoseconds of the last change of anything, who may read it included.
    changed: (i64, i64),
}

/// What changes when a file is replaced or edited: inode, time of the change in seconds and nanoseconds, and length.
pub type Edited = (u64, i64, i64, u64);

impl Stamp {
    /// The part that tells of its content.
    pub fn edited(self) -> Edited {
        self.edited
    }
}

/// The stamp of a file now; `None` if there is none.
pub fn look(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().map(|metadata| stamp(&metadata))
}

/// What was complained of last: what is tried again every second says the same thing once.
#[derive(Debug, Default)]
pub struct Complaint(Option<String>);

impl Complaint {
    /// Whether that was not the last complaint about files that look like this. From now on it is.
    pub fn is_new(&mut self, stamps: &[Option<Stamp>], error: &(dyn Error + 'static)) -> bool {
        let causes = std::iter::successors(Some(error), |&error| error.source());
        let text = causes.fold(format!("{stamps:?}"), |text, error| format!("{text}: {error}"));
        let is_new = self.0.as_ref() != Some(&text);
        self.0 = Some(text);
        is_new
    }

    /// There is nothing to complain of.
    pub fn end(&mut self) {
        self.0 = None;
    }
}

impl<T> Watched<T> {
    /// Watches a file, which is known to say `value`. What it says later is read with `parse`.
    pub fn new(path: PathBuf, value: T, parse: fn(&Path, &str) -> Result<T, Unusable>) -> Watched<T> {
        Watched {
            changes: Changes::beside(&path),
            path,
            parse,
            value: ArcSwap::from_pointee(value),
            // Whoever asks first looks whether it still says that, and the others wait.
            is_settling: AtomicBool::new(true),
            looked_at: AtomicU64::new(0),
            began: Instant::now(),
            seen: Mutex::new(Seen { stamp: None, complaint: Complaint::default() }),
        }
    }

    /// What the file says now.
    pub fn get(&self) -> Arc<T> {
        if !self.is_settled() {
            // Who waits here finds published what came of the changes that somebody else has taken.
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            // Before they are taken: from then on nobody else hears of them.
            self.is_settling.store(true, SeqCst);
            if self.changes.as_ref().is_none_or(Changes::take) || self.is_due() {
                self.look(&mut seen);
            }
            self.is_settling.store(false, SeqCst);
        } else if self.is_due()
            && let Ok(mut seen) = self.seen.try_lock()
        {
            self.look(&mut seen);
        }
        self.value.load_full()
    }

    /// Whether all changes that were told of are published. It takes none of them.
    fn is_settled(&self) -> bool {
        // In this order: whoever has taken what is not found here has said so before.
        self.changes.as_ref().is_some_and(Changes::are_none) && !self.is_settling.load(SeqCst)
    }

    fn is_due(&self) -> bool {
        let looked_at = self.looked_at.load(Relaxed);
        looked_at == 0 || self.now().saturating_sub(looked_at) >= LOOK.as_millis() as u64
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Reads the file if it has changed, and publishes what it says.
    fn look(&self, seen: &mut Seen) {
        self.looked_at.store(self.now(), Relaxed);
        let now = look(&self.path);
        if seen.stamp == now {
            return seen.complaint.end();
        }
        let error = match self.read() {
            // What it says does not become better by reading it again.
            Ok((stamp, text)) => {
                seen.stamp = Some(stamp);
                match String::from_utf8(text)
                    .map_err(Unusable::from)
                    .and_then(|t| (self.parse)(&self.path, &t))
                {
                    Ok(value) => {
                        self.value.store(Arc::new(value));
                        return seen.complaint.end();
                    }
                    Err(error) => error,
                }
            }
            // It may be readable the next time, without having changed.
            Err(error) => error.into(),
        };
        let error = error.as_ref() as &(dyn Error + 'static);
        if seen.complaint.is_new(&[now], error) {
            tracing::error!(file = %self.path.display(), error, "what a file said before still holds");
        }
    }

    fn read(&self) -> Result<(Stamp, Vec<u8>), FileError> {
        let file = File::open(&self.path).map_err(FileError::of("read", &self.path))?;
        // Of the opened file, so that stamp and text belong together.
        let stamp = stamp(&file.metadata().map_err(FileError::of("read", &self.path))?);
        let mut text = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut text).map_err(FileError::of("read", &self.path))?;
        Ok((stamp, text))
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

    /// Whether there are none that were not taken.
    fn are_none(&self) -> bool {
        // Every request asks this, and how much can be read costs half of what waiting for nothing does.
        matches!(rustix::io::ioctl_fionread(&self.0), Ok(0))
    }

    /// Takes them all; whether there were any.
    fn take(&self) -> bool {
        // What they are does not matter; a queue that has overflown says so in another one.
        let mut are_any = false;
        loop {
            match rustix::io::read(&self.0, &mut [0; 4096]) {
                Err(Errno::AGAIN) => return are_any,
                Ok(octets) if octets > 0 => are_any = true,
                _ => return true,
            }
        }
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        edited: (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(_: &Path, text: &str) -> Result<String, Unusable> {
        match text {
            "bad" => Err("it is bad".into()),
            text => Ok(text.to_owned()),
        }
    }

    fn watched() -> (tempfile::TempDir, PathBuf, Watched<String>) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "first").unwrap();
        let watched = Watched::new(file.clone(), "first".to_owned(), parse);
        (directory, file, watched)
    }

    /// As if a second had passed.
    fn wait(watched: &Watched<String>) {
        watched.looked_at.store(0, Relaxed);
    }

    #[test]
    fn what_could_not_be_read_is_read_when_it_can_be_without_another_change() {
        let (_directory, file, watched) = watched();
        // What a stamp can be had of and nothing be read, whoever asks.
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert_eq!(*watched.get(), "first");
        let seen = || watched.seen.lock().unwrap().stamp;
        assert_eq!(seen(), None, "a stamp of what was not read");
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, "second").unwrap();
        assert_eq!(*watched.get(), "second");
        let stamp = seen();
        assert!(stamp.is_some() && stamp == look(&file));
        std::fs::remove_file(&file).unwrap();
        assert_eq!((watched.get().as_str(), seen()), ("second", stamp));
    }

    #[test]
    fn what_does_not_parse_is_read_once_and_what_it_said_before_holds() {
        let (_directory, file, watched) = watched();
        std::fs::write(&file, "bad").unwrap();
        assert_eq!(*watched.get(), "first");
        assert_eq!(watched.seen.lock().unwrap().stamp, look(&file));
        std::fs::write(&file, "better").unwrap();
        assert_eq!(*watched.get(), "better");
    }

    #[test]
    fn who_may_read_a_file_is_part_of_its_stamp() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_directory, file, _watched) = watched();
        let before = look(&file).unwrap();
        // The clock of a file system has a coarse step.
        let is_told = (0..1_000_000).any(|_| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            look(&file).unwrap() != before
        });
        assert!(is_told && look(&file).unwrap().edited() == before.edited());
    }

    #[test]
    fn the_same_complaint_is_made_once() {
        let mut complaint = Complaint::default();
        let [one, other] = ["one", "other"].map(std::io::Error::other);
        let mut is_new = |error| complaint.is_new(&[None], error);
        assert!(is_new(&one) && !is_new(&one) && is_new(&other));
        let (_directory, file, _watched) = watched();
        assert!(complaint.is_new(&[look(&file)], &other), "the files are others");
        complaint.end();
        assert!(complaint.is_new(&[look(&file)], &other));
    }

    #[test]
    fn nobody_sees_what_a_file_said_before_it_was_changed() {
        let (directory, file, watched) = watched();
        let written = AtomicU64::new(0);
        let (watched, written) = (&watched, &written);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while written.load(SeqCst) < 300 {
                        let before = written.load(SeqCst);
                        let said = watched.get().parse().unwrap_or(0);
                        assert!(before <= said, "it says {said} after {before} was written");
                    }
                });
            }
            for number in 1..=300_u64 {
                let aside = directory.path().join("aside");
                std::fs::write(&aside, number.to_string()).unwrap();
                std::fs::rename(&aside, &file).unwrap();
                written.store(number, SeqCst);
            }
        });
    }

    #[test]
    fn a_quiet_file_is_read_while_somebody_looks_and_a_changed_one_is_waited_for() {
        let (_directory, file, watched) = watched();
        assert_eq!(*watched.get(), "first");
        let looking = watched.seen.lock().unwrap();
        wait(&watched);
        assert_eq!(*watched.get(), "first");
        watched.is_settling.store(true, SeqCst);
        assert!(!watched.is_settled());
        watched.is_settling.store(false, SeqCst);
        std::fs::write(&file, "second").unwrap();
        assert!(!watched.is_settled() && !watched.is_settled(), "asking takes nothing away");
        drop(looking);
        assert_eq!(*watched.get(), "second");
        assert!(watched.is_settled());
    }
}
