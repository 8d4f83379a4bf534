//! What may be agreed of the fulfillment of a task, and what its terms are then.
//!
//! It never asks who negotiates.

use super::event::fits;
use super::life_cycle::has_ended;
use super::{Refusal, Tasks};
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_task::{History, InputRequests, Task, Term};
use crate::yang::generated::magent_types::TaskStatus;

/// The `max-elements` of the terms of a task.
const TERMS_MAX: usize = 64;

/// Whether the fulfillment of a task with this status can be negotiated: it was begun and is not over.
pub fn is_under_way(status: TaskStatus) -> bool {
    status != TaskStatus::Created && !has_ended(status)
}

impl Tasks {
    /// Whether terms can be those of a task from now on, by what the agent that executes it and the one that assigned it agree.
    ///
    /// # Errors
    /// `bad-transition`: the agents have no such task under way; `too-big`: it would have too many terms, or too long ones.
    pub fn can_agree(
        &self,
        id: &str,
        [executor, assigner]: [&str; 2],
        agreed: &[Term],
        limits: &Limits,
    ) -> Result<(), Error> {
        let is_it = |task: &Task| task.to == executor && task.from == assigner && is_under_way(task.status);
        let Some(task) = self.get(id).filter(is_it) else {
            let message = format!("The task \"{id}\" is not being executed.");
            return Err(Refusal::BadTransition.error(message));
        };
        // As it was assigned: what was said since is bounded on its own.
        let (history, input_requests) = (History::default(), InputRequests::default());
        let mut task = Task { history, input_requests, result: None, ..task };
        replace(&mut task.term, agreed.to_vec());
        if task.term.len() > TERMS_MAX {
            let message = format!(
                "The task \"{id}\" would have {} terms, and no more than {TERMS_MAX} are allowed.",
                task.term.len()
            );
            return Err(Error::application(Tag::TooBig, message));
        }
        fits(&task, limits)
    }
}

/// Puts what was agreed in the place of the terms of the same names.
pub(super) fn replace(terms: &mut Vec<Term>, agreed: Vec<Term>) {
    terms.retain(|term| !agreed.iter().any(|agreed| agreed.name == term.name));
    terms.extend(agreed);
}
