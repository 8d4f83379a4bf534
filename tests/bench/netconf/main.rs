//! Measures NETCONF on loopback, over SSH and over TLS: reading and editing one entry of a list of growing size, in the
//! running datastore and in the candidate; edits that are sent ahead; and what an idle session takes of memory.
//!
//! Every server is a process of its own and all run side by side; the rounds visit them in turn, so that what else the
//! machine does hits all alike. It never asserts anything about time.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod report;
mod requests;
mod server;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use tokio::task::JoinSet;

use client::{Over, Session};
use common::{Outcome, list, somewhere};
use report::Report;
use server::Server;

/// Sessions that are begun at a time.
const BEGIN_AT_ONCE: usize = 16;

/// Command line.
#[derive(Parser)]
struct Arguments {
    /// Where the data directories are made: on the disk that matters
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// How many entries the servers hold
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
    entries: Vec<u64>,
    /// How often each measurement is made
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// Requests of one measurement
    #[arg(long, default_value_t = 200)]
    requests: u64,
    /// Edits that one session sends ahead
    #[arg(long, default_value_t = 5000)]
    ahead: u64,
    /// Idle sessions, each with a connection of its own: this program and the server each need as many file descriptors
    #[arg(long, default_value_t = 1000)]
    sessions: usize,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let root = tempfile::Builder::new().prefix("bench-netconf-").tempdir_in(&arguments.dir)?;
    let mut report = Report::default();
    if arguments.rounds > 0 {
        entries(&arguments, root.path(), &mut report).await?;
    }
    if arguments.sessions > 0 {
        for over in [Over::Ssh, Over::Tls] {
            // A server of its own each time: memory that others gave back would be used again.
            eprintln!("{} sessions over {over}", arguments.sessions);
            let server = Server::start(&root.path().join(format!("idle-{over}")))?;
            report.idle.push((over, arguments.sessions, idle(&server, over, arguments.sessions).await?));
        }
    }
    print!("{report}");
    Ok(())
}

/// One entry of lists of several sizes.
async fn entries(arguments: &Arguments, root: &Path, report: &mut Report) -> Outcome<()> {
    let mut servers = Vec::new();
    for &entries in &arguments.entries {
        eprintln!("making a log of {entries} entries");
        let data = root.join(entries.to_string());
        list::fill(&data, entries).await?;
        servers.push((entries, Server::start(&data)?));
    }
    let mut sessions = Vec::new();
    for (entries, server) in &servers {
        for over in [Over::Ssh, Over::Tls] {
            sessions.push((*entries, over, server.session(over).await?));
        }
    }
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        for turn in 0..sessions.len() {
            let turn = (turn + round as usize) % sessions.len();
            let Some((entries, over, session)) = sessions.get_mut(turn) else { continue };
            for (what, requests) in requests::EACH {
                for n in 0..arguments.requests {
                    let n = round * arguments.requests + n;
                    let after = somewhere(n, *entries);
                    let start = Instant::now();
                    for request in requests(after, n) {
                        session.ask(&request).await?;
                    }
                    report.add(what, *over, *entries, start.elapsed());
                }
            }
            let edits = |make: fn(u64, u64) -> String| {
                (0..arguments.ahead).map(|n| make(somewhere(n, *entries), n)).collect::<Vec<_>>()
            };
            let start = Instant::now();
            session.ask_ahead(edits(requests::create)).await?;
            report.ahead(*over, *entries, arguments.ahead as f64 / start.elapsed().as_secs_f64());
            session.ask_ahead(edits(requests::delete)).await?;
        }
    }
    Ok(())
}

/// The memory of an idle session, in octets.
async fn idle(server: &Server, over: Over, sessions: usize) -> Outcome<u64> {
    // What the first connections cost once is no cost of a session.
    drop(begin(server, over, BEGIN_AT_ONCE).await?);
    server.process.settled().await?;
    let before = server.process.memory_bytes()?;
    let all = begin(server, over, sessions).await?;
    server.process.settled().await?;
    let memory = server.process.memory_bytes()?.saturating_sub(before) / all.len().max(1) as u64;
    Ok(memory)
}

async fn begin(server: &Server, over: Over, sessions: usize) -> Outcome<Vec<Session>> {
    let mut begun = Vec::new();
    while begun.len() < sessions {
        let mut beginning = JoinSet::new();
        for _ in 0..BEGIN_AT_ONCE.min(sessions - begun.len()) {
            beginning.spawn(server.session(over));
        }
        while let Some(session) = beginning.join_next().await {
            begun.push(session??);
        }
    }
    Ok(begun)
}
