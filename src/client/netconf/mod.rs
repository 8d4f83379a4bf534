//! NETCONF as a client speaks it (RFC 6241), to whatever server: what it cannot do is known from its hello and its modules.
//!
//! `ssh` brings a stream, as does `tls` of the client; `wire` exchanges messages on it, after the `hello`. It never asks for
//! what the server has not announced where there is another way.

mod hello;
mod ssh;
mod wire;

use std::sync::Arc;

use tokio::sync::mpsc;

use self::wire::{Follows, Wire};
use super::credentials::Credentials;
use super::data::Element;
use super::error::ClientError;
use super::limits::Limits;
use super::modules::{Module, Modules};
use super::path::Path;
use super::request::{Content, Datastore, Edit, ErrorOption, Get, Notification, Push, Subscribe, TestOption};
use super::session::{Subscription, check};
use super::tree::{self, base};
use super::url::{Scheme, Url};
use super::{restconf, tls};

const CAPABILITY: &str = "urn:ietf:params:netconf:capability:";
const NMDA: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda";
const MONITORING: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring";
const LIBRARY: &str = "urn:ietf:params:xml:ns:yang:ietf-yang-library";
const DATASTORES: &str = "urn:ietf:params:xml:ns:yang:ietf-datastores";
const DEFAULTS: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults";
const EVENTS: &str = "urn:ietf:params:xml:ns:netconf:notification:1.0";
const ACTION: &str = "urn:ietf:params:xml:ns:yang:1";

type Incoming = mpsc::Receiver<Result<Notification, ClientError>>;

/// A session.
#[derive(Debug)]
pub struct Netconf {
    wire: Wire,
    /// The server's capabilities, as URIs.
    pub capabilities: Vec<String>,
    /// The number that the server gave the session.
    pub id: u32,
    /// Whether the candidate is this session's own.
    pub is_private: bool,
    /// The SSH connection, which ends with it.
    _connection: Option<ssh::Connection>,
}

impl Netconf {
    /// Connects, logs in, and says hello; with `is_private`, it asks for a candidate of its own.
    ///
    /// # Errors
    /// Those of [`super::Session::connect`].
    pub async fn connect(
        url: &Url,
        credentials: &Credentials,
        limits: &Limits,
        is_private: bool,
    ) -> Result<Netconf, ClientError> {
        let (stream, connection): (Box<dyn wire::Duplex>, _) = match url.scheme {
            Scheme::Ssh => {
                let (stream, connection) = ssh::connect(url, credentials, limits).await?;
                (Box::new(stream), Some(connection))
            }
            // Both sides prove who they are (RFC 7589 section 4).
            Scheme::Tls | Scheme::Https if credentials.certificate.is_none() => {
                let message = "tls:// wants a certificate of the user: --cert and --key";
                return Err(ClientError::Login(message.into()));
            }
            Scheme::Tls | Scheme::Https => {
                let config = tls::config(credentials, &[])?;
                (Box::new(tls::connect(url, &config, limits).await?), None)
            }
        };
        let (wire, hello) = Wire::open(stream, limits, is_private).await?;
        let (id, capabilities) = (hello.session_id, hello.capabilities);
        let mut netconf = Netconf { wire, capabilities, id, is_private: false, _connection: connection };
        netconf.is_private = is_private && netconf.can("private-candidate:1.0");
        Ok(netconf)
    }

    /// The modules: those of its YANG library, and those of its hello.
    pub async fn modules(&self) -> Result<Modules, ClientError> {
        let mut modules = Modules::read_capabilities(self.capabilities.iter().map(String::as_str));
        let is_new = self.can("yang-library:1.1");
        if !is_new && modules.find("ietf-yang-library").is_none() && !self.can("yang-library:1.0") {
            return Ok(modules);
        }
        let own = Modules { all: vec![Module::of("ietf-yang-library", LIBRARY)] };
        let get = Get { paths: vec![Modules::path(is_new)], ..Get::default() };
        for library in self.get(&own, &get).await? {
            let read = Modules::read(&library);
            modules.all.retain(|module| read.find(&module.name).is_none());
            modules.all.splice(0..0, read.all);
        }
        Ok(modules)
    }

    /// `get-schema` (RFC 6022 section 3.1).
    pub async fn source(&self, module: &str, revision: Option<&str>) -> Result<String, ClientError> {
        let namespace: Arc<str> = MONITORING.into();
        let leaf = |name: &str, text: &str| Element::leaf(name, &namespace, text);
        let mut input = vec![leaf("identifier", module)];
        input.extend(revision.map(|revision| leaf("version", revision)));
        input.push(leaf("format", "yang"));
        let reply = self.wire.request(Element::new("get-schema", &namespace).with(input)).await?;
        match reply.children.into_iter().find(|child| child.name == "data") {
            Some(data) => Ok(data.text),
            None => Err(ClientError::Protocol("a reply to get-schema has no data".into())),
        }
    }

    /// `get`, `get-config` or, where it is needed and the server has it, `get-data` (RFC 8526).
    pub async fn get(&self, modules: &Modules, get: &Get) -> Result<Vec<Element>, ClientError> {
        check(get)?;
        let filter = tree::filter(&get.paths, modules)?;
        let is_classic = !has_depth(get);
        let has_nmda = modules.find("ietf-netconf-nmda").is_some();
        if !is_classic && !has_nmda {
            let message = "the server has no get-data (RFC 8526), so it has neither datastores beside the configuration nor state alone";
            return Err(ClientError::Unsupported(message.into()));
        }
        let operation = match is_classic {
            true => self.classic(get, filter),
            false => new(get, filter),
        };
        let reply = self.wire.request(operation).await?;
        let data = reply.children.into_iter().find(|child| child.name == "data");
        Ok(data.map(|data| data.children).unwrap_or_default())
    }

    /// `get`, or `get-config`.
    fn classic(&self, get: &Get, filter: Vec<Element>) -> Element {
        let filter = (!filter.is_empty()).then(|| base("filter", "").with(filter));
        let defaults: Arc<str> = DEFAULTS.into();
        let defaults = get.defaults.map(|mode| Element::leaf("with-defaults", &defaults, mode.name()));
        match (get.datastore, get.content) {
            (None, Content::All | Content::State) => base("get", "").with(filter).with(defaults),
            (datastore, _) => {
                let source = tree::source(datastore.unwrap_or(Datastore::Running));
                base("get-config", "").with([source]).with(filter).with(defaults)
            }
        }
    }

    /// `edit-config`.
    pub async fn edit(&self, modules: &Modules, edit: &Edit) -> Result<(), ClientError> {
        let is_classic =
            matches!(edit.datastore, Datastore::Running | Datastore::Candidate | Datastore::Startup);
        let whole = edit.changes.iter().any(|change| change.path.steps.is_empty());
        let config = tree::config(edit, modules)?;
        if !is_classic {
            let message = format!("the datastore {} cannot be edited", edit.datastore.name());
            return Err(ClientError::Request(message));
        }
        let replaces =
            whole && edit.changes.iter().all(|c| c.operation == super::request::Operation::Replace);
        let default = match (whole, replaces) {
            (_, true) => "replace",
            (true, false) => "merge",
            (false, false) => "none",
        };
        let mut operation =
            base("edit-config", "").with([tree::target(edit.datastore), base("default-operation", default)]);
        let test = edit.test.map(|test| match test {
            TestOption::TestThenSet => "test-then-set",
            TestOption::Set => "set",
            TestOption::TestOnly => "test-only",
        });
        operation.children.extend(test.map(|test| base("test-option", test)));
        let atomic = self.can("rollback-on-error:1.0").then_some(ErrorOption::RollbackOnError);
        let error = edit.error.or(atomic).map(|error| match error {
            ErrorOption::StopOnError => "stop-on-error",
            ErrorOption::ContinueOnError => "continue-on-error",
            ErrorOption::RollbackOnError => "rollback-on-error",
        });
        operation.children.extend(error.map(|error| base("error-option", error)));
        let config = base("config", "").with(config);
        self.wire.request(operation.with([config])).await.map(drop)
    }

    /// An rpc, or an action inside of `<action>` (RFC 7950 section 7.15.2).
    pub async fn call(
        &self,
        modules: &Modules,
        operation: &Path,
        input: Vec<Element>,
    ) -> Result<Vec<Element>, ClientError> {
        let Some((step, above)) = operation.steps.split_last() else {
            return Err(ClientError::Request("the datastore is no operation".into()));
        };
        let own = tree::element(step, modules)?.with(input);
        let request = match above.is_empty() {
            true => own,
            false => {
                let action: Arc<str> = ACTION.into();
                Element::new("action", &action).with(tree::wrapped(above, vec![own], modules)?)
            }
        };
        let reply = self.wire.request(request).await?;
        let is_ok = |child: &Element| child.name == "ok" && child.namespace == *tree::BASE;
        Ok(reply.children.into_iter().filter(|child| !is_ok(child)).collect())
    }

    /// An operation of NETCONF's own, whose answer is `<ok/>`.
    pub async fn operation(&self, name: &str, input: Vec<Element>) -> Result<(), ClientError> {
        self.wire.request(base(name, "").with(input)).await.map(drop)
    }

    /// `establish-subscription` (RFC 8640) or, of older servers, `create-subscription` (RFC 5277).
    pub async fn subscribe(
        &self,
        modules: &Modules,
        subscribe: &Subscribe,
    ) -> Result<Subscription, ClientError> {
        if self.wire.has_events() {
            let message = "this session follows a stream already, and its events would not be told apart";
            return Err(ClientError::Unsupported(message.into()));
        }
        if subscribe.after.is_some() {
            let message = "NETCONF has no ids of events; a replay begins at a time";
            return Err(ClientError::Unsupported(message.into()));
        }
        self.end_abandoned().await?;
        let filter = tree::filter(subscribe.filter.as_slice(), modules)?;
        let stream = subscribe.stream.as_deref().unwrap_or("NETCONF");
        // Only the older kind tells when it has come to its end, only the newer can be ended before.
        let is_old = subscribe.until.is_some() && self.can("notification:1.0");
        let operation = match modules.find("ietf-subscribed-notifications") {
            Some(module) if !is_old => {
                let leaf = |name: &str, text: &str| Element::leaf(name, &module.namespace, text);
                let mut operation = Element::new("establish-subscription", &module.namespace);
                operation.children.push(leaf("stream", stream));
                if !filter.is_empty() {
                    operation.children.push(leaf("stream-subtree-filter", "").with(filter));
                }
                operation
                    .children
                    .extend(subscribe.from.as_deref().map(|time| leaf("replay-start-time", time)));
                operation.children.extend(subscribe.until.as_deref().map(|time| leaf("stop-time", time)));
                operation
            }
            _ if self.can("notification:1.0") => {
                let events: Arc<str> = EVENTS.into();
                let leaf = |name: &str, text: &str| Element::leaf(name, &events, text);
                let mut operation = Element::new("create-subscription", &events);
                operation.children.push(leaf("stream", stream));
                if !filter.is_empty() {
                    operation.children.push(leaf("filter", "").with(filter));
                }
                operation.children.extend(subscribe.from.as_deref().map(|time| leaf("startTime", time)));
                operation.children.extend(subscribe.until.as_deref().map(|time| leaf("stopTime", time)));
                operation
            }
            _ => return Err(ClientError::Unsupported("the server has no notifications".into())),
        };
        Ok(Subscription { incoming: self.wire.follow(operation, Follows::Events).await? })
    }

    /// `establish-subscription` to data (RFC 8641).
    pub async fn push(&self, modules: &Modules, push: &Push) -> Result<Subscription, ClientError> {
        self.end_abandoned().await?;
        let operation = restconf::establish(modules, push)?;
        Ok(Subscription { incoming: self.wire.follow(operation, Follows::Push).await? })
    }

    /// `close-session`.
    pub async fn close(self) -> Result<(), ClientError> {
        self.operation("close-session", Vec::new()).await
    }

    /// Why the session has ended, once it has.
    pub fn ended(&self) -> Option<String> {
        self.wire.ended()
    }

    /// Waits until the session has ended; gives the reason.
    pub async fn end(&self) -> String {
        self.wire.end().await
    }

    /// Ends the subscriptions that nobody follows any more.
    async fn end_abandoned(&self) -> Result<(), ClientError> {
        let namespace: Arc<str> = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications".into();
        for id in self.wire.abandoned() {
            let Some(id) = id else {
                let message = "this server cannot end a subscription but with its session";
                return Err(ClientError::Unsupported(message.into()));
            };
            let id = Element::leaf("id", &namespace, &id.to_string());
            // It may have come to its end meanwhile.
            let _ = self.wire.request(Element::new("delete-subscription", &namespace).with([id])).await;
        }
        Ok(())
    }

    fn can(&self, capability: &str) -> bool {
        let name = |uri: &str| {
            uri.strip_prefix(CAPABILITY).and_then(|rest| rest.split('?').next()) == Some(capability)
        };
        self.capabilities.iter().any(|uri| name(uri))
    }
}

/// `get-data` (RFC 8526 section 3.1.1).
fn new(get: &Get, filter: Vec<Element>) -> Element {
    let namespace: Arc<str> = NMDA.into();
    let leaf = |name: &str, text: &str| Element::leaf(name, &namespace, text);
    let datastore = get.datastore.unwrap_or(Datastore::Operational);
    let mut operation = Element::new("get-data", &namespace);
    let mut named = leaf("datastore", &format!("ds:{}", datastore.name()));
    named.prefixes.push(("ds".to_owned(), DATASTORES.into()));
    operation.children.push(named);
    if !filter.is_empty() {
        operation.children.push(leaf("subtree-filter", "").with(filter));
    }
    match get.content {
        Content::All => {}
        Content::Config => operation.children.push(leaf("config-filter", "true")),
        Content::State => operation.children.push(leaf("config-filter", "false")),
    }
    operation.children.extend(get.depth.map(|depth| leaf("max-depth", &depth.to_string())));
    operation.children.extend(get.origin.then(|| leaf("with-origin", "")));
    operation.children.extend(get.defaults.map(|mode| leaf("with-defaults", mode.name())));
    operation
}

/// Whether it takes `get-data`, which alone has a depth.
pub fn has_depth(get: &Get) -> bool {
    match (get.datastore, get.content) {
        _ if get.origin => true,
        (None, Content::All) => false,
        (None | Some(Datastore::Operational), Content::State) => true,
        (None | Some(Datastore::Running | Datastore::Candidate | Datastore::Startup), _) => false,
        (Some(Datastore::Intended | Datastore::Operational), _) => true,
    }
}
