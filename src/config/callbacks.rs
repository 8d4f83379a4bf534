//! The section `[callbacks]`: where reports on tasks may be sent. It never looks up a name.

use std::path::PathBuf;

use serde::Deserialize;

use super::Network;

/// The section `[callbacks]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Callbacks {
    /// PEM files with the authorities that receivers have certificates of. Without any those that the machine trusts.
    pub authorities: Vec<PathBuf>,
    /// Addresses and networks beside the public ones where receivers may be, such as `10.1.0.0/16`.
    pub addresses: Vec<Network>,
    /// Whether `http` URLs are taken too. Reports and the tokens of their receivers are sent in the clear then.
    pub plain_http: bool,
}

impl Callbacks {
    /// The paths that are named here.
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.authorities.iter_mut()
    }
}
