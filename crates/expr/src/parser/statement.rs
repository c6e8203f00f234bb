//! Sequences, variables and conditionals.

use super::{Parsed, Parser};
use crate::ast::Kind;
use crate::ast::Node;
use crate::lexer::TokenKind;

impl Parser {
    /// `a; b; c`, a trailing semicolon allowed at the end of the text.
    #[inline(never)]
    pub(super) fn sequence(&mut self) -> Parsed {
        let first = self.expression(0)?;
        if !self.current.is_operator(";") {
            return Ok(first);
        }
        let position = first.position;
        let mut nodes = vec![*first];
        while self.current.is_operator(";") {
            self.next()?;
            if self.current.kind == TokenKind::Eof {
                break;
            }
            nodes.push(*self.expression(0)?);
        }
        if nodes.len() == 1 {
            return nodes.pop().map_or_else(|| self.unexpected(), |only| Ok(Box::new(only)));
        }
        let mut node = self.node(Kind::Sequence(nodes), 0)?;
        node.position = position;
        Ok(node)
    }
    /// `let name = value; body`
    #[inline(never)]
    pub(super) fn variable(&mut self) -> Parsed {
        self.next()?;
        let name = self.expect_identifier()?;
        self.expect_operator("=")?;
        let value = self.expression(0)?;
        self.expect_operator(";")?;
        let body = self.sequence()?;
        self.node(Kind::Let { name: name.value, slot: 0, value, body }, name.offset)
    }
    /// `if c { a } else { b }`, `else if` included. Go gives it no place and does not count it.
    #[inline(never)]
    pub(super) fn if_else(&mut self) -> Parsed {
        self.next()?;
        let condition = self.expression(0)?;
        let then = self.braced()?;
        self.expect_operator("else")?;
        let otherwise = if self.current.is_operator("if") { self.deeper(Self::if_else)? } else { self.braced()? };
        self.uncounted(Kind::Conditional { condition, then, otherwise }, 0)
    }
    #[inline(never)]
    fn braced(&mut self) -> Parsed {
        self.expect_bracket("{")?;
        let inner = self.sequence()?;
        self.expect_bracket("}")?;
        Ok(inner)
    }
    /// `c ? a : b` and `a ?: b`, as often as they follow.
    #[inline(never)]
    pub(super) fn conditional(&mut self, first: Box<Node>) -> Parsed {
        let mut condition = first;
        while self.current.is_operator("?") {
            self.next()?;
            let then = if self.current.is_operator(":") { self.duplicate(&condition)? } else { self.expression(0)? };
            self.expect_operator(":")?;
            let otherwise = self.expression(0)?;
            let offset = self.current.offset;
            condition = self.node(Kind::Conditional { condition, then, otherwise }, offset)?;
        }
        Ok(condition)
    }
}
