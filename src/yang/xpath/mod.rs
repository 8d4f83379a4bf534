//! XPath 1.0 with the functions of YANG (RFC 7950 sections 6.4 and 10).
//!
//! [`parse`](parse::parse) makes an expression, [`eval`] finds its value over instance data.
//! Nothing here decides what a failed condition means; that is the validator's.

pub mod ast;
pub mod lex;
pub mod parse;

pub use ast::Expr;
pub use lex::ParseError;
pub use parse::parse;
