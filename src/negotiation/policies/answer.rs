//! Moves by a policy: what an agent would do, and why.
//!
//! It makes no move: what it says is carried out, if it is, as any move of the agent, by the same rules.

use std::sync::Arc;
use std::time::Duration;

use super::super::Negotiations;
use super::super::course::{Accounted, Course, octets_of};
use super::super::decide::Refused;
use super::super::memory::Remembered;
use super::super::step::{Party, State};
use super::super::strategy::{Account, Action, Decision, Negotiator, Side, Situation};
use super::capacity::{Demand, demands};
use super::decide::no_policy;
use super::judgement::{OPTIONS_MAX, said};
use super::{Asked, Means, Occasion, Possible, Said, Stored, preferences};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_policy::{
    AdviseMoveInput, AdviseMoveOutput, ExplainMovesInput, ExplainMovesOutput, ExplainMovesOutputAccount,
    OpenByPolicyInput, SetAside,
};
use crate::yang::generated::magent_task::identities::NegotiationType;
use crate::yang::generated::magent_task::{RespondInput, RoundTerm};
use crate::yang::generated::magent_types::NegotiationMove;
use crate::yang::model::{IdentityEnum, ModelError};
use crate::yang::recast::recast;
use crate::yang::value::Decimal64;

/// About how many octets an account has.
const ACCOUNT_OCTETS: usize = 100;
/// Most accounts in one answer.
const ACCOUNTS_MAX: usize = 1000;

/// What the server has to do by a policy.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To move.
    Move(Turn),
    /// To ask a model about the move.
    Ask(Asked),
}

/// What a model that was asked has led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The move.
    pub turn: Turn,
    /// The move if that one turns out not to be possible.
    pub otherwise: Turn,
}

/// A move by a policy, or that there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The terms that are proposed, if something is.
    pub terms: Vec<RoundTerm>,
    /// What is said, if something is.
    pub content: Option<String>,
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
            content: self.content.clone(),
            structured_content: None,
            data: Vec::new(),
        }))
    }

    /// The move as one that is possible; `None` if there is none.
    fn possible(&self) -> Option<AdviseMoveOutput> {
        let account = self.account.account.clone();
        Some(AdviseMoveOutput {
            in_reply_to: account.round.saturating_sub(1),
            move_: account.move_?,
            content: self.content.clone(),
            term: self.terms.iter().map(recast).collect::<Result<_, ModelError>>().ok()?,
            policy: account.policy,
            target: account.target,
            reservation: account.reservation,
            standing: account.standing,
            proposed: account.proposed,
            other: account.other,
            reason: account.reason,
            judgement: None,
        })
    }

    /// The move that was possible for an agent.
    pub(super) fn of_possible(agent: &str, possible: &AdviseMoveOutput) -> Option<Turn> {
        let possible = possible.clone();
        let account = ExplainMovesOutputAccount {
            round: possible.in_reply_to.saturating_add(1),
            move_: Some(possible.move_),
            policy: possible.policy,
            target: possible.target,
            reservation: possible.reservation,
            standing: possible.standing,
            proposed: possible.proposed,
            other: possible.other,
            reason: possible.reason,
            judgement: None,
        };
        let terms = possible.term.iter().map(recast).collect::<Result<_, ModelError>>().ok()?;
        let account = Accounted { agent: agent.to_owned(), account };
        Some(Turn { terms, content: possible.content, account })
    }

    /// Whether it makes a proposal.
    pub(super) fn proposes(&self) -> bool {
        matches!(self.account.account.move_, Some(NegotiationMove::Propose | NegotiationMove::Counter))
    }

    /// The same with these words. The answer to a question follows them.
    pub(super) fn saying(mut self, words: Option<String>) -> Turn {
        self.content = match (words, self.content) {
            (Some(words), Some(content)) => Some(format!("{words}\n{content}")),
            (words, content) => words.or(content),
        };
        self
    }

    /// The move is left to the agent instead.
    pub fn left(self, why: &str) -> Accounted {
        let ExplainMovesOutputAccount { round, policy, judgement, .. } = self.account.account;
        let account = ExplainMovesOutputAccount { judgement, ..left(round, policy, why) };
        Accounted { agent: self.account.agent, account }
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
        judgement: None,
    }
}

impl Negotiations {
    /// The negotiations in which the server has to move by a policy now, and no more than `at_most`.
    pub fn due_answers(&self, now: Timestamp, at_most: usize) -> impl Iterator<Item = &Arc<str>> {
        let late = self.asked.iter().take_while(move |(until, _)| *until <= now).map(|(_, id)| id);
        self.due.iter().chain(late).take(at_most)
    }

    /// The negotiations in which a model was asked, in the order in which it has to answer.
    pub fn awaiting_judgement(&self) -> impl Iterator<Item = (&Arc<str>, &Course)> {
        self.asked.iter().filter_map(|(_, id)| Some((id, self.get(id)?)))
    }

    /// Whether the server has to move in this negotiation by a policy.
    pub fn has_to_answer(&self, id: &str) -> bool {
        self.due.contains(id)
    }

    /// What the server has to do in this negotiation; `None` if nothing. If a model can be asked, it has so much time:
    /// `patience`.
    pub fn answer(
        &self,
        id: &str,
        now: Timestamp,
        patience: Option<Duration>,
        limits: &Limits,
    ) -> Option<Answer> {
        let course = self.get(id)?;
        if let Some((_, asked)) = course.asked() {
            // Its time is over: the move is made as if it had not been asked.
            let late = Said::Nothing(SetAside::Late);
            let judged = Some(asked).filter(|asked| asked.until <= now);
            return judged
                .and_then(|asked| self.taken(course, asked, &late, now, limits))
                .map(|it| Answer::Move(it.turn));
        }
        let (means, stored, party) = self.mover(course, now).filter(|_| self.due.contains(id))?;
        let until = patience.and_then(|patience| self.may_ask(course, stored, now, patience, limits));
        let is_ranked = until.is_some() && stored.policy.judgement.rank;
        let at_most = if is_ranked { OPTIONS_MAX - 1 } else { 0 };
        let (turn, others) =
            self.by(course, means, stored, party, (now, limits.negotiation_bytes_max), at_most);
        let is_worded = stored.policy.judgement.word && turn.account.account.move_.is_some();
        let Some(until) = until.filter(|_| is_worded || !others.is_empty()) else {
            return Some(Answer::Move(turn));
        };
        let options =
            std::iter::once(&turn).chain(&others).filter_map(Turn::possible).map(Possible).collect();
        Some(Answer::Ask(Asked { agent: turn.account.agent, until, is_worded, options }))
    }

    /// The party whose turn it is, with the policy by which the server moves for it.
    pub(super) fn mover<'a>(
        &'a self,
        course: &Course,
        now: Timestamp,
    ) -> Option<(&'a Means, &'a Arc<Stored>, Party)> {
        let State::Open { turn, .. } = course.state(now) else { return None };
        let means = self.means.get(course.agent(turn))?;
        Some((means, means.policy(&Occasion::of(course, turn), false)?, turn))
    }

    /// `advise-move`.
    ///
    /// # Errors
    /// `unknown-reference`, `bad-transition`, `not-your-turn`, `policy-unknown`.
    pub fn advise(
        &self,
        input: &AdviseMoveInput,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<AdviseMoveOutput, Error> {
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
        let turn =
            self.by(course, means, stored.ok_or_else(none)?, party, (now, limits.negotiation_bytes_max), 0).0;
        let reason = &turn.account.account.reason;
        let no_offer = || Error::application(Tag::OperationFailed, reason).app_tag("no-offer");
        turn.possible().ok_or_else(no_offer)
    }

    /// `explain-moves`.
    ///
    /// # Errors
    /// `unknown-reference`.
    pub fn explain(&self, input: &ExplainMovesInput) -> Result<ExplainMovesOutput, Error> {
        let (course, _) = self.of_party(&input.negotiation, &input.agent)?;
        let most = input.limit.map_or(ACCOUNTS_MAX, usize::from).min(ACCOUNTS_MAX);
        let own =
            course.accounts.iter().filter(|one| one.agent == input.agent && one.account.round > input.after);
        Ok(ExplainMovesOutput { account: own.take(most).map(|one| one.account.clone()).collect() })
    }

    /// What a negotiation with this identifier was opened with, if that was by a policy of this agent, and by this one if one is named.
    pub fn opened_by_policy(&self, input: &OpenByPolicyInput) -> Option<Turn> {
        let course = self.get(input.id.as_deref()?)?;
        let by_policy = |one: &&Arc<Accounted>| one.account.round == 1 && one.agent == input.from;
        let account = course.accounts.iter().find(by_policy)?;
        let is_meant = input.policy.is_none() || account.account.policy == input.policy;
        let first = course.rounds.front().filter(|_| is_meant)?;
        Some(Turn { terms: first.term.clone(), content: None, account: Accounted::clone(account) })
    }

    /// The first proposal by a policy, for `open-by-policy`.
    ///
    /// # Errors
    /// `policy-unknown`, `no-offer`.
    pub fn first_offer(
        &self,
        input: &OpenByPolicyInput,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Turn, Error> {
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
        let is_fulfillment = input.type_.is_or_derives_from(NegotiationType::Fulfillment);
        let task = input.task.as_deref().filter(|_| is_fulfillment);
        let regions = infeasible(means, stored, Party::Initiator, now, task);
        let most = [input.max_rounds, stored.policy.rounds].into_iter().flatten().min();
        let rounds = most.unwrap_or(u32::MAX).min(limits.negotiation_rounds_max);
        let situation = Situation {
            time: 0.0,
            moves_left: Some(rounds.div_ceil(2)),
            can_offer: true,
            can_be_answered: true,
            standing: None,
            infeasible: &regions,
        };
        let decided = stored.prepared().map(|prepared| {
            Negotiator::new(prepared, preferences::strategy(&stored.policy)).decide(&situation)
        });
        let Some((Action::Offer(offer), account)) = decided.map(|decided| (decided.action, decided.account))
        else {
            let message = format!("by the policy {:?} nothing can be proposed", stored.policy.name);
            return Err(Error::application(Tag::OperationFailed, message).app_tag("no-offer"));
        };
        let account = accounted(&input.from, stored, 1, NegotiationMove::Propose, account);
        Ok(Turn { terms: preferences::terms(&offer, &stored.policy), content: None, account })
    }

    /// A negotiation with the party that an agent is.
    fn of_party(&self, id: &str, agent: &str) -> Result<(&Course, Party), Error> {
        let of_agent = self.get(id).and_then(|course| Some((course, course.party(agent)?)));
        // That there is one of others is nobody's affair.
        of_agent.ok_or_else(|| {
            Refused::UnknownReference.error(format!("the agent {agent:?} has no negotiation {id:?}"))
        })
    }

    /// What a party would do by a policy, whose turn it is, where the rounds of a negotiation can have so many octets; and at most so
    /// many moves that are as good.
    pub(super) fn by(
        &self,
        course: &Course,
        means: &Means,
        stored: &Arc<Stored>,
        party: Party,
        (now, octets_max): (Timestamp, usize),
        at_most: usize,
    ) -> (Turn, Vec<Turn>) {
        let agent = course.agent(party);
        let next = course.latest().saturating_add(1);
        let with = |account: ExplainMovesOutputAccount| Turn {
            terms: Vec::new(),
            content: None,
            account: Accounted { agent: agent.to_owned(), account },
        };
        let leave = |why: &str| (with(left(next, Some(stored.policy.name.clone()), why)), Vec::new());
        if let Some(content) = explained(course, party, now) {
            let mut account = left(
                next,
                Some(stored.policy.name.clone()),
                "The other agent asks about the proposal that stands, which is said again.",
            );
            account.move_ = Some(NegotiationMove::Clarify);
            return (Turn { content: Some(content), ..with(account) }, Vec::new());
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
        let time = Times::of(course, stored, rounds_left.min(fitting(course, agent, octets_max)), now);
        let situation = Situation {
            time: time.share,
            moves_left: Some(time.rounds_left.div_ceil(2)),
            can_offer: time.rounds_left >= 2,
            can_be_answered: rounds_left >= 2,
            standing: standing.as_ref(),
            infeasible: &regions,
        };
        let id: Arc<str> = course.head.id.as_str().into();
        let remembered = self.memory.take(&stored.digest, &id, party);
        let mut negotiator = told(remembered, course, stored, &prepared, agent);
        let decision = negotiator.decide(&situation);
        let others =
            if at_most > 0 { negotiator.equivalents(&decision, &situation, at_most) } else { Vec::new() };
        let told = course.latest();
        let digest = course.digest(told).unwrap_or_default();
        self.memory.keep(&stored.digest, &id, party, Remembered { negotiator, told, digest });
        let turn = |decision: Decision| {
            let (made, terms) = match decision.action {
                Action::Accept => (NegotiationMove::Accept, Vec::new()),
                Action::End => (NegotiationMove::Reject, Vec::new()),
                Action::Offer(offer) => {
                    let made =
                        if stands == party { NegotiationMove::Propose } else { NegotiationMove::Counter };
                    (made, preferences::terms(&offer, &stored.policy))
                }
            };
            Turn { terms, content: None, account: accounted(agent, stored, next, made, decision.account) }
        };
        if decision.action == Action::Accept && standing.is_none() {
            return leave("There is nothing that can be accepted.");
        }
        (turn(decision), others.into_iter().map(turn).collect())
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
        let uncovered = demands(&means.capacity, party.role(task), terms, now).find(uncovered);
        uncovered.map_or(Ok(()), |demand| Err(demand.term().to_owned()))
    }

    /// Whether a party has to promise anew what was agreed, since some of it is no longer promised.
    ///
    /// # Errors
    /// The term of which there is too little.
    pub(in crate::negotiation) fn lacks(
        &self,
        course: &Course,
        party: Party,
        agreed: &[RoundTerm],
        now: Timestamp,
    ) -> Result<bool, String> {
        let Some(means) = self.means.get(course.agent(party)) else { return Ok(false) };
        let is_held = |demand: &Demand<'_>| means.commitments.holds(&course.head.id, demand.term(), now);
        let mut lacking =
            demands(&means.capacity, party, agreed, now).filter(|demand| !is_held(demand)).peekable();
        let lacks = lacking.peek().is_some();
        let uncovered = lacking.find(|demand| !means.commitments.cover(demand, now, None));
        uncovered.map_or(Ok(lacks), |demand| Err(demand.term().to_owned()))
    }

    /// How many of a party's commitments would count, if it promised what these terms of the negotiation take; 0 if that is
    /// nothing. What it has promised by that negotiation is what would be promised anew.
    pub(in crate::negotiation) fn promised_with(
        &self,
        course: &Course,
        party: Party,
        terms: &[RoundTerm],
        now: Timestamp,
        task: Option<&str>,
    ) -> usize {
        let Some(means) = self.means.get(course.agent(party)) else { return 0 };
        let new: Vec<_> = demands(&means.capacity, party.role(task), terms, now).collect();
        let is_anew = |term: &str, negotiation: &str| {
            negotiation == course.head.id && new.iter().any(|demand| demand.term() == term)
        };
        match new.len() {
            0 => 0,
            count => count.saturating_add(means.commitments.staying(now, task, terms, is_anew)),
        }
    }
}

/// The answer to a question of the other party about the proposal of this one that stands, if it has asked and there is a round for
/// the answer: the proposal again. It says nothing that was not said before.
fn explained(course: &Course, party: Party, now: Timestamp) -> Option<String> {
    let latest = course.rounds.last()?;
    let is_asked = latest.move_ == NegotiationMove::Clarify && latest.from != course.agent(party);
    let State::Open { stands, left, .. } = course.state(now) else { return None };
    let standing = course.standing().filter(|_| is_asked && stands == party && left >= 2)?;
    let terms: Vec<String> = standing.term.iter().map(said).collect();
    let number = standing.number;
    Some(match terms.is_empty() {
        true => format!("The proposal of round {number} stands as it was made."),
        false => format!("The proposal of round {number} stands: {}.", terms.join(", ")),
    })
}

/// A negotiator that was told all offers of a negotiation.
fn told(
    remembered: Option<Remembered>,
    course: &Course,
    stored: &Arc<Stored>,
    prepared: &Arc<super::Prepared>,
    agent: &str,
) -> Negotiator {
    // What was decided and then dropped may have told it of other rounds.
    let is_of_this = |one: &Remembered| course.digest(one.told).is_some_and(|digest| digest == one.digest);
    let (mut negotiator, known) = match remembered.filter(is_of_this) {
        Some(one) => (one.negotiator, usize::try_from(one.told).unwrap_or(usize::MAX)),
        None => (Negotiator::new(prepared.clone(), preferences::strategy(&stored.policy)), 0),
    };
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
        let rounds = rounds.min(made.saturating_add(left));
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

/// How many more rounds fit into so many octets, if they are like the latest of the agent; what the other agent says is for it to
/// make long.
fn fitting(course: &Course, agent: &str, octets_max: usize) -> u32 {
    let Some(own) = course.rounds.iter().rev().find(|round| round.from == agent) else { return u32::MAX };
    let rounds = octets_max.saturating_sub(course.octets) / octets_of(own).saturating_add(ACCOUNT_OCTETS);
    u32::try_from(rounds).unwrap_or(u32::MAX)
}

pub(super) fn infeasible(
    means: &Means,
    stored: &Stored,
    party: Party,
    now: Timestamp,
    task: Option<&str>,
) -> Vec<super::super::strategy::Region> {
    match means.capacity.is_empty() {
        true => Vec::new(),
        false => {
            let role = party.role(task);
            means.commitments.infeasible(&means.capacity, role, &stored.policy.term, now, task)
        }
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
            judgement: None,
        },
    }
}

/// A utility in millionths; `None` if it is no number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a share is small, and what is not stops at the ends of the type"
)]
pub(super) fn share(utility: f64) -> Option<Decimal64> {
    utility.is_finite().then(|| Decimal64::millionths((utility * 1e6).round() as i64))
}
