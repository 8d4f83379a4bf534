//! A server whose NETCONF sessions tell who their client is, and clients that read it. It never knows a NETCONF operation.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentconf::clock::Clock;
use agentconf::config::Config;
use agentconf::limits::Limits;
use agentconf::netconf::NAMESPACE;
use agentconf::netconf::hello::{BASE_1_0, BASE_1_1};
use agentconf::netconf::session::{self, Peer};
use agentconf::server::listener::{Answer, Front, Scheme};
use agentconf::server::netconf::{Duplex, Handler};
use agentconf::server::shutdown::Shutdown;
use agentconf::server::users::{self, User};
use agentconf::server::{Application, ApplicationError, Prepared};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use russh::client;
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::Digest;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longest time for anything that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A running server that takes the certificates of `ann` and `nobody`.
pub struct Server {
    server: agentconf::server::Server,
    settings: String,
    directory: tempfile::TempDir,
    sessions: Arc<AtomicUsize>,
    pub ssh: SocketAddr,
    pub tls: SocketAddr,
}

/// The settings of a server on a directory.
pub fn config(directory: &Path, settings: &str) -> Config {
    let fingerprint = issue(directory, "ca", &["ann", "bob", "nobody"]);
    issue(directory, "other", &["stranger"]);
    let text = format!(
        "data = '.'\n[listen]\nhttps = []\nssh = ['127.0.0.1:0']\ntls = ['127.0.0.1:0']\n\
         [tls.clients]\nauthorities = ['ca.pem']\n[[tls.clients.cert-to-name]]\nid = 1\n\
         fingerprint = '{fingerprint}'\nmap-type = 'common-name'\n{settings}"
    );
    let file = directory.join("agentconf.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).unwrap()
}

/// Writes an authority and certificates that it issued, each with its key, if they are not there; the fingerprint of the
/// authority.
fn issue(directory: &Path, authority: &str, names: &[&str]) -> String {
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let file = directory.join(format!("{authority}.pem"));
    if !file.exists() {
        let key = KeyPair::generate().unwrap();
        let mut params = named(authority);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for name in names {
            let key = KeyPair::generate().unwrap();
            let both = named(name).signed_by(&key, &issuer).unwrap().pem() + &key.serialize_pem();
            std::fs::write(directory.join(format!("{name}.pem")), both).unwrap();
        }
    }
    let der = CertificateDer::from_pem_file(&file).unwrap();
    let octets = sha2::Sha256::digest(&der);
    format!("04{}", octets.iter().map(|octet| format!(":{octet:02x}")).collect::<String>())
}

/// Answers each message with who sent it.
fn handler(shutdown: Shutdown, sessions: Arc<AtomicUsize>) -> Handler {
    Arc::new(move |stream, peer| {
        let (shutdown, sessions) = (shutdown.clone(), Arc::clone(&sessions));
        let run: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            sessions.fetch_add(1, Ordering::SeqCst);
            answer(stream, peer, shutdown).await;
            sessions.fetch_sub(1, Ordering::SeqCst);
        });
        run
    })
}

async fn answer(stream: Box<dyn Duplex>, peer: Peer, shutdown: Shutdown) {
    let versions = [BASE_1_0.to_owned(), BASE_1_1.to_owned()];
    let Ok((session, mut incoming, mut outgoing)) =
        session::open(stream, peer, 1, &versions, &Limits::default()).await
    else {
        return;
    };
    assert!(session.peer.standing.holds());
    let (name, method) = (&session.peer.principal.name, format!("{:?}", session.peer.principal.method));
    let text = reply(name, &method, &session.peer.transport.to_string());
    loop {
        tokio::select! {
            message = incoming.next(LIMIT) => match message {
                Ok(Some(_)) => outgoing.send(text.as_bytes()).await.unwrap(),
                _ => break,
            },
            () = shutdown.begun() => break,
        }
    }
    // The client may be gone.
    let _ = outgoing.close().await;
}

/// What a session answers.
pub fn reply(user: &str, method: &str, transport: &str) -> String {
    format!("<reply user=\"{user}\" method=\"{method}\" transport=\"{transport}\"/>")
}

/// The hello of a client, with its end.
pub fn hello(version: &str) -> String {
    let uri = format!("urn:ietf:params:netconf:base:{version}");
    format!(
        "<hello xmlns=\"{NAMESPACE}\"><capabilities><capability>{uri}</capability></capabilities></hello>]]>]]>"
    )
}

/// Says hello, and reads the server's.
pub async fn begin<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    stream.write_all(hello("1.0").as_bytes()).await.unwrap();
    let theirs = message(stream).await;
    assert!(theirs.contains("<session-id>1</session-id>"), "{theirs}");
}

/// Sends one message of base:1.0, and reads the answer.
pub async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> String {
    stream.write_all(b"<rpc/>]]>]]>").await.unwrap();
    message(stream).await
}

/// Reads one message of base:1.0.
pub async fn message<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let read = async {
        let mut text = String::new();
        while !text.ends_with("]]>]]>") {
            text.push(char::from(stream.read_u8().await.unwrap()));
        }
        text.trim_end_matches("]]>]]>").to_owned()
    };
    tokio::time::timeout(LIMIT, read).await.unwrap()
}

/// Answers nothing over HTTP.
pub fn front() -> Front {
    Arc::new(|_, _| -> Answer { Box::pin(async { Default::default() }) })
}

impl Server {
    pub async fn start(settings: &str) -> Server {
        Server::start_in(tempfile::tempdir().unwrap(), settings.to_owned()).await
    }

    /// One whose sessions are those of the program.
    pub async fn start_whole(settings: &str) -> Server {
        let (directory, settings) = (tempfile::tempdir().unwrap(), settings.to_owned());
        let sessions = Arc::new(AtomicUsize::new(0));
        Server::start_with(directory, settings, sessions, agentconf::application::build).await
    }

    async fn start_in(directory: tempfile::TempDir, settings: String) -> Server {
        let sessions = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sessions);
        let build = async |prepared: &Prepared| {
            Ok(Application {
                settings: Arc::new(Arc::default),
                front: front(),
                netconf: Some(handler(prepared.shutdown.clone(), counted)),
                observed: Default::default(),
                finish: Box::pin(async { Ok(()) }),
            })
        };
        Server::start_with(directory, settings, sessions, build).await
    }

    async fn start_with(
        directory: tempfile::TempDir,
        settings: String,
        sessions: Arc<AtomicUsize>,
        build: impl AsyncFnOnce(&Prepared) -> Result<Application, ApplicationError>,
    ) -> Server {
        let config = config(directory.path(), &settings);
        let server = agentconf::server::Server::start(config, Clock::system(), build).await.unwrap();
        let address = |wanted| server.addresses().iter().find(|(scheme, _)| *scheme == wanted).unwrap().1;
        let (ssh, tls) = (address(Scheme::Ssh), address(Scheme::Tls));
        Server { server, settings, directory, sessions, ssh, tls }
    }

    /// Stops, however many sessions there are.
    pub async fn stop(self) {
        tokio::time::timeout(LIMIT, self.server.stop()).await.unwrap().unwrap();
    }

    pub async fn restart(self) -> Server {
        self.server.stop().await.unwrap();
        Server::start_in(self.directory, self.settings).await
    }

    /// Waits until there are so many sessions.
    pub async fn until_sessions(&self, count: usize) {
        while self.sessions() != count {
            tokio::task::yield_now().await;
        }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn host_key(&self) -> PublicKey {
        PublicKey::from_openssh(&self.file("ssh/host_ed25519.pub")).unwrap()
    }

    /// Adds a user with the public keys beside these files.
    pub fn add_user(&self, name: &str, password: &str, keys: &[&str]) {
        let lines = keys.iter().map(|key| std::fs::read_to_string(format!("{key}.pub")).unwrap());
        let user = User {
            groups: Default::default(),
            password: Some(users::hash_password(password).unwrap()),
            ssh_keys: users::parse_ssh_keys(&lines.collect::<String>()).unwrap(),
            created: Clock::system().now(),
        };
        users::edit(self.directory.path(), |users| Ok(users.insert(name.to_owned(), user))).unwrap();
    }

    /// What OpenSSH's user types when asked for a password.
    pub fn set_askpass(&self, password: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.path("askpass");
        std::fs::write(&file, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// TLS with the server on a connection, whoever has made it.
    pub async fn tls_client(
        &self,
        tcp: TcpStream,
        certificate: Option<&str>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("pki/ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots);
        let config = match certificate {
            Some(name) => {
                let file = self.path(&format!("{name}.pem"));
                let chain = vec![CertificateDer::from_pem_file(&file).unwrap()];
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&file).unwrap()).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }
}

/// A client of SSH that knows the host key.
pub struct Knows(PublicKey);

impl client::Handler for Knows {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        Ok(key.key_data() == self.0.key_data())
    }
}

/// SSH with the server on a connection, whoever has made it, logged in.
pub async fn ssh_client(
    tcp: TcpStream,
    host_key: &PublicKey,
    user: &str,
    password: &str,
) -> client::Handle<Knows> {
    let config = Arc::new(client::Config::default());
    let mut connection = client::connect_stream(config, tcp, Knows(host_key.clone())).await.unwrap();
    assert!(connection.authenticate_password(user, password).await.unwrap().success());
    connection
}
