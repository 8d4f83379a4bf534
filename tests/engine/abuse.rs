//! What users can do to each other and to the server at the engine's door: what is private stays
//! so, what one asks for never harms another, and nothing is written that a start cannot read.

use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{Content, Datastore, Form, From, Invocation};
use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::ietf_subscribed_notifications::nodes as events;
use agentconf::yang::generated::{SCHEMA, irtf_agent, magent_registry, magent_task};
use agentconf::yang::path::{InstancePath, Step};
use agentconf::yang::schema::{Kind, Node};
use agentconf::yang::tree::{Child, Container};
use agentconf::yang::{json, xml};
use serde_json::{Value as Json, json};

use super::bench::*;
use irtf_agent::nodes as draft;
use magent_registry::nodes as registry;
use magent_task::nodes as n;

#[tokio::test]
async fn content_without_a_schema_comes_back_as_it_is_or_is_refused() {
    let bench = Bench::new().await;
    let order = |content: Json| json!({"id": "t", "from": "oss-agent", "to": "ip-agent", "structured-content": {"ex:a": content}});
    let read = |text: &str| -> Json { serde_json::from_str(text).expect("it is JSON") };
    for content in [
        json!("\u{0}"),
        json!(["\u{fffe}"]),
        read("18446744073709551616"),
        read("-9223372036854775809"),
        json!({"b": [{"c": "\u{1}"}]}),
    ] {
        let refused = bench.call("oss", &n::ASSIGN_TASK, order(content.clone())).await;
        let refused = refused.expect_err("it would not come back");
        let place = refused.path.as_ref().map(ToString::to_string).unwrap_or_default();
        assert_eq!(
            (refused.tag, place.ends_with("/structured-content")),
            (Tag::InvalidValue, true),
            "{content}"
        );
    }
    let kept = json!([1, 0.5, 1.0, "😀\n", u64::MAX, i64::MIN]);
    bench.call("oss", &n::ASSIGN_TASK, order(kept.clone())).await.expect("it is kept");
    let seen = bench.read("ip", &task("t")).expect("it is there");
    assert_eq!(seen["structured-content"]["ex:a"], kept);
}

#[tokio::test]
async fn what_is_listed_as_an_operation_is_carried_out() {
    let bench = Bench::new().await;
    let modules = SCHEMA.implemented().flat_map(|module| module.rpcs).copied();
    let listed: Vec<_> = modules.filter(|rpc| bench.engine.may_execute(&principal("admin"), rpc)).collect();
    assert!(listed.contains(&&n::ASSIGN_TASK));
    for name in ["partial-lock", "partial-unlock", "create-subscription", "lock", "edit-config"] {
        assert!(listed.iter().all(|rpc| rpc.name != name), "{name} needs a session");
    }
    for rpc in &listed {
        // Without what it needs most are refused, and none as unknown.
        let refused = bench.call("admin", rpc, json!({})).await.err();
        assert!(refused.is_none_or(|error| error.tag != Tag::OperationNotSupported), "{}", rpc.name);
    }
}

#[tokio::test]
async fn a_text_of_the_draft_that_is_no_identifier_is_refused_and_the_log_can_be_read() {
    let bench = Bench::new().await;
    let long = "x".repeat(256);
    for bad in ["", " t", "a\nb", long.as_str()] {
        let order = json!({"task-id": bad, "task-sendTo": "ip-agent", "content": "##task description a"});
        let refused = bench.order("oss", order).await.expect_err("it is no identifier");
        assert_eq!(refused.tag, Tag::InvalidValue, "{bad:?}: {refused}");
        assert_eq!(refused.path, Some(plain(&[&draft::TASKS])));
        let call = json!({"task-id": bad, "task-sendTo": "ip-agent", "content": ["## target object a ## task description b"]});
        let refused = bench.call("oss", &draft::TASK_NEGOTIATE, call).await.expect_err("it is no identifier");
        assert_eq!(refused.tag, Tag::InvalidValue, "{bad:?}: {refused}");
    }
    let order = json!({"task-sendFrom": "", "task-sendTo": "ip-agent", "content": "##task description a"});
    assert_eq!(bench.order("admin", order).await.expect_err("it is no name").tag, Tag::InvalidValue);
    bench.restart().await;
}

#[tokio::test]
async fn an_event_that_is_too_large_for_the_log_harms_nobody_else() {
    let bench = Bench::new().await;
    // Each quotation mark takes two octets in the log.
    let data = "\"".repeat(9 << 20);
    let body = json!({"irtf-agent:data-params": [{"id": "big", "dataType": "text", "data": data}]});
    let (refused, stored) = tokio::join!(
        bench.put("oss", entry(&[], &draft::DATA_PARAMS, "big"), body),
        bench.put_data("ip", "small")
    );
    assert_eq!(refused.expect_err("it is too large").tag, Tag::TooBig);
    stored.expect("it is small");
}

/// Calls an operation with an input that comes as XML.
async fn call_in_xml(
    bench: &Bench,
    user: &str,
    (operation, target): (&'static Node, Option<InstancePath>),
    inside: &str,
) -> Result<Container, Error> {
    let Kind::Rpc { input: parameters, .. } = operation.kind else { panic!("no operation") };
    let element = format!("<input xmlns=\"{}\">{inside}</input>", operation.module.namespace);
    let path =
        target.clone().unwrap_or_default().child(Step::plain(operation)).child(Step::plain(parameters));
    // As deep as a server can be configured to take it.
    let options = DecodeOptions { depth_max: 200, ..json::STORED };
    let input = xml::decode_one(element.as_bytes(), &path, &SCHEMA, &options).expect("it is decoded");
    let Child::Container(input) = input else { panic!("an input is a container") };
    let input = input.as_ref().clone();
    bench
        .engine
        .invoke(&principal(user), Invocation { operation, target, input: input.into(), form: Form::Json })
        .await
}

#[tokio::test]
async fn structured_content_is_the_same_after_a_restart_whatever_it_came_as() {
    let bench = Bench::new().await;
    let order = r#"<id>t-1</id><from>oss-agent</from><to>ip-agent</to><structured-content><link a="1">17</link></structured-content>"#;
    let assign = async |bench: &Bench| call_in_xml(bench, "oss", (&n::ASSIGN_TASK, None), order).await;
    assign(&bench).await.expect("it is assigned");
    assign(&bench).await.expect("it can be repeated");
    let seen = |bench: &Bench| {
        let found = bench
            .engine
            .read(&principal("ip"), Datastore::Unified, &task("t-1"), Content::All)
            .expect("it is there");
        let mut text = Vec::new();
        xml::encode_one(found.node.expect("a node"), &found.child, &mut text, &EncodeOptions::default());
        String::from_utf8(text).expect("UTF-8")
    };
    let before = seen(&bench);
    let bench = bench.restart().await;
    assert_eq!(seen(&bench), before);
    assign(&bench).await.expect("it can be repeated after a restart");
}

#[tokio::test]
async fn content_that_a_start_could_not_read_is_refused_wherever_it_stands() {
    let bench = Bench::new().await;
    let order = |id: &str| json!({"id": id, "from": "oss-agent", "to": "ip-agent", "content": "diagnose"});
    bench.assign("oss", order("t")).await.expect("it is assigned");
    let report = &n::INTERACTION_TASKS_TASK_REPORT;
    for said in
        [json!({"status": "processing"}), json!({"status": "blocked", "input-request": {"content": "?"}})]
    {
        bench.act("ip", report, Some(task("t")), said).await.expect("it is reported");
    }
    bench.assign("oss", order("u")).await.expect("it is assigned");
    bench.act("ip", report, Some(task("u")), json!({"status": "processing"})).await.expect("it is reported");
    let opening = json!({"id": "n", "type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent", "content": "?"});
    bench.call("oss", &n::OPEN_NEGOTIATION, opening).await.expect("it opens");
    let above: [&'static Node; 2] = [&n::INTERACTION, &n::INTERACTION_NEGOTIATIONS];
    let negotiation = entry(&above, &n::INTERACTION_NEGOTIATIONS_NEGOTIATION, "n");
    let deep = "<x>".repeat(150) + &"</x>".repeat(150);
    // One name for what has elements and what has text; a name that JSON cannot have; too deep.
    for content in ["<x><y/></x><x>t</x>", "<é/>", &deep] {
        let content = format!("<structured-content>{content}</structured-content>");
        for (user, called, more) in [
            ("oss", (&n::ASSIGN_TASK, None), "<id>v</id><from>oss-agent</from><to>ip-agent</to>CONTENT"),
            (
                "ip",
                (report, Some(task("u"))),
                "<status>blocked</status><input-request>CONTENT</input-request>",
            ),
            ("ip", (report, Some(task("u"))), "<status>finished</status><result>CONTENT</result>"),
            ("oss", (&n::INTERACTION_TASKS_TASK_ANSWER, Some(task("t"))), "<request>1</request>CONTENT"),
            (
                "oss",
                (&n::OPEN_NEGOTIATION, None),
                "<id>m</id><type>feasibility</type><from>oss-agent</from><to>ip-agent</to>CONTENT",
            ),
            (
                "ip",
                (&n::INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPOND, Some(negotiation.clone())),
                "<from>ip-agent</from><in-reply-to>1</in-reply-to><move>counter</move>CONTENT",
            ),
        ] {
            let name = called.0.name;
            let refused = call_in_xml(&bench, user, called, &more.replace("CONTENT", &content)).await;
            let refused = refused.expect_err(name);
            assert!(refused.to_string().contains("cannot be stored"), "{name}: {refused}");
            let at = refused.path.and_then(|path| path.node()).map(|node| node.name);
            assert_eq!(at, Some("structured-content"), "{name}");
        }
    }
    let before = bench.read("admin", &plain(&[&n::INTERACTION])).expect("it is there");
    let bench = bench.restart().await;
    assert_eq!(bench.read("admin", &plain(&[&n::INTERACTION])).expect("it is there"), before);
}

#[tokio::test]
async fn configured_content_is_applied_as_a_start_reads_it() {
    let bench = Bench::new().await;
    let path = entry(&[&events::FILTERS], &events::FILTERS_STREAM_FILTER, "f");
    let put = async |content: &str| {
        let filter = format!(
            "<stream-filter xmlns=\"{}\"><name>f</name><stream-subtree-filter>{content}</stream-subtree-filter></stream-filter>",
            events::FILTERS.module.namespace
        );
        let value = xml::decode_one(filter.as_bytes(), &path, &SCHEMA, &json::STORED).expect("it is decoded");
        let edit =
            Edit { operation: Operation::Replace, path: path.clone(), value: Some(value), insert: None };
        bench.edit("admin", edit, Vec::new()).await
    };
    put(r#"<a xmlns="urn:other" b="1"><!-- c --><d/></a>"#).await.expect("it is stored");
    let seen = |bench: &Bench| {
        let found = bench
            .engine
            .read(&principal("admin"), Datastore::Running, &path, Content::All)
            .expect("it is there");
        let mut text = Vec::new();
        xml::encode_one(found.node.expect("a node"), &found.child, &mut text, &EncodeOptions::default());
        String::from_utf8(text).expect("UTF-8")
    };
    // What JSON cannot say is kept as the text that it came as.
    let mixed = "<x xmlns=\"urn:other\"><y/></x><x xmlns=\"urn:other\" b=\"1\">t<!-- c --></x>";
    put(mixed).await.expect("it is stored");
    assert!(seen(&bench).contains("b=\"1\">t<!-- c --></x>"), "{}", seen(&bench));
    let before = seen(&bench);
    let bench = bench.restart().await;
    assert_eq!(seen(&bench), before);
}

#[tokio::test]
async fn a_client_that_knows_only_the_draft_is_told_of_its_task() {
    let bench = Bench::new().await;
    let mut events = bench.engine.subscribe(&principal("noc"), None, From::Now, None).expect("it subscribes");
    let order = json!({"task-sendTo": "ip-agent", "content": "##task description diagnose"});
    bench.order("noc", order).await.expect("the user sends in its own name");
    bench.put_data("ip", "last").await.expect("it is put");
    let mut seen = Vec::new();
    while seen.iter().filter(|name| **name == "netconf-config-change").count() < 2 {
        seen.push(events.next().await.expect("read").expect("more").notification.node.name);
    }
    assert!(seen.contains(&"condition-notifications"), "{seen:?}");
}

#[tokio::test]
async fn a_name_that_its_user_has_used_is_not_registered_by_another() {
    let bench = Bench::new().await;
    let order = json!({"id": "t-1", "from": "noc", "to": "ip-agent", "content": "secret"});
    bench.assign("noc", order).await.expect("the user sends in its own name");
    let refused = bench.register("eve", "noc").await.expect_err("tasks go with the name");
    assert_eq!(refused.app_tag.as_deref(), Some("not-authorized"));
    assert!(bench.read("eve", &task("t-1")).is_err());
    bench.register("noc", "noc").await.expect("it is the user's");
    assert!(bench.read("noc", &task("t-1")).is_ok());

    let opening = json!({"id": "n-1", "type": "magent-task:feasibility", "from": "nms", "to": "ip-agent", "content": "?"});
    bench.call("nms", &n::OPEN_NEGOTIATION, opening).await.expect("the user sends in its own name");
    assert!(bench.register("eve", "nms").await.is_err());
    bench
        .call("ems", &n::PUT_DATA, json!({"id": "d-1", "from": "ems", "text": "secret"}))
        .await
        .expect("as well");
    assert!(bench.register("eve", "ems").await.is_err());
    bench.register("eve", "new").await.expect("nobody has used it");
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_a_negotiation_by_making_a_round_of_it() {
    let bench = Bench::new().await;
    let round = |from: &str| {
        json!({"task-sendFrom": from, "task-sendTo": "ip-agent", "task-id": "t-9",
            "content": ["## target object a ## task description b"]})
    };
    let before = bench.call("eve", &draft::TASK_NEGOTIATE, round("oss-agent")).await.expect_err("not hers");
    bench.call("oss", &draft::TASK_NEGOTIATE, round("oss-agent")).await.expect("it is opened");
    let after = bench.call("eve", &draft::TASK_NEGOTIATE, round("oss-agent")).await.expect_err("not hers");
    assert_eq!(refusal(&after), refusal(&before));
}

#[tokio::test]
async fn what_is_private_is_refused_as_if_it_were_not_there() {
    let bench = Bench::new().await;
    let data = json!([{"id": "there", "text": "secret"}]);
    let order =
        json!({"id": "there", "from": "oss-agent", "to": "ip-agent", "content": "secret", "data": data});
    bench.assign("oss", order).await.expect("it is assigned");
    let same = |there: Error, absent: Error| {
        let absent = (absent.tag, absent.app_tag, absent.message.replace("absent", "there"));
        assert_eq!((there.tag, there.app_tag, there.message), absent);
    };

    let read = async |id: &str| {
        let operation = &n::INTERACTION_DATA_OBJECTS_DATA_OBJECT_READ;
        bench.act("eve", operation, Some(data_object(id)), json!({})).await.expect_err("she may not")
    };
    same(read("there").await, read("absent").await);

    let child = async |id: &str| {
        let order = json!({"from": "eve", "to": "ip-agent", "content": "x", "parent": id});
        bench.assign("eve", order).await.expect_err("it is no task of hers")
    };
    same(child("there").await, child("absent").await);

    let fulfill = async |id: &str| {
        let opening = json!({"type": "magent-task:fulfillment", "from": "eve", "to": "ip-agent", "content": "x", "task": id});
        bench.call("eve", &n::OPEN_NEGOTIATION, opening).await.expect_err("it is no task of hers")
    };
    same(fulfill("there").await, fulfill("absent").await);
}

#[tokio::test]
async fn the_drafts_tasks_show_the_state_of_a_task_to_its_parties_alone() {
    let bench = Bench::new().await;
    let path = plain(&[&draft::TASKS]);
    let order = json!({"task-id": "t-1", "task-sendFrom": "oss-agent", "task-sendTo": "ip-agent", "content": "##task description a"});
    bench.order("oss", order).await.expect("it is accepted");
    let report = json!({"status": "rejected", "reason": "secret"});
    bench
        .act("ip", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t-1")), report)
        .await
        .expect("it is reported");
    for party in ["oss", "ip", "admin"] {
        let seen = bench.read(party, &path).expect("it is there");
        assert_eq!(seen["task-status"], "rejected");
        assert_eq!(seen["magent-irtf-bridge:dispatch"]["reason"], "secret");
    }
    assert_eq!(bench.read("eve", &path).expect_err("it is their order").tag, Tag::DataMissing);
}

/// RFC 8040 sections 3.4.1 and 3.5: validators of configuration do not follow state, so what shows
/// state is told to be always sent, and a write with `If-Match` is not refused because of an event.
#[tokio::test]
async fn the_revision_of_configuration_does_not_follow_the_state_in_it() {
    let bench = Bench::new().await;
    let order = json!({"task-id": "t-1", "task-sendTo": "ip-agent", "content": "##task description a"});
    bench.order("noc", order).await.expect("it is accepted");
    bench.put_data("oss", "d-1").await.expect("it is put");
    let paths = [InstancePath::default(), plain(&[&draft::TASKS]), plain(&[&draft::DATA_PARAMS])];
    let before = paths.each_ref().map(|path| bench.revision("noc", path));
    let other =
        json!({"from": "oss-agent", "to": "ip-agent", "content": "x", "data": [{"id": "d-2", "text": "y"}]});
    bench.assign("oss", other).await.expect("it is assigned");
    let report = json!({"status": "processing"});
    bench
        .act("ip", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t-1")), report)
        .await
        .expect("it is reported");
    assert_eq!(paths.each_ref().map(|path| bench.revision("noc", path)), before);
    for path in &paths {
        let found = bench
            .engine
            .read(&principal("noc"), Datastore::Unified, path, Content::All)
            .expect("it is there");
        assert!(found.has_other_state);
        let found = bench
            .engine
            .read(&principal("noc"), Datastore::Unified, path, Content::Config)
            .expect("it is there");
        assert!(!found.has_other_state);
    }
    bench.put_data("oss", "d-3").await.expect("it is put");
    assert!(bench.revision("noc", &paths[0]) > before[0], "the configuration was edited");
}

#[tokio::test]
async fn data_that_was_given_to_nobody_goes_with_its_entry() {
    let bench = Bench::new().await;
    for id in ["d-1", "d-2"] {
        bench.put_data("oss", id).await.expect("it is put");
    }
    let order = json!({"from": "oss-agent", "to": "ip-agent", "content": "x", "data": [{"id": "d-2"}]});
    bench.assign("oss", order).await.expect("it refers to what was written");
    for id in ["d-1", "d-2"] {
        let path = entry(&[], &draft::DATA_PARAMS, id);
        let edit = Edit { operation: Operation::Delete, path, value: None, insert: None };
        bench.edit("oss", edit, Vec::new()).await.expect("it is deleted");
    }
    let gone = |bench: &Bench| {
        assert!(bench.read("oss", &data_object("d-1")).is_err(), "nobody refers to it");
        assert!(bench.read("oss", &data_object("d-2")).is_ok(), "a task refers to it");
    };
    gone(&bench);
    gone(&bench.restart().await);
}

#[tokio::test]
async fn any_place_in_the_stream_can_be_asked_for() {
    let bench = Bench::new().await;
    bench.put_data("oss", "d-1").await.expect("it is put");
    let newest = bench.engine.snapshot().position;
    let from = From::After { position: newest, part: usize::MAX };
    let mut events = bench.engine.subscribe(&principal("oss"), None, from, None).expect("it subscribes");
    bench.put_data("oss", "d-2").await.expect("it is put");
    assert_eq!(events.next().await.expect("read").expect("more").position, newest + 1);
}

#[tokio::test]
async fn what_is_repeated_is_answered_as_before_when_the_other_agent_is_gone() {
    let bench = Bench::new().await;
    let order = json!({"id": "t-1", "from": "oss-agent", "to": "ip-agent", "content": "diagnose"});
    let opening = json!({"id": "n-1", "type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent", "content": "?"});
    let repeat = async || {
        let assigned = bench.assign("oss", order.clone()).await.expect("it is assigned");
        (assigned, bench.call("oss", &n::OPEN_NEGOTIATION, opening.clone()).await.expect("it is opened"))
    };
    let before = repeat().await;
    let leave = &registry::REGISTRY_AGENTS_AGENT_DEREGISTER;
    let foreign = bench.act("eve", leave, Some(agent("ip-agent")), json!({})).await.expect_err("not hers");
    assert_eq!(foreign.app_tag.as_deref(), Some("not-authorized"));
    bench.act("ip", leave, Some(agent("ip-agent")), json!({})).await.expect("it leaves");
    assert_eq!(repeat().await, before);
    let gone = bench.act("eve", leave, Some(agent("ip-agent")), json!({})).await.expect_err("it has left");
    assert_eq!(gone.app_tag.as_deref(), Some("agent-unknown"));
}

#[tokio::test]
async fn the_servers_own_agent_is_found_by_each_of_its_domains() {
    let bench = Bench::new().await;
    let found = bench.call("oss", &registry::DISCOVER_AGENTS, json!({"domain": ["Optical"]})).await;
    assert_eq!(found.expect("it is answered")["agent"][0]["name"], "server");
}
