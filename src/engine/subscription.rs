//! Following the log as a stream of notifications.
//!
//! A stream position is a log position, so a subscriber that comes back reads on where it was.
//! Nothing is queued for a subscriber: it asks for the next notification, which comes from the
//! newest events in memory or, further back, from the log. So a slow reader costs nothing.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};

use super::core;
use super::denied::Denied;
use super::event::Actor;
use super::filter::Filter;
use super::meter::Meter;
use super::options::Options;
use super::output::UnderWay;
use super::received::Received;
use super::sessions::{Reason, Sessions};
use super::speakers;
use super::state::State;
use super::stepper::Entropy;
use super::subscribers::Seat;
use super::unknown::Unknown;
use super::visible;
use crate::access::{Nacm, Principal, Rules};
use crate::clock::Timestamp;
use crate::log::{LogError, LogReader, NewRecord, Record};
use crate::trace::Trace;
use crate::yang::error::{Error, Tag};
use crate::yang::notification::Notification;

/// Most events that are kept in memory for subscribers that are up to date, or nearly.
const TAIL_MAX: usize = 16_384;
/// Most octets of their records.
const TAIL_BYTES_MAX: usize = 32 << 20;
/// Events that one subscriber takes at a time.
const BATCH: usize = 256;
/// Once it has records of so many octets it takes no more: what waits for a slow reader is in the log, not in memory.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// What the writer shares with readers and subscribers.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) snapshot: ArcSwap<State>,
    /// The sessions beside it, with their candidates and locks.
    pub(super) sessions: ArcSwap<Sessions>,
    /// Where a session says that it ended, and why.
    pub(super) ended: mpsc::Sender<(u32, Reason)>,
    /// Taken by who rebuilds an old revision from the log, which is long work.
    pub(super) rebuilding: Arc<Semaphore>,
    /// Taken by the work of making an update of subscribed data.
    pub(super) updating: Arc<Semaphore>,
    /// The large answers that are under way.
    pub(super) large_answers: Arc<UnderWay>,
    /// The octets of requests that are held.
    pub(super) received: Arc<Received>,
    /// The newest durable position.
    pub(super) committed: watch::Sender<u64>,
    /// Whether subscriptions are to end.
    pub(super) ending: watch::Sender<bool>,
    pub(super) tail: Tail,
    pub(super) reader: LogReader,
    pub(super) options: Options,
    pub(super) entropy: Entropy,
    pub(super) meter: Meter,
    /// Whether all of the running configuration was found to be valid. Edits keep it so.
    pub(super) is_valid: OnceLock<()>,
}

/// A record as subscribers see it.
#[derive(Debug, Clone)]
pub(super) struct Announced {
    position: u64,
    at: Timestamp,
    recorded: Arc<Recorded>,
    /// The trace of the request that it comes of, if spans are told of that.
    trace: Option<Arc<Trace>>,
}

/// What was recorded, and what is told of it once somebody follows.
#[derive(Debug)]
struct Recorded {
    record: NewRecord,
    notifications: OnceLock<Vec<Arc<Told>>>,
}

impl Announced {
    pub(super) fn new(position: u64, record: NewRecord, trace: Option<Arc<Trace>>) -> Self {
        let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
        Announced {
            position,
            at,
            recorded: Arc::new(Recorded { record, notifications: OnceLock::new() }),
            trace,
        }
    }

    /// Octets of the record, as a measure of what it holds.
    fn size(&self) -> usize {
        self.recorded.record.payload.len()
    }

    /// What is told of it, made for the first who asks.
    ///
    /// # Errors
    /// [`Lost`]: the record was written by another version.
    fn notifications(&self) -> Result<&[Arc<Told>], Lost> {
        let Recorded { record, notifications } = self.recorded.as_ref();
        if let Some(told) = notifications.get() {
            return Ok(told);
        }
        let event = Unknown::default().read(self.position, record.kind, record.version, &record.payload);
        let event = event.map_err(|e| Lost(e.to_string()))?;
        let actor = Actor::named(&record.actor, &record.origin);
        let announce = || core::announce(&event, self.at, actor).into_iter().map(Told::new).collect();
        Ok(notifications.get_or_init(announce))
    }
}

/// A notification, and what front ends have made of it for one subscriber, for the next.
#[derive(Debug)]
pub struct Told {
    notification: Notification,
    forms: [OnceLock<Bytes>; FORMS],
}

/// In how many forms a notification can be kept.
const FORMS: usize = 2;

impl Told {
    pub(super) fn new(notification: Notification) -> Arc<Told> {
        Arc::new(Told { notification, forms: Default::default() })
    }
}

impl Deref for Told {
    type Target = Notification;

    fn deref(&self) -> &Notification {
        &self.notification
    }
}

/// The newest events.
#[derive(Debug, Default)]
pub(super) struct Tail(RwLock<Newest>);

#[derive(Debug, Default)]
struct Newest {
    events: VecDeque<Announced>,
    size: usize,
}

impl Tail {
    pub(super) fn push(&self, events: Vec<Announced>) {
        let mut tail = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            tail.size += event.size();
            tail.events.push_back(event);
        }
        while tail.events.len() > TAIL_MAX || tail.size > TAIL_BYTES_MAX {
            match tail.events.pop_front() {
                Some(event) => tail.size -= event.size(),
                None => break,
            }
        }
    }

    /// The events after a position; `None` if they are no longer all here.
    fn after(&self, position: u64) -> Option<Vec<Announced>> {
        let tail = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let first = tail.events.front()?.position;
        let skip = usize::try_from((position + 1).checked_sub(first)?).ok()?;
        let mut size = 0;
        let fits = |event: &&Announced| {
            let fits = size < BATCH_BYTES_MAX;
            size += event.size();
            fits
        };
        let events = tail.events.range(skip.min(tail.events.len())..);
        Some(events.take(BATCH).take_while(fits).cloned().collect())
    }
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the next event.
    Now,
    /// After a notification that was seen before.
    After {
        /// Its position.
        position: u64,
        /// Its number among those of the position.
        part: usize,
    },
    /// After everything of a position.
    Behind(u64),
    /// With the first event at or after this time (RFC 8040 section 4.8.7).
    Time(Timestamp),
}

/// A notification with its place in the stream.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The log position of the event.
    pub position: u64,
    /// Number among the notifications of the event, from 0.
    pub part: usize,
    /// When the event happened: `eventTime`.
    pub at: Timestamp,
    /// The notification.
    pub notification: Arc<Told>,
    /// The trace of the request that it comes of, as long as that is remembered.
    pub(super) trace: Option<Arc<Trace>>,
}

impl Delivered {
    /// What `make` makes of this, once for all subscribers; `form` says which of two forms that is. It has to depend on
    /// nothing else.
    pub fn form(&self, form: bool, make: impl FnOnce(&Delivered) -> Bytes) -> Bytes {
        let [one, other] = &self.notification.forms;
        (if form { one } else { other }).get_or_init(|| make(self)).clone()
    }
}

/// The log could not be read, or an update not be made: the stream ends and can be taken up again.
#[derive(Debug, thiserror::Error)]
#[error("the stream cannot be continued: {0}")]
pub struct Lost(String);

impl Lost {
    pub(super) fn new(reason: String) -> Self {
        Lost(reason)
    }
}

/// How the first event is found. It can take reading what was archived, so who reads the stream waits for it and nobody else.
#[derive(Debug, Clone, Copy)]
enum Begin {
    /// It is the first at or after a time, or what comes after the newest that there was.
    Time { time: Timestamp, newest: u64 },
    /// It is the next, or the first that is kept (RFC 8639 section 2.4.2.1).
    Kept,
}

/// A stream of notifications.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    principal: Principal,
    filter: Option<Filter>,
    /// Until the first event is read.
    begin: Option<Begin>,
    /// The newest position that was looked at completely.
    position: u64,
    /// Parts of the position after it that were seen already.
    skip: usize,
    until: Option<Timestamp>,
    /// An event after `until` was reached.
    finished: bool,
    pending: VecDeque<Delivered>,
    /// How many events were not for this subscriber.
    excluded: u64,
    /// What the principal may do, by the rules that were looked at last.
    rules: Option<(Arc<Nacm>, Arc<Rules>)>,
    committed: watch::Receiver<u64>,
    ending: watch::Receiver<bool>,
    seat: Seat,
}

impl Subscription {
    pub(super) fn start(
        shared: Arc<Shared>,
        principal: Principal,
        filter: Option<Filter>,
        from: From,
        until: Option<Timestamp>,
        seat: Seat,
    ) -> Result<Self, Error> {
        let (committed, ending) = (shared.committed.subscribe(), shared.ending.subscribe());
        let newest = *committed.borrow();
        let (position, skip) = match from {
            From::Now => (newest, 0),
            From::Behind(position) => (position, 0),
            From::After { position, part } if position > 0 && position <= newest => {
                (position - 1, part.saturating_add(1))
            }
            From::After { position: 0, .. } => (0, 0),
            From::After { position, .. } => {
                let message = format!("position {position} is not reached yet; the newest is {newest}");
                return Err(Error::protocol(Tag::InvalidValue, message));
            }
            From::Time(_) => (0, 0),
        };
        let begin = match from {
            From::Time(time) => Begin::Time { time, newest },
            _ => Begin::Kept,
        };
        seat.reached(if matches!(from, From::Time(_)) { newest } else { position });
        Ok(Subscription {
            shared,
            principal,
            filter,
            begin: Some(begin),
            position,
            skip,
            until,
            finished: false,
            pending: VecDeque::new(),
            excluded: 0,
            rules: None,
            committed,
            ending,
            seat,
        })
    }

    /// The next notification; `None` when the stop time has passed or the server stops.
    ///
    /// Cancelling the call loses nothing.
    ///
    /// # Errors
    /// [`Lost`] if the log cannot be read.
    pub async fn next(&mut self) -> Result<Option<Delivered>, Lost> {
        loop {
            if let Some(delivered) = self.pop() {
                return Ok(Some(delivered));
            }
            if self.finished {
                return Ok(None);
            }
            if *self.committed.borrow_and_update() > self.position {
                self.fill().await?;
                continue;
            }
            let clock = self.shared.options.clock.clone();
            let until = self.until.unwrap_or(Timestamp::MAX);
            tokio::select! {
                // What was committed by the time of the end is still told.
                biased;
                changed = self.committed.changed() => if changed.is_err() { return Ok(None) },
                () = clock.sleep_until(until) => return Ok(None),
                // It fails if the server is gone; then the stream ends too.
                _ = self.ending.wait_for(|ending| *ending) => return Ok(None),
            }
        }
    }

    /// A notification that comes without waiting, if there is one.
    pub fn ready(&mut self) -> Option<Delivered> {
        self.pop()
    }

    /// The next notification up to a position that was reached already; `None` if there is none.
    ///
    /// # Errors
    /// [`Lost`] if the log cannot be read.
    pub async fn next_until(&mut self, last: u64) -> Result<Option<Delivered>, Lost> {
        loop {
            while self.pending.front().is_some_and(|next| next.position <= last) {
                if let Some(delivered) = self.take() {
                    return Ok(Some(delivered));
                }
            }
            if self.finished || self.position >= last {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    /// The time by which the stream is judged.
    pub fn now(&self) -> Timestamp {
        self.shared.options.clock.now()
    }

    /// Follows another filter, until another time, from here on.
    pub(super) fn modify(&mut self, filter: Option<Filter>, until: Option<Timestamp>) {
        self.filter = filter;
        self.until = until;
        self.finished = false;
    }

    /// How many events were kept back: by access control, or by the filter.
    pub(super) fn excluded(&self) -> u64 {
        self.excluded
    }

    /// The next of those that were read, may be seen and pass the filter.
    fn pop(&mut self) -> Option<Delivered> {
        while !self.pending.is_empty() {
            if let Some(delivered) = self.take() {
                return Some(delivered);
            }
        }
        // Who has caught up needs no room.
        self.pending = VecDeque::new();
        None
    }

    /// Takes one of those that were read, and gives it if it may be seen and passes the filter.
    fn take(&mut self) -> Option<Delivered> {
        let delivered = self.pending.pop_front()?;
        if self.until.is_some_and(|until| delivered.at > until) {
            self.finished = true;
            self.pending.clear();
            return None;
        }
        let told = self.seen(delivered).filter(|seen| self.passes(seen));
        self.excluded += u64::from(told.is_none());
        if let Some(Delivered { at, trace: Some(trace), .. }) = &told {
            trace.notified(*at);
        }
        told
    }

    fn passes(&self, seen: &Delivered) -> bool {
        let Some(filter) = &self.filter else { return true };
        let quotas = self.shared.snapshot.load().quotas(&self.shared.options.limits, &self.principal);
        filter.passes(&seen.notification, quotas.event_filter_steps)
    }

    /// What the principal may have of it at this moment: a right can have gone since it was read.
    fn seen(&mut self, delivered: Delivered) -> Option<Delivered> {
        let state = self.shared.snapshot.load();
        let notification = &delivered.notification;
        if !speakers::concerns(&state, &self.principal, notification, self.now()) {
            return None;
        }
        let rules = match &self.rules {
            Some((nacm, rules)) if Arc::ptr_eq(nacm, &state.nacm) => rules.clone(),
            _ => {
                // Who is told of orders does not depend on whose order stands now.
                let rules = state.nacm.rules(&self.principal);
                self.rules = Some((state.nacm.clone(), rules.clone()));
                rules
            }
        };
        if !visible::is_told(&rules, &self.principal, notification) {
            Denied::count(&self.shared.options.capabilities.denied.notifications);
            return None;
        }
        let part = core::readable_change(&rules, &self.principal, notification);
        match part.or_else(|| visible::registration(&rules, notification)) {
            None => Some(delivered),
            Some(Some(part)) => Some(Delivered { notification: Told::new(part), ..delivered }),
            Some(None) => None,
        }
    }

    /// Takes the next events.
    async fn fill(&mut self) -> Result<(), Lost> {
        if let Some(Begin::Time { time, newest }) = self.begin {
            let find = move |reader: &LogReader| {
                reader.position_at_time(time.as_micros()).map_err(|e| Lost(e.to_string()))
            };
            let found = self.look_up(find).await?.map_or(newest, |position| position.saturating_sub(1));
            self.position = found.min(newest);
            self.begin = Some(Begin::Kept);
        }
        let events = match self.shared.tail.after(self.position) {
            Some(events) => events,
            None => self.read_log().await?,
        };
        self.begin = None;
        if events.first().is_some_and(|first| first.position > self.position.saturating_add(1)) {
            // The one of which parts were seen is not among them.
            self.skip = 0;
        }
        for event in events {
            if self.until.is_some_and(|until| event.at > until) {
                self.finished = true;
                return Ok(());
            }
            let skip = std::mem::take(&mut self.skip);
            let told = event.notifications()?.iter().enumerate().skip(skip);
            self.pending.extend(told.map(|(part, notification)| Delivered {
                position: event.position,
                part,
                at: event.at,
                notification: notification.clone(),
                trace: event.trace.clone(),
            }));
            self.position = event.position;
        }
        self.seat.reached(self.position);
        Ok(())
    }

    async fn read_log(&self) -> Result<Vec<Announced>, Lost> {
        let (after, begins) = (self.position, self.begin.is_some());
        self.look_up(move |reader| {
            let records = match reader.read(after, BATCH) {
                Err(LogError::Gone { first }) if begins => reader.read(first.saturating_sub(1), BATCH),
                read => read,
            };
            let announce = |record: Record| {
                let announced = Announced::new(record.position, record.into(), None);
                announced.notifications()?;
                Ok(announced)
            };
            records.map_err(|e| Lost(e.to_string()))?.into_iter().map(announce).collect()
        })
        .await
    }

    /// Asks something of the log, beside the runtime.
    async fn look_up<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&LogReader) -> Result<T, Lost> + Send + 'static,
    ) -> Result<T, Lost> {
        let reader = self.shared.reader.clone();
        tokio::task::spawn_blocking(move || ask(&reader)).await.map_err(|e| Lost(e.to_string()))?
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::event::Event;

    #[test]
    fn a_subscriber_takes_little_at_a_time_and_never_nothing() {
        let tail = Tail::default();
        let event = |position: u64, size: usize| {
            let record = Event::Edited(Vec::new()).to_record(Timestamp::EPOCH, Actor::SERVER).unwrap();
            Announced::new(position, NewRecord { payload: vec![0; size], ..record }, None)
        };
        tail.push(vec![
            event(5, 4 * BATCH_BYTES_MAX),
            event(6, BATCH_BYTES_MAX / 2),
            event(7, BATCH_BYTES_MAX),
        ]);
        let taken = |after| -> Vec<u64> { tail.after(after).unwrap().iter().map(|e| e.position).collect() };
        assert_eq!((taken(4), taken(5), taken(7)), (vec![5], vec![6, 7], vec![]));
        assert!(tail.after(3).is_none(), "that is in the log alone");
        tail.push((8..1000).map(|position| event(position, 1)).collect());
        assert_eq!(taken(7).len(), BATCH);
    }
}
