//! Data as the client holds it, whatever the protocol: a tree of XML elements that owns its texts. It knows no schema, and
//! never guesses a type.

use std::sync::Arc;

use crate::yang::xml::escape;
use crate::yang::xml::parse;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The local name.
    pub name: String,
    /// The namespace; empty for none.
    pub namespace: Arc<str>,
    /// The attributes that do not declare a namespace.
    pub attributes: Vec<Attribute>,
    /// The prefixes that the text or an attribute's value uses, with their namespaces: values of the types identityref and
    /// instance-identifier name modules by prefix (RFC 7950 sections 9.10.3 and 9.13.2).
    pub prefixes: Vec<(String, Arc<str>)>,
    /// All text directly inside, in one piece.
    pub text: String,
    /// The elements directly inside.
    pub children: Vec<Element>,
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The local name.
    pub name: String,
    /// The namespace; empty for none.
    pub namespace: Arc<str>,
    /// The value.
    pub value: String,
}

/// Why a text is no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);

impl Element {
    /// An element without anything inside.
    pub fn new(name: &str, namespace: &Arc<str>) -> Element {
        Element { name: name.to_owned(), namespace: Arc::clone(namespace), ..Element::default() }
    }

    /// A leaf.
    pub fn leaf(name: &str, namespace: &Arc<str>, text: &str) -> Element {
        Element { text: text.to_owned(), ..Element::new(name, namespace) }
    }

    /// Reads a document: well-formed XML 1.0 with namespaces, in UTF-8, without document type.
    ///
    /// # Errors
    /// It is not well-formed, or nested deeper than `depth_max`: with line and column.
    pub fn parse(bytes: &[u8], depth_max: usize) -> Result<Element, DataError> {
        let root = parse::document(bytes, depth_max).map_err(|error| DataError(error.message))?;
        Ok(Element::owned(&root, &mut Vec::new()))
    }

    /// The first child of this name, in whatever namespace.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name, without white space around it.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The value of an attribute without prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|a| a.name == name && a.namespace.is_empty());
        found.map(|attribute| attribute.value.as_str())
    }

    /// The same with these children.
    #[must_use]
    pub fn with(mut self, children: impl IntoIterator<Item = Element>) -> Element {
        self.children.extend(children);
        self
    }

    /// The element as XML in one line. Every namespace that it needs is declared in it.
    pub fn to_xml(&self) -> String {
        let mut out = String::new();
        self.write(None, None, &mut out);
        out
    }

    /// The element as XML, indented by two spaces a level, with a line end.
    pub fn to_pretty_xml(&self) -> String {
        let mut out = String::new();
        self.write(None, Some(0), &mut out);
        out
    }

    /// Writes at a place where the default namespace is `outer`, if there is one.
    fn write(&self, outer: Option<&str>, level: Option<usize>, out: &mut String) {
        let margin = "  ".repeat(level.unwrap_or_default());
        let end = if level.is_some() { "\n" } else { "" };
        out.push_str(&margin);
        out.push('<');
        out.push_str(&self.name);
        if outer.unwrap_or_default() != &*self.namespace {
            out.push_str(&format!(" xmlns=\"{}\"", quoted(&self.namespace)));
        }
        for (prefix, namespace) in &self.prefixes {
            out.push_str(&format!(" xmlns:{prefix}=\"{}\"", quoted(namespace)));
        }
        let mut declared: Vec<&str> = Vec::new();
        for attribute in &self.attributes {
            if attribute.namespace.is_empty() {
                out.push_str(&format!(" {}=\"{}\"", attribute.name, quoted(&attribute.value)));
                continue;
            }
            let number = match declared.iter().position(|known| *known == &*attribute.namespace) {
                Some(number) => number,
                None => {
                    declared.push(&attribute.namespace);
                    let (number, namespace) = (declared.len() - 1, quoted(&attribute.namespace));
                    out.push_str(&format!(" xmlns:{}=\"{namespace}\"", self.own_prefix(number)));
                    number
                }
            };
            let prefix = self.own_prefix(number);
            out.push_str(&format!(" {prefix}:{}=\"{}\"", attribute.name, quoted(&attribute.value)));
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>");
            out.push_str(end);
            return;
        }
        out.push('>');
        out.push_str(&escape(&self.text));
        if !self.children.is_empty() {
            out.push_str(end);
            for child in &self.children {
                child.write(Some(&self.namespace), level.map(|level| level + 1), out);
            }
            out.push_str(&margin);
        }
        out.push_str(&format!("</{}>", self.name));
        out.push_str(end);
    }

    /// A prefix for the namespace of an attribute, which no value uses.
    fn own_prefix(&self, number: usize) -> String {
        let mut prefix = format!("a{number}");
        while self.prefixes.iter().any(|(used, _)| *used == prefix) {
            prefix.push('_');
        }
        prefix
    }

    /// `known` holds the namespaces met so far, so that each is kept once.
    fn owned(element: &parse::Element<'_>, known: &mut Vec<Arc<str>>) -> Element {
        let mut keep = |namespace: &str| match known.iter().find(|kept| &***kept == namespace) {
            Some(kept) => Arc::clone(kept),
            None => {
                let kept: Arc<str> = namespace.into();
                known.push(Arc::clone(&kept));
                kept
            }
        };
        let namespace = keep(&element.namespace);
        let attributes: Vec<Attribute> = element
            .attributes
            .iter()
            .map(|attribute| Attribute {
                name: attribute.name.to_owned(),
                namespace: keep(&attribute.namespace),
                value: attribute.value.clone(),
            })
            .collect();
        let uses = |prefix: &str| {
            names(&element.text, prefix) || attributes.iter().any(|attribute| names(&attribute.value, prefix))
        };
        let prefixes: Vec<(String, Arc<str>)> = element
            .scope
            .bindings
            .iter()
            .filter(|(prefix, _)| !prefix.is_empty() && uses(prefix))
            .map(|(prefix, namespace)| ((*prefix).to_owned(), keep(namespace)))
            .collect();
        Element {
            name: element.name.to_owned(),
            namespace,
            attributes,
            prefixes,
            text: element.text.clone().into_owned(),
            children: element.children.iter().map(|child| Element::owned(child, known)).collect(),
        }
    }
}

/// Whether `prefix:` stands in a text as a word of its own.
fn names(text: &str, prefix: &str) -> bool {
    text.match_indices(prefix).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default().chars().next_back();
        let after = text.get(at + prefix.len()..).unwrap_or_default();
        after.starts_with(':') && !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
    })
}

/// An attribute's value; white space is kept as it is (XML 1.0 section 3.3.3).
fn quoted(value: &str) -> String {
    escape(value).replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Element {
        Element::parse(text.as_bytes(), 20).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "<a xmlns=\"urn:a\"><b>1 &lt; 2</b><c xmlns=\"urn:c\"><d xmlns=\"\"/></c></a>",
            "<a xmlns=\"urn:a\"><b xmlns:p=\"urn:p\">p:id</b></a>",
            "<a xmlns=\"urn:a\" xmlns:x=\"urn:x\" x:o=\"1\" x:p=\"&quot;&#10;\" plain=\"y\"/>",
            "<a xmlns:a0=\"urn:p\" xmlns:x=\"urn:x\" x:o=\"1\">a0:v</a>",
            "<a> kept </a>",
        ] {
            let once = read(text);
            assert_eq!(read(&once.to_xml()), once, "{text}");
        }
        assert_eq!(read("<p:a xmlns:p='urn:a'><p:b/></p:a>").to_xml(), "<a xmlns=\"urn:a\"><b/></a>");
    }

    #[test]
    fn the_prefixes_of_values_are_kept_and_no_others() {
        let tree = read("<a xmlns:p='urn:p' xmlns:q='urn:q'><b>/p:x[p:k='1']</b><c>xq:1</c></a>");
        assert_eq!(tree.children[0].prefixes, [("p".to_owned(), "urn:p".into())]);
        assert!(tree.children[1].prefixes.is_empty());
    }

    #[test]
    fn indented_xml_keeps_values_as_they_are() {
        let tree = read("<a xmlns='urn:a'><b><c> 1\n</c></b><d/></a>");
        let text = "<a xmlns=\"urn:a\">\n  <b>\n    <c> 1\n</c>\n  </b>\n  <d/>\n</a>\n";
        assert_eq!(tree.to_pretty_xml(), text);
        assert_eq!(read(text), tree);
    }
}
