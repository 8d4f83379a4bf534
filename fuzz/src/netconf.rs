//! The checks of NETCONF: its framings, its hello, and whole sessions with an engine and data. What an answer says is no part
//! of them.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use agentconf::access::{Method, Principal, Standing};
use agentconf::clock::Clock;
use agentconf::engine::{Capabilities, Datastore, Engine, Management, NoVault, Options};
use agentconf::limits::Limits;
use agentconf::log::Log;
use agentconf::netconf::conversation::{self, capabilities};
use agentconf::netconf::framing::{self, Decoder, Framing};
use agentconf::netconf::hello::{self, Version};
use agentconf::netconf::session::{Pace, Peer, Transport};
use agentconf::server::urls::Urls;
use agentconf::yang::generated::{SCHEMA, irtf_agent};
use agentconf::yang::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// Longest message.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Longest time of a session: what waits for the clock is no finding.
const SESSION: Duration = Duration::from_secs(20);

/// The last request.
const CLOSE: &[u8] =
    b"<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"last\"><close-session/></rpc>";

/// Configuration for requests to find.
const CONFIGURATION: &str = r###"{"irtf-agent:data-params":[{"id":"a","dataType":"text","data":"x"},{"id":"b","dataType":"image"}]}"###;

/// An engine that stays from input to input, with the same configuration for each.
struct Served {
    runtime: Runtime,
    engine: Engine,
    directory: TempDir,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let limits =
        Limits { body_bytes_max: MESSAGE_BYTES_MAX, session_idle_s: 1, drain_s: 1, ..Limits::default() };
    let options = Options {
        clock: Clock::system(),
        limits: limits.into(),
        startup: true,
        profile: irtf_agent::Agent::new("fuzz", "", "", ""),
        capabilities: Capabilities::default().with_netconf(capabilities(true, "file")),
        vault: Arc::new(NoVault),
        receivers: Arc::new(agentconf::engine::NoReceivers),
        judges: Arc::new(agentconf::engine::NoJudges),
        blobs: None,
        trail: agentconf::audit::Trail::default(),
        spans: agentconf::trace::Spans::default(),
        accounts: Default::default(),
    };
    let engine = Engine::open(Log::open(directory.path()).expect("a log"), options).expect("an engine");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    Served { runtime, engine, directory }
});

/// Bytes of messages, cut into pieces of any size. The first octet chooses the framing, the second the size of the pieces.
pub fn framings(octets: &[u8]) {
    let [first, second, octets @ ..] = octets else { return };
    let framing = if first % 2 == 0 { Framing::EndOfMessage } else { Framing::Chunked };
    let whole = messages(framing, [octets]);
    let pieces = messages(framing, octets.chunks(usize::from(*second).max(1)));
    assert_eq!(pieces, whole, "it depends on how the bytes arrive");
    for message in whole.0 {
        assert!(message.len() <= MESSAGE_BYTES_MAX, "a message is too long");
        let mut bytes = Vec::new();
        match framing::encode(framing, &message, &mut bytes) {
            Ok(()) => {
                assert_eq!(messages(framing, [&bytes[..]]), (vec![message], None), "it is read otherwise")
            }
            // Only what was in chunks can hold the end of a message.
            Err(_) => {
                assert!(framing == Framing::Chunked || message.is_empty(), "what was read cannot be written")
            }
        }
    }
}

/// All messages, and what is wrong after them.
fn messages<'a>(
    framing: Framing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, Option<String>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    decoder.set(framing, MESSAGE_BYTES_MAX);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.take() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error.to_string())),
            }
        }
    }
    (messages, None)
}

/// The first message of a client.
pub fn greeting(octets: &[u8]) {
    let Ok(read) = hello::read(octets) else { return };
    let ours = hello::write(read.capabilities.iter().map(String::as_str), 1);
    assert!(is_xml(ours.as_bytes()), "a capability breaks a hello: {ours}");
}

/// Messages in a session of the administrator, with a zero octet between them. All are sent ahead. The first octet chooses
/// the version of the protocol.
pub fn session(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    let version = if first % 2 == 0 { Version::Base10 } else { Version::Base11 };
    let mut sent = greeting_of(version);
    let mut count = 1;
    for message in octets.split(|octet| *octet == 0).take(16).chain([CLOSE]) {
        // What holds the end of a message cannot be sent.
        let mut bytes = Vec::new();
        if framing::encode(version.framing(), message, &mut bytes).is_ok() {
            sent.extend_from_slice(&bytes);
            count += 1;
        }
    }
    let received = SERVED.runtime.block_on(serve(&sent));
    let end = b"]]>]]>";
    let at = received.windows(end.len()).position(|bytes| bytes == end).expect("the hello of the server");
    let (ours, answers) = received.split_at(at + end.len());
    assert!(is_xml(&ours[..at]), "a hello is no XML");
    let (answers, wrong) = messages(version.framing(), [answers]);
    assert_eq!(wrong, None, "the server breaks its framing");
    for answer in &answers {
        assert!(is_xml(answer), "an answer is no XML: {}", String::from_utf8_lossy(answer));
    }
    let replies = answers.iter().filter(|answer| answer.starts_with(b"<rpc-reply")).count();
    assert!(replies < count, "{replies} replies to {} requests", count - 1);
}

fn greeting_of(version: Version) -> Vec<u8> {
    let uri = match version {
        Version::Base10 => "urn:ietf:params:netconf:base:1.0",
        Version::Base11 => "urn:ietf:params:netconf:base:1.1",
    };
    hello::write([uri], 0)
        .replace("<session-id>0</session-id>", "")
        .into_bytes()
        .into_iter()
        .chain(*b"]]>]]>")
        .collect()
}

/// What a session answers to all that its client writes.
async fn serve(sent: &[u8]) -> Vec<u8> {
    let engine = &SERVED.engine;
    let groups = ["admin".to_owned()].into();
    let principal = Principal::new("admin", groups, Method::Local);
    let options = agentconf::yang::decode::DecodeOptions::default();
    let content = json::decode_children(CONFIGURATION.as_bytes(), None, &SCHEMA, &options).expect("it fits");
    let put = Management::Put { content: Arc::new(content), to: Datastore::Running };
    engine.manage(&principal, put).await.expect("it is valid");
    let (theirs, ours) = tokio::io::duplex(64 * 1024);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let (standing, pace) = (Standing::new(|| true), Pace::new(|| true));
    let peer = Peer { principal, standing, pace, address, transport: Transport::Ssh };
    let urls = Urls::new(&Default::default(), SERVED.directory.path(), engine.limits())
        .expect("it needs no authorities");
    let session = conversation::serve(engine.clone(), Arc::new(urls), ours, peer, std::future::pending());
    let (mut reading, mut writing) = tokio::io::split(theirs);
    let mut received = Vec::new();
    let client = async {
        let writing = async {
            // The server may have had enough.
            let _ = writing.write_all(sent).await;
        };
        tokio::join!(writing, reading.read_to_end(&mut received)).1
    };
    let both = async { tokio::join!(session, client) };
    let ((), read) = tokio::time::timeout(SESSION, both).await.expect("the session ends");
    read.expect("a stream in memory does not fail");
    received
}

/// Whether it is one well-formed element.
fn is_xml(text: &[u8]) -> bool {
    let mut reader = quick_xml::Reader::from_reader(text);
    let (mut depth, mut elements) = (0_usize, 0_usize);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Start(_)) => {
                elements += usize::from(depth == 0);
                depth += 1;
            }
            Ok(quick_xml::events::Event::Empty(_)) => elements += usize::from(depth == 0),
            Ok(quick_xml::events::Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(quick_xml::events::Event::Eof) => return depth == 0 && elements == 1,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
