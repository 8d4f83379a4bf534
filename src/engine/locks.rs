//! Locks of datastores (RFC 6241 section 7.5) and of parts of the running one (RFC 5717): who holds which, and whom
//! they keep from what.
//!
//! They are asked for and kept to by the writer, between two requests, so nobody waits for one and there is no race for
//! one. They are memory: a restart, which ends every session, forgets them. Nothing here knows what an edit does.

use imbl::OrdMap;

use super::request::{Candidate, Datastore};
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::datastore::diff::Change;
use crate::yang::error::{Error, Tag};
use crate::yang::path::InstancePath;

/// A datastore that can be locked as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lockable {
    /// The running datastore.
    Running,
    /// The candidate that all share.
    Candidate,
    /// The startup datastore.
    Startup,
}

impl Lockable {
    /// What is to be locked so that a datastore does not change; `None` for one that nobody else can change.
    pub(super) fn of(datastore: Datastore) -> Option<Self> {
        match datastore {
            Datastore::Unified | Datastore::Running => Some(Lockable::Running),
            Datastore::Candidate(Candidate::Shared) => Some(Lockable::Candidate),
            Datastore::Startup => Some(Lockable::Startup),
            Datastore::Candidate(Candidate::Session(_)) | Datastore::Intended | Datastore::Operational => {
                None
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Lockable::Running => "running",
            Lockable::Candidate => "candidate",
            Lockable::Startup => "startup",
        }
    }
}

/// A lock of a whole datastore.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lock {
    /// The session that holds it.
    pub(super) session: u32,
    /// Since when.
    pub(super) at: Timestamp,
}

/// A lock of nodes of the running datastore.
#[derive(Debug, Clone)]
pub(super) struct PartialLock {
    /// The session that holds it.
    pub(super) session: u32,
    /// Since when.
    pub(super) at: Timestamp,
    /// The expressions that selected the nodes.
    pub(super) select: Vec<String>,
    /// The nodes, with all that is below them.
    pub(super) nodes: Vec<InstancePath>,
}

/// All locks that are held.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks {
    whole: OrdMap<Lockable, Lock>,
    partial: OrdMap<u32, PartialLock>,
    /// The identifier of the newest partial lock.
    newest: u32,
}

impl Locks {
    /// Whether these are the same as others of which they are a copy.
    pub(super) fn same(&self, other: &Locks) -> bool {
        self.whole.ptr_eq(&other.whole) && self.partial.ptr_eq(&other.partial)
    }

    /// The lock of a whole datastore.
    pub(super) fn whole(&self, datastore: Lockable) -> Option<Lock> {
        self.whole.get(&datastore).copied()
    }

    /// The partial locks with their identifiers.
    pub(super) fn partial(&self) -> impl Iterator<Item = (u32, &PartialLock)> {
        self.partial.iter().map(|(id, lock)| (*id, lock))
    }

    /// Whether a session holds any lock.
    pub(super) fn are_held_by(&self, session: u32) -> bool {
        self.whole.values().any(|lock| lock.session == session)
            || self.partial.values().any(|lock| lock.session == session)
    }

    /// Locks a datastore.
    ///
    /// # Errors
    /// `lock-denied` with the session that has it, or a part of it, locked (RFC 6241 section 7.5, RFC 5717 section 2.1.1).
    pub(super) fn lock(&mut self, datastore: Lockable, session: u32, now: Timestamp) -> Result<(), Error> {
        let whole = self.whole.get(&datastore).map(|lock| lock.session);
        // RFC 6241 section 7.5: a lock of any portion is in the way, whoever holds it.
        let part = || self.partial.values().map(|lock| lock.session).next();
        let holder = whole.or_else(|| if datastore == Lockable::Running { part() } else { None });
        match holder {
            Some(holder) => Err(lock_denied(holder, format!("the {} datastore", datastore.name()))),
            None => {
                self.whole.insert(datastore, Lock { session, at: now });
                Ok(())
            }
        }
    }

    /// Gives up the lock of a datastore.
    ///
    /// # Errors
    /// `operation-failed` if the session does not hold it.
    pub(super) fn unlock(&mut self, datastore: Lockable, session: u32) -> Result<(), Error> {
        match self.whole.get(&datastore) {
            Some(lock) if lock.session == session => {
                self.whole.remove(&datastore);
                Ok(())
            }
            Some(lock) => {
                let message =
                    format!("the {} datastore is locked by session {}", datastore.name(), lock.session);
                Err(Error::protocol(Tag::OperationFailed, message))
            }
            None => {
                let message = format!("the {} datastore is not locked", datastore.name());
                Err(Error::protocol(Tag::OperationFailed, message))
            }
        }
    }

    /// Locks nodes of the running datastore; gives the identifier of the lock.
    ///
    /// # Errors
    /// `lock-denied` if one of them is locked by another session or the whole datastore by any, `resource-denied` if there
    /// are `locks_max` partial locks (RFC 5717 section 2.4.1).
    pub(super) fn lock_part(&mut self, lock: PartialLock, locks_max: usize) -> Result<u32, Error> {
        if let Some(whole) = self.whole.get(&Lockable::Running) {
            return Err(lock_denied(whole.session, "the running datastore".to_owned()));
        }
        let others = || self.partial.values().filter(|other| other.session != lock.session);
        for node in &lock.nodes {
            if let Some(other) = others().find(|other| other.nodes.iter().any(|theirs| overlap(theirs, node)))
            {
                return Err(lock_denied(other.session, format!("{node}")).at(node.clone()));
            }
        }
        if self.partial.len() >= locks_max {
            let message = format!("the server keeps at most {locks_max} partial locks");
            return Err(Error::protocol(Tag::ResourceDenied, message));
        }
        loop {
            self.newest = self.newest.wrapping_add(1);
            if self.newest != 0 && !self.partial.contains_key(&self.newest) {
                self.partial.insert(self.newest, lock);
                return Ok(self.newest);
            }
        }
    }

    /// Gives up a partial lock.
    ///
    /// # Errors
    /// `invalid-value` if the session has no such lock (RFC 5717 section 2.4.2).
    pub(super) fn unlock_part(&mut self, id: u32, session: u32) -> Result<(), Error> {
        if self.partial.get(&id).is_none_or(|lock| lock.session != session) {
            let message = format!("this session holds no partial lock {id}");
            return Err(Error::protocol(Tag::InvalidValue, message));
        }
        self.partial.remove(&id);
        Ok(())
    }

    /// Gives up all that a session holds.
    pub(super) fn release(&mut self, session: u32) {
        if self.are_held_by(session) {
            let others = |holder: u32| holder != session;
            self.whole = self
                .whole
                .iter()
                .filter(|(_, lock)| others(lock.session))
                .map(|(k, lock)| (*k, *lock))
                .collect();
            let partial = self.partial.iter().filter(|(_, lock)| others(lock.session));
            self.partial = partial.map(|(id, lock)| (*id, lock.clone())).collect();
        }
    }

    /// Refuses to write to a datastore that another has locked.
    ///
    /// # Errors
    /// `in-use` (RFC 6241 appendix A, RFC 8040 section 1.4).
    pub(super) fn leave(&self, datastore: Datastore, principal: &Principal) -> Result<(), Error> {
        let Some(datastore) = Lockable::of(datastore) else { return Ok(()) };
        match self.whole.get(&datastore) {
            Some(lock) if Some(lock.session) != principal.session => {
                let message =
                    format!("the {} datastore is locked by session {}", datastore.name(), lock.session);
                Err(Error::protocol(Tag::InUse, message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses changes of the running datastore at nodes that another has locked.
    ///
    /// # Errors
    /// `in-use` with the node.
    pub(super) fn leave_parts(&self, changes: &[Change], principal: &Principal) -> Result<(), Error> {
        for lock in self.partial.values().filter(|lock| Some(lock.session) != principal.session) {
            let touched = |change: &&Change| lock.nodes.iter().any(|node| overlap(node, &change.path));
            if let Some(change) = changes.iter().find(touched) {
                let message = format!("this is locked by session {}", lock.session);
                // RFC 5717 section 2.5.
                let error = Error::protocol(Tag::InUse, message).app_tag("locked");
                return Err(error.at(change.path.clone()));
            }
        }
        Ok(())
    }
}

/// Whether one is the other or is in it.
fn overlap(one: &InstancePath, other: &InstancePath) -> bool {
    // A change of a whole list or leaf-list is one of each of its entries.
    one.steps.iter().zip(&other.steps).all(|(a, b)| {
        use crate::yang::path::Selector::None;
        a.node == b.node && (a.selector == b.selector || a.selector == None || b.selector == None)
    })
}

fn lock_denied(holder: u32, what: String) -> Error {
    let message = format!("{what} is locked by session {holder}");
    Error::protocol(Tag::LockDenied, message).info("session-id", holder.to_string().as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::access::Method;
    use crate::yang::generated::irtf_agent::DataParams;
    use crate::yang::generated::irtf_agent::nodes::{DATA_PARAMS, DATA_PARAMS_DATA};
    use crate::yang::path::Step;

    fn principal(session: Option<u32>) -> Principal {
        let ops = Principal::new("ops", Default::default(), Method::Local);
        session.map_or(ops.clone(), |session| ops.in_session(session))
    }

    fn entry(id: &str) -> InstancePath {
        InstancePath::of(&DATA_PARAMS, [DataParams::key_of(id).unwrap()]).unwrap()
    }

    fn part(session: u32, nodes: Vec<InstancePath>) -> PartialLock {
        PartialLock { session, at: Timestamp::EPOCH, select: Vec::new(), nodes }
    }

    #[test]
    fn rfc6241_7_5_a_lock_is_denied_at_once_and_names_its_holder() {
        let mut locks = Locks::default();
        locks.lock(Lockable::Running, 4, Timestamp::EPOCH).unwrap();
        for session in [4, 5] {
            let error = locks.lock(Lockable::Running, session, Timestamp::EPOCH).unwrap_err();
            assert_eq!(error.tag, Tag::LockDenied);
            assert_eq!((error.info[0].name, error.info[0].value.to_string()), ("session-id", "4".into()));
        }
        locks.lock(Lockable::Candidate, 5, Timestamp::EPOCH).unwrap();
        assert!(locks.leave(Datastore::Running, &principal(Some(4))).is_ok());
        for other in [Some(5), None] {
            let error = locks.leave(Datastore::Unified, &principal(other)).unwrap_err();
            assert_eq!(error.tag, Tag::InUse);
        }
        assert!(locks.unlock(Lockable::Running, 5).is_err());
        locks.release(4);
        locks.lock(Lockable::Running, 5, Timestamp::EPOCH).unwrap();
    }

    #[test]
    fn rfc5717_2_1_a_partial_lock_covers_its_nodes_and_what_is_below() {
        let mut locks = Locks::default();
        let id = locks.lock_part(part(4, vec![entry("a")]), 8).unwrap();
        let changed = |path: InstancePath| vec![Change { path, old: None, new: None }];
        let below = entry("a").child(Step::plain(&DATA_PARAMS_DATA));
        let list = InstancePath { steps: vec![Step::plain(&DATA_PARAMS)] };
        for path in [entry("a"), below, list] {
            let error = locks.leave_parts(&changed(path.clone()), &principal(None)).unwrap_err();
            assert_eq!(error.tag, Tag::InUse);
            assert!(locks.leave_parts(&changed(path), &principal(Some(4))).is_ok());
        }
        assert!(locks.leave_parts(&changed(entry("b")), &principal(Some(5))).is_ok());
        assert_eq!(locks.lock_part(part(5, vec![entry("a")]), 8).unwrap_err().tag, Tag::LockDenied);
        assert_eq!(locks.lock(Lockable::Running, 5, Timestamp::EPOCH).unwrap_err().tag, Tag::LockDenied);
        assert_eq!(locks.lock_part(part(5, vec![entry("b")]), 1).unwrap_err().tag, Tag::ResourceDenied);
        assert!(locks.unlock_part(id, 5).is_err());
        locks.unlock_part(id, 4).unwrap();
        locks.lock_part(part(5, vec![entry("a")]), 8).unwrap();
    }
}
