//! A server as a process: starting it, and asking the operating system what it takes. Dropping it ends it.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Outcome;

/// A process that serves.
pub struct Process {
    child: Child,
    /// Where it listens, in the order in which it says so.
    pub addresses: Vec<SocketAddr>,
}

impl Process {
    /// Starts it, gives it the input, and waits until it has said where it listens, in so many lines.
    pub fn start(command: &mut Command, input: &[u8], lines: usize) -> Outcome<Process> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut process = Process { child, addresses: Vec::new() };
        if let Some(stdin) = &mut process.child.stdin {
            stdin.write_all(input)?;
        }
        let stdout = process.child.stdout.take().ok_or("no output")?;
        let mut said = BufReader::new(stdout).lines();
        for _ in 0..lines {
            let line = said.next().ok_or("it ended")??;
            process.addresses.push(line.trim().rsplit(' ').next().unwrap_or_default().parse()?);
        }
        Ok(process)
    }

    /// Returns when its processor time has stood still for a moment: what was begun is done.
    pub async fn settled(&self) -> Outcome<()> {
        let mut before = None;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
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

    /// The memory that it occupies (Linux: `VmRSS`), in octets.
    pub fn memory_bytes(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; its data is thrown away in any case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
