//! The fold from the log to the state. It never writes, and never goes on after a record that does not fit.

use super::driver::OpenError;
use super::event::{Actor, Event};
use super::state::State;
use crate::clock::Timestamp;
use crate::log::LogReader;

/// The state after the record at `to`, or after the last one if there are not so many.
///
/// # Errors
/// The log is damaged, or was written by another version.
pub fn replay(log: &LogReader, to: u64) -> Result<State, OpenError> {
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
    }
    Ok(state)
}
