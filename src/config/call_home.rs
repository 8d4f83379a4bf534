//! The section `[[call-home]]`: the clients that the server connects to (RFC 8071), in the terms of the list `call-home` of
//! `ietf-restconf-server` (draft-ietf-netconf-restconf-client-server). It never connects to anything.

use serde::Deserialize;

use super::{ListenAddress, ListenAddressError};
use crate::clock::{self, Timestamp};

/// A client that the server connects to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallHome {
    /// Name of the client, for the log.
    pub name: String,
    /// What is spoken.
    #[serde(default)]
    pub protocol: Protocol,
    /// Where the client waits; more than one if it is on several machines, tried in turn.
    pub endpoints: Vec<Endpoint>,
    /// If there: the connection is not held, but made at times.
    #[serde(default)]
    pub periodic: Option<Periodic>,
    /// Which endpoint is tried first when a connection is to be made.
    #[serde(default)]
    pub start_with: StartWith,
    /// How long a connection may take to be made, in seconds.
    #[serde(default = "max_wait")]
    pub max_wait: u16,
    /// How often an endpoint is tried before the next one.
    #[serde(default = "max_attempts")]
    pub max_attempts: u8,
    /// When TCP asks whether the client is still there.
    #[serde(default)]
    pub keepalives: Keepalives,
}

/// What is spoken with a client that was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// RESTCONF over TLS.
    #[default]
    Restconf,
    /// NETCONF over SSH.
    NetconfSsh,
    /// NETCONF over TLS.
    NetconfTls,
}

/// `HOST` or `HOST:PORT`, as for [`ListenAddress`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint {
    /// The name or address, without brackets.
    pub host: String,
    /// The port; without one it is that of IANA's registry.
    pub port: Option<u16>,
}

/// A connection that is made at times.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Periodic {
    /// From one connection to the next, in minutes.
    pub period: u16,
    /// One of the points in time at which a period begins; without it, the first begins with the server.
    #[serde(deserialize_with = "time")]
    pub anchor_time: Option<Timestamp>,
    /// A connection on which nothing moves for so long is ended, in seconds.
    pub idle_timeout: u16,
}

/// Which endpoint is tried first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartWith {
    /// The first one.
    #[default]
    FirstListed,
    /// The one that the last connection was with; else the first one.
    LastConnected,
    /// Any.
    RandomSelection,
}

/// When TCP asks whether the other side is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keepalives {
    /// After how long a silence, in seconds.
    pub idle_time: u16,
    /// After how many questions without an answer the connection has ended.
    pub max_probes: u16,
    /// From one question to the next, in seconds.
    pub probe_interval: u16,
}

impl Default for Periodic {
    fn default() -> Periodic {
        Periodic { period: 60, anchor_time: None, idle_timeout: 180 }
    }
}

impl Default for Keepalives {
    fn default() -> Keepalives {
        Keepalives { idle_time: 30, max_probes: 3, probe_interval: 10 }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = ListenAddressError;

    fn try_from(text: String) -> Result<Endpoint, ListenAddressError> {
        let (address, has_port) = match text.parse::<ListenAddress>() {
            Ok(address) => (address, true),
            Err(error) => (format!("{text}:0").parse::<ListenAddress>().map_err(|_| error)?, false),
        };
        Ok(Endpoint { host: address.host, port: has_port.then_some(address.port) })
    }
}

impl Protocol {
    /// Where a client waits for a call if its port is not named (RFC 8071 section 6).
    fn port(self) -> u16 {
        match self {
            Protocol::NetconfSsh => 4334,
            Protocol::NetconfTls => 4335,
            Protocol::Restconf => 4336,
        }
    }
}

impl CallHome {
    /// The address of an endpoint by its place in the list.
    pub fn address(&self, place: usize) -> Option<ListenAddress> {
        let endpoint = self.endpoints.get(place)?;
        let port = endpoint.port.unwrap_or_else(|| self.protocol.port());
        Some(ListenAddress { host: endpoint.host.clone(), port })
    }

    /// The key of what makes no sense, and the predicate that says why.
    pub(super) fn nonsense(&self) -> Option<(&'static str, &'static str)> {
        let zero = [
            ("max-wait", self.max_wait),
            ("max-attempts", self.max_attempts.into()),
            ("keepalives.idle-time", self.keepalives.idle_time),
            ("keepalives.max-probes", self.keepalives.max_probes),
            ("keepalives.probe-interval", self.keepalives.probe_interval),
            ("periodic.period", self.periodic.as_ref().map_or(1, |periodic| periodic.period)),
            ("periodic.idle-timeout", self.periodic.as_ref().map_or(1, |periodic| periodic.idle_timeout)),
        ];
        let zero = zero.into_iter().find(|(_, value)| *value == 0);
        let nobody = self.endpoints.is_empty().then_some(("endpoints", "is empty"));
        zero.map(|(key, _)| (key, "has to be at least 1")).or(nobody)
    }
}

fn max_wait() -> u16 {
    5
}

fn max_attempts() -> u8 {
    3
}

fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    clock::rfc3339::deserialize(deserializer).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_port_has_the_registered_one() {
        let read = |text: &str| {
            let endpoint = Endpoint::try_from(text.to_owned())?;
            Ok::<_, ListenAddressError>((endpoint.host, endpoint.port))
        };
        assert_eq!(read("oss.example.net").unwrap(), ("oss.example.net".to_owned(), None));
        assert_eq!(read("[2001:db8::1]").unwrap(), ("2001:db8::1".to_owned(), None));
        assert_eq!(read("192.0.2.1:99").unwrap(), ("192.0.2.1".to_owned(), Some(99)));
        for (protocol, port) in [("restconf", 4336), ("netconf-ssh", 4334), ("netconf-tls", 4335)] {
            let text = format!("name = 'a'\nendpoints = ['b']\nprotocol = '{protocol}'");
            assert_eq!(toml::from_str::<CallHome>(&text).unwrap().address(0).unwrap().port, port);
        }
        for text in ["", "a b", "2001:db8::1", "oss:99999", "[x]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
