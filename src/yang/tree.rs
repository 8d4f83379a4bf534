//! Instance data: a persistent tree that edits copy only along their path.
//!
//! Containers are small sorted vectors behind `Arc`; lists are persistent ordered maps. State
//! lists are views whose entries are built when they are read, so that configuration, state,
//! operations and notifications are walked by the same code. Nothing here checks values or
//! enforces constraints.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, Vector};

use super::schema::{Kind, Node};
use super::value::Value;

/// The instances below one container, list entry, operation, notification or the root.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Ascending by `Node::index`.
    children: Vec<(&'static Node, Child)>,
    /// The revision (log position) that last touched anything here or below; 0 if unknown.
    pub revision: u64,
}

/// The instance or instances of one schema node.
#[derive(Debug, Clone)]
pub enum Child {
    /// A leaf.
    Leaf(Value),
    /// All entries of a leaf-list, in order.
    LeafList(Arc<Vec<Value>>),
    /// A container.
    Container(Arc<Container>),
    /// All entries of a list.
    List(List),
    /// An anydata or anyxml.
    Any(AnyData),
}

/// The entries of a list. What is rare and large is boxed: every leaf of the tree has room for it.
#[derive(Debug, Clone)]
pub enum List {
    /// Ordered by the system: by key.
    Sorted(OrdMap<Key, Arc<Container>>),
    /// Ordered by the user (RFC 7950 section 7.7.7.2).
    User(Box<UserList>),
    /// In the order given: keyless lists, and lists in operations and notifications.
    Sequence(Box<Vector<Arc<Container>>>),
    /// State that is built when it is read.
    State(Arc<dyn StateList>),
}

/// The values of a list's keys in the order of the `key` statement.
#[derive(Clone)]
pub struct Key(Values);

/// Most lists have one key, which then is compared without following a reference to it.
#[derive(Clone)]
enum Values {
    One(Value),
    Many(Arc<[Value]>),
}

/// Entries of a state list, made from what the server holds when they are asked for.
pub trait StateList: fmt::Debug + Send + Sync {
    /// The entry with this key.
    fn get(&self, key: &Key) -> Option<Arc<Container>>;
    /// Up to `count` entries that follow `key`, or the first ones.
    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)>;
    /// Up to `count` entries that `key` follows, the nearest first, or the last ones, the last first.
    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)>;
    /// Number of entries.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The keys of all entries that may differ from those of an earlier view of the same list; `None` if that is not
    /// known without a look at all of them.
    fn changed_since(&self, _older: &dyn StateList) -> Option<Vec<Key>> {
        None
    }
    /// Itself, for a view of the same list that compares; `None` if it never does.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

/// The content of an anydata or anyxml node, schemaless (RFC 7950 section 7.10).
#[derive(Debug, Clone, PartialEq)]
pub enum AnyData {
    /// It came as JSON: the members of the object, or any JSON value for anyxml.
    Json(Arc<serde_json::Value>),
    /// It came as XML: the content of the element, as well-formed text with its namespaces.
    Xml(Arc<str>),
}

impl Key {
    /// A key of these values.
    pub fn new(values: Vec<Value>) -> Self {
        match <[Value; 1]>::try_from(values) {
            Ok([value]) => Key(Values::One(value)),
            Err(values) => Key(Values::Many(values.into())),
        }
    }

    /// A key of one string.
    pub fn string(text: &str) -> Self {
        Key(Values::One(Value::string(text)))
    }

    /// The values in the order of the `key` statement.
    pub fn values(&self) -> &[Value] {
        match &self.0 {
            Values::One(value) => std::slice::from_ref(value),
            Values::Many(values) => values,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}
impl Eq for Key {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.values().cmp(other.values())
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Container {
    /// With this revision.
    pub fn at_revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// The instance of a child node.
    pub fn get(&self, node: &Node) -> Option<&Child> {
        self.slot(node).ok().map(|i| &self.children[i].1)
    }

    /// The value of a leaf.
    pub fn leaf(&self, node: &Node) -> Option<&Value> {
        match self.get(node) {
            Some(Child::Leaf(value)) => Some(value),
            _ => None,
        }
    }

    /// A child container.
    pub fn container(&self, node: &Node) -> Option<&Arc<Container>> {
        match self.get(node) {
            Some(Child::Container(container)) => Some(container),
            _ => None,
        }
    }

    /// A child list.
    pub fn list(&self, node: &Node) -> Option<&List> {
        match self.get(node) {
            Some(Child::List(list)) => Some(list),
            _ => None,
        }
    }

    /// Sets the instance of a child node, in place of any earlier one.
    pub fn set(&mut self, node: &'static Node, child: Child) {
        // Who fills one does that in the order of the schema.
        if self.children.last().is_none_or(|(last, _)| last.index < node.index) {
            return self.children.push((node, child));
        }
        match self.slot(node) {
            Ok(i) => self.children[i].1 = child,
            Err(i) => self.children.insert(i, (node, child)),
        }
    }

    /// Removes the instance of a child node.
    pub fn remove(&mut self, node: &Node) -> Option<Child> {
        self.slot(node).ok().map(|i| self.children.remove(i).1)
    }

    /// All children in schema order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&'static Node, &Child)> {
        self.children.iter().map(|(node, child)| (*node, child))
    }

    /// Changes every child in place.
    pub fn for_each_mut(&mut self, mut change: impl FnMut(&mut Child)) {
        self.children.iter_mut().for_each(|(_, child)| change(child));
    }

    /// Whether there is no child.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// The key of this list entry; `None` if a key leaf is missing.
    pub fn key(&self, list: &Node) -> Option<Key> {
        if let [key] = list.keys() {
            return self.leaf(key).map(|value| Key(Values::One(value.clone())));
        }
        let values: Option<Vec<Value>> = list.keys().iter().map(|k| self.leaf(k).cloned()).collect();
        values.map(Key::new)
    }

    /// Two nodes never share an index below one parent, so it is the sort key.
    fn slot(&self, node: &Node) -> Result<usize, usize> {
        self.children.binary_search_by_key(&node.index, |(n, _)| n.index)
    }
}

impl Child {
    /// How many nodes there are in it: leafs, values of leaf-lists, containers and entries. What
    /// is built as it is read counts as one.
    pub fn size(&self) -> usize {
        let container =
            |container: &Container| 1 + container.iter().map(|(_, child)| child.size()).sum::<usize>();
        match self {
            Child::Leaf(_) | Child::Any(_) | Child::List(List::State(_)) => 1,
            Child::LeafList(values) => values.len(),
            Child::Container(inner) => container(inner),
            Child::List(list) => list.iter().map(|entry| container(&entry)).sum(),
        }
    }
}

impl Child {
    /// Whether there are more nodes in it than `most`, which are looked at and no more.
    pub fn is_larger_than(&self, most: usize) -> bool {
        let mut left = most;
        !self.fits(&mut left)
    }

    /// Takes the nodes away from `left`; false if they are more.
    fn fits(&self, left: &mut usize) -> bool {
        let mut take = |count: usize| match left.checked_sub(count) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        };
        match self {
            Child::Leaf(_) | Child::Any(_) => take(1),
            Child::LeafList(values) => take(values.len()),
            Child::Container(inner) => take(1) && inner.iter().all(|(_, child)| child.fits(left)),
            Child::List(list) => list.iter().all(|entry| Child::Container(entry).fits(left)),
        }
    }
}

impl Child {
    /// The same with each anydata and anyxml in it changed.
    pub fn with_any(&self, change: &dyn Fn(&AnyData) -> AnyData) -> Child {
        let in_entry = |entry: &Arc<Container>| Arc::new(entry.with_any(change));
        match self {
            Child::Any(any) => Child::Any(change(any)),
            Child::Container(inner) => Child::Container(in_entry(inner)),
            Child::List(List::Sequence(entries)) => {
                Child::List(List::Sequence(Box::new(entries.iter().map(in_entry).collect())))
            }
            Child::List(List::Sorted(map)) => Child::List(List::Sorted(
                map.iter().map(|(key, entry)| (key.clone(), in_entry(entry))).collect(),
            )),
            Child::List(List::User(user)) => {
                let mut user = user.clone();
                user.for_each_mut(|entry| *entry = in_entry(entry));
                Child::List(List::User(user))
            }
            Child::Leaf(_) | Child::LeafList(_) | Child::List(List::State(_)) => self.clone(),
        }
    }
}

impl Container {
    /// As [`Child::with_any`].
    fn with_any(&self, change: &dyn Fn(&AnyData) -> AnyData) -> Container {
        let mut changed = self.clone();
        changed.for_each_mut(|child| *child = child.with_any(change));
        changed
    }
}

impl List {
    /// An empty list that suits the schema node.
    pub fn empty(node: &Node) -> Self {
        match node.kind {
            Kind::List { keys, .. } if keys.is_empty() || !node.config => List::Sequence(Box::default()),
            Kind::List { entries, .. } if entries.user_ordered => List::User(Box::default()),
            _ => List::Sorted(OrdMap::new()),
        }
    }

    /// The entry with this key. A sequence is searched from the front.
    pub fn get(&self, list: &Node, key: &Key) -> Option<Arc<Container>> {
        match self {
            List::Sorted(map) => map.get(key).cloned(),
            List::User(user) => user.entries.get(key).map(|(_, entry)| entry.clone()),
            List::Sequence(entries) => entries.iter().find(|e| e.key(list).as_ref() == Some(key)).cloned(),
            List::State(state) => state.get(key),
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match self {
            List::Sorted(map) => map.len(),
            List::User(user) => user.entries.len(),
            List::Sequence(entries) => entries.len(),
            List::State(state) => state.len(),
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        match self {
            // Its length can cost as much as building it.
            List::State(state) => state.is_empty(),
            list => list.len() == 0,
        }
    }

    /// All entries in order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Arc<Container>> + '_> {
        match self {
            List::Sorted(map) => Box::new(map.values().cloned()),
            List::User(user) => Box::new(user.iter().map(|(_, entry)| entry.clone())),
            List::Sequence(entries) => Box::new(entries.iter().cloned()),
            List::State(state) => {
                Box::new(StateEntries::new(state.as_ref(), None, false).map(|(_, entry)| entry))
            }
        }
    }

    /// The entries from that with the key `from` on, which has to be there, or all of them; backwards if that is
    /// wanted. Beginning anywhere costs no more than the logarithm of the length, but in a sequence.
    pub fn walk<'a>(
        &'a self,
        list: &'a Node,
        from: Option<&Key>,
        backwards: bool,
    ) -> Box<dyn Iterator<Item = (Option<Key>, Arc<Container>)> + 'a> {
        let start = from.map_or(Bound::Unbounded, Bound::Included);
        let range = if backwards { (Bound::Unbounded, start) } else { (start, Bound::Unbounded) };
        match self {
            List::Sorted(map) => {
                let entries = map.range::<(Bound<&Key>, Bound<&Key>), Key>(range);
                either_way(entries.map(|(key, entry)| (Some(key.clone()), entry.clone())), backwards)
            }
            List::User(user) => {
                let start = from.and_then(|key| user.rank(key)).map_or(Bound::Unbounded, Bound::Included);
                let range = if backwards { (Bound::Unbounded, start) } else { (start, Bound::Unbounded) };
                let entries = user.order.range(range);
                let entry = |(_, key): (&u64, &Key)| Some((Some(key.clone()), user.get(key)?.clone()));
                either_way(entries.filter_map(entry), backwards)
            }
            List::Sequence(entries) => {
                let place =
                    from.and_then(|from| entries.iter().position(|e| e.key(list).as_ref() == Some(from)));
                let (skipped, wanted) = match (place, backwards) {
                    (Some(place), true) => (0, place + 1),
                    (place, _) => (place.unwrap_or(0), entries.len()),
                };
                let wanted = entries.iter().skip(skipped).take(wanted.saturating_sub(skipped));
                either_way(wanted.map(|entry| (entry.key(list), entry.clone())), backwards)
            }
            List::State(state) => {
                let first = from.and_then(|key| Some((key.clone(), state.get(key)?)));
                let rest = StateEntries::new(state.as_ref(), from.cloned(), backwards);
                Box::new(first.into_iter().chain(rest).map(|(key, entry)| (Some(key), entry)))
            }
        }
    }

    /// The first entry of a list ordered by key that follows `key`, or the first of all; none for
    /// a list in another order.
    pub fn next(&self, key: Option<&Key>) -> Option<(Key, Arc<Container>)> {
        match self {
            List::Sorted(map) => {
                let start = key.map_or(Bound::Unbounded, Bound::Excluded);
                let mut following = map.range::<(Bound<&Key>, Bound<&Key>), Key>((start, Bound::Unbounded));
                following.next().map(|(key, entry)| (key.clone(), entry.clone()))
            }
            List::State(state) => state.after(key, 1).pop(),
            List::User(_) | List::Sequence(_) => None,
        }
    }

    /// The last entry of a list ordered by key that comes before `key`, or the last of all; none for a list
    /// in another order.
    pub fn previous(&self, key: Option<&Key>) -> Option<(Key, Arc<Container>)> {
        match self {
            List::Sorted(map) => {
                let end = key.map_or(Bound::Unbounded, Bound::Excluded);
                let mut preceding = map.range::<(Bound<&Key>, Bound<&Key>), Key>((Bound::Unbounded, end));
                preceding.next_back().map(|(key, entry)| (key.clone(), entry.clone()))
            }
            List::State(state) => state.before(key, 1).pop(),
            List::User(_) | List::Sequence(_) => None,
        }
    }

    /// Puts an entry, in place of the one with the same key; a new one goes to the end where
    /// the order is not by key. A state list is left alone.
    pub fn put(&mut self, node: &Node, key: Option<Key>, entry: Arc<Container>) {
        match (self, key) {
            (List::Sorted(map), Some(key)) => {
                map.insert(key, entry);
            }
            (List::User(user), Some(key)) => user.put(key, entry),
            (List::Sequence(entries), key) => {
                let same = key.and_then(|k| entries.iter().position(|e| e.key(node).as_ref() == Some(&k)));
                match same {
                    Some(i) => {
                        entries.set(i, entry);
                    }
                    None => entries.push_back(entry),
                }
            }
            (List::Sorted(_) | List::User(_), None) | (List::State(_), _) => {}
        }
    }

    /// Removes the entry with this key.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Container>> {
        match self {
            List::Sorted(map) => map.remove(key),
            List::User(user) => user.remove(key),
            List::Sequence(_) | List::State(_) => None,
        }
    }
}

impl PartialEq for Container {
    /// Same content; revisions do not count.
    fn eq(&self, other: &Self) -> bool {
        self.children == other.children
    }
}
impl Eq for Container {}

impl PartialEq for Child {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Child::Leaf(a), Child::Leaf(b)) => a == b,
            (Child::LeafList(a), Child::LeafList(b)) => a == b,
            (Child::Container(a), Child::Container(b)) => a == b,
            (Child::List(a), Child::List(b)) => a == b,
            (Child::Any(a), Child::Any(b)) => a == b,
            _ => false,
        }
    }
}
impl Eq for Child {}

impl PartialEq for List {
    /// Same entries in the same order.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (List::Sorted(a), List::Sorted(b)) if a.ptr_eq(b) => true,
            _ => self.len() == other.len() && self.iter().eq(other.iter()),
        }
    }
}
impl Eq for List {}

/// Pages through a state list, so that no more than a page is ever built at once.
struct StateEntries<'a> {
    list: &'a dyn StateList,
    page: std::vec::IntoIter<(Key, Arc<Container>)>,
    last: Option<Key>,
    backwards: bool,
}

impl<'a> StateEntries<'a> {
    /// The entries on the other side of `last`.
    fn new(list: &'a dyn StateList, last: Option<Key>, backwards: bool) -> Self {
        StateEntries { list, page: Vec::new().into_iter(), last, backwards }
    }
}

/// The items, or the same backwards.
fn either_way<'a, T>(
    items: impl DoubleEndedIterator<Item = T> + 'a,
    backwards: bool,
) -> Box<dyn Iterator<Item = T> + 'a> {
    if backwards { Box::new(items.rev()) } else { Box::new(items) }
}

impl Iterator for StateEntries<'_> {
    type Item = (Key, Arc<Container>);

    fn next(&mut self) -> Option<Self::Item> {
        const PAGE: usize = 64;
        let (key, entry) = match self.page.next() {
            Some(next) => next,
            None => {
                let last = self.last.as_ref();
                let page =
                    if self.backwards { self.list.before(last, PAGE) } else { self.list.after(last, PAGE) };
                self.page = page.into_iter();
                self.page.next()?
            }
        };
        self.last = Some(key.clone());
        Some((key, entry))
    }
}

/// Entries in the user's order: a map by key and one by rank, so that an insertion anywhere
/// costs the logarithm of the length.
#[derive(Debug, Clone, Default)]
pub struct UserList {
    entries: OrdMap<Key, (u64, Arc<Container>)>,
    order: OrdMap<u64, Key>,
}

/// Where an entry of a user-ordered list goes (RFC 7950 section 7.8.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insert {
    /// Before all others.
    First,
    /// After all others.
    Last,
    /// Before the entry with this key.
    Before(Key),
    /// After the entry with this key.
    After(Key),
}

impl UserList {
    /// Distance of ranks at the end, so that many insertions fit between two neighbours.
    const GAP: u64 = 1 << 32;

    /// The entry with this key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Container>> {
        self.entries.get(key).map(|(_, entry)| entry)
    }

    /// A number that is greater for later entries, until the next edit.
    pub fn rank(&self, key: &Key) -> Option<u64> {
        self.entries.get(key).map(|(rank, _)| *rank)
    }

    /// All entries in the user's order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Container>)> {
        self.order.values().filter_map(|key| self.entries.get(key).map(|(_, entry)| (key, entry)))
    }

    /// Changes every entry in place.
    pub fn for_each_mut(&mut self, mut change: impl FnMut(&mut Arc<Container>)) {
        // One by one: the map has no mutable iteration, and taking it apart would share each entry once more.
        let keys: Vec<Key> = self.order.values().cloned().collect();
        for key in keys {
            if let Some((_, entry)) = self.entries.get_mut(&key) {
                change(entry);
            }
        }
    }

    /// Puts an entry where the one with the same key is, or at the end.
    pub fn put(&mut self, key: Key, entry: Arc<Container>) {
        match self.entries.get(&key).map(|(rank, _)| *rank) {
            Some(rank) => {
                self.entries.insert(key, (rank, entry));
            }
            None => {
                self.insert(key, entry, &Insert::Last);
            }
        }
    }

    /// Puts or moves an entry to a place. False, and nothing changed, if the entry that the
    /// place is relative to does not exist.
    pub fn insert(&mut self, key: Key, entry: Arc<Container>, place: &Insert) -> bool {
        let relative = match place {
            Insert::Before(other) | Insert::After(other) => match self.entries.get(other) {
                // Beside itself is where it is.
                Some(_) if *other == key => {
                    self.put(key, entry);
                    return true;
                }
                Some((rank, _)) => Some(*rank),
                None => return false,
            },
            Insert::First | Insert::Last => None,
        };
        self.remove(&key);
        let (low, high) = match (place, relative) {
            (Insert::Before(_), Some(rank)) => {
                (self.order.range(..rank).next_back().map(|e| *e.0), Some(rank))
            }
            (Insert::After(_), Some(rank)) => (Some(rank), self.order.range(rank + 1..).next().map(|e| *e.0)),
            (Insert::First, _) => (None, self.order.get_min().map(|e| e.0)),
            _ => (self.order.get_max().map(|e| e.0), None),
        };
        let Some(rank) = Self::between(low, high) else {
            return self.renumber_and_insert(key, entry, place);
        };
        self.order.insert(rank, key.clone());
        self.entries.insert(key, (rank, entry));
        true
    }

    /// Removes the entry with this key.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Container>> {
        let (rank, entry) = self.entries.remove(key)?;
        self.order.remove(&rank);
        Some(entry)
    }

    fn between(low: Option<u64>, high: Option<u64>) -> Option<u64> {
        match (low, high) {
            (None, None) => Some(1 << 62),
            (Some(low), None) => low.checked_add(Self::GAP),
            (None, Some(high)) => {
                (high > 0).then(|| high.saturating_sub(Self::GAP).max(high / 2)).filter(|r| *r < high)
            }
            (Some(low), Some(high)) => (high - low > 1).then(|| low + (high - low) / 2),
        }
    }

    /// Spreads the ranks evenly again: rare, after about 2^32 insertions at one place.
    fn renumber_and_insert(&mut self, key: Key, entry: Arc<Container>, place: &Insert) -> bool {
        let ordered: Vec<(Key, Arc<Container>)> = self.iter().map(|(k, e)| (k.clone(), e.clone())).collect();
        *self = UserList::default();
        for (rank, (key, entry)) in ordered.into_iter().enumerate() {
            let rank = (rank as u64 + 1) * Self::GAP;
            self.order.insert(rank, key.clone());
            self.entries.insert(key, (rank, entry));
        }
        self.insert(key, entry, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry, and a length that nobody may ask for.
    #[derive(Debug)]
    struct Endless;

    impl StateList for Endless {
        fn get(&self, _: &Key) -> Option<Arc<Container>> {
            Some(Arc::default())
        }

        fn after(&self, _: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
            vec![(Key::string("a"), Arc::default()); count]
        }

        fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
            self.after(key, count)
        }

        fn len(&self) -> usize {
            panic!("counting the entries costs as much as making them all")
        }

        fn is_empty(&self) -> bool {
            false
        }
    }

    #[test]
    fn whether_a_state_list_has_entries_is_known_without_counting_them() {
        assert!(!List::State(Arc::new(Endless)).is_empty());
    }

    #[test]
    fn a_leaf_takes_no_room_for_what_a_list_needs() {
        assert!(size_of::<Child>() <= 32, "a million leaves are held in as many of these");
    }
}
