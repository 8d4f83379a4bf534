//! A write of the draft's `tasks` as the operation that its `commuType` names.

use super::super::event::Event;
use super::super::operations;
use super::super::options::Options;
use super::super::state::State;
use super::{fits, has_ordered, nodes, ordered};
use crate::access::Principal;
use crate::ids::Fresh;
use crate::tasks;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::irtf_agent::{DataParams, DatatypeEnum, TaskSubscription, Tasks};
use crate::yang::generated::magent_task::{
    AssignTaskInput, AssignTaskInputCallback, AssignTaskInputData, AssignTaskInputNotification,
    AssignTaskInputTermExplains, CancelInput, SubscribeInput, SubscribeInputNotification,
};
use crate::yang::generated::magent_types::DataType;
use crate::yang::path::{InstancePath, Step};

/// What a write of `tasks` asks for.
pub(super) enum Intent {
    /// That a task is assigned.
    Assign,
    /// That a task is cancelled.
    Cancel,
    /// That a task is reported on.
    Subscribe,
    /// Nothing, and why.
    Nothing(&'static str),
}

/// The intent by `commuType`; the draft's own spelling is `taskAssgin`.
pub(super) fn intent(order: &Tasks) -> Intent {
    match order.commu_type.as_deref() {
        Some("taskAssgin" | "taskAssign") => Intent::Assign,
        Some("taskCancel") => Intent::Cancel,
        Some("taskResultSubscribe") if order.task_subscription.subscript_url.is_some() => Intent::Subscribe,
        None if order.content.is_some() => Intent::Assign,
        None => Intent::Nothing("without commuType and content nothing is ordered"),
        Some(
            "CapabilityRequest"
            | "taskResultQuery"
            | "taskResultSubscribe" // without a URL
            | "taskResultNotify"
            | "FeasibilityNegotiate"
            | "FulfillmentNegotiate",
        ) => Intent::Nothing("this commuType changes no task"),
        Some(_) => Intent::Nothing("this commuType is not known; it was stored and changes no task"),
    }
}

/// The events that a write of `tasks` brings about. `after` is the state with the write in it.
///
/// # Errors
/// Why the order is refused; the write is refused with it.
pub(in super::super) fn carry_out(
    after: &State,
    before: &State,
    options: &Options,
    principal: &Principal,
    fresh: &mut Fresh,
) -> Result<Vec<Event>, Error> {
    if !has_ordered(before.config.content(), after.config.content()) {
        return Ok(Vec::new());
    }
    let Some(order) = ordered(after.config.content()) else { return Ok(Vec::new()) };
    let task = match (intent(&order), order.task_id.clone()) {
        (Intent::Nothing(_), _) => return Ok(Vec::new()),
        (Intent::Assign, _) => None,
        (Intent::Cancel | Intent::Subscribe, Some(task)) => Some(task),
        (Intent::Cancel | Intent::Subscribe, None) => {
            let error = Error::application(Tag::MissingElement, "this commuType needs a task-id")
                .info("bad-element", "task-id");
            return Err(error.at(place()));
        }
    };
    let carried_out = match (task, receiver(&order)) {
        (Some(task), Some(receiver)) if matches!(intent(&order), Intent::Subscribe) => fits(&receiver)
            .and_then(|()| operations::subscribe(after, options, principal, &task, receiver, fresh)),
        (Some(task), _) => {
            operations::cancel(after, options, principal, &task, CancelInput { reason: None }, fresh)
        }
        (None, _) => {
            let sender = place().child(Step::plain(&nodes::TASKS_TASK_SEND_FROM));
            speaks_by_name(after, principal, order.task_send_from.as_deref()).map_err(|e| e.at(sender))?;
            let input = assignment(order, principal, options);
            fits(&input)
                .and_then(|()| operations::assign(after, options, principal, input, fresh))
                .map(|(events, _)| events)
        }
    };
    carried_out.map_err(|error| error.at(place()))
}

/// Where an order is refused.
fn place() -> InstancePath {
    InstancePath { steps: vec![Step::plain(&nodes::TASKS)] }
}

/// What `task-subscription` asks for, in the words of the draft.
fn receiver(order: &Tasks) -> Option<SubscribeInput> {
    let TaskSubscription { subscript_protocol: protocol, subscript_method: method, subscript_url } =
        order.task_subscription.clone();
    let notification = Some(SubscribeInputNotification::ConditionNotifications);
    Some(SubscribeInput { protocol, method, notification, ..SubscribeInput::new(subscript_url?) })
}

/// That what is sent without a sender is not sent as the agent of somebody else, who would see all of it.
///
/// # Errors
/// `missing-element`.
pub(super) fn speaks_by_name(
    state: &State,
    principal: &Principal,
    sender: Option<&str>,
) -> Result<(), Error> {
    let name = principal.speaker();
    match state.registry.owner(name) {
        Some(owner) if sender.is_none() && name == principal.name && owner != name => {
            let message = format!("\"{name}\" is an agent of another user here: say who sends this");
            let element = nodes::TASKS_TASK_SEND_FROM.name;
            Err(Error::application(Tag::MissingElement, message).info("bad-element", element))
        }
        _ => Ok(()),
    }
}

/// Without a sender it is the user; without a receiver it is the server's own agent.
fn assignment(order: Tasks, principal: &Principal, options: &Options) -> AssignTaskInput {
    let callback = receiver(&order).map(|receiver| AssignTaskInputCallback {
        url: receiver.url,
        protocol: receiver.protocol,
        method: receiver.method,
        notification: Some(AssignTaskInputNotification::ConditionNotifications),
        token: None,
    });
    let explains = order.term_explains.into_iter();
    let from = order.task_send_from.unwrap_or_else(|| principal.speaker().to_owned());
    let to = order.task_send_to.unwrap_or_else(|| options.profile.name.clone());
    AssignTaskInput {
        id: order.task_id,
        content: order.content,
        expected_response: order.expected_response,
        term_explains: explains
            .map(|t| AssignTaskInputTermExplains { term: t.term, explanation: t.explaination })
            .collect(),
        context: order.context,
        data: order.msg_data.into_iter().map(AssignTaskInputData::new).collect(),
        asynchronous: order.task_async.unwrap_or(true),
        callback,
        ..AssignTaskInput::new(from, to)
    }
}

/// The data object that an entry of `data-params` also is.
pub(super) fn given(data: DataParams) -> tasks::Event {
    let kind = match data.data_type {
        DatatypeEnum::Text => DataType::Text,
        DatatypeEnum::Image => DataType::Image,
        DatatypeEnum::Audio => DataType::Audio,
        DatatypeEnum::Video => DataType::Video,
    };
    tasks::Event::external(data.id, kind, data.description, data.format, data.data, data.url)
}
