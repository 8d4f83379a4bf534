//! Ties the intermediate form together: data children and their positions, types with leafref
//! targets, and what each condition reads. It never reads YANG.

use std::collections::HashMap;
use std::path::Path;

use crate::complain::located;
use crate::error::{Diagnostic, Error, Result};
use crate::ir::{Base, Kind, LeafRef, Module, ModuleId, NodeId, Origin, Range, Schema, Type, TypeId};
use crate::reads::{Place, reads, targets};
use crate::xpath::ast::Expr;

/// A type before leafrefs are followed.
#[derive(Debug, Clone)]
pub struct RawType {
    /// Name of the nearest typedef, or of the built-in type.
    pub name: String,
    /// The module of the typedef, if it is used unchanged, and its description.
    pub typedef: Option<(ModuleId, String)>,
    /// Built-in type and restrictions.
    pub base: RawBase,
}

/// Built-in type and restrictions, before leafrefs are followed.
#[derive(Debug, Clone)]
pub enum RawBase {
    /// Neither leafref nor union.
    Plain(Base),
    /// `leafref`.
    LeafRef(RawLeafRef),
    /// `union`.
    Union(Vec<RawType>),
}

/// A `leafref` whose target is not known yet.
#[derive(Debug, Clone)]
pub struct RawLeafRef {
    /// The path; the second has the names without prefix in the module of the typedef, for
    /// when the first leads nowhere.
    pub paths: Vec<Expr>,
    /// As written.
    pub text: String,
    /// `require-instance`.
    pub require_instance: bool,
}

/// Completes the schema.
///
/// # Errors
/// A leafref leads nowhere.
pub fn link(schema: &mut Schema, raw_types: HashMap<NodeId, RawType>) -> Result<()> {
    link_data(schema);
    let mut linker = Linker { schema, raw_types, known: HashMap::new(), open: Vec::new() };
    for id in linker.schema.node_ids() {
        if linker.raw_types.contains_key(&id) {
            let found = linker.type_of(id)?;
            if let Kind::Leaf { ty, .. } | Kind::LeafList { ty, .. } = &mut linker.schema.nodes[id.0].kind {
                *ty = found;
            }
        }
    }
    link_reads(schema);
    Ok(())
}

/// Fills in the data children and their positions.
fn link_data(schema: &mut Schema) {
    for id in schema.node_ids() {
        let data = dissolved(schema, &schema.node(id).children);
        let node = &mut schema.nodes[id.0];
        node.data = data;
        let lists = [node.children.clone(), node.actions.clone(), node.notifications.clone()];
        number(schema, &lists);
    }
    for id in schema.node_ids() {
        match schema.node(id).kind {
            // Their data belong to the data parent and are numbered there.
            Kind::Choice { .. } | Kind::Case => {}
            Kind::Rpc { input, output } => number(schema, &[vec![input, output]]),
            _ => {
                let data = schema.node(id).data.clone();
                number(schema, &[data]);
            }
        }
    }
    let mut top = 0;
    for module in schema.module_ids() {
        let Module { children, rpcs, notifications, .. } = schema.module(module);
        let (data, lists) =
            (dissolved(schema, children), [children.clone(), rpcs.clone(), notifications.clone()]);
        number(schema, &lists);
        for node in &data {
            schema.nodes[node.0].index = top;
            top += 1;
        }
        schema.modules[module.0].data = data;
    }
}

/// Numbers each list from 0.
fn number(schema: &mut Schema, lists: &[Vec<NodeId>]) {
    for list in lists {
        for (index, node) in list.iter().enumerate() {
            schema.nodes[node.0].index = index;
        }
    }
}

/// The nodes with choices and cases replaced by what is in them.
fn dissolved(schema: &Schema, children: &[NodeId]) -> Vec<NodeId> {
    let mut data = Vec::new();
    for child in children {
        match schema.node(*child).kind {
            Kind::Choice { .. } | Kind::Case => data.extend(dissolved(schema, &schema.node(*child).children)),
            _ => data.push(*child),
        }
    }
    data
}

/// Notes what each `must` and `when` reads.
fn link_reads(schema: &mut Schema) {
    for id in schema.node_ids() {
        let node = schema.node(id);
        let musts: Vec<_> = node.musts.iter().map(|m| reads(schema, Place::Node(id), id, &m.expr)).collect();
        let whens = node.whens.iter().map(|when| {
            let mut place = Place::Node(id);
            for _ in 0..when.context {
                place = match place {
                    Place::Node(at) => schema.data_parent_place(at),
                    Place::Root => Place::Root,
                };
            }
            reads(schema, place, id, &when.expr)
        });
        let whens: Vec<_> = whens.collect();
        let node = &mut schema.nodes[id.0];
        node.musts.iter_mut().zip(musts).for_each(|(must, reads)| must.reads = reads);
        node.whens.iter_mut().zip(whens).for_each(|(when, reads)| when.reads = reads);
    }
}

struct Linker<'a> {
    schema: &'a mut Schema,
    raw_types: HashMap<NodeId, RawType>,
    known: HashMap<NodeId, TypeId>,
    /// Leafs whose types are being found, to end a circle of leafrefs.
    open: Vec<NodeId>,
}

impl Linker<'_> {
    fn type_of(&mut self, id: NodeId) -> Result<TypeId> {
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let Some(raw) = self.raw_types.get(&id).cloned() else {
            return Err(self.refuse(id, "a leafref to a node without type".to_owned()));
        };
        if self.open.contains(&id) {
            return Err(self.refuse(id, "leafrefs in a circle".to_owned()));
        }
        self.open.push(id);
        let words = self.schema.lineage(id).into_iter().map(|n| self.schema.node(n).name.clone()).collect();
        let module = self.schema.node(id).module;
        // Enumerations become Rust types, so those of different leafs stay apart.
        let apart = raw.typedef.is_none() && matches!(raw.base, RawBase::Plain(Base::Enumeration(_)));
        let found = self.intern(&raw, id, module, words, apart)?;
        self.open.pop();
        self.known.insert(id, found);
        Ok(found)
    }

    /// The type in its final form. `words` is what it is named after, in `module`, if it is
    /// no typedef. Unless it is to stay `apart`, it can be one that is already there.
    fn intern(
        &mut self,
        raw: &RawType,
        id: NodeId,
        module: ModuleId,
        words: Vec<String>,
        apart: bool,
    ) -> Result<TypeId> {
        let (module, words, description) = match &raw.typedef {
            Some((module, description)) => (*module, vec![raw.name.clone()], description.clone()),
            None => (module, words, String::new()),
        };
        let base = match &raw.base {
            RawBase::Plain(base) => base.clone(),
            RawBase::LeafRef(leafref) => self.leafref(leafref, id)?,
            RawBase::Union(members) => {
                let mut types = Vec::new();
                for (index, member) in members.iter().enumerate() {
                    let mut words = words.clone();
                    words.push((index + 1).to_string());
                    let member = self.intern(member, id, module, words, false)?;
                    match &self.schema.ty(member).base {
                        Base::Union(nested) => types.extend(nested.iter().copied()),
                        _ => types.push(member),
                    }
                }
                Base::Union(types)
            }
        };
        let origin = match &raw.typedef {
            Some(_) => Origin::Typedef,
            None if is_builtin(&base) => Origin::Builtin,
            None => Origin::Inline(words),
        };
        let name = raw.name.clone();
        let same = |t: &Type| {
            let alike =
                matches!((&t.origin, &origin), (Origin::Inline(_), Origin::Inline(_))) || t.origin == origin;
            alike && t.module == module && t.name == name && t.base == base
        };
        if let Some(position) = self.schema.types.iter().position(same).filter(|_| !apart) {
            return Ok(TypeId(position));
        }
        self.schema.types.push(Type { name, origin, module, description, base });
        Ok(TypeId(self.schema.types.len() - 1))
    }

    fn leafref(&mut self, leafref: &RawLeafRef, id: NodeId) -> Result<Base> {
        let found = leafref.paths.iter().find_map(|path| {
            let leafs = targets(self.schema, Place::Node(id), path);
            let is_leaf =
                |n: &&NodeId| matches!(self.schema.node(**n).kind, Kind::Leaf { .. } | Kind::LeafList { .. });
            leafs.iter().find(is_leaf).map(|target| (path.clone(), *target))
        });
        let Some((path, target)) = found else {
            return Err(self.refuse(id, format!("the path \"{}\" leads to no leaf", leafref.text)));
        };
        let ty = self.type_of(target)?;
        let real = match &self.schema.ty(ty).base {
            Base::LeafRef(next) => next.real,
            _ => ty,
        };
        let (text, require_instance) = (leafref.text.clone(), leafref.require_instance);
        Ok(Base::LeafRef(LeafRef { path, text, target, require_instance, real }))
    }

    fn refuse(&self, id: NodeId, rule: String) -> Error {
        let file = self.schema.module(self.schema.node(id).module).source.file().map(Path::to_owned);
        Error::Yang(vec![located(Diagnostic { file, line: 0, path: self.schema.path(id), rule })])
    }
}

/// Whether a type has no restriction that is its own.
fn is_builtin(base: &Base) -> bool {
    fn any<N>(range: &Range<N>) -> bool {
        range.parts.is_empty()
    }
    match base {
        Base::Int(_, range) => any(range),
        Base::Uint(_, range) | Base::Binary(range) => any(range),
        Base::String(length, patterns) => any(length) && patterns.is_empty(),
        Base::Boolean | Base::Empty | Base::InstanceIdentifier(true) => true,
        _ => false,
    }
}
