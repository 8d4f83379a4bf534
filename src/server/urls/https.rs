//! `https` URLs: at the servers that the operator named, and at no address that they do not mean.
//!
//! Redirects are refused like any other answer that is no success. No credentials are sent.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Request, StatusCode, Uri};

use super::{failed, refused, too_big};
use crate::config::Urls as Settings;
use crate::server::outgoing::{Outgoing, OutgoingError, Policy, SetupError};
use crate::yang::error::{Error, Tag};

const XML: &str = "application/xml";

/// What is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Put,
    Delete,
}

/// The servers.
#[derive(Debug)]
pub(super) struct Https {
    prefixes: Vec<String>,
    outgoing: Outgoing,
}

impl Https {
    pub(super) fn new(settings: &Settings, bytes_max: usize, patience: Duration) -> Result<Self, SetupError> {
        let policy = Policy { networks: settings.addresses.clone() };
        let outgoing = Outgoing::new(&settings.authorities, policy, bytes_max, patience)?;
        Ok(Https { prefixes: settings.https.clone(), outgoing })
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
        let request = Request::builder()
            .method(match method {
                Method::Get => hyper::Method::GET,
                Method::Put => hyper::Method::PUT,
                Method::Delete => hyper::Method::DELETE,
            })
            .uri(uri)
            .header(ACCEPT, XML);
        let request = if method == Method::Put { request.header(CONTENT_TYPE, XML) } else { request };
        let request = request.body(Full::new(Bytes::from(content)));
        let request = request.map_err(|error| failed("the server of the URL cannot be reached", error))?;
        let response = self.outgoing.ask(request).await.map_err(|error| match error {
            OutgoingError::Address => refused(format!("the server of the URL: {error}")),
            OutgoingError::Long(most) => too_big(most),
            error => failed("the server of the URL", error),
        })?;
        judge(response.status())?;
        Ok(response.into_body().to_vec())
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
}
