//! How far long work has come, said on standard error. It says nothing of what is done soon.

use std::io::Write as _;
use std::time::Duration;

use crate::clock::Stopwatch;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(2);

/// Says now and then how far something has come.
pub struct Progress {
    said: Stopwatch,
}

impl Progress {
    /// Of what begins now.
    pub fn new() -> Progress {
        Progress { said: Stopwatch::start() }
    }

    /// So much is done of `what`, a plural; `of` is how many there are, if that is known.
    pub fn is_at(&mut self, what: &str, done: u64, of: Option<u64>) {
        if self.said.elapsed() < PAUSE {
            return;
        }
        self.said = Stopwatch::start();
        let of = of.map_or_else(String::new, |of| format!(" of {of}"));
        // Nobody is left to be told if standard error is closed.
        let _ = writeln!(std::io::stderr(), "agentconf: {done}{of} {what}");
    }
}
