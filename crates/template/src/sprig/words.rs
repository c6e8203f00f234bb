//! Word-wise string functions by the rules of goutils (abbreviations, wrapping, initials) and xstrings (case styles).

use super::{Answer, Output, cases, text};
use crate::function::{Call, FunctionSpec, Offered::Notifications, ParamType, ParamType::*, SignatureSpec};
use gatepost_value::{LimitError, Value, runes};
use memchr::{memchr, memrchr};
use regex::Regex;
use std::sync::OnceLock;

const fn spec(name: &'static str, params: &'static [ParamType], run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run).offered(Notifications)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    spec("abbrev", &[Int, String], |call| Ok(abbreviate(call, 0, call.int(0), 1))),
    spec("abbrevboth", &[Int, Int, String], |call| Ok(abbreviate(call, call.int(0), call.int(1), 2))),
    spec("nospace", &[String], |call| text(call, no_space(call.bytes(0)))),
    spec("initials", &[String], |call| text(call, initials(call.bytes(0)))),
    spec("untitle", &[String], |call| text(call, untitle(call.bytes(0)))),
    spec("swapcase", &[String], |call| text(call, swap_case(call.bytes(0)))),
    spec("camelcase", &[String], |call| text(call, pascal_case(call.bytes(0)))),
    spec("snakecase", &[String], |call| text(call, separated(call.bytes(0), '_'))),
    spec("kebabcase", &[String], |call| text(call, separated(call.bytes(0), '-'))),
    spec("wrap", &[Int, String], |call| {
        let mut out = Output::new(call.budget());
        wrap(&mut out, call.bytes(1), call.int(0), b"\n", false)?;
        Ok(out.finish())
    }),
    spec("wrapWith", &[Int, String, String], |call| {
        let mut out = Output::new(call.budget());
        let line_end = if call.bytes(1).is_empty() { b"\n" } else { call.bytes(1) };
        wrap(&mut out, call.bytes(2), call.int(0), line_end, true)?;
        Ok(out.finish())
    }),
];

/// goutils' abbreviation to `width` bytes, from `offset` on when that is not near the beginning.
fn abbreviate(call: &Call<'_>, offset: i64, width: i64, at: usize) -> Value {
    let whole = call.arg(at).clone();
    let bytes = call.bytes(at);
    let len = bytes.len() as i64;
    if width < 4 || offset > 0 && width < 7 || len <= width {
        return whole;
    }
    let (width, mut offset) = (width as usize, offset.min(len).max(-1));
    if len - offset < width as i64 - 3 {
        offset = len - (width as i64 - 3);
    }
    if offset <= 4 {
        return Value::str([&bytes[..width - 3], b"..."].concat());
    }
    let offset = offset as usize;
    if offset + width - 3 < bytes.len() {
        let (rest, room) = (&bytes[offset..], width - 3);
        // The remainder is longer than the room, so it is cut once more; with too little room nothing is left of it.
        let cut: &[u8] = if room < 4 { b"" } else { &rest[..room - 3] };
        let tail: &[u8] = if room < 4 { b"" } else { b"..." };
        return Value::str([b"...", cut, tail].concat());
    }
    Value::str([b"...", &bytes[bytes.len() - (width - 3)..]].concat())
}

/// Bytes taken for Latin-1 characters, which is how goutils walks a string.
fn latin1(text: &[u8]) -> impl Iterator<Item = char> + '_ {
    text.iter().map(|&b| char::from(b))
}

fn no_space(text: &[u8]) -> Vec<u8> {
    if latin1(text).any(char::is_whitespace) {
        latin1(text).filter(|c| !c.is_whitespace()).collect::<std::string::String>().into_bytes()
    } else {
        text.to_vec()
    }
}

fn initials(text: &[u8]) -> std::string::String {
    let mut gap = true;
    let begins = |c: &char| {
        let begins = gap && !c.is_whitespace();
        gap = c.is_whitespace();
        begins
    };
    latin1(text).filter(begins).collect()
}

fn untitle(text: &[u8]) -> std::string::String {
    let mut gap = true;
    let change = |c: char| {
        let begins = std::mem::replace(&mut gap, c.is_whitespace());
        if begins && !c.is_whitespace() { cases::lower(c) } else { c }
    };
    cases::characters(text).map(change).collect()
}

fn swap_case(text: &[u8]) -> std::string::String {
    let mut gap = true;
    let change = |c: char| {
        if c.is_uppercase() || cases::is_title(c) {
            gap = false;
            cases::lower(c)
        } else if c.is_lowercase() {
            if std::mem::replace(&mut gap, false) { cases::title(c) } else { cases::upper(c) }
        } else {
            gap = c.is_whitespace();
            c
        }
    };
    cases::characters(text).map(change).collect()
}

/// Breaks at spaces so that lines have at most `width` bytes; longer words are broken only if `cut_words`.
fn wrap(out: &mut Output<'_>, text: &[u8], width: i64, line_end: &[u8], cut_words: bool) -> Result<(), LimitError> {
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let mut rest = text;
    while rest.len() > width {
        out.budget.step(1)?;
        if rest[0] == b' ' {
            rest = &rest[1..];
            continue;
        }
        let space = memrchr(b' ', &rest[..=width]);
        let (line, skip) = match space {
            Some(at) => (at, 1),
            None if cut_words => (width, 0),
            None => match memchr(b' ', &rest[width..]) {
                Some(at) => (width + at, 1),
                None => break,
            },
        };
        out.push(&rest[..line])?;
        out.push(line_end)?;
        rest = &rest[line + skip..];
    }
    out.push(rest)
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// xstrings' Pascal case: leading connectors stay, of connectors in a row the last one goes, an upper-case word is
/// lowered behind its first letter.
fn pascal_case(text: &[u8]) -> std::string::String {
    let characters: Vec<char> = cases::characters(text).collect();
    let start = characters.iter().position(|&c| !is_connector(c)).unwrap_or(characters.len());
    let mut out: std::string::String = characters[..start].iter().collect();
    let Some(&first) = characters.get(start) else {
        // A text of connectors only ends with its last one twice.
        out.extend(characters.last());
        return out;
    };
    let mut shouting = first.is_uppercase();
    let mut held = cases::upper(first);
    for &next in &characters[start + 1..] {
        let mut c = next;
        if is_connector(c) && is_connector(held) {
            out.push(held);
        } else if is_connector(held) {
            shouting = c.is_uppercase();
            c = cases::upper(c);
        } else {
            if shouting {
                if c.is_uppercase() {
                    c = cases::lower(c);
                } else {
                    shouting = false;
                }
            }
            out.push(held);
        }
        held = c;
    }
    out.push(held);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// A letter that is not of the CJK blocks, which have no case and no spaces between words.
fn is_alphabet(c: char) -> bool {
    let cjk = matches!(c, '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}');
    c.is_alphabetic() && !cjk
}

fn is_punctuation(c: char) -> bool {
    static SET: OnceLock<Option<Regex>> = OnceLock::new();
    if c.is_ascii() {
        return c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c);
    }
    let set = SET.get_or_init(|| Regex::new(r"\p{P}").ok());
    set.as_ref().is_some_and(|set| set.is_match(c.encode_utf8(&mut [0; 4])))
}

/// Cuts the next word off: its kind and length in characters.
fn next_word(text: &[char]) -> (Kind, usize) {
    let Some(&first) = text.first() else { return (Kind::Invalid, 0) };
    let run = |belongs: fn(char) -> bool| 1 + text[1..].iter().take_while(|&&c| belongs(c)).count();
    let lower_letters = |c: char| is_alphabet(c) && !c.is_uppercase();
    match first {
        char::REPLACEMENT_CHARACTER => (Kind::Invalid, 1),
        c if is_connector(c) => (Kind::Connector, run(is_connector)),
        c if is_punctuation(c) => (Kind::Punctuation, run(is_punctuation)),
        c if c.is_uppercase() => {
            let upper = run(char::is_uppercase);
            let length = match text.get(upper) {
                // "HTTPStatus" is "HTTP" and "Status".
                Some(&c) if upper > 1 && is_alphabet(c) => upper - 1,
                Some(&c) if upper == 1 && is_alphabet(c) => run(lower_letters),
                _ => upper,
            };
            (Kind::Upper, length)
        }
        c if is_alphabet(c) => (Kind::Alphabet, run(lower_letters)),
        c if c.is_numeric() => (Kind::Number, run(char::is_numeric)),
        _ => {
            let other = |c: char| !(is_connector(c) || is_alphabet(c) || c.is_numeric() || is_punctuation(c));
            (Kind::Other, run(other))
        }
    }
}

/// A walk over the words of a text that writes them lowered, joined by a connector.
struct Joiner<'t> {
    rest: &'t [char],
    kind: Kind,
    word: &'t [char],
    connector: char,
    out: std::string::String,
}

impl<'t> Joiner<'t> {
    fn advance(&mut self) {
        let (kind, length) = next_word(self.rest);
        (self.word, self.rest) = self.rest.split_at(length);
        self.kind = kind;
    }
    fn write(&mut self, kind: Kind, word: &[char]) {
        let connector = self.connector;
        let change = |c: char| match kind {
            Kind::Upper | Kind::Connector if is_connector(c) => connector,
            Kind::Upper | Kind::Connector => cases::lower(c),
            _ => c,
        };
        self.out.extend(word.iter().map(|&c| change(c)));
    }
    /// Writes the words up to the next one that is neither letters nor digits: `2m3s` stays together.
    fn write_run(&mut self) {
        while matches!(self.kind, Kind::Alphabet | Kind::Number) {
            self.write(self.kind, self.word);
            self.advance();
        }
        if !matches!(self.kind, Kind::Invalid | Kind::Punctuation | Kind::Connector) {
            self.out.push(self.connector);
        }
    }
    /// What stands between a word of letters and what follows it.
    fn after_letters(&mut self) {
        if self.kind != Kind::Number {
            if !matches!(self.kind, Kind::Connector | Kind::Punctuation) {
                self.out.push(self.connector);
            }
            return;
        }
        if self.rest.is_empty() {
            return;
        }
        let number: &'t [char] = self.word;
        self.advance();
        if self.kind == Kind::Alphabet {
            // "http2xx" is "http_2xx".
            self.out.push(self.connector);
            self.write(Kind::Number, number);
            self.write_run();
        } else {
            // "Bld4Floor" is "bld4_floor".
            self.write(Kind::Number, number);
            if !matches!(self.kind, Kind::Connector | Kind::Punctuation) {
                self.out.push(self.connector);
            }
        }
    }
}

/// xstrings' snake and kebab case.
fn separated(text: &[u8], connector: char) -> std::string::String {
    let characters: Vec<char> = runes::iter(text).map(|(_, c, _)| c).collect();
    let mut j = Joiner { rest: &characters, kind: Kind::Invalid, word: &[], connector, out: Default::default() };
    j.advance();
    while !j.rest.is_empty() {
        if j.kind != Kind::Connector {
            j.write(j.kind, j.word);
        }
        let (before, last) = (j.kind, j.word);
        j.advance();
        match before {
            Kind::Number => j.write_run(),
            Kind::Connector => j.write(before, last),
            Kind::Punctuation => {}
            _ => j.after_letters(),
        }
    }
    j.write(j.kind, j.word);
    j.out
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn case_styles() {
        let snake = [
            ("FirstName", "first_name"),
            ("HTTPServer", "http_server"),
            ("NoHTTPS", "no_https"),
            ("GO PATH", "go_path"),
            ("http2xx", "http_2xx"),
            ("HTTP20xOK", "http_20x_ok"),
            ("Duration2m3s", "duration_2m3s"),
            ("Bld4Floor3rd", "bld4_floor_3rd"),
        ];
        for (given, wanted) in snake {
            assert_eq!(shown("snakecase", &[s(given)]), wanted);
            assert_eq!(shown("kebabcase", &[s(given)]), wanted.replace('_', "-"));
        }
        for (given, wanted) in
            [("some_words", "SomeWords"), ("_complex__case_", "_Complex_Case_"), ("GOLANG_IS_GREAT", "GolangIsGreat")]
        {
            assert_eq!(shown("camelcase", &[s(given)]), wanted);
        }
        assert_eq!(shown("swapcase", &[s("This Is a.Test")]), "tHIS iS A.tEST");
        assert_eq!(shown("untitle", &[s("First Try")]), "first try");
    }

    #[test]
    fn abbreviations_and_wrapping() {
        assert_eq!(shown("abbrev", &[i(5), s("hello world")]), "he...");
        assert_eq!(shown("abbrevboth", &[i(5), i(10), s("1234 5678 9123")]), "...5678...");
        assert_eq!(shown("wrap", &[i(5), s("abc defghi jk")]), "abc\ndefghi\njk");
        assert_eq!(shown("wrapWith", &[i(5), s("\t"), s("Hello World")]), "Hello\tWorld");
        assert_eq!(shown("wrapWith", &[i(3), s("|"), s("abcdefg")]), "abc|def|g");
        assert_eq!(shown("initials", &[s("First Try")]), "FT");
        assert_eq!(shown("nospace", &[s(" h e l l o ")]), "hello");
        assert!(limited("wrapWith", &[i(1), s(&"x".repeat(10_000)), s(&"y".repeat(10_000))]));
    }
}
