//! What is wrong with data or a request, in the terms of RFC 6241 appendix A.
//!
//! Front ends turn it into their reply; nothing here knows a protocol's status codes.

use std::fmt;
use std::iter::successors;
use std::sync::Arc;

use super::path::{InstancePath, Step};
use super::schema::Node;
use super::tree::Container;

/// An error with everything that an rpc-error can say (RFC 6241 section 4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// `error-type`.
    pub layer: Layer,
    /// `error-tag`.
    pub tag: Tag,
    /// `error-app-tag`.
    pub app_tag: Option<Box<str>>,
    /// `error-path`.
    pub path: Option<InstancePath>,
    /// `error-message`: the place and the rule, for a person.
    pub message: String,
    /// `error-info`, for the tags that have one.
    pub info: Vec<Info>,
    /// The one after this, of several that were found together.
    pub next: Option<Box<Error>>,
}

/// Most errors that are told together.
pub const ERRORS_MAX: usize = 32;

/// `error-type` (RFC 6241 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Secure transport.
    Transport,
    /// Messages.
    Rpc,
    /// Operations.
    Protocol,
    /// Content.
    Application,
}

/// `error-tag` (RFC 6241 appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the tag of its name
pub enum Tag {
    InUse,
    InvalidValue,
    TooBig,
    MissingAttribute,
    BadAttribute,
    UnknownAttribute,
    MissingElement,
    BadElement,
    UnknownElement,
    UnknownNamespace,
    AccessDenied,
    LockDenied,
    ResourceDenied,
    RollbackFailed,
    DataExists,
    DataMissing,
    OperationNotSupported,
    OperationFailed,
    MalformedMessage,
}

/// One member of `error-info`: an element of ietf-netconf, or of the YANG namespace (RFC 7950 section 15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The element, such as `bad-element`.
    pub name: &'static str,
    /// Its value.
    pub value: InfoValue,
}

/// The value of a member of `error-info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InfoValue {
    /// A text, or a name without a prefix.
    Text(String),
    /// An instance, which each encoding writes in its own form.
    Instance(InstancePath),
    /// Data of a structure (RFC 8040 section 8), which each encoding writes in its own form.
    Structure(&'static Node, Arc<Container>),
}

impl InfoValue {
    /// Whether a text can say it, see [`InstancePath::nameable`].
    pub fn is_nameable(&self) -> bool {
        !matches!(self, InfoValue::Instance(path) if path.nameable().is_none())
    }
}

impl From<&str> for InfoValue {
    fn from(text: &str) -> Self {
        InfoValue::Text(text.to_owned())
    }
}

impl From<InstancePath> for InfoValue {
    fn from(path: InstancePath) -> Self {
        InfoValue::Instance(path)
    }
}

impl fmt::Display for InfoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InfoValue::Text(text) => f.write_str(text),
            InfoValue::Instance(path) => path.fmt(f),
            InfoValue::Structure(node, _) => f.write_str(node.name),
        }
    }
}

impl Tag {
    /// The tag as it stands in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Tag::InUse => "in-use",
            Tag::InvalidValue => "invalid-value",
            Tag::TooBig => "too-big",
            Tag::MissingAttribute => "missing-attribute",
            Tag::BadAttribute => "bad-attribute",
            Tag::UnknownAttribute => "unknown-attribute",
            Tag::MissingElement => "missing-element",
            Tag::BadElement => "bad-element",
            Tag::UnknownElement => "unknown-element",
            Tag::UnknownNamespace => "unknown-namespace",
            Tag::AccessDenied => "access-denied",
            Tag::LockDenied => "lock-denied",
            Tag::ResourceDenied => "resource-denied",
            Tag::RollbackFailed => "rollback-failed",
            Tag::DataExists => "data-exists",
            Tag::DataMissing => "data-missing",
            Tag::OperationNotSupported => "operation-not-supported",
            Tag::OperationFailed => "operation-failed",
            Tag::MalformedMessage => "malformed-message",
        }
    }
}

impl Layer {
    /// The type as it stands in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Transport => "transport",
            Layer::Rpc => "rpc",
            Layer::Protocol => "protocol",
            Layer::Application => "application",
        }
    }
}

impl Error {
    /// An error of the content.
    pub fn application(tag: Tag, message: impl Into<String>) -> Self {
        Error {
            layer: Layer::Application,
            tag,
            app_tag: None,
            path: None,
            message: bounded(message.into()),
            info: Vec::new(),
            next: None,
        }
    }

    /// The first of several errors, which leads to the others; `None` if there is none.
    pub fn first(errors: Vec<Error>) -> Option<Self> {
        errors.into_iter().rev().reduce(|next, error| Error { next: Some(Box::new(next)), ..error })
    }

    /// This error and those that were found with it.
    pub fn all(&self) -> impl Iterator<Item = &Error> {
        successors(Some(self), |error| error.next.as_deref())
    }

    /// An error of the operation.
    pub fn protocol(tag: Tag, message: impl Into<String>) -> Self {
        Error { layer: Layer::Protocol, ..Error::application(tag, message) }
    }

    /// With the place it concerns. The root is none: an instance-identifier has at least one step (RFC 7950 section 9.13).
    pub fn at(mut self, path: InstancePath) -> Self {
        self.path = (!path.steps.is_empty()).then_some(path);
        self
    }

    /// With a leaf of an operation's input as its place.
    pub fn of_parameter(self, leaf: &'static Node) -> Self {
        let mut steps: Vec<Step> =
            successors(Some(leaf), |node| node.data_parent()).map(Step::plain).collect();
        steps.reverse();
        self.at(InstancePath { steps })
    }

    /// With an error-app-tag.
    pub fn app_tag(mut self, app_tag: impl Into<Box<str>>) -> Self {
        self.app_tag = Some(app_tag.into());
        self
    }

    /// With a member of error-info.
    pub fn info(mut self, name: &'static str, value: impl Into<InfoValue>) -> Self {
        let value = match value.into() {
            InfoValue::Text(text) => InfoValue::Text(bounded(text)),
            other => other,
        };
        self.info.push(Info { name, value });
        self
    }
}

/// Most octets of a text in an error: what a client sent is told back to it, but not megabytes of it.
const TEXT_BYTES_MAX: usize = 4096;

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.tag.as_str(), self.message)?;
        match &self.path {
            Some(path) => write!(f, " (at {path})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
