//! Spans of what is done: which parts of the work are spans, what they are called and what they say.
//!
//! Names and attributes follow OpenTelemetry's semantic conventions; what these do not know begins with `gatepost.`. Of a URL a span has
//! scheme, host and port. Nothing here decides or does anything, and nothing is made where tracing is off.

mod call;
mod delivery;
mod gate;

pub(super) use call::{Call, Ended};
pub use delivery::SpanObserver;
pub(super) use delivery::{Began, Rows, attempt};
pub(super) use gate::Look;

use crate::clock;
use crate::trace::{Span, SpanId, Trace};

/// A span of a trace, for what is below it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    trace: Trace,
    span: SpanId,
}

impl Place {
    /// A new span below this one.
    fn child(&self, id: SpanId, name: impl Into<String>) -> Span {
        self.trace.span(id, name).under(self.span)
    }
}

/// Now, in the unit of spans.
pub(super) fn now() -> u64 {
    clock::now().unix_nanos()
}

/// A stored time in the unit of spans.
fn nanos(millis: i64) -> u64 {
    millis.max(0).unsigned_abs().saturating_mul(1_000_000)
}

/// Scheme, host and port of a URL as attributes.
fn addressed(span: Span, url: &str) -> Span {
    let Ok(url) = url::Url::parse(url) else { return span };
    let span = span.text("url.scheme", url.scheme()).text("server.address", url.host_str().unwrap_or_default());
    match url.port_or_known_default() {
        Some(port) => span.number("server.port", i64::from(port)),
        None => span,
    }
}
