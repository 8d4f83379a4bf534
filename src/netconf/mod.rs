//! The NETCONF front end (RFC 6241): sessions over byte streams that a transport has authenticated.
//!
//! `framing` cuts bytes into messages, `hello` reads and writes the first message of each side, `session` does both on a
//! stream. What the messages after the hello mean is a function that is given to `session`. It never touches a socket, and never
//! decides who may do what.

pub mod framing;
pub mod hello;
pub mod session;

/// The namespace of the protocol, that of both its versions (RFC 6241 section 3.1).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
