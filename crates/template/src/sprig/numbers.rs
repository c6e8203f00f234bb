//! Arithmetic, conversions and sequences. Integers wrap as Go's do; conversions never fail, they answer 0.
//!
//! The two libraries convert differently (sprig by spf13/cast, slim-sprig by plain strconv), so every function that
//! converts is listed once for each.

use super::decimals::Decimal;
use super::{Answer, fail, parse_int};
use crate::function::Offered::{Gates, Notifications};
use crate::function::{Call, FunctionSpec, ParamType, ParamType::*, SignatureSpec};
use gatepost_value::{CallError, GoType, IntKind, Value, cast, fmt};

type Run = fn(&mut Call<'_>) -> Answer;

const fn fixed(name: &'static str, params: &'static [ParamType], run: Run) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run)
}
const fn variadic(name: &'static str, params: &'static [ParamType], run: Run) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::variadic(params), run)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    fixed("atoi", &[String], |call| Ok(Value::int(parse_int(call.bytes(0), 10).0))),
    fixed("toDecimal", &[Any], to_decimal),
    variadic("seq", &[Int], seq),
    fixed("until", &[Int], |call| {
        let count = call.int(0);
        sequence(call, 0, count, if count < 0 { -1 } else { 1 }).map(int_list)
    }),
    fixed("untilStep", &[Int, Int, Int], |call| sequence(call, call.int(0), call.int(1), call.int(2)).map(int_list)),
    fixed("int64", &[Any], |call| Ok(Value::int64(Cast::int(call.arg(0))))).offered(Notifications),
    fixed("int64", &[Any], |call| Ok(Value::int64(Plain::int(call.arg(0))))).offered(Gates),
    fixed("int", &[Any], |call| Ok(Value::int(Cast::int(call.arg(0))))).offered(Notifications),
    fixed("int", &[Any], |call| Ok(Value::int(Plain::int(call.arg(0))))).offered(Gates),
    fixed("float64", &[Any], |call| Ok(Value::float(Cast::float(call.arg(0))))).offered(Notifications),
    fixed("float64", &[Any], |call| Ok(Value::float(Plain::float(call.arg(0))))).offered(Gates),
    fixed("add1", &[Any], add1::<Cast>).offered(Notifications),
    fixed("add1", &[Any], add1::<Plain>).offered(Gates),
    variadic("add", &[Any], add::<Cast>).offered(Notifications),
    variadic("add", &[Any], add::<Plain>).offered(Gates),
    fixed("sub", &[Any, Any], sub::<Cast>).offered(Notifications),
    fixed("sub", &[Any, Any], sub::<Plain>).offered(Gates),
    fixed("div", &[Any, Any], div::<Cast>).offered(Notifications),
    fixed("div", &[Any, Any], div::<Plain>).offered(Gates),
    fixed("mod", &[Any, Any], modulo::<Cast>).offered(Notifications),
    fixed("mod", &[Any, Any], modulo::<Plain>).offered(Gates),
    variadic("mul", &[Any, Any], mul::<Cast>).offered(Notifications),
    variadic("mul", &[Any, Any], mul::<Plain>).offered(Gates),
    variadic("biggest", &[Any, Any], max::<Cast>).offered(Notifications),
    variadic("biggest", &[Any, Any], max::<Plain>).offered(Gates),
    variadic("max", &[Any, Any], max::<Cast>).offered(Notifications),
    variadic("max", &[Any, Any], max::<Plain>).offered(Gates),
    variadic("min", &[Any, Any], min::<Cast>).offered(Notifications),
    variadic("min", &[Any, Any], min::<Plain>).offered(Gates),
    variadic("maxf", &[Any, Any], maxf::<Cast>).offered(Notifications),
    variadic("maxf", &[Any, Any], maxf::<Plain>).offered(Gates),
    variadic("minf", &[Any, Any], minf::<Cast>).offered(Notifications),
    variadic("minf", &[Any, Any], minf::<Plain>).offered(Gates),
    fixed("ceil", &[Any], |call| Ok(Value::float(Cast::float(call.arg(0)).ceil()))).offered(Notifications),
    fixed("ceil", &[Any], |call| Ok(Value::float(Plain::float(call.arg(0)).ceil()))).offered(Gates),
    fixed("floor", &[Any], |call| Ok(Value::float(Cast::float(call.arg(0)).floor()))).offered(Notifications),
    fixed("floor", &[Any], |call| Ok(Value::float(Plain::float(call.arg(0)).floor()))).offered(Gates),
    variadic("round", &[Any, Int, Float64], round::<Cast>).offered(Notifications),
    variadic("round", &[Any, Int, Float64], round::<Plain>).offered(Gates),
    fixed("add1f", &[Any], |call| decimal(call, Cast::float(call.arg(0)), &[Value::int(1)], plus))
        .offered(Notifications),
    variadic("addf", &[Any], |call| decimal(call, 0.0, call.rest(0), plus)).offered(Notifications),
    variadic("subf", &[Any, Any], |call| decimal(call, Cast::float(call.arg(0)), call.rest(1), |a, b| Ok(a.sub(b))))
        .offered(Notifications),
    variadic("divf", &[Any, Any], |call| decimal(call, Cast::float(call.arg(0)), call.rest(1), Decimal::div))
        .offered(Notifications),
    variadic("mulf", &[Any, Any], |call| decimal(call, Cast::float(call.arg(0)), call.rest(1), |a, b| Ok(a.mul(b))))
        .offered(Notifications),
];

/// How a library turns any value into a number.
pub(super) trait Convert {
    fn int(value: &Value) -> i64;
    fn float(value: &Value) -> f64;
}

/// sprig: spf13/cast.
pub(super) struct Cast;
/// slim-sprig: decimal text and the numeric kinds.
pub(super) struct Plain;

impl Convert for Cast {
    fn int(value: &Value) -> i64 {
        cast::to_i64(value)
    }
    fn float(value: &Value) -> f64 {
        cast::to_f64(value)
    }
}

impl Convert for Plain {
    fn int(value: &Value) -> i64 {
        match value {
            Value::Str(text) => match parse_int(text.as_bytes(), 10) {
                (number, true) => number,
                _ => 0,
            },
            Value::Named(named) if !matches!(named.base, Value::Str(_)) => Self::int(&named.base),
            Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => *n,
            Value::Uint(_, n) => i64::try_from(*n).unwrap_or(i64::MAX),
            Value::Float(_, f) => cast::to_i64(&Value::float(*f)),
            Value::Bool(b) => i64::from(*b),
            _ => 0,
        }
    }
    fn float(value: &Value) -> f64 {
        match value {
            Value::Str(_) => cast::to_f64(value),
            Value::Named(named) if !matches!(named.base, Value::Str(_)) => Self::float(&named.base),
            Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => *n as f64,
            Value::Uint(_, n) => *n as f64,
            Value::Float(_, f) => *f,
            Value::Bool(b) => f64::from(u8::from(*b)),
            _ => 0.0,
        }
    }
}

fn add1<C: Convert>(call: &mut Call<'_>) -> Answer {
    Ok(Value::int64(C::int(call.arg(0)).wrapping_add(1)))
}
fn add<C: Convert>(call: &mut Call<'_>) -> Answer {
    Ok(Value::int64(call.args.iter().fold(0, |sum, v| C::int(v).wrapping_add(sum))))
}
fn sub<C: Convert>(call: &mut Call<'_>) -> Answer {
    Ok(Value::int64(C::int(call.arg(0)).wrapping_sub(C::int(call.arg(1)))))
}
fn mul<C: Convert>(call: &mut Call<'_>) -> Answer {
    Ok(Value::int64(call.args.iter().fold(1, |product, v| C::int(v).wrapping_mul(product))))
}
fn div<C: Convert>(call: &mut Call<'_>) -> Answer {
    Ok(Value::int64(C::int(call.arg(0)).wrapping_div(divisor(C::int(call.arg(1)))?)))
}
fn modulo<C: Convert>(call: &mut Call<'_>) -> Answer {
    Ok(Value::int64(C::int(call.arg(0)).wrapping_rem(divisor(C::int(call.arg(1)))?)))
}
fn divisor(number: i64) -> Result<i64, CallError> {
    if number == 0 { fail("runtime error: integer divide by zero") } else { Ok(number) }
}
fn max<C: Convert>(call: &mut Call<'_>) -> Answer {
    Ok(Value::int64(call.args.iter().map(C::int).max().unwrap_or(0)))
}
fn min<C: Convert>(call: &mut Call<'_>) -> Answer {
    Ok(Value::int64(call.args.iter().map(C::int).min().unwrap_or(0)))
}
fn maxf<C: Convert>(call: &mut Call<'_>) -> Answer {
    pick_float::<C>(call, f64::INFINITY, |a, b| a > b || a == b && a.is_sign_positive())
}
fn minf<C: Convert>(call: &mut Call<'_>) -> Answer {
    pick_float::<C>(call, f64::NEG_INFINITY, |a, b| a < b || a == b && a.is_sign_negative())
}
/// Go's `math.Max` and `math.Min`: the extreme infinity wins over NaN, NaN over numbers.
fn pick_float<C: Convert>(call: &Call<'_>, extreme: f64, better: impl Fn(f64, f64) -> bool) -> Answer {
    let pick = |a: f64, b: f64| {
        if a == extreme || b == extreme {
            extreme
        } else if a.is_nan() || b.is_nan() {
            f64::NAN
        } else if better(a, b) {
            a
        } else {
            b
        }
    };
    Ok(Value::float(call.args.iter().map(C::float).reduce(pick).unwrap_or(0.0)))
}

/// Rounds up from `on` (0.5), else down: of negative numbers too, which is how sprig does it.
fn round<C: Convert>(call: &mut Call<'_>) -> Answer {
    let on = if call.args.len() > 2 { call.float(2) } else { 0.5 };
    let power = power_of_ten(call.int(1));
    let digit = power * C::float(call.arg(0));
    let rounded = if digit.fract() >= on { digit.ceil() } else { digit.floor() };
    Ok(Value::float(rounded / power))
}

/// `math.Pow(10, n)`.
fn power_of_ten(n: i64) -> f64 {
    match i32::try_from(n) {
        Ok(n @ 0..) => 10_f64.powi(n),
        Ok(n) => 1.0 / 10_f64.powi(-n),
        Err(_) if n > 0 => f64::INFINITY,
        Err(_) => 0.0,
    }
}

/// The text of the value read as an octal number.
fn to_decimal(call: &mut Call<'_>) -> Answer {
    let (number, good) = parse_int(fmt::sprint_v(call.arg(0)).as_bytes(), 8);
    Ok(Value::int64(if good { number } else { 0 }))
}

/// `start, start+step, …` before `stop`; empty where the step leads away.
fn sequence(call: &Call<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, CallError> {
    let distance = i128::from(stop) - i128::from(start);
    if distance == 0 || step == 0 || (distance < 0) != (step < 0) {
        return Ok(Vec::new());
    }
    let count = u64::try_from(distance.unsigned_abs().div_ceil(i128::from(step).unsigned_abs())).unwrap_or(u64::MAX);
    call.budget().allocate(count.saturating_mul(16))?;
    call.budget().step(count)?;
    Ok((0..count).map(|i| start.wrapping_add(step.wrapping_mul(i as i64))).collect())
}

fn int_list(numbers: Vec<i64>) -> Value {
    Value::list_of(GoType::Int(IntKind::Int), numbers.into_iter().map(Value::int).collect())
}

/// The shell's `seq`: `last`, `first last` or `first step last`, separated by spaces.
fn seq(call: &mut Call<'_>) -> Answer {
    let (start, step, end) = match call.args.len() {
        1 => (1, None, call.int(0)),
        2 => (call.int(0), None, call.int(1)),
        3 => (call.int(0), Some(call.int(1)), call.int(2)),
        _ => return Ok(Value::str("")),
    };
    let towards = if end < start { -1 } else { 1 };
    if towards < 0 && step.is_some_and(|step| step > 0) {
        return Ok(Value::str(""));
    }
    let numbers = sequence(call, start, end.wrapping_add(towards), step.unwrap_or(towards))?;
    let shown: Vec<std::string::String> = numbers.iter().map(i64::to_string).collect();
    super::text(call, shown.join(" "))
}

fn plus(a: &Decimal, b: &Decimal) -> Result<Decimal, super::decimals::Error> {
    Ok(a.add(b))
}

/// Folds the arguments into `first` with decimal arithmetic.
fn decimal(
    call: &Call<'_>,
    first: f64,
    others: &[Value],
    apply: impl Fn(&Decimal, &Decimal) -> Result<Decimal, super::decimals::Error>,
) -> Answer {
    let refused = |e: super::decimals::Error| CallError::new(e.to_string());
    let mut total = Decimal::new(first).map_err(refused)?;
    for value in others {
        let next = Decimal::new(Cast::float(value)).map_err(refused)?;
        total = apply(&total, &next).map_err(refused)?;
        call.budget().allocate(total.size())?;
        call.budget().step(total.size() / 64)?;
    }
    Ok(Value::float(total.to_f64()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn integers_wrap_and_refuse_zero() {
        assert_eq!(shown("add", &[i(i64::MAX), i(1)]), i64::MIN.to_string());
        assert_eq!(shown("add", &[]), "0");
        assert_eq!(shown("div", &[i(i64::MIN), i(-1)]), i64::MIN.to_string());
        assert_eq!(refused("mod", &[i(1), i(0)]), "runtime error: integer divide by zero");
        assert_eq!(shown("mul", &[i(2), i(3), s("4")]), "24");
        assert_eq!(shown("max", &[i(1), f(2.9)]), "2");
    }

    #[test]
    fn floats_by_decimals() {
        assert_eq!(shown("addf", &[f(0.1), f(0.2)]), "0.3");
        assert_eq!(shown("divf", &[i(10), i(4)]), "2.5");
        assert_eq!(refused("divf", &[i(1), i(0)]), "decimal division by 0");
        assert_eq!(shown("round", &[f(123.555), i(2)]), "123.56");
        assert_eq!(shown("round", &[f(-1.5), i(0)]), "-2");
        assert_eq!(shown("maxf", &[f(f64::NAN), f(f64::INFINITY)]), "+Inf");
    }

    #[test]
    fn sequences_are_bounded() {
        assert_eq!(shown("seq", &[i(5)]), "1 2 3 4 5");
        assert_eq!(shown("seq", &[i(0), i(2), i(10)]), "0 2 4 6 8 10");
        assert_eq!(shown("seq", &[i(5), i(2), i(0)]), "");
        assert_eq!(shown("seq", &[i(0), i(-2), i(-5)]), "0 -2 -4");
        assert_eq!(shown("until", &[i(-3)]), "[0 -1 -2]");
        assert_eq!(shown("untilStep", &[i(3), i(9), i(3)]), "[3 6]");
        assert_eq!(shown("untilStep", &[i(3), i(9), i(0)]), "[]");
        assert!(limited("until", &[i(i64::MAX)]) && limited("seq", &[i(1_000_000_000)]));
        assert!(limited("untilStep", &[i(i64::MIN), i(i64::MAX), i(1)]));
    }

    #[test]
    fn bad_text_is_zero() {
        assert_eq!(shown("atoi", &[s("5x")]), "0");
        assert_eq!(shown("toDecimal", &[s("0777")]), "511");
        assert_eq!(shown("toDecimal", &[s("9")]), "0");
        assert_eq!(shown("int", &[s("x")]), "0");
    }
}
