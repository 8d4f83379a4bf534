//! Large parts of data objects: kept aside before the writer sees them, so that neither the log nor the memory has them.
//!
//! It decides nothing: what would be refused is refused before anything is written, and again by the writer.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::driver::Engine;
use super::event::Actor;
use super::group::Command;
use super::operations::{self, Admitted};
use super::output;
use super::request::Invocation;
use super::state::State;
use crate::access::Principal;
use crate::ids::hexadecimal;
use crate::tasks::{Blobs, Kept};
use crate::yang::error::Error;
use crate::yang::generated::magent_task::PutDataInput;
use crate::yang::model::Modelled;
use crate::yang::tree::Container;

/// A part that is kept aside, and what it was a part of.
#[derive(Debug, Clone)]
pub(super) struct KeptPart {
    /// How the part is kept.
    pub(super) kept: Kept,
    /// SHA-256 of the whole, with the last part.
    pub(super) whole: Option<String>,
    /// What else was said of it was held against the schema.
    pub(super) admitted: Admitted,
}

impl Engine {
    /// Carries out `put-data`. A part with which the object is no small one any more is durable aside before anything refers to
    /// it.
    ///
    /// # Errors
    /// Those of the operation; nothing has changed then.
    pub(super) async fn put(
        &self,
        principal: &Principal,
        invocation: Invocation,
    ) -> Result<Container, Error> {
        let at_once = async |invocation| {
            let admitted = self.admitted(principal, &invocation)?;
            self.command(|answer| Command::Invoke(principal.traced(), invocation, admitted, answer)).await
        };
        let (Some(blobs), Ok(input)) =
            (self.options().blobs.clone(), PutDataInput::from_data(&invocation.input))
        else {
            return at_once(invocation).await;
        };
        let octets = input.text.as_ref().map(|text| text.as_bytes()).or(input.binary.as_deref());
        let id = input.id.as_deref().unwrap_or_default();
        let tasks = &self.snapshot().tasks;
        let is_small = octets.is_none_or(|octets| {
            let size = tasks.data_size(id).saturating_add(octets.len() as u64);
            size <= self.limits().data_inline_bytes_max
        });
        if principal.is_reader() || is_small && !tasks.has_parts_aside(id) || octets.is_none() {
            return at_once(invocation).await;
        }
        let (engine, user) = (self.clone(), principal.clone());
        let work = move || engine.kept(&user, invocation, input, &blobs);
        let kept = output::in_turn(&self.shared.large_answers, principal, work).await??;
        self.command(|answer| Command::Keep(principal.traced(), Box::new(kept), answer)).await
    }

    fn kept(
        &self,
        principal: &Principal,
        mut invocation: Invocation,
        mut input: PutDataInput,
        blobs: &Arc<dyn Blobs>,
    ) -> Result<(Invocation, KeptPart), Error> {
        let (text, binary) = (input.text.take(), input.binary.take());
        let is_text = text.is_some();
        let octets = text.map(String::into_bytes).or(binary).unwrap_or_default();
        match is_text {
            true => input.text = Some(String::new()),
            false => input.binary = Some(Vec::new()),
        }
        let sha256 = hexadecimal(&Sha256::digest(&octets));
        let kept = Kept { sha256: sha256.clone(), size: octets.len() as u64, text: is_text };
        invocation.input = Arc::new(input.to_data());
        let state = self.snapshot();
        // What the whole is said to be is not looked at yet.
        let admitted = operations::admitted(&state, self.options(), principal, &invocation)?;
        let tried = KeptPart { kept, whole: input.sha256.clone(), admitted };
        let mut fresh = self.shared.fresh();
        let (events, _) =
            operations::keep(&state, self.options(), principal, &invocation, &tried, &mut fresh)?;
        // What is beyond the share of its user does not get onto the disk either.
        let mut after = State::clone(&state);
        events.iter().try_for_each(|event| after.apply(fresh.now, Actor::from(principal), event))?;
        state.quotas(self.limits(), principal).permit(&state.ledger.usages(), &after.ledger)?;
        let id = input.id.as_deref().unwrap_or_default();
        let whole =
            (!input.more).then(|| state.tasks.data_digest(id, &octets, blobs.as_ref())).transpose()?;
        let part = KeptPart { whole, ..tried };
        operations::keep(&state, self.options(), principal, &invocation, &part, &mut self.shared.fresh())?;
        blobs.keep(&sha256, &octets)?;
        Ok((invocation, part))
    }
}
