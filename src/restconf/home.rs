//! Which datastore a request is about: that of `data`, or one of `ds` by its name
//! (RFC 8527 section 3.1).
//!
//! It never looks into a datastore.

use super::errors::Refusal;
use super::request::Asked;
use super::{PREFIX_DATA, PREFIX_DATASTORES};
use crate::engine::{Datastore, Engine};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_datastores::identities;
use crate::yang::model::IdentityEnum;
use crate::yang::resource::percent_decoded;

/// A datastore as a place of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The datastore.
    pub datastore: Datastore,
    /// The path of the resource that stands for it, as it was asked for.
    pub prefix: String,
}

impl Home {
    /// The datastore of a request at or below `data` or `ds`.
    ///
    /// # Errors
    /// 404 if the server has no such datastore.
    pub fn of(engine: &Engine, asked: &Asked) -> Result<Home, Refusal> {
        let Some(name) = asked.path_under(PREFIX_DATASTORES).and_then(|below| below.split('/').next()) else {
            return Ok(Home { datastore: Datastore::Unified, prefix: PREFIX_DATA.to_owned() });
        };
        let known = percent_decoded(name).and_then(|name| identities::Datastore::from_name(&name));
        let named = known.and_then(Datastore::named);
        match named.filter(|datastore| engine.has(*datastore)) {
            Some(datastore) => Ok(Home { datastore, prefix: format!("{PREFIX_DATASTORES}/{name}") }),
            None => Err(Refusal::not_found(format!(
                "there is no datastore \"{name}\"; /ietf-yang-library:yang-library lists those there are"
            ))),
        }
    }

    /// The datastores that have a resource of their own below `ds`.
    pub fn all(engine: &Engine) -> impl Iterator<Item = Home> {
        let named = SCHEMA.modules.iter().flat_map(|module| module.identities).filter_map(|identity| {
            let name = format!("{}:{}", identity.module.name, identity.name);
            let datastore = Datastore::named(identities::Datastore::from_name(&name)?)?;
            Some(Home { datastore, prefix: format!("{PREFIX_DATASTORES}/{name}") })
        });
        named.filter(|home| engine.has(home.datastore))
    }

    /// The datastore that an edit is of: whatever name it goes by, the running one is edited as RESTCONF edits it.
    pub fn edited(&self) -> Datastore {
        match self.datastore {
            Datastore::Running => Datastore::Unified,
            datastore => datastore,
        }
    }

    /// Whether clients may edit it.
    pub fn is_writable(&self) -> bool {
        matches!(self.datastore, Datastore::Unified | Datastore::Running | Datastore::Candidate(_))
    }

    /// Whether actions are found in it: they belong to what is in use.
    pub fn has_actions(&self) -> bool {
        matches!(self.datastore, Datastore::Unified | Datastore::Operational)
    }
}
