//! Instance paths: which node of the data tree is meant, typed and resolved.
//!
//! A path needs only the schema to exist; it says nothing about whether the instance does. An
//! instance-identifier is parsed here, the path of a RESTCONF resource in `resource`.

use std::fmt;
use std::sync::Arc;

use super::generated::ietf_netconf_acm;
use super::schema::{Kind, Node, Schema};
use super::tree::{Child, Container, Key};
use super::types::{self, Names};
use super::value::Value;

/// A path from the root to one data node, or to a list or leaf-list as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstancePath {
    /// The steps from the top.
    pub steps: Vec<Step>,
}

/// One step of an [`InstancePath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The schema node.
    pub node: &'static Node,
    /// Which of its instances.
    pub selector: Selector,
}

/// Which instance of a list or leaf-list a step means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// The only instance, or the list or leaf-list as a whole.
    None,
    /// The list entry with this key.
    Key(Key),
    /// The leaf-list entry with this value.
    Value(Value),
    /// The entry of a keyless list at this position, counted from 1.
    Position(u32),
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Step {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let names = |step: &Self| (step.node.module.name, step.node.name);
        names(self).cmp(&names(other)).then_with(|| self.selector.cmp(&other.selector))
    }
}

impl Step {
    /// A step without a selector.
    pub fn plain(node: &'static Node) -> Self {
        Step { node, selector: Selector::None }
    }

    fn is_nameable(&self) -> bool {
        match &self.selector {
            Selector::Key(key) => key.values().iter().all(|value| is_literal(&value.canonical())),
            Selector::Value(value) => is_literal(&value.canonical()),
            Selector::None | Selector::Position(_) => true,
        }
    }
}

impl InstancePath {
    /// This, if a text can name it: a key or value with both kinds of quotes is in no predicate (XPath 1.0 section 3.7), and a
    /// program that read another text for it would take it for another instance.
    pub fn nameable(&self) -> Option<&Self> {
        self.steps.iter().all(Step::is_nameable).then_some(self)
    }

    /// The path as far as a text can name it: in place of an entry that no text can name, the whole list that it is in.
    pub fn as_far_as_nameable(&self) -> Self {
        let mut steps = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            if !step.is_nameable() {
                steps.push(Step::plain(step.node));
                break;
            }
            steps.push(step.clone());
        }
        InstancePath { steps }
    }

    /// The path of a data node. Each list from the top takes the next of `keys`, which generated
    /// structs make (`key_of`); a list at the end is meant as a whole if no key is left for it.
    ///
    /// # Errors
    /// There are fewer or more keys than lists, a key is none of its list, or the node is in an
    /// operation or notification.
    pub fn of(node: &'static Node, keys: impl IntoIterator<Item = Key>) -> Result<Self, String> {
        let mut chain: Vec<&'static Node> =
            std::iter::successors(Some(node), |node| node.data_parent()).collect();
        chain.reverse();
        let mut keys = keys.into_iter();
        let mut steps = Vec::with_capacity(chain.len());
        for step in chain {
            let selector = match (&step.kind, has_key(step).then(|| keys.next()).flatten()) {
                (_, Some(key)) => Selector::Key(checked(step, key)?),
                (Kind::List { .. }, None) if step != node => {
                    return Err(format!("which entry of \"{}\" is meant?", step.name));
                }
                (Kind::Rpc { .. } | Kind::Input | Kind::Output | Kind::Notification, _) => {
                    return Err(format!("\"{}\" has no place in a datastore", node.name));
                }
                _ => Selector::None,
            };
            steps.push(Step { node: step, selector });
        }
        match keys.next() {
            None => Ok(InstancePath { steps }),
            Some(_) => Err(format!("there are more keys than lists on the way to \"{}\"", node.name)),
        }
    }

    /// The path extended by one step.
    pub fn child(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.steps.len() + 1);
        steps.extend_from_slice(&self.steps);
        steps.push(step);
        InstancePath { steps }
    }

    /// The instance or instances that it leads to from the root of a tree: a list entry as [`Child::Container`], a
    /// leaf-list entry as [`Child::Leaf`]. Positions are not followed.
    pub fn find(&self, root: &Container) -> Option<Child> {
        let mut at = Child::Container(Arc::new(root.clone()));
        for step in &self.steps {
            let Child::Container(container) = &at else { return None };
            let child = container.get(step.node)?;
            at = match (child, &step.selector) {
                (Child::List(list), Selector::Key(key)) => Child::Container(list.get(step.node, key)?),
                (Child::LeafList(values), Selector::Value(value)) => {
                    Child::Leaf(values.iter().find(|v| *v == value)?.clone())
                }
                (child, Selector::None) => child.clone(),
                _ => return None,
            };
        }
        Some(at)
    }

    /// The schema node the path ends at; `None` for the root.
    pub fn node(&self) -> Option<&'static Node> {
        self.steps.last().map(|step| step.node)
    }

    /// Whether every step means one instance, so that the path can be an instance-identifier
    /// (RFC 7950 section 9.13).
    pub fn is_of_one_node(&self) -> bool {
        self.steps.iter().all(|step| match step.node.kind {
            Kind::List { .. } | Kind::LeafList { .. } => step.selector != Selector::None,
            _ => true,
        })
    }

    /// Parses an instance-identifier (RFC 7950 section 9.13, RFC 7951 section 6.11).
    ///
    /// # Errors
    /// The text that was not understood and what was expected there.
    pub fn parse(text: &str, schema: &Schema, names: &dyn Names) -> Result<Self, String> {
        Parser { text, at: 0, schema, names, operations: false }.path()
    }
}

/// A `node-instance-identifier` (RFC 8341): a path that leaves keys open, and so can mean many instances; also of an action
/// or a notification in the data tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// The steps from the top; none for everything.
    pub steps: Vec<StepPattern>,
}

/// One step of a [`PathPattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPattern {
    /// The schema node.
    pub node: &'static Node,
    /// The keys that are given, or of a leaf-list its value with the node itself.
    pub wanted: Vec<(&'static Node, Wanted)>,
}

/// The value that a predicate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Value(Value),
    /// The name of the user who asks.
    User,
}

impl PathPattern {
    /// Whether the values of a leaf are such paths: that of the rules of RFC 8341. The compiled type does not say so.
    pub fn is_value_of(leaf: &Node) -> bool {
        *leaf == ietf_netconf_acm::nodes::NACM_RULE_LIST_RULE_RULE_TYPE_DATA_NODE_PATH
    }

    /// Parses the text. Such leafs are kept with names of modules as prefixes.
    ///
    /// # Errors
    /// What was not understood and what was expected there.
    pub fn parse(text: &str, names: &dyn Names) -> Result<Self, String> {
        Parser { text, at: 0, schema: names.schema(), names, operations: true }.pattern()
    }
}

impl fmt::Display for PathPattern {
    /// The form of RFC 7951 section 6.11, which is one for each path; `/` for everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("/");
        }
        let mut parent = None;
        for StepPattern { node, wanted } in &self.steps {
            step_name(node, parent, f)?;
            for (leaf, wanted) in wanted {
                let name = if leaf == node { "." } else { leaf.name };
                match wanted {
                    Wanted::Value(value) => write!(f, "[{name}={}]", quoted(&value.canonical()))?,
                    Wanted::User => write!(f, "[{name}={USER}]")?,
                }
            }
            parent = Some(*node);
        }
        Ok(())
    }
}

/// The name of a step with its slash, below `parent` (RFC 7951 section 6.11).
fn step_name(node: &Node, parent: Option<&Node>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match node.needs_prefix_below(parent) {
        true => write!(f, "/{}:{}", node.module.name, node.name),
        false => write!(f, "/{}", node.name),
    }
}

impl fmt::Display for InstancePath {
    /// The instance-identifier form of RFC 7951 section 6.11; `/` for the root.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("/");
        }
        let mut parent = None;
        for step in &self.steps {
            step_name(step.node, parent, f)?;
            match &step.selector {
                Selector::None => {}
                Selector::Key(key) => {
                    for (leaf, value) in step.node.keys().iter().zip(key.values()) {
                        write!(f, "[{}={}]", leaf.name, quoted(&value.canonical()))?;
                    }
                }
                Selector::Value(value) => write!(f, "[.={}]", quoted(&value.canonical()))?,
                Selector::Position(n) => write!(f, "[{n}]")?,
            }
            parent = Some(step.node);
        }
        Ok(())
    }
}

fn has_key(node: &Node) -> bool {
    !node.keys().is_empty()
}

/// The key, if it is one of the list.
fn checked(list: &'static Node, key: Key) -> Result<Key, String> {
    let leafs = list.keys().iter().zip(key.values());
    let mut wrong = leafs.filter_map(|(leaf, value)| types::check(leaf.ty()?, value).err());
    match wrong.next() {
        None if key.values().len() == list.keys().len() => Ok(key),
        None => Err(format!("\"{}\" has another number of keys", list.name)),
        Some(error) => Err(format!("no key of \"{}\": {}", list.name, error.message)),
    }
}

/// Whether a text can be written as an XPath literal: there is none with both kinds of quotes.
fn is_literal(text: &str) -> bool {
    !(text.contains('\'') && text.contains('"'))
}

/// An XPath literal; of a text that cannot be one, the double quotes become `&quot;` for the human reader.
pub(super) fn quoted(text: &str) -> String {
    match (text.contains('\''), text.contains('"')) {
        (false, _) => format!("'{text}'"),
        (true, false) => format!("\"{text}\""),
        (true, true) => format!("\"{}\"", text.replace('"', "&quot;")),
    }
}

/// The variable that stands for the name of the user (RFC 8341 section 3.5.2, `node-instance-identifier`).
pub(super) const USER: &str = "$USER";
/// Most steps of a path.
const STEPS_MAX: usize = 128;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    schema: &'a Schema,
    names: &'a dyn Names,
    /// Whether the path can lead to an action or notification.
    operations: bool,
}

/// A step as it stands.
struct Parsed {
    node: &'static Node,
    predicates: Vec<Predicate>,
}

enum Predicate {
    Key(&'static Node, Literal),
    Value(Literal),
    Position(u32),
}

enum Literal {
    Text(String),
    User,
}

impl Parser<'_> {
    fn path(mut self) -> Result<InstancePath, String> {
        let mut steps: Vec<Step> = Vec::new();
        while self.at < self.text.len() {
            let parsed = self.step(steps.len(), steps.last().map(|s| s.node))?;
            steps.push(self.instance(parsed)?);
        }
        match steps.is_empty() {
            true => Err("an instance-identifier begins with \"/\"".into()),
            false => Ok(InstancePath { steps }),
        }
    }

    fn pattern(mut self) -> Result<PathPattern, String> {
        let mut steps: Vec<StepPattern> = Vec::new();
        if self.text == "/" {
            return Ok(PathPattern { steps });
        }
        while self.at < self.text.len() {
            let Parsed { node, predicates } = self.step(steps.len(), steps.last().map(|s| s.node))?;
            let mut wanted = Vec::with_capacity(predicates.len());
            for predicate in predicates {
                let (leaf, literal) = match predicate {
                    Predicate::Key(leaf, literal) => (leaf, literal),
                    Predicate::Value(literal) => (node, literal),
                    Predicate::Position(_) => return Err("a rule names no position".into()),
                };
                let literal = match literal {
                    Literal::User => Wanted::User,
                    Literal::Text(text) => Wanted::Value(self.value(&text, leaf)?),
                };
                wanted.push((leaf, literal));
            }
            // In whatever order they stand (RFC 7950 section 9.13.1).
            wanted.sort_by_key(|(leaf, _)| node.keys().iter().position(|key| key == leaf));
            steps.push(StepPattern { node, wanted });
        }
        match steps.is_empty() {
            true => Err("a path begins with \"/\"".into()),
            false => Ok(PathPattern { steps }),
        }
    }

    /// The next step, below `parent`, as it stands.
    fn step(&mut self, number: usize, parent: Option<&'static Node>) -> Result<Parsed, String> {
        if number >= STEPS_MAX {
            return Err(format!("the path has more than {STEPS_MAX} steps"));
        }
        self.expect('/')?;
        let node = self.node_name(parent)?;
        let mut predicates = Vec::new();
        while self.peek() == Some('[') {
            self.expect('[')?;
            self.spaces();
            let predicate = if self.peek().is_some_and(|c| c.is_ascii_digit()) {
                let digits = self.take(|c| c.is_ascii_digit());
                Predicate::Position(digits.parse().map_err(|_| format!("position {digits} is too large"))?)
            } else if self.peek() == Some('.') {
                self.expect('.')?;
                Predicate::Value(self.literal()?)
            } else {
                let leaf = self.node_name(Some(node))?;
                let literal = self.literal()?;
                if !node.keys().contains(&leaf) {
                    return Err(format!("\"{}\" is no key of \"{}\"", leaf.name, node.name));
                }
                Predicate::Key(leaf, literal)
            };
            self.spaces();
            self.expect(']')?;
            let fits = match (&predicate, &node.kind) {
                (Predicate::Key(..), _) => true,
                (Predicate::Value(_), kind) => matches!(kind, Kind::LeafList { .. }),
                (Predicate::Position(_), Kind::List { keys, .. }) => keys.is_empty(),
                (Predicate::Position(_), kind) => matches!(kind, Kind::LeafList { .. }) && !node.config,
            };
            if !fits {
                return Err(format!("\"{}\" has no instances to choose from in this way", node.name));
            }
            predicates.push(predicate);
        }
        Ok(Parsed { node, predicates })
    }

    /// The step to the one instance that its predicates choose, or to all without predicates.
    fn instance(&self, Parsed { node, predicates }: Parsed) -> Result<Step, String> {
        let mut key: Vec<Option<Value>> = vec![None; node.keys().len()];
        let mut selector = Selector::None;
        let given = |literal| match literal {
            Literal::Text(text) => Ok(text),
            Literal::User => Err("a variable has no place here"),
        };
        for predicate in predicates {
            match predicate {
                Predicate::Position(position) => selector = Selector::Position(position),
                Predicate::Value(literal) => selector = Selector::Value(self.value(&given(literal)?, node)?),
                Predicate::Key(leaf, literal) => {
                    let slot = node.keys().iter().position(|k| *k == leaf).and_then(|at| key.get_mut(at));
                    if let Some(slot) = slot {
                        *slot = Some(self.value(&given(literal)?, leaf)?);
                    }
                }
            }
        }
        if key.iter().any(Option::is_some) {
            let values: Option<Vec<Value>> = key.into_iter().collect();
            let values = values.ok_or_else(|| format!("a key of \"{}\" is missing", node.name))?;
            selector = Selector::Key(Key::new(values));
        }
        Ok(Step { node, selector })
    }

    fn value(&self, text: &str, leaf: &'static Node) -> Result<Value, String> {
        let ty = leaf.ty().ok_or_else(|| format!("\"{}\" has no value", leaf.name))?;
        types::parse(ty, text, self.names, leaf.module).map_err(|e| e.message)
    }

    fn node_name(&mut self, parent: Option<&'static Node>) -> Result<&'static Node, String> {
        let first = self.take(is_name_char).to_owned();
        let (prefix, name) = match self.peek() {
            Some(':') => {
                self.expect(':')?;
                (Some(first), self.take(is_name_char).to_owned())
            }
            _ => (None, first),
        };
        if name.is_empty() {
            return Err(format!("a node name is expected at offset {}", self.at));
        }
        let module = match (&prefix, parent) {
            (Some(prefix), _) => {
                self.names.module(prefix).ok_or_else(|| format!("\"{prefix}\" names no module"))?
            }
            (None, Some(parent)) => parent.module,
            (None, None) => return Err(format!("\"{name}\" has to be qualified with its module")),
        };
        let is_it = |n: &&'static Node| n.name == name && n.module == module;
        let found = match parent {
            Some(parent) if self.operations => {
                let others = parent.actions.iter().chain(parent.notifications);
                parent.child(module, &name).or_else(|| others.copied().find(is_it))
            }
            Some(parent) => parent.child(module, &name),
            None => self.schema.implemented().flat_map(|m| m.data).copied().find(is_it),
        };
        found.ok_or_else(|| format!("there is no node \"{}:{name}\" here", module.name))
    }

    fn literal(&mut self) -> Result<Literal, String> {
        self.spaces();
        self.expect('=')?;
        self.spaces();
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(USER)) {
            self.at += USER.len();
            return Ok(Literal::User);
        }
        let quote = self.peek().filter(|c| *c == '\'' || *c == '"');
        let quote = quote.ok_or_else(|| format!("a quoted value is expected at offset {}", self.at))?;
        self.expect(quote)?;
        let text = self.take(|c| c != quote).to_owned();
        self.expect(quote)?;
        Ok(Literal::Text(text))
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.peek() != Some(wanted) {
            return Err(format!("\"{wanted}\" is expected at offset {}", self.at));
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    fn spaces(&mut self) {
        self.take(|c| c.is_ascii_whitespace());
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }
}

/// Whether a character can stand in a YANG identifier (RFC 7950 section 6.2).
pub fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Whether the node has instances of its own below a data parent.
pub fn is_data(node: &Node) -> bool {
    !matches!(node.kind, Kind::Choice { .. } | Kind::Case)
}
