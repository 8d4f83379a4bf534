//! What TLS and SSH use at present: the server's certificate, the rules for certificates of clients, the host key. They are
//! read again when their files change, or come from elsewhere, and what is unusable changes nothing.
//!
//! It never ends a connection: those ask whether what they were begun with still holds.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use tokio::time::MissedTickBehavior;

use super::certificates::{Clients, ClientsError, Rules, Shown, Verifier};
use super::listener::Shared;
use super::pki::{self, CertificateFiles};
use super::tls::{self, TlsError};
use super::watched::{self, Complaint, Stamp};
use crate::clock::{Clock, Timestamp};
use crate::config;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks whether the certificate that the server makes for itself has to be renewed.
const RENEW_S: i64 = 60 * 60;

/// Where the certificates come from if nothing else is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The chain and the key of the server.
    pub server: CertificateFiles,
    /// If the server makes these itself: its data directory and the names for its certificate.
    pub own: Option<(PathBuf, BTreeSet<String>)>,
    /// The rules for certificates of clients; `None`: clients are asked for none.
    pub clients: Option<ClientSource>,
}

/// Where the rules for certificates of clients come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSource {
    /// The section `[tls.clients]` and its files.
    Configured(config::Clients),
    /// The authority in that file, see [`Clients::of_authority`].
    Authority(PathBuf),
}

impl ClientSource {
    /// Reads what the rules are made of.
    pub(super) fn open(&self) -> Result<Clients, ClientsError> {
        match self {
            ClientSource::Configured(config) => Clients::open(config),
            ClientSource::Authority(file) => Clients::of_authority(file),
        }
    }

    fn files(&self) -> Vec<&PathBuf> {
        match self {
            ClientSource::Configured(config) => {
                let files = config.authorities.iter().chain(&config.certificates);
                files.chain(&config.revocation_lists).collect()
            }
            ClientSource::Authority(file) => vec![file],
        }
    }
}

/// Why there are no certificates to begin with.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum CertificatesError {
    /// The server has none.
    Tls(#[from] TlsError),
    /// The rules for those of clients are not usable.
    Clients(#[from] ClientsError),
    /// The server cannot make its own.
    Pki(#[from] pki::PkiError),
}

/// The certificates of a server. Each new connection uses what holds at present.
pub struct Certificates {
    clock: Clock,
    rules: Arc<Rules>,
    present: ArcSwap<Present>,
    state: Mutex<State>,
}

struct Present {
    https: Arc<ServerConfig>,
    netconf: Option<Arc<ServerConfig>>,
}

/// What has been read or given, and what the files looked like when they were read.
struct State {
    sources: Sources,
    server: Origin<Arc<CertifiedKey>>,
    clients: Origin<Option<Arc<Clients>>>,
    lists_ended: usize,
    renew_at: Timestamp,
}

/// Files that were read and are not in use yet.
pub struct Prepared {
    sources: Sources,
    server: Origin<Arc<CertifiedKey>>,
    clients: Origin<Option<Arc<Clients>>>,
}

impl Prepared {
    /// Reads all files. The certificate that the server makes itself is made if it is missing, after all that can be wrong
    /// with the others.
    fn read(sources: Sources, clock: &Clock) -> Result<Prepared, CertificatesError> {
        // Each before it is read: what changes meanwhile is read once more.
        let client_stamps = stamps(sources.clients.iter().flat_map(ClientSource::files));
        let is_made = matches!(sources.clients, Some(ClientSource::Authority(_)));
        let open = || sources.clients.as_ref().map(ClientSource::open).transpose();
        let early = if is_made { None } else { open()? };
        if let Some((data, names)) = &sources.own {
            pki::prepare(data, names, clock.now())?;
        }
        let server_stamps = stamps(server_files(&sources.server));
        let server = tls::read(&sources.server)?;
        // The authority is made with the certificate.
        let clients = if is_made { open()? } else { early }.map(Arc::new);
        Ok(Prepared {
            sources,
            server: Origin::new(server_stamps, server),
            clients: Origin::new(client_stamps, clients),
        })
    }
}

/// That a certificate that was read from these files is valid now.
fn check(files: &CertificateFiles, server: &CertifiedKey, clock: &Clock) -> Result<(), TlsError> {
    let wrong = |source| TlsError::Use { files: files.clone(), source };
    tls::check_validity(server, tls::time(clock)).map_err(wrong)
}

struct Origin<T> {
    /// Of the files that `of_files` was read from.
    stamps: Vec<Option<Stamp>>,
    complaint: Complaint,
    of_files: T,
    given: Option<T>,
}

impl<T> Origin<T> {
    /// What was read of files with these stamps.
    fn new(stamps: Vec<Option<Stamp>>, of_files: T) -> Origin<T> {
        Origin { stamps, complaint: Complaint::default(), of_files, given: None }
    }

    fn present(&self) -> &T {
        self.given.as_ref().unwrap_or(&self.of_files)
    }

    /// Reads the files if they differ from those that were read, or `all` are to be; whether there is something new. What is not
    /// usable changes nothing and is tried again.
    fn look<'p, E: Error + 'static>(
        &mut self,
        files: impl IntoIterator<Item = &'p PathBuf>,
        all: bool,
        complaint: &str,
        read: impl FnOnce() -> Result<T, E>,
    ) -> bool {
        // Before reading: what changes meanwhile is read once more.
        let stamps = stamps(files);
        if stamps == self.stamps && !all {
            self.complaint.end();
            return false;
        }
        match read() {
            Ok(of_files) => {
                (self.stamps, self.of_files) = (stamps, of_files);
                self.complaint.end();
                true
            }
            Err(error) => {
                if self.complaint.is_new(&stamps, &error) || all {
                    complain(&error, complaint);
                }
                false
            }
        }
    }
}

fn stamps<'p>(files: impl IntoIterator<Item = &'p PathBuf>) -> Vec<Option<Stamp>> {
    files.into_iter().map(|file| watched::look(file)).collect()
}

impl Certificates {
    /// Reads the files. A certificate of the server that has ended is used all the same, since there is no other.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub fn open(sources: Sources, clock: Clock) -> Result<Certificates, CertificatesError> {
        let Prepared { sources, server, clients } = Prepared::read(sources, &clock)?;
        if let Err(error) = tls::check_validity(&server.of_files, tls::time(&clock)) {
            tracing::error!(certificate = %sources.server.certificate.display(), %error, "clients will refuse the certificate");
        }
        let present = present(&server.of_files, clients.of_files.as_ref(), &clock)?;
        let renew_at = clock.now().saturating_add_seconds(RENEW_S);
        let certificates = Certificates {
            clock,
            rules: Arc::new(Rules::new(clients.of_files.clone())),
            present: ArcSwap::from_pointee(present),
            state: Mutex::new(State { sources, server, clients, lists_ended: 0, renew_at }),
        };
        certificates.look(false);
        Ok(certificates)
    }

    /// For a new connection of HTTPS.
    pub fn https(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.present.load().https)
    }

    /// For a new connection of NETCONF, whose client has to show a certificate. `None`: no certificate is taken.
    pub fn netconf(&self) -> Option<Arc<ServerConfig>> {
        self.present.load().netconf.clone()
    }

    /// Whom the certificate that a client has shown stands for.
    ///
    /// # Errors
    /// It is not taken.
    pub fn shown(&self, chain: &[CertificateDer<'_>]) -> Result<Arc<Shown>, rustls::Error> {
        Shown::new(chain, &self.rules, tls::time(&self.clock)).map(Arc::new)
    }

    /// Sets what holds from now on in place of the files. `None`: what the files say. For clients `Some(None)` is that no
    /// certificate is taken. What comes with a certificate that is no longer taken ends.
    ///
    /// # Errors
    /// They cannot be used; nothing has changed.
    pub fn replace(
        &self,
        server: Option<Arc<CertifiedKey>>,
        clients: Option<Option<Clients>>,
    ) -> Result<(), TlsError> {
        if let Some(server) = &server {
            tls::check_validity(server, tls::time(&self.clock)).map_err(TlsError::Settings)?;
        }
        let mut state = self.state();
        let clients = clients.map(|clients| clients.map(Arc::new));
        let next = present(
            server.as_ref().unwrap_or(&state.server.of_files),
            clients.as_ref().unwrap_or(&state.clients.of_files).as_ref(),
            &self.clock,
        )?;
        (state.server.given, state.clients.given) = (server, clients);
        self.install(&state, next);
        Ok(())
    }

    /// Reads other files, to be taken over with [`Self::come_from`]. `None`: they are those that hold.
    ///
    /// # Errors
    /// They cannot be used. Nothing has changed but, where the server makes its certificate itself, perhaps that file.
    pub fn prepare(&self, sources: Sources) -> Result<Option<Prepared>, CertificatesError> {
        if self.state().sources == sources {
            return Ok(None);
        }
        let next = Prepared::read(sources, &self.clock)?;
        check(&next.sources.server, &next.server.of_files, &self.clock)?;
        let state = self.state();
        let server = state.server.given.as_ref().unwrap_or(&next.server.of_files);
        let clients = state.clients.given.as_ref().unwrap_or(&next.clients.of_files);
        present(server, clients.as_ref(), &self.clock)?;
        drop(state);
        Ok(Some(next))
    }

    /// Has other files from now on.
    pub fn come_from(&self, next: Prepared) {
        let mut state = self.state();
        state.sources = next.sources;
        (state.server.stamps, state.server.of_files) = (next.server.stamps, next.server.of_files);
        (state.clients.stamps, state.clients.of_files) = (next.clients.stamps, next.clients.of_files);
        self.renew(&state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads those files again that have changed, or `all`. What is not usable is logged, and what was read before holds.
    pub fn look(&self, all: bool) {
        let mut state = self.state();
        let (now, sources) = (self.clock.now(), state.sources.clone());
        if let Some((data, names)) = &sources.own
            && (all || state.renew_at <= now)
        {
            state.renew_at = now.saturating_add_seconds(RENEW_S);
            if let Err(error) = pki::prepare(data, names, now) {
                complain(&error, "cannot renew the certificate");
            }
        }
        let is_server_new = state.server.look(
            server_files(&sources.server),
            all,
            "the certificate of the server stays as it was",
            || {
                let server = tls::read(&sources.server)?;
                check(&sources.server, &server, &self.clock).map(|()| server)
            },
        );
        if is_server_new {
            let certificate = sources.server.certificate.display();
            tracing::info!(%certificate, "the certificate of the server was read again");
        }
        let is_clients_new = sources.clients.as_ref().is_some_and(|source| {
            let complaint = "the rules for certificates of clients stay as they were";
            state
                .clients
                .look(source.files(), all, complaint, || source.open().map(|read| Some(Arc::new(read))))
        });
        if is_clients_new {
            tracing::info!("the rules for certificates of clients were read again");
        }
        if is_server_new || is_clients_new {
            self.renew(&state);
        }
        let clients = state.clients.present().as_ref();
        let lists_ended = clients.map_or(0, |clients| clients.lists_ended(tls::time(&self.clock)));
        if lists_ended > state.lists_ended {
            tracing::warn!(
                lists = lists_ended,
                "lists of revoked certificates have ended: nothing that their authorities issued is taken until there are newer ones"
            );
        }
        state.lists_ended = lists_ended;
    }

    /// Makes anew what new connections use.
    fn renew(&self, state: &State) {
        match present(state.server.present(), state.clients.present().as_ref(), &self.clock) {
            Ok(next) => self.install(state, next),
            Err(error) => complain(&error, "TLS stays as it was"),
        }
    }

    fn install(&self, state: &State, next: Present) {
        // The rules first: who connects meanwhile is asked by the former ones and judged by these.
        self.rules.store(state.clients.present().clone());
        self.present.store(Arc::new(next));
    }
}

fn server_files(files: &CertificateFiles) -> [&PathBuf; 2] {
    [&files.certificate, &files.key]
}

fn present(
    server: &Arc<CertifiedKey>,
    clients: Option<&Arc<Clients>>,
    clock: &Clock,
) -> Result<Present, TlsError> {
    let verifier =
        |is_mandatory| clients.map(|clients| Verifier { clients: Arc::clone(clients), is_mandatory });
    let https = tls::server_config(Arc::clone(server), &[tls::HTTP2, tls::HTTP1], verifier(false), clock)?;
    let netconf = verifier(true)
        .map(|verifier| tls::server_config(Arc::clone(server), &[], Some(verifier), clock))
        .transpose()?;
    Ok(Present { https, netconf })
}

fn complain(error: &(dyn Error + 'static), what: &str) {
    tracing::error!(error, "{what}");
}

/// Looks at all files every so often until the server stops.
pub async fn run(shared: Arc<Shared>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.shutdown.begun() => return,
            _ = looks.tick() => look(&shared, false),
        }
    }
}

/// Reads again what has changed, or everything.
pub fn look(shared: &Shared, all: bool) {
    shared.configured.follow(shared);
    shared.certificates.look(all);
    if let Some(netconf) = &shared.netconf {
        netconf.ssh.look(all);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_tried_again_though_no_file_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("crl.pem");
        let mut origin = Origin::new(stamps([&file]), 1);
        let fails = || Err(std::io::Error::other("too many open files"));
        assert!(!origin.look([&file], false, "", fails), "there is nothing to read");
        std::fs::write(&file, "revoked").unwrap();
        assert!(!origin.look([&file], false, "", fails));
        assert!(origin.look([&file], false, "", || Ok::<_, std::io::Error>(2)));
        assert_eq!(*origin.present(), 2);
        assert!(!origin.look([&file], false, "", || -> Result<_, std::io::Error> { panic!("it is read") }));
    }
}
