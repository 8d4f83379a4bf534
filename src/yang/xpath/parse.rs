//! Expressions from text: XPath 1.0 (section 3) with the functions of RFC 7950 section 10.
//!
//! Prefixes are resolved here, once. This file never looks at a schema or at data; it refers
//! to nothing of the crate but its tokens and the expression form, because codegen includes
//! it by path.

use super::ast::{Axis, Expr, Function, NodeTest, Operator, Path, Start, Step};
use super::lex::{ParseError, Token, tokens};

/// Greatest height of an expression: nested parentheses, predicates and arguments, and terms
/// of one chain of operators.
const HEIGHT_MAX: usize = 64;

/// Parses an expression.
///
/// `resolve` turns a prefix into the name of a module; with `None` it is asked for the module
/// of names without a prefix. If it then has no answer, such names get an empty module, which
/// stands for any. A prefix that it does not know is an error, as are variables, functions
/// that neither XPath nor YANG defines, and a wrong number of arguments.
///
/// The second argument of `derived-from` and `derived-from-or-self` is resolved too where it
/// is a literal, to `module:name` (RFC 7950 section 10.4).
pub fn parse(text: &str, resolve: &dyn Fn(Option<&str>) -> Option<String>) -> Result<Expr, ParseError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.len(), depth: 0, resolve };
    let tall = parser.expression(0)?;
    match parser.peek() {
        None => Ok(tall.expr),
        Some(_) => parser.refuse("an operator or the end of the expression"),
    }
}

type Outcome<T> = Result<T, ParseError>;

/// An expression and its height.
struct Tall {
    expr: Expr,
    height: usize,
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    next: usize,
    /// Offset of the end of the text.
    end: usize,
    /// How deep the parser itself is in nested expressions.
    depth: usize,
    resolve: &'a dyn Fn(Option<&str>) -> Option<String>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).map(|(token, _)| *token)
    }

    fn peek_second(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next + 1).map(|(token, _)| *token)
    }

    fn take(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    fn require(&mut self, token: Token<'_>, expected: &str) -> Outcome<()> {
        if self.take(token) { Ok(()) } else { self.refuse(expected) }
    }

    /// Offset of the next token.
    fn offset(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, offset)| *offset)
    }

    fn refuse<T>(&self, expected: impl Into<String>) -> Outcome<T> {
        Err(ParseError { offset: self.offset(), expected: expected.into() })
    }

    /// An expression one level higher than the highest below it.
    fn raise(&self, expr: Expr, below: usize) -> Outcome<Tall> {
        if below >= HEIGHT_MAX {
            return self.refuse(format!("an expression with at most {HEIGHT_MAX} levels"));
        }
        Ok(Tall { expr, height: below + 1 })
    }

    /// Runs one nested rule, within the limit of levels.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth >= HEIGHT_MAX {
            return self.refuse(format!("an expression with at most {HEIGHT_MAX} levels"));
        }
        self.depth += 1;
        let outcome = rule(self);
        self.depth -= 1;
        outcome
    }

    /// Productions 14 and 21 to 27: operators of at least this strength, by precedence climbing.
    fn expression(&mut self, weakest: u8) -> Outcome<Tall> {
        let mut left = self.unary()?;
        while let Some(Token::Operator(operator)) = self.peek() {
            let strength = strength(operator);
            if strength < weakest {
                break;
            }
            self.next += 1;
            let right = self.expression(strength + 1)?;
            let below = left.height.max(right.height);
            let operands = vec![left.expr, right.expr].into();
            left = self.raise(Expr::Binary(operator, operands), below)?;
        }
        Ok(left)
    }

    /// Production 27: `-` binds weaker than `|` and stronger than any other operator.
    fn unary(&mut self) -> Outcome<Tall> {
        if self.take(Token::Operator(Operator::Subtract)) {
            let operand = self.nested(Self::unary)?;
            return self.raise(Expr::Negate(vec![operand.expr].into()), operand.height);
        }
        let mut left = self.path()?;
        while self.take(Token::Operator(Operator::Union)) {
            let right = self.path()?;
            let below = left.height.max(right.height);
            let operands = vec![left.expr, right.expr].into();
            left = self.raise(Expr::Binary(Operator::Union, operands), below)?;
        }
        Ok(left)
    }

    /// Production 19: a location path, or a filter expression and maybe steps from it.
    fn path(&mut self) -> Outcome<Tall> {
        match self.peek() {
            Some(Token::OpenParen | Token::Literal(_) | Token::Number(_)) => self.filter(),
            Some(Token::Name(_, name)) if self.peek_second() == Some(Token::OpenParen) => {
                if node_type(name) {
                    self.location(Start::Context, 0)
                } else {
                    self.filter()
                }
            }
            Some(Token::Dollar) => self.refuse("no variable: YANG defines none"),
            Some(Token::Slash) => {
                self.next += 1;
                if self.at_step() {
                    self.location(Start::Root, 0)
                } else {
                    self.raise(Expr::Path(Path { start: Start::Root, steps: Vec::new().into() }), 0)
                }
            }
            Some(Token::SlashSlash) => self.location(Start::Root, 0),
            _ => self.location(Start::Context, 0),
        }
    }

    /// Production 20: a primary expression, its predicates and the steps from it.
    fn filter(&mut self) -> Outcome<Tall> {
        let primary = self.primary()?;
        let mut below = primary.height;
        let predicates = self.predicates(&mut below)?;
        let steps = match self.peek() {
            Some(Token::Slash) => {
                self.next += 1;
                true
            }
            other => other == Some(Token::SlashSlash),
        };
        if predicates.is_empty() && !steps {
            return Ok(primary);
        }
        let start = Start::Filter(vec![primary.expr].into(), predicates.into());
        if steps {
            return self.location(start, below);
        }
        self.raise(Expr::Path(Path { start, steps: Vec::new().into() }), below)
    }

    /// Production 15.
    fn primary(&mut self) -> Outcome<Tall> {
        let offset = self.offset();
        match self.peek() {
            Some(Token::Literal(text)) => {
                self.next += 1;
                self.raise(Expr::Literal(text.to_owned().into()), 0)
            }
            Some(Token::Number(number)) => {
                self.next += 1;
                self.raise(Expr::Number(number), 0)
            }
            Some(Token::Name(prefix, name)) => {
                let Some((function, least, most)) = function(prefix, name) else {
                    return self.refuse(format!("a function of XPath 1.0 or YANG, not `{name}`"));
                };
                self.next += 2;
                let mut arguments = Vec::new();
                let mut below = 0;
                if !self.take(Token::CloseParen) {
                    loop {
                        let argument = self.nested(|parser| parser.expression(0))?;
                        below = below.max(argument.height);
                        arguments.push(argument.expr);
                        if !self.take(Token::Comma) {
                            break;
                        }
                    }
                    self.require(Token::CloseParen, "`,` or `)`")?;
                }
                if arguments.len() < least || arguments.len() > most {
                    let expected = match (least, most) {
                        (2, usize::MAX) => "at least 2 arguments".to_owned(),
                        (least, most) if least == most => format!("{least} arguments"),
                        (least, most) => format!("{least} to {most} arguments"),
                    };
                    return Err(ParseError { offset, expected: format!("{expected} of {name}()") });
                }
                if matches!(function, Function::DerivedFrom | Function::DerivedFromOrSelf) {
                    self.resolve_identity(arguments.get_mut(1), offset)?;
                }
                self.raise(Expr::Call(function, arguments.into()), below)
            }
            _ => {
                self.require(Token::OpenParen, "`(`")?;
                let inner = self.nested(|parser| parser.expression(0))?;
                self.require(Token::CloseParen, "an operator or `)`")?;
                Ok(inner)
            }
        }
    }

    /// Replaces the prefix in the literal name of an identity by the name of the module.
    fn resolve_identity(&self, argument: Option<&mut Expr>, offset: usize) -> Outcome<()> {
        let Some(Expr::Literal(text)) = argument else { return Ok(()) };
        let (prefix, name) = match text.split_once(':') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, text.as_ref()),
        };
        let module = match prefix {
            Some(prefix) => self.module(prefix, offset)?,
            None => (self.resolve)(None).unwrap_or_default(),
        };
        if !module.is_empty() {
            *text = format!("{module}:{name}").into();
        }
        Ok(())
    }

    /// Whether a step can begin here.
    fn at_step(&self) -> bool {
        matches!(
            self.peek(),
            Some(
                Token::Dot | Token::DotDot | Token::At | Token::Star | Token::Name(..) | Token::PrefixStar(_)
            )
        )
    }

    /// Production 3, and the rest of production 19 behind a filter expression.
    fn location(&mut self, start: Start, mut below: usize) -> Outcome<Tall> {
        let mut steps = Vec::new();
        if self.take(Token::SlashSlash) {
            steps.push(any_depth());
        }
        loop {
            steps.push(self.step(&mut below)?);
            if self.take(Token::SlashSlash) {
                steps.push(any_depth());
            } else if !self.take(Token::Slash) {
                break;
            }
        }
        self.raise(Expr::Path(Path { start, steps: steps.into() }), below)
    }

    /// Production 4, abbreviations included.
    fn step(&mut self, below: &mut usize) -> Outcome<Step> {
        if self.take(Token::Dot) {
            return Ok(Step { axis: Axis::SelfNode, test: NodeTest::Node, predicates: Vec::new().into() });
        }
        if self.take(Token::DotDot) {
            return Ok(Step { axis: Axis::Parent, test: NodeTest::Node, predicates: Vec::new().into() });
        }
        let axis = match (self.peek(), self.peek_second()) {
            (Some(Token::At), _) => {
                self.next += 1;
                Axis::Attribute
            }
            (Some(Token::Name(None, name)), Some(Token::ColonColon)) => {
                let Some(axis) = axis(name) else { return self.refuse("an axis of XPath 1.0 before `::`") };
                self.next += 2;
                axis
            }
            _ => Axis::Child,
        };
        let test = self.node_test()?;
        let predicates = self.predicates(below)?.into();
        Ok(Step { axis, test, predicates })
    }

    /// Production 7.
    fn node_test(&mut self) -> Outcome<NodeTest> {
        let offset = self.offset();
        let test = match self.peek() {
            Some(Token::Star) => NodeTest::Any,
            Some(Token::PrefixStar(prefix)) => {
                NodeTest::AnyOf { module: self.module(prefix, offset)?.into() }
            }
            Some(Token::Name(None, name)) if self.peek_second() == Some(Token::OpenParen) => {
                let test = match name {
                    "node" => NodeTest::Node,
                    "text" => NodeTest::Text,
                    "comment" | "processing-instruction" => NodeTest::Nothing,
                    _ => return self.refuse("a node test: a function cannot be a step"),
                };
                self.next += 2;
                if name == "processing-instruction" && matches!(self.peek(), Some(Token::Literal(_))) {
                    self.next += 1;
                }
                self.require(Token::CloseParen, "`)`")?;
                return Ok(test);
            }
            Some(Token::Name(prefix, name)) => {
                let module = match prefix {
                    Some(prefix) => self.module(prefix, offset)?,
                    None => (self.resolve)(None).unwrap_or_default(),
                };
                NodeTest::Name { module: module.into(), name: name.to_owned().into() }
            }
            _ => return self.refuse("a step: a name, `*`, `.`, `..`, an axis or a node test"),
        };
        self.next += 1;
        Ok(test)
    }

    /// Production 8, any number of times; `below` becomes the height of the highest.
    fn predicates(&mut self, below: &mut usize) -> Outcome<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.take(Token::OpenBracket) {
            let predicate = self.nested(|parser| parser.expression(0))?;
            self.require(Token::CloseBracket, "an operator or `]`")?;
            *below = predicate.height.max(*below);
            predicates.push(predicate.expr);
        }
        Ok(predicates)
    }

    fn module(&self, prefix: &str, offset: usize) -> Outcome<String> {
        let unknown =
            || ParseError { offset, expected: format!("a prefix that is declared, not `{prefix}`") };
        (self.resolve)(Some(prefix)).ok_or_else(unknown)
    }
}

/// `//` between steps (XPath 1.0 section 2.5).
fn any_depth() -> Step {
    Step { axis: Axis::DescendantOrSelf, test: NodeTest::Node, predicates: Vec::new().into() }
}

/// How strongly an operator binds; all are left-associative (XPath 1.0 section 3.4 and 3.5).
///
/// Union binds stronger than the unary minus and is parsed below it.
fn strength(operator: Operator) -> u8 {
    use Operator as O;
    match operator {
        O::Or => 0,
        O::And => 1,
        O::Equal | O::NotEqual => 2,
        O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual => 3,
        O::Add | O::Subtract => 4,
        O::Multiply | O::Divide | O::Modulo => 5,
        O::Union => 6,
    }
}

fn node_type(name: &str) -> bool {
    matches!(name, "node" | "text" | "comment" | "processing-instruction")
}

fn axis(name: &str) -> Option<Axis> {
    Some(match name {
        "child" => Axis::Child,
        "parent" => Axis::Parent,
        "self" => Axis::SelfNode,
        "descendant" => Axis::Descendant,
        "descendant-or-self" => Axis::DescendantOrSelf,
        "ancestor" => Axis::Ancestor,
        "ancestor-or-self" => Axis::AncestorOrSelf,
        "preceding-sibling" => Axis::PrecedingSibling,
        "following-sibling" => Axis::FollowingSibling,
        "preceding" => Axis::Preceding,
        "following" => Axis::Following,
        "attribute" => Axis::Attribute,
        "namespace" => Axis::Namespace,
        _ => return None,
    })
}

/// The function of this name with the least and the greatest number of its arguments.
fn function(prefix: Option<&str>, name: &str) -> Option<(Function, usize, usize)> {
    use Function as F;
    if prefix.is_some() {
        return None;
    }
    Some(match name {
        "last" => (F::Last, 0, 0),
        "position" => (F::Position, 0, 0),
        "count" => (F::Count, 1, 1),
        "id" => (F::Id, 1, 1),
        "local-name" => (F::LocalName, 0, 1),
        "namespace-uri" => (F::NamespaceUri, 0, 1),
        "name" => (F::Name, 0, 1),
        "string" => (F::String, 0, 1),
        "concat" => (F::Concat, 2, usize::MAX),
        "starts-with" => (F::StartsWith, 2, 2),
        "contains" => (F::Contains, 2, 2),
        "substring-before" => (F::SubstringBefore, 2, 2),
        "substring-after" => (F::SubstringAfter, 2, 2),
        "substring" => (F::Substring, 2, 3),
        "string-length" => (F::StringLength, 0, 1),
        "normalize-space" => (F::NormalizeSpace, 0, 1),
        "translate" => (F::Translate, 3, 3),
        "boolean" => (F::Boolean, 1, 1),
        "not" => (F::Not, 1, 1),
        "true" => (F::True, 0, 0),
        "false" => (F::False, 0, 0),
        "lang" => (F::Lang, 1, 1),
        "number" => (F::Number, 0, 1),
        "sum" => (F::Sum, 1, 1),
        "floor" => (F::Floor, 1, 1),
        "ceiling" => (F::Ceiling, 1, 1),
        "round" => (F::Round, 1, 1),
        "current" => (F::Current, 0, 0),
        "re-match" => (F::ReMatch, 2, 2),
        "deref" => (F::Deref, 1, 1),
        "derived-from" => (F::DerivedFrom, 2, 2),
        "derived-from-or-self" => (F::DerivedFromOrSelf, 2, 2),
        "enum-value" => (F::EnumValue, 1, 1),
        "bit-is-set" => (F::BitIsSet, 2, 2),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn parse_here(text: &str) -> Result<Expr, ParseError> {
        parse(text, &|prefix| match prefix {
            None => Some("here".to_owned()),
            Some("t") => Some("there".to_owned()),
            Some(_) => None,
        })
    }

    /// The expression in a notation that shows its structure.
    fn shape(text: &str) -> String {
        show(&parse_here(text).unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    fn show(expr: &Expr) -> String {
        let all = |exprs: &[Expr]| exprs.iter().map(show).collect::<Vec<_>>().join(" ");
        match expr {
            Expr::Binary(operator, operands) => format!("({operator:?} {})", all(operands)),
            Expr::Negate(operand) => format!("(- {})", all(operand)),
            Expr::Number(number) => number.to_string(),
            Expr::Literal(text) => format!("'{text}'"),
            Expr::Call(function, arguments) => format!("{function:?}({})", all(arguments)),
            Expr::Path(path) => {
                let predicates =
                    |exprs: &[Expr]| -> String { exprs.iter().map(|e| format!("[{}]", show(e))).collect() };
                let mut out = match &path.start {
                    Start::Root => "/".to_owned(),
                    Start::Context => String::new(),
                    Start::Filter(primary, filters) => format!("<{}>{}", all(primary), predicates(filters)),
                };
                for step in path.steps.iter() {
                    let test = match &step.test {
                        NodeTest::Name { module, name } => format!("{module}:{name}"),
                        NodeTest::AnyOf { module } => format!("{module}:*"),
                        other => format!("{other:?}"),
                    };
                    out += &format!("/{:?}::{test}{}", step.axis, predicates(&step.predicates));
                }
                out
            }
        }
    }

    #[test]
    fn operators_bind_as_in_xpath() {
        assert_eq!(shape("1 or 2 and 3"), "(Or 1 (And 2 3))");
        assert_eq!(shape("1 - 2 - 3"), "(Subtract (Subtract 1 2) 3)");
        assert_eq!(shape("1 + 2 * 3 = 7"), "(Equal (Add 1 (Multiply 2 3)) 7)");
        assert_eq!(shape("3 > 2 > 1"), "(Greater (Greater 3 2) 1)");
        assert_eq!(shape("1 = 2 != 3 < 4"), "(NotEqual (Equal 1 2) (Less 3 4))");
        assert_eq!(shape("--1 * -2"), "(Multiply (- (- 1)) (- 2))");
        assert_eq!(shape("-'a' | 'b'"), "(- (Union 'a' 'b'))");
        assert_eq!(shape("(1 + 2) * 3"), "(Multiply (Add 1 2) 3)");
        assert_eq!(shape("6 div 3 mod 2"), "(Modulo (Divide 6 3) 2)");
    }

    #[test]
    fn paths_and_their_abbreviations() {
        assert_eq!(shape("/"), "/");
        assert_eq!(shape("(/) or 1"), "(Or / 1)");
        assert_eq!(shape("/or"), "//Child::here:or");
        assert_eq!(shape("a/t:b"), "/Child::here:a/Child::there:b");
        assert_eq!(shape("//a"), "//DescendantOrSelf::Node/Child::here:a");
        assert_eq!(shape("../@a"), "/Parent::Node/Attribute::here:a");
        assert_eq!(shape(".//t:*"), "/SelfNode::Node/DescendantOrSelf::Node/Child::there:*");
        assert_eq!(shape("ancestor::node()/text()"), "/Ancestor::Node/Child::Text");
        assert_eq!(shape("processing-instruction('x')"), "/Child::Nothing");
        assert_eq!(shape("*[1][last()]"), "/Child::Any[1][Last()]");
        assert_eq!(shape("current()/../a"), "<Current()>/Parent::Node/Child::here:a");
        assert_eq!(shape("(a)[1]//b"), "</Child::here:a>[1]/DescendantOrSelf::Node/Child::here:b");
        assert_eq!(shape("(a)"), "/Child::here:a");
        assert_eq!(shape("div/mod"), "/Child::here:div/Child::here:mod");
    }

    #[test]
    fn names_without_a_prefix_can_belong_to_any_module() {
        let expr = parse("a", &|_| None).unwrap();
        assert_eq!(show(&expr), "/Child:::a");
        assert_eq!(parse("x:a", &|_| None).unwrap_err().offset, 0);
    }

    #[test]
    fn the_identity_of_derived_from_is_resolved() {
        assert_eq!(shape("derived-from(a, 't:b')"), "DerivedFrom(/Child::here:a 'there:b')");
        assert_eq!(shape("derived-from-or-self(a, \"b\")"), "DerivedFromOrSelf(/Child::here:a 'here:b')");
        assert_eq!(parse_here("derived-from(a, 'x:b')").unwrap_err().offset, 0);
    }

    #[test]
    fn every_function_knows_its_arguments() {
        assert_eq!(shape("concat('a', 'b', 'c')"), "Concat('a' 'b' 'c')");
        assert_eq!(shape("not(bit-is-set(., 'x'))"), "Not(BitIsSet(/SelfNode::Node 'x'))");
        for wrong in ["concat('a')", "true(1)", "substring('a')", "deref()", "string(1, 2)"] {
            assert_eq!(parse_here(wrong).unwrap_err().offset, 0, "{wrong}");
        }
    }

    #[test]
    fn refusals_name_the_place() {
        for (text, offset) in [
            ("", 0),
            ("a/", 2),
            ("a[", 2),
            ("a[1", 3),
            ("a and", 5),
            ("1 = $x", 4),
            ("x:a", 0),
            ("a/x:*", 2),
            ("foo(1)", 0),
            ("t:count(1)", 0),
            ("a/count(b)", 2),
            ("sideways::a", 0),
            ("(1", 2),
            ("count(a", 7),
            ("1)", 1),
            ("a | ", 4),
            ("//", 2),
            ("a::b::c", 0),
            ("node(1)", 5),
        ] {
            assert_eq!(parse_here(text).unwrap_err().offset, offset, "{text}");
        }
    }

    #[test]
    fn height_is_limited_however_it_arises() {
        let long = |n: usize| vec!["1"; n].join(" + ");
        assert!(parse_here(&long(64)).is_ok());
        assert!(parse_here(&long(66)).is_err());
        assert!(parse_here(&"(".repeat(20_000)).is_err());
        assert!(parse_here(&"-".repeat(20_000)).is_err());
        assert!(parse_here(&"a[".repeat(20_000)).is_err());
        assert!(parse_here(&"not(".repeat(10_000)).is_err());
        assert!(parse_here(&vec!["a"; 20_000].join("|")).is_err());
        assert!(parse_here(&vec!["a"; 20_000].join("/")).is_ok());
    }
}
