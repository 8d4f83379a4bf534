//! `agentconf log …`: looks at the event log and the audit trail, whether or not a server runs, and moves old events into
//! archives. It never changes what they say.

mod compact;
mod dump;
mod replay;

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::progress::Progress;
use super::{Place, tell};
use crate::audit::{self, Checkpoint, PublicKey, Reader};
use crate::engine::{OpenError, prove};
use crate::ids::hexadecimal;
use crate::log::{LogReader, Summary, is_of_system};
use crate::server::audit::{DIRECTORY, KEY_FILE, PUBLIC_FILE};
use crate::server::blobs;

/// The verbs of `log`.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Check that the event log and the audit trail are as they were written: every record, the chains of hashes, the
    /// signatures, the snapshots, which have to be what the records come to, and the parts of large data objects. Writes what
    /// was proved, or what was altered.
    Verify(Verify),
    /// Write the records of the event log in order: when, who, from where, and what. There is no secret in them.
    Dump(dump::Dump),
    /// Fold the event log up to a position or a time, as a start of the server does, and write what the state was then.
    Replay(replay::Replay),
    /// Move old records into compressed archives beside the log, and give their room back to the file system. No server may
    /// run; one that runs does it by itself if `log_kept_s` is among its limits.
    Compact(compact::Compact),
}

/// The arguments of `log verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    place: Place,
    /// The public key of checkpoints, in PEM, from where it was kept [default: audit.pub in the data directory, which who
    /// alters the logs can replace].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A checkpoint that was kept, such as a copy of audit/checkpoint.json: the logs hold at least what they held then. May
    /// be repeated.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A checkpoint from after a discontinuity that was looked into: those before it are not told again.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Some record is not what was written; which one has been said.
#[derive(Debug, thiserror::Error)]
#[error("not as it was written")]
struct NotWhole;

/// Nothing is known to be altered, but not all could be read; what, has been said.
#[derive(Debug, thiserror::Error)]
#[error("not all can be read, so it is not proved that it is as it was written")]
struct NotRead;

impl Log {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Log::Verify(verify) => verify.run(),
            Log::Dump(dump) => dump.run(),
            Log::Replay(replay) => replay.run(),
            Log::Compact(compact) => compact.run(),
        }
    }
}

impl Verify {
    fn run(self) -> Result<(), Box<dyn Error>> {
        let data = self.place.load()?.data;
        let log = LogReader::open_checked(&data)?;
        let trail = Reader::new(&data.join(DIRECTORY));
        let has_key = data.join(KEY_FILE).exists() || data.join(PUBLIC_FILE).exists();
        // A directory that no server with an audit trail has used has neither.
        if self.key.is_none() && !has_key && trail.numbers()?.is_empty() {
            let mut is_audited = false;
            let summary = crate::log::walk(&log, |record| {
                is_audited |= !record.origin.is_empty();
                Ok(())
            })?;
            if is_audited {
                say(
                    "the audit trail and its key are gone: the event log has records from a server that had them",
                );
                return Err(NotWhole.into());
            }
            print_whole(&summary)?;
            let wrong = verify_state(&data, &log)?;
            tell(match summary.after {
                0 => "there is no audit trail, so nothing is signed",
                _ => {
                    "there is no audit trail: nothing proves that the log was meant to begin there, and nothing is signed"
                }
            })?;
            return told(wrong);
        }
        let key = read(&self.key.unwrap_or_else(|| data.join(PUBLIC_FILE)))?;
        let key = PublicKey::from_pem(&key)?;
        let mut kept: Vec<Checkpoint> = Vec::new();
        for file in &self.checkpoint {
            kept.push(serde_json::from_str(&read(file)?)?);
        }
        kept.extend(trail.kept()?);
        let from: Option<Checkpoint> = match &self.from {
            Some(file) => Some(serde_json::from_str(&read(file)?)?),
            None => None,
        };
        let proof = audit::verify(&trail, &log, &key, &kept, from.as_ref()).map_err(|altered| {
            altered.iter().for_each(say);
            match altered.iter().all(|altered| altered.is_unread) {
                true => Box::<dyn Error>::from(NotRead),
                false => NotWhole.into(),
            }
        })?;
        // It may have been made since it was looked for.
        if proof.checkpoints > 0 && trail.kept()?.is_none() {
            say("audit/checkpoint.json is missing, so the end of the trail is not proved");
            return Err(NotWhole.into());
        }
        print_whole(&proof.log)?;
        let wrong = verify_state(&data, &log)?;
        tell(format_args!(
            "audit trail whole: {} segments, {} records, {} checkpoints signed with key {}",
            proof.segments,
            proof.records,
            proof.checkpoints,
            key.id()
        ))?;
        if let Some(forgotten) = &proof.forgotten {
            tell(format_args!(
                "noted at {}: records up to position {} need not be kept any longer",
                forgotten.at, forgotten.log_position
            ))?;
        }
        for restored in &proof.restored {
            tell(format_args!(
                "restored at {} by {}: the event log was put back to position {}, from {} in the backup of {}",
                restored.at, restored.by, restored.log_position, restored.of_position, restored.of_time
            ))?;
        }
        match proof.newest {
            Some(newest) => tell(format_args!(
                "signed last at {}: the event log up to {}, the trail up to {} in segment {}; after that {} and {} records",
                newest.at,
                newest.log_position,
                newest.position,
                newest.segment,
                proof.log.records - newest.log_position,
                proof.unsigned
            ))?,
            None => tell("nothing is signed yet")?,
        }
        told(wrong)
    }
}

/// How the verb ends when what is wrong has been said.
fn told(wrong: Option<Wrong>) -> Result<(), Box<dyn Error>> {
    match wrong {
        None => Ok(()),
        Some(Wrong::Unread) => Err(NotRead.into()),
        Some(Wrong::Altered) => Err(NotWhole.into()),
    }
}

/// The worst of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Unread,
    Altered,
}

impl Wrong {
    fn of(is_unread: bool) -> Wrong {
        if is_unread { Wrong::Unread } else { Wrong::Altered }
    }
}

/// Checks what stands beside the log and follows from it, and prints how much there is: the snapshots, and the files with the
/// parts of data objects. What is wrong has been said then.
fn verify_state(data: &Path, log: &LogReader) -> Result<Option<Wrong>, Box<dyn Error>> {
    let (mut progress, last) = (Progress::new(), log.last()?.position);
    let proved = match prove(log, &mut |position| progress.is_at("records replayed", position, Some(last))) {
        Ok(proved) => proved,
        // Each is as it was written all the same.
        Err(error) => {
            say(format_args!("the records cannot be replayed: {error}"));
            let is_unread = matches!(&error, OpenError::Log(error) if error.is_unread());
            return Ok(Some(Wrong::of(is_unread)));
        }
    };
    for (path, wrong) in &proved.wrong {
        say(format_args!("a snapshot, {}: {wrong}", path.display()));
    }
    if proved.snapshots > 0 {
        tell(format_args!("snapshots that are what the records come to: {}", proved.snapshots))?;
    }
    if let Some(from) = proved.from {
        tell(format_args!("the records were replayed from the snapshot at {from}, which nothing proves"))?;
    }
    let parts: BTreeSet<&str> = proved.state.tasks.parts_aside().collect();
    let damaged = blobs::damaged(data, parts.iter().copied());
    for (part, fault) in &damaged {
        say(format_args!("a part of a data object, {}/{part}: {fault}", blobs::DIRECTORY));
    }
    if !parts.is_empty() && damaged.is_empty() {
        tell(format_args!("parts of data objects whole: {}", parts.len()))?;
    }
    let snapshots = proved.wrong.iter().map(|(_, wrong)| wrong.is_unread());
    Ok(snapshots.chain(damaged.iter().map(|(_, fault)| is_of_system(fault))).map(Wrong::of).max())
}

/// Prints that a log is as it was written.
fn print_whole(Summary { after, records, transactions, hash }: &Summary) -> io::Result<()> {
    let (hash, count) = (hexadecimal(hash), records - after);
    tell(format_args!("whole: {count} records, {transactions} transactions, hash {hash}"))?;
    match after {
        0 => Ok(()),
        after => tell(format_args!("records up to position {after} are kept no longer")),
    }
}

fn say(what: impl Display) {
    // Nobody is left to be told if standard error is closed.
    let _ = writeln!(std::io::stderr(), "agentconf: {what}");
}

fn read(file: &PathBuf) -> Result<String, Box<dyn Error>> {
    std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()).into())
}
