//! Pages of lists and leaf-lists (draft-ietf-netconf-list-pagination): which entries a reader gets, in which
//! order, and what it is told of those it does not get.
//!
//! A page that begins at a cursor costs what its entries cost and the logarithm of the length of the list.
//! `offset` walks past what it skips, and `where` and `sort-by` look at every entry; all three have limits.
//! Nothing here decides who may see what: what is paged is what the principal sees.

use std::cell::Cell;
use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use imbl::Vector;

use crate::datastore::defaults::{locate, same_instance};
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::metadata::{
    Annotation, LOCALE, Metadata, NEXT, Note, PREVIOUS, REMAINING, REMAINING_UNKNOWN, Written,
};
use crate::yang::path::InstancePath;
use crate::yang::resource;
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, Key, List};
use crate::yang::value::Value;
use crate::yang::xpath::{self, Cursor, EvalError, Expr, Slot};

/// What a reader wants of a list or leaf-list: the grouping `pagination-parameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paging {
    /// `where`, an XPath expression that is evaluated at each entry; `None` for `unfiltered`.
    pub filter: Option<String>,
    /// `sort-by`, a descendant schema node identifier; `None` for `none`.
    pub sort_by: Option<String>,
    /// `locale`.
    pub locale: Option<String>,
    /// Whether `direction` is `backwards`.
    pub backwards: bool,
    /// `cursor`; an empty one stands for the first page.
    pub cursor: Option<String>,
    /// `offset`.
    pub offset: Option<u32>,
    /// `limit`; `None` for `unbounded`.
    pub limit: Option<u32>,
    /// `sublist-limit`; `None` for `unbounded`.
    pub sublist_limit: Option<u32>,
}

impl Paging {
    /// Whether entries have to be looked at that are not shown.
    pub(super) fn is_costly(&self) -> bool {
        const OFFSET: u32 = 1000;
        self.filter.is_some() || self.sort_by.is_some() || self.offset.is_some_and(|offset| offset > OFFSET)
    }

    /// Whether it can be of a list without entries.
    ///
    /// # Errors
    /// As for any list that has not what is named.
    pub(super) fn of_nothing(&self) -> Result<(), Error> {
        match (self.offset.unwrap_or(0), self.cursor.as_deref()) {
            (0, None | Some("")) => Ok(()),
            (0, Some(_)) => Err(no_such_cursor()),
            (offset, _) => Err(beyond(size(offset))),
        }
    }

    /// Whether the list as a whole is wanted as it is.
    fn is_whole(&self) -> bool {
        *self == Paging { sublist_limit: self.sublist_limit, ..Paging::default() }
    }
}

/// The app-tag of an offset beyond the end.
pub const OFFSET_OUT_OF_RANGE: &str = "ietf-list-pagination:offset-out-of-range";
/// The app-tag of a cursor that stands for no entry.
pub const CURSOR_NOT_FOUND: &str = "ietf-list-pagination:cursor-not-found";
/// The app-tag of a locale that is not known.
pub const LOCALE_UNAVAILABLE: &str = "ietf-list-pagination:locale-unavailable";

/// Most entries behind a page that are looked at to count them.
const COUNTED_MAX: usize = 1000;

/// What is paged.
pub(super) struct Paged<'a> {
    pub paging: &'a Paging,
    pub limits: &'a Limits,
    /// How many steps the evaluations of `where` may take together.
    pub steps: u64,
    /// Where the list is.
    pub path: &'a InstancePath,
    /// All that the principal may see, for `where`.
    pub whole: &'a dyn Fn() -> Arc<Container>,
}

impl Paged<'_> {
    /// The page of all instances of a list or leaf-list, and what is told of its first entry.
    ///
    /// # Errors
    /// `invalid-value` if a parameter does not fit the list or its entries; `operation-not-supported` for a
    /// cursor where entries have no keys; `resource-denied` if it would cost more than the limits allow.
    pub fn page(&self, node: &'static Node, child: Child) -> Result<(Child, Vec<Note>), Error> {
        let sorting = self.sorting(node)?;
        if self.paging.is_whole() {
            return Ok((child, Vec::new()));
        }
        let filter = self.paging.filter.as_deref().map(|text| self.filter(text)).transpose()?;
        let cost = Cost { entries: Cell::new(self.limits.page_entries_max), steps: Cell::new(self.steps) };
        let scan = Scan { filter, cost: &cost, node };
        let (child, mut notes) = match child {
            Child::List(list) => {
                let (entries, notes) = self.of_list(node, &list, sorting.as_deref(), &scan)?;
                let entries: Vector<_> = entries.into_iter().map(|item| item.entry).collect();
                (Child::List(List::Sequence(Box::new(entries))), notes)
            }
            Child::LeafList(values) => {
                let (values, notes) = self.of_leaf_list(&values, sorting.is_some(), &scan)?;
                (Child::LeafList(Arc::new(values)), notes)
            }
            other => (other, Vec::new()),
        };
        if self.paging.sort_by.is_some() {
            notes.push(text_note(&LOCALE, "C"));
        }
        Ok((child, notes))
    }

    fn of_list(
        &self,
        node: &'static Node,
        list: &List,
        sorting: Option<&[&'static Node]>,
        scan: &Scan,
    ) -> Result<(Vec<Item>, Vec<Note>), Error> {
        let cursor = match self.paging.cursor.as_deref() {
            None | Some("") => None,
            Some(_) if node.keys().is_empty() => return Err(self.without_cursors()),
            Some(text) => Some(key_of(self.path, text).ok_or_else(no_such_cursor)?),
        };
        if cursor.as_ref().is_some_and(|key| list.get(node, key).is_none()) {
            return Err(no_such_cursor());
        }
        let backwards = self.paging.backwards;
        let item = |(key, entry)| Item { key, entry };
        // In the order of its only key a list is already.
        let by_key = matches!((sorting, node.keys()), (Some([by]), [key]) if by == key)
            && matches!(list, List::Sorted(_) | List::State(_));
        let part = match sorting.filter(|_| !by_key) {
            None => {
                let items = |from: Option<&Key>, backwards| list.walk(node, from, backwards).map(item);
                let is_counted = scan.filter.is_none() && !matches!(list, List::State(_)) && cursor.is_none();
                let length = is_counted.then(|| list.len());
                let part = self.part(items(cursor.as_ref(), backwards).peekable(), length, scan)?;
                let first = part.first.as_ref().and_then(|first| first.key.as_ref());
                let previous = match (first, self.paging.limit) {
                    (Some(first), Some(limit)) if self.paging.offset.is_none() => {
                        let before = items(Some(first), !backwards).skip(1).take(COUNTED_MAX);
                        scan.kept(before).take(size(limit)).last().and_then(Result::ok)
                    }
                    _ => None,
                };
                Part { previous, ..part }
            }
            Some(sorting) => {
                let mut all = scan.all(list.walk(node, None, false).map(item))?;
                all.sort_by(|a, b| missing_last(value_at(&a.entry, sorting), value_at(&b.entry, sorting)));
                if backwards {
                    all.reverse();
                }
                let place = cursor.map(|key| all.iter().position(|item| item.key.as_ref() == Some(&key)));
                let place = place.map(|place| place.ok_or_else(no_such_cursor)).transpose()?;
                let before = place.unwrap_or(0).checked_sub(size(self.paging.limit.unwrap_or(u32::MAX)));
                let previous = match (place, before) {
                    (None | Some(0), _) => None,
                    (Some(_), before) => all.get(before.unwrap_or(0)).cloned(),
                };
                let length = all.len() - place.unwrap_or(0);
                let wanted = all.into_iter().skip(place.unwrap_or(0)).peekable();
                Part { previous, ..self.part(wanted, Some(length), &scan.done())? }
            }
        };
        let mut notes: Vec<Note> = part.remaining.into_iter().collect();
        // A client that counts in offsets does not go on with cursors.
        let goes_on = self.paging.limit.is_some() && self.paging.offset.is_none() && !node.keys().is_empty();
        if goes_on && (part.next.is_some() || part.previous.is_some()) {
            let cursor =
                |item: &Option<Item>| item.as_ref().and_then(|item| cursor_of(node, item.key.as_ref()?));
            notes.push(text_note(&NEXT, &cursor(&part.next).unwrap_or_default()));
            notes.push(text_note(&PREVIOUS, &cursor(&part.previous).unwrap_or_default()));
        }
        Ok((part.entries, notes))
    }

    fn of_leaf_list(
        &self,
        values: &[Value],
        sorted: bool,
        scan: &Scan,
    ) -> Result<(Vec<Value>, Vec<Note>), Error> {
        if self.paging.cursor.as_deref().is_some_and(|cursor| !cursor.is_empty()) {
            return Err(self.without_cursors());
        }
        let mut all =
            scan.all(values.iter().cloned().enumerate().map(|(place, value)| Valued { place, value }))?;
        if sorted {
            all.sort_by(|a, b| a.value.cmp(&b.value));
        }
        if self.paging.backwards {
            all.reverse();
        }
        let length = all.len();
        let part = self.part(all.into_iter().peekable(), Some(length), &scan.done())?;
        Ok((part.entries.into_iter().map(|item| item.value).collect(), part.remaining.into_iter().collect()))
    }

    /// What `offset` and `limit` leave of the items. `length` is their number, if it is known.
    fn part<T: Tested + Clone>(
        &self,
        items: Peekable<impl Iterator<Item = T>>,
        length: Option<usize>,
        scan: &Scan,
    ) -> Result<Part<T>, Error> {
        let offset = size(self.paging.offset.unwrap_or(0));
        let beyond = || beyond(offset);
        if length.is_some_and(|length| offset > length) {
            return Err(beyond());
        }
        if offset > self.limits.page_offset_max {
            let message =
                format!("at most {} entries can be skipped: use a cursor", self.limits.page_offset_max);
            return Err(Error::application(Tag::ResourceDenied, message));
        }
        let mut items = items;
        for _ in 0..offset {
            scan.next(&mut items, false)?.ok_or_else(beyond)?;
        }
        let limit = self.paging.limit.map_or(usize::MAX, size);
        let mut entries = Vec::new();
        while entries.len() < limit {
            let Some(item) = scan.next(&mut items, true)? else { break };
            entries.push(item);
        }
        let next = if entries.len() < limit { None } else { scan.next(&mut items, false)? };
        let remaining = match (&next, length) {
            (None, _) => None,
            (Some(_), Some(length)) => Some(remaining(length - offset - entries.len())),
            (Some(_), None) => {
                let counted =
                    scan.kept(items.by_ref().take(COUNTED_MAX)).try_fold(1, |n, kept| kept.map(|_| n + 1));
                let is_end = items.peek().is_none();
                Some(counted.ok().filter(|_| is_end).map_or_else(remaining_unknown, remaining))
            }
        };
        Ok(Part { first: entries.first().cloned(), entries, next, previous: None, remaining })
    }

    /// The nodes from an entry down to the one that `sort-by` names; for a leaf-list, none.
    fn sorting(&self, node: &'static Node) -> Result<Option<Vec<&'static Node>>, Error> {
        let Paging { sort_by, locale, .. } = self.paging;
        let invalid = |message: String| Error::application(Tag::InvalidValue, message);
        let Some(text) = sort_by else {
            return match locale {
                Some(_) => Err(invalid("\"locale\" needs \"sort-by\"".into())),
                None => Ok(None),
            };
        };
        // Texts are compared by their characters' code points.
        let known = |locale: &String| matches!(locale.trim_end_matches(".UTF-8"), "C" | "POSIX");
        if locale.as_ref().is_some_and(|locale| !known(locale)) {
            let message = "the only locale is \"C\"".to_owned();
            return Err(invalid(message).app_tag(LOCALE_UNAVAILABLE));
        }
        let unknown = |name: &str| invalid(format!("\"sort-by\": there is no leaf \"{name}\" in each entry"));
        let named = |at: &Node, name: &str, nodes: &[&'static Node]| {
            let (module, local) = resource::identifier(name)?;
            let module = module.unwrap_or(at.module.name);
            let same = |node: &&&'static Node| node.name == local && node.module.name == module;
            nodes.iter().find(same).copied()
        };
        if matches!(node.kind, Kind::LeafList { .. }) {
            return named(node, text, &[node]).map(|_| Some(Vec::new())).ok_or_else(|| unknown(text));
        }
        let mut nodes: Vec<&'static Node> = Vec::new();
        for name in text.split('/') {
            let at = nodes.last().copied().unwrap_or(node);
            let descends = nodes.is_empty() || matches!(at.kind, Kind::Container { .. });
            let next = named(at, name, at.data).filter(|_| descends);
            nodes.push(next.ok_or_else(|| unknown(name))?);
        }
        match nodes.last().map(|last| &last.kind) {
            Some(Kind::Leaf { .. }) => Ok(Some(nodes)),
            _ => Err(unknown(text)),
        }
    }

    /// `where`: prefixes are names of modules, and a name without one is that of a node of any module.
    fn filter(&self, text: &str) -> Result<(Expr, Cursor), Error> {
        let module = |prefix: Option<&str>| Some(SCHEMA.module(prefix?)?.name.to_owned());
        let invalid = |e: &dyn std::fmt::Display| {
            Error::application(Tag::InvalidValue, format!("\"where\" is no valid expression: {e}"))
        };
        let expr = xpath::parse(text, &module).map_err(|e| invalid(&e))?;
        let above = self.path.steps.split_last().map_or(&[][..], |(_, above)| above);
        let above = InstancePath { steps: above.to_vec() };
        let at = locate(&SCHEMA, &(self.whole)(), &above);
        Ok((expr, at.ok_or_else(|| invalid(&"it is not known where the list is"))?))
    }

    fn without_cursors(&self) -> Error {
        let message = "entries without keys have no cursors: use \"offset\"";
        Error::application(Tag::OperationNotSupported, message)
    }
}

fn no_such_cursor() -> Error {
    let message = "the cursor stands for no entry of this list, or for one that is gone";
    Error::application(Tag::InvalidValue, message).app_tag(CURSOR_NOT_FOUND)
}

fn beyond(offset: usize) -> Error {
    let message = format!("there are fewer than {offset} entries to skip");
    Error::application(Tag::InvalidValue, message).app_tag(OFFSET_OUT_OF_RANGE)
}

/// An entry of a list with its key.
#[derive(Clone)]
struct Item {
    key: Option<Key>,
    entry: Arc<Container>,
}

/// A value of a leaf-list, and where it stands.
#[derive(Clone)]
struct Valued {
    place: usize,
    value: Value,
}

/// What `where` can be evaluated at.
trait Tested {
    fn cursor(&self, above: &Cursor, node: &'static Node) -> Cursor;
}

impl Tested for Item {
    fn cursor(&self, above: &Cursor, node: &'static Node) -> Cursor {
        let slot = self.key.clone().filter(|key| !key.values().is_empty()).map_or(Slot::Only, Slot::Key);
        above.entry(node, slot, self.entry.clone())
    }
}

impl Tested for Valued {
    fn cursor(&self, above: &Cursor, node: &'static Node) -> Cursor {
        above.leaf_list_entry(node, self.place, self.value.clone())
    }
}

/// A part of all items, and what is around it.
struct Part<T> {
    entries: Vec<T>,
    first: Option<T>,
    /// The first of the next page.
    next: Option<T>,
    /// The first of the page before.
    previous: Option<T>,
    remaining: Option<Note>,
}

/// What a page may still cost.
struct Cost {
    entries: Cell<usize>,
    steps: Cell<u64>,
}

/// Looks at items.
struct Scan<'a> {
    /// `where`, and the place that the list is in.
    filter: Option<(Expr, Cursor)>,
    cost: &'a Cost,
    node: &'static Node,
}

impl Scan<'_> {
    fn keeps(&self, item: &impl Tested) -> Result<bool, Error> {
        let Some((expr, above)) = &self.filter else { return Ok(true) };
        let cursor = item.cursor(above, self.node);
        xpath::holds_within(expr, &cursor, &self.cost.steps).map_err(|e| match e {
            EvalError::TooManySteps => {
                let message = "\"where\" takes too long: it has to be simpler, or begin at a cursor";
                Error::application(Tag::ResourceDenied, message)
            }
            e => Error::application(Tag::InvalidValue, format!("\"where\": {e}")),
        })
    }

    /// The same for items that `where` has kept already.
    fn done(&self) -> Self {
        Scan { filter: None, cost: self.cost, node: self.node }
    }

    /// The items that `where` keeps.
    fn kept<'s, T: Tested>(
        &'s self,
        items: impl Iterator<Item = T> + 's,
    ) -> impl Iterator<Item = Result<T, Error>> + 's {
        items.filter_map(|item| self.keeps(&item).map(|keeps| keeps.then_some(item)).transpose())
    }

    /// The next item that `where` keeps. It counts if it was looked at closely or `is_shown`.
    fn next<T: Tested>(
        &self,
        items: &mut impl Iterator<Item = T>,
        is_shown: bool,
    ) -> Result<Option<T>, Error> {
        for item in items {
            if is_shown || self.filter.is_some() {
                self.count()?;
            }
            if self.keeps(&item)? {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    fn all<T: Tested>(&self, items: impl Iterator<Item = T>) -> Result<Vec<T>, Error> {
        let mut items = items;
        let mut all = Vec::new();
        while let Some(item) = self.next(&mut items, true)? {
            all.push(item);
        }
        // They are shown out of these, and count once.
        self.cost.entries.set(self.cost.entries.get().saturating_add(all.len()));
        Ok(all)
    }

    fn count(&self) -> Result<(), Error> {
        let left = self.cost.entries.get().checked_sub(1).ok_or_else(|| {
            let message =
                "the page takes more entries than may be looked at: ask for fewer, or begin at a cursor";
            Error::application(Tag::ResourceDenied, message)
        })?;
        self.cost.entries.set(left);
        Ok(())
    }
}

/// The value that an entry has at a place below it.
fn value_at<'e>(entry: &'e Container, nodes: &[&'static Node]) -> Option<&'e Value> {
    let (leaf, above) = nodes.split_last()?;
    above.iter().try_fold(entry, |at, node| at.container(node).map(Arc::as_ref))?.leaf(leaf)
}

fn missing_last(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    a.is_none().cmp(&b.is_none()).then_with(|| a.cmp(&b))
}

/// The cursor of an entry: its keys as in the URL of the entry, in base64url.
fn cursor_of(node: &'static Node, key: &Key) -> Option<String> {
    let has_all = key.values().len() == node.keys().len();
    has_all.then(|| URL_SAFE_NO_PAD.encode(resource::format_values(key.values())))
}

/// The key that a cursor of the list at `path` stands for.
fn key_of(path: &InstancePath, cursor: &str) -> Option<Key> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    resource::parse_key(path.node()?, &text, &SCHEMA)
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn remaining(count: usize) -> Note {
    Note { annotation: &REMAINING, value: Value::Uint32(u32::try_from(count).unwrap_or(u32::MAX)) }
}

fn remaining_unknown() -> Note {
    Note { annotation: &REMAINING, value: Value::Enum(&REMAINING_UNKNOWN) }
}

fn text_note(annotation: &'static Annotation, text: &str) -> Note {
    Note { annotation, value: Value::string(text) }
}

/// Tells of the first entry of a page.
#[derive(Debug)]
pub(super) struct OfPage {
    notes: Vec<Note>,
    told: Cell<bool>,
}

impl OfPage {
    pub fn new(notes: Vec<Note>) -> Self {
        OfPage { notes, told: Cell::new(false) }
    }
}

impl Metadata for OfPage {
    fn of(&self, _: &'static Node, _: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        let notes = if self.told.replace(true) { Vec::new() } else { self.notes.clone() };
        (notes, None)
    }
}

/// Tells how many entries `sublist-limit` leaves out of the lists and leaf-lists in something.
#[derive(Debug)]
pub(super) struct OfSublists {
    /// What is around what is told of, before anything was left out.
    around: Arc<Container>,
    limit: usize,
    /// Whether lists right here are cut too: not the target itself.
    is_below: bool,
    /// The node that was told of last.
    told: Cell<Option<&'static Node>>,
}

impl OfSublists {
    /// Of the instance or instances of a node, or of a whole datastore.
    pub fn new(node: Option<&'static Node>, child: &Child, limit: u32) -> Self {
        let around = match (node, child) {
            (None, Child::Container(root)) => root.clone(),
            (node, child) => {
                let mut around = Container::default();
                if let Some(node) = node {
                    around.set(node, child.clone());
                }
                Arc::new(around)
            }
        };
        OfSublists { around, limit: size(limit), is_below: node.is_none(), told: Cell::default() }
    }
}

impl Metadata for OfSublists {
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        let Some(child) = self.around.get(node) else { return (Vec::new(), None) };
        let is_first = self.told.replace(Some(node)) != Some(node);
        let left_out = match child {
            Child::List(List::State(state)) => {
                let all = List::State(state.clone());
                let counted = all.iter().skip(self.limit).take(COUNTED_MAX + 1).count();
                if counted > COUNTED_MAX { None } else { Some(counted) }
            }
            Child::List(list) => Some(list.len().saturating_sub(self.limit)),
            Child::LeafList(values) => Some(values.len().saturating_sub(self.limit)),
            _ => Some(0),
        };
        let note = match left_out {
            _ if !is_first || !self.is_below => None,
            Some(0) => None,
            Some(count) => Some(remaining(count)),
            None => Some(remaining_unknown()),
        };
        let below = match instance {
            Written::Content(content, position) => same_instance(child, node, content, position),
            Written::Value(_) | Written::Any => None,
        };
        let (limit, told) = (self.limit, Cell::default());
        let below = below.map(|around| OfSublists { around, limit, is_below: true, told });
        (note.into_iter().collect(), below.map(|below| Box::new(below) as Box<dyn Metadata>))
    }
}

/// What `sublist-limit` leaves of an instance, of whose lists and leaf-lists below it the first entries are kept.
///
/// # Errors
/// `resource-denied` if even that is more than a page may have.
pub(super) fn cut(child: &Child, limit: u32, limits: &Limits) -> Result<Child, Error> {
    let mut left = limits.page_entries_max;
    match child {
        // The target itself is not cut.
        Child::List(list) => cut_list(list, usize::MAX, size(limit), &mut left),
        Child::Container(content) => {
            Ok(Child::Container(Arc::new(cut_container(content, size(limit), &mut left)?)))
        }
        other => Ok(other.clone()),
    }
}

fn cut_list(list: &List, take: usize, limit: usize, left: &mut usize) -> Result<Child, Error> {
    let mut kept = Vector::new();
    for entry in list.iter().take(take) {
        *left = left.checked_sub(1).ok_or_else(|| {
            let message = "there are too many entries in entries: ask for fewer";
            Error::application(Tag::ResourceDenied, message)
        })?;
        kept.push_back(Arc::new(cut_container(&entry, limit, left)?));
    }
    Ok(Child::List(List::Sequence(Box::new(kept))))
}

fn cut_container(content: &Container, limit: usize, left: &mut usize) -> Result<Container, Error> {
    let mut kept = Container::default().at_revision(content.revision);
    for (node, child) in content.iter() {
        let child = match child {
            Child::List(list) => cut_list(list, limit, limit, left)?,
            Child::LeafList(values) => {
                Child::LeafList(Arc::new(values.iter().take(limit).cloned().collect()))
            }
            Child::Container(inner) => Child::Container(Arc::new(cut_container(inner, limit, left)?)),
            Child::Leaf(_) | Child::Any(_) => child.clone(),
        };
        kept.set(node, child);
    }
    Ok(kept)
}
