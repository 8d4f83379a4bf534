//! More than the server may take: what is too much is refused at once with 503 and `Retry-After`, who was admitted goes on, the
//! memory stays within its bound, and with the load the refusals end. It never waits for the load to be over by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use serde_json::json;

use crate::http::{Client, JSON};
use crate::process::{LIMIT, Server, run};

const DATA: &str = "/restconf/data/irtf-agent:data-params";
const VERSION: &str = "/restconf/yang-library-version";
const MB: u64 = 1024 * 1024;

/// What the answer to a request over plain HTTP begins with, up to the end of its head.
fn head_of_answer(tcp: TcpStream) -> String {
    let mut head = String::new();
    let mut lines = BufReader::new(tcp);
    while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).is_ok_and(|count| count > 0) {}
    head
}

fn connect(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(LIMIT)).unwrap();
    tcp.set_write_timeout(Some(LIMIT)).unwrap();
    tcp
}

/// A body of so many octets, which is no good entry.
fn body(octets: usize) -> Vec<u8> {
    let mut body = br#"{"irtf-agent:data-params":[{"id":"big","description":""#.to_vec();
    body.resize(octets, b'd');
    body
}

#[test]
fn bodies_beyond_what_may_be_held_are_refused_and_those_before_are_answered() {
    const BODY: usize = 1_000_000;
    let directory = tempfile::tempdir().unwrap();
    let settings = "[listen]\nhttp = [\"127.0.0.1:0\"]\n[limits]\nreceived_bytes_max = 6000000\nreceived_bytes_user_max = 4600000\n";
    let server = Server::start(&directory.path().join("data"), settings);
    let address = server.other_address("http");
    let mut client = server.client();
    let before = server.memory();
    // Of the user's part seven eighths are for such bodies: four of them have room for all but the end.
    let (told, answers) = sync_channel(100);
    let head =
        client.head("PUT", &format!("{DATA}=big"), &[("Content-Type", JSON), ("Content-Length", "1000000")]);
    let uploads: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut tcp = connect(address);
            let (reading, told) = (tcp.try_clone().unwrap(), told.clone());
            thread::spawn(move || told.send((number, head_of_answer(reading))));
            // It may be refused before it is sent.
            let _ = tcp.write_all(head.as_bytes()).and_then(|()| tcp.write_all(&body(BODY)[..BODY - 1]));
            tcp
        })
        .collect();
    let mut refused: Vec<usize> = (0..96)
        .map(|_| {
            let (number, head) = answers.recv_timeout(LIMIT).unwrap();
            assert!(
                head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1\r\n"),
                "{number}: {head}"
            );
            number
        })
        .collect();
    // What is small is answered all the same, and what others send.
    assert_eq!(client.get(VERSION).status, 200);
    let small = json!({"irtf-agent:data-params": [{"id": "small", "dataType": "text"}]});
    assert_eq!(client.send("PUT", &format!("{DATA}=small"), &small).unwrap().status, 201);
    let held = server.memory().saturating_sub(before);
    // The buffers of the connections are some of it, and what the allocator keeps.
    assert!(held < 60 * MB, "{} MB are held for 100 bodies of 1 MB", held / MB);
    // Those that were admitted come to their end: their content is judged.
    refused.sort_unstable();
    let admitted: Vec<usize> = (0..100).filter(|number| refused.binary_search(number).is_err()).collect();
    for number in &admitted {
        (&uploads[*number]).write_all(b"d").unwrap();
    }
    for _ in &admitted {
        let (number, head) = answers.recv_timeout(LIMIT).unwrap();
        assert!(admitted.contains(&number) && head.starts_with("HTTP/1.1 400 "), "{number}: {head}");
    }
    // And there is room again.
    let answer =
        client.ask("PUT", &format!("{DATA}=big"), &[("Content-Type", JSON)], &body(3_900_000)).unwrap();
    assert_eq!(answer.status, 400, "{answer}");
}

/// Begins to send a body of so many octets over plain HTTP, of which the last is not sent.
fn begin_body(address: SocketAddr, client: &Client, octets: usize) -> TcpStream {
    let length = octets.to_string();
    let head =
        client.head("PUT", &format!("{DATA}=big"), &[("Content-Type", JSON), ("Content-Length", &length)]);
    let mut tcp = connect(address);
    // It may be refused before it is sent.
    let _ = tcp.write_all(head.as_bytes()).and_then(|()| tcp.write_all(&body(octets)[..octets - 1]));
    tcp
}

/// What the server says of a family without labels.
fn measured(server: &Server, family: &str) -> u64 {
    let mut tcp = connect(server.other_address("operations"));
    tcp.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    tcp.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(family)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{family}: {text}")).parse().unwrap()
}

fn until(is_so: impl Fn() -> bool) {
    assert!((0..100_000).any(|_| is_so()), "it does not come to that");
}

fn client_of(server: &Server, name: &str) -> Client {
    assert!(run(&["user", "add", name], server.data()).status.success());
    let token = String::from_utf8(run(&["token", name], server.data()).stdout).unwrap();
    server.client_of(Some(&format!("Bearer {}", token.trim())))
}

#[test]
fn one_user_with_many_small_bodies_leaves_room_for_administrators_and_what_is_given_up_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "[listen]\nhttp = [\"127.0.0.1:0\"]\n[operations]\nlisten = \"127.0.0.1:0\"\n[limits]\nreceived_bytes_max = 2000000\nreceived_bytes_user_max = 1600000\nbody_timeout_s = 12\n";
    let server = Server::start(&directory.path().join("data"), settings);
    let address = server.other_address("http");
    let (mut admin, mut ann, mut bob) =
        (server.client(), client_of(&server, "ann"), client_of(&server, "bob"));
    // Without the last octet of any, up to the bound of the user: those beyond are refused at once.
    let uploads: Vec<TcpStream> = (0..40).map(|_| begin_body(address, &ann, 60_000)).collect();
    until(|| measured(&server, "agentconf_received_refusals_total") == 40 - 26);
    until(|| measured(&server, "agentconf_received_bytes") >= 26 * 59_999);
    let held = measured(&server, "agentconf_received_bytes");
    assert_eq!(held, 26 * 59_999);
    let put = |client: &mut Client, octets: usize| {
        let path = format!("{DATA}=big");
        client.ask("PUT", &path, &[("Content-Type", JSON)], &body(octets)).unwrap().status
    };
    assert_eq!((put(&mut ann, 60_000), put(&mut admin, 300_000), put(&mut bob, 60_000)), (503, 400, 400));
    // The whole is full for what is not small.
    assert_eq!(put(&mut bob, 300_000), 503);
    // Half of them go, and the others are given up.
    let (gone, late) = uploads.split_at(20);
    for tcp in gone {
        tcp.shutdown(std::net::Shutdown::Both).unwrap();
    }
    for tcp in late {
        let head = head_of_answer(tcp.try_clone().unwrap());
        assert!(head.starts_with("HTTP/1.1 408 ") || head.starts_with("HTTP/1.1 503 "), "{head}");
    }
    until(|| measured(&server, "agentconf_received_bytes") == 0);
    assert_eq!(put(&mut ann, 1_000_000), 400);
}

/// PUTs entries as fast as it can; how many were made and refused.
fn write_many(client: &mut Client, name: &str, count: usize, is_enough: &AtomicBool) -> (usize, usize) {
    let (mut made, mut refused) = (0, 0);
    for number in 0..count {
        let id = format!("{name}-{number}");
        let entry = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text"}]});
        let answer = client.send("PUT", &format!("{DATA}={id}"), &entry).unwrap();
        match answer.status {
            201 => made += 1,
            503 => {
                assert_eq!(answer.field("retry-after"), Some("1"), "{answer}");
                assert_eq!(answer.json()["ietf-restconf:errors"]["error"][0]["error-app-tag"], "busy");
                assert_eq!(client.get(&format!("{DATA}={id}")).status, 404, "what was refused is not done");
                refused += 1;
                is_enough.store(true, Ordering::Relaxed);
            }
            _ => panic!("{answer}"),
        }
        if number >= 20 && is_enough.load(Ordering::Relaxed) {
            break;
        }
    }
    (made, refused)
}

#[test]
fn requests_beyond_the_queue_of_the_writer_are_refused_and_all_others_are_done() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), "[limits]\nrequest_queue_max = 1\n");
    let is_enough = AtomicBool::new(false);
    let (made, refused) = thread::scope(|scope| {
        let writers: Vec<_> = (0..24)
            .map(|number| {
                let (mut client, is_enough) = (server.client(), &is_enough);
                scope.spawn(move || write_many(&mut client, &format!("w{number}"), 2000, is_enough))
            })
            .collect();
        let all = writers.into_iter().map(|writer| writer.join().unwrap());
        all.fold((0, 0), |(made, refused), (more, others)| (made + more, refused + others))
    });
    assert!(refused > 0 && made > 0, "{made} were made, {refused} refused");
    let mut client = server.client();
    let entries = client.get(DATA).json()["irtf-agent:data-params"].as_array().unwrap().len();
    assert_eq!(entries, made, "as many as were acknowledged");
    let (made, refused) = write_many(&mut client, "after", 20, &AtomicBool::new(false));
    assert_eq!((made, refused), (20, 0), "without the load nothing is refused");
}

#[test]
fn subscribers_beyond_the_limit_are_told_to_come_again_and_the_others_follow() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), "[limits]\nsubscribers_max = 3\n");
    let mut followers: Vec<_> = (0..3).map(|_| server.client().events(None).unwrap()).collect();
    let stream = "/restconf/streams/NETCONF/json";
    let mut client = server.client();
    for _ in 0..5 {
        let answer = client.ask("GET", stream, &[("Accept", "text/event-stream")], b"").unwrap();
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{answer}");
    }
    let entry = json!({"irtf-agent:data-params": [{"id": "told", "dataType": "text"}]});
    assert_eq!(client.send("PUT", &format!("{DATA}=told"), &entry).unwrap().status, 201);
    for follower in &mut followers {
        while !follower.next().unwrap().data.contains("'told'") {}
    }
    drop(followers.pop());
    let comes_in = (0..10_000).any(|_| server.client().events(None).is_ok());
    assert!(comes_in, "a place that was given back is not given away");
}

#[test]
fn a_storm_of_handshakes_and_idle_connections_is_survived_in_bounded_memory() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "[limits]\nconnections_max = 100\nhandshake_timeout_s = 1\nheader_timeout_s = 1\nidle_timeout_s = 2\n";
    let server = Server::start(&directory.path().join("data"), settings);
    let mut admitted = server.client();
    assert_eq!(admitted.get(VERSION).status, 200);
    let before = server.memory();
    // The beginning of a handshake, and then nothing; more of them than connections are accepted.
    let storm: Vec<TcpStream> = (0..160)
        .map(|_| {
            assert_eq!(admitted.get(VERSION).status, 200, "who is connected is answered");
            let mut tcp = connect(server.address);
            tcp.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).unwrap();
            tcp
        })
        .collect();
    let held = server.memory().saturating_sub(before);
    assert!(held < 30 * MB, "{} MB are held for handshakes", held / MB);
    // Those that do nothing are cut off, and others get their places.
    assert_eq!(server.client().get(VERSION).status, 200);
    for mut tcp in storm {
        // An end, in whatever way.
        let _ = tcp.read_to_end(&mut Vec::new());
    }
    // Connections that are idle after a good request are closed too.
    let mut idle: Vec<Client> = (0..160).map(|_| server.client()).collect();
    for client in &mut idle {
        assert_eq!(client.get(VERSION).status, 200);
    }
    let held = server.memory().saturating_sub(before);
    assert!(held < 60 * MB, "{} MB are held for connections", held / MB);
    assert_eq!(server.client().get(VERSION).status, 200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
