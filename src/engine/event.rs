//! Events: the closed set of facts that the state is made of, and their form in the log.
//!
//! Kinds are numbers that never change their meaning. Payloads are JSON whose modelled parts
//! follow RFC 7951, so that a record can be read without this program.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::{confirm, sessions};
use crate::access::{Origin, Principal, principal};
use crate::clock::Timestamp;
use crate::datastore::edit::{Edit, Operation};
use crate::log::{NewRecord, Record};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::json;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Node;
use crate::yang::tree::{AnyData, Child, Container, Insert, Key};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;
use crate::{agents, negotiation, tasks};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The configuration was edited.
    Edited(Vec<Edit>),
    /// The configuration to start with was written.
    Startup(Startup),
    /// Something happened in the registry.
    Agents(agents::Event),
    /// Something happened to a task or a data object.
    Tasks(tasks::Event),
    /// Something happened in a negotiation.
    Negotiation(negotiation::Event),
    /// Something happened to a NETCONF session.
    Session(sessions::Event),
    /// Something happened to a confirmed commit.
    Commit(confirm::Event),
}

/// What was written to the startup datastore.
#[derive(Debug, Clone, PartialEq)]
pub enum Startup {
    /// The running configuration, as it was then.
    Saved,
    /// Something else.
    Edited(Vec<Edit>),
}

/// The origin of a record of what the server did because of what a user had begun.
const SERVER_ORIGIN: &str = "server";

/// Who brought an event about. In the log it is `USER`, or `USER#SESSION` if it was done in a NETCONF session; names of
/// users have no `#`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor<'a> {
    /// The user; empty for the server itself.
    pub user: &'a str,
    /// The NETCONF session.
    pub session: Option<u32>,
    /// How and from where the user came; `None` for the server itself and for what an old record does not say.
    pub origin: Option<Origin>,
    /// Whether the server did it, be it because of what the user had begun.
    pub by_server: bool,
}

impl<'a> Actor<'a> {
    /// The server itself.
    pub const SERVER: Actor<'static> = Actor { user: "", session: None, origin: None, by_server: true };

    /// The actor of a record.
    pub fn recorded(record: &'a Record) -> Self {
        Self::named(&record.actor, &record.origin)
    }

    /// The one whom a record names so.
    pub(super) fn named(actor: &'a str, origin: &str) -> Self {
        let (user, session) = principal::of_record(actor);
        let by_server = actor.is_empty() || origin == SERVER_ORIGIN;
        Actor { user, session, origin: origin.parse().ok(), by_server }
    }

    /// The server, which ends or takes back what a user has begun.
    pub fn server_for(user: &'a str, session: Option<u32>) -> Self {
        Actor { user, session, ..Actor::SERVER }
    }

    /// The user who brought it about; empty for the server.
    pub fn author(&self) -> &'a str {
        if self.by_server { "" } else { self.user }
    }
}

impl<'a> From<&'a Principal> for Actor<'a> {
    fn from(principal: &'a Principal) -> Self {
        Actor {
            user: &principal.name,
            session: principal.session,
            origin: principal.origin(),
            by_server: false,
        }
    }
}

impl fmt::Display for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&principal::recorded(self.user, self.session))
    }
}

/// Numbers of the kinds in the log. A number is never used again for anything else.
mod kind {
    pub const EDITED: u16 = 1;
    pub const AGENTS: u16 = 2;
    pub const TASKS: u16 = 3;
    pub const NEGOTIATION: u16 = 4;
    pub const STARTUP: u16 = 5;
    pub const SESSION: u16 = 6;
    pub const COMMIT: u16 = 7;
}

/// What the kinds of records are called where people read them.
pub const KINDS: [(u16, &str); 7] = [
    (kind::EDITED, "edited"),
    (kind::AGENTS, "agents"),
    (kind::TASKS, "tasks"),
    (kind::NEGOTIATION, "negotiation"),
    (kind::STARTUP, "startup"),
    (kind::SESSION, "session"),
    (kind::COMMIT, "commit"),
];

/// Version of the payloads.
const VERSION: u8 = 1;

/// Why a record of the log is not understood.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The kind or version was made by another version of the server.
    #[error("record {position} has kind {kind} version {version}, which this server does not know")]
    Unknown {
        /// Log position.
        position: u64,
        /// Its kind.
        kind: u16,
        /// Its version.
        version: u8,
    },
    /// The payload does not fit its kind.
    #[error("record {position} cannot be read by a server with these YANG modules: {reason}")]
    Payload {
        /// Log position.
        position: u64,
        /// What is wrong.
        reason: String,
        /// Which configuration it is about.
        path: Option<InstancePath>,
    },
    /// The event cannot be written.
    #[error("an event cannot be written: {0}")]
    Write(#[from] serde_json::Error),
}

impl Event {
    /// The agent of whose doings it is, and whose share of the server it can change.
    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Event::Agents(event) => event.agent(),
            Event::Tasks(event) => event.account(),
            Event::Negotiation(event) => event.agent(),
            Event::Edited(_) | Event::Startup(_) | Event::Session(_) | Event::Commit(_) => None,
        }
    }

    /// Whether the server did it, though it was recorded with what a user did.
    pub(super) fn is_of_server(&self) -> bool {
        // An opening by a policy is asked for.
        matches!(
            self,
            Event::Negotiation(
                negotiation::Event::Moved { account: Some(_), .. }
                    | negotiation::Event::Left { .. }
                    | negotiation::Event::Asked { .. }
            )
        )
    }

    /// The record of this event.
    ///
    /// # Errors
    /// [`EventError::Write`].
    pub fn to_record(&self, at: Timestamp, actor: Actor<'_>) -> Result<NewRecord, EventError> {
        let (kind, payload) = match self {
            Event::Edited(edits) => (kind::EDITED, stored(edits)?),
            Event::Startup(Startup::Saved) => (kind::STARTUP, b"null".to_vec()),
            Event::Startup(Startup::Edited(edits)) => (kind::STARTUP, stored(edits)?),
            Event::Agents(event) => (kind::AGENTS, serde_json::to_vec(event)?),
            Event::Tasks(event) => (kind::TASKS, event.to_json()?),
            Event::Negotiation(event) => (kind::NEGOTIATION, serde_json::to_vec(event)?),
            Event::Session(event) => (kind::SESSION, serde_json::to_vec(event)?),
            Event::Commit(event) => (kind::COMMIT, serde_json::to_vec(event)?),
        };
        let for_a_user = actor.by_server && !actor.user.is_empty();
        let origin = actor.origin.map(|origin| origin.to_string());
        let origin = origin.unwrap_or_else(|| if for_a_user { SERVER_ORIGIN } else { "" }.to_owned());
        Ok(NewRecord {
            at: at.as_micros(),
            kind,
            version: VERSION,
            actor: actor.to_string(),
            origin,
            payload,
        })
    }

    /// The event of a record.
    ///
    /// # Errors
    /// [`EventError::Unknown`] or [`EventError::Payload`].
    pub fn from_record(record: &Record) -> Result<Self, EventError> {
        Self::read(record.position, record.kind, record.version, &record.payload)
    }

    /// The edits of a record as they stand there, and whether they are those of the startup datastore; `None` if it has none.
    pub(super) fn stored_edits(kind: u16, version: u8, payload: &[u8]) -> Option<(bool, Vec<StoredEdit>)> {
        let is_startup = match (kind, version) {
            (kind::EDITED, VERSION) => false,
            (kind::STARTUP, VERSION) => true,
            _ => return None,
        };
        Some((is_startup, serde_json::from_slice(payload).ok()?))
    }

    /// The event that a start will find in a record that is to be written at this position.
    ///
    /// # Errors
    /// [`EventError::Payload`]: it must not be written.
    pub fn from_new_record(position: u64, record: &NewRecord) -> Result<Self, EventError> {
        Self::read(position, record.kind, record.version, &record.payload)
    }

    /// The event as a start will find it in its record. What has content without a schema is read from there, in all builds:
    /// only so it is known that it can be, and storing can change it. All else is the event itself; debug builds, and so all
    /// tests and the simulation, hold it to that.
    ///
    /// # Errors
    /// [`EventError::Payload`]: it must not be written.
    pub(super) fn read_back(self, position: u64, record: &NewRecord) -> Result<Self, EventError> {
        if self.has_any() {
            return Event::from_new_record(position, record);
        }
        debug_assert_eq!(
            Event::from_new_record(position, record).map_err(|e| e.to_string()).as_ref(),
            Ok(&self),
            "an event is not what its record says"
        );
        Ok(self)
    }

    /// Whether an anydata or anyxml is in it.
    pub(super) fn has_any(&self) -> bool {
        match self {
            Event::Edited(edits) | Event::Startup(Startup::Edited(edits)) => {
                edits.iter().any(|edit| edit.value.as_ref().is_some_and(has_any))
            }
            Event::Tasks(event) => event.has_any(),
            Event::Negotiation(event) => event
                .negotiation()
                .is_some_and(|after| after.round.iter().any(|round| round.structured_content.is_some())),
            Event::Startup(Startup::Saved) | Event::Agents(_) | Event::Session(_) | Event::Commit(_) => false,
        }
    }

    /// The event of a payload.
    ///
    /// # Errors
    /// As [`Event::from_record`].
    pub(super) fn read(position: u64, kind: u16, version: u8, bytes: &[u8]) -> Result<Self, EventError> {
        let json = |e: serde_json::Error| EventError::Payload { position, reason: e.to_string(), path: None };
        let payload = |e: Error| EventError::Payload { position, reason: e.message, path: e.path };
        match (kind, version) {
            (kind::EDITED, VERSION) => {
                let stored: Vec<StoredEdit> = serde_json::from_slice(bytes).map_err(json)?;
                Ok(Event::Edited(edits(stored).map_err(payload)?))
            }
            (kind::STARTUP, VERSION) => {
                // Without edits it is a copy of the running configuration.
                let stored: Option<Vec<StoredEdit>> = serde_json::from_slice(bytes).map_err(json)?;
                let edited = stored.map(edits).transpose().map_err(payload)?;
                Ok(Event::Startup(edited.map_or(Startup::Saved, Startup::Edited)))
            }
            (kind::AGENTS, VERSION) => serde_json::from_slice(bytes).map(Event::Agents).map_err(json),
            (kind::TASKS, VERSION) => serde_json::from_slice(bytes).map(Event::Tasks).map_err(json),
            (kind::NEGOTIATION, VERSION) => {
                serde_json::from_slice(bytes).map(Event::Negotiation).map_err(json)
            }
            (kind::SESSION, VERSION) => serde_json::from_slice(bytes).map(Event::Session).map_err(json),
            (kind::COMMIT, VERSION) => serde_json::from_slice(bytes).map(Event::Commit).map_err(json),
            (kind, version) => Err(EventError::Unknown { position, kind, version }),
        }
    }
}

fn has_any(child: &Child) -> bool {
    let in_container = |inside: &Container| inside.iter().any(|(_, child)| has_any(child));
    match child {
        Child::Any(_) => true,
        Child::Container(inside) => in_container(inside),
        Child::List(list) => list.iter().any(|entry| in_container(&entry)),
        Child::Leaf(_) | Child::LeafList(_) => false,
    }
}

/// The only member of what stands for XML that JSON could not hold, and of JSON that looks like it.
const KEPT_XML: &str = "agentconf-kept:xml";
const KEPT_JSON: &str = "agentconf-kept:json";

/// An anydata or anyxml as it is in a record, which is JSON: what came as XML stays what it is, to the octet.
fn kept_any(any: &AnyData) -> AnyData {
    let alone = |name: &str, value: Json| AnyData::Json(Arc::new(serde_json::json!({ name: value })));
    match any {
        AnyData::Xml(text) => alone(KEPT_XML, Json::String(text.to_string())),
        AnyData::Json(json)
            if only_member(json).is_some_and(|(name, _)| [KEPT_XML, KEPT_JSON].contains(&name)) =>
        {
            alone(KEPT_JSON, json.as_ref().clone())
        }
        AnyData::Json(_) => any.clone(),
    }
}

/// What [`kept_any`] has kept. Earlier records have it as JSON.
fn read_any(any: &AnyData) -> AnyData {
    match any {
        AnyData::Json(json) => match only_member(json) {
            Some((KEPT_XML, Json::String(text))) => AnyData::Xml(text.as_str().into()),
            Some((KEPT_JSON, json)) => AnyData::Json(Arc::new(json.clone())),
            _ => any.clone(),
        },
        AnyData::Xml(_) => any.clone(),
    }
}

fn only_member(json: &Json) -> Option<(&str, &Json)> {
    let mut members = json.as_object()?.iter();
    let (name, value) = members.next()?;
    members.next().is_none().then_some((name.as_str(), value))
}

/// Edits as [`StoredEdit`] reads them, written at once: a value is encoded once and not copied, and that it is JSON is
/// what all tests hold the encoder to ([`Event::read_back`]).
fn stored(edits: &[Edit]) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(1024);
    out.push(b'[');
    for (number, edit) in edits.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b"" } else { b"," });
        store(edit, &mut out)?;
    }
    out.push(b']');
    Ok(out)
}

fn store(edit: &Edit, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let op = match edit.operation {
        Operation::Create => StoredOperation::Create,
        Operation::Merge => StoredOperation::Merge,
        Operation::Replace => StoredOperation::Replace,
        Operation::Delete => StoredOperation::Delete,
        Operation::Remove => StoredOperation::Remove,
        Operation::Move => StoredOperation::Move,
        Operation::None => return Err(serde::ser::Error::custom("what changes nothing is no event")),
    };
    let texts = |key: &Key| key.values().iter().map(Value::canonical).collect::<Vec<_>>();
    let path = edit.path.steps.iter().map(|step| StoredStep {
        node: step.node.qualified_name(),
        key: if let Selector::Key(key) = &step.selector { texts(key) } else { Vec::new() },
        value: if let Selector::Value(value) = &step.selector { Some(value.canonical()) } else { None },
    });
    let insert = edit.insert.as_ref().map(|place| match place {
        Insert::First => StoredInsert::First,
        Insert::Last => StoredInsert::Last,
        Insert::Before(key) => StoredInsert::Before(texts(key)),
        Insert::After(key) => StoredInsert::After(texts(key)),
    });
    out.extend_from_slice(b"{\"op\":");
    serde_json::to_writer(&mut *out, &op)?;
    out.extend_from_slice(b",\"path\":");
    serde_json::to_writer(&mut *out, &path.collect::<Vec<_>>())?;
    if let Some(value) = &edit.value {
        out.extend_from_slice(b",\"value\":");
        let kept = has_any(value).then(|| value.with_any(&kept_any));
        match (edit.path.node(), kept.as_ref().unwrap_or(value)) {
            (Some(node), child) => json::encode_one(node, child, out, &EncodeOptions::default()),
            (None, Child::Container(root)) => {
                json::encode_children(root, None, out, &EncodeOptions::default())
            }
            (None, _) => return Err(serde::ser::Error::custom("the datastore itself is a container")),
        }
    }
    if let Some(insert) = insert {
        out.extend_from_slice(b",\"insert\":");
        serde_json::to_writer(&mut *out, &insert)?;
    }
    out.push(b'}');
    Ok(())
}

fn edits(stored: Vec<StoredEdit>) -> Result<Vec<Edit>, Error> {
    stored.into_iter().map(StoredEdit::into_edit).collect()
}

/// An [`Edit`] in the log, as it is read; [`store`] writes it.
#[derive(Deserialize, Clone)]
pub(super) struct StoredEdit {
    pub(super) op: StoredOperation,
    path: Vec<StoredStep>,
    pub(super) value: Option<Box<RawValue>>,
    insert: Option<StoredInsert>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum StoredOperation {
    Create,
    Merge,
    Replace,
    Delete,
    Remove,
    Move,
}

impl StoredOperation {
    /// Whether nothing is left of what was there.
    pub(super) fn is_removal(self) -> bool {
        matches!(self, StoredOperation::Delete | StoredOperation::Remove)
    }
}

/// A step with the canonical texts of what selects the instance.
#[derive(Serialize, Deserialize, Clone)]
struct StoredStep {
    node: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    key: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "lowercase")]
enum StoredInsert {
    First,
    Last,
    Before(Vec<String>),
    After(Vec<String>),
}

impl StoredEdit {
    /// The name of the node of each step, with its keys or its value.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&str, &[String], Option<&str>)> {
        self.path.iter().map(|step| (step.node.as_str(), step.key.as_slice(), step.value.as_deref()))
    }

    /// Where it is made, if that is known.
    pub(super) fn target(&self) -> Option<InstancePath> {
        path(self.path.iter().cloned()).ok()
    }

    /// The edit.
    ///
    /// # Errors
    /// It is not known where it is made, or what.
    pub(super) fn into_edit(self) -> Result<Edit, Error> {
        let unfit = |reason: String| Error::application(Tag::InvalidValue, reason);
        let operation = match self.op {
            StoredOperation::Create => Operation::Create,
            StoredOperation::Merge => Operation::Merge,
            StoredOperation::Replace => Operation::Replace,
            StoredOperation::Delete => Operation::Delete,
            StoredOperation::Remove => Operation::Remove,
            StoredOperation::Move => Operation::Move,
        };
        let path = path(self.path).map_err(unfit)?;
        let value = self.value.map(|raw| {
            let bytes = raw.get().as_bytes();
            match path.node() {
                Some(_) => json::decode_one(bytes, &path, &SCHEMA, &json::STORED),
                None => json::decode_children(bytes, None, &SCHEMA, &json::STORED)
                    .map(|root| Child::Container(Arc::new(root))),
            }
        });
        let list = path.node();
        let key = |texts: &[String]| {
            list.ok_or("no list".to_owned()).and_then(|list| stored_key(list, texts)).map_err(unfit)
        };
        let insert = match &self.insert {
            None => None,
            Some(StoredInsert::First) => Some(Insert::First),
            Some(StoredInsert::Last) => Some(Insert::Last),
            Some(StoredInsert::Before(texts)) => Some(Insert::Before(key(texts)?)),
            Some(StoredInsert::After(texts)) => Some(Insert::After(key(texts)?)),
        };
        // Of what is no JSON that can be read the place inside is not known.
        let here = || Some(path.clone()).filter(|path| !path.steps.is_empty());
        let value = value.transpose().map_err(|e| Error { path: e.path.clone().or_else(here), ..e })?;
        let value = value.map(|value| if has_any(&value) { value.with_any(&read_any) } else { value });
        Ok(Edit { operation, path, value, insert })
    }
}

fn path(stored: impl IntoIterator<Item = StoredStep>) -> Result<InstancePath, String> {
    let mut path = InstancePath::default();
    for step in stored {
        let step = step.into_step(path.node())?;
        path.steps.push(step);
    }
    Ok(path)
}

impl StoredStep {
    fn into_step(self, parent: Option<&'static Node>) -> Result<Step, String> {
        let unknown = || format!("there is no node {}", self.node);
        let (module, name) = self.node.split_once(':').ok_or_else(unknown)?;
        let module = SCHEMA.module(module).ok_or_else(unknown)?;
        let siblings = parent.map_or(module.data, |parent| parent.data);
        let node = siblings.iter().find(|n| n.name == name && n.module == module).ok_or_else(unknown)?;
        let selector = match (self.value, self.key.is_empty()) {
            (Some(text), _) => Selector::Value(stored_value(node, &text)?),
            (None, true) => Selector::None,
            (None, false) => Selector::Key(stored_key(node, &self.key)?),
        };
        Ok(Step { node, selector })
    }
}

fn stored_key(list: &'static Node, texts: &[String]) -> Result<Key, String> {
    if list.keys().is_empty() {
        // A leaf-list names the neighbour by its value.
        let [text] = texts else { return Err(format!("{} has one value", list.name)) };
        return Ok(Key::new(vec![stored_value(list, text)?]));
    }
    if texts.len() != list.keys().len() {
        return Err(format!("{} has {} keys", list.name, list.keys().len()));
    }
    let values: Result<Vec<Value>, String> =
        list.keys().iter().zip(texts).map(|(leaf, text)| stored_value(leaf, text)).collect();
    values.map(Key::new)
}

fn stored_value(leaf: &'static Node, text: &str) -> Result<Value, String> {
    let ty = leaf.ty().ok_or_else(|| format!("{} has no value", leaf.name))?;
    types::parse(ty, text, &ModuleNames(&SCHEMA), leaf.module).map_err(|e| e.message)
}
