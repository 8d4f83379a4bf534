//! The registry by its own door: what is decided, applied, found and said again after a replay.
//!
//! Nothing here knows the engine.

use serde_json::json;

use super::*;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::magent_registry::{
    DelegatedRight, DeregisterInput, DiscoverAgentsInput, DiscoverAgentsOutput, DiscoverAgentsOutputMatched,
    RegisterAgentInput, RegisterAgentOutput, RenewInput, RevokeDelegationInput,
};
use crate::yang::packed::Origin;
use crate::yang::tree::Key;
use crate::yang::{json as codec, value};

mod found;
mod partners;

const DAY: i64 = 24 * 3600;

fn read<T: Modelled>(json: &serde_json::Value) -> T {
    let text = json.to_string();
    let data = codec::decode_children(text.as_bytes(), Some(T::node()), &SCHEMA, &codec::STORED).unwrap();
    T::from_data(&data).unwrap()
}

/// Whether who asks here may see an agent.
fn is_shown(name: &str) -> bool {
    !name.starts_with("hidden")
}

/// A profile with a few members of its own.
fn profile(name: &str, more: serde_json::Value) -> RegisterAgentInput {
    let mut profile =
        json!({"name": name, "description": "An agent.", "version": "1.0.0", "provider": "Acme"});
    profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(&profile)
}

fn skilled(name: &str, skill: &str, tags: &[&str]) -> RegisterAgentInput {
    profile(name, json!({"skills": {"skill": [{"skill-name": skill, "skill-tags": tags}]}}))
}

/// A registry with the log that it is made of.
#[derive(Default)]
struct World {
    registry: Registry,
    seconds: i64,
    log: Vec<(Timestamp, String)>,
    told: Vec<(String, String)>,
    updates: Vec<Option<Change>>,
    limits: Limits,
}

impl World {
    fn fresh(&self) -> Fresh {
        Fresh::new(Timestamp::from_seconds(1_800_000_000 + self.seconds).unwrap(), [0; 10])
    }

    fn now(&self) -> Timestamp {
        self.fresh().now
    }

    fn commit(&mut self, events: Vec<Event>) -> usize {
        let count = events.len();
        for event in events {
            if let Event::Updated { change, .. } = &event {
                self.updates.push(change.clone());
            }
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
            let leaf = |data: &crate::yang::tree::Container, name: &str| {
                data.iter().find(|(node, _)| node.name == name).map(|(_, child)| match child {
                    crate::yang::tree::Child::Leaf(value) => value.canonical(),
                    _ => panic!("no leaf"),
                })
            };
            for told in Registry::announce(&event, self.now()) {
                if told.node.name == "delegation-change" {
                    assert_eq!(told.parties.len(), 1, "it is private");
                    continue;
                }
                assert_eq!(told.node.name, "registry-change");
                assert!(told.parties.is_empty());
                self.told.push((leaf(&told.data, "name").unwrap(), leaf(&told.data, "change").unwrap()));
            }
            self.log.push((self.now(), text));
            self.registry.apply(self.log.len() as u64, self.now(), &event);
        }
        count
    }

    fn register(&mut self, user: &str, input: RegisterAgentInput) -> Result<RegisterAgentOutput, Error> {
        let by = Registrant { user, may_take_over: user == "admin", for_ever: user == "server" };
        let (events, output) = self.registry.register(&self.fresh(), by, input, &self.limits)?;
        self.commit(events);
        Ok(output)
    }

    fn renew(&mut self, name: &str) -> Result<(), Error> {
        let (events, _) =
            self.registry.renew(&self.fresh(), name, RenewInput { lifetime: None }, &self.limits)?;
        self.commit(events);
        Ok(())
    }

    fn deregister(&mut self, name: &str) -> Result<(), Error> {
        let input = DeregisterInput { reason: None };
        let (events, _) = self.registry.deregister(&self.fresh(), name, input)?;
        self.commit(events);
        Ok(())
    }

    fn delegate(&mut self, name: &str, to: &str, lifetime: u64) -> Result<u32, Error> {
        let input = read(&json!({"delegate": to, "may": ["work"], "lifetime": lifetime}));
        let (events, output) = self.registry.delegate(&self.fresh(), name, "owner", input, &self.limits)?;
        self.commit(events);
        Ok(output.id)
    }

    fn revoke(&mut self, id: u32) -> Result<(), Error> {
        let (events, _) = self.registry.revoke(self.now(), &RevokeDelegationInput { id })?;
        self.commit(events);
        Ok(())
    }

    fn discover(&self, conditions: serde_json::Value) -> Result<DiscoverAgentsOutput, Error> {
        let input: DiscoverAgentsInput = read(&conditions);
        self.registry.discover(self.now(), &input, Some(&is_shown), &self.limits)
    }

    fn names(&self, conditions: serde_json::Value) -> Vec<String> {
        self.discover(conditions).unwrap().agent.into_iter().map(|agent| agent.name).collect()
    }

    /// The registry that a replay of the log gives.
    fn replayed(&self) -> Registry {
        let mut registry = Registry::default();
        for (position, (at, text)) in self.log.iter().enumerate() {
            registry.apply(position as u64 + 1, *at, &serde_json::from_str(text).unwrap());
        }
        registry
    }

    fn told(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.told)
    }
}

fn app_tag<T>(result: Result<T, Error>) -> (Tag, String) {
    match result {
        Ok(_) => panic!("not refused"),
        Err(error) => (error.tag, error.app_tag.unwrap_or_default().into()),
    }
}

/// The registry that a snapshot gives.
fn saved_and_loaded(registry: &Registry) -> Registry {
    let mut items = Vec::new();
    registry
        .save(&mut |kind, octets| {
            items.push((kind, octets.to_vec()));
            Ok(())
        })
        .unwrap();
    let mut loaded = Registry::default();
    items.iter().for_each(|(kind, octets)| loaded.load(*kind, octets, Origin(None)).unwrap());
    loaded
}

fn change(name: &str, change: &str) -> (String, String) {
    (name.to_owned(), change.to_owned())
}

#[test]
fn a_repeated_registration_renews_and_tells_nobody() {
    let mut world = World::default();
    let first = world.register("ann", skilled("a", "diagnosis", &["fault"])).unwrap();
    assert_eq!(world.told(), [change("a", "registered")]);
    world.seconds = 60;
    let second = world.register("ann", skilled("a", "diagnosis", &["fault"])).unwrap();
    assert_eq!(world.told(), []);
    assert_eq!(second.registered_at, first.registered_at);
    assert!(second.expires_at > first.expires_at);
    world.register("ann", skilled("a", "repair", &[])).unwrap();
    assert_eq!(world.told(), [change("a", "updated")]);
    assert_eq!(world.names(json!({"skill-name": ["diagnosis"]})), [""; 0]);
    assert_eq!(world.names(json!({"skill-name": ["repair"]})), ["a"]);
    assert_eq!(world.registry, world.replayed());
}

#[test]
fn a_name_stays_with_its_user_until_an_administrator_takes_it() {
    let mut world = World::default();
    world.register("ann", profile("a", json!({}))).unwrap();
    assert_eq!(
        app_tag(world.register("bob", profile("a", json!({})))),
        (Tag::AccessDenied, "not-authorized".into())
    );
    world.deregister("a").unwrap();
    assert_eq!(world.told(), [change("a", "registered"), change("a", "deregistered")]);
    assert_eq!(app_tag(world.deregister("a")), (Tag::DataMissing, "agent-unknown".into()));
    assert!(!world.registry.contains("a", world.now()));
    assert_eq!(world.registry.owner("a"), Some("ann"));
    assert_eq!(
        app_tag(world.register("bob", profile("a", json!({})))),
        (Tag::AccessDenied, "not-authorized".into())
    );
    world.register("ann", profile("a", json!({}))).unwrap();
    world.register("admin", profile("a", json!({}))).unwrap();
    assert_eq!(world.registry.owner("a"), Some("admin"));
    assert_eq!(world.registry.owned_by("admin").collect::<Vec<_>>(), ["a"]);
    assert_eq!(world.registry.owned_by("ann").count(), 0);
    assert_eq!(
        app_tag(world.register("ann", profile("a", json!({})))),
        (Tag::AccessDenied, "not-authorized".into())
    );
    assert_eq!(world.registry, world.replayed());
}

#[test]
fn a_registration_that_is_not_renewed_ends_at_its_time() {
    let mut world = World::default();
    for (name, lifetime) in [("a", 100), ("b", 50), ("c", 50)] {
        world.register("ann", profile(name, json!({"lifetime": lifetime}))).unwrap();
    }
    world.register("server", profile("own", json!({}))).unwrap();
    let until = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
    assert_eq!(world.registry.next_deadline(), until(50));
    assert!(world.registry.expire(until(49).unwrap(), 9).is_empty());
    assert_eq!(world.registry.expire(until(50).unwrap(), 1).len(), 1);

    world.seconds = 50;
    assert_eq!(world.names(json!({})), ["a", "own"]);
    assert_eq!(app_tag(world.renew("b")), (Tag::DataMissing, "agent-unknown".into()));
    world.told();
    // Registered again before anybody has said that it ended.
    world.register("ann", profile("b", json!({}))).unwrap();
    assert_eq!(world.told(), [change("b", "expired"), change("b", "registered")]);
    let due = world.registry.expire(world.now(), 9);
    assert_eq!(world.commit(due), 1);
    assert_eq!(world.told(), [change("c", "expired")]);
    assert_eq!(world.registry.owner("c"), Some("ann"));

    world.renew("a").unwrap();
    world.renew("own").unwrap();
    world.seconds = 100 * DAY;
    let due = world.registry.expire(world.now(), 9);
    assert_eq!(world.commit(due), 2);
    assert_eq!(world.registry.next_deadline(), None);
    assert_eq!(world.names(json!({})), ["own"]);
    assert_eq!(world.registry, world.replayed());
}

#[test]
fn lifetimes_are_shortened_to_the_longest_that_is_allowed() {
    let mut world =
        World { limits: Limits { agent_lifetime_max_s: 60, ..Limits::default() }, ..World::default() };
    let end = world.register("ann", profile("a", json!({"lifetime": u32::MAX}))).unwrap().expires_at;
    assert_eq!(end, world.now().checked_add_seconds(60).map(|at| at.to_string()));
}

#[test]
fn every_condition_has_to_be_met_by_one_of_its_values() {
    let mut world = World::default();
    let wireless = json!({
        "type": "ran", "provider": "X", "domain": ["Wireless", "IP"], "management-object": ["cell"],
        "skills": {"skill": [{"skill-name": "diagnosis", "skill-tags": ["fault", "ran"],
            "input-modes": ["text"], "output-modes": ["text", "image"]}]},
        "capability": {"negotiate": ["feasibility-v1"], "streaming": true},
        "authentication": {"authentication-methods": [{"accessinfo-id": "1", "scheme": "JWT"}]},
        "endpoints": {"endpoint": [{"url": "https://w.example/", "protocol": "restconf"}]}
    });
    world.register("ann", profile("w", wireless)).unwrap();
    world.register("ann", profile("i", json!({"type": "core", "domain": ["IP"]}))).unwrap();
    world.register("ann", profile("hidden", json!({"domain": ["IP"]}))).unwrap();
    for (conditions, found) in [
        (json!({}), vec!["i", "w"]),
        (json!({"name": ["w", "x", "i"]}), vec!["i", "w"]),
        (json!({"name": ["w"], "domain": ["Core"]}), vec![]),
        (json!({"domain": ["IP"]}), vec!["i", "w"]),
        (json!({"domain": ["Wireless", "Optical"]}), vec!["w"]),
        (json!({"domain": ["Wireless", "IP"]}), vec!["i", "w"]),
        (json!({"domain": ["IP"], "type": ["core"]}), vec!["i"]),
        (json!({"provider": ["X"]}), vec!["w"]),
        (
            json!({"management-object": ["cell"], "skill-name": ["diagnosis"], "skill-tag": ["fault"]}),
            vec!["w"],
        ),
        (json!({"input-mode": ["text"], "output-mode": ["image"]}), vec!["w"]),
        (json!({"input-mode": ["image"]}), vec![]),
        (json!({"negotiate": ["feasibility-v1"]}), vec!["w"]),
        (json!({"streaming": true}), vec!["w"]),
        (json!({"streaming": false}), vec!["i"]),
        (json!({"push-notifications": true}), vec![]),
        (json!({"push-notifications": false, "streaming": true}), vec!["w"]),
        (json!({"protocol": ["a2a", "restconf"]}), vec!["w"]),
        (json!({"authentication-scheme": ["JWT"]}), vec!["w"]),
        (json!({"authentication-scheme": ["JWT"], "protocol": ["a2a"]}), vec![]),
        (json!({"domain": ["IP"], "text": "diagnosing"}), vec!["w"]),
        (json!({"domain": ["IP"], "text": "agent", "type": ["core"]}), vec!["i"]),
        (json!({"skill-tag": ["none"]}), vec![]),
    ] {
        let mut names = world.names(conditions.clone());
        names.sort();
        assert_eq!(names, found, "{conditions}");
    }
    let found = world.discover(json!({"name": ["w"]})).unwrap().agent;
    assert_eq!(found[0].skills.skill[0].skill_tags, ["fault", "ran"]);
    assert!(found[0].expires_at.is_some());
}

#[test]
fn text_finds_agents_with_all_its_words_and_most_hits_first() {
    let mut world = World::default();
    let described = |name: &str, text: &str| profile(name, json!({"description": text}));
    world.register("ann", described("a", "Diagnosis of faults")).unwrap();
    world.register("ann", described("b", "FAULT diagnosis; fault repair")).unwrap();
    world.register("ann", described("c", "Energy saving")).unwrap();
    world.register("ann", skilled("d", "fault-diagnosis", &["fault", "diagnosis"])).unwrap();
    assert_eq!(world.names(json!({"text": "fault, Diagnosis"})), ["d", "b", "a"]);
    // No agent has both words; better one that has one than nobody, and better one with the rarer word.
    let found = world.discover(json!({"text": "energy faults"})).unwrap();
    assert_eq!(found.agent[0].name, "c");
    assert_eq!((found.agent.len(), found.matched), (4, Some(DiscoverAgentsOutputMatched::Any)));
    assert_eq!(world.names(json!({"text": "quantum"})), [""; 0]);
    for text in ["", " , ", "???", "😀"] {
        let refused = world.discover(json!({"text": text})).unwrap_err();
        let place = refused.path.as_ref().map(ToString::to_string).unwrap_or_default();
        assert_eq!((refused.tag, place.ends_with("input/text")), (Tag::InvalidValue, true), "{place}");
    }
    let page = world.discover(json!({"text": "fault diagnosis", "limit": 2})).unwrap();
    let cursor = page.next_cursor.unwrap();
    assert_eq!(world.names(json!({"text": "fault diagnosis", "limit": 2, "cursor": cursor})), ["a"]);
    let long: Vec<String> = (0..40).map(|n| format!("w{n}")).collect();
    assert_eq!(app_tag(world.discover(json!({"text": long.join(" ")}))).0, Tag::TooBig);
}

#[test]
fn pages_go_on_after_the_cursor_whatever_comes_and_goes() {
    let mut world = World::default();
    for n in 0..10 {
        world.register("ann", profile(&format!("n{n}"), json!({"domain": ["IP", "Core"]}))).unwrap();
    }
    for conditions in
        [json!({}), json!({"domain": ["IP", "Core"]}), json!({"provider": ["Acme"], "input-mode": []})]
    {
        let mut asked = conditions.clone();
        asked["limit"] = json!(4);
        let page = world.discover(asked.clone()).unwrap();
        assert_eq!(page.agent.last().unwrap().name, "n3");
        asked["cursor"] = json!(page.next_cursor.unwrap());
        let mut later = World { registry: world.registry.clone(), ..World::default() };
        later.deregister("n3").unwrap();
        later.register("ann", profile("n4a", json!({"domain": ["IP"]}))).unwrap();
        later.register("ann", profile("n0a", json!({"domain": ["IP"]}))).unwrap();
        // Who comes later stands wherever there is room.
        assert_eq!(later.names(asked.clone()), ["n4", "n5", "n6", "n7"], "{conditions}");
        asked["cursor"] = json!(later.discover(asked.clone()).unwrap().next_cursor.unwrap());
        assert_eq!(later.names(asked), ["n8", "n9", "n0a"], "{conditions}");
    }
    let page = world.discover(json!({"limit": 10})).unwrap();
    assert_eq!((page.agent.len(), page.next_cursor), (10, None));
    for cursor in ["", "?", "bmFtZQ", "bm8", "aGl0czoxOm4"] {
        let refused = app_tag(world.discover(json!({"cursor": cursor})));
        assert_eq!(refused, (Tag::InvalidValue, "bad-cursor".into()), "{cursor}");
    }
    let by_name = world.discover(json!({"limit": 1})).unwrap().next_cursor;
    assert_eq!(app_tag(world.discover(json!({"text": "agent", "cursor": by_name}))).1, "bad-cursor");
}

#[test]
fn the_registry_has_limits() {
    let limits =
        Limits { agents_max: 2, agent_names_max: 3, agent_profile_bytes_max: 500, ..Limits::default() };
    let mut world = World { limits, ..World::default() };
    world.register("ann", profile("a", json!({}))).unwrap();
    world.register("ann", profile("b", json!({}))).unwrap();
    let full = (Tag::ResourceDenied, "registry-full".to_owned());
    assert_eq!(app_tag(world.register("ann", profile("c", json!({})))), full);
    world.register("ann", profile("a", json!({"alias": "A"}))).unwrap();
    world.deregister("a").unwrap();
    world.register("ann", profile("c", json!({}))).unwrap();
    world.deregister("c").unwrap();
    assert_eq!(app_tag(world.register("ann", profile("d", json!({})))), full);
    world.register("ann", profile("a", json!({}))).unwrap();
    let large = profile("a", json!({"description": "x".repeat(500)}));
    assert_eq!(app_tag(world.register("ann", large)).0, Tag::TooBig);
    let page = world.discover(json!({"limit": 65535})).unwrap();
    assert_eq!(page.agent.len(), 2);
}

#[test]
fn entries_are_the_agents_with_the_revision_that_touched_them() {
    let mut world = World::default();
    world.register("ann", profile("b", json!({}))).unwrap();
    world.register("ann", profile("a", json!({}))).unwrap();
    world.renew("b").unwrap();
    let entries = world.registry.entries();
    assert_eq!((entries.len(), world.registry.revision()), (2, 3));
    let all = entries.after(None, 9);
    assert_eq!(all.iter().map(|(_, entry)| entry.revision).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(entries.after(Some(&Key::string("a")), 9).len(), 1);
    assert_eq!(entries.get(&Key::string("b")).map(|entry| entry.revision), Some(3));
    assert!(entries.get(&Key::new(vec![value::Value::Bool(true)])).is_none());
    assert_eq!(Agent::from_data(&all[0].1).unwrap().name, "a");
}

#[test]
fn replaying_any_history_gives_the_same_registry() {
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut below = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut world = World { limits: Limits { agents_max: 6, ..Limits::default() }, ..World::default() };
    let domains = ["IP", "Core", "Optical"];
    let (mut newest, mut working) = (0, 0);
    for _ in 0..3000 {
        let name = format!("n{}", below(9));
        // A name that an administrator took stays away from the others, so that is rare.
        let user = if below(1000) == 0 { "admin" } else { ["ann", "bob"][below(2) as usize] };
        let domain = domains[below(3) as usize];
        // Refusals are fine: what counts is what the registry is afterwards.
        let _ = match below(9) {
            0 => world.deregister(&name),
            1 => world.renew(&name),
            2 => {
                world.seconds += below(2000) as i64;
                let due = world.registry.expire(world.now(), below(3) as usize);
                world.commit(due);
                Ok(())
            }
            3 => world.delegate(&name, user, 1 + below(5000)).map(|id| {
                assert!(id > newest, "numbers are not used again");
                newest = id;
            }),
            4 => world.revoke(below(u64::from(newest) + 2) as u32),
            _ => {
                let words = ["fault", "energy", "traffic"][below(3) as usize];
                let profile = profile(
                    &name,
                    json!({"domain": [domain], "description": words.repeat(below(3) as usize)}),
                );
                world.register(user, profile).map(drop)
            }
        };
        for domain in domains {
            let scanned = world
                .registry
                .agents
                .values()
                .map(|held| &held.entry)
                .filter(|agent| agent.domain == [domain] && is_registered(agent, world.now()));
            let scanned: Vec<&str> = scanned.map(|agent| agent.name.as_str()).collect();
            let mut names = world.names(json!({"domain": [domain]}));
            names.sort();
            assert_eq!(names, scanned);
        }
        let owned: usize =
            ["ann", "bob", "admin"].iter().map(|user| world.registry.owned_by(user).count()).sum();
        assert_eq!(owned, world.registry.owners.len());
        assert_eq!(world.registry.expiry.len(), world.registry.agents.len());
        // Nobody works for an agent but by a delegation of it, which lasts, while it is registered.
        for name in (0..9).map(|number| format!("n{number}")) {
            for user in ["ann", "bob", "admin"] {
                let delegations = world.registry.delegations().after(None, usize::MAX);
                let delegations =
                    delegations.iter().map(|(_, entry)| Delegation::from_data(entry).unwrap()).filter(|d| {
                        assert!(world.registry.holds(&d.agent), "{d:?}");
                        let ends: Timestamp = d.expires_at.parse().unwrap();
                        (d.agent.as_str(), d.delegate.as_str()) == (name.as_str(), user) && world.now() < ends
                    });
                let expected = delegations.count() > 0 && world.registry.contains(&name, world.now());
                let right = DelegatedRight::Work;
                assert_eq!(world.registry.is_delegated(&name, user, right, world.now()), expected);
                working += usize::from(expected);
            }
        }
    }
    assert!(world.log.len() > 500 && working > 500, "{} events, {working}", world.log.len());
    assert_eq!(world.registry, world.replayed());
    assert_eq!(world.registry, saved_and_loaded(&world.registry));
    let mut emptied = world.registry.clone();
    let names: Vec<Arc<str>> = emptied.agents.keys().cloned().collect();
    names.iter().for_each(|name| emptied.take(name));
    assert_eq!(emptied.index, Index::default());
}
