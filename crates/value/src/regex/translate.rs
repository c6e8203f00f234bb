//! Reads a pattern by Go's grammar (Perl flags) and writes it in the dialect of the `regex` crate.
//!
//! Every atom is written so that it means the same wherever it stands (flags are resolved here, literals that mean
//! anything elsewhere are escaped), which lets pieces be joined without a second thought. Nesting is bounded.

use self::class::{class, perl_class, unicode_class};
use std::collections::BTreeSet;

mod class;

/// Groups inside each other.
const MAX_DEPTH: usize = 250;
/// Go's limit for `{n}` and for products of nested ones.
const MAX_REPEAT: u64 = 1_000;

/// What is wrong with a pattern, in Go's words.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) at: String,
}

pub(super) fn fault<T>(reason: &'static str, at: &str) -> Result<T, Fault> {
    Err(Fault { reason, at: at.to_owned() })
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    lines: bool,
    dot_newline: bool,
    lazy: bool,
}

/// One atom, perhaps with a repetition.
struct Piece {
    text: String,
    repeated: bool,
    /// Product of the nested repeat counts inside.
    count: u64,
}

/// An open group: what stands before it and what was read of it.
#[derive(Default)]
struct Group {
    open: String,
    outer_flags: Flags,
    finished: String,
    pieces: Vec<Piece>,
    count: u64,
}

impl Group {
    /// Ends the current alternative.
    fn flush(&mut self) {
        for piece in self.pieces.drain(..) {
            self.finished.push_str(&piece.text);
            self.count = self.count.max(piece.count);
        }
    }
}

struct Translator<'p> {
    whole: &'p str,
    rest: &'p str,
    flags: Flags,
    groups: Vec<Group>,
    names: BTreeSet<&'p str>,
}

/// The pattern in the `regex` crate's dialect.
pub(super) fn translate(pattern: &str) -> Result<String, Fault> {
    let mut t = Translator {
        whole: pattern,
        rest: pattern,
        flags: Flags::default(),
        groups: vec![Group::default()],
        names: BTreeSet::new(),
    };
    let mut last_repeat = None;
    while let Some(c) = t.rest.chars().next() {
        last_repeat = t.item(c, last_repeat)?;
    }
    match (t.groups.pop(), t.groups.is_empty()) {
        (Some(mut top), true) => {
            top.flush();
            Ok(top.finished)
        }
        _ => fault("missing closing )", pattern),
    }
}

impl<'p> Translator<'p> {
    /// Reads one item; answers the text from the repetition on, if it was one.
    fn item(&mut self, c: char, last_repeat: Option<&'p str>) -> Result<Option<&'p str>, Fault> {
        match c {
            '(' => self.open()?,
            ')' => self.close()?,
            '|' => {
                self.skip(1);
                let group = self.top();
                group.flush();
                group.finished.push('|');
            }
            '^' => self.anchor(if self.flags.lines { "(?m:^)" } else { r"\A" }, 1),
            '$' => self.anchor(if self.flags.lines { "(?m:$)" } else { r"\z" }, 1),
            '.' => self.atom(if self.flags.dot_newline { "(?s:.)" } else { r"[^\n]" }, 1),
            '[' => {
                let (text, rest) = class(self.rest)?;
                self.rest = rest;
                self.class_piece(text);
            }
            '*' | '+' | '?' => return self.repeat(c, last_repeat).map(Some),
            '{' => return self.counted(last_repeat),
            '\\' => self.backslash()?,
            _ => self.literal(c, c.len_utf8()),
        }
        Ok(None)
    }
    fn top(&mut self) -> &mut Group {
        if self.groups.is_empty() {
            self.groups.push(Group::default());
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
    fn push(&mut self, text: String, count: u64) {
        self.top().pieces.push(Piece { text, repeated: false, count });
    }
    fn atom(&mut self, text: &str, width: usize) {
        self.skip(width);
        self.push(text.to_owned(), 1);
    }
    fn anchor(&mut self, text: &str, width: usize) {
        self.skip(width);
        self.push(format!("(?:{text})"), 1);
    }
    fn class_piece(&mut self, text: String) {
        let text = if self.flags.fold { format!("(?i:{text})") } else { text };
        self.push(text, 1);
    }
    fn literal(&mut self, c: char, width: usize) {
        self.skip(width);
        self.code_point(u32::from(c));
    }
    fn code_point(&mut self, code: u32) {
        let text = match char::from_u32(code) {
            None => r"[^\x{0}-\x{10FFFF}]".to_owned(),
            Some(c) if self.flags.fold && c.is_alphabetic() => format!("(?i:{c})"),
            Some(c) if c.is_alphanumeric() => c.to_string(),
            Some(c) => format!("\\x{{{:X}}}", u32::from(c)),
        };
        self.push(text, 1);
    }

    fn open(&mut self) -> Result<(), Fault> {
        if self.groups.len() > MAX_DEPTH {
            return fault("expression nests too deeply", self.whole);
        }
        let outer_flags = self.flags;
        let open = if self.rest.starts_with("(?") {
            match self.perl_group()? {
                Some(open) => open,
                None => return Ok(()),
            }
        } else {
            self.skip(1);
            "(".to_owned()
        };
        self.groups.push(Group { open, outer_flags, ..Group::default() });
        Ok(())
    }
    /// `(?P<n>`, `(?<n>`, `(?i:`; none for `(?i)`, which opens no group.
    fn perl_group(&mut self) -> Result<Option<String>, Fault> {
        let text = self.rest;
        let named = if text.starts_with("(?P<") && text.len() > 4 {
            Some(4)
        } else if text.starts_with("(?<") && text.len() > 3 {
            Some(3)
        } else {
            None
        };
        if let Some(start) = named {
            return self.named_group(start).map(Some);
        }
        self.flag_group()
    }
    fn named_group(&mut self, start: usize) -> Result<String, Fault> {
        const REASON: &str = "invalid named capture";
        let text = self.rest;
        let Some(end) = text.find('>') else { return fault(REASON, text) };
        let name = text.get(start..end).unwrap_or_default();
        // A digit in front is fine in Go, not in the crate underneath.
        let valid = name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
            && !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !valid {
            return fault(REASON, &text[..=end]);
        }
        if !self.names.insert(name) {
            return fault(REASON, name);
        }
        self.skip(end + 1);
        Ok(format!("(?P<{name}>"))
    }
    fn flag_group(&mut self) -> Result<Option<String>, Fault> {
        let text = self.rest;
        let (mut flags, mut value, mut seen, mut read) = (self.flags, true, false, 2);
        for c in text.chars().skip(2) {
            read += c.len_utf8();
            match c {
                'i' => flags.fold = value,
                'm' => flags.lines = value,
                's' => flags.dot_newline = value,
                'U' => flags.lazy = value,
                '-' if value => (value, seen) = (false, false),
                ':' | ')' if value || seen => {
                    self.skip(read);
                    self.flags = flags;
                    return Ok((c == ':').then(|| "(?:".to_owned()));
                }
                _ => break,
            }
            seen |= c != '-';
        }
        fault("invalid or unsupported Perl syntax", &text[..read])
    }
    fn close(&mut self) -> Result<(), Fault> {
        if self.groups.len() < 2 {
            return fault("unexpected )", self.whole);
        }
        self.skip(1);
        if let Some(mut group) = self.groups.pop() {
            group.flush();
            self.flags = group.outer_flags;
            self.push(format!("{}{})", group.open, group.finished), group.count.max(1));
        }
        Ok(())
    }

    fn repeat(&mut self, op: char, last_repeat: Option<&'p str>) -> Result<&'p str, Fault> {
        let before = self.rest;
        self.skip(1);
        self.apply_repeat(&op.to_string(), before, last_repeat, 1)
    }
    fn counted(&mut self, last_repeat: Option<&'p str>) -> Result<Option<&'p str>, Fault> {
        let before = self.rest;
        let Some((min, max, rest)) = repeat_counts(before) else {
            self.literal('{', 1);
            return Ok(None);
        };
        self.rest = rest;
        let written = &before[..before.len() - rest.len()];
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || min > max) {
            return fault("invalid repeat count", written);
        }
        let op = match max {
            Some(max) if max == min => format!("{{{min}}}"),
            Some(max) => format!("{{{min},{max}}}"),
            None => format!("{{{min},}}"),
        };
        let times = if max == Some(0) { 0 } else { max.unwrap_or(min).max(1) };
        self.apply_repeat(&op, before, last_repeat, times).map(Some)
    }
    fn apply_repeat(
        &mut self,
        op: &str,
        before: &'p str,
        last_repeat: Option<&'p str>,
        times: u64,
    ) -> Result<&'p str, Fault> {
        let mut lazy = self.flags.lazy;
        if self.rest.starts_with('?') {
            self.skip(1);
            lazy = !lazy;
        }
        let after = self.rest.len();
        let written = &before[..before.len() - after];
        if let Some(last) = last_repeat {
            return fault("invalid nested repetition operator", &last[..last.len() - after]);
        }
        let Some(piece) = self.top().pieces.last_mut() else {
            return fault("missing argument to repetition operator", written);
        };
        piece.count *= times;
        if piece.count > MAX_REPEAT && times > 1 {
            return fault("invalid repeat count", written);
        }
        if piece.repeated {
            piece.text = format!("(?:{})", piece.text);
        }
        piece.repeated = true;
        piece.count = piece.count.max(1);
        piece.text.push_str(op);
        if lazy {
            piece.text.push('?');
        }
        Ok(before)
    }

    fn backslash(&mut self) -> Result<(), Fault> {
        let text = self.rest;
        match text.as_bytes().get(1) {
            Some(b'A') => self.anchor(r"\A", 2),
            Some(b'z') => self.anchor(r"\z", 2),
            Some(b'b') => self.anchor(r"(?-u:\b)", 2),
            Some(b'B') => self.anchor(r"(?-u:\B)", 2),
            Some(b'Q') => {
                let body = &text[2..];
                let quoted = body.split_once(r"\E").map_or(body, |(quoted, _)| quoted);
                for c in quoted.chars() {
                    self.code_point(u32::from(c));
                }
                self.skip((2 + quoted.len() + 2).min(text.len()));
            }
            _ => {
                if let Some((set, rest)) = unicode_class(text)? {
                    self.rest = rest;
                    self.class_piece(set);
                } else if let Some(set) = perl_class(text) {
                    self.skip(2);
                    self.class_piece(format!("[{set}]"));
                } else {
                    let (code, rest) = escape(text)?;
                    self.rest = rest;
                    self.code_point(code);
                }
            }
        }
        Ok(())
    }
}

/// `{n}`, `{n,}`, `{n,m}` at the beginning of the text, else none: then the brace is a plain character.
fn repeat_counts(text: &str) -> Option<(u64, Option<u64>, &str)> {
    let (min, rest) = count(text.strip_prefix('{')?)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, Some(min), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, None, rest));
    }
    let (max, rest) = count(rest)?;
    Some((min, Some(max), rest.strip_prefix('}')?))
}

fn count(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 1 && text.starts_with('0') {
        return None;
    }
    Some((text[..digits].parse().unwrap_or(u64::MAX), &text[digits..]))
}

/// The code point of an escape such as `\n`, `\x{41}`, `\101`, `\.` and the text behind it.
pub(super) fn escape(text: &str) -> Result<(u32, &str), Fault> {
    let Some(c) = text.chars().nth(1) else { return fault("trailing backslash at end of expression", "") };
    let rest = &text[1 + c.len_utf8()..];
    let invalid = |rest: &str| fault("invalid escape sequence", &text[..text.len() - rest.len()]);
    let octal = |rest: &str| rest.bytes().take_while(|b| (b'0'..=b'7').contains(b)).count();
    match c {
        '1'..='7' if octal(rest) == 0 => invalid(rest),
        '0'..='7' => {
            let digits = (1 + octal(rest)).min(3);
            let code = u32::from_str_radix(&text[1..=digits], 8).unwrap_or_default();
            Ok((code, &text[1 + digits..]))
        }
        'x' => hex(rest).or_else(invalid),
        'a' => Ok((7, rest)),
        'f' => Ok((12, rest)),
        'n' => Ok((10, rest)),
        'r' => Ok((13, rest)),
        't' => Ok((9, rest)),
        'v' => Ok((11, rest)),
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok((u32::from(c), rest)),
        _ => invalid(rest),
    }
}

/// The number behind `\x`; in the error case the text behind the last character looked at.
fn hex(text: &str) -> Result<(u32, &str), &str> {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return Err(text) };
    if first != '{' {
        let second = chars.next();
        let code = first.to_digit(16).zip(second.and_then(|c| c.to_digit(16)));
        return code.map(|(x, y)| (x * 16 + y, chars.as_str())).ok_or(chars.as_str());
    }
    let (mut code, mut digits) = (0_u32, 0);
    for c in chars.by_ref() {
        match c.to_digit(16) {
            Some(digit) if code * 16 + digit <= 0x10_FFFF => code = code * 16 + digit,
            None if c == '}' && digits > 0 => return Ok((code, chars.as_str())),
            _ => break,
        }
        digits += 1;
    }
    Err(chars.as_str())
}
