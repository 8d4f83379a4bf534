//! Whether a log could be opened for appending, as far as that is seen without making or changing a file.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::storage::{self, AHEAD_FILE, DATABASE_FILE, LOCK_FILE, LogError, LogReader};
use super::{archive, is_in_use, snapshots};

/// Looks at the files of the log in a directory, which need not be there, also beside a running server.
///
/// # Errors
/// As [`super::Log::open`], but never [`LogError::Locked`].
pub fn look(dir: &Path) -> Result<(), LogError> {
    octets(&dir.join(LOCK_FILE))?;
    let (ahead, path) = (octets(&dir.join(AHEAD_FILE))?, dir.join(DATABASE_FILE));
    archive::list(dir).and_then(|_| snapshots::list(dir)).map_err(at(dir))?;
    if octets(&path)? == 0 {
        // The first start, or one that was cut off.
        return Ok(());
    }
    if ahead > 0 || is_in_use(dir) {
        return LogReader::open_checked(dir)?.last().map(drop);
    }
    // Nothing is left to be moved, and nobody writes. SQLite takes no lock then, and makes none of the files that it needs to
    // read beside a writer.
    let path = fs::canonicalize(&path).map_err(at(&path))?;
    let escaped: String = path.as_os_str().as_bytes().iter().map(|octet| format!("%{octet:02X}")).collect();
    let access =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), access)?;
    let looked = storage::identify(&connection, &path).and_then(|()| storage::last(&connection));
    looked.map(drop).map_err(storage::unusable(&path))
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
