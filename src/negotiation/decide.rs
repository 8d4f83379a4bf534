//! The operations `open-negotiation` and `respond`.
//!
//! They give the events and the output, and never change a negotiation themselves.

use super::step::{Party, Refusal, State, step};
use super::{Course, Event, Negotiations, terms};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_task::{
    Negotiation, OpenNegotiationInput, OpenNegotiationOutput, RespondInput, RespondOutput, Round, RoundTerm,
    identities::NegotiationType,
    nodes::{OPEN_NEGOTIATION_INPUT_DEADLINE, OPEN_NEGOTIATION_INPUT_TASK, OPEN_NEGOTIATION_INPUT_TO},
};
use crate::yang::generated::magent_types::{NegotiationMove, NegotiationStatus};
use crate::yang::json;
use crate::yang::model::{IdentityEnum, ModelError, Modelled};
use crate::yang::parameter;
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
    CapacityExceeded,
    OfferNotCovered,
    TermsDiffer,
    AgreementUsed,
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
            Refused::CapacityExceeded => ("capacity-exceeded", Tag::OperationFailed),
            Refused::OfferNotCovered => ("offer-not-covered", Tag::OperationFailed),
            Refused::TermsDiffer => ("terms-differ", Tag::InvalidValue),
            Refused::AgreementUsed => ("agreement-used", Tag::OperationFailed),
            Refused::TooMany => ("too-many", Tag::ResourceDenied),
        };
        Error::application(tag, message).app_tag(app_tag)
    }
}

/// How many negotiations of an agent are looked at to find one of its own that can be forgotten.
const LOOKED_AT: usize = 1000;

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
        let output = |status| OpenNegotiationOutput { id: id.clone(), status, reply: None };
        match self.get(&id) {
            Some(there) if same_opening(there, &negotiation) => {
                return Ok((Vec::new(), output(there.head.status)));
            }
            Some(_) => {
                return Err(Refused::IdInUse.error(format!("another negotiation has the identifier {id:?}")));
            }
            None => {}
        }
        if negotiation.deadline.as_ref().is_some_and(|deadline| time(deadline).is_ok_and(|at| at <= now)) {
            let deadline = negotiation.deadline.unwrap_or_default();
            let error =
                Refused::DeadlinePassed.error(format!("the deadline {deadline} is not in the future"));
            return Err(error.of_parameter(&OPEN_NEGOTIATION_INPUT_DEADLINE));
        }
        let parties = [&negotiation.initiator, &negotiation.responder];
        if parties.into_iter().any(|agent| self.promises(agent, &id, now)) {
            let message = format!("what was agreed in a former negotiation {id:?} is still promised");
            return Err(Refused::IdInUse.error(message));
        }
        let is_fulfillment = negotiation.type_.is_or_derives_from(NegotiationType::Fulfillment);
        if is_fulfillment {
            fulfills(&negotiation, task)?;
        }
        let offered = negotiation.round.first().map_or(&[][..], |round| &round.term);
        let task = negotiation.task.as_deref().filter(|_| is_fulfillment);
        self.covers(&negotiation.initiator, Party::Initiator, offered, now, task)
            .map_err(|term| exceeded(&negotiation.initiator, &term))?;
        let mut events = self.room(&negotiation.initiator, limits)?;
        events.push(Event::Opened { negotiation, account: None });
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
        let by = before.party(&input.from).ok_or_else(|| {
            Refused::NotAuthorized
                .error(format!("the agent {:?} is no party of the negotiation {id:?}", input.from))
        })?;
        let state = before.state(now);
        if matches!(state, State::Open { .. }) && input.move_ != NegotiationMove::Withdraw {
            answers_latest(before, input.in_reply_to)?;
        }
        let next = step(state, input.move_, by).map_err(|refusal| refused(before, input.move_, refusal))?;
        if matches!(next, State::Open { .. }) && before.octets > limits.negotiation_bytes_max {
            let most = limits.negotiation_bytes_max;
            let message =
                format!("the rounds of the negotiation have more than {most} octets; it can only be ended");
            return Err(Error::application(Tag::TooBig, message));
        }
        let number = before.latest().saturating_add(1);
        let said = Said {
            terms: input.term.iter().map(recast).collect::<Result<_, _>>().map_err(broken)?,
            content: input.content,
            structured_content: input.structured_content,
            data: input.data.into_iter().map(|data| data.id).collect(),
        };
        let round = said.round(number, input.from, input.move_, now, limits)?;
        let task = before.fulfilled();
        self.covers(before.agent(by), by, &round.term, now, task)
            .map_err(|term| exceeded(before.agent(by), &term))?;
        if next == State::Agreed {
            self.can_be_agreed(before, by, now, limits)?;
        }
        let mut negotiation = before.head.clone();
        negotiation.status = status(next);
        negotiation.turn = None;
        negotiation.expires_at = None;
        match next {
            State::Open { turn, .. } => {
                negotiation.turn = Some(before.agent(turn).to_owned());
                negotiation.expires_at = Some(expiry(&negotiation, now)?.to_string());
            }
            State::Agreed => negotiation.agreed_round = before.standing().map(|round| round.number),
            State::Rejected | State::Withdrawn | State::Expired => {}
        }
        negotiation.round.push(round);
        let output = RespondOutput { status: negotiation.status, number, reply: None };
        let amends = next == State::Agreed && task.is_some();
        Ok((vec![Event::Moved { negotiation, account: None, amends }], output))
    }

    /// Refuses unless both have free what the proposal that stands takes. The negotiation stays as it is.
    fn can_be_agreed(
        &self,
        course: &Course,
        by: Party,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), Error> {
        let terms = course.standing().map_or(&[][..], |round| &round.term);
        let task = course.fulfilled();
        let (own, other) = (course.agent(by), course.agent(by.other()));
        self.covers(own, by, terms, now, task).map_err(|term| exceeded(own, &term))?;
        self.covers(other, by.other(), terms, now, task).map_err(|term| {
            let message = format!("the agent {other:?} has no longer free what it has proposed of {term:?}");
            Refused::OfferNotCovered.error(message)
        })?;
        let has_room = |party| self.can_promise(course, party, terms, now, task, limits);
        [by, by.other()].into_iter().try_for_each(has_room)
    }

    /// Refuses what a party would promise once more than it may.
    fn can_promise(
        &self,
        course: &Course,
        party: Party,
        terms: &[RoundTerm],
        now: Timestamp,
        task: Option<&str>,
        limits: &Limits,
    ) -> Result<(), Error> {
        if self.promised_with(course, party, terms, now, task) <= limits.commitments_agent_max {
            return Ok(());
        }
        let agent = course.agent(party);
        Err(Refused::TooMany.error(format!("the agent {agent:?} has promised as often as it may")))
    }

    /// What happens before a task carries an agreement out: what is not promised by it is promised now.
    ///
    /// # Errors
    /// `capacity-exceeded`: it has lapsed or was released, or the capacity was not said when it was agreed, and it is not free;
    /// `too-many`.
    pub fn promised_anew(&self, id: &str, now: Timestamp, limits: &Limits) -> Result<Vec<Event>, Error> {
        let agreed = self.get(id).and_then(|course| Some((course, course.agreed()?)));
        let Some((course, terms)) = agreed else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        for party in [Party::Initiator, Party::Responder] {
            let agent = course.agent(party);
            if self.lacks(course, party, terms, now).map_err(|term| exceeded(agent, &term))? {
                self.can_promise(course, party, terms, now, None, limits)?;
                events.push(Event::Promised { agent: agent.to_owned(), negotiation: id.to_owned() });
            }
        }
        Ok(events)
    }

    /// The terms and the type that a new task has to have that carries out an agreement, of these agents and with this identifier
    /// and type; without a type in it, it gets the one that was negotiated about.
    ///
    /// # Errors
    /// `unknown-reference`: the first agent has opened no such feasibility negotiation with the second; `bad-transition`: it is
    /// not agreed; `agreement-used`; `terms-differ`: the negotiation was about another task, or one of another type.
    pub fn agreement(
        &self,
        id: &str,
        [from, to]: [&str; 2],
        task: Option<&str>,
        task_type: Option<&str>,
    ) -> Result<(&[RoundTerm], Option<&str>), Error> {
        let is_theirs = |course: &&Course| {
            course.head.type_.is_or_derives_from(NegotiationType::Feasibility)
                && course.head.initiator == from
                && course.head.responder == to
        };
        let course = self.get(id).filter(is_theirs).ok_or_else(|| {
            let message = format!("There is no feasibility negotiation \"{id}\" of {from} with {to}.");
            Refused::UnknownReference.error(message)
        })?;
        let Some(terms) = course.agreed() else {
            let status = course.head.status.as_str();
            return Err(
                Refused::BadTransition.error(format!("The negotiation \"{id}\" is {status}, not agreed."))
            );
        };
        if let Some(task) = &course.carried_out_by {
            let message =
                format!("The task \"{task}\" carries out what was agreed in the negotiation \"{id}\".");
            return Err(Refused::AgreementUsed.error(message));
        }
        if course.head.task.is_some() && course.head.task.as_deref() != task {
            let message = format!("The negotiation \"{id}\" is about another task.");
            return Err(Refused::TermsDiffer.error(message));
        }
        let agreed_type = course.head.task_type.as_deref();
        if agreed_type.is_some() && task_type.is_some() && agreed_type != task_type {
            let message = format!("The negotiation \"{id}\" is about a task of another type.");
            return Err(Refused::TermsDiffer.error(message));
        }
        Ok((terms, agreed_type))
    }

    /// The refusal of a task that has other terms than were agreed.
    pub fn terms_differ(id: &str) -> Error {
        Refused::TermsDiffer
            .error(format!("The terms of the task are not those agreed in the negotiation \"{id}\"."))
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
        // Of its own if that is found soon: who opens many does not have what others have agreed forgotten.
        let own = self.of_agent(initiator).take(LOOKED_AT).filter(|course| {
            course.head.initiator == initiator && course.head.status != NegotiationStatus::Open
        });
        let own = own.min_by_key(|course| course.revision);
        let oldest = self.ended.get_min().map(|(_, id)| id.to_string());
        match own.map(|course| course.head.id.clone()).or(oldest) {
            Some(id) => Ok(vec![Event::Forgotten { id }]),
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
        return Err(Error::application(Tag::InvalidValue, message).of_parameter(&OPEN_NEGOTIATION_INPUT_TO));
    }
    let deadline = parameter::optional_time(input.deadline.as_deref(), &OPEN_NEGOTIATION_INPUT_DEADLINE)?;
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
        task_type: input.task_type,
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

/// Whether the course began with the same input.
fn same_opening(there: &Course, new: &Negotiation) -> bool {
    let said = |round: &Round| {
        let mut terms: Vec<&RoundTerm> = round.term.iter().collect();
        terms.sort_by(|a, b| a.name.cmp(&b.name));
        let terms: Vec<RoundTerm> = terms.into_iter().cloned().collect();
        (terms, round.content.clone(), round.structured_content.clone(), round.data.clone())
    };
    let head = &there.head;
    head.type_ == new.type_
        && head.task == new.task
        && head.task_type == new.task_type
        && head.context == new.context
        && head.initiator == new.initiator
        && head.responder == new.responder
        && head.lifetime == new.lifetime
        && head.deadline == new.deadline
        && head.max_rounds == new.max_rounds
        && there.rounds.front().map(|round| said(round)) == new.round.first().map(said)
}

/// The refusal of a move that takes more than the agent has.
fn exceeded(agent: &str, term: &str) -> Error {
    Refused::CapacityExceeded.error(format!("the agent {agent:?} has not free what this takes of {term:?}"))
}

/// A fulfillment negotiation is opened by the agent that executes a task, with the one that assigned it.
fn fulfills(negotiation: &Negotiation, task: Option<TaskFacts<'_>>) -> Result<(), Error> {
    let Some(id) = &negotiation.task else {
        let error =
            Error::application(Tag::MissingElement, "a fulfillment negotiation names its task in 'task'");
        return Err(error.info("bad-element", "task").of_parameter(&OPEN_NEGOTIATION_INPUT_TASK));
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
fn answers_latest(course: &Course, in_reply_to: u32) -> Result<(), Error> {
    match course.rounds.last() {
        Some(latest) if latest.number != in_reply_to => Err(Refused::StaleRound.error(format!(
            "'in-reply-to' is {in_reply_to}, but the latest round of the negotiation {:?} is {}, {:?} of the agent {:?}",
            course.head.id,
            latest.number,
            latest.move_.as_str(),
            latest.from
        ))),
        _ => Ok(()),
    }
}

/// The error for a move that the table does not allow.
fn refused(course: &Course, made: NegotiationMove, refusal: Refusal) -> Error {
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
        course.head.id
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
    terms: Vec<RoundTerm>,
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
    parameter::time(text, &OPEN_NEGOTIATION_INPUT_DEADLINE)
}

/// Structs of the same grouping convert; if not, the generated code is not of one schema.
fn broken(error: ModelError) -> Error {
    Error::application(Tag::OperationFailed, error.to_string())
}
