//! Moves by a policy: what an agent would do, and why.
//!
//! It makes no move: what it says is carried out, if it is, as any move of the agent, by the same rules.

use std::sync::Arc;

use super::super::Negotiations;
use super::super::course::{Accounted, Course};
use super::super::decide::Refused;
use super::super::memory::Remembered;
use super::super::step::{Party, State};
use super::super::strategy::{Account, Action, Negotiator, Side, Situation};
use super::capacity::{Demand, demands};
use super::decide::no_policy;
use super::{Means, Occasion, Stored, preferences};
use crate::clock::Timestamp;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_policy::{
    AdviseMoveInput, AdviseMoveOutput, ExplainMovesInput, ExplainMovesOutput, ExplainMovesOutputAccount,
    OpenByPolicyInput,
};
use crate::yang::generated::magent_task::{RespondInput, RoundTerm};
use crate::yang::generated::magent_types::NegotiationMove;
use crate::yang::model::ModelError;
use crate::yang::recast::recast;
use crate::yang::value::Decimal64;

/// Most accounts in one answer.
const ACCOUNTS_MAX: usize = 1000;

/// A move by a policy, or that there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The terms that are proposed, if something is.
    pub terms: Vec<RoundTerm>,
    /// Why, with the move.
    pub account: Accounted,
}

impl Turn {
    /// The move as the agent would make it; `None` if it is left to the agent.
    ///
    /// # Errors
    /// None: structs of the same grouping convert.
    pub fn response(&self) -> Result<Option<RespondInput>, ModelError> {
        let Some(move_) = self.account.account.move_ else { return Ok(None) };
        Ok(Some(RespondInput {
            from: self.account.agent.clone(),
            in_reply_to: self.account.account.round.saturating_sub(1),
            move_,
            term: self.terms.iter().map(recast).collect::<Result<_, _>>()?,
            content: None,
            structured_content: None,
            data: Vec::new(),
        }))
    }

    /// The move is left to the agent instead.
    pub fn left(self, why: &str) -> Accounted {
        let ExplainMovesOutputAccount { round, policy, .. } = self.account.account;
        Accounted { agent: self.account.agent, account: left(round, policy, why) }
    }
}

fn left(round: u32, policy: Option<String>, why: &str) -> ExplainMovesOutputAccount {
    ExplainMovesOutputAccount {
        round,
        move_: None,
        policy,
        target: None,
        reservation: None,
        standing: None,
        proposed: None,
        other: None,
        reason: why.to_owned(),
    }
}

impl Negotiations {
    /// The negotiations in which the server has to move by a policy, and no more than `at_most`.
    pub fn due_answers(&self, at_most: usize) -> impl Iterator<Item = &Arc<str>> {
        self.due.iter().take(at_most)
    }

    /// Whether the server has to move in this negotiation by a policy.
    pub fn has_to_answer(&self, id: &str) -> bool {
        self.due.contains(id)
    }

    /// What the server has to do in this negotiation; `None` if nothing.
    pub fn answer(&self, id: &str, now: Timestamp) -> Option<Turn> {
        let course = self.get(id).filter(|_| self.due.contains(id))?;
        let State::Open { turn, .. } = course.state(now) else { return None };
        let means = self.means.get(course.agent(turn))?;
        let stored = means.policy(&Occasion::of(course, turn), false)?;
        Some(self.by(course, means, stored, turn, now))
    }

    /// `advise-move`.
    ///
    /// # Errors
    /// `unknown-reference`, `not-authorized`, `bad-transition`, `not-your-turn`, `policy-unknown`.
    pub fn advise(&self, input: &AdviseMoveInput, now: Timestamp) -> Result<AdviseMoveOutput, Error> {
        let (course, party) = self.of_party(&input.negotiation, &input.agent)?;
        match course.state(now) {
            State::Open { turn, .. } if turn == party => {}
            State::Open { .. } => return Err(Refused::NotYourTurn.error("it is the turn of the other agent")),
            _ => return Err(Refused::BadTransition.error("the negotiation is no longer open")),
        }
        let none = || no_policy(&input.agent, input.policy.as_deref());
        let means = self.means.get(input.agent.as_str()).ok_or_else(none)?;
        let stored = match &input.policy {
            Some(name) => means.policies.get(name.as_str()),
            None => means.policy(&Occasion::of(course, party), true),
        };
        let turn = self.by(course, means, stored.ok_or_else(none)?, party, now);
        let ExplainMovesOutputAccount {
            round,
            move_,
            policy,
            target,
            reservation,
            standing,
            proposed,
            other,
            reason,
        } = turn.account.account;
        let Some(move_) = move_ else {
            return Err(Error::application(Tag::OperationFailed, reason).app_tag("no-offer"));
        };
        let term = turn.terms.iter().map(recast).collect::<Result<_, ModelError>>();
        let term = term.map_err(|e| Error::application(Tag::OperationFailed, e.to_string()))?;
        let in_reply_to = round.saturating_sub(1);
        Ok(AdviseMoveOutput {
            in_reply_to,
            move_,
            term,
            policy,
            target,
            reservation,
            standing,
            proposed,
            other,
            reason,
        })
    }

    /// `explain-moves`.
    ///
    /// # Errors
    /// `unknown-reference`, `not-authorized`.
    pub fn explain(&self, input: &ExplainMovesInput) -> Result<ExplainMovesOutput, Error> {
        let (course, _) = self.of_party(&input.negotiation, &input.agent)?;
        let most = input.limit.map_or(ACCOUNTS_MAX, usize::from).min(ACCOUNTS_MAX);
        let own =
            course.accounts.iter().filter(|one| one.agent == input.agent && one.account.round > input.after);
        Ok(ExplainMovesOutput { account: own.take(most).map(|one| one.account.clone()).collect() })
    }

    /// The first proposal by a policy, for `open-by-policy`.
    ///
    /// # Errors
    /// `policy-unknown`, `no-offer`.
    pub fn first_offer(&self, input: &OpenByPolicyInput, now: Timestamp) -> Result<Turn, Error> {
        let none = || no_policy(&input.from, input.policy.as_deref());
        let means = self.means.get(input.from.as_str()).ok_or_else(none)?;
        let occasion = Occasion {
            type_: input.type_,
            task_type: input.task_type.as_deref(),
            other: &input.to,
            role: Party::Initiator,
            terms: &[],
        };
        let stored = match &input.policy {
            Some(name) => means.policies.get(name.as_str()),
            None => means.policy(&occasion, true),
        };
        let stored = stored.ok_or_else(none)?;
        let regions = infeasible(means, stored, Party::Initiator, now, None);
        let situation = Situation {
            time: 0.0,
            moves_left: input.max_rounds.map(|rounds| rounds.div_ceil(2)),
            can_offer: true,
            can_be_answered: true,
            standing: None,
            infeasible: &regions,
        };
        let decided = stored.prepared().map(|prepared| {
            Negotiator::new(prepared.clone(), preferences::strategy(&stored.policy)).decide(&situation)
        });
        let Some((Action::Offer(offer), account)) = decided.map(|decided| (decided.action, decided.account))
        else {
            let message = format!("by the policy {:?} nothing can be proposed", stored.policy.name);
            return Err(Error::application(Tag::OperationFailed, message).app_tag("no-offer"));
        };
        let account = accounted(&input.from, stored, 1, NegotiationMove::Propose, account);
        Ok(Turn { terms: preferences::terms(&offer, &stored.policy), account })
    }

    /// A negotiation with the party that an agent is.
    fn of_party(&self, id: &str, agent: &str) -> Result<(&Course, Party), Error> {
        let course = self.get(id);
        let course = course
            .ok_or_else(|| Refused::UnknownReference.error(format!("there is no negotiation {id:?}")))?;
        let party = course.party(agent).ok_or_else(|| {
            Refused::NotAuthorized.error(format!("the agent {agent:?} is no party of the negotiation {id:?}"))
        })?;
        Ok((course, party))
    }

    /// What a party would do by a policy, whose turn it is.
    fn by(&self, course: &Course, means: &Means, stored: &Arc<Stored>, party: Party, now: Timestamp) -> Turn {
        let agent = course.agent(party);
        let next = course.latest().saturating_add(1);
        let leave = |why: &str| Turn {
            terms: Vec::new(),
            account: Accounted {
                agent: agent.to_owned(),
                account: left(next, Some(stored.policy.name.clone()), why),
            },
        };
        if course
            .rounds
            .last()
            .is_some_and(|round| round.move_ == NegotiationMove::Clarify && round.from != agent)
        {
            return leave("The other agent asks; a policy answers no questions.");
        }
        let Some(prepared) = stored.prepared() else { return leave("The policy contradicts itself.") };
        let State::Open { stands, left: rounds_left, .. } = course.state(now) else {
            return leave("The negotiation is no longer open.");
        };
        let regions = infeasible(means, stored, party, now, course.fulfilled());
        let others = course.standing().filter(|_| stands != party);
        let standing = others
            .filter(|round| {
                self.covers(course.agent(party.other()), party.other(), &round.term, now, course.fulfilled())
                    .is_ok()
            })
            .and_then(|round| preferences::offer(&round.term, &stored.policy))
            .filter(|offer| offer.len() == stored.policy.term.len());
        let time = Times::of(course, stored, rounds_left, now);
        let situation = Situation {
            time: time.share,
            moves_left: Some(time.rounds_left.div_ceil(2)),
            can_offer: time.rounds_left >= 2,
            can_be_answered: rounds_left >= 2,
            standing: standing.as_ref(),
            infeasible: &regions,
        };
        let id: Arc<str> = course.head.id.as_str().into();
        let remembered = self.memory.take(&id, party);
        let mut negotiator = told(remembered, course, stored, prepared, agent);
        let decision = negotiator.decide(&situation);
        let told = course.rounds.last().cloned();
        self.memory.keep(&id, party, Remembered { negotiator, of: stored.clone(), told });
        let (made, terms) = match decision.action {
            Action::Accept if standing.is_some() => (NegotiationMove::Accept, Vec::new()),
            Action::Accept => return leave("There is nothing that can be accepted."),
            Action::End => (NegotiationMove::Reject, Vec::new()),
            Action::Offer(offer) => {
                let made = if stands == party { NegotiationMove::Propose } else { NegotiationMove::Counter };
                (made, preferences::terms(&offer, &stored.policy))
            }
        };
        Turn { terms, account: accounted(agent, stored, next, made, decision.account) }
    }

    /// Whether an agent, as this party, has free what terms take; of a task whose fulfillment is negotiated, anew.
    ///
    /// # Errors
    /// The term of which there is too little.
    pub(in crate::negotiation) fn covers(
        &self,
        agent: &str,
        party: Party,
        terms: &[RoundTerm],
        now: Timestamp,
        task: Option<&str>,
    ) -> Result<(), String> {
        let Some(means) = self.means.get(agent).filter(|means| !means.capacity.is_empty()) else {
            return Ok(());
        };
        let uncovered = |demand: &Demand<'_>| !means.commitments.cover(demand, now, task);
        let uncovered = demands(&means.capacity, party, terms, now).find(uncovered);
        uncovered.map_or(Ok(()), |demand| Err(demand.term().to_owned()))
    }

    /// How many of an agent's commitments count.
    pub(in crate::negotiation) fn commitments_of(&self, agent: &str, now: Timestamp) -> usize {
        self.means.get(agent).map_or(0, |means| means.commitments.counting(now))
    }
}

/// A negotiator that was told all offers of a negotiation.
fn told(
    remembered: Option<Remembered>,
    course: &Course,
    stored: &Arc<Stored>,
    prepared: &Arc<super::Prepared>,
    agent: &str,
) -> Negotiator {
    // It was told what led to the round that it was told last, if that is a round of this course.
    let is_of_this = |one: &Remembered| {
        let place = one.told.as_ref().and_then(|told| usize::try_from(told.number).ok()?.checked_sub(1));
        let there = place.and_then(|place| course.rounds.get(place));
        Arc::ptr_eq(&one.of, stored)
            && match (&one.told, there) {
                (Some(told), Some(there)) => Arc::ptr_eq(told, there),
                (told, _) => told.is_none(),
            }
    };
    let (mut negotiator, known) = match remembered.filter(is_of_this) {
        Some(one) => (one.negotiator, one.told.map_or(0, |told| told.number)),
        None => (Negotiator::new(prepared.clone(), preferences::strategy(&stored.policy)), 0),
    };
    let known = usize::try_from(known).unwrap_or(usize::MAX);
    for round in course.rounds.iter().skip(known) {
        if !matches!(round.move_, NegotiationMove::Propose | NegotiationMove::Counter) {
            continue;
        }
        if let Some(offer) = preferences::offer(&round.term, &stored.policy) {
            negotiator.saw(if round.from == agent { Side::Own } else { Side::Other }, &offer);
        }
    }
    negotiator
}

/// How much time there is for a policy.
struct Times {
    share: f64,
    rounds_left: u32,
}

impl Times {
    fn of(course: &Course, stored: &Stored, left: u32, now: Timestamp) -> Times {
        let made = course.latest();
        let rounds =
            stored.policy.rounds.map_or(course.head.max_rounds, |most| most.min(course.head.max_rounds));
        let rounds_left = left.min(rounds.saturating_sub(made));
        let mut share = f64::from(made) / f64::from(rounds.max(1));
        let mut is_over = false;
        if let Some(opened) = course.opened_at() {
            let limit =
                stored.policy.time_limit.map(|seconds| opened.saturating_add_seconds(i64::from(seconds)));
            let deadline = course.head.deadline.as_ref().and_then(|text| text.parse().ok());
            if let Some(end) = [limit, deadline].into_iter().flatten().min() {
                let whole = opened.until(end).as_secs_f64();
                share = share.max(if whole > 0.0 { opened.until(now).as_secs_f64() / whole } else { 1.0 });
            }
            is_over = limit.is_some_and(|limit| limit <= now);
        }
        Times { share: share.min(1.0), rounds_left: if is_over { 0 } else { rounds_left } }
    }
}

fn infeasible(
    means: &Means,
    stored: &Stored,
    party: Party,
    now: Timestamp,
    task: Option<&str>,
) -> Vec<super::super::strategy::Region> {
    match means.capacity.is_empty() {
        true => Vec::new(),
        false => means.commitments.infeasible(&means.capacity, party, &stored.policy.term, now, task),
    }
}

fn accounted(agent: &str, stored: &Stored, round: u32, made: NegotiationMove, account: Account) -> Accounted {
    Accounted {
        agent: agent.to_owned(),
        account: ExplainMovesOutputAccount {
            round,
            move_: Some(made),
            policy: Some(stored.policy.name.clone()),
            target: share(account.target),
            reservation: share(account.reservation),
            standing: account.standing.and_then(share),
            proposed: account.proposed.and_then(share),
            other: account.other.and_then(share),
            reason: account.reason,
        },
    }
}

/// A utility in millionths; `None` if it is no number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a share is small, and what is not stops at the ends of the type"
)]
fn share(utility: f64) -> Option<Decimal64> {
    utility.is_finite().then(|| Decimal64 { digits: (utility * 1e6).round() as i64, fraction: 6 })
}
