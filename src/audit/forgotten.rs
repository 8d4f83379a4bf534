//! That the beginning of the event log is kept no longer: what the trail says of it before it goes, so that nobody can pass
//! off a log whose beginning was replaced as this.
//!
//! It never removes anything.

use serde::{Deserialize, Serialize};

use super::checkpoint::{PublicKey, Signer, hex};
use super::note::{Entry, Kind, Note, Who};
use super::segments::{Item, Link, is_about_log};
use crate::clock::{self, Timestamp};
use crate::log::{Hash, Head, Record};

/// What is signed begins with this, so that no other signature can be taken for it.
const DOMAIN: &[u8] = b"agentconf audit forgotten 1\n";

/// That records of the event log are meant to go, signed as a checkpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Forgotten {
    /// When.
    #[serde(with = "clock::rfc3339")]
    pub at: Timestamp,
    /// The last record of the trail before this one.
    pub before: Link,
    /// The last position of the event log that may be missing.
    pub log_position: u64,
    /// Hash of that record.
    #[serde(with = "hex")]
    pub log_hash: Hash,
    /// Ed25519 (RFC 8032), in base64.
    pub signature: String,
}

impl Forgotten {
    /// Signed with a key.
    pub(super) fn new(at: Timestamp, before: Link, (position, hash): (u64, Hash), signer: &Signer) -> Self {
        let (log_position, log_hash, signature) = (position, hash, String::new());
        let unsigned = Forgotten { at, before, log_position, log_hash, signature };
        let signature = signer.signature(&unsigned.signed());
        Forgotten { signature, ..unsigned }
    }

    /// Whether it was signed with this key.
    pub(super) fn is_signed(&self, key: &PublicKey) -> bool {
        key.has_signed(&self.signed(), &self.signature)
    }

    /// The octets that are signed: every field but the signature, each of a fixed length.
    fn signed(&self) -> Vec<u8> {
        signed(DOMAIN, self.at, &self.before, (self.log_position, &self.log_hash))
    }
}

/// What a trail says of where the event log begins or ends by what was done to it, for who reads its records in order.
#[derive(Debug)]
pub(super) struct AboutLog {
    key: PublicKey,
    last: Option<Link>,
}

impl AboutLog {
    /// Before the first record, or the first of a segment.
    pub(super) fn new(key: PublicKey) -> AboutLog {
        AboutLog { key, last: None }
    }

    /// Takes the next record. What is not signed with the key, or stands elsewhere than it was put, says nothing: anybody could
    /// have written it.
    pub(super) fn read(&mut self, segment: u64, record: &Record) -> Option<Item> {
        let Record { position, hash, .. } = *record;
        let last = self.last.replace(Link { segment, position, hash });
        if !is_about_log(record) {
            return None;
        }
        let item = Item::of(record).ok()?;
        let (is_signed, before) = match &item {
            Item::Forgotten(noted) => (noted.is_signed(&self.key), &noted.before),
            Item::Restored(noted) => (noted.is_signed(&self.key), &noted.before),
            _ => return None,
        };
        (is_signed && last.as_ref() == Some(before)).then_some(item)
    }
}

/// What a trail says of where the event log may begin, for who reads its records in order.
#[derive(Debug)]
pub struct Beginnings {
    about: AboutLog,
    /// Up to where records may be missing.
    noted: Vec<(u64, Hash)>,
}

impl Beginnings {
    /// Nothing so far; what is not signed with the key does not count.
    pub fn new(key: PublicKey) -> Beginnings {
        Beginnings { about: AboutLog::new(key), noted: Vec::new() }
    }

    /// Takes the next record.
    pub fn read(&mut self, segment: u64, record: &Record) {
        match self.about.read(segment, record) {
            Some(Item::Forgotten(noted)) => self.noted.push((noted.log_position, noted.log_hash)),
            // What was said of later positions was about what is not there any more.
            Some(Item::Restored(restored)) => {
                self.noted.retain(|(position, _)| *position <= restored.log_position);
            }
            _ => {}
        }
    }

    /// Whether the event log may begin after that place.
    pub fn allow(&self, first: &Head) -> bool {
        let is_it = |(position, hash): &(u64, Hash)| *position != first.position || *hash == first.hash;
        let is_noted = self.noted.iter().any(|(position, _)| *position >= first.position);
        *first == Head::EMPTY || (is_noted && self.noted.iter().all(is_it))
    }
}

/// The octets that are signed of what is said of a place in the event log, at a time and a place in the trail.
pub(super) fn signed(domain: &[u8], at: Timestamp, before: &Link, (position, hash): (u64, &Hash)) -> Vec<u8> {
    let mut octets = domain.to_vec();
    octets.extend_from_slice(&at.as_micros().to_be_bytes());
    octets.extend_from_slice(&before.segment.to_be_bytes());
    octets.extend_from_slice(&before.position.to_be_bytes());
    octets.extend_from_slice(&before.hash);
    octets.extend_from_slice(&position.to_be_bytes());
    octets.extend_from_slice(hash);
    octets
}

/// The entry for who asks what was done.
pub(super) fn entry(first: &Head, at: Timestamp, log_position: u64) -> Entry {
    let what = format!("up to position {}", first.position);
    let note = Note {
        kind: Kind::Administration,
        who: Who::Server,
        operation: "events-forgotten",
        path: Some(&what),
        outcome: "ok",
        app_tag: None,
    };
    Entry::of(&note, at, log_position, false)
}
