//! Several answers to one tree: a container stands there once, an entry of a list once with all that was said of it. It never
//! changes a value.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::data::Element;
use super::resolve;
use super::schema::{Kind, NodeId, Schema};

/// What tells instances of a node apart: its namespace and name, and the values of its keys.
type Identity = (Arc<str>, String, Vec<String>);

/// Puts nodes into a tree, inside of `parent` or at the top. Of leafs that are there twice the first stays. What has no
/// identity, such as an entry of a list without keys, is added unless the tree had the same before.
pub fn put(schema: &Schema, parent: Option<NodeId>, tree: &mut Vec<Element>, nodes: Vec<Element>) {
    let mut places: HashMap<Identity, usize> = HashMap::new();
    for (place, element) in tree.iter().enumerate() {
        if let Some(identity) = identity(schema, parent, element) {
            places.entry(identity).or_insert(place);
        }
    }
    let before = tree.len();
    for mut element in nodes {
        let id = resolve::instance(schema, parent, &element);
        let children = std::mem::take(&mut element.children);
        let Some(identity) = identity_of(schema, id, &element, &children) else {
            element.children = children;
            if !tree.iter().take(before).any(|there| *there == element) {
                tree.push(element);
            }
            continue;
        };
        let below = resolve::below(schema, id);
        match places.get(&identity).and_then(|place| tree.get_mut(*place)) {
            Some(there) => put(schema, below, &mut there.children, children),
            None => {
                put(schema, below, &mut element.children, children);
                places.insert(identity, tree.len());
                tree.push(element);
            }
        }
    }
}

/// Whether any node stands beside another one of its name: a list does, but so may a piece of a container.
pub fn has_repeats(nodes: &[Element]) -> bool {
    let mut names: HashSet<(&str, &str)> = HashSet::new();
    nodes.iter().any(|node| !names.insert((&node.namespace, &node.name)))
        || nodes.iter().any(|node| has_repeats(&node.children))
}

fn identity(schema: &Schema, parent: Option<NodeId>, element: &Element) -> Option<Identity> {
    identity_of(schema, resolve::instance(schema, parent, element), element, &element.children)
}

fn identity_of(
    schema: &Schema,
    id: Option<NodeId>,
    element: &Element,
    children: &[Element],
) -> Option<Identity> {
    let node = schema.node(id?);
    let values = match node.kind {
        Kind::List if node.keys.is_empty() => return None,
        Kind::List => {
            let value = |key: &String| {
                let is_it = |child: &&Element| child.name == *key && child.namespace == element.namespace;
                children.iter().find(is_it).map(|child| child.text.trim().to_owned())
            };
            node.keys.iter().map(value).collect::<Option<Vec<_>>>()?
        }
        Kind::LeafList => return None,
        _ => Vec::new(),
    };
    Some((Arc::clone(&element.namespace), element.name.clone(), values))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::client::schema::Text;

    #[test]
    fn answers_become_one_tree() {
        let text = "module a { namespace urn:a; prefix a; container c { list l { key k; leaf k { type string; }
            leaf v { type string; } leaf w { type string; } } leaf-list e { type string; } leaf z { type string; }
            list n { config false; leaf x { type string; } } } }";
        let texts = [Text { text: text.to_owned(), implemented: true, features: Vec::new() }];
        let schema = Schema::read(&texts);
        let mut tree = Vec::new();
        for answer in [
            "<l><k>1</k><v>a</v></l><e>p</e><n><x>1</x></n><n><x>1</x></n>",
            "<l><k>2</k></l><l><k>1</k><w>b</w></l><e>p</e><e>q</e><z>y</z><n><x>1</x></n>",
            "<z>y</z>",
        ] {
            let node = format!("<c xmlns='urn:a'>{answer}</c>");
            put(&schema, None, &mut tree, vec![Element::parse(node.as_bytes(), 9).unwrap()]);
        }
        let [one] = tree.as_slice() else { unreachable!("{tree:?}") };
        assert_eq!(
            one.to_xml().replace(" xmlns=\"urn:a\"", ""),
            "<c><l><k>1</k><v>a</v><w>b</w></l><e>p</e><n><x>1</x></n><n><x>1</x></n><l><k>2</k></l><e>q</e><z>y</z></c>"
        );
    }
}
