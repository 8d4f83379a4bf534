//! What a fact about a task says in the task's context.
//!
//! It words a message and records none. What an agent did not write itself is said in the terms of the module: a report
//! on the status reads `processing` or `failed: no spare part`, a verification `rework: link 18 is still down`.

use super::Said;
use super::event::Event;
use crate::yang::generated::magent_task::identities::MessageType;
use crate::yang::generated::magent_task::{Message, Task, TaskEvent, TaskEventEvent};
use crate::yang::generated::magent_types::TaskStatus;

/// The message in which a task is assigned.
pub fn assignment(task: &Task) -> Message {
    Message {
        content: task.content.clone(),
        structured_content: task.structured_content.clone(),
        data: task.data.clone(),
        ..blank(MessageType::TaskAssign, &task.id, &task.from, &task.to)
    }
}

/// The message of a fact about a task that exists, or `None` if no agent says anything: the server speaks, or only the
/// progress was changed.
pub fn message(before: &Task, said: &Said, event: &Event) -> Option<Message> {
    match event {
        Event::TaskCreated { .. }
        | Event::TaskForgotten { .. }
        | Event::DataStored(_)
        | Event::DataGiven { .. }
        | Event::DataRemoved { .. }
        | Event::CallbackMade { .. }
        | Event::CallbackWentOn { .. }
        | Event::CallbackEnded { .. } => None,
        Event::TaskChanged { notice, by, .. } => {
            by.as_deref().and_then(|by| changed(before, said, notice, by))
        }
        Event::InputAnswered { notice, answer } => {
            let asked = notice.answered_request.and_then(|n| usize::try_from(n).ok()?.checked_sub(1));
            Some(Message {
                in_reply_to: asked.and_then(|index| said.requests.get(index)).copied().and_then(some),
                content: answer.content.clone(),
                structured_content: answer.structured_content.clone(),
                data: answer.data.clone(),
                ..blank(MessageType::InputAnswer, &notice.task, &notice.from, &notice.to)
            })
        }
        Event::ResultVerified { notice, comment } => Some(Message {
            in_reply_to: some(said.result),
            content: notice.verdict.map(|verdict| worded(verdict.as_str(), comment.as_deref())),
            ..blank(MessageType::TaskResultVerify, &notice.task, &notice.from, &notice.to)
        }),
    }
}

fn changed(before: &Task, said: &Said, notice: &TaskEvent, by: &str) -> Option<Message> {
    let from_executor = by == notice.to;
    let from_to = |kind| {
        let other = if from_executor { &notice.from } else { &notice.to };
        // The assigning agent says this of its own accord; what the other one says answers the assignment.
        let in_reply_to = some(said.assignment).filter(|_| from_executor);
        Message { in_reply_to, ..blank(kind, &notice.task, by, other) }
    };
    if let Some(request) = &notice.input_request {
        let (content, structured_content) = (request.content.clone(), request.structured_content.clone());
        return Some(Message { content, structured_content, ..from_to(MessageType::InputRequest) });
    }
    if let Some(result) = &notice.result {
        let (content, structured_content) = (result.content.clone(), result.structured_content.clone());
        return Some(Message {
            content,
            structured_content,
            data: result.data.clone(),
            ..from_to(MessageType::TaskResultNotify)
        });
    }
    if notice.status == TaskStatus::Cancelled {
        return Some(Message { content: notice.reason.clone(), ..from_to(MessageType::TaskCancel) });
    }
    let silent = notice.event == TaskEventEvent::Progressed && notice.reason == before.reason;
    let content = worded(notice.status.as_str(), notice.reason.as_deref());
    (!silent).then(|| Message { content: Some(content), ..from_to(MessageType::TaskStatusNotify) })
}

fn worded(what: &str, why: Option<&str>) -> String {
    why.map_or_else(|| what.to_owned(), |why| format!("{what}: {why}"))
}

fn some(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

/// A message that says nothing yet. Its number and time are set when it is recorded.
fn blank(kind: MessageType, task: &str, from: &str, to: &str) -> Message {
    Message {
        number: 0,
        type_: kind,
        from: from.to_owned(),
        to: to.to_owned(),
        task: Some(task.to_owned()),
        negotiation: None,
        move_: None,
        in_reply_to: None,
        term: Vec::new(),
        content: None,
        structured_content: None,
        section: Vec::new(),
        data: Vec::new(),
        at: String::new(),
    }
}
