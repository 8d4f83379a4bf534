//! `cancel`, `suspend` and `resume`: the assigning agent steers the execution.
//!
//! They change the status at once; whether the executing agent follows is its own affair.

use super::event::{Event, change, fits};
use super::life_cycle::{Cause, has_ended};
use super::{Tasks, allow};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{
    CancelInput, CancelOutput, ResumeOutput, SuspendInput, SuspendOutput, TaskEventEvent,
};
use crate::yang::generated::magent_types::TaskStatus;

impl Tasks {
    /// Decides on the action `cancel` of a task. The parts of it that have not ended are cancelled with it.
    ///
    /// # Errors
    /// `unknown-reference` (no such task), `bad-transition`.
    pub fn cancel(
        &self,
        now: Timestamp,
        id: &str,
        input: CancelInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, CancelOutput), Error> {
        let status = TaskStatus::Cancelled;
        let events = self.steer(now, id, Cause::Cancel, status, input.reason, limits)?;
        Ok((events, CancelOutput { status }))
    }

    /// Decides on the action `suspend` of a task.
    ///
    /// # Errors
    /// `unknown-reference` (no such task), `bad-transition`, `too-many` (messages of the context).
    pub fn suspend(
        &self,
        now: Timestamp,
        id: &str,
        input: SuspendInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, SuspendOutput), Error> {
        let status = TaskStatus::Suspended;
        let events = self.steer(now, id, Cause::Suspend, status, input.reason, limits)?;
        Ok((events, SuspendOutput { status }))
    }

    /// Decides on the action `resume` of a task.
    ///
    /// # Errors
    /// As [`Self::suspend`].
    pub fn resume(
        &self,
        now: Timestamp,
        id: &str,
        limits: &Limits,
    ) -> Result<(Vec<Event>, ResumeOutput), Error> {
        let status = TaskStatus::Processing;
        let events = self.steer(now, id, Cause::Resume, status, None, limits)?;
        Ok((events, ResumeOutput { status }))
    }

    fn steer(
        &self,
        now: Timestamp,
        id: &str,
        cause: Cause,
        status: TaskStatus,
        reason: Option<String>,
        limits: &Limits,
    ) -> Result<Vec<Event>, Error> {
        let (mut events, task) = self.begin(id, now)?;
        allow(&task, cause, status)?;
        if !has_ended(status) {
            self.may_speak(&task, limits)?;
        }
        let notice = change(&task, TaskEventEvent::StatusChanged, status, reason);
        fits(&notice, limits)?;
        events.push(Event::TaskChanged { notice, by: Some(task.from.clone()), key: None });
        Ok(self.with_consequences(now, events))
    }
}
