//! A generated struct beside its instance data, for what is written and packed one after the other.

use std::ops::Deref;
use std::sync::OnceLock;

use super::model::{ModelError, Modelled};
use super::schema::Node;
use super::tree::Container;

/// A struct that is converted once, however often its instance data is asked for. It does not change.
#[derive(Debug, Clone)]
pub struct Converted<T> {
    value: T,
    /// Boxed, since each event that has a struct has room for it.
    data: OnceLock<Box<Container>>,
}

impl<T: Modelled> Converted<T> {
    /// The instance data.
    pub fn data(&self) -> &Container {
        self.data.get_or_init(|| Box::new(self.value.to_data()))
    }
}

impl<T> From<T> for Converted<T> {
    fn from(value: T) -> Self {
        Converted { value, data: OnceLock::new() }
    }
}

impl<T> Deref for Converted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Converted<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Modelled> Modelled for Converted<T> {
    fn node() -> &'static Node {
        T::node()
    }

    fn from_data(data: &Container) -> Result<Self, ModelError> {
        T::from_data(data).map(Self::from)
    }

    fn to_data(&self) -> Container {
        self.data().clone()
    }
}
