//! Rules of Go's machine that a reader of the language would not guess, each found by asking Go.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::{CompileOptions, Error, Program};
use gatepost_value::{Budget, CallContext, Limits, Location, Str, Time, UintKind, Value};

fn environment() -> Value {
    let entry = |name: &'static str, value: Value| (Str::from_static(name), value);
    Value::map(vec![
        entry("ints", Value::list(vec![Value::int(3), Value::int(1), Value::int(2)])),
        entry("empty", Value::list(Vec::new())),
        entry("huge", Value::Uint(UintKind::Uint64, u64::MAX)),
        entry("at", Value::Time(Time::unix(1_714_979_289, 0))),
    ])
}

fn run(text: &str) -> Result<Value, Error> {
    let program = Program::compile(text, &CompileOptions::default())?;
    let budget = Budget::new(Limits::default());
    let (now, random) = (Time::unix(0, 0), |_: &mut [u8]| {});
    let ctx = CallContext { budget: &budget, now, local: Location::Utc, random: &random, costly: false };
    program.run(&environment(), &ctx)
}

#[track_caller]
fn holds(text: &str) {
    assert!(matches!(run(text), Ok(Value::Bool(true))), "{text}: {:?}", run(text));
}

#[track_caller]
fn fails(text: &str, message: &str) {
    assert_eq!(run(text).unwrap_err().message, message, "{text}");
}

#[test]
fn the_start_of_an_inner_reduce_sees_its_own_first_element() {
    holds("reduce([10, 20], reduce(ints, #acc, #)) == 3");
    holds("map([10, 20], reduce(ints, #acc + #, # + #index)) == [9, 9]");
    holds("map([10], reduce(empty, #, 7)) == [7]");
    fails("map([10], reduce(empty, #acc, #))", "runtime error: index out of range [0] with length 0");
    fails("map(['asc'], sortBy(ints, #, #))", "sortBy order argument must be a string");
}

#[test]
fn a_map_is_looped_over_until_an_entry_is_read() {
    holds("all($env, true) and count($env, false) == 0 and findLastIndex($env, true) == len($env) - 1");
    holds("sum(map($env, 2)) == 2 * len($env) and filter($env, false) == []");
    holds("reduce($env, #acc + #index, 0) == 6");
    for text in ["all($env, # != 1)", "filter($env, true)", "find($env, true)", "sortBy($env, 1)", "reduce($env, 1)"] {
        fails(text, "reflect: call of reflect.Value.Index on map Value");
    }
}

#[test]
fn sort_makes_nil_only_of_what_it_does_not_know() {
    holds("sort(toPairs($env)) == nil");
    holds("sort([]) != nil and sort(concat([])) != nil and sort(keys({})) != nil");
}

#[test]
fn what_a_map_lacks_is_nil_and_has_no_members() {
    holds("$env.absent == nil and absent == nil and $env.absent?.deeper.still == nil");
    fails("$env.absent.deeper", "cannot fetch deeper from <nil>");
}

#[test]
fn unsigned_integers_beyond_int_keep_their_size_as_floats() {
    holds("huge + 0.5 == 18446744073709551616.0");
    holds("huge > 1.5 and 1.5 < huge and huge == 18446744073709551616.0");
    holds("float(huge) / 2 == 9223372036854775808.0");
    holds("huge / 1 == 18446744073709551616.0");
    holds("huge not in 0..5");
}

#[test]
fn a_range_wider_than_int_is_empty() {
    holds("len(-9223372036854775807..9223372036854775807) == 0");
    holds("0 in -9223372036854775807..9223372036854775807");
    holds("count(-2..9223372036854775807, true) == 0");
}

#[test]
fn arguments_of_methods_are_checked_as_go_checks_them() {
    holds("at.Sub(missing).Hours() > 0 and at.Add(missing) == at");
    holds("date('2024-05-06').AddDate(0, 0, missing).Day() == 6");
    fails("date('2024-05-06').Sub(missing)", "interface conversion: interface {} is nil, not time.Time");
    fails("date('2024-05-06').Add(missing)", "interface conversion: interface {} is nil, not time.Duration");
    fails("at.Add('1h')", "reflect: Call using string as type time.Duration");
}
