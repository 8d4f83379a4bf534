//! Random documents for any schema: as right as can be known in advance, and then changed.

use agentconf::yang::error::{Error, Tag};
use agentconf::yang::schema::{Base, Identity, Kind, Node, Pattern, Schema, Type};
use agentconf::yang::xpath::Expr;
use agentconf::yang::xpath::ast::Start;
use regex_syntax::hir::{Hir, HirKind};
use serde_json::Value as Json;

use super::document::{Any, Body, Document, Item, Lexical, Place};
use super::random::Random;

/// Texts for strings, few so that they meet.
const WORDS: [&str; 12] = ["a", "b", "c", "ab", "x", "abc", "", "x y", "7", "a-b", "éé", "\u{1F600}z"];
/// Texts that are easily taken for something else.
const NASTY: [&str; 37] = [
    "",
    "0",
    "1",
    "2",
    "+1",
    "-1",
    "1.0",
    "1.50",
    "1e3",
    "1.",
    ".5",
    "--1",
    "true",
    "True",
    "false",
    "127",
    "128",
    "-129",
    "256",
    "65536",
    "4294967296",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "0.000000000000000001",
    "9.223372036854775808",
    "92233720368547758.08",
    "nope:thing",
    "a\tb",
    "a\nb",
    "AQID",
    "AQI",
    "read write",
    "write  write",
    "/x:y",
];
/// Contents of anydata.
const ANY: [Any; 4] = [
    Any { json: "{}", xml: "" },
    Any { json: "{\"y\":\"z\"}", xml: "<y>z</y>" },
    Any { json: "{\"y\":{\"z\":[\"a\",\"b\"]}}", xml: "<y><z>a</z><z>b</z></y>" },
    Any { json: "{\"y\":\"<&>\"}", xml: "<y>&lt;&amp;&gt;</y>" },
];

/// Makes and changes documents of one schema.
pub struct Generator {
    schema: &'static Schema,
    /// Where all choices come from.
    pub random: Random,
    /// Texts and numbers that conditions compare with.
    literals: Vec<String>,
    identities: Vec<&'static Identity>,
    nodes: Vec<&'static Node>,
    /// In how many of a hundred cases an optional node is there.
    density: u64,
    /// Whether state is there too.
    state: bool,
    /// The datastore that a message refers to.
    beside: Option<Document>,
}

impl Generator {
    /// For a schema; the random numbers decide the rest.
    pub fn new(schema: &'static Schema, random: Random) -> Self {
        let mut generator = Generator {
            schema,
            random,
            literals: Vec::new(),
            identities: Vec::new(),
            nodes: Vec::new(),
            density: 35,
            state: false,
            beside: None,
        };
        generator.identities = schema.modules.iter().flat_map(|m| m.identities).copied().collect();
        let mut pending: Vec<&'static Node> = schema.implemented().flat_map(|m| m.data).copied().collect();
        while let Some(node) = pending.pop() {
            let exprs = node.musts.iter().map(|m| m.expr).chain(node.whens.iter().map(|w| w.expr));
            exprs.for_each(|expr| literals(expr, &mut generator.literals));
            generator.nodes.push(node);
            pending.extend(node.data);
        }
        generator.literals.sort();
        generator.literals.dedup();
        generator
    }

    /// A document that obeys the structure, the types and, mostly, the references.
    pub fn document(&mut self) -> Document {
        self.density = *self.random.pick(&[6, 15, 35, 60]).unwrap();
        let mut items = Vec::new();
        for module in self.schema.implemented() {
            self.below(module.children, 3, &mut items);
        }
        let mut document = Document(items);
        self.refer(&mut document, 85);
        document.prune();
        document
    }

    /// A document that has state too.
    pub fn with_state(&mut self) -> Document {
        self.state = true;
        let document = self.document();
        self.state = false;
        document
    }

    /// An input, output or notification as the only item of a document; its references are to what
    /// is in `beside`.
    pub fn message(&mut self, node: &'static Node, beside: &Document) -> Document {
        self.density = *self.random.pick(&[15, 35, 60, 85]).unwrap();
        self.state = true;
        self.beside = Some(beside.clone());
        let mut document = Document(vec![self.instance(node, 3)]);
        self.refer(&mut document, 85);
        document.prune();
        document
    }

    /// Ends [`Generator::message`]: documents are of configuration again and refer to themselves.
    pub fn alone(&mut self) {
        self.state = false;
        self.beside = None;
    }

    /// The items that lead to an operation or notification: those of configuration as they are somewhere
    /// in `document`, those of state invented. `None` if there are none, or if one of them cannot be told
    /// from its siblings.
    pub fn ancestors(&mut self, node: &'static Node, document: &mut Document) -> Option<Vec<Item>> {
        let mut chain: Vec<&'static Node> = Vec::new();
        while let Some(above) = chain.first().map_or(node, |above| above).data_parent() {
            chain.insert(0, above);
        }
        let place = match chain.iter().rposition(|node| node.config) {
            Some(deepest) => {
                let places = document.places(|item| item.node == chain[deepest]);
                self.random.pick(&places).cloned()?
            }
            None => Place::new(),
        };
        let mut items = Vec::new();
        for (depth, node) in chain.into_iter().enumerate() {
            let mut item = match place.get(..=depth) {
                Some(place) => document.at(place).clone(),
                None => self.instance(node, 0),
            };
            let Body::Inner(children) = &mut item.body else { return None };
            children.retain(|child| node.keys().contains(&child.node));
            if matches!(node.kind, Kind::List { .. }) && children.is_empty() {
                return None;
            }
            items.push(item);
        }
        Some(items)
    }

    /// Repairs until there are no complaints; whether it came to that.
    pub fn settle(&mut self, document: &mut Document, complain: impl Fn(&Document) -> Vec<Error>) -> bool {
        for _ in 0..40 {
            let complaints = complain(document);
            if complaints.is_empty() {
                return true;
            }
            self.repair(document, &complaints);
        }
        false
    }

    /// Changes something at random.
    pub fn mutate(&mut self, document: &mut Document) {
        let all = document.places(|_| true);
        let leafs = document.places(|item| matches!(item.body, Body::Leaf(_)));
        match self.random.below(12) {
            0 => {
                if let Some(place) = self.random.pick(&all).cloned() {
                    remove(document, &place);
                }
            }
            1 => {
                if let Some(place) = self.random.pick(&all).cloned() {
                    let copy = document.at(&place).clone();
                    document.children(&place[..place.len() - 1]).push(copy);
                }
            }
            2 | 3 => {
                if let Some(place) = self.random.pick(&leafs).cloned() {
                    self.renew(document, &place);
                }
            }
            4 => {
                if let Some(place) = self.random.pick(&leafs).cloned() {
                    let text = *self.random.pick(&NASTY).unwrap();
                    let item = document.at(&place);
                    item.body = Body::Leaf(
                        item.node.ty().map_or_else(|| Lexical::string(text), |ty| lexical(ty, text)),
                    );
                }
            }
            5 => {
                if let Some(place) = self.random.pick(&leafs).cloned() {
                    let edge = document.at(&place).node.ty().and_then(|ty| self.beyond(ty));
                    if let Some(edge) = edge {
                        document.at(&place).body = Body::Leaf(edge);
                    }
                }
            }
            6 => {
                let inner = document.places(|item| matches!(item.body, Body::Inner(_)));
                let place = self.random.pick(&inner).cloned().unwrap_or_default();
                let children = document.children(&place);
                for i in (1..children.len()).rev() {
                    children.swap(i, self.random.below(i + 1));
                }
            }
            7 => {
                // Something that belongs elsewhere.
                if let (Some(node), Some(place)) =
                    (self.random.pick(&self.nodes).copied(), self.random.pick(&all).cloned())
                {
                    let item = self.instance(node, 0);
                    document.children(&place[..place.len() - 1]).push(item);
                }
            }
            8 => self.refer(document, 30),
            _ => self.add(document),
        }
        document.prune();
    }

    /// Does something about complaints: removes what they are about, gives it another value, or
    /// adds what is not there.
    pub fn repair(&mut self, document: &mut Document, complaints: &[Error]) {
        for (index, complaint) in complaints.iter().enumerate() {
            let Some(path) = &complaint.path else { continue };
            if complaints[..index].contains(complaint) {
                continue;
            }
            let (place, depth) = document.find(path);
            let missing = path.steps.get(depth).map(|step| step.node);
            match missing {
                // It stood in something that is already removed.
                Some(_) if complaint.tag == Tag::UnknownElement => {}
                Some(node)
                    if depth + 1 == path.steps.len() || matches!(node.kind, Kind::Container { .. }) =>
                {
                    if matches!(document_node(document, &place), Some(Body::Leaf(_) | Body::Any(_))) {
                        continue;
                    }
                    let item = self.instance(node, 2);
                    document.children(&place).push(item);
                }
                Some(_) => {}
                None if place.is_empty() => {}
                None if complaint.tag == Tag::UnknownElement => remove(document, &place),
                None if complaint.app_tag.as_deref() == Some("too-few-elements") => {
                    let item = self.instance(document.at(&place).node, 2);
                    document.children(&place[..place.len() - 1]).push(item);
                }
                None if complaint.app_tag.as_deref() == Some("too-many-elements") => remove(document, &place),
                None => {
                    let item = document.at(&place);
                    match item.body {
                        Body::Leaf(_) if !item.node.mandatory && self.random.percent(35) => {
                            remove(document, &place)
                        }
                        Body::Leaf(_) => self.renew(document, &place),
                        _ if self.random.percent(50) => self.fill(document, &place),
                        _ => remove(document, &place),
                    }
                }
            }
        }
        self.refer(document, 10);
        document.prune();
    }

    /// Another value for a leaf.
    fn renew(&mut self, document: &mut Document, place: &[usize]) {
        let node = document.at(place).node;
        let Some(ty) = node.ty() else { return };
        let value = self.referred(document, ty).unwrap_or_else(|| self.value(ty));
        document.at(place).body = Body::Leaf(value);
    }

    /// One more child somewhere.
    fn add(&mut self, document: &mut Document) {
        let inner = document.places(|item| matches!(item.body, Body::Inner(_)));
        let place = match self.random.percent(15) {
            true => Place::new(),
            false => self.random.pick(&inner).cloned().unwrap_or_default(),
        };
        self.fill(document, &place);
    }

    fn fill(&mut self, document: &mut Document, place: &[usize]) {
        let possible: Vec<&'static Node> = match document.node(place) {
            Some(node) => node.data.to_vec(),
            None => self.schema.implemented().flat_map(|m| m.data).copied().collect(),
        };
        if !matches!(document_node(document, place), None | Some(Body::Inner(_))) {
            return;
        }
        let children = document.children(place);
        let state = self.state;
        let free = |node: &&'static Node| {
            (node.config || state)
                && (matches!(node.kind, Kind::List { .. } | Kind::LeafList { .. })
                    || !children.iter().any(|child| child.node == *node))
        };
        let free: Vec<&'static Node> = possible.into_iter().filter(free).collect();
        if let Some(node) = self.random.pick(&free).copied() {
            let item = self.instance(node, 2);
            document.children(place).push(item);
            self.refer(document, 5);
        }
    }

    /// Children of schema nodes, choices included.
    fn below(&mut self, nodes: &[&'static Node], depth: usize, items: &mut Vec<Item>) {
        let state = self.state;
        for node in nodes.iter().filter(|node| node.config || state) {
            match node.kind {
                Kind::Choice { .. } => {
                    if (node.mandatory || self.random.percent(self.density + 20))
                        && let Some(case) = self.random.pick(node.children).copied()
                    {
                        self.below(&[case], depth, items);
                    }
                }
                Kind::Case => self.below(node.children, depth, items),
                Kind::Leaf { .. } | Kind::AnyData | Kind::AnyXml => {
                    let chance = if node.mandatory { 98 } else { self.density };
                    if node.is_key() || self.random.percent(chance) {
                        items.push(self.instance(node, depth));
                    }
                }
                Kind::Container { presence }
                    if depth > 0 && self.random.percent(if presence { self.density } else { 80 }) =>
                {
                    items.push(self.instance(node, depth - 1));
                }
                Kind::List { entries, .. } | Kind::LeafList { entries, .. } => {
                    if depth == 0 && entries.min == 0 {
                        continue;
                    }
                    let more = self.random.below(if self.density < 20 { 3 } else { 5 });
                    let count = (entries.min as usize + more).min(entries.max as usize).min(8);
                    let mut seen: Vec<String> = Vec::new();
                    for _ in 0..count {
                        let item = self.instance(node, depth.saturating_sub(1));
                        let identity = identity(&item);
                        if !seen.contains(&identity) || self.random.percent(1) {
                            seen.push(identity);
                            items.push(item);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn instance(&mut self, node: &'static Node, depth: usize) -> Item {
        let body = match node.kind {
            Kind::Leaf { ty, .. } | Kind::LeafList { ty, .. } => Body::Leaf(self.value(ty)),
            Kind::AnyData => Body::Any(self.random.pick(&ANY).unwrap().clone()),
            // An empty anyxml is an empty text in one encoding and an empty object in the other.
            Kind::AnyXml => Body::Any(self.random.pick(&ANY[1..]).unwrap().clone()),
            _ => {
                let mut items = Vec::new();
                self.below(node.children, depth, &mut items);
                // RFC 7950 section 7.8.5: in XML, keys come first.
                let keys = node.keys();
                items.sort_by_key(|item| keys.iter().position(|key| *key == item.node).unwrap_or(keys.len()));
                Body::Inner(items)
            }
        };
        Item { node, body }
    }

    /// Gives so many of a hundred references something to refer to.
    fn refer(&mut self, document: &mut Document, chance: u64) {
        for place in document.places(|item| item.node.ty().is_some()) {
            let item = document.at(&place);
            let (Some(ty), Body::Leaf(_)) = (item.node.ty(), &item.body) else { continue };
            if self.random.percent(chance)
                && let Some(value) = self.referred(document, ty)
            {
                document.at(&place).body = Body::Leaf(value);
            }
        }
    }

    fn referred(&mut self, document: &mut Document, ty: &'static Type) -> Option<Lexical> {
        let mut beside = self.beside.clone();
        match &ty.base {
            Base::LeafRef(leafref) => {
                let mut places = document.places(|item| item.node == leafref.target);
                let document = match &mut beside {
                    Some(beside) if places.is_empty() => beside,
                    _ => document,
                };
                places = document.places(|item| item.node == leafref.target);
                let place = self.random.pick(&places)?;
                match &document.at(place).body {
                    Body::Leaf(value) => Some(value.clone()),
                    _ => None,
                }
            }
            Base::InstanceIdentifier { .. } => {
                // A message refers to itself in no way that both sides know: that is listed too.
                let document = beside.as_mut().unwrap_or(document);
                // What can be there without being given is listed as a difference.
                let given = |item: &Item| {
                    !matches!(
                        item.node.kind,
                        Kind::Container { presence: false } | Kind::Leaf { default: Some(_), .. }
                    )
                };
                let places = document.places(given);
                let place = self.random.pick(&places).cloned()?;
                instance_identifier(document, &place)
            }
            Base::Union(members) => {
                let member = self.random.pick(members).copied()?;
                self.referred(document, member)
            }
            _ => None,
        }
    }

    /// A value that the restrictions allow, as far as one is found.
    fn value(&mut self, ty: &'static Type) -> Lexical {
        match &ty.base {
            Base::Int(bits, range) => {
                let all = [(i128::from(i64::MIN >> (64 - bits)), i128::from(i64::MAX >> (64 - bits)))];
                let parts: Vec<_> =
                    range.parts.iter().map(|(a, b)| (i128::from(*a), i128::from(*b))).collect();
                let number = self.number(if parts.is_empty() { &all } else { &parts });
                lexical(ty, &number.to_string())
            }
            Base::Uint(bits, range) => {
                let all = [(0, i128::from(u64::MAX >> (64 - bits)))];
                let parts: Vec<_> =
                    range.parts.iter().map(|(a, b)| (i128::from(*a), i128::from(*b))).collect();
                let number = self.number(if parts.is_empty() { &all } else { &parts });
                lexical(ty, &number.to_string())
            }
            Base::Decimal64(fraction, range) => {
                let all = [(i128::from(i64::MIN), i128::from(i64::MAX))];
                let parts: Vec<_> =
                    range.parts.iter().map(|(a, b)| (i128::from(*a), i128::from(*b))).collect();
                let number = self.number(if parts.is_empty() { &all } else { &parts });
                lexical(ty, &decimal(number, *fraction))
            }
            Base::String(length, patterns) => {
                let wanted = patterns.iter().find(|pattern| !pattern.invert);
                let mut text = String::new();
                for _ in 0..60 {
                    text = match wanted {
                        Some(pattern) => self.matching(pattern),
                        None => self.word(&length.parts.iter().map(|(a, b)| (*a, *b)).collect::<Vec<_>>()),
                    };
                    let count = text.chars().count() as u64;
                    if length.contains(count) && patterns.iter().all(|pattern| pattern.allows(&text)) {
                        break;
                    }
                }
                Lexical::string(text)
            }
            Base::Boolean => lexical(ty, if self.random.percent(50) { "true" } else { "false" }),
            Base::Enumeration(values) => {
                Lexical::string(self.random.pick(values).map_or("", |value| value.name))
            }
            Base::Bits(bits) => {
                let mut names: Vec<&str> = bits.iter().map(|bit| bit.name).collect();
                names.retain(|_| self.random.percent(50));
                if self.random.percent(30) {
                    names.reverse();
                }
                Lexical::string(names.join(" "))
            }
            Base::Binary(length) => {
                let (low, high) = self.random.pick(length.parts).copied().unwrap_or((0, 4));
                let count = low + self.random.next() % (high.min(low + 3) - low + 1);
                let octets: Vec<u8> = (0..count).map(|_| self.random.next() as u8).collect();
                Lexical::string(base64(&octets))
            }
            Base::Empty => lexical(ty, ""),
            Base::IdentityRef(bases) => {
                let fits = |identity: &&Identity| bases.iter().all(|base| identity.derives_from(base));
                let derived: Vec<_> = self.identities.iter().copied().filter(fits).collect();
                // libyang takes what is derived from one of several bases: that is listed.
                let any = bases.len() == 1 && self.random.percent(4);
                let identity = self.random.pick(if any { &self.identities } else { &derived }).copied();
                Lexical::string(identity.map_or(String::new(), |i| format!("{}:{}", i.module.name, i.name)))
            }
            Base::LeafRef(leafref) => self.value(leafref.real),
            Base::InstanceIdentifier { .. } => {
                let within = |node: &&&'static Node| {
                    let mut above = node.data_parent();
                    while let Some(Node { kind: Kind::Container { .. }, .. }) = above {
                        above = above.and_then(Node::data_parent);
                    }
                    above.is_none() && matches!(node.kind, Kind::Leaf { default: None, .. }) && node.config
                };
                let leafs: Vec<&'static Node> = self.nodes.iter().filter(within).copied().collect();
                self.random.pick(&leafs).map_or(Lexical::string("/"), |leaf| schema_path(leaf))
            }
            Base::Union(members) => {
                let member = self.random.pick(members).copied().unwrap_or(ty);
                self.value(member)
            }
        }
    }

    /// A value just outside of the restrictions, or at their edge.
    fn beyond(&mut self, ty: &'static Type) -> Option<Lexical> {
        let step = i128::from(self.random.next() % 3) - 1;
        let edges = |parts: Vec<(i128, i128)>, all: (i128, i128)| {
            let mut edges = vec![all.0, all.1];
            edges.extend(parts.into_iter().flat_map(|(a, b)| [a, b]));
            edges
        };
        match &ty.base {
            Base::Int(bits, range) => {
                let parts = range.parts.iter().map(|(a, b)| (i128::from(*a), i128::from(*b))).collect();
                let all = (i128::from(i64::MIN >> (64 - bits)), i128::from(i64::MAX >> (64 - bits)));
                let edge = *self.random.pick(&edges(parts, all))?;
                Some(lexical(ty, &(edge + step).to_string()))
            }
            Base::Uint(bits, range) => {
                let parts = range.parts.iter().map(|(a, b)| (i128::from(*a), i128::from(*b))).collect();
                let edge = *self.random.pick(&edges(parts, (0, i128::from(u64::MAX >> (64 - bits)))))?;
                Some(lexical(ty, &(edge + step).to_string()))
            }
            Base::Decimal64(fraction, range) => {
                let parts = range.parts.iter().map(|(a, b)| (i128::from(*a), i128::from(*b))).collect();
                let edge = *self.random.pick(&edges(parts, (i128::from(i64::MIN), i128::from(i64::MAX))))?;
                Some(lexical(ty, &decimal(edge + step, *fraction)))
            }
            Base::String(length, _) => {
                let parts = length.parts.iter().map(|(a, b)| (i128::from(*a), i128::from(*b))).collect();
                let edge = *self.random.pick(&edges(parts, (0, 9)))? + step;
                let count = usize::try_from(edge.clamp(0, 40)).unwrap_or_default();
                // libyang counts one of these as two in `string-length()`: that is listed.
                Some(Lexical::string(if count == 1 { "e".to_owned() } else { "é".repeat(count) }))
            }
            Base::Binary(_) => {
                let octets = vec![7; self.random.below(7)];
                Some(Lexical::string(base64(&octets)))
            }
            Base::LeafRef(leafref) => self.beyond(leafref.real),
            Base::Union(members) => {
                let member = self.random.pick(members).copied()?;
                self.beyond(member)
            }
            // Another JSON form of the same text.
            _ => {
                let value = self.value(ty);
                let text = value.plain();
                Some(Lexical { json: Json::String(text), xml: value.xml })
            }
        }
    }

    fn number(&mut self, parts: &[(i128, i128)]) -> i128 {
        let (low, high) = *self.random.pick(parts).unwrap();
        let literal = self.random.pick(&self.literals).and_then(|text| text.parse::<i128>().ok());
        match (self.random.below(10), literal) {
            (0, _) => low,
            (1, _) => high,
            (2..=4, Some(number)) if low <= number + 1 && number < high => {
                number + 1 - i128::from(self.random.percent(50))
            }
            _ => {
                let start = if low <= 0 && high >= 0 { 0 } else { low };
                (start + i128::from(self.random.next() % 5)).min(high).max(low)
            }
        }
    }

    fn word(&mut self, lengths: &[(u64, u64)]) -> String {
        match self.random.pick(lengths).copied() {
            Some((low, high)) => {
                let count = low + self.random.next() % (high.min(low + 2) - low + 1);
                (0..count.min(64)).map(|_| if self.random.percent(80) { 'a' } else { 'ß' }).collect()
            }
            None if self.random.percent(40) => self.random.pick(&self.literals).cloned().unwrap_or_default(),
            None => (*self.random.pick(&WORDS).unwrap()).to_owned(),
        }
    }

    /// A text that matches a pattern.
    fn matching(&mut self, pattern: &Pattern) -> String {
        let mut text = String::new();
        if let Ok(hir) = regex_syntax::Parser::new().parse(pattern.regex) {
            self.sample(&hir, &mut text);
        }
        text
    }

    fn sample(&mut self, hir: &Hir, text: &mut String) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => *text += &String::from_utf8_lossy(&literal.0),
            HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => {
                // Letters and digits, if the class has any: libyang has another opinion of which
                // symbols `\w` matches.
                let plain: Vec<char> = ('0'..='z').filter(|c| c.is_ascii_alphanumeric()).collect();
                let of_class = |c: &char| class.ranges().iter().any(|r| r.start() <= *c && *c <= r.end());
                let plain: Vec<char> = plain.into_iter().filter(of_class).collect();
                if let Some(c) = self.random.pick(&plain) {
                    text.push(*c);
                } else if let Some(range) = self.random.pick(class.ranges()) {
                    let (low, high) = (range.start() as u32, range.end() as u32);
                    let code = low + (self.random.next() % u64::from(high - low + 1)) as u32;
                    text.extend(char::from_u32(code).filter(|c| *c >= ' '));
                }
            }
            HirKind::Class(regex_syntax::hir::Class::Bytes(_)) => {}
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(repetition.min + 3).min(repetition.min + 4);
                let count =
                    repetition.min + (self.random.next() % u64::from(most - repetition.min + 1)) as u32;
                (0..count).for_each(|_| self.sample(&repetition.sub, text));
            }
            HirKind::Capture(capture) => self.sample(&capture.sub, text),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.sample(part, text)),
            HirKind::Alternation(parts) => {
                if let Some(part) = self.random.pick(parts) {
                    self.sample(part, text);
                }
            }
        }
    }
}

fn document_node<'d>(document: &'d mut Document, place: &[usize]) -> Option<&'d Body> {
    (!place.is_empty()).then(|| &document.at(place).body)
}

fn remove(document: &mut Document, place: &[usize]) {
    let (last, above) = place.split_last().unwrap();
    document.children(above).remove(*last);
}

/// What makes an entry another one.
fn identity(item: &Item) -> String {
    match &item.body {
        Body::Leaf(value) => value.plain(),
        Body::Inner(children) if !item.node.keys().is_empty() => {
            let keys = children.iter().filter(|child| item.node.keys().contains(&child.node));
            keys.map(|key| format!("{}={:?};", key.node.name, key.body)).collect()
        }
        body => format!("{body:?}"),
    }
}

/// The path of an item; `None` if it cannot be written.
pub fn instance_identifier(document: &mut Document, place: &[usize]) -> Option<Lexical> {
    let (mut json, mut xml) = (String::new(), String::new());
    let mut parent: Option<&'static Node> = None;
    for depth in 1..=place.len() {
        let item = document.at(&place[..depth]).clone();
        let node = item.node;
        let name = if node.needs_prefix_below(parent) { node.qualified_name() } else { node.name.to_owned() };
        json += &format!("/{name}");
        xml += &format!("/{}", node.qualified_name());
        // XPath 1.0 cannot write a text with both quotes, and one within another has one of them.
        let predicate = |text: String| match (text.contains('\''), text.contains('"')) {
            (false, _) => Some(format!("'{text}'")),
            (true, false) => Some(format!("\"{text}\"")),
            (true, true) => None,
        };
        match (&node.kind, &item.body) {
            (Kind::LeafList { .. }, Body::Leaf(value)) => {
                json += &format!("[.={}]", predicate(value.plain())?);
                xml += &format!("[.={}]", predicate(value.xml.clone())?);
            }
            (Kind::List { keys, .. }, Body::Inner(children)) => {
                for key in *keys {
                    let found = children.iter().find(|child| child.node == *key)?;
                    let Body::Leaf(value) = &found.body else { return None };
                    json += &format!("[{}={}]", key.name, predicate(value.plain())?);
                    xml += &format!("[{}={}]", key.qualified_name(), predicate(value.xml.clone())?);
                }
            }
            _ => {}
        }
        parent = Some(node);
    }
    Some(Lexical { xml, json: Json::String(json) })
}

/// The path of a leaf that no list is above of.
fn schema_path(leaf: &'static Node) -> Lexical {
    let mut chain = vec![leaf];
    while let Some(above) = chain.last().and_then(|node| node.data_parent()) {
        chain.push(above);
    }
    chain.reverse();
    let xml = chain.iter().map(|node| format!("/{}", node.qualified_name())).collect();
    let mut parent = None;
    let mut json = String::new();
    for node in chain {
        let name = if node.needs_prefix_below(parent) { node.qualified_name() } else { node.name.to_owned() };
        json += &format!("/{name}");
        parent = Some(node);
    }
    Lexical { xml, json: Json::String(json) }
}

/// The text in the JSON form of its type (RFC 7951 section 6), if it can have it.
fn lexical(ty: &Type, text: &str) -> Lexical {
    let json = match (&ty.base, text) {
        (Base::Int(8..=32, _) | Base::Uint(8..=32, _), text) => {
            text.parse::<serde_json::Number>().ok().map(Json::Number)
        }
        (Base::Boolean, "true") => Some(Json::Bool(true)),
        (Base::Boolean, "false") => Some(Json::Bool(false)),
        (Base::Empty, "") => Some(Json::Array(vec![Json::Null])),
        (Base::LeafRef(leafref), text) => Some(lexical(leafref.real, text).json),
        _ => None,
    };
    Lexical { xml: text.to_owned(), json: json.unwrap_or_else(|| Json::from(text)) }
}

fn decimal(digits: i128, fraction: u8) -> String {
    let scale = 10_u128.pow(u32::from(fraction));
    let magnitude = digits.unsigned_abs();
    let sign = if digits < 0 { "-" } else { "" };
    format!("{sign}{}.{:0width$}", magnitude / scale, magnitude % scale, width = usize::from(fraction))
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let number =
            group.iter().enumerate().fold(0_usize, |n, (i, octet)| n | usize::from(*octet) << (16 - 8 * i));
        for i in 0..4 {
            text.push(if i <= group.len() { char::from(DIGITS[number >> (18 - 6 * i) & 63]) } else { '=' });
        }
    }
    text
}

/// The literals and numbers of an expression.
fn literals(expr: &Expr, found: &mut Vec<String>) {
    match expr {
        Expr::Literal(text) => found.push(text.to_string()),
        Expr::Number(number) => found.push(number.to_string()),
        Expr::Binary(_, exprs) | Expr::Negate(exprs) | Expr::Call(_, exprs) => {
            exprs.iter().for_each(|expr| literals(expr, found));
        }
        Expr::Path(path) => {
            if let Start::Filter(primary, predicates) = &path.start {
                primary.iter().chain(predicates.iter()).for_each(|expr| literals(expr, found));
            }
            path.steps.iter().flat_map(|step| step.predicates.iter()).for_each(|expr| literals(expr, found));
        }
    }
}
