//! Snapshots: files that hold what the records up to a position come to, so that a start need not read these.
//!
//! Owns their names, their frame and how they become durable: a snapshot is there as a whole or not at all, says for which
//! record it stands, and shows by a checksum that it is what was written. It never knows what it holds, and losing one loses
//! nothing while the records are there.
//!
//! ```text
//! agentconf snapshot 1
//! POSITION HASH LATEST-TIME
//! content, one frame of zstd
//! SHA-256 of all before it, 32 octets
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::chain::{Head, head_line, read_head};

/// The directory of the snapshots in that of the log.
pub const DIRECTORY: &str = "snapshots";

const MAGIC: &str = "agentconf snapshot 1";
/// How the name of one ends, after the position.
pub const SUFFIX: &str = ".snapshot";
const UNFINISHED: &str = ".unfinished";
const CHECKSUM_BYTES: u64 = 32;
/// Fast: a start waits for what reads it, and the disk is not short of room for two.
const LEVEL: i32 = 1;
/// Snapshots that are kept: when the newest turns out to be unusable there is another one.
const KEPT: usize = 2;
const BUFFER_BYTES: usize = 1 << 20;

/// A snapshot that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    path: PathBuf,
    /// The record that it stands for.
    pub head: Head,
}

/// The snapshots beside a log, newest first. What is none of ours is left alone and not among them.
///
/// # Errors
/// The directory is there and cannot be read.
pub fn list(dir: &Path) -> io::Result<Vec<Snapshot>> {
    let mut snapshots = Vec::new();
    for (path, head) in found(dir)? {
        match head {
            Ok(head) => snapshots.push(Snapshot { path, head }),
            Err(error) => tracing::warn!(%error, path = %path.display(), "this is no snapshot"),
        }
    }
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.head.position));
    Ok(snapshots)
}

/// The files that are called snapshots and do not begin like one, with what is wrong.
///
/// # Errors
/// As [`list`].
pub fn headless(dir: &Path) -> io::Result<Vec<(PathBuf, io::Error)>> {
    Ok(found(dir)?.into_iter().filter_map(|(path, head)| Some((path, head.err()?))).collect())
}

/// All files that are called snapshots, with the record that each says it stands for.
fn found(dir: &Path) -> io::Result<Vec<(PathBuf, io::Result<Head>)>> {
    let entries = match fs::read_dir(dir.join(DIRECTORY)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            let head = File::open(&path).map(BufReader::new).and_then(|mut file| read_head(&mut file, MAGIC));
            found.push((path, head));
        }
    }
    Ok(found)
}

/// Writes a snapshot of what the records up to `head` come to, and removes those that are no longer needed: of those that
/// `is_used` says can be used, all but the newest. Others are left alone and do not count.
///
/// # Errors
/// Those of `content` and of the file system; there is no new snapshot then, and what was begun is removed. That an old one
/// cannot be removed is none.
pub fn write(
    dir: &Path,
    head: &Head,
    is_used: impl Fn(&Head) -> bool,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let log = dir;
    let dir = directory(log, DIRECTORY)?;
    // Padded, so that names sort as positions do.
    let name = format!("{:020}", head.position);
    let (unfinished, finished) =
        (dir.join(format!("{name}{UNFINISHED}")), dir.join(format!("{name}{SUFFIX}")));
    let written = begun(&unfinished, head, content).and_then(|()| {
        fs::rename(&unfinished, &finished)?;
        File::open(&dir)?.sync_all()
    });
    if written.is_err() {
        // Best effort: the next one of this position replaces it, and so does a start.
        let _ = fs::remove_file(&unfinished);
        return written;
    }
    if let Err(error) = remove_old(log, &dir, is_used) {
        tracing::warn!(%error, "old snapshots cannot be found, and stay");
    }
    Ok(())
}

/// Makes a directory of the log if it is missing. Its name outlives a power failure as what is in it does.
pub(super) fn directory(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let path = parent.join(name);
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        // Who made it may not have come to the next line.
        Ok(()) | Err(_) => File::open(parent)?.sync_all()?,
    }
    Ok(path)
}

fn begun(path: &Path, head: &Head, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut out = Summed { inner: BufWriter::with_capacity(BUFFER_BYTES, file), sum: Sha256::new() };
    writeln!(out, "{MAGIC}\n{}", head_line(head))?;
    let mut frame = zstd::Encoder::new(&mut out, LEVEL)?;
    content(&mut frame)?;
    frame.finish()?;
    let Summed { mut inner, sum } = out;
    inner.write_all(&sum.finalize())?;
    inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Removes all but the newest snapshots that are whole, and what was not finished. What cannot be removed stays.
fn remove_old(log: &Path, dir: &Path, is_used: impl Fn(&Head) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(UNFINISHED) {
            remove(&path);
        }
    }
    let mut whole = 0;
    for snapshot in list(log)?.iter().filter(|snapshot| is_used(&snapshot.head)) {
        if whole == KEPT {
            remove(snapshot.path());
            continue;
        }
        // They may be all that is left of records that are forgotten, so the one in reserve has to be one.
        match snapshot.read(|content| io::copy(content, &mut io::sink())) {
            Ok(_) => whole += 1,
            Err(error) => {
                tracing::warn!(%error, path = %snapshot.path().display(), "a snapshot is damaged: an older one is kept");
            }
        }
    }
    Ok(())
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "an old snapshot cannot be removed");
    }
}

impl Snapshot {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the content to `read`, which may only be believed when this returns without an error.
    ///
    /// # Errors
    /// Those of `read` and of the file system, and `InvalidData` if it is not what was written.
    pub fn read<T>(&self, read: impl FnOnce(&mut dyn BufRead) -> io::Result<T>) -> io::Result<T> {
        let file = File::open(&self.path)?;
        let length = file.metadata()?.len().checked_sub(CHECKSUM_BYTES).ok_or_else(not_written)?;
        let summed = Summed { inner: BufReader::with_capacity(BUFFER_BYTES, file), sum: Sha256::new() };
        let mut part = BufReader::with_capacity(BUFFER_BYTES, summed.take(length));
        if read_head(&mut part, MAGIC)? != self.head {
            return Err(not_written());
        }
        let mut frame =
            BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::with_buffer(part)?.single_frame());
        let content = read(&mut frame)?;
        // What is left of the frame, and then of the file.
        io::copy(&mut frame, &mut io::sink())?;
        let mut part = frame.into_inner().finish();
        io::copy(&mut part, &mut io::sink())?;
        let Summed { mut inner, sum } = part.into_inner().into_inner();
        let mut checksum = [0; CHECKSUM_BYTES as usize];
        inner.read_exact(&mut checksum)?;
        match checksum == <[u8; 32]>::from(sum.finalize()) {
            true => Ok(content),
            false => Err(not_written()),
        }
    }
}

fn not_written() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the snapshot is not what was written")
}

/// Sums up what passes.
struct Summed<T> {
    inner: T,
    sum: Sha256,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(octets)?;
        self.sum.update(octets.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.sum.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}
