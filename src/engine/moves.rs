//! Negotiations as the engine sees them: who may move, the data that goes with a move, and the
//! message that a move is in its context. The rules of the moves are `negotiation`'s.

use super::event::Event;
use super::operations::{exists, task_of};
use super::options::Options;
use super::policies::{self, Followed};
use super::speakers::{acts_for, gives, may, sees};
use super::state::State;
use crate::access::{Deed, Principal};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::negotiation::{self, Accounted, Course, Negotiations, TaskFacts};
use crate::tasks::life_cycle::has_ended;
use crate::tasks::{self, Attachment, Refusal};
use crate::yang::error::Error;
use crate::yang::generated::magent_registry::DelegatedRight;
use crate::yang::generated::magent_task::identities::{MessageType, NegotiationType};
use crate::yang::generated::magent_task::{
    Message, OpenNegotiationInput, OpenNegotiationOutput, RespondInput, RespondOutput, RoundTerm, Term,
};
use crate::yang::generated::magent_types::{NegotiationMove, NegotiationStatus, ResultVerdict, TaskStatus};
use crate::yang::model::{self, IdentityEnum, Modelled};
use crate::yang::recast::{recast, recast_data};

/// Opens a negotiation in the name of its `from`; `account` says why, if it is by a policy.
pub(super) fn open(
    state: &State,
    options: &Options,
    principal: &Principal,
    mut input: OpenNegotiationInput,
    account: Option<Accounted>,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, OpenNegotiationOutput), Error> {
    acts_for(state, principal, &input.from, Deed::May(DelegatedRight::Negotiate), fresh.now)?;
    gives(state, principal, &input.from, input.data.iter().map(|data| &data.id), fresh.now)?;
    let right = DelegatedRight::Negotiate;
    let task = input.task.as_deref().and_then(|id| task_of(state, principal, id, right, fresh.now).ok());
    let there = input.id.as_deref().and_then(|id| state.negotiations.get(id));
    // What is said of the fulfillment of a task belongs to the same exchange as its order.
    if input.context.is_none() && input.type_.is_or_derives_from(NegotiationType::Fulfillment) {
        let of_task = task.as_ref().filter(|task| task.to == input.from);
        let inherited = there.map_or_else(
            || of_task.and_then(|task| task.context.clone()),
            |there| there.head.context.clone(),
        );
        input.context = inherited;
    }
    // An opening that is repeated stays valid when what it refers to is gone.
    if there.is_none() {
        exists(state, options, &input.to, fresh.now)?;
        if let Some(context) = &input.context {
            state.tasks.admits(context, &input.from, &options.limits)?;
        }
    }
    let given: Vec<Attachment> = input.data.iter().cloned().map(Attachment::from).collect();
    let from = input.from.clone();
    let task = task.as_ref().map(|task| TaskFacts {
        from: &task.from,
        to: &task.to,
        is_under_way: tasks::is_under_way(task.status),
    });
    let (mut events, mut output) = state.negotiations.open(fresh, input, task, &options.limits)?;
    if events.is_empty() && !state.tasks.is_given(&from, &given) {
        let message = format!("The negotiation \"{}\" was opened with other data.", output.id);
        return Err(Refusal::IdInUse.error(message));
    }
    if let Some(negotiation::Event::Opened { account: place, .. }) = events.last_mut() {
        *place = account;
    }
    let mut followed = followed(state, options, fresh, &output.id, &from, &events);
    output.status = followed.status.unwrap_or(output.status);
    output.reply = followed.reply.as_ref().and_then(|round| recast(round).ok());
    let mut events = with_data(state, options, fresh, &from, given, events)?;
    events.append(&mut followed.events);
    Ok((events, output))
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
    if let Some(context) = negotiation.head.context.as_deref().filter(|_| !ends(input.move_)) {
        state.tasks.admits(context, &input.from, &options.limits)?;
    }
    let given = input.data.iter().cloned().map(Attachment::from).collect();
    let from = input.from.clone();
    let (events, mut output) = decided(state, options, &state.negotiations, id, input, fresh)?;
    let mut followed = followed(state, options, fresh, id, &from, &events);
    output.status = followed.status.unwrap_or(output.status);
    output.reply = followed.reply.as_ref().and_then(|round| recast(round).ok());
    let mut events = with_data(state, options, fresh, &from, given, events)?;
    events.append(&mut followed.events);
    Ok((events, output))
}

/// A move as the rules of negotiations have it, and as the task allows whose fulfillment would be agreed by it.
///
/// # Errors
/// Those of [`Negotiations::respond`]; `bad-transition` and `too-big` of the task.
pub(super) fn decided(
    state: &State,
    options: &Options,
    negotiations: &Negotiations,
    id: &str,
    input: RespondInput,
    fresh: &Fresh,
) -> Result<(Vec<negotiation::Event>, RespondOutput), Error> {
    let (events, output) = negotiations.respond(fresh, id, input, &options.limits)?;
    if output.status == NegotiationStatus::Agreed
        && let Some(course) = negotiations.get(id)
        && let Some(task) = course.fulfilled()
    {
        let terms = terms(course.standing().map_or(&[], |round| &round.term));
        let parties = [course.head.initiator.as_str(), course.head.responder.as_str()];
        state.tasks.can_agree(task, parties, &terms, &options.limits)?;
    }
    Ok((events, output))
}

/// Terms of a proposal as those of a task.
fn terms(of: &[RoundTerm]) -> Vec<Term> {
    of.iter().filter_map(|term| recast(term).ok()).collect()
}

/// Whether the move ends the negotiation.
pub(super) fn ends(made: NegotiationMove) -> bool {
    matches!(made, NegotiationMove::Accept | NegotiationMove::Reject | NegotiationMove::Withdraw)
}

/// What the server does by policies after these events, which happen in this negotiation because of the agent `by`.
fn followed(
    state: &State,
    options: &Options,
    fresh: &Fresh,
    id: &str,
    by: &str,
    events: &[negotiation::Event],
) -> Followed {
    let turn = events.last().and_then(|event| event.negotiation()?.turn.as_deref());
    if !turn.is_some_and(|agent| state.negotiations.represents(agent)) {
        return Followed::default();
    }
    let mut after = state.negotiations.clone();
    for event in events {
        after.apply(after.revision().saturating_add(1), fresh.now, event);
    }
    policies::follow(state, options, after, id, by, fresh)
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
) -> Result<&'a Course, Error> {
    let found = |course: &&Course| {
        let parties = [course.head.initiator.clone(), course.head.responder.clone()];
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

/// Called before an event of a task is applied: what was promised for the task is kept for it, and released at its end; what is
/// negotiated of its fulfillment does not outlast it.
pub(super) fn carried_out(state: &mut State, revision: u64, at: Timestamp, event: &tasks::Event) {
    match event {
        tasks::Event::TaskCreated { task } => {
            if let Some(negotiation) = &task.negotiation {
                state.negotiations.carried_out(revision, negotiation, &task.id);
            }
        }
        tasks::Event::TaskChanged { notice, .. } | tasks::Event::ResultVerified { notice, .. } => {
            let ended = match notice.status {
                TaskStatus::Finished => {
                    matches!(notice.verdict, Some(ResultVerdict::Accepted | ResultVerdict::Rejected))
                }
                status => has_ended(status),
            };
            if ended {
                state.negotiations.ended(revision, at, &notice.task, [&notice.from, &notice.to]);
            }
        }
        tasks::Event::TaskForgotten { task } => {
            if let Some(task) = state.tasks.get(task) {
                state.negotiations.ended(revision, at, &task.id, [&task.from, &task.to]);
            }
        }
        tasks::Event::InputAnswered { .. }
        | tasks::Event::CallbackMade { .. }
        | tasks::Event::CallbackWentOn { .. }
        | tasks::Event::CallbackEnded { .. }
        | tasks::Event::DataStored(_)
        | tasks::Event::DataRemoved { .. }
        | tasks::Event::DataGiven { .. } => {}
    }
}

/// What was agreed of the fulfillment of a task is from then on what it is executed and verified by.
fn fulfillment_agreed(state: &mut State, revision: u64, at: Timestamp, id: &str, amends: bool) {
    let Some((task, agreed)) =
        state.negotiations.get(id).and_then(|course| Some((course.fulfilled()?, course.agreed()?)))
    else {
        return;
    };
    let terms = terms(agreed);
    if !terms.is_empty() {
        let task = task.to_owned();
        state.tasks.agreed(revision, at, &task, terms, amends);
    }
}

/// Called when a negotiation event was applied: the move is a message in its context, and its
/// data is now known to both agents.
pub(super) fn recorded(state: &mut State, revision: u64, at: Timestamp, event: &negotiation::Event) {
    if !matches!(event, negotiation::Event::Opened { .. } | negotiation::Event::Moved { .. }) {
        return;
    }
    let Some(negotiation) = event.negotiation() else { return };
    let Some(round) = negotiation.round.last() else { return };
    let amends = matches!(event, negotiation::Event::Moved { amends: true, .. });
    fulfillment_agreed(state, revision, at, &negotiation.id, amends);
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
