//! Clients that show certificates, and clients that are called (RFC 8071): curl, and Python's standard library. It never uses
//! the server's own TLS code as the client.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value as Json, json};
use sha2::Digest;

use crate::process::{Server, run};

const TARGET: &str = "/restconf/data/irtf-agent:agent";

/// A directory with the certificates of an authority, of its user ann, of nobody it knows, and of another authority's ann.
struct Certificates {
    directory: tempfile::TempDir,
    fingerprint: String,
}

impl Certificates {
    fn new() -> Certificates {
        let directory = tempfile::tempdir().unwrap();
        let fingerprint = issue(directory.path(), "ca", &["ann", "nobody"]);
        issue(directory.path(), "other", &["stranger"]);
        Certificates { directory, fingerprint }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.pem"))
    }

    /// Settings that take these certificates and map the common name.
    fn settings(&self) -> String {
        format!(
            "[tls.clients]\nauthorities = [{:?}]\n[[tls.clients.cert-to-name]]\nid = 1\nfingerprint = \"{}\"\nmap-type = \"common-name\"\n",
            self.file("ca"),
            self.fingerprint
        )
    }

    /// A data directory in which ann is a user.
    fn data(&self) -> PathBuf {
        let data = self.directory.path().join("data");
        assert!(run(&["user", "add", "ann"], &data).status.success());
        data
    }
}

/// Writes an authority and certificates that it issued, each with its key; the fingerprint of the authority.
fn issue(directory: &Path, authority: &str, names: &[&str]) -> String {
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let key = KeyPair::generate().unwrap();
    let mut params = named(authority);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    fs::write(directory.join(format!("{authority}.pem")), certificate.pem()).unwrap();
    let fingerprint: String =
        sha2::Sha256::digest(certificate.der()).iter().map(|octet| format!(":{octet:02x}")).collect();
    let issuer = Issuer::new(params, key);
    for name in names {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name).signed_by(&key, &issuer).unwrap();
        let both = certificate.pem() + &key.serialize_pem();
        fs::write(directory.join(format!("{name}.pem")), both).unwrap();
    }
    format!("04{fingerprint}")
}

/// The status that curl shows, or the exit code with which it says that there was no TLS.
fn curl(server: &Server, arguments: &[&str]) -> Result<u16, i32> {
    let ca = server.data().join("pki/ca.pem");
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "60", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    command.arg("--cacert").arg(ca).args(arguments).arg(format!("https://{}{TARGET}", server.address));
    let output = command.output().unwrap();
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).parse().unwrap()),
        code => Err(code.unwrap_or(-1)),
    }
}

#[test]
fn a_certificate_is_as_good_as_a_token_and_agrees_with_one() {
    let certificates = Certificates::new();
    let server = Server::start(&certificates.data(), &certificates.settings());
    let token = run(&["token", "ann"], server.data()).stdout;
    let own = format!("Authorization: Bearer {}", String::from_utf8(token).unwrap().trim());
    let admin = format!("Authorization: {}", server.admin());
    let [ann, nobody, stranger] =
        ["ann", "nobody", "stranger"].map(|name| certificates.file(name).display().to_string());
    for version in [&["--http1.1", "--tls-max", "1.2"][..], &["--http1.1"], &["--http2"]] {
        let ask = |more: &[&str]| curl(&server, &[version, more].concat());
        assert_eq!(ask(&[]), Ok(401));
        assert_eq!(ask(&["--header", &own]), Ok(200));
        assert_eq!(ask(&["--cert", &ann]), Ok(200));
        assert_eq!(ask(&["--cert", &ann, "--header", &own]), Ok(200));
        assert_eq!(ask(&["--cert", &ann, "--header", &admin]), Ok(401));
        assert_eq!(ask(&["--cert", &nobody]), Ok(401));
        assert!(ask(&["--cert", &stranger, "--header", &own]).is_err());
    }
    assert!(run(&["user", "remove", "ann"], server.data()).status.success());
    assert_eq!(curl(&server, &["--cert", &ann]), Ok(401));
    server.kill();
}

/// A program that waits to be called.
struct Called {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: String,
}

impl Called {
    fn new(certificate: &Path) -> Called {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/called.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(certificate).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let orders = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let mut port = String::new();
        answers.read_line(&mut port).unwrap();
        Called { process, orders, answers, port: port.trim().to_owned() }
    }

    /// The answers to requests with these values of `Authorization`, on a connection that the server has made.
    fn ask(&mut self, server: &Server, certificate: bool, authorizations: &[Option<&str>]) -> Json {
        let requests: Vec<_> = authorizations
            .iter()
            .map(|value| {
                json!(["GET", TARGET, value.map_or(json!({}), |value| json!({"Authorization": value}))])
            })
            .collect();
        let ca = server.data().join("pki/ca.pem");
        let order = json!({"ca": ca, "certificate": certificate, "requests": requests});
        writeln!(self.orders, "{order}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no answer; the server says:\n{}", server.log()))
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_client_is_called_again_and_again_until_the_server_stops() {
    let certificates = Certificates::new();
    let mut called = Called::new(&certificates.file("ann"));
    // Nobody listens at the first endpoint.
    let settings = format!(
        "{}\n[[call-home]]\nname = \"oss\"\nendpoints = [\"127.0.0.1:1\", \"127.0.0.1:{}\"]\nmax-attempts = 1\nstart-with = \"last-connected\"\n",
        certificates.settings(),
        called.port
    );
    let server = Server::start(&certificates.data(), &settings);
    let admin = server.admin().to_owned();
    assert_eq!(called.ask(&server, false, &[None, Some(&admin), None]), json!([401, 200, 401]));
    assert_eq!(called.ask(&server, true, &[None, Some(&admin), None]), json!([200, 401, 200]));
    // The last connection is open, and idle, when the server is told to stop.
    assert!(server.stop().success());
}

#[test]
fn a_client_is_called_when_a_period_begins() {
    let certificates = Certificates::new();
    let mut called = Called::new(&certificates.file("ann"));
    let settings = format!(
        "{}\n[[call-home]]\nname = \"oss\"\nendpoints = [\"127.0.0.1:{}\"]\nperiodic = {{ period = 60, idle-timeout = 1 }}\n",
        certificates.settings(),
        called.port
    );
    let server = Server::start(&certificates.data(), &settings);
    assert_eq!(called.ask(&server, true, &[None]), json!([200]));
    // The connection, on which nothing moves any more, ends without the client.
    server.wait_for_log("the connection that was called home has ended");
    assert!(server.stop().success());
}
