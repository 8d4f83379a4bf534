//! `agentconf backup` and `agentconf restore`. They never show what is in the files.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::progress::Progress;
use super::{Place, check_user, print};
use crate::backup::{self, Manifest, Wanted};
use crate::clock::Clock;
use crate::log::Point;

/// Make a backup of a data directory, whether or not a server runs, or go on with one.
///
/// With a directory that holds an unfinished backup it goes on where that ended; with a finished one it adds what is new. The
/// event log is verified as it is read. Keep the directory as you keep the server's own: private keys, hashes of passwords
/// and the secrets of the configuration are in it. Files that the configuration names elsewhere are not.
#[derive(Debug, Args)]
pub struct Backup {
    /// The directory of the backup.
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// Check a backup instead of making one: every record and every file is what was written. No data directory is needed.
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    place: Place,
}

/// Make a data directory of a backup, which is verified first; no server may run on it.
///
/// The server goes on from there with the next position. Only the event log goes back to an earlier point: users, keys,
/// certificates and the audit trail are those of the end of the backup, and the trail says that the log was put back.
#[derive(Debug, Args)]
pub struct Restore {
    /// The directory of the backup.
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// Up to this position, or to what was recorded by this time, such as 2026-11-21T05:00:00Z [default: all]. A transaction
    /// that is not complete by then is left out.
    #[arg(long, value_name = "POSITION|TIME")]
    to: Option<Point>,
    /// If the data directory is not empty, rename it to DIR.before-NUMBER.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let mut progress = Progress::new();
        let told = &mut |what: &str, done, of| progress.is_at(what, done, of);
        if self.verify {
            let manifest = backup::verify(&self.target, told)?;
            return Ok(print(format_args!("whole: {}", summary(&manifest)))?);
        }
        let config = self.place.load_existing()?;
        let at = Clock::system().now();
        let made = backup::make(&config.data, config.file.as_deref(), &self.target, at, told)?;
        print(format_args!("{}; new records: {}", summary(&made.manifest), made.new_records()))?;
        Ok(())
    }
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let mut progress = Progress::new();
        let told = &mut |what: &str, done, of| progress.is_at(what, done, of);
        let data = self.place.load()?.data;
        check_user(&data)?;
        let wanted = Wanted { data: &data, to: self.to, force: self.force, at: Clock::system().now() };
        let restored = backup::restore(&self.target, &wanted, told)?;
        if let Some(aside) = restored.set_aside {
            print(format_args!("what was there before is in {}", aside.display()))?;
        }
        if let Some((file, name)) = restored.configuration {
            print(format_args!("the configuration was in {name}; its content is in {}", file.display()))?;
        }
        for missing in restored.missing {
            let line = format!("the backup has no secret for {missing}: set it anew");
            // Nobody is left to be told if standard error is closed.
            let _ = writeln!(std::io::stderr(), "agentconf: {line}");
        }
        let (position, time, hash) = (restored.position, restored.time, restored.hash);
        Ok(print(format_args!("restored: position {position} of {time}, hash {hash}"))?)
    }
}

/// What a backup holds, in a line.
fn summary(manifest: &Manifest) -> String {
    let Manifest { log, trail, files, .. } = manifest;
    let hash = log.chunks.last().map_or("none", |chunk| chunk.last.hash.as_str());
    format!(
        "position {}, hash {}; segments of the audit trail: {}; other files: {}",
        log.position,
        hash,
        trail.len(),
        files.len()
    )
}
