//! A large answer: how fast a whole list is read, and what that does to those who write meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Outcome;
use super::client::{Client, Run, Timed};
use super::entry;

/// What the rounds came to.
#[derive(Default)]
pub struct Large {
    /// Entries of the list.
    pub entries: u64,
    /// Octets of the answer.
    pub octets: u64,
    /// Megabytes a second, each round: of agentconf, and of the bare server with the same bytes.
    pub rates: Vec<f64>,
    pub bare_rates: Vec<f64>,
    /// Of edits, while nothing else happens and while the list is read again and again.
    pub writes_alone: Vec<Duration>,
    pub writes_beside: Vec<Duration>,
}

/// The longest time of writing in one round.
const WRITING: Duration = Duration::from_secs(1);

impl Large {
    /// One more round. `bare` gives the same bytes.
    pub async fn round(&mut self, client: &Client, bare: &Client, round: u64) -> Outcome<()> {
        for (client, is_bare) in [(client, false), (bare, true)] {
            let start = Instant::now();
            let octets = client.download(&entry::whole()).await?;
            let rate = octets as f64 / 1e6 / start.elapsed().as_secs_f64();
            match is_bare {
                true => self.bare_rates.push(rate),
                false => {
                    self.octets = octets as u64;
                    self.rates.push(rate);
                }
            }
        }
        self.writes_alone.extend(write(client, 2 * round).await?.latencies);
        let ended = Arc::new(AtomicBool::new(false));
        let reading = {
            let (client, ended) = (client.clone(), Arc::clone(&ended));
            tokio::spawn(async move {
                while !ended.load(Ordering::Relaxed) {
                    client.download(&entry::whole()).await?;
                }
                Outcome::Ok(())
            })
        };
        let written = write(client, 2 * round + 1).await;
        ended.store(true, Ordering::Relaxed);
        reading.await??;
        self.writes_beside.extend(written?.latencies);
        Ok(())
    }
}

/// Writes for a while over one connection, and takes it out again.
async fn write(client: &Client, turn: u64) -> Outcome<Timed> {
    const EACH: u64 = 500;
    let run = Run { connections: 1, first: turn * EACH, requests: EACH, limit: WRITING };
    let timed = client.run(run, |n| entry::put(n, n)).await?;
    let delete = Run { requests: timed.latencies.len() as u64, limit: Duration::MAX, ..run };
    client.run(delete, |n| entry::delete(n, n)).await?;
    Ok(timed)
}
