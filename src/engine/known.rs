//! What a client knows of what it reads: the txids in its filter, and what is left out because of them
//! (draft-ietf-netconf-transaction-id-11 section 3.3).
//!
//! Which nodes are versioned is decided by the tree, never here.

use std::sync::Arc;

use imbl::Vector;

use super::txid::{KNOWN, UNASKED, is_up_to_date};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, List};
use crate::yang::value::Value;

/// The txids that a client has of a node and of what is in it. One that never was, such as `?`, asks for those of the server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// That of the node itself, and of all in it that has no other.
    pub txid: Option<String>,
    /// What is known of nodes in it.
    pub below: Vec<KnownBelow>,
}

/// What is known of instances of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownBelow {
    /// The node.
    pub node: &'static Node,
    /// What has to stand in an instance for it to be meant.
    pub matches: Vec<(&'static Node, Value)>,
    /// What is known of it.
    pub known: Known,
}

impl Known {
    /// Whether there is no txid in it.
    pub fn is_nothing(&self) -> bool {
        self.txid.is_none() && self.below.iter().all(|below| below.known.is_nothing())
    }

    /// The datastore without what the client knows. `newest` is the newest position.
    pub(super) fn leave_out(&self, root: &Container, newest: u64) -> Container {
        let place = Place { known: vec![self], client: self.txid.as_deref(), newest };
        match place.is_known(root.revision) {
            true => Container::default().at_revision(KNOWN),
            false => place.content(root, root.revision),
        }
    }
}

/// A place in the tree.
struct Place<'k> {
    /// What is known right here; of one instance, several elements of a filter can say something.
    known: Vec<&'k Known>,
    /// The txid that the client has of the closest node around that it named.
    client: Option<&'k str>,
    newest: u64,
}

impl<'k> Place<'k> {
    fn is_known(&self, server: u64) -> bool {
        self.client.is_some_and(|client| is_up_to_date(client, server, self.newest))
    }

    /// The place that an instance of `node` is.
    fn below(&self, node: &Node, content: Option<&Container>) -> Place<'k> {
        let is_meant = |(leaf, value): &(&'static Node, Value)| {
            content.is_some_and(|content| match content.get(leaf) {
                Some(Child::Leaf(other)) => other == value,
                Some(Child::LeafList(others)) => others.contains(value),
                _ => false,
            })
        };
        let here = self.known.iter().flat_map(|known| &known.below);
        let here = here.filter(|below| below.node == node && below.matches.iter().all(is_meant));
        let known: Vec<&Known> = here.map(|below| &below.known).collect();
        let client = known.iter().find_map(|known| known.txid.as_deref()).or(self.client);
        Place { known, client, newest: self.newest }
    }

    /// Whether nothing that is known or asked for concerns what is in it.
    fn is_bare(&self) -> bool {
        self.client.is_none() && self.known.iter().all(|known| known.is_nothing())
    }

    /// Whether all that is asked for is to be told what the server has.
    fn only_asks(&self) -> bool {
        let is_one = self.client.is_some_and(|client| !is_up_to_date(client, 0, u64::MAX));
        is_one && self.known.iter().all(|known| known.below.iter().all(|below| below.known.is_nothing()))
    }

    /// What is left of the content of an instance; `server` is the revision of the closest versioned node.
    fn content(&self, content: &Container, server: u64) -> Container {
        if self.only_asks() {
            return content.clone();
        }
        let revision = if self.client.is_some() { content.revision } else { 0 };
        let mut left = Container::default().at_revision(revision);
        for (node, child) in content.iter() {
            left.set(node, if node.config { self.child(node, child, server) } else { child.clone() });
        }
        left
    }

    fn child(&self, node: &'static Node, child: &Child, server: u64) -> Child {
        match child {
            Child::Container(inner) => Child::Container(Arc::new(self.instance(node, inner, server))),
            Child::List(list) => {
                let entries: Vector<Arc<Container>> =
                    list.iter().map(|entry| Arc::new(self.instance(node, &entry, server))).collect();
                Child::List(List::Sequence(Box::new(entries)))
            }
            Child::Leaf(_) if !node.is_key() => {
                let place = self.below(node, None);
                let is_named = !place.known.is_empty() && place.is_known(server);
                if is_named { Child::Leaf(Value::Empty) } else { child.clone() }
            }
            Child::LeafList(_) => {
                let place = self.below(node, None);
                let is_named = !place.known.is_empty() && place.is_known(server);
                if is_named { Child::LeafList(Arc::new(vec![Value::Empty])) } else { child.clone() }
            }
            Child::Leaf(_) | Child::Any(_) => child.clone(),
        }
    }

    fn instance(&self, node: &'static Node, content: &Container, around: u64) -> Container {
        let place = self.below(node, Some(content));
        if place.is_bare() {
            return content.clone().at_revision(UNASKED);
        }
        let server = if content.revision > 0 { content.revision } else { around };
        if !place.is_known(server) {
            return place.content(content, server);
        }
        let mut left = Container::default().at_revision(KNOWN);
        if matches!(node.kind, Kind::List { .. }) {
            for (key, value) in content.iter().filter(|(node, _)| node.is_key()) {
                left.set(key, value.clone());
            }
        }
        left
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::txid::{Told, Txids};
    use crate::yang::encode::EncodeOptions;
    use crate::yang::generated::irtf_agent::nodes::{DATA_PARAMS, DATA_PARAMS_DATA, DATA_PARAMS_ID};
    use crate::yang::xml;

    fn entry(id: &str, revision: u64) -> Arc<Container> {
        let mut entry = Container::default().at_revision(revision);
        entry.set(&DATA_PARAMS_ID, Child::Leaf(Value::string(id)));
        entry.set(&DATA_PARAMS_DATA, Child::Leaf(Value::string("x")));
        Arc::new(entry)
    }

    /// What a client that knows this is told of two entries that were changed at 5 and at 9, where the newest position is 20.
    fn told(known: &Known) -> String {
        let mut root = Container::default().at_revision(9);
        let entries = [entry("a", 5), entry("b", 9)].into_iter().collect();
        root.set(&DATA_PARAMS, Child::List(List::Sequence(Box::new(entries))));
        let left = known.leave_out(&root, 20);
        let mut text = Vec::new();
        let told = Told { txids: Txids::ATTRIBUTE, newest: 20 };
        let options = EncodeOptions { metadata: Some(&told), ..EncodeOptions::default() };
        xml::encode_children(&left, None, &mut text, &options);
        let text = String::from_utf8(text).unwrap();
        let text = text.replace(&format!(" xmlns=\"{}\"", DATA_PARAMS.module.namespace), "");
        text.replace(" xmlns:txid=\"urn:ietf:params:xml:ns:netconf:txid:1.0\"", "").replace("txid:etag", "t")
    }

    fn of(txid: Option<&str>, below: Vec<KnownBelow>) -> Known {
        Known { txid: txid.map(str::to_owned), below }
    }

    fn list(id: Option<&str>, known: Known) -> KnownBelow {
        let matches = id.map(|id| (&DATA_PARAMS_ID, Value::string(id))).into_iter().collect();
        KnownBelow { node: &DATA_PARAMS, matches, known }
    }

    const A: &str = "<id>a</id><data>x</data>";
    const B: &str = "<id>b</id><data>x</data>";

    #[test]
    fn section_3_3_what_is_asked_for_is_told_and_nothing_else() {
        let all =
            format!("<data-params t=\"5-xml\">{A}</data-params><data-params t=\"9-xml\">{B}</data-params>");
        assert_eq!(told(&of(Some("?"), vec![])), all);
        assert_eq!(told(&of(None, vec![list(None, of(Some("?"), vec![]))])), all);
        let one = format!("<data-params t=\"5-xml\">{A}</data-params><data-params>{B}</data-params>");
        assert_eq!(told(&of(None, vec![list(Some("a"), of(Some("?"), vec![]))])), one);
    }

    #[test]
    fn section_3_3_what_the_client_knows_is_left_out() {
        let newer = format!(
            "<data-params t=\"=\"><id>a</id></data-params><data-params t=\"9-xml\">{B}</data-params>"
        );
        assert_eq!(told(&of(Some("7-xml"), vec![])), newer);
        assert_eq!(told(&of(Some("9"), vec![])), "", "the root is known, and all in it");
        assert_eq!(
            told(&of(Some("21"), vec![])).matches("t=\"=\"").count(),
            0,
            "there was no such transaction"
        );
        let inherited = of(Some("?"), vec![list(Some("a"), of(Some("5"), vec![]))]);
        assert_eq!(told(&inherited), newer);
        let leaf = KnownBelow { node: &DATA_PARAMS_DATA, matches: vec![], known: of(Some("6"), vec![]) };
        let leaf = of(None, vec![list(Some("a"), of(None, vec![leaf]))]);
        let expected =
            format!("<data-params><id>a</id><data t=\"=\"/></data-params><data-params>{B}</data-params>");
        assert_eq!(told(&leaf), expected);
    }
}
