//! Who may do what, decided purely.
//!
//! `access` performs no I/O, checks no credentials and reads no configuration file; the
//! engine asks it once per request and per notification.

mod decide;
mod nacm;
mod origin;
pub(crate) mod principal;
mod rules;
pub mod settings;

pub use decide::{Deed, Speakers, may_act_for, may_invoke, may_see, may_use_urls};
pub use nacm::{Nacm, Withheld, is_changed};
pub use origin::{Origin, Protocol, Source};
pub use principal::{
    ADMIN_GROUP, AUDITOR_GROUP, AuthError, Bounds, Caller, Identity, Method, Principal, Scope, Standing,
};
pub use rules::{Access, At, Rules};
pub use settings::{API_KEY_PREFIX, Reference, Settings};
