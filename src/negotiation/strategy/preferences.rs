//! What a party wants: its terms, how much each value of them is worth to it, and what it can do at all.
//!
//! Plain data, as a policy says it. Nothing here searches, remembers or decides.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The value of a term in an offer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A number in millionths (decimal64 with six fraction digits).
    Number(i64),
    /// One of several texts.
    Text(Arc<str>),
    /// A time window, in the unit of time that the policy uses throughout.
    Window {
        /// When it begins.
        start: i64,
        /// When it ends; later than `start`.
        end: i64,
    },
}

/// What is offered: the value of each term by its name.
pub type Offer = BTreeMap<Arc<str>, Value>;

/// What a party wants.
///
/// The utility of an offer is the sum of the weighted values of its terms and of the utilities of the
/// interactions that hold. The scale is the party's own: [`Prepared`](super::Prepared) brings it to 0..1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preferences {
    /// The terms that an offer has, each of them once.
    pub terms: Vec<Term>,
    /// What several terms are worth together.
    pub interactions: Vec<Interaction>,
    /// If there are any, an offer has to be within one of them.
    pub feasible: Vec<Region>,
    /// An offer must not be within any of them.
    pub infeasible: Vec<Region>,
    /// What no agreement is worth: an offer below is neither made nor accepted.
    pub reservation: Option<f64>,
    /// What would be enough: the party asks for no more, although it takes more. `None`: the best.
    pub aspiration: Option<f64>,
    /// What of its utility an agreement keeps that is made at the deadline, above 0 and at most 1; 1 if time costs nothing.
    pub discount: f64,
}

/// A term, its possible values and what each is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Its name in offers.
    pub name: Arc<str>,
    /// Factor of its value in the utility.
    pub weight: f64,
    /// The values.
    pub domain: Domain,
}

/// The possible values of a term and what they are worth.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// The numbers from `min` to `max` in steps of `step`, in millionths.
    Number {
        /// The smallest.
        min: i64,
        /// The largest that can be; it counts although it is no whole step away.
        max: i64,
        /// Distance of two that are offered; one that the other party offers can lie between them.
        step: i64,
        /// What they are worth.
        worth: Curve,
    },
    /// Some texts, each with what it is worth.
    Choice(Vec<(Arc<str>, f64)>),
    /// Time windows that begin and end between two times.
    Window {
        /// When they begin at the earliest.
        earliest: i64,
        /// When they end at the latest.
        latest: i64,
        /// Distance of two beginnings, and of two lengths, that are offered.
        step: i64,
        /// The shortest.
        shortest: i64,
        /// The longest.
        longest: i64,
        /// What it is worth to begin at a time.
        by_start: Curve,
        /// What a length is worth; added to the worth of the beginning.
        by_length: Curve,
    },
}

/// A function through points.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// What it is between the points.
    pub shape: Shape,
    /// Argument and worth, ascending by argument. Before the first and after the last point the worth is theirs; without
    /// points it is 0.
    pub points: Vec<(i64, f64)>,
}

/// What a [`Curve`] is between two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// A straight line.
    #[default]
    Linear,
    /// The worth of the point before.
    Stepped,
    /// A smooth curve that rises or falls only where the points do (Fritsch and Carlson 1980).
    Monotone,
}

/// What several terms are worth together, beside what each is worth alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction {
    /// When it holds.
    pub region: Region,
    /// What it adds to the utility; below 0 if the terms go badly together.
    pub utility: f64,
}

/// The offers for which all conditions hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Region {
    /// What holds of single terms.
    pub conditions: Vec<Condition>,
}

/// What holds of one term.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The name of the term.
    pub term: Arc<str>,
    /// The values for which it holds.
    pub values: Values,
}

/// Some values of a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// The numbers from the first to the second, both included.
    Numbers(i64, i64),
    /// These texts.
    Texts(Vec<Arc<str>>),
    /// The windows within a time.
    Within {
        /// When they begin at the earliest.
        start: i64,
        /// When they end at the latest.
        end: i64,
    },
    /// The windows that have a moment in common with a time.
    Overlapping {
        /// When it begins.
        start: i64,
        /// When it ends.
        end: i64,
    },
}

impl Values {
    /// Whether `value` is one of them.
    pub fn contain(&self, value: &Value) -> bool {
        match (self, value) {
            (Values::Numbers(min, max), Value::Number(number)) => min <= number && number <= max,
            (Values::Texts(texts), Value::Text(text)) => texts.contains(text),
            (Values::Within { start: from, end: to }, Value::Window { start, end }) => {
                from <= start && end <= to
            }
            (Values::Overlapping { start: from, end: to }, Value::Window { start, end }) => {
                start < to && from < end
            }
            _ => false,
        }
    }
}
