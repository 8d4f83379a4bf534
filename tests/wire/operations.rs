//! What those who operate the server ask of it and what a service manager is told: health, metrics, readiness. It never asks
//! with credentials but where none are a mistake.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::process::{LIMIT, Server, run, spawn};

const SETTINGS: &str = "[operations]\nlisten = \"127.0.0.1:0\"\n";
/// More requests than are answered before the server looks again whether it is ready.
const REQUESTS: usize = 1_000_000;

/// The status of an answer over plain HTTP, and its body.
fn ask(address: SocketAddr, method: &str, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn until(address: SocketAddr, expected: &(u16, String)) {
    let is_there = (0..REQUESTS).any(|_| ask(address, "GET", "/readyz") == *expected);
    assert!(is_there, "{:?}", ask(address, "GET", "/readyz"));
}

/// The samples by their names and labels.
fn samples(address: SocketAddr) -> BTreeMap<String, f64> {
    let (status, text) = ask(address, "GET", "/metrics");
    assert_eq!(status, 200, "{text}");
    let sample =
        |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    text.lines().filter(|line| !line.starts_with('#')).map(|line| sample(line).unwrap()).collect()
}

#[test]
fn health_is_told_without_credentials_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), SETTINGS);
    let operations = server.other_address("operations");
    let (alive, ready) = ((200, "alive\n".to_owned()), (200, "ready\n".to_owned()));
    assert_eq!(
        (ask(operations, "GET", "/healthz"), ask(operations, "GET", "/readyz")),
        (alive, ready.clone())
    );
    assert_eq!(ask(operations, "HEAD", "/readyz"), (200, String::new()));
    assert_eq!(ask(operations, "POST", "/healthz").0, 405);
    assert_eq!(ask(operations, "GET", "/restconf").0, 404);

    let mut anybody = server.client_of(None);
    for (target, body) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        let answer = anybody.get(target);
        assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert!(answer.field("strict-transport-security").is_some());
    }
    assert_eq!(anybody.ask("DELETE", "/readyz", &[], b"").unwrap().status, 405);
    assert_eq!(anybody.get("/metrics").status, 401, "metrics are for the listener for operations");

    // A directory stands where a file has to be written.
    let obstacle = server.data().join("writable/x");
    fs::create_dir_all(&obstacle).unwrap();
    until(operations, &(503, "not ready: nothing can be stored\n".to_owned()));
    let answer = anybody.get("/readyz");
    assert_eq!((answer.status, anybody.get("/healthz").status), (503, 200));
    fs::remove_dir(&obstacle).unwrap();
    fs::remove_dir(server.data().join("writable")).unwrap();
    until(operations, &ready);
    assert!(server.log().contains("nothing can be stored"));
    assert!(server.stop().success());
}

#[test]
fn probes_are_answered_while_others_do_not_read_or_say_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), SETTINGS);
    let operations = server.other_address("operations");
    let connect = || TcpStream::connect(operations).unwrap();
    // More answers than anybody keeps for who does not read them.
    let requests = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000);
    let mut stuck: Vec<TcpStream> = (0..70).map(|_| connect()).collect();
    for stream in &mut stuck {
        stream.set_nonblocking(true).unwrap();
        // What does not go out at once is not needed.
        let _ = stream.write(requests.as_bytes());
    }
    let silent: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
    for _ in 0..100 {
        assert_eq!(ask(operations, "GET", "/healthz"), (200, "alive\n".to_owned()));
    }
    assert_eq!(ask(operations, "GET", "/metrics").0, 200);
    drop((stuck, silent));
    assert!(server.stop().success());
}

#[test]
fn there_is_no_listener_for_operations_unless_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "");
    let listening = fs::read_to_string(server.data().join("listening")).unwrap();
    assert!(!listening.contains("operations"), "{listening}");
}

#[test]
fn metrics_count_what_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), SETTINGS);
    let operations = server.other_address("operations");
    let before = samples(operations);
    let mut client = server.client();
    let entry = json!({ "magent-irtf-bridge:nothing": 1 }).to_string();
    for _ in 0..3 {
        assert_eq!(client.get("/restconf").status, 200);
    }
    let refused = client.ask("PUT", "/restconf/data/no:such", &[], entry.as_bytes()).unwrap().status;
    assert!((400..500).contains(&refused));
    let wrong = server.client_of(Some("Bearer nonsense")).get("/restconf").status;
    assert_eq!(wrong, 401);
    let nacm = json!({ "ietf-netconf-acm:nacm": { "enable-nacm": true } }).to_string();
    let fields = [("Content-Type", "application/yang-data+json")];
    let written =
        client.ask("PATCH", "/restconf/data/ietf-netconf-acm:nacm", &fields, nacm.as_bytes()).unwrap();
    assert_eq!(written.status, 204);
    let after = samples(operations);
    let grown = |name: &str| after.get(name).unwrap_or(&f64::NAN) - before.get(name).unwrap_or(&0.0);
    let requests = |method: &str, status: &str| {
        grown(&format!(
            "agentconf_http_requests_total{{scheme=\"https\",method=\"{method}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(requests("GET", "2xx"), 3.0);
    assert_eq!((requests("PUT", "4xx"), requests("GET", "4xx"), requests("PATCH", "2xx")), (1.0, 1.0, 1.0));
    assert_eq!(grown("agentconf_http_request_duration_seconds_count{method=\"GET\"}"), 4.0);
    assert_eq!(grown("agentconf_credentials_refused_total"), 1.0);
    assert_eq!(grown("agentconf_log_position"), 1.0);
    assert_eq!(grown("agentconf_commit_duration_seconds_count"), 1.0);
    assert_eq!(grown("agentconf_commit_group_requests_sum"), 1.0);
    let of = |family: &str| after.keys().filter(|name| name.starts_with(family)).count();
    assert_eq!(
        (of("agentconf_negotiations{"), of("agentconf_tasks{")),
        (5, 8),
        "all states, also those of none"
    );
    assert_eq!((after["agentconf_ready"], after["agentconf_agents"]), (1.0, 1.0));
    assert!(after["agentconf_connections"] >= 1.0 && after["process_open_fds"] > 3.0);
    assert!(after["process_resident_memory_bytes"] > 1e6 && after["process_cpu_seconds_total"] >= 0.0);
    assert!(server.stop().success());
}

#[test]
fn a_service_manager_is_told_when_the_server_is_ready_lives_reloads_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    let next = || {
        let mut datagram = [0; 1000];
        let length = manager.recv(&mut datagram).unwrap();
        String::from_utf8_lossy(&datagram[..length]).into_owned()
    };
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let mut server = Server::start_with(&folder.path().join("data"), SETTINGS, &environment);
    assert_eq!((next().as_str(), next().as_str()), ("READY=1", "WATCHDOG=1"));
    let other = || loop {
        let state = next();
        if state != "WATCHDOG=1" {
            return state;
        }
    };
    server.signal("-HUP");
    let (reloading, status, ready) = (other(), other(), other());
    assert_eq!(status, "STATUS=the configuration was read again");
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse::<u64>().unwrap();
    assert!(time > 0 && ready == "READY=1", "{reloading} {ready}");
    let missing = "tls = { certificate = \"none.pem\", key = \"none.key\" }";
    fs::write(folder.path().join("data.toml"), missing).unwrap();
    server.signal("-HUP");
    let (_, status, _) = (other(), other(), other());
    assert!(status.starts_with("STATUS=the configuration stays as it was: "), "{status}");
    assert!(status.contains("none.pem: I/O error: No such file"), "the whole chain: {status}");
    server.terminate();
    assert_eq!(other(), "STOPPING=1");
    assert!(server.ended().success());
}

/// Every file and directory, with what is in it.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(contents(&path)),
            false => drop(all.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    all
}

#[test]
fn a_check_finds_what_a_start_could_not_read_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let settings = "listen.ssh = [\"127.0.0.1:0\"]\n[operations]\nlisten = \"127.0.0.1:0\"";
    assert!(Server::start(&data, settings).stop().success());
    // What the last who had the log open would have removed, and nothing is in.
    if fs::metadata(data.join("log.sqlite3-wal")).is_ok_and(|file| file.len() == 0) {
        for file in ["log.sqlite3-wal", "log.sqlite3-shm"] {
            fs::remove_file(data.join(file)).unwrap();
        }
    }
    let file = data.with_extension("toml");
    let check = || {
        let output = run(&["serve", "--check", "--config", file.to_str().unwrap()], &data);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let before = contents(&data);
    assert_eq!(check(), (0, String::new()));
    // What stands where a file is expected, as a file that may not be read is none for root.
    for name in [
        "jwt.key",
        "log.sqlite3",
        "log.sqlite3-wal",
        "log.lock",
        "server.lock",
        "audit.key",
        "audit.pub",
        "callback.key",
        "pki/server.key",
        "pki/server.pem",
        "ssh/host_ed25519",
        "users.json",
        "audit/000001/log.sqlite3",
    ] {
        let (path, aside) = (data.join(name), folder.path().join("aside"));
        let is_there = fs::rename(&path, &aside).is_ok();
        fs::create_dir(&path).unwrap();
        let (code, said) = check();
        assert!(code == 1 && said.contains(name), "{name}: {code} {said}");
        fs::remove_dir(&path).unwrap();
        if is_there {
            fs::rename(&aside, &path).unwrap();
        }
    }
    let log = fs::read(data.join("log.sqlite3")).unwrap();
    for (name, content) in [
        ("jwt.key", &b""[..]),
        ("audit.key", b"nonsense"),
        ("callback.key", b""),
        ("pki/server.key", b""),
        ("ssh/host_ed25519", b""),
        (
            "log.sqlite3",
            b"something else that is long enough for a header of a database, as far as anybody can see here",
        ),
        ("log.sqlite3", &log[..log.len() / 2]),
    ] {
        let path = data.join(name);
        let old = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        let (code, said) = check();
        assert!(code == 1, "{name}: {code} {said}");
        fs::write(&path, old).unwrap();
    }
    assert_eq!((check().0, contents(&data)), (0, before));
}

#[test]
fn a_check_says_as_a_start_does_that_the_log_is_gone_or_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let lived = |name: &str, entries: u64| {
        let data = folder.path().join(name);
        let server = Server::start(&data, "");
        let mut client = server.client();
        for id in 0..entries {
            let entry = json!({"irtf-agent:data-params": [{"id": format!("p{id}"), "dataType": "text"}]});
            assert_eq!(client.send("POST", "/restconf/data", &entry).unwrap().status, 201);
        }
        assert!(server.stop().success());
        data
    };
    let (data, other) = (lived("data", 3), lived("other", 9));
    let file = data.with_extension("toml");
    let said = |arguments: &[&str]| {
        let output = run(arguments, &data);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let file = file.to_str().unwrap();
    let (check, start) = (["serve", "--check", "--config", file], ["serve", "--https", "127.0.0.1:0"]);
    assert_eq!(said(&check).0, 0);
    let log = data.join("log.sqlite3");
    let whole = fs::read(&log).unwrap();
    let refused = |expected: &str| {
        let before = contents(&data);
        for verb in [&check[..], &start] {
            let (code, said) = said(verb);
            assert!(code == 1 && said.contains(expected), "{verb:?}: {code} {said}");
            assert_eq!(contents(&data), before, "nothing is changed");
        }
    };
    fs::remove_file(&log).unwrap();
    refused("has no record, and there is a signed checkpoint");
    fs::copy(other.join("log.sqlite3"), &log).unwrap();
    refused("a signed checkpoint of another record");
    fs::write(&log, whole).unwrap();
    assert_eq!(said(&check).0, 0);
}

#[test]
fn all_that_a_server_says_is_json_where_that_is_asked_for_and_has_the_causes_of_errors() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let settings = "log.format = \"json\"\n";
    let server = Server::start(&data, settings);
    let missing = format!("{settings}tls = {{ certificate = \"none.pem\", key = \"none.key\" }}");
    fs::write(data.with_extension("toml"), missing).unwrap();
    server.signal("-HUP");
    server.wait_for_log("the configuration stays as it was");
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    };
    let log = lines(&server.log());
    let refused = log.iter().find(|line| line["message"] == "the configuration stays as it was").unwrap();
    assert!(refused["error.sources"].to_string().contains("No such file"), "{refused}");
    server.kill();

    // Without what would restore it.
    for file in ["log.sqlite3-wal", "log.sqlite3-shm"] {
        fs::remove_file(data.join(file)).unwrap();
    }
    fs::write(data.join("log.sqlite3"), "something else").unwrap();
    let (mut process, _) = spawn(&data, settings);
    assert!(!process.wait().unwrap().success());
    let said = lines(&fs::read_to_string(data.with_extension("stderr")).unwrap());
    let last = said.last().unwrap();
    let message = last["message"].as_str().unwrap();
    assert!(last["level"] == "ERROR" && message.contains("cannot start the application: "), "{last}");
    assert_eq!(message.matches("is not an event log").count(), 1, "{message}");
}

#[test]
fn whoever_stops_reading_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(Server::start(&data, "").stop().success());
    assert!(run(&["key", "add", "admin"], &data).status.success());
    for verb in [["log", "verify"], ["log", "dump"], ["audit", "export"], ["key", "list"], ["user", "list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf"));
        let output = command.args(verb).arg("--data").arg(&data).stdout(writer).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{verb:?}: {output:?}");
    }
}

#[test]
fn the_command_line_knows_a_server_by_its_directory_whatever_certificate_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let get = || run(&["get", "/ietf-yang-library:yang-library/content-id"], &data);
    let server = Server::start(&data, "");
    assert!(get().status.success());
    server.kill();
    // Of nobody's authority, and for another name than the address.
    for name in ["one", "other"] {
        let made = rcgen::generate_simple_self_signed([format!("{name}.example")]).unwrap();
        fs::write(folder.path().join(format!("{name}.pem")), made.cert.pem()).unwrap();
        fs::write(folder.path().join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    let server = Server::start(&data, "tls = { certificate = \"one.pem\", key = \"one.key\" }");
    let output = get();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Another certificate is not trusted, and is shown no token.
    let listening = data.join("listening");
    let said = fs::read_to_string(&listening).unwrap();
    assert!(said.contains("/one.pem"), "{said}");
    fs::write(&listening, said.replace("/one.pem", "/other.pem")).unwrap();
    let output = get();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("--ca"), "{told}");
    server.kill();
}

#[test]
fn a_key_that_ended_with_its_user_is_listed_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let done = |verb: &[&str]| {
        let output = run(verb, &data);
        assert!(output.status.success(), "{verb:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    done(&["user", "add", "ann"]);
    done(&["key", "add", "ann"]);
    done(&["user", "remove", "ann"]);
    done(&["user", "add", "ann", "--again"]);
    done(&["key", "add", "ann", "--agent", "planner"]);
    let listed = done(&["key", "list"]);
    let ended: Vec<_> = listed.lines().filter(|line| line.contains("\tended: ")).collect();
    assert!(ended.len() == 1 && listed.lines().count() == 2 && !ended[0].contains("planner"), "{listed}");
}

#[test]
fn nobody_gets_what_belonged_to_a_removed_user_unless_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ends = |verb: &[&str]| {
        let output = run(verb, &data);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for verb in [["user", "add", "ann"], ["user", "add", "bob"], ["user", "remove", "ann"]] {
        assert_eq!(ends(&verb).0, Some(0), "{verb:?}");
    }
    let (code, said) = ends(&["user", "add", "ann", "--group", "admin"]);
    let told = "the agents, tasks, data objects and delegations of that name would be the new user's";
    assert!(code == Some(1) && said.contains(told) && said.contains("--again"), "{said}");
    assert_eq!(ends(&["user", "set", "bob", "--group", "admin"]).0, Some(0));
    let listed = || String::from_utf8(run(&["user", "list"], &data).stdout).unwrap();
    assert!(listed().starts_with("bob\tadmin\t"), "{}", listed());
    assert_eq!(ends(&["user", "add", "ann", "--again"]), (Some(0), String::new()));
    assert!(listed().starts_with("ann\t"));
}

#[test]
fn nobody_but_its_user_writes_into_a_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(run(&["user", "add", "ann"], &data).status.success());
    assert!(run(&["token", "ann"], &data).status.success());
    let own = fs::metadata(&data).unwrap().uid();
    if chown(&data, Some(65_534), None).is_err() {
        println!("skipped: only root can give a directory to somebody else");
        return;
    }
    let before = contents(&data);
    for verb in [
        &["user", "add", "bob"][..],
        &["user", "set", "ann", "--group", "g"],
        &["user", "remove", "ann"],
        &["key", "add", "ann"],
        &["key", "revoke", "k"],
        &["token", "--rotate"],
        &["restore", "backup", "--force"],
        &["log", "compact"],
    ] {
        let output = run(verb, &data);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {said}");
        assert!(said.contains(&format!("uid {own} makes: run this as uid 65534")), "{verb:?}: {said}");
    }
    assert_eq!(contents(&data), before);
    assert!(run(&["token", "ann"], &data).status.success(), "it writes nothing");
    fs::remove_file(data.join("jwt.key")).unwrap();
    assert!(!run(&["token", "ann"], &data).status.success(), "it would make the key");
}

#[test]
fn a_configuration_is_checked_without_a_start_and_beside_a_server_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("checked.toml"));
    let check = |settings: &str| {
        fs::write(&file, settings).unwrap();
        let output = run(&["serve", "--check", "--config", file.to_str().unwrap()], &data);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check("").0, 0);
    assert!(!data.exists(), "nothing is made");
    for (settings, code, said) in [
        ("listen.https = []", 2, "listen.https is empty"),
        ("listen.https = [\"127.0.0.1:8443\", \"127.0.0.1:8443\"]", 2, "listen.https has 127.0.0.1:8443"),
        (
            "listen = { http = [\"127.0.0.1:8080\"], ssh = [\"0.0.0.0:8080\"] }",
            2,
            "listen.ssh has 0.0.0.0:8080",
        ),
        ("listen = { https = [\"127.0.0.1:0\", \"127.0.0.1:0\", \"[::1]:1\", \"0.0.0.0:1\"] }", 0, ""),
        ("nonsense = 1", 2, "unknown field"),
        ("log.level = \"agentconf=loud\"", 2, "log.level"),
        ("tls = { certificate = \"none.pem\", key = \"none.key\" }", 1, "none.pem"),
        ("tls.clients = { authorities = [\"none-ca.pem\"] }", 2, "tls.clients"),
        (
            "tokens.issuers = [{ issuer = \"i\", audience = \"a\", prefix = \"a:\", jwks = \"none.jwks\" }]",
            1,
            "none.jwks",
        ),
    ] {
        let (found, error) = check(settings);
        assert!(found == code && error.contains(said), "{settings}: {found} {error}");
    }
    let server = Server::start(&data, "");
    assert_eq!(check("").0, 0, "it may run meanwhile");
    fs::write(data.join("users.json"), "nonsense").unwrap();
    assert_eq!(check("").0, 1);
    fs::remove_file(data.join("users.json")).unwrap();
    fs::create_dir_all(data.join("writable/x")).unwrap();
    let (code, error) = check("");
    assert!(code == 1 && error.contains("write to"), "{error}");
    drop(server);
}
