//! What others use: parse a text once, render it as often as needed.

use crate::error::Error;
use crate::exec::Run;
use crate::function::Profile;
use crate::node::{Id, Tree};
use crate::output::{Output, SegmentKind};
use crate::parse;
use crate::reads::{Reads, reads};
use bytes::Bytes;
use gatepost_value::{CallContext, Limits, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What a map key that is not there gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// Go's default: `<no value>`.
    #[default]
    Default,
    /// The zero value of the map's element type.
    Zero,
    /// An error.
    Error,
}

/// A parsed template. Cloning is cheap; many threads may render it at once.
#[derive(Debug, Clone)]
pub struct Template {
    tree: Arc<Tree>,
    missing: MissingKey,
}

/// A piece of output and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Text of the template, or printed by an action.
    pub kind: SegmentKind,
    /// The bytes.
    pub bytes: Bytes,
    /// Line of the text or action in the template, from 1.
    pub line: u32,
    /// Byte column in that line, from 0.
    pub column: u32,
    /// The action as Go writes it, such as `{{.app.metadata.name}}`; empty for text.
    pub action: Arc<str>,
}

impl Template {
    /// Parses a text. `name` is what errors call it.
    ///
    /// # Errors
    /// Where Go would refuse the text, or it is nested deeper than `limits.parse_depth`.
    pub fn parse(name: &str, text: &str, profile: &Profile, limits: &Limits) -> Result<Self, Error> {
        let tree = parse::parse(name, text, profile, limits)?;
        Ok(Self { tree: Arc::new(tree), missing: MissingKey::Default })
    }
    /// The same template with another rule for missing map keys.
    #[must_use]
    pub fn with_missing_key(mut self, missing: MissingKey) -> Self {
        self.missing = missing;
        self
    }
    /// The name it was parsed under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.tree.name
    }
    /// The text it was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.tree.text
    }
    /// Renders to the end of `out`; after an error `out` holds what came before it.
    ///
    /// # Errors
    /// What Go reports, or the limit that was hit.
    pub fn render(&self, data: &Value, context: &CallContext<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let output = Output::new(out, context.budget.limits().output_bytes, false);
        Run::new(&self.tree, context, self.missing, output).start(data)
    }
    /// Renders and says for each piece of the output where it came from. Neighbouring texts are one piece; an action that
    /// printed nothing has a piece without bytes.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_segments(&self, data: &Value, context: &CallContext<'_>) -> Result<Vec<Segment>, Error> {
        let mut out = Vec::new();
        let output = Output::new(&mut out, context.budget.limits().output_bytes, true);
        let mut run = Run::new(&self.tree, context, self.missing, output);
        run.start(data)?;
        let spans = run.into_output().into_spans();
        let all = Bytes::from(out);
        let mut start = 0;
        let mut places = HashMap::new();
        let segments = spans.into_iter().map(|span| {
            let place = places.entry(span.node.0).or_insert_with(|| self.place(span.node, span.kind));
            let bytes = all.slice(start..span.end);
            start = span.end;
            Segment { kind: span.kind, bytes, line: place.0, column: place.1, action: Arc::clone(&place.2) }
        });
        Ok(segments.collect())
    }
    /// Line, column and text of a node; loops ask for the same one again and again.
    fn place(&self, node: Id, kind: SegmentKind) -> (u32, u32, Arc<str>) {
        let (line, column) = self.tree.position(node);
        let action = if kind == SegmentKind::Printed { self.tree.show(node) } else { String::new() };
        (line, column, action.into())
    }
    /// What it reads, as far as the text alone tells.
    #[must_use]
    pub fn paths(&self) -> Reads {
        reads(&self.tree)
    }
}
