//! What modules change of each other's nodes: augments and deviations. It never makes a node itself.

use super::expand::Place;
use super::units::{Reader, Scope};
use super::{Kind, NodeId};
use crate::yang::statement::Statement;

impl<'a> Reader<'a> {
    /// Carries out the augments and then the deviations of the implemented modules.
    pub(super) fn amend(&mut self) {
        let mut waiting = self.amendments("augment");
        // An augment can add to what another one adds.
        loop {
            let before = waiting.len();
            waiting.retain(|(scope, augment)| !self.augment(scope, augment));
            // What is left is for nodes that the server does not have: their module is not implemented, or a feature.
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        for (scope, deviation) in self.amendments("deviation") {
            if let Some(target) = self.target(&scope, &deviation.argument) {
                self.deviate(target, &scope, deviation);
            }
        }
    }

    fn amendments(&mut self, keyword: &'a str) -> Vec<(Scope<'a>, &'a Statement)> {
        let mut found = Vec::new();
        for unit in 0..self.units.len() {
            let (statement, module) = (self.units[unit].statement, self.units[unit].module);
            if self.schema.module(module).implemented {
                let scope = Scope::of(unit);
                let all: Vec<_> = statement.all(keyword).collect();
                for amendment in all {
                    if self.has_features(&scope, amendment) {
                        found.push((scope.clone(), amendment));
                    }
                }
            }
        }
        found
    }

    /// Adds the nodes of an augment; whether its target is there.
    fn augment(&mut self, scope: &Scope<'a>, augment: &'a Statement) -> bool {
        let Some(target) = self.target(scope, &augment.argument) else { return false };
        let module = self.units[scope.unit].module;
        let above = std::iter::successors(Some(target), |id| self.schema.node(*id).parent);
        let depth = above.count();
        self.body(augment, &Place { scope: scope.within(augment), module, parent: Some(target), depth });
        true
    }

    /// The node that an absolute schema node identifier names.
    fn target(&mut self, scope: &Scope<'a>, path: &str) -> Option<NodeId> {
        let mut at: Option<NodeId> = None;
        for step in path.trim().strip_prefix('/')?.split('/') {
            let (module, name) = self.qualified(scope, step.trim())?;
            let among = match at {
                Some(at) => &self.schema.node(at).children,
                None => &self.schema.module(module).children,
            };
            let (count, mut among) = (among.len(), among.iter());
            let same = |id: &&NodeId| {
                let node = self.schema.node(**id);
                node.name == name && node.module == module
            };
            at = Some(*among.find(same)?);
            if !self.spend(16 * count) {
                return None;
            }
        }
        at
    }

    fn deviate(&mut self, target: NodeId, scope: &Scope<'a>, deviation: &'a Statement) {
        for deviate in deviation.all("deviate") {
            let scope = scope.within(deviate);
            match deviate.argument.as_str() {
                "not-supported" => self.remove(target),
                "delete" => {
                    deviate.children.iter().for_each(|property| self.unset(target, property, &scope));
                }
                _ => self.change(target, deviate, &scope),
            }
        }
    }

    /// Takes a node out of the tree.
    fn remove(&mut self, target: NodeId) {
        let (parent, module) = (self.schema.node(target).parent, self.schema.node(target).module);
        let siblings = match parent {
            Some(parent) => &mut self.schema.nodes[parent.0].children,
            None => &mut self.schema.modules[module.0].children,
        };
        siblings.retain(|id| *id != target);
    }

    /// `deviate add` and `deviate replace`.
    fn change(&mut self, target: NodeId, deviate: &'a Statement, scope: &Scope<'a>) {
        if let Some(ty) = deviate.all("type").next() {
            let found = self.read_type(scope, ty, 0);
            self.schema.nodes[target.0].ty = Some(found.ty);
        }
        let is_list = self.schema.node(target).kind == Kind::LeafList;
        if deviate.all("default").next().is_some() && !(is_list && deviate.argument == "add") {
            self.schema.nodes[target.0].defaults.clear();
        }
        for property in &deviate.children {
            self.set(target, property, scope);
        }
        if self.schema.node(target).mandatory {
            self.schema.nodes[target.0].defaults.clear();
        }
    }

    /// `deviate delete`.
    fn unset(&mut self, target: NodeId, property: &'a Statement, scope: &Scope<'a>) {
        let default = match &self.schema.node(target).ty {
            Some(ty) => self.read_default(scope, ty, &property.argument),
            None => property.argument.clone(),
        };
        let node = &mut self.schema.nodes[target.0];
        match property.keyword.as_str() {
            "units" => node.units = None,
            "default" => node.defaults.retain(|other| *other != default),
            _ => {}
        }
    }
}
