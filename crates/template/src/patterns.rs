//! Regular expressions that a template gives as literals: compiled at their first use and kept with the template.
//!
//! Decides which literals are worth it. What is kept is bounded in number and in size, and belongs to one template; there
//! is no lock between renders. Patterns that come from data are compiled at every call, which their caller pays for.

use crate::node::{Id, Kind, Node};
use gatepost_value::Str;
use gatepost_value::regex::compile_small;
use regex::bytes::Regex;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Patterns kept by one template.
const KEPT: usize = 32;
/// Bytes of a pattern that is kept.
const LONGEST: usize = 512;

/// The patterns of one template.
#[derive(Debug, Default)]
pub(crate) struct Patterns(HashMap<Str, OnceLock<Option<Regex>>>);

impl Patterns {
    /// Finds the literals that are arguments of functions with `egex` in their names, or the value of a variable.
    pub(crate) fn of(nodes: &[Node]) -> Self {
        let literals = nodes.iter().filter_map(|node| match &node.kind {
            Kind::Command(words) => Some(literals(nodes, words)),
            _ => None,
        });
        let short = literals.flatten().filter(|text| text.len() <= LONGEST);
        let uses = nodes.iter().any(|node| is_regex(&node.kind));
        Self(short.take(if uses { KEPT } else { 0 }).map(|text| (text.clone(), OnceLock::new())).collect())
    }
    /// The compiled pattern; `None` where it is not kept, too large to be kept, or wrong.
    pub(crate) fn get(&self, pattern: &[u8]) -> Option<&Regex> {
        let compiled = self.0.get(pattern)?;
        compiled.get_or_init(|| compile_small(std::str::from_utf8(pattern).ok()?)).as_ref()
    }
}

fn is_regex(kind: &Kind) -> bool {
    matches!(kind, Kind::Identifier { spec, .. } if spec.name.contains("egex"))
}

/// The literals of a command, if it calls such a function or is nothing but a literal.
fn literals<'n>(nodes: &'n [Node], words: &'n [Id]) -> impl Iterator<Item = &'n Str> {
    let kind = |id: &Id| nodes.get(id.0 as usize).map(|node| &node.kind);
    let wanted = words.len() == 1 || words.first().and_then(kind).is_some_and(is_regex);
    words.iter().filter(move |_| wanted).filter_map(move |id| match kind(id) {
        Some(Kind::String { text, .. }) => Some(text),
        _ => None,
    })
}
