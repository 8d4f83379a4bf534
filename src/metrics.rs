//! What is counted and measured while the server works, and the text form in which Prometheus reads it.
//!
//! Counting is one or two atomic additions. It never has a lock, a name of a user or anything else that grows.

use std::fmt::{self, Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The media type of a [`Text`].
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Most bounds of a histogram.
const BOUNDS_MAX: usize = 14;
/// Bounds of what takes time, in microseconds.
const MICROSECONDS: [u64; BOUNDS_MAX] = [
    100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];
/// Bounds of how many there are.
const COUNTS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many things of each of a few kinds there are in a state that is kept in step with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally<const KINDS: usize>([u64; KINDS]);

impl<const KINDS: usize> Default for Tally<KINDS> {
    fn default() -> Self {
        Tally([0; KINDS])
    }
}

impl<const KINDS: usize> Tally<KINDS> {
    /// A thing that was of one kind is of another; it was not there, or is not there any more, without one.
    pub fn turned(&mut self, was: Option<usize>, is: Option<usize>) {
        if let Some(count) = was.and_then(|kind| self.0.get_mut(kind)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = is.and_then(|kind| self.0.get_mut(kind)) {
            *count = count.saturating_add(1);
        }
    }

    /// Of each kind, in order.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }
}

/// How often a value was within which bound.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// How many units of what is counted are one of what is told.
    scale: f64,
    within: [AtomicU64; BOUNDS_MAX],
    above: AtomicU64,
    sum: AtomicU64,
}

impl Histogram {
    /// Of durations, which are told in seconds.
    pub fn seconds() -> Histogram {
        Histogram::new(&MICROSECONDS, 1e6)
    }

    /// Of how many there are of something.
    pub fn counts() -> Histogram {
        Histogram::new(&COUNTS, 1.0)
    }

    fn new(bounds: &'static [u64], scale: f64) -> Histogram {
        Histogram {
            bounds,
            scale,
            within: Default::default(),
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// One duration more.
    pub fn took(&self, duration: Duration) {
        self.add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// One value more: microseconds, or a count.
    pub fn add(&self, value: u64) {
        let place = self.bounds.iter().position(|bound| value <= *bound);
        place.and_then(|place| self.within.get(place)).unwrap_or(&self.above).fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }
}

/// What a family of samples is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

/// Labels of a sample with their values, none of which comes from outside.
pub type Labels<'a> = &'a [(&'static str, &'static str)];

/// Samples in the text form of Prometheus, version 0.0.4.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
    family: &'static str,
}

impl Text {
    /// Begins a family of samples: what is written next belongs to it.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// One sample of the family.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.named("", labels, None, value);
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// All samples of a histogram.
    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let mut count = 0;
        for (bound, within) in histogram.bounds.iter().zip(&histogram.within) {
            count += within.load(Relaxed);
            let bound = (*bound as f64 / histogram.scale).to_string();
            self.named("_bucket", labels, Some(&bound), count);
        }
        count += histogram.above.load(Relaxed);
        self.named("_bucket", labels, Some("+Inf"), count);
        self.named("_sum", labels, None, histogram.sum.load(Relaxed) as f64 / histogram.scale);
        self.named("_count", labels, None, count);
    }

    /// All that was written.
    pub fn into_string(self) -> String {
        self.text
    }

    fn named(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let family = self.family;
        match labels.is_empty() {
            true => self.line(format_args!("{family}{suffix} {value}")),
            false => self.line(format_args!("{family}{suffix}{{{}}} {value}", labels.join(","))),
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_value_once_and_adds_up() {
        let (sizes, mut text) = (Histogram::counts(), Text::default());
        for value in [1, 2, 2, 3, 256, 257] {
            sizes.add(value);
        }
        text.family("group_requests", Kind::Histogram, "Requests.");
        text.histogram(&[("of", "all")], &sizes);
        let text = text.into_string();
        assert!(
            text.starts_with("# HELP group_requests Requests.\n# TYPE group_requests histogram\n"),
            "{text}"
        );
        for line in [
            "group_requests_bucket{of=\"all\",le=\"1\"} 1\n",
            "group_requests_bucket{of=\"all\",le=\"2\"} 3\n",
            "group_requests_bucket{of=\"all\",le=\"4\"} 4\n",
            "group_requests_bucket{of=\"all\",le=\"256\"} 5\n",
            "group_requests_bucket{of=\"all\",le=\"+Inf\"} 6\n",
            "group_requests_sum{of=\"all\"} 521\n",
            "group_requests_count{of=\"all\"} 6\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn durations_are_told_in_seconds() {
        let (latency, mut text) = (Histogram::seconds(), Text::default());
        latency.took(Duration::from_micros(1500));
        latency.took(Duration::MAX);
        text.family("latency_seconds", Kind::Histogram, "Latency.");
        text.histogram(&[], &latency);
        let text = text.into_string();
        assert!(text.contains("latency_seconds_bucket{le=\"0.0001\"} 0\n"), "{text}");
        assert!(text.contains("latency_seconds_bucket{le=\"0.0025\"} 1\n"), "{text}");
        assert!(text.contains("latency_seconds_bucket{le=\"30\"} 1\n"), "{text}");
        assert!(text.contains("latency_seconds_bucket{le=\"+Inf\"} 2\n"), "{text}");
    }
}
