//! API keys that the server makes: `create-api-key` of `magent-access`, which comes to an edit of the running datastore.
//!
//! Nothing here checks a key that a client shows.

use super::Engine;
use super::operations::{admit, input};
use super::request::{Datastore, EditRequest, Invocation, Test};
use crate::access::{API_KEY_PREFIX, Principal};
use crate::datastore::edit::{Edit, Operation};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_access::{ApiKey, CreateApiKeyInput, CreateApiKeyOutput, nodes};
use crate::yang::model::Modelled;
use crate::yang::path::InstancePath;
use crate::yang::tree::{Child, Container, Key};

/// Makes a key, if the principal may invoke the operation and may create the entry.
///
/// # Errors
/// `access-denied`, `data-exists` if there is such a key, or what else keeps the entry from being made.
pub(super) async fn create(
    engine: &Engine,
    principal: &Principal,
    invocation: &Invocation,
) -> Result<Container, Error> {
    admit(&engine.snapshot(), engine.options(), principal, invocation)?;
    let asked: CreateApiKeyInput = input(invocation)?;
    let mut fresh = engine.shared.fresh();
    let id = asked.id.unwrap_or_else(|| fresh.uuid());
    let secret = engine.options().vault.random()?;
    let expires_at = fresh.now.saturating_add_seconds(asked.lifetime.into()).to_string();
    let entry = ApiKey {
        scope: Some(asked.scope),
        agent: asked.agent,
        ..ApiKey::new(&id, &asked.user, &expires_at, format!("$0${secret}"))
    };
    let invalid = |error: &dyn std::fmt::Display| Error::application(Tag::InvalidValue, error.to_string());
    let value = entry.to_checked_data().map_err(|error| invalid(&error))?;
    let path =
        InstancePath::of(&nodes::ACCESS_API_KEYS_API_KEY, [Key::string(&id)]).map_err(|e| invalid(&e))?;
    let value = Some(Child::Container(value.into()));
    let edit = Edit { operation: Operation::Create, path, value, insert: None };
    let request = EditRequest {
        datastore: Datastore::Running,
        test: Test::AtCommit,
        edits: vec![edit],
        preconditions: Vec::new(),
    };
    engine.edit(principal, request).await.map_err(|refused| refused.error)?;
    let key = format!("{API_KEY_PREFIX}{id}_{secret}");
    Ok(CreateApiKeyOutput { id, key, expires_at }.to_data())
}
