//! Spans as a request of OTLP 1 (opentelemetry/proto/collector/trace/v1/trace_service.proto): the few fields of its messages that
//! are told, written as protobuf.
//!
//! It never sends anything.

use crate::clock::Timestamp;
use crate::trace::{Attribute, Span};

/// `STATUS_CODE_ERROR`.
const FAILED: u64 = 2;

/// An `ExportTraceServiceRequest` of one service.
pub fn request(service: &str, spans: &[Span]) -> Vec<u8> {
    let mut scope_spans = Message::default();
    scope_spans.message(1, Message::default().text(1, "agentconf").text(2, env!("CARGO_PKG_VERSION")));
    for span in spans {
        scope_spans.message(2, &mut of(span));
    }
    let mut resource = Message::default();
    for (key, value) in [("service.name", service), ("service.version", env!("CARGO_PKG_VERSION"))] {
        resource.message(1, &mut attribute(key, &Attribute::Text(value.to_owned().into())));
    }
    let mut resource_spans = Message::default();
    resource_spans.message(1, &mut resource).message(2, &mut scope_spans);
    let mut request = Message::default();
    request.message(1, &mut resource_spans);
    request.0
}

fn of(span: &Span) -> Message {
    let nanoseconds = |at: Timestamp| u64::try_from(at.as_micros()).unwrap_or_default().saturating_mul(1000);
    let mut message = Message::default();
    message.bytes(1, &span.id.trace.to_be_bytes()).bytes(2, &span.id.span.to_be_bytes());
    if span.parent != 0 {
        message.bytes(4, &span.parent.to_be_bytes());
    }
    message.text(5, &span.name).number(6, span.kind as u64);
    message.fixed64(7, nanoseconds(span.time.0)).fixed64(8, nanoseconds(span.time.1));
    for (key, value) in &span.attributes {
        message.message(9, &mut attribute(key, value));
    }
    if span.has_failed {
        message.message(15, Message::default().number(3, FAILED));
    }
    message
}

/// A `KeyValue`.
fn attribute(key: &str, value: &Attribute) -> Message {
    let mut any = Message::default();
    match value {
        Attribute::Text(text) => any.text(1, text),
        // A negative number has ten octets, as protobuf has it.
        Attribute::Number(number) => any.number(3, *number as u64),
    };
    let mut message = Message::default();
    message.text(1, key).message(2, &mut any);
    message
}

/// A message of protobuf that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn number(&mut self, field: u64, number: u64) -> &mut Message {
        self.tag(field, 0);
        self.varint(number);
        self
    }

    fn fixed64(&mut self, field: u64, number: u64) -> &mut Message {
        self.tag(field, 1);
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Message {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, field: u64, text: &str) -> &mut Message {
        self.bytes(field, text.as_bytes())
    }

    fn message(&mut self, field: u64, message: &mut Message) -> &mut Message {
        self.bytes(field, &message.0)
    }
}
