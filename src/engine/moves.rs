//! Negotiations as the engine sees them: who may move, the data that goes with a move, and the
//! message that a move is in its context. The rules of the moves are `negotiation`'s.

use super::event::Event;
use super::operations::{exists, task_of};
use super::options::Options;
use super::speakers::{acts_for, gives, may, sees};
use super::state::State;
use crate::access::{Deed, Principal};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::negotiation::{self, TaskFacts};
use crate::tasks::life_cycle::has_ended;
use crate::tasks::{Attachment, Refusal};
use crate::yang::error::Error;
use crate::yang::generated::magent_registry::DelegatedRight;
use crate::yang::generated::magent_task::identities::{MessageType, NegotiationType};
use crate::yang::generated::magent_task::{
    Message, Negotiation, OpenNegotiationInput, OpenNegotiationOutput, RespondInput, RespondOutput,
};
use crate::yang::generated::magent_types::{NegotiationMove, TaskStatus};
use crate::yang::model::{self, IdentityEnum, Modelled};
use crate::yang::recast::recast_data;

/// Opens a negotiation in the name of its `from`.
pub(super) fn open(
    state: &State,
    options: &Options,
    principal: &Principal,
    input: OpenNegotiationInput,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, OpenNegotiationOutput), Error> {
    acts_for(state, principal, &input.from, Deed::May(DelegatedRight::Negotiate), fresh.now)?;
    gives(state, principal, &input.from, input.data.iter().map(|data| &data.id), fresh.now)?;
    // An opening that is repeated stays valid when what it refers to is gone.
    if input.id.as_deref().is_none_or(|id| state.negotiations.get(id).is_none()) {
        exists(state, options, &input.to, fresh.now)?;
        if let Some(context) = &input.context {
            state.tasks.admits(context, &input.from, &options.limits)?;
        }
    }
    let given = input.data.iter().cloned().map(Attachment::from).collect();
    let from = input.from.clone();
    let right = DelegatedRight::Negotiate;
    let task = input.task.as_deref().and_then(|id| task_of(state, principal, id, right, fresh.now).ok());
    let task = task.as_ref().map(|task| TaskFacts {
        from: &task.from,
        to: &task.to,
        is_under_way: task.status != TaskStatus::Created && !has_ended(task.status),
    });
    let (events, output) = state.negotiations.open(fresh, input, task, &options.limits)?;
    Ok((with_data(state, options, fresh, &from, given, events)?, output))
}

/// Makes a move in the name of its `from`.
pub(super) fn respond(
    state: &State,
    options: &Options,
    principal: &Principal,
    id: &str,
    input: RespondInput,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, RespondOutput), Error> {
    let negotiation = negotiation_of(state, principal, id, fresh.now)?;
    acts_for(state, principal, &input.from, Deed::May(DelegatedRight::Negotiate), fresh.now)?;
    gives(state, principal, &input.from, input.data.iter().map(|data| &data.id), fresh.now)?;
    let ends =
        matches!(input.move_, NegotiationMove::Accept | NegotiationMove::Reject | NegotiationMove::Withdraw);
    if let Some(context) = negotiation.context.as_deref().filter(|_| !ends) {
        state.tasks.admits(context, &input.from, &options.limits)?;
    }
    let given = input.data.iter().cloned().map(Attachment::from).collect();
    let from = input.from.clone();
    let (events, output) = state.negotiations.respond(fresh, id, input, &options.limits)?;
    Ok((with_data(state, options, fresh, &from, given, events)?, output))
}

/// A negotiation that the principal may see, or make moves in.
///
/// # Errors
/// `unknown-reference`, also of a negotiation of others.
pub(super) fn negotiation_of<'a>(
    state: &'a State,
    principal: &Principal,
    id: &str,
    now: Timestamp,
) -> Result<&'a Negotiation, Error> {
    let found = |n: &&Negotiation| {
        let parties = [n.initiator.clone(), n.responder.clone()];
        sees(state, principal, &parties, now)
            || parties.iter().any(|agent| may(state, principal, agent, DelegatedRight::Negotiate, now))
    };
    let unknown =
        || Refusal::UnknownReference.error(format!("There is no negotiation with the identifier \"{id}\"."));
    state.negotiations.get(id).filter(found).ok_or_else(unknown)
}

/// The events of a move after those that store the data given with it. A move that is only
/// repeated stores nothing.
fn with_data(
    state: &State,
    options: &Options,
    fresh: &Fresh,
    from: &str,
    given: Vec<Attachment>,
    events: Vec<negotiation::Event>,
) -> Result<Vec<Event>, Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let (stored, _) = state.tasks.attach(fresh.now, from, given, &options.limits)?;
    Ok(stored.into_iter().map(Event::Tasks).chain(events.into_iter().map(Event::Negotiation)).collect())
}

/// Called when a negotiation event was applied: the move is a message in its context, and its
/// data is now known to both agents.
pub(super) fn recorded(state: &mut State, revision: u64, at: Timestamp, event: &negotiation::Event) {
    if !matches!(event, negotiation::Event::Opened { .. } | negotiation::Event::Moved { .. }) {
        return;
    }
    let Some(negotiation) = event.negotiation() else { return };
    let Some(round) = negotiation.round.last() else { return };
    let Some(context) = &negotiation.context else {
        return state.tasks.share(&round.data, &[&negotiation.initiator, &negotiation.responder]);
    };
    let to =
        if round.from == negotiation.initiator { &negotiation.responder } else { &negotiation.initiator };
    let kind = match negotiation.type_.is_or_derives_from(NegotiationType::Fulfillment) {
        true => MessageType::FulfillmentNegotiate,
        false => MessageType::FeasibilityNegotiate,
    };
    use crate::yang::generated::magent_task::nodes as n;
    let mut data = recast_data(&round.to_data(), Message::node());
    model::put(&mut data, &n::INTERACTION_CONTEXTS_CONTEXT_MESSAGE_TYPE, &kind);
    model::put(&mut data, &n::INTERACTION_CONTEXTS_CONTEXT_MESSAGE_TO, to);
    model::put(&mut data, &n::INTERACTION_CONTEXTS_CONTEXT_MESSAGE_NEGOTIATION, &negotiation.id);
    model::put_optional(&mut data, &n::INTERACTION_CONTEXTS_CONTEXT_MESSAGE_TASK, &negotiation.task);
    if let Ok(message) = Message::from_data(&data) {
        state.tasks.record(revision, at, context, message);
    }
}
