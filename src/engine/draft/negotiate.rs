//! The draft's `task-negotiate` as a move of a negotiation: it opens one, or goes on with the
//! open one of these agents about this task. With the `commuType` CapabilityRequest it is a question and no move.

use std::sync::Arc;

use serde_json::json;

use super::super::event::Event;
use super::super::options::Options;
use super::super::request::{Form, Invocation};
use super::super::speakers::acts_for;
use super::super::state::State;
use super::super::{moves, operations};
use super::orders::speaks_by_name;
use crate::access::{Deed, Principal};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::negotiation::Course;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::irtf_agent::{TaskNegotiateInput, TaskNegotiateInputType, TaskNegotiateOutput};
use crate::yang::generated::magent_irtf_bridge::{TaskNegotiateInputRound, TaskNegotiateOutputRound};
use crate::yang::generated::magent_registry::{
    DelegatedRight, NegotiateCapabilitiesInput, NegotiateCapabilitiesOutput, nodes as registry,
};
use crate::yang::generated::magent_task::{
    OpenNegotiationInput, OpenNegotiationInputTerm, RespondInput, RespondInputTerm,
    identities::NegotiationType,
};
use crate::yang::generated::magent_types::{NegotiationMove, NegotiationStatus};
use crate::yang::json;
use crate::yang::model::{ModelError, Modelled};
use crate::yang::recast::recast;
use crate::yang::tree::AnyData;

const NEGOTIATE: Deed = Deed::May(DelegatedRight::Negotiate);

/// Decides a call of `task-negotiate`.
///
/// # Errors
/// Those of the move that it makes.
pub(in super::super) fn negotiate(
    state: &State,
    options: &Options,
    principal: &Principal,
    input: TaskNegotiateInput,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, TaskNegotiateOutput), Error> {
    if input.type_.is_none() && input.commu_type.as_deref() == Some("CapabilityRequest") {
        return Ok((Vec::new(), capabilities(state, options, principal, input, fresh.now)?));
    }
    let answers_round = input.round.is_some();
    let kind = kind(&input);
    let content = (!input.content.is_empty()).then(|| input.content.join("\n"));
    let mut round = input.round.unwrap_or_default();
    round.content = round.content.or(content);
    let current = match &round.negotiation {
        Some(id) => Some(moves::negotiation_of(state, principal, id, fresh.now)?),
        None => {
            speaks_by_name(state, principal, input.task_send_from.as_deref())?;
            let from = input.task_send_from.as_deref().unwrap_or(principal.speaker());
            let to = input.task_send_to.as_deref().unwrap_or(&options.profile.name);
            let task = input.task_id.as_deref();
            // Who may not speak for the sender does not learn either whether there is one.
            acts_for(state, principal, from, NEGOTIATE, fresh.now)?;
            let open = |a, b| state.negotiations.find_open(a, b, kind, task, fresh.now);
            open(from, to).or_else(|| open(to, from))
        }
    };
    let (events, outcome) = match current {
        Some(negotiation) => {
            let from = match input.task_send_from {
                Some(from) => from,
                None => speaker(state, principal, negotiation, fresh.now),
            };
            respond(state, options, principal, negotiation, from, round, fresh)?
        }
        None => {
            let from = input.task_send_from.unwrap_or_else(|| principal.speaker().to_owned());
            let to = input.task_send_to.unwrap_or_else(|| options.profile.name.clone());
            let opening = OpenNegotiationInput {
                id: None,
                type_: kind,
                from,
                to,
                task: input.task_id,
                task_type: None,
                context: None,
                lifetime: None,
                deadline: None,
                max_rounds: None,
                term: terms(&round, recast::<_, OpenNegotiationInputTerm>)?,
                content: round.content,
                structured_content: round.structured_content,
                data: Vec::new(),
            };
            super::fits(&opening).map_err(|e| Error { path: None, ..e })?;
            let (events, output) = moves::open(state, options, principal, opening, None, fresh)?;
            (events, Outcome { negotiation: output.id, status: output.status, number: 1 })
        }
    };
    Ok((events, outcome.output(answers_round)))
}

/// What the two agents have in common, as `negotiate-capabilities` says it.
fn capabilities(
    state: &State,
    options: &Options,
    principal: &Principal,
    input: TaskNegotiateInput,
    now: Timestamp,
) -> Result<TaskNegotiateOutput, Error> {
    let to = input.task_send_to.unwrap_or_else(|| options.profile.name.clone());
    let asked =
        NegotiateCapabilitiesInput { from: input.task_send_from, ..NegotiateCapabilitiesInput::new(to) };
    super::fits(&asked).map_err(|e| Error { path: None, ..e })?;
    let operation = &registry::NEGOTIATE_CAPABILITIES;
    let input = Arc::new(asked.to_data());
    let invocation = Invocation { operation, target: None, input, form: Form::Json };
    let found = operations::query(state, options, principal, &invocation, now)?;
    let mut text = Vec::new();
    let node = NegotiateCapabilitiesOutput::node();
    json::encode_children(&found, Some(node), &mut text, &EncodeOptions::default());
    let data =
        serde_json::from_slice(&text).map_err(|e| Error::application(Tag::OperationFailed, e.to_string()))?;
    Ok(TaskNegotiateOutput { data: Some(AnyData::Json(Arc::new(data))), round: None })
}

/// Where a negotiation stands after the call.
struct Outcome {
    negotiation: String,
    status: NegotiationStatus,
    number: u32,
}

impl Outcome {
    /// `data` for every client; `round` for one that knows the bridge.
    fn output(self, with_round: bool) -> TaskNegotiateOutput {
        let data = json!({
            "negotiation": self.negotiation,
            "status": self.status.as_str(),
            "round": self.number.to_string(),
        });
        let round = with_round.then_some(TaskNegotiateOutputRound {
            negotiation: self.negotiation,
            status: self.status,
            number: self.number,
            move_: None,
            term: Vec::new(),
            content: None,
            structured_content: None,
        });
        TaskNegotiateOutput { data: Some(AnyData::Json(Arc::new(data))), round }
    }
}

fn respond(
    state: &State,
    options: &Options,
    principal: &Principal,
    negotiation: &Course,
    from: String,
    round: TaskNegotiateInputRound,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, Outcome), Error> {
    let latest = negotiation.latest();
    let in_reply_to = match (round.in_reply_to, &round.negotiation) {
        (Some(number), _) => number,
        (None, None) => latest,
        (None, Some(_)) => {
            let message = "\"in-reply-to\" is required if \"negotiation\" is given";
            return Err(Error::application(Tag::MissingElement, message).info("bad-element", "in-reply-to"));
        }
    };
    let response = RespondInput {
        in_reply_to,
        move_: round.move_.unwrap_or_else(|| proposal(negotiation, &from)),
        term: terms(&round, recast::<_, RespondInputTerm>)?,
        content: round.content,
        structured_content: round.structured_content,
        data: Vec::new(),
        from,
    };
    let (events, output) = moves::respond(state, options, principal, &negotiation.head.id, response, fresh)?;
    let negotiation = negotiation.head.id.clone();
    Ok((events, Outcome { negotiation, status: output.status, number: output.number }))
}

/// `counter` if the other agent's proposal stands, else `propose`.
fn proposal(negotiation: &Course, from: &str) -> NegotiationMove {
    match negotiation.standing() {
        Some(round) if round.from != from => NegotiationMove::Counter,
        _ => NegotiationMove::Propose,
    }
}

/// Who speaks in a round that names no sender: the party that the user can act for, or of two
/// the one whose turn it is.
fn speaker(state: &State, principal: &Principal, negotiation: &Course, now: Timestamp) -> String {
    let negotiation = &negotiation.head;
    let may = |agent: &String| acts_for(state, principal, agent, NEGOTIATE, now).is_ok();
    match (may(&negotiation.initiator), may(&negotiation.responder)) {
        (true, false) => negotiation.initiator.clone(),
        (false, true) => negotiation.responder.clone(),
        _ => negotiation.turn.clone().unwrap_or_else(|| negotiation.initiator.clone()),
    }
}

/// By `type`, else by `commuType`, else feasibility.
fn kind(input: &TaskNegotiateInput) -> NegotiationType {
    match (input.type_, input.commu_type.as_deref()) {
        (Some(TaskNegotiateInputType::Fulfillment), _) | (None, Some("FulfillmentNegotiate")) => {
            NegotiationType::Fulfillment
        }
        _ => NegotiationType::Feasibility,
    }
}

fn terms<T>(
    round: &TaskNegotiateInputRound,
    as_term: impl Fn(&crate::yang::generated::magent_irtf_bridge::TaskNegotiateInputTerm) -> Result<T, ModelError>,
) -> Result<Vec<T>, Error> {
    let terms: Result<Vec<T>, ModelError> = round.term.iter().map(as_term).collect();
    terms.map_err(|e| Error::application(Tag::MissingElement, e.to_string()).info("bad-element", e.node.name))
}
