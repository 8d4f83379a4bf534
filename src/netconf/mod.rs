//! The NETCONF front end (RFC 6241): sessions over byte streams that a transport has authenticated.
//!
//! `framing` cuts bytes into messages, `hello` reads and writes the first message of each side, `session` does both on a
//! stream; `message` reads a request and `request` what it asks for, `edit` the operations in its configuration; `answer` has
//! the engine do it, `conversation` keeps the order and sends what the session follows, `error` writes what went
//! wrong, `url` asks for configuration elsewhere. It never touches a socket, and never decides who may do what.

mod answer;
pub mod conversation;
mod edit;
mod error;
pub mod framing;
pub mod hello;
mod message;
mod request;
pub mod session;
pub mod url;
mod whole;

/// The namespace of the protocol, that of both its versions (RFC 6241 section 3.1).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
/// The namespace of the attributes that name a trace (draft-ietf-netconf-trace-ctx-extension-09 section 2).
pub const TRACE_CONTEXT: &str = "urn:ietf:params:xml:ns:netconf:w3ctc:1.0";
