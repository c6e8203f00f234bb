//! Takes spans to the collector, many in one request.
//!
//! One task. A collector that does not answer is asked again a few times, meanwhile new spans wait in their bounded queue; then the request is
//! lost and counted. It is said in the log once that spans are lost, and once that they are taken again.

use super::wire::{self, ExportRequest, ExportResponse, ResourceSpans, Scope, ScopeSpans};
use super::{Span, attribute};
use async_trait::async_trait;
use bytes::Bytes;
use prometheus::IntCounterVec;
use prost::Message as _;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Spans in one request.
const BATCH: usize = 512;
/// How quickly spans go.
const PACE: Pace = Pace {
    gather: Duration::from_secs(1),
    again: [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)],
    last: Duration::from_secs(2),
};
/// The version of the semantic conventions that attributes follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Why spans were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Perhaps later: nobody there, overload.
    #[error("{0}")]
    Later(String),
    /// Not these, however often.
    #[error("{0}")]
    Never(String),
}

/// Who takes spans.
#[async_trait]
pub trait Collector: Send + Sync + 'static {
    /// Takes one request (`ExportTraceServiceRequest`); answers with what the collector said (`ExportTraceServiceResponse`).
    ///
    /// # Errors
    /// It did not take them.
    async fn take(&self, request: Bytes) -> Result<Bytes, Refusal>;
}

/// How quickly spans go.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long a first span waits for others.
    gather: Duration,
    /// Pauses before the same spans are sent again.
    again: [Duration; 3],
    /// How long the last request may take when the process ends.
    last: Duration,
}

/// The other end of a [`super::Tracer`].
pub struct Exporter {
    waiting: mpsc::Receiver<Span>,
    told: IntCounterVec,
    pace: Pace,
    /// Whether it was said that spans are lost.
    complained: bool,
}

impl Exporter {
    pub(super) const fn new(waiting: mpsc::Receiver<Span>, told: IntCounterVec) -> Self {
        Self { waiting, told, pace: PACE, complained: false }
    }

    /// Works until `stop`, then sends what waits, once. `resource` says who tells.
    pub async fn run(mut self, collector: impl Collector, resource: Vec<(String, String)>, stop: CancellationToken) {
        let resource = resource_of(resource);
        let mut batch = Vec::with_capacity(BATCH);
        while self.gather(&mut batch, &stop).await {
            self.send(&collector, &resource, &mut batch, &stop).await;
        }
        self.waiting.close();
        while let Ok(span) = self.waiting.try_recv() {
            batch.push(span);
        }
        // All of it in one request: the process ends, and there are not many more than a batch.
        if !batch.is_empty() {
            let last = tokio::time::timeout(self.pace.last, self.try_send(&collector, &resource, &batch)).await;
            let result = if matches!(last, Ok(Ok(()))) { "sent" } else { "lost" };
            self.count(result, batch.len());
        }
    }

    /// Waits for spans; no when there is to be an end.
    async fn gather(&mut self, batch: &mut Vec<Span>, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = stop.cancelled() => return false,
            count = self.waiting.recv_many(batch, BATCH) => if count == 0 { return false },
        }
        let until = Instant::now() + self.pace.gather;
        while batch.len() < BATCH {
            let more = BATCH - batch.len();
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep_until(until) => return true,
                count = self.waiting.recv_many(batch, more) => if count == 0 { return false },
            }
        }
        true
    }

    async fn send(
        &mut self,
        collector: &impl Collector,
        resource: &wire::Resource,
        batch: &mut Vec<Span>,
        stop: &CancellationToken,
    ) {
        let again = self.pace.again;
        let mut pauses = again.iter();
        loop {
            match self.try_send(collector, resource, batch).await {
                Ok(()) => {
                    self.count("sent", batch.len());
                    break batch.clear();
                }
                Err(refusal) => {
                    self.complain(&refusal);
                    let pause = pauses.next().filter(|_| matches!(refusal, Refusal::Later(_)));
                    let Some(pause) = pause else {
                        self.count("lost", batch.len());
                        break batch.clear();
                    };
                    tokio::select! {
                        // The end tries once more.
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(*pause) => {}
                    }
                }
            }
        }
    }

    async fn try_send(
        &mut self,
        collector: &impl Collector,
        resource: &wire::Resource,
        batch: &[Span],
    ) -> Result<(), Refusal> {
        let answer = collector.take(request(resource, batch)).await?;
        // What cannot be read says no less than an empty answer: they were taken.
        let partial = ExportResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
        if let Some(partial) = partial.filter(|partial| partial.rejected_spans > 0) {
            tracing::warn!(
                rejected = partial.rejected_spans,
                why = partial.error_message,
                "the collector refused some spans"
            );
        }
        if std::mem::take(&mut self.complained) {
            tracing::info!("the collector takes spans again");
        }
        Ok(())
    }

    fn complain(&mut self, refusal: &Refusal) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(cause = %refusal, "the collector of traces takes no spans; they are lost until it does, and nothing else is");
        }
    }

    fn count(&self, result: &str, spans: usize) {
        self.told.with_label_values(&[result]).inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
    }
}

fn resource_of(attributes: Vec<(String, String)>) -> wire::Resource {
    let attributes = attributes.into_iter().map(|(key, value)| attribute(&key, wire::Value::Text(value)));
    wire::Resource { attributes: attributes.collect() }
}

fn request(resource: &wire::Resource, batch: &[Span]) -> Bytes {
    let scope = Scope { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let spans = batch.iter().map(|span| span.0.clone()).collect();
    let request = ExportRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
            schema_url: SCHEMA.to_owned(),
        }],
    };
    Bytes::from(request.encode_to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::{Sampling, SpanId, Tracer};
    use super::*;
    use prometheus::Opts;
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    /// Answers by a script, then takes all.
    #[derive(Clone, Default)]
    struct Scripted {
        answers: Arc<Mutex<VecDeque<Refusal>>>,
        taken: Arc<Mutex<Vec<usize>>>,
    }

    #[async_trait]
    impl Collector for Scripted {
        async fn take(&self, request: Bytes) -> Result<Bytes, Refusal> {
            if let Some(refusal) = self.answers.lock().unwrap().pop_front() {
                return Err(refusal);
            }
            let request = ExportRequest::decode(request).unwrap();
            let spans = &request.resource_spans[0].scope_spans[0].spans;
            self.taken.lock().unwrap().push(spans.len());
            Ok(Bytes::new())
        }
    }

    struct Scene {
        told: IntCounterVec,
        stop: CancellationToken,
        running: tokio::task::JoinHandle<()>,
        tracer: Tracer,
    }

    fn scene(collector: Scripted) -> Scene {
        let told = IntCounterVec::new(Opts::new("spans", "Spans."), &["result"]).unwrap();
        let (tracer, mut exporter) = Tracer::new(Sampling::of(1.0), false, told.clone());
        let moment = Duration::from_millis(5);
        exporter.pace = Pace { gather: moment, again: [moment; 3], last: Duration::from_secs(60) };
        let stop = CancellationToken::new();
        let running = tokio::spawn(exporter.run(collector, vec![("service.name".into(), "g".into())], stop.clone()));
        Scene { told, stop, running, tracer }
    }

    impl Scene {
        fn tell(&self, count: usize) {
            let trace = self.tracer.begin().unwrap();
            (0..count).for_each(|_| trace.tell(trace.span(SpanId::random(), "x")));
        }

        fn count(&self, result: &str) -> u64 {
            self.told.with_label_values(&[result]).get()
        }

        async fn until(&self, result: &str, count: u64) {
            while self.count(result) < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }

        async fn end(self) -> [u64; 2] {
            self.stop.cancel();
            self.running.await.unwrap();
            ["sent", "lost"].map(|result| self.told.with_label_values(&[result]).get())
        }
    }

    fn away(times: usize) -> Scripted {
        let collector = Scripted::default();
        *collector.answers.lock().unwrap() = std::iter::repeat_n(Refusal::Later("503".into()), times).collect();
        collector
    }

    #[tokio::test]
    async fn spans_go_together_and_at_the_end_what_waits_goes_too() {
        let collector = Scripted::default();
        let scene = scene(collector.clone());
        scene.tell(3);
        scene.until("sent", 3).await;
        assert_eq!(*collector.taken.lock().unwrap(), [3]);
        scene.tell(BATCH + 5);
        assert_eq!(scene.end().await, [u64::try_from(BATCH).unwrap() + 8, 0]);
    }

    #[tokio::test]
    async fn a_collector_that_is_away_for_a_moment_costs_nothing() {
        let collector = away(2);
        let scene = scene(collector.clone());
        scene.tell(2);
        scene.until("sent", 2).await;
        assert_eq!(*collector.taken.lock().unwrap(), [2]);
        assert_eq!(scene.end().await, [2, 0]);
    }

    #[tokio::test]
    async fn what_is_refused_for_good_is_not_sent_again() {
        let collector = Scripted::default();
        *collector.answers.lock().unwrap() = [Refusal::Never("400".into())].into();
        let scene = scene(collector.clone());
        scene.tell(2);
        scene.until("lost", 2).await;
        scene.tell(1);
        assert_eq!(scene.end().await, [1, 2]);
    }

    #[tokio::test]
    async fn what_nobody_takes_after_all_tries_is_lost_and_the_next_goes() {
        let collector = away(4);
        let scene = scene(collector.clone());
        scene.tell(4);
        scene.until("lost", 4).await;
        scene.tell(1);
        scene.until("sent", 1).await;
        assert_eq!(scene.end().await, [1, 4]);
    }
}
