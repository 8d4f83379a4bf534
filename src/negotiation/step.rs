//! The negotiation protocol as a table: what each move does in each state.
//!
//! Owns which moves are legal (`magent-types:negotiation-move`) and nothing else: it knows no
//! names, no content and no time, and does nothing but give the next state.

use crate::yang::generated::magent_types::NegotiationMove;

/// One of the two agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// The agent that opened the negotiation.
    Initiator,
    /// The other agent.
    Responder,
}

/// Where a negotiation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A move is awaited.
    Open {
        /// Whose turn it is.
        turn: Party,
        /// Whose proposal stands.
        stands: Party,
        /// How many rounds there can still be, the one that ends the negotiation included.
        left: u32,
    },
    /// `accept`: the proposal that stood was accepted.
    Agreed,
    /// `reject`.
    Rejected,
    /// `withdraw`.
    Withdrawn,
    /// A move did not come in time.
    Expired,
}

/// Why a move is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The negotiation is no longer open.
    Ended,
    /// The other agent is to move.
    NotYourTurn,
    /// The agent's own proposal stands.
    OwnProposalStands,
    /// The other agent's proposal stands.
    OtherProposalStands,
    /// Only the agent that opened the negotiation can withdraw it.
    NotTheInitiator,
    /// The round that is left can only end the negotiation.
    LastRound,
}

impl Party {
    /// The other one.
    pub fn other(self) -> Party {
        match self {
            Party::Initiator => Party::Responder,
            Party::Responder => Party::Initiator,
        }
    }
}

/// The state after `by` makes the move.
///
/// # Errors
/// Why the move is not possible.
pub fn step(state: State, made: NegotiationMove, by: Party) -> Result<State, Refusal> {
    let (turn, stands, left) = match state {
        State::Open { turn, stands, left } => (turn, stands, left),
        State::Agreed | State::Rejected | State::Withdrawn | State::Expired => return Err(Refusal::Ended),
    };
    let in_turn = turn == by;
    let own = stands == by;
    // The next state of a move that goes on, with the proposal that then stands.
    let go_on = |stands| match left {
        0 | 1 => Err(Refusal::LastRound),
        left => Ok(State::Open { turn: by.other(), stands, left: left - 1 }),
    };
    match (made, in_turn, own) {
        (NegotiationMove::Withdraw, _, _) => match by {
            Party::Initiator => Ok(State::Withdrawn),
            Party::Responder => Err(Refusal::NotTheInitiator),
        },
        (NegotiationMove::Propose, false, _)
        | (NegotiationMove::Counter, false, _)
        | (NegotiationMove::Clarify, false, _)
        | (NegotiationMove::Accept, false, _)
        | (NegotiationMove::Reject, false, _) => Err(Refusal::NotYourTurn),
        (NegotiationMove::Propose, true, true) => go_on(by),
        (NegotiationMove::Propose, true, false) => Err(Refusal::OtherProposalStands),
        (NegotiationMove::Counter, true, false) => go_on(by),
        (NegotiationMove::Counter, true, true) => Err(Refusal::OwnProposalStands),
        (NegotiationMove::Clarify, true, _) => go_on(stands),
        (NegotiationMove::Accept, true, false) => Ok(State::Agreed),
        (NegotiationMove::Accept, true, true) => Err(Refusal::OwnProposalStands),
        (NegotiationMove::Reject, true, _) => Ok(State::Rejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NegotiationMove::{Accept, Clarify, Counter, Propose, Reject, Withdraw};
    use Party::{Initiator, Responder};

    const MOVES: [NegotiationMove; 6] = [Propose, Counter, Clarify, Accept, Reject, Withdraw];

    fn open(turn: Party, stands: Party, left: u32) -> State {
        State::Open { turn, stands, left }
    }

    #[test]
    fn only_the_moves_of_the_typedef_are_possible_in_turn() {
        for by in [Initiator, Responder] {
            let own = open(by, by, 9);
            assert_eq!(step(own, Propose, by), Ok(open(by.other(), by, 8)));
            assert_eq!(step(own, Counter, by), Err(Refusal::OwnProposalStands));
            assert_eq!(step(own, Clarify, by), Ok(open(by.other(), by, 8)));
            assert_eq!(step(own, Accept, by), Err(Refusal::OwnProposalStands));
            assert_eq!(step(own, Reject, by), Ok(State::Rejected));
            let others = open(by, by.other(), 9);
            assert_eq!(step(others, Propose, by), Err(Refusal::OtherProposalStands));
            assert_eq!(step(others, Counter, by), Ok(open(by.other(), by, 8)));
            assert_eq!(step(others, Clarify, by), Ok(open(by.other(), by.other(), 8)));
            assert_eq!(step(others, Accept, by), Ok(State::Agreed));
            assert_eq!(step(others, Reject, by), Ok(State::Rejected));
        }
    }

    #[test]
    fn out_of_turn_nothing_but_the_initiators_withdrawal_is_possible() {
        for by in [Initiator, Responder] {
            for stands in [Initiator, Responder] {
                for made in MOVES.into_iter().filter(|made| *made != Withdraw) {
                    assert_eq!(step(open(by.other(), stands, 9), made, by), Err(Refusal::NotYourTurn));
                }
                for turn in [Initiator, Responder] {
                    assert_eq!(step(open(turn, stands, 1), Withdraw, Initiator), Ok(State::Withdrawn));
                    assert_eq!(
                        step(open(turn, stands, 1), Withdraw, Responder),
                        Err(Refusal::NotTheInitiator)
                    );
                }
            }
        }
    }

    #[test]
    fn the_last_round_can_only_end_the_negotiation() {
        for (made, stands) in
            [(Propose, Responder), (Counter, Initiator), (Clarify, Initiator), (Clarify, Responder)]
        {
            assert_eq!(step(open(Responder, stands, 1), made, Responder), Err(Refusal::LastRound));
            assert!(step(open(Responder, stands, 2), made, Responder).is_ok());
        }
        assert_eq!(step(open(Responder, Initiator, 1), Accept, Responder), Ok(State::Agreed));
        assert_eq!(step(open(Responder, Initiator, 1), Counter, Responder), Err(Refusal::LastRound));
    }

    #[test]
    fn what_has_ended_stays_so() {
        for ended in [State::Agreed, State::Rejected, State::Withdrawn, State::Expired] {
            for made in MOVES {
                for by in [Initiator, Responder] {
                    assert_eq!(step(ended, made, by), Err(Refusal::Ended));
                }
            }
        }
    }
}
