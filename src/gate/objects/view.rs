//! How a value of one of the table's types is made from JSON, and what Go code sees of it.
//!
//! What JSON lacks, or has in another shape, is the type's zero value, as it is where Go decodes.

use super::table::{Field, GoStruct, Ty};
use gatepost_value::json::{self, Numbers};
use gatepost_value::time::{duration_string, parse_duration};
use gatepost_value::{
    CallContext, CallError, GoType, IntKind, Location, Map, Named, Str, StructView, Time, Value, method,
};
use serde_json::Value as Json;
use std::sync::Arc;

/// A struct over its fields' values, which stand in the order of its table.
struct View {
    of: &'static GoStruct,
    values: Vec<Value>,
    pointer: bool,
}

impl StructView for View {
    fn type_name(&self) -> &str {
        self.of.name
    }
    fn field(&self, name: &str) -> Option<Value> {
        let own = self.of.fields.iter().position(|field| field.go == name);
        own.and_then(|at| self.values.get(at).cloned())
            .or_else(|| self.values.iter().take(self.of.embedded).find_map(|value| value.get(name)))
    }
    fn fields(&self) -> Vec<(Str, Value)> {
        let names = self.of.fields.iter().map(|field| Str::from_static(field.go));
        names.zip(self.values.iter().cloned()).collect()
    }
    fn json_fields(&self) -> Vec<(Option<Str>, Value, bool)> {
        let fields = self.of.fields.iter().zip(&self.values);
        let kept = fields.filter(|(field, value)| !(field.omits_zero() && is_zero(value)));
        let named = |(field, value): (&Field, &Value)| {
            let name = (!field.tag.is_empty()).then(|| Str::from_static(field.json()));
            (name, value.clone(), field.omits_empty() && !points(&field.ty, value))
        };
        kept.map(named).collect()
    }
    fn has_method(&self, name: &str) -> bool {
        // The getters of the embedded ObjectMeta, which Go gives to pointers only.
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

/// `metav1.Time` and `metav1.Duration`: one embedded value whose methods are the struct's.
struct Wrapper {
    name: &'static str,
    field: &'static str,
    value: Value,
    pointer: bool,
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
    fn own_json(&self) -> Option<Value> {
        Some(match &self.value {
            Value::Time(time) if time.is_zero() => Value::Nil,
            Value::Time(time) => Value::str(time.within(&Location::Utc).format("2006-01-02T15:04:05Z07:00")),
            Value::Duration(nanoseconds) => Value::str(duration_string(*nanoseconds)),
            other => other.clone(),
        })
    }
    fn has_method(&self, name: &str) -> bool {
        method::has(&self.value, name)
    }
    fn call(&self, name: &str, ctx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
        // `a.Before(b)` is written with two of these, and means the times inside.
        let inner = |arg: &Value| arg.get(self.field).unwrap_or_else(|| arg.clone());
        let args: Vec<_> = args.iter().map(inner).collect();
        method::call(ctx, &self.value, name, &args)
    }
    fn is_pointer(&self) -> bool {
        self.pointer
    }
}

/// JSON as it came: bytes to templates and expressions, itself to JSON.
struct RawJson {
    name: &'static str,
    bytes: Value,
    parsed: Value,
    pointer: bool,
}

impl StructView for RawJson {
    fn type_name(&self) -> &str {
        self.name
    }
    fn field(&self, name: &str) -> Option<Value> {
        (name == "Raw").then(|| self.bytes.clone())
    }
    fn fields(&self) -> Vec<(Str, Value)> {
        vec![(Str::from_static("Raw"), self.bytes.clone())]
    }
    fn own_json(&self) -> Option<Value> {
        Some(self.parsed.clone())
    }
    fn is_pointer(&self) -> bool {
        self.pointer
    }
}

/// A pointer to something is never empty, whatever it points to.
fn points(ty: &Ty, value: &Value) -> bool {
    matches!(ty, Ty::Pointer(_)) && !value.is_nil()
}

fn is_zero(value: &Value) -> bool {
    matches!(value.get("Time"), Some(Value::Time(time)) if time.is_zero())
}

pub(super) fn object(of: &'static GoStruct, json: &Json) -> Value {
    if json.is_null() { nil_pointer(of.name) } else { structure(of, json, true) }
}

fn nil_pointer(name: &str) -> Value {
    Value::TypedNil(GoType::Named(format!("*{name}").into()))
}

fn structure(of: &'static GoStruct, json: &Json, pointer: bool) -> Value {
    let member = |field: &'static Field| {
        let inside = if field.tag.is_empty() { Some(json) } else { json.get(field.json()) };
        value(&field.ty, inside.unwrap_or(&Json::Null), false)
    };
    Value::Struct(Arc::new(View { of, values: of.fields.iter().map(member).collect(), pointer }))
}

fn value(ty: &'static Ty, json: &Json, pointer: bool) -> Value {
    match ty {
        Ty::Bool => Value::Bool(json.as_bool().unwrap_or_default()),
        Ty::Text => Value::Str(text(json)),
        Ty::Int => Value::int(json.as_i64().unwrap_or_default()),
        Ty::Int64 => Value::int64(json.as_i64().unwrap_or_default()),
        Ty::Named(name) => named(name, Value::Str(text(json))),
        Ty::Time => wrapper("v1.Time", "Time", time(json), pointer),
        Ty::Duration => wrapper("v1.Duration", "Duration", duration(json), pointer),
        Ty::Raw(name) => raw(name, json, pointer),
        Ty::Pointer(to) if json.is_null() => nil_pointer(&go_name(to)),
        Ty::Pointer(to) => match to {
            Ty::Struct(_) | Ty::Time | Ty::Duration | Ty::Raw(_) => value(to, json, true),
            basic => named(&format!("*{}", go_name(basic)), value(basic, json, false)),
        },
        Ty::List(of) => match json.as_array() {
            Some(items) => Value::list_of(go_type(of), items.iter().map(|item| value(of, item, false)).collect()),
            None => Value::TypedNil(GoType::Slice(Box::new(go_type(of)))),
        },
        Ty::Labels => labels(json),
        Ty::Struct(of) => structure(of, json, pointer),
    }
}

fn named(type_name: &str, base: Value) -> Value {
    Value::Named(Arc::new(Named { type_name: type_name.into(), base }))
}

fn wrapper(name: &'static str, field: &'static str, value: Value, pointer: bool) -> Value {
    Value::Struct(Arc::new(Wrapper { name, field, value, pointer }))
}

fn text(json: &Json) -> Str {
    json.as_str().unwrap_or_default().into()
}

fn time(json: &Json) -> Value {
    let time = json.as_str().and_then(|text| Time::parse_rfc3339(text).ok()).unwrap_or_else(Time::zero);
    Value::Time(time.within(&Location::Utc))
}

fn duration(json: &Json) -> Value {
    Value::Duration(json.as_str().and_then(|text| parse_duration(text).ok()).unwrap_or_default())
}

fn raw(name: &'static str, json: &Json, pointer: bool) -> Value {
    let bytes = Value::Bytes(json.to_string().into_bytes().into());
    let parsed = json::from_serde(json, Numbers::Kubernetes);
    Value::Struct(Arc::new(RawJson { name, bytes, parsed, pointer }))
}

fn labels(json: &Json) -> Value {
    let Some(entries) = json.as_object() else { return Value::TypedNil(GoType::Map(Box::new(GoType::String))) };
    let entries = entries.iter().map(|(name, value)| (Str::from(name.as_str()), Value::Str(text(value))));
    Value::Map(Map::frozen_of(GoType::String, entries.collect()))
}

fn go_name(ty: &Ty) -> String {
    match ty {
        Ty::Bool => "bool".to_owned(),
        Ty::Text => "string".to_owned(),
        Ty::Int => "int".to_owned(),
        Ty::Int64 => "int64".to_owned(),
        Ty::Named(name) | Ty::Raw(name) => (*name).to_owned(),
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
