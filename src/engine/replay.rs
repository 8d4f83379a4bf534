//! The fold from the log to the state, from the newest snapshot on if there is one that fits; the snapshots held
//! against the fold of all records; and what a state shows.
//!
//! A snapshot is a short cut and never a truth: one that is damaged, or stands for a record that the log does not have, is
//! left out. What follows it is checked like everything that is replayed. Nothing here goes on after a record that does not
//! fit, or decides when a snapshot is made.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::driver::OpenError;
use super::event::{Actor, Event};
use super::image;
use super::options::Options;
use super::request::{Content, Datastore};
use super::sessions::Sessions;
use super::state::State;
use super::unknown::Unknown;
use super::view;
use crate::access::principal::{ADMIN_GROUP, Method, Principal};
use crate::clock::Timestamp;
use crate::log::snapshots::{self, Snapshot};
use crate::log::{Damage, Fault, Head, LogError, LogReader, is_of_system};
use crate::yang::error::Error;
use crate::yang::path::InstancePath;
use crate::yang::tree::Child;

/// The state after the record at `to`, or after the last one if there are not so many.
///
/// # Errors
/// The log is damaged, or was written by another version.
pub fn replay(log: &LogReader, to: u64) -> Result<State, OpenError> {
    replay_telling(log, to, &mut |_| {})
}

/// As [`replay`]; `told` is given each position that was reached.
///
/// # Errors
/// As [`replay`].
pub fn replay_telling(log: &LogReader, to: u64, told: &mut dyn FnMut(u64)) -> Result<State, OpenError> {
    fold(log, from_snapshot(log, to)?.unwrap_or_default(), to, &mut |state| {
        told(state.position);
        Ok(())
    })
}

/// That a start with the modules of this program could read what a log has, without making its state where no module has
/// changed since the newest snapshot.
///
/// # Errors
/// As [`replay`].
pub fn readable(log: &LogReader) -> Result<(), OpenError> {
    let is_own = |snapshot: &Snapshot| snapshot.read(image::is_own).unwrap_or(false);
    let newest = snapshots_of(log).unwrap_or_default().into_iter().find(is_own);
    let from = newest.map_or(0, |snapshot| snapshot.head.position);
    if from >= log.first()?.position {
        let mut records = log.scan(from);
        if records.all(|record| record.is_ok_and(|record| Event::from_record(&record).is_ok())) {
            return Ok(());
        }
    }
    replay(log, u64::MAX).map(drop)
}

/// Folds what follows a state in, up to the record at `to`; `reached` sees the state after each.
///
/// # Errors
/// As [`replay`], and those of `reached`.
fn fold(
    log: &LogReader,
    mut state: State,
    to: u64,
    reached: &mut dyn FnMut(&State) -> Result<(), OpenError>,
) -> Result<State, OpenError> {
    let mut unknown = Unknown::default();
    for record in log.scan(state.position).up_to(to) {
        let record = record?;
        if record.position != state.position.saturating_add(1) {
            let fault = Fault::Misplaced { claimed: record.position };
            return Err(LogError::from(Damage { position: state.position.saturating_add(1), fault }).into());
        }
        let event = unknown.read(record.position, record.kind, record.version, &record.payload)?;
        let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
        let (actor, position) = (Actor::recorded(&record), record.position);
        state.apply(at, actor, &event).map_err(|source| OpenError::Apply { position, source })?;
        reached(&state)?;
    }
    if unknown.is_any() {
        return Err(OpenError::Unknown(unknown));
    }
    Ok(state)
}

/// What a log comes to, with its snapshots held against that.
#[derive(Debug)]
pub struct Proved {
    /// After all records.
    pub state: State,
    /// The snapshot that the records begin after, if earlier ones are kept no longer: nothing is known that it could be held
    /// against.
    pub from: Option<u64>,
    /// How many snapshots are what the records come to.
    pub snapshots: usize,
    /// The others, with what is wrong.
    pub wrong: Vec<(PathBuf, WrongSnapshot)>,
}

/// What is wrong with a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum WrongSnapshot {
    /// It is damaged, and no start uses it.
    #[error("it cannot be used: {0}")]
    Unusable(#[source] io::Error),
    /// It has another state than that of its position, or where the records begin late that after which they begin has.
    #[error("it is not what the records up to position {position} come to{}", since(.from))]
    Altered {
        /// For which record it stands.
        position: u64,
        /// The snapshot that the records begin after.
        from: Option<u64>,
    },
}

impl WrongSnapshot {
    /// Whether the system keeps it from being read, which says nothing of what is in it.
    pub fn is_unread(&self) -> bool {
        matches!(self, WrongSnapshot::Unusable(error) if is_of_system(error))
    }
}

fn since(from: &Option<u64>) -> String {
    from.map_or_else(String::new, |from| format!(", from the snapshot at {from} on"))
}

/// Folds all records that there are, whatever the snapshots say, and holds these against it; `told` is given each position that
/// was reached. Snapshots of another log are left out, as at a start.
///
/// # Errors
/// As [`replay`]; [`LogError::Gone`] if the records begin late and no snapshot says what was before.
pub fn prove(log: &LogReader, told: &mut dyn FnMut(u64)) -> Result<Proved, OpenError> {
    let mut waiting = snapshots_of(log)?;
    let headless = snapshots::headless(log.directory()).map_err(|source| unlisted(log, source))?;
    let mut wrong: Vec<_> =
        headless.into_iter().map(|(path, error)| (path, WrongSnapshot::Unusable(error))).collect();
    let (mut snapshots, mut from) = (0, None);
    let mut begun_with = State::default();
    // The oldest is the last.
    while log.first()?.position > begun_with.position
        && let Some(oldest) = waiting.pop()
    {
        match loaded(&oldest) {
            Ok(state) => (from, begun_with) = (Some(state.position), state),
            Err(error) if is_gone(&error) => {}
            Err(error) => wrong.push((oldest.path().to_owned(), WrongSnapshot::Unusable(error))),
        }
    }
    let mut compare = |state: &State| {
        while let Some(snapshot) = waiting.pop_if(|oldest| oldest.head.position <= state.position) {
            match is_same(&snapshot, state, log, from.is_none())? {
                Ok(true) => snapshots += 1,
                Ok(false) => {
                    let altered = WrongSnapshot::Altered { position: snapshot.head.position, from };
                    wrong.push((snapshot.path().to_owned(), altered));
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => wrong.push((snapshot.path().to_owned(), WrongSnapshot::Unusable(error))),
            }
        }
        Ok(())
    };
    compare(&begun_with)?;
    let state = fold(log, begun_with, u64::MAX, &mut |state| {
        told(state.position);
        compare(state)
    })?;
    Ok(Proved { state, from, snapshots, wrong })
}

/// Whether a snapshot is this state, which `is_whole` says is made of all records. The error inside is that of reading it.
fn is_same(
    snapshot: &Snapshot,
    state: &State,
    log: &LogReader,
    is_whole: bool,
) -> Result<io::Result<bool>, OpenError> {
    let held = match snapshot.read(image::held) {
        Ok(held) => held,
        Err(error) => return Ok(Err(error)),
    };
    // Not what it holds is told then, but what it says that it stands for.
    if snapshot.head.position != state.position {
        return Ok(Ok(false));
    }
    let is_same = match &held {
        Some(held) => image::holds(state, log, held).map_err(OpenError::Compare)?,
        None => None,
    };
    match is_same {
        Some(is_same) => Ok(Ok(is_same)),
        None if held.is_some() && is_whole => Ok(Ok(false)),
        // Another version has written it, or some of the edits between its revisions are gone: what a start would have is
        // looked at, but for the older revisions.
        None => match loaded(snapshot) {
            Ok(said) => Ok(Ok(image::is_same(&said, state).map_err(OpenError::Compare)?)),
            Err(error) => Ok(Err(error)),
        },
    }
}

/// A server that runs removes old snapshots.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// The state of the newest snapshot that fits the log, and stands for no later record than `to`.
fn from_snapshot(log: &LogReader, to: u64) -> Result<Option<State>, LogError> {
    let found = snapshots_of(log).unwrap_or_else(|error| {
        tracing::warn!(%error, "the snapshots cannot be read");
        Vec::new()
    });
    for snapshot in found.iter().filter(|snapshot| snapshot.head.position <= to) {
        let path = snapshot.path().display();
        match loaded(snapshot) {
            Ok(state) => {
                tracing::info!(position = state.position, "read from a snapshot");
                return Ok(Some(state));
            }
            Err(error) => tracing::warn!(%path, %error, "a snapshot cannot be used: it is left out"),
        }
    }
    Ok(None)
}

/// What a snapshot holds, when all of it is what was written.
///
/// # Errors
/// It is not, or cannot be read.
pub(super) fn loaded(snapshot: &Snapshot) -> io::Result<State> {
    match snapshot.read(image::load)? {
        state if state.position == snapshot.head.position => Ok(state),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it says another position than its content")),
    }
}

/// The snapshots beside a log that stand for records that it has, newest first.
///
/// # Errors
/// They cannot be read.
pub(super) fn snapshots_of(log: &LogReader) -> Result<Vec<Snapshot>, LogError> {
    let found = snapshots::list(log.directory()).map_err(|source| unlisted(log, source))?;
    let mut fitting = Vec::new();
    for snapshot in found {
        match has(log, &snapshot.head) {
            Ok(true) => fitting.push(snapshot),
            Ok(false) | Err(LogError::Gone { .. }) => {
                let path = snapshot.path().display();
                tracing::warn!(%path, "a snapshot is not one of this log: it is left out");
            }
            // An old one may stand for a record in an archive; that it is damaged is in nobody's way who needs a newer one.
            Err(error) => {
                let path = snapshot.path().display();
                tracing::warn!(%path, %error, "whether a snapshot is one of this log cannot be read: it is left out");
            }
        }
    }
    Ok(fitting)
}

fn unlisted(log: &LogReader, source: io::Error) -> LogError {
    LogError::File { path: log.directory().join(snapshots::DIRECTORY), source }
}

/// Whether a log has this place in its chain, be it in an archive.
///
/// # Errors
/// Those of the log; [`LogError::Gone`] if what it had there is kept no longer.
pub fn has(log: &LogReader, place: &Head) -> Result<bool, LogError> {
    match log.head_at(place.position) {
        Err(LogError::Gone { .. }) if log.first()? == *place => Ok(true),
        found => Ok(found? == Some(*place)),
    }
}

/// Writes a snapshot of a state that is durable.
///
/// # Errors
/// Those of the log and of the file system; the snapshots that there are stay.
pub fn write_snapshot(log: &LogReader, state: &State) -> io::Result<()> {
    let head = log.head_at(state.position).map_err(io::Error::other)?;
    let head = head.ok_or_else(|| io::Error::other("the log has no record of this position"))?;
    let is_used = |head: &Head| has(log, head).unwrap_or_default();
    snapshots::write(log.directory(), &head, is_used, |mut out| image::save(state, log, &mut out))
}

/// All that a datastore has in a state, as an administrator sees it at the time of the options. Nobody has a session then, so
/// there is no candidate.
///
/// # Errors
/// It has no such datastore.
pub fn shown(state: State, options: &Options, datastore: Datastore) -> Result<Child, Error> {
    let administrator = Principal::new("", BTreeSet::from([ADMIN_GROUP.to_owned()]), Method::Local);
    let (state, sessions, whole) = (Arc::new(state), Sessions::default(), InstancePath::default());
    let now = options.clock.now();
    let from = view::From { state: &state, sessions: &sessions, options, datastore, now };
    let found = view::read(&from, &administrator, &whole, Content::All)?;
    Ok(found.child)
}
