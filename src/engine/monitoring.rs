//! What `ietf-netconf-monitoring` shows (RFC 6022): datastores with their locks, schemas, sessions, statistics; and the
//! texts of modules by `get-schema`.
//!
//! It only tells; nothing here changes a session or a lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::library::Capabilities;
use super::locks::Lockable;
use super::options::Options;
use super::request::Datastore;
use super::sessions::{Counters, Reason, Sessions};
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_netconf_monitoring::{self as monitoring, identities};
use crate::yang::model::{IdentityEnum, Modelled};
use crate::yang::schema::Module;
use crate::yang::tree::Container;
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;

/// What is counted over all NETCONF sessions since the start (RFC 6022 section 2.1.5).
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// When the server started.
    pub(super) since: OnceLock<Timestamp>,
    /// Sessions that ended because of the first message of the client.
    in_bad_hellos: AtomicU64,
    /// Sessions that began.
    pub(super) in_sessions: AtomicU64,
    /// Sessions that ended because their transport did, or by `kill-session`.
    dropped_sessions: AtomicU64,
    /// The sums of what is counted of each session that ended.
    ended: Counters,
}

impl Statistics {
    /// Counts a session that ends, with what was counted of it.
    pub(super) fn ended(&self, counters: &Counters, reason: Reason) {
        match reason {
            Reason::BadHello => Counters::count(&self.in_bad_hellos),
            Reason::Dropped | Reason::Killed => Counters::count(&self.dropped_sessions),
            Reason::Closed | Reason::Timeout | Reason::Other => {}
        }
        let add = |sum: &AtomicU64, counted: &AtomicU64| sum.fetch_add(counted.load(Relaxed), Relaxed);
        add(&self.ended.in_rpcs, &counters.in_rpcs);
        add(&self.ended.in_bad_rpcs, &counters.in_bad_rpcs);
        add(&self.ended.out_rpc_errors, &counters.out_rpc_errors);
        add(&self.ended.out_notifications, &counters.out_notifications);
    }
}

/// A counter as `zero-based-counter32`, which begins anew after its greatest value.
fn counter32(counted: u64) -> u32 {
    u32::try_from(counted & u64::from(u32::MAX)).unwrap_or_default()
}

/// `/ietf-netconf-monitoring:netconf-state`, with the sessions of the users whose sessions the reader sees.
pub(super) fn netconf_state(
    sessions: &Sessions,
    options: &Options,
    sees: impl Fn(&Principal) -> bool,
) -> Container {
    let Options { capabilities, startup, .. } = options;
    let all = [Datastore::Running, Datastore::Candidate(super::Candidate::Shared), Datastore::Startup];
    let offered = all.into_iter().filter(|datastore| *startup || *datastore != Datastore::Startup);
    monitoring::NetconfState {
        capabilities: monitoring::Capabilities { capability: capabilities.netconf.clone() },
        datastores: monitoring::Datastores {
            datastore: offered.filter_map(Lockable::of).map(|which| datastore(which, sessions)).collect(),
        },
        schemas: monitoring::Schemas { schema: schemas(capabilities) },
        sessions: monitoring::Sessions { session: shown(sessions, sees) },
        statistics: statistics(sessions, &capabilities.statistics),
    }
    .to_data()
}

fn datastore(which: Lockable, sessions: &Sessions) -> monitoring::Datastore {
    let global = sessions.locks.whole(which).map(|lock| monitoring::GlobalLock {
        locked_by_session: lock.session,
        locked_time: lock.at.to_string(),
    });
    let part = |(id, lock): (u32, &super::locks::PartialLock)| monitoring::PartialLock {
        lock_id: id,
        locked_by_session: lock.session,
        locked_time: lock.at.to_string(),
        select: lock.select.clone(),
        locked_node: lock.nodes.clone(),
    };
    let (name, parts) = match which {
        Lockable::Running => ("running", sessions.locks.partial().map(part).collect()),
        Lockable::Candidate => ("candidate", Vec::new()),
        Lockable::Startup => ("startup", Vec::new()),
    };
    let name = match name {
        "candidate" => monitoring::NetconfDatastoreType::Candidate,
        "startup" => monitoring::NetconfDatastoreType::Startup,
        _ => monitoring::NetconfDatastoreType::Running,
    };
    let locks = (global.is_some() || !parts.is_empty())
        .then_some(monitoring::Locks { global_lock: global, partial_lock: parts });
    monitoring::Datastore { name, locks }
}

fn schemas(capabilities: &Capabilities) -> Vec<monitoring::Schema> {
    // A union: "NETCONF" is one of its names, and no URI.
    let leaf = &monitoring::nodes::NETCONF_STATE_SCHEMAS_SCHEMA_LOCATION;
    let value = |text: &str| types::parse(leaf.ty()?, text, &ModuleNames(&SCHEMA), leaf.module).ok();
    let location = |name: &str, revision: &str| {
        let urls = capabilities.location(name, revision);
        value("NETCONF").into_iter().chain(urls.iter().filter_map(|url| value(url))).collect()
    };
    let schema = |name: &str, revision: &str, namespace: &str| monitoring::Schema {
        identifier: name.to_owned(),
        version: revision.to_owned(),
        format: identities::SchemaFormat::Yang,
        namespace: namespace.to_owned(),
        location: location(name, revision),
    };
    let of_module = |module: &'static Module| {
        let own = std::iter::once(schema(module.name, module.revision, module.namespace));
        let parts = module.submodules.iter().map(|part| schema(part.name, part.revision, module.namespace));
        own.chain(parts).collect::<Vec<_>>()
    };
    SCHEMA.modules.iter().copied().flat_map(of_module).collect()
}

fn shown(sessions: &Sessions, sees: impl Fn(&Principal) -> bool) -> Vec<monitoring::Session> {
    let session = |(id, live): (u32, &std::sync::Arc<super::sessions::Live>)| {
        let counted = |counter: &AtomicU64| counter32(counter.load(Relaxed));
        monitoring::Session {
            session_id: id,
            transport: live.transport,
            username: live.principal.name.clone(),
            source_host: live.host.map(|host| Value::string(host.to_string())),
            login_time: live.since.to_string(),
            in_rpcs: counted(&live.counters.in_rpcs),
            in_bad_rpcs: counted(&live.counters.in_bad_rpcs),
            out_rpc_errors: counted(&live.counters.out_rpc_errors),
            out_notifications: counted(&live.counters.out_notifications),
        }
    };
    sessions.live().filter(|(_, live)| sees(&live.principal)).map(session).collect()
}

fn statistics(sessions: &Sessions, statistics: &Statistics) -> monitoring::Statistics {
    let sum = |of: fn(&Counters) -> &AtomicU64| {
        let live = sessions.live().map(|(_, live)| of(&live.counters).load(Relaxed));
        counter32(live.fold(of(&statistics.ended).load(Relaxed), u64::wrapping_add))
    };
    let counted = |counter: &AtomicU64| counter32(counter.load(Relaxed));
    monitoring::Statistics {
        netconf_start_time: statistics.since.get().map(Timestamp::to_string),
        in_bad_hellos: counted(&statistics.in_bad_hellos),
        in_sessions: counted(&statistics.in_sessions),
        dropped_sessions: counted(&statistics.dropped_sessions),
        in_rpcs: sum(|counters| &counters.in_rpcs),
        in_bad_rpcs: sum(|counters| &counters.in_bad_rpcs),
        out_rpc_errors: sum(|counters| &counters.out_rpc_errors),
        out_notifications: sum(|counters| &counters.out_notifications),
    }
}

/// The text of a module or submodule (RFC 6022 section 3.1).
///
/// # Errors
/// `invalid-value` if there is none, `data-not-unique` as app-tag if there are several of the name and no version is
/// given.
pub(super) fn get_schema(input: &monitoring::GetSchemaInput) -> Result<&'static str, Error> {
    let refuse = |message: String| Error::application(Tag::InvalidValue, message);
    if let Some(format) = input.format.filter(|format| *format != identities::SchemaFormat::Yang) {
        return Err(refuse(format!("schemas are there in the format yang, not {}", format.identity().name)));
    }
    let texts = SCHEMA.modules.iter().flat_map(|module| {
        let own = std::iter::once((module.name, module.revision, module.source));
        own.chain(module.submodules.iter().map(|part| (part.name, part.revision, part.source)))
    });
    let version = input.version.as_deref();
    let mut found = texts.filter(|(name, revision, _)| {
        *name == input.identifier && version.is_none_or(|version| version == *revision)
    });
    match (found.next(), found.next()) {
        (Some((.., text)), None) => Ok(text),
        (Some(_), Some(_)) => {
            // RFC 6022 section 3.1.
            let message = format!("there are several versions of \"{}\"", input.identifier);
            Err(Error::application(Tag::OperationFailed, message).app_tag("data-not-unique"))
        }
        (None, _) => {
            let version = version.map_or(String::new(), |version| format!(" of version \"{version}\""));
            Err(refuse(format!("there is no schema \"{}\"{version}", input.identifier)))
        }
    }
}
