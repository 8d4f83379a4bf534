//! A point of the log as people name it: a position or a time.
//!
//! It never means a place inside a transaction.

use std::fmt;
use std::str::FromStr;

use super::storage::{LogError, LogReader};
use crate::clock::Timestamp;

/// A position or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// After this record, or before its transaction if that goes on.
    Position(u64),
    /// When nothing was recorded yet that is later.
    Time(Timestamp),
}

impl Point {
    /// The last position up to which the log goes at this point, at the end of a transaction; 0 before the first.
    ///
    /// # Errors
    /// As [`LogReader::read`].
    pub fn position(self, log: &LogReader) -> Result<u64, LogError> {
        let end = log.last()?.position;
        let mut position = match self {
            Point::Position(position) => position.min(end),
            Point::Time(time) => {
                let later = log.position_at_time(time.as_micros().saturating_add(1))?;
                later.map_or(end, |later| later.saturating_sub(1))
            }
        };
        // What is kept no longer was whole transactions.
        let first = log.first()?.position;
        while position > first {
            match log.read(position.saturating_sub(1), 1)?.first() {
                Some(record) if !record.transaction_end => position = position.saturating_sub(1),
                _ => break,
            }
        }
        Ok(position)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Point, String> {
        if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) {
            return text.parse().map(Point::Position).map_err(|_| "there are no such positions".to_owned());
        }
        text.parse().map(Point::Time).map_err(|error| format!("neither a position nor a time: {error}"))
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Position(position) => write!(f, "position {position}"),
            Point::Time(time) => time.fmt(f),
        }
    }
}
