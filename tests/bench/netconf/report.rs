//! What was measured, as markdown tables. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::client::Over;
use super::common::at;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    /// Times in microseconds, by what is asked and how, then by entries.
    times: BTreeMap<(&'static str, Over), BTreeMap<u64, Vec<f64>>>,
    /// Edits per second, by entries.
    ahead: BTreeMap<Over, BTreeMap<u64, Vec<f64>>>,
    /// The memory of an idle session in octets, of so many.
    pub idle: Vec<(Over, usize, u64)>,
}

impl Report {
    /// One more time.
    pub fn add(&mut self, what: &'static str, over: Over, entries: u64, took: Duration) {
        let times = self.times.entry((what, over)).or_default().entry(entries).or_default();
        times.push(took.as_secs_f64() * 1e6);
    }

    /// One more rate of edits that were sent ahead.
    pub fn ahead(&mut self, over: Over, entries: u64, rate: f64) {
        self.ahead.entry(over).or_default().entry(entries).or_default().push(rate);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sizes) = self.ahead.values().next() {
            let sizes: Vec<String> = sizes.keys().map(|entries| format!(" {entries} |")).collect();
            writeln!(f, "| median, by entries | over |{} most against fewest |", sizes.concat())?;
            writeln!(f, "|---|---|{}---|", "---|".repeat(sizes.len()))?;
        }
        for ((what, over), times) in &self.times {
            row(f, what, *over, times, " µs")?;
        }
        for (over, rates) in &self.ahead {
            row(f, "`edit-config` sent ahead, per second", *over, rates, "")?;
        }
        if !self.idle.is_empty() {
            writeln!(f, "\n| idle sessions, each on a connection of its own | over | memory of one |")?;
            writeln!(f, "|---|---|---|")?;
        }
        for (over, sessions, octets) in &self.idle {
            writeln!(f, "| {sessions} | {over} | {:.1} kB |", *octets as f64 / 1000.0)?;
        }
        Ok(())
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    over: Over,
    measured: &BTreeMap<u64, Vec<f64>>,
    unit: &str,
) -> fmt::Result {
    let medians: Vec<f64> = measured.values().map(|values| at(&mut values.clone(), 0.5)).collect();
    write!(f, "| {what} | {over} |")?;
    for median in &medians {
        write!(f, " {median:.0}{unit} |")?;
    }
    let ratio = medians.last().zip(medians.first()).map_or(f64::NAN, |(most, fewest)| most / fewest);
    writeln!(f, " {ratio:.2} |")
}
