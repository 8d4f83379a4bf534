//! The chain of records: where it stands, and how each next record is proved to belong there.
//!
//! Owns the check that every reading of the log passes through, the names of what can be wrong, and how a file beside the log
//! says where in the chain it stands; it never opens a file.

use std::io::{self, BufRead, Read};

use thiserror::Error;

use super::record::{Hash, NO_HASH, Record, RecordError};
use crate::ids::hexadecimal;

/// Where a chain of records stands: what the next record must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Position of the last record, 0 if there is none.
    pub position: u64,
    /// Hash of the last record, [`NO_HASH`] if there is none.
    pub hash: Hash,
    /// The latest time of any record so far, in microseconds since the epoch; `i64::MIN` if there is none. Unlike the
    /// times themselves it never goes back, which makes it searchable.
    pub latest_at: i64,
}

impl Head {
    /// Before the first record.
    pub const EMPTY: Self = Self { position: 0, hash: NO_HASH, latest_at: i64::MIN };

    /// The position of the next record.
    pub fn next_position(&self) -> u64 {
        self.position.saturating_add(1)
    }

    /// Moves over a record that is known to follow.
    pub(super) fn advance(&mut self, record: &Record) {
        *self = self.then(record.at, record.hash);
    }

    /// Where it stands after the next record, which is of this time and has this hash.
    pub(super) fn then(&self, at: i64, hash: Hash) -> Self {
        Self { position: self.next_position(), hash, latest_at: self.latest_at.max(at) }
    }

    /// Decodes the next row of the store and moves over it, if it is what must come next.
    pub(super) fn accept(&mut self, stored: StoredRow<'_>) -> Result<Record, Damage> {
        let position = self.next_position();
        let record = self.check(stored).map_err(|fault| Damage { position, fault })?;
        self.advance(&record);
        Ok(record)
    }

    /// Decodes a record that stands elsewhere than in a store and moves over it, if it is what must come next.
    ///
    /// # Errors
    /// The [`Damage`] at the next position.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<Record, Damage> {
        let position = self.next_position();
        let record = self.decode(bytes).map_err(|fault| Damage { position, fault })?;
        self.advance(&record);
        Ok(record)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Record, Fault> {
        let record = Record::decode(bytes)?;
        if record.position != self.next_position() {
            return Err(Fault::Misplaced { claimed: record.position });
        }
        if record.chained(&self.hash)? != record.hash {
            return Err(Fault::HashMismatch);
        }
        Ok(record)
    }

    fn check(&self, stored: StoredRow<'_>) -> Result<Record, Fault> {
        if stored.position != self.next_position() {
            return Err(Fault::Missing { found: stored.position });
        }
        let record = self.decode(stored.bytes)?;
        let latest_at = self.latest_at.max(record.at);
        if stored.latest_at != latest_at {
            return Err(Fault::LatestTime { stored: stored.latest_at, right: latest_at });
        }
        Ok(record)
    }
}

/// A row as the store holds it.
#[derive(Clone, Copy)]
pub(super) struct StoredRow<'a> {
    pub position: u64,
    pub latest_at: i64,
    pub bytes: &'a [u8],
}

/// The first place where the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the log {} at position {position}: {fault}", .fault.verb())]
pub struct Damage {
    /// The position that does not hold what it should.
    pub position: u64,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// There is no record here although there are later ones.
    #[error("the record is missing, the next one there is {found}")]
    Missing {
        /// Position of the next record there is.
        found: u64,
    },
    /// The bytes are no record.
    #[error("the record cannot be decoded: {0}")]
    Undecodable(#[from] RecordError),
    /// A record of another position stands here.
    #[error("the record there says that it is number {claimed}")]
    Misplaced {
        /// The position in its bytes.
        claimed: u64,
    },
    /// The record, or the one before it, is not the one that was appended.
    #[error("the hash does not follow from the record and the hash before it")]
    HashMismatch,
    /// The time by which the store finds records does not follow from the records.
    #[error("the latest time so far is stored as {stored} and is {right}")]
    LatestTime {
        /// What the store says, in microseconds since the epoch.
        stored: i64,
        /// What the records say.
        right: i64,
    },
    /// The log ends here inside a transaction.
    #[error("the transaction has no end")]
    HalfTransaction,
    /// The chain is right, but what is known otherwise says that it is not.
    #[error("{0}")]
    Refuted(String),
    /// The store itself fails here.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    /// The system does not let it be read: nothing is known of what is there.
    #[error("{0}")]
    Unread(String),
}

impl Fault {
    fn verb(&self) -> &'static str {
        match self {
            Fault::Unread(_) => "cannot be read",
            _ => "is damaged",
        }
    }
}

/// A place in the chain, as a line says it.
pub(super) fn head_line(head: &Head) -> String {
    format!("{} {} {}", head.position, hexadecimal(&head.hash), head.latest_at)
}

/// Reads the two lines at the beginning of a file: what it is, and a place in the chain.
///
/// # Errors
/// Those of the file, and `InvalidData` if it is something else.
pub(super) fn read_head(file: &mut impl BufRead, magic: &str) -> io::Result<Head> {
    let mut line = || {
        let mut line = String::new();
        file.by_ref().take(200).read_line(&mut line)?;
        Ok::<_, io::Error>(line)
    };
    let (first, second) = (line()?, line()?);
    if first.trim_end() != magic {
        let message = format!("it does not begin with \"{magic}\"");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let words: Vec<&str> = second.split_whitespace().collect();
    let [position, hash, latest_at] = words.as_slice() else { return Err(no_place()) };
    let head = || {
        let (position, latest_at) = (position.parse().ok()?, latest_at.parse().ok()?);
        Some(Head { position, hash: hash_of(hash)?, latest_at })
    };
    head().ok_or_else(no_place)
}

fn hash_of(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (place, octet) in hash.iter_mut().enumerate() {
        *octet = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(hash)
}

fn no_place() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not say where in the log it stands")
}
