//! Strangers ask the built server: a Python client whose answers libyang and yangson judge against the YANG library that the
//! server announces, ncclient with every operation of NETCONF, netconf-console2, and the EventSource of a browser. A terminal
//! of Python's shows what our own shell looks like to a person. What they do is in `tests/independent`; nothing is judged here.

#![allow(clippy::expect_used, clippy::panic)] // tests

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_agentconf");

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; the test has said so then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_answer_fits_the_announced_modules_in_json_and_in_xml() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let (_server, [address]) = start(["https"], &data);
    let token = fs::read_to_string(data.join("admin.jwt")).expect("the token of the first start");
    let mut client = python("answers.py");
    client
        .arg(format!("https://{address}"))
        .arg(data.join("pki/ca.pem"))
        .arg(token.trim())
        .arg(directory.path());
    let said = ends_well(&mut client);
    let judged =
        said.split_once(" documents judged, 0 wrong").and_then(|(before, _)| before.rsplit(' ').next());
    let judged = judged.and_then(|number| number.parse::<u32>().ok());
    assert!(judged.is_some_and(|judged| judged > 4000), "few documents were judged: {said}");
}

#[test]
fn ncclient_finds_every_netconf_operation_from_hello_to_close() {
    ncclient("netconf.py");
}

#[test]
fn ncclient_finds_what_netconf_has_beyond_rfc_6241_and_what_restconf_shares_with_it() {
    ncclient("netconf_more.py");
}

/// Runs a script of ncclient's against a new server.
fn ncclient(script: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let (_server, [ssh, https]) = start(["ssh", "https"], &data);
    let port = |address: &str| address.rsplit(':').next().expect("a port").to_owned();
    let mut add = Command::new(BINARY);
    add.args(["user", "add", "eve", "--password-stdin", "--data"]).arg(&data).stdin(Stdio::piped());
    let mut add = add.spawn().expect("a user is added");
    add.stdin.take().expect("it is piped").write_all(b"eve's password\n").expect("it reads");
    assert!(add.wait().expect("it ends").success());
    let mut client = python(script);
    client.arg(port(&ssh)).arg("admin").arg(data.join("admin.password")).arg("eve").arg("eve's password");
    client.arg(port(&https)).arg(&data);
    let said = ends_well(&mut client);
    assert!(said.contains("\nOK"), "{said}");
}

/// Completion of names, values and keys that exist, help, a marked word, edits with diff and confirmed commit, agents and
/// live events. To write what the screen shows into README.md: `SHELL_BLESS=1`.
#[test]
fn the_shell_in_a_terminal_shows_what_readme_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let (_server, [address]) = start(["ssh"], &data);
    let mut person = python("shell.py");
    person.arg(BINARY).arg(format!("ssh://admin@{address}")).arg(&data);
    person.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let said = ends_well(&mut person);
    assert!(said.contains("the screen is as README.md shows it"), "{said}");
}

#[test]
fn netconf_console2_finds_its_commands_answered() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let (_server, [address]) = start(["ssh"], &data);
    let port = address.rsplit(':').next().expect("a port");
    let mut client = python("console.py");
    client.arg(port).arg("admin").arg(data.join("admin.password"));
    let said = ends_well(&mut client);
    assert!(said.contains("\nOK"), "{said}");
}

#[test]
fn sslyze_and_ssh_audit_find_nothing_weak() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let (_server, [https, tls, ssh]) = start(["https", "tls", "ssh"], &data);
    let said = ends_well(python("audited.py").args([https, tls, ssh]).arg(&data));
    assert!(said.contains("SSH has no weak algorithm"), "{said}");
}

#[test]
fn the_parser_of_prometheus_reads_every_metric() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let (_server, [https, operations]) = start(["https", "operations"], &data);
    let token = fs::read_to_string(data.join("admin.jwt")).expect("the token of the first start");
    let mut scraper = python("metrics.py");
    let said = ends_well(scraper.args([https, operations]).arg(data.join("pki/ca.pem")).arg(token.trim()));
    assert!(said.contains("\nOK"), "{said}");
}

/// A server with a new directory, and where it listens.
fn start<const N: usize>(schemes: [&str; N], data: &Path) -> (Server, [String; N]) {
    let mut command = Command::new(BINARY);
    command.args([
        "serve",
        "--https",
        "127.0.0.1:0",
        "--ssh",
        "127.0.0.1:0",
        "--tls",
        "127.0.0.1:0",
        "--data",
    ]);
    let settings = data.with_extension("toml");
    fs::write(&settings, "[operations]\nlisten = \"127.0.0.1:0\"\n").expect("a file is written");
    command.arg(data).arg("--config").arg(settings);
    let mut child =
        command.env("RUST_LOG", "error").stdout(Stdio::piped()).spawn().expect("the server starts");
    let stdout = child.stdout.take().expect("it is piped");
    let server = Server(child);
    // All lines are read: it does not start if nobody hears where it listens.
    let lines: Vec<String> = BufReader::new(stdout).lines().map_while(Result::ok).take(4).collect();
    let address = |scheme: &str| {
        let prefix = format!("listening {scheme} ");
        let address = lines.iter().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned);
        address.expect("the server says where it listens")
    };
    (server, schemes.map(address))
}

/// `tests/run` installs Chromium wherever it can. Where there is none this says so and proves nothing; where there is one
/// it has to work.
#[test]
fn a_browser_follows_the_events_over_a_restart_and_loses_none() {
    if Command::new("chromedriver").arg("--version").output().is_err() {
        eprintln!("NOT RUN: there is no chromedriver; Debian has it in the package chromium-driver");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let said = ends_well(
        python("browser.py").arg(directory.path().join("data")).arg(BINARY).env("RUST_LOG", "error"),
    );
    assert!(said.contains("events, none lost and none twice"), "{said}");
}

fn python(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent");
    let mut command = Command::new("python3");
    command.arg("-B").arg(folder.join(script));
    command
}

/// Runs a command to its end; what it wrote. That goes to a file, which no process it left behind can hold open.
fn ends_well(command: &mut Command) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let output = file.reopen().expect("a file");
    let errors = output.try_clone().expect("a file");
    let status = command.stdin(Stdio::null()).stdout(output).stderr(errors).status();
    let status = status.unwrap_or_else(|e| panic!("{:?} cannot be run: {e}", command.get_program()));
    let said = fs::read_to_string(file.path()).unwrap_or_default();
    assert!(status.success(), "{said}");
    said
}
