//! `agentconf get`: reads data of a server. It never changes any.

use std::error::Error;

use clap::Args;

use super::connection::Connection;
use super::output::{self, Format};
use super::{UsageError, block_on, library};
use crate::client::{Content, Datastore, Defaults, Get as Read, Path, resolve};

/// The arguments of `get`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  agentconf get /magent-registry:registry/agents/agent
  agentconf get ssh://admin@127.0.0.1:8830 \"/magent-task:interaction/tasks/task[id='t-1']/status\"
  agentconf get https://127.0.0.1:8443 --datastore running --format json /irtf-agent:data-params")]
pub struct Get {
    /// The server's URL (ssh://, tls:// or https://; default: AGENTCONF_URL, or else the server on this machine), then the
    /// nodes that are wanted: /module:name/list[key='value']/name. A list without keys means all its entries; without any
    /// node everything is read. It fails (1) if a leaf or an entry that is named with all its keys is not there.
    #[arg(value_name = "[URL] [PATH]...")]
    arguments: Vec<String>,
    /// Datastore: running, candidate, startup, intended or operational [default: the running configuration with the state].
    #[arg(long, value_name = "NAME")]
    datastore: Option<Datastore>,
    /// Configuration alone.
    #[arg(long, conflicts_with = "state")]
    config: bool,
    /// State alone.
    #[arg(long)]
    state: bool,
    /// How many levels of each node, itself included.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    depth: Option<u16>,
    /// How defaults are shown: report-all, report-all-tagged, trim or explicit.
    #[arg(long, value_name = "MODE", value_parser = defaults)]
    defaults: Option<Defaults>,
    /// Say of each node where it comes from, with --datastore operational and the formats json and xml.
    #[arg(long)]
    origin: bool,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    connection: Connection,
}

fn defaults(name: &str) -> Result<Defaults, &'static str> {
    use Defaults::{Explicit, ReportAll, ReportAllTagged, Trim};
    let found = [ReportAll, ReportAllTagged, Trim, Explicit].into_iter().find(|mode| mode.name() == name);
    found.ok_or("it is one of report-all, report-all-tagged, trim and explicit")
}

impl Get {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let (url, texts) = self.connection.place(self.arguments)?;
        let paths = texts.iter().map(|text| text.parse()).collect::<Result<Vec<Path>, _>>();
        let paths = paths.map_err(UsageError::of)?;
        block_on(async {
            let session = self.connection.open(&url).await?;
            let library = library(&session).await?;
            let mut get = Read {
                datastore: self.datastore,
                paths: Vec::new(),
                content: match (self.config, self.state) {
                    (true, _) => Content::Config,
                    (_, true) => Content::State,
                    _ => Content::All,
                },
                depth: self.depth,
                defaults: self.defaults,
                origin: self.origin,
            };
            let mut wanted = Vec::new();
            for path in &paths {
                let (path, _) = resolve::resolve(&library.schema, path)?;
                get.paths.extend(resolve::with_keys(&library.schema, &path));
                wanted.push(path);
            }
            let found = session.get(&get).await?;
            let is_there = |path: &&Path| resolve::is_in(&library.schema, None, &found, &path.steps);
            let must_be = |path: &&Path| resolve::is_one(&library.schema, path);
            let missing = wanted.iter().filter(must_be).find(|path| !is_there(path));
            // Where nothing of it is there, what is around it may be, and is not what was asked for.
            let is_any = wanted.is_empty() || wanted.iter().any(|path| is_there(&path));
            if missing.is_none() || is_any {
                let found = if is_any { found.as_slice() } else { &[] };
                output::put(&output::shown(&library.schema, None, found, self.format))?;
            }
            // It is known what is there, whatever the goodbye.
            let _ = session.close().await;
            match missing {
                Some(path) => Err(format!("{path}: nothing is there").into()),
                None => Ok(()),
            }
        })
    }
}
