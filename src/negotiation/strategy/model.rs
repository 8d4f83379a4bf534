//! What the other party seems to want, judged by its offers.
//!
//! The estimate is a sum over the terms. It never uses what the own party wants.

use super::Model;
use super::space::{Outcome, at};

/// An estimate of what outcomes are worth to the other party.
#[derive(Debug, Clone)]
pub(super) struct Opponent {
    kind: Model,
    /// How many different offers were seen.
    seen: u32,
    last: Option<Vec<u16>>,
    terms: Vec<Term>,
    /// The weighted worth of each option, together at most 1, as of the last time that it was settled.
    tables: Vec<Vec<f64>>,
    is_settled: bool,
}

#[derive(Debug, Clone)]
struct Term {
    /// Whether the options are in an order, as numbers and windows are.
    is_ordered: bool,
    /// How much each option was offered.
    counts: Vec<f64>,
    /// How likely each option is worth each of [`WORTHS`], one after the other.
    beliefs: Vec<[f64; WORTHS.len()]>,
}

/// What each further offer counts of the one before, since first offers are best, and the least that one counts.
const FADING: f64 = 0.9;
const FADED: f64 = 0.02;
/// How far an offer also speaks for other numbers, as a share of all.
const REACH: f64 = 0.1;
/// The power of the share of offers that an option is worth; below 1, since what is offered seldom is not worth little.
const FLATTENING: f64 = 0.25;
/// The weight of a term in which the other party is not constant at all.
const EVEN: f64 = 0.1;

/// What an option can be worth to the other party, as hypotheses of the Bayesian model.
const WORTHS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// How far the utility of an offer is believed to lie from what its time lets expect.
const DEVIATION: f64 = 0.25;
/// How much the other party is believed to have conceded with its hundredth offer.
const CONCEDED: f64 = 0.4;

impl Opponent {
    /// Before any offer. `terms` says of each term how many options it has and whether they are in an order.
    pub fn new(kind: Model, terms: impl Iterator<Item = (usize, bool)>) -> Self {
        let terms: Vec<Term> = terms
            .map(|(options, is_ordered)| Term {
                is_ordered,
                counts: vec![0.0; options],
                beliefs: vec![[1.0 / WORTHS.len() as f64; WORTHS.len()]; options],
            })
            .collect();
        let share = 1.0 / terms.len().max(1) as f64;
        let tables = terms.iter().map(|term| vec![share / 2.0; term.counts.len()]).collect();
        Opponent { kind, seen: 0, last: None, terms, tables, is_settled: true }
    }

    /// About how many octets it takes.
    pub fn octets(&self) -> usize {
        let option = std::mem::size_of::<[f64; WORTHS.len() + 2]>();
        self.terms.iter().map(|term| term.counts.len() * option).sum()
    }

    /// How many offers it has learned from.
    pub fn seen(&self) -> u32 {
        self.seen
    }

    /// What an outcome is worth to the other party, from 0 to 1, by what was seen until it was settled.
    pub fn worth(&self, outcome: &Outcome) -> f64 {
        self.tables.iter().zip(outcome).map(|(table, option)| at(table, *option)).sum()
    }

    /// Learns from an offer. One that is the same as the one before says nothing new.
    pub fn saw(&mut self, outcome: &Outcome) {
        if self.last.as_deref() == Some(outcome) {
            return;
        }
        let weight = FADING.powi(i32::try_from(self.seen).unwrap_or(i32::MAX)).max(FADED);
        self.seen += 1;
        match self.kind {
            Model::Frequency => {
                for (term, option) in self.terms.iter_mut().zip(outcome) {
                    term.count(usize::from(*option), weight);
                }
            }
            Model::Bayesian => self.believe(outcome),
        }
        self.last = Some(outcome.to_vec());
        self.is_settled = false;
    }

    /// Makes an estimate of what was seen. It is not done for each offer, as one who is told many at once needs only the last.
    pub fn settle(&mut self) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        self.tables = match self.kind {
            Model::Frequency => weighted(&self.terms, Term::by_counts),
            Model::Bayesian => weighted(&self.terms, Term::by_beliefs),
        };
    }

    /// Makes the hypotheses likelier with which the offer is worth what its time lets expect, while for the other terms what is
    /// believed so far is taken for true (Hindriks and Tykhonov 2008, section 4).
    fn believe(&mut self, outcome: &Outcome) {
        let expected = 1.0 - CONCEDED * (f64::from(self.seen.min(100)) / 100.0);
        let share = 1.0 / self.terms.len().max(1) as f64;
        let worth: f64 =
            self.terms.iter().zip(outcome).map(|(term, option)| share * term.believed(*option)).sum();
        for (term, option) in self.terms.iter_mut().zip(outcome) {
            let others = worth - share * term.believed(*option);
            let Some(beliefs) = term.beliefs.get_mut(usize::from(*option)) else { continue };
            for (belief, worth) in beliefs.iter_mut().zip(WORTHS) {
                let off = (others + share * worth - expected) / (DEVIATION * share.max(0.2));
                *belief *= (-off * off / 2.0).exp().max(1e-6);
            }
            let all: f64 = beliefs.iter().sum();
            beliefs.iter_mut().for_each(|belief| *belief /= all);
            term.count(usize::from(*option), 1.0);
        }
    }
}

impl Term {
    fn count(&mut self, option: usize, weight: f64) {
        if !self.is_ordered {
            if let Some(count) = self.counts.get_mut(option) {
                *count += weight;
            }
            return;
        }
        // Who offers a number would mostly also like those beside it.
        let reach = (self.counts.len() as f64 * REACH).max(1.0);
        for (place, count) in self.counts.iter_mut().enumerate() {
            let off = place.abs_diff(option) as f64 / reach;
            *count += weight * (1.0 - off).max(0.0);
        }
    }

    fn by_counts(&self) -> Vec<f64> {
        let most = self.counts.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        self.counts.iter().map(|count| (count / most).powf(FLATTENING)).collect()
    }

    fn by_beliefs(&self) -> Vec<f64> {
        let mut worth = Vec::new();
        for (place, count) in self.counts.iter().enumerate() {
            let believed = u16::try_from(place).map_or(0.0, |option| self.believed(option));
            worth.push(if *count > 0.0 { believed } else { believed / 2.0 });
        }
        worth
    }

    fn believed(&self, option: u16) -> f64 {
        let beliefs = self.beliefs.get(usize::from(option));
        beliefs.map_or(0.0, |beliefs| beliefs.iter().zip(WORTHS).map(|(belief, worth)| belief * worth).sum())
    }

    /// How constant the other party is in this term, from 0 to 1.
    fn constancy(&self) -> f64 {
        let all: f64 = self.counts.iter().sum();
        let options = self.counts.len() as f64;
        if all <= 0.0 || options < 2.0 {
            return 1.0;
        }
        let same: f64 = self.counts.iter().map(|count| (count / all) * (count / all)).sum();
        ((same - 1.0 / options) / (1.0 - 1.0 / options)).max(0.0).sqrt()
    }
}

/// The worth of all options, with the terms weighted by how constant the other party is in them.
fn weighted(terms: &[Term], worth: impl Fn(&Term) -> Vec<f64>) -> Vec<Vec<f64>> {
    let weights: Vec<f64> = terms.iter().map(|term| EVEN + term.constancy()).collect();
    let all: f64 = weights.iter().sum();
    let scale = |weight: &f64| weight / all.max(f64::MIN_POSITIVE);
    let tables = terms
        .iter()
        .zip(&weights)
        .map(|(term, weight)| worth(term).into_iter().map(|worth| worth * scale(weight)).collect());
    tables.collect()
}
