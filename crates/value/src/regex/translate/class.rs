//! Character classes: `[a-z]`, `\d`, `\pL`, `[[:alpha:]]`, written with code points so that nothing can be misread.

use super::{Fault, escape, fault};

const RANGE: &str = "invalid character class range";
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// A bracketed class at the beginning of `text`, and what follows it.
pub(super) fn class(text: &str) -> Result<(String, &str), Fault> {
    let body = &text[1..];
    let (negated, mut rest) = body.strip_prefix('^').map_or((false, body), |rest| (true, rest));
    let mut items = String::new();
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        if let Some((item, after)) = class_set(rest)? {
            items.push_str(&item);
            rest = after;
            continue;
        }
        rest = range(text, rest, &mut items)?;
    }
    if items.is_empty() {
        // Only surrogates were named, and no text has one.
        items.push_str(r"[^\x{0}-\x{10FFFF}]");
    }
    Ok((format!("[{}{items}]", if negated { "^" } else { "" }), &rest[1..]))
}

/// `[:alpha:]`, `\pL` or `\d` inside brackets.
fn class_set(text: &str) -> Result<Option<(String, &str)>, Fault> {
    if let Some(end) = text.strip_prefix("[:").and_then(|rest| rest.find(":]")) {
        let (written, rest) = text.split_at(end + 4);
        let name = &text[2..end + 2];
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return fault(RANGE, written);
        }
        return Ok(Some((written.to_owned(), rest)));
    }
    if let Some(found) = unicode_class(text)? {
        return Ok(Some(found));
    }
    Ok(perl_class(text).map(|set| (set.to_owned(), &text[2..])))
}

/// One character or `a-z`; answers the text behind it.
fn range<'t>(whole: &str, text: &'t str, items: &mut String) -> Result<&'t str, Fault> {
    let (low, mut rest) = class_character(whole, text)?;
    let mut high = low;
    if rest.starts_with('-') && rest.len() >= 2 && !rest[1..].starts_with(']') {
        (high, rest) = class_character(whole, &rest[1..])?;
        if high < low {
            return fault(RANGE, &text[..text.len() - rest.len()]);
        }
    }
    // Surrogates are code points to Go, but no text contains one.
    let low = if (0xD800..0xE000).contains(&low) { 0xE000 } else { low };
    let high = if (0xD800..0xE000).contains(&high) { 0xD7FF } else { high };
    if low <= high {
        items.push_str(&format!("\\x{{{low:X}}}-\\x{{{high:X}}}"));
    }
    Ok(rest)
}

fn class_character<'t>(whole: &str, text: &'t str) -> Result<(u32, &'t str), Fault> {
    match text.chars().next() {
        None => fault("missing closing ]", whole),
        Some('\\') => escape(text),
        Some(c) => Ok((u32::from(c), &text[c.len_utf8()..])),
    }
}

/// `\d`, `\S`, … as the items of a bracketed class; ASCII only, as in RE2.
pub(super) fn perl_class(text: &str) -> Option<&'static str> {
    match text.as_bytes() {
        [b'\\', b'd', ..] => Some("0-9"),
        [b'\\', b'D', ..] => Some("[^0-9]"),
        [b'\\', b's', ..] => Some(r"\t\n\x0C\r\x20"),
        [b'\\', b'S', ..] => Some(r"[^\t\n\x0C\r\x20]"),
        [b'\\', b'w', ..] => Some("0-9A-Za-z_"),
        [b'\\', b'W', ..] => Some("[^0-9A-Za-z_]"),
        _ => None,
    }
}

/// `\pL`, `\p{Greek}`, `\P{^Lu}`: a whole class, and what follows.
pub(super) fn unicode_class(text: &str) -> Result<Option<(String, &str)>, Fault> {
    let mut negated = match text.as_bytes() {
        [b'\\', b'p', _, ..] => false,
        [b'\\', b'P', _, ..] => true,
        _ => return Ok(None),
    };
    let first = text[2..].chars().next().map_or(0, char::len_utf8);
    let (mut name, rest) = if text[2..].starts_with('{') {
        let Some(end) = text.find('}') else { return fault(RANGE, text) };
        (&text[3..end], &text[end + 1..])
    } else {
        (&text[2..2 + first], &text[2 + first..])
    };
    let written = &text[..text.len() - rest.len()];
    if let Some(positive) = name.strip_prefix('^') {
        negated = !negated;
        name = positive;
    }
    let set = format!("[\\{}{{{name}}}]", if negated { 'P' } else { 'p' });
    // `=` and `:` would name properties that Go does not have; the rest is known to both or to none.
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_- ".contains(&b));
    if !plain || regex::bytes::Regex::new(&set).is_err() {
        return fault(RANGE, written);
    }
    Ok(Some((set, rest)))
}
