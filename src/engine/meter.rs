//! What the engine tells of its work: commits, the queue of the writer, sessions, subscribers, and how many there are of what
//! it keeps.
//!
//! It tells numbers and never a name, so that no question of access arises.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::Engine;
use super::group::Command;
use crate::clock::{Stopwatch, Timestamp};
use crate::metrics::{Counter, Histogram, Kind, Text};
use crate::trace::Sink;
use crate::yang::error::Error;
use crate::yang::generated::ietf_netconf_monitoring::identities::Transport;
use crate::yang::schema::Node;

/// Operations of NETCONF that are counted by their names.
const OPERATIONS: [&str; 15] = [
    "get",
    "get-config",
    "get-data",
    "edit-config",
    "edit-data",
    "copy-config",
    "delete-config",
    "commit",
    "discard-changes",
    "validate",
    "lock",
    "unlock",
    "establish-subscription",
    "kill-session",
    "close-session",
];
const OTHER: &str = "other";
const OUTCOMES: [&str; 2] = ["ok", "error"];

/// For how many seconds a commit that failed speaks against the next.
const FAILED_S: i64 = 30;

/// What is counted as it happens.
#[derive(Debug)]
pub struct Meter {
    commit_failures: Counter,
    /// When the newest commit failed, in microseconds since the epoch.
    failed_at: AtomicI64,
    group_requests: Histogram,
    commit_seconds: Histogram,
    rpcs: [[Counter; OUTCOMES.len()]; OPERATIONS.len() + 1],
    rpc_seconds: Histogram,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter {
            commit_failures: Counter::default(),
            failed_at: AtomicI64::new(i64::MIN),
            group_requests: Histogram::counts(),
            commit_seconds: Histogram::seconds(),
            rpcs: Default::default(),
            rpc_seconds: Histogram::seconds(),
        }
    }
}

impl Meter {
    /// A group of so many requests became durable.
    pub(super) fn committed(&self, requests: usize, since: Stopwatch) {
        self.group_requests.add(u64::try_from(requests).unwrap_or(u64::MAX));
        self.commit_seconds.took(since.elapsed());
    }

    /// A group did not.
    pub(super) fn failed(&self, now: Timestamp) {
        self.commit_failures.count();
        self.failed_at.store(now.as_micros(), Relaxed);
    }

    /// Whether something could not be made durable a short time ago.
    pub fn has_failed(&self, now: Timestamp) -> bool {
        let failed_at = Timestamp::from_micros(self.failed_at.load(Relaxed));
        failed_at.is_some_and(|at| at <= now && now < at.saturating_add_seconds(FAILED_S))
    }

    /// A request of NETCONF was answered.
    pub fn rpc(&self, operation: Option<&Node>, is_ok: bool, since: Stopwatch) {
        let named = |node: &Node| OPERATIONS.iter().position(|name| *name == node.name);
        let place = operation.and_then(named).unwrap_or(OPERATIONS.len());
        if let Some(counter) = self.rpcs.get(place).and_then(|counters| counters.get(usize::from(!is_ok))) {
            counter.count();
        }
        self.rpc_seconds.took(since.elapsed());
    }

    fn measure(&self, text: &mut Text) {
        let help = "Requests of NETCONF that were answered.";
        text.family("agentconf_netconf_requests_total", Kind::Counter, help);
        for (operation, counters) in OPERATIONS.iter().chain([&OTHER]).zip(&self.rpcs) {
            for (outcome, counter) in OUTCOMES.iter().zip(counters) {
                text.sample(&[("operation", operation), ("outcome", outcome)], counter.get());
            }
        }
        let help = "Time from a request of NETCONF to its reply.";
        text.family("agentconf_netconf_request_duration_seconds", Kind::Histogram, help);
        text.histogram(&[], &self.rpc_seconds);
        let help = "Requests that one commit made durable.";
        text.family("agentconf_commit_group_requests", Kind::Histogram, help);
        text.histogram(&[], &self.group_requests);
        let help = "Time that a commit of the event log took.";
        text.family("agentconf_commit_duration_seconds", Kind::Histogram, help);
        text.histogram(&[], &self.commit_seconds);
        let help = "Groups of requests that were not made durable.";
        text.single("agentconf_commit_failures_total", Kind::Counter, help, self.commit_failures.get());
    }
}

impl Engine {
    /// Where it is counted what is answered.
    pub fn meter(&self) -> &Meter {
        &self.shared.meter
    }

    /// Where spans go, if they are told of.
    pub fn spans(&self) -> Option<Arc<Sink>> {
        self.options().spans.sink()
    }

    /// Asks the writer for nothing but its answer, which comes in its turn.
    ///
    /// # Errors
    /// It takes no more requests.
    pub async fn probe(&self) -> Result<(), Error> {
        self.command(Command::Probe).await
    }

    /// Writes all that is measured.
    pub fn measure(&self, text: &mut Text) {
        let state = self.snapshot();
        let (options, sessions) = (self.options(), self.shared.sessions.load());
        text.single(
            "agentconf_log_position",
            Kind::Gauge,
            "Position of the newest event in the log.",
            state.position,
        );
        self.shared.meter.measure(text);
        text.family("agentconf_writer_queue_requests", Kind::Gauge, "Requests that wait for the writer.");
        let waiting = self.commands.max_capacity().saturating_sub(self.commands.capacity());
        text.sample(&[], waiting);
        let help = "Requests that can wait for the writer.";
        text.single("agentconf_writer_queue_requests_max", Kind::Gauge, help, self.commands.max_capacity());

        self.shared.received.measure(text);
        text.family("agentconf_netconf_sessions", Kind::Gauge, "Sessions of NETCONF.");
        for (transport, name) in [(Transport::NetconfSsh, "ssh"), (Transport::NetconfTls, "tls")] {
            let count = sessions.live().filter(|(_, live)| live.transport == transport).count();
            text.sample(&[("transport", name)], count);
        }
        let (subscribers, behind) = self.subscribers.measured();
        let help = "Streams of events that are followed.";
        text.single("agentconf_subscribers", Kind::Gauge, help, subscribers);
        let lag = behind.map_or(0, |position| state.position.saturating_sub(position));
        let help = "Events that the slowest subscriber has not looked at.";
        text.single("agentconf_subscriber_lag_events_max", Kind::Gauge, help, lag);
        let help = "Dynamic subscriptions (RFC 8639).";
        text.single("agentconf_subscriptions", Kind::Gauge, help, options.capabilities.subscriptions.len());

        let help = "Agents that are registered.";
        text.single("agentconf_agents", Kind::Gauge, help, state.registry.entries().len());
        text.family("agentconf_tasks", Kind::Gauge, "Tasks that are kept.");
        for (status, count) in state.tasks.statuses() {
            text.sample(&[("status", status.as_str())], count);
        }
        text.family("agentconf_negotiations", Kind::Gauge, "Negotiations that are kept.");
        for (status, count) in state.negotiations.statuses() {
            text.sample(&[("status", status.as_str())], count);
        }
    }
}
