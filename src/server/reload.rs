//! The configuration file read again while the server runs: what can change does so at once, what cannot is named, and a file
//! with something wrong changes nothing.
//!
//! It never ends a connection, a session or a stream: a listener that is gone stops accepting, and what it has accepted goes on.

use super::configured;
use super::listener::{self, Bound, Scheme, Shared};
use super::shutdown::Shutdown;
use super::{Open, OpenOperations, ServeError, Server, announce, bind, bind_operations, checked};
use super::{
    judgement, listeners_of, notify_listening, operations, renewal, sources, telemetry, traces, url,
};
use crate::config::{Config, ConfigError, ListenAddress};

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

/// How long a reload may take to find out whether it can be done.
const PATIENCE: Duration = Duration::from_secs(60);

/// All of a configuration that can fail, done without any effect.
struct Ready {
    config: Config,
    added: Vec<(ListenAddress, Bound)>,
    operations: Option<(ListenAddress, operations::Bound)>,
    files: Files,
}

/// The part of it that waits for files.
struct Files {
    certificates: Option<renewal::Prepared>,
    issuers: configured::Prepared,
    traces: traces::Prepared,
    judgement: judgement::Prepared,
}

impl Server {
    /// Takes over the configuration that `load` reads, and reads certificates, their rules and the host key again, whether
    /// or not their files seem to have changed. What came of it is told to the log, the audit trail and the service manager.
    /// Where this is dropped before all could be taken over, nothing has changed.
    pub async fn reload(
        &mut self,
        load: Arc<impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static>,
    ) {
        self.notify.reloading();
        tracing::info!("reading the configuration and the certificates again");
        while self.listeners.try_join_next().is_some() {}
        let file = self.config.file.as_ref().map(|file| file.display().to_string());
        let name = file.as_deref().unwrap_or_default();
        let ready = timeout(PATIENCE, self.prepared(load)).await;
        let ready = ready.unwrap_or(Err(ServeError::Slow(PATIENCE)));
        let taken_over = ready.map(|ready| self.take_over(ready).join(", "));
        let shared = Arc::clone(&self.shared);
        if timeout(PATIENCE, tokio::task::spawn_blocking(move || renewal::look(&shared, true))).await.is_err()
        {
            tracing::error!("reading the certificates again takes long");
        }
        let status = match taken_over {
            Ok(at_start) => {
                self.trail.administered("configuration-reloaded", name);
                if at_start.is_empty() {
                    tracing::info!("the configuration was read again");
                    "the configuration was read again".to_owned()
                } else {
                    let settings = &at_start;
                    tracing::warn!(
                        settings,
                        "the configuration was read again; these settings need a restart"
                    );
                    format!("the configuration was read again; needs a restart: {at_start}")
                }
            }
            Err(error) => {
                let line = match &error {
                    ServeError::Config(error) => {
                        self.config.file.as_deref().and_then(|file| error.line(file))
                    }
                    _ => None,
                };
                self.trail.administered("configuration-refused", name);
                let status = format!("the configuration stays as it was: {}", telemetry::chain(&error));
                let error = &error as &dyn Error;
                tracing::error!(file, line, error, "the configuration stays as it was");
                status
            }
        };
        self.notify.status(&status);
        self.notify.ready();
    }

    /// Does all that can fail.
    async fn prepared(
        &self,
        load: Arc<impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static>,
    ) -> Result<Ready, ServeError> {
        let clock = self.shared.clock.clone();
        let read = aside(move || {
            let config = load()?;
            checked::check_files(&config, &clock)?;
            Ok(config)
        });
        let config = read.await?;

        let mut added = Vec::new();
        for (scheme, configured) in self.missing(&config).filter(|(scheme, _)| self.can_open(*scheme)) {
            let bound = bind(scheme, &configured).await;
            let bound = bound.map_err(|error| self.explain(error, &config))?;
            added.push((configured, bound));
        }
        let operations = match &config.operations.listen {
            Some(address) if self.operations.as_ref().is_none_or(|open| open.configured != *address) => {
                Some((address.clone(), bind_operations(address).await?))
            }
            _ => None,
        };
        let (next, shared) = (config.clone(), Arc::clone(&self.shared));
        let files = aside(move || Files::read(&next, &shared)).await?;
        Ok(Ready { config, added, operations, files })
    }

    /// Takes over what is ready, which does not fail; gives back what only a start takes over.
    fn take_over(&mut self, ready: Ready) -> Vec<String> {
        let Ready { config: next, added, operations, files } = ready;
        let mut at_start = self.fixed(&next);
        if let Some(certificates) = files.certificates {
            self.shared.certificates.come_from(certificates);
        }
        let (issuers, rates) = (&next.tokens.issuers, &next.limits.rates);
        self.shared.configured.file_says(files.issuers, issuers, rates, &self.shared);
        self.shared.traces.export(files.traces, &self.shared.clock);
        self.shared.judgement.install(files.judgement);
        // It was checked.
        let _ = telemetry::replace(&next.log);
        self.trail.keep_as(&next.audit);
        let changed = self.shared.limits.replace(&next.limits);
        at_start.extend(changed.at_start.iter().map(|name| format!("limits.{name}")));
        self.open(added, &next);
        let missing = self.missing(&next).filter(|(scheme, _)| !self.can_open(*scheme));
        at_start.extend(missing.map(|(scheme, address)| format!("listen.{scheme} {address}")));
        if url(&next, &self.addresses) != self.url {
            at_start.push(format!("what clients are told that this server is called, {}", self.url));
        }
        if let Some((configured, bound)) = operations {
            let (address, stop) = (bound.address, Shutdown::new());
            let shared = Arc::clone(&self.shared.operations);
            self.listeners.spawn(operations::run(bound, shared, stop.clone()));
            self.close_operations();
            self.operations = Some(OpenOperations { configured, address, stop });
        } else if next.operations.listen.is_none() {
            self.close_operations();
        }
        self.config = next;
        if let Err(error) =
            notify_listening(&self.listening, &self.config, &self.addresses, self.operations.as_ref())
        {
            let error = &error as &dyn Error;
            tracing::warn!(error, "the file that says where the server listens stays as it was");
        }
        at_start
    }

    /// The settings that differ from those in force and are for a start alone.
    fn fixed(&self, next: &Config) -> Vec<String> {
        let now = &self.begun_with;
        let all = [
            ("data", now.data == next.data),
            ("tls.hsts-max-age", now.tls.hsts_max_age == next.tls.hsts_max_age),
            ("tokens.authorities", now.tokens.authorities == next.tokens.authorities),
            ("tokens.addresses", now.tokens.addresses == next.tokens.addresses),
            ("call-home", now.call_home == next.call_home),
            ("netconf", now.netconf == next.netconf),
            ("callbacks", now.callbacks == next.callbacks),
            ("datastores", now.datastores == next.datastores),
            ("agent", now.agent == next.agent),
        ];
        all.into_iter().filter(|(_, same)| !same).map(|(name, _)| name.to_owned()).collect()
    }

    /// The listeners that are configured and not open.
    fn missing(&self, next: &Config) -> impl Iterator<Item = (Scheme, ListenAddress)> {
        listeners_of(next).into_iter().filter(|(scheme, address)| {
            !self.open.iter().any(|open| open.scheme == *scheme && open.configured == *address)
        })
    }

    /// Whether there is all that it needs: some is made by a start alone.
    fn can_open(&self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::Https | Scheme::Http => true,
            Scheme::Ssh | Scheme::Tls => self.shared.netconf.is_some(),
        }
    }

    /// Says what to do if an address is in use by a listener of this server that is not configured any more.
    fn explain(&self, error: ServeError, next: &Config) -> ServeError {
        let ServeError::Bind(scheme, address, cause) = &error else { return error };
        let wanted = listeners_of(next);
        let is_left = |open: &&Open| {
            open.address.port() == address.port && !wanted.contains(&(open.scheme, open.configured.clone()))
        };
        match self.open.iter().find(is_left) {
            Some(open) if cause.kind() == io::ErrorKind::AddrInUse => {
                ServeError::Overlaps(*scheme, address.clone(), open.address)
            }
            _ => error,
        }
    }

    /// Opens what was bound, and closes what is not configured any more.
    fn open(&mut self, added: Vec<(ListenAddress, Bound)>, next: &Config) {
        let mut new = Vec::new();
        for (configured, bound) in added {
            let (scheme, address, stop) = (bound.scheme, bound.address, Shutdown::new());
            self.listeners.spawn(listener::run(bound, Arc::clone(&self.shared), stop.clone()));
            tracing::info!(%scheme, %address, "listening there too");
            new.push((scheme, address));
            self.open.push(Open { scheme, configured, address, stop });
        }
        let wanted = listeners_of(next);
        let place = |open: &Open| {
            wanted.iter().position(|(scheme, address)| open.scheme == *scheme && open.configured == *address)
        };
        self.open.retain(|open| {
            let is_wanted = place(open).is_some();
            if !is_wanted {
                open.stop.begin();
                let (scheme, address) = (open.scheme, open.address);
                tracing::info!(%scheme, %address, "no longer listening there; its connections go on while what let them in holds");
            }
            is_wanted
        });
        self.open.sort_by_key(place);
        self.addresses = self.open.iter().map(|open| (open.scheme, open.address)).collect();
        self.announce_new(&new);
    }

    fn announce_new(&self, new: &[(Scheme, SocketAddr)]) {
        if let Err(error) = announce(new, None) {
            tracing::debug!(%error, "nobody reads where the server listens");
        }
    }

    fn close_operations(&mut self) {
        if let Some(open) = self.operations.take() {
            open.stop.begin();
        }
    }
}

impl Files {
    fn read(next: &Config, shared: &Shared) -> Result<Files, ServeError> {
        let issuers = shared.configured.prepare(&next.tokens.issuers, shared).map_err(ServeError::Start)?;
        let traces = shared.traces.prepare(next.operations.traces.as_ref())?;
        let judgement = shared.judgement.prepare(next.judgement.as_ref())?;
        // The last, as it may write the certificate that the server makes itself.
        let certificates = shared.certificates.prepare(sources(next))?;
        Ok(Files { certificates, issuers, traces, judgement })
    }
}

/// Does what waits for files without having others wait.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServeError> + Send + 'static,
) -> Result<T, ServeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ServeError::Start(error.into())))
}
