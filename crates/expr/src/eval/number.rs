//! Arithmetic: `+ - * / % **`, unary minus, ranges' bounds. Integers wrap, `/` and `**` give floats, times and durations add up.

use super::convert::{Number, Res, fault, float_of, number, to_float, type_text};
use gatepost_value::{Budget, IntKind, Str, UintKind, Value};

fn refuse<T>(a: &Value, op: &str, b: &Value) -> Res<T> {
    fault(format!("invalid operation: {} {op} {}", type_text(a), type_text(b)))
}

/// Two numbers by one integer and one float function.
fn arithmetic(a: &Value, b: &Value, ints: fn(i64, i64) -> i64, floats: fn(f64, f64) -> f64) -> Option<Value> {
    Some(match (number(a)?, number(b)?) {
        (Number::Int(x), Number::Int(y)) => Value::int(ints(x, y)),
        _ => Value::float(floats(float_of(a)?, float_of(b)?)),
    })
}

/// `a + b`
pub(crate) fn add(budget: &Budget, a: &Value, b: &Value) -> Res<Value> {
    if let Some(sum) = arithmetic(a, b, i64::wrapping_add, |x, y| x + y) {
        return Ok(sum);
    }
    match (a, b) {
        (Value::Str(x), Value::Str(y)) => concat(budget, x, y),
        (Value::Time(t), Value::Duration(d)) | (Value::Duration(d), Value::Time(t)) => Ok(Value::Time(t.add(*d))),
        (Value::Duration(x), Value::Duration(y)) => Ok(Value::Duration(x.wrapping_add(*y))),
        _ => refuse(a, "+", b),
    }
}

fn concat(budget: &Budget, x: &Str, y: &Str) -> Res<Value> {
    let len = x.len() + y.len();
    budget.allocate(len as u64)?;
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(x.as_bytes());
    out.extend_from_slice(y.as_bytes());
    Ok(Value::Str(out.into()))
}

/// `a - b`
pub(crate) fn subtract(a: &Value, b: &Value) -> Res<Value> {
    if let Some(difference) = arithmetic(a, b, i64::wrapping_sub, |x, y| x - y) {
        return Ok(difference);
    }
    match (a, b) {
        (Value::Time(t), Value::Time(u)) => Ok(Value::Duration(t.sub(u))),
        (Value::Time(t), Value::Duration(d)) => Ok(Value::Time(t.add(d.wrapping_neg()))),
        (Value::Duration(x), Value::Duration(y)) => Ok(Value::Duration(x.wrapping_sub(*y))),
        _ => refuse(a, "-", b),
    }
}

/// `a * b`; a duration times a float is a plain float.
pub(crate) fn multiply(a: &Value, b: &Value) -> Res<Value> {
    if let Some(product) = arithmetic(a, b, i64::wrapping_mul, |x, y| x * y) {
        return Ok(product);
    }
    let times = |d: i64, n: &Value| match number(n) {
        Some(Number::Int(i)) => Ok(Value::Duration(d.wrapping_mul(i))),
        Some(Number::Float(f)) => Ok(Value::float(d as f64 * f)),
        None => refuse(a, "*", b),
    };
    match (a, b) {
        (Value::Duration(x), Value::Duration(y)) => Ok(Value::Duration(x.wrapping_mul(*y))),
        (Value::Duration(d), n) | (n, Value::Duration(d)) => times(*d, n),
        _ => refuse(a, "*", b),
    }
}

/// `a / b`, always a float.
pub(crate) fn divide(a: &Value, b: &Value) -> Res<Value> {
    match (float_of(a), float_of(b)) {
        (Some(x), Some(y)) => Ok(Value::float(x / y)),
        _ => refuse(a, "/", b),
    }
}

/// `a % b` of integers.
pub(crate) fn modulo(a: &Value, b: &Value) -> Res<Value> {
    match (number(a), number(b)) {
        (Some(Number::Int(_)), Some(Number::Int(0))) => fault("runtime error: integer divide by zero"),
        (Some(Number::Int(x)), Some(Number::Int(y))) => Ok(Value::int(x.wrapping_rem(y))),
        _ => refuse(a, "%", b),
    }
}

/// `a ** b`
pub(crate) fn power(a: &Value, b: &Value) -> Res<Value> {
    Ok(Value::float(pow(to_float(a)?, to_float(b)?)))
}

/// `-a`, within the type of `a`.
pub(crate) fn negate(value: &Value) -> Res<Value> {
    Ok(match value {
        Value::Float(kind, f) => Value::Float(*kind, -f),
        Value::Int(kind, i) => Value::Int(*kind, wrap_int(*kind, i.wrapping_neg())),
        Value::Uint(kind, u) => Value::Uint(*kind, wrap_uint(*kind, u.wrapping_neg())),
        other => return fault(format!("invalid operation: - {}", type_text(other))),
    })
}

/// A signed number cut to its type's width.
pub(crate) const fn wrap_int(kind: IntKind, i: i64) -> i64 {
    match kind {
        IntKind::Int | IntKind::Int64 => i,
        IntKind::Int32 => i as i32 as i64,
        IntKind::Int16 => i as i16 as i64,
        IntKind::Int8 => i as i8 as i64,
    }
}

const fn wrap_uint(kind: UintKind, u: u64) -> u64 {
    match kind {
        UintKind::Uint | UintKind::Uint64 => u,
        UintKind::Uint32 => u as u32 as u64,
        UintKind::Uint16 => u as u16 as u64,
        UintKind::Uint8 => u as u8 as u64,
    }
}

/// Go's `math.Pow`. Whole exponents are multiplied out as Go does it, so that the last digit agrees.
#[must_use]
pub fn pow(x: f64, y: f64) -> f64 {
    if let Some(special) = pow_special(x, y) {
        return special;
    }
    let (mut whole, mut rest) = (y.abs().trunc(), y.abs().fract());
    if rest != 0.0 && x < 0.0 {
        return f64::NAN;
    }
    if whole >= 2_f64.powi(63) {
        return x.powf(y);
    }
    let (mut result, mut exponent) = (1.0_f64, 0_i64);
    if rest != 0.0 {
        if rest > 0.5 {
            rest -= 1.0;
            whole += 1.0;
        }
        result = (rest * x.ln()).exp();
    }
    let (mut base, mut base_exponent) = frexp(x);
    let mut bits = whole as u64;
    while bits != 0 {
        if !(-(1 << 12)..=1 << 12).contains(&base_exponent) {
            exponent += base_exponent;
            break;
        }
        if bits & 1 == 1 {
            result *= base;
            exponent += base_exponent;
        }
        base *= base;
        base_exponent <<= 1;
        if base < 0.5 {
            base += base;
            base_exponent -= 1;
        }
        bits >>= 1;
    }
    if y < 0.0 {
        result = 1.0 / result;
        exponent = -exponent;
    }
    ldexp(result, exponent)
}

fn pow_special(x: f64, y: f64) -> Option<f64> {
    if y == 0.0 || x == 1.0 {
        return Some(1.0);
    }
    if y == 1.0 {
        return Some(x);
    }
    if x.is_nan() || y.is_nan() {
        return Some(f64::NAN);
    }
    if x == 0.0 || x.is_infinite() || y.is_infinite() {
        return Some(x.powf(y));
    }
    if y == 0.5 {
        return Some(x.sqrt());
    }
    (y == -0.5).then(|| 1.0 / x.sqrt())
}

/// Fraction in [0.5, 1) and exponent of a finite number that is not zero.
fn frexp(x: f64) -> (f64, i64) {
    let (x, shift) = if x.abs() < f64::MIN_POSITIVE { (x * 4_503_599_627_370_496.0, -52) } else { (x, 0) };
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i64 - 1022;
    (f64::from_bits((bits & !(0x7ff << 52)) | (1022 << 52)), exponent + shift)
}

/// `fraction × 2^exponent`.
fn ldexp(fraction: f64, exponent: i64) -> f64 {
    let (fraction, own) = match fraction {
        f if f == 0.0 || !f.is_finite() => return f,
        f => frexp(f),
    };
    let exponent = (exponent + own).clamp(-2200, 2200);
    // In two halves, so that a result below the normal range is rounded once.
    let half = exponent / 2;
    fraction * 2_f64.powi(half as i32) * 2_f64.powi((exponent - half) as i32)
}

#[cfg(test)]
mod tests {
    use super::pow;

    #[test]
    fn pow_agrees_with_go() {
        let cases = [
            (2.0, 10.0, 1024.0),
            (2.0, -1.0, 0.5),
            (-2.0, 3.0, -8.0),
            (9.0, 0.5, 3.0),
            (2.5, 2.5, 9.882_117_688_026_186),
            (10.0, 308.0, 1.000_000_000_000_000_6e308),
        ];
        for (x, y, want) in cases {
            assert_eq!(pow(x, y), want, "{x} ** {y}");
        }
        assert_eq!(pow(2.0, 5000.0), f64::INFINITY);
        assert_eq!(pow(2.0, -1074.0), 5e-324);
        assert_eq!(pow(2.0, -5000.0), 0.0);
        assert!(pow(-8.0, 1.0 / 3.0).is_nan());
    }
}
