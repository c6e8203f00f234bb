//! From text to tree: the first document, aliases resolved, merge keys applied.

use super::{Kind, Node, Place};
use crate::notify::configuration::Fault;
use std::collections::HashMap;
use yaml_rust2::parser::{Event, Parser, Tag};
use yaml_rust2::scanner::{Marker, ScanError, TScalarStyle};

/// Nodes of one document, those that aliases repeat included.
const MAX_NODES: usize = 100_000;
/// Nesting.
const MAX_DEPTH: usize = 100;

/// Reads the first document; an empty text is null.
///
/// # Errors
/// Text that is not YAML, unknown anchors, and documents beyond the limits.
pub fn parse(text: &str) -> Result<Node, Fault> {
    let mut parser = Parser::new_from_str(text);
    let mut tree = Tree::default();
    loop {
        let (event, mark) = parser.next_token().map_err(|error| refused(&error))?;
        match event {
            Event::StreamEnd | Event::DocumentEnd => return Ok(tree.root.unwrap_or_else(Node::null)),
            event => tree.take(event, place(&mark))?,
        }
    }
}

fn refused(error: &ScanError) -> Fault {
    let at = place(error.marker());
    Fault::at(at.line, at.column, format!("yaml: line {}: {}", at.line, error.info()))
}

fn place(mark: &Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(mark.line()).max(1), column: number(mark.col()).saturating_add(1) }
}

/// A list or map that is not finished.
struct Open {
    place: Place,
    anchor: usize,
    list: bool,
    items: Vec<Node>,
}

/// The tree as far as it is read. Iterative: deep text must not cost the stack.
#[derive(Default)]
struct Tree {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Tree {
    fn take(&mut self, event: Event, place: Place) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = matches!(style, TScalarStyle::SingleQuoted | TScalarStyle::DoubleQuoted);
                let place = Place { column: place.column.saturating_add(u32::from(quoted)), ..place };
                let kind = Kind::Scalar { text, plain: style == TScalarStyle::Plain, tag: short(tag) };
                self.close(Node { place, kind }, anchor, place)
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, true, place),
            Event::MappingStart(anchor, _) => self.begin(anchor, false, place),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => {
                let (node, size) = self.anchors.get(&id).cloned().ok_or_else(|| {
                    Fault::at(place.line, place.column, "yaml: an alias refers to an anchor that is not complete")
                })?;
                self.count(size, place)?;
                self.close(node, 0, place)
            }
            _ => Ok(()),
        }
    }
    fn count(&mut self, n: usize, place: Place) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(n);
        if self.nodes > MAX_NODES {
            let cause = format!("yaml: document contains excessive aliasing or more than {MAX_NODES} values");
            return Err(Fault::at(place.line, place.column, cause));
        }
        Ok(())
    }
    fn begin(&mut self, anchor: usize, list: bool, place: Place) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            let cause = format!("yaml: nested deeper than {MAX_DEPTH} levels");
            return Err(Fault::at(place.line, place.column, cause));
        }
        self.open.push(Open { place, anchor, list, items: Vec::new() });
        Ok(())
    }
    fn end(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = if open.list { Kind::List(open.items) } else { Kind::Map(merged(pairs(open.items))) };
        self.close(Node { place: open.place, kind }, open.anchor, open.place)
    }
    fn close(&mut self, node: Node, anchor: usize, place: Place) -> Result<(), Fault> {
        self.count(1, place)?;
        if anchor > 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.root = self.root.take().or(Some(node)),
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar { .. } => 1,
        Kind::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Map(pairs) => 1 + pairs.iter().map(|(k, v)| size(k) + size(v)).sum::<usize>(),
    }
}

fn short(tag: Option<Tag>) -> String {
    match tag {
        Some(tag) if tag.handle == "tag:yaml.org,2002:" || tag.handle == "!!" => tag.suffix,
        Some(tag) if tag.handle.is_empty() || tag.handle == "!" => {
            tag.suffix.strip_prefix("tag:yaml.org,2002:").unwrap_or("str").to_owned()
        }
        Some(_) => "str".to_owned(),
        None => String::new(),
    }
}

fn pairs(items: Vec<Node>) -> Vec<(Node, Node)> {
    let mut out = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        out.push((key, value));
    }
    out
}

/// `<<: *base`: the base's pairs come first, so that the map's own win.
fn merged(pairs: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let is_merge = |key: &Node| matches!(&key.kind, Kind::Scalar { text, plain: true, .. } if text == "<<");
    if !pairs.iter().any(|(key, _)| is_merge(key)) {
        return pairs;
    }
    let (bases, own): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| is_merge(key));
    let mut out = Vec::new();
    for (_, base) in bases {
        match base.kind {
            Kind::Map(inner) => out.extend(inner),
            Kind::List(items) => out.extend(items.into_iter().rev().flat_map(|item| match item.kind {
                Kind::Map(inner) => inner,
                _ => Vec::new(),
            })),
            Kind::Scalar { .. } => {}
        }
    }
    out.extend(own);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn anchors_merges_and_second_documents() {
        let node = parse("a: &x {k: 1, z: 2}\nb:\n  <<: *x\n  k: 3\nc: *x\n---\nother: 1\n").unwrap();
        assert_eq!(
            node.to_json(),
            serde_json::json!({"a": {"k": 1, "z": 2}, "b": {"k": 3, "z": 2}, "c": {"k": 1, "z": 2}})
        );
    }

    #[test]
    fn hostile_texts_are_refused_in_bounded_time() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            bomb.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(",")));
        }
        assert!(parse(&bomb).is_err());
        assert!(parse(&"[".repeat(50_000)).is_err());
    }

    #[test]
    fn block_scalars_stand_where_their_text_begins() {
        let node = parse("a:\n  b: |\n    text\n    more\n").unwrap();
        let a = node.fields("", "").unwrap().get("a").unwrap().fields("", "").unwrap();
        assert_eq!(a.get("b").unwrap().place.line, 3);
    }

    #[test]
    fn quoted_scalars_stand_behind_their_quote() {
        let node = parse("a: 'x'\nb: \"y\"\nc: z\n").unwrap();
        let fields = node.fields("", "").unwrap();
        let column = |name: &str| fields.get(name).unwrap().place.column;
        assert_eq!((column("a"), column("b"), column("c")), (5, 5, 4));
    }

    #[test]
    fn faults_have_a_place() {
        let fault = parse("a: b\nc: : x\n").unwrap_err();
        assert_eq!(fault.line, 2);
    }
}
