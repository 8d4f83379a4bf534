//! What a request asks for: its operation and parameters, checked against the schema.
//!
//! Each family of operations is read in a file of its own. Nothing is done here, and nothing of the message is kept.

mod events;
mod known;
mod locks;
mod read;
mod whole;
mod write;

pub use whole::content;
pub use write::config;

use super::NAMESPACE;
use super::edit::{Default, take_etag};
use super::message::Rpc;
use crate::access::{self, Principal};
use crate::clock::{Stopwatch, Timestamp};
use crate::datastore::edit::Edit;
use crate::engine::{
    Datastore, Engine, Filter, Form, From, Invocation, Locking, Management, Paging, Precondition, Selection,
    Test,
};
use crate::trace::Trace;
use crate::yang::decode::DecodeOptions;
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_datastores::identities::Datastore as Datastores;
use crate::yang::generated::ietf_netconf::{KillSessionInput, nodes as netconf};
use crate::yang::generated::ietf_netconf_nmda::nodes as nmda;
use crate::yang::generated::ietf_netconf_partial_lock::nodes as partial;
use crate::yang::generated::ietf_netconf_private_candidate::nodes as private;
use crate::yang::generated::ietf_subscribed_notifications::identities::{ENCODE_JSON, ENCODE_XML};
use crate::yang::generated::ietf_subscribed_notifications::nodes::{
    ESTABLISH_SUBSCRIPTION, ESTABLISH_SUBSCRIPTION_INPUT_ENCODING,
};
use crate::yang::generated::notifications::nodes as notifications;
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{AnyData, Child, Container};
use crate::yang::value::Value;
use crate::yang::xml;
use crate::yang::xml::parse::Element;
use std::sync::Arc;

/// The namespace of `<action>` (RFC 7950 section 7.15.2).
const YANG: &str = "urn:ietf:params:xml:ns:yang:1";

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// To read data.
    Get(Box<Get>),
    /// To edit a datastore.
    Edit(EditData),
    /// The same with the configuration at a URL.
    EditFrom {
        /// Where it is.
        url: String,
        /// What is done to what does not say it.
        default: Default,
        /// The rest.
        edit: EditData,
    },
    /// To do something to a whole datastore.
    Manage {
        /// What.
        management: Management,
        /// Whether the new transaction id is wanted.
        with_etag: bool,
    },
    /// To make a target what a source is; one of them is no datastore.
    Copy {
        /// The source.
        from: Source,
        /// The target.
        to: Target,
        /// What is written of defaults to a URL.
        telling: crate::engine::Telling,
    },
    /// To delete what is at a URL.
    Delete(String),
    /// To check what is no datastore.
    Validate(Source),
    /// To lock or unlock.
    Lock(Locking),
    /// To follow the stream of events (RFC 5277 section 2.1.1).
    Subscribe {
        /// Which of them.
        filter: Option<Filter>,
        /// Where it begins.
        from: From,
        /// When it ends.
        until: Option<Timestamp>,
    },
    /// To end another session.
    Kill(u32),
    /// To end this session.
    Close,
    /// Anything else, which the engine knows.
    Invoke(Invocation),
}

/// Where configuration comes from.
#[derive(Debug)]
pub enum Source {
    /// A datastore.
    Datastore(Datastore),
    /// The message.
    Inline(Container),
    /// A URL.
    Url(String),
}

/// Where configuration goes.
#[derive(Debug)]
pub enum Target {
    /// A datastore.
    Datastore(Datastore),
    /// A URL.
    Url(String),
}

/// What is to be read.
#[derive(Debug)]
pub struct Get {
    /// Of which datastore.
    pub datastore: Datastore,
    /// What of it.
    pub selection: Selection,
    /// Of the only list or leaf-list that is wanted, a page.
    pub page: Option<(InstancePath, Paging)>,
    /// The output, whose `data` the answer is.
    pub output: &'static Node,
}

/// How a datastore is to be edited.
#[derive(Debug)]
pub struct EditData {
    /// The datastore.
    pub datastore: Datastore,
    /// The edits, in order.
    pub edits: Vec<Edit>,
    /// What the client knows of what it edits.
    pub known: Vec<Precondition>,
    /// Whether they are tested.
    pub test: Test,
    /// What becomes of the others if one fails.
    pub on_error: OnError,
    /// Whether the new transaction id is wanted.
    pub with_etag: bool,
}

/// `error-option` (RFC 6241 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Those before it are made.
    Stop,
    /// All others are made.
    Continue,
    /// None is made.
    Rollback,
}

/// One call of an operation that has a reader of its own.
struct Call<'c, 'm> {
    engine: &'c Engine,
    principal: &'c Principal,
    operation: &'static Node,
    rpc: Element<'m>,
    options: DecodeOptions<'c>,
}

type Reader = for<'c, 'm> fn(Call<'c, 'm>) -> Result<Request, Error>;

/// The operations whose input is more than its schema says, or that only a session can invoke.
static READERS: [(&Node, Reader); 18] = [
    (&netconf::GET, read::get),
    (&netconf::GET_CONFIG, read::get_config),
    (&nmda::GET_DATA, read::get_data),
    (&netconf::EDIT_CONFIG, write::edit_config),
    (&nmda::EDIT_DATA, write::edit_data),
    (&netconf::COPY_CONFIG, whole::copy),
    (&netconf::DELETE_CONFIG, whole::delete),
    (&netconf::VALIDATE, whole::validate),
    (&netconf::COMMIT, whole::commit),
    (&netconf::DISCARD_CHANGES, whole::discard),
    (&private::UPDATE, whole::update),
    (&netconf::LOCK, locks::lock),
    (&netconf::UNLOCK, locks::unlock),
    (&partial::PARTIAL_LOCK, locks::lock_part),
    (&partial::PARTIAL_UNLOCK, locks::unlock_part),
    (&notifications::CREATE_SUBSCRIPTION, events::subscribe),
    (&netconf::KILL_SESSION, kill),
    (&netconf::CLOSE_SESSION, close),
];

/// What a request is called in the audit trail: its operation, and the instance that an action belongs to.
#[derive(Debug, Clone)]
pub struct Called {
    /// The operation; `None` if there is no such.
    pub operation: Option<&'static Node>,
    /// The instance.
    pub target: Option<InstancePath>,
    /// Since when it waits for its reply.
    pub since: Stopwatch,
    /// The trace that it belongs to.
    pub trace: Option<Arc<Trace>>,
}

/// What was read of a message: the start tag of its reply, what it is called, and what it asks for.
pub struct Read {
    /// The start tag of the reply.
    pub start: String,
    /// What it is called.
    pub called: Called,
    /// What it asks for.
    ///
    /// # Errors
    /// There is no such operation, the principal may not invoke it, or its parameters are wrong.
    pub request: Result<Request, Error>,
}

/// Reads a message as a whole.
pub fn of(engine: &Engine, principal: &Principal, rpc: Rpc<'_>) -> Read {
    let trace = Trace::begin(rpc.trace, engine.spans().as_ref());
    // Nobody has a session without having proved who it is.
    if let Some(trace) = &trace {
        trace.trust();
    }
    let mut called = Called { operation: None, target: None, since: Stopwatch::start(), trace };
    let request = read(engine, principal, rpc.operation, &mut called);
    if let Ok(Request::Invoke(Invocation { operation, target, .. })) = &request {
        called = Called { operation: Some(operation), target: target.clone(), ..called };
    }
    Read { start: rpc.reply, called, request }
}

fn read(
    engine: &Engine,
    principal: &Principal,
    rpc: Element<'_>,
    called: &mut Called,
) -> Result<Request, Error> {
    let options = DecodeOptions { depth_max: engine.limits().depth_max, ..DecodeOptions::default() };
    if rpc.name == "action" && rpc.namespace.as_ref() == YANG {
        return action(rpc, &options).map(Request::Invoke);
    }
    let operation = operation(&rpc)?;
    called.operation = Some(operation);
    if operation != &netconf::CLOSE_SESSION {
        // RFC 8341 section 3.2.3: whoever has a session may close it.
        engine.admit(principal, operation)?;
    }
    let call = Call { engine, principal, operation, rpc, options };
    match READERS.iter().find(|(read, _)| *read == operation) {
        Some((_, reader)) => reader(call),
        None => call.invoke(),
    }
}

fn kill(call: Call<'_, '_>) -> Result<Request, Error> {
    let KillSessionInput { session_id } = given(&call.input(&[])?)?;
    Ok(Request::Kill(session_id))
}

fn close(call: Call<'_, '_>) -> Result<Request, Error> {
    call.input(&[]).map(|_| Request::Close)
}

/// Sees to it that notifications are asked for in the one encoding that NETCONF has, which is also that of the rpc (RFC 8639,
/// `encoding`).
fn in_xml(input: &mut Container) -> Result<(), Error> {
    match input.leaf(&ESTABLISH_SUBSCRIPTION_INPUT_ENCODING) {
        Some(Value::Identity(encoding)) if *encoding == &ENCODE_JSON => {
            let message = "notifications over NETCONF are XML (RFC 8640 section 3)";
            let error = Error::application(Tag::InvalidValue, message);
            Err(error.app_tag("ietf-subscribed-notifications:encoding-unsupported"))
        }
        Some(_) => Ok(()),
        None => {
            input.set(&ESTABLISH_SUBSCRIPTION_INPUT_ENCODING, Child::Leaf(Value::Identity(&ENCODE_XML)));
            Ok(())
        }
    }
}

impl<'m> Call<'_, 'm> {
    fn invoke(self) -> Result<Request, Error> {
        let operation = self.operation;
        let mut input = decoded(self.rpc, operation, &self.options)?;
        if operation == &ESTABLISH_SUBSCRIPTION {
            in_xml(&mut input)?;
        }
        Ok(Request::Invoke(Invocation { operation, target: None, input: input.into(), form: Form::Xml }))
    }

    /// Takes out what stands in the input, in the namespace of the operation.
    fn take(&mut self, name: &str) -> Result<Option<Element<'m>>, Error> {
        take(&mut self.rpc, name)
    }

    /// The input, checked. What was taken out stands in it as empty.
    fn input(self, taken: &[&'static Node]) -> Result<Container, Error> {
        let mut input = decoded(self.rpc, self.operation, &self.options)?;
        for node in taken {
            put(&mut input, node);
        }
        check(self.engine, self.operation, &input)?;
        Ok(input)
    }

    /// Refuses a URL to whoever may not use any.
    fn url(principal: &Principal, url: String) -> Result<String, Error> {
        match access::may_use_urls(principal) {
            true => Ok(url),
            false => {
                let message = "configuration at a URL is read and written by administrators";
                Err(Error::application(Tag::AccessDenied, message))
            }
        }
    }
}

/// Checks an input, and tells what it violates as errors of the protocol: it is no configuration.
///
/// # Errors
/// `missing-element` for what is mandatory, a choice among several elements as well; what else the input violates.
fn check(engine: &Engine, operation: &'static Node, input: &Container) -> Result<(), Error> {
    engine.check_input(operation, input).map_err(|error| {
        let element = match (error.tag, error.path.as_ref().and_then(InstancePath::node)) {
            (Tag::MissingElement, Some(node)) => Some(node.name),
            (Tag::DataMissing, Some(node)) if matches!(node.kind, Kind::Container { .. }) => Some(node.name),
            // A choice among the parameters themselves: its first one stands for it.
            (Tag::DataMissing, Some(node)) => chosen(node, &error),
            _ => None,
        };
        match element {
            Some(element) => {
                let message = format!("<{}> needs <{element}>: {}", operation.name, error.message);
                Error::protocol(Tag::MissingElement, message).info("bad-element", element)
            }
            None => Error { layer: Layer::Protocol, ..error },
        }
    })
}

/// The first element of the mandatory choice that an error is about.
fn chosen(operation: &'static Node, error: &Error) -> Option<&'static str> {
    let Kind::Rpc { input, .. } = operation.kind else { return None };
    let name = error.info.iter().find(|info| info.name == "missing-choice")?.value.to_string();
    let choice = input.children.iter().find(|child| child.name == name)?;
    choice.children.iter().flat_map(|case| case.children).next().map(|first| first.name)
}

/// Puts an empty anydata where a node stands in an input.
fn put(input: &mut Container, node: &'static Node) {
    input.set(node, Child::Any(AnyData::Xml("".into())));
}

/// The operation that an element asks for.
fn operation(rpc: &Element<'_>) -> Result<&'static Node, Error> {
    let refuse = |tag, message: String| {
        let error = Error { layer: Layer::Protocol, ..Error::protocol(tag, message) };
        error.info("bad-element", rpc.name)
    };
    let Some(module) = SCHEMA.namespace(&rpc.namespace) else {
        let message = format!("<{}>: no module here has the namespace \"{}\"", rpc.name, rpc.namespace);
        return Err(refuse(Tag::UnknownNamespace, message).info("bad-namespace", rpc.namespace.as_ref()));
    };
    module.rpcs.iter().copied().find(|operation| operation.name == rpc.name).ok_or_else(|| {
        let message = format!("the module {} has no operation <{}>", module.name, rpc.name);
        refuse(Tag::OperationNotSupported, message)
    })
}

/// The input of an operation as it stands in its element.
fn decoded(
    rpc: Element<'_>,
    operation: &'static Node,
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    decoded_at(rpc, &InstancePath { steps: vec![Step::plain(operation)] }, operation, options)
}

fn decoded_at(
    rpc: Element<'_>,
    path: &InstancePath,
    operation: &'static Node,
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    let Kind::Rpc { input, .. } = operation.kind else {
        return Err(Error::protocol(Tag::OperationNotSupported, "this is not an operation"));
    };
    // The element of the operation is that of its input: only the names differ.
    let mut rpc = rpc;
    (rpc.name, rpc.namespace) = (input.name, input.module.namespace.into());
    match xml::decode_element(rpc, &path.child(Step::plain(input)), &SCHEMA, options)? {
        Child::Container(input) => Ok(input.as_ref().clone()),
        _ => Ok(Container::default()),
    }
}

/// `<action>`: the way to the instance, and the action at its end (RFC 7950 section 7.15.2).
fn action(around: Element<'_>, options: &DecodeOptions<'_>) -> Result<Invocation, Error> {
    let mut path = InstancePath::default();
    let mut children = around.children;
    loop {
        // Beside the way there are only the keys of the entries.
        let keys = path.node().map_or(&[][..], Node::keys);
        let is_key = |e: &Element<'_>| {
            keys.iter().any(|key| key.name == e.name && key.module.namespace == e.namespace.as_ref())
        };
        let mut on = children.into_iter().filter(|child| !is_key(child));
        let (element, None) = (on.next(), on.next()) else {
            let message = "an <action> names one action";
            return Err(Error::protocol(Tag::BadElement, message).at(path).info("bad-element", "action"));
        };
        let Some(element) = element else {
            let message = "an <action> names an action";
            return Err(Error::protocol(Tag::MissingElement, message).at(path).info("bad-element", "action"));
        };
        let named = |node: &&&'static Node| {
            node.name == element.name && node.module.namespace == element.namespace.as_ref()
        };
        if let Some(operation) = path.node().and_then(|node| node.actions.iter().find(named)).copied() {
            let input = decoded_at(element, &path.child(Step::plain(operation)), operation, options)?;
            let input = input.into();
            return Ok(Invocation { operation, target: Some(path), input, form: Form::Xml });
        }
        let step = xml::step(&element, &path, &SCHEMA)?;
        path.steps.push(step);
        children = element.children;
    }
}

fn is_base(element: &Element<'_>) -> bool {
    element.namespace.as_ref() == NAMESPACE
}

/// Takes out a child in the namespace of its parent, which can be there once.
fn take<'m>(element: &mut Element<'m>, name: &str) -> Result<Option<Element<'m>>, Error> {
    let is_it = |child: &Element<'_>| child.name == name && child.namespace == element.namespace;
    let Some(at) = element.children.iter().position(is_it) else { return Ok(None) };
    if element.children.iter().filter(|child| is_it(child)).count() > 1 {
        let message = format!("<{name}> is given more than once");
        return Err(Error::protocol(Tag::BadElement, message).info("bad-element", name));
    }
    Ok(Some(element.children.remove(at)))
}

fn given<T: Modelled>(input: &Container) -> Result<T, Error> {
    T::from_data(input)
        .map_err(|e| Error::protocol(Tag::MissingElement, e.to_string()).info("bad-element", e.node.name))
}

fn missing(name: &str, operation: &Node) -> Error {
    let message = format!("<{}> needs <{name}>", operation.name);
    Error::protocol(Tag::MissingElement, message).info("bad-element", name)
}

/// RFC 8526 sections 3.1.1 and 3.2.1: a datastore that the server does not have, or not for this.
fn no_datastore(element: &str) -> Error {
    let message = format!("<{element}> names no datastore that the server has for this");
    Error::protocol(Tag::InvalidValue, message).info("bad-element", element)
}

/// The datastore that `lock`, `unlock` and `validate` name in the way of RFC 8526 section 3.3, or in that of RFC 6241.
fn datastore_or(
    engine: &Engine,
    principal: &Principal,
    name: Option<Datastores>,
    chosen: [Option<()>; 3],
    element: &str,
) -> Result<Datastore, Error> {
    let Some(name) = name else { return datastore(engine, principal, chosen, element) };
    let named = Datastore::named(name).filter(|named| engine.has(*named));
    named.map(|named| engine.meant(principal, named)).ok_or_else(|| no_datastore("datastore"))
}

/// The datastore that is chosen: candidate, running or startup.
fn datastore(
    engine: &Engine,
    principal: &Principal,
    chosen: [Option<()>; 3],
    element: &str,
) -> Result<Datastore, Error> {
    match chosen {
        [Some(()), ..] => Ok(Datastore::Candidate(engine.candidate(principal))),
        [_, Some(()), _] => Ok(Datastore::Running),
        [.., Some(())] => Ok(Datastore::Startup),
        _ => {
            let message = format!("<{element}> names a datastore");
            Err(Error::protocol(Tag::MissingElement, message).info("bad-element", element))
        }
    }
}
