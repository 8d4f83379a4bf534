//! XML encoding of YANG data (RFC 7950).
//!
//! The form on the wire only: which nodes may stand where is decided in `decode`, and nothing
//! here decides who may see what.
//!
//! Reading is strict: namespace-well-formed XML 1.0 in UTF-8 without document type and without
//! entities of its own. Attributes of data elements are annotations (RFC 7952), refused unless the caller takes them.

mod decode;
mod encode;
pub(crate) mod parse;

pub(crate) use decode::{attributes, decode_element, decode_inside, step, with_module_names};
pub use decode::{decode_below, decode_one, decode_wrapped};
pub use encode::{encode_children, encode_one, escape, instance};

#[cfg(test)]
mod tests;
