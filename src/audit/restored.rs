//! That the event log was put back to an earlier position: what the trail says of it, so that nobody takes it for a log that
//! was cut, and nobody overlooks it.
//!
//! It never takes anything out of the trail: what happened after that position did happen.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, PublicKey, Signer, hex};
use super::forgotten::{Forgotten, signed};
use super::note::{Entry, Kind, Note, Who};
use super::segments::{Item, Link, Reader};
use super::writer::OpenError;
use crate::clock::{self, Timestamp};
use crate::log::{Hash, Head, Log};

/// What is signed begins with this, so that no other signature can be taken for it.
const DOMAIN: &[u8] = b"agentconf audit restored 1\n";

/// That the event log was put back, signed as a checkpoint is: who has not the key cannot pass a cut log off as this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Restored {
    /// When.
    #[serde(with = "clock::rfc3339")]
    pub at: Timestamp,
    /// Who did it, as the operating system knows them.
    pub by: String,
    /// The last record of the trail before this one.
    pub before: Link,
    /// The last position of the event log now.
    pub log_position: u64,
    /// Hash of that record.
    #[serde(with = "hex")]
    pub log_hash: Hash,
    /// The last position in the backup.
    pub of_position: u64,
    /// When the backup was made.
    #[serde(with = "clock::rfc3339")]
    pub of_time: Timestamp,
    /// Ed25519 (RFC 8032), in base64.
    pub signature: String,
}

/// What is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// When.
    pub at: Timestamp,
    /// Who did it, as the operating system knows them.
    pub by: String,
    /// After which record the event log begins now.
    pub first: Head,
    /// Where it ends now.
    pub to: Head,
    /// The last position in the backup.
    pub of_position: u64,
    /// When the backup was made.
    pub of_time: Timestamp,
}

impl Restored {
    /// Whether it was signed with this key.
    pub(super) fn is_signed(&self, key: &PublicKey) -> bool {
        key.has_signed(&self.signed(), &self.signature)
    }

    /// The octets that are signed: every field but the signature, each of a fixed length but the last.
    fn signed(&self) -> Vec<u8> {
        let mut octets = signed(DOMAIN, self.at, &self.before, (self.log_position, &self.log_hash));
        octets.extend_from_slice(&self.of_position.to_be_bytes());
        octets.extend_from_slice(&self.of_time.as_micros().to_be_bytes());
        octets.extend_from_slice(self.by.as_bytes());
        octets
    }
}

impl Restore {
    /// Puts it into the trail of a directory that no server uses: an entry for who asks what was done, the signed record
    /// for who verifies, and a checkpoint of what both logs hold now. A trail without segments stays so.
    ///
    /// # Errors
    /// The trail cannot be read or written.
    pub fn note(&self, directory: &Path, signer: &Signer) -> Result<(), OpenError> {
        let reader = Reader::new(directory);
        let Some(segment) = reader.numbers()?.last().copied() else { return Ok(()) };
        let mut log = Log::open(&reader.place(segment))?;
        let what = format!(
            "to position {} from {} in the backup of {}, by {}",
            self.to.position, self.of_position, self.of_time, self.by
        );
        let note = Note {
            kind: Kind::Administration,
            who: Who::Server,
            operation: "event-log-restored",
            path: Some(&what),
            outcome: "ok",
            app_tag: None,
        };
        let entry = Entry::of(&note, self.at, self.to.position, false);
        log.append(&[vec![Item::Entry(Box::new(entry)).to_record(self.at)?]])?;

        let Head { position, hash, .. } = log.last();
        let mut restored = Restored {
            at: self.at,
            by: self.by.clone(),
            before: Link { segment, position, hash },
            log_position: self.to.position,
            log_hash: self.to.hash,
            of_position: self.of_position,
            of_time: self.of_time,
            signature: String::new(),
        };
        restored.signature = signer.signature(&restored.signed());
        log.append(&[vec![Item::Restored(restored).to_record(self.at)?]])?;

        if self.first != Head::EMPTY {
            let Head { position, hash, .. } = log.last();
            let (before, first) = (Link { segment, position, hash }, (self.first.position, self.first.hash));
            let forgotten = Forgotten::new(self.at, before, first, signer);
            log.append(&[vec![Item::Forgotten(forgotten).to_record(self.at)?]])?;
        }

        let Head { position, hash, .. } = log.last();
        let checkpoint = signer.sign(Checkpoint {
            at: self.at,
            segment,
            position,
            hash,
            log_position: self.to.position,
            log_hash: self.to.hash,
            stop: true,
            key: String::new(),
            signature: String::new(),
        });
        log.append(&[vec![Item::Checkpoint(checkpoint.clone()).to_record(self.at)?]])?;
        log.close()?;
        Ok(reader.keep(&checkpoint)?)
    }
}
