//! What one user may do by the rules of RFC 8341 that concern them, in their order.
//!
//! A verdict costs a look into tables that were made before: rules without a path are found by module and operation, rules
//! with a path along the way to the instance. It never looks at instance data but keys.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use crate::limits::NACM_KEPT_MAX;
use crate::yang::generated::{SCHEMA, ietf_netconf, nc_notifications};
use crate::yang::path::{InstancePath, PathPattern, Selector, Wanted};
use crate::yang::schema::{Kind, NacmDefault, Node};
use crate::yang::tree::Key;
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;

/// The access operations (RFC 8341 section 3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// To add a data node.
    Create,
    /// To read a data node, or to get a notification.
    Read,
    /// To change a data node.
    Update,
    /// To remove a data node.
    Delete,
    /// To invoke an operation.
    Exec,
}

/// A set of access operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accesses(u8);

impl Accesses {
    /// What changes data.
    pub const WRITING: Accesses =
        Accesses(1 << Access::Create as u8 | 1 << Access::Update as u8 | 1 << Access::Delete as u8);
    pub(super) const ALL: Accesses = Accesses(0x1f);
    const NONE: Accesses = Accesses(0);

    fn has(self, access: Access) -> bool {
        self.0 & (1 << access as u8) != 0
    }

    fn with(self, other: Accesses) -> Accesses {
        Accesses(self.0 | other.0)
    }
}

/// As in `access-operations`: `*`, or names of bits.
impl FromStr for Accesses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Accesses::ALL);
        }
        text.split_whitespace().try_fold(Accesses::NONE, |set, name| {
            let access = match name {
                "create" => Access::Create,
                "read" => Access::Read,
                "update" => Access::Update,
                "delete" => Access::Delete,
                "exec" => Access::Exec,
                _ => return Err(format!("\"{name}\" is no access operation")),
            };
            Ok(set.with(Accesses(1 << access as u8)))
        })
    }
}

/// One `rule`.
#[derive(Debug)]
pub struct Rule {
    /// `module-name`; `None` for all.
    pub module: Option<String>,
    /// `rule-type`.
    pub target: Target,
    /// `access-operations`.
    pub access: Accesses,
    /// `action`.
    pub permit: bool,
}

/// What a rule is about; no name stands for all of them.
#[derive(Debug)]
pub enum Target {
    /// Anything.
    Any,
    /// Protocol operations.
    Operation(Option<String>),
    /// Notifications that are in no data node.
    Notification(Option<String>),
    /// Data nodes at and below, with their actions and notifications.
    Data(PathPattern),
}

/// What holds where no rule matches: whether it is permitted.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// `read-default`.
    pub read: bool,
    /// `write-default`.
    pub write: bool,
    /// `exec-default`.
    pub exec: bool,
}

/// The rules that concern a user.
#[derive(Debug)]
pub struct Rules {
    /// Nothing is refused.
    everything: bool,
    /// Whether nobody has configured any.
    standard: bool,
    defaults: Defaults,
    rules: Vec<Arc<Rule>>,
    /// The verdict on each rpc and each notification that is in no data node.
    named: HashMap<usize, bool>,
    /// The first rule for anything of a module, by access operation.
    modules: HashMap<&'static str, [Option<usize>; 5]>,
    /// The paths of rules as a tree, the root first.
    ways: Vec<Way>,
    /// What was found out of whole subtrees.
    uniform: RwLock<HashMap<Subtree, Option<bool>>>,
}

/// A node with all below it, the access to it, and the rules whose path led there.
type Subtree = (usize, Access, Vec<usize>);

/// A place in the tree of paths.
#[derive(Debug, Default)]
struct Way {
    /// The rules whose path ends here.
    ends: Vec<usize>,
    /// The ways on, by schema node.
    next: HashMap<usize, Next>,
}

/// The ways on through instances of a node.
#[derive(Debug)]
struct Next {
    /// What the rules on these ways are about.
    access: Accesses,
    /// Through any instance.
    any: Option<usize>,
    /// Through the entry with this key.
    exact: BTreeMap<Key, usize>,
    /// Through entries that have these key values: by position in the key.
    some: Vec<(Vec<(usize, Value)>, usize)>,
}

impl Next {
    fn new() -> Self {
        Next { access: Accesses::NONE, any: None, exact: BTreeMap::new(), some: Vec::new() }
    }
}

fn address(node: &'static Node) -> usize {
    std::ptr::from_ref(node).addr()
}

impl Rules {
    /// Those of whom nothing is refused.
    pub fn everything() -> Arc<Rules> {
        static EVERYTHING: LazyLock<Arc<Rules>> = LazyLock::new(|| {
            let defaults = Defaults { read: true, write: true, exec: true };
            Arc::new(Rules { everything: true, ..Rules::new(Vec::new(), defaults, "", false) })
        });
        EVERYTHING.clone()
    }

    /// Of rules in their order, for a user of this name.
    pub(super) fn new(rules: Vec<Arc<Rule>>, defaults: Defaults, user: &str, standard: bool) -> Rules {
        let mut modules: HashMap<&'static str, [Option<usize>; 5]> = HashMap::new();
        for module in SCHEMA.modules {
            let first = |access: Access| {
                rules.iter().position(|rule| {
                    matches!(rule.target, Target::Any)
                        && rule.access.has(access)
                        && concerns(rule, module.name)
                })
            };
            let all = [Access::Create, Access::Read, Access::Update, Access::Delete, Access::Exec];
            modules.insert(module.name, all.map(first));
        }
        let mut ways = vec![Way::default()];
        for (number, rule) in rules.iter().enumerate() {
            if let Target::Data(path) = &rule.target {
                pave(&mut ways, path, rule.access, number, user);
            }
        }
        let (named, uniform) = Default::default();
        let mut rules = Rules { everything: false, standard, defaults, rules, named, modules, ways, uniform };
        for module in SCHEMA.implemented() {
            let rpcs = module.rpcs.iter().map(|rpc| (address(rpc), rules.invocation(rpc)));
            let told = module.notifications.iter().map(|told| (address(told), rules.telling(told)));
            let named: Vec<(usize, bool)> = rpcs.chain(told).collect();
            rules.named.extend(named);
        }
        rules
    }

    /// Whether nothing is refused.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether what all share, the candidate and locks, is to be kept from the user: nobody has configured who may have it.
    pub fn keeps_shared(&self) -> bool {
        self.standard
    }

    /// Whether a protocol operation may be invoked (RFC 8341 section 3.4.4).
    pub fn may_invoke(&self, operation: &'static Node) -> bool {
        self.everything || self.named.get(&address(operation)).copied().unwrap_or_default()
    }

    fn invocation(&self, operation: &'static Node) -> bool {
        if operation == &ietf_netconf::nodes::CLOSE_SESSION {
            return true;
        }
        let named = |target: &Target| match target {
            Target::Operation(name) => name.as_ref().is_none_or(|name| name == operation.name),
            _ => false,
        };
        match self.first_named(operation, Access::Exec, named) {
            Some(permit) => permit,
            None if operation.nacm == NacmDefault::DenyAll => false,
            None if RESERVED.contains(&operation) => false,
            None => self.defaults.exec,
        }
    }

    /// Whether a notification that is in no data node may be got (RFC 8341 section 3.4.6).
    pub fn may_get(&self, notification: &'static Node) -> bool {
        self.everything || self.named.get(&address(notification)).copied().unwrap_or_default()
    }

    fn telling(&self, notification: &'static Node) -> bool {
        if ALWAYS_TOLD.contains(&notification) {
            return true;
        }
        let named = |target: &Target| match target {
            Target::Notification(name) => name.as_ref().is_none_or(|name| name == notification.name),
            _ => false,
        };
        match self.first_named(notification, Access::Read, named) {
            Some(permit) => permit,
            None => notification.nacm != NacmDefault::DenyAll && self.defaults.read,
        }
    }

    /// Whether the node at the end of a path may be accessed so: data, an action, or a notification of a data node
    /// (RFC 8341 section 3.4.5). To read or to invoke, all nodes on the way have to be readable (sections 3.1.3 and 3.2.4).
    pub fn may(self: &Arc<Self>, access: Access, path: &InstancePath) -> bool {
        let mut at = At::root(self.clone());
        for (number, step) in path.steps.iter().enumerate() {
            at = match &step.selector {
                Selector::Key(key) => at.entry(step.node, key),
                Selector::Value(value) => at.entry(step.node, &Key::new(vec![value.clone()])),
                Selector::None | Selector::Position(_) => at.child(step.node),
            };
            let needed = match access {
                _ if number + 1 == path.steps.len() => Some(access),
                Access::Read | Access::Exec => Some(Access::Read),
                Access::Create | Access::Update | Access::Delete => None,
            };
            if needed.is_some_and(|needed| !at.permits(needed)) {
                return false;
            }
        }
        true
    }

    fn first_named(&self, node: &Node, access: Access, named: impl Fn(&Target) -> bool) -> Option<bool> {
        let matches = |rule: &&Arc<Rule>| {
            rule.access.has(access)
                && concerns(rule, node.module.name)
                && (matches!(rule.target, Target::Any) || named(&rule.target))
        };
        self.rules.iter().find(matches).map(|rule| rule.permit)
    }

    /// The verdict on a node, given the rules whose path led to it or above it.
    fn verdict(&self, node: &Node, access: Access, matched: &[usize], denied: NacmDefault) -> bool {
        let of_module = self.modules.get(node.module.name).and_then(|first| first.get(access as usize));
        let of_module = of_module.copied().flatten();
        let concerned = |number: &&usize| {
            let rule = self.rules.get(**number);
            rule.is_some_and(|rule| rule.access.has(access) && concerns(rule, node.module.name))
        };
        let of_path = matched.iter().filter(concerned).min().copied();
        let first = [of_module, of_path].into_iter().flatten().min();
        if let Some(rule) = first.and_then(|number| self.rules.get(number)) {
            return rule.permit;
        }
        match access {
            Access::Read => denied != NacmDefault::DenyAll && self.defaults.read,
            Access::Create | Access::Update | Access::Delete => {
                denied == NacmDefault::None && self.defaults.write
            }
            Access::Exec => denied != NacmDefault::DenyAll && self.defaults.exec,
        }
    }

    /// The verdict on a node and all below it, if it is one; no path of a rule leads there from above.
    fn uniform(
        &self,
        node: &'static Node,
        access: Access,
        matched: &[usize],
        denied: NacmDefault,
    ) -> Option<bool> {
        let place = (address(node), access, matched.to_vec());
        let known = self.uniform.read().unwrap_or_else(PoisonError::into_inner).get(&place).copied();
        known.unwrap_or_else(|| {
            let found = self.look(node, access, matched, denied);
            let mut known = self.uniform.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= NACM_KEPT_MAX {
                known.clear();
            }
            known.insert(place, found);
            found
        })
    }

    fn look(
        &self,
        node: &'static Node,
        access: Access,
        matched: &[usize],
        denied: NacmDefault,
    ) -> Option<bool> {
        let denied = stricter(denied, node.nacm);
        let verdict = self.verdict(node, access, matched, denied);
        let same = |below: &'static Node| self.look(below, access, matched, denied) == Some(verdict);
        node.data.iter().all(|below| same(below)).then_some(verdict)
    }
}

/// RFC 8341 section 3.4.4 step 11.
const RESERVED: [&Node; 2] = [&ietf_netconf::nodes::KILL_SESSION, &ietf_netconf::nodes::DELETE_CONFIG];
/// RFC 8341 section 3.4.6 step 3.
const ALWAYS_TOLD: [&Node; 2] =
    [&nc_notifications::nodes::REPLAY_COMPLETE, &nc_notifications::nodes::NOTIFICATION_COMPLETE];

fn concerns(rule: &Rule, module: &str) -> bool {
    rule.module.as_deref().is_none_or(|name| name == module)
}

fn stricter(one: NacmDefault, other: NacmDefault) -> NacmDefault {
    match (one, other) {
        (NacmDefault::DenyAll, _) | (_, NacmDefault::DenyAll) => NacmDefault::DenyAll,
        (NacmDefault::DenyWrite, _) | (_, NacmDefault::DenyWrite) => NacmDefault::DenyWrite,
        (NacmDefault::None, NacmDefault::None) => NacmDefault::None,
    }
}

/// Puts the path of a rule into the tree of paths.
fn pave(ways: &mut Vec<Way>, path: &PathPattern, access: Accesses, rule: usize, user: &str) {
    let mut at = 0;
    for step in &path.steps {
        let mut wanted = Vec::with_capacity(step.wanted.len());
        for (leaf, value) in &step.wanted {
            let value = match value {
                Wanted::Value(value) => Some(value.clone()),
                Wanted::User => {
                    leaf.ty().and_then(|ty| types::parse(ty, user, &ModuleNames(&SCHEMA), leaf.module).ok())
                }
            };
            // The name of the user can be no value of this leaf, so the rule is never about this user.
            let Some(value) = value else { return };
            let slot = step.node.keys().iter().position(|key| key == leaf).unwrap_or(0);
            wanted.push((slot, value));
        }
        wanted.sort_by_key(|(slot, _)| *slot);
        wanted.dedup_by_key(|(slot, _)| *slot);
        let new = ways.len();
        let Some(way) = ways.get_mut(at) else { return };
        let next = way.next.entry(address(step.node)).or_insert_with(Next::new);
        next.access = next.access.with(access);
        let count = match step.node.kind {
            Kind::List { keys, .. } => keys.len(),
            _ => 1,
        };
        let found = if wanted.is_empty() {
            *next.any.get_or_insert(new)
        } else if wanted.len() == count {
            let key = Key::new(wanted.into_iter().map(|(_, value)| value).collect());
            *next.exact.entry(key).or_insert(new)
        } else {
            let known = next.some.iter().find(|(other, _)| *other == wanted).map(|(_, way)| *way);
            known.unwrap_or_else(|| {
                next.some.push((wanted, new));
                new
            })
        };
        at = found;
        if at == new {
            ways.push(Way::default());
        }
    }
    if let Some(way) = ways.get_mut(at) {
        way.ends.push(rule);
    }
}

/// A place on the way from the root of a data tree, with the rules that have to do with it.
#[derive(Debug, Clone)]
pub struct At {
    rules: Arc<Rules>,
    node: Option<&'static Node>,
    /// The places in the tree of paths that the way here led to.
    on: Vec<usize>,
    /// The rules whose path ended on the way here.
    matched: Vec<usize>,
    denied: NacmDefault,
}

impl At {
    /// The root.
    pub fn root(rules: Arc<Rules>) -> At {
        let matched = rules.ways.first().map(|root| root.ends.clone()).unwrap_or_default();
        At { rules, node: None, on: vec![0], matched, denied: NacmDefault::None }
    }

    /// A child that is no entry, an action, or a notification of a data node.
    pub fn child(&self, node: &'static Node) -> At {
        self.through(node, None)
    }

    /// An entry of a list, or of a leaf-list with its value as key.
    pub fn entry(&self, node: &'static Node, key: &Key) -> At {
        self.through(node, Some(key))
    }

    fn through(&self, node: &'static Node, key: Option<&Key>) -> At {
        let mut at = At {
            rules: self.rules.clone(),
            node: Some(node),
            on: Vec::new(),
            matched: self.matched.clone(),
            denied: stricter(self.denied, node.nacm),
        };
        for next in self.on.iter().filter_map(|on| self.rules.ways.get(*on)?.next.get(&address(node))) {
            at.on.extend(next.any);
            if let Some(key) = key {
                at.on.extend(next.exact.get(key));
                let fits = |wanted: &[(usize, Value)]| {
                    wanted.iter().all(|(slot, value)| key.values().get(*slot) == Some(value))
                };
                at.on.extend(next.some.iter().filter(|(wanted, _)| fits(wanted)).map(|(_, way)| way));
            }
        }
        for on in &at.on {
            at.matched.extend(self.rules.ways.get(*on).into_iter().flat_map(|way| &way.ends));
        }
        at
    }

    /// Whether this node may be accessed so; the nodes above are not asked.
    pub fn permits(&self, access: Access) -> bool {
        let Some(node) = self.node else { return true };
        self.rules.everything || self.rules.verdict(node, access, &self.matched, self.denied)
    }

    /// What holds for all instances of a child and all that is below them; `None` if that differs or depends on keys.
    pub fn all(&self, node: &'static Node, access: Access) -> Option<bool> {
        if self.rules.everything {
            return Some(true);
        }
        let ways = self.on.iter().filter_map(|on| self.rules.ways.get(*on)?.next.get(&address(node)));
        let depends = ways.into_iter().any(|next| next.access.has(access));
        if depends { None } else { self.rules.uniform(node, access, &self.matched, self.denied) }
    }

    /// Whether what may be done to a child, or below it, depends on its key.
    pub fn depends_on_keys(&self, node: &'static Node, access: Access) -> bool {
        let mut ways = self.on.iter().filter_map(|on| self.rules.ways.get(*on)?.next.get(&address(node)));
        ways.any(|next| next.access.has(access) && !(next.exact.is_empty() && next.some.is_empty()))
    }

    /// Whether another place, of the same path, is judged by the same rules.
    pub fn is_under_same_rules(&self, other: &At) -> bool {
        Arc::ptr_eq(&self.rules, &other.rules) && self.on == other.on && self.matched == other.matched
    }
}
