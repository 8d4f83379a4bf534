//! What holds after every fact, whatever the agents do.

use std::collections::{BTreeMap, BTreeSet};

use super::super::callbacks::Progress;
use super::super::life_cycle::{causes, has_ended};
use super::super::{Event, Tasks};
use crate::clock::Timestamp;
use crate::limits::{CALLBACK_UNDELIVERED_MAX, TASK_HISTORY_MAX};
use crate::yang::generated::magent_task::{Task, TaskEvent, TaskEventEvent};
use crate::yang::generated::magent_types::{ResultVerdict, TaskStatus};
use crate::yang::model::Modelled;

/// What was announced so far.
#[derive(Default)]
pub struct Announced {
    /// The number of the latest `task-event` of each task.
    latest: BTreeMap<String, u64>,
    /// How many facts there were.
    position: u64,
    /// What each receiver is to be told, by task and subscription.
    to_tell: BTreeMap<(String, String), Vec<u64>>,
    /// The changes of status.
    pub transitions: BTreeSet<(TaskStatus, TaskStatus)>,
}

impl Announced {
    /// Checks the step from one state to the next.
    pub fn check(&mut self, before: &Tasks, after: &Tasks, event: &Event) {
        self.receivers_are_told_of_all(after, event);
        families_add_up(after);
        let Some(announced) = Tasks::announce(event, Timestamp::EPOCH).into_iter().next() else { return };
        let notice = TaskEvent::from_data(&announced.data).unwrap();
        // A task that was forgotten can come again.
        let is_new = notice.event == TaskEventEvent::Created;
        let last = self.latest.insert(notice.task.clone(), notice.sequence).filter(|_| !is_new);
        assert_eq!(notice.sequence, last.unwrap_or(0) + 1, "no event is missing");
        self.transitions.extend(notice.previous_status.map(|previous| (previous, notice.status)));
        let task = after.get(&notice.task).unwrap();
        transition_is_legal(before.get(&notice.task).as_ref(), &task);
        notice_tells_the_truth(before.get(&notice.task).as_ref(), &task, &notice);
        task_is_coherent(&task);
        assert_eq!(task.event_sequence, notice.sequence);
    }
}

impl Announced {
    /// What is to be told to each receiver is what happened to its task since it was wanted, less what it has taken or what was
    /// given up.
    fn receivers_are_told_of_all(&mut self, after: &Tasks, event: &Event) {
        self.position += 1;
        let position = self.position;
        match event {
            Event::CallbackMade { task, id, .. } => {
                self.to_tell.entry((task.clone(), id.clone())).or_default();
            }
            Event::CallbackEnded { task, id, .. } => drop(self.to_tell.remove(&(task.clone(), id.clone()))),
            Event::CallbackWentOn { task, id, progress } => {
                let left = self.to_tell.get_mut(&(task.clone(), id.clone()));
                if let (Some(left), Some(Progress::Delivered(upto) | Progress::Lost(upto))) = (left, progress)
                {
                    left.retain(|position| position > upto);
                }
            }
            Event::TaskForgotten { task } => self.to_tell.retain(|(of, _), _| of != task),
            other => {
                for ((_, _), left) in
                    self.to_tell.iter_mut().filter(|((of, _), _)| Some(of.as_str()) == other.task())
                {
                    left.push(position);
                    let surplus = left.len().saturating_sub(CALLBACK_UNDELIVERED_MAX);
                    left.drain(..surplus);
                }
            }
        }
        let is = after
            .callbacks()
            .iter()
            .map(|((task, id), callback)| ((task.to_string(), id.to_string()), callback.undelivered.clone()));
        assert_eq!(is.collect::<BTreeMap<_, _>>(), self.to_tell);
        let waiting = after.callbacks().iter().filter(|(_, callback)| callback.is_waiting()).count();
        assert_eq!(after.callbacks().waiting().count(), waiting);
    }
}

/// The tasks, each with its parts. One that was forgotten and came again has no part of those of its former self.
fn families(after: &Tasks) -> Vec<(Task, Vec<Task>)> {
    let entries = after.tasks().after(None, 99);
    let tasks: Vec<Task> = entries.iter().map(|(_, entry)| Task::from_data(entry).unwrap()).collect();
    let parts = |task: &Task| {
        let is_part = |part: &&Task| {
            part.parent.as_ref() == Some(&task.id) && after.number(&part.id) > after.number(&task.id)
        };
        tasks.iter().filter(is_part).cloned().collect()
    };
    tasks.iter().map(|task| (task.clone(), parts(task))).collect()
}

/// Once all that follows from a fact has happened: no part outlives the failure of its whole.
pub fn no_part_outlives_its_whole(after: &Tasks) {
    for (task, parts) in families(after) {
        let is_over = has_ended(task.status) && task.status != TaskStatus::Finished;
        let open = parts.iter().find(|part| is_over && !has_ended(part.status));
        assert_eq!(open.map(|part| &part.id), None, "{} is {:?}", task.id, task.status);
    }
}

/// What is counted of parts is what there is.
fn families_add_up(after: &Tasks) {
    for (task, parts) in families(after) {
        let ended = parts.iter().filter(|part| has_ended(part.status)).count();
        let counted =
            task.parts.as_ref().map_or((0, 0), |parts| (parts.total as usize, parts.ended as usize));
        assert_eq!(counted, (parts.len(), ended), "{}", task.id);
    }
}

fn transition_is_legal(before: Option<&Task>, after: &Task) {
    match before {
        Some(before) if before.status == after.status => assert_eq!(before.history, after.history),
        Some(before) => {
            assert!(
                !causes(Some(before.status), after.status).is_empty(),
                "{:?} -> {:?}",
                before.status,
                after.status
            );
        }
        None => assert_eq!(after.status, TaskStatus::Created),
    }
}

fn notice_tells_the_truth(before: Option<&Task>, after: &Task, notice: &TaskEvent) {
    assert_eq!(
        (notice.status, &notice.reason, notice.progress, notice.overdue),
        (after.status, &after.reason, after.progress, after.overdue)
    );
    let changed = before.map(|before| before.status).filter(|status| *status != after.status);
    assert_eq!(notice.previous_status, changed);
    assert_eq!(notice.input_request.is_some(), notice.event == TaskEventEvent::InputRequested);
    assert_eq!(notice.answered_request.is_some(), notice.event == TaskEventEvent::InputAnswered);
    assert_eq!(notice.result.is_some(), notice.event == TaskEventEvent::ResultReported);
    assert_eq!(notice.verdict.is_some(), notice.event == TaskEventEvent::ResultVerified);
}

fn task_is_coherent(task: &Task) {
    let changes = &task.history.change;
    assert_eq!(changes.last().map(|change| change.status), Some(task.status), "history agrees with status");
    assert!(changes.len() <= TASK_HISTORY_MAX);
    assert!(
        changes
            .windows(2)
            .all(|pair| pair[0].number + 1 == pair[1].number && pair[0].status != pair[1].status)
    );
    assert_eq!(task.overdue.is_some(), task.deadline.is_some());
    let verdict = task.result.as_ref().and_then(|result| result.verification.as_ref()).map(|v| v.verdict);
    if task.status == TaskStatus::Finished {
        assert!(task.result.is_some() && verdict != Some(ResultVerdict::Rework));
    } else {
        assert!(task.result.is_none() || verdict == Some(ResultVerdict::Rework));
    }
    let requests = &task.input_requests.input_request;
    assert!(requests.iter().zip(1..).all(|(request, number)| request.id == number));
}
