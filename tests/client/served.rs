//! A server of its own for each test, and the client verbs as a shell runs them. It never knows what they mean.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

/// Longest time for anything that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(60);

const BINARY: &str = env!("CARGO_BIN_EXE_agentconf");

/// A running server. Dropping it kills it.
pub struct Server {
    process: Child,
    directory: tempfile::TempDir,
    pub ssh: String,
    pub tls: String,
    pub https: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; the test has said so then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts one, and makes a certificate for its administrator.
    pub fn start() -> Server {
        Server::with("")
    }

    /// The same with these settings.
    pub fn with(settings: &str) -> Server {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("settings"), settings).unwrap();
        let (process, [https, ssh, tls]) = serve(directory.path(), ["127.0.0.1:0"; 3]);
        let server = Server { process, directory, ssh, tls, https };
        server.issue();
        server
    }

    /// SIGKILL, and a new start at the same addresses.
    pub fn kill_and_start(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let addresses = [&self.https, &self.ssh, &self.tls].map(|url| url.split_once("://").unwrap().1);
        self.process = serve(self.directory.path(), addresses).0;
    }

    fn issue(&self) {
        let pki = self.path("data/pki");
        let key = KeyPair::from_pem(&fs::read_to_string(pki.join("ca.key")).unwrap()).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&fs::read_to_string(pki.join("ca.pem")).unwrap(), key).unwrap();
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, "admin");
        fs::write(self.path("admin.pem"), params.signed_by(&own, &issuer).unwrap().pem()).unwrap();
        fs::write(self.path("admin.key"), own.serialize_pem()).unwrap();
    }

    pub fn urls(&self) -> [&str; 3] {
        [&self.https, &self.ssh, &self.tls]
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file with this text.
    pub fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// What tells the client where the server's files are.
    pub fn local(&self) -> [String; 2] {
        ["--data".to_owned(), self.path("data").display().to_string()]
    }

    /// How the administrator logs in at a URL.
    pub fn login(&self, url: &str) -> Vec<String> {
        let mut options = self.local().to_vec();
        if url.starts_with("tls:") {
            options.extend(["--cert".to_owned(), self.path("admin.pem").display().to_string()]);
            options.extend(["--key".to_owned(), self.path("admin.key").display().to_string()]);
        }
        options
    }

    /// The verb with its options, at a URL, as the administrator.
    pub fn command(&self, url: &str, verb: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.bare();
        command.args(verb).args(self.login(url)).arg("--").arg(url).args(arguments);
        command
    }

    /// The binary where it finds nothing of whoever runs the tests.
    pub fn bare(&self) -> Command {
        let mut command = Command::new(BINARY);
        for name in ["RUST_LOG", "USER", "AGENTCONF_URL", "AGENTCONF_CA", "AGENTCONF_TOKEN"] {
            command.env_remove(name);
        }
        command.current_dir(self.directory.path()).env("HOME", self.path("home")).stdin(Stdio::null());
        command
    }

    /// What a verb writes that has to succeed, and say nothing else.
    pub fn done(&self, url: &str, verb: &[&str], arguments: &[&str]) -> String {
        let (status, output, errors) = run(self.command(url, verb, arguments));
        assert!(status == Some(0) && errors.is_empty(), "{verb:?} {url} {arguments:?}: {errors}{output}");
        output
    }

    /// What a verb says that has to fail, and write nothing.
    pub fn refused(&self, url: &str, verb: &[&str], arguments: &[&str]) -> String {
        let (status, output, errors) = run(self.command(url, verb, arguments));
        assert!(status == Some(1) && output.is_empty(), "{verb:?} {url} {arguments:?}: {errors}{output}");
        errors
    }

    /// Any arguments; those of the login follow if there is a URL among them.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.bare();
        command.args(arguments);
        if let Some(url) = arguments.iter().find(|argument| self.urls().contains(*argument)) {
            command.args(self.login(url));
        }
        run(command)
    }

    /// Stops it as an administrator does, and waits for its end.
    pub fn stop(&mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

/// Starts a server; its URLs for HTTPS, SSH and TLS.
fn serve(directory: &Path, [https, ssh, tls]: [&str; 3]) -> (Child, [String; 3]) {
    let log = fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
    let mut command = Command::new(BINARY);
    command.args(["serve", "--https", https, "--ssh", ssh, "--tls", tls, "--config"]);
    command
        .arg(directory.join("settings"))
        .arg("--data")
        .arg(directory.join("data"))
        .stdout(Stdio::piped())
        .stderr(log);
    let mut process = command.env_remove("RUST_LOG").spawn().unwrap();
    let lines = lines(process.stdout.take().unwrap());
    let urls = ["https", "ssh", "tls"].map(|scheme| {
        let line = lines.recv_timeout(LIMIT).unwrap();
        format!("{scheme}://{}", line.strip_prefix(&format!("listening {scheme} ")).unwrap())
    });
    (process, urls)
}

/// Exit code, output and errors of a command.
pub fn run(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The lines of a stream, as they come.
pub fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (told, lines) = sync_channel(1000);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if told.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A key pair of SSH.
pub fn key(file: &Path) -> String {
    let name = file.display().to_string();
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &name]).status();
    assert!(made.unwrap().success());
    name
}
