//! Call home (RFC 8071): the server makes the TCP connection, and then serves it as if the client had made it.
//!
//! It never trusts a client for having been called: who asks is proved by each request, as everywhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::listener::{self, FOREVER, Patience, Scheme, Shared};
use crate::clock::Timestamp;
use crate::config::{CallHome, Keepalives, ListenAddress, Periodic, Protocol, StartWith};

/// Between the end of a connection that is to be held and the next one.
const AGAIN_S: u64 = 1;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    /// There was a connection with a client that knows its protocol; it has ended.
    Served,
    /// There was none.
    Failed,
}

/// Keeps up the connection with a client, or makes it when it is due, until the server stops; then lets the requests end
/// that are being answered, for `drain_s` at most.
pub async fn run(client: CallHome, shared: Arc<Shared>) {
    let started = shared.clock.now();
    if let Some(anchor) = client.periodic.as_ref().and_then(|periodic| periodic.anchor_time) {
        tracing::info!(client = client.name, "is called when a period begins");
        if !wait(due(anchor, &client, shared.clock.now()), &shared).await {
            return;
        }
    }
    let mut last = None;
    let mut at = first(&client, last);
    let (mut attempts, mut failures) = (0, 0);
    // Both counted from the last connection: `attempts` for the endpoint, `failures` for the client.
    loop {
        let Some(endpoint) = client.address(at) else { return };
        let until = match call(&client, &endpoint, &shared).await {
            _ if shared.shutdown.has_begun() => return,
            Called::Served => {
                (attempts, failures, last) = (0, 0, Some(at));
                at = first(&client, last);
                let now = shared.clock.now();
                match &client.periodic {
                    Some(periodic) => due(periodic.anchor_time.unwrap_or(started), &client, now),
                    None => after(now, AGAIN_S),
                }
            }
            Called::Failed => {
                (attempts, failures) = (attempts + 1, failures + 1);
                if attempts >= client.max_attempts {
                    (attempts, at) = (0, (at + 1) % client.endpoints.len());
                }
                after(shared.clock.now(), pause_s(failures, shared.limits.call_home_wait_max_s))
            }
        };
        if !wait(until, &shared).await {
            return;
        }
    }
}

/// One attempt at one endpoint, and all that follows from it.
async fn call(client: &CallHome, endpoint: &ListenAddress, shared: &Arc<Shared>) -> Called {
    let name = client.name.as_str();
    let attempt = timeout(Duration::from_secs(client.max_wait.into()), connect(endpoint, client.keepalives));
    let connected = tokio::select! {
        () = shared.shutdown.begun() => return Called::Failed,
        connected = attempt => connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    };
    let (tcp, peer) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            tracing::warn!(client = name, %endpoint, %error, "cannot call home");
            return Called::Failed;
        }
    };
    tracing::info!(client = name, %endpoint, %peer, "calls home");
    let idle = match &client.periodic {
        Some(periodic) => Duration::from_secs(periodic.idle_timeout.into()),
        // What is to be held may be silent: TCP sees whether the client is there.
        None => FOREVER,
    };
    let patience = Patience { idle, header: idle, ping: None };
    let scheme = match client.protocol {
        Protocol::Restconf => Scheme::Https,
        Protocol::NetconfSsh => Scheme::Ssh,
        Protocol::NetconfTls => Scheme::Tls,
    };
    let source = shared.rates.connected(peer.ip());
    let mut served = std::pin::pin!(listener::connection(tcp, peer, scheme, patience, source, shared));
    let is_served = tokio::select! {
        is_served = served.as_mut() => is_served,
        () = shared.shutdown.begun() => {
            timeout(Duration::from_secs(shared.limits.drain_s), served).await.unwrap_or_else(|_| {
                tracing::warn!(client = name, "the connection is cut off, it took too long to end");
                true
            })
        }
    };
    if is_served {
        tracing::info!(client = name, %peer, "the connection that was called home has ended");
        Called::Served
    } else {
        tracing::warn!(client = name, %peer, "the client that was called does not answer as it should");
        Called::Failed
    }
}

async fn connect(endpoint: &ListenAddress, keepalives: Keepalives) -> io::Result<(TcpStream, SocketAddr)> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    listener::keep_alive(&tcp, keepalives)?;
    let peer = tcp.peer_addr()?;
    Ok((tcp, peer))
}

/// Waits; false if the server stops meanwhile.
async fn wait(until: Timestamp, shared: &Shared) -> bool {
    tokio::select! {
        () = shared.shutdown.begun() => false,
        () = shared.clock.sleep_until(until) => true,
    }
}

/// The endpoint to begin with.
fn first(client: &CallHome, last: Option<usize>) -> usize {
    match client.start_with {
        StartWith::FirstListed => 0,
        StartWith::LastConnected => last.unwrap_or_default(),
        StartWith::RandomSelection => random(client.endpoints.len()),
    }
}

/// Any number below `end`, which is not 0.
fn random(end: usize) -> usize {
    // The remainder of so great a number is as good as even.
    usize::try_from(uuid::Uuid::new_v4().as_u128() % end as u128).unwrap_or_default()
}

/// How long to wait after so many failures in a row: a second, then twice as long each time, and somewhat longer at random, so
/// that many servers do not call one client at once.
fn pause_s(failures: u32, most: u32) -> u64 {
    let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX).min(most.into());
    let more = usize::try_from(doubled / 4).unwrap_or_default();
    (doubled + random(more + 1) as u64).min(most.into())
}

/// When the next period begins that is counted from `anchor`.
fn due(anchor: Timestamp, client: &CallHome, now: Timestamp) -> Timestamp {
    let period = client.periodic.as_ref().map_or(1, |Periodic { period, .. }| i64::from(*period) * 60);
    let since = now.as_seconds().saturating_sub(anchor.as_seconds());
    now.saturating_add_seconds(period - since.rem_euclid(period))
}

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    now.saturating_add_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn client(periodic: Option<Periodic>) -> CallHome {
        CallHome {
            name: "oss".into(),
            protocol: Protocol::Restconf,
            endpoints: vec!["a".to_owned().try_into().unwrap(), "b".to_owned().try_into().unwrap()],
            periodic,
            start_with: StartWith::FirstListed,
            max_wait: 5,
            max_attempts: 3,
            keepalives: Keepalives::default(),
        }
    }

    #[test]
    fn periods_are_counted_from_the_anchor_whether_it_is_past_or_to_come() {
        let hourly = client(Some(Periodic { period: 60, ..Periodic::default() }));
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let next = |anchor, now| due(at(anchor), &hourly, at(now)).to_string();
        for anchor in ["2020-01-01T00:15:00Z", "2026-11-21T09:15:00Z", "2030-01-01T00:15:00Z"] {
            assert_eq!(next(anchor, "2026-11-21T08:14:59Z"), "2026-11-21T08:15:00Z");
            assert_eq!(next(anchor, "2026-11-21T08:15:00Z"), "2026-11-21T09:15:00Z");
        }
    }

    #[test]
    fn pauses_grow_to_their_limit() {
        for (failures, least, most) in
            [(1, 1, 1), (2, 2, 2), (3, 4, 5), (4, 8, 10), (7, 60, 60), (4000, 60, 60)]
        {
            for _ in 0..20 {
                assert!((least..=most).contains(&pause_s(failures, 60)), "{failures}");
            }
        }
    }

    #[test]
    fn a_call_begins_where_it_is_told_to() {
        let mut two = client(None);
        assert_eq!(first(&two, Some(1)), 0);
        two.start_with = StartWith::LastConnected;
        assert_eq!((first(&two, None), first(&two, Some(1))), (0, 1));
        two.start_with = StartWith::RandomSelection;
        let seen: std::collections::BTreeSet<_> = (0..100).map(|_| first(&two, None)).collect();
        assert_eq!(seen, [0, 1].into());
    }
}
