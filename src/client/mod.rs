//! The client: sessions with NETCONF and RESTCONF servers, ours and others', behind one face.
//!
//! `url`, `credentials` and `limits` say whom to connect to and how; `session` is what can be asked, in the terms of
//! `request`, `path` and `data`; `netconf` and `restconf` write it on the wire; `schema` is what the server's YANG texts say, and
//! `json` data by it. It never looks at this process's own engine,
//! and never touches the terminal.

pub mod agent;
pub mod credentials;
pub mod data;
pub mod error;
pub mod json;
pub mod library;
pub mod limits;
pub mod merge;
pub mod modules;
mod netconf;
pub mod path;
pub mod request;
pub mod resolve;
mod restconf;
pub mod schema;
pub mod session;
mod tls;
mod tree;
pub mod url;

use crate::trace::{TRACEPARENT, TRACESTATE};

pub use credentials::{Ask, Credentials, HostKeys, Secret};
pub use data::Element;
pub use error::{ClientError, RpcError};
pub use limits::Limits;
pub use modules::{Module, Modules};
pub use path::{Path, Predicate, Step};
pub use request::{
    Change, Commit, Content, Datastore, Defaults, Edit, ErrorOption, Get, Notification, Operation, Push,
    Subscribe, TestOption,
};
pub use session::{Session, Subscription};
pub use url::{Scheme, Url};

/// The trace that this process works for, as whoever started it says (`TRACEPARENT`, `TRACESTATE`): names and values of what
/// requests say of it. A server ignores what is not as it has to be.
fn trace() -> impl Iterator<Item = (&'static str, String)> {
    let said = [(TRACEPARENT, "TRACEPARENT"), (TRACESTATE, "TRACESTATE")];
    said.into_iter().filter_map(|(name, variable)| Some((name, std::env::var(variable).ok()?)))
}
