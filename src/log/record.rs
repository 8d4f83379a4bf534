//! One record of the log and its bytes.
//!
//! Owns the canonical encoding and the hash chain; it never touches a file or a clock and never looks into a payload.
//!
//! # Bytes
//!
//! Numbers are big-endian. One record has exactly one encoding, and [`Record::decode`] refuses every other:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | format of this table: 1 without an origin, 2 with one |
//! | 1 | 1 | flags: bit 0 is set on the last record of a transaction, the others are zero |
//! | 2 | 1 | version of the payload |
//! | 3 | 2 | kind |
//! | 5 | 8 | position |
//! | 13 | 8 | at, signed |
//! | 21 | 2 | length of actor, *a* |
//! | 23 | *a* | actor, UTF-8 |
//! | 23+*a* | 2 | format 2: length of origin, *o*, at least 1 |
//! | 25+*a* | *o* | format 2: origin, UTF-8 |
//! | then | 4 | length of payload, *p* |
//! | | *p* | payload |
//! | | 32 | hash: SHA-256 over the previous record's hash and all the bytes above |
//!
//! The hash before the first record is 32 zero bytes ([`NO_HASH`]).
//!
//! # Why there is no checksum beside the hash
//!
//! A checksum per record would find a flipped bit a little faster than SHA-256 and nothing else: the chain finds the same
//! damage, and also a record that was replaced, removed from the middle or moved together with its checksum. A torn tail,
//! for which log files carry checksums, is settled below us: the store's write-ahead log has its own. What the chain
//! cannot show is that whole transactions are missing at the end; for that, keep the last hash somewhere else.

use sha2::{Digest, Sha256};
use thiserror::Error;

/// A SHA-256 digest in the chain.
pub type Hash = [u8; 32];

/// The hash that precedes the first record.
pub const NO_HASH: Hash = [0; 32];

/// The most bytes the name of an actor may have.
pub const ACTOR_BYTES_MAX: usize = 1024;

/// The most bytes that say where a request came from.
pub const ORIGIN_BYTES_MAX: usize = 256;

/// The most bytes one payload may have: 16 MiB.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// Without an origin: what nobody asked for, and what was written before there were origins.
const FORMAT: u8 = 1;
const FORMAT_WITH_ORIGIN: u8 = 2;
const TRANSACTION_END: u8 = 1;
/// What stands before the payload, without actor and origin.
const HEAD_BYTES_MIN: usize = 29;

/// An event that has no position yet, as the engine hands it to [`Log::append`](super::Log::append).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// When it was decided: microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// What happened: a stable number that the engine gives meaning to and never uses again for anything else.
    pub kind: u16,
    /// Version of the payload's form within its kind.
    pub version: u8,
    /// Name of the principal on whose behalf it happened; at most [`ACTOR_BYTES_MAX`] bytes.
    pub actor: String,
    /// Where the request came from, empty if nobody asked; at most [`ORIGIN_BYTES_MAX`] bytes.
    pub origin: String,
    /// The event itself, JSON in UTF-8, opaque here; at most [`PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Vec<u8>,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Place in the log, counted from 1 without gaps.
    pub position: u64,
    /// When it was decided: microseconds since 1970-01-01T00:00:00Z. The clock may have been set back between records.
    pub at: i64,
    /// What happened, see [`NewRecord::kind`].
    pub kind: u16,
    /// Version of the payload's form within its kind.
    pub version: u8,
    /// Whether this is the last record of its transaction.
    pub transaction_end: bool,
    /// Name of the principal on whose behalf it happened.
    pub actor: String,
    /// Where the request came from, empty if nobody asked.
    pub origin: String,
    /// The event itself, JSON in UTF-8, opaque here.
    pub payload: Vec<u8>,
    /// SHA-256 over the previous record's hash and this record's canonical bytes.
    pub hash: Hash,
}

impl From<Record> for NewRecord {
    /// The event of a record, which another log could have at another place.
    fn from(record: Record) -> Self {
        let Record { at, kind, version, actor, origin, payload, .. } = record;
        NewRecord { at, kind, version, actor, origin, payload }
    }
}

/// Why bytes are no record, or an event cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The bytes end inside a field.
    #[error("the bytes end inside the {0}")]
    Truncated(&'static str),
    /// Bytes follow the hash.
    #[error("{0} bytes follow the record")]
    Trailing(usize),
    /// The format byte is not one that this version knows.
    #[error("format {0} is unknown: a newer agentconf is needed if one has written it")]
    Format(u8),
    /// A flag is set that has no meaning.
    #[error("unknown flags are set: {0:#04x}")]
    Flags(u8),
    /// The actor's name is not UTF-8.
    #[error("the actor is not UTF-8")]
    Actor,
    /// The origin is not UTF-8, or is empty where there has to be one.
    #[error("the origin is empty or not UTF-8")]
    Origin,
    /// A field is longer than it may be.
    #[error("the {field} has {length} bytes, more than {max}")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most it may have.
        max: usize,
    },
}

impl NewRecord {
    /// Whether it can become a record.
    ///
    /// # Errors
    /// [`RecordError::TooLong`] if actor, origin or payload exceed their limits.
    pub fn check(&self) -> Result<(), RecordError> {
        limited("actor", self.actor.len(), ACTOR_BYTES_MAX)?;
        limited("origin", self.origin.len(), ORIGIN_BYTES_MAX)?;
        limited("payload", self.payload.len(), PAYLOAD_BYTES_MAX)?;
        Ok(())
    }

    /// Its canonical bytes in the place after the record whose hash is `previous`, and its hash, with which they end.
    ///
    /// # Errors
    /// [`RecordError::TooLong`] if actor, origin or payload exceed their limits.
    pub(super) fn sealed(
        &self,
        position: u64,
        transaction_end: bool,
        previous: &Hash,
    ) -> Result<(Vec<u8>, Hash), RecordError> {
        let NewRecord { at, kind, version, ref actor, ref origin, ref payload } = *self;
        let mut bytes = Vec::with_capacity(HEAD_BYTES_MIN + actor.len() + origin.len() + payload.len() + 32);
        Head { position, at, kind, version, transaction_end, actor, origin, payload }.put(&mut bytes)?;
        bytes.extend_from_slice(payload);
        let hash: Hash = Sha256::new().chain_update(previous).chain_update(&bytes).finalize().into();
        bytes.extend_from_slice(&hash);
        Ok((bytes, hash))
    }
}

impl Record {
    /// Gives an event its place in the chain, after the record whose hash is `previous`.
    ///
    /// # Errors
    /// [`RecordError::TooLong`] if actor, origin or payload exceed their limits.
    pub fn seal(
        new: &NewRecord,
        position: u64,
        transaction_end: bool,
        previous: &Hash,
    ) -> Result<Self, RecordError> {
        Self::decode(&new.sealed(position, transaction_end, previous)?.0)
    }

    /// The hash this record must have after the record whose hash is `previous`; compare with [`Record::hash`].
    ///
    /// # Errors
    /// [`RecordError::TooLong`] if actor, origin or payload exceed their limits.
    pub fn chained(&self, previous: &Hash) -> Result<Hash, RecordError> {
        let head = self.head()?;
        let digest = Sha256::new().chain_update(previous).chain_update(head).chain_update(&self.payload);
        Ok(digest.finalize().into())
    }

    /// The canonical bytes, hash included.
    ///
    /// # Errors
    /// [`RecordError::TooLong`] if actor, origin or payload exceed their limits.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let mut bytes = self.head()?;
        bytes.reserve_exact(self.payload.len() + self.hash.len());
        bytes.extend_from_slice(&self.payload);
        bytes.extend_from_slice(&self.hash);
        Ok(bytes)
    }

    /// Everything before the payload's first byte.
    fn head(&self) -> Result<Vec<u8>, RecordError> {
        let Self {
            position,
            at,
            kind,
            version,
            transaction_end,
            ref actor,
            ref origin,
            ref payload,
            hash: _,
        } = *self;
        let mut bytes = Vec::with_capacity(HEAD_BYTES_MIN + actor.len() + origin.len());
        Head { position, at, kind, version, transaction_end, actor, origin, payload }.put(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads canonical bytes. The hash is read, not checked: that takes the record before, see [`Record::chained`].
    ///
    /// # Errors
    /// A [`RecordError`] that names the first thing wrong. No input makes it panic or allocate more than the input's size.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Input(bytes);
        let has_origin = match input.array("format")? {
            [FORMAT] => false,
            [FORMAT_WITH_ORIGIN] => true,
            [other] => return Err(RecordError::Format(other)),
        };
        let transaction_end = match input.array("flags")? {
            [0] => false,
            [TRANSACTION_END] => true,
            [other] => return Err(RecordError::Flags(other)),
        };
        let [version] = input.array("version")?;
        let kind = u16::from_be_bytes(input.array("kind")?);
        let position = u64::from_be_bytes(input.array("position")?);
        let at = i64::from_be_bytes(input.array("time")?);
        let actor_length = usize::from(u16::from_be_bytes(input.array("actor's length")?));
        limited("actor", actor_length, ACTOR_BYTES_MAX)?;
        let actor =
            std::str::from_utf8(input.take(actor_length, "actor")?).map_err(|_| RecordError::Actor)?;
        let origin = match has_origin {
            true => {
                let length = usize::from(u16::from_be_bytes(input.array("origin's length")?));
                limited("origin", length, ORIGIN_BYTES_MAX)?;
                let origin = std::str::from_utf8(input.take(length, "origin")?);
                origin.ok().filter(|origin| !origin.is_empty()).ok_or(RecordError::Origin)?
            }
            false => "",
        };
        let payload_length = u32::from_be_bytes(input.array("payload's length")?) as usize;
        limited("payload", payload_length, PAYLOAD_BYTES_MAX)?;
        let payload = input.take(payload_length, "payload")?;
        let hash = input.array("hash")?;
        if !input.0.is_empty() {
            return Err(RecordError::Trailing(input.0.len()));
        }
        let (actor, origin, payload) = (actor.to_owned(), origin.to_owned(), payload.to_vec());
        Ok(Self { position, at, kind, version, transaction_end, actor, origin, payload, hash })
    }
}

/// What stands before the payload.
struct Head<'a> {
    position: u64,
    at: i64,
    kind: u16,
    version: u8,
    transaction_end: bool,
    actor: &'a str,
    origin: &'a str,
    payload: &'a [u8],
}

impl Head<'_> {
    fn put(&self, bytes: &mut Vec<u8>) -> Result<(), RecordError> {
        let actor = limited("actor", self.actor.len(), ACTOR_BYTES_MAX)?;
        let origin = limited("origin", self.origin.len(), ORIGIN_BYTES_MAX)?;
        let payload = limited("payload", self.payload.len(), PAYLOAD_BYTES_MAX)?;
        bytes.push(if self.origin.is_empty() { FORMAT } else { FORMAT_WITH_ORIGIN });
        bytes.push(if self.transaction_end { TRANSACTION_END } else { 0 });
        bytes.push(self.version);
        bytes.extend_from_slice(&self.kind.to_be_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
        bytes.extend_from_slice(&self.at.to_be_bytes());
        bytes.extend_from_slice(&(actor as u16).to_be_bytes());
        bytes.extend_from_slice(self.actor.as_bytes());
        if !self.origin.is_empty() {
            bytes.extend_from_slice(&(origin as u16).to_be_bytes());
            bytes.extend_from_slice(self.origin.as_bytes());
        }
        bytes.extend_from_slice(&payload.to_be_bytes());
        Ok(())
    }
}

/// A field's length as the number that stands before it. Both limits fit their numbers: 1024 and 256 in 16 bits, 16 Mi in 32.
fn limited(field: &'static str, length: usize, max: usize) -> Result<u32, RecordError> {
    if length > max {
        return Err(RecordError::TooLong { field, length, max });
    }
    Ok(length as u32)
}

/// What is left to decode.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(RecordError::Truncated(field))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(RecordError::Truncated(field))?;
        self.0 = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of arbitrary values; the seed is in the failing assertion.
    struct Dice(u64);

    impl Dice {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, bound: usize) -> usize {
            (self.next() % bound as u64) as usize
        }

        fn record(&mut self) -> Record {
            let actor: String =
                (0..self.below(40)).map(|_| ['a', 'ß', '漢', '🦀', '\0'][self.below(5)]).collect();
            let origin = ["", "token restconf 192.0.2.1", "é"][self.below(3)].to_owned();
            let payload = (0..self.below(700)).map(|_| self.next() as u8).collect();
            let (at, kind, version) = (self.next() as i64, self.next() as u16, self.next() as u8);
            let new = NewRecord { at, kind, version, actor, origin, payload };
            Record::seal(&new, self.next(), self.below(2) == 1, &std::array::from_fn(|_| self.next() as u8))
                .unwrap()
        }
    }

    #[test]
    fn every_record_survives_the_round_trip() {
        for seed in 1..=2000 {
            let record = Dice(seed).record();
            assert_eq!(Record::decode(&record.encode().unwrap()).as_ref(), Ok(&record), "seed {seed}");
        }
    }

    #[test]
    fn what_decodes_is_the_only_encoding_of_its_record() {
        for seed in 1..=2000 {
            let mut dice = Dice(seed);
            let mut bytes = dice.record().encode().unwrap();
            for _ in 0..=dice.below(3) {
                let place = dice.below(bytes.len());
                bytes[place] = dice.next() as u8;
            }
            if let Ok(record) = Record::decode(&bytes) {
                assert_eq!(record.encode().unwrap(), bytes, "seed {seed}");
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic() {
        for seed in 1..=20_000 {
            let mut dice = Dice(seed);
            let mut bytes: Vec<u8> = (0..dice.below(120)).map(|_| dice.next() as u8).collect();
            if let [format, flags, ..] = bytes.as_mut_slice() {
                (*format, *flags) = (FORMAT + (seed & 1) as u8, *flags & 1);
            }
            drop(Record::decode(&bytes));
        }
    }

    #[test]
    fn every_prefix_is_truncated_and_every_suffix_trailing() {
        let bytes = Dice(7).record().encode().unwrap();
        for length in 0..bytes.len() {
            assert!(
                matches!(Record::decode(&bytes[..length]), Err(RecordError::Truncated(_))),
                "length {length}"
            );
        }
        let longer = [bytes.as_slice(), &[0, 0]].concat();
        assert_eq!(Record::decode(&longer), Err(RecordError::Trailing(2)));
    }

    #[test]
    fn every_changed_bit_changes_the_record_or_is_refused() {
        let record = Dice(11).record();
        let (bytes, previous) = (record.encode().unwrap(), NO_HASH);
        let hash = record.chained(&previous).unwrap();
        for bit in 0..(bytes.len() - 32) * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = Record::decode(&changed) {
                assert_ne!(changed.chained(&previous).unwrap(), hash, "bit {bit}");
            }
        }
    }

    #[test]
    fn errors_name_the_field() {
        let record = Dice(3).record();
        let bytes = record.encode().unwrap();
        let with = |place: usize, value: u8| {
            let mut bytes = bytes.clone();
            bytes[place] = value;
            Record::decode(&bytes).unwrap_err().to_string()
        };
        assert_eq!(with(0, 9), "format 9 is unknown: a newer agentconf is needed if one has written it");
        assert_eq!(with(1, 0x82), "unknown flags are set: 0x82");
        assert_eq!(
            with(21, 0xff),
            format!("the actor has {} bytes, more than 1024", 0xff00 + record.actor.len())
        );
        assert_eq!(Record::decode(&bytes[..15]).unwrap_err().to_string(), "the bytes end inside the time");
    }

    #[test]
    fn oversized_fields_are_refused_before_anything_is_written() {
        let new_from = |actor: usize, origin: usize, payload: usize| {
            let (actor, origin, payload) = ("a".repeat(actor), "o".repeat(origin), vec![b' '; payload]);
            Record::seal(&NewRecord { at: 0, kind: 0, version: 0, actor, origin, payload }, 1, true, &NO_HASH)
        };
        let new = |actor: usize, payload: usize| new_from(actor, 0, payload);
        assert!(new_from(0, ORIGIN_BYTES_MAX, 0).is_ok());
        let too_long = new_from(0, ORIGIN_BYTES_MAX + 1, 0);
        assert!(matches!(too_long, Err(RecordError::TooLong { field: "origin", .. })));
        assert!(new(ACTOR_BYTES_MAX, PAYLOAD_BYTES_MAX).is_ok());
        assert!(matches!(new(ACTOR_BYTES_MAX + 1, 0), Err(RecordError::TooLong { field: "actor", .. })));
        assert!(matches!(new(0, PAYLOAD_BYTES_MAX + 1), Err(RecordError::TooLong { field: "payload", .. })));
    }

    /// The bytes are a promise: this fixture was written by format 1 and stays readable for ever.
    #[test]
    fn format_1_is_read_for_ever() {
        let (actor, origin) = ("é".into(), String::new());
        let new = NewRecord { at: -2, kind: 0x0102, version: 3, actor, origin, payload: b"{}".to_vec() };
        let record = Record::seal(&new, 4, true, &NO_HASH).unwrap();
        let bytes = record.encode().unwrap();
        let head = b"\x01\x01\x03\x01\x02\0\0\0\0\0\0\0\x04\xff\xff\xff\xff\xff\xff\xff\xfe\0\x02\xc3\xa9\0\0\0\x02{}";
        assert_eq!(&bytes[..bytes.len() - 32], head);
        let hash: String = record.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "611baa9a576d86547b4567356281a01dc118e2f2a46ecf39ccc3f1e733e20a79");
    }

    /// The same of format 2.
    #[test]
    fn format_2_is_read_for_ever() {
        let (actor, origin) = ("é".into(), "ß".into());
        let new = NewRecord { at: -2, kind: 0x0102, version: 3, actor, origin, payload: b"{}".to_vec() };
        let record = Record::seal(&new, 4, true, &NO_HASH).unwrap();
        let bytes = record.encode().unwrap();
        let head = b"\x02\x01\x03\x01\x02\0\0\0\0\0\0\0\x04\xff\xff\xff\xff\xff\xff\xff\xfe\0\x02\xc3\xa9\0\x02\xc3\x9f\0\0\0\x02{}";
        assert_eq!(&bytes[..bytes.len() - 32], head);
        assert_eq!(Record::decode(&bytes).unwrap(), record);
        let hash: String = record.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "d2acdef88732a588813d9091382b04a397234baca950b9983e8707f61f83c7e0");
        let without = [&head[..25], &[0, 0], &head[29..], &record.hash].concat();
        assert_eq!(Record::decode(&without), Err(RecordError::Origin));
    }
}
