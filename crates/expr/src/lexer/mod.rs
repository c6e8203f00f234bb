//! Cuts the text into tokens, as lazily as Go's expr does, so that the first error is the same one.
//!
//! Positions count characters. Nothing here knows what a sequence of tokens means.

mod escape;
mod position;
mod scan;

use crate::error::{Error, Position};
use gatepost_value::Str;
use position::Lines;
pub(crate) use scan::is_name;
use std::collections::VecDeque;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Identifier,
    Number,
    String,
    Bytes,
    Operator,
    Bracket,
    Eof,
}

/// One token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub kind: TokenKind,
    /// The word, or a literal's contents.
    pub value: Str,
    /// Characters before it.
    pub offset: usize,
}

impl Token {
    /// Whether it is of a kind and has a text.
    pub fn is(&self, kind: TokenKind, value: &str) -> bool {
        self.kind == kind && self.value.as_bytes() == value.as_bytes()
    }
    pub fn is_operator(&self, value: &str) -> bool {
        self.is(TokenKind::Operator, value)
    }
    pub fn is_bracket(&self, value: &str) -> bool {
        self.is(TokenKind::Bracket, value)
    }
    /// The text where it is valid UTF-8, as all but some string literals are.
    pub fn text(&self) -> &str {
        self.value.as_str().unwrap_or_default()
    }
    /// As Go's error texts show it.
    pub fn describe(&self) -> String {
        if self.value.as_bytes().is_empty() {
            return format!("{:?}", self.kind).replace("Eof", "EOF");
        }
        format!("{:?}({})", self.kind, quote(&self.value.to_lossy()))
    }
}

/// Go's `%#v` of a string.
pub(crate) fn quote(text: &str) -> String {
    gatepost_value::fmt::quote(text.as_bytes())
}

/// The lexer's state.
pub(crate) struct Lexer {
    chars: Vec<char>,
    lines: Lines,
    start: usize,
    end: usize,
    /// The last read ran into the end of the text.
    eof: bool,
    finished: bool,
    ready: VecDeque<Token>,
}

/// A lexer's step: done, or the error that ends it.
type Step = Result<(), Error>;

impl Lexer {
    pub fn new(text: &str) -> Self {
        Self {
            chars: text.chars().collect(),
            lines: Lines::new(text),
            start: 0,
            end: 0,
            eof: false,
            finished: false,
            ready: VecDeque::new(),
        }
    }
    /// The next token; `None` once the end has been given out.
    pub fn next(&mut self) -> Result<Option<Token>, Error> {
        while self.ready.is_empty() && !self.finished {
            self.step()?;
        }
        Ok(self.ready.pop_front())
    }
    /// Line and column of a character.
    pub fn position(&self, offset: usize) -> Position {
        self.lines.position(offset)
    }
    fn read(&mut self) -> Option<char> {
        let c = self.chars.get(self.end).copied();
        match c {
            Some(_) => self.end += 1,
            None => self.eof = true,
        }
        c
    }
    fn peek(&self) -> Option<char> {
        self.chars.get(self.end).copied()
    }
    /// Takes back one [`Lexer::read`].
    fn backup(&mut self) {
        if self.eof {
            self.eof = false;
        } else {
            self.end = self.end.saturating_sub(1);
        }
    }
    fn accept(&mut self, valid: impl Fn(char) -> bool) -> bool {
        let hit = self.peek().is_some_and(valid);
        if hit {
            self.end += 1;
        }
        hit
    }
    fn accept_any(&mut self, valid: &str) -> bool {
        self.accept(|c| valid.contains(c))
    }
    fn accept_run(&mut self, valid: impl Fn(char) -> bool + Copy) {
        while self.accept(valid) {}
    }
    fn word(&self) -> String {
        self.chars.get(self.start..self.end).unwrap_or_default().iter().collect()
    }
    fn skip(&mut self) {
        self.start = self.end;
    }
    fn emit(&mut self, kind: TokenKind) {
        let word = self.word();
        self.emit_value(kind, word.as_str().into());
    }
    fn emit_value(&mut self, kind: TokenKind, value: Str) {
        self.ready.push_back(Token { kind, value, offset: self.start });
        self.skip();
    }
    fn emit_eof(&mut self) {
        let offset = self.end.saturating_sub(1);
        self.ready.push_back(Token { kind: TokenKind::Eof, value: "".into(), offset });
        self.finished = true;
    }
    /// An error at the character read last.
    fn fail(&self, message: impl Into<String>) -> Error {
        let end = if self.eof { self.end + 1 } else { self.end };
        Error::compile(message).at(self.position(end.saturating_sub(1)))
    }
}
