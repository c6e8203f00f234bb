//! Where a render writes to: a buffer with a limit, and on demand a record of which bytes came from where.

use crate::node::Id;
use gatepost_value::LimitError;

/// Whether bytes stand in the template or were printed by an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// Text of the template itself.
    Static,
    /// What an action printed.
    Printed,
}

/// Bytes up to `end` that came from one kind of node.
pub(crate) struct Span {
    pub kind: SegmentKind,
    pub node: Id,
    pub end: usize,
}

/// The buffer of one render.
pub(crate) struct Output<'o> {
    bytes: &'o mut Vec<u8>,
    start: usize,
    allowed: u64,
    spans: Option<Vec<Span>>,
}

impl<'o> Output<'o> {
    /// Appends to `bytes`; `recorded` keeps track of where they come from.
    pub(crate) fn new(bytes: &'o mut Vec<u8>, allowed: u64, recorded: bool) -> Self {
        let start = bytes.len();
        Self { bytes, start, allowed, spans: recorded.then(Vec::new) }
    }
    pub(crate) fn write(&mut self, kind: SegmentKind, node: Id, text: &[u8]) -> Result<(), LimitError> {
        self.check(text.len())?;
        self.bytes.extend_from_slice(text);
        self.mark(kind, node);
        Ok(())
    }
    /// Lets `print` append a value's text.
    pub(crate) fn print(
        &mut self,
        node: Id,
        print: impl FnOnce(&mut Vec<u8>) -> Result<(), LimitError>,
    ) -> Result<(), LimitError> {
        print(self.bytes)?;
        self.check(0)?;
        self.mark(SegmentKind::Printed, node);
        Ok(())
    }
    pub(crate) fn into_spans(self) -> Vec<Span> {
        self.spans.unwrap_or_default()
    }
    fn check(&self, more: usize) -> Result<(), LimitError> {
        let used = (self.bytes.len() - self.start).saturating_add(more) as u64;
        if used > self.allowed {
            return Err(LimitError { limit: "output_bytes", allowed: self.allowed });
        }
        Ok(())
    }
    fn mark(&mut self, kind: SegmentKind, node: Id) {
        let Some(spans) = &mut self.spans else { return };
        let end = self.bytes.len();
        match spans.last_mut() {
            Some(last) if kind == SegmentKind::Static && last.kind == kind => last.end = end,
            _ => spans.push(Span { kind, node, end }),
        }
    }
}
