//! The proof that a log is whole.
//!
//! Owns the walk over the chain from the first record to the last; it never repairs or changes anything.

use super::chain::{Damage, Fault, Head};
use super::record::Hash;
use super::storage::{LogError, LogReader};

/// What a whole log contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many records, which is also the last position.
    pub records: u64,
    /// How many transactions.
    pub transactions: u64,
    /// Hash of the last record, or of none: kept elsewhere, it proves later that nothing is missing at the end.
    pub hash: Hash,
}

/// Walks the log as it stands now and checks positions, hashes, times and transactions. A server may be appending meanwhile.
///
/// # Errors
/// The first [`Damage`]. A store that cannot be read counts as damage at the position that could not be.
pub fn verify(reader: &LogReader) -> Result<Summary, Damage> {
    let (mut head, mut transactions, mut whole) = (Head::EMPTY, 0, true);
    for record in reader.scan(0) {
        let record = record.map_err(|error| match error {
            LogError::Damaged(damage) => damage,
            other => Damage { position: head.next_position(), fault: Fault::Unreadable(other.to_string()) },
        })?;
        whole = record.transaction_end;
        transactions += u64::from(whole);
        head.advance(&record);
    }
    if !whole {
        return Err(Damage { position: head.position, fault: Fault::HalfTransaction });
    }
    Ok(Summary { records: head.position, transactions, hash: head.hash })
}
