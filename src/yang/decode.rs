//! Decoding by schema: the rules that JSON and XML have in common.
//!
//! A format resolves names and reads values; which nodes may stand where, how often, and what
//! makes a list entry is decided here, so that both formats accept exactly the same data.
//! Conditions over several nodes (`must`, `when`, leafref, mandatory) are never checked here.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::{ERRORS_MAX, Error, Layer, Tag};
use super::metadata::{self, Annotated, Annotation, Note, Sink};
use super::path::{InstancePath, PathPattern, Selector, Step};
use super::schema::{Kind, Module, Node, Schema, Type};
use super::tree::{AnyData, Child, Container, Key, List};
use super::types::{ModuleNames, TypeError};
use super::value::Value;

/// What is acceptable when data is decoded.
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions<'a> {
    /// Whether `config false` nodes are accepted. Inside operations and notifications they always are.
    pub allow_state: bool,
    /// Deepest nesting: of objects and arrays in JSON, of elements in XML.
    pub depth_max: usize,
    /// Who takes annotations; with `None`, data that has any is refused.
    pub metadata: Option<&'a dyn Sink>,
    /// Whether empty containers without presence are kept that stand right at the top of the document, which
    /// says with them what it is about.
    pub keep_empty: bool,
    /// Most octets of the keys of one entry. Other clients get them in the URL of the entry, where each octet takes up to three.
    pub key_bytes_max: usize,
}

impl Default for DecodeOptions<'_> {
    /// Configuration only, without annotations, nested at most 64 deep, with keys of at most 4096 octets.
    fn default() -> Self {
        DecodeOptions {
            allow_state: false,
            depth_max: 64,
            metadata: None,
            keep_empty: false,
            key_bytes_max: 4096,
        }
    }
}

/// About how many octets a value has as text; nothing for one that is never long.
fn octets(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Binary(octets) => octets.len().div_ceil(3) * 4,
        Value::Bits(_) | Value::Instance(_) => value.canonical().len(),
        _ => 0,
    }
}

/// A top-level name that no schema node stands for, such as `ietf-restconf:data` around a datastore
/// (RFC 8040 section 3.4).
#[derive(Debug, Clone, Copy)]
pub struct Wrapper {
    /// Name of the module, for JSON.
    pub module: &'static str,
    /// Its namespace, for XML.
    pub namespace: &'static str,
    /// The local name.
    pub name: &'static str,
}

/// One value of a parsed document, as a format sees it.
pub(super) trait Source: Sized {
    /// What stands in an object or element. `parent` is `None` for the root of the datastore.
    fn children(
        self,
        parent: Option<&'static Node>,
        decoder: &Decoder<'_>,
        place: &Place<'_>,
    ) -> Result<Inside<Self>, Error>;

    /// The value of a leaf or leaf-list entry.
    fn value(&self, node: &'static Node, schema: &Schema) -> Result<Value, TypeError>;

    /// The value of the key `leaf` in an entry of a list, before anything else in the entry is looked at.
    fn key(&self, leaf: &'static Node, schema: &Schema) -> Option<Result<Value, TypeError>>;

    /// The content of an anydata or anyxml.
    fn any(self, node: &'static Node, schema: &Schema) -> Result<AnyData, TypeError>;
}

/// What stands in an object or element.
pub(super) struct Inside<S> {
    /// The annotations of the instance itself that stand there, as in JSON.
    pub own: Vec<Note>,
    /// The data children in the order given; each entry of a list or leaf-list is one of them.
    pub children: Vec<Item<S>>,
}

/// A child in a document.
pub(super) struct Item<S> {
    /// What it is.
    pub node: &'static Node,
    /// Its value.
    pub source: S,
    /// The annotations that stand beside the value.
    pub notes: Vec<Note>,
}

impl<S> Inside<S> {
    /// The children of the datastore, or of a resource that the document is not about: nothing can be said of
    /// that.
    pub fn only_children(self, place: &Place<'_>) -> Result<Vec<Item<S>>, Error> {
        match self.own.first() {
            None => Ok(self.children),
            Some(note) => {
                let name = format!("{:?}", note.annotation);
                Err(place.unknown_attribute("@", &name, "there is no instance here that it could be about"))
            }
        }
    }
}

/// Where the decoder is: a chain from the innermost node outwards, made into a path only for an error.
pub(super) struct Place<'p> {
    base: &'p [Step],
    above: Option<&'p Place<'p>>,
    step: Option<Step>,
}

impl<'p> Place<'p> {
    /// The place that a path leads to.
    pub fn at(base: &'p [Step]) -> Self {
        Place { base, above: None, step: None }
    }

    /// A place one step further down.
    pub fn below(&'p self, node: &'static Node, selector: Selector) -> Self {
        Place { base: &[], above: Some(self), step: Some(Step { node, selector }) }
    }

    /// The path to this place.
    pub fn path(&self) -> InstancePath {
        let mut steps = Vec::new();
        let mut place = Some(self);
        while let Some(current) = place {
            steps.extend(current.step.iter().cloned());
            steps.extend(current.base.iter().rev().cloned());
            place = current.above;
        }
        steps.reverse();
        InstancePath { steps }
    }

    /// An error here that concerns the element `name`.
    pub fn error(&self, tag: Tag, name: &str, message: impl Into<String>) -> Error {
        Error::application(tag, message).at(self.path()).info("bad-element", name)
    }

    /// An error for an annotation that cannot stand at an element here (RFC 6241 appendix A).
    pub fn unknown_attribute(&self, element: &str, name: &str, why: &str) -> Error {
        let error = Error::application(Tag::UnknownAttribute, format!("\"{element}\", \"{name}\": {why}"));
        error.at(self.path()).info("bad-attribute", name).info("bad-element", element)
    }

    /// The value that the selector of this place gives to a key leaf.
    fn key_value(&self, leaf: &Node) -> Option<&Value> {
        let step = self.step.as_ref()?;
        let Selector::Key(key) = &step.selector else { return None };
        let position = step.node.keys().iter().position(|k| *k == leaf)?;
        key.values().get(position)
    }
}

/// What is known of an annotation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// The sink takes it.
    Known(&'static Annotation),
    /// A module of others defines it, so a client may use it (RFC 7952 section 4); what it means is not known, so it has
    /// no effect.
    Advertised(&'static Node),
}

/// Builds instance data from any format.
pub(super) struct Decoder<'a> {
    pub schema: &'a Schema,
    allow_state: bool,
    metadata: Option<&'a dyn Sink>,
    keep_empty: bool,
    key_bytes_max: usize,
    /// What was wrong so far with the children of nodes, so that all of it can be told.
    faults: RefCell<Vec<Error>>,
}

impl<'a> Decoder<'a> {
    /// A decoder for data below the nodes of `above`.
    pub fn new<'n>(
        schema: &'a Schema,
        options: &DecodeOptions<'a>,
        above: impl IntoIterator<Item = &'n Node>,
    ) -> Self {
        let operation = |node: &Node| {
            matches!(node.kind, Kind::Rpc { .. } | Kind::Input | Kind::Output | Kind::Notification)
        };
        let allow_state = options.allow_state || above.into_iter().any(operation);
        let DecodeOptions { metadata, keep_empty, key_bytes_max, .. } = *options;
        Decoder { schema, allow_state, metadata, keep_empty, key_bytes_max, faults: RefCell::default() }
    }

    /// An annotation that can stand in the data, by its name and what its namespace is; `None` if there is none.
    pub fn annotation(
        &self,
        name: &str,
        is_it: impl Fn(&Annotation) -> bool,
        is_module: impl Fn(&Module) -> bool,
    ) -> Option<Meaning> {
        let known = self.metadata?.known().iter().copied().find(|annotation| is_it(annotation));
        known.map(Meaning::Known).or_else(|| {
            let advertised = self.schema.annotation(name, is_module)?;
            // What the server itself says of data means nothing in what it is told.
            let is_own = metadata::TOLD
                .iter()
                .any(|told| (told.module.name, told.name) == (advertised.module.name, name));
            (!is_own).then_some(Meaning::Advertised(advertised))
        })
    }

    /// The annotation if somebody takes it, its value being right in any case: of the child `node` of a place or, with
    /// `None`, of the instance there.
    pub fn note(
        meaning: Meaning,
        parse: impl FnOnce(&'static Type, &'static Module) -> Result<Value, TypeError>,
        node: Option<&'static Node>,
        place: &Place<'_>,
    ) -> Result<Option<Note>, Error> {
        let wrong = |name: String, e: TypeError| {
            // RFC 6241 appendix A: bad-attribute is for values, too.
            let message = format!("{name}: {}", e.message);
            let path = node.map_or_else(|| place.path(), |n| place.below(n, Selector::None).path());
            let element = node.or(path.node()).map_or("@", |node| node.name);
            let error = Error::application(Tag::BadAttribute, message).at(path.clone());
            error.info("bad-attribute", name.as_str()).info("bad-element", element)
        };
        match meaning {
            Meaning::Known(annotation) => match parse(annotation.ty, annotation.module) {
                Ok(value) => Ok(Some(Note { annotation, value })),
                Err(e) => Err(wrong(format!("{annotation:?}"), e)),
            },
            Meaning::Advertised(leaf) => match leaf.ty().map(|ty| parse(ty, leaf.module)) {
                Some(Err(e)) => Err(wrong(leaf.qualified_name(), e)),
                Some(Ok(_)) | None => Ok(None),
            },
        }
    }

    /// Hands annotations over; whether the instance is part of the data.
    fn take(
        &self,
        node: &'static Node,
        values: &[Value],
        notes: &[Vec<Note>],
        place: &Place<'_>,
    ) -> Result<bool, Error> {
        match self.metadata {
            Some(sink) if !notes.iter().all(Vec::is_empty) => {
                sink.take(&Annotated { path: place.path(), node, values, notes })
            }
            _ => Ok(true),
        }
    }

    /// The content of a container, list entry, operation or the root from its children.
    pub fn content<S: Source>(&self, children: Vec<Item<S>>, place: &Place<'_>) -> Result<Container, Error> {
        let mut content = Content::default();
        for item in children {
            if let Err(error) = self.child(&mut content, item, place) {
                self.fault(error)?;
            }
        }
        let content = content.finish(self, place)?;
        if place.above.is_none() { self.faultless(content) } else { Ok(content) }
    }

    /// One child of a container, list entry, operation or the root.
    fn child<S: Source>(
        &self,
        content: &mut Content,
        Item { node, source, notes }: Item<S>,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        match node.kind {
            Kind::LeafList { .. } => {
                let value = self.value(node, &source, place)?;
                let list = content.values(node, self, place)?;
                list.values.push(value);
                list.notes.push(notes);
            }
            Kind::List { .. } => {
                let building = content.entries(node, self, place)?;
                let (key, entry, kept) = self.entry(node, source, notes, building.next(), place)?;
                if kept {
                    building.push(node, key, entry, place)?;
                }
            }
            _ => {
                content.admit(node, self, place)?;
                if content.done.get(node).is_some() {
                    let message = format!("\"{}\" stands more than once", node.name);
                    return Err(place.below(node, Selector::None).error(Tag::BadElement, node.name, message));
                }
                let (child, kept) = match place.key_value(node) {
                    Some(value) => {
                        let below = place.below(node, Selector::None);
                        // Without its key there would be no entry: it stays, whatever is said of it.
                        self.take(node, std::slice::from_ref(value), &[notes], &below)?;
                        (Child::Leaf(value.clone()), true)
                    }
                    None => self.single(node, source, notes, place)?,
                };
                if kept {
                    content.done.set(node, child);
                }
            }
        }
        Ok(())
    }

    /// Notes an error and goes on, unless there are enough of them or the rest cannot be understood.
    fn fault(&self, error: Error) -> Result<(), Error> {
        // There were enough further down.
        if error.next.is_some() {
            return Err(error);
        }
        let is_last = error.tag == Tag::MalformedMessage;
        let mut faults = self.faults.borrow_mut();
        faults.push(error);
        match is_last || faults.len() >= ERRORS_MAX {
            true => Error::first(faults.split_off(0)).map_or(Ok(()), Err),
            false => Ok(()),
        }
    }

    /// What was decoded, if nothing was wrong on the way.
    fn faultless<T>(&self, decoded: T) -> Result<T, Error> {
        Error::first(self.faults.take()).map_or(Ok(decoded), Err)
    }

    /// The instance that `target` leads to; `sources` are its parts, with annotations: exactly one unless
    /// `target` ends at a list or leaf-list as a whole. It is given whatever becomes of its annotations.
    pub fn instance<S: Source>(
        &self,
        sources: Vec<(S, Vec<Note>)>,
        target: &InstancePath,
    ) -> Result<Child, Error> {
        self.whole(sources, target).and_then(|child| self.faultless(child))
    }

    fn whole<S: Source>(&self, sources: Vec<(S, Vec<Note>)>, target: &InstancePath) -> Result<Child, Error> {
        let Some((last, above)) = target.steps.split_last() else {
            return Err(Error::application(Tag::OperationFailed, "the root has no instance of its own"));
        };
        let node = last.node;
        let place = Place::at(above);
        let whole = last.selector == Selector::None;
        if whole && matches!(node.kind, Kind::List { .. } | Kind::LeafList { .. }) {
            let item = |(source, notes)| Item { node, source, notes };
            let children = sources.into_iter().map(item).collect();
            let mut content = self.content(children, &place)?;
            let empty = || match node.kind {
                Kind::List { .. } => Child::List(List::empty(node)),
                _ => Child::LeafList(Arc::default()),
            };
            return Ok(content.remove(node).unwrap_or_else(empty));
        }
        let number = sources.len();
        let mut sources = sources.into_iter();
        let (Some((source, notes)), None) = (sources.next(), sources.next()) else {
            let message = format!("\"{}\" has to have exactly one entry here, not {number}", node.name);
            return Err(place.error(Tag::BadElement, node.name, message));
        };
        self.allow(node, &place)?;
        match node.kind {
            Kind::List { .. } => {
                let (key, entry, _) = self.entry(node, source, notes, 1, &place)?;
                if matches!(&last.selector, Selector::Key(wanted) if key.as_ref() != Some(wanted)) {
                    // RFC 8040 section 4.5: the keys in the body are those of the target resource.
                    let message = format!("the keys of \"{}\" differ from those of the target", node.name);
                    return Err(Error::application(Tag::InvalidValue, message).at(target.clone()));
                }
                Ok(Child::Container(Arc::new(entry)))
            }
            Kind::LeafList { .. } => {
                let value = self.value(node, &source, &place)?;
                if matches!(&last.selector, Selector::Value(wanted) if *wanted != value) {
                    let message = format!("the value of \"{}\" differs from that of the target", node.name);
                    return Err(Error::application(Tag::InvalidValue, message).at(target.clone()));
                }
                let at = place.below(node, last.selector.clone());
                self.take(node, std::slice::from_ref(&value), &[notes], &at)?;
                Ok(Child::Leaf(value))
            }
            _ => self.single(node, source, notes, &place).map(|(child, _)| child),
        }
    }

    /// A node that has at most one instance, and whether it is part of the data.
    fn single<S: Source>(
        &self,
        node: &'static Node,
        source: S,
        mut notes: Vec<Note>,
        place: &Place<'_>,
    ) -> Result<(Child, bool), Error> {
        let below = place.below(node, Selector::None);
        match node.kind {
            Kind::Leaf { .. } => {
                let value = self.value(node, &source, place)?;
                let kept = self.take(node, std::slice::from_ref(&value), &[notes], &below)?;
                Ok((Child::Leaf(value), kept))
            }
            Kind::AnyData | Kind::AnyXml => {
                let any = source.any(node, self.schema).map_err(|e| invalid(e, node, place))?;
                Ok((Child::Any(any), self.take(node, &[], &[notes], &below)?))
            }
            _ => {
                let inside = source.children(Some(node), self, &below)?;
                notes.extend(inside.own);
                let kept = self.take(node, &[], &[notes], &below)?;
                Ok((Child::Container(Arc::new(self.content(inside.children, &below)?)), kept))
            }
        }
    }

    fn value<S: Source>(&self, node: &'static Node, source: &S, place: &Place<'_>) -> Result<Value, Error> {
        let value = source.value(node, self.schema).map_err(|e| invalid(e, node, place))?;
        // What a client says is kept in one form, whatever it was written like. What is no path is for others to refuse.
        match &value {
            Value::String(text) if !self.allow_state && PathPattern::is_value_of(node) => {
                let path = PathPattern::parse(text, &ModuleNames(self.schema));
                Ok(path.map_or_else(|_| value.clone(), |path| Value::string(path.to_string())))
            }
            _ => Ok(value),
        }
    }

    /// A list entry, and whether it is part of the data. Its keys are read first, wherever they stand, so that
    /// errors can name the entry.
    fn entry<S: Source>(
        &self,
        list: &'static Node,
        source: S,
        mut notes: Vec<Note>,
        position: u32,
        place: &Place<'_>,
    ) -> Result<(Option<Key>, Container, bool), Error> {
        let mut entry = place.below(list, Selector::Position(position));
        let key_of = |leaf: &&'static Node| match source.key(leaf, self.schema) {
            Some(value) => value.map_err(|e| invalid(e, leaf, &entry)),
            None => {
                // RFC 7950 section 8.3.1: an entry without all its keys is a missing-element.
                let message = format!("an entry of \"{}\" is without its key \"{}\"", list.name, leaf.name);
                Err(entry.error(Tag::MissingElement, leaf.name, message))
            }
        };
        let key: Result<Vec<Value>, Error> = list.keys().iter().map(key_of).collect();
        let octets = key.iter().flatten().map(octets).sum::<usize>();
        if octets > self.key_bytes_max {
            let most = self.key_bytes_max;
            let message =
                format!("the keys of an entry of \"{}\" have at most {most} octets, not {octets}", list.name);
            return Err(Error::protocol(Tag::TooBig, message).at(entry.path()));
        }
        let key = key.map(|key| (!key.is_empty()).then(|| Key::new(key)));
        if let (Some(step), Ok(Some(key))) = (&mut entry.step, &key) {
            step.selector = Selector::Key(key.clone());
        }
        // A name that cannot stand here may be the reason for a key that is missing, and says more.
        let Inside { own, children } = source.children(Some(list), self, &entry)?;
        let key = key?;
        notes.extend(own);
        let kept = self.take(list, &[], &[notes], &entry)?;
        let content = self.content(children, &entry)?;
        Ok((key, content, kept))
    }

    /// Refuses state where only configuration is wanted.
    fn allow(&self, node: &'static Node, place: &Place<'_>) -> Result<(), Error> {
        if node.config || self.allow_state {
            return Ok(());
        }
        // RFC 6241 appendix A: unknown-element is "an unexpected element"; no value could make it right.
        let message = format!("\"{}\" is state (config false) and cannot be written", node.name);
        Err(place.below(node, Selector::None).error(Tag::UnknownElement, node.name, message))
    }
}

fn invalid(error: TypeError, node: &'static Node, place: &Place<'_>) -> Error {
    let message = format!("\"{}\": {}", node.name, error.message);
    let result = place.below(node, Selector::None).error(Tag::InvalidValue, node.name, message);
    match error.app_tag {
        Some(app_tag) => result.app_tag(app_tag),
        None => result,
    }
}

/// The children decoded so far of one container.
#[derive(Default)]
struct Content {
    /// Nodes with a single instance.
    done: Container,
    leaf_lists: Vec<(&'static Node, Values)>,
    lists: Vec<(&'static Node, Building)>,
    /// For each choice that has data: the case it stands in.
    cases: Vec<(&'static Node, &'static Node)>,
}

/// The entries decoded so far of one leaf-list, and the annotations of each.
#[derive(Default)]
struct Values {
    values: Vec<Value>,
    notes: Vec<Vec<Note>>,
}

impl Content {
    /// Checks that a node may stand here at all, given what was decoded before.
    fn admit(&mut self, node: &'static Node, decoder: &Decoder<'_>, place: &Place<'_>) -> Result<(), Error> {
        decoder.allow(node, place)?;
        let mut case = node;
        while let Some(parent) = case.parent {
            match parent.kind {
                Kind::Choice { .. } => match self.cases.iter().find(|(choice, _)| *choice == parent) {
                    // RFC 7950 section 8.3.1: data of more than one case is a bad-element.
                    Some((_, other)) if *other != case => {
                        let message = format!(
                            "\"{}\" cannot stand here: choice \"{}\" already has data of case \"{}\"",
                            node.name, parent.name, other.name
                        );
                        return Err(place.below(node, Selector::None).error(
                            Tag::BadElement,
                            node.name,
                            message,
                        ));
                    }
                    Some(_) => {}
                    None => self.cases.push((parent, case)),
                },
                Kind::Case => {}
                _ => break,
            }
            case = parent;
        }
        Ok(())
    }

    fn values(
        &mut self,
        node: &'static Node,
        decoder: &Decoder<'_>,
        place: &Place<'_>,
    ) -> Result<&mut Values, Error> {
        let known = self.leaf_lists.iter().position(|(n, _)| *n == node);
        let slot = match known {
            Some(slot) => slot,
            None => {
                self.admit(node, decoder, place)?;
                self.leaf_lists.push((node, Values::default()));
                self.leaf_lists.len() - 1
            }
        };
        Ok(&mut self.leaf_lists[slot].1)
    }

    fn entries(
        &mut self,
        node: &'static Node,
        decoder: &Decoder<'_>,
        place: &Place<'_>,
    ) -> Result<&mut Building, Error> {
        let known = self.lists.iter().position(|(n, _)| *n == node);
        let slot = match known {
            Some(slot) => slot,
            None => {
                self.admit(node, decoder, place)?;
                self.lists
                    .push((node, Building { list: List::empty(node), keys: BTreeSet::new(), position: 0 }));
                self.lists.len() - 1
            }
        };
        Ok(&mut self.lists[slot].1)
    }

    fn finish(mut self, decoder: &Decoder<'_>, place: &Place<'_>) -> Result<Container, Error> {
        for (node, Values { values, notes }) in self.leaf_lists {
            if node.config
                && let Some(value) = repeated(&values)
            {
                // RFC 7950 section 7.7: the values of a configuration leaf-list are unique.
                let place = place.below(node, Selector::Value(value.clone()));
                let message = format!("\"{}\" has the value \"{value}\" more than once", node.name);
                return Err(place.error(Tag::InvalidValue, node.name, message));
            }
            if decoder.take(node, &values, &notes, &place.below(node, Selector::None))? {
                self.done.set(node, Child::LeafList(Arc::new(values)));
            }
        }
        for (node, building) in self.lists {
            self.done.set(node, Child::List(building.list));
        }
        // RFC 7950 section 7.5.1: without presence and content, a container says nothing.
        if decoder.keep_empty && place.above.is_none() {
            return Ok(self.done);
        }
        let empty = |(node, child): (&'static Node, &Child)| match (&node.kind, child) {
            (Kind::Container { presence: false }, Child::Container(inner)) if inner.is_empty() => Some(node),
            _ => None,
        };
        let empty: Vec<&Node> = self.done.iter().filter_map(empty).collect();
        empty.into_iter().for_each(|node| {
            self.done.remove(node);
        });
        Ok(self.done)
    }
}

/// A value that stands more than once.
fn repeated(values: &[Value]) -> Option<&Value> {
    let mut sorted: Vec<&Value> = values.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).find_map(|pair| (pair[0] == pair[1]).then_some(pair[0]))
}

/// The entries decoded so far of one list.
struct Building {
    list: List,
    /// Keys of a sequence, which cannot look them up itself.
    keys: BTreeSet<Key>,
    /// That of the last entry, counted from 1; with those that cannot be decoded.
    position: u32,
}

impl Building {
    /// Position of the next entry.
    fn next(&mut self) -> u32 {
        self.position = self.position.saturating_add(1);
        self.position
    }

    fn push(
        &mut self,
        node: &'static Node,
        key: Option<Key>,
        entry: Container,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        let entry = Arc::new(entry);
        let unique = match (&mut self.list, &key) {
            (List::Sequence(entries), key) => {
                entries.push_back(entry);
                key.as_ref().is_none_or(|key| self.keys.insert(key.clone()))
            }
            (List::Sorted(map), Some(key)) => map.insert(key.clone(), entry).is_none(),
            (List::User(user), Some(key)) => {
                let new = user.get(key).is_none();
                user.put(key.clone(), entry);
                new
            }
            _ => true,
        };
        if unique {
            return Ok(());
        }
        // RFC 7950 section 7.8.2: the keys identify one entry, so the message contradicts itself. It is no
        // data-exists, which would be about data that the datastore already has.
        let place = place.below(node, key.map_or(Selector::None, Selector::Key));
        Err(place.error(
            Tag::InvalidValue,
            node.name,
            format!("two entries of \"{}\" have the same keys", node.name),
        ))
    }
}

/// The data children that can stand below `parent`.
pub(super) fn candidates(parent: Option<&'static Node>, schema: &Schema) -> Vec<&'static Node> {
    match parent {
        Some(parent) => parent.data.to_vec(),
        None => schema.implemented().flat_map(|m| m.data).copied().collect(),
    }
}

/// The data child `module:name` of `parent`.
pub(super) fn find_child(
    parent: Option<&Node>,
    module: &'static Module,
    name: &str,
) -> Option<&'static Node> {
    match parent {
        Some(parent) => parent.child(module, name),
        None => module.data.iter().copied().find(|n| n.name == name),
    }
}

/// What a node that has children is called in a message. The parameters of an operation stand in an element of its own name in
/// NETCONF, and in an `input` in RESTCONF.
pub(super) fn called(parent: Option<&Node>, written: impl Fn(&str) -> String) -> String {
    match parent.map(|node| (node, &node.kind, node.parent)) {
        None => "the datastore".to_owned(),
        Some((_, Kind::Input, Some(operation))) => format!("the input of {}", written(operation.name)),
        Some((_, Kind::Output, Some(operation))) => format!("the output of {}", written(operation.name)),
        Some((node, ..)) => written(node.name),
    }
}

/// What a wrong name may have been meant to be, as the end of a message.
pub(super) fn hint(wanted: &str, possible: &[String]) -> String {
    const SHOWN: usize = 8;
    let near = possible.iter().filter_map(|name| Some((distance(wanted, name)?, name))).min();
    match near {
        _ if possible.is_empty() => "; nothing can stand here".into(),
        Some((_, name)) => format!("; did you mean \"{name}\"?"),
        None => {
            let more = if possible.len() > SHOWN { ", …" } else { "" };
            let names: Vec<&str> = possible.iter().take(SHOWN).map(String::as_str).collect();
            format!("; possible here: {}{more}", names.join(", "))
        }
    }
}

/// How many letters have to be put in, taken out, replaced or exchanged with their neighbour to make a name of the one that was
/// written; `None` if that is too much for a slip of the hand: more than a third of it, or all.
pub(crate) fn distance(written: &str, name: &str) -> Option<usize> {
    const LONGEST: usize = 64;
    let (written, name) = match (written.split_once(':'), name.split_once(':')) {
        (Some((module, written)), Some((same, name))) if module == same => (written, name),
        _ => (written, name),
    };
    let a: Vec<char> = written.chars().take(LONGEST).collect();
    let b: Vec<char> = name.chars().take(LONGEST).collect();
    let mut rows: [Vec<usize>; 3] = [Vec::new(), Vec::new(), (0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        rows.rotate_left(1);
        let [before, above, row] = &mut rows;
        row.clear();
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &Vec<usize>, j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(above, j) + usize::from(x != y)).min(at(above, j + 1) + 1).min(at(row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                best = best.min(at(before, j - 1) + 1);
            }
            row.push(best);
        }
    }
    let distance = rows[2].last().copied()?;
    (distance <= (a.len() / 3).max(1) && distance < a.len()).then_some(distance)
}

/// The document is not even well-formed.
pub(super) fn malformed(message: impl Into<String>) -> Error {
    // RFC 6241 appendix A: the error-type of malformed-message is rpc.
    Error { layer: Layer::Rpc, ..Error::application(Tag::MalformedMessage, message) }
}

/// The text of a document, which has to be UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|e| {
        let (line, column) = line_and_column(bytes, e.valid_up_to());
        malformed(format!("not UTF-8 at line {line} column {column}"))
    })
}

/// Line and column, counted from 1, of an octet.
pub(super) fn line_and_column(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at.min(bytes.len())];
    let lines = before.iter().filter(|b| **b == b'\n').count();
    let column = before.iter().rev().take_while(|b| **b != b'\n').count();
    (lines + 1, column + 1)
}
