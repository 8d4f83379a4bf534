//! RFC 8526, clause by clause: the operations on datastores by their names.

use crate::netconf::{AGENT, NC, Session, Table, edit, entry, errors, open, start, text};

const NMDA: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda";
const DS: &str = "xmlns:ds=\"urn:ietf:params:xml:ns:yang:ietf-datastores\"";
const OR: &str = "xmlns:or=\"urn:ietf:params:xml:ns:yang:ietf-origin\"";

fn get_data(datastore: &str, more: &str) -> String {
    format!(
        "<get-data xmlns=\"{NMDA}\" {DS} {OR} xmlns:p=\"{AGENT}\"><datastore>ds:{datastore}</datastore>{more}</get-data>"
    )
}

fn edit_data(datastore: &str, more: &str, config: &str) -> String {
    format!(
        "<edit-data xmlns=\"{NMDA}\" {DS}><datastore>ds:{datastore}</datastore>{more}<config xmlns:a=\"{AGENT}\" xmlns:nc=\"{NC}\">{config}</config></edit-data>"
    )
}

const ENTRIES: &str = "<subtree-filter><p:data-params/></subtree-filter>";

/// What `<get-data>` gives, or its errors.
async fn got(session: &mut Session, operation: &str) -> String {
    let reply = session.ask(operation).await;
    if reply.starts_with("<rpc-error>") {
        return errors(&reply);
    }
    let content =
        reply.strip_prefix(&format!("<data xmlns=\"{NMDA}\">")).and_then(|rest| rest.strip_suffix("</data>"));
    content.unwrap_or(&reply).replace(&format!(" xmlns=\"{AGENT}\""), "")
}

#[tokio::test]
async fn section_2_the_library_is_in_the_hello() {
    let server = start().await;
    let mut session = open(&server).await;
    let (_, rest) = session
        .hello
        .split_once("urn:ietf:params:netconf:capability:yang-library:1.1?")
        .expect("it is there");
    let parameters = rest.split('<').next().unwrap_or_default().to_owned();
    let (revision, content_id) = parameters.split_once("&amp;content-id=").expect("both are there");
    assert_eq!(revision, "revision=2019-01-04");
    let library = session.ask("<get><filter><yang-library xmlns='urn:ietf:params:xml:ns:yang:ietf-yang-library'><content-id/></yang-library></filter></get>").await;
    assert!(library.contains(&format!("<content-id>{content_id}</content-id>")), "{library}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_get_data_of_each_datastore_with_each_of_its_parameters() {
    let server = start().await;
    let mut session = open(&server).await;
    session.does(&edit("running", "", &text("d", "x"))).await;
    session.does(&edit("candidate", "", &text("c", "y"))).await;
    let full = |id: &str, data: &str| {
        format!("<data-params><id>{id}</id><dataType>text</dataType><data>{data}</data></data-params>")
    };
    let d = full("d", "x");
    let origin = |what: &str| {
        format!(
            "<data-params {OR} or:origin=\"or:{what}\"><id>d</id><dataType>text</dataType><data>x</data></data-params>"
        )
    };
    let mut table = Table::default();
    let xpath = |select: &str| format!("<xpath-filter>{select}</xpath-filter>");
    for (datastore, more, expected) in [
        ("running", ENTRIES.to_owned(), d.clone()),
        ("intended", ENTRIES.to_owned(), d.clone()),
        ("operational", ENTRIES.to_owned(), d.clone()),
        ("candidate", ENTRIES.to_owned(), full("c", "y") + &d),
        (
            "running",
            xpath("/p:data-params[p:id='d']/p:data"),
            "<data-params><id>d</id><data>x</data></data-params>".to_owned(),
        ),
        ("running", xpath("/p:data-params[p:id='nosuch']"), String::new()),
        ("running", xpath("1 + 1"), "protocol invalid-value".to_owned()),
        ("running", xpath("/p:data-params["), "protocol invalid-value".to_owned()),
        (
            "running",
            format!("{ENTRIES}{}", xpath("/p:data-params")),
            "application bad-element path=/get-data/xpath-filter bad-element=xpath-filter".to_owned(),
        ),
        ("running", "<subtree-filter/>".to_owned(), String::new()),
        // Configuration, state, or both.
        ("operational", format!("{ENTRIES}<config-filter>true</config-filter>"), d.clone()),
        ("operational", format!("{ENTRIES}<config-filter>false</config-filter>"), String::new()),
        (
            "running",
            format!("{ENTRIES}<config-filter>maybe</config-filter>"),
            "application invalid-value path=/get-data/config-filter bad-element=config-filter".to_owned(),
        ),
        // Levels of what is there.
        (
            "running",
            format!("{ENTRIES}<max-depth>1</max-depth>"),
            "<data-params><id>d</id></data-params>".to_owned(),
        ),
        ("running", format!("{ENTRIES}<max-depth>2</max-depth>"), d.clone()),
        ("running", format!("{ENTRIES}<max-depth>unbounded</max-depth>"), d.clone()),
        (
            "running",
            format!("{ENTRIES}<max-depth>0</max-depth>"),
            "application invalid-value path=/get-data/max-depth bad-element=max-depth".to_owned(),
        ),
        // Origins are of the operational state datastore.
        ("operational", format!("{ENTRIES}<with-origin/>"), origin("intended")),
        (
            "running",
            format!("{ENTRIES}<with-origin/>"),
            "protocol unknown-element path=/get-data/with-origin bad-element=with-origin".to_owned(),
        ),
        // Datastores that the server has not.
        ("conventional", ENTRIES.to_owned(), "protocol invalid-value bad-element=datastore".to_owned()),
        ("dynamic", ENTRIES.to_owned(), "protocol invalid-value bad-element=datastore".to_owned()),
        (
            "nosuch",
            ENTRIES.to_owned(),
            "application invalid-value path=/get-data/datastore bad-element=datastore".to_owned(),
        ),
        (
            "running",
            "<nosuch/>".to_owned(),
            "application unknown-element path=/get-data bad-element=nosuch".to_owned(),
        ),
    ] {
        let operation = get_data(datastore, &more);
        table.check(&operation, &got(&mut session, &operation).await, &expected);
    }
    let without = format!("<get-data xmlns=\"{NMDA}\"/>");
    table.check(
        &without,
        &got(&mut session, &without).await,
        "protocol missing-element bad-element=datastore",
    );
    table.done();
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_edit_data_is_all_or_nothing_on_a_datastore_by_its_name() {
    let server = start().await;
    let mut session = open(&server).await;
    let create = |id: &str| entry(id, " nc:operation='create'", "<a:dataType>text</a:dataType>");
    let mut table = Table::default();
    for (datastore, more, config, expected) in [
        ("running", "", create("a"), "<ok/>"),
        ("running", "", create("a"), "application data-exists path=/data-params[id='a']"),
        ("running", "", create("b") + &create("a"), "application data-exists path=/data-params[id='a']"),
        (
            "running",
            "<default-operation>none</default-operation>",
            entry("x", "", ""),
            "application data-missing path=/data-params[id='x']",
        ),
        ("running", "<default-operation>replace</default-operation>", text("r", "1"), "<ok/>"),
        ("candidate", "", create("c"), "<ok/>"),
        (
            "nosuch",
            "",
            create("o"),
            "application invalid-value path=/edit-data/datastore bad-element=datastore",
        ),
        (
            "running",
            "<error-option>continue-on-error</error-option>",
            create("o"),
            "application unknown-element path=/edit-data bad-element=error-option",
        ),
    ] {
        let operation = edit_data(datastore, more, &config);
        table.check(&operation, &session.fails(&operation).await, expected);
    }
    table.check("running", &session.entries("running").await, "r=1");
    table.check("candidate", &session.entries("candidate").await, "c= r=1");
    table.done();
    server.stop().await;
}
#[tokio::test]
async fn section_3_3_datastores_are_locked_and_validated_by_their_names() {
    let server = start().await;
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    let target =
        |name: &str| format!("<target><datastore xmlns=\"{NMDA}\" {DS}>ds:{name}</datastore></target>");
    let source = |name: &str| target(name).replace("target>", "source>");
    one.does(&format!("<lock>{}</lock>", target("running"))).await;
    let holder = format!("protocol lock-denied session-id={}", one.id);
    let mut table = Table::default();
    for (operation, expected) in [
        (format!("<lock>{}</lock>", target("running")), holder.as_str()),
        ("<lock><target><running/></target></lock>".to_owned(), &holder),
        (format!("<lock>{}</lock>", target("operational")), "protocol invalid-value bad-element=datastore"),
        (format!("<lock>{}</lock>", target("intended")), "protocol invalid-value bad-element=datastore"),
        (format!("<lock>{}</lock>", target("startup")), "protocol invalid-value bad-element=datastore"),
        (
            format!("<unlock>{}</unlock>", target("operational")),
            "protocol invalid-value bad-element=datastore",
        ),
        (format!("<validate>{}</validate>", source("running")), "<ok/>"),
        (format!("<validate>{}</validate>", source("candidate")), "<ok/>"),
        (
            format!("<validate>{}</validate>", source("operational")),
            "protocol invalid-value bad-element=datastore",
        ),
        (
            format!("<validate>{}</validate>", source("startup")),
            "protocol invalid-value bad-element=datastore",
        ),
    ] {
        table.check(&operation, &two.fails(&operation).await, expected);
    }
    table.done();
    one.does(&format!("<unlock>{}</unlock>", target("running"))).await;
    two.does("<lock><target><running/></target></lock>").await;
    server.stop().await;
}
