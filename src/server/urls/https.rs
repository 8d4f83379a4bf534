//! `https` URLs: at the servers that the operator named, and at no address that they do not mean.
//!
//! Redirects are refused like any other answer that is no success. No credentials are sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{failed, refused, too_big};
use crate::config::{Network, Urls as Settings};
use crate::yang::error::{Error, Tag};

const PORT: u16 = 443;
const XML: &str = "application/xml";

/// What is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Put,
    Delete,
}

/// Why no `https` URL can be used.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// A file with authorities cannot be read.
    #[error("the authorities in {} cannot be read: {why}", .file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS for URLs cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// The servers.
#[derive(Debug)]
pub(super) struct Https {
    prefixes: Vec<String>,
    networks: Vec<Network>,
    tls: Arc<ClientConfig>,
    bytes_max: usize,
    patience: Duration,
}

impl Https {
    pub(super) fn new(settings: &Settings, bytes_max: usize, patience: Duration) -> Result<Self, HttpsError> {
        let mut roots = RootCertStore::empty();
        for file in &settings.authorities {
            let unread = |e: String| HttpsError::Authorities { file: file.clone(), why: e };
            let certificates = CertificateDer::pem_file_iter(file).map_err(|e| unread(e.to_string()))?;
            for certificate in certificates {
                roots
                    .add(certificate.map_err(|e| unread(e.to_string()))?)
                    .map_err(|e| unread(e.to_string()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = Arc::new(tls.with_root_certificates(roots).with_no_client_auth());
        let (prefixes, networks) = (settings.https.clone(), settings.addresses.clone());
        Ok(Https { prefixes, networks, tls, bytes_max, patience })
    }

    /// The URL, if it begins with one that the operator named.
    ///
    /// # Errors
    /// It does not, or could mean another place.
    pub(super) fn permitted(&self, url: &str) -> Result<Uri, Error> {
        let none = || refused("this is no https URL that may be used here");
        let path = url.get("https://".len()..).and_then(|rest| rest.split_once('/')).map(|(_, path)| path);
        let climbs = |path: &str| {
            let lower = path.to_ascii_lowercase().replace("%2e", ".");
            let hidden = ["%2f", "%5c", "\\", "#"].iter().any(|part| lower.contains(part));
            hidden || lower.split(['/', '?']).any(|segment| matches!(segment, "." | ".."))
        };
        let is_named = self.prefixes.iter().any(|prefix| match prefix.ends_with('/') {
            true => url.starts_with(prefix.as_str()),
            // What does not end a segment is a URL as a whole.
            false => url == prefix,
        });
        if !is_named || path.is_none_or(climbs) {
            return Err(none());
        }
        let uri: Uri = url.parse().map_err(|_| none())?;
        let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        if is_plain { Ok(uri) } else { Err(none()) }
    }

    /// Asks a server, and waits for all of its answer.
    ///
    /// # Errors
    /// `data-missing` if there is nothing, `too-big`, `access-denied` by the server, and `operation-failed` for anything else.
    pub(super) async fn ask(&self, method: Method, uri: Uri, content: Vec<u8>) -> Result<Vec<u8>, Error> {
        let answered = timeout(self.patience, self.answered(method, uri, content));
        answered.await.map_err(|_| failed("the server of the URL", "it takes too long"))?
    }

    async fn answered(&self, method: Method, uri: Uri, content: Vec<u8>) -> Result<Vec<u8>, Error> {
        let unreachable = |e: &dyn std::fmt::Display| failed("the server of the URL cannot be reached", e);
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(PORT);
        let addresses: Vec<SocketAddr> =
            lookup_host((host.as_str(), port)).await.map_err(|e| unreachable(&e))?.collect();
        // All of them, so that a name with two addresses does not decide it by chance.
        if !addresses.iter().all(|address| self.may_be_at(address.ip())) {
            return Err(refused(
                "the server of the URL is at an address that is not public and not permitted",
            ));
        }
        let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(|e| unreachable(&e))?;
        let name = ServerName::try_from(host).map_err(|e| unreachable(&e))?;
        let tls = TlsConnector::from(self.tls.clone());
        let tls = tls.connect(name, tcp).await.map_err(|e| unreachable(&e))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await;
        let (mut sender, connection) = handshake.map_err(|e| unreachable(&e))?;
        // It ends with this, however this ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let request = Request::builder()
            .method(match method {
                Method::Get => hyper::Method::GET,
                Method::Put => hyper::Method::PUT,
                Method::Delete => hyper::Method::DELETE,
            })
            .uri(target)
            .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
            .header(ACCEPT, XML);
        let request = if method == Method::Put { request.header(CONTENT_TYPE, XML) } else { request };
        let request = request.body(Full::new(Bytes::from(content))).map_err(|e| unreachable(&e))?;
        let response = sender.send_request(request).await.map_err(|e| unreachable(&e))?;
        judge(response.status())?;
        let body = Limited::new(response.into_body(), self.bytes_max).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|e| {
            let is_long = e.is::<http_body_util::LengthLimitError>();
            if is_long { too_big(self.bytes_max) } else { failed("the answer of the server", e) }
        })
    }

    fn may_be_at(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address)) || is_public(address)
    }
}

fn judge(status: StatusCode) -> Result<(), Error> {
    let message = format!("the server of the URL answers {status}");
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Error::application(Tag::DataMissing, message)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(Error::application(Tag::AccessDenied, message))
        }
        _ => Err(Error::application(Tag::OperationFailed, message)),
    }
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

    fn https(prefixes: &[&str]) -> Https {
        let https = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let addresses = vec!["10.1.0.0/16".parse().unwrap()];
        let settings = Settings { https, addresses, ..Settings::default() };
        Https::new(&settings, 10, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn only_what_begins_like_a_permitted_url_is_one() {
        let https = https(&["https://example.net/agents/", "https://example.org:8443/one.xml"]);
        for url in [
            "https://example.net/agents/a.xml",
            "https://example.net/agents/b/c?d=e",
            "https://example.org:8443/one.xml",
        ] {
            assert!(https.permitted(url).is_ok(), "{url}");
        }
        for url in [
            "https://example.net/",
            "https://example.net/agents",
            "https://example.net/agents/../secret",
            "https://example.net/agents/%2e%2E/secret",
            "https://example.net/agents/..%2fsecret",
            "https://example.net/agents/a#b",
            "https://example.net.evil.org/agents/a",
            "https://example.net@evil.org/agents/a",
            "https://example.net:444/agents/a",
            "https://example.org:8443/one.xml2",
            "http://example.net/agents/a",
            "https://example.net/agents/ a",
        ] {
            assert_eq!(https.permitted(url).unwrap_err().tag, Tag::InvalidValue, "{url}");
        }
    }

    #[test]
    fn addresses_that_are_not_public_need_permission() {
        let https = https(&["https://example.net/"]);
        let may = |address: &str| https.may_be_at(address.parse().unwrap());
        for address in
            ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "10.1.2.3", "64:ff9b::5db8:d70e"]
        {
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
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
            "::127.0.0.1",
        ] {
            assert!(!may(address), "{address}");
        }
    }
}
