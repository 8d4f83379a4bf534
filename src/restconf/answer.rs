//! Instances as the bodies of answers, and bodies as instances, in any encoding.
//!
//! Only here and in `errors` does it matter which encoding there is. Nothing here knows a status.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::media::Encoding;
use crate::yang::decode::{DecodeOptions, Wrapper};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::Error;
use crate::yang::generated::SCHEMA;
use crate::yang::path::InstancePath;
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container};
use crate::yang::{cbor, json, xml};

/// The name around the datastore (RFC 8040 section 3.4).
const DATA: Wrapper = Wrapper { module: "ietf-restconf", namespace: NAMESPACE, name: "data" };

/// The member name of the datastore.
pub const DATA_MEMBER: &str = "ietf-restconf:data";

/// The namespace of `ietf-restconf`.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:yang:ietf-restconf";

/// Room for a body before it is written: most entries fit.
const BYTES_AT_FIRST: usize = 1024;

/// Header fields of most answers, so that their room is made once.
const FIELDS: usize = 12;

/// An answer of 200 with a body.
pub fn ok(media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().reserve(FIELDS);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// An answer of 200 in the encoding that the client wanted (RFC 9110 section 12.5.5).
pub fn negotiated(encoding: Encoding, body: impl Into<Body>) -> Response {
    let mut response = ok(encoding.media_type(), body);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The instance of a node as a document; with `None`, the datastore with what stands around it.
pub fn encode(
    encoding: Encoding,
    node: Option<&'static Node>,
    child: &Child,
    options: &EncodeOptions<'_>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(BYTES_AT_FIRST);
    match (encoding, node, child) {
        (Encoding::Json, Some(node), child) => json::encode_one(node, child, &mut out, options),
        (Encoding::Xml, Some(node), child) => xml::encode_one(node, child, &mut out, options),
        (Encoding::Cbor(keys), Some(node), child) => cbor::encode_one(node, child, &mut out, options, keys),
        (Encoding::Cbor(keys), None, Child::Container(root)) => {
            cbor::encode_wrapped(&DATA, root, &mut out, options, keys);
        }
        (Encoding::Json, None, Child::Container(root)) => {
            out.extend_from_slice(br#"{"ietf-restconf:data":"#);
            json::encode_children(root, None, &mut out, options);
            out.push(b'}');
        }
        (Encoding::Xml, None, Child::Container(root)) => {
            out.extend_from_slice(format!("<data xmlns=\"{NAMESPACE}\">").as_bytes());
            xml::encode_children(root, None, &mut out, options);
            out.extend_from_slice(b"</data>");
        }
        // The datastore is a container.
        (_, None, _) => {}
    }
    out
}

/// All entries of a list or leaf-list in XML, with one element around them: `application/yang-data+xml-list`
/// (draft-ietf-netconf-list-pagination-rc section 2.2).
pub fn encode_xml_list(node: &'static Node, child: &Child, options: &EncodeOptions<'_>) -> Vec<u8> {
    let mut out = b"<xml-list>".to_vec();
    xml::encode_one(node, child, &mut out, options);
    out.extend_from_slice(b"</xml-list>");
    out
}

/// What was written as JSON and has no schema, for an encoding that writes the same data otherwise.
pub fn of_json(encoding: Encoding, body: String) -> Vec<u8> {
    match (encoding, serde_json::from_str(&body)) {
        (Encoding::Cbor(_), Ok(json)) => cbor::from_json(&json),
        _ => body.into_bytes(),
    }
}

/// A body that is the instance `target`.
///
/// # Errors
/// It is malformed, something else or does not fit the schema.
pub fn decode(
    encoding: Encoding,
    body: &[u8],
    target: &InstancePath,
    options: &DecodeOptions<'_>,
) -> Result<Child, Error> {
    match (encoding, target.steps.is_empty()) {
        (Encoding::Json, false) => json::decode_one(body, target, &SCHEMA, options),
        (Encoding::Xml, false) => xml::decode_one(body, target, &SCHEMA, options),
        (Encoding::Cbor(keys), false) => cbor::decode_one(body, target, &SCHEMA, options, keys),
        (Encoding::Cbor(keys), true) => {
            cbor::decode_wrapped(body, &DATA, &SCHEMA, options, keys).map(container)
        }
        (Encoding::Json, true) => json::decode_wrapped(body, &DATA, &SCHEMA, options).map(container),
        (Encoding::Xml, true) => xml::decode_wrapped(body, &DATA, &SCHEMA, options).map(container),
    }
}

/// A body whose top holds children of the instance `above`.
///
/// # Errors
/// It is malformed or does not fit the schema.
pub fn decode_below(
    encoding: Encoding,
    body: &[u8],
    above: &InstancePath,
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    match encoding {
        Encoding::Json => json::decode_below(body, above, &SCHEMA, options),
        Encoding::Xml => xml::decode_below(body, above, &SCHEMA, options),
        Encoding::Cbor(keys) => cbor::decode_below(body, above, &SCHEMA, options, keys),
    }
}

fn container(container: Container) -> Child {
    Child::Container(container.into())
}
