//! What updates change, what two agents have in common, and which agents make a team.

use super::*;
use crate::yang::generated::magent_registry::{
    FindTeamInput, FindTeamOutput, How, NegotiateCapabilitiesInput, NegotiateCapabilitiesOutput,
    NegotiateCapabilitiesOutputOutcome as Outcome, ProfileAspect as Aspect,
};

/// A profile with most of what there can be.
fn full(name: &str) -> serde_json::Value {
    json!({
        "name": name, "description": "d", "version": "1.2.0", "provider": "Acme", "domain": ["IP", "Core"],
        "management-object": ["subnet"],
        "skills": {"skill": [
            {"skill-name": "diagnosis-v1.2", "input-modes": ["text", "image/png"], "output-modes": ["text"]},
            {"skill-name": "repair", "skill-tags": ["field"], "input-modes": ["text"], "output-modes": ["application/json"]},
        ]},
        "capability": {"streaming": true, "negotiate": ["feasibility-v1.0", "feasibility-v2.1"]},
        "authentication": {"authentication-methods": [{"accessinfo-id": "1", "scheme": "JWT"}]},
        "endpoints": {"endpoint": [
            {"url": "https://a.example/", "protocol": "restconf"}, {"url": "https://b.example/", "protocol": "a2a/0.3"},
        ]},
    })
}

#[test]
fn an_update_says_what_it_changes_and_whether_that_breaks() {
    type Change = fn(&mut serde_json::Value);
    let edits: [(&str, Change, bool, &str); 16] = [
        ("other words", |p| p["description"] = json!("other"), true, "Description - - Changed"),
        ("a name for people", |p| p["alias"] = json!("A"), true, "Alias - - Added"),
        ("a newer version", |p| p["version"] = json!("1.3.0"), true, "Version - - Changed"),
        ("a version that breaks", |p| p["version"] = json!("2.0.0"), false, "Version - - Changed"),
        ("an older version", |p| p["version"] = json!("1.1.0"), false, "Version - - Changed"),
        ("another vendor", |p| p["provider"] = json!("Other"), true, "Provider - - Changed"),
        ("one more domain", |p| p["domain"] = json!(["IP", "Core", "RAN"]), true, "Domain - RAN Added"),
        ("one domain less", |p| p["domain"] = json!(["IP"]), false, "Domain - Core Removed"),
        (
            "an object less",
            |p| p["management-object"] = json!([]),
            false,
            "ManagementObject - subnet Removed",
        ),
        (
            "a skill less",
            |p| drop(p["skills"]["skill"].as_array_mut().unwrap().pop()),
            false,
            "Skill - repair Removed",
        ),
        (
            "other tags",
            |p| p["skills"]["skill"][1]["skill-tags"] = json!(["x"]),
            true,
            "Skill - repair Changed",
        ),
        (
            "a mode less",
            |p| p["skills"]["skill"][0]["input-modes"] = json!(["text"]),
            false,
            "InputMode diagnosis-v1.2 image/png Removed",
        ),
        ("no streaming", |p| p["capability"]["streaming"] = json!(false), false, "Streaming - - Removed"),
        (
            "pushing",
            |p| p["capability"]["push-notifications"] = json!(true),
            true,
            "PushNotifications - - Added",
        ),
        (
            "another scheme",
            |p| p["authentication"]["authentication-methods"][0]["scheme"] = json!("OAuth 2.0"),
            false,
            "Authentication - 1 Changed",
        ),
        (
            "an endpoint less",
            |p| drop(p["endpoints"]["endpoint"].as_array_mut().unwrap().pop()),
            false,
            "Protocol - https://b.example/ Removed",
        ),
    ];
    for (what, edit, compatible, difference) in edits {
        let mut world = World::default();
        world.register("ann", read(&full("a"))).unwrap();
        let mut edited = full("a");
        edit(&mut edited);
        world.seconds = 5;
        world.register("ann", read(&edited)).unwrap();
        let update = world.updates.pop().unwrap().unwrap();
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let said: Vec<String> = update
            .difference
            .iter()
            .map(|d| format!("{:?} {} {} {:?}", d.aspect, text(&d.skill), text(&d.value), d.how))
            .collect();
        assert_eq!(said, [difference], "{what}");
        assert_eq!((update.compatible, update.number), (compatible, 1), "{what}");
        assert_eq!(
            (update.previous_version.as_str(), &update.changed_at),
            ("1.2.0", &world.now().to_string())
        );
        // It can be read, and is told.
        let held = world.registry.get("a", world.now()).unwrap();
        assert_eq!(held.registration.change, std::slice::from_ref(&update), "{what}");
        let event = Event::Updated { agent: held.clone(), change: Some(update) };
        let told = RegistryChange::from_data(&Registry::announce(&event, world.now())[0].data).unwrap();
        assert_eq!(told.version.as_ref(), Some(&held.version));
        let told = told.update.unwrap();
        assert_eq!((told.compatible, told.difference.len()), (compatible, 1));
        assert_eq!(world.registry, world.replayed());
        assert_eq!(world.registry, saved_and_loaded(&world.registry));
    }
}

#[test]
fn the_newest_updates_are_kept_and_long_ones_are_cut() {
    let mut world = World::default();
    let with = |count: usize| {
        let domains: Vec<String> = (0..count).map(|n| format!("d{n}{}", "x".repeat(300))).collect();
        profile("a", json!({"domain": domains}))
    };
    world.register("ann", with(0)).unwrap();
    for count in 1..=20 {
        world.register("ann", with(count * 5 % 90)).unwrap();
        world.renew("a").unwrap();
    }
    let changes = &world.registry.get("a", world.now()).unwrap().registration.change;
    let numbers: Vec<u32> = changes.iter().map(|change| change.number).collect();
    assert_eq!(numbers, (13..=20).collect::<Vec<_>>());
    // From 85 domains to none: what breaks is said first.
    let cut = changes.iter().find(|change| change.more_differences.is_some()).unwrap();
    assert_eq!((cut.difference.len(), cut.more_differences), (32, Some(53)));
    assert!(cut.difference.iter().all(|d| d.how == How::Removed && d.aspect == Aspect::Domain));
    assert!(cut.difference.iter().all(|d| d.value.as_ref().unwrap().chars().count() == 255));
    // Another registration begins anew.
    world.deregister("a").unwrap();
    world.register("ann", with(1)).unwrap();
    assert!(world.registry.get("a", world.now()).unwrap().registration.change.is_empty());
}

#[test]
fn an_update_in_an_old_log_has_no_change_and_is_read() {
    let mut world = World::default();
    world.register("ann", profile("a", json!({}))).unwrap();
    let agent = world.registry.get("a", world.now()).unwrap().clone();
    let mut text = serde_json::to_value(Event::Updated { agent, change: None }).unwrap();
    assert!(text["updated"].get("change").is_none());
    text["updated"]["agent"]["version"] = json!("1.1.0");
    let event: Event = serde_json::from_value(text).unwrap();
    world.registry.apply(9, world.now(), &event);
    assert_eq!(world.registry.get("a", world.now()).unwrap().version, "1.1.0");
    let told = RegistryChange::from_data(&Registry::announce(&event, world.now())[0].data).unwrap();
    assert_eq!((told.version.as_deref(), told.update), (Some("1.1.0"), None));
}

fn negotiate(world: &World, input: serde_json::Value) -> NegotiateCapabilitiesOutput {
    let input: NegotiateCapabilitiesInput = read(&input);
    world.registry.negotiate_capabilities(world.now(), &input, Some(&is_shown)).unwrap()
}

#[test]
fn two_agents_have_in_common_what_both_say() {
    let mut world = World::default();
    world.register("ann", read(&full("a"))).unwrap();
    let partner = json!({
        "skills": {"skill": [{"skill-name": "x", "input-modes": ["application/json"], "output-modes": ["image/*"]}]},
        "capability": {"streaming": true, "negotiate": ["feasibility-v1.4", "feasibility-v3.0"]},
        "authentication": {"authentication-methods": [{"accessinfo-id": "7", "scheme": "jwt"}]},
        "endpoints": {"endpoint": [{"url": "https://p.example/", "protocol": "a2a/0.3.1"}]},
    });
    world.register("bob", profile("p", partner)).unwrap();
    // It gives images, which "diagnosis" takes, but takes JSON alone, which that does not give.
    let found = negotiate(&world, json!({"from": "p", "to": "a"}));
    assert_eq!(found.outcome, Outcome::Nothing);
    let missing: Vec<_> = found.missing.iter().map(|m| (m.aspect, m.value.as_deref().unwrap())).collect();
    assert_eq!(missing, [(Aspect::OutputMode, "diagnosis-v1.2"), (Aspect::InputMode, "repair")]);
    assert_eq!(found.missing[0].reason, "the skill gives text, not application/json");
    // With other output in place of its own, "diagnosis" can be used.
    let found = negotiate(&world, json!({"from": "p", "to": "a", "output-mode": ["text"]}));
    assert_eq!((found.outcome, found.version.as_str()), (Outcome::All, "1.2.0"));
    assert_eq!(found.skill.len(), 1);
    assert_eq!(found.skill[0].skill_name, "diagnosis-v1.2");
    assert_eq!(
        (&found.skill[0].input_mode[..], &found.skill[0].output_mode[..]),
        (&["image/png".into()][..], &["text".into()][..])
    );
    assert_eq!(found.negotiate, ["feasibility-v1.0"]);
    assert_eq!(
        (found.protocol, found.authentication_scheme),
        (vec!["a2a/0.3".to_owned()], vec!["JWT".to_owned()])
    );
    assert!(found.streaming && !found.push_notifications);
}

#[test]
fn of_a_skill_the_highest_version_that_fits_is_taken() {
    let mut world = World::default();
    let taking = |name: &str, mode: &str| json!({"skill-name": name, "input-modes": [mode]});
    let skills = [taking("s-v1.5", "image"), taking("s-v3.0", "audio/*"), taking("s-v1.2", "image")];
    world.register("bob", profile("b", json!({"skills": {"skill": skills}}))).unwrap();
    let skills = |mode: &str| {
        let found = negotiate(&world, json!({"to": "b", "skill-name": ["s"], "input-mode": [mode]}));
        found.skill.into_iter().map(|skill| skill.skill_name).collect::<Vec<_>>()
    };
    assert_eq!(skills("image/png"), ["s-v1.5"]);
    assert_eq!(skills("audio/wav"), ["s-v3.0"]);
    assert_eq!(skills("video"), Vec::<String>::new());
}

#[test]
fn what_is_asked_for_and_missing_has_a_reason() {
    let mut world = World::default();
    world.register("ann", read(&full("a"))).unwrap();
    world.register("ann", profile("hidden", json!({}))).unwrap();
    for (asked, outcome, missing) in [
        (json!({}), Outcome::All, vec![]),
        (json!({"skill-name": ["diagnosis-v1.0"], "input-mode": ["image"]}), Outcome::All, vec![]),
        (json!({"skill-name": ["diagnosis"]}), Outcome::All, vec![]),
        (
            json!({"skill-name": ["diagnosis-v2.0"]}),
            Outcome::Nothing,
            vec!["Skill diagnosis-v2.0: there is diagnosis-v1.2, which is not compatible"],
        ),
        (json!({"skill-name": ["repair", "dig"]}), Outcome::Some, vec!["Skill dig: there is no such skill"]),
        (
            json!({"skill-name": ["repair"], "input-mode": ["video", "audio"]}),
            Outcome::Nothing,
            vec!["InputMode repair: the skill takes text, not video, audio"],
        ),
        (
            json!({"negotiate": ["feasibility-v2.0", "auction"]}),
            Outcome::Some,
            vec!["Negotiate auction: there is no such kind of negotiation"],
        ),
        (
            json!({"protocol": ["netconf"]}),
            Outcome::Some,
            vec!["Protocol -: the protocols are restconf, a2a/0.3, not netconf"],
        ),
        (
            json!({"protocol": ["netconf", "restconf"], "authentication-scheme": ["JWT"]}),
            Outcome::All,
            vec![],
        ),
        (
            json!({"push-notifications": true, "streaming": true}),
            Outcome::Some,
            vec!["PushNotifications -: a does not support push notifications"],
        ),
    ] {
        let mut input = asked.clone();
        input["to"] = json!("a");
        let found = negotiate(&world, input);
        let text = |m: &Option<String>| m.clone().unwrap_or_else(|| "-".into());
        let said: Vec<String> = found
            .missing
            .iter()
            .map(|m| format!("{:?} {}: {}", m.aspect, text(&m.value), m.reason))
            .collect();
        assert_eq!(
            (found.outcome, said),
            (outcome, missing.into_iter().map(str::to_owned).collect()),
            "{asked}"
        );
    }
    for asked in [json!({"to": "hidden"}), json!({"to": "b"}), json!({"to": "a", "from": "hidden"})] {
        let input: NegotiateCapabilitiesInput = read(&asked);
        let refused = app_tag(world.registry.negotiate_capabilities(world.now(), &input, Some(&is_shown)));
        assert_eq!(refused, (Tag::DataMissing, "agent-unknown".into()), "{asked}");
    }
}

fn team(world: &World, input: serde_json::Value) -> FindTeamOutput {
    let input: FindTeamInput = read(&input);
    world.registry.find_team(world.now(), &input, Some(&is_shown), &world.limits)
}

fn teams(found: &FindTeamOutput) -> Vec<Vec<&str>> {
    assert!(found.team.iter().zip(1..).all(|(team, rank)| team.rank == rank));
    found.team.iter().map(|team| team.member.iter().map(|member| member.agent.as_str()).collect()).collect()
}

#[test]
fn the_smallest_team_has_all_that_a_task_needs() {
    let mut world = World::default();
    let agent = |name: &str, domain: &str, skills: &[&str], mode: &str| {
        let skills: Vec<_> =
            skills.iter().map(|skill| json!({"skill-name": skill, "input-modes": [mode]})).collect();
        profile(name, json!({"domain": [domain], "skills": {"skill": skills}}))
    };
    for (name, domain, skills, mode) in [
        ("wireless", "Wireless", &["diagnosis"][..], "text"),
        ("ip", "IP", &["diagnosis", "routing"], "text"),
        ("both", "Wireless", &["diagnosis", "energy"], "image"),
        ("energy", "IP", &["energy"], "text"),
        ("hidden-all", "IP", &["diagnosis", "routing", "energy"], "text"),
        ("past-all", "IP", &["diagnosis", "routing", "energy"], "text"),
    ] {
        world.register("ann", agent(name, domain, skills, mode)).unwrap();
    }
    world
        .register(
            "ann",
            RegisterAgentInput { lifetime: Some(5), ..agent("past-all", "IP", &["routing"], "text") },
        )
        .unwrap();
    world.seconds = 10;
    let needs = json!([{"id": "r", "skill-name": "routing"}, {"id": "e", "skill-name": "energy"}]);
    let found = team(&world, json!({"need": needs}));
    assert!(found.complete && found.smallest && found.missing.is_empty());
    assert_eq!(teams(&found), [["ip", "both"], ["ip", "energy"]]);
    assert_eq!(found.team[0].member[1].need, ["e"]);
    assert_eq!(teams(&team(&world, json!({"need": needs, "alternatives": 0}))), [["ip", "both"]]);
    assert_eq!(teams(&team(&world, json!({"need": needs, "without": ["both"]}))), [["ip", "energy"]]);

    // A mode is that of the skill, and one agent has all of a need.
    let images = json!([{"id": "i", "skill-name": "diagnosis", "input-mode": "image", "domain": "Wireless"}]);
    assert_eq!(teams(&team(&world, json!({"need": images}))), [["both"]]);

    // Several that can do the same, and what is missing where there are not as many.
    let three = json!([{"id": "d", "skill-name": "diagnosis", "count": 3}]);
    let found = team(&world, json!({"need": three}));
    assert_eq!(teams(&found), [["wireless", "ip", "both"]]);
    let needs = json!([{"id": "d", "skill-name": "diagnosis", "count": 4}, {"id": "x", "domain": "Optical"}]);
    let found = team(&world, json!({"need": needs}));
    assert!(!found.complete && found.smallest);
    let missing: Vec<_> = found.missing.iter().map(|m| (m.need.as_str(), m.needed, m.found)).collect();
    assert_eq!(missing, [("d", 4, 3), ("x", 1, 0)]);
    assert_eq!(teams(&found), [["wireless", "ip", "both"]]);
    let found = team(&world, json!({"need": [{"id": "x", "domain": "Optical"}]}));
    assert!(!found.complete && found.team.is_empty());
}

#[test]
fn teams_are_as_small_as_trying_all_sets_of_agents_says() {
    let skills = ["a", "b", "c", "d", "e"];
    let mut seed = 77_u64;
    let mut below = |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % bound
    };
    let mut complete = 0;
    for _ in 0..60 {
        let mut world = World::default();
        let agents: Vec<Vec<&str>> =
            (0..10).map(|_| skills.into_iter().filter(|_| below(4) == 0).collect()).collect();
        for (n, has) in agents.iter().enumerate() {
            let has: Vec<_> = has.iter().map(|skill| json!({"skill-name": skill})).collect();
            world.register("ann", profile(&format!("n{n}"), json!({"skills": {"skill": has}}))).unwrap();
        }
        let counts: Vec<usize> = skills.iter().map(|_| 1 + (below(4) / 3) as usize).collect();
        let need: Vec<_> = skills
            .iter()
            .zip(&counts)
            .map(|(s, count)| json!({"id": s, "skill-name": s, "count": count}))
            .collect();
        let found = team(&world, json!({"need": need}));
        assert!(found.smallest);
        let meets = |set: u32| {
            skills.iter().zip(&counts).all(|(skill, count)| {
                agents
                    .iter()
                    .enumerate()
                    .filter(|(n, has)| set & (1 << n) != 0 && has.contains(skill))
                    .count()
                    >= *count
            })
        };
        let smallest = (0..1 << 10).filter(|set| meets(*set)).map(u32::count_ones).min();
        assert_eq!(found.complete, smallest.is_some());
        if let Some(smallest) = smallest {
            complete += 1;
            assert_eq!(found.team[0].member.len(), smallest as usize);
            for team in &found.team {
                let set =
                    team.member.iter().fold(0, |set, m| set | 1 << m.agent[1..].parse::<u32>().unwrap());
                assert!(meets(set), "{team:?}");
            }
        }
        // A bound on who is looked at makes it no less true.
        world.limits = Limits { team_candidates_max: 3, team_steps_max: 3, ..Limits::default() };
        let bounded = team(&world, json!({"need": need}));
        assert_eq!(bounded.complete, found.complete);
        if let (true, Some(smallest)) = (bounded.complete, smallest) {
            assert!(!bounded.smallest || bounded.team[0].member.len() == smallest as usize);
        }
    }
    assert!(complete > 10, "{complete}");
}
