//! The reader: one pass over the text with a stack of its own, so that nesting is data and never depth of the thread's stack.

use super::{Numbers, ParseError};
use crate::{Str, Value, runes};

/// Go's limit of nesting.
const DEEPEST: usize = 10_000;

/// A list or map whose end was not seen yet.
enum Open {
    List(Vec<Value>),
    /// The entries so far and the key whose value is being read.
    Map(Vec<(Str, Value)>, Str),
}

pub(super) struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    numbers: Numbers,
    open: Vec<Open>,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t [u8], numbers: Numbers) -> Self {
        Self { text, at: 0, numbers, open: Vec::new() }
    }

    /// The one value of the text.
    pub(super) fn document(mut self) -> Result<Value, ParseError> {
        loop {
            let Some(mut value) = self.begin_value()? else { continue };
            loop {
                match self.close(value)? {
                    Closed::Done(value) => return Ok(value),
                    Closed::More => break,
                    Closed::Ended(whole) => value = whole,
                }
            }
        }
    }

    /// A scalar or an empty list or map; `None` where a list or map was opened and its first value is to follow.
    fn begin_value(&mut self) -> Result<Option<Value>, ParseError> {
        match self.next_token()? {
            b'{' => self.begin_map(),
            b'[' => self.begin_list(),
            b'"' => self.string().map(|text| Some(Value::Str(text))),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Nil),
            b'-' | b'0'..=b'9' => self.number().map(Some),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn begin_map(&mut self) -> Result<Option<Value>, ParseError> {
        self.check_depth()?;
        self.at += 1;
        if self.next_token()? == b'}' {
            self.at += 1;
            return Ok(Some(Value::map(Vec::new())));
        }
        let key = self.key()?;
        self.open.push(Open::Map(Vec::new(), key));
        Ok(None)
    }

    fn begin_list(&mut self) -> Result<Option<Value>, ParseError> {
        self.check_depth()?;
        self.at += 1;
        if self.next_token()? == b']' {
            self.at += 1;
            return Ok(Some(Value::list(Vec::new())));
        }
        self.open.push(Open::List(Vec::new()));
        Ok(None)
    }

    fn check_depth(&self) -> Result<(), ParseError> {
        if self.open.len() < DEEPEST {
            return Ok(());
        }
        Err(ParseError { message: "exceeded max depth".to_owned(), offset: self.at })
    }

    /// Puts a finished value where it belongs and reads what follows it.
    fn close(&mut self, value: Value) -> Result<Closed, ParseError> {
        self.skip_space();
        let next = self.text.get(self.at).copied();
        match self.open.last_mut() {
            None if next.is_none() => return Ok(Closed::Done(value)),
            None => return Err(self.unexpected("after top-level value")),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(entries, key)) => entries.push((std::mem::take(key), value)),
        }
        let in_list = matches!(self.open.last(), Some(Open::List(_)));
        match (next, in_list) {
            (Some(b','), true) => self.at += 1,
            (Some(b','), false) => self.next_key()?,
            (Some(b']'), true) | (Some(b'}'), false) => {
                self.at += 1;
                return Ok(Closed::Ended(self.open.pop().map_or(Value::Nil, Open::finish)));
            }
            (_, true) => return Err(self.unexpected("after array element")),
            (_, false) => return Err(self.unexpected("after object key:value pair")),
        }
        Ok(Closed::More)
    }

    fn next_key(&mut self) -> Result<(), ParseError> {
        self.at += 1;
        self.next_token()?;
        let read = self.key()?;
        if let Some(Open::Map(_, key)) = self.open.last_mut() {
            *key = read;
        }
        Ok(())
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<Str, ParseError> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if self.next_token()? != b':' {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(key)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is not space, not yet consumed.
    fn next_token(&mut self) -> Result<u8, ParseError> {
        self.skip_space();
        self.peek()
    }

    fn peek(&self) -> Result<u8, ParseError> {
        self.text.get(self.at).copied().ok_or_else(|| self.end())
    }

    fn end(&self) -> ParseError {
        ParseError { message: "unexpected end of JSON input".to_owned(), offset: self.text.len() }
    }

    fn unexpected(&self, place: &str) -> ParseError {
        if self.at < self.text.len() { self.in_token(place) } else { self.end() }
    }

    /// As [`Parser::unexpected`] inside a word, number or escape: Go reads the end of the text as a space there.
    fn in_token(&self, place: &str) -> ParseError {
        let message = format!("invalid character {} {place}", quoted(self.byte()));
        ParseError { message, offset: self.at }
    }

    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(b' ')
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Option<Value>, ParseError> {
        for expected in word.bytes() {
            if self.byte() != expected {
                return Err(self.in_token(&format!("in literal {word} (expecting '{}')", expected as char)));
            }
            self.at += 1;
        }
        Ok(Some(value))
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let start = self.at;
        let mut whole = true;
        if self.byte() == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            whole = false;
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            whole = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        self.number_value(start, whole)
    }

    fn digits(&mut self, place: &str) -> Result<(), ParseError> {
        if !self.byte().is_ascii_digit() {
            return Err(self.in_token(place));
        }
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn number_value(&self, start: usize, whole: bool) -> Result<Value, ParseError> {
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        if whole
            && self.numbers != Numbers::Float
            && let Ok(n) = text.parse::<i64>()
        {
            return Ok(if self.numbers == Numbers::Int { Value::int(n) } else { Value::int64(n) });
        }
        match text.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(Value::float(f)),
            _ => {
                let message = format!("json: cannot unmarshal number {text} into Go value of type float64");
                Err(ParseError { message, offset: start })
            }
        }
    }

    fn string(&mut self) -> Result<Str, ParseError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.text[self.at..];
            self.at += rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(match std::str::from_utf8(raw) {
            Ok(_) if !escaped => raw.into(),
            _ => unescape(raw).into(),
        })
    }

    /// Steps over one escape that is well formed.
    fn escape(&mut self) -> Result<(), ParseError> {
        self.at += 1;
        match self.byte() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_ascii_hexdigit() {
                        return Err(self.in_token("in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.in_token("in string escape code")),
        }
        Ok(())
    }
}

/// What follows a finished value.
enum Closed {
    /// The end of the text.
    Done(Value),
    /// Another value.
    More,
    /// The end of the list or map around it.
    Ended(Value),
}

impl Open {
    fn finish(self) -> Value {
        match self {
            Self::List(items) => Value::list(items),
            Self::Map(entries, _) => Value::map(entries),
        }
    }
}

/// A byte as Go's errors show it.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => r#"'"'"#.to_owned(),
        _ => {
            let text = crate::fmt::quote((byte as char).encode_utf8(&mut [0; 4]).as_bytes());
            format!("'{}'", &text[1..text.len() - 1])
        }
    }
}

/// The text of a string whose escapes are known to be well formed; bytes that are not UTF-8 become U+FFFD.
fn unescape(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if raw[at] != b'\\' {
            let (rune, width) = runes::decode(&raw[at..]);
            out.push(rune);
            at += width;
            continue;
        }
        let letter = raw.get(at + 1).copied().unwrap_or_default();
        at += 2;
        out.push(match letter {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (rune, width) = unicode_escape(raw, at);
                at += width;
                rune
            }
            other => other as char,
        });
    }
    out
}

/// The character of the four digits at `at`, with its second half where it is a surrogate; and how many bytes it takes.
fn unicode_escape(raw: &[u8], at: usize) -> (char, usize) {
    let first = hex4(raw, at).unwrap_or(0xfffd);
    if let Some(c) = char::from_u32(first) {
        return (c, 4);
    }
    let paired = raw.get(at + 4..at + 6) == Some(b"\\u");
    let second = hex4(raw, at + 6).filter(|low| paired && first < 0xdc00 && (0xdc00..0xe000).contains(low));
    let joined = second.map(|low| 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00)).and_then(char::from_u32);
    joined.map_or((char::REPLACEMENT_CHARACTER, 4), |c| (c, 10))
}

fn hex4(raw: &[u8], at: usize) -> Option<u32> {
    let digits = std::str::from_utf8(raw.get(at..at + 4)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}
