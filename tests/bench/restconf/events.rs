//! Subscribers of the event stream: what an idle one costs, and how long it takes until each of many has every event, beside
//! a bare server that writes as many octets to as many.
//!
//! An event that is missing, or comes twice, is an error and no figure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Outcome;
use super::bare;
use super::client::{Client, Run, Wire};
use super::entry::{self, Request};
use super::servers::{Agentconf, Bare};

const STREAM: &str = "/restconf/streams/NETCONF/json";
/// Connections that are opened at a time.
const OPEN_AT_ONCE: usize = 64;
/// Connections that make events.
const WRITERS: usize = 32;
/// Longest time for all events to reach everybody.
const LIMIT: Duration = Duration::from_secs(900);

/// What one measurement came to.
pub struct Told {
    /// How the subscribers are connected.
    pub over: &'static str,
    /// How many they are.
    pub subscribers: usize,
    /// How many events each of them got.
    pub events: u64,
    /// Memory of an idle subscriber, in octets.
    pub idle_bytes: u64,
    /// From the first edit until every edit was answered.
    pub writing: Duration,
    /// From the first edit until every subscriber had every event.
    pub took: Duration,
    /// How long the bare server took for the same.
    pub bare: Duration,
}

/// What a server has to allow for so many, all of whom are one user from one address.
pub fn limits(subscribers: usize) -> String {
    let most = subscribers + 10 * OPEN_AT_ONCE;
    format!(
        "[limits]\nconnections_max = {most}\nsubscribers_max = {most}\nsubscribers_user_max = {most}\n\
         [limits.rates]\nsource_connections_max = 0\nsource_handshakes_per_s = 0\n"
    )
}

/// Subscribes, makes the events by edits, and waits until all have come.
pub async fn measure(
    server: &Agentconf,
    client: &Client,
    writer: &Client,
    subscribers: usize,
    events: u64,
) -> Outcome<Told> {
    // What the first connections cost once is no cost of a subscriber.
    drop(subscribe(client, OPEN_AT_ONCE).await?);
    server.process.settled().await?;
    let before = server.process.memory_bytes()?;
    let streams = subscribe(client, subscribers).await?;
    server.process.settled().await?;
    let idle_bytes = server.process.memory_bytes()?.saturating_sub(before) / subscribers.max(1) as u64;

    let start = Instant::now();
    let following = follow(streams, events, true);
    let run = Run { connections: WRITERS, first: 0, requests: events, limit: LIMIT };
    let writing = writer.run(run, |n| entry::put(n, n)).await?.took;
    following.all().await?;
    let took = start.elapsed();
    let bare = self::bare(server, client, subscribers, events).await?;
    writer.run(run, |n| entry::delete(n, n)).await?;
    Ok(Told { over: client.over(), subscribers, events, idle_bytes, writing, took, bare })
}

/// How long a bare server takes to write as many such events to as many.
async fn bare(server: &Agentconf, client: &Client, subscribers: usize, events: u64) -> Outcome<Duration> {
    // One event as the server tells it: that of one more edit.
    let (_, mut stream) = client.open(&subscription()).await?;
    server.client()?.answer_to(&entry::put(0, events)).await?;
    let event = read_event(&mut stream).await?;
    server.client()?.answer_to(&entry::delete(0, events)).await?;
    let answer = [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", event.as_slice()].concat();
    let bare = Bare::start(server.data(), &answer)?;
    let client = match client.over() {
        "TLS" => client.at(bare.address()),
        _ => client.plain(bare.plain_address()),
    };
    let path = format!("{}{events}", bare::STREAM);
    let request = move || Request { method: "GET", path: path.clone(), body: String::new() };
    let streams = open(&client, subscribers, request).await?;
    let start = Instant::now();
    let following = follow(streams, events, false);
    client.answer_to(&Request { method: "PATCH", path: "/".to_owned(), body: String::new() }).await?;
    following.all().await?;
    Ok(start.elapsed())
}

fn subscription() -> Request {
    Request { method: "GET", path: STREAM.to_owned(), body: String::new() }
}

/// Those who read.
struct Following {
    readers: JoinSet<Outcome<()>>,
    arrived: Arc<AtomicUsize>,
    subscribers: usize,
}

/// Has each stream be read until it has had so many events.
fn follow(streams: Vec<Wire>, events: u64, in_order: bool) -> Following {
    let (arrived, subscribers) = (Arc::new(AtomicUsize::new(0)), streams.len());
    let mut readers = JoinSet::new();
    for stream in streams {
        let arrived = Arc::clone(&arrived);
        readers.spawn(async move {
            read_all(stream, events, in_order).await?;
            arrived.fetch_add(1, Ordering::Relaxed);
            Outcome::Ok(())
        });
    }
    Following { readers, arrived, subscribers }
}

impl Following {
    /// Waits for all.
    async fn all(self) -> Outcome<()> {
        let Following { mut readers, arrived, subscribers } = self;
        let all = async {
            while let Some(ended) = readers.join_next().await {
                ended??;
            }
            Outcome::Ok(())
        };
        match tokio::time::timeout(LIMIT, all).await {
            Ok(ended) => ended,
            Err(_) => {
                let arrived = arrived.load(Ordering::Relaxed);
                Err(format!("only {arrived} of {subscribers} subscribers have every event").into())
            }
        }
    }
}

/// Opens that many event streams; when it returns, all are being followed.
async fn subscribe(client: &Client, subscribers: usize) -> Outcome<Vec<Wire>> {
    open(client, subscribers, subscription).await
}

/// Opens that many streams.
async fn open(client: &Client, subscribers: usize, request: impl Fn() -> Request) -> Outcome<Vec<Wire>> {
    let permits = Arc::new(Semaphore::new(OPEN_AT_ONCE));
    let mut opening = JoinSet::new();
    for _ in 0..subscribers {
        let (client, permits, request) = (client.clone(), Arc::clone(&permits), request());
        opening.spawn(async move {
            let _permit = permits.acquire().await?;
            Outcome::Ok(client.open(&request).await?.1)
        });
    }
    let mut streams = Vec::new();
    while let Some(opened) = opening.join_next().await {
        streams.push(opened??);
    }
    Ok(streams)
}

/// The octets of the next event, without those that say how long a chunk is.
async fn read_event(stream: &mut Wire) -> Outcome<Vec<u8>> {
    let mut event = Vec::new();
    while !event.ends_with(b"\n\n") {
        event.push(stream.read_u8().await?);
    }
    let start = event.windows(2).position(|two| two == b"\r\n").map_or(0, |at| at + 2);
    Ok(event.split_off(start))
}

/// Reads until there were as many events, whose ids have to follow each other if they are `in_order`.
async fn read_all(mut stream: Wire, events: u64, in_order: bool) -> Outcome<()> {
    let mut buffer = Vec::new();
    let mut last = None;
    let mut count = 0;
    while count < events {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(format!("a stream ended after {count} events").into());
        }
        let complete = buffer.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        for line in buffer[..complete].split(|octet| *octet == b'\n') {
            let Some(id) = line.strip_prefix(b"id: ") else { continue };
            let id: u64 = std::str::from_utf8(id)?.parse()?;
            if in_order && last.is_some_and(|last| id != last + 1) {
                return Err(format!("after event {last:?} came {id}").into());
            }
            last = Some(id);
            count += 1;
        }
        buffer.drain(..complete);
    }
    Ok(())
}
