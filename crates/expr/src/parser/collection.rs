//! Array and map literals.

use super::{Parsed, Parser};
use crate::ast::{Kind, Node, Pair};
use crate::lexer::TokenKind;

impl Parser {
    /// `[a, b,]`
    #[inline(never)]
    pub(super) fn array(&mut self, offset: usize) -> Parsed {
        self.next()?;
        let mut nodes: Vec<Node> = Vec::new();
        while !self.current.is_bracket("]") {
            if !nodes.is_empty() {
                self.expect_operator(",")?;
                if self.current.is_bracket("]") {
                    break;
                }
            }
            nodes.push(*self.expression(0)?);
        }
        self.next()?;
        self.node(Kind::Array(nodes), offset)
    }
    /// `{a: 1, "b": 2, 3: 4, (c): 5,}`
    #[inline(never)]
    pub(super) fn map(&mut self, offset: usize) -> Parsed {
        self.next()?;
        let mut pairs: Vec<Pair> = Vec::new();
        while !self.current.is_bracket("}") {
            if !pairs.is_empty() {
                self.expect_operator(",")?;
                if self.current.is_bracket("}") {
                    break;
                }
                if self.current.is_operator(",") {
                    return self.unexpected();
                }
            }
            self.pair(&mut pairs, offset)?;
        }
        self.map_node(pairs, offset)
    }
    #[inline(never)]
    fn pair(&mut self, pairs: &mut Vec<Pair>, offset: usize) -> Result<(), super::Stop> {
        let key = self.key()?;
        self.expect_operator(":")?;
        let value = self.expression(0)?;
        self.push_pair(pairs, Pair { key: *key, value: *value, position: self.lexer.position(offset) })
    }
    #[inline(never)]
    fn push_pair(&mut self, pairs: &mut Vec<Pair>, pair: Pair) -> Result<(), super::Stop> {
        self.count(1)?;
        pairs.push(pair);
        Ok(())
    }
    /// The node of a finished map.
    #[inline(never)]
    fn map_node(&mut self, pairs: Vec<Pair>, offset: usize) -> Parsed {
        self.next()?;
        self.node(Kind::Map(pairs), offset)
    }
    #[inline(never)]
    fn key(&mut self) -> Parsed {
        if matches!(self.current.kind, TokenKind::Number | TokenKind::String | TokenKind::Identifier) {
            let node = self.node(Kind::Str(self.current.value.clone()), self.current.offset)?;
            self.next()?;
            return Ok(node);
        }
        if self.current.is_bracket("(") {
            return self.expression(0);
        }
        let message = format!(
            "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses \
             (unexpected token {})",
            self.current.describe()
        );
        self.fail_here(message)
    }
}
