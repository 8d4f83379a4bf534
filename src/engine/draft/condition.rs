//! A task event as the draft's `condition-notifications`.

use crate::clock::Timestamp;
use crate::yang::generated::irtf_agent::{ConditionNotifications, ConditionNotificationsInputRequired};
use crate::yang::generated::magent_irtf_bridge::{ConditionNotificationsEvent, ConditionNotificationsResult};
use crate::yang::generated::magent_task::{TaskEvent, TaskEventEvent};
use crate::yang::generated::magent_types::TaskStatus;
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;

/// The draft's notification for a `task-event`; `None` for any other notification.
pub(in super::super) fn condition(notification: &Notification, at: Timestamp) -> Option<Notification> {
    if notification.node != TaskEvent::node() {
        return None;
    }
    let event = TaskEvent::from_data(&notification.data).ok()?;
    // Who assigns a task is who cancels it; all else is told by who executes it (section 5.4).
    let (from, to) = (event.from, event.to);
    let (commu_type, sender, receiver) = match event.event {
        TaskEventEvent::Created => ("taskAssgin", from, to),
        TaskEventEvent::StatusChanged if event.status == TaskStatus::Cancelled => ("taskCancel", from, to),
        _ => ("taskResultNotify", to, from),
    };
    // A client that knows only the draft has no other leaf to read a question or a result from.
    let question = event.input_request.as_ref().and_then(|request| request.content.clone());
    let result = event.result.as_ref().and_then(|result| result.content.clone());
    let prompt = question.or(result).unwrap_or_else(|| format!("the task is {}", event.status.as_str()));
    let required = ConditionNotificationsInputRequired {
        task_async: None,
        status: Some(event.status.as_str().to_owned()),
        start_time: at.to_string(),
        // The draft's patterns want both titles on one line.
        required: format!(
            "## target object {} ## task description {}",
            one_line(&event.task),
            one_line(&prompt)
        ),
    };
    let result = event.result.map(|result| ConditionNotificationsResult {
        content: result.content,
        structured_content: result.structured_content,
        data: result.data,
        at: result.at,
    });
    let told = ConditionNotifications {
        task_send_from: Some(sender),
        task_send_to: Some(receiver),
        commu_type: Some(commu_type.to_owned()),
        task_id: Some(event.task),
        input_required: vec![required],
        event: ConditionNotificationsEvent {
            sequence: Some(event.sequence),
            status: Some(event.status),
            reason: event.reason,
            progress: event.progress,
            overdue: event.overdue,
            result,
        },
    };
    Some(Notification {
        node: ConditionNotifications::node(),
        data: told.to_data(),
        parties: notification.parties.clone(),
    })
}

/// A text as one line with something in it.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}
