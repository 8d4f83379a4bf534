//! The transports of NETCONF, and the hello on them, with clients of others: OpenSSH, and rustls. What the messages mean is no
//! part of it: the sessions here tell who their client is.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

mod limited;
mod logins;
mod pipelined;
mod served;
mod taken_back;
mod urls;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use agentconf::netconf::NAMESPACE;
use agentconf::server::{Application, Prepared};
use served::{Server, begin, exchange, hello, reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What OpenSSH writes and says when its user types `input`; `logins` are its options for logging in.
async fn openssh(server: &Server, logins: &[&str], what: &[&str], input: &str) -> (String, String) {
    let known = format!("[127.0.0.1]:{} {}", server.ssh.port(), server.file("ssh/host_ed25519.pub"));
    std::fs::write(server.path("known_hosts"), known).unwrap();
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]);
    command.arg("-o").arg(format!("UserKnownHostsFile={}", server.path("known_hosts").display()));
    command.arg("-p").arg(server.ssh.port().to_string()).args(logins).args(what);
    command.env("SSH_ASKPASS", server.path("askpass")).env("SSH_ASKPASS_REQUIRE", "force");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut process = command.spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        // It may have ended, if nobody could log in.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        process.wait_with_output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Options that let OpenSSH log in one way alone.
fn only<'a>(way: &'a str, key: &'a str) -> [&'a str; 4] {
    ["-o", way, "-i", key]
}

fn ssh_keygen(server: &Server, kind: &str) -> String {
    let file = server.path(&format!("id_{kind}")).display().to_string();
    let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f", &file]).status();
    assert!(made.unwrap().success());
    file
}

const NETCONF: [&str; 3] = ["-s", "ann@127.0.0.1", "netconf"];

#[tokio::test]
async fn openssh_logs_in_every_way_and_finds_both_framings() {
    let server = Server::start("").await;
    let (ed25519, rsa, ecdsa) =
        (ssh_keygen(&server, "ed25519"), ssh_keygen(&server, "rsa"), ssh_keygen(&server, "ecdsa"));
    let stranger = server.path("id_stranger").display().to_string();
    std::fs::copy(&ed25519, &stranger).unwrap();
    server.add_user("ann", "correct horse", &[&rsa, &ecdsa, &ed25519]);
    server.add_user("bob", "battery staple", &[]);
    let old = hello("1.0") + "<rpc/>]]>]]>";
    let new = hello("1.1") + "\n#6\n<rpc/>\n##\n";
    server.set_askpass("correct horse");
    for (way, method) in [
        (&only("PreferredAuthentications=publickey", &ed25519)[..], "PublicKey"),
        (&only("PreferredAuthentications=publickey", &rsa), "PublicKey"),
        (&only("PreferredAuthentications=publickey", &ecdsa), "PublicKey"),
        (&["-o", "PreferredAuthentications=password"], "Password"),
        (&["-o", "PreferredAuthentications=keyboard-interactive"], "Password"),
    ] {
        let expected = format!("<reply user=\"ann\" method=\"{method}\" transport=\"netconf-ssh\"/>");
        let (said, errors) = openssh(&server, way, &NETCONF, &old).await;
        assert!(said.ends_with(&format!("]]>]]>{expected}]]>]]>")), "{way:?}: {said:?} {errors}");
        let (said, errors) = openssh(&server, way, &NETCONF, &new).await;
        let chunked = format!("]]>]]>\n#{}\n{expected}\n##\n", expected.len());
        assert!(said.ends_with(&chunked), "{way:?}: {said:?} {errors}");
    }
    // Another user's key, a wrong password, no such user: one answer.
    let refused = "Permission denied (publickey,keyboard-interactive,password).";
    let one_try = ["-o", "NumberOfPasswordPrompts=1", "-o", "PreferredAuthentications=password"];
    for (way, what) in [
        (&only("PreferredAuthentications=publickey", &stranger)[..], "bob@127.0.0.1"),
        (&only("PreferredAuthentications=publickey", &stranger), "nobody@127.0.0.1"),
        (&one_try, "bob@127.0.0.1"),
        (&one_try, "nobody@127.0.0.1"),
    ] {
        let (said, errors) = openssh(&server, way, &["-s", what, "netconf"], &old).await;
        assert!(said.is_empty() && errors.contains(refused), "{what}: {said} {errors}");
    }
    // Nothing but NETCONF.
    let way = only("PreferredAuthentications=publickey", &ed25519);
    for (what, answer) in [
        (&["ann@127.0.0.1", "id"][..], "exec request failed"),
        (&["ann@127.0.0.1"], "shell request failed"),
        (&["-s", "ann@127.0.0.1", "sftp"], "subsystem request failed"),
    ] {
        let (said, errors) = openssh(&server, &way, what, "").await;
        assert!(said.is_empty() && errors.contains(answer), "{what:?}: {said} {errors}");
    }
    // Old algorithms are not spoken.
    for old in ["KexAlgorithms=diffie-hellman-group14-sha1", "Ciphers=aes128-cbc", "MACs=hmac-sha1"] {
        let ciphers = if old.starts_with("MACs") { "Ciphers=aes256-ctr" } else { "Compression=no" };
        let (_, errors) = openssh(&server, &["-o", old, "-o", ciphers], &NETCONF, "").await;
        assert!(errors.contains("no matching"), "{old}: {errors}");
    }
    server.stop().await;
}

#[tokio::test]
async fn one_connection_has_several_sessions_up_to_its_limit() {
    let server = Server::start("[limits]\nsessions_per_connection_max = 2\n").await;
    server.add_user("ann", "correct horse", &[]);
    let tcp = tokio::net::TcpStream::connect(server.ssh).await.unwrap();
    let connection = served::ssh_client(tcp, &server.host_key(), "ann", "correct horse").await;
    let open = async || {
        let channel = connection.channel_open_session().await.unwrap();
        channel.request_subsystem(true, "netconf").await.unwrap();
        channel.into_stream()
    };
    let (mut first, mut second) = (open().await, open().await);
    begin(&mut first).await;
    begin(&mut second).await;
    let expected = reply("ann", "Password", "netconf-ssh");
    for _ in 0..3 {
        assert_eq!(exchange(&mut first).await, expected);
        assert_eq!(exchange(&mut second).await, expected);
    }
    // The third channel is no session, until another session has ended.
    let mut third = open().await;
    third.write_all(hello("1.0").as_bytes()).await.unwrap();
    third.shutdown().await.unwrap();
    drop(first);
    tokio::time::timeout(served::LIMIT, server.until_sessions(1)).await.unwrap();
    let mut fourth = open().await;
    begin(&mut fourth).await;
    assert_eq!(exchange(&mut fourth).await, expected);
    assert_eq!(server.sessions(), 2);
    assert_eq!(exchange(&mut second).await, expected);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_of_a_user_who_is_gone_gets_no_session_and_ends() {
    let server = Server::start("").await;
    let remove =
        || agentconf::server::users::edit(&server.path(""), |users| Ok(users.remove("ann"))).unwrap();
    #[allow(clippy::async_yields_async)] // a connection can be awaited too, for its end
    let connect = async || {
        let tcp = tokio::net::TcpStream::connect(server.ssh).await.unwrap();
        served::ssh_client(tcp, &server.host_key(), "ann", "correct horse").await
    };
    for has_session in [false, true] {
        server.add_user("ann", "correct horse", &[]);
        let connection = connect().await;
        let mut stream = match has_session {
            true => {
                let channel = connection.channel_open_session().await.unwrap();
                channel.request_subsystem(true, "netconf").await.unwrap();
                let mut stream = channel.into_stream();
                begin(&mut stream).await;
                Some(stream)
            }
            false => None,
        };
        remove();
        match &mut stream {
            // Though its client says nothing.
            Some(stream) => {
                let _ =
                    tokio::time::timeout(served::LIMIT, stream.read_to_end(&mut Vec::new())).await.unwrap();
            }
            None => assert!(connection.channel_open_session().await.is_err()),
        }
        tokio::time::timeout(served::LIMIT, connection).await.unwrap().ok();
        tokio::time::timeout(served::LIMIT, server.until_sessions(0)).await.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_log_in_is_not_waited_for() {
    let server = Server::start("[limits]\nlogin_timeout_s = 1\nhandshake_timeout_s = 1\n").await;
    for greeting in ["", "SSH-2.0-x\r\n"] {
        let mut tcp = tokio::net::TcpStream::connect(server.ssh).await.unwrap();
        tcp.write_all(greeting.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        // A reset is an end too.
        let _ = tokio::time::timeout(served::LIMIT, tcp.read_to_end(&mut all)).await.unwrap();
        assert!(all.starts_with(b"SSH-2.0-agentconf\r\n"));
    }
    server.stop().await;
}

#[tokio::test]
async fn tls_needs_a_certificate_that_is_mapped_to_a_user() {
    let server = Server::start("").await;
    server.add_user("ann", "correct horse", &[]);
    let connect = async |certificate: Option<&str>| {
        let tcp = tokio::net::TcpStream::connect(server.tls).await.unwrap();
        server.tls_client(tcp, certificate).await
    };
    let mut stream = connect(Some("ann")).await.unwrap();
    begin(&mut stream).await;
    for _ in 0..2 {
        assert_eq!(exchange(&mut stream).await, reply("ann", "Certificate", "netconf-tls"));
    }
    for certificate in [None, Some("nobody"), Some("stranger")] {
        // In TLS 1.3 the client learns after its handshake that it was turned away.
        let mut all = Vec::new();
        if let Ok(mut stream) = connect(certificate).await {
            let _ = tokio::time::timeout(served::LIMIT, stream.read_to_end(&mut all)).await.unwrap();
        }
        assert!(all.is_empty(), "{certificate:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn clients_are_called_over_both_transports() {
    let (over_ssh, over_tls) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let settings = [("netconf-ssh", &over_ssh), ("netconf-tls", &over_tls)].map(|(protocol, listener)| {
        let address = listener.local_addr().unwrap();
        format!("[[call-home]]\nname = '{protocol}'\nprotocol = '{protocol}'\nendpoints = ['{address}']\n")
    });
    let server = Server::start(&settings.concat()).await;
    server.add_user("ann", "correct horse", &[]);
    let called = async |listener: &TcpListener| {
        tokio::time::timeout(served::LIMIT, listener.accept()).await.unwrap().unwrap().0
    };
    // A client that hangs up is called again.
    for _ in 0..2 {
        let host_key = server.host_key();
        let connection = served::ssh_client(called(&over_ssh).await, &host_key, "ann", "correct horse").await;
        let channel = connection.channel_open_session().await.unwrap();
        channel.request_subsystem(true, "netconf").await.unwrap();
        let mut stream = channel.into_stream();
        begin(&mut stream).await;
        assert_eq!(exchange(&mut stream).await, reply("ann", "Password", "netconf-ssh"));
        let mut stream = server.tls_client(called(&over_tls).await, Some("ann")).await.unwrap();
        begin(&mut stream).await;
        assert_eq!(exchange(&mut stream).await, reply("ann", "Certificate", "netconf-tls"));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_whole_program_is_asked_over_ssh() {
    let server = Server::start_whole("").await;
    server.add_user("ann", "correct horse", &[]);
    server.set_askpass("correct horse");
    let rpc = |id: u32, inside: &str| {
        let message = format!("<rpc xmlns=\"{NAMESPACE}\" message-id=\"{id}\">{inside}</rpc>");
        format!("\n#{}\n{message}\n##\n", message.len())
    };
    let config = rpc(1, "<get-config><source><running/></source></get-config>");
    let input = hello("1.1") + &config + &rpc(2, "<unknown/>") + &rpc(3, "<close-session/>");
    let (said, errors) =
        openssh(&server, &["-o", "PreferredAuthentications=password"], &NETCONF, &input).await;
    let replies: Vec<&str> = said.split("<rpc-reply").skip(1).collect();
    assert!(said.contains("urn:ietf:params:netconf:capability:candidate:1.0"), "{said} {errors}");
    let [first, second, third] = replies[..] else { panic!("{said} {errors}") };
    assert!(first.contains("message-id=\"1\"") && first.contains("<data"), "{first}");
    assert!(second.contains("message-id=\"2\"") && second.contains("<error-tag>"), "{second}");
    assert!(third.contains("message-id=\"3\"") && third.contains("<ok/>"), "{third}");
    server.stop().await;
}

#[tokio::test]
async fn the_host_key_is_made_once_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start("").await;
    let first = server.file("ssh/host_ed25519.pub");
    assert!(first.starts_with("ssh-ed25519 "));
    let mode = std::fs::metadata(server.path("ssh/host_ed25519")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let server = server.restart().await;
    assert_eq!(server.file("ssh/host_ed25519.pub"), first);
    server.stop().await;
}

#[tokio::test]
async fn a_program_without_netconf_does_not_pretend() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = served::config(directory.path(), "");
    config.listen.tls.clear();
    let clock = agentconf::clock::Clock::system();
    let build = async |_: &Prepared| {
        Ok(Application {
            front: served::front(),
            settings: Arc::new(Arc::default),
            netconf: None,
            observed: Default::default(),
            finish: Box::pin(async { Ok(()) }),
        })
    };
    let started = agentconf::server::Server::start(config, clock, build).await;
    assert!(matches!(started.map(drop), Err(agentconf::server::ServeError::NoNetconf)));
}
