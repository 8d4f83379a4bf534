//! Content codings of answers: gzip and zstd for those who accept them (RFC 9110 sections 8.4 and 12.5.3).
//!
//! It never looks into a body, and event streams and what is small stay as they are. Entity tags are strong, so a
//! coded answer has one of its own, `"42-json-gzip"`; in a request it stands for the state that it was given for.
//!
//! Compression tells the length of secrets to somebody who can choose a part of the text, make the victim ask for
//! it and watch the line (BREACH). Only a browser lets strangers make requests with the credentials of its user,
//! and it marks those as cross-site: they are answered without a coding, and so is every refusal, which repeats
//! what was asked for.

use std::io::{self, Write};

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};

use super::errors::Refusal;
use super::media::{texts, thousandths};

/// What a browser says of who has it ask (Fetch Metadata section 2.4).
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Zstd,
    Gzip,
}

/// The better one first.
const ALL: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }
}

/// Shorter bodies are not worth it, in octets.
const LENGTH_MIN: u64 = 1024;

/// What one request says of codings.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The coding that the client likes best, unless it likes none better.
    coding: Option<Coding>,
    /// Whether it takes an answer as it is.
    identity: bool,
    /// Whether it says so in a browser on behalf of another site.
    cross_site: bool,
    /// The entity tags that it has already, as it wrote them.
    known: String,
}

impl Accepted {
    /// Reads what the request accepts. Entity tags of coded answers lose their coding, so that what comes after
    /// judges the state that they stand for; one in a coding that is not accepted says nothing of this answer.
    pub fn take(headers: &mut HeaderMap) -> Accepted {
        let speaks = [ACCEPT_ENCODING, IF_MATCH, IF_NONE_MATCH, SEC_FETCH_SITE];
        if !speaks.iter().any(|name| headers.contains_key(name)) {
            return Accepted { coding: None, identity: true, cross_site: false, known: String::new() };
        }
        let quality = |name: &str| {
            let all = texts(headers, &ACCEPT_ENCODING).flatten().flat_map(|text| text.split(','));
            all.filter_map(entry)
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, quality)| quality)
        };
        let others = quality("*");
        let of = |coding: Coding| {
            let gzip = if coding == Coding::Gzip { quality("x-gzip") } else { None };
            quality(coding.name()).or(gzip).or(others).unwrap_or(0)
        };
        let identity = quality("identity");
        let least = identity.unwrap_or(1).max(1);
        let best =
            ALL.into_iter().rev().filter(|coding| of(*coding) >= least).max_by_key(|coding| of(*coding));
        let accepted = ALL.map(|coding| (coding, of(coding) > 0));
        let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        let cross_site = site.is_some_and(|site| site != b"same-origin" && site != b"none");
        let known = texts(headers, &IF_NONE_MATCH).flatten().collect::<Vec<_>>().join(",");
        for (coding, accepted) in accepted {
            strip(headers, &IF_MATCH, coding);
            if accepted {
                strip(headers, &IF_NONE_MATCH, coding);
            }
        }
        Accepted { coding: best, identity: identity.or(others) != Some(0), cross_site, known }
    }

    /// Whether the answer to a request with this method can have a coding that the client takes.
    ///
    /// # Errors
    /// 406. Only a read is refused: an edit that was made cannot be taken back.
    pub fn check(&self, method: &Method) -> Result<(), Refusal> {
        let read = [Method::GET, Method::HEAD].contains(method);
        if read && !self.identity && self.coding.is_none() {
            return Err(Refusal::not_acceptable_as("zstd, gzip or identity", "Accept-Encoding"));
        }
        Ok(())
    }

    /// The answer in the coding for it, with its validators.
    ///
    /// # Errors
    /// 406 for an event stream if the client does not take it as it is.
    pub fn code(&self, mut response: Response) -> Result<Response, Refusal> {
        let is_stream =
            response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "text/event-stream");
        if is_stream {
            let refusal = || Refusal::not_acceptable_as("identity", "Accept-Encoding");
            return if self.identity { Ok(response) } else { Err(refusal()) };
        }
        if response.status() == StatusCode::NOT_MODIFIED {
            self.tag_of_known(&mut response);
        } else if response.status() != StatusCode::OK {
            return Ok(response);
        }
        response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
        let length = response.body().size_hint();
        let worth_it = length.lower() >= LENGTH_MIN || length.exact().is_none();
        let wanted = !self.identity || (worth_it && !self.cross_site);
        let Some(coding) = self.coding.filter(|_| wanted && length.exact() != Some(0)) else {
            return Ok(response);
        };
        let Ok(coder) = Coder::new(coding) else { return Ok(response) };
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        if let Some(tag) = headers.get(ETAG).and_then(|tag| coded_tag(tag, coding)) {
            headers.insert(ETAG, tag);
        }
        Ok(response.map(|body| coded(body, coder)))
    }

    /// What is not modified is what the client has, in the coding that it has it in.
    fn tag_of_known(&self, response: &mut Response) {
        let Some(tag) = response.headers().get(ETAG).cloned() else { return };
        let is_known = |tag: &HeaderValue| tag.to_str().is_ok_and(|tag| self.known.contains(tag));
        if is_known(&tag) {
            return;
        }
        if let Some(tag) = ALL.iter().filter_map(|coding| coded_tag(&tag, *coding)).find(is_known) {
            response.headers_mut().insert(ETAG, tag);
        }
    }
}

/// One coding of `Accept-Encoding` with its weight in thousandths.
fn entry(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    match parts.next() {
        None => Some((name, 1000)),
        Some(weight) => {
            let (q, value) = weight.split_once('=')?;
            Some((name, q.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))??))
        }
    }
}

/// `"42-json"` to `"42-json-gzip"`.
fn coded_tag(tag: &HeaderValue, coding: Coding) -> Option<HeaderValue> {
    let tag = tag.to_str().ok()?.strip_suffix('"')?;
    HeaderValue::try_from(format!("{tag}-{}\"", coding.name())).ok()
}

/// And back, for all entity tags of a field. A quotation mark cannot stand inside of one.
fn strip(headers: &mut HeaderMap, name: &HeaderName, coding: Coding) {
    if !headers.contains_key(name) {
        return;
    }
    let ending = format!("-{}\"", coding.name());
    if !texts(headers, name).flatten().any(|text| text.contains(&ending)) {
        return;
    }
    let values: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
    headers.remove(name);
    for value in values {
        let plain = value.to_str().ok().map(|text| text.replace(&ending, "\""));
        let plain = plain.and_then(|text| HeaderValue::try_from(text).ok());
        headers.append(name, plain.unwrap_or(value));
    }
}

/// An encoder with its output.
enum Coder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Coder {
    fn new(coding: Coding) -> io::Result<Coder> {
        Ok(match coding {
            Coding::Zstd => Coder::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 3)?),
            Coding::Gzip => Coder::Gzip(GzEncoder::new(Vec::new(), Compression::new(5))),
        })
    }

    /// Takes a piece, and gives what it has put out.
    fn push(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Coder::Zstd(encoder) => encoder.write_all(piece).map(|()| std::mem::take(encoder.get_mut())),
            Coder::Gzip(encoder) => encoder.write_all(piece).map(|()| std::mem::take(encoder.get_mut())),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Coder::Zstd(encoder) => encoder.finish(),
            Coder::Gzip(encoder) => encoder.finish(),
        }
    }
}

/// The body as it comes, in pieces, so that a large one does not hold up others.
fn coded(body: Body, coder: Coder) -> Body {
    const PIECE: usize = 64 * 1024;
    let state = Some((body.into_data_stream(), coder, Bytes::new()));
    Body::from_stream(stream::unfold(state, |state| async move {
        let (mut input, mut coder, mut rest) = state?;
        loop {
            if rest.is_empty() {
                match input.next().await {
                    Some(Ok(more)) => rest = more,
                    Some(Err(error)) => return Some((Err(error), None)),
                    None => return Some((coder.finish().map(Bytes::from).map_err(Error::new), None)),
                }
            }
            let piece = rest.split_to(rest.len().min(PIECE));
            match coder.push(&piece) {
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Some((Ok(Bytes::from(out)), Some((input, coder, rest)))),
                Err(error) => return Some((Err(Error::new(error)), None)),
            }
        }
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn accepted(fields: &[(HeaderName, &'static str)]) -> (Accepted, HeaderMap) {
        let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = fields.collect();
        (Accepted::take(&mut headers), headers)
    }

    #[test]
    fn rfc_9110_section_12_5_3_the_best_liked_coding_is_chosen() {
        use Coding::{Gzip, Zstd};
        for (text, coding, identity) in [
            ("gzip", Some(Gzip), true),
            ("x-gzip", Some(Gzip), true),
            ("gzip, deflate, br, zstd", Some(Zstd), true),
            ("GZIP;q=0.5, zstd;Q=0.4", Some(Gzip), true),
            ("*", Some(Zstd), true),
            ("*;q=0.5, zstd;q=0", Some(Gzip), true),
            ("gzip;q=0.5, identity;q=0.8", None, true),
            ("gzip;q=0.001", Some(Gzip), true),
            ("gzip;q=0", None, true),
            ("br", None, true),
            ("", None, true),
            ("gzip;q=2", None, true),
            ("gzip, identity;q=0", Some(Gzip), false),
            ("*;q=0", None, false),
            ("*;q=0, identity", None, true),
            ("*;q=0, zstd", Some(Zstd), false),
            ("br, identity;q=0", None, false),
        ] {
            let (found, _) = accepted(&[(ACCEPT_ENCODING, text)]);
            assert_eq!((found.coding, found.identity), (coding, identity), "{text}");
        }
        let (found, _) = accepted(&[]);
        assert_eq!((found.coding, found.identity), (None, true));
    }

    #[test]
    fn entity_tags_lose_their_coding() {
        let (_, headers) = accepted(&[
            (ACCEPT_ENCODING, "gzip"),
            (IF_MATCH, "\"1-json-gzip\", W/\"2-json-zstd\", \"a-gzip-b\""),
            (IF_NONE_MATCH, "\"1-json-gzip\",\"2-json-zstd\""),
        ]);
        assert_eq!(headers[IF_MATCH], "\"1-json\", W/\"2-json\", \"a-gzip-b\"");
        assert_eq!(headers[IF_NONE_MATCH], "\"1-json\",\"2-json-zstd\"");
    }
}
