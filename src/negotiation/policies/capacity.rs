//! The capacity of an agent, what of it is promised, and what is free when.
//!
//! Owns the arithmetic, so that nothing is promised twice. It never asks who may promise, and never decides what to offer.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use crate::clock::{Timestamp, TimestampError};
use crate::negotiation::step::Party;
use crate::negotiation::strategy::{Condition, Region, Values};
use crate::yang::generated::magent_policy::{Capacity, Commitment as Shown, Role, Term as PolicyTerm};
use crate::yang::generated::magent_task::RoundTerm;
use crate::yang::value::Decimal64;

/// Most parts of the future that a policy is told of; more are taken together.
const PARTS_MAX: usize = 64;

/// What one agreement takes of one term.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::negotiation) struct Commitment {
    /// In millionths.
    pub(in crate::negotiation) amount: i64,
    pub(in crate::negotiation) start: Timestamp,
    pub(in crate::negotiation) end: Option<Timestamp>,
    pub(in crate::negotiation) lapses_at: Option<Timestamp>,
    pub(in crate::negotiation) task: Option<Arc<str>>,
}

impl Commitment {
    /// Whether it takes anything at the time `now` or later.
    fn counts(&self, now: Timestamp) -> bool {
        self.end.is_none_or(|end| now < end) && self.lapses_at.is_none_or(|at| now < at)
    }

    /// What an entry of the list `commitment` says.
    ///
    /// # Errors
    /// A time is none.
    pub(in crate::negotiation) fn read(shown: &Shown) -> Result<Self, TimestampError> {
        let time = |text: &Option<String>| text.as_ref().map(|text| text.parse()).transpose();
        Ok(Commitment {
            amount: shown.amount.digits,
            start: shown.start.parse()?,
            end: time(&shown.end)?,
            lapses_at: time(&shown.lapses_at)?,
            task: shown.task.as_deref().map(Arc::from),
        })
    }

    fn shown(&self, term: &str, negotiation: &str) -> Shown {
        Shown {
            negotiation: negotiation.to_owned(),
            term: term.to_owned(),
            amount: Decimal64::millionths(self.amount),
            start: self.start.to_string(),
            end: self.end.map(|end| end.to_string()),
            lapses_at: self.lapses_at.map(|at| at.to_string()),
            task: self.task.as_deref().map(str::to_owned),
        }
    }
}

/// What is promised, by term and negotiation. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::negotiation) struct Commitments(OrdMap<(Arc<str>, Arc<str>), Commitment>);

/// What a proposal would take.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::negotiation) struct Demand<'a> {
    /// Of what.
    capacity: &'a Capacity,
    /// In millionths; `None` if its unit is not that of the capacity.
    amount: Option<i64>,
    start: Timestamp,
    end: Option<Timestamp>,
}

impl Demand<'_> {
    pub(in crate::negotiation) fn term(&self) -> &str {
        &self.capacity.term
    }
}

/// What the terms of a proposal take of an agent's capacity at the time `now`, if the agent has this role.
pub(in crate::negotiation) fn demands<'a>(
    capacity: &'a [Capacity],
    party: Party,
    terms: &'a [RoundTerm],
    now: Timestamp,
) -> impl Iterator<Item = Demand<'a>> {
    capacity.iter().filter(move |capacity| concerns(capacity, party)).filter_map(move |capacity| {
        let term = terms.iter().find(|term| term.name == capacity.term)?;
        let amount = term.number.map(|number| number.digits).filter(|amount| *amount > 0)?;
        let window =
            capacity.window_term.as_ref().and_then(|name| terms.iter().find(|term| term.name == *name));
        let (start, end) = match window.and_then(|term| term.window.as_ref()) {
            // The texts were checked with the move.
            Some(window) => (window.start.parse().unwrap_or(now), window.end.parse().ok()),
            None => (now, None),
        };
        let is_in_unit = capacity.unit.is_none() || capacity.unit == term.unit;
        let has_passed = end.is_some_and(|end| end <= now);
        (!has_passed).then_some(Demand { capacity, amount: is_in_unit.then_some(amount), start, end })
    })
}

impl Party {
    /// Whose part a party has, of a feasibility negotiation. On the fulfillment of a task the agent opens that executes it, and
    /// which answered when it was asked what is feasible.
    pub(in crate::negotiation) fn role(self, task: Option<&str>) -> Party {
        if task.is_some() { self.other() } else { self }
    }
}

/// Whether the agreements of who has this role take of it.
fn concerns(capacity: &Capacity, party: Party) -> bool {
    match capacity.role {
        None => true,
        Some(Role::Initiator) => party == Party::Initiator,
        Some(Role::Responder) => party == Party::Responder,
    }
}

impl Commitments {
    /// How many there are, those included that no longer count.
    pub(in crate::negotiation) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the demand is free from `now` on. What is promised for the task already is what would be promised anew.
    pub(in crate::negotiation) fn cover(
        &self,
        demand: &Demand<'_>,
        now: Timestamp,
        task: Option<&str>,
    ) -> bool {
        let Some(amount) = demand.amount else { return false };
        let free = self.free(demand.capacity, demand.start.max(now), demand.end, now, task);
        free.iter().all(|(_, free)| amount <= *free)
    }

    /// How much is free: from each time on until the next one, the last until `end`.
    fn free(
        &self,
        capacity: &Capacity,
        start: Timestamp,
        end: Option<Timestamp>,
        now: Timestamp,
        task: Option<&str>,
    ) -> Vec<(Timestamp, i64)> {
        let is_within = |at: &Timestamp| start < *at && end.is_none_or(|end| *at < end);
        let of_task = |commitment: &&Commitment| task.is_some() && commitment.task.as_deref() == task;
        let promised: Vec<&Commitment> = self
            .of_term(&capacity.term)
            .map(|(_, commitment)| commitment)
            .filter(|commitment| commitment.counts(now) && !of_task(commitment))
            .filter(|commitment| commitment.end.is_none_or(|end| start < end))
            .collect();
        let time = |text: &String| text.parse::<Timestamp>().ok();
        let windows: Vec<(Timestamp, Timestamp, i64)> = capacity
            .window
            .iter()
            .filter_map(|window| Some((time(&window.start)?, time(&window.end)?, window.amount.digits)))
            .collect();
        let mut times = vec![start];
        times.extend(promised.iter().flat_map(|one| [Some(one.start), one.end]).flatten().filter(is_within));
        times.extend(windows.iter().flat_map(|(from, to, _)| [*from, *to]).filter(is_within));
        times.sort_unstable();
        times.dedup();
        let free = |at: Timestamp| {
            let windows = windows.iter().filter(|(from, to, _)| *from <= at && at < *to);
            let has = windows.map(|(_, _, amount)| *amount).min().unwrap_or(capacity.amount.digits);
            let taken = promised.iter().filter(|one| one.start <= at && one.end.is_none_or(|end| at < end));
            has.saturating_sub(taken.map(|one| one.amount).fold(0, i64::saturating_add))
        };
        times.into_iter().map(|at| (at, free(at))).collect()
    }

    fn of_term(&self, term: &str) -> impl Iterator<Item = (&str, &Commitment)> {
        let from: (Arc<str>, Arc<str>) = (term.into(), "".into());
        let of_term = self.0.range((Bound::Included(from), Bound::Unbounded));
        let term = term.to_owned();
        let of_term = of_term.take_while(move |((name, _), _)| **name == *term);
        of_term.map(|((_, negotiation), commitment)| (&**negotiation, commitment))
    }

    /// What a policy with these terms cannot offer at the time `now`, since it is not free.
    pub(in crate::negotiation) fn infeasible(
        &self,
        capacity: &[Capacity],
        party: Party,
        terms: &[PolicyTerm],
        now: Timestamp,
        task: Option<&str>,
    ) -> Vec<Region> {
        let mut regions = Vec::new();
        for capacity in capacity.iter().filter(|capacity| concerns(capacity, party)) {
            let Some(term) = terms.iter().find(|term| term.name == capacity.term) else { continue };
            let Some(most) = term.number.as_ref().map(|number| number.max.digits) else { continue };
            let name: Arc<str> = term.name.as_str().into();
            let more_than = |free: i64| Condition {
                term: name.clone(),
                values: Values::Numbers(free.max(0).saturating_add(1), i64::MAX),
            };
            if capacity.unit.is_some() && capacity.unit != term.unit {
                regions.push(Region { conditions: vec![more_than(0)] });
                continue;
            }
            let free = self.free(capacity, now, None, now, task);
            let window = capacity.window_term.as_ref();
            let window =
                window.filter(|name| terms.iter().any(|term| term.name == **name && term.window.is_some()));
            let Some(window) = window else {
                let least = free.iter().map(|(_, free)| *free).min().unwrap_or(0);
                if least < most {
                    regions.push(Region { conditions: vec![more_than(least)] });
                }
                continue;
            };
            let together = free.len().div_ceil(PARTS_MAX).max(1);
            let parts: Vec<&[(Timestamp, i64)]> = free.chunks(together).collect();
            let ends = parts.iter().skip(1).map(|part| part.first().map(|(at, _)| at.as_micros()));
            for (part, end) in parts.iter().zip(ends.chain([None])) {
                let least = part.iter().map(|(_, free)| *free).min().unwrap_or(0);
                let Some((start, _)) = part.first().filter(|_| least < most) else { continue };
                let values = Values::Overlapping { start: start.as_micros(), end: end.unwrap_or(i64::MAX) };
                let during = Condition { term: window.as_str().into(), values };
                regions.push(Region { conditions: vec![more_than(least), during] });
            }
        }
        regions
    }

    /// What was promised of the terms for a task is promised no longer: something else was agreed.
    pub(in crate::negotiation) fn replace(&mut self, task: &str, agreed: &[RoundTerm]) {
        self.retain(|term, one| !is_replaced(term, one, task, agreed));
    }

    /// How many count at the time `now` and would still be there if the terms were agreed, of the fulfillment of this task,
    /// beside those that would be made (`is_anew`, of a term and a negotiation).
    pub(in crate::negotiation) fn staying(
        &self,
        now: Timestamp,
        task: Option<&str>,
        agreed: &[RoundTerm],
        is_anew: impl Fn(&str, &str) -> bool,
    ) -> usize {
        let stays = |term: &str, one: &Commitment| {
            one.counts(now) && task.is_none_or(|task| !is_replaced(term, one, task, agreed))
        };
        self.0.iter().filter(|((term, of), one)| stays(term, one) && !is_anew(term, of)).count()
    }

    /// Whether anything is promised for the task.
    pub(in crate::negotiation) fn has_for(&self, task: &str) -> bool {
        self.0.values().any(|one| one.task.as_deref() == Some(task))
    }

    /// By which negotiations anything is promised of the term at the time `now` or later.
    pub(in crate::negotiation) fn promised(&self, term: &str, now: Timestamp) -> impl Iterator<Item = &str> {
        let counting = self.of_term(term).filter(move |(_, one)| one.counts(now));
        counting.map(|(negotiation, _)| negotiation)
    }

    fn retain(&mut self, stays: impl Fn(&str, &Commitment) -> bool) {
        if !self.0.iter().all(|((term, _), one)| stays(term, one)) {
            let staying = self.0.iter().filter(|((term, _), one)| stays(term, one));
            self.0 = staying.map(|(key, one)| (key.clone(), one.clone())).collect();
        }
    }

    /// Promises what was agreed.
    pub(in crate::negotiation) fn promise(
        &mut self,
        negotiation: &str,
        demand: &Demand<'_>,
        now: Timestamp,
        task: Option<&str>,
    ) {
        let Some(amount) = demand.amount else { return };
        self.lapse(now);
        let term: Arc<str> = demand.term().into();
        let lapses_at = match task {
            None => demand.capacity.held_for.map(|seconds| now.saturating_add_seconds(i64::from(seconds))),
            Some(_) => None,
        };
        let commitment =
            Commitment { amount, start: demand.start, end: demand.end, lapses_at, task: task.map(Arc::from) };
        self.0.insert((term, negotiation.into()), commitment);
    }

    /// Drops what no longer counts at the time `now`.
    pub(in crate::negotiation) fn lapse(&mut self, now: Timestamp) {
        self.retain(|_, one| one.counts(now));
    }

    /// Until when all of it counts; `None`: as long as nothing happens.
    pub(in crate::negotiation) fn until(&self) -> Option<Timestamp> {
        self.0.values().flat_map(|one| [one.end, one.lapses_at]).flatten().min()
    }

    /// Takes one back that was saved.
    pub(in crate::negotiation) fn put(&mut self, term: &str, negotiation: &str, commitment: Commitment) {
        self.0.insert((term.into(), negotiation.into()), commitment);
    }

    /// Whether anything is promised by the agreement.
    pub(in crate::negotiation) fn has(&self, negotiation: &str) -> bool {
        self.0.keys().any(|(_, of)| **of == *negotiation)
    }

    /// Whether something is promised of the term by the agreement, at the time `now` or later.
    pub(in crate::negotiation) fn holds(&self, negotiation: &str, term: &str, now: Timestamp) -> bool {
        self.0.get(&(term.into(), negotiation.into())).is_some_and(|one| one.counts(now))
    }

    /// The same of any term.
    pub(in crate::negotiation) fn counts_by(&self, negotiation: &str, now: Timestamp) -> bool {
        self.0.iter().any(|((_, of), one)| **of == *negotiation && one.counts(now))
    }

    /// The task that carries the agreement out: what was promised stays until it ends.
    pub(in crate::negotiation) fn bind(&mut self, negotiation: &str, task: &str) {
        let keys: Vec<_> = self.0.keys().filter(|(_, of)| **of == *negotiation).cloned().collect();
        for key in keys {
            if let Some(commitment) = self.0.get_mut(&key) {
                commitment.lapses_at = None;
                commitment.task = Some(task.into());
            }
        }
    }

    /// Releases what is promised by an agreement.
    pub(in crate::negotiation) fn release(&mut self, negotiation: &str) {
        let keys: Vec<_> = self.0.keys().filter(|(_, of)| **of == *negotiation).cloned().collect();
        keys.iter().for_each(|key| {
            self.0.remove(key);
        });
    }

    /// The negotiations by whose agreements something is promised for a task.
    pub(in crate::negotiation) fn negotiations(&self, task: &str) -> Vec<Arc<str>> {
        let of_task = |commitment: &Commitment| commitment.task.as_deref() == Some(task);
        self.0
            .iter()
            .filter(|(_, one)| of_task(one))
            .map(|((_, negotiation), _)| negotiation.clone())
            .collect()
    }

    /// All, as entries of the list `commitment`.
    pub(in crate::negotiation) fn shown(&self) -> impl Iterator<Item = Shown> {
        self.0.iter().map(|((term, negotiation), commitment)| commitment.shown(term, negotiation))
    }
}

/// Whether a commitment is for the task, and of a term of which something else is agreed.
fn is_replaced(term: &str, one: &Commitment, task: &str, agreed: &[RoundTerm]) -> bool {
    one.task.as_deref() == Some(task) && agreed.iter().any(|agreed| agreed.name == term)
}
