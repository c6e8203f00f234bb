//! Go's built-in template functions. `and`, `or` and `call` are run by the executor itself: only their signatures are here.

use crate::compare;
use crate::function::{Call, FunctionSpec, ParamType as P, SignatureSpec as S};
use crate::want::{Want, zero};
use gatepost_value::fmt::{self, type_name};
use gatepost_value::{CallError, GoType, Str, UintKind, Value, cast};

/// All built-in functions.
pub(crate) fn table() -> &'static [FunctionSpec] {
    const ONE: S = S::fixed(&[P::Reflect]);
    const TWO: S = S::fixed(&[P::Reflect, P::Reflect]);
    const SOME: S = S::variadic(&[P::Reflect, P::Reflect]);
    const ANY: S = S::variadic(&[P::Any]);
    static TABLE: [FunctionSpec; 19] = [
        FunctionSpec::new("and", SOME, last),
        FunctionSpec::new("call", SOME, last),
        FunctionSpec::new("or", SOME, last),
        FunctionSpec::new("eq", SOME, eq),
        FunctionSpec::new("ge", TWO, |call| Ok(Value::Bool(!compare::less(call.arg(0), call.arg(1))?))),
        FunctionSpec::new("gt", TWO, |call| Ok(Value::Bool(!compare::less_or_equal(call.arg(0), call.arg(1))?))),
        FunctionSpec::new("le", TWO, |call| Ok(Value::Bool(compare::less_or_equal(call.arg(0), call.arg(1))?))),
        FunctionSpec::new("lt", TWO, |call| Ok(Value::Bool(compare::less(call.arg(0), call.arg(1))?))),
        FunctionSpec::new("ne", TWO, |call| Ok(Value::Bool(!compare::equal(call.arg(0), call.arg(1))?))),
        FunctionSpec::new("html", ANY, |call| escape(call, html)),
        FunctionSpec::new("index", SOME, index),
        FunctionSpec::new("js", ANY, |call| escape(call, javascript)),
        FunctionSpec::new("len", ONE, length),
        FunctionSpec::new("not", ONE, |call| Ok(Value::Bool(!cast::truth(call.arg(0))))),
        FunctionSpec::new("print", ANY, |call| Ok(Value::Str(fmt::sprint(call.budget(), call.args)?))),
        FunctionSpec::new("printf", S::variadic(&[P::String, P::Any]), |call| {
            Ok(Value::Str(fmt::sprintf(call.budget(), call.bytes(0), call.rest(1))?))
        }),
        FunctionSpec::new("println", ANY, |call| Ok(Value::Str(fmt::sprintln(call.budget(), call.args)?))),
        FunctionSpec::new("slice", SOME, slice),
        FunctionSpec::new("urlquery", ANY, |call| escape(call, url_query)),
    ];
    &TABLE
}

/// Never reached: see the executor.
fn last(call: &mut Call<'_>) -> Result<Value, CallError> {
    Ok(call.args.last().cloned().unwrap_or_default())
}

fn eq(call: &mut Call<'_>) -> Result<Value, CallError> {
    if call.args.len() < 2 {
        return Err(CallError::new("missing argument for comparison"));
    }
    for other in call.rest(1) {
        if compare::equal(call.arg(0), other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// A value of a named type as its underlying type.
fn underlying(value: &Value) -> &Value {
    match value {
        Value::Named(named) => &named.base,
        other => other,
    }
}

fn length(call: &mut Call<'_>) -> Result<Value, CallError> {
    let item = call.arg(0);
    let len = match underlying(item) {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => call.read(map).len(),
        Value::AnyMap(pairs) => pairs.len(),
        Value::TypedNil(GoType::Slice(_) | GoType::Bytes | GoType::Map(_) | GoType::AnyMap) => 0,
        Value::Nil | Value::TypedNil(_) => return Err(CallError::new("len of nil pointer")),
        Value::NoValue => return Err(CallError::new("reflect: call of reflect.Value.Type on zero Value")),
        _ => return Err(CallError::new(format!("len of type {}", type_name(item)))),
    };
    Ok(Value::int(i64::try_from(len).unwrap_or(i64::MAX)))
}

/// An index into something of `len` elements; `len` itself is let through, as in Go.
fn position(index: &Value, len: usize) -> Result<usize, CallError> {
    let n = match underlying(index) {
        Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => *n,
        #[allow(clippy::cast_possible_wrap, reason = "Go wraps here too; the result is then out of range")]
        Value::Uint(_, n) => *n as i64,
        Value::Nil | Value::NoValue => return Err(CallError::new("cannot index slice/array with nil")),
        _ => return Err(CallError::new(format!("cannot index slice/array with type {}", type_name(index)))),
    };
    match usize::try_from(n) {
        Ok(at) if at <= len => Ok(at),
        _ => Err(CallError::new(format!("index out of range: {n}"))),
    }
}

fn index(call: &mut Call<'_>) -> Result<Value, CallError> {
    let mut item = call.arg(0).clone();
    if matches!(item, Value::Nil | Value::NoValue) {
        return Err(CallError::new("index of untyped nil"));
    }
    for key in call.rest(1) {
        item = element(call, &item, key)?;
    }
    Ok(item)
}

fn element(call: &Call<'_>, item: &Value, key: &Value) -> Result<Value, CallError> {
    let outside = |what: &str| CallError::new(format!("reflect: {what} index out of range"));
    match underlying(item) {
        Value::List(list) => {
            let at = position(key, list.items.len())?;
            list.items.get(at).cloned().ok_or_else(|| outside("slice"))
        }
        Value::Str(text) => byte(text.as_bytes(), key).and_then(|b| b.ok_or_else(|| outside("string"))),
        Value::Bytes(bytes) => byte(bytes, key).and_then(|b| b.ok_or_else(|| outside("slice"))),
        Value::Map(map) => {
            let key = map_key(key)?;
            let map = call.read(map);
            Ok(map.get(key).unwrap_or_else(|| zero(map.elem())))
        }
        Value::AnyMap(pairs) => Ok(any_map_entry(pairs, key)),
        Value::TypedNil(GoType::Map(elem)) => map_key(key).map(|_| zero(elem)),
        Value::TypedNil(GoType::AnyMap) => Ok(Value::Nil),
        Value::TypedNil(GoType::Slice(_) | GoType::Bytes) => position(key, 0).and_then(|_| Err(outside("slice"))),
        Value::Nil | Value::NoValue | Value::TypedNil(_) => Err(CallError::new("index of nil pointer")),
        _ => Err(CallError::new(format!("can't index item of type {}", type_name(item)))),
    }
}

fn byte(bytes: &[u8], key: &Value) -> Result<Option<Value>, CallError> {
    let at = position(key, bytes.len())?;
    Ok(bytes.get(at).map(|b| Value::Uint(UintKind::Uint8, u64::from(*b))))
}

fn map_key(key: &Value) -> Result<&[u8], CallError> {
    match key {
        Value::Str(text) => Ok(text.as_bytes()),
        Value::Nil | Value::NoValue => Err(CallError::new("value is nil; should be of type string")),
        _ => Err(CallError::new(format!("value has type {}; should be string", type_name(key)))),
    }
}

/// The element of a `map[interface {}]interface {}`: the keys' types must be the same too.
pub(crate) fn any_map_entry(pairs: &[(Value, Value)], key: &Value) -> Value {
    let same = |own: &Value| type_name(own) == type_name(key) && compare::equal(own, key).unwrap_or(false);
    pairs.iter().find(|(own, _)| same(own)).map_or(Value::Nil, |(_, value)| value.clone())
}

fn slice(call: &mut Call<'_>) -> Result<Value, CallError> {
    let item = call.arg(0);
    let (len, is_text) = match underlying(item) {
        Value::Str(text) => (text.len(), true),
        Value::Bytes(bytes) => (bytes.len(), false),
        Value::List(list) => (list.items.len(), false),
        Value::TypedNil(GoType::Slice(_) | GoType::Bytes) => (0, false),
        Value::Nil | Value::NoValue => return Err(CallError::new("slice of untyped nil")),
        Value::TypedNil(GoType::Named(_) | GoType::Location) => return Err(CallError::new("slice of nil pointer")),
        _ => return Err(CallError::new(format!("can't slice item of type {}", type_name(item)))),
    };
    let (start, end) = bounds(call.rest(1), len, is_text)?;
    call.budget().allocate(((end - start) as u64).saturating_mul(if is_text { 1 } else { 16 }))?;
    Ok(match underlying(item) {
        Value::Str(text) => Value::Str(text.slice(start, end)),
        Value::Bytes(bytes) => Value::Bytes(bytes.slice(start..end)),
        Value::List(list) => Value::list_of(list.elem.clone(), list.items[start..end].to_vec()),
        _ => item.clone(),
    })
}

fn bounds(indexes: &[Value], len: usize, is_text: bool) -> Result<(usize, usize), CallError> {
    if indexes.len() > 3 {
        return Err(CallError::new(format!("too many slice indexes: {}", indexes.len())));
    }
    if is_text && indexes.len() == 3 {
        return Err(CallError::new("cannot 3-index slice a string"));
    }
    let mut at = [0, len, len];
    for (slot, index) in at.iter_mut().zip(indexes) {
        *slot = position(index, len)?;
    }
    for pair in at.windows(2).take(indexes.len().max(2) - 1) {
        if pair[0] > pair[1] {
            return Err(CallError::new(format!("invalid slice index: {} > {}", pair[0], pair[1])));
        }
    }
    Ok((at[0], at[1]))
}

/// The arguments as `print` shows them, escaped.
fn escape(call: &mut Call<'_>, with: fn(&[u8]) -> Vec<u8>) -> Result<Value, CallError> {
    let text = match call.args {
        [Value::Str(text)] => text.clone(),
        args => {
            let shown: Vec<Value> = args.iter().map(printable).collect();
            fmt::sprint(call.budget(), &shown)?
        }
    };
    let escaped = with(text.as_bytes());
    call.budget().allocate(escaped.len() as u64)?;
    Ok(Value::Str(Str::from(escaped)))
}

fn printable(value: &Value) -> Value {
    match value {
        Value::Nil | Value::NoValue => Value::Str(Str::from_static("<no value>")),
        other => other.clone(),
    }
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for b in text {
        match b {
            0 => out.extend_from_slice("\u{FFFD}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            other => out.push(*other),
        }
    }
    out
}

fn javascript(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        chunk.valid().chars().for_each(|c| javascript_char(c, &mut out));
        out.extend_from_slice(chunk.invalid());
    }
    out
}

fn javascript_char(c: char, out: &mut Vec<u8>) {
    let escaped = match c {
        '\\' => r"\\".to_owned(),
        '\'' => r"\'".to_owned(),
        '"' => "\\\"".to_owned(),
        '<' | '>' | '&' | '=' => format!("\\u{:04X}", u32::from(c)),
        _ if c < ' ' => format!("\\u{:04X}", u32::from(c)),
        _ if c.is_ascii() || is_print(c) => c.to_string(),
        _ => format!("\\u{:04X}", u32::from(c)),
    };
    out.extend_from_slice(escaped.as_bytes());
}

/// Go's `unicode.IsPrint`: what `strconv.Quote` leaves as it is.
fn is_print(c: char) -> bool {
    !fmt::quote(c.encode_utf8(&mut [0; 4]).as_bytes()).contains('\\')
}

fn url_query(text: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for b in text {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*b),
            b' ' => out.push(b'+'),
            other => out.extend_from_slice(&[b'%', HEX[usize::from(other >> 4)], HEX[usize::from(other & 15)]]),
        }
    }
    out
}

/// Converts an argument of `call`: like assignment, but integers of any type fit any other.
pub(crate) fn prepare(value: Value, wanted: &GoType) -> Result<Value, CallError> {
    let want = Want::Go(wanted);
    if matches!(value, Value::Nil | Value::NoValue) {
        let message = || CallError::new(format!("value is nil; should be of type {}", want.name()));
        return want.nil().ok_or_else(message);
    }
    if want.admits(&value) {
        return Ok(value);
    }
    #[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "Go converts integers the same way")]
    let converted = match (wanted, underlying(&value)) {
        (GoType::Int(kind), Value::Int(_, n) | Value::Duration(n)) => Some(Value::Int(*kind, *n)),
        (GoType::Int(kind), Value::Uint(_, n)) => Some(Value::Int(*kind, *n as i64)),
        (GoType::Uint(kind), Value::Int(_, n) | Value::Duration(n)) => Some(Value::Uint(*kind, *n as u64)),
        (GoType::Uint(kind), Value::Uint(_, n)) => Some(Value::Uint(*kind, *n)),
        (GoType::Duration, Value::Int(_, n)) => Some(Value::Duration(*n)),
        (GoType::Duration, Value::Uint(_, n)) => Some(Value::Duration(*n as i64)),
        _ => None,
    };
    converted.ok_or_else(|| CallError::new(format!("value has type {}; should be {}", type_name(&value), want.name())))
}
