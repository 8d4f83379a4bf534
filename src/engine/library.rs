//! What the server says of itself: YANG library (RFC 8525) and RESTCONF monitoring
//! (RFC 8040 section 9). It is made from the schema tables alone, so it cannot differ from
//! what is served.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_datastores::identities::{OPERATIONAL, RUNNING};
use crate::yang::generated::ietf_restconf_monitoring as monitoring;
use crate::yang::generated::ietf_yang_library as library;
use crate::yang::model::Modelled;
use crate::yang::schema::{Conformance, Module};
use crate::yang::tree::Container;
use crate::yang::value::Value;

/// What the protocols offer beyond the schema; front ends fill it in.
#[derive(Debug, Clone, Default)]
pub struct Capabilities {
    /// RESTCONF protocol capability URIs (RFC 8040 section 9.1).
    pub restconf: Vec<String>,
    /// Event streams (RFC 8040 section 9.3).
    pub streams: Vec<monitoring::Stream>,
}

impl Capabilities {
    /// `/ietf-restconf-monitoring:restconf-state`.
    pub(super) fn restconf_state(&self) -> Container {
        let capabilities = monitoring::Capabilities { capability: self.restconf.clone() };
        let streams = monitoring::Streams { stream: self.streams.clone() };
        monitoring::RestconfState { capabilities, streams }.to_data()
    }
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
    hash.finalize().iter().take(16).map(|octet| format!("{octet:02x}")).collect()
});

/// `/ietf-yang-library:yang-library`.
pub(super) static YANG_LIBRARY: LazyLock<Container> = LazyLock::new(|| {
    let (implemented, imported): (Vec<&'static Module>, Vec<&'static Module>) =
        SCHEMA.modules.iter().copied().partition(|m| m.conformance == Conformance::Implement);
    let set = library::ModuleSet {
        name: "all".into(),
        module: implemented.into_iter().map(module).collect(),
        import_only_module: imported.into_iter().map(import_only).collect(),
    };
    let datastore = |name| library::Datastore { name, schema: "all".into() };
    library::YangLibrary {
        module_set: vec![set],
        schema: vec![library::Schema { name: "all".into(), module_set: vec!["all".into()] }],
        datastore: vec![datastore(&RUNNING), datastore(&OPERATIONAL)],
        content_id: CONTENT_ID.clone(),
    }
    .to_data()
});

fn module(module: &'static Module) -> library::ModuleSetModule {
    library::ModuleSetModule {
        name: module.name.into(),
        revision: some(module.revision),
        namespace: module.namespace.into(),
        location: Vec::new(),
        submodule: module
            .submodules
            .iter()
            .map(|s| library::ModuleSetModuleSubmodule {
                name: s.name.into(),
                revision: some(s.revision),
                location: Vec::new(),
            })
            .collect(),
        feature: module.features.iter().map(|f| (*f).into()).collect(),
        deviation: module.deviations.iter().map(|d| (*d).into()).collect(),
    }
}

fn import_only(module: &'static Module) -> library::ImportOnlyModule {
    library::ImportOnlyModule {
        name: module.name.into(),
        revision: Value::string(module.revision),
        namespace: module.namespace.into(),
        location: Vec::new(),
        submodule: Vec::new(),
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
