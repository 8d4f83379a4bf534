//! The terms of a subscription: what a subscriber asks for (RFC 8639 section 2.4.2, RFC 8641 section 4.4), checked and
//! understood, and the errors that say what cannot be had.
//!
//! Terms never change; a modified subscription has others. Nothing here knows who asks or for how long.

use std::sync::Arc;

use super::filter::Filter;
use super::options::Options;
use super::request::Datastore;
use super::state::State;
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::{Error, InfoValue, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_subscribed_notifications::{
    EstablishSubscriptionInput, identities as sn, nodes as subscribed,
};
use crate::yang::generated::ietf_yang_push::{
    ChangeType, EstablishSubscriptionInputOnChange, EstablishSubscriptionInputPeriodic, identities as yp,
    nodes as push,
};
use crate::yang::model::{IdentityEnum, Modelled};
use crate::yang::schema::{Identity, Node};
use crate::yang::tree::{Child, Container, Key};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;

/// The stream of all events; the only one.
pub const STREAM: &str = "NETCONF";

/// What was agreed with a subscriber.
#[derive(Debug)]
pub(super) struct Terms {
    /// As in the input of `establish-subscription`, with the encoding filled in.
    pub(super) policy: Container,
    pub(super) target: Target,
    pub(super) filter: Option<Filter>,
    /// The filter among those that are configured, if it is one.
    pub(super) reference: Option<Reference>,
    pub(super) stop: Option<Timestamp>,
}

/// A filter that is configured, as it was when the terms were made.
#[derive(Debug)]
pub(super) struct Reference {
    list: &'static Node,
    name: String,
    entry: Arc<Container>,
}

#[derive(Debug)]
pub(super) enum Target {
    /// The stream of all events, from a time in the past or from now.
    Events {
        replay: Option<Timestamp>,
    },
    Datastore {
        datastore: Datastore,
        trigger: Trigger,
    },
}

/// When an update is sent (RFC 8641 section 3.1). Times are in hundredths of a second.
#[derive(Debug)]
pub(super) enum Trigger {
    Periodic { period: u32, anchor: Option<Timestamp> },
    OnChange { dampening: u32, sync: bool, excluded: Vec<ChangeType> },
}

/// The operation that an error answers: it decides in which structure hints are given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    Establish,
    Modify,
}

impl Terms {
    /// What an input of `establish-subscription` asks for. A subscription that is modified is judged as if it were
    /// established anew, but for its start.
    ///
    /// # Errors
    /// What is wrong or cannot be had, with the identity that says why.
    pub(super) fn new(
        policy: Container,
        state: &State,
        options: &Options,
        now: Timestamp,
        operation: Operation,
    ) -> Result<Terms, Error> {
        let input = EstablishSubscriptionInput::from_data(&policy)
            .map_err(|e| wrong(e.node.name, "is missing or has no value"))?;
        let limits = &options.limits;
        let is_new = matches!(operation, Operation::Establish);
        let target = target(&input, options, now, is_new, operation)?;
        let stop = time("stop-time", input.stop_time.as_deref())?;
        let begin = match target {
            Target::Events { replay: Some(start) } => start,
            _ => now,
        };
        if stop.is_some_and(|stop| stop <= begin) {
            return Err(wrong("stop-time", "is not after the start of the subscription"));
        }
        let of_data = matches!(target, Target::Datastore { .. });
        let reference = match (&input.stream_filter_name, &input.selection_filter_ref) {
            (Some(name), _) => Some(Reference::find(&subscribed::FILTERS_STREAM_FILTER, name, state)?),
            (_, Some(name)) => Some(Reference::find(&push::FILTERS_SELECTION_FILTER, name, state)?),
            (None, None) => None,
        };
        let given = reference.as_ref().map_or(&policy, |reference| &reference.entry);
        let filter = filter(given, limits).map_err(|e| {
            let text = e.message.clone();
            let hint = ("filter-failure-hint", Value::string(&text));
            refuse(operation, of_data, &sn::FILTER_UNSUPPORTED, text, &[hint])
        })?;
        if of_data && filter.as_ref().is_some_and(Filter::is_vain) {
            let message = "the filter names nothing that the server has";
            return Err(refuse(operation, true, &yp::UNCHANGING_SELECTION, message, &[]));
        }
        Ok(Terms { policy, target, filter, reference, stop })
    }

    /// The same with the filter that is now configured under the name; `None` if there is none any more.
    pub(super) fn renewed(&self, state: &State, options: &Options, now: Timestamp) -> Option<Terms> {
        Terms::new(self.policy.clone(), state, options, now, Operation::Modify).ok()
    }

    /// Whether the configured filter is the one that the terms were made with.
    pub(super) fn is_current(&self, state: &State) -> bool {
        self.reference.as_ref().is_none_or(|reference| {
            configured(reference.list, &reference.name, state)
                .is_some_and(|entry| Arc::ptr_eq(&entry, &reference.entry))
        })
    }

    pub(super) fn is_of_data(&self) -> bool {
        matches!(self.target, Target::Datastore { .. })
    }
}

impl Reference {
    fn find(list: &'static Node, name: &str, state: &State) -> Result<Reference, Error> {
        let entry = configured(list, name, state).ok_or_else(|| {
            let message = format!("there is no filter \"{name}\"");
            Error::application(Tag::DataMissing, message).app_tag("instance-required")
        })?;
        Ok(Reference { list, name: name.to_owned(), entry })
    }
}

fn configured(list: &'static Node, name: &str, state: &State) -> Option<Arc<Container>> {
    state.config.content().container(&subscribed::FILTERS)?.list(list)?.get(list, &Key::string(name))
}

/// The filter that stands among these children.
fn filter(children: &Container, limits: &Limits) -> Result<Option<Filter>, Error> {
    for (node, child) in children.iter() {
        let filter = match (node.name, child) {
            ("stream-subtree-filter", Child::Any(filter)) => Filter::subtree_of_events(filter, limits),
            ("datastore-subtree-filter", Child::Any(filter)) => Filter::subtree_of_data(filter, limits),
            ("stream-xpath-filter" | "datastore-xpath-filter", Child::Leaf(text)) => {
                Filter::xpath(text.as_str().unwrap_or_default(), limits)
            }
            _ => continue,
        };
        return filter.map(Some);
    }
    Ok(None)
}

fn target(
    input: &EstablishSubscriptionInput,
    options: &Options,
    now: Timestamp,
    is_new: bool,
    operation: Operation,
) -> Result<Target, Error> {
    let Some(datastore) = input.datastore else {
        let replay = time("replay-start-time", input.replay_start_time.as_deref())?;
        return match input.stream.as_deref() {
            Some(STREAM) if is_new && replay.is_some_and(|start| start >= now) => {
                Err(wrong("replay-start-time", "is not in the past"))
            }
            Some(STREAM) if input.periodic.is_some() || input.on_change.is_some() => {
                Err(wrong("stream", "has neither a period nor changes: those are of datastores"))
            }
            Some(STREAM) => Ok(Target::Events { replay }),
            _ => Err(wrong("stream", "is no event stream of this server")),
        };
    };
    let refuse = |identity, message: String, hints: &[(&str, Value)]| {
        Err(refuse(operation, true, identity, message, hints))
    };
    let offered = Datastore::named(datastore).filter(|d| *d != Datastore::Startup || options.startup);
    let Some(datastore) = offered else {
        let message = format!("there is no datastore \"{}\" to subscribe to", datastore.identity().name);
        return refuse(&yp::DATASTORE_NOT_SUBSCRIBABLE, message, &[]);
    };
    let trigger = match (&input.periodic, &input.on_change) {
        (Some(EstablishSubscriptionInputPeriodic { period, anchor_time }), _) => {
            let least = options.limits.push_period_min_cs;
            if *period < least {
                let message = format!("the shortest period is {least} hundredths of a second");
                return refuse(&yp::PERIOD_UNSUPPORTED, message, &[("period-hint", Value::Uint32(least))]);
            }
            Trigger::Periodic { period: *period, anchor: time("anchor-time", anchor_time.as_deref())? }
        }
        (
            None,
            Some(EstablishSubscriptionInputOnChange { dampening_period, sync_on_start, excluded_change }),
        ) => Trigger::OnChange {
            dampening: *dampening_period,
            sync: *sync_on_start,
            excluded: excluded_change.clone(),
        },
        (None, None) => {
            let message = "a subscription to a datastore is either \"periodic\" or \"on-change\"";
            let error = Error::application(Tag::MissingElement, message);
            return Err(error.info("bad-element", "update-trigger"));
        }
    };
    Ok(Target::Datastore { datastore, trigger })
}

/// A leaf whose value makes no sense here.
pub(super) fn wrong(leaf: &'static str, what: &str) -> Error {
    Error::application(Tag::InvalidValue, format!("\"{leaf}\" {what}")).info("bad-element", leaf)
}

fn time(leaf: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Error> {
    // The type has seen to the form; what is left is out of range.
    text.map(|text| text.parse().map_err(|e| wrong(leaf, &format!("is no time: {e}")))).transpose()
}

/// The error that an identity stands for, without hints.
pub(super) fn refused(identity: &'static Identity, message: impl Into<String>) -> Error {
    refuse(Operation::Establish, false, identity, message, &[])
}

/// The error that an identity stands for (RFC 8640 section 7 and RFC 8650 section 3.3: the tag, and the identity as
/// `error-app-tag`), with hints, if there are any, as structured data (RFC 8639 section 2.4.6, RFC 8641 section 3.8). The
/// data has no `reason`: that is the identity, which is told already.
pub(super) fn refuse(
    operation: Operation,
    of_data: bool,
    identity: &'static Identity,
    message: impl Into<String>,
    hints: &[(&str, Value)],
) -> Error {
    let tag = match identity.name {
        "insufficient-resources" => Tag::ResourceDenied,
        "on-change-sync-unsupported" => Tag::OperationNotSupported,
        "update-too-big" | "sync-too-big" => Tag::TooBig,
        "unchanging-selection" => Tag::OperationFailed,
        _ => Tag::InvalidValue,
    };
    let error =
        Error::application(tag, message).app_tag(format!("{}:{}", identity.module.name, identity.name));
    let structure: &'static Node = match (operation, of_data) {
        _ if hints.is_empty() => return error,
        (Operation::Establish, false) => &subscribed::ESTABLISH_SUBSCRIPTION_STREAM_ERROR_INFO,
        (Operation::Modify, false) => &subscribed::MODIFY_SUBSCRIPTION_STREAM_ERROR_INFO,
        (Operation::Establish, true) => &push::ESTABLISH_SUBSCRIPTION_DATASTORE_ERROR_INFO,
        (Operation::Modify, true) => &push::MODIFY_SUBSCRIPTION_DATASTORE_ERROR_INFO,
    };
    let mut content = Container::default();
    for (name, value) in hints {
        if let Some(node) = structure.data.iter().find(|node| node.name == *name) {
            content.set(node, Child::Leaf(value.clone()));
        }
    }
    error.info(structure.name, InfoValue::Structure(structure, Arc::new(content)))
}

/// Puts a leaf by its text; one that the node does not have is left out.
pub(super) fn put(data: &mut Container, node: &'static Node, name: &str, text: &str) {
    let Some(leaf) = node.data.iter().find(|child| child.name == name) else { return };
    let value = leaf.ty().and_then(|ty| types::parse(ty, text, &ModuleNames(&SCHEMA), leaf.module).ok());
    if let Some(value) = value {
        data.set(leaf, Child::Leaf(value));
    }
}
