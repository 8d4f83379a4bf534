//! The examples do what they say: each scenario comes to its end, which is the same with the same seed; an agent in Python or shell
//! does the tasks that it is given, whatever happens to it or to the server. It never looks into a server from inside.

#![allow(clippy::expect_used, clippy::panic)] // tests

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use agentconf::client::agent::{Agent, Event, Events, Position, Retry};
use agentconf::client::{Credentials, Limits, Secret};
use agentconf::yang::generated::magent_registry::RegisterAgentInput;
use agentconf::yang::generated::magent_task::identities::NegotiationType;
use agentconf::yang::generated::magent_task::{
    AssignTaskInput, OpenNegotiationInput, OpenNegotiationInputTerm, RespondInput, TaskEventEvent,
    VerifyInput,
};
use agentconf::yang::generated::magent_types::{
    NegotiationMove, NegotiationStatus, ResultVerdict, TaskStatus,
};
use agentconf::yang::value::Decimal64;

type Tested = Result<(), Box<dyn Error + Send + Sync>>;

/// How long one test may wait for what it waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// How the part of the story begins that depends on the seed alone.
const OUTCOME: &str = "What server 0 has in the end";

const BINARY: &str = env!("CARGO_BIN_EXE_agentconf");

#[test]
fn base_stations_in_a_batch_are_explained_across_two_domains() -> Tested {
    ends_the_same(
        "outage",
        &[
            "cross-domain fault: two domains miss the link",
            "instead: scope return-link, time 30 minutes",
            "the link of wireless-agent drops",
            "the link of wireless-agent is there again",
            "ip-agent has died, and is started again",
            "the deadline of the diagnosis has passed; my answer comes late",
            "diagnosis: sent back, missing: recommendation",
            "diagnosis: accepted",
            "the link of ip-agent is there again",
            "I am told of repair",
            "field-engineer has died, and is started again",
            "guidance is done: Open manhole",
            "repair: accepted",
        ],
    )
}

#[test]
fn conflicting_aims_are_settled_by_negotiation() -> Tested {
    ends_the_same(
        "energy",
        &[
            "compensation-1: my answer comes too late",
            "negotiation compensation-1 of fault-agent with experience-agent: expired",
            "negotiation compensation-2 of fault-agent with experience-agent: agreed",
            "from now on the server answers for me",
            "energy-agent has died, and is started again",
            "the link of experience-agent drops",
            "negotiation awake of experience-agent with energy-agent: agreed",
            "save-less is done: as agreed: carriers",
            "undo: accepted",
        ],
    )
}

#[test]
fn complaints_in_free_text_are_looked_into_across_two_servers() -> Tested {
    ends_the_same(
        "complaints",
        &[
            "ticket-1 to complaints-b: Please look into this, which happened in your domain.",
            "complaints-a has died, and is started again",
            "server 1 is killed, and started again",
            "the link of ip-a is there again",
            "ticket-1-mobile-check: I have found it, if late",
            "task ticket-1-mobile-check of complaints-b to mobile-b: created, processing, finished, overdue",
            "ticket-1 is done: From the other domain: Dear customer,",
            "the log of server 1, replayed, gives the same data",
        ],
    )
}

/// The scenario happens as it is told, twice with one seed.
fn ends_the_same(scenario: &str, milestones: &[&str]) -> Tested {
    let (first, again) = (play(scenario, "7")?, play(scenario, "7")?);
    // Both come to their end, whatever the first says.
    let (first, again) = (digest(first), digest(again));
    let ((first, said), (again, said_again)) = (first?, again?);
    for milestone in milestones.iter().copied().chain(["the log of server 0, replayed, gives the same data"])
    {
        assert!(said.contains(milestone), "{milestone:?} is missing in\n{said}");
    }
    assert_eq!(first, again, "{said}\n{said_again}");
    Ok(())
}

#[test]
fn another_seed_is_another_story() -> Tested {
    let (one, other) = (play("energy", "1")?, play("energy", "2")?);
    let (one, said) = digest(one)?;
    assert_ne!(one, digest(other)?.0);
    // README.md shows what the first one comes to.
    let outcome = said.find(OUTCOME).and_then(|at| said.get(at..)).ok_or("there is no outcome")?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&file)?;
    let (before, shown) = readme.split_once(OUTCOME).ok_or("README.md shows no outcome")?;
    let (_, after) = shown.split_once("```").ok_or("README.md shows no end of it")?;
    let blessed = format!("{before}{outcome}```{after}");
    if std::env::var_os("README_BLESS").is_some() {
        return Ok(fs::write(file, blessed)?);
    }
    assert_eq!(readme, blessed);
    Ok(())
}

/// Starts a scenario.
fn play(scenario: &str, seed: &str) -> std::io::Result<Child> {
    let mut command = cargo("run", "scenarios");
    command.args(["--", scenario, "--seed", seed]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Cargo's verb for an example. What the cargo of this test says about the test is kept from it: some crates would be built anew.
fn cargo(verb: &str, example: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    let said = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(said)).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.args([verb, "--quiet", "--example", example]).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// The digest of a scenario that comes to its end, and all that it says.
fn digest(played: Child) -> Result<(String, String), Box<dyn Error + Send + Sync>> {
    let output = played.wait_with_output()?;
    let said = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("{said}\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let (_, digest) = said.rsplit_once(": digest ").ok_or("there is no digest")?;
    Ok((digest.trim().to_owned(), said))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_python_does_its_tasks_once_though_it_and_the_server_are_killed() -> Tested {
    let mut server = Server::start()?;
    let desk = server.desk()?;
    desk.register(&profile("desk")).await?;
    let mut events = desk.follow(Position::beginning());
    // What stands in an event may end a line for some.
    desk.register(&RegisterAgentInput { version: "1.0.0\u{2028}x".into(), ..profile("odd") }).await?;
    let agent = server.agent("examples/agent.py")?;
    is_registered(&mut events, "python-agent").await?;
    is_done(&desk, &mut events, "python-agent", "t-1").await?;

    // It negotiates: too little time is countered, also if it is so in other units, and enough is accepted.
    for (id, number, unit) in [("n-1", 30, "minutes"), ("n-2", 45, "seconds")] {
        let term = OpenNegotiationInputTerm {
            number: Some(Decimal64::whole(number)),
            unit: Some(unit.to_owned()),
            ..OpenNegotiationInputTerm::new("time")
        };
        let opening = OpenNegotiationInput {
            id: Some(id.to_owned()),
            term: vec![term],
            ..OpenNegotiationInput::new(NegotiationType::Feasibility, "desk", "python-agent")
        };
        desk.open_negotiation(&opening).await?;
        is_turn_of_desk(&mut events, id).await?;
        // It does not take its own offer for one of the other side.
        let question = RespondInput {
            content: Some("why?".to_owned()),
            ..RespondInput::new("desk", 2, NegotiationMove::Clarify)
        };
        desk.respond(id, &question).await?;
        is_turn_of_desk(&mut events, id).await?;
        let negotiation = desk.negotiation(id).await?.ok_or("it is gone")?;
        assert_eq!(negotiation.round[1].term[0].number, Some(Decimal64::whole(45)));
        assert_eq!(negotiation.round[3].move_, NegotiationMove::Clarify);
        desk.respond(id, &RespondInput::new("desk", 4, NegotiationMove::Accept)).await?;
    }

    // What happens while the agent or the server is away comes to it when both are back.
    drop(agent);
    assign(&desk, "python-agent", "t-2").await?;
    let agent = server.agent("examples/agent.py")?;
    is_finished(&desk, &mut events, "t-2").await?;
    server.kill_and_start()?;
    desk.until_reached(async || desk.task("t-2").await.map(drop)).await?;
    is_done(&desk, &mut events, "python-agent", "t-3").await?;
    drop(agent);
    // All that it has heard once more changes nothing, such as after a position of another server.
    fs::write(server.kept(), "1000000\n")?;
    let agent = server.agent("examples/agent.py")?;
    is_done(&desk, &mut events, "python-agent", "t-4").await?;
    drop(agent);
    for task in ["t-1", "t-2", "t-3", "t-4"] {
        let task = desk.task(task).await?.ok_or("it is gone")?;
        let statuses: Vec<TaskStatus> = task.history.change.iter().map(|change| change.status).collect();
        assert_eq!(statuses, [TaskStatus::Created, TaskStatus::Processing, TaskStatus::Finished], "{task:?}");
    }
    for negotiation in ["n-1", "n-2"] {
        let negotiation = desk.negotiation(negotiation).await?.ok_or("it is gone")?;
        assert_eq!((negotiation.status, negotiation.round.len()), (NegotiationStatus::Agreed, 5));
    }
    // What it may not do ends it, and is done once it may.
    let nacm = "/ietf-netconf-acm:nacm";
    let list = format!("{nacm}/rule-list[name='no']");
    let rules = [
        format!("{nacm}/groups/group[name='workers']/user-name=worker"),
        format!("{list}/group=workers"),
        format!("{list}/rule[name='tasks']/module-name=magent-task"),
        format!("{list}/rule[name='tasks']/access-operations=exec"),
        format!("{list}/rule[name='tasks']/action=deny"),
    ];
    let edit: Vec<&str> = ["edit"].into_iter().chain(rules.iter().map(String::as_str)).collect();
    agentconf(&edit, server.directory.path())?;
    let mut agent = server.agent("examples/agent.py")?;
    assign(&desk, "python-agent", "t-5").await?;
    let ended = async {
        loop {
            match agent.0.try_wait()? {
                Some(status) => return Ok::<_, Box<dyn Error + Send + Sync>>(status),
                None => desk.task("t-5").await?,
            };
        }
    };
    assert!(!tokio::time::timeout(LIMIT, ended).await??.success());
    agentconf(&["edit", "--delete", &list], server.directory.path())?;
    let _agent = server.agent("examples/agent.py")?;
    is_finished(&desk, &mut events, "t-5").await
}

async fn is_turn_of_desk(events: &mut Events, id: &str) -> Tested {
    let is_it = |event: &Event| matches!(event, Event::Negotiation(event) if event.negotiation == id && event.turn.as_deref() == Some("desk"));
    hear(events, is_it).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_rust_does_its_tasks_though_the_server_is_killed() -> Tested {
    let mut server = Server::start()?;
    let desk = server.desk()?;
    desk.register(&profile("desk")).await?;
    let mut events = desk.follow(Position::beginning());
    assert!(cargo("build", "agent").status()?.success());
    let _agent = server.runs(cargo("run", "agent"))?;
    is_registered(&mut events, "rust-agent").await?;
    is_done(&desk, &mut events, "rust-agent", "t-1").await?;
    server.kill_and_start()?;
    desk.until_reached(async || desk.task("t-1").await.map(drop)).await?;
    is_done(&desk, &mut events, "rust-agent", "t-2").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_shell_does_its_tasks() -> Tested {
    let server = Server::start()?;
    let desk = server.desk()?;
    desk.register(&profile("desk")).await?;
    let mut events = desk.follow(Position::beginning());
    let _agent = server.agent("examples/agent.sh")?;
    is_registered(&mut events, "shell-agent").await?;
    is_done(&desk, &mut events, "shell-agent", "t-1").await?;
    is_done(&desk, &mut events, "shell-agent", "say \"hello\"").await
}

fn profile(name: &str) -> RegisterAgentInput {
    RegisterAgentInput::new(name, "Gives tasks", "1.0.0", "test")
}

async fn assign(desk: &Agent, to: &str, id: &str) -> Tested {
    // An identifier that a path has to quote, and a text that a shell has to.
    let content = Some(format!("do {id}\nand \\ more"));
    desk.assign(&AssignTaskInput { id: Some(name_of(id)), content, ..AssignTaskInput::new("desk", to) })
        .await?;
    Ok(())
}

/// The identifier of a task that is called like this.
fn name_of(id: &str) -> String {
    id.replace([' ', '"'], "_")
}

async fn is_done(desk: &Agent, events: &mut Events, to: &str, id: &str) -> Tested {
    assign(desk, to, id).await?;
    is_finished(desk, events, id).await
}

async fn is_finished(desk: &Agent, events: &mut Events, id: &str) -> Tested {
    let name = name_of(id);
    let is_result = |event: &Event| matches!(event, Event::Task(event) if event.task == name && event.event == TaskEventEvent::ResultReported);
    hear(events, is_result).await?;
    desk.verify(&name, &VerifyInput::new(ResultVerdict::Accepted)).await?;
    let result = desk.task(&name).await?.and_then(|task| task.result).ok_or("there is no result")?;
    assert_eq!(result.content, Some(format!("Done: do {id}\nand \\ more")));
    Ok(())
}

async fn is_registered(events: &mut Events, name: &str) -> Tested {
    hear(events, |event| matches!(event, Event::Registry(change) if change.name == name)).await
}

/// Waits for an event.
async fn hear(events: &mut Events, is_it: impl Fn(&Event) -> bool) -> Tested {
    let wait = async {
        loop {
            if is_it(&events.next().await?) {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.map_err(|_| "the event does not come")?
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; the test has said so then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with a user for an agent.
struct Server {
    directory: tempfile::TempDir,
    address: String,
    token: String,
    process: Running,
}

impl Server {
    fn start() -> Result<Server, Box<dyn Error + Send + Sync>> {
        let directory = tempfile::tempdir()?;
        let (process, address) = serve(directory.path(), "127.0.0.1:0")?;
        agentconf(&["user", "add", "worker"], directory.path())?;
        let token = agentconf(&["token", "worker"], directory.path())?;
        Ok(Server { directory, address, token, process })
    }

    fn kill_and_start(&mut self) -> Tested {
        self.process.0.kill()?;
        self.process.0.wait()?;
        self.process = serve(self.directory.path(), &self.address)?.0;
        Ok(())
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("data/pki/ca.pem")
    }

    /// Where an agent keeps how far it has heard.
    fn kept(&self) -> PathBuf {
        self.directory.path().join("kept")
    }

    fn desk(&self) -> Result<Arc<Agent>, Box<dyn Error + Send + Sync>> {
        let token = fs::read_to_string(self.directory.path().join("data/admin.jwt"))?;
        let credentials = Credentials {
            authorities: vec![self.ca()],
            token: Some(Secret::new(token.trim())),
            ..Credentials::default()
        };
        Ok(Agent::new("desk", self.url().parse()?, credentials, Limits::default(), Retry::default()))
    }

    fn agent(&self, program: &str) -> Result<Running, Box<dyn Error + Send + Sync>> {
        self.runs(Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(program)))
    }

    fn runs(&self, mut command: Command) -> Result<Running, Box<dyn Error + Send + Sync>> {
        command.env("AGENTCONF_URL", self.url()).env("AGENTCONF_TOKEN", self.token.trim());
        command.env("AGENTCONF_CA", self.ca()).env("AGENTCONF_KEPT", self.kept());
        Ok(Running(command.spawn()?))
    }
}

/// Starts a server; where it listens.
fn serve(directory: &Path, address: &str) -> Result<(Running, String), Box<dyn Error + Send + Sync>> {
    let log = fs::File::options().create(true).append(true).open(directory.join("log"))?;
    let mut command = Command::new(BINARY);
    command.args(["serve", "--https", address, "--data"]).arg(directory.join("data"));
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
    let stdout = child.stdout.take().ok_or("the server has no output")?;
    let process = Running(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening https ").ok_or("the server does not listen")?;
    Ok((process, address.to_owned()))
}

/// What a verb writes about the server's directory.
fn agentconf(verb: &[&str], directory: &Path) -> Result<String, Box<dyn Error + Send + Sync>> {
    let output = Command::new(BINARY).args(verb).arg("--data").arg(directory.join("data")).output()?;
    assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
