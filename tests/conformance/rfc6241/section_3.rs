//! Sections 3 and 4: messages as XML, `<rpc>`, `<rpc-reply>`, `<rpc-error>` and `<ok>`, one after the other.

use crate::netconf::{
    AGENT, NC, connect, connects_without_certificate, edit, errors, hello, inside, open, open_as, start, text,
};

#[tokio::test]
async fn section_2_2_without_authentication_there_is_no_session() {
    let server = start().await;
    assert!(!connects_without_certificate(&server).await);
    open(&server).await.does("<close-session/>").await;
    server.stop().await;
}

#[tokio::test]
async fn section_3_what_is_not_well_formed_is_malformed_and_ends_the_session() {
    let server = start().await;
    let rpc = format!(
        "<rpc xmlns=\"{NC}\" message-id=\"1\"><get-config><source><running/></source></get-config></rpc>"
    );
    for wrong in [
        "<rpc".to_owned(),
        "not XML".to_owned(),
        rpc.replace("</rpc>", ""),
        rpc.replace("<running/>", "<running>"),
        rpc.replace("message-id=\"1\"", "message-id=\"1\" message-id=\"2\""),
        rpc.replace("message-id=\"1\"", "message-id=1"),
        rpc.replace("<running/>", "<x:running/>"),
        rpc.replace("<running/>", "&nosuch;"),
        rpc.replace("<running/>", "\u{1}"),
        format!("{rpc}{rpc}"),
        // Section 3.2.
        format!("<!DOCTYPE rpc>{rpc}"),
        format!("<!DOCTYPE rpc [<!ENTITY e 'x'>]>{rpc}"),
        format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{rpc}"),
        // A message that no client sends.
        rpc.replace("rpc", "rpc-reply"),
        rpc.replace(NC, "urn:ietf:params:xml:ns:netconf:base:1.1"),
    ] {
        let mut session = open(&server).await;
        let reply = session.exchange(&wrong).await;
        assert_eq!(
            errors(inside(&reply, "rpc-reply").expect("a reply").as_str()),
            "rpc malformed-message",
            "{wrong}"
        );
        session.ends().await;
        // Appendix A: a client of base:1.0 does not know this error.
        let mut session = open_as(&server, "admin", "1.0").await;
        session.send(&wrong).await;
        session.ends().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_what_is_not_utf_8_is_malformed() {
    let server = start().await;
    let mut session = open(&server).await;
    let mut message = format!("<rpc xmlns=\"{NC}\" message-id=\"").into_bytes();
    message.extend_from_slice(b"\xff\"><get/></rpc>");
    let start = format!("\n#{}\n", message.len());
    session.octets(&[start.as_bytes(), &message, b"\n##\n"].concat()).await;
    let reply = session.reply().await;
    assert!(reply.contains("<error-tag>malformed-message</error-tag>"), "{reply}");
    session.ends().await;
    server.stop().await;
}

#[tokio::test]
async fn section_3_a_declaration_comments_and_instructions_change_nothing() {
    let server = start().await;
    let mut session = open(&server).await;
    let get = "<get-config><source><running/></source></get-config>";
    let plain = format!("<rpc xmlns=\"{NC}\" message-id=\"1\">{get}</rpc>");
    let expected = session.exchange(&plain).await;
    for same in [
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{plain}"),
        format!("<?xml version='1.0' encoding='utf-8' standalone='yes'?>\r\n{plain}\n"),
        format!("<!-- a -->{}<!-- b -->", plain.replace("<running/>", "<!-- ]]> --><running/><?own x?>")),
        plain.replace("<running/>", "\n <running></running>\t"),
        plain.replace("xmlns=", "\n xmlns ="),
    ] {
        assert_eq!(session.exchange(&same).await, expected, "{same}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_only_the_namespace_counts_and_no_prefix() {
    let server = start().await;
    let mut session = open(&server).await;
    let edit = edit("running", "", &text("d", "x"));
    session.does(&edit).await;
    let filtered = |filter: &str| {
        format!("<get-config><source><running/></source><filter>{filter}</filter></get-config>")
    };
    let expected = session.ask(&filtered(&format!("<data-params xmlns=\"{AGENT}\"/>"))).await;
    assert!(expected.contains("<data>x</data>"), "{expected}");
    for same in [
        filtered(&format!("<a:data-params xmlns:a=\"{AGENT}\"/>")),
        // Declared further out, and again with another meaning further in.
        filtered(&format!("<x:data-params xmlns:x=\"{AGENT}\"/>"))
            .replace("<filter>", "<filter xmlns:x=\"urn:other\">"),
        filtered("<x:data-params/>").replace("<get-config>", &format!("<get-config xmlns:x=\"{AGENT}\">")),
        filtered(&format!("<data-params xmlns=\"{AGENT}\"/>"))
            .replace("get-config", "n:get-config")
            .replace("<source><running/></source>", "<n:source><n:running/></n:source>")
            .replace("filter>", "n:filter>")
            .replacen("<n:get-config", &format!("<n:get-config xmlns:n=\"{NC}\""), 1),
        // The prefix that others give the protocol is that of the data here.
        filtered("<nc:data-params/>").replace("<filter>", &format!("<filter xmlns:nc=\"{AGENT}\">")),
    ] {
        assert_eq!(session.ask(&same).await, expected, "{same}");
    }
    // No namespace at all is none of ours.
    let none = session.fails(&filtered("").replacen("<get-config", "<get-config xmlns=\"\"", 1)).await;
    assert_eq!(none, "protocol unknown-namespace bad-element=get-config bad-namespace=");
    let reply = session.exchange(&format!("<rpc message-id=\"1\" xmlns:n=\"{NC}\"><get/></rpc>")).await;
    assert!(reply.contains("malformed-message"), "{reply}");
    server.stop().await;
}

#[tokio::test]
async fn section_4_1_a_message_id_is_any_string_and_comes_back_unmodified() {
    let server = start().await;
    let mut session = open(&server).await;
    let long = "x".repeat(4096);
    for (sent, back) in [
        ("101", "101"),
        ("", ""),
        ("-1", "-1"),
        (" a  b ", " a  b "),
        ("&lt;&amp;&quot;&gt;'", "&lt;&amp;&quot;&gt;'"),
        ("&#10;&#13;&#9;", "&#10;&#13;&#9;"),
        // Attribute value normalization (XML section 3.3.3) makes these spaces.
        ("a\nb\tc", "a b c"),
        ("ü \u{1F980}", "ü \u{1F980}"),
        ("]]&gt;]]&gt;", "]]&gt;]]&gt;"),
        (&long, &long),
    ] {
        let rpc = format!(
            "<rpc xmlns=\"{NC}\" message-id=\"{sent}\"><validate><source><running/></source></validate></rpc>"
        );
        let reply = session.exchange(&rpc).await;
        let expected = format!("<rpc-reply xmlns=\"{NC}\" message-id=\"{back}\"><ok/></rpc-reply>");
        assert_eq!(reply.replace("&apos;", "'"), expected);
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_2_all_attributes_of_a_request_come_back_with_the_namespaces_it_declares() {
    let server = start().await;
    let mut session = open(&server).await;
    for (attributes, back) in [
        // The example of the RFC.
        (
            "xmlns:ex=\"http://example.net/content/1.0\" ex:user-id=\"fred\"",
            "xmlns:ex=\"http://example.net/content/1.0\" ex:user-id=\"fred\"",
        ),
        ("user-id=\"fred\"", "user-id=\"fred\""),
        ("message-number='2' xml:lang='de'", "message-number=\"2\" xml:lang=\"de\""),
        // One that no attribute uses is an attribute of the request all the same.
        ("xmlns:ex=\"http://example.net/content/1.0\"", "xmlns:ex=\"http://example.net/content/1.0\""),
        (
            "xmlns:b='urn:b' xmlns:a='urn:a' a:x='1' b:x='2'",
            "xmlns:b=\"urn:b\" xmlns:a=\"urn:a\" a:x=\"1\" b:x=\"2\"",
        ),
    ] {
        for (operation, content) in [
            ("<validate><source><running/></source></validate>", "<ok/></rpc-reply>"),
            ("<nosuch/>", "<rpc-error>"),
            ("<get-config><source><running/></source></get-config>", "<data"),
        ] {
            let reply = session
                .exchange(&format!("<rpc xmlns=\"{NC}\" message-id=\"7\" {attributes}>{operation}</rpc>"))
                .await;
            let (start, rest) = reply.split_once('>').expect("an element");
            let (mut got, mut expected): (Vec<_>, Vec<_>) = (
                start.split(' ').skip(1).collect(),
                format!("xmlns=\"{NC}\" message-id=\"7\" {back}").split(' ').map(str::to_owned).collect(),
            );
            got.sort_unstable();
            expected.sort_unstable();
            assert_eq!(got, expected, "{reply}");
            assert!(rest.starts_with(content), "{reply}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_3_a_request_without_a_message_id_has_an_answer_without_one() {
    let server = start().await;
    let mut session = open(&server).await;
    let get = "<get-config><source><running/></source></get-config>";
    let reply = session.exchange(&format!("<rpc xmlns=\"{NC}\">{get}</rpc>")).await;
    let told = reply
        .strip_prefix(&format!("<rpc-reply xmlns=\"{NC}\">"))
        .and_then(|rest| rest.strip_suffix("</rpc-reply>"));
    let missing = "rpc missing-attribute bad-attribute=message-id bad-element=rpc";
    assert_eq!(errors(told.expect("no message-id")), missing);
    // One of another namespace is not it, and comes back.
    for attribute in
        [format!("xmlns:n=\"{NC}\" n:message-id=\"1\""), "xmlns:o=\"urn:o\" o:message-id=\"1\"".to_owned()]
    {
        let reply = session.exchange(&format!("<rpc xmlns=\"{NC}\" {attribute}>{get}</rpc>")).await;
        assert!(reply.starts_with(&format!("<rpc-reply xmlns=\"{NC}\" {attribute}>")), "{reply}");
        assert_eq!(errors(&inside(&reply, "rpc-reply").expect("a reply")), missing);
    }
    // The session goes on.
    session.does("<validate><source><running/></source></validate>").await;
    server.stop().await;
}

#[tokio::test]
async fn section_4_1_an_rpc_has_one_operation() {
    let server = start().await;
    let mut session = open(&server).await;
    for (content, expected) in [
        ("", "rpc missing-element bad-element=rpc"),
        ("<get/><get/>", "rpc bad-element bad-element=rpc"),
        ("text", "rpc missing-element bad-element=rpc"),
        // The examples of the RFC, which no module here has.
        (
            "<my-own-method xmlns=\"http://example.net/me/my-own/1.0\"><my-first-parameter>14</my-first-parameter></my-own-method>",
            "protocol unknown-namespace bad-element=my-own-method bad-namespace=http://example.net/me/my-own/1.0",
        ),
        ("<rock-the-house/>", "protocol operation-not-supported bad-element=rock-the-house"),
        ("<GET/>", "protocol operation-not-supported bad-element=GET"),
        // Data is no operation.
        (
            "<data-params xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\"/>",
            "protocol operation-not-supported bad-element=data-params",
        ),
        ("<get><nosuch/></get>", "application unknown-element path=/get bad-element=nosuch"),
        ("<get>text</get>", "application bad-element path=/get bad-element=get"),
        ("<get nosuch='1'/>", "application unknown-attribute path=/get bad-attribute=nosuch bad-element=get"),
    ] {
        assert_eq!(session.fails(content).await, expected, "{content}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_3_several_errors_are_told_each_with_its_node() {
    let server = start().await;
    let mut session = open(&server).await;
    let wrong = "<a:data-params><a:id>a</a:id><a:dataType>nosuch</a:dataType></a:data-params>\
                 <a:data-params><a:id>b</a:id><a:dataType>text</a:dataType><a:chunked>maybe</a:chunked></a:data-params>";
    let reply = session.ask(&edit("running", "", wrong)).await;
    assert_eq!(
        errors(&reply),
        "application invalid-value path=/data-params[id='a']/dataType bad-element=dataType; \
         application invalid-value path=/data-params[id='b']/chunked bad-element=chunked"
    );
    // Prefixes of a path are declared where it stands, and the language of a message is told.
    assert!(
        reply.contains(&format!(
            "<error-path xmlns:irtf-agent=\"{AGENT}\">/irtf-agent:data-params[irtf-agent:id='a']"
        )),
        "{reply}"
    );
    assert!(reply.contains("<error-message xml:lang=\"en\">"), "{reply}");
    assert_eq!(session.entries("running").await, "");
    server.stop().await;
}

#[tokio::test]
async fn section_4_5_replies_come_in_the_order_of_the_requests() {
    let server = start().await;
    let mut session = open(&server).await;
    let rpc =
        |id: usize, operation: &str| format!("<rpc xmlns=\"{NC}\" message-id=\"{id}\">{operation}</rpc>");
    for id in 0..20 {
        let operation = match id % 4 {
            0 => edit("running", "", &text("d", &id.to_string())),
            1 => "<get-config><source><running/></source></get-config>".to_owned(),
            2 => "<nosuch/>".to_owned(),
            _ => "<get/>".to_owned(),
        };
        session.send(&rpc(id, &operation)).await;
    }
    for id in 0..20 {
        let reply = session.reply().await;
        assert!(reply.contains(&format!("message-id=\"{id}\"")), "{id}: {reply}");
        if id % 4 == 1 {
            // Each sees what those before it have done.
            assert!(reply.contains(&format!("<data>{}</data>", id - 1)), "{reply}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_8_1_both_say_hello_at_once_and_the_newest_version_in_common_is_spoken() {
    let server = start().await;
    let mut session = connect(&server, "admin").await;
    session.begin().await;
    let first = session.id;
    assert!(
        session.hello.contains(&format!("<hello xmlns=\"{NC}\"><capabilities><capability>")),
        "{}",
        session.hello
    );
    for capability in ["base:1.0", "base:1.1", "capability:candidate:1.0"] {
        assert!(
            session.hello.contains(&format!("<capability>urn:ietf:params:netconf:{capability}</capability>")),
            "{capability}"
        );
    }
    let other = open(&server).await;
    assert_ne!(other.id, first);
    assert_ne!((first, other.id), (0, 0));
    let base = ["urn:ietf:params:netconf:base:1.1"];
    for wrong in [
        hello(&base).replace("</capabilities>", "</capabilities><session-id>4</session-id>"),
        hello(&["urn:ietf:params:netconf:base:2.0"]),
        hello(&[]),
        hello(&base).replace(NC, "urn:other"),
        format!("<rpc xmlns=\"{NC}\" message-id=\"1\"><get/></rpc>"),
        "<hello".to_owned(),
    ] {
        let mut session = connect(&server, "admin").await;
        session.begin().await;
        session.send(&wrong).await;
        session.ends().await;
    }
    server.stop().await;
}
