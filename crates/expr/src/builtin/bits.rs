//! Functions on the bits of integers.

use super::{arg, arity};
use crate::builtin_types::Builtin;
use crate::eval::convert::{Number, Res, fault, number, type_text};
use gatepost_value::Value;

fn integer(builtin: Builtin, value: &Value) -> Res<i64> {
    match number(value) {
        Some(Number::Int(i)) => Ok(i),
        _ => fault(format!("cannot use {} as argument (type int) to call {}", type_text(value), builtin.name())),
    }
}

fn shift(count: i64) -> Res<u32> {
    if count < 0 {
        return fault(format!("invalid operation: negative shift count {count} (type int)"));
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// `bitand` … `bitnot`
pub(super) fn run(builtin: Builtin, args: &[Value]) -> Res<Value> {
    let expected = if builtin == Builtin::Bitnot { 1 } else { 2 };
    if args.len() != expected {
        return arity(&expected.to_string(), args.len());
    }
    let x = integer(builtin, arg(args, 0))?;
    if builtin == Builtin::Bitnot {
        return Ok(Value::int(!x));
    }
    let y = integer(builtin, arg(args, 1))?;
    Ok(Value::int(match builtin {
        Builtin::Bitand => x & y,
        Builtin::Bitor => x | y,
        Builtin::Bitxor => x ^ y,
        Builtin::Bitnand => x & !y,
        Builtin::Bitshl => x.checked_shl(shift(y)?).unwrap_or(0),
        Builtin::Bitshr => x.checked_shr(shift(y)?).unwrap_or(if x < 0 { -1 } else { 0 }),
        _ => x.cast_unsigned().checked_shr(shift(y)?).unwrap_or(0).cast_signed(),
    }))
}
