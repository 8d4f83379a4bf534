//! Configuration at `https` URLs, with a server of others that answers what the test wants. Files are asked for by ncclient, in
//! `tests/independent`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use agentconf::netconf::NAMESPACE;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::served::{LIMIT, Server, hello, ssh_client};

const AGENT: &str = "urn:ietf:params:xml:ns:yang:irtf-agent";

/// What the server of URLs answers next, and what it was asked.
#[derive(Default)]
struct Script {
    answer: String,
    asked: Vec<String>,
}

/// A server of `https` for `localhost`, whose authority is in the directory.
async fn serve(directory: &std::path::Path, script: Arc<Mutex<Script>>) -> SocketAddr {
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = ca.self_signed(&ca_key).unwrap();
    std::fs::write(directory.join("authority.pem"), certificate.pem()).unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.der().clone()], private).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            // A client may not trust this server.
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            let request = request(&mut tls).await;
            let answer = {
                let mut script = script.lock().unwrap();
                script.asked.push(request);
                script.answer.clone()
            };
            // Nor does it have to read a long answer to its end.
            let _ = tls.write_all(answer.as_bytes()).await;
            let _ = tls.shutdown().await;
        }
    });
    address
}

/// A request with its body.
async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The reply to a request of a session.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, inside: &str) -> String {
    ask_in("", stream, inside).await
}

/// The same with further attributes of the request.
async fn ask_in<S: AsyncRead + AsyncWrite + Unpin>(attributes: &str, stream: &mut S, inside: &str) -> String {
    let rpc = format!("<rpc xmlns=\"{NAMESPACE}\" message-id=\"1\" {attributes}>{inside}</rpc>]]>]]>");
    stream.write_all(rpc.as_bytes()).await.unwrap();
    message(stream).await
}

async fn message<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let read = async {
        let mut text = String::new();
        while !text.ends_with("]]>]]>") {
            text.push(char::from(stream.read_u8().await.unwrap()));
        }
        text
    };
    timeout(LIMIT, read).await.unwrap()
}

fn entry(text: &str) -> String {
    format!(
        "<config xmlns=\"{NAMESPACE}\"><data-params xmlns=\"{AGENT}\"><id>u</id><dataType>text</dataType><data>{text}</data>\
         </data-params></config>"
    )
}

#[tokio::test]
async fn rfc6241_8_8_configuration_comes_from_and_goes_to_https_urls_that_the_operator_named() {
    let directory = tempfile::tempdir().unwrap();
    let script = Arc::new(Mutex::new(Script::default()));
    let port = serve(directory.path(), script.clone()).await.port();
    let base = format!("https://localhost:{port}/agents/");
    let authority = directory.path().join("authority.pem");
    let server = Server::start_whole(&format!(
        "[netconf.url]\nhttps = ['{base}']\nauthorities = ['{}']\naddresses = ['127.0.0.0/8', '::1']\n\
         [limits]\nurl_content_bytes_max = 100000\n",
        authority.display()
    ))
    .await;
    let tcp = TcpStream::connect(server.ssh).await.unwrap();
    let password = server.file("admin.password");
    let connection = ssh_client(tcp, &server.host_key(), "admin", password.trim()).await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "netconf").await.unwrap();
    let mut stream = channel.into_stream();
    stream.write_all(hello("1.0").as_bytes()).await.unwrap();
    let theirs = message(&mut stream).await;
    assert!(theirs.contains("capability:url:1.0?scheme=file,https<"), "{theirs}");

    let answers = |answer: String| script.lock().unwrap().answer = answer;
    let url = |name: &str| format!("<url>{base}{name}</url>");
    let edit = format!("<edit-config><target><running/></target>{}</edit-config>", url("a.xml"));
    answers(ok(&entry("from afar")));
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = format!(
        "xmlns:t=\"urn:ietf:params:xml:ns:netconf:w3ctc:1.0\" t:traceparent=\"{parent}\" t:tracestate=\"a=1\""
    );
    let reply = ask_in(&trace, &mut stream, &edit).await;
    assert!(reply.contains("<ok/>"), "{reply}");
    let reply = ask(&mut stream, "<get-config><source><running/></source></get-config>").await;
    assert!(reply.contains("from afar"), "{reply}");
    let copy = |target: &str, source: &str| {
        format!("<copy-config><target>{target}</target><source>{source}</source></copy-config>")
    };
    answers("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".into());
    let reply = ask(&mut stream, &copy(&url("saved.xml"), "<running/>")).await;
    assert!(reply.contains("<ok/>"), "{reply}");
    {
        let script = script.lock().unwrap();
        let (first, last) = (script.asked.first().unwrap(), script.asked.last().unwrap());
        assert!(first.starts_with("GET /agents/a.xml HTTP/1.1\r\n"), "{first}");
        assert!(first.to_ascii_lowercase().contains(&format!("host: localhost:{port}\r\n")), "{first}");
        // Nothing is exported, so who asked is the parent there too.
        assert!(first.contains(&format!("traceparent: {parent}\r\n")), "{first}");
        assert!(!first.contains("tracestate") && !last.contains("traceparent"), "{first} {last}");
        assert!(last.starts_with("PUT /agents/saved.xml ") && last.contains("from afar"), "{last}");
    }
    let delete = format!("<delete-config><target>{}</target></delete-config>", url("saved.xml"));
    assert!(ask(&mut stream, &delete).await.contains("<ok/>"));
    assert!(script.lock().unwrap().asked.last().unwrap().starts_with("DELETE "));

    // What comes is not what it should be.
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {base}b.xml\r\nContent-Length: 0\r\n\r\n");
    for (answer, tag) in [
        (redirect, "operation-failed"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(), "data-missing"),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".into(), "access-denied"),
        (ok("<html/>"), "invalid-value"),
        (ok("no XML"), "malformed-message"),
        (ok(&"x".repeat(100_001)), "too-big"),
        ("no HTTP".into(), "operation-failed"),
    ] {
        let asked = script.lock().unwrap().asked.len();
        answers(answer);
        let reply = ask(&mut stream, &edit).await;
        assert!(reply.contains(&format!("<error-tag>{tag}<")), "{tag}: {reply}");
        assert_eq!(script.lock().unwrap().asked.len(), asked + 1, "a redirect is not followed");
    }
    let asked = script.lock().unwrap().asked.len();
    for other in
        [format!("https://localhost:{port}/other"), format!("https://localhost:{port}/agents/../other")]
    {
        let reply = ask(&mut stream, &copy("<candidate/>", &format!("<url>{other}</url>"))).await;
        assert!(reply.contains("<error-tag>invalid-value<"), "{reply}");
    }
    assert_eq!(script.lock().unwrap().asked.len(), asked, "nobody asked for what is not permitted");
    server.stop().await;
}

#[tokio::test]
async fn a_server_at_an_address_that_is_not_public_is_asked_only_if_the_operator_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let script = Arc::new(Mutex::new(Script { answer: ok(&entry("x")), ..Script::default() }));
    let port = serve(directory.path(), script.clone()).await.port();
    let authority = directory.path().join("authority.pem");
    let server = Server::start_whole(&format!(
        "[netconf.url]\nhttps = ['https://localhost:{port}/']\nauthorities = ['{}']\n",
        authority.display()
    ))
    .await;
    let tcp = TcpStream::connect(server.ssh).await.unwrap();
    let password = server.file("admin.password");
    let connection = ssh_client(tcp, &server.host_key(), "admin", password.trim()).await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "netconf").await.unwrap();
    let mut stream = channel.into_stream();
    stream.write_all(hello("1.0").as_bytes()).await.unwrap();
    message(&mut stream).await;
    let validate = format!("<validate><source><url>https://localhost:{port}/a</url></source></validate>");
    let reply = ask(&mut stream, &validate).await;
    assert!(reply.contains("<error-tag>invalid-value<"), "{reply}");
    assert!(script.lock().unwrap().asked.is_empty());
    server.stop().await;
}
