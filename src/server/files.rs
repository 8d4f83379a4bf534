//! The server's files. Small ones are written so that a crash leaves the old one or the new one, and no other user can read
//! them; read are texts, secrets, and digests of files of any size.
//!
//! It never overwrites a file unless [`replace`] says so.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::ids::hexadecimal;

/// Octets that are read at a time.
const BUFFER_BYTES: usize = 1 << 16;

/// A file operation that failed: what was tried on which file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", .path.display())]
pub struct FileError {
    /// What was tried: "read", "write", …
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`.
    pub fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        let path = path.to_owned();
        move |source| FileError { action, path, source }
    }
}

/// Why a file that an operator has put a secret into is not read.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It is missing.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// Others than its owner and group may read it.
    #[error("everybody may read {}, which may hold a secret: take that away (chmod o= FILE)", .0.display())]
    Readable(PathBuf),
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The part of a mode that is for everybody.
const OTHERS: u32 = 0o007;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner (mode 0600).
    Owner,
    /// Everybody (mode 0644).
    All,
}

/// Creates a directory and those above it that are missing, for its owner alone (mode 0700). One that exists stays as it is.
pub fn create_directory(path: &Path) -> Result<(), FileError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(FileError::of("create directory", path))
}

/// The whole file as text; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<String>, FileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::of("read", path)(error)),
    }
}

/// The SHA-256 of a file's content in hexadecimal, and its octets. It is never in memory as a whole.
pub fn digest(path: &Path) -> Result<(String, u64), FileError> {
    let unreadable = |error| FileError::of("read", path)(error);
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut sha256, mut octets) = (Sha256::new(), 0);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hexadecimal(&sha256.finalize()), octets)),
            Ok(read) => {
                sha256.update(buffer.get(..read).unwrap_or_default());
                octets += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// The whole file, which may hold a secret, as text.
///
/// # Errors
/// There is none, or everybody may read it.
pub fn read_secret(path: &Path) -> Result<String, SecretFileError> {
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    if mode & OTHERS != 0 {
        return Err(SecretFileError::Readable(path.to_owned()));
    }
    read(path)?.ok_or_else(|| SecretFileError::Missing(path.to_owned()))
}

/// Writes a file durably, in place of the one that may be there. Who reads meanwhile sees the old one or the new one.
pub fn replace(path: &Path, content: impl AsRef<[u8]>, readers: Readers) -> Result<(), FileError> {
    write_aside(path, content.as_ref(), readers)
        .and_then(|aside| std::fs::rename(&aside, path).inspect_err(|_| remove(&aside)))
        .and_then(|()| sync_directory(path))
        .map_err(FileError::of("write", path))
}

/// Writes a new file durably, unless there is one already; the content of the one that is there then.
pub fn create_or_read(path: &Path, content: &str, readers: Readers) -> Result<String, FileError> {
    let aside = write_aside(path, content.as_bytes(), readers).map_err(FileError::of("write", path))?;
    // A hard link, unlike a rename, fails if the name is taken, and the file appears complete.
    let linked = std::fs::hard_link(&aside, path);
    remove(&aside);
    match linked {
        Ok(()) => sync_directory(path).map(|()| content.to_owned()).map_err(FileError::of("write", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::read_to_string(path).map_err(FileError::of("read", path))
        }
        Err(error) => Err(FileError::of("write", path)(error)),
    }
}

/// Opens the file `path` (made if it is missing) for locking.
pub fn open_lock(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(FileError::of("open", path))
}

fn write_aside(path: &Path, content: &[u8], readers: Readers) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    let aside = path.with_file_name(name);
    let mode = if readers == Readers::Owner { 0o600 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&aside)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.inspect_err(|_| remove(&aside)).map(|()| aside)
}

fn remove(aside: &Path) {
    if let Err(error) = std::fs::remove_file(aside) {
        tracing::warn!(file = %aside.display(), %error, "a temporary file stays behind");
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
