//! What was measured, as markdown tables. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Outcome;
use super::client::Timed;
use super::common::at;
use super::events::Told;
use super::large::Large;
use super::rules::Cost;
use super::servers::Agentconf;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    starts: Vec<Start>,
    /// By method, connections and entries (none for the bare server).
    cells: BTreeMap<(&'static str, usize, Option<u64>), Cell>,
    /// One entry with and without rules of access control.
    pub rules: Vec<Cost>,
    /// Whole lists.
    pub large: Option<Large>,
    /// Events and their subscribers.
    pub told: Vec<Told>,
}

struct Start {
    entries: u64,
    filling: Duration,
    replay: Duration,
    memory_bytes: u64,
    disk_bytes: u64,
}

/// One measurement, all rounds together.
#[derive(Default)]
struct Cell {
    latencies: Vec<Duration>,
    rates: Vec<f64>,
}

impl Report {
    /// A server was filled and has started.
    pub fn started(&mut self, entries: u64, filling: Duration, server: &Agentconf) -> Outcome<()> {
        let (memory_bytes, disk_bytes) = (server.process.memory_bytes()?, server.disk_bytes()?);
        self.starts.push(Start { entries, filling, replay: server.replay, memory_bytes, disk_bytes });
        Ok(())
    }

    /// One round of a measurement.
    pub fn add(&mut self, method: &'static str, connections: usize, entries: Option<u64>, timed: Timed) {
        let cell = self.cells.entry((method, connections, entries)).or_default();
        cell.rates.push(timed.latencies.len() as f64 / timed.took.as_secs_f64());
        cell.latencies.extend(timed.latencies);
    }
}

impl Cell {
    fn latency_micros(&self, quantile: f64) -> f64 {
        let mut micros: Vec<f64> = self.latencies.iter().map(|latency| latency.as_secs_f64() * 1e6).collect();
        at(&mut micros, quantile)
    }

    fn rate(&self) -> f64 {
        at(&mut self.rates.clone(), 0.5)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.cells.is_empty() {
            self.entries(f)?;
        }
        if !self.rules.is_empty() {
            writeln!(
                f,
                "\n| rules | connections | GET/s without them | GET/s with them | of that without |"
            )?;
            writeln!(f, "|---|---|---|---|---|")?;
        }
        for cost in &self.rules {
            writeln!(f, "{cost}")?;
        }
        if let Some(large) = &self.large {
            large.fmt(f)?;
        }
        if !self.told.is_empty() {
            writeln!(
                f,
                "\n| subscribers | connected by | memory of an idle one | events | edits/s meanwhile | all delivered in | deliveries/s | lost | of bare hyper's |"
            )?;
            writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        }
        for Told { over, subscribers, events, idle_bytes, writing, took, bare } in &self.told {
            let (writing, took) = (writing.as_secs_f64(), took.as_secs_f64());
            let (edits, deliveries) = (*events as f64 / writing, *events as f64 * *subscribers as f64 / took);
            let idle = *idle_bytes as f64 / 1000.0;
            writeln!(
                f,
                "| {subscribers} | {over} | {idle:.1} kB | {events} | {edits:.0} | {took:.1} s | {deliveries:.0} | 0 | {:.2} |",
                bare.as_secs_f64() / took,
            )?;
        }
        self.budgets(f)
    }
}

impl fmt::Display for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |latencies: &[Duration], quantile| {
            at(&mut latencies.iter().map(|latency| latency.as_secs_f64() * 1e6).collect::<Vec<_>>(), quantile)
        };
        let (own, bare) = (at(&mut self.rates.clone(), 0.5), at(&mut self.bare_rates.clone(), 0.5));
        writeln!(
            f,
            "\n| GET of a list of {} entries, {} octets | MB/s | of bare hyper's |",
            self.entries, self.octets
        )?;
        writeln!(f, "|---|---|---|")?;
        writeln!(f, "| bare hyper | {bare:.0} | 1.00 |")?;
        writeln!(f, "| agentconf | {own:.0} | {:.2} |", own / bare)?;
        writeln!(f, "\n| PUT over one connection | median | p99 |")?;
        writeln!(f, "|---|---|---|")?;
        for (when, latencies) in
            [("alone", &self.writes_alone), ("while the list is read again and again", &self.writes_beside)]
        {
            writeln!(f, "| {when} | {:.0} µs | {:.0} µs |", micros(latencies, 0.5), micros(latencies, 0.99))?;
        }
        Ok(())
    }
}

impl Report {
    /// What is asked of the largest list among the most connections, and of the subscribers, in one look.
    fn budgets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| what | compared with | at least | measured |")?;
        writeln!(f, "|---|---|---|---|")?;
        let most = self.starts.iter().map(|start| start.entries).max();
        let rate = |method, connections, entries| {
            self.cells.get(&(method, connections, entries)).map_or(f64::NAN, Cell::rate)
        };
        let connections = self.cells.keys().map(|(_, connections, _)| *connections).max();
        if let (Some(entries), Some(connections)) = (most, connections) {
            let get = rate("GET", connections, most) / rate("GET", connections, None);
            let put = rate("PUT", connections, most) / rate("PUT, read and not kept", connections, None);
            writeln!(
                f,
                "| GET of one entry of {entries}, {connections} connections | bare hyper, same octets | 0.75 | {get:.2} |"
            )?;
            writeln!(
                f,
                "| durable create among {entries}, {connections} connections | bare hyper that only reads the body | 0.40 | {put:.2} |"
            )?;
        }
        for Told { over, subscribers, events, took, bare, .. } in &self.told {
            let ratio = bare.as_secs_f64() / took.as_secs_f64();
            writeln!(
                f,
                "| {subscribers} subscribers x {events} events, {over} | bare hyper writing the same octets | 0.50 | {ratio:.2} |"
            )?;
        }
        Ok(())
    }

    fn entries(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| request | connections | server | median | p99 | requests/s | of bare hyper's | median against the smallest list |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for ((method, connections, entries), cell) in &self.cells {
            let bare = self.cells.get(&(*method, *connections, None)).map_or(f64::NAN, Cell::rate);
            let smallest = self.starts.iter().map(|start| start.entries).min();
            let smallest = self.cells.get(&(*method, *connections, smallest));
            let median = cell.latency_micros(0.5);
            let server = entries.map_or_else(|| "bare hyper".into(), |entries| format!("{entries} entries"));
            let against = match entries {
                Some(_) => {
                    format!("{:.2}", median / smallest.map_or(f64::NAN, |cell| cell.latency_micros(0.5)))
                }
                None => String::new(),
            };
            writeln!(
                f,
                "| {method} | {connections} | {server} | {median:.0} µs | {:.0} µs | {:.0} | {:.2} | {against} |",
                cell.latency_micros(0.99),
                cell.rate(),
                cell.rate() / bare,
            )?;
        }
        writeln!(
            f,
            "\n| entries, each an edit of its own | put through the engine | start with replay | memory | log |"
        )?;
        writeln!(f, "|---|---|---|---|---|")?;
        for Start { entries, filling, replay, memory_bytes, disk_bytes } in &self.starts {
            let (filling, replay) = (filling.as_secs_f64(), replay.as_secs_f64());
            let (memory, disk) = (memory_bytes / 1_000_000, disk_bytes / 1_000_000);
            writeln!(f, "| {entries} | {filling:.1} s | {replay:.2} s | {memory} MB | {disk} MB |")?;
        }
        let least = self.starts.iter().min_by_key(|start| start.entries);
        let most = self.starts.iter().max_by_key(|start| start.entries);
        if let (Some(least), Some(most)) = (least, most)
            && let entries = most.entries - least.entries
            && entries > 0
        {
            let memory = most.memory_bytes.saturating_sub(least.memory_bytes) / entries;
            let disk = most.disk_bytes.saturating_sub(least.disk_bytes) / entries;
            writeln!(f, "\nAn entry takes {memory} octets of memory and {disk} of the log.")?;
        }
        Ok(())
    }
}
