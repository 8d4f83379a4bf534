//! Section 7 without `<edit-config>`: what each operation does, and what it refuses.

use crate::netconf::{
    AGENT, NC, Table, connect, data, edit, entry, errors, hello, inside, open, open_as, start, start_with,
    text,
};

const STARTUP: &str = "[datastores]\nstartup = true\n";

fn copy(source: &str, target: &str) -> String {
    format!("<copy-config><target>{target}</target><source>{source}</source></copy-config>")
}

fn lock(target: &str) -> String {
    format!("<lock><target><{target}/></target></lock>")
}

fn unlock(target: &str) -> String {
    format!("<unlock><target><{target}/></target></unlock>")
}

fn kill(session: impl std::fmt::Display) -> String {
    format!("<kill-session><session-id>{session}</session-id></kill-session>")
}

fn config(inside: &str) -> String {
    format!("<config xmlns:a=\"{AGENT}\" xmlns:nc=\"{NC}\">{inside}</config>")
}

#[tokio::test]
async fn section_7_1_and_7_7_get_config_is_of_configuration_and_get_of_state_too() {
    let server = start().await;
    let mut session = open(&server).await;
    session.does(&edit("running", "", &text("d", "x"))).await;
    let running = session.config("running", "").await;
    assert!(
        running.contains("<data>x</data>")
            && !running.contains("<netconf-state")
            && !running.contains("<agent "),
        "{running}"
    );
    let all = data(&session.ask("<get/>").await);
    for part in ["<data>x</data>", "<netconf-state", "<agent ", "<yang-library"] {
        assert!(all.contains(part), "{part}");
    }
    let state = format!(
        "<get-config><source><running/></source><filter><agent xmlns=\"{AGENT}\"/></filter></get-config>"
    );
    assert_eq!(data(&session.ask(&state).await), "");
    let xpath = |attributes: &str| {
        format!("<get-config><source><running/></source><filter {attributes}/></get-config>")
    };
    let mut table = Table::default();
    for (operation, expected) in [
        ("<get-config/>".to_owned(), "protocol missing-element bad-element=source"),
        ("<get-config><source/></get-config>".to_owned(), "protocol missing-element bad-element=source"),
        (
            "<get-config><source><running/><candidate/></source></get-config>".to_owned(),
            "application bad-element path=/get-config/source/candidate bad-element=candidate",
        ),
        (
            "<get-config><source><nosuch/></source></get-config>".to_owned(),
            "application unknown-element path=/get-config/source bad-element=nosuch",
        ),
        (
            "<get-config><source><startup/></source></get-config>".to_owned(),
            "protocol operation-not-supported",
        ),
        (
            "<get-config><source><running/></source><filter/><filter/></get-config>".to_owned(),
            "protocol bad-element bad-element=filter",
        ),
        (xpath("type='nosuch'"), "protocol bad-attribute bad-attribute=type bad-element=filter"),
        (xpath("type='xpath'"), "protocol missing-attribute bad-attribute=select bad-element=filter"),
        (xpath("type='xpath' select='/a['"), "protocol invalid-value"),
        (xpath("type='xpath' select='/x:nosuch'"), "protocol invalid-value"),
        (xpath("type='xpath' select='1 + 1'"), "protocol invalid-value"),
        (xpath("type='xpath' select='nosuch()'"), "protocol invalid-value"),
        (xpath("type='xpath' select='$v'"), "protocol invalid-value"),
        (xpath("type='xpath' select='count(/*)'"), "protocol invalid-value"),
        (xpath("type='xpath' select='/* = 1'"), "protocol invalid-value"),
        // A module's name is no prefix that is declared.
        (xpath("type='xpath' select='/irtf-agent:data-params'"), "protocol invalid-value"),
    ] {
        let reply = session.ask(&operation).await;
        let told = if reply.starts_with("<rpc-error>") { errors(&reply) } else { reply };
        table.check(&operation, &told, expected);
    }
    table.done();
    server.stop().await;
}

#[tokio::test]
async fn section_8_9_the_prefixes_of_an_expression_are_those_of_the_message() {
    let server = start().await;
    let mut session = open(&server).await;
    session.does(&edit("running", "", &(text("a", "x") + &text("b", "y") + &text("c", "x")))).await;
    let mut table = Table::default();
    for (attributes, expected) in [
        (format!("type='xpath' xmlns:p='{AGENT}' select='/p:data-params'"), "a b c"),
        (format!("type='xpath' xmlns:p='{AGENT}' select=\"/p:data-params[p:data='x']\""), "a c"),
        (
            format!(
                "type='xpath' xmlns:p='{AGENT}' select=\"/p:data-params[p:id='a'] | /p:data-params[p:id='b']\""
            ),
            "a b",
        ),
        (format!("type='xpath' xmlns:p='{AGENT}' select=\"//p:data[. = 'y']\""), "b"),
        (format!("type='xpath' xmlns:p='{AGENT}' select='/p:data-params[2]/p:data'"), "b"),
        (format!("type='xpath' xmlns:p='{AGENT}' select='/p:data-params[last()]'"), "c"),
        (format!("type='xpath' xmlns:p='{AGENT}' select='/p:nosuch'"), ""),
        ("type='xpath' xmlns:p='urn:nosuch' select='/p:data-params'".to_owned(), ""),
        // The same prefix for another namespace further out.
        (format!("type='xpath' xmlns:nc='{AGENT}' select='/nc:data-params'"), "a b c"),
        (format!("nc:type='xpath' xmlns:nc='{NC}' xmlns:p='{AGENT}' nc:select='/p:data-params'"), "a b c"),
        (format!("type='xpath' xmlns:p='{AGENT}' select='/*[p:id]'"), "a b c"),
    ] {
        let reply = session.config("running", &format!("<filter {attributes}/>")).await;
        let ids: Vec<_> =
            reply.split("<id>").skip(1).map(|part| part.split('<').next().unwrap_or_default()).collect();
        table.check(&attributes, &ids.join(" "), expected);
    }
    // What is selected comes with its parents and the keys of their entries (section 8.9.5.1).
    let leaf = format!("<filter type='xpath' xmlns:p='{AGENT}' select=\"/p:data-params[p:id='b']/p:data\"/>");
    table.check(
        "a leaf",
        &session.config("running", &leaf).await,
        &format!("<data-params xmlns=\"{AGENT}\"><id>b</id><data>y</data></data-params>"),
    );
    let get = format!("<get><filter type='xpath' xmlns:p='{AGENT}' select='/p:data-params/p:id'/></get>");
    let ids = ["a", "b", "c"].map(|id| format!("<data-params xmlns=\"{AGENT}\"><id>{id}</id></data-params>"));
    table.check("of state too", &data(&session.ask(&get).await), &ids.concat());
    table.done();
    server.stop().await;
}

#[tokio::test]
async fn section_7_3_copy_config_replaces_all_of_a_datastore() {
    let server = start_with(STARTUP).await;
    let mut session = open(&server).await;
    session.does(&edit("running", "", &text("r", "1"))).await;
    session.does(&edit("candidate", "", &text("c", "1"))).await;
    session.does(&copy("<running/>", "<candidate/>")).await;
    assert_eq!(session.entries("candidate").await, "r=1");
    session.does(&edit("candidate", "", &text("c", "1"))).await;
    session.does(&copy("<candidate/>", "<running/>")).await;
    assert_eq!(session.entries("running").await, "c=1 r=1");
    session.does(&copy("<running/>", "<startup/>")).await;
    assert_eq!(session.entries("startup").await, "c=1 r=1");
    session.does(&edit("running", "<default-operation>replace</default-operation>", "")).await;
    session.does(&copy("<startup/>", "<running/>")).await;
    assert_eq!(session.entries("running").await, "c=1 r=1");
    // What is in the message.
    for target in ["running", "candidate", "startup"] {
        session.does(&copy(&config(&text("m", "2")), &format!("<{target}/>"))).await;
        assert_eq!(session.entries(target).await, "m=2", "{target}");
    }
    let mut table = Table::default();
    for (source, target, expected) in [
        ("<running/>", "<running/>", "protocol invalid-value"),
        ("<candidate/>", "<candidate/>", "protocol invalid-value"),
        ("<startup/>", "<startup/>", "protocol invalid-value"),
        (
            "<nosuch/>",
            "<running/>",
            "application unknown-element path=/copy-config/source bad-element=nosuch",
        ),
        (
            "<running/>",
            "<nosuch/>",
            "application unknown-element path=/copy-config/target bad-element=nosuch",
        ),
        ("", "<running/>", "protocol missing-element bad-element=source"),
        ("<running/>", "", "protocol missing-element bad-element=target"),
        (&config(""), "", "protocol missing-element bad-element=target"),
        (
            "<running/><candidate/>",
            "<startup/>",
            "application bad-element path=/copy-config/source/candidate bad-element=candidate",
        ),
        (&format!("<running/>{}", config("")), "<startup/>", "protocol bad-element bad-element=running"),
        (&config("<a:nosuch/>"), "<running/>", "application unknown-element bad-element=nosuch"),
        (
            &config(&entry("x", "", "")),
            "<running/>",
            "application data-missing path=/data-params[id='x']/dataType bad-element=dataType",
        ),
        // There is nothing to be done to it but to put it there.
        (
            &config(&entry("x", " nc:operation='create'", "<a:dataType>text</a:dataType>")),
            "<running/>",
            "protocol unknown-attribute path=/data-params[id='x'] bad-attribute=nc:operation bad-element=data-params",
        ),
    ] {
        table.check(format!("{source} {target}"), &session.fails(&copy(source, target)).await, expected);
    }
    table.done();
    assert_eq!(session.entries("running").await, "m=2");
    server.stop().await;
}

#[tokio::test]
async fn section_7_4_and_8_7_the_startup_datastore_can_be_deleted_and_no_other() {
    let server = start_with(STARTUP).await;
    let mut session = open(&server).await;
    assert!(
        session.hello.contains("<capability>urn:ietf:params:netconf:capability:startup:1.0</capability>")
    );
    let delete = |target: &str| format!("<delete-config><target>{target}</target></delete-config>");
    session.does(&edit("running", "", &text("d", "x"))).await;
    assert_eq!(session.entries("startup").await, "", "an edit is not copied to it");
    session.does(&copy("<running/>", "<startup/>")).await;
    session.does("<validate><source><startup/></source></validate>").await;
    session.does(&delete("<startup/>")).await;
    assert_eq!(session.entries("startup").await, "");
    assert_eq!(session.entries("running").await, "d=x");
    let mut table = Table::default();
    for (target, expected) in [
        ("<running/>", "application unknown-element path=/delete-config/target bad-element=running"),
        ("<candidate/>", "application unknown-element path=/delete-config/target bad-element=candidate"),
        ("", "protocol missing-element bad-element=target"),
    ] {
        table.check(target, &session.fails(&delete(target)).await, expected);
    }
    table.done();
    // It is a lockable datastore of its own.
    let mut other = open(&server).await;
    session.does(&lock("startup")).await;
    for operation in [copy("<running/>", "<startup/>"), delete("<startup/>")] {
        assert_eq!(other.fails(&operation).await, "protocol in-use", "{operation}");
    }
    other.does(&edit("running", "", &text("e", "x"))).await;
    session.does(&unlock("startup")).await;
    other.does(&copy("<running/>", "<startup/>")).await;
    let directory = server.stop().await;
    // A start makes it the running one.
    let server = crate::netconf::start_in(directory, STARTUP).await;
    let mut session = open(&server).await;
    session.does(&edit("running", "", &text("f", "x"))).await;
    let directory = server.stop().await;
    let server = crate::netconf::start_in(directory, STARTUP).await;
    let mut session = open(&server).await;
    assert_eq!(session.entries("running").await, "d=x e=x");
    server.stop().await;

    let server = start().await;
    let mut session = open(&server).await;
    assert!(!session.hello.contains("startup:1.0"));
    for operation in [delete("<startup/>"), copy("<running/>", "<startup/>"), lock("startup")] {
        assert_eq!(session.fails(&operation).await, "protocol operation-not-supported", "{operation}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_7_5_a_lock_keeps_all_others_out() {
    let server = start().await;
    server.add_user("ann");
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    one.does(&lock("running")).await;
    let holder = format!("protocol lock-denied session-id={}", one.id);
    // It is denied to whoever has it, too.
    assert_eq!(one.fails(&lock("running")).await, holder);
    assert_eq!(two.fails(&lock("running")).await, holder);
    for operation in [
        edit("running", "", &text("d", "x")),
        copy("<candidate/>", "<running/>"),
        copy(&config(""), "<running/>"),
        "<commit/>".to_owned(),
    ] {
        assert_eq!(two.fails(&operation).await, "protocol in-use", "{operation}");
    }
    // Also who does not speak NETCONF (RFC 8040 section 1.4).
    let put = server
        .put(
            "/restconf/data/irtf-agent:data-params=d",
            r#"{"irtf-agent:data-params":[{"id":"d","dataType":"text"}]}"#,
        )
        .await;
    assert_eq!(put.refusal(), (409, "in-use".to_owned()));
    // To read and to edit another datastore is not in its way; nor is an edit of whoever has it.
    assert_eq!(two.entries("running").await, "");
    two.does(&edit("candidate", "", &text("d", "x"))).await;
    two.does("<discard-changes/>").await;
    one.does(&edit("running", "", &text("d", "y"))).await;
    let denied = two.fails(&unlock("running")).await;
    assert_eq!(denied, "protocol operation-failed");
    one.does(&unlock("running")).await;
    assert_eq!(one.fails(&unlock("running")).await, "protocol operation-failed");
    two.does(&lock("running")).await;
    let mut table = Table::default();
    for (operation, expected) in [
        ("<lock/>", "protocol missing-element bad-element=target"),
        ("<lock><target/></lock>", "protocol missing-element bad-element=target"),
        (
            "<lock><target><nosuch/></target></lock>",
            "application unknown-element path=/lock/target bad-element=nosuch",
        ),
        ("<unlock><target/></unlock>", "protocol missing-element bad-element=target"),
    ] {
        table.check(operation, &one.fails(operation).await, expected);
    }
    table.done();
    // It is released with its session, however that ends.
    two.does("<close-session/>").await;
    one.does(&lock("running")).await;
    let mut three = open(&server).await;
    three.does(&kill(one.id)).await;
    three.does(&lock("running")).await;
    let mut four = open(&server).await;
    three.drop_it().await;
    loop {
        match four.ask(&lock("running")).await.as_str() {
            "<ok/>" => break,
            other => assert!(errors(other).starts_with("protocol lock-denied"), "{other}"),
        }
    }
    one.ends().await;
    server.stop().await;
}

#[tokio::test]
async fn section_7_5_a_modified_candidate_and_a_confirmed_commit_of_others_are_in_the_way() {
    let server = start().await;
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    two.does(&edit("candidate", "", &text("d", "x"))).await;
    for session in [&mut one, &mut two] {
        assert_eq!(session.fails(&lock("candidate")).await, "protocol lock-denied session-id=0");
    }
    two.does("<discard-changes/>").await;
    // What changes nothing is no modification.
    two.does(&copy("<running/>", "<candidate/>")).await;
    one.does(&lock("candidate")).await;
    for operation in [
        edit("candidate", "", &text("d", "x")),
        "<commit/>".to_owned(),
        "<discard-changes/>".to_owned(),
        copy("<running/>", "<candidate/>"),
    ] {
        assert_eq!(two.fails(&operation).await, "protocol in-use", "{operation}");
    }
    // Section 8.3.5.2: what is left in it is discarded with the lock.
    one.does(&edit("candidate", "", &text("d", "x"))).await;
    one.does(&unlock("candidate")).await;
    assert_eq!(two.entries("candidate").await, "");
    one.does(&lock("candidate")).await;
    one.does(&edit("candidate", "", &text("d", "x"))).await;
    one.does("<close-session/>").await;
    two.does(&lock("candidate")).await;
    assert_eq!(two.entries("candidate").await, "");
    two.does(&unlock("candidate")).await;
    // Of another session alone.
    let mut three = open(&server).await;
    two.does(&edit("candidate", "", &text("d", "x"))).await;
    two.does("<commit><confirmed/></commit>").await;
    assert_eq!(three.fails(&lock("running")).await, format!("protocol lock-denied session-id={}", two.id));
    two.does(&lock("running")).await;
    two.does("<commit/>").await;
    server.stop().await;
}

#[tokio::test]
async fn section_7_8_a_session_closes_in_order_and_ignores_what_comes_after() {
    let server = start().await;
    for version in ["1.0", "1.1"] {
        let mut session = open_as(&server, "admin", version).await;
        let rpc =
            |id: u32, operation: &str| format!("<rpc xmlns=\"{NC}\" message-id=\"{id}\">{operation}</rpc>");
        session.send(&rpc(1, &edit("running", "", &text("a", version)))).await;
        session.send(&rpc(2, "<close-session/>")).await;
        session.send(&rpc(3, &edit("running", "", &text("b", version)))).await;
        for id in [1, 2] {
            let expected = format!("<rpc-reply xmlns=\"{NC}\" message-id=\"{id}\"><ok/></rpc-reply>");
            assert_eq!(session.reply().await, expected);
        }
        session.ends().await;
        let mut other = open(&server).await;
        assert_eq!(other.entries("running").await, format!("a={version}"));
    }
    let mut session = open(&server).await;
    assert_eq!(
        session.fails("<close-session><nosuch/></close-session>").await,
        "application unknown-element path=/close-session bad-element=nosuch"
    );
    session.does("<close-session/>").await;
    session.ends().await;
    server.stop().await;
}

#[tokio::test]
async fn section_7_9_kill_session_ends_another_session_at_once() {
    let server = start().await;
    server.add_user("ann");
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    let mut table = Table::default();
    for (session, expected) in [
        (one.id.to_string(), "protocol invalid-value"),
        ("4294967295".to_owned(), "protocol invalid-value"),
        ("0".to_owned(), "application invalid-value path=/kill-session/session-id bad-element=session-id"),
        ("x".to_owned(), "application invalid-value path=/kill-session/session-id bad-element=session-id"),
    ] {
        table.check(&session, &one.fails(&kill(&session)).await, expected);
    }
    table.check(
        "none",
        &one.fails("<kill-session/>").await,
        "protocol missing-element bad-element=session-id",
    );
    let mut ann = open_as(&server, "ann", "1.1").await;
    table.check("by who may not", &ann.fails(&kill(one.id)).await, "application access-denied");
    table.done();
    // All that it held is free, and what it did stays.
    two.does(&edit("running", "", &text("d", "x"))).await;
    two.does(&lock("running")).await;
    two.does(&lock("candidate")).await;
    two.does(&edit("candidate", "", &text("e", "x"))).await;
    one.does(&kill(two.id)).await;
    two.ends().await;
    one.does(&lock("running")).await;
    one.does(&lock("candidate")).await;
    assert_eq!(one.entries("candidate").await, "d=x");
    // One that has not said hello.
    let mut silent = connect(&server, "admin").await;
    silent.begin().await;
    one.does(&kill(silent.id)).await;
    silent.send(&hello(&["urn:ietf:params:netconf:base:1.1"])).await;
    silent.ends().await;
    server.stop().await;
}

#[tokio::test]
async fn section_7_9_a_confirmed_commit_is_taken_back_with_the_session_that_is_killed() {
    let server = start().await;
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    two.does(&edit("candidate", "", &text("d", "x"))).await;
    two.does("<commit><confirmed/></commit>").await;
    assert_eq!(one.entries("running").await, "d=x");
    one.does(&kill(two.id)).await;
    assert_eq!(one.entries("running").await, "");
    server.stop().await;
}

#[tokio::test]
async fn section_7_what_a_user_may_not_do_is_denied() {
    let server = start().await;
    server.add_user("ann");
    let mut ann = open_as(&server, "ann", "1.1").await;
    let mut table = Table::default();
    for operation in [
        lock("running"),
        kill(7),
        "<commit/>".to_owned(),
        copy("<candidate/>", "<running/>"),
        edit("candidate", "", &text("d", "x")),
    ] {
        let told = ann.fails(&operation).await;
        let denied = told.split(' ').nth(1).unwrap_or_default().to_owned();
        table.check(&operation, &denied, "access-denied");
    }
    table.done();
    assert_eq!(inside(&ann.hello, "session-id"), Some(ann.id.to_string()));
    ann.does("<close-session/>").await;
    server.stop().await;
}
