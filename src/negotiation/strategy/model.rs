//! What the other party seems to want, judged by its offers.
//!
//! The estimate is a sum over the terms. What the own party wants is used only as a first guess, before offers say more.

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
    /// The weighted worth of each option as of the last time that it was settled: of the worst options together 0, of the best
    /// 1. None before that.
    tables: Vec<Vec<f64>>,
    is_settled: bool,
}

#[derive(Debug, Clone)]
struct Term {
    /// Whether the options are in an order, as numbers and windows are.
    is_ordered: bool,
    /// What each option is likely worth before it was offered, from 0 to 1.
    likely: Vec<f64>,
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
/// How much what is likely anyway counts beside what was offered.
const LIKELY: f64 = 0.6;
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
    /// Before any offer. `terms` says of each term what its options are worth to the own party, from 0 to 1, and whether they
    /// are in an order. What is good for one is likely bad for the other.
    pub fn new<'a>(kind: Model, terms: impl Iterator<Item = (&'a [f64], bool)>) -> Self {
        let terms: Vec<Term> = terms
            .map(|(own, is_ordered)| Term {
                is_ordered,
                likely: own.iter().map(|own| 1.0 - own).collect(),
                counts: vec![0.0; own.len()],
                beliefs: vec![[1.0 / WORTHS.len() as f64; WORTHS.len()]; own.len()],
            })
            .collect();
        Opponent { kind, seen: 0, last: None, terms, tables: Vec::new(), is_settled: false }
    }

    /// About how many octets it takes.
    pub fn octets(&self) -> usize {
        let option = std::mem::size_of::<[f64; WORTHS.len() + 3]>();
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
        if self.seen == 0 {
            self.terms.iter_mut().zip(outcome).for_each(|(term, option)| term.begin(usize::from(*option)));
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
    /// The first offer is mostly the best; of options in an order, those far from it are likely worth little.
    fn begin(&mut self, first: usize) {
        if self.is_ordered {
            let reach = first.max(self.likely.len().saturating_sub(first + 1)).max(1) as f64;
            for (place, likely) in self.likely.iter_mut().enumerate() {
                *likely = 1.0 - place.abs_diff(first) as f64 / reach;
            }
        } else if let Some(likely) = self.likely.get_mut(first) {
            *likely = 1.0;
        }
    }

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
        let offered = self.counts.iter().map(|count| (count / most).powf(FLATTENING));
        offered.zip(&self.likely).map(|(offered, likely)| offered + LIKELY * (likely - offered)).collect()
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

/// The worth of all options, with the terms weighted by how constant the other party is in them: from 0 for the worst of all
/// terms together to 1 for the best.
fn weighted(terms: &[Term], worth: impl Fn(&Term) -> Vec<f64>) -> Vec<Vec<f64>> {
    let mut tables: Vec<Vec<f64>> = Vec::with_capacity(terms.len());
    let mut all = 0.0;
    for term in terms {
        let weight = EVEN + term.constancy();
        let mut table = worth(term);
        let low = table.iter().copied().fold(f64::INFINITY, f64::min);
        table.iter_mut().for_each(|worth| *worth = (*worth - low) * weight);
        all += table.iter().copied().fold(0.0, f64::max);
        tables.push(table);
    }
    tables.iter_mut().flatten().for_each(|worth| *worth /= all.max(f64::MIN_POSITIVE));
    tables
}
