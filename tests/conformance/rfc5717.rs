//! RFC 5717 and RFC 6242 section 4, clause by clause: locks of parts of the running datastore, and how messages are framed.

use crate::netconf::{
    AGENT, END, NC, Table, connect, edit, entry, errors, hello, inside, open, open_as, start, text,
};

fn lock(selects: &[&str]) -> String {
    let each: String =
        selects.iter().map(|select| format!("<select xmlns:p=\"{AGENT}\">{select}</select>")).collect();
    format!("<partial-lock xmlns=\"urn:ietf:params:xml:ns:netconf:partial-lock:1.0\">{each}</partial-lock>")
}

fn unlock(id: &str) -> String {
    format!(
        "<partial-unlock xmlns=\"urn:ietf:params:xml:ns:netconf:partial-lock:1.0\"><lock-id>{id}</lock-id></partial-unlock>"
    )
}

#[tokio::test]
async fn section_2_4_1_a_part_is_locked_for_others_and_no_other_part() {
    let server = start().await;
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    one.does(&edit("running", "", &["a", "b", "c"].map(|id| text(id, "x")).concat())).await;
    let reply =
        one.ask(&lock(&["/p:data-params[p:id='a']", "/p:data-params[p:id='b']/p:data", "/p:nosuch"])).await;
    let id = inside(&reply, "lock-id").unwrap_or_else(|| panic!("{reply}"));
    let nodes: Vec<_> =
        reply.split("<locked-node").skip(1).filter_map(|part| part.split(['>', '<']).nth(1)).collect();
    assert_eq!(
        nodes,
        [
            "/irtf-agent:data-params[irtf-agent:id='a']",
            "/irtf-agent:data-params[irtf-agent:id='b']/irtf-agent:data"
        ]
    );
    let change =
        |id: &str, leaf: &str| edit("running", "", &entry(id, "", &format!("<a:{leaf}>y</a:{leaf}>")));
    let in_use = |path: &str| {
        format!("application in-use app-tag=locked path={path}").replace("application", "protocol")
    };
    let mut table = Table::default();
    for (operation, expected) in [
        (change("a", "data"), in_use("/data-params[id='a']/data")),
        (change("a", "format"), in_use("/data-params[id='a']/format")),
        (change("b", "data"), in_use("/data-params[id='b']/data")),
        (change("b", "format"), "<ok/>".to_owned()),
        (change("c", "data"), "<ok/>".to_owned()),
        (edit("running", "", &entry("a", " nc:operation='delete'", "")), in_use("/data-params[id='a']")),
        (edit("running", "", &entry("b", " nc:operation='delete'", "")), in_use("/data-params[id='b']")),
        // Section 2.4.1: nobody gets what another has, nor all of the datastore.
        (
            lock(&["/p:data-params[p:id='a']/p:data"]),
            format!("protocol lock-denied path=/data-params[id='a']/data session-id={}", one.id),
        ),
        (
            lock(&["/p:data-params"]),
            format!("protocol lock-denied path=/data-params[id='a'] session-id={}", one.id),
        ),
        (
            "<lock><target><running/></target></lock>".to_owned(),
            format!("protocol lock-denied session-id={}", one.id),
        ),
        (unlock(&id), "protocol invalid-value".to_owned()),
    ] {
        let reply = two.ask(&operation).await;
        let got = if reply.starts_with("<rpc-error>") { errors(&reply) } else { reply };
        table.check(&operation, &got, &expected);
    }
    table.done();
    let put = server.put("/restconf/data/irtf-agent:data-params=a/data", r#"{"irtf-agent:data":"z"}"#).await;
    assert_eq!(put.refusal(), (409, "in-use".to_owned()));
    // Whoever has it changes it, and can lock more, also what it has; what is locked twice is free when both are.
    one.does(&change("a", "data")).await;
    let second =
        inside(&one.ask(&lock(&["/p:data-params[p:id='a']"])).await, "lock-id").expect("it is granted");
    assert_ne!(second, id);
    one.does(&unlock(&id)).await;
    assert_eq!(one.fails(&unlock(&id)).await, "protocol invalid-value");
    let other = edit("running", "", &text("a", "z"));
    assert_eq!(two.fails(&other).await, in_use("/data-params[id='a']/data"));
    two.does(&change("b", "data")).await;
    one.does(&unlock(&second)).await;
    two.does(&change("a", "data")).await;
    // It goes with its session.
    one.ask(&lock(&["/p:data-params"])).await;
    one.does("<close-session/>").await;
    one.ends().await;
    two.does("<lock><target><running/></target></lock>").await;
    let whole = format!("protocol lock-denied session-id={}", two.id);
    assert_eq!(two.fails(&lock(&["/p:data-params"])).await, whole);
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_1_1_what_selects_no_nodes_is_refused() {
    let server = start().await;
    server.add_user("ann");
    let mut session = open(&server).await;
    session.does(&edit("running", "", &text("a", "x"))).await;
    let mut table = Table::default();
    for (selects, expected) in [
        (&["/p:data-params["][..], "protocol invalid-value"),
        (&["1 + 1"], "protocol invalid-value app-tag=not-a-node-set"),
        (&["/p:data-params", "'text'"], "protocol invalid-value app-tag=not-a-node-set"),
        (&["/p:nosuch"], "protocol operation-failed app-tag=no-matches"),
        (&["/p:data-params[p:id='b']", "/p:context"], "protocol operation-failed app-tag=no-matches"),
    ] {
        table.check(selects.join(" "), &session.fails(&lock(selects)).await, expected);
    }
    let mut ann = open_as(&server, "ann", "1.1").await;
    table.check("by who may not", &ann.fails(&lock(&["/p:data-params"])).await, "application access-denied");
    table.done();
    // None of them has locked anything.
    session.does("<lock><target><running/></target></lock>").await;
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_a_confirmed_commit_of_others_is_in_the_way() {
    let server = start().await;
    let (mut one, mut two) = (open(&server).await, open(&server).await);
    one.does(&edit("candidate", "", &text("a", "x"))).await;
    one.does("<commit><confirmed/></commit>").await;
    assert_eq!(
        two.fails(&lock(&["/p:data-params"])).await,
        format!("protocol lock-denied session-id={}", one.id)
    );
    one.does("<commit/>").await;
    let reply = two.ask(&lock(&["/p:data-params"])).await;
    assert!(reply.contains("lock-id"), "{reply}");
    server.stop().await;
}

#[tokio::test]
async fn rfc6242_section_4_messages_are_the_same_however_they_are_cut() {
    let server = start().await;
    let rpc = format!(
        "<rpc xmlns=\"{NC}\" message-id=\"1\"><validate><source><running/></source></validate></rpc>"
    );
    let ok = format!("<rpc-reply xmlns=\"{NC}\" message-id=\"1\"><ok/></rpc-reply>");
    let chunks = |size: usize| -> String {
        let each = rpc
            .as_bytes()
            .chunks(size)
            .map(|chunk| format!("\n#{}\n{}", chunk.len(), String::from_utf8_lossy(chunk)));
        each.collect::<String>() + "\n##\n"
    };
    let mut session = open(&server).await;
    for size in [1, 7, 1000] {
        session.octets(chunks(size).as_bytes()).await;
        assert_eq!(session.reply().await, ok, "{size}");
    }
    // Octet by octet, and several at once.
    for octet in chunks(50).bytes() {
        session.octets(&[octet]).await;
    }
    assert_eq!(session.reply().await, ok);
    session.octets(chunks(9).repeat(3).as_bytes()).await;
    for _ in 0..3 {
        assert_eq!(session.reply().await, ok);
    }
    // What ends a message of base:1.0 says nothing here.
    let comment = rpc.replace("<validate>", &format!("<!-- {END} --><validate>"));
    assert_eq!(session.exchange(&comment).await, ok);
    let mut old = open_as(&server, "admin", "1.0").await;
    old.octets(format!("{rpc}{END}\n{rpc}\n{END}").as_bytes()).await;
    for _ in 0..2 {
        assert_eq!(old.reply().await, ok);
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc6242_section_4_2_what_is_no_chunk_ends_the_session_without_a_word() {
    let server = start().await;
    for wrong in [
        "<rpc/>",
        "#6\n<rpc/>\n##\n",
        "\n#\n",
        "\n#0\n\n##\n",
        "\n#06\n<rpc/>\n##\n",
        "\n#-1\n",
        "\n#+6\n<rpc/>",
        "\n#6 \n<rpc/>\n##\n",
        "\n#x\n",
        "\n##\n",
        "\n#4294967296\n",
        "\n#99999999999999999999\n",
        "\n#3\n<rpc/>\n##\n",
        "\n#6\n<rpc/>\n#\n",
        "\r\n#6\r\n<rpc/>",
        "\n#6\n<rpc/>\n###\n",
        "\n#6\n<rpc/>]]>]]>",
    ] {
        let mut session = open(&server).await;
        session.octets(wrong.as_bytes()).await;
        session.ends().await;
    }
    // Section 4.1: the framing is that of base:1.1 if both have it, after hellos that end as those of base:1.0 do.
    let versions = ["urn:ietf:params:netconf:base:1.0", "urn:ietf:params:netconf:base:1.1"];
    let mut session = connect(&server, "admin").await;
    session.octets(format!("{}{END}\n#6\n<rpc/>\n##\n", hello(&versions)).as_bytes()).await;
    session.begin().await;
    let rest = session.rest().await;
    assert!(
        rest.starts_with("\n#") && rest.contains("malformed-message") && rest.ends_with("\n##\n"),
        "{rest}"
    );
    server.stop().await;
}
