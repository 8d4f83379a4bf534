//! Walks along the axes (XPath 1.0 section 2.2) of the accessible tree.
//!
//! Defaults in use and non-presence containers are there as RFC 7950 section 6.4.1 wants it,
//! although instance data does not hold them. Nothing here evaluates predicates.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::ast::{Axis, NodeTest};
use super::cursor::Cursor;
use super::eval::{EvalError, Evaluator, KEPT, Visit};
use crate::yang::schema::{Kind, Node, Type};
use crate::yang::tree::Container;
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;

type Flow = Result<ControlFlow<()>, EvalError>;

const GO_ON: Flow = Ok(ControlFlow::Continue(()));

impl Evaluator<'_> {
    /// Visits the nodes of an axis that pass the test, in the order of the axis: nearest
    /// first for the axes that lead back, document order for the others.
    pub(super) fn walk(&self, from: &Cursor, axis: Axis, test: &NodeTest, visit: Visit<'_>) -> Flow {
        match axis {
            Axis::Child => self.children(from, test, visit),
            Axis::SelfNode => self.offer(from, test, visit),
            Axis::Parent => match from.parent() {
                Some(parent) => self.offer(parent, test, visit),
                None => GO_ON,
            },
            Axis::Descendant => self.descend(from, test, visit),
            Axis::DescendantOrSelf => {
                if self.offer(from, test, visit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                self.descend(from, test, visit)
            }
            Axis::Ancestor | Axis::AncestorOrSelf => {
                let mut at = if axis == Axis::Ancestor { from.parent() } else { Some(from) };
                while let Some(node) = at {
                    if self.offer(node, test, visit)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    at = node.parent();
                }
                GO_ON
            }
            Axis::FollowingSibling => each(self.siblings(from, true, test)?, visit),
            Axis::PrecedingSibling => each(self.siblings(from, false, test)?, visit),
            Axis::Following | Axis::Preceding => self.beside(from, axis == Axis::Following, test, visit),
            Axis::Attribute | Axis::Namespace => GO_ON,
        }
    }

    /// The nodes that [`Self::walk`] visits.
    pub(super) fn collect(
        &self,
        from: &Cursor,
        axis: Axis,
        test: &NodeTest,
    ) -> Result<Vec<Cursor>, EvalError> {
        let mut nodes = Vec::new();
        let _never_ended = self.walk(from, axis, test, &mut |node| {
            self.spend(KEPT)?;
            nodes.push(node);
            GO_ON
        })?;
        Ok(nodes)
    }

    fn offer(&self, node: &Cursor, test: &NodeTest, visit: Visit<'_>) -> Flow {
        self.spend(1)?;
        if passes(node, test) { visit(node.clone()) } else { GO_ON }
    }

    fn children(&self, of: &Cursor, test: &NodeTest, visit: Visit<'_>) -> Flow {
        self.spend(1)?;
        if let (NodeTest::Node | NodeTest::Text, Some(text)) = (test, of.text()) {
            return visit(text);
        }
        for node in of.child_nodes(|node| names(node, test)) {
            if self.instances(of, node, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        match &self.operation {
            Some(operation) if operation.parent().is_some_and(|parent| parent.same(of)) => {
                self.offer(operation, test, visit)
            }
            _ => GO_ON,
        }
    }

    /// The instances of a schema node below a parent, or what is there by default.
    pub(super) fn instances(&self, of: &Cursor, node: &'static Node, visit: Visit<'_>) -> Flow {
        let mut found = false;
        for instance in of.instances(node) {
            found = true;
            self.spend(1)?;
            if visit(instance)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if found { GO_ON } else { self.by_default(of, node, visit) }
    }

    /// What is there of a schema node without an instance.
    pub(super) fn by_default(&self, of: &Cursor, node: &'static Node, visit: Visit<'_>) -> Flow {
        match node.kind {
            Kind::Container { presence: false } if self.in_use(of, node)? => {
                visit(of.container(node, Arc::default()))
            }
            Kind::Leaf { ty, default: Some(text), .. } if self.in_use(of, node)? => {
                match default_value(of, node, ty, text) {
                    Some(value) => visit(of.leaf(node, value)),
                    None => GO_ON,
                }
            }
            Kind::LeafList { ty, defaults, .. } if !defaults.is_empty() && self.in_use(of, node)? => {
                let values = defaults.iter().filter_map(|text| default_value(of, node, ty, text));
                let entries = values.enumerate().map(|(i, value)| of.leaf_list_entry(node, i, value));
                each(entries.collect(), visit)
            }
            _ => GO_ON,
        }
    }

    /// Whether a default or non-presence container exists: its cases are chosen (RFC 7950
    /// section 7.6.1) and its `when` conditions hold.
    fn in_use(&self, parent: &Cursor, node: &'static Node) -> Result<bool, EvalError> {
        self.spend(1)?;
        if !case_chosen(parent.content().map(Arc::as_ref), node) {
            return Ok(false);
        }
        for when in node.conditions() {
            let dummy = parent.dummy(node);
            let mut context = Some(&dummy);
            for _ in 0..when.context {
                context = context.and_then(Cursor::parent);
            }
            let Some(context) = context else { continue };
            let evaluator = self.nested(context)?;
            if !evaluator.boolean(when.expr, &evaluator.start())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn descend(&self, from: &Cursor, test: &NodeTest, visit: Visit<'_>) -> Flow {
        // Texts are only worth making if the test can select them.
        let all = match test {
            NodeTest::Node | NodeTest::Text => NodeTest::Node,
            NodeTest::Nothing => return GO_ON,
            _ => NodeTest::Any,
        };
        self.children(from, &all, &mut |child| {
            if passes(&child, test) && visit(child.clone())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.descend(&child, test, visit)
        })
    }

    /// The siblings after or before a node that pass the test, nearest first.
    fn siblings(&self, of: &Cursor, after: bool, test: &NodeTest) -> Result<Vec<Cursor>, EvalError> {
        let Some(parent) = of.parent() else { return Ok(Vec::new()) };
        let mut siblings = Vec::new();
        let _ended_early = self.children(parent, test, &mut |sibling| {
            match sibling.order(of) {
                Ordering::Equal | Ordering::Greater if !after => return Ok(ControlFlow::Break(())),
                Ordering::Less | Ordering::Equal if after => return GO_ON,
                Ordering::Less | Ordering::Equal | Ordering::Greater => {}
            }
            self.spend(KEPT)?;
            siblings.push(sibling);
            GO_ON
        })?;
        if !after {
            siblings.reverse();
        }
        Ok(siblings)
    }

    /// The axes `following` and `preceding`: everything after or before in document order
    /// that is neither above nor below.
    fn beside(&self, from: &Cursor, after: bool, test: &NodeTest, visit: Visit<'_>) -> Flow {
        let mut at = Some(from);
        while let Some(node) = at {
            for sibling in self.siblings(node, after, &NodeTest::Node)? {
                let mut below = self.collect(&sibling, Axis::DescendantOrSelf, test)?;
                if !after {
                    below.reverse();
                }
                if each(below, visit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            at = node.parent();
        }
        GO_ON
    }
}

fn each(nodes: Vec<Cursor>, visit: Visit<'_>) -> Flow {
    for node in nodes {
        if visit(node)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    GO_ON
}

/// Whether a node passes a test on an axis whose principal node type is element.
fn passes(node: &Cursor, test: &NodeTest) -> bool {
    match (node.node(), test) {
        (_, NodeTest::Node) => true,
        (_, NodeTest::Text) => node.is_text(),
        (Some(node), test) => names(node, test),
        (None, _) => false,
    }
}

/// Whether instances of a schema node pass a test. An empty module stands for any.
pub(super) fn names(node: &Node, test: &NodeTest) -> bool {
    match test {
        NodeTest::Name { module, name } => {
            node.name == name && (module.is_empty() || node.module.name == module)
        }
        NodeTest::AnyOf { module } => node.module.name == module,
        NodeTest::Any | NodeTest::Node => true,
        NodeTest::Text | NodeTest::Nothing => false,
    }
}

/// Whether each case that a node is in, up to its data parent, is the one that is chosen: one
/// of its nodes exists, or it is the default and no other case has nodes.
pub fn case_chosen(parent: Option<&Container>, node: &'static Node) -> bool {
    let exists = |node: &&'static Node| parent.is_some_and(|content| content.get(node).is_some());
    let mut case = node;
    while let Some(above) = case.parent {
        match above.kind {
            Kind::Choice { default } => {
                // A data node right below a choice is a case of its own.
                let own =
                    if matches!(case.kind, Kind::Case) { case.data } else { std::slice::from_ref(&case) };
                let by_default = || default == Some(case) && !above.data.iter().any(exists);
                if !own.iter().any(exists) && !by_default() {
                    return false;
                }
            }
            Kind::Case => {}
            _ => break,
        }
        case = above;
    }
    true
}

fn default_value(of: &Cursor, node: &'static Node, ty: &Type, text: &str) -> Option<Value> {
    types::parse(ty, text, &ModuleNames(of.schema()), node.module).ok()
}
