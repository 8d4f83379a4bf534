//! What one user, or one source, may ask for over NETCONF, and that the audit says what was refused for it.

use agentconf::audit::{Kind, Reader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::served::{Server, hello, message};

/// Waits until the audit has a refusal with this app-tag; its user.
async fn refused(server: &Server, app_tag: &str) -> String {
    let trail = Reader::new(&server.path("audit"));
    loop {
        let found = trail.entries((0, 0), None).map(Result::unwrap).find(|(_, entry)| {
            entry.body.kind == Kind::Refusal && entry.body.app_tag.as_deref() == Some(app_tag)
        });
        if let Some((_, entry)) = found {
            assert_eq!(entry.body.outcome, "resource-denied");
            return entry.user;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_beyond_the_rate_are_denied_with_resource_denied_and_the_session_goes_on() {
    let server =
        Server::start_whole("[limits.rates]\nuser_requests_per_s = 1\nuser_requests_burst = 3").await;
    server.add_user("ann", "correct horse", &[]);
    let tcp = TcpStream::connect(server.tls).await.unwrap();
    let mut client = server.tls_client(tcp, Some("ann")).await.unwrap();
    client.write_all(hello("1.0").as_bytes()).await.unwrap();
    assert!(message(&mut client).await.contains("<session-id>"));
    let mut answers = Vec::new();
    for number in 0..20 {
        let rpc = format!(
            "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"{number}\"><get-config><source><running/></source>\
             <filter type=\"subtree\"/></get-config></rpc>]]>]]>"
        );
        client.write_all(rpc.as_bytes()).await.unwrap();
        answers.push(message(&mut client).await);
    }
    let denied = answers.iter().filter(|answer| answer.contains("<error-tag>resource-denied</error-tag>"));
    assert!(denied.clone().all(|answer| answer.contains("too-many-requests")));
    assert!((1..=17).contains(&denied.count()), "{answers:?}");
    assert!(answers[..3].iter().all(|answer| answer.contains("<data")), "{answers:?}");
    assert_eq!(refused(&server, "too-many-requests").await, "ann");
    // Closing is never refused.
    let close = "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"x\"><close-session/></rpc>]]>]]>";
    client.write_all(close.as_bytes()).await.unwrap();
    assert!(message(&mut client).await.contains("<ok/>"));
}

#[tokio::test]
async fn one_source_has_so_many_sessions_and_what_is_too_many_is_noted() {
    let server = Server::start_whole("[limits.rates]\nsource_sessions_max = 1").await;
    server.add_user("ann", "correct horse", &[]);
    let begin = async || {
        let tcp = TcpStream::connect(server.tls).await.unwrap();
        server.tls_client(tcp, Some("ann")).await.unwrap()
    };
    let mut first = begin().await;
    assert!(message(&mut first).await.contains("<session-id>"));
    let mut second = begin().await;
    let mut said = Vec::new();
    // It may end with or without a goodbye.
    let _ = second.read_to_end(&mut said).await;
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    assert_eq!(refused(&server, "too-many-sessions-of-source").await, "ann");
}

const BASE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";

/// An edit in chunks, of so many octets and more.
fn long_edit(octets: usize) -> String {
    let edit = format!(
        "<rpc xmlns=\"{BASE}\" message-id=\"1\"><edit-config><target><candidate/></target><config>{}</config></edit-config></rpc>",
        " ".repeat(octets)
    );
    format!("\n#{}\n{edit}\n##\n", edit.len())
}

const CLOSE: &str =
    "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"x\"><close-session/></rpc>";

#[tokio::test]
async fn messages_beyond_what_may_be_held_are_denied_and_other_sessions_go_on() {
    let limits =
        "[limits]\nreceived_bytes_max = 600000\nreceived_bytes_user_max = 400000\nbody_bytes_max = 500000";
    let server = Server::start_whole(limits).await;
    server.add_user("ann", "correct horse", &[]);
    let begin = async || {
        let tcp = TcpStream::connect(server.tls).await.unwrap();
        let mut client = server.tls_client(tcp, Some("ann")).await.unwrap();
        client.write_all(hello("1.1").as_bytes()).await.unwrap();
        assert!(message(&mut client).await.contains("<session-id>"));
        client
    };
    // Nobody may hold so much at all; and with half of a message held there is no room for another one.
    let mut holding = begin().await;
    let long = long_edit(250_000);
    let (first, rest) = long.split_at(200_000);
    holding.write_all(first.as_bytes()).await.unwrap();
    let mut is_told = false;
    // What was sent first has arrived when there is no room.
    for _ in 0..1000 {
        let mut other = begin().await;
        // It may be refused before it is sent.
        let _ = other.write_all(long.as_bytes()).await;
        let mut said = String::new();
        let _ = tokio::time::timeout(crate::served::LIMIT, async {
            while !said.ends_with("\n##\n") {
                said.push(char::from(other.read_u8().await?));
            }
            std::io::Result::Ok(())
        })
        .await
        .unwrap();
        if said.contains("<error-tag>resource-denied<") && said.contains("<error-app-tag>busy<") {
            // The session has ended with it.
            let _ = other.read_to_end(&mut Vec::new()).await;
            is_told = true;
            break;
        }
    }
    assert!(is_told);
    holding.write_all(rest.as_bytes()).await.unwrap();
    holding.write_all(format!("\n#{}\n{CLOSE}\n##\n", CLOSE.len()).as_bytes()).await.unwrap();
    let mut said = String::new();
    holding.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("message-id=\"1\"") && said.contains("message-id=\"x\""), "{said}");
    // With it the load is over.
    let mut again = begin().await;
    again.write_all(long.as_bytes()).await.unwrap();
    again.write_all(format!("\n#{}\n{CLOSE}\n##\n", CLOSE.len()).as_bytes()).await.unwrap();
    let mut said = String::new();
    again.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("message-id=\"x\"") && !said.contains("resource-denied"), "{said}");

    let mut longest = begin().await;
    let _ = longest.write_all(long_edit(500_000).as_bytes()).await;
    let mut said = Vec::new();
    let _ = longest.read_to_end(&mut said).await;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("<error-tag>too-big</error-tag>"), "{said}");
}

#[tokio::test]
async fn a_session_beside_a_full_server_goes_on_and_a_message_that_never_ends_is_not_kept() {
    let limits =
        "[limits]\nreceived_bytes_max = 400000\nreceived_bytes_user_max = 340000\nbody_timeout_s = 3";
    let server = Server::start_whole(limits).await;
    server.add_user("ann", "correct horse", &[]);
    server.add_user("bob", "correct horse", &[]);
    let begin = async |user| {
        let tcp = TcpStream::connect(server.tls).await.unwrap();
        let mut client = server.tls_client(tcp, Some(user)).await.unwrap();
        client.write_all(hello("1.1").as_bytes()).await.unwrap();
        assert!(message(&mut client).await.contains("<session-id>"));
        client
    };
    let mut holding = begin("ann").await;
    let long = long_edit(290_000);
    holding.write_all(&long.as_bytes()[..280_000]).await.unwrap();
    // What is small is answered, and what there is no room for is answered when the other has not come to its end in time.
    let mut beside = begin("bob").await;
    for octets in [10, 60_000, 200_000] {
        let edit = long_edit(octets);
        beside.write_all(edit.as_bytes()).await.unwrap();
        let said = tokio::time::timeout(crate::served::LIMIT, chunked(&mut beside)).await.unwrap();
        assert!(said.contains("message-id=\"1\""), "{octets}: {said}");
    }
    let mut said = String::new();
    holding.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("the message took too long to arrive"), "{said}");
}

/// A message in chunks, with them.
async fn chunked(client: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut said = String::new();
    while !said.ends_with("\n##\n") {
        said.push(char::from(client.read_u8().await.unwrap()));
    }
    said
}
