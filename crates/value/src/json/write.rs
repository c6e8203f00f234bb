//! The writer: `encoding/json`'s text for every value, without recursion. Refuses what Go refuses, stops at the limits.

use crate::fmt::{format_float, type_name};
use crate::{Budget, CallError, FloatKind, GoType, LimitError, Location, Str, Time, UintKind, Value, runes};
use base64::Engine;
use std::io::Write;
use std::sync::Arc;

/// Deeper than any JSON text may be; only a map that holds itself gets here.
const DEEPEST: usize = 10_000;

/// How the text is laid out.
pub(super) struct Style<'s> {
    /// Indent per level; `None` for one line.
    pub(super) indent: Option<&'s str>,
    /// Whether `<`, `>`, `&` are escaped.
    pub(super) html: bool,
}

pub(super) struct Writer<'w> {
    out: Vec<u8>,
    style: Style<'w>,
    budget: &'w Budget,
    open: Vec<Frame>,
}

/// What is still to write of one list or object.
struct Frame {
    items: Items,
    next: usize,
}

enum Items {
    List(Arc<Vec<Value>>),
    Object(Vec<(Str, Value)>),
}

impl<'w> Writer<'w> {
    pub(super) fn new(budget: &'w Budget, style: Style<'w>) -> Self {
        Self { out: Vec::new(), style, budget, open: Vec::new() }
    }

    pub(super) fn document(mut self, root: &Value) -> Result<Vec<u8>, CallError> {
        self.value(root)?;
        while let Some(frame) = self.open.last_mut() {
            let at = frame.next;
            frame.next += 1;
            let (key, value) = match &frame.items {
                Items::List(items) => (None, items.get(at).cloned()),
                Items::Object(entries) => {
                    entries.get(at).map_or((None, None), |(k, v)| (Some(k.clone()), Some(v.clone())))
                }
            };
            match value {
                None => self.end(at > 0),
                Some(value) => self.element(at, key, &value)?,
            }
        }
        self.budget.allocate(u64::try_from(self.out.len()).unwrap_or(u64::MAX))?;
        Ok(self.out)
    }

    fn element(&mut self, at: usize, key: Option<Str>, value: &Value) -> Result<(), CallError> {
        self.budget.step(1)?;
        self.room(0)?;
        if self.open.len() > DEEPEST {
            return Err(CallError::new("json: unsupported value: encountered a cycle via map[string]interface {}"));
        }
        if at > 0 {
            self.out.push(b',');
        }
        self.new_line();
        if let Some(key) = key {
            self.string(key.as_bytes())?;
            self.out.extend_from_slice(if self.style.indent.is_some() { b": " } else { b":" });
        }
        self.value(value)
    }

    fn end(&mut self, any: bool) {
        let frame = self.open.pop();
        if any {
            self.new_line();
        }
        self.out.push(match frame.map(|f| f.items) {
            Some(Items::List(_)) => b']',
            _ => b'}',
        });
    }

    fn new_line(&mut self) {
        if let Some(indent) = self.style.indent {
            self.out.push(b'\n');
            for _ in 0..self.open.len() {
                self.out.extend_from_slice(indent.as_bytes());
            }
        }
    }

    fn room(&self, more: usize) -> Result<(), LimitError> {
        let allowed = self.budget.limits().call_bytes;
        let wanted = u64::try_from(self.out.len().saturating_add(more)).unwrap_or(u64::MAX);
        if wanted > allowed { Err(LimitError { limit: "call_bytes", allowed }) } else { Ok(()) }
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn begin(&mut self, items: Items) {
        self.out.push(if matches!(items, Items::List(_)) { b'[' } else { b'{' });
        self.open.push(Frame { items, next: 0 });
    }

    fn value(&mut self, value: &Value) -> Result<(), CallError> {
        match value {
            Value::Nil | Value::NoValue | Value::TypedNil(_) => self.text("null"),
            Value::Bool(b) => self.text(if *b { "true" } else { "false" }),
            Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => {
                drop(write!(self.out, "{n}"));
            }
            Value::Uint(_, n) => drop(write!(self.out, "{n}")),
            Value::Float(kind, f) => {
                let text = number(*f, *kind).ok_or_else(|| unsupported_number(*f))?;
                self.text(&text);
            }
            Value::Str(text) => self.string(text.as_bytes())?,
            Value::Bytes(bytes) => self.base64(bytes)?,
            Value::List(list) if list.elem == GoType::Uint(UintKind::Uint8) => {
                let bytes: Vec<u8> = list.items.iter().map(|v| crate::cast::to_i64(v).to_le_bytes()[0]).collect();
                self.base64(&bytes)?;
            }
            Value::List(list) => self.begin(Items::List(Arc::clone(&list.items))),
            Value::Map(map) => self.begin(Items::Object(map.entries())),
            Value::Struct(view) => match view.own_json() {
                Some(own) => return self.value(&own),
                None => self.begin(Items::Object(members(value, 0))),
            },
            Value::Named(named) if &*named.type_name == "v1.Time" => self.kubernetes_time(&named.base)?,
            Value::Named(named) => return self.value(&named.base),
            Value::Time(time) => self.time(time)?,
            Value::Location(_) => self.text("{}"),
            Value::AnyMap(_) | Value::Func(_) => {
                return Err(CallError::new(format!("json: unsupported type: {}", type_name(value))));
            }
        }
        Ok(())
    }

    fn base64(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        self.room(bytes.len() / 3 * 4)?;
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        self.text(&format!("\"{text}\""));
        Ok(())
    }

    fn time(&mut self, time: &Time) -> Result<(), CallError> {
        const WHERE: &str = "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: ";
        if !(0..=9999).contains(&time.civil().year) {
            return Err(CallError::new(format!("{WHERE}year outside of range [0,9999]")));
        }
        if time.loc.at(time.secs).1.abs() >= 24 * 3600 {
            return Err(CallError::new(format!("{WHERE}timezone hour outside of range [0,23]")));
        }
        self.text(&format!("\"{}\"", time.format("2006-01-02T15:04:05.999999999Z07:00")));
        Ok(())
    }

    /// Kubernetes' own type writes whole seconds in UTC and nothing for the zero time.
    fn kubernetes_time(&mut self, base: &Value) -> Result<(), CallError> {
        let Value::Time(time) = base else { return self.value(base) };
        if time.is_zero() {
            self.text("null");
            return Ok(());
        }
        self.time(&Time { secs: time.secs, nanos: 0, loc: Location::Utc })
    }

    fn string(&mut self, text: &[u8]) -> Result<(), LimitError> {
        self.room(text.len() + 2)?;
        self.out.push(b'"');
        let mut done = 0;
        for (at, rune, width) in runes::iter(text) {
            if rune.is_ascii() && !self.escapes(rune) {
                continue;
            }
            if !rune.is_ascii() && width > 1 && !matches!(rune, '\u{2028}' | '\u{2029}') {
                continue;
            }
            self.out.extend_from_slice(&text[done..at]);
            self.escaped(rune);
            done = at + width;
        }
        self.out.extend_from_slice(&text[done..]);
        self.out.push(b'"');
        Ok(())
    }

    const fn escapes(&self, c: char) -> bool {
        matches!(c, '\0'..='\u{1f}' | '"' | '\\') || (self.style.html && matches!(c, '<' | '>' | '&'))
    }

    fn escaped(&mut self, c: char) {
        match c {
            '"' => self.text("\\\""),
            '\\' => self.text("\\\\"),
            '\u{8}' => self.text("\\b"),
            '\u{c}' => self.text("\\f"),
            '\n' => self.text("\\n"),
            '\r' => self.text("\\r"),
            '\t' => self.text("\\t"),
            _ => drop(write!(self.out, "\\u{:04x}", c as u32)),
        }
    }
}

fn unsupported_number(f: f64) -> CallError {
    CallError::new(format!("json: unsupported value: {}", format_float(f, 'g', None, 64)))
}

/// A float as JSON has it: decimals, and the exponent form below 1e-6 and from 1e21 on; `None` if it is not finite.
fn number(f: f64, kind: FloatKind) -> Option<String> {
    if !f.is_finite() {
        return None;
    }
    let bits = if kind == FloatKind::Float32 { 32 } else { 64 };
    let size = f.abs();
    let extreme = match kind {
        FloatKind::Float64 => !(1e-6..1e21).contains(&size),
        FloatKind::Float32 => !(1e-6..1e21).contains(&(size as f32)),
    };
    if size == 0.0 || !extreme {
        return Some(format_float(f, 'f', None, bits));
    }
    let text = format_float(f, 'e', None, bits);
    // Go writes e-09 as e-9.
    Some(match text.split_once("e-0") {
        Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
        None => text,
    })
}

/// A struct's members by their JSON names, with embedded structs dissolved and empty `omitempty` members left out.
fn members(value: &Value, depth: u32) -> Vec<(Str, Value)> {
    let Value::Struct(view) = value else { return Vec::new() };
    let mut members = Vec::new();
    for (name, value, omit_empty) in view.json_fields() {
        match name {
            Some(_) if omit_empty && is_empty(&value) => {}
            Some(name) => members.push((name, value)),
            None if depth < 32 => members.extend(self::members(&value, depth + 1)),
            None => {}
        }
    }
    members
}

/// What `omitempty` leaves out: structs are never empty. A view says itself of its pointers that they are not.
pub(super) fn is_empty(value: &Value) -> bool {
    !matches!(value, Value::Struct(_) | Value::Time(_)) && !crate::cast::truth(value)
        || matches!(value, Value::Float(_, f) if *f == 0.0)
}

/// A struct's members for other writers.
pub(super) fn struct_members(value: &Value) -> Vec<(Str, Value)> {
    members(value, 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::{Budget, Limits, Str, StructView, Value, json};
    use std::sync::Arc;

    /// A struct with `Plain bool` and `Pointer *bool`, both with `omitempty`.
    struct Switches {
        plain: bool,
        pointer: Option<bool>,
    }

    impl StructView for Switches {
        fn type_name(&self) -> &str {
            "main.Switches"
        }
        fn field(&self, name: &str) -> Option<Value> {
            self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
        }
        fn fields(&self) -> Vec<(Str, Value)> {
            let pointer = self.pointer.map_or(Value::Nil, Value::Bool);
            vec![("Plain".into(), Value::Bool(self.plain)), ("Pointer".into(), pointer)]
        }
        fn json_fields(&self) -> Vec<(Option<Str>, Value, bool)> {
            let pointer = self.pointer.map_or(Value::Nil, Value::Bool);
            let left_out = self.pointer.is_none();
            vec![(Some("plain".into()), Value::Bool(self.plain), true), (Some("pointer".into()), pointer, left_out)]
        }
    }

    #[test]
    fn a_pointer_to_false_is_not_empty() {
        let written = |plain, pointer| {
            let value = Value::Struct(Arc::new(Switches { plain, pointer }));
            String::from_utf8(json::marshal(&Budget::new(Limits::default()), &value).unwrap()).unwrap()
        };
        assert_eq!(written(false, Some(false)), r#"{"pointer":false}"#);
        assert_eq!(written(false, None), "{}");
        assert_eq!(written(true, Some(true)), r#"{"plain":true,"pointer":true}"#);
    }
}
