//! `agentconf serve`. It never serves anything itself: it reads the settings and starts the library's server.

use std::error::Error;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Place, check_user};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Listen, ListenAddress};
use crate::server::{self, Application, ApplicationError, Prepared, telemetry};

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    place: Place,
    /// Only check the configuration, the files that it names and the data directory; nothing is changed. Exit code 0 if a
    /// server would start.
    #[arg(long)]
    check: bool,
    /// Serve RESTCONF over HTTPS at this address, in place of those of the configuration; may be repeated
    /// [default: 127.0.0.1:8443].
    #[arg(long, value_name = "ADDR")]
    https: Vec<ListenAddress>,
    /// Serve RESTCONF over plain HTTP too, at this loopback address; may be repeated.
    #[arg(long, value_name = "ADDR")]
    http: Vec<ListenAddress>,
    /// Serve NETCONF over SSH too, at this address; may be repeated [default: 127.0.0.1:8830, without --https].
    #[arg(long, value_name = "ADDR")]
    ssh: Vec<ListenAddress>,
    /// Serve NETCONF over TLS too, at this address; may be repeated. Certificates of clients are those that the configuration
    /// says, or else those that the local authority has issued.
    #[arg(long, value_name = "ADDR")]
    tls: Vec<ListenAddress>,
}

impl Serve {
    /// Serves until a signal ends it.
    pub(super) fn run(
        self,
        build: impl AsyncFnOnce(&Prepared) -> Result<Application, ApplicationError>,
    ) -> Result<(), Box<dyn Error>> {
        let config = self.settings()?;
        telemetry::start(&config.log).map_err(|error| ConfigError::Nonsense {
            key: "log.level".into(),
            reason: format!("is not usable: {error}"),
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        if self.check {
            runtime.block_on(async { server::check(&config, &Clock::system()) })?;
            return Ok(super::print("the configuration can be used")?);
        }
        raise_open_files();
        // No refusal: in a container the user of the directory may be one that only its host has.
        if let Err(error) = check_user(&config.data) {
            tracing::warn!(error, "another user's server could not go on here");
        }
        let load = move || self.settings();
        let served = runtime.block_on(server::serve(config, load, Clock::system(), build));
        // All is done; a file system that does not answer would hold up the end.
        runtime.shutdown_background();
        Ok(served?)
    }

    /// What the file says, and the command line.
    fn settings(&self) -> Result<Config, ConfigError> {
        let mut config = self.place.load()?;
        // Who says where to listen does not mean a port that another server may have.
        if self.https.is_empty() && self.ssh.is_empty() && config.listen == Listen::default() {
            config.listen.ssh = vec![ListenAddress { host: "127.0.0.1".into(), port: 8830 }];
        }
        if !self.https.is_empty() {
            config.listen.https = self.https.clone();
        }
        if !self.http.is_empty() {
            config.listen.http = self.http.clone();
        }
        if !self.ssh.is_empty() {
            config.listen.ssh = self.ssh.clone();
        }
        if !self.tls.is_empty() {
            config.listen.tls = self.tls.clone();
        }
        Ok(config)
    }
}

/// Lets the process have as many open files as it may: what is usual for programs that ask `select` is too few for a server.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit { current: limit.maximum, ..limit };
    if limit != highest
        && let Err(error) = setrlimit(Resource::Nofile, highest)
    {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
}
