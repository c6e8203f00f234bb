//! The promoter's API objects as Go structs over their Kubernetes JSON, for the vectors' gate expressions.

mod tables;

use gatepost_value::{
    CallContext, CallError, GoType, IntKind, Location, Named, Str, StructView, Time, Value, method,
    time::{duration_string, parse_duration},
};
use serde_json::Value as Json;
use std::sync::Arc;

pub use tables::{PROMOTION_STRATEGY, WEB_REQUEST_COMMIT_STATUS};

/// A field's Go type.
pub enum Ty {
    Bool,
    Text,
    Int,
    Int64,
    /// A string with a type name.
    Named(&'static str),
    /// metav1.Time, metav1.Duration
    Time,
    Duration,
    Pointer(&'static Ty),
    List(&'static Ty),
    /// map[string]string
    Labels,
    Struct(&'static Struct),
}

/// Go name, JSON tag (empty for one that is inlined), type.
pub type Field = (&'static str, &'static str, Ty);

/// A struct type.
pub struct Struct {
    pub name: &'static str,
    /// Embedded structs come first; their fields are promoted.
    pub embedded: usize,
    pub fields: &'static [Field],
}

struct View {
    of: &'static Struct,
    values: Vec<Value>,
    pointer: bool,
}

/// metav1.Time and metav1.Duration: one embedded value whose methods are promoted.
struct Wrapper {
    name: &'static str,
    field: &'static str,
    value: Value,
    pointer: bool,
}

impl StructView for View {
    fn type_name(&self) -> &str {
        self.of.name
    }
    fn field(&self, name: &str) -> Option<Value> {
        let own = self.of.fields.iter().position(|(field, ..)| *field == name);
        own.and_then(|at| self.values.get(at).cloned())
            .or_else(|| self.values.iter().take(self.of.embedded).find_map(|value| value.get(name)))
    }
    fn fields(&self) -> Vec<(Str, Value)> {
        let names = self.of.fields.iter().map(|(name, ..)| Str::from_static(name));
        names.zip(self.values.iter().cloned()).collect()
    }
    fn json_fields(&self) -> Vec<(Option<Str>, Value, bool)> {
        let fields = self.of.fields.iter().zip(&self.values);
        let kept = fields.filter(|((_, tag, _), value)| !(tag.ends_with(OMIT) && is_empty(value)));
        kept.map(|((_, tag, _), value)| (json_name(tag), json_value(value), false)).collect()
    }
    fn has_method(&self, name: &str) -> bool {
        // Getters of the embedded ObjectMeta, which Go gives to pointers only.
        self.pointer && self.of.embedded > 0 && name.strip_prefix("Get").is_some_and(|f| self.field(f).is_some())
    }
    fn call(&self, name: &str, _ctx: &CallContext<'_>, _args: &[Value]) -> Result<Value, CallError> {
        let field = name.strip_prefix("Get").and_then(|field| self.field(field));
        field.ok_or_else(|| CallError::new(format!("no method {name}")))
    }
    fn is_pointer(&self) -> bool {
        self.pointer
    }
}

impl StructView for Wrapper {
    fn type_name(&self) -> &str {
        self.name
    }
    fn field(&self, name: &str) -> Option<Value> {
        (name == self.field).then(|| self.value.clone())
    }
    fn fields(&self) -> Vec<(Str, Value)> {
        vec![(Str::from_static(self.field), self.value.clone())]
    }
    fn has_method(&self, name: &str) -> bool {
        method::has(&self.value, name)
    }
    fn call(&self, name: &str, ctx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
        method::call(ctx, &self.value, name, args)
    }
    fn is_pointer(&self) -> bool {
        self.pointer
    }
}

const OMIT: &str = ",omitempty";

fn json_name(tag: &str) -> Option<Str> {
    (!tag.is_empty()).then(|| Str::from(tag.trim_end_matches(OMIT)))
}

/// What `omitempty` leaves out: a pointer to something is never empty.
fn is_empty(value: &Value) -> bool {
    let pointer = matches!(value, Value::Named(named) if named.type_name.starts_with('*'));
    !pointer && !matches!(value, Value::Struct(_)) && !gatepost_value::cast::truth(value)
}

/// What the type's own MarshalJSON makes of a value.
fn json_value(value: &Value) -> Value {
    match value.get("Time") {
        Some(Value::Time(time)) if time.is_zero() => Value::Nil,
        Some(Value::Time(time)) => Value::str(time.format("2006-01-02T15:04:05Z07:00")),
        _ => match value.get("Duration") {
            Some(Value::Duration(nanoseconds)) => Value::str(duration_string(nanoseconds)),
            _ => value.clone(),
        },
    }
}

/// A pointer to a struct, as the controller hands objects to expressions.
pub fn object(of: &'static Struct, json: &Json) -> Value {
    if json.is_null() { nil_pointer(of.name) } else { structure(of, json, true) }
}

fn nil_pointer(name: &str) -> Value {
    Value::TypedNil(GoType::Named(format!("*{name}").into()))
}

fn structure(of: &'static Struct, json: &Json, pointer: bool) -> Value {
    let member = |tag: &str| match tag.trim_end_matches(OMIT) {
        "" => json.clone(),
        key => json.get(key).cloned().unwrap_or(Json::Null),
    };
    let values = of.fields.iter().map(|(_, key, ty)| value(ty, &member(key), false)).collect();
    Value::Struct(Arc::new(View { of, values, pointer }))
}

fn named(type_name: &str, base: Value) -> Value {
    Value::Named(Arc::new(Named { type_name: type_name.into(), base }))
}

fn text(json: &Json) -> Str {
    json.as_str().unwrap_or_default().into()
}

fn value(ty: &'static Ty, json: &Json, pointer: bool) -> Value {
    match ty {
        Ty::Bool => Value::Bool(json.as_bool().unwrap_or_default()),
        Ty::Text => Value::Str(text(json)),
        Ty::Int => Value::int(json.as_i64().unwrap_or_default()),
        Ty::Int64 => Value::int64(json.as_i64().unwrap_or_default()),
        Ty::Named(name) => named(name, Value::Str(text(json))),
        Ty::Time => {
            let time = json.as_str().and_then(|text| Time::parse_rfc3339(text).ok()).unwrap_or_else(Time::zero);
            let value = Value::Time(time.within(&Location::Utc));
            Value::Struct(Arc::new(Wrapper { name: "v1.Time", field: "Time", value, pointer }))
        }
        Ty::Duration => {
            let nanoseconds = json.as_str().and_then(|text| parse_duration(text).ok()).unwrap_or_default();
            let value = Value::Duration(nanoseconds);
            Value::Struct(Arc::new(Wrapper { name: "v1.Duration", field: "Duration", value, pointer }))
        }
        Ty::Pointer(to) if json.is_null() => nil_pointer(&go_name(to)),
        Ty::Pointer(to) => match to {
            Ty::Struct(of) => structure(of, json, true),
            Ty::Time | Ty::Duration => value(to, json, true),
            basic => named(&format!("*{}", go_name(basic)), value(basic, json, false)),
        },
        Ty::List(of) => match json.as_array() {
            Some(items) => Value::list_of(go_type(of), items.iter().map(|item| value(of, item, false)).collect()),
            None => Value::TypedNil(GoType::Slice(Box::new(go_type(of)))),
        },
        Ty::Labels => match json.as_object() {
            Some(entries) => Value::Map(gatepost_value::Map::frozen_of(
                GoType::String,
                entries.iter().map(|(key, value)| (Str::from(key.as_str()), Value::Str(text(value)))).collect(),
            )),
            None => Value::TypedNil(GoType::Map(Box::new(GoType::String))),
        },
        Ty::Struct(of) => structure(of, json, pointer),
    }
}

fn go_name(ty: &Ty) -> String {
    match ty {
        Ty::Bool => "bool".to_owned(),
        Ty::Text => "string".to_owned(),
        Ty::Int => "int".to_owned(),
        Ty::Int64 => "int64".to_owned(),
        Ty::Named(name) => (*name).to_owned(),
        Ty::Time => "v1.Time".to_owned(),
        Ty::Duration => "v1.Duration".to_owned(),
        Ty::Pointer(to) => format!("*{}", go_name(to)),
        Ty::List(of) => format!("[]{}", go_name(of)),
        Ty::Labels => "map[string]string".to_owned(),
        Ty::Struct(of) => of.name.to_owned(),
    }
}

fn go_type(ty: &Ty) -> GoType {
    match ty {
        Ty::Bool => GoType::Bool,
        Ty::Text => GoType::String,
        Ty::Int => GoType::Int(IntKind::Int),
        Ty::Int64 => GoType::Int(IntKind::Int64),
        other => GoType::Named(go_name(other).into()),
    }
}

#[test]
fn durations_are_read() {
    let value = value(&Ty::Duration, &Json::from("1m"), false);
    assert!(matches!(value.get("Duration"), Some(Value::Duration(n)) if duration_string(n) == "1m0s"));
}
