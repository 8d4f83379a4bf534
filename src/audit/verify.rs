//! The proof that nobody altered the event log or the trail: both chains, and every signature over them.
//!
//! It never changes anything. What was written after the newest checkpoint is proved by its chain alone.

use std::fmt;
use std::io;

use super::checkpoint::{Checkpoint, PublicKey};
use super::forgotten::Forgotten;
use super::restored::Restored;
use super::segments::{Discontinuity, Item, Link, Reader, Removed, Start};
use crate::clock::Timestamp;
use crate::log::{self, Damage, Fault, Hash, Head, LogError, LogReader, NO_HASH, Record, Summary};

/// What was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What is in the event log.
    pub log: Summary,
    /// How many segments the trail has.
    pub segments: u64,
    /// How many records.
    pub records: u64,
    /// How many checkpoints, all with good signatures.
    pub checkpoints: u64,
    /// The newest of them.
    pub newest: Option<Checkpoint>,
    /// Records of the trail after that.
    pub unsigned: u64,
    /// When the event log was put back to an earlier position, and to which.
    pub restored: Vec<Restored>,
    /// When records of the event log were last meant to be kept no longer, and which.
    pub forgotten: Option<Forgotten>,
}

/// The first record of a log that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Altered {
    /// The number of the segment; `None` for the event log.
    pub segment: Option<u64>,
    /// The first position that can be wrong.
    pub position: u64,
    /// When the last record that is right was made.
    pub after: Option<Timestamp>,
    /// What is wrong.
    pub why: String,
    /// It could not be read, so nobody knows whether it is as it was written.
    pub is_unread: bool,
}

impl Altered {
    fn at(segment: Option<u64>, position: u64, after: Option<Timestamp>, why: impl Into<String>) -> Altered {
        Altered { segment, position, after, why: why.into(), is_unread: false }
    }
}

impl std::error::Error for Altered {}

impl fmt::Display for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.segment {
            Some(segment) => write!(f, "segment {segment} of the audit trail")?,
            None => f.write_str("the event log")?,
        }
        let verb = if self.is_unread { "cannot be read" } else { "is altered" };
        write!(f, " {verb} at position {}", self.position)?;
        if let Some(after) = self.after {
            write!(f, ", after {after}")?;
        }
        write!(f, ": {}", self.why)
    }
}

/// Checks both logs. `kept` are checkpoints that were kept elsewhere, or beside the trail. A discontinuity that was found at a
/// start is not told again if somebody has accepted it with a newer checkpoint, `accepted`.
///
/// # Errors
/// The first place of the trail, and that of the event log, which is not as it was written, or where something is missing.
pub fn verify(
    trail: &Reader,
    log: &LogReader,
    key: &PublicKey,
    kept: &[Checkpoint],
    accepted: Option<&Checkpoint>,
) -> Result<Proof, Vec<Altered>> {
    loop {
        let first = log.first().map_err(|error| vec![error.into()])?;
        let verified = verify_from(&first, trail, log, key, kept, accepted);
        // A server that runs may have forgotten more meanwhile, and noted it where it was not seen.
        if verified.is_ok() || log.first().is_ok_and(|again| again == first) {
            return verified;
        }
    }
}

/// The same of a log that begins after `first`.
fn verify_from(
    first: &Head,
    trail: &Reader,
    log: &LogReader,
    key: &PublicKey,
    kept: &[Checkpoint],
    accepted: Option<&Checkpoint>,
) -> Result<Proof, Vec<Altered>> {
    let accepted = accepted.filter(|accepted| key.signed(accepted));
    let kept: Vec<Checkpoint> = kept.iter().chain(accepted).cloned().collect();
    let kept = kept.as_slice();
    let (trail, mut signed, restored, broken) = loop {
        let oldest = trail.numbers().ok().and_then(|numbers| numbers.first().copied());
        let (signed, restored, broken) = (Vec::new(), Vec::new(), Vec::new());
        let (proof, is_told, first) = (None, false, None);
        let mut walk = Walk { key, kept, accepted, signed, restored, broken, proof, is_told, first };
        let walked = walk.trail(trail);
        // A server that runs may have removed it meanwhile, which is told further on.
        if walked.is_ok() || oldest.is_none_or(|oldest| trail.has(oldest)) {
            break (walked, walk.signed, walk.restored, walk.broken);
        }
    };
    // What was signed of the event log counts, whether or not the trail is whole.
    signed.extend(kept.iter().filter(|kept| key.signed(kept)).map(Signed::by));
    // But not of what was there before it was put back, and is not any more.
    signed.retain(|signed| !restored.iter().any(|(place, to)| signed.is_of_before(*place, to)));
    let summary = event_log(log, first, signed);
    match (trail, summary) {
        (Ok(proof), Ok(log)) if broken.is_empty() => {
            let restored = restored.into_iter().map(|(_, restored)| restored).collect();
            Ok(Proof { log, restored, ..proof })
        }
        (trail, log) => Err(broken.into_iter().chain(trail.err()).chain(log.err()).collect()),
    }
}

struct Walk<'a> {
    key: &'a PublicKey,
    kept: &'a [Checkpoint],
    /// Discontinuities before it are known.
    accepted: Option<&'a Checkpoint>,
    /// What was signed of the event log.
    signed: Vec<Signed>,
    /// Where the event log was put back.
    restored: Vec<(Place, Restored)>,
    /// Discontinuities.
    broken: Vec<Altered>,
    proof: Option<Proof>,
    /// Whether it is told that what was before the first segment was removed.
    is_told: bool,
    /// How the first segment begins, if it is not the very first.
    first: Option<Start>,
}

/// Segment and position of the trail.
type Place = (u64, u64);

/// What was signed of the event log.
struct Signed {
    position: u64,
    hash: Hash,
    at: Timestamp,
    place: Place,
    /// Whether it says that what came up to there may be missing.
    is_end_of_forgotten: bool,
}

impl Signed {
    fn by(checkpoint: &Checkpoint) -> Signed {
        let Checkpoint { log_position, log_hash, at, segment, position, .. } = *checkpoint;
        let (position, hash, place) = (log_position, log_hash, (segment, position));
        Signed { position, hash, at, place, is_end_of_forgotten: false }
    }

    /// Whether it was signed before the event log was put back at that place, of what is not there since.
    fn is_of_before(&self, place: Place, restored: &Restored) -> bool {
        self.place < place && self.position > restored.log_position
    }
}

impl Walk<'_> {
    fn trail(&mut self, reader: &Reader) -> Result<Proof, Altered> {
        let unreadable = |error: io::Error| Altered {
            is_unread: true,
            ..Altered::at(Some(1), 1, None, error.to_string())
        };
        let numbers = reader.numbers().map_err(unreadable)?;
        let log = Summary { after: 0, records: 0, transactions: 0, hash: NO_HASH };
        let proof = Proof {
            log,
            segments: 0,
            records: 0,
            checkpoints: 0,
            newest: None,
            unsigned: 0,
            restored: Vec::new(),
            forgotten: None,
        };
        self.proof = Some(proof);
        let (mut end, mut time) = (None, None);
        for (index, number) in numbers.iter().copied().enumerate() {
            let expected = numbers.first().map_or(0, |first| first + index as u64);
            if number != expected {
                return Err(gone(expected, time));
            }
            self.segment(reader, number, &mut end, &mut time)?;
        }
        let Some(oldest) = numbers.first().copied() else { return Err(gone(1, None)) };
        if oldest > 1 && !self.is_told {
            return Err(gone(oldest - 1, None));
        }
        let newest = numbers.last().copied().unwrap_or_default();
        for kept in self.kept.iter().filter(|kept| kept.segment >= oldest) {
            let end = end.as_ref().map_or(0, |end: &Link| end.position);
            if !self.key.signed(kept) {
                let why = "a checkpoint that was kept is not signed with this key".to_owned();
                return Err(Altered::at(Some(kept.segment), kept.position, None, why));
            }
            if kept.segment > newest || (kept.segment == newest && kept.position > end) {
                let why = format!("the trail is cut off: a checkpoint of {} was there", kept.at);
                return Err(Altered::at(Some(newest), end + 1, time, why));
            }
        }
        self.proof.take().ok_or_else(|| gone(1, None))
    }

    fn segment(
        &mut self,
        reader: &Reader,
        number: u64,
        end: &mut Option<Link>,
        time: &mut Option<Timestamp>,
    ) -> Result<(), Altered> {
        let segment = reader.segment(number).map_err(|error| {
            let is_unread = error.is_unread();
            let why = format!("it cannot be opened: {error}");
            Altered { is_unread, ..Altered::at(Some(number), 1, *time, why) }
        })?;
        if segment.first().is_ok_and(|first| first != Head::EMPTY) {
            return Err(Altered::at(Some(number), 1, *time, "its beginning is missing"));
        }
        let before = end.take();
        let (mut last, mut sure) = (None, 0);
        let walked = log::walk(&segment, |record| {
            self.record(number, record, before.as_ref(), last.as_ref(), &mut sure)?;
            last = Some(Link { segment: number, position: record.position, hash: record.hash });
            *time = Timestamp::from_micros(record.at);
            Ok(())
        });
        if let Err(Damage { position, fault }) = walked {
            let is_unread = matches!(fault, Fault::Unread(_));
            let (position, why) = match fault {
                // Some record since the last one that was signed.
                Fault::Refuted(why) if why == NOT_SIGNED => {
                    (sure + 1, format!("{why} at position {position}"))
                }
                other => (position, other.to_string()),
            };
            return Err(Altered { is_unread, ..Altered::at(Some(number), position, *time, why) });
        }
        if last.is_none() {
            return Err(Altered::at(Some(number), 1, *time, "it is empty"));
        }
        if let Some(proof) = &mut self.proof {
            proof.segments += 1;
        }
        *end = last;
        Ok(())
    }

    fn record(
        &mut self,
        number: u64,
        record: &Record,
        before: Option<&Link>,
        last: Option<&Link>,
        sure: &mut u64,
    ) -> Result<(), String> {
        let item = Item::of(record)?;
        let Some(proof) = &mut self.proof else { return Ok(()) };
        (proof.records, proof.unsigned) = (proof.records + 1, proof.unsigned + 1);
        let (position, hash) = last.map_or((0, NO_HASH), |last| (last.position, last.hash));
        let is_kept = |kept: &&Checkpoint| kept.segment == number && kept.position + 1 == record.position;
        if let Some(kept) = self.kept.iter().find(is_kept)
            && kept.hash != hash
        {
            return Err(NOT_SIGNED.into());
        }
        match item {
            Item::Segment(start) if record.position == 1 && start.segment == number => match before {
                Some(before) if start.before.as_ref() != Some(before) => {
                    return Err("the segment before it did not end as it says".into());
                }
                Some(_) => {}
                None => self.first = Some(start),
            },
            Item::Segment(_) => return Err("it begins another segment".into()),
            _ if record.position == 1 => return Err("it is not the beginning of a segment".into()),
            Item::Entry(_) => {}
            Item::Removed(Removed { last, .. }) => {
                let before = self.first.as_ref().and_then(|first| first.before.as_ref());
                self.is_told |= before == Some(&last);
            }
            Item::Discontinuity(broken) => {
                let place = (number, record.position);
                if self.accepted.is_none_or(|accepted| (accepted.segment, accepted.position) < place) {
                    self.broken.push(discontinuity(number, record, &broken));
                }
            }
            Item::Restored(restored) => {
                let before = Link { segment: number, position, hash };
                if !restored.is_signed(self.key) || restored.before != before {
                    return Err("that the event log was put back is not signed with this key".into());
                }
                self.signed.push(Signed {
                    position: restored.log_position,
                    hash: restored.log_hash,
                    at: restored.at,
                    place: (number, record.position),
                    is_end_of_forgotten: false,
                });
                self.restored.push(((number, record.position), restored));
            }
            Item::Forgotten(forgotten) => {
                let before = Link { segment: number, position, hash };
                if !forgotten.is_signed(self.key) || forgotten.before != before {
                    let why =
                        "that the beginning of the event log is kept no longer is not signed with this key";
                    return Err(why.into());
                }
                self.signed.push(Signed {
                    position: forgotten.log_position,
                    hash: forgotten.log_hash,
                    at: forgotten.at,
                    place: (number, record.position),
                    is_end_of_forgotten: true,
                });
                proof.forgotten = Some(forgotten);
            }
            Item::Checkpoint(checkpoint) => {
                if !self.key.signed(&checkpoint) {
                    return Err("the checkpoint is not signed with this key".into());
                }
                if (checkpoint.segment, checkpoint.position, checkpoint.hash) != (number, position, hash) {
                    return Err(NOT_SIGNED.into());
                }
                self.signed.push(Signed::by(&checkpoint));
                *sure = record.position;
                proof.checkpoints += 1;
                proof.unsigned = 0;
                proof.newest = Some(checkpoint);
            }
        }
        Ok(())
    }
}

/// What is there has a whole chain, but another one than was signed.
const NOT_SIGNED: &str = "what is there is not what was signed";

fn gone(segment: u64, after: Option<Timestamp>) -> Altered {
    Altered::at(Some(segment), 1, after, "the segment is missing")
}

fn discontinuity(segment: u64, record: &Record, broken: &Discontinuity) -> Altered {
    let place = |link: &Option<Link>, none: &str| {
        link.as_ref().map_or(none.to_owned(), |Link { segment, position, hash }| {
            format!("position {position} of segment {segment} with hash {}", crate::ids::hexadecimal(hash))
        })
    };
    let (expected, found) = (place(&broken.expected, "a checkpoint"), place(&broken.found, "nothing"));
    let why = format!("discontinuity: at a start {expected} was expected, and {found} was found");
    Altered::at(Some(segment), record.position, Timestamp::from_micros(record.at), why)
}

/// Checks the event log, and that it holds what was signed.
fn event_log(log: &LogReader, first: &Head, mut signed: Vec<Signed>) -> Result<Summary, Altered> {
    let beginning = |why: String| Err(Altered::at(None, first.next_position(), None, why));
    // Where it begins is said by an unsigned row or file, so something signed has to say that it may begin there, and how.
    let forgotten = signed.iter().filter(|signed| signed.is_end_of_forgotten);
    let forgotten = forgotten.map(|signed| signed.position).max().unwrap_or_default();
    if first.position > forgotten || (first.position == 0 && *first != Head::EMPTY) {
        let end = first.position;
        return beginning(format!(
            "what came up to position {end} is missing, and nothing says that it was meant"
        ));
    }
    let is_other = |signed: &&Signed| signed.position == first.position && signed.hash != first.hash;
    if let Some(Signed { position, at, .. }) = signed.iter().find(is_other) {
        return beginning(format!(
            "it follows another record than was signed as position {position} at {at}"
        ));
    }
    signed.sort_unstable_by_key(|signed| signed.position);
    // What is kept no longer cannot be compared with what was signed of it; what comes after it is chained to its hash.
    let mut signed = signed.into_iter().filter(|signed| signed.position > first.position).peekable();
    let (mut sure, mut time) = (0, None);
    let walked = log::walk(log, |record| {
        while let Some(signed) = signed.next_if(|signed| signed.position == record.position) {
            if signed.hash != record.hash {
                return Err(format!("{NOT_SIGNED} at position {} at {}", record.position, signed.at));
            }
            sure = record.position;
        }
        time = Timestamp::from_micros(record.at);
        Ok(())
    });
    let altered = |position, why: String| Altered::at(None, position, time, why);
    let summary = walked.map_err(|Damage { position, fault }| match fault {
        Fault::Refuted(why) => altered(sure + 1, why),
        Fault::Unread(why) => Altered { is_unread: true, ..altered(position, why) },
        other => altered(position, other.to_string()),
    })?;
    match signed.next() {
        Some(Signed { position, at, .. }) => {
            let why = format!("it is cut off: position {position} was signed at {at}");
            Err(altered(summary.records + 1, why))
        }
        None => Ok(summary),
    }
}

impl From<LogError> for Altered {
    fn from(error: LogError) -> Altered {
        Altered { is_unread: error.is_unread(), ..Altered::at(None, 1, None, error.to_string()) }
    }
}
