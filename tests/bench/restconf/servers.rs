//! The servers as processes, and what they keep on disk. Dropping one ends it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::Outcome;
use super::client::Client;
use super::common::process::Process;

/// A running agentconf.
pub struct Agentconf {
    pub process: Process,
    data: PathBuf,
    /// From its start until it accepted.
    pub replay: Duration,
}

impl Agentconf {
    /// Starts it on a data directory.
    pub fn start(data: &Path) -> Outcome<Agentconf> {
        Agentconf::configured(data, "")
    }

    /// The same with a configuration file.
    pub fn configured(data: &Path, configuration: &str) -> Outcome<Agentconf> {
        let file = data.with_extension("toml");
        std::fs::write(&file, configuration)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf"));
        let addresses = ["--https", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        command.arg("serve").args(addresses).arg("--config").arg(file).arg("--data").arg(data);
        command.env("RUST_LOG", "error");
        let start = Instant::now();
        let process = Process::start(&mut command, &[], 2)?;
        Ok(Agentconf { process, data: data.to_owned(), replay: start.elapsed() })
    }

    /// A client of it with the administrator's token.
    pub fn client(&self) -> Outcome<Client> {
        let token = std::fs::read_to_string(self.data.join("admin.jwt"))?;
        Client::new(self.process.addresses[0], &self.data.join("pki/ca.pem"), &token)
    }

    /// The same without TLS.
    pub fn plain_client(&self) -> Outcome<Client> {
        Ok(self.client()?.plain(self.process.addresses[1]))
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
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
        Ok(Bare(Process::start(&mut command, &input, 2)?))
    }

    /// Where it listens for TLS.
    pub fn address(&self) -> SocketAddr {
        self.0.addresses[0]
    }

    /// Where it listens for plain HTTP.
    pub fn plain_address(&self) -> SocketAddr {
        self.0.addresses[1]
    }
}
