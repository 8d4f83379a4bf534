//! Tasks by the number of their creation, and the numbers by identifier.
//!
//! Only this table knows that there are two maps; it never looks into a task, but for its status, by which it counts.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use super::Record;
use crate::metrics::Tally;
use crate::yang::generated::magent_types::TaskStatus;

/// All tasks that are kept. Cheap to clone; clones share what they have in common.
///
/// The map by identifier holds no references: identifiers come in any order, so a new one lands anywhere in it, and copying
/// the neighbours of that place must not mean a look at each of them.
#[derive(Debug, Clone, Default)]
pub struct Table {
    records: OrdMap<u64, Arc<Record>>,
    numbers: OrdMap<Identifier, u64>,
    /// Tasks by their status.
    statuses: Tally<{ TaskStatus::ALL.len() }>,
}

impl Table {
    /// The task with this identifier.
    pub fn get(&self, id: &str) -> Option<&Arc<Record>> {
        self.numbers.get(id.as_bytes()).and_then(|number| self.numbered(*number))
    }

    /// The task with this number.
    pub fn numbered(&self, number: u64) -> Option<&Arc<Record>> {
        self.records.get(&number)
    }

    /// Whether there is a task with this identifier.
    pub fn contains(&self, id: &str) -> bool {
        self.numbers.contains_key(id.as_bytes())
    }

    /// Puts a task that was not there.
    pub fn add(&mut self, record: Record) {
        self.numbers.insert(record.id.clone(), record.number);
        self.replace(record);
    }

    /// Puts tasks that have been put already as [`Table::replace`] does under their identifiers. These come in any order;
    /// putting them in theirs is several times faster.
    pub fn name(&mut self, mut numbers: Vec<(Identifier, u64)>) {
        numbers.sort_unstable();
        self.numbers.extend(numbers);
    }

    /// Puts a task in place of its earlier state.
    pub fn replace(&mut self, record: Record) {
        let is = record.status as usize;
        let before = self.records.insert(record.number, Arc::new(record));
        self.statuses.turned(before.map(|before| before.status as usize), Some(is));
    }

    /// Takes a task out.
    pub fn remove(&mut self, id: &str) -> Option<Arc<Record>> {
        let record = self.numbers.remove(id.as_bytes()).and_then(|number| self.records.remove(&number))?;
        self.statuses.turned(Some(record.status as usize), None);
        Some(record)
    }

    /// How many there are in each status.
    pub fn statuses(&self) -> impl Iterator<Item = (TaskStatus, u64)> {
        TaskStatus::ALL.iter().copied().zip(self.statuses.counts())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// All tasks in the order of their creation, from this number on.
    pub fn created_from(&self, number: u64) -> impl Iterator<Item = &Arc<Record>> {
        self.records.range(number..).map(|(_, record)| record)
    }

    /// Those that follow this identifier in the order of identifiers; without one, all.
    pub fn following(&self, id: Option<&str>) -> impl Iterator<Item = &Arc<Record>> {
        let start = id.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_bytes()));
        let numbers = self.numbers.range::<_, [u8]>((start, Bound::Unbounded));
        numbers.filter_map(|(_, number)| self.numbered(*number))
    }

    /// Those that this identifier follows in the order of identifiers, the nearest first; without one, all.
    pub fn preceding(&self, id: Option<&str>) -> impl Iterator<Item = &Arc<Record>> {
        let end = id.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_bytes()));
        let numbers = self.numbers.range::<_, [u8]>((Bound::Unbounded, end)).rev();
        numbers.filter_map(|(_, number)| self.numbered(*number))
    }
}

/// An identifier that stands in place if it is no longer than a UUID's text and a little more.
#[derive(Clone)]
pub enum Identifier {
    /// So many octets of these, the others being 0.
    Short(u8, [u8; Identifier::SHORT_MAX]),
    /// One that does not fit.
    Long(Arc<str>),
}

impl Identifier {
    /// What makes the whole 40 octets.
    const SHORT_MAX: usize = 38;

    fn octets(&self) -> &[u8] {
        match self {
            Identifier::Short(length, octets) => octets.get(..usize::from(*length)).unwrap_or_default(),
            Identifier::Long(text) => text.as_bytes(),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It was made of a text.
        std::str::from_utf8(self.octets()).unwrap_or_default()
    }
}

impl From<&str> for Identifier {
    fn from(text: &str) -> Self {
        let mut octets = [0; Identifier::SHORT_MAX];
        match (octets.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Identifier::Short(length, octets)
            }
            _ => Identifier::Long(text.into()),
        }
    }
}

impl Borrow<[u8]> for Identifier {
    fn borrow(&self) -> &[u8] {
        self.octets()
    }
}

// The order of UTF-8 is that of its octets.
impl Ord for Identifier {
    fn cmp(&self, other: &Self) -> Ordering {
        self.octets().cmp(other.octets())
    }
}

impl PartialOrd for Identifier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl Eq for Identifier {}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_ordered_as_their_texts_however_long_they_are() {
        let mut texts: Vec<String> = (1..80).map(|length| "é".repeat(length)).collect();
        texts.extend([
            "a".to_owned(),
            "b".repeat(38),
            "b".repeat(39),
            "ba".repeat(19),
            "\u{ffff}".to_owned(),
        ]);
        let mut identifiers: Vec<Identifier> = texts.iter().map(|text| text.as_str().into()).collect();
        texts.sort();
        identifiers.sort();
        assert_eq!(identifiers.iter().map(Identifier::as_str).collect::<Vec<_>>(), texts);
        assert_eq!(std::mem::size_of::<Identifier>(), 40);
    }
}
