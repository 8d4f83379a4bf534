//! Where the parts of large data objects are: a directory for the owner of the process alone, with a file for each, called by the
//! SHA-256 of its content.
//!
//! A file never changes, and is there before anything refers to it. All together have no more than twice the octets that data may
//! have, whatever is put and removed between two sweeps. Nothing here knows what an object is.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::files::{self, FileError, Readers};
use crate::clock::Clock;
use crate::engine;
use crate::limits::InForce;
use crate::tasks;
use crate::yang::error::{Error, Tag};

/// Where they are in a data directory.
pub const DIRECTORY: &str = "blobs";
/// What nothing refers to is kept so long: who was about to refer to it does so within seconds.
const KEPT_UNUSED: Duration = Duration::from_secs(15 * 60);
const NAME_DIGITS: usize = 64;

/// Which of the parts are not in a data directory as they were written, or cannot be read, and why not.
pub fn damaged<'n>(data: &Path, names: impl IntoIterator<Item = &'n str>) -> Vec<(String, io::Error)> {
    let directory = data.join(DIRECTORY);
    let fault = |name: &str| match files::digest(&directory.join(name)) {
        Ok((found, _)) if found == name => None,
        Ok((found, _)) => {
            let why = format!("its content has the SHA-256 {found}");
            Some((name.to_owned(), io::Error::new(io::ErrorKind::InvalidData, why)))
        }
        Err(error) => Some((name.to_owned(), error.source)),
    };
    names.into_iter().filter_map(fault).collect()
}

/// The parts of a data directory.
#[derive(Debug)]
pub struct Blobs {
    directory: PathBuf,
    clock: Clock,
    /// Held while it is looked whether a file is there, so that it does not go then.
    sweeping: Mutex<()>,
    limits: InForce,
    /// How many there are in all: what the last sweep found and what was written since.
    octets: AtomicU64,
    full: Notify,
}

impl Blobs {
    /// Those of a data directory, in which their directory is made if it is missing. What there is counts from the first sweep on.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(data: &Path, limits: InForce, clock: Clock) -> Result<Blobs, FileError> {
        let directory = data.join(DIRECTORY);
        files::create_directory(&directory)?;
        let (sweeping, octets, full) = (Mutex::new(()), AtomicU64::new(0), Notify::new());
        Ok(Blobs { directory, clock, sweeping, limits, octets, full })
    }

    /// Waits until a part found no room, so that a sweep may make some.
    pub async fn is_full(&self) {
        self.full.notified().await;
    }

    /// Removes those that nothing refers to, and what a crash left of files being written, but what came a moment ago. Waits for
    /// the files.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn sweep(&self, referenced: impl FnOnce() -> BTreeSet<String>) -> io::Result<()> {
        let counted = self.octets.load(Ordering::Relaxed);
        let (mut found, mut old) = (0_u64, Vec::new());
        for entry in std::fs::read_dir(&self.directory)? {
            let Ok((path, file)) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) else {
                continue;
            };
            found = found.saturating_add(file.len());
            old.extend(self.is_old(&file).then_some((path, file.len())));
        }
        let referenced = if old.is_empty() { BTreeSet::new() } else { referenced() };
        for (path, octets) in old {
            let is_used =
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| referenced.contains(name));
            let _one = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody may have come to use it.
            if is_used || !std::fs::metadata(&path).is_ok_and(|file| self.is_old(&file)) {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => found = found.saturating_sub(octets),
                Err(error) => {
                    tracing::warn!(%error, file = %path.display(), "a part of data that is not used stays");
                }
            }
        }
        // What is written meanwhile may be counted twice, until the next time.
        let corrected = |octets: u64| octets.saturating_add(found).saturating_sub(counted);
        self.count(corrected);
        Ok(())
    }

    fn count(&self, change: impl Fn(u64) -> u64) {
        let changed = |octets| Some(change(octets));
        let _ = self.octets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
    }

    /// Counts so many octets more, if there is room for them.
    fn room(&self, octets: u64) -> Result<(), Error> {
        let most = self.limits.data_bytes_max.saturating_mul(2);
        let more = |counted: u64| Some(counted.saturating_add(octets)).filter(|sum| *sum <= most);
        if self.octets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            return Ok(());
        }
        self.full.notify_one();
        let message = "too much data was put and removed lately, try again later";
        Err(Error::application(Tag::ResourceDenied, message).app_tag("busy"))
    }

    /// Whether the file has not been touched for some time.
    fn is_old(&self, file: &Metadata) -> bool {
        let age = file.modified().map(|modified| self.now().duration_since(modified).unwrap_or_default());
        age.is_ok_and(|age| age > KEPT_UNUSED)
    }

    fn now(&self) -> SystemTime {
        let seconds = u64::try_from(self.clock.now().as_seconds()).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn path(&self, sha256: &str) -> io::Result<PathBuf> {
        let is_name = sha256.len() == NAME_DIGITS && sha256.chars().all(|c| c.is_ascii_hexdigit());
        is_name.then(|| self.directory.join(sha256)).ok_or_else(|| ErrorKind::InvalidInput.into())
    }

    /// Whether the part is there; from now on it is used.
    fn is_kept(&self, path: &Path, octets: u64) -> bool {
        let _one = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(file) = File::options().write(true).open(path) else { return false };
        file.metadata().is_ok_and(|found| found.len() == octets) && file.set_modified(self.now()).is_ok()
    }
}

impl tasks::Blobs for Blobs {
    fn keep(&self, sha256: &str, octets: &[u8]) -> Result<(), Error> {
        let path = self.path(sha256).map_err(|error| engine::refused_file(&error))?;
        if self.is_kept(&path, octets.len() as u64) {
            return Ok(());
        }
        let size = octets.len() as u64;
        self.room(size)?;
        files::replace(&path, octets, Readers::Owner).map_err(|error| {
            self.count(|counted| counted.saturating_sub(size));
            tracing::error!(error = &error as &dyn std::error::Error, "a part of data cannot be written");
            engine::refused_file(&error.source)
        })
    }

    fn read(&self, sha256: &str, from: u64, octets: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(sha256)?)?;
        file.seek(SeekFrom::Start(from))?;
        let mut read = Vec::new();
        file.take(octets).read_to_end(&mut read)?;
        match read.len() as u64 == octets {
            true => Ok(read),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::limits::Limits;
    use crate::server::test_directory::TestDirectory;
    use crate::tasks::Blobs as _;

    #[test]
    fn what_nothing_refers_to_goes_in_its_time_and_what_comes_again_stays() {
        let data = TestDirectory::new();
        let clock = ManualClock::new(Timestamp::from_micros(1_800_000_000_000_000).unwrap());
        let blobs = Blobs::open(data.path(), Limits::default().into(), clock.clock()).unwrap();
        let [used, unused, again] = ["a", "b", "c"].map(|digit| digit.repeat(NAME_DIGITS));
        for name in [&used, &unused, &again] {
            blobs.keep(name, b"octets").unwrap();
            let file = File::options().write(true).open(data.path().join(DIRECTORY).join(name)).unwrap();
            file.set_modified(blobs.now()).unwrap();
        }
        assert_eq!(blobs.read(&used, 1, 3).unwrap(), b"cte");
        assert!(blobs.read(&used, 4, 3).is_err() && blobs.read("../x", 0, 1).is_err());
        clock.advance_seconds(16 * 60);
        let in_use = [used.clone()].into();
        blobs
            .sweep(|| {
                blobs.keep(&again, b"octets").unwrap();
                in_use
            })
            .unwrap();
        assert!(blobs.read(&used, 0, 6).is_ok() && blobs.read(&again, 0, 6).is_ok());
        assert!(blobs.read(&unused, 0, 6).is_err());
    }

    #[test]
    fn what_is_put_and_removed_again_does_not_fill_the_disk() {
        let data = TestDirectory::new();
        let clock = ManualClock::new(Timestamp::from_micros(1_800_000_000_000_000).unwrap());
        let limits = Limits { data_bytes_max: 10, ..Limits::default() };
        let blobs = Blobs::open(data.path(), limits.into(), clock.clock()).unwrap();
        let [first, second, third] = ["a", "b", "c"].map(|digit| digit.repeat(NAME_DIGITS));
        for name in [&first, &second] {
            blobs.keep(name, b"12345678").unwrap();
            let file = File::options().write(true).open(data.path().join(DIRECTORY).join(name)).unwrap();
            file.set_modified(blobs.now()).unwrap();
        }
        assert_eq!(blobs.keep(&third, b"12345678").unwrap_err().tag, Tag::ResourceDenied);
        blobs.keep(&first, b"12345678").unwrap();
        blobs.sweep(BTreeSet::new).unwrap();
        assert!(blobs.keep(&third, b"12345678").is_err(), "somebody may be about to refer to them");
        clock.advance_seconds(16 * 60);
        blobs.sweep(|| [second.clone()].into()).unwrap();
        blobs.keep(&third, b"12345678").unwrap();
        assert!(blobs.keep(&first, b"12345678").is_err(), "what is referred to counts");
    }
}
