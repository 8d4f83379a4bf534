//! A map that forgets: bounded in size, each entry with an end. Its keys are keyed digests, so it never holds a secret.

use std::collections::HashMap;

use rustls::crypto::SecureRandom;
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;

/// A key of a [`Remembered`]: what [`Digester::digest`] makes of something that is not to be kept.
pub type Digest = [u8; 32];

/// Makes digests that mean nothing outside of this process.
#[derive(Debug)]
pub struct Digester {
    secret: [u8; 32],
}

impl Digester {
    /// With a new random secret; `None` if the operating system has no randomness.
    pub fn new(random: &dyn SecureRandom) -> Option<Digester> {
        let mut secret = [0; 32];
        random.fill(&mut secret).ok().map(|()| Digester { secret })
    }

    /// The digest of a sequence of parts; other parts, or the same bytes cut differently, give another one.
    pub fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut hash = Sha256::new_with_prefix(self.secret);
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// The map. Not synchronised.
#[derive(Debug)]
pub struct Remembered<V> {
    entries: HashMap<Digest, (Timestamp, V)>,
    entries_max: usize,
}

impl<V> Remembered<V> {
    /// An empty map that never holds more than `entries_max` entries.
    pub fn new(entries_max: usize) -> Remembered<V> {
        Remembered { entries: HashMap::new(), entries_max }
    }

    /// The value and its end, unless it is forgotten.
    pub fn get(&self, key: &Digest, now: Timestamp) -> Option<(&V, Timestamp)> {
        self.entries.get(key).filter(|(end, _)| *end > now).map(|(end, value)| (value, *end))
    }

    /// Remembers a value until `end`. If the map is full, what has ended goes, or else what would end first.
    pub fn insert(&mut self, key: Digest, value: V, end: Timestamp, now: Timestamp) {
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&key) {
            self.entries.retain(|_, (end, _)| *end > now);
            if self.entries.len() >= self.entries_max {
                let first = self.entries.iter().min_by_key(|(_, (end, _))| *end).map(|(key, _)| *key);
                first.map(|key| self.entries.remove(&key));
            }
        }
        self.entries.insert(key, (end, value));
    }

    /// Forgets a value.
    pub fn remove(&mut self, key: &Digest) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_drops_what_ends_first() {
        let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let mut map = Remembered::new(2);
        map.insert([1; 32], "one", at(30), at(0));
        map.insert([2; 32], "two", at(20), at(0));
        map.insert([3; 32], "three", at(40), at(0));
        assert_eq!(map.get(&[2; 32], at(0)), None);
        assert_eq!(map.get(&[1; 32], at(29)), Some((&"one", at(30))));
        assert_eq!(map.get(&[1; 32], at(30)), None);
        map.insert([4; 32], "four", at(50), at(35));
        assert_eq!(map.get(&[3; 32], at(35)), Some((&"three", at(40))));
        assert_eq!(map.entries.len(), 2);
    }

    #[test]
    fn digests_know_where_parts_end() {
        let digester = Digester::new(rustls::crypto::ring::default_provider().secure_random).unwrap();
        assert_eq!(digester.digest(&[b"ab", b"c"]), digester.digest(&[b"ab", b"c"]));
        assert_ne!(digester.digest(&[b"ab", b"c"]), digester.digest(&[b"a", b"bc"]));
        let other = Digester::new(rustls::crypto::ring::default_provider().secure_random).unwrap();
        assert_ne!(digester.digest(&[b"a"]), other.digest(&[b"a"]));
    }
}
