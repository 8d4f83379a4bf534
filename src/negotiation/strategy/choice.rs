//! Which of the outcomes that are worth enough is proposed.
//!
//! It never looks at what is worth less than the target, but where nothing else is feasible.

use std::collections::HashSet;

use super::model::Opponent;
use super::outcomes::{Chance, climb};
use super::prepared::Prepared;
use super::space::{Mask, Outcome};

/// What the default takes off the estimate of what was offered already: it was refused, and a new offer tells more.
pub(super) const REPEATED: f64 = 1.0;
/// Of how much better outcomes the most similar is sought.
const SIMILAR: f64 = 0.01;

/// In how many steps the best outcome is looked at for a better one beside it.
const STEPS_MAX: usize = 2_000_000;

/// How much gains count towards what is fair that are not even; the more, the nearer it is to Nash's solution.
const UNEVEN: f64 = 0.5;

/// How often the estimates of many outcomes are made anew: when so many more offers were seen.
const ANEW: f64 = 1.2;
const FEW_OUTCOMES: usize = 4000;

/// What the choice is between.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub prepared: &'a Prepared,
    /// What is infeasible at the moment.
    pub infeasible: &'a [Mask],
    /// The least utility.
    pub target: f64,
}

/// Estimates of all outcomes by a model, kept while they are good enough.
#[derive(Debug, Clone, Default)]
pub(super) struct Estimates {
    worth: Vec<f32>,
    seen: u32,
    /// The place of the fair outcome.
    fair: Option<usize>,
}

impl Estimates {
    /// How many octets they take.
    pub fn octets(&self) -> usize {
        self.worth.len() * 4
    }

    /// The utility of the outcome that is fair by the estimates.
    pub fn fair(&self, prepared: &Prepared) -> Option<f64> {
        self.fair.map(|place| prepared.utility_at(place))
    }

    /// Estimates all outcomes anew, if enough offers were seen since.
    pub fn refresh(&mut self, prepared: &Prepared, opponent: &Opponent) {
        let outcomes = &prepared.outcomes;
        let few = outcomes.len() <= FEW_OUTCOMES;
        let is_old =
            opponent.seen() > self.seen && (few || f64::from(opponent.seen()) > f64::from(self.seen) * ANEW);
        if self.worth.is_empty() || is_old {
            self.worth.clear();
            let worth = |place| outcomes.get(place).map_or(0.0, |outcome| opponent.worth(outcome) as f32);
            self.worth.extend((0..outcomes.len()).map(worth));
            self.seen = opponent.seen();
            self.settle_fair(prepared);
        }
    }

    /// Finds what is fair: the largest product of both gains, as Nash has it, leant towards even gains, since an estimate that
    /// is wrong costs less there.
    fn settle_fair(&mut self, prepared: &Prepared) {
        let reservation = prepared.reservation();
        let scale = (1.0 - reservation).max(f64::MIN_POSITIVE);
        let mut most = f64::NEG_INFINITY;
        for (place, worth) in self.worth.iter().enumerate() {
            let (own, other) = ((prepared.utility_at(place) - reservation) / scale, f64::from(*worth));
            // The best are the first, and no gain of the other party is above 1.
            if own * (UNEVEN + own) < most {
                break;
            }
            let score = own * other * (UNEVEN + own.min(other));
            if score > most {
                (most, self.fair) = (score, Some(place));
            }
        }
    }
}

impl Choice<'_> {
    fn is_feasible(&self, outcome: &Outcome) -> bool {
        !self.infeasible.iter().any(|mask| mask.contains(outcome))
    }

    /// The best one that is feasible, for where none is worth enough.
    fn best(&self) -> Option<Vec<u16>> {
        let outcomes = &self.prepared.outcomes;
        let mut all = (0..outcomes.len()).filter_map(|place| outcomes.get(place));
        all.find(|outcome| self.is_feasible(outcome)).map(<[u16]>::to_vec)
    }

    /// The one that the model estimates to be best for the other party; what was `offered` counts less by `repeated`.
    pub fn best_for_other(
        &self,
        opponent: &Opponent,
        estimates: &mut Estimates,
        offered: &HashSet<Vec<u16>>,
        repeated: f64,
    ) -> Option<Vec<u16>> {
        let outcomes = &self.prepared.outcomes;
        estimates.refresh(self.prepared, opponent);
        let mut chosen: Option<(f64, &Outcome)> = None;
        let enough = self.prepared.at_least(self.target);
        for (place, estimate) in estimates.worth.iter().enumerate().take(enough) {
            let (Some(outcome), estimate) = (outcomes.get(place), f64::from(*estimate)) else { continue };
            let is_better = |score: f64| chosen.is_none_or(|(best, _)| score > best);
            if !is_better(estimate) {
                continue;
            }
            let score = if offered.contains(outcome) { estimate - repeated } else { estimate };
            if is_better(score) && self.is_feasible(outcome) {
                chosen = Some((score, outcome));
            }
        }
        let Some((_, outcome)) = chosen else { return self.best() };
        let mut outcome = outcome.to_vec();
        if !outcomes.is_whole {
            let space = &self.prepared.space;
            let mut looks = STEPS_MAX / space.look().max(1);
            climb(space, &mut outcome, &mut looks, |outcome| {
                let is_allowed = space.is_feasible(outcome) && self.is_feasible(outcome);
                let is_enough = self.prepared.utility_of(outcome) >= self.target;
                if is_allowed && is_enough { opponent.worth(outcome) } else { f64::NEG_INFINITY }
            });
        }
        Some(outcome)
    }

    /// Of those that are worth little more than the target, the one with most values of `like`.
    pub fn nearest(&self, like: Option<&Outcome>) -> Option<Vec<u16>> {
        let outcomes = &self.prepared.outcomes;
        let mut chosen: Option<(usize, &Outcome)> = None;
        let mut least = f64::INFINITY;
        for place in (0..self.prepared.at_least(self.target)).rev() {
            let Some(outcome) = outcomes.get(place).filter(|outcome| self.is_feasible(outcome)) else {
                continue;
            };
            let utility = self.prepared.utility_at(place);
            least = least.min(utility);
            if utility > least + SIMILAR {
                break;
            }
            let same = |like: &Outcome| like.iter().zip(outcome).filter(|(a, b)| a == b).count();
            let same = like.map_or(0, same);
            if chosen.is_none_or(|(most, _)| same > most) {
                chosen = Some((same, outcome));
            }
        }
        chosen.map_or_else(|| self.best(), |(_, outcome)| Some(outcome.to_vec()))
    }

    /// By MiCRO: the next that was not offered, or one of the first `offered` again.
    pub fn next(&self, offered: usize, is_new: bool, moves: u64) -> Option<Vec<u16>> {
        let outcomes = &self.prepared.outcomes;
        let from = if is_new { offered } else { Chance(moves).below(offered) };
        let onwards = (from..outcomes.len()).chain((0..from.min(outcomes.len())).rev());
        let mut feasible =
            onwards.filter_map(|place| outcomes.get(place)).filter(|outcome| self.is_feasible(outcome));
        feasible.next().map(<[u16]>::to_vec)
    }
}
