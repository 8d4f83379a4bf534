//! Whether a history of one register can be explained by operations that took effect one at a time, each between its invocation
//! and its answer (linearizability; Wing and Gong's search, with Lowe's memory of where it has been). It never looks at a server.

use std::collections::HashSet;

/// What a register holds; no two writes write the same.
pub type Value = Option<u64>;

/// What was done to a register, with what was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Read(Value),
    Write(Value),
    /// Where it held the first it holds the second.
    Swap(Value, Value),
    /// It did not hold this.
    Kept(Value),
}

impl Deed {
    /// What the register holds afterwards; `None` if this cannot have been.
    fn on(self, held: Value) -> Option<Value> {
        match self {
            Deed::Read(seen) => (seen == held).then_some(held),
            Deed::Write(value) => Some(value),
            Deed::Swap(from, to) => (from == held).then_some(to),
            Deed::Kept(other) => (other != held).then_some(held),
        }
    }
}

/// An operation, between two moments of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub deed: Deed,
    pub begin: u64,
    /// The answer; of an operation that got none, the moment after which it can take effect no more.
    pub end: u64,
    /// Whether it was answered. If not, it may never have taken effect.
    pub is_certain: bool,
}

/// Checks the history of a register that held nothing before.
///
/// # Errors
/// The longest explanation there is, and what follows it.
pub fn check(history: &[Operation]) -> Result<(), String> {
    let mut sorted = history.to_vec();
    sorted.sort_by_key(|operation| operation.begin);
    let start = Place { held: None, first: 0, done: Vec::new(), owed: None };
    let (mut seen, mut open, mut farthest) = (HashSet::from([start.clone()]), vec![start.clone()], start);
    while let Some(place) = open.pop() {
        if place.is_end(&sorted) {
            return Ok(());
        }
        if place.first > farthest.first {
            farthest = place.clone();
        }
        // What began first is tried first.
        for next in place.nexts(&sorted).into_iter().rev() {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    let from = farthest.first.saturating_sub(6);
    let around: Vec<String> = sorted
        .iter()
        .skip(from)
        .take(16)
        .map(|Operation { deed, begin, end, is_certain }| {
            format!("  {begin}..{end} {deed:?}{}", if *is_certain { "" } else { " (no answer)" })
        })
        .collect();
    Err(format!("nothing explains this history, which is at {:?}:\n{}", farthest.held, around.join("\n")))
}

/// Where the search is: what the register holds, and which operations are behind.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    held: Value,
    /// All before this one are behind.
    first: usize,
    /// And so are these, in order.
    done: Vec<usize>,
    /// The newest was one without an answer, of which this was held before and which may end then. Nobody has to assume it
    /// before something that needs it: what is possible without it comes first, or makes it superfluous.
    owed: Option<(Value, u64)>,
}

impl Place {
    fn is_done(&self, number: usize) -> bool {
        number < self.first || self.done.binary_search(&number).is_ok()
    }

    fn is_end(&self, sorted: &[Operation]) -> bool {
        (self.first..sorted.len()).all(|number| !sorted[number].is_certain || self.is_done(number))
    }

    /// Where one more operation leads, whichever can be the next.
    fn nexts(&self, sorted: &[Operation]) -> Vec<Place> {
        let (mut nexts, mut earliest_end) = (Vec::new(), u64::MAX);
        // Those without an answer whose time is over before what comes next: they had no effect.
        let mut unanswered = Vec::new();
        for (number, operation) in sorted.iter().enumerate().skip(self.first) {
            if operation.begin > earliest_end {
                break;
            }
            if self.is_done(number) {
                continue;
            }
            let is_idle =
                |(before, end): (Value, u64)| operation.deed.on(before).is_some() && operation.begin <= end;
            if let Some(held) = operation.deed.on(self.held)
                && !self.owed.is_some_and(is_idle)
            {
                let over =
                    unanswered.iter().copied().filter(|other: &usize| sorted[*other].end < operation.begin);
                let owed = (!operation.is_certain).then_some((self.held, operation.end));
                nexts.push(Place { owed, ..self.with(held, over.chain([number]), sorted.len()) });
            }
            match operation.is_certain {
                true => earliest_end = earliest_end.min(operation.end),
                false => unanswered.push(number),
            }
        }
        nexts
    }

    fn with(&self, held: Value, more: impl Iterator<Item = usize>, count: usize) -> Place {
        let mut done: Vec<usize> = self.done.iter().copied().chain(more).collect();
        done.sort_unstable();
        let mut first = self.first;
        while first < count && done.binary_search(&first).is_ok() {
            first += 1;
        }
        done.retain(|number| *number >= first);
        Place { held, first, done, owed: None }
    }
}

#[cfg(test)]
mod tests {
    use super::Deed::{Kept, Read, Swap, Write};
    use super::*;

    fn answered(deed: Deed, begin: u64, end: u64) -> Operation {
        Operation { deed, begin, end, is_certain: true }
    }

    fn unanswered(deed: Deed, begin: u64, end: u64) -> Operation {
        Operation { deed, begin, end, is_certain: false }
    }

    const A: Value = Some(1);
    const B: Value = Some(2);

    #[test]
    fn what_can_be_explained_is_accepted() {
        for good in [
            vec![],
            vec![answered(Read(None), 1, 2), answered(Write(A), 3, 4), answered(Read(A), 5, 6)],
            // At the same time, in either order, and two readers see the same one.
            vec![
                answered(Write(A), 1, 10),
                answered(Write(B), 2, 9),
                answered(Read(A), 11, 12),
                answered(Read(A), 13, 14),
            ],
            vec![answered(Write(A), 1, 10), answered(Write(B), 2, 9), answered(Read(B), 11, 12)],
            // A reader sees a write before that was answered.
            vec![answered(Write(A), 1, 10), answered(Read(A), 2, 3), answered(Read(A), 4, 5)],
            vec![answered(Write(A), 1, 10), answered(Read(None), 2, 3), answered(Read(A), 4, 5)],
            // Of two that want the same, one has it.
            vec![answered(Swap(None, A), 1, 5), answered(Kept(None), 2, 6), answered(Swap(A, B), 7, 8)],
            // Nobody knows of it, and it happened, then or later, or never.
            vec![unanswered(Write(A), 1, u64::MAX), answered(Read(None), 2, 3), answered(Read(A), 8, 9)],
            vec![unanswered(Write(A), 1, u64::MAX), answered(Read(None), 2, 3), answered(Read(None), 8, 9)],
            vec![unanswered(Write(A), 1, 4), answered(Read(A), 8, 9)],
            vec![unanswered(Swap(B, A), 1, 4), answered(Read(None), 8, 9)],
            // It explains what nobody has seen: that the other was not there any more.
            vec![
                answered(Write(A), 1, 2),
                unanswered(Write(B), 3, 20),
                answered(Kept(A), 4, 5),
                answered(Write(None), 6, 7),
            ],
        ] {
            assert_eq!(check(&good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn what_cannot_be_explained_is_refused() {
        for bad in [
            // Nobody wrote it.
            vec![answered(Read(A), 1, 2)],
            // Lost.
            vec![answered(Write(A), 1, 2), answered(Read(None), 3, 4)],
            // An older one is back.
            vec![answered(Write(A), 1, 2), answered(Write(B), 3, 4), answered(Read(A), 5, 6)],
            // Read before it was asked for.
            vec![answered(Read(A), 1, 2), answered(Write(A), 3, 4)],
            // New, then old.
            vec![answered(Write(A), 1, 20), answered(Read(A), 2, 3), answered(Read(None), 4, 5)],
            // Two readers see two orders.
            vec![
                answered(Write(A), 1, 20),
                answered(Write(B), 2, 20),
                answered(Read(A), 21, 22),
                answered(Read(B), 23, 24),
            ],
            // Both have it.
            vec![answered(Swap(None, A), 1, 5), answered(Swap(None, B), 2, 6)],
            // A refusal without a reason.
            vec![answered(Write(A), 1, 2), answered(Kept(A), 3, 4)],
            // It took effect after it could.
            vec![unanswered(Write(A), 1, 4), answered(Read(None), 5, 6), answered(Read(A), 7, 8)],
            // It took effect twice.
            vec![
                unanswered(Write(A), 1, 20),
                answered(Read(A), 2, 3),
                answered(Write(B), 4, 5),
                answered(Read(A), 6, 7),
            ],
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }

    /// Histories that a register really had are explained, whatever the operations do at the same time; with one answer
    /// changed to what nobody wrote they are not. And it does not take for ever where many got no answer.
    #[test]
    fn long_histories_of_a_real_register_are_explained() {
        let mut random = crate::random::Random::new(7);
        for round in 0..50 {
            let (mut held, mut history, mut now) = (None, Vec::new(), 0_u64);
            for number in 0..400 {
                // It takes effect between the two; others begin before and end after.
                now += 10;
                let (begin, end) = (now.saturating_sub(random.below(35)), now + random.below(35));
                let value = Some(round * 1000 + number);
                let deed = match random.below(4) {
                    0 => Deed::Read(held),
                    1 => Deed::Write(value),
                    2 if random.chance(50) => Deed::Kept(value),
                    _ => Deed::Swap(held, value),
                };
                let is_certain = random.chance(90);
                let happens = is_certain || random.chance(50);
                if happens {
                    held = deed.on(held).expect("it is what the register holds");
                }
                history.push(Operation {
                    deed,
                    begin,
                    end: if is_certain { end } else { now + 400 },
                    is_certain,
                });
            }
            assert_eq!(check(&history), Ok(()));
            let read = history
                .iter()
                .rposition(|o| matches!(o.deed, Read(_)) && o.is_certain)
                .expect("there are some");
            history[read].deed = Read(Some(u64::MAX));
            assert!(check(&history).is_err());
        }
    }
}
