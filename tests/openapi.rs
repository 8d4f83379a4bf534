//! The OpenAPI description is valid, and a client made of it alone meets a server that keeps to it.
//!
//! `openapi-spec-validator` reads the description; `schemathesis` sends requests made of its schemas, right ones and
//! wrong ones, and checks every answer: never a 5xx, a status and a media type that the description has, a body that
//! fits its schema, a refusal of what does not fit, and 401 without credentials.

#![allow(clippy::expect_used, clippy::panic)] // tests

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; the test has said so then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The streams never end by themselves; they have tests of their own.
const WITHOUT: &str = "/streams/";

#[test]
fn the_description_is_valid_and_the_server_keeps_to_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let data = directory.join("data");
    // Wrong passwords are tried at every operation.
    fs::write(directory.join("settings.toml"), "[limits]\nlogin_failures_max = 1000000\n").expect("settings");
    let mut child = Command::new(env!("CARGO_BIN_EXE_agentconf"))
        .args(["serve", "--https", "127.0.0.1:0", "--config", "settings.toml", "--data"])
        .arg(&data)
        .current_dir(directory)
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let stdout = child.stdout.take().expect("it is piped");
    let _server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
    let port = line.trim().rsplit(':').next().expect("a port");
    let url = format!("https://127.0.0.1:{port}/restconf/openapi.json");
    let token = fs::read_to_string(data.join("admin.jwt")).expect("the token of the first start");
    let authorization = format!("Authorization: Bearer {}", token.trim());
    let ca = data.join("pki/ca.pem");

    let fetched = run(Command::new("curl")
        .args(["-sSf", "-o", "openapi.json", "-H", &authorization, "--cacert"])
        .arg(&ca)
        .arg(&url)
        .current_dir(directory));
    assert!(fetched.0, "{}", fetched.1);
    let valid = run(Command::new("openapi-spec-validator").arg("openapi.json").current_dir(directory));
    assert!(valid.0, "{}", valid.1);

    let kept = run(Command::new("schemathesis")
        .arg("--config-file")
        .arg(root.join("tests/openapi/schemathesis.toml"))
        .args(["run", &url, "--header", &authorization, "--exclude-path-regex", WITHOUT, "--tls-verify"])
        .arg(&ca)
        .current_dir(directory));
    assert!(kept.0, "{}", kept.1);
    let sent = kept.1.lines().find_map(|line| line.trim().split_once(" generated,")?.0.parse::<u32>().ok());
    assert!(sent.is_some_and(|sent| sent > 1000), "it has sent few requests: {}", kept.1);
}

/// Whether a command ends well, and what it says.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{:?} cannot be run: {e}", command.get_program()));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
