//! The query parameter `fields`: which descendants of the target are wanted (RFC 8040 section 4.8.3).
//!
//! Parsing needs only the schema. Pruning never removes the keys of a list entry, without which an answer
//! could not be told apart from another.

use std::sync::Arc;

use imbl::Vector;

use crate::yang::error::{Error, Tag};
use crate::yang::resource::identifier;
use crate::yang::schema::{Node, Schema};
use crate::yang::tree::{Child, Container, List};

/// The descendants of a node that are wanted; without any, all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    children: Vec<(&'static Node, Selection)>,
}

impl Selection {
    /// Parses a `fields-expr` for the target `node`, or for the datastore.
    ///
    /// # Errors
    /// `invalid-value` with the offset of what was not understood or does not exist.
    pub fn parse(
        text: &str,
        node: Option<&'static Node>,
        schema: &Schema,
        depth_max: usize,
    ) -> Result<Selection, Error> {
        let mut parser = Parser { text, at: 0, schema };
        let selection = parser.expression(node, depth_max)?;
        match parser.peek() {
            None => Ok(selection),
            Some(_) => Err(parser.expected("\";\" or the end")),
        }
    }

    /// The instance without what is not wanted. Of what is, there are `depth` levels (`None`: all of them): a node
    /// that is selected is on the first of them, whatever it is in (RFC 8040 section 4.8.2).
    pub fn prune(&self, child: &Child, depth: Option<u16>) -> Child {
        match (self.children.is_empty(), depth) {
            (true, None) => child.clone(),
            (true, Some(levels)) => each_container(child, &|container| cut(container, levels)),
            (false, _) => each_container(child, &|container| self.prune_container(container, depth)),
        }
    }

    fn prune_container(&self, container: &Container, depth: Option<u16>) -> Container {
        let mut pruned = Container::default();
        pruned.revision = container.revision;
        for (node, child) in container.iter() {
            match self.children.iter().find(|(wanted, _)| *wanted == node) {
                Some((_, below)) => pruned.set(node, below.prune(child, depth)),
                None if node.is_key() => pruned.set(node, child.clone()),
                None => {}
            }
        }
        pruned
    }

    /// Adds what another expression wants; wanting all of a node goes before wanting a part.
    fn add(&mut self, node: &'static Node, below: Selection) {
        match self.children.iter_mut().find(|(known, _)| *known == node) {
            None => self.children.push((node, below)),
            Some((_, known)) if known.children.is_empty() || below.children.is_empty() => {
                known.children.clear()
            }
            Some((_, known)) => below.children.into_iter().for_each(|(node, below)| known.add(node, below)),
        }
    }
}

/// The container, or each entry of the list, as something else.
fn each_container(child: &Child, make: &dyn Fn(&Container) -> Container) -> Child {
    match child {
        Child::Container(container) => Child::Container(Arc::new(make(container))),
        Child::List(list) => {
            let entries: Vector<_> = list.iter().map(|entry| Arc::new(make(&entry))).collect();
            Child::List(List::Sequence(Box::new(entries)))
        }
        Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => child.clone(),
    }
}

/// So many levels of a container, itself being the first. An entry keeps its keys.
fn cut(container: &Container, levels: u16) -> Container {
    let mut kept = Container::default();
    kept.revision = container.revision;
    for (node, child) in container.iter() {
        match levels {
            0 | 1 if node.is_key() => kept.set(node, child.clone()),
            0 | 1 => {}
            _ => kept.set(node, each_container(child, &|inner| cut(inner, levels - 1))),
        }
    }
    kept
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    schema: &'a Schema,
}

impl Parser<'_> {
    /// `item *( ";" item )`
    fn expression(&mut self, parent: Option<&'static Node>, depth_left: usize) -> Result<Selection, Error> {
        let mut selection = Selection::default();
        loop {
            let (node, below) = self.item(parent, depth_left)?;
            selection.add(node, below);
            if !self.take(';') {
                return Ok(selection);
            }
        }
    }

    /// `api-identifier [ "/" item / "(" expression ")" ]`
    fn item(
        &mut self,
        parent: Option<&'static Node>,
        depth_left: usize,
    ) -> Result<(&'static Node, Selection), Error> {
        let node = self.node(parent)?;
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return Err(self.wrong("it is nested too deep".into()));
        };
        let mut below = Selection::default();
        if self.take('/') {
            let (child, selection) = self.item(Some(node), depth_left)?;
            below.add(child, selection);
        } else if self.take('(') {
            below = self.expression(Some(node), depth_left)?;
            if !self.take(')') {
                return Err(self.expected("\";\" or \")\""));
            }
        }
        Ok((node, below))
    }

    fn node(&mut self, parent: Option<&'static Node>) -> Result<&'static Node, Error> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find(['/', ';', '(', ')']).unwrap_or(rest.len());
        let Some((module, name)) = identifier(&rest[..length]) else {
            return Err(self.expected("the name of a node"));
        };
        let module = match (module, parent) {
            (Some(module), _) => self
                .schema
                .module(module)
                .ok_or_else(|| self.wrong(format!("there is no module \"{module}\"")))?,
            (None, Some(parent)) => parent.module,
            (None, None) => {
                return Err(self.wrong(format!("\"{name}\" has to be qualified with the name of its module")));
            }
        };
        let siblings = parent.map_or(module.data, |parent| parent.data);
        let node = siblings.iter().copied().find(|n| n.name == name && n.module == module);
        let node =
            node.ok_or_else(|| self.wrong(format!("there is no node \"{}:{name}\" here", module.name)))?;
        self.at += length;
        Ok(node)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expected(&self, what: &str) -> Error {
        self.wrong(format!("{what} is expected"))
    }

    fn wrong(&self, message: String) -> Error {
        Error::protocol(Tag::InvalidValue, format!("\"fields\" at offset {}: {message}", self.at))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::generated::SCHEMA;
    use crate::yang::generated::irtf_agent::nodes::AGENT;
    use crate::yang::json;

    fn parse(text: &str) -> Result<Selection, Error> {
        Selection::parse(text, Some(&AGENT), &SCHEMA, 8)
    }

    /// The JSON of the pruned agent.
    fn pruned(text: &str) -> String {
        pruned_to(text, None)
    }

    fn pruned_to(text: &str, depth: Option<u16>) -> String {
        let agent = br#"{"name":"a","version":"1","skills":{"skill":[
            {"skill-name":"s","skill-description":"d","skill-tags":["t"]},{"skill-name":"u"}]},
            "capability":{"streaming":true,"negotiate":"n"}}"#;
        let agent = json::decode_children(agent, Some(&AGENT), &SCHEMA, &json::STORED).unwrap();
        let Child::Container(kept) = parse(text).unwrap().prune(&Child::Container(Arc::new(agent)), depth)
        else {
            panic!("no container");
        };
        let mut out = Vec::new();
        json::encode_children(&kept, Some(&AGENT), &mut out, &Default::default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_named_is_kept_with_the_keys_around_it() {
        assert_eq!(pruned("name"), r#"{"name":"a"}"#);
        assert_eq!(
            pruned("capability/streaming;irtf-agent:version"),
            r#"{"version":"1","capability":{"streaming":true}}"#
        );
        let tags = r#"{"skills":{"skill":[{"skill-name":"s","skill-tags":["t"]},{"skill-name":"u"}]}}"#;
        assert_eq!(pruned("skills/skill/skill-tags"), tags);
        assert_eq!(pruned("skills(skill(skill-name;skill-tags))"), tags);
    }

    #[test]
    fn the_depth_counts_from_what_is_named() {
        assert_eq!(pruned_to("name;skills", Some(1)), r#"{"name":"a","skills":{}}"#);
        assert_eq!(
            pruned_to("skills", Some(2)),
            r#"{"skills":{"skill":[{"skill-name":"s"},{"skill-name":"u"}]}}"#
        );
        assert_eq!(pruned_to("skills", Some(3)), pruned("skills"));
        assert_eq!(pruned_to("capability/streaming", Some(1)), pruned("capability/streaming"));
    }

    #[test]
    fn the_whole_node_goes_before_a_part_of_it() {
        assert_eq!(parse("capability;capability/streaming"), parse("capability"));
        assert_eq!(parse("capability(streaming);capability"), parse("capability"));
        assert_eq!(
            parse("capability/streaming;capability/negotiate"),
            parse("capability(streaming;negotiate)")
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_offset() {
        for (text, offset) in [
            ("", 0),
            ("nosuch", 0),
            ("nosuch:name", 0),
            ("name;", 5),
            ("name/x", 5),
            ("capability(", 11),
            ("capability(streaming", 20),
            ("capability(streaming))", 21),
            ("capability/(streaming)", 11),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(&format!("offset {offset}:")), "{text}: {}", error.message);
        }
        assert!(Selection::parse(&"a(".repeat(999), Some(&AGENT), &SCHEMA, 8).is_err());
        assert!(Selection::parse("agent", None, &SCHEMA, 8).is_err());
        assert!(Selection::parse("irtf-agent:agent/name", None, &SCHEMA, 8).is_ok());
    }
}
