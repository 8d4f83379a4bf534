//! The XPath parser of the runtime, included by path so that codegen needs no part of the
//! server to be compiled. What is parsed here is written out as constants.

#[path = "../../src/yang/xpath/ast.rs"]
pub mod ast;
#[path = "../../src/yang/xpath/lex.rs"]
pub mod lex;
#[path = "../../src/yang/xpath/parse.rs"]
pub mod parse;
