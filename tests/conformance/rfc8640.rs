//! RFC 8640, clause by clause: dynamic subscriptions on a session of NETCONF.

use crate::netconf::{AGENT, Session, Table, edit, errors, inside, open, start, subscription, text};

const SN: &str = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications";
const YP: &str = "urn:ietf:params:xml:ns:yang:ietf-yang-push";

fn operation(name: &str, inside: &str) -> String {
    format!(
        "<{name} xmlns=\"{SN}\" xmlns:yp=\"{YP}\" xmlns:ds=\"urn:ietf:params:xml:ns:yang:ietf-datastores\" xmlns:p=\"{AGENT}\">{inside}</{name}>"
    )
}

fn to_stream(more: &str) -> String {
    operation("establish-subscription", &format!("<stream>NETCONF</stream>{more}"))
}

fn on_change(select: &str) -> String {
    let target = format!(
        "<yp:datastore>ds:running</yp:datastore><yp:datastore-xpath-filter>{select}</yp:datastore-xpath-filter>"
    );
    operation("establish-subscription", &format!("{target}<yp:on-change/>"))
}

async fn established(session: &mut Session, operation: &str) -> String {
    let reply = session.ask(operation).await;
    inside(&reply, "id").unwrap_or_else(|| panic!("{reply}"))
}

#[tokio::test]
async fn section_3_a_session_has_subscriptions_of_one_kind_alone() {
    let server = start().await;
    let mut one = open(&server).await;
    established(&mut one, &to_stream("")).await;
    assert_eq!(one.fails(&subscription("")).await, "application operation-not-supported");
    let mut two = open(&server).await;
    two.does(&subscription("")).await;
    assert_eq!(two.fails(&to_stream("")).await, "application operation-not-supported");
    server.stop().await;
}

#[tokio::test]
async fn sections_5_and_6_what_is_told_comes_on_the_session_that_asked_for_it() {
    let server = start().await;
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    let id = established(&mut one, &on_change("/p:data-params")).await;
    // All that there is, and then what changes.
    let told = one.told_of("<push-update").await;
    assert_eq!(inside(&told, "id").as_ref(), Some(&id));
    two.does(&edit("running", "", &text("d", "x"))).await;
    let told = one.told_of("<push-change-update").await;
    assert!(told.contains("<data>x</data>"), "{told}");
    let (key, rest) = (told.find("<id>d</id>"), told.find("<dataType>"));
    assert!(key.is_some() && key < rest, "RFC 7950 section 7.8.5: {told}");
    // Only that session can manage it.
    let own = operation("delete-subscription", &format!("<id>{id}</id>"));
    let none = "application invalid-value app-tag=ietf-subscribed-notifications:no-such-subscription";
    assert_eq!(two.fails(&own).await, none);
    one.does(&own).await;
    assert_eq!(one.fails(&own).await, none);
    // It ends with its session.
    let id = established(&mut one, &on_change("/p:data-params")).await;
    one.does("<close-session/>").await;
    one.ends().await;
    let kill = operation("kill-subscription", &format!("<id>{id}</id>"));
    while two.ask(&kill).await == "<ok/>" {}
    assert_eq!(two.fails(&kill).await, none);
    server.stop().await;
}

#[tokio::test]
async fn rfc8639_the_encoding_is_that_of_the_rpc_and_no_other() {
    let server = start().await;
    let mut session = open(&server).await;
    let id = established(&mut session, &to_stream("")).await;
    let held = session.ask("<get><filter><subscriptions xmlns=\"urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications\"/></filter></get>").await;
    assert!(held.contains(&format!("<id>{id}</id>")) && held.contains(":encode-xml</encoding>"), "{held}");
    let other = to_stream(&format!("<encoding xmlns:s=\"{SN}\">s:encode-json</encoding>"));
    let unsupported = "application invalid-value app-tag=ietf-subscribed-notifications:encoding-unsupported";
    assert_eq!(session.fails(&other).await, unsupported);
    server.stop().await;
}

#[tokio::test]
async fn section_7_errors_name_an_identity() {
    let server = start().await;
    let mut session = open(&server).await;
    let mut table = Table::default();
    for (operation, expected) in [
        (
            operation("establish-subscription", "<stream>nosuch</stream>"),
            "application invalid-value bad-element=stream",
        ),
        (
            to_stream("<encoding xmlns:o='urn:o'>o:none</encoding>"),
            "application invalid-value path=/establish-subscription/encoding bad-element=encoding",
        ),
        (
            to_stream("<stream-xpath-filter>/p:x[</stream-xpath-filter>"),
            "application invalid-value app-tag=ietf-subscribed-notifications:filter-unsupported",
        ),
        (
            operation("modify-subscription", "<id>4000</id><stream-xpath-filter>/p:x</stream-xpath-filter>"),
            "application invalid-value app-tag=ietf-subscribed-notifications:no-such-subscription",
        ),
        (
            operation("kill-subscription", "<id>4000</id>"),
            "application invalid-value app-tag=ietf-subscribed-notifications:no-such-subscription",
        ),
        (
            format!("<resync-subscription xmlns=\"{YP}\"><id>4000</id></resync-subscription>"),
            "application invalid-value app-tag=ietf-yang-push:no-such-subscription-resync",
        ),
        (
            operation("delete-subscription", ""),
            "application missing-element path=/delete-subscription/id bad-element=id",
        ),
    ] {
        let reply = session.ask(&operation).await;
        let got = if reply.starts_with("<rpc-error>") { errors(&reply) } else { reply };
        table.check(&operation, got.split(" establish-").next().unwrap_or_default(), expected);
    }
    table.done();
    server.stop().await;
}
