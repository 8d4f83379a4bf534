//! Predicates that name the key of a list, answered by a look-up instead of a scan.
//!
//! What is found here is only a set of candidates: the caller still applies the predicates.

use super::ast::{Axis, Expr, Function, NodeTest, Operator, Path, Start};
use super::axes::names;
use super::cursor::{Cursor, Slot};
use super::eval::{Context, EvalError, Evaluator, XValue, number_text};
use crate::yang::schema::{Base, Node, Type};
use crate::yang::tree::{Key, List};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;

/// Most keys that one step looks up; beyond that a scan is as good.
const KEYS_MAX: usize = 1024;

/// The entries that can satisfy all `predicates`, if each key of the list that `test` names
/// below `parent` is compared for equality with something that is the same for all entries;
/// otherwise `None`. `known` is the value of one more key.
pub(super) fn entries(
    evaluator: &Evaluator<'_>,
    parent: &Cursor,
    test: &NodeTest,
    predicates: &[Expr],
    known: Option<(&Node, &Value)>,
) -> Result<Option<Vec<Cursor>>, EvalError> {
    let (NodeTest::Name { .. }, Some(content)) = (test, parent.content()) else { return Ok(None) };
    if predicates.is_empty() && known.is_none() {
        return Ok(None);
    }
    let mut nodes = content.iter().map(|(node, _)| node).filter(|node| names(node, test));
    let (Some(node), None) = (nodes.next(), nodes.next()) else { return Ok(None) };
    let list = match content.list(node) {
        Some(list @ (List::Sorted(_) | List::User(_) | List::State(_))) if !node.keys().is_empty() => list,
        _ => return Ok(None),
    };
    let mut equalities = Vec::new();
    for predicate in predicates {
        collect_equalities(predicate, &mut equalities);
    }
    let mut keys: Vec<Vec<Value>> = vec![Vec::new()];
    for key in node.keys() {
        let values = match known {
            Some((known, value)) if known == *key => Some(vec![value.clone()]),
            _ => values(evaluator, parent, key, &equalities)?,
        };
        let Some(values) = values else { return Ok(None) };
        if keys.len().saturating_mul(values.len()) > KEYS_MAX {
            return Ok(None);
        }
        let extended = |key: &Vec<Value>, value: &Value| key.iter().chain([value]).cloned().collect();
        keys = keys.iter().flat_map(|key| values.iter().map(move |value| extended(key, value))).collect();
    }
    let mut found = Vec::new();
    for key in keys.into_iter().map(Key::new) {
        evaluator.spend(1)?;
        if let Some(entry) = list.get(node, &key) {
            found.push(parent.entry(node, Slot::Key(key), entry));
        }
    }
    found.sort_by(Cursor::order);
    found.dedup_by(|a, b| a.same(b));
    Ok(Some(found))
}

/// The equalities that all have to hold for the expression to be true.
fn collect_equalities<'e>(expr: &'e Expr, out: &mut Vec<(&'e Expr, &'e Expr)>) {
    if let Expr::Binary(operator, operands) = expr
        && let [left, right] = &operands[..]
    {
        match operator {
            Operator::And => {
                collect_equalities(left, out);
                collect_equalities(right, out);
            }
            Operator::Equal => out.extend([(left, right), (right, left)]),
            _ => {}
        }
    }
}

/// The values that a key can have by one of the equalities.
fn values(
    evaluator: &Evaluator<'_>,
    parent: &Cursor,
    key: &'static Node,
    equalities: &[(&Expr, &Expr)],
) -> Result<Option<Vec<Value>>, EvalError> {
    let Some(ty) = key.ty().and_then(with_unique_texts) else { return Ok(None) };
    let equality = equalities.iter().find(|(side, other)| is_leaf(side, key) && is_constant(other));
    let Some((_, constant)) = equality else { return Ok(None) };
    let context = Context { node: parent, position: 1, size: 1 };
    let texts = match evaluator.expr(constant, &context)? {
        XValue::Text(text) => vec![text],
        XValue::Number(number) if matches!(ty.base, Base::Int(..) | Base::Uint(..)) => {
            vec![number_text(number)]
        }
        XValue::Nodes(nodes) if nodes.len() <= KEYS_MAX => {
            nodes.iter().map(|node| evaluator.string_value(node)).collect::<Result<_, _>>()?
        }
        _ => return Ok(None),
    };
    let names = ModuleNames(parent.schema());
    let mut values = Vec::new();
    for text in texts {
        match types::parse(ty, &text, &names, key.module) {
            Ok(value) if value.canonical() == text => values.push(value),
            // Other ways to write an identity are for the comparison to know.
            _ if matches!(ty.base, Base::IdentityRef(_)) => return Ok(None),
            // No value of the key has this text.
            _ => {}
        }
    }
    Ok(Some(values))
}

/// The type behind leafrefs, if two of its values never have the same text.
fn with_unique_texts(ty: &'static Type) -> Option<&'static Type> {
    match &ty.base {
        Base::LeafRef(leafref) => with_unique_texts(leafref.real),
        Base::Union(_) | Base::InstanceIdentifier { .. } | Base::Empty => None,
        _ => Some(ty),
    }
}

/// Whether an expression is the name of a leaf, from the entry it is a key of.
fn is_leaf(expr: &Expr, leaf: &Node) -> bool {
    let Expr::Path(Path { start: Start::Context, steps }) = expr else { return false };
    let steps = match &steps[..] {
        [this, rest @ ..]
            if this.axis == Axis::SelfNode && this.test == NodeTest::Node && this.predicates.is_empty() =>
        {
            rest
        }
        steps => steps,
    };
    matches!(steps, [step] if step.axis == Axis::Child && step.predicates.is_empty()
        && matches!(step.test, NodeTest::Name { .. }) && names(leaf, &step.test))
}

/// Whether an expression has the same value in every context of one evaluation.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::Literal(_) => true,
        Expr::Negate(exprs) | Expr::Binary(_, exprs) => exprs.iter().all(is_constant),
        Expr::Call(function, arguments) => {
            let asks_for_context = match function {
                Function::Position | Function::Last | Function::Lang => true,
                Function::LocalName
                | Function::NamespaceUri
                | Function::Name
                | Function::String
                | Function::StringLength
                | Function::NormalizeSpace
                | Function::Number => arguments.is_empty(),
                _ => false,
            };
            !asks_for_context && arguments.iter().all(is_constant)
        }
        Expr::Path(path) => match &path.start {
            Start::Root => true,
            Start::Context => false,
            Start::Filter(primary, _) => primary.iter().all(is_constant),
        },
    }
}
