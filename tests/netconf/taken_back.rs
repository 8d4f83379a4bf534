//! A user who is locked out while somebody's confirmed commit waits stays locked out when that is taken back: nobody comes back
//! by waiting, by ending the session or by cancelling.

use russh::client::{self, Handle};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::served::{Knows, Server, hello, message, ssh_client};

const BASE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
const PASSWORD: &str = "correct horse battery";

/// A session of the administrator, with the connection that carries it.
async fn session(server: &Server) -> (impl AsyncRead + AsyncWrite + Unpin + use<>, Handle<Knows>) {
    let tcp = TcpStream::connect(server.ssh).await.unwrap();
    let password = server.file("admin.password");
    let connection = ssh_client(tcp, &server.host_key(), "admin", password.trim()).await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "netconf").await.unwrap();
    let mut stream = channel.into_stream();
    stream.write_all(hello("1.0").as_bytes()).await.unwrap();
    assert!(message(&mut stream).await.contains("<session-id>"));
    (stream, connection)
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, inside: &str) -> String {
    let rpc = format!("<rpc xmlns=\"{BASE}\" message-id=\"1\">{inside}</rpc>]]>]]>");
    stream.write_all(rpc.as_bytes()).await.unwrap();
    message(stream).await
}

async fn done<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, inside: &str) {
    let reply = ask(stream, inside).await;
    assert!(reply.contains("<ok/>"), "{inside}: {reply}");
}

/// An edit of the user eve.
fn user(target: &str, operation: &str, content: &str) -> String {
    format!(
        "<edit-config><target><{target}/></target><config><access xmlns=\"urn:x-agentconf:yang:magent-access\"><users>\
         <user xmlns:nc=\"{BASE}\" nc:operation=\"{operation}\"><name>eve</name>{content}</user></users></access></config>\
         </edit-config>"
    )
}

/// What the commit is about otherwise.
const ENTRY: &str = "<edit-config><target><candidate/></target><config><data-params \
    xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\"><id>waits</id><dataType>text</dataType></data-params></config></edit-config>";

/// The users and the entries in the running configuration.
async fn running<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> String {
    ask(stream, "<get-config><source><running/></source></get-config>").await
}

async fn comes_in(server: &Server) -> bool {
    struct Trusting;
    impl client::Handler for Trusting {
        type Error = russh::Error;

        async fn check_server_key(
            &mut self,
            _shown: &russh::keys::PublicKeyOrCertificate,
        ) -> Result<bool, russh::Error> {
            Ok(true)
        }
    }
    let tcp = TcpStream::connect(server.ssh).await.unwrap();
    let mut connection = client::connect_stream(Default::default(), tcp, Trusting).await.unwrap();
    connection.authenticate_password("eve", PASSWORD).await.unwrap().success()
}

/// What the waiting commit does, what becomes of the user meanwhile, and how the commit is taken back.
#[tokio::test]
async fn a_user_who_was_locked_out_is_not_brought_back_by_a_commit_that_is_taken_back() {
    let secret = format!("<password>$0${PASSWORD}</password>");
    let disabled = "<enabled>false</enabled>";
    let limits = "[limits]\nlogin_failures_max = 1000\n[limits.rates]\nsource_logins_per_s = 0\n";
    let server = Server::start_whole(limits).await;
    let (mut admin, _connection) = session(&server).await;
    for locked_out in ["remove", "merge"] {
        for is_of_commit in [false, true] {
            for way in ["waits", "cancels", "ends"] {
                let what = format!("{locked_out}, of the commit: {is_of_commit}, {way}");
                done(&mut admin, &user("running", "create", &secret)).await;
                assert!(comes_in(&server).await, "{what}");

                let (mut other, others) = session(&server).await;
                done(&mut other, ENTRY).await;
                if is_of_commit {
                    // The commit touches the user too; the configuration before it has one who may come in.
                    done(&mut other, &user("candidate", "merge", "<enabled>true</enabled>")).await;
                }
                let timeout = if way == "waits" { 1 } else { 600 };
                done(
                    &mut other,
                    &format!("<commit><confirmed/><confirm-timeout>{timeout}</confirm-timeout></commit>"),
                )
                .await;
                let content = if locked_out == "merge" { disabled } else { "" };
                done(&mut admin, &user("running", locked_out, content)).await;
                assert!(!comes_in(&server).await, "{what}");
                match way {
                    "cancels" => done(&mut other, "<cancel-commit/>").await,
                    "ends" => drop((other, others)),
                    _ => {}
                }
                let taken_back = async {
                    while running(&mut admin).await.contains("<id>waits</id>") {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(crate::served::LIMIT, taken_back).await.unwrap();
                let now = running(&mut admin).await;
                assert_eq!(now.contains("<name>eve</name>"), locked_out == "merge", "{what}: {now}");
                assert!(!comes_in(&server).await, "{what}: {now}");
                done(&mut admin, &user("running", "remove", "")).await;
            }
        }
    }
    server.stop().await;
}
