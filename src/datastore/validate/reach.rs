//! How far from its node a condition looks: for each schema node that it reads, the highest node on
//! the way there.
//!
//! The expression is followed over the schema instead of over data, with every predicate taken for
//! true. What is found can be too much, never too little. Nothing here knows data.

use std::collections::BTreeSet;

use crate::yang::schema::{Base, Node, Schema, Type};
use crate::yang::xpath::Expr;
use crate::yang::xpath::ast::{Axis, Function, NodeTest, Operator, Path, Start, Step};

/// A node, by its address so that nodes have an order; `None` is the root.
type Place = Option<&'static Node>;

/// Where a way has led and the highest place on it, both above or below the context or it itself:
/// an instance that is reached is always in the instance of `top` that the context is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The node that was reached.
    pub at: Place,
    /// The highest node on the way.
    pub top: Place,
}

impl Ord for Way {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |way: &Way| (way.at.map(std::ptr::from_ref), way.top.map(std::ptr::from_ref));
        order(self).cmp(&order(other))
    }
}
impl PartialOrd for Way {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

type Ways = BTreeSet<Way>;

/// The ways to all nodes whose instances can change the value of `expr` at a context node.
pub fn reads(expr: &Expr, context: Place, schema: &'static Schema) -> Vec<Way> {
    let mut reader = Reader { schema, current: Way { at: context, top: context }, reads: Ways::new() };
    reader.existence(expr, reader.current);
    reader.reads.into_iter().collect()
}

struct Reader {
    schema: &'static Schema,
    current: Way,
    reads: Ways,
}

impl Reader {
    /// Notes what is read for the value of `expr` as a number, string or operand.
    fn value(&mut self, expr: &Expr, context: Way) {
        for way in self.ways(expr, context) {
            self.content(way);
        }
    }

    /// Notes what is read to know which nodes `expr` selects and whether there are any.
    fn existence(&mut self, expr: &Expr, context: Way) {
        let ways = self.ways(expr, context);
        self.reads.extend(ways);
    }

    /// The ways to the nodes that `expr` selects, if it selects nodes; notes what else it reads.
    fn ways(&mut self, expr: &Expr, context: Way) -> Ways {
        match expr {
            Expr::Path(path) => self.path(path, context),
            Expr::Binary(Operator::Union, operands) => {
                operands.iter().flat_map(|operand| self.ways(operand, context)).collect()
            }
            Expr::Binary(Operator::And | Operator::Or, operands) => {
                operands.iter().for_each(|operand| self.existence(operand, context));
                Ways::new()
            }
            Expr::Binary(_, operands) | Expr::Negate(operands) => {
                operands.iter().for_each(|operand| self.value(operand, context));
                Ways::new()
            }
            Expr::Call(function, arguments) => self.call(*function, arguments, context),
            Expr::Number(_) | Expr::Literal(_) => Ways::new(),
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expr], context: Way) -> Ways {
        match function {
            Function::Current => Ways::from([self.current]),
            Function::Deref => {
                let referring: Ways = arguments.iter().flat_map(|a| self.ways(a, context)).collect();
                let types = referring.iter().filter_map(|way| way.at.and_then(Node::ty));
                let targets: Ways = types.flat_map(|ty| self.targets(ty)).collect();
                self.reads.extend(referring);
                self.reads.extend(targets.iter().copied());
                targets
            }
            _ => {
                if arguments.is_empty() {
                    // Some take the context node.
                    self.content(context);
                }
                arguments.iter().for_each(|argument| self.value(argument, context));
                Ways::new()
            }
        }
    }

    fn path(&mut self, path: &Path, context: Way) -> Ways {
        let mut ways = match &path.start {
            Start::Root => Ways::from([Way { at: None, top: None }]),
            Start::Context => Ways::from([context]),
            Start::Filter(primary, predicates) => {
                let selected: Ways = primary.iter().flat_map(|p| self.ways(p, context)).collect();
                self.predicates(predicates, &selected);
                selected
            }
        };
        for step in path.steps.iter() {
            ways = self.step(step, &ways);
            // Whether an ancestor is there is no question.
            if !matches!(step.axis, Axis::Parent | Axis::SelfNode | Axis::Ancestor | Axis::AncestorOrSelf) {
                self.reads.extend(ways.iter().copied());
            }
            self.predicates(&step.predicates, &ways);
        }
        ways
    }

    fn predicates(&mut self, predicates: &[Expr], ways: &Ways) {
        for predicate in predicates {
            ways.iter().for_each(|way| self.existence(predicate, *way));
        }
    }

    fn step(&self, step: &Step, from: &Ways) -> Ways {
        let mut reached = Ways::new();
        for way in from {
            if matches!(step.test, NodeTest::Text) && matches!(step.axis, Axis::Child) {
                // The text of a leaf is the leaf.
                reached.insert(*way);
                continue;
            }
            reached.extend(self.axis(step.axis, *way).into_iter().filter(|way| passes(&step.test, way.at)));
        }
        reached
    }

    fn axis(&self, axis: Axis, way: Way) -> Vec<Way> {
        match axis {
            Axis::Child => self.children(way),
            Axis::Parent => parent(way).into_iter().collect(),
            Axis::SelfNode => vec![way],
            Axis::Descendant => self.descendants(way),
            Axis::DescendantOrSelf => self.descendants(way).into_iter().chain([way]).collect(),
            Axis::Ancestor => std::iter::successors(parent(way), |way| parent(*way)).collect(),
            Axis::AncestorOrSelf => std::iter::successors(Some(way), |way| parent(*way)).collect(),
            Axis::PrecedingSibling | Axis::FollowingSibling => {
                parent(way).map(|parent| self.children(parent)).unwrap_or_default()
            }
            Axis::Preceding | Axis::Following => self.everything(),
            Axis::Attribute | Axis::Namespace => Vec::new(),
        }
    }

    fn children(&self, way: Way) -> Vec<Way> {
        let below = |node: &&'static Node| Way { at: Some(node), top: way.top };
        match way.at {
            Some(node) => node.data.iter().map(below).collect(),
            None => self.schema.implemented().flat_map(|module| module.data).map(below).collect(),
        }
    }

    fn descendants(&self, way: Way) -> Vec<Way> {
        let mut found = self.children(way);
        let mut next = 0;
        while let Some(way) = found.get(next).copied() {
            found.extend(self.children(way));
            next += 1;
        }
        found
    }

    fn everything(&self) -> Vec<Way> {
        self.descendants(Way { at: None, top: None })
    }

    fn targets(&self, ty: &'static Type) -> Vec<Way> {
        match &ty.base {
            Base::LeafRef(leafref) => vec![Way { at: Some(leafref.target), top: None }],
            Base::InstanceIdentifier { .. } => self.everything(),
            Base::Union(members) => members.iter().flat_map(|member| self.targets(member)).collect(),
            _ => Vec::new(),
        }
    }

    /// The string-value of an inner node is made of all leafs below it.
    fn content(&mut self, way: Way) {
        self.reads.insert(way);
        if way.at.is_some() {
            self.reads.extend(self.descendants(way));
        }
    }
}

/// One level up; that can be higher than the way has been.
fn parent(way: Way) -> Option<Way> {
    let at = way.at?.data_parent();
    let top = if way.at == way.top { at } else { way.top };
    Some(Way { at, top })
}

fn passes(test: &NodeTest, place: Place) -> bool {
    let Some(node) = place else { return matches!(test, NodeTest::Node) };
    match test {
        NodeTest::Name { module, name } => {
            node.name == *name && (module.is_empty() || node.module.name == *module)
        }
        NodeTest::AnyOf { module } => node.module.name == *module,
        NodeTest::Any | NodeTest::Node | NodeTest::Text => true,
        NodeTest::Nothing => false,
    }
}
