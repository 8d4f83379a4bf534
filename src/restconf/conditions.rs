//! Entity tags, modification times and the conditions that requests put on them (RFC 9110 sections 8.8 and
//! 13, RFC 8040 section 3.4.1).
//!
//! Reads are judged here. Edits never are: their conditions go to the engine, which checks them in the same
//! step as the edit.

use axum::http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use axum::http::{HeaderMap, HeaderValue};
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;

use super::errors::Refusal;
use super::media::Encoding;
use crate::clock::Timestamp;
use crate::engine::Precondition;
use crate::yang::cbor::Keys;
use crate::yang::error::{Error, Tag};
use crate::yang::path::InstancePath;

/// The entity tag of a representation: `"42-json"`.
///
/// It is a strong one, so the encodings of one revision have different tags (RFC 9110 section 8.8.1).
/// `wrapped` is that of a list or leaf-list in XML with one element around all entries.
pub fn entity_tag(revision: u64, encoding: Encoding, wrapped: bool) -> String {
    // Every answer has one; formatting would cost several times as much as this.
    ["\"", &revision.to_string(), suffix(encoding, wrapped), "\""].concat()
}

/// What tells the representations of one revision apart, in entity tags and transaction ids alike.
pub fn suffix(encoding: Encoding, wrapped: bool) -> &'static str {
    match encoding {
        _ if wrapped => "-xml-list",
        Encoding::Json => "-json",
        Encoding::Xml => "-xml",
        Encoding::Cbor(Keys::Sids) => "-cbor-sid",
        Encoding::Cbor(Keys::Names | Keys::Any) => "-cbor",
    }
}

/// A time as in `Last-Modified`, in whole seconds.
pub fn http_date(time: Timestamp) -> Option<HeaderValue> {
    let time = jiff::Timestamp::from_second(time.as_seconds()).ok()?;
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()?;
    HeaderValue::try_from(text).ok()
}

/// What the conditions of a GET or HEAD come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The representation is sent.
    Send,
    /// The client has it already: 304.
    NotModified,
}

/// Judges a read of a resource that exists, in the order of RFC 9110 section 13.2.2.
///
/// `modified` is the resource's `Last-Modified`; dates say nothing of a resource without one. With
/// `has_other_state` the representation can change while its validators stay, so it is always sent.
///
/// # Errors
/// 412 if the client wants no answer; 400 if an entity tag is malformed.
pub fn judge_read(
    headers: &HeaderMap,
    tag: Option<&str>,
    modified: Option<Timestamp>,
    has_other_state: bool,
) -> Result<Outcome, Refusal> {
    let later_than = |date: Timestamp| modified.is_some_and(|at| at.as_seconds() > date.as_seconds());
    let is = |listed: &EntityTag| Some(listed.text.as_str()) == tag;
    match Tags::of(headers, &IF_MATCH)? {
        Some(Tags::Any) => {}
        Some(Tags::List(tags)) if tags.iter().any(|listed| !listed.weak && is(listed)) => {}
        Some(Tags::List(_)) => return Err(failed("the resource has another entity tag")),
        None => {
            if date(headers, &IF_UNMODIFIED_SINCE).is_some_and(later_than) {
                return Err(failed("the datastore was changed since"));
            }
        }
    }
    let known = match Tags::of(headers, &IF_NONE_MATCH)? {
        Some(Tags::Any) => true,
        Some(Tags::List(tags)) => tags.iter().any(is),
        None => modified.is_some() && date(headers, &IF_MODIFIED_SINCE).is_some_and(|date| !later_than(date)),
    };
    Ok(if known && !has_other_state { Outcome::NotModified } else { Outcome::Send })
}

/// The conditions of an edit of the resource `target`. Which encoding an entity tag was given for does not
/// matter: all are of the same state.
///
/// # Errors
/// 412 if they cannot hold; 400 if an entity tag is malformed.
pub fn of_edit(headers: &HeaderMap, target: &InstancePath) -> Result<Vec<Precondition>, Refusal> {
    let mut conditions = Vec::new();
    match Tags::of(headers, &IF_MATCH)? {
        Some(Tags::Any) => conditions.push(Precondition::Matches(target.clone(), Vec::new())),
        Some(Tags::List(tags)) => {
            let revisions: Vec<u64> =
                tags.iter().filter(|tag| !tag.weak).filter_map(EntityTag::revision).collect();
            if revisions.is_empty() {
                return Err(failed("the resource has another entity tag"));
            }
            conditions.push(Precondition::Matches(target.clone(), revisions));
        }
        None => conditions.extend(date(headers, &IF_UNMODIFIED_SINCE).map(Precondition::UnmodifiedSince)),
    }
    match Tags::of(headers, &IF_NONE_MATCH)? {
        Some(Tags::Any) => conditions.push(Precondition::MatchesNone(target.clone(), Vec::new())),
        Some(Tags::List(tags)) => {
            let revisions: Vec<u64> = tags.iter().filter_map(EntityTag::revision).collect();
            if !revisions.is_empty() {
                conditions.push(Precondition::MatchesNone(target.clone(), revisions));
            }
        }
        None => {}
    }
    Ok(conditions)
}

/// A condition does not hold.
fn failed(message: &str) -> Refusal {
    Error::protocol(Tag::OperationFailed, message).app_tag("precondition-failed").into()
}

#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    List(Vec<EntityTag>),
}

/// An entity tag with its quotes.
#[derive(Debug, PartialEq, Eq)]
struct EntityTag {
    weak: bool,
    text: String,
}

impl EntityTag {
    /// The revision, if the tag is one of ours.
    fn revision(&self) -> Option<u64> {
        let (revision, encoding) = self.text.trim_matches('"').split_once('-')?;
        let known = Encoding::ALL.into_iter().chain([Encoding::SIDS]);
        let known =
            known.filter_map(|known| suffix(known, false).strip_prefix('-')).any(|known| known == encoding);
        revision.parse().ok().filter(|revision| known && *revision > 0)
    }
}

impl Tags {
    /// The list in a field that may stand more than once; `None` if it does not stand at all.
    fn of(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Refusal> {
        if !headers.contains_key(name) {
            return Ok(None);
        }
        let mut list = Vec::new();
        for value in headers.get_all(name) {
            let text = value.to_str().map(str::trim).unwrap_or("?");
            if text == "*" {
                return Ok(Some(Tags::Any));
            }
            let tags = entity_tags(text).ok_or_else(|| {
                Error::protocol(
                    Tag::InvalidValue,
                    format!("\"{name}\" is \"*\" or a list of entity tags in quotes"),
                )
            })?;
            list.extend(tags);
        }
        Ok(Some(Tags::List(list)))
    }
}

/// `[W/]"…", …`; a comma can stand inside the quotes.
fn entity_tags(mut text: &str) -> Option<Vec<EntityTag>> {
    let mut tags = Vec::new();
    loop {
        let (weak, rest) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let end = rest.strip_prefix('"')?.find('"')? + 2;
        let (tag, rest) = rest.split_at_checked(end)?;
        tags.push(EntityTag { weak, text: tag.to_owned() });
        match rest.trim_start().strip_prefix(',') {
            Some(rest) => text = rest.trim_start(),
            None if rest.trim().is_empty() => return Some(tags),
            None => return None,
        }
    }
}

/// The date in a field; a malformed one is as none (RFC 9110 section 13.1.3).
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    // The form that is sent today and the two that were (RFC 9110 section 5.6.7).
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let text = headers.get(name)?.to_str().ok()?;
    let time = FORMS.iter().find_map(|form| DateTime::strptime(form, text).ok())?;
    let time = time.to_zoned(TimeZone::UTC).ok()?;
    Timestamp::from_seconds(time.timestamp().as_second())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    const LATER: &str = "Sat, 21 Nov 2026 05:00:01 GMT";
    const SAME: &str = "Sat, 21 Nov 2026 05:00:00 GMT";
    const EARLIER: &str = "Sat, 21 Nov 2026 04:59:59 GMT";

    fn changed_at() -> Timestamp {
        "2026-11-21T05:00:00.5Z".parse().unwrap()
    }

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn read(fields: &[(HeaderName, &'static str)]) -> Result<Outcome, StatusCode> {
        judge_read(&headers(fields), Some("\"42-json\""), Some(changed_at()), false)
            .map_err(|refusal| refusal.status())
    }

    #[test]
    fn dates_are_read_in_all_three_forms_and_written_in_one() {
        assert_eq!(http_date(changed_at()).unwrap(), SAME);
        for text in [SAME, "Saturday, 21-Nov-26 05:00:00 GMT", "Sat Nov 21 05:00:00 2026"] {
            let found = date(&headers(&[(IF_MODIFIED_SINCE, text)]), &IF_MODIFIED_SINCE).unwrap();
            assert_eq!(found.to_string(), "2026-11-21T05:00:00Z", "{text}");
        }
        assert_eq!(date(&headers(&[(IF_MODIFIED_SINCE, "2026-11-21T05:00:00Z")]), &IF_MODIFIED_SINCE), None);
    }

    #[test]
    fn rfc_9110_section_13_1_2_if_none_match_saves_the_transfer() {
        assert_eq!(read(&[(IF_NONE_MATCH, "\"42-json\"")]), Ok(Outcome::NotModified));
        assert_eq!(read(&[(IF_NONE_MATCH, "\"a,b\" , W/\"42-json\"")]), Ok(Outcome::NotModified));
        assert_eq!(read(&[(IF_NONE_MATCH, "*")]), Ok(Outcome::NotModified));
        assert_eq!(read(&[(IF_NONE_MATCH, "\"42-xml\"")]), Ok(Outcome::Send));
        assert_eq!(read(&[(IF_NONE_MATCH, "42-json")]), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn rfc_9110_section_13_1_1_if_match_is_a_strong_comparison() {
        assert_eq!(read(&[(IF_MATCH, "\"42-json\"")]), Ok(Outcome::Send));
        assert_eq!(read(&[(IF_MATCH, "*")]), Ok(Outcome::Send));
        assert_eq!(read(&[(IF_MATCH, "W/\"42-json\"")]), Err(StatusCode::PRECONDITION_FAILED));
        assert_eq!(read(&[(IF_MATCH, "\"41-json\"")]), Err(StatusCode::PRECONDITION_FAILED));
    }

    #[test]
    fn dates_count_in_whole_seconds_and_only_without_entity_tags() {
        assert_eq!(read(&[(IF_MODIFIED_SINCE, SAME)]), Ok(Outcome::NotModified));
        assert_eq!(read(&[(IF_MODIFIED_SINCE, EARLIER)]), Ok(Outcome::Send));
        assert_eq!(read(&[(IF_UNMODIFIED_SINCE, LATER)]), Ok(Outcome::Send));
        assert_eq!(read(&[(IF_UNMODIFIED_SINCE, EARLIER)]), Err(StatusCode::PRECONDITION_FAILED));
        assert_eq!(read(&[(IF_UNMODIFIED_SINCE, EARLIER), (IF_MATCH, "*")]), Ok(Outcome::Send));
        assert_eq!(read(&[(IF_MODIFIED_SINCE, LATER), (IF_NONE_MATCH, "\"1-json\"")]), Ok(Outcome::Send));
    }

    #[test]
    fn the_conditions_of_an_edit_are_those_of_its_revisions() {
        let target = InstancePath::default();
        let edit = |fields: &[(HeaderName, &'static str)]| of_edit(&headers(fields), &target);
        let matches = |revisions: &[u64]| vec![Precondition::Matches(target.clone(), revisions.to_vec())];
        assert_eq!(edit(&[(IF_MATCH, "\"42-json\", \"7-xml\", \"other\"")]).unwrap(), matches(&[42, 7]));
        assert_eq!(edit(&[(IF_MATCH, "*")]).unwrap(), matches(&[]));
        for never in ["\"other\"", "W/\"42-json\"", "\"0-json\""] {
            let refusal = edit(&[(IF_MATCH, never)]).unwrap_err();
            assert_eq!(refusal.status(), StatusCode::PRECONDITION_FAILED, "{never}");
        }
        let none = vec![Precondition::MatchesNone(target.clone(), Vec::new())];
        assert_eq!(edit(&[(IF_NONE_MATCH, "*")]).unwrap(), none);
        assert_eq!(edit(&[(IF_NONE_MATCH, "\"other\"")]).unwrap(), []);
        let since = "2026-11-21T05:00:00Z".parse().unwrap();
        assert_eq!(edit(&[(IF_UNMODIFIED_SINCE, SAME)]).unwrap(), [Precondition::UnmodifiedSince(since)]);
        assert_eq!(edit(&[(IF_MODIFIED_SINCE, SAME)]).unwrap(), []);
    }
}
