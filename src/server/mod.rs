//! The server as a whole: its directory, sockets, TLS, authentication, start and stop.
//!
//! It never knows what is served: a front end is given to it, and everything behind that is the front end's affair.

pub mod admin;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod blobs;
pub mod call_home;
pub mod callbacks;
pub mod certificates;
mod channel;
mod checked;
pub mod claims;
pub mod configured;
mod fetched;
pub mod files;
mod introspection;
pub mod issuers;
pub mod judgement;
pub mod jwks;
pub mod listener;
pub mod measured;
pub mod named;
pub mod netconf;
pub mod notify;
pub mod operations;
mod otlp;
pub mod outgoing;
pub mod passwords;
pub mod pki;
pub mod proved;
pub mod rates;
pub mod refusal;
pub mod reload;
pub mod remembered;
pub mod renewal;
mod rights;
pub mod settings;
pub mod shutdown;
pub mod ssh;
mod standing;
pub mod stream;
pub mod telemetry;
pub mod throttle;
pub mod tls;
pub mod tokens;
pub mod traces;
pub mod upload;
pub mod urls;
pub mod users;
pub mod vault;
mod watched;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod test_directory;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::future::Future;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use hyper::header::HeaderValue;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::audit::Trail;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Listen, ListenAddress, Protocol};
use crate::engine::Accounts;
use crate::limits::InForce;
use crate::log::LogError;
use crate::trace::Spans;
use api_keys::ApiKeys;
use auth::Authenticator;
pub use checked::check;
use configured::Configured;
use issuers::Issuers;
use judgement::Judgement;
use listener::{Bound, Front, Scheme, Shared};
use measured::Measured;
use netconf::Netconf;
use notify::Notify;
use operations::{Observed, Operations};
use passwords::Passwords;
use rates::Rates;
use remembered::Digester;
use renewal::{Certificates, ClientSource, Sources};
use shutdown::{Shutdown, Signalled, Signals};
use throttle::WrongTokens;
use tokens::Tokens;
use traces::Traces;
use users::Users;
use vault::Vault;

/// An error of what is served; the server only passes it on.
pub type ApplicationError = Box<dyn std::error::Error + Send + Sync>;

/// What is known before the application is made.
#[derive(Debug)]
pub struct Prepared {
    /// All settings. `config.data` is the directory, which is there and locked for this process.
    pub config: Config,
    /// The limits, which a reload of the configuration replaces.
    pub limits: InForce,
    /// The time.
    pub clock: Clock,
    /// The URL of the server without a path, for what has to have a scheme. Its host is what the certificate says first.
    pub url: String,
    /// Where secrets are kept.
    pub vault: Arc<Vault>,
    /// Where it is noted what was asked and refused.
    pub trail: Trail,
    /// Where spans go.
    pub spans: Spans,
    /// Who is a user.
    pub accounts: Accounts,
    /// The model that is asked; a reload of the configuration replaces it.
    pub judgement: Arc<Judgement>,
    /// The application ends its event streams when this begins, and begins it itself if it cannot go on.
    pub shutdown: Shutdown,
}

/// What is served.
pub struct Application {
    /// Answers the requests.
    pub front: Front,
    /// Tells what is configured of who gets in.
    pub settings: configured::Source,
    /// Runs NETCONF sessions, if the application has that protocol.
    pub netconf: Option<netconf::Handler>,
    /// Says whether the application does its work, and what it has counted.
    pub observed: Observed,
    /// Awaited when no connection is left: writes what is to be written, and says if something went wrong before.
    pub finish: Pin<Box<dyn Future<Output = Result<(), ApplicationError>> + Send>>,
}

/// Why the server does not start, or ended with an error.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each variant is the step that failed, and its source says why
pub enum ServeError {
    #[error("the configuration is not usable")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    File(#[from] files::FileError),
    #[error("another server is using {}", .0.display())]
    InUse(PathBuf),
    #[error("the operating system gives no randomness")]
    Random,
    #[error("cannot read the users")]
    Users(#[from] users::UserError),
    #[error("cannot prepare bearer tokens")]
    Tokens(#[from] tokens::TokenError),
    #[error("cannot prepare the tokens of others")]
    Issuers(#[from] issuers::IssuerError),
    #[error("cannot read the API keys")]
    ApiKeys(#[from] api_keys::ApiKeyError),
    #[error("cannot prepare the administrator")]
    Admin(#[from] admin::AdminError),
    #[error("cannot prepare TLS")]
    Tls(#[from] renewal::CertificatesError),
    #[error("cannot prepare the audit trail")]
    Audit(#[from] audit::AuditError),
    #[error("cannot use the event log in {}", .0.display())]
    Log(PathBuf, #[source] LogError),
    #[error("cannot prepare SSH")]
    Ssh(#[from] ssh::SshError),
    #[error("the configuration asks for NETCONF, which this program does not have")]
    NoNetconf,
    #[error("cannot listen at {1} (--{0} names another address)")]
    Bind(Scheme, ListenAddress, #[source] io::Error),
    #[error(
        "cannot listen at {1} (--{0}): this server still listens at {2}, which the file does not have any more; \
         have it read once without the new address and then with it, or start it again"
    )]
    Overlaps(Scheme, ListenAddress, SocketAddr),
    #[error("reading the configuration again took longer than {0:?}")]
    Slow(std::time::Duration),
    #[error("cannot listen at {0} for operations")]
    BindOperations(ListenAddress, #[source] io::Error),
    #[error("cannot prepare the export of traces")]
    Traces(#[from] traces::TracesError),
    #[error("cannot prepare to ask the model of [judgement]")]
    Judgement(#[from] judgement::JudgementError),
    #[error("cannot prepare netconf.url")]
    Urls(#[source] outgoing::SetupError),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    #[error("cannot start the application")]
    Start(#[source] ApplicationError),
    #[error("the application ended with an error")]
    Finish(#[source] ApplicationError),
}

/// A server that accepts. Dropping it cuts everything off; [`Server::stop`] ends it in order.
pub struct Server {
    /// As the file was read last, and at the start.
    config: Config,
    begun_with: Config,
    /// What the application says that this server is called.
    url: String,
    /// The listeners in the order of the configuration, HTTPS first.
    open: Vec<Open>,
    addresses: Vec<(Scheme, SocketAddr)>,
    operations: Option<OpenOperations>,
    notify: Arc<Notify>,
    listening: PathBuf,
    listeners: JoinSet<()>,
    finish: Pin<Box<dyn Future<Output = Result<(), ApplicationError>> + Send>>,
    shutdown: Shutdown,
    shared: Arc<Shared>,
    trail: Trail,
    _lock: File,
}

/// A listener that accepts.
struct Open {
    scheme: Scheme,
    /// As the configuration has it.
    configured: ListenAddress,
    address: SocketAddr,
    stop: Shutdown,
}

/// The listener for operations.
struct OpenOperations {
    configured: ListenAddress,
    address: SocketAddr,
    stop: Shutdown,
}

impl Server {
    /// Prepares the directory, listens, has the application made by `build`, and accepts.
    ///
    /// Connections that come while `build` is at work wait.
    pub async fn start(
        config: Config,
        clock: Clock,
        build: impl AsyncFnOnce(&Prepared) -> Result<Application, ApplicationError>,
    ) -> Result<Server, ServeError> {
        config.check()?;
        files::create_directory(&config.data)?;
        let lock = lock(&config.data)?;
        let now = clock.now();
        let random = rustls::crypto::ring::default_provider().secure_random;

        let certificates = Certificates::open(sources(&config), clock.clone())?;
        let all =
            |address: &ListenAddress| address.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if config.tls.certificate.is_none()
            && config.tls.names.is_empty()
            && config.listen.https.iter().any(all)
        {
            tracing::warn!(
                "the certificate names this machine as localhost alone: other clients need tls.names or tls.certificate"
            );
        }

        let administered = audit::Administered::open(&config);
        let trail = audit::open(&config.data, &config.audit, &clock, random)?;
        let tokens = Tokens::open(&config.data, clock.clone(), &config.limits, random)?;
        admin::prepare(&config.data, &tokens, now, random)?;
        let users = Arc::new(Users::open(&config.data)?);
        let digester = || Digester::new(random).ok_or(ServeError::Random);
        let passwords = Passwords::new(Arc::clone(&users), clock.clone(), &config.limits, digester()?)?;
        let wrong_tokens = WrongTokens::new(clock.clone(), &config.limits, digester()?);
        let issuers = Issuers::open(&config.tokens, clock.clone(), &config.limits, random)?;
        let api_keys = ApiKeys::open(&config.data)?;
        let time = clock.clone();
        let authenticator =
            Authenticator { users, passwords, tokens, issuers, api_keys, wrong_tokens, clock: time };

        let mut open = Vec::new();
        let mut all_bound = Vec::new();
        for (scheme, configured) in listeners_of(&config) {
            let bound = bind(scheme, &configured).await?;
            open.push(Open { scheme, configured, address: bound.address, stop: Shutdown::new() });
            all_bound.push(bound);
        }
        let addresses: Vec<_> = open.iter().map(|open| (open.scheme, open.address)).collect();

        let shutdown = Shutdown::new();
        let operations = Arc::new(Operations::new(shutdown.clone()));
        // Before the log is read, which may take long.
        let mut listeners = JoinSet::new();
        let open_operations = match &config.operations.listen {
            Some(configured) => {
                let bound = bind_operations(configured).await?;
                let (configured, address, stop) = (configured.clone(), bound.address, Shutdown::new());
                listeners.spawn(operations::run(bound, Arc::clone(&operations), stop.clone()));
                Some(OpenOperations { configured, address, stop })
            }
            None => None,
        };

        let url = url(&config, &addresses);
        let vault = Arc::new(Vault::open(&config, clock.clone())?);
        let limits = InForce::from(config.limits.clone());
        let spans = Spans::default();
        let judgement = Arc::new(Judgement::default());
        judgement.install(judgement.prepare(config.judgement.as_ref())?);
        let users = Arc::clone(&authenticator.users);
        let prepared = Prepared {
            config,
            limits: limits.clone(),
            clock,
            url: url.clone(),
            vault,
            trail,
            spans: spans.clone(),
            accounts: Accounts::new(move |name| users.get(name).is_some()),
            judgement: Arc::clone(&judgement),
            shutdown,
        };
        let application = build(&prepared).await.map_err(ServeError::Start)?;
        let Prepared { config, clock, vault, trail, shutdown, .. } = prepared;
        let rates = config.limits.rates.clone();
        let configured = Arc::new(Configured::new(application.settings, vault, rates.clone()));
        authenticator.users.add(Arc::clone(&configured));
        authenticator.api_keys.add(Arc::clone(&configured));
        let netconf = match (application.netconf, has_netconf(&config)) {
            (Some(handler), true) => {
                let ssh = ssh::Rules::open(&config.data, &config.limits, random)?;
                let sessions =
                    Arc::new(Semaphore::new(config.limits.sessions_max.min(Semaphore::MAX_PERMITS)));
                Some(Netconf { handler, sessions, ssh })
            }
            (None, true) => return Err(ServeError::NoNetconf),
            (_, false) => None,
        };
        let connections_max = config.limits.connections_max.min(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            front: application.front,
            authenticator,
            configured,
            connections: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            operations: Arc::clone(&operations),
            measured: Measured::default(),
            rates: Rates::new(rates, clock.clone()),
            limits,
            hsts: hsts(config.tls.hsts_max_age),
            certificates,
            netconf,
            clock,
            trail: trail.clone(),
            traces: Traces::new(spans),
            judgement,
            shutdown: shutdown.clone(),
        });
        shared.traces.export(shared.traces.prepare(config.operations.traces.as_ref())?, &shared.clock);
        let Observed { probe, measure } = application.observed;
        let measuring = Arc::downgrade(&shared);
        operations.measured_by(Arc::new(move |text| {
            if let Some(shared) = measuring.upgrade() {
                measured::measure(&shared, text);
            }
            measure(text);
        }));
        operations.look(&probe, &config.data).await;
        let notify = Arc::new(Notify::from_environment());
        for (bound, open) in all_bound.into_iter().zip(&open) {
            listeners.spawn(listener::run(bound, Arc::clone(&shared), open.stop.clone()));
        }
        listeners.spawn(operations::watch(
            operations,
            probe,
            config.data.clone(),
            Arc::clone(&notify),
            shutdown.clone(),
        ));
        listeners.spawn(renewal::run(Arc::clone(&shared)));
        listeners.spawn(administered.watch(trail.clone(), shutdown.clone()));
        for client in config.call_home.clone() {
            listeners.spawn(call_home::run(client, Arc::clone(&shared)));
        }
        let listening = config.data.join(LISTENING);
        notify_listening(&listening, &config, &addresses, open_operations.as_ref())?;
        notify.ready();
        Ok(Server {
            begun_with: config.clone(),
            config,
            url,
            open,
            addresses,
            operations: open_operations,
            notify,
            listening,
            listeners,
            finish: application.finish,
            shutdown,
            shared,
            trail,
            _lock: lock,
        })
    }

    /// Where the server listens, with real ports, in the order of the configuration, HTTPS first.
    pub fn addresses(&self) -> &[(Scheme, SocketAddr)] {
        &self.addresses
    }

    /// Where the server listens for operations, with the real port.
    pub fn operations(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(|open| open.address)
    }

    /// The flag that stops the server.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// The certificates, for who has others than the files.
    pub fn certificates(&self) -> &Certificates {
        &self.shared.certificates
    }

    /// How much users and sources may ask for.
    pub fn rates(&self) -> &Rates {
        &self.shared.rates
    }

    /// Stops accepting, lets requests end (for `drain_s` at most), then lets the application finish.
    pub async fn stop(mut self) -> Result<(), ServeError> {
        self.shutdown.begin();
        self.notify.stopping();
        // Who finds a file that stayed finds nobody there.
        let _ = std::fs::remove_file(&self.listening);
        while let Some(ended) = self.listeners.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener ended badly");
            }
        }
        let finished = self.finish.await;
        self.shared.traces.stop().await;
        let trail = self.trail.clone();
        // The last that is written, as it signs all the rest.
        if tokio::task::spawn_blocking(move || trail.stop()).await.is_err() {
            tracing::error!("the audit trail did not end in order");
        }
        finished.map_err(ServeError::Finish)
    }
}

/// The file of the data directory that says, while a server runs, where it listens: a line for each address, such as
/// `https 127.0.0.1:8443`. If the configuration names a certificate, a last line says its file after [`CERTIFICATE`].
pub const LISTENING: &str = "listening";
/// What the line of [`LISTENING`] begins with that says which certificate the server shows.
pub const CERTIFICATE: &str = "certificate";

/// Runs a server until SIGTERM, SIGINT or its application stops it. Once all listeners accept, writes one line for each
/// to standard output: `listening https 127.0.0.1:8443`.
///
/// SIGHUP has `load` read the configuration again: see [`Server::reload`]. It may wait, and does not hold up the end.
pub async fn serve(
    config: Config,
    load: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
    clock: Clock,
    build: impl AsyncFnOnce(&Prepared) -> Result<Application, ApplicationError>,
) -> Result<(), ServeError> {
    let mut signals = Signals::listen().map_err(ServeError::Signals)?;
    let mut server = tokio::select! {
        server = Server::start(config, clock, build) => server?,
        signal = signals.stop() => {
            tracing::info!(signal, "stopped before the start was complete");
            return Ok(());
        }
    };
    announce(server.addresses(), server.operations()).map_err(ServeError::Output)?;
    let (load, shutdown) = (Arc::new(load), server.shutdown().clone());
    let signal = loop {
        let next = tokio::select! {
            signalled = signals.next() => signalled,
            () = shutdown.begun() => break None,
        };
        match next {
            Signalled::Stop(signal) => break Some(signal),
            // A reload that is dropped has changed nothing.
            Signalled::Reload => tokio::select! {
                () = server.reload(Arc::clone(&load)) => {}
                signal = signals.stop() => break Some(signal),
                () = shutdown.begun() => break None,
            },
        }
    };
    tracing::info!(signal, "stopping");
    server.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

fn announce(addresses: &[(Scheme, SocketAddr)], operations: Option<SocketAddr>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for (scheme, address) in addresses {
        writeln!(output, "listening {scheme} {address}")?;
    }
    if let Some(address) = operations {
        writeln!(output, "listening operations {address}")?;
    }
    output.flush()
}

/// The file that a server locks in its data directory.
pub(crate) const LOCK: &str = "server.lock";

/// One process per directory: the lock ends with the process, however that ends.
///
/// # Errors
/// [`ServeError::InUse`] if another process has it; the system's.
pub fn lock(data: &Path) -> Result<File, ServeError> {
    let path = data.join(LOCK);
    let file = files::open_lock(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServeError::InUse(data.to_owned())),
        Err(TryLockError::Error(error)) => Err(files::FileError::of("lock", &path)(error).into()),
    }
}

/// Where to listen, HTTPS first.
fn listeners_of(config: &Config) -> Vec<(Scheme, ListenAddress)> {
    let Listen { https, http, ssh, tls } = &config.listen;
    let all = [(Scheme::Https, https), (Scheme::Http, http), (Scheme::Ssh, ssh), (Scheme::Tls, tls)];
    let of = |(scheme, addresses): (Scheme, &Vec<ListenAddress>)| -> Vec<_> {
        addresses.iter().map(|address| (scheme, address.clone())).collect()
    };
    all.into_iter().flat_map(of).collect()
}

async fn bind(scheme: Scheme, address: &ListenAddress) -> Result<Bound, ServeError> {
    let bound = listener::bind(address, scheme).await;
    bound.map_err(|error| ServeError::Bind(scheme, address.clone(), error))
}

async fn bind_operations(address: &ListenAddress) -> Result<operations::Bound, ServeError> {
    let bound = operations::bind(address).await;
    bound.map_err(|error| ServeError::BindOperations(address.clone(), error))
}

/// Writes the file that says where the server listens.
fn notify_listening(
    file: &Path,
    config: &Config,
    addresses: &[(Scheme, SocketAddr)],
    operations: Option<&OpenOperations>,
) -> Result<(), files::FileError> {
    let mut lines: String =
        addresses.iter().map(|(scheme, address)| format!("{scheme} {address}\n")).collect();
    lines.extend(operations.map(|open| format!("operations {}\n", open.address)));
    let certificate = config.tls.certificate.as_deref().and_then(|file| std::path::absolute(file).ok());
    lines.extend(certificate.map(|file| format!("{CERTIFICATE} {}\n", file.display())));
    files::replace(file, &lines, files::Readers::Owner)
}

/// Where certificates come from.
fn sources(config: &Config) -> Sources {
    let (server, own) = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => {
            (pki::CertificateFiles { certificate: certificate.clone(), key: key.clone() }, None)
        }
        _ => {
            let own = (config.data.clone(), certificate_names(config));
            (pki::certificate_files(&config.data), Some(own))
        }
    };
    let clients = match (config.tls.clients.are_asked(), has_netconf_over_tls(config)) {
        (true, _) => Some(ClientSource::Configured(config.tls.clients.clone())),
        (false, true) => Some(ClientSource::Authority(pki::authority_file(&config.data))),
        (false, false) => None,
    };
    Sources { server, own, clients }
}

/// Whether NETCONF is spoken with anybody.
fn has_netconf_over_tls(config: &Config) -> bool {
    let calls = config.call_home.iter().any(|client| client.protocol == Protocol::NetconfTls);
    calls || !config.listen.tls.is_empty()
}

fn has_netconf(config: &Config) -> bool {
    let calls = config.call_home.iter().any(|client| client.protocol != Protocol::Restconf);
    calls || !config.listen.ssh.is_empty() || !config.listen.tls.is_empty()
}

/// The value of `Strict-Transport-Security` (RFC 6797 section 6.1).
fn hsts(max_age: u32) -> HeaderValue {
    HeaderValue::try_from(format!("max-age={max_age}")).unwrap_or(HeaderValue::from_static("max-age=0"))
}

/// What a client can call this server, as far as its configuration tells: by the first name for the certificate, or else as
/// the first listener does, with the port that it really has.
fn url(config: &Config, addresses: &[(Scheme, SocketAddr)]) -> String {
    let is_http = |(scheme, _): &&(Scheme, SocketAddr)| matches!(scheme, Scheme::Https | Scheme::Http);
    let Some((scheme, address)) = addresses.iter().find(is_http) else { return String::new() };
    let host = match config.tls.names.first() {
        Some(name) => name.to_owned(),
        None if address.ip().is_unspecified() => "localhost".to_owned(),
        None => address.ip().to_string(),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    format!("{scheme}://{host}:{}", address.port())
}

/// What clients may call this server. An address that stands for all says nothing about that.
fn certificate_names(config: &Config) -> BTreeSet<String> {
    let listeners = config.listen.https.iter().chain(&config.listen.tls);
    let hosts = listeners.map(|address| &address.host).chain(&config.tls.names);
    let canonical = |name: &String| match name.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => None,
        Ok(address) => Some(address.to_string()),
        Err(_) => Some(name.to_ascii_lowercase()),
    };
    hosts.filter_map(canonical).chain(["localhost", "127.0.0.1", "::1"].map(str::to_owned)).collect()
}
