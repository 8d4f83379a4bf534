//! Where a request comes from: protocol, address and how the user was recognised, in one short text of records.
//!
//! It never looks an address up, and never holds a credential.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::Method;
use crate::trace::SpanId;

/// A protocol by which requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RESTCONF (RFC 8040), over HTTP with or without TLS.
    Restconf,
    /// NETCONF over SSH (RFC 6242).
    NetconfSsh,
    /// NETCONF over TLS (RFC 7589).
    NetconfTls,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// By which protocol.
    pub protocol: Protocol,
    /// The other end of the connection.
    pub address: SocketAddr,
}

/// How and from where a user came. Its text is `METHOD PROTOCOL ADDRESS`, such as `token restconf 192.0.2.1:50000`,
/// and for a request that belongs to a trace a further word, `TRACE-SPAN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// How the identity was proved; `None`, which is written `-`, if it was not and nobody knows how it was to be.
    pub method: Option<Method>,
    /// From where.
    pub source: Source,
    /// The span of the request, if it belongs to a trace.
    pub trace: Option<SpanId>,
}

impl Source {
    /// What stands for all addresses of one holder, which is mostly somebody's /64 of IPv6 and an address of IPv4.
    pub fn network(&self) -> IpAddr {
        match self.address.ip().to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
            address => address,
        }
    }
}

impl Protocol {
    const ALL: [Protocol; 3] = [Protocol::Restconf, Protocol::NetconfSsh, Protocol::NetconfTls];

    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Restconf => "restconf",
            Protocol::NetconfSsh => "netconf-ssh",
            Protocol::NetconfTls => "netconf-tls",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { method, source: Source { protocol, address }, trace } = self;
        write!(f, "{} {} {address}", method.map_or("-", Method::as_str), protocol.as_str())?;
        trace.map_or(Ok(()), |trace| write!(f, " {trace}"))
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Origin, &'static str> {
        let mut words = text.split(' ');
        let (Some(method), Some(protocol), Some(address), trace, None) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            return Err("it is METHOD PROTOCOL ADDRESS, or that with TRACE-SPAN");
        };
        let trace = trace.map(str::parse).transpose()?;
        let method = match method {
            "-" => Some(None),
            method => Method::ALL.into_iter().find(|known| known.as_str() == method).map(Some),
        };
        let protocol = Protocol::ALL.into_iter().find(|known| known.as_str() == protocol);
        let (Some(method), Some(protocol), Ok(address)) = (method, protocol, address.parse()) else {
            return Err("the method, protocol or address is none that is known");
        };
        Ok(Origin { method, source: Source { protocol, address }, trace })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_it_is_written() {
        for text in [
            "token restconf 192.0.2.1:50000",
            "certificate netconf-tls [2001:db8::1]:6513",
            "public-key netconf-ssh 127.0.0.1:1",
            "- restconf 127.0.0.1:1",
            "token restconf 192.0.2.1:5 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "token restconf",
            "token restconf here",
            "magic restconf 127.0.0.1:1",
            "token restconf 127.0.0.1:1 ",
            "token restconf 127.0.0.1:1 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b",
            "token restconf 127.0.0.1:1 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7 x",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_is_what_one_holder_has() {
        let network = |address: &str| {
            let address = address.parse().unwrap();
            Source { protocol: Protocol::Restconf, address }.network().to_string()
        };
        assert_eq!(network("192.0.2.1:5"), "192.0.2.1");
        assert_eq!(network("[::ffff:192.0.2.1]:5"), "192.0.2.1");
        assert_eq!(network("[2001:db8:1:2:3:4:5:6]:5"), "2001:db8:1:2::");
    }
}
