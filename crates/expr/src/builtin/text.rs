//! Strings: Go's `strings` package as far as expressions reach it.

use super::{arg, elements};
use crate::builtin_types::Builtin;
use crate::eval::Run;
use crate::eval::convert::{Res, as_text, fault, to_int};
use gatepost_value::{GoType, Str, Value, fmt};

/// Built-ins on strings.
pub(super) fn run(run: &Run<'_>, builtin: Builtin, args: &[Value]) -> Res<Value> {
    if builtin == Builtin::String {
        return match arg(args, 0) {
            Value::Str(text) => Ok(Value::Str(text.clone())),
            other => Ok(Value::Str(fmt::sprintf(run.ctx.budget, b"%v", std::slice::from_ref(other))?)),
        };
    }
    let text = as_text(arg(args, 0))?;
    run.ctx.budget.step(text.len() as u64 / 64)?;
    match builtin {
        Builtin::Trim => trim(text, args.get(1)),
        Builtin::TrimPrefix | Builtin::TrimSuffix => trim_end(builtin, text, args.get(1)),
        Builtin::Upper => cased(run, text, upper),
        Builtin::Lower => cased(run, text, lower),
        Builtin::Split | Builtin::SplitAfter => split(run, builtin, text, args),
        Builtin::Replace => replace(run, text, args),
        Builtin::Repeat => repeat(run, text, to_int(arg(args, 1))?),
        _ => search(builtin, text, as_text(arg(args, 1))?),
    }
}

fn search(builtin: Builtin, text: &Str, needle: &Str) -> Res<Value> {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let index = |at: Option<usize>| Value::int(at.map_or(-1, |at| at as i64));
    Ok(match builtin {
        Builtin::IndexOf => index(find_bytes(text, needle)),
        Builtin::LastIndexOf => index(rfind_bytes(text, needle)),
        Builtin::HasPrefix => Value::Bool(text.starts_with(needle)),
        Builtin::HasSuffix => Value::Bool(text.ends_with(needle)),
        other => return fault(format!("unknown builtin {}", other.name())),
    })
}

/// Where a byte string first occurs in another, in time linear in the two.
pub(crate) fn find_bytes(text: &[u8], needle: &[u8]) -> Option<usize> {
    if let (Ok(text), Ok(needle)) = (std::str::from_utf8(text), std::str::from_utf8(needle)) {
        return text.find(needle);
    }
    if needle.is_empty() {
        return Some(0);
    }
    text.windows(needle.len()).position(|window| window == needle)
}

fn rfind_bytes(text: &[u8], needle: &[u8]) -> Option<usize> {
    if let (Ok(text), Ok(needle)) = (std::str::from_utf8(text), std::str::from_utf8(needle)) {
        return text.rfind(needle);
    }
    if needle.is_empty() {
        return Some(text.len());
    }
    text.windows(needle.len()).rposition(|window| window == needle)
}

fn trim(text: &Str, cutset: Option<&Value>) -> Res<Value> {
    let cutset = match cutset {
        Some(cutset) => Some(as_text(cutset)?.to_lossy().into_owned()),
        None => None,
    };
    let cut = |c: char| cutset.as_ref().map_or(c.is_whitespace(), |set| set.contains(c));
    let bytes = text.as_bytes();
    let (start, end) = match text.as_str() {
        Some(whole) => {
            let start = whole.len() - whole.trim_start_matches(cut).len();
            (start, start + whole[start..].trim_end_matches(cut).len())
        }
        None => {
            // Not UTF-8: single bytes are looked at, which leaves characters beyond ASCII alone.
            let kept = |byte: &u8| !(byte.is_ascii() && cut(char::from(*byte)));
            let start = bytes.iter().position(kept).unwrap_or(bytes.len());
            (start, bytes.iter().rposition(kept).map_or(start, |last| last + 1))
        }
    };
    Ok(Value::Str(text.slice(start, end)))
}

/// `trimPrefix`, `trimSuffix`; a blank where nothing is named.
fn trim_end(builtin: Builtin, text: &Str, part: Option<&Value>) -> Res<Value> {
    let part = match part {
        Some(part) => as_text(part)?.clone(),
        None => Str::from_static(" "),
    };
    let (bytes, part) = (text.as_bytes(), part.as_bytes());
    let (start, end) = match builtin {
        Builtin::TrimPrefix if bytes.starts_with(part) => (part.len(), bytes.len()),
        Builtin::TrimSuffix if bytes.ends_with(part) => (0, bytes.len() - part.len()),
        _ => (0, bytes.len()),
    };
    Ok(Value::Str(text.slice(start, end)))
}

/// Go maps one character to one character, so what has a longer upper case stays.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn lower(c: char) -> char {
    if c == 'İ' {
        return 'i';
    }
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn cased(run: &Run<'_>, text: &Str, map: fn(char) -> char) -> Res<Value> {
    run.ctx.budget.step(text.len() as u64 / 16)?;
    run.ctx.budget.allocate(text.len() as u64)?;
    Ok(Value::str(text.to_lossy().chars().map(map).collect::<String>()))
}

/// Bytes of the character at the start of a text that is not empty.
fn character(text: &[u8]) -> usize {
    let width = match text.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    match text.get(..width) {
        Some(head) if std::str::from_utf8(head).is_ok() => width,
        _ => 1,
    }
}

/// `split` and `splitAfter`
fn split(run: &Run<'_>, builtin: Builtin, text: &Str, args: &[Value]) -> Res<Value> {
    let separator = as_text(arg(args, 1))?;
    let parts = match args.get(2) {
        Some(n) => to_int(n)?,
        None => -1,
    };
    if parts == 0 {
        return Ok(Value::TypedNil(GoType::Slice(Box::new(GoType::String))));
    }
    let most = usize::try_from(parts).unwrap_or(usize::MAX);
    let keep = if builtin == Builtin::SplitAfter { separator.len() } else { 0 };
    let mut out = Vec::new();
    let (mut start, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while out.len() + 1 < most {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((end, next)) = cut_at(rest, separator.as_bytes(), at, keep) else { break };
        elements(run, 1)?;
        out.push(Value::Str(text.slice(start, end)));
        (start, at) = (next, next);
    }
    if !(separator.is_empty() && start == bytes.len()) {
        out.push(Value::Str(text.slice(start, bytes.len())));
    }
    Ok(Value::list_of(GoType::String, out))
}

/// Where the next part ends and the one after it begins. An empty separator cuts after each character.
fn cut_at(rest: &[u8], separator: &[u8], at: usize, keep: usize) -> Option<(usize, usize)> {
    if separator.is_empty() {
        let width = if rest.is_empty() { return None } else { character(rest) };
        return (width < rest.len()).then_some((at + width, at + width));
    }
    let found = at + find_bytes(rest, separator)?;
    Some((found + keep, found + separator.len()))
}

fn replace(run: &Run<'_>, text: &Str, args: &[Value]) -> Res<Value> {
    let (old, new) = (as_text(arg(args, 1))?.as_bytes(), as_text(arg(args, 2))?.as_bytes());
    let most = match args.get(3) {
        Some(n) => to_int(n)?,
        None => -1,
    };
    let places = occurrences(run, text.as_bytes(), old, usize::try_from(most).unwrap_or(usize::MAX))?;
    let size = text.len() + places.len() * new.len() - places.len() * old.len();
    run.ctx.budget.allocate(size as u64)?;
    let mut out = Vec::with_capacity(size);
    let mut start = 0;
    for at in places {
        out.extend_from_slice(text.as_bytes().get(start..at).unwrap_or_default());
        out.extend_from_slice(new);
        start = at + old.len();
    }
    out.extend_from_slice(text.as_bytes().get(start..).unwrap_or_default());
    Ok(Value::Str(out.into()))
}

/// Where a text is replaced; an empty one is found before each character and at the end.
fn occurrences(run: &Run<'_>, text: &[u8], old: &[u8], most: usize) -> Res<Vec<usize>> {
    let mut places = Vec::new();
    let mut at = 0;
    while places.len() < most {
        let rest = text.get(at..).unwrap_or_default();
        let Some(found) = find_bytes(rest, old) else { break };
        elements(run, 1)?;
        places.push(at + found);
        if !old.is_empty() {
            at += found + old.len();
        } else if rest.is_empty() {
            break;
        } else {
            at += character(rest);
        }
    }
    Ok(places)
}

fn repeat(run: &Run<'_>, text: &Str, count: i64) -> Res<Value> {
    const MOST: i64 = 1_000_000;
    if count < 0 {
        return fault(format!("invalid argument for repeat (expected positive integer, got {count})"));
    }
    if count > MOST {
        run.grow(u64::MAX)?;
    }
    let size = (text.len() as u64).saturating_mul(count.unsigned_abs());
    run.grow(size)?;
    run.ctx.budget.allocate(size)?;
    Ok(Value::Str(text.as_bytes().repeat(usize::try_from(count).unwrap_or_default()).into()))
}
