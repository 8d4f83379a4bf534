//! The space of outcomes: each is a choice of one option for each term, and has a utility and can be feasible.
//!
//! It never lists outcomes; that is for [`outcomes`](super::outcomes).

use std::collections::{HashMap, HashSet};

use super::options::{marks, nearest, options, worth};
use super::preferences::{Condition, Offer, Preferences, Region, Value, Values};

/// An outcome: for each term the place of its value among the options.
pub(super) type Outcome = [u16];

/// What the options of each term are, and what combinations of them are worth.
#[derive(Debug, Clone)]
pub(super) struct Space {
    pub options: Vec<Vec<Value>>,
    /// The weighted worth of each option.
    worth: Vec<Vec<f64>>,
    /// Interactions that name exactly one option of some terms: what each combination adds. They are many where a table says
    /// what every outcome is worth, so they are looked up.
    tables: Vec<Table>,
    /// The other interactions.
    bonuses: Vec<(Mask, f64)>,
    feasible: Vec<Mask>,
    infeasible: Vec<Mask>,
}

/// As how many steps to look something up counts.
const LOOKUP: usize = 16;

/// Some terms, and what combinations of their options add.
type Table = (Vec<usize>, HashMap<Vec<u16>, f64>);

/// A region, as the options of terms that it admits. Terms that it does not name are absent.
#[derive(Debug, Clone)]
pub(super) struct Mask(Vec<(usize, Vec<bool>)>);

impl Mask {
    pub fn contains(&self, outcome: &Outcome) -> bool {
        self.0.iter().all(|(term, admitted)| {
            let option = outcome.get(*term).map(|option| usize::from(*option));
            option.and_then(|option| admitted.get(option)).copied().unwrap_or(false)
        })
    }

    /// The only combination that it contains, of the terms that it names, if there is only one.
    fn only(&self) -> Option<(Vec<usize>, Vec<u16>)> {
        self.0
            .iter()
            .map(|(term, admitted)| {
                let mut options = admitted.iter().enumerate().filter(|(_, admitted)| **admitted);
                let only = options.next().filter(|_| options.next().is_none())?;
                Some((*term, u16::try_from(only.0).ok()?))
            })
            .collect::<Option<Vec<_>>>()
            .map(|pairs| pairs.into_iter().unzip())
    }
}

impl Space {
    /// Of sound preferences.
    pub fn new(preferences: &Preferences) -> Self {
        let regions = || {
            let bonuses = preferences.interactions.iter().map(|interaction| &interaction.region);
            bonuses.chain(&preferences.feasible).chain(&preferences.infeasible)
        };
        let mut changes: HashMap<&str, Vec<i64>> = HashMap::new();
        for condition in regions().flat_map(|region| &region.conditions) {
            changes.entry(&condition.term).or_default().extend(marks(&condition.values));
        }
        let terms = &preferences.terms;
        let options: Vec<Vec<Value>> = terms
            .iter()
            .map(|term| options(&term.domain, changes.get(&*term.name).map_or(&[][..], Vec::as_slice)))
            .collect();
        let worth = terms
            .iter()
            .zip(&options)
            .map(|(term, options)| {
                let worth = |option| term.weight * worth(&term.domain, option).unwrap_or(0.0);
                options.iter().map(worth).collect()
            })
            .collect();
        let mut space = Space {
            options,
            worth,
            tables: Vec::new(),
            bonuses: Vec::new(),
            feasible: Vec::new(),
            infeasible: Vec::new(),
        };
        let mut tables: HashMap<Vec<usize>, usize> = HashMap::new();
        for interaction in &preferences.interactions {
            let mask = space.mask(preferences, &interaction.region);
            let Some((terms, options)) = mask.only() else {
                space.bonuses.push((mask, interaction.utility));
                continue;
            };
            let at = *tables.entry(terms.clone()).or_insert(space.tables.len());
            if at == space.tables.len() {
                space.tables.push((terms, HashMap::new()));
            }
            if let Some((_, table)) = space.tables.get_mut(at) {
                *table.entry(options).or_default() += interaction.utility;
            }
        }
        space.feasible = preferences.feasible.iter().map(|region| space.mask(preferences, region)).collect();
        space.infeasible =
            preferences.infeasible.iter().map(|region| space.mask(preferences, region)).collect();
        space
    }

    /// The mask of a region. Conditions on terms that there are not hold never.
    pub fn mask(&self, preferences: &Preferences, region: &Region) -> Mask {
        let mut mask: Vec<(usize, Vec<bool>)> = Vec::new();
        for condition in &region.conditions {
            let term = preferences.terms.iter().position(|term| term.name == condition.term);
            let at = term.unwrap_or(usize::MAX);
            let options = self.options.get(at).map_or(&[][..], Vec::as_slice);
            let admitted: Vec<bool> = match &condition.values {
                // They can be very many.
                Values::Texts(texts) => {
                    let texts: HashSet<&str> = texts.iter().map(|text| &**text).collect();
                    let is_one =
                        |value: &Value| matches!(value, Value::Text(text) if texts.contains(&**text));
                    options.iter().map(is_one).collect()
                }
                values => options.iter().map(|value| values.contain(value)).collect(),
            };
            match mask.iter_mut().find(|(term, _)| *term == at) {
                Some((_, there)) => there.iter_mut().zip(admitted).for_each(|(there, here)| *there &= here),
                None => mask.push((at, admitted)),
            }
        }
        mask.sort_unstable_by_key(|(term, _)| *term);
        Mask(mask)
    }

    /// How many outcomes there are, as a floating-point number since they can be very many.
    pub fn size(&self) -> f64 {
        self.options.iter().map(|options| options.len() as f64).product()
    }

    /// In how many steps, about, an outcome is looked at.
    pub fn look(&self) -> usize {
        let masks = self.bonuses.iter().map(|(mask, _)| mask).chain(&self.feasible).chain(&self.infeasible);
        let tables = self.tables.iter().map(|(terms, _)| LOOKUP + terms.len());
        self.options.len() + tables.sum::<usize>() + masks.map(|mask| 1 + mask.0.len()).sum::<usize>()
    }

    /// About how many octets it takes.
    pub fn octets(&self) -> usize {
        let masks = self.bonuses.iter().map(|(mask, _)| mask).chain(&self.feasible).chain(&self.infeasible);
        let admitted = masks.flat_map(|mask| &mask.0).map(|(_, admitted)| 64 + admitted.len());
        let tables = self.tables.iter().map(|(terms, table)| table.len() * (64 + 2 * terms.len()));
        let options = self.options.iter().map(|options| options.len() * 64);
        admitted.sum::<usize>() + tables.sum::<usize>() + options.sum::<usize>()
    }

    /// How far utilities can lie apart, roughly, without tables.
    pub fn spread(&self) -> f64 {
        let high = |table: &Vec<f64>| table.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low = |table: &Vec<f64>| table.iter().copied().fold(f64::INFINITY, f64::min);
        let alone: f64 = self.worth.iter().map(|table| high(table) - low(table)).sum();
        let tables = self.tables.iter().flat_map(|(_, table)| table.values().map(|bonus| bonus.abs()));
        let together =
            tables.fold(0.0, f64::max) + self.bonuses.iter().map(|(_, bonus)| bonus.abs()).sum::<f64>();
        (alone + together).max(f64::MIN_POSITIVE)
    }

    /// The utility on the scale of the preferences.
    pub fn utility(&self, outcome: &Outcome) -> f64 {
        let alone: f64 = self.worth.iter().zip(outcome).map(|(worth, option)| at(worth, *option)).sum();
        alone + self.together(outcome)
    }

    /// What the interactions add.
    fn together(&self, outcome: &Outcome) -> f64 {
        let mut added = 0.0;
        let mut key = Vec::with_capacity(outcome.len());
        for (terms, table) in &self.tables {
            key.clear();
            key.extend(terms.iter().filter_map(|term| outcome.get(*term).copied()));
            added += table.get(&key).copied().unwrap_or(0.0);
        }
        added
            + self
                .bonuses
                .iter()
                .filter(|(mask, _)| mask.contains(outcome))
                .map(|(_, bonus)| bonus)
                .sum::<f64>()
    }

    /// Whether the preferences allow it.
    pub fn is_feasible(&self, outcome: &Outcome) -> bool {
        (self.feasible.is_empty() || self.feasible.iter().any(|mask| mask.contains(outcome)))
            && !self.infeasible.iter().any(|mask| mask.contains(outcome))
    }

    /// The outcome as an offer.
    pub fn offer(&self, preferences: &Preferences, outcome: &Outcome) -> Offer {
        let values =
            self.options.iter().zip(outcome).filter_map(|(options, at)| options.get(usize::from(*at)));
        preferences.terms.iter().zip(values).map(|(term, value)| (term.name.clone(), value.clone())).collect()
    }

    /// The outcome that is nearest to an offer, and whether it is the same; `None` if the offer has not the same terms, or
    /// values of another kind.
    pub fn outcome(&self, preferences: &Preferences, offer: &Offer) -> Option<(Vec<u16>, bool)> {
        if offer.len() != preferences.terms.len() {
            return None;
        }
        let mut exact = true;
        let options = preferences.terms.iter().zip(&self.options).map(|(term, options)| {
            let (at, same) = nearest(options, offer.get(&term.name)?)?;
            exact &= same;
            u16::try_from(at).ok()
        });
        let outcome = options.collect::<Option<Vec<_>>>()?;
        Some((outcome, exact))
    }
}

/// The utility of any offer and whether it is feasible, also of one between the options; `None` if its terms or values are
/// not those of the preferences.
pub(super) fn exactly(preferences: &Preferences, offer: &Offer) -> Option<(f64, bool)> {
    if offer.len() != preferences.terms.len() {
        return None;
    }
    let mut utility = 0.0;
    for term in &preferences.terms {
        utility += term.weight * worth(&term.domain, offer.get(&term.name)?)?;
    }
    let bonuses = preferences.interactions.iter().filter(|interaction| contains(&interaction.region, offer));
    utility += bonuses.map(|interaction| interaction.utility).sum::<f64>();
    let inside =
        preferences.feasible.is_empty() || preferences.feasible.iter().any(|region| contains(region, offer));
    Some((utility, inside && !preferences.infeasible.iter().any(|region| contains(region, offer))))
}

/// Whether all conditions of the region hold for the offer.
pub(super) fn contains(region: &Region, offer: &Offer) -> bool {
    let holds = |condition: &Condition| {
        offer.get(&condition.term).is_some_and(|value| condition.values.contain(value))
    };
    region.conditions.iter().all(holds)
}

/// The entry of a table of options; 0 if there is none.
pub(super) fn at(table: &[f64], option: u16) -> f64 {
    table.get(usize::from(option)).copied().unwrap_or(0.0)
}
