//! The search: which agents are in all of several unions of sets, in the order of their numbers or the best first.
//!
//! It looks at one block of numbers after the other, and adds up the levels of a whole block at once. So what a search costs has a
//! bound that depends on how many agents and sets there are, and not on how many agents are found. It never looks at a profile.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::postings::{BLOCK, Bits, Postings, Scores, Walk, places};

/// The agents that are in one of several sets.
#[derive(Default)]
pub(super) struct Union<'a>(Vec<Walk<'a>>);

impl<'a> Union<'a> {
    /// Of these sets.
    pub(super) fn of(sets: impl IntoIterator<Item = &'a Postings>) -> Self {
        let (mut walks, mut listed) = (Vec::new(), Vec::new());
        for set in sets {
            match set.walk() {
                Walk::Listed(members, _) => listed.extend(members),
                walk => walks.push(walk),
            }
        }
        // However many small sets there are, they are one walk.
        listed.sort_unstable();
        walks.push(Walk::listed(listed));
        Union(walks)
    }

    /// Of these agents.
    pub(super) fn listed(mut numbers: Vec<u32>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Union(vec![Walk::listed(numbers.into_iter().map(|number| (number, 1)).collect())])
    }

    /// The first block from this one on that has members.
    fn seek(&mut self, block: u32) -> Option<u32> {
        self.0.iter_mut().filter_map(|walk| walk.seek(block)).min()
    }

    fn bits(&mut self, block: u32) -> Bits {
        let mut bits = Bits::default();
        self.0.iter_mut().for_each(|walk| walk.gather(block, &mut bits));
        bits
    }
}

/// An agent in the order of a search: the greater score first, then the smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// What the levels of its words come to.
    pub score: Reverse<i16>,
    /// Its number.
    pub number: u32,
}

/// What is looked for.
#[derive(Default)]
pub(super) struct Search<'a> {
    /// Unions in all of which an agent has to be.
    pub required: Vec<Union<'a>>,
    /// What makes the score: the weight of each union, the sum of which is at most 128 as a level is at most 255.
    pub scored: Vec<(i16, Union<'a>)>,
}

impl Search<'_> {
    /// The next block, from this one on, in which there are agents that are in all unions.
    pub(super) fn next(&mut self, mut block: u32) -> Option<(u32, Bits)> {
        loop {
            let asked = block;
            for union in &mut self.required {
                block = union.seek(block)?;
            }
            if block != asked {
                continue;
            }
            let mut bits = Bits::ALL;
            self.required.iter_mut().for_each(|union| bits.and(&union.bits(block)));
            if !bits.is_empty() {
                return Some((block, bits));
            }
            block += 1;
        }
    }

    /// The numbers of the first agents that come after `after` and of which `shown` says yes, no more than `count`.
    pub(super) fn first(
        &mut self,
        after: Option<u32>,
        count: usize,
        shown: impl Fn(u32) -> bool,
    ) -> Vec<u32> {
        let (mut found, mut block) = (Vec::new(), after.map_or(0, |number| number / BLOCK as u32));
        while found.len() < count
            && let Some((at, bits)) = self.next(block)
        {
            let numbers = bits.iter().map(|place| at * BLOCK as u32 + u32::from(place));
            let numbers = numbers.filter(|number| Some(*number) > after && shown(*number));
            found.extend(numbers.take(count - found.len()));
            block = at + 1;
        }
        found
    }

    /// The best agents that come after `after` and of which `shown` says yes, no more than `count`, the best first.
    pub(super) fn best(
        &mut self,
        after: Option<Place>,
        count: usize,
        shown: impl Fn(u32) -> bool,
    ) -> Vec<Place> {
        let mut best = BinaryHeap::new();
        let (mut block, mut needed) = (0, 0);
        while let Some((at, bits)) = self.next(block) {
            let scores = self.scores(at);
            for ((first, bits), scores) in bits.parts().zip(scores.chunks_exact(64)) {
                // Whoever comes later needs a greater score, as its number is greater.
                if scores.iter().copied().max().is_none_or(|greatest| greatest < needed) {
                    continue;
                }
                for place in places(first, bits) {
                    let score = scores.get(usize::from(place - first)).copied().unwrap_or_default();
                    let place = Place { score: Reverse(score), number: at * BLOCK as u32 + u32::from(place) };
                    if score < needed || Some(place) <= after || !shown(place.number) {
                        continue;
                    }
                    best.push(place);
                    if best.len() > count {
                        best.pop();
                    }
                    if best.len() == count {
                        needed = best.peek().map_or(needed, |worst| worst.score.0.saturating_add(1));
                    }
                }
            }
            block = at + 1;
        }
        best.into_sorted_vec()
    }

    fn scores(&mut self, block: u32) -> Scores {
        let mut scores = [0; BLOCK];
        for (weight, union) in &mut self.scored {
            for walk in &mut union.0 {
                walk.seek(block);
                walk.score(block, *weight, &mut scores);
            }
        }
        scores
    }
}
