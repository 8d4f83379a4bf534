//! What was done, in the order of time: the changes in the event log merged with the audit trail (`magent-audit`).
//!
//! It never tells a value: of a change it names the instances and what happened to them.

use std::iter::Peekable;

use super::driver::Engine;
use super::event::{Actor, Event, Startup};
use super::operations::{admit, entry, input};
use super::request::Invocation;
use super::sessions;
use super::unknown::known;
use crate::access::{Method, Origin, Principal};
use crate::audit::segments::Entries;
use crate::audit::{self, Reader};
use crate::clock::Timestamp;
use crate::datastore::edit::{Edit, Operation};
use crate::log::{LogError, LogReader, Record, Scan};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf_monitoring::nodes as monitoring;
use crate::yang::generated::magent_audit::{
    Kind, QueryAuditInput, QueryAuditOutput, QueryAuditOutputEntry as Audited, nodes as query,
};
use crate::yang::generated::magent_policy::nodes as policy;
use crate::yang::generated::magent_registry::nodes as registry;
use crate::yang::generated::magent_task::nodes as task;
use crate::yang::model::Modelled;
use crate::yang::parameter;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container, Key};
use crate::yang::value::Value;
use crate::{agents, negotiation, tasks};

/// Most instances that are named of a change.
const PATHS_MAX: usize = 32;
/// Most records that are looked at for one answer.
const LOOKED_AT_MAX: usize = 50_000;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Nothing earlier.
    pub from: Option<Timestamp>,
    /// Nothing later.
    pub to: Option<Timestamp>,
    /// What this user did.
    pub user: Option<String>,
    /// These kinds; none stands for all.
    pub kinds: Vec<Kind>,
}

/// A place in both logs: everything up to it has been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Segment and position of the trail.
    pub trail: (u64, u64),
    /// Position of the event log.
    pub log: u64,
}

/// Both logs, merged.
pub struct History {
    changes: Peekable<Scan>,
    entries: Option<Peekable<Entries>>,
    wanted: Wanted,
    place: Place,
}

impl Wanted {
    fn takes(&self, at: Timestamp, audited: &Audited) -> bool {
        self.from.is_none_or(|from| from <= at)
            && self.to.is_none_or(|to| at <= to)
            && self.user.as_ref().is_none_or(|user| audited.user.as_ref() == Some(user))
            && (self.kinds.is_empty() || self.kinds.contains(&audited.kind))
    }
}

impl History {
    /// What both logs say after a place. Without a trail it is the event log alone.
    ///
    /// # Errors
    /// The event log cannot be read.
    pub fn new(
        log: &LogReader,
        trail: Option<&Reader>,
        wanted: Wanted,
        after: Place,
    ) -> Result<Self, LogError> {
        let first = match wanted.from {
            // After the end there may be more by the time it is read.
            Some(from) => log.position_at_time(from.as_micros())?.unwrap_or(u64::MAX),
            None => 1,
        };
        let first = first.saturating_sub(1).max(log.first()?.position);
        let place = Place { log: after.log.max(first), ..after };
        let changes = log.scan(place.log).peekable();
        let entries = trail.map(|trail| trail.entries(place.trail, wanted.from).peekable());
        Ok(History { changes, entries, wanted, place })
    }

    /// Where it stands: what comes next begins after this.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next record of either, if it is wanted; `None` at the end of both.
    ///
    /// # Errors
    /// A log cannot be read, or is damaged there.
    pub fn look(&mut self) -> Option<Result<Option<Audited>, LogError>> {
        let change = match self.changes.peek() {
            Some(Ok(record)) => Some(record.at),
            Some(Err(_)) => return self.changes.next().map(|failed| failed.map(|_| None)),
            None => None,
        };
        let entries = self.entries.as_mut();
        let noted = match entries.and_then(|entries| entries.peek()) {
            Some(Ok((_, entry))) => Some(entry.at.as_micros()),
            Some(Err(_)) => {
                let failed = self.entries.as_mut().and_then(Iterator::next);
                return failed.map(|failed| failed.map(|_| None));
            }
            None => None,
        };
        let (at, audited) = match (change, noted) {
            (None, None) => return None,
            (Some(change), noted) if noted.is_none_or(|noted| change <= noted) => {
                let record = match self.changes.next()? {
                    Ok(record) => record,
                    Err(error) => return Some(Err(error)),
                };
                self.place.log = record.position;
                (record.at, changed(&record))
            }
            _ => {
                let (place, entry) = match self.entries.as_mut()?.next()? {
                    Ok(next) => next,
                    Err(error) => return Some(Err(error)),
                };
                self.place.trail = place;
                (entry.at.as_micros(), noted_as(entry))
            }
        };
        let at = Timestamp::from_micros(at).unwrap_or(Timestamp::EPOCH);
        Some(Ok(self.wanted.takes(at, &audited).then_some(audited)))
    }
}

impl Place {
    fn to_cursor(self) -> String {
        format!("{}.{}.{}", self.trail.0, self.trail.1, self.log)
    }

    fn from_cursor(text: &str) -> Option<Place> {
        let mut numbers = text.split('.').map(str::parse);
        let place = match (numbers.next()?, numbers.next()?, numbers.next()?) {
            (Ok(segment), Ok(position), Ok(log)) => Place { trail: (segment, position), log },
            _ => return None,
        };
        numbers.next().is_none().then_some(place)
    }
}

/// Whether an operation is answered here.
pub(super) fn is_about_audit(operation: &Node) -> bool {
    operation == &query::QUERY_AUDIT
}

/// Carries out `query-audit`.
///
/// # Errors
/// `access-denied` unless the principal is an auditor; what is wrong with the input; `operation-failed` if a log is damaged.
pub(super) async fn invoke(
    engine: &Engine,
    principal: &Principal,
    invocation: &Invocation,
) -> Result<Container, Error> {
    admit(&engine.snapshot(), engine.options(), principal, invocation)?;
    let input: QueryAuditInput = input(invocation)?;
    let wrong =
        |node: &Node, what: &str| Error::protocol(Tag::InvalidValue, what).info("bad-element", node.name);
    let wanted = Wanted {
        from: parameter::optional_time(input.from.as_deref(), &query::QUERY_AUDIT_INPUT_FROM)?,
        to: parameter::optional_time(input.to.as_deref(), &query::QUERY_AUDIT_INPUT_TO)?,
        user: input.user,
        kinds: input.kind,
    };
    let after = match &input.cursor {
        Some(cursor) => Place::from_cursor(cursor)
            .ok_or_else(|| wrong(&query::QUERY_AUDIT_INPUT_CURSOR, "this is no cursor of an answer"))?,
        None => Place::default(),
    };
    let (log, trail) = (engine.shared.reader.clone(), engine.trail().reader().cloned());
    let limit = usize::from(input.limit);
    let work = move || page(History::new(&log, trail.as_ref(), wanted, after)?, limit);
    engine.apart(principal, work).await?.map_err(|error| {
        tracing::error!(%error, "the audit cannot be read");
        Error::application(Tag::OperationFailed, "the logs cannot be read")
    })
}

fn page(mut history: History, limit: usize) -> Result<Container, LogError> {
    let mut found = Vec::new();
    for _ in 0..LOOKED_AT_MAX {
        match history.look() {
            None => return Ok(QueryAuditOutput { entry: found, next: None }.to_data()),
            Some(audited) => found.extend(audited?),
        }
        if found.len() >= limit {
            break;
        }
    }
    let next = Some(history.place().to_cursor());
    Ok(QueryAuditOutput { entry: found, next }.to_data())
}

fn noted_as(entry: audit::Entry) -> Audited {
    let audit::Entry { at, user, session, origin, body } = entry;
    let kind = match body.kind {
        audit::Kind::Authentication => Kind::Authentication,
        audit::Kind::Refusal => Kind::Refusal,
        audit::Kind::Invocation => Kind::Invocation,
        audit::Kind::Administration => Kind::Administration,
        audit::Kind::Dropped => Kind::Dropped,
    };
    let audited = Audited {
        user: Some(user).filter(|user| !user.is_empty()),
        group: body.groups.into_iter().collect(),
        subject: body.subject,
        group_before: body.groups_before.into_iter().collect(),
        credential: body.credential,
        session_id: session,
        operation: Some(body.operation).filter(|operation| !operation.is_empty()),
        path: body.path.into_iter().collect(),
        app_tag: body.app_tag,
        count: body.count,
        since: body.since.map(|since| since.to_string()),
        collapsed: body.collapsed.then_some(()),
        ..Audited::new(at.to_string(), kind, body.outcome, body.log_position)
    };
    from_there(audited, origin)
}

fn changed(record: &Record) -> Audited {
    let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
    let actor = Actor::recorded(record);
    let (kind, operation, paths) = match known(record) {
        Ok(event) => told(&event),
        // It is there all the same.
        Err(_) => (Kind::Change, "unknown", Vec::new()),
    };
    let mut path: Vec<String> = Vec::new();
    for instance in paths.iter().take(PATHS_MAX) {
        let instance = instance.as_far_as_nameable().to_string();
        if !path.contains(&instance) {
            path.push(instance);
        }
    }
    let audited = Audited {
        user: Some(actor.user.to_owned()).filter(|user| !user.is_empty()),
        session_id: actor.session,
        operation: Some(operation.to_owned()),
        path,
        collapsed: (paths.len() > PATHS_MAX).then_some(()),
        ..Audited::new(at.to_string(), kind, "ok", record.position)
    };
    let audited = from_there(audited, actor.origin);
    match actor.by_server && !actor.user.is_empty() {
        // Not by the user, whom it is about.
        true => Audited { protocol: Some("server".to_owned()), ..audited },
        false => audited,
    }
}

fn from_there(audited: Audited, origin: Option<Origin>) -> Audited {
    let Some(Origin { method, source, trace }) = origin else { return audited };
    Audited {
        method: method.map(|method| Method::as_str(method).to_owned()),
        protocol: Some(source.protocol.as_str().to_owned()),
        source_host: Some(Value::string(source.address.ip().to_canonical().to_string())),
        source_port: Some(source.address.port()),
        trace_id: trace.map(|id| format!("{:032x}", id.trace)),
        span_id: trace.map(|id| format!("{:016x}", id.span)),
        ..audited
    }
}

/// What an event is called, and what it happened to.
fn told(event: &Event) -> (Kind, &'static str, Vec<InstancePath>) {
    let agent = |name: &str| {
        vec![entry(
            &[&registry::REGISTRY, &registry::REGISTRY_AGENTS, &registry::REGISTRY_AGENTS_AGENT],
            name,
        )]
    };
    let of_task = |id: &str| {
        vec![entry(&[&task::INTERACTION, &task::INTERACTION_TASKS, &task::INTERACTION_TASKS_TASK], id)]
    };
    let of_data = |id: &str| {
        let list = &task::INTERACTION_DATA_OBJECTS_DATA_OBJECT;
        vec![entry(&[&task::INTERACTION, &task::INTERACTION_DATA_OBJECTS, list], id)]
    };
    let of_negotiation = |id: &str| {
        let list = &task::INTERACTION_NEGOTIATIONS_NEGOTIATION;
        vec![entry(&[&task::INTERACTION, &task::INTERACTION_NEGOTIATIONS, list], id)]
    };
    let of_means = |agent: &str| vec![entry(&[&policy::POLICIES, &policy::POLICIES_AGENT], agent)];
    let of_delegation = |id: &str| {
        let list = &registry::REGISTRY_DELEGATIONS_DELEGATION;
        vec![entry(&[&registry::REGISTRY, &registry::REGISTRY_DELEGATIONS, list], id)]
    };
    let of_session = |id: u32| {
        let list = &monitoring::NETCONF_STATE_SESSIONS_SESSION;
        let key = Selector::Key(Key::new(vec![Value::Uint32(id)]));
        let step = Step { node: list, selector: key };
        let above = [&monitoring::NETCONF_STATE, &monitoring::NETCONF_STATE_SESSIONS];
        InstancePath { steps: above.into_iter().map(Step::plain).chain([step]).collect() }
    };
    let (name, paths) = match event {
        Event::Edited(edits) => edited(edits),
        Event::Startup(Startup::Saved) => ("startup-saved", Vec::new()),
        Event::Startup(Startup::Edited(edits)) => ("startup-edited", edited(edits).1),
        Event::Agents(event) => match event {
            agents::Event::Registered { agent: a } => ("agent-registered", agent(&a.name)),
            agents::Event::Updated { agent: a, .. } => ("agent-updated", agent(&a.name)),
            agents::Event::Renewed { name, .. } => ("agent-renewed", agent(name)),
            agents::Event::Ended { name, .. } => ("agent-ended", agent(name)),
            agents::Event::Delegated { delegation } => {
                ("delegated", of_delegation(&delegation.id.to_string()))
            }
            agents::Event::DelegationEnded { delegation, .. } => {
                ("delegation-ended", of_delegation(&delegation.id.to_string()))
            }
        },
        Event::Tasks(event) => match event {
            tasks::Event::TaskCreated { task } => ("task-created", of_task(&task.id)),
            tasks::Event::TaskChanged { notice, .. } => ("task-changed", of_task(&notice.task)),
            tasks::Event::InputAnswered { notice, .. } => ("input-answered", of_task(&notice.task)),
            tasks::Event::ResultVerified { notice, .. } => ("result-verified", of_task(&notice.task)),
            tasks::Event::TaskForgotten { task } => ("task-forgotten", of_task(task)),
            tasks::Event::CallbackMade { task, .. } => ("subscribed", of_task(task)),
            tasks::Event::CallbackWentOn { task, .. } => ("told", of_task(task)),
            tasks::Event::CallbackEnded { task, .. } => ("unsubscribed", of_task(task)),
            tasks::Event::DataRemoved { id, .. } => ("data-removed", of_data(id)),
            tasks::Event::DataStored(stored) => ("data-stored", of_data(&stored.object.id)),
            tasks::Event::DataGiven { data, .. } => ("data-given", of_data(&data.id)),
        },
        Event::Negotiation(event) => match event {
            negotiation::Event::Opened { negotiation, .. } => {
                ("negotiation-opened", of_negotiation(&negotiation.id))
            }
            negotiation::Event::Moved { negotiation, .. } => {
                ("negotiation-moved", of_negotiation(&negotiation.id))
            }
            negotiation::Event::Expired { negotiation } => {
                ("negotiation-expired", of_negotiation(&negotiation.id))
            }
            negotiation::Event::Forgotten { id } => ("negotiation-forgotten", of_negotiation(id)),
            negotiation::Event::Left { id, .. } => ("move-left", of_negotiation(id)),
            negotiation::Event::Asked { id, .. } => ("judgement-asked", of_negotiation(id)),
            negotiation::Event::PolicySet { agent, .. } => ("policy-set", of_means(agent)),
            negotiation::Event::PolicyRemoved { agent, .. } => ("policy-removed", of_means(agent)),
            negotiation::Event::CapacitySet { agent } => ("capacity-set", of_means(&agent.name)),
            negotiation::Event::Released { agent, .. } => ("commitment-released", of_means(agent)),
            negotiation::Event::Promised { agent, .. } => ("commitment-renewed", of_means(agent)),
            negotiation::Event::Lapsed { agent } => ("commitment-lapsed", of_means(agent)),
        },
        Event::Session(sessions::Event::Started { .. }) => {
            return (Kind::Session, "session-started", Vec::new());
        }
        // Who kills one is in another.
        Event::Session(sessions::Event::Ended { session, .. }) => {
            return (Kind::Session, "session-ended", vec![of_session(*session)]);
        }
        Event::Commit(event) => (event.name(), Vec::new()),
    };
    (Kind::Change, name, paths)
}

/// Edits: what they have in common, and where they are. Of a leaf-list the value is left out.
fn edited(edits: &[Edit]) -> (&'static str, Vec<InstancePath>) {
    let name = |operation| match operation {
        Operation::Create => "create",
        Operation::Merge => "merge",
        Operation::Replace => "replace",
        Operation::Delete => "delete",
        Operation::Remove => "remove",
        Operation::Move => "move",
        Operation::None => "none",
    };
    let first = edits.first().map_or("edit", |edit| name(edit.operation));
    let all = if edits.iter().all(|edit| name(edit.operation) == first) { first } else { "edit" };
    let mut paths = Vec::new();
    for edit in edits {
        let mut path = edit.path.clone();
        if let Some(last) = path.steps.last_mut()
            && matches!(last.selector, Selector::Value(_))
        {
            last.selector = Selector::None;
        }
        let known = paths.len();
        // What is merged is part of what is there; else it is the whole.
        let merged = edit.value.as_ref().filter(|_| edit.operation == Operation::Merge);
        if merged.is_none_or(|value| !leaves(&path, value, &mut paths)) {
            paths.truncate(known);
            paths.push(path);
        }
        // Enough to know that there are more than are named.
        if paths.len() > PATHS_MAX {
            break;
        }
    }
    (all, paths)
}

/// The places of what was written, in place of the one that it was written to. False if they are too many to be named.
fn leaves(path: &InstancePath, value: &Child, paths: &mut Vec<InstancePath>) -> bool {
    let keys = path.steps.last().map(|last| last.node.keys()).unwrap_or_default();
    let container = match value {
        Child::Container(container) if container.iter().any(|(node, _)| !keys.contains(&node)) => container,
        _ => {
            paths.push(path.clone());
            return paths.len() <= PATHS_MAX;
        }
    };
    container.iter().filter(|(node, _)| !keys.contains(node)).all(|(node, child)| match child {
        Child::List(list) => list.iter().all(|entry| {
            let selector = entry.key(node).map_or(Selector::None, Selector::Key);
            leaves(&path.child(Step { node, selector }), &Child::Container(entry), paths)
        }),
        child => leaves(&path.child(Step::plain(node)), child, paths),
    })
}
