//! What is counted where requests come in, and what the operating system says of the process.
//!
//! It never counts by user, path or address: there would be no end of those.

use std::fs;

use hyper::{Method, StatusCode};

use super::listener::{Scheme, Shared};
use crate::clock::Stopwatch;
use crate::metrics::{Counter, Histogram, Kind, Text};

const SCHEMES: [(Scheme, &str); 2] = [(Scheme::Https, "https"), (Scheme::Http, "http")];
const METHODS: [&str; 8] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Ticks in a second, as Linux tells processor time.
const TICKS_PER_S: f64 = 100.0;

/// What is counted as it happens.
#[derive(Debug)]
pub struct Measured {
    requests: [[[Counter; CLASSES.len()]; METHODS.len()]; SCHEMES.len()],
    seconds: [Histogram; METHODS.len()],
    /// Credentials that were not taken.
    pub credentials: Counter,
    /// Connections that were one too many, or too soon.
    pub connections: Counter,
    /// Requests that were one too many.
    pub too_many: Counter,
    /// Sessions that were one too many.
    pub sessions: Counter,
}

impl Default for Measured {
    fn default() -> Measured {
        let seconds = std::array::from_fn(|_| Histogram::seconds());
        let (requests, credentials, connections, too_many, sessions) = Default::default();
        Measured { requests, seconds, credentials, connections, too_many, sessions }
    }
}

impl Measured {
    /// A request of HTTP was answered.
    pub fn answered(&self, scheme: Scheme, method: &Method, status: StatusCode, since: Stopwatch) {
        let scheme = SCHEMES.iter().position(|(known, _)| *known == scheme).unwrap_or_default();
        let other = METHODS.len() - 1;
        let method = METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(other);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        let counters = self.requests.get(scheme).and_then(|methods| methods.get(method));
        if let Some(counter) = counters.and_then(|classes| classes.get(class)) {
            counter.count();
        }
        if let Some(seconds) = self.seconds.get(method) {
            seconds.took(since.elapsed());
        }
    }
}

/// Writes what is counted here, and of the process.
pub fn measure(shared: &Shared, text: &mut Text) {
    let measured = &shared.measured;
    text.family("agentconf_build_info", Kind::Gauge, "The version of the program.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let ready = u8::from(shared.operations.readiness() == super::operations::Readiness::Ready);
    text.single("agentconf_ready", Kind::Gauge, "Whether the server is ready.", ready);
    text.family("agentconf_http_requests_total", Kind::Counter, "Requests of HTTP that were answered.");
    for ((_, scheme), methods) in SCHEMES.iter().zip(&measured.requests) {
        for (method, classes) in METHODS.iter().zip(methods) {
            for (class, counter) in CLASSES.iter().zip(classes).filter(|(_, counter)| counter.get() > 0) {
                let labels = [("scheme", *scheme), ("method", *method), ("status", *class)];
                text.sample(&labels, counter.get());
            }
        }
    }
    let help = "Time from the head of a request of HTTP to that of its answer.";
    text.family("agentconf_http_request_duration_seconds", Kind::Histogram, help);
    for (method, seconds) in METHODS.iter().zip(&measured.seconds) {
        text.histogram(&[("method", method)], seconds);
    }
    let help = "Credentials that were not taken, but for those of SSH.";
    text.single("agentconf_credentials_refused_total", Kind::Counter, help, measured.credentials.get());
    let help = "What limits and rates have refused: connections, requests, sessions.";
    text.family("agentconf_refusals_total", Kind::Counter, help);
    for (what, counter) in [
        ("connection", &measured.connections),
        ("request", &measured.too_many),
        ("session", &measured.sessions),
    ] {
        text.sample(&[("of", what)], counter.get());
    }
    let taken = shared.connections_max.saturating_sub(shared.connections.available_permits());
    text.single("agentconf_connections", Kind::Gauge, "Connections of all protocols.", taken);
    let help = "Connections that there can be.";
    text.single("agentconf_connections_max", Kind::Gauge, help, shared.connections_max);
    let help = "Notes that found no room in the audit trail; it says so itself.";
    text.single("agentconf_audit_dropped_total", Kind::Counter, help, shared.trail.dropped());
    shared.traces.measure(text);
    process(text);
}

/// The usual families, as far as `/proc` has them.
fn process(text: &mut Text) {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let status = read("status");
    let kibibytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    for (name, key, help) in [
        ("process_resident_memory_bytes", "VmRSS", "Resident memory."),
        ("process_virtual_memory_bytes", "VmSize", "Virtual memory."),
    ] {
        if let Some(kibibytes) = kibibytes(key) {
            text.single(name, Kind::Gauge, help, kibibytes.saturating_mul(1024));
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is that of this look.
        let open = open.count().saturating_sub(1);
        text.single("process_open_fds", Kind::Gauge, "File descriptors that are open.", open);
    }
    let limits = read("limits");
    let most = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    if let Some(most) = most.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) {
        text.single("process_max_fds", Kind::Gauge, "File descriptors that can be open.", most);
    }
    let stat = read("stat");
    // The name of the program, which may hold anything, is in parentheses; what follows begins with the third field.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<u64>().ok());
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        let seconds = user.saturating_add(system) as f64 / TICKS_PER_S;
        text.single("process_cpu_seconds_total", Kind::Counter, "Processor time.", seconds);
    }
    if let Some(threads) = field(20) {
        text.single("process_threads", Kind::Gauge, "Threads.", threads);
    }
}
