//! Who follows a stream: so many at a time, and no user all of them.
//!
//! It counts, and knows of a stream only how far it has come.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::Principal;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};

/// The subscribers that there are.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<Seats>);

#[derive(Debug, Default)]
struct Seats {
    /// How many each user has.
    users: BTreeMap<String, usize>,
    /// The log position that each has come to; [`NOWHERE`] if it follows no log.
    positions: BTreeMap<u64, Arc<AtomicU64>>,
    /// How many there ever were.
    count: u64,
}

const NOWHERE: u64 = u64::MAX;

/// The place of one subscriber, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    all: Arc<Subscribers>,
    user: String,
    number: u64,
    position: Arc<AtomicU64>,
}

impl Subscribers {
    /// A place for one more.
    ///
    /// # Errors
    /// `resource-denied` if the server has `subscribers_max`, with the app-tag `busy`, or the user so many, with
    /// `quota-exceeded`.
    pub(super) fn admit(
        self: &Arc<Self>,
        principal: &Principal,
        limits: &Limits,
        most: usize,
    ) -> Result<Seat, Error> {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Seats { users, positions, count } = &mut *seats;
        let full = |whose, limit, most: usize, app_tag| {
            let message = format!("{whose} has as many streams as it may: \"{limit}\" is {most}");
            Err(Error::protocol(Tag::ResourceDenied, message).app_tag(app_tag))
        };
        if users.values().sum::<usize>() >= limits.subscribers_max {
            return full("the server", "subscribers_max", limits.subscribers_max, "busy");
        }
        let own = users.entry(principal.name.clone()).or_default();
        if *own >= most {
            return full("the user", "subscribers_user_max", most, "quota-exceeded");
        }
        *own += 1;
        *count += 1;
        let position = Arc::new(AtomicU64::new(NOWHERE));
        positions.insert(*count, position.clone());
        Ok(Seat { all: self.clone(), user: principal.name.clone(), number: *count, position })
    }

    /// How many there are, and the position of the one that has come least far.
    pub(super) fn measured(&self) -> (usize, Option<u64>) {
        let seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let positions = seats.positions.values().map(|position| position.load(Relaxed));
        (seats.positions.len(), positions.filter(|position| *position != NOWHERE).min())
    }
}

impl Seat {
    /// The subscriber has looked at everything up to this log position.
    pub(super) fn reached(&self, position: u64) {
        self.position.store(position, Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.positions.remove(&self.number);
        let users = &mut seats.users;
        if let Some(own) = users.get_mut(&self.user) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                users.remove(&self.user);
            }
        }
    }
}
