//! Data resource identifiers: from the path of a RESTCONF request or the target of a YANG Patch to the
//! instance that it means, and back (RFC 8040 section 3.5.3, RFC 8072 section 2.4).
//!
//! It needs the schema alone and never asks whether the instance exists.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::path::{InstancePath, Selector, Step, is_name_char};
use super::schema::{Kind, Node, Schema};
use super::tree::Key;
use super::types::{self, ModuleNames};
use super::value::Value;

/// What a path below `{+restconf}/data` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourcePath {
    /// A data resource; without steps, the datastore.
    Data(InstancePath),
    /// An action of a data resource (RFC 8040 section 3.6).
    Action(InstancePath, &'static Node),
}

/// Why a path stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriError {
    /// Whether it is well-formed, but names something that the schema has not: 404 and not 400.
    pub unknown: bool,
    /// Where, counted in octets from the start of the text that was parsed.
    pub offset: usize,
    /// What was expected there.
    pub message: String,
}

/// Parses the path below `{+restconf}/data`, still percent-encoded and without the slash that it begins with;
/// the empty text is the datastore. At most `depth_max` segments are taken.
///
/// # Errors
/// The first thing that is malformed or unknown.
pub fn parse(text: &str, schema: &Schema, depth_max: usize) -> Result<ResourcePath, UriError> {
    let mut path = InstancePath::default();
    if text.is_empty() {
        return Ok(ResourcePath::Data(path));
    }
    let mut offset = 0;
    let mut segments = text.split('/').peekable();
    while let Some(text) = segments.next() {
        let segment = Segment { text, offset, schema };
        if path.steps.len() == depth_max {
            return Err(segment.malformed(0, format!("there are more than {depth_max} segments")));
        }
        segment.may_follow(path.steps.last())?;
        match segment.parse(path.node())? {
            Found::Step(step) => path.steps.push(step),
            Found::Action(operation) => {
                offset += text.len() + 1;
                return match segments.peek() {
                    None => Ok(ResourcePath::Action(path, operation)),
                    Some(text) => Err(Segment { text, offset, schema }
                        .unknown(0, format!("nothing lies below the action \"{}\"", operation.name))),
                };
            }
        }
        offset += text.len() + 1;
    }
    Ok(ResourcePath::Data(path))
}

/// Everything but the unreserved characters of RFC 3986 section 2.3 is encoded in a key.
const IN_KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The text that [`parse`] reads as this path, with a slash before each segment; empty for the datastore.
pub fn format(path: &InstancePath) -> String {
    let mut text = String::new();
    let mut parent = None;
    for step in &path.steps {
        text.push('/');
        match step.node.needs_prefix_below(parent) {
            true => text.push_str(&step.node.qualified_name()),
            false => text.push_str(step.node.name),
        }
        let values = match &step.selector {
            Selector::Key(key) => key.values(),
            Selector::Value(value) => std::slice::from_ref(value),
            Selector::None | Selector::Position(_) => &[],
        };
        if !values.is_empty() {
            text.push('=');
            text.push_str(&format_values(values));
        }
        parent = Some(step.node);
    }
    text
}

/// The values of keys as they stand after the `=` of a segment.
pub fn format_values(values: &[Value]) -> String {
    let mut text = String::new();
    for (i, value) in values.iter().enumerate() {
        text.push_str(if i == 0 { "" } else { "," });
        // Writing into a string cannot fail.
        let _ = write!(text, "{}", utf8_percent_encode(&value.canonical(), IN_KEY));
    }
    text
}

/// The key of a list entry that [`format_values`] wrote as this text; `None` if it is that of no entry.
pub fn parse_key(list: &'static Node, text: &str, schema: &Schema) -> Option<Key> {
    match (Segment { text, offset: 0, schema }.selector(list, text, 0)) {
        Ok(Selector::Key(key)) => Some(key),
        _ => None,
    }
}

/// Decodes a text once. None if a `%` is without two hexadecimal digits, or the octets are not UTF-8.
pub fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.as_bytes().contains(&b'%') {
        return Some(Cow::Borrowed(text));
    }
    let complete = |after: &str| after.get(..2).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    if !text.split('%').skip(1).all(complete) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// `[module:]name`, an `api-identifier`. None if it is not of this form.
pub fn identifier(text: &str) -> Option<(Option<&str>, &str)> {
    let is_identifier = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_name_char)
    };
    let (module, name) = match text.split_once(':') {
        Some((module, name)) => (Some(module), name),
        None => (None, text),
    };
    (module.is_none_or(is_identifier) && is_identifier(name)).then_some((module, name))
}

/// One part between slashes.
struct Segment<'a> {
    text: &'a str,
    /// Where it begins.
    offset: usize,
    schema: &'a Schema,
}

enum Found {
    Step(Step),
    Action(&'static Node),
}

impl Segment<'_> {
    /// Whether anything can stand below the step before this segment.
    fn may_follow(&self, before: Option<&Step>) -> Result<(), UriError> {
        let Some(Step { node, selector }) = before else { return Ok(()) };
        match node.kind {
            Kind::List { keys: [], .. } => {
                Err(self
                    .unknown(0, format!("the entries of \"{}\" have no keys to address them by", node.name)))
            }
            Kind::List { .. } if *selector == Selector::None => {
                let message =
                    format!("\"{}\" is a list: {} is expected before the \"/\"", node.name, keys_form(node));
                Err(self.malformed(0, message))
            }
            Kind::Leaf { .. } | Kind::LeafList { .. } | Kind::AnyData | Kind::AnyXml => {
                Err(self.unknown(0, format!("\"{}\" has no children", node.name)))
            }
            _ => Ok(()),
        }
    }

    fn parse(&self, parent: Option<&'static Node>) -> Result<Found, UriError> {
        let (name, keys) = match self.text.split_once('=') {
            Some((name, keys)) => (name, Some(keys)),
            None => (self.text, None),
        };
        let decoded = percent_decoded(name);
        let Some((module, local)) = decoded.as_deref().and_then(identifier) else {
            return Err(self.malformed(0, "the name of a data node is expected".into()));
        };
        let module = match (module, parent) {
            (Some(name), _) => self
                .schema
                .module(name)
                .ok_or_else(|| self.unknown(0, format!("there is no module \"{name}\" here")))?,
            (None, Some(parent)) => parent.module,
            (None, None) => {
                return Err(
                    self.malformed(0, format!("\"{local}\" has to be qualified with the name of its module"))
                );
            }
        };
        let siblings = parent.map_or(module.data, |parent| parent.data);
        let same = |node: &&&'static Node| node.name == local && node.module == module;
        if let Some(node) = siblings.iter().find(same) {
            let selector = match keys {
                Some(keys) => self.selector(node, keys, name.len() + 1)?,
                None => Selector::None,
            };
            return Ok(Found::Step(Step { node, selector }));
        }
        match parent.and_then(|parent| parent.actions.iter().find(same)) {
            Some(action) if keys.is_none() => Ok(Found::Action(action)),
            Some(action) => {
                Err(self.malformed(name.len(), format!("the action \"{}\" has no keys", action.name)))
            }
            None => Err(self.unknown(0, format!("there is no data node \"{}:{local}\" here", module.name))),
        }
    }

    /// What stands after the `=`, which begins at `at`.
    fn selector(&self, node: &'static Node, text: &str, mut at: usize) -> Result<Selector, UriError> {
        let leafs = match node.kind {
            Kind::LeafList { .. } => &[node][..],
            _ => node.keys(),
        };
        let given = text.split(',').count();
        if leafs.is_empty() {
            return Err(self.malformed(at, format!("\"{}\" has no keys", node.name)));
        }
        if given != leafs.len() {
            let message = format!("{} is expected, {given} values are given", keys_form(node));
            return Err(self.malformed(at, message));
        }
        let mut values = Vec::with_capacity(given);
        for (leaf, text) in leafs.iter().zip(text.split(',')) {
            values.push(self.value(leaf, text, at)?);
            at += text.len() + 1;
        }
        match (&node.kind, values.pop()) {
            (Kind::LeafList { .. }, Some(value)) => Ok(Selector::Value(value)),
            (_, last) => {
                values.extend(last);
                Ok(Selector::Key(Key::new(values)))
            }
        }
    }

    fn value(&self, leaf: &'static Node, text: &str, at: usize) -> Result<Value, UriError> {
        let Some(decoded) = percent_decoded(text) else {
            return Err(self.malformed(at, "percent-encoded UTF-8 is expected".into()));
        };
        let ty = leaf.ty().ok_or_else(|| self.malformed(at, format!("\"{}\" has no value", leaf.name)))?;
        types::parse(ty, &decoded, &ModuleNames(self.schema), leaf.module)
            .map_err(|e| self.malformed(at, format!("\"{}\": {}", leaf.name, e.message)))
    }

    fn malformed(&self, at: usize, message: String) -> UriError {
        UriError { unknown: false, offset: self.offset + at, message }
    }

    fn unknown(&self, at: usize, message: String) -> UriError {
        UriError { unknown: true, ..self.malformed(at, message) }
    }
}

/// How an instance of the node is addressed: `"name=key,key"`.
fn keys_form(node: &Node) -> String {
    let keys: Vec<&str> = node.keys().iter().map(|key| key.name).collect();
    let keys = if keys.is_empty() { "value".to_owned() } else { keys.join(",") };
    format!("\"{}={keys}\"", node.name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::generated::SCHEMA;

    fn parsed(text: &str) -> Result<ResourcePath, UriError> {
        parse(text, &SCHEMA, 16)
    }

    fn data(text: &str) -> InstancePath {
        match parsed(text) {
            Ok(ResourcePath::Data(path)) => path,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn key(path: &InstancePath) -> Vec<String> {
        match &path.steps.last().unwrap().selector {
            Selector::Key(key) => key.values().iter().map(Value::canonical).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_empty_path_is_the_datastore() {
        assert_eq!(parsed(""), Ok(ResourcePath::Data(InstancePath::default())));
    }

    #[test]
    fn keys_are_decoded_exactly_once() {
        for (text, wanted) in [
            ("a", "a"),
            ("", ""),
            ("a%2Cb%2Fc", "a,b/c"),
            ("%252C", "%2C"),
            ("a+b", "a+b"),
            ("x=y:z'%22%20", "x=y:z'\" "),
            ("gr%C3%BC%C3%9Fe", "grüße"),
        ] {
            let path = data(&format!("irtf-agent:agent/skills/skill={text}"));
            assert_eq!(key(&path), [wanted], "{text}");
            assert_eq!(data(&format(&path)[1..]), path, "{text}");
        }
    }

    #[test]
    fn several_keys_stand_in_the_order_of_the_key_statement() {
        let text = "ietf-yang-library:modules-state/module=ietf-restconf,";
        let path = data(text);
        assert_eq!(key(&path), ["ietf-restconf", ""]);
        assert_eq!(&format(&path)[1..], text);
    }

    #[test]
    fn a_leaf_list_entry_is_named_by_its_value() {
        let path = data("irtf-agent:agent/skills/skill=s/skill-tags=a%2Cb");
        assert_eq!(path.steps.last().unwrap().selector, Selector::Value(Value::string("a,b")));
        assert_eq!(format(&path), "/irtf-agent:agent/skills/skill=s/skill-tags=a%2Cb");
    }

    #[test]
    fn a_list_and_a_leaf_list_can_stand_as_a_whole_at_the_end() {
        assert_eq!(data("magent-registry:registry/agents/agent").steps[2].selector, Selector::None);
        assert_eq!(data("irtf-agent:agent/skills/skill=s/skill-tags").steps[3].selector, Selector::None);
    }

    #[test]
    fn an_action_is_the_last_segment() {
        let Ok(ResourcePath::Action(path, action)) = parsed("magent-registry:registry/agents/agent=a/renew")
        else {
            panic!("no action");
        };
        assert_eq!((key(&path).as_slice(), action.name), (&["a".to_owned()][..], "renew"));
        let below = parsed("magent-registry:registry/agents/agent=a/renew/input").unwrap_err();
        assert!(below.unknown);
        assert_eq!(below.offset, 46);
    }

    #[test]
    fn what_is_unknown_is_no_malformed_path() {
        for (text, offset) in [
            ("nosuch:thing", 0),
            ("magent-registry:nosuch", 0),
            ("magent-registry:registry/nosuch", 25),
            ("magent-registry:registry/irtf-agent:agents", 25),
            ("magent-registry:registry/agents/agent=a/name/x", 45),
        ] {
            let error = parsed(text).unwrap_err();
            assert_eq!((error.unknown, error.offset), (true, offset), "{text}: {}", error.message);
        }
    }

    #[test]
    fn what_is_malformed_is_told_with_its_place() {
        for (text, offset) in [
            ("registry", 0),
            ("/", 0),
            ("magent-registry:registry/", 25),
            ("magent-registry:registry//agents", 25),
            ("magent-registry:registry/1agents", 25),
            ("magent-registry:registry=a", 25),
            ("magent-registry:registry/agents/agent/name", 38),
            ("magent-registry:registry/agents/agent=a,b", 38),
            ("magent-registry:registry/agents/agent=%4", 38),
            ("magent-registry:registry/agents/agent=%FF", 38),
            ("ietf-yang-library:modules-state/module=a,b,c", 39),
            ("ietf-yang-library:modules-state/module=ietf-restconf,yesterday", 53),
        ] {
            let error = parsed(text).unwrap_err();
            assert_eq!((error.unknown, error.offset), (false, offset), "{text}: {}", error.message);
        }
        assert!(!parse(&"a:b/".repeat(99), &SCHEMA, 0).unwrap_err().unknown);
    }
}
