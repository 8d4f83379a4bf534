//! RESTCONF as a client speaks it (RFC 8040), to whatever server. `http` has the connections, `events` the streams. It never
//! asks for another encoding than XML, so that there is one form of data in the client.

mod events;
mod http;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::mpsc;

use self::http::{Answer, Asked, Http};
use super::credentials::{self, Credentials};
use super::data::Element;
use super::error::{ClientError, RpcError};
use super::limits::Limits;
use super::modules::{Module, Modules};
use super::path::{Path, Step};
use super::request::{Content, Datastore, Edit, ErrorOption, Get, Operation, Push, Subscribe};
use super::session::{Subscription, check, is_test};
use super::url::Url;
use super::{tls, tree};

const XML: &str = "application/yang-data+xml";
const PATCH: &str = "application/yang-patch+xml";
/// Events, and errors in XML.
const STREAM: &str = "text/event-stream, application/yang-data+xml;q=0.5";
const RESTCONF: &str = "urn:ietf:params:xml:ns:yang:ietf-restconf";
const YANG_PATCH: &str = "urn:ietf:params:xml:ns:yang:ietf-yang-patch";
const DATASTORES: &str = "urn:ietf:params:xml:ns:yang:ietf-datastores";
const MONITORING: &str = "/data/ietf-restconf-monitoring:restconf-state";
/// Where the API is, if the server does not tell.
const ROOT: &str = "/restconf";

/// A server, asked as a user.
#[derive(Debug)]
pub struct Restconf {
    http: Http,
    /// `{+restconf}`: the path of the API.
    root: String,
    /// The server's capabilities, as URIs.
    pub capabilities: Vec<String>,
}

impl Restconf {
    /// Finds the API and what it can do, as the user.
    ///
    /// # Errors
    /// Those of [`super::Session::connect`].
    pub async fn connect(
        url: &Url,
        credentials: &Credentials,
        limits: &Limits,
    ) -> Result<Restconf, ClientError> {
        let tls = tls::config(credentials, &[b"http/1.1"])?;
        let authorization = authorization(url, credentials).await?;
        let http = Http::new(url, tls, authorization, limits);
        let host_meta = http
            .ask(&Asked {
                target: "/.well-known/host-meta",
                accept: "application/xrd+xml",
                ..Asked::default()
            })
            .await?;
        let mut restconf = Restconf { http, root: ROOT.to_owned(), capabilities: Vec::new() };
        match host_meta.status {
            StatusCode::OK => {
                let told = root(&host_meta.body, limits.depth_max);
                restconf.root = told.unwrap_or(restconf.root);
            }
            _ => {
                // Without the document the root is the usual one; but it may only be that nobody answers now.
                let error = restconf.refusal(&host_meta);
                if error.may_pass() {
                    return Err(error);
                }
            }
        }
        let target = format!("{}{MONITORING}/capabilities", restconf.root);
        match restconf.read(&target).await {
            Ok(Some(state)) => {
                let all = state.children.iter().map(|child| child.text.trim().to_owned());
                restconf.capabilities = all.collect();
            }
            Ok(None) => {}
            Err(error) if error.may_pass() => return Err(error),
            Err(ClientError::Refused(errors)) if errors.iter().all(|error| error.tag != "access-denied") => {}
            Err(ClientError::Refused(errors)) => {
                let reasons: Vec<String> = errors.iter().map(RpcError::to_string).collect();
                return Err(ClientError::Login(reasons.join("; ")));
            }
            Err(error) => return Err(error),
        }
        Ok(restconf)
    }

    /// The modules of the server's YANG library.
    pub async fn modules(&self) -> Result<Modules, ClientError> {
        for is_new in [true, false] {
            let target = format!("{}/data{}", self.root, Modules::path(is_new).to_uri());
            if let Some(library) = self.read(&target).await? {
                return Ok(Modules::read(&library));
            }
        }
        Err(ClientError::Protocol("it has no YANG library".into()))
    }

    /// The text at a `location` of the YANG library. Only this server is asked, whatever host stands there.
    pub async fn source(
        &self,
        modules: &Modules,
        module: &str,
        revision: Option<&str>,
    ) -> Result<String, ClientError> {
        let is_it = |found: &&Module| {
            found.name == module && (revision.is_none() || found.revision.as_deref() == revision)
        };
        let submodule = |found: &&Module| {
            let same = |own: &Option<String>| revision.is_none() || own.as_deref() == revision;
            found.submodules.iter().any(|(name, own)| name == module && same(own))
        };
        let locations = match modules.all.iter().find(is_it) {
            Some(found) => found.locations.clone(),
            // A submodule stands beside its module.
            None => {
                let beside = |found: &Module| {
                    let name = revision.map_or(module.to_owned(), |revision| format!("{module}@{revision}"));
                    let folder = |url: &String| {
                        url.rsplit_once('/').map(|(folder, _)| format!("{folder}/{name}.yang"))
                    };
                    found.locations.iter().filter_map(folder).collect::<Vec<_>>()
                };
                modules.all.iter().find(submodule).map(beside).unwrap_or_default()
            }
        };
        let target = locations.iter().find_map(|location| path_of(location));
        let target = target.ok_or_else(|| {
            ClientError::Unsupported(format!("the server does not say where the text of {module:?} is"))
        })?;
        let asked =
            Asked { target: &target, accept: "application/yang, text/plain, */*", ..Asked::default() };
        let answer = self.http.ask(&asked).await?;
        match answer.status {
            StatusCode::OK => String::from_utf8(answer.body.to_vec())
                .map_err(|_| ClientError::Protocol(format!("the text of {module:?} is not UTF-8"))),
            _ => Err(self.refusal(&answer)),
        }
    }

    /// GET of the instance that the last key selects, with `fields` for what is wanted of it.
    pub async fn get(&self, modules: &Modules, get: &Get) -> Result<Vec<Element>, ClientError> {
        check(get)?;
        let common = tree::common(&get.paths);
        let keyed = common.iter().rposition(|step| !step.predicates.is_empty());
        let has_fields = self.can("fields:1.0");
        // Without a key a step may be a list, of which there is no resource everywhere; a field can be one.
        let count = match (has_fields, get.paths.as_slice()) {
            (true, _) => keyed.map_or(0, |last| last + 1),
            (false, [_]) => common.len(),
            (false, _) => {
                let message = "the server has no \"fields\", so it is asked for one place at a time";
                return Err(ClientError::Unsupported(message.into()));
            }
        };
        let (above, _) = common.split_at_checked(count).unwrap_or((common, &[]));
        let mut query: Vec<String> = Vec::new();
        let fields: Vec<String> = get.paths.iter().filter_map(|path| field(path, count)).collect();
        if !fields.is_empty() {
            query.push(format!("fields={}", fields.join(";")));
        }
        match get.content {
            Content::All => {}
            Content::Config => query.push("content=config".to_owned()),
            Content::State => query.push("content=nonconfig".to_owned()),
        }
        query.extend(get.depth.map(|depth| format!("depth={depth}")));
        query.extend(get.defaults.map(|mode| format!("with-defaults={}", mode.name())));
        query.extend(get.origin.then(|| "with-origin".to_owned()));
        let mark = if query.is_empty() { "" } else { "?" };
        let place = Path { steps: above.to_vec() };
        let target = format!("{}{}{mark}{}", self.datastore(get.datastore), place.to_uri(), query.join("&"));
        let Some(found) = self.read(&target).await? else {
            // Either the node is not there or the datastore is not.
            if let Some(datastore) = get.datastore
                && self.read(&format!("{}?depth=1", self.datastore(Some(datastore)))).await?.is_none()
            {
                let message = format!("the server has no datastore {}", datastore.name());
                return Err(ClientError::Unsupported(message));
            }
            return Ok(Vec::new());
        };
        match above.split_last() {
            None => Ok(found.children),
            Some((_, parents)) => tree::wrapped(parents, vec![found], modules),
        }
    }

    /// A YANG Patch (RFC 8072), or a plain edit of the whole datastore.
    pub async fn edit(&self, modules: &Modules, edit: &Edit) -> Result<(), ClientError> {
        if is_test(edit) {
            let message = "RESTCONF cannot try an edit without making it; NETCONF can, with ssh:// or tls://";
            return Err(ClientError::Unsupported(message.into()));
        }
        if !matches!(edit.error, None | Some(ErrorOption::RollbackOnError)) {
            let message = "over RESTCONF an edit happens as a whole or not at all (rollback-on-error)";
            return Err(ClientError::Unsupported(message.into()));
        }
        let datastore = match edit.datastore {
            Datastore::Running => None,
            other => Some(other),
        };
        let target = self.datastore(datastore);
        if let [whole] = edit.changes.as_slice()
            && whole.path.steps.is_empty()
        {
            let method = match whole.operation {
                Operation::Merge => Method::PATCH,
                Operation::Replace => Method::PUT,
                _ => return Err(ClientError::Request("a datastore is merged or replaced".into())),
            };
            let namespace: Arc<str> = RESTCONF.into();
            let tops = whole.value.iter().flat_map(|value| value.children.iter().cloned());
            let body = Element::new("data", &namespace).with(tops).to_xml();
            return self.sent(method, &target, (XML, body)).await.map(drop);
        }
        let namespace: Arc<str> = YANG_PATCH.into();
        let leaf = |name: &str, text: &str| Element::leaf(name, &namespace, text);
        let mut patch = leaf("yang-patch", "").with([leaf("patch-id", "agentconf")]);
        for (number, change) in edit.changes.iter().enumerate() {
            let mut one = leaf("edit", "").with([
                leaf("edit-id", &(number + 1).to_string()),
                leaf("operation", change.operation.name()),
            ]);
            let mut target = change.path.clone();
            let mut node = None;
            if let Some((step, above)) =
                change.path.steps.split_last().filter(|_| change.operation.has_value())
            {
                let own = tree::valued(tree::element(step, modules)?, change.value.clone());
                node = Some(own);
                // What is above a target has to be there, but is made where it is a part of what is merged.
                if change.operation == Operation::Merge {
                    node = tree::wrapped(above, node.into_iter().collect(), modules)?.pop();
                    target.steps.truncate(1);
                }
            }
            one.children.push(leaf("target", &target.to_uri()));
            one.children.extend(node.map(|node| leaf("value", "").with([node])));
            patch.children.push(one);
        }
        self.sent(Method::PATCH, &target, (PATCH, patch.to_xml())).await.map(drop)
    }

    /// POST of an operation, or of an action of a data resource.
    pub async fn call(
        &self,
        modules: &Modules,
        operation: &Path,
        input: Vec<Element>,
    ) -> Result<Vec<Element>, ClientError> {
        let Some(step) = operation.steps.last() else {
            return Err(ClientError::Request("the datastore is no operation".into()));
        };
        let folder = if operation.steps.len() == 1 { "operations" } else { "data" };
        let target = format!("{}/{folder}{}", self.root, operation.to_uri());
        let namespace = modules.namespace(&step.module)?;
        let body = Element::new("input", namespace).with(input).to_xml();
        let answer = self.sent(Method::POST, &target, (XML, body)).await?;
        match answer.body.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(self.parsed(&answer)?.children),
        }
    }

    /// An operation of NETCONF that the server has over RESTCONF too.
    pub async fn operation(&self, name: &str, input: Vec<Element>) -> Result<(), ClientError> {
        let target = format!("{}/operations/ietf-netconf:{name}", self.root);
        let body = Element::new("input", &tree::BASE).with(input).to_xml();
        let answer = self.answered(Method::POST, &target, (XML, body)).await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                let message = format!("this server has no {name} over RESTCONF; use ssh:// or tls://");
                Err(ClientError::Unsupported(message))
            }
            _ => Err(self.refusal(&answer)),
        }
    }

    /// The event stream (section 6.3), at the place that the server tells.
    pub async fn subscribe(&self, subscribe: &Subscribe) -> Result<Subscription, ClientError> {
        let stream = subscribe.stream.as_deref().unwrap_or("NETCONF");
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let target =
            format!("{}{MONITORING}/streams/stream={}/access=xml/location", self.root, encoded(stream));
        let location = self.read(&target).await?.and_then(|location| path_of(&location.text));
        let location = location
            .ok_or_else(|| ClientError::Unsupported(format!("the server has no stream {stream:?} in XML")))?;
        let mut query = Vec::new();
        query.extend(subscribe.filter.as_ref().map(|path| format!("filter={}", encoded(&path.to_string()))));
        query.extend(subscribe.from.as_deref().map(|time| format!("start-time={}", encoded(time))));
        query.extend(subscribe.until.as_deref().map(|time| format!("stop-time={}", encoded(time))));
        let mark = if query.is_empty() { "" } else { "?" };
        self.follow(&format!("{location}{mark}{}", query.join("&")), subscribe.after.as_deref()).await
    }

    /// `establish-subscription` to data, and its stream (RFC 8650).
    pub async fn push(&self, modules: &Modules, push: &Push) -> Result<Subscription, ClientError> {
        let mut operation = establish(modules, push)?;
        let mut encoding = Element::leaf("encoding", &operation.namespace, "sn:encode-xml");
        encoding.prefixes.push(("sn".to_owned(), Arc::clone(&operation.namespace)));
        operation.children.push(encoding);
        let path = Path::top("ietf-subscribed-notifications", "establish-subscription");
        let output = self.call(modules, &path, operation.children).await?;
        let uri = output.iter().find(|child| child.name == "uri").and_then(|uri| path_of(&uri.text));
        let uri = uri.ok_or_else(|| ClientError::Protocol("a subscription has no uri".into()))?;
        self.follow(&uri, None).await
    }

    async fn follow(&self, target: &str, after: Option<&str>) -> Result<Subscription, ClientError> {
        let asked = Asked { target, accept: STREAM, last_event_id: after, ..Asked::default() };
        let body = self.http.open(&asked).await?.map_err(|answer| self.refusal(&answer))?;
        let (follower, incoming) = mpsc::channel(self.http.limits.notifications_max.max(1));
        tokio::spawn(events::follow(body, self.http.limits.clone(), follower));
        Ok(Subscription { incoming })
    }

    /// The root element of a resource; none if there is no such resource.
    async fn read(&self, target: &str) -> Result<Option<Element>, ClientError> {
        let answer = self.http.ask(&Asked { target, accept: XML, ..Asked::default() }).await?;
        match answer.status {
            StatusCode::OK => self.parsed(&answer).map(Some),
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refusal(&answer)),
        }
    }

    async fn sent(&self, method: Method, target: &str, body: (&str, String)) -> Result<Answer, ClientError> {
        let answer = self.answered(method, target, body).await?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(self.refusal(&answer)),
        }
    }

    async fn answered(
        &self,
        method: Method,
        target: &str,
        body: (&str, String),
    ) -> Result<Answer, ClientError> {
        self.http.ask(&Asked { method, target, accept: XML, body: Some(body), ..Asked::default() }).await
    }

    fn parsed(&self, answer: &Answer) -> Result<Element, ClientError> {
        let parsed = Element::parse(&answer.body, self.http.limits.depth_max);
        parsed.map_err(|error| ClientError::Protocol(format!("an answer is {error}")))
    }

    /// The errors of an answer, or what its status says. What a proxy says of a server that is away, or the server of the
    /// issuer that it asks, is a connection that was not made.
    fn refusal(&self, answer: &Answer) -> ClientError {
        let mut errors = Vec::new();
        if let Ok(root) = Element::parse(&answer.body, self.http.limits.depth_max) {
            collect(&root, &mut errors);
        }
        let passes = matches!(
            answer.status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        if passes && errors.iter().all(|error| error.app_tag.is_none()) {
            let mut reason = format!("the server answers {}", answer.status);
            errors.iter().for_each(|error| reason = format!("{reason}: {error}"));
            return ClientError::Connect { place: self.http.place(), reason };
        }
        if errors.is_empty() {
            let tag = match answer.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "access-denied",
                StatusCode::NOT_FOUND => "invalid-value",
                StatusCode::CONFLICT => "in-use",
                StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::UNSUPPORTED_MEDIA_TYPE
                | StatusCode::NOT_IMPLEMENTED => "operation-not-supported",
                _ => "operation-failed",
            };
            let message = Some(format!("the server answers {}", answer.status));
            errors.push(RpcError { tag: tag.to_owned(), message, ..RpcError::default() });
        }
        ClientError::Refused(errors)
    }

    /// The datastore's resource (RFC 8527 section 3.1); without one, that of RFC 8040.
    fn datastore(&self, datastore: Option<Datastore>) -> String {
        match datastore {
            None => format!("{}/data", self.root),
            Some(datastore) => format!("{}/ds/ietf-datastores:{}", self.root, datastore.name()),
        }
    }

    fn can(&self, capability: &str) -> bool {
        let own = format!("urn:ietf:params:restconf:capability:{capability}");
        self.capabilities.iter().any(|uri| uri.split('?').next() == Some(&own))
    }
}

/// The input of `establish-subscription` for data, the same in both protocols (RFC 8641 section 4.4.1).
///
/// # Errors
/// The server has no such subscriptions.
pub fn establish(modules: &Modules, push: &Push) -> Result<Element, ClientError> {
    let (Some(subscribed), Some(pushed)) =
        (modules.find("ietf-subscribed-notifications"), modules.find("ietf-yang-push"))
    else {
        return Err(ClientError::Unsupported("the server has no subscriptions to data (RFC 8641)".into()));
    };
    let leaf = |name: &str, text: &str| Element::leaf(name, &pushed.namespace, text);
    let mut datastore = leaf("datastore", &format!("ds:{}", push.datastore.name()));
    datastore.prefixes.push(("ds".to_owned(), DATASTORES.into()));
    let mut operation = Element::new("establish-subscription", &subscribed.namespace).with([datastore]);
    if !push.path.steps.is_empty() {
        let filter = tree::filter(std::slice::from_ref(&push.path), modules)?;
        operation.children.push(leaf("datastore-subtree-filter", "").with(filter));
    }
    operation.children.push(match push.period {
        Some(period) => leaf("periodic", "").with([leaf("period", &period.to_string())]),
        None => leaf("on-change", ""),
    });
    Ok(operation)
}

/// What of a path comes after its first steps, as a field (section 4.8.3); none if that is all of it.
fn field(path: &Path, count: usize) -> Option<String> {
    let rest = path.steps.get(count..).filter(|rest| !rest.is_empty())?;
    let mut above =
        count.checked_sub(1).and_then(|last| path.steps.get(last)).map(|step: &Step| &step.module);
    let mut names = Vec::new();
    for step in rest {
        let is_same = above == Some(&step.module);
        names.push(if is_same { step.name.clone() } else { format!("{}:{}", step.module, step.name) });
        above = Some(&step.module);
    }
    Some(names.join("/"))
}

/// The header field that proves the user; none with a certificate alone.
async fn authorization(url: &Url, credentials: &Credentials) -> Result<Option<HeaderValue>, ClientError> {
    let user = url.user.clone().or_else(|| credentials.user.clone());
    let text = match (&credentials.token, user) {
        (Some(token), _) => format!("Bearer {}", token.reveal()),
        (None, None) if credentials.certificate.is_some() => return Ok(None),
        (None, user) => {
            let Some(user) = user.or_else(|| std::env::var("USER").ok()) else {
                return Err(ClientError::Login(
                    "there is no user: https://user@host, or --token-file".into(),
                ));
            };
            if credentials.certificate.is_some() && credentials.password.is_none() {
                return Ok(None);
            }
            let password = match &credentials.password {
                Some(password) => Some(password.clone()),
                None => {
                    let prompt = format!("Password of {user} at {}: ", url.authority());
                    credentials::secret(&credentials.ask, prompt).await
                }
            };
            let password = password.ok_or_else(|| {
                ClientError::Login(format!("{url} wants a password of {user}, and there is nobody to ask"))
            })?;
            format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal())))
        }
    };
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| ClientError::Login("the token or the user has a character that none can have".into()))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The `restconf` link of a host-meta document (RFC 8040 section 3.1).
fn root(document: &[u8], depth_max: usize) -> Option<String> {
    let document = Element::parse(document, depth_max).ok()?;
    let is_it = |link: &&Element| link.attribute("rel") == Some("restconf");
    let link = document.children.iter().find(is_it)?;
    path_of(link.attribute("href")?).map(|path| path.trim_end_matches('/').to_owned())
}

/// The path and query of a URL, or of one without a host.
fn path_of(url: &str) -> Option<String> {
    let url = url.trim();
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..))?,
        None => url,
    };
    // What is no path would make another request of this one.
    (path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic())).then(|| path.to_owned())
}

/// Every `<error>` in an `<errors>`, wherever that stands: a YANG Patch has them with each edit.
fn collect(element: &Element, errors: &mut Vec<RpcError>) {
    for child in &element.children {
        match (element.name.as_str(), child.name.as_str()) {
            ("errors", "error") => errors.push(RpcError::read(child)),
            _ => collect(child, errors),
        }
    }
}
