//! The RESTCONF front end (RFC 8040): HTTP requests to engine requests, and the answers back.
//!
//! `home`, `params`, `fields`, `media`, `conditions` and `request` read what came; `data` with `edit` and `patch`,
//! `operations`, `streams`, `discovery`, `openapi` and `page` are the resources; `answer`, `errors` and `coding`
//! write what goes. It never decides who may do what, never touches a socket, and keeps nothing between requests.

mod answer;
mod coding;
mod conditions;
mod data;
mod discovery;
mod edit;
mod errors;
mod fields;
mod home;
mod media;
mod openapi;
mod operations;
mod page;
mod params;
mod patch;
mod request;
mod streams;

use std::convert::Infallible;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
    TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
use axum::response::Response;
use futures_util::stream;

use crate::access::{AuthError, Caller, Principal};
use crate::clock::Timestamp;
use crate::engine::{Capabilities, Engine};
use crate::trace::{self, Resolved};
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::generated::ietf_restconf_monitoring as monitoring;
use coding::{Accepted, SEC_FETCH_SITE};
use errors::Refusal;
use media::Encoding;
use request::Asked;

/// What reads the texts of clients before anybody judges them, for who tries these by themselves.
pub mod input {
    pub use super::fields::Selection;
    pub use super::media::Encoding;
    pub use super::params::{InsertAt, Params, Place, parse as query};
    pub use super::patch::read as yang_patch;
}

/// What a browser may load for an answer that is no page.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Root of the API: what `{+restconf}` stands for in RFC 8040.
const PREFIX: &str = "/restconf";
const PREFIX_DATA: &str = "/restconf/data";
const PREFIX_DATASTORES: &str = "/restconf/ds";
const PREFIX_OPERATIONS: &str = "/restconf/operations";
/// Where the streams of dynamic subscriptions are (RFC 8650 section 3.4).
const PREFIX_SUBSCRIPTIONS: &str = "/restconf/subscriptions";
/// Where the sources of YANG modules are (RFC 8040 section 3.7).
const PREFIX_MODULES: &str = "/yang";

/// Answers a request: what every request needs before, and the form of every answer after.
pub async fn serve(engine: Engine, mut request: Request<Body>, caller: Caller) -> Response {
    let codings = Accepted::take(request.headers_mut());
    let of_refusal = Encoding::of_refusal(request.headers());
    let is_head = request.method() == Method::HEAD;
    let what = tracing::enabled!(tracing::Level::DEBUG)
        .then(|| format!("{} {}", request.method(), request.uri().path()));
    let asked = (request.method().clone(), request.uri().clone(), caller.principal.clone().ok());
    let answered = match check(&engine, &request, &codings) {
        Ok(()) => resource(&engine, request, caller).await,
        Err(refusal) => Err(refusal),
    };
    if let (method, uri, Some(principal)) = &asked {
        note(&engine, method, uri.path(), principal, answered.as_ref());
    }
    let coded = answered.and_then(|mut response| {
        // Room for extensions is made by the first, so without a trace there is none.
        if trace::current().is_some() {
            response.extensions_mut().insert(Resolved);
        }
        codings.code(response)
    });
    let mut response = coded.unwrap_or_else(|refusal| refusal.answer(of_refusal));
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    // No browser is to make anything of an answer but what the page asks for.
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    tracing::debug!(what, status = response.status().as_u16(), "answered");
    if is_head { without_body(response) } else { response }
}

/// Notes what was refused, and edits, those of a candidate too. Operations are noted where they are invoked.
fn note(
    engine: &Engine,
    method: &Method,
    path: &str,
    principal: &Principal,
    answered: Result<&Response, &Refusal>,
) {
    let is_edit = [Method::PUT, Method::PATCH, Method::DELETE, Method::POST].contains(method)
        && (is_below(PREFIX_DATA, path) || is_below(PREFIX_DATASTORES, path) || path == PREFIX_DATA);
    let (is_noted, error) = match answered {
        // Actions are posted to their instance, and make nothing.
        Ok(response) => match response.extensions().get() {
            Some(patch::Told(error)) => (true, Some(error)),
            None => (is_edit && (method != Method::POST || response.status() == StatusCode::CREATED), None),
        },
        Err(refusal) => {
            let error = refusal.error();
            (error.tag == Tag::AccessDenied || (is_edit && !refusal.is_of_operation()), Some(error))
        }
    };
    if is_noted {
        engine.trail().invoked(principal, method.as_str(), Some(path), error);
    }
}

/// The resource that the path names. Whatever takes an [`Asked`] has a principal.
async fn resource(engine: &Engine, request: Request<Body>, caller: Caller) -> Result<Response, Refusal> {
    if let Err(error @ AuthError::TooManyRequests { .. }) = &caller.principal {
        return Err(error.into());
    }
    match request.uri().path() {
        "/.well-known/host-meta" => return discovery::host_meta(&request),
        "/.well-known/host-meta.json" => return discovery::host_meta_as_json(&request),
        _ => {}
    }
    let asked = Asked::new(request, caller)?;
    // One more slash at the end of a resource with others below it says nothing.
    match asked.path() {
        PREFIX_DATA => data::serve(engine, asked).await,
        path if below(PREFIX_DATA, path).is_some() || is_below(PREFIX_DATASTORES, path) => {
            data::serve(engine, asked).await
        }
        path if is_one_below(PREFIX_OPERATIONS, path.strip_suffix('/').unwrap_or(path)) => {
            Box::pin(operations::rpc(engine, asked)).await
        }
        path if is_one_below(PREFIX_SUBSCRIPTIONS, path) => streams::subscription(engine, &asked),
        path if is_one_below(PREFIX_MODULES, path) => discovery::module(engine, &asked),
        streams::PATH_JSON => streams::serve(engine, &asked, Encoding::Json),
        streams::PATH_XML => streams::serve(engine, &asked, Encoding::Xml),
        PREFIX_OPERATIONS | "/restconf/operations/" => operations::list(engine, &asked),
        "/restconf/yang-library-version" => discovery::library_version(&asked),
        openapi::PATH => openapi::serve(engine, &asked),
        PREFIX | "/restconf/" => discovery::api(engine, &asked),
        "/" if page::is_wanted(&asked.headers) => page::serve(engine, &asked),
        // RFC 9110 section 9.3.7: `*` stands for the server as a whole.
        "*" if asked.method == Method::OPTIONS => Ok(options(request::METHODS)),
        _ => Err(Refusal::not_found(format!("there is no such resource; the API is at {PREFIX}"))),
    }
}

/// The path below a prefix, without the slash between them.
fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(prefix)?.strip_prefix('/')
}

fn is_below(prefix: &str, path: &str) -> bool {
    below(prefix, path).is_some_and(|rest| !rest.is_empty())
}

/// Whether one segment more than the prefix is named.
fn is_one_below(prefix: &str, path: &str) -> bool {
    below(prefix, path).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
}

/// What this front end offers beyond the schema, for the engine to show in `ietf-restconf-monitoring`.
/// `replay_from` is the time of the oldest event in the log. `url` is that of the server without a path: a `location` is of
/// type `inet:uri` and so has a scheme (RFC 9911 section 4). Where no server is, nothing is at any location.
pub fn capabilities(replay_from: Option<Timestamp>, url: Option<&str>) -> Capabilities {
    let capability = |name: &str| format!("urn:ietf:params:restconf:capability:{name}");
    let access = |url: &str, encoding: Encoding| monitoring::Access {
        encoding: encoding.name().to_owned(),
        location: format!("{url}{PREFIX}/streams/{}/{}", streams::NAME, encoding.name()),
    };
    let stream = |url: &str| monitoring::Stream {
        name: streams::NAME.to_owned(),
        description: Some("Every notification that the user may see".to_owned()),
        replay_support: true,
        replay_log_creation_time: replay_from.map(|time| time.to_string()),
        access: vec![access(url, Encoding::Json), access(url, Encoding::Xml)],
    };
    let capabilities = [
        "defaults:1.0?basic-mode=explicit",
        "cursor:1.0",
        "depth:1.0",
        "direction:1.0",
        "fields:1.0",
        "filter:1.0",
        "limit:1.0",
        "locale:1.0",
        "offset:1.0",
        "replay:1.0",
        "sort-by:1.0",
        "sublist-limit:1.0",
        "txid:1.0",
        "where:1.0",
        "with-defaults:1.0",
        "with-operational-defaults:1.0",
        "with-origin:1.0",
        "yang-patch:1.0",
    ];
    let modules = url.map_or_else(String::new, |url| format!("{url}{PREFIX_MODULES}/"));
    Capabilities::new(capabilities.map(capability).into(), url.map(stream).into_iter().collect(), modules)
}

/// What can be said of a request before it is known what it asks for.
fn check(engine: &Engine, request: &Request<Body>, codings: &Accepted) -> Result<(), Refusal> {
    let octets = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let octets_max = engine.limits().url_bytes_max;
    if octets > octets_max {
        let message = format!("a request target has at most {octets_max} octets");
        return Err(Refusal::too_big(StatusCode::URI_TOO_LONG, message));
    }
    if request.version() == Version::HTTP_11 && !names_host(request.headers()) || names_user(request.uri()) {
        let error = Error::protocol(
            Tag::MalformedMessage,
            "a request of HTTP/1.1 has exactly one valid \"Host\", and no authority names a user",
        );
        return Err(Error { layer: Layer::Rpc, ..error }.into());
    }
    check_transfer(request.headers())?;
    check_origin(request)?;
    codings.check(request.method())
}

/// A browser has its user's password or certificate go with whatever a page of anybody asks for, so what may change something is
/// asked for by the server's own pages alone (Fetch Metadata section 2; RFC 6454 section 7 for browsers that do not tell).
fn check_origin(request: &Request<Body>) -> Result<(), Refusal> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return Ok(());
    }
    let text = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    let is_ours = match (text(SEC_FETCH_SITE), text(ORIGIN)) {
        (Some(site), _) => site == b"same-origin" || site == b"none",
        (None, Some(origin)) => {
            let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
            let from =
                [&b"https://"[..], b"http://"].into_iter().find_map(|scheme| origin.strip_prefix(scheme));
            authority
                .or(text(HOST))
                .is_some_and(|own| from.is_some_and(|from| from.eq_ignore_ascii_case(own)))
        }
        (None, None) => true,
    };
    if is_ours {
        return Ok(());
    }
    let message = "a page of another origin asks for this: the server changes nothing for it";
    Err(Error::protocol(Tag::AccessDenied, message).into())
}

/// RFC 9112 section 6.1: a body in a transfer coding that is not understood is not taken for what it means. The library looks
/// at the last one alone.
fn check_transfer(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if is_chunked(only) => Ok(()),
        _ => {
            let message = "the server knows no transfer coding but \"chunked\", once";
            let error = Error::protocol(Tag::OperationNotSupported, message);
            Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, error))
        }
    }
}

/// RFC 9112 section 3.2: one `Host`, which is empty or an authority without user information.
fn names_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let is_authority = |text: &str| {
        let authority = text.parse::<Authority>().ok();
        let after = authority.as_ref().and_then(|authority| text.strip_prefix(authority.host()));
        after.is_some_and(|port| port.trim_start_matches(':').bytes().all(|b| b.is_ascii_digit()))
    };
    let is_name = |text: &str| {
        let (name, port) = text.split_once(':').unwrap_or((text, ""));
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
            && port.bytes().all(|b| b.is_ascii_digit())
    };
    // Most are a plain name or address of IPv4, which needs no parser.
    host.to_str().is_ok_and(|text| text.is_empty() || is_name(text) || is_authority(text))
}

/// RFC 9113 section 8.3.1, RFC 9110 section 4.2.4: nothing stands before the host.
fn names_user(target: &Uri) -> bool {
    target.authority().is_some_and(|authority| authority.as_str().contains('@'))
}

/// RFC 9110 section 9.3.2: a HEAD is answered as a GET, without the content.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = match body.size_hint().exact() {
        Some(0) => Body::empty(),
        Some(length) => {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            Body::empty()
        }
        // A body that is known to be empty would be announced as such.
        None => Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()),
    };
    Response::from_parts(parts, body)
}

/// The answer to OPTIONS.
fn options(allow: &'static str) -> Response {
    let mut response = answer::empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}
