//! Leafs of an operation's input whose type alone does not say all: a `date-and-time` can have the form and be no time.
//!
//! It never looks for a leaf: whoever knows what is asked names it, so that a refusal has its place.

use super::error::{Error, Tag};
use super::schema::Node;
use crate::clock::{Timestamp, TimestampError};

/// The time in a leaf.
///
/// # Errors
/// `invalid-value`: it is none that can be used.
pub fn time(text: &str, leaf: &'static Node) -> Result<Timestamp, Error> {
    text.parse().map_err(|error: TimestampError| {
        Error::application(Tag::InvalidValue, format!("\"{text}\" is {error}")).of_parameter(leaf)
    })
}

/// The same of one that need not be there.
///
/// # Errors
/// Those of [`time`].
pub fn optional_time(text: Option<&str>, leaf: &'static Node) -> Result<Option<Timestamp>, Error> {
    text.map(|text| time(text, leaf)).transpose()
}
