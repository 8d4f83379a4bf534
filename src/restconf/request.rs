//! What every resource needs of a request: who asks, what for, and the body.
//!
//! [`Asked`] cannot be had without a principal, so a handler that takes one cannot be reached without
//! credentials. It never decides what the principal may do.

use std::pin::pin;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use bytes::BytesMut;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::errors::Refusal;
use super::media::{self, Encoding};
use super::params::{self, Params, Place};
use crate::access::{AuthError, Caller, Principal, Standing};
use crate::engine::{Engine, Held};
use crate::yang::decode::DecodeOptions;
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::metadata::Sink;
use crate::yang::schema::Node;

/// Every method that some resource has.
pub const METHODS: &str = "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE";

/// A request of a known principal.
#[derive(Debug)]
pub struct Asked {
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The method.
    pub method: Method,
    /// The header fields.
    pub headers: HeaderMap,
    /// Whether the principal's credentials still hold, for what outlasts the request.
    pub standing: Option<Standing>,
    target: Uri,
    /// Whether it came over TLS.
    secure: bool,
    body: Body,
    /// Counts the body until the request is answered.
    held: Option<Held>,
}

impl Asked {
    /// A request of this caller.
    ///
    /// # Errors
    /// 401 or 429 if the caller is nobody.
    pub fn new(request: Request<Body>, caller: Caller) -> Result<Asked, Refusal> {
        let principal = caller.principal.as_ref().map_err(Refusal::from)?.clone();
        let (Parts { method, headers, uri: target, .. }, body) = request.into_parts();
        let Caller { standing, secure, .. } = caller;
        Ok(Asked { principal, method, headers, standing, target, secure, body, held: None })
    }

    /// The path, still percent-encoded.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// The path below `prefix`, still percent-encoded and without the slash between them. One more slash at its end
    /// says nothing: the rules for paths (RFC 8040 section 3.5.3.1) have no use for an empty last segment.
    pub fn path_below(&self, prefix: &str) -> &str {
        let rest = self.path().strip_prefix(prefix).unwrap_or_default();
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        rest.strip_suffix('/').filter(|shorter| !shorter.is_empty()).unwrap_or(rest)
    }

    /// A path on this server as a URI, for who knows nothing of the request. Without a usable `Host` it is the path.
    pub fn uri(&self, path: &str) -> String {
        // What the client calls the server (RFC 9110 section 7.1).
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = self.target.authority().map(|authority| authority.as_str()).or(host);
        // Nobody can go to a server without a name, and who goes does not hand on the name of a user.
        match authority.filter(|authority| !authority.is_empty() && !authority.contains('@')) {
            Some(authority) => format!("{}://{authority}{path}", if self.secure { "https" } else { "http" }),
            None => path.to_owned(),
        }
    }

    /// The same if the path is below `prefix` at all.
    pub fn path_under(&self, prefix: &str) -> Option<&str> {
        super::below(prefix, self.path())
    }

    /// The query parameters of a request to this kind of place.
    ///
    /// # Errors
    /// 400 for the first that is wrong.
    pub fn params(&self, place: Place) -> Result<Params, Refusal> {
        // Parameters of pages elsewhere are 400, whatever the tag (draft-ietf-netconf-list-pagination-rc section 3).
        params::parse(self.target.query(), place).map_err(|e| Refusal::new(StatusCode::BAD_REQUEST, e))
    }

    /// That the method is one of those of the resource.
    ///
    /// # Errors
    /// 405 with `Allow`, or 501 for a method that no resource has.
    pub fn allow(&self, allow: &'static str) -> Result<(), Refusal> {
        let name = self.method.as_str();
        let among =
            |list: &str| list.split(',').any(|method| method.strip_prefix(' ').unwrap_or(method) == name);
        if among(allow) {
            return Ok(());
        }
        // TRACE is known and offered nowhere (RFC 9110 section 9.3.8).
        if !among(METHODS) && self.method != Method::TRACE {
            let message = format!("the server does not know the method {}", self.method);
            return Err(Error::protocol(Tag::OperationNotSupported, message).into());
        }
        Err(Refusal::method_not_allowed(allow))
    }

    /// The encoding for the answer, an instance of `node` if it is one.
    ///
    /// # Errors
    /// 406.
    pub fn encoding(&self, node: Option<&Node>) -> Result<Encoding, Refusal> {
        let offers = || Encoding::ALL.map(Encoding::media_type).join(" or ");
        Encoding::accepted(&self.headers, node).ok_or_else(|| Refusal::not_acceptable(&offers()))
    }

    /// The encoding for an answer that is a list or leaf-list as a whole, and whether it is to be wrapped as
    /// `application/yang-data+xml-list`.
    ///
    /// # Errors
    /// 406.
    pub fn encoding_of_list(&self, node: Option<&Node>) -> Result<(Encoding, bool), Refusal> {
        let offers =
            || format!("{} or {}", Encoding::ALL.map(Encoding::media_type).join(", "), media::XML_LIST);
        Encoding::accepted_for_list(&self.headers, node).ok_or_else(|| Refusal::not_acceptable(&offers()))
    }

    /// The whole body with its encoding, once; `None` if there is none.
    ///
    /// # Errors
    /// 413 if it is too large, 408 if it takes too long, 415 if it is of no known media type.
    pub async fn body(&mut self, engine: &Engine) -> Result<Option<(Encoding, Bytes)>, Refusal> {
        let body = self.octets(engine).await?;
        if body.is_empty() && !self.headers.contains_key(CONTENT_TYPE) {
            return Ok(None);
        }
        let encoding = Encoding::of_body(&self.headers).ok_or_else(Refusal::unsupported_media_type)?;
        Ok((!body.is_empty()).then_some((encoding, body)))
    }

    /// The whole body, once, whatever it is.
    ///
    /// # Errors
    /// 413 if it is too large, 408 if it takes too long, 503 if there are too many others.
    pub async fn octets(&mut self, engine: &Engine) -> Result<Bytes, Refusal> {
        let limits = engine.limits();
        let too_big = || {
            let message = format!("a body has at most {} octets", limits.body_bytes_max);
            Refusal::too_big(StatusCode::PAYLOAD_TOO_LARGE, message)
        };
        let announced =
            self.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limits.body_bytes_max as u64) {
            return Err(too_big());
        }
        let seconds = i64::try_from(limits.body_timeout_s).unwrap_or(i64::MAX);
        let until = engine.clock().now().saturating_add_seconds(seconds);
        let mut body = Limited::new(std::mem::take(&mut self.body), limits.body_bytes_max);
        let (principal, held) = (&self.principal, self.held.insert(engine.holding()));
        let arriving = async {
            // Most bodies come in one piece, which is not copied.
            let (mut first, mut all) = (Bytes::new(), BytesMut::new());
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(Failed::Body)?.into_data() else { continue };
                held.set(principal, first.len() + all.len() + data.len()).map_err(Failed::TooMuch)?;
                if first.is_empty() && all.is_empty() {
                    first = data;
                } else {
                    all.extend_from_slice(&std::mem::take(&mut first));
                    all.extend_from_slice(&data);
                }
            }
            Ok(if all.is_empty() { first } else { all.freeze() })
        };
        match select(pin!(arriving), pin!(engine.clock().sleep_until(until))).await {
            // Who may have gone while it arrived.
            Either::Left((Ok(body), _)) => match &self.standing {
                Some(standing) if !standing.holds() => Err(Refusal::from(&AuthError::Lapsed)),
                _ => Ok(body),
            },
            Either::Left((Err(Failed::Body(e)), _)) if e.is::<LengthLimitError>() => Err(too_big()),
            Either::Left((Err(Failed::TooMuch(error)), _)) => Err(error.into()),
            Either::Left((Err(_), _)) => {
                let error = Error {
                    layer: Layer::Rpc,
                    ..Error::protocol(Tag::MalformedMessage, "the body is incomplete")
                };
                Err(error.into())
            }
            Either::Right(_) => {
                let error = Error::protocol(Tag::OperationFailed, "the body took too long to arrive");
                Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error))
            }
        }
    }
}

/// Why a body did not arrive.
enum Failed {
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// With it the server would hold too much.
    TooMuch(Error),
}

/// How the bodies of requests are decoded: configuration alone, within the limits, and `metadata` takes its
/// annotations if it can have any.
pub fn decode_options<'a>(engine: &Engine, metadata: Option<&'a dyn Sink>) -> DecodeOptions<'a> {
    DecodeOptions { depth_max: engine.limits().depth_max, metadata, ..DecodeOptions::default() }
}
