//! The life cycle of a task: every pair of statuses, and what may lead from one to the other.
//!
//! It is the table of the typedef `task-status` and decides nothing else.

use crate::yang::generated::magent_types::TaskStatus;
use TaskStatus::{Blocked, Cancelled, Created, Failed, Finished, Processing, Rejected, Suspended};

/// What an agent does that can change the status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `assign-task`.
    Assign,
    /// The action `report`.
    Report,
    /// The action `answer`.
    Answer,
    /// The action `cancel`.
    Cancel,
    /// The action `suspend`.
    Suspend,
    /// The action `resume`.
    Resume,
    /// The action `verify`.
    Verify,
}

/// On which side of a task an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The agent that assigns the task: its `from`.
    Assigner,
    /// The agent that executes the task: its `to`.
    Executor,
}

impl Cause {
    /// Who may do it.
    pub fn side(self) -> Side {
        match self {
            Cause::Report => Side::Executor,
            Cause::Assign
            | Cause::Answer
            | Cause::Cancel
            | Cause::Suspend
            | Cause::Resume
            | Cause::Verify => Side::Assigner,
        }
    }

    /// The name of the operation.
    pub fn operation(self) -> &'static str {
        match self {
            Cause::Assign => "assign-task",
            Cause::Report => "report",
            Cause::Answer => "answer",
            Cause::Cancel => "cancel",
            Cause::Suspend => "suspend",
            Cause::Resume => "resume",
            Cause::Verify => "verify",
        }
    }
}

/// What may take a task from one status to another (`None`: there is no task yet).
///
/// From a status to itself: what may be done in that status without changing it. Nothing at all is possible once a task
/// is cancelled, failed or rejected; one that is finished can only be verified, and goes back for rework by that.
pub fn causes(from: Option<TaskStatus>, to: TaskStatus) -> &'static [Cause] {
    use Cause::{Answer, Assign, Cancel, Report, Resume, Suspend, Verify};
    match from {
        None => match to {
            Created => &[Assign],
            Processing | Blocked | Suspended | Finished | Failed | Cancelled | Rejected => &[],
        },
        Some(Created) => match to {
            Created | Processing | Failed | Rejected => &[Report],
            Cancelled => &[Cancel],
            Blocked | Suspended | Finished => &[],
        },
        Some(Processing) => match to {
            Processing => &[Report, Answer],
            Blocked | Finished | Failed => &[Report],
            Suspended => &[Suspend],
            Cancelled => &[Cancel],
            Created | Rejected => &[],
        },
        Some(Blocked) => match to {
            Blocked | Processing => &[Report, Answer],
            Failed => &[Report],
            Suspended => &[Suspend],
            Cancelled => &[Cancel],
            Created | Finished | Rejected => &[],
        },
        Some(Suspended) => match to {
            Suspended => &[Report, Answer],
            Processing => &[Resume],
            Failed => &[Report],
            Cancelled => &[Cancel],
            Created | Blocked | Finished | Rejected => &[],
        },
        Some(Finished) => match to {
            Finished | Processing => &[Verify],
            Created | Blocked | Suspended | Failed | Cancelled | Rejected => &[],
        },
        Some(Failed | Cancelled | Rejected) => match to {
            Created | Processing | Blocked | Suspended | Finished | Failed | Cancelled | Rejected => &[],
        },
    }
}

/// Whether the task has ended. One that is finished can still go back for rework.
pub fn has_ended(status: TaskStatus) -> bool {
    match status {
        Finished | Failed | Cancelled | Rejected => true,
        Created | Processing | Blocked | Suspended => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list in the description of the typedef, copied.
    const DESCRIPTION: &str = "
         (none)     -> created
         created    -> processing, rejected, failed, cancelled
         processing -> blocked, suspended, finished, failed, cancelled
         blocked    -> processing, suspended, failed, cancelled
         suspended  -> processing, failed, cancelled
         finished   -> processing";

    fn all() -> impl Iterator<Item = TaskStatus> {
        TaskStatus::ALL.iter().copied()
    }

    fn described(from: &str, to: &str) -> bool {
        let lines = DESCRIPTION.lines().filter_map(|line| line.split_once("->"));
        lines
            .filter(|(left, _)| left.trim() == from)
            .any(|(_, right)| right.split(',').any(|s| s.trim() == to))
    }

    #[test]
    fn transitions_are_those_of_the_typedef() {
        for to in all() {
            assert_eq!(!causes(None, to).is_empty(), described("(none)", to.as_str()), "{to:?}");
            for from in all().filter(|from| *from != to) {
                let possible = !causes(Some(from), to).is_empty();
                assert_eq!(possible, described(from.as_str(), to.as_str()), "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn each_side_brings_about_only_what_is_its_own() {
        for from in all() {
            assert!(causes(Some(from), Created).iter().all(|c| *c == Cause::Report));
            assert!(causes(Some(from), Cancelled).iter().all(|c| c.side() == Side::Assigner));
            for to in [Blocked, Finished, Failed, Rejected].into_iter().filter(|to| *to != from) {
                assert!(
                    causes(Some(from), to).iter().all(|c| c.side() == Side::Executor),
                    "{from:?} -> {to:?}"
                );
            }
        }
        assert_eq!(causes(Some(Finished), Processing), [Cause::Verify], "rework");
    }

    #[test]
    fn a_task_that_has_ended_takes_no_report() {
        for (from, to) in all().flat_map(|from| all().map(move |to| (from, to))) {
            if has_ended(from) {
                assert!(!causes(Some(from), to).contains(&Cause::Report), "{from:?} -> {to:?}");
            }
        }
    }
}
