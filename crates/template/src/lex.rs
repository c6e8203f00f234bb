//! Text to tokens: literal text, the words inside `{{ }}`, trim markers and comments.
//!
//! Decides where tokens begin and end, exactly as Go does, and nothing about what they mean. It never looks further ahead
//! than one token and never fails hard: a mistake is a token of its own, which the parser reports.

use std::fmt::Write as _;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// One token: its kind, where it is in the text, the line it starts on, and the message where it is a mistake.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    pub line: u32,
    pub message: Option<Box<str>>,
}

impl Token {
    pub(crate) const fn none() -> Self {
        Self { kind: Kind::Eof, start: 0, end: 0, line: 0, message: None }
    }
    const fn is_keyword(&self) -> bool {
        self.kind as u8 >= Kind::Block as u8
    }
    /// How error texts show it.
    pub(crate) fn show(&self, text: &str) -> String {
        let word = &text[self.start..self.end];
        match (self.kind, &self.message) {
            (Kind::Eof, _) => "EOF".to_owned(),
            (Kind::Error, Some(message)) => message.to_string(),
            _ if self.is_keyword() => format!("<{word}>"),
            _ if word.len() > 10 => {
                let cut: String = word.chars().take(10).collect();
                format!("{}...", gatepost_value::fmt::quote(cut.as_bytes()))
            }
            _ => gatepost_value::fmt::quote(word.as_bytes()),
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
/// A trim marker and the space beside it.
const MARKER: usize = 2;

/// The state of the scanner.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    start: usize,
    in_action: bool,
    parens: u32,
    /// A mistake ends the text: what follows is not looked at.
    broken: bool,
    counted_to: usize,
    line: u32,
}

impl<'t> Lexer<'t> {
    pub(crate) const fn new(text: &'t str) -> Self {
        Self { text, at: 0, start: 0, in_action: false, parens: 0, broken: false, counted_to: 0, line: 1 }
    }

    /// The next token; `Eof` for ever at the end.
    pub(crate) fn next_token(&mut self) -> Token {
        if self.broken {
            return if self.in_action { self.fail("unclosed action") } else { self.take(Kind::Eof) };
        }
        if self.in_action { self.inside_action() } else { self.outside() }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }
    fn line_of_start(&mut self) -> u32 {
        let skipped = &self.text.as_bytes()[self.counted_to..self.start];
        let lines = skipped.iter().filter(|b| **b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.counted_to = self.start;
        self.line
    }
    fn take(&mut self, kind: Kind) -> Token {
        let line = self.line_of_start();
        let token = Token { kind, start: self.start, end: self.at, line, message: None };
        self.start = self.at;
        token
    }
    fn fail(&mut self, message: impl Into<Box<str>>) -> Token {
        let line = self.line_of_start();
        self.broken = true;
        Token { kind: Kind::Error, start: self.start, end: self.start, line, message: Some(message.into()) }
    }
    const fn skip(&mut self) {
        self.start = self.at;
    }

    fn outside(&mut self) -> Token {
        loop {
            let Some(x) = self.rest().find(LEFT) else {
                self.at = self.text.len();
                return self.take(if self.at > self.start { Kind::Text } else { Kind::Eof });
            };
            let delim = self.at + x;
            let before = &self.text[self.start..delim];
            let trims = left_marker(&self.text[delim + LEFT.len()..]);
            let kept = if trims { before.trim_end_matches(is_space).len() } else { before.len() };
            self.at = self.start + kept;
            let text = (kept > 0).then(|| self.take(Kind::Text));
            self.at = delim;
            self.skip();
            if let Some(text) = text {
                return text;
            }
            if let Some(token) = self.left_delim() {
                return token;
            }
        }
    }
    /// The opening delimiter, or `None` after a whole comment.
    fn left_delim(&mut self) -> Option<Token> {
        let inside = self.at + LEFT.len();
        let marker = if left_marker(&self.text[inside..]) { MARKER } else { 0 };
        if self.text[inside + marker..].starts_with("/*") {
            self.at = inside + marker;
            self.skip();
            return self.comment();
        }
        self.at = inside;
        let token = self.take(Kind::LeftDelim);
        self.in_action = true;
        self.at += marker;
        self.skip();
        self.parens = 0;
        Some(token)
    }
    fn comment(&mut self) -> Option<Token> {
        let Some(x) = self.text[self.at + 2..].find("*/") else {
            return Some(self.fail("unclosed comment"));
        };
        self.at += 2 + x + 2;
        let Some(trims) = self.at_right_delim() else {
            return Some(self.fail("comment ends before closing delimiter"));
        };
        self.close(trims);
        None
    }
    /// Whether the closing delimiter is here, and then whether it trims.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if right_marker(rest) && rest[MARKER..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }
    /// Passes the closing delimiter and the space it trims.
    fn close(&mut self, trims: bool) {
        self.at += RIGHT.len() + if trims { MARKER } else { 0 };
        if trims {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
        }
        self.skip();
    }
    fn right_delim(&mut self, trims: bool) -> Token {
        if trims {
            self.at += MARKER;
            self.skip();
        }
        self.at += RIGHT.len();
        let token = self.take(Kind::RightDelim);
        if trims {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
            self.skip();
        }
        self.in_action = false;
        token
    }

    fn inside_action(&mut self) -> Token {
        if let Some(trims) = self.at_right_delim() {
            return if self.parens == 0 { self.right_delim(trims) } else { self.fail("unclosed left paren") };
        }
        let Some(c) = self.bump() else {
            return self.fail("unclosed action");
        };
        match c {
            _ if is_space(c) => self.space(),
            '=' => self.take(Kind::Assign),
            ':' if self.bump() == Some('=') => self.take(Kind::Declare),
            ':' => self.fail("expected :="),
            '|' => self.take(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => self.raw_string(),
            '$' => self.field_or_variable(Kind::Variable, Kind::Variable),
            '.' if self.peek().is_some_and(|c| !c.is_ascii_digit()) => self.field_or_variable(Kind::Field, Kind::Dot),
            '.' | '+' | '-' | '0'..='9' => self.number(),
            '(' => self.left_paren(),
            ')' => self.right_paren(),
            _ if is_alphanumeric(c) => self.word(),
            ' '..='~' => self.take(Kind::Char),
            _ => self.fail(format!("unrecognized character in action: {}", unicode_point(c))),
        }
    }
    fn left_paren(&mut self) -> Token {
        self.parens += 1;
        self.take(Kind::LeftParen)
    }
    fn right_paren(&mut self) -> Token {
        if self.parens == 0 {
            return self.fail("unexpected right paren");
        }
        self.parens -= 1;
        self.take(Kind::RightParen)
    }
    /// A run of spaces, without the one that belongs to a closing trim marker.
    fn space(&mut self) -> Token {
        let bytes = self.text.as_bytes();
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        let last = self.at - 1;
        if bytes.get(self.at) == Some(&b'-') && self.text[self.at + 1..].starts_with(RIGHT) {
            self.at = last;
            if last == self.start {
                return self.right_delim(true);
            }
        }
        self.take(Kind::Space)
    }
    fn word(&mut self) -> Token {
        self.while_alphanumeric();
        if let Some(c) = self.bad_end() {
            return self.fail(format!("bad character {}", unicode_point(c)));
        }
        let kind = match &self.text[self.start..self.at] {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "nil" => Kind::Nil,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.take(kind)
    }
    fn field_or_variable(&mut self, named: Kind, alone: Kind) -> Token {
        if self.at_terminator() {
            return self.take(alone);
        }
        self.while_alphanumeric();
        match self.bad_end() {
            Some(c) => self.fail(format!("bad character {}", unicode_point(c))),
            None => self.take(named),
        }
    }
    fn while_alphanumeric(&mut self) {
        while self.peek().is_some_and(is_alphanumeric) {
            self.bump();
        }
    }
    fn bad_end(&self) -> Option<char> {
        if self.at_terminator() { None } else { self.peek() }
    }
    /// Whether a word may end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(RIGHT),
        }
    }
    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &'static str) -> Token {
        loop {
            match self.bump() {
                Some('\\') => {
                    if matches!(self.bump(), None | Some('\n')) {
                        return self.fail(unterminated);
                    }
                }
                None | Some('\n') => return self.fail(unterminated),
                Some(c) if c == quote => return self.take(kind),
                Some(_) => {}
            }
        }
    }
    fn raw_string(&mut self) -> Token {
        match self.rest().find('`') {
            None => self.fail("unterminated raw quoted string"),
            Some(x) => {
                self.at += x + 1;
                self.take(Kind::RawString)
            }
        }
    }

    fn number(&mut self) -> Token {
        self.at = self.start;
        let well_formed = self.scan_number();
        if !well_formed {
            return self.bad_number();
        }
        if !matches!(self.peek(), Some('+' | '-')) {
            return self.take(Kind::Number);
        }
        if !self.scan_number() || self.text.as_bytes()[self.at - 1] != b'i' {
            return self.bad_number();
        }
        self.take(Kind::Complex)
    }
    fn bad_number(&mut self) -> Token {
        let quoted = gatepost_value::fmt::quote(&self.text.as_bytes()[self.start..self.at]);
        self.fail(format!("bad number syntax: {quoted}"))
    }
    /// Not a strict grammar: what it lets through wrongly the parser refuses.
    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }
    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.at += 1;
        }
        found
    }
    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
fn left_marker(text: &str) -> bool {
    matches!(text.as_bytes(), [b'-', b' ' | b'\t' | b'\r' | b'\n', ..])
}
fn right_marker(text: &str) -> bool {
    matches!(text.as_bytes(), [b' ' | b'\t' | b'\r' | b'\n', b'-', ..])
}
/// Go's `%#U`.
fn unicode_point(c: char) -> String {
    let mut shown = format!("U+{:04X}", u32::from(c));
    if !c.is_control() {
        let _ = write!(shown, " '{c}'");
    }
    shown
}
