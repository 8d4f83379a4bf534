//! What was measured, as markdown tables. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Kinds of edits in the order of their first measurement, and by size the time of an edit in each round.
type Edits = Vec<(&'static str, BTreeMap<u64, Vec<Duration>>)>;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    /// Edits in memory.
    edits: Edits,
    /// The same, each edit made durable before the next.
    durable: Edits,
    /// By size, the times to validate all and to build the tables.
    wholes: BTreeMap<u64, (Vec<Duration>, Vec<Duration>)>,
    /// With constraints or not, entries, octets.
    memory: Vec<(bool, u64, u64)>,
}

impl Report {
    /// The processor time that one edit of a round took.
    pub fn edits(&mut self, what: &'static str, entries: u64, each: Duration) {
        note(&mut self.edits, what, entries, each);
    }

    /// The time that one edit of a round took until it was durable.
    pub fn durable(&mut self, what: &'static str, entries: u64, each: Duration) {
        note(&mut self.durable, what, entries, each);
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

fn note(edits: &mut Edits, what: &'static str, entries: u64, each: Duration) {
    let known = edits.iter().position(|(kind, _)| *kind == what).unwrap_or(edits.len());
    if known == edits.len() {
        edits.push((what, BTreeMap::new()));
    }
    if let Some((_, sizes)) = edits.get_mut(known) {
        sizes.entry(entries).or_default().push(each);
    }
}

fn write_edits(f: &mut fmt::Formatter<'_>, head: &str, edits: &Edits) -> fmt::Result {
    let sizes: Vec<u64> = edits.first().map(|(_, s)| s.keys().copied().collect()).unwrap_or_default();
    let heads: Vec<String> = sizes.iter().map(|size| format!("{size} entries")).collect();
    writeln!(f, "| {head} | {} | largest against smallest |", heads.join(" | "))?;
    writeln!(f, "|---|{}---|", "---|".repeat(sizes.len()))?;
    for (what, sizes) in edits {
        let medians: Vec<f64> = sizes.values().map(|times| micros(times)).collect();
        let cells: Vec<String> = medians.iter().map(|median| format!("{median:.1} µs")).collect();
        let (first, last) = (medians.first().copied(), medians.last().copied());
        let ratio = last.unwrap_or(f64::NAN) / first.unwrap_or(f64::NAN);
        writeln!(f, "| {what} | {} | {ratio:.2} |", cells.join(" | "))?;
    }
    writeln!(f)
}

fn micros(times: &[Duration]) -> f64 {
    let mut micros: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    micros.sort_by(f64::total_cmp);
    micros.get(micros.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_edits(f, "edit, applied and validated", &self.edits)?;
        write_edits(f, "edit, applied, validated and durable", &self.durable)?;
        writeln!(f, "| entries | validating all | for an entry | tables anew, for an entry |")?;
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
