//! `report`: the executing agent says where the task stands, asks for input, or gives the result.
//!
//! It never changes what the assigning agent has said.

use super::data::Attachment;
use super::event::{Event, change, fits};
use super::life_cycle::{Cause, has_ended};
use super::{Refusal, Tasks, allow};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{
    ReportInput, ReportOutput, Task, TaskEventEvent, TaskEventInputRequest, TaskEventResult,
};
use crate::yang::generated::magent_types::TaskStatus;

impl Tasks {
    /// Decides on the action `report` of a task. A report that changes nothing gives no fact.
    ///
    /// # Errors
    /// `unknown-reference` (no such task), `bad-transition`, `content-missing`, `too-many` (requests for input, or messages
    /// of the context), and those of [`Tasks::attach`].
    pub fn report(
        &self,
        now: Timestamp,
        id: &str,
        input: ReportInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, ReportOutput), Error> {
        let (mut events, task) = self.begin(id, now)?;
        let status = input.status.unwrap_or(task.status);
        is_coherent(&input)?;
        allow(&task, Cause::Report, status)?;
        let event = if input.result.is_some() {
            TaskEventEvent::ResultReported
        } else if input.input_request.is_some() {
            TaskEventEvent::InputRequested
        } else if status != task.status {
            TaskEventEvent::StatusChanged
        } else {
            TaskEventEvent::Progressed
        };
        let mut notice = change(&task, event, status, input.reason);
        notice.progress = input.progress.or(task.progress);
        if event == TaskEventEvent::Progressed
            && notice.reason == task.reason
            && notice.progress == task.progress
        {
            return Ok((events, ReportOutput { status, request: None }));
        }
        let speaks = event != TaskEventEvent::Progressed || notice.reason != task.reason;
        if speaks && !has_ended(status) {
            self.may_speak(&task, limits)?;
        }
        let mut request = None;
        if let Some(asked) = input.input_request {
            let number = next_request(&task, limits)?;
            request = Some(number);
            notice.input_request = Some(TaskEventInputRequest {
                id: number,
                content: asked.content,
                structured_content: asked.structured_content,
                at: now.to_string(),
            });
        }
        if let Some(result) = input.result {
            let attachments = result.data.into_iter().map(Attachment::from).collect();
            let (stored, data) = self.data.attach(now, &task.to, attachments, limits)?;
            events.extend(stored.into_iter().map(Event::DataStored));
            notice.result = Some(TaskEventResult {
                content: result.content,
                structured_content: result.structured_content,
                data,
                at: now.to_string(),
            });
        }
        fits(&notice, limits)?;
        events.push(Event::TaskChanged { notice, by: Some(task.to.clone()) });
        Ok((events, ReportOutput { status, request }))
    }
}

/// The rules that the module writes as `must` of the input.
fn is_coherent(input: &ReportInput) -> Result<(), Error> {
    if input.result.is_some() != (input.status == Some(TaskStatus::Finished)) {
        return Err(Refusal::BadTransition
            .error("A report has \"result\" if and only if it has the status \"finished\"."));
    }
    if input.input_request.is_some() && input.status != Some(TaskStatus::Blocked) {
        return Err(
            Refusal::BadTransition.error("A report with \"input-request\" has the status \"blocked\".")
        );
    }
    let empty = |result: &crate::yang::generated::magent_task::ReportInputResult| {
        result.content.is_none() && result.structured_content.is_none() && result.data.is_empty()
    };
    if input.result.as_ref().is_some_and(empty) {
        return Err(Refusal::ContentMissing
            .error("A result says something, in \"content\", \"structured-content\" or \"data\"."));
    }
    if input.input_request.as_ref().is_some_and(|r| r.content.is_none() && r.structured_content.is_none()) {
        return Err(Refusal::ContentMissing
            .error("A request for input says what is asked for, in \"content\" or \"structured-content\"."));
    }
    Ok(())
}

fn next_request(task: &Task, limits: &Limits) -> Result<u32, Error> {
    let present = task.input_requests.input_request.len();
    match u32::try_from(present.saturating_add(1)) {
        Ok(number) if present < limits.task_requests_max => Ok(number),
        _ => {
            let message =
                format!("The task \"{}\" has {present} requests for input, and no task has more.", task.id);
            Err(Refusal::TooMany.error(message))
        }
    }
}
