//! The stage of a scenario: servers, agents and the links between them as processes and ports; the trouble that befalls them; and
//! in the end, what everything came to. It plays no part but that of the desk, which gives the first orders.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use agentconf::client::agent::{Agent, Event, Position};
use agentconf::server::files::{self, Readers};
use agentconf::yang::generated::magent_registry::RegistryChangeChange;
use agentconf::yang::generated::magent_task::{AssignTaskInput, TaskEventEvent, VerifyInput};
use agentconf::yang::generated::magent_types::{ResultVerdict, TaskStatus};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::digest::{self, Outcome};
use crate::link::Link;
use crate::play::{Failure, Me, Way, profile, tell};
use crate::servers::{Process, Server, agentconf};

/// The agent that gives the first orders and judges what comes of them.
pub const DESK: &str = "desk";
/// How long a whole story may take.
const LIMIT: Duration = Duration::from_secs(240);
/// How many attempts to connect fail when a link drops.
const ATTEMPTS: u32 = 2;

/// A story.
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// How many servers there are.
    pub servers: usize,
    /// The agents.
    pub cast: &'static [Role],
    /// The orders of the desk on the first server, by the seed.
    pub orders: fn(u64) -> Vec<AssignTaskInput>,
    /// The trouble.
    pub cues: &'static [Cue],
}

/// An agent of a story: a process, and a user of the name.
#[derive(Clone, Copy)]
pub struct Role {
    /// Its name in the registry.
    pub name: &'static str,
    /// The servers that it speaks with, and whether over NETCONF; else over RESTCONF.
    pub ways: &'static [(usize, bool)],
    /// Where it dies; it is started again.
    pub dies_at: Option<&'static str>,
    /// Whether it is slow, where its part says how.
    pub is_late: bool,
    /// Whether it is told of its tasks by requests; else it follows the events.
    pub is_told: bool,
}

impl Role {
    /// One that speaks RESTCONF with the first server.
    pub const fn restconf(name: &'static str) -> Role {
        Role { name, ways: &[(0, false)], dies_at: None, is_late: false, is_told: false }
    }

    /// One that speaks NETCONF over TLS with the first server.
    pub const fn netconf(name: &'static str) -> Role {
        Role { name, ways: &[(0, true)], dies_at: None, is_late: false, is_told: false }
    }
}

/// When what trouble happens; once.
pub struct Cue {
    /// At which event of which server.
    pub when: fn(usize, &Event) -> bool,
    /// What happens.
    pub trouble: Trouble,
}

/// What can happen to a story from outside.
pub enum Trouble {
    /// The links of an agent drop.
    Cut(&'static str),
    /// A server is killed and started again.
    Kill(usize),
}

/// Whether a task is assigned whose identifier begins like this.
pub fn is_created(event: &Event, id: &str) -> bool {
    matches!(event, Event::Task(event) if event.event == TaskEventEvent::Created && event.task.starts_with(id))
}

/// What a process that plays a role is told, in a file.
#[derive(Serialize, Deserialize)]
pub struct Script {
    /// The scenario.
    pub scenario: String,
    /// The role.
    pub role: String,
    seed: u64,
    ways: Vec<Way>,
    dies_at: Option<String>,
    is_late: bool,
    is_told: bool,
}

impl Script {
    /// Reads it.
    pub fn read(file: &Path) -> Result<Script, Failure> {
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }

    /// The agent at each of its servers. What it keeps lies beside the script.
    pub fn agents(&self, file: &Path) -> Result<Vec<Me>, Failure> {
        let me = |(index, way): (usize, &Way)| {
            let kept = file.with_extension(format!("{index}.position"));
            Ok(Me::new(
                way.agent(&self.role)?,
                self.seed,
                self.dies_at.clone(),
                self.is_late,
                self.is_told,
                kept,
            ))
        };
        self.ways.iter().enumerate().map(me).collect()
    }
}

/// Plays a story to its end; the digest of what it came to.
pub async fn run(scenario: &Scenario, seed: u64) -> Result<String, Failure> {
    let directory = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for index in 0..scenario.servers {
        servers.push(Server::start(index, directory.path(), scenario.cast)?);
    }
    let (told, mut hears) = mpsc::channel(100);
    let mut desks = Vec::new();
    for server in &servers {
        let desk = server.desk()?;
        tokio::spawn(follow(server.index, Arc::clone(&desk), told.clone()));
        desks.push(desk);
    }
    let mut stage = Stage { scenario, servers, troupe: Vec::new(), cues: scenario.cues.iter().collect() };
    for role in scenario.cast {
        let player =
            Player::new(scenario, role, seed, &stage.servers, directory.path(), told.clone()).await?;
        stage.troupe.push(player);
    }
    let played = tokio::time::timeout(LIMIT, stage.play(&desks, seed, &mut hears)).await;
    played.unwrap_or_else(|_| Err("the time is over".into()))?;

    stage.troupe.clear();
    let mut outcomes = Vec::new();
    for desk in &desks {
        outcomes.push(Outcome::read(desk).await?);
    }
    drop(desks);
    for (server, shown) in stage.servers.into_iter().zip(&outcomes) {
        let (index, data) = (server.index, server.stop()?);
        let replayed =
            Outcome::replayed(&agentconf(&["log", "replay", "--datastore", "operational"], &data)?)?;
        if replayed != *shown {
            return Err(format!("the log of server {index} tells otherwise:\n{replayed:?}\n{shown:?}").into());
        }
        tell("the stage", format_args!("the log of server {index}, replayed, gives the same data"));
    }
    println!();
    let text = digest::lines(&outcomes)?;
    print!("{text}");
    Ok(digest::of(&text))
}

/// What reaches the stage.
enum Heard {
    Event(usize, Event),
    /// A process of the cast writes no more.
    Ended(usize),
    Failed(Failure),
}

async fn follow(server: usize, desk: Arc<Agent>, told: mpsc::Sender<Heard>) {
    let mut events = desk.follow(Position::beginning());
    loop {
        let heard = match events.next().await {
            Ok(event) => Heard::Event(server, event),
            Err(error) => Heard::Failed(error.into()),
        };
        // Nobody listens any more when the story is over.
        if told.send(heard).await.is_err() {
            return;
        }
    }
}

struct Stage<'s> {
    scenario: &'s Scenario,
    servers: Vec<Server>,
    troupe: Vec<Player>,
    /// The trouble that is still to come.
    cues: Vec<&'s Cue>,
}

impl Stage<'_> {
    /// Until every order of the desk has a result that it accepts.
    async fn play(
        &mut self,
        desks: &[Arc<Agent>],
        seed: u64,
        hears: &mut mpsc::Receiver<Heard>,
    ) -> Result<(), Failure> {
        let desk = desks.first().ok_or("there is no server")?;
        desk.register(&profile(DESK, "Gives the first orders", "Desk", &[])).await?;
        let orders = (self.scenario.orders)(seed);
        let places = |role: &Role| role.ways.iter().map(|(server, _)| (*server, role.name.to_owned()));
        let mut missing: BTreeSet<(usize, String)> = self.scenario.cast.iter().flat_map(places).collect();
        let mut open = orders.len();
        while open > 0 {
            match hears.recv().await.ok_or("nothing is heard any more")? {
                Heard::Failed(failure) => return Err(failure),
                Heard::Ended(index) => self.start_again(index)?,
                Heard::Event(server, event) => {
                    match &event {
                        Event::Registry(change) if change.change == RegistryChangeChange::Registered => {
                            let is_expected = missing.remove(&(server, change.name.clone()));
                            if is_expected && missing.is_empty() {
                                tell(DESK, "everybody is here");
                                for order in &orders {
                                    desk.assign(order).await?;
                                    let said = order.content.as_deref().unwrap_or_default();
                                    tell(DESK, format_args!("{}: {said}", order.to));
                                }
                            }
                        }
                        Event::Task(event) if server == 0 && event.from == DESK => {
                            let is_result = event.event == TaskEventEvent::ResultReported;
                            if is_result && event.status == TaskStatus::Finished {
                                desk.verify(&event.task, &VerifyInput::new(ResultVerdict::Accepted)).await?;
                                tell(DESK, format_args!("{}: accepted", event.task));
                                open -= 1;
                            }
                        }
                        _ => {}
                    }
                    self.trouble(server, &event)?;
                }
            }
        }
        match self.cues.is_empty() && self.troupe.iter().all(|player| player.role.dies_at.is_none()) {
            true => Ok(()),
            false => Err("the trouble did not come".into()),
        }
    }

    fn trouble(&mut self, server: usize, event: &Event) -> Result<(), Failure> {
        let due = self.cues.extract_if(.., |cue| (cue.when)(server, event)).collect::<Vec<_>>();
        for cue in due {
            match cue.trouble {
                Trouble::Cut(name) => {
                    tell("the stage", format_args!("the link of {name} drops"));
                    let players = self.troupe.iter().filter(|player| player.role.name == name);
                    players.flat_map(|player| &player.links).for_each(|link| link.cut(ATTEMPTS));
                }
                Trouble::Kill(index) => {
                    tell("the stage", format_args!("server {index} is killed, and started again"));
                    self.servers.get_mut(index).ok_or("there is no such server")?.kill_and_start()?;
                }
            }
        }
        Ok(())
    }

    /// Who was to die and was killed is started again; anybody else has given up.
    fn start_again(&mut self, index: usize) -> Result<(), Failure> {
        let player = self.troupe.get_mut(index).ok_or("there is no such player")?;
        let name = player.role.name;
        let ended = player.process.as_mut().ok_or("it does not run")?.ended()?;
        if !is_killed(ended) || player.role.dies_at.take().is_none() {
            return Err(format!("{name} gave up: {ended}").into());
        }
        tell("the stage", format_args!("{name} has died, and is started again"));
        player.start()
    }
}

/// Whether that is how [`Me::may_die`] ends a process.
fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(rustix::process::Signal::KILL.as_raw())
}

/// A process of the cast, which ends with this.
struct Player {
    index: usize,
    role: Role,
    script: Script,
    file: PathBuf,
    links: Vec<Link>,
    told: mpsc::Sender<Heard>,
    process: Option<Process>,
}

impl Player {
    async fn new(
        scenario: &Scenario,
        role: &Role,
        seed: u64,
        servers: &[Server],
        directory: &Path,
        told: mpsc::Sender<Heard>,
    ) -> Result<Player, Failure> {
        let (mut links, mut ways) = (Vec::new(), Vec::new());
        for (index, is_netconf) in role.ways {
            let server = servers.get(*index).ok_or("there is no such server")?;
            let (scheme, address) = if *is_netconf { ("tls", server.tls) } else { ("https", server.https) };
            let link = Link::to(address, role.name).await?;
            ways.push(server.way(&format!("{scheme}://{}", link.address), role.name)?);
            links.push(link);
        }
        let script = Script {
            scenario: scenario.name.to_owned(),
            role: role.name.to_owned(),
            seed,
            ways,
            dies_at: role.dies_at.map(str::to_owned),
            is_late: role.is_late,
            is_told: role.is_told,
        };
        let index = scenario.cast.iter().position(|other| other.name == role.name).unwrap_or_default();
        let file = directory.join(format!("{}.json", role.name));
        let mut player = Player { index, role: *role, script, file, links, told, process: None };
        player.start()?;
        Ok(player)
    }

    fn start(&mut self) -> Result<(), Failure> {
        self.script.dies_at = self.role.dies_at.map(str::to_owned);
        files::replace(&self.file, &serde_json::to_string(&self.script)?, Readers::Owner)?;
        let mut command = Command::new(std::env::current_exe()?);
        let (process, lines) = Process::start(command.arg("play").arg(&self.file))?;
        let (told, index) = (self.told.clone(), self.index);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| println!("{line}"));
            // Nobody listens any more when the story is over.
            let _ = told.blocking_send(Heard::Ended(index));
        });
        self.process = Some(process);
        Ok(())
    }
}
