//! What has happened to tasks and data: the facts in the log, and the notifications that tell of them.
//!
//! A fact is complete: applying or announcing it needs nothing else. It never says whether something may happen.

use serde::{Deserialize, Serialize};

use super::callbacks::{Progress, Receiver};
use super::data::Stored;
use super::life_cycle::has_ended;
use super::report::Keyed;
use crate::limits::Limits;
use crate::yang::converted::Converted;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_task::{Answer, AssignTaskInputData, Task, TaskEvent, TaskEventEvent};
use crate::yang::generated::magent_types::{DataType, TaskStatus};
use crate::yang::json;
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::stored;

/// A fact about a task, or about data.
///
/// A fact about a task holds the `task-event` that announces it, and what that does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "the large ones are nearly all there are")]
pub enum Event {
    /// A task was created.
    TaskCreated {
        /// The task as it then is.
        #[serde(with = "crate::yang::stored")]
        task: Converted<Task>,
    },
    /// The status, the reason or the progress was changed, a deadline passed, input was asked for or a result reported.
    TaskChanged {
        /// What is announced.
        #[serde(with = "crate::yang::stored")]
        notice: TaskEvent,
        /// The agent that did it; `None`: the server.
        by: Option<String>,
        /// What tells this report from others, if it was one that has a key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Keyed>,
    },
    /// The assigning agent answered a request for input.
    InputAnswered {
        /// What is announced.
        #[serde(with = "crate::yang::stored")]
        notice: TaskEvent,
        /// The answer.
        #[serde(with = "crate::yang::stored")]
        answer: Answer,
    },
    /// The assigning agent verified the result.
    ResultVerified {
        /// What is announced.
        #[serde(with = "crate::yang::stored")]
        notice: TaskEvent,
        /// What it says of it.
        comment: Option<String>,
    },
    /// Somebody is to be told of a task by requests of the server, or otherwise than before.
    CallbackMade {
        /// The task, which may be about to be created.
        task: String,
        /// Identifier of the subscription.
        id: String,
        /// The agent that wants it.
        agent: String,
        /// Who is told, where and how.
        receiver: Receiver,
    },
    /// How far a receiver has come.
    CallbackWentOn {
        /// The task.
        task: String,
        /// Identifier of the subscription.
        id: String,
        /// What became of deliveries; `None`: they begin again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<Progress>,
    },
    /// Nobody is told any more there.
    CallbackEnded {
        /// The task.
        task: String,
        /// Identifier of the subscription.
        id: String,
        /// The agent that wanted it.
        agent: String,
    },
    /// A task that had ended is no longer kept, to make room.
    TaskForgotten {
        /// Its identifier.
        task: String,
    },
    /// A part of a data object was stored.
    DataStored(Stored),
    /// A data object of an agent is no longer kept.
    DataRemoved {
        /// Its identifier.
        id: String,
        /// The agent that owned it.
        owner: String,
    },
    /// Data came another way than from an agent. It takes the place of what came that way before.
    DataGiven {
        /// The data.
        #[serde(with = "crate::yang::stored")]
        data: AssignTaskInputData,
    },
}

impl Event {
    /// What is stored of it, as JSON.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            // What is stored most is written at once; the serializer would have it written, read and copied.
            Event::TaskCreated { task } => {
                let mut out = Vec::with_capacity(1024);
                out.extend_from_slice(b"{\"task-created\":{\"task\":");
                stored::write::<Task>(task.data(), &mut out);
                out.extend_from_slice(b"}}");
                Ok(out)
            }
            _ => serde_json::to_vec(self),
        }
    }

    /// Whether content without a schema is in it.
    pub fn has_any(&self) -> bool {
        match self {
            Event::TaskCreated { task } => task.structured_content.is_some(),
            Event::InputAnswered { answer, .. } => answer.structured_content.is_some(),
            Event::TaskChanged { notice, .. } => {
                let asked = notice.input_request.as_ref().and_then(|asked| asked.structured_content.as_ref());
                let result = notice.result.as_ref().and_then(|result| result.structured_content.as_ref());
                asked.or(result).is_some()
            }
            Event::ResultVerified { .. }
            | Event::TaskForgotten { .. }
            | Event::DataStored(_)
            | Event::DataGiven { .. }
            | Event::DataRemoved { .. }
            | Event::CallbackMade { .. }
            | Event::CallbackWentOn { .. }
            | Event::CallbackEnded { .. } => false,
        }
    }

    /// The agent whose tasks or data it changes: who has assigned the task, who owns the data.
    pub fn account(&self) -> Option<&str> {
        match self {
            Event::TaskCreated { task } => Some(&task.from),
            Event::TaskChanged { notice, .. }
            | Event::InputAnswered { notice, .. }
            | Event::ResultVerified { notice, .. } => Some(&notice.from),
            Event::DataStored(stored) => stored.object.owner.as_deref(),
            Event::CallbackMade { agent, .. } | Event::CallbackEnded { agent, .. } => Some(agent),
            Event::DataRemoved { owner, .. } => Some(owner),
            Event::TaskForgotten { .. } | Event::DataGiven { .. } | Event::CallbackWentOn { .. } => None,
        }
    }

    /// The task that was created.
    pub fn assigned(&self) -> Option<&str> {
        match self {
            Event::TaskCreated { task } => Some(&task.id),
            Event::TaskChanged { .. }
            | Event::InputAnswered { .. }
            | Event::ResultVerified { .. }
            | Event::TaskForgotten { .. }
            | Event::DataStored(_)
            | Event::DataGiven { .. }
            | Event::DataRemoved { .. }
            | Event::CallbackMade { .. }
            | Event::CallbackWentOn { .. }
            | Event::CallbackEnded { .. } => None,
        }
    }

    /// What is announced of a task that exists.
    pub(super) fn notice(&self) -> Option<&TaskEvent> {
        match self {
            Event::TaskChanged { notice, .. }
            | Event::InputAnswered { notice, .. }
            | Event::ResultVerified { notice, .. } => Some(notice),
            Event::TaskCreated { .. }
            | Event::TaskForgotten { .. }
            | Event::DataStored(_)
            | Event::DataGiven { .. }
            | Event::DataRemoved { .. }
            | Event::CallbackMade { .. }
            | Event::CallbackWentOn { .. }
            | Event::CallbackEnded { .. } => None,
        }
    }

    /// The same, if the task ends with it.
    pub(super) fn ending(&self) -> Option<&TaskEvent> {
        self.notice().filter(|notice| {
            notice.previous_status.is_some_and(|before| !has_ended(before)) && has_ended(notice.status)
        })
    }

    /// The task that it announces something of.
    pub(super) fn task(&self) -> Option<&str> {
        self.assigned().or_else(|| self.notice().map(|notice| notice.task.as_str()))
    }

    /// The fact that data came another way than from an agent, such as an entry of the draft's `data-params`. The object is
    /// nobody's. It leaves an object alone that is an agent's.
    pub fn external(
        id: String,
        data_type: DataType,
        description: Option<String>,
        media_type: Option<String>,
        text: Option<String>,
        url: Option<String>,
    ) -> Event {
        let data_type = Some(data_type);
        // The two are cases of one choice here; the draft lets both be there.
        let url = url.filter(|_| text.is_none());
        Event::DataGiven {
            data: AssignTaskInputData { id, data_type, description, media_type, text, binary: None, url },
        }
    }

    /// The notification that announces it: `task-event`, private to the two agents. Data is not announced.
    pub(super) fn announce(&self) -> Option<Notification> {
        let created;
        let notice = match self {
            Event::TaskCreated { task } => {
                created =
                    TaskEvent { sequence: task.event_sequence, ..notice(task, TaskEventEvent::Created) };
                &created
            }
            other => other.notice()?,
        };
        let parties = vec![notice.from.clone(), notice.to.clone()];
        Some(Notification { node: TaskEvent::node(), data: notice.to_data(), parties })
    }
}

/// Whether what is said is short enough.
///
/// # Errors
/// `too-big`.
pub(super) fn fits<T: Modelled>(said: &T, limits: &Limits) -> Result<(), Error> {
    let mut text = Vec::with_capacity(1024);
    json::encode_children(&said.to_data(), Some(T::node()), &mut text, &EncodeOptions::default());
    if text.len() <= limits.task_message_bytes_max {
        return Ok(());
    }
    let (size, most) = (text.len(), limits.task_message_bytes_max);
    let message = format!(
        "What is said has {size} octets as JSON, and no more than {most} are allowed. Use data objects."
    );
    Err(Error::application(Tag::TooBig, message))
}

/// The next `task-event` of a task that stays as it is.
pub(super) fn notice(task: &Task, event: TaskEventEvent) -> TaskEvent {
    TaskEvent {
        task: task.id.clone(),
        sequence: task.event_sequence.saturating_add(1),
        event,
        from: task.from.clone(),
        to: task.to.clone(),
        context: task.context.clone(),
        status: task.status,
        reason: task.reason.clone(),
        progress: task.progress,
        overdue: task.overdue,
        previous_status: None,
        input_request: None,
        answered_request: None,
        result: None,
        verdict: None,
        part: None,
        part_status: None,
    }
}

/// The next `task-event` of a task that takes this status. The reason of another status does not outlive it.
pub(super) fn change(
    task: &Task,
    event: TaskEventEvent,
    status: TaskStatus,
    reason: Option<String>,
) -> TaskEvent {
    let changes = status != task.status;
    TaskEvent {
        status,
        previous_status: changes.then_some(task.status),
        reason: if changes { reason } else { reason.or_else(|| task.reason.clone()) },
        ..notice(task, event)
    }
}
