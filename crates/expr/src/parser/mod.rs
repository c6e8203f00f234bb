//! Tokens to tree: a Pratt parser with expr's table of precedences.
//!
//! The grammar is decided here and nothing of types. Recursion is counted and so is the height of the tree, because a
//! long chain of `+` makes a tree as deep as brackets do; the stack is therefore bounded however hostile the text.
//! Functions on the way down are not inlined: one frame that holds all their variables would be several times as large
//! as the frames that a level really needs.

mod call;
mod collection;
mod literal;
mod operators;
mod postfix;
mod statement;

use crate::ast::{BinaryOp, Kind, Node, Pointer, UnaryOp};
use crate::error::{Error, ErrorKind};
use crate::lexer::{Lexer, Token, TokenKind};
use operators::{Infix, infix, is_comparison, is_negatable, prefix};

/// Go's DefaultMaxNodes.
const MAX_NODES: u32 = 10_000;

/// Parsing has failed; the error is kept in the parser, so that results stay as small as a pointer.
struct Stop;

type Parsed = Result<Box<Node>, Stop>;

struct Parser {
    lexer: Lexer,
    current: Token,
    stashed: Option<Token>,
    error: Option<Error>,
    /// Predicates around the current token.
    predicates: u32,
    nodes: u32,
    level: u32,
    max_level: u32,
}

/// Parses a whole text.
///
/// # Errors
/// Syntax errors, more than 10,000 nodes, nesting beyond `max_level`.
pub(crate) fn parse(text: &str, max_level: u32) -> Result<Node, Error> {
    let current = Token { kind: TokenKind::Eof, value: "".into(), offset: 0 };
    let mut parser = Parser {
        lexer: Lexer::new(text),
        current,
        stashed: None,
        error: None,
        predicates: 0,
        nodes: 0,
        level: 0,
        max_level,
    };
    match parser.whole() {
        Ok(root) => Ok(*root),
        Err(Stop) => Err(parser.error.unwrap_or_else(|| Error::compile("the expression cannot be parsed"))),
    }
}

impl Parser {
    #[inline(never)]
    fn whole(&mut self) -> Parsed {
        self.next()?;
        let root = self.sequence()?;
        if self.current.kind != TokenKind::Eof {
            return self.unexpected();
        }
        Ok(root)
    }
    #[inline(never)]
    fn fail<T>(&mut self, error: Error) -> Result<T, Stop> {
        self.error.get_or_insert(error);
        Err(Stop)
    }
    #[inline(never)]
    fn fail_at<T>(&mut self, offset: usize, message: impl Into<String>) -> Result<T, Stop> {
        let position = self.lexer.position(offset);
        self.fail(Error::compile(message).at(position))
    }
    #[inline(never)]
    fn fail_here<T>(&mut self, message: impl Into<String>) -> Result<T, Stop> {
        self.fail_at(self.current.offset, message)
    }
    #[inline(never)]
    fn unexpected<T>(&mut self) -> Result<T, Stop> {
        let mut error = Error::compile(format!("unexpected token {}", self.current.describe()))
            .at(self.lexer.position(self.current.offset));
        if self.current.is_operator("=") {
            error = error.with_hint("`=` gives a variable its value (`let x = 1; …`); comparing is `==`");
        }
        self.fail(error)
    }
    fn next(&mut self) -> Result<(), Stop> {
        if let Some(token) = self.stashed.take() {
            self.current = token;
            return Ok(());
        }
        match self.lexer.next() {
            Ok(Some(token)) => {
                self.current = token;
                Ok(())
            }
            Ok(None) => self.fail_here("unexpected end of expression"),
            Err(error) => self.fail(error),
        }
    }
    fn expect_operator(&mut self, value: &str) -> Result<(), Stop> {
        if self.current.is_operator(value) { self.next() } else { self.unexpected() }
    }
    fn expect_bracket(&mut self, value: &str) -> Result<(), Stop> {
        if self.current.is_bracket(value) { self.next() } else { self.unexpected() }
    }
    #[inline(never)]
    fn expect_identifier(&mut self) -> Result<Token, Stop> {
        if self.current.kind != TokenKind::Identifier {
            return self.unexpected();
        }
        let token = self.current.clone();
        self.next()?;
        Ok(token)
    }
    /// Counts and makes a node whose errors point to `offset`.
    #[inline(never)]
    fn node(&mut self, kind: Kind, offset: usize) -> Parsed {
        self.count(1)?;
        self.uncounted(kind, offset)
    }
    #[inline(never)]
    fn uncounted(&mut self, kind: Kind, offset: usize) -> Parsed {
        let node = Node::new(kind, self.lexer.position(offset));
        if node.height > self.max_level {
            return self.too_deep();
        }
        Ok(Box::new(node))
    }
    #[inline(never)]
    fn count(&mut self, nodes: u32) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return self.fail_here("compilation failed: expression exceeds maximum allowed nodes");
        }
        Ok(())
    }
    /// Copies a node that the language evaluates twice; the copy counts, so that copies of copies stay bounded.
    #[inline(never)]
    fn duplicate(&mut self, node: &Node) -> Parsed {
        fn size(node: &Node) -> u32 {
            let mut nodes = 1_u32;
            node.for_each_child(&mut |child| nodes = nodes.saturating_add(size(child)));
            nodes
        }
        self.count(size(node))?;
        Ok(Box::new(node.clone()))
    }
    #[inline(never)]
    fn too_deep<T>(&mut self) -> Result<T, Stop> {
        let position = self.lexer.position(self.current.offset);
        let message =
            format!("limit `parse_depth` exceeded: the expression is nested more than {} levels deep", self.max_level);
        self.fail(Error::new(ErrorKind::Limit, message).at(position))
    }
    /// Runs one level of recursion.
    #[inline(never)]
    fn deeper(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.level >= self.max_level {
            return self.too_deep();
        }
        self.level += 1;
        let result = parse(self);
        self.level -= 1;
        result
    }

    /// An expression whose operators bind at least as tightly as `precedence`.
    fn expression(&mut self, precedence: u32) -> Parsed {
        self.deeper(|parser| parser.expression_inner(precedence))
    }
    #[inline(never)]
    fn expression_inner(&mut self, precedence: u32) -> Parsed {
        if precedence == 0 && self.current.is_operator("let") {
            return self.variable();
        }
        if precedence == 0 && self.current.is_operator("if") {
            return self.if_else();
        }
        let left = self.primary()?;
        let all = self.operators(left, precedence)?;
        if precedence == 0 && self.current.is_operator("?") { self.conditional(all) } else { Ok(all) }
    }
    /// All binary operators that follow and bind tightly enough.
    #[inline(never)]
    fn operators(&mut self, first: Box<Node>, precedence: u32) -> Parsed {
        let mut left = first;
        let mut after_coalesce = false;
        while self.current.kind == TokenKind::Operator {
            let Some((token, infix, negate)) = self.operator(precedence)? else { break };
            if after_coalesce && !matches!(infix.op, None | Some(BinaryOp::Coalesce)) {
                return self.mixed_coalesce(&token);
            }
            after_coalesce = infix.op == Some(BinaryOp::Coalesce);
            left = self.infix(left, &token, infix, negate)?;
        }
        Ok(left)
    }
    /// The binary operator at the current token, if it binds tightly enough: its token, what it is, whether negated.
    #[inline(never)]
    fn operator(&mut self, precedence: u32) -> Result<Option<(Token, Infix, bool)>, Stop> {
        let negate = self.current.is_operator("not");
        if negate {
            let not = self.current.clone();
            self.next()?;
            if !is_negatable(self.current.text()) {
                return self.unexpected();
            }
            if infix(self.current.text()).is_none_or(|op| op.precedence < precedence) {
                self.stashed = Some(std::mem::replace(&mut self.current, not));
                return Ok(None);
            }
        }
        let Some(op) = infix(self.current.text()).filter(|op| op.precedence >= precedence) else { return Ok(None) };
        let token = self.current.clone();
        self.next()?;
        Ok(Some((token, op, negate)))
    }
    #[inline(never)]
    fn mixed_coalesce(&mut self, token: &Token) -> Parsed {
        let message = format!(
            "Operator ({}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses.",
            token.text()
        );
        self.fail_at(token.offset, message)
    }
    /// The right side of an operator that has been read, and the node for both.
    #[inline(never)]
    fn infix(&mut self, left: Box<Node>, token: &Token, infix: Infix, negate: bool) -> Parsed {
        let Some(op) = infix.op else {
            let name = self.expect_identifier()?;
            return self.call(&name, vec![*left]);
        };
        if is_comparison(op) {
            return self.comparison(left, token, op, infix.precedence);
        }
        let right = self.expression(infix.precedence + u32::from(!infix.right))?;
        let node = self.node(Kind::Binary { op, left, right }, token.offset)?;
        if negate { self.node(Kind::Unary { op: UnaryOp::Not, operand: node }, token.offset) } else { Ok(node) }
    }
    /// `a < b < c` means `a < b && b < c`.
    #[inline(never)]
    fn comparison(&mut self, left: Box<Node>, token: &Token, op: BinaryOp, precedence: u32) -> Parsed {
        let (mut left, mut token, mut op) = (left, token.clone(), op);
        let mut root: Option<Box<Node>> = None;
        loop {
            let right = self.expression(precedence + 1)?;
            let again = infix(self.current.text())
                .and_then(|next| next.op)
                .filter(|next| self.current.kind == TokenKind::Operator && is_comparison(*next));
            let shared = if again.is_some() { Some(self.duplicate(&right)?) } else { None };
            let node = self.node(Kind::Binary { op, left, right }, token.offset)?;
            let joined = match root.take() {
                Some(left) => self.node(Kind::Binary { op: BinaryOp::And, left, right: node }, token.offset)?,
                None => node,
            };
            let (Some(next), Some(operand)) = (again, shared) else { return Ok(joined) };
            root = Some(joined);
            (left, op, token) = (operand, next, self.current.clone());
            self.next()?;
        }
    }
    #[inline(never)]
    fn primary(&mut self) -> Parsed {
        if self.current.kind == TokenKind::Operator {
            if let Some((op, precedence)) = prefix(self.current.text()) {
                return self.unary(op, precedence);
            }
            if self.predicates > 0 && matches!(self.current.text(), "#" | ".") {
                return self.pointer();
            }
            if self.current.is_operator("::") {
                self.next()?;
                let name = self.expect_identifier()?;
                let call = self.call(&name, Vec::new())?;
                return self.postfix(call);
            }
        }
        if self.current.is_bracket("(") {
            self.next()?;
            let inner = self.sequence()?;
            self.expect_bracket(")")?;
            return self.postfix(inner);
        }
        self.literal()
    }
    #[inline(never)]
    fn unary(&mut self, op: UnaryOp, precedence: u32) -> Parsed {
        let offset = self.current.offset;
        self.next()?;
        let operand = self.expression(precedence)?;
        let node = self.node(Kind::Unary { op, operand }, offset)?;
        self.postfix(node)
    }
    /// `#`, `#name`, or nothing where `.name` stands for `#.name`.
    #[inline(never)]
    fn pointer(&mut self) -> Parsed {
        let offset = self.current.offset;
        let mut pointer = Pointer::Element;
        if self.current.is_operator("#") {
            self.next()?;
            if self.current.kind == TokenKind::Identifier {
                pointer = match self.current.text() {
                    "index" => Pointer::Index,
                    "acc" => Pointer::Acc,
                    other => Pointer::Unknown(other.into()),
                };
                self.next()?;
            }
        }
        let node = self.node(Kind::Pointer(pointer), offset)?;
        self.postfix(node)
    }
}
