//! Trees of elements that requests are made of: filters, configuration with operations, places above an answer. It never
//! talks to anybody.

use std::sync::{Arc, LazyLock};

use super::data::{Attribute, Element};
use super::error::ClientError;
use super::modules::Modules;
use super::path::{Path, Predicate, Step};
use super::request::{Commit, Datastore, Edit, Operation};
use crate::netconf;

/// The namespace of NETCONF.
pub static BASE: LazyLock<Arc<str>> = LazyLock::new(|| netconf::NAMESPACE.into());

/// A leaf of NETCONF's own.
pub fn base(name: &str, text: &str) -> Element {
    Element::leaf(name, &BASE, text)
}

/// `<target>` with a datastore.
pub fn target(datastore: Datastore) -> Element {
    base("target", "").with([base(datastore.name(), "")])
}

/// `<source>` with a datastore.
pub fn source(datastore: Datastore) -> Element {
    base("source", "").with([base(datastore.name(), "")])
}

/// The input of `commit`.
pub fn commit(commit: &Commit) -> Vec<Element> {
    let mut input = Vec::new();
    if commit.confirmed {
        input.push(base("confirmed", ""));
    }
    input.extend(commit.timeout.map(|seconds| base("confirm-timeout", &seconds.to_string())));
    input.extend(commit.persist.as_deref().map(|name| base("persist", name)));
    input.extend(commit.persist_id.as_deref().map(|name| base("persist-id", name)));
    input
}

/// Paths that one request can ask for: those with the same steps up to their last key, or else with the same first step.
/// One that is below another is left out. There is always a group, that of everything if there are no paths.
pub fn groups(paths: &[Path]) -> Vec<Vec<Path>> {
    if paths.iter().all(|path| path.steps.is_empty()) {
        return vec![Vec::new()];
    }
    if paths.iter().any(|path| path.steps.is_empty()) {
        return vec![Vec::new()];
    }
    let mut groups: Vec<Vec<Path>> = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let covered = paths.iter().enumerate().any(|(other_number, other)| {
            path.steps.starts_with(&other.steps)
                && (other.steps.len() < path.steps.len() || other_number < number)
        });
        if covered {
            continue;
        }
        let same = |group: &&mut Vec<Path>| group.first().is_some_and(|first| head(first) == head(path));
        match groups.iter_mut().find(same) {
            Some(group) => group.push(path.clone()),
            None => groups.push(vec![path.clone()]),
        }
    }
    groups
}

/// The steps up to the last one with a key, at least the first.
fn head(path: &Path) -> &[Step] {
    let keyed = path.steps.iter().rposition(|step| !step.predicates.is_empty()).unwrap_or_default();
    path.steps.get(..=keyed).unwrap_or_default()
}

/// The steps that all paths begin with.
pub fn common(paths: &[Path]) -> &[Step] {
    let Some((first, others)) = paths.split_first() else { return &[] };
    let mut count = first.steps.len();
    for other in others {
        let same = first.steps.iter().zip(&other.steps).take_while(|(a, b)| a == b).count();
        count = count.min(same);
    }
    first.steps.get(..count).unwrap_or_default()
}

/// A subtree filter (RFC 6241 section 6): each path's last node with all below it.
///
/// # Errors
/// A module is unknown.
pub fn filter(paths: &[Path], modules: &Modules) -> Result<Vec<Element>, ClientError> {
    let mut roots = Vec::new();
    for path in paths {
        put(&mut roots, &path.steps, modules, |node| node)?;
    }
    Ok(roots)
}

/// The nodes inside of the instances of these steps.
///
/// # Errors
/// A module is unknown.
pub fn wrapped(above: &[Step], nodes: Vec<Element>, modules: &Modules) -> Result<Vec<Element>, ClientError> {
    if above.is_empty() || nodes.is_empty() {
        return Ok(nodes);
    }
    let mut roots = Vec::new();
    put(&mut roots, above, modules, |parent| parent.with(nodes))?;
    Ok(roots)
}

/// What `<config>` has inside for an edit, where nothing is the default operation.
///
/// # Errors
/// A module is unknown.
pub fn config(edit: &Edit, modules: &Modules) -> Result<Vec<Element>, ClientError> {
    let mut roots = Vec::new();
    for change in &edit.changes {
        let operation = operation(change.operation);
        if change.path.steps.is_empty() {
            let tops = change.value.iter().flat_map(|value| value.children.iter().cloned());
            roots.extend(tops.map(|top| marked(top, &operation)));
            continue;
        }
        put(&mut roots, &change.path.steps, modules, |node| {
            marked(valued(node, change.value.clone()), &operation)
        })?;
        if change.operation.has_value()
            && let (Some(root), [first, _, ..]) = (roots.last_mut(), change.path.steps.as_slice())
            && root.name == first.name
            && root.attributes.is_empty()
        {
            // The nodes above are made if they are missing.
            root.attributes.push(self::operation(Operation::Merge));
        }
    }
    Ok(roots)
}

/// A node with its keys and its value, of which keys are not repeated.
pub fn valued(node: Element, value: Option<Element>) -> Element {
    let Some(value) = value else { return node };
    let keys = node.children;
    let has =
        |child: &Element| keys.iter().any(|key| key.name == child.name && key.namespace == child.namespace);
    let others: Vec<Element> = value.children.into_iter().filter(|child| !has(child)).collect();
    Element {
        name: node.name,
        namespace: node.namespace,
        attributes: value.attributes,
        prefixes: value.prefixes,
        text: if node.text.is_empty() { value.text } else { node.text },
        children: keys.into_iter().chain(others).collect(),
    }
}

/// The element of a step: with its keys.
///
/// # Errors
/// A module is unknown.
pub fn element(step: &Step, modules: &Modules) -> Result<Element, ClientError> {
    let namespace = modules.namespace(&step.module)?;
    let mut element = Element::new(&step.name, namespace);
    for predicate in &step.predicates {
        match predicate {
            Predicate::Own(value) => {
                element.text.clone_from(value);
                modules.declare(&mut element);
            }
            Predicate::Leaf { module, name, value } => {
                let namespace = module.as_ref().map_or(Ok(namespace), |module| modules.namespace(module))?;
                let mut key = Element::leaf(name, namespace, value);
                modules.declare(&mut key);
                element.children.push(key);
            }
        }
    }
    Ok(element)
}

/// Puts a node at the end of a path, into what is there of the path already.
fn put(
    roots: &mut Vec<Element>,
    steps: &[Step],
    modules: &Modules,
    finish: impl FnOnce(Element) -> Element,
) -> Result<(), ClientError> {
    let Some((step, below)) = steps.split_first() else { return Ok(()) };
    let own = element(step, modules)?;
    if below.is_empty() {
        roots.push(finish(own));
        return Ok(());
    }
    let is_it = |there: &Element| {
        let is_merged = there.attributes.is_empty() || there.attributes == [operation(Operation::Merge)];
        let same_name = there.name == own.name && there.namespace == own.namespace;
        same_name && is_merged && there.text == own.text && there.children.starts_with(&own.children)
    };
    let position = match roots.iter().position(is_it) {
        Some(position) => {
            // What was put last stays last.
            let there = roots.remove(position);
            roots.push(there);
            roots.len() - 1
        }
        None => {
            roots.push(own);
            roots.len() - 1
        }
    };
    match roots.get_mut(position) {
        Some(there) => put(&mut there.children, below, modules, finish),
        None => Ok(()),
    }
}

fn operation(operation: Operation) -> Attribute {
    Attribute {
        name: "operation".to_owned(),
        namespace: Arc::clone(&BASE),
        value: operation.name().to_owned(),
    }
}

fn marked(mut node: Element, operation: &Attribute) -> Element {
    let has = node.attributes.iter().any(|a| a.name == "operation" && a.namespace == operation.namespace);
    if !has {
        node.attributes.push(operation.clone());
    }
    node
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::client::modules::Module;
    use crate::client::request::Change;

    fn modules() -> Modules {
        let module = |name: &str| Module::of(name, &format!("urn:{name}"));
        Modules { all: vec![module("a"), module("b")] }
    }

    fn paths(texts: &[&str]) -> Vec<Path> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn xml(elements: &[Element]) -> String {
        elements.iter().map(Element::to_xml).collect()
    }

    #[test]
    fn paths_that_differ_after_their_last_key_are_asked_for_together() {
        let all = paths(&["/a:x/l[k='1']/p", "/a:x/l[k='1']/q", "/a:x/l[k='2']/p", "/a:y", "/a:y/z", "/a:y"]);
        let counts: Vec<_> = groups(&all).iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!(groups(&[]), [Vec::<Path>::new()]);
        let both = paths(&["/a:x/l[k='1']/p", "/a:x/l[k='1']/q"]);
        assert_eq!(common(&both).len(), 2);
        let filter = filter(&both, &modules()).unwrap();
        assert_eq!(xml(&filter), "<x xmlns=\"urn:a\"><l><k>1</k><p/><q/></l></x>");
        assert!(super::filter(&paths(&["/c:x"]), &modules()).is_err());
    }

    #[test]
    fn an_edit_says_what_is_done_with_which_node() {
        let change = |operation, path: &str, value: Option<&str>| Change {
            operation,
            path: path.parse().unwrap(),
            value: value.map(|text| Element::leaf("any", &"".into(), text)),
        };
        let edit = |changes| Edit { datastore: Datastore::Running, changes, test: None, error: None };
        let nc = format!("xmlns:a0=\"{}\" a0:operation", netconf::NAMESPACE);
        let written = config(
            &edit(vec![
                change(Operation::Merge, "/a:x/l[k='b:1']/p", Some("5")),
                change(Operation::Delete, "/a:x/l[k='b:1']/q", None),
            ]),
            &modules(),
        );
        assert_eq!(
            xml(&written.unwrap()),
            format!(
                "<x xmlns=\"urn:a\" {nc}=\"merge\"><l><k xmlns:b=\"urn:b\">b:1</k><p {nc}=\"merge\">5</p><q {nc}=\"delete\"/>\
                 </l></x>"
            )
        );
        let written = config(&edit(vec![change(Operation::Remove, "/a:x/b:y", None)]), &modules()).unwrap();
        assert_eq!(xml(&written), format!("<x xmlns=\"urn:a\"><y xmlns=\"urn:b\" {nc}=\"remove\"/></x>"));
    }
}
