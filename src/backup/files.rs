//! The files of a data directory that are no logs: which they are, and how they get into a backup and out of it.
//!
//! It never opens what belongs to a database.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::manifest::Kept;
use super::{BackupError, records};
use crate::audit::segments::KEPT;
use crate::ids::hexadecimal;
use crate::log::{archive, snapshots};
use crate::server::audit::DIRECTORY as TRAIL;
use crate::server::files::{FileError, create_directory, digest};
use crate::server::{LISTENING, operations};

/// Where files are in a backup.
pub(super) const DIRECTORY: &str = "files";
/// How one is called while it is written.
const UNFINISHED: &str = "unfinished";
/// Directories of a data directory are not deeper than this.
const DEPTH_MAX: usize = 8;
/// Octets that are copied at a time.
const BUFFER_BYTES: usize = 1 << 16;

/// Copies all of them but snapshots. Those that go meanwhile are left out.
pub(super) fn copy_all(data: &Path, target: &Path) -> Result<Vec<Kept>, BackupError> {
    copy_those(data, target, |name| !is_in_snapshots(name))
}

/// Copies the snapshots.
pub(super) fn copy_snapshots(data: &Path, target: &Path) -> Result<Vec<Kept>, BackupError> {
    copy_those(data, target, |name| snapshot_of(name).is_some())
}

fn copy_those(
    data: &Path,
    target: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Kept>, BackupError> {
    let mut kept = Vec::new();
    walk(data, "", 0, &mut |path, name| {
        if is_wanted(name) {
            kept.extend(copy(path, name, target)?);
        }
        Ok(())
    })?;
    kept.sort_unstable_by(|one: &Kept, other| one.name.cmp(&other.name));
    Ok(kept)
}

/// Copies one; `None` if it is not there.
pub(super) fn copy(path: &Path, name: &str, target: &Path) -> Result<Option<Kept>, BackupError> {
    let unreadable = |error| FileError::of("read", path)(error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error).into()),
    };
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    let directory = target.join(DIRECTORY);
    let unfinished = directory.join(UNFINISHED);
    let unwritable = |error| FileError::of("write", &unfinished)(error);
    let aside = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    let mut aside = aside.map_err(unwritable)?;
    let (mut sha256, mut octets) = (Sha256::new(), 0);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error).into()),
        };
        sha256.update(read);
        octets += read.len() as u64;
        aside.write_all(read).map_err(unwritable)?;
    }
    let sha256 = hexadecimal(&sha256.finalize());
    // The same content may be there from an earlier run that was cut short, and not be durable.
    aside.sync_all().and_then(|()| fs::rename(&unfinished, directory.join(&sha256))).map_err(unwritable)?;
    Ok(Some(Kept { name: name.to_owned(), mode, octets, sha256 }))
}

/// Whether the content of a file in a backup is what it was.
pub(super) fn check(kept: &Kept, target: &Path) -> Result<(), BackupError> {
    let path = target.join(DIRECTORY).join(&kept.sha256);
    let (found, octets) = digest(&path)?;
    if (found.as_str(), octets) != (kept.sha256.as_str(), kept.octets) {
        let why = format!("the content of {} has SHA-256 {found} and {octets} octets", kept.name);
        return Err(BackupError::Damaged { path, why });
    }
    Ok(())
}

/// Whether the content of a file is there in its length, which costs nothing to ask.
pub(super) fn has(kept: &Kept, target: &Path) -> Result<(), BackupError> {
    has_octets(&target.join(DIRECTORY).join(&kept.sha256), kept.octets)
}

/// The same of any file of a backup.
pub(super) fn has_octets(path: &Path, octets: u64) -> Result<(), BackupError> {
    let found = match fs::metadata(path) {
        Ok(file) if file.len() == octets => return Ok(()),
        Ok(file) => format!("it has {} octets and had {octets}", file.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => "it is not there any more".to_owned(),
        Err(error) => return Err(FileError::of("read", path)(error).into()),
    };
    let why = format!("{found}: make a new backup in another directory");
    Err(BackupError::Damaged { path: path.to_owned(), why })
}

/// Puts files back, but for snapshots that are newer than a position.
pub(super) fn restore(files: &[Kept], target: &Path, data: &Path, position: u64) -> Result<(), BackupError> {
    let mut directories = BTreeSet::from([data.to_owned()]);
    for kept in files.iter().filter(|kept| !is_after(&kept.name, position)) {
        let path = data.join(&kept.name);
        if let Some(directory) = path.parent() {
            create_directory(directory)?;
            directories.extend(directory.ancestors().take_while(|above| *above != data).map(Path::to_owned));
        }
        let unwritable = |error| FileError::of("write", &path)(error);
        // Its mode is that of a new file alone.
        gone(fs::remove_file(&path)).map_err(unwritable)?;
        let from = target.join(DIRECTORY).join(&kept.sha256);
        let mut source = File::open(&from).map_err(FileError::of("read", &from))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(kept.mode & 0o777)
            .open(&path)
            .map_err(unwritable)?;
        io::copy(&mut source, &mut file).and_then(|_| file.sync_all()).map_err(unwritable)?;
    }
    directories.iter().try_for_each(|directory| records::sync(directory))
}

/// Removes what no manifest names any more, as far as it is called like a file of a backup.
pub(super) fn tidy(files: &[&Kept], target: &Path) -> Result<(), BackupError> {
    let directory = target.join(DIRECTORY);
    let named: BTreeSet<&str> = files.iter().map(|kept| kept.sha256.as_str()).collect();
    let unreadable = |error| FileError::of("read", &directory)(error);
    for entry in fs::read_dir(&directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_digest = |name: &str| name.len() == 64 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
        let is_ours = |name: &str| name == UNFINISHED || is_digest(name);
        if entry.file_name().to_str().is_some_and(|name| is_ours(name) && !named.contains(name)) {
            fs::remove_file(entry.path()).map_err(FileError::of("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn walk(
    directory: &Path,
    above: &str,
    depth: usize,
    each: &mut dyn FnMut(&Path, &str) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let unreadable = |error| FileError::of("read", directory)(error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound && depth > 0 => return Ok(()),
        Err(error) => return Err(unreadable(error).into()),
    };
    for entry in entries {
        let entry: DirEntry = entry.map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else {
            let error = io::Error::new(ErrorKind::InvalidInput, "its name is not UTF-8");
            return Err(FileError::of("copy", &entry.path())(error).into());
        };
        let name = format!("{above}{name}");
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(error).into()),
        };
        if kind.is_dir() && !is_of_trail(&name) && name != archive::DIRECTORY && depth < DEPTH_MAX {
            walk(&entry.path(), &format!("{name}/"), depth + 1, each)?;
        } else if !is_of_process(&name) && fs::metadata(entry.path()).is_ok_and(|what| what.is_file()) {
            each(&entry.path(), &name)?;
        }
    }
    Ok(())
}

/// Whether a directory is a segment of the trail, or was one, or will be.
fn is_of_trail(name: &str) -> bool {
    name.strip_prefix(TRAIL).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a file is a database, or says something of a process and not of the data. The checkpoint of the trail goes with the
/// trail.
fn is_of_process(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.starts_with("log.sqlite3")
        || last.ends_with(".lock")
        || last.ends_with(".new")
        || last.ends_with(".unfinished")
        || [LISTENING, operations::TRIAL, super::restore::MARK].contains(&name)
        || name.strip_prefix(TRAIL) == Some(&format!("/{KEPT}"))
}

fn is_in_snapshots(name: &str) -> bool {
    name.strip_prefix(snapshots::DIRECTORY).is_some_and(|rest| rest.starts_with('/'))
}

/// The position that a file is the snapshot of, if it is one.
pub(super) fn snapshot_of(name: &str) -> Option<u64> {
    let name = name.strip_prefix(snapshots::DIRECTORY)?.strip_prefix('/')?;
    name.strip_suffix(snapshots::SUFFIX)?.parse().ok()
}

/// Whether a file is a snapshot of a later position.
fn is_after(name: &str, position: u64) -> bool {
    snapshot_of(name).is_some_and(|of| of > position)
}

/// What is not there need not be removed.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_goes_with_the_log_and_files_of_a_process_do_not() {
        for (name, is_later) in [
            ("snapshots/00000000000000000008.snapshot", true),
            ("snapshots/00000000000000000007.snapshot", false),
            ("snapshots/readme", false),
            ("secrets/00000000000000000008", false),
        ] {
            assert_eq!(is_after(name, 7), is_later, "{name}");
        }
        for (name, is_process) in [
            ("log.sqlite3-wal", true),
            ("users.lock", true),
            ("listening", true),
            ("files/listening", false),
            ("users.json.0123.new", true),
            ("audit/checkpoint.json", true),
            ("audit/checkpoint-1.json", false),
            ("audit/files.json", false),
            ("pki/ca.key", false),
        ] {
            assert_eq!(is_of_process(name), is_process, "{name}");
        }
    }
}
