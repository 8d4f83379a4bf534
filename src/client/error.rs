//! Why the client could not do something: what the server refused, and what stood in the way. It never prints.

use std::fmt;
use std::time::Duration;

use super::data::Element;

/// The `error-app-tag`s of what the server cannot do now and will do later.
const PASSING: [&str; 6] =
    ["busy", "stopping", "too-many-requests", "storage-full", "storage-failed", "storage-unsure"];

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server cannot be reached, or its identity is not proven.
    #[error("cannot connect to {place}: {reason}")]
    Connect {
        /// Where to.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The server takes none of the credentials, or a file of them is no good.
    #[error("cannot log in: {0}")]
    Login(String),
    /// The server refused, and said why. There is at least one error.
    #[error("{}", lines(.0))]
    Refused(Vec<RpcError>),
    /// The server did not answer in time.
    #[error("no {what} within {} s", .limit.as_secs())]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// The server does not speak the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    /// The session is over.
    #[error("the session has ended: {0}")]
    Ended(String),
    /// The protocol, or this server, cannot do it.
    #[error("{0}")]
    Unsupported(String),
    /// The request makes no sense, whoever is asked.
    #[error("{0}")]
    Request(String),
}

impl ClientError {
    /// Whether the same may be asked again later: the connection was lost, or the server has too much to do or cannot store
    /// anything at present. It may have been carried out all the same, so who asks again looks first.
    pub fn may_pass(&self) -> bool {
        let passes = |error: &RpcError| error.app_tag.as_deref().is_some_and(|tag| PASSING.contains(&tag));
        match self {
            ClientError::Connect { .. } | ClientError::Ended(_) | ClientError::Timeout { .. } => true,
            ClientError::Refused(errors) => errors.iter().any(passes),
            _ => false,
        }
    }
}

/// An error that the server reported (RFC 6241 section 4.3, RFC 8040 section 7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcError {
    /// Where it arose: `transport`, `rpc`, `protocol` or `application`.
    pub error_type: String,
    /// What it is, of a fixed set of names.
    pub tag: String,
    /// A finer name, of the data model or the server.
    pub app_tag: Option<String>,
    /// Which node it is about.
    pub path: Option<String>,
    /// An explanation for a person.
    pub message: Option<String>,
    /// More, by name.
    pub info: Vec<Element>,
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tag)?;
        if let Some(app_tag) = &self.app_tag {
            write!(f, " ({app_tag})")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if let Some(path) = &self.path {
            write!(f, ", at {path}")?;
        }
        for (number, info) in self.info.iter().filter(|info| info.children.is_empty()).enumerate() {
            write!(f, "{}{}: {}", if number == 0 { " [" } else { ", " }, info.name, info.text)?;
        }
        f.write_str(if self.info.iter().any(|info| info.children.is_empty()) { "]" } else { "" })
    }
}

impl RpcError {
    /// Reads an `<rpc-error>` or an `<error>` of RESTCONF.
    pub(super) fn read(element: &Element) -> RpcError {
        let text = |name: &str| element.child(name).map(|child| child.text.trim().to_owned());
        RpcError {
            error_type: text("error-type").unwrap_or_default(),
            tag: text("error-tag").unwrap_or_else(|| "operation-failed".to_owned()),
            app_tag: text("error-app-tag"),
            path: text("error-path"),
            message: text("error-message"),
            info: element.child("error-info").map(|info| info.children.clone()).unwrap_or_default(),
        }
    }
}

fn lines(errors: &[RpcError]) -> String {
    errors.iter().map(RpcError::to_string).collect::<Vec<_>>().join("\n")
}
