//! Regular expressions with Go's syntax and rules (see [`gatepost_value::regex`]).
//!
//! A pattern that does not compile is an error, but for `regexMatch`, which answers no. Functions without `must` name the
//! pattern in it.

use super::{Answer, Output, fail, strings, text};
use crate::function::{Call, FunctionSpec, ParamType, ParamType::*, SignatureSpec};
use gatepost_value::regex::{compile, each_match, expand, quote_meta, replace_all, split};
use gatepost_value::{CallError, GoType, Value, fmt};
use regex::bytes::Regex;
use std::borrow::Cow;

const fn spec(name: &'static str, params: &'static [ParamType], run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    spec("regexMatch", &[String, String], |call| match must_match(call) {
        Err(CallError::Message(_)) => Ok(Value::Bool(false)),
        answer => answer,
    }),
    spec("mustRegexMatch", &[String, String], must_match),
    spec("regexFind", &[String, String], |call| find(call, pattern_or_panic)),
    spec("mustRegexFind", &[String, String], |call| find(call, pattern)),
    spec("regexFindAll", &[String, String, Int], |call| find_all(call, pattern_or_panic)),
    spec("mustRegexFindAll", &[String, String, Int], |call| find_all(call, pattern)),
    spec("regexReplaceAll", &[String, String, String], |call| replace(call, pattern_or_panic, true)),
    spec("mustRegexReplaceAll", &[String, String, String], |call| replace(call, pattern, true)),
    spec("regexReplaceAllLiteral", &[String, String, String], |call| replace(call, pattern_or_panic, false)),
    spec("mustRegexReplaceAllLiteral", &[String, String, String], |call| replace(call, pattern, false)),
    spec("regexSplit", &[String, String, Int], |call| split_all(call, pattern_or_panic)),
    spec("mustRegexSplit", &[String, String, Int], |call| split_all(call, pattern)),
    spec("regexQuoteMeta", &[String], |call| text(call, quote_meta(call.bytes(0)))),
];

/// How a function reads its pattern.
type Compiler = for<'c> fn(&Call<'c>) -> Result<Cow<'c, Regex>, CallError>;

/// The first argument as a pattern. Compiling is what a hostile template would repeat, so it is paid for.
fn pattern<'c>(call: &Call<'c>) -> Result<Cow<'c, Regex>, CallError> {
    call.budget().step(10 + call.bytes(1).len() as u64 / 16)?;
    if let Some(kept) = call.kept_pattern(call.bytes(0)) {
        return Ok(Cow::Borrowed(kept));
    }
    call.budget().step(100 + call.bytes(0).len() as u64 * 64)?;
    call.budget().check_time()?;
    let source = call.text(0);
    match source.as_str() {
        Some(source) => compile(source).map(Cow::Owned).map_err(CallError::new),
        None => fail(format!("error parsing regexp: invalid UTF-8: `{}`", from_first_bad_byte(source.as_bytes()))),
    }
}

/// What Go shows of a pattern that is not UTF-8: the rest from the first bad byte, each bad byte as U+FFFD.
fn from_first_bad_byte(pattern: &[u8]) -> std::string::String {
    let mut shown = std::string::String::new();
    for chunk in pattern.utf8_chunks() {
        if !shown.is_empty() {
            shown.push_str(chunk.valid());
        }
        shown.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
    }
    shown
}

/// As [`pattern`], with the words of Go's `regexp.MustCompile`.
fn pattern_or_panic<'c>(call: &Call<'c>) -> Result<Cow<'c, Regex>, CallError> {
    match pattern(call) {
        Err(CallError::Message(reason)) => {
            let quoted = fmt::sprintf(call.budget(), b"%#q", &call.args[..call.args.len().min(1)])?;
            fail(format!("regexp: Compile({}): {reason}", quoted.to_lossy()))
        }
        compiled => compiled,
    }
}

fn must_match(call: &mut Call<'_>) -> Answer {
    Ok(Value::Bool(pattern(call)?.is_match(call.bytes(1))))
}

fn find(call: &mut Call<'_>, compiled: Compiler) -> Answer {
    let found = compiled(call)?.find(call.bytes(1)).map(|found| found.range()).unwrap_or_default();
    Ok(Value::Str(call.text(1).slice(found.start, found.end)))
}

/// Go answers a nil slice, which prints as `[]` and is `null` in JSON.
fn no_strings() -> Value {
    Value::TypedNil(GoType::Slice(Box::new(GoType::String)))
}

fn find_all(call: &mut Call<'_>, compiled: Compiler) -> Answer {
    let (pattern, source, mut found) = (compiled(call)?, call.text(1), Vec::new());
    each_match(&pattern, source.as_bytes(), call.int(2), |start, end| {
        call.budget().step(1)?;
        found.push(Value::Str(source.slice(start, end)));
        Ok::<(), CallError>(())
    })?;
    if found.is_empty() {
        return Ok(no_strings());
    }
    strings(call, found)
}

fn replace(call: &mut Call<'_>, compiled: Compiler, expanding: bool) -> Answer {
    let (pattern, template) = (compiled(call)?, call.bytes(2));
    // What the replacements add is metered piece by piece; the text around them is no larger than the source.
    let mut added = Output::new(call.budget());
    let out = replace_all(&pattern, call.bytes(1), |captures, out| {
        call.budget().step(1)?;
        let before = out.len();
        if expanding {
            call.budget().step(template.len() as u64 / 16)?;
            expand(template, captures, out);
        } else {
            out.extend_from_slice(template);
        }
        added.push(&out[before..])
    })?;
    text(call, out)
}

fn split_all(call: &mut Call<'_>, compiled: Compiler) -> Answer {
    if call.int(2) == 0 {
        return compiled(call).map(|_| no_strings());
    }
    let (pattern, mut pieces) = (compiled(call)?, Vec::new());
    split(&pattern, call.bytes(1), call.int(2), |piece| {
        call.budget().step(1)?;
        pieces.push(Value::str(piece));
        Ok::<(), CallError>(())
    })?;
    call.budget().allocate(call.bytes(1).len() as u64)?;
    strings(call, pieces)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn matching_and_finding() {
        assert_eq!(shown("regexMatch", &[s("^[a-z]+$"), s("abc")]), "true");
        assert_eq!(shown("regexMatch", &[s("("), s("abc")]), "false");
        assert_eq!(shown("regexFind", &[s("[0-9]+"), s("a12b3")]), "12");
        assert_eq!(shown("regexFindAll", &[s("[0-9]"), s("a12b3"), i(2)]), "[1 2]");
        assert_eq!(
            refused("mustRegexFind", &[s("a**"), s("a")]),
            "error parsing regexp: invalid nested repetition operator: `**`"
        );
        assert_eq!(
            refused("regexFind", &[s("("), s("a")]),
            "regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"
        );
    }

    #[test]
    fn replacing_and_splitting() {
        assert_eq!(shown("regexReplaceAll", &[s("a(x*)b"), s("-ab-axxb-"), s("${1}W")]), "-W-xxW-");
        assert_eq!(shown("regexReplaceAllLiteral", &[s("a(x*)b"), s("-ab-"), s("${1}")]), "-${1}-");
        assert_eq!(shown("regexSplit", &[s("a+"), s("baac"), i(-1)]), "[b c]");
        assert_eq!(shown("regexQuoteMeta", &[s("1.2(3)")]), r"1\.2\(3\)");
        assert!(limited("regexReplaceAll", &[s(""), s(&"x".repeat(100_000)), s(&"y".repeat(100_000))]));
    }
}
