//! A notification before it has a position and a time: what it says and whom it concerns.

use std::sync::Arc;

use super::encode::EncodeOptions;
use super::schema::Node;
use super::tree::{Child, Container};
use crate::clock::Timestamp;

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

/// The notification in the envelope of RFC 8040 section 6.4, as JSON.
pub fn json(at: Timestamp, notification: &Notification) -> Vec<u8> {
    let mut out = format!("{{\"ietf-restconf:notification\":{{\"eventTime\":\"{at}\",").into_bytes();
    let child = Child::Container(Arc::new(notification.data.clone()));
    super::json::encode_member(notification.node, &child, &mut out, &EncodeOptions::default());
    out.extend_from_slice(b"}}");
    out
}

/// The notification in the envelope of RFC 5277 section 4, with the time of the event.
pub fn xml(at: Timestamp, notification: &Notification) -> Vec<u8> {
    const NAMESPACE: &str = "urn:ietf:params:xml:ns:netconf:notification:1.0";
    let start = format!("<notification xmlns=\"{NAMESPACE}\"><eventTime>{at}</eventTime>");
    let mut out = start.into_bytes();
    let child = Child::Container(Arc::new(notification.data.clone()));
    super::xml::encode_one(notification.node, &child, &mut out, &EncodeOptions::default());
    out.extend_from_slice(b"</notification>");
    out
}
