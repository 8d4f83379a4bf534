//! Requests that the server makes of others over HTTPS, and the addresses where it makes them: public ones, and those that the
//! operator named.
//!
//! It follows no redirect, and connects to no address but those that it has looked at: a name that means something else a
//! moment later leads nowhere else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::netconf::Duplex;
use crate::config::Network;
use crate::trace::{self, TRACEPARENT};

const PORT: u16 = 443;
const PLAIN_PORT: u16 = 80;

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file with authorities cannot be read.
    #[error("the authorities in {} cannot be read: {why}", .file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS for requests of the server cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// The address, or one of those that the name stands for, is neither public nor permitted.
    #[error("it is at an address that is not public and not permitted")]
    Address,
    /// There is nothing that speaks HTTPS and proves to be what was asked for.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The whole took longer than it may.
    #[error("it takes too long")]
    Late,
    /// The answer is longer than this many octets.
    #[error("its answer is longer than {0} octets")]
    Long(usize),
}

impl OutgoingError {
    fn unreachable(error: impl fmt::Display) -> OutgoingError {
        OutgoingError::Unreachable(error.to_string())
    }
}

/// Where requests may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Addresses and networks beside the public ones.
    pub networks: Vec<Network>,
}

impl Policy {
    /// Whether a request may go to this address.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.networks.iter().any(|network| network.contains(address))
    }

    /// Where a host is, whatever form its name has: an address, a name, or one of the older spellings of an address that only
    /// the operating system understands.
    ///
    /// # Errors
    /// It is nowhere, or one of its addresses is not permitted: a name with two does not decide it by chance.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, OutgoingError> {
        let found = lookup_host((host, port)).await.map_err(OutgoingError::unreachable)?;
        let addresses: Vec<SocketAddr> = found.collect();
        match addresses.iter().all(|address| self.permits(address.ip())) {
            true => Ok(addresses),
            false => Err(OutgoingError::Address),
        }
    }
}

/// Makes requests.
#[derive(Clone, Debug)]
pub struct Outgoing {
    policy: Policy,
    tls: Arc<ClientConfig>,
    bytes_max: usize,
    patience: Duration,
    /// Whether requests may go without TLS.
    is_plain_allowed: bool,
}

impl Outgoing {
    /// Trusts the authorities in these PEM files, or those that the machine trusts if none is named. An answer has at most
    /// `bytes_max` octets and takes at most `patience` in all.
    pub fn new(
        authorities: &[PathBuf],
        policy: Policy,
        bytes_max: usize,
        patience: Duration,
    ) -> Result<Outgoing, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = Arc::new(tls.with_root_certificates(roots(authorities)?).with_no_client_auth());
        Ok(Outgoing { policy, tls, bytes_max, patience, is_plain_allowed: false })
    }

    /// The same for `http` URIs too.
    pub fn allowing_plain(self) -> Outgoing {
        Outgoing { is_plain_allowed: true, ..self }
    }

    /// Sends a request whose target is an absolute URI, and waits for all of its answer. Of one that is no success the content
    /// is not read. It says which trace it belongs to, if this task works for one.
    ///
    /// # Errors
    /// There is no whole answer in time.
    pub async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, OutgoingError> {
        timeout(self.patience, self.answered(request)).await.map_err(|_| OutgoingError::Late)?
    }

    async fn answered(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>, OutgoingError> {
        let uri = request.uri().clone();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let is_plain = self.is_plain_allowed && uri.scheme_str() == Some("http");
        let port = uri.port_u16().unwrap_or(if is_plain { PLAIN_PORT } else { PORT });
        let addresses = self.policy.resolve(&host, port).await?;
        let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(OutgoingError::unreachable)?;
        let stream: Box<dyn Duplex> = match is_plain {
            true => Box::new(tcp),
            false => {
                let name = ServerName::try_from(host).map_err(OutgoingError::unreachable)?;
                let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await;
                Box::new(tls.map_err(OutgoingError::unreachable)?)
            }
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(OutgoingError::unreachable)?;
        let parent = trace::current().and_then(|trace| HeaderValue::try_from(trace.traceparent()).ok());
        if let Some(parent) = parent {
            request.headers_mut().insert(TRACEPARENT, parent);
        }
        // It ends with this, however this ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let authority = authority.parse().map_err(OutgoingError::unreachable)?;
        request.headers_mut().insert(HOST, authority);
        let target = uri.path_and_query().cloned();
        *request.uri_mut() = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
        let response = sender.send_request(request).await.map_err(OutgoingError::unreachable)?;
        if !response.status().is_success() {
            return Ok(response.map(|_| Bytes::new()));
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.bytes_max).collect().await.map_err(|error| {
            let is_long = error.is::<http_body_util::LengthLimitError>();
            if is_long { OutgoingError::Long(self.bytes_max) } else { OutgoingError::unreachable(error) }
        });
        Ok(Response::from_parts(head, body?.to_bytes()))
    }
}

/// An absolute `https` URI with a host and without a user; `None` if the text is anything else.
pub fn https_uri(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let is_plain = uri.scheme_str() == Some("https") && !authority.contains('@') && !text.contains('#');
    (is_plain && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

fn roots(files: &[PathBuf]) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    if files.is_empty() {
        for certificate in rustls_native_certs::load_native_certs().certs {
            // The machine may have some that this library cannot use.
            let _ = roots.add(certificate);
        }
    }
    for file in files {
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unread(file, &error))? {
            let certificate = certificate.map_err(|error| unread(file, &error))?;
            roots.add(certificate).map_err(|error| unread(file, &error))?;
        }
    }
    Ok(roots)
}

fn unread(file: &Path, error: &dyn fmt::Display) -> SetupError {
    SetupError::Authorities { file: file.to_owned(), why: error.to_string() }
}

/// Whether an address is one of the Internet's, and not of this machine, its networks or a special kind (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || matches!(
            (a, b, c),
            (0 | 240..=255, ..) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _)
        );
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    match address.segments() {
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)))
        }
        // 2000::/3 without Teredo, ORCHID, documentation and 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002 | 0x3fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy { networks: vec!["10.1.0.0/16".parse().unwrap()] }
    }

    #[test]
    fn addresses_that_are_not_public_need_permission() {
        let may = |address: &str| policy().permits(address.parse().unwrap());
        for address in [
            "93.184.215.14",
            "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
            "10.1.2.3",
            "64:ff9b::5db8:d70e",
            "::ffff:10.1.2.3",
        ] {
            assert!(may(address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.2.0.1",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.2.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b:1::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
            "::127.0.0.1",
        ] {
            assert!(!may(address), "{address}");
        }
    }

    #[tokio::test]
    async fn a_host_is_where_it_resolves_to_however_it_is_spelled() {
        for host in
            ["127.0.0.1", "localhost", "::1", "2130706433", "017700000001", "0x7f000001", "127.1", "0", "0x0"]
        {
            let answer = policy().resolve(host, 443).await;
            // What the operating system does not take for an address is nowhere.
            assert!(
                matches!(answer, Err(OutgoingError::Address | OutgoingError::Unreachable(_))),
                "{host}: {answer:?}"
            );
        }
        assert_eq!(policy().resolve("2130706433", 443).await, Err(OutgoingError::Address));
        assert_eq!(policy().resolve("localhost", 443).await, Err(OutgoingError::Address));
        let here = Policy { networks: vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()] };
        assert!(!here.resolve("localhost", 443).await.unwrap().is_empty());
    }

    #[test]
    fn only_https_uris_without_a_user_are_asked() {
        for good in ["https://a.example/x?y", "https://[2001:db8::1]:8443/keys", "https://a.example"] {
            assert!(https_uri(good).is_some(), "{good}");
        }
        for wrong in
            ["http://a.example/", "https://u@a.example/", "https:///x", "/x", "https://a.example/#x", "a", ""]
        {
            assert!(https_uri(wrong).is_none(), "{wrong}");
        }
    }
}
