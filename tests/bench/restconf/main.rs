//! Measures RESTCONF over HTTPS on loopback: reading and writing one entry of a list of growing size, and reading all of
//! one, beside a bare hyper server that answers with the same bytes; reading one entry with and without many rules of
//! access control; and many subscribers of the event stream.
//!
//! Every server is a process of its own and all run side by side; the rounds visit them in turn, so that what else the
//! machine does hits all alike. It never asserts anything about time.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod bare;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod entry;
mod events;
mod large;
mod report;
mod rules;
mod servers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};

use client::{Client, Run};
use common::{Outcome, list, somewhere};
use large::Large;
use report::Report;
use servers::{Agentconf, Bare};

/// Command line.
#[derive(Parser)]
struct Arguments {
    /// Where the data directories are made: on the disk that matters
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// How many entries the servers hold
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
    entries: Vec<u64>,
    /// How many connections ask at a time
    #[arg(long, value_delimiter = ',', default_value = "1,32")]
    connections: Vec<usize>,
    /// How often each measurement is made
    #[arg(long, default_value_t = 25)]
    rounds: u64,
    /// Most requests of one measurement of GET
    #[arg(long, default_value_t = 3200)]
    gets: u64,
    /// Most requests of one measurement of PUT; each adds an entry, which is taken out again afterwards
    #[arg(long, default_value_t = 320)]
    puts: u64,
    /// How many rules of access control there are where there are some
    #[arg(long, default_value_t = 1000)]
    rules: u64,
    /// How often a whole list is read, and how many entries it has
    #[arg(long, default_value_t = 10)]
    large_rounds: u64,
    #[arg(long, default_value_t = 100_000)]
    large_entries: u64,
    /// How many follow the event stream: this program and the server each need as many file descriptors
    #[arg(long, default_value_t = 5000)]
    subscribers: usize,
    /// How many events each of them gets
    #[arg(long, default_value_t = 1000)]
    events: u64,
    /// Longest time of one measurement of GET or PUT
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the bare server: with the certificate of this data directory, and the answer on standard input
    #[arg(long, hide = true)]
    bare: Option<PathBuf>,
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &arguments.bare {
        Some(data) => runtime.block_on(bare::serve(data)),
        None => runtime.block_on(measure(&arguments)),
    }
}

async fn measure(arguments: &Arguments) -> Outcome<()> {
    let root = tempfile::Builder::new().prefix("bench-restconf-").tempdir_in(&arguments.dir)?;
    let mut report = Report::default();
    if arguments.rounds > 0 {
        entries(arguments, root.path(), &mut report).await?;
        report.rules = rules::measure(arguments, root.path()).await?;
    }
    if arguments.large_rounds > 0 {
        report.large = Some(large(arguments, &root.path().join("large")).await?);
    }
    if arguments.subscribers > 0 {
        descriptors(arguments.subscribers)?;
        for is_plain in [true, false] {
            // A server of its own each time: memory that others gave back would be used again.
            let data = root.path().join(format!("events-{is_plain}"));
            let server = Agentconf::configured(&data, &events::limits(arguments.subscribers))?;
            let tls = server.client()?;
            let client = if is_plain { server.plain_client()? } else { tls.clone() };
            eprintln!("{} subscribers over {}", arguments.subscribers, client.over());
            let told =
                events::measure(&server, &client, &tls, arguments.subscribers, arguments.events).await?;
            report.told.push(told);
        }
    }
    print!("{report}");
    Ok(())
}

/// Has this process, and those that it starts, open as many files as there are subscribers, if that is allowed.
fn descriptors(subscribers: usize) -> Outcome<()> {
    let (mut limit, wanted) = (getrlimit(Resource::Nofile), Some(subscribers as u64 + 1000));
    if limit.current.is_some_and(|current| Some(current) < wanted) {
        limit.current = wanted;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(())
}

/// A whole list, again and again.
async fn large(arguments: &Arguments, data: &Path) -> Outcome<Large> {
    eprintln!("a list of {} entries", arguments.large_entries);
    list::fill(data, arguments.large_entries).await?;
    let server = Agentconf::start(data)?;
    let client = server.client()?;
    let answer = client::in_one_piece(&client.answer_to(&entry::whole()).await?)?;
    let bare = Bare::start(data, &answer)?;
    let mut large = Large { entries: arguments.large_entries, ..Large::default() };
    for round in 0..arguments.large_rounds {
        large.round(&client, &client.at(bare.address()), round).await?;
    }
    Ok(large)
}

/// One entry of lists of several sizes.
async fn entries(arguments: &Arguments, root: &Path, report: &mut Report) -> Outcome<()> {
    let mut servers = Vec::new();
    for &entries in &arguments.entries {
        eprintln!("making a log of {entries} entries");
        let data = root.join(entries.to_string());
        let filling = list::fill(&data, entries).await?;
        let server = Agentconf::start(&data)?;
        report.started(entries, filling, &server)?;
        servers.push(server);
    }
    let clients = servers.iter().map(Agentconf::client).collect::<Outcome<Vec<Client>>>()?;
    let (Some(server), Some(client)) = (servers.first(), clients.first()) else {
        return Err("there has to be at least one size".into());
    };
    let answer = client.answer_to(&entry::get(0)).await?;
    let bare = Bare::start(server.data(), &answer)?;
    let bare_client = client.at(bare.address());

    let targets: Vec<(Option<u64>, &Client)> = std::iter::once((None, &bare_client))
        .chain(arguments.entries.iter().copied().map(Some).zip(&clients))
        .collect();
    let limit = Duration::from_secs_f64(arguments.seconds);
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        for &connections in &arguments.connections {
            for turn in 0..targets.len() {
                let (entries, client) = targets[(turn + round as usize) % targets.len()];
                let among = entries.unwrap_or(1);
                let get = Run { connections, first: 0, requests: arguments.gets, limit };
                let timed = client.run(get, move |n| entry::get(somewhere(n, among))).await?;
                report.add("GET", connections, entries, timed);

                let put = Run { first: round * arguments.puts, requests: arguments.puts, ..get };
                let timed = client.run(put, move |n| entry::put(somewhere(n, among), n)).await?;
                let delete = Run { requests: timed.latencies.len() as u64, limit: Duration::MAX, ..put };
                report.add("PUT", connections, entries, timed);
                if entries.is_none() {
                    let timed = client.run(put, move |n| entry::post(somewhere(n, among), n)).await?;
                    report.add("PUT, read and not kept", connections, entries, timed);
                }
                client.run(delete, move |n| entry::delete(somewhere(n, among), n)).await?;
            }
        }
    }
    Ok(())
}
