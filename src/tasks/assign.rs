//! `assign-task`: a new task, or the one that an earlier call of the same assignment made.
//!
//! It never waits: a synchronous assignment is answered by whoever called, with [`Tasks::settled`].

use super::data::Attachment;
use super::event::{Event, fits};
use super::{Refusal, Tasks, standing, unknown};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_task::{
    AssignTaskInput, AssignTaskOutput, Change, History, InputRequests, Task, Term, TermExplains,
};
use crate::yang::generated::magent_types::TaskStatus;
use crate::yang::model::ModelError;
use crate::yang::recast::recast;

impl Tasks {
    /// Decides on `assign-task`. Without facts in the answer, the same assignment was made before.
    ///
    /// That the agents and the negotiation exist is for the caller to check.
    ///
    /// # Errors
    /// `content-missing`, `id-in-use`, `deadline-passed`, `unknown-reference` (of `parent`), `too-many`, and those of
    /// [`Tasks::attach`].
    pub fn assign(
        &self,
        fresh: &mut Fresh,
        input: AssignTaskInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, AssignTaskOutput), Error> {
        if input.content.is_none() && input.structured_content.is_none() {
            return Err(Refusal::ContentMissing
                .error("A task says what is to be done, in \"content\" or \"structured-content\"."));
        }
        if let Some(present) = input.id.as_deref().and_then(|id| self.get(id)) {
            if is_same(&present, &input) {
                return Ok((Vec::new(), standing(&present)));
            }
            return Err(Refusal::IdInUse.error(format!(
                "There is another task with the identifier \"{}\"; its order differs.",
                present.id
            )));
        }
        if let Some(deadline) = &input.deadline
            && time(deadline)? <= fresh.now
        {
            let message = format!("The deadline {deadline} is in the past; now it is {}.", fresh.now);
            return Err(Refusal::DeadlinePassed.error(message));
        }
        if let Some(parent) = input.parent.as_ref().filter(|parent| !self.contains(parent)) {
            return Err(unknown(parent));
        }
        if let Some(context) = &input.context {
            self.contexts.admits(context, &input.from, limits)?;
        }
        let attachments = input.data.into_iter().map(Attachment::from).collect();
        let (stored, data) = self.data.attach(fresh.now, &input.from, attachments, limits)?;
        let now = fresh.now.to_string();
        let task = Task {
            id: input.id.unwrap_or_else(|| fresh.uuid()),
            history: History {
                change: vec![Change {
                    number: 1,
                    status: TaskStatus::Created,
                    reason: None,
                    by: Some(input.from.clone()),
                    at: now.clone(),
                }],
            },
            from: input.from,
            to: input.to,
            type_: input.type_,
            parent: input.parent,
            negotiation: input.negotiation,
            context: input.context,
            content: input.content,
            structured_content: input.structured_content,
            expected_response: input.expected_response,
            term: input.term.iter().map(recast).collect::<Result<_, _>>().map_err(broken)?,
            term_explains: input
                .term_explains
                .into_iter()
                .map(|t| TermExplains { term: t.term, explanation: t.explanation })
                .collect(),
            overdue: input.deadline.is_some().then_some(false),
            deadline: input.deadline,
            data,
            asynchronous: input.asynchronous,
            status: TaskStatus::Created,
            reason: None,
            progress: None,
            event_sequence: 1,
            created_at: now.clone(),
            updated_at: now,
            input_requests: InputRequests::default(),
            result: None,
        };
        fits(&task, limits)?;
        let output = standing(&task);
        let mut events = self.room(&task.from, task.parent.as_deref(), limits)?;
        events.extend(stored.into_iter().map(Event::DataStored));
        events.push(Event::TaskCreated { task });
        Ok((events, output))
    }

    /// Whether there can be one more task that this agent assigns, with what has to be forgotten for it.
    fn room(&self, from: &str, parent: Option<&str>, limits: &Limits) -> Result<Vec<Event>, Error> {
        let open = self.open_of(from);
        if open >= limits.tasks_open_max {
            return Err(Refusal::TooMany.error(format!(
                "The agent \"{from}\" has {open} tasks that have not ended, and no agent may have more."
            )));
        }
        if self.tasks.len() < limits.tasks_max {
            return Ok(Vec::new());
        }
        let ended = self.ended.iter().filter_map(|(_, number)| self.tasks.numbered(*number));
        match ended.map(|record| record.id.as_str()).find(|id| Some(*id) != parent) {
            Some(id) => Ok(vec![Event::TaskForgotten { task: id.to_owned() }]),
            None => {
                let message =
                    format!("The server holds {} tasks that have not ended, and no more.", self.tasks.len());
                Err(Refusal::TooMany.error(message))
            }
        }
    }
}

/// Whether the task is what this assignment would make: the same agents, the same order, the same data.
fn is_same(task: &Task, input: &AssignTaskInput) -> bool {
    let explained = |term: &str| input.term_explains.iter().find(|t| t.term == term).map(|t| &t.explanation);
    let same_time = match (&task.deadline, &input.deadline) {
        (Some(one), Some(other)) => one == other || (time(one).is_ok() && time(one).ok() == time(other).ok()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    same_time
        && task.from == input.from
        && task.to == input.to
        && task.type_ == input.type_
        && task.parent == input.parent
        && task.negotiation == input.negotiation
        && task.context == input.context
        && task.content == input.content
        && task.structured_content == input.structured_content
        && same_terms(task, input)
        && task.expected_response == input.expected_response
        && task.term_explains.len() == input.term_explains.len()
        && task.term_explains.iter().all(|t| explained(&t.term) == Some(&t.explanation))
        && task.data.iter().eq(input.data.iter().map(|data| &data.id))
}

/// Whether the terms are those of the assignment. One that carries out an agreement need not say them.
fn same_terms(task: &Task, input: &AssignTaskInput) -> bool {
    let said: Vec<Term> = input.term.iter().filter_map(|term| recast(term).ok()).collect();
    (task.negotiation.is_some() && said.is_empty())
        || (said.len() == task.term.len() && task.term.iter().all(|term| said.contains(term)))
}

/// Structs of the same grouping convert; if not, the generated code is not of one schema.
fn broken(error: ModelError) -> Error {
    Error::application(Tag::OperationFailed, error.to_string())
}

/// A `date-and-time` of an input.
pub(super) fn time(text: &str) -> Result<Timestamp, Error> {
    let wrong = |error| Error::application(Tag::InvalidValue, format!("\"{text}\": {error}"));
    text.parse().map_err(|error: crate::clock::TimestampError| wrong(error.to_string()))
}
