//! Printing values that have elements, without recursion: the depth of a value never becomes depth of the stack.

use super::printer::Printer;
use super::types::type_name;
use crate::{Budget, CallContext, GoType, Limits, List, Location, Str, Time, UintKind, Value};
use bytes::Bytes;
use std::cmp::Ordering;
use std::sync::Arc;

/// Deeper than any JSON text may be; only a map that holds itself gets here.
const DEEPEST: usize = 20_000;

/// What is still to print of one list, map or struct.
struct Frame {
    items: Items,
    next: usize,
    close: &'static str,
}

enum Items {
    List(Arc<Vec<Value>>),
    Bytes(Bytes),
    Map(Vec<(Str, Value)>),
    /// Keys and values in turn.
    Pairs(Vec<Value>),
    Fields(Vec<(Str, Value)>),
}

/// What comes before an element.
enum Label {
    None,
    /// A map's key, printed under the verb.
    Key(Str),
    /// A struct's field name, printed with `%+v` and `%#v` only.
    Field(Str),
    /// The colon between key and value.
    Colon,
}

impl Frame {
    fn next(&mut self) -> Option<(Label, Value)> {
        let at = self.next;
        self.next += 1;
        match &mut self.items {
            Items::List(items) => items.get(at).map(|v| (Label::None, v.clone())),
            Items::Bytes(bytes) => bytes.get(at).map(|b| (Label::None, Value::Uint(UintKind::Uint8, u64::from(*b)))),
            Items::Map(entries) => entries.get(at).map(|(k, v)| (Label::Key(k.clone()), v.clone())),
            Items::Fields(fields) => fields.get(at).map(|(k, v)| (Label::Field(k.clone()), v.clone())),
            Items::Pairs(flat) => {
                let label = if at % 2 == 1 { Label::Colon } else { Label::None };
                flat.get(at).map(|v| (label, v.clone()))
            }
        }
    }
}

impl Printer<'_> {
    /// Prints a value and all that is inside it.
    pub(super) fn walk(&mut self, root: &Value, verb: char) {
        let mut open: Vec<Frame> = Vec::new();
        open.extend(self.enter(root, verb, 0));
        while let Some(frame) = open.last_mut() {
            let first = frame.next == 0;
            let Some((label, value)) = frame.next() else {
                self.write_str(frame.close);
                open.pop();
                continue;
            };
            if !self.step() || open.len() > DEEPEST {
                return;
            }
            self.label(label, first, verb);
            let frame = self.enter(&value, verb, open.len());
            open.extend(frame);
        }
    }

    fn label(&mut self, label: Label, first: bool, verb: char) {
        if matches!(label, Label::Colon) {
            return self.write_str(":");
        }
        if !first {
            self.write_str(if self.flags.sharp_v { ", " } else { " " });
        }
        match label {
            Label::Key(key) => {
                self.string(&Value::Str(key.clone()), key.as_bytes(), verb);
                self.write_str(":");
            }
            Label::Field(name) if self.flags.plus_v || self.flags.sharp_v => {
                self.write(name.as_bytes());
                self.write_str(":");
            }
            _ => {}
        }
    }

    /// Prints a leaf, or the opening of a value whose elements are to follow.
    fn enter(&mut self, value: &Value, verb: char, depth: usize) -> Option<Frame> {
        match value {
            Value::Nil | Value::NoValue => {
                self.write_str(if self.flags.sharp_v { "interface {}(nil)" } else { "<nil>" });
                None
            }
            // Go prints a []byte operand without looking for methods.
            Value::Bytes(bytes) if depth == 0 => self.enter_bytes(value, bytes, verb, depth),
            _ if self.methods(value, verb) => None,
            Value::Named(named) => self.enter_base(value, &named.base, verb, depth),
            _ => self.enter_base(value, value, verb, depth),
        }
    }

    fn enter_base(&mut self, whole: &Value, base: &Value, verb: char, depth: usize) -> Option<Frame> {
        match base {
            Value::TypedNil(t) => self.typed_nil(whole, t, verb),
            Value::Bytes(bytes) => return self.enter_bytes(whole, bytes, verb, depth),
            Value::List(list) => return self.enter_list(whole, list, verb),
            Value::Map(map) => return Some(self.open_map(whole, Items::Map(map.entries()))),
            Value::AnyMap(pairs) => return Some(self.open_map(whole, Items::Pairs(sorted_flat(pairs)))),
            Value::Struct(view) if view.is_pointer() && depth > 0 => self.leaf(whole, base, verb),
            Value::Struct(view) => {
                let pointer = if view.is_pointer() { "&" } else { "" };
                return Some(self.open_struct(pointer, view.type_name().trim_start_matches('*'), view.fields()));
            }
            Value::Time(time) => return Some(self.open_struct("", "time.Time", time_fields(time))),
            Value::Location(_) if depth > 0 => self.leaf(whole, base, verb),
            Value::Location(loc) => return Some(self.open_struct("&", "time.Location", location_fields(loc))),
            _ => self.leaf(whole, base, verb),
        }
        None
    }

    fn enter_bytes(&mut self, whole: &Value, bytes: &Bytes, verb: char, depth: usize) -> Option<Frame> {
        if self.bytes(whole, bytes, verb) {
            return None;
        }
        let short = depth == 0 && matches!(whole, Value::Bytes(_)) && matches!(verb, 'v' | 'd');
        let name = if short { "[]byte".to_owned() } else { type_name(whole) };
        Some(self.open_list(&name, Items::Bytes(bytes.clone())))
    }

    fn enter_list(&mut self, whole: &Value, list: &List, verb: char) -> Option<Frame> {
        if list.elem == GoType::Uint(UintKind::Uint8) && matches!(verb, 's' | 'q' | 'x' | 'X') {
            let bytes: Vec<u8> = list.items.iter().map(byte).collect();
            self.bytes(whole, &bytes, verb);
            return None;
        }
        Some(self.open_list(&type_name(whole), Items::List(Arc::clone(&list.items))))
    }

    fn open_list(&mut self, type_name: &str, items: Items) -> Frame {
        if !self.flags.sharp_v {
            self.write_str("[");
            return Frame { items, next: 0, close: "]" };
        }
        self.write_str(type_name);
        self.write_str("{");
        Frame { items, next: 0, close: "}" }
    }

    fn open_map(&mut self, whole: &Value, items: Items) -> Frame {
        if !self.flags.sharp_v {
            self.write_str("map[");
            return Frame { items, next: 0, close: "]" };
        }
        self.write_str(&type_name(whole));
        self.write_str("{");
        Frame { items, next: 0, close: "}" }
    }

    fn open_struct(&mut self, pointer: &str, type_name: &str, fields: Vec<(Str, Value)>) -> Frame {
        self.write_str(pointer);
        if self.flags.sharp_v {
            self.write_str(type_name);
        }
        self.write_str("{");
        Frame { items: Items::Fields(fields), next: 0, close: "}" }
    }

    /// Lets the value print itself where Go would call `Error`, `String` or `GoString`.
    fn methods(&mut self, value: &Value, verb: char) -> bool {
        if self.erroring {
            return false;
        }
        if verb == 'w' {
            self.bad_verb(value, verb);
            return true;
        }
        if self.flags.sharp_v {
            let Value::Time(time) = base(value) else { return false };
            self.text(time.go_syntax().as_bytes());
            return true;
        }
        if !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return false;
        }
        let Some(text) = own_text(value, self.budget) else { return false };
        self.string(value, text.as_bytes(), verb);
        true
    }
}

fn base(value: &Value) -> &Value {
    match value {
        Value::Named(named) => &named.base,
        _ => value,
    }
}

fn byte(value: &Value) -> u8 {
    match value {
        Value::Uint(_, n) => u8::try_from(*n & 0xff).unwrap_or(0),
        _ => 0,
    }
}

/// What `Error` or `String` of the value says, if it has one of them.
pub(crate) fn own_text(value: &Value, budget: Option<&Budget>) -> Option<Str> {
    match base(value) {
        Value::Time(time) => Some(time.go_string().into()),
        Value::Duration(ns) => Some(crate::time::duration_string(*ns).into()),
        Value::Month(month) => Some(crate::time::month_name(*month).into()),
        Value::Weekday(day) => Some(crate::time::weekday_name(*day).into()),
        Value::Location(loc) => Some(loc.name().into()),
        Value::TypedNil(GoType::Location) => Some(Str::from_static("UTC")),
        Value::Struct(view) => {
            let name = ["Error", "String"].into_iter().find(|name| view.has_method(name))?;
            let fresh;
            let budget = match budget {
                Some(budget) => budget,
                None => {
                    fresh = Budget::new(Limits::default());
                    &fresh
                }
            };
            let ctx =
                CallContext { budget, now: Time::unix(0, 0), local: Location::Utc, random: &|_| {}, costly: false };
            match view.call(name, &ctx, &[]) {
                Ok(Value::Str(text)) => Some(text),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What reflection sees inside a time without a monotonic reading.
fn time_fields(time: &Time) -> Vec<(Str, Value)> {
    const SECONDS_FROM_YEAR_1: i64 = 62_135_596_800;
    let loc = match time.loc {
        Location::Utc => Value::TypedNil(GoType::Location),
        _ => Value::Location(time.loc.clone()),
    };
    vec![
        (Str::from_static("wall"), Value::Uint(UintKind::Uint64, u64::from(time.nanos))),
        (Str::from_static("ext"), Value::int64(time.secs.wrapping_add(SECONDS_FROM_YEAR_1))),
        (Str::from_static("loc"), loc),
    ]
}

/// A location's fields; its tables of transitions are shown as absent.
fn location_fields(loc: &Location) -> Vec<(Str, Value)> {
    let nil = |name: &str| Value::TypedNil(GoType::Named(name.into()));
    let slice = |name: &str| Value::TypedNil(GoType::Slice(Box::new(GoType::Named(name.into()))));
    vec![
        (Str::from_static("name"), Value::str(loc.name())),
        (Str::from_static("zone"), slice("time.zone")),
        (Str::from_static("tx"), slice("time.zoneTrans")),
        (Str::from_static("extend"), Value::Str(Str::default())),
        (Str::from_static("cacheStart"), Value::int64(0)),
        (Str::from_static("cacheEnd"), Value::int64(0)),
        (Str::from_static("cacheZone"), nil("*time.zone")),
    ]
}

/// Keys and values in turn, sorted by key as Go prints maps.
fn sorted_flat(pairs: &[(Value, Value)]) -> Vec<Value> {
    let mut sorted: Vec<&(Value, Value)> = pairs.iter().collect();
    sorted.sort_by(|a, b| compare_keys(&a.0, &b.0));
    sorted.into_iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect()
}

/// Nil first, then by type, then by value. Go orders types by where the linker put them; here the order is fixed.
fn compare_keys(a: &Value, b: &Value) -> Ordering {
    rank(a).cmp(&rank(b)).then_with(|| match (base(a), base(b)) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(ka, a), Value::Int(kb, b)) => (*ka as u8, a).cmp(&(*kb as u8, b)),
        (Value::Uint(ka, a), Value::Uint(kb, b)) => (*ka as u8, a).cmp(&(*kb as u8, b)),
        (Value::Float(_, a), Value::Float(_, b)) => {
            b.is_nan().cmp(&a.is_nan()).then_with(|| a.partial_cmp(b).unwrap_or(Ordering::Equal))
        }
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b))
        | (Value::Month(a), Value::Month(b))
        | (Value::Weekday(a), Value::Weekday(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => (a.nanos, a.secs).cmp(&(b.nanos, b.secs)),
        _ => Ordering::Equal,
    })
}

fn rank(value: &Value) -> u8 {
    match base(value) {
        Value::Nil | Value::NoValue | Value::TypedNil(_) => 0,
        Value::Str(_) => 1,
        Value::Int(..) => 2,
        Value::Uint(..) => 3,
        Value::Float(..) => 4,
        Value::Bool(_) => 5,
        Value::Duration(_) => 6,
        Value::Month(_) => 7,
        Value::Weekday(_) => 8,
        Value::Time(_) => 9,
        _ => 10,
    }
}
