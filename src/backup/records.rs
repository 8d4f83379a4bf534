//! Files of records: a log in pieces that are written once.
//!
//! A file is one line that says what it is, and then records, each with its length before it, a number of 4 octets, big-endian.
//! It never takes a record that does not follow the one before it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BackupError, Told, files};
use crate::engine::has;
use crate::ids::hexadecimal;
use crate::log::record::{ACTOR_BYTES_MAX, ORIGIN_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::log::{Hash, Head, LogError, LogReader, NO_HASH, Record};
use crate::server::files::{FileError, create_directory};

/// How a file begins.
const FIRST_LINE: &[u8] = b"agentconf records 1\n";
/// How it is called while it is written.
const UNFINISHED: &str = "unfinished";
const SUFFIX: &str = ".records";
/// A file is ended after so many octets, at the end of a transaction: what a crash has to be done again, and no more.
const FILE_BYTES: u64 = 8 << 20;
/// The longest record: its fields, and what stands between them.
const RECORD_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + ACTOR_BYTES_MAX + ORIGIN_BYTES_MAX + 128;
/// Octets that are read or written at a time.
const BUFFER_BYTES: usize = 1 << 18;

/// A log in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// After which record it begins: an old one may have been kept no longer.
    pub after: Standing,
    /// The last position.
    pub position: u64,
    /// The files, in order.
    pub chunks: Vec<Chunk>,
}

/// A place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Standing {
    /// Position of a record, 0 before the first.
    pub position: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// The latest time of any record so far, in microseconds since the epoch.
    pub latest_at: i64,
}

/// A file of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its name in the backup, with `/`.
    pub file: String,
    /// The first position.
    pub first: u64,
    /// The last record.
    pub last: Standing,
    /// Its length.
    pub octets: u64,
    /// SHA-256 of its content.
    pub sha256: String,
}

impl Copied {
    /// Where it ends, by what the manifest says; `None` if that is no hash.
    pub(super) fn head(&self) -> Option<Head> {
        match self.chunks.last() {
            Some(last) => last.head(),
            None => self.after.head(),
        }
    }

    fn has(&self, directory: &str, name: &str) -> bool {
        self.chunks.iter().any(|chunk| chunk.file.strip_prefix(directory) == Some(&format!("/{name}")))
    }

    /// Reads all of it, and gives each record with the place in the chain after it. False of `each` ends it.
    ///
    /// # Errors
    /// The first file that is not what was written; what `each` says.
    pub(super) fn walk(
        &self,
        target: &Path,
        mut each: impl FnMut(Record, &Head) -> Result<bool, BackupError>,
    ) -> Result<(), BackupError> {
        let mut head = self.after.head().unwrap_or(Head::EMPTY);
        for chunk in &self.chunks {
            let path = target.join(&chunk.file);
            let mut goes_on = true;
            let read = read(&path, &mut head, &mut |record, head| {
                goes_on = each(record, head)?;
                Ok(goes_on)
            })?;
            if !goes_on {
                return Ok(());
            }
            let is_it = chunk.head() == Some(head) && chunk.octets == read.octets;
            if !is_it || chunk.sha256 != read.sha256 {
                let why = format!(
                    "it ends with position {} at octet {}, and not as the manifest says",
                    head.position, read.octets
                );
                return Err(BackupError::Damaged { path, why });
            }
        }
        Ok(())
    }
}

impl Standing {
    fn of(head: &Head) -> Standing {
        Standing { position: head.position, hash: hexadecimal(&head.hash), latest_at: head.latest_at }
    }

    /// The place; `None` if the hash is none.
    pub(super) fn head(&self) -> Option<Head> {
        let mut hash: Hash = NO_HASH;
        if self.hash.len() != 2 * hash.len() {
            return None;
        }
        for (octet, digits) in hash.iter_mut().zip(self.hash.as_bytes().chunks(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Head { position: self.position, hash, latest_at: self.latest_at })
    }
}

impl Chunk {
    fn of(file: String, first: u64, end: &Head, read: Read) -> Chunk {
        let Read { octets, sha256 } = read;
        Chunk { file, first, last: Standing::of(end), octets, sha256 }
    }

    fn head(&self) -> Option<Head> {
        self.last.head()
    }
}

/// Copies what a log, which begins after `first`, has beyond what the backup has of it. `directory` is the place in the backup, with `/`; `source` is where the
/// log is. No file that the manifest names is touched.
pub(super) fn copy(
    (log, first): (&LogReader, Head),
    source: &Path,
    target: &Path,
    directory: &str,
    known: Option<&Copied>,
    told: Told<'_>,
) -> Result<Copied, BackupError> {
    let place = target.join(directory);
    create_directory(&place)?;
    let mut chunks = known.map_or_else(Vec::new, |known| known.chunks.clone());
    let no_hash = || BackupError::Damaged {
        path: target.join(super::manifest::FILE),
        why: "it has a hash that is none".to_owned(),
    };
    // What was damaged since is not gone on with; only `--verify` reads it.
    for chunk in &chunks {
        files::has_octets(&target.join(&chunk.file), chunk.octets)?;
    }
    let after = match known {
        Some(known) => known.after.head().ok_or_else(no_hash)?,
        None => first,
    };
    let end_of = |chunks: &[Chunk]| chunks.last().map_or(Some(after), Chunk::head).ok_or_else(no_hash);
    let mut head = end_of(&chunks)?;
    let has_end = has(log, &head).map_err(|error| match error {
        LogError::Gone { first } if known.is_some() => BackupError::Gap { end: head.position, first },
        error => error.into(),
    })?;
    if !has_end {
        return Err(BackupError::Other { log: source.to_owned(), position: head.position });
    }
    // There may be more by the time it is read; that is for the next run.
    let end = log.last()?.position;
    // What is not full is written anew with what follows, or there would be a file for each run.
    let is_small = |last: &mut Chunk| last.octets < FILE_BYTES && last.first > first.position;
    if end > head.position && chunks.pop_if(is_small).is_some() {
        head = end_of(&chunks)?;
    }
    left_over(log, &place, directory, known, &mut head, &mut chunks)?;
    let mut writer = None;
    for record in log.scan(head.position).up_to(end) {
        let record = record?;
        let open = match &mut writer {
            Some(open) => open,
            None => writer.insert(Writer::begin(&place, record.position)?),
        };
        head =
            Head { position: record.position, hash: record.hash, latest_at: head.latest_at.max(record.at) };
        open.put(&record)?;
        if record.transaction_end
            && open.octets >= FILE_BYTES
            && let Some(full) = writer.take()
        {
            chunks.push(full.end(directory, &head)?);
        }
        told("records copied", head.position, Some(end));
    }
    if let Some(last) = writer {
        chunks.push(last.end(directory, &head)?);
    }
    sync(&place)?;
    Ok(Copied { after: Standing::of(&after), position: head.position, chunks })
}

/// Removes the files of a log that it does not consist of any more.
pub(super) fn tidy(copied: &Copied, target: &Path, directory: &str) -> Result<(), BackupError> {
    let place = target.join(directory);
    let is_old = |name: &String| !copied.has(directory, name);
    ours(&place)?.iter().filter(|name| is_old(name)).try_for_each(|name| remove(&place.join(name)))
}

/// Removes all files of a log, and the directory if nothing else is in it.
pub(super) fn remove_all(place: &Path) -> Result<(), BackupError> {
    if !place.exists() {
        return Ok(());
    }
    ours(place)?.iter().try_for_each(|name| remove(&place.join(name)))?;
    match fs::remove_dir(place) {
        Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => {
            Err(FileError::of("remove", place)(error).into())
        }
        _ => Ok(()),
    }
}

/// Goes on with files that a run has left that was not finished, as far as they are whole and of this log, and removes the
/// others.
fn left_over(
    log: &LogReader,
    place: &Path,
    directory: &str,
    known: Option<&Copied>,
    head: &mut Head,
    chunks: &mut Vec<Chunk>,
) -> Result<(), BackupError> {
    let is_known = |name: &String| known.is_some_and(|known| known.has(directory, name));
    // Positions have as many digits in each name: by the first one, and the longest before others.
    let mut found: Vec<String> = ours(place)?.into_iter().filter(|name| !is_known(name)).collect();
    found.sort_unstable_by(|one, other| {
        one.split('-').next().cmp(&other.split('-').next()).then_with(|| other.cmp(one))
    });
    for name in found {
        let (path, mut after) = (place.join(&name), *head);
        let read = match name.ends_with(SUFFIX) {
            true => read(&path, &mut after, &mut |_, _| Ok(true)).ok(),
            false => None,
        };
        match read {
            Some(read) if after.position > head.position && has(log, &after)? => {
                chunks.push(Chunk::of(format!("{directory}/{name}"), head.next_position(), &after, read));
                *head = after;
            }
            _ => remove(&path)?,
        }
    }
    Ok(())
}

/// The names of all that is in a directory.
pub(super) fn names(place: &Path) -> Result<Vec<OsString>, BackupError> {
    let entries = fs::read_dir(place)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>());
    Ok(entries.map_err(FileError::of("read", place))?)
}

/// Those of them that a backup can have written.
fn ours(place: &Path) -> Result<Vec<String>, BackupError> {
    let is_position = |text: &str| text.len() == 20 && text.bytes().all(|digit| digit.is_ascii_digit());
    let is_ours = |name: &String| {
        let positions = name.strip_suffix(SUFFIX).and_then(|name| name.split_once('-'));
        name == UNFINISHED || positions.is_some_and(|(first, last)| is_position(first) && is_position(last))
    };
    let names = names(place)?.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(is_ours).collect())
}

fn remove(path: &Path) -> Result<(), BackupError> {
    Ok(fs::remove_file(path).map_err(FileError::of("remove", path))?)
}

/// A file that is being written.
struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    sha256: Sha256,
    octets: u64,
    first: u64,
}

impl Writer {
    fn begin(place: &Path, first: u64) -> Result<Writer, BackupError> {
        let path = place.join(UNFINISHED);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(FileError::of("write", &path))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut writer = Writer { path, file, sha256: Sha256::new(), octets: 0, first };
        writer.write(FIRST_LINE)?;
        Ok(writer)
    }

    fn put(&mut self, record: &Record) -> Result<(), BackupError> {
        let unwritable = |error: String| FileError::of("write", &self.path)(io::Error::other(error));
        let octets = record.encode().map_err(|error| unwritable(error.to_string()))?;
        let length = u32::try_from(octets.len()).map_err(|error| unwritable(error.to_string()))?;
        self.write(&length.to_be_bytes())?;
        self.write(&octets)
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), BackupError> {
        self.sha256.update(octets);
        self.octets += octets.len() as u64;
        Ok(self.file.write_all(octets).map_err(FileError::of("write", &self.path))?)
    }

    /// Makes it durable and gives it its name.
    fn end(self, directory: &str, end: &Head) -> Result<Chunk, BackupError> {
        let Writer { path, file, sha256, octets, first } = self;
        let name = format!("{first:020}-{:020}{SUFFIX}", end.position);
        let written = file.into_inner().map_err(io::IntoInnerError::into_error);
        let named = written.and_then(|file| file.sync_all());
        named
            .and_then(|()| fs::rename(&path, path.with_file_name(&name)))
            .map_err(FileError::of("write", &path))?;
        let sha256 = hexadecimal(&sha256.finalize());
        Ok(Chunk::of(format!("{directory}/{name}"), first, end, Read { octets, sha256 }))
    }
}

/// What a file turned out to be.
struct Read {
    octets: u64,
    sha256: String,
}

/// Reads a file of records that follow a head, which is moved along. False of `each` ends it.
fn read(
    path: &Path,
    head: &mut Head,
    each: &mut dyn FnMut(Record, &Head) -> Result<bool, BackupError>,
) -> Result<Read, BackupError> {
    let unreadable = |error| BackupError::from(FileError::of("read", path)(error));
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(unreadable)?);
    let mut sha256 = Sha256::new();
    let damaged = |octet: u64, why: &str| {
        let why = format!("at octet {octet}: {why}");
        BackupError::Damaged { path: path.to_owned(), why }
    };
    let mut first = [0; FIRST_LINE.len()];
    match file.read_exact(&mut first) {
        Ok(()) if first == FIRST_LINE => sha256.update(first),
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(unreadable(error)),
        _ => return Err(damaged(0, "it does not begin as a file of records")),
    }
    let (mut octet, mut record) = (FIRST_LINE.len() as u64, Vec::new());
    loop {
        let mut length = [0; 4];
        let beginning = file.by_ref().take(4).read_to_end(&mut record).map_err(unreadable)?;
        if beginning == 0 {
            break;
        }
        if beginning < length.len() {
            return Err(damaged(octet, "it ends inside of a record"));
        }
        length.copy_from_slice(&record);
        let length_of_record = u32::from_be_bytes(length) as usize;
        if length_of_record > RECORD_BYTES_MAX {
            return Err(damaged(octet, "no record is so long"));
        }
        record.clear();
        let wanted = length_of_record as u64;
        if file.by_ref().take(wanted).read_to_end(&mut record).map_err(unreadable)? < length_of_record {
            return Err(damaged(octet, "it ends inside of a record"));
        }
        sha256.update(length);
        sha256.update(&record);
        let followed = head.follow(&record).map_err(|damage| BackupError::DamagedRecord {
            path: path.to_owned(),
            octet,
            damage,
        })?;
        octet += wanted + 4;
        record.clear();
        if !each(followed, head)? {
            break;
        }
    }
    Ok(Read { octets: octet, sha256: hexadecimal(&sha256.finalize()) })
}

/// Has changes of names in a directory outlive a power failure.
pub(super) fn sync(directory: &Path) -> Result<(), BackupError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(synced.map_err(FileError::of("write", directory))?)
}
