//! The hello messages (RFC 6241 section 8.1): what each side can do, and which version of the protocol follows from it.
//!
//! It never sends or waits for one; `session` does.

use std::collections::BTreeSet;

use super::NAMESPACE;
use super::framing::Framing;
use crate::yang::error::Error;
use crate::yang::xml::escape;
use crate::yang::xml::parse::{Element, document};

/// The capability of base:1.0.
pub const BASE_1_0: &str = "urn:ietf:params:netconf:base:1.0";
/// The capability of base:1.1.
pub const BASE_1_1: &str = "urn:ietf:params:netconf:base:1.1";
/// A hello has three levels; some room for what is not from this namespace.
const DEPTH_MAX: usize = 8;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// base:1.0 (RFC 4741).
    Base10,
    /// base:1.1 (RFC 6241).
    Base11,
}

impl Version {
    /// How the messages after the hello are told apart.
    pub fn framing(self) -> Framing {
        match self {
            Version::Base10 => Framing::EndOfMessage,
            Version::Base11 => Framing::Chunked,
        }
    }
}

/// What a client said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The newest version that both sides have.
    pub version: Version,
    /// All its capabilities, as URIs.
    pub capabilities: BTreeSet<String>,
}

/// Why a hello is none to go on with. The session has to end.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// It is no XML.
    #[error("the hello cannot be read")]
    Xml(#[source] Error),
    /// Something is missing or too much.
    #[error("the hello {0}")]
    Form(&'static str),
    /// The client has neither base:1.0 nor base:1.1.
    #[error("the client has no version of the protocol that this server has")]
    Version,
}

/// The hello of the server.
pub fn write<'a>(capabilities: impl IntoIterator<Item = &'a str>, session_id: u32) -> String {
    let mut text =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><hello xmlns=\"{NAMESPACE}\"><capabilities>");
    for capability in capabilities {
        text.push_str(&format!("<capability>{}</capability>", escape(capability)));
    }
    text.push_str(&format!("</capabilities><session-id>{session_id}</session-id></hello>"));
    text
}

/// Reads the hello of a client.
///
/// # Errors
/// It is not well-formed, is no hello, has a `session-id`, or has no version of the protocol in common with us.
pub fn read(message: &[u8]) -> Result<Hello, HelloError> {
    let root = document(message, DEPTH_MAX).map_err(HelloError::Xml)?;
    if !is(&root, "hello") {
        return Err(HelloError::Form("is another element"));
    }
    let mut lists = Vec::new();
    for child in root.children.iter().filter(|child| &*child.namespace == NAMESPACE) {
        match child.name {
            "capabilities" => lists.push(child),
            "session-id" => return Err(HelloError::Form("of a client has a session-id")),
            _ => return Err(HelloError::Form("has an element that it cannot have")),
        }
    }
    let [list] = lists[..] else { return Err(HelloError::Form("has not exactly one list of capabilities")) };
    let capabilities = list.children.iter().filter(|child| is(child, "capability"));
    let capabilities: BTreeSet<String> =
        capabilities.map(|capability| capability.text.trim().to_owned()).collect();
    let has = |version: &str| capabilities.iter().any(|uri| uri.split('?').next() == Some(version));
    let version = match (has(BASE_1_1), has(BASE_1_0)) {
        (true, _) => Version::Base11,
        (false, true) => Version::Base10,
        (false, false) => return Err(HelloError::Version),
    };
    Ok(Hello { version, capabilities })
}

fn is(element: &Element<'_>, name: &str) -> bool {
    element.name == name && &*element.namespace == NAMESPACE
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hello(inside: &str) -> Result<Hello, HelloError> {
        read(format!("<hello xmlns='{NAMESPACE}'>{inside}</hello>").as_bytes())
    }

    fn capabilities(uris: &[&str]) -> String {
        let each: String = uris.iter().map(|uri| format!("<capability>{uri}</capability>")).collect();
        format!("<capabilities>{each}</capabilities>")
    }

    #[test]
    fn the_newest_version_in_common_is_taken() {
        let version = |uris: &[&str]| hello(&capabilities(uris)).map(|hello| hello.version);
        assert_eq!(version(&[BASE_1_0]).unwrap(), Version::Base10);
        assert_eq!(version(&[BASE_1_1]).unwrap(), Version::Base11);
        assert_eq!(version(&[BASE_1_0, "urn:x", BASE_1_1]).unwrap().framing(), Framing::Chunked);
        let parameters = format!("\n  {BASE_1_1}?x=y\n ");
        assert_eq!(version(&[BASE_1_0, &parameters]).unwrap(), Version::Base11);
        for none in [&[][..], &["urn:ietf:params:netconf:base:2.0"], &["urn:ietf:params:netconf:base:1.10"]] {
            assert!(matches!(version(none), Err(HelloError::Version)));
        }
    }

    #[test]
    fn capabilities_are_kept_and_foreign_elements_passed_over() {
        let foreign = "<x:y xmlns:x='urn:x'/>";
        let uris = capabilities(&[BASE_1_0, "http://example.net/a?module=b&amp;revision=c"]);
        let read = hello(&format!("{foreign}{uris}")).unwrap();
        assert!(read.capabilities.contains("http://example.net/a?module=b&revision=c"));
    }

    #[test]
    fn what_is_no_hello_of_a_client_is_refused() {
        let good = capabilities(&[BASE_1_1]);
        for inside in [
            "",
            &format!("{good}{good}"),
            &format!("{good}<session-id>4</session-id>"),
            &format!("{good}<more/>"),
            &format!("{good}<unfinished>"),
        ] {
            assert!(hello(inside).is_err(), "{inside}");
        }
        for message in [
            "",
            "x",
            &format!("<hello>{good}</hello>"),
            &format!("<rpc xmlns='{NAMESPACE}'>{good}</rpc>"),
            &format!("<!DOCTYPE hello><hello xmlns='{NAMESPACE}'>{good}</hello>"),
        ] {
            assert!(read(message.as_bytes()).is_err(), "{message}");
        }
        assert!(hello(&good).is_ok());
    }

    #[test]
    fn the_hello_of_the_server_has_versions_capabilities_and_the_session_id() {
        let text = write([BASE_1_0, BASE_1_1, "urn:a?b=1&c"], 7);
        let root = document(text.as_bytes(), DEPTH_MAX).unwrap();
        let uris: Vec<_> = root.children[0].children.iter().map(|child| child.text.to_string()).collect();
        assert_eq!(uris, [BASE_1_0, BASE_1_1, "urn:a?b=1&c"]);
        assert_eq!((root.children[1].name, &*root.children[1].text), ("session-id", "7"));
        assert!(matches!(read(text.as_bytes()), Err(HelloError::Form(_))), "it is not that of a client");
    }
}
