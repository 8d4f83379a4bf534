//! XPath 1.0 with the functions of YANG (RFC 7950 sections 6.4 and 10).
//!
//! [`parse()`] makes an expression; [`evaluate`], [`holds`] and [`targets`] look at instance
//! data from a [`Cursor`]. Nothing here decides what a failed condition means; that is the
//! validator's.

pub mod ast;
mod axes;
pub mod cursor;
pub mod eval;
mod functions;
mod keys;
pub mod lex;
pub mod parse;

pub use ast::Expr;
pub use axes::case_chosen;
pub use cursor::{Cursor, Slot};
pub use eval::{
    EvalError, XValue, applies, evaluate, evaluate_within, finds, holds, holds_within, implied, targets,
};
pub use lex::ParseError;
pub use parse::parse;

#[cfg(test)]
mod tests;
