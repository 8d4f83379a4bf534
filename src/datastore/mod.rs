//! What is configured: edits of the persistent tree, differences, validation and defaults.
//!
//! Everything is a pure function from trees to trees; nothing here performs I/O, checks
//! access or knows what agents and tasks are.

pub mod cases;
pub mod defaults;
pub mod diff;
pub mod edit;
pub mod index;
pub mod merge;
pub mod transform;
pub mod validate;
pub mod when;
