//! A policy as the preferences and the strategy that decide by it, and offers as the terms of a round.
//!
//! It translates alone: what is good is for the strategy to say.

use std::sync::Arc;

use super::super::strategy::{
    Condition, Curve, Domain, Interaction, Model, Offer, Preferences, Region, Shape, Strategy, Term,
    TitForTat, Value, Values,
};
use crate::clock::Timestamp;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_policy::identities::Strategy as Identity;
use crate::yang::generated::magent_policy::{
    ByLengthShape, ByStartShape, Condition as PolicyCondition, Policy, Shape as NumberShape,
    Term as PolicyTerm,
};
use crate::yang::generated::magent_task::{RoundTerm, RoundTermWindow};
use crate::yang::model::{ModelError, Modelled};
use crate::yang::recast::recast;
use crate::yang::value::Decimal64;

/// What the policy says of the worth of offers. Times are in microseconds since the epoch, lengths in microseconds.
///
/// # Errors
/// `bad-policy`: a time is none.
pub(super) fn preferences(policy: &Policy) -> Result<Preferences, Error> {
    let interactions = policy.interaction.iter().map(|interaction| {
        let region = region(&interaction.condition)?;
        Ok(Interaction { region, utility: number(interaction.utility) })
    });
    let feasible = policy.feasible.iter().map(|named| region_of(&named.condition));
    let infeasible = policy.infeasible.iter().map(|named| region_of(&named.condition));
    Ok(Preferences {
        terms: policy.term.iter().map(term).collect::<Result<_, Error>>()?,
        interactions: interactions.collect::<Result<_, Error>>()?,
        feasible: feasible.collect::<Result<_, Error>>()?,
        infeasible: infeasible.collect::<Result<_, Error>>()?,
        reservation: policy.reservation.map(number),
        aspiration: policy.aspiration.map(number),
        discount: number(policy.discount),
    })
}

/// How the policy concedes.
pub(super) fn strategy(policy: &Policy) -> Strategy {
    let exponent = number(policy.exponent);
    match policy.strategy {
        Identity::TimeDependent => Strategy::Time { exponent },
        Identity::TitForTat => Strategy::TitForTat(TitForTat::Relative { steps: policy.steps }),
        Identity::AbsoluteTitForTat => {
            Strategy::TitForTat(TitForTat::Absolute { steps: policy.steps, seed: policy.seed })
        }
        Identity::AveragedTitForTat => Strategy::TitForTat(TitForTat::Averaged { window: policy.steps }),
        Identity::Micro => Strategy::Micro,
        Identity::FrequencyModel => Strategy::Modelled { exponent, model: Model::Frequency },
        Identity::BayesianModel => Strategy::Modelled { exponent, model: Model::Bayesian },
        // What another module derives is not known here.
        Identity::DefaultStrategy | Identity::Unlisted(_) => Strategy::Default,
    }
}

fn term(term: &PolicyTerm) -> Result<Term, Error> {
    let domain = if let Some(of) = &term.number {
        let (min, max) = (of.min.digits, of.max.digits);
        let step = of.step.map_or_else(|| max.saturating_sub(min) / 100, |step| step.digits).max(1);
        let points = of.point.iter().map(|point| (point.at.digits, number(point.worth)));
        let shape = match of.shape {
            NumberShape::Linear => Shape::Linear,
            NumberShape::Stepped => Shape::Stepped,
            NumberShape::Monotone => Shape::Monotone,
        };
        Domain::Number { min, max, step, worth: curve(shape, points.collect()) }
    } else if let Some(of) = &term.window {
        let by_start = of.by_start.point.iter().map(|point| Ok((micros(&point.at)?, number(point.worth))));
        let by_length = of.by_length.point.iter().map(|point| (seconds(point.at), number(point.worth)));
        let start_shape = match of.by_start.shape {
            ByStartShape::Linear => Shape::Linear,
            ByStartShape::Stepped => Shape::Stepped,
            ByStartShape::Monotone => Shape::Monotone,
        };
        let length_shape = match of.by_length.shape {
            ByLengthShape::Linear => Shape::Linear,
            ByLengthShape::Stepped => Shape::Stepped,
            ByLengthShape::Monotone => Shape::Monotone,
        };
        Domain::Window {
            earliest: micros(&of.earliest)?,
            latest: micros(&of.latest)?,
            step: seconds(of.step),
            shortest: seconds(of.shortest),
            longest: seconds(of.longest.unwrap_or(of.shortest)),
            by_start: curve(start_shape, by_start.collect::<Result<_, Error>>()?),
            by_length: curve(length_shape, by_length.collect()),
        }
    } else {
        let options = term.option.iter().map(|option| (option.text.as_str().into(), number(option.worth)));
        Domain::Choice(options.collect())
    };
    Ok(Term { name: term.name.as_str().into(), weight: number(term.weight), domain })
}

fn curve(shape: Shape, mut points: Vec<(i64, f64)>) -> Curve {
    points.sort_by_key(|(at, _)| *at);
    Curve { shape, points }
}

/// Conditions of a list of another name, which is of the same grouping.
fn region_of<C: Modelled>(conditions: &[C]) -> Result<Region, Error> {
    let conditions: Vec<PolicyCondition> =
        conditions.iter().map(recast).collect::<Result<_, ModelError>>().map_err(|e| bad(e.to_string()))?;
    region(&conditions)
}

fn region(conditions: &[PolicyCondition]) -> Result<Region, Error> {
    let condition = |of: &PolicyCondition| {
        let values = if let Some(within) = &of.within {
            let (start, end) = times(&within.start, &within.end)?;
            Values::Within { start, end }
        } else if let Some(overlapping) = &of.overlapping {
            let (start, end) = times(&overlapping.start, &overlapping.end)?;
            Values::Overlapping { start, end }
        } else if of.min.is_some() || of.max.is_some() {
            let digits = |bound: Option<Decimal64>, none| bound.map_or(none, |bound| bound.digits);
            Values::Numbers(digits(of.min, i64::MIN), digits(of.max, i64::MAX))
        } else {
            Values::Texts(of.text.iter().map(|text| text.as_str().into()).collect())
        };
        Ok(Condition { term: of.term.as_str().into(), values })
    };
    Ok(Region { conditions: conditions.iter().map(condition).collect::<Result<_, Error>>()? })
}

/// What the terms of a proposal offer; `None` if the policy does not know one of them: by its name, its kind or its unit.
pub(super) fn offer(terms: &[RoundTerm], policy: &Policy) -> Option<Offer> {
    let value = |term: &RoundTerm| {
        let known = policy.term.iter().find(|known| known.name == term.name)?;
        let value = if let Some(number) = &term.number {
            known.number.as_ref().filter(|_| known.unit == term.unit)?;
            Value::Number(number.digits)
        } else if let Some(window) = &term.window {
            known.window.as_ref()?;
            Value::Window { start: micros(&window.start).ok()?, end: micros(&window.end).ok()? }
        } else {
            (!known.option.is_empty()).then_some(())?;
            Value::Text(term.text.as_deref()?.into())
        };
        Some((Arc::from(term.name.as_str()), value))
    };
    terms.iter().map(value).collect()
}

/// The terms of a proposal that offers this.
pub(super) fn terms(offer: &Offer, policy: &Policy) -> Vec<RoundTerm> {
    let term = |(name, value): (&Arc<str>, &Value)| {
        let unit = policy.term.iter().find(|term| *term.name == **name).and_then(|term| term.unit.clone());
        let mut term =
            RoundTerm { name: name.to_string(), number: None, text: None, window: None, unit: None };
        match value {
            Value::Number(digits) => {
                term.number = Some(Decimal64::millionths(*digits));
                term.unit = unit;
            }
            Value::Text(text) => term.text = Some(text.to_string()),
            Value::Window { start, end } => {
                let time = |micros| Timestamp::from_micros(micros).unwrap_or(Timestamp::EPOCH).to_string();
                term.window = Some(RoundTermWindow { start: time(*start), end: time(*end) });
            }
        }
        term
    };
    offer.iter().map(term).collect()
}

/// A time that ends after it begins.
fn times(start: &str, end: &str) -> Result<(i64, i64), Error> {
    let (from, to) = (micros(start)?, micros(end)?);
    if from < to { Ok((from, to)) } else { Err(bad(format!("the time from {start} ends at {end}"))) }
}

fn micros(text: &str) -> Result<i64, Error> {
    text.parse::<Timestamp>().map(Timestamp::as_micros).map_err(|e| bad(format!("{text:?}: {e}")))
}

fn seconds(seconds: u32) -> i64 {
    i64::from(seconds).saturating_mul(1_000_000)
}

/// The nearest number; what a policy says has few digits.
#[expect(clippy::cast_precision_loss, reason = "15 digits are enough for what something is worth")]
fn number(of: Decimal64) -> f64 {
    of.digits as f64 / 10_f64.powi(i32::from(of.fraction))
}

/// The refusal of a policy.
pub(super) fn bad(what: impl Into<String>) -> Error {
    Error::application(Tag::InvalidValue, what).app_tag("bad-policy")
}
