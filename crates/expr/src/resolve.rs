//! The last pass: variables become slots, constant patterns become regular expressions.
//!
//! It also visits what the checker does not (arguments of unknown functions) and refuses what could not be run there.

use crate::ast::{BinaryOp, Kind, Node, Pointer, Target};
use crate::error::Error;
use crate::pattern;
use gatepost_value::Str;

/// Resolves a tree and returns how many variables it needs room for.
///
/// # Errors
/// Unknown pointers and bad patterns in places that are not checked.
pub(crate) fn resolve(root: &mut Node) -> Result<u32, Error> {
    let mut resolver = Resolver { names: Vec::new(), slots: 0, error: None };
    resolver.visit(root);
    match resolver.error {
        Some(error) => Err(error),
        None => Ok(resolver.slots),
    }
}

struct Resolver {
    names: Vec<Str>,
    slots: u32,
    error: Option<Error>,
}

impl Resolver {
    fn visit(&mut self, node: &mut Node) {
        let position = node.position;
        match &mut node.kind {
            Kind::Identifier { name, target } => *target = self.target(name),
            Kind::Let { name, slot, value, body } => {
                self.visit(value);
                *slot = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
                self.slots = self.slots.max(slot.saturating_add(1));
                self.names.push(name.clone());
                self.visit(body);
                self.names.pop();
            }
            Kind::Pointer(Pointer::Unknown(name)) => {
                let error = Error::compile(format!("unknown pointer {name}")).at(position);
                self.error.get_or_insert(error);
            }
            _ => node.for_each_child_mut(&mut |child| self.visit(child)),
        }
        self.compile_pattern(node);
    }
    fn target(&self, name: &Str) -> Target {
        match self.names.iter().rposition(|known| known == name) {
            Some(slot) => Target::Slot(u32::try_from(slot).unwrap_or(u32::MAX)),
            None if name.as_bytes() == b"$env" => Target::Whole,
            None => Target::Env,
        }
    }
    fn compile_pattern(&mut self, node: &mut Node) {
        let Kind::Binary { op: BinaryOp::Matches, left, right } = &mut node.kind else { return };
        let Some(text) = right.as_literal() else { return };
        match pattern::compile(&text.to_lossy()) {
            Ok(regex) => {
                let nil = Node::new(Kind::Nil, left.position);
                let subject = Box::new(std::mem::replace(left.as_mut(), nil));
                node.kind = Kind::Matches { subject, regex };
            }
            Err(message) => {
                self.error.get_or_insert(Error::compile(message).at(node.position));
            }
        }
    }
}
