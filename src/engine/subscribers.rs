//! Who follows a stream: so many at a time, and no user all of them.
//!
//! It counts and knows no stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::Principal;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};

/// The subscribers that there are, by the names of their users.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<BTreeMap<String, usize>>);

/// The place of one subscriber, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    all: Arc<Subscribers>,
    user: String,
}

impl Subscribers {
    /// A place for one more.
    ///
    /// # Errors
    /// `resource-denied` if the server has `subscribers_max`, or the user so many.
    pub(super) fn admit(
        self: &Arc<Self>,
        principal: &Principal,
        limits: &Limits,
        most: usize,
    ) -> Result<Seat, Error> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |whose, limit, most: usize| {
            let message = format!("{whose} has as many streams as it may: \"{limit}\" is {most}");
            Err(Error::protocol(Tag::ResourceDenied, message).app_tag("quota-exceeded"))
        };
        if users.values().sum::<usize>() >= limits.subscribers_max {
            return full("the server", "subscribers_max", limits.subscribers_max);
        }
        let own = users.entry(principal.name.clone()).or_default();
        if *own >= most {
            return full("the user", "subscribers_user_max", most);
        }
        *own += 1;
        Ok(Seat { all: self.clone(), user: principal.name.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut users = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = users.get_mut(&self.user) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                users.remove(&self.user);
            }
        }
    }
}
