//! The operations `open-negotiation` and `respond`.
//!
//! They give the events and the output, and never change a negotiation themselves.

use super::step::{Party, Refusal, State, step};
use super::{Event, Negotiations, party, standing, state, terms, without_rounds};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_task::{
    Negotiation, OpenNegotiationInput, OpenNegotiationOutput, RespondInput, RespondOutput, Round, Term,
    identities::NegotiationType,
};
use crate::yang::generated::magent_types::{NegotiationMove, NegotiationStatus};
use crate::yang::json;
use crate::yang::model::{IdentityEnum, ModelError, Modelled};
use crate::yang::recast::recast;
use crate::yang::tree::AnyData;

/// What has to be known of a task to negotiate its fulfillment.
#[derive(Debug, Clone, Copy)]
pub struct TaskFacts<'a> {
    /// The agent that assigned it.
    pub from: &'a str,
    /// The agent that executes it.
    pub to: &'a str,
    /// Whether its status lets its outcome be negotiated: it was begun and is not over.
    pub is_under_way: bool,
}

/// The values of `error-app-tag` that are given here, each with its `error-tag`; the table of both
/// is in the module's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    NotAuthorized,
    IdInUse,
    UnknownReference,
    ContentMissing,
    DeadlinePassed,
    BadTransition,
    NotYourTurn,
    StaleRound,
    BadMove,
    LastRound,
    BadTerms,
    TooMany,
}

impl Refused {
    /// The error for a client; `message` names the place and the rule.
    pub(super) fn error(self, message: impl Into<String>) -> Error {
        let (app_tag, tag) = match self {
            Refused::NotAuthorized => ("not-authorized", Tag::AccessDenied),
            Refused::IdInUse => ("id-in-use", Tag::DataExists),
            Refused::UnknownReference => ("unknown-reference", Tag::DataMissing),
            Refused::ContentMissing => ("content-missing", Tag::OperationFailed),
            Refused::DeadlinePassed => ("deadline-passed", Tag::InvalidValue),
            Refused::BadTransition => ("bad-transition", Tag::OperationFailed),
            Refused::NotYourTurn => ("not-your-turn", Tag::OperationFailed),
            Refused::StaleRound => ("stale-round", Tag::OperationFailed),
            Refused::BadMove => ("bad-move", Tag::OperationFailed),
            Refused::LastRound => ("last-round", Tag::OperationFailed),
            Refused::BadTerms => ("bad-terms", Tag::InvalidValue),
            Refused::TooMany => ("too-many", Tag::ResourceDenied),
        };
        Error::application(tag, message).app_tag(app_tag)
    }
}

impl Negotiations {
    /// `open-negotiation`. `task` is what is known of the task that the input names, if it exists.
    ///
    /// The same agent can repeat it with the same identifier and content: nothing happens, and the
    /// output tells of the negotiation that there is.
    ///
    /// # Errors
    /// See the table of the module: `id-in-use`, `deadline-passed`, `content-missing`, `bad-terms`,
    /// `too-many`; for a fulfillment negotiation also `unknown-reference`, `not-authorized` and
    /// `bad-transition`.
    pub fn open(
        &self,
        fresh: &mut Fresh,
        input: OpenNegotiationInput,
        task: Option<TaskFacts<'_>>,
        limits: &Limits,
    ) -> Result<(Vec<Event>, OpenNegotiationOutput), Error> {
        let now = fresh.now;
        let negotiation = opening(fresh, input, limits)?;
        let id = negotiation.id.clone();
        let output = |status| OpenNegotiationOutput { id, status, reply: None };
        match self.get(&negotiation.id) {
            Some(there) if same_opening(there, &negotiation) => {
                return Ok((Vec::new(), output(there.status)));
            }
            Some(there) => {
                return Err(
                    Refused::IdInUse.error(format!("another negotiation has the identifier {:?}", there.id))
                );
            }
            None => {}
        }
        if negotiation.deadline.as_ref().is_some_and(|deadline| time(deadline).is_ok_and(|at| at <= now)) {
            let deadline = negotiation.deadline.unwrap_or_default();
            return Err(
                Refused::DeadlinePassed.error(format!("the deadline {deadline} is not in the future"))
            );
        }
        if negotiation.type_.is_or_derives_from(NegotiationType::Fulfillment) {
            fulfills(&negotiation, task)?;
        }
        let mut events = self.room(&negotiation.initiator, limits)?;
        events.push(Event::Opened { negotiation });
        Ok((events, output(NegotiationStatus::Open)))
    }

    /// The action `respond` of the negotiation with this identifier.
    ///
    /// # Errors
    /// See the table of the module: `unknown-reference`, `not-authorized`, `bad-transition`,
    /// `stale-round`, `not-your-turn`, `bad-move`, `last-round`, `content-missing`, `bad-terms`.
    pub fn respond(
        &self,
        fresh: &Fresh,
        id: &str,
        input: RespondInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, RespondOutput), Error> {
        let now = fresh.now;
        let before = self.get(id);
        let before = before
            .ok_or_else(|| Refused::UnknownReference.error(format!("there is no negotiation {id:?}")))?;
        let by = party(before, &input.from).ok_or_else(|| {
            Refused::NotAuthorized
                .error(format!("the agent {:?} is no party of the negotiation {id:?}", input.from))
        })?;
        let state = state(before, now);
        if matches!(state, State::Open { .. }) && input.move_ != NegotiationMove::Withdraw {
            answers_latest(before, input.in_reply_to)?;
        }
        let next = step(state, input.move_, by).map_err(|refusal| refused(before, input.move_, refusal))?;
        let number = u32::try_from(before.round.len()).unwrap_or(u32::MAX).saturating_add(1);
        let said = Said {
            terms: input.term.iter().map(recast).collect::<Result<_, _>>().map_err(broken)?,
            content: input.content,
            structured_content: input.structured_content,
            data: input.data.into_iter().map(|data| data.id).collect(),
        };
        let round = said.round(number, input.from, input.move_, now, limits)?;

        let mut negotiation = without_rounds(before);
        negotiation.status = status(next);
        negotiation.turn = None;
        negotiation.expires_at = None;
        match next {
            State::Open { turn, .. } => {
                let turn = if turn == Party::Initiator { &before.initiator } else { &before.responder };
                negotiation.turn = Some(turn.clone());
                negotiation.expires_at = Some(expiry(&negotiation, now)?.to_string());
            }
            State::Agreed => negotiation.agreed_round = standing(before).map(|round| round.number),
            State::Rejected | State::Withdrawn | State::Expired => {}
        }
        negotiation.round.push(round);
        let output = RespondOutput { status: negotiation.status, number, reply: None };
        Ok((vec![Event::Moved { negotiation }], output))
    }

    /// Whether the agent can open one more negotiation, with what has to be forgotten for it.
    fn room(&self, initiator: &str, limits: &Limits) -> Result<Vec<Event>, Error> {
        let open = self.open_of(initiator);
        if open >= limits.negotiations_open_max {
            let most = limits.negotiations_open_max;
            let message = format!("the agent {initiator:?} has {open} open negotiations; {most} are allowed");
            return Err(Refused::TooMany.error(message));
        }
        if self.all.len() < limits.negotiations_max {
            return Ok(Vec::new());
        }
        match self.ended.get_min() {
            Some((_, id)) => Ok(vec![Event::Forgotten { id: id.to_string() }]),
            None => {
                let message = format!("{} negotiations are open, and no more are possible", self.all.len());
                Err(Refused::TooMany.error(message))
            }
        }
    }
}

/// The negotiation that the input would open now.
fn opening(fresh: &mut Fresh, input: OpenNegotiationInput, limits: &Limits) -> Result<Negotiation, Error> {
    let now = fresh.now;
    if input.from == input.to {
        let message =
            format!("the agent {:?} is in 'from' and in 'to'; it cannot negotiate with itself", input.from);
        return Err(Error::application(Tag::InvalidValue, message));
    }
    let deadline = input.deadline.as_deref().map(time).transpose()?;
    let said = Said {
        terms: input.term.iter().map(recast).collect::<Result<_, _>>().map_err(broken)?,
        content: input.content,
        structured_content: input.structured_content,
        data: input.data.into_iter().map(|data| data.id).collect(),
    };
    let first = said.round(1, input.from.clone(), NegotiationMove::Propose, now, limits)?;
    let lifetime =
        input.lifetime.unwrap_or(limits.negotiation_move_default_s).min(limits.negotiation_move_max_s);
    let max_rounds =
        input.max_rounds.unwrap_or(limits.negotiation_rounds_max).min(limits.negotiation_rounds_max);
    let mut negotiation = Negotiation {
        id: input.id.unwrap_or_else(|| fresh.uuid()),
        type_: input.type_,
        task: input.task,
        context: input.context,
        initiator: input.from,
        responder: input.to.clone(),
        status: NegotiationStatus::Open,
        turn: Some(input.to),
        lifetime,
        deadline: deadline.map(|at| at.to_string()),
        max_rounds,
        expires_at: None,
        agreed_round: None,
        round: vec![first],
    };
    negotiation.expires_at = Some(expiry(&negotiation, now)?.to_string());
    Ok(negotiation)
}

/// Whether both were opened with the same input.
fn same_opening(there: &Negotiation, new: &Negotiation) -> bool {
    let said = |negotiation: &Negotiation| {
        let first = negotiation.round.first()?;
        let mut terms: Vec<&Term> = first.term.iter().collect();
        terms.sort_by(|a, b| a.name.cmp(&b.name));
        let terms: Vec<Term> = terms.into_iter().cloned().collect();
        Some((terms, first.content.clone(), first.structured_content.clone(), first.data.clone()))
    };
    there.type_ == new.type_
        && there.task == new.task
        && there.context == new.context
        && there.initiator == new.initiator
        && there.responder == new.responder
        && there.lifetime == new.lifetime
        && there.deadline == new.deadline
        && there.max_rounds == new.max_rounds
        && said(there) == said(new)
}

/// A fulfillment negotiation is opened by the agent that executes a task, with the one that assigned it.
fn fulfills(negotiation: &Negotiation, task: Option<TaskFacts<'_>>) -> Result<(), Error> {
    let Some(id) = &negotiation.task else {
        let error =
            Error::application(Tag::MissingElement, "a fulfillment negotiation names its task in 'task'");
        return Err(error.info("bad-element", "task"));
    };
    let Some(task) = task else {
        return Err(Refused::UnknownReference.error(format!("there is no task {id:?}")));
    };
    if task.to != negotiation.initiator || task.from != negotiation.responder {
        let message = format!(
            "the fulfillment of the task {id:?} is negotiated by the agent that executes it, with the one that assigned it"
        );
        return Err(Refused::NotAuthorized.error(message));
    }
    if !task.is_under_way {
        return Err(Refused::BadTransition.error(format!("the task {id:?} is not being executed")));
    }
    Ok(())
}

/// Moves cross when both agents answer before they have seen the other's: the first one stands.
fn answers_latest(negotiation: &Negotiation, in_reply_to: u32) -> Result<(), Error> {
    match negotiation.round.last() {
        Some(latest) if latest.number != in_reply_to => Err(Refused::StaleRound.error(format!(
            "'in-reply-to' is {in_reply_to}, but the latest round of the negotiation {:?} is {}, {:?} of the agent {:?}",
            negotiation.id,
            latest.number,
            latest.move_.as_str(),
            latest.from
        ))),
        _ => Ok(()),
    }
}

/// The error for a move that the table does not allow.
fn refused(negotiation: &Negotiation, made: NegotiationMove, refusal: Refusal) -> Error {
    let (refused, reason) = match refusal {
        Refusal::Ended => (Refused::BadTransition, "it is no longer open"),
        Refusal::NotYourTurn => (Refused::NotYourTurn, "it is the turn of the other agent"),
        Refusal::OwnProposalStands => {
            (Refused::BadMove, "the agent's own proposal stands, so it can propose, clarify or reject")
        }
        Refusal::OtherProposalStands => (
            Refused::BadMove,
            "the other agent's proposal stands, so it can be countered, clarified, accepted or rejected",
        ),
        Refusal::NotTheInitiator => {
            (Refused::BadMove, "only the agent that opened it can withdraw it; the other can reject")
        }
        Refusal::LastRound => {
            (Refused::LastRound, "the round that is left can only be accept, reject or withdraw")
        }
    };
    refused.error(format!(
        "{:?} is not possible in the negotiation {:?}: {reason}",
        made.as_str(),
        negotiation.id
    ))
}

fn status(state: State) -> NegotiationStatus {
    match state {
        State::Open { .. } => NegotiationStatus::Open,
        State::Agreed => NegotiationStatus::Agreed,
        State::Rejected => NegotiationStatus::Rejected,
        State::Withdrawn => NegotiationStatus::Withdrawn,
        State::Expired => NegotiationStatus::Expired,
    }
}

/// When it expires if a move is made now and none after it.
fn expiry(negotiation: &Negotiation, now: Timestamp) -> Result<Timestamp, Error> {
    let by_move = now.saturating_add_seconds(i64::from(negotiation.lifetime));
    Ok(match &negotiation.deadline {
        Some(deadline) => by_move.min(time(deadline)?),
        None => by_move,
    })
}

/// What an agent says in a move.
struct Said {
    terms: Vec<Term>,
    content: Option<String>,
    structured_content: Option<AnyData>,
    /// Identifiers of the data objects.
    data: Vec<String>,
}

impl Said {
    /// The round that it makes.
    fn round(
        self,
        number: u32,
        from: String,
        made: NegotiationMove,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Round, Error> {
        let (has_terms, has_to_speak) = match made {
            NegotiationMove::Propose | NegotiationMove::Counter => (true, true),
            NegotiationMove::Clarify => (false, true),
            NegotiationMove::Accept | NegotiationMove::Reject | NegotiationMove::Withdraw => (false, false),
        };
        if !has_terms && !self.terms.is_empty() {
            let message = format!("{:?} is no proposal, so it has no terms", made.as_str());
            return Err(Refused::BadTerms.error(message));
        }
        let says = self.content.is_some()
            || self.structured_content.is_some()
            || !self.terms.is_empty()
            || !self.data.is_empty();
        if has_to_speak && !says {
            return Err(Refused::ContentMissing.error("a proposal or question says something"));
        }
        terms::check(&self.terms)?;
        let round = Round {
            number,
            from,
            move_: made,
            term: self.terms,
            content: self.content,
            structured_content: self.structured_content,
            data: self.data,
            at: now.to_string(),
        };
        let mut text = Vec::new();
        json::encode_children(&round.to_data(), Some(Round::node()), &mut text, &EncodeOptions::default());
        if text.len() > limits.move_bytes_max {
            let (size, most) = (text.len(), limits.move_bytes_max);
            let message = format!(
                "the move has {size} octets as JSON; {most} are allowed. Larger data goes into data objects"
            );
            return Err(Error::application(Tag::TooBig, message));
        }
        Ok(round)
    }
}

fn time(text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|e| Error::application(Tag::InvalidValue, format!("{text:?}: {e}")))
}

/// Structs of the same grouping convert; if not, the generated code is not of one schema.
fn broken(error: ModelError) -> Error {
    Error::application(Tag::OperationFailed, error.to_string())
}
