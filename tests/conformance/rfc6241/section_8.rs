//! Section 8: the candidate, confirmed commits, and validation.

use crate::common::TestServer;
use crate::netconf::{
    AGENT, NC, Session, Table, edit, entry, errors, inside, open, open_as, start, start_in, text,
};

async fn prepare(session: &mut Session, id: &str) {
    session.does(&edit("candidate", "", &text(id, "x"))).await;
}

/// A confirmed commit of one new entry.
async fn confirmed(session: &mut Session, id: &str, parameters: &str) {
    prepare(session, id).await;
    session.does(&format!("<commit><confirmed/>{parameters}</commit>")).await;
}

async fn two() -> (TestServer, Session, Session) {
    let server = start().await;
    let (one, two) = (open(&server).await, open(&server).await);
    (server, one, two)
}

/// Waits until the running datastore has these entries.
async fn until(session: &mut Session, entries: &str) {
    while session.entries("running").await != entries {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn section_8_capabilities_are_uris_and_none_is_there_without_what_it_needs() {
    let server = start().await;
    let session = open(&server).await;
    let uris: Vec<&str> =
        session.hello.split("<capability>").skip(1).filter_map(|part| part.split('<').next()).collect();
    for uri in &uris {
        assert!(uri.contains(':') && !uri.contains(char::is_whitespace), "{uri}");
    }
    let mut sorted = uris.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), uris.len(), "each is there once");
    let has = |name: &str| uris.contains(&format!("urn:ietf:params:netconf:{name}").as_str());
    for name in [
        "base:1.1",
        "capability:writable-running:1.0",
        "capability:candidate:1.0",
        "capability:confirmed-commit:1.1",
        "capability:rollback-on-error:1.0",
        "capability:validate:1.1",
        "capability:xpath:1.0",
    ] {
        assert!(has(name), "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_8_3_the_candidate_is_edited_apart_and_committed_as_a_whole() {
    let (server, mut one, mut two) = two().await;
    one.does(&edit("running", "", &text("r", "x"))).await;
    prepare(&mut one, "a").await;
    // All sessions share it.
    assert_eq!(
        (one.entries("running").await.as_str(), two.entries("candidate").await.as_str()),
        ("r=x", "a=x r=x")
    );
    two.does("<discard-changes/>").await;
    assert_eq!(one.entries("candidate").await, "r=x");
    prepare(&mut one, "b").await;
    two.does("<commit/>").await;
    assert_eq!(one.entries("running").await, "b=x r=x");
    // Where nothing was changed, nothing is committed.
    two.does("<commit/>").await;
    two.does("<discard-changes/>").await;
    // All or nothing.
    one.does(&edit("candidate", "", &(text("c", "x") + &entry("d", "", "")))).await;
    assert_eq!(
        one.fails("<commit/>").await,
        "application data-missing path=/data-params[id='d']/dataType bad-element=dataType"
    );
    assert_eq!(one.entries("running").await, "b=x r=x");
    assert_eq!(one.entries("candidate").await, "b=x c=x d= r=x");
    one.does(&edit(
        "candidate",
        "<default-operation>none</default-operation>",
        &entry("d", " nc:operation='delete'", ""),
    ))
    .await;
    one.does("<commit/>").await;
    assert_eq!(one.entries("running").await, "b=x c=x r=x");
    // Locked by another, running or candidate: "in-use".
    for target in ["running", "candidate"] {
        two.does(&format!("<lock><target><{target}/></target></lock>")).await;
        assert_eq!(one.fails("<commit/>").await, "protocol in-use", "{target}");
        two.does(&format!("<unlock><target><{target}/></target></unlock>")).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn section_8_4_a_confirmed_commit_stays_when_it_is_confirmed_and_its_timer_begins_anew() {
    let (server, mut one, mut two) = two().await;
    confirmed(&mut one, "a", "<confirm-timeout>1000</confirm-timeout>").await;
    assert_eq!(two.entries("running").await, "a=x");
    // A follow-up and the confirmation may change more; both come from the same session.
    confirmed(&mut one, "b", "").await;
    let mut table = Table::default();
    for operation in ["<commit/>", "<commit><confirmed/></commit>", "<cancel-commit/>"] {
        table.check(operation, &two.fails(operation).await, "protocol in-use");
    }
    let unknown = "protocol invalid-value bad-element=persist-id";
    for operation in [
        "<commit><persist-id>x</persist-id></commit>",
        "<cancel-commit><persist-id>x</persist-id></cancel-commit>",
    ] {
        table.check(operation, &one.fails(operation).await, unknown);
    }
    table.done();
    prepare(&mut one, "c").await;
    one.does("<commit/>").await;
    two.does("<close-session/>").await;
    assert_eq!(one.entries("running").await, "a=x b=x c=x");
    // It is over.
    assert_eq!(one.fails("<cancel-commit/>").await, "protocol operation-failed");
    assert_eq!(one.fails("<commit><persist-id>x</persist-id></commit>").await, unknown);
    one.does("<close-session/>").await;
    let mut three = open(&server).await;
    assert_eq!(three.entries("running").await, "a=x b=x c=x");
    server.stop().await;
}

#[tokio::test]
async fn section_8_4_without_a_confirmation_everything_goes_back_in_time() {
    let (server, mut one, mut two) = two().await;
    one.does(&edit("running", "", &text("r", "x"))).await;
    confirmed(&mut one, "a", "<confirm-timeout>1000</confirm-timeout>").await;
    // The second, within the first, has another timeout; both go.
    confirmed(&mut one, "b", "<confirm-timeout>1</confirm-timeout>").await;
    assert_eq!(two.entries("running").await, "a=x b=x r=x");
    until(&mut two, "r=x").await;
    one.does("<commit/>").await;
    assert_eq!(one.entries("running").await, "r=x");
    server.stop().await;
}

#[tokio::test]
async fn section_8_4_what_others_wrote_since_is_not_taken_back() {
    let (server, mut one, mut two) = two().await;
    one.does(&edit("running", "", &text("r", "x"))).await;
    confirmed(&mut one, "a", "<confirm-timeout>1000</confirm-timeout>").await;
    two.does(&edit("running", "", &text("r", "y"))).await;
    two.does(&edit("running", "", &text("s", "x"))).await;
    confirmed(&mut one, "b", "").await;
    one.does("<cancel-commit/>").await;
    assert_eq!(two.entries("running").await, "r=y s=x");
    let late =
        "<commit><confirmed/><confirm-timeout>4294967295</confirm-timeout><persist>t</persist></commit>";
    assert_eq!(one.fails(late).await, "application invalid-value bad-element=confirm-timeout");
    server.stop().await;
}

#[tokio::test]
async fn section_8_4_4_1_it_can_be_cancelled_by_its_session() {
    let (server, mut one, mut two) = two().await;
    confirmed(&mut one, "a", "").await;
    assert_eq!(two.fails("<cancel-commit/>").await, "protocol in-use");
    one.does("<cancel-commit/>").await;
    assert_eq!(two.entries("running").await, "");
    server.stop().await;
}

#[tokio::test]
async fn section_8_4_a_session_that_ends_takes_it_along_unless_it_persists() {
    let (server, one, mut two) = two().await;
    let mut one = one;
    confirmed(&mut one, "a", "").await;
    one.does("<close-session/>").await;
    until(&mut two, "").await;
    let mut one = open(&server).await;
    confirmed(&mut one, "b", "").await;
    one.drop_it().await;
    until(&mut two, "").await;
    let mut one = open(&server).await;
    confirmed(&mut one, "c", "<persist>IQ,d4668</persist>").await;
    one.does("<close-session/>").await;
    one.ends().await;
    assert_eq!(two.entries("running").await, "c=x");
    // Whoever knows the token, confirms; nobody else does.
    let invalid = "protocol invalid-value bad-element=persist-id";
    let mut table = Table::default();
    for operation in [
        "<commit/>",
        "<commit><confirmed/></commit>",
        "<commit><persist-id>other</persist-id></commit>",
        "<cancel-commit/>",
        "<cancel-commit><persist-id>other</persist-id></cancel-commit>",
        "<cancel-commit><persist-id/></cancel-commit>",
    ] {
        table.check(operation, &two.fails(operation).await, invalid);
    }
    table.done();
    // A follow-up with the token of the first and one of its own.
    prepare(&mut two, "d").await;
    two.does("<commit><confirmed/><persist>second</persist><persist-id>IQ,d4668</persist-id></commit>").await;
    assert_eq!(two.fails("<commit><persist-id>IQ,d4668</persist-id></commit>").await, invalid);
    let mut three = open(&server).await;
    three.does("<commit><persist-id>second</persist-id></commit>").await;
    assert_eq!(three.entries("running").await, "c=x d=x");
    confirmed(&mut three, "e", "<persist>third</persist>").await;
    two.does("<cancel-commit><persist-id>third</persist-id></cancel-commit>").await;
    assert_eq!(three.entries("running").await, "c=x d=x");
    server.stop().await;
}

#[tokio::test]
async fn section_8_4_a_restart_takes_it_back() {
    let (server, mut one, _two) = two().await;
    one.does(&edit("running", "", &text("r", "x"))).await;
    confirmed(&mut one, "a", "<persist>token</persist>").await;
    assert_eq!(one.entries("running").await, "a=x r=x");
    let directory = server.stop().await;
    let server = start_in(directory, "").await;
    let mut one = open(&server).await;
    assert_eq!(one.entries("running").await, "r=x");
    assert_eq!(
        one.fails("<commit><persist-id>token</persist-id></commit>").await,
        "protocol invalid-value bad-element=persist-id"
    );
    server.stop().await;
}

#[tokio::test]
async fn section_8_4_5_1_the_parameters_of_a_commit_go_together() {
    let (server, mut one, _two) = two().await;
    let mut table = Table::default();
    for (operation, expected) in [
        (
            "<commit><confirmed/><confirm-timeout>0</confirm-timeout></commit>",
            "application invalid-value path=/commit/confirm-timeout bad-element=confirm-timeout",
        ),
        (
            "<commit><confirmed/><confirm-timeout>x</confirm-timeout></commit>",
            "application invalid-value path=/commit/confirm-timeout bad-element=confirm-timeout",
        ),
        (
            "<commit><confirmed>yes</confirmed></commit>",
            "application invalid-value path=/commit/confirmed bad-element=confirmed",
        ),
        ("<commit><nosuch/></commit>", "application unknown-element path=/commit bad-element=nosuch"),
        (
            "<discard-changes><nosuch/></discard-changes>",
            "application unknown-element path=/discard-changes bad-element=nosuch",
        ),
    ] {
        table.check(operation, &one.fails(operation).await, expected);
    }
    table.done();
    // Neither timeout nor token makes a commit a confirmed one.
    prepare(&mut one, "a").await;
    one.does("<commit><confirm-timeout>1</confirm-timeout></commit>").await;
    assert_eq!(one.fails("<cancel-commit/>").await, "protocol operation-failed");
    server.stop().await;
}

#[tokio::test]
async fn section_8_6_validate_looks_at_a_datastore_or_at_what_is_in_the_message() {
    let (server, mut one, mut two) = two().await;
    let validate = |source: &str| format!("<validate><source>{source}</source></validate>");
    let config = |inside: &str| validate(&format!("<config xmlns:a=\"{AGENT}\">{inside}</config>"));
    one.does(&validate("<running/>")).await;
    one.does(&validate("<candidate/>")).await;
    one.does(&config(&text("d", "x"))).await;
    one.does(&config("")).await;
    one.does(&edit("candidate", "", &entry("d", "", ""))).await;
    let missing = "application data-missing path=/data-params[id='d']/dataType bad-element=dataType";
    let mut table = Table::default();
    for (operation, expected) in [
        (validate("<candidate/>"), missing),
        (config(&entry("d", "", "")), missing),
        (config("<a:nosuch/>"), "application unknown-element bad-element=nosuch"),
        (
            config(&entry("d", "", "<a:dataType>nosuch</a:dataType>")),
            "application invalid-value path=/data-params[id='d']/dataType bad-element=dataType",
        ),
        (
            config("<a:msg-base><a:msg-data>nosuch</a:msg-data></a:msg-base>"),
            "application data-missing app-tag=instance-required path=/msg-base/msg-data",
        ),
        (
            config("<a:agent><a:name>x</a:name></a:agent>"),
            "application unknown-element path=/agent bad-element=agent",
        ),
        (validate("<startup/>"), "protocol operation-not-supported"),
        (validate("<nosuch/>"), "application unknown-element path=/validate/source bad-element=nosuch"),
        (validate(""), "protocol missing-element bad-element=source"),
        ("<validate/>".to_owned(), "protocol missing-element bad-element=source"),
    ] {
        table.check(&operation, &one.fails(&operation).await, expected);
    }
    table.done();
    // It is no edit, so no lock is in the way, and nothing changes.
    two.does("<lock><target><running/></target></lock>").await;
    one.does(&validate("<running/>")).await;
    one.does(&config(&text("d", "x"))).await;
    assert_eq!(one.entries("running").await, "");
    server.stop().await;
}

#[tokio::test]
async fn appendix_a_errors_with_what_is_mandatory_in_their_information() {
    let server = start().await;
    server.add_user("ann");
    let (mut one, mut ann) = (open(&server).await, open_as(&server, "ann", "1.1").await);
    one.does(&edit("running", "", &text("d", "x"))).await;
    one.does("<lock><target><running/></target></lock>").await;
    let delete = entry("nosuch", " nc:operation='delete'", "");
    let a = |inside: &str| edit("running", "", &entry("d", "", inside));
    let mut table = Table::default();
    let long = "x".repeat(200_000);
    let filter = format!("<get><filter type='xpath' select='{long}'/></get>");
    for (operation, expected) in [
        ("<edit-config/>".to_owned(), "protocol missing-element bad-element=target"),
        (
            a("<a:dataType>nosuch</a:dataType>"),
            "application invalid-value path=/data-params[id='d']/dataType bad-element=dataType",
        ),
        (filter, "protocol too-big"),
        (
            a("<a:data nc:operation='x'/>"),
            "protocol bad-attribute path=/data-params[id='d']/data bad-attribute=operation bad-element=data",
        ),
        (
            a("<a:data x='x'/>"),
            "application unknown-attribute path=/data-params[id='d']/data bad-attribute=x bad-element=data",
        ),
        (a("<a:x/>"), "application unknown-element path=/data-params[id='d'] bad-element=x"),
        ("<x xmlns='urn:x'/>".to_owned(), "protocol unknown-namespace bad-element=x bad-namespace=urn:x"),
        (
            "<lock><target><running/></target></lock>".to_owned(),
            &format!("protocol lock-denied session-id={}", one.id),
        ),
        (
            edit("running", "", &entry("d", " nc:operation='create'", "<a:dataType>text</a:dataType>")),
            "application data-exists path=/data-params[id='d']",
        ),
        (edit("running", "", &delete), "application data-missing path=/data-params[id='nosuch']"),
        ("<x/>".to_owned(), "protocol operation-not-supported bad-element=x"),
        ("<cancel-commit/>".to_owned(), "protocol operation-failed"),
    ] {
        table.check(operation.get(..200).unwrap_or(&operation), &one.fails(&operation).await, expected);
    }
    table.check("of another", &ann.fails(&edit("running", "", &text("e", "x"))).await, "protocol in-use");
    table.check("by who may not", &ann.fails("<commit/>").await, "application access-denied");
    table.done();
    // A member of error-info is in the namespace of the protocol, and the message is of a language.
    let reply = one.ask("<x xmlns='urn:x'/>").await;
    assert_eq!(
        inside(&reply, "error-info").as_deref(),
        Some("<bad-element>x</bad-element><bad-namespace>urn:x</bad-namespace>")
    );
    assert_eq!(errors(&reply), "protocol unknown-namespace bad-element=x bad-namespace=urn:x");
    assert!(reply.contains("xml:lang=\"en\"") && !reply.contains(NC), "{reply}");
    server.stop().await;
}
