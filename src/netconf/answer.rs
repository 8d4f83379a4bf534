//! What is done about a request, and the reply to it.
//!
//! It decides nothing: the engine does. What a session follows beside its requests is not here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};

use super::error;
use super::request::{EditData, Get, OnError, Request};
use crate::engine::{
    DynamicSubscription, EditRequest, Engine, Found, From, Locking, Management, Reported, Session,
    Subscription,
};
use crate::yang::encode::{Drain, EncodeOptions};
use crate::yang::error::{ERRORS_MAX, Error, Tag};
use crate::yang::generated::ietf_netconf_partial_lock::PartialLockOutput;
use crate::yang::generated::ietf_subscribed_notifications::nodes::{
    ESTABLISH_SUBSCRIPTION, ESTABLISH_SUBSCRIPTION_OUTPUT_ID,
};
use crate::yang::model::Modelled;
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;
use crate::yang::xml;

/// Nodes of a reply that is written at once. A larger one is written while it is sent.
const AT_ONCE_MAX: usize = 2000;

/// Pieces of a message.
pub type Pieces = Pin<Box<dyn Stream<Item = io::Result<Vec<u8>>> + Send>>;

/// What stands in a reply.
pub enum Reply {
    /// All of it.
    Whole(Vec<u8>),
    /// Much.
    Pieces(Pieces),
}

/// What else follows from a request.
#[derive(Default)]
pub enum Next {
    /// Nothing.
    #[default]
    GoOn,
    /// The session follows the stream of events.
    Events {
        /// The events.
        events: Box<Subscription>,
        /// The last position of a replay.
        replay: Option<u64>,
    },
    /// The session follows a dynamic subscription.
    Subscription(Box<DynamicSubscription>),
    /// The session ends.
    Close,
}

/// Does what is asked for.
pub async fn answer(
    engine: &Engine,
    session: &Session,
    request: Request,
) -> (Result<Reply, Vec<Error>>, Next) {
    let one = |result: Result<Reply, Error>| (result.map_err(|error| vec![error]), Next::GoOn);
    match request {
        Request::Get(get) => one(read(engine, session, *get).await),
        Request::Edit(edit) => (edit_data(engine, session, edit).await, Next::GoOn),
        Request::Put { to, content } => {
            let management = Management::Put { content: Arc::new(content), to };
            one(engine.manage(session.principal(), management).await.map(|_| ok()))
        }
        Request::Validate(content) => {
            one(engine.validate_content(session.principal(), content).await.map(|()| ok()))
        }
        Request::Lock(locking) => one(lock(engine, session, locking).await),
        Request::Kill(other) => one(engine.kill_session(session.principal(), other).await.map(|()| ok())),
        Request::Close => (Ok(ok()), Next::Close),
        Request::Subscribe { filter, from, until } => {
            let replay = (from != From::Now).then(|| engine.snapshot().position);
            match engine.subscribe(session.principal(), filter, from, until) {
                Ok(events) => (Ok(ok()), Next::Events { events: Box::new(events), replay }),
                Err(error) => (Err(vec![error]), Next::GoOn),
            }
        }
        Request::Invoke(invocation) => {
            let operation = invocation.operation;
            let result = engine.invoke(session.principal(), invocation).await;
            match result.and_then(|output| followed(engine, session, operation, output)) {
                Ok((reply, next)) => (Ok(reply), next),
                Err(error) => (Err(vec![error]), Next::GoOn),
            }
        }
    }
}

/// An edit whose outcome is waited for beside the next requests.
pub type Ahead = Pin<Box<dyn Future<Output = Result<Reply, Vec<Error>>> + Send>>;

/// Whether an edit is tried once, whatever becomes of it.
pub fn is_tried_once(edit: &EditData) -> bool {
    edit.edits.len() == 1 || edit.on_error == OnError::Rollback && !edit.edits.is_empty()
}

/// Has an edit done that is tried once, so that its effect is before that of whatever is asked for after this.
pub fn edit_ahead(engine: &Engine, session: &Session, edit: EditData) -> Ahead {
    let EditData { datastore, edits, test, .. } = edit;
    let request = EditRequest { datastore, test, edits, preconditions: Vec::new() };
    let edited = engine.edit(session.principal(), request);
    Box::pin(async { edited.await.map(|_| ok()).map_err(|refused| vec![refused.error]) })
}

/// The errors in a reply.
pub fn errors(errors: &[Error]) -> String {
    errors.iter().flat_map(Error::all).map(error::element).collect()
}

/// The output of an operation, and the subscription that it made, whose notifications come on this session (RFC 8640
/// section 5).
fn followed(
    engine: &Engine,
    session: &Session,
    operation: &'static Node,
    output: Container,
) -> Result<(Reply, Next), Error> {
    let next = match output.leaf(&ESTABLISH_SUBSCRIPTION_OUTPUT_ID) {
        Some(Value::Uint32(id)) if operation == &ESTABLISH_SUBSCRIPTION => {
            Next::Subscription(Box::new(engine.open_subscription(session.principal(), &id.to_string())?))
        }
        _ => Next::GoOn,
    };
    Ok((output_of(output), next))
}

fn ok() -> Reply {
    Reply::Whole(b"<ok/>".to_vec())
}

/// The output of an operation; `<ok/>` if there is none (RFC 7950 section 7.14.4).
fn output_of(result: Container) -> Reply {
    if result.is_empty() {
        return ok();
    }
    let mut text = Vec::new();
    for (node, child) in result.iter() {
        // The reply is in another namespace than any output.
        xml::encode_one(node, child, &mut text, &EncodeOptions::default());
    }
    Reply::Whole(text)
}

async fn read(engine: &Engine, session: &Session, get: Get) -> Result<Reply, Error> {
    if !engine.has(get.datastore) {
        let message = "the server does not have this datastore";
        return Err(Error::protocol(Tag::OperationNotSupported, message));
    }
    let selected = engine
        .select(session.principal(), get.datastore, get.content, get.telling, get.filter.as_ref())
        .await?;
    let Reported { found: Found { child, .. }, metadata } = selected;
    let Child::Container(root) = child else { return Err(Error::protocol(Tag::OperationFailed, "no data")) };
    let Some(data) = get.output.data.first() else { return Ok(ok()) };
    let (start, end) = (format!("<data xmlns=\"{}\">", data.module.namespace), "</data>");
    // The root counts as a level of its own.
    let depth = get.depth.map(|depth| depth.saturating_add(1));
    let is_large = Child::Container(root.clone()).is_larger_than(AT_ONCE_MAX);
    let write = move |drain: Option<&dyn Drain>| {
        let mut text = start.into_bytes();
        let metadata = metadata.as_deref();
        let options = EncodeOptions { depth, metadata, drain, ..EncodeOptions::default() };
        xml::encode_children(&root, None, &mut text, &options);
        text.extend_from_slice(end.as_bytes());
        text
    };
    match is_large {
        false => Ok(Reply::Whole(write(None))),
        true => {
            let pieces = engine.produce(session.principal(), move |output| write(Some(output)))?;
            Ok(Reply::Pieces(pieces.boxed()))
        }
    }
}

/// The edits with what `error-option` says of those that fail.
async fn edit_data(engine: &Engine, session: &Session, edit: EditData) -> Result<Reply, Vec<Error>> {
    let EditData { datastore, mut edits, test, on_error } = edit;
    let mut errors = Vec::new();
    while !edits.is_empty() {
        let request = EditRequest { datastore, test, edits: edits.clone(), preconditions: Vec::new() };
        let Err(refused) = engine.edit(session.principal(), request).await else { break };
        errors.push(refused.error);
        if errors.len() >= ERRORS_MAX {
            // All that are left are tried again for each that fails.
            break;
        }
        match (on_error, refused.edit) {
            (OnError::Stop, Some(at)) => edits.truncate(at),
            (OnError::Continue, Some(at)) if at < edits.len() => drop(edits.remove(at)),
            // What is wrong with all of them together is no single edit's fault.
            _ => break,
        }
    }
    if errors.is_empty() { Ok(ok()) } else { Err(errors) }
}

async fn lock(engine: &Engine, session: &Session, locking: Locking) -> Result<Reply, Error> {
    let Some(locked) = engine.lock(session.principal(), locking).await? else { return Ok(ok()) };
    let output = PartialLockOutput { lock_id: Some(locked.id), locked_node: locked.nodes };
    Ok(output_of(output.to_data()))
}
