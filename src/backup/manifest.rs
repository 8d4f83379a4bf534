//! The manifest of a backup: what belongs to it. It never describes what is still being written.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::records::Copied;
use super::{BackupError, files as copied};
use crate::clock::{self, Timestamp};
use crate::ids::hexadecimal;
use crate::server::files::{self, FileError, Readers};

/// Its name.
pub(super) const FILE: &str = "backup.json";
/// The version of all that is written here.
const VERSION: u32 = 1;

/// What belongs to a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// When it was made, or last gone on with.
    #[serde(with = "clock::rfc3339")]
    pub at: Timestamp,
    /// The version of the program that did it.
    pub program: String,
    /// The event log.
    pub log: Copied,
    /// The segments of the audit trail, ascending.
    pub trail: Vec<Segment>,
    /// All other files.
    pub files: Vec<Kept>,
    /// The configuration file, which is not of the data directory.
    pub configuration: Option<Kept>,
}

/// A segment of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// Its records.
    #[serde(flatten)]
    pub records: Copied,
}

/// A file by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name in the data directory, with `/`.
    pub name: String,
    /// Its permissions.
    pub mode: u32,
    /// Its length.
    pub octets: u64,
    /// SHA-256 of its content, and the name in the backup.
    pub sha256: String,
}

/// The file: the manifest, and what it has to be.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sealed {
    version: u32,
    sha256: String,
    backup: Box<RawValue>,
}

impl Manifest {
    /// Reads that of a backup; `None` if none was finished here.
    ///
    /// # Errors
    /// It is damaged, of another version, or cannot be read.
    pub fn read(target: &Path) -> Result<Option<Manifest>, BackupError> {
        Ok(Manifest::sealed(target)?.map(|(manifest, _)| manifest))
    }

    /// The same, and its SHA-256.
    pub(super) fn sealed(target: &Path) -> Result<Option<(Manifest, String)>, BackupError> {
        let path = target.join(FILE);
        let Some(text) = files::read(&path)? else { return Ok(None) };
        let damaged = |why: String| BackupError::Damaged { path: path.clone(), why };
        let sealed: Sealed = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if sealed.version != VERSION {
            let why = format!("it has version {}, and this program knows {VERSION}", sealed.version);
            return Err(damaged(why));
        }
        if digest(sealed.backup.get().as_bytes()) != sealed.sha256 {
            return Err(damaged("its SHA-256 is not that which it says".to_owned()));
        }
        let manifest: Manifest =
            serde_json::from_str(sealed.backup.get()).map_err(|error| damaged(error.to_string()))?;
        if let Some(name) = manifest.names().find(|name| !is_below(name)) {
            return Err(damaged(format!("{name:?} is no name of a file in it")));
        }
        Ok(Some((manifest, sealed.sha256)))
    }

    /// Writes it, durably, in place of an older one.
    pub(super) fn write(&self, target: &Path) -> Result<(), BackupError> {
        let path = target.join(FILE);
        let unwritable = |error: serde_json::Error| FileError::of("write", &path)(error.into());
        let backup = serde_json::value::to_raw_value(self).map_err(unwritable)?;
        let sha256 = digest(backup.get().as_bytes());
        let text = serde_json::to_string(&Sealed { version: VERSION, sha256, backup }).map_err(unwritable)?;
        Ok(files::replace(&path, &(text + "\n"), Readers::Owner)?)
    }

    /// The earliest snapshot with which the event log of the backup can be replayed, and of which position it is.
    pub(super) fn earliest_snapshot(&self) -> Option<(u64, &Kept)> {
        let is_used = self.log.after.position.max(1)..=self.log.position;
        let found = self.files.iter().filter_map(|kept| Some((copied::snapshot_of(&kept.name)?, kept)));
        found.filter(|(position, _)| is_used.contains(position)).min_by_key(|(position, _)| *position)
    }

    /// That there is one if the event log begins after a position: nothing else stands for what came before.
    pub(super) fn check_snapshot(&self) -> Result<(), BackupError> {
        match self.log.after.position {
            after if after > 0 && self.earliest_snapshot().is_none() => Err(BackupError::NoSnapshot(after)),
            _ => Ok(()),
        }
    }

    /// All logs.
    pub(super) fn logs(&self) -> impl Iterator<Item = &Copied> {
        std::iter::once(&self.log).chain(self.trail.iter().map(|segment| &segment.records))
    }

    /// Names by which files are opened.
    fn names(&self) -> impl Iterator<Item = &str> {
        let chunks = self.logs().flat_map(|log| &log.chunks).map(|chunk| chunk.file.as_str());
        let kept = self.files.iter().flat_map(|kept| [kept.name.as_str(), kept.sha256.as_str()]);
        chunks.chain(kept).chain(self.configuration.iter().map(|kept| kept.sha256.as_str()))
    }
}

/// Whether a name leads nowhere but further down.
fn is_below(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// SHA-256 in hexadecimal.
pub(super) fn digest(octets: &[u8]) -> String {
    hexadecimal(&Sha256::digest(octets))
}
