//! The proof that a log is whole.
//!
//! Owns the walk over the chain from the first record to the last; it never repairs or changes anything.

use super::chain::{Damage, Fault, Head};
use super::record::{Hash, Record};
use super::storage::{LogError, LogReader};

/// What a whole log contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The position before the first record that there is: 0, or that of the last one that is kept no longer.
    pub after: u64,
    /// The last position.
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
    walk(reader, |_| Ok(()))
}

/// What an error means for who wants to know whether the record at a position is what was written.
fn damage(error: LogError, position: u64) -> Damage {
    let fault = match error {
        LogError::Damaged(damage) => return damage,
        error if error.is_unread() => Fault::Unread(error.to_string()),
        error => Fault::Unreadable(error.to_string()),
    };
    Damage { position, fault }
}

/// As [`verify`], and asks of each record that is right by the chain whether it is right otherwise.
///
/// # Errors
/// As [`verify`], and [`Fault::Refuted`] with what is wrong.
pub fn walk(
    reader: &LogReader,
    mut is_right: impl FnMut(&Record) -> Result<(), String>,
) -> Result<Summary, Damage> {
    let first = reader.first().map_err(|error| damage(error, 1))?;
    let (mut head, mut transactions, mut whole) = (first, 0, true);
    let after = head.position;
    let mut pass = |record: Record, head: &mut Head| {
        is_right(&record).map_err(|why| Damage { position: record.position, fault: Fault::Refuted(why) })?;
        whole = record.transaction_end;
        transactions += u64::from(whole);
        head.advance(&record);
        Ok(())
    };
    for record in reader.scan(head.position) {
        let record = record.map_err(|error| damage(error, head.next_position()))?;
        pass(record, &mut head)?;
    }
    if !whole {
        return Err(Damage { position: head.position, fault: Fault::HalfTransaction });
    }
    Ok(Summary { after, records: head.position, transactions, hash: head.hash })
}
