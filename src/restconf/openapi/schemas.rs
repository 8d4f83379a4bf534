//! Schema nodes as components of the description: one object schema for each node that has children.
//!
//! What concerns more than one node (`must`, `when`, choices, what is mandatory in configuration) is not said:
//! a reader can ask for parts, an edit can be one, and the server tells what is missing.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::types;
use crate::yang::model::default_value;
use crate::yang::schema::{Kind, Node};
use crate::yang::types::to_json;

/// The components that were needed so far.
#[derive(Default)]
pub struct Schemas {
    /// By their names.
    pub made: Map<String, Json>,
    names: HashMap<&'static Node, String>,
}

/// Name of the component that holds the top-level nodes.
pub const DATASTORE: &str = "datastore";

impl Schemas {
    /// A reference to the object schema of a container, list entry, input or output.
    pub fn object(&mut self, node: &'static Node, shown: &dyn Fn(&Node) -> bool) -> Json {
        let name = match self.names.get(node) {
            Some(name) => name.clone(),
            None => {
                let name = self.free_name(path_name(node));
                self.names.insert(node, name.clone());
                let mut schema = self.members(node.data, Some(node), shown);
                let required = required(node);
                if let (Some(schema), false) = (schema.as_object_mut(), required.is_empty()) {
                    schema.insert("required".into(), required.into());
                }
                describe(&mut schema, node);
                self.made.insert(name.clone(), schema);
                name
            }
        };
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// The schema of a datastore.
    pub fn datastore(&mut self, top: &[&'static Node], shown: &dyn Fn(&Node) -> bool) -> Json {
        let schema = self.members(top, None, shown);
        self.made.insert(DATASTORE.into(), schema);
        json!({ "$ref": format!("#/components/schemas/{DATASTORE}") })
    }

    /// A reference to what stands as the value of the member for `node`, whose component of the parent was made.
    pub fn value(&self, node: &'static Node) -> Json {
        let parent = node.data_parent();
        let component = parent.and_then(|parent| self.names.get(parent)).map_or(DATASTORE, String::as_str);
        let member = member(node, parent);
        json!({ "$ref": format!("#/components/schemas/{component}/properties/{member}") })
    }

    /// A reference to the schema of a body with exactly one new child of `parent`.
    pub fn child(&mut self, parent: Option<&'static Node>, children: &[&'static Node]) -> Json {
        let base = parent.and_then(|node| self.names.get(node)).map_or(DATASTORE, String::as_str);
        let name = self.free_name(format!("{base}.child"));
        let mut members = Map::new();
        for node in children {
            let mut value = self.value(node);
            only_one(&mut value, node);
            members.insert(node.qualified_name(), value);
        }
        let schema = json!({
            "type": "object", "properties": members, "additionalProperties": false,
            "minProperties": 1, "maxProperties": 1,
        });
        self.made.insert(name.clone(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn members(
        &mut self,
        children: &[&'static Node],
        parent: Option<&'static Node>,
        shown: &dyn Fn(&Node) -> bool,
    ) -> Json {
        let mut members = Map::new();
        for node in children.iter().filter(|node| shown(node)) {
            members.insert(member(node, parent), self.property(node, shown));
        }
        // RFC 7952 section 5.2: annotations stand beside what they are about.
        json!({
            "type": "object", "properties": members, "patternProperties": {"^@": true}, "additionalProperties": false,
        })
    }

    fn property(&mut self, node: &'static Node, shown: &dyn Fn(&Node) -> bool) -> Json {
        let mut schema = match node.kind {
            Kind::Leaf { ty, .. } => types::schema(ty, node.module),
            Kind::LeafList { ty, entries, .. } => {
                let mut schema = json!({ "type": "array", "items": types::schema(ty, node.module) });
                bounds(&mut schema, entries.min, entries.max, in_operation(node));
                if node.config {
                    schema["uniqueItems"] = true.into();
                }
                schema
            }
            Kind::List { entries, .. } => {
                let mut schema = json!({ "type": "array", "items": self.object(node, shown) });
                bounds(&mut schema, entries.min, entries.max, in_operation(node));
                return schema;
            }
            Kind::AnyData => json!({ "type": "object" }),
            Kind::AnyXml => json!({}),
            _ => return self.object(node, shown),
        };
        if let Some(default) = default_value(node) {
            schema["default"] = to_json(&default);
        }
        if !node.config && !in_operation(node) {
            schema["readOnly"] = true.into();
        }
        describe(&mut schema, node);
        schema
    }

    fn free_name(&self, wanted: String) -> String {
        match self.made.contains_key(&wanted) || self.names.values().any(|name| *name == wanted) {
            false => wanted,
            true => self.free_name(format!("{wanted}_")),
        }
    }
}

/// The member name of a node (RFC 7951 section 4).
pub fn member(node: &Node, parent: Option<&Node>) -> String {
    if node.needs_prefix_below(parent) { node.qualified_name() } else { node.name.to_owned() }
}

/// Makes the schema of all entries that of an array of one: how RFC 7951 writes one entry.
pub fn only_one(schema: &mut Json, node: &Node) {
    if matches!(node.kind, Kind::List { .. } | Kind::LeafList { .. }) {
        schema["minItems"] = 1.into();
        schema["maxItems"] = 1.into();
    }
}

/// A text of a module on one line.
pub fn one_line(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn path_name(node: &Node) -> String {
    match node.data_parent() {
        Some(parent) => format!("{}.{}", path_name(parent), node.name),
        None => format!("{}.{}", node.module.name, node.name),
    }
}

fn describe(schema: &mut Json, node: &Node) {
    let unit = match node.kind {
        Kind::Leaf { units, .. } | Kind::LeafList { units, .. } if !units.is_empty() => {
            format!(" Unit: {units}.")
        }
        _ => String::new(),
    };
    let text = format!("{}{unit}", one_line(node.description));
    if !text.is_empty() {
        schema["description"] = text.into();
    }
}

fn bounds(schema: &mut Json, min: u32, max: u32, complete: bool) {
    if complete && min > 0 {
        schema["minItems"] = min.into();
    }
    if max < u32::MAX {
        schema["maxItems"] = max.into();
    }
}

/// What has to be there: the keys of an entry; in an operation, which is always complete, mandatory nodes too.
fn required(node: &'static Node) -> Vec<String> {
    let keys = node.keys().iter().copied();
    let complete = in_operation(node);
    let always = |child: &&'static Node| {
        complete
            && child.mandatory
            && child.parent == Some(node)
            && child.whens.is_empty()
            && matches!(child.kind, Kind::Leaf { .. } | Kind::AnyData | Kind::AnyXml)
    };
    let mandatory = node.data.iter().copied().filter(always).filter(|child| !node.keys().contains(child));
    keys.chain(mandatory).map(|child| member(child, Some(node))).collect()
}

/// Whether the node is part of an rpc or action.
fn in_operation(node: &'static Node) -> bool {
    std::iter::successors(Some(node), |node| node.parent)
        .any(|node| matches!(node.kind, Kind::Input | Kind::Output | Kind::Rpc { .. }))
}
