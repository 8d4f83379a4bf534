//! RFC 6022, clause by clause: what the server tells of itself, its sessions and locks, and its schemas.

use crate::netconf::{
    AGENT, MONITORING, NC, Session, Table, data, edit, errors, inside, open, open_as, start, subscription,
    text,
};

/// A part of `netconf-state`.
async fn state(session: &mut Session, part: &str) -> String {
    let filter = format!("<filter><netconf-state xmlns=\"{MONITORING}\">{part}</netconf-state></filter>");
    data(&session.ask(&format!("<get>{filter}</get>")).await)
}

fn get_schema(inside: &str) -> String {
    format!("<get-schema xmlns=\"{MONITORING}\">{inside}</get-schema>")
}

/// A counter of what there is of a session, or of the whole.
fn counter(state: &str, name: &str) -> u32 {
    inside(state, name).unwrap_or_else(|| panic!("{name}: {state}")).parse().expect("a number")
}

#[tokio::test]
async fn section_2_1_1_capabilities_are_those_of_the_hello() {
    let server = start().await;
    let mut session = open(&server).await;
    let capabilities = state(&mut session, "<capabilities/>").await;
    let uris = |text: &str| -> Vec<String> {
        text.split("<capability>")
            .skip(1)
            .map(|part| part.split('<').next().unwrap_or_default().to_owned())
            .collect()
    };
    let mut hello = uris(&session.hello);
    let mut told = uris(&capabilities);
    hello.sort();
    told.sort();
    assert_eq!(told, hello);
    server.stop().await;
}

#[tokio::test]
async fn section_2_1_2_datastores_have_their_locks() {
    let server = start().await;
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    let bare = state(&mut one, "<datastores/>").await;
    assert!(
        bare.contains("<name>running</name>")
            && bare.contains("<name>candidate</name>")
            && !bare.contains("<locks>"),
        "{bare}"
    );
    two.does("<lock><target><candidate/></target></lock>").await;
    let held =
        state(&mut one, "<datastores><datastore><name>candidate</name></datastore></datastores>").await;
    assert_eq!(inside(&held, "locked-by-session"), Some(two.id.to_string()));
    assert!(inside(&held, "locked-time").is_some_and(|time| time.contains('T')), "{held}");
    two.does("<unlock><target><candidate/></target></unlock>").await;
    two.does(&edit("running", "", &text("d", "x"))).await;
    let select = format!("<select xmlns:p=\"{AGENT}\">/p:data-params</select>");
    let locked = two
        .ask(&format!(
            "<partial-lock xmlns=\"urn:ietf:params:xml:ns:netconf:partial-lock:1.0\">{select}</partial-lock>"
        ))
        .await;
    let id = inside(&locked, "lock-id").unwrap_or_else(|| panic!("{locked}"));
    let held = state(&mut one, "<datastores/>").await;
    assert_eq!(inside(&held, "lock-id"), Some(id));
    assert_eq!(inside(&held, "locked-by-session"), Some(two.id.to_string()));
    assert_eq!(inside(&held, "select").as_deref(), Some("/irtf-agent:data-params"));
    assert_eq!(inside(&held, "locked-node").as_deref(), Some("/irtf-agent:data-params[irtf-agent:id='d']"));
    server.stop().await;
}

#[tokio::test]
async fn section_2_1_4_and_2_1_5_sessions_are_listed_and_what_they_do_is_counted() {
    let server = start().await;
    let mut one = open(&server).await;
    let mut two = open(&server).await;
    let own = |id: u32| format!("<sessions><session><session-id>{id}</session-id></session></sessions>");
    let session = state(&mut one, &own(two.id)).await;
    for (name, expected) in [
        ("session-id", two.id.to_string()),
        ("username", "admin".to_owned()),
        ("source-host", "127.0.0.1".to_owned()),
    ] {
        assert_eq!(inside(&session, name), Some(expected), "{name}");
    }
    assert!(inside(&session, "transport").is_some_and(|name| name.ends_with("netconf-tls")), "{session}");
    assert!(inside(&session, "login-time").is_some_and(|time| time.contains('T')), "{session}");
    let names = ["in-rpcs", "in-bad-rpcs", "out-rpc-errors", "out-notifications"];
    assert_eq!(names.map(|name| counter(&session, name)), [0, 0, 0, 0]);
    let before = state(&mut one, "<statistics/>").await;
    // A correct request, one that fails, two that are none, and an event.
    two.does("<discard-changes/>").await;
    assert_eq!(two.fails("<cancel-commit/>").await, "protocol operation-failed");
    two.fails("<nosuch/>").await;
    two.exchange(&format!("<rpc xmlns=\"{NC}\"><get/></rpc>")).await;
    two.does(&subscription("")).await;
    one.does(&edit("running", "", &text("d", "x"))).await;
    two.told().await;
    let session = state(&mut one, &own(two.id)).await;
    assert_eq!(names.map(|name| counter(&session, name)), [3, 2, 3, 1], "{session}");
    let after = state(&mut one, "<statistics/>").await;
    let grown = names.map(|name| counter(&after, name) - counter(&before, name));
    // Those of the first session count there, too: this and the one before are requests.
    assert_eq!(grown, [6, 2, 3, 1], "{after}");
    assert_eq!(counter(&after, "in-sessions"), 2);
    let (dropped, bad) = (counter(&after, "dropped-sessions"), counter(&after, "in-bad-hellos"));
    two.drop_it().await;
    let mut wrong = crate::netconf::connect(&server, "admin").await;
    wrong.begin().await;
    wrong.send("<x/>").await;
    wrong.ends().await;
    // That they ended is known soon after, and both then are listed no longer.
    loop {
        let now = state(&mut one, "<sessions/><statistics/>").await;
        if now.matches("<session>").count() == 1 {
            assert_eq!(counter(&now, "in-bad-hellos"), bad + 1);
            assert!(counter(&now, "dropped-sessions") > dropped, "{now}");
            break;
        }
    }
    assert!(inside(&after, "netconf-start-time").is_some_and(|time| time.contains('T')), "{after}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_get_schema_gives_each_schema_that_is_listed() {
    let server = start().await;
    let mut session = open(&server).await;
    let schemas = state(&mut session, "<schemas/>").await;
    let mut seen = Vec::new();
    for schema in schemas.split("<schema>").skip(1) {
        let member = |name: &str| inside(schema, name).unwrap_or_else(|| panic!("{name}: {schema}"));
        let (identifier, version) = (member("identifier"), member("version"));
        assert_eq!(
            (member("format").split(':').next_back(), member("location").as_str()),
            (Some("yang"), "NETCONF")
        );
        let reply = session
            .ask(&get_schema(&format!(
                "<identifier>{identifier}</identifier><version>{version}</version><format>yang</format>"
            )))
            .await;
        let source = reply
            .strip_prefix(&format!("<data xmlns=\"{MONITORING}\">"))
            .and_then(|rest| rest.strip_suffix("</data>"));
        let source = source.unwrap_or_else(|| panic!("{reply}"));
        assert!(source.contains(&format!("module {identifier}")), "{identifier}");
        assert!(version.is_empty() || source.contains(&version), "{identifier} {version}");
        seen.push(identifier);
    }
    for name in ["ietf-netconf", "ietf-netconf-monitoring", "irtf-agent", "ietf-yang-types"] {
        assert!(seen.iter().any(|seen| seen == name), "{name}: {seen:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_get_schema_refuses_what_there_is_not() {
    let server = start().await;
    server.add_user("ann");
    let mut session = open_as(&server, "ann", "1.1").await;
    let mut table = Table::default();
    for (inside, expected) in [
        ("<identifier>nosuch</identifier>", "application invalid-value"),
        ("<identifier>ietf-netconf</identifier><version>1999-01-01</version>", "application invalid-value"),
        ("<identifier>ietf-netconf</identifier><format>yin</format>", "application invalid-value"),
        (
            "<identifier>ietf-netconf</identifier><format>nosuch</format>",
            "application invalid-value path=/get-schema/format bad-element=format",
        ),
        (
            "<identifier>ietf-netconf</identifier><nosuch/>",
            "application unknown-element path=/get-schema bad-element=nosuch",
        ),
        ("", "application missing-element path=/get-schema/identifier bad-element=identifier"),
    ] {
        let reply = session.ask(&get_schema(inside)).await;
        let got = if reply.starts_with("<rpc-error>") { errors(&reply) } else { reply };
        table.check(inside, &got, expected);
    }
    table.done();
    // Without a version, where there is one only; with the format that is the default.
    let plain = session.ask(&get_schema("<identifier>ietf-netconf</identifier>")).await;
    for more in ["<version>2011-06-01</version>", "<format>yang</format>"] {
        let reply = session.ask(&get_schema(&format!("<identifier>ietf-netconf</identifier>{more}"))).await;
        assert!(reply == plain || reply.contains("invalid-value"), "{more}");
    }
    assert!(plain.contains("module ietf-netconf {"), "{plain}");
    server.stop().await;
}
