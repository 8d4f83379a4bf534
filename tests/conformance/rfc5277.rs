//! RFC 5277 and RFC 6470, clause by clause: notifications on a session of NETCONF, and what the server tells of itself.

use crate::netconf::{
    AGENT, Session, Table, connect, data, edit, entry, hello, inside, open, open_as, start, start_with,
    subscription, text,
};

const EVENTS: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications";
const REPLAYED: &str = "<replayComplete xmlns=\"urn:ietf:params:xml:ns:netmod:notification\"/>";
const COMPLETE: &str = "<notificationComplete xmlns=\"urn:ietf:params:xml:ns:netmod:notification\"/>";

/// A filter of changes alone.
fn changes() -> String {
    format!("<filter type='subtree'><netconf-config-change xmlns='{EVENTS}'/></filter>")
}

/// An event of RFC 6470 without its namespace, and without the prefixes in it.
fn plain(event: &str) -> String {
    let modules = [format!(" xmlns=\"{EVENTS}\""), format!(" xmlns:irtf-agent=\"{AGENT}\"")];
    modules.iter().fold(event.to_owned(), |text, module| text.replace(module, "")).replace("irtf-agent:", "")
}

/// Which entries the changes up to an event that ends them are about, and that event.
async fn changed_until(session: &mut Session, last: &str) -> String {
    let mut told = Vec::new();
    loop {
        let event = session.told().await;
        if !event.starts_with("<netconf") {
            assert_eq!(event, last);
            return told.join(" ");
        }
        told.push(
            event
                .split("[irtf-agent:id='")
                .nth(1)
                .and_then(|rest| rest.split('\'').next())
                .unwrap_or("?")
                .to_owned(),
        );
    }
}

#[tokio::test]
async fn section_2_1_1_the_parameters_that_do_not_go_together_are_refused_as_the_rfc_says() {
    let server = start().await;
    let mut session = open(&server).await;
    let (past, later, future) = ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00+01:00", "2099-01-01T00:00:00Z");
    let from = |time: &str| format!("<startTime>{time}</startTime>");
    let to = |time: &str| format!("<stopTime>{time}</stopTime>");
    let mut table = Table::default();
    for (parameters, expected) in [
        (to(future), "protocol missing-element bad-element=startTime"),
        (from(later) + &to(past), "protocol bad-element bad-element=stopTime"),
        (from(future), "protocol bad-element bad-element=startTime"),
        (from(future) + &to("2099-01-02T00:00:00Z"), "protocol bad-element bad-element=startTime"),
        (
            from("yesterday"),
            "application invalid-value path=/create-subscription/startTime bad-element=startTime",
        ),
        (
            from("2020-13-01T00:00:00Z"),
            "application invalid-value path=/create-subscription/startTime bad-element=startTime",
        ),
        (from("2020-01-01T00:00:00"), "protocol invalid-value bad-element=startTime"),
        ("<stream>nosuch</stream>".to_owned(), "application invalid-value bad-element=stream"),
        ("<stream>netconf</stream>".to_owned(), "application invalid-value bad-element=stream"),
        ("<nosuch/>".to_owned(), "application unknown-element path=/create-subscription bad-element=nosuch"),
        (
            "<filter type='xpath'/>".to_owned(),
            "protocol missing-attribute bad-attribute=select bad-element=filter",
        ),
        ("<filter type='xpath' select='/['/>".to_owned(), "protocol invalid-value"),
        (
            "<filter type='nosuch'/>".to_owned(),
            "protocol bad-attribute bad-attribute=type bad-element=filter",
        ),
        ("<filter/><filter/>".to_owned(), "protocol bad-element bad-element=filter"),
    ] {
        table.check(&parameters, &session.fails(&subscription(&parameters)).await, expected);
    }
    table.done();
    // None of them is a subscription; one is enough.
    session.does(&subscription("<stream>NETCONF</stream>")).await;
    assert_eq!(session.fails(&subscription("")).await, "protocol in-use");
    server.stop().await;
}

#[tokio::test]
async fn section_2_2_and_interleave_events_come_between_the_replies() {
    let server = start().await;
    for version in ["1.0", "1.1"] {
        let mut session = open_as(&server, "admin", version).await;
        for capability in ["notification:1.0", "interleave:1.0"] {
            assert!(session.hello.contains(&format!(
                "<capability>urn:ietf:params:netconf:capability:{capability}</capability>"
            )));
        }
        session.does(&subscription(&changes())).await;
        session.does(&edit("running", "", &text("d", version))).await;
        assert_eq!(session.entries("running").await, format!("d={version}"));
        let (time, event) = session.event().await;
        assert!(event.starts_with("<netconf-config-change "), "{event}");
        assert!(time.ends_with('Z') && time.as_bytes().get(10) == Some(&b'T'), "{time}");
        // Section 2.3: it ends with the session.
        session.does("<close-session/>").await;
        session.ends().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_5_1_the_streams_are_listed() {
    let server = start().await;
    let mut session = open(&server).await;
    let get = "<get><filter type=\"subtree\"><netconf xmlns=\"urn:ietf:params:xml:ns:netmod:notification\"><streams/></netconf></filter></get>";
    let streams = data(&session.ask(get).await);
    assert_eq!(inside(&streams, "name").as_deref(), Some("NETCONF"));
    assert!(inside(&streams, "description").is_some_and(|text| !text.is_empty()), "{streams}");
    assert_eq!(inside(&streams, "replaySupport").as_deref(), Some("true"));
    let created = inside(&streams, "replayLogCreationTime").expect("it is there");
    assert!(created.contains('T'), "{streams}");
    assert_eq!(streams.matches("<stream>").count(), 1);
    let none = get.replace("<streams/>", "<streams><stream><name>SNMP</name></stream></streams>");
    assert_eq!(data(&session.ask(&none).await), "");
    server.stop().await;
}

#[tokio::test]
async fn section_3_3_a_replay_has_what_was_told_between_its_times_and_its_two_ends() {
    let server = start().await;
    let mut session = open(&server).await;
    let mut follower = open(&server).await;
    follower.does(&subscription(&changes())).await;
    let mut times = Vec::new();
    for id in ["a", "b", "c"] {
        session.does(&edit("running", "", &text(id, "x"))).await;
        times.push(follower.event().await.0);
    }
    let past = "2020-01-01T00:00:00Z";
    let range = |from: &str, to: &str| {
        let to = if to.is_empty() { String::new() } else { format!("<stopTime>{to}</stopTime>") };
        subscription(&format!("{}<startTime>{from}</startTime>{to}", changes()))
    };
    let mut table = Table::default();
    for (from, to, expected) in [
        // What is earlier than the log is its beginning; another zone is the same time.
        (past, times[1].as_str(), "a b"),
        (times[1].as_str(), times[1].as_str(), "b"),
        (&times[1].replace('Z', "-00:00"), &times[2], "b c"),
        (past, "2020-01-02T00:00:00+14:00", ""),
        (&times[0], &times[2], "a b c"),
    ] {
        // A session can subscribe again when the time is over.
        session.does(&range(from, to)).await;
        let told = changed_until(&mut session, REPLAYED).await;
        table.check(format!("{from} {to}"), &told, expected);
        assert_eq!(session.told().await, COMPLETE);
    }
    table.done();
    // Without an end, what happens afterwards comes after the end of the replay.
    session.does(&range(&times[2], "")).await;
    session.does(&edit("running", "", &text("d", "x"))).await;
    assert_eq!(changed_until(&mut session, REPLAYED).await, "c");
    assert!(session.told().await.contains("id='d'"));
    // With an end that is to come: until then.
    let mut other = open(&server).await;
    let soon = time_after(&server).await;
    other.does(&range(past, &soon)).await;
    assert_eq!(changed_until(&mut other, REPLAYED).await, "a b c d");
    assert_eq!(changed_until(&mut other, COMPLETE).await, "");
    other.does(&subscription("")).await;
    // Neither end can be filtered out.
    let mut third = open(&server).await;
    let nothing = "<filter type='xpath' select='false()'/>";
    third
        .does(&subscription(&format!(
            "{nothing}<startTime>{past}</startTime><stopTime>{}</stopTime>",
            times[2]
        )))
        .await;
    assert_eq!((third.told().await, third.told().await), (REPLAYED.to_owned(), COMPLETE.to_owned()));
    server.stop().await;
}

/// A time that is soon to come.
async fn time_after(server: &crate::common::TestServer) -> String {
    let mut session = open(server).await;
    session.does(&subscription(&changes())).await;
    session.does(&edit("candidate", "", &text("z", "x"))).await;
    session.does("<discard-changes/>").await;
    let get = "<get><filter><netconf-state xmlns='urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring'><sessions/></netconf-state></filter></get>";
    let state = session.ask(get).await;
    // That session began just now, and a second is enough for what comes before the end.
    let since =
        state.split("<login-time>").skip(1).filter_map(|part| part.split('<').next()).max().expect("a time");
    let (whole, _) = since.trim_end_matches('Z').split_once('.').unwrap_or((since.trim_end_matches('Z'), ""));
    let (rest, seconds) = whole.rsplit_once(':').expect("seconds");
    let (day, minutes) = rest.rsplit_once(':').expect("minutes");
    let (minutes, seconds): (u32, u32) =
        (minutes.parse().expect("a number"), seconds.parse().expect("a number"));
    // The zone takes what is more than an hour.
    let later = minutes * 60 + seconds + 2;
    match later < 3600 {
        true => format!("{day}:{:02}:{:02}Z", later / 60, later % 60),
        false => format!("{day}:{:02}:{:02}-01:00", (later - 3600) / 60, later % 60),
    }
}

#[tokio::test]
async fn section_3_6_and_5_a_filter_is_of_what_the_event_says() {
    let server = start().await;
    let mut writer = open(&server).await;
    let event = |inside: &str| {
        format!("<filter><netconf-config-change xmlns='{EVENTS}'>{inside}</netconf-config-change></filter>")
    };
    let xpath = |select: &str| {
        format!("<filter type='xpath' xmlns:n='{EVENTS}' xmlns:p='{AGENT}' select=\"{select}\"/>")
    };
    let past = "<startTime>2020-01-01T00:00:00Z</startTime>";
    let mut follower = open(&server).await;
    follower.does(&subscription(&changes())).await;
    writer.does(&edit("running", "", &text("a", "x"))).await;
    writer.does(&edit("running", "", &entry("a", " nc:operation='delete'", ""))).await;
    writer.does(&edit("running", "", &(text("b", "x") + &text("c", "x")))).await;
    follower.told().await;
    follower.told().await;
    let (last, _) = follower.event().await;
    let until = format!("{past}<stopTime>{last}</stopTime>");
    let mut table = Table::default();
    for (filter, expected) in [
        (event(""), "a a b"),
        (event("<edit/>"), "a a b"),
        (event("<edit><operation>delete</operation></edit>"), "a"),
        (event("<datastore>running</datastore>"), "a a b"),
        (event("<datastore>startup</datastore>"), ""),
        (event(&format!("<changed-by><session-id>{}</session-id></changed-by>", writer.id)), "a a b"),
        (event("<changed-by><session-id>4000</session-id></changed-by>"), ""),
        (event("<nosuch/>"), ""),
        (event("").replace("netconf-config-change", "nosuch"), ""),
        (event("").replace(EVENTS, "urn:nosuch"), ""),
        (event("").replace("<filter>", "<filter type='subtree'>"), "a a b"),
        ("<filter/>".to_owned(), ""),
        (
            format!(
                "<filter><netconf-config-change xmlns='{EVENTS}'><edit/></netconf-config-change><netconf-session-end xmlns='{EVENTS}'/></filter>"
            ),
            "a a b",
        ),
        (xpath("/n:netconf-config-change"), "a a b"),
        (xpath("/n:netconf-config-change[n:edit/n:operation='delete']"), "a"),
        (xpath("/n:netconf-config-change/n:edit[2]"), "b"),
        (xpath("count(//n:edit) = 2"), "b"),
        (xpath("/n:netconf-config-change[not(n:edit[n:operation='delete'])]"), "a b"),
        (xpath("/n:nosuch"), ""),
    ] {
        let mut session = open(&server).await;
        session.does(&subscription(&format!("{filter}{until}"))).await;
        table.check(&filter, &changed_until(&mut session, REPLAYED).await, expected);
    }
    table.done();
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_what_a_user_may_not_know_is_not_sent() {
    let server = start().await;
    server.add_user("ann");
    let mut ann = open_as(&server, "ann", "1.1").await;
    let asked = ann.ask(&subscription("")).await;
    assert_eq!(asked, "<ok/>");
    let mut admin = open(&server).await;
    admin.does(&edit("running", "", &text("d", "x"))).await;
    admin.does("<close-session/>").await;
    let event = plain(&ann.told_of("netconf-config-change").await);
    assert!(event.contains("data-params[id='d']"), "{event}");
    server.stop().await;
}

#[tokio::test]
async fn rfc6470_section_2_2_what_no_path_can_name_is_told_by_what_it_is_in() {
    let server = start().await;
    server.add_user("ann");
    let mut ann = open_as(&server, "ann", "1.1").await;
    ann.does(&subscription(&changes())).await;
    let mut follower = open(&server).await;
    follower.does(&subscription(&changes())).await;
    let mut session = open(&server).await;
    let both = "it's &quot;";
    let group = format!("<group><name>{both}</name></group>");
    let nacm =
        format!("<nacm xmlns='urn:ietf:params:xml:ns:yang:ietf-netconf-acm'><groups>{group}</groups></nacm>");
    session.does(&edit("running", "", &nacm)).await;
    session.does(&edit("running", "", &text(both, "x"))).await;
    session.does(&edit("running", "", &text("d", "x"))).await;
    let target = |event: &str| inside(&plain(event), "target");
    assert_eq!(
        target(&follower.told().await).as_deref(),
        Some("/ietf-netconf-acm:nacm/ietf-netconf-acm:groups")
    );
    assert_eq!(target(&follower.told().await), None, "nothing but the datastore is above it");
    assert_eq!(target(&follower.told().await).as_deref(), Some("/data-params[id='d']"));
    // Who may not read the entry is not told of what it is in.
    assert_eq!(target(&ann.told().await), None);
    assert_eq!(target(&ann.told().await).as_deref(), Some("/data-params[id='d']"));
    let asked = r#"{"magent-audit:input":{"kind":["change"]}}"#;
    let audited = server.post("/restconf/operations/magent-audit:query-audit", asked).await;
    let entries = audited.json()["magent-audit:output"]["entry"].clone();
    let paths: Vec<&str> =
        entries.as_array().expect("a list").iter().filter_map(|e| e["path"][0].as_str()).collect();
    for path in ["/ietf-netconf-acm:nacm/groups/group", "/irtf-agent:data-params"] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc6470_section_2_2_changes_name_who_made_them_where_and_what() {
    let server = start_with("[datastores]\nstartup = true\n").await;
    let mut follower = open(&server).await;
    follower.does(&subscription(&changes())).await;
    let mut session = open(&server).await;
    let by = |session: u32| {
        format!("<changed-by><username>admin</username><session-id>{session}</session-id></changed-by>")
    };
    let change = |by: &str, datastore: &str, edits: &[(&str, &str)]| {
        let edits: String = edits
            .iter()
            .map(|(target, operation)| {
                format!("<edit><target>{target}</target><operation>{operation}</operation></edit>")
            })
            .collect();
        format!(
            "<netconf-config-change>{by}<datastore>{datastore}</datastore>{edits}</netconf-config-change>"
        )
    };
    let ours = by(session.id);
    // No instance-identifier stands for all of a datastore.
    let startup =
        |operation: &str| change(&ours, "startup", &[("", operation)]).replace("<target></target>", "");
    let mut table = Table::default();
    let d = "/data-params[id='d']";
    for (operation, expected) in [
        (edit("running", "", &text("d", "x")), change(&ours, "running", &[(d, "merge")])),
        (
            edit(
                "running",
                "",
                &entry(
                    "d",
                    "",
                    "<a:data nc:operation='replace'>y</a:data><a:format nc:operation='create'>z</a:format>",
                ),
            ),
            change(
                &ours,
                "running",
                &[
                    (d, "merge"),
                    ("/data-params[id='d']/data", "replace"),
                    ("/data-params[id='d']/format", "create"),
                ],
            ),
        ),
        (
            edit(
                "running",
                "<default-operation>none</default-operation>",
                &entry("d", "", "<a:data nc:operation='delete'/>"),
            ),
            change(&ours, "running", &[("/data-params[id='d']/data", "delete")]),
        ),
        (
            "<copy-config><target><startup/></target><source><running/></source></copy-config>".to_owned(),
            startup("replace"),
        ),
        (
            edit("running", "", &entry("d", " nc:operation='remove'", "")),
            change(&ours, "running", &[(d, "remove")]),
        ),
        ("<delete-config><target><startup/></target></delete-config>".to_owned(), startup("remove")),
    ] {
        session.does(&operation).await;
        table.check(&operation, &plain(&follower.told().await), &expected);
    }
    // Of another protocol: there is no session.
    server
        .put(
            "/restconf/data/irtf-agent:data-params=d",
            r#"{"irtf-agent:data-params":[{"id":"d","dataType":"text"}]}"#,
        )
        .await;
    table.check("RESTCONF", &plain(&follower.told().await), &change(&by(0), "running", &[(d, "replace")]));
    let saved = startup("replace").replace(&ours, &by(0));
    table.check("RESTCONF saves it, too", &plain(&follower.told().await), &saved);
    // A candidate is not told of, its commit is.
    session.does(&edit("candidate", "", &text("e", "x"))).await;
    session.does("<commit/>").await;
    table.check(
        "commit",
        &plain(&follower.told().await),
        &change(&ours, "running", &[("/data-params[id='e']", "replace")]),
    );
    table.done();
    server.stop().await;
}

#[tokio::test]
async fn rfc6470_section_2_2_sessions_are_told_of_with_their_ends() {
    let server = start().await;
    let mut follower = open(&server).await;
    follower.does(&subscription(&format!("<filter><netconf-session-start xmlns='{EVENTS}'/><netconf-session-end xmlns='{EVENTS}'/></filter>"))).await;
    let of = |id: u32| {
        format!("<username>admin</username><session-id>{id}</session-id><source-host>127.0.0.1</source-host>")
    };
    let begins = |id: u32| format!("<netconf-session-start>{}</netconf-session-start>", of(id));
    let ends =
        |id: u32, reason: &str| format!("<netconf-session-end>{}{reason}</netconf-session-end>", of(id));
    let reason = |name: &str| format!("<termination-reason>{name}</termination-reason>");
    let mut table = Table::default();
    for name in ["closed", "dropped", "killed", "other"] {
        let mut session = open(&server).await;
        let id = session.id;
        table.check("it begins", &plain(&follower.told().await), &begins(id));
        let mut more = String::new();
        match name {
            "closed" => session.does("<close-session/>").await,
            "dropped" => session.drop_it().await,
            "killed" => {
                follower.does(&format!("<kill-session><session-id>{id}</session-id></kill-session>")).await;
                more = format!("<killed-by>{}</killed-by>", follower.id);
            }
            _ => session.send("<no/>").await,
        }
        table.check(name, &plain(&follower.told().await), &ends(id, &(more + &reason(name))));
    }
    for (name, sent) in [("bad-hello", hello(&[])), ("bad-hello", "<x/>".to_owned())] {
        let mut session = connect(&server, "admin").await;
        session.begin().await;
        table.check("it begins", &plain(&follower.told().await), &begins(session.id));
        session.send(&sent).await;
        table.check(name, &plain(&follower.told().await), &ends(session.id, &reason(name)));
    }
    table.done();
    server.stop().await;
}

#[tokio::test]
async fn rfc6470_section_2_2_an_idle_session_times_out_and_one_that_follows_events_does_not() {
    let server = start_with("[limits]\nsession_idle_s = 1\n").await;
    let mut follower = open(&server).await;
    follower.does(&subscription("")).await;
    let idle = open(&server).await;
    let id = idle.id;
    let event = plain(&follower.told_of("netconf-session-end").await);
    assert!(
        event.contains(&format!("<session-id>{id}</session-id>"))
            && event.contains("<termination-reason>timeout<"),
        "{event}"
    );
    idle.ends().await;
    follower.does("<close-session/>").await;
    server.stop().await;
}

#[tokio::test]
async fn rfc6470_section_2_2_confirmed_commits_are_told_of_from_beginning_to_end() {
    let server = start().await;
    let mut follower = open(&server).await;
    follower
        .does(&subscription(&format!("<filter><netconf-confirmed-commit xmlns='{EVENTS}'/></filter>")))
        .await;
    let mut session = open(&server).await;
    let by = format!("<username>admin</username><session-id>{}</session-id>", session.id);
    let event = |by: &str, name: &str, timeout: &str| {
        let timeout =
            if timeout.is_empty() { String::new() } else { format!("<timeout>{timeout}</timeout>") };
        format!(
            "<netconf-confirmed-commit>{by}<confirm-event>{name}</confirm-event>{timeout}</netconf-confirmed-commit>"
        )
    };
    let commit =
        |timeout: &str| format!("<commit><confirmed/><confirm-timeout>{timeout}</confirm-timeout></commit>");
    let mut table = Table::default();
    for (operation, name, timeout) in [
        (commit("100"), "start", "100"),
        (commit("200"), "extend", "200"),
        ("<commit/>".to_owned(), "complete", ""),
        ("<commit><confirmed/></commit>".to_owned(), "start", "600"),
        ("<cancel-commit/>".to_owned(), "cancel", ""),
        (commit("1"), "start", "1"),
    ] {
        session.does(&edit("candidate", "", &text(&format!("{name}{timeout}"), "x"))).await;
        session.does(&operation).await;
        table.check(&operation, &plain(&follower.told().await), &event(&by, name, timeout));
    }
    table.check("in time", &plain(&follower.told().await), &event("", "timeout", ""));
    // With its session.
    session.does(&commit("100")).await;
    follower.told().await;
    session.does("<close-session/>").await;
    table.check("with its session", &plain(&follower.told().await), &event(&by, "cancel", ""));
    table.done();
    server.stop().await;
}

#[tokio::test]
async fn rfc6470_section_2_2_what_nobody_asked_for_was_changed_by_the_server() {
    let server = start().await;
    let mut follower = open(&server).await;
    follower.does(&subscription("")).await;
    let mut session = open(&server).await;
    session.does(&edit("candidate", "", &text("d", "x"))).await;
    session.does("<commit><confirmed/><confirm-timeout>1</confirm-timeout></commit>").await;
    let timeout = plain(&follower.told_of("<confirm-event>timeout").await);
    assert!(!timeout.contains("<username>"), "nobody's: {timeout}");
    let change = plain(&follower.told_of("netconf-config-change").await);
    assert!(change.contains("<changed-by><server/></changed-by>"), "{change}");
    assert!(change.contains("data-params[id='d']"), "{change}");
    server.stop().await;
}
