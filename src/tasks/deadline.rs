//! Deadlines of tasks and of data: which pass next, and what follows when one has passed.
//!
//! A task that is late goes on; nothing here changes its status.

use super::event::notice;
use super::{Event, Record, Tasks};
use crate::clock::Timestamp;
use crate::yang::generated::magent_task::{Task, TaskEvent, TaskEventEvent};

impl Tasks {
    /// When the next deadline passes.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let passing = self.deadlines.get_min().map(|(deadline, _)| *deadline);
        passing.into_iter().chain(self.data.next_deadline()).min()
    }

    /// What has to be said of tasks whose deadline has passed, and the data whose time is over, the earliest first; no more than
    /// `at_most` of each.
    pub fn expire(&self, now: Timestamp, at_most: usize) -> Vec<Event> {
        let due = self.deadlines.range(..=(now, u64::MAX)).take(at_most);
        let tasks = due.filter_map(|(_, number)| self.tasks.numbered(*number)?.task.unpacked());
        let late = tasks.map(|task| Event::TaskChanged { notice: passed(&task), by: None, key: None });
        let over = self.data.expired(now, at_most).map(|id| self.removed(id));
        late.chain(over).collect()
    }

    /// Whether the deadline of this task matters: it has not ended, and its deadline was not known to have passed.
    pub(super) fn awaits(&self, record: &Record) -> bool {
        record.deadline.is_some_and(|deadline| self.deadlines.contains(&(deadline, record.number)))
    }
}

/// The `task-event` that says that the deadline has passed.
pub(super) fn passed(task: &Task) -> TaskEvent {
    TaskEvent { overdue: Some(true), ..notice(task, TaskEventEvent::DeadlinePassed) }
}
