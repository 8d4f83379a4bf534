//! `answer`: the assigning agent answers a request for input.
//!
//! The task goes on by itself when no request is left; nothing here wakes the executing agent but the event.

use super::data::Attachment;
use super::event::{Event, change, fits};
use super::life_cycle::Cause;
use super::{Refusal, Tasks, allow};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{Answer, AnswerInput, AnswerOutput, TaskEventEvent};
use crate::yang::generated::magent_types::TaskStatus;

impl Tasks {
    /// Decides on the action `answer` of a task.
    ///
    /// # Errors
    /// `unknown-reference` (no such task or request), `content-missing`, `bad-transition` (the request has an answer, or the
    /// task has ended), `too-many`, and those of [`Tasks::attach`].
    pub fn answer(
        &self,
        now: Timestamp,
        id: &str,
        input: AnswerInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, AnswerOutput), Error> {
        let (mut events, task) = self.begin(id, now)?;
        if input.content.is_none() && input.structured_content.is_none() && input.data.is_empty() {
            return Err(Refusal::ContentMissing
                .error("An answer says something, in \"content\", \"structured-content\" or \"data\"."));
        }
        let requests = &task.input_requests.input_request;
        let Some(request) = requests.iter().find(|request| request.id == input.request) else {
            return Err(Refusal::UnknownReference.error(format!(
                "The task \"{id}\" has no request for input with the number {}.",
                input.request
            )));
        };
        if request.answer.is_some() {
            return Err(Refusal::BadTransition
                .error(format!("Request {} of the task \"{id}\" has been answered before.", input.request)));
        }
        let is_last = requests.iter().all(|other| other.id == input.request || other.answer.is_some());
        let status = match task.status {
            TaskStatus::Blocked if is_last => TaskStatus::Processing,
            other => other,
        };
        allow(&task, Cause::Answer, status)?;
        self.may_speak(&task, limits)?;
        let attachments = input.data.into_iter().map(Attachment::from).collect();
        let (stored, data) = self.data.attach(now, &task.from, attachments, limits)?;
        events.extend(stored.into_iter().map(Event::DataStored));
        let mut notice = change(&task, TaskEventEvent::InputAnswered, status, None);
        notice.answered_request = Some(input.request);
        let (content, structured_content) = (input.content, input.structured_content);
        let answer = Answer { content, structured_content, data, at: now.to_string() };
        fits(&answer, limits)?;
        events.push(Event::InputAnswered { notice, answer });
        Ok((events, AnswerOutput { status }))
    }
}
