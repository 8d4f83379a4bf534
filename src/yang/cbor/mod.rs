//! CBOR encoding of YANG data (RFC 9254), with names.
//!
//! The form on the wire only: which nodes may stand where is decided in `decode`. There are no SIDs (RFC 9595):
//! they need a .sid file for each module, so a number in the place of a name is refused. Metadata has no form here.
//!
//! Reading is as strict as that of JSON: text is UTF-8, no name stands twice, nothing follows the document.
//! Lengths may be definite or indefinite, as RFC 8949 leaves it to the sender; they are written definite where
//! they are known.

mod decode;
mod encode;
mod parse;

pub use decode::{decode_below, decode_one, decode_wrapped};
pub use encode::{encode_one, encode_wrapped, from_json};

/// Tags of what is no number in a union (RFC 9254 section 9.3), and of decimal fractions (RFC 8949 section 3.4.4).
mod tags {
    pub const DECIMAL: u64 = 4;
    pub const BITS: u64 = 43;
    pub const ENUMERATION: u64 = 44;
    pub const IDENTITY: u64 = 45;
    pub const INSTANCE: u64 = 46;
}

#[cfg(test)]
mod tests;
