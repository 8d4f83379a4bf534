//! Records that are kept no longer: archives go, once a snapshot stands for what they hold and the audit trail says that they go.
//!
//! It never decides what is old enough.

use std::io;

use super::replay::{loaded, snapshots_of};
use crate::audit::{NotNoted, Trail};
use crate::log::{Compactor, Head, LogError, LogReader};

/// Why archives are not removed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// They or the log cannot be read, or not be removed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing stands for what they hold.
    #[error("no snapshot stands for the records up to position {0}, which would be forgotten")]
    NoSnapshot(u64),
    /// What is to stand for it cannot be used.
    #[error(
        "the snapshot of position {position} cannot be used, and has to stand for what would be forgotten"
    )]
    Snapshot {
        /// What it stands for.
        position: u64,
        /// What is wrong.
        source: io::Error,
    },
    /// The audit trail cannot say so.
    #[error(transparent)]
    NotNoted(#[from] NotNoted),
}

/// Removes archives whose records are all older than a time (microseconds since the epoch). The oldest snapshot that stands for
/// them is read back first, and the trail notes where the log will begin. Gives how many were removed.
///
/// # Errors
/// [`ForgetError`]; nothing is removed then but by [`ForgetError::Log`].
pub fn forget(
    log: &LogReader,
    compactor: &Compactor,
    trail: &Trail,
    before: i64,
) -> Result<u64, ForgetError> {
    let Some(first) = compactor.first_after(before)? else { return Ok(0) };
    check_snapshot(log, &first)?;
    trail.forgetting(first)?;
    Ok(compactor.forget_before(before)?)
}

/// That the oldest snapshot can be used which stands for what was up to a place.
fn check_snapshot(log: &LogReader, first: &Head) -> Result<(), ForgetError> {
    let snapshots = snapshots_of(log)?;
    let oldest = snapshots.iter().rfind(|snapshot| snapshot.head.position >= first.position);
    let oldest = oldest.ok_or(ForgetError::NoSnapshot(first.position))?;
    let position = oldest.head.position;
    loaded(oldest).map(drop).map_err(|source| ForgetError::Snapshot { position, source })
}
