//! The proof that a backup is what was written: every record through the chain, every file by its SHA-256. It never repairs.

use std::path::Path;

use super::manifest::Manifest;
use super::manifest::Segment;
use super::{BackupError, Told, files};
use crate::audit::{Beginnings, Signer};
use crate::log::{Head, Record};

/// Checks a backup.
///
/// # Errors
/// There is no finished one, or the first file of it that is not what was written.
pub fn verify(target: &Path, told: Told<'_>) -> Result<Manifest, BackupError> {
    let manifest = Manifest::read(target)?.ok_or_else(|| BackupError::Unfinished(target.to_owned()))?;
    all(&manifest, target, told, &mut |_, _| {})?;
    Ok(manifest)
}

/// Checks that an event log may begin after a place: that the trail of the backup says so, signed with `key`, which is what `log
/// verify` asks for. Where neither is kept nothing is signed, and nothing can be said.
pub(super) fn beginning(
    first: &Head,
    trail: &[Segment],
    key: Option<&str>,
    target: &Path,
) -> Result<(), BackupError> {
    if *first == Head::EMPTY || (trail.is_empty() && key.is_none()) {
        return Ok(());
    }
    let missing = || BackupError::Missing(first.position);
    let mut noted = Beginnings::new(Signer::from_pem(key.ok_or_else(missing)?)?.public());
    for segment in trail {
        segment.records.walk(target, |record, _| {
            noted.read(segment.number, &record);
            Ok(true)
        })?;
    }
    noted.allow(first).then_some(()).ok_or_else(missing)
}

/// Checks all that a manifest names; `each` is given every record of the event log, and the place in the chain after it.
pub(super) fn all(
    manifest: &Manifest,
    target: &Path,
    told: Told<'_>,
    each: &mut dyn FnMut(&Record, &Head),
) -> Result<(), BackupError> {
    manifest.check_snapshot()?;
    for (number, kept) in manifest.files.iter().chain(&manifest.configuration).enumerate() {
        files::check(kept, target)?;
        told("files verified", number as u64 + 1, Some(manifest.files.len() as u64));
    }
    for segment in &manifest.trail {
        segment.records.walk(target, |record, _| {
            told("records of the audit trail verified", record.position, Some(segment.records.position));
            Ok(true)
        })?;
    }
    manifest.log.walk(target, |record, head| {
        each(&record, head);
        told("records verified", head.position, Some(manifest.log.position));
        Ok(true)
    })
}
