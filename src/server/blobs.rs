//! Where the parts of large data objects are: a directory for the owner of the process alone, with a file for each, called by the
//! SHA-256 of its content.
//!
//! A file never changes, and is there before anything refers to it. Nothing here knows what an object is.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::files::{self, FileError, Readers};
use crate::clock::Clock;
use crate::engine;
use crate::tasks;
use crate::yang::error::Error;

/// Where they are in a data directory.
pub const DIRECTORY: &str = "blobs";
/// What nothing refers to is kept so long: who was about to refer to it does so within seconds.
const KEPT_UNUSED: Duration = Duration::from_secs(24 * 3600);
const NAME_DIGITS: usize = 64;

/// The parts of a data directory.
#[derive(Debug)]
pub struct Blobs {
    directory: PathBuf,
    clock: Clock,
    /// Held while it is looked whether a file is there, so that it does not go then.
    sweeping: Mutex<()>,
}

impl Blobs {
    /// Those of a data directory, in which their directory is made if it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(data: &Path, clock: Clock) -> Result<Blobs, FileError> {
        let directory = data.join(DIRECTORY);
        files::create_directory(&directory)?;
        Ok(Blobs { directory, clock, sweeping: Mutex::new(()) })
    }

    /// Removes those that nothing has referred to for long, and what a crash left of files being written. Waits for the
    /// files.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn sweep(&self, referenced: impl FnOnce() -> BTreeSet<String>) -> io::Result<()> {
        let old: Vec<PathBuf> =
            std::fs::read_dir(&self.directory)?.filter_map(|entry| self.old(&entry.ok()?.path())).collect();
        if old.is_empty() {
            return Ok(());
        }
        let referenced = referenced();
        for path in old {
            let is_used =
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| referenced.contains(name));
            let _one = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody may have come to use it.
            if !is_used
                && let Some(path) = self.old(&path)
                && let Err(error) = std::fs::remove_file(&path)
            {
                tracing::warn!(%error, file = %path.display(), "a part of data that is not used stays");
            }
        }
        Ok(())
    }

    /// The path, if the file has not been touched for long.
    fn old(&self, path: &Path) -> Option<PathBuf> {
        let modified = std::fs::metadata(path).and_then(|file| file.modified()).ok()?;
        self.now().duration_since(modified).is_ok_and(|age| age > KEPT_UNUSED).then(|| path.to_owned())
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
        files::replace(&path, octets, Readers::Owner).map_err(|error| {
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
    use crate::server::test_directory::TestDirectory;
    use crate::tasks::Blobs as _;

    #[test]
    fn what_nothing_refers_to_goes_in_its_time_and_what_comes_again_stays() {
        let data = TestDirectory::new();
        let clock = ManualClock::new(Timestamp::from_micros(1_800_000_000_000_000).unwrap());
        let blobs = Blobs::open(data.path(), clock.clock()).unwrap();
        let [used, unused, again] = ["a", "b", "c"].map(|digit| digit.repeat(NAME_DIGITS));
        for name in [&used, &unused, &again] {
            blobs.keep(name, b"octets").unwrap();
            let file = File::options().write(true).open(data.path().join(DIRECTORY).join(name)).unwrap();
            file.set_modified(blobs.now()).unwrap();
        }
        assert_eq!(blobs.read(&used, 1, 3).unwrap(), b"cte");
        assert!(blobs.read(&used, 4, 3).is_err() && blobs.read("../x", 0, 1).is_err());
        clock.advance_seconds(25 * 3600);
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
}
