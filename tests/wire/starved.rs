//! A server that cannot write: no space, a limit on the size of files, a directory that it may only read. It says so, goes on
//! reading, loses nothing that it acknowledged, and writes again by itself as soon as that is possible.
//!
//! The limit on the size of files is a failure that every system can bring about, for whoever runs the tests. A full file
//! system needs one to be mounted, and a directory that may only be read a user who is not root: where that is not possible,
//! the test says so and ends.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::http::{Answer, Client};
use crate::process::{LIMIT, Server, run, spawn};

const DATA: &str = "/restconf/data/irtf-agent:data-params";
const PASSWORD: &str = "/restconf/data/magent-access:access/users/user=ann";

fn put(client: &mut Client, id: u32) -> Answer {
    let entry = json!({"irtf-agent:data-params": [{"id": format!("e{id}"), "dataType": "text"}]});
    client.send("PUT", &format!("{DATA}=e{id}"), &entry).unwrap()
}

/// Ids of the entries that there are.
fn entries(client: &mut Client) -> Vec<String> {
    let all = client.get(DATA).json();
    let all = all["irtf-agent:data-params"].as_array().unwrap();
    all.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

fn refused(answer: &Answer, tag: &str, app_tag: &str) {
    let error: &Json = &answer.json()["ietf-restconf:errors"]["error"][0];
    assert_eq!((answer.status, &error["error-tag"]), (503, &json!(tag)), "{answer}");
    assert_eq!(
        (answer.field("retry-after"), &error["error-app-tag"]),
        (Some("10"), &json!(app_tag)),
        "{answer}"
    );
}

fn whole(data: &Path) {
    let output = run(&["log", "verify"], data);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a server does that has lived through it: `starve` makes writing impossible, `feed` possible.
fn goes_on(data: &Path, tag: &str, app_tag: &str, starve: impl Fn(&Server), feed: impl Fn(Option<&Server>)) {
    let server = Server::start(data, "");
    let mut client = server.client();
    assert_eq!(put(&mut client, 1).status, 201);
    for round in [1, 2] {
        starve(&server);
        for _ in 0..3 {
            refused(&put(&mut client, 9), tag, app_tag);
        }
        let user = json!({"magent-access:user": [{"name": "ann", "password": "$0$correct horse battery"}]});
        refused(&client.send("PUT", PASSWORD, &user).unwrap(), tag, app_tag);
        // What has to be noted in the audit trail is served all the same.
        assert_eq!(server.client_of(Some("Basic YTpi")).get(DATA).status, 401);
        assert_eq!(entries(&mut client).len(), round);
        feed(Some(&server));
        assert_eq!(put(&mut client, 1 + round as u32).status, 201, "it writes again by itself");
    }
    // Killed in the middle of it, it has what it acknowledged.
    starve(&server);
    refused(&put(&mut client, 9), tag, app_tag);
    server.kill();
    feed(None);
    let server = Server::start(data, "");
    assert_eq!(entries(&mut server.client()), ["e1", "e2", "e3"]);
    // And so it has if it ends in order.
    starve(&server);
    refused(&put(&mut server.client(), 9), tag, app_tag);
    // What it could not move into the database file the next start moves.
    assert!(server.stop().success());
    feed(None);
    let server = Server::start(data, "");
    assert_eq!(entries(&mut server.client()), ["e1", "e2", "e3"]);
    server.kill();
    whole(data);
}

#[test]
fn writes_that_the_system_refuses_are_answered_and_the_server_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (starve, feed) = (
        |server: &Server| server.limit_files(Some(1)),
        |server: Option<&Server>| server.into_iter().for_each(|server| server.limit_files(None)),
    );
    goes_on(&data, "operation-failed", "storage-failed", starve, feed);
}

/// A small file system of one test.
struct Mounted(PathBuf);

impl Mounted {
    /// None if this user may not mount anything.
    fn new(place: &Path) -> Option<Mounted> {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(place).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Mounted(place.to_owned()))
    }

    /// Fills all that is left.
    fn fill(&self) {
        let mut filler = fs::File::create(self.0.join("filler")).unwrap();
        for size in [1 << 20, 4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn clear(&self) {
        // It may not be there yet.
        let _ = fs::remove_file(self.0.join("filler"));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // At worst it stays until the machine starts anew.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_answered_and_the_server_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::new(directory.path()) else {
        println!("skipped: only root can mount a small file system");
        return;
    };
    let data = directory.path().join("data");
    goes_on(&data, "resource-denied", "storage-full", |_| mounted.fill(), |_| mounted.clear());
    // After a stop in order SQLite has to make what it needs beside a database.
    assert!(Server::start(&data, "").stop().success());
    mounted.fill();
    let refused = run(&["serve", "--https", "127.0.0.1:0"], &data);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("/log.sqlite3: there is no room left"), "{said}");
    mounted.clear();
    drop(Server::start(&data, ""));
}

#[test]
fn a_directory_that_may_only_be_read_refuses_the_start_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    Server::start(&data, "").kill();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::File::create(data.join("probe")).is_ok() {
        println!("skipped: root may write everywhere");
        return;
    }
    let (mut process, listening) = spawn(&data, "");
    let status = process.wait().unwrap();
    assert!(listening.recv_timeout(LIMIT).unwrap_or_default().is_empty() && !status.success());
    let said = fs::read_to_string(data.with_extension("stderr")).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(said.contains("cannot ") && said.contains("Permission denied"), "{said}");
    drop(Server::start(&data, ""));
}
