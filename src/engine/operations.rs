//! Every rpc and action of the modules: who may invoke it, and which sibling decides it.
//!
//! Input is validated here once, whatever the protocol. What a principal may not see is
//! answered as if it were not there.

use std::sync::Arc;

use super::blobs::KeptPart;
use super::denied::Denied;
use super::event::Event;
use super::options::Options;
use super::request::Invocation;
use super::speakers::{
    acts_for, gives, may, not_authorized, reads_data, registers_as, sees, sees_delegation,
};
use super::state::State;
use super::{draft, monitoring, moves, policies};
use crate::access::{self, Access, At, Deed, Principal, Reference};
use crate::agents::{self, Registrant, Shown};
use crate::clock::Timestamp;
use crate::datastore::validate::VALIDATOR;
use crate::ids::Fresh;
use crate::negotiation::{self, Negotiations};
use crate::tasks::Refusal;
use crate::tasks::callbacks::Receiver;
use crate::yang::anydata;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf_monitoring::{GetSchemaOutput, nodes::GET_SCHEMA};
use crate::yang::generated::irtf_agent;
use crate::yang::generated::magent_registry::nodes as registry;
use crate::yang::generated::magent_registry::{
    DelegatedRight as Right, DeregisterInput, RegisterAgentInput, RevokeDelegationInput,
};
use crate::yang::generated::magent_task::{
    AnswerInput, AssignTaskInput, AssignTaskInputTerm, AssignTaskOutput, CancelInput, PutDataInput,
    ReportInput, RoundTerm, SubscribeInput, Task, nodes as task,
};
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::recast::recast;
use crate::yang::schema::Node;
use crate::yang::tree::{AnyData, Child, Container, Key};
use crate::yang::value::Value;

/// The owner of the server's own agent: no user has this name.
const NOBODY: &str = "";

pub(super) type Decided = Result<(Vec<Event>, Container), Error>;

/// Whether an operation changes nothing, so that a snapshot can answer it.
pub(super) fn is_query(operation: &'static Node) -> bool {
    [
        &registry::DISCOVER_AGENTS,
        &registry::NEGOTIATE_CAPABILITIES,
        &registry::FIND_TEAM,
        &task::QUERY_TASKS,
        &task::QUERY_MESSAGES,
        &task::INTERACTION_DATA_OBJECTS_DATA_OBJECT_READ,
        &GET_SCHEMA,
    ]
    .contains(&operation)
        || policies::is_query(operation)
}

/// Answers an operation that changes nothing.
pub(super) fn query(
    state: &State,
    options: &Options,
    principal: &Principal,
    invocation: &Invocation,
    now: Timestamp,
) -> Result<Container, Error> {
    admit(state, options, principal, invocation)?;
    let (operation, limits) = (invocation.operation, &options.limits);
    let rules = state.rules(principal);
    let may_read =
        |way: &[&'static Node], id: &str| rules.is_everything() || rules.may(Access::Read, &entry(way, id));
    if [&registry::DISCOVER_AGENTS, &registry::NEGOTIATE_CAPABILITIES, &registry::FIND_TEAM]
        .contains(&operation)
    {
        let way = [&registry::REGISTRY, &registry::REGISTRY_AGENTS, &registry::REGISTRY_AGENTS_AGENT];
        let shown = |name: &str| may_read(&way, name);
        let [top, agents, agent] = way;
        let place = At::root(rules.clone()).child(top).child(agents);
        // A search asks for each agent only if that makes a difference.
        let is_all = !place.depends_on_keys(agent, Access::Read) && shown("any");
        let shown: Shown<'_> = if is_all { None } else { Some(&shown) };
        if operation == &registry::DISCOVER_AGENTS {
            return Ok(state.registry.discover(now, &input(invocation)?, shown, limits)?.to_data());
        }
        if operation == &registry::FIND_TEAM {
            return Ok(state.registry.find_team(now, &input(invocation)?, shown, limits).to_data());
        }
        return Ok(state.registry.negotiate_capabilities(now, &input(invocation)?, shown)?.to_data());
    }
    if operation == &task::QUERY_TASKS {
        let way = [&task::INTERACTION, &task::INTERACTION_TASKS, &task::INTERACTION_TASKS_TASK];
        let visible = |task: &Task| {
            sees(state, principal, &[task.from.clone(), task.to.clone()], now) && may_read(&way, &task.id)
        };
        return Ok(state.tasks.query(&input(invocation)?, limits, visible)?.to_data());
    }
    if operation == &task::QUERY_MESSAGES {
        let way = [&task::INTERACTION, &task::INTERACTION_CONTEXTS, &task::INTERACTION_CONTEXTS_CONTEXT];
        let visible =
            |id: &str| sees(state, principal, &state.tasks.context_parties(id), now) && may_read(&way, id);
        return Ok(state.tasks.query_messages(&input(invocation)?, limits, visible)?.to_data());
    }
    if operation == &GET_SCHEMA {
        let data = AnyData::Json(Arc::new(monitoring::get_schema(&input(invocation)?)?.into()));
        return Ok(GetSchemaOutput { data: Some(data) }.to_data());
    }
    if let Some(output) = policies::query(state, principal, invocation, now, limits)? {
        return Ok(output);
    }
    let id = target(invocation)?;
    reads_data(state, principal, id, now)?;
    Ok(state.tasks.read(id, &input(invocation)?, options.blobs.as_deref(), limits)?.to_data())
}

/// Decides an operation that changes something.
pub(super) fn invoke(
    state: &State,
    options: &Options,
    principal: &Principal,
    invocation: &Invocation,
    admitted: Option<&Admitted>,
    fresh: &mut Fresh,
) -> Decided {
    admit_again(state, options, principal, invocation, admitted)?;
    let (operation, limits, now) = (invocation.operation, &options.limits, fresh.now);
    if operation == &registry::REGISTER_AGENT {
        let input: RegisterAgentInput = input(invocation)?;
        let names_user = admitted.is_none_or(|admitted| admitted.names_user);
        let user = registers_as(state, principal, &input.name, names_user, now)?;
        let by = Registrant { user, may_take_over: principal.is_admin(), for_ever: false };
        return done(state.registry.register(fresh, by, input, limits), Event::Agents);
    }
    if [&registry::REGISTRY_AGENTS_AGENT_RENEW, &registry::REGISTRY_AGENTS_AGENT_DEREGISTER]
        .contains(&operation)
    {
        let name = target(invocation)?;
        exists(state, options, name, now)?;
        acts_for(state, principal, name, Deed::May(Right::Profile), now)?;
        return match operation == &registry::REGISTRY_AGENTS_AGENT_RENEW {
            true => done(state.registry.renew(fresh, name, input(invocation)?, limits), Event::Agents),
            false => done(state.registry.deregister(fresh, name, input(invocation)?), Event::Agents),
        };
    }
    if operation == &registry::REGISTRY_AGENTS_AGENT_DELEGATE {
        let name = target(invocation)?;
        exists(state, options, name, now)?;
        acts_for(state, principal, name, Deed::Delegate, now)?;
        let granted = state.registry.delegate(fresh, name, &principal.name, input(invocation)?, limits);
        return done(granted, Event::Agents);
    }
    if operation == &registry::REVOKE_DELEGATION {
        let input: RevokeDelegationInput = input(invocation)?;
        let delegation = state.registry.delegation(input.id, now);
        let delegation = delegation.filter(|delegation| sees_delegation(state, principal, delegation));
        let delegation = delegation.ok_or_else(|| agents::unknown_delegation(input.id))?;
        acts_for(state, principal, &delegation.agent, Deed::Delegate, now)?;
        return done(state.registry.revoke(now, &input), Event::Agents);
    }
    if operation == &task::ASSIGN_TASK {
        return assign(state, options, principal, input(invocation)?, fresh).map(|(e, o)| (e, o.to_data()));
    }
    if operation == &task::PUT_DATA {
        let input: PutDataInput = input(invocation)?;
        acts_for(state, principal, &input.from, Deed::May(Right::Data), now)?;
        return done(state.tasks.put_data(fresh, input, None, limits), Event::Tasks);
    }
    if operation == &task::OPEN_NEGOTIATION {
        return moves::open(state, options, principal, input(invocation)?, None, fresh)
            .map(|(e, o)| (e, o.to_data()));
    }
    if let Some(decided) = policies::invoke(state, options, principal, invocation, fresh) {
        return decided;
    }
    if operation == &irtf_agent::nodes::TASK_NEGOTIATE {
        return draft::negotiate(state, options, principal, input(invocation)?, fresh)
            .map(|(e, o)| (e, o.to_data()));
    }
    if operation == &task::INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPOND {
        let id = target(invocation)?;
        return moves::respond(state, options, principal, id, input(invocation)?, fresh)
            .map(|(e, o)| (e, o.to_data()));
    }
    if operation == &task::INTERACTION_DATA_OBJECTS_DATA_OBJECT_REMOVE {
        let id = target(invocation)?;
        // What it gave for the agent, it need not be able to read.
        let gave = |owner: &str| may(state, principal, owner, Right::Data, now);
        if !state.tasks.data_owner(id).is_some_and(gave) {
            reads_data(state, principal, id, now)?;
        }
        let (removed, owner) = state.tasks.remove_data(id)?;
        acts_for(state, principal, &owner, Deed::May(Right::Data), now)?;
        return Ok((vec![Event::Tasks(removed)], Container::default()));
    }
    let (unsubscribe, redeliver) = (
        &task::INTERACTION_TASKS_TASK_SUBSCRIPTIONS_SUBSCRIPTION_UNSUBSCRIBE,
        &task::INTERACTION_TASKS_TASK_SUBSCRIPTIONS_SUBSCRIPTION_REDELIVER,
    );
    if [unsubscribe, redeliver].contains(&operation) {
        let (id, whose) = (target(invocation)?, above(invocation)?);
        let subject = task_of(state, principal, whose, Right::Assign, now)?;
        acts_for(state, principal, &subject.from, Deed::May(Right::Assign), now)?;
        let events = match operation == unsubscribe {
            true => state.tasks.unsubscribe(whose, id)?,
            false => state.tasks.redeliver(whose, id)?,
        };
        return Ok((events.into_iter().map(Event::Tasks).collect(), Container::default()));
    }
    if invocation.target.as_ref().and_then(InstancePath::node) != Some(&task::INTERACTION_TASKS_TASK) {
        return Err(not_carried_out(operation));
    }
    let id = target(invocation)?;
    if operation == &task::INTERACTION_TASKS_TASK_REPORT {
        let subject = task_of(state, principal, id, Right::Work, now)?;
        acts_for(state, principal, &subject.to, Deed::May(Right::Work), now)?;
        let input: ReportInput = input(invocation)?;
        let given = input.result.iter().flat_map(|result| &result.data).map(|data| &data.id);
        gives(state, principal, &subject.to, given, now)?;
        return done(state.tasks.report(now, id, input, limits), Event::Tasks);
    }
    if operation == &task::INTERACTION_TASKS_TASK_CANCEL {
        return cancel(state, options, principal, id, input(invocation)?, fresh).map(|events| {
            (events, new_status(&task::INTERACTION_TASKS_TASK_CANCEL_OUTPUT_STATUS, "cancelled"))
        });
    }
    let subject = task_of(state, principal, id, Right::Assign, now)?;
    acts_for(state, principal, &subject.from, Deed::May(Right::Assign), now)?;
    if operation == &task::INTERACTION_TASKS_TASK_ANSWER {
        let input: AnswerInput = input(invocation)?;
        gives(state, principal, &subject.from, input.data.iter().map(|data| &data.id), now)?;
        return done(state.tasks.answer(now, id, input, limits), Event::Tasks);
    }
    if operation == &task::INTERACTION_TASKS_TASK_VERIFY {
        return done(state.tasks.verify(now, id, input(invocation)?, limits), Event::Tasks);
    }
    if operation == &task::INTERACTION_TASKS_TASK_SUSPEND {
        return done(state.tasks.suspend(now, id, input(invocation)?, limits), Event::Tasks);
    }
    if operation == &task::INTERACTION_TASKS_TASK_RESUME {
        return done(state.tasks.resume(now, id, limits), Event::Tasks);
    }
    if operation == &task::INTERACTION_TASKS_TASK_SUBSCRIBE {
        let input: SubscribeInput = input(invocation)?;
        reports_to(options, &input.url, input.token.as_deref())?;
        return done(state.tasks.subscribe(fresh, id, input, limits), Event::Tasks);
    }
    Err(not_carried_out(operation))
}

/// Nobody here knows the operation: it is that of a module which is only modelled.
fn not_carried_out(operation: &Node) -> Error {
    let message = format!("\"{}\" is not an operation that this server carries out", operation.name);
    Error::protocol(Tag::OperationNotSupported, message)
}

/// Decides `put-data` of a part that is kept aside.
pub(super) fn keep(
    state: &State,
    options: &Options,
    principal: &Principal,
    invocation: &Invocation,
    part: &KeptPart,
    fresh: &mut Fresh,
) -> Decided {
    admit_again(state, options, principal, invocation, Some(&part.admitted))?;
    let input: PutDataInput = input(invocation)?;
    acts_for(state, principal, &input.from, Deed::May(Right::Data), fresh.now)?;
    let aside = Some((part.kept.clone(), part.whole.clone()));
    done(state.tasks.put_data(fresh, input, aside, &options.limits), Event::Tasks)
}

/// Assigns a task in the name of its `from`.
pub(super) fn assign(
    state: &State,
    options: &Options,
    principal: &Principal,
    mut input: AssignTaskInput,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, AssignTaskOutput), Error> {
    acts_for(state, principal, &input.from, Deed::May(Right::Assign), fresh.now)?;
    gives(state, principal, &input.from, input.data.iter().map(|data| &data.id), fresh.now)?;
    // An order that is repeated stays valid when what it refers to is gone.
    let is_new = input.id.as_deref().is_none_or(|id| !state.tasks.contains(id));
    let mut promised = Vec::new();
    if is_new {
        refers(state, options, principal, &input, fresh.now)?;
        let terms: Result<Vec<RoundTerm>, _> = input.term.iter().map(recast).collect();
        negotiation::check_terms(
            &terms.map_err(|e| Error::application(Tag::OperationFailed, e.to_string()))?,
        )?;
        agreed(state, &mut input)?;
        if let Some(negotiation) = &input.negotiation {
            promised = state.negotiations.promised_anew(negotiation, fresh.now, &options.limits)?;
        }
    }
    let (from, callback) = (input.from.clone(), input.callback.clone());
    let (mut events, output) = state.tasks.assign(fresh, input, &options.limits)?;
    if let Some(callback) = callback.filter(|_| !state.tasks.is_over(&output.id)) {
        reports_to(options, &callback.url, callback.token.as_deref())?;
        let (wanted, _) =
            state.tasks.call_back(fresh, &output.id, &from, callback.into(), &options.limits)?;
        // Before the task is created, so that its receiver is told of that too.
        events.splice(0..0, wanted);
    }
    let promised = promised.into_iter().map(Event::Negotiation);
    Ok((promised.chain(events.into_iter().map(Event::Tasks)).collect(), output))
}

/// Has a task reported to where the draft's `task-subscription` says.
pub(super) fn subscribe(
    state: &State,
    options: &Options,
    principal: &Principal,
    id: &str,
    input: SubscribeInput,
    fresh: &mut Fresh,
) -> Result<Vec<Event>, Error> {
    let subject = task_of(state, principal, id, Right::Assign, fresh.now)?;
    acts_for(state, principal, &subject.from, Deed::May(Right::Assign), fresh.now)?;
    reports_to(options, &input.url, None)?;
    let (events, _) = state.tasks.subscribe(fresh, id, input, &options.limits)?;
    Ok(events.into_iter().map(Event::Tasks).collect())
}

/// Refuses a URL that the server does not report to.
///
/// # Errors
/// `bad-callback`.
pub(super) fn may_report_to(options: &Options, url: &str) -> Result<(), Error> {
    let why = |why: &str| Refusal::BadCallback.error(format!("The URL of a receiver {why}."));
    options.receivers.admits(url).map_err(why)
}

/// The same, and has what the token is kept under stay there. A token that was not put there is refused.
fn reports_to(options: &Options, url: &str, token: Option<&str>) -> Result<(), Error> {
    may_report_to(options, url)?;
    let Some(token) = token else { return Ok(()) };
    let reference = Reference::read(token).filter(|reference| reference.is_for(url));
    let not_kept = || Refusal::BadCallback.error("The token was not put where secrets are kept.");
    options.vault.uses(&reference.ok_or_else(not_kept)?)
}

/// Refuses an order that refers to what does not exist for the principal.
fn refers(
    state: &State,
    options: &Options,
    principal: &Principal,
    input: &AssignTaskInput,
    now: Timestamp,
) -> Result<(), Error> {
    exists(state, options, &input.to, now)?;
    let Some(parent) = &input.parent else { return Ok(()) };
    let whole = task_of(state, principal, parent, Right::Assign, now)?;
    // What becomes of a part matters to its whole: who may only read that cannot bring about its end.
    match [&whole.from, &whole.to].contains(&&input.from) {
        true => Ok(()),
        false => Err(not_authorized(format!(
            "\"{}\" has no part in the task \"{parent}\", so it orders no part of it",
            input.from
        ))),
    }
}

/// The task that an invocation has reported, and to whom.
pub(super) fn receiver(invocation: &Invocation) -> Option<(String, Receiver)> {
    if invocation.operation == &task::ASSIGN_TASK {
        let input: AssignTaskInput = input(invocation).ok()?;
        return Some((input.id?, input.callback?.into()));
    }
    let input: SubscribeInput = input(invocation).ok()?;
    Some((target(invocation).ok()?.to_owned(), input.into()))
}

/// Gives an order that carries out an agreement the terms and the type that were agreed.
///
/// # Errors
/// There is no such agreement, or the order is not what was agreed.
fn agreed(state: &State, input: &mut AssignTaskInput) -> Result<(), Error> {
    let Some(id) = &input.negotiation else { return Ok(()) };
    let (agreed, agreed_type) = state.negotiations.agreement(
        id,
        [&input.from, &input.to],
        input.id.as_deref(),
        input.type_.as_deref(),
    )?;
    let terms = agreed.iter().map(recast).collect::<Result<Vec<AssignTaskInputTerm>, _>>();
    let terms = terms.map_err(|e| Error::application(Tag::OperationFailed, e.to_string()))?;
    let is_agreed = |term: &AssignTaskInputTerm| terms.contains(term);
    if !input.term.is_empty() && (input.term.len() != terms.len() || !input.term.iter().all(is_agreed)) {
        return Err(Negotiations::terms_differ(id));
    }
    input.term = terms;
    if input.type_.is_none() {
        input.type_ = agreed_type.map(str::to_owned);
    }
    Ok(())
}

/// Cancels a task in the name of the agent that assigned it.
pub(super) fn cancel(
    state: &State,
    options: &Options,
    principal: &Principal,
    id: &str,
    input: CancelInput,
    fresh: &Fresh,
) -> Result<Vec<Event>, Error> {
    let subject = task_of(state, principal, id, Right::Assign, fresh.now)?;
    acts_for(state, principal, &subject.from, Deed::May(Right::Assign), fresh.now)?;
    let (events, _) = state.tasks.cancel(fresh.now, id, input, &options.limits)?;
    Ok(events.into_iter().map(Event::Tasks).collect())
}

/// Refuses unless the agent is registered or is the server's own.
pub(super) fn exists(state: &State, options: &Options, agent: &str, now: Timestamp) -> Result<(), Error> {
    if agent == options.profile.name || state.registry.contains(agent, now) {
        return Ok(());
    }
    let message = format!("no agent \"{agent}\" is registered");
    Err(Error::application(Tag::DataMissing, message).app_tag("agent-unknown"))
}

/// What was found out before the one writer is asked, which need not do it then.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    /// The input was held against the schema, and against this configuration.
    configuration: Arc<Container>,
    /// Whether the agent that is to be registered has the name of a user: what says so may have to read a file.
    names_user: bool,
}

/// [`admit`], before the writer is asked.
///
/// # Errors
/// As [`admit`].
pub(super) fn admitted(
    state: &State,
    options: &Options,
    principal: &Principal,
    invocation: &Invocation,
) -> Result<Admitted, Error> {
    admit(state, options, principal, invocation)?;
    let registers = invocation.operation == &registry::REGISTER_AGENT;
    let name = registers.then(|| invocation.input.leaf(&registry::REGISTER_AGENT_INPUT_NAME)).flatten();
    let names_user = name.is_some_and(|name| options.accounts.has(&name.to_string()));
    Ok(Admitted { configuration: state.config.content().clone(), names_user })
}

/// [`admit`] of what may have been admitted before.
fn admit_again(
    state: &State,
    options: &Options,
    principal: &Principal,
    invocation: &Invocation,
    admitted: Option<&Admitted>,
) -> Result<(), Error> {
    match admitted {
        // What its expressions see is what they saw then.
        Some(Admitted { configuration, .. }) if Arc::ptr_eq(configuration, state.config.content()) => {
            may_invoke(state, options, principal, invocation.operation, invocation.target.as_ref())
        }
        _ => admit(state, options, principal, invocation),
    }
}

/// The checks that every operation has in common.
pub(super) fn admit(
    state: &State,
    options: &Options,
    principal: &Principal,
    invocation: &Invocation,
) -> Result<(), Error> {
    let operation = invocation.operation;
    may_invoke(state, options, principal, operation, invocation.target.as_ref())?;
    let (content, target) = (invocation.input.clone(), invocation.target.as_ref());
    let errors = VALIDATOR.input(state.config.content().clone(), target, operation, content);
    Error::first(errors).map_or(Ok(()), Err)?;
    let place = invocation.target.clone().unwrap_or_default().child(Step::plain(operation));
    keeps_all(&invocation.input, &place)
}

/// Refuses content without a schema that would not come back as it is.
fn keeps_all(input: &Container, place: &InstancePath) -> Result<(), Error> {
    let place = |node| place.child(Step::plain(node));
    input.iter().try_for_each(|(node, child)| match child {
        Child::Any(AnyData::Json(content)) => {
            anydata::kept(content).map_err(|why| Error::application(Tag::InvalidValue, why).at(place(node)))
        }
        Child::Container(inner) => keeps_all(inner, &place(node)),
        _ => Ok(()),
    })
}

/// Refuses an rpc, or an action of the instance at `target`, that the principal may not invoke (RFC 8341 sections 3.4.4 and
/// 3.4.5).
///
/// # Errors
/// `access-denied`.
pub(super) fn may_invoke(
    state: &State,
    options: &Options,
    principal: &Principal,
    operation: &'static Node,
    target: Option<&InstancePath>,
) -> Result<(), Error> {
    let rules = state.rules(principal);
    let may = match target {
        Some(target) => rules.may(Access::Exec, &target.child(Step::plain(operation))),
        None => access::may_invoke(&rules, principal, operation),
    };
    if may {
        return Ok(());
    }
    Denied::count(&options.capabilities.denied.operations);
    let message = format!("{} may not invoke \"{}\"", principal.name, operation.name);
    Err(Error::application(Tag::AccessDenied, message))
}

/// The refusal of whatever changes something, for who may only read.
pub(super) fn only_reads(principal: &Principal) -> Error {
    let message = format!("{} has come with a credential that is good for reading alone", principal.name);
    Error::application(Tag::AccessDenied, message)
}

/// The input as its struct; validation has found everything mandatory in it.
pub(super) fn input<T: Modelled>(invocation: &Invocation) -> Result<T, Error> {
    T::from_data(&invocation.input)
        .map_err(|e| Error::application(Tag::MissingElement, e.to_string()).info("bad-element", e.node.name))
}

/// The entry with this key of the list at the end of a way.
pub(super) fn entry(way: &[&'static Node], key: &str) -> InstancePath {
    let step = |node: &&'static Node| match node.keys().is_empty() {
        true => Step::plain(node),
        false => Step { node, selector: Selector::Key(Key::string(key)) },
    };
    InstancePath { steps: way.iter().map(step).collect() }
}

/// The identifier of the instance that an action belongs to.
fn target(invocation: &Invocation) -> Result<&str, Error> {
    let key = invocation
        .target
        .as_ref()
        .and_then(|path: &InstancePath| path.steps.last())
        .map(|step| &step.selector);
    match key {
        Some(Selector::Key(key)) => key.values().first().and_then(Value::as_str),
        _ => None,
    }
    .ok_or_else(|| Error::protocol(Tag::InvalidValue, "the action needs the list entry that it belongs to"))
}

/// A task that the principal may see, or do something of this kind to.
///
/// # Errors
/// `unknown-reference`, also of a task of others.
pub(super) fn task_of(
    state: &State,
    principal: &Principal,
    id: &str,
    right: Right,
    now: Timestamp,
) -> Result<Task, Error> {
    let found = |task: &Task| {
        sees(state, principal, &[task.from.clone(), task.to.clone()], now)
            || [&task.from, &task.to].iter().any(|agent| may(state, principal, agent, right, now))
    };
    let unknown =
        || Refusal::UnknownReference.error(format!("There is no task with the identifier \"{id}\"."));
    state.tasks.get(id).filter(found).ok_or_else(unknown)
}

/// The identifier of the instance that the one of an action is in.
fn above(invocation: &Invocation) -> Result<&str, Error> {
    let keys =
        invocation.target.iter().flat_map(|path| &path.steps).filter_map(|step| match &step.selector {
            Selector::Key(key) => key.values().first().and_then(Value::as_str),
            _ => None,
        });
    let none = || Error::protocol(Tag::InvalidValue, "the action needs the list entries that it belongs to");
    let keys: Vec<&str> = keys.collect();
    keys.iter().rev().nth(1).copied().ok_or_else(none)
}

fn new_status(node: &'static Node, status: &str) -> Container {
    let mut output = Container::default();
    crate::yang::model::put(&mut output, node, &status.to_owned());
    output
}

fn done<E, O: Modelled>(decided: Result<(Vec<E>, O), Error>, wrap: impl Fn(E) -> Event) -> Decided {
    decided.map(|(events, output)| (events.into_iter().map(wrap).collect(), output.to_data()))
}

/// What has to happen so that the registry has the server's own agent as it is configured. It
/// belongs to no user, so the administrators speak for it.
pub(super) fn own_agent(state: &State, options: &Options, fresh: &Fresh) -> Result<Vec<Event>, Error> {
    let profile: RegisterAgentInput = recast(&options.profile).map_err(|e| {
        Error::application(Tag::MissingElement, e.to_string()).info("bad-element", e.node.name)
    })?;
    let own = &options.profile;
    let (domain, management_object) = (listed(&own.domain), listed(&own.management_object));
    let mut profile = RegisterAgentInput { domain, management_object, ..profile };
    profile.capability.negotiate = listed(&own.capability.negotiate);
    let nobody = Registrant { user: NOBODY, may_take_over: true, for_ever: true };
    let former = state.registry.owned_by(NOBODY).filter(|name| *name != options.profile.name);
    let former = former.filter(|name| state.registry.contains(name, fresh.now));
    let mut events = Vec::new();
    for name in former {
        let input = DeregisterInput { reason: Some("the server's own agent has another name".into()) };
        events.extend(state.registry.deregister(fresh, name, input)?.0);
    }
    let (registered, _) = state.registry.register(fresh, nobody, profile, &options.limits)?;
    // A registration that does not end needs no renewal at each start, unless the name was a user's.
    let ours = state.registry.owner(&options.profile.name) == Some(NOBODY);
    events.extend(registered.into_iter().filter(|e| !(ours && matches!(e, agents::Event::Renewed { .. }))));
    Ok(events.into_iter().map(Event::Agents).collect())
}

/// The values of what the draft's profile has as one text, with commas.
fn listed(text: &Option<String>) -> Vec<String> {
    let values = text.iter().flat_map(|text| text.split(',')).map(str::trim);
    values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
}
