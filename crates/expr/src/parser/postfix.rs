//! What may follow an expression: members, calls of members, indexes and slices.

use super::{Parsed, Parser};
use crate::ast::{Kind, Node};
use crate::lexer::TokenKind;

impl Parser {
    /// Applies all that follows.
    #[inline(never)]
    pub(super) fn postfix(&mut self, first: Box<Node>) -> Parsed {
        let mut node = first;
        while matches!(self.current.kind, TokenKind::Operator | TokenKind::Bracket) {
            let token = self.current.clone();
            node = match token.text() {
                "." => {
                    self.next()?;
                    self.member(node, false)?
                }
                "?." => {
                    self.next()?;
                    if self.current.is_bracket("[") { self.index(node, true)? } else { self.member(node, true)? }
                }
                "[" if token.kind == TokenKind::Bracket => self.index(node, false)?,
                _ => break,
            };
        }
        Ok(node)
    }
    /// `name` or `name(…)` after a dot. A chain that the object ends is continued.
    #[inline(never)]
    fn member(&mut self, object: Box<Node>, optional: bool) -> Parsed {
        let (named, name) = (self.at_name(), self.current.clone());
        self.next()?;
        if !named {
            return self.fail_here("expected name");
        }
        let property = self.node(Kind::Str(name.value), name.offset)?;
        let (object, in_chain) = unchain(object);
        let method = self.current.is_bracket("(");
        let member = self.node(Kind::Member { object, property, optional, method }, name.offset)?;
        let node = if method {
            let args = self.arguments(Vec::new())?;
            self.node(Kind::Call { callee: member, args }, name.offset)?
        } else {
            member
        };
        if in_chain || optional { self.node(Kind::Chain(node), name.offset) } else { Ok(node) }
    }
    /// `[index]`, `[from:to]` and their short forms.
    #[inline(never)]
    fn index(&mut self, object: Box<Node>, optional: bool) -> Parsed {
        let offset = self.current.offset;
        self.next()?;
        let from = if self.current.is_operator(":") { None } else { Some(self.expression(0)?) };
        let node = match from {
            Some(property) if !self.current.is_operator(":") => {
                let node = self.node(Kind::Member { object, property, optional, method: false }, offset)?;
                if optional { self.node(Kind::Chain(node), offset)? } else { node }
            }
            from => {
                self.next()?;
                let to = if self.current.is_bracket("]") { None } else { Some(self.expression(0)?) };
                self.node(Kind::Slice { object, from, to }, offset)?
            }
        };
        self.expect_bracket("]")?;
        Ok(node)
    }
}

/// What a chain holds, and whether there was one.
#[allow(clippy::boxed_local)] // the box goes back unopened in most cases
fn unchain(node: Box<Node>) -> (Box<Node>, bool) {
    if !matches!(node.kind, Kind::Chain(_)) {
        return (node, false);
    }
    match node.kind {
        Kind::Chain(inner) => (inner, true),
        kind => (Box::new(Node::new(kind, node.position)), false),
    }
}
