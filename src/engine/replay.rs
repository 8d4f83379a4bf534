//! The fold from the log to the state, and what a state shows. It never writes, and never goes on after a record that does not fit.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::driver::OpenError;
use super::event::{Actor, Event};
use super::options::Options;
use super::request::{Content, Datastore};
use super::sessions::Sessions;
use super::state::State;
use super::view;
use crate::access::principal::{ADMIN_GROUP, Method, Principal};
use crate::clock::Timestamp;
use crate::log::LogReader;
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
    let mut state = State::default();
    for record in log.scan(0) {
        if state.position >= to {
            break;
        }
        let record = record?;
        let event = Event::from_record(&record)?;
        let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
        let (actor, position) = (Actor::recorded(&record), record.position);
        state.apply(at, actor, &event).map_err(|source| OpenError::Apply { position, source })?;
        told(position);
    }
    Ok(state)
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
