//! What earlier versions have written is read by this one: a data directory of each, as it was left, under
//! `tests/vectors/upgrade`. Nothing there is ever changed. What is newer than this version is refused and left alone.

use std::fs;
use std::path::{Path, PathBuf};

use agentconf::log::{Log, NewRecord};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::Value as Json;

use crate::process::{LIMIT, Server, run, spawn};

fn fixtures() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/upgrade");
    let mut all: Vec<_> = fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.is_dir());
    all.sort();
    all
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// Whether all that an older version told is told, whatever is told beside it.
fn has(found: &Json, expected: &Json, place: &str) {
    match (found, expected) {
        (Json::Object(found), Json::Object(expected)) => {
            for (name, expected) in expected {
                has(found.get(name).unwrap_or(&Json::Null), expected, &format!("{place}/{name}"));
            }
        }
        (Json::Array(found), Json::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{place}");
            for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
                has(found, expected, &format!("{place}[{number}]"));
            }
        }
        (found, expected) => assert_eq!(found, expected, "{place}"),
    }
}

#[test]
fn the_directories_of_all_earlier_versions_are_read_and_verified() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 4, "they are kept for ever: {fixtures:?}");
    for fixture in fixtures {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        copy(&fixture.join("data"), &data);
        let expected: Json =
            serde_json::from_slice(&fs::read(fixture.join("expected.json")).unwrap()).unwrap();
        let has_snapshot = data.join("snapshots").exists();
        let server = Server::start(&data, "");
        assert_eq!(server.log().contains("read from a snapshot"), has_snapshot, "{}", server.log());
        let mut client = server.client();
        for (path, expected) in expected["data"].as_object().unwrap() {
            let answer = client.get(path);
            assert_eq!(answer.status, 200, "{fixture:?} {path}: {answer}");
            has(&answer.json(), expected, &format!("{fixture:?} {path}"));
        }
        for (user, password) in expected["passwords"].as_object().unwrap() {
            let basic = STANDARD.encode(format!("{user}:{}", password.as_str().unwrap()));
            assert_eq!(
                server.client_of(Some(&format!("Basic {basic}"))).get("/restconf").status,
                200,
                "{user}"
            );
        }
        let key = format!("Bearer {}", expected["api-key"].as_str().unwrap());
        assert_eq!(server.client_of(Some(&key)).get("/restconf").status, 200, "{fixture:?}: the API key");
        assert!(server.stop().success());
        let verified = run(&["log", "verify"], &data);
        let said = [verified.stdout, verified.stderr].concat();
        assert!(verified.status.success(), "{fixture:?}: {}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn what_a_newer_version_has_written_is_refused_and_left_as_it_is() {
    for change in [
        // A newer store, and a newer record in a store of today.
        "PRAGMA user_version = 99",
        "UPDATE record SET bytes = CAST(x'63' || substr(bytes, 2) AS BLOB) WHERE position = 1",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        // One whose first record is in the store.
        let newest = fixtures().into_iter().rfind(|fixture| !fixture.join("data/archive").exists());
        copy(&newest.unwrap().join("data"), &data);
        let store = Connection::open(data.join("log.sqlite3")).unwrap();
        store.execute_batch(change).unwrap();
        drop(store);
        let log = |data: &Path| fs::read(data.join("log.sqlite3")).unwrap();
        let before = log(&data);
        let (mut process, listening) = spawn(&data, "");
        assert_eq!(listening.recv_timeout(LIMIT).unwrap_or_default(), "", "{change}");
        assert!(!process.wait().unwrap().success());
        let said = fs::read_to_string(data.with_extension("stderr")).unwrap();
        assert!(said.contains("a newer agentconf"), "{said}");
        assert!(log(&data) == before, "{change}");
    }
}

/// An edit of a module that this program does not have is written into the log, as one that had it would have.
fn edit_of_another_module(data: &Path, edit: Json) {
    let mut log = Log::open(data).unwrap();
    let record = NewRecord {
        at: 1_800_000_000_000_000,
        kind: 1,
        version: 1,
        actor: String::new(),
        origin: String::new(),
        payload: serde_json::json!([edit]).to_string().into_bytes(),
    };
    log.append(&[vec![record]]).unwrap();
    log.close().unwrap();
}

#[test]
fn data_of_a_module_that_is_gone_keeps_a_server_from_starting_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(Server::start(&data, "").stop().success());
    let check = || {
        let checked = run(&["serve", "--check"], &data);
        (checked.status.code(), String::from_utf8_lossy(&checked.stderr).into_owned())
    };
    assert_eq!(check().0, Some(0));
    let beast = serde_json::json!([{"node": "acme-odd:beast"}]);
    let made = serde_json::json!({"acme-odd:beast": {"legs": 4}});
    edit_of_another_module(&data, serde_json::json!({"op": "create", "path": beast, "value": made}));
    let stored = || fs::read(data.join("log.sqlite3")).unwrap();
    let before = stored();
    let (code, said) = check();
    assert!(code == Some(1) && said.contains("/acme-odd:beast"), "{code:?} {said}");
    let (mut process, listening) = spawn(&data, "");
    assert_eq!(listening.recv_timeout(LIMIT).unwrap_or_default(), "");
    assert!(!process.wait().unwrap().success());
    let said = fs::read_to_string(data.with_extension("stderr")).unwrap();
    assert!(said.contains("/acme-odd:beast") && said.contains("can remove it"), "{said}");
    assert!(stored() == before, "nothing is lost");

    edit_of_another_module(&data, serde_json::json!({"op": "delete", "path": beast}));
    let (code, said) = check();
    assert_eq!(code, Some(0), "{said}");
    let server = Server::start(&data, "");
    let entry = serde_json::json!({"irtf-agent:data-params": [{"id": "new", "dataType": "text"}]});
    let put = server.client().send("PUT", "/restconf/data/irtf-agent:data-params=new", &entry).unwrap();
    assert_eq!(put.status, 201, "{put}");
    assert!(server.stop().success());
    let verified = run(&["log", "verify"], &data);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn a_newer_snapshot_is_left_out_and_what_is_in_the_log_is_read() {
    const ENTRY: &str = "/restconf/data/irtf-agent:data-params=kept";
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, "[limits]\nsnapshot_events_min = 1\n");
    let entry = serde_json::json!({"irtf-agent:data-params": [{"id": "kept", "dataType": "text"}]});
    assert_eq!(server.client().send("PUT", ENTRY, &entry).unwrap().status, 201);
    assert!(server.stop().success());
    let snapshots = || {
        let files = fs::read_dir(data.join("snapshots")).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|end| end == "snapshot")).collect::<Vec<_>>()
    };
    let written = snapshots();
    assert!(!written.is_empty(), "the end writes one");
    for file in &written {
        let octets = fs::read(file).unwrap();
        let rest = octets.strip_prefix(b"agentconf snapshot 1\n").unwrap();
        fs::write(file, [b"agentconf snapshot 2\n", rest].concat()).unwrap();
    }
    let before: Vec<Vec<u8>> = written.iter().map(|file| fs::read(file).unwrap()).collect();
    let server = Server::start(&data, "[limits]\nsnapshot_events_min = 0\n");
    assert_eq!(server.client().get(ENTRY).status, 200);
    assert!(server.log().contains("this is no snapshot"), "{}", server.log());
    assert!(server.stop().success());
    let after: Vec<Vec<u8>> = written.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(before == after && snapshots() == written);
}
