//! How much a user, or a network that requests come from, may ask for: token buckets and counts, in maps that are bounded.
//!
//! It never waits, and never says who somebody is.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use smol_str::SmolStr;

use super::throttle::network;
use crate::clock::Clock;
use crate::limits::RateLimits;

/// So that those who ask at the same time seldom wait for each other.
const SHARDS: usize = 64;
const SECOND_NS: i64 = 1_000_000_000;

/// The rates of a server. One for all listeners.
#[derive(Debug)]
pub struct Rates {
    limits: ArcSwap<RateLimits>,
    clock: Clock,
    sources: Known<[u8; 16], Source>,
    users: Known<SmolStr, Bucket>,
}

/// What is known of one source: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Debug, Default)]
struct Source {
    requests: Bucket,
    handshakes: Bucket,
    logins: Bucket,
    connections: AtomicU32,
    sessions: AtomicU32,
}

impl Rates {
    /// With these limits, and nobody known.
    pub fn new(limits: RateLimits, clock: Clock) -> Arc<Rates> {
        let (sources, users) = (Known::default(), Known::default());
        Arc::new(Rates { limits: ArcSwap::from_pointee(limits), clock, sources, users })
    }

    /// Sets the limits from now on. Connections and sessions that are there already stay.
    pub fn replace(&self, limits: RateLimits) {
        self.limits.store(Arc::new(limits));
    }

    /// A connection that somebody makes. `None`: there are too many from there, or too many in too short a time.
    pub fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        let limits = self.limits.load();
        let connected = self.connected(address);
        let source = &connected.source;
        let is_room = is_within(limits.source_connections_max, source.connections.load(Relaxed));
        let rate = (limits.source_handshakes_per_s, limits.source_handshakes_burst);
        (is_room && source.handshakes.take(rate, self.now_ns()).is_ok()).then_some(connected)
    }

    /// A connection that the server has made itself: it is counted and never refused.
    pub fn connected(self: &Arc<Self>, address: IpAddr) -> Connected {
        let key = network(address);
        let source = self.sources.get(
            &key,
            || key,
            self.limits.load().sources_max,
            |source| {
                [&source.requests, &source.handshakes, &source.logins]
                    .iter()
                    .all(|bucket| bucket.is_full(self.now_ns()))
            },
        );
        source.connections.fetch_add(1, Relaxed);
        Connected { rates: Arc::clone(self), source }
    }

    /// One request of a user more.
    ///
    /// # Errors
    /// After how many seconds it may be asked again.
    pub fn user_asks(&self, name: &str) -> Result<(), u64> {
        let limits = self.limits.load();
        if limits.user_requests_per_s == 0 {
            return Ok(());
        }
        let now = self.now_ns();
        let user = self.users.get(name, || name.into(), limits.sources_max, |user| user.is_full(now));
        user.take((limits.user_requests_per_s, limits.user_requests_burst), now)
    }

    fn now_ns(&self) -> i64 {
        self.clock.now().as_micros().saturating_mul(1000)
    }
}

/// A connection, as far as its source counts it; it counts until this is dropped.
#[derive(Debug)]
pub struct Connected {
    rates: Arc<Rates>,
    source: Arc<Source>,
}

impl Connected {
    /// One request more.
    ///
    /// # Errors
    /// After how many seconds it may be asked again.
    pub fn asks(&self) -> Result<(), u64> {
        let limits = self.rates.limits.load();
        if limits.source_requests_per_s == 0 {
            return Ok(());
        }
        let rate = (limits.source_requests_per_s, limits.source_requests_burst);
        self.source.requests.take(rate, self.rates.now_ns())
    }

    /// One connection more on which nobody has logged in yet.
    ///
    /// # Errors
    /// There are too many in too short a time.
    pub fn begins_login(&self) -> Result<(), u64> {
        let limits = self.rates.limits.load();
        let rate = (limits.source_logins_per_s, limits.source_logins_burst);
        self.source.logins.take(rate, self.rates.now_ns())
    }

    /// Somebody has logged in on it, so it does not count.
    pub fn logged_in(&self) {
        self.source.logins.give(self.rates.limits.load().source_logins_per_s);
    }

    /// One request more of this user.
    ///
    /// # Errors
    /// After how many seconds it may be asked again.
    pub fn user_asks(&self, name: &str) -> Result<(), u64> {
        self.rates.user_asks(name)
    }

    /// A NETCONF session. `None`: there are too many from there.
    pub fn session(self: &Arc<Self>) -> Option<Counted> {
        let before = self.source.sessions.fetch_add(1, Relaxed);
        let counted = Counted(Arc::clone(self));
        is_within(self.rates.limits.load().source_sessions_max, before + 1).then_some(counted)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.source.connections.fetch_sub(1, Relaxed);
    }
}

/// A session that counts until this is dropped.
#[derive(Debug)]
pub struct Counted(Arc<Connected>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.source.sessions.fetch_sub(1, Relaxed);
    }
}

/// Whether so many are allowed; a limit of 0 is none.
fn is_within(max: u32, count: u32) -> bool {
    max == 0 || count <= max
}

/// A token bucket, kept as the time at which it is full again, in nanoseconds since the epoch.
#[derive(Debug, Default)]
struct Bucket(AtomicI64);

impl Bucket {
    /// Takes a token out of a bucket that gets so many in a second and holds so many; 0 in a second is no limit.
    ///
    /// Errors: after how many seconds there is one.
    fn take(&self, (per_s, burst): (u32, u32), now: i64) -> Result<(), u64> {
        if per_s == 0 {
            return Ok(());
        }
        let one = SECOND_NS / i64::from(per_s);
        let all = one.saturating_mul(burst.max(1).into());
        let mut wait = 0;
        let taken = self.0.fetch_update(Relaxed, Relaxed, |full_at| {
            // Later than an empty bucket would be full: the clock was set back, or the limit was another one.
            let full_at = if full_at > now.saturating_add(all) { now } else { full_at.max(now) };
            wait = full_at.saturating_add(one).saturating_sub(now).saturating_sub(all);
            (wait <= 0).then_some(full_at.saturating_add(one))
        });
        taken.map(drop).map_err(|_| u64::try_from(wait / SECOND_NS).unwrap_or_default() + 1)
    }

    /// Puts a token back. What is full is not made fuller: taking looks at no time before now.
    fn give(&self, per_s: u32) {
        if per_s > 0 {
            self.0.fetch_sub(SECOND_NS / i64::from(per_s), Relaxed);
        }
    }

    /// Whether nothing is lost if it is forgotten.
    fn is_full(&self, now: i64) -> bool {
        self.0.load(Relaxed) <= now
    }
}

/// A map that forgets what is in nobody's hands when it is full, first what there is no reason to remember.
#[derive(Debug)]
struct Known<K, V> {
    hasher: RandomState,
    shards: [Mutex<HashMap<K, Arc<V>>>; SHARDS],
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Known<K, V> {
        Known { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<K: Hash + Eq, V: Default> Known<K, V> {
    /// What is known of `key`. There are at most `max` besides those that are in somebody's hands.
    fn get<Q: Hash + Eq + ?Sized>(
        &self,
        key: &Q,
        own: impl FnOnce() -> K,
        max: u32,
        is_dispensable: impl Fn(&V) -> bool,
    ) -> Arc<V>
    where
        K: Borrow<Q>,
    {
        let shard = self.hasher.hash_one(key) % SHARDS as u64;
        // The remainder is the index of one.
        let Some(shard) = usize::try_from(shard).ok().and_then(|shard| self.shards.get(shard)) else {
            return Arc::default();
        };
        let mut known = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(key) {
            return Arc::clone(value);
        }
        let max = (max as usize / SHARDS).max(1);
        if known.len() >= max {
            known.retain(|_, value| Arc::strong_count(value) > 1 || !is_dispensable(value));
        }
        if known.len() >= max {
            known.retain(|_, value| Arc::strong_count(value) > 1);
        }
        Arc::clone(known.entry(own()).or_default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn rates(limits: RateLimits) -> (ManualClock, Arc<Rates>) {
        let clock = ManualClock::new(Timestamp::from_seconds(1_000_000).unwrap());
        let rates = Rates::new(limits, clock.clock());
        (clock, rates)
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let limits = RateLimits { user_requests_per_s: 2, user_requests_burst: 5, ..RateLimits::default() };
        let (clock, rates) = rates(limits);
        let taken = |name| (0..100).take_while(|_| rates.user_asks(name).is_ok()).count();
        assert_eq!((taken("ann"), taken("bob")), (5, 5));
        assert_eq!(rates.user_asks("ann"), Err(1));
        clock.advance_seconds(1);
        assert_eq!(taken("ann"), 2);
        clock.advance_seconds(3600);
        assert_eq!(taken("ann"), 5);
        // Who sets the clock back does not lock anybody out.
        clock.set(Timestamp::from_seconds(1_000_000).unwrap());
        assert_eq!(taken("ann"), 5);
        rates.replace(RateLimits { user_requests_per_s: 1, user_requests_burst: 1, ..RateLimits::default() });
        clock.advance_seconds(3600);
        assert_eq!(taken("ann"), 1);
        rates.replace(RateLimits::default());
        assert_eq!(taken("ann"), 100);
    }

    #[test]
    fn the_wait_that_is_told_is_long_enough() {
        let limits = RateLimits { user_requests_per_s: 1, user_requests_burst: 3, ..RateLimits::default() };
        let (clock, rates) = rates(limits);
        while rates.user_asks("ann").is_ok() {}
        let wait = rates.user_asks("ann").unwrap_err();
        clock.advance_seconds(i64::try_from(wait).unwrap());
        assert_eq!(rates.user_asks("ann"), Ok(()));
    }

    #[test]
    fn connections_and_sessions_count_while_they_last() {
        let limits = RateLimits {
            source_connections_max: 2,
            source_sessions_max: 1,
            source_handshakes_per_s: 0,
            ..RateLimits::default()
        };
        let (_, rates) = rates(limits);
        let first = Arc::new(rates.connect(address(1)).unwrap());
        let second = rates.connect(address(1)).unwrap();
        assert!(rates.connect(address(1)).is_none());
        assert!(rates.connect(address(2)).is_some(), "another source");
        let session = first.session().unwrap();
        assert!(first.session().is_none());
        drop(session);
        assert!(first.session().is_some());
        let called = rates.connected(address(1));
        assert!(rates.connect(address(1)).is_none(), "what the server makes itself is counted");
        drop((second, called));
        assert!(rates.connect(address(1)).is_some());
    }

    #[test]
    fn handshakes_and_requests_have_rates_of_their_own_for_each_network() {
        let limits = RateLimits {
            source_handshakes_per_s: 1,
            source_handshakes_burst: 2,
            source_requests_per_s: 1,
            source_requests_burst: 3,
            ..RateLimits::default()
        };
        let (_, rates) = rates(limits);
        let [one, same, other] =
            ["2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1"].map(|a| a.parse().unwrap());
        let connected = rates.connect(one).unwrap();
        assert!(rates.connect(same).is_some() && rates.connect(one).is_none());
        assert_eq!((0..9).take_while(|_| connected.asks().is_ok()).count(), 3);
        let connected = rates.connect(other).unwrap();
        assert!(connected.asks().is_ok());
    }

    #[test]
    fn who_logs_in_does_not_use_up_what_is_for_those_who_do_not() {
        let limits = RateLimits { source_logins_per_s: 2, source_logins_burst: 3, ..RateLimits::default() };
        let (clock, rates) = rates(limits);
        let connected = rates.connect(address(1)).unwrap();
        for _ in 0..100 {
            connected.begins_login().unwrap();
            connected.logged_in();
        }
        assert_eq!((0..9).take_while(|_| connected.begins_login().is_ok()).count(), 3);
        assert!(rates.connect(address(2)).unwrap().begins_login().is_ok(), "another source");
        clock.advance_seconds(1);
        assert_eq!((0..9).take_while(|_| connected.begins_login().is_ok()).count(), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_who_is_connected_is_not_forgotten() {
        let limits = RateLimits { sources_max: 640, source_connections_max: 1, ..RateLimits::default() };
        let (_, rates) = rates(limits);
        let held = rates.connect(address(1)).unwrap();
        for number in 0..10_000_u32 {
            drop(rates.connect(std::net::Ipv4Addr::from_bits(number).into()));
        }
        let count: usize = rates.sources.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(count <= 641, "{count}");
        assert!(rates.connect(address(1)).is_none());
        drop(held);
    }
}
