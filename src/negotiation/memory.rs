//! Negotiators that are kept between two decisions, so that none is told all offers again.
//!
//! It stands beside the state: what is kept follows from the rounds, and is made anew where it is missing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::step::Party;
use super::strategy::Negotiator;
use crate::limits::NEGOTIATORS_KEPT_MAX;
use crate::yang::generated::magent_task::Round;

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
    negotiators: HashMap<Key, Remembered>,
    /// The keys in the order in which they came.
    order: VecDeque<Key>,
}

type Key = (Arc<str>, Party);

/// A negotiator that was told the offers of some rounds.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) negotiator: Negotiator,
    /// What it was made of; it is compared by its place in memory.
    pub(super) of: Arc<super::policies::Stored>,
    /// The last round that it was told; what was told before led to this one.
    pub(super) told: Option<Arc<Round>>,
}

impl Memory {
    /// Gives what is remembered away.
    pub(super) fn take(&self, negotiation: &Arc<str>, party: Party) -> Option<Remembered> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.negotiators.remove(&(negotiation.clone(), party))
    }

    /// Remembers; the oldest is forgotten to make room.
    pub(super) fn keep(&self, negotiation: &Arc<str>, party: Party, remembered: Remembered) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (negotiation.clone(), party);
        kept.negotiators.insert(key.clone(), remembered);
        kept.order.push_back(key);
        // Those that were taken and not kept again stand in the order too.
        while kept.negotiators.len() > NEGOTIATORS_KEPT_MAX || kept.order.len() > 4 * NEGOTIATORS_KEPT_MAX {
            let Some(oldest) = kept.order.pop_front() else { break };
            if !kept.order.contains(&oldest) {
                kept.negotiators.remove(&oldest);
            }
        }
    }
}
