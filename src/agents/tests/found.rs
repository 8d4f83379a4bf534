//! How texts find agents, in which order, and what cursors promise.

use super::*;
use crate::agents::Shown;

fn described(name: &str, text: &str) -> RegisterAgentInput {
    profile(name, json!({"description": text}))
}

fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |bound| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    }
}

#[test]
fn what_stands_for_an_agent_counts_more() {
    let mut world = World::default();
    world
        .register("ann", described("a", "repair and more and yet other things that an agent can do"))
        .unwrap();
    world.register("ann", described("b", "repair")).unwrap();
    world.register("ann", skilled("c", "repair", &[])).unwrap();
    world.register("ann", skilled("d", "x", &["repair"])).unwrap();
    world.register("ann", described("e", "Repair; REPAIR, repairs, repairing")).unwrap();
    // By saying it again and again, by skill, by tag, in few words, among many.
    assert_eq!(world.names(json!({"text": "repair"})), ["e", "c", "d", "b", "a"]);
    // A word that few have counts more than one that others have too, and say more often.
    world.register("ann", described("f", "optical")).unwrap();
    world.register("ann", described("g", "agent agent agent agent")).unwrap();
    assert_eq!(world.names(json!({"text": "agent optical"})), ["f", "g", "c", "d", "a"]);
}

#[test]
fn no_cursor_tells_a_word_of_those_who_may_not_be_seen() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut world = World::default();
    for name in ["a", "b", "secret"] {
        let words = if name == "secret" { "optronic mergers" } else { "optical networks" };
        world.register("ann", described(name, words)).unwrap();
    }
    let input: DiscoverAgentsInput = read(&json!({"text": "opt", "limit": 1}));
    let told = |shown: Shown<'_>| {
        let found = world.registry.discover(world.now(), &input, shown, &world.limits).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(found.next_cursor.unwrap()).unwrap()).unwrap()
    };
    assert!(told(None).contains("optronic"), "it would be there");
    let cursor = told(Some(&|name| name != "secret"));
    assert!(cursor.contains("optical") && !cursor.contains("optronic"), "{cursor}");
}

#[test]
fn a_word_that_nobody_has_stands_for_others() {
    let mut world = World::default();
    world.register("ann", described("a", "Optimisation of antennas")).unwrap();
    world.register("ann", described("b", "optical networks")).unwrap();
    world.register("ann", described("c", "故障诊断 of base stations")).unwrap();
    world.register("ann", described("d", "Müllabfuhr hinter der façade")).unwrap();
    for (text, found) in [
        ("opti", &["a", "b"][..]),
        ("antenna", &["a"]),
        ("ANTENNAS", &["a"]),
        ("antena", &["a"]),
        ("netwroks", &["b"]),
        ("optcal network", &["b"]),
        ("诊断", &["c"]),
        ("故", &["c"]),
        ("断诊", &[]),
        ("stations 故障", &["c"]),
        ("o", &[]),
        ("quantumm", &[]),
        ("mullabfuhr facade", &["d"]),
        ("MU\u{308}LLABFUR", &["d"]),
    ] {
        let mut names = world.names(json!({"text": text}));
        names.sort();
        assert_eq!(names, found, "{text}");
    }
}

#[test]
fn what_was_said_before_an_update_finds_nobody() {
    let mut world = World::default();
    world.register("ann", described("a", "diagnosis of faults")).unwrap();
    world.register("ann", described("a", "faults and energy")).unwrap();
    assert_eq!(world.names(json!({"text": "diagnosis"})), [""; 0]);
    assert_eq!(world.names(json!({"text": "energy"})), ["a"]);
    assert_eq!(world.names(json!({"text": "faults"})), ["a"]);
}

#[test]
fn whoever_comes_and_goes_between_two_pages_neither_repeats_nor_hides_others() {
    let words = ["fault", "energy", "traffic", "optical", "core", "cell"];
    for (seed, conditions) in [
        json!({"text": "fault energy"}),
        json!({"text": "fault energy cell", "domain": ["IP"]}),
        json!({"text": "faul"}),
        json!({"domain": ["IP", "Core"]}),
        json!({}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut below = random(seed as u64 + 99);
        let mut world = World::default();
        let mut register = |world: &mut World, name: &str| {
            let text: Vec<&str> = (0..8).map(|_| words[below(6) as usize]).collect();
            let domain = ["IP", "Core"][below(2) as usize];
            world
                .register("ann", profile(name, json!({"description": text.join(" "), "domain": [domain]})))
                .unwrap();
        };
        (0..300).for_each(|n| register(&mut world, &format!("stays{n}")));
        (0..100).for_each(|n| register(&mut world, &format!("goes{n}")));
        let expected = world.discover(json_with(&conditions, "limit", json!(400))).unwrap();
        assert_eq!(expected.next_cursor.is_some(), expected.agent.len() == 100);
        let (mut seen, mut cursor, mut round) = (Vec::new(), None, 0);
        loop {
            let mut asked = json_with(&conditions, "limit", json!(7));
            if let Some(cursor) = cursor {
                asked["cursor"] = json!(cursor);
            }
            let page = world.discover(asked).unwrap();
            seen.extend(
                page.agent.into_iter().map(|agent| agent.name).filter(|name| name.starts_with("stays")),
            );
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            // Rare words become common ones and the other way round.
            for n in 0..5 {
                let _ = world.deregister(&format!("goes{}", (round * 5 + n) % 100));
                register(&mut world, &format!("comes{round}-{n}"));
            }
            world.register("ann", described("energy", &"energy ".repeat(round + 1))).unwrap();
            round += 1;
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{conditions}");
        let input: DiscoverAgentsInput = read(&json_with(&conditions, "limit", json!(1000)));
        let limits = Limits { discover_agents_max: 1000, ..Limits::default() };
        let all = world.registry.discover(world.now(), &input, None, &limits).unwrap();
        let mut all: Vec<String> = all.agent.into_iter().map(|agent| agent.name).collect();
        all.retain(|name| name.starts_with("stays"));
        all.sort();
        assert!(all.len() > 20, "{conditions}");
        // A beginning of a word can stand for another word as soon as somebody has that.
        assert_eq!(once, all, "{conditions}");
    }
}

fn json_with(json: &serde_json::Value, name: &str, value: serde_json::Value) -> serde_json::Value {
    let mut json = json.clone();
    json[name] = value;
    json
}

#[test]
fn a_search_finds_and_ranks_as_a_scan_of_all_profiles_does() {
    let words = ["fault", "energy", "traffic", "optical", "core", "cell", "ran", "antenna"];
    let mut below = random(5);
    let mut world = World::default();
    for n in 0..3000 {
        let text: Vec<&str> = (0..1 + below(6)).map(|_| words[below(8).min(below(8)) as usize]).collect();
        let domain = ["IP", "Core"][below(2) as usize];
        let more = json!({"description": text.join(" "), "domain": [domain]});
        world.register("ann", profile(&format!("n{n}"), more)).unwrap();
        if below(5) == 0 {
            let _ = world.deregister(&format!("n{}", below(n + 1)));
        }
    }
    for (text, domain) in [("fault", None), ("antenna energy", None), ("cell ran core", Some("IP"))] {
        let wanted: Vec<&str> = text.split(' ').collect();
        let mut conditions = json!({"text": text});
        if let Some(domain) = domain {
            conditions["domain"] = json!([domain]);
        }
        let scanned = world.registry.agents.values().map(|held| &held.entry).filter(|agent| {
            let has: Vec<&str> = agent.description.split(' ').collect();
            wanted.iter().all(|word| has.contains(word)) && domain.is_none_or(|d| agent.domain == [d])
        });
        let mut scanned: Vec<String> = scanned.map(|agent| agent.name.clone()).collect();
        scanned.sort();
        let limits = Limits { discover_agents_max: 10_000, ..Limits::default() };
        let input: DiscoverAgentsInput = read(&conditions);
        let found = world.registry.discover(world.now(), &input, None, &limits).unwrap();
        let mut names: Vec<String> = found.agent.iter().map(|agent| agent.name.clone()).collect();
        // The first page of a few is the beginning of all.
        let first = world.names(json_with(&conditions, "limit", json!(25)));
        assert_eq!(first[..], names[..first.len()]);
        names.sort();
        assert_eq!(names, scanned, "{text}");
        assert!(names.len() > 9, "{text}: {}", names.len());
    }
}

#[test]
fn who_is_hidden_or_past_its_time_takes_no_place() {
    let mut world = World::default();
    for n in 0..200 {
        let name = format!("{}{n}", ["hidden", "past", "seen"][n % 3]);
        let lifetime = if n % 3 == 1 { 10 } else { 1000 };
        world.register("ann", profile(&name, json!({"lifetime": lifetime, "description": "fault"}))).unwrap();
    }
    world.seconds = 20;
    for conditions in [json!({"limit": 20}), json!({"limit": 20, "text": "fault"})] {
        let found = world.discover(conditions).unwrap();
        assert!(found.agent.iter().all(|agent| agent.name.starts_with("seen")));
        assert_eq!((found.agent.len(), found.next_cursor.is_some()), (20, true));
    }
    let nobody: Shown<'_> = Some(&|_| false);
    let input: DiscoverAgentsInput = read(&json!({"text": "fault"}));
    let found = world.registry.discover(world.now(), &input, nobody, &world.limits).unwrap();
    assert_eq!((found.agent.len(), found.next_cursor), (0, None));
}

#[test]
fn cursors_that_nobody_gave_are_refused_or_harmless() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut world = World::default();
    (0..9).for_each(|n| drop(world.register("ann", described(&format!("n{n}"), "fault")).unwrap()));
    let asked = json!({"text": "fault", "limit": 2});
    let cursor = world.discover(asked.clone()).unwrap().next_cursor.unwrap();
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(&cursor).unwrap()).unwrap();
    let made: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut refused = 0;
    for (member, value) in [
        ("search", json!("other")),
        ("number", json!(4_000_000_000_u32)),
        ("score", json!(-32768)),
        ("score", json!(32768)),
        ("words", json!([[32767, ["fault"]]])),
        ("words", json!([[0, ["fault"]]])),
        ("words", json!([[-5, ["fault"]]])),
        ("words", json!(vec![json!([1, ["fault"]]); 33])),
        ("words", json!([[1, vec!["fault"; 9]]])),
        ("words", json!([])),
        ("any", json!("yes")),
    ] {
        let forged = URL_SAFE_NO_PAD.encode(json_with(&made, member, value).to_string());
        match world.discover(json_with(&asked, "cursor", json!(forged))) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.app_tag.as_deref(), Some("bad-cursor"));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 8);
    let other = json!({"text": "faults", "limit": 2, "cursor": cursor});
    assert_eq!(app_tag(world.discover(other)).1, "bad-cursor");
    assert_eq!(world.names(json!({"text": "fault", "limit": 3, "cursor": cursor})), ["n2", "n3", "n4"]);
}
