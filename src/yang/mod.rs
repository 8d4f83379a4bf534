//! YANG at run time: schema tables, types, values, paths, XPath, JSON, XML and CBOR.
//!
//! Everything here is pure and knows neither a protocol nor a datastore. `generated` holds
//! what codegen wrote; libyang is never used.

pub mod anydata;
pub mod cbor;
pub mod converted;
pub mod decode;
pub mod encode;
pub mod error;
pub mod generated;
pub mod held;
pub mod json;
pub mod metadata;
pub mod model;
pub mod notification;
pub mod packed;
pub mod parameter;
pub mod path;
pub mod pattern;
pub mod recast;
pub mod resource;
#[cfg(test)]
pub(crate) mod sample;
pub mod schema;
pub mod statement;
pub mod stored;
pub mod tree;
pub mod types;
pub mod value;
pub mod xml;
pub mod xpath;
