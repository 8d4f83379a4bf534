//! Server-sent events (RFC 8040 section 6; the WHATWG HTML standard, section 9.2) to notifications. It never reconnects.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::client::data::Element;
use crate::client::error::ClientError;
use crate::client::limits::Limits;
use crate::client::request::Notification;

/// Reads the notifications of a body into a queue until either ends.
pub async fn follow(
    mut body: Incoming,
    limits: Limits,
    follower: mpsc::Sender<Result<Notification, ClientError>>,
) {
    let mut events = Events::new(limits.message_bytes_max);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = follower.closed() => return,
        };
        let data = match frame {
            None => return,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => {
                // Who has gone needs not be told.
                let _ = follower.send(Err(ClientError::Ended(error.to_string()))).await;
                return;
            }
        };
        let found = match events.feed(&data) {
            Ok(found) => found,
            Err(error) => {
                let _ = follower.send(Err(error)).await;
                return;
            }
        };
        for (id, text) in found {
            if follower.send(notification(id, &text, limits.depth_max)).await.is_err() {
                return;
            }
        }
    }
}

fn notification(id: Option<String>, text: &str, depth_max: usize) -> Result<Notification, ClientError> {
    let wrong = |reason: &str| ClientError::Protocol(format!("an event {reason}"));
    let root = Element::parse(text.as_bytes(), depth_max).map_err(|error| wrong(&format!("is {error}")))?;
    let time = root.text_of("eventTime").ok_or_else(|| wrong("has no eventTime"))?.to_owned();
    let event = root.children.into_iter().find(|child| child.namespace != root.namespace);
    Ok(Notification { time, id, event: event.ok_or_else(|| wrong("is empty"))? })
}

/// Cuts a stream into the ids and the data of its events.
#[derive(Debug)]
struct Events {
    line: Vec<u8>,
    id: Option<String>,
    data: String,
    bytes_max: usize,
}

impl Events {
    fn new(bytes_max: usize) -> Events {
        Events { line: Vec::new(), id: None, data: String::new(), bytes_max }
    }

    /// The events that are complete with these bytes.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<(Option<String>, String)>, ClientError> {
        let mut found = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                if self.line.len() + self.data.len() >= self.bytes_max {
                    return Err(ClientError::Protocol("an event is too long".into()));
                }
                self.line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.is_empty() {
                let (id, mut data) = (self.id.take(), std::mem::take(&mut self.data));
                if data.pop().is_some() {
                    found.push((id, data));
                }
            } else if let Some(value) = line.strip_prefix(b"id:") {
                self.id = std::str::from_utf8(value).ok().map(|id| id.trim().to_owned());
            } else if let Some(value) = line.strip_prefix(b"data:") {
                let text = std::str::from_utf8(value)
                    .map_err(|_| ClientError::Protocol("an event is not UTF-8".into()))?;
                self.data.push_str(text.strip_prefix(' ').unwrap_or(text));
                self.data.push('\n');
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_wherever_the_bytes_end() {
        let bytes = b":\n\nid: 1\ndata: <a>\r\ndata:</a>\r\n\r\n\ndata: b\n\ndata: unfinished\n";
        for cut in 0..bytes.len() {
            let mut events = Events::new(100);
            let mut found = events.feed(&bytes[..cut]).unwrap();
            found.extend(events.feed(&bytes[cut..]).unwrap());
            let expected = [(Some("1".to_owned()), "<a>\n</a>".to_owned()), (None, "b".to_owned())];
            assert_eq!(found, expected);
        }
        assert!(Events::new(8).feed(b"data: 123").is_err());
        assert!(Events::new(8).feed(b"data: \xff\n").is_err());
    }

    #[test]
    fn an_event_is_a_notification() {
        let text = "<notification xmlns='urn:ietf:params:xml:ns:netconf:notification:1.0'><eventTime>2026-01-01T00:00:00Z\
                    </eventTime><e xmlns='urn:e'/></notification>";
        let read = notification(None, text, 9).unwrap();
        assert_eq!((read.time.as_str(), read.event.name.as_str()), ("2026-01-01T00:00:00Z", "e"));
        assert!(notification(None, "<notification/>", 9).is_err());
    }
}
