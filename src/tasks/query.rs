//! `query-tasks`: finding tasks by what is known of them, a part at a time, in the order of their creation.
//!
//! It never looks at every task when an agent is named, and never at more than a limit allows.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use super::index::Index;
use super::{Record, Refusal, Tasks};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::nodes::QUERY_TASKS_INPUT_CHANGED_SINCE;
use crate::yang::generated::magent_task::{QueryTasksInput, QueryTasksOutput, QueryTasksOutputTask, Task};
use crate::yang::generated::magent_types::TaskStatus;
use crate::yang::parameter;

impl Tasks {
    /// Answers `query-tasks`. `visible` says whether the user has read access to a task.
    ///
    /// A cursor is good for ever: it is the number of the next task to look at. That is one to be found, so that no cursor
    /// tells of a task that its reader may not see; or so many tasks have been looked at that the answer is short or empty.
    ///
    /// # Errors
    /// `bad-cursor`; `changed-since` is no time.
    pub fn query(
        &self,
        input: &QueryTasksInput,
        limits: &Limits,
        visible: impl Fn(&Task) -> bool,
    ) -> Result<QueryTasksOutput, Error> {
        let first = match &input.cursor {
            Some(cursor) => place(cursor)?,
            None => 0,
        };
        let conditions = Conditions::new(input)?;
        let most = input
            .limit
            .map_or(limits.query_tasks_max, |limit| limits.query_tasks_max.min(usize::from(limit)));
        let mut output = QueryTasksOutput { task: Vec::new(), next_cursor: None };
        for (looked_at, number) in self.candidates(input, first).enumerate() {
            if looked_at >= limits.query_scan_max {
                output.next_cursor = Some(number.to_string());
                break;
            }
            let Some(record) = self.tasks.numbered(number) else { continue };
            let task = if conditions.can_be_met(record) { record.task.unpacked() } else { None };
            let Some(task) = task.filter(|task| conditions.are_met(task) && visible(task)) else { continue };
            if output.task.len() >= most {
                output.next_cursor = Some(number.to_string());
                break;
            }
            output.task.push(found(task));
        }
        Ok(output)
    }

    /// Numbers of tasks that can meet the conditions, ascending from `first`: the shortest way that an index offers.
    fn candidates<'a>(
        &'a self,
        input: &'a QueryTasksInput,
        first: u64,
    ) -> Box<dyn Iterator<Item = u64> + 'a> {
        let ways: [(&Index, &[String]); 4] = [
            (&self.by_parent, &input.parent),
            (&self.by_context, &input.context),
            (&self.by_to, &input.to),
            (&self.by_from, &input.from),
        ];
        match ways.into_iter().find(|(_, names)| !names.is_empty()) {
            Some((index, [name])) => Box::new(index.from(name, first)),
            Some((index, names)) => {
                Box::new(merged(names.iter().map(|name| index.from(name, first)).collect()))
            }
            None => Box::new(self.tasks.created_from(first).map(|record| record.number)),
        }
    }
}

/// The number that a cursor stands for. How many tasks there are is not told: behind the last there is nothing to be found.
fn place(cursor: &str) -> Result<u64, Error> {
    let number = cursor.parse().ok().filter(|number: &u64| number.to_string() == cursor);
    number.ok_or_else(|| {
        Refusal::BadCursor
            .error(format!("\"{cursor}\" is not a value of \"next-cursor\" that this server gave."))
    })
}

/// Merges ascending sequences into one without repetitions.
fn merged<I: Iterator<Item = u64>>(mut sequences: Vec<I>) -> impl Iterator<Item = u64> {
    let heads = sequences
        .iter_mut()
        .enumerate()
        .filter_map(|(from, s)| s.next().map(|number| Reverse((number, from))));
    let mut heads: BinaryHeap<_> = heads.collect();
    let mut last = None;
    std::iter::from_fn(move || {
        loop {
            let Reverse((number, from)) = heads.pop()?;
            if let Some(next) = sequences.get_mut(from).and_then(Iterator::next) {
                heads.push(Reverse((next, from)));
            }
            if last.replace(number) != Some(number) {
                return Some(number);
            }
        }
    })
}

/// The conditions, for quick answers when there are many values.
struct Conditions<'a> {
    names: [HashSet<&'a str>; 5],
    status: &'a [TaskStatus],
    since: Option<Timestamp>,
}

impl<'a> Conditions<'a> {
    fn new(input: &'a QueryTasksInput) -> Result<Self, Error> {
        let lists = [&input.from, &input.to, &input.type_, &input.context, &input.parent];
        Ok(Conditions {
            names: lists.map(|list| list.iter().map(String::as_str).collect()),
            status: &input.status,
            since: parameter::optional_time(
                input.changed_since.as_deref(),
                &QUERY_TASKS_INPUT_CHANGED_SINCE,
            )?,
        })
    }

    /// Whether they are met by what is known of a task without unpacking it.
    fn can_be_met(&self, record: &Record) -> bool {
        let agents = [Some(record.from.as_ref()), Some(record.to.as_ref())];
        self.since.is_none_or(|since| record.updated_at >= since)
            && (self.status.is_empty() || self.status.contains(&record.status))
            && self.names.iter().zip(agents).all(one_of)
    }

    /// Whether the rest is met too.
    fn are_met(&self, task: &Task) -> bool {
        let others = [task.type_.as_deref(), task.context.as_deref(), task.parent.as_deref()];
        self.names.iter().skip(2).zip(others).all(one_of)
    }
}

fn one_of((wanted, is): (&HashSet<&str>, Option<&str>)) -> bool {
    wanted.is_empty() || is.is_some_and(|is| wanted.contains(is))
}

fn found(task: Task) -> QueryTasksOutputTask {
    QueryTasksOutputTask {
        id: task.id,
        from: task.from,
        to: task.to,
        type_: task.type_,
        status: task.status,
        reason: task.reason,
        progress: task.progress,
        overdue: task.overdue,
        event_sequence: task.event_sequence,
        created_at: task.created_at,
        updated_at: task.updated_at,
    }
}
