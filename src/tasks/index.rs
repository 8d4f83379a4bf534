//! Which tasks have a certain name in a certain place, in the order of their creation.
//!
//! It knows numbers only and never looks at a task.

use std::sync::Arc;

use imbl::OrdSet;

/// Names, each with the numbers of the tasks that have it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Index(OrdSet<(Arc<str>, u64)>);

impl Index {
    /// Adds a task. Gives the name back, which all tasks that have it share.
    pub fn insert(&mut self, name: &str, number: u64) -> Arc<str> {
        let first: Arc<str> = name.into();
        let shared = self.0.range((first.clone(), 0)..).next().map(|(shared, _)| shared.clone());
        let name = shared.filter(|shared| *shared == first).unwrap_or(first);
        self.0.insert((name.clone(), number));
        name
    }

    /// Removes a task.
    pub fn remove(&mut self, name: &str, number: u64) {
        self.0.remove(&(Arc::<str>::from(name), number));
    }

    /// The tasks with this name whose number is at least `first`, ascending.
    pub fn from(&self, name: &str, first: u64) -> impl Iterator<Item = u64> {
        let name: Arc<str> = name.into();
        self.0.range((name.clone(), first)..=(name, u64::MAX)).map(|(_, number)| *number)
    }
}
