//! Types of the built-ins that have fixed signatures, and how Go prints function types.

use crate::builtin_types::Builtin;
use crate::types::{FuncType, Type};
use std::sync::Arc;

/// One signature: parameters, results; a `func` parameter is a predicate.
type Row = (&'static str, &'static str);

/// The type that a built-in's bare name has.
pub(super) fn of_name(builtin: Builtin) -> Type {
    let mut func = match overloads(builtin).into_iter().next() {
        Some(func) => (*func).clone(),
        None => FuncType {
            params: vec![Type::Any],
            variadic: true,
            results: vec![Type::Any, Type::Error],
            text: "func(...interface {}) (interface {}, error)".to_owned(),
            builtin: None,
        },
    };
    func.builtin = Some(builtin);
    Type::Func(Arc::new(func))
}

/// A function type.
pub(super) fn function(params: Vec<Type>, variadic: bool, results: Vec<Type>, receiver: Option<&str>) -> Type {
    Type::Func(Arc::new(func_type(params, variadic, results, receiver)))
}

fn func_type(params: Vec<Type>, variadic: bool, results: Vec<Type>, receiver: Option<&str>) -> FuncType {
    let inputs: Vec<String> =
        receiver.map(ToOwned::to_owned).into_iter().chain(params.iter().map(ToString::to_string)).collect();
    let outputs: Vec<String> = results.iter().map(ToString::to_string).collect();
    let outputs = match outputs.as_slice() {
        [] => String::new(),
        [one] => format!(" {one}"),
        many => format!(" ({})", many.join(", ")),
    };
    let text = format!("func({}){outputs}", inputs.join(", "));
    FuncType { params, variadic, results, text, builtin: None }
}

/// Types from their Go names, separated by spaces (`interface {}` is written `any`).
pub(super) fn parse_types(text: &str) -> Vec<Type> {
    text.split_whitespace().map(parse_type).collect()
}

fn parse_type(name: &str) -> Type {
    match name {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "int64" => Type::Integer("int64"),
        "float64" => Type::Float,
        "string" => Type::Str,
        "error" => Type::Error,
        "[]uint8" => Type::Bytes,
        "[]string" => Type::Strings,
        "[]int" => Type::Other("[]int"),
        "[]float64" => Type::Other("[]float64"),
        "[]any" => Type::any_array(),
        "groups" => Type::Groups,
        "time.Time" => Type::Time,
        "time.Duration" => Type::Duration,
        "time.Month" => Type::Month,
        "time.Weekday" => Type::Weekday,
        "*time.Location" => Type::Location,
        "test" => function(vec![Type::Any], false, vec![Type::Bool], None),
        "mapper" => function(vec![Type::Any], false, vec![Type::Any], None),
        "reducer" => function(vec![Type::Any, Type::Any], false, vec![Type::Any], None),
        _ => Type::Any,
    }
}

/// The signatures of a built-in in the order in which they are tried; none where a rule of its own decides.
pub(super) fn overloads(builtin: Builtin) -> Vec<Arc<FuncType>> {
    let make = |row: &Row| Arc::new(func_type(parse_types(row.0), false, parse_types(row.1), None));
    rows(builtin).iter().map(make).collect()
}

fn rows(builtin: Builtin) -> &'static [Row] {
    use Builtin as B;
    match builtin {
        B::All | B::None | B::Any | B::One => &[("[]any test", "bool")],
        B::Filter => &[("[]any test", "[]any")],
        B::Map => &[("[]any mapper", "[]any")],
        B::Find | B::FindLast => &[("[]any test", "any")],
        B::FindIndex | B::FindLastIndex | B::Count | B::Sum => &[("[]any test", "int")],
        B::GroupBy => &[("[]any mapper", "groups")],
        B::SortBy => &[("[]any test string", "[]any")],
        B::Reduce => &[("[]any reducer any", "any")],
        B::Type | B::String | B::ToJSON => &[("any", "string")],
        B::Trim => &[("string", "string"), ("string string", "string")],
        B::TrimPrefix | B::TrimSuffix => &[("string string", "string"), ("string", "string")],
        B::Upper | B::Lower | B::ToBase64 | B::FromBase64 => &[("string", "string")],
        B::Split | B::SplitAfter => &[("string string", "[]string"), ("string string int", "[]string")],
        B::Replace => &[("string string string int", "string"), ("string string string", "string")],
        B::Repeat => &[("string int", "string")],
        B::Join => &[
            ("[]string string", "string"),
            ("[]any string", "string"),
            ("[]any", "string"),
            ("[]string string", "string"),
            ("[]string", "string"),
        ],
        B::IndexOf | B::LastIndexOf => &[("string string", "int")],
        B::HasPrefix | B::HasSuffix => &[("string string", "bool")],
        B::FromJSON => &[("string", "any")],
        B::Duration => &[("string", "time.Duration error")],
        B::Timezone => &[("string", "*time.Location error")],
        B::Sort => &[
            ("[]any string", "[]any"),
            ("[]int string", "[]any"),
            ("[]float64 string", "[]any"),
            ("[]string string", "[]any"),
            ("[]any", "[]any"),
            ("[]float64", "[]any"),
            ("[]string", "[]any"),
            ("[]int", "[]any"),
        ],
        B::Bitand | B::Bitor | B::Bitxor | B::Bitnand | B::Bitshl | B::Bitshr | B::Bitushr => &[("int int", "int")],
        B::Bitnot => &[("int", "int")],
        _ => &[],
    }
}
