//! Complaints about connected cars, in free text (the draft's section 2.3). The agent of domain A reads each ticket: what concerns
//! its own domain it has the network agents there look into; what concerns domain B it carries over to the server of B, where the
//! agent of that domain does the same.
//!
//! The texts are read by a handful of words, where a real agent would ask a language model; nothing else depends on that.

use agentconf::client::agent::Event;
use agentconf::clock::Clock;
use agentconf::yang::generated::magent_task::{AssignTaskInput, Task, TaskEventEvent};
use agentconf::yang::generated::magent_types::TaskStatus;

use crate::play::{Done, Me, Part, failed, is_accepted, is_unjudged, number, profile, result_text};
use crate::stage::{Cue, DESK, Role, Scenario, Trouble, is_created};

const COMPLAINTS_A: &str = "complaints-a";
const COMPLAINTS_B: &str = "complaints-b";
const MOBILE_B: &str = "mobile-b";

/// Types of tasks; the skills have the same names.
const COMPLAINT: &str = "complaint";
const MOBILE: &str = "mobile-check";
const TRANSPORT: &str = "ip-check";

/// How many tickets there are.
const TICKETS: u64 = 4;
/// How soon domain B wants to know of its mobile network, in seconds; elsewhere there is no deadline.
const DEADLINE: i64 = 3;
/// The places of domain A, and those of domain B.
const PLACES: [[&str; 3]; 2] = [["Oakham", "Penford", "Quarley"], ["Ridley", "Selby Moor", "Tarnbrook"]];
/// What drivers complain of.
const TROUBLES: [&str; 4] = [
    "every call dropped",
    "the map did not load",
    "there was no signal, and the update of the software stopped",
    "the emergency call did not get through",
];
/// The words that give away whose affair it is.
const WORDS: [(&str, &str); 4] =
    [("call", MOBILE), ("signal", MOBILE), ("map", TRANSPORT), ("update", TRANSPORT)];

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "complaints",
    servers: 2,
    cast: &[
        Role {
            ways: &[(0, false), (1, true)],
            dies_at: Some("carried over"),
            ..Role::restconf(COMPLAINTS_A)
        },
        Role::restconf("mobile-a"),
        Role::netconf("ip-a"),
        Role { ways: &[(1, false)], ..Role::restconf(COMPLAINTS_B) },
        Role { ways: &[(1, false)], is_late: true, ..Role::restconf(MOBILE_B) },
        Role { ways: &[(1, true)], ..Role::netconf("ip-b") },
    ],
    orders: |seed| (0..TICKETS).map(|index| ticket(seed, index)).collect(),
    cues: &[
        Cue {
            when: |server, event| server == 0 && is_created(event, "ticket"),
            trouble: Trouble::Cut("ip-a"),
        },
        Cue {
            when: |server, event| {
                let is_begun = |event: &Event| {
                    matches!(event, Event::Task(event)
                    if event.to == MOBILE_B && event.event == TaskEventEvent::StatusChanged)
                };
                server == 1 && is_begun(event)
            },
            trouble: Trouble::Kill(1),
        },
    ],
};

/// A ticket as the complaint system sends it: nothing but text. The first one is of domain A, the second of domain B.
fn ticket(seed: u64, index: u64) -> AssignTaskInput {
    let of = |what: &str, end: usize| number(seed, &format!("{what} {index}"), end as u64) as usize;
    let domain = if index < 2 { index as usize } else { of("domain", 2) };
    let place = PLACES[domain][of("place", 3)];
    // The one of domain B that waits for its mobile network has to have to do with that.
    let trouble = TROUBLES[if index == 1 { 2 } else { of("trouble", TROUBLES.len()) }];
    let (hour, minute) = (6 + of("hour", 14), 10 + of("minute", 50));
    let content = format!(
        "A customer writes: near {place}, at about {hour}:{minute}, {trouble}. The car is number {}, and I am not amused.",
        100 + of("car", 900)
    );
    AssignTaskInput {
        id: Some(format!("ticket-{index}")),
        type_: Some(COMPLAINT.to_owned()),
        context: Some(format!("ticket-{index}")),
        content: Some(content),
        ..AssignTaskInput::new(DESK, COMPLAINTS_A)
    }
}

/// Plays one of the cast: at one server, or at two.
pub async fn play(agents: &[Me]) -> Done {
    let (home, away) = match agents {
        [home] => (home, None),
        [home, away] => (home, Some(away)),
        _ => return Err(failed("nobody plays at so many servers")),
    };
    let Some((kind, domain)) = home.name().rsplit_once('-') else { return Err(failed("nobody plays that")) };
    let domain = domain.to_uppercase();
    if kind != "complaints" {
        let profile = profile(home.name(), "Looks into its network", &domain, &[&format!("{kind}-check")]);
        return home.play(&profile, &Network).await;
    }
    let profile = profile(home.name(), "Looks into complaints", &domain, &[COMPLAINT]);
    let at_home = Complaints { domain, away };
    match away {
        None => home.play(&profile, &at_home).await,
        Some(away) => {
            let abroad = Abroad { home };
            tokio::try_join!(home.play(&profile, &at_home), away.play(&profile, &abroad)).map(drop)
        }
    }
}

/// The agent of a domain that looks into complaints.
struct Complaints<'a> {
    domain: String,
    /// The same agent at the server of the other domain.
    away: Option<&'a Me>,
}

impl Part for Complaints<'_> {
    async fn executes(&self, me: &Me, task: Task) -> Done {
        match task.status {
            TaskStatus::Created => me.begins(&task, format_args!("{}: I read what it says", task.id)).await,
            TaskStatus::Processing => self.look_into(me, &task).await,
            _ => Ok(()),
        }
    }

    async fn assigned(&self, me: &Me, task: Task) -> Done {
        if is_unjudged(&task) {
            return me.verifies(&task, &[]).await;
        }
        match me.task(task.parent.as_deref().unwrap_or_default()).await? {
            Some(ticket) if is_accepted(&task) && ticket.status == TaskStatus::Processing => {
                self.look_into(me, &ticket).await
            }
            _ => Ok(()),
        }
    }
}

impl Complaints<'_> {
    /// Has every network look that the text speaks of, or the other domain; gathers what they have found.
    async fn look_into(&self, me: &Me, ticket: &Task) -> Done {
        let text = ticket.content.as_deref().unwrap_or_default();
        if let Some(away) = self.away.filter(|_| domain_of(text) != Some(self.domain.as_str())) {
            if away.task(&ticket.id).await?.is_none() {
                let to = away.finds(COMPLAINT, domain_of(text).unwrap_or_default()).await?;
                let what = format!("Please look into this, which happened in your domain. {text}");
                let order = away.order(&ticket.id, &to, COMPLAINT, what);
                away.assigns(AssignTaskInput { context: ticket.context.clone(), ..order }, None).await?;
                me.may_die("carried over");
            }
            return Ok(());
        }
        let mut found = Vec::new();
        let skills = skills_of(text);
        for skill in &skills {
            let id = format!("{}-{skill}", ticket.id);
            match me.task(&id).await? {
                Some(check) if is_accepted(&check) => found.push(result_text(&check).to_owned()),
                Some(_) => {}
                None => {
                    let to = me.finds(skill, &self.domain).await?;
                    let soon = || Clock::system().now().saturating_add_seconds(DEADLINE).to_string();
                    let order = AssignTaskInput {
                        parent: Some(ticket.id.clone()),
                        context: ticket.context.clone(),
                        deadline: (to == MOBILE_B).then(soon),
                        ..me.order(&id, &to, skill, text)
                    };
                    me.assigns(order, None).await?;
                }
            }
        }
        match found.len() == skills.len() {
            true => me.finishes(ticket, &format!("Dear customer, {}.", found.join(", and ")), None).await,
            false => Ok(()),
        }
    }
}

/// The agent of a domain at the server of the other one: carries back what was found there.
struct Abroad<'a> {
    home: &'a Me,
}

impl Part for Abroad<'_> {
    async fn assigned(&self, me: &Me, task: Task) -> Done {
        if is_unjudged(&task) {
            return me.verifies(&task, &[]).await;
        }
        match self.home.task(&task.id).await? {
            Some(ticket) if is_accepted(&task) && ticket.status == TaskStatus::Processing => {
                self.home
                    .finishes(&ticket, &format!("From the other domain: {}", result_text(&task)), None)
                    .await
            }
            _ => Ok(()),
        }
    }
}

/// The agent of a network.
struct Network;

impl Part for Network {
    async fn executes(&self, me: &Me, task: Task) -> Done {
        match task.status {
            TaskStatus::Created => me.begins(&task, format_args!("{}: I look", task.id)).await,
            // One who is slow has not looked before the deadline has passed.
            TaskStatus::Processing if me.is_late && task.overdue != Some(true) => Ok(()),
            TaskStatus::Processing => {
                let found = match (task.type_.as_deref(), me.number(&task.id, 2)) {
                    (Some(MOBILE), 0) => {
                        "a neighbour was missing at the border of two cells; it is there now"
                    }
                    (Some(MOBILE), _) => "the cell was full; it has another carrier now",
                    (_, 0) => "the line to the cloud was full; there is another way now",
                    _ => "a name server was out of service; it is back",
                };
                let late = if me.is_late { ", if late" } else { "" };
                me.says(format_args!("{}: I have found it{late}", task.id));
                me.finishes(&task, found, None).await
            }
            _ => Ok(()),
        }
    }
}

/// The domain of the place that a text names.
fn domain_of(text: &str) -> Option<&'static str> {
    let is_named = |places: &[&str; 3]| places.iter().any(|place| text.contains(place));
    PLACES.iter().position(is_named).and_then(|index| ["A", "B"].get(index).copied())
}

/// Who has to look into what a text complains of, each once.
fn skills_of(text: &str) -> Vec<&'static str> {
    let mut skills: Vec<&str> =
        WORDS.iter().filter(|(word, _)| text.contains(word)).map(|(_, skill)| *skill).collect();
    skills.sort_unstable();
    skills.dedup();
    skills
}
