//! That the beginning of the event log is kept no longer: what the trail says of it before it goes, so that nobody can pass
//! off a log whose beginning was replaced as this.
//!
//! It never removes anything.

use serde::{Deserialize, Serialize};

use super::checkpoint::{PublicKey, Signer, hex};
use super::note::{Entry, Kind, Note, Who};
use super::segments::Link;
use crate::clock::{self, Timestamp};
use crate::log::{Hash, Head};

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
