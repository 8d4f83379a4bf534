//! What an expression can touch: the expression is followed over the schema instead of over
//! data, with every predicate taken for true. It never decides what an expression's value is.

use std::collections::BTreeSet;

use crate::ir::{Base, Kind, NodeId, Schema, TypeId};
use crate::xpath::ast::{Axis, Expr, Function, NodeTest, Operator, Path, Start, Step};

/// A node of the tree that XPath sees. The input or output stands for its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The root.
    Root,
    /// A data node, input, output or notification.
    Node(NodeId),
}

type Places = BTreeSet<Place>;

/// The schema nodes whose instances can change the value of `expr`, in schema order.
///
/// `context` is the context node; `owner` the node that has the expression.
pub fn reads(schema: &Schema, context: Place, owner: NodeId, expr: &Expr) -> Vec<NodeId> {
    let mut reader = Reader {
        schema,
        current: context,
        scope: schema.operation(owner),
        structure: schema.structure(owner),
        reads: BTreeSet::new(),
    };
    reader.existence(expr, context);
    reader.reads.into_iter().collect()
}

/// The schema nodes that a path leads to, in schema order.
pub fn targets(schema: &Schema, context: Place, path: &Expr) -> Vec<NodeId> {
    let (scope, structure) = match context {
        Place::Node(id) => (schema.operation(id), schema.structure(id)),
        Place::Root => (None, None),
    };
    let mut reader = Reader { schema, current: context, scope, structure, reads: BTreeSet::new() };
    let places = reader.places(path, context);
    places.into_iter().filter_map(|p| if let Place::Node(id) = p { Some(id) } else { None }).collect()
}

struct Reader<'a> {
    schema: &'a Schema,
    /// What `current()` is.
    current: Place,
    /// The operation or notification that the expression is in.
    scope: Option<NodeId>,
    /// The structure that the expression is in, which then is the accessible tree.
    structure: Option<NodeId>,
    reads: BTreeSet<NodeId>,
}

impl Reader<'_> {
    /// Notes what is read for the value of `expr` as a number, string or operand.
    fn value(&mut self, expr: &Expr, context: Place) {
        for place in self.places(expr, context) {
            self.read_content(place);
        }
    }

    /// Notes what is read to know which nodes `expr` selects and whether there are any.
    fn existence(&mut self, expr: &Expr, context: Place) {
        let places = self.places(expr, context);
        self.read(&places);
    }

    /// The nodes that `expr` selects, if it selects nodes; notes what else it reads.
    fn places(&mut self, expr: &Expr, context: Place) -> Places {
        match expr {
            Expr::Path(path) => self.path(path, context),
            Expr::Binary(Operator::Union, operands) => {
                operands.iter().flat_map(|operand| self.places(operand, context)).collect()
            }
            Expr::Binary(Operator::And | Operator::Or, operands) => {
                operands.iter().for_each(|operand| self.existence(operand, context));
                Places::new()
            }
            Expr::Binary(_, operands) | Expr::Negate(operands) => {
                operands.iter().for_each(|operand| self.value(operand, context));
                Places::new()
            }
            Expr::Call(function, arguments) => self.call(*function, arguments, context),
            Expr::Number(_) | Expr::Literal(_) => Places::new(),
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expr], context: Place) -> Places {
        match function {
            Function::Current => Places::from([self.current]),
            Function::Deref => {
                let referring: Places = arguments.iter().flat_map(|a| self.places(a, context)).collect();
                self.read(&referring);
                let targets: Places =
                    referring.into_iter().flat_map(|place| self.dereferenced(place)).collect();
                self.read(&targets);
                targets
            }
            Function::Boolean
            | Function::Not
            | Function::Count
            | Function::Name
            | Function::LocalName
            | Function::NamespaceUri => {
                arguments.iter().for_each(|argument| self.existence(argument, context));
                Places::new()
            }
            _ => {
                // Without argument these take the context node.
                if arguments.is_empty()
                    && matches!(
                        function,
                        Function::String
                            | Function::Number
                            | Function::StringLength
                            | Function::NormalizeSpace
                    )
                {
                    self.read_content(context);
                }
                arguments.iter().for_each(|argument| self.value(argument, context));
                Places::new()
            }
        }
    }

    fn path(&mut self, path: &Path, context: Place) -> Places {
        let mut at = match &path.start {
            Start::Root => Places::from([Place::Root]),
            Start::Context => Places::from([context]),
            Start::Filter(primary, predicates) => {
                let selected: Places = primary.iter().flat_map(|p| self.places(p, context)).collect();
                self.predicates(predicates, &selected);
                selected
            }
        };
        for step in path.steps.iter() {
            at = self.step(step, &at);
            // Whether an ancestor is there is no question, and its other content is not read.
            if !matches!(step.axis, Axis::Parent | Axis::SelfNode | Axis::Ancestor | Axis::AncestorOrSelf) {
                self.read(&at);
            }
            self.predicates(&step.predicates, &at);
        }
        at
    }

    fn predicates(&mut self, predicates: &[Expr], at: &Places) {
        for predicate in predicates {
            for place in at {
                self.existence(predicate, *place);
            }
        }
    }

    fn step(&self, step: &Step, from: &Places) -> Places {
        let mut reached = Places::new();
        for place in from {
            if matches!(step.test, NodeTest::Text) && matches!(step.axis, Axis::Child) {
                // The text of a leaf is the leaf, as far as the schema goes.
                reached.insert(*place);
                continue;
            }
            let candidates = self.axis(step.axis, *place);
            reached.extend(candidates.into_iter().filter(|candidate| self.passes(&step.test, *candidate)));
        }
        reached
    }

    fn axis(&self, axis: Axis, place: Place) -> Places {
        match axis {
            Axis::Child => self.children(place),
            Axis::Parent => self.parent(place).into_iter().collect(),
            Axis::SelfNode => Places::from([place]),
            Axis::Descendant => self.descendants(place),
            Axis::DescendantOrSelf => self.descendants(place).into_iter().chain([place]).collect(),
            Axis::Ancestor => self.ancestors(place),
            Axis::AncestorOrSelf => self.ancestors(place).into_iter().chain([place]).collect(),
            Axis::PrecedingSibling | Axis::FollowingSibling => {
                self.parent(place).map(|parent| self.children(parent)).unwrap_or_default()
            }
            Axis::Preceding | Axis::Following => self.descendants(Place::Root),
            Axis::Attribute | Axis::Namespace => Places::new(),
        }
    }

    fn passes(&self, test: &NodeTest, place: Place) -> bool {
        let Place::Node(id) = place else { return matches!(test, NodeTest::Node) };
        let node = match (&self.schema.node(id).kind, self.schema.node(id).parent) {
            (Kind::Input | Kind::Output, Some(rpc)) => self.schema.node(rpc),
            _ => self.schema.node(id),
        };
        let in_module = |name: &str| self.schema.module(node.module).name == name;
        match test {
            NodeTest::Name { module, name } => node.name == *name && in_module(module),
            NodeTest::AnyOf { module } => in_module(module),
            NodeTest::Any | NodeTest::Node | NodeTest::Text => true,
            NodeTest::Nothing => false,
        }
    }

    fn children(&self, place: Place) -> Places {
        let mut children: Places = match place {
            Place::Root if self.structure.is_some() => self.structure.map(Place::Node).into_iter().collect(),
            Place::Root => {
                self.schema.modules.iter().flat_map(|m| &m.data).map(|n| Place::Node(*n)).collect()
            }
            Place::Node(id) => self.schema.node(id).data.iter().map(|n| Place::Node(*n)).collect(),
        };
        // The operation or notification that the expression is in is part of the tree.
        if let Some(scope) = self.scope.filter(|scope| self.schema.data_parent_place(*scope) == place) {
            children.insert(Place::Node(scope));
        }
        children
    }

    fn parent(&self, place: Place) -> Option<Place> {
        match place {
            Place::Root => None,
            Place::Node(id) => Some(self.schema.data_parent_place(id)),
        }
    }

    fn descendants(&self, place: Place) -> Places {
        let mut found = Places::new();
        let mut pending: Vec<Place> = self.children(place).into_iter().collect();
        while let Some(at) = pending.pop() {
            if found.insert(at) {
                pending.extend(self.children(at));
            }
        }
        found
    }

    fn ancestors(&self, place: Place) -> Places {
        std::iter::successors(self.parent(place), |at| self.parent(*at)).collect()
    }

    fn dereferenced(&self, place: Place) -> Places {
        let Place::Node(id) = place else { return Places::new() };
        self.schema.node(id).ty().map(|ty| self.targets_of(ty)).unwrap_or_default()
    }

    fn targets_of(&self, ty: TypeId) -> Places {
        match &self.schema.ty(ty).base {
            Base::LeafRef(leafref) => Places::from([Place::Node(leafref.target)]),
            Base::InstanceIdentifier(_) => self.descendants(Place::Root),
            Base::Union(members) => members.iter().flat_map(|member| self.targets_of(*member)).collect(),
            _ => Places::new(),
        }
    }

    fn read(&mut self, places: &Places) {
        self.reads
            .extend(places.iter().filter_map(|p| if let Place::Node(id) = p { Some(*id) } else { None }));
    }

    /// The string-value of an inner node is made of all leafs below it.
    fn read_content(&mut self, place: Place) {
        self.read(&Places::from([place]));
        let below = self.descendants(place);
        if place != Place::Root {
            self.read(&below);
        }
    }
}

impl Schema {
    /// The container of the structure or template that the node is in or is.
    pub fn structure(&self, id: NodeId) -> Option<NodeId> {
        let lineage = self.lineage(id);
        let top = lineage.first()?;
        let is_structure = self.modules.iter().any(|module| module.structures.contains(top));
        let is_data = |n: &&NodeId| !matches!(self.node(**n).kind, Kind::Choice { .. } | Kind::Case);
        lineage.iter().find(is_data).copied().filter(|_| is_structure)
    }

    /// The parent of a data node, input, output or notification in the tree that XPath sees.
    pub fn data_parent_place(&self, id: NodeId) -> Place {
        let is_rpc = |n: &NodeId| matches!(self.node(*n).kind, Kind::Rpc { .. });
        let parent = self.data_parent(id);
        match parent.filter(is_rpc).map_or(parent, |rpc| self.data_parent(rpc)) {
            Some(parent) => Place::Node(parent),
            None => Place::Root,
        }
    }
}
