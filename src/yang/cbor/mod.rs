//! CBOR encoding of YANG data (RFC 9254), with names or SIDs.
//!
//! The form on the wire only: which nodes may stand where is decided in `decode`. What has no SID (RFC 9595) is written
//! with its name. Metadata has no form here.
//!
//! Reading is as strict as that of JSON: text is UTF-8, no name stands twice, nothing follows the document.
//! Lengths may be definite or indefinite, as RFC 8949 leaves it to the sender; they are written definite where
//! they are known.

mod decode;
mod encode;
mod parse;

use super::schema::{Node, Schema};

pub use decode::{decode_below, decode_one, decode_wrapped};
pub use encode::{encode_one, encode_wrapped, from_json};

/// What members, identities and instances are called by (RFC 9254 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Names: `id=name`.
    Names,
    /// SIDs: `id=sid`.
    Sids,
    /// Either; it is written with names.
    Any,
}

/// Tags of what is no number in a union (RFC 9254 section 9.3), and of decimal fractions (RFC 8949 section 3.4.4).
mod tags {
    pub const DECIMAL: u64 = 4;
    pub const BITS: u64 = 43;
    pub const ENUMERATION: u64 = 44;
    pub const IDENTITY: u64 = 45;
    pub const INSTANCE: u64 = 46;
    /// Of a SID in the place of a difference (RFC 9254 section 4.2.1).
    pub const SID: u64 = 47;
}

/// What can stand at the top of an anydata and is known.
fn content_of_any(schema: &Schema) -> impl Iterator<Item = &'static Node> {
    schema.implemented().flat_map(|module| module.data.iter().chain(module.notifications)).copied()
}

#[cfg(test)]
mod tests;
