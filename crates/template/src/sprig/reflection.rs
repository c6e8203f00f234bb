//! Types and kinds of values, and `reflect.DeepEqual`.

use super::Answer;
use crate::function::{Call, FunctionSpec, ParamType::*, SignatureSpec};
use gatepost_value::{Budget, GoType, LimitError, Value, fmt};

pub(super) const TABLE: &[FunctionSpec] = &[
    FunctionSpec::new("typeOf", SignatureSpec::fixed(&[Any]), |call| Ok(Value::str(fmt::type_name(call.arg(0))))),
    FunctionSpec::new("typeIs", SignatureSpec::fixed(&[String, Any]), |call| {
        Ok(Value::Bool(call.text(0) == fmt::type_name(call.arg(1)).as_str()))
    }),
    FunctionSpec::new("typeIsLike", SignatureSpec::fixed(&[String, Any]), type_is_like),
    FunctionSpec::new("kindOf", SignatureSpec::fixed(&[Any]), |call| Ok(Value::str(fmt::kind_name(call.arg(0))))),
    FunctionSpec::new("kindIs", SignatureSpec::fixed(&[String, Any]), |call| {
        Ok(Value::Bool(call.text(0) == fmt::kind_name(call.arg(1))))
    }),
    FunctionSpec::new("deepEqual", SignatureSpec::fixed(&[Any, Any]), |call| {
        Ok(Value::Bool(deep_equal(call.budget(), call.arg(0), call.arg(1))?))
    }),
];

fn type_is_like(call: &mut Call<'_>) -> Answer {
    let (wanted, found) = (call.text(0), fmt::type_name(call.arg(1)));
    let pointer = found.strip_prefix('*').is_some_and(|base| wanted == base);
    Ok(Value::Bool(pointer || wanted == found.as_str()))
}

/// `reflect.DeepEqual`: types and contents are the same, down to the ground. Every node is a step.
pub(super) fn deep_equal(budget: &Budget, a: &Value, b: &Value) -> Result<bool, LimitError> {
    budget.enter()?;
    let answer = equal(budget, a, b);
    budget.leave();
    answer
}

fn equal(budget: &Budget, a: &Value, b: &Value) -> Result<bool, LimitError> {
    budget.step(1)?;
    Ok(match (a, b) {
        (Value::Nil | Value::NoValue, Value::Nil | Value::NoValue) => true,
        (Value::TypedNil(s), Value::TypedNil(t)) => s == t && *s != GoType::Func,
        (Value::Bool(x), Value::Bool(y)) => x == y,
        (Value::Int(s, x), Value::Int(t, y)) => s == t && x == y,
        (Value::Uint(s, x), Value::Uint(t, y)) => s == t && x == y,
        (Value::Float(s, x), Value::Float(t, y)) => s == t && x == y,
        (Value::Str(x), Value::Str(y)) => x == y,
        (Value::Bytes(x), Value::Bytes(y)) => x == y,
        (Value::Duration(x), Value::Duration(y))
        | (Value::Month(x), Value::Month(y))
        | (Value::Weekday(x), Value::Weekday(y)) => x == y,
        (Value::Time(x), Value::Time(y)) => {
            x.compare(y).is_eq() && fmt::sprint_v(a).as_bytes() == fmt::sprint_v(b).as_bytes()
        }
        (Value::Location(x), Value::Location(y)) => x.name() == y.name(),
        (Value::Named(x), Value::Named(y)) => x.type_name == y.type_name && deep_equal(budget, &x.base, &y.base)?,
        (Value::List(x), Value::List(y)) => {
            x.elem == y.elem && x.items.len() == y.items.len() && all_equal(budget, x.items.iter().zip(y.items.iter()))?
        }
        (Value::Map(x), Value::Map(y)) => {
            if x.elem() != y.elem() || x.len() != y.len() {
                return Ok(false);
            }
            if x.id() == y.id() {
                return Ok(true);
            }
            let (x, y) = (x.entries(), y.entries());
            let keys = x.iter().zip(&y).all(|(p, q)| p.0 == q.0);
            keys && all_equal(budget, x.iter().zip(&y).map(|(p, q)| (&p.1, &q.1)))?
        }
        (Value::AnyMap(x), Value::AnyMap(y)) => {
            x.len() == y.len() && all_equal(budget, x.iter().zip(y.iter()).map(|(p, q)| (&p.1, &q.1)))?
        }
        (Value::Struct(x), Value::Struct(y)) => {
            let (p, q) = (x.fields(), y.fields());
            let same_type = x.type_name() == y.type_name() && p.len() == q.len();
            same_type
                && all_equal(budget, p.iter().zip(&q).map(|(p, q)| (&p.1, &q.1)))?
                && fmt::sprint_v(a).as_bytes() == fmt::sprint_v(b).as_bytes()
        }
        _ => false,
    })
}

fn all_equal<'v>(budget: &Budget, pairs: impl Iterator<Item = (&'v Value, &'v Value)>) -> Result<bool, LimitError> {
    for (a, b) in pairs {
        if !deep_equal(budget, a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use gatepost_value::Value;

    #[test]
    fn equality_needs_equal_types() {
        assert_eq!(shown("deepEqual", &[l(&[i(1)]), l(&[i(1)])]), "true");
        assert_eq!(shown("deepEqual", &[i(1), Value::int64(1)]), "false");
        assert_eq!(shown("deepEqual", &[m(&[("a", l(&[]))]), m(&[("a", l(&[]))])]), "true");
        assert_eq!(shown("deepEqual", &[f(f64::NAN), f(f64::NAN)]), "false");
    }

    #[test]
    fn types_and_kinds() {
        assert_eq!(shown("typeOf", &[m(&[])]), "map[string]interface {}");
        assert_eq!(shown("kindIs", &[s("slice"), l(&[])]), "true");
        assert_eq!(shown("typeIsLike", &[s("int"), i(1)]), "true");
        assert_eq!(shown("typeIs", &[s("int"), Value::int64(1)]), "false");
    }
}
