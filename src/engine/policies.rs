//! Policies as the engine sees them: who may set and ask, and the moves that the server makes by them.
//!
//! What a policy decides is `negotiation`'s, and its moves pass the same door as those of the agents: [`moves`].

use super::event::Event;
use super::moves;
use super::operations::{Decided, input};
use super::options::Options;
use super::request::Invocation;
use super::speakers::{acts_for, of_own_side};
use super::state::State;
use crate::access::{Deed, Principal};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::negotiation::policies::{Answer, Judged, Said, Turn};
use crate::negotiation::{self, Accounted, Negotiations};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_policy::nodes as n;
use crate::yang::generated::magent_policy::{
    AdviseMoveInput, ExplainMovesInput, OpenByPolicyInput, OpenByPolicyOutput, ReleaseCommitmentInput,
    ReleaseCommitmentOutput, RemovePolicyInput, RemovePolicyOutput, SetAside, SetCapacityInput,
    SetCapacityOutput, SetPolicyInput, SetPolicyOutput,
};
use crate::yang::generated::magent_registry::DelegatedRight;
use crate::yang::generated::magent_task::{OpenNegotiationInput, Round};
use crate::yang::generated::magent_types::NegotiationStatus;
use crate::yang::model::{ModelError, Modelled};
use crate::yang::recast::recast;
use crate::yang::schema::Node;
use crate::yang::tree::Container;

/// Whether the operation is one of those here that change nothing.
pub(super) fn is_query(operation: &'static Node) -> bool {
    [&n::ADVISE_MOVE, &n::EXPLAIN_MOVES].contains(&operation)
}

/// Answers an operation that changes nothing; `None` if it is none of those here.
pub(super) fn query(
    state: &State,
    principal: &Principal,
    invocation: &Invocation,
    now: Timestamp,
    limits: &Limits,
) -> Result<Option<Container>, Error> {
    let operation = invocation.operation;
    if operation == &n::ADVISE_MOVE {
        let input: AdviseMoveInput = input(invocation)?;
        of_own_side(state, principal, &input.agent, now)?;
        return state.negotiations.advise(&input, now, limits).map(|output| Some(output.to_data()));
    }
    if operation == &n::EXPLAIN_MOVES {
        let input: ExplainMovesInput = input(invocation)?;
        of_own_side(state, principal, &input.agent, now)?;
        return state.negotiations.explain(&input).map(|output| Some(output.to_data()));
    }
    Ok(None)
}

/// Decides an operation on policies; `None` if it is none of those here.
pub(super) fn invoke(
    state: &State,
    options: &Options,
    principal: &Principal,
    invocation: &Invocation,
    fresh: &mut Fresh,
) -> Option<Decided> {
    let operation = invocation.operation;
    if operation == &n::SET_POLICY {
        Some(input(invocation).and_then(|input: SetPolicyInput| {
            of_own_side(state, principal, &input.agent, fresh.now)?;
            let events = state.negotiations.set_policy(&input, &options.limits)?;
            Ok((told(events), SetPolicyOutput {}.to_data()))
        }))
    } else if operation == &n::REMOVE_POLICY {
        Some(input(invocation).and_then(|input: RemovePolicyInput| {
            acts_for(state, principal, &input.agent, Deed::May(DelegatedRight::Negotiate), fresh.now)?;
            Ok((told(state.negotiations.remove_policy(input)?), RemovePolicyOutput {}.to_data()))
        }))
    } else if operation == &n::SET_CAPACITY {
        Some(input(invocation).and_then(|input: SetCapacityInput| {
            of_own_side(state, principal, &input.agent, fresh.now)?;
            Ok((told(state.negotiations.set_capacity(&input, fresh.now)?), SetCapacityOutput {}.to_data()))
        }))
    } else if operation == &n::RELEASE_COMMITMENT {
        Some(input(invocation).and_then(|input: ReleaseCommitmentInput| {
            of_own_side(state, principal, &input.agent, fresh.now)?;
            Ok((told(state.negotiations.release(input)?), ReleaseCommitmentOutput {}.to_data()))
        }))
    } else if operation == &n::OPEN_BY_POLICY {
        Some(input(invocation).and_then(|input| open(state, options, principal, input, fresh)))
    } else {
        None
    }
}

/// Whether an operation begins with what takes long.
pub(super) fn takes_long(operation: &'static Node) -> bool {
    operation == &n::SET_POLICY
}

/// Does of such an operation what takes long, before the one writer is asked.
///
/// # Errors
/// The writer would refuse it too.
pub(super) fn prepare(
    state: &State,
    options: &Options,
    principal: &Principal,
    invocation: &Invocation,
) -> Result<(), Error> {
    let input: SetPolicyInput = input(invocation)?;
    of_own_side(state, principal, &input.agent, options.clock.now())?;
    state.negotiations.prepare_policy(&input, &options.limits)
}

fn told(events: Vec<negotiation::Event>) -> Vec<Event> {
    events.into_iter().map(Event::Negotiation).collect()
}

/// Opens a negotiation with the best first proposal by a policy.
fn open(
    state: &State,
    options: &Options,
    principal: &Principal,
    input: OpenByPolicyInput,
    fresh: &mut Fresh,
) -> Decided {
    of_own_side(state, principal, &input.from, fresh.now)?;
    let terms = |e: ModelError| Error::application(Tag::OperationFailed, e.to_string());
    // If it is repeated, it is opened with what was offered then; what could be offered now may be something else.
    let first = match state.negotiations.opened_by_policy(&input) {
        Some(first) => first,
        None => state.negotiations.first_offer(&input, &options.limits, fresh.now)?,
    };
    let opening = OpenNegotiationInput {
        id: input.id,
        type_: input.type_,
        from: input.from,
        to: input.to,
        task: input.task,
        task_type: input.task_type,
        context: input.context,
        lifetime: input.lifetime,
        deadline: input.deadline,
        max_rounds: input.max_rounds,
        term: first.terms.iter().map(recast).collect::<Result<_, _>>().map_err(terms)?,
        content: input.content,
        structured_content: input.structured_content,
        data: Vec::new(),
    };
    let term = first.terms.iter().map(recast).collect::<Result<_, _>>().map_err(terms)?;
    let (events, output) = moves::open(state, options, principal, opening, Some(first.account), fresh)?;
    let reply = output.reply.as_ref().map(recast).transpose().map_err(terms)?;
    let output = OpenByPolicyOutput { id: output.id, status: output.status, term, reply };
    Ok((events, output.to_data()))
}

/// What became of a negotiation by the moves that the server made in it by policies.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// What happened.
    pub(super) events: Vec<Event>,
    /// The status after it; `None` if nothing happened.
    pub(super) status: Option<NegotiationStatus>,
    /// The latest round of the agent that was asked about.
    pub(super) reply: Option<Round>,
}

/// The moves that the server makes by policies in a negotiation that stands as `after` says: in turn, until one agent has
/// to move itself or there were as many as there may be at once. `to` is the agent to whom the other one's latest is told.
pub(super) fn follow(
    state: &State,
    options: &Options,
    mut after: Negotiations,
    id: &str,
    to: &str,
    fresh: &Fresh,
) -> Followed {
    let mut followed = Followed::default();
    for _ in 0..options.limits.negotiation_moves_at_once_max {
        let Some(event) = answer(state, options, &after, id, fresh) else { break };
        after.apply(after.revision().saturating_add(1), fresh.now, &event);
        if let Some(negotiation) = event.negotiation() {
            followed.status = Some(negotiation.status);
            let others = negotiation.round.last().filter(|round| round.from != to);
            followed.reply = others.cloned().or(followed.reply);
        }
        followed.events.push(Event::Negotiation(event));
    }
    followed
}

/// The moves that the server makes by policies in a negotiation that waits for them.
pub(super) fn go_on(state: &State, options: &Options, id: &str, fresh: &Fresh) -> Vec<Event> {
    follow(state, options, state.negotiations.clone(), id, "", fresh).events
}

/// What the server does next by a policy in a negotiation, if anything.
pub(super) fn answer(
    state: &State,
    options: &Options,
    negotiations: &Negotiations,
    id: &str,
    fresh: &Fresh,
) -> Option<negotiation::Event> {
    let patience = options.judges.patience();
    match negotiations.answer(id, fresh.now, patience, &options.limits)? {
        Answer::Move(turn) => made(state, options, negotiations, id, turn, fresh),
        Answer::Ask(asked) => Some(negotiation::Event::Asked { id: id.to_owned(), asked }),
    }
}

/// What a model has led to that was asked at a position of the log about the move in a negotiation.
#[derive(Debug)]
pub(super) struct Judgement {
    /// What happened.
    pub(super) events: Vec<Event>,
    /// Why what it said, or a part of that, was set aside.
    pub(super) set_aside: Option<SetAside>,
}

/// The move that a model that was asked leads to, and what follows; `None` if nobody waits for it any more.
pub(super) fn judged(
    state: &State,
    options: &Options,
    id: &str,
    (position, said): (u64, &Said),
    fresh: &Fresh,
) -> Option<Judgement> {
    let Judged { turn, otherwise } =
        state.negotiations.judged(id, (position, said), fresh.now, &options.limits)?;
    let move_by = |turn: Turn| made(state, options, &state.negotiations, id, turn, fresh);
    let first = move_by(turn).filter(|event| matches!(event, negotiation::Event::Moved { .. }));
    let first = first.or_else(|| move_by(otherwise))?;
    let judgement = first.account().and_then(|account| account.account.judgement.as_ref());
    let set_aside = judgement.and_then(|judgement| judgement.set_aside);
    let mut after = state.negotiations.clone();
    after.apply(after.revision().saturating_add(1), fresh.now, &first);
    let mut events = vec![Event::Negotiation(first)];
    events.append(&mut follow(state, options, after, id, "", fresh).events);
    Some(Judgement { events, set_aside })
}

/// The event of a move by a policy: the move, or that it is left to the agent.
fn made(
    state: &State,
    options: &Options,
    negotiations: &Negotiations,
    id: &str,
    turn: Turn,
    fresh: &Fresh,
) -> Option<negotiation::Event> {
    let left = |account: Accounted| negotiation::Event::Left { id: id.to_owned(), account };
    let response = match turn.response() {
        Ok(Some(response)) => response,
        Ok(None) => return Some(left(turn.account)),
        Err(error) => return Some(left(turn.left(&error.to_string()))),
    };
    let context = negotiations.get(id).and_then(|course| course.head.context.as_deref());
    let admitted = match context {
        Some(context) if !moves::ends(response.move_) => {
            state.tasks.admits(context, &response.from, &options.limits)
        }
        _ => Ok(()),
    };
    let moved = admitted.and_then(|()| moves::decided(state, options, negotiations, id, response, fresh));
    match moved.map(|(events, _)| events.into_iter().next()) {
        Ok(Some(negotiation::Event::Moved { negotiation, amends, .. })) => {
            Some(negotiation::Event::Moved { negotiation, account: Some(turn.account), amends })
        }
        Ok(_) => None,
        Err(error) => Some(left(turn.left(&error.to_string()))),
    }
}
