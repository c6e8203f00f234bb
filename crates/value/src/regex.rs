//! Go's `regexp` on top of the `regex` crate: same syntax, same error texts, same iteration and `$1` rules.
//!
//! Decides which patterns are accepted (RE2's, as Go reads them) and where matches lie. Both crates run in linear
//! time; what must never happen here is a pattern that compiles without a bound on its size. Patterns are translated
//! ([`translate`]) because the dialects differ in silence: `\d`, `\w`, `\s`, `\b` are ASCII in Go, `a**` is an error,
//! `&&` and `--` in classes are plain characters. Known difference: bytes that are not UTF-8 match no `.`.

mod translate;

use regex::bytes::{Captures, Regex, RegexBuilder};

/// Compiled size allowed for one pattern.
const SIZE_LIMIT: usize = 4 << 20;
/// Compiled size of a pattern that is kept, and of the tables that it builds while it runs.
const SMALL: usize = 256 << 10;

/// Bytes of one pattern: compiling takes time that no budget sees.
const LONGEST: usize = 16 << 10;

/// Compiles a pattern with Go's syntax.
///
/// # Errors
/// Go's text, for example ``error parsing regexp: missing closing ): `(a` ``.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > LONGEST {
        return Err(format!("error parsing regexp: expression too large: more than {LONGEST} bytes"));
    }
    let translated =
        translate::translate(pattern).map_err(|e| format!("error parsing regexp: {}: `{}`", e.reason, e.at))?;
    let built = RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).nest_limit(2_000).build();
    built.map_err(|e| {
        let reason = match e {
            regex::Error::CompiledTooBig(_) => "expression too large",
            _ => "invalid character class range",
        };
        format!("error parsing regexp: {reason}: `{pattern}`")
    })
}

/// Compiles a pattern that will be kept: `None` where it is wrong or compiles to more than a small program.
#[must_use]
pub fn compile_small(pattern: &str) -> Option<Regex> {
    let translated = translate::translate(pattern).ok()?;
    RegexBuilder::new(&translated).size_limit(SMALL).dfa_size_limit(SMALL).nest_limit(2_000).build().ok()
}

/// Go's `regexp.QuoteMeta`.
#[must_use]
pub fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        if br"\.+*?()|[]{}^$".contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// Width of the character at `at`; 1 for a byte that is not UTF-8, 0 at the end.
fn width(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let Some(&first) = rest.first() else { return 0 };
    let len = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    if rest.get(..len).is_some_and(|bytes| std::str::from_utf8(bytes).is_ok()) { len } else { 1 }
}

/// Visits the spans of successive matches as `FindAllStringIndex` does: an empty match directly after a match is
/// left out. At most `limit` matches, all for a negative one. The visitor may stop the walk with an error.
///
/// # Errors
/// What the visitor reports.
pub fn each_match<E>(
    re: &Regex,
    text: &[u8],
    limit: i64,
    mut visit: impl FnMut(usize, usize) -> Result<(), E>,
) -> Result<(), E> {
    let mut left = if limit < 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let (mut at, mut previous_end) = (0, None);
    while left > 0 && at <= text.len() {
        let Some(found) = re.find_at(text, at) else { break };
        let (start, end) = (found.start(), found.end());
        let accepted = end != at || previous_end != Some(start);
        at = if end == at { at + width(text, at).max(1) } else { end };
        previous_end = Some(end);
        if accepted {
            visit(start, end)?;
            left -= 1;
        }
    }
    Ok(())
}

/// Replaces every match as `ReplaceAllStringFunc` does; the replacement is appended to the output by `replace`.
///
/// # Errors
/// What `replace` reports.
pub fn replace_all<E>(
    re: &Regex,
    text: &[u8],
    mut replace: impl FnMut(&Captures<'_>, &mut Vec<u8>) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let mut out = Vec::with_capacity(text.len());
    let (mut last_end, mut at) = (0, 0);
    while at <= text.len() {
        let Some(captures) = re.captures_at(text, at) else { break };
        let Some(found) = captures.get(0) else { break };
        out.extend_from_slice(&text[last_end..found.start()]);
        if found.end() > last_end || found.start() == 0 {
            replace(&captures, &mut out)?;
        }
        last_end = found.end();
        at = (at + width(text, at).max(1)).max(found.end());
    }
    out.extend_from_slice(&text[last_end..]);
    Ok(out)
}

/// Go's `Regexp.Split`: the pieces between matches; `limit` as there (0: none, negative: all).
///
/// # Errors
/// What `visit` reports; it sees each piece in turn.
pub fn split<E>(re: &Regex, text: &[u8], limit: i64, mut visit: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    if limit == 0 {
        return Ok(());
    }
    if text.is_empty() && !re.as_str().is_empty() {
        return visit(b"");
    }
    let (mut begin, mut end, mut pieces) = (0, 0, 0_i64);
    each_match(re, text, limit, |start, stop| {
        if limit > 0 && pieces == limit - 1 {
            return Ok(());
        }
        end = start;
        if stop != 0 {
            visit(&text[begin..end])?;
            pieces += 1;
        }
        begin = stop;
        Ok(())
    })?;
    if end == text.len() { Ok(()) } else { visit(&text[begin..]) }
}

/// Appends a replacement template with `$1`, `${1}`, `$name`, `$$` filled in by Go's rules: the longest run of
/// letters, digits and `_` is the name, so `$1W` is the group `1W`; an unknown group is empty, a malformed `$` stays.
pub fn expand(template: &[u8], captures: &Captures<'_>, out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some(dollar) = rest.iter().position(|&b| b == b'$') {
        out.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
            continue;
        }
        let Some((name, after)) = group_name(rest) else {
            out.push(b'$');
            continue;
        };
        rest = after;
        let group = group_number(name).map_or_else(|| captures.name(name), |n| captures.get(n));
        out.extend_from_slice(group.map_or(&b""[..], |m| m.as_bytes()));
    }
    out.extend_from_slice(rest);
}

/// The name at the beginning of a template's rest, braced or bare, and what follows.
fn group_name(text: &[u8]) -> Option<(&str, &[u8])> {
    let (braced, body) = text.strip_prefix(b"{").map_or((false, text), |inner| (true, inner));
    let mut end = 0;
    while end < body.len() {
        let next = width(body, end);
        let character = std::str::from_utf8(&body[end..end + next]).ok().and_then(|s| s.chars().next());
        match character {
            Some(c) if c == '_' || c.is_alphabetic() || c.is_numeric() => end += next,
            _ => break,
        }
    }
    if end == 0 {
        return None;
    }
    let name = std::str::from_utf8(&body[..end]).ok()?;
    let rest = &body[end..];
    if braced { rest.strip_prefix(b"}").map(|after| (name, after)) } else { Some((name, rest)) }
}

/// The group's number, if the name is one: decimal without a leading zero.
fn group_number(name: &str) -> Option<usize> {
    if name.len() > 1 && name.starts_with('0') || !name.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap().is_match(text.as_bytes())
    }
    fn all(pattern: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        each_match(&compile(pattern).unwrap(), text.as_bytes(), -1, |a, b| {
            found.push(text[a..b].to_owned());
            Ok::<(), ()>(())
        })
        .unwrap();
        found
    }
    fn replaced(pattern: &str, text: &str, template: &str) -> String {
        let out = replace_all(&compile(pattern).unwrap(), text.as_bytes(), |c, out| {
            expand(template.as_bytes(), c, out);
            Ok::<(), ()>(())
        });
        String::from_utf8(out.unwrap()).unwrap()
    }
    fn pieces(pattern: &str, text: &str, limit: i64) -> Vec<String> {
        let mut found = Vec::new();
        split(&compile(pattern).unwrap(), text.as_bytes(), limit, |p| {
            found.push(String::from_utf8(p.to_vec()).unwrap());
            Ok::<(), ()>(())
        })
        .unwrap();
        found
    }

    #[test]
    fn a_pattern_has_a_longest_length() {
        assert!(compile(&"a".repeat(LONGEST)).is_ok());
        assert!(compile(&"a".repeat(LONGEST + 1)).unwrap_err().contains("too large"));
    }
    #[test]
    fn perl_classes_are_ascii() {
        assert!(!matches(r"^\d$", "٣"));
        assert!(!matches(r"^\w$", "é"));
        assert!(!matches(r"^\s$", "\u{a0}"));
        assert!(matches(r"^[^\d]\D[\D]$", "éé٣"));
        assert!(matches(r"\bx\b", "éxé"));
    }

    #[test]
    fn class_punctuation_is_literal() {
        assert!(matches("^[a&&b]+$", "a&b"));
        assert!(matches("^[a~~b]+$", "~"));
        assert!(matches("^[[]$", "["));
        assert!(matches("^[]a]$", "]"));
        assert!(matches("^[+--]$", ","));
        assert!(matches("^[^-a]$", "b"));
        assert!(matches("^[[:alpha:]_]+$", "a_"));
    }

    #[test]
    fn flags_reach_as_far_as_in_go() {
        assert!(matches("(?i)abc|def", "DEF"));
        assert!(!matches("((?i)a)b", "AB"));
        assert!(matches("(?s)a.b", "a\nb"));
        assert!(!matches("a.b", "a\nb"));
        assert!(matches("(?m)^b$", "a\nb\nc"));
        assert_eq!(all("(?U)a+", "aaa"), ["a", "a", "a"]);
        assert_eq!(all("(?U)a+?", "aaa"), ["aaa"]);
    }

    #[test]
    fn errors_are_go_s() {
        let cases = [
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a*?+", "invalid nested repetition operator: `*?+`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a|*", "missing argument to repetition operator: `*`"),
            ("[a", "missing closing ]: `[a`"),
            ("[]", "missing closing ]: `[]`"),
            ("[b-a]", "invalid character class range: `b-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"\pX", r"invalid character class range: `\pX`"),
            (r"\C", r"invalid escape sequence: `\C`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            (r"a\", "trailing backslash at end of expression: ``"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?P<n", "invalid named capture: `(?P<n`"),
            ("(?P<a>x)(?P<a>y)", "invalid named capture: `a`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("(a{100}){100}", "invalid repeat count: `{100}`"),
        ];
        for (pattern, text) in cases {
            assert_eq!(compile(pattern).unwrap_err(), format!("error parsing regexp: {text}"), "{pattern}");
        }
        assert!(compile(&format!("{}a{}", "(".repeat(1200), ")".repeat(1200))).unwrap_err().contains("too deeply"));
        assert!(compile(r"((\pL{100}){10}|\pN{1000})").unwrap_err().contains("too large"));
    }

    #[test]
    fn braces_without_counts_are_literal() {
        assert!(matches("^a{,2}$", "a{,2}"));
        assert!(matches("^{$", "{"));
        assert!(matches(r"^\Qa.b\E+$", "a.bb"));
        assert!(matches(r"^\x41\101\x{42}\z", "AAB"));
    }

    #[test]
    fn iteration_steps_by_characters() {
        assert_eq!(all("x*", "éa"), ["", "", ""]);
        assert_eq!(all("a*", "baac"), ["", "aa", ""]);
        assert_eq!(replaced("x*", "éa", "-"), "-é-a-");
        assert_eq!(replaced("a*", "baac", "-"), "-b-c-");
        assert_eq!(pieces("a*", "baaac", -1), ["b", "c"]);
        assert_eq!(pieces(",", "a,b,c", 2), ["a", "b,c"]);
        assert_eq!(pieces(",", "", -1), [""]);
        assert!(pieces(",", "a,b", 0).is_empty());
    }

    #[test]
    fn expansion_takes_the_longest_name() {
        assert_eq!(replaced("a(x*)b", "-ab-axxb-", "${1}W"), "-W-xxW-");
        assert_eq!(replaced("a(x*)b", "-ab-axxb-", "$1W"), "---");
        assert_eq!(replaced("(?P<n>x)", "x", "$n.$$.$.${n.$"), "x.$.$.${n.$");
    }
}
