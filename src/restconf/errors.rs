//! Errors on the wire: which status an error has, and the `errors` resource in any encoding
//! (RFC 8040 section 7).
//!
//! The only place that knows both error-tags and status codes. Nothing here decides that something is wrong.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value as Json};

use super::answer;
use super::media::{ACCEPT_PATCH, Encoding, MEDIA_TYPES};
use crate::access::AuthError;
use crate::engine::{STORAGE_FAILED, STORAGE_FULL};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Info, InfoValue, Layer, Tag};
use crate::yang::generated::ietf_restconf as restconf;
use crate::yang::model::Modelled;
use crate::yang::path::InstancePath;
use crate::yang::resource::UriError;
use crate::yang::tree::{AnyData, Child};
use crate::yang::xml;

/// A refused request: a status and the error that explains it.
#[derive(Debug)]
pub struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    headers: HeaderMap,
    error: Error,
    /// Whether an operation was invoked, and this is its outcome.
    of_operation: bool,
}

impl Refusal {
    /// With a status of its own instead of the one that the error-tag has.
    pub fn new(status: StatusCode, error: Error) -> Self {
        Refusal(Box::new(Parts { status, headers: HeaderMap::new(), error, of_operation: false }))
    }

    /// There is no such resource. RFC 8040 section 4.3 gives 404 the tag `invalid-value`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::NOT_FOUND, Error::protocol(Tag::InvalidValue, message))
    }

    /// The same refusal, but what it says is missing is the target of the request itself.
    pub fn into_not_found(mut self) -> Self {
        if self.0.error.tag == Tag::DataMissing {
            self.0.error.tag = Tag::InvalidValue;
            self.0.status = StatusCode::NOT_FOUND;
        }
        self
    }

    /// The resource has other methods.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("this resource has the methods {allow}");
        let error = Error::protocol(Tag::OperationNotSupported, message);
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error).header(ALLOW, allow)
    }

    /// The client takes no media type that there is.
    pub fn not_acceptable(offers: &str) -> Self {
        Refusal::not_acceptable_as(offers, "Accept")
    }

    /// The same of what another header field negotiates.
    pub fn not_acceptable_as(offers: &str, field: &str) -> Self {
        let message = format!("the answer can be {offers}, and \"{field}\" takes none of them");
        Refusal::new(StatusCode::NOT_ACCEPTABLE, Error::protocol(Tag::InvalidValue, message))
    }

    /// The body is of a media type that is not understood, or of none.
    pub fn unsupported_media_type() -> Self {
        let message = format!("\"Content-Type\" has to be one of {MEDIA_TYPES}, without a content coding");
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Error::protocol(Tag::InvalidValue, message))
            .header(ACCEPT, MEDIA_TYPES)
            .header(HeaderName::from_static("accept-patch"), ACCEPT_PATCH)
    }

    /// Something about the request is larger than it may be.
    pub fn too_big(status: StatusCode, message: impl Into<String>) -> Self {
        Refusal::new(status, Error::protocol(Tag::TooBig, message))
    }

    /// The error.
    pub fn error(&self) -> &Error {
        &self.0.error
    }

    /// The same as the outcome of an operation.
    pub fn of_operation(mut self) -> Self {
        self.0.of_operation = true;
        self
    }

    /// Whether it is the outcome of an operation.
    pub fn is_of_operation(&self) -> bool {
        self.0.of_operation
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// With a header field; a value that cannot stand in one is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.append(name, value);
        }
        self
    }

    /// The whole answer.
    pub fn answer(self, encoding: Encoding) -> Response {
        let mut response = Response::new(Body::from(body(&self.0.error, encoding)));
        *response.status_mut() = self.0.status;
        *response.headers_mut() = self.0.headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(encoding.media_type()));
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let passing = matches!(error.app_tag.as_deref(), Some("busy" | "stopping"));
        if error.tag == Tag::ResourceDenied && passing {
            return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error).header(RETRY_AFTER, "1");
        }
        // Not 507: RFC 4918 section 11.5 forbids asking again unless a user does, and this passes.
        if matches!(error.app_tag.as_deref(), Some(STORAGE_FULL | STORAGE_FAILED)) {
            return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error).header(RETRY_AFTER, "10");
        }
        Refusal::new(of_subscription(&error).unwrap_or_else(|| status(&error)), error)
    }
}

/// What RFC 8650 section 3.3 says other than the table of RFC 8040.
fn of_subscription(error: &Error) -> Option<StatusCode> {
    match error.app_tag.as_deref()?.split_once(':')? {
        ("ietf-subscribed-notifications", "no-such-subscription") => Some(StatusCode::NOT_FOUND),
        ("ietf-yang-push", "no-such-subscription-resync") => Some(StatusCode::NOT_FOUND),
        ("ietf-yang-push", "update-too-big" | "sync-too-big") => Some(StatusCode::BAD_REQUEST),
        ("ietf-yang-push", "unchanging-selection") => Some(StatusCode::INTERNAL_SERVER_ERROR),
        _ => None,
    }
}

impl From<UriError> for Refusal {
    fn from(error: UriError) -> Self {
        let status = if error.unknown { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        let message = format!("the path at offset {} below \"data\": {}", error.offset, error.message);
        Refusal::new(status, Error::protocol(Tag::InvalidValue, message))
    }
}

impl From<&AuthError> for Refusal {
    fn from(error: &AuthError) -> Self {
        let denied = match error {
            AuthError::TooManyRequests { .. } => {
                Error::protocol(Tag::ResourceDenied, error.to_string()).app_tag("too-many-requests")
            }
            _ => Error::protocol(Tag::AccessDenied, error.to_string()),
        };
        let status = match error {
            AuthError::Throttled { .. } | AuthError::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            AuthError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            AuthError::InsufficientScope => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        };
        let refusal = Refusal::new(status, denied);
        match error.retry_after_s() {
            Some(seconds) => refusal.header(RETRY_AFTER, &seconds.to_string()),
            None => error
                .challenges()
                .into_iter()
                .fold(refusal, |refusal, challenge| refusal.header(WWW_AUTHENTICATE, challenge)),
        }
    }
}

/// The table of RFC 8040 section 7. Where it leaves a choice, the first of its codes that fits any request.
fn status(error: &Error) -> StatusCode {
    match error.tag {
        Tag::InUse | Tag::LockDenied | Tag::ResourceDenied | Tag::DataExists | Tag::DataMissing => {
            StatusCode::CONFLICT
        }
        Tag::InvalidValue
        | Tag::MissingAttribute
        | Tag::BadAttribute
        | Tag::UnknownAttribute
        | Tag::MissingElement
        | Tag::BadElement
        | Tag::UnknownElement
        | Tag::UnknownNamespace
        | Tag::MalformedMessage => StatusCode::BAD_REQUEST,
        Tag::TooBig => StatusCode::PAYLOAD_TOO_LARGE,
        Tag::AccessDenied => StatusCode::FORBIDDEN,
        Tag::OperationNotSupported => StatusCode::NOT_IMPLEMENTED,
        // What the server could not do is its own fault; what a rule forbids is a failed precondition.
        Tag::OperationFailed if error.layer == Layer::Rpc => StatusCode::INTERNAL_SERVER_ERROR,
        Tag::OperationFailed => StatusCode::PRECONDITION_FAILED,
        Tag::RollbackFailed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The module and namespace of a member of `error-info`. Those of RFC 7950 section 15 are in the
/// YANG namespace, which no module has: it is called after its usual prefix.
fn home(info: &str) -> (&'static str, &'static str) {
    match info {
        "missing-choice" | "non-unique" => ("yang", "urn:ietf:params:xml:ns:yang:1"),
        _ => ("ietf-netconf", "urn:ietf:params:xml:ns:netconf:base:1.0"),
    }
}

/// `ietf-restconf:errors` with this error and those that were found with it.
pub fn errors(error: &Error, encoding: Encoding) -> restconf::Errors {
    restconf::Errors { error: error.all().map(|error| entry(error, encoding)).collect() }
}

fn body(error: &Error, encoding: Encoding) -> Vec<u8> {
    let errors = errors(error, encoding);
    answer::encode(
        encoding,
        Some(restconf::Errors::node()),
        &Child::Container(errors.to_data().into()),
        &EncodeOptions::default(),
    )
}

/// The error as an entry of `ietf-restconf:errors`. Only its `error-info`, for which there is no schema,
/// depends on the encoding.
fn entry(error: &Error, encoding: Encoding) -> restconf::Error {
    let error_type = match error.layer {
        Layer::Transport => restconf::ErrorType::Transport,
        Layer::Rpc => restconf::ErrorType::Rpc,
        Layer::Protocol => restconf::ErrorType::Protocol,
        Layer::Application => restconf::ErrorType::Application,
    };
    restconf::Error {
        error_type,
        error_tag: error.tag.as_str().to_owned(),
        error_app_tag: error.app_tag.as_deref().map(str::to_owned),
        error_path: error.path.as_ref().and_then(InstancePath::nameable).cloned(),
        error_message: Some(error.message.clone()),
        error_info: (!error.info.is_empty()).then(|| match encoding {
            Encoding::Json | Encoding::Cbor(_) => {
                AnyData::Json(Arc::new(Json::Object(json_info(&error.info))))
            }
            Encoding::Xml => AnyData::Xml(xml_info(&error.info).into()),
        }),
    }
}

fn json_info(members: &[Info]) -> Map<String, Json> {
    let mut info: Map<String, Json> = Map::new();
    for member in members.iter().filter(|member| member.value.is_nameable()) {
        if let InfoValue::Structure(node, content) = &member.value {
            let content = Child::Container(content.clone());
            let text = answer::encode(Encoding::Json, Some(node), &content, &EncodeOptions::default());
            if let Ok(Json::Object(structure)) = serde_json::from_slice(&text) {
                info.extend(structure);
            }
            continue;
        }
        let name = format!("{}:{}", home(member.name).0, member.name);
        let value = Json::from(member.value.to_string());
        match (member.name, info.get_mut(&name)) {
            // There is one for each leaf of each entry.
            ("non-unique", Some(Json::Array(values))) => values.push(value),
            ("non-unique", _) => drop(info.insert(name, Json::Array(vec![value]))),
            _ => drop(info.insert(name, value)),
        }
    }
    info
}

fn xml_info(members: &[Info]) -> String {
    let mut text = String::new();
    for info in members.iter().filter(|info| info.value.is_nameable()) {
        if let InfoValue::Structure(node, content) = &info.value {
            let content = Child::Container(content.clone());
            let structure = answer::encode(Encoding::Xml, Some(node), &content, &EncodeOptions::default());
            text.push_str(&String::from_utf8_lossy(&structure));
            continue;
        }
        let (name, namespace) = (info.name, home(info.name).1);
        // Writing into a string cannot fail.
        let _ = write!(text, "<{name} xmlns=\"{namespace}\"");
        match &info.value {
            InfoValue::Text(value) => {
                let _ = write!(text, ">{}", xml::escape(value));
            }
            InfoValue::Instance(path) => instance(&mut text, path),
            InfoValue::Structure(..) => {}
        }
        let _ = write!(text, "</{name}>");
    }
    text
}

/// The end of a start tag, with the namespaces of a path, and the path.
fn instance(text: &mut String, path: &InstancePath) {
    let mut modules = Vec::new();
    let path = xml::instance(path, &mut modules);
    for module in modules {
        // Writing into a string cannot fail.
        let _ = write!(text, " xmlns:{}=\"{}\"", module.name, xml::escape(module.namespace));
    }
    let _ = write!(text, ">{}", xml::escape(&path));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::generated::SCHEMA;
    use crate::yang::types::ModuleNames;
    use serde_json::json;

    fn error() -> Error {
        let path = "/magent-registry:registry/agents/agent[name='a<b']";
        let path = InstancePath::parse(path, &SCHEMA, &ModuleNames(&SCHEMA)).unwrap();
        Error::application(Tag::UnknownElement, "\"x\" & more").at(path).app_tag("t").info("bad-element", "x")
    }

    #[test]
    fn section_7_1_json() {
        let json: Json = serde_json::from_slice(&body(&error(), Encoding::Json)).unwrap();
        assert_eq!(
            json["ietf-restconf:errors"]["error"][0],
            json!({
                "error-type": "application",
                "error-tag": "unknown-element",
                "error-app-tag": "t",
                "error-path": "/magent-registry:registry/agents/agent[name='a<b']",
                "error-message": "\"x\" & more",
                "error-info": { "ietf-netconf:bad-element": "x" },
            })
        );
    }

    #[test]
    fn section_7_1_xml() {
        let namespace = SCHEMA.module("magent-registry").unwrap().namespace;
        let expected = format!(
            "<errors xmlns=\"urn:ietf:params:xml:ns:yang:ietf-restconf\"><error>\
             <error-type>application</error-type><error-tag>unknown-element</error-tag>\
             <error-app-tag>t</error-app-tag><error-path xmlns:magent-registry=\"{namespace}\">\
             /magent-registry:registry/magent-registry:agents/magent-registry:agent\
             [magent-registry:name='a&lt;b']</error-path>\
             <error-message>&quot;x&quot; &amp; more</error-message><error-info>\
             <bad-element xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\">x</bad-element></error-info>\
             </error></errors>"
        );
        assert_eq!(String::from_utf8(body(&error(), Encoding::Xml)).unwrap(), expected);
    }

    #[test]
    fn rfc_7950_section_15_names_are_in_the_yang_namespace() {
        let path = error().path.unwrap();
        let error = Error::application(Tag::OperationFailed, "")
            .info("non-unique", path.clone())
            .info("non-unique", path)
            .info("missing-choice", "way");
        let json: Json = serde_json::from_slice(&body(&error, Encoding::Json)).unwrap();
        let path = "/magent-registry:registry/agents/agent[name='a<b']";
        assert_eq!(
            json["ietf-restconf:errors"]["error"][0]["error-info"],
            json!({ "yang:non-unique": [path, path], "yang:missing-choice": "way" })
        );
        let namespace = SCHEMA.module("magent-registry").unwrap().namespace;
        let leaf = format!(
            "<non-unique xmlns=\"urn:ietf:params:xml:ns:yang:1\" xmlns:magent-registry=\"{namespace}\">\
             /magent-registry:registry/magent-registry:agents/magent-registry:agent\
             [magent-registry:name='a&lt;b']</non-unique>"
        );
        let xml = String::from_utf8(body(&error, Encoding::Xml)).unwrap();
        assert!(
            xml.contains(&format!(
                "<error-info>{leaf}{leaf}\
                 <missing-choice xmlns=\"urn:ietf:params:xml:ns:yang:1\">way</missing-choice></error-info>"
            )),
            "{xml}"
        );
    }

    #[test]
    fn section_7_error_tags_have_their_status() {
        let status = |error: Error| Refusal::from(error).status().as_u16();
        assert_eq!(status(Error::protocol(Tag::DataExists, "")), 409);
        assert_eq!(status(Error::protocol(Tag::AccessDenied, "")), 403);
        assert_eq!(status(Error::protocol(Tag::OperationFailed, "")), 412);
        assert_eq!(status(Error { layer: Layer::Rpc, ..Error::protocol(Tag::OperationFailed, "") }), 500);
        assert_eq!(status(Error::protocol(Tag::ResourceDenied, "")), 409);
        assert_eq!(status(Error::protocol(Tag::ResourceDenied, "").app_tag("busy")), 503);
    }
}
