//! Changes before they are sent: how they look as edits, what they make of data, and what differs. It never talks to a
//! server.

use std::collections::BTreeSet;

use super::grammar::{Assignment, Place};
use super::place::{any_element, element_of, leaf_element};
use super::words::quote;
use crate::client::schema::{Kind, Schema};
use crate::client::{Change, Element, Operation, Path, Predicate};

/// The change that an assignment is.
///
/// # Errors
/// The value of an anydata is no JSON.
pub fn set(schema: &Schema, assignment: &Assignment) -> Result<Change, String> {
    let Assignment { place, value } = assignment;
    let element = match (place.node, value) {
        (Some(id), Some(value)) => match schema.node(id).kind {
            Kind::AnyData | Kind::AnyXml => any_element(schema, id, value)?,
            _ => leaf_element(schema, id, value),
        },
        _ => element_of(schema, place),
    };
    Ok(Change { operation: Operation::Merge, path: place.path.clone(), value: Some(element) })
}

/// The change that a deletion is.
pub fn delete(place: &Place) -> Change {
    Change { operation: Operation::Delete, path: place.path.clone(), value: None }
}

/// What changes make of data. One that cannot be made, since what it deletes is not there, is left to the server.
pub fn apply(schema: &Schema, data: &[Element], changes: &[Change]) -> Vec<Element> {
    let mut roots = data.to_vec();
    for change in changes {
        put(schema, &mut roots, change);
    }
    roots
}

fn put(schema: &Schema, roots: &mut Vec<Element>, change: &Change) {
    let is_gone = matches!(change.operation, Operation::Delete | Operation::Remove);
    let mut siblings = roots;
    let mut place = Place::default();
    for (number, step) in change.path.steps.iter().enumerate() {
        let Some(id) = schema.child(place.node, &step.module, &step.name) else { return };
        place = Place { path: Path { steps: vec![step.clone()] }, node: Some(id) };
        let mut wanted = element_of(schema, &place);
        for predicate in &step.predicates {
            match predicate {
                Predicate::Own(value) => wanted = leaf_element(schema, id, value),
                Predicate::Leaf { name, value, .. } => {
                    let key = schema.child(Some(id), &step.module, name);
                    wanted.children.extend(key.map(|key| leaf_element(schema, key, value)));
                }
            }
        }
        let is_entry = schema.node(id).kind == Kind::LeafList;
        let same = |other: &Element| {
            other.name == wanted.name
                && other.namespace == wanted.namespace
                && (!is_entry || other.text == wanted.text)
                && wanted.children.iter().all(|key| other.text_of(&key.name) == Some(key.text.as_str()))
        };
        let there = siblings.iter().position(same);
        let is_last = number + 1 == change.path.steps.len();
        if is_last && is_gone {
            if let Some(at) = there {
                siblings.remove(at);
            }
            return;
        }
        let at = match there {
            Some(at) => at,
            None if is_gone => return,
            None => {
                siblings.push(wanted);
                siblings.len() - 1
            }
        };
        let Some(element) = siblings.get_mut(at) else { return };
        if is_last
            && let Some(value) = &change.value
            && (change.operation == Operation::Replace
                || matches!(schema.node(id).kind, Kind::Leaf | Kind::AnyData | Kind::AnyXml))
        {
            element.clone_from(value);
        }
        siblings = &mut element.children;
    }
}

/// What differs between two texts of lines that each have a path in front of their value, by path: `- ` before what is
/// gone, `+ ` before what is new. A node with nothing in it has a line of its own; it is neither gone nor new where the
/// other text has something in it.
pub fn difference(before: &str, after: &str) -> String {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (before.lines().collect(), after.lines().collect());
    let is_in = |line: &str, lines: &BTreeSet<&str>| {
        let inside = format!("{line}/");
        let next = || lines.range(inside.as_str()..).next().is_some_and(|next| next.starts_with(&inside));
        lines.contains(line) || (path(line) == line && next())
    };
    let mut lines: Vec<(&str, char, &str)> = Vec::new();
    lines.extend(before.lines().filter(|line| !is_in(line, &new)).map(|line| (path(line), '-', line)));
    lines.extend(after.lines().filter(|line| !is_in(line, &old)).map(|line| (path(line), '+', line)));
    // What stands together stays together; what is gone comes before what takes its place.
    lines.sort_by_key(|(path, sign, _)| (*path, *sign == '+'));
    lines.into_iter().map(|(_, sign, line)| format!("{sign} {line}\n")).collect()
}

/// The commands that set what lines say that each have a path in front of their value.
pub fn commands(paths: &str) -> String {
    let command = |line: &str| match line.get(path(line).len() + 1..) {
        Some(value) => format!("set {} {}\n", path(line), quote(value)),
        None => format!("set {line}\n"),
    };
    paths.lines().map(command).collect()
}

/// The path that a line begins with: up to the `=` that is in no predicate.
fn path(line: &str) -> &str {
    let (mut inside, mut quote) = (false, None);
    let mut is_end = |c: char| {
        match (inside, quote, c) {
            (true, Some(open), c) => quote = quote.filter(|_| c != open),
            (true, None, '\'' | '"') => quote = Some(c),
            (true, None, ']') => inside = false,
            (false, _, '[') => inside = true,
            (false, _, '=') => return true,
            _ => {}
        }
        false
    };
    let end = line.char_indices().find(|(_, c)| is_end(*c)).map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or(line)
}
