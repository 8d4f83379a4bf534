//! The fold from the log to the state, from the newest snapshot on if there is one that fits; and what a state shows.
//!
//! A snapshot is a short cut and never a truth: one that is damaged, or stands for a record that the log does not have, is
//! left out. What follows it is checked like everything that is replayed. Nothing here goes on after a record that does not
//! fit, or decides when a snapshot is made.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::driver::OpenError;
use super::event::{Actor, Event};
use super::image;
use super::options::Options;
use super::request::{Content, Datastore};
use super::sessions::Sessions;
use super::state::State;
use super::view;
use crate::access::principal::{ADMIN_GROUP, Method, Principal};
use crate::clock::Timestamp;
use crate::log::{Damage, Fault, LogError, LogReader, snapshots};
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
    let mut state = from_snapshot(log, to)?.unwrap_or_default();
    for record in log.scan(state.position) {
        if state.position >= to {
            break;
        }
        let record = record?;
        if record.position != state.position.saturating_add(1) {
            let fault = Fault::Misplaced { claimed: record.position };
            return Err(LogError::from(Damage { position: state.position.saturating_add(1), fault }).into());
        }
        let event = Event::from_record(&record)?;
        let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
        let (actor, position) = (Actor::recorded(&record), record.position);
        state.apply(at, actor, &event).map_err(|source| OpenError::Apply { position, source })?;
        told(position);
    }
    Ok(state)
}

/// The state of the newest snapshot that fits the log, and stands for no later record than `to`.
fn from_snapshot(log: &LogReader, to: u64) -> Result<Option<State>, LogError> {
    let found = snapshots::list(log.directory()).unwrap_or_else(|error| {
        tracing::warn!(%error, "the snapshots cannot be read");
        Vec::new()
    });
    for snapshot in found.iter().filter(|snapshot| snapshot.head.position <= to) {
        let path = snapshot.path().display();
        match log.head_at(snapshot.head.position) {
            Ok(Some(head)) if head == snapshot.head => {}
            Ok(_) => {
                tracing::warn!(%path, "a snapshot is not one of this log: it is left out");
                continue;
            }
            Err(LogError::Gone { .. }) => {
                tracing::warn!(%path, "what follows a snapshot is kept no longer: it is left out");
                continue;
            }
            Err(error) => return Err(error),
        }
        match snapshot.read(image::load) {
            Ok(state) if state.position == snapshot.head.position => {
                tracing::info!(position = state.position, "read from a snapshot");
                return Ok(Some(state));
            }
            Ok(_) => {
                tracing::warn!(%path, "a snapshot says another position than its content: it is left out")
            }
            Err(error) => tracing::warn!(%path, %error, "a snapshot cannot be used: it is left out"),
        }
    }
    Ok(None)
}

/// Writes a snapshot of a state that is durable.
///
/// # Errors
/// Those of the log and of the file system; the snapshots that there are stay.
pub fn write_snapshot(log: &LogReader, state: &State) -> io::Result<()> {
    let head = log.head_at(state.position).map_err(io::Error::other)?;
    let head = head.ok_or_else(|| io::Error::other("the log has no record of this position"))?;
    snapshots::write(log.directory(), &head, |mut out| image::save(state, log, &mut out))
}

/// All that a datastore has in a state, as an administrator sees it at the time of the options. Nobody has a session then, so
/// there is no candidate.
///
/// # Errors
/// It has no such datastore.
pub fn shown(state: State, options: &Options, datastore: Datastore) -> Result<Child, Error> {
    let administrator = Principal::new("", BTreeSet::from([ADMIN_GROUP.to_owned()]), Method::Local);
    let (state, sessions, whole) = (Arc::new(state), Sessions::default(), InstancePath::default());
    let found = view::read(&state, &sessions, options, &administrator, datastore, &whole, Content::All)?;
    Ok(found.child)
}
