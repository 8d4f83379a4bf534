//! Which tasks have a certain name in a certain place, in the order of their creation.
//!
//! It knows numbers only and never looks at a task.

use std::ops::RangeFrom;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

/// Names, each with the numbers of the tasks that have it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Index(OrdMap<Arc<str>, Numbers>);

/// Many names stand for one task alone, and a set has room for many from the beginning on.
#[derive(Debug, Clone)]
enum Numbers {
    One(u64),
    Many(OrdSet<u64>),
}

impl Index {
    /// Adds a task. Gives the name back, which all tasks that have it share.
    pub fn insert(&mut self, name: &str, number: u64) -> Arc<str> {
        let Some((shared, numbers)) = self.0.get_key_value_mut(name) else {
            let name: Arc<str> = name.into();
            self.0.insert(name.clone(), Numbers::One(number));
            return name;
        };
        match numbers {
            Numbers::One(other) => *numbers = Numbers::Many([*other, number].into_iter().collect()),
            Numbers::Many(numbers) => drop(numbers.insert(number)),
        }
        shared.clone()
    }

    /// Removes a task.
    pub fn remove(&mut self, name: &str, number: u64) {
        let is_empty = match self.0.get_mut(name) {
            Some(Numbers::One(only)) => *only == number,
            Some(Numbers::Many(numbers)) => numbers.remove(&number).is_some() && numbers.is_empty(),
            None => false,
        };
        if is_empty {
            self.0.remove(name);
        }
    }

    /// The tasks with this name whose number is at least `first`, ascending.
    pub fn from(&self, name: &str, first: u64) -> impl Iterator<Item = u64> {
        let (one, many) = match self.0.get(name) {
            Some(Numbers::One(number)) => (Some(*number).filter(|number| *number >= first), None),
            Some(Numbers::Many(numbers)) => (None, Some(numbers.range::<RangeFrom<u64>, u64>(first..))),
            None => (None, None),
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }
}
