//! Whoever may not speak for an agent cannot by naming it, over RESTCONF as over NETCONF: who never could, whose delegation was
//! revoked or has ended, and a credential that is bound to another agent.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::process::{Server, run};

const PASSWORD: &str = "a horse of battery staples";
const AGENT: &str = "magent-registry:registry/agents/agent";
const TASK: &str = "magent-task:interaction/tasks/task";
const NEGOTIATION: &str = "magent-task:interaction/negotiations/negotiation";
const RIGHTS: [&str; 6] = ["assign", "work", "negotiate", "data", "profile", "read"];

/// The rpc or the entry that an action belongs to, with its operation and input.
type Deed = (Option<(&'static str, &'static str)>, &'static str, Json);

/// All that is done in the name of `owned`, or by who is party to what it does: list and key of the instance if it is an action,
/// the operation, and its input.
fn deeds() -> Vec<Deed> {
    let owned = Some((AGENT, "owned"));
    let task = Some((TASK, "t"));
    let profile = json!({"name": "owned", "description": "d", "version": "2.0.0", "provider": "p"});
    let withdraw = json!({"from": "owned", "in-reply-to": 1, "move": "withdraw"});
    let negotiate = json!({"task-sendFrom": "owned", "task-sendTo": "other", "task-id": "t-9",
        "content": ["## target object a ## task description b"]});
    vec![
        (None, "magent-task:assign-task", json!({"from": "owned", "to": "other", "content": "x"})),
        (
            None,
            "magent-task:open-negotiation",
            json!({"type": "feasibility", "from": "owned", "to": "other", "content": "x"}),
        ),
        (None, "magent-task:put-data", json!({"from": "owned", "text": "x"})),
        (None, "magent-registry:register-agent", profile),
        (None, "irtf-agent:task-negotiate", negotiate),
        (owned, "renew", json!({})),
        (owned, "delegate", json!({"delegate": "eve", "may": ["read"]})),
        (task, "report", json!({"status": "processing"})),
        (task, "answer", json!({"request": 1, "content": "x"})),
        (task, "verify", json!({"verdict": "accepted"})),
        (task, "suspend", json!({})),
        (task, "resume", json!({})),
        (task, "cancel", json!({})),
        (Some((NEGOTIATION, "n")), "respond", withdraw),
        (owned, "deregister", json!({})),
    ]
}

struct Place {
    server: Server,
    folder: tempfile::TempDir,
}

impl Place {
    fn new(users: &[(&str, &[&str])]) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("data"), "listen.ssh = [\"127.0.0.1:0\"]\n");
        let mut admin = server.client();
        for (name, groups) in users {
            let user = json!({"magent-access:user": [{"name": name, "group": groups, "password": format!("$0${PASSWORD}")}]});
            let target = format!("/restconf/data/magent-access:access/users/user={name}");
            assert_eq!(admin.send("PUT", &target, &user).unwrap().status, 201);
        }
        Place { server, folder }
    }

    /// What a request that is refused over RESTCONF is told.
    fn over_restconf(
        &self,
        credentials: &str,
        at: Option<(&str, &str)>,
        operation: &str,
        input: &Json,
    ) -> (bool, String) {
        let mut client = self.server.client_of(Some(credentials));
        let (module, target) = match at {
            Some((list, key)) => (list, format!("/restconf/data/{list}={key}/{operation}")),
            None => (operation, format!("/restconf/operations/{operation}")),
        };
        let module = module.split(':').next().unwrap();
        let input = json!({format!("{module}:input"): input});
        let answer = client.send("POST", &target, &input).unwrap();
        (answer.status < 300, answer.to_string())
    }

    /// The same over NETCONF.
    fn over_netconf(
        &self,
        user: &str,
        password: &str,
        at: Option<(&str, &str)>,
        operation: &str,
        input: &Json,
    ) -> (bool, String) {
        let file = |name: &str, text: &str| {
            let file = self.folder.path().join(name);
            fs::write(&file, text).unwrap();
            file.display().to_string()
        };
        let (password, input) = (file("password", password), file("input.json", &input.to_string()));
        let url = format!("ssh://{}", self.server.other_address("ssh"));
        let key = |list| if list == AGENT { "name" } else { "id" };
        let operation = match at {
            Some((list, value)) => format!("/{list}[{}='{value}']/{operation}", key(list)),
            None => operation.to_owned(),
        };
        let verb =
            ["call", "--user", user, "--password-file", &password, "--input", &input, &url, &operation];
        let output = run(&verb, self.server.data());
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// All that an administrator sees.
    fn state(&self) -> [Json; 2] {
        let get = |what: &str| self.server.client().get(&format!("/restconf/data/{what}")).json();
        [get("magent-registry:registry/agents"), get("magent-task:interaction")]
    }
}

fn basic(name: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{PASSWORD}")))
}

fn is_stranger(text: &str) -> bool {
    ["not-authorized", "unknown-reference", "access-denied", "data-missing", "404"]
        .iter()
        .any(|said| text.contains(said))
}

/// Agents of `ann`, a task between them and a negotiation.
fn begin(place: &Place) {
    let mut ann = place.server.client_of(Some(&basic("ann")));
    for name in ["owned", "other"] {
        let profile = json!({"magent-registry:input": {"name": name, "description": "d", "version": "1.0.0", "provider": "p"}});
        ann.call("/restconf/operations/magent-registry:register-agent", &profile);
    }
    ann.call(
        "/restconf/operations/magent-task:assign-task",
        &json!({"magent-task:input": {"id": "t", "from": "owned", "to": "other", "content": "x"}}),
    );
    ann.call("/restconf/operations/magent-task:open-negotiation",
        &json!({"magent-task:input": {"id": "n", "type": "feasibility", "from": "owned", "to": "other", "content": "x"}}));
}

#[test]
fn who_may_speak_for_an_agent_no_more_is_refused_over_both_protocols() {
    let place = Place::new(&[("ann", &[]), ("revoked", &[]), ("expired", &[]), ("eve", &[])]);
    begin(&place);
    let mut ann = place.server.client_of(Some(&basic("ann")));
    let mut delegate = |to: &str, seconds: u32| {
        let mut ids = Vec::new();
        for name in ["owned", "other"] {
            let input =
                json!({"magent-registry:input": {"delegate": to, "may": RIGHTS, "lifetime": seconds}});
            let answer = ann.call(&format!("/restconf/data/{AGENT}={name}/delegate"), &input);
            ids.push(answer["magent-registry:output"]["id"].clone());
        }
        ids
    };
    let (revoked, _) = (delegate("revoked", 600), delegate("expired", 1));
    // What was granted was really there.
    let order = json!({"from": "owned", "to": "other", "content": "x"});
    let (is_done, text) = place.over_restconf(&basic("revoked"), None, "magent-task:assign-task", &order);
    assert!(is_done, "{text}");
    for id in revoked {
        ann.call(
            "/restconf/operations/magent-registry:revoke-delegation",
            &json!({"magent-registry:input": {"id": id}}),
        );
    }
    let delegations = "/restconf/data/magent-registry:registry/delegations";
    while place.server.client().get(delegations).to_string().contains("\"expired\"") {
        std::thread::yield_now();
    }
    let before = place.state();
    for user in ["revoked", "expired", "eve"] {
        for (at, operation, input) in deeds() {
            let answers = [
                place.over_restconf(&basic(user), at, operation, &input),
                place.over_netconf(user, PASSWORD, at, operation, &input),
            ];
            for (is_done, text) in answers {
                assert!(!is_done && is_stranger(&text), "{user} {operation}: {text}");
            }
        }
    }
    assert_eq!(place.state(), before, "nothing came of it");
}

#[test]
fn a_key_that_is_bound_to_an_agent_is_good_for_nothing_else_over_both_protocols() {
    let place = Place::new(&[("ann", &["admin"])]);
    begin(&place);
    let made = place.server.client().call(
        "/restconf/operations/magent-access:create-api-key",
        &json!({"magent-access:input": {"user": "ann", "agent": "other"}}),
    );
    let key = made["magent-access:output"]["key"].as_str().unwrap();
    let bearer = format!("Bearer {key}");
    let before = place.state();
    let reports = |operation: &str| operation == "report" || operation == "cancel";
    for (at, operation, input) in deeds().into_iter().filter(|(_, operation, _)| !reports(operation)) {
        let answers = [
            place.over_restconf(&bearer, at, operation, &input),
            place.over_netconf("ann", key, at, operation, &input),
        ];
        for (is_done, text) in answers {
            assert!(!is_done, "{operation}: {text}");
        }
    }
    // What only administrators do.
    let made = json!({"user": "ann"});
    let administration = "magent-access:create-api-key";
    for (is_done, text) in [
        place.over_restconf(&bearer, None, administration, &made),
        place.over_netconf("ann", key, None, administration, &made),
    ] {
        assert!(!is_done && text.contains("access-denied"), "{text}");
    }
    assert_eq!(place.state(), before, "nothing came of it");
    // It is good for its agent, over both.
    let order = json!({"from": "other", "to": "owned", "content": "x"});
    let assign = "magent-task:assign-task";
    let (is_done, text) = place.over_restconf(&bearer, None, assign, &order);
    assert!(is_done, "{text}");
    let (is_done, text) = place.over_netconf("ann", key, None, assign, &order);
    assert!(is_done, "{text}");
}
