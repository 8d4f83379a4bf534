//! Places in the data and what is put there, as words: names of nodes, keys of lists, values of leafs. A path with
//! slashes may stand in place of the first words.

use std::sync::Arc;

use super::grammar::{Assignment, Command, Outcome, Place, Reader, Want, Wrong};
use super::words::Word;
use crate::client::json;
use crate::client::schema::{Base, Kind, NodeId, Schema, Type};
use crate::client::{Element, Path, Predicate, Step};

impl<'s> Reader<'s> {
    /// A place, maybe the one where we are. With `config` it is one in the configuration. Unless all keys are needed, a
    /// list without keys is all of its entries.
    pub(super) fn place(&mut self, config: bool, all_keys: bool) -> Outcome<Place> {
        let mut place = self.start(all_keys)?;
        loop {
            let leaf = place.node.map(|id| self.schema.node(id).kind);
            if leaf == Some(Kind::LeafList) {
                self.entry(&mut place)?;
            }
            if matches!(leaf, Some(Kind::Leaf | Kind::LeafList | Kind::AnyData | Kind::AnyXml)) {
                return Ok(place);
            }
            let mut among = self.schema.data(place.node);
            among.retain(|id| !config || self.schema.node(*id).config);
            let Some(id) = self.node(&among)? else {
                return match self.next_of_path() {
                    Some(_) => Err(self.wrong(&no_such_node(self.schema, place.node))),
                    None => Ok(place),
                };
            };
            place = self.below(&place, id);
            self.keys(&mut place, !all_keys)?;
            if matches!(self.wants.last(), Some(Want::Key(..))) {
                // The line ends before the keys: what stands here would be taken for one.
                return Ok(place);
            }
        }
    }

    /// A place in the configuration, with all keys.
    pub(super) fn config_place(&mut self) -> Outcome<Place> {
        self.place(true, true)
    }

    /// Where a path begins: at a path with slashes if there is one, in a module if it is named, else where we are.
    fn start(&mut self, all_keys: bool) -> Outcome<Place> {
        match self.next_of_path() {
            Some(word) if word.quote.is_none() && word.text.starts_with('/') => self.slashed(all_keys),
            _ => Ok(self.here.clone()),
        }
    }

    /// The place of a path as in RFC 7951 section 6.11; lists may lack their keys.
    fn slashed(&mut self, all_keys: bool) -> Outcome<Place> {
        let Some(word) = self.next() else { return Ok(Place::default()) };
        let wrong_at =
            |offset: usize, message: String| Wrong { place: word.start + offset..word.end, message };
        let path: Path = word
            .text
            .parse()
            .map_err(|e: crate::client::path::PathError| wrong_at(e.offset, e.expected.to_owned()))?;
        self.take();
        let mut place = Place::default();
        for step in &path.steps {
            let message = || no_such_node(self.schema, place.node);
            let offset = word.text.find(&step.name).unwrap_or_default();
            let id = self.schema.child(place.node, &step.module, &step.name);
            let id = id.ok_or_else(|| wrong_at(offset, message()))?;
            place = self.below(&place, id);
            let node = self.schema.node(id);
            let mut predicates = step.predicates.clone();
            let position = |p: &Predicate| match p {
                Predicate::Leaf { name, .. } => node.keys.iter().position(|key| key == name),
                Predicate::Own(_) => Some(0),
            };
            predicates.sort_by_key(position);
            let is_key = |p: &Predicate| position(p).is_some();
            if !predicates.iter().all(is_key) || (all_keys && predicates.len() < node.keys.len()) {
                let keys = node.keys.join(", ");
                return Err(wrong_at(offset, format!("the keys of {} are: {keys}", node.name)));
            }
            if let Some(last) = place.path.steps.last_mut() {
                last.predicates = predicates;
            }
        }
        Ok(place)
    }

    /// The node that the next word names among these, if it names one. At the top the name of its module may stand
    /// before it, as a word or with a colon.
    pub(super) fn node(&mut self, among: &[NodeId]) -> Outcome<Option<NodeId>> {
        self.wants.extend(among.iter().map(|id| Want::Node(*id)));
        let Some(word) = self.next_of_path().filter(|word| word.quote.is_none()) else { return Ok(None) };
        let schema = self.schema;
        let is_named = |id: &NodeId, name: &str| match name.split_once(':') {
            Some((module, name)) => schema.node(*id).name == name && schema.module_name(*id) == module,
            None => schema.node(*id).name == name,
        };
        let mut found: Vec<NodeId> = among.iter().copied().filter(|id| is_named(id, &word.text)).collect();
        let inside = |id: &NodeId| schema.module_name(*id) == word.text;
        let of_module: Vec<NodeId> = among.iter().copied().filter(inside).collect();
        if found.len() != 1 && !of_module.is_empty() {
            // "irtf-agent tasks" is "irtf-agent:tasks".
            let named =
                |second: &Word| of_module.iter().copied().filter(|id| is_named(id, &second.text)).collect();
            let second: Vec<NodeId> = self.second().map(named).unwrap_or_default();
            if found.is_empty() || !second.is_empty() {
                self.take();
                self.wants.extend(of_module.into_iter().map(Want::Node));
                found = second;
            }
        }
        match found.as_slice() {
            [] => Ok(None),
            [id] => {
                self.take();
                Ok(Some(*id))
            }
            several => {
                let names =
                    several.iter().map(|id| format!("{}:{}", schema.module_name(*id), schema.node(*id).name));
                let names: Vec<String> = names.collect();
                self.wants.clear();
                Err(self.wrong(&format!("several modules have this name: {}", names.join(", "))))
            }
        }
    }

    /// The place of a node in a place.
    pub(super) fn below(&self, place: &Place, id: NodeId) -> Place {
        let mut path = place.path.clone();
        path.steps.push(Step {
            module: self.schema.module_name(id).to_owned(),
            name: self.schema.node(id).name.clone(),
            predicates: Vec::new(),
        });
        Place { path, node: Some(id) }
    }

    /// The keys of the list at the end of a place. If they are optional, the line may end before them, and `*` stands
    /// for all entries.
    pub(super) fn keys(&mut self, place: &mut Place, optional: bool) -> Outcome<()> {
        let Some(list) = place.node.filter(|id| self.schema.node(*id).kind == Kind::List) else {
            return Ok(());
        };
        for name in &self.schema.node(list).keys {
            let module = self.schema.module_name(list);
            let Some(key) = self.schema.child(Some(list), module, name) else { continue };
            self.wants.push(Want::Key(place.clone(), key));
            match self.next_of_path() {
                Some(word) if optional && word.is("*") => {
                    self.take();
                    return Ok(());
                }
                // The name of the key may stand before its value.
                Some(word) if word.is(name) && self.second().is_some() => {
                    self.take();
                    self.wants.push(Want::Key(place.clone(), key));
                }
                None if optional => return Ok(()),
                _ => {}
            }
            if self.next_of_path().is_none() {
                return Err(self.wrong(&format!("the key {name} is missing")));
            }
            let value = self.value_of(key)?;
            if let Some(last) = place.path.steps.last_mut() {
                last.predicates.push(Predicate::Leaf { module: None, name: name.clone(), value });
            }
        }
        Ok(())
    }

    /// The value of a leaf-list's entry, if there is one.
    fn entry(&mut self, place: &mut Place) -> Outcome<()> {
        let Some(id) = place.node else { return Ok(()) };
        self.wants.push(Want::Value(place.clone()));
        if self.next_of_path().is_some() {
            let value = self.value_of(id)?;
            if let Some(last) = place.path.steps.last_mut() {
                last.predicates.push(Predicate::Own(value));
            }
        }
        Ok(())
    }

    /// A value of a leaf, as JSON writes it.
    fn value_of(&mut self, id: NodeId) -> Outcome<String> {
        let Some(word) = self.next_of_path() else { return Err(self.wrong("a value is missing")) };
        let node = self.schema.node(id);
        let Some(ty) = &node.ty else {
            self.take();
            return Ok(word.text.clone());
        };
        let value = full_name(self.schema, ty, &word.text);
        if !self.schema.fits(ty, node.module, &value) {
            self.wants.clear();
            let names = self.schema.names(ty).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
            let message = match names.is_empty() {
                true => format!("this is no {}", self.schema.describe(ty)),
                false => format!("this is no value of {}; expected {}", node.name, names.join(", ")),
            };
            return Err(self.wrong(&message));
        }
        self.take();
        Ok(value)
    }

    /// Names with values, from a place on: what is set there, and the same as elements in the order of the schema.
    pub(super) fn content(&mut self, base: Place, config: bool) -> Outcome<(Vec<Assignment>, Vec<Element>)> {
        let top = base.node;
        // Where names are looked up: the innermost place last, with the way to its element.
        let mut open: Vec<(Place, Vec<usize>)> = vec![(base, Vec::new())];
        // The leafs that have their value there already.
        let mut given: Vec<Vec<NodeId>> = vec![Vec::new()];
        let mut roots: Vec<Element> = Vec::new();
        let mut assignments: Vec<Assignment> = Vec::new();
        // Whether the line can end here, and whether names further out can stand here.
        let (mut is_complete, mut may_leave) = (true, true);
        if let Some(word) = self.next_of_path()
            && config
            && word.text.starts_with('/')
        {
            let mut place = self.slashed(true)?;
            self.entry_or_value(&mut place, &mut assignments)?;
            let mut above = place.clone();
            if assignments.is_empty() {
                self.note(&place, &mut assignments);
            } else if let Some(parent) = place.path.parent() {
                above = Place { path: parent, node: place.node.and_then(|id| self.schema.data_parent(id)) };
            }
            open = vec![(above, Vec::new())];
            is_complete = !assignments.is_empty();
        }
        loop {
            let mut found = None;
            for level in (0..open.len()).rev() {
                let Some((place, _)) = open.get(level) else { continue };
                let schema = self.schema;
                let among = schema.data(place.node).into_iter();
                let is_settable = |id: &NodeId| !config || (schema.node(*id).config && !schema.is_key(*id));
                let among: Vec<NodeId> = among.filter(is_settable).collect();
                if let Some(id) = self.node(&among)? {
                    found = Some((level, id));
                    break;
                }
                let is_given = |id: &NodeId| given.get(level).is_some_and(|given| given.contains(id));
                self.wants.retain(|want| !matches!(want, Want::Node(id) if is_given(id)));
                if !may_leave {
                    break;
                }
            }
            let Some((level, id)) = found else {
                let innermost = open.last().and_then(|(place, _)| place.node);
                return match self.next_of_path() {
                    Some(word) if config && self.is_state(innermost, &word.text) => {
                        self.wants.clear();
                        Err(self.wrong(&format!("{} is state, which the server alone sets", word.text)))
                    }
                    Some(_) => Err(self.wrong(&no_such_node(self.schema, innermost))),
                    None if !is_complete => Err(self.wrong("the name of a node is missing")),
                    None => {
                        drop_covered(&mut assignments);
                        Ok((assignments, ordered(self.schema, top, roots)))
                    }
                };
            };
            open.truncate(level + 1);
            given.truncate(level + 1);
            let Some((above, way)) = open.last() else { continue };
            let (mut place, way) = (self.below(above, id), way.clone());
            self.keys(&mut place, false)?;
            let kind = self.schema.node(id).kind;
            if matches!(kind, Kind::Container | Kind::List) {
                let element = self.inner(&place, kind);
                let is_entry = kind == Kind::List && !self.schema.node(id).keys.is_empty();
                let way = insert(&mut roots, &way, element, kind == Kind::List && !is_entry);
                is_complete = is_entry || self.schema.node(id).presence.is_some();
                may_leave = false;
                self.note(&place, &mut assignments);
                open.push((place, way));
                given.push(Vec::new());
                continue;
            }
            if let (Kind::Leaf, Some(given)) = (kind, given.last_mut()) {
                given.push(id);
            }
            let before = assignments.len();
            self.entry_or_value(&mut place, &mut assignments)?;
            for made in assignments.get(before..).unwrap_or_default() {
                let element = self.leaf(id, made.value.as_deref())?;
                insert(&mut roots, &way, element, true);
            }
            (is_complete, may_leave) = (true, true);
        }
    }

    /// Whether a word names state in a node.
    fn is_state(&self, parent: Option<NodeId>, word: &str) -> bool {
        let name = word.rsplit(':').next().unwrap_or(word);
        self.schema.data(parent).into_iter().any(|id| {
            let node = self.schema.node(id);
            node.name == name && !node.config
        })
    }

    /// Notes that an entry or a presence container is to be there.
    fn note(&self, place: &Place, assignments: &mut Vec<Assignment>) {
        let node = place.node.map(|id| self.schema.node(id));
        if node.is_some_and(|node| node.kind == Kind::List || node.presence.is_some()) {
            assignments.push(Assignment { place: place.clone(), value: None });
        }
    }

    /// The value that follows the name of a leaf, leaf-list, anydata or anyxml.
    fn entry_or_value(&mut self, place: &mut Place, assignments: &mut Vec<Assignment>) -> Outcome<()> {
        let Some(id) = place.node else { return Ok(()) };
        let node = self.schema.node(id);
        let is_leaf = matches!(node.kind, Kind::Leaf | Kind::LeafList | Kind::AnyData | Kind::AnyXml);
        if !is_leaf {
            return Ok(());
        }
        let is_empty = matches!(node.ty.as_ref().map(|ty| &ty.base), Some(Base::Empty));
        if let Some(Predicate::Own(value)) = place.path.steps.last().and_then(|step| step.predicates.first())
        {
            let value = Some(value.clone());
            assignments.push(Assignment { place: place.clone(), value });
            return Ok(());
        }
        let value = match is_empty {
            true => String::new(),
            false => {
                self.wants.push(Want::Value(place.clone()));
                self.value_of(id)?
            }
        };
        let mut place = place.clone();
        if let (Kind::LeafList, Some(last)) = (node.kind, place.path.steps.last_mut()) {
            last.predicates.push(Predicate::Own(value.clone()));
        }
        assignments.push(Assignment { place, value: Some(value) });
        Ok(())
    }

    /// The element of a container or of an entry with its keys.
    fn inner(&self, place: &Place, kind: Kind) -> Element {
        let mut element = element_of(self.schema, place);
        if let (Kind::List, Some(list), Some(step)) = (kind, place.node, place.path.steps.last()) {
            for predicate in &step.predicates {
                let Predicate::Leaf { name, value, .. } = predicate else { continue };
                let key = self.schema.child(Some(list), self.schema.module_name(list), name);
                element.children.extend(key.map(|key| leaf_element(self.schema, key, value)));
            }
        }
        element
    }

    fn leaf(&self, id: NodeId, value: Option<&str>) -> Outcome<Element> {
        let value = value.unwrap_or_default();
        match self.schema.node(id).kind {
            Kind::AnyData | Kind::AnyXml => {
                any_element(self.schema, id, value).map_err(|e| self.wrong_before(e))
            }
            _ => Ok(leaf_element(self.schema, id, value)),
        }
    }

    /// `call [PATH] NAME [PARAMETER VALUE] …`
    pub(super) fn call(&mut self) -> Outcome<Command> {
        let mut place = self.start(false)?;
        loop {
            let kind = if place.node.is_none() { Kind::Rpc } else { Kind::Action };
            let operations: Vec<NodeId> = self.schema.of_kind(place.node, kind).collect();
            if let Some(id) = self.node(&operations)? {
                let operation = self.below(&place, id);
                return self.parameters(operation);
            }
            let among: Vec<NodeId> =
                self.schema.data(place.node).into_iter().filter(|id| has_actions(self.schema, *id)).collect();
            let Some(id) = self.node(&among)? else {
                let there = "there is no such operation";
                return Err(self.wrong(self.what(there, "the name of an operation is missing")));
            };
            place = self.below(&place, id);
            self.keys(&mut place, false)?;
        }
    }
}

/// Whether a node has actions, or something in it has.
fn has_actions(schema: &Schema, id: NodeId) -> bool {
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if schema.node(id).kind == Kind::Action {
            return true;
        }
        open.extend(&schema.node(id).children);
    }
    false
}

fn no_such_node(schema: &Schema, parent: Option<NodeId>) -> String {
    match parent.map(|id| schema.node(id)) {
        Some(node) if matches!(node.kind, Kind::Input) => "there is no such parameter".to_owned(),
        Some(node) => format!("there is no such node in {}", node.name),
        None => "there is no such node".to_owned(),
    }
}

/// The name of an identity with that of its module, if it is given without and there is only one.
fn full_name(schema: &Schema, ty: &Type, value: &str) -> String {
    let has_identities = |ty: &Type| matches!(schema.real_type(ty).base, Base::IdentityRef(_));
    let is_one = match &schema.real_type(ty).base {
        Base::Union(members) => members.iter().any(has_identities),
        _ => has_identities(ty),
    };
    if is_one && !value.contains(':') {
        let names = schema.names(ty);
        let mut same = names.iter().filter(|(name, _)| name.split(':').nth(1) == Some(value));
        if let (Some((name, _)), None) = (same.next(), same.next()) {
            return name.clone();
        }
    }
    value.to_owned()
}

/// The empty element of a place's node.
pub fn element_of(schema: &Schema, place: &Place) -> Element {
    let Some(id) = place.node else { return Element::default() };
    let node = schema.node(id);
    Element::new(&node.name, &Arc::from(schema.module(node.module).namespace.as_str()))
}

/// The element of a leaf or of an entry of a leaf-list.
pub fn leaf_element(schema: &Schema, id: NodeId, value: &str) -> Element {
    let node = schema.node(id);
    let mut element = Element::new(&node.name, &Arc::from(schema.module(node.module).namespace.as_str()));
    match &node.ty {
        Some(ty) => (element.text, element.prefixes) = schema.to_prefixes(ty, node.module, value),
        None => value.clone_into(&mut element.text),
    }
    element
}

/// The element of an anydata or anyxml, whose content is given as JSON.
pub fn any_element(schema: &Schema, id: NodeId, value: &str) -> Result<Element, String> {
    let node = schema.node(id);
    let content: serde_json::Value =
        serde_json::from_str(value).map_err(|e| format!("this is no JSON: {e}"))?;
    let name = format!("{}:{}", schema.module(node.module).name, node.name);
    let wrapped = serde_json::Value::Object([(name, content)].into_iter().collect());
    let parent = schema.data_parent(id);
    let mut found = json::decode(schema, parent, &wrapped).map_err(|e| e.to_string())?;
    found.pop().ok_or_else(|| "this is no JSON object".to_owned())
}

/// Puts an element where a way leads to; gives its way. Containers and entries that are there already are used, unless
/// it has to be a new one.
fn insert(roots: &mut Vec<Element>, way: &[usize], element: Element, is_new: bool) -> Vec<usize> {
    let mut siblings = roots;
    for at in way {
        match siblings.get_mut(*at) {
            Some(next) => siblings = &mut next.children,
            None => return way.to_vec(),
        }
    }
    let same = |other: &Element| {
        other.name == element.name
            && other.namespace == element.namespace
            && other.children.starts_with(&element.children)
    };
    let there = siblings.iter().position(same).filter(|_| !is_new);
    let at = there.unwrap_or(siblings.len());
    if there.is_none() {
        siblings.push(element);
    }
    [way, &[at]].concat()
}

/// Elements in the order of the schema (RFC 7950 section 7.14.4).
fn ordered(schema: &Schema, parent: Option<NodeId>, mut elements: Vec<Element>) -> Vec<Element> {
    let nodes = schema.data(parent);
    let keys = parent.map(|id| schema.node(id).keys.as_slice()).unwrap_or_default();
    let place = |element: &Element| {
        let is_it = |id: &NodeId| {
            let node = schema.node(*id);
            node.name == element.name && schema.module(node.module).namespace == *element.namespace
        };
        nodes.iter().position(is_it)
    };
    elements.sort_by_key(|element| {
        let key = keys.iter().position(|key| *key == element.name).unwrap_or(usize::MAX);
        (key, place(element))
    });
    for element in &mut elements {
        let id = place(element).and_then(|at| nodes.get(at).copied());
        if id.is_some_and(|id| matches!(schema.node(id).kind, Kind::Container | Kind::List)) {
            element.children = ordered(schema, id, std::mem::take(&mut element.children));
        }
    }
    elements
}

/// Leaves out entries and containers that something is set in: it makes them.
fn drop_covered(assignments: &mut Vec<Assignment>) {
    let all: Vec<Path> = assignments.iter().map(|a| a.place.path.clone()).collect();
    let covers = |path: &Path| {
        all.iter().any(|other| other.steps.len() > path.steps.len() && other.steps.starts_with(&path.steps))
    };
    assignments.retain(|assignment| assignment.value.is_some() || !covers(&assignment.place.path));
}
