//! Why an operation is refused: the values of `error-app-tag` of magent-task, each with its `error-tag`.
//!
//! The one table of both. It never says where or why in words: who refuses does.

use crate::yang::error::{Error, Tag};

/// A value of `error-app-tag` (description of the module magent-task) that tasks, contexts and data give.
///
/// The others are given elsewhere: `not-authorized`, `agent-unknown` and `quota-exceeded` by the engine, those of moves by negotiations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another instance has this identifier.
    IdInUse,
    /// An instance that is referred to does not exist.
    UnknownReference,
    /// Nothing is said that has to be said.
    ContentMissing,
    /// The deadline is in the past.
    DeadlinePassed,
    /// The status does not allow this.
    BadTransition,
    /// The deadline is later than that of the task above.
    DeadlineLate,
    /// The task has ended and takes no report.
    TaskEnded,
    /// Another report of the task has this key.
    KeyInUse,
    /// The task would be too many levels below the first one.
    TooDeep,
    /// The server does not report to this URL, or not in this way.
    BadCallback,
    /// The data object is not complete.
    DataIncomplete,
    /// The server does not hold the data, only its URL.
    DataElsewhere,
    /// The data cannot be read or stored there.
    BadOffset,
    /// The data is not what its checksum says.
    BadChecksum,
    /// A task or negotiation refers to the data.
    DataInUse,
    /// The server holds as many instances as it can.
    TooMany,
    /// The cursor is not, or no longer, valid.
    BadCursor,
}

impl Refusal {
    /// The `error-app-tag` and the `error-tag` (RFC 6241 appendix A) of the refusal.
    ///
    /// What breaks a rule that the module writes as `must` is `operation-failed`, as RFC 7950 section 15.3 has it.
    pub fn tags(self) -> (&'static str, Tag) {
        match self {
            Refusal::IdInUse => ("id-in-use", Tag::DataExists),
            Refusal::UnknownReference => ("unknown-reference", Tag::DataMissing),
            Refusal::ContentMissing => ("content-missing", Tag::OperationFailed),
            Refusal::DeadlinePassed => ("deadline-passed", Tag::InvalidValue),
            Refusal::BadTransition => ("bad-transition", Tag::OperationFailed),
            Refusal::DeadlineLate => ("deadline-late", Tag::InvalidValue),
            Refusal::TaskEnded => ("task-ended", Tag::OperationFailed),
            Refusal::KeyInUse => ("key-in-use", Tag::DataExists),
            Refusal::TooDeep => ("too-deep", Tag::ResourceDenied),
            Refusal::BadCallback => ("bad-callback", Tag::InvalidValue),
            Refusal::DataIncomplete => ("data-incomplete", Tag::OperationFailed),
            Refusal::DataElsewhere => ("data-elsewhere", Tag::OperationFailed),
            Refusal::BadOffset => ("bad-offset", Tag::InvalidValue),
            Refusal::BadChecksum => ("bad-checksum", Tag::InvalidValue),
            Refusal::DataInUse => ("data-in-use", Tag::OperationFailed),
            Refusal::TooMany => ("too-many", Tag::ResourceDenied),
            Refusal::BadCursor => ("bad-cursor", Tag::InvalidValue),
        }
    }

    /// The error for a client; `message` names the place and the rule.
    pub fn error(self, message: impl Into<String>) -> Error {
        let (app_tag, tag) = self.tags();
        Error::application(tag, message).app_tag(app_tag)
    }
}
