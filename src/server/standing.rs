//! Whether the event log of a data directory is the one that the other files there belong to.
//!
//! A start would go on with an empty or a shorter log, and then remove what only the lost records refer to. It never writes.

use std::fmt;
use std::fs;
use std::path::Path;

use super::audit::{AuditError, DIRECTORY};
use super::files::FileError;
use crate::audit::{Item, PublicKey, Reader};
use crate::log::{LogError, LogReader, archive, snapshots};

/// The event log has less than what other files stand for.
#[derive(Debug, thiserror::Error)]
#[error(
    "the event log {}, and there is {what} for position {position}: log.sqlite3 or its end is gone, or another one was put in its place. Nothing was changed: restore a backup, or move the directory away to begin anew",
    End(*.end)
)]
pub struct Lost {
    end: u64,
    what: &'static str,
    position: u64,
}

struct End(u64);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("has no record"),
            end => write!(f, "ends at position {end}"),
        }
    }
}

/// Looks for what stands for later records than the log has: what follows a record that is durable. The newest snapshot does not count
/// but beside an empty log. `key` has signed the checkpoints. None if there is no such thing.
///
/// # Errors
/// The log or the files cannot be read, or the log is damaged.
pub fn lost(data: &Path, key: Option<&PublicKey>) -> Result<Option<Lost>, AuditError> {
    let database = data.join("log.sqlite3");
    let is_empty = |path: &Path| fs::metadata(path).map_or(true, |file| file.len() == 0);
    // SQLite would remove the write-ahead log of an empty database as a stale one.
    let is_missing = is_empty(&database);
    let opened = || LogReader::open_still(data).and_then(|log| Ok((log.last()?.position, Some(log))));
    let (end, log) = match is_missing {
        true => (0, None),
        false => match opened() {
            Ok(found) => found,
            // Nothing was ever put into it, or it is another file.
            Err(LogError::Foreign(_)) => (0, None),
            // Before the trail is begun: nothing is changed beside a log that is damaged.
            Err(error) => return Err(AuditError::Log(error)),
        },
    };
    let mut found = vec![("an archive", archived(data)?)];
    let trail = Reader::new(&data.join(DIRECTORY));
    let kept = trail.kept().ok().flatten();
    if let Some((kept, key)) = kept.as_ref().zip(key)
        && key.signed(kept)
    {
        found.push(("a signed checkpoint", kept.log_position));
        // What it had there is kept no longer, or cannot be read: that is told elsewhere.
        let there = log.as_ref().and_then(|log| log.head_at(kept.log_position).ok().flatten());
        if there.is_some_and(|there| kept.log_position > 0 && there.hash != kept.log_hash) {
            let (what, position) = ("a signed checkpoint of another record", kept.log_position);
            return Ok(Some(Lost { end, what, position }));
        }
    }
    if end == 0 {
        let snapshots = snapshots::list(data).map_err(FileError::of("read", data))?;
        found.push(("a snapshot", snapshots.first().map_or(0, |newest| newest.head.position)));
        found.push(("an entry of the audit trail", noted(&trail)));
        // How far that goes is not known before it is read.
        let is_ahead = is_missing && !is_empty(&data.join("log.sqlite3-wal"));
        found.push(("a write-ahead log (log.sqlite3-wal)", u64::from(is_ahead)));
    }
    let beyond = found.into_iter().find(|(_, position)| *position > end);
    Ok(beyond.map(|(what, position)| Lost { end, what, position }))
}

/// The last position in the archives.
fn archived(data: &Path) -> Result<u64, FileError> {
    let archives = archive::list(data).map_err(FileError::of("read", &data.join(archive::DIRECTORY)))?;
    Ok(archives.iter().map(|archive| archive.last).max().unwrap_or_default())
}

/// The latest position of the event log of which the trail has a note, in its newest segment that has one. What cannot be read says nothing.
fn noted(trail: &Reader) -> u64 {
    let numbers = trail.numbers().unwrap_or_default();
    let in_segment = |number: u64| {
        let records = LogReader::open_still(&trail.place(number)).ok()?.scan(0).map_while(Result::ok);
        let items = records.filter_map(|record| match Item::of(&record).ok()? {
            Item::Entry(entry) => Some(entry.body.log_position),
            Item::Checkpoint(checkpoint) => Some(checkpoint.log_position),
            _ => None,
        });
        items.max().filter(|position| *position > 0)
    };
    numbers.into_iter().rev().find_map(in_segment).unwrap_or_default()
}
