//! Traces: the context that a request brings (W3C Trace Context, a recommendation of 2021-11-23), and what is told of the work that
//! is done for it.
//!
//! It sends nothing: spans go into a bounded queue, and are counted where it is full. A span never holds a value of data, a name
//! of a user or a secret.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use tokio::sync::mpsc;

use crate::clock::{Clock, Timestamp};
use crate::metrics::Counter;

/// The field of HTTP that names a trace, and the attribute of NETCONF.
pub const TRACEPARENT: &str = "traceparent";
/// What vendors say of a trace beside that: for the systems of whoever asks, and not handed on to others.
pub const TRACESTATE: &str = "tracestate";

const SAMPLED: u8 = 1;
/// Most subscribers of whose notification it is told in one trace.
const NOTIFIED_MAX: u32 = 32;

tokio::task_local! {
    /// The trace that the work of this task belongs to.
    static CURRENT: Arc<Trace>;
}

/// Which span of which trace. Its text is both in hexadecimal with a `-` between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId {
    /// The trace; not 0.
    pub trace: u128,
    /// The span; not 0.
    pub span: u64,
}

/// What a request says of the trace that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The span of whoever asks.
    pub parent: SpanId,
    /// Whether spans are told of.
    pub is_sampled: bool,
}

impl Context {
    /// Reads a `traceparent`. One that is not as it has to be is none (section 3.2). Of a higher version the parts that there are
    /// in this one are read (section 4.3).
    pub fn read(traceparent: &str) -> Option<Context> {
        let (version, rest) = traceparent.split_at_checked(2)?;
        let rest = rest.strip_prefix('-')?;
        let (ids, rest) = rest.split_at_checked(49)?;
        let (flags, rest) = rest.strip_prefix('-')?.split_at_checked(2)?;
        let (version, flags) = (hexadecimal(version)?, hexadecimal(flags)?);
        let has_end = rest.is_empty() || version > 0 && rest.starts_with('-');
        if version == 0xff || !has_end {
            return None;
        }
        let is_sampled = u8::try_from(flags).is_ok_and(|flags| flags & SAMPLED != 0);
        Some(Context { parent: ids.parse().ok()?, is_sampled })
    }
}

fn hexadecimal(text: &str) -> Option<u128> {
    let is_lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_lower { u128::from_str_radix(text, 16).ok() } else { None }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}-{:016x}", self.trace, self.span)
    }
}

impl FromStr for SpanId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<SpanId, &'static str> {
        let read = || {
            let (trace, span) = text.split_at_checked(32)?;
            let span = span.strip_prefix('-').filter(|span| span.len() == 16)?;
            let (trace, span) = (hexadecimal(trace)?, u64::try_from(hexadecimal(span)?).ok()?);
            (trace != 0 && span != 0).then_some(SpanId { trace, span })
        };
        read().ok_or("it is no identifier of a trace with one of a span")
    }
}

/// What a span tells beside its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A text that is not from outside.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

/// What kind of work it was (OpenTelemetry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A part of the server's work.
    Internal = 1,
    /// What a client has asked for.
    Server = 2,
    /// A request of the server.
    Client = 3,
    /// Something that others are told of.
    Producer = 4,
}

/// Work that was done.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its own identifier.
    pub id: SpanId,
    /// The span that it is a part of; 0 for none.
    pub parent: u64,
    /// What it is called.
    pub name: Cow<'static, str>,
    /// What kind of work.
    pub kind: Kind,
    /// When it began and ended.
    pub time: (Timestamp, Timestamp),
    /// What else is told.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Whether it failed for a reason that is not its client's.
    pub has_failed: bool,
}

/// Where spans go. Putting one there never waits.
#[derive(Debug)]
pub struct Sink {
    queue: mpsc::Sender<Span>,
    clock: Clock,
    /// Of as many traces that nobody else has begun, out of a million, spans are told.
    per_million: u32,
    counts: Arc<Counts>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct Counts {
    /// Those that found no room, or whose collector did not take them.
    pub dropped: Counter,
    /// Those that their collector took.
    pub exported: Counter,
}

impl Sink {
    /// One with room for so many spans, and the other end.
    pub fn new(
        clock: Clock,
        per_million: u32,
        room: usize,
        counts: Arc<Counts>,
    ) -> (Arc<Sink>, mpsc::Receiver<Span>) {
        let (queue, spans) = mpsc::channel(room.max(1));
        (Arc::new(Sink { queue, clock, per_million, counts }), spans)
    }

    fn put(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.counts.dropped.count();
        }
    }

    fn takes(&self, trace: u128) -> bool {
        // The lower half of a new identifier is random.
        (trace as u64 >> 8) % 1_000_000 < u64::from(self.per_million)
    }
}

/// Where spans go at present. Copies are the same.
#[derive(Clone, Debug, Default)]
pub struct Spans(Arc<ArcSwapOption<Sink>>);

impl Spans {
    /// Where they go; `None`: they are not told of.
    pub fn sink(&self) -> Option<Arc<Sink>> {
        self.0.load_full()
    }

    /// Sends them there from now on.
    pub fn go_to(&self, sink: Option<Arc<Sink>>) {
        self.0.store(sink);
    }
}

/// The trace of a request that is being answered.
#[derive(Debug)]
pub struct Trace {
    /// The span of the request; without a sink it is that of whoever asks.
    id: SpanId,
    parent: u64,
    /// What the request says.
    is_sampled: bool,
    /// Whether spans are told of.
    is_told: AtomicBool,
    sink: Option<Arc<Sink>>,
    since: Timestamp,
    /// When it was put into the queue of the writer, and answered there, in microseconds since the epoch; 0: not.
    queued: AtomicI64,
    answered: AtomicI64,
    /// How many subscribers were told of it.
    notified: AtomicU32,
}

impl Trace {
    /// That of a request which says so much. `None`: it says nothing, and spans are not told of. That it is sampled counts as
    /// much as the ratio until [`Self::trust`] says more: anybody may have sent it.
    pub fn begin(context: Option<Context>, sink: Option<&Arc<Sink>>) -> Option<Arc<Trace>> {
        if context.is_none() && sink.is_none() {
            return None;
        }
        let new = uuid::Uuid::new_v4().as_u128();
        let is_taken = sink.is_some_and(|sink| sink.takes(new));
        let id = match (&context, sink) {
            (Some(context), None) => context.parent,
            (Some(context), Some(_)) => SpanId { span: new_span(), ..context.parent },
            (None, _) if is_taken => SpanId { trace: new, span: new_span() },
            (None, _) => return None,
        };
        let parent = context.as_ref().map_or(0, |context| context.parent.span);
        let is_sampled = context.is_none_or(|context| context.is_sampled);
        let since = sink.map_or(Timestamp::EPOCH, |sink| sink.clock.now());
        let (is_told, sink) = (AtomicBool::new(is_sampled && is_taken), sink.cloned());
        let (queued, answered, notified) = Default::default();
        Some(Arc::new(Trace { id, parent, is_sampled, is_told, sink, since, queued, answered, notified }))
    }

    /// The trace and the span, as they are kept and handed on.
    pub fn id(&self) -> SpanId {
        self.id
    }

    /// The value of `traceparent` for what is asked of others for this, and for the answer.
    pub fn traceparent(&self) -> String {
        let is_sampled = if self.sink.is_some() { self.sink().is_some() } else { self.is_sampled };
        format!("00-{}-{:02x}", self.id, if is_sampled { SAMPLED } else { 0 })
    }

    /// Whoever asks is a user of the server: what the request says of its being sampled counts.
    pub fn trust(&self) {
        self.is_told.fetch_or(self.is_sampled && self.sink.is_some(), Relaxed);
    }

    /// The time, if spans are told of.
    pub fn now(&self) -> Option<Timestamp> {
        self.sink().map(|sink| sink.clock.now())
    }

    fn sink(&self) -> Option<&Arc<Sink>> {
        self.sink.as_ref().filter(|_| self.is_told.load(Relaxed))
    }

    /// It waits for the writer.
    pub fn queued(&self) {
        if let Some(now) = self.now() {
            self.queued.store(now.as_micros(), Relaxed);
        }
    }

    /// The writer has begun with it; tells how long it waited, and when that was.
    pub fn taken(&self) -> Option<Timestamp> {
        let now = self.now()?;
        let queued = self.queued.swap(0, Relaxed);
        if let Some(queued) = Timestamp::from_micros(queued).filter(|_| queued != 0) {
            self.part("writer.wait", (queued, now), Vec::new());
        }
        Some(now)
    }

    /// The writer has answered it.
    pub fn answered(&self) {
        if let Some(now) = self.now() {
            self.answered.store(now.as_micros(), Relaxed);
        }
    }

    /// A subscriber gets what came of it at that time; it is told of the first ones alone.
    pub fn notified(&self, at: Timestamp) {
        if let Some(now) = self.now()
            && self.notified.fetch_add(1, Relaxed) < NOTIFIED_MAX
        {
            self.part("notify", (at, now), Vec::new());
        }
    }

    /// A part of the work was done.
    pub fn part(
        &self,
        name: &'static str,
        time: (Timestamp, Timestamp),
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        self.outcome(name, time, attributes, false);
    }

    /// A part of the work was done, or has failed.
    pub fn outcome(
        &self,
        name: &'static str,
        time: (Timestamp, Timestamp),
        attributes: Vec<(&'static str, Attribute)>,
        has_failed: bool,
    ) {
        if let Some(sink) = self.sink() {
            let id = SpanId { span: new_span(), ..self.id };
            let (parent, name, kind) = (self.id.span, name.into(), Kind::Internal);
            sink.put(Span { id, parent, name, kind, time, attributes, has_failed });
        }
    }

    /// The answer begins to be sent. `tell` is asked for name and attributes if anybody wants them.
    pub fn end(
        &self,
        has_failed: bool,
        tell: impl FnOnce() -> (Cow<'static, str>, Vec<(&'static str, Attribute)>),
    ) {
        let (Some(sink), Some(now)) = (self.sink(), self.now()) else { return };
        let answered = self.answered.load(Relaxed);
        if let Some(answered) = Timestamp::from_micros(answered).filter(|_| answered != 0) {
            self.part("answer", (answered, now), Vec::new());
        }
        let (name, attributes) = tell();
        let (id, parent, time) = (self.id, self.parent, (self.since, now));
        sink.put(Span { id, parent, name, kind: Kind::Server, time, attributes, has_failed });
    }
}

/// The trace that something is done for. It makes no difference to what is equal.
#[derive(Clone, Debug, Default)]
pub struct Traced(pub Option<Arc<Trace>>);

impl PartialEq for Traced {
    fn eq(&self, _: &Traced) -> bool {
        true
    }
}

impl Eq for Traced {}

fn new_span() -> u64 {
    // The variant is among these bits, so it is not 0.
    uuid::Uuid::new_v4().as_u128() as u64
}

/// An extension of the answer: what the path of its request names was found, so the path is one of this server.
#[derive(Clone, Copy, Debug)]
pub struct Resolved;

/// Does work for a trace, if there is one.
pub async fn within<F: Future>(trace: Option<Arc<Trace>>, work: F) -> F::Output {
    match trace {
        Some(trace) => CURRENT.scope(trace, work).await,
        None => work.await,
    }
}

/// The same of work that does not wait.
pub fn beside<T>(trace: &Option<Arc<Trace>>, work: impl FnOnce() -> T) -> T {
    match trace {
        Some(trace) => CURRENT.sync_scope(Arc::clone(trace), work),
        None => work(),
    }
}

/// The trace that is worked for.
pub fn current() -> Option<Arc<Trace>> {
    CURRENT.try_with(Arc::clone).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(traceparent: &str) -> Option<Context> {
        Context::read(traceparent)
    }

    #[test]
    fn w3c_trace_context_section_3_2_a_traceparent_that_is_wrong_is_none() {
        let context = read(PARENT).unwrap();
        assert!(context.is_sampled);
        assert_eq!(context.parent.to_string(), &PARENT[3..52]);
        assert!(!read(&PARENT.replace("-01", "-02")).unwrap().is_sampled);
        let zero = "0".repeat(16);
        for wrong in [
            "",
            "00",
            &PARENT[..54],
            &format!("{PARENT}-x"),
            &format!("{PARENT} "),
            &PARENT.to_uppercase(),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replacen("00", "0x", 1),
            &PARENT.replace("00f067aa0ba902b7", &zero),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zero.repeat(2)),
            &PARENT.replace("-01", "-1g"),
            &PARENT.replacen('-', "_", 1),
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011é",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn w3c_trace_context_section_4_3_of_a_higher_version_what_is_known_is_read() {
        let higher = PARENT.replacen("00", "cc", 1);
        assert_eq!(read(&higher), read(PARENT));
        assert_eq!(read(&format!("{higher}-more")), read(PARENT));
        assert_eq!(read(&format!("{higher}.more")), None);
    }

    #[test]
    fn spans_that_find_no_room_are_counted_and_nobody_waits() {
        let clock = crate::clock::ManualClock::new(Timestamp::EPOCH);
        let counts = Arc::<Counts>::default();
        let (sink, mut spans) = Sink::new(clock.clock(), 1_000_000, 1, Arc::clone(&counts));
        let trace = Trace::begin(read(PARENT), Some(&sink)).unwrap();
        trace.trust();
        trace.queued();
        let decided = trace.taken().unwrap();
        trace.part("decide", (decided, decided), Vec::new());
        trace.end(false, || ("GET".into(), Vec::new()));
        assert_eq!(counts.dropped.get(), 1, "the time 0 stands for none, so there are two");
        let first = spans.try_recv().unwrap();
        assert_eq!((first.parent, first.id.trace), (trace.id().span, trace.id().trace));
    }

    #[test]
    fn without_a_sink_a_context_is_handed_on_and_nothing_is_made_of_none() {
        assert!(Trace::begin(None, None).is_none());
        let trace = Trace::begin(read(PARENT), None).unwrap();
        assert_eq!(trace.traceparent(), PARENT);
        let clock = crate::clock::ManualClock::new(Timestamp::EPOCH);
        let (sink, mut spans) = Sink::new(clock.clock(), 0, 9, Arc::default());
        assert!(Trace::begin(None, Some(&sink)).is_none(), "none is sampled");
        // Anybody can say that it is sampled; that of a user counts.
        let claimed = Trace::begin(read(PARENT), Some(&sink)).unwrap();
        assert!(claimed.now().is_none() && claimed.traceparent().ends_with("-00"));
        claimed.trust();
        assert!(claimed.now().is_some() && claimed.traceparent().ends_with("-01"));
        let unsampled = Trace::begin(read(&PARENT.replace("-01", "-00")), Some(&sink)).unwrap();
        unsampled.trust();
        unsampled.end(false, || ("GET".into(), Vec::new()));
        assert!(spans.try_recv().is_err() && unsampled.traceparent().ends_with("-00"));
    }
}
