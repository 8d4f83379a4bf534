//! `report`: the executing agent says where the task stands, asks for input, or gives the result.
//!
//! It never changes what the assigning agent has said.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::data::Attachment;
use super::event::{Event, change, fits};
use super::life_cycle::{Cause, has_ended};
use super::{Refusal, Tasks, allow};
use crate::clock::Timestamp;
use crate::ids::hexadecimal;
use crate::limits::Limits;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{
    ReportInput, ReportOutput, Task, TaskEventEvent, TaskEventInputRequest, TaskEventResult,
};
use crate::yang::generated::magent_types::TaskStatus;
use crate::yang::json;
use crate::yang::model::Modelled;

impl Tasks {
    /// Decides on the action `report` of a task. A report that changes nothing gives no fact, unless it has a
    /// key.
    ///
    /// # Errors
    /// `unknown-reference` (no such task), `task-ended`, `bad-transition`, `content-missing`, `too-many` (requests for input,
    /// or messages of the context), `key-in-use`, and those of [`Tasks::attach`].
    pub fn report(
        &self,
        now: Timestamp,
        id: &str,
        input: ReportInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, ReportOutput), Error> {
        let key = Keyed::of(&input);
        if let Some(answered) = key.as_ref().and_then(|key| self.answered(id, key)) {
            return answered.map(|output| (Vec::new(), output));
        }
        let (mut events, task) = self.begin(id, now)?;
        let status = input.status.unwrap_or(task.status);
        is_coherent(&input)?;
        if has_ended(task.status) {
            return Err(Refusal::TaskEnded.error(format!(
                "The task \"{id}\" is {}, so this report comes too late; nothing of it was taken.",
                task.status.as_str()
            )));
        }
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
        // What has a key is remembered by its fact, or else it would count when it comes again after others.
        if key.is_none()
            && event == TaskEventEvent::Progressed
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
        let key = key.map(|key| Keyed { request, ..key });
        events.push(Event::TaskChanged { notice, by: Some(task.to.clone()), key });
        Ok((self.with_consequences(now, events), ReportOutput { status, request }))
    }

    /// What a report with this key was answered before.
    fn answered(&self, id: &str, key: &Keyed) -> Option<Result<ReportOutput, Error>> {
        let record = self.tasks.get(id)?;
        let (status, known) = record.keys.iter().find(|(_, known)| known.key == key.key)?;
        Some(match known.digest == key.digest {
            true => Ok(ReportOutput { status: *status, request: known.request }),
            false => Err(Refusal::KeyInUse
                .error(format!("Another report of the task \"{id}\" had the key \"{}\" before.", key.key))),
        })
    }
}

/// What tells a report from others: its key and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed {
    /// The key.
    pub key: String,
    /// SHA-256 of the report as JSON, in hexadecimal digits.
    pub digest: String,
    /// The number of the request that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u32>,
}

impl Keyed {
    fn of(input: &ReportInput) -> Option<Keyed> {
        let mut said = Vec::new();
        let key = input.key.clone()?;
        json::encode_children(
            &input.to_data(),
            Some(ReportInput::node()),
            &mut said,
            &EncodeOptions::default(),
        );
        Some(Keyed { key, digest: hexadecimal(&Sha256::digest(&said)), request: None })
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
