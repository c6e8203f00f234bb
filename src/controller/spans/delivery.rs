//! Spans of a delivery, from the change that it was decided on to its end.
//!
//! The trace of a delivery has its UUID as id, and its root and attempts have ids that follow from it: any process that works on the row can
//! continue the trace, and nothing of it is stored. The look that decided it is a trace of its own, since it may decide many; each row has a
//! link to it. The root is told when the delivery ends: it lasts from the decision, or from a replay, to then.
//!
//! ```text
//! look ─ decide, commit            one Application's change
//!          ▲ link
//! notification ─ row, claim, attempt ─ POST, claim, attempt ─ POST, …
//! ```

use super::{Place, addressed, nanos, now};
use crate::notify::{ObjectId, Occurrence};
use crate::outbox::{Attempt, Change, Claimed, Committed, Delivery, DeliveryId, Event, Observer, State, Verdict};
use crate::trace::{Span, SpanId, Trace, TraceId, Tracer};
use std::sync::Arc;
use std::time::Instant;

/// When a look began; made only where spans are.
#[derive(Debug, Clone, Copy)]
pub(in crate::controller) struct Began {
    /// The change was received.
    change: u64,
    /// The look began.
    look: u64,
}

impl Began {
    /// A look at what was received then begins now.
    pub fn now(tracer: &Tracer, received: Instant) -> Option<Self> {
        tracer.is_on().then(|| {
            let look = now();
            let waited = u64::try_from(received.elapsed().as_nanos()).unwrap_or(0);
            Self { change: look.saturating_sub(waited), look }
        })
    }
}

/// Deliveries that are being made durable.
pub(in crate::controller) struct Rows {
    began: Began,
    commit: u64,
    rows: Vec<Row>,
}

/// One of them, before it has an id.
struct Row {
    occurrence: Occurrence,
    kind: String,
    /// Dead on arrival, and why.
    dead: Option<&'static str>,
}

impl Rows {
    /// What of these changes is a delivery; the commit begins now.
    pub fn of(began: Began, changes: &[Change]) -> Self {
        let rows = changes.iter().filter_map(|change| match change {
            Change::Deliver(new) => Some(Row {
                occurrence: new.occurrence.clone(),
                kind: new.service_kind.clone(),
                dead: new.dead.map(|dead| dead.as_str()),
            }),
            _ => None,
        });
        Self { began, rows: rows.collect(), commit: now() }
    }

    /// They were committed with this time: their rows, and the look.
    pub fn tell(self, tracer: &Tracer, object: &ObjectId, now_ms: i64, committed: &Committed) {
        for id in &committed.superseded {
            superseded(tracer, *id);
        }
        let end = now();
        let made = self.rows.iter().zip(&committed.ids).filter(|(_, id)| !committed.adopted.contains(id));
        let traced: Vec<_> = made.filter_map(|(row, id)| Some((row, *id, trace(tracer, *id)?))).collect();
        let Some((_, _, first)) = traced.first() else { return };
        let look = tracer.begin_beside(first);
        let [root, decide, commit] = [SpanId::random(), SpanId::random(), SpanId::random()];
        let mut committing = look.span(commit, "commit").under(root).during(self.commit, end);
        for (row, id, trace) in &traced {
            let above = self::root(*id, now_ms);
            committing = committing.linked(trace, above);
            let span = trace.span(SpanId::random(), "row").under(above).during(self.commit, end);
            trace.tell(about(span.linked(&look, root), *id, &row.occurrence, &row.kind));
            if let Some(why) = row.dead {
                let (id, state, occurrence, kind) = (*id, State::Dead, &row.occurrence, row.kind.as_str());
                trace.tell(End { id, since_ms: now_ms, at: end, state, why, occurrence, kind }.span(trace));
            }
        }
        look.tell(look.span(decide, "decide").under(root).during(self.began.look, self.commit));
        look.tell(committing);
        let span = look.span(root, "look").during(self.began.change, end);
        look.tell(of_object(span, object).number("gatepost.deliveries", count(self.rows.len())));
    }
}

/// Watches a dispatcher for the sake of spans, before somebody else.
pub struct SpanObserver {
    others: Arc<dyn Observer>,
    tracer: Tracer,
}

impl SpanObserver {
    /// An observer before another; the other itself where there are no spans.
    #[must_use]
    pub fn before(others: Arc<dyn Observer>, tracer: &Tracer) -> Arc<dyn Observer> {
        match tracer.is_on() {
            true => Arc::new(Self { others, tracer: tracer.clone() }),
            false => others,
        }
    }

    fn claimed(&self, claimed: &Claimed, at_ms: i64) {
        let delivery = &claimed.delivery;
        let Some(trace) = trace(&self.tracer, delivery.id) else { return };
        let waited_from = delivery.due_ms.max(delivery.since_ms).min(at_ms);
        let span = trace.span(SpanId::random(), "claim").under(root(delivery.id, delivery.since_ms));
        let span = span.during(nanos(waited_from), nanos(at_ms));
        trace.tell(span.number("gatepost.attempt", i64::from(delivery.attempts) + 1));
    }

    fn attempted(&self, delivery: &Delivery, attempt: &Attempt, verdict: &Verdict, state: State) {
        let Some(trace) = trace(&self.tracer, delivery.id) else { return };
        if let Some(class) = class(verdict) {
            let number = delivery.attempts.saturating_add(1);
            let end_ms = attempt.at_ms.saturating_add_unsigned(attempt.duration_ms);
            let span = trace.span(attempt_id(delivery.id, number), "attempt");
            let span = span.under(root(delivery.id, delivery.since_ms)).during(nanos(attempt.at_ms), nanos(end_ms));
            let span = addressed(span, &attempt.target).number("gatepost.attempt", i64::from(number));
            let span = span.text("gatepost.state", state.as_str());
            trace.tell(match class {
                "" => span,
                class => span.text("error.type", class).failed(&attempt.reason),
            });
        }
        if !state.is_open() {
            let why = if state == State::Dead { attempt.reason.as_str() } else { "" };
            let Delivery { id, since_ms, occurrence, service_kind, .. } = delivery;
            let (id, since_ms, kind) = (*id, *since_ms, service_kind.as_str());
            trace.tell(End { id, since_ms, at: now(), state, why, occurrence, kind }.span(&trace));
        }
    }
}

impl Observer for SpanObserver {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Claimed { rows, at_ms } => rows.iter().for_each(|row| self.claimed(row, *at_ms)),
            Event::Attempted { delivery, attempt, verdict, state, .. } => {
                self.attempted(delivery, attempt, verdict, *state);
            }
            _ => {}
        }
        self.others.observe(event);
    }
}

/// The attempt that is made of a claimed delivery now, for the requests below it.
pub(in crate::controller) fn attempt(tracer: &Tracer, claimed: &Claimed) -> Option<Place> {
    let delivery = &claimed.delivery;
    let trace = trace(tracer, delivery.id)?;
    Some(Place { trace, span: attempt_id(delivery.id, delivery.attempts.saturating_add(1)) })
}

fn trace(tracer: &Tracer, id: DeliveryId) -> Option<Trace> {
    tracer.trace(TraceId::of_uuid(*id.as_bytes()))
}

/// A delivery that is replayed has another root in the same trace.
fn root(id: DeliveryId, since_ms: i64) -> SpanId {
    SpanId::derived(&[id.as_bytes(), b"notification", &since_ms.to_be_bytes()])
}

fn attempt_id(id: DeliveryId, number: u32) -> SpanId {
    SpanId::derived(&[id.as_bytes(), b"attempt", &number.to_be_bytes()])
}

/// What is known when a delivery ends.
struct End<'a> {
    id: DeliveryId,
    since_ms: i64,
    at: u64,
    state: State,
    why: &'a str,
    occurrence: &'a Occurrence,
    kind: &'a str,
}

impl End<'_> {
    /// The root of its trace.
    fn span(&self, trace: &Trace) -> Span {
        let span = trace.span(root(self.id, self.since_ms), "notification").during(nanos(self.since_ms), self.at);
        let span = about(of_object(span, &self.occurrence.object), self.id, self.occurrence, self.kind);
        let span = span.text("gatepost.state", self.state.as_str());
        match self.state {
            State::Dead => span.text("error.type", self.state.as_str()).failed(self.why),
            _ => span,
        }
    }
}

/// A newer one took its place before it was sent. Only the id is known of it.
fn superseded(tracer: &Tracer, id: DeliveryId) {
    if let Some(trace) = trace(tracer, id) {
        let span = trace.span(root(id, id.created_ms()), "notification").during(nanos(id.created_ms()), now());
        let span = span.text("gatepost.delivery.id", &id.to_string());
        trace.tell(span.text("gatepost.state", State::Superseded.as_str()));
    }
}

/// Recipients are left out: they may be people.
fn about(span: Span, id: DeliveryId, occurrence: &Occurrence, kind: &str) -> Span {
    span.text("gatepost.delivery.id", &id.to_string())
        .text("gatepost.trigger", &occurrence.trigger)
        .text("gatepost.service", &occurrence.destination.service)
        .text("gatepost.service.kind", kind)
        .text("gatepost.config.namespace", &occurrence.config_namespace)
}

fn of_object(span: Span, object: &ObjectId) -> Span {
    span.text("k8s.namespace.name", &object.namespace)
        .text("gatepost.object.name", &object.name)
        .text("gatepost.object.uid", &object.uid)
}

/// What an attempt came to: empty where it was delivered, none where nothing was tried.
const fn class(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Delivered { .. } => Some(""),
        Verdict::Retry { .. } => Some("retry"),
        Verdict::SlowRetry { .. } => Some("slow_retry"),
        Verdict::Credentials { .. } => Some("credentials"),
        Verdict::Permanent { .. } => Some("rejected"),
        Verdict::Unknown { .. } => Some("unknown_outcome"),
        Verdict::Gone { .. } => Some("gone"),
        Verdict::TakenOver { .. } | Verdict::NotReady { .. } => None,
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
