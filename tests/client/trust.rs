//! Who the server is, who the user is, and what becomes of secrets.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::served::{Server, key, run};

const WANTED: &str = "/ietf-yang-library:yang-library/content-id";

fn admin(server: &Server) -> String {
    server.ssh.replace("ssh://", "ssh://admin@")
}

fn ssh(server: &Server, options: &[&str]) -> (Option<i32>, String, String) {
    let mut command = server.bare();
    let password = server.path("data/admin.password");
    command
        .arg("get")
        .args(options)
        .arg("--password-file")
        .arg(password)
        .arg("--")
        .args([&admin(server), WANTED]);
    run(command)
}

#[test]
fn a_host_key_that_nobody_vouches_for_is_refused() {
    let server = Server::start();
    let right = server.path("data/ssh/host_ed25519.pub").display().to_string();
    let wrong = key(&server.path("other")) + ".pub";
    let (status, _, errors) = ssh(&server, &["--host-key", &right]);
    assert_eq!(status, Some(0), "{errors}");
    let (status, _, errors) = ssh(&server, &["--host-key", &wrong]);
    assert!(status == Some(1) && errors.contains("is not the one that is known"), "{errors}");
    // Nothing is known, and there is no terminal to ask.
    let (status, _, errors) = ssh(&server, &[]);
    assert!(status == Some(1) && errors.contains("is not known"), "{errors}");
    assert!(!server.path("home/.ssh/known_hosts").exists());
    let (status, _, errors) = ssh(&server, &["--accept-host-key"]);
    assert_eq!(status, Some(0), "{errors}");
    // It is remembered.
    let (status, _, errors) = ssh(&server, &[]);
    assert_eq!(status, Some(0), "{errors}");
    // Another key is known for this server: it is refused, whatever is accepted.
    let place = server.ssh.trim_start_matches("ssh://").replace("127.0.0.1", "[127.0.0.1]");
    let known = format!("{place} {}", fs::read_to_string(wrong).unwrap());
    fs::write(server.path("home/.ssh/known_hosts"), known).unwrap();
    for options in [&[][..], &["--accept-host-key"]] {
        let (status, _, errors) = ssh(&server, options);
        assert!(status == Some(1) && errors.contains("is not the one that is known"), "{errors}");
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let server = Server::start();
    let other = Server::start();
    let authority = other.path("data/pki/ca.pem").display().to_string();
    for (url, options) in [
        (&server.https, vec!["--token-file".to_owned(), server.path("data/admin.jwt").display().to_string()]),
        (&server.tls, server.login(&server.tls)[2..].to_vec()),
    ] {
        let ask = |authority: &[&str]| {
            let mut command = server.bare();
            command.arg("get").args(&options).args(authority).arg("--").args([url, WANTED]);
            run(command)
        };
        let (status, _, errors) = ask(&["--ca", &authority]);
        assert!(status == Some(1) && errors.contains("certificate"), "{errors}");
        // Nor is it one that the machine trusts.
        let (status, _, errors) = ask(&[]);
        assert!(status == Some(1) && errors.contains("certificate"), "{errors}");
        let own = server.path("data/pki/ca.pem").display().to_string();
        assert_eq!(ask(&["--ca", &own]).0, Some(0));
    }
}

#[test]
fn users_log_in_with_what_they_have() {
    let server = Server::start();
    let identity = key(&server.path("id"));
    let data = server.path("data").display().to_string();
    let mut add = server.bare();
    add.args([
        "user",
        "add",
        "ann",
        "--password-stdin",
        "--ssh-key",
        &format!("{identity}.pub"),
        "--data",
        &data,
    ]);
    let mut add = add.stdin(Stdio::piped()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    assert!(add.wait().unwrap().success());
    let right = server.file("right", "correct horse\n");
    let wrong = server.file("wrong", "battery staple\n");
    let as_ann = [&server.ssh, &server.https].map(|url| url.replace("://", "://ann@"));
    for url in &as_ann {
        let with = |options: &[&str]| run(server.command(url, &[&["get"], options].concat(), &[WANTED]));
        let (status, _, errors) = with(&["--password-file", &right]);
        assert_eq!(status, Some(0), "{errors}");
        let (status, _, errors) = with(&["--password-file", &wrong]);
        assert!(status == Some(1) && errors.contains("cannot log in"), "{errors}");
        let (status, _, errors) = with(&[]);
        assert!(status == Some(1) && errors.contains("there is nobody to ask"), "{errors}");
        // From standard input.
        let mut command = server.command(url, &["get", "--password-file", "-"], &[WANTED]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
        assert!(process.wait().unwrap().success());
    }
    let (status, _, errors) = run(server.command(&as_ann[0], &["get", "--identity", &identity], &[WANTED]));
    assert_eq!(status, Some(0), "{errors}");
    assert!(!server.log().contains("correct horse"));
}

#[test]
fn users_that_are_configured_over_any_protocol_log_in_with_what_they_have() {
    let server = Server::start();
    let identity = key(&server.path("id"));
    let public = fs::read_to_string(format!("{identity}.pub")).unwrap();
    let public = public.split(' ').nth(1).unwrap();
    let right = server.file("right", "correct horse\n");
    for (number, url) in server.urls().into_iter().enumerate() {
        let user = format!("/magent-access:access/users/user[name='u{number}']");
        let key = format!("{user}/public-key[name='laptop']");
        let assignments = [
            format!("{user}/password=$0$correct horse"),
            format!("{key}/public-key-format=ietf-crypto-types:ssh-public-key-format"),
            format!("{key}/public-key={public}"),
        ];
        let assignments: Vec<&str> = assignments.iter().map(String::as_str).collect();
        server.done(url, &["edit"], &assignments);
        let own = server.ssh.replace("://", &format!("://u{number}@"));
        for login in [["--password-file", &right], ["--identity", &identity]] {
            let (status, _, errors) = run(server.command(&own, &[&["get"][..], &login].concat(), &[WANTED]));
            assert_eq!(status, Some(0), "{url}: {errors}");
        }
        server.done(url, &["edit", "--delete", &key], &[]);
        let (status, ..) = run(server.command(&own, &["get", "--identity", &identity], &[WANTED]));
        assert_eq!(status, Some(1), "{url}");
    }
    assert!(!server.log().contains("correct horse"));
}

#[test]
fn who_says_nothing_talks_to_the_server_on_this_machine() {
    let server = Server::start();
    // The data directory is where it is by default.
    let rename =
        Command::new("ln").args(["-s", "data", "agentconf-data"]).current_dir(server.path(".")).status();
    assert!(rename.unwrap().success());
    for url in [&server.https, &server.ssh] {
        let mut command = server.bare();
        command.args(["get", WANTED]).env("AGENTCONF_URL", url);
        let (status, output, errors) = run(command);
        assert!(status == Some(0) && output.starts_with(WANTED), "{errors}");
    }
}
