//! `agentconf log …`: looks at the event log, whether or not a server runs. It never changes it.

use std::error::Error;
use std::fmt::Write as _;

use clap::Subcommand;

use super::{Place, print};
use crate::log::{self, LogReader};

/// The verbs of `log`.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Check that the log is whole: every record, the chain of hashes, the transactions. Writes how much there is and
    /// the last hash, which proves later that nothing was taken away, if it is kept elsewhere.
    Verify(Place),
}

impl Log {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let Log::Verify(place) = self;
        let summary = log::verify(&LogReader::open(&place.load()?.data)?)?;
        let mut hash = String::with_capacity(2 * summary.hash.len());
        for byte in summary.hash {
            write!(hash, "{byte:02x}")?;
        }
        print(format_args!(
            "whole: {} records, {} transactions, hash {hash}",
            summary.records, summary.transactions
        ))?;
        Ok(())
    }
}
