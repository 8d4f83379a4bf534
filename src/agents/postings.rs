//! Sets of agents by number, each with a level: which agents have a term, and how much it says of them.
//!
//! Owns their form, which is persistent: a change copies what it touches and shares the rest. A set is walked in blocks of
//! [`BLOCK`] numbers, so that sets are intersected as bits and levels are added up as vectors. It never knows what a term is.

use std::iter::Peekable;
use std::sync::Arc;

use imbl::{OrdMap, ordmap};

/// How many numbers a block has.
pub(super) const BLOCK: usize = 1024;
const WORDS: usize = BLOCK / 64;

/// A set of so many agents is held in blocks; one that was and has half as many is not.
const MANY: usize = 8192;
/// So many members of a block are listed; more are bits.
const LISTED: usize = 128;

/// The scores of the agents of a block.
pub(super) type Scores = [i16; BLOCK];

/// A set of agents.
#[derive(Debug, Clone)]
pub(super) enum Postings {
    /// One agent, as for most words there are.
    One(u32, u8),
    /// Some.
    Few(OrdMap<u32, u8>),
    /// Many, and how many they are.
    Many(usize, OrdMap<u32, Arc<Block>>),
}

/// The members of a set among [`BLOCK`] numbers; it has some.
#[derive(Debug, Clone)]
pub(super) enum Block {
    /// In ascending order.
    Listed(Box<[(u16, u8)]>),
    /// All with level 1.
    Bits(Bits),
    /// With a level for each number, which is 0 for those that are no members.
    Levels(Bits, Box<[u8; BLOCK]>),
}

/// A set of places in a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    /// Every place.
    pub(super) const ALL: Bits = Bits([u64::MAX; WORDS]);

    pub(super) fn insert(&mut self, place: u16) {
        if let Some(word) = self.0.get_mut(usize::from(place / 64)) {
            *word |= 1 << (place % 64);
        }
    }

    fn remove(&mut self, place: u16) {
        if let Some(word) = self.0.get_mut(usize::from(place / 64)) {
            *word &= !(1 << (place % 64));
        }
    }

    fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn and(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    pub(super) fn or(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// The places in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> {
        self.parts().flat_map(|(first, bits)| places(first, bits))
    }

    /// 64 places.
    pub(super) fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or_default()
    }

    /// The places as words of 64, each with its first place.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().enumerate().map(|(word, bits)| (word as u16 * 64, *bits))
    }
}

/// The places of the bits of a word whose first one is `first`.
pub(super) fn places(first: u16, mut bits: u64) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| first + bits.trailing_zeros() as u16);
        bits &= bits.wrapping_sub(1);
        place
    })
}

/// The number of the block, and the place in it.
fn place(number: u32) -> (u32, u16) {
    (number / BLOCK as u32, (number % BLOCK as u32) as u16)
}

impl Block {
    fn of(members: Vec<(u16, u8)>) -> Block {
        if members.len() <= LISTED {
            return Block::Listed(members.into());
        }
        let mut bits = Bits::default();
        members.iter().for_each(|(place, _)| bits.insert(*place));
        if members.iter().all(|(_, level)| *level == 1) {
            return Block::Bits(bits);
        }
        let mut levels = Box::new([0; BLOCK]);
        for (place, level) in members {
            if let Some(held) = levels.get_mut(usize::from(place)) {
                *held = level;
            }
        }
        Block::Levels(bits, levels)
    }

    fn members(&self) -> Vec<(u16, u8)> {
        match self {
            Block::Listed(members) => members.to_vec(),
            Block::Bits(bits) => bits.iter().map(|place| (place, 1)).collect(),
            Block::Levels(bits, levels) => {
                let level = |place: u16| levels.get(usize::from(place)).copied().unwrap_or_default();
                bits.iter().map(|place| (place, level(place))).collect()
            }
        }
    }

    /// Puts a member, or takes one away; whether it was there.
    fn set(&mut self, place: u16, level: Option<u8>) -> bool {
        match (&mut *self, level) {
            (Block::Bits(bits), Some(1)) => {
                let before = *bits;
                bits.insert(place);
                before == *bits
            }
            (Block::Levels(bits, levels), Some(level)) => {
                let before = *bits;
                bits.insert(place);
                levels.get_mut(usize::from(place)).into_iter().for_each(|held| *held = level);
                before == *bits
            }
            (Block::Bits(bits), None) if bits.len() > LISTED + 1 => {
                let before = *bits;
                bits.remove(place);
                before != *bits
            }
            (Block::Levels(bits, levels), None) if bits.len() > LISTED + 1 => {
                let before = *bits;
                bits.remove(place);
                levels.get_mut(usize::from(place)).into_iter().for_each(|held| *held = 0);
                before != *bits
            }
            _ => {
                let mut members = self.members();
                let found = members.binary_search_by_key(&place, |(place, _)| *place);
                match (found, level) {
                    (Ok(at), Some(level)) => members.iter_mut().skip(at).take(1).for_each(|m| m.1 = level),
                    (Ok(at), None) => drop(members.remove(at)),
                    (Err(at), Some(level)) => members.insert(at, (place, level)),
                    (Err(_), None) => {}
                }
                *self = Block::of(members);
                found.is_ok()
            }
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Block::Listed(members) if members.is_empty())
    }
}

impl Default for Postings {
    fn default() -> Self {
        Postings::Few(OrdMap::new())
    }
}

/// The same members, however they are held.
impl PartialEq for Postings {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.members() == other.members()
    }
}

impl Postings {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Postings::One(..) => 1,
            Postings::Few(members) => members.len(),
            Postings::Many(count, _) => *count,
        }
    }

    /// All of them in ascending order, with their levels.
    pub(super) fn members(&self) -> Vec<(u32, u8)> {
        match self {
            Postings::One(number, level) => vec![(*number, *level)],
            Postings::Few(members) => members.iter().map(|(number, level)| (*number, *level)).collect(),
            Postings::Many(_, blocks) => {
                let members = blocks.iter().flat_map(|(block, held)| {
                    let first = block * BLOCK as u32;
                    held.members().into_iter().map(move |(place, level)| (first + u32::from(place), level))
                });
                members.collect()
            }
        }
    }

    /// Puts an agent.
    pub(super) fn insert(&mut self, number: u32, level: u8) {
        match self {
            Postings::One(one, held) if *one == number => *held = level,
            Postings::One(one, held) => {
                *self = Postings::Few([(*one, *held), (number, level)].into_iter().collect());
            }
            Postings::Few(members) => {
                members.insert(number, level);
                if members.len() > MANY {
                    *self = in_blocks(members);
                } else if members.len() == 1 {
                    *self = Postings::One(number, level);
                }
            }
            Postings::Many(count, blocks) => {
                let (block, place) = place(number);
                let held = blocks.entry(block).or_insert_with(|| Arc::new(Block::of(Vec::new())));
                *count += usize::from(!Arc::make_mut(held).set(place, Some(level)));
            }
        }
    }

    /// Takes an agent away.
    pub(super) fn remove(&mut self, number: u32) {
        match self {
            Postings::One(one, _) if *one == number => *self = Postings::default(),
            Postings::One(..) => {}
            Postings::Few(members) => {
                members.remove(&number);
                if let (1, Some((number, level))) = (members.len(), members.get_min()) {
                    *self = Postings::One(*number, *level);
                }
            }
            Postings::Many(count, blocks) => {
                let (block, place) = place(number);
                let Some(held) = blocks.get_mut(&block) else { return };
                let held = Arc::make_mut(held);
                *count -= usize::from(held.set(place, None));
                if held.is_empty() {
                    blocks.remove(&block);
                }
                if *count < MANY / 2 {
                    *self = Postings::Few(self.members().into_iter().collect());
                }
            }
        }
    }

    /// A walk along its blocks.
    pub(super) fn walk(&self) -> Walk<'_> {
        match self {
            Postings::Many(_, blocks) => Walk::Blocks(blocks.iter().peekable()),
            Postings::One(..) | Postings::Few(_) => Walk::listed(self.members()),
        }
    }
}

fn in_blocks(members: &OrdMap<u32, u8>) -> Postings {
    let mut blocks: Vec<(u32, Vec<(u16, u8)>)> = Vec::new();
    for (number, level) in members {
        let (block, place) = place(*number);
        match blocks.last_mut() {
            Some((last, members)) if *last == block => members.push((place, *level)),
            _ => blocks.push((block, vec![(place, *level)])),
        }
    }
    let blocks = blocks.into_iter().map(|(block, members)| (block, Arc::new(Block::of(members))));
    Postings::Many(members.len(), blocks.collect())
}

/// A walk along the blocks of a set, forwards.
pub(super) enum Walk<'a> {
    /// Along members in ascending order, of which so many were passed.
    Listed(Vec<(u32, u8)>, usize),
    /// Along blocks.
    Blocks(Peekable<ordmap::Iter<'a, u32, Arc<Block>, imbl::shared_ptr::DefaultSharedPtr>>),
}

impl Walk<'_> {
    /// Along these, which are in ascending order.
    pub(super) fn listed(members: Vec<(u32, u8)>) -> Self {
        Walk::Listed(members, 0)
    }

    /// The first block from this one on that has members.
    pub(super) fn seek(&mut self, block: u32) -> Option<u32> {
        match self {
            Walk::Listed(members, passed) => {
                let left = members.get(*passed..)?;
                *passed += left.partition_point(|(number, _)| place(*number).0 < block);
                members.get(*passed).map(|(number, _)| place(*number).0)
            }
            Walk::Blocks(blocks) => {
                while blocks.next_if(|(number, _)| **number < block).is_some() {}
                blocks.peek().map(|(number, _)| **number)
            }
        }
    }

    /// Adds the members in a block to `bits`; the walk has to be there.
    pub(super) fn gather(&mut self, block: u32, bits: &mut Bits) {
        match self {
            Walk::Listed(members, passed) => {
                here(members, *passed, block).for_each(|(place, _)| bits.insert(place));
            }
            Walk::Blocks(blocks) => match blocks.peek() {
                Some((number, held)) if **number == block => match held.as_ref() {
                    Block::Listed(members) => members.iter().for_each(|(place, _)| bits.insert(*place)),
                    Block::Bits(held) | Block::Levels(held, _) => bits.or(held),
                },
                _ => {}
            },
        }
    }

    /// Adds the levels in a block, times `weight`, to `scores`; the walk has to be there.
    pub(super) fn score(&mut self, block: u32, weight: i16, scores: &mut Scores) {
        let mut add = |place: u16, level: u8| {
            if let Some(score) = scores.get_mut(usize::from(place)) {
                *score = score.saturating_add(weight.saturating_mul(i16::from(level)));
            }
        };
        match self {
            Walk::Listed(members, passed) => {
                here(members, *passed, block).for_each(|(place, level)| add(place, level));
            }
            Walk::Blocks(blocks) => match blocks.peek() {
                Some((number, held)) if **number == block => match held.as_ref() {
                    Block::Listed(members) => members.iter().for_each(|(place, level)| add(*place, *level)),
                    Block::Bits(held) => held.iter().for_each(|place| add(place, 1)),
                    // The one loop that is as long as there are agents: the compiler makes vectors of it, which
                    // a product that cannot be too large allows.
                    Block::Levels(_, levels) => {
                        for (score, level) in scores.iter_mut().zip(levels.iter()) {
                            *score = score.saturating_add(weight.wrapping_mul(i16::from(*level)));
                        }
                    }
                },
                _ => {}
            },
        }
    }
}

/// The members in a block, of those from the first that was not passed on.
fn here(members: &[(u32, u8)], passed: usize, block: u32) -> impl Iterator<Item = (u16, u8)> {
    let left = members.iter().skip(passed).map(|(number, level)| (place(*number), *level));
    left.take_while(move |((of, _), _)| *of == block).map(|((_, place), level)| (place, level))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_set_is_what_was_put_and_not_taken_away_in_whatever_form_it_is_held() {
        let mut random = 0x9E37_79B9_u64;
        let mut below = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        for levels in [1, 200] {
            let (mut set, mut expected) = (Postings::default(), BTreeMap::new());
            // Grows to be held in blocks of all kinds, and shrinks again to nothing.
            for (steps, removals) in [(60_000, 10), (200_000, 75)] {
                for _ in 0..steps {
                    let among = if below(2) == 0 { 3000 } else { 40_000 };
                    let number = below(among) as u32;
                    if below(100) < removals {
                        set.remove(number);
                        expected.remove(&number);
                    } else {
                        let level = 1 + below(levels) as u8;
                        set.insert(number, level);
                        expected.insert(number, level);
                    }
                    assert_eq!(set.len(), expected.len());
                }
                let expected: Vec<(u32, u8)> = expected.iter().map(|(n, level)| (*n, *level)).collect();
                assert_eq!(set.members(), expected);
                let (mut walk, mut block, mut walked) = (set.walk(), 0, Vec::new());
                while let Some(next) = walk.seek(block) {
                    let (mut bits, mut scores) = (Bits::default(), [0; BLOCK]);
                    walk.gather(next, &mut bits);
                    walk.score(next, 2, &mut scores);
                    for place in bits.iter() {
                        walked.push((
                            next * BLOCK as u32 + u32::from(place),
                            (scores[usize::from(place)] / 2) as u8,
                        ));
                    }
                    block = next + 1;
                }
                assert_eq!(walked, expected);
            }
            for number in 0..40_000 {
                set.remove(number);
            }
            assert_eq!(set, Postings::default());
        }
    }
}
