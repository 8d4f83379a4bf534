//! What a party should say next in a negotiation, given what it wants and what was offered so far.
//!
//! Pure functions of their arguments: no clock, no chance but what a seed gives, no input or output, and nothing of the engine
//! or of YANG. It never offers or accepts what is infeasible or below the reservation.
//!
//! [`Prepared`] is made once of [`Preferences`] and a [`Strategy`]. A [`Negotiator`] is told every offer in its order and
//! asked for a [`Decision`] when it is its party's turn. It is small and can be made anew at any time from the offers, with
//! the same result.

mod choice;
mod concession;
mod curve;
mod model;
mod negotiator;
mod options;
mod outcomes;
mod preferences;
mod prepared;
mod space;
#[cfg(test)]
mod tests;

pub use negotiator::Negotiator;
pub use preferences::{
    Condition, Curve, Domain, Interaction, Offer, Preferences, Region, Shape, Term, Value, Values,
};
pub use prepared::{Prepared, Unsound};

/// Who made an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The party that is decided for.
    Own,
    /// The other party.
    Other,
}

/// What is known of a negotiation when the party has to move, beside the offers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Situation<'a> {
    /// How much of the time is over, from 0 at the opening to 1 at the end: the larger of the shares of the rounds and of
    /// the time to the deadline.
    pub time: f64,
    /// How many moves the party can still make, with this one, as far as rounds are limited.
    pub moves_left: Option<u32>,
    /// Whether the party can propose something. Otherwise it can only accept what stands or end the negotiation.
    pub can_offer: bool,
    /// Whether the other party can answer a proposal that is made now.
    pub can_be_answered: bool,
    /// The offer of the other party that stands, if it can be accepted.
    pub standing: Option<&'a Offer>,
    /// What is infeasible at the moment beside what the preferences say, such as what capacity no longer allows.
    pub infeasible: &'a [Region],
}

/// What the party should do, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// Why.
    pub account: Account,
}

/// What a party does when it is its turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It accepts the offer that stands.
    Accept,
    /// It proposes this.
    Offer(Offer),
    /// It ends the negotiation: nothing that it can agree to can still come about.
    End,
}

/// Why a party does what it does, in its own terms. It is private.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    /// The least utility (0..1) that it asks for at the moment.
    pub target: f64,
    /// The utility of the reservation, on the same scale.
    pub reservation: f64,
    /// The utility of the offer that stands; `None` if there is none, or it is infeasible.
    pub standing: Option<f64>,
    /// The utility of what is proposed, if something is.
    pub proposed: Option<f64>,
    /// What the other party is believed to gain by what is proposed or accepted, from 0 to 1.
    pub other: Option<f64>,
    /// A sentence that says it.
    pub reason: String,
}

/// How a party concedes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// What did best in measurement; needs no tuning.
    Default,
    /// By time alone: the target falls with time to the power of `1 / exponent`. Below 1 late (Boulware), 1 evenly,
    /// above 1 early (Conceder) (Faratin, Sierra and Jennings 1998).
    Time {
        /// Above 0.
        exponent: f64,
    },
    /// Concedes as the other party does.
    TitForTat(TitForTat),
    /// The smallest concessions, one for each new one of the other party (MiCRO; de Jonge 2022).
    Micro,
    /// By time, with offers that a model of the other party estimates to be good for both.
    Modelled {
        /// As of [`Strategy::Time`].
        exponent: f64,
        /// The model.
        model: Model,
    },
}

/// What of the other party's concessions is imitated (Faratin, Sierra and Jennings 1998, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TitForTat {
    /// The share that its last offers conceded, in proportion.
    Relative {
        /// Over how many of its offers; at least 1.
        steps: u16,
    },
    /// What its last offers conceded, more or less a bit that the seed gives.
    Absolute {
        /// Over how many of its offers; at least 1.
        steps: u16,
        /// Of the bit.
        seed: u64,
    },
    /// The share that it conceded over a window of its last offers, on average.
    Averaged {
        /// How many of its offers; at least 1.
        window: u16,
    },
}

/// How what the other party wants is estimated from its offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// What it offers often and early, and leaves unchanged, it values (frequency analysis).
    Frequency,
    /// Hypotheses on weights and values, made more or less likely by its offers (Hindriks and Tykhonov 2008).
    Bayesian,
}
