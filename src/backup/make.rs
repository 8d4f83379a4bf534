//! Making a backup, or going on with one. It never writes into the data directory.

use std::fs::{self, File};
use std::path::Path;

use super::manifest::{FILE, Kept, Manifest, Segment};
use super::{BackupError, Told, alone, files, parent, records, verify};
use crate::audit::Reader;
use crate::audit::segments::KEPT;
use crate::clock::Timestamp;
use crate::log::LogReader;
use crate::server::audit::{DIRECTORY as TRAIL, KEY_FILE};
use crate::server::files::{FileError, create_directory, read};

/// What a directory has until the first backup in it is finished.
const BEGUN: &str = "backup.begun";
/// What may be in an empty one: the lock, which is there before the mark, and what a file system has of itself.
const EMPTY: [&str; 2] = ["server.lock", "lost+found"];
/// Where the event log is in a backup.
const LOG: &str = "log";
/// The directory of the vault: what was in it once stays in a backup, as an earlier point of the log may refer to it.
const SECRETS: &str = "secrets/";
/// The same of parts of data.
const BLOBS: &str = "blobs/";

/// What was done.
#[derive(Clone, Debug)]
pub struct Made {
    /// What the backup holds now.
    pub manifest: Manifest,
    /// The last position that it had before; `None` if it was not there.
    pub before: Option<u64>,
}

impl Made {
    /// How many records of the event log it has that it had not before.
    pub fn new_records(&self) -> u64 {
        let log = &self.manifest.log;
        log.position.saturating_sub(self.before.unwrap_or(log.after.position))
    }
}

/// Makes a backup of a data directory, or goes on with the one that is in `target`. A server may be at work meanwhile: what it
/// writes after this has begun may be left to the next run.
///
/// # Errors
/// The log is damaged or begins where nothing says that it may, `target` holds files and no backup, a damaged one or one of another
/// log, or is in use, a file cannot be read or written. What a
/// finished backup holds stays as it was.
pub fn make(
    data: &Path,
    configuration: Option<&Path>,
    target: &Path,
    at: Timestamp,
    told: Told<'_>,
) -> Result<Made, BackupError> {
    create_directory(target)?;
    let absolute = |path: &Path| fs::canonicalize(path).map_err(FileError::of("open", path));
    if absolute(target)?.starts_with(absolute(data)?) {
        return Err(BackupError::Inside(target.to_owned()));
    }
    if !is_ours(target)? {
        return Err(BackupError::Foreign(target.to_owned()));
    }
    let _lock = alone(target)?;
    let known = Manifest::read(target)?;
    let begun = target.join(BEGUN);
    if known.is_none() {
        // Empty, so that it is there as a whole or not at all.
        File::create(&begun).map_err(FileError::of("write", &begun))?;
        records::sync(target)?;
    }
    create_directory(&target.join(files::DIRECTORY))?;

    let reader = LogReader::open_checked(data)?;
    // The trail has a note of it before it is so.
    let first = reader.first()?;
    // It signs what is in the trail, so the trail is read after it.
    let trail = data.join(TRAIL);
    let checkpoint = files::copy(&trail.join(KEPT), &format!("{TRAIL}/{KEPT}"), target)?;
    let segments = copy_trail(&trail, target, known.as_ref(), told)?;
    verify::beginning(&first, &segments, read(&data.join(KEY_FILE))?.as_deref(), target)?;

    // A log that begins after a position needs a snapshot. What there is before the log is read does not stand for more than it.
    let after = match &known {
        Some(known) => known.log.after.position,
        None => first.position,
    };
    let mut snapshots = if after > 0 { files::copy_snapshots(data, target)? } else { Vec::new() };
    // The earliest that the backup has stays: what is before the others can be restored with it alone.
    let earliest = known.as_ref().and_then(Manifest::earliest_snapshot).map(|(_, kept)| kept);
    if let Some(earliest) = earliest.filter(|kept| snapshots.iter().all(|new| new.name != kept.name)) {
        files::has(earliest, target)?;
        snapshots.push(earliest.clone());
    }
    let known_log = known.as_ref().map(|known| &known.log);
    let log = records::copy((&reader, first), data, target, LOG, known_log, told)?;

    let mut kept = files::copy_all(data, target)?;
    kept.extend(checkpoint);
    kept.extend(snapshots);
    let is_new = |name: &str| kept.iter().all(|kept| kept.name != name);
    let secrets = known
        .iter()
        .flat_map(|known| &known.files)
        .filter(|file| file.name.starts_with(SECRETS) || file.name.starts_with(BLOBS));
    let secrets: Vec<Kept> = secrets.filter(|file| is_new(&file.name)).cloned().collect();
    secrets.iter().try_for_each(|file| files::has(file, target))?;
    kept.extend(secrets);
    told("files copied", kept.len() as u64, Some(kept.len() as u64));
    let configuration = match configuration {
        Some(file) => files::copy(file, &file.display().to_string(), target)?,
        None => None,
    };

    let program = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { at, program, log, trail: segments, files: kept, configuration };
    manifest.check_snapshot()?;
    for directory in [files::DIRECTORY, LOG] {
        records::sync(&target.join(directory))?;
    }
    records::sync(target)?;
    records::sync(parent(target))?;
    manifest.write(target)?;

    // Nothing needs the rest any more.
    let named: Vec<&Kept> = manifest.files.iter().chain(&manifest.configuration).collect();
    files::tidy(&named, target)?;
    records::tidy(&manifest.log, target, LOG)?;
    for segment in &manifest.trail {
        records::tidy(&segment.records, target, &directory_of(segment.number))?;
    }
    for segment in known.iter().flat_map(|known| &known.trail) {
        if manifest.trail.iter().all(|there| there.number != segment.number) {
            records::remove_all(&target.join(directory_of(segment.number)))?;
        }
    }
    files::gone(fs::remove_file(&begun)).map_err(FileError::of("remove", &begun))?;
    Ok(Made { manifest, before: known.map(|known| known.log.position) })
}

/// Whether a backup may be made in a directory: nothing is in it, or a backup was begun there.
fn is_ours(target: &Path) -> Result<bool, BackupError> {
    let has = |name: &str| fs::exists(target.join(name)).map_err(FileError::of("read", target));
    if has(FILE)? || has(BEGUN)? {
        return Ok(true);
    }
    let names = records::names(target)?;
    Ok(names.iter().all(|name| name.to_str().is_some_and(|name| EMPTY.contains(&name))))
}

/// Where a segment is in a backup.
fn directory_of(number: u64) -> String {
    format!("{TRAIL}/{number:06}")
}

fn copy_trail(
    trail: &Path,
    target: &Path,
    known: Option<&Manifest>,
    told: Told<'_>,
) -> Result<Vec<Segment>, BackupError> {
    let reader = Reader::new(trail);
    let numbers = || reader.numbers().map_err(FileError::of("read", trail));
    let (mut segments, mut copied): (Vec<Segment>, u64) = (Vec::new(), 0);
    // One may begin while another one is copied.
    while let Some(number) = numbers()?.into_iter().find(|number| *number > copied) {
        copied = number;
        let place = reader.place(number);
        let directory = directory_of(number);
        let known = known.and_then(|known| known.trail.iter().find(|segment| segment.number == number));
        let records = LogReader::open_checked(&place).map_err(BackupError::from).and_then(|log| {
            let first = log.first()?;
            records::copy((&log, first), &place, target, &directory, known.map(|known| &known.records), told)
        });
        match records {
            Ok(records) => segments.push(Segment { number, records }),
            // It was removed for its age meanwhile.
            Err(_) if !reader.has(number) => {}
            Err(error) => return Err(error),
        }
    }
    if !segments.is_empty() {
        records::sync(&target.join(TRAIL))?;
    }
    Ok(segments)
}
