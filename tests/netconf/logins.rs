//! Logging in over SSH with what is no password: API keys and bearer tokens, of the user who is named and of nobody else.

use agentconf::access::{Bounds, Scope};
use agentconf::clock::Clock;
use agentconf::limits::Limits;
use agentconf::server::tokens::Tokens;
use agentconf::server::{api_keys, tokens};

use crate::served::{Server, hello};
use crate::{NETCONF, openssh};

#[tokio::test]
async fn a_token_or_key_of_the_user_is_taken_for_a_password() {
    let server = Server::start("").await;
    server.add_user("ann", "correct horse", &[]);
    server.add_user("bob", "battery staple", &[]);
    let (data, clock) = (server.path(""), Clock::system());
    let random = rustls::crypto::ring::default_provider().secure_random;
    let key = |user: &str| {
        let bounds = Bounds { scope: Scope::Read, agent: None };
        api_keys::add(&data, user, bounds, 600, clock.now(), random).unwrap()
    };
    let token = |user: &str| {
        let tokens = Tokens::open(&data, clock.clone(), &Limits::default(), random).unwrap();
        tokens.issue(user, Vec::new(), Bounds::default(), 600).unwrap()
    };
    let ways = ["password", "keyboard-interactive"].map(|way| format!("PreferredAuthentications={way}"));
    let ask = async |secret: &str, way: &str| {
        server.set_askpass(secret);
        let logins = ["-o", "NumberOfPasswordPrompts=1", "-o", way];
        openssh(&server, &logins, &NETCONF, &(hello("1.0") + "<rpc/>]]>]]>")).await
    };
    let (own_key, own_token) = (key("ann"), token("ann"));
    for way in &ways {
        for (secret, method) in [(&own_key, "ApiKey"), (&own_token, "Token")] {
            let (said, errors) = ask(secret, way).await;
            let expected = format!("<reply user=\"ann\" method=\"{method}\"");
            assert!(said.contains(&expected), "{way} {method}: {said} {errors}");
        }
    }
    for wrong in [key("bob"), token("bob"), own_key.to_uppercase(), format!("{own_token}A")] {
        let (said, errors) = ask(&wrong, &ways[0]).await;
        let refused = "Permission denied (publickey,keyboard-interactive,password).";
        assert!(said.is_empty() && errors.contains(refused), "{said} {errors}");
    }
    tokens::rotate(&data, true, random).unwrap();
    assert!(ask(&own_token, &ways[0]).await.0.is_empty(), "its key is forgotten");
}
