//! Making a data directory of a backup, as it was at its end or at an earlier point of the event log.
//!
//! The directory is made beside the place where it belongs, and gets its name when it is complete; what was at that place is
//! renamed, never removed. Only the event log goes back to a point: users, keys, certificates and the audit trail are those
//! of the end of the backup.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::records::Copied;
use super::{BackupError, Told, alone, files, parent, records, verify};
use crate::audit::restored::Restore;
use crate::audit::{Reader, Signer};
use crate::clock::Timestamp;
use crate::engine;
use crate::ids::hexadecimal;
use crate::log::{Head, Log, LogReader, NewRecord, Point, Record};
use crate::server::audit::{DIRECTORY as TRAIL, KEY_FILE};
use crate::server::files::{FileError, Readers, create_directory, read, replace};
use crate::server::lock;

/// What a directory has while it is made, and shortly after.
pub(super) const MARK: &str = "restore.json";
/// Octets of records that become durable together.
const GROUP_BYTES: usize = 4 << 20;
/// Transactions that do.
const GROUP_TRANSACTIONS: usize = 4096;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// The data directory.
    pub data: &'w Path,
    /// Up to where; `None` for the end.
    pub to: Option<Point>,
    /// Whether what is there already may be renamed.
    pub force: bool,
    /// The time.
    pub at: Timestamp,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The last position.
    pub position: u64,
    /// When that was recorded, or the latest before.
    pub time: Timestamp,
    /// Hash of that record, in hexadecimal.
    pub hash: String,
    /// What was there before is here now.
    pub set_aside: Option<PathBuf>,
    /// Secrets that the restored configuration refers to and the backup has not.
    pub missing: Vec<String>,
    /// The configuration file of the server, in the backup, and what it was called.
    pub configuration: Option<(PathBuf, String)>,
}

/// Of which backup a directory is made, and up to where.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    backup: String,
    position: u64,
}

/// Verifies a backup and makes a data directory of it. One that was cut short is gone on with.
///
/// # Errors
/// The backup is damaged or does not go so far, the place is taken or in use, a file cannot be written, or the log cannot be
/// replayed by this program.
pub fn restore(target: &Path, wanted: &Wanted<'_>, told: Told<'_>) -> Result<Restored, BackupError> {
    let data = wanted.data;
    let is_taken = has_files(data)?;
    // Whoever begins to serve it meanwhile is refused too.
    let _served = if is_taken { Some(lock(data)?) } else { None };
    if is_taken && !wanted.force {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }
    let (manifest, sha256) =
        Manifest::sealed(target)?.ok_or_else(|| BackupError::Unfinished(target.to_owned()))?;
    let head = verified(&manifest, target, wanted.to, told)?;
    // It would sign that the log begins there.
    let first = manifest.log.after.head().unwrap_or(Head::EMPTY);
    let key = manifest.files.iter().find(|kept| kept.name == KEY_FILE);
    let key = key.map(|kept| read(&target.join(files::DIRECTORY).join(&kept.sha256))).transpose()?.flatten();
    verify::beginning(&first, &manifest.trail, key.as_deref(), target)?;

    let building = beside(data, "restoring");
    begin(&building, &Mark { backup: sha256, position: head.position })?;
    let building_lock = alone(&building)?;
    fill(&manifest.log, target, &building, &head, told)?;
    files::restore(&manifest.files, target, &building, head.position)?;
    let trail = building.join(TRAIL);
    for (number, segment) in manifest.trail.iter().enumerate() {
        let place = Reader::new(&trail).place(segment.number);
        // The last one goes on with what is noted of this, maybe by an earlier run.
        if number + 1 == manifest.trail.len() {
            files::gone(fs::remove_dir_all(&place)).map_err(FileError::of("remove", &place))?;
        }
        create_directory(&place)?;
        let end = segment.records.head().unwrap_or(Head::EMPTY);
        fill(&segment.records, target, &place, &end, told)?;
    }
    let by = fs::metadata(&building).map_err(FileError::of("read", &building))?.uid();
    if let Some(pem) = read(&building.join(KEY_FILE))? {
        let (of_position, of_time) = (manifest.log.position, manifest.at);
        let by = format!("uid {by}");
        let restore = Restore { at: wanted.at, by, first, to: head, of_position, of_time };
        restore.note(&trail, &Signer::from_pem(&pem)?)?;
    }
    let missing = missing(&building, &head, told)?;
    records::sync(&building)?;
    drop(building_lock);

    let set_aside = is_taken.then(|| beside(data, &format!("before-{}", wanted.at.as_micros())));
    if let Some(aside) = &set_aside {
        fs::rename(data, aside).map_err(FileError::of("rename", data))?;
    }
    fs::rename(&building, data).map_err(FileError::of("rename", &building))?;
    records::sync(parent(data))?;
    let mark = data.join(MARK);
    fs::remove_file(&mark).map_err(FileError::of("remove", &mark))?;
    let configuration = manifest.configuration.map(|kept| {
        let file = target.join(files::DIRECTORY).join(&kept.sha256);
        (file, kept.name)
    });
    let time = Timestamp::from_micros(head.latest_at).unwrap_or(Timestamp::EPOCH);
    let (position, hash) = (head.position, hexadecimal(&head.hash));
    Ok(Restored { position, time, hash, set_aside, missing, configuration })
}

/// Verifies a backup. Where the event log is to end: at the last whole transaction before the point.
fn verified(
    manifest: &Manifest,
    target: &Path,
    to: Option<Point>,
    told: Told<'_>,
) -> Result<Head, BackupError> {
    let latest_at = manifest.log.head().unwrap_or(Head::EMPTY).latest_at;
    let is_beyond = match to {
        Some(Point::Position(position)) => position > manifest.log.position,
        Some(Point::Time(time)) => time > manifest.at && time.as_micros() > latest_at,
        None => false,
    };
    let text = |micros| Timestamp::from_micros(micros).unwrap_or(Timestamp::EPOCH).to_string();
    if is_beyond {
        return Err(BackupError::Beyond { end: manifest.log.position, time: text(latest_at) });
    }
    let after = manifest.log.after.head().unwrap_or(Head::EMPTY);
    let earliest = manifest.earliest_snapshot().map_or(0, |(position, _)| position);
    let earliest = if after == Head::EMPTY { 0 } else { earliest };
    if matches!(to, Some(Point::Position(position)) if position < earliest) {
        return Err(BackupError::BeforeSnapshot(earliest));
    }
    let (mut end, mut first, mut is_within) = (after, None, true);
    verify::all(manifest, target, told, &mut |record: &Record, head| {
        first.get_or_insert(record.at);
        is_within &= match to {
            Some(Point::Position(position)) => record.position <= position,
            Some(Point::Time(time)) => head.latest_at <= time.as_micros(),
            None => true,
        };
        if is_within && record.transaction_end {
            end = *head;
        }
    })?;
    match first {
        Some(first) if end == after => Err(BackupError::Before(text(first))),
        _ if end.position < earliest => Err(BackupError::BeforeSnapshot(earliest)),
        _ => Ok(end),
    }
}

/// Makes the directory, or finds that an earlier run has.
fn begin(building: &Path, mark: &Mark) -> Result<(), BackupError> {
    let path = building.join(MARK);
    if has_files(building)? {
        let found = read(&path)?.and_then(|text| serde_json::from_str(&text).ok());
        return match found.as_ref() == Some(mark) {
            true => Ok(()),
            false => Err(BackupError::OtherRestore(building.to_owned())),
        };
    }
    create_directory(building)?;
    let text = serde_json::to_string(mark).map_err(|error| FileError::of("write", &path)(error.into()))?;
    Ok(replace(&path, &text, Readers::Owner)?)
}

/// Appends the records of a log up to a place in its chain, from where an earlier run has stopped.
fn fill(
    copied: &Copied,
    target: &Path,
    directory: &Path,
    to: &Head,
    told: Told<'_>,
) -> Result<(), BackupError> {
    let mut log = Log::open_after(directory, &copied.after.head().unwrap_or(Head::EMPTY))?;
    let begun = log.last();
    let other = || BackupError::OtherRestore(directory.to_owned());
    if begun.position > to.position {
        return Err(other());
    }
    let (mut group, mut transaction, mut octets): (Vec<Vec<NewRecord>>, Vec<NewRecord>, usize) =
        (Vec::new(), Vec::new(), 0);
    copied.walk(target, |record, head| {
        if head.position > to.position {
            return Ok(false);
        }
        if head.position <= begun.position {
            return match head.position == begun.position && head.hash != begun.hash {
                true => Err(other()),
                false => Ok(true),
            };
        }
        let Record { at, kind, version, transaction_end, actor, origin, payload, .. } = record;
        octets += payload.len();
        transaction.push(NewRecord { at, kind, version, actor, origin, payload });
        if transaction_end {
            group.push(std::mem::take(&mut transaction));
        }
        if transaction_end && (octets >= GROUP_BYTES || group.len() >= GROUP_TRANSACTIONS) {
            log.append(&group)?;
            group.clear();
            octets = 0;
            told("records restored", head.position, Some(to.position));
        }
        Ok(true)
    })?;
    log.append(&group)?;
    // Sealed anew, they have to be the same records.
    if log.last() != *to {
        return Err(other());
    }
    Ok(log.close()?)
}

/// Secrets that the state refers to and that are not in the vault.
fn missing(data: &Path, head: &Head, told: Told<'_>) -> Result<Vec<String>, BackupError> {
    let log = LogReader::open(data)?;
    let replayed = &mut |at| told("records replayed", at, Some(head.position));
    let state = engine::replay_telling(&log, head.position, replayed)?;
    let is_missing = |id: &str| !data.join("secrets").join(id).exists();
    let references = state.references();
    Ok(references.iter().filter(|one| is_missing(one.id())).map(ToString::to_string).collect())
}

fn has_files(directory: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::of("read", directory)(error).into()),
    }
}

/// A directory beside another one.
fn beside(directory: &Path, what: &str) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}"));
    directory.with_file_name(name)
}
