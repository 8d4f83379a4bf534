//! `verify`: the assigning agent says whether the result meets the requirements (section 4.5 of the magent draft).
//!
//! It never removes a result: one that is sent back for rework stays until another one is reported.

use super::event::{Event, change, fits};
use super::life_cycle::{Cause, has_ended};
use super::{Refusal, Tasks, allow};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{TaskEventEvent, Verification, VerifyInput, VerifyOutput};
use crate::yang::generated::magent_types::{ResultVerdict, TaskStatus};

impl Tasks {
    /// Decides on the action `verify` of a task. A result is verified once.
    ///
    /// # Errors
    /// `unknown-reference` (no such task), `bad-transition` (no result, or it was verified), `task-ended` (rework of a
    /// part of a task that has ended), `too-many` (rework as often as there can be, or in a context that is full).
    pub fn verify(
        &self,
        now: Timestamp,
        id: &str,
        input: VerifyInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, VerifyOutput), Error> {
        let (mut events, task) = self.begin(id, now)?;
        let status = match input.verdict {
            ResultVerdict::Accepted | ResultVerdict::Rejected => TaskStatus::Finished,
            ResultVerdict::Rework => TaskStatus::Processing,
        };
        // From processing there is no way to verify, so rework cannot be asked for twice.
        allow(&task, Cause::Verify, status)?;
        if task.result.as_ref().is_some_and(|result| result.verification.is_some()) {
            return Err(Refusal::BadTransition
                .error(format!("The result of the task \"{id}\" has been verified before.")));
        }
        if input.verdict == ResultVerdict::Rework {
            let (done, most) = (task.reworks.unwrap_or(0), limits.task_rework_max);
            let most = task.max_rework.map_or(most, |wanted| most.min(u32::from(wanted)));
            if done >= most {
                return Err(Refusal::TooMany.error(format!(
                    "The result of the task \"{id}\" was sent back {done} times, and that is as often as it can be. Accept or \
                     reject it."
                )));
            }
            let whole = self.tasks.get(id).and_then(|part| self.whole_of(part));
            if let Some(whole) = whole.filter(|whole| has_ended(whole.status)) {
                return Err(Refusal::TaskEnded.error(format!(
                    "The task \"{}\" is {}, so no part of it is worked on again.",
                    whole.id.as_str(),
                    whole.status.as_str()
                )));
            }
            self.may_speak(&task, limits)?;
        }
        // The comment says why the task is worked on again; otherwise it says nothing of the status.
        let reason = input.comment.clone().filter(|_| status != task.status);
        let mut notice = change(&task, TaskEventEvent::ResultVerified, status, reason);
        notice.verdict = Some(input.verdict);
        let (verdict, at) = (input.verdict, now.to_string());
        fits(&Verification { verdict, comment: input.comment.clone(), at }, limits)?;
        events.push(Event::ResultVerified { notice, comment: input.comment });
        Ok((events, VerifyOutput { status }))
    }
}
