//! What a request asks for: its operation and parameters, checked against the schema.
//!
//! It does nothing itself, and keeps nothing of the message.

use super::NAMESPACE;
use super::edit::{self, Default};
use super::message::Rpc;
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::datastore::defaults::{Mode, SetToDefault};
use crate::datastore::edit::Edit;
use crate::engine::{
    Candidate, Content, Datastore, Engine, Filter, From, Invocation, Lockable, Locking, Telling, Test,
};
use crate::yang::decode::DecodeOptions;
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::generated::ietf_netconf::{
    EditConfigInput, EditConfigInputDefaultOperation as DefaultOperation,
    EditConfigInputErrorOption as ErrorOption, EditConfigInputTestOption as TestOption, GetConfigInput,
    GetInput, KillSessionInput, LockInput, UnlockInput, nodes as netconf,
};
use crate::yang::generated::ietf_netconf_nmda::{
    EditDataInput, EditDataInputDefaultOperation, GetDataInput, nodes as nmda,
};
use crate::yang::generated::ietf_netconf_partial_lock::{
    PartialLockInput, PartialUnlockInput, nodes as partial,
};
use crate::yang::generated::ietf_netconf_with_defaults::WithDefaultsMode;
use crate::yang::generated::notifications::{CreateSubscriptionInput, nodes as notifications};
use crate::yang::generated::{SCHEMA, ietf_netconf};
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{AnyData, Child, Container};
use crate::yang::value::Value;
use crate::yang::xml::parse::Element;
use crate::yang::xml::{self, with_module_names};

/// The namespace of `<action>` (RFC 7950 section 7.15.2).
const YANG: &str = "urn:ietf:params:xml:ns:yang:1";

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// To read data.
    Get(Box<Get>),
    /// To edit a datastore.
    Edit(EditData),
    /// To make a datastore what is given in the message.
    Put {
        /// The datastore.
        to: Datastore,
        /// Its new content.
        content: Container,
    },
    /// To check what is given in the message.
    Validate(Container),
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

/// What is to be read.
#[derive(Debug)]
pub struct Get {
    /// Of which datastore.
    pub datastore: Datastore,
    /// Configuration, state or both.
    pub content: Content,
    /// What of it.
    pub filter: Option<Filter>,
    /// What is told beside it.
    pub telling: Telling,
    /// How many levels; `None` for all.
    pub depth: Option<u16>,
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
    /// Whether they are tested.
    pub test: Test,
    /// What becomes of the others if one fails.
    pub on_error: OnError,
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

/// Reads what a message asks for.
///
/// # Errors
/// There is no such operation, the principal may not invoke it, or its parameters are wrong.
pub fn read(engine: &Engine, principal: &Principal, rpc: Element<'_>) -> Result<Request, Error> {
    let limits = engine.limits();
    let options = DecodeOptions { depth_max: limits.depth_max, ..DecodeOptions::default() };
    if rpc.name == "action" && rpc.namespace.as_ref() == YANG {
        return action(rpc, &options).map(Request::Invoke);
    }
    let operation = operation(&rpc)?;
    if operation != &netconf::CLOSE_SESSION {
        // RFC 8341 section 3.2.3: whoever has a session may close it.
        engine.admit(principal, operation)?;
    }
    let mut rpc = rpc;
    // What is not YANG data in the input of an operation that is older than YANG.
    let inline = [&netconf::EDIT_CONFIG, &nmda::EDIT_DATA].contains(&operation);
    let config = if inline { take(&mut rpc, "config")? } else { None };
    let filtered = [&netconf::GET, &netconf::GET_CONFIG].contains(&operation);
    let filter = if filtered { take(&mut rpc, "filter")? } else { None };
    let events =
        if operation == &notifications::CREATE_SUBSCRIPTION { take(&mut rpc, "filter")? } else { None };
    let mut source = None;
    if [&netconf::COPY_CONFIG, &netconf::VALIDATE].contains(&operation) {
        let found = rpc.children.iter_mut().find(|child| child.name == "source" && is_base(child));
        if let Some(found) = found {
            source = take(found, "config")?;
            if let (Some(_), Some(second)) = (&source, found.children.first()) {
                let message = "<source> is either <config> or another datastore";
                return Err(Error::protocol(Tag::BadElement, message).info("bad-element", second.name));
            }
        }
    }
    if operation == &partial::PARTIAL_LOCK {
        // It is a string for YANG, but its prefixes are those of the message (RFC 5717 section 2.4.1).
        for select in rpc.children.iter_mut().filter(|child| child.name == "select") {
            select.text = with_module_names(&select.text, &select.scope, &SCHEMA).into();
        }
    }
    let input = input(rpc, operation, &options)?;
    let filter = filter.map(|filter| data_filter(engine, &filter)).transpose()?;
    let explicit_test = input.get(&netconf::EDIT_CONFIG_INPUT_TEST_OPTION).is_some();
    if operation == &netconf::GET {
        let GetInput { with_defaults, .. } = given(&input)?;
        let telling = Telling { defaults: with_defaults.map(mode), origin: false, txids: None };
        return Ok(Request::Get(Box::new(Get {
            datastore: Datastore::Unified,
            content: Content::All,
            filter,
            telling,
            depth: None,
            output: &netconf::GET_OUTPUT,
        })));
    }
    if operation == &netconf::GET_CONFIG {
        let GetConfigInput { source, with_defaults, .. } = given(&input)?;
        let datastore = datastore([source.candidate, source.running, source.startup], "source")?;
        let telling = Telling { defaults: with_defaults.map(mode), origin: false, txids: None };
        return Ok(Request::Get(Box::new(Get {
            datastore,
            content: Content::Config,
            filter,
            telling,
            depth: None,
            output: &netconf::GET_CONFIG_OUTPUT,
        })));
    }
    if operation == &nmda::GET_DATA {
        return get_data(engine, &given(&input)?).map(|get| Request::Get(Box::new(get)));
    }
    if operation == &netconf::EDIT_CONFIG {
        let EditConfigInput { target, default_operation, test_option, error_option, .. } = given(&input)?;
        let datastore = datastore([target.candidate, target.running, None], "target")?;
        let default = match default_operation {
            DefaultOperation::Merge => Default::Merge,
            DefaultOperation::Replace => Default::Replace,
            DefaultOperation::None => Default::None,
        };
        let test = match test_option {
            TestOption::TestOnly => Test::Only,
            TestOption::TestThenSet if explicit_test => Test::First,
            TestOption::TestThenSet | TestOption::Set => Test::AtCommit,
        };
        let on_error = match error_option {
            ErrorOption::StopOnError => OnError::Stop,
            ErrorOption::ContinueOnError => OnError::Continue,
            ErrorOption::RollbackOnError => OnError::Rollback,
        };
        let edits = edit::edits(config.ok_or_else(|| missing("config", operation))?, default, &options)?;
        return Ok(Request::Edit(EditData { datastore, edits, test, on_error }));
    }
    if operation == &nmda::EDIT_DATA {
        let EditDataInput { datastore, default_operation, .. } = given(&input)?;
        let default = match default_operation {
            EditDataInputDefaultOperation::Merge => Default::Merge,
            EditDataInputDefaultOperation::Replace => Default::Replace,
            EditDataInputDefaultOperation::None => Default::None,
        };
        let datastore = Datastore::named(datastore).ok_or_else(|| no_datastore("datastore"))?;
        let edits = edit::edits(config.ok_or_else(|| missing("config", operation))?, default, &options)?;
        // RFC 8526 section 3.2: it is all or nothing.
        let (test, on_error) = (Test::AtCommit, OnError::Rollback);
        return Ok(Request::Edit(EditData { datastore, edits, test, on_error }));
    }
    if let Some(config) = source {
        no_operations(&config)?;
        // RFC 6243 section 4.5.1: what is tagged as a default is not set.
        let tagged = SetToDefault::new(&SCHEMA);
        let options = DecodeOptions { metadata: Some(&tagged), ..options };
        let content = xml::decode_inside(config, &SCHEMA, &options)?;
        if operation == &netconf::VALIDATE {
            return Ok(Request::Validate(content));
        }
        let target = input.container(&netconf::COPY_CONFIG_INPUT_TARGET).cloned().unwrap_or_default();
        let target = ietf_netconf::CopyConfigInputTarget::from_data(&target).map_err(unreadable)?;
        let to = datastore([target.candidate, target.running, target.startup], "target")?;
        return Ok(Request::Put { to, content });
    }
    if operation == &netconf::LOCK {
        let LockInput { target } = given(&input)?;
        let chosen = lockable([target.candidate, target.running, target.startup])?;
        return Ok(Request::Lock(Locking::Lock(chosen)));
    }
    if operation == &netconf::UNLOCK {
        let UnlockInput { target } = given(&input)?;
        let chosen = lockable([target.candidate, target.running, target.startup])?;
        return Ok(Request::Lock(Locking::Unlock(chosen)));
    }
    if operation == &partial::PARTIAL_LOCK {
        let PartialLockInput { select } = given(&input)?;
        return Ok(Request::Lock(Locking::LockPart(select)));
    }
    if operation == &partial::PARTIAL_UNLOCK {
        let PartialUnlockInput { lock_id } = given(&input)?;
        return Ok(Request::Lock(Locking::UnlockPart(lock_id.ok_or_else(|| missing("lock-id", operation))?)));
    }
    if operation == &netconf::KILL_SESSION {
        let KillSessionInput { session_id } = given(&input)?;
        return Ok(Request::Kill(session_id));
    }
    if operation == &netconf::CLOSE_SESSION {
        return Ok(Request::Close);
    }
    if operation == &notifications::CREATE_SUBSCRIPTION {
        let filter = events.map(|filter| event_filter(engine, &filter)).transpose()?;
        return subscribe(engine, &given(&input)?, filter);
    }
    Ok(Request::Invoke(Invocation { operation, target: None, input }))
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

/// The input of an operation.
fn input(
    rpc: Element<'_>,
    operation: &'static Node,
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    let path = InstancePath { steps: vec![Step::plain(operation)] };
    input_at(rpc, &path, operation, options)
}

fn input_at(
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
            let input = input_at(element, &path.child(Step::plain(operation)), operation, options)?;
            return Ok(Invocation { operation, target: Some(path), input });
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

/// Refuses operations in what is a whole configuration: they are those of an edit.
fn no_operations(config: &Element<'_>) -> Result<(), Error> {
    let of_protocol = config.attributes.iter().find(|attribute| attribute.namespace.as_ref() == NAMESPACE);
    match of_protocol {
        Some(attribute) => {
            let message = format!("\"{}\" is said in an edit", attribute.full_name);
            let error = Error::protocol(Tag::UnknownAttribute, message);
            Err(error.info("bad-attribute", attribute.full_name).info("bad-element", config.name))
        }
        None => config.children.iter().try_for_each(no_operations),
    }
}

fn given<T: Modelled>(input: &Container) -> Result<T, Error> {
    T::from_data(input).map_err(unreadable)
}

fn unreadable(e: crate::yang::model::ModelError) -> Error {
    Error::protocol(Tag::MissingElement, e.to_string()).info("bad-element", e.node.name)
}

fn missing(name: &str, operation: &Node) -> Error {
    let message = format!("<{}> needs <{name}>", operation.name);
    Error::protocol(Tag::MissingElement, message).info("bad-element", name)
}

fn no_datastore(element: &str) -> Error {
    let message = format!("<{element}> names no datastore that the server has for this");
    Error::protocol(Tag::InvalidValue, message).info("bad-element", element)
}

/// The datastore that is chosen: candidate, running or startup.
fn datastore(chosen: [Option<()>; 3], element: &str) -> Result<Datastore, Error> {
    match chosen {
        [Some(()), ..] => Ok(Datastore::Candidate(Candidate::Shared)),
        [_, Some(()), _] => Ok(Datastore::Running),
        [.., Some(())] => Ok(Datastore::Startup),
        _ => {
            let message = format!("<{element}> names a datastore");
            Err(Error::protocol(Tag::MissingElement, message).info("bad-element", element))
        }
    }
}

fn lockable(chosen: [Option<()>; 3]) -> Result<Lockable, Error> {
    match datastore(chosen, "target")? {
        Datastore::Candidate(_) => Ok(Lockable::Candidate),
        Datastore::Startup => Ok(Lockable::Startup),
        _ => Ok(Lockable::Running),
    }
}

fn mode(mode: WithDefaultsMode) -> Mode {
    match mode {
        WithDefaultsMode::ReportAll => Mode::ReportAll,
        WithDefaultsMode::ReportAllTagged => Mode::ReportAllTagged,
        WithDefaultsMode::Trim => Mode::Trim,
        WithDefaultsMode::Explicit => Mode::Explicit,
    }
}

/// The `<filter>` of data (RFC 6241 sections 6 and 8.9).
fn data_filter(engine: &Engine, filter: &Element<'_>) -> Result<Filter, Error> {
    match expression(filter)? {
        Some(select) => xpath(engine, filter, select)?.of_nodes(),
        None => Filter::subtree_of_data(&AnyData::Xml(filter.content().into()), engine.limits()),
    }
}

/// The `<filter>` of events (RFC 5277 section 3.6).
fn event_filter(engine: &Engine, filter: &Element<'_>) -> Result<Filter, Error> {
    match expression(filter)? {
        Some(select) => xpath(engine, filter, select),
        None => Filter::subtree_of_events(&AnyData::Xml(filter.content().into()), engine.limits()),
    }
}

/// An expression with the prefixes that are in scope of the `<filter>` (RFC 6241 section 8.9.1).
fn xpath(engine: &Engine, filter: &Element<'_>, select: &str) -> Result<Filter, Error> {
    Filter::xpath_in_xml(select, &|prefix| filter.scope.namespace(prefix), engine.limits())
}

/// The expression of a filter of the type `xpath`; `None` for a subtree filter.
fn expression<'f>(filter: &'f Element<'_>) -> Result<Option<&'f str>, Error> {
    let is_ours = |namespace: &str| namespace.is_empty() || namespace == NAMESPACE;
    let attribute = |name: &str| {
        filter.attributes.iter().find(|a| a.name == name && is_ours(&a.namespace)).map(|a| a.value.as_str())
    };
    match (attribute("type").map(str::trim), attribute("select")) {
        (None | Some("subtree"), _) => Ok(None),
        (Some("xpath"), Some(select)) => Ok(Some(select)),
        (Some("xpath"), None) => {
            let message = "a filter of the type \"xpath\" has the attribute \"select\"";
            let error = Error::protocol(Tag::MissingAttribute, message).info("bad-attribute", "select");
            Err(error.info("bad-element", "filter"))
        }
        (Some(other), _) => {
            let message = format!("\"{other}\" is not a type of filters: subtree, xpath");
            let error = Error::protocol(Tag::BadAttribute, message).info("bad-attribute", "type");
            Err(error.info("bad-element", "filter"))
        }
    }
}

/// RFC 8526 section 3.1.
fn get_data(engine: &Engine, input: &GetDataInput) -> Result<Get, Error> {
    let datastore = Datastore::named(input.datastore).ok_or_else(|| no_datastore("datastore"))?;
    let content = match input.config_filter {
        None => Content::All,
        Some(true) => Content::Config,
        Some(false) => Content::NonConfig,
    };
    if !input.origin_filter.is_empty() || !input.negated_origin_filter.is_empty() {
        let message = "data is not filtered by its origin here";
        return Err(Error::protocol(Tag::OperationNotSupported, message).info("bad-element", "origin-filter"));
    }
    let origin = input.with_origin.is_some();
    if origin && datastore != Datastore::Operational {
        let message = "origins are told of the operational state datastore alone";
        return Err(Error::protocol(Tag::InvalidValue, message).info("bad-element", "with-origin"));
    }
    let filter = match (&input.subtree_filter, &input.xpath_filter) {
        (Some(filter), _) => Some(Filter::subtree_of_data(filter, engine.limits())?),
        (None, Some(expression)) => Some(Filter::xpath(expression, engine.limits())?.of_nodes()?),
        (None, None) => None,
    };
    let depth = match input.max_depth {
        Value::Uint32(depth) => Some(u16::try_from(depth).unwrap_or(u16::MAX)),
        _ => None,
    };
    let telling = Telling { defaults: input.with_defaults.map(mode), origin, txids: None };
    Ok(Get { datastore, content, filter, telling, depth, output: &nmda::GET_DATA_OUTPUT })
}

/// RFC 5277 section 2.1.1.
fn subscribe(
    engine: &Engine,
    input: &CreateSubscriptionInput,
    filter: Option<Filter>,
) -> Result<Request, Error> {
    if input.stream != crate::engine::STREAM {
        let message = format!("there is no stream \"{}\"", input.stream);
        return Err(Error::application(Tag::InvalidValue, message).info("bad-element", "stream"));
    }
    let time = |text: &Option<String>, name: &str| {
        let parsed = text.as_deref().map(str::parse::<Timestamp>).transpose();
        parsed.map_err(|e| {
            Error::protocol(Tag::InvalidValue, format!("<{name}>: {e}")).info("bad-element", name)
        })
    };
    let (start, until) = (time(&input.start_time, "startTime")?, time(&input.stop_time, "stopTime")?);
    let now = engine.clock().now();
    let wrong = |tag, message: &str, name: &str| Err(Error::protocol(tag, message).info("bad-element", name));
    match (start, until) {
        (Some(start), _) if start > now => {
            return wrong(Tag::BadElement, "<startTime> is in the future", "startTime");
        }
        (None, Some(_)) => return wrong(Tag::MissingElement, "<stopTime> needs <startTime>", "startTime"),
        (Some(start), Some(until)) if until < start => {
            return wrong(Tag::BadElement, "<stopTime> is before <startTime>", "stopTime");
        }
        _ => {}
    }
    Ok(Request::Subscribe { filter, from: start.map_or(From::Now, From::Time), until })
}

/// Reads a message as a whole.
///
/// # Errors
/// As [`read`].
pub fn of(engine: &Engine, principal: &Principal, rpc: Rpc<'_>) -> (String, Result<Request, Error>) {
    (rpc.reply, read(engine, principal, rpc.operation))
}
