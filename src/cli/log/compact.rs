//! `agentconf log compact`: moves old records into archives while no server runs.
//!
//! It is done in steps that each leave a whole log, so that what was interrupted goes on when it is called again.

use std::error::Error;

use clap::Args;

use crate::audit::{Reader, Trail};
use crate::cli::progress::Progress;
use crate::cli::{Place, print};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::engine::{forget, replay_telling, write_snapshot};
use crate::log::{Log, Point, archive};
use crate::server::audit;

/// The arguments of `log compact`.
#[derive(Debug, Args)]
pub struct Compact {
    #[command(flatten)]
    place: Place,
    /// Up to this position, or what was recorded by this time, such as 2026-11-21T05:00:00Z [default: all but the last].
    #[arg(long, value_name = "POSITION|TIME")]
    to: Option<Point>,
    /// Remove archives whose records are all older than this time, and note it in the audit trail. What they hold is gone then,
    /// and cannot be audited; make a backup first.
    #[arg(long, value_name = "TIME")]
    forget: Option<Timestamp>,
}

impl Compact {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let config = self.place.load_own()?;
        let data = config.data.clone();
        let mut progress = Progress::new();
        let log = Log::open(&data)?;
        let (reader, before) = (log.reader(), log.octets()?);
        let end = log.last().position;
        let to = match self.to {
            Some(Point::Position(wanted)) if wanted > end => {
                return Err(format!("the log ends at position {end}").into());
            }
            Some(point) => point.position(&reader)?,
            None => end,
        };
        let base = reader.base()?.position;
        // What a start finds has to stand for all that leaves the log.
        let state =
            replay_telling(&reader, u64::MAX, &mut |at| progress.is_at("records read", at, Some(end)))?;
        write_snapshot(&reader, &state)?;
        let mut compactor = reader.compactor()?;
        let reached = compactor.archive(to, |at| progress.is_at("records archived", at, Some(to)))?;
        let forgotten = match self.forget {
            Some(time) => {
                let trail = trail(&config)?;
                trail.committed(log.last());
                let forgotten = forget(&reader, &compactor, &trail, time.as_micros());
                trail.stop();
                forgotten?
            }
            None => 0,
        };
        compactor.shrink()?;
        let (moved, after, archives) = (reached - base, log.octets()?, archive::list(&data)?);
        let files = archives.len();
        print(format_args!(
            "archived {moved} records, up to position {reached}; there are {files} archives"
        ))?;
        if forgotten > 0 {
            let first = reader.first()?.next_position();
            print(format_args!("removed {forgotten} archives: the first record is now {first}"))?;
        }
        print(format_args!("the log has {after} octets, and had {before}"))?;
        Ok(log.close()?)
    }
}

/// The audit trail, if a server has kept one here.
fn trail(config: &Config) -> Result<Trail, Box<dyn Error>> {
    let data = &config.data;
    let is_kept = data.join(audit::KEY_FILE).exists()
        || !Reader::new(&data.join(audit::DIRECTORY)).numbers()?.is_empty();
    if !is_kept {
        return Ok(Trail::default());
    }
    let random = rustls::crypto::ring::default_provider().secure_random;
    Ok(audit::open(data, &config.audit, &Clock::system(), random)?)
}
