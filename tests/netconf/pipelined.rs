//! Many requests at once, large replies, and clients that do not read, over SSH with the whole program. What single operations
//! mean is no part of it.

use std::sync::Arc;

use agentconf::netconf::NAMESPACE;
use russh::client::{self, Handle};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{ChannelId, ChannelStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::served::{LIMIT, Server, hello};

const MONITORING: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring";
const AGENT: &str = "urn:ietf:params:xml:ns:yang:irtf-agent";
const LOCK: &str = "<lock><target><running/></target></lock>";

/// Octets of a leaf that makes every large answer large.
const LARGE: usize = 1 << 20;

/// A client of SSH that makes room in a channel once and never again, or always.
struct Reader {
    key: PublicKey,
    reads: bool,
}

impl client::Handler for Reader {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        Ok(key.key_data() == self.key.key_data())
    }

    fn adjust_window(&mut self, _channel: ChannelId, window: u32) -> u32 {
        if self.reads { window } else { 1 }
    }
}

/// A session of the administrator.
struct Session {
    id: u32,
    reading: ReadHalf<ChannelStream<client::Msg>>,
    writing: WriteHalf<ChannelStream<client::Msg>>,
    read: Vec<u8>,
    _connection: Handle<Reader>,
}

impl Session {
    async fn begin(server: &Server, reads: bool) -> Session {
        let config = client::Config { window_size: 1 << 16, ..client::Config::default() };
        let tcp = TcpStream::connect(server.ssh).await.unwrap();
        let reader = Reader { key: server.host_key(), reads };
        let mut connection = client::connect_stream(Arc::new(config), tcp, reader).await.unwrap();
        let password = server.file("admin.password");
        assert!(connection.authenticate_password("admin", password.trim()).await.unwrap().success());
        let channel = connection.channel_open_session().await.unwrap();
        channel.request_subsystem(true, "netconf").await.unwrap();
        let (reading, writing) = tokio::io::split(channel.into_stream());
        let mut session = Session { id: 0, reading, writing, read: Vec::new(), _connection: connection };
        session.writing.write_all(hello("1.0").as_bytes()).await.unwrap();
        let greeting = session.next().await;
        session.id = between(&greeting, "<session-id>", "<").parse().unwrap();
        session
    }

    async fn next(&mut self) -> String {
        timeout(LIMIT, next(&mut self.reading, &mut self.read)).await.unwrap()
    }

    async fn ask(&mut self, inside: &str) -> String {
        self.writing.write_all(rpc(0, inside).as_bytes()).await.unwrap();
        self.next().await
    }

    /// Asks again until an answer has what is expected.
    async fn ask_until(&mut self, inside: &str, expected: impl Fn(&str) -> bool) {
        let asked = async { while !expected(&self.ask(inside).await) {} };
        timeout(LIMIT, asked).await.unwrap();
    }

    /// Has the server have something large to tell.
    async fn fill(&mut self) {
        let data = format!("<id>large</id><dataType>text</dataType><data>{}</data>", "x".repeat(LARGE));
        let config =
            format!("<data-params xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\">{data}</data-params>");
        let edit = format!("<edit-config><target><running/></target><config>{config}</config></edit-config>");
        let answer = self.ask(&edit).await;
        assert!(answer.contains("<ok/>"), "{answer}");
    }

    /// Asks for so much that the client has no room for it, without reading.
    async fn ask_and_not_read(&mut self, others: &mut Session) {
        self.writing.write_all(rpc(0, "<get/>").repeat(100).as_bytes()).await.unwrap();
        // Room for one window and a half is less than the first answer.
        let sessions = of_sessions();
        let begun = format!("<session-id>{}</session-id>", self.id);
        let has_asked = |answer: &str| {
            let own = answer.split_once(&begun).map_or("", |(_, rest)| rest);
            own.split("</session>").next().is_some_and(|own| own.contains("<in-rpcs>1</in-rpcs>"))
        };
        others.ask_until(&sessions, has_asked).await;
    }
}

/// The next message.
async fn next(reading: &mut (impl AsyncReadExt + Unpin), read: &mut Vec<u8>) -> String {
    const END: &[u8] = b"]]>]]>";
    let mut looked = 0;
    loop {
        if let Some(at) = read[looked..].windows(END.len()).position(|bytes| bytes == END) {
            let message = read.drain(..looked + at + END.len()).collect();
            return String::from_utf8(message).unwrap();
        }
        looked = read.len().saturating_sub(END.len());
        assert_ne!(reading.read_buf(read).await.unwrap(), 0, "the stream has ended");
    }
}

fn rpc(id: usize, inside: &str) -> String {
    format!("<rpc xmlns=\"{NAMESPACE}\" message-id=\"{id}\">{inside}</rpc>]]>]]>")
}

fn of_sessions() -> String {
    format!("<get><filter><netconf-state xmlns=\"{MONITORING}\"><sessions/></netconf-state></filter></get>")
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).unwrap().0
}

#[tokio::test]
async fn rfc6241_4_5_six_hundred_pipelined_requests_are_answered_in_order() {
    let server = Server::start_whole("").await;
    let mut session = Session::begin(&server, true).await;
    let filter = format!("<netconf-state xmlns=\"{MONITORING}\"><capabilities/></netconf-state>");
    let requests: String =
        (0..600).map(|id| rpc(id, &format!("<get><filter>{filter}</filter></get>"))).collect();
    let (reading, writing, read) = (&mut session.reading, &mut session.writing, &mut session.read);
    let answered = async {
        for id in 0..600 {
            assert_eq!(between(&next(reading, read).await, "message-id=\"", "\""), id.to_string());
        }
    };
    let both = async { tokio::join!(writing.write_all(requests.as_bytes()), answered) };
    timeout(LIMIT, both).await.unwrap().0.unwrap();
    server.stop().await;
}

/// An edit of one entry of `data-params`.
fn entry(id: &str, operation: &str) -> String {
    let inside = format!("<id>{id}</id><dataType>text</dataType>");
    let config =
        format!("<data-params xmlns=\"{AGENT}\" nc:operation=\"{operation}\">{inside}</data-params>");
    let config = format!("<config xmlns:nc=\"{NAMESPACE}\">{config}</config>");
    format!("<edit-config><target><running/></target>{config}</edit-config>")
}

fn entries() -> String {
    let filter = format!("<data-params xmlns=\"{AGENT}\"/>");
    format!("<get-config><source><running/></source><filter>{filter}</filter></get-config>")
}

#[tokio::test]
async fn rfc6241_4_5_pipelined_edits_take_effect_one_after_the_other() {
    let server = Server::start_whole("").await;
    let mut session = Session::begin(&server, true).await;
    let mut other = Session::begin(&server, true).await;
    let asked = [
        (entry("a", "create"), "<ok/>"),
        (entry("a", "create"), "<error-tag>data-exists<"),
        (entry("b", "create"), "<ok/>"),
        (entries(), "text</dataType></data-params><data-params"),
        (entry("a", "delete"), "<ok/>"),
        ("<nosuch/>".to_owned(), "<error-tag>operation-not-supported<"),
        (entries(), "<id>b</id>"),
        (LOCK.to_owned(), "<ok/>"),
        (entry("c", "create"), "<ok/>"),
        ("<discard-changes/>".to_owned(), "<ok/>"),
        (entry("d", "create"), "<ok/>"),
    ];
    let requests: String = asked.iter().enumerate().map(|(id, (inside, _))| rpc(id, inside)).collect();
    session.writing.write_all(requests.as_bytes()).await.unwrap();
    for (id, (inside, expected)) in asked.iter().enumerate() {
        let answer = session.next().await;
        assert!(answer.contains(&format!("message-id=\"{id}\"")), "{id}: {answer}");
        assert!(answer.contains(expected), "{inside}: {answer}");
    }
    // The lock holds for others from its place in the order on, until the session is closed after its last edit.
    assert!(other.ask(&entry("x", "create")).await.contains("<error-tag>in-use<"));
    let last = rpc(0, &entry("e", "create")) + &rpc(1, "<close-session/>");
    session.writing.write_all(last.as_bytes()).await.unwrap();
    assert!(session.next().await.contains("<ok/>") && session.next().await.contains("<ok/>"));
    other.ask_until(&entry("x", "merge"), |answer| answer.contains("<ok/>")).await;
    let left = other.ask(&entries()).await;
    let left: Vec<&str> = left.split("<id>").skip(1).map(|entry| &entry[..1]).collect();
    assert_eq!(left, ["b", "c", "d", "e", "x"]);
    server.stop().await;
}

#[tokio::test]
async fn rfc6241_4_5_pipelined_edits_are_answered_to_a_client_that_sends_no_more() {
    let server = Server::start_whole("").await;
    let mut session = Session::begin(&server, true).await;
    let requests: String = (0..300).map(|id| rpc(id, &entry(&format!("{id:03}"), "create"))).collect();
    session.writing.write_all(requests.as_bytes()).await.unwrap();
    session.writing.shutdown().await.unwrap();
    for id in 0..300 {
        let answer = session.next().await;
        assert!(
            answer.contains(&format!("message-id=\"{id}\"")) && answer.contains("<ok/>"),
            "{id}: {answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc6241_7_9_of_the_pipelined_edits_of_a_killed_session_the_first_ones_are_done() {
    let server = Server::start_whole("").await;
    let mut other = Session::begin(&server, true).await;
    let mut session = Session::begin(&server, true).await;
    let kill = format!("<kill-session><session-id>{}</session-id></kill-session>", session.id);
    let writing = async {
        for id in 0.. {
            let edit = rpc(id, &entry(&format!("{id:06}"), "create"));
            if session.writing.write_all(edit.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    let mut answers = Vec::new();
    let reading = session.reading.read_to_end(&mut answers);
    // The library does not tell who writes that the channel was closed.
    let sending = async { tokio::select!(() = writing => {}, _ = reading => {}) };
    let killing = async {
        other.ask_until(&entries(), |answer| answer.contains("<id>")).await;
        assert!(other.ask(&kill).await.contains("<ok/>"));
        other.ask(&entries()).await
    };
    let all = async { tokio::join!(killing, sending) };
    let (done, ()) = timeout(LIMIT, all).await.unwrap();
    let ids: Vec<&str> = done.split("<id>").skip(1).map(|entry| &entry[..6]).collect();
    let first: Vec<String> = (0..ids.len()).map(|id| format!("{id:06}")).collect();
    assert_eq!(ids, first);
    assert_eq!(other.ask(&entries()).await, done, "nothing is done after the kill is answered");
    server.stop().await;
}

#[tokio::test]
async fn a_large_request_may_follow_one_with_a_large_answer() {
    let server = Server::start_whole("").await;
    let mut session = Session::begin(&server, true).await;
    session.fill().await;
    let config = format!("<config>{}</config>", "<!--x-->".repeat(100_000));
    let edit = format!("<edit-config><target><running/></target>{config}</edit-config>");
    let requests = rpc(1, "<get/>") + &rpc(2, &edit);
    let (reading, writing, read) = (&mut session.reading, &mut session.writing, &mut session.read);
    let answered = async { (next(reading, read).await, next(reading, read).await) };
    let both = async { tokio::join!(writing.write_all(requests.as_bytes()), answered) };
    let (written, (got, edited)) = timeout(LIMIT, both).await.unwrap();
    written.unwrap();
    assert!(got.len() > LARGE && got.contains("message-id=\"1\""), "{}", got.len());
    assert!(edited.contains("message-id=\"2\"") && edited.contains("<ok/>"), "{edited}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_under_a_large_answer_leaves_no_lock() {
    // Longer than the test waits: the end of the connection is what ends the session.
    let server = Server::start_whole("[limits]\nidle_timeout_s = 3600\n").await;
    let mut other = Session::begin(&server, true).await;
    other.fill().await;
    let mut gone = Session::begin(&server, false).await;
    assert!(gone.ask(LOCK).await.contains("<ok/>"));
    assert!(other.ask(LOCK).await.contains("lock-denied"));
    gone.writing.write_all(rpc(0, "<get/>").repeat(100).as_bytes()).await.unwrap();
    drop(gone);
    other.ask_until(LOCK, |answer| answer.contains("<ok/>")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_take_an_answer_is_not_waited_for() {
    let server = Server::start_whole("[limits]\nidle_timeout_s = 1\n").await;
    let mut other = Session::begin(&server, true).await;
    other.fill().await;
    let mut silent = Session::begin(&server, false).await;
    assert!(silent.ask(LOCK).await.contains("<ok/>"));
    silent.writing.write_all(rpc(0, "<get/>").repeat(100).as_bytes()).await.unwrap();
    other.ask_until(LOCK, |answer| answer.contains("<ok/>")).await;
    drop(silent);
    server.stop().await;
}

#[tokio::test]
async fn rfc6241_7_9_kill_session_ends_one_whose_client_does_not_read() {
    let server = Server::start_whole("[limits]\nidle_timeout_s = 3600\n").await;
    let mut other = Session::begin(&server, true).await;
    other.fill().await;
    let mut silent = Session::begin(&server, false).await;
    silent.ask_and_not_read(&mut other).await;
    let kill = format!("<kill-session><session-id>{}</session-id></kill-session>", silent.id);
    assert!(other.ask(&kill).await.contains("<ok/>"));
    let id = format!("<session-id>{}</session-id>", silent.id);
    other.ask_until(&of_sessions(), |answer| !answer.contains(&id)).await;
    // The channel is closed too, after what there was room for.
    let mut rest = Vec::new();
    timeout(LIMIT, silent.reading.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.len() < LARGE, "{}", rest.len());
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_the_server_does_not_wait_for_who_does_not_read() {
    let server = Server::start_whole("[limits]\nidle_timeout_s = 3600\ndrain_s = 3600\n").await;
    let mut other = Session::begin(&server, true).await;
    other.fill().await;
    let mut silent = Session::begin(&server, false).await;
    silent.ask_and_not_read(&mut other).await;
    server.stop().await;
}
