//! The outcomes that a party considers, best first.
//!
//! A space of moderate size is listed whole. Of a larger one some thousand outcomes are searched for that are good for the
//! party and for different other parties that it can have. It never lists what is infeasible or below the reservation.

use std::collections::BTreeSet;

use super::space::{Outcome, Space, at};

/// Spaces of at most this size are listed whole.
const LISTED_MAX: f64 = 200_000.0;
/// How many other parties are imagined for a larger space, and how many compromises with each are searched for.
const OTHERS: u64 = 64;
const COMPROMISES: u32 = 12;
/// How many outcomes are drawn by chance beside them.
const DRAWN: usize = 8_000;
/// How often all terms are gone through in a search.
const PASSES: usize = 8;
/// How many outcomes one climb looks at.
const LOOKS_MAX: usize = 20_000;
/// In how many steps a space is listed at most, and in how many, about, a larger one is searched.
const STEPS_MAX: usize = 50_000_000;

/// Outcomes in the order of their utility, the best first.
#[derive(Debug, Clone)]
pub(super) struct Outcomes {
    terms: usize,
    /// The options of all outcomes, one after the other.
    flat: Vec<u16>,
    utilities: Vec<f64>,
    /// The utility of the worst feasible outcome that was looked at.
    pub worst: f64,
    /// Whether it is the whole space.
    pub is_whole: bool,
}

impl Outcomes {
    /// Those of at least the utility `least`.
    pub fn new(space: &Space, least: f64) -> Self {
        let is_whole = space.size() <= LISTED_MAX && space.size() * space.look() as f64 <= STEPS_MAX as f64;
        let mut found = Found { space, least, all: Vec::new(), worst: f64::INFINITY };
        if is_whole {
            let mut next = Some(vec![0; space.options.len()]);
            while let Some(outcome) = next {
                found.add(&outcome);
                next = following(space, outcome);
            }
        } else {
            searched(space, &mut found);
        }
        let Found { mut all, worst, .. } = found;
        all.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.cmp(other)));
        let terms = space.options.len();
        let utilities = all.iter().map(|(utility, _)| *utility).collect();
        Outcomes {
            terms,
            flat: all.into_iter().flat_map(|(_, outcome)| outcome).collect(),
            utilities,
            worst,
            is_whole,
        }
    }

    /// How many octets they take.
    pub fn octets(&self) -> usize {
        self.flat.len() * 2 + self.utilities.len() * 8
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.utilities.len()
    }

    /// The utility of the one at this place.
    pub fn utility(&self, place: usize) -> Option<f64> {
        self.utilities.get(place).copied()
    }

    /// The one at this place, counted from the best.
    pub fn get(&self, place: usize) -> Option<&Outcome> {
        let begin = place.checked_mul(self.terms)?;
        self.flat.get(begin..begin.checked_add(self.terms)?)
    }

    /// How many have at least this utility; they are the first.
    pub fn at_least(&self, utility: f64) -> usize {
        self.utilities.partition_point(|own| *own >= utility)
    }
}

struct Found<'a> {
    space: &'a Space,
    least: f64,
    all: Vec<(f64, Vec<u16>)>,
    worst: f64,
}

impl Found<'_> {
    fn add(&mut self, outcome: &Outcome) {
        if self.space.is_feasible(outcome) {
            let utility = self.space.utility(outcome);
            self.worst = self.worst.min(utility);
            if utility >= self.least {
                self.all.push((utility, outcome.to_vec()));
            }
        }
    }
}

/// The outcome after this one, as an odometer counts.
fn following(space: &Space, mut outcome: Vec<u16>) -> Option<Vec<u16>> {
    for (option, options) in outcome.iter_mut().zip(&space.options).rev() {
        *option += 1;
        if usize::from(*option) < options.len() {
            return Some(outcome);
        }
        *option = 0;
    }
    None
}

/// Adds what is good for the party and for others: for each of several imagined other parties, compromises in different
/// proportions; and outcomes by chance, so that there is something between them.
fn searched(space: &Space, found: &mut Found<'_>) {
    let spread = space.spread();
    let mut all = BTreeSet::new();
    let mut looks = STEPS_MAX / space.look().max(1);
    for number in 0..OTHERS {
        let mut chance = Chance(number + 1);
        let other: Vec<Vec<f64>> = space
            .options
            .iter()
            .map(|options| {
                let weight = chance.share() * chance.share();
                options.iter().map(|_| weight * chance.share()).collect()
            })
            .collect();
        let mut outcome = drawn(space, &mut chance);
        for part in 0..=COMPROMISES {
            let share = f64::from(part) / f64::from(COMPROMISES);
            let score = |outcome: &Outcome| {
                let theirs: f64 = other.iter().zip(outcome).map(|(table, option)| at(table, *option)).sum();
                let own = space.utility(outcome) / spread;
                (1.0 - share) * own + share * theirs - if space.is_feasible(outcome) { 0.0 } else { 1e3 }
            };
            climb(space, &mut outcome, &mut looks, score);
            all.insert(outcome.clone());
        }
    }
    let mut chance = Chance(OTHERS + 1);
    let good: Vec<Vec<u16>> = all.iter().cloned().collect();
    for _ in 0..DRAWN {
        let mut outcome = match good.get(chance.below(good.len())) {
            Some(near) if chance.share() < 0.75 => near.clone(),
            _ => drawn(space, &mut chance),
        };
        let term = chance.below(outcome.len());
        if let (Some(option), Some(options)) = (outcome.get_mut(term), space.options.get(term)) {
            *option = u16::try_from(chance.below(options.len())).unwrap_or(0);
        }
        all.insert(outcome);
    }
    for outcome in &all {
        found.add(outcome);
    }
}

/// Changes one term after the other for the better, until none can be or it has looked at `looks` outcomes; it leaves what is
/// left of them.
pub(super) fn climb(space: &Space, outcome: &mut [u16], looks: &mut usize, score: impl Fn(&Outcome) -> f64) {
    let mut best = score(outcome);
    let mut own = LOOKS_MAX.min(*looks);
    *looks -= own;
    for _ in 0..PASSES {
        let before = best;
        for (term, options) in space.options.iter().enumerate() {
            let Some(mut chosen) = outcome.get(term).copied() else { continue };
            for option in 0..u16::try_from(options.len()).unwrap_or(u16::MAX) {
                let Some(left) = own.checked_sub(1) else { break };
                own = left;
                set(outcome, term, option);
                let score = score(outcome);
                if score > best {
                    (best, chosen) = (score, option);
                }
            }
            set(outcome, term, chosen);
        }
        if best <= before {
            break;
        }
    }
    *looks += own;
}

fn set(outcome: &mut [u16], term: usize, option: u16) {
    if let Some(there) = outcome.get_mut(term) {
        *there = option;
    }
}

fn drawn(space: &Space, chance: &mut Chance) -> Vec<u16> {
    space.options.iter().map(|options| u16::try_from(chance.below(options.len())).unwrap_or(0)).collect()
}

/// Numbers that look like chance and are the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Chance(pub u64);

impl Chance {
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to 1, without 1.
    pub fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `count`; 0 if that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        self.number().checked_rem(count as u64).and_then(|rest| usize::try_from(rest).ok()).unwrap_or(0)
    }
}
