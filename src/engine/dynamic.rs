//! The stream of one dynamic subscription: its updates, and what it tells of itself (RFC 8639 section 2.7).
//!
//! It is read from the log, or made from snapshots when it is wanted, at the pace of the reader: nothing is queued for a
//! subscriber and no volume is too much. So a subscription is never suspended because its receiver is slow; only an
//! update that would be larger than `push_nodes_max` or `push_bytes_max` suspends one (RFC 8641 section 3.11.1).
//!
//! `subscription-started` and `subscription-completed` are of configured subscriptions alone.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;

use super::push::Push;
use super::request::Form;
use super::subscribers::Seat;
use super::subscription::{Delivered, From, Lost, Shared, Subscription, Told};
use super::subscriptions::{Dynamic, Ended, Orders};
use super::terms::{Target, Terms};
use crate::yang::error::Error;
use crate::yang::generated::ietf_subscribed_notifications::identities::{
    self as sn, SubscriptionTerminatedReason,
};
use crate::yang::generated::ietf_subscribed_notifications::{ReplayCompleted, SubscriptionTerminated};
use crate::yang::generated::ietf_yang_push::{PushChangeUpdate, PushUpdate};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::schema::Identity;

/// The open stream of a dynamic subscription. With it the subscription ends.
#[derive(Debug)]
pub struct DynamicSubscription {
    shared: Arc<Shared>,
    subscription: Arc<Dynamic>,
    orders: watch::Receiver<Orders>,
    /// The terms that the stream follows.
    terms: Arc<Terms>,
    /// How often they had been modified.
    modified: u64,
    /// How often a full update had been asked for.
    resyncs: u64,
    source: Source,
    committed: watch::Receiver<u64>,
    /// The revision of the configuration when the filter was last looked up.
    looked_up: u64,
    over: bool,
}

#[derive(Debug)]
enum Source {
    /// Events of the log.
    Events {
        events: Box<Subscription>,
        /// The last position of the replay that is going on.
        replay: Option<u64>,
    },
    /// Updates of a datastore.
    Data(Box<Push>),
}

/// What can happen next.
enum Next {
    Told(Delivered),
    /// An update that was made from what there was at a position.
    Made(u64, Notification),
    ReplayCompleted,
    Orders,
    Over,
}

impl DynamicSubscription {
    pub(super) fn start(shared: Arc<Shared>, subscription: Arc<Dynamic>, seat: Seat) -> Result<Self, Error> {
        let orders = subscription.orders.subscribe();
        let (terms, modified) = (orders.borrow().terms.clone(), orders.borrow().modified);
        let principal = subscription.principal.clone();
        let established = subscription.start.lock().ok().and_then(|mut start| start.take());
        let position = established.as_ref().map_or(0, |state| state.position);
        let looked_up = established.as_ref().map_or(0, |state| state.config_revision);
        let begun = match &terms.target {
            Target::Events { replay } => {
                let from = replay.map_or(From::Behind(position), From::Time);
                let replay = replay.map(|_| position);
                Subscription::start(shared.clone(), principal, terms.filter.clone(), from, terms.stop, seat)
                    .map(|events| Source::Events { events: Box::new(events), replay })
            }
            Target::Datastore { .. } => {
                let form = match subscription.encoding() == &sn::ENCODE_XML {
                    true => Form::Xml,
                    false => Form::Json,
                };
                let (shared, terms, id) = (shared.clone(), terms.clone(), subscription.id);
                let push = Push::start(shared, principal, id, form, terms, established, seat);
                Ok(Source::Data(Box::new(push)))
            }
        };
        let source =
            begun.inspect_err(|_| shared.options.capabilities.subscriptions.remove(subscription.id))?;
        let committed = shared.committed.subscribe();
        Ok(DynamicSubscription {
            shared,
            subscription,
            orders,
            terms,
            modified,
            resyncs: 0,
            source,
            committed,
            looked_up,
            over: false,
        })
    }

    /// The encoding that was agreed: an identity derived from `ietf-subscribed-notifications:encoding`.
    pub fn encoding(&self) -> &'static Identity {
        self.subscription.encoding()
    }

    /// The next notification; `None` when the subscription is over. Unless its subscriber deleted it or its stop time
    /// has come, the last one says that and why (RFC 8639 section 2.7.3).
    ///
    /// Cancelling the call loses nothing.
    pub async fn next(&mut self) -> Option<Delivered> {
        while !self.over {
            if let Some(told) = self.follow_orders() {
                return Some(told);
            }
            if self.over {
                break;
            }
            // The configured filter that it refers to may change with any commit. An update of data is not broken off
            // for that: under many commits there would never be one, and the next follows the new filter.
            let follows = self.terms.reference.is_some()
                && match &self.source {
                    Source::Events { .. } => true,
                    Source::Data(push) => push.is_idle(),
                };
            let next = tokio::select! {
                biased;
                changed = self.orders.changed() => if changed.is_ok() { Next::Orders } else { Next::Over },
                _ = self.committed.changed(), if follows => Next::Orders,
                next = self.source.next() => next.unwrap_or_else(|error| {
                    tracing::error!(%error, "a subscription was terminated");
                    Next::Over
                }),
            };
            self.count();
            match next {
                Next::Orders => {}
                Next::Told(told) => {
                    self.subscription.sent.fetch_add(1, Relaxed);
                    return Some(told);
                }
                Next::Made(position, notification) => {
                    let is_update =
                        [PushUpdate::node(), PushChangeUpdate::node()].contains(&notification.node);
                    self.subscription.sent.fetch_add(u64::from(is_update), Relaxed);
                    let at = self.shared.options.clock.now();
                    let notification = Told::new(notification);
                    return Some(Delivered { position, part: 0, at, notification, trace: None });
                }
                Next::ReplayCompleted => {
                    let data = ReplayCompleted { id: self.subscription.id }.to_data();
                    let node = ReplayCompleted::node();
                    return Some(self.told(Notification { node, data, parties: Vec::new() }));
                }
                Next::Over => match self.terms.stop {
                    // That it comes to its end as agreed is told of configured subscriptions alone (section 2.7.6).
                    Some(stop) if stop <= self.shared.options.clock.now() => self.over = true,
                    _ => return Some(self.unavailable()),
                },
            }
        }
        None
    }

    /// Ends it because its receiver may not have it any more (RFC 8639 section 2.1, RFC 8641 section 3.9): the last that
    /// it tells.
    pub fn revoke(&mut self) -> Delivered {
        self.terminated(match &self.source {
            Source::Events { .. } => SubscriptionTerminatedReason::StreamUnavailable,
            Source::Data(_) => SubscriptionTerminatedReason::UnchangingSelection,
        })
    }

    /// Ends it because the server stops or cannot go on.
    fn unavailable(&mut self) -> Delivered {
        self.terminated(match &self.source {
            Source::Events { .. } => SubscriptionTerminatedReason::StreamUnavailable,
            Source::Data(_) => SubscriptionTerminatedReason::DatastoreNotSubscribable,
        })
    }

    /// Does what was ordered meanwhile, and follows the filter that is referred to; gives what that has to tell.
    fn follow_orders(&mut self) -> Option<Delivered> {
        let orders = self.orders.borrow_and_update().clone();
        match orders.ended {
            Some(Ended::Deleted) => {
                self.over = true;
                return None;
            }
            Some(Ended::Killed) => {
                return Some(self.terminated(SubscriptionTerminatedReason::NoSuchSubscription));
            }
            None => {}
        }
        // What was made under the old terms comes first.
        if matches!(&self.source, Source::Data(push) if push.has_more()) {
            return None;
        }
        if orders.modified != self.modified {
            self.modified = orders.modified;
            self.terms = orders.terms;
            self.source.modify(&self.terms);
            return Some(self.told(self.subscription.modified()));
        }
        if let (true, Source::Data(push)) = (orders.resyncs != self.resyncs, &mut self.source) {
            push.resync();
        }
        self.resyncs = orders.resyncs;
        let state = self.shared.snapshot.load_full();
        if state.config_revision == self.looked_up {
            return None;
        }
        self.looked_up = state.config_revision;
        if self.terms.is_current(&state) {
            return None;
        }
        let (options, now) = (&self.shared.options, self.shared.options.clock.now());
        match self.terms.renewed(&state, options, now).map(Arc::new) {
            Some(terms) => {
                self.terms = terms.clone();
                self.subscription.orders.send_modify(|orders| orders.terms = terms);
                self.source.modify(&self.terms);
                Some(self.told(self.subscription.modified()))
            }
            None => Some(self.terminated(SubscriptionTerminatedReason::FilterUnavailable)),
        }
    }

    fn count(&self) {
        match &self.source {
            Source::Events { events, .. } => self.subscription.excluded.store(events.excluded(), Relaxed),
            Source::Data(push) => self.subscription.suspended.store(push.suspended, Relaxed),
        }
    }

    /// `subscription-terminated`: the last that it tells.
    fn terminated(&mut self, reason: SubscriptionTerminatedReason) -> Delivered {
        self.over = true;
        let data = SubscriptionTerminated { id: self.subscription.id, reason }.to_data();
        self.told(Notification { node: SubscriptionTerminated::node(), data, parties: Vec::new() })
    }

    fn told(&self, notification: Notification) -> Delivered {
        let position = *self.shared.committed.borrow();
        let notification = Told::new(notification);
        let at = self.shared.options.clock.now();
        Delivered { position, part: 0, at, notification, trace: None }
    }
}

impl Drop for DynamicSubscription {
    /// RFC 8650 section 3.1: a subscription whose stream is gone is over.
    fn drop(&mut self) {
        self.shared.options.capabilities.subscriptions.remove(self.subscription.id);
    }
}

impl Source {
    async fn next(&mut self) -> Result<Next, Lost> {
        match self {
            Source::Events { events, replay } => {
                if let Some(last) = *replay {
                    if let Some(told) = events.next_until(last).await? {
                        return Ok(Next::Told(told));
                    }
                    *replay = None;
                    return Ok(Next::ReplayCompleted);
                }
                Ok(events.next().await?.map_or(Next::Over, Next::Told))
            }
            Source::Data(push) => {
                let Some(notification) = push.next().await? else { return Ok(Next::Over) };
                Ok(Next::Made(push.position(), notification))
            }
        }
    }

    fn modify(&mut self, terms: &Arc<Terms>) {
        match self {
            Source::Data(push) => push.modify(terms.clone()),
            Source::Events { events, .. } => events.modify(terms.filter.clone(), terms.stop),
        }
    }
}
