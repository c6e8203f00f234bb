//! One step of the lexer: the token (or two, for `not in`) that begins at the current character.

use super::escape::Literal;
use super::{Lexer, Step, TokenKind};
use crate::error::Error;
use gatepost_value::Str;
use regex::Regex;
use std::sync::LazyLock;

static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{L}$").ok());
static DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Nd}$").ok());

fn in_class(class: &LazyLock<Option<Regex>>, c: char) -> bool {
    class.as_ref().is_some_and(|class| class.is_match(c.encode_utf8(&mut [0; 4])))
}

/// A letter, `_` or `$`.
pub(crate) fn is_alphabetic(c: char) -> bool {
    c == '_' || c == '$' || c.is_ascii_alphabetic() || (!c.is_ascii() && in_class(&LETTER, c))
}

fn is_alphanumeric(c: char) -> bool {
    is_alphabetic(c) || c.is_ascii_digit() || (!c.is_ascii() && in_class(&DIGIT, c))
}

fn is_negatable(word: &str) -> bool {
    matches!(word, "in" | "matches" | "contains" | "startsWith" | "endsWith")
}

impl Lexer {
    /// Reads one token, or skips a space or comment.
    pub(super) fn step(&mut self) -> Step {
        let Some(c) = self.read() else {
            self.eof = false;
            self.emit_eof();
            return Ok(());
        };
        match c {
            _ if c.is_whitespace() => self.skip(),
            '\'' | '"' => self.quoted(c, Literal::Text)?,
            '`' => self.raw()?,
            'b' | 'B' if matches!(self.peek(), Some('\'' | '"')) => {
                let quote = self.read().unwrap_or(c);
                self.quoted(quote, Literal::Bytes)?;
            }
            '0'..='9' => {
                self.backup();
                self.number()?;
            }
            '/' => self.slash()?,
            '#' => self.pointer(),
            '.' => self.dot()?,
            '(' | '[' | '{' | ')' | ']' | '}' => self.emit(TokenKind::Bracket),
            _ if is_alphabetic(c) || is_alphanumeric(c) => self.identifier(),
            _ => self.operator(c)?,
        }
        Ok(())
    }
    fn operator(&mut self, c: char) -> Step {
        match c {
            '?' => self.accept_any(".?"),
            '|' | ':' => self.accept(|next| next == c),
            ',' | ';' | '%' | '+' | '-' | '^' => false,
            '&' | '!' | '=' | '*' | '<' | '>' => self.accept_any("&=*"),
            _ => return Err(self.fail(format!("unrecognized character: U+{:04X} '{c}'", u32::from(c)))),
        };
        self.emit(TokenKind::Operator);
        Ok(())
    }
    fn quoted(&mut self, quote: char, literal: Literal) -> Step {
        let from = self.end;
        let mut c = self.read();
        while c != Some(quote) {
            c = match c {
                None | Some('\n') => return Err(self.fail("literal not terminated")),
                Some('\\') => self.scan_escape(quote)?,
                Some(_) => self.read(),
            };
        }
        let value = self.unescape(from, self.end - 1, literal)?;
        match literal {
            Literal::Text => self.emit_value(TokenKind::String, value.into()),
            Literal::Bytes => self.emit_value(TokenKind::Bytes, value.into()),
        }
        Ok(())
    }
    /// Reads what follows a backslash and the character after it.
    fn scan_escape(&mut self, quote: char) -> Result<Option<char>, Error> {
        match self.read() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => Ok(self.read()),
            Some(c) if c == quote => Ok(self.read()),
            Some(c @ '0'..='7') => self.scan_digits(Some(c), 8, 3),
            Some('x') => {
                let first = self.read();
                self.scan_digits(first, 16, 2)
            }
            Some('u') if self.peek() == Some('{') => self.scan_braced(),
            Some(c @ ('u' | 'U')) => {
                let first = self.read();
                self.scan_digits(first, 16, if c == 'u' { 4 } else { 8 })
            }
            _ => Err(self.fail("invalid char escape")),
        }
    }
    fn scan_digits(&mut self, first: Option<char>, radix: u32, count: usize) -> Result<Option<char>, Error> {
        let mut c = first;
        for _ in 0..count {
            if !c.is_some_and(|c| c.is_digit(radix)) {
                return Err(self.fail("invalid char escape"));
            }
            c = self.read();
        }
        Ok(c)
    }
    /// `{` and one to six hexadecimal digits and `}`.
    fn scan_braced(&mut self) -> Result<Option<char>, Error> {
        self.end += 1;
        let from = self.end;
        while self.end - from < 6 && self.accept(|c| c.is_ascii_hexdigit()) {}
        if self.end == from || self.peek() != Some('}') {
            return Err(self.fail("invalid char escape"));
        }
        self.end += 1;
        Ok(self.read())
    }
    /// Between backticks; two of them stand for one.
    fn raw(&mut self) -> Step {
        let mut value = String::new();
        loop {
            match self.read() {
                None => return Err(self.fail("literal not terminated")),
                Some('`') if self.accept(|c| c == '`') => value.push('`'),
                Some('`') => break,
                Some(c) => value.push(c),
            }
        }
        self.emit_value(TokenKind::String, value.as_str().into());
        Ok(())
    }
    fn number(&mut self) -> Step {
        if self.scan_number() {
            self.emit(TokenKind::Number);
            return Ok(());
        }
        Err(self.fail(format!("bad number syntax: {}", super::quote(&self.word()))))
    }
    fn scan_number(&mut self) -> bool {
        let mut digits: fn(char) -> bool = |c| c.is_ascii_digit() || c == '_';
        if self.accept(|c| c == '0') {
            if self.accept_any("xX") {
                digits = |c| c.is_ascii_hexdigit() || c == '_';
            } else if self.accept_any("oO") {
                digits = |c| c.is_digit(8) || c == '_';
            } else if self.accept_any("bB") {
                digits = |c| c.is_digit(2) || c == '_';
            }
        }
        self.accept_run(digits);
        let end = self.end;
        if self.accept(|c| c == '.') {
            // The range operator: `1..2`.
            if self.peek() == Some('.') {
                self.end = end;
                return true;
            }
            self.accept_run(digits);
        }
        if self.accept_any("eE") {
            self.accept_any("+-");
            self.accept_run(digits);
        }
        !self.accept(is_alphanumeric)
    }
    fn dot(&mut self) -> Step {
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return self.number();
        }
        self.accept(|c| c == '.');
        self.emit(TokenKind::Operator);
        Ok(())
    }
    fn identifier(&mut self) {
        self.accept_run(is_alphanumeric);
        match self.word().as_str() {
            "not" => self.not(),
            "in" | "or" | "and" | "matches" | "contains" | "startsWith" | "endsWith" | "let" | "if" | "else" => {
                self.emit(TokenKind::Operator);
            }
            _ => self.emit(TokenKind::Identifier),
        }
    }
    /// `not`, and the operator it negates if one follows after spaces.
    fn not(&mut self) {
        self.emit(TokenKind::Operator);
        self.accept_run(|c| c == ' ');
        self.skip();
        let end = self.end;
        self.accept_run(is_alphanumeric);
        if is_negatable(&self.word()) {
            self.emit(TokenKind::Operator);
        } else {
            self.end = end;
        }
    }
    fn slash(&mut self) -> Step {
        if self.accept(|c| c == '/') {
            while !matches!(self.read(), None | Some('\n')) {}
            self.eof = false;
            self.skip();
        } else if self.accept(|c| c == '*') {
            self.block_comment()?;
        } else {
            self.emit(TokenKind::Operator);
        }
        Ok(())
    }
    fn block_comment(&mut self) -> Step {
        loop {
            match self.read() {
                None => return Err(self.fail("unclosed comment")),
                Some('*') if self.accept(|c| c == '/') => break,
                Some(_) => {}
            }
        }
        self.skip();
        Ok(())
    }
    /// `#` and the name that follows it without a space.
    fn pointer(&mut self) {
        self.accept(|c| c == '#');
        self.emit(TokenKind::Operator);
        self.accept_run(is_alphanumeric);
        if self.end > self.start {
            self.emit(TokenKind::Identifier);
        }
    }
}

/// Whether a keyword may be a member's name.
pub(crate) fn is_name(text: &Str) -> bool {
    text.as_str().and_then(|text| text.chars().next()).is_some_and(is_alphabetic)
}
