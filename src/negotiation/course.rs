//! The course of one negotiation, held so that a move costs the same in the first round and in the last.
//!
//! Owns the rounds, which of them stands, and the accounts of the server's own moves. It never says which moves are legal.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use imbl::Vector;
use serde::{Deserialize, Serialize};

use super::policies::Asked;
use super::step::{Party, State};
use crate::clock::Timestamp;
use crate::yang::generated::magent_policy::ExplainMovesOutputAccount;
use crate::yang::generated::magent_task::identities::NegotiationType;
use crate::yang::generated::magent_task::{Negotiation, Round, RoundTerm};
use crate::yang::generated::magent_types::{NegotiationMove, NegotiationStatus};
use crate::yang::held::Shown;
use crate::yang::model::{IdentityEnum, Modelled};
use crate::yang::tree::{AnyData, Container};

/// A negotiation with its rounds. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// The negotiation, without its rounds.
    pub head: Negotiation,
    /// The rounds; the first has the number 1.
    pub rounds: Vector<Arc<Round>>,
    /// For each round, what tells the proposals up to it from others.
    digests: Vector<u64>,
    /// Why the server made its moves, of both sides, in their order.
    pub(super) accounts: Vector<Arc<Accounted>>,
    /// The round whose proposal stands.
    stands: Option<Arc<Round>>,
    /// About how many octets the rounds and accounts have.
    pub(super) octets: usize,
    /// The task that was assigned to carry its agreement out.
    pub(super) carried_out_by: Option<Arc<str>>,
    /// How many accounts there were when the agent's means changed: what it was left then is decided anew.
    pub(super) reconsidered: usize,
    /// The question to a model about the next move, with the log position at which it was asked, while its answer is awaited.
    pub(super) asked: Option<(u64, Arc<Asked>)>,
    /// The log position of the newest event.
    pub(super) revision: u64,
}

/// Why the server made a move for an agent, or left it to the agent. It is private to that agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accounted {
    /// The agent.
    pub agent: String,
    /// The account. Without a move the server left it to the agent.
    #[serde(with = "crate::yang::stored")]
    pub account: ExplainMovesOutputAccount,
}

impl Course {
    /// The course of a negotiation that stands as this says.
    pub(super) fn new(mut negotiation: Negotiation, revision: u64) -> Self {
        let rounds = std::mem::take(&mut negotiation.round);
        let mut course = Course {
            head: negotiation,
            rounds: Vector::new(),
            digests: Vector::new(),
            accounts: Vector::new(),
            stands: None,
            octets: 0,
            carried_out_by: None,
            reconsidered: 0,
            asked: None,
            revision,
        };
        rounds.into_iter().for_each(|round| course.push(round));
        course
    }

    /// The course after an event that left the negotiation as `after` says, with the new round if there is one.
    pub(super) fn after(&self, mut after: Negotiation, revision: u64) -> Self {
        let rounds = std::mem::take(&mut after.round);
        let mut course = Course {
            head: after,
            rounds: self.rounds.clone(),
            digests: self.digests.clone(),
            accounts: self.accounts.clone(),
            stands: self.stands.clone(),
            octets: self.octets,
            carried_out_by: self.carried_out_by.clone(),
            reconsidered: 0,
            asked: None,
            revision,
        };
        rounds.into_iter().for_each(|round| course.push(round));
        course
    }

    fn push(&mut self, round: Round) {
        self.octets = self.octets.saturating_add(octets_of(&round));
        self.digests.push_back(digest(self.digests.last().copied().unwrap_or_default(), &round));
        let round = Arc::new(round);
        if matches!(round.move_, NegotiationMove::Propose | NegotiationMove::Counter) {
            self.stands = Some(round.clone());
        }
        self.rounds.push_back(round);
    }

    /// Keeps an account.
    pub(super) fn account(&mut self, account: Accounted) {
        self.octets = self.octets.saturating_add(account.account.reason.len());
        self.accounts.push_back(Arc::new(account));
    }

    /// The round whose proposal stands: the latest one with a proposal.
    pub fn standing(&self) -> Option<&Arc<Round>> {
        self.stands.as_ref()
    }

    /// What tells the proposals up to the round with this number from others; 0 for those before the first. `None` if there is
    /// no such round.
    pub(super) fn digest(&self, number: u32) -> Option<u64> {
        match usize::try_from(number).ok()?.checked_sub(1) {
            Some(place) => self.digests.get(place).copied(),
            None => Some(0),
        }
    }

    /// The terms that were agreed; `None` if the negotiation did not end so.
    pub fn agreed(&self) -> Option<&[RoundTerm]> {
        let agreed = self.head.status == NegotiationStatus::Agreed;
        self.stands.as_ref().filter(|_| agreed).map(|round| round.term.as_slice())
    }

    /// The number of the latest round; 0 without one.
    pub fn latest(&self) -> u32 {
        u32::try_from(self.rounds.len()).unwrap_or(u32::MAX)
    }

    /// The question to a model that waits for its answer, with the log position at which it was asked.
    pub fn asked(&self) -> Option<(u64, &Asked)> {
        self.asked.as_ref().map(|(position, asked)| (*position, asked.as_ref()))
    }

    /// Until when a model has to answer, if one was asked.
    pub(super) fn asked_until(&self) -> Option<Timestamp> {
        self.asked.as_ref().map(|(_, asked)| asked.until)
    }

    /// When it was opened.
    pub(super) fn opened_at(&self) -> Option<Timestamp> {
        self.rounds.front().and_then(|round| round.at.parse().ok())
    }

    /// When it expires if no move is made; the text is our own, so it can be read. `None` if it has ended.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.head.expires_at.as_ref().and_then(|text| text.parse().ok())
    }

    /// The party that an agent is.
    pub(super) fn party(&self, agent: &str) -> Option<Party> {
        if agent == self.head.initiator {
            Some(Party::Initiator)
        } else if agent == self.head.responder {
            Some(Party::Responder)
        } else {
            None
        }
    }

    /// The agent that is a party.
    pub(super) fn agent(&self, party: Party) -> &str {
        match party {
            Party::Initiator => &self.head.initiator,
            Party::Responder => &self.head.responder,
        }
    }

    /// Where it stands at the time `now`, for the table of moves.
    pub(super) fn state(&self, now: Timestamp) -> State {
        match self.head.status {
            NegotiationStatus::Agreed => State::Agreed,
            NegotiationStatus::Rejected => State::Rejected,
            NegotiationStatus::Withdrawn => State::Withdrawn,
            NegotiationStatus::Expired => State::Expired,
            // It expires at its time, and not only when the event that says so comes.
            NegotiationStatus::Open if self.expires_at().is_some_and(|at| at <= now) => State::Expired,
            NegotiationStatus::Open => {
                let party = |agent: Option<&str>| agent.and_then(|agent| self.party(agent));
                State::Open {
                    turn: party(self.head.turn.as_deref()).unwrap_or(Party::Responder),
                    stands: party(self.standing().map(|round| round.from.as_str()))
                        .unwrap_or(Party::Initiator),
                    left: self.head.max_rounds.saturating_sub(self.latest()),
                }
            }
        }
    }

    /// Whether the server has left the next move to the agent whose turn it is, with the means that the agent still has.
    pub(super) fn is_left(&self) -> bool {
        let next = self.latest().saturating_add(1);
        let latest = self.accounts.last().filter(|_| self.accounts.len() > self.reconsidered);
        latest.is_some_and(|latest| latest.account.move_.is_none() && latest.account.round == next)
    }

    /// Whether the newest round is a question.
    pub(super) fn is_asked(&self) -> bool {
        self.rounds.last().is_some_and(|round| round.move_ == NegotiationMove::Clarify)
    }

    /// The task whose fulfillment is negotiated.
    pub fn fulfilled(&self) -> Option<&str> {
        let is_fulfillment = self.head.type_.is_or_derives_from(NegotiationType::Fulfillment);
        self.head.task.as_deref().filter(|_| is_fulfillment)
    }

    /// The whole negotiation. One that named no task shows the one that carries it out.
    pub fn whole(&self) -> Negotiation {
        let rounds = self.rounds.iter().map(|round| Round::clone(round));
        let task = self.head.task.clone().or_else(|| self.carried_out_by.as_deref().map(str::to_owned));
        Negotiation { round: rounds.collect(), task, ..self.head.clone() }
    }
}

impl Shown for Course {
    fn shown(&self) -> Container {
        self.whole().to_data().at_revision(self.revision)
    }
}

/// What tells a round after others from other rounds after others, as far as it is a proposal.
fn digest(before: u64, round: &Round) -> u64 {
    let mut hasher = DefaultHasher::new();
    (before, &round.from, round.move_.as_str()).hash(&mut hasher);
    for term in &round.term {
        let window = term.window.as_ref().map(|window| (&window.start, &window.end));
        (&term.name, term.number.map(|number| number.digits), &term.text, window, &term.unit)
            .hash(&mut hasher);
    }
    hasher.finish()
}

/// About how many octets a round has in memory beside its fixed part.
pub(super) fn octets_of(round: &Round) -> usize {
    let structured = round.structured_content.as_ref().map_or(0, |content| match content {
        AnyData::Json(content) => content.to_string().len(),
        AnyData::Xml(text) => text.len(),
    });
    let terms = round.term.iter().map(|term| {
        128 + term.name.len()
            + term.text.as_ref().map_or(0, String::len)
            + term.unit.as_ref().map_or(0, String::len)
    });
    let data = round.data.iter().map(|id| 24 + id.len());
    256 + round.content.as_ref().map_or(0, String::len)
        + structured
        + terms.sum::<usize>()
        + data.sum::<usize>()
}
