//! Contexts: what agents have said to each other about one matter, as numbered messages.
//!
//! A message that is recorded is never changed, and none is ever dropped.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};

use super::prompt;
use super::refusal::Refusal;
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{
    Context, Message, MessageSection, QueryMessagesOutputMessage, nodes,
};
use crate::yang::model::{self, Modelled};
use crate::yang::packed::Packed;
use crate::yang::recast::recast_data;
use crate::yang::tree::{Child, Container, Key, List, StateList};
use crate::yang::value::Value;

/// All contexts. Cheap to clone; clones share what they have in common.
#[derive(Debug, Clone, Default)]
pub struct Contexts {
    pub(super) contexts: OrdMap<Arc<str>, Recorded>,
    /// How many each agent has begun.
    pub(super) begun: OrdMap<Arc<str>, usize>,
}

/// One context, without its key.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) parties: OrdSet<Arc<str>>,
    /// The message with number n is at n - 1.
    pub(super) messages: Messages,
    pub(super) revision: u64,
}

/// The messages of a context, each with the revision that recorded it.
#[derive(Debug, Clone, Default)]
pub(super) struct Messages(Vector<(u64, Packed<Message>)>);

impl Contexts {
    /// Whether a task or negotiation that `agent` begins may belong to this context, which need not exist yet.
    ///
    /// # Errors
    /// `id-in-use`: the context is one of other agents. It could be read by way of a message in it otherwise. `too-many`: as
    /// [`Self::has_room`], or there are as many contexts as there can be.
    pub fn admits(&self, id: &str, agent: &str, limits: &Limits) -> Result<(), Error> {
        match self.contexts.get(id) {
            Some(context) if !context.parties.contains(agent) => Err(Refusal::IdInUse.error(format!(
                "There is another context \"{id}\", and the agent \"{agent}\" has no part in it."
            ))),
            None if self.contexts.len() >= limits.contexts_max => Err(Refusal::TooMany.error(format!(
                "The context \"{id}\" would be a new one, and the server holds no more than {} contexts.",
                limits.contexts_max
            ))),
            Some(_) | None => self.has_room(id, limits),
        }
    }

    /// Whether the context can have another message.
    ///
    /// What is under way in a context that is full can still be brought to an end. So a task in it makes two messages more
    /// at most: a result and what is said of it.
    ///
    /// # Errors
    /// `too-many`: it has as many messages as `context_messages_max`.
    pub fn has_room(&self, id: &str, limits: &Limits) -> Result<(), Error> {
        let messages = self.contexts.get(id).map_or(0, |context| context.messages.0.len());
        if messages < limits.context_messages_max {
            return Ok(());
        }
        Err(Refusal::TooMany.error(format!(
            "The context \"{id}\" has {messages} messages, and that is all it can have. What is under way in it can only be \
             ended; begin a new context."
        )))
    }

    /// How many contexts the agent has begun.
    pub fn begun_by(&self, agent: &str) -> usize {
        self.begun.get(agent).copied().unwrap_or(0)
    }

    /// The agents that have sent or received a message of the context.
    pub fn parties(&self, id: &str) -> impl Iterator<Item = &str> {
        self.contexts.get(id).into_iter().flat_map(|context| context.parties.iter()).map(Arc::as_ref)
    }

    /// Records a message, and makes the context if this is its first one. Called when an event is applied.
    ///
    /// `number` and `at` of the message are set here. Returns its number.
    pub fn record(&mut self, revision: u64, at: Timestamp, id: &str, mut message: Message) -> u32 {
        let mut context = self.contexts.get(id).cloned().unwrap_or_else(|| {
            *self.begun.entry(message.from.as_str().into()).or_default() += 1;
            Recorded {
                created_at: at,
                updated_at: at,
                parties: OrdSet::new(),
                messages: Messages::default(),
                revision,
            }
        });
        let number = u32::try_from(context.messages.0.len()).unwrap_or(u32::MAX).saturating_add(1);
        message.number = number;
        message.at = at.to_string();
        context.parties.extend([Arc::from(message.from.as_str()), Arc::from(message.to.as_str())]);
        context.messages.push(revision, Packed::new(&message));
        context.updated_at = at;
        context.revision = revision;
        self.contexts.insert(id.into(), context);
        number
    }
}

impl StateList for Contexts {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        let id = only_text(key)?;
        self.contexts.get(id).map(|context| context.entry(id))
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let entry = |(id, context): (&Arc<str>, &Recorded)| (Key::string(id), context.entry(id));
        following(&self.contexts, key).take(count).map(entry).collect()
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let entry = |(id, context): (&Arc<str>, &Recorded)| (Key::string(id), context.entry(id));
        preceding(&self.contexts, key).take(count).map(entry).collect()
    }

    fn len(&self) -> usize {
        self.contexts.len()
    }
}

impl Recorded {
    fn entry(&self, id: &str) -> Arc<Container> {
        let context = Context {
            id: id.to_owned(),
            created_at: self.created_at.to_string(),
            updated_at: self.updated_at.to_string(),
            message: Vec::new(),
        };
        let mut entry = context.to_data();
        entry.revision = self.revision;
        // Not one message is copied until it is read.
        entry.set(Message::node(), Child::List(List::State(Arc::new(self.messages.clone()))));
        Arc::new(entry)
    }
}

impl Messages {
    /// Adds the next message.
    pub(super) fn push(&mut self, revision: u64, message: Packed<Message>) {
        self.0.push_back((revision, message));
    }

    /// All messages, each with the revision that recorded it.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, Packed<Message>)> {
        self.0.iter()
    }

    /// Those from this number on, each with its own.
    pub(super) fn from(&self, first: u32) -> impl Iterator<Item = (u32, &Packed<Message>)> {
        let skipped = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
        (first..).zip(self.0.iter().skip(skipped).map(|(_, message)| message))
    }

    /// The message with this number, as `query-messages` gives it.
    pub(super) fn found(&self, context: &str, number: u32) -> Option<QueryMessagesOutputMessage> {
        let (_, entry) = self.entry(usize::try_from(number.checked_sub(1)?).ok()?)?;
        let mut data = recast_data(&entry, QueryMessagesOutputMessage::node());
        model::put(&mut data, &nodes::QUERY_MESSAGES_OUTPUT_MESSAGE_CONTEXT, &context.to_owned());
        QueryMessagesOutputMessage::from_data(&data).ok()
    }

    fn entry(&self, index: usize) -> Option<(Key, Arc<Container>)> {
        let (revision, message) = self.0.get(index)?;
        let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        let mut entry = message.data()?.at_revision(*revision);
        let content = &nodes::INTERACTION_CONTEXTS_CONTEXT_MESSAGE_CONTENT;
        prompt::show(&mut entry, content, MessageSection::node());
        Some((Key::new(vec![Value::Uint32(number)]), Arc::new(entry)))
    }
}

impl StateList for Messages {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        let index = number(key)?.checked_sub(1)?;
        self.entry(index).map(|(_, entry)| entry)
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        // The number of a message is the index of the next one.
        let first = key.and_then(number).unwrap_or(0);
        (first..self.0.len()).take(count).filter_map(|index| self.entry(index)).collect()
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let end = key.and_then(number).map_or(self.0.len(), |number| number.saturating_sub(1));
        (0..end.min(self.0.len())).rev().take(count).filter_map(|index| self.entry(index)).collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

fn number(key: &Key) -> Option<usize> {
    match key.values() {
        [Value::Uint32(number)] => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// The text of a key that is one string.
pub(super) fn only_text(key: &Key) -> Option<&str> {
    match key.values() {
        [value] => value.as_str(),
        _ => None,
    }
}

/// The entries of a map whose keys follow this one.
pub(super) fn following<'a, V: Clone>(
    map: &'a OrdMap<Arc<str>, V>,
    key: Option<&Key>,
) -> impl Iterator<Item = (&'a Arc<str>, &'a V)> {
    use std::ops::Bound::{Excluded, Unbounded};
    let start = key.and_then(only_text).map_or(Unbounded, Excluded);
    map.range::<_, str>((start, Unbounded))
}

/// The entries of a map whose keys this one follows, the nearest first.
pub(super) fn preceding<'a, V: Clone>(
    map: &'a OrdMap<Arc<str>, V>,
    key: Option<&Key>,
) -> impl Iterator<Item = (&'a Arc<str>, &'a V)> {
    use std::ops::Bound::{Excluded, Unbounded};
    let end = key.and_then(only_text).map_or(Unbounded, Excluded);
    map.range::<_, str>((Unbounded, end)).rev()
}
