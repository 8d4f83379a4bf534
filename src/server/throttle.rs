//! Wrong bearer tokens and API keys: how many different ones a source has shown lately.
//!
//! It never costs anybody whose credentials are right: a source that many share cannot be closed by one of them.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use super::remembered::{Digest, Digester, Remembered};
use crate::access::AuthError;
use crate::clock::Clock;
use crate::limits::Limits;

/// What sources have shown.
#[derive(Debug)]
pub struct WrongTokens {
    clock: Clock,
    failures_max: usize,
    wait_s: i64,
    digester: Digester,
    shown: Mutex<Remembered<Vec<Digest>>>,
}

impl WrongTokens {
    /// None yet.
    pub fn new(clock: Clock, limits: &Limits, digester: Digester) -> WrongTokens {
        WrongTokens {
            clock,
            failures_max: limits.token_failures_max,
            wait_s: i64::try_from(limits.login_wait_s).unwrap_or(i64::MAX),
            digester,
            shown: Mutex::new(Remembered::new(limits.login_sources_max)),
        }
    }

    /// Whether a source has shown so many that another one would not be answered with 401.
    pub fn is_suspect(&self, source: IpAddr) -> bool {
        let (now, key) = (self.clock.now(), self.digester.digest(&[&network(source)]));
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get(&key, now).is_some_and(|(tokens, _)| tokens.len() >= self.failures_max)
    }

    /// Counts a wrong token, unless it is one that the source has shown before, and says how to answer it.
    pub fn refuse(&self, source: IpAddr, token: &str) -> AuthError {
        let (now, key) = (self.clock.now(), self.digester.digest(&[&network(source)]));
        let token = self.digester.digest(&[token.as_bytes()]);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut tokens, end) =
            shown.get(&key, now).map_or_else(|| (Vec::new(), now), |(tokens, end)| (tokens.clone(), end));
        if tokens.len() >= self.failures_max {
            return AuthError::Throttled { retry_after_s: now.until(end).as_secs() + 1 };
        }
        if !tokens.contains(&token) {
            tokens.push(token);
            shown.insert(key, tokens, now.saturating_add_seconds(self.wait_s), now);
        }
        AuthError::WrongToken
    }
}

/// What counts as one source: an IPv4 address, or the IPv6 network of 64 bits that one machine can choose from.
pub fn network(source: IpAddr) -> [u8; 16] {
    match source.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).octets(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    #[test]
    fn so_many_different_ones_of_a_source_are_answered_as_wrong() {
        let clock = ManualClock::new(Timestamp::EPOCH);
        let random = rustls::crypto::ring::default_provider().secure_random;
        let limits = Limits { token_failures_max: 2, login_wait_s: 30, ..Limits::default() };
        let wrong = WrongTokens::new(clock.clock(), &limits, Digester::new(random).unwrap());
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..5 {
            assert_eq!(wrong.refuse(here, "an old one"), AuthError::WrongToken, "the same again");
        }
        assert!(!wrong.is_suspect(here));
        assert_eq!(wrong.refuse(here, "a guess"), AuthError::WrongToken);
        clock.advance_seconds(10);
        assert!(wrong.is_suspect(here) && !wrong.is_suspect(there));
        for token in ["another guess", "an old one"] {
            assert_eq!(wrong.refuse(here, token), AuthError::Throttled { retry_after_s: 21 });
        }
        assert_eq!(wrong.refuse(there, "a guess"), AuthError::WrongToken);
        clock.advance_seconds(20);
        assert_eq!(wrong.refuse(here, "a guess"), AuthError::WrongToken, "none was added for so long");
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let at = |text: &str| network(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::2:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("192.0.2.1"), at("::ffff:192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
