//! The rows of the table: what is asked, in both protocols, and what has to be there before. It never asks.
//!
//! `{n}` stands for a number of which there is another in each cell, `{session}` for a NETCONF session of the administrator
//! that does nothing, `{revision}` for the newest one, `{now}` for the present time, `{subscription}` for what the answer to the
//! last request before has as its identifier.

use agentconf::yang::generated::SCHEMA;
use serde_json::{Value as Json, json};

use crate::request;

/// One row, or two: one for each protocol.
pub struct Operation {
    /// What is asked, in words.
    pub name: &'static str,
    /// What the administrator does before each cell: method, target, body.
    pub before: Vec<(&'static str, String, Json)>,
    /// Method, target and body of RESTCONF.
    pub restconf: Option<(&'static str, String, Json)>,
    /// The operation of NETCONF.
    pub netconf: Option<String>,
    /// What the answer holds if there is something to see; `None` if it is only done or not.
    pub shows: Option<&'static str>,
}

/// What is there from the start: method, target, body.
pub fn world() -> Vec<(&'static str, String, Json)> {
    vec![
        ("PUT", data("irtf-agent:data-params=fixed"), item("fixed", "top-secret")),
        task("task-fixed"),
        negotiation("negotiation-fixed"),
        object("object-fixed"),
        ("PUT", data("irtf-agent:tasks"), draft_order("mend it")),
        ("PUT", data("magent-access:access/users/user=guest"), guest()),
    ]
}

/// A user who never gets in.
fn guest() -> Json {
    json!({ "magent-access:user": [{ "name": "guest", "enabled": false }] })
}

/// An order in the draft's tree.
fn draft_order(what: &str) -> Json {
    let order = json!({ "task-sendFrom": "agent-a", "task-sendTo": "agent-b", "content": format!("##task description {what}") });
    json!({ "irtf-agent:tasks": order })
}

/// The registration of an agent.
pub fn registration(name: &str) -> (String, Json) {
    let input = json!({ "name": name, "description": "x", "version": "1", "provider": "x" });
    (invoked("magent-registry:register-agent"), json!({ "magent-registry:input": input }))
}

/// That a user may assign tasks as A, and see what is private to it.
pub fn delegation(to: &str) -> (String, Json) {
    let input = json!({ "delegate": to, "may": ["assign", "read"] });
    (data(&format!("{A}/delegate")), json!({ "magent-registry:input": input }))
}

const A: &str = "magent-registry:registry/agents/agent=agent-a";
const NEGOTIATIONS: &str = "magent-task:interaction/negotiations/negotiation";
const TASKS: &str = "magent-task:interaction/tasks/task";
const OBJECTS: &str = "magent-task:interaction/data-objects/data-object";
/// Where nobody is.
const RECEIVER: &str = "https://receiver.invalid/reports";
const TIME: &str = "2000-01-01T00:00:00Z";

/// All rows.
pub fn all() -> Vec<Operation> {
    let new = "irtf-agent:data-params=item-{n}";
    let change = json!({ "irtf-agent:data-params": [{ "id": "item-{n}", "data": "other" }] });
    let there = || vec![("PUT", data(new), item("item-{n}", "x"))];
    let nacm = "ietf-netconf-acm:nacm";
    let report = json!({ "status": "processing", "progress": 10 });
    let respond = json!({ "from": "agent-b", "in-reply-to": 1, "move": "accept" });
    let order = |name: &str| json!({ "id": name, "from": "agent-a", "to": "agent-b", "content": "do it" });
    let open = json!({ "id": "negotiation-{n}", "type": "feasibility", "from": "agent-a", "to": "agent-b", "content": "?" });
    let number = json!({ "min": "0", "max": "1" });
    let policy = json!({ "agent": "agent-a", "name": "secret-policy", "mode": "advise", "term": [{ "name": "x", "number": number }] });
    let by_policy = json!({ "id": "by-policy-{n}", "type": "magent-task:feasibility", "from": "agent-a", "to": "agent-b" });
    let explain = json!({ "agent": "agent-a", "negotiation": "negotiation-fixed" });
    let put = json!({ "id": "object-{n}", "from": "agent-a", "text": "payload-text" });
    let own = json!({ "name": "agent-{n}", "description": "x", "version": "1", "provider": "x" });
    let granted = json!({ "delegate": "clerk", "may": ["read"] });
    let since = json!({ "source": { "revision": "{revision}" }, "target": { "revision": "{revision}" } });
    let schema = json!({ "identifier": "magent-task" });
    let running = json!({ "target": { "running": null } });
    vec![
        read("read a list", "irtf-agent:data-params", "<id>fixed</id>|\"id\":\"fixed\""),
        read("read an entry", "irtf-agent:data-params=fixed", "fixed</|\"fixed\""),
        read("read a leaf", "irtf-agent:data-params=fixed/data", "top-secret"),
        page("read everything", "/restconf/data", "<get/>", "top-secret"),
        edit("create an entry", Vec::new(), "PUT", new, item("item-{n}", "x"), "create"),
        edit("change an entry", there(), "PATCH", new, change, "merge"),
        edit("delete an entry", there(), "DELETE", new, Json::Null, "delete"),
        read("read who may do what", nacm, "rule-list"),
        edit(
            "change who may do what",
            Vec::new(),
            "PUT",
            "ietf-netconf-acm:nacm/groups/group=group-{n}",
            json!({ "ietf-netconf-acm:group": [{ "name": "group-{n}" }] }),
            "merge",
        ),
        read("read who gets in", "magent-access:access", "guest"),
        edit(
            "let somebody in",
            Vec::new(),
            "PUT",
            "magent-access:access/users/user=user-{n}",
            json!({ "magent-access:user": [{ "name": "user-{n}" }] }),
            "merge",
        ),
        rpc("make an API key", "magent-access", "create-api-key", json!({ "user": "user" }), None),
        rpc("discover agents", "magent-registry", "discover-agents", json!({}), Some("agent-a")),
        rpc(
            "ask what an agent is capable of",
            "magent-registry",
            "negotiate-capabilities",
            json!({ "to": "agent-a" }),
            Some("outcome"),
        ),
        rpc(
            "find a team",
            "magent-registry",
            "find-team",
            json!({ "need": [{ "id": "n", "provider": "x" }] }),
            Some("agent-a"),
        ),
        read("read the registry", "magent-registry:registry/agents", "agent-a"),
        rpc("register an agent", "magent-registry", "register-agent", own, None),
        action("renew A's agent", Vec::new(), &format!("{A}/renew"), json!({})),
        action("delegate for A", Vec::new(), &format!("{A}/delegate"), granted),
        read("read the delegations", "magent-registry:registry/delegations", "del</|\"del\""),
        read("read the tasks", "magent-task:interaction/tasks", "task-fixed"),
        read("read a task", "magent-task:interaction/tasks/task=task-fixed", "task-fixed"),
        read("read what a task says", "magent-task:interaction/tasks/task=task-fixed/content", "do it"),
        read("read the tasks of the draft", "irtf-agent:tasks", "mend it"),
        edit(
            "order a task for A",
            Vec::new(),
            "PUT",
            "irtf-agent:tasks",
            draft_order("mend it {n}"),
            "replace",
        ),
        rpc("query tasks", "magent-task", "query-tasks", json!({}), Some("task-fixed")),
        rpc("query messages", "magent-task", "query-messages", json!({}), Some("context-task-fixed")),
        rpc("assign a task for A", "magent-task", "assign-task", order("task-{n}"), None),
        action("report a task", vec![task("task-{n}")], &format!("{TASKS}=task-{{n}}/report"), report),
        action("cancel a task", vec![task("task-{n}")], &format!("{TASKS}=task-{{n}}/cancel"), json!({})),
        action(
            "have a task of A reported",
            vec![task("task-{n}")],
            &format!("{TASKS}=task-{{n}}/subscribe"),
            json!({ "url": RECEIVER }),
        ),
        action("end a subscription of A", subscribed(), &of_subscription("unsubscribe"), json!({})).bare(),
        action("have it all reported again", subscribed(), &of_subscription("redeliver"), json!({})).bare(),
        read("read the negotiations", "magent-task:interaction/negotiations", "negotiation-fixed"),
        read(
            "read a negotiation",
            "magent-task:interaction/negotiations/negotiation=negotiation-fixed",
            "negotiation-fixed",
        ),
        rpc("open a negotiation for A", "magent-task", "open-negotiation", open, None),
        action(
            "respond to a negotiation for B",
            vec![negotiation("negotiation-{n}")],
            &format!("{NEGOTIATIONS}=negotiation-{{n}}/respond"),
            respond,
        ),
        rpc("set a policy for A", "magent-policy", "set-policy", policy, None),
        rpc("set the capacity of A", "magent-policy", "set-capacity", json!({ "agent": "agent-a" }), None),
        read("read the policies", "magent-policy:policies", "secret-policy"),
        rpc("open a negotiation for A by policy", "magent-policy", "open-by-policy", by_policy, None),
        rpc("explain the moves of A", "magent-policy", "explain-moves", explain, None),
        read("read the data objects", "magent-task:interaction/data-objects", "object-fixed"),
        Operation {
            shows: Some("payload-text"),
            ..action(
                "read what is in A's data object",
                Vec::new(),
                &format!("{OBJECTS}=object-fixed/read"),
                json!({}),
            )
        },
        rpc("put a data object for A", "magent-task", "put-data", put, None),
        action(
            "remove A's data object",
            vec![object("object-{n}")],
            &format!("{OBJECTS}=object-{{n}}/remove"),
            json!({}),
        )
        .bare(),
        rpc("query who did what", "magent-audit", "query-audit", json!({}), Some("log-position")),
        stream("follow agents", "registry-change"),
        stream("follow delegations", "delegation-change"),
        stream("follow changes of data", "data-params"),
        stream("follow negotiations", "negotiation-fixed"),
        rpc(
            "establish a subscription",
            "ietf-subscribed-notifications",
            "establish-subscription",
            json!({ "stream": "NETCONF" }),
            None,
        ),
        rpc("get the text of a module", "ietf-netconf-monitoring", "get-schema", schema, Some("A task")),
        page("get the text of a module at its URL", "/yang/magent-task.yang", "", "A task"),
        read("read the library", "ietf-yang-library:yang-library", "module-set"),
        page("read the version of the library", "/restconf/yang-library-version", "", "2019-01-04"),
        read("read the sessions", "ietf-netconf-monitoring:netconf-state/sessions", "session-id"),
        rpc("lock the running datastore", "ietf-netconf", "lock", running, None).of_netconf(),
        rpc("lock the candidate", "ietf-netconf", "lock", json!({ "target": { "candidate": null } }), None)
            .of_netconf(),
        rpc("discard the candidate", "ietf-netconf", "discard-changes", json!({}), None).of_netconf(),
        rpc("commit the candidate", "ietf-netconf", "commit", json!({}), None).of_netconf(),
        // Who may gets as far as hearing that none waits.
        rpc("cancel a confirmed commit", "ietf-netconf", "cancel-commit", json!({}), None).of_netconf(),
        rpc("kill a session", "ietf-netconf", "kill-session", json!({ "session-id": "{session}" }), None)
            .of_netconf(),
        rpc(
            "copy over the candidate",
            "ietf-netconf",
            "copy-config",
            json!({ "target": { "candidate": null }, "source": { "running": null } }),
            None,
        )
        .of_netconf(),
        rpc("validate", "ietf-netconf", "validate", json!({ "source": { "running": null } }), None)
            .of_netconf(),
        rpc("compare datastores", "magent-datastores", "compare", since, None),
        rpc(
            "go back to a revision",
            "magent-datastores",
            "rollback",
            json!({ "revision": "{revision}" }),
            None,
        ),
        rpc("close the session", "ietf-netconf", "close-session", json!({}), None).of_netconf(),
        page("see the API", "/restconf", "", "yang-library-version"),
        page("list the operations", "/restconf/operations", "", "put-data"),
        page("get the description of the API", "/restconf/openapi.json", "", "put-data"),
        page("find the API", "/.well-known/host-meta", "", "/restconf"),
        page("find the API, in JSON", "/.well-known/host-meta.json", "", "/restconf"),
        page("a page that there is not", "/health", "", "health"),
    ]
}

impl Operation {
    /// Without RESTCONF, which has no sessions.
    fn of_netconf(self) -> Operation {
        Operation { restconf: None, ..self }
    }

    /// Without a body in RESTCONF: the operation has no input.
    fn bare(self) -> Operation {
        let restconf = self.restconf.map(|(method, target, _)| (method, target, Json::Null));
        Operation { restconf, ..self }
    }
}

fn data(path: &str) -> String {
    format!("/restconf/data/{path}")
}

fn invoked(operation: &str) -> String {
    format!("/restconf/operations/{operation}")
}

fn item(id: &str, data: &str) -> Json {
    json!({ "irtf-agent:data-params": [{ "id": id, "dataType": "text", "data": data }] })
}

fn task(id: &str) -> (&'static str, String, Json) {
    let context = format!("context-{id}");
    let input =
        json!({ "id": id, "from": "agent-a", "to": "agent-b", "context": context, "content": "do it" });
    ("POST", invoked("magent-task:assign-task"), json!({ "magent-task:input": input }))
}

/// A task that is reported to somebody.
fn subscribed() -> Vec<(&'static str, String, Json)> {
    let subscribe = data(&format!("{TASKS}=task-{{n}}/subscribe"));
    vec![task("task-{n}"), ("POST", subscribe, json!({ "magent-task:input": { "url": RECEIVER } }))]
}

fn of_subscription(action: &str) -> String {
    format!("{TASKS}=task-{{n}}/subscriptions/subscription={{subscription}}/{action}")
}

fn negotiation(id: &str) -> (&'static str, String, Json) {
    let input =
        json!({ "id": id, "type": "feasibility", "from": "agent-a", "to": "agent-b", "content": "?" });
    ("POST", invoked("magent-task:open-negotiation"), json!({ "magent-task:input": input }))
}

fn object(id: &str) -> (&'static str, String, Json) {
    let input = json!({ "id": id, "from": "agent-a", "text": "payload-text" });
    ("POST", invoked("magent-task:put-data"), json!({ "magent-task:input": input }))
}

fn read(name: &'static str, path: &str, shows: &'static str) -> Operation {
    Operation {
        name,
        before: Vec::new(),
        restconf: Some(("GET", data(path), Json::Null)),
        netconf: Some(request::get(path)),
        shows: Some(shows),
    }
}

/// A target of RESTCONF, and what stands for it in NETCONF, if anything.
fn page(name: &'static str, target: &str, netconf: &str, shows: &'static str) -> Operation {
    Operation {
        name,
        before: Vec::new(),
        restconf: Some(("GET", target.to_owned(), Json::Null)),
        netconf: Some(netconf.to_owned()).filter(|text| !text.is_empty()),
        shows: Some(shows),
    }
}

fn edit(
    name: &'static str,
    before: Vec<(&'static str, String, Json)>,
    method: &'static str,
    path: &str,
    body: Json,
    operation: &str,
) -> Operation {
    // In XML, what is in the entry beside its keys, which stand in the path, or the value of a leaf.
    let inside = match body.as_object().and_then(|body| body.values().next()) {
        Some(Json::Array(entries)) => {
            let mut entry = entries.first().cloned().unwrap_or_default();
            if let Some(members) = entry.as_object_mut() {
                members.retain(|name, _| !["id", "name"].contains(&name.as_str()));
            }
            request::elements(&entry)
        }
        Some(value) => request::elements(value),
        None => String::new(),
    };
    Operation {
        name,
        before,
        restconf: Some((method, data(path), body)),
        netconf: Some(request::edit(path, operation, &inside)),
        shows: None,
    }
}

fn rpc(
    name: &'static str,
    module: &'static str,
    operation: &str,
    input: Json,
    shows: Option<&'static str>,
) -> Operation {
    let found = SCHEMA.module(module).unwrap_or_else(|| panic!("there is no module {module}"));
    let netconf = Some(request::rpc(found, operation, &input));
    let body = json!({ format!("{module}:input"): input });
    let restconf = Some(("POST", invoked(&format!("{module}:{operation}")), body));
    Operation { name, before: Vec::new(), restconf, netconf, shows }
}

fn action(
    name: &'static str,
    before: Vec<(&'static str, String, Json)>,
    path: &str,
    input: Json,
) -> Operation {
    let module = path.split(':').next().unwrap_or_default();
    let netconf = Some(request::action(path, &input));
    let restconf = Some(("POST", data(path), json!({ format!("{module}:input"): input })));
    Operation { name, before, restconf, netconf, shows: None }
}

/// What was told until now.
fn stream(name: &'static str, shows: &'static str) -> Operation {
    let target = format!("/restconf/streams/NETCONF/json?start-time={TIME}&stop-time={{now}}");
    let parameters = format!("<startTime>{TIME}</startTime><stopTime>{{now}}</stopTime>");
    Operation {
        name,
        before: Vec::new(),
        restconf: Some(("GET", target, Json::Null)),
        netconf: Some(crate::netconf::subscription(&parameters)),
        shows: Some(shows),
    }
}
