//! What clients ask for, drawn by chance from what there is. Nothing is asked here.

use agentconf::clock::Timestamp;
use agentconf::engine::{Candidate, Confirm, Datastore, Lockable, Locking, Management, State, Verdict};
use agentconf::negotiation::policies::Said;
use agentconf::tasks::callbacks::{Place, Progress};
use agentconf::tasks::life_cycle;
use agentconf::yang::generated::ietf_netconf_acm::nodes::NACM;
use agentconf::yang::generated::irtf_agent::nodes as draft;
use agentconf::yang::generated::magent_access::nodes as access;
use agentconf::yang::generated::magent_policy::SetAside;
use agentconf::yang::generated::magent_policy::nodes as policy;
use agentconf::yang::generated::magent_registry::nodes as registry;
use agentconf::yang::generated::magent_task::{Task, nodes as n};
use agentconf::yang::generated::magent_types::TaskStatus;
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::schema::Node;
use agentconf::yang::tree::Key;
use serde_json::{Value as Json, json};

use super::random::Random;

/// Who has an agent of its own, named `USER-agent`.
pub const OWNERS: [&str; 3] = ["ann", "bob", "cyd"];
/// Who acts for others by delegation, and who has nothing to do with anybody.
pub const DELEGATE: &str = "dee";
pub const STRANGER: &str = "eve";
pub const USERS: [&str; 6] = ["ann", "bob", "cyd", DELEGATE, STRANGER, "admin"];
/// What no record says.
pub const SECRET: &str = "nobodyguessesthis";
/// What no move may say.
pub const FORGED: &str = "<b>forged</b>";
pub const SKILLS: [&str; 3] = ["diagnose", "repair", "plan"];

/// A request that can be made again.
#[derive(Debug, Clone)]
pub enum Request {
    Invoke {
        operation: &'static Node,
        target: Option<InstancePath>,
        input: Json,
    },
    /// A value to put there, or none to remove what is there.
    Edit {
        datastore: Datastore,
        path: InstancePath,
        value: Option<Json>,
    },
    Manage(Management),
    Lock(Locking),
    Begin,
    End,
    /// What a model says that was asked.
    Judge(Verdict),
    /// How far reports have come.
    Delivered(Vec<(Place, Progress)>),
}

impl Request {
    /// The same under another identifier, if it has one.
    pub fn renamed(mut self) -> Request {
        if let Request::Invoke { input, .. } = &mut self
            && let Some(id) = input.get("id").and_then(Json::as_str)
        {
            input["id"] = json!(format!("{id}-again"));
        }
        self
    }
}

pub fn plain(nodes: &[&'static Node]) -> InstancePath {
    InstancePath { steps: nodes.iter().map(|node| Step::plain(node)).collect() }
}

pub fn entry(above: &[&'static Node], list: &'static Node, key: &str) -> InstancePath {
    plain(above).child(Step { node: list, selector: Selector::Key(Key::string(key)) })
}

pub fn agent(name: &str) -> InstancePath {
    entry(&[&registry::REGISTRY, &registry::REGISTRY_AGENTS], &registry::REGISTRY_AGENTS_AGENT, name)
}

pub fn task(id: &str) -> InstancePath {
    entry(&[&n::INTERACTION, &n::INTERACTION_TASKS], &n::INTERACTION_TASKS_TASK, id)
}

pub fn negotiation(id: &str) -> InstancePath {
    let above: [&'static Node; 2] = [&n::INTERACTION, &n::INTERACTION_NEGOTIATIONS];
    entry(&above, &n::INTERACTION_NEGOTIATIONS_NEGOTIATION, id)
}

pub fn register(user: &str, version: u64, lifetime: u64, skills: &[&str]) -> Request {
    let skills: Vec<Json> =
        skills.iter().map(|skill| json!({"skill-name": skill, "skill-tags": ["fault"]})).collect();
    let input = json!({"name": format!("{user}-agent"), "description": "d", "version": format!("{version}.0.0"),
        "provider": "p", "lifetime": lifetime, "skills": {"skill": skills}});
    Request::Invoke { operation: &registry::REGISTER_AGENT, target: None, input }
}

pub fn assign(from: &str, to: &str, number: u64) -> Json {
    json!({"id": format!("t-{from}-{to}-{number}"), "from": format!("{from}-agent"), "to": format!("{to}-agent"),
        "content": format!("intent {number}.")})
}

/// `held_for` is how many seconds an agreement waits for its order, if not for ever.
pub fn set_capacity(user: &str, amount: u64, held_for: Option<u64>) -> Request {
    let mut capacity = json!({"term": "bandwidth", "amount": amount.to_string()});
    if let Some(seconds) = held_for {
        capacity["held-for"] = json!(seconds);
    }
    let input = json!({"agent": format!("{user}-agent"), "capacity": [capacity]});
    invoke(&policy::SET_CAPACITY, None, input)
}

/// Draws what a user asks for. `number` is new each time; `now` is the time of the clock.
pub fn draw(
    random: &mut Random,
    user: &str,
    in_session: bool,
    number: u64,
    state: &State,
    now: Timestamp,
) -> Request {
    match user {
        "admin" => by_administrator(random, in_session, number),
        STRANGER => by_stranger(random, number, state),
        DELEGATE => {
            let owner = *random.pick(&OWNERS);
            for_agent(random, owner, number, state, now)
        }
        user => for_agent(random, user, number, state, now),
    }
}

fn invoke(operation: &'static Node, target: Option<InstancePath>, input: Json) -> Request {
    Request::Invoke { operation, target, input }
}

fn for_agent(random: &mut Random, own: &str, number: u64, state: &State, now: Timestamp) -> Request {
    let mut other = *random.pick(&OWNERS);
    if other == own && random.chance(80) {
        other = OWNERS.into_iter().find(|user| *user != own).unwrap_or(other);
    }
    let name = format!("{own}-agent");
    let soon = |random: &mut Random, most| {
        now.saturating_add_seconds(i64::try_from(random.within(5, most)).expect("small")).to_string()
    };
    match random.below(100) {
        0..6 => {
            let most = usize::try_from(random.within(1, 3)).expect("small");
            register(own, random.within(1, 3), random.within(100, 2000), &SKILLS[..most])
        }
        12..16 => {
            invoke(&registry::REGISTRY_AGENTS_AGENT_RENEW, Some(agent(&name)), json!({"lifetime": 600}))
        }
        9..10 => invoke(&registry::REGISTRY_AGENTS_AGENT_DEREGISTER, Some(agent(&name)), json!({})),
        10..28 => {
            let mut input = assign(own, other, number);
            if random.chance(50) {
                input["deadline"] = json!(soon(random, 200));
            }
            if random.chance(40) {
                input["context"] = json!(format!("c-{own}-{other}-{}", random.below(3)));
            }
            if random.chance(25) {
                input["asynchronous"] = json!(false);
                input["timeout"] = json!(random.within(1, 30));
            }
            invoke(&n::ASSIGN_TASK, None, input)
        }
        28..50 => about_task(random, own, number, state),
        50..56 => about_policy(random, own, number, state),
        56..66 => {
            let mut input = json!({"id": format!("n-{own}-{other}-{number}"), "type": "magent-task:feasibility",
                "from": name, "to": format!("{other}-agent"), "content": format!("intent {number}."),
                "lifetime": random.within(30, 600), "max-rounds": random.within(2, 6)});
            if random.chance(30) {
                input["deadline"] = json!(soon(random, 300));
            }
            if random.chance(70) {
                input["max-rounds"] = json!(random.within(2, 60));
                input["term"] = terms(random);
            }
            if random.chance(20) {
                input["term"] = Json::Null;
                input.as_object_mut().map(|input| input.remove("term"));
                return invoke(&policy::OPEN_BY_POLICY, None, input);
            }
            invoke(&n::OPEN_NEGOTIATION, None, input)
        }
        66..80 => about_negotiation(random, own, state),
        80..86 => {
            let id = format!("o-{own}-{}", random.below(6));
            invoke(&n::PUT_DATA, None, json!({"id": id, "from": name, "text": format!("text {number}")}))
        }
        86..92 => edit(random, Datastore::Running, number),
        92..95 => {
            let order = json!({"irtf-agent:tasks": {"task-sendFrom": name, "task-sendTo": format!("{other}-agent"),
                "content": format!("##target object x{number}##task description diagnose")}});
            Request::Edit { datastore: Datastore::Running, path: plain(&[&draft::TASKS]), value: Some(order) }
        }
        95..99 => {
            let rights = [("assign", "read"), ("read", "data"), ("negotiate", "data"), ("work", "profile")];
            let (one, other) = *random.pick(&rights);
            let may = [one, other];
            let input = json!({"delegate": DELEGATE, "may": may, "lifetime": random.within(10, 200)});
            invoke(&registry::REGISTRY_AGENTS_AGENT_DELEGATE, Some(agent(&name)), input)
        }
        _ => invoke(&registry::REVOKE_DELEGATION, None, json!({"id": random.within(1, 20)})),
    }
}

/// Mostly what the user's agent can do now with a task of its own; sometimes anything.
fn about_task(random: &mut Random, own: &str, number: u64, state: &State) -> Request {
    let name = format!("{own}-agent");
    let is_wild = random.chance(20);
    let mut tasks = ids(state.tasks.tasks().as_ref());
    tasks.retain(|id| {
        let is_own =
            |task: &Task| (task.from == name || task.to == name) && !life_cycle::has_ended(task.status);
        let is_done = |task: &Task| task.from == name && task.result.is_some();
        is_wild || state.tasks.get(id).is_some_and(|task| is_own(&task) || is_done(&task))
    });
    let id = if tasks.is_empty() { "none".to_owned() } else { random.pick(&tasks).clone() };
    let task_of = state.tasks.get(&id);
    let does_work = task_of.as_ref().is_some_and(|task| task.to == name);
    let status = task_of.as_ref().map(|task| task.status);
    let report = &n::INTERACTION_TASKS_TASK_REPORT;
    let finished = |number| json!({"status": "finished", "result": {"content": format!("result {number}")}});
    let blocked = || json!({"status": "blocked", "input-request": {"content": "which?"}});
    let choice = match status {
        _ if is_wild => random.below(10),
        Some(TaskStatus::Created) if does_work => 0,
        _ if does_work => random.below(4),
        Some(TaskStatus::Finished) => 9,
        Some(TaskStatus::Blocked) => 5,
        Some(TaskStatus::Suspended) => 8,
        _ => random.within(5, 9),
    };
    let (operation, input): (&'static Node, Json) = match choice {
        0 | 1 => (report, json!({"status": "processing", "progress": random.below(101)})),
        2 => (report, finished(number)),
        3 => (report, blocked()),
        4 => (report, json!({"status": "failed", "reason": "no"})),
        5 => (&n::INTERACTION_TASKS_TASK_ANSWER, json!({"request": random.within(1, 2), "content": "that"})),
        6 => (&n::INTERACTION_TASKS_TASK_CANCEL, json!({})),
        7 => (&n::INTERACTION_TASKS_TASK_SUSPEND, json!({})),
        8 => (&n::INTERACTION_TASKS_TASK_RESUME, json!({})),
        _ => (&n::INTERACTION_TASKS_TASK_VERIFY, json!({"verdict": "accepted"})),
    };
    invoke(operation, Some(task(&id)), input)
}

/// What is proposed: some of what an agent can have declared a capacity of, for a price.
fn terms(random: &mut Random) -> Json {
    json!([{"name": "price", "number": random.within(0, 110).to_string()},
        {"name": "bandwidth", "number": random.within(0, 60).to_string()}])
}

/// What the user's agent gives the server to negotiate with. The name of a policy says whose it is, and how many hundredths of
/// what it can have it reserves.
fn about_policy(random: &mut Random, own: &str, number: u64, state: &State) -> Request {
    let agent = format!("{own}-agent");
    match random.below(12) {
        0..3 => {
            let reserved = random.within(0, 90);
            let (cheap, dear) = if own == "ann" { ("1", "0") } else { ("0", "1") };
            let worth = json!([{"at": "0", "worth": cheap}, {"at": "100", "worth": dear}]);
            let price = json!({"min": "0", "max": "100", "step": "5", "point": worth});
            let bandwidth = json!({"min": "0", "max": "60", "step": "20"});
            let term =
                json!([{"name": "price", "number": price}, {"name": "bandwidth", "number": bandwidth}]);
            let input = json!({"agent": agent, "name": format!("private-{own}-{reserved}"), "term": term,
                "reservation": format!("{}", f64::from(u32::try_from(reserved).expect("small")) / 100.0),
                "strategy": *random.pick(&["default-strategy", "time-dependent", "micro"]),
                "judgement": {"rank": number.is_multiple_of(4), "word": number.is_multiple_of(3), "times": 3}});
            invoke(&policy::SET_POLICY, None, input)
        }
        3..6 => {
            let amount = random.within(0, 150);
            let held_for = random.chance(50).then(|| random.within(1, 120));
            set_capacity(own, amount, held_for)
        }
        6..7 => {
            let name = format!("private-{own}-{}", random.within(0, 90));
            invoke(&policy::REMOVE_POLICY, None, json!({"agent": agent, "name": name}))
        }
        kind => {
            let all = ids(state.negotiations.entries().as_ref());
            let id = if all.is_empty() { "none".to_owned() } else { random.pick(&all).clone() };
            if kind < 9 {
                // Few negotiations promise something: one of the agent's own that was agreed, if there is one.
                let agreed = |id: &&String| {
                    let course = state.negotiations.get(id).filter(|course| course.agreed().is_some());
                    course.is_some_and(|course| {
                        course.head.initiator == agent || course.head.responder == agent
                    })
                };
                let own: Vec<&String> = all.iter().filter(agreed).collect();
                let id = if own.is_empty() { &id } else { *random.pick(&own) };
                return invoke(&policy::RELEASE_COMMITMENT, None, json!({"agent": agent, "negotiation": id}));
            }
            let Some(course) = state.negotiations.get(&id) else {
                return invoke(&policy::ADVISE_MOVE, None, json!({"agent": agent, "negotiation": id}));
            };
            // The order that carries it out, if it is agreed.
            let to =
                if course.head.initiator == agent { &course.head.responder } else { &course.head.initiator };
            let order = json!({"id": format!("t-{own}-{}-{number}", to.trim_end_matches("-agent")), "from": agent,
                "to": to, "content": format!("intent {number}."), "negotiation": id});
            invoke(&n::ASSIGN_TASK, None, order)
        }
    }
}

/// Mostly a move of the agent whose turn it is; sometimes anything.
fn about_negotiation(random: &mut Random, own: &str, state: &State) -> Request {
    let name = format!("{own}-agent");
    let is_wild = random.chance(20);
    let mut all = ids(state.negotiations.entries().as_ref());
    all.retain(|id| {
        let turn = state.negotiations.get(id).and_then(|course| course.head.turn.as_deref());
        is_wild || turn == Some(name.as_str())
    });
    let id = if all.is_empty() { "none".to_owned() } else { random.pick(&all).clone() };
    let rounds = state.negotiations.get(&id).map_or(1, |course| course.latest().max(1));
    let made = match random.chance(40) {
        true => "accept",
        false => *random.pick(&["counter", "counter", "counter", "clarify", "reject", "withdraw", "propose"]),
    };
    let mut input = json!({"from": name, "in-reply-to": rounds, "move": made});
    if ["counter", "clarify", "propose"].contains(&made) {
        input["content"] = json!("rather this");
    }
    if ["counter", "propose"].contains(&made) && random.chance(60) {
        input["term"] = terms(random);
    }
    invoke(&n::INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPOND, Some(negotiation(&id)), input)
}

/// What a model says about a move that waits for it, or about none: as often nonsense as not.
pub fn judge(random: &mut Random, state: &State) -> Request {
    let waiting: Vec<(String, u64, usize)> = state
        .negotiations
        .awaiting_judgement()
        .filter_map(|(id, course)| {
            course.asked().map(|(at, asked)| (id.to_string(), at, asked.options.len()))
        })
        .collect();
    let (negotiation, asked_at, options) = match waiting.is_empty() || random.chance(10) {
        true => ("none".to_owned(), random.within(1, 100), 1),
        false => random.pick(&waiting).clone(),
    };
    let options = i64::try_from(options).expect("small");
    let choice = i64::try_from(random.within(0, 12)).expect("small") - 1;
    let words = ["Gladly.", FORGED, "Accept 1234567, now.", ""];
    let said = match random.below(10) {
        0..5 => {
            Said::Answer { choice: Some(1 + choice.rem_euclid(options)), content: Some("Gladly.".to_owned()) }
        }
        5..8 => {
            let content = random.chance(80).then(|| (*random.pick(&words)).to_owned());
            Said::Answer { choice: random.chance(80).then_some(choice), content }
        }
        _ => Said::Nothing(*random.pick(&[SetAside::Late, SetAside::Nonsense])),
    };
    Request::Judge(Verdict { negotiation, asked_at, said })
}

fn edit(random: &mut Random, datastore: Datastore, number: u64) -> Request {
    let id = format!("d-{}", random.below(8));
    let path = entry(&[], &draft::DATA_PARAMS, &id);
    let body =
        json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": format!("{number}")}]});
    match random.below(10) {
        0..6 => Request::Edit { datastore, path, value: Some(body) },
        6..8 => Request::Edit { datastore, path, value: None },
        8 => {
            let base = json!({"irtf-agent:msg-base": {"msg-data": id}});
            Request::Edit { datastore, path: plain(&[&draft::MSG_BASE]), value: Some(base) }
        }
        _ => Request::Edit { datastore, path: plain(&[&draft::MSG_BASE]), value: None },
    }
}

fn by_stranger(random: &mut Random, number: u64, state: &State) -> Request {
    match random.below(3) {
        0 => about_task(random, "ann", number, state),
        1 => about_negotiation(random, "ann", state),
        _ => invoke(&n::ASSIGN_TASK, None, assign("ann", "bob", number)),
    }
}

fn by_administrator(random: &mut Random, in_session: bool, number: u64) -> Request {
    const SHARED: Datastore = Datastore::Candidate(Candidate::Shared);
    let confirmed = |within_s, persist: Option<&str>, persist_id: Option<&str>| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Management::Commit(
            Candidate::Shared,
            Confirm { within_s, persist: text(persist), persist_id: text(persist_id) },
        )
    };
    match random.below(100) {
        0..10 if in_session => Request::End,
        0..10 => Request::Begin,
        10..20 => Request::Lock(match random.below(4) {
            0 => Locking::Lock(Lockable::Running),
            1 => Locking::Lock(Lockable::Candidate),
            2 => Locking::Unlock(Lockable::Running),
            _ => Locking::Unlock(Lockable::Candidate),
        }),
        20..45 => edit(random, SHARED, number),
        45..53 => Request::Manage(confirmed(None, None, None)),
        53..61 => {
            let within = u32::try_from(random.within(5, 60)).expect("small");
            let persist = random.chance(50).then_some("p");
            Request::Manage(confirmed(Some(within), persist, None))
        }
        61..65 => Request::Manage(confirmed(None, None, Some("p"))),
        65..68 => Request::Manage(Management::CancelCommit { persist_id: Some("p".into()) }),
        68..72 => Request::Manage(Management::Discard(Candidate::Shared)),
        72..80 => {
            let name = format!("user{}", random.below(3));
            let path = entry(&[&access::ACCESS, &access::ACCESS_USERS], &access::ACCESS_USERS_USER, &name);
            let user = json!({"magent-access:user": [{"name": name, "password": format!("$0${SECRET}")}]});
            let datastore = *random.pick(&[Datastore::Running, SHARED]);
            Request::Edit { datastore, path, value: random.chance(75).then_some(user) }
        }
        80..88 => {
            let rules = json!({"ietf-netconf-acm:nacm": {"rule-list": [{"name": "all", "group": ["*"], "rule": [
                {"name": "r", "module-name": "irtf-agent", "access-operations": "create delete update",
                 "action": random.pick(&["permit", "deny"])}]}]}});
            Request::Edit {
                datastore: Datastore::Running,
                path: plain(&[&NACM]),
                value: random.chance(60).then_some(rules),
            }
        }
        _ => edit(random, Datastore::Running, number),
    }
}

/// The keys of a list that has one.
pub fn ids(list: &dyn agentconf::yang::tree::StateList) -> Vec<String> {
    super::world::keys(list)
}
