//! The access control model of NETCONF (RFC 8341) as it is configured: groups, rule lists, defaults.
//!
//! It is read once after each change and never looks at the configuration again. What a user may do is told by the
//! [`Rules`] made of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::rules::{Accesses, Defaults, Rule, Rules, Target};
use super::{ADMIN_GROUP, Principal};
use crate::limits::NACM_KEPT_MAX;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_netconf_acm::{self as acm, ActionType, Groups, RuleList, nodes};
use crate::yang::generated::irtf_agent::nodes as draft;
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, PathPattern, Selector, Step, StepPattern};
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container, Key};
use crate::yang::types::ModuleNames;
use crate::yang::value::Value;

/// What is configured at `/ietf-netconf-acm:nacm`, or the standard policy as long as there is no rule list.
#[derive(Debug)]
pub struct Nacm {
    enabled: bool,
    external_groups: bool,
    defaults: Defaults,
    /// The groups of each user that are configured.
    groups: BTreeMap<String, BTreeSet<String>>,
    lists: Vec<List>,
    /// Whether this is the standard policy.
    standard: bool,
    /// What was made for the users who asked: by name, for the groups that the transport told.
    made: RwLock<HashMap<String, Vec<Made>>>,
}

/// The rules of a user, with the groups that the transport told, whether they are for a credential that is bound to an
/// agent, and what is withheld.
type Made = (BTreeSet<String>, bool, Withheld, Arc<Rules>);

/// What of the draft's `tasks`, which are the order of one user at a time, is kept from another, whatever the rules permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// Nothing.
    Nothing,
    /// To whom it is reported, since a URL can be a secret too; and it is not to be changed.
    Receiver,
    /// All of it.
    Order,
}

/// Sets of groups of one user, who can come by several transports, whose rules are kept.
const GROUPS_KEPT_MAX: usize = 16;

/// One `rule-list`.
struct List {
    /// The groups that it is for; `None` for all.
    groups: Option<BTreeSet<String>>,
    rules: Vec<Arc<Rule>>,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("groups", &self.groups)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

impl Default for Nacm {
    fn default() -> Self {
        Nacm {
            enabled: true,
            external_groups: true,
            defaults: Defaults { read: true, write: false, exec: true },
            groups: BTreeMap::new(),
            lists: vec![standard()],
            standard: true,
            made: RwLock::default(),
        }
    }
}

impl Nacm {
    /// Reads what is configured.
    ///
    /// # Errors
    /// `invalid-value` for a rule whose path leads to no node: it would never match, so a rule that denies would permit.
    pub fn read(config: &Container) -> Result<Nacm, Error> {
        let Some(nacm) = config.container(&nodes::NACM) else { return Ok(Nacm::default()) };
        let flag = |node| nacm.leaf(node).is_none_or(|value| *value == Value::Bool(true));
        let permits = |node, default| match nacm.leaf(node).map(Value::canonical) {
            Some(action) => action == "permit",
            None => default,
        };
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let configured =
            nacm.container(&nodes::NACM_GROUPS).and_then(|groups| Groups::from_data(groups).ok());
        for group in configured.into_iter().flat_map(|groups| groups.group) {
            for user in group.user_name {
                groups.entry(user).or_default().insert(group.name.clone());
            }
        }
        let mut lists = Vec::new();
        for entry in nacm.list(&nodes::NACM_RULE_LIST).into_iter().flat_map(|list| list.iter()) {
            let list = RuleList::from_data(&entry).map_err(|e| invalid(&entry, None, &e.to_string()))?;
            lists.push(list_of(&entry, list)?);
        }
        let standard_only = lists.is_empty();
        if standard_only {
            lists.push(standard());
        }
        Ok(Nacm {
            enabled: flag(&nodes::NACM_ENABLE_NACM),
            external_groups: flag(&nodes::NACM_ENABLE_EXTERNAL_GROUPS),
            defaults: Defaults {
                read: permits(&nodes::NACM_READ_DEFAULT, true),
                write: permits(&nodes::NACM_WRITE_DEFAULT, false),
                exec: permits(&nodes::NACM_EXEC_DEFAULT, true),
            },
            groups,
            lists,
            standard: standard_only,
            made: RwLock::default(),
        })
    }

    /// What the principal may do. Administrators are the recovery session (RFC 8341 section 3.1.1): no rule keeps them out.
    pub fn rules(&self, principal: &Principal) -> Arc<Rules> {
        self.rules_without(principal, Withheld::Nothing)
    }

    /// The same, but for what is withheld from it.
    pub fn rules_without(&self, principal: &Principal, withheld: Withheld) -> Arc<Rules> {
        if principal.is_admin() || (!self.enabled && withheld == Withheld::Nothing) {
            return Rules::everything();
        }
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let of_user = made.get(&principal.name).into_iter().flatten();
        let is_bound = principal.agent.is_some();
        let known = of_user.clone().find(|(groups, bound, without, _)| {
            (*bound, *without) == (is_bound, withheld) && *groups == principal.groups
        });
        if let Some((.., rules)) = known {
            return rules.clone();
        }
        let is_full = made.len() >= NACM_KEPT_MAX || of_user.count() >= GROUPS_KEPT_MAX;
        drop(made);
        let rules = Arc::new(self.make(principal, withheld));
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        if is_full {
            made.clear();
        }
        made.entry(principal.name.clone()).or_default().push((
            principal.groups.clone(),
            is_bound,
            withheld,
            rules.clone(),
        ));
        rules
    }

    fn make(&self, principal: &Principal, withheld: Withheld) -> Rules {
        let first = withheld.rules().into_iter().map(Arc::new);
        if !self.enabled {
            let (target, access) = (Target::Any, Accesses::ALL);
            let all = Arc::new(Rule { module: None, target, access, permit: true });
            let defaults = Defaults { read: true, write: true, exec: true };
            return Rules::new(first.chain([all]).collect(), defaults, &principal.name, false);
        }
        let mut groups = self.groups.get(&principal.name).cloned().unwrap_or_default();
        if self.external_groups {
            groups.extend(principal.groups.iter().cloned());
        }
        if principal.agent.is_some() {
            groups.remove(ADMIN_GROUP);
        }
        // The standard policy is for everybody; a rule list that is configured is for those who are in a group
        // (RFC 8341 section 3.4.4 step 5).
        let concerned = |list: &&List| match &list.groups {
            None => self.standard || !groups.is_empty(),
            Some(of) => !of.is_disjoint(&groups),
        };
        let rules = self.lists.iter().filter(concerned).flat_map(|list| &list.rules).cloned();
        Rules::new(first.chain(rules).collect(), self.defaults, &principal.name, self.standard)
    }
}

impl Withheld {
    /// The rules that withhold it.
    fn rules(self) -> Vec<Rule> {
        let deny = |way: &[&'static Node], access| {
            let steps = way.iter().map(|node| StepPattern { node, wanted: Vec::new() }).collect();
            Rule { module: None, target: Target::Data(PathPattern { steps }), access, permit: false }
        };
        match self {
            Withheld::Nothing => Vec::new(),
            Withheld::Receiver => vec![
                deny(&[&draft::TASKS, &draft::TASKS_TASK_SUBSCRIPTION], Accesses::ALL),
                deny(&[&draft::TASKS], Accesses::WRITING),
            ],
            Withheld::Order => vec![deny(&[&draft::TASKS], Accesses::ALL)],
        }
    }
}

fn list_of(entry: &Container, list: RuleList) -> Result<List, Error> {
    let texts: BTreeSet<String> = list.group.iter().map(|group| group.canonical()).collect();
    let rules = list
        .rule
        .iter()
        .map(|rule| rule_of(rule).map(Arc::new).map_err(|what| invalid(entry, Some(&rule.name), &what)));
    let rules = rules.collect::<Result<_, _>>()?;
    Ok(List { groups: (!texts.contains(ANY)).then_some(texts), rules })
}

/// What stands for all modules, groups, names and operations.
const ANY: &str = "*";

fn rule_of(rule: &acm::Rule) -> Result<Rule, String> {
    let text = |value: &Value| value.canonical();
    let named = |value: &Value| Some(text(value)).filter(|name| name != ANY);
    let target = match (&rule.rpc_name, &rule.notification_name, &rule.path) {
        (Some(name), ..) => Target::Operation(named(name)),
        (_, Some(name), _) => Target::Notification(named(name)),
        (.., Some(path)) => Target::Data(PathPattern::parse(path, &ModuleNames(&SCHEMA))?),
        (None, None, None) => Target::Any,
    };
    let access = rule.access_operations.as_ref().map_or_else(|| ANY.to_owned(), text);
    Ok(Rule {
        module: rule.module_name.as_ref().and_then(named),
        target,
        access: access.parse()?,
        permit: rule.action == ActionType::Permit,
    })
}

fn invalid(list: &Container, rule: Option<&str>, what: &str) -> Error {
    let mut path = InstancePath { steps: vec![Step::plain(&nodes::NACM)] };
    let key = list.key(&nodes::NACM_RULE_LIST).map_or(Selector::None, Selector::Key);
    path.steps.push(Step { node: &nodes::NACM_RULE_LIST, selector: key });
    if let Some(rule) = rule {
        let selector = Selector::Key(Key::string(rule));
        path.steps.push(Step { node: &nodes::NACM_RULE_LIST_RULE, selector });
        path.steps.push(Step::plain(&nodes::NACM_RULE_LIST_RULE_RULE_TYPE_DATA_NODE_PATH));
    }
    Error::application(Tag::InvalidValue, format!("this rule would never match: {what}")).at(path)
}

/// The policy of a server whose operator has not written one: agents give each other tasks in the draft's own tree, whose
/// write operations are how a client that knows only the draft does so; each is judged again as the order that it is.
fn standard() -> List {
    let path = PathPattern { steps: Vec::new() };
    let rule = Rule {
        module: Some("irtf-agent".to_owned()),
        target: Target::Data(path),
        access: Accesses::WRITING,
        permit: true,
    };
    List { groups: None, rules: vec![Arc::new(rule)] }
}

/// Whether what is configured is another than before: both are the roots of a configuration.
pub fn is_changed(before: &Container, after: &Container) -> bool {
    match (before.get(&nodes::NACM), after.get(&nodes::NACM)) {
        (None, None) => false,
        (Some(Child::Container(before)), Some(Child::Container(after))) => !Arc::ptr_eq(before, after),
        _ => true,
    }
}
