//! How much a party asks for at the moment, by each strategy.
//!
//! It chooses no offer and accepts none.

use super::outcomes::Chance;
use super::{Strategy, TitForTat};

/// The default asks for much until shortly before the end, since what the other party concedes it mostly concedes then: its
/// target falls with time to the power of `1 / HOLD`, to what is fair and `MORE` of what can be gained, since an estimate of
/// what is fair errs. To one that does not move it gives way earlier, to the share `STILL`: such a one often moves only as it
/// sees others move. One has moved that has conceded the share `MOVED` of what it can.
const HOLD: f64 = 0.3;
const MORE: f64 = 0.02;
const STILL: f64 = 0.35;
const MOVED: f64 = 0.4;
/// It goes towards what is fair as the other party does, if that is sooner: not to take from one that concedes more than is
/// fair. Above 1 reluctantly at first, since some only seem to come nearer, and ask for more of one that does.
const ANSWERED: i32 = 2;
/// What a party that loses by waiting adds to the exponent for all it can lose.
const HURRY: f64 = 1.5;
/// How many moves before the last the default gives way, at least, and as a share of all moves.
const TAIL_MOVES: f64 = 3.0;
const TAIL_SHARE: f64 = 0.03;
/// How the target falls in these moves: below 1 most of it at the very end.
const TAIL_POWER: f64 = 0.7;

/// Where a negotiation stands for the one who concedes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// The share of the time that is over, 0..1.
    pub time: f64,
    /// How many moves are left with this one, at least 1.
    pub moves_left: f64,
    /// How many were made.
    pub moves_made: f64,
    /// Whether nobody has proposed anything yet.
    pub begins: bool,
    /// The utility of the reservation.
    pub reservation: f64,
    /// What the other party has conceded, as a share of what it could have since its first offer.
    pub conceded: f64,
    /// What an agreement at the end keeps of its utility.
    pub discount: f64,
    /// What is fair, as a share of what can be gained.
    pub fair: f64,
    /// How far the other party has come from its first offer to what is fair.
    pub met: f64,
    /// Whether the next proposal is the last, and the answer to it can be taken and is likely no worse than what was offered.
    pub can_take: bool,
}

impl Progress {
    /// Whether the end is so near that the default gives way. Where moves are not limited it never is, and who begins does not
    /// begin with that, however few there are: the first proposal would tell the reservation.
    pub fn is_tail(&self) -> bool {
        !self.begins && self.moves_left.is_finite() && self.moves_left <= self.tail()
    }

    fn tail(&self) -> f64 {
        TAIL_MOVES.max(TAIL_SHARE * (self.moves_made + self.moves_left))
    }

    /// The utility at a share of what can be gained over the reservation.
    fn share(&self, share: f64) -> f64 {
        self.reservation + (1.0 - self.reservation) * share
    }
}

/// The target of a strategy that goes by time: the least utility to ask for. `None` for the others.
pub(super) fn target(strategy: Strategy, progress: &Progress) -> Option<f64> {
    match strategy {
        Strategy::Time { exponent } | Strategy::Modelled { exponent, .. } => {
            Some(progress.share(1.0 - conceded(progress.time, exponent)))
        }
        Strategy::Default => {
            let fair = (progress.fair + MORE).min(1.0);
            if progress.can_take {
                return Some(progress.share(fair));
            }
            let exponent = HOLD + HURRY * (1.0 - progress.discount);
            let moved = (progress.conceded / MOVED).clamp(0.0, 1.0);
            let still = STILL.min(fair);
            let floor = (still + (fair - still) * moved) * progress.discount;
            let by_time = 1.0 - (1.0 - floor) * conceded(progress.time, exponent);
            let answered = 1.0 - (1.0 - fair) * progress.met.powi(ANSWERED);
            let held = by_time.min(answered);
            if !progress.is_tail() {
                return Some(progress.share(held));
            }
            let left = ((progress.moves_left - 1.0) / progress.tail()).max(0.0);
            Some(progress.share(held.min(floor) * left.powf(TAIL_POWER)))
        }
        Strategy::TitForTat(_) | Strategy::Micro => None,
    }
}

/// The share that is conceded at a time.
fn conceded(time: f64, exponent: f64) -> f64 {
    time.powf(1.0 / exponent.max(1e-6))
}

/// The target of tit-for-tat after an offer was received. `before` is the one before it, and `received` are the utilities of
/// all offers that were received.
pub(super) fn imitated(kind: TitForTat, before: f64, received: &[f64]) -> f64 {
    let ago =
        |offers: usize| received.len().checked_sub(offers + 1).and_then(|place| received.get(place)).copied();
    let in_proportion = |earlier: Option<f64>, later: Option<f64>| match (earlier, later) {
        (Some(earlier), Some(later)) if later > 0.0 && earlier > 0.0 => before * earlier / later,
        _ => before,
    };
    match kind {
        TitForTat::Relative { steps } => {
            let steps = usize::from(steps.max(1));
            in_proportion(ago(steps), ago(steps - 1))
        }
        TitForTat::Averaged { window } => in_proportion(ago(usize::from(window.max(1))), ago(0)),
        TitForTat::Absolute { steps, seed } => {
            let steps = usize::from(steps.max(1));
            let (Some(earlier), Some(later)) = (ago(steps), ago(steps - 1)) else { return before };
            let mut chance = Chance(seed ^ received.len() as u64);
            before - (later - earlier) + BIT * (2.0 * chance.share() - 1.0)
        }
    }
}

/// By how much [`TitForTat::Absolute`] is more or less at most.
const BIT: f64 = 0.01;
