//! Measures the engine without any protocol: durable creates beside raw appends of the same records, what tasks take of memory,
//! how long a start takes with a snapshot, and how long one with nothing. It never asserts anything about time.
//!
//! The two kinds of writing take turns in every round, so that what else the machine does hits both alike.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "../common/allocator.rs"]
mod allocator;
mod filled;
mod moves;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use agentconf::log::{Log, LogReader, NewRecord, Record, snapshots};
use clap::{Parser, Subcommand};

use filled::{Filled, NamedBy};
use moves::Moved;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Requests that wait for the writer at a time, and records of one raw commit.
const IN_FLIGHT: usize = 256;

/// Command line.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// How many tasks there are where there are many
    #[arg(long, default_value_t = 1_000_000)]
    tasks: u64,
    /// Tasks that come after the snapshot
    #[arg(long, default_value_t = 10_000)]
    after: u64,
    /// Where the data directories are made: on the disk that matters
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target"))]
    dir: PathBuf,
    /// How often each measurement is made
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// Creates in a round
    #[arg(long, default_value_t = 10_000)]
    creates: u64,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a process of its own does.
#[derive(Subcommand)]
enum What {
    /// Makes a data directory with tasks, and says what they take
    #[command(hide = true)]
    Fill { directory: PathBuf, tasks: u64, after: u64 },
    /// Measures rounds of negotiations alone
    Moves,
    /// Creates tasks in a data directory that was filled before, and says how many in a second
    Create {
        directory: PathBuf,
        count: u64,
        #[arg(long, value_enum, default_value_t = NamedBy::Server)]
        named_by: NamedBy,
    },
    /// Starts on a data directory, and says how long that took
    #[command(hide = true)]
    Start { directory: std::path::PathBuf },
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    match &arguments.what {
        Some(What::Fill { directory, tasks, after }) => fill(directory, *tasks, *after).await,
        Some(What::Start { directory }) => start(directory),
        Some(What::Create { directory, count, named_by }) => {
            let took = Filled::open(directory)?.create(*count, *named_by).await?;
            println!("{:.0}/s", *count as f64 / took.as_secs_f64());
            Ok(())
        }
        Some(What::Moves) => {
            println!("| what | measured | compared with | ratio | budget |\n|---|---|---|---|---|");
            negotiations(&arguments).await
        }
        None => measure(&arguments).await,
    }
}

async fn measure(arguments: &Arguments) -> Outcome<()> {
    println!("| what | measured | compared with | ratio | budget |\n|---|---|---|---|---|");
    let many = directory(arguments)?;
    let filled = child(&["fill", &path(many.path()), &text(arguments.tasks), &text(arguments.after)])?;
    let [octets, json] = numbers(&filled)?;
    println!(
        "| memory of a task among {} | {octets:.0} octets | their JSON: {json:.0} octets | {:.2} | at most 2.5 |",
        arguments.tasks,
        octets / json
    );
    restart(many.path(), arguments)?;
    creates(&Filled::open(many.path())?, arguments).await?;
    negotiations(arguments).await?;
    let empty: Vec<f64> = (0..arguments.rounds).map(|_| first_answer(arguments)).collect::<Outcome<_>>()?;
    println!("| start of an empty server to its first answer | {:.0} ms | | | under 150 ms |", median(empty));
    Ok(())
}

/// How long a start takes that reads a snapshot and what came after it.
fn restart(directory: &Path, arguments: &Arguments) -> Outcome<()> {
    let mut starts = Vec::new();
    for _ in 0..3 {
        let [milliseconds] = numbers(&child(&["start", &path(directory)])?)?;
        starts.push(milliseconds);
    }
    let newest = snapshots::list(directory)?.into_iter().next().ok_or("no snapshot")?;
    let reading = Instant::now();
    std::fs::read(newest.path())?;
    let read = reading.elapsed().as_secs_f64() * 1e3;
    let after = LogReader::open(directory)?.scan(newest.head.position).count();
    println!(
        "| restart with {} tasks, from a snapshot and {after} records | {:.0} ms | reading the file: {read:.0} ms | | under 3000 ms |",
        arguments.tasks,
        median(starts)
    );
    Ok(())
}

/// Durable creates with many in flight, among few and among many, and raw appends of the same records.
async fn creates(many: &Filled, arguments: &Arguments) -> Outcome<()> {
    let raw = directory(arguments)?;
    let mut log = Log::open(raw.path())?;
    let mut of_raw = Vec::new();
    let mut created = [NamedBy::Server, NamedBy::Assigner].map(|named_by| (named_by, Vec::new(), Vec::new()));
    for _ in 0..arguments.rounds {
        let rate = |took: Duration| arguments.creates as f64 / took.as_secs_f64();
        for (named_by, of_few, of_many) in &mut created {
            // They do not stay few for more than a round.
            let place = directory(arguments)?;
            child(&["fill", &path(place.path()), "1000", "0"])?;
            let few = Filled::open(place.path())?;
            of_few.push(rate(few.create(arguments.creates, *named_by).await?));
            of_many.push(rate(many.create(arguments.creates, *named_by).await?));
            if *named_by == NamedBy::Server {
                of_raw.push(rate(append(&mut log, &few.newest(arguments.creates)?)?));
            }
        }
    }
    let raw = median(of_raw);
    for (named_by, of_few, of_many) in created {
        let (few, many) = (median(of_few), median(of_many));
        let named = match named_by {
            NamedBy::Server => "that the server names",
            NamedBy::Assigner => "with names in no order",
        };
        println!(
            "| durable creates of the engine, {IN_FLIGHT} in flight, {named} | {few:.0}/s | raw appends: {raw:.0}/s | {:.2} | 0.5 |",
            few / raw
        );
        println!(
            "| the same after {} tasks | {many:.0}/s | after 1000: {few:.0}/s | {:.2} | 0.85 |",
            arguments.tasks,
            many / few
        );
    }
    Ok(())
}

/// Durable rounds of negotiations, in short ones and in long ones.
async fn negotiations(arguments: &Arguments) -> Outcome<()> {
    let place = directory(arguments)?;
    let filled = Filled::new(place.path()).await?;
    for (moved, what) in [(Moved::ByAgents, "by agents"), (Moved::ByPolicy, "every second by a policy")] {
        let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
        for run in 0..arguments.rounds {
            for (rounds, rates) in [(50, &mut of_few), (500, &mut of_many)] {
                let run = run * 1000 + u64::from(rounds) + u64::from(matches!(moved, Moved::ByPolicy));
                let (made, took) = moves::rounds(&filled, run, rounds, moved).await?;
                rates.push(made as f64 / took.as_secs_f64());
            }
        }
        let (few, many) = (median(of_few), median(of_many));
        println!(
            "| durable rounds of {IN_FLIGHT} negotiations, {what} | {few:.0}/s | negotiations of 500 rounds: {many:.0}/s | {:.2} | 20000/s |",
            many / few
        );
    }
    Ok(())
}

fn append(log: &mut Log, records: &[Record]) -> Outcome<Duration> {
    let new = |record: &Record| vec![NewRecord::from(record.clone())];
    let groups: Vec<Vec<Vec<NewRecord>>> =
        records.chunks(IN_FLIGHT).map(|group| group.iter().map(new).collect()).collect();
    let began = Instant::now();
    for group in groups {
        log.append(&group)?;
    }
    Ok(began.elapsed())
}

/// How long the built server takes from its start until it has answered one request, in milliseconds.
fn first_answer(arguments: &Arguments) -> Outcome<f64> {
    use std::io::{BufRead, BufReader, Read, Write};
    let directory = directory(arguments)?;
    let began = Instant::now();
    let mut server = Command::new(env!("CARGO_BIN_EXE_agentconf"))
        .args(["serve", "--data", &path(directory.path()), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let said = BufReader::new(server.stdout.take().ok_or("no output")?).lines();
    let answered = || {
        for line in said {
            let line = line?;
            let Some(address) = line.strip_prefix("listening http ") else { continue };
            let mut connection = std::net::TcpStream::connect(address.trim())?;
            connection.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer)?;
            return Ok(began.elapsed().as_secs_f64() * 1e3);
        }
        Err("it did not say where it listens".into())
    };
    let answered = answered();
    server.kill()?;
    server.wait()?;
    answered
}

async fn fill(directory: &Path, tasks: u64, after: u64) -> Outcome<()> {
    let filled = Filled::new(directory).await?;
    let before = memory_bytes()?;
    filled.create(tasks, NamedBy::Assigner).await?;
    let memory = memory_bytes()?.saturating_sub(before);
    let json = filled.sample()?.len();
    filled.save()?;
    filled.create(after, NamedBy::Assigner).await?;
    println!("{} {json}", memory as f64 / tasks.max(1) as f64);
    // Not in good order: a start finds the snapshot from before.
    std::process::exit(0);
}

fn start(directory: &Path) -> Outcome<()> {
    let began = Instant::now();
    Filled::open(directory)?;
    println!("{}", began.elapsed().as_secs_f64() * 1e3);
    std::process::exit(0);
}

fn memory_bytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// What this program says when it is called so.
fn child(arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

fn numbers<const N: usize>(said: &str) -> Outcome<[f64; N]> {
    let numbers: Result<Vec<f64>, _> = said.split_whitespace().map(str::parse).collect();
    numbers?.try_into().map_err(|_| format!("other numbers were expected than {said}").into())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A directory on the disk that is measured, removed when it is dropped.
fn directory(arguments: &Arguments) -> Outcome<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("bench-engine-").tempdir_in(&arguments.dir)?)
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn text(number: u64) -> String {
    number.to_string()
}
