//! Agents that look for each other: found by text, told of updates, asked for what they are capable of and put into teams, over
//! RESTCONF, as the draft has it, and over NETCONF.

use serde_json::{Value as Json, json};

use crate::netconf::Session;
use crate::process::Server;

const REGISTRY: &str = "/restconf/operations/magent-registry:";

fn profile(name: &str, description: &str, skill: &str, kinds: &[&str]) -> Json {
    json!({"magent-registry:input": {
        "name": name, "description": description, "version": "1.0.0", "provider": "Example", "domain": ["IP"],
        "skills": {"skill": [{"skill-name": skill, "input-modes": ["text"]}]},
        "capability": {"streaming": true, "negotiate": kinds},
    }})
}

#[test]
fn agents_are_found_updated_asked_and_put_into_teams_over_all_protocols() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "listen.tls = [\"127.0.0.1:0\"]\n");
    let mut client = server.client();
    let mut call = |operation: &str, input: &Json| {
        client.call(&format!("{REGISTRY}{operation}"), input)["magent-registry:output"].clone()
    };
    let fault = ["acp-task-feasibility-negotiation-v1.2", "acp-task-fulfillment-negotiation-v1.0"];
    call("register-agent", &profile("fault", "Diagnoses faults of links", "diagnosis", &fault));
    call(
        "register-agent",
        &profile("energy", "Saves energy at night", "saving", &["acp-task-feasibility-negotiation-v1.0"]),
    );
    call("register-agent", &profile("planner", "Plans what others diagnose", "planning", &[]));

    // The one whose skill it is first; then the next page.
    let asked = |more: Json| {
        let mut input = json!({"text": "diagnosing", "domain": ["IP"], "streaming": true, "limit": 1});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"magent-registry:input": input})
    };
    let first = call("discover-agents", &asked(json!({})));
    assert_eq!((&first["agent"][0]["name"], &first["matched"]), (&json!("fault"), &json!("all")));
    let second = call("discover-agents", &asked(json!({"cursor": first["next-cursor"]})));
    assert_eq!(second["agent"][0]["name"], "planner");
    assert_eq!(second["next-cursor"], Json::Null);

    // What an update changes is told and can be read.
    let mut events = server.client().events(None).unwrap();
    let mut update = profile("fault", "Diagnoses faults of links", "diagnosis", &fault[..1]);
    update["magent-registry:input"]["version"] = json!("2.0.0");
    call("register-agent", &update);
    let told = loop {
        let event: Json = serde_json::from_str(&events.next().unwrap().data).unwrap();
        if let Some(change) = event["ietf-restconf:notification"].get("magent-registry:registry-change") {
            break change.clone();
        }
    };
    assert_eq!(
        (&told["name"], &told["change"], &told["version"]),
        (&json!("fault"), &json!("updated"), &json!("2.0.0"))
    );
    let said = &told["update"];
    assert_eq!((&said["previous-version"], &said["compatible"]), (&json!("1.0.0"), &json!(false)));
    assert_eq!(said["difference"][0], json!({"aspect": "negotiate", "value": fault[1], "how": "removed"}));
    let target = "/restconf/data/magent-registry:registry/agents/agent=fault/registration/change=1";
    let read = server.client().get(target).json()["magent-registry:change"][0].clone();
    assert_eq!((&read["difference"], &read["version"]), (&said["difference"], &json!("2.0.0")));

    // What two have in common, also as the draft asks for it.
    let input = json!({"magent-registry:input": {"from": "energy", "to": "fault"}});
    let common = call("negotiate-capabilities", &input);
    assert_eq!(common["outcome"], "all");
    assert_eq!(common["negotiate"], json!(["acp-task-feasibility-negotiation-v1.0"]));
    let asked = json!({"irtf-agent:input": {"task-sendFrom": "energy", "task-sendTo": "fault",
        "commuType": "CapabilityRequest", "content": ["## target object a ## task description b"]}});
    let answer = server.client().call("/restconf/operations/irtf-agent:task-negotiate", &asked);
    assert_eq!(answer["irtf-agent:output"]["data"], common, "{answer}");
    let open = server.client().get("/restconf/data/magent-task:interaction/negotiations");
    assert!(!open.to_string().contains("feasibility"), "nothing was opened: {open}");

    let needs = json!({"magent-registry:input": {"need": [
        {"id": "find", "skill-name": "diagnosis", "input-mode": "text"},
        {"id": "save", "skill-name": "saving"},
        {"id": "fly", "skill-name": "flying"},
    ]}});
    let found = call("find-team", &needs);
    let members = json!([{"agent": "fault", "need": ["find"]}, {"agent": "energy", "need": ["save"]}]);
    assert_eq!(found["team"], json!([{"rank": 1, "member": members}]));
    assert_eq!(found["missing"], json!([{"need": "fly", "needed": 1, "found": 0}]));
    assert_eq!((&found["complete"], &found["smallest"]), (&json!(false), &json!(true)));

    let mut session = Session::begin(&server, folder.path(), "root");
    let namespace = "xmlns=\"urn:x-agentconf:yang:magent-registry\"";
    for (operation, holds) in [
        (
            format!("<discover-agents {namespace}><text>saving energy</text></discover-agents>"),
            "<name>energy</name>",
        ),
        (
            format!(
                "<find-team {namespace}><need><id>n</id><domain>IP</domain><count>2</count></need></find-team>"
            ),
            ">true</complete>",
        ),
        (
            format!(
                "<negotiate-capabilities {namespace}><to>energy</to><protocol>netconf</protocol></negotiate-capabilities>"
            ),
            "the protocols are none, not netconf",
        ),
        (format!("<find-team {namespace}/>"), "too-few-elements"),
        (
            format!("<negotiate-capabilities {namespace}><to>nobody</to></negotiate-capabilities>"),
            "agent-unknown",
        ),
    ] {
        let reply = session.rpc("", &operation);
        assert!(reply.contains(holds), "{operation}: {reply}");
    }
}
