//! Dynamic subscriptions (RFC 8639 section 2.4, RFC 8641): who has which, and the operations on them.
//!
//! A subscription lives as long as its stream, or `subscription_open_s` if that is never opened, and not beyond the
//! process: nothing of it is in the log. No event is ever queued here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use super::driver::Engine;
use super::dynamic::DynamicSubscription;
use super::operations::{admit, input, only_reads};
use super::request::{Form, Invocation};
use super::state::State;
use super::subscription::Shared;
use super::terms::{Operation, Target, Terms, Trigger, put, refuse, refused, wrong};
use super::update::{Basis, Reason, Work};
use crate::access::{Principal, Standing};
use crate::clock::Timestamp;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_subscribed_notifications::{
    DeleteSubscriptionInput, EstablishSubscriptionOutput, KillSubscriptionInput, Receiver, ReceiverState,
    SubscriptionModified, identities as sn, nodes,
};
use crate::yang::generated::ietf_yang_push::{ResyncSubscriptionInput, identities as yp, nodes as push};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::recast::recast_data;
use crate::yang::schema::{Identity, Node};
use crate::yang::tree::{Child, Container, List};
use crate::yang::value::Value;

/// Dynamic subscriptions have the upper half of the identifiers (RFC 8639 section 6): the lower is for configured ones.
const FIRST_ID: u32 = 1 << 31;

/// All subscriptions that there are.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// How many there were since the start.
    count: u32,
    all: BTreeMap<u32, Arc<Dynamic>>,
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Dynamic {
    pub(super) id: u32,
    pub(super) principal: Principal,
    /// Where its stream is, for protocols that open streams by a URI, and who may come for it.
    place: OnceLock<Place>,
    /// When it is given up, if its stream is not opened.
    open_by: Timestamp,
    /// What there was when it was established: nothing that came after is missed.
    pub(super) start: Mutex<Option<Arc<State>>>,
    pub(super) orders: watch::Sender<Orders>,
    opened: AtomicBool,
    pub(super) suspended: AtomicBool,
    pub(super) sent: AtomicU64,
    pub(super) excluded: AtomicU64,
}

/// What a front end knows of a subscription.
#[derive(Debug)]
struct Place {
    uri: String,
    /// Whether what proved the subscriber's identity still does. A user who is made anew under an old name is another.
    standing: Option<Standing>,
}

/// What its stream has to follow.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    pub(super) terms: Arc<Terms>,
    /// How often the terms were modified.
    pub(super) modified: u64,
    /// How often a full update was asked for.
    pub(super) resyncs: u64,
    pub(super) ended: Option<Ended>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By its subscriber, to whom nothing more is sent (RFC 8639 section 2.4.4).
    Deleted,
    /// By an operator, which the subscriber is told (RFC 8639 section 2.4.5).
    Killed,
}

/// Whether an operation is about subscriptions.
pub(super) fn is_about_subscriptions(operation: &Node) -> bool {
    const ALL: [&Node; 5] = [
        &nodes::ESTABLISH_SUBSCRIPTION,
        &nodes::MODIFY_SUBSCRIPTION,
        &nodes::DELETE_SUBSCRIPTION,
        &nodes::KILL_SUBSCRIPTION,
        &push::RESYNC_SUBSCRIPTION,
    ];
    ALL.contains(&operation)
}

/// Carries out an operation on subscriptions.
pub(super) async fn invoke(
    shared: &Arc<Shared>,
    principal: &Principal,
    invocation: &Invocation,
) -> Result<Container, Error> {
    admit(&shared.snapshot.load(), &shared.options, principal, invocation)?;
    let (operation, subscriptions) = (invocation.operation, &shared.options.capabilities.subscriptions);
    if operation == &nodes::ESTABLISH_SUBSCRIPTION {
        let policy = Container::clone(&invocation.input);
        return subscriptions.establish(shared, principal, policy).await;
    }
    let now = shared.options.clock.now();
    if operation == &nodes::MODIFY_SUBSCRIPTION {
        subscriptions.modify(shared, principal, &invocation.input, now).await?;
    } else if operation == &nodes::DELETE_SUBSCRIPTION {
        let DeleteSubscriptionInput { id } = input(invocation)?;
        let own = subscriptions.of(principal, id, now, &sn::NO_SUCH_SUBSCRIPTION)?;
        subscriptions.end(&own, Ended::Deleted);
    } else if operation == &nodes::KILL_SUBSCRIPTION && principal.is_reader() {
        return Err(only_reads(principal));
    } else if operation == &nodes::KILL_SUBSCRIPTION {
        let KillSubscriptionInput { id } = input(invocation)?;
        let any = subscriptions.get(id, now).ok_or_else(|| unknown(id, &sn::NO_SUCH_SUBSCRIPTION))?;
        subscriptions.end(&any, Ended::Killed);
    } else {
        let ResyncSubscriptionInput { id } = input(invocation)?;
        let own = subscriptions.of(principal, id, now, &yp::NO_SUCH_SUBSCRIPTION_RESYNC)?;
        resync(shared, &own).await?;
    }
    Ok(Container::default())
}

impl Subscriptions {
    async fn establish(
        &self,
        shared: &Arc<Shared>,
        principal: &Principal,
        policy: Container,
    ) -> Result<Container, Error> {
        let (options, state, now) =
            (&shared.options, shared.snapshot.load_full(), shared.options.clock.now());
        let terms = Arc::new(Terms::new(policy, &state, options, now, Operation::Establish)?);
        afford(shared, principal, &terms, Some(Operation::Establish)).await?;
        let oldest = options.capabilities.replay_from();
        let revised = match (&terms.target, oldest.as_deref().map(str::parse::<Timestamp>)) {
            (Target::Events { replay: Some(start) }, Some(Ok(from))) if *start < from => oldest,
            _ => None,
        };
        let limits = &options.limits;
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget(now);
        let own = book.all.values().filter(|s| s.principal.name == principal.name).count();
        let most = state.quotas(limits, principal).subscriptions;
        if own >= most || book.all.len() >= limits.subscriptions_max {
            let message = "there are as many subscriptions as there may be: see the limits \"subscriptions_user_max\" and \"subscriptions_max\"";
            return Err(refused(&sn::INSUFFICIENT_RESOURCES, message));
        }
        // Wraps only after two thousand million subscriptions.
        let mut id = FIRST_ID | book.count;
        while book.all.contains_key(&id) {
            id = FIRST_ID | id.wrapping_add(1);
        }
        book.count = book.count.wrapping_add(1);
        let orders = Orders { terms, modified: 0, resyncs: 0, ended: None };
        let subscription = Dynamic {
            id,
            principal: principal.clone(),
            place: OnceLock::new(),
            open_by: now.saturating_add_seconds(limits.subscription_open_s.into()),
            start: Mutex::new(Some(state)),
            orders: watch::Sender::new(orders),
            opened: AtomicBool::new(false),
            suspended: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            excluded: AtomicU64::new(0),
        };
        book.all.insert(id, Arc::new(subscription));
        Ok(EstablishSubscriptionOutput { id, replay_start_time_revision: revised, uri: None }.to_data())
    }

    /// RFC 8639 section 2.4.3: what the input has takes the place of what was agreed; the rest stays.
    async fn modify(
        &self,
        shared: &Arc<Shared>,
        principal: &Principal,
        input: &Container,
        now: Timestamp,
    ) -> Result<(), Error> {
        let id = match input.leaf(&nodes::MODIFY_SUBSCRIPTION_INPUT_ID) {
            Some(Value::Uint32(id)) => *id,
            _ => return Err(wrong("id", "is missing")),
        };
        let subscription = self.of(principal, id, now, &sn::NO_SUCH_SUBSCRIPTION)?;
        let old = subscription.orders.borrow().terms.clone();
        let new = recast_data(input, &nodes::ESTABLISH_SUBSCRIPTION_INPUT);
        let mut policy = old.policy.clone();
        if new.iter().any(|(node, _)| is_filter(node)) {
            let filters: Vec<&'static Node> =
                policy.iter().map(|(node, _)| node).filter(|node| is_filter(node)).collect();
            filters.into_iter().for_each(|node| drop(policy.remove(node)));
        }
        for (node, child) in new.iter() {
            if old.is_of_data() && node.name.starts_with("stream-") {
                return Err(wrong(node.name, "is a filter of events, and this is a subscription to data"));
            }
            let fixed = ["datastore", "periodic", "on-change"].contains(&node.name);
            match (policy.get(node), child) {
                (None, _) if fixed => {
                    let message =
                        format!("\"{}\" cannot be modified: establish another subscription", node.name);
                    return Err(Error::application(Tag::InvalidValue, message).info("bad-element", node.name));
                }
                (Some(old), new) if node.name == "datastore" && old != new => {
                    return Err(wrong("datastore", "cannot be modified: establish another subscription"));
                }
                (Some(Child::Container(old)), Child::Container(new)) => {
                    let mut both = old.as_ref().clone();
                    new.iter().for_each(|(node, child)| both.set(node, child.clone()));
                    policy.set(node, Child::Container(Arc::new(both)));
                }
                (_, child) => policy.set(node, child.clone()),
            }
        }
        let state = shared.snapshot.load_full();
        let terms = Arc::new(Terms::new(policy, &state, &shared.options, now, Operation::Modify)?);
        afford(shared, principal, &terms, Some(Operation::Modify)).await?;
        subscription.orders.send_modify(|orders| {
            orders.terms = terms;
            orders.modified += 1;
        });
        Ok(())
    }

    /// The subscription that this principal has established, in the same session (RFC 8640 section 5).
    fn of(
        &self,
        principal: &Principal,
        id: u32,
        now: Timestamp,
        otherwise: &'static Identity,
    ) -> Result<Arc<Dynamic>, Error> {
        let is_own = |s: &Arc<Dynamic>| s.is_of(principal) && s.principal.session == principal.session;
        let own = self.get(id, now).filter(is_own);
        own.ok_or_else(|| unknown(id, otherwise))
    }

    fn get(&self, id: u32, now: Timestamp) -> Option<Arc<Dynamic>> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget(now);
        book.all.get(&id).cloned()
    }

    /// Takes a subscription for its stream, of which there is one; or looks only whether it could be taken.
    ///
    /// # Errors
    /// `data-missing` if the principal has no such subscription, `in-use` if its stream is open.
    pub(super) fn open(
        &self,
        principal: &Principal,
        name: &str,
        now: Timestamp,
        take: bool,
    ) -> Result<Arc<Dynamic>, Error> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget(now);
        let is_it = |s: &&Arc<Dynamic>| s.is_of(principal) && s.is_called(name);
        let own = book.all.values().find(is_it).cloned();
        let own = own.ok_or_else(|| Error::protocol(Tag::DataMissing, "there is no such subscription"))?;
        match own.opened.fetch_or(take, Relaxed) {
            false => Ok(own),
            true => {
                let message = format!("the stream of subscription {} is open already", own.id);
                Err(Error::protocol(Tag::InUse, message))
            }
        }
    }

    /// Ends a subscription; its stream is told why.
    fn end(&self, subscription: &Dynamic, ended: Ended) {
        subscription.orders.send_modify(|orders| orders.ended = Some(ended));
        self.remove(subscription.id);
    }

    pub(super) fn locate(&self, id: u32, uri: &str, standing: Option<Standing>) {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subscription) = book.all.get(&id) {
            // There is one place alone, told once.
            let _ = subscription.place.set(Place { uri: uri.to_owned(), standing });
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.len()
    }

    /// Forgets a subscription whose stream has ended.
    pub(super) fn remove(&self, id: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&id);
    }

    /// `/ietf-subscribed-notifications:subscriptions`, as far as they are the principal's own.
    pub(super) fn shown(&self, principal: &Principal, now: Timestamp) -> Container {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget(now);
        let visible = |s: &&Arc<Dynamic>| principal.is_admin() || s.is_of(principal);
        let node = &nodes::SUBSCRIPTIONS_SUBSCRIPTION;
        let mut list = List::Sorted(imbl::OrdMap::new());
        for subscription in book.all.values().filter(visible) {
            let entry = subscription.shown();
            list.put(node, entry.key(node), Arc::new(entry));
        }
        let mut subscriptions = Container::default();
        if !list.is_empty() {
            subscriptions.set(node, Child::List(list));
        }
        subscriptions
    }
}

impl Book {
    /// Gives up the subscriptions whose streams were not opened in time, or cannot be by who established them.
    fn forget(&mut self, now: Timestamp) {
        self.all.retain(|_, s| s.opened.load(Relaxed) || now < s.open_by && s.stands());
    }
}

impl Dynamic {
    /// Whether it is the principal's: of the same user, with credentials that are bound to the same agent, or to none. Its
    /// stream shows what who established it may see.
    fn is_of(&self, principal: &Principal) -> bool {
        (&self.principal.name, &self.principal.agent) == (&principal.name, &principal.agent)
    }

    /// Whether its URI ends with this name; without a URI its identifier is its name.
    fn is_called(&self, name: &str) -> bool {
        match self.place.get() {
            Some(place) => place.uri.rsplit('/').next() == Some(name),
            None => self.id.to_string() == name,
        }
    }

    fn stands(&self) -> bool {
        self.place.get().and_then(|place| place.standing.as_ref()).is_none_or(Standing::holds)
    }

    /// Its entry in the list of subscriptions.
    fn shown(&self) -> Container {
        use nodes::SUBSCRIPTIONS_SUBSCRIPTION as NODE;
        let mut entry = self.described(&NODE);
        // RFC 8650 section 3: before its stream is open it is not active.
        let state = match self.suspended.load(Relaxed) || !self.opened.load(Relaxed) {
            true => ReceiverState::Suspended,
            false => ReceiverState::Active,
        };
        let receiver = Receiver {
            name: self.principal.name.clone(),
            sent_event_records: self.sent.load(Relaxed),
            excluded_event_records: self.excluded.load(Relaxed),
            state,
        };
        let receiver = receiver.to_data();
        let list = &nodes::SUBSCRIPTIONS_SUBSCRIPTION_RECEIVERS_RECEIVER;
        let mut receivers = List::empty(list);
        receivers.put(list, receiver.key(list), Arc::new(receiver));
        let mut inner = Container::default();
        inner.set(list, Child::List(receivers));
        entry.set(&nodes::SUBSCRIPTIONS_SUBSCRIPTION_RECEIVERS, Child::Container(Arc::new(inner)));
        entry
    }

    /// `subscription-modified`: all that is agreed now (RFC 8639 section 2.7.2).
    pub(super) fn modified(&self) -> Notification {
        let node = SubscriptionModified::node();
        Notification { node, data: self.described(node), parties: Vec::new() }
    }

    /// What is agreed, as a list entry or notification has it.
    fn described(&self, node: &'static Node) -> Container {
        let mut described = recast_data(&self.orders.borrow().terms.policy, node);
        put(&mut described, node, "id", &self.id.to_string());
        if let Some(place) = self.place.get() {
            put(&mut described, node, "uri", &place.uri);
        }
        described
    }

    /// The encoding that was agreed: who received the rpc has put its own into the input if there was none.
    pub(super) fn encoding(&self) -> &'static Identity {
        match self.orders.borrow().terms.policy.leaf(&nodes::ESTABLISH_SUBSCRIPTION_INPUT_ENCODING) {
            Some(Value::Identity(encoding)) => encoding,
            _ => &sn::ENCODE_JSON,
        }
    }
}

/// RFC 8641 section 4.4.4.
async fn resync(shared: &Arc<Shared>, subscription: &Dynamic) -> Result<(), Error> {
    let terms = subscription.orders.borrow().terms.clone();
    let can = matches!(terms.target, Target::Datastore { trigger: Trigger::OnChange { sync: true, .. }, .. });
    if !can {
        let message = "only a subscription to changes that was synchronized at its start can be again";
        return Err(refused(&yp::ON_CHANGE_SYNC_UNSUPPORTED, message));
    }
    afford(shared, &subscription.principal, &terms, None).await?;
    subscription.orders.send_modify(|orders| orders.resyncs += 1);
    Ok(())
}

/// What could not be told already now is rather declined than suspended later (RFC 8641 section 3.11.2).
async fn afford(
    shared: &Arc<Shared>,
    principal: &Principal,
    terms: &Arc<Terms>,
    operation: Option<Operation>,
) -> Result<(), Error> {
    let Target::Datastore { datastore, trigger } = &terms.target else { return Ok(()) };
    if matches!(trigger, Trigger::OnChange { sync: false, .. }) {
        return Ok(());
    }
    let work = Work {
        shared: shared.clone(),
        principal: principal.clone(),
        id: 0,
        form: Form::Json,
        terms: terms.clone(),
        datastore: *datastore,
        number: 0,
    };
    let failed = || Error::application(Tag::OperationFailed, "what is selected could not be looked at");
    let permit = shared.updating.clone().acquire_owned().await.map_err(|_| failed())?;
    let selected = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work.selected(&Basis::of(&work.shared)).map(drop)
    });
    let Err(reason) = selected.await.map_err(|_| failed())? else { return Ok(()) };
    let limits = &shared.options.limits;
    let uint32 = |count: usize| Value::Uint32(u32::try_from(count).unwrap_or(u32::MAX));
    let hints = [
        ("object-count-limit", uint32(limits.push_nodes_max)),
        ("kilobytes-limit", uint32(limits.push_bytes_max / 1024)),
    ];
    let (identity, message, hints): (&'static Identity, _, &[_]) = match reason {
        Reason::SyncTooBig => (&yp::SYNC_TOO_BIG, "more is selected than one update can hold", &hints),
        Reason::UpdateTooBig => (&yp::UPDATE_TOO_BIG, "more is selected than one update can hold", &hints),
        _ => (&sn::INSUFFICIENT_RESOURCES, "the filter takes more steps than it may", &[]),
    };
    Err(match operation {
        Some(operation) => refuse(operation, true, identity, message, hints),
        None => refused(identity, message),
    })
}

fn unknown(id: u32, identity: &'static Identity) -> Error {
    refused(identity, format!("there is no subscription {id} of yours"))
}

fn is_filter(node: &Node) -> bool {
    [
        "stream-filter-name",
        "stream-subtree-filter",
        "stream-xpath-filter",
        "selection-filter-ref",
        "datastore-subtree-filter",
        "datastore-xpath-filter",
    ]
    .contains(&node.name)
}

impl Engine {
    /// Opens the stream of a dynamic subscription, which the operation `establish-subscription` has made, by the last
    /// part of its URI, or its identifier if it has none. When it is dropped, the subscription is over.
    ///
    /// # Errors
    /// `data-missing` if the principal has no such subscription, `in-use` if its stream is open, `resource-denied` if
    /// there are too many subscribers, `operation-failed` if the log cannot be read.
    pub fn open_subscription(&self, principal: &Principal, name: &str) -> Result<DynamicSubscription, Error> {
        let seat = self.seat(principal)?;
        let now = self.shared.options.clock.now();
        let subscription = self.shared.options.capabilities.subscriptions.open(principal, name, now, true)?;
        DynamicSubscription::start(self.shared.clone(), subscription, seat)
    }

    /// Whether [`Self::open_subscription`] would find a subscription whose stream is not open.
    ///
    /// # Errors
    /// `data-missing`, `in-use`.
    pub fn find_subscription(&self, principal: &Principal, name: &str) -> Result<(), Error> {
        let now = self.shared.options.clock.now();
        self.shared.options.capabilities.subscriptions.open(principal, name, now, false).map(drop)
    }

    /// Records where the stream of a subscription is, for protocols that open streams by a URI (RFC 8650 section 3.4),
    /// and for how long who established it may come for it.
    pub fn locate_subscription(&self, id: u32, uri: &str, standing: Option<Standing>) {
        self.shared.options.capabilities.subscriptions.locate(id, uri, standing);
    }
}
