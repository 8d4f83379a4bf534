//! A notification before it has a position and a time: what it says and whom it concerns.

use super::schema::Node;
use super::tree::Container;

/// A YANG notification (RFC 7950 section 7.16).
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// The notification node.
    pub node: &'static Node,
    /// Its content.
    pub data: Container,
    /// The agents that it concerns; it is private to them. Empty: it concerns everybody.
    pub parties: Vec<String>,
}
