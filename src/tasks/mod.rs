//! Tasks with their life cycle, the contexts in which agents speak, and the data they exchange: the state below
//! `/magent-task:interaction`, save the negotiations.
//!
//! Each operation is decided by a method that changes nothing and gives facts ([`Event`]); [`Tasks::apply`] makes them
//! true, at start-up as well as after a decision. Nothing here does I/O or reads a clock, and nothing asks who the user
//! is: that the user may act for an agent, and that agents and negotiations exist, is for the caller to see to.

mod answer;
mod apply;
mod assign;
pub mod callbacks;
mod contexts;
mod data;
mod deadline;
mod event;
mod family;
mod fulfillment;
pub mod image;
mod index;
pub mod life_cycle;
mod message;
mod messages;
mod prompt;
mod query;
mod refusal;
mod report;
mod steer;
mod table;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{
    AssignTaskOutput, AssignTaskOutputInputRequest, AssignTaskOutputResult, Message, Parts, PutDataInput,
    PutDataOutput, ReadInput, ReadOutput, Section, Subscriptions, Task, Term, nodes,
};
use crate::yang::generated::magent_types::TaskStatus;
use crate::yang::model::{self, Modelled as _};
use crate::yang::notification::Notification;
use crate::yang::packed::Packed;
use crate::yang::tree::{Container, Key, StateList};

use callbacks::Callbacks;
use contexts::{Contexts, only_text};
pub use data::{Attachment, Blobs, Kept};
use data::{DataObjects, Description, Part, Source};
pub use event::Event;
use family::Sum;
pub use fulfillment::is_under_way;
use index::Index;
use life_cycle::Cause;
pub use refusal::Refusal;
use report::Keyed;
use table::{Identifier, Table};

/// All tasks, contexts and data objects. Cheap to clone; clones share what they have in common.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tasks: Table,
    /// How many tasks were ever created.
    created: u64,
    /// How many tasks that an agent has assigned have not ended.
    open: OrdMap<Arc<str>, usize>,
    /// Tasks that have ended: the revision that last touched them, and the number of creation.
    ended: OrdSet<(u64, u64)>,
    by_from: Index,
    by_to: Index,
    by_context: Index,
    by_parent: Index,
    /// Deadlines of tasks that have not ended and are not overdue, with the number of creation.
    deadlines: OrdSet<(Timestamp, u64)>,
    contexts: Contexts,
    data: DataObjects,
    callbacks: Callbacks,
    revision: u64,
}

/// A task, packed, with what it is found by and what the server knows of it beside.
#[derive(Debug, Clone)]
struct Record {
    id: Identifier,
    task: Packed<Task>,
    from: Arc<str>,
    to: Arc<str>,
    status: TaskStatus,
    /// Tasks are numbered in the order of their creation, from 0.
    number: u64,
    deadline: Option<Timestamp>,
    updated_at: Timestamp,
    revision: u64,
    said: Said,
    /// What there is of its parts.
    parts: Sum,
    /// The newest reports that have keys, and the status that each was answered with.
    keys: Arc<[(TaskStatus, Keyed)]>,
    /// The terms that it was ordered with, if others were agreed since.
    ordered: Option<Arc<[Term]>>,
}

/// Numbers of the messages in the task's context that others answer; 0 is none.
#[derive(Debug, Clone, Default)]
struct Said {
    assignment: u32,
    /// That of the request with number n is at n - 1.
    requests: Vec<u32>,
    result: u32,
}

impl Tasks {
    /// The task with this identifier.
    pub fn get(&self, id: &str) -> Option<Task> {
        self.tasks.get(id)?.task.unpacked()
    }

    /// The place of a task in the order of their creation.
    #[cfg(test)]
    fn number(&self, id: &str) -> Option<u64> {
        self.tasks.get(id).map(|record| record.number)
    }

    /// The agents that have assigned and that execute a task.
    pub fn parties(&self, id: &str) -> Option<[&str; 2]> {
        self.tasks.get(id).map(|record| [&*record.from, &*record.to])
    }

    /// Whether there is a task with this identifier.
    pub fn contains(&self, id: &str) -> bool {
        self.tasks.contains(id)
    }

    /// The entries of the list `task`, each with the revision that last touched it.
    pub fn tasks(&self) -> Arc<dyn StateList> {
        Arc::new(TaskList { tasks: self.tasks.clone(), callbacks: self.callbacks.clone() })
    }

    /// The entries of the list `context`, each with the revision that last touched it.
    pub fn contexts(&self) -> Arc<dyn StateList> {
        Arc::new(self.contexts.clone())
    }

    /// The entries of the list `data-object`, each with the revision that last touched it.
    pub fn data_objects(&self) -> Arc<dyn StateList> {
        self.data.entries()
    }

    /// Those of them that an agent owns.
    pub fn data_objects_of_agents(&self) -> Arc<dyn StateList> {
        self.data.entries_of_agents()
    }

    /// How many tasks there are in each status.
    pub fn statuses(&self) -> impl Iterator<Item = (TaskStatus, u64)> {
        self.tasks.statuses()
    }

    /// The revision that last touched a task, a context or a data object; 0 if none did.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The agents that have sent or received a message of this context: those that may read it and speak in it.
    pub fn context_parties(&self, id: &str) -> Vec<String> {
        self.contexts.parties(id).map(str::to_owned).collect()
    }

    /// The agents that may read a data object: its owner, and those of each task or negotiation that refers to it. None if
    /// it is nobody's; then every agent may.
    pub fn readers(&self, id: &str) -> Vec<String> {
        self.data.readers(id)
    }

    /// Whether the agent has assigned a task that is kept, or owns a data object.
    pub fn is_known(&self, agent: &str) -> bool {
        self.by_from.from(agent, 0).next().is_some() || self.data.has_owner(agent)
    }

    /// How many tasks that the agent has assigned have not ended.
    pub fn open_of(&self, agent: &str) -> usize {
        self.open.get(agent).copied().unwrap_or(0)
    }

    /// How many contexts the agent has begun.
    pub fn contexts_of(&self, agent: &str) -> usize {
        self.contexts.begun_by(agent)
    }

    /// How many octets the agent's data objects have.
    pub fn data_of(&self, agent: &str) -> u64 {
        self.data.octets_of(agent)
    }

    /// The notifications that announce a fact. They depend on the fact alone.
    pub fn announce(event: &Event, _at: Timestamp) -> Vec<Notification> {
        event.announce().into_iter().collect()
    }

    /// What `assign-task` says of a task as it is now.
    pub fn standing(&self, id: &str) -> Option<AssignTaskOutput> {
        self.get(id).map(|task| standing(&task))
    }

    /// What a synchronous `assign-task` is answered with: [`Self::standing`], once the task is blocked or has ended.
    pub fn settled(&self, id: &str) -> Option<AssignTaskOutput> {
        let status = self.tasks.get(id)?.status;
        let is_settled = status == TaskStatus::Blocked || life_cycle::has_ended(status);
        is_settled.then(|| self.standing(id)).flatten()
    }

    /// Decides on `put-data`: of a new object, or the next part of one that is not complete. If the part is kept aside, the input
    /// has nothing in its place; with the last one comes the SHA-256 of the whole.
    ///
    /// # Errors
    /// `content-missing`. `id-in-use`: the object is another agent's, or complete. `bad-offset`: the part is not the next one,
    /// or not of the kind of those before; as `too-big` if the object would be too long. `bad-checksum`. `too-many`: no room.
    pub fn put_data(
        &self,
        fresh: &mut Fresh,
        input: PutDataInput,
        aside: Option<(Kept, Option<String>)>,
        limits: &Limits,
    ) -> Result<(Vec<Event>, PutDataOutput), Error> {
        let (kept, whole) = aside.map_or((None, None), |(kept, whole)| (Some(Source::Kept(kept)), whole));
        let Some(source) = kept.or_else(|| Source::of(input.text, input.binary, input.url)) else {
            return Err(
                Refusal::ContentMissing.error("One of \"text\", \"binary\" and \"url\" has to be given.")
            );
        };
        let (data_type, description, media_type) = (input.data_type, input.description, input.media_type);
        let part = Part {
            id: input.id.unwrap_or_else(|| fresh.uuid()),
            owner: input.from,
            about: Description { data_type, description, media_type },
            source,
            offset: input.offset,
            more: input.more,
            sha256: input.sha256,
            whole,
            lifetime: input.lifetime,
        };
        let stored = self.data.put(fresh.now, part, limits)?;
        let object = &stored.object;
        let (id, sha256) = (object.id.clone(), object.sha256.clone());
        let output = PutDataOutput { id, size: object.size, complete: object.complete, sha256 };
        Ok((vec![Event::DataStored(stored)], output))
    }

    /// Answers the action `read` of a data object. Who may read it is for the caller to ask ([`Self::readers`]).
    ///
    /// # Errors
    /// `unknown-reference`, `data-elsewhere`, `bad-offset`, and `data-incomplete` where the next part has not come yet.
    pub fn read(
        &self,
        id: &str,
        input: &ReadInput,
        blobs: Option<&dyn Blobs>,
        limits: &Limits,
    ) -> Result<ReadOutput, Error> {
        self.data.read(id, input, blobs, limits)
    }

    /// The text of a data object that is complete and has no more than so many octets, if that is in memory.
    pub fn text(&self, id: &str, most: u64) -> Option<String> {
        self.data.text_of(id, most)
    }

    /// The agent whose data object it is.
    pub fn data_owner(&self, id: &str) -> Option<&str> {
        self.data.owner_of(id)
    }

    /// Whether a task or negotiation refers to the data object, or has.
    pub fn is_data_shared(&self, id: &str) -> bool {
        self.data.is_shared(id)
    }

    /// How many octets of the data object there are.
    pub fn data_size(&self, id: &str) -> u64 {
        self.data.size_of(id)
    }

    /// Whether parts of the data object are kept aside.
    pub fn has_parts_aside(&self, id: &str) -> bool {
        self.data.aside_of(id).next().is_some()
    }

    /// The SHA-256 of each part of data that is kept aside.
    pub fn parts_aside(&self) -> impl Iterator<Item = &str> {
        self.data.aside()
    }

    /// SHA-256 of a data object with further octets.
    ///
    /// # Errors
    /// `operation-failed`: a part cannot be read.
    pub fn data_digest(&self, id: &str, more: &[u8], blobs: &dyn Blobs) -> Result<String, Error> {
        self.data.digest(id, more, blobs)
    }

    /// Decides on the action `remove` of a data object: the fact, and whose it is, who alone may do it.
    ///
    /// # Errors
    /// `unknown-reference`, also of data that is nobody's; `data-in-use`.
    pub fn remove_data(&self, id: &str) -> Result<(Event, String), Error> {
        // The words are those of an object that is private to others.
        let owner = self.data_owner(id).ok_or_else(|| data::unknown(id))?;
        if self.data.is_shared(id) {
            return Err(Refusal::DataInUse
                .error(format!("A task or negotiation refers to the data object \"{id}\".")));
        }
        Ok((self.removed(id), owner.to_owned()))
    }

    fn removed(&self, id: &str) -> Event {
        let owner = self.data.owner_of(id).unwrap_or_default().to_owned();
        Event::DataRemoved { id: id.to_owned(), owner }
    }

    /// Decides on the data objects that `agent` gives with a negotiation: the facts, and the identifiers to refer to.
    ///
    /// # Errors
    /// `id-in-use`, `unknown-reference` (also of an object that the agent was never given), `data-incomplete`, and those of
    /// [`Self::put_data`].
    pub fn attach(
        &self,
        now: Timestamp,
        agent: &str,
        attachments: Vec<Attachment>,
        limits: &Limits,
    ) -> Result<(Vec<Event>, Vec<String>), Error> {
        let (stored, ids) = self.data.attach(now, agent, attachments, limits)?;
        Ok((stored.into_iter().map(Event::DataStored).collect(), ids))
    }

    /// Whether data that `agent` gives is what there is already, as far as it is there still.
    pub fn is_given(&self, agent: &str, attachments: &[Attachment]) -> bool {
        attachments.iter().all(|given| self.data.is_same(agent, given))
    }

    /// Whether a negotiation that `agent` opens may belong to this context, which need not exist yet.
    ///
    /// # Errors
    /// `id-in-use`: it is a context of other agents. `too-many`: it is full, or there are as many as there can be.
    pub fn admits(&self, context: &str, agent: &str, limits: &Limits) -> Result<(), Error> {
        self.contexts.admits(context, agent, limits)
    }

    /// Records a message of a negotiation in its context, and that both agents were given its data. Called when an event is
    /// applied. The number and the time of the message are set here. Returns the number.
    pub fn record(&mut self, revision: u64, at: Timestamp, context: &str, message: Message) -> u32 {
        self.revision = revision;
        self.share(&message.data, &[&message.from, &message.to]);
        self.contexts.record(revision, at, context, message)
    }

    /// Remembers that agents were given data objects, since a negotiation of theirs refers to them. Called when an event is
    /// applied; [`Self::record`] does it by itself.
    pub fn share(&mut self, data: &[String], agents: &[&str]) {
        self.data.share(data, agents);
    }

    /// Forgets data that came another way than from an agent ([`Event::external`]) and is no longer there, unless an agent
    /// was given it. Called when an event is applied.
    pub fn take_back(&mut self, revision: u64, id: &str) {
        self.revision = revision;
        self.data.take_back(id);
    }

    /// The task that a decision is about, and what has to be said of it before: that its deadline has passed.
    fn begin(&self, id: &str, now: Timestamp) -> Result<(Vec<Event>, Task), Error> {
        let found = self.tasks.get(id).and_then(|record| Some((record, record.task.unpacked()?)));
        let (record, mut task) = found.ok_or_else(|| unknown(id))?;
        if record.deadline.is_none_or(|deadline| deadline > now || !self.awaits(record)) {
            return Ok((Vec::new(), task));
        }
        let late = deadline::passed(&task);
        task.overdue = late.overdue;
        task.event_sequence = late.sequence;
        Ok((vec![Event::TaskChanged { notice: late, by: None, key: None }], task))
    }

    /// Whether the task's context has room for another message, if the task has one.
    fn may_speak(&self, task: &Task, limits: &Limits) -> Result<(), Error> {
        task.context.as_deref().map_or(Ok(()), |context| self.contexts.has_room(context, limits))
    }
}

/// The entries of the list `task`.
#[derive(Debug)]
struct TaskList {
    tasks: Table,
    callbacks: Callbacks,
}

impl TaskList {
    fn entry(&self, record: &Record) -> Option<Arc<Container>> {
        let mut entry = record.task.data()?;
        prompt::show(&mut entry, &nodes::INTERACTION_TASKS_TASK_CONTENT, Section::node());
        model::put_presence(&mut entry, Parts::node(), &record.parts.shown());
        let subscribed = self.callbacks.shown(record.id.as_str());
        let touched = subscribed.as_ref().map_or(0, |(_, revision)| *revision);
        if let Some((subscriptions, _)) = subscribed {
            model::put_container(&mut entry, Subscriptions::node(), &subscriptions);
        }
        Some(Arc::new(entry.at_revision(record.revision.max(touched))))
    }

    fn keyed(&self, record: &Record) -> Option<(Key, Arc<Container>)> {
        Some((Key::string(record.id.as_str()), self.entry(record)?))
    }
}

impl StateList for TaskList {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        self.entry(self.tasks.get(only_text(key)?)?)
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let following = self.tasks.following(key.and_then(only_text));
        following.take(count).filter_map(|record| self.keyed(record)).collect()
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let preceding = self.tasks.preceding(key.and_then(only_text));
        preceding.take(count).filter_map(|record| self.keyed(record)).collect()
    }

    fn len(&self) -> usize {
        self.tasks.len()
    }
}

fn unknown(id: &str) -> Error {
    Refusal::UnknownReference.error(format!("There is no task with the identifier \"{id}\"."))
}

/// Whether `cause` may take the task to `to`.
fn allow(task: &Task, cause: Cause, to: TaskStatus) -> Result<(), Error> {
    if life_cycle::causes(Some(task.status), to).contains(&cause) {
        return Ok(());
    }
    let possible = |to: &TaskStatus| life_cycle::causes(Some(task.status), *to).contains(&cause);
    let possible: Vec<&str> =
        TaskStatus::ALL.iter().copied().filter(possible).map(TaskStatus::as_str).collect();
    let (id, now, operation) = (&task.id, task.status.as_str(), cause.operation());
    let message = if possible.is_empty() {
        format!("The task \"{id}\" is {now}, and in that status there is no \"{operation}\".")
    } else {
        let (to, possible) = (to.as_str(), possible.join(", "));
        format!("The task \"{id}\" is {now}; \"{operation}\" cannot make it {to}, only one of: {possible}.")
    };
    Err(Refusal::BadTransition.error(message))
}

fn standing(task: &Task) -> AssignTaskOutput {
    let open = task.input_requests.input_request.iter().find(|request| request.answer.is_none());
    let result = task.result.as_ref().filter(|_| task.status == TaskStatus::Finished);
    AssignTaskOutput {
        id: task.id.clone(),
        status: task.status,
        reason: task.reason.clone(),
        progress: task.progress,
        overdue: task.overdue,
        input_request: open.filter(|_| task.status == TaskStatus::Blocked).map(|request| {
            AssignTaskOutputInputRequest {
                id: request.id,
                content: request.content.clone(),
                structured_content: request.structured_content.clone(),
                at: request.at.clone(),
            }
        }),
        result: result.map(|result| AssignTaskOutputResult {
            content: result.content.clone(),
            structured_content: result.structured_content.clone(),
            data: result.data.clone(),
            at: result.at.clone(),
        }),
    }
}
