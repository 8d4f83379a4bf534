//! What was measured, as markdown tables. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    /// Kinds of edits in the order of their first measurement, and by size the time of an edit in each round.
    edits: Vec<(&'static str, BTreeMap<u64, Vec<Duration>>)>,
    /// By size, the times to validate all and to build the tables.
    wholes: BTreeMap<u64, (Vec<Duration>, Vec<Duration>)>,
    /// With constraints or not, entries, octets.
    memory: Vec<(bool, u64, u64)>,
}

impl Report {
    /// The time that one edit of a round took.
    pub fn edits(&mut self, what: &'static str, entries: u64, each: Duration) {
        let known = self.edits.iter().position(|(kind, _)| *kind == what).unwrap_or(self.edits.len());
        if known == self.edits.len() {
            self.edits.push((what, BTreeMap::new()));
        }
        if let Some((_, sizes)) = self.edits.get_mut(known) {
            sizes.entry(entries).or_default().push(each);
        }
    }

    /// The times that a whole datastore took.
    pub fn whole(&mut self, entries: u64, validated: Duration, indexed: Duration) {
        let times = self.wholes.entry(entries).or_default();
        times.0.push(validated);
        times.1.push(indexed);
    }

    /// What entries take of memory.
    pub fn memory(&mut self, constrained: bool, entries: u64, octets: u64) {
        self.memory.push((constrained, entries, octets));
    }
}

fn micros(times: &[Duration]) -> f64 {
    let mut micros: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    micros.sort_by(f64::total_cmp);
    micros.get(micros.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<u64> =
            self.edits.first().map(|(_, s)| s.keys().copied().collect()).unwrap_or_default();
        let heads: Vec<String> = sizes.iter().map(|size| format!("{size} entries")).collect();
        writeln!(f, "| edit, applied and validated | {} | largest against smallest |", heads.join(" | "))?;
        writeln!(f, "|---|{}---|", "---|".repeat(sizes.len()))?;
        for (what, sizes) in &self.edits {
            let medians: Vec<f64> = sizes.values().map(|times| micros(times)).collect();
            let cells: Vec<String> = medians.iter().map(|median| format!("{median:.1} µs")).collect();
            let (first, last) = (medians.first().copied(), medians.last().copied());
            let ratio = last.unwrap_or(f64::NAN) / first.unwrap_or(f64::NAN);
            writeln!(f, "| {what} | {} | {ratio:.2} |", cells.join(" | "))?;
        }
        writeln!(f, "\n| entries | validating all | for an entry | tables anew, for an entry |")?;
        writeln!(f, "|---|---|---|---|")?;
        for (entries, (validated, indexed)) in &self.wholes {
            let (validated, indexed) = (micros(validated), micros(indexed));
            let each = |micros: f64| micros / *entries as f64;
            let (all, entry, table) = (validated / 1e3, each(validated), each(indexed));
            writeln!(f, "| {entries} | {all:.1} ms | {entry:.2} µs | {table:.2} µs |")?;
        }
        writeln!(f, "\n| list | entries | memory for an entry |")?;
        writeln!(f, "|---|---|---|")?;
        for (constrained, entries, octets) in &self.memory {
            let list = if *constrained { "with constraints, and its targets" } else { "without constraints" };
            writeln!(f, "| {list} | {entries} | {} octets |", octets / entries.max(&1))?;
        }
        Ok(())
    }
}
