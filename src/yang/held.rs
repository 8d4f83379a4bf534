//! State lists whose entries are made of what a persistent map keeps, most often of generated structs.
//!
//! The map is the truth and belongs to who keeps it; [`Entries`] shows it as a list of the data
//! tree and builds an entry only when it is read. Nothing here changes an entry.

use std::any::Any;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

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

/// What is kept of an entry, and the entry that it is shown as.
pub trait Shown {
    /// The entry as instance data that carries its revision.
    fn shown(&self) -> Container;
}

/// A map of entries as a state list, as it is now: later changes of the map do not show.
pub struct Entries<S>(OrdMap<Arc<str>, Arc<S>>);

impl<S> Entries<S> {
    /// The entries of the map.
    pub fn new(map: &OrdMap<Arc<str>, Arc<S>>) -> Self {
        Entries(map.clone())
    }
}

impl<S> fmt::Debug for Entries<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entries({})", self.0.len())
    }
}

impl<S: Shown + Send + Sync + PartialEq + 'static> StateList for Entries<S> {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        self.0.get(text(key)?).map(|held| Arc::new(held.shown()))
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let start = key.and_then(text).map_or(Bound::Unbounded, Bound::Excluded);
        let following = self.0.range::<(Bound<&str>, Bound<&str>), str>((start, Bound::Unbounded));
        following.take(count).map(|(key, held)| (Key::string(key), Arc::new(held.shown()))).collect()
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let end = key.and_then(text).map_or(Bound::Unbounded, Bound::Excluded);
        let preceding = self.0.range::<(Bound<&str>, Bound<&str>), str>((Bound::Unbounded, end)).rev();
        preceding.take(count).map(|(key, held)| (Key::string(key), Arc::new(held.shown()))).collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn changed_since(&self, older: &dyn StateList) -> Option<Vec<Key>> {
        let older: &Self = older.as_any()?.downcast_ref()?;
        let key = |item: DiffItem<'_, '_, Arc<str>, Arc<S>>| match item {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { old: (key, _), .. } => {
                Key::string(key)
            }
        };
        Some(older.0.diff(&self.0).map(key).collect())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl<T: Modelled> Shown for Held<T> {
    fn shown(&self) -> Container {
        self.entry.to_data().at_revision(self.revision)
    }
}

fn text(key: &Key) -> Option<&str> {
    key.values().first().and_then(|value| value.as_str())
}
