//! Documents that need not be right: what is generated, changed at random, and written as JSON
//! and as XML.

use agentconf::yang::path::{InstancePath, Selector};
use agentconf::yang::schema::{Kind, Node, Schema};
use serde_json::Value as Json;

/// A node of a document.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is called after; it need not be allowed where it stands.
    pub node: &'static Node,
    /// What is in it.
    pub body: Body,
}

/// What is in a node.
#[derive(Debug, Clone)]
pub enum Body {
    /// A value.
    Leaf(Lexical),
    /// Nodes.
    Inner(Vec<Item>),
    /// The content of an anydata or anyxml.
    Any(Any),
}

/// A value in both encodings.
#[derive(Debug, Clone, PartialEq)]
pub struct Lexical {
    /// In XML; prefixes are names of modules.
    pub xml: String,
    /// In JSON.
    pub json: Json,
}

/// Content without schema, in both encodings.
#[derive(Debug, Clone, PartialEq)]
pub struct Any {
    /// In XML.
    pub xml: &'static str,
    /// In JSON.
    pub json: &'static str,
}

/// The items of the top level.
#[derive(Debug, Clone, Default)]
pub struct Document(pub Vec<Item>);

/// Where an item is: positions from the top.
pub type Place = Vec<usize>;

impl Document {
    /// The places of all items that pass.
    pub fn places(&self, wanted: impl Fn(&Item) -> bool) -> Vec<Place> {
        fn walk(items: &[Item], above: &Place, wanted: &dyn Fn(&Item) -> bool, found: &mut Vec<Place>) {
            for (index, item) in items.iter().enumerate() {
                let mut place = above.clone();
                place.push(index);
                if let Body::Inner(children) = &item.body {
                    walk(children, &place, wanted, found);
                }
                if wanted(item) {
                    found.push(place);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.0, &Vec::new(), &wanted, &mut found);
        found
    }

    /// The item at a place.
    pub fn at(&mut self, place: &[usize]) -> &mut Item {
        let (last, above) = place.split_last().unwrap();
        &mut self.children(above)[*last]
    }

    /// The items below a place.
    pub fn children(&mut self, place: &[usize]) -> &mut Vec<Item> {
        let mut items = &mut self.0;
        for index in place {
            match &mut items[*index].body {
                Body::Inner(inner) => items = inner,
                _ => unreachable!("a place below a leaf"),
            }
        }
        items
    }

    /// The schema node at a place; `None` for the top.
    pub fn node(&mut self, place: &[usize]) -> Option<&'static Node> {
        (!place.is_empty()).then(|| self.at(place).node)
    }

    /// The deepest item on a path that is there, and how many steps lead to it.
    pub fn find(&self, path: &InstancePath) -> (Place, usize) {
        let mut place = Place::new();
        let mut items = &self.0;
        for (depth, step) in path.steps.iter().enumerate() {
            let fits = |item: &&Item| {
                item.node == step.node
                    && match (&step.selector, &item.body) {
                        (Selector::Key(key), Body::Inner(children)) => {
                            step.node.keys().iter().zip(key.values()).all(|(leaf, value)| {
                                children.iter().any(|child| {
                                    child.node == *leaf
                                        && matches!(&child.body, Body::Leaf(text) if text.plain() == value.canonical())
                                })
                            })
                        }
                        (Selector::Value(value), Body::Leaf(text)) => text.plain() == value.canonical(),
                        _ => true,
                    }
            };
            let Some(index) = items.iter().position(|item| fits(&item)) else { return (place, depth) };
            place.push(index);
            match &items[index].body {
                Body::Inner(inner) => items = inner,
                _ => return (place, depth + 1),
            }
        }
        (place, path.steps.len())
    }

    /// Drops the containers without presence and content of which libyang has another opinion:
    /// those that stand twice, and those that a `when` is about. A key that stands twice makes it
    /// use memory that it has given back.
    pub fn prune(&mut self) {
        fn is_vacuous(item: &Item) -> bool {
            matches!(item.node.kind, Kind::Container { presence: false })
                && matches!(&item.body, Body::Inner(children) if children.iter().all(is_vacuous))
        }
        fn below(items: &mut Vec<Item>) {
            items.iter_mut().for_each(|item| {
                if let Body::Inner(children) = &mut item.body {
                    below(children);
                }
            });
            let nodes: Vec<&Node> = items.iter().map(|item| item.node).collect();
            let twice = |node: &Node| nodes.iter().filter(|other| same_name(other, node)).count() > 1;
            items.retain(|item| {
                !(is_vacuous(item) && (twice(item.node) || item.node.conditions().next().is_some()))
            });
            let mut keys: Vec<&Node> = Vec::new();
            items.retain(|item| {
                let again = keys.iter().any(|key| same_name(key, item.node));
                if item.node.is_key() {
                    keys.push(item.node);
                }
                !again
            });
        }
        below(&mut self.0);
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let mut text = String::new();
        json_object(&self.0, None, &mut text);
        text
    }

    /// As XML: one element after the other.
    pub fn xml(&self, schema: &Schema) -> String {
        let mut modules: Vec<(&str, &str)> = schema.modules.iter().map(|m| (m.name, m.namespace)).collect();
        modules.dedup();
        let prefixes: String =
            modules.iter().map(|(name, namespace)| format!(" xmlns:{name}=\"{namespace}\"")).collect();
        let mut text = String::new();
        xml_items(&self.0, None, &prefixes, &mut text);
        text
    }
}

impl Lexical {
    /// A value that is a string in JSON.
    pub fn string(text: impl Into<String>) -> Self {
        let text = text.into();
        Lexical { json: Json::from(text.clone()), xml: text }
    }

    /// The text, with names of modules as in JSON.
    pub fn plain(&self) -> String {
        match &self.json {
            Json::String(text) => text.clone(),
            Json::Array(_) => String::new(),
            other => other.to_string(),
        }
    }
}

fn json_object(items: &[Item], parent: Option<&Node>, text: &mut String) {
    text.push('{');
    let mut written: Vec<&Node> = Vec::new();
    let mut first = true;
    for item in items {
        let many = matches!(item.node.kind, Kind::List { .. } | Kind::LeafList { .. });
        if many && written.iter().any(|node| same_name(node, item.node)) {
            continue;
        }
        written.push(item.node);
        if !std::mem::take(&mut first) {
            text.push(',');
        }
        let name = match item.node.needs_prefix_below(parent) {
            true => item.node.qualified_name(),
            false => item.node.name.to_owned(),
        };
        *text += &format!("\"{name}\":");
        if !many {
            json_body(item, text);
            continue;
        }
        text.push('[');
        for (index, entry) in items.iter().filter(|other| same_name(other.node, item.node)).enumerate() {
            if index > 0 {
                text.push(',');
            }
            json_body(entry, text);
        }
        text.push(']');
    }
    text.push('}');
}

fn same_name(a: &Node, b: &Node) -> bool {
    a.name == b.name && a.module == b.module
}

fn json_body(item: &Item, text: &mut String) {
    match &item.body {
        Body::Leaf(value) => *text += &value.json.to_string(),
        Body::Inner(children) => json_object(children, Some(item.node), text),
        Body::Any(any) => *text += any.json,
    }
}

fn xml_items(items: &[Item], parent: Option<&Node>, prefixes: &str, text: &mut String) {
    // libyang wants the keys first (RFC 7950 section 7.8.5).
    let keys = parent.map_or(&[][..], Node::keys);
    let mut items: Vec<&Item> = items.iter().collect();
    items.sort_by_key(|item| keys.iter().position(|key| same_name(key, item.node)).unwrap_or(keys.len()));
    for item in items {
        *text += &format!("<{}", item.node.name);
        if parent.is_none_or(|p| p.module != item.node.module) {
            *text += &format!(" xmlns=\"{}\"", item.node.module.namespace);
        }
        if parent.is_none() {
            *text += prefixes;
        }
        text.push('>');
        match &item.body {
            Body::Leaf(value) => *text += &agentconf::yang::xml::escape(&value.xml),
            Body::Inner(children) => xml_items(children, Some(item.node), prefixes, text),
            Body::Any(any) => *text += any.xml,
        }
        *text += &format!("</{}>", item.node.name);
    }
}
