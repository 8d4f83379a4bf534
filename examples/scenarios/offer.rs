//! An offer in a negotiation: its terms by name. It weighs none of them.

use std::collections::BTreeMap;
use std::fmt;

use agentconf::yang::generated::magent_task::{Negotiation, OpenNegotiationInputTerm as Term};
use agentconf::yang::model::Modelled;
use agentconf::yang::recast::recast;
use agentconf::yang::value::Decimal64;

use crate::play::{Done, failed};

/// `fraction-digits` of the numbers of terms, as a factor.
const MILLION: i64 = 1_000_000;

/// The terms of an offer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Offer(BTreeMap<String, Term>);

impl Offer {
    /// With a number in this unit.
    #[must_use]
    pub fn number(mut self, name: &str, number: i64, unit: &str) -> Offer {
        let number = Some(Decimal64::whole(number));
        let term = Term { number, unit: Some(unit.to_owned()), ..Term::new(name) };
        self.0.insert(name.to_owned(), term);
        self
    }

    /// With a text.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Offer {
        self.0.insert(name.to_owned(), Term { text: Some(text.to_owned()), ..Term::new(name) });
        self
    }

    /// A number of it, without what comes after the point.
    pub fn number_of(&self, name: &str) -> Done<i64> {
        let number = self.0.get(name).and_then(|term| term.number);
        number.map(|number| number.digits / MILLION).ok_or_else(|| failed(format_args!("no number {name}")))
    }

    /// A text of it.
    pub fn text_of(&self, name: &str) -> Done<&str> {
        let text = self.0.get(name).and_then(|term| term.text.as_deref());
        text.ok_or_else(|| failed(format_args!("no text {name}")))
    }

    /// As the terms of an operation.
    pub fn terms<T: Modelled>(&self) -> Done<Vec<T>> {
        self.0.values().map(|term| recast(term).map_err(failed)).collect()
    }

    /// The offer that stands: that of the latest round with terms.
    pub fn standing(negotiation: &Negotiation) -> Done<Offer> {
        match negotiation.round.iter().rev().find(|round| !round.term.is_empty()) {
            Some(round) => Offer::of(&round.term),
            None => Ok(Offer::default()),
        }
    }

    /// Of the terms of a round.
    pub fn of<T: Modelled>(terms: &[T]) -> Done<Offer> {
        let term = |term: &T| {
            let term: Term = recast(term).map_err(failed)?;
            Ok((term.name.clone(), term))
        };
        terms.iter().map(term).collect::<Done<_>>().map(Offer)
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, term)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match (&term.number, &term.text) {
                (Some(number), _) => {
                    let number = number.to_string();
                    let unit = term.unit.as_deref().unwrap_or_default();
                    write!(f, "{comma}{name} {} {unit}", number.trim_end_matches(".0"))?;
                }
                (None, text) => write!(f, "{comma}{name} {}", text.as_deref().unwrap_or_default())?,
            }
        }
        Ok(())
    }
}
