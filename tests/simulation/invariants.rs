//! What has to hold after every event, of the server's state beside that of the log. It never changes the world.

use std::collections::BTreeMap;

use agentconf::clock::Timestamp;
use agentconf::datastore::validate::VALIDATOR;
use agentconf::engine::{Counted, State};
use agentconf::yang::generated::magent_registry::DelegatedRight;
use serde_json::{Value as Json, json};

use super::requests::{DELEGATE, OWNERS, SECRET, USERS};
use super::witness::{Violation, hold};
use super::world::{World, keys};

/// What was looked at last: nothing else needs another look.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Looked {
    position: u64,
    configuration: u64,
    negotiations: u64,
    tasks: u64,
}

/// Holds the state to the rules; one user more is asked what it sees.
pub fn check(world: &World, before: Looked, one: &str) -> Result<Looked, Violation> {
    let state = world.engine().snapshot();
    let looked = Looked {
        position: state.position,
        configuration: state.config_revision,
        negotiations: state.negotiations.revision(),
        tasks: state.tasks.revision(),
    };
    same("the position", state.position == world.witness.state.position)?;
    if looked == before {
        return Ok(looked);
    }
    replayed(&state, &world.witness.state, world.begins_after)?;
    if looked.tasks != before.tasks {
        same("tasks", format!("{:?}", state.tasks) == format!("{:?}", world.witness.state.tasks))?;
    }
    if looked.configuration != before.configuration {
        index(&state)?;
    }
    names(&state)?;
    let all = world.sees("admin");
    ledger(&state, &all)?;
    search(world, &all)?;
    if looked.negotiations != before.negotiations {
        agreements(world, &all)?;
    }
    told(world, "admin", &all.to_string())?;
    told(world, one, &world.sees(one).to_string())?;
    Ok(looked)
}

fn same(what: &str, holds: bool) -> Result<(), Violation> {
    hold("the state is that of a replay", holds, || format!("{what} differs"))
}

/// The server's state is what the log, that begins after a position, makes of it.
fn replayed(state: &State, replayed: &State, begins_after: u64) -> Result<(), Violation> {
    same("the registry", state.registry == replayed.registry)?;
    same("negotiations", state.negotiations == replayed.negotiations)?;
    same("the configuration", state.config.content() == replayed.config.content())?;
    same("its revision", state.config_revision == replayed.config_revision)?;
    // A snapshot has no revision that the edits are forgotten of.
    let kept = replayed.revisions.keys().rev().take(match begins_after {
        0 => usize::MAX,
        _ => state.revisions.len(),
    });
    same("old revisions", state.revisions.keys().rev().eq(kept))?;
    same("settings", state.settings == replayed.settings)?;
    same("dispatch", format!("{:?}", state.dispatch) == format!("{:?}", replayed.dispatch))?;
    same("a confirmed commit", format!("{:?}", state.pending) == format!("{:?}", replayed.pending))?;
    same("sessions", state.newest_session == replayed.newest_session)?;
    USERS.iter().try_for_each(|user| same("what is used", state.usage(user) == replayed.usage(user)))
}

/// The tables beside the configuration are what they would be if they were made anew, and it is valid.
fn index(state: &State) -> Result<(), Violation> {
    const RULE: &str = "indexes agree with the tree";
    let anew = VALIDATOR.empty().replaced(state.config.content().clone());
    hold(RULE, format!("{anew:?}") == format!("{:?}", state.config), || "of the configuration".into())?;
    let errors = VALIDATOR.datastore(state.config.content());
    hold("the configuration is valid", errors.is_empty(), || format!("{errors:?}"))
}

fn names(state: &State) -> Result<(), Violation> {
    OWNERS.iter().try_for_each(|user| {
        state.registry.owned_by(user).try_for_each(|name| {
            hold("indexes agree with the tree", state.registry.owner(name) == Some(user), || {
                format!("{name} is not that of {user}")
            })
        })
    })
}

fn list<'a>(all: &'a Json, path: &[&str]) -> &'a [Json] {
    path.iter().fold(all, |json, step| &json[*step]).as_array().map_or(&[], Vec::as_slice)
}

fn tasks(all: &Json) -> &[Json] {
    list(all, &["magent-task:interaction", "tasks", "task"])
}

fn negotiations(all: &Json) -> &[Json] {
    list(all, &["magent-task:interaction", "negotiations", "negotiation"])
}

fn agents(all: &Json) -> &[Json] {
    list(all, &["magent-registry:registry", "agents", "agent"])
}

/// What is counted is what there is.
fn ledger(state: &State, all: &Json) -> Result<(), Violation> {
    const RULE: &str = "what is counted is what there is";
    let in_status =
        |list: &[Json], status: &str| list.iter().filter(|entry| entry["status"] == status).count() as u64;
    for (status, count) in state.tasks.statuses() {
        let there = in_status(tasks(all), status.as_str());
        hold(RULE, there == count, || format!("{there} tasks are {}, not {count}", status.as_str()))?;
    }
    for (status, count) in state.negotiations.statuses() {
        let there = in_status(negotiations(all), status.as_str());
        hold(RULE, there == count, || format!("{there} negotiations are {}, not {count}", status.as_str()))?;
    }
    let ended = ["finished", "failed", "cancelled", "canceled", "rejected"];
    for user in OWNERS {
        let name = format!("{user}-agent");
        let count =
            |list: &[Json], is: &dyn Fn(&Json) -> bool| list.iter().filter(|entry| is(entry)).count() as u64;
        let there = [
            (Counted::Agents, count(agents(all), &|agent| agent["name"] == name)),
            (
                Counted::OpenTasks,
                count(tasks(all), &|task| {
                    task["from"] == name && !ended.iter().any(|status| task["status"] == *status)
                }),
            ),
            (
                Counted::OpenNegotiations,
                count(negotiations(all), &|held| held["initiator"] == name && held["status"] == "open"),
            ),
        ];
        let usage = state.usage(user);
        for (counted, there) in there {
            hold(RULE, usage[counted] == there, || {
                format!("{user} has {there} {counted:?}, counted are {}", usage[counted])
            })?;
        }
    }
    Ok(())
}

/// Who looks for a skill finds who is registered with it.
fn search(world: &World, all: &Json) -> Result<(), Violation> {
    let now = world.engine().clock().now();
    // If the storage fails, the end of a registration is not in the state yet.
    let lasts = |agent: &Json| {
        let until =
            agent["registration"]["expires-at"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        until.is_none_or(|until| until > now)
    };
    for skill in super::requests::SKILLS {
        let has = |agent: &&Json| {
            lasts(agent) && list(agent, &["skills", "skill"]).iter().any(|one| one["skill-name"] == skill)
        };
        let there: Vec<&str> =
            agents(all).iter().filter(has).filter_map(|agent| agent["name"].as_str()).collect();
        for conditions in [json!({"skill-name": [skill]}), json!({"text": skill})] {
            let found = world.discover(&conditions);
            let mut found: Vec<&str> =
                list(&found, &["agent"]).iter().filter_map(|agent| agent["name"].as_str()).collect();
            found.sort_unstable();
            // A word that nobody has stands for others.
            let is_found = found == there || (there.is_empty() && conditions.get("text").is_some());
            hold("indexes agree with the tree", is_found, || {
                format!("{conditions} is found at {found:?}, not {there:?}")
            })?;
        }
    }
    Ok(())
}

/// Both sides see the same of a negotiation.
fn agreements(world: &World, all: &Json) -> Result<(), Violation> {
    let seen: BTreeMap<&str, Json> = OWNERS.iter().map(|user| (*user, world.sees(user))).collect();
    for held in negotiations(all) {
        for side in ["initiator", "responder"] {
            let user = held[side].as_str().and_then(|name| name.strip_suffix("-agent"));
            let Some(theirs) = user.and_then(|user| seen.get(user)) else { continue };
            let same = negotiations(theirs).iter().any(|other| other == held);
            hold("an agreement is of both", same, || format!("{user:?} does not see {held}"))?;
        }
    }
    Ok(())
}

/// What is private is told to nobody else, and secrets to nobody.
pub fn told(world: &World, user: &str, text: &str) -> Result<(), Violation> {
    hold("no secret is told", !text.contains(SECRET), || format!("{user} is told {text}"))?;
    let state = world.engine().snapshot();
    for one in OWNERS {
        let now = world.engine().clock().now();
        let negotiates =
            state.registry.is_delegated(&format!("{one}-agent"), user, DelegatedRight::Negotiate, now);
        let is_told = text.contains(&format!("private-{one}-"));
        hold("policies are private to their side", !is_told || user == one || negotiates, || {
            format!("{user} is told of a policy of {one}")
        })?;
    }
    if user == "admin" {
        return Ok(());
    }
    let state = world.engine().snapshot();
    let has = |party: &str, right: DelegatedRight| {
        let now = world.engine().clock().now();
        user == DELEGATE && state.registry.is_delegated(&format!("{party}-agent"), user, right, now)
    };
    let may = |party: &str| party == user || has(party, DelegatedRight::Read);
    // Who negotiates for an agent sees what it has promised, by which negotiations and for which tasks.
    let may_negotiate = |party: &str| may(party) || has(party, DelegatedRight::Negotiate);
    for one in OWNERS {
        let about_data = text.contains(&format!("\"o-{one}-"));
        hold("private things are private", !about_data || may(one), || format!("{user} sees data of {one}"))?;
        for other in OWNERS {
            let about = |kind: &str| text.contains(&format!("\"{kind}-{one}-{other}-"));
            let negotiates = may_negotiate(one) || may_negotiate(other);
            let is_task_told = about("t") && !(negotiates && text.contains("\"commitment\""));
            let is_hidden =
                !(may(one) || may(other)) && (is_task_told || about("c")) || !negotiates && about("n");
            hold("private things are private", !is_hidden, || {
                format!("{user} sees what is between {one} and {other}")
            })?;
        }
    }
    let delegations = keys(state.registry.delegations().as_ref());
    hold("delegations last", delegations.len() <= 1000, || "there are too many".into())
}
