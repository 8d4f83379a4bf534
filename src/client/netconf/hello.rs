//! The hello messages as a client says and reads them (RFC 6241 section 8.1). It never sends one.

use crate::client::data::Element;
use crate::client::error::ClientError;
use crate::netconf::NAMESPACE;
use crate::netconf::framing::Framing;

const BASE_1_0: &str = "urn:ietf:params:netconf:base:1.0";
const BASE_1_1: &str = "urn:ietf:params:netconf:base:1.1";
/// What a client asks for a candidate of its own with (draft-ietf-netconf-privcand section 4.4).
const PRIVATE_CANDIDATE: &str = "urn:ietf:params:netconf:capability:private-candidate:1.0";

/// What a server said of itself.
#[derive(Debug)]
pub struct Hello {
    /// How messages are told apart from now on.
    pub framing: Framing,
    /// Its capabilities, as URIs.
    pub capabilities: Vec<String>,
    /// The number of the session.
    pub session_id: u32,
}

/// What a client says; with `is_private`, that it wants a candidate of its own, which a server without such ones passes over.
pub fn write(is_private: bool) -> String {
    let ours = [BASE_1_0, BASE_1_1].into_iter().chain(is_private.then_some(PRIVATE_CANDIDATE));
    let ours: String = ours.map(|uri| format!("<capability>{uri}</capability>")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><hello xmlns=\"{NAMESPACE}\"><capabilities>{ours}</capabilities></hello>"
    )
}

/// Reads what a server says.
///
/// # Errors
/// It is no hello, has no `session-id`, or no version of the protocol in common with us.
pub fn read(message: &[u8], depth_max: usize) -> Result<Hello, ClientError> {
    let wrong = |reason: String| ClientError::Protocol(format!("its hello {reason}"));
    let root = Element::parse(message, depth_max).map_err(|error| wrong(format!("is {error}")))?;
    if root.name != "hello" || &*root.namespace != NAMESPACE {
        return Err(wrong(format!("is <{}>", root.name)));
    }
    let list = root.child("capabilities").ok_or_else(|| wrong("has no capabilities".into()))?;
    let uris = list.children.iter().filter(|child| child.name == "capability");
    let capabilities: Vec<String> = uris.map(|child| child.text.trim().to_owned()).collect();
    let has = |version: &str| capabilities.iter().any(|uri| uri.split('?').next() == Some(version));
    let framing = match (has(BASE_1_1), has(BASE_1_0)) {
        (true, _) => Framing::Chunked,
        (false, true) => Framing::EndOfMessage,
        (false, false) => return Err(wrong("has no version of the protocol that we have".into())),
    };
    let session_id = root.text_of("session-id").and_then(|id| id.parse().ok()).filter(|id| *id > 0);
    let session_id = session_id.ok_or_else(|| wrong("has no session-id".into()))?;
    Ok(Hello { framing, capabilities, session_id })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6241_section_8_1_the_newest_version_in_common_is_spoken() {
        let hello = |uris: &[&str], id: &str| {
            let uris: String = uris.iter().map(|uri| format!("<capability>\n{uri} </capability>")).collect();
            read(
                format!("<hello xmlns='{NAMESPACE}'><capabilities>{uris}</capabilities>{id}</hello>")
                    .as_bytes(),
                8,
            )
        };
        let id = "<session-id>7</session-id>";
        assert_eq!(hello(&[BASE_1_0], id).unwrap().framing, Framing::EndOfMessage);
        let both = hello(&[BASE_1_0, BASE_1_1, "urn:x"], id).unwrap();
        assert_eq!((both.framing, both.session_id, both.capabilities.len()), (Framing::Chunked, 7, 3));
        assert!(hello(&["urn:x"], id).is_err());
        assert!(hello(&[BASE_1_1], "").is_err());
        assert!(hello(&[BASE_1_1], "<session-id>0</session-id>").is_err());
        assert!(read(b"<hello/>", 8).is_err());
        assert!(read(b"SSH-2.0-x", 8).is_err());
    }

    #[test]
    fn what_is_said_is_read_by_the_server() {
        for is_private in [false, true] {
            let said = write(is_private);
            let read = crate::netconf::hello::read(said.as_bytes()).unwrap();
            assert_eq!(read.version, crate::netconf::hello::Version::Base11);
            assert_eq!(said.contains(PRIVATE_CANDIDATE), is_private);
        }
    }
}
