//! Reading the log one record after another, through the archives and the database.
//!
//! It never gives a record that is not proved by the chain, and gives all that are before one which is not.

use std::vec;

use rusqlite::{Connection, Rows};

use super::archive;
use super::chain::{Damage, Fault, Head, StoredRow};
use super::record::Record;
use super::storage::{LogError, LogReader, head_at, is_corrupt, missing};

/// The records of a scan, in order; see [`LogReader::scan`]. It reads in batches, and between them holds nothing open.
#[derive(Debug)]
pub struct Scan {
    reader: LogReader,
    after: u64,
    /// No record after this position is read.
    to: u64,
    /// Where the last batch ended.
    head: Option<Head>,
    /// The archive that is being read.
    archived: Option<archive::Records>,
    /// A batch has at most so many records, and no more once it has so many octets of them.
    records_max: usize,
    octets_max: usize,
    batch: vec::IntoIter<Record>,
    ended: bool,
}

impl Iterator for Scan {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.batch.next() {
            return Some(Ok(record));
        }
        if self.ended {
            return None;
        }
        match self.batch() {
            Ok(batch) => {
                self.ended = batch.is_empty();
                self.batch = batch.into_iter();
                self.batch.next().map(Ok)
            }
            Err(error) => {
                self.ended = true;
                Some(Err(match (error, &self.head) {
                    (LogError::Store(error), Some(head)) if is_corrupt(&error) => {
                        Damage { position: head.next_position(), fault: Fault::Unreadable(error.to_string()) }
                            .into()
                    }
                    (error, _) => error,
                }))
            }
        }
    }
}

impl Scan {
    /// The records after a position. A batch has at most so many, and no more once it has so many octets of them.
    pub(super) fn new(reader: &LogReader, after: u64, records_max: usize, octets_max: usize) -> Scan {
        let (reader, head) = (reader.clone(), (after == 0).then_some(Head::EMPTY));
        let (batch, archived, ended) = (Vec::new().into_iter(), None, false);
        Scan { reader, after, to: u64::MAX, head, archived, records_max, octets_max, batch, ended }
    }

    /// Ends it with a position: what is damaged after that is in nobody's way.
    pub fn up_to(mut self, to: u64) -> Scan {
        self.to = to;
        self
    }

    pub(super) fn batch(&mut self) -> Result<Vec<Record>, LogError> {
        loop {
            let stands = self.head.map_or(self.after, |head| head.position);
            let left = usize::try_from(self.to.saturating_sub(stands)).unwrap_or(usize::MAX);
            let (known, records_max, octets_max) = (self.head, self.records_max.min(left), self.octets_max);
            if left == 0 {
                return Ok(Vec::new());
            }
            if let Some(archived) = &mut self.archived {
                let batch = archived.batch(records_max, octets_max);
                self.head = Some(archived.head);
                match batch? {
                    batch if batch.is_empty() => self.archived = None,
                    batch => return Ok(batch),
                }
                continue;
            }
            let read = self.reader.with(|connection| {
                let Some(mut head) = head_at(connection, stands)? else {
                    return known.map_or(Ok(None), |_| Err(missing(connection, stands)?.into()));
                };
                go_on(known.as_ref(), &head)?;
                let records = read_on(connection, &mut head, records_max, octets_max)?;
                Ok(Some((head, records)))
            });
            match read {
                Ok(Some((head, records))) => {
                    self.head = Some(head);
                    return Ok(records);
                }
                Ok(None) => return Ok(Vec::new()),
                Err(LogError::Gone { .. }) => {
                    let archived = self.reader.archived(stands)?;
                    go_on(known.as_ref(), &archived.head)?;
                    self.archived = Some(archived);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// That the chain goes on elsewhere as it stands here.
fn go_on(known: Option<&Head>, found: &Head) -> Result<(), Damage> {
    match known {
        Some(known) if known != found => {
            Err(Damage { position: found.next_position(), fault: Fault::HashMismatch })
        }
        _ => Ok(()),
    }
}

/// Reads on from a head, and moves it to the last record read.
fn read_on(
    connection: &Connection,
    head: &mut Head,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<Record>, LogError> {
    let mut select = connection.prepare_cached(
        "SELECT position, latest_at, bytes FROM record WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let after = i64::try_from(head.position).map_err(|_| LogError::Exhausted)?;
    let mut rows = select.query((after, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let (mut records, mut bytes_read) = (Vec::new(), 0);
    while bytes_read < bytes_max {
        match next(&mut rows, head) {
            Ok(Some((record, bytes))) => {
                bytes_read += bytes;
                records.push(record);
            }
            Ok(None) => break,
            // Those before it are proved; it is met again by who reads on.
            Err(_) if !records.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}

/// The next record, which moves the head, and its octets.
fn next(rows: &mut Rows<'_>, head: &mut Head) -> Result<Option<(Record, usize)>, LogError> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
    let position = row.get::<_, i64>(0)?.unsigned_abs();
    let record = head.accept(StoredRow { position, latest_at: row.get(1)?, bytes })?;
    Ok(Some((record, bytes.len())))
}
