//! Messages (RFC 6241 section 4): what an `<rpc>` says, and what is around a reply.
//!
//! Nothing here knows an operation.

use std::fmt::Write as _;

use super::{NAMESPACE, TRACE_CONTEXT};
use crate::trace::{Context, TRACEPARENT};
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::xml;
use crate::yang::xml::parse::{Element, document};

/// A request.
#[derive(Debug)]
pub struct Rpc<'m> {
    /// The start tag of the reply: with all attributes of the request (section 4.2).
    pub reply: String,
    /// What it says of the trace that it belongs to; what is not as it has to be says nothing (W3C Trace Context,
    /// draft-ietf-netconf-trace-ctx-extension-09 section 2).
    pub trace: Option<Context>,
    /// The operation.
    pub operation: Element<'m>,
}

/// A message that is no request. The reply says why, where there is one to be given.
#[derive(Debug)]
pub struct NoRequest {
    /// The start tag of the reply.
    pub reply: String,
    /// What is wrong.
    pub error: Box<Error>,
    /// Whether what follows can be understood. What is no XML at all ends the session.
    pub can_go_on: bool,
}

/// Reads a message.
///
/// # Errors
/// It is not well-formed or no `<rpc>` with a `message-id` and one operation.
pub fn parse(message: &[u8], depth_max: usize) -> Result<Rpc<'_>, NoRequest> {
    let plain = || format!("<rpc-reply xmlns=\"{NAMESPACE}\">");
    let root = document(message, depth_max).map_err(|error| NoRequest {
        reply: plain(),
        error: Box::new(Error { layer: Layer::Rpc, ..error }),
        can_go_on: false,
    })?;
    if root.name != "rpc" || root.namespace.as_ref() != NAMESPACE {
        let message = format!("<{}> is not <rpc xmlns=\"{NAMESPACE}\">", root.name);
        let error = Error { layer: Layer::Rpc, ..Error::protocol(Tag::MalformedMessage, message) };
        return Err(NoRequest { reply: plain(), error: Box::new(error), can_go_on: false });
    }
    let reply = start_tag(&root);
    let wrong = |tag, message: &str, name: &str, value: &str| {
        let error = Error { layer: Layer::Rpc, ..Error::protocol(tag, message) };
        let error = if name.is_empty() { error } else { error.info("bad-attribute", value) };
        NoRequest { reply: reply.clone(), error: Box::new(error.info("bad-element", "rpc")), can_go_on: true }
    };
    if !root.attributes.iter().any(|attribute| attribute.full_name == "message-id") {
        let message = "an <rpc> has the attribute \"message-id\"";
        return Err(wrong(Tag::MissingAttribute, message, "message-id", "message-id"));
    }
    let trace = context(&root);
    let mut operations = root.children.into_iter();
    match (operations.next(), operations.next()) {
        (Some(operation), None) => Ok(Rpc { reply, trace, operation }),
        (None, _) => Err(wrong(Tag::MissingElement, "an <rpc> has an operation", "", "")),
        (Some(_), Some(_)) => Err(wrong(Tag::BadElement, "an <rpc> has one operation", "", "")),
    }
}

fn context(rpc: &Element<'_>) -> Option<Context> {
    let mut attributes = rpc.attributes.iter();
    let found = attributes.find(|a| a.name == TRACEPARENT && a.namespace.as_ref() == TRACE_CONTEXT);
    Context::read(&found?.value)
}

/// `<rpc-reply …>` with the attributes of an `<rpc>`, of which the prefixes that it declares are part.
fn start_tag(rpc: &Element<'_>) -> String {
    let mut tag = format!("<rpc-reply xmlns=\"{NAMESPACE}\"");
    // Writing into a string cannot fail. What has no prefix in a reply is of the protocol, whatever it was in the request.
    for (prefix, namespace) in rpc.scope.bindings.iter().filter(|(prefix, _)| !prefix.is_empty()) {
        let _ = write!(tag, " xmlns:{prefix}=\"{}\"", xml::escape(namespace));
    }
    for attribute in &rpc.attributes {
        let value = xml::escape(&attribute.value).replace('\n', "&#10;").replace('\t', "&#9;");
        let _ = write!(tag, " {}=\"{value}\"", attribute.full_name);
    }
    tag.push('>');
    tag
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6241_section_4_2_a_reply_has_the_attributes_of_its_request() {
        let rpc = format!(
            "<nc:rpc xmlns:nc=\"{NAMESPACE}\" nc:own=\"a\" message-id=\"1&lt;2\" xmlns:e=\"urn:e\" e:u=\"f&#10;g\" xmlns:unused=\"urn:u\"><nc:get/></nc:rpc>"
        );
        let rpc = parse(rpc.as_bytes(), 8).unwrap();
        assert_eq!(rpc.operation.name, "get");
        assert_eq!(
            rpc.reply,
            format!(
                "<rpc-reply xmlns=\"{NAMESPACE}\" xmlns:nc=\"{NAMESPACE}\" xmlns:e=\"urn:e\" xmlns:unused=\"urn:u\" nc:own=\"a\" message-id=\"1&lt;2\" e:u=\"f&#10;g\">"
            )
        );
    }

    #[test]
    fn w3ctc_attributes_of_an_rpc_name_its_trace_in_any_order() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = |attributes: &str| {
            let rpc = format!(
                "<rpc xmlns=\"{NAMESPACE}\" message-id=\"1\" xmlns:t=\"{TRACE_CONTEXT}\" {attributes}><get/></rpc>"
            );
            parse(rpc.as_bytes(), 8).unwrap().trace
        };
        let context =
            read(&format!("t:tracestate=\" a=1 ,&#9;b=&quot;2&quot;\" t:traceparent=\"{parent}\"")).unwrap();
        assert_eq!(context.parent.to_string(), &parent[3..52]);
        assert_eq!(read(&format!("traceparent=\"{parent}\"")), None, "it is in another namespace");
        assert_eq!(read("t:traceparent=\"Bad Format\""), None);
        assert_eq!(read("t:tracestate=\"a=1\""), None);
    }

    #[test]
    fn what_is_no_request_is_told_apart_from_what_is_no_message() {
        let wrong = |text: &str| parse(text.as_bytes(), 8).unwrap_err();
        let missing = wrong(&format!("<rpc xmlns=\"{NAMESPACE}\"><get/></rpc>"));
        assert_eq!((missing.error.tag, missing.can_go_on), (Tag::MissingAttribute, true));
        let infos: Vec<_> = missing.error.info.iter().map(|i| (i.name, i.value.to_string())).collect();
        assert_eq!(infos, [("bad-attribute", "message-id".to_owned()), ("bad-element", "rpc".to_owned())]);
        for text in ["", "<rpc>", "<a/>", "<rpc message-id=\"1\"><get/></rpc>", "\u{0}"] {
            let error = wrong(text);
            assert!(!error.can_go_on, "{text}");
            assert_eq!(error.error.tag, Tag::MalformedMessage, "{text}");
        }
        let none = wrong(&format!("<rpc xmlns=\"{NAMESPACE}\" message-id=\"1\"/>"));
        assert_eq!((none.error.tag, none.can_go_on), (Tag::MissingElement, true));
        let two = wrong(&format!("<rpc xmlns=\"{NAMESPACE}\" message-id=\"1\"><get/><get/></rpc>"));
        assert_eq!((two.error.tag, two.can_go_on), (Tag::BadElement, true));
    }
}
