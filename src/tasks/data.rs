//! Data objects: what agents exchange beside their words, stored and read in parts.
//!
//! It holds small data in memory, knows of the rest by what checksum it is kept, and never fetches a URL.

use std::cmp::Ordering;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::contexts::{following, only_text, preceding};
use super::refusal::Refusal;
use crate::clock::Timestamp;
use crate::ids::hexadecimal;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_task::{
    AnswerInputData, AssignTaskInputData, DataObject, OpenNegotiationInputData, ReadInput, ReadOutput,
    ReportInputData, RespondInputData,
};
use crate::yang::generated::magent_types::DataType;
use crate::yang::model::Modelled;
use crate::yang::tree::{Container, Key, StateList};

/// Parts that together are shorter than this are held as one, so that a thousand tiny ones cost no thousand allocations.
const CHUNK: usize = 64 * 1024;

type Objects = OrdMap<Arc<str>, Arc<Held>>;

/// All data objects. Cheap to clone; clones share what they have in common.
#[derive(Debug, Clone, Default)]
pub struct DataObjects {
    pub(super) objects: Objects,
    /// Those of them that an agent owns.
    of_agents: Objects,
    /// Identifier and agent: who was given the object, beside its owner.
    pub(super) shared: OrdSet<(Arc<str>, Arc<str>)>,
    /// Octets held by owner; without an owner under the empty text, which is no name of an agent.
    pub(super) owned: OrdMap<Arc<str>, u64>,
    pub(super) octets: u64,
    /// Those of them that are in memory.
    pub(super) memory: u64,
    /// When objects are removed.
    expiring: OrdSet<(Timestamp, Arc<str>)>,
}

/// Where parts of data are kept, by the SHA-256 of each in hexadecimal digits.
pub trait Blobs: std::fmt::Debug + Send + Sync {
    /// Keeps a part, durably.
    ///
    /// # Errors
    /// It cannot be written.
    fn keep(&self, sha256: &str, octets: &[u8]) -> Result<(), Error>;

    /// So many octets of a part, from one place on.
    ///
    /// # Errors
    /// It is not there, or shorter.
    fn read(&self, sha256: &str, from: u64, octets: u64) -> std::io::Result<Vec<u8>>;
}

/// A part that is kept aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kept {
    /// SHA-256 of the part in hexadecimal digits.
    pub sha256: String,
    /// Octets of it.
    pub size: u64,
    /// Whether it is text.
    pub text: bool,
}

/// A piece of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    Here(Arc<[u8]>),
    Aside { sha256: Arc<str>, size: u64 },
}

impl Chunk {
    fn len(&self) -> u64 {
        match self {
            Chunk::Here(octets) => octets.len() as u64,
            Chunk::Aside { size, .. } => *size,
        }
    }
}

/// A data object and its octets.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) object: DataObject,
    pub(super) form: Form,
    /// Pieces by where they begin; they follow each other without a gap.
    pub(super) chunks: OrdMap<u64, Chunk>,
    pub(super) revision: u64,
}

/// What the data of an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text = 0,
    Binary = 1,
    Elsewhere = 2,
}

/// What is said of a data object (grouping `data-description`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Kind of the data.
    pub data_type: Option<DataType>,
    /// What the data is.
    pub description: Option<String>,
    /// Media type (RFC 6838).
    pub media_type: Option<String>,
}

/// The data, or a part of it, or the place where it is (grouping `data-source`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Text.
    Text(String),
    /// Octets; base64 in a log record.
    Binary(#[serde(with = "base64_text")] Vec<u8>),
    /// Where it can be fetched.
    Url(String),
    /// What it is kept under.
    Kept(Kept),
}

/// A part of a data object on its way in.
#[derive(Debug, Clone)]
pub struct Part {
    /// Identifier of the object.
    pub id: String,
    /// The agent that gives it.
    pub owner: String,
    /// What is said of it.
    pub about: Description,
    /// The data.
    pub source: Source,
    /// Where it begins, in octets.
    pub offset: u64,
    /// Whether another part follows.
    pub more: bool,
    /// What the SHA-256 of the whole is said to be.
    pub sha256: Option<String>,
    /// What it is, if this is the last part and some are kept aside.
    pub whole: Option<String>,
    /// For how many seconds the object is kept from now on.
    pub lifetime: Option<u32>,
}

/// A part was stored: a fact. It has all that is needed to store it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The object as it then is.
    #[serde(with = "crate::yang::stored")]
    pub object: DataObject,
    /// What was put at the end of it.
    pub part: Source,
}

/// A data object that is given with an operation (grouping `attachments`).
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Identifier of the object.
    pub id: String,
    /// What is said of it.
    pub about: Description,
    /// The data of a new object; without it the object has to exist.
    pub source: Option<Source>,
}

impl DataObjects {
    /// Decides on a part: of a new object, or the next one of an object that is not complete.
    ///
    /// # Errors
    /// `id-in-use`: the object is another agent's, or complete. `bad-offset`: the part is not the next one, or not
    /// of the kind of those before; as `too-big` if the object would be too long. `bad-checksum`. `too-many`: no room for another
    /// object or for more data of this owner.
    pub fn put(&self, now: Timestamp, part: Part, limits: &Limits) -> Result<Stored, Error> {
        let Part { id, owner, about, source, offset, more, sha256, whole, lifetime } = part;
        let present = self.objects.get(id.as_str());
        if let Some(held) = present
            && (held.object.owner.as_deref() != Some(owner.as_str()) || (held.object.complete && offset == 0))
        {
            let message = match held.object.owner.as_deref() == Some(owner.as_str()) {
                true => format!("The data object \"{id}\" is there already, and complete."),
                false => format!("There is another data object with the identifier \"{id}\"."),
            };
            return Err(Refusal::IdInUse.error(message));
        }
        let size = present.and_then(|held| held.object.size).unwrap_or(0);
        if offset != size {
            return Err(Refusal::BadOffset
                .error(format!("The data object \"{id}\" has {size} octets, so the next part begins at {size}, not at {offset}.")));
        }
        if present.is_some_and(|held| held.object.complete || held.form != source.form()) {
            return Err(Refusal::BadOffset.error(format!(
                "The data object \"{id}\" is complete or its data is of another kind; its parts are all text or all binary."
            )));
        }
        if more && source.form() == Form::Elsewhere {
            return Err(
                Refusal::BadOffset.error(format!("No part can follow the URL of the data object \"{id}\"."))
            );
        }
        let size = self.room(&id, &owner, present, &source, limits)?;
        let before = present.map(|held| &held.object);
        // What was said with an earlier part holds for the whole too.
        let said = sha256.or_else(|| before.and_then(|before| before.sha256.clone()));
        let whole = match (more, said) {
            (true, said) => said,
            (false, None) => whole,
            // Who fetches it compares.
            (false, Some(said)) if source.form() == Form::Elsewhere => Some(said),
            (false, Some(said)) => {
                let is = whole.or_else(|| held_here(present, &source)).unwrap_or_default();
                if is != said {
                    return Err(Refusal::BadChecksum.error(format!(
                        "With this part the data object \"{id}\" would have the SHA-256 {is}, not {said}; the part was not taken."
                    )));
                }
                Some(is)
            }
        };
        let until = lifetime.map(|seconds| now.saturating_add_seconds(i64::from(seconds)).to_string());
        let object = DataObject {
            data_type: about.data_type.or(before.and_then(|b| b.data_type)),
            description: about.description.or(before.and_then(|b| b.description.clone())),
            media_type: about.media_type.or(before.and_then(|b| b.media_type.clone())),
            url: source.url().map(str::to_owned),
            size: source.url().is_none().then_some(size),
            complete: !more,
            owner: Some(owner),
            created_at: before.map_or_else(|| now.to_string(), |b| b.created_at.clone()),
            sha256: whole,
            expires_at: until.or(before.and_then(|b| b.expires_at.clone())),
            id,
        };
        Ok(Stored { object, part: source })
    }

    /// The size of an object after so many octets more, if there is room for it.
    fn room(
        &self,
        id: &str,
        owner: &str,
        present: Option<&Arc<Held>>,
        source: &Source,
        limits: &Limits,
    ) -> Result<u64, Error> {
        let (more, is_new) = (source.size(), present.is_none());
        let (here, parts) = (source.octets().len() as u64, present.map_or(0, |held| held.chunks.len()));
        let size = present.map_or(0, |held| held.size()).saturating_add(more);
        if size > limits.data_object_bytes_max {
            let message = format!(
                "The data object \"{id}\" would be longer than {} octets.",
                limits.data_object_bytes_max
            );
            return Err(Error { tag: Tag::TooBig, ..Refusal::BadOffset.error(message) });
        }
        let owned = self.octets_of(owner);
        let (what, most) = if is_new && self.objects.len() >= limits.data_objects_max {
            ("data objects", limits.data_objects_max as u64)
        } else if owned.saturating_add(more) > limits.data_owner_bytes_max {
            ("octets of data of one agent", limits.data_owner_bytes_max)
        } else if self.octets.saturating_add(more) > limits.data_bytes_max {
            ("octets of data", limits.data_bytes_max)
        } else if self.memory.saturating_add(here) > limits.data_memory_bytes_max {
            ("octets of small data", limits.data_memory_bytes_max)
        } else if parts >= limits.data_parts_max {
            ("parts of one object", limits.data_parts_max as u64)
        } else {
            return Ok(size);
        };
        Err(Refusal::TooMany.error(format!(
            "There is no room for the data object \"{id}\": the server holds no more than {most} {what}."
        )))
    }

    /// Decides on the data objects that `agent` gives with an operation: the parts to store and all identifiers.
    ///
    /// # Errors
    /// Those of [`Self::put`]. `unknown-reference`: there is no such object, or the agent was never given it, which looks
    /// the same. `data-incomplete`: parts of it have not come.
    pub fn attach(
        &self,
        now: Timestamp,
        agent: &str,
        attachments: Vec<Attachment>,
        limits: &Limits,
    ) -> Result<(Vec<Stored>, Vec<String>), Error> {
        // The objects as they are after those that come first in the list.
        let mut with = self.clone();
        let mut stored = Vec::new();
        let mut ids = Vec::with_capacity(attachments.len());
        for Attachment { id, about, source } in attachments {
            ids.push(id.clone());
            match (source, with.objects.get(id.as_str())) {
                (Some(_), Some(_)) => {
                    let message = format!("There is another data object with the identifier \"{id}\".");
                    return Err(Refusal::IdInUse.error(message));
                }
                (Some(source), None) => {
                    let owner = agent.to_owned();
                    let (offset, more, sha256, whole, lifetime) = (0, false, None, None, None);
                    let part = Part { id, owner, about, source, offset, more, sha256, whole, lifetime };
                    let fact = with.put(now, part, limits)?;
                    with.apply(0, &fact);
                    stored.push(fact);
                }
                (None, Some(held)) if self.may_refer(held, agent) => {
                    if !held.object.complete {
                        return Err(Refusal::DataIncomplete.error(format!(
                            "Parts of the data object \"{id}\" are missing, so nothing can refer to it yet."
                        )));
                    }
                }
                (None, _) => return Err(unknown(&id)),
            }
        }
        Ok((stored, ids))
    }

    /// Whether what is given is an object of the agent already. One that is not there was, or was only referred to.
    pub fn is_same(&self, agent: &str, given: &Attachment) -> bool {
        let (Some(source), Some(held)) = (&given.source, self.objects.get(given.id.as_str())) else {
            return true;
        };
        let object = &held.object;
        let about = Description {
            data_type: object.data_type,
            description: object.description.clone(),
            media_type: object.media_type.clone(),
        };
        object.owner.as_deref() == Some(agent)
            && given.about == about
            && object.url.as_deref() == source.url()
            && held.form == source.form()
            && held.size() == source.size()
            && held_here(Some(held), &Source::Text(String::new())).or_else(|| object.sha256.clone())
                == held_here(None, source)
    }

    /// Gives a part of the data. Who may read it is for the caller to ask ([`Self::readers`]).
    ///
    /// Of an object that is not complete it gives what has come.
    ///
    /// # Errors
    /// `unknown-reference`: no such object. `data-elsewhere`: only its URL is known. `bad-offset`: beyond the end, or
    /// within a character, or the length has no room for one. `data-incomplete`: what begins there has not come yet.
    pub fn read(
        &self,
        id: &str,
        input: &ReadInput,
        blobs: Option<&dyn Blobs>,
        limits: &Limits,
    ) -> Result<ReadOutput, Error> {
        let held = self.objects.get(id).ok_or_else(|| unknown(id))?;
        if let Some(url) = &held.object.url {
            let message =
                format!("The server does not hold the data object \"{id}\"; it can be fetched from {url}");
            return Err(Refusal::DataElsewhere.error(message));
        }
        let size = held.size();
        let nothing_there = |refusal: Refusal| {
            refusal.error(format!(
                "The data object \"{id}\" has {size} octets; no part begins at {}.",
                input.offset
            ))
        };
        match input.offset.cmp(&size) {
            Ordering::Less => {}
            Ordering::Equal if held.object.complete => {}
            Ordering::Equal => return Err(nothing_there(Refusal::DataIncomplete)),
            Ordering::Greater => return Err(nothing_there(Refusal::BadOffset)),
        }
        let length = u64::from(input.length.unwrap_or(u32::MAX)).min(limits.data_read_bytes_max);
        let octets = held.slice(input.offset, input.offset.saturating_add(length).min(size), blobs)?;
        let mut output = ReadOutput { text: None, binary: None, next_offset: None };
        let given = if held.form == Form::Text {
            let text = whole_characters(octets).ok_or_else(|| {
                Refusal::BadOffset.error(format!(
                    "In the data object \"{id}\", the {length} octets from {} do not begin with a whole character.",
                    input.offset
                ))
            })?;
            output.text.insert(text).len()
        } else {
            output.binary.insert(octets).len()
        };
        let next = input.offset.saturating_add(given as u64);
        output.next_offset = (next < size || !held.object.complete).then_some(next);
        Ok(output)
    }

    /// The agents that may read the object: its owner, and those of each task and negotiation that refers to it. None if it
    /// is nobody's.
    pub fn readers(&self, id: &str) -> Vec<String> {
        let owner = self.objects.get(id).and_then(|held| held.object.owner.as_deref());
        let Some(owner) = owner else { return Vec::new() };
        let others = self.given(id).map(|(_, agent)| agent.as_ref()).filter(|agent| *agent != owner);
        std::iter::once(owner).chain(others).map(str::to_owned).collect()
    }

    /// How many octets the agent's objects have.
    pub fn octets_of(&self, agent: &str) -> u64 {
        self.owned.get(agent).copied().unwrap_or(0)
    }

    /// Whether an object is the agent's.
    pub fn has_owner(&self, agent: &str) -> bool {
        self.owned.contains_key(agent)
    }

    /// Whether the agent may refer to the object, by which the other agent can read it: if it can read it itself.
    fn may_refer(&self, held: &Held, agent: &str) -> bool {
        let object = &held.object;
        object.owner.as_deref().is_none_or(|owner| {
            owner == agent
                || self.shared.contains(&(Arc::<str>::from(object.id.as_str()), Arc::<str>::from(agent)))
        })
    }

    /// Stores a part.
    pub fn apply(&mut self, revision: u64, fact: &Stored) {
        let object = fact.object.clone();
        let mut chunks =
            self.objects.get(object.id.as_str()).map(|held| held.chunks.clone()).unwrap_or_default();
        append(&mut chunks, &fact.part);
        self.memory = self.memory.saturating_add(fact.part.octets().len() as u64);
        self.count(object.owner.as_deref(), fact.part.size(), 0);
        self.hold(Held { object, form: fact.part.form(), chunks, revision });
    }

    /// Holds data that is nobody's, in place of what it was before. An agent's object stays as it is.
    pub fn give(&mut self, revision: u64, at: Timestamp, data: Attachment) {
        let before = self.objects.get(data.id.as_str());
        if before.is_some_and(|held| held.object.owner.is_some()) {
            return;
        }
        let gone = before.map_or(0, |held| held.size());
        let complete = data.source.is_some();
        let source = data.source.unwrap_or(Source::Text(String::new()));
        let size = source.size();
        let object = DataObject {
            id: data.id,
            data_type: data.about.data_type,
            description: data.about.description,
            media_type: data.about.media_type,
            url: source.url().map(str::to_owned),
            size: source.url().is_none().then_some(size),
            complete,
            owner: None,
            created_at: before.map_or_else(|| at.to_string(), |held| held.object.created_at.clone()),
            sha256: None,
            expires_at: None,
        };
        let mut chunks = OrdMap::new();
        append(&mut chunks, &source);
        self.memory = self.memory.saturating_add(size).saturating_sub(gone);
        self.count(None, size, gone);
        self.hold(Held { object, form: source.form(), chunks, revision });
    }

    /// Forgets data that is nobody's, unless a task or negotiation refers to it.
    pub fn take_back(&mut self, id: &str) {
        let is_free = |held: &&Arc<Held>| held.object.owner.is_none() && !self.is_shared(id);
        let Some(held) = self.objects.get(id).filter(is_free) else { return };
        let gone = held.size();
        self.memory = self.memory.saturating_sub(gone);
        self.count(None, 0, gone);
        self.objects.remove(id);
    }

    /// Whether a task or negotiation refers to the object, or has.
    pub fn is_shared(&self, id: &str) -> bool {
        self.given(id).next().is_some()
    }

    /// Who was given the object, beside its identifier.
    fn given<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a (Arc<str>, Arc<str>)> {
        let first = (Arc::<str>::from(id), Arc::<str>::from(""));
        self.shared.range(first..).take_while(move |(shared, _)| shared.as_ref() == id)
    }

    /// Forgets an object of an agent.
    pub fn remove(&mut self, id: &str) {
        let Some(held) = self.objects.get(id).filter(|held| held.object.owner.is_some()).cloned() else {
            return;
        };
        self.memory = self.memory.saturating_sub(held.here());
        self.count(held.object.owner.as_deref(), 0, held.size());
        if let Some(until) = held.until() {
            self.expiring.remove(&(until, id.into()));
        }
        let given: Vec<_> = self.given(id).cloned().collect();
        given.iter().for_each(|given| drop(self.shared.remove(given)));
        self.of_agents.remove(id);
        self.objects.remove(id);
    }

    /// When the next object is to be removed.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.expiring.get_min().map(|(until, _)| *until)
    }

    /// Those whose time is over, the earliest first; no more than `at_most`.
    pub fn expired(&self, now: Timestamp, at_most: usize) -> impl Iterator<Item = &str> {
        self.expiring.range(..=(now, Arc::from("\u{10ffff}"))).take(at_most).map(|(_, id)| id.as_ref())
    }

    /// The SHA-256 of each part that is kept aside.
    pub fn aside(&self) -> impl Iterator<Item = &str> {
        self.objects.values().flat_map(|held| held.aside())
    }

    /// The same of one object.
    pub fn aside_of(&self, id: &str) -> impl Iterator<Item = &str> {
        self.objects.get(id).into_iter().flat_map(|held| held.aside())
    }

    /// SHA-256 of an object with further octets.
    ///
    /// # Errors
    /// A part cannot be read.
    pub fn digest(&self, id: &str, more: &[u8], blobs: &dyn Blobs) -> Result<String, Error> {
        let mut sha256 = Sha256::new();
        if let Some(held) = self.objects.get(id) {
            for start in held.chunks.keys() {
                let chunk = held.chunks.get(start).map_or(0, Chunk::len);
                sha256.update(held.slice(*start, start.saturating_add(chunk), Some(blobs))?);
            }
        }
        sha256.update(more);
        Ok(hexadecimal(&sha256.finalize()))
    }

    /// How many octets of the object there are in all.
    pub fn size_of(&self, id: &str) -> u64 {
        self.objects.get(id).map_or(0, |held| held.size())
    }

    /// The text of an object that is complete and has no more than so many octets, if that is in memory.
    pub fn text_of(&self, id: &str, most: u64) -> Option<String> {
        let held = self.objects.get(id)?;
        let is_shown = held.object.complete && held.form == Form::Text && held.size() <= most;
        let octets = is_shown.then(|| held.slice(0, held.size(), None).ok()).flatten()?;
        String::from_utf8(octets).ok()
    }

    /// The agent that owns the object.
    pub fn owner_of(&self, id: &str) -> Option<&str> {
        self.objects.get(id)?.object.owner.as_deref()
    }

    fn count(&mut self, owner: Option<&str>, more: u64, less: u64) {
        let owner = owner.unwrap_or_default();
        let owned = self.owned.get(owner).copied().unwrap_or(0);
        self.owned.insert(owner.into(), owned.saturating_add(more).saturating_sub(less));
        self.octets = self.octets.saturating_add(more).saturating_sub(less);
    }

    /// Holds an object in place of what had its identifier.
    pub(super) fn hold(&mut self, held: Held) {
        let (id, held) = (Arc::<str>::from(held.object.id.as_str()), Arc::new(held));
        let before = self.objects.get(&id).and_then(|before| before.until());
        before.iter().for_each(|until| drop(self.expiring.remove(&(*until, id.clone()))));
        held.until().iter().for_each(|until| drop(self.expiring.insert((*until, id.clone()))));
        match held.object.owner {
            Some(_) => self.of_agents.insert(id.clone(), held.clone()),
            None => self.of_agents.remove(&id),
        };
        self.objects.insert(id, held);
    }

    /// Remembers that these agents were given these objects, since a task or negotiation of theirs refers to them.
    pub fn share(&mut self, ids: &[String], agents: &[&str]) {
        for id in ids {
            let id: Arc<str> = id.as_str().into();
            self.shared.extend(agents.iter().map(|agent| (id.clone(), Arc::from(*agent))));
        }
    }

    /// The entries of the list `data-object`.
    pub fn entries(&self) -> Arc<dyn StateList> {
        Arc::new(Entries(self.objects.clone()))
    }

    /// Those of them that an agent owns.
    pub fn entries_of_agents(&self) -> Arc<dyn StateList> {
        Arc::new(Entries(self.of_agents.clone()))
    }
}

/// Data objects as they are read.
#[derive(Debug)]
struct Entries(Objects);

impl StateList for Entries {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        self.0.get(only_text(key)?).map(|held| held.entry())
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        following(&self.0, key).take(count).map(|(id, held)| (Key::string(id), held.entry())).collect()
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        preceding(&self.0, key).take(count).map(|(id, held)| (Key::string(id), held.entry())).collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Held {
    /// Octets held.
    fn size(&self) -> u64 {
        self.object.size.unwrap_or(0)
    }

    fn aside(&self) -> impl Iterator<Item = &str> {
        self.chunks.values().filter_map(|chunk| match chunk {
            Chunk::Aside { sha256, .. } => Some(sha256.as_ref()),
            Chunk::Here(_) => None,
        })
    }

    /// Octets in memory.
    pub(super) fn here(&self) -> u64 {
        let here = |chunk: &Chunk| matches!(chunk, Chunk::Here(_)).then(|| chunk.len());
        self.chunks.values().filter_map(here).sum()
    }

    /// When it is removed.
    fn until(&self) -> Option<Timestamp> {
        self.object.expires_at.as_deref().and_then(|until| until.parse().ok())
    }

    /// The octets from one place up to another.
    ///
    /// # Errors
    /// `operation-failed`: what is kept aside cannot be read.
    fn slice(&self, from: u64, to: u64, blobs: Option<&dyn Blobs>) -> Result<Vec<u8>, Error> {
        let first = self.chunks.get_prev(&from).map_or(from, |(start, _)| *start);
        let mut octets = Vec::new();
        for (start, chunk) in self.chunks.range(first..to) {
            let within = |place: u64| place.saturating_sub(*start).min(chunk.len());
            let (begin, end) = (within(from), within(to));
            match chunk {
                Chunk::Here(held) => {
                    let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
                    octets.extend_from_slice(held.get(place(begin)..place(end)).unwrap_or_default());
                }
                Chunk::Aside { sha256, .. } if begin < end => {
                    let read = blobs.map(|blobs| blobs.read(sha256, begin, end.saturating_sub(begin)));
                    match read {
                        Some(Ok(read)) => octets.extend_from_slice(&read),
                        Some(Err(error)) => {
                            tracing::error!(%error, sha256 = sha256.as_ref(), "a part of a data object cannot be read");
                            return Err(unreadable(&self.object.id));
                        }
                        None => return Err(unreadable(&self.object.id)),
                    }
                }
                Chunk::Aside { .. } => {}
            }
        }
        Ok(octets)
    }

    fn entry(&self) -> Arc<Container> {
        let mut entry = self.object.to_data();
        entry.revision = self.revision;
        Arc::new(entry)
    }
}

impl Source {
    fn form(&self) -> Form {
        match self {
            Source::Text(_) => Form::Text,
            Source::Binary(_) => Form::Binary,
            Source::Url(_) => Form::Elsewhere,
            Source::Kept(kept) if kept.text => Form::Text,
            Source::Kept(_) => Form::Binary,
        }
    }

    /// How many octets it has; none for a URL.
    fn size(&self) -> u64 {
        match self {
            Source::Kept(kept) => kept.size,
            other => other.octets().len() as u64,
        }
    }

    /// What is held here; nothing for a URL and what is kept aside.
    fn octets(&self) -> &[u8] {
        match self {
            Source::Text(text) => text.as_bytes(),
            Source::Binary(octets) => octets,
            Source::Url(_) | Source::Kept(_) => &[],
        }
    }

    fn url(&self) -> Option<&str> {
        match self {
            Source::Url(url) => Some(url),
            Source::Text(_) | Source::Binary(_) | Source::Kept(_) => None,
        }
    }

    /// The one that is there, of the leafs of the choice `source`.
    pub fn of(text: Option<String>, binary: Option<Vec<u8>>, url: Option<String>) -> Option<Source> {
        text.map(Source::Text).or(binary.map(Source::Binary)).or(url.map(Source::Url))
    }
}

/// Puts a part at the end, together with the last piece if both are small and here.
fn append(chunks: &mut OrdMap<u64, Chunk>, part: &Source) {
    let octets = part.octets();
    let last = chunks.get_max().cloned();
    let end = last.as_ref().map_or(0, |(start, last)| start.saturating_add(last.len()));
    match (part, last) {
        (Source::Kept(kept), _) if kept.size > 0 => {
            let aside = Chunk::Aside { sha256: kept.sha256.as_str().into(), size: kept.size };
            chunks.insert(end, aside);
        }
        _ if octets.is_empty() => {}
        (_, Some((start, Chunk::Here(last)))) if last.len() + octets.len() <= CHUNK => {
            chunks.insert(start, Chunk::Here([last.as_ref(), octets].concat().into()));
        }
        _ => {
            chunks.insert(end, Chunk::Here(octets.into()));
        }
    }
}

/// SHA-256 of an object with a further part, if all of it is in memory.
fn held_here(present: Option<&Arc<Held>>, part: &Source) -> Option<String> {
    let mut sha256 = Sha256::new();
    for chunk in present.into_iter().flat_map(|held| held.chunks.values()) {
        match chunk {
            Chunk::Here(octets) => sha256.update(octets),
            Chunk::Aside { .. } => return None,
        }
    }
    sha256.update(part.octets());
    Some(hexadecimal(&sha256.finalize())).filter(|_| !matches!(part, Source::Kept(_)))
}

fn unreadable(id: &str) -> Error {
    let message = format!("A part of the data object \"{id}\" cannot be read.");
    Error::application(Tag::OperationFailed, message)
}

/// The text, without a character at its end of which only a part is there. `None` if it begins within a character or
/// holds no whole one.
fn whole_characters(octets: Vec<u8>) -> Option<String> {
    String::from_utf8(octets).map_or_else(
        |error| {
            let whole = error.utf8_error();
            let cut = whole.error_len().is_none() && whole.valid_up_to() > 0;
            let mut octets = error.into_bytes();
            octets.truncate(whole.valid_up_to());
            String::from_utf8(octets).ok().filter(|_| cut)
        },
        Some,
    )
}

pub(super) fn unknown(id: &str) -> Error {
    Refusal::UnknownReference.error(format!("There is no data object with the identifier \"{id}\"."))
}

/// Octets as base64 text (RFC 7951 section 6.6).
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(octets))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Makes attachments of what codegen wrote for each operation that has them.
macro_rules! attachments {
    ($($of:ty),*) => {$(
        impl From<$of> for Attachment {
            fn from(data: $of) -> Self {
                let (data_type, description, media_type) = (data.data_type, data.description, data.media_type);
                Attachment {
                    id: data.id,
                    about: Description { data_type, description, media_type },
                    source: Source::of(data.text, data.binary, data.url),
                }
            }
        }
    )*};
}

attachments!(
    AnswerInputData,
    AssignTaskInputData,
    OpenNegotiationInputData,
    ReportInputData,
    RespondInputData
);
