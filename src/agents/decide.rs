//! The operations that change the registry: `register-agent`, `renew` and `deregister`.
//!
//! They give the events and the output, and never change the registry themselves.

use std::sync::Arc;

use super::{Ending, Event, Registry, changes, expired, expires_at, is_registered};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_registry::{
    Agent, DeregisterInput, DeregisterOutput, RegisterAgentInput, RegisterAgentOutput, Registration,
    RenewInput, RenewOutput,
};
use crate::yang::json;
use crate::yang::model::Modelled;
use crate::yang::recast::recast_data;
use crate::yang::tree::Child;

/// Who registers an agent, and what that user may do beyond the common rule.
#[derive(Debug, Clone, Copy)]
pub struct Registrant<'a> {
    /// The user, who becomes the owner of the name; empty for an agent that is no user's.
    pub user: &'a str,
    /// Whether the user may take over the name of another one.
    pub may_take_over: bool,
    /// Whether the registration does not end by itself, as that of the server's own agent.
    pub for_ever: bool,
}

impl Registry {
    /// `register-agent`: registers an agent, or replaces its profile and renews the registration.
    ///
    /// # Errors
    /// `not-authorized`, `registry-full`, or `too-big` for the profile.
    pub fn register(
        &self,
        fresh: &Fresh,
        by: Registrant<'_>,
        input: RegisterAgentInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, RegisterAgentOutput), Error> {
        let now = fresh.now;
        let name = input.name.as_str();
        if self.owner(name).is_some_and(|owner| owner != by.user) && !by.may_take_over {
            let message = format!("the agent name {name:?} belongs to another user");
            return Err(Error::application(Tag::AccessDenied, message).app_tag("not-authorized"));
        }
        let before = self.agents.get(name).map(|held| &held.entry);
        let registered = before.filter(|agent| is_registered(agent, now));
        if before.is_none() {
            self.room(name, limits)?;
        }
        let until = if by.for_ever { None } else { Some(end(now, input.lifetime, limits)) };
        let registration = Registration {
            owner: (!by.user.is_empty()).then(|| by.user.to_owned()),
            registered_at: registered
                .map_or_else(|| now.to_string(), |agent| agent.registration.registered_at.clone()),
            updated_at: now.to_string(),
            expires_at: until.map(|at| at.to_string()),
            change: Vec::new(),
        };
        let output = RegisterAgentOutput {
            registered_at: registration.registered_at.clone(),
            updated_at: registration.updated_at.clone(),
            expires_at: registration.expires_at.clone(),
        };
        let agent = agent(&input, registration, limits)?;
        let mut events = Vec::new();
        // What another user granted, or for another registration, ends.
        if registered.is_none() || self.owner(name) != Some(by.user) {
            events.extend(self.end_delegations(name));
        }
        match (before, registered) {
            (_, Some(old)) if same_profile(old, &agent) => {
                events.push(Event::Renewed {
                    name: agent.name,
                    owner: by.user.to_owned(),
                    expires_at: until,
                });
            }
            (_, Some(old)) => {
                let change = Some(changes::between(old, &agent, now));
                events.push(Event::Updated { agent, change });
            }
            // Its time has passed and nobody has said so yet.
            (Some(_), None) => events.extend([expired(&agent.name), Event::Registered { agent }]),
            (None, None) => events.push(Event::Registered { agent }),
        }
        Ok((events, output))
    }

    /// The action `renew`. A registration that does not end by itself stays so.
    ///
    /// # Errors
    /// `agent-unknown`.
    pub fn renew(
        &self,
        fresh: &Fresh,
        name: &str,
        input: RenewInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, RenewOutput), Error> {
        let agent = self.get(name, fresh.now).ok_or_else(|| unknown(name))?;
        let until = expires_at(agent).map(|_| end(fresh.now, input.lifetime, limits));
        let owner = agent.registration.owner.clone().unwrap_or_default();
        let event = Event::Renewed { name: name.to_owned(), owner, expires_at: until };
        Ok((vec![event], RenewOutput { expires_at: until.map(|at| at.to_string()) }))
    }

    /// The action `deregister`.
    ///
    /// # Errors
    /// `agent-unknown`.
    pub fn deregister(
        &self,
        fresh: &Fresh,
        name: &str,
        input: DeregisterInput,
    ) -> Result<(Vec<Event>, DeregisterOutput), Error> {
        self.get(name, fresh.now).ok_or_else(|| unknown(name))?;
        let ended =
            Event::Ended { name: name.to_owned(), ending: Ending::Deregistered, reason: input.reason };
        Ok((self.end_delegations(name).chain([ended]).collect(), DeregisterOutput {}))
    }

    /// Whether there is room for an agent of this name.
    fn room(&self, name: &str, limits: &Limits) -> Result<(), Error> {
        let full = |what: &str, count: usize| {
            let message = format!("the registry holds {count} {what} and no more");
            Err(Error::application(Tag::ResourceDenied, message).app_tag("registry-full"))
        };
        if self.agents.len() >= limits.agents_max {
            return full("agents", limits.agents_max);
        }
        if self.owner(name).is_none() && self.owners.len() >= limits.agent_names_max {
            return full("names of agents", limits.agent_names_max);
        }
        Ok(())
    }
}

/// The error for an agent that is not registered, for operations that name one.
pub(super) fn unknown(name: &str) -> Error {
    Error::application(Tag::DataMissing, format!("no agent {name:?} is registered")).app_tag("agent-unknown")
}

fn end(now: Timestamp, lifetime: Option<u32>, limits: &Limits) -> Timestamp {
    let lifetime = lifetime.unwrap_or(limits.agent_lifetime_default_s).min(limits.agent_lifetime_max_s);
    now.saturating_add_seconds(i64::from(lifetime))
}

/// The entry of the registry: the profile of the input with the registration.
fn agent(input: &RegisterAgentInput, registration: Registration, limits: &Limits) -> Result<Agent, Error> {
    let mut data = recast_data(&input.to_data(), Agent::node());
    let mut text = Vec::new();
    json::encode_children(&data, Some(Agent::node()), &mut text, &EncodeOptions::default());
    if text.len() > limits.agent_profile_bytes_max {
        let (size, most) = (text.len(), limits.agent_profile_bytes_max);
        let message = format!("the profile of the agent has {size} octets as JSON; {most} are allowed");
        return Err(Error::application(Tag::TooBig, message));
    }
    data.set(Registration::node(), Child::Container(Arc::new(registration.to_data())));
    Agent::from_data(&data).map_err(|e| Error::application(Tag::OperationFailed, e.to_string()))
}

/// Whether two agents differ in nothing but their registrations.
pub(super) fn same_profile(old: &Agent, new: &Agent) -> bool {
    *old == Agent { registration: old.registration.clone(), ..new.clone() }
}
