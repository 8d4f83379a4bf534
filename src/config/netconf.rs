//! The section `[netconf]`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// The section `[netconf]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Netconf {
    /// Where clients may have configuration read and written (RFC 6241 section 8.8).
    pub url: Urls,
}

/// The section `[netconf.url]`. Administrators alone use URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Urls {
    /// The directory that `file:///NAME` is in; nothing else of the file system can be named. Without it that is `files` in
    /// the data directory.
    pub directory: Option<PathBuf>,
    /// What an `https` URL has to begin with, such as `https://config.example.net/agents/`. Without any, the scheme is not
    /// announced.
    pub https: Vec<String>,
    /// PEM files with the authorities that servers of `https` have certificates of.
    pub authorities: Vec<PathBuf>,
    /// Addresses and networks beside the public ones where these servers may be, such as `10.1.0.0/16`.
    pub addresses: Vec<Network>,
}

impl Urls {
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.directory.iter_mut().chain(&mut self.authorities)
    }

    /// What makes no sense: the key, and what is wrong with it.
    pub(super) fn nonsense(&self) -> Option<(&'static str, String)> {
        let is_prefix = |prefix: &&String| {
            let rest = prefix.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
            rest.is_some_and(|(host, _)| !host.is_empty() && !host.contains('@'))
                && !prefix.contains(['?', '#'])
        };
        if let Some(wrong) = self.https.iter().find(|prefix| !is_prefix(prefix)) {
            return Some((
                "https",
                format!("has {wrong:?}, which is not https://HOST/ with more or nothing behind it"),
            ));
        }
        if !self.https.is_empty() && self.authorities.is_empty() {
            return Some(("authorities", "is missing: netconf.url.https needs it".to_owned()));
        }
        None
    }
}

/// An address, or a network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// Why a text is no [`Network`].
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no address or network, such as 10.1.0.0/16 or fd00::1")]
pub struct NetworkError(String);

impl Network {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let different = own.to_bits() ^ other.to_bits();
                different.leading_zeros() >= self.bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let different = own.to_bits() ^ other.to_bits();
                different.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let parse = || {
            let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
            Some(Network { address, bits })
        };
        parse().ok_or_else(|| NetworkError(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Network, NetworkError> {
        text.parse()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_like_it() {
        let is_in = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(is_in("10.1.0.0/16", "10.1.255.1") && !is_in("10.1.0.0/16", "10.2.0.1"));
        assert!(is_in("0.0.0.0/0", "192.0.2.1") && !is_in("0.0.0.0/0", "::1"));
        assert!(is_in("127.0.0.1", "127.0.0.1") && !is_in("127.0.0.1", "127.0.0.2"));
        assert!(is_in("fd00::/8", "fd12::1") && !is_in("fd00::/8", "fe80::1"));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "host", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_prefix_ends_after_the_host() {
        let wrong = |https: &str| {
            let authorities = vec!["ca.pem".into()];
            Urls { https: vec![https.into()], authorities, ..Urls::default() }.nonsense().is_some()
        };
        assert!(!wrong("https://example.net/") && !wrong("https://example.net:8443/a/b"));
        for prefix in
            ["https://example.net", "http://example.net/", "https:///a", "https://u@example.net/", ""]
        {
            assert!(wrong(prefix), "{prefix}");
        }
    }
}
