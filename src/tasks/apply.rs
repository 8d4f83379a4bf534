//! Facts become state. The same at start-up as after a decision.
//!
//! It refuses nothing: a fact about a task that does not exist changes nothing.

use std::sync::Arc;

use super::event::Event;
use super::family::Sum;
use super::life_cycle::has_ended;
use super::report::Keyed;
use super::{Record, Said, Tasks, fulfillment, message};
use crate::clock::Timestamp;
use crate::limits::{TASK_HISTORY_MAX, TASK_KEYS_MAX};
use crate::yang::converted::Converted;
use crate::yang::generated::magent_task::{
    Answer, Change, InputRequest, Task, TaskEvent, TaskEventInputRequest, TaskEventResult, TaskResult, Term,
    Verification,
};
use crate::yang::generated::magent_types::{ResultVerdict, TaskStatus};
use crate::yang::packed::Packed;

impl Tasks {
    /// Makes a fact true. `revision` is its position in the log, `at` the time of its record.
    pub fn apply(&mut self, revision: u64, at: Timestamp, event: &Event) {
        match event {
            Event::TaskCreated { task } => self.create(revision, at, task),
            Event::TaskChanged { notice, by, key } => {
                self.change(revision, at, event, notice, by.as_deref(), |task| {
                    if let Some(request) = &notice.input_request {
                        task.input_requests.input_request.push(asked(request));
                    }
                    if let Some(result) = &notice.result {
                        task.result = Some(reported(result));
                    }
                });
                if let Some(key) = key {
                    self.remember(&notice.task, notice.status, key);
                }
            }
            Event::InputAnswered { notice, answer } => {
                self.change(revision, at, event, notice, Some(&notice.from), |task| {
                    answered(task, notice, answer)
                });
            }
            Event::ResultVerified { notice, comment } => {
                self.change(revision, at, event, notice, Some(&notice.from), |task| {
                    if let (Some(result), Some(verdict)) = (&mut task.result, notice.verdict) {
                        result.verification =
                            Some(Verification { verdict, comment: comment.clone(), at: at.to_string() });
                        if verdict == ResultVerdict::Rework {
                            task.reworks = Some(task.reworks.unwrap_or(0).saturating_add(1));
                        }
                    }
                });
            }
            Event::TaskForgotten { task } => self.forget(revision, task),
            Event::CallbackMade { task, id, agent, receiver } => {
                let place = (task.as_str().into(), id.as_str().into());
                self.callbacks.make(revision, at, place, agent, receiver);
                self.subscribed(revision, task);
            }
            Event::CallbackWentOn { task, id, progress } => {
                let place = (task.as_str().into(), id.as_str().into());
                self.callbacks.went_on(revision, &place, progress.as_ref());
            }
            Event::CallbackEnded { task, id, .. } => {
                self.callbacks.end(&(task.as_str().into(), id.as_str().into()));
                self.subscribed(revision, task);
            }
            Event::DataStored(stored) => self.data.apply(revision, stored),
            Event::DataRemoved { id, .. } => self.data.remove(id),
            Event::DataGiven { data } => self.data.give(revision, at, data.clone().into()),
        }
        if let Some(task) = event.task() {
            self.callbacks.happened(revision, task);
        }
        self.revision = revision;
    }

    /// Who is told of a task is another matter now.
    fn subscribed(&mut self, revision: u64, task: &str) {
        if let Some(record) = self.tasks.get(task) {
            let record = Record::clone(record);
            self.touch(revision, record);
        }
    }

    /// Remembers what a report with a key was answered.
    fn remember(&mut self, task: &str, status: TaskStatus, key: &Keyed) {
        let Some(record) = self.tasks.get(task) else { return };
        let mut record = Record::clone(record);
        let kept = TASK_KEYS_MAX.saturating_sub(1);
        let surplus = record.keys.len().saturating_sub(kept);
        let keys = record.keys.iter().skip(surplus).cloned();
        record.keys = keys.chain([(status, key.clone())]).collect();
        self.tasks.replace(record);
    }

    fn create(&mut self, revision: u64, at: Timestamp, task: &Converted<Task>) {
        let mut said = Said::default();
        if let Some(context) = &task.context {
            said.assignment = self.contexts.record(revision, at, context, message::assignment(task));
        }
        let number = self.created;
        self.created = number.saturating_add(1);
        let (from, to) = (self.by_from.insert(&task.from, number), self.by_to.insert(&task.to, number));
        if let Some(context) = &task.context {
            self.by_context.insert(context, number);
        }
        if let Some(parent) = &task.parent {
            self.by_parent.insert(parent, number);
        }
        self.data.share(&task.data, &[&task.from, &task.to]);
        let deadline = task.deadline.as_deref().and_then(|deadline| deadline.parse().ok());
        let (status, updated_at) = (task.status, at);
        let packed = Packed::of_data(task.data());
        let id = task.id.as_str().into();
        let (parts, keys) = (Sum::default(), Arc::default());
        let record = Record {
            id,
            task: packed,
            from,
            to,
            status,
            number,
            deadline,
            updated_at,
            revision,
            said,
            parts,
            keys,
            ordered: None,
        };
        self.await_deadline(&record, task, at);
        self.count(None, &record);
        self.tasks.add(record);
        if let Some(whole) = &task.parent {
            self.count_part(revision, (whole, number), None, Some(Sum::of(status, task.progress)));
        }
    }

    /// The fulfillment of a task was agreed: these terms take the place of those of the same names. With `keeps`, those that
    /// it was ordered with are kept.
    pub fn agreed(&mut self, revision: u64, at: Timestamp, id: &str, terms: Vec<Term>, keeps: bool) {
        let Some(before) = self.tasks.get(id).cloned() else { return };
        let Some(mut task) = before.task.unpacked() else { return };
        let ordered = before.ordered.clone().or_else(|| keeps.then(|| task.term.as_slice().into()));
        fulfillment::replace(&mut task.term, terms);
        task.updated_at = at.to_string();
        let task = Packed::new(&task);
        let record = Record { task, updated_at: at, revision, ordered, ..Record::clone(&before) };
        self.count(Some(&before), &record);
        self.tasks.replace(record);
        self.revision = revision;
    }

    fn change(
        &mut self,
        revision: u64,
        at: Timestamp,
        event: &Event,
        notice: &TaskEvent,
        by: Option<&str>,
        what: impl FnOnce(&mut Task),
    ) {
        let Some(before) = self.tasks.get(notice.task.as_str()).cloned() else { return };
        let Some(mut task) = before.task.unpacked() else { return };
        let mut record = Record::clone(&before);
        let part = Sum::of(task.status, task.progress);
        let message = task.context.as_ref().and_then(|_| message::message(&task, &before.said, event));
        if task.status != notice.status {
            put_into_history(&mut task, at, notice, by);
        }
        task.status = notice.status;
        task.reason.clone_from(&notice.reason);
        task.progress = notice.progress;
        task.overdue = notice.overdue;
        task.event_sequence = notice.sequence;
        task.updated_at = at.to_string();
        what(&mut task);
        if let (Some(context), Some(message)) = (&task.context, message) {
            let number = self.contexts.record(revision, at, context, message);
            record.said.requests.extend(notice.input_request.iter().map(|_| number));
            notice.result.iter().for_each(|_| record.said.result = number);
        }
        let given = match event {
            Event::InputAnswered { answer, .. } => answer.data.as_slice(),
            _ => notice.result.as_ref().map_or(&[][..], |result| &result.data),
        };
        self.data.share(given, &[&notice.from, &notice.to]);
        record.task = Packed::new(&task);
        record.status = task.status;
        record.updated_at = at;
        record.revision = revision;
        self.await_deadline(&record, &task, at);
        self.count(Some(&before), &record);
        let number = record.number;
        self.tasks.replace(record);
        if let Some(whole) = &task.parent {
            let now = Sum::of(task.status, task.progress);
            self.count_part(revision, (whole, number), Some(part), Some(now));
        }
    }

    fn forget(&mut self, revision: u64, id: &str) {
        let Some(record) = self.tasks.remove(id) else { return };
        let number = record.number;
        self.by_from.remove(&record.from, number);
        self.by_to.remove(&record.to, number);
        if let Some(task) = record.task.unpacked() {
            task.context.iter().for_each(|context| self.by_context.remove(context, number));
            task.parent.iter().for_each(|parent| self.by_parent.remove(parent, number));
            if let Some(whole) = &task.parent {
                let part = Sum::of(task.status, task.progress);
                self.count_part(revision, (whole, number), Some(part), None);
            }
        }
        self.callbacks.forget(id);
        self.ended.remove(&(record.revision, number));
    }

    /// Counts the task among those that are open or those that have ended.
    fn count(&mut self, before: Option<&Record>, after: &Record) {
        let was_open = before.is_some_and(|before| !has_ended(before.status));
        let is_open = !has_ended(after.status);
        let open = self.open.get(&after.from).copied().unwrap_or(0);
        let open = open.saturating_add(usize::from(is_open)).saturating_sub(usize::from(was_open));
        match open {
            0 => self.open.remove(&after.from),
            open => self.open.insert(after.from.clone(), open),
        };
        if let Some(before) = before {
            self.ended.remove(&(before.revision, before.number));
        }
        if !is_open {
            self.ended.insert((after.revision, after.number));
        }
    }

    /// Keeps in mind whether the deadline of a task still matters. If it passed while the task had ended, it does not come
    /// back with rework.
    fn await_deadline(&mut self, record: &Record, task: &Task, at: Timestamp) {
        let Some(deadline) = record.deadline else { return };
        let is_open = !has_ended(task.status) && task.overdue == Some(false);
        if is_open && (deadline > at || self.awaits(record)) {
            self.deadlines.insert((deadline, record.number));
        } else {
            self.deadlines.remove(&(deadline, record.number));
        }
    }
}

/// The newest changes stay.
fn put_into_history(task: &mut Task, at: Timestamp, notice: &TaskEvent, by: Option<&str>) {
    let changes = &mut task.history.change;
    let number = changes.last().map_or(1, |last| last.number.saturating_add(1));
    changes.push(Change {
        number,
        status: notice.status,
        reason: notice.reason.clone(),
        by: by.map(str::to_owned),
        at: at.to_string(),
    });
    let too_many = changes.len().saturating_sub(TASK_HISTORY_MAX);
    changes.drain(..too_many);
}

fn asked(request: &TaskEventInputRequest) -> InputRequest {
    InputRequest {
        id: request.id,
        content: request.content.clone(),
        structured_content: request.structured_content.clone(),
        at: request.at.clone(),
        answer: None,
    }
}

fn reported(result: &TaskEventResult) -> TaskResult {
    TaskResult {
        content: result.content.clone(),
        structured_content: result.structured_content.clone(),
        data: result.data.clone(),
        at: result.at.clone(),
        verification: None,
    }
}

fn answered(task: &mut Task, notice: &TaskEvent, answer: &Answer) {
    let mut requests = task.input_requests.input_request.iter_mut();
    if let Some(request) = requests.find(|request| Some(request.id) == notice.answered_request) {
        request.answer = Some(answer.clone());
    }
}
