//! Instance data to XML text, written straight out.
//!
//! Data elements have no prefixes: a namespace is declared where it changes. A value that names modules
//! declares their names as prefixes on its own element.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::yang::anydata;
use crate::yang::encode::{EncodeOptions, Meta, children, described};
use crate::yang::metadata::{Note, Written};
use crate::yang::path::{InstancePath, PathPattern, Selector, StepPattern, USER, Wanted, quoted};
use crate::yang::schema::{Module, Node, Type};
use crate::yang::tree::{Child, Container};
use crate::yang::types::ModuleNames;
use crate::yang::value::Value;
use crate::yang::xpath::lex::{Token, tokens};

/// Writes the children of an instance of `parent`, one element after the other, for a place where the
/// default namespace is that of `parent`. For the root, each declares its own. The instance counts as the
/// first level.
pub fn encode_children(
    container: &Container,
    parent: Option<&'static Node>,
    out: &mut Vec<u8>,
    options: &EncodeOptions<'_>,
) {
    Writer { out, options, taken: 0 }.children(container, parent, options.levels(), options.metadata);
}

/// Writes `<name xmlns="…">…</name>`: the instance as a document of its own, without XML declaration.
///
/// For a list or leaf-list, `child` can be one entry, as [`Child::Container`] or [`Child::Leaf`], or all
/// entries, which is then one element after the other.
pub fn encode_one(node: &'static Node, child: &Child, out: &mut Vec<u8>, options: &EncodeOptions<'_>) {
    Writer { out, options, taken: 0 }.child(node, child, None, options.levels(), options.metadata);
}

struct Writer<'w> {
    out: &'w mut Vec<u8>,
    options: &'w EncodeOptions<'w>,
    /// Octets that were taken away.
    taken: usize,
}

impl Writer<'_> {
    fn children(
        &mut self,
        container: &Container,
        parent: Option<&'static Node>,
        levels: usize,
        meta: Meta<'_>,
    ) {
        for (node, child) in children(container, parent, levels) {
            self.child(node, child, parent, levels.saturating_sub(1), meta);
        }
    }

    fn child(
        &mut self,
        node: &'static Node,
        child: &Child,
        parent: Option<&'static Node>,
        levels: usize,
        meta: Meta<'_>,
    ) {
        let of = |instance: Written<'_>| described(meta, node, instance);
        match child {
            Child::Leaf(value) => self.leaf(node, value, parent, &of(Written::Value(value)).0),
            Child::LeafList(values) => {
                for value in values.iter() {
                    self.leaf(node, value, parent, &of(Written::Value(value)).0);
                    if !self.drained() {
                        return;
                    }
                }
            }
            Child::Container(container) => {
                let (notes, below) = of(Written::Content(container, 0));
                self.element(node, container, parent, levels, &notes, below.as_deref());
            }
            Child::List(list) => {
                for (position, entry) in list.iter().enumerate() {
                    let (notes, below) = of(Written::Content(&entry, position));
                    self.element(node, &entry, parent, levels, &notes, below.as_deref());
                    if !self.drained() {
                        return;
                    }
                }
            }
            Child::Any(any) => {
                self.open(node, parent, &of(Written::Any).0, Vec::new());
                self.write(">");
                let text = anydata::as_xml(any, node, self.options.schema);
                self.write(&text);
                self.close(node);
            }
        }
    }

    fn element(
        &mut self,
        node: &'static Node,
        content: &Container,
        parent: Option<&'static Node>,
        levels: usize,
        notes: &[Note],
        meta: Meta<'_>,
    ) {
        self.open(node, parent, notes, Vec::new());
        let (start, taken) = (self.out.len(), self.taken);
        self.write(">");
        self.children(content, Some(node), levels, meta);
        match self.out.len() == start + 1 && self.taken == taken {
            true => {
                self.out.truncate(start);
                self.write("/>");
            }
            false => self.close(node),
        }
    }

    fn leaf(&mut self, node: &'static Node, value: &Value, parent: Option<&'static Node>, notes: &[Note]) {
        let mut modules = Vec::new();
        let mut text = text(value, &mut modules);
        if node.ty().is_some_and(Type::is_xpath) {
            let path = Some(&text).filter(|_| PathPattern::is_value_of(node));
            match path.and_then(|text| PathPattern::parse(text, &ModuleNames(self.options.schema)).ok()) {
                Some(path) => text = Cow::Owned(pattern(&path, &mut modules)),
                None => self.note_names(&text, &mut modules),
            }
        }
        self.open(node, parent, notes, modules);
        if *value == Value::Empty {
            return self.write("/>");
        }
        self.write(">");
        self.write(&escape(&text));
        self.close(node);
    }

    /// The modules that an XPath expression names: in XML its prefixes are those in scope where it stands (RFC 8639,
    /// `stream-xpath-filter`).
    fn note_names(&self, expression: &str, modules: &mut Vec<&'static Module>) {
        for (token, _) in tokens(expression).unwrap_or_default() {
            let (Token::Name(Some(prefix), _) | Token::PrefixStar(prefix)) = token else { continue };
            let known = self.options.schema.modules.iter().find(|module| module.name == prefix);
            known.into_iter().for_each(|module| note(module, modules));
        }
    }

    /// A start tag without its end: the name, its annotations as attributes (RFC 7952 section 5.1), and the
    /// prefixes that these and the value use. Modules lend their names as prefixes: they are unique, and the
    /// canonical text uses them already.
    fn open(
        &mut self,
        node: &'static Node,
        parent: Option<&'static Node>,
        notes: &[Note],
        mut modules: Vec<&'static Module>,
    ) {
        self.write("<");
        self.write(node.name);
        if node.needs_prefix_below(parent) {
            self.namespace("", node.module.namespace);
        }
        let mut declared: Vec<&str> = Vec::new();
        for Note { annotation, value } in notes {
            // A module with this name could lend it to the value.
            let taken = modules.iter().any(|module| module.name == annotation.prefix);
            let prefix = if taken { annotation.module.name } else { annotation.prefix };
            let text = match value {
                Value::Identity(identity) if identity.module.namespace == annotation.namespace => {
                    Cow::Owned(format!("{prefix}:{}", identity.name))
                }
                value => text(value, &mut modules),
            };
            if !declared.contains(&prefix) {
                self.namespace(prefix, annotation.namespace);
                declared.push(prefix);
            }
            for part in [" ", prefix, ":", annotation.name, "=\"", &escape(&text), "\""] {
                self.write(part);
            }
        }
        for module in modules {
            self.namespace(module.name, module.namespace);
        }
    }

    /// The declaration of a prefix; of the default namespace if that is empty.
    fn namespace(&mut self, prefix: &str, namespace: &str) {
        let colon = if prefix.is_empty() { "" } else { ":" };
        for part in [" xmlns", colon, prefix, "=\"", &escape(namespace), "\""] {
            self.write(part);
        }
    }

    /// Lets what is written be taken away. False if the rest is not wanted.
    fn drained(&mut self) -> bool {
        let before = self.out.len();
        let goes_on = self.options.drained(self.out);
        self.taken += before - self.out.len();
        goes_on
    }

    fn close(&mut self, node: &'static Node) {
        self.write("</");
        self.write(node.name);
        self.write(">");
    }

    fn write(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// The lexical form of a value, not escaped. The modules that it names, for the declarations of the prefixes, are
/// added to `modules`.
fn text<'v>(value: &'v Value, modules: &mut Vec<&'static Module>) -> Cow<'v, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Enum(value) => Cow::Borrowed(value.name),
        Value::Identity(identity) => {
            note(identity.module, modules);
            Cow::Owned(value.canonical())
        }
        Value::Instance(path) => Cow::Owned(instance(path, modules)),
        other => Cow::Owned(other.canonical()),
    }
}

/// An instance-identifier with a prefix on every name, which is that of its module (RFC 7950 section 9.13.2).
/// The modules that it names, for the declarations of the prefixes, are added to `modules`.
pub fn instance(path: &InstancePath, modules: &mut Vec<&'static Module>) -> String {
    let mut text = String::new();
    for step in &path.steps {
        note(step.node.module, modules);
        // Writing into a string cannot fail.
        let _ = write!(text, "/{}", step.node.qualified_name());
        match &step.selector {
            Selector::None => {}
            Selector::Position(position) => {
                let _ = write!(text, "[{position}]");
            }
            Selector::Value(value) => {
                let _ = write!(text, "[.={}]", literal(value, modules));
            }
            Selector::Key(key) => {
                for (leaf, value) in step.node.keys().iter().zip(key.values()) {
                    note(leaf.module, modules);
                    let _ = write!(text, "[{}={}]", leaf.qualified_name(), literal(value, modules));
                }
            }
        }
    }
    text
}

/// The same of a path of RFC 8341, which has to have them as well (`node-instance-identifier`).
fn pattern(path: &PathPattern, modules: &mut Vec<&'static Module>) -> String {
    let mut text = String::new();
    for StepPattern { node, wanted } in &path.steps {
        note(node.module, modules);
        let _ = write!(text, "/{}", node.qualified_name());
        for (leaf, wanted) in wanted {
            let name = if leaf == node { ".".to_owned() } else { leaf.qualified_name() };
            let wanted = match wanted {
                Wanted::Value(value) => literal(value, modules),
                Wanted::User => USER.to_owned(),
            };
            let _ = write!(text, "[{name}={wanted}]");
        }
    }
    if text.is_empty() { "/".to_owned() } else { text }
}

/// A value in a predicate; the names in it have prefixes too.
fn literal(value: &Value, modules: &mut Vec<&'static Module>) -> String {
    match value {
        Value::Identity(identity) => {
            note(identity.module, modules);
            quoted(&value.canonical())
        }
        Value::Instance(path) => quoted(&instance(path, modules)),
        value => quoted(&value.canonical()),
    }
}

fn note(module: &'static Module, modules: &mut Vec<&'static Module>) {
    if !modules.contains(&module) {
        modules.push(module);
    }
}

/// A text for use between tags or in a double-quoted attribute. Characters that XML cannot express, which
/// only a JSON anyxml can have, become U+FFFD.
pub fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '<' | '>' | '&' | '"' | '\r') || !is_char(c);
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // Read back as it is, a carriage return would become a line feed.
            '\r' => escaped.push_str("&#13;"),
            c if is_char(c) => escaped.push(c),
            _ => escaped.push('\u{FFFD}'),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character can stand in XML 1.0 (section 2.2).
pub fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
