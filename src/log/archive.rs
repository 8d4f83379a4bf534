//! Archives: records that were moved out of the log's database into compressed files beside it.
//!
//! A file holds records that follow each other and says after which one they come, so that they are checked against the chain
//! like those of the database. It is there as a whole or not at all, and never changed. Nothing here decides what is moved.
//!
//! ```text
//! one frame of zstd:
//! agentconf archive 1
//! POSITION HASH LATEST-TIME         of the record before the first
//! length, 4 octets, big-endian, and the record's canonical bytes; and so on
//! ```

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::chain::{Damage, Fault, Head, head_line, read_head};
use super::record::{PAYLOAD_BYTES_MAX, Record};
use super::snapshots::directory;
use super::storage::{LogError, is_of_system};

/// The directory of the archives in that of the log.
pub const DIRECTORY: &str = "archive";

const MAGIC: &str = "agentconf archive 1";
const SUFFIX: &str = ".records";
const UNFINISHED: &str = ".unfinished";
/// Records are written once and read seldom.
const LEVEL: i32 = 6;
const BUFFER_BYTES: usize = 1 << 20;
/// Longer than any record.
const RECORD_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 4096;

/// One file of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Where it is.
    pub path: PathBuf,
    /// Position of its first record.
    pub first: u64,
    /// Position of its last record.
    pub last: u64,
}

/// The archives beside a log, ascending. What is none of ours is left alone and not among them.
///
/// # Errors
/// The directory is there and cannot be read.
pub fn list(dir: &Path) -> io::Result<Vec<Archive>> {
    let found = match fs::read_dir(dir.join(DIRECTORY)) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut archives = Vec::new();
    for entry in found {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let numbers = name.strip_suffix(SUFFIX).and_then(|numbers| numbers.split_once('-'));
        let numbers = numbers.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        if let Some((first, last)) = numbers {
            archives.push(Archive { path, first, last });
        }
    }
    archives.sort_by_key(|archive| (archive.first, archive.last));
    Ok(archives)
}

/// Writes the records that follow `before` into a file, which is durable on return.
///
/// # Errors
/// Those of the file system; there is no new archive then.
pub(super) fn write(dir: &Path, before: &Head, records: &[Record]) -> Result<Archive, LogError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| LogError::File { path, source }
    };
    let dir = directory(dir, DIRECTORY).map_err(at(dir))?;
    let (first, last) =
        (before.next_position(), records.last().map_or(before.position, |last| last.position));
    let name = format!("{first:020}-{last:020}");
    let (unfinished, finished) =
        (dir.join(format!("{name}{UNFINISHED}")), dir.join(format!("{name}{SUFFIX}")));
    let written = begun(&unfinished, before, records).and_then(|()| {
        fs::rename(&unfinished, &finished)?;
        File::open(&dir)?.sync_all()
    });
    written.map_err(at(&unfinished))?;
    Ok(Archive { path: finished, first, last })
}

fn begun(path: &Path, before: &Head, records: &[Record]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut frame = zstd::Encoder::new(BufWriter::with_capacity(BUFFER_BYTES, file), LEVEL)?;
    // The chain finds whatever is altered; this finds it also where it alters no record.
    frame.include_checksum(true)?;
    write!(frame, "{MAGIC}\n{}\n", head_line(before))?;
    for record in records {
        let bytes = record.encode().map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        frame.write_all(&length.to_be_bytes())?;
        frame.write_all(&bytes)?;
    }
    let out = frame.finish()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Archives all of whose records are older than a time, oldest first, and none behind another that is not; each with the place
/// in the chain after it. The log itself begins after `base`.
///
/// # Errors
/// The files cannot be read.
pub(super) fn before(dir: &Path, base: &Head, at: i64) -> Result<Vec<(Archive, Head)>, LogError> {
    let mut found = Vec::new();
    let unreadable = |source| LogError::File { path: dir.join(DIRECTORY), source };
    let archives = list(dir).map_err(unreadable)?;
    for (index, archive) in archives.iter().enumerate() {
        // The latest time of all records up to the last one of this stands at the beginning of the next.
        let end = match archives.get(index + 1) {
            Some(next) => Records::open(next)?.head,
            None => *base,
        };
        // What compaction was interrupted over is not all out of the log.
        if end.latest_at >= at || archive.last > base.position {
            break;
        }
        found.push((archive.clone(), end));
    }
    Ok(found)
}

/// Removes them.
///
/// # Errors
/// The files cannot be read or removed.
pub(super) fn remove_before(dir: &Path, base: &Head, at: i64) -> Result<u64, LogError> {
    let mut removed = 0;
    for (Archive { path, .. }, _) in before(dir, base, at)? {
        fs::remove_file(&path).map_err(|source| LogError::File { path, source })?;
        removed += 1;
    }
    Ok(removed)
}

/// The records of a file, each checked against the chain. There are those that its name says, or there is damage.
pub(super) struct Records {
    archive: Archive,
    input: Box<dyn BufRead + Send>,
    /// Where the chain stands: before the first record, and then after the last one that was read.
    pub(super) head: Head,
    /// What follows the records that were given.
    failed: Option<LogError>,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("archive", &self.archive)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Records {
    /// Before the first record. An archive that was forgotten meanwhile is [`LogError::Gone`].
    pub(super) fn open(archive: &Archive) -> Result<Self, LogError> {
        let file = File::open(&archive.path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => LogError::Gone { first: archive.last.saturating_add(1) },
            _ => LogError::File { path: archive.path.clone(), source },
        })?;
        let begun = || {
            let mut input = BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::new(file)?);
            let head = read_head(&mut input, MAGIC)?;
            match head.next_position() == archive.first && archive.first <= archive.last {
                true => Ok((input, head)),
                false => Err(io::Error::other("an archive has another name than its content")),
            }
        };
        let (input, head) = begun().map_err(|error| unreadable(archive, archive.first, error))?;
        Ok(Records { archive: archive.clone(), input: Box::new(input), head, failed: None })
    }

    /// The next records, at most so many and no more once they have so many octets; none only at the end. Damage is told after
    /// those before it.
    pub(super) fn batch(&mut self, limit: usize, octets_max: usize) -> Result<Vec<Record>, LogError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (mut records, mut octets) = (Vec::new(), 0);
        while records.len() < limit && octets < octets_max {
            match self.record() {
                Ok(Some(record)) => {
                    octets += record.payload.len();
                    records.push(record);
                }
                Ok(None) => break,
                Err(error) if records.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(records)
    }

    fn record(&mut self) -> Result<Option<Record>, LogError> {
        let position = self.head.next_position();
        let unreadable = |error: io::Error| unreadable(&self.archive, position, error);
        match (self.input.fill_buf().map_err(unreadable)?.is_empty(), position > self.archive.last) {
            (true, true) => return Ok(None),
            (false, false) => {}
            (true, false) => return Err(unreadable(io::Error::other("the archive ends too early"))),
            (false, true) => {
                return Err(unreadable(io::Error::other("the archive goes on after its last record")));
            }
        }
        let mut length = [0; 4];
        self.input.read_exact(&mut length).map_err(unreadable)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > RECORD_BYTES_MAX {
            return Err(unreadable(io::Error::other("a record is too long")));
        }
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).map_err(unreadable)?;
        Ok(Some(self.head.follow(&bytes)?))
    }
}

/// What keeps a file from being read as far as a position: the system, or what is in it.
fn unreadable(archive: &Archive, position: u64, source: io::Error) -> LogError {
    match is_of_system(&source) {
        true => LogError::File { path: archive.path.clone(), source },
        false => Damage { position, fault: Fault::Unreadable(source.to_string()) }.into(),
    }
}

impl Iterator for Records {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}
