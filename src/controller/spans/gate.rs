//! Spans of a gate: one look with the questions that it asked and what it wrote. A look that did nothing is not told.

use super::{Call, Place, now};
use crate::controller::gate::ask::Question;
use crate::trace::{Kind, Span, SpanId, Tracer};
use serde_json::Value as Json;
use std::sync::atomic::{AtomicBool, Ordering};

/// One look at a gate.
pub(in crate::controller) struct Look {
    place: Place,
    began: u64,
    /// Whether there is anything to tell.
    did: AtomicBool,
}

impl Look {
    /// A look begins now; none where it is not recorded.
    pub fn begin(tracer: &Tracer) -> Option<Self> {
        let trace = tracer.begin()?;
        let place = Place { trace, span: SpanId::random() };
        Some(Self { place, began: now(), did: AtomicBool::new(false) })
    }

    /// A question goes out.
    pub fn asks(&self, question: &mut Question) -> Call {
        self.did.store(true, Ordering::Relaxed);
        Call::of_question(&self.place, question)
    }

    /// A CommitStatus was written, begun then, or was to be.
    pub fn applied(&self, wanted: &Json, began: u64, result: Result<(), &str>) {
        let text = |path: &str| wanted.pointer(path).and_then(Json::as_str).unwrap_or_default();
        let span = self.wrote("apply CommitStatus", began, result);
        let span = span.text("k8s.namespace.name", text("/metadata/namespace"));
        let span = span.text("gatepost.commit_status.name", text("/metadata/name"));
        let span = span.text("gatepost.commit_status.phase", text("/spec/phase"));
        self.place.trace.tell(span.text("vcs.ref.head.revision", text("/spec/sha")));
    }

    /// The gate's status was written, begun then.
    pub fn status_written(&self, began: u64) {
        let span = self.wrote("write status", began, Ok(()));
        self.place.trace.tell(span);
    }

    fn wrote(&self, name: &str, began: u64, result: Result<(), &str>) -> Span {
        self.did.store(true, Ordering::Relaxed);
        let span = self.place.child(SpanId::random(), name).kind(Kind::Client).during(began, now());
        match result {
            Ok(()) => span,
            Err(why) => span.text("error.type", "kubernetes").failed(why),
        }
    }

    /// The look is over.
    pub fn end(self, kind: &str, namespace: &str, name: &str, trouble: Option<&str>) {
        if !self.did.load(Ordering::Relaxed) {
            return;
        }
        let span = self.place.trace.span(self.place.span, "look").during(self.began, now());
        let span = span.text("k8s.namespace.name", namespace).text("gatepost.gate.kind", kind);
        let span = span.text("gatepost.gate.name", name);
        self.place.trace.tell(match trouble {
            None => span,
            Some(why) => span.text("error.type", "trouble").failed(why),
        });
    }
}
