//! The servers as processes: making their data, starting them, asking the operating system what they take. Dropping one
//! ends it.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agentconf::access::{Method, Principal};
use agentconf::clock::Clock;
use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{Capabilities, Datastore, EditRequest, Engine, Options, Test};
use agentconf::limits::Limits;
use agentconf::log::Log;
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::generated::irtf_agent::{self, nodes};
use agentconf::yang::json;
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::tree::Key;
use tokio::task::JoinSet;

use super::Outcome;
use super::client::Client;
use super::entry;

/// Edits that wait for the engine at a time while a log is made.
const FILL_AT_ONCE: u64 = 512;

/// Makes a log by putting the entries one by one, each an edit of its own, through the engine of the library. Returns how
/// long that took.
pub async fn fill(data: &Path, entries: u64) -> Outcome<Duration> {
    let start = Instant::now();
    let profile = irtf_agent::Agent::new("bench", "", "", "");
    let (clock, limits, capabilities) = (Clock::system(), Limits::default(), Capabilities::default());
    let engine =
        Engine::open(Log::open(data)?, Options { clock, limits, startup: false, profile, capabilities })?;
    let groups = ["admin".to_owned()].into();
    let principal = Principal::new("admin", groups, Method::Local);
    let mut numbers = 0..entries;
    loop {
        let mut edits = JoinSet::new();
        for number in numbers.by_ref().take(FILL_AT_ONCE as usize) {
            let (engine, principal, request) = (engine.clone(), principal.clone(), put(number)?);
            edits.spawn(async move { engine.edit(&principal, request).await });
        }
        if edits.is_empty() {
            break;
        }
        while let Some(edited) = edits.join_next().await {
            edited?.map_err(|refused| refused.error)?;
        }
    }
    engine.stop().await?;
    Ok(start.elapsed())
}

fn put(number: u64) -> Outcome<EditRequest> {
    let id = entry::id(number);
    let step = Step { node: &nodes::DATA_PARAMS, selector: Selector::Key(Key::string(&id)) };
    let path = InstancePath { steps: vec![step] };
    let value = json::decode_one(entry::content(&id).as_bytes(), &path, &SCHEMA, &json::STORED)?;
    let edit = Edit { operation: Operation::Replace, path, value: Some(value), insert: None };
    Ok(EditRequest {
        datastore: Datastore::Running,
        test: Test::AtCommit,
        edits: vec![edit],
        preconditions: Vec::new(),
    })
}

/// A process that serves.
struct Process {
    child: Child,
    address: SocketAddr,
    /// Of plain HTTP, if it says so.
    plain: Option<SocketAddr>,
}

impl Process {
    /// Starts it, gives it the input, and waits until it says where it listens.
    fn start(command: &mut Command, input: &[u8], is_plain_too: bool) -> Outcome<Process> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut process = Process { address: SocketAddr::from(([127, 0, 0, 1], 0)), plain: None, child };
        if let Some(stdin) = &mut process.child.stdin {
            stdin.write_all(input)?;
        }
        let stdout = process.child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut address = || -> Outcome<SocketAddr> {
            let line = lines.next().ok_or("it ended")??;
            Ok(line.trim().rsplit(' ').next().unwrap_or_default().parse()?)
        };
        process.address = address()?;
        if is_plain_too {
            process.plain = Some(address()?);
        }
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; its data is thrown away in any case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running agentconf.
pub struct Agentconf {
    process: Process,
    data: PathBuf,
    /// From its start until it accepted.
    pub replay: Duration,
}

impl Agentconf {
    /// Starts it on a data directory.
    pub fn start(data: &Path) -> Outcome<Agentconf> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf"));
        let addresses = ["--https", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        command.arg("serve").args(addresses).arg("--data").arg(data).env("RUST_LOG", "error");
        let start = Instant::now();
        let process = Process::start(&mut command, &[], true)?;
        Ok(Agentconf { process, data: data.to_owned(), replay: start.elapsed() })
    }

    /// A client of it with the administrator's token.
    pub fn client(&self) -> Outcome<Client> {
        let token = std::fs::read_to_string(self.data.join("admin.jwt"))?;
        Client::new(self.process.address, &self.data.join("pki/ca.pem"), &token)
    }

    /// The same without TLS.
    pub fn plain_client(&self) -> Outcome<Client> {
        Ok(self.client()?.plain(self.process.plain.ok_or("there is no plain HTTP")?))
    }

    /// Returns when its processor time has stood still for a moment: what was begun is done.
    pub async fn settled(&self) -> Outcome<()> {
        let mut before = None;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.child.id()))?;
            // After the name in parentheses, user and system time are the 12th and 13th.
            let after = stat.rsplit(')').next().unwrap_or_default();
            let now: Vec<String> = after.split_whitespace().skip(11).take(2).map(str::to_owned).collect();
            if before.as_ref() == Some(&now) {
                return Ok(());
            }
            before = Some(now);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The memory that it occupies (Linux: `VmRSS`), in octets.
    pub fn memory_bytes(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// The size of the files in its directory, in octets.
    pub fn disk_bytes(&self) -> Outcome<u64> {
        let sizes = std::fs::read_dir(&self.data)?.map(|file| Ok(file?.metadata()?.len()));
        sizes.sum()
    }
}

/// A running bare server.
pub struct Bare(Process);

impl Bare {
    /// Starts it with the certificate of a data directory. It gives the answer to every GET.
    pub fn start(data: &Path, answer: &[u8]) -> Outcome<Bare> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--bare").arg(data);
        let input = [format!("{}\n", answer.len()).as_bytes(), answer].concat();
        Ok(Bare(Process::start(&mut command, &input, false)?))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }
}
