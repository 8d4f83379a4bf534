//! The audit trail: who came, what they asked for and what they were refused, beside the event log, which has every change.
//!
//! Owns what a note is ([`note`]), how many of them become entries ([`trail`]), the thread that writes them, the segments
//! that they stand in ([`segments`]), the signatures over both logs ([`checkpoint`]) and the proof that nobody altered
//! either ([`verify`](mod@verify)). It never keeps the value of an input, a credential or the content of a message.
//!
//! An entry is a record of the kind that the event log has, in a chain of its own. A segment begins with a record that says
//! where the one before it ended, so the chain goes on across segments; which ones were removed for their age is in the
//! chain too.

pub mod checkpoint;
pub mod forgotten;
pub mod note;
pub mod restored;
pub mod segments;
pub mod trail;
pub mod verify;
mod writer;

pub use checkpoint::{Checkpoint, KeyError, PublicKey, Signer};
pub use forgotten::{Beginnings, Forgotten};
pub use note::{Changed, Entry, Kind, Note, Who};
pub use restored::Restored;
pub use segments::{Discontinuity, Item, Reader};
pub use trail::{NotNoted, Noted, Trail};
pub use verify::{Altered, Proof, verify};
pub use writer::OpenError;

use serde::Deserialize;

/// The section `[audit]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Days after which a segment is removed; 0: never for its age.
    pub retention_days: u32,
    /// Octets that all segments may have; above that the oldest is removed. The newest always stays.
    pub bytes_max: u64,
    /// Octets after which a new segment begins.
    pub segment_bytes: u64,
    /// Hours after which a new segment begins.
    pub segment_hours: u32,
    /// Seconds after which what is new is signed.
    pub checkpoint_seconds: u32,
    /// Entries after which what is new is signed at once.
    pub checkpoint_entries: u32,
}

impl Settings {
    /// The first setting that makes no sense, and why.
    pub fn nonsense(&self) -> Option<(&'static str, &'static str)> {
        let zero = [
            ("segment-bytes", self.segment_bytes == 0),
            ("segment-hours", self.segment_hours == 0),
            ("checkpoint-seconds", self.checkpoint_seconds == 0),
            ("checkpoint-entries", self.checkpoint_entries == 0),
        ];
        let zero = zero.into_iter().find(|(_, is_zero)| *is_zero).map(|(key, _)| (key, "is 0"));
        zero.or((self.bytes_max < self.segment_bytes.saturating_mul(2))
            .then_some(("bytes-max", "is less than two segments have")))
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            retention_days: 365,
            bytes_max: 1 << 30,
            segment_bytes: 16 << 20,
            segment_hours: 24 * 7,
            checkpoint_seconds: 60,
            checkpoint_entries: 1000,
        }
    }
}
