//! What who asks is told when the store fails: why, and whether it is worth asking again.
//!
//! Never decides whether something failed, and never shows a path or the system's own words, which go to the server's log.

use std::io;

use crate::log::LogError;
use crate::yang::error::{Error, Layer, Tag};

/// The app-tag of `resource-denied` when there is no space left: the same may be asked again later.
pub const STORAGE_FULL: &str = "storage-full";
/// The app-tag of `operation-failed` when the store cannot be written: the same may be asked again later.
pub const STORAGE_FAILED: &str = "storage-failed";
/// The app-tag of `operation-failed` when the system did not say that a commit is durable: it may be found done after a
/// crash, so who asked has to look before asking again.
pub const STORAGE_UNSURE: &str = "storage-unsure";

/// The refusal of what could not be put into the log.
pub(super) fn refused(error: &LogError) -> Error {
    if error.is_unsure() {
        let message = "the store did not say whether this is kept; look before you ask again";
        return failed(message, STORAGE_UNSURE);
    }
    match error.is_full() {
        true => full(),
        false => unwritable(),
    }
}

/// The refusal of what could not be put into a file.
pub fn refused_file(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(),
        _ => unwritable(),
    }
}

fn full() -> Error {
    let message = "the server has no space left to store this; nothing was changed, and it can still be read";
    Error::protocol(Tag::ResourceDenied, message).app_tag(STORAGE_FULL)
}

fn unwritable() -> Error {
    failed(
        "the server cannot store this at present; nothing was changed, and it can still be read",
        STORAGE_FAILED,
    )
}

fn failed(message: &str, app_tag: &str) -> Error {
    Error { layer: Layer::Rpc, ..Error::application(Tag::OperationFailed, message) }.app_tag(app_tag)
}
