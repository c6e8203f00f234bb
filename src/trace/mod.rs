//! Traces: what was done, as spans for a collector that speaks OTLP. A leaf room: it knows ids, names and times, nothing of what they mean.
//!
//! Off unless somebody names a collector; then a [`Tracer`] is empty and nothing is made. A span is made when what it tells of is over, as one
//! value, and waits in a bounded queue. What does not fit is counted and dropped: nobody ever waits for a collector. No span may hold a URL's
//! path or query, a header, a body or a credential.

mod export;
mod ids;
mod wire;

pub use export::{Collector, Exporter, Refusal};
pub use ids::{Sampling, SpanId, TraceId};

use prometheus::IntCounterVec;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Spans that wait for the collector. About a kilobyte each: what lies here while a collector is away stays small.
const QUEUE: usize = 4096;
/// Bytes of a text attribute or of an error that are kept.
const TEXT_MAX: usize = 512;
/// Flags of W3C Trace Context: sampled, and a random id.
const SAMPLED: u32 = 0x01;

/// Where spans are told. Cheap to clone; empty where tracing is off.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

struct Inner {
    sampling: Sampling,
    propagates: bool,
    queue: mpsc::Sender<Span>,
    told: IntCounterVec,
}

impl Tracer {
    /// A tracer and what takes its spans to a collector. `told` counts spans by `result`; with `propagates` those who are asked are told the trace.
    #[must_use]
    pub fn new(sampling: Sampling, propagates: bool, told: IntCounterVec) -> (Self, Exporter) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let exporter = Exporter::new(waiting, told.clone());
        (Self(Some(Arc::new(Inner { sampling, propagates, queue, told }))), exporter)
    }

    /// Whether anything is recorded at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The trace of this id, if it is recorded.
    #[must_use]
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        let inner = self.0.as_ref()?;
        inner.sampling.takes(id).then(|| Trace { inner: Arc::clone(inner), id })
    }

    /// A new trace, if it is recorded.
    #[must_use]
    pub fn begin(&self) -> Option<Trace> {
        self.is_on().then(TraceId::random).and_then(|id| self.trace(id))
    }

    /// A new trace that is recorded because something else is that points to it.
    #[must_use]
    pub fn begin_beside(&self, other: &Trace) -> Trace {
        Trace { inner: Arc::clone(&other.inner), id: TraceId::random() }
    }
}

/// A trace that is recorded.
#[derive(Clone)]
pub struct Trace {
    inner: Arc<Inner>,
    id: TraceId,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.id).finish()
    }
}

impl Trace {
    /// A span of this trace, without parent.
    #[must_use]
    pub fn span(&self, id: SpanId, name: impl Into<String>) -> Span {
        Span(wire::Span {
            trace_id: self.id.bytes(),
            span_id: id.bytes(),
            name: name.into(),
            kind: Kind::Internal as i32,
            flags: SAMPLED,
            ..wire::Span::default()
        })
    }

    /// Hands a span to the collector, or drops it where too many wait.
    pub fn tell(&self, span: Span) {
        if self.inner.queue.try_send(span).is_err() {
            self.inner.told.with_label_values(&["dropped"]).inc();
        }
    }

    /// The value of the header `traceparent` under this span; none where those outside are not to be told.
    #[must_use]
    pub fn traceparent(&self, span: SpanId) -> Option<String> {
        self.inner.propagates.then(|| format!("00-{}-{span}-{SAMPLED:02x}", self.id))
    }
}

/// Who waits for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Within the process.
    Internal = 1,
    /// Somebody outside was asked.
    Client = 3,
}

/// One span, made when it is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Span(wire::Span);

impl Span {
    /// Under this span of the same trace.
    #[must_use]
    pub fn under(mut self, parent: SpanId) -> Self {
        self.0.parent_span_id = parent.bytes();
        self
    }

    /// Who waits for whom.
    #[must_use]
    pub const fn kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind as i32;
        self
    }

    /// When it was, Unix nanoseconds. An end before the start is the start: the wall clock may have been set back.
    #[must_use]
    pub fn during(mut self, start: u64, end: u64) -> Self {
        (self.0.start_time_unix_nano, self.0.end_time_unix_nano) = (start, end.max(start));
        self
    }

    /// A text about it; an empty one says nothing.
    #[must_use]
    pub fn text(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.attributes.push(attribute(key, wire::Value::Text(clipped(value))));
        }
        self
    }

    /// A number about it.
    #[must_use]
    pub fn number(mut self, key: &str, value: i64) -> Self {
        self.0.attributes.push(attribute(key, wire::Value::Number(value)));
        self
    }

    /// It has to do with a span of another trace.
    #[must_use]
    pub fn linked(mut self, trace: &Trace, span: SpanId) -> Self {
        self.0.links.push(wire::Link { trace_id: trace.id.bytes(), span_id: span.bytes() });
        self
    }

    /// It failed, for this reason; the text must be one that may be shown.
    #[must_use]
    pub fn failed(mut self, why: &str) -> Self {
        self.0.status = Some(wire::Status { code: 2, message: clipped(why) });
        self
    }
}

fn attribute(key: &str, value: wire::Value) -> wire::KeyValue {
    wire::KeyValue { key: key.to_owned(), value: Some(wire::AnyValue { value: Some(value) }) }
}

fn clipped(text: &str) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= TEXT_MAX).last().unwrap_or(0);
    let end = if text.len() <= TEXT_MAX { text.len() } else { end };
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use prometheus::Opts;

    fn counter() -> IntCounterVec {
        IntCounterVec::new(Opts::new("spans", "Spans."), &["result"]).unwrap()
    }

    #[test]
    fn without_a_collector_nothing_is_made() {
        let tracer = Tracer::default();
        assert!(!tracer.is_on() && tracer.begin().is_none() && tracer.trace(TraceId::random()).is_none());
    }

    #[test]
    fn what_does_not_fit_is_counted_and_dropped() {
        let told = counter();
        let (tracer, _exporter) = Tracer::new(Sampling::of(1.0), false, told.clone());
        let trace = tracer.begin().unwrap();
        for _ in 0..QUEUE + 7 {
            trace.tell(trace.span(SpanId::random(), "x"));
        }
        assert_eq!(told.with_label_values(&["dropped"]).get(), 7);
    }

    #[test]
    fn those_outside_are_told_only_where_that_is_wanted() {
        let of = |propagates| Tracer::new(Sampling::of(1.0), propagates, counter()).0.begin().unwrap();
        assert_eq!(of(false).traceparent(SpanId::random()), None);
        let (trace, span) = (of(true), SpanId::derived(&[b"x"]));
        assert_eq!(trace.traceparent(span).unwrap(), format!("00-{}-{span}-01", trace.id));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(clipped("short"), "short");
        assert_eq!(clipped(&"é".repeat(TEXT_MAX)).len(), TEXT_MAX);
        assert_eq!(clipped(&format!("a{}", "é".repeat(TEXT_MAX))).len(), TEXT_MAX - 1);
    }

    #[test]
    fn a_span_never_ends_before_it_began() {
        let trace = Tracer::new(Sampling::of(1.0), false, counter()).0.begin().unwrap();
        let span = trace.span(SpanId::random(), "x").during(10, 3);
        assert_eq!((span.0.start_time_unix_nano, span.0.end_time_unix_nano), (10, 10));
    }
}
