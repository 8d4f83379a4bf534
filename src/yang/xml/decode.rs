//! XML documents to instance data: namespaces, and the lexical form of values.
//!
//! The rules that JSON shares are in `yang::decode`.

use super::parse::{Attribute, Element, SPACE, Scope, document, is_space};
use crate::yang::decode::{
    DecodeOptions, Decoder, Inside, Item, Place, Source, Wrapper, called, candidates, find_child, hint,
};
use crate::yang::error::{Error, Tag};
use crate::yang::metadata::{Annotation, Note};
use crate::yang::path::{InstancePath, PathPattern, Selector, Step};
use crate::yang::schema::{Base, Kind, Module, Node, Schema, Type};
use crate::yang::tree::{AnyData, Child, Container, Key};
use crate::yang::types::{self, Names, TypeError};
use crate::yang::value::Value;
use crate::yang::xpath::lex::{Token, tokens};

/// Decodes a document whose root element is a child of the instance `above`: a POST to a datastore or data
/// resource (RFC 8040 section 4.4.1).
///
/// # Errors
/// The text is malformed or does not fit the schema.
pub fn decode_below(
    bytes: &[u8],
    above: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    let root = document(bytes, options.depth_max)?;
    let place = Place::at(&above.steps);
    let node = resolve(&root, above.node(), schema, &place)?;
    let decoder = Decoder::new(schema, options, above.steps.iter().map(|s| s.node));
    let notes = notes(&root, node, &decoder, &place)?;
    decoder.content(vec![Item { node, source: root, notes }], &place)
}

/// Decodes a document whose root element is the instance that `target` leads to.
///
/// A list entry comes back as [`Child::Container`], a leaf-list entry as [`Child::Leaf`]. Keys or value have
/// to be those of the target's selector. Where the target has no selector, the list or leaf-list with this
/// one entry is given. The target of an operation's input is the path to the operation and one step more. The
/// instance itself is given whatever becomes of its annotations.
///
/// # Errors
/// The text is malformed, is another element or does not fit the schema.
pub fn decode_one(
    bytes: &[u8],
    target: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions<'_>,
) -> Result<Child, Error> {
    decode_element(document(bytes, options.depth_max)?, target, schema, options)
}

/// The same of an element that was parsed before.
///
/// # Errors
/// It is another element or does not fit the schema.
pub fn decode_element(
    root: Element<'_>,
    target: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions<'_>,
) -> Result<Child, Error> {
    let decoder = Decoder::new(schema, options, target.steps.iter().map(|s| s.node));
    let Some((last, above)) = target.steps.split_last() else {
        return decoder.instance(Vec::<(Element<'_>, Vec<Note>)>::new(), target);
    };
    let place = Place::at(above);
    expect(&root, last.node.name, last.node.module.namespace, &place)?;
    let notes = notes(&root, last.node, &decoder, &place)?;
    decoder.instance(vec![(root, notes)], target)
}

/// Decodes what stands in an element that was parsed before: the children of the datastore.
///
/// # Errors
/// They do not fit the schema.
pub fn decode_inside(
    around: Element<'_>,
    schema: &Schema,
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    let place = Place::at(&[]);
    let decoder = Decoder::new(schema, options, None);
    let inside = around.children(None, &decoder, &place)?;
    decoder.content(inside.children, &place)
}

/// The instance below `above` that an element stands for, as far as a path has to tell: the keys of a list entry and the
/// value of a leaf-list entry are read, and nothing else of it.
///
/// # Errors
/// There is no such node, or a key or value is missing or wrong.
pub fn step(element: &Element<'_>, above: &InstancePath, schema: &Schema) -> Result<Step, Error> {
    let place = Place::at(&above.steps);
    let node = resolve(element, above.node(), schema, &place)?;
    let value = |element: &Element<'_>, leaf: &'static Node, place: &Place<'_>| {
        element.value(leaf, schema).map_err(|e| {
            let error = place.error(Tag::InvalidValue, leaf.name, e.message);
            Error { app_tag: e.app_tag.map(Into::into), ..error }
        })
    };
    let selector = match &node.kind {
        Kind::LeafList { .. } => Selector::Value(value(element, node, &place)?),
        Kind::List { .. } if !node.keys().is_empty() => {
            let here = place.below(node, Selector::None);
            let key = |leaf: &&'static Node| {
                let is_it = |child: &&Element<'_>| {
                    child.name == leaf.name && child.namespace.as_ref() == leaf.module.namespace
                };
                let Some(child) = element.children.iter().find(is_it) else {
                    let message = format!("<{}> needs its key <{}>", node.name, leaf.name);
                    return Err(here.error(Tag::MissingElement, leaf.name, message));
                };
                value(child, leaf, &here)
            };
            Selector::Key(Key::new(node.keys().iter().map(key).collect::<Result<_, Error>>()?))
        }
        _ => Selector::None,
    };
    Ok(Step { node, selector })
}

/// Checks the attributes of an element that stands for the instance `target` and is not decoded.
///
/// # Errors
/// There is no such annotation, or its value is wrong.
pub fn attributes(
    element: &Element<'_>,
    target: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions<'_>,
) -> Result<(), Error> {
    let Some((last, above)) = target.steps.split_last() else { return Ok(()) };
    let decoder = Decoder::new(schema, options, above.iter().map(|step| step.node));
    notes(element, last.node, &decoder, &Place::at(above)).map(drop)
}

/// Decodes a document whose root element stands around the whole datastore.
///
/// # Errors
/// The text is malformed, is another element or does not fit the schema.
pub fn decode_wrapped(
    bytes: &[u8],
    wrapper: &Wrapper,
    schema: &Schema,
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    let place = Place::at(&[]);
    let root = document(bytes, options.depth_max)?;
    expect(&root, wrapper.name, wrapper.namespace, &place)?;
    if let Some(attribute) = root.attributes.first() {
        let why = "there is no instance here that it could be about";
        return Err(place.unknown_attribute(root.name, attribute.full_name, why));
    }
    let decoder = Decoder::new(schema, options, None);
    let inside = root.children(None, &decoder, &place)?;
    decoder.content(inside.children, &place)
}

/// That the root element is the one that is wanted.
fn expect(root: &Element<'_>, name: &str, namespace: &str, place: &Place<'_>) -> Result<(), Error> {
    if root.name != name || root.namespace.as_ref() != namespace {
        let message =
            format!("<{}> cannot stand here: <{name} xmlns=\"{namespace}\"> is expected", root.name);
        return Err(place.error(Tag::UnknownElement, root.name, message));
    }
    Ok(())
}

impl Source for Element<'_> {
    fn children(
        self,
        parent: Option<&'static Node>,
        decoder: &Decoder<'_>,
        place: &Place<'_>,
    ) -> Result<Inside<Self>, Error> {
        if !is_space(&self.text) {
            let message = format!("<{}> has text where only elements can stand", self.name);
            return Err(place.error(Tag::BadElement, self.name, message));
        }
        let resolved = |child| {
            let node = resolve(&child, parent, decoder.schema, place)?;
            Ok(Item { node, notes: notes(&child, node, decoder, place)?, source: child })
        };
        let children = self.children.into_iter().map(resolved).collect::<Result<_, Error>>()?;
        // What is said of an element stands at its own tag, and was read with that.
        Ok(Inside { own: Vec::new(), children })
    }

    fn value(&self, node: &'static Node, schema: &Schema) -> Result<Value, TypeError> {
        let Some(ty) = node.ty() else { return refuse(format!("\"{}\" has no value", node.name)) };
        if let Some(child) = self.children.first() {
            return refuse(format!("a value is text, not the element <{}>", child.name));
        }
        // RFC 7950 section 9.11: of the type empty there is no value, not even a blank one.
        let whole = keeps_space(ty) || matches!(ty.base, Base::Empty);
        let text = if whole { &self.text } else { self.text.trim_matches(SPACE) };
        let names = Prefixes { scope: &self.scope, schema };
        if ty.is_xpath() {
            // A path that is understood can name identities in its keys, too.
            let path = Some(text).filter(|_| PathPattern::is_value_of(node));
            let text = match path.and_then(|text| PathPattern::parse(text, &names).ok()) {
                Some(path) => path.to_string(),
                None => with_module_names(text, &self.scope, schema),
            };
            return types::parse(ty, &text, &names, node.module);
        }
        types::parse(ty, text, &names, node.module)
    }

    fn key(&self, leaf: &'static Node, schema: &Schema) -> Option<Result<Value, TypeError>> {
        let is_it = |e: &&Self| e.name == leaf.name && e.namespace.as_ref() == leaf.module.namespace;
        self.children.iter().find(is_it).map(|element| element.value(leaf, schema))
    }

    fn any(self, node: &'static Node, _: &Schema) -> Result<AnyData, TypeError> {
        if matches!(node.kind, Kind::AnyData) {
            if !is_space(&self.text) {
                return refuse("an anydata has elements, not text".into());
            }
            self.children.iter().try_for_each(check_anydata)?;
        }
        Ok(AnyData::Xml(self.content().into()))
    }
}

/// The node that an element stands for.
fn resolve(
    element: &Element<'_>,
    parent: Option<&'static Node>,
    schema: &Schema,
    place: &Place<'_>,
) -> Result<&'static Node, Error> {
    let Element { name, namespace, .. } = element;
    // Nearly always it is that of the parent.
    let same = parent.map(|p| p.module).filter(|m| m.namespace == namespace.as_ref());
    let Some(module) = same.or_else(|| schema.namespace(namespace)) else {
        let message = match namespace.is_empty() {
            true => format!("<{name}> has no namespace"),
            false => format!("<{name}>: no implemented module has the namespace \"{namespace}\""),
        };
        let error = place.error(Tag::UnknownNamespace, name, message);
        return Err(error.info("bad-namespace", namespace.as_ref()));
    };
    if let Some(node) = find_child(parent, module, name) {
        return Ok(node);
    }
    let possible = candidates(parent, schema);
    let hint = match possible.iter().find(|node| node.name == *name) {
        Some(node) => format!("; did you mean the one in namespace \"{}\"?", node.module.namespace),
        None => {
            let same = possible.iter().filter(|node| node.module == module);
            let names: Vec<String> = same.map(|node| node.name.to_owned()).collect();
            hint(name, &names)
        }
    };
    let what = called(parent, |name| format!("<{name}>"));
    Err(place.error(
        Tag::UnknownElement,
        name,
        format!("{what} has no child <{name}> of module {}{hint}", module.name),
    ))
}

/// The attributes of an element that stands for the child `node` of the place (RFC 7952 section 5.1).
fn notes(
    element: &Element<'_>,
    node: &'static Node,
    decoder: &Decoder<'_>,
    place: &Place<'_>,
) -> Result<Vec<Note>, Error> {
    let note = |attribute: &Attribute<'_>| {
        let is_it = |a: &Annotation| a.name == attribute.name && a.namespace == attribute.namespace.as_ref();
        let is_module = |m: &Module| m.namespace == attribute.namespace.as_ref();
        let Some(meaning) = decoder.annotation(attribute.name, is_it, is_module) else {
            let below = place.below(node, Selector::None);
            let why = "there is no such annotation here";
            let error = below.unknown_attribute(node.name, attribute.full_name, why);
            return Err(match attribute.namespace.as_ref() {
                "" => error,
                namespace => error.info("bad-namespace", namespace),
            });
        };
        let names = Prefixes { scope: &element.scope, schema: decoder.schema };
        let parse = |ty: &'static Type, module| {
            let text = if keeps_space(ty) { &attribute.value } else { attribute.value.trim_matches(SPACE) };
            types::parse(ty, text, &names, module)
        };
        Decoder::note(meaning, parse, Some(node), place)
    };
    element.attributes.iter().filter_map(|attribute| note(attribute).transpose()).collect()
}

/// RFC 7950 section 7.10: what can be modelled with YANG never has text beside elements.
fn check_anydata(element: &Element<'_>) -> Result<(), TypeError> {
    if !element.children.is_empty() && !is_space(&element.text) {
        return refuse(format!("<{}> has text and elements", element.name));
    }
    element.children.iter().try_for_each(check_anydata)
}

/// An XPath expression with names of modules in place of the prefixes that are in scope here: only so does it mean
/// the same elsewhere (RFC 8639, `stream-xpath-filter`). What is no expression stays as it is, for others to refuse.
pub fn with_module_names(text: &str, scope: &Scope<'_>, schema: &Schema) -> String {
    let mut named = String::with_capacity(text.len());
    let mut done = 0;
    for (token, offset) in tokens(text).unwrap_or_default() {
        let (Token::Name(Some(prefix), _) | Token::PrefixStar(prefix)) = token else { continue };
        let module = scope.namespace(prefix).and_then(|namespace| schema.namespace(&namespace));
        if let Some(module) = module {
            named.push_str(text.get(done..offset).unwrap_or_default());
            named.push_str(module.name);
            done = offset + prefix.len();
        }
    }
    named.push_str(text.get(done..).unwrap_or_default());
    named
}

/// Whether white space around a value belongs to it, as it does only in strings.
fn keeps_space(ty: &Type) -> bool {
    match &ty.base {
        Base::String(..) => true,
        Base::Union(members) => members.iter().any(|member| keeps_space(member)),
        Base::LeafRef(leafref) => keeps_space(leafref.real),
        _ => false,
    }
}

/// Names as in RFC 7950 sections 9.10.3 and 9.13.2: the qualifier is a prefix of the element.
struct Prefixes<'e> {
    scope: &'e Scope<'e>,
    schema: &'e Schema,
}

impl Prefixes<'_> {
    /// A module that is only imported also has identities.
    fn by_namespace(&self, namespace: &str) -> Option<&'static Module> {
        let any = || self.schema.modules.iter().copied().find(|m| m.namespace == namespace);
        self.schema.namespace(namespace).or_else(any)
    }
}

impl Names for Prefixes<'_> {
    fn module(&self, prefix: &str) -> Option<&'static Module> {
        let namespace = self.scope.namespace(prefix).filter(|_| !prefix.is_empty())?;
        self.by_namespace(&namespace)
    }

    fn default_module(&self) -> Option<&'static Module> {
        self.by_namespace(&self.scope.namespace("")?)
    }

    fn schema(&self) -> &Schema {
        self.schema
    }
}

fn refuse<T>(message: String) -> Result<T, TypeError> {
    Err(TypeError { message, app_tag: None })
}
