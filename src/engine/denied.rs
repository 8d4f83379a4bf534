//! What access control refused since the start (RFC 8341 section 3.5.2: the counters of `nacm`).
//!
//! It never refuses anything itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::yang::generated::ietf_netconf_acm::nodes;
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Denied {
    /// `denied-operations`.
    pub(super) operations: AtomicU32,
    /// `denied-data-writes`.
    pub(super) data_writes: AtomicU32,
    /// `denied-notifications`.
    pub(super) notifications: AtomicU32,
}

impl Denied {
    /// Counts one more.
    pub(super) fn count(counter: &AtomicU32) {
        counter.fetch_add(1, Relaxed);
    }

    /// The container with its counters.
    pub(super) fn shown(&self, configured: Option<&Arc<Container>>) -> Container {
        let mut nacm = configured.map(|nacm| nacm.as_ref().clone()).unwrap_or_default();
        let mut put = |node: &'static Node, counter: &AtomicU32| {
            nacm.set(node, Child::Leaf(Value::Uint32(counter.load(Relaxed))));
        };
        put(&nodes::NACM_DENIED_OPERATIONS, &self.operations);
        put(&nodes::NACM_DENIED_DATA_WRITES, &self.data_writes);
        put(&nodes::NACM_DENIED_NOTIFICATIONS, &self.notifications);
        nacm
    }
}
