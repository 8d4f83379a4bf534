//! A server as a process, and sessions of its administrator. Dropping it ends it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use russh::client;
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Outcome;
use super::client::{Over, Session};
use super::common::process::Process;

/// As many sessions of one user as there are.
const SETTINGS: &str = "[limits]\nsessions_user_max = 2048\nsession_idle_s = 86400\n";

/// A running server.
pub struct Server {
    pub process: Process,
    ssh: SocketAddr,
    tls: SocketAddr,
    password: Arc<str>,
    host_key: PublicKey,
    tls_client: TlsConnector,
}

/// A client of SSH that knows the host key.
struct Knows(PublicKey);

impl client::Handler for Knows {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        Ok(key.key_data() == self.0.key_data())
    }
}

impl Server {
    /// Starts it on a data directory.
    pub fn start(data: &Path) -> Outcome<Server> {
        let settings = data.with_extension("toml");
        std::fs::write(&settings, SETTINGS)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf"));
        let addresses = ["--https", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--tls", "127.0.0.1:0"];
        command.arg("serve").args(addresses).arg("--data").arg(data).arg("--config").arg(settings);
        let process = Process::start(command.env("RUST_LOG", "error"), &[], addresses.len() / 2)?;
        let [_, ssh, tls] = process.addresses[..] else { return Err("it listens elsewhere".into()) };
        let password = std::fs::read_to_string(data.join("admin.password"))?.trim().into();
        let host_key = PublicKey::from_openssh(&std::fs::read_to_string(data.join("ssh/host_ed25519.pub"))?)?;
        Ok(Server { process, ssh, tls, password, host_key, tls_client: tls_client(data)? })
    }

    /// Begins a session on a connection of its own.
    pub fn session(&self, over: Over) -> impl Future<Output = Outcome<Session>> + Send + use<> {
        let (ssh, tls, password) = (self.ssh, self.tls, Arc::clone(&self.password));
        let (host_key, tls_client) = (self.host_key.clone(), self.tls_client.clone());
        async move {
            match over {
                Over::Ssh => {
                    let tcp = TcpStream::connect(ssh).await?;
                    tcp.set_nodelay(true)?;
                    let config = Arc::new(client::Config::default());
                    let mut connection = client::connect_stream(config, tcp, Knows(host_key)).await?;
                    if !connection.authenticate_password("admin", &*password).await?.success() {
                        return Err("the password is refused".into());
                    }
                    let channel = connection.channel_open_session().await?;
                    channel.request_subsystem(true, "netconf").await?;
                    Session::begin(Box::new(channel.into_stream()), Box::new(connection)).await
                }
                Over::Tls => {
                    let tcp = TcpStream::connect(tls).await?;
                    tcp.set_nodelay(true)?;
                    let stream = tls_client.connect(ServerName::try_from("localhost")?, tcp).await?;
                    Session::begin(Box::new(stream), Box::new(())).await
                }
            }
        }
    }
}

/// TLS with a certificate for the administrator, issued by the server's own authority.
fn tls_client(data: &Path) -> Outcome<TlsConnector> {
    let authority = std::fs::read_to_string(data.join("pki/ca.pem"))?;
    let issuer_key = KeyPair::from_pem(&std::fs::read_to_string(data.join("pki/ca.key"))?)?;
    let issuer = Issuer::from_ca_cert_pem(&authority, issuer_key)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, "admin");
    let certificate = params.signed_by(&key, &issuer)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?,
        )?;
    Ok(Arc::new(config).into())
}
