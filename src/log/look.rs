//! Whether a log could be opened for appending, as far as that is seen without making or changing a file; only where a process was
//! killed SQLite makes its index of the write-ahead log anew (`log.sqlite3-shm`).

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use super::storage::{self, AHEAD_FILE, DATABASE_FILE, LOCK_FILE, LogError, LogReader};
use super::{archive, snapshots};

/// Looks at the files of the log in a directory, which need not be there, also beside a running server. Gives its reader, if it
/// has something.
///
/// # Errors
/// As [`super::Log::open`], but never [`LogError::Locked`].
pub fn look(dir: &Path) -> Result<Option<LogReader>, LogError> {
    octets(&dir.join(LOCK_FILE))?;
    octets(&dir.join(AHEAD_FILE))?;
    let path = dir.join(DATABASE_FILE);
    archive::list(dir).and_then(|_| snapshots::list(dir)).map_err(at(dir))?;
    if octets(&path)? == 0 {
        // The first start, or one that was cut off.
        return Ok(None);
    }
    let reader = LogReader::open_still(dir)?;
    reader.last().map_err(storage::unusable(&path))?;
    Ok(Some(reader))
}

/// How long a file is that has to be read and written; 0 if there is none.
fn octets(path: &Path) -> Result<u64, LogError> {
    match OpenOptions::new().read(true).write(true).open(path).and_then(|file| file.metadata()) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(at(path)(error)),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> LogError {
    move |source| LogError::File { path: path.to_owned(), source }
}
