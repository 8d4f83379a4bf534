//! One update of a datastore for one subscriber (RFC 8641 section 3.7): all that is selected, or what has changed.
//!
//! It is a function of two snapshots, the principal and the terms. It waits for nothing and takes its time: it is run
//! where that keeps nobody waiting.

use std::collections::HashSet;
use std::sync::Arc;

use imbl::ordmap::DiffItem;

use super::datastores;
use super::filter::Filter;
use super::patch;
use super::request::{Content, Datastore, Form};
use super::sessions::Sessions;
use super::state::State;
use super::subscription::Shared;
use super::subtree::empty;
use super::terms::{Target, Terms, Trigger};
use super::view::{self, From};
use super::visible;
use crate::access::{At, Principal};
use crate::clock::Timestamp;
use crate::datastore::diff::diff;
use crate::datastore::edit::Edit;
use crate::datastore::transform;
use crate::yang::error::Error;
use crate::yang::generated::ietf_subscribed_notifications::identities::SubscriptionSuspendedReason;
use crate::yang::generated::ietf_subscribed_notifications::nodes::SUBSCRIPTIONS;
use crate::yang::generated::ietf_yang_push::{
    ChangeType, PushChangeUpdate, PushChangeUpdateDatastoreChanges, PushChangeUpdateEdit,
    PushChangeUpdateOperation, PushChangeUpdateYangPatch, PushUpdate,
};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::path::InstancePath;
use crate::yang::recast::recast;
use crate::yang::schema::Node;
use crate::yang::tree::{AnyData, Child, Container, Key, List};
use crate::yang::value::Value;
use crate::yang::{json, resource, xml};

/// What there is at one moment.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    pub(super) state: Arc<State>,
    pub(super) sessions: Arc<Sessions>,
    /// When it was so: what had expired then is told by that.
    pub(super) at: Timestamp,
}

/// Why an update cannot be made.
pub(super) type Reason = SubscriptionSuspendedReason;

impl Basis {
    pub(super) fn of(shared: &Shared) -> Basis {
        let at = shared.options.clock.now();
        Basis { state: shared.snapshot.load_full(), sessions: shared.sessions.load_full(), at }
    }
}

/// All that making one update needs, on a thread where it can take its time.
pub(super) struct Work {
    pub(super) shared: Arc<Shared>,
    pub(super) principal: Principal,
    pub(super) id: u32,
    pub(super) form: Form,
    pub(super) terms: Arc<Terms>,
    pub(super) datastore: Datastore,
    /// The counter that an update of what has changed has as `patch-id`.
    pub(super) number: u32,
}

impl Work {
    /// All that is selected, if it is not too much.
    pub(super) fn selected(&self, basis: &Basis) -> Result<Container, Reason> {
        let content = self.select(&self.tree(basis)?)?;
        let too_big = |reason| match (&reason, self.is_on_change()) {
            (Reason::UpdateTooBig, true) => Reason::SyncTooBig,
            _ => reason,
        };
        fits(&content, &mut self.room()).map_err(too_big)?;
        Ok(content)
    }

    /// `push-update`.
    pub(super) fn full(&self, basis: &Basis) -> Result<Notification, Reason> {
        let content = self.selected(basis)?;
        let contents = self.form.any(|out, options| match self.form {
            Form::Json => json::encode_children(&content, None, out, options),
            Form::Xml => xml::encode_children(&content, None, out, options),
        });
        let update = PushUpdate { id: Some(self.id), datastore_contents: contents, incomplete_update: None };
        Ok(Notification { node: PushUpdate::node(), data: update.to_data(), parties: Vec::new() })
    }

    /// `push-change-update` of what has changed from the first state to the last, and what came and went in those
    /// between; nothing if all that was not asked for. It is marked as incomplete if there were changes before that could
    /// not be told.
    pub(super) fn changes(
        &self,
        states: &[Basis],
        excluded: &[ChangeType],
        incomplete: bool,
    ) -> Result<Option<Notification>, Reason> {
        let (Some(first), Some(last)) = (states.first(), states.last()) else { return Ok(None) };
        let mut all = self.edits(first, last)?;
        if states.len() > 2 {
            let mut seen = Seen::default();
            all.iter().for_each(|(_, edit)| seen.add(&edit.path));
            let mut passing = Vec::new();
            for pair in states.windows(2).rev() {
                let [old, new] = pair else { continue };
                let mut room = self.room().nodes;
                for (old, edit) in self.edits(old, new)?.into_iter().rev() {
                    spend(&mut room, 1)?;
                    // The last change is told, though it is as before.
                    if !seen.has(&edit.path) {
                        seen.add(&edit.path);
                        passing.push((old, edit));
                    }
                }
            }
            all.extend(passing.into_iter().rev());
        }
        let (mut edits, mut room) = (Vec::new(), self.room());
        let of_instances = all.into_iter().flat_map(|(old, edit)| {
            patch::of_entries(&old, edit).into_iter().map(move |edit| (old.clone(), edit))
        });
        for (old, edit) in of_instances {
            room.take(1, 0)?;
            if let (Some(node), Some(value)) = (edit.path.node(), &edit.value) {
                child_fits(node, value, &mut room)?;
            }
            let mut written = patch::written(&old, edit, edits.len() + 1, self.form);
            let value = written.value.take();
            // Both are made of the grouping of RFC 8072. What is read of data is JSON, which the value need not be.
            let Ok(edit) = recast::<_, PushChangeUpdateEdit>(&written) else { continue };
            let mut edit = PushChangeUpdateEdit { value, ..edit };
            if edit.operation == PushChangeUpdateOperation::Remove {
                edit.operation = PushChangeUpdateOperation::Delete;
            }
            if !excluded.contains(&change_type(edit.operation)) {
                edits.push(edit);
            }
        }
        if edits.is_empty() {
            return Ok(None);
        }
        let patch_id = self.number.to_string();
        let yang_patch = PushChangeUpdateYangPatch { patch_id, comment: None, edit: edits };
        let datastore_changes = PushChangeUpdateDatastoreChanges { yang_patch };
        let incomplete_update = incomplete.then_some(());
        let update = PushChangeUpdate { id: Some(self.id), datastore_changes, incomplete_update };
        Ok(Some(Notification { node: PushChangeUpdate::node(), data: update.to_data(), parties: Vec::new() }))
    }

    /// The edits from one state to another, each with what it is made in.
    fn edits(&self, old: &Basis, new: &Basis) -> Result<Vec<(Arc<Container>, Edit)>, Reason> {
        let (mut old, mut new) = (self.comparable(old)?, self.comparable(new)?);
        let is_local = self.terms.filter.as_ref().is_none_or(Filter::is_local);
        let mut room = self.room().nodes;
        if is_local {
            let (less, rest) = differing(&old, &new, &mut room)?;
            (old, new) = (Arc::new(less), Arc::new(rest));
        }
        let (mut old, mut new) = (self.select(&old)?, self.select(&new)?);
        if !is_local {
            // Only what is selected is known not to depend on the rest.
            (old, new) = differing(&old, &new, &mut room)?;
        }
        let old = Arc::new(old);
        Ok(transform::edits(&diff(&old, &new)).into_iter().map(|edit| (old.clone(), edit)).collect())
    }

    fn room(&self) -> Room {
        let limits = &self.shared.options.limits;
        Room { nodes: limits.push_nodes_max, octets: limits.push_bytes_max }
    }

    fn is_on_change(&self) -> bool {
        matches!(self.terms.target, Target::Datastore { trigger: Trigger::OnChange { .. }, .. })
    }

    /// The datastore as the principal sees it.
    fn tree(&self, basis: &Basis) -> Result<Arc<Container>, Reason> {
        let (Basis { state, sessions, at }, options) = (basis, &self.shared.options);
        if self.datastore == Datastore::Operational {
            let from = From { state, sessions, options, datastore: self.datastore, now: *at };
            let found = view::read(&from, &self.principal, &InstancePath::default(), Content::All);
            return match found.map(|found| found.child) {
                Ok(Child::Container(root)) => Ok(root),
                _ => Err(Reason::InsufficientResources),
            };
        }
        // As it is stored: so what two revisions share is known to be the same.
        let unavailable = |_: Error| -> Reason { Reason::InsufficientResources };
        let content =
            datastores::content(state, &sessions.candidates, options, self.datastore).map_err(unavailable)?;
        Ok(visible::content(&At::root(state.rules(&self.principal)), &content))
    }

    /// What can be compared: what the filter may select, without what counts rather than changes.
    fn comparable(&self, basis: &Basis) -> Result<Arc<Container>, Reason> {
        let wanted = |node| self.terms.filter.as_ref().is_none_or(|filter| filter.wants(node));
        Ok(without(self.tree(basis)?, |node| node == &SUBSCRIPTIONS || !wanted(node)))
    }

    fn select(&self, root: &Arc<Container>) -> Result<Container, Reason> {
        match &self.terms.filter {
            None => Ok(root.as_ref().clone()),
            Some(filter) => {
                let limits = &self.shared.options.limits;
                let quotas = self.shared.snapshot.load().quotas(limits, &self.principal);
                filter.select(root, quotas.data_filter_steps).map_err(|_| Reason::InsufficientResources)
            }
        }
    }
}

fn without(content: Arc<Container>, hidden: impl Fn(&'static Node) -> bool) -> Arc<Container> {
    let hidden: Vec<&'static Node> =
        content.iter().map(|(node, _)| node).filter(|node| hidden(node)).collect();
    if hidden.is_empty() {
        return content;
    }
    let mut seen = content.as_ref().clone();
    hidden.into_iter().for_each(|node| drop(seen.remove(node)));
    Arc::new(seen)
}

fn change_type(operation: PushChangeUpdateOperation) -> ChangeType {
    match operation {
        PushChangeUpdateOperation::Create => ChangeType::Create,
        PushChangeUpdateOperation::Delete | PushChangeUpdateOperation::Remove => ChangeType::Delete,
        PushChangeUpdateOperation::Insert => ChangeType::Insert,
        PushChangeUpdateOperation::Move => ChangeType::Move,
        PushChangeUpdateOperation::Merge | PushChangeUpdateOperation::Replace => ChangeType::Replace,
    }
}

/// Places that changes were told of.
#[derive(Default)]
struct Seen {
    at: HashSet<String>,
    above: HashSet<String>,
}

impl Seen {
    fn add(&mut self, path: &InstancePath) {
        for length in 0..path.steps.len() {
            self.above.insert(prefix(path, length));
        }
        self.at.insert(resource::format(path));
    }

    /// Whether a change was told of there, above or below.
    fn has(&self, path: &InstancePath) -> bool {
        self.above.contains(&resource::format(path))
            || (0..=path.steps.len()).any(|length| self.at.contains(&prefix(path, length)))
    }
}

fn prefix(path: &InstancePath, length: usize) -> String {
    resource::format(&InstancePath { steps: path.steps.iter().take(length).cloned().collect() })
}

fn spend(left: &mut usize, count: usize) -> Result<(), Reason> {
    *left = left.checked_sub(count).ok_or(Reason::UpdateTooBig)?;
    Ok(())
}

/// How much more an update can hold.
struct Room {
    nodes: usize,
    /// Of names and values.
    octets: usize,
}

impl Room {
    fn take(&mut self, nodes: usize, octets: usize) -> Result<(), Reason> {
        spend(&mut self.nodes, nodes)?;
        spend(&mut self.octets, octets)
    }
}

/// That there is room for all that is below.
fn fits(container: &Container, room: &mut Room) -> Result<(), Reason> {
    container.iter().try_for_each(|(node, child)| child_fits(node, child, room))
}

fn child_fits(node: &Node, child: &Child, room: &mut Room) -> Result<(), Reason> {
    let name = node.name.len();
    match child {
        Child::Leaf(value) => room.take(1, name + octets(value)),
        Child::Any(AnyData::Json(json)) => room.take(1, name + json.to_string().len()),
        Child::Any(AnyData::Xml(text)) => room.take(1, name + text.len()),
        Child::LeafList(values) => values.iter().try_for_each(|value| room.take(1, name + octets(value))),
        Child::Container(inner) => {
            room.take(1, name)?;
            fits(inner, room)
        }
        Child::List(list) => list.iter().try_for_each(|entry| {
            room.take(1, name)?;
            fits(&entry, room)
        }),
    }
}

/// The octets of names and values in a container.
pub(super) fn octets_of(container: &Container) -> u64 {
    let mut room = Room { nodes: usize::MAX, octets: usize::MAX };
    // There is room for everything.
    let _ = fits(container, &mut room);
    (usize::MAX - room.octets) as u64
}

fn octets(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Binary(octets) => octets.len().div_ceil(3) * 4,
        // All others are short.
        value => value.canonical().len(),
    }
}

/// Two trees without the containers and entries that are the same in both. Leafs stay, as a filter may look at them.
fn differing(old: &Container, new: &Container, left: &mut usize) -> Result<(Container, Container), Reason> {
    let (mut less, mut more) = (Container::default(), Container::default());
    for (node, child) in old.iter().filter(|(node, _)| new.get(node).is_none()) {
        less.set(node, plain(node, child, left)?);
    }
    for (node, child) in new.iter() {
        match (old.get(node), child) {
            (None, child) => more.set(node, plain(node, child, left)?),
            (Some(Child::Container(a)), Child::Container(b)) => {
                if Arc::ptr_eq(a, b) {
                    continue;
                }
                let (a, b) = differing(a, b, left)?;
                less.set(node, Child::Container(Arc::new(a)));
                more.set(node, Child::Container(Arc::new(b)));
            }
            (Some(Child::List(a)), Child::List(b)) => {
                let (a, b) = differing_lists(node, a, b, left)?;
                less.set(node, Child::List(a));
                more.set(node, Child::List(b));
            }
            (Some(a), b) => {
                less.set(node, a.clone());
                more.set(node, b.clone());
            }
        }
    }
    Ok((less, more))
}

fn differing_lists(
    node: &'static Node,
    old: &List,
    new: &List,
    left: &mut usize,
) -> Result<(List, List), Reason> {
    let keys: Vec<Key> = match (old, new) {
        (List::Sorted(a), List::Sorted(b)) => {
            let key = |item: DiffItem<'_, '_, Key, Arc<Container>>| match item {
                DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { old: (key, _), .. } => {
                    key.clone()
                }
            };
            a.diff(b).map(key).collect()
        }
        (List::State(a), List::State(b)) => match b.changed_since(a.as_ref()) {
            Some(keys) => keys,
            None => return Ok((plain_list(node, old, left)?, plain_list(node, new, left)?)),
        },
        // Their order matters as a whole.
        _ => return Ok((plain_list(node, old, left)?, plain_list(node, new, left)?)),
    };
    let (mut less, mut more) = (empty(node), empty(node));
    for key in keys {
        spend(left, 1)?;
        if let Some(entry) = old.get(node, &key) {
            less.put(node, Some(key.clone()), entry);
        }
        if let Some(entry) = new.get(node, &key) {
            more.put(node, Some(key), entry);
        }
    }
    Ok((less, more))
}

/// A child with the entries of state lists built, so that it can be compared.
fn plain(node: &'static Node, child: &Child, left: &mut usize) -> Result<Child, Reason> {
    match child {
        Child::List(list) => plain_list(node, list, left).map(Child::List),
        Child::Container(inner) => {
            let mut built = Container::default().at_revision(inner.revision);
            for (node, child) in inner.iter() {
                built.set(node, plain(node, child, left)?);
            }
            Ok(Child::Container(Arc::new(built)))
        }
        child => Ok(child.clone()),
    }
}

fn plain_list(node: &'static Node, list: &List, left: &mut usize) -> Result<List, Reason> {
    let has_keys = !node.keys().is_empty();
    if !(matches!(list, List::State(_)) || has_keys && matches!(list, List::Sequence(_))) {
        return Ok(list.clone());
    }
    let mut built = empty(node);
    for entry in list.iter() {
        spend(left, 1)?;
        built.put(node, entry.key(node), entry);
    }
    Ok(built)
}
