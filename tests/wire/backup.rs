//! Backups of a server that is at work, and what is restored of them: the same data at the same position, wherever the backup or
//! the restore was cut short, and nothing at all of a backup that was altered.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::{Value as Json, json};

use crate::http::Client;
use crate::process::{LIMIT, Server, run, spawn};

const DATA: &str = "/restconf/data/irtf-agent:data-params";
const USER: &str = "/restconf/data/magent-access:access/users/user=bob";
const READ: &str = "/restconf/data/ietf-yang-library:yang-library/content-id";
/// Each edit over RESTCONF is a transaction of two records with it.
const STARTUP: &str = "datastores.startup = true\n";

/// Writes an entry; the position of the log that it got.
fn write(client: &mut Client, id: &str, data: &str) -> u64 {
    let entry = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": data}]});
    let answer = client.send("PUT", &format!("{DATA}={id}"), &entry).unwrap();
    assert!(matches!(answer.status, 201 | 204), "{answer}");
    let tag = answer.field("etag").unwrap().trim_matches('"');
    tag.split('-').next().unwrap().parse().unwrap()
}

/// All entries.
fn entries(server: &Server) -> BTreeMap<String, String> {
    let answer = server.client().get("/restconf/data?content=config&fields=irtf-agent:data-params");
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let found = answer.json()["ietf-restconf:data"]["irtf-agent:data-params"].clone();
    let found = found.as_array().cloned().unwrap_or_default();
    found.iter().map(|entry| (text(&entry["id"]), text(&entry["data"]))).collect()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A verb that has to succeed; what it said.
fn done(verb: &[&str], data: &Path) -> String {
    let output = run(verb, data);
    assert!(output.status.success(), "{verb:?}: {}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A verb that has to fail with status 1; what it said.
fn refused(verb: &[&str], data: &Path) -> String {
    let output = run(verb, data);
    assert_eq!(output.status.code(), Some(1), "{verb:?}: {}", told(&output));
    String::from_utf8(output.stderr).unwrap()
}

fn backup(target: &Path, data: &Path) -> String {
    done(&["backup", text(target)], data)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The number after a word.
fn number(text: &str, word: &str) -> u64 {
    let rest = text.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {text:?}")).1;
    rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn dumped(data: &Path) -> Vec<Json> {
    done(&["log", "dump"], data).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn a_backup_made_while_clients_write_is_what_the_server_had_then() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("backup"));
    let server = Server::start(&data, "");
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (mut client, stop) = (server.client(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut written = Vec::new();
                while !stop.load(Relaxed) {
                    let count = written.len();
                    // The same entries again and again, so that what is there tells which edit was the last.
                    let (id, content) = (format!("{writer}-{}", count % 7), count.to_string());
                    written.push((write(&mut client, &id, &content), id, content));
                }
                written
            })
        })
        .collect();
    let positions: Vec<u64> = (0..4).map(|_| number(&backup(&target, &data), "position")).collect();
    stop.store(true, Relaxed);
    let mut written: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    written.sort();
    assert!(positions.is_sorted() && positions[0] < positions[3], "they wrote meanwhile: {positions:?}");
    assert_eq!(files(&target.join("log")).len(), 1, "a small file is written anew with what follows");
    let held = |position: u64| -> BTreeMap<String, String> {
        let earlier = written.iter().filter(|(at, ..)| *at <= position);
        earlier.map(|(_, id, content)| (id.clone(), content.clone())).collect()
    };

    // The first run's end is a point of what the later ones have added to.
    for (number, position) in [(0, positions[3]), (1, positions[0])] {
        let restored = folder.path().join(format!("restored-{number}"));
        done(&["restore", text(&target), "--to", &position.to_string()], &restored);
        let again = Server::start(&restored, "");
        assert_eq!(entries(&again), held(position), "at {position} of {positions:?}");
        assert!(!again.log().contains("not as it was left"), "{}", again.log());
        let next = write(&mut again.client(), "next", "x");
        assert_eq!(next, position + 1);
        assert!(again.stop().success());
        let whole = done(&["log", "verify"], &restored);
        assert!(whole.contains(&format!("put back to position {position}")), "{whole}");
    }
    // What it holds is for its owner alone.
    for path in files(&target) {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

fn begin(verb: &[&str], data: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf"));
    command.args(verb).arg("--data").arg(data).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Kills it as soon as there is a file; false if it has ended before.
fn kill_when(mut process: Child, is_there: impl Fn() -> bool) -> bool {
    while !is_there() && process.try_wait().unwrap().is_none() {
        thread::yield_now();
    }
    process.kill().unwrap();
    !process.wait().unwrap().success()
}

#[test]
fn a_backup_and_a_restore_that_were_killed_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("backup"));
    let server = Server::start(&data, "");
    let mut client = server.client();
    // More than two files of a backup hold.
    let content = "x".repeat(512 << 10);
    for entry in 0..24 {
        write(&mut client, &format!("e{entry}"), &content);
    }
    let log = target.join("log");
    let finished = || -> Vec<PathBuf> {
        let found = if log.exists() { files(&log) } else { Vec::new() };
        found.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "records")).collect()
    };
    let killed = kill_when(begin(&["backup", text(&target)], &data), || !finished().is_empty());
    assert!(killed && !target.join("backup.json").exists(), "it was killed in the middle");
    let refusal = refused(&["backup", text(&target), "--verify"], &data);
    assert!(refusal.contains("is no finished backup"), "{refusal}");
    let restored = folder.path().join("restored");
    let refusal = refused(&["restore", text(&target)], &restored);
    assert!(refusal.contains("is no finished backup") && !restored.exists(), "{refusal}");

    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let before = finished();
    let first = inode(&before[0]);
    let position = number(&backup(&target, &data), "position");
    assert_eq!((inode(&before[0]), before.len() < finished().len()), (first, true), "{before:?}");
    assert!(files(&log).iter().all(|path| !path.ends_with("unfinished")));
    done(&["backup", text(&target), "--verify"], &data);

    // What was finished stays so while it is gone on with.
    for entry in 24..48 {
        write(&mut client, &format!("e{entry}"), &content);
    }
    let before = finished();
    let more = || finished().len() > before.len();
    assert!(kill_when(begin(&["backup", text(&target)], &data), more), "it was killed in the middle");
    let whole = done(&["backup", text(&target), "--verify"], &data);
    assert_eq!(number(&whole, "position"), position);
    assert_eq!(number(&backup(&target, &data), "position"), position + 24);
    let whole = done(&["backup", text(&target), "--verify"], &data);
    assert_eq!(number(&whole, "position"), position + 24);
    let position = position + 24;

    let building = folder.path().join("restored.restoring");
    let process = begin(&["restore", text(&target)], &restored);
    let has_begun = || fs::metadata(building.join("log.sqlite3-wal")).is_ok_and(|file| file.len() > 1 << 20);
    assert!(kill_when(process, has_begun), "it was killed in the middle");
    assert!(building.exists() && !restored.exists());
    let other = refused(&["restore", text(&target), "--to", "3"], &restored);
    assert!(other.contains("unfinished restore"), "{other}");
    done(&["restore", text(&target)], &restored);
    assert!(!building.exists());
    let (was, is) = (dumped(&data), dumped(&restored));
    assert_eq!(is.last().unwrap()["position"], json!(position));
    assert_eq!(was[..is.len()], is[..]);
    done(&["log", "verify"], &restored);
    drop(server);
}

#[test]
fn a_bit_that_was_flipped_in_a_backup_is_found_and_nothing_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("backup"));
    let server = Server::start(&data, "");
    for entry in 0..5 {
        write(&mut server.client(), &format!("e{entry}"), "content");
    }
    assert!(server.stop().success());
    backup(&target, &data);
    let restored = folder.path().join("restored");
    for path in files(&target) {
        let whole = fs::read(&path).unwrap();
        for octet in
            [0, whole.len() / 3, whole.len().saturating_sub(1)].into_iter().filter(|n| *n < whole.len())
        {
            let mut flipped = whole.clone();
            flipped[octet] ^= 1 << (octet % 7);
            fs::write(&path, flipped).unwrap();
            let refusal = refused(&["backup", text(&target), "--verify"], &data);
            assert!(refusal.contains(text(&path)), "octet {octet} of {path:?}: {refusal}");
            if path.extension().is_some_and(|kind| kind == "records") {
                assert!(refusal.contains("at octet "), "{refusal}");
            }
            assert_eq!(refused(&["restore", text(&target)], &restored), refusal);
        }
        fs::write(&path, &whole[..whole.len().saturating_sub(1)]).unwrap();
        if !whole.is_empty() && path.file_name().unwrap() != "backup.json" {
            let refusal = refused(&["backup", text(&target), "--verify"], &data);
            assert!(refusal.contains(text(&path)), "{path:?} is shorter: {refusal}");
        }
        if path.extension().is_none_or(|kind| kind != "lock") {
            fs::remove_file(&path).unwrap();
            let refusal = refused(&["backup", text(&target), "--verify"], &data);
            let is_named = refusal.contains(text(&path)) || path.ends_with("backup.json");
            assert!(is_named, "{path:?} is gone: {refusal}");
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(!restored.exists() && !folder.path().join("restored.restoring").exists());
    done(&["restore", text(&target)], &restored);
}

#[test]
fn a_restore_ends_at_a_position_or_a_time_and_never_inside_of_a_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("backup"));
    let server = Server::start(&data, &format!("{STARTUP}audit.checkpoint-seconds = 1\n"));
    for entry in 0..4 {
        write(&mut server.client(), &format!("e{entry}"), "content");
    }
    // What is signed of later positions stays in the trail.
    let signed = || {
        let text = fs::read_to_string(data.join("audit/checkpoint.json")).unwrap();
        serde_json::from_str::<Json>(&text).unwrap()["log-position"].as_u64().unwrap()
    };
    while signed() < 9 {
        server.client().get(READ);
    }
    backup(&target, &data);
    let records = dumped(&data);
    let is_first = |record: &&Json| record["kind"] == "edited" && record["transaction-end"] == json!(false);
    let edits: Vec<&Json> = records.iter().filter(is_first).collect();
    assert_eq!(edits.len(), 4, "{records:?}");
    let position = |record: &Json| record["position"].as_u64().unwrap();
    let second = edits[1];
    assert_eq!(records[position(second) as usize]["transaction"], second["position"]);

    let ids = |restored: &Path| {
        let text = done(&["log", "replay", "--datastore", "running"], restored);
        let shown: Json = serde_json::from_str(&text).unwrap();
        let entries = shown["irtf-agent:data-params"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let whole = position(second) + 1;
    let time = second["time"].as_str().unwrap().to_owned();
    for (to, end, expected) in [
        (whole.to_string(), whole, vec!["e0", "e1"]),
        (position(second).to_string(), position(second) - 1, vec!["e0"]),
        (time, whole, vec!["e0", "e1"]),
    ] {
        let restored = folder.path().join(format!("restored-{}", to.replace(':', "-")));
        let told = done(&["restore", text(&target), "--to", &to], &restored);
        assert_eq!(number(&told, "restored: position"), end, "{to}");
        assert_eq!(ids(&restored), expected, "{to}");
        let replayed = done(&["log", "replay", "--format", "json", "--to", &to], &data);
        assert_eq!(serde_json::from_str::<Json>(&replayed).unwrap()["position"], json!(end), "{to}");
        let exported = done(&["audit", "export", "--kind", "administration"], &restored);
        assert!(exported.contains("event-log-restored"), "{exported}");
        assert!(exported.contains(&format!("to position {end} from {}", records.len())), "{exported}");
        let whole = done(&["log", "verify"], &restored);
        assert!(whole.contains(&format!("whole: {end} records")), "{whole}");
    }
    let nowhere = folder.path().join("nowhere");
    let beyond = (records.len() + 1).to_string();
    let refusal = refused(&["restore", text(&target), "--to", &beyond], &nowhere);
    assert!(refusal.contains(&format!("ends at position {}", records.len())), "{refusal}");
    let refusal = refused(&["restore", text(&target), "--to", "2001-01-01T00:00:00Z"], &nowhere);
    assert!(refusal.contains("nothing was recorded by then"), "{refusal}");
    let refusal = run(&["restore", text(&target), "--to", "yesterday"], &nowhere);
    assert_eq!(refusal.status.code(), Some(2), "{}", told(&refusal));
    assert!(!nowhere.exists());
    drop(server);
}

#[test]
fn nothing_is_restored_over_a_server_or_over_files_and_what_was_there_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("backup"));
    let server = Server::start(&data, "");
    write(&mut server.client(), "kept", "x");
    backup(&target, &data);
    let after = write(&mut server.client(), "later", "x");
    for force in [&["restore", text(&target)][..], &["restore", text(&target), "--force"]] {
        let refusal = refused(force, &data);
        assert!(refusal.contains("another server is using"), "{refusal}");
    }
    assert_eq!(entries(&server).len(), 2);
    assert!(server.stop().success());
    let refusal = refused(&["restore", text(&target)], &data);
    assert!(refusal.contains("is not empty"), "{refusal}");
    let told = done(&["restore", text(&target), "--force"], &data);
    let aside = told.lines().next().unwrap().strip_prefix("what was there before is in ").unwrap();
    assert_eq!(number(&done(&["log", "replay"], Path::new(aside)), "position"), after);

    // The log that goes on from there is another one than the one that was copied further.
    let longer = folder.path().join("longer");
    backup(&longer, Path::new(aside));
    let server = Server::start(&data, "");
    assert_eq!(entries(&server).len(), 1);
    write(&mut server.client(), "other", "x");
    let refusal = refused(&["backup", text(&longer)], &data);
    assert!(refusal.contains("is of another log"), "{refusal}");
    done(&["backup", text(&longer), "--verify"], &data);
    let inside = data.join("backup");
    let refusal = refused(&["backup", text(&inside)], &data);
    assert!(refusal.contains("inside of the data directory"), "{refusal}");
}

#[test]
fn secrets_that_an_earlier_configuration_refers_to_come_back_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("backup"));
    let server = Server::start(&data, "");
    let mut admin = server.client();
    let bob = format!("Basic {}", STANDARD.encode("bob:a horse of battery staples"));
    let user = json!({"magent-access:user": [{"name": "bob", "password": "$0$a horse of battery staples"}]});
    assert_eq!(admin.send("PUT", USER, &user).unwrap().status, 201);
    let position = number(&backup(&target, &data), "position");
    assert_eq!(admin.send("DELETE", USER, &Json::Null).unwrap().status, 204);
    assert_eq!(server.client_of(Some(&bob)).get(READ).status, 401);
    // As the server does when nothing has referred to it for long.
    for secret in files(&data.join("secrets")) {
        fs::remove_file(secret).unwrap();
    }
    assert!(number(&backup(&target, &data), "position") > position);

    let (now, then) = (folder.path().join("now"), folder.path().join("then"));
    done(&["restore", text(&target)], &now);
    let restored = run(&["restore", text(&target), "--to", &position.to_string()], &then);
    assert!(restored.status.success() && restored.stderr.is_empty(), "{}", told(&restored));
    for (data, status) in [(now, 401), (then, 200)] {
        let server = Server::start(&data, "");
        assert_eq!(server.client_of(Some(&bob)).get(READ).status, status, "{data:?}");
    }
    // Of a backup that never had it, this is said.
    let late = folder.path().join("late");
    backup(&late, &data);
    let lacking = folder.path().join("lacking");
    let restored = run(&["restore", text(&late), "--to", &position.to_string()], &lacking);
    assert!(restored.status.success(), "{}", told(&restored));
    assert!(told(&restored).contains("the backup has no secret for $kept$"), "{}", told(&restored));
}

#[test]
fn a_start_without_the_log_that_the_other_files_belong_to_is_refused_and_removes_nothing() {
    const SNAPSHOTS: &str = "[limits]\nsnapshot_events_min = 1\n";
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (log, aside) = (data.join("log.sqlite3"), folder.path().join("aside"));
    let read = |path: &Path| fs::read(path).unwrap();
    let server = Server::start(&data, SNAPSHOTS);
    write(&mut server.client(), "first", "x");
    assert!(server.stop().success());
    let older = read(&log);
    let server = Server::start(&data, SNAPSHOTS);
    let last = write(&mut server.client(), "last", "x");
    assert!(server.stop().success());
    let newest = read(&log);
    let blob = data.join("blobs").join("a".repeat(64));
    fs::write(&blob, "a part").unwrap();
    fs::File::options().write(true).open(&blob).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();

    let is_refused = |of: Option<&[u8]>, why: &[&str]| {
        match of {
            Some(octets) => fs::write(&log, octets).unwrap(),
            None => fs::remove_file(&log).unwrap(),
        }
        let (mut process, listening) = spawn(&data, SNAPSHOTS);
        assert_eq!(listening.recv_timeout(LIMIT).unwrap_or_default(), "", "{why:?}");
        assert!(!process.wait().unwrap().success());
        let said = fs::read_to_string(data.with_extension("stderr")).unwrap();
        assert!(why.iter().all(|why| said.contains(why)), "{why:?}: {said}");
        assert!(said.contains("restore a backup"), "{said}");
        assert_eq!(fs::read(&log).ok().as_deref(), of, "it is left as it is");
        assert!(blob.exists(), "nothing is swept");
    };
    let at = format!("for position {last}");
    let signed = ["a signed checkpoint", &at];
    for _ in 0..2 {
        is_refused(Some(&newest[..0]), &["has no record", signed[0], &at]);
        is_refused(None, &["has no record", signed[0], &at]);
        is_refused(Some(&older), &["ends at position", signed[0], &at]);
    }
    let (snapshots, put_away) = (data.join("snapshots"), folder.path().join("snapshots"));
    fs::rename(data.join("audit/checkpoint.json"), &aside).unwrap();
    fs::rename(&snapshots, &put_away).unwrap();
    is_refused(Some(b""), &["an entry of the audit trail"]);
    fs::rename(&put_away, &snapshots).unwrap();
    fs::rename(&aside, data.join("audit/checkpoint.json")).unwrap();
    fs::rename(data.join("audit"), &aside).unwrap();
    is_refused(Some(b""), &["a snapshot", &at]);
    let archive = data.join("archive").join(format!("{:020}-{:020}.records", 1, last + 1));
    fs::create_dir(data.join("archive")).unwrap();
    fs::write(&archive, "").unwrap();
    is_refused(Some(&newest), &["an archive", "ends at position"]);
    fs::remove_file(&archive).unwrap();
    fs::rename(&aside, data.join("audit")).unwrap();

    fs::write(&log, &newest).unwrap();
    let server = Server::start(&data, SNAPSHOTS);
    assert_eq!(entries(&server).len(), 2);
    assert!(server.stop().success());
    done(&["log", "verify"], &data);
}

#[test]
fn what_is_before_damage_in_the_log_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, "");
    let positions: Vec<u64> =
        (0..5).map(|entry| write(&mut server.client(), &format!("e{entry}"), "x")).collect();
    assert!(server.stop().success());
    let (last, damaged) = (positions[2].to_string(), positions[3]);
    let store = Connection::open(data.join("log.sqlite3")).unwrap();
    store.execute("UPDATE record SET bytes = x'00' WHERE position = ?1", [damaged as i64]).unwrap();
    drop(store);
    assert_eq!(done(&["log", "dump", "--to", &last], &data).lines().count() as u64, positions[2]);
    assert_eq!(number(&done(&["log", "replay", "--to", &last], &data), "position"), positions[2]);
    for (verb, written) in [(["log", "dump"], "\"e2\""), (["audit", "export"], "data-params[id='e2']")] {
        let output = run(&verb, &data);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(output.status.code() == Some(1) && text.contains(written), "{verb:?}: {}", told(&output));
        assert!(told(&output).contains(&format!("damaged at position {damaged}")), "{}", told(&output));
    }
}
