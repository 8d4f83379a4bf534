//! Media types: which encoding a body is in and which one an answer is to have
//! (RFC 8040 section 5.2, RFC 9110 section 12).
//!
//! It never looks into a body.

use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue};

use crate::yang::cbor::Keys;
use crate::yang::generated::ietf_restconf::nodes::ERRORS;
use crate::yang::schema::Node;

/// An encoding of YANG data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 7951.
    Json,
    /// RFC 7950.
    Xml,
    /// RFC 9254, with names or SIDs.
    Cbor(Keys),
}

/// What a resource or the input of an operation can be written in.
pub const MEDIA_TYPES: &str =
    "application/yang-data+json, application/yang-data+xml, application/yang-data+cbor;id=name";

/// A list or leaf-list in XML: one element around all entries (draft-ietf-netconf-list-pagination-rc section 2.2).
pub const XML_LIST: &str = "application/yang-data+xml-list";

/// `Accept-Patch` of everything that can be patched (RFC 5789 section 3.1).
pub const ACCEPT_PATCH: &str = "application/yang-data+json, application/yang-data+xml, \
     application/yang-data+cbor;id=name, application/yang-patch+json, application/yang-patch+xml";

impl Encoding {
    /// All that everything can be written in, the one for those who do not care first.
    pub const ALL: [Encoding; 3] = [Encoding::Json, Encoding::Xml, Encoding::Cbor(Keys::Names)];

    /// The one for what has SIDs.
    pub const SIDS: Encoding = Encoding::Cbor(Keys::Sids);

    /// The media type (RFC 8040 section 11.3, RFC 9254 section 9.1).
    pub fn media_type(self) -> &'static str {
        match self {
            Encoding::Json => "application/yang-data+json",
            Encoding::Xml => "application/yang-data+xml",
            Encoding::Cbor(Keys::Names) => "application/yang-data+cbor;id=name",
            Encoding::Cbor(Keys::Sids) => "application/yang-data+cbor;id=sid",
            Encoding::Cbor(Keys::Any) => "application/yang-data+cbor",
        }
    }

    /// The short name, as in the URLs of event streams.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Json => "json",
            Encoding::Xml => "xml",
            Encoding::Cbor(_) => "cbor",
        }
    }

    /// The encoding that the client wants for an answer; `None` if it takes neither.
    ///
    /// If it likes both equally, it gets the one that it uses itself, else JSON. SIDs are for answers that are instances
    /// of a node all of which has some; with names in it, it would not be `id=sid` (RFC 9254 section 7).
    pub fn accepted(headers: &HeaderMap, node: Option<&Node>) -> Option<Encoding> {
        // What nearly all programs send: one type as it is.
        let mut ranges = headers.get_all(ACCEPT).iter();
        let range = (ranges.next(), ranges.next());
        if let (Some(range), None) = range
            && let Some(encoding) = Encoding::literally(range, |encoding| Some(encoding.media_type()))
        {
            return Some(encoding);
        }
        let own = match Encoding::of_body(headers).or_else(|| Encoding::of_patch(headers)) {
            Some(Encoding::Cbor(Keys::Any)) => Encoding::Cbor(Keys::Names),
            own => own.unwrap_or(Encoding::Json),
        };
        // Or that any will do.
        let takes_any = range.0.is_none_or(|range| range == "*/*") && range.1.is_none();
        if takes_any && matches!(own, Encoding::Json | Encoding::Xml) {
            return Some(own);
        }
        let [json, xml, cbor] = Encoding::ALL;
        let mut all = [json, xml, cbor, Encoding::SIDS];
        // Few ask for them, and only then the schema is looked at.
        let asks = Encoding::names_sids(headers, &ACCEPT) || Encoding::names_sids(headers, &CONTENT_TYPE);
        let with_sids = asks && node.is_some_and(Node::has_sids);
        let offers = all.get_mut(..if with_sids { 4 } else { 3 })?;
        offers.sort_by_key(|offer| *offer != own);
        let types = offers.iter().map(|offer| offer.media_type());
        best_liked(headers, types).and_then(|i| offers.get(i).copied())
    }

    /// The encoding of a refusal: that of other answers, or the nearest to it.
    pub fn of_refusal(headers: &HeaderMap) -> Encoding {
        Encoding::accepted(headers, Some(&ERRORS)).unwrap_or_else(|| {
            if Encoding::names_sids(headers, &ACCEPT) { Encoding::Cbor(Keys::Names) } else { Encoding::Json }
        })
    }

    /// JSON or XML, if the text is its media type to the letter.
    fn literally(text: &HeaderValue, media_type: fn(Encoding) -> Option<&'static str>) -> Option<Encoding> {
        let is_it = |encoding: &Encoding| {
            media_type(*encoding).is_some_and(|name| name.as_bytes() == text.as_bytes())
        };
        [Encoding::Json, Encoding::Xml].into_iter().find(is_it)
    }

    /// Whether a field speaks of SIDs.
    fn names_sids(headers: &HeaderMap, field: &HeaderName) -> bool {
        let parameters = texts(headers, field).flatten().flat_map(|text| text.split([',', ';']));
        parameters.filter_map(id).any(|value| value == "sid")
    }

    /// The same for a list or leaf-list as a whole, and whether it is to be wrapped as [`XML_LIST`].
    pub fn accepted_for_list(headers: &HeaderMap, node: Option<&Node>) -> Option<(Encoding, bool)> {
        let of_one = Encoding::accepted(headers, node).map(|encoding| (encoding, false));
        let offers = [of_one.map_or("", |(encoding, _)| encoding.media_type()), XML_LIST];
        match accepted(headers, &offers) {
            Some(1) => Some((Encoding::Xml, true)),
            _ => of_one,
        }
    }

    /// The encoding of the body; `None` if it is none that the server knows, or is not told.
    pub fn of_body(headers: &HeaderMap) -> Option<Encoding> {
        Encoding::of(headers, |encoding| Some(encoding.media_type()))
    }

    /// The encoding of a body that is a YANG Patch (RFC 8072 section 2.1); `None` if it is something else.
    pub fn of_patch(headers: &HeaderMap) -> Option<Encoding> {
        Encoding::of(headers, |encoding| match encoding {
            Encoding::Json => Some("application/yang-patch+json"),
            Encoding::Xml => Some("application/yang-patch+xml"),
            // RFC 9254 names none.
            Encoding::Cbor(_) => None,
        })
    }

    fn of(headers: &HeaderMap, media_type: fn(Encoding) -> Option<&'static str>) -> Option<Encoding> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let (Some(value), None) = (types.next(), types.next()) else { return None };
        let identity = |value: &str| value.trim().eq_ignore_ascii_case("identity");
        if !texts(headers, &CONTENT_ENCODING).all(|value| value.is_some_and(identity)) {
            return None;
        }
        if let Some(encoding) = Encoding::literally(value, media_type) {
            return Some(encoding);
        }
        let value = value.to_str().ok()?;
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next()?;
        let utf8 = |part: &str| match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        };
        let is_it = |known: &Encoding| {
            media_type(*known).is_some_and(|name| essence_of(name).eq_ignore_ascii_case(essence))
        };
        let mut known = Encoding::ALL.into_iter().find(is_it)?;
        if let Encoding::Cbor(keys) = &mut known {
            // RFC 9254 section 7: without the parameter both forms may be present.
            *keys = match parts.clone().find_map(id) {
                None => Keys::Any,
                Some("name") => Keys::Names,
                Some("sid") => Keys::Sids,
                Some(_) => return None,
            };
        }
        parts.all(utf8).then_some(known)
    }
}

/// Which of the media types offered the client likes best, as an index; the earlier one if it likes two
/// equally; `None` if it takes none. With no `Accept` or an empty one it takes all.
pub fn accepted(headers: &HeaderMap, offers: &[&str]) -> Option<usize> {
    best_liked(headers, offers.iter().copied())
}

/// Every answer asks this, so nothing is kept of the ranges: they are few, and so are the offers.
fn best_liked<'o>(headers: &HeaderMap, mut offers: impl Iterator<Item = &'o str>) -> Option<usize> {
    if texts(headers, &ACCEPT).all(|text| text.is_some_and(|text| text.trim().is_empty())) {
        return offers.next().map(|_| 0);
    }
    let ranges = || {
        let parts = texts(headers, &ACCEPT).flatten().flat_map(|text| text.split(','));
        parts.filter_map(Range::parse)
    };
    let mut best: Option<(usize, u16)> = None;
    for (i, offer) in offers.enumerate() {
        let matching = ranges().filter_map(|range| Some((range.precision(offer)?, range.quality)));
        let quality = matching.max_by_key(|(precision, _)| *precision).map_or(0, |(_, quality)| quality);
        if quality > best.map_or(0, |(_, best)| best) {
            best = Some((i, quality));
        }
    }
    best.map(|(i, _)| i)
}

/// A media type without its parameters.
fn essence_of(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default()
}

/// The value of the parameter `id` (RFC 9254 section 7).
fn id(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("id").then(|| value.trim().trim_matches('"'))
}

/// One media range of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    id: Option<&'a str>,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    /// `None` if it is malformed: then it accepts nothing.
    fn parse(text: &'a str) -> Option<Range<'a>> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let id = parts.clone().find_map(id);
        let weight = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
        let quality = match weight {
            None => 1000,
            Some((_, value)) => thousandths(value.trim())?,
        };
        Some(Range { kind, subtype, id, quality })
    }

    /// How precisely the range names the media type; `None` if it does not.
    fn precision(&self, offer: &str) -> Option<u8> {
        let (kind, subtype) = essence_of(offer).split_once('/')?;
        if self.id.is_some_and(|id| offer.split(';').skip(1).find_map(self::id).is_some_and(|own| own != id))
        {
            return None;
        }
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(kind) => Some(1),
            (own, sub) if own.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// A `qvalue` (RFC 9110 section 12.4.2): 0 to 1 with up to three decimals.
pub fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// The values of a header field; `None` for one that is not ASCII.
pub fn texts<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Option<&'h str>> + use<'h> {
    headers.get_all(name).into_iter().map(|value| value.to_str().ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_best_liked_encoding_is_chosen() {
        use Encoding::{Json, Xml};
        for (accept, wanted) in [
            ("application/yang-data+json", Some(Json)),
            ("application/yang-data+xml", Some(Xml)),
            ("Application/YANG-Data+XML; charset=utf-8", Some(Xml)),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("application/yang-data+xml, */*", Some(Json)),
            ("application/yang-data+xml, */*;q=0.9", Some(Xml)),
            ("application/yang-data+json;q=0.2, application/yang-data+xml;q=0.25", Some(Xml)),
            ("*/*, application/yang-data+json;q=0", Some(Xml)),
            ("application/*;q=0.1, */*", Some(Json)),
            ("text/html", None),
            ("application/json", None),
            ("application/yang-data+cbor", Some(Encoding::Cbor(Keys::Names))),
            ("application/yang-data+cbor; id=name", Some(Encoding::Cbor(Keys::Names))),
            ("application/yang-data+cbor;id=sid, application/yang-data+xml;q=0.1", Some(Xml)),
            ("*/*;q=0", None),
            ("*/*;q=2", None),
            ("", Some(Json)),
        ] {
            assert_eq!(Encoding::accepted(&headers(&[(ACCEPT, accept)]), None), wanted, "{accept}");
        }
    }

    #[test]
    fn without_a_preference_the_answer_is_as_the_request() {
        let xml = [(CONTENT_TYPE, "application/yang-data+xml"), (ACCEPT, "*/*")];
        assert_eq!(Encoding::accepted(&headers(&[]), None), Some(Encoding::Json));
        assert_eq!(Encoding::accepted(&headers(&xml[..1]), None), Some(Encoding::Xml));
        assert_eq!(Encoding::accepted(&headers(&xml), None), Some(Encoding::Xml));
    }

    #[test]
    fn several_accept_fields_are_one_list() {
        let both = headers(&[(ACCEPT, "text/html"), (ACCEPT, "application/yang-data+xml")]);
        assert_eq!(Encoding::accepted(&both, None), Some(Encoding::Xml));
    }

    #[test]
    fn a_body_has_one_known_media_type_and_no_coding() {
        let json = (CONTENT_TYPE, "application/yang-data+json");
        assert_eq!(Encoding::of_body(&headers(std::slice::from_ref(&json))), Some(Encoding::Json));
        assert_eq!(
            Encoding::of_body(&headers(&[(CONTENT_TYPE, "application/yang-data+xml;charset=\"UTF-8\"")])),
            Some(Encoding::Xml)
        );
        for (cbor, keys) in [
            ("application/yang-data+cbor", Keys::Any),
            ("application/yang-data+cbor; id=\"name\"", Keys::Names),
            ("application/yang-data+cbor;id=sid", Keys::Sids),
        ] {
            assert_eq!(Encoding::of_body(&headers(&[(CONTENT_TYPE, cbor)])), Some(Encoding::Cbor(keys)));
        }
        for other in [
            headers(&[(CONTENT_TYPE, "application/yang-data+cbor;id=other")]),
            headers(&[(CONTENT_TYPE, "application/yang-patch+cbor")]),
            headers(&[]),
            headers(&[(CONTENT_TYPE, "application/json")]),
            headers(&[(CONTENT_TYPE, "application/yang-data+json; charset=latin1")]),
            headers(&[json.clone(), json.clone()]),
            headers(&[json, (CONTENT_ENCODING, "gzip")]),
        ] {
            assert_eq!(Encoding::of_body(&other), None, "{other:?}");
        }
    }
}
