//! Section 6: subtree filters. The examples of section 6.4 with `context` in place of `user`: `id` is its name, `sendFrom` its
//! type, `sendTo` its full name and `request-info` its company; `msg-base` with its list is in the place of `users`.

use crate::common::TestServer;
use crate::netconf::{AGENT, NC, Session, data, edit, open, start, text};

const TIME: &str = "2026-11-21T10:00:00Z";

/// What is in an entry beside its key.
fn request_info(content: &str) -> String {
    format!("<request-info><content>{content}</content><time>{TIME}</time></request-info>")
}

fn response_info() -> String {
    format!("<response-info><dataParam>d</dataParam><time>{TIME}</time></response-info>")
}

fn context(id: &str, from: &str, to: &str, content: &str) -> String {
    let (request, response) = (request_info(content), response_info());
    format!(
        "<context xmlns=\"{AGENT}\"><id>{id}</id><sendFrom>{from}</sendFrom><sendTo>{to}</sendTo>{request}{response}</context>"
    )
}

fn root() -> String {
    context("root", "superuser", "Charlie Root", "1")
}

fn fred() -> String {
    context("fred", "admin", "Fred Flintstone", "2")
}

fn barney() -> String {
    context("barney", "admin", "Barney Rubble", "3")
}

const USERS: &str = "<msg-base xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\"><term-explains><term>a</term>\
                     <explaination>first</explaination></term-explains><term-explains><term>b</term>\
                     <explaination>second</explaination></term-explains></msg-base>";

async fn started() -> (TestServer, Session) {
    let server = start().await;
    let mut session = open(&server).await;
    let users = format!("{}{}{}{}{USERS}", text("d", "x"), root(), fred(), barney());
    session.does(&edit("running", "", &users)).await;
    (server, session)
}

/// What a filter selects of the configuration.
async fn selected(session: &mut Session, filter: &str) -> String {
    session.config("running", &format!("<filter type=\"subtree\">{filter}</filter>")).await
}

fn contexts(inside: &[&str]) -> String {
    inside.iter().map(|inside| format!("<context xmlns=\"{AGENT}\">{inside}</context>")).collect()
}

#[tokio::test]
async fn section_6_4_the_examples() {
    let (server, mut session) = started().await;
    // 6.4.1: no filter. All that is configured, and on <get> the state too.
    let all = session.config("running", "").await;
    for part in [root(), fred(), barney(), USERS.to_owned()] {
        assert!(all.contains(&part), "{all}");
    }
    let get = data(&session.ask("<get/>").await);
    assert!(get.contains(&fred()) && get.contains("<netconf-state"), "{get}");
    // 6.4.2: an empty filter, with and without white space.
    for empty in [
        "<filter type=\"subtree\"/>",
        "<filter type=\"subtree\">\n  </filter>",
        "<filter/>",
        "<filter><!-- --></filter>",
    ] {
        assert_eq!(session.config("running", empty).await, "", "{empty}");
        assert_eq!(
            session.ask(&format!("<get>{empty}</get>")).await,
            format!("<data xmlns=\"{NC}\"></data>"),
            "{empty}"
        );
    }
    let msg_base = |inside: &str| format!("<msg-base xmlns=\"{AGENT}\">{inside}</msg-base>");
    let one = |term: &str| format!("<term-explains><term>{term}</term></term-explains>");
    for (filter, expected) in [
        // 6.4.3: a selection node, and its only child.
        (msg_base(""), USERS.to_owned()),
        (msg_base("<term-explains/>"), USERS.to_owned()),
        (contexts(&[""]), barney() + &fred() + &root()),
        // 6.4.4: all names.
        (msg_base("<term-explains><term/></term-explains>"), msg_base(&(one("a") + &one("b")))),
        (contexts(&["<id/>"]), contexts(&["<id>barney</id>", "<id>fred</id>", "<id>root</id>"])),
        // 6.4.5: one entry.
        (contexts(&["<id>fred</id>"]), fred()),
        (contexts(&["<id>nobody</id>"]), String::new()),
        (
            msg_base("<term-explains><term>b</term></term-explains>"),
            msg_base("<term-explains><term>b</term><explaination>second</explaination></term-explains>"),
        ),
        // 6.4.6: nodes of one entry.
        (
            contexts(&["<id>fred</id><sendFrom/><sendTo/>"]),
            contexts(&["<id>fred</id><sendFrom>admin</sendFrom><sendTo>Fred Flintstone</sendTo>"]),
        ),
        // 6.4.7: several subtrees.
        (
            contexts(&[
                "<id>root</id><request-info/>",
                "<id>fred</id><request-info><content/></request-info>",
                "<id>barney</id><sendFrom>superuser</sendFrom><request-info><time/></request-info>",
            ]),
            contexts(&[
                "<id>fred</id><request-info><content>2</content></request-info>",
                &format!("<id>root</id>{}", request_info("1")),
            ]),
        ),
        // 6.4.8: no node of a datastore has an attribute.
        (format!("<t:context xmlns:t=\"{AGENT}\" t:id=\"fred\"/>"), String::new()),
        (format!("<t:context xmlns:t=\"{AGENT}\" id=\"fred\"/>"), String::new()),
    ] {
        assert_eq!(selected(&mut session, &filter).await, expected, "{filter}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_6_2_1_an_element_without_a_namespace_is_of_any_and_prefixes_say_nothing() {
    let (server, mut session) = started().await;
    for (filter, expected) in [
        ("<context xmlns=\"\"><id>fred</id></context>".to_owned(), fred()),
        // Of any namespace at each level.
        (format!("<context xmlns=\"{AGENT}\"><id xmlns=\"\">fred</id></context>"), fred()),
        (format!("<context xmlns=\"\"><id xmlns=\"{AGENT}\">fred</id></context>"), fred()),
        (format!("<x:context xmlns:x=\"{AGENT}\"><x:id>fred</x:id></x:context>"), fred()),
        // The namespace of the protocol, of another module, and of none.
        ("<context><id>fred</id></context>".to_owned(), String::new()),
        ("<context xmlns=\"urn:nosuch\"><id>fred</id></context>".to_owned(), String::new()),
        (format!("<context xmlns=\"{AGENT}\"><id xmlns=\"urn:nosuch\">fred</id></context>"), String::new()),
        (contexts(&["<nosuch/>"]), String::new()),
        (contexts(&["<id>fred</id><nosuch>x</nosuch>"]), String::new()),
        (format!("<nosuch xmlns=\"{AGENT}\"/>"), String::new()),
    ] {
        assert_eq!(selected(&mut session, &filter).await, expected, "{filter}");
    }
    // Two modules have a container with this name in the tree of <get>.
    let both = data(&session.ask("<get><filter><netconf xmlns=\"\"/></filter></get>").await);
    assert!(both.is_empty() || both.contains("<netconf"), "{both}");
    server.stop().await;
}

#[tokio::test]
async fn section_6_2_2_an_attribute_that_no_node_has_selects_nothing_anywhere() {
    let (server, mut session) = started().await;
    for filter in [
        contexts(&["<id>fred</id>"]).replace("<id>", "<id x='1'>"),
        contexts(&["<id>fred</id>"]).replace("<id>", "<id xmlns:x='urn:x' x:y='1'>"),
        contexts(&["<sendTo a='b'/>"]),
        contexts(&["<request-info a='b'><content/></request-info>"]),
    ] {
        assert_eq!(selected(&mut session, &filter).await, "", "{filter}");
    }
    // What is said of the filter itself is no expression.
    let filter = format!(
        "<filter type=\"subtree\" select=\"/x\" xmlns:x=\"urn:x\" x:own=\"1\">{}</filter>",
        contexts(&["<id>fred</id>"])
    );
    assert_eq!(session.config("running", &filter).await, fred());
    server.stop().await;
}

#[tokio::test]
async fn section_6_2_5_of_a_leaf_list_the_values_that_match_are_included() {
    let (server, mut session) = started().await;
    let nacm = |inside: &str| {
        format!(
            "<nacm xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-acm\"><rule-list><name>l</name>{inside}</rule-list></nacm>"
        )
    };
    let all = "<group>c</group><group>a</group><group>b</group>";
    session.does(&edit("running", "", &nacm(all))).await;
    for (filter, expected) in [
        ("<group>a</group><rule/>", "<group>a</group>"),
        ("<group>b</group><group>a</group>", all),
        ("<group>b</group><group>a</group><rule/>", "<group>a</group><group>b</group>"),
        ("<group>a</group><group/>", all),
    ] {
        let kept = selected(&mut session, &nacm(filter)).await;
        let groups = |xml: &str| {
            let mut found: Vec<String> =
                xml.split("<group>").skip(1).map(|part| part[..1].to_owned()).collect();
            found.sort();
            found
        };
        assert_eq!(groups(&kept), groups(expected), "{filter}: {kept}");
    }
    assert_eq!(selected(&mut session, &nacm("<group>x</group><rule/>")).await, "");
    server.stop().await;
}

#[tokio::test]
async fn section_6_2_5_content_matches_are_all_true_or_nothing_is_selected() {
    let (server, mut session) = started().await;
    let id = |id: &str| format!("<id>{id}</id>");
    for (filter, expected) in [
        // Of what is no key, also.
        (contexts(&["<sendFrom>admin</sendFrom>"]), barney() + &fred()),
        (contexts(&["<sendFrom>admin</sendFrom><sendTo>Fred Flintstone</sendTo>"]), fred()),
        (contexts(&["<sendFrom>superuser</sendFrom><sendTo>Fred Flintstone</sendTo>"]), String::new()),
        (contexts(&["<id>fred</id><id>barney</id>"]), String::new()),
        // White space around a value is ignored, that in it is not.
        (contexts(&["<sendTo>\n  Fred Flintstone\t</sendTo>"]), fred()),
        (contexts(&["<sendTo>Fred  Flintstone</sendTo>"]), String::new()),
        (contexts(&["<sendTo>fred flintstone</sendTo>"]), String::new()),
        (contexts(&["<sendTo><![CDATA[Fred]]> Flint&#115;tone</sendTo>"]), fred()),
        // A content match comes with what is selected beside it.
        (
            contexts(&["<sendFrom>admin</sendFrom><sendTo/>"]),
            contexts(&[
                "<id>barney</id><sendFrom>admin</sendFrom><sendTo>Barney Rubble</sendTo>",
                "<id>fred</id><sendFrom>admin</sendFrom><sendTo>Fred Flintstone</sendTo>",
            ]),
        ),
        // With a container in which something matches, and one in which nothing does.
        (
            contexts(&["<id>fred</id><request-info><content>2</content></request-info>"]),
            contexts(&[&(id("fred") + &request_info("2"))]),
        ),
        (
            contexts(&["<id>fred</id><request-info><content>9</content></request-info>"]),
            contexts(&[&id("fred")]),
        ),
        (contexts(&["<request-info><content>9</content></request-info>"]), String::new()),
        (
            contexts(&["<request-info><content>2</content></request-info>"]),
            contexts(&[&(id("fred") + &request_info("2"))]),
        ),
        // An empty element, in either form, is a selection.
        (
            contexts(&["<id>fred</id><sendTo></sendTo>"]),
            contexts(&["<id>fred</id><sendTo>Fred Flintstone</sendTo>"]),
        ),
        (
            contexts(&["<id>fred</id><sendTo> \n </sendTo>"]),
            contexts(&["<id>fred</id><sendTo>Fred Flintstone</sendTo>"]),
        ),
    ] {
        assert_eq!(selected(&mut session, &filter).await, expected, "{filter}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_6_1_what_several_subtrees_select_is_there_once() {
    let (server, mut session) = started().await;
    for (filter, expected) in [
        (contexts(&["<id>fred</id>", "<id>fred</id>"]), fred()),
        (contexts(&["", "<id>fred</id>"]), barney() + &fred() + &root()),
        (contexts(&["<id>fred</id><sendTo/>", "<id>fred</id>"]), fred()),
        (
            contexts(&["<id>fred</id><sendTo/>", "<id>fred</id><sendFrom/>"]),
            contexts(&["<id>fred</id><sendFrom>admin</sendFrom><sendTo>Fred Flintstone</sendTo>"]),
        ),
        (contexts(&["<id>fred</id>"]) + &format!("<msg-base xmlns=\"{AGENT}\"/>"), fred() + USERS),
        (
            contexts(&["<request-info/><request-info><content/></request-info>"]),
            contexts(&[
                &format!("<id>barney</id>{}", request_info("3")),
                &format!("<id>fred</id>{}", request_info("2")),
                &format!("<id>root</id>{}", request_info("1")),
            ]),
        ),
    ] {
        assert_eq!(selected(&mut session, &filter).await, expected, "{filter}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_6_leaf_lists_and_values_of_every_lexical_form_are_matched() {
    let (server, mut session) = started().await;
    let library = "urn:ietf:params:xml:ns:yang:ietf-yang-library";
    let module = |inside: &str| {
        format!(
            "<get><filter><yang-library xmlns=\"{library}\"><module-set><module>{inside}</module></module-set></yang-library></filter></get>"
        )
    };
    let reply = session.ask(&module("<name>ietf-netconf</name><feature/>")).await;
    assert!(
        reply.contains("<name>ietf-netconf</name><feature>") && !reply.contains("<namespace>"),
        "{reply}"
    );
    assert!(reply.matches("<feature>").count() > 3, "{reply}");
    // One of several values is enough, and all that stands beside it is selected.
    let reply = session.ask(&module("<feature>candidate</feature>")).await;
    assert!(reply.contains("<name>ietf-netconf</name>") && reply.matches("<module>").count() == 1, "{reply}");
    assert_eq!(
        session.ask(&module("<feature>nosuch</feature>")).await,
        format!("<data xmlns=\"{NC}\"></data>")
    );
    // An identity, with any prefix for its module.
    let monitoring = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring";
    let sessions = |transport: &str| {
        format!(
            "<get><filter><netconf-state xmlns=\"{monitoring}\"><sessions><session>{transport}</session></sessions></netconf-state></filter></get>"
        )
    };
    for (transport, found) in [
        (format!("<transport xmlns:p=\"{monitoring}\">p:netconf-tls</transport>"), true),
        ("<transport>netconf-tls</transport>".to_owned(), true),
        (format!("<transport xmlns:p=\"{monitoring}\">p:netconf-ssh</transport>"), false),
        (format!("<session-id>{}</session-id>", session.id), true),
        (format!("<session-id>0{}</session-id>", session.id), true),
        (format!("<session-id>{}</session-id>", session.id + 1), false),
    ] {
        let reply = session.ask(&sessions(&transport)).await;
        assert_eq!(reply.contains("<username>admin</username>"), found, "{transport}: {reply}");
    }
    server.stop().await;
}
