//! The value of an expression over instance data (XPath 1.0 sections 2 and 3).
//!
//! The accessible tree is that of RFC 7950 section 6.4.1. Every evaluation has a budget of
//! steps, because expressions also come from clients. Nothing here changes data or decides
//! what a failed condition means.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::ops::ControlFlow;

use super::ast::{Axis, Expr, Function, List, NodeTest, Operator, Path, Start, Step};
use super::cursor::Cursor;
use super::keys;
use crate::yang::schema::{LeafRef, Node};
use crate::yang::value::Value;

/// Steps that one evaluation can take: nodes visited, expressions evaluated, [`KEPT`] for each
/// node that is kept in a set, and one for each 64 bytes of text that are copied.
const STEPS_MAX: u64 = 1_000_000;
/// Steps that a node in a set costs beyond the visit, for the memory it takes.
pub(super) const KEPT: usize = 3;
/// How deep `when` conditions of defaults and `deref` can make evaluations nest.
const NESTING_MAX: u8 = 8;

/// The value of an expression (XPath 1.0 section 1).
#[derive(Debug, Clone)]
pub enum XValue {
    /// A set of nodes, without duplicates and in document order.
    Nodes(Vec<Cursor>),
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvalError {
    /// It took more than the limit of steps.
    TooManySteps,
    /// Conditions or references that depend on one another without end.
    TooNested,
    /// Something other than a set of nodes where only that makes sense.
    NotNodes(&'static str),
    /// The pattern of `re-match` is none; the reason.
    Pattern(String),
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvalError::TooManySteps => f.write_str("the evaluation takes too many steps"),
            EvalError::TooNested => f.write_str("conditions or references depend on one another without end"),
            EvalError::NotNodes(place) => write!(f, "{place} needs a set of nodes"),
            EvalError::Pattern(reason) => write!(f, "re-match: {reason}"),
        }
    }
}

impl std::error::Error for EvalError {}

/// Evaluates an expression with `context` as its context node and as `current()`.
///
/// # Errors
/// See [`EvalError`].
pub fn evaluate(expr: &Expr, context: &Cursor) -> Result<XValue, EvalError> {
    let budget = Cell::new(STEPS_MAX);
    let evaluator = Evaluator::new(context, &budget, 0)?;
    evaluator.expr(expr, &evaluator.start())
}

/// The same within a budget of steps; what this one takes is taken from it.
///
/// # Errors
/// See [`EvalError`].
pub fn evaluate_within(expr: &Expr, context: &Cursor, budget: &Cell<u64>) -> Result<XValue, EvalError> {
    let evaluator = Evaluator::new(context, budget, 0)?;
    evaluator.expr(expr, &evaluator.start())
}

/// Whether a condition (`must`, `when`) holds at `context`.
///
/// # Errors
/// See [`EvalError`].
pub fn holds(condition: &Expr, context: &Cursor) -> Result<bool, EvalError> {
    let budget = Cell::new(STEPS_MAX);
    let evaluator = Evaluator::new(context, &budget, 0)?;
    evaluator.boolean(condition, &evaluator.start())
}

/// The same within a budget of steps that several evaluations share; what this one takes is taken from it.
///
/// # Errors
/// See [`EvalError`].
pub fn holds_within(condition: &Expr, context: &Cursor, budget: &Cell<u64>) -> Result<bool, EvalError> {
    let evaluator = Evaluator::new(context, budget, 0)?;
    evaluator.boolean(condition, &evaluator.start())
}

/// The nodes that a leaf refers to by its leafref or instance-identifier, members of a union
/// included (RFC 7950 section 10.3.1); none for any other node.
///
/// # Errors
/// See [`EvalError`].
pub fn targets(leaf: &Cursor) -> Result<Vec<Cursor>, EvalError> {
    let budget = Cell::new(STEPS_MAX);
    Evaluator::new(leaf, &budget, 0)?.deref(leaf)
}

/// Whether the path of a leaf's leafref leads to an instance with the value.
///
/// # Errors
/// See [`EvalError`].
pub fn finds(leaf: &Cursor, leafref: &LeafRef, value: &Value) -> Result<bool, EvalError> {
    let budget = Cell::new(STEPS_MAX);
    Ok(!Evaluator::new(leaf, &budget, 0)?.leafref(leafref, value)?.is_empty())
}

/// Whether all `when` statements in effect hold for an instance of a node, or its stand-in (RFC
/// 7950 section 7.21.5).
///
/// # Errors
/// See [`EvalError`].
pub fn applies(instance: &Cursor, node: &Node) -> Result<bool, EvalError> {
    for when in node.conditions() {
        let mut context = instance;
        for _ in 0..when.context {
            context = context.parent().unwrap_or(context);
        }
        if !holds(when.expr, context)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What exists of a schema node below `parent` although it has no instance: a container without
/// presence, or leafs with the default in use (RFC 7950 section 6.4.1).
///
/// # Errors
/// See [`EvalError`].
pub fn implied(parent: &Cursor, node: &'static Node) -> Result<Vec<Cursor>, EvalError> {
    let budget = Cell::new(STEPS_MAX);
    let mut found = Vec::new();
    let _never_ended = Evaluator::new(parent, &budget, 0)?.by_default(parent, node, &mut |cursor| {
        found.push(cursor);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// One evaluation: what `current()` is and what it may still cost.
pub(super) struct Evaluator<'a> {
    pub(super) current: &'a Cursor,
    pub(super) root: Cursor,
    /// The operation or notification that the context is in: a child of its parent, although
    /// that does not contain it.
    pub(super) operation: Option<Cursor>,
    budget: &'a Cell<u64>,
    nesting: u8,
}

/// The context of an expression (XPath 1.0 section 1), `current()` aside.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) node: &'a Cursor,
    pub(super) position: usize,
    pub(super) size: usize,
}

/// What a walk does with each node; it can end the walk.
pub(super) type Visit<'v> = &'v mut dyn FnMut(Cursor) -> Result<ControlFlow<()>, EvalError>;

impl<'a> Evaluator<'a> {
    fn new(current: &'a Cursor, budget: &'a Cell<u64>, nesting: u8) -> Result<Self, EvalError> {
        if nesting > NESTING_MAX {
            return Err(EvalError::TooNested);
        }
        let mut operation = None;
        let mut root = current;
        while let Some(parent) = root.parent() {
            if root.is_operation() {
                operation = Some(root.clone());
            }
            root = parent;
        }
        Ok(Evaluator { current, root: root.clone(), operation, budget, nesting })
    }

    /// An evaluation within this one, with another `current()`.
    pub(super) fn nested<'b>(&'b self, current: &'b Cursor) -> Result<Evaluator<'b>, EvalError> {
        Evaluator::new(current, self.budget, self.nesting + 1)
    }

    pub(super) fn start(&self) -> Context<'a> {
        Context { node: self.current, position: 1, size: 1 }
    }

    pub(super) fn spend(&self, steps: usize) -> Result<(), EvalError> {
        let left = self.budget.get().checked_sub(steps as u64).ok_or(EvalError::TooManySteps)?;
        self.budget.set(left);
        Ok(())
    }

    pub(super) fn expr(&self, expr: &Expr, context: &Context<'_>) -> Result<XValue, EvalError> {
        self.spend(1)?;
        match expr {
            Expr::Number(number) => Ok(XValue::Number(*number)),
            Expr::Literal(text) => {
                self.spend(text.len() / 64)?;
                Ok(XValue::Text(text.clone().into_owned()))
            }
            Expr::Negate(operand) => match operand.first() {
                Some(operand) => Ok(XValue::Number(-self.number(operand, context)?)),
                None => Ok(XValue::Number(f64::NAN)),
            },
            Expr::Binary(operator, operands) => match &operands[..] {
                [left, right] => self.binary(*operator, left, right, context),
                _ => Ok(XValue::Bool(false)),
            },
            Expr::Call(function, arguments) => self.call(*function, arguments, context),
            Expr::Path(path) => Ok(XValue::Nodes(self.path(path, context, false)?)),
        }
    }

    fn binary(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        context: &Context<'_>,
    ) -> Result<XValue, EvalError> {
        let numbers = || Ok((self.number(left, context)?, self.number(right, context)?));
        match operator {
            Operator::Or => Ok(XValue::Bool(self.boolean(left, context)? || self.boolean(right, context)?)),
            Operator::And => Ok(XValue::Bool(self.boolean(left, context)? && self.boolean(right, context)?)),
            Operator::Add => numbers().map(|(a, b)| XValue::Number(a + b)),
            Operator::Subtract => numbers().map(|(a, b)| XValue::Number(a - b)),
            Operator::Multiply => numbers().map(|(a, b)| XValue::Number(a * b)),
            Operator::Divide => numbers().map(|(a, b)| XValue::Number(a / b)),
            Operator::Modulo => numbers().map(|(a, b)| XValue::Number(a % b)),
            Operator::Union => {
                let mut nodes = self.nodes(left, context, "`|`")?;
                nodes.extend(self.nodes(right, context, "`|`")?);
                Ok(XValue::Nodes(in_document_order(nodes)))
            }
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                let (left, right) = (self.expr(left, context)?, self.expr(right, context)?);
                self.compare(operator, &left, &right).map(XValue::Bool)
            }
        }
    }

    /// The effective boolean value; a path only has to find one node.
    pub(super) fn boolean(&self, expr: &Expr, context: &Context<'_>) -> Result<bool, EvalError> {
        match expr {
            Expr::Path(path) => Ok(!self.path(path, context, true)?.is_empty()),
            expr => Ok(match self.expr(expr, context)? {
                XValue::Nodes(nodes) => !nodes.is_empty(),
                XValue::Bool(value) => value,
                XValue::Number(number) => number != 0.0 && !number.is_nan(),
                XValue::Text(text) => !text.is_empty(),
            }),
        }
    }

    pub(super) fn number(&self, expr: &Expr, context: &Context<'_>) -> Result<f64, EvalError> {
        Ok(match self.expr(expr, context)? {
            XValue::Number(number) => number,
            XValue::Bool(value) => f64::from(u8::from(value)),
            XValue::Text(text) => to_number(&text),
            XValue::Nodes(nodes) => match nodes.first() {
                Some(node) => to_number(&self.string_value(node)?),
                None => f64::NAN,
            },
        })
    }

    pub(super) fn text(&self, expr: &Expr, context: &Context<'_>) -> Result<String, EvalError> {
        Ok(match self.expr(expr, context)? {
            XValue::Text(text) => text,
            XValue::Number(number) => number_text(number),
            XValue::Bool(value) => value.to_string(),
            XValue::Nodes(nodes) => match nodes.first() {
                Some(node) => self.string_value(node)?,
                None => String::new(),
            },
        })
    }

    pub(super) fn nodes(
        &self,
        expr: &Expr,
        context: &Context<'_>,
        place: &'static str,
    ) -> Result<Vec<Cursor>, EvalError> {
        match self.expr(expr, context)? {
            XValue::Nodes(nodes) => Ok(nodes),
            _ => Err(EvalError::NotNodes(place)),
        }
    }

    /// The string-value (XPath 1.0 section 5): the canonical text of a leaf, the texts of all
    /// leafs below any other node.
    pub(super) fn string_value(&self, node: &Cursor) -> Result<String, EvalError> {
        let leaf = if node.is_text() { node.parent().and_then(Cursor::value) } else { node.value() };
        let mut text = leaf.map(Value::canonical).unwrap_or_default();
        if leaf.is_none() {
            let _never_ended = self.walk(node, Axis::Child, &NodeTest::Any, &mut |child| {
                text.push_str(&self.string_value(&child)?);
                Ok(ControlFlow::Continue(()))
            })?;
        }
        self.spend(text.len() / 64)?;
        Ok(text)
    }

    /// XPath 1.0 section 3.4.
    fn compare(&self, operator: Operator, left: &XValue, right: &XValue) -> Result<bool, EvalError> {
        use XValue::{Bool, Nodes, Text};
        let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        match (left, right) {
            (Nodes(nodes), Bool(value)) => Ok(of_booleans(operator, !nodes.is_empty(), *value)),
            (Bool(value), Nodes(nodes)) => Ok(of_booleans(operator, *value, !nodes.is_empty())),
            (Nodes(a), Nodes(b)) if equality => self.compare_sets(operator, a, b),
            (Nodes(nodes), Text(text)) | (Text(text), Nodes(nodes)) if equality => self.any(nodes, |node| {
                let same = self.equals_text(node, text)?;
                Ok(same == (operator == Operator::Equal))
            }),
            (Nodes(a), Nodes(b)) => {
                let numbers = b.iter().map(|node| Ok(to_number(&self.string_value(node)?)));
                let numbers = numbers.collect::<Result<Vec<f64>, EvalError>>()?;
                self.any(a, |node| {
                    let number = to_number(&self.string_value(node)?);
                    self.spend(numbers.len())?;
                    Ok(numbers.iter().any(|other| of_numbers(operator, number, *other)))
                })
            }
            (Nodes(nodes), other) => {
                let other = scalar_number(other);
                self.any(nodes, |node| Ok(of_numbers(operator, to_number(&self.string_value(node)?), other)))
            }
            (other, Nodes(nodes)) => {
                let other = scalar_number(other);
                self.any(nodes, |node| Ok(of_numbers(operator, other, to_number(&self.string_value(node)?))))
            }
            (Bool(_), _) | (_, Bool(_)) if equality => {
                Ok(of_booleans(operator, scalar_boolean(left), scalar_boolean(right)))
            }
            (Text(a), Text(b)) if equality => Ok((a == b) == (operator == Operator::Equal)),
            _ => Ok(of_numbers(operator, scalar_number(left), scalar_number(right))),
        }
    }

    /// Whether some pair of string-values is equal or, for `!=`, different.
    fn compare_sets(&self, operator: Operator, a: &[Cursor], b: &[Cursor]) -> Result<bool, EvalError> {
        let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
        let texts = few.iter().map(|node| self.string_value(node)).collect::<Result<HashSet<_>, _>>()?;
        self.any(many, |node| {
            let text = self.string_value(node)?;
            Ok(match operator {
                Operator::Equal => texts.contains(&text),
                _ => texts.len() > usize::from(texts.contains(&text)),
            })
        })
    }

    fn any(
        &self,
        nodes: &[Cursor],
        mut test: impl FnMut(&Cursor) -> Result<bool, EvalError>,
    ) -> Result<bool, EvalError> {
        for node in nodes {
            self.spend(1)?;
            if test(node)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the string-value is this text.
    ///
    /// An identity has no canonical form that all encodings share (RFC 7950 section 9.10.3):
    /// its name also counts with the prefix that its module gives itself and, in the module
    /// of the leaf, without any.
    fn equals_text(&self, node: &Cursor, text: &str) -> Result<bool, EvalError> {
        match node.value() {
            Some(Value::String(value)) => Ok(**value == *text),
            Some(Value::Identity(identity)) => Ok(match text.split_once(':') {
                Some((qualifier, name)) => {
                    identity.name == name
                        && (qualifier == identity.module.name || qualifier == identity.module.prefix)
                }
                None => {
                    identity.name == text && node.node().is_some_and(|leaf| leaf.module == identity.module)
                }
            }),
            _ => Ok(self.string_value(node)? == text),
        }
    }

    /// The nodes of a location path; with `first`, maybe only the first that was found.
    fn path(&self, path: &Path, context: &Context<'_>, first: bool) -> Result<Vec<Cursor>, EvalError> {
        let start = match &path.start {
            Start::Root => vec![self.root.clone()],
            Start::Context => vec![context.node.clone()],
            Start::Filter(primary, predicates) => {
                let Some(primary) = primary.first() else { return Ok(Vec::new()) };
                let mut nodes = self.nodes(primary, context, "a predicate or a step")?;
                for predicate in predicates.iter() {
                    nodes = self.filter(nodes, predicate)?;
                }
                nodes
            }
        };
        self.steps(start, &path.steps, first)
    }

    pub(super) fn steps(
        &self,
        mut nodes: Vec<Cursor>,
        mut steps: &[Step],
        first: bool,
    ) -> Result<Vec<Cursor>, EvalError> {
        while let [step, rest @ ..] = steps {
            if nodes.is_empty() {
                break;
            }
            // `//name` is one walk unless positions are counted below each parent.
            match rest {
                [child, rest @ ..]
                    if is_any_depth(step)
                        && child.axis == Axis::Child
                        && child.predicates.iter().all(position_free) =>
                {
                    nodes = self.step(&nodes, Axis::Descendant, child, first && rest.is_empty())?;
                    steps = rest;
                }
                _ => {
                    nodes = self.step(&nodes, step.axis, step, first && rest.is_empty())?;
                    steps = rest;
                }
            }
        }
        Ok(nodes)
    }

    /// One step from a set of nodes in document order, along `axis`.
    fn step(&self, from: &[Cursor], axis: Axis, step: &Step, first: bool) -> Result<Vec<Cursor>, EvalError> {
        let free = step.predicates.iter().take_while(|predicate| position_free(predicate)).count();
        let (free, counted) = step.predicates.split_at(free);
        let mut all: Vec<Cursor> = Vec::new();
        for node in from {
            let mut found = Vec::new();
            let mut visit = |candidate: Cursor| {
                let context = Context { node: &candidate, position: 1, size: 1 };
                for predicate in free {
                    if !self.boolean(predicate, &context)? {
                        return Ok(ControlFlow::Continue(()));
                    }
                }
                self.spend(KEPT)?;
                found.push(candidate);
                let enough = first && counted.is_empty();
                Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            };
            let entries =
                if axis == Axis::Child { keys::entries(self, node, &step.test, free, None)? } else { None };
            match entries {
                Some(entries) => {
                    for entry in entries {
                        if visit(entry)?.is_break() {
                            break;
                        }
                    }
                }
                None => {
                    let _ended_early = self.walk(node, axis, &step.test, &mut visit)?;
                }
            }
            for predicate in counted {
                found = self.filter(found, predicate)?;
            }
            all.extend(found);
            if first && !all.is_empty() {
                return Ok(all);
            }
        }
        let level = from.first().map(Cursor::depth);
        let stays_in_order = match axis {
            Axis::Child | Axis::SelfNode => from.iter().all(|node| Some(node.depth()) == level),
            Axis::Descendant | Axis::DescendantOrSelf | Axis::FollowingSibling | Axis::Following => {
                from.len() == 1
            }
            _ => false,
        };
        Ok(if stays_in_order { all } else { in_document_order(all) })
    }

    /// Applies a predicate to nodes in the order of their axis (XPath 1.0 section 2.4).
    fn filter(&self, nodes: Vec<Cursor>, predicate: &Expr) -> Result<Vec<Cursor>, EvalError> {
        let size = nodes.len();
        let mut kept = Vec::new();
        for (i, node) in nodes.into_iter().enumerate() {
            let context = Context { node: &node, position: i + 1, size };
            let keep = match predicate {
                Expr::Path(_) => self.boolean(predicate, &context)?,
                _ => match self.expr(predicate, &context)? {
                    XValue::Number(number) => number == (i + 1) as f64,
                    other => scalar_boolean(&other),
                },
            };
            if keep {
                kept.push(node);
            }
        }
        Ok(kept)
    }
}

/// Whether a predicate gives the same truth whatever position and size are: it is no number
/// and does not ask for them.
pub(super) fn position_free(predicate: &Expr) -> bool {
    use Operator as O;
    let truth = match predicate {
        Expr::Binary(operator, _) => {
            !matches!(operator, O::Add | O::Subtract | O::Multiply | O::Divide | O::Modulo)
        }
        Expr::Call(function, _) => !matches!(
            function,
            Function::Last
                | Function::Position
                | Function::Count
                | Function::StringLength
                | Function::Number
                | Function::Sum
                | Function::Floor
                | Function::Ceiling
                | Function::Round
                | Function::EnumValue
        ),
        Expr::Negate(_) | Expr::Number(_) => false,
        Expr::Literal(_) | Expr::Path(_) => true,
    };
    truth && !asks_for_position(predicate)
}

fn asks_for_position(expr: &Expr) -> bool {
    let any = |exprs: &List<Expr>| exprs.iter().any(asks_for_position);
    match expr {
        Expr::Call(Function::Position | Function::Last, _) => true,
        Expr::Call(_, exprs) | Expr::Binary(_, exprs) | Expr::Negate(exprs) => any(exprs),
        // Predicates have a context of their own.
        Expr::Path(Path { start: Start::Filter(primary, _), .. }) => any(primary),
        Expr::Path(_) | Expr::Number(_) | Expr::Literal(_) => false,
    }
}

fn is_any_depth(step: &Step) -> bool {
    step.axis == Axis::DescendantOrSelf && step.test == NodeTest::Node && step.predicates.is_empty()
}

/// Sorts into document order and removes duplicates.
fn in_document_order(mut nodes: Vec<Cursor>) -> Vec<Cursor> {
    nodes.sort_by(Cursor::order);
    nodes.dedup_by(|a, b| a.same(b));
    nodes
}

fn of_booleans(operator: Operator, a: bool, b: bool) -> bool {
    of_numbers(operator, f64::from(u8::from(a)), f64::from(u8::from(b)))
}

fn of_numbers(operator: Operator, a: f64, b: f64) -> bool {
    match operator {
        Operator::Equal => a == b,
        Operator::NotEqual => a != b,
        Operator::Less => a < b,
        Operator::LessOrEqual => a <= b,
        Operator::Greater => a > b,
        Operator::GreaterOrEqual => a >= b,
        _ => false,
    }
}

fn scalar_number(value: &XValue) -> f64 {
    match value {
        XValue::Number(number) => *number,
        XValue::Bool(value) => f64::from(u8::from(*value)),
        XValue::Text(text) => to_number(text),
        XValue::Nodes(_) => f64::NAN,
    }
}

fn scalar_boolean(value: &XValue) -> bool {
    match value {
        XValue::Number(number) => *number != 0.0 && !number.is_nan(),
        XValue::Bool(value) => *value,
        XValue::Text(text) => !text.is_empty(),
        XValue::Nodes(nodes) => !nodes.is_empty(),
    }
}

/// `number()` of a string (XPath 1.0 section 4.4): no exponent, no `+`.
pub(super) fn to_number(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain && digits.bytes().any(|b| b.is_ascii_digit()) {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

/// `string()` of a number (XPath 1.0 section 4.2).
pub(super) fn number_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if number == 0.0 {
        "0".to_owned()
    } else {
        number.to_string()
    }
}
