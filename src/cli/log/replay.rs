//! `agentconf log replay`: what the state was at some point, by folding the event log as a start does.
//!
//! It never changes anything: what is due by then and was not recorded does not happen here.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::application::profile;
use crate::audit::Trail;
use crate::cli::progress::Progress;
use crate::cli::{Place, print};
use crate::clock::{ManualClock, Timestamp};
use crate::engine::{Datastore, NoJudges, NoReceivers, NoVault, Options, State, replay_telling, shown};
use crate::ids::hexadecimal;
use crate::log::{Head, LogReader, Point};
use crate::netconf::conversation;
use crate::restconf;
use crate::yang::encode::EncodeOptions;
use crate::yang::json;
use crate::yang::tree::Child;

/// The arguments of `log replay`.
#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    place: Place,
    /// Up to this position, or to what was recorded by this time, such as 2026-11-21T05:00:00Z [default: the end]. A
    /// transaction that is not complete by then is left out.
    #[arg(long, value_name = "POSITION|TIME")]
    to: Option<Point>,
    /// Write the content of this datastore as it was then, in JSON (RFC 7951), instead of the counts.
    #[arg(long, value_enum)]
    datastore: Option<Shown>,
    /// How the counts are written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A datastore that the log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shown {
    Running,
    Startup,
    Operational,
}

/// What there is in a state.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Counts {
    position: u64,
    time: String,
    hash: String,
    agents: usize,
    tasks: BTreeMap<&'static str, u64>,
    negotiations: BTreeMap<&'static str, u64>,
    contexts: usize,
    data_objects: usize,
    configuration_nodes: usize,
    configuration_position: u64,
    configuration_time: String,
    secrets_referred_to: usize,
    confirmed_commit_waits: bool,
    newest_netconf_session: u32,
}

impl Replay {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let config = self.place.load_existing()?;
        let log = LogReader::open_checked(&config.data)?;
        let to = match self.to {
            Some(Point::Position(wanted)) if wanted > log.last()?.position => {
                return Err(format!("the log ends at position {}", log.last()?.position).into());
            }
            Some(point) => point.position(&log)?,
            None => log.last()?.position,
        };
        let mut progress = Progress::new();
        let state = replay_telling(&log, to, &mut |at| progress.is_at("records replayed", at, Some(to)))?;
        let head = log.head_at(to)?.unwrap_or(Head::EMPTY);
        let at = Timestamp::from_micros(head.latest_at).unwrap_or(Timestamp::EPOCH);
        let Some(datastore) = self.datastore else {
            let counts = Counts::of(&state, &head, at);
            match self.format {
                Format::Text => print(&counts)?,
                Format::Json => print(serde_json::to_string(&counts)?)?,
            }
            return Ok(());
        };
        let datastore = match datastore {
            Shown::Running => Datastore::Running,
            Shown::Startup => Datastore::Startup,
            Shown::Operational => Datastore::Operational,
        };
        let oldest =
            log.read(log.first()?.position, 1)?.first().and_then(|record| Timestamp::from_micros(record.at));
        let startup = config.datastores.startup;
        let capabilities =
            restconf::capabilities(oldest, None).with_netconf(conversation::capabilities(startup, ""));
        let options = Options {
            clock: ManualClock::new(at).clock(),
            limits: config.limits.into(),
            startup,
            profile: profile(&config.agent),
            capabilities,
            receivers: Arc::new(NoReceivers),
            judges: Arc::new(NoJudges),
            blobs: None,
            vault: Arc::new(NoVault),
            trail: Trail::default(),
            spans: Default::default(),
            accounts: Default::default(),
        };
        let mut text = Vec::new();
        if let Child::Container(content) = shown(state, &options, datastore)? {
            json::encode_children(&content, None, &mut text, &EncodeOptions::default());
        }
        Ok(print(String::from_utf8(text)?)?)
    }
}

impl Counts {
    fn of(state: &State, head: &Head, at: Timestamp) -> Counts {
        Counts {
            position: state.position,
            time: at.to_string(),
            hash: hexadecimal(&head.hash),
            agents: state.registry.entries().len(),
            tasks: there_are(state.tasks.statuses().map(|(status, count)| (status.as_str(), count))),
            negotiations: there_are(
                state.negotiations.statuses().map(|(status, count)| (status.as_str(), count)),
            ),
            contexts: state.tasks.contexts().len(),
            data_objects: state.tasks.data_objects().len(),
            configuration_nodes: state.config.content().iter().map(|(_, child)| child.size()).sum(),
            configuration_position: state.config_revision,
            configuration_time: state.config_changed_at.to_string(),
            secrets_referred_to: state.references().len(),
            confirmed_commit_waits: state.pending.is_some(),
            newest_netconf_session: state.newest_session,
        }
    }
}

fn there_are(counts: impl Iterator<Item = (&'static str, u64)>) -> BTreeMap<&'static str, u64> {
    counts.filter(|(_, count)| *count > 0).collect()
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_status = |counts: &BTreeMap<&str, u64>| {
            let each: Vec<String> =
                counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
            let total: u64 = counts.values().sum();
            if each.is_empty() { total.to_string() } else { format!("{total}: {}", each.join(", ")) }
        };
        writeln!(f, "position         {}", self.position)?;
        writeln!(f, "time             {}", self.time)?;
        writeln!(f, "hash             {}", self.hash)?;
        writeln!(f, "agents           {}", self.agents)?;
        writeln!(f, "tasks            {}", by_status(&self.tasks))?;
        writeln!(f, "negotiations     {}", by_status(&self.negotiations))?;
        writeln!(f, "contexts         {}", self.contexts)?;
        writeln!(f, "data objects     {}", self.data_objects)?;
        let (nodes, position) = (self.configuration_nodes, self.configuration_position);
        writeln!(f, "configuration    {nodes} nodes, of position {position} at {}", self.configuration_time)?;
        writeln!(f, "secrets          {} referred to", self.secrets_referred_to)?;
        let waits = if self.confirmed_commit_waits { "one waits" } else { "none waits" };
        writeln!(f, "confirmed commit {waits}")?;
        write!(f, "NETCONF session  {} is the newest", self.newest_netconf_session)
    }
}
