//! The server as a process: started on a free port, killed or gone at the end of its test. It never waits without a limit.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use crate::http::Client;

/// Longest time for anything that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(60);

const BINARY: &str = env!("CARGO_BIN_EXE_agentconf");

/// A running server. Dropping it kills it.
pub struct Server {
    process: Child,
    data: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    tls: Arc<ClientConfig>,
    admin: String,
}

impl Server {
    /// Starts a server on a directory and waits until it listens. `settings` is a configuration file's text.
    pub fn start(data: &Path, settings: &str) -> Server {
        Server::start_with(data, settings, &[])
    }

    /// The same with variables of the environment.
    pub fn start_with(data: &Path, settings: &str, environment: &[(&str, &str)]) -> Server {
        let (mut process, listening) = spawn_with(data, settings, environment);
        let line = listening.recv_timeout(LIMIT).unwrap_or_default();
        let Some(address) = line.trim().strip_prefix("listening https ") else {
            let _ = process.kill();
            panic!("the server does not start: {line:?}\n{}", logged(data));
        };
        let tls = builder().with_root_certificates(roots(data)).with_no_client_auth();
        let token = fs::read_to_string(data.join("admin.jwt")).unwrap();
        Server {
            process,
            data: data.to_owned(),
            address: address.parse().unwrap(),
            tls: Arc::new(tls),
            admin: format!("Bearer {}", token.trim()),
        }
    }

    /// A client of the administrator, with a connection of its own.
    pub fn client(&self) -> Client {
        self.client_of(Some(&self.admin))
    }

    /// A client with this `Authorization`.
    pub fn client_of(&self, authorization: Option<&str>) -> Client {
        Client::new(self.address, Arc::clone(&self.tls), authorization.map(str::to_owned))
    }

    /// A client that shows the certificate of a PEM file, which has the key too.
    pub fn client_showing(&self, pem: &Path) -> Client {
        let roots = roots(&self.data);
        let chain = CertificateDer::pem_file_iter(pem).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(pem).unwrap();
        let tls = builder().with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
        Client::new(self.address, Arc::new(tls), None)
    }

    /// Where it listens for something else than HTTPS.
    pub fn other_address(&self, scheme: &str) -> SocketAddr {
        let listening = fs::read_to_string(self.data.join("listening")).unwrap();
        let address = listening.lines().find_map(|line| line.strip_prefix(scheme)?.strip_prefix(' '));
        address.unwrap().parse().unwrap()
    }

    /// Its directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The `Authorization` of the administrator.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let log = logged(&self.data);
        assert!(!log.contains("panicked"), "a thread of the server panicked:\n{log}");
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// SIGTERM; how it ended then.
    pub fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.ended()
    }

    /// The most octets that a file may have which it writes, from now on; none for no limit.
    pub fn limit_files(&self, octets: Option<u64>) {
        let (id, octets) =
            (self.process.id().to_string(), octets.map_or("unlimited".into(), |n| n.to_string()));
        let fsize = format!("--fsize={octets}:");
        assert!(Command::new("prlimit").args(["--pid", &id, &fsize]).status().unwrap().success());
    }

    /// The memory that it occupies (Linux), in octets.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// How it ended after SIGTERM.
    pub fn ended(&mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        let (told, ended) = sync_channel(1);
        thread::scope(|scope| {
            let process = &mut self.process;
            scope.spawn(move || told.send(process.wait()));
            match ended.recv_timeout(LIMIT) {
                Ok(status) => status.unwrap(),
                Err(_) => {
                    let _ = Command::new("kill").args(["-KILL", &id]).status();
                    panic!("the server does not stop");
                }
            }
        })
    }

    /// Waits until the server has logged that.
    pub fn wait_for_log(&self, text: &str) {
        // It looks again no sooner than the operating system answers a request.
        for _ in 0..100_000 {
            if self.log().contains(text) {
                return;
            }
            self.client().get("/");
        }
        panic!("{text:?} is not in the log:\n{}", self.log());
    }

    /// What the server wrote to standard error since it began.
    pub fn log(&self) -> String {
        logged(&self.data)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn roots(data: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(data.join("pki/ca.pem")).unwrap()).unwrap();
    roots
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}

/// Starts a server. Its first line comes when it listens.
pub fn spawn(data: &Path, settings: &str) -> (Child, Receiver<String>) {
    spawn_with(data, settings, &[])
}

fn spawn_with(data: &Path, settings: &str, environment: &[(&str, &str)]) -> (Child, Receiver<String>) {
    let configuration = beside(data, "toml");
    fs::write(&configuration, settings).unwrap();
    let errors = fs::File::create(beside(data, "stderr")).unwrap();
    let mut command = Command::new(BINARY);
    command.args(["serve", "--https", "127.0.0.1:0", "--data"]).arg(data).arg("--config").arg(configuration);
    command.env_remove("RUST_LOG").envs(environment.iter().copied());
    let mut process = command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap());
    let (told, listening) = sync_channel(1);
    thread::spawn(move || {
        let mut line = String::new();
        // Nobody waits for it any more if the server was killed first.
        let _ = lines.read_line(&mut line).map(|_| told.send(line));
        // Those after it are read, so that the server can write them.
        let _ = io::copy(&mut lines, &mut io::sink());
    });
    (process, listening)
}

/// Another verb of the binary, with `--data`.
pub fn run(verb: &[&str], data: &Path) -> Output {
    Command::new(BINARY).args(verb).arg("--data").arg(data).stdin(Stdio::null()).output().unwrap()
}

fn logged(data: &Path) -> String {
    fs::read_to_string(beside(data, "stderr")).unwrap_or_default()
}

/// A file beside a directory, which does not belong to the server.
fn beside(data: &Path, extension: &str) -> PathBuf {
    data.with_extension(extension)
}
