//! Help for the word at a place, from the schema: what can stand there, and what it means. It asks no server.

use super::complete::{Begun, name_among, summary};
use super::grammar::{COMMANDS, Place, Want, wants};
use super::manual::manual;
use crate::cli::output::aligned;
use crate::client::schema::{Kind, NodeId, Schema, Status};

/// Help for the word at the end of `line`.
pub fn help(schema: &Schema, here: &Place, line: &str) -> String {
    let begun = Begun::of(line);
    let wants = match wants(schema, here, &begun.before) {
        Ok(wants) => wants,
        Err(wrong) => return format!("{}\n", wrong.message),
    };
    let is_exact = |want: &&Want| !begun.text.is_empty() && word(schema, want, &wants) == begun.text;
    if let Some(want) = wants.iter().find(is_exact) {
        return details(schema, want);
    }
    let is_begun = |want: &&Want| match want {
        Want::Literal(..) | Want::Node(_) => word(schema, want, &wants).starts_with(&begun.text),
        _ => true,
    };
    let possible: Vec<&Want> = wants.iter().filter(is_begun).collect();
    match possible.as_slice() {
        [] => "Nothing more can stand here.\n".to_owned(),
        [one] => details(schema, one),
        several => {
            let mut text = String::new();
            let mut rows = Vec::new();
            for want in several {
                match want {
                    Want::Literal(name, help) => rows.push(vec![(*name).to_owned(), (*help).to_owned()]),
                    Want::Node(id) => rows.push(vec![word(schema, want, &wants), summary(schema, *id)]),
                    _ => text += &details(schema, want),
                }
            }
            text + &aligned(&rows)
        }
    }
}

/// What the commands do, or one of them.
pub fn commands(one: Option<&str>) -> String {
    let shown = COMMANDS.iter().filter(|(name, _)| one.is_none_or(|one| one == *name));
    let list =
        aligned(&shown.map(|(name, help)| vec![(*name).to_owned(), (*help).to_owned()]).collect::<Vec<_>>());
    list + one.map_or("", manual)
}

/// The word that a want is, if it is one.
fn word(schema: &Schema, want: &Want, wants: &[Want]) -> String {
    match want {
        Want::Literal(name, _) => (*name).to_owned(),
        Want::Node(id) => name_among(schema, *id, wants),
        _ => String::new(),
    }
}

fn details(schema: &Schema, want: &Want) -> String {
    match want {
        Want::Literal(name, help) => format!("{name}: {help}\n"),
        Want::Node(id) => node(schema, *id),
        Want::Key(list, key) => {
            let list = list.node.map(|id| schema.node(id).name.as_str()).unwrap_or_default();
            format!(
                "A key of {list}, of those that are there (Tab shows them) or a new one.\n{}",
                node(schema, *key)
            )
        }
        Want::Value(place) => place.node.map(|id| node(schema, id)).unwrap_or_default(),
        Want::Revision => "The number of a revision, of those that are there (Tab shows them).\n".to_owned(),
        Want::Stream => "The name of a stream (Tab shows them).\n".to_owned(),
        Want::Other(words) => format!("{words}\n"),
    }
}

/// Everything that the schema says of a node.
fn node(schema: &Schema, id: NodeId) -> String {
    let node = schema.node(id);
    let kind = match node.kind {
        Kind::Container => "container",
        Kind::List => "list",
        Kind::Leaf => "leaf",
        Kind::LeafList => "leaf-list",
        Kind::AnyData => "anydata",
        Kind::AnyXml => "anyxml",
        Kind::Rpc => "operation",
        Kind::Action => "action",
        _ => "node",
    };
    let is_data = matches!(kind, "container" | "list" | "leaf" | "leaf-list");
    let in_input = std::iter::successors(Some(id), |id| schema.data_parent(*id))
        .any(|id| schema.node(id).kind == Kind::Input);
    let state = if is_data && !node.config && !in_input { ", state" } else { "" };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, text: &str| rows.push(vec![format!("  {name}"), text.to_owned()]);
    if let Some(ty) = &node.ty {
        row("type", &schema.describe(ty));
        for (name, description) in schema.names(ty) {
            row("", &format!("{name}  {}", description.unwrap_or_default().replace('\n', " ")));
        }
        if node.description.is_none() {
            ty.description.iter().for_each(|text| row("", &text.replace('\n', " ")));
        }
    }
    node.units.iter().for_each(|units| row("units", units));
    if !node.defaults.is_empty() {
        row("default", &node.defaults.join(", "));
    }
    if node.mandatory {
        row("mandatory", "yes");
    }
    if !node.keys.is_empty() {
        row("keys", &node.keys.join(", "));
    }
    if node.user_ordered {
        row("order", "that of the user");
    }
    if node.min > 0 || node.max.is_some() {
        let max = node.max.map_or("any number".to_owned(), |max| max.to_string());
        row("entries", &format!("{} to {max}", node.min));
    }
    node.presence.iter().for_each(|text| row("presence", text));
    match node.status {
        Status::Current => {}
        Status::Deprecated => row("status", "deprecated"),
        Status::Obsolete => row("status", "obsolete"),
    }
    node.reference.iter().for_each(|text| row("reference", &text.replace('\n', " ")));
    let mut text = format!("{}:{}, {kind}{state}\n", schema.module_name(id), node.name);
    for line in node.description.iter().flat_map(|text| text.lines()) {
        text += &format!("  {line}\n");
    }
    text + &aligned(&rows)
}
