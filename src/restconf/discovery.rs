//! What a client finds out first: where the API is, what it holds, and the modules behind it
//! (RFC 8040 sections 3.1, 3.3, 3.7 and 3.10).
//!
//! `host-meta` is the only resource of the server that needs no credentials, so nothing about the server
//! stands in it but where to go.

use axum::body::Body;
use axum::http::header::{LINK, VARY};
use axum::http::{HeaderValue, Method, Request};
use axum::response::Response;

use super::errors::Refusal;
use super::media::{self, Encoding};
use super::params::Place;
use super::request::Asked;
use super::{PREFIX, PREFIX_MODULES, answer, openapi, options, page};
use crate::engine::Engine;
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_netconf_monitoring::nodes::GET_SCHEMA;

const METHODS: &str = "GET, HEAD, OPTIONS";
const XRD: &str = "application/xrd+xml";
const JRD: &str = "application/json";

/// `/.well-known/host-meta` (RFC 6415), XML unless the client wants JSON.
pub fn host_meta(request: &Request<Body>) -> Result<Response, Refusal> {
    let offers = [XRD, JRD];
    match media::accepted(request.headers(), &offers) {
        Some(i) => {
            let mut response = host_meta_as(request.method(), offers.get(i).copied().unwrap_or(XRD))?;
            response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
            Ok(response)
        }
        None => Err(Refusal::not_acceptable(&offers.join(" or "))),
    }
}

/// `/.well-known/host-meta.json` (RFC 6415 section 3).
pub fn host_meta_as_json(request: &Request<Body>) -> Result<Response, Refusal> {
    host_meta_as(request.method(), JRD)
}

fn host_meta_as(method: &Method, media_type: &'static str) -> Result<Response, Refusal> {
    let body = match (method, media_type) {
        (&Method::GET | &Method::HEAD, XRD) => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<XRD xmlns=\"http://docs.oasis-open.org/ns/xri/xrd-1.0\">\
             <Link rel=\"restconf\" href=\"{PREFIX}\"/></XRD>\n"
        ),
        (&Method::GET | &Method::HEAD, _) => {
            format!("{{\"links\":[{{\"rel\":\"restconf\",\"href\":\"{PREFIX}\"}}]}}")
        }
        (&Method::OPTIONS, _) => return Ok(options(METHODS)),
        _ => return Err(Refusal::method_not_allowed(METHODS)),
    };
    Ok(answer::ok(media_type, body))
}

/// `{+restconf}`: the API resource.
pub fn api(engine: &Engine, asked: &Asked) -> Result<Response, Refusal> {
    if page::is_wanted(&asked.headers) {
        return page::serve(engine, asked);
    }
    let revision = library_revision();
    let mut response = resource(
        asked,
        &format!(
            "{{\"ietf-restconf:restconf\":{{\"data\":{{}},\"operations\":{{}},\"yang-library-version\":\"{revision}\"}}}}"
        ),
        &format!(
            "<restconf xmlns=\"{}\"><data/><operations/>\
             <yang-library-version>{revision}</yang-library-version></restconf>",
            answer::NAMESPACE
        ),
    )?;
    // RFC 8631 section 3: where the description of the API is.
    let link = format!("<{}>; rel=\"service-desc\"; type=\"{}\"", openapi::PATH, openapi::MEDIA_TYPE);
    if let Ok(link) = HeaderValue::try_from(link) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// `{+restconf}/yang-library-version`.
pub fn library_version(asked: &Asked) -> Result<Response, Refusal> {
    let revision = library_revision();
    resource(
        asked,
        &format!("{{\"ietf-restconf:yang-library-version\":\"{revision}\"}}"),
        &format!("<yang-library-version xmlns=\"{}\">{revision}</yang-library-version>", answer::NAMESPACE),
    )
}

/// `/yang/{module}@{revision}.yang`: the source of a module or submodule. If its revision is left out, it is the implemented
/// one, or else the newest. It is what
/// `get-schema` gives, so it is for those who may invoke that.
pub fn module(engine: &Engine, asked: &Asked) -> Result<Response, Refusal> {
    const YANG: &str = "application/yang";
    asked.allow(METHODS)?;
    asked.params(Place::Nowhere)?;
    if asked.method == Method::OPTIONS {
        return Ok(options(METHODS));
    }
    engine.admit(&asked.principal, &GET_SCHEMA)?;
    let name = asked.path_below(PREFIX_MODULES).strip_suffix(".yang").unwrap_or_default();
    let (name, revision) = match name.split_once('@') {
        Some((name, revision)) => (name, Some(revision)),
        None => (name, None),
    };
    let source = SCHEMA.source(name, revision);
    let source = source.ok_or_else(|| Refusal::not_found("there is no such YANG module"))?;
    media::accepted(&asked.headers, &[YANG]).ok_or_else(|| Refusal::not_acceptable(YANG))?;
    Ok(answer::ok(YANG, source))
}

/// A resource that never changes.
fn resource(asked: &Asked, json: &str, xml: &str) -> Result<Response, Refusal> {
    asked.allow(METHODS)?;
    asked.params(Place::Nowhere)?;
    if asked.method == Method::OPTIONS {
        return Ok(options(METHODS));
    }
    let encoding = asked.encoding(None)?;
    let body = if encoding == Encoding::Xml { xml } else { json };
    Ok(answer::negotiated(encoding, answer::of_json(encoding, body.to_owned())))
}

/// The revision of `ietf-yang-library` that is implemented.
fn library_revision() -> &'static str {
    SCHEMA.module("ietf-yang-library").map_or("", |module| module.revision)
}
