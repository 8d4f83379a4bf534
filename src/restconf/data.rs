//! The datastore and its data resources: which methods each has, and reading them
//! (RFC 8040 sections 3.4, 3.5 and 4).
//!
//! Changing them is in `edit`. Nothing here decides who may see what: the engine leaves it out.

use axum::body::Body;
use axum::http::header::{ALLOW, ETAG, HeaderName, LAST_MODIFIED, VARY};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;

use super::answer;
use super::conditions::{self, Outcome};
use super::errors::Refusal;
use super::fields::Selection;
use super::home::Home;
use super::media::{ACCEPT_PATCH, Encoding, XML_LIST};
use super::params::{Params, Place};
use super::request::Asked;
use super::{edit, operations, patch};
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::datastore::defaults::Mode;
use crate::engine::{
    CURSOR_NOT_FOUND, Datastore, Engine, Found, LOCALE_UNAVAILABLE, OFFSET_OUT_OF_RANGE, Paging, Reported,
    Telling,
};
use crate::yang::encode::{Drain, EncodeOptions};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_netconf::nodes as netconf;
use crate::yang::path::{InstancePath, Selector};
use crate::yang::resource::{self, ResourcePath};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, List};

/// Serves everything at and below `{+restconf}/data` and `{+restconf}/ds/NAME`.
pub async fn serve(engine: &Engine, asked: Asked) -> Result<Response, Refusal> {
    let home = Home::of(engine, &asked)?;
    let path = asked.path_below(&home.prefix);
    let path = match resource::parse(path, &SCHEMA, engine.limits().depth_max)? {
        ResourcePath::Data(path) => path,
        ResourcePath::Action(target, action) if home.has_actions() => {
            return Box::pin(operations::action(engine, asked, target, action)).await;
        }
        ResourcePath::Action(_, action) => {
            let message =
                format!("the action \"{}\" is found in the operational datastore alone", action.name);
            return Err(Refusal::not_found(message));
        }
    };
    let allow = if home.is_writable() { methods(&path) } else { READ_ONLY };
    if edits_without_key(&asked.method, &path) {
        let message = "a list entry needs its keys and a leaf-list entry its value in the path";
        return Err(Error::protocol(Tag::InvalidValue, message).at(path).into());
    }
    asked.allow(allow)?;
    if let Some(operation) = operation(&asked.method, &path) {
        engine.admit(&asked.principal, operation)?;
    }
    // Edits are boxed, so that a read does not take the room of one.
    match asked.method {
        Method::OPTIONS => options(&asked, allow),
        Method::POST => Box::pin(edit::create(engine, asked, &home, path)).await,
        Method::PUT => Box::pin(edit::replace(engine, asked, &home, path)).await,
        Method::PATCH => match Encoding::of_patch(&asked.headers) {
            Some(encoding) => Box::pin(patch::apply(engine, asked, &home, path, encoding)).await,
            None => Box::pin(edit::merge(engine, asked, &home, path)).await,
        },
        Method::DELETE => Box::pin(edit::delete(engine, asked, &home, path)).await,
        _ => read(engine, asked, &home, &path).await,
    }
}

/// The operation of NETCONF that a method stands for when access is judged (RFC 8341 section 3.2.3); `None` if it is not.
fn operation(method: &Method, path: &InstancePath) -> Option<&'static Node> {
    match *method {
        Method::GET | Method::HEAD => Some(&netconf::GET),
        Method::PUT if path.steps.is_empty() => Some(&netconf::COPY_CONFIG),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => Some(&netconf::EDIT_CONFIG),
        _ => None,
    }
}

/// The methods of what cannot be edited.
pub const READ_ONLY: &str = "GET, HEAD, OPTIONS";

/// The methods of a resource, whether or not it exists (RFC 9110 section 10.2.1).
pub fn methods(path: &InstancePath) -> &'static str {
    let Some(step) = path.steps.last() else { return "GET, HEAD, OPTIONS, POST, PUT, PATCH" };
    match (&step.node.kind, &step.selector) {
        _ if !step.node.config => READ_ONLY,
        (Kind::List { .. } | Kind::LeafList { .. }, Selector::None) => READ_ONLY,
        (Kind::List { .. } | Kind::Container { .. }, _) => "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE",
        _ => "GET, HEAD, OPTIONS, PUT, PATCH, DELETE",
    }
}

/// RFC 8040 section 3.5.3: a path without keys means a list as a whole, which is no data resource and can
/// only be read.
fn edits_without_key(method: &Method, path: &InstancePath) -> bool {
    let whole = is_whole_list(path) && path.steps.last().is_some_and(|step| step.node.config);
    whole && [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

fn options(asked: &Asked, allow: &'static str) -> Result<Response, Refusal> {
    asked.params(Place::Nowhere)?;
    let mut response = answer::empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    if allow.contains("PATCH") {
        let patches = HeaderValue::from_static(ACCEPT_PATCH);
        response.headers_mut().insert(HeaderName::from_static("accept-patch"), patches);
    }
    Ok(response)
}

/// GET and HEAD (RFC 8040 sections 4.2 and 4.3).
async fn read(engine: &Engine, asked: Asked, home: &Home, path: &InstancePath) -> Result<Response, Refusal> {
    let operational = home.datastore == Datastore::Operational;
    let params = asked.params(if operational { Place::Operational } else { Place::Read })?;
    let is_list = is_whole_list(path);
    if let Some(name) = params.of_lists.filter(|_| !is_list) {
        let message = format!("only lists and leaf-lists as a whole have the query parameter \"{name}\"");
        let error = Error::protocol(Tag::OperationNotSupported, message).at(path.clone());
        return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
    }
    let (encoding, wrapped) = match is_list {
        true => asked.encoding_of_list(path.node())?,
        false => (asked.encoding(path.node())?, false),
    };
    let Paging { limit, sublist_limit, sort_by, .. } = &params.paging;
    let annotated =
        limit.or(*sublist_limit).is_some() || sort_by.is_some() || params.with_origin || params.with_etag;
    if matches!(encoding, Encoding::Cbor(_))
        && (annotated || params.with_defaults == Some(Mode::ReportAllTagged))
    {
        let message = "metadata has no form in CBOR: ask for JSON or XML";
        return Err(Error::protocol(Tag::InvalidValue, message).into());
    }
    let depth_max = engine.limits().depth_max;
    let selection = match &params.fields {
        Some(fields) => Some(Selection::parse(fields, path.node(), &SCHEMA, depth_max)?),
        None => None,
    };
    let txids = params.with_etag.then(|| conditions::suffix(encoding, wrapped));
    let telling = Telling { defaults: params.with_defaults, origin: params.with_origin, txids };
    let (principal, datastore) = (&asked.principal, home.datastore);
    let reported = match params.paging == Paging::default() {
        true => engine.report(principal, datastore, path, params.content, telling),
        false => {
            let page = engine.page(principal, datastore, path, params.content, telling, &params.paging);
            Box::pin(page).await
        }
    };
    let reported = reported.map_err(refused)?;
    let found = &reported.found;
    if !wrapped {
        whole_list(found, path, encoding, params.of_lists.is_some())?;
    }

    let is_datastore = path.steps.is_empty();
    // The datastore has one before its first edit too (RFC 8040 section 3.4.1.2).
    let tag = (found.revision > 0 || is_datastore)
        .then(|| conditions::entity_tag(found.revision, encoding, wrapped));
    let modified = is_datastore.then_some(found.changed_at);
    let outcome = conditions::judge_read(&asked.headers, tag.as_deref(), modified, found.has_other_state)?;
    let mut response = match outcome {
        Outcome::NotModified => answer::empty(StatusCode::NOT_MODIFIED),
        Outcome::Send => {
            let media_type = if wrapped { XML_LIST } else { encoding.media_type() };
            let form = Form { encoding, wrapped };
            answer::ok(media_type, body(engine, principal, reported, &params, selection.as_ref(), form)?)
        }
    };
    validators(&mut response, tag, modified);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Nodes of an answer that is encoded at once. A larger one is written while it is sent.
const AT_ONCE_MAX: usize = 2000;

/// How an answer is written.
#[derive(Clone, Copy)]
struct Form {
    encoding: Encoding,
    /// Whether there is an element around all entries.
    wrapped: bool,
}

fn body(
    engine: &Engine,
    principal: &Principal,
    reported: Reported,
    params: &Params,
    selection: Option<&Selection>,
    form: Form,
) -> Result<Body, Refusal> {
    let Reported { found: Found { node, child, .. }, metadata } = reported;
    let (child, depth) = match selection {
        Some(selection) => (selection.prune(&child, params.depth), None),
        None => (child, params.depth),
    };
    let is_large = child.is_larger_than(AT_ONCE_MAX);
    let encode = move |drain: Option<&dyn Drain>| {
        let metadata = metadata.as_deref();
        let options = EncodeOptions { depth, metadata, drain, ..EncodeOptions::default() };
        match node.filter(|_| form.wrapped) {
            Some(node) => answer::encode_xml_list(node, &child, &options),
            None => answer::encode(form.encoding, node, &child, &options),
        }
    };
    Ok(match is_large {
        true => Body::from_stream(engine.produce(principal, move |output| encode(Some(output)))?),
        false => Body::from(encode(None)),
    })
}

/// Why nothing was read.
fn refused(error: Error) -> Refusal {
    let status = match error.app_tag.as_deref() {
        Some(OFFSET_OUT_OF_RANGE) => StatusCode::RANGE_NOT_SATISFIABLE,
        Some(CURSOR_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(LOCALE_UNAVAILABLE) => StatusCode::NOT_IMPLEMENTED,
        _ => return Refusal::from(error).into_not_found(),
    };
    Refusal::new(status, error)
}

/// Whether the path means all instances of a list or leaf-list.
pub fn is_whole_list(path: &InstancePath) -> bool {
    path.steps.last().is_some_and(|step| {
        matches!(step.node.kind, Kind::List { .. } | Kind::LeafList { .. }) && step.selector == Selector::None
    })
}

/// A list or leaf-list as a whole: there has to be an entry, if it is no page, and XML has to have one and no more,
/// because a document has one root (RFC 8040 section 4.3).
fn whole_list(found: &Found, path: &InstancePath, encoding: Encoding, is_page: bool) -> Result<(), Refusal> {
    let entries = match &found.child {
        Child::List(List::Sorted(map)) => map.len(),
        // The length of a list that is made as it is read costs as much as reading it.
        Child::List(list) => list.iter().take(2).count(),
        Child::LeafList(values) => values.len(),
        Child::Leaf(_) | Child::Container(_) | Child::Any(_) => 1,
    };
    match entries {
        0 if !is_page => {
            let missing = Error::protocol(Tag::DataMissing, "there is no such instance").at(path.clone());
            Err(Refusal::from(missing).into_not_found())
        }
        1 => Ok(()),
        _ if encoding != Encoding::Xml => Ok(()),
        _ => {
            let message = "an XML document has one root: name one entry, read the node around the list, or accept \
                           application/yang-data+xml-list";
            Err(Error::protocol(Tag::InvalidValue, message).at(path.clone()).into())
        }
    }
}

/// `ETag` and, where there is one, `Last-Modified`.
pub fn validators(response: &mut Response, tag: Option<String>, modified: Option<Timestamp>) {
    let headers = response.headers_mut();
    if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        headers.insert(ETAG, tag);
    }
    if let Some(date) = modified.and_then(conditions::http_date) {
        headers.insert(LAST_MODIFIED, date);
    }
}
