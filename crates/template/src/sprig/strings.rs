//! Plain string functions: trimming, cutting, padding, joining, splitting.

use super::{Answer, Output, allocate_items, cases, fail, strings, text};
use crate::function::{Call, FunctionSpec, ParamType::*, SignatureSpec};
use gatepost_value::{CallError, GoType, Map, Str, Value, cast, fmt, runes};
use memchr::memmem;

const fn spec(
    name: &'static str,
    params: &'static [crate::function::ParamType],
    run: fn(&mut Call<'_>) -> Answer,
) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    spec("trim", &[String], |call| Ok(trim(&call.text(0), char::is_whitespace))),
    spec("upper", &[String], |call| text(call, cases::map(call.bytes(0), cases::upper))),
    spec("lower", &[String], |call| text(call, cases::map(call.bytes(0), cases::lower))),
    spec("title", &[String], |call| text(call, cases::title_words(call.bytes(0)))),
    spec("trunc", &[Int, String], trunc),
    spec("substr", &[Int, Int, String], substr),
    spec("repeat", &[Int, String], repeat),
    spec("trimall", &[String, String], trim_all),
    spec("trimAll", &[String, String], trim_all),
    spec("trimSuffix", &[String, String], |call| {
        let whole = call.text(1);
        let kept = call.bytes(1).strip_suffix(call.bytes(0)).map_or(whole.len(), <[u8]>::len);
        Ok(Value::Str(whole.slice(0, kept)))
    }),
    spec("trimPrefix", &[String, String], |call| {
        let whole = call.text(1);
        let kept = call.bytes(1).strip_prefix(call.bytes(0)).map_or(whole.len(), <[u8]>::len);
        Ok(Value::Str(whole.slice(whole.len() - kept, whole.len())))
    }),
    spec("contains", &[String, String], |call| {
        call.budget().step(call.bytes(1).len() as u64 / 64)?;
        Ok(Value::Bool(memmem::find(call.bytes(1), call.bytes(0)).is_some()))
    }),
    spec("hasPrefix", &[String, String], |call| Ok(Value::Bool(call.bytes(1).starts_with(call.bytes(0))))),
    spec("hasSuffix", &[String, String], |call| Ok(Value::Bool(call.bytes(1).ends_with(call.bytes(0))))),
    FunctionSpec::new("quote", SignatureSpec::variadic(&[Any]), quote),
    FunctionSpec::new("squote", SignatureSpec::variadic(&[Any]), squote),
    FunctionSpec::new("cat", SignatureSpec::variadic(&[Any]), cat),
    spec("indent", &[Int, String], |call| indent(call, b"")),
    spec("nindent", &[Int, String], |call| indent(call, b"\n")),
    spec("replace", &[String, String, String], replace),
    spec("plural", &[String, String, Int], |call| Ok(call.arg(usize::from(call.int(2) != 1)).clone())),
    spec("toString", &[Any], |call| text(call, cast::to_str_metered(call.budget(), call.arg(0))?)),
    spec("split", &[String, String], |call| numbered(call, call.bytes(1), -1)),
    spec("splitn", &[String, Int, String], |call| numbered(call, call.bytes(2), call.int(1))),
    spec("splitList", &[String, String], |call| {
        let parts = split(call, call.bytes(1), -1)?;
        strings(call, parts.into_iter().map(Value::str).collect())
    }),
    spec("toStrings", &[Any], |call| {
        let items = string_items(call, call.arg(0))?;
        strings(call, items.into_iter().map(Value::Str).collect())
    }),
    spec("join", &[String, Any], join),
    spec("sortAlpha", &[Any], sort_alpha),
];

/// The text without the characters at both ends for which `drop` says yes.
fn trim(whole: &Str, drop: impl Fn(char) -> bool) -> Value {
    let bytes = whole.as_bytes();
    let mut kept = None;
    for (at, c, width) in runes::iter(bytes) {
        if !drop(c) {
            kept = Some((kept.map_or(at, |(first, _)| first), at + width));
        }
    }
    let (start, end) = kept.unwrap_or((0, 0));
    Value::Str(whole.slice(start, end))
}

fn trim_all(call: &mut Call<'_>) -> Answer {
    let set: std::collections::HashSet<char> = cases::characters(call.bytes(0)).collect();
    Ok(trim(&call.text(1), |c| set.contains(&c)))
}

fn trunc(call: &mut Call<'_>) -> Answer {
    let whole = call.text(1);
    let (count, len) = (call.int(0), whole.len() as i64);
    let (start, end) = if count < 0 && len.saturating_add(count) > 0 {
        (len + count, len)
    } else if count >= 0 && len > count {
        (0, count)
    } else {
        (0, len)
    };
    Ok(Value::Str(whole.slice(start as usize, end as usize)))
}

fn substr(call: &mut Call<'_>) -> Answer {
    let whole = call.text(2);
    let (start, end, len) = (call.int(0), call.int(1), whole.len() as i64);
    let (from, to) = if start < 0 {
        (0, end)
    } else if end < 0 || end > len {
        (start, len)
    } else {
        (start, end)
    };
    if to < 0 {
        return fail(format!("runtime error: slice bounds out of range [:{to}]"));
    }
    if to > len {
        return fail(format!("runtime error: slice bounds out of range [:{to}] with length {len}"));
    }
    if from > to {
        return fail(format!("runtime error: slice bounds out of range [{from}:{to}]"));
    }
    Ok(Value::Str(whole.slice(from as usize, to as usize)))
}

/// A count of repetitions; Go panics for a negative one.
fn repetitions(count: i64) -> Result<usize, CallError> {
    usize::try_from(count).or_else(|_| fail("strings: negative Repeat count"))
}

fn repeat(call: &mut Call<'_>) -> Answer {
    let count = repetitions(call.int(0))?;
    let piece = call.bytes(1);
    call.budget().allocate((piece.len() as u64).saturating_mul(count as u64))?;
    if piece.is_empty() {
        return Ok(Value::str(""));
    }
    Ok(Value::str(piece.repeat(count)))
}

fn indent(call: &mut Call<'_>, before: &[u8]) -> Answer {
    let width = repetitions(call.int(0))?;
    let body = call.bytes(1);
    let lines = 1 + memchr::memchr_iter(b'\n', body).count() as u64;
    call.budget().allocate(lines.saturating_mul(width as u64).saturating_add((before.len() + body.len()) as u64))?;
    let pad = vec![b' '; width];
    let mut out = before.to_vec();
    for (i, line) in body.split(|&b| b == b'\n').enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(&pad);
        out.extend_from_slice(line);
    }
    Ok(Value::str(out))
}

fn quote(call: &mut Call<'_>) -> Answer {
    let mut out = Output::new(call.budget());
    for value in call.args.iter().filter(|v| !matches!(v, Value::Nil | Value::NoValue)) {
        if !out.bytes.is_empty() {
            out.push(b" ")?;
        }
        out.push(fmt::quote(cast::to_str_metered(call.budget(), value)?.as_bytes()).as_bytes())?;
    }
    Ok(out.finish())
}

fn squote(call: &mut Call<'_>) -> Answer {
    let mut out = Output::new(call.budget());
    for value in call.args.iter().filter(|v| !matches!(v, Value::Nil | Value::NoValue)) {
        out.push(if out.bytes.is_empty() { b"'" } else { b" '" })?;
        out.push(fmt::sprint(call.budget(), std::slice::from_ref(value))?.as_bytes())?;
        out.push(b"'")?;
    }
    Ok(out.finish())
}

fn cat(call: &mut Call<'_>) -> Answer {
    let mut out = Output::new(call.budget());
    let given = call.args.iter().filter(|v| !matches!(v, Value::Nil | Value::NoValue));
    for (i, value) in given.enumerate() {
        if i > 0 {
            out.push(b" ")?;
        }
        out.push(fmt::sprint_v(value).as_bytes())?;
    }
    Ok(out.finish())
}

fn replace(call: &mut Call<'_>) -> Answer {
    let (old, new, source) = (call.bytes(0), call.bytes(1), call.bytes(2));
    let mut out = Output::new(call.budget());
    if old.is_empty() {
        out.push(new)?;
        for (at, _, width) in runes::iter(source) {
            out.push(&source[at..at + width])?;
            out.push(new)?;
        }
        return Ok(out.finish());
    }
    let mut from = 0;
    for at in memmem::find_iter(source, old) {
        out.push(&source[from..at])?;
        out.push(new)?;
        from = at + old.len();
    }
    out.push(&source[from..])?;
    Ok(out.finish())
}

/// `strings.SplitN`: an empty separator splits into characters.
fn split<'a>(call: &Call<'a>, source: &'a [u8], limit: i64) -> Result<Vec<&'a [u8]>, CallError> {
    let separator = call.bytes(0);
    let limit = if limit < 0 { usize::MAX } else { limit as usize };
    let mut parts = Vec::new();
    let mut from = 0;
    if limit == 0 || separator.is_empty() && source.is_empty() {
        return Ok(parts);
    }
    if separator.is_empty() {
        for (at, _, width) in runes::iter(source) {
            if parts.len() + 1 == limit {
                break;
            }
            call.budget().step(1)?;
            parts.push(&source[at..at + width]);
            from = at + width;
        }
        if from < source.len() {
            parts.push(&source[from..]);
        }
        return Ok(parts);
    }
    for at in memmem::find_iter(source, separator) {
        if parts.len() + 1 == limit {
            break;
        }
        call.budget().step(1)?;
        parts.push(&source[from..at]);
        from = at + separator.len();
    }
    parts.push(&source[from..]);
    Ok(parts)
}

/// The parts as `map[string]string` with the keys `_0`, `_1`, ….
fn numbered(call: &Call<'_>, source: &[u8], limit: i64) -> Answer {
    let parts = split(call, source, limit)?;
    allocate_items(call, parts.len())?;
    call.budget().allocate(source.len() as u64)?;
    let entries = parts.into_iter().enumerate().map(|(i, part)| (Str::from(format!("_{i}")), Value::str(part)));
    Ok(Value::Map(Map::frozen_of(GoType::String, entries.collect())))
}

/// sprig's `strslice`: a list's elements as strings without nils; anything else is a list of one.
pub(super) fn string_items(call: &Call<'_>, value: &Value) -> Result<Vec<Str>, CallError> {
    let Some(items) = super::lists::items(value) else {
        return match value {
            Value::Nil | Value::NoValue => Ok(Vec::new()),
            value => Ok(vec![cast::to_str_metered(call.budget(), value)?]),
        };
    };
    allocate_items(call, items.len())?;
    let items = items.iter().filter(|v| !matches!(v, Value::Nil | Value::NoValue));
    items.map(|item| Ok(cast::to_str_metered(call.budget(), item)?)).collect()
}

fn join(call: &mut Call<'_>) -> Answer {
    let separator = call.bytes(0);
    let mut out = Output::new(call.budget());
    for (i, item) in string_items(call, call.arg(1))?.iter().enumerate() {
        if i > 0 {
            out.push(separator)?;
        }
        out.push(item.as_bytes())?;
    }
    Ok(out.finish())
}

fn sort_alpha(call: &mut Call<'_>) -> Answer {
    let mut items = match call.arg(0) {
        Value::Nil | Value::NoValue => vec![Str::from("<nil>")],
        value => string_items(call, value)?,
    };
    items.sort();
    strings(call, items.into_iter().map(Value::Str).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use gatepost_value::Value;

    #[test]
    fn trimming_and_cutting() {
        assert_eq!(shown("trim", &[s("\u{a0} a b\n")]), "a b");
        assert_eq!(shown("trimAll", &[s("$é"), s("é$5$")]), "5");
        assert_eq!(shown("trimSuffix", &[s("b"), s("abb")]), "ab");
        assert_eq!(shown("trimPrefix", &[s("a"), s("aab")]), "ab");
        assert_eq!(shown("trunc", &[i(-2), s("hello")]), "lo");
        assert_eq!(shown("trunc", &[i(-9), s("hello")]), "hello");
        assert_eq!(shown("substr", &[i(1), i(-1), s("hello")]), "ello");
        assert_eq!(refused("substr", &[i(3), i(2), s("abc")]), "runtime error: slice bounds out of range [3:2]");
        assert!(refused("substr", &[i(-1), i(5), s("abc")]).ends_with("[:5] with length 3"));
    }

    #[test]
    fn padding_asks_the_budget_first() {
        assert_eq!(shown("repeat", &[i(3), s("ab")]), "ababab");
        assert_eq!(shown("nindent", &[i(2), s("a\nb")]), "\n  a\n  b");
        assert!(limited("repeat", &[i(i64::MAX), s("ab")]));
        assert!(limited("indent", &[i(i64::MAX), s("a\nb")]));
        assert!(limited("replace", &[s(""), s(&"x".repeat(10_000)), s(&"y".repeat(10_000))]));
        assert_eq!(refused("repeat", &[i(-1), s("a")]), "strings: negative Repeat count");
    }

    #[test]
    fn joining_and_quoting() {
        assert_eq!(shown("quote", &[s("a\"b"), Value::Nil, i(1)]), r#""a\"b" "1""#);
        assert_eq!(shown("squote", &[s("a"), i(1)]), "'a' '1'");
        assert_eq!(shown("cat", &[s("a"), Value::Nil, i(1)]), "a 1");
        assert_eq!(shown("join", &[s("-"), l(&[i(1), Value::Nil, s("x")])]), "1-x");
        assert_eq!(shown("sortAlpha", &[l(&[s("b"), i(10), i(9)])]), "[10 9 b]");
        assert_eq!(shown("plural", &[s("one"), s("many"), i(1)]), "one");
    }

    #[test]
    fn splitting() {
        assert_eq!(shown("split", &[s("$"), s("a$b")]), "map[_0:a _1:b]");
        assert_eq!(shown("splitn", &[s(","), i(2), s("a,b,c")]), "map[_0:a _1:b,c]");
        assert_eq!(shown("splitn", &[s(","), i(0), s("a")]), "map[]");
        assert_eq!(shown("splitList", &[s(""), s("éa")]), "[é a]");
        assert_eq!(shown("replace", &[s(""), s("-"), s("éa")]), "-é-a-");
        assert_eq!(shown("replace", &[s("a"), s("b"), s("banana")]), "bbnbnb");
    }
}
