//! Section 7.2: `<edit-config>`.

use crate::netconf::{AGENT, NC, Table, edit, entry, errors, inside, open, start, text};

const ROLLBACK: &str = "<error-option>rollback-on-error</error-option>";
const KIND: &str = "<a:dataType>text</a:dataType>";

fn op(operation: &str) -> String {
    format!(" nc:operation=\"{operation}\"")
}

fn by_default(operation: &str) -> String {
    match operation {
        "" => String::new(),
        operation => format!("<default-operation>{operation}</default-operation>"),
    }
}

fn missing(id: &str) -> String {
    format!("application data-missing path=/data-params[id='{id}']")
}

#[tokio::test]
async fn section_7_2_each_operation_with_each_default_on_what_is_there_and_what_is_not() {
    let server = start().await;
    let mut session = open(&server).await;
    let exists = "application data-exists path=/data-params[id='x']";
    let own = format!("{KIND}<a:data>new</a:data>");
    // The default, the operation of the entry, and then, for an entry that is there and one that is not: the error, or
    // what the datastore has afterwards; "y" is another entry.
    for (default, operation, there, absent) in [
        ("", "", "x=new/- y=y", "x=new/- y=y"),
        ("", "merge", "x=new/- y=y", "x=new/- y=y"),
        ("", "replace", "x=new y=y", "x=new y=y"),
        ("", "create", exists, "x=new y=y"),
        ("", "delete", "y=y", &missing("x")),
        ("", "remove", "y=y", "y=y"),
        ("merge", "", "x=new/- y=y", "x=new/- y=y"),
        ("merge", "replace", "x=new y=y", "x=new y=y"),
        ("none", "", "x=old/- y=y", &missing("x")),
        ("none", "merge", "x=new/- y=y", "x=new/- y=y"),
        ("none", "replace", "x=new y=y", "x=new y=y"),
        ("none", "create", exists, "x=new y=y"),
        ("none", "delete", "y=y", &missing("x")),
        ("none", "remove", "y=y", "y=y"),
        // The whole datastore is replaced: the other entry is gone. Then what has an operation is done to that.
        ("replace", "", "x=new", "x=new"),
        ("replace", "replace", "x=new", "x=new"),
        ("replace", "merge", "x=new", "x=new"),
        ("replace", "create", "x=new", "x=new"),
        ("replace", "remove", "", ""),
        ("replace", "delete", &missing("x"), &missing("x")),
    ] {
        for (is_there, expected) in [(true, there), (false, absent)] {
            for target in ["running", "candidate"] {
                let before = "<a:format>-</a:format><a:data>old</a:data>";
                let x = entry("x", "", &format!("{KIND}{before}"));
                let start = if is_there { x } else { String::new() } + &text("y", "y");
                session.does(&edit(target, &by_default("replace"), &start)).await;
                let attribute = if operation.is_empty() { String::new() } else { op(operation) };
                let asked = edit(target, &(by_default(default) + ROLLBACK), &entry("x", &attribute, &own));
                let reply = session.ask(&asked).await;
                let case = format!("{default} {operation} {is_there} {target}");
                if expected.contains("data-") {
                    assert_eq!(errors(&reply), expected, "{case}");
                    let unchanged = if is_there { "x=old y=y" } else { "y=y" };
                    assert_eq!(session.entries(target).await, unchanged, "{case}");
                    continue;
                }
                assert_eq!(reply, "<ok/>", "{case}");
                assert_eq!(session.entries(target).await, expected.replace("/-", ""), "{case}");
                // Whether what was there beside it is still there.
                let all = session.config(target, "").await;
                let is_kept = is_there && expected.contains("/-");
                assert_eq!(all.contains("<format>"), is_kept, "{case}: {all}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_7_2_the_operations_on_a_leaf() {
    let server = start().await;
    let mut session = open(&server).await;
    for (operation, there, absent) in [
        ("merge", "x=new", "x=new"),
        ("replace", "x=new", "x=new"),
        ("create", "application data-exists path=/data-params[id='x']/data", "x=new"),
        ("delete", "x=", "application data-missing path=/data-params[id='x']/data"),
        ("remove", "x=", "x="),
    ] {
        for default in ["merge", "none"] {
            for (before, expected) in [("<a:data>old</a:data>", there), ("", absent)] {
                let start = entry("x", &op("replace"), &format!("{KIND}{before}"));
                assert_eq!(session.edit("", &start).await, "");
                let leaf = format!("<a:data{}>new</a:data>", op(operation));
                let told = session.edit(&by_default(default), &entry("x", "", &leaf)).await;
                match expected.contains("data-") {
                    true => assert_eq!(told, expected, "{operation} {default} {before}"),
                    false => assert_eq!(
                        (told, session.entries("running").await),
                        (String::new(), expected.to_owned())
                    ),
                }
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_7_2_containers_lists_in_them_and_operations_in_operations() {
    let server = start().await;
    let mut session = open(&server).await;
    let explain = |term: &str, operation: &str, text: &str| {
        let attribute = if operation.is_empty() { String::new() } else { op(operation) };
        format!("<a:term-explains{attribute}><a:term>{term}</a:term>{text}</a:term-explains>")
    };
    let base = |attributes: &str, inside: &str| format!("<a:msg-base{attributes}>{inside}</a:msg-base>");
    let term = |name: &str| format!("<a:explaination>{name}</a:explaination>");
    let ours = format!("<filter><msg-base xmlns=\"{AGENT}\"/></filter>");
    let written = |inside: &str| match inside {
        "" => String::new(),
        _ => format!("<msg-base xmlns=\"{AGENT}\">{}</msg-base>", inside.replace("a:", "")),
    };
    let (a, b, c) =
        (explain("a", "", &term("1")), explain("b", "", &term("2")), explain("c", "", &term("3")));
    for (config, default, expected) in [
        // Of a container without presence, which is there as soon as something is in it.
        (base("", &a), "", Ok(a.clone())),
        (base("", &b), "", Ok(a.clone() + &b)),
        (base(&op("replace"), &b), "", Ok(b.clone())),
        (base(&op("create"), &a), "", Err("application data-exists path=/msg-base")),
        (base(&op("delete"), ""), "none", Ok(String::new())),
        (base(&op("create"), &a), "", Ok(a.clone())),
        (base(&op("remove"), ""), "none", Ok(String::new())),
        (base(&op("remove"), ""), "none", Ok(String::new())),
        (base(&op("delete"), ""), "none", Err("application data-missing path=/msg-base")),
        // What leads to an operation is neither made nor looked for: "delete" does not create the parents.
        (base("", &explain("a", "remove", "")), "none", Ok(String::new())),
        (
            base("", &explain("a", "delete", "")),
            "none",
            Err("application data-missing path=/msg-base/term-explains[term='a']"),
        ),
        (base("", &explain("a", "create", &term("1"))), "none", Ok(a.clone())),
        // Operations in others: each for what it stands at, in any order of the document.
        (
            base(
                "",
                &(explain("c", "create", &term("3"))
                    + &explain("a", "delete", "")
                    + &explain("b", "merge", &term("2"))),
            ),
            "none",
            Ok(b.clone() + &c),
        ),
        (base(&op("replace"), &explain("a", "merge", &term("1"))), "", Ok(a.clone())),
        (base(&op("merge"), &explain("a", "replace", "")), "none", Ok(explain("a", "", ""))),
        (base(&op("replace"), &(explain("b", "create", &term("2")) + &a)), "", Ok(a.clone() + &b)),
        (
            base(&op("replace"), &explain("b", "delete", "")),
            "",
            Err("application data-missing path=/msg-base/term-explains[term='b']"),
        ),
        (
            base("", &format!("{}<a:content{}/>", explain("a", "", &term("9")), op("delete"))),
            "none",
            Err("application data-missing path=/msg-base/content"),
        ),
        (
            base(&op("delete"), &explain("b", "create", &term("2"))),
            "none",
            Err(
                "protocol bad-attribute path=/msg-base/term-explains[term='b'] bad-attribute=operation bad-element=term-explains",
            ),
        ),
    ] {
        let before = session.config("running", &ours).await;
        let told = session.edit(&(by_default(default) + ROLLBACK), &config).await;
        let after = session.config("running", &ours).await;
        match expected {
            Ok(expected) => assert_eq!((told.as_str(), after), ("", written(&expected)), "{config}"),
            Err(error) => assert_eq!((told.as_str(), after), (error, before), "{config}"),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_7_2_the_examples() {
    let server = start().await;
    let mut session = open(&server).await;
    let rpc = |parameters: &str, config: &str| {
        format!(
            "<edit-config>\n<target>\n<running/>\n</target>{parameters}\n<config{config}</config></edit-config>"
        )
    };
    let of = |inside: &str| {
        format!("><data-params xmlns=\"{AGENT}\">\n <id>Ethernet0/0</id>{inside}</data-params>\n")
    };
    session.does(&rpc("", &of("<dataType>text</dataType><data>1500</data>"))).await;
    assert_eq!(session.entries("running").await, "Ethernet0/0=1500");
    let xc = |operation: &str, inside: &str| {
        format!(
            " xmlns:xc=\"{NC}\"><data-params xmlns=\"{AGENT}\" xc:operation=\"{operation}\"><id>Ethernet0/0</id>{inside}</data-params>"
        )
    };
    session.does(&rpc("", &xc("replace", "<dataType>audio</dataType>"))).await;
    assert_eq!(session.entries("running").await, "Ethernet0/0=");
    session.does(&rpc("<default-operation>none</default-operation>", &xc("delete", ""))).await;
    assert_eq!(session.entries("running").await, "");
    server.stop().await;
}

#[tokio::test]
async fn section_7_2_what_is_no_configuration_is_refused_and_nothing_is_changed() {
    let server = start().await;
    let mut session = open(&server).await;
    session.does(&edit("running", "", &text("x", "old"))).await;
    let a = |inside: &str| entry("x", "", inside);
    let mut table = Table::default();
    for (config, expected) in [
        ("<a:data-params/>".to_owned(), "application missing-element path=/data-params bad-element=id"),
        (
            "<a:data-params nc:operation='delete'/>".to_owned(),
            "application missing-element path=/data-params bad-element=id",
        ),
        (
            "<a:data-params><a:id>x</a:id><a:id>x</a:id></a:data-params>".to_owned(),
            "application bad-element path=/data-params[id='x']/id bad-element=id",
        ),
        (
            a("<a:data>1</a:data><a:data>2</a:data>"),
            "application bad-element path=/data-params[id='x']/data bad-element=data",
        ),
        (
            text("x", "1") + &text("x", "2"),
            "application invalid-value path=/data-params[id='x'] bad-element=data-params",
        ),
        (a("<a:nosuch/>"), "application unknown-element path=/data-params[id='x'] bad-element=nosuch"),
        (a("<data>1</data>"), "application unknown-element path=/data-params[id='x'] bad-element=data"),
        (
            a("<o:data xmlns:o='urn:o'>1</o:data>"),
            "application unknown-namespace path=/data-params[id='x'] bad-element=data bad-namespace=urn:o",
        ),
        (
            "<nosuch xmlns='urn:o'/>".to_owned(),
            "application unknown-namespace bad-element=nosuch bad-namespace=urn:o",
        ),
        ("<a:nosuch/>".to_owned(), "application unknown-element bad-element=nosuch"),
        ("<data-params/>".to_owned(), "application unknown-element bad-element=data-params"),
        ("text".to_owned(), "application bad-element bad-element=config"),
        (a("text"), "application bad-element path=/data-params[id='x'] bad-element=data-params"),
        (
            a("<a:data><a:data/></a:data>"),
            "application invalid-value path=/data-params[id='x']/data bad-element=data",
        ),
        (
            a("<a:dataType>nosuch</a:dataType>"),
            "application invalid-value path=/data-params[id='x']/dataType bad-element=dataType",
        ),
        (
            a("<a:dataType/>"),
            "application invalid-value path=/data-params[id='x']/dataType bad-element=dataType",
        ),
        (
            a("<a:chunked>yes</a:chunked>"),
            "application invalid-value path=/data-params[id='x']/chunked bad-element=chunked",
        ),
        // Attributes.
        (
            a("<a:data nosuch='1'>1</a:data>"),
            "application unknown-attribute path=/data-params[id='x']/data bad-attribute=nosuch bad-element=data",
        ),
        (
            a("<a:data operation='merge'>1</a:data>"),
            "application unknown-attribute path=/data-params[id='x']/data bad-attribute=operation bad-element=data",
        ),
        (
            a("<a:data nc:operation='nosuch'>1</a:data>"),
            "protocol bad-attribute path=/data-params[id='x']/data bad-attribute=operation bad-element=data",
        ),
        (
            a("<a:data nc:operation=''>1</a:data>"),
            "protocol bad-attribute path=/data-params[id='x']/data bad-attribute=operation bad-element=data",
        ),
        (
            a("<a:data nc:operation='none'>1</a:data>"),
            "protocol bad-attribute path=/data-params[id='x']/data bad-attribute=operation bad-element=data",
        ),
        (
            a("<a:data nc:nosuch='merge'>1</a:data>"),
            "application unknown-attribute path=/data-params[id='x']/data bad-attribute=nc:nosuch bad-element=data bad-namespace=urn:ietf:params:xml:ns:netconf:base:1.0",
        ),
        // State.
        ("<a:agent><a:name>x</a:name></a:agent>".to_owned(), "protocol operation-not-supported path=/agent"),
        ("<a:agent nc:operation='delete'/>".to_owned(), "protocol operation-not-supported path=/agent"),
        // What the datastore would violate.
        (
            entry("new", "", ""),
            "application data-missing path=/data-params[id='new']/dataType bad-element=dataType",
        ),
        (
            a("<a:dataType nc:operation='delete'/>"),
            "application data-missing path=/data-params[id='x']/dataType bad-element=dataType",
        ),
        (
            "<a:msg-base><a:msg-data>nosuch</a:msg-data></a:msg-base>".to_owned(),
            "application data-missing app-tag=instance-required path=/msg-base/msg-data",
        ),
    ] {
        table.check(&config, &session.edit("", &config).await, expected);
    }
    table.done();
    assert_eq!(session.entries("running").await, "x=old");
    server.stop().await;
}

#[tokio::test]
async fn section_7_2_the_parameters_are_those_of_the_module() {
    let server = start().await;
    let mut session = open(&server).await;
    let config = format!("<config xmlns:a=\"{AGENT}\">{}</config>", text("x", "1"));
    let running = "<target><running/></target>";
    let mut table = Table::default();
    for (inside, expected) in [
        (String::new(), "protocol missing-element bad-element=target"),
        (config.clone(), "protocol missing-element bad-element=target"),
        (format!("<target/>{config}"), "protocol missing-element bad-element=target"),
        (
            format!("<target><running/><candidate/></target>{config}"),
            "application bad-element path=/edit-config/target/candidate bad-element=candidate",
        ),
        (
            format!("<target><startup/></target>{config}"),
            "application unknown-element path=/edit-config/target bad-element=startup",
        ),
        (
            format!("<target><nosuch/></target>{config}"),
            "application unknown-element path=/edit-config/target bad-element=nosuch",
        ),
        (
            format!("<target><running>x</running></target>{config}"),
            "application invalid-value path=/edit-config/target/running bad-element=running",
        ),
        (running.to_owned(), "protocol missing-element bad-element=config"),
        (format!("{running}{config}{config}"), "protocol bad-element bad-element=config"),
        (
            format!("{running}<default-operation>delete</default-operation>{config}"),
            "application invalid-value path=/edit-config/default-operation bad-element=default-operation",
        ),
        (
            format!("{running}<test-option>nosuch</test-option>{config}"),
            "application invalid-value path=/edit-config/test-option bad-element=test-option",
        ),
        (
            format!("{running}<error-option>ignore-error</error-option>{config}"),
            "application invalid-value path=/edit-config/error-option bad-element=error-option",
        ),
        (
            format!("{running}<nosuch/>{config}"),
            "application unknown-element path=/edit-config bad-element=nosuch",
        ),
        (
            format!("{running}{running}{config}"),
            "application bad-element path=/edit-config/target bad-element=target",
        ),
        (
            format!("{running}<config nc:operation='replace' xmlns:nc='{NC}'/>"),
            "protocol unknown-attribute bad-attribute=operation bad-element=config",
        ),
    ] {
        let told = session.fails(&format!("<edit-config>{inside}</edit-config>")).await;
        table.check(&inside, &told, expected);
    }
    table.done();
    assert_eq!(session.entries("running").await, "");
    // An empty configuration changes nothing; in any order, parameters are those of a module.
    session.does(&format!("<edit-config>{running}<config/></edit-config>")).await;
    session
        .does(&format!(
            "<edit-config>{config}<error-option>rollback-on-error</error-option>{running}</edit-config>"
        ))
        .await;
    session
        .does(&format!(
            "<edit-config>{running}<default-operation>replace</default-operation><config/></edit-config>"
        ))
        .await;
    assert_eq!(session.entries("running").await, "");
    server.stop().await;
}

#[tokio::test]
async fn section_7_2_error_option_says_what_becomes_of_the_others() {
    let server = start().await;
    let mut session = open(&server).await;
    let create = |id: &str| entry(id, &op("create"), KIND);
    let delete = |id: &str| entry(id, &op("delete"), "");
    let two = [create("a"), delete("b"), create("c"), delete("d"), create("e")].concat();
    let both = format!("{}; {}", missing("b"), missing("d"));
    for (option, told, left) in [
        ("", missing("b"), "a="),
        ("stop-on-error", missing("b"), "a="),
        ("continue-on-error", both, "a= c= e="),
        ("rollback-on-error", missing("b"), ""),
    ] {
        for target in ["running", "candidate"] {
            let parameter = if option.is_empty() {
                String::new()
            } else {
                format!("<error-option>{option}</error-option>")
            };
            let reply = session.ask(&edit(target, &parameter, &two)).await;
            assert_eq!(errors(&reply), told, "{option} {target}");
            assert_eq!(session.entries(target).await, left, "{option} {target}");
            session.does(&edit(target, "<default-operation>replace</default-operation>", "")).await;
        }
    }
    // What cannot be read is of no use to any of them.
    let unread = text("a", "1") + "<a:nosuch/>";
    assert_eq!(
        session.edit("<error-option>continue-on-error</error-option>", &unread).await,
        "application unknown-element bad-element=nosuch"
    );
    assert_eq!(session.entries("running").await, "");
    server.stop().await;
}

#[tokio::test]
async fn section_7_2_test_option_says_whether_it_is_tested_and_done() {
    let server = start().await;
    let mut session = open(&server).await;
    let option = |option: &str| format!("<test-option>{option}</test-option>");
    let invalid = entry("x", "", "");
    let told = "application data-missing path=/data-params[id='x']/dataType bad-element=dataType";
    for target in ["running", "candidate"] {
        session.does(&edit(target, &option("test-only"), &text("x", "1"))).await;
        assert_eq!(session.entries(target).await, "");
        for tested in ["test-only", "test-then-set"] {
            assert_eq!(
                session.fails(&edit(target, &option(tested), &invalid)).await,
                told,
                "{target} {tested}"
            );
            assert_eq!(session.entries(target).await, "", "{target} {tested}");
        }
        session.does(&edit(target, &option("test-then-set"), &text("y", "1"))).await;
        session.does(&edit(target, &option("set"), &text("z", "1"))).await;
        assert_eq!(session.entries(target).await, "y=1 z=1", "{target}");
        session.does(&edit(target, "<default-operation>replace</default-operation>", "")).await;
    }
    // The running datastore is always valid (RFC 7950 section 8.1); a candidate need not be until its commit.
    assert_eq!(session.edit(&option("set"), &invalid).await, told);
    session.does(&edit("candidate", &option("set"), &invalid)).await;
    assert_eq!(session.fails("<commit/>").await, told);
    assert_eq!(session.fails("<validate><source><candidate/></source></validate>").await, told);
    server.stop().await;
}

#[tokio::test]
async fn rfc7950_section_15_errors_have_their_tags_paths_and_information() {
    let server = start().await;
    let mut session = open(&server).await;
    session.does(&edit("running", "", &text("d", "x"))).await;
    let reply =
        session.ask(&edit("running", "", "<a:msg-base><a:msg-data>nosuch</a:msg-data></a:msg-base>")).await;
    // Section 15.5.
    assert_eq!(errors(&reply), "application data-missing app-tag=instance-required path=/msg-base/msg-data");
    assert!(
        reply.contains(&format!(
            "<error-path xmlns:irtf-agent=\"{AGENT}\">/irtf-agent:msg-base/irtf-agent:msg-data</error-path>"
        )),
        "{reply}"
    );
    // Section 15.6: a missing mandatory choice, with its name in the namespace of YANG.
    const SUBSCRIBED: &str = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications";
    let reply = session.ask(&format!("<establish-subscription xmlns=\"{SUBSCRIBED}\"/>")).await;
    let missing =
        "application data-missing app-tag=missing-choice path=/establish-subscription missing-choice=target";
    assert_eq!(errors(&reply), missing);
    let info = inside(&reply, "error-info").expect("it is there");
    assert_eq!(info, "<missing-choice xmlns=\"urn:ietf:params:xml:ns:yang:1\">target</missing-choice>");
    // What is referred to cannot go while it is referred to.
    session.does(&edit("running", "", "<a:msg-base><a:msg-data>d</a:msg-data></a:msg-base>")).await;
    assert_eq!(
        session.edit("", &entry("d", &op("delete"), "")).await,
        "application data-missing app-tag=instance-required path=/msg-base/msg-data"
    );
    server.stop().await;
}

/// What configures access control: a list of rules that are ordered by the user.
const NACM: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm";

fn rules(attributes: &str, rules: &str) -> String {
    format!(
        "<n:nacm xmlns:n=\"{NACM}\"><n:rule-list{attributes}><n:name>l</n:name>{rules}</n:rule-list></n:nacm>"
    )
}

#[tokio::test]
async fn rfc7950_section_7_8_6_entries_are_modified_in_the_order_of_the_elements() {
    let server = start().await;
    let mut session = open(&server).await;
    let rule = |name: &str, attributes: &str| {
        format!("<n:rule{attributes}><n:name>{name}</n:name><n:action>deny</n:action></n:rule>")
    };
    let last = " xmlns:y=\"urn:ietf:params:xml:ns:yang:1\" y:insert=\"last\"";
    let (create, replace) = (op("create"), op("replace"));
    for (around, first, second, third) in [
        ("", "", "", ""),
        ("", create.as_str(), "", create.as_str()),
        ("", "", create.as_str(), ""),
        ("", "", last, ""),
        (&create, "", &replace, ""),
        (&replace, "", &create, ""),
        (&replace, "", last, ""),
    ] {
        for default in ["merge", "replace"] {
            // One that is replaced stands where it stood, and one that is created was not there.
            session.does(&edit("running", &by_default("none"), &rules(&op("remove"), ""))).await;
            let three = rule("n1", first) + &rule("n2", second) + &rule("n3", third);
            session.does(&edit("running", &by_default(default), &rules(around, &three))).await;
            let get = format!(
                "<get-config><source><running/></source><filter><nacm xmlns=\"{NACM}\"><rule-list/></nacm></filter></get-config>"
            );
            let found = session.ask(&get).await;
            let places = ["n1", "n2", "n3"].map(|name| found.find(&format!("<name>{name}</name>")));
            assert!(
                places.is_sorted() && places[0].is_some(),
                "{default} {around:?} {first:?} {second:?}: {found}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_follows_a_deletion_in_the_document_is_made_after_it() {
    let server = start().await;
    let mut session = open(&server).await;
    session.does(&edit("running", "", &text("w", "old"))).await;
    session.does(&edit("running", "", &(entry("w", &op("delete"), "") + &text("w", "new")))).await;
    let held = session.ask("<get-config><source><running/></source></get-config>").await;
    assert!(held.contains("<data>new</data>"), "{held}");
    // What is created twice is not there twice, and nothing of the edit is done.
    let twice = entry("v", &op("create"), KIND) + &entry("v", &op("create"), KIND);
    assert_eq!(session.edit(ROLLBACK, &twice).await, "application data-exists path=/data-params[id='v']");
    server.stop().await;
}
