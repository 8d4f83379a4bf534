//! State lists whose entries are generated structs in a persistent map.
//!
//! The map is the truth and belongs to who keeps it; [`Entries`] shows it as a list of the data
//! tree and builds an entry only when it is read. Nothing here changes an entry.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use super::model::Modelled;
use super::tree::{Container, Key, StateList};

/// An entry with the revision (log position) that last touched it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held<T> {
    /// The entry.
    pub entry: T,
    /// The revision.
    pub revision: u64,
}

/// Entries by the value of their key, which is one string.
pub type HeldMap<T> = OrdMap<Arc<str>, Arc<Held<T>>>;

/// Which entries are shown.
pub type Shown<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// A map of entries as a state list.
pub struct Entries<T> {
    map: HeldMap<T>,
    shown: Shown<T>,
}

impl<T> Entries<T> {
    /// The entries for which `shown` says yes, as they are now: later changes of the map do not show.
    pub fn new(map: &HeldMap<T>, shown: Shown<T>) -> Self {
        Entries { map: map.clone(), shown }
    }
}

impl<T> fmt::Debug for Entries<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entries(at most {})", self.map.len())
    }
}

impl<T: Modelled + Send + Sync> StateList for Entries<T> {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        let held = self.map.get(text(key)?)?;
        (self.shown)(&held.entry).then(|| Arc::new(held.to_data()))
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let start = key.and_then(text).map_or(Bound::Unbounded, Bound::Excluded);
        let following = self.map.range::<(Bound<&str>, Bound<&str>), str>((start, Bound::Unbounded));
        let shown = following.filter(|(_, held)| (self.shown)(&held.entry));
        shown.take(count).map(|(key, held)| (Key::string(key), Arc::new(held.to_data()))).collect()
    }

    fn len(&self) -> usize {
        self.map.values().filter(|held| (self.shown)(&held.entry)).count()
    }

    fn is_empty(&self) -> bool {
        !self.map.values().any(|held| (self.shown)(&held.entry))
    }
}

impl<T: Modelled> Held<T> {
    /// The entry as instance data that carries its revision.
    pub fn to_data(&self) -> Container {
        Container { revision: self.revision, ..self.entry.to_data() }
    }
}

fn text(key: &Key) -> Option<&str> {
    key.values().first().and_then(|value| value.as_str())
}
