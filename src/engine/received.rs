//! How many octets of requests are held at a time, from their arrival until they are answered: all together, and those of one
//! user. What is too much is refused; nothing here waits or looks at a request.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::Principal;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};

/// A request of no more octets is not counted for its user.
const SMALL_BYTES: usize = 64 * 1024;

/// The octets that are held.
#[derive(Debug)]
pub(super) struct Received {
    all: AtomicUsize,
    all_max: usize,
    user_max: usize,
    /// Of each user with a request that is not small.
    users: Mutex<HashMap<String, usize>>,
}

impl Received {
    /// None yet.
    pub(super) fn new(limits: &Limits) -> Arc<Received> {
        let (all_max, user_max) = (limits.received_bytes_max, limits.received_bytes_user_max);
        Arc::new(Received { all: AtomicUsize::new(0), all_max, user_max, users: Mutex::default() })
    }

    /// For one more request, of which nothing has arrived.
    pub(super) fn begin(self: &Arc<Received>) -> Held {
        Held { received: Arc::clone(self), octets: 0, of_user: None }
    }
}

/// What is held of one request, until this is dropped.
pub struct Held {
    received: Arc<Received>,
    octets: usize,
    /// Who it is counted for, and how much of it.
    of_user: Option<(String, usize)>,
}

impl Held {
    /// Says how many octets there are now.
    ///
    /// # Errors
    /// `resource-denied` with the app-tag `busy` if that is too much, for all or for this user; then it is as before.
    pub fn set(&mut self, principal: &Principal, octets: usize) -> Result<(), Error> {
        let received = Arc::clone(&self.received);
        let Received { all, all_max, .. } = received.as_ref();
        let (more, less) = (octets.saturating_sub(self.octets), self.octets.saturating_sub(octets));
        let added = |held: usize| held.checked_add(more).filter(|held| more == 0 || held <= all_max);
        all.fetch_update(Relaxed, Relaxed, added).map_err(|_| busy("the server holds"))?;
        if let Err(error) = self.count_for(principal, octets) {
            all.fetch_sub(more, Relaxed);
            return Err(error);
        }
        all.fetch_sub(less, Relaxed);
        self.octets = octets;
        Ok(())
    }

    fn count_for(&mut self, principal: &Principal, octets: usize) -> Result<(), Error> {
        let counted = if octets > SMALL_BYTES { octets } else { 0 };
        let before = self.of_user.as_ref().map_or(0, |(_, before)| *before);
        if counted == before {
            return Ok(());
        }
        let mut users = self.received.users.lock().unwrap_or_else(PoisonError::into_inner);
        let held = users.get(&principal.name).copied().unwrap_or_default().saturating_sub(before);
        let now = held.saturating_add(counted);
        if counted > before && now > self.received.user_max {
            return Err(busy("you have"));
        }
        match now {
            0 => drop(users.remove(&principal.name)),
            now => drop(users.insert(principal.name.clone(), now)),
        }
        self.of_user = (counted > 0).then(|| (principal.name.clone(), counted));
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.received.all.fetch_sub(self.octets, Relaxed);
        let Some((user, octets)) = self.of_user.take() else { return };
        let mut users = self.received.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = users.get_mut(&user) {
            *held = held.saturating_sub(octets);
            if *held == 0 {
                users.remove(&user);
            }
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.octets).finish()
    }
}

fn busy(who: &str) -> Error {
    let message = format!("{who} too many octets of requests that are not answered yet, try again later");
    Error::protocol(Tag::ResourceDenied, message).app_tag("busy")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::access::Method;

    #[test]
    fn what_is_held_is_bounded_for_all_and_for_each_user() {
        let limits =
            Limits { received_bytes_max: 300_000, received_bytes_user_max: 200_000, ..Limits::default() };
        let received = Received::new(&limits);
        let [ann, bob] = ["ann", "bob"].map(|name| Principal::new(name, Default::default(), Method::Local));
        let mut first = received.begin();
        first.set(&ann, 10).unwrap();
        first.set(&ann, 150_000).unwrap();
        let mut second = received.begin();
        second.set(&ann, SMALL_BYTES).unwrap();
        assert!(second.set(&ann, 100_000).unwrap_err().message.starts_with("you have"));
        let mut bobs = received.begin();
        assert!(bobs.set(&bob, 100_000).unwrap_err().message.starts_with("the server"));
        drop(second);
        bobs.set(&bob, 100_000).unwrap();
        first.set(&ann, 0).unwrap();
        bobs.set(&bob, 200_000).unwrap();
        assert_eq!(received.users.lock().unwrap().get("ann"), None);
        drop((first, bobs));
        assert_eq!(received.all.load(Relaxed), 0);
        assert!(received.users.lock().unwrap().is_empty());
    }
}
