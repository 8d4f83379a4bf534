//! The segments of the trail: a directory with a log each, numbered from 1, and what their records say.
//!
//! Owns `DIR/NUMBER/` and `DIR/checkpoint.json`; it never decides what is written or removed. A segment appears and goes at
//! once, by a change of its name, so that who reads beside the writer meets none that is half there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, PublicKey, hex};
use super::forgotten::{AboutLog, Forgotten};
use super::note::Entry;
use super::restored::Restored;
use super::writer::OpenError;
use crate::clock::Timestamp;
use crate::log::{Hash, Log, LogError, LogReader, NewRecord, Record, Scan};

/// Numbers of the kinds of records. A number is never used again for anything else.
const SEGMENT: u16 = 1;
const ENTRY: u16 = 2;
const CHECKPOINT: u16 = 3;
const REMOVED: u16 = 4;
const DISCONTINUITY: u16 = 5;
const RESTORED: u16 = 6;
const FORGOTTEN: u16 = 7;
/// Version of the payloads.
const VERSION: u8 = 1;

/// The newest checkpoint once more, to be copied elsewhere.
pub const KEPT: &str = "checkpoint.json";
/// What segments are called while they are made and while they are removed.
const BEGUN: &str = "begun";
const REMOVED_ASIDE: &str = "removed";

/// What a record of the trail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A segment begins.
    Segment(Start),
    /// Something was noted.
    Entry(Box<Entry>),
    /// Both logs are signed.
    Checkpoint(Checkpoint),
    /// Segments were removed for their age or size.
    Removed(Removed),
    /// At a start the trail was not as it had been left.
    Discontinuity(Discontinuity),
    /// The event log was put back to an earlier position.
    Restored(Restored),
    /// The beginning of the event log is kept no longer.
    Forgotten(Forgotten),
}

/// How a segment begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Its number.
    pub segment: u64,
    /// Where the one before it ended; `None` for the first.
    pub before: Option<Link>,
}

/// The end of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its number.
    pub segment: u64,
    /// Position of its last record.
    pub position: u64,
    /// Hash of that record.
    #[serde(with = "hex")]
    pub hash: Hash,
}

/// Which segments were removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The number of the first.
    pub first: u64,
    /// The end of the last.
    pub last: Link,
}

/// What was not as it had been left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discontinuity {
    /// What was signed last by the checkpoint that was kept beside the trail; `None` if none can be read.
    pub expected: Option<Link>,
    /// What is there in its place, or without one the end; `None` if nothing is there.
    pub found: Option<Link>,
}

/// Reads the segments of a directory, also beside a running server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    directory: Arc<Path>,
}

impl Item {
    pub(super) fn to_record(&self, at: Timestamp) -> Result<NewRecord, serde_json::Error> {
        let (kind, payload) = match self {
            Item::Segment(start) => (SEGMENT, serde_json::to_vec(start)?),
            Item::Entry(entry) => return entry.to_record(ENTRY, VERSION),
            Item::Checkpoint(checkpoint) => (CHECKPOINT, serde_json::to_vec(checkpoint)?),
            Item::Removed(removed) => (REMOVED, serde_json::to_vec(removed)?),
            Item::Discontinuity(broken) => (DISCONTINUITY, serde_json::to_vec(broken)?),
            Item::Restored(restored) => (RESTORED, serde_json::to_vec(restored)?),
            Item::Forgotten(forgotten) => (FORGOTTEN, serde_json::to_vec(forgotten)?),
        };
        let (actor, origin) = (String::new(), String::new());
        Ok(NewRecord { at: at.as_micros(), kind, version: VERSION, actor, origin, payload })
    }

    /// What a record says.
    ///
    /// # Errors
    /// It is of a kind that this version does not know, or its payload is none of that kind.
    pub fn of(record: &Record) -> Result<Item, String> {
        let bytes = record.payload.as_slice();
        let item = match (record.kind, record.version) {
            (SEGMENT, VERSION) => serde_json::from_slice(bytes).map(Item::Segment),
            (ENTRY, VERSION) => Entry::from_record(record).map(|entry| Item::Entry(Box::new(entry))),
            (CHECKPOINT, VERSION) => serde_json::from_slice(bytes).map(Item::Checkpoint),
            (REMOVED, VERSION) => serde_json::from_slice(bytes).map(Item::Removed),
            (DISCONTINUITY, VERSION) => serde_json::from_slice(bytes).map(Item::Discontinuity),
            (RESTORED, VERSION) => serde_json::from_slice(bytes).map(Item::Restored),
            (FORGOTTEN, VERSION) => serde_json::from_slice(bytes).map(Item::Forgotten),
            (kind, version) => return Err(format!("kind {kind} version {version} is unknown")),
        };
        item.map_err(|error| format!("the payload cannot be read: {error}"))
    }
}

impl Reader {
    /// Of the segments in a directory, which may be missing.
    pub fn new(directory: &Path) -> Reader {
        Reader { directory: directory.into() }
    }

    /// The numbers of the segments that there are, ascending.
    ///
    /// # Errors
    /// The directory cannot be read; one that is missing has no segments.
    pub fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            numbers
                .extend(name.to_str().and_then(|name| name.parse::<u64>().ok()).filter(|number| *number > 0));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Where a segment is.
    pub fn place(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:06}"))
    }

    /// Reads a segment.
    ///
    /// # Errors
    /// As [`LogReader::open_checked`]: reading has SQLite forget the end of a damaged write-ahead log, and the proof of it.
    pub fn segment(&self, number: u64) -> Result<LogReader, LogError> {
        LogReader::open_checked(&self.place(number))
    }

    /// Whether there is a segment of this number. One that was removed cannot be read to its end.
    pub fn has(&self, number: u64) -> bool {
        self.place(number).exists()
    }

    /// Makes a segment with its first record.
    pub(super) fn make(&self, number: u64, first: NewRecord) -> Result<(), LogError> {
        let aside = self.directory.join(BEGUN);
        let at = |source| LogError::File { path: aside.clone(), source };
        gone(fs::remove_dir_all(&aside)).map_err(at)?;
        let mut log = Log::open(&aside)?;
        log.append(&[vec![first]])?;
        // The store knows its files by their names, so the name changes while nobody has them open.
        log.close()?;
        fs::rename(&aside, self.place(number)).and_then(|()| self.sync()).map_err(at)
    }

    /// How a segment begins, and when; `None` if nothing is in it.
    pub(super) fn start(&self, number: u64) -> Result<Option<(Start, Timestamp)>, LogError> {
        let first = self.segment(number)?.read(0, 1)?;
        Ok(first.first().and_then(|record| match Item::of(record) {
            Ok(Item::Segment(start)) => Some((start, Timestamp::from_micros(record.at)?)),
            _ => None,
        }))
    }

    /// What a segment says last, signed with a key, of the beginning of the event log, if that stands: neither it nor a later one
    /// says that the log was put back after it, or that more is kept no longer.
    pub(super) fn forgotten(&self, number: u64, key: PublicKey) -> Result<Option<Forgotten>, OpenError> {
        let (mut about, mut newest) = (AboutLog::new(key), None);
        for record in self.segment(number)?.scan(0) {
            newest = about.read(number, &record?).or(newest);
        }
        let Some(Item::Forgotten(forgotten)) = newest else { return Ok(None) };
        for later in self.numbers()?.into_iter().filter(|later| *later > number) {
            for record in self.segment(later)?.scan(0) {
                if about.read(later, &record?).is_some() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(forgotten))
    }

    /// Octets of the files of a segment.
    pub(super) fn size(&self, number: u64) -> io::Result<u64> {
        fs::read_dir(self.place(number))?.map(|entry| Ok(entry?.metadata()?.len())).sum()
    }

    /// Removes a segment that is not written any more.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        self.clear()?;
        fs::rename(self.place(number), self.directory.join(REMOVED_ASIDE))?;
        self.sync()?;
        self.clear()
    }

    /// Removes what is left of a segment whose removal was cut short.
    pub(super) fn clear(&self) -> io::Result<()> {
        gone(fs::remove_dir_all(self.directory.join(REMOVED_ASIDE)))
    }

    /// Has changes of names outlive a power failure.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    /// Keeps a checkpoint beside the trail, in place of an older one.
    pub(super) fn keep(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let (file, aside) = (self.directory.join(KEPT), self.directory.join(format!("{KEPT}.new")));
        let mut new = File::create(&aside)?;
        new.write_all(&serde_json::to_vec(checkpoint)?)?;
        // A start that finds none, or half of one, takes it for a trail that was cut.
        new.sync_all()?;
        fs::rename(&aside, &file)
    }

    /// Keeps a checkpoint that the trail does not agree with under another name.
    pub(super) fn set_aside(&self, now: Timestamp) -> io::Result<()> {
        let aside = self.directory.join(format!("checkpoint-{}.json", now.as_micros()));
        match fs::rename(self.directory.join(KEPT), aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What is not as it was left, by the checkpoint that is kept and the end of the trail.
    pub(super) fn discontinuity(&self, has_lived: bool) -> Result<Option<Discontinuity>, OpenError> {
        let numbers = self.numbers()?;
        // One that is no checkpoint is as good as none.
        let Some(kept) = self.kept().ok().flatten() else {
            let found = self.signed_last(&numbers)?;
            let is_new = found.is_none() && !self.directory.join(KEPT).exists() && !has_lived;
            return Ok((!is_new).then_some(Discontinuity { expected: None, found }));
        };
        let expected = Link { segment: kept.segment, position: kept.position, hash: kept.hash };
        let found = match numbers.contains(&kept.segment) {
            true => {
                let there = self.segment(kept.segment)?.read(kept.position.saturating_sub(1), 1)?;
                there.first().map(|record| Link {
                    segment: kept.segment,
                    position: record.position,
                    hash: record.hash,
                })
            }
            // Removed for its age: the next one says where it ended, which was with this checkpoint.
            false if numbers.contains(&(kept.segment + 1)) => {
                let before = self.start(kept.segment + 1)?.and_then(|(start, _)| start.before);
                match before {
                    Some(end) if (end.segment, end.position) == (kept.segment, kept.position + 1) => {
                        return Ok(None);
                    }
                    other => other,
                }
            }
            false => None,
        };
        Ok((found.as_ref() != Some(&expected)).then_some(Discontinuity { expected: Some(expected), found }))
    }

    /// The newest checkpoint of the trail.
    fn signed_last(&self, numbers: &[u64]) -> Result<Option<Link>, LogError> {
        for number in numbers.iter().rev() {
            let Ok(segment) = self.segment(*number) else { continue };
            let mut found = None;
            for record in segment.scan(0) {
                let record = record?;
                if record.kind == CHECKPOINT {
                    found = Some(Link { segment: *number, position: record.position, hash: record.hash });
                }
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The checkpoint that is kept beside the trail; `None` if there is none.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn kept(&self) -> io::Result<Option<Checkpoint>> {
        match fs::read(self.directory.join(KEPT)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The entries after a place (segment and position), and none from before a time where the segments tell it. A segment
    /// that is removed meanwhile is left out.
    pub fn entries(&self, after: (u64, u64), from: Option<Timestamp>) -> Entries {
        Entries { reader: self.clone(), after, from, numbers: None, scan: None }
    }
}

/// The entries of a trail; see [`Reader::entries`].
#[derive(Debug)]
pub struct Entries {
    reader: Reader,
    after: (u64, u64),
    from: Option<Timestamp>,
    numbers: Option<vec::IntoIter<u64>>,
    scan: Option<(u64, Scan)>,
}

impl Entries {
    /// Begins with the next segment; `None` after the last.
    fn begin(&mut self) -> Result<Option<(u64, Scan)>, LogError> {
        let Entries { reader, after, from, numbers, .. } = self;
        let numbers = match numbers {
            Some(numbers) => numbers,
            None => {
                let path = reader.directory.to_path_buf();
                let found = reader.numbers().map_err(|source| LogError::File { path, source })?;
                numbers.insert(found.into_iter())
            }
        };
        for number in numbers.by_ref().filter(|number| *number >= after.0) {
            let begun = reader.segment(number).and_then(|segment| {
                let first = match from {
                    Some(from) => segment.position_at_time(from.as_micros())?,
                    None => Some(1),
                };
                Ok((segment, first))
            });
            let after = if number == after.0 { after.1 } else { 0 };
            match begun {
                Ok((segment, Some(first))) => {
                    return Ok(Some((number, segment.scan(after.max(first.saturating_sub(1))))));
                }
                Ok((_, None)) => {}
                Err(_) if !reader.has(number) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Iterator for Entries {
    type Item = Result<((u64, u64), Entry), LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((number, scan)) = &mut self.scan else {
                match self.begin() {
                    Ok(Some(begun)) => self.scan = Some(begun),
                    Ok(None) => return None,
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            match scan.next() {
                None => self.scan = None,
                Some(Err(_)) if !self.reader.has(*number) => self.scan = None,
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(record)) => {
                    if let Ok(Item::Entry(entry)) = Item::of(&record) {
                        return Some(Ok(((*number, record.position), *entry)));
                    }
                }
            }
        }
    }
}

/// Whether a record says where the event log begins or ends by what was done to it.
pub(super) fn is_about_log(record: &Record) -> bool {
    [RESTORED, FORGOTTEN].contains(&record.kind)
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
