//! Gives a body to the answers that the HTTP library makes by itself: 400, 414 and 431, for requests that it cannot hand
//! to a front end; and to the 431 of the listener, which looks like them.
//!
//! It never touches an answer that has a body.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::header::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An HTTP/1.1 connection whose bare refusals get a body in the form of RFC 8040 §7.1.
///
/// The library offers no hook for them, but writes each with one call, as the last thing on the connection.
pub struct Refusals<S> {
    stream: S,
    hsts: Option<HeaderValue>,
    instead: Option<Instead>,
    /// Whether the end of a line has arrived since the last answer.
    line: bool,
}

/// As every answer has them.
const HARDENING: &str = "cache-control: no-cache\r\ncontent-security-policy: default-src 'none'; frame-ancestors 'none'\r\n\
    x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\ncross-origin-resource-policy: same-origin\r\n";

/// What is written instead of what the library wants to write.
struct Instead {
    bytes: Vec<u8>,
    written: usize,
    /// How much the library is told was written.
    replaces: usize,
}

impl<S> Refusals<S> {
    /// Takes a connection; over TLS with the value of `Strict-Transport-Security`.
    pub fn new(stream: S, hsts: Option<HeaderValue>) -> Refusals<S> {
        Refusals { stream, hsts, instead: None, line: false }
    }
}

impl<S: AsyncWrite + Unpin> Refusals<S> {
    /// Writes a whole refusal if that is what `buf` is. `None` if it is something else.
    fn poll_refusal(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.instead.is_none() {
            self.instead = refusal(buf, self.line, self.hsts.as_ref()).map(|bytes| Instead {
                bytes,
                written: 0,
                replaces: buf.len(),
            });
        }
        let instead = self.instead.as_mut()?;
        while let Some(rest) = instead.bytes.get(instead.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(count)) => instead.written += count,
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => return Some(Poll::Pending),
            }
        }
        let replaces = instead.replaces;
        self.instead = None;
        Some(Poll::Ready(Ok(replaces)))
    }
}

/// The head and body to write instead of `head`, if that is the head of a bare refusal. If not even a `line` of the request
/// has arrived, it is not the header fields that are too long.
fn refusal(head: &[u8], line: bool, hsts: Option<&HeaderValue>) -> Option<Vec<u8>> {
    let (status, tag, message) = match (head.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()?, line) {
        (b"400", _) => ("400 Bad Request", "malformed-message", "this is not a request of HTTP/1.1"),
        (b"414", _) | (b"431", false) => ("414 URI Too Long", "too-big", "the request target is too long"),
        (b"431", true) => {
            ("431 Request Header Fields Too Large", "too-big", "the header fields are too long or too many")
        }
        _ => return None,
    };
    let head = std::str::from_utf8(head).ok()?.strip_suffix("\r\n\r\n")?;
    let (_, head) = head.split_once("\r\n")?;
    let fields = head
        .split_once("content-length: 0\r\n")
        .or_else(|| Some((head.strip_suffix("content-length: 0")?, "")));
    let (before, after) = fields?;
    let body = format!(
        r#"{{"ietf-restconf:errors":{{"error":[{{"error-type":"protocol","error-tag":"{tag}","error-message":"{message}"}}]}}}}"#
    );
    let (content_type, length) = ("application/yang-data+json", body.len());
    let after = after.trim_end();
    let after = if after.is_empty() { String::new() } else { format!("{after}\r\n") };
    let hsts = hsts.and_then(|hsts| hsts.to_str().ok());
    let hsts = hsts.map_or_else(String::new, |hsts| format!("strict-transport-security: {hsts}\r\n"));
    Some(
        format!("HTTP/1.1 {status}\r\n{before}content-type: {content_type}\r\ncontent-length: {length}\r\n{HARDENING}{hsts}{after}\r\n{body}")
            .into_bytes(),
    )
}

impl<S: AsyncRead + Unpin> AsyncRead for Refusals<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.line = self.line || buf.filled().iter().skip(before).any(|octet| *octet == b'\n');
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Refusals<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_refusal(cx, buf) {
            Some(result) => result,
            None => {
                self.line = false;
                Pin::new(&mut self.stream).poll_write(cx, buf)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        match self.poll_refusal(cx, first) {
            Some(result) => result,
            None => {
                self.line = false;
                Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bare_refusals_alone_get_a_body() {
        for fields in [
            "connection: close\r\ncontent-length: 0\r\ndate: Sat\r\n",
            "connection: close\r\ndate: Sat\r\ncontent-length: 0\r\n",
        ] {
            let head = format!("HTTP/1.1 414 URI Too Long\r\n{fields}\r\n");
            let answer = String::from_utf8(
                refusal(head.as_bytes(), true, Some(&HeaderValue::from_static("max-age=7"))).unwrap(),
            )
            .unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 414 URI Too Long\r\nconnection: close\r\n"), "{head}");
            assert!(head.contains("\r\ndate: Sat"));
            assert!(head.contains("\r\nstrict-transport-security: max-age=7"), "{head}");
            assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())));
            assert!(!head.contains("content-length: 0") && !head.contains("\r\n\r\n"));
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["ietf-restconf:errors"]["error"][0]["error-tag"], "too-big");
        }
        let long = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        assert!(
            refusal(long, false, None).unwrap().starts_with(b"HTTP/1.1 414 URI Too Long\r\ncontent-type")
        );
        assert!(
            refusal(long, true, None)
                .unwrap()
                .starts_with(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        );
        for other in [
            "",
            "HTTP/1.1 4",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nerror",
            "HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\n",
            "414",
        ] {
            assert_eq!(refusal(other.as_bytes(), true, None), None, "{other}");
        }
    }
}
