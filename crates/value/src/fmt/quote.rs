//! Quoting as `strconv` does it. Never fails: bytes that are not UTF-8 become `\x..`.

use super::printable::PRINTABLE;
use crate::runes;
use std::fmt::Write;

/// `strconv.IsPrint`.
pub(super) fn is_print(c: char) -> bool {
    let code = c as u32;
    if code < 0x80 {
        return (0x20..0x7f).contains(&code);
    }
    let after = PRINTABLE.partition_point(|&(start, _)| start <= code);
    after > 0 && code <= PRINTABLE[after - 1].1
}

/// `strconv.Quote`, or `strconv.QuoteToASCII`.
pub(super) fn quote_text(text: &[u8], ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for (start, rune, width) in runes::iter(text) {
        if rune == char::REPLACEMENT_CHARACTER && width == 1 {
            let _ = write!(out, "\\x{:02x}", text[start]);
        } else {
            push_escaped(&mut out, rune, '"', ascii);
        }
    }
    out.push('"');
    out
}

/// `strconv.QuoteRune`, or `strconv.QuoteRuneToASCII`.
pub(super) fn quote_rune(rune: char, ascii: bool) -> String {
    let mut out = String::from('\'');
    push_escaped(&mut out, rune, '\'', ascii);
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, rune: char, quote: char, ascii: bool) {
    if rune == quote || rune == '\\' {
        out.push('\\');
        out.push(rune);
        return;
    }
    if (!ascii || rune.is_ascii()) && is_print(rune) {
        out.push(rune);
        return;
    }
    let code = rune as u32;
    let _ = match code {
        0x07 => out.write_str("\\a"),
        0x08 => out.write_str("\\b"),
        0x0C => out.write_str("\\f"),
        0x0A => out.write_str("\\n"),
        0x0D => out.write_str("\\r"),
        0x09 => out.write_str("\\t"),
        0x0B => out.write_str("\\v"),
        0..0x20 | 0x7F => write!(out, "\\x{code:02x}"),
        0x20..0x1_0000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// `strconv.CanBackquote`.
pub(super) fn can_backquote(text: &[u8]) -> bool {
    std::str::from_utf8(text)
        .is_ok_and(|s| s.chars().all(|c| c == '\t' || !(c < ' ' || c == '`' || c == '\u{7f}' || c == '\u{feff}')))
}
