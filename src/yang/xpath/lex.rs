//! Tokens of XPath 1.0 (section 3.7), with the places where they begin.
//!
//! This file never builds an expression and never resolves a prefix; it refers to nothing of
//! the crate but the expression form, because codegen includes it by path.

use super::ast::Operator;

/// Longest expression accepted, in bytes.
const LENGTH_MAX: usize = 64 * 1024;

/// Why an expression was refused: where, and what would have been accepted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Byte offset in the expression.
    pub offset: usize,
    /// What could have stood there.
    pub expected: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at byte {} of the expression: expected {}", self.offset, self.expected)
    }
}

impl std::error::Error for ParseError {}

/// A token; names and literals are slices of the expression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    /// `(`.
    OpenParen,
    /// `)`.
    CloseParen,
    /// `[`.
    OpenBracket,
    /// `]`.
    CloseBracket,
    /// `.`.
    Dot,
    /// `..`.
    DotDot,
    /// `@`.
    At,
    /// `,`.
    Comma,
    /// `::`.
    ColonColon,
    /// `$`.
    Dollar,
    /// `/`.
    Slash,
    /// `//`.
    SlashSlash,
    /// A binary operator (`-` also serves as the unary minus).
    Operator(Operator),
    /// `*` as a name test.
    Star,
    /// A name with its prefix, if it has one.
    Name(Option<&'a str>, &'a str),
    /// `prefix:*`.
    PrefixStar(&'a str),
    /// A literal, without its quotes.
    Literal(&'a str),
    /// A number.
    Number(f64),
}

/// Splits an expression into tokens, each with its byte offset.
pub fn tokens(text: &str) -> Result<Vec<(Token<'_>, usize)>, ParseError> {
    if text.len() > LENGTH_MAX {
        let expected = format!("the end: an expression has at most {LENGTH_MAX} bytes");
        return Err(ParseError { offset: LENGTH_MAX, expected });
    }
    let mut tokens: Vec<(Token<'_>, usize)> = Vec::new();
    let mut rest = text.trim_start_matches(SPACE);
    while let Some(first) = rest.chars().next() {
        let offset = text.len() - rest.len();
        let previous = tokens.last().map(|(token, _)| *token);
        let (token, length) = token(rest, first, operand_before(previous))
            .map_err(|expected| ParseError { offset, expected: expected.to_owned() })?;
        tokens.push((token, offset));
        rest = rest.get(length..).unwrap_or_default().trim_start_matches(SPACE);
    }
    Ok(tokens)
}

/// `ExprWhitespace` (XPath 1.0 production 39).
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Whether the token before ends an operand, so that `*` and names now are operators (XPath
/// 1.0 section 3.7).
fn operand_before(previous: Option<Token<'_>>) -> bool {
    match previous {
        Some(
            Token::CloseParen
            | Token::CloseBracket
            | Token::Dot
            | Token::DotDot
            | Token::Star
            | Token::Name(..)
            | Token::PrefixStar(_)
            | Token::Literal(_)
            | Token::Number(_),
        ) => true,
        Some(
            Token::OpenParen
            | Token::OpenBracket
            | Token::At
            | Token::Comma
            | Token::ColonColon
            | Token::Dollar
            | Token::Slash
            | Token::SlashSlash
            | Token::Operator(_),
        )
        | None => false,
    }
}

/// The token that `rest` begins with, and its length in bytes; or what was expected.
fn token(rest: &str, first: char, operand_before: bool) -> Result<(Token<'_>, usize), &'static str> {
    let second = rest.chars().nth(1);
    let operator = |operator, length| Ok((Token::Operator(operator), length));
    match (first, second) {
        ('(', _) => Ok((Token::OpenParen, 1)),
        (')', _) => Ok((Token::CloseParen, 1)),
        ('[', _) => Ok((Token::OpenBracket, 1)),
        (']', _) => Ok((Token::CloseBracket, 1)),
        ('@', _) => Ok((Token::At, 1)),
        (',', _) => Ok((Token::Comma, 1)),
        ('$', _) => Ok((Token::Dollar, 1)),
        (':', Some(':')) => Ok((Token::ColonColon, 2)),
        ('/', Some('/')) => Ok((Token::SlashSlash, 2)),
        ('/', _) => Ok((Token::Slash, 1)),
        ('.', Some('.')) => Ok((Token::DotDot, 2)),
        ('.', Some('0'..='9')) | ('0'..='9', _) => number(rest),
        ('.', _) => Ok((Token::Dot, 1)),
        ('"' | '\'', _) => {
            let inner = rest.get(1..).unwrap_or_default();
            let length = inner.find(first).ok_or("a literal that ends with the quote it began with")?;
            Ok((Token::Literal(inner.get(..length).unwrap_or_default()), length + 2))
        }
        ('|', _) => operator(Operator::Union, 1),
        ('+', _) => operator(Operator::Add, 1),
        ('-', _) => operator(Operator::Subtract, 1),
        ('=', _) => operator(Operator::Equal, 1),
        ('!', Some('=')) => operator(Operator::NotEqual, 2),
        ('<', Some('=')) => operator(Operator::LessOrEqual, 2),
        ('<', _) => operator(Operator::Less, 1),
        ('>', Some('=')) => operator(Operator::GreaterOrEqual, 2),
        ('>', _) => operator(Operator::Greater, 1),
        ('*', _) if operand_before => operator(Operator::Multiply, 1),
        ('*', _) => Ok((Token::Star, 1)),
        _ => name(rest, operand_before),
    }
}

/// `Number ::= Digits ('.' Digits?)? | '.' Digits` (production 30).
fn number(rest: &str) -> Result<(Token<'_>, usize), &'static str> {
    let mut dot = false;
    let digits = |c: char| {
        let first_dot = c == '.' && !dot;
        dot |= first_dot;
        !(c.is_ascii_digit() || first_dot)
    };
    let length = rest.find(digits).unwrap_or(rest.len());
    let value = rest.get(..length).and_then(|text| text.parse().ok()).ok_or("a number")?;
    Ok((Token::Number(value), length))
}

/// A name, `prefix:name`, `prefix:*` or an operator that is spelt as a name.
fn name(rest: &str, operand_before: bool) -> Result<(Token<'_>, usize), &'static str> {
    let length = name_length(rest);
    let name = rest.get(..length).unwrap_or_default();
    if operand_before {
        let operator = match name {
            "or" => Operator::Or,
            "and" => Operator::And,
            "div" => Operator::Divide,
            "mod" => Operator::Modulo,
            _ => return Err("an operator or the end of the operand"),
        };
        return Ok((Token::Operator(operator), length));
    }
    if length == 0 {
        return Err("a path, a literal, a number or a function");
    }
    let Some(local) = rest.get(length..).and_then(|rest| rest.strip_prefix(':')) else {
        return Ok((Token::Name(None, name), length));
    };
    if local.starts_with(':') {
        return Ok((Token::Name(None, name), length));
    }
    if local.starts_with('*') {
        return Ok((Token::PrefixStar(name), length + 2));
    }
    match name_length(local) {
        0 => Err("a name or `*` after the prefix and `:`"),
        more => Ok((Token::Name(Some(name), local.get(..more).unwrap_or_default()), length + 1 + more)),
    }
}

/// How many bytes of `text` are an NCName (Namespaces in XML, production 4).
fn name_length(text: &str) -> usize {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    if !text.starts_with(starts) {
        return 0;
    }
    let continues = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}');
    text.find(|c: char| !continues(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kinds(text: &str) -> Vec<Token<'_>> {
        tokens(text).unwrap().into_iter().map(|(token, _)| token).collect()
    }

    #[test]
    fn a_star_or_name_after_an_operand_is_an_operator() {
        use Token::{Name, Star};
        let times = Token::Operator(Operator::Multiply);
        let div = Token::Operator(Operator::Divide);
        assert_eq!(kinds("* * *"), [Star, times, Star]);
        assert_eq!(kinds("div div div"), [Name(None, "div"), div, Name(None, "div")]);
        assert_eq!(kinds("a/*"), [Name(None, "a"), Token::Slash, Star]);
    }

    #[test]
    fn names_keep_dots_and_dashes_and_split_at_one_colon() {
        assert_eq!(kinds("a-b.c"), [Token::Name(None, "a-b.c")]);
        assert_eq!(kinds("p:n"), [Token::Name(Some("p"), "n")]);
        assert_eq!(kinds("p:*"), [Token::PrefixStar("p")]);
        assert_eq!(kinds("self::n"), [Token::Name(None, "self"), Token::ColonColon, Token::Name(None, "n")]);
        assert_eq!(tokens("a: b").unwrap_err().offset, 0);
    }

    #[test]
    fn numbers_and_dots() {
        assert_eq!(kinds("1.5"), [Token::Number(1.5)]);
        assert_eq!(kinds("1."), [Token::Number(1.0)]);
        assert_eq!(kinds(".5"), [Token::Number(0.5)]);
        assert_eq!(kinds("../."), [Token::DotDot, Token::Slash, Token::Dot]);
    }

    #[test]
    fn what_is_no_token_is_refused_where_it_stands() {
        assert_eq!(tokens("a = 'x").unwrap_err().offset, 4);
        assert_eq!(tokens("a ! b").unwrap_err().offset, 2);
        assert_eq!(tokens("a b").unwrap_err().offset, 2);
        assert_eq!(tokens(&"1".repeat(64 * 1024 + 1)).unwrap_err().offset, 64 * 1024);
    }
}
