//! Names of structs, and of the enums of enumerations. Nothing here knows fields or statics.
//!
//! A struct is named after its node, and what is in an operation or notification after that and
//! its node: `Task`, `ReportInput`, `ReportInputResult`. If that name is taken, the struct of the
//! parent goes in front: `SubinterfaceIpv4`. Nodes nearer to the top choose first, then those
//! earlier in the module; so a node that is added deeper or later renames nothing. Containers
//! `config` and `state`, which say nothing by themselves, always have their parent's name in front.
//! An enumeration that is a typedef has the name of the typedef, before all nodes.

use std::collections::{HashMap, HashSet};

use super::{camel, unique};
use crate::ir::{Base, Kind, ModuleId, NodeId, Origin, Schema, TypeId};

/// What generated code takes from the prelude and the runtime.
const RESERVED: [&str; 10] =
    ["Conformance", "Default", "Into", "Module", "Option", "Result", "Self", "String", "Submodule", "Vec"];

/// Names of containers that say nothing without their parent's.
const BLANK: [&str; 2] = ["config", "state"];

#[derive(Clone, Copy)]
enum Owner {
    Struct,
    Enum(TypeId),
}

/// The structs of nodes and the enums of enumerations.
pub fn names(schema: &Schema) -> (HashMap<NodeId, String>, HashMap<TypeId, String>) {
    let (mut structs, mut enums) = (HashMap::new(), HashMap::new());
    let mut taken: HashMap<ModuleId, HashSet<String>> = HashMap::new();
    for module in schema.module_ids() {
        taken.insert(module, RESERVED.iter().map(|r| (*r).to_owned()).collect());
    }
    for (index, ty) in schema.types.iter().enumerate() {
        if matches!((&ty.base, &ty.origin), (Base::Enumeration(_), Origin::Typedef)) {
            let taken = taken.entry(ty.module).or_default();
            let name = camel(&ty.name);
            let name = if taken.contains(&name) { name + "Enum" } else { name };
            enums.insert(TypeId(index), unique(taken, name, ""));
        }
    }
    let mut owners: Vec<(NodeId, Owner)> = schema
        .node_ids()
        .filter_map(|id| match &schema.node(id).kind {
            Kind::Container { .. } | Kind::List { .. } | Kind::Input | Kind::Output | Kind::Notification => {
                Some((id, Owner::Struct))
            }
            Kind::Leaf { ty, .. } | Kind::LeafList { ty, .. } => {
                let ty_of = schema.ty(*ty);
                let inline =
                    matches!((&ty_of.base, &ty_of.origin), (Base::Enumeration(_), Origin::Inline(_)));
                inline.then_some((id, Owner::Enum(*ty)))
            }
            _ => None,
        })
        .collect();
    owners.sort_by_cached_key(|(id, _)| (schema.lineage(*id).len(), *id));
    for (id, owner) in owners {
        let module = schema.node(id).module;
        let taken = taken.entry(module).or_default();
        let candidates = candidates(schema, &structs, id);
        let free = candidates.iter().find(|name| !taken.contains(*name));
        let fallback = || camel(&schema.module(module).name) + candidates.last().map_or("", |name| name);
        let name = unique(taken, free.cloned().unwrap_or_else(fallback), "");
        match owner {
            Owner::Struct => structs.insert(id, name).map(drop),
            Owner::Enum(id) => enums.insert(id, name).map(drop),
        };
    }
    (structs, enums)
}

/// The ways to name a struct or enum after a node, the best first.
fn candidates(schema: &Schema, structs: &HashMap<NodeId, String>, id: NodeId) -> Vec<String> {
    let node = schema.node(id);
    let above = |id: NodeId| schema.data_parent(id).and_then(|parent| structs.get(&parent));
    let mut names = Vec::new();
    if matches!(node.kind, Kind::Input | Kind::Output) {
        let Some(operation) = node.parent else { return vec![camel(&node.name)] };
        let own = camel(&schema.node(operation).name) + &camel(&node.name);
        names.extend(above(operation).map(|parent| parent.clone() + &own));
        names.insert(0, own);
        return names;
    }
    let own = camel(&node.name);
    let Some(parent) = above(id) else { return vec![own] };
    match schema.operation(id).filter(|operation| *operation != id).and_then(|o| structs.get(&o)) {
        Some(operation) => names.push(operation.clone() + &own),
        None if BLANK.contains(&node.name.as_str()) => {}
        None => names.push(own.clone()),
    }
    names.extend([joined(parent, &node.name), parent.clone() + &own]);
    names
}

/// The parent's name and the node's, without saying the same twice: `Addresses` and `address` are
/// `Address`, `Qos` and `qos-profile` are `QosProfile`.
fn joined(parent: &str, name: &str) -> String {
    let own = camel(name);
    let plural = |own: &str| match own.strip_suffix('y') {
        Some(stem) => vec![format!("{stem}ies"), format!("{own}s")],
        None => vec![format!("{own}s"), format!("{own}es")],
    };
    if let Some(front) = plural(&own).iter().find_map(|plural| parent.strip_suffix(plural.as_str())) {
        return front.to_owned() + &own;
    }
    let words = super::words(name);
    let said = (1..words.len()).rev().find(|count| parent.ends_with(&camel(&words[..*count].join("-"))));
    parent.to_owned() + &camel(&words[said.unwrap_or(0)..].join("-"))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn joined_names_do_not_repeat_themselves() {
        assert_eq!(joined("Ipv4Addresses", "address"), "Ipv4Address");
        assert_eq!(joined("VpnPolicies", "vpn-policy"), "VpnPolicy");
        assert_eq!(joined("SiteQos", "qos-profile"), "SiteQosProfile");
        assert_eq!(joined("Item", "item"), "ItemItem");
        assert_eq!(joined("Task", "result"), "TaskResult");
    }
}
