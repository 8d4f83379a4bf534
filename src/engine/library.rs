//! What the server says of itself: YANG library (RFC 8525) and RESTCONF monitoring
//! (RFC 8040 section 9). It is made from the schema tables alone, so it cannot differ from
//! what is served.

use std::sync::{Arc, LazyLock, OnceLock};

use arc_swap::ArcSwapOption;
use sha2::{Digest, Sha256};

use super::denied::Denied;
use super::monitoring::Statistics;
use super::subscriptions::Subscriptions;
use crate::clock::Timestamp;
use crate::ids;
use crate::log::LogReader;
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_datastores::identities::Datastore;
use crate::yang::generated::ietf_restconf_monitoring as monitoring;
use crate::yang::generated::ietf_subscribed_notifications as subscribed;
use crate::yang::generated::ietf_system_capabilities as capabilities;
use crate::yang::generated::ietf_yang_library as library;
use crate::yang::generated::nc_notifications;
use crate::yang::model::Modelled;
use crate::yang::schema::{Conformance, Module, Submodule};
use crate::yang::tree::Container;
use crate::yang::value::Value;

/// What the protocols offer beyond the schema; front ends fill it in.
#[derive(Debug, Clone, Default)]
pub struct Capabilities {
    /// RESTCONF protocol capability URIs (RFC 8040 section 9.1).
    restconf: Vec<String>,
    /// Event streams (RFC 8040 section 9.3).
    streams: Vec<monitoring::Stream>,
    /// What a module's `location` begins with; empty if there is none.
    schemas: String,
    /// The dynamic subscriptions that there are.
    pub(super) subscriptions: Arc<Subscriptions>,
    /// NETCONF capability URIs, as a hello has them (RFC 6241 section 8.1).
    pub(super) netconf: Vec<String>,
    /// What is counted of NETCONF sessions.
    pub(super) statistics: Arc<Statistics>,
    /// What is counted of access control.
    pub(super) denied: Arc<Denied>,
    /// The time of the newest event that has left the log.
    aged: Arc<ArcSwapOption<String>>,
    library: OnceLock<Arc<Container>>,
    modules: OnceLock<Arc<Container>>,
}

impl Capabilities {
    /// RESTCONF's capability URIs and streams; `schemas` is the URL that `NAME@REVISION.yang` is
    /// appended to, to fetch the text of a module.
    pub fn new(restconf: Vec<String>, streams: Vec<monitoring::Stream>, schemas: String) -> Self {
        Capabilities { restconf, streams, schemas, ..Capabilities::default() }
    }

    /// The same with NETCONF's capability URIs.
    #[must_use]
    pub fn with_netconf(self, netconf: Vec<String>) -> Self {
        Capabilities { netconf, ..self }
    }

    /// `/nc-notifications:netconf` (RFC 5277 section 3.4).
    pub(super) fn netconf_streams(&self) -> Container {
        let stream = |stream: &monitoring::Stream| nc_notifications::Stream {
            name: stream.name.clone(),
            description: stream.description.clone().unwrap_or_default(),
            replay_support: stream.replay_support,
            replay_log_creation_time: stream.replay_log_creation_time.clone(),
            replay_log_aged_time: self.replay_until(),
        };
        let streams = nc_notifications::Streams { stream: self.streams.iter().map(stream).collect() };
        nc_notifications::Netconf { streams }.to_data()
    }

    /// The time of the newest event that is kept no longer, neither in the log nor in an archive: streams cannot be replayed from
    /// there (RFC 8639 section 2.4.2.1).
    fn replay_until(&self) -> Option<String> {
        self.aged.load().as_deref().cloned()
    }

    /// Notes where the log begins now.
    pub(super) fn ages(&self, log: &LogReader) {
        match log.first() {
            Ok(first) if first.position > 0 => {
                self.aged.store(Timestamp::from_micros(first.latest_at).map(|at| Arc::new(at.to_string())));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "where the log begins is not known"),
        }
    }

    /// The time of the oldest event in the log.
    pub(super) fn replay_from(&self) -> Option<String> {
        self.streams.first().and_then(|stream| stream.replay_log_creation_time.clone())
    }

    /// `/ietf-subscribed-notifications:streams`.
    pub(super) fn streams(&self) -> Container {
        let stream = |stream: &monitoring::Stream| subscribed::Stream {
            name: stream.name.clone(),
            description: stream.description.clone(),
            replay_support: stream.replay_support.then_some(()),
            replay_log_creation_time: stream.replay_log_creation_time.clone(),
            replay_log_aged_time: self.replay_until(),
        };
        subscribed::Streams { stream: self.streams.iter().map(stream).collect() }.to_data()
    }

    /// `/ietf-restconf-monitoring:restconf-state`.
    pub(super) fn restconf_state(&self) -> Container {
        let capabilities = monitoring::Capabilities { capability: self.restconf.clone() };
        let streams = monitoring::Streams { stream: self.streams.clone() };
        monitoring::RestconfState { capabilities, streams }.to_data()
    }
}

/// `/ietf-system-capabilities:system-capabilities` (RFC 9196): all lists with keys have cursors
/// (draft-ietf-netconf-list-pagination section 3.1.6).
pub(super) fn system_capabilities() -> Container {
    let all = capabilities::PerNodeCapabilities {
        node_selector: Some("/".to_owned()),
        cursor_supported: Some(true),
        ..Default::default()
    };
    let operational = capabilities::DatastoreCapabilities {
        per_node_capabilities: vec![all],
        ..capabilities::DatastoreCapabilities::new(Datastore::Operational)
    };
    capabilities::SystemCapabilities { datastore_capabilities: vec![operational] }.to_data()
}

/// `content-id` of the YANG library: it changes whenever the schema does (RFC 8525 section 3).
pub static CONTENT_ID: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for module in SCHEMA.modules {
        hash.update(module.name);
        hash.update(module.revision);
        hash.update(module.source);
        for feature in module.features {
            hash.update(feature);
        }
    }
    ids::half(&hash.finalize())
});

/// The features of a module that are there: one is chosen when the server is configured.
pub fn features(module: &'static Module, startup: bool) -> impl Iterator<Item = &'static str> {
    let offered = move |feature: &&str| startup || module.name != "ietf-netconf" || *feature != "startup";
    module.features.iter().copied().filter(offered)
}

impl Capabilities {
    /// `/ietf-yang-library:yang-library`.
    pub(super) fn yang_library(&self, startup: bool) -> Arc<Container> {
        self.library.get_or_init(|| Arc::new(self.make_library(startup))).clone()
    }

    /// `/ietf-yang-library:modules-state`, for clients that know RFC 7895 and nothing newer (RFC 8525 section 1).
    pub(super) fn modules_state(&self, startup: bool) -> Arc<Container> {
        self.modules.get_or_init(|| Arc::new(self.make_modules(startup))).clone()
    }

    fn make_modules(&self, startup: bool) -> Container {
        let submodule = |s: &Submodule| library::ModulesStateModuleSubmodule {
            name: s.name.into(),
            revision: Value::string(s.revision),
            schema: self.location(s.name, s.revision).pop(),
        };
        let deviation = |name: String| {
            let revision = SCHEMA.module(&name).map_or("", |module| module.revision);
            library::Deviation { name, revision: Value::string(revision) }
        };
        let module = |module: &&'static Module| {
            let told = self.module(module, startup);
            let (conformance_type, feature) = match module.conformance {
                Conformance::Implement => (library::ConformanceType::Implement, told.feature),
                Conformance::Import => (library::ConformanceType::Import, Vec::new()),
            };
            library::ModulesStateModule {
                name: told.name,
                revision: Value::string(module.revision),
                schema: told.location.into_iter().next(),
                namespace: told.namespace,
                feature,
                deviation: told.deviation.into_iter().map(deviation).collect(),
                conformance_type,
                submodule: module.submodules.iter().map(submodule).collect(),
            }
        };
        let module = SCHEMA.modules.iter().map(module).collect();
        library::ModulesState { module_set_id: CONTENT_ID.clone(), module }.to_data()
    }

    fn make_library(&self, startup: bool) -> Container {
        let (implemented, imported): (Vec<&'static Module>, Vec<&'static Module>) =
            SCHEMA.modules.iter().copied().partition(|m| m.conformance == Conformance::Implement);
        let set = library::ModuleSet {
            name: "all".into(),
            module: implemented.into_iter().map(|m| self.module(m, startup)).collect(),
            import_only_module: imported.into_iter().map(|m| self.import_only(m)).collect(),
        };
        use Datastore::{Candidate, Intended, Operational, Running, Startup};
        let offered = |name: &Datastore| startup || *name != Startup;
        let datastores = [Running, Candidate, Startup, Intended, Operational].into_iter().filter(offered);
        library::YangLibrary {
            module_set: vec![set],
            schema: vec![library::Schema { name: "all".into(), module_set: vec!["all".into()] }],
            datastore: datastores.map(|name| library::Datastore { name, schema: "all".into() }).collect(),
            content_id: CONTENT_ID.clone(),
        }
        .to_data()
    }

    fn module(&self, module: &'static Module, startup: bool) -> library::ModuleSetModule {
        let submodule = |s: &Submodule| library::ModuleSetModuleSubmodule {
            name: s.name.into(),
            revision: some(s.revision),
            location: self.location(s.name, s.revision),
        };
        library::ModuleSetModule {
            name: module.name.into(),
            revision: some(module.revision),
            namespace: module.namespace.into(),
            location: self.location(module.name, module.revision),
            submodule: module.submodules.iter().map(submodule).collect(),
            feature: features(module, startup).map(Into::into).collect(),
            deviation: module.deviations.iter().map(|d| (*d).into()).collect(),
        }
    }

    fn import_only(&self, module: &'static Module) -> library::ImportOnlyModule {
        let submodule = |s: &Submodule| library::ImportOnlyModuleSubmodule {
            name: s.name.into(),
            revision: some(s.revision),
            location: self.location(s.name, s.revision),
        };
        library::ImportOnlyModule {
            name: module.name.into(),
            revision: Value::string(module.revision),
            namespace: module.namespace.into(),
            location: self.location(module.name, module.revision),
            submodule: module.submodules.iter().map(submodule).collect(),
        }
    }

    /// Where the text of a module or submodule can be fetched.
    pub(super) fn location(&self, name: &str, revision: &str) -> Vec<String> {
        match (self.schemas.as_str(), revision) {
            ("", _) => Vec::new(),
            (base, "") => vec![format!("{base}{name}.yang")],
            (base, revision) => vec![format!("{base}{name}@{revision}.yang")],
        }
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
