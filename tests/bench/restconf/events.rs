//! Subscribers of the event stream: what an idle one costs, and how long it takes until each of many has every event.
//!
//! An event that is missing, or comes twice, is an error and no figure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Outcome;
use super::client::{Client, Run, Wire};
use super::entry::{self, Request};
use super::servers::Agentconf;

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

    let arrived = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut readers = JoinSet::new();
    for stream in streams {
        let arrived = Arc::clone(&arrived);
        readers.spawn(async move {
            read_all(stream, events).await?;
            arrived.fetch_add(1, Ordering::Relaxed);
            Outcome::Ok(())
        });
    }
    let run = Run { connections: WRITERS, first: 0, requests: events, limit: LIMIT };
    let writing = writer.run(run, |n| entry::put(n, n)).await?.took;
    let all = async {
        while let Some(ended) = readers.join_next().await {
            ended??;
        }
        Outcome::Ok(())
    };
    match tokio::time::timeout(LIMIT, all).await {
        Ok(ended) => ended?,
        Err(_) => {
            let arrived = arrived.load(Ordering::Relaxed);
            return Err(format!("only {arrived} of {subscribers} subscribers have every event").into());
        }
    }
    let took = start.elapsed();
    writer.run(run, |n| entry::delete(n, n)).await?;
    Ok(Told { over: client.over(), subscribers, events, idle_bytes, writing, took })
}

/// Opens that many event streams; when it returns, all are being followed.
async fn subscribe(client: &Client, subscribers: usize) -> Outcome<Vec<Wire>> {
    let permits = Arc::new(Semaphore::new(OPEN_AT_ONCE));
    let mut opening = JoinSet::new();
    for _ in 0..subscribers {
        let (client, permits) = (client.clone(), Arc::clone(&permits));
        opening.spawn(async move {
            let _permit = permits.acquire().await?;
            let request = Request { method: "GET", path: STREAM.to_owned(), body: String::new() };
            client.open(&request).await
        });
    }
    let mut streams = Vec::new();
    while let Some(opened) = opening.join_next().await {
        streams.push(opened??);
    }
    Ok(streams)
}

/// Reads until there were as many events, whose ids have to follow each other.
async fn read_all(mut stream: Wire, events: u64) -> Outcome<()> {
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
            if last.is_some_and(|last| id != last + 1) {
                return Err(format!("after event {last:?} came {id}").into());
            }
            last = Some(id);
            count += 1;
        }
        buffer.drain(..complete);
    }
    Ok(())
}
