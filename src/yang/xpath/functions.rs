//! The functions of XPath 1.0 (section 4) and of YANG (RFC 7950 section 10).
//!
//! The parser has checked the number of arguments. Nothing here knows axes or steps beyond
//! what `deref` follows.

use std::cell::RefCell;
use std::ops::ControlFlow;

use regex::{Regex, RegexBuilder};

use super::ast::{Expr, Function, Path};
use super::cursor::{Cursor, Slot};
use super::eval::{Context, EvalError, Evaluator, KEPT, XValue, position_free, to_number};
use super::keys;
use crate::yang::path::{InstancePath, Selector};
use crate::yang::pattern;
use crate::yang::schema::{Base, Identity, LeafRef, Node, Type};
use crate::yang::tree::{Child, List};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;

impl Evaluator<'_> {
    pub(super) fn call(
        &self,
        function: Function,
        arguments: &[Expr],
        context: &Context<'_>,
    ) -> Result<XValue, EvalError> {
        use Function as F;
        match (function, arguments) {
            (F::Last, []) => Ok(XValue::Number(context.size as f64)),
            (F::Position, []) => Ok(XValue::Number(context.position as f64)),
            (F::Count, [nodes]) => Ok(XValue::Number(self.nodes(nodes, context, "count()")?.len() as f64)),
            (F::Sum, [nodes]) => {
                let mut sum = 0.0;
                for node in self.nodes(nodes, context, "sum()")? {
                    sum += to_number(&self.string_value(&node)?);
                }
                Ok(XValue::Number(sum))
            }
            // YANG data has neither identifiers of elements nor xml:lang.
            (F::Id, [_]) => Ok(XValue::Nodes(Vec::new())),
            (F::Lang, [_]) => Ok(XValue::Bool(false)),
            (F::LocalName | F::NamespaceUri | F::Name, arguments) => {
                let node = match arguments {
                    [nodes] => self.nodes(nodes, context, "the name of a node")?.first().cloned(),
                    _ => Some(context.node.clone()),
                };
                let name = node.and_then(|node| node.node()).map(|node| match function {
                    F::LocalName => node.name.to_owned(),
                    F::NamespaceUri => node.module.namespace.to_owned(),
                    _ => node.qualified_name(),
                });
                Ok(XValue::Text(name.unwrap_or_default()))
            }
            (F::String, arguments) => self.text_or_own(arguments, context).map(XValue::Text),
            (F::StringLength, arguments) => {
                let text = self.text_or_own(arguments, context)?;
                Ok(XValue::Number(text.chars().count() as f64))
            }
            (F::NormalizeSpace, arguments) => {
                let text = self.text_or_own(arguments, context)?;
                let words: Vec<&str> =
                    text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect();
                Ok(XValue::Text(words.join(" ")))
            }
            (F::Number, []) => Ok(XValue::Number(to_number(&self.string_value(context.node)?))),
            (F::Number, [expr]) => self.number(expr, context).map(XValue::Number),
            (F::Floor, [expr]) => Ok(XValue::Number(self.number(expr, context)?.floor())),
            (F::Ceiling, [expr]) => Ok(XValue::Number(self.number(expr, context)?.ceil())),
            (F::Round, [expr]) => Ok(XValue::Number(round(self.number(expr, context)?))),
            (F::Concat, arguments) => {
                let mut all = String::new();
                for argument in arguments {
                    all.push_str(&self.text(argument, context)?);
                }
                self.spend(all.len() / 64)?;
                Ok(XValue::Text(all))
            }
            (F::StartsWith, [text, start]) => {
                Ok(XValue::Bool(self.text(text, context)?.starts_with(&self.text(start, context)?)))
            }
            (F::Contains, [text, part]) => {
                Ok(XValue::Bool(self.text(text, context)?.contains(&self.text(part, context)?)))
            }
            (F::SubstringBefore | F::SubstringAfter, [text, part]) => {
                let (text, part) = (self.text(text, context)?, self.text(part, context)?);
                let split = text.split_once(part.as_str()).unwrap_or_default();
                let side = if function == F::SubstringBefore { split.0 } else { split.1 };
                Ok(XValue::Text(side.to_owned()))
            }
            (F::Substring, [text, start, length @ ..]) => {
                let text = self.text(text, context)?;
                let start = round(self.number(start, context)?);
                let end = match length {
                    [length] => start + round(self.number(length, context)?),
                    _ => f64::INFINITY,
                };
                let inside = |i: usize| start <= (i + 1) as f64 && ((i + 1) as f64) < end;
                Ok(XValue::Text(
                    text.chars().enumerate().filter(|(i, _)| inside(*i)).map(|(_, c)| c).collect(),
                ))
            }
            (F::Translate, [text, from, to]) => {
                let text = self.text(text, context)?;
                let (from, to) = (self.text(from, context)?, self.text(to, context)?);
                self.spend(text.len().saturating_mul(from.len()) / 64)?;
                Ok(XValue::Text(translate(&text, &from, &to)))
            }
            (F::Boolean, [expr]) => self.boolean(expr, context).map(XValue::Bool),
            (F::Not, [expr]) => Ok(XValue::Bool(!self.boolean(expr, context)?)),
            (F::True, []) => Ok(XValue::Bool(true)),
            (F::False, []) => Ok(XValue::Bool(false)),
            (F::Current, []) => Ok(XValue::Nodes(vec![self.current.clone()])),
            (F::ReMatch, [text, pattern]) => {
                let (text, pattern) = (self.text(text, context)?, self.text(pattern, context)?);
                let regex = compiled(&pattern, || self.spend(COMPILING_STEPS))?;
                self.spend(text.len() / 16)?;
                Ok(XValue::Bool(regex.is_match(&text)))
            }
            (F::Deref, [nodes]) => match self.nodes(nodes, context, "deref()")?.first() {
                Some(node) => self.nested(node)?.deref(node).map(XValue::Nodes),
                None => Ok(XValue::Nodes(Vec::new())),
            },
            (F::DerivedFrom | F::DerivedFromOrSelf, [nodes, identity]) => {
                let nodes = self.nodes(nodes, context, "derived-from()")?;
                let name = self.text(identity, context)?;
                let derived = |node: &Cursor| match node.value() {
                    Some(Value::Identity(identity)) => {
                        function == F::DerivedFromOrSelf && is_named(identity, &name)
                            || derives_from(identity, &name)
                    }
                    _ => false,
                };
                Ok(XValue::Bool(nodes.iter().any(derived)))
            }
            (F::EnumValue, [nodes]) => {
                let nodes = self.nodes(nodes, context, "enum-value()")?;
                Ok(XValue::Number(match nodes.first().and_then(Cursor::value) {
                    Some(Value::Enum(value)) => f64::from(value.value),
                    _ => f64::NAN,
                }))
            }
            (F::BitIsSet, [nodes, bit]) => {
                let nodes = self.nodes(nodes, context, "bit-is-set()")?;
                let name = self.text(bit, context)?;
                Ok(XValue::Bool(match nodes.first().and_then(Cursor::value) {
                    Some(Value::Bits(bits)) => bits.is_set(&name),
                    _ => false,
                }))
            }
            // The parser lets no other number of arguments through.
            _ => Ok(XValue::Nodes(Vec::new())),
        }
    }

    fn text_or_own(&self, arguments: &[Expr], context: &Context<'_>) -> Result<String, EvalError> {
        match arguments {
            [expr, ..] => self.text(expr, context),
            [] => self.string_value(context.node),
        }
    }

    /// What a leaf refers to; the evaluator's `current()` is the leaf (RFC 7950 section 9.9.2).
    pub(super) fn deref(&self, leaf: &Cursor) -> Result<Vec<Cursor>, EvalError> {
        let (Some(node), Some(value)) = (leaf.node(), leaf.value()) else { return Ok(Vec::new()) };
        if let Value::Instance(path) = value {
            return Ok(self.instance(path).into_iter().collect());
        }
        match node.ty() {
            Some(ty) => self.referred(ty, value),
            None => Ok(Vec::new()),
        }
    }

    fn referred(&self, ty: &Type, value: &Value) -> Result<Vec<Cursor>, EvalError> {
        match &ty.base {
            Base::LeafRef(leafref) => self.leafref(leafref, value),
            Base::Union(members) => {
                // The value can have been read as one of another member.
                let (text, names) = (value.canonical(), ModuleNames(self.root.schema()));
                for member in *members {
                    let Base::LeafRef(leafref) = &member.base else { continue };
                    let Some(module) = self.current.node().map(|leaf| leaf.module) else { continue };
                    let Ok(value) = types::parse(leafref.real, &text, &names, module) else { continue };
                    let found = self.leafref(leafref, &value)?;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The instances of a leafref's path that have this value; a look-up if they are keys.
    pub(super) fn leafref(&self, leafref: &LeafRef, value: &Value) -> Result<Vec<Cursor>, EvalError> {
        let start = self.start();
        if let Expr::Path(Path { start: from, steps }) = leafref.path
            && leafref.target.is_key()
            && let [before @ .., entry, key] = &steps[..]
            && key.predicates.is_empty()
            && entry.predicates.iter().all(position_free)
        {
            let above = Path { start: from.clone(), steps: before.to_vec().into() };
            let XValue::Nodes(parents) = self.expr(&Expr::Path(above), &start)? else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            let mut all_looked_up = true;
            for parent in &parents {
                let known = Some((leafref.target, value));
                match keys::entries(self, parent, &entry.test, &entry.predicates, known)? {
                    Some(entries) => {
                        let entries = self.filtered(entries, &entry.predicates)?;
                        found.extend(self.steps(entries, std::slice::from_ref(key), false)?);
                    }
                    None => all_looked_up = false,
                }
            }
            if all_looked_up {
                return Ok(found);
            }
        }
        let mut found = self.nodes(leafref.path, &start, "a leafref")?;
        found.retain(|node| node.value() == Some(value));
        Ok(found)
    }

    fn filtered(&self, nodes: Vec<Cursor>, predicates: &[Expr]) -> Result<Vec<Cursor>, EvalError> {
        let mut kept = Vec::new();
        'nodes: for node in nodes {
            for predicate in predicates {
                if !self.boolean(predicate, &Context { node: &node, position: 1, size: 1 })? {
                    continue 'nodes;
                }
            }
            kept.push(node);
        }
        Ok(kept)
    }

    /// The instances of a schema node, or what is there by default.
    fn existing(&self, parent: &Cursor, node: &'static Node) -> Vec<Cursor> {
        let mut found = Vec::new();
        let _never_ended = self.instances(parent, node, &mut |cursor| {
            self.spend(KEPT)?;
            found.push(cursor);
            Ok(ControlFlow::Continue(()))
        });
        found
    }

    /// The node an instance path leads to.
    fn instance(&self, path: &InstancePath) -> Option<Cursor> {
        let mut at = self.root.clone();
        for step in &path.steps {
            let list = match at.content()?.get(step.node) {
                Some(Child::List(list)) => Some(list),
                _ => None,
            };
            let next = match (&step.selector, list) {
                (Selector::Key(key), Some(list @ (List::Sorted(_) | List::User(_) | List::State(_)))) => {
                    list.get(step.node, key).map(|entry| at.entry(step.node, Slot::Key(key.clone()), entry))
                }
                (Selector::Key(key), Some(List::Sequence(_))) => at.instances(step.node).find(|entry| {
                    entry.content().and_then(|content| content.key(step.node)).as_ref() == Some(key)
                }),
                (Selector::Key(_), None) => None,
                (Selector::Value(value), _) => {
                    self.existing(&at, step.node).into_iter().find(|entry| entry.value() == Some(value))
                }
                (Selector::Position(position), _) => {
                    at.instances(step.node).nth((*position as usize).checked_sub(1)?)
                }
                (Selector::None, _) => self.existing(&at, step.node).into_iter().next(),
            };
            at = next?;
        }
        Some(at)
    }
}

/// Whether an identity has this name, qualified by its module's name or own prefix, or bare.
fn is_named(identity: &Identity, name: &str) -> bool {
    match name.split_once(':') {
        Some((qualifier, name)) => {
            identity.name == name
                && (qualifier == identity.module.name || qualifier == identity.module.prefix)
        }
        None => identity.name == name,
    }
}

fn derives_from(identity: &Identity, name: &str) -> bool {
    identity.bases.iter().any(|base| is_named(base, name) || derives_from(base, name))
}

/// `round()` (XPath 1.0 section 4.4): halves go up.
fn round(number: f64) -> f64 {
    (number + 0.5).floor()
}

fn translate(text: &str, from: &str, to: &str) -> String {
    let map = |c| match from.chars().position(|f| f == c) {
        Some(i) => to.chars().nth(i),
        None => Some(c),
    };
    text.chars().filter_map(map).collect()
}

/// What compiling a pattern takes at most, in steps.
const COMPILING_STEPS: usize = 20_000;

/// A pattern of `re-match()` (RFC 7950 section 10.2.1). Those used last are kept compiled; another one is paid for.
fn compiled(xsd: &str, pay: impl FnOnce() -> Result<(), EvalError>) -> Result<Regex, EvalError> {
    const KEPT: usize = 32;
    const SIZE_MAX: usize = 1 << 20;
    thread_local! {
        static COMPILED: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
    }
    COMPILED.with_borrow_mut(|compiled| {
        if let Some((_, regex)) = compiled.iter().find(|(kept, _)| kept == xsd) {
            return Ok(regex.clone());
        }
        pay()?;
        let translated = pattern::translate(xsd).map_err(|error| EvalError::Pattern(error.to_string()))?;
        let regex = RegexBuilder::new(&translated).size_limit(SIZE_MAX).build();
        let regex = regex.map_err(|error| EvalError::Pattern(error.to_string()))?;
        if compiled.len() >= KEPT {
            compiled.remove(0);
        }
        compiled.push((xsd.to_owned(), regex.clone()));
        Ok(regex)
    })
}
