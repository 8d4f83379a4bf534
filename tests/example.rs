//! The examples do what they say: the story comes to its end, and an agent in Python or shell does a task that it is given.
//! It never looks into a server from inside.

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use agentconf::access::Bounds;
use agentconf::application;
use agentconf::clock::Clock;
use agentconf::config::{Config, Listen};
use agentconf::server::Server;
use agentconf::server::tokens::Tokens;
use agentconf::server::users::{self, User};
use serde_json::{Value as Json, json};

#[path = "../examples/base_station_outage/client.rs"]
mod client;

use client::{Client, Events, key};

type Tested = Result<(), Box<dyn Error + Send + Sync>>;

/// How long one test may wait for what it waits for.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_base_station_outage_is_explained_and_its_exchange_replayed() -> Tested {
    let story = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", "base_station_outage"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let said = String::from_utf8(story.stdout)?;
    assert!(story.status.success(), "{said}\n{}", String::from_utf8_lossy(&story.stderr));
    // Each line has to come after the ones before it.
    let mut rest = said.as_str();
    for milestone in [
        "cross-domain fault",
        "proposal: end-to-end within 20 minutes",
        "instead: end-to-end within 45 minutes",
        "return-link within 30 minutes",
        "that can be done: accepted",
        "assigned to ip-agent as agreed",
        "question: ",
        "answer: ",
        "result sent back, missing: recommendation",
        "result accepted",
        "every agent has left",
        "  1  oss-agent to ",
        "a replay from position 0 gives the same ",
        "the end",
    ] {
        let at = rest.find(milestone).ok_or_else(|| format!("{milestone:?} is missing in\n{said}"))?;
        rest = &rest[at..];
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_in_python_does_its_task() -> Tested {
    does_its_task("examples/agent.py", "python-agent").await
}

#[tokio::test]
async fn an_agent_in_shell_does_its_task() -> Tested {
    does_its_task("examples/agent.sh", "shell-agent").await
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn does_its_task(program: &str, name: &str) -> Tested {
    let directory = tempfile::tempdir()?;
    let data = directory.path();
    let listen = Listen { https: vec!["127.0.0.1:0".parse()?], ..Listen::default() };
    let config = Config { data: data.to_owned(), listen, ..Config::default() };
    let limits = config.limits.clone();
    let server = Server::start(config, Clock::system(), application::build).await?;
    let url = format!("https://{}", server.addresses()[0].1);
    let ca = data.join("pki/ca.pem");
    let desk = Client::connect(&url, std::fs::read_to_string(data.join("admin.jwt"))?.trim(), &ca).await?;
    let mut events = desk.events(None).await?;
    let profile =
        json!({"name": "desk", "description": "Gives tasks", "version": "1.0.0", "provider": "test"});
    desk.call("magent-registry:register-agent", profile).await?;

    let token = user(data, "worker", &limits)?;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(program);
    let command = Command::new(program)
        .env("AGENTCONF_URL", &url)
        .env("AGENTCONF_TOKEN", token)
        .env("AGENTCONF_CA", &ca)
        .spawn()?;
    let agent = Running(command);
    hear(&mut events, |event, data| event.ends_with(":registry-change") && data["name"] == name).await?;

    for content in ["check link-17", "say \"hello\"\nand \\ more"] {
        let order = json!({"from": "desk", "to": name, "content": content});
        let task =
            desk.call("magent-task:assign-task", order).await?["id"].as_str().unwrap_or_default().to_owned();
        let is_result =
            |_: &str, data: &Json| data["task"] == task.as_str() && data["event"] == "result-reported";
        hear(&mut events, is_result).await?;
        let path = format!("magent-task:interaction/tasks/task={}", key(&task));
        desk.act(&path, "verify", json!({"verdict": "accepted"})).await?;
        let result = desk.get(&format!("{path}/result")).await?;
        assert_eq!(result["magent-task:result"]["content"], format!("Done: {content}"));
    }
    drop(agent);
    drop((events, desk));
    server.stop().await?;
    Ok(())
}

/// Adds a user and gives a token.
fn user(
    data: &Path,
    name: &str,
    limits: &agentconf::limits::Limits,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let user = User {
        groups: Default::default(),
        password: None,
        ssh_keys: Vec::new(),
        created: Clock::system().now(),
    };
    users::edit(data, |users| {
        users.insert(name.to_owned(), user);
        Ok(())
    })?;
    let random = rustls::crypto::ring::default_provider().secure_random;
    Ok(Tokens::open(data, Clock::system(), limits, random)?.issue(
        name,
        Vec::new(),
        Bounds::default(),
        LIMIT.as_secs(),
    )?)
}

/// Waits for an event, by its name and what it says.
async fn hear(events: &mut Events, is_it: impl Fn(&str, &Json) -> bool) -> Tested {
    let wait = async {
        loop {
            let event = events.next().await?;
            if is_it(&event.name, &event.data) {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.map_err(|_| "the event does not come")?
}
