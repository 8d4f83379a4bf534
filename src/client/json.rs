//! Data of a server as JSON (RFC 7951) and back, by its schema: lists are arrays, numbers are numbers, and names of
//! identities have that of their module. What the schema does not know is shown as well as it can be.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::data::{Attribute, DataError, Element};
use super::resolve;
use super::schema::{Base, Kind, ModuleId, NodeId, Schema, Type};

/// Deepest nesting of JSON that is read.
const DEPTH_MAX: usize = 128;
/// The namespace of the attribute `default` (RFC 6243 section 6), which is not that of a module; in JSON its name has that of
/// [`DEFAULTS_MODULE`] (RFC 8040 section 4.8.9).
const DEFAULTS: &str = "urn:ietf:params:xml:ns:netconf:default:1.0";
const DEFAULTS_MODULE: &str = "ietf-netconf-with-defaults";

/// The instances of nodes in `parent`, or of top nodes, as a JSON object in the order they have.
pub fn encode(schema: &Schema, parent: Option<NodeId>, elements: &[Element]) -> Json {
    Encoder { schema }.object(parent, None, elements)
}

/// JSON that keeps the order of its members, which a person wants to see as the server gave them.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// A string, number, boolean or null.
    Plain(Value),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Indented by two spaces a level, without a line end.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(Some(0), &mut out);
        out
    }

    /// In one line.
    pub fn compact(&self) -> String {
        let mut out = String::new();
        self.write(None, &mut out);
        out
    }

    fn write(&self, level: Option<usize>, out: &mut String) {
        let (items, brackets): (Vec<(Option<&str>, &Json)>, _) = match self {
            Json::Plain(value) => return out.push_str(&value.to_string()),
            Json::Array(items) => (items.iter().map(|item| (None, item)).collect(), ('[', ']')),
            Json::Object(members) => {
                (members.iter().map(|(name, item)| (Some(name.as_str()), item)).collect(), ('{', '}'))
            }
        };
        out.push(brackets.0);
        let margin = |level: usize| format!("\n{}", "  ".repeat(level));
        for (number, (name, item)) in items.iter().enumerate() {
            out.push_str(if number > 0 { "," } else { "" });
            out.push_str(&level.map(|level| margin(level + 1)).unwrap_or_default());
            if let Some(name) = name {
                out.push_str(&Value::from(*name).to_string());
                out.push_str(if level.is_some() { ": " } else { ":" });
            }
            item.write(level.map(|level| level + 1), out);
        }
        if !items.is_empty() {
            out.push_str(&level.map(margin).unwrap_or_default());
        }
        out.push(brackets.1);
    }
}

struct Encoder<'s> {
    schema: &'s Schema,
}

impl Encoder<'_> {
    /// `above` is the namespace of the element that these are in.
    fn object(&self, parent: Option<NodeId>, above: Option<&str>, elements: &[Element]) -> Json {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        for element in elements {
            let node = self.node(parent, element);
            let value = self.value(node, element, elements);
            let name = self.name(element, above);
            let kind = node.map(|id| self.schema.node(id).kind);
            let is_many = matches!(kind, Some(Kind::List | Kind::LeafList));
            let place = places.get(&(&*element.namespace, element.name.as_str())).copied();
            match place.and_then(|place| members.get_mut(place)) {
                Some((_, Json::Array(items))) if is_many => items.push(value),
                // Without a schema, what is there twice is an array.
                Some((_, first)) => match (kind, &mut *first) {
                    (None, Json::Array(items)) => items.push(value),
                    _ => *first = Json::Array(vec![first.clone(), value]),
                },
                None => {
                    places.insert((&element.namespace, &element.name), members.len());
                    members.push((name.clone(), if is_many { Json::Array(vec![value]) } else { value }));
                }
            }
            self.metadata(kind, &name, element, &mut members);
        }
        Json::Object(members)
    }

    /// The node that an element is an instance of.
    fn node(&self, parent: Option<NodeId>, element: &Element) -> Option<NodeId> {
        let module = self.schema.find_namespace(&element.namespace)?;
        let name = &self.schema.module(module).name;
        let others = || {
            [Kind::Notification, Kind::Action].into_iter().find_map(|kind| {
                let mut all = self.schema.of_kind(parent, kind);
                all.find(|id| {
                    let node = self.schema.node(*id);
                    node.name == element.name && node.module == module
                })
            })
        };
        self.schema.child(parent, name, &element.name).or_else(others)
    }

    fn name(&self, element: &Element, above: Option<&str>) -> String {
        match self.schema.find_namespace(&element.namespace) {
            Some(module) if above != Some(&*element.namespace) => {
                format!("{}:{}", self.schema.module(module).name, element.name)
            }
            _ => element.name.clone(),
        }
    }

    fn value(&self, node: Option<NodeId>, element: &Element, siblings: &[Element]) -> Json {
        let inner = |parent| self.object(parent, Some(&element.namespace), &element.children);
        let Some(id) = node else { return self.guess(element) };
        match self.schema.node(id).kind {
            Kind::Leaf | Kind::LeafList => Json::Plain(self.leaf(id, element)),
            // Nodes below an anydata are those of the top (RFC 7950 section 7.10).
            Kind::AnyData => {
                let inside = resolve::below_of(self.schema, node, element, siblings);
                self.object(inside, None, &element.children)
            }
            Kind::AnyXml => self.guess(element),
            _ => inner(Some(id)),
        }
    }

    /// What the schema does not know: an object if there is something inside, else a string.
    fn guess(&self, element: &Element) -> Json {
        match element.children.is_empty() {
            true => Json::Plain(Value::from(element.text.clone())),
            false => self.object(None, Some(&element.namespace), &element.children),
        }
    }

    fn leaf(&self, id: NodeId, element: &Element) -> Value {
        let node = self.schema.node(id);
        match &node.ty {
            Some(ty) => self.typed(ty, node.module, &element.text, &element.prefixes),
            None => Value::from(element.text.clone()),
        }
    }

    /// A text of XML as a value of a type.
    fn typed(&self, ty: &Type, home: ModuleId, text: &str, prefixes: &[(String, Arc<str>)]) -> Value {
        let text = self.schema.from_prefixes(ty, home, text, prefixes);
        let plain = match &self.schema.member(ty, home, text.trim()).base {
            // Numbers of 64 bits are strings (RFC 7951 section 6.1).
            Base::Integer { bits, .. } if *bits < 64 => text.trim().parse::<i64>().ok().map(Value::from),
            Base::Boolean => text.trim().parse::<bool>().ok().map(Value::from),
            Base::Empty => Some(Value::Array(vec![Value::Null])),
            Base::String(..) | Base::Unknown => None,
            _ => Some(Value::from(text.trim())),
        };
        plain.unwrap_or_else(|| Value::from(text))
    }

    /// An attribute as the annotation that it is (RFC 7952 section 5.2.1): its name and its value. It is none in a namespace of
    /// which the server has no module; one that its module does not define is a text.
    fn annotation(&self, element: &Element, attribute: &Attribute) -> Option<(String, Json)> {
        let Attribute { name, namespace, value } = attribute;
        if **namespace == *DEFAULTS {
            // A boolean of XML Schema can be a digit.
            let is_default = matches!(value.trim(), "true" | "1");
            return Some((format!("{DEFAULTS_MODULE}:{name}"), Json::Plain(Value::from(is_default))));
        }
        let module = self.schema.find_namespace(namespace)?;
        let value = match self.schema.annotation(module, name) {
            Some(ty) => self.typed(ty, module, value, &element.prefixes),
            None => Value::from(value.clone()),
        };
        Some((format!("{}:{name}", self.schema.module(module).name), Json::Plain(value)))
    }

    /// Adds the annotations of an instance (RFC 7952 section 5.2).
    fn metadata(&self, kind: Option<Kind>, name: &str, element: &Element, members: &mut Vec<(String, Json)>) {
        let own = element.attributes.iter().filter_map(|attribute| self.annotation(element, attribute));
        let own: Vec<(String, Json)> = own.collect();
        let is_leaf = matches!(kind, Some(Kind::Leaf | Kind::LeafList)) || element.children.is_empty();
        let Some((_, value)) = members.iter_mut().find(|(other, _)| other == name) else { return };
        match (is_leaf, value) {
            (_, _) if own.is_empty() && kind != Some(Kind::LeafList) => {}
            (false, Json::Object(inner)) => inner.insert(0, ("@".to_owned(), Json::Object(own))),
            (false, Json::Array(items)) => {
                if let Some(Json::Object(inner)) = items.last_mut() {
                    inner.insert(0, ("@".to_owned(), Json::Object(own)));
                }
            }
            (_, Json::Array(items)) if kind == Some(Kind::LeafList) => {
                // One for each entry, null where there is none.
                let count = items.len();
                let name = format!("@{name}");
                let place = members.iter().position(|(other, _)| *other == name);
                if own.is_empty() && place.is_none() {
                    return;
                }
                let null = Json::Plain(Value::Null);
                let place = place.unwrap_or_else(|| {
                    members.push((name, Json::Array(Vec::new())));
                    members.len() - 1
                });
                if let Some((_, Json::Array(all))) = members.get_mut(place) {
                    all.resize(count - 1, null.clone());
                    all.push(if own.is_empty() { null } else { Json::Object(own) });
                }
            }
            _ => members.push((format!("@{name}"), Json::Object(own))),
        }
    }
}

/// Reads the members of a JSON object as instances of nodes in `parent`, or of top nodes: in the order of the schema,
/// keys first, as XML wants them (RFC 7950 sections 7.8.5 and 7.14.4). In `parent`, names of its module need not say it.
///
/// # Errors
/// It is no such object; the message says where and what was expected.
pub fn decode(schema: &Schema, parent: Option<NodeId>, value: &Value) -> Result<Vec<Element>, DataError> {
    let above = parent.map(|parent| schema.node(parent).module);
    Decoder { schema }.members(parent, above, value, "", 0)
}

struct Decoder<'s> {
    schema: &'s Schema,
}

fn wrong<T>(path: &str, expected: &str) -> Result<T, DataError> {
    Err(DataError(format!("{}: {expected}", if path.is_empty() { "/" } else { path })))
}

impl Decoder<'_> {
    fn members(
        &self,
        parent: Option<NodeId>,
        above: Option<ModuleId>,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<Vec<Element>, DataError> {
        let Value::Object(members) = value else { return wrong(path, "expected an object") };
        if depth > DEPTH_MAX {
            return wrong(path, "it is nested too deeply");
        }
        let order = parent.map(|parent| self.schema.data(Some(parent))).unwrap_or_default();
        let keys = parent.map(|parent| self.schema.node(parent).keys.as_slice()).unwrap_or_default();
        let mut found: Vec<((usize, usize), Vec<Element>)> = Vec::new();
        for (name, value) in members.iter().filter(|(name, _)| !name.starts_with('@')) {
            let path = format!("{path}/{name}");
            let (module, local) = self.name(above, name, &path)?;
            let module_name = &self.schema.module(module).name;
            let node = self.schema.child(parent, module_name, local);
            if let (None, Some(parent)) = (node, parent)
                && !matches!(self.schema.node(parent).kind, Kind::AnyData | Kind::AnyXml)
            {
                return wrong(&path, &format!("there is no such node; {}", self.known(parent)));
            }
            let mut elements = self.instances(node, module, local, value, &path, depth)?;
            self.annotate(members, name, &mut elements, &path)?;
            let key = keys.iter().position(|key| key == local).unwrap_or(usize::MAX);
            let place = order.iter().position(|id| Some(*id) == node).unwrap_or(usize::MAX);
            found.push(((key, place), elements));
        }
        found.sort_by_key(|(place, _)| *place);
        Ok(found.into_iter().flat_map(|(_, elements)| elements).collect())
    }

    fn known(&self, parent: NodeId) -> String {
        let names = self.schema.data(Some(parent));
        let mut names: Vec<&str> = names.iter().map(|id| self.schema.node(*id).name.as_str()).collect();
        names.truncate(20);
        match names.is_empty() {
            true => "nothing can be there".to_owned(),
            false => format!("expected one of {}", names.join(", ")),
        }
    }

    fn name<'n>(
        &self,
        above: Option<ModuleId>,
        name: &'n str,
        path: &str,
    ) -> Result<(ModuleId, &'n str), DataError> {
        match (name.split_once(':'), above) {
            (Some((module, local)), _) => match self.schema.find_module(module) {
                Some(module) => Ok((module, local)),
                None => wrong(path, &format!("the server has no module {module:?}")),
            },
            (None, Some(module)) => Ok((module, name)),
            (None, None) => wrong(path, "expected the name of the module and a colon before the name"),
        }
    }

    fn instances(
        &self,
        node: Option<NodeId>,
        module: ModuleId,
        name: &str,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<Vec<Element>, DataError> {
        let namespace: Arc<str> = self.schema.module(module).namespace.as_str().into();
        let kind = node.map(|id| self.schema.node(id).kind);
        let values = match (kind, value) {
            (Some(Kind::List | Kind::LeafList), Value::Array(values)) => values.as_slice(),
            (Some(Kind::List | Kind::LeafList), _) => return wrong(path, "expected an array"),
            (None | Some(Kind::AnyXml), Value::Array(values)) if *values != [Value::Null] => {
                values.as_slice()
            }
            _ => std::slice::from_ref(value),
        };
        let make = |value: &Value| {
            let mut element = Element::new(name, &namespace);
            match (kind, node) {
                (Some(Kind::Leaf | Kind::LeafList), Some(id)) => self.leaf(id, value, path, &mut element)?,
                (Some(Kind::AnyData), _) => {
                    element.children = self.members(None, Some(module), value, path, depth + 1)?;
                }
                (None | Some(Kind::AnyXml), _) => match value {
                    Value::Object(_) => {
                        element.children = self.members(None, Some(module), value, path, depth + 1)?;
                    }
                    value => element.text = plain(value, path)?,
                },
                (_, parent) => {
                    element.children = self.members(parent, Some(module), value, path, depth + 1)?;
                }
            }
            Ok(element)
        };
        values.iter().map(make).collect()
    }

    fn leaf(&self, id: NodeId, value: &Value, path: &str, element: &mut Element) -> Result<(), DataError> {
        let node = self.schema.node(id);
        let text = plain(value, path)?;
        if let Some(ty) = &node.ty {
            if !self.schema.fits(ty, node.module, &text) {
                return wrong(path, &format!("{text:?} is not of the type {}", self.schema.describe(ty)));
            }
            (element.text, element.prefixes) = self.schema.to_prefixes(ty, node.module, &text);
        }
        Ok(())
    }

    /// Puts the annotations of `name` on its instances.
    fn annotate(
        &self,
        members: &Map<String, Value>,
        name: &str,
        elements: &mut [Element],
        path: &str,
    ) -> Result<(), DataError> {
        let own = members.get(name).into_iter().flat_map(|value| match value {
            Value::Array(items) => items.iter().map(|item| item.get("@")).collect(),
            value => vec![value.get("@")],
        });
        let beside: Vec<Option<&Value>> = match members.get(&format!("@{name}")) {
            Some(Value::Array(items)) => items.iter().map(Some).collect(),
            other => vec![other],
        };
        let both = own.zip(beside.into_iter().chain(std::iter::repeat(None)));
        for (element, (own, beside)) in elements.iter_mut().zip(both) {
            let all = [own, beside].into_iter().flatten().filter_map(Value::as_object).flatten();
            for (name, value) in all {
                self.attribute(name, plain(value, path)?, path, element)?;
            }
        }
        Ok(())
    }

    /// Puts an annotation on an element as the attribute that it is (RFC 7952 section 5.1).
    fn attribute(
        &self,
        name: &str,
        text: String,
        path: &str,
        element: &mut Element,
    ) -> Result<(), DataError> {
        if let Some((DEFAULTS_MODULE, local)) = name.split_once(':') {
            let (name, namespace) = (local.to_owned(), DEFAULTS.into());
            element.attributes.push(Attribute { name, namespace, value: text });
            return Ok(());
        }
        let (module, local) = self.name(None, name, path)?;
        let (value, prefixes) = match self.schema.annotation(module, local) {
            Some(ty) => self.schema.to_prefixes(ty, module, &text),
            None => (text, Vec::new()),
        };
        for prefix in prefixes {
            if !element.prefixes.contains(&prefix) {
                element.prefixes.push(prefix);
            }
        }
        let namespace = self.schema.module(module).namespace.as_str().into();
        element.attributes.push(Attribute { name: local.to_owned(), namespace, value });
        Ok(())
    }
}

/// The text of a string, number, boolean or `[null]`.
fn plain(value: &Value, path: &str) -> Result<String, DataError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Array(items) if *items == [Value::Null] => Ok(String::new()),
        _ => wrong(path, "expected a string, a number, a boolean or [null]"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::schema::Text;
    use super::*;

    fn schema() -> Schema {
        let text = "module a { namespace urn:a; prefix a; identity root; identity one { base root; }
            container c { list l { key 'k m'; leaf v { type int64; } leaf m { type boolean; } leaf k { type uint8; } }
              leaf-list e { type enumeration { enum x; enum y; } } leaf flag { type empty; }
              leaf kind { type identityref { base root; } } leaf any { type union { type uint8; type string; } }
              anydata data; leaf text { type string; } } }";
        let other =
            "module b { namespace urn:b; prefix b; import a { prefix a; } identity two { base a:one; }
            augment /a:c { leaf more { type string; } } }";
        let of = |text: &str| Text { text: text.to_owned(), implemented: true, features: Vec::new() };
        Schema::read(&[of(text), of(other)])
    }

    const XML: &str = "<c xmlns=\"urn:a\"><l><k>1</k><m>true</m><v>5</v></l><l><k>2</k><m>false</m></l><e>x</e><e>y</e>\
        <flag/><kind xmlns:b=\"urn:b\">b:two</kind><any>7</any><data><c><any>seven</any></c></data>\
        <text> 1 &lt; 2</text><more xmlns=\"urn:b\">m</more></c>";
    const JSON: &str =
        r#"{"a:c":{"l":[{"k":1,"m":true,"v":"5"},{"k":2,"m":false}],"e":["x","y"],"flag":[null],"#;
    const REST: &str =
        r#""kind":"b:two","any":7,"data":{"a:c":{"any":"seven"}},"text":" 1 < 2","b:more":"m"}}"#;

    #[test]
    fn rfc_7951_section_5_xml_is_json_and_json_is_xml() {
        let schema = schema();
        let element = Element::parse(XML.as_bytes(), 20).unwrap();
        let json = encode(&schema, None, std::slice::from_ref(&element));
        assert_eq!(json.compact(), format!("{JSON}{REST}"));
        let value: Value = serde_json::from_str(&json.pretty()).unwrap();
        assert_eq!(decode(&schema, None, &value).unwrap(), [element]);
    }

    #[test]
    fn rfc_7952_section_5_annotations_are_attributes() {
        let schema = schema();
        let text = r#"{"a:c":{"@":{"b:x":"1"},"e":["x","y"],"@e":[null,{"b:x":"2"}],"text":"t","@text":{"b:x":"3"}}}"#;
        let elements = decode(&schema, None, &serde_json::from_str(text).unwrap()).unwrap();
        let xml = elements[0].to_xml();
        assert_eq!(xml.matches("a0:x=").count(), 3, "{xml}");
        assert_eq!(encode(&schema, None, &elements).compact(), text);
    }

    #[test]
    fn rfc_7952_section_5_2_1_values_of_annotations_have_their_types() {
        let metadata = "module ietf-yang-metadata { namespace urn:md; prefix md; extension annotation { argument name; } }";
        let text =
            "module a { namespace urn:a; prefix a; import ietf-yang-metadata { prefix md; } identity root;
            identity one { base root; } md:annotation origin { type identityref { base root; } }
            md:annotation left { type union { type uint32; type enumeration { enum unknown; } } }
            leaf x { type string; } leaf-list y { type string; } }";
        let of = |text: &str| Text { text: text.to_owned(), implemented: true, features: Vec::new() };
        let schema = Schema::read(&[of(metadata), of(text)]);
        let xml = "<data xmlns:p='urn:a' xmlns:wd='urn:ietf:params:xml:ns:netconf:default:1.0'>\
            <x xmlns='urn:a' p:origin='p:one' wd:default='true'>x</x><y xmlns='urn:a' p:left='5'>1</y>\
            <y xmlns='urn:a' p:left='unknown' wd:default='1'>2</y></data>";
        let elements = Element::parse(xml.as_bytes(), 20).unwrap().children;
        let json = encode(&schema, None, &elements).compact();
        let default = "\"ietf-netconf-with-defaults:default\":true";
        assert_eq!(
            json,
            format!(
                "{{\"a:x\":\"x\",\"@a:x\":{{\"a:origin\":\"a:one\",{default}}},\"a:y\":[\"1\",\"2\"],\
                 \"@a:y\":[{{\"a:left\":5}},{{\"a:left\":\"unknown\",{default}}}]}}"
            )
        );
        let again = decode(&schema, None, &serde_json::from_str(&json).unwrap()).unwrap();
        assert_eq!(encode(&schema, None, &again).compact(), json);
        let xml = again[0].to_xml();
        assert!(xml.contains("xmlns:a=\"urn:a\"") && xml.contains(":origin=\"a:one\""), "{xml}");
        assert!(xml.contains("=\"urn:ietf:params:xml:ns:netconf:default:1.0\""), "{xml}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let schema = schema();
        for (text, message) in [
            ("[]", "/: expected an object"),
            (r#"{"c":{}}"#, "/c: expected the name of the module and a colon before the name"),
            (r#"{"z:c":{}}"#, "/z:c: the server has no module \"z\""),
            (r#"{"a:c":{"l":{}}}"#, "/a:c/l: expected an array"),
            (r#"{"a:c":{"l":[{"k":300}]}}"#, "/a:c/l/k: \"300\" is not of the type uint8 (0..255)"),
            (r#"{"a:c":{"l":[{"n":1}]}}"#, "/a:c/l/n: there is no such node; expected one of v, m, k"),
            (r#"{"a:c":{"text":{}}}"#, "/a:c/text: expected a string, a number, a boolean or [null]"),
        ] {
            let value = serde_json::from_str(text).unwrap();
            assert_eq!(decode(&schema, None, &value).unwrap_err().0, message);
        }
        let deep = "{\"a:c\":{\"data\":".repeat(100) + "{}" + &"}}".repeat(100);
        let value = serde_json::from_str(&deep);
        assert!(value.is_err() || decode(&schema, None, &value.unwrap()).is_err());
    }

    #[test]
    fn what_the_schema_does_not_know_is_shown() {
        let xml = "<x xmlns=\"urn:x\"><y>1</y><y>2</y><z/></x>";
        let element = Element::parse(xml.as_bytes(), 20).unwrap();
        assert_eq!(encode(&schema(), None, &[element]).compact(), r#"{"x":{"y":["1","2"],"z":""}}"#);
    }
}
