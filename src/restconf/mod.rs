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

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, HOST, X_CONTENT_TYPE_OPTIONS};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream;

use crate::clock::Timestamp;
use crate::engine::{Capabilities, Engine};
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::generated::ietf_restconf_monitoring as monitoring;
use coding::Accepted;
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

/// Root of the API: what `{+restconf}` stands for in RFC 8040.
const PREFIX: &str = "/restconf";
const PREFIX_DATA: &str = "/restconf/data";
const PREFIX_DATASTORES: &str = "/restconf/ds";
const PREFIX_OPERATIONS: &str = "/restconf/operations";
/// Where the streams of dynamic subscriptions are (RFC 8650 section 3.4).
const PREFIX_SUBSCRIPTIONS: &str = "/restconf/subscriptions";
/// Where the sources of YANG modules are (RFC 8040 section 3.7).
const PREFIX_MODULES: &str = "/yang";

/// All resources. Each request needs the extension [`Caller`](crate::access::Caller); without it, it is one
/// without credentials.
pub fn router(engine: Engine) -> Router {
    Router::new()
        .route("/", any(page::root))
        .route("/.well-known/host-meta", any(discovery::host_meta))
        .route("/.well-known/host-meta.json", any(discovery::host_meta_json))
        .route("/restconf", any(discovery::api))
        .route("/restconf/", any(discovery::api))
        .route("/restconf/data", any(data::serve))
        .route("/restconf/data/", any(data::serve))
        .route("/restconf/data/{*path}", any(data::serve))
        .route("/restconf/ds/{*path}", any(data::serve))
        .route("/restconf/operations", any(operations::list))
        .route("/restconf/operations/", any(operations::list))
        .route("/restconf/operations/{rpc}", any(operations::rpc))
        .route("/restconf/operations/{rpc}/", any(operations::rpc))
        .route(openapi::PATH, any(openapi::serve))
        .route("/restconf/yang-library-version", any(discovery::library_version))
        .route("/restconf/streams/NETCONF/json", any(streams::json))
        .route("/restconf/streams/NETCONF/xml", any(streams::xml))
        .route("/restconf/subscriptions/{name}", any(streams::subscription))
        .route("/yang/{module}", any(discovery::module))
        .fallback(unknown)
        .layer(from_fn_with_state(engine.clone(), around))
        .with_state(engine)
}

/// What this front end offers beyond the schema, for the engine to show in `ietf-restconf-monitoring`.
/// `replay_from` is the time of the oldest event in the log. `url` is that of the server without a path: a `location` is of
/// type `inet:uri` and so has a scheme (RFC 9911 section 4).
pub fn capabilities(replay_from: Option<Timestamp>, url: &str) -> Capabilities {
    let capability = |name: &str| format!("urn:ietf:params:restconf:capability:{name}");
    let access = |encoding: Encoding| monitoring::Access {
        encoding: encoding.name().to_owned(),
        location: format!("{url}{PREFIX}/streams/{}/{}", streams::NAME, encoding.name()),
    };
    let stream = monitoring::Stream {
        name: streams::NAME.to_owned(),
        description: Some("Every notification that the user may see".to_owned()),
        replay_support: true,
        replay_log_creation_time: replay_from.map(|time| time.to_string()),
        access: vec![access(Encoding::Json), access(Encoding::Xml)],
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
    Capabilities::new(capabilities.map(capability).into(), vec![stream], format!("{url}{PREFIX_MODULES}/"))
}

/// What goes around every request: `Host` and the length of the target before, the form of the answer after.
async fn around(State(engine): State<Engine>, mut request: Request, next: Next) -> Response {
    let codings = Accepted::take(request.headers_mut());
    let encoding = Encoding::of_refusal(request.headers());
    let head = request.method() == Method::HEAD;
    let what = format!("{} {}", request.method(), request.uri().path());
    let octets = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let octets_max = engine.limits().url_bytes_max;
    let mut response = if octets > octets_max {
        let message = format!("a request target has at most {octets_max} octets");
        Refusal::too_big(StatusCode::URI_TOO_LONG, message).into_response()
    } else if request.version() == Version::HTTP_11 && !names_host(request.headers())
        || names_user(request.uri())
    {
        let error = Error::protocol(
            Tag::MalformedMessage,
            "a request of HTTP/1.1 has exactly one valid \"Host\", and no authority names a user",
        );
        Refusal::from(Error { layer: Layer::Rpc, ..error }).into_response()
    } else if let Err(refusal) = codings.check(request.method()) {
        refusal.into_response()
    } else {
        codings.code(next.run(request).await).unwrap_or_else(Refusal::into_response)
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = refusal.answer(encoding);
    }
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::debug!(what, status = response.status().as_u16(), "answered");
    if head { without_body(response) } else { response }
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
    host.to_str().is_ok_and(|text| text.is_empty() || is_authority(text))
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

/// Any other path; who has no credentials does not learn that there is nothing.
async fn unknown(State(_): State<Engine>, asked: Asked) -> Result<Response, Refusal> {
    // RFC 9110 section 9.3.7: `*`, the only target without a slash, stands for the server as a whole.
    if asked.method == Method::OPTIONS && asked.path_under("").is_none() {
        return Ok(options(request::METHODS));
    }
    Err(Refusal::not_found(format!("there is no such resource; the API is at {PREFIX}")))
}

/// The answer to OPTIONS.
fn options(allow: &'static str) -> Response {
    let mut response = answer::empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}
