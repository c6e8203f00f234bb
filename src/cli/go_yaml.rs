//! YAML as the Argo CD command line prints it (sigs.k8s.io/yaml on go-yaml v2): keys sorted, lists not indented, strings
//! quoted only where YAML 1.1 would read something else, long ones folded.
//!
//! Only for people and for comparison with that command line: anything else prints with serde.

use crate::notify::yaml::{Scalar, resolve};
use regex::Regex;
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::sync::LazyLock;

/// Columns after which a line is folded at its next single space.
const WIDTH: usize = 80;
/// What go-yaml reads as a time, and as a number of base 60.
static OTHER_THAN_TEXT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let date = r"\d{4}-\d{1,2}-\d{1,2}";
    let time = r"\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?";
    Regex::new(&format!(
        r"^({date}([Tt]{time}(Z|[-+]\d\d:\d\d))?|{date} {time}|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$"
    ))
    .ok()
});

/// A value as YAML.
pub(super) fn print(value: &Value) -> String {
    let mut page = Page::default();
    match value {
        Value::Object(pairs) if !pairs.is_empty() => page.map(pairs, 0, false),
        Value::Array(items) if !items.is_empty() => page.list(items, 0, false),
        leaf => page.leaf(leaf, 0),
    }
    page.text.push('\n');
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    column: usize,
}

impl Page {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }
    /// Goes to this column of a new line.
    fn line(&mut self, indent: usize) {
        if self.column > 0 {
            self.text.push('\n');
        }
        self.column = 0;
        self.put(&" ".repeat(indent));
    }
    fn map(&mut self, pairs: &Map<String, Value>, indent: usize, mut inline: bool) {
        for (key, value) in sorted(pairs) {
            if !std::mem::take(&mut inline) {
                self.line(indent);
            }
            self.string(key, indent, true);
            self.put(":");
            match value {
                Value::Object(pairs) if !pairs.is_empty() => self.map(pairs, indent + 2, false),
                Value::Array(items) if !items.is_empty() => self.list(items, indent, false),
                leaf => {
                    self.put(" ");
                    self.leaf(leaf, indent + 2);
                }
            }
        }
    }
    fn list(&mut self, items: &[Value], indent: usize, mut inline: bool) {
        for item in items {
            if !std::mem::take(&mut inline) {
                self.line(indent);
            }
            self.put("- ");
            match item {
                Value::Object(pairs) if !pairs.is_empty() => self.map(pairs, indent + 2, true),
                Value::Array(items) if !items.is_empty() => self.list(items, indent + 2, true),
                leaf => self.leaf(leaf, indent + 2),
            }
        }
    }
    fn leaf(&mut self, value: &Value, indent: usize) {
        match value {
            Value::String(text) => self.string(text, indent, false),
            Value::Object(_) => self.put("{}"),
            Value::Array(_) => self.put("[]"),
            other => self.put(&other.to_string()),
        }
    }
    fn string(&mut self, text: &str, indent: usize, key: bool) {
        match style(text, key) {
            Style::Plain => self.folded(text, indent, key, Style::Plain),
            Style::Single => {
                self.put("'");
                self.folded(text, indent, key, Style::Single);
                self.put("'");
            }
            Style::Double => {
                self.put("\"");
                self.folded(text, indent, key, Style::Double);
                self.put("\"");
            }
            Style::Literal => self.literal(text, indent),
        }
    }
    /// Characters one by one. Beyond the width a single space inside the text becomes a new line; between double
    /// quotes the first of several does too, and a backslash keeps the next.
    fn folded(&mut self, text: &str, indent: usize, key: bool, style: Style) {
        let (mut after_space, mut first, mut rest) = (false, true, text.chars());
        while let Some(c) = rest.next() {
            let next_is_space = rest.as_str().starts_with(' ');
            let inside = !first && !rest.as_str().is_empty();
            let may_fold = c == ' ' && !key && !after_space && inside && (style == Style::Double || !next_is_space);
            if may_fold && self.column > WIDTH {
                self.line(indent);
                if next_is_space {
                    self.put("\\");
                }
            } else {
                match (style, c) {
                    (Style::Double, c) => self.put(&escaped(c)),
                    (Style::Single, '\'') => self.put("''"),
                    (_, c) => self.put(c.encode_utf8(&mut [0; 4])),
                }
            }
            (after_space, first) = (c == ' ', false);
        }
    }
    fn literal(&mut self, text: &str, indent: usize) {
        let hint = if text.starts_with([' ', '\n']) { "2" } else { "" };
        let body = text.strip_suffix('\n');
        let chomp = match body {
            None => "-",
            Some(body) if body.is_empty() || body.ends_with('\n') => "+",
            Some(_) => "",
        };
        self.put(&format!("|{hint}{chomp}"));
        for line in body.unwrap_or(text).split('\n') {
            self.text.push('\n');
            self.column = 0;
            if !line.is_empty() {
                self.put(&" ".repeat(indent));
                self.put(line);
            }
        }
        // An empty last line leaves nothing to end.
        self.column = self.column.max(1);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

fn style(text: &str, key: bool) -> Style {
    let special = text.chars().any(|c| c != '\n' && !printable(c)) || text.contains(" \n");
    if text.contains('\n') {
        return if special || key || text.ends_with(' ') { Style::Double } else { Style::Literal };
    }
    if special || !is_text(text) {
        return Style::Double;
    }
    let bare = !text.starts_with(' ') && !text.ends_with(' ') && !indicates(text);
    if bare { Style::Plain } else { Style::Single }
}

/// Whether the text, written plain, is read as text.
fn is_text(text: &str) -> bool {
    let other = OTHER_THAN_TEXT.as_ref().is_some_and(|pattern| pattern.is_match(text));
    !other && matches!(resolve(text, true, ""), Scalar::Text(_))
}

/// Whether the text holds what would begin something else in a block.
fn indicates(text: &str) -> bool {
    let blank = |rest: &str| rest.is_empty() || rest.starts_with(' ');
    let mut chars = text.chars();
    let first = chars.next().unwrap_or(' ');
    let begins = match first {
        '?' | ':' | '-' => blank(chars.as_str()),
        first => "#,[]{}&*!|>'\"%@`".contains(first),
    };
    begins
        || text.starts_with("---")
        || text.starts_with("...")
        || text.contains(": ")
        || text.ends_with(':')
        || text.contains(" #")
}

/// Go-yaml writes no character beyond the basic plane as it is.
fn printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn escaped(c: char) -> String {
    let letter = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c if printable(c) => return c.to_string(),
        c => {
            return match c as u32 {
                code @ 0..=0xff => format!("\\x{code:02X}"),
                code @ 0x100..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{letter}")
}

/// Sorted as Go does it, by insertion: the order of go-yaml's keys has cycles, which `slice::sort_by` may refuse.
fn sorted(pairs: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut out: Vec<(&String, &Value)> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let after = out.iter().rposition(|known| natural(pair.0, known.0) != Ordering::Less);
        out.insert(after.map_or(0, |at| at + 1), pair);
    }
    out
}

/// The order of go-yaml's keys: numbers inside them by value, what is no letter before letters.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else { return a.len().cmp(&b.len()) };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => x.cmp(&y),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let digits_before = a[..at].iter().rev().take_while(|c| c.is_ascii_digit());
            let goes_on = (x == '0' || y == '0') && digits_before.into_iter().any(|c| *c != '0');
            let start = u64::from(goes_on);
            number(&a[at..], start).cmp(&number(&b[at..], start)).then(x.cmp(&y))
        }
    }
}

/// The number that a text begins with, and how many digits it has.
fn number(text: &[char], start: u64) -> (u64, usize) {
    let digits = text.iter().map_while(|c| c.to_digit(10));
    digits.fold((start, 0), |(n, len), digit| (n.saturating_mul(10).saturating_add(digit.into()), len + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_prints_as_go_yaml_does() {
        let long = "word ".repeat(30);
        let value = json!({
            "message": "hi", "n": {"yes": "yes", "x10": "1.0", "x9": "a: b"}, "empty": "", "none": null, "list": [],
            "map": {}, "block": "a\n\n b\n", "strip": "a\nb", "keep": "a\n\n", "tab": "a\tb", "emoji": "🚀",
            "quote": "it's", "indicator": "'x'", "space": " x", "date": "2026-11-01", "base60": "1:30", "flag": true,
            "number": 12, "items": ["a", {"b": 1, "c": ["d"]}, ["e", "f"]], "long": long.trim(), "umlaut": "ä: ö",
        });
        let expected = concat!(
            "base60: \"1:30\"\nblock: |\n  a\n\n   b\ndate: \"2026-11-01\"\nemoji: \"\\U0001F680\"\nempty: \"\"\n",
            "flag: true\nindicator: '''x'''\nitems:\n- a\n- b: 1\n  c:\n  - d\n- - e\n  - f\nkeep: |+\n  a\n\nlist: []\n",
            "long: word word word word word word word word word word word word word word word word\n",
            "  word word word word word word word word word word word word word word\n",
            "map: {}\nmessage: hi\n\"n\":\n  x9: 'a: b'\n  x10: \"1.0\"\n  \"yes\": \"yes\"\nnone: null\nnumber: 12\n",
            "quote: it's\nspace: ' x'\nstrip: |-\n  a\n  b\ntab: \"a\\tb\"\numlaut: 'ä: ö'\n",
        );
        assert_eq!(print(&value), expected);
    }
}
