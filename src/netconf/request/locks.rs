//! `lock`, `unlock` (RFC 6241 sections 7.5 and 7.6), `partial-lock` and `partial-unlock` (RFC 5717).
//!
//! Who holds what is not known here.

use super::{Call, Request, datastore_or, given, missing, no_datastore};
use crate::engine::{Datastore, Lockable, Locking};
use crate::yang::error::Error;
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_netconf::{LockInput, UnlockInput};
use crate::yang::generated::ietf_netconf_partial_lock::PartialUnlockInput;
use crate::yang::xml::with_module_names;

pub(super) fn lock(call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal) = (call.engine, call.principal);
    let LockInput { target } = given(&call.input(&[])?)?;
    let chosen = [target.candidate, target.running, target.startup];
    let datastore = datastore_or(engine, principal, target.datastore, chosen, "target")?;
    lockable(datastore).map(|lockable| Request::Lock(Locking::Lock(lockable)))
}

pub(super) fn unlock(call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal) = (call.engine, call.principal);
    let UnlockInput { target } = given(&call.input(&[])?)?;
    let chosen = [target.candidate, target.running, target.startup];
    let datastore = datastore_or(engine, principal, target.datastore, chosen, "target")?;
    lockable(datastore).map(|lockable| Request::Lock(Locking::Unlock(lockable)))
}

pub(super) fn lock_part(call: Call<'_, '_>) -> Result<Request, Error> {
    // Their prefixes are those in scope where they stand (RFC 5717 section 2.4.1), and their type does not say that they have any.
    let selects = call.rpc.children.iter().filter(|child| child.name == "select");
    let select = selects.map(|child| with_module_names(&child.text, &child.scope, &SCHEMA)).collect();
    call.input(&[])?;
    Ok(Request::Lock(Locking::LockPart(select)))
}

pub(super) fn unlock_part(call: Call<'_, '_>) -> Result<Request, Error> {
    let operation = call.operation;
    let PartialUnlockInput { lock_id } = given(&call.input(&[])?)?;
    Ok(Request::Lock(Locking::UnlockPart(lock_id.ok_or_else(|| missing("lock-id", operation))?)))
}

/// RFC 8526 section 3.3.1: what cannot be locked is an invalid value.
fn lockable(datastore: Datastore) -> Result<Lockable, Error> {
    match datastore {
        Datastore::Candidate(_) => Ok(Lockable::Candidate),
        Datastore::Startup => Ok(Lockable::Startup),
        Datastore::Running => Ok(Lockable::Running),
        Datastore::Unified | Datastore::Intended | Datastore::Operational => Err(no_datastore("datastore")),
    }
}
