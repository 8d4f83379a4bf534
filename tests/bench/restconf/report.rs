//! What was measured, as markdown tables. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Outcome;
use super::client::Timed;
use super::servers::Agentconf;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    starts: Vec<Start>,
    /// By method, connections and entries (none for the bare server).
    cells: BTreeMap<(&'static str, usize, Option<u64>), Cell>,
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
        let (memory_bytes, disk_bytes) = (server.memory_bytes()?, server.disk_bytes()?);
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

/// The value below which that part of them is; NaN if there is none.
fn at(values: &mut [f64], quantile: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * quantile) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
