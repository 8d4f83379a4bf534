//! XML text to a tree of elements with their namespaces.
//!
//! quick-xml splits the text into tags and texts; what makes it well-formed (XML 1.0, Namespaces in XML)
//! and is not checked there is checked here. It knows no YANG.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::encode::is_char;
use crate::yang::decode::{line_and_column, malformed, utf8};
use crate::yang::error::Error;

/// Most attributes of one element, declarations of namespaces included, and most prefixes in scope.
const ATTRIBUTES_MAX: usize = 64;

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// An element.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    /// The local name.
    pub name: &'a str,
    /// The namespace; empty for none.
    pub namespace: Rc<str>,
    /// The attributes that do not declare a namespace.
    pub attributes: Vec<Attribute<'a>>,
    /// All text directly inside, in one piece; white space between elements is left out.
    pub text: Cow<'a, str>,
    /// The elements directly inside.
    pub children: Vec<Element<'a>>,
    /// The namespaces in scope.
    pub scope: Rc<Scope<'a>>,
    /// What stands between the tags.
    pub inner: &'a str,
    /// Offset of `inner` in the document.
    inner_at: usize,
    /// Offset in the document of the end of the name in the start tag.
    name_end: usize,
}

/// An attribute.
#[derive(Debug, Clone)]
pub struct Attribute<'a> {
    /// Its name with its prefix, as written.
    pub full_name: &'a str,
    /// The local name.
    pub name: &'a str,
    /// The namespace; empty for none.
    pub namespace: Rc<str>,
    /// The value, normalized.
    pub value: String,
}

/// The namespace declarations in scope.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    /// Prefixes and their namespaces; the empty prefix is the default namespace.
    pub bindings: Vec<(&'a str, Rc<str>)>,
    /// The prefixes that the element itself declares.
    declared: Vec<&'a str>,
}

impl Scope<'_> {
    /// The namespace of a prefix; that of the empty prefix is empty if there is no default namespace.
    pub fn namespace(&self, prefix: &str) -> Option<Rc<str>> {
        match self.bindings.iter().find(|(p, _)| *p == prefix) {
            Some((_, namespace)) => Some(namespace.clone()),
            None if prefix.is_empty() => Some("".into()),
            None if prefix == "xml" => Some(XML_NAMESPACE.into()),
            None => None,
        }
    }
}

impl Element<'_> {
    /// The content as text that can stand anywhere: with the declarations in scope on its elements, of prefixes that stand
    /// before some colon inside, since values may use any.
    pub fn content(&self) -> String {
        let mut text = String::with_capacity(self.inner.len() + 64);
        let is_other = |c: char| c.is_ascii() && !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let before = |at: usize| self.inner.get(..at)?.rsplit(is_other).next();
        let used: BTreeSet<&str> = self.inner.match_indices(':').filter_map(|(at, _)| before(at)).collect();
        let mut done = 0;
        for child in &self.children {
            let at = child.name_end.saturating_sub(self.inner_at);
            text.push_str(self.inner.get(done..at).unwrap_or_default());
            done = at;
            let own = !Rc::ptr_eq(&child.scope, &self.scope);
            let declares = |prefix: &str| own && child.scope.declared.contains(&prefix);
            let default = self.scope.namespace("").unwrap_or_default();
            let prefixed =
                self.scope.bindings.iter().filter(|(prefix, _)| !prefix.is_empty() && used.contains(prefix));
            for (prefix, namespace) in prefixed.filter(|(prefix, _)| !declares(prefix)) {
                text.push_str(&format!(" xmlns:{prefix}=\"{}\"", super::escape(namespace)));
            }
            if !declares("") {
                text.push_str(&format!(" xmlns=\"{}\"", super::escape(&default)));
            }
        }
        text.push_str(self.inner.get(done..).unwrap_or_default());
        text
    }
}

/// Parses a document.
///
/// # Errors
/// It is not well-formed, or nested deeper than `depth_max`: with line and column.
pub fn document(bytes: &[u8], depth_max: usize) -> Result<Element<'_>, Error> {
    let text = utf8(bytes)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut parser = Parser { text, depth_max, open: Vec::new(), root: None };
    parser.run().map_err(|(at, message)| {
        let (line, column) = line_and_column(text.as_bytes(), at);
        malformed(format!("not valid XML: {message} at line {line} column {column}"))
    })?;
    parser.root.ok_or_else(|| malformed("not valid XML: there is no element"))
}

type Fault = (usize, String);

struct Parser<'a> {
    text: &'a str,
    depth_max: usize,
    open: Vec<Element<'a>>,
    root: Option<Element<'a>>,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<(), Fault> {
        if let Some((at, c)) = self.text.char_indices().find(|(_, c)| !is_char(*c)) {
            return Err((at, format!("the character U+{:04X} is not allowed", c as u32)));
        }
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().check_comments = true;
        loop {
            let start = offset(reader.buffer_position());
            let event = reader.read_event().map_err(|e| (offset(reader.error_position()), e.to_string()))?;
            let end = offset(reader.buffer_position());
            let fault = |message: &str| (start, message.to_owned());
            match event {
                Event::Start(tag) => {
                    let element = self.element(start, start + 1 + tag.name().as_ref().len(), end - 1, end)?;
                    self.open.push(element);
                }
                Event::Empty(tag) => {
                    let element = self.element(start, start + 1 + tag.name().as_ref().len(), end - 2, end)?;
                    self.close(element);
                }
                Event::End(_) => {
                    let mut element = self.open.pop().ok_or_else(|| fault("an end tag without start tag"))?;
                    element.inner = self.text.get(element.inner_at..start).unwrap_or_default();
                    self.close(element);
                }
                Event::Text(text) => {
                    if text.contains("]]>") {
                        return Err(fault("\"]]>\" in text"));
                    }
                    self.push_text(text.xml10_content(), start)?;
                }
                Event::CData(text) => {
                    if self.open.is_empty() {
                        return Err(fault("text outside of the root element"));
                    }
                    self.push_text(text.xml10_content(), start)?;
                }
                Event::GeneralRef(name) => {
                    let character = reference(&name).map_err(|message| (start, message))?;
                    match self.open.last_mut() {
                        Some(element) => element.text.to_mut().push(character),
                        None => return Err(fault("text outside of the root element")),
                    }
                }
                Event::Decl(_) if start == 0 => self.declaration(end)?,
                Event::Decl(_) => return Err(fault("an XML declaration that is not at the start")),
                Event::PI(instruction) => {
                    if !is_name(instruction.target()) {
                        return Err(fault("a processing instruction without a name"));
                    }
                }
                Event::DocType(_) => return Err(fault("a document type declaration is not accepted")),
                Event::Comment(_) => {}
                Event::Eof if self.open.is_empty() => return Ok(()),
                Event::Eof => return Err(fault("an element is not closed")),
            }
        }
    }

    /// The element whose start tag begins at `start`; its attributes are between `name_end` and `tag_end`.
    fn element(
        &self,
        start: usize,
        name_end: usize,
        tag_end: usize,
        end: usize,
    ) -> Result<Element<'a>, Fault> {
        if self.root.is_some() && self.open.is_empty() {
            return Err((start, "a second root element".into()));
        }
        if self.open.len() >= self.depth_max {
            return Err((start, "elements are nested too deep".into()));
        }
        let above = self.open.last().map(|parent| parent.scope.clone()).unwrap_or_default();
        let attributes = attributes(self.text, name_end, tag_end)?;
        let scope = scope(above, &attributes).map_err(|message| (start, message))?;
        let (prefix, name) = qname(self.text.get(start + 1..name_end).unwrap_or_default())
            .ok_or_else(|| (start, "an element without a valid name".to_owned()))?;
        let resolve = |prefix: &str| {
            scope.namespace(prefix).ok_or_else(|| (start, format!("the prefix \"{prefix}\" is not declared")))
        };
        let namespace = resolve(prefix)?;
        let mut seen = BTreeSet::new();
        let mut others = Vec::new();
        for (full_name, value) in attributes.iter().filter(|(name, _)| declared_prefix(name).is_none()) {
            let Some((prefix, name)) = qname(full_name) else {
                return Err((start, format!("the attribute \"{full_name}\" has no valid name")));
            };
            // The default namespace is not that of an attribute without prefix.
            let namespace: Rc<str> = if prefix.is_empty() { "".into() } else { resolve(prefix)? };
            if !seen.insert((namespace.clone(), name)) {
                return Err((start, format!("the attribute \"{full_name}\" stands twice")));
            }
            let value = unescape(value).map_err(|message| (start, message))?;
            others.push(Attribute { full_name, name, namespace, value });
        }
        let text = Cow::Borrowed("");
        Ok(Element {
            name,
            namespace,
            attributes: others,
            text,
            children: Vec::new(),
            scope,
            inner: "",
            inner_at: end,
            name_end,
        })
    }

    fn close(&mut self, mut element: Element<'a>) {
        // Elements are large and most have few children: what a vector keeps in reserve would double the tree.
        element.children.shrink_to_fit();
        match self.open.last_mut() {
            Some(parent) => {
                if is_space(&parent.text) {
                    parent.text = Cow::Borrowed("");
                }
                parent.children.push(element);
            }
            None => self.root = Some(element),
        }
    }

    fn push_text(&mut self, text: Cow<'a, str>, at: usize) -> Result<(), Fault> {
        match self.open.last_mut() {
            // White space that only separates elements is not kept.
            Some(element) if !element.children.is_empty() && is_space(&text) => {}
            Some(element) if element.text.is_empty() => element.text = text,
            Some(element) => element.text.to_mut().push_str(&text),
            None if is_space(&text) => {}
            None => return Err((at, "text outside of the root element".into())),
        }
        Ok(())
    }

    /// `<?xml version="1.0" encoding="UTF-8"?>` (XML 1.0 section 2.8).
    fn declaration(&self, end: usize) -> Result<(), Fault> {
        let attributes = attributes(self.text, "<?xml".len(), end.saturating_sub("?>".len()))?;
        let names: Vec<&str> = attributes.iter().map(|(name, _)| *name).collect();
        let known = matches!(
            names.as_slice(),
            ["version"]
                | ["version", "encoding"]
                | ["version", "standalone"]
                | ["version", "encoding", "standalone"]
        );
        if !known {
            return Err((0, "an XML declaration has a version, then maybe an encoding".into()));
        }
        for (name, value) in attributes {
            let good = match name {
                "version" => value == "1.0",
                "encoding" => value.eq_ignore_ascii_case("utf-8"),
                _ => matches!(value, "yes" | "no"),
            };
            if !good {
                return Err((0, format!("{name} \"{value}\" is not supported")));
            }
        }
        Ok(())
    }
}

/// Names and raw values of the attributes that stand in a part of the text.
fn attributes(text: &str, from: usize, to: usize) -> Result<Vec<(&str, &str)>, Fault> {
    let mut attributes = Vec::new();
    let mut rest = text.get(from..to).unwrap_or_default();
    loop {
        let trimmed = rest.trim_start_matches(SPACE);
        if trimmed.is_empty() {
            return Ok(attributes);
        }
        let at = to - trimmed.len();
        let bad = || (at, "an attribute has the form name=\"value\"".to_owned());
        if trimmed.len() == rest.len() || attributes.len() == ATTRIBUTES_MAX {
            let message =
                if trimmed.len() == rest.len() { "white space is missing" } else { "too many attributes" };
            return Err((at, message.into()));
        }
        let (name, value) = trimmed.split_once('=').ok_or_else(bad)?;
        let value = value.trim_start_matches(SPACE);
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(bad)?;
        let (value, after) = value.get(1..).and_then(|v| v.split_once(quote)).ok_or_else(bad)?;
        if value.contains('<') {
            return Err((at, "\"<\" in an attribute".into()));
        }
        check_references(value).map_err(|message| (at, message))?;
        attributes.push((name.trim_end_matches(SPACE), value));
        rest = after;
    }
}

/// The scope of an element with these attributes.
fn scope<'a>(above: Rc<Scope<'a>>, attributes: &[(&'a str, &'a str)]) -> Result<Rc<Scope<'a>>, String> {
    if attributes.iter().all(|(name, _)| declared_prefix(name).is_none()) {
        return Ok(above);
    }
    let mut scope = Scope { bindings: above.bindings.clone(), declared: Vec::new() };
    for (name, value) in attributes {
        let Some(prefix) = declared_prefix(name) else { continue };
        let namespace = unescape(value)?;
        let reserved = prefix == "xmlns"
            || namespace == XMLNS_NAMESPACE
            || (prefix == "xml") != (namespace == XML_NAMESPACE)
            || (!prefix.is_empty() && namespace.is_empty());
        if reserved || (!prefix.is_empty() && !is_name(prefix)) {
            return Err(format!("{name}=\"{value}\" is not allowed"));
        }
        if scope.declared.contains(&prefix) {
            return Err(format!("the attribute \"{name}\" stands twice"));
        }
        scope.declared.push(prefix);
        scope.bindings.retain(|(p, _)| *p != prefix);
        scope.bindings.push((prefix, namespace.into()));
    }
    if scope.bindings.len() > ATTRIBUTES_MAX {
        return Err("too many namespaces are declared".into());
    }
    Ok(Rc::new(scope))
}

/// The prefix that an attribute declares; empty for the default namespace.
fn declared_prefix(attribute: &str) -> Option<&str> {
    match attribute.strip_prefix("xmlns") {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix(':').or((rest == ":").then_some("xmlns")),
        None => None,
    }
}

/// Prefix, or the empty string, and local name.
fn qname(name: &str) -> Option<(&str, &str)> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let prefix_good = is_name(prefix) || (prefix.is_empty() && !name.starts_with(':'));
    (prefix_good && is_name(local)).then_some((prefix, local))
}

/// Whether a text is an `NCName` (Namespaces in XML section 3).
pub fn is_name(text: &str) -> bool {
    let start = |c: char| {
        c.is_ascii_alphabetic()
            || matches!(c, '_' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
                | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
                | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
                | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
    };
    let inside = |c: char| {
        start(c)
            || c.is_ascii_digit()
            || matches!(c, '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
    };
    text.starts_with(start) && text.chars().all(inside)
}

/// The characters that XML calls white space.
pub const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Whether there is nothing but white space.
pub fn is_space(text: &str) -> bool {
    text.trim_start_matches(SPACE).is_empty()
}

/// The character that a reference between `&` and `;` stands for (XML 1.0 sections 4.1 and 4.6).
fn reference(name: &str) -> Result<char, String> {
    let number = match name.strip_prefix('#') {
        None => {
            return match name {
                "lt" => Ok('<'),
                "gt" => Ok('>'),
                "amp" => Ok('&'),
                "apos" => Ok('\''),
                "quot" => Ok('"'),
                _ => Err(format!("the entity \"{name}\" is not declared")),
            };
        }
        Some(number) => number,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // from_str_radix would take a sign.
    let code = match digits.starts_with('+') {
        true => None,
        false => u32::from_str_radix(digits, radix).ok(),
    };
    let character = code.and_then(char::from_u32).filter(|c| is_char(*c));
    character.ok_or_else(|| format!("\"&{name};\" is no character"))
}

/// An attribute value with its references replaced and white space normalized (XML 1.0 section 3.3.3).
fn unescape(value: &str) -> Result<String, String> {
    let mut text = String::with_capacity(value.len());
    let mut parts = value.split('&');
    let plain = |part: &str| part.replace("\r\n", " ").replace(['\t', '\r', '\n'], " ");
    text.push_str(&plain(parts.next().unwrap_or_default()));
    for part in parts {
        let (name, rest) = part.split_once(';').ok_or("\"&\" without \";\"")?;
        text.push(reference(name)?);
        text.push_str(&plain(rest));
    }
    Ok(text)
}

/// That all references of an attribute value that is not needed are good.
fn check_references(value: &str) -> Result<(), String> {
    match value.contains('&') {
        true => unescape(value).map(|_| ()),
        false => Ok(()),
    }
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
