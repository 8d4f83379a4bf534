//! Verdicts of access control against a direct, slow transcription of RFC 8341 section 3.4, for random rules and requests.
//!
//! The transcription knows nothing of the tables that the server makes: it walks the rules as the RFC says it.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

#[path = "../codegen/tests/support/random.rs"]
mod random;

use std::collections::BTreeSet;

use agentconf::access::{Access, At, Method, Nacm, Principal};
use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::json;
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::schema::{Base, Kind, NacmDefault, Node};
use agentconf::yang::tree::Key;
use agentconf::yang::types::{self, ModuleNames};
use random::Random;
use serde_json::{Value as Json, json};

const USERS: [&str; 3] = ["ann", "bob", "eve"];
const GROUPS: [&str; 3] = ["operators", "auditors", "guests"];
const OPERATIONS: [(&str, Access); 5] = [
    ("create", Access::Create),
    ("read", Access::Read),
    ("update", Access::Update),
    ("delete", Access::Delete),
    ("exec", Access::Exec),
];

/// What is configured, as simple as it can be.
struct Config {
    enabled: bool,
    external: bool,
    defaults: [bool; 3],
    groups: Vec<(&'static str, Vec<&'static str>)>,
    lists: Vec<(Vec<&'static str>, Vec<Rule>)>,
}

struct Rule {
    module: Option<&'static str>,
    about: About,
    access: Option<Vec<&'static str>>,
    permit: bool,
}

enum About {
    Anything,
    Operation(Option<&'static str>),
    Notification(Option<&'static str>),
    Path(Vec<(&'static Node, Vec<(&'static Node, String)>)>),
}

/// A node of a data tree: each step with the texts of its keys.
type Place = Vec<(&'static Node, Vec<String>)>;

/// Key values that are likely to meet; `$USER` stands for the name of the user in rules.
fn key_text(random: &mut Random, leaf: &'static Node) -> Option<String> {
    let candidates: &[&str] = match leaf.ty()?.base {
        Base::String(..) => &["ann", "bob", "x"],
        Base::Uint(..) | Base::Int(..) => &["1", "2"],
        _ => return None,
    };
    let text = random.pick(candidates)?;
    types::parse(leaf.ty()?, text, &ModuleNames(&SCHEMA), leaf.module).ok()?;
    Some((*text).to_owned())
}

/// A random place: down from the top, rather far. `None` if a key cannot be made up.
fn place(random: &mut Random) -> Option<Place> {
    let modules: Vec<_> = SCHEMA.implemented().filter(|module| !module.data.is_empty()).collect();
    let mut nodes = random.pick(&modules)?.data;
    let mut place = Place::new();
    loop {
        let node = *random.pick(nodes)?;
        let keys: Option<Vec<String>> = node.keys().iter().map(|leaf| key_text(random, leaf)).collect();
        place.push((node, keys?));
        nodes = node.data;
        let operations: Vec<&'static Node> = node.actions.iter().chain(node.notifications).copied().collect();
        if !operations.is_empty() && random.percent(30) {
            place.push((*random.pick(&operations)?, Vec::new()));
            return Some(place);
        }
        if nodes.is_empty() || random.percent(25) {
            return Some(place);
        }
    }
}

fn some_module(random: &mut Random, place: &Place) -> Option<&'static str> {
    match random.below(4) {
        0 | 1 => None,
        2 => place.last().map(|(node, _)| node.module.name),
        _ => Some("ietf-netconf"),
    }
}

fn rule(random: &mut Random, places: &[Place]) -> Rule {
    let place = random.pick(places).unwrap();
    let module = some_module(random, place);
    let named = |random: &mut Random, nodes: Vec<&'static Node>| match random.percent(25) {
        true => None,
        false => random.pick(&nodes).map(|node| node.name),
    };
    let about = match random.below(8) {
        0 => About::Anything,
        1 => About::Operation(named(random, rpcs())),
        2 => About::Notification(named(random, notifications())),
        3 => About::Path(Vec::new()),
        _ => {
            let length = random.below(place.len()) + 1;
            let step = |(node, keys): &(&'static Node, Vec<String>)| {
                let keys = node.keys().iter().copied().zip(keys.iter().cloned());
                let keys = keys.filter_map(|(leaf, text)| match random.below(4) {
                    0 => None,
                    1 if matches!(leaf.ty().map(|ty| &ty.base), Some(Base::String(..))) => {
                        Some((leaf, "$USER".to_owned()))
                    }
                    _ => Some((leaf, text)),
                });
                (*node, keys.collect())
            };
            About::Path(place[..length].iter().map(step).collect())
        }
    };
    let access = random
        .percent(70)
        .then(|| OPERATIONS.iter().map(|(name, _)| *name).filter(|_| random.percent(50)).collect::<Vec<_>>());
    Rule { module, about, access: access.filter(|names| !names.is_empty()), permit: random.percent(50) }
}

fn rpcs() -> Vec<&'static Node> {
    SCHEMA.implemented().flat_map(|module| module.rpcs).copied().collect()
}

fn notifications() -> Vec<&'static Node> {
    SCHEMA.implemented().flat_map(|module| module.notifications).copied().collect()
}

fn config(random: &mut Random, places: &[Place]) -> Config {
    let some = |random: &mut Random, all: &[&'static str]| -> Vec<&'static str> {
        all.iter().copied().filter(|_| random.percent(50)).collect()
    };
    let lists = (0..1 + random.below(3)).map(|_| {
        let groups = if random.percent(30) { vec!["*"] } else { some(random, &GROUPS) };
        (groups, (0..random.below(6)).map(|_| rule(random, places)).collect())
    });
    let lists = lists.collect();
    Config {
        enabled: random.percent(95),
        external: random.percent(70),
        defaults: [random.percent(60), random.percent(40), random.percent(60)],
        groups: GROUPS.iter().map(|name| (*name, some(random, &USERS))).collect(),
        lists,
    }
}

/// As a client would configure it.
fn as_json(config: &Config) -> Json {
    let action = |permit| if permit { "permit" } else { "deny" };
    let rule = |(number, rule): (usize, &Rule)| {
        let mut entry = json!({ "name": number.to_string(), "action": action(rule.permit) });
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                entry[name] = value.into();
            }
        };
        put("module-name", rule.module.map(str::to_owned));
        put("access-operations", rule.access.as_ref().map(|names| names.join(" ")));
        let or_all = |name: Option<&str>| Some(name.unwrap_or("*").to_owned());
        match &rule.about {
            About::Anything => {}
            About::Operation(name) => put("rpc-name", or_all(*name)),
            About::Notification(name) => put("notification-name", or_all(*name)),
            About::Path(steps) => put("path", Some(path_text(steps))),
        }
        entry
    };
    let list = |(number, (groups, rules)): (usize, &(Vec<&str>, Vec<Rule>))| {
        json!({ "name": number.to_string(), "group": groups,
            "rule": rules.iter().enumerate().map(rule).collect::<Vec<_>>() })
    };
    let group = |(name, users): &(&str, Vec<&str>)| json!({ "name": name, "user-name": users });
    json!({ "ietf-netconf-acm:nacm": {
        "enable-nacm": config.enabled,
        "enable-external-groups": config.external,
        "read-default": action(config.defaults[0]),
        "write-default": action(config.defaults[1]),
        "exec-default": action(config.defaults[2]),
        "groups": { "group": config.groups.iter().map(group).collect::<Vec<_>>() },
        "rule-list": config.lists.iter().enumerate().map(list).collect::<Vec<_>>(),
    }})
}

fn path_text(steps: &[(&'static Node, Vec<(&'static Node, String)>)]) -> String {
    if steps.is_empty() {
        return "/".to_owned();
    }
    let step = |(node, keys): &(&'static Node, Vec<(&'static Node, String)>)| {
        let keys = keys.iter().map(|(leaf, text)| match text.as_str() {
            "$USER" => format!("[{}:{}=$USER]", leaf.module.name, leaf.name),
            text => format!("[{}='{text}']", leaf.name),
        });
        format!("/{}:{}{}", node.module.name, node.name, keys.collect::<String>())
    };
    steps.iter().map(step).collect()
}

/// Who asks.
struct User {
    name: &'static str,
    groups: BTreeSet<String>,
}

/// The rule that comes first of those that match, in the rule lists of the user's groups (steps 3 to 7 of each procedure).
fn first(
    config: &Config,
    user: &User,
    module: &str,
    access: &str,
    about: impl Fn(&About) -> bool,
) -> Option<bool> {
    let mut groups: BTreeSet<&str> = BTreeSet::new();
    for (group, users) in &config.groups {
        if users.contains(&user.name) {
            groups.insert(group);
        }
    }
    if config.external {
        groups.extend(user.groups.iter().map(String::as_str));
    }
    if groups.is_empty() {
        return None;
    }
    for (of, rules) in &config.lists {
        if !of.contains(&"*") && !of.iter().any(|group| groups.contains(group)) {
            continue;
        }
        for rule in rules {
            let right_module = rule.module.is_none_or(|name| name == module);
            let right_access = rule.access.as_ref().is_none_or(|names| names.contains(&access));
            if right_module && right_access && (matches!(rule.about, About::Anything) || about(&rule.about)) {
                return Some(rule.permit);
            }
        }
    }
    None
}

/// Section 3.4.4.
fn operation_permitted(config: &Config, user: &User, operation: &Node) -> bool {
    if !config.enabled || (operation.module.name, operation.name) == ("ietf-netconf", "close-session") {
        return true;
    }
    let named = |about: &About| matches!(about, About::Operation(name) if name.is_none_or(|name| name == operation.name));
    if let Some(permit) = first(config, user, operation.module.name, "exec", named) {
        return permit;
    }
    if operation.nacm == NacmDefault::DenyAll {
        return false;
    }
    if operation.module.name == "ietf-netconf" && ["kill-session", "delete-config"].contains(&operation.name)
    {
        return false;
    }
    config.defaults[2]
}

/// Section 3.4.6.
fn notification_permitted(config: &Config, user: &User, notification: &Node) -> bool {
    let name = (notification.module.name, notification.name);
    if !config.enabled
        || name == ("nc-notifications", "replayComplete")
        || name == ("nc-notifications", "notificationComplete")
    {
        return true;
    }
    let named = |about: &About| matches!(about, About::Notification(name) if name.is_none_or(|name| name == notification.name));
    first(config, user, notification.module.name, "read", named)
        .unwrap_or(notification.nacm != NacmDefault::DenyAll && config.defaults[0])
}

/// Section 3.4.5, of one node.
fn node_permitted(config: &Config, user: &User, place: &Place, access: &str) -> bool {
    if !config.enabled {
        return true;
    }
    let (node, _) = place.last().unwrap();
    let at_or_above = |about: &About| {
        let About::Path(steps) = about else { return false };
        steps.len() <= place.len()
            && steps.iter().zip(place).all(|((wanted, keys), (node, values))| {
                wanted == node
                    && keys.iter().all(|(leaf, text)| {
                        let at = node.keys().iter().position(|key| key == leaf).unwrap();
                        let text = if text == "$USER" { user.name } else { text };
                        values[at] == text
                    })
            })
    };
    if let Some(permit) = first(config, user, node.module.name, access, at_or_above) {
        return permit;
    }
    let marked = |mark| place.iter().any(|(node, _)| node.nacm == mark);
    match access {
        "read" => !marked(NacmDefault::DenyAll) && config.defaults[0],
        "exec" => !marked(NacmDefault::DenyAll) && config.defaults[2],
        _ => !marked(NacmDefault::DenyAll) && !marked(NacmDefault::DenyWrite) && config.defaults[1],
    }
}

/// What may not be read is left out with all its descendants (section 3.2.4), so all that is above has to be readable.
fn readable(config: &Config, user: &User, place: &Place) -> bool {
    (1..=place.len()).all(|length| node_permitted(config, user, &place[..length].to_vec(), "read"))
}

fn instance(place: &Place) -> InstancePath {
    let steps = place.iter().map(|(node, keys)| {
        let value = |(leaf, text): (&&'static Node, &String)| {
            types::parse(leaf.ty().unwrap(), text, &ModuleNames(&SCHEMA), leaf.module).unwrap()
        };
        let selector = match node.kind {
            Kind::List { keys: [_, ..], .. } => {
                Selector::Key(Key::new(node.keys().iter().zip(keys).map(value).collect()))
            }
            _ => Selector::None,
        };
        Step { node, selector }
    });
    InstancePath { steps: steps.collect() }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn verdicts_are_those_of_rfc_8341_section_3_4() {
    let (rounds, seed) = (number("AGENTCONF_NACM_ROUNDS", 300), number("AGENTCONF_NACM_SEED", 8341));
    println!("AGENTCONF_NACM_ROUNDS={rounds} AGENTCONF_NACM_SEED={seed}");
    let mut random = Random::new(seed, "nacm");
    let (mut permitted, mut denied) = (0, 0);
    for round in 0..rounds {
        let places: Vec<Place> = std::iter::repeat_with(|| place(&mut random)).flatten().take(12).collect();
        let config = config(&mut random, &places);
        let text = as_json(&config).to_string();
        let tree = json::decode_children(text.as_bytes(), None, &SCHEMA, &DecodeOptions::default())
            .unwrap_or_else(|e| panic!("round {round}: {e}\n{text}"));
        let nacm = Nacm::read(&tree).unwrap_or_else(|e| panic!("round {round}: {e}\n{text}"));
        for name in USERS {
            let groups: BTreeSet<String> =
                GROUPS.iter().filter(|_| random.percent(30)).map(|group| (*group).to_owned()).collect();
            let rules = nacm.rules(&Principal::new(name, groups.clone(), Method::Local));
            let user = User { name, groups };
            let mut check = |ours: bool, theirs: bool, what: &str| {
                if theirs {
                    permitted += 1
                } else {
                    denied += 1
                }
                assert_eq!(ours, theirs, "round {round}: {name} {:?} {what}\n{text}", user.groups);
            };
            for operation in rpcs() {
                let theirs = operation_permitted(&config, &user, operation);
                check(rules.may_invoke(operation), theirs, operation.name);
            }
            for notification in notifications() {
                let theirs = notification_permitted(&config, &user, notification);
                check(rules.may_get(notification), theirs, notification.name);
            }
            for place in &places {
                let path = instance(place);
                for (text, access) in OPERATIONS {
                    let theirs = match access {
                        Access::Read => readable(&config, &user, place),
                        // Section 3.1.3: what leads to an action has to be readable.
                        Access::Exec => {
                            readable(&config, &user, &place[..place.len() - 1].to_vec())
                                && node_permitted(&config, &user, place, text)
                        }
                        _ => node_permitted(&config, &user, place, text),
                    };
                    check(rules.may(access, &path), theirs, &format!("{text} {path}"));
                }
                // What is said of a whole subtree holds for each instance in it.
                let mut at = At::root(rules.clone());
                for (step, (node, _)) in path.steps.iter().zip(place) {
                    for (text, access) in OPERATIONS {
                        if let Some(all) = at.all(node, access) {
                            let theirs = node_permitted(&config, &user, place, text);
                            let is_data = place.iter().all(|(node, _)| !is_operation(node));
                            if is_data {
                                check(all, theirs, &format!("all {text} below {} of {path}", node.name));
                            }
                        }
                    }
                    at = match &step.selector {
                        Selector::Key(key) => at.entry(node, key),
                        _ => at.child(node),
                    };
                }
            }
        }
    }
    assert!(permitted > denied / 4 && denied > permitted / 4, "{permitted} permitted, {denied} denied");
}

fn is_operation(node: &Node) -> bool {
    matches!(node.kind, Kind::Rpc { .. } | Kind::Notification)
}
