//! How long the server waits for who is slow, and what it still does when it is to stop. It never sends anything wrong.

#![allow(clippy::disallowed_methods, reason = "what it waits for has to come within so long")]

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::http::{Client, Connection, JSON, read_answer};
use crate::process::{LIMIT, Server};
use crate::victim::{DATA, ENTRY};

/// Entries of the large list, and the octets of text in each: together more than the operating systems of both sides
/// hold for one connection.
const ENTRIES: usize = 1200;
const TEXT_BYTES: usize = 12_000;

/// Puts the list into the server, in one edit.
fn fill(client: &mut Client) {
    let entry = |n: usize| json!({"id": format!("e{n}"), "dataType": "text", "description": "d".repeat(TEXT_BYTES), "format": "f"});
    let entries: Vec<Json> = (0..ENTRIES).map(entry).collect();
    let body = json!({"ietf-restconf:data": {"irtf-agent:data-params": entries}});
    assert_eq!(client.send("PATCH", "/restconf/data", &body).unwrap().status, 204);
}

/// Asks for the list and reads the beginning of the answer.
fn begun(client: &Client) -> Connection {
    let mut connection = client.connect().unwrap();
    connection.get_mut().write_all(client.head("GET", DATA, &[("Accept", JSON)]).as_bytes()).unwrap();
    let mut status = [0; 12];
    connection.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    connection
}

/// What is left of a chunked answer, and whether it came to its end.
fn rest(mut connection: Connection) -> (usize, bool) {
    let mut rest = Vec::new();
    let _ = connection.read_to_end(&mut rest);
    (rest.len(), rest.ends_with(b"\r\n0\r\n\r\n"))
}

#[test]
fn who_does_not_read_a_large_answer_is_cut_off_and_gives_back_its_share() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, "");
    fill(&mut server.client());
    server.kill();
    let server = Server::start(&data, "[limits]\nidle_timeout_s = 3\nlarge_answers_user_max = 1\n");
    let mut client = server.client();
    let stopped = begun(&client);
    // One large answer at a time for each user; others and small ones are not held up.
    let busy = client.get(DATA);
    assert_eq!((busy.status, busy.field("retry-after")), (503, Some("1")), "{busy}");
    assert!(String::from_utf8_lossy(&busy.body).contains("too many of your"), "{busy}");
    assert_eq!(client.get(&format!("{DATA}/irtf-agent:data-params=e7/format")).status, 200);
    let start = Instant::now();
    while client.get(DATA).status != 200 {
        assert!(start.elapsed() < LIMIT, "who does not read holds its share for ever");
    }
    let (octets, is_whole) = rest(stopped);
    assert!(!is_whole && octets < ENTRIES * TEXT_BYTES, "{octets} octets came");
}

#[test]
fn a_body_that_comes_octet_by_octet_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), "[limits]\nbody_timeout_s = 1\n");
    let client = server.client();
    let head = client.head("PUT", ENTRY, &[("Content-Type", JSON), ("Content-Length", "100000")]);
    let mut connection = client.connect().unwrap();
    connection.get_mut().write_all(head.as_bytes()).unwrap();
    connection.get_mut().sock.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let start = Instant::now();
    let answer = loop {
        assert!(start.elapsed() < LIMIT, "a body that does not end is taken for ever");
        let _ = connection.get_mut().write_all(b" ");
        if let Ok(answer) = read_answer(&mut connection, false) {
            break answer;
        }
    };
    assert_eq!(answer.status, 408, "{answer}");
}

#[test]
fn what_is_being_answered_when_the_server_stops_is_answered_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&directory.path().join("data"), "");
    fill(&mut server.client());
    let (large, mut idle) = (begun(&server.client()), server.client().connect().unwrap());
    idle.get_mut().write_all(b"").unwrap();
    server.terminate();
    // It accepts no more: that is how one sees that it is stopping.
    let start = Instant::now();
    while server.client().ask("GET", DATA, &[], b"").is_ok() {
        assert!(start.elapsed() < LIMIT, "the server goes on accepting");
    }
    let (octets, is_whole) = rest(large);
    assert!(is_whole && octets > ENTRIES * TEXT_BYTES, "{octets} octets came");
    assert!(server.ended().success(), "{}", server.log());
}
