//! The configuration file read again while the server runs: what can change does so at once, what cannot is named, and a file
//! with something wrong changes nothing.
//!
//! It never ends a connection, a session or a stream: a listener that is gone stops accepting, and what it has accepted goes on.

use super::listener::{self, Scheme};
use super::shutdown::Shutdown;
use super::{Open, OpenOperations, ServeError, Server, announce, bind, bind_operations, checked};
use super::{listeners_of, notify_listening, operations, renewal, sources, telemetry};
use crate::config::{Config, ConfigError};

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

impl Server {
    /// Takes over a configuration that was read again, and reads certificates, their rules and the host key again, whether
    /// or not their files seem to have changed. What came of it is told to the log and to the service manager.
    pub async fn reload(&mut self, read: Result<Config, ConfigError>) {
        self.notify.reloading();
        tracing::info!("reading the configuration and the certificates again");
        while self.listeners.try_join_next().is_some() {}
        let file = self.config.file.clone();
        let taken_over = self.taken_over(read).await;
        renewal::look(&self.shared, true);
        match taken_over {
            Ok(at_start) if at_start.is_empty() => tracing::info!("the configuration was read again"),
            Ok(at_start) => {
                let settings = at_start.join(", ");
                tracing::warn!(settings, "the configuration was read again; these settings need a restart");
            }
            Err(error) => {
                let line = match &error {
                    ServeError::Config(error) => file.as_deref().and_then(|file| error.line(file)),
                    _ => None,
                };
                let file = file.map(|file| file.display().to_string());
                let error = &error as &dyn Error;
                tracing::error!(file, line, error, "the configuration stays as it was");
            }
        }
        self.notify.ready();
    }

    /// Checks all, then changes what can be changed; gives back what cannot.
    async fn taken_over(&mut self, read: Result<Config, ConfigError>) -> Result<Vec<String>, ServeError> {
        let next = read?;
        let (config, clock) = (next.clone(), self.shared.clock.clone());
        let checked = tokio::task::spawn_blocking(move || checked::check_files(&config, &clock));
        checked.await.unwrap_or_else(|error| Err(ServeError::Start(error.into())))?;
        let mut at_start = self.fixed(&next);

        // What can fail comes first, and what was done of it before is dropped.
        let mut added = Vec::new();
        for (scheme, configured) in self.added(&next, &mut at_start) {
            added.push((configured.clone(), bind(scheme, &configured).await?));
        }
        let new_operations = match &next.operations.listen {
            Some(address) if self.operations.as_ref().is_none_or(|open| open.configured != *address) => {
                Some((address.clone(), bind_operations(address).await?))
            }
            _ => None,
        };
        if next.tls != self.config.tls || next.listen != self.config.listen {
            self.shared.certificates.come_from(sources(&next, self.shared.clock.now())?)?;
        }
        let follow = self.shared.configured.file_says(&next.tokens.issuers, &next.limits.rates, &self.shared);
        follow.map_err(ServeError::Start)?;

        if next.operations.traces.is_some() || self.config.operations.traces.is_some() {
            self.shared.traces.export(next.operations.traces.as_ref(), &self.shared.clock)?;
        }

        // It was checked.
        let _ = telemetry::replace(&next.log);
        self.trail.keep_as(&next.audit);
        let changed = self.shared.limits.replace(&next.limits);
        at_start.extend(changed.at_start.iter().map(|name| format!("limits.{name}")));
        self.open(added, &next);
        if let Some((configured, bound)) = new_operations {
            let (address, stop) = (bound.address, Shutdown::new());
            let shared = Arc::clone(&self.shared.operations);
            self.listeners.spawn(operations::run(bound, shared, stop.clone()));
            self.close_operations();
            self.operations = Some(OpenOperations { configured, address, stop });
        } else if next.operations.listen.is_none() {
            self.close_operations();
        }
        self.config = next;
        notify_listening(&self.listening, &self.addresses, self.operations.as_ref())?;
        Ok(at_start)
    }

    /// The settings that differ and are for a start alone.
    fn fixed(&self, next: &Config) -> Vec<String> {
        let now = &self.config;
        let all = [
            ("data", now.data == next.data),
            ("tls.hsts-max-age", now.tls.hsts_max_age == next.tls.hsts_max_age),
            ("tokens.authorities", now.tokens.authorities == next.tokens.authorities),
            ("tokens.addresses", now.tokens.addresses == next.tokens.addresses),
            ("call-home", now.call_home == next.call_home),
            ("netconf", now.netconf == next.netconf),
            ("datastores", now.datastores == next.datastores),
            ("agent", now.agent == next.agent),
        ];
        all.into_iter().filter(|(_, same)| !same).map(|(name, _)| name.to_owned()).collect()
    }

    /// The listeners to be opened. Those for which something is missing that only a start makes are named instead.
    fn added(
        &self,
        next: &Config,
        at_start: &mut Vec<String>,
    ) -> Vec<(Scheme, crate::config::ListenAddress)> {
        let is_open = |scheme: Scheme, address: &crate::config::ListenAddress| {
            self.open.iter().any(|open| open.scheme == scheme && open.configured == *address)
        };
        let mut added = listeners_of(next);
        added.retain(|(scheme, address)| !is_open(*scheme, address));
        added.retain(|(scheme, address)| {
            let has_all = match scheme {
                Scheme::Https | Scheme::Http => true,
                Scheme::Ssh | Scheme::Tls => self.shared.netconf.is_some(),
            };
            if !has_all {
                at_start.push(format!("listen.{scheme} {address}"));
            }
            has_all
        });
        added
    }

    /// Opens what was bound, and closes what is not configured any more.
    fn open(&mut self, added: Vec<(crate::config::ListenAddress, listener::Bound)>, next: &Config) {
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
                tracing::info!(%scheme, %address, "no longer listening there; its connections go on");
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
