//! The draft's own tree and the siblings: one exchange seen from two sides
//! (`yang/draft/ERRATA.md` says what a client of the draft's tree can rely on).
//!
//! A write of `tasks` is an order (`orders`), a call of `task-negotiate` is a move
//! (`negotiate`), a task event is also a `condition-notifications` (`condition`), and an entry
//! of `data-params` is also a data object. Nothing here decides what a task may do.

mod condition;
mod entries;
mod negotiate;
mod order;
mod orders;
mod shown;

pub(super) use condition::condition;
pub(super) use entries::may_write;
pub(super) use negotiate::negotiate;
pub(super) use order::{is_in as has_order, taken_away, with_present as with_present_order, withheld};
pub(super) use orders::carry_out;
pub(super) use shown::{contexts, data_params};

use std::sync::Arc;

use super::operations;
use super::state::State;
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::datastore::diff::Change;
use crate::datastore::edit::{Edit, Operation};
use crate::tasks;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::Error;
use crate::yang::generated::irtf_agent::{self, nodes};
use crate::yang::generated::magent_registry::DelegatedRight;
use crate::yang::generated::{SCHEMA, magent_irtf_bridge};
use crate::yang::json;
use crate::yang::model::Modelled;
use crate::yang::packed::{PackedError, Reader, put_number, put_optional};
use crate::yang::path::{Selector, Step};
use crate::yang::tree::{Child, Container, Key};
use crate::yang::value::Value;

/// What became of the newest write of `tasks`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dispatch {
    /// The task it made or concerned.
    task: Option<String>,
    /// The identifier of the task comes with the next event.
    awaited: bool,
    /// Why it ordered nothing.
    reason: Option<String>,
}

impl Dispatch {
    /// Appends it to what is saved.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_optional(out, self.task.as_deref());
        put_number(out, u64::from(self.awaited));
        put_optional(out, self.reason.as_deref());
    }

    /// What was saved.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn load(saved: &mut Reader<'_>) -> Result<Self, PackedError> {
        let task = saved.optional()?.map(str::to_owned);
        let awaited = saved.number()? != 0;
        Ok(Dispatch { task, awaited, reason: saved.optional()?.map(str::to_owned) })
    }
}

/// Whether an edit writes `tasks`: it is an order, and more than data that is put in its place.
pub(super) fn is_order(edit: &Edit) -> bool {
    match (edit.path.steps.first(), &edit.value) {
        (Some(step), _) => step.node == &nodes::TASKS && edit.operation != Operation::None,
        (None, Some(Child::Container(root))) => root.get(&nodes::TASKS).is_some(),
        (None, _) => false,
    }
}

/// Whether the data object is an entry of `data-params` that says that it is a piece, and not that it is the last one.
pub(super) fn is_piece(state: &State, id: &str) -> bool {
    let list = state.config.content().list(&nodes::DATA_PARAMS);
    let entry = list.and_then(|list| list.get(&nodes::DATA_PARAMS, &Key::string(id)));
    entry.filter(|_| state.tasks.data_owner(id).is_none()).is_some_and(|entry| {
        let is = |leaf| entry.leaf(leaf) == Some(&Value::Bool(true));
        is(&nodes::DATA_PARAMS_CHUNKED) && !is(&nodes::DATA_PARAMS_FINISHED)
    })
}

/// Whether an edit has written `tasks`.
pub(super) fn has_ordered(old: &Container, new: &Container) -> bool {
    old.get(&nodes::TASKS) != new.get(&nodes::TASKS)
}

/// Called when the configuration was edited, with all changes of it: notes what is ordered, and keeps the data objects
/// in step with `data-params`. An object that was given to somebody outlives its entry.
pub(super) fn edited(state: &mut State, old: &Container, changes: &[Change], at: Timestamp) {
    let new = state.config.content().clone();
    if has_ordered(old, &new) {
        state.dispatch = match ordered(&new) {
            None => Dispatch::default(),
            Some(order) => match orders::intent(&order) {
                orders::Intent::Nothing(reason) => {
                    Dispatch { task: order.task_id, awaited: false, reason: Some(reason.to_owned()) }
                }
                orders::Intent::Assign | orders::Intent::Cancel | orders::Intent::Subscribe => {
                    Dispatch { awaited: order.task_id.is_none(), task: order.task_id, reason: None }
                }
            },
        };
    }
    let list = new.list(&nodes::DATA_PARAMS);
    let mut last = None;
    for change in changes {
        let Some(Step { node, selector: Selector::Key(key) }) = change.path.steps.first() else { continue };
        if *node != &nodes::DATA_PARAMS || last.replace(key) == Some(key) {
            continue;
        }
        let entry = match change.whole(1) {
            Some((_, new)) => new.cloned(),
            None => list.and_then(|list| list.get(&nodes::DATA_PARAMS, key)),
        };
        match entry {
            Some(entry) => {
                if let Ok(data) = irtf_agent::DataParams::from_data(&entry) {
                    state.tasks.apply(state.position, at, &orders::given(data));
                }
            }
            None => {
                if let Some(id) = key.values().first().and_then(Value::as_str) {
                    state.tasks.take_back(state.position, id);
                }
            }
        }
    }
}

/// Called when a task event was applied: it can be the one that a write of `tasks` waits for.
pub(super) fn dispatched(state: &mut State, event: &tasks::Event) {
    if state.dispatch.awaited
        && let Some(task) = event.assigned()
    {
        state.dispatch.task = Some(task.to_owned());
        state.dispatch.awaited = false;
    }
}

/// Refuses what a text of the draft can say and the type that it has with us cannot, such as a
/// `task-id` of two lines.
fn fits<T: Modelled>(input: &T) -> Result<(), Error> {
    let mut text = Vec::new();
    json::encode_children(&input.to_data(), Some(T::node()), &mut text, &EncodeOptions::default());
    json::decode_children(&text, Some(T::node()), &SCHEMA, &json::STORED).map(drop)
}

/// `/irtf-agent:tasks` as configuration.
fn ordered(config: &Container) -> Option<irtf_agent::Tasks> {
    config.container(&nodes::TASKS).and_then(|tasks| irtf_agent::Tasks::from_data(tasks).ok())
}

/// `/irtf-agent:tasks` as a reader sees it: what was written, and what became of it if the
/// principal may see the task.
pub(super) fn tasks(state: &State, principal: &Principal, now: Timestamp) -> Option<Arc<Container>> {
    let written = state.config.content().container(&nodes::TASKS)?;
    let dispatch = &state.dispatch;
    let task = dispatch
        .task
        .as_deref()
        .and_then(|id| operations::task_of(state, principal, id, DelegatedRight::Read, now).ok());
    let shown = magent_irtf_bridge::Dispatch {
        task: task.as_ref().map(|task| task.id.clone()),
        status: task.as_ref().map(|task| task.status),
        reason: dispatch.reason.clone().or_else(|| task.as_ref().and_then(|task| task.reason.clone())),
    };
    let mut tasks = written.as_ref().clone();
    if let Some(task) = task {
        tasks.set(&nodes::TASKS_TASK_STATUS, Child::Leaf(Value::string(task.status.as_str())));
    }
    let shown = shown.to_data();
    if !shown.is_empty() {
        tasks.set(&magent_irtf_bridge::nodes::TASKS_DISPATCH, Child::Container(Arc::new(shown)));
    }
    Some(Arc::new(tasks))
}
