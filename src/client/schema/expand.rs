//! Nodes from statements, groupings put in where they are used. It never looks at another module's augments and
//! deviations: `amend` does.

use super::units::{DEPTH_MAX, Reader, Scope, reflow};
use super::{Kind, ModuleId, Node, NodeId, Status};
use crate::yang::statement::Statement;

/// Where nodes are put, and what they inherit.
#[derive(Clone)]
pub(super) struct Place<'a> {
    /// Where the names of their statements are looked up.
    pub(super) scope: Scope<'a>,
    /// The module whose namespace they are in.
    pub(super) module: ModuleId,
    /// The node that they are in.
    pub(super) parent: Option<NodeId>,
    pub(super) depth: usize,
}

impl<'a> Reader<'a> {
    /// Makes the nodes of the implemented modules.
    pub(super) fn expand(&mut self) {
        for unit in 0..self.units.len() {
            let module = self.units[unit].module;
            if self.schema.module(module).implemented && self.is_used(unit) {
                let place = Place { scope: Scope::of(unit), module, parent: None, depth: 0 };
                self.body(self.units[unit].statement, &place);
            }
        }
    }

    /// Whether no newer revision of the same submodule is there.
    fn is_used(&self, unit: usize) -> bool {
        let next = self.units.get(unit + 1).map(|unit| unit.statement);
        let own = self.units[unit].statement;
        own.keyword == "module" || next.is_none_or(|next| next.argument != own.argument)
    }

    /// Makes the nodes that stand in a statement; those at their top.
    pub(super) fn body(&mut self, of: &'a Statement, place: &Place<'a>) -> Vec<NodeId> {
        let mut made = Vec::new();
        if place.depth > DEPTH_MAX {
            self.problem(&place.scope, of, "it is nested too deeply");
            return made;
        }
        for statement in &of.children {
            if !self.spend_on(statement) {
                break;
            }
            if statement.keyword == "uses" {
                made.extend(self.uses(statement, place));
            } else if let Some(kind) = kind(&statement.keyword) {
                made.extend(self.make(statement, kind, place));
            }
        }
        made
    }

    fn make(&mut self, statement: &'a Statement, kind: Kind, place: &Place<'a>) -> Option<NodeId> {
        if !self.has_features(&place.scope, statement) {
            return None;
        }
        let parent = place.parent.map(|parent| self.schema.node(parent).kind);
        if parent == Some(Kind::Choice) && kind != Kind::Case {
            // A case that consists of one node need not be written (RFC 7950 section 7.9.2).
            let case = self.add(&statement.argument, Kind::Case, place);
            self.make(
                statement,
                kind,
                &Place { parent: Some(case), depth: place.depth + 1, ..place.clone() },
            );
            return Some(case);
        }
        let name = match kind {
            Kind::Input | Kind::Output => &statement.keyword,
            _ => &statement.argument,
        };
        let id = self.add(name, kind, place);
        self.describe(id, statement, &place.scope);
        let inner = Place {
            scope: place.scope.within(statement),
            parent: Some(id),
            depth: place.depth + 1,
            ..place.clone()
        };
        self.body(statement, &inner);
        if matches!(kind, Kind::Rpc | Kind::Action) {
            for (name, kind) in [("input", Kind::Input), ("output", Kind::Output)] {
                if self.schema.of_kind(Some(id), kind).next().is_none() {
                    self.add(name, kind, &inner);
                }
            }
        }
        Some(id)
    }

    /// Adds a node with what it inherits.
    fn add(&mut self, name: &str, kind: Kind, place: &Place<'a>) -> NodeId {
        let parent = place.parent.map(|parent| self.schema.node(parent));
        let config = parent.is_none_or(|parent| parent.config)
            && !matches!(kind, Kind::Rpc | Kind::Action | Kind::Notification);
        let status = parent.map(|parent| parent.status).unwrap_or_default();
        let id = NodeId(self.schema.nodes.len());
        self.schema.nodes.push(Node {
            name: name.to_owned(),
            module: place.module,
            parent: place.parent,
            kind,
            children: Vec::new(),
            config,
            mandatory: false,
            presence: None,
            keys: Vec::new(),
            user_ordered: false,
            min: 0,
            max: None,
            ty: None,
            defaults: Vec::new(),
            units: None,
            status,
            description: None,
            reference: None,
        });
        match place.parent {
            Some(parent) => self.schema.nodes[parent.0].children.push(id),
            None => self.schema.modules[place.module.0].children.push(id),
        }
        id
    }

    /// What the statement says of its node.
    fn describe(&mut self, id: NodeId, statement: &'a Statement, scope: &Scope<'a>) {
        let kind = self.schema.node(id).kind;
        if matches!(kind, Kind::Leaf | Kind::LeafList) {
            let Some(ty) = statement.all("type").next() else {
                self.problem(scope, statement, "it has no type");
                return;
            };
            let found = self.read_type(&scope.within(statement), ty, 0);
            let node = &mut self.schema.nodes[id.0];
            (node.ty, node.units) = (Some(found.ty), found.units);
            // A default of the type counts where nothing has to be there (RFC 7950 sections 7.6.1 and 7.7.2).
            let wanted = statement.get("mandatory") == Some("true")
                || statement.get("min-elements").is_some_and(|min| min != "0");
            node.defaults = found.default.filter(|_| !wanted).into_iter().collect();
        }
        if statement.all("default").next().is_some() {
            self.schema.nodes[id.0].defaults.clear();
        }
        for property in &statement.children {
            self.set(id, property, scope);
        }
    }

    /// Sets a property of a node, as its statement, a refinement or a deviation says it.
    pub(super) fn set(&mut self, id: NodeId, property: &'a Statement, scope: &Scope<'a>) {
        let argument = &property.argument;
        let is_true = argument == "true";
        let default = (property.keyword == "default").then(|| match &self.schema.node(id).ty {
            Some(ty) => self.read_default(scope, ty, argument),
            None => argument.clone(),
        });
        let node = &mut self.schema.nodes[id.0];
        match property.keyword.as_str() {
            "description" => node.description = Some(reflow(argument)),
            "reference" => node.reference = Some(reflow(argument)),
            "config" if node.config != is_true => self.set_config(id, is_true),
            "mandatory" => node.mandatory = is_true,
            "presence" => node.presence = Some(reflow(argument)),
            "units" => node.units = Some(argument.clone()),
            "default" => node.defaults.extend(default),
            "min-elements" => node.min = argument.parse().unwrap_or(0),
            "max-elements" => node.max = argument.parse().ok(),
            "ordered-by" => node.user_ordered = argument == "user",
            "key" => {
                let local = |name: &str| name.rsplit(':').next().unwrap_or(name).to_owned();
                node.keys = argument.split_whitespace().map(local).collect();
            }
            "status" => {
                let own = match argument.as_str() {
                    "deprecated" => Status::Deprecated,
                    "obsolete" => Status::Obsolete,
                    _ => Status::Current,
                };
                node.status = node.status.max(own);
            }
            _ => {}
        }
    }

    /// Sets `config` of a node and of what is in it, except where that cannot be configured.
    fn set_config(&mut self, id: NodeId, config: bool) {
        let parent = self.schema.data_parent(id);
        let is_configurable = parent.is_none_or(|parent| {
            let parent = self.schema.node(parent);
            parent.config && !matches!(parent.kind, Kind::Input | Kind::Output | Kind::Notification)
        });
        let mut open = vec![id];
        while let Some(id) = open.pop().filter(|_| is_configurable || !config) {
            let node = &mut self.schema.nodes[id.0];
            if !matches!(node.kind, Kind::Rpc | Kind::Action | Kind::Notification) {
                node.config = config;
                open.extend(&node.children);
            }
        }
    }

    /// Puts in the nodes of a grouping (RFC 7950 section 7.13).
    fn uses(&mut self, statement: &'a Statement, place: &Place<'a>) -> Vec<NodeId> {
        if !self.has_features(&place.scope, statement) {
            return Vec::new();
        }
        let Some((scope, grouping)) = self.definition(&place.scope, "grouping", &statement.argument) else {
            self.problem(&place.scope, statement, "there is no such grouping");
            return Vec::new();
        };
        if self.open.iter().any(|open| std::ptr::eq(*open, grouping)) {
            self.problem(&place.scope, statement, "the grouping uses itself");
            return Vec::new();
        }
        self.open.push(grouping);
        let inner = Place { scope: scope.within(grouping), depth: place.depth + 1, ..place.clone() };
        let made = self.body(grouping, &inner);
        self.open.pop();
        let scope = place.scope.within(statement);
        for change in &statement.children {
            let is_augment = change.keyword == "augment";
            if !(is_augment || change.keyword == "refine") || !self.has_features(&scope, change) {
                continue;
            }
            // What is not there can have been left out for a feature.
            let Some(target) = self.descend(&made, &change.argument) else { continue };
            if is_augment {
                let scope = scope.within(change);
                self.body(
                    change,
                    &Place { scope, parent: Some(target), depth: place.depth + 1, ..place.clone() },
                );
            } else {
                self.refine(target, change, &scope);
            }
        }
        made
    }

    fn refine(&mut self, target: NodeId, refine: &'a Statement, scope: &Scope<'a>) {
        if refine.all("default").next().is_some() {
            self.schema.nodes[target.0].defaults.clear();
        }
        for property in &refine.children {
            self.set(target, property, scope);
        }
        if self.schema.node(target).mandatory {
            self.schema.nodes[target.0].defaults.clear();
        }
    }

    /// The node that a descendant path names from some of its siblings; all of them are in one module.
    fn descend(&mut self, from: &[NodeId], path: &str) -> Option<NodeId> {
        let mut at: Option<NodeId> = None;
        for name in path.split('/').map(|name| name.rsplit(':').next().unwrap_or(name).trim()) {
            let among = at.map_or(from, |at| &self.schema.node(at).children);
            at = Some(*among.iter().find(|id| self.schema.node(**id).name == name)?);
        }
        at
    }
}

fn kind(keyword: &str) -> Option<Kind> {
    Some(match keyword {
        "container" => Kind::Container,
        "list" => Kind::List,
        "leaf" => Kind::Leaf,
        "leaf-list" => Kind::LeafList,
        "choice" => Kind::Choice,
        "case" => Kind::Case,
        "anydata" => Kind::AnyData,
        "anyxml" => Kind::AnyXml,
        "rpc" => Kind::Rpc,
        "action" => Kind::Action,
        "input" => Kind::Input,
        "output" => Kind::Output,
        "notification" => Kind::Notification,
        _ => return None,
    })
}
