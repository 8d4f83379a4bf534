//! Tasks that are parts of others: how many and how deep, what one's end means for the others, and how far the parts are.
//!
//! It decides on no task that nobody has said anything of: everything here follows from what an agent did to one.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{change, notice};
use super::life_cycle::has_ended;
use super::{Event, Record, Refusal, Tasks};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{IfPartFails, Parts, Task, TaskEvent, TaskEventEvent};
use crate::yang::generated::magent_types::TaskStatus;

/// What there is of the parts of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    total: u32,
    ended: u32,
    finished: u32,
    progress: u64,
}

impl Sum {
    /// With one part that was so before, if it was there, and is so now, if it still is.
    fn with(self, before: Option<Sum>, after: Option<Sum>) -> Sum {
        let (less, more) = (before.unwrap_or_default(), after.unwrap_or_default());
        let changed = |sum: u32, less: u32, more: u32| sum.saturating_sub(less).saturating_add(more);
        Sum {
            total: changed(self.total, less.total, more.total),
            ended: changed(self.ended, less.ended, more.ended),
            finished: changed(self.finished, less.finished, more.finished),
            progress: self.progress.saturating_sub(less.progress).saturating_add(more.progress),
        }
    }

    /// What one part comes to.
    pub(super) fn of(status: TaskStatus, progress: Option<u8>) -> Sum {
        let (ended, finished) = (has_ended(status), status == TaskStatus::Finished);
        let progress = if ended { 100 } else { progress.unwrap_or(0) };
        Sum { total: 1, ended: ended.into(), finished: finished.into(), progress: progress.into() }
    }

    /// As it is read; `None` if there are no parts.
    pub(super) fn shown(self) -> Option<Parts> {
        let Sum { total, ended, finished, progress } = self;
        let mean = progress.checked_div(u64::from(total))?;
        Some(Parts { total, ended, finished, progress: u8::try_from(mean).unwrap_or(100) })
    }
}

impl Tasks {
    /// Whether a task can be a part of this one.
    ///
    /// # Errors
    /// `task-ended`: it takes no parts any more. `too-deep`. `too-many`: parts of the first task above it, of whatever level.
    pub(super) fn takes_parts(&self, whole: &Task, limits: &Limits) -> Result<(), Error> {
        if has_ended(whole.status) {
            return Err(Refusal::TaskEnded.error(format!(
                "The task \"{}\" is {}, so no task can be a part of it.",
                whole.id,
                whole.status.as_str()
            )));
        }
        let Some(mut top) = self.tasks.get(&whole.id).map(Arc::as_ref) else { return Ok(()) };
        let mut depth = 1_usize;
        while let Some(above) = self.whole_of(top) {
            top = above;
            depth += 1;
            if depth >= limits.task_depth_max {
                return Err(Refusal::TooDeep.error(format!(
                    "The task \"{}\" is {depth} levels deep, and none is deeper.",
                    whole.id
                )));
            }
        }
        let parts = self.below(top, limits.task_parts_max);
        match parts < limits.task_parts_max {
            true => Ok(()),
            false => Err(Refusal::TooMany.error(format!(
                "The task \"{}\" has {parts} parts, those of its parts included, and no task has more.",
                top.id.as_str()
            ))),
        }
    }

    /// How many tasks there are below this one; it does not count further than `most`.
    fn below(&self, top: &Record, most: usize) -> usize {
        let mut found = vec![top];
        let mut looked_at = 0;
        while let Some(whole) = found.get(looked_at).copied() {
            looked_at += 1;
            let room = most.saturating_add(1).saturating_sub(found.len());
            found.extend(self.parts_of(whole).take(room));
        }
        found.len() - 1
    }

    /// The parts of a task. Those of one that was forgotten are no parts of one that came later under its name.
    fn parts_of(&self, whole: &Record) -> impl Iterator<Item = &Record> {
        let numbers = self.by_parent.from(whole.id.as_str(), whole.number.saturating_add(1));
        numbers.filter_map(|number| self.tasks.numbered(number)).map(Arc::as_ref)
    }

    /// The task that this one is a part of, if it is kept.
    pub(super) fn whole_of(&self, part: &Record) -> Option<&Record> {
        let parent = part.task.unpacked()?.parent?;
        self.tasks.get(&parent).map(Arc::as_ref).filter(|whole| whole.number < part.number)
    }

    /// These facts, with what follows from them for the parts of tasks that end and for what they are parts of: when a task
    /// fails or is cancelled, its parts are cancelled; when one ends, the task that it is a part of is told, or fails with it.
    pub(super) fn with_consequences(&self, now: Timestamp, events: Vec<Event>) -> Vec<Event> {
        let ends = |event: &Event| event.ending().is_some_and(|notice| self.has_family(&notice.task));
        if !events.iter().any(ends) {
            return events;
        }
        let mut after = self.clone();
        let mut all = Vec::with_capacity(events.len() + 1);
        let mut ended = VecDeque::new();
        let mut happen = |after: &mut Tasks, ended: &mut VecDeque<TaskEvent>, event: Event| {
            after.apply(after.revision.saturating_add(1), now, &event);
            ended.extend(event.ending().cloned());
            all.push(event);
        };
        for event in events {
            happen(&mut after, &mut ended, event);
        }
        while let Some(end) = ended.pop_front() {
            if end.status != TaskStatus::Finished {
                for part in after.open_parts(&end.task) {
                    happen(&mut after, &mut ended, cancelled_with(&part, &end));
                }
            }
            let whole = after.tasks.get(&end.task).and_then(|part| after.whole_of(part)?.task.unpacked());
            if let Some(whole) = whole.filter(|whole: &Task| !has_ended(whole.status)) {
                happen(&mut after, &mut ended, told(&whole, &end));
            }
        }
        all
    }

    /// Whether the task is a part or has parts.
    fn has_family(&self, id: &str) -> bool {
        let record = self.tasks.get(id);
        record.is_some_and(|record| self.parts_of(record).next().is_some() || self.whole_of(record).is_some())
    }

    fn open_parts(&self, id: &str) -> Vec<Task> {
        let Some(whole) = self.tasks.get(id) else { return Vec::new() };
        let open = self.parts_of(whole).filter(|part| !has_ended(part.status));
        open.filter_map(|part| part.task.unpacked()).collect()
    }

    /// Counts a part of a task, which is no part of one that came later under the same name.
    pub(super) fn count_part(
        &mut self,
        revision: u64,
        (whole, part): (&str, u64),
        before: Option<Sum>,
        after: Option<Sum>,
    ) {
        let Some(record) = self.tasks.get(whole).filter(|record| record.number < part) else { return };
        let parts = record.parts.with(before, after);
        if parts != record.parts {
            let changed = Record { parts, ..Record::clone(record) };
            self.touch(revision, changed);
        }
    }

    /// The same for a part that is taken back from what was saved.
    pub(super) fn load_part(&mut self, (whole, part): (&str, u64), sum: Sum) {
        if let Some(record) = self.tasks.get(whole).filter(|record| record.number < part) {
            let parts = record.parts.with(None, Some(sum));
            self.tasks.replace(Record { parts, ..Record::clone(record) });
        }
    }

    /// Takes a record in the place of the one that there is, as changed by this revision.
    pub(super) fn touch(&mut self, revision: u64, mut record: Record) {
        if has_ended(record.status) {
            self.ended.remove(&(record.revision, record.number));
            self.ended.insert((revision, record.number));
        }
        record.revision = revision;
        self.tasks.replace(record);
    }
}

/// A part is cancelled because of the end of the task that it is a part of.
fn cancelled_with(part: &Task, end: &TaskEvent) -> Event {
    let reason = format!("the task \"{}\", which it is a part of, is {}", end.task, end.status.as_str());
    let notice = change(part, TaskEventEvent::StatusChanged, TaskStatus::Cancelled, Some(reason));
    Event::TaskChanged { notice, by: None, key: None }
}

/// What the end of a part means for the task that it is a part of.
fn told(whole: &Task, end: &TaskEvent) -> Event {
    let has_failed = matches!(end.status, TaskStatus::Failed | TaskStatus::Rejected);
    let told = match has_failed && whole.if_part_fails == Some(IfPartFails::Fail) {
        true => {
            let reason = format!("its part \"{}\" is {}", end.task, end.status.as_str());
            change(whole, TaskEventEvent::StatusChanged, TaskStatus::Failed, Some(reason))
        }
        false => notice(whole, TaskEventEvent::PartEnded),
    };
    let notice = TaskEvent { part: Some(end.task.clone()), part_status: Some(end.status), ..told };
    Event::TaskChanged { notice, by: None, key: None }
}
