//! Preferences that were checked and searched once, for all decisions by them.
//!
//! It never knows of a negotiation.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::options::OPTIONS_MAX;
use super::outcomes::Outcomes;
use super::preferences::{Condition, Curve, Domain, Offer, Preferences, Region, Values};
use super::space::{Outcome, Space, contains, exactly};

/// What a party wants, ready to decide by. Made once for a policy; it takes up to some ten megabytes.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) preferences: Preferences,
    pub(super) space: Space,
    pub(super) outcomes: Outcomes,
    /// What each option of each term is worth to the party, from 0 to 1, on average over the outcomes.
    pub(super) tastes: Vec<Vec<f64>>,
    /// The utilities of the worst and of the best on the scale of the preferences.
    worst: f64,
    best: f64,
}

/// Why preferences are not sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsound {
    /// The term that it concerns, if it is one.
    pub term: Option<Arc<str>>,
    /// What is wrong, as a clause.
    pub what: &'static str,
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Some(term) => write!(f, "the term {term:?} {}", self.what),
            None => write!(f, "the preferences {}", self.what),
        }
    }
}

impl std::error::Error for Unsound {}

impl Prepared {
    /// Checks preferences and searches for what can be offered.
    ///
    /// # Errors
    /// The preferences contradict themselves, or nothing that is feasible reaches the reservation.
    pub fn new(preferences: Preferences) -> Result<Self, Unsound> {
        check(&preferences)?;
        let space = Space::new(&preferences);
        if space.look() > LOOK_MAX {
            return Err(Unsound { term: None, what: "have too many interactions and regions to look at" });
        }
        let outcomes = Outcomes::new(&space, preferences.reservation.unwrap_or(f64::NEG_INFINITY));
        let best = outcomes
            .utility(0)
            .ok_or(Unsound { term: None, what: "have no feasible offer that reaches the reservation" })?;
        let tastes = tastes(&space, &outcomes);
        Ok(Prepared { worst: outcomes.worst, best, preferences, space, outcomes, tastes })
    }

    /// About how many octets it takes.
    pub fn octets(&self) -> usize {
        let curves = self.preferences.terms.iter().map(|term| match &term.domain {
            Domain::Number { worth, .. } => worth.points.len(),
            Domain::Choice(choices) => choices.len() * 4,
            Domain::Window { by_start, by_length, .. } => by_start.points.len() + by_length.points.len(),
        });
        let interactions = self.preferences.interactions.iter().map(|interaction| &interaction.region);
        let regions = interactions.chain(&self.preferences.feasible).chain(&self.preferences.infeasible);
        let conditions = regions.map(|region| 64 + 128 * region.conditions.len());
        let tastes = self.tastes.iter().map(|tastes| 8 * tastes.len());
        let own = 16 * curves.sum::<usize>() + conditions.sum::<usize>() + tastes.sum::<usize>();
        own + self.space.octets() + self.outcomes.octets()
    }

    /// The utility of an offer, from 0 for the worst to 1 for the best that can be offered; it can be outside if few outcomes
    /// of very many were searched. `None` if it is infeasible or has other terms than the preferences.
    pub fn utility(&self, offer: &Offer) -> Option<f64> {
        let (utility, feasible) = exactly(&self.preferences, offer)?;
        feasible.then(|| self.scaled(utility))
    }

    /// Whether the party can agree to an offer: it is feasible, also at the moment, and reaches the reservation.
    pub fn is_acceptable(&self, offer: &Offer, infeasible: &[Region]) -> bool {
        exactly(&self.preferences, offer).is_some_and(|(utility, feasible)| {
            feasible
                && self.preferences.reservation.is_none_or(|least| utility >= least - ROUNDING)
                && !infeasible.iter().any(|region| contains(region, offer))
        })
    }

    /// The utility of the reservation, on the scale of [`Prepared::utility`].
    pub fn reservation(&self) -> f64 {
        self.preferences.reservation.map_or(0.0, |least| self.scaled(least).clamp(0.0, 1.0))
    }

    /// The utility of the aspiration, on the same scale.
    pub(super) fn aspiration(&self) -> f64 {
        self.preferences.aspiration.map_or(1.0, |enough| self.scaled(enough).clamp(self.reservation(), 1.0))
    }

    pub(super) fn utility_at(&self, place: usize) -> f64 {
        self.outcomes.utility(place).map_or(0.0, |utility| self.scaled(utility))
    }

    pub(super) fn utility_of(&self, outcome: &Outcome) -> f64 {
        self.scaled(self.space.utility(outcome))
    }

    /// How many outcomes have at least this utility; they are the first.
    pub(super) fn at_least(&self, utility: f64) -> usize {
        self.outcomes.at_least(self.worst + (self.best - self.worst) * utility - ROUNDING)
    }

    fn scaled(&self, utility: f64) -> f64 {
        if self.best > self.worst {
            (utility - self.worst) / (self.best - self.worst)
        } else {
            1.0 + utility - self.best
        }
    }
}

/// What each option is worth on average over the outcomes, from 0 for the worst of its term to 1 for the best.
fn tastes(space: &Space, outcomes: &Outcomes) -> Vec<Vec<f64>> {
    let mut sums: Vec<Vec<(f64, f64)>> =
        space.options.iter().map(|options| vec![(0.0, 0.0); options.len()]).collect();
    for place in 0..outcomes.len() {
        let (Some(outcome), Some(utility)) = (outcomes.get(place), outcomes.utility(place)) else { continue };
        for (sums, option) in sums.iter_mut().zip(outcome) {
            if let Some((sum, count)) = sums.get_mut(usize::from(*option)) {
                (*sum, *count) = (*sum + utility, *count + 1.0);
            }
        }
    }
    let scaled = |sums: Vec<(f64, f64)>| {
        let seen = sums.iter().filter(|(_, count)| *count > 0.0).map(|(sum, count)| sum / count);
        let (low, high) = seen
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(mean), high.max(mean)));
        let scaled = |(sum, count): (f64, f64)| {
            if count > 0.0 && high > low { (sum / count - low) / (high - low) } else { 0.0 }
        };
        sums.into_iter().map(scaled).collect()
    };
    sums.into_iter().map(scaled).collect()
}

/// In how many steps an outcome can be looked at.
const LOOK_MAX: usize = 4096;
/// How many choices terms can have together, and how many choices, numbers and windows all conditions have to go through.
const CHOICES_MAX: usize = 16_384;
const ADMITTED_MAX: usize = 8_000_000;

/// By how much two utilities can differ that are meant to be the same.
const ROUNDING: f64 = 1e-9;

fn check(preferences: &Preferences) -> Result<(), Unsound> {
    let wrong = |what| Err(Unsound { term: None, what });
    let numbers = [preferences.reservation, preferences.aspiration];
    if numbers.into_iter().flatten().any(|number| !number.is_finite()) {
        return wrong("have a reservation or an aspiration that is no number");
    }
    if !(preferences.discount > 0.0 && preferences.discount <= 1.0) {
        return wrong("have a discount that is not above 0 and at most 1");
    }
    if preferences.terms.is_empty() {
        return wrong("have no terms");
    }
    let mut names = BTreeSet::new();
    for term in &preferences.terms {
        let wrong = |what| Err(Unsound { term: Some(term.name.clone()), what });
        if !names.insert(&term.name) {
            return wrong("stands twice");
        }
        if !term.weight.is_finite() {
            return wrong("has a weight that is no number");
        }
        if let Some(what) = unsound(&term.domain) {
            return wrong(what);
        }
    }
    if preferences.interactions.iter().any(|interaction| !interaction.utility.is_finite()) {
        return wrong("have an interaction with a utility that is no number");
    }
    let options = |domain: &Domain| match domain {
        Domain::Choice(choices) => choices.len(),
        Domain::Number { .. } | Domain::Window { .. } => OPTIONS_MAX,
    };
    let choices = preferences.terms.iter().filter_map(|term| match &term.domain {
        Domain::Choice(choices) => Some(choices.len()),
        Domain::Number { .. } | Domain::Window { .. } => None,
    });
    if choices.sum::<usize>() > CHOICES_MAX {
        return wrong("have too many choices");
    }
    let terms: HashMap<&str, Known<'_>> = preferences
        .terms
        .iter()
        .map(|term| {
            let texts = match &term.domain {
                Domain::Choice(choices) => choices.iter().map(|(text, _)| &**text).collect(),
                Domain::Number { .. } | Domain::Window { .. } => HashSet::new(),
            };
            (&*term.name, Known { domain: &term.domain, texts })
        })
        .collect();
    let interactions = preferences.interactions.iter().map(|interaction| &interaction.region);
    let regions = interactions.chain(&preferences.feasible).chain(&preferences.infeasible);
    let mut admitted: usize = 0;
    for condition in regions.flat_map(|region| &region.conditions) {
        let Some(term) = terms.get(&*condition.term) else {
            let what = "has a condition and is none of the terms";
            return Err(Unsound { term: Some(condition.term.clone()), what });
        };
        term.meets(condition)?;
        admitted = admitted.saturating_add(options(term.domain));
    }
    match admitted > ADMITTED_MAX {
        true => wrong("have too many conditions for so many choices"),
        false => Ok(()),
    }
}

/// A term of which there can be conditions.
struct Known<'a> {
    domain: &'a Domain,
    /// Its choices.
    texts: HashSet<&'a str>,
}

fn unsound(domain: &Domain) -> Option<&'static str> {
    let rises = |curve: &Curve| {
        curve.points.is_sorted_by(|(a, _), (b, _)| a < b)
            && curve.points.iter().all(|(_, worth)| worth.is_finite())
    };
    match domain {
        Domain::Number { min, max, step, worth } => {
            let wrong = (min > max, *step <= 0, !rises(worth));
            match wrong {
                (true, ..) => Some("has a smallest number above the largest"),
                (_, true, _) => Some("has a step that is not above 0"),
                (.., true) => Some("has points that do not ascend"),
                _ => None,
            }
        }
        Domain::Choice(choices) => {
            let texts: BTreeSet<&str> = choices.iter().map(|(text, _)| &**text).collect();
            if choices.is_empty() {
                Some("has no choices")
            } else if texts.len() < choices.len() {
                Some("has the same choice twice")
            } else if choices.len() > usize::from(u16::MAX) {
                Some("has too many choices")
            } else if choices.iter().any(|(_, worth)| !worth.is_finite()) {
                Some("has a choice with a worth that is no number")
            } else {
                None
            }
        }
        Domain::Window { earliest, latest, step, shortest, longest, by_start, by_length } => {
            if *step <= 0 || *shortest <= 0 {
                Some("has a step or a shortest length that is not above 0")
            } else if shortest > longest {
                Some("has a shortest length above the longest")
            } else if earliest.checked_add(*shortest).is_none_or(|end| end > *latest) {
                Some("has no window that ends in time")
            } else if !rises(by_start) || !rises(by_length) {
                Some("has points that do not ascend")
            } else {
                None
            }
        }
    }
}

impl Known<'_> {
    /// Whether a condition is of its kind.
    fn meets(&self, condition: &Condition) -> Result<(), Unsound> {
        let wrong = |what| Err(Unsound { term: Some(condition.term.clone()), what });
        match (self.domain, &condition.values) {
            (Domain::Number { .. }, Values::Numbers(..))
            | (Domain::Window { .. }, Values::Within { .. } | Values::Overlapping { .. }) => Ok(()),
            (Domain::Choice(_), Values::Texts(texts)) => {
                if texts.iter().all(|text| self.texts.contains(&**text)) {
                    Ok(())
                } else {
                    wrong("has a condition on a text that is none of its choices")
                }
            }
            _ => wrong("has a condition on values of another kind"),
        }
    }
}
