//! Negotiators that are kept between two decisions, so that none is told all offers again.
//!
//! It stands beside the state: what is kept follows from the rounds, and is made anew where it is missing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::step::Party;
use super::strategy::Negotiator;
use crate::limits::NEGOTIATORS_KEPT_MAX;

/// The negotiators of all negotiations. A copy is the same memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Kept>>);

/// What follows from the state is no part of it.
impl PartialEq for Memory {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Debug, Default)]
struct Kept {
    /// Each with the number under which it came.
    negotiators: HashMap<Key, (u64, Remembered)>,
    /// The keys in the order in which they came, also of those that were taken.
    order: VecDeque<(u64, Key)>,
    newest: u64,
}

type Key = (Arc<str>, Party);

/// A negotiator that was told the offers of some rounds.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) negotiator: Negotiator,
    /// What it was made of; it is compared by its place in memory.
    pub(super) of: Arc<super::policies::Stored>,
    /// The number of the last round that it was told.
    pub(super) told: u32,
    /// The digest of the rounds up to it.
    pub(super) digest: u64,
}

impl Memory {
    /// Gives what is remembered away.
    pub(super) fn take(&self, negotiation: &Arc<str>, party: Party) -> Option<Remembered> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.negotiators.remove(&(negotiation.clone(), party)).map(|(_, remembered)| remembered)
    }

    /// Remembers; the oldest is forgotten to make room.
    pub(super) fn keep(&self, negotiation: &Arc<str>, party: Party, remembered: Remembered) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (negotiation.clone(), party);
        kept.newest = kept.newest.wrapping_add(1);
        let number = kept.newest;
        kept.negotiators.insert(key.clone(), (number, remembered));
        kept.order.push_back((number, key));
        while kept.negotiators.len() > NEGOTIATORS_KEPT_MAX || kept.order.len() > 4 * NEGOTIATORS_KEPT_MAX {
            let Some((number, oldest)) = kept.order.pop_front() else { break };
            if kept.negotiators.get(&oldest).is_some_and(|(kept, _)| *kept == number) {
                kept.negotiators.remove(&oldest);
            }
        }
    }
}
