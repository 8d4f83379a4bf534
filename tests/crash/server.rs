//! The built server as a process that is made to suffer. Dropping it kills it.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::Digest;

use crate::clients::Doors;

/// Longest time for a start, and for anything else that a campaign waits for.
pub const LIMIT: Duration = Duration::from_secs(60);

const BINARY: &str = env!("CARGO_BIN_EXE_agentconf");

/// Where a server's data and settings are, through all its lives.
pub struct Place {
    directory: PathBuf,
    fingerprint: String,
}

impl Place {
    /// In a directory that is there; the certificate of the administrator is made too.
    pub fn new(directory: &Path) -> Place {
        let named = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name = Default::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let (ca_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let mut ca = named("authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = ca.self_signed(&ca_key).expect("a certificate");
        let own = named("admin").signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate");
        let digest = sha2::Sha256::digest(authority.der());
        let fingerprint = digest.iter().fold("04".to_owned(), |text, octet| format!("{text}:{octet:02x}"));
        let place = Place { directory: directory.to_owned(), fingerprint };
        fs::write(place.file("authority.pem"), authority.pem()).expect("it is written");
        fs::write(place.file("admin.pem"), own.pem() + &key.serialize_pem()).expect("it is written");
        place
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn settings(&self) -> String {
        format!(
            "[listen]\nhttps = []\nhttp = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\n[tls.clients]\nauthorities = [{:?}]\n\
             [[tls.clients.cert-to-name]]\nid = 1\nfingerprint = \"{}\"\nmap-type = \"common-name\"\n\
             [limits]\nsnapshot_events_min = 20\nlog_kept_s = 1\n",
            self.file("authority.pem"),
            self.fingerprint
        )
    }

    /// What the server wrote to standard error in its newest life.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("stderr")).unwrap_or_default()
    }

    /// Starts a server. The first line that it writes comes when it listens.
    pub fn spawn(&self, data: &Path) -> (Child, Receiver<String>) {
        fs::write(self.file("settings.toml"), self.settings()).expect("it is written");
        let errors = fs::File::create(self.file("stderr")).expect("a file");
        // With the signal ignored, writing beyond the limit that is set is an error.
        let mut command = Command::new("sh");
        command.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh", BINARY, "serve", "--data"]).arg(data);
        command.arg("--config").arg(self.file("settings.toml")).env_remove("RUST_LOG");
        let mut process = command.stdout(Stdio::piped()).stderr(errors).spawn().expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped"));
        let (told, listening) = sync_channel(1);
        thread::spawn(move || {
            let (mut first, mut second) = (String::new(), String::new());
            let both = lines.read_line(&mut first).and_then(|_| lines.read_line(&mut second));
            // Nobody waits for it any more if the server was killed first.
            let _ = both.map(|_| told.send(first + &second));
            // Those after it are read, so that the server can write them.
            let _ = io::copy(&mut lines, &mut io::sink());
        });
        (process, listening)
    }

    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// It does not.
    pub fn start(&self, data: &Path) -> Result<Server, String> {
        let (mut process, listening) = self.spawn(data);
        let said = listening.recv_timeout(LIMIT).unwrap_or_default();
        let address = |scheme: &str| -> Option<SocketAddr> {
            said.lines()
                .find_map(|line| line.strip_prefix("listening ")?.strip_prefix(scheme)?.trim().parse().ok())
        };
        let (Some(http), Some(tls)) = (address("http "), address("tls ")) else {
            let _ = process.kill();
            let _ = process.wait();
            return Err(format!("the server does not start: {said:?}\n{}", self.log()));
        };
        let read = |name: &str| fs::read_to_string(data.join(name)).expect("it is there");
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(data.join("pki/ca.pem")).expect("a certificate");
        roots.add(root).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let chain = vec![CertificateDer::from_pem_file(self.file("admin.pem")).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(self.file("admin.pem")).expect("a key");
        let config =
            config.expect("versions").with_root_certificates(roots).with_client_auth_cert(chain, key);
        let token = read("admin.jwt").trim().to_owned();
        let doors = Doors { http, tls, token, config: Arc::new(config.expect("its own certificate")) };
        Ok(Server { process, doors })
    }
}

/// A running server.
pub struct Server {
    process: Child,
    pub doors: Doors,
}

impl Server {
    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("it runs").success());
    }

    /// The most octets that a file may have which it writes; none for no limit.
    pub fn limit_files(&self, octets: Option<u64>) {
        let octets = octets.map_or("unlimited".into(), |octets| octets.to_string());
        let (id, fsize) = (self.process.id().to_string(), format!("--fsize={octets}:"));
        assert!(Command::new("prlimit").args(["--pid", &id, &fsize]).status().expect("it runs").success());
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) {
        self.process.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `agentconf log verify`: how many records there are.
///
/// # Errors
/// What is wrong with them.
pub fn verify(data: &Path) -> Result<u64, String> {
    let run: io::Result<Output> =
        Command::new(BINARY).args(["log", "verify", "--data"]).arg(data).stdin(Stdio::null()).output();
    let output = run.map_err(|error| error.to_string())?;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let count = said.strip_prefix("whole: ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    match count {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("`log verify` finds: {said}{errors}")),
    }
}
