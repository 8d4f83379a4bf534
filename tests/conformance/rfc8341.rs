//! RFC 8341, access control of NETCONF and RESTCONF: rules that are configured, and what each user then gets. That verdicts
//! are those of section 3.4 for any rules is proved in `tests/nacm.rs`.

use serde_json::{Value as Json, json};

use super::common::{JSON, TestServer, XML, read_on, start_server};
use super::netconf;
use super::subscriber::Subscriber;

const NACM: &str = "/restconf/data/ietf-netconf-acm:nacm";
const ITEMS: &str = "/restconf/data/irtf-agent:data-params";

/// Configures access control: one rule list for a group with ann, and what else is said.
async fn configure(server: &TestServer, rules: Json, more: Json) {
    let mut nacm = json!({
        "groups": { "group": [{ "name": "staff", "user-name": ["ann"] }] },
        "rule-list": [{ "name": "for-staff", "group": ["staff"], "rule": rules }],
    });
    let members = more.as_object().cloned().unwrap_or_default();
    members.into_iter().for_each(|(name, value)| nacm[name] = value);
    put(server, NACM, &json!({ "ietf-netconf-acm:nacm": nacm })).await;
}

async fn put(server: &TestServer, target: &str, body: &Json) {
    let answer = server.ask("PUT", target, &[&content_type()], &body.to_string()).await;
    assert!([201, 204].contains(&answer.status), "{answer:?}");
}

fn content_type() -> String {
    format!("Content-Type: {JSON}")
}

fn item(id: &str) -> Json {
    json!({ "irtf-agent:data-params": [{ "id": id, "dataType": "text", "data": id }] })
}

async fn status(server: &TestServer, token: &str, method: &str, target: &str, body: &str) -> u16 {
    let fields: &[&str] = if body.is_empty() { &[] } else { &["Content-Type: application/yang-data+json"] };
    server.ask_as(token, method, target, fields, body).await.status
}

/// Invokes an rpc, and gives the status.
async fn invoke(server: &TestServer, token: &str, operation: &str, input: Json) -> u16 {
    let (module, _) = operation.split_once(':').expect("a module");
    let body = json!({ format!("{module}:input"): input }).to_string();
    status(server, token, "POST", &format!("/restconf/operations/{operation}"), &body).await
}

/// The identifiers of the items that a user gets.
async fn ids(server: &TestServer, token: &str, query: &str) -> Vec<String> {
    let answer = server.ask_as(token, "GET", &format!("{ITEMS}{query}"), &[], "").await;
    if answer.status == 404 {
        return Vec::new();
    }
    let items = answer.json()["irtf-agent:data-params"].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn section_3_4_1_without_rules_there_is_the_standard_policy_and_nacm_is_the_administrators() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    assert_eq!(status(&server, &eve, "GET", NACM, "").await, 404, "default-deny-all");
    assert_eq!(
        status(&server, &eve, "PUT", NACM, r#"{"ietf-netconf-acm:nacm":{"enable-nacm":false}}"#).await,
        403
    );
    let target = format!("{ITEMS}=1");
    assert_eq!(status(&server, &eve, "PUT", &target, &item("1").to_string()).await, 201);
    // As soon as there is a rule list, the RFC's defaults hold for what no rule is about.
    configure(&server, json!([]), json!({})).await;
    assert_eq!(status(&server, &eve, "PUT", &target, &item("1").to_string()).await, 204, "nothing changes");
    assert_eq!(status(&server, &eve, "DELETE", &target, "").await, 403);
    assert_eq!(status(&server, &eve, "GET", &target, "").await, 200);
    configure(&server, json!([]), json!({ "read-default": "deny" })).await;
    assert_eq!(status(&server, &eve, "GET", &target, "").await, 404);
    configure(&server, json!([]), json!({ "enable-nacm": false })).await;
    assert_eq!(status(&server, &eve, "DELETE", &target, "").await, 204);
    assert_eq!(status(&server, &eve, "GET", NACM, "").await, 200);
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_4_what_may_not_be_read_is_absent_from_answers_filters_and_pages() {
    let server = start_server().await;
    let (ann, eve) = (server.add_user("ann"), server.add_user("eve"));
    for id in ["ann", "secret", "x"] {
        put(&server, &format!("{ITEMS}={id}"), &item(id)).await;
    }
    let path = "/irtf-agent:data-params";
    let rules = json!([
        { "name": "1", "path": format!("{path}[irtf-agent:id=$USER]"), "access-operations": "read", "action": "permit" },
        { "name": "2", "path": format!("{path}[id='x']/data"), "access-operations": "read", "action": "deny" },
        { "name": "3", "path": format!("{path}[id='x']"), "access-operations": "read", "action": "permit" },
        { "name": "4", "path": path, "action": "deny" },
    ]);
    configure(&server, rules, json!({})).await;
    assert_eq!(ids(&server, &ann, "").await, ["ann", "x"]);
    assert_eq!(ids(&server, &eve, "").await, ["ann", "secret", "x"], "the rules are for the staff");
    assert_eq!(ids(&server, &ann, "?limit=1&offset=1").await, ["x"]);
    assert_eq!(ids(&server, &ann, "?where=data%3D'x'").await, Vec::<String>::new(), "it may not be compared");
    assert_eq!(status(&server, &ann, "GET", &format!("{ITEMS}=secret"), "").await, 404);
    assert_eq!(status(&server, &ann, "GET", &format!("{ITEMS}=x/data"), "").await, 404);
    let x = server.ask_as(&ann, "GET", &format!("{ITEMS}=x?content=config"), &[], "").await.json();
    assert_eq!(x, json!({ "irtf-agent:data-params": [{ "id": "x", "dataType": "text" }] }));
    let whole = server.ask_as(&ann, "GET", "/restconf/data", &[], "").await.body;
    assert!(whole.contains(r#""data":"ann""#) && !whole.contains(r#""data":"secret""#), "{whole:.2000}");
    assert!(!whole.contains("ietf-netconf-acm:nacm"), "it is denied to all by default");
    server.stop().await;
}

#[tokio::test]
async fn section_3_5_2_a_path_is_the_same_rule_whatever_it_was_written_in() {
    let server = netconf::start().await;
    let ann = server.add_user("ann");
    for id in ["a", "b"] {
        put(&server, &format!("{ITEMS}={id}"), &item(id)).await;
    }
    // By the client's own prefixes, by a name of a module on every step, and as JSON has instance-identifiers.
    let in_json = "/irtf-agent:data-params[id='a']/data";
    let in_xml = "/irtf-agent:data-params[irtf-agent:id='a']/irtf-agent:data";
    let nacm = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm";
    let mut session = netconf::open(&server).await;
    let rule = json!([{ "name": "1", "path": in_json, "action": "deny" }]);
    configure(&server, rule, json!({ "read-default": "permit" })).await;
    let path = format!("{NACM}/rule-list=for-staff/rule=1/path");
    for written in [
        format!("<path xmlns:p='{}'>/p:data-params[ p:id = \"a\" ]/p:data</path>", netconf::AGENT),
        format!("<path xmlns:p='{}'>/p:data-params[id='a']/data</path>", netconf::AGENT),
        format!("<path>{in_xml}</path>"),
        in_xml.to_owned(),
        in_json.to_owned(),
    ] {
        match written.starts_with('<') {
            true => {
                let rule = format!(
                    "<nacm xmlns='{nacm}'><rule-list><name>for-staff</name><rule><name>1</name>{written}</rule></rule-list></nacm>"
                );
                session.does(&netconf::edit("running", "", &rule)).await;
            }
            false => put(&server, &path, &json!({ "ietf-netconf-acm:path": written })).await,
        }
        assert_eq!(server.get(&path).await.json()["ietf-netconf-acm:path"], in_json, "{written}");
        let filter = format!("<filter><nacm xmlns='{nacm}'/></filter>");
        let read = session.config("running", &filter).await;
        let expected = format!("<path xmlns:irtf-agent=\"{}\">{in_xml}</path>", netconf::AGENT);
        assert!(read.contains(&expected), "{written}\n{read}");
        let same = format!("<path xmlns:z='{}'>/z:data-params[z:id='a']/z:data</path>", netconf::AGENT);
        let rules = format!("<rule-list><rule><name/>{same}</rule></rule-list>");
        let filter = format!("<filter><nacm xmlns='{nacm}'>{rules}</nacm></filter>");
        let read = session.config("running", &filter).await;
        assert!(read.contains("<name>1</name>"), "{written}\n{read}");
        assert_eq!(status(&server, &ann, "GET", &format!("{ITEMS}=a/data"), "").await, 404, "{written}");
        assert_eq!(status(&server, &ann, "GET", &format!("{ITEMS}=b/data"), "").await, 200, "{written}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_5_each_node_that_is_created_changed_or_deleted_needs_its_right() {
    let server = start_server().await;
    let ann = server.add_user("ann");
    put(&server, &format!("{ITEMS}=old"), &item("old")).await;
    let path = "/irtf-agent:data-params";
    let rule = |access: &str| json!([{ "name": "1", "path": path, "access-operations": access, "action": "permit" }]);
    let (old, new) = (format!("{ITEMS}=old"), format!("{ITEMS}=new"));
    let changed = item("old").to_string().replace("\"data\":\"old\"", "\"data\":\"other\"");
    // What the rule permits, and what becomes of a creation, a change, an edit that changes nothing, and a deletion.
    let table = [
        ("create", [201, 403, 204, 403]),
        ("update", [403, 204, 204, 403]),
        ("delete", [403, 403, 204, 204]),
        ("create update", [201, 204, 204, 403]),
    ];
    for (access, [creation, change, nothing, deletion]) in table {
        configure(&server, rule(access), json!({})).await;
        assert_eq!(status(&server, &ann, "PUT", &new, &item("new").to_string()).await, creation, "{access}");
        assert_eq!(status(&server, &ann, "PATCH", &old, &item("old").to_string()).await, nothing, "{access}");
        assert_eq!(status(&server, &ann, "PATCH", &old, &changed).await, change, "{access}");
        assert_eq!(status(&server, &ann, "DELETE", &old, "").await, deletion, "{access}");
        put(&server, &old, &item("old")).await;
        server.ask("DELETE", &new, &[], "").await;
    }
    // A part of an entry, and nothing of the entry around it (the operation there is none).
    let rules = json!([{ "name": "1", "path": format!("{path}/data"), "action": "permit" }]);
    configure(&server, rules, json!({})).await;
    let data = r#"{"irtf-agent:data":"other"}"#;
    assert_eq!(status(&server, &ann, "PUT", &format!("{old}/data"), data).await, 204);
    let refused = server.ask_as(&ann, "DELETE", &old, &[], "").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.refusal().1, "access-denied");
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_4_operations_are_judged_by_name_and_actions_by_their_place() {
    let server = start_server().await;
    let (ann, eve) = (server.add_user("ann"), server.add_user("eve"));
    let discover = "/restconf/operations/magent-registry:discover-agents";
    let negotiation = "/magent-task:interaction/negotiations/negotiation[id='n-1']";
    let rules = json!([
        { "name": "1", "rpc-name": "discover-agents", "action": "deny" },
        { "name": "2", "path": format!("{negotiation}/respond"), "access-operations": "exec", "action": "deny" },
        { "name": "3", "rpc-name": "edit-config", "action": "deny" },
    ]);
    configure(&server, rules, json!({ "write-default": "permit" })).await;
    assert_eq!(status(&server, &ann, "POST", discover, r#"{"magent-registry:input":{}}"#).await, 403);
    assert_eq!(status(&server, &eve, "POST", discover, r#"{"magent-registry:input":{}}"#).await, 200);
    let listed = server.ask_as(&ann, "GET", "/restconf/operations", &[], "").await.body;
    assert!(!listed.contains("discover-agents") && listed.contains("register-agent"), "{listed}");
    for (user, agent) in [(&ann, "ann"), (&eve, "eve")] {
        let register = json!({ "name": agent, "description": "x", "version": "1", "provider": "x" });
        assert_eq!(invoke(&server, user, "magent-registry:register-agent", register).await, 200);
    }
    for id in ["n-1", "n-2"] {
        let open = json!({ "id": id, "type": "feasibility", "from": "eve", "to": "ann", "content": "?" });
        assert_eq!(invoke(&server, &eve, "magent-task:open-negotiation", open).await, 200);
    }
    let accept = r#"{"magent-task:input":{"from":"ann","in-reply-to":1,"move":"accept"}}"#;
    let respond =
        |id: &str| format!("/restconf/data/magent-task:interaction/negotiations/negotiation={id}/respond");
    assert_eq!(status(&server, &ann, "POST", &respond("n-1"), accept).await, 403);
    assert_eq!(status(&server, &ann, "POST", &respond("n-2"), accept).await, 200);
    // Section 3.2.3: the methods of RESTCONF stand for operations of NETCONF.
    let body = item("1").to_string();
    assert_eq!(status(&server, &ann, "PUT", &format!("{ITEMS}=1"), &body).await, 403);
    assert_eq!(status(&server, &eve, "PUT", &format!("{ITEMS}=1"), &body).await, 201);
    let counted = server.ask("GET", NACM, &[], "").await.json();
    assert_eq!(counted["ietf-netconf-acm:nacm"]["denied-operations"], 3);
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_6_notifications_are_left_out_as_soon_as_a_rule_says_so() {
    let server = start_server().await;
    let ann = server.add_user("ann");
    let mut stream = server.open_as(&ann, "/restconf/streams/NETCONF/json").await;
    put(&server, &format!("{ITEMS}=1"), &item("1")).await;
    read_on(&mut stream, |text| text.contains("data-params[id='1']")).await;
    let deny = json!([{ "name": "1", "notification-name": "netconf-config-change", "action": "deny" }]);
    configure(&server, deny, json!({})).await;
    put(&server, &format!("{ITEMS}=2"), &item("2")).await;
    let register = json!({ "name": "agent-x", "description": "x", "version": "1", "provider": "x" });
    assert_eq!(invoke(&server, &ann, "magent-registry:register-agent", register).await, 200);
    let seen = read_on(&mut stream, |text| text.contains("agent-x")).await;
    assert!(!seen.contains("data-params"), "{seen}");
    let counted = server.ask("GET", NACM, &[], "").await.json();
    let denied = counted["ietf-netconf-acm:nacm"]["denied-notifications"].as_u64();
    assert!(denied >= Some(2), "{denied:?}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_6_of_a_registration_is_told_what_may_be_read_of_it() {
    let server = start_server().await;
    let ann = server.add_user("ann");
    let entry = "/magent-registry:registry/agents/agent";
    let deny = json!([
        { "name": "1", "path": format!("{entry}[name='hidden']"), "action": "deny" },
        { "name": "2", "path": format!("{entry}/provider"), "action": "deny" },
    ]);
    configure(&server, deny, json!({})).await;
    let mut hers = server.open_as(&ann, "/restconf/streams/NETCONF/json").await;
    for (name, provider) in [("hidden", "x"), ("open", "x"), ("open", "secret"), ("last", "x")] {
        let profile = json!({ "name": name, "description": "x", "version": "1", "provider": provider });
        let admin = server.admin();
        assert_eq!(invoke(&server, admin, "magent-registry:register-agent", profile).await, 200);
    }
    let hers = read_on(&mut hers, |text| text.contains("\"last\"")).await;
    assert!(!hers.contains("hidden") && !hers.contains("difference"), "{hers}");
    assert!(hers.contains("\"updated\"") && hers.contains("\"version\""), "{hers}");
    server.stop().await;
}

#[tokio::test]
async fn rfc9110_13_1_2_what_was_read_before_the_rights_changed_is_sent_again() {
    let server = start_server().await;
    let ann = server.add_user("ann");
    put(&server, &format!("{ITEMS}=1"), &item("1")).await;
    let again = async |target: &str| {
        let read = server.ask_as(&ann, "GET", target, &[], "").await;
        let known = format!("If-None-Match: {}", read.header("etag"));
        (read.body.clone(), server.ask_as(&ann, "GET", target, &[&known], "").await)
    };
    let target = format!("{ITEMS}=1");
    let (whole, unchanged) = again(&target).await;
    assert_eq!(unchanged.status, 304);
    let tag = format!("If-None-Match: {}", unchanged.header("etag"));
    let deny = json!([{ "name": "1", "path": "/irtf-agent:data-params/data", "action": "deny" }]);
    configure(&server, deny, json!({})).await;
    let reduced = server.ask_as(&ann, "GET", &target, &[&tag], "").await;
    assert_eq!(reduced.status, 200);
    assert_ne!(reduced.body, whole);
    configure(&server, json!([]), json!({})).await;
    assert_eq!(server.ask_as(&ann, "GET", &target, &[&tag], "").await.body, whole);
    // What is private is another part for each, who may come to see more and less of it.
    let tasks = "/restconf/data/magent-task:interaction/tasks";
    assert_eq!(again(tasks).await.1.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_push_of_data_holds_what_may_be_read_now() {
    let server = start_server().await;
    let ann = server.add_user("ann");
    let establish = json!({
        "ietf-yang-push:datastore": "ietf-datastores:running",
        "ietf-yang-push:datastore-xpath-filter": "/irtf-agent:data-params",
        "ietf-yang-push:on-change": {},
    });
    let established = super::subscriber::establish_as(&server, &ann, establish).await;
    let id = established["id"].as_u64().expect("an id");
    let uri = established["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI").to_owned();
    let mut pushed = Subscriber::open(&server, &ann, u32::try_from(id).expect("an id"), &uri).await;
    put(&server, &format!("{ITEMS}=seen"), &item("seen")).await;
    loop {
        if pushed.next_text().await.expect("an update").contains("seen") {
            break;
        }
    }
    let deny = json!([{ "name": "1", "path": "/irtf-agent:data-params[id='hidden']", "action": "deny" }]);
    configure(&server, deny, json!({})).await;
    put(&server, &format!("{ITEMS}=hidden"), &item("hidden")).await;
    put(&server, &format!("{ITEMS}=last"), &item("last")).await;
    let mut all = String::new();
    while !all.contains("last") {
        all += &pushed.next_text().await.expect("an update");
    }
    assert!(!all.contains("hidden"), "{all}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_5_2_paths_of_rules_are_checked_and_have_names_of_modules_for_prefixes() {
    let server = start_server().await;
    let wrong = json!({ "ietf-netconf-acm:nacm": { "rule-list": [{ "name": "l", "group": ["*"], "rule": [
        { "name": "r", "path": "/irtf-agent:data-param", "action": "deny" }]}]}});
    let refused = server.ask("PUT", NACM, &[&content_type()], &wrong.to_string()).await;
    assert_eq!(refused.refusal().0, 400, "a rule that never matches is refused: {refused:?}");
    assert!(
        refused.body.contains("there is no node") && refused.body.contains("rule-list[name='l']"),
        "{refused:?}"
    );
    let text = r#"<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list><name>l</name><group>*</group>
        <rule><name>r</name><path xmlns:q="urn:ietf:params:xml:ns:yang:irtf-agent">/q:data-params[q:id='1']</path>
        <action>deny</action></rule></rule-list></nacm>"#;
    let answer = server.ask("PUT", NACM, &[&format!("Content-Type: {XML}")], text).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let path = format!("{NACM}/rule-list=l/rule=r/path");
    let read = server.ask("GET", &path, &[], "").await.json();
    assert_eq!(read["ietf-netconf-acm:path"], "/irtf-agent:data-params[id='1']");
    let xml = server.ask("GET", &path, &[&format!("Accept: {XML}")], "").await.body;
    assert!(xml.contains("xmlns:irtf-agent="), "{xml}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_5_values_of_leaf_lists_and_places_in_lists_need_rights_like_anything_else() {
    let server = start_server().await;
    let ann = server.add_user("ann");
    put(&server, NACM, &json!({ "ietf-netconf-acm:nacm": { "groups": { "group": [{ "name": "g" }] } } }))
        .await;
    let user = format!("{NACM}/groups/group=g/user-name=ann");
    let name = r#"{"ietf-netconf-acm:user-name":["ann"]}"#;
    assert_eq!(status(&server, &ann, "PUT", &user, name).await, 403, "without rules");
    let rule = |access: &str, path: &str| json!({ "name": format!("{access} {path}"), "path": path, "access-operations": access, "action": "permit" });
    let (list, users) = ("/ietf-netconf-acm:nacm/rule-list", "/ietf-netconf-acm:nacm/groups/group/user-name");
    // The values of a leaf-list.
    let target = format!("{NACM}/groups/group=staff");
    let group =
        |users: &[&str]| json!({ "ietf-netconf-acm:group": [{ "name": "staff", "user-name": users }] });
    for (access, added, removed, exchanged) in [
        ("read", 403, 403, 403),
        ("create", 204, 403, 403),
        ("delete", 403, 204, 403),
        ("create delete", 204, 204, 204),
    ] {
        configure(&server, json!([rule(access, users)]), json!({})).await;
        put(&server, &target, &group(&["ann", "bob"])).await;
        let body = |users: &[&str]| group(users).to_string();
        assert_eq!(
            status(&server, &ann, "PUT", &target, &body(&["ann", "bob", "eve"])).await,
            added,
            "{access}"
        );
        put(&server, &target, &group(&["ann", "bob"])).await;
        assert_eq!(status(&server, &ann, "PUT", &target, &body(&["ann"])).await, removed, "{access}");
        put(&server, &target, &group(&["ann", "bob"])).await;
        assert_eq!(
            status(&server, &ann, "PUT", &target, &body(&["ann", "eve"])).await,
            exchanged,
            "{access}"
        );
    }
    // The order of entries: to make one needs no right to change those beside it, to move one does.
    let first = |name: &str| {
        let body = json!({ "ietf-netconf-acm:rule-list": [{ "name": name, "group": ["*"] }] }).to_string();
        (format!("{NACM}/rule-list={name}?insert=first"), body)
    };
    for (access, made, moved) in [("read", 403, 403), ("create", 201, 403), ("update", 403, 204)] {
        configure(&server, json!([rule(access, list)]), json!({})).await;
        put(
            &server,
            &format!("{NACM}/rule-list=z"),
            &json!({ "ietf-netconf-acm:rule-list": [{ "name": "z", "group": ["*"] }] }),
        )
        .await;
        let (target, body) = first("a");
        assert_eq!(status(&server, &ann, "PUT", &target, &body).await, made, "{access}");
        let (target, body) = first("z");
        assert_eq!(status(&server, &ann, "PUT", &target, &body).await, moved, "{access}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_5_what_goes_as_a_side_effect_needs_no_right() {
    let server = start_server().await;
    let ann = server.add_user("ann");
    let rule = "/ietf-netconf-acm:nacm/rule-list/rule";
    let permit = |access: &str, path: String| json!({ "name": path, "path": path, "access-operations": access, "action": "permit" });
    let seen = permit("read", "/ietf-netconf-acm:nacm".to_owned());
    let rules = json!([permit("create update", format!("{rule}/rpc-name")), seen]);
    configure(&server, rules, json!({})).await;
    let other = json!({ "ietf-netconf-acm:rule-list": [{ "name": "o", "group": ["x"],
        "rule": [{ "name": "r", "path": "/irtf-agent:tasks", "action": "deny" }] }] });
    put(&server, &format!("{NACM}/rule-list=o"), &other).await;
    let merged = r#"{"ietf-netconf-acm:rule":[{"name":"r","rpc-name":"get","action":"deny"}]}"#;
    assert_eq!(status(&server, &ann, "PATCH", &format!("{NACM}/rule-list=o/rule=r"), merged).await, 204);
    let entry = server.ask("GET", &format!("{NACM}/rule-list=o/rule=r"), &[], "").await.body;
    assert!(entry.contains("rpc-name") && !entry.contains("path"), "the other case is gone: {entry}");
    server.stop().await;
}

#[tokio::test]
async fn sections_3_2_4_and_3_2_5_nothing_is_told_in_roundabout_ways() {
    let server = netconf::start().await;
    let ann = server.add_user("ann");
    let items =
        |data: &str| json!({ "irtf-agent:data-params": [{ "id": "hid", "dataType": "text", "data": data }] });
    put(&server, &format!("{ITEMS}=hid"), &items("SECRET")).await;
    put(
        &server,
        "/restconf/data/irtf-agent:msg-base",
        &json!({ "irtf-agent:msg-base": { "msg-data": "hid" } }),
    )
    .await;
    let deny =
        |path: &str| json!({ "name": path, "path": path, "access-operations": "read", "action": "deny" });
    let rules = json!([
        deny("/irtf-agent:data-params/data"), deny("/irtf-agent:data-params[id='hid']"),
        deny("/irtf-agent:data-params[id='gone']"), deny("/irtf-agent:msg-base"),
        { "name": "w", "path": "/irtf-agent:data-params", "access-operations": "update", "action": "permit" },
    ]);
    configure(&server, rules, json!({})).await;
    put(&server, &format!("{ITEMS}=hid"), &items("SECRET2")).await;
    // Differences between revisions.
    let input = json!({ "magent-datastores:input": { "source": { "revision": "1" }, "target": { "datastore": "running" } } });
    let compare = "/restconf/operations/magent-datastores:compare";
    let told = server.ask_as(&ann, "POST", compare, &[&content_type()], &input.to_string()).await;
    assert!(!told.body.contains("hid") && !told.body.contains("SECRET"), "{told:?}");
    // Whether an instance is there.
    assert_eq!(status(&server, &ann, "POST", "/restconf/data", &items("x").to_string()).await, 403);
    for id in ["hid", "gone"] {
        assert_eq!(status(&server, &ann, "DELETE", &format!("{ITEMS}={id}"), "").await, 403, "{id}");
    }
    // Nodes that an expression selects, and where a lock is refused.
    let mut session = netconf::open_as(&server, "ann", "1.1").await;
    let lock = |select: &str| {
        let namespaces = format!(
            "xmlns=\"urn:ietf:params:xml:ns:netconf:partial-lock:1.0\" xmlns:a=\"{}\"",
            netconf::AGENT
        );
        format!("<partial-lock {namespaces}><select>{select}</select></partial-lock>")
    };
    for select in ["/a:data-params", "/a:data-params[a:data='SECRET2']", "//*", "/a:msg-base"] {
        let reply = session.ask(&lock(select)).await;
        assert!(!reply.contains("hid") && !reply.contains("nacm"), "{select}: {reply}");
    }
    // What is wrong elsewhere, and where in a whole datastore.
    let copy = "<copy-config><target><running/></target><source><config/></source></copy-config>";
    let refused = session.ask(copy).await;
    assert!(refused.contains("access-denied") && !refused.contains("group"), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_3_what_leads_to_an_action_has_to_be_readable() {
    let server = start_server().await;
    let ann = server.add_user("ann");
    let register = json!({ "name": "ann", "description": "x", "version": "1", "provider": "x" });
    assert_eq!(invoke(&server, &ann, "magent-registry:register-agent", register).await, 200);
    let renew = "/restconf/data/magent-registry:registry/agents/agent=ann/renew";
    assert_eq!(status(&server, &ann, "POST", renew, "").await, 200);
    let deny = json!([{ "name": "1", "path": "/magent-registry:registry", "access-operations": "read", "action": "deny" }]);
    configure(&server, deny, json!({})).await;
    assert_eq!(status(&server, &ann, "POST", renew, "").await, 403);
    server.stop().await;
}

/// A value that may be neither read nor written is not told by what an edit of it is answered: right or wrong, in an entry or
/// by itself, alone or with more. Where it may be read, an edit that changes nothing needs no right.
#[tokio::test]
async fn section_3_2_5_a_value_cannot_be_guessed_by_an_edit_that_changes_nothing() {
    let server = netconf::start().await;
    let ann = server.add_user("ann");
    put(&server, &format!("{ITEMS}=x"), &item("x")).await;
    let path = "/irtf-agent:data-params";
    let deny = |path: &str, access: &str| json!({ "name": path, "path": path, "access-operations": access, "action": "deny" });
    let secret = format!("{path}/data");
    let rules = json!([
        deny(&secret, "*"), deny("/irtf-agent:data-params[id='y']", "*"),
        { "name": "w", "path": path, "access-operations": "create update", "action": "permit" },
    ]);
    configure(&server, rules, json!({})).await;
    let entry =
        |data: &str| json!({ "irtf-agent:data-params": [{ "id": "x", "dataType": "text", "data": data }] });
    let with_more =
        |data: &str| json!({ "irtf-agent:data-params": [{ "id": "x", "dataType": "image", "data": data }] });
    let leaf = |data: &str| json!({ "irtf-agent:data": data });
    let target = format!("{ITEMS}=x");
    let ask = async |method: &str, target: &str, body: &Json| {
        let fields = [content_type()];
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let answer = server.ask_as(&ann, method, target, &fields, &body.to_string()).await;
        (answer.status, answer.body)
    };
    for (method, target, right, wrong) in [
        ("PATCH", target.clone(), entry("x"), entry("z")),
        ("PUT", target.clone(), entry("x"), entry("z")),
        ("PATCH", target.clone(), with_more("x"), with_more("z")),
        ("PUT", format!("{target}/data"), leaf("x"), leaf("z")),
    ] {
        let (guessed, missed) = (ask(method, &target, &right).await, ask(method, &target, &wrong).await);
        assert_eq!(guessed.0, 403, "{right}: {}", guessed.1);
        assert_eq!(guessed, missed);
    }
    // Whether an entry is there that may not be read or written.
    let keys = json!({ "irtf-agent:data-params": [{ "id": "y", "dataType": "text" }] });
    let before = ask("PATCH", &format!("{ITEMS}=y"), &keys).await;
    put(&server, &format!("{ITEMS}=y"), &item("y")).await;
    let mut session = netconf::open_as(&server, "ann", "1.1").await;
    let remove = |id: &str| {
        format!(
            "<edit-config><target><running/></target><config><data-params xmlns=\"{}\" \
             xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\" nc:operation=\"remove\"><id>{id}</id></data-params></config></edit-config>",
            netconf::AGENT
        )
    };
    let there = session.ask(&remove("y")).await;
    server.ask("DELETE", &format!("{ITEMS}=y"), &[], "").await;
    let gone = session.ask(&remove("y")).await;
    assert!(there.contains("access-denied") && there == gone, "{there} {gone}");
    assert_eq!(before.0 / 100, 4, "{before:?}");

    let readable =
        json!([{ "name": "r", "path": path, "access-operations": "create update delete", "action": "deny" }]);
    configure(&server, readable, json!({})).await;
    assert_eq!(ask("PATCH", &target, &entry("x")).await.0, 204, "nothing changes, as may be seen");
    assert_eq!(ask("PATCH", &target, &entry("z")).await.0, 403);
    server.stop().await;
}

/// RFC 6470 section 2.2, RFC 8341 section 3.4.6: a target names keys, so it is told to who may read it.
#[tokio::test]
async fn section_3_4_6_a_change_tells_each_reader_the_edits_whose_targets_it_may_read() {
    let server = netconf::start().await;
    let ann = server.add_user("ann");
    let rules = json!([{ "name": "h", "path": "/irtf-agent:data-params[id='hidden']", "action": "deny" }]);
    configure(&server, rules, json!({})).await;
    let mut hers = server.open_as(&ann, "/restconf/streams/NETCONF/json").await;
    let mut all = server.open_as(server.admin(), "/restconf/streams/NETCONF/json").await;
    let config = |ids: &[&str]| {
        let entries = ids.iter().map(|id| {
            format!(
                "<data-params xmlns=\"{}\"><id>{id}</id><dataType>text</dataType></data-params>",
                netconf::AGENT
            )
        });
        format!(
            "<edit-config><target><running/></target><config>{}</config></edit-config>",
            entries.collect::<String>()
        )
    };
    let mut session = netconf::open(&server).await;
    for ids in [["hidden", "open"].as_slice(), &["hidden"], &["last"]] {
        let body = config(ids).replace("text", if ids.len() == 1 { "image" } else { "text" });
        session.does(&body).await;
    }
    let hers = read_on(&mut hers, |text| text.contains("last")).await;
    assert!(hers.contains("data-params[id='open']") && !hers.contains("hidden"), "{hers}");
    assert_eq!(
        hers.matches("netconf-config-change").count(),
        2,
        "of what is hidden alone nothing is told: {hers}"
    );
    let all = read_on(&mut all, |text| text.contains("last")).await;
    assert_eq!(all.matches("netconf-config-change").count(), 3, "{all}");
    assert!(all.contains("data-params[id='hidden']"), "{all}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_hidden_is_there_all_the_same_for_who_may_write_it() {
    let server = start_server().await;
    let (ann, eve) = (server.add_user("ann"), server.add_user("eve"));
    put(&server, &format!("{ITEMS}=hid"), &item("hid")).await;
    let hidden = |actions: &str| {
        json!([
            { "name": "1", "path": "/irtf-agent:data-params[id='hid']", "access-operations": actions, "action": "deny" },
            { "name": "2", "path": "/irtf-agent:data-params", "action": "permit" },
        ])
    };
    let write = async |token: &str| {
        let (fields, body) =
            ([&content_type()[..], "If-None-Match: *"], item("hid").to_string().replace("text", "image"));
        server.ask_as(token, "PUT", &format!("{ITEMS}=hid"), &fields, &body).await.status
    };
    configure(&server, hidden("read"), json!({})).await;
    assert_eq!(status(&server, &ann, "GET", &format!("{ITEMS}=hid"), "").await, 404);
    assert_eq!(write(&ann).await, 412, "RFC 9110 section 13.1.2: it has a current representation");
    assert_eq!(
        server.get(&format!("{ITEMS}=hid")).await.json()["irtf-agent:data-params"][0]["dataType"],
        "text"
    );
    // Who may not write it either learns nothing of it.
    configure(&server, hidden("*"), json!({})).await;
    assert_eq!(write(&ann).await, 403);
    assert_eq!(write(&eve).await, 412, "who sees it is told at once");
    server.stop().await;
}

#[tokio::test]
async fn the_name_of_a_user_is_no_agent_of_another() {
    let server = start_server().await;
    let (ann, eve) = (server.add_user("ann"), server.add_user("eve"));
    let register = "magent-registry:register-agent";
    let profile =
        |name: &str| json!({ "name": name, "description": "d", "version": "1.0.0", "provider": "p" });
    for name in ["ann", "admin"] {
        assert_eq!(invoke(&server, &eve, register, profile(name)).await, 403, "{name}");
    }
    assert_eq!(invoke(&server, &ann, register, profile("ann")).await, 200);
    // One that became a user later: what goes out without a sender does not go out as an agent of somebody else.
    assert_eq!(invoke(&server, &eve, register, profile("bob")).await, 200);
    let bob = server.add_user("bob");
    let order = json!({ "irtf-agent:tasks": { "task-id": "t", "content": "##target object\nx\n##task description\ny" } });
    let answer = server
        .ask_as(&bob, "PUT", "/restconf/data/irtf-agent:tasks", &[&content_type()], &order.to_string())
        .await;
    assert_eq!(answer.refusal().1, "missing-element", "{answer:?}");
    assert!(answer.body.contains("/irtf-agent:tasks/task-sendFrom"), "{answer:?}");
    server.stop().await;
}
