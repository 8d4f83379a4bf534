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
