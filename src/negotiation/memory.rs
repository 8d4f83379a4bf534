//! What is made of policies, and negotiators, kept between two decisions, so that nothing is searched for and told anew each time.
//!
//! It stands beside the state: what is kept follows from policies and rounds, and is made anew where it is missing. It never
//! holds more than `PREPARED_BYTES_MAX`, about; what was not used for longest goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::step::Party;
use super::strategy::{Negotiator, Prepared};
use crate::limits::PREPARED_BYTES_MAX;

/// What is made of all policies. A copy is the same memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Kept>>);

/// What follows from the state is no part of it.
impl PartialEq for Memory {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What tells a policy from all others: the SHA-256 of what it says.
pub(super) type Digest = [u8; 32];

#[derive(Debug, Default)]
struct Kept {
    policies: HashMap<Digest, Policy>,
    /// The policies in the order in which they were last used.
    order: BTreeMap<u64, Digest>,
    newest: u64,
    octets: usize,
}

/// What is made of one policy.
#[derive(Debug)]
struct Policy {
    prepared: Arc<Prepared>,
    /// Of it and of all its negotiators.
    octets: usize,
    /// Its place in the order.
    used: u64,
    negotiators: HashMap<Key, (usize, Remembered)>,
}

type Key = (Arc<str>, Party);

/// A negotiator that was told the offers of some rounds.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) negotiator: Negotiator,
    /// The number of the last round that it was told.
    pub(super) told: u32,
    /// The digest of the rounds up to it.
    pub(super) digest: u64,
}

impl Memory {
    /// What is made of a policy.
    pub(super) fn prepared(&self, policy: &Digest) -> Option<Arc<Prepared>> {
        self.with(|kept| kept.used(policy).map(|policy| policy.prepared.clone()))
    }

    /// Remembers what is made of a policy.
    pub(super) fn prepare(&self, policy: Digest, prepared: Arc<Prepared>) {
        self.with(|kept| {
            kept.forget(&policy);
            kept.newest += 1;
            let (octets, used) = (prepared.octets(), kept.newest);
            kept.order.insert(used, policy);
            kept.octets += octets;
            kept.policies.insert(policy, Policy { prepared, octets, used, negotiators: HashMap::new() });
            kept.make_room();
        });
    }

    /// Gives a negotiator away that decides by a policy.
    pub(super) fn take(&self, policy: &Digest, negotiation: &Arc<str>, party: Party) -> Option<Remembered> {
        self.with(|kept| {
            let policy = kept.used(policy)?;
            let (octets, remembered) = policy.negotiators.remove(&(negotiation.clone(), party))?;
            policy.octets -= octets;
            kept.octets -= octets;
            Some(remembered)
        })
    }

    /// Remembers a negotiator, as long as what is made of its policy is.
    pub(super) fn keep(&self, policy: &Digest, negotiation: &Arc<str>, party: Party, remembered: Remembered) {
        let octets = remembered.negotiator.octets();
        self.with(|kept| {
            let Some(policy) = kept.used(policy) else { return };
            let before = policy.negotiators.insert((negotiation.clone(), party), (octets, remembered));
            let before = before.map_or(0, |(octets, _)| octets);
            policy.octets = policy.octets + octets - before;
            kept.octets = kept.octets + octets - before;
            kept.make_room();
        });
    }

    fn with<T>(&self, what: impl FnOnce(&mut Kept) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    /// A policy, which is now the one that was used last.
    fn used(&mut self, digest: &Digest) -> Option<&mut Policy> {
        let policy = self.policies.get_mut(digest)?;
        self.newest += 1;
        self.order.remove(&policy.used);
        policy.used = self.newest;
        self.order.insert(policy.used, *digest);
        Some(policy)
    }

    fn forget(&mut self, digest: &Digest) {
        if let Some(policy) = self.policies.remove(digest) {
            self.order.remove(&policy.used);
            self.octets -= policy.octets;
        }
    }

    fn make_room(&mut self) {
        while self.octets > PREPARED_BYTES_MAX {
            let Some((_, oldest)) = self.order.first_key_value() else { return };
            let oldest = *oldest;
            self.forget(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negotiation::strategy::{Domain, Preferences, Strategy, Term};

    fn large() -> Arc<Prepared> {
        let choices = |count: u16| Domain::Choice((0..count).map(|n| (n.to_string().into(), 0.0)).collect());
        let term = |number: u16| Term { name: number.to_string().into(), weight: 1.0, domain: choices(2) };
        let terms = (0..16).map(term).collect();
        let preferences = Preferences { terms, discount: 1.0, ..Preferences::default() };
        Arc::new(Prepared::new(preferences).unwrap())
    }

    #[test]
    fn what_is_kept_is_bounded_by_its_octets_and_what_was_used_stays() {
        let (memory, prepared) = (Memory::default(), large());
        assert!(prepared.octets() > 2_000_000, "{}", prepared.octets());
        let id: Arc<str> = "n".into();
        for number in 0..1000_u16 {
            let mut digest = Digest::default();
            digest[..2].copy_from_slice(&number.to_be_bytes());
            memory.prepare(digest, prepared.clone());
            let negotiator = Negotiator::new(prepared.clone(), Strategy::Default);
            let remembered = Remembered { negotiator, told: 0, digest: 0 };
            memory.keep(&digest, &id, Party::Initiator, remembered);
            assert!(memory.prepared(&Digest::default()).is_some(), "it is used again and again");
            memory.with(|kept| {
                assert!(kept.octets <= PREPARED_BYTES_MAX);
                assert_eq!(kept.octets, kept.policies.values().map(|policy| policy.octets).sum::<usize>());
                assert_eq!(kept.policies.len(), kept.order.len());
            });
        }
        assert!(memory.with(|kept| kept.policies.len()) < 200);
        assert!(memory.take(&Digest::default(), &id, Party::Initiator).is_some());
        assert!(memory.take(&Digest::default(), &id, Party::Initiator).is_none());
    }
}
