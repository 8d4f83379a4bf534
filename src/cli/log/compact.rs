//! `agentconf log compact`: moves old records into archives while no server runs.
//!
//! It is done in steps that each leave a whole log, so that what was interrupted goes on when it is called again.

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

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
        let config = self.place.load_existing()?;
        let data = config.data.clone();
        check_user(&data)?;
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

/// That the files which are made can be read by the server: it runs as the user whose directory it is.
fn check_user(data: &Path) -> Result<(), String> {
    let user = |path: &Path| fs::metadata(path).map(|of| of.uid()).ok();
    // Linux says there whose process this is.
    match (user(data), user(Path::new("/proc/self"))) {
        (Some(owner), Some(own)) => check_owner(data, owner, own),
        _ => Ok(()),
    }
}

fn check_owner(data: &Path, owner: u32, own: u32) -> Result<(), String> {
    match owner == own {
        true => Ok(()),
        false => Err(format!(
            "{} is of the user with uid {owner}, who could not read what uid {own} makes: run this as uid {owner}",
            data.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_the_user_of_the_directory_is_told_both() {
        let data = Path::new("/var/lib/agentconf");
        assert_eq!(check_owner(data, 990, 990), Ok(()));
        let refused = check_owner(data, 990, 0).unwrap_err();
        assert!(refused.contains("uid 990") && refused.contains("uid 0 makes"), "{refused}");
        assert_eq!(check_user(&std::env::temp_dir().join("none-of-this-name")), Ok(()));
    }
}
