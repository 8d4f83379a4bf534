//! How many octets of requests are held at a time, from their arrival until they are answered: all together, and those of each
//! user. What is too much is refused, or waits for room if it can. Nothing here looks at a request.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::access::Principal;
use crate::limits::InForce;
use crate::metrics::{Counter, Kind, Text};
use crate::yang::error::{Error, Tag};

/// A request of no more octets is small: room is kept for such.
pub const SMALL_BYTES: usize = 64 * 1024;
/// This part of the whole, and of what a user may have, is kept for small requests, and as much of the whole for administrators.
const KEPT_PART: usize = 8;
/// Users are told apart in so many tables, so that they seldom wait for each other.
const SHARDS: usize = 16;

/// The octets that are held.
#[derive(Debug)]
pub(super) struct Received {
    limits: InForce,
    all: AtomicUsize,
    hasher: RandomState,
    /// Of each user with a request.
    users: [Mutex<HashMap<String, Arc<AtomicUsize>>>; SHARDS],
    /// Told whenever something is given back while somebody waits.
    room: Notify,
    waiting: AtomicUsize,
    refused: Counter,
}

/// What there is no room in.
enum Full {
    All,
    OfUser,
}

impl Received {
    /// None yet.
    pub(super) fn new(limits: &InForce) -> Arc<Received> {
        Arc::new(Received {
            limits: limits.clone(),
            all: AtomicUsize::new(0),
            hasher: RandomState::new(),
            users: Default::default(),
            room: Notify::new(),
            waiting: AtomicUsize::new(0),
            refused: Counter::default(),
        })
    }

    /// For one more request, of which nothing has arrived.
    pub(super) fn begin(self: &Arc<Received>) -> Held {
        Held { received: Arc::clone(self), octets: 0, of_user: None }
    }

    /// Writes what is held and was refused.
    pub(super) fn measure(&self, text: &mut Text) {
        let help = "Octets of requests that are not answered yet.";
        text.single("agentconf_received_bytes", Kind::Gauge, help, self.all.load(Relaxed));
        let help = "Octets of requests that may be held.";
        text.single("agentconf_received_bytes_max", Kind::Gauge, help, self.limits.received_bytes_max);
        let help = "Requests that were refused since too many octets are held.";
        text.single("agentconf_received_refusals_total", Kind::Counter, help, self.refused.get());
    }

    fn users(&self, name: &str) -> MutexGuard<'_, HashMap<String, Arc<AtomicUsize>>> {
        let [first, ..] = &self.users;
        let shard = self.hasher.hash_one(name) as usize % SHARDS;
        self.users.get(shard).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, octets: usize) {
        if octets > 0 {
            self.all.fetch_sub(octets, SeqCst);
            if self.waiting.load(SeqCst) > 0 {
                self.room.notify_waiters();
            }
        }
    }
}

/// What is held of one request, until this is dropped.
pub struct Held {
    received: Arc<Received>,
    octets: usize,
    /// Who it is counted for, and all that is.
    of_user: Option<(String, Arc<AtomicUsize>)>,
}

impl Held {
    /// Says how many octets there are now.
    ///
    /// # Errors
    /// `resource-denied` with the app-tag `busy` if that is too much, for all or for this user; then it is as before.
    pub fn set(&mut self, principal: &Principal, octets: usize) -> Result<(), Error> {
        self.try_set(principal, octets, false).map_err(|full| self.refuse(&full))
    }

    /// Says how many octets there are now of a message that can wait: one that is small is always taken, and one that is not
    /// waits until there is room for it beside the others. If this is dropped before it is ready, it is as before.
    ///
    /// # Errors
    /// As before, if it is too much for this user.
    pub async fn wait(&mut self, principal: &Principal, octets: usize) -> Result<(), Error> {
        let is_small = octets <= SMALL_BYTES;
        let received = Arc::clone(&self.received);
        if self.try_set(principal, octets, is_small).is_ok() {
            return Ok(());
        }
        let _waiting = Waiting::begin(&received);
        loop {
            let mut room = std::pin::pin!(received.room.notified());
            // What is given back from here on is told.
            room.as_mut().enable();
            match self.try_set(principal, octets, is_small) {
                Ok(()) => return Ok(()),
                Err(Full::OfUser) => return Err(self.refuse(&Full::OfUser)),
                Err(Full::All) => room.await,
            }
        }
    }

    /// The refusal of what has waited too long for room.
    pub fn too_long(&self) -> Error {
        self.refuse(&Full::All)
    }

    fn refuse(&self, full: &Full) -> Error {
        self.received.refused.count();
        let who = match full {
            Full::All => "the server holds",
            Full::OfUser => "you have",
        };
        let message = format!("{who} too many octets of requests that are not answered yet, try again later");
        Error::protocol(Tag::ResourceDenied, message).app_tag("busy")
    }

    fn try_set(&mut self, principal: &Principal, octets: usize, always: bool) -> Result<(), Full> {
        let received = Arc::clone(&self.received);
        let Some(more) = octets.checked_sub(self.octets).filter(|more| *more > 0) else {
            let less = self.octets.saturating_sub(octets);
            if let Some((_, of_user)) = &self.of_user {
                of_user.fetch_sub(less, SeqCst);
            }
            self.octets = octets;
            received.give_back(less);
            return Ok(());
        };
        let (all_max, user_max) =
            (received.limits.received_bytes_max, received.limits.received_bytes_user_max);
        let is_small = octets <= SMALL_BYTES;
        let for_small = |max: usize| if is_small { 0 } else { max / KEPT_PART };
        let for_admins = if principal.is_admin() { 0 } else { all_max / KEPT_PART + for_small(all_max) };
        let bounded =
            |max: usize| move |held: usize| held.checked_add(more).filter(|held| always || *held <= max);
        let of_user = Arc::clone(self.of_user(&principal.name));
        let user_max = user_max - for_small(user_max);
        of_user.fetch_update(SeqCst, SeqCst, bounded(user_max)).map_err(|_| Full::OfUser)?;
        if received.all.fetch_update(SeqCst, SeqCst, bounded(all_max - for_admins)).is_err() {
            of_user.fetch_sub(more, SeqCst);
            return Err(Full::All);
        }
        self.octets = octets;
        Ok(())
    }

    /// All that is held of the user.
    fn of_user(&mut self, name: &str) -> &Arc<AtomicUsize> {
        let received = Arc::clone(&self.received);
        let (_, of_user) = self.of_user.get_or_insert_with(|| {
            let mut users = received.users(name);
            let of_user = match users.get(name) {
                Some(of_user) => Arc::clone(of_user),
                None => Arc::clone(users.entry(name.to_owned()).or_default()),
            };
            (name.to_owned(), of_user)
        });
        of_user
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((name, of_user)) = self.of_user.take() {
            of_user.fetch_sub(self.octets, SeqCst);
            let mut users = self.received.users(&name);
            // The table's and this one: nobody else counts for the user, and nobody begins to while the table is locked.
            if Arc::strong_count(&of_user) == 2 {
                users.remove(&name);
            }
            // Before the table is free again: who comes then must not count this one.
            drop(of_user);
        }
        self.received.give_back(self.octets);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.octets).finish()
    }
}

/// Somebody who waits for room.
struct Waiting<'a>(&'a Received);

impl<'a> Waiting<'a> {
    fn begin(received: &'a Received) -> Waiting<'a> {
        received.waiting.fetch_add(1, SeqCst);
        Waiting(received)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::access::{ADMIN_GROUP, Method};
    use crate::limits::Limits;
    use std::time::Duration;
    use tokio::time::timeout;

    fn received(all: usize, user: usize) -> Arc<Received> {
        let limits = Limits { received_bytes_max: all, received_bytes_user_max: user, ..Limits::default() };
        Received::new(&InForce::from(limits))
    }

    fn user(name: &str) -> Principal {
        Principal::new(name, Default::default(), Method::Local)
    }

    fn admin() -> Principal {
        Principal::new("root", [ADMIN_GROUP.to_owned()].into(), Method::Local)
    }

    fn is_empty(received: &Received) -> bool {
        let no_users = received.users.iter().all(|users| users.lock().unwrap().is_empty());
        no_users && received.all.load(SeqCst) == 0 && received.waiting.load(SeqCst) == 0
    }

    #[test]
    fn what_is_held_is_bounded_for_all_and_for_each_user() {
        let received = received(400_000, 200_000);
        let [ann, bob] = ["ann", "bob"].map(user);
        let mut first = received.begin();
        first.set(&ann, 10).unwrap();
        first.set(&ann, 150_000).unwrap();
        let mut second = received.begin();
        second.set(&ann, 50_000).unwrap();
        assert!(second.set(&ann, 50_001).unwrap_err().message.starts_with("you have"));
        // An eighth of the whole is kept for administrators, and one for what is small.
        let mut bobs = received.begin();
        assert!(bobs.set(&bob, 100_001).unwrap_err().message.starts_with("the server"));
        bobs.set(&bob, 100_000).unwrap();
        let mut small = received.begin();
        small.set(&bob, 50_000).unwrap();
        assert!(received.begin().set(&user("cid"), 1).is_err());
        let mut admins = received.begin();
        admins.set(&admin(), 50_000).unwrap();
        assert!(admins.set(&admin(), 50_001).is_err());
        drop(second);
        first.set(&ann, 0).unwrap();
        bobs.set(&bob, 125_000).unwrap();
        drop((first, bobs, small, admins));
        assert!(is_empty(&received) && received.refused.get() == 4);
    }

    #[test]
    fn one_user_with_many_small_requests_leaves_room_for_the_others() {
        let received = received(1_000_000, 250_000);
        let ann = user("ann");
        let held: Vec<Held> = std::iter::repeat_with(|| {
            let mut held = received.begin();
            held.set(&ann, 1000).map(|()| held)
        })
        .map_while(Result::ok)
        .collect();
        assert_eq!(held.len(), 250);
        for other in [user("bob"), admin()] {
            received.begin().set(&other, 200_000).unwrap();
        }
        drop(held);
        assert!(is_empty(&received));
    }

    #[test]
    fn the_bounds_are_those_in_force() {
        let limits = InForce::from(Limits::default());
        let received = Received::new(&limits);
        received.begin().set(&user("ann"), 1000).unwrap();
        limits.replace(&Limits { received_bytes_user_max: 999, ..Limits::default() });
        assert!(received.begin().set(&user("ann"), 1000).is_err());
        limits.replace(&Limits { received_bytes_max: 1100, ..Limits::default() });
        assert!(received.begin().set(&user("ann"), 1000).is_err());
    }

    #[tokio::test]
    async fn a_message_waits_for_room_unless_it_is_small() {
        let received = received(400_000, 350_000);
        let [ann, bob] = ["ann", "bob"].map(user);
        let mut first = received.begin();
        first.set(&ann, 300_000).unwrap();
        let (mut small, mut large) = (received.begin(), received.begin());
        small.wait(&bob, SMALL_BYTES).await.unwrap();
        large.wait(&bob, SMALL_BYTES).await.unwrap();
        let waits = timeout(Duration::ZERO, large.wait(&bob, SMALL_BYTES + 1)).await;
        assert!(waits.is_err() && large.octets == SMALL_BYTES);
        let waits = tokio::spawn(async move { large.wait(&bob, 150_000).await.map(|()| large) });
        while received.waiting.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        drop(first);
        drop((waits.await.unwrap().unwrap(), small));
        assert!(is_empty(&received));
    }
}
