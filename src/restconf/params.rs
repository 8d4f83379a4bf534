//! Query parameters (RFC 8040 section 4.8).
//!
//! Whatever is unknown, repeated, malformed or out of place is refused; nothing is ignored.

use std::borrow::Cow;

use crate::clock::Timestamp;
use crate::datastore::defaults::Mode;
use crate::engine::{Content, Paging};
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::resource::percent_decoded;

/// Where a request may have which parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// GET and HEAD of a data resource.
    Read,
    /// The same in the operational state datastore.
    Operational,
    /// POST and PUT of a data resource.
    Insert,
    /// An event stream.
    Stream,
    /// Any other request, which may have none.
    Nowhere,
}

/// The parameters of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    /// `content`.
    pub content: Content,
    /// `depth`; `None` for `unbounded`.
    pub depth: Option<u16>,
    /// `fields`, decoded but not parsed.
    pub fields: Option<String>,
    /// `with-defaults` (RFC 8040 section 4.8.9).
    pub with_defaults: Option<Mode>,
    /// `with-etag`, as the leaf of this name in `ietf-netconf-txid`.
    pub with_etag: bool,
    /// `with-origin` (RFC 8527 section 3.2.2).
    pub with_origin: bool,
    /// The parameters of draft-ietf-netconf-list-pagination-rc section 3.
    pub paging: Paging,
    /// The first of them that was given and is for lists and leaf-lists alone.
    pub of_lists: Option<&'static str>,
    /// `insert`.
    pub insert: Option<InsertAt>,
    /// `filter`, decoded but not parsed.
    pub filter: Option<String>,
    /// `start-time`.
    pub start_time: Option<Timestamp>,
    /// `stop-time`.
    pub stop_time: Option<Timestamp>,
}

/// `insert` and `point` (RFC 8040 sections 4.8.5 and 4.8.6). A point is decoded once: it is the text of a
/// data resource identifier, whose keys are percent-encoded on their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertAt {
    /// Before all others.
    First,
    /// After all others.
    Last,
    /// Before the point.
    Before(String),
    /// After the point.
    After(String),
}

/// Every parameter that RFC 8040, RFC 8527, list pagination and transaction ids know, where it may stand.
const KNOWN: &[(&str, &[Place])] = &[
    ("content", &READS),
    ("cursor", &READS),
    ("depth", &READS),
    ("direction", &READS),
    ("fields", &READS),
    ("filter", &[Place::Stream]),
    ("insert", &[Place::Insert]),
    ("limit", &READS),
    ("locale", &READS),
    ("offset", &READS),
    ("point", &[Place::Insert]),
    ("start-time", &[Place::Stream]),
    ("sort-by", &READS),
    ("stop-time", &[Place::Stream]),
    ("sublist-limit", &READS),
    ("where", &READS),
    ("with-defaults", &READS),
    ("with-etag", &READS),
    ("with-origin", &[Place::Operational]),
];

const READS: [Place; 2] = [Place::Read, Place::Operational];

/// The parameters that only lists and leaf-lists have. `sublist-limit` is for whatever has some in it
/// (draft-ietf-netconf-list-pagination section 3.2).
pub const OF_LISTS: [&str; 7] = ["cursor", "direction", "limit", "locale", "offset", "sort-by", "where"];

/// Parses the query of a request.
///
/// # Errors
/// `invalid-value` for the first parameter that is wrong, `operation-not-supported` for one of pages in another
/// request than a read.
pub fn parse(query: Option<&str>, place: Place) -> Result<Params, Error> {
    let mut params = Params::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut insert = None;
    let mut point = None;
    for pair in query.unwrap_or_default().split('&').filter(|_| query.is_some_and(|q| !q.is_empty())) {
        if pair.is_empty() {
            return refuse("the query has a \"&\" without a parameter beside it".to_owned());
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decoded(value).map(Cow::into_owned);
        let (Some(name), Some(value)) = (percent_decoded(name), value) else {
            return refuse(format!("\"{pair}\" is not percent-encoded UTF-8"));
        };
        let Some((known, places)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> =
                KNOWN.iter().filter(|(_, p)| p.contains(&place)).map(|(name, _)| *name).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return refuse(format!("there is no query parameter \"{name}\"; this request may have: {names}"));
        };
        if !places.contains(&place) && (OF_LISTS.contains(known) || *known == "sublist-limit") {
            let message = format!("only GET and HEAD of data have the query parameter \"{name}\"");
            return Err(Error::protocol(Tag::OperationNotSupported, message));
        }
        if !places.contains(&place) {
            return refuse(format!("the query parameter \"{name}\" cannot stand in this request"));
        }
        if seen.contains(known) {
            return refuse(format!("the query parameter \"{name}\" stands more than once"));
        }
        seen.push(known);
        if params.of_lists.is_none() {
            params.of_lists = OF_LISTS.into_iter().find(|name| name == known);
        }
        let paging = &mut params.paging;
        match *known {
            "cursor" => paging.cursor = Some(value),
            "direction" => paging.backwards = is_backwards(&value).map_err(of_content)?,
            "limit" => paging.limit = limit(known, &value).map_err(of_content)?,
            "locale" => paging.locale = Some(value),
            "offset" => paging.offset = Some(offset(&value).map_err(of_content)?),
            "sort-by" => paging.sort_by = Some(value).filter(|value| value != "none"),
            "sublist-limit" => paging.sublist_limit = limit(known, &value).map_err(of_content)?,
            "where" => paging.filter = Some(value).filter(|value| value != "unfiltered"),
            "content" => params.content = content(&value)?,
            "depth" => params.depth = depth(&value)?,
            "fields" => params.fields = Some(value),
            "with-defaults" => params.with_defaults = Some(with_defaults(&value)?),
            "with-etag" => params.with_etag = with_etag(&value)?,
            "with-origin" => params.with_origin = with_origin(&value)?,
            "filter" => params.filter = Some(value),
            "insert" => insert = Some(value),
            "point" => point = Some(value),
            "start-time" => params.start_time = Some(time(known, &value)?),
            "stop-time" => params.stop_time = Some(time(known, &value)?),
            _ => {}
        }
    }
    if params.paging.cursor.is_some() && params.paging.offset.is_some() {
        return refuse("\"cursor\" and \"offset\" cannot stand together".into()).map_err(of_content);
    }
    params.insert = insert_at(insert.as_deref(), point)?;
    match (params.start_time, params.stop_time) {
        (None, Some(_)) => refuse("\"stop-time\" needs a \"start-time\"".into()),
        (Some(start), Some(stop)) if stop <= start => {
            refuse("\"stop-time\" has to be later than \"start-time\"".into())
        }
        _ => Ok(params),
    }
}

fn content(value: &str) -> Result<Content, Error> {
    match value {
        "all" => Ok(Content::All),
        "config" => Ok(Content::Config),
        "nonconfig" => Ok(Content::NonConfig),
        _ => wrong("content", value, "all, config or nonconfig"),
    }
}

fn depth(value: &str) -> Result<Option<u16>, Error> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    match (value, value.parse::<u16>()) {
        ("unbounded", _) => Ok(None),
        (_, Ok(depth)) if depth > 0 && digits => Ok(Some(depth)),
        _ => wrong("depth", value, "unbounded or a number from 1 to 65535"),
    }
}

fn with_defaults(value: &str) -> Result<Mode, Error> {
    match value {
        "explicit" => Ok(Mode::Explicit),
        "report-all" => Ok(Mode::ReportAll),
        "report-all-tagged" => Ok(Mode::ReportAllTagged),
        "trim" => Ok(Mode::Trim),
        _ => wrong("with-defaults", value, "explicit, report-all, report-all-tagged or trim"),
    }
}

fn with_etag(value: &str) -> Result<bool, Error> {
    value.parse().or_else(|_| wrong("with-etag", value, "true or false"))
}

fn is_backwards(value: &str) -> Result<bool, Error> {
    match value {
        "forwards" => Ok(false),
        "backwards" => Ok(true),
        _ => wrong("direction", value, "forwards or backwards"),
    }
}

fn limit(name: &str, value: &str) -> Result<Option<u32>, Error> {
    match (value, number(value)) {
        ("unbounded", _) => Ok(None),
        (_, Some(limit)) if limit > 0 => Ok(Some(limit)),
        _ => wrong(name, value, "unbounded or a number from 1 to 4294967295"),
    }
}

fn offset(value: &str) -> Result<u32, Error> {
    number(value).map_or_else(|| wrong("offset", value, "a number from 0 to 4294967295"), Ok)
}

fn number(value: &str) -> Option<u32> {
    value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// What is wrong with a page is so for the application (draft-ietf-netconf-list-pagination-rc section 3).
fn of_content(error: Error) -> Error {
    Error { layer: Layer::Application, ..error }
}

/// It stands for itself (RFC 8527 section 3.2.2).
fn with_origin(value: &str) -> Result<bool, Error> {
    match value {
        "" => Ok(true),
        value => refuse(format!("\"with-origin\" has no value, not \"{value}\"")),
    }
}

fn insert_at(insert: Option<&str>, point: Option<String>) -> Result<Option<InsertAt>, Error> {
    match (insert, point) {
        (None, None) => Ok(None),
        (Some("first"), None) => Ok(Some(InsertAt::First)),
        (Some("last"), None) => Ok(Some(InsertAt::Last)),
        (Some("before"), Some(point)) => Ok(Some(InsertAt::Before(point))),
        (Some("after"), Some(point)) => Ok(Some(InsertAt::After(point))),
        (Some(place @ ("before" | "after")), None) => refuse(format!("\"insert={place}\" needs a \"point\"")),
        (None | Some("first" | "last"), Some(_)) => {
            refuse("\"point\" needs \"insert=before\" or \"insert=after\"".into())
        }
        (Some(other), _) => wrong("insert", other, "first, last, before or after"),
    }
}

fn time(name: &str, value: &str) -> Result<Timestamp, Error> {
    value.parse().or_else(|e| refuse(format!("\"{name}\": {e}")))
}

fn wrong<T>(name: &str, value: &str, allowed: &str) -> Result<T, Error> {
    refuse(format!("\"{name}\" is {allowed}, not \"{value}\""))
}

fn refuse<T>(message: String) -> Result<T, Error> {
    Err(Error::protocol(Tag::InvalidValue, message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_a_query_everything_has_its_default() {
        for query in [None, Some("")] {
            assert_eq!(parse(query, Place::Nowhere), Ok(Params::default()));
        }
    }

    #[test]
    fn parameters_are_read_where_they_may_stand() {
        let read =
            parse(Some("content=nonconfig&depth=3&fields=a%28b%3Bc%29&with-defaults=trim"), Place::Read)
                .unwrap();
        assert_eq!(
            (read.content, read.depth, read.fields.as_deref()),
            (Content::NonConfig, Some(3), Some("a(b;c)"))
        );
        assert_eq!((read.with_defaults, read.with_origin), (Some(Mode::Trim), false));
        let read = parse(Some("with-origin&with-defaults=report-all-tagged"), Place::Operational).unwrap();
        assert_eq!((read.with_defaults, read.with_origin), (Some(Mode::ReportAllTagged), true));
        assert_eq!(parse(Some("depth=unbounded"), Place::Read).unwrap().depth, None);
        let insert = parse(Some("insert=after&point=%2Fa%3Ab%3Dx%252Cy"), Place::Insert).unwrap();
        assert_eq!(insert.insert, Some(InsertAt::After("/a:b=x%2Cy".into())));
        let stream = parse(Some("start-time=2026-11-21T05:00:00+01:00"), Place::Stream).unwrap();
        assert_eq!(stream.start_time, "2026-11-21T04:00:00Z".parse().ok());
    }

    #[test]
    fn section_4_8_what_is_unexpected_is_an_invalid_value() {
        for (query, place) in [
            ("nosuch=1", Place::Read),
            ("Depth=1", Place::Read),
            ("depth", Place::Read),
            ("depth=0", Place::Read),
            ("depth=65536", Place::Read),
            ("depth=+1", Place::Read),
            ("depth=1&depth=1", Place::Read),
            ("depth=1&", Place::Read),
            ("depth=%3", Place::Read),
            ("depth=1", Place::Insert),
            ("content=everything", Place::Read),
            ("content=all", Place::Nowhere),
            ("with-defaults=report-some", Place::Read),
            ("with-origin", Place::Read),
            ("with-origin=true", Place::Operational),
            ("insert=first", Place::Operational),
            ("filter=/a", Place::Read),
            ("insert=first", Place::Read),
            ("insert=middle", Place::Insert),
            ("insert=before", Place::Insert),
            ("insert=first&point=/a:b", Place::Insert),
            ("point=/a:b", Place::Insert),
            ("start-time=yesterday", Place::Stream),
            ("stop-time=2026-11-21T05:00:00Z", Place::Stream),
            ("start-time=2026-11-21T05:00:00Z&stop-time=2026-11-21T05:00:00Z", Place::Stream),
        ] {
            let error = parse(Some(query), place).unwrap_err();
            assert_eq!(error.tag, Tag::InvalidValue, "{query}");
        }
    }
}
