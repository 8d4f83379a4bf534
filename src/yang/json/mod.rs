//! JSON encoding of YANG data (RFC 7951).
//!
//! The form on the wire only: which nodes may stand where is decided in `decode`, and nothing
//! here decides who may see what.
//!
//! Reading is strict: RFC 8259 and RFC 7493, so duplicate members are refused; names are qualified
//! exactly where RFC 7951 section 4 says so; metadata (RFC 7952) is refused unless the caller takes it.

mod decode;
mod encode;
mod parse;

pub(in crate::yang) use decode::{check_anydata, is_name_of, resolve};
pub use decode::{decode_below, decode_children, decode_one, decode_wrapped};
pub use encode::{encode_children, encode_member, encode_one};

use super::decode::DecodeOptions;

/// For what the server wrote itself: configuration and state.
pub const STORED: DecodeOptions<'_> = DecodeOptions {
    allow_state: true,
    depth_max: 128,
    metadata: None,
    keep_empty: false,
    key_bytes_max: usize::MAX,
};

#[cfg(test)]
mod tests;
