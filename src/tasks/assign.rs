//! `assign-task`: a new task, or the one that an earlier call of the same assignment made.
//!
//! It never waits: a synchronous assignment is answered by whoever called, with [`Tasks::settled`].

use super::data::Attachment;
use super::event::{Event, fits};
use super::life_cycle::has_ended;
use super::{Refusal, Tasks, standing, unknown};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_task::{
    AssignTaskInput, AssignTaskInputIfPartFails, AssignTaskOutput, Change, History, IfPartFails,
    InputRequests, Subscriptions, Task, Term, TermExplains, nodes::ASSIGN_TASK_INPUT_DEADLINE,
};
use crate::yang::generated::magent_types::TaskStatus;
use crate::yang::model::ModelError;
use crate::yang::parameter;
use crate::yang::recast::recast;

/// How many tasks of an agent are looked at to find one of its own that can be forgotten.
const LOOKED_AT: usize = 1000;

impl Tasks {
    /// Decides on `assign-task`. Without facts in the answer, the same assignment was made before.
    ///
    /// That the agents and the negotiation exist is for the caller to check.
    ///
    /// # Errors
    /// `content-missing`, `id-in-use`, `deadline-passed`, `deadline-late`, `unknown-reference` (of `parent`), `task-ended`
    /// (the parent), `too-deep`, `too-many`, and those of [`Tasks::attach`].
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
        let record = input.id.as_deref().and_then(|id| self.tasks.get(id));
        if let Some((record, present)) = record.and_then(|record| Some((record, record.task.unpacked()?))) {
            let given: Vec<Attachment> = input.data.iter().cloned().map(Attachment::from).collect();
            let terms = record.ordered.as_deref().unwrap_or(&present.term);
            if is_same(&present, terms, &input) && self.is_given(&present.from, &given) {
                return Ok((Vec::new(), standing(&present)));
            }
            return Err(Refusal::IdInUse.error(format!(
                "There is another task with the identifier \"{}\"; its order differs.",
                present.id
            )));
        }
        if let Some(deadline) = &input.deadline
            && parameter::time(deadline, &ASSIGN_TASK_INPUT_DEADLINE)? <= fresh.now
        {
            let message = format!("The deadline {deadline} is in the past; now it is {}.", fresh.now);
            return Err(Refusal::DeadlinePassed.error(message).of_parameter(&ASSIGN_TASK_INPUT_DEADLINE));
        }
        let deadline = self.deadline(&input, fresh.now, limits)?;
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
            overdue: deadline.is_some().then_some(false),
            deadline,
            if_part_fails: input.if_part_fails.map(|what| match what {
                AssignTaskInputIfPartFails::GoOn => IfPartFails::GoOn,
                AssignTaskInputIfPartFails::Fail => IfPartFails::Fail,
            }),
            max_rework: input.max_rework,
            section: Vec::new(),
            reworks: None,
            parts: None,
            subscriptions: Subscriptions::default(),
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
        if most_octets(&task).is_none_or(|most| most > limits.task_message_bytes_max) {
            fits(&task, limits)?;
        }
        let output = standing(&task);
        let mut events = self.room(&task.from, task.parent.as_deref(), limits)?;
        events.extend(stored.into_iter().map(Event::DataStored));
        events.push(Event::TaskCreated { task: task.into() });
        Ok((events, output))
    }

    /// When the task is to be finished: a part when its whole is, unless it says an earlier time.
    fn deadline(
        &self,
        input: &AssignTaskInput,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Option<String>, Error> {
        let Some(parent) = &input.parent else { return Ok(input.deadline.clone()) };
        let whole = self.get(parent).ok_or_else(|| unknown(parent))?;
        self.takes_parts(&whole, limits)?;
        let (Some(theirs), own) = (whole.deadline, &input.deadline) else {
            return Ok(input.deadline.clone());
        };
        let leaf = &ASSIGN_TASK_INPUT_DEADLINE;
        let latest = parameter::time(&theirs, leaf)?;
        match own {
            Some(own) if parameter::time(own, leaf)? > latest => {
                let message =
                    format!("The deadline {own} is later than {theirs}, that of the task \"{parent}\".");
                Err(Refusal::DeadlineLate.error(message).of_parameter(leaf))
            }
            Some(own) => Ok(Some(own.clone())),
            None => Ok((latest > now).then_some(theirs)),
        }
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
        // Of its own if that is found soon: who assigns many does not have what others await forgotten.
        let own = self.by_from.from(from, 0).take(LOOKED_AT).filter_map(|number| self.tasks.numbered(number));
        let mut own: Vec<_> = own.filter(|record| has_ended(record.status)).collect();
        own.sort_by_key(|record| record.revision);
        let own = own.into_iter().map(|record| record.number);
        let ended = own.chain(self.ended.iter().map(|(_, number)| *number));
        let ended = ended.filter_map(|number| self.tasks.numbered(number));
        match ended
            .map(|record| record.id.as_str())
            .find(|id| Some(*id) != parent && !self.callbacks.awaits(id))
        {
            // What is counted for an agent ends by a fact of its own.
            Some(id) => {
                let mut events = self.end_callbacks(id);
                events.push(Event::TaskForgotten { task: id.to_owned() });
                Ok(events)
            }
            None => {
                let message =
                    format!("The server holds {} tasks that have not ended, and no more.", self.tasks.len());
                Err(Refusal::TooMany.error(message))
            }
        }
    }
}

/// Whether the task, which was ordered with these terms, is what this assignment would make: the same agents, the same order, the
/// same data.
fn is_same(task: &Task, terms: &[Term], input: &AssignTaskInput) -> bool {
    let explained = |term: &str| input.term_explains.iter().find(|t| t.term == term).map(|t| &t.explanation);
    let same_time = match (&task.deadline, &input.deadline) {
        (Some(one), Some(other)) => {
            let time = |text: &str| text.parse::<Timestamp>().ok();
            one == other || (time(one).is_some() && time(one) == time(other))
        }
        // A part has the deadline of its whole if none is said.
        (Some(_), None) => input.parent.is_some(),
        (None, None) => true,
        (None, Some(_)) => false,
    };
    let same_policy =
        task.if_part_fails.map(|what| what as i32) == input.if_part_fails.map(|what| what as i32);
    same_time
        && same_policy
        && task.max_rework == input.max_rework
        && task.from == input.from
        && task.to == input.to
        && same_type(task, input)
        && task.parent == input.parent
        && task.negotiation == input.negotiation
        && task.context == input.context
        && task.content == input.content
        && task.structured_content == input.structured_content
        && same_terms(task, terms, input)
        && task.expected_response == input.expected_response
        && task.term_explains.len() == input.term_explains.len()
        && task.term_explains.iter().all(|t| explained(&t.term) == Some(&t.explanation))
        && task.data.iter().eq(input.data.iter().map(|data| &data.id))
}

/// More octets than a new task has as JSON, however it is written, found without writing it; `None` if that is not so easy.
fn most_octets(task: &Task) -> Option<usize> {
    if task.structured_content.is_some() || !task.term.is_empty() {
        return None;
    }
    let terms = task.term_explains.iter().flat_map(|t| [Some(&t.term), t.explanation.as_ref()]).flatten();
    let optional = [&task.content, &task.expected_response, &task.type_, &task.parent, &task.context];
    let texts = [&task.id, &task.from, &task.to].into_iter().chain(optional.into_iter().flatten());
    let texts = texts.chain(&task.negotiation).chain(terms).chain(&task.data);
    // An octet of a text becomes six at most, and names and times have some as well.
    Some(texts.map(|text| text.len() * 6 + 64).sum::<usize>() + 1024)
}

/// Whether the type is that of the assignment. One that carries out an agreement need not say it.
fn same_type(task: &Task, input: &AssignTaskInput) -> bool {
    task.type_ == input.type_ || (task.negotiation.is_some() && input.type_.is_none())
}

/// Whether the terms are those of the assignment. One that carries out an agreement need not say them.
fn same_terms(task: &Task, terms: &[Term], input: &AssignTaskInput) -> bool {
    let said: Vec<Term> = input.term.iter().filter_map(|term| recast(term).ok()).collect();
    (task.negotiation.is_some() && said.is_empty())
        || (said.len() == terms.len() && terms.iter().all(|term| said.contains(term)))
}

/// Structs of the same grouping convert; if not, the generated code is not of one schema.
fn broken(error: ModelError) -> Error {
    Error::application(Tag::OperationFailed, error.to_string())
}
