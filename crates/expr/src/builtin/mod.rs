//! What the built-in functions without predicates do. Which arguments they accept at compile time is the checker's.
//!
//! Every function that makes something asks first: lists count against expr's memory budget or the run's bytes, strings
//! against the run's bytes, loops against its steps.

mod bits;
mod codec;
mod collection;
mod list;
mod math;
mod moment;
mod text;

use crate::builtin_types::Builtin;
use crate::eval::Run;
use crate::eval::convert::{Res, fault};
use gatepost_value::Value;

pub(crate) use text::find_bytes;

/// Bytes that an element of a list is taken to cost.
const ELEMENT_BYTES: u64 = 16;

/// Counts elements of a list that expr's memory budget does not count.
fn elements(run: &Run<'_>, count: usize) -> Res<()> {
    run.ctx.budget.step(count as u64)?;
    run.ctx.budget.allocate(count as u64 * ELEMENT_BYTES)?;
    Ok(())
}

/// The argument at an index; nil where it is missing.
fn arg(args: &[Value], index: usize) -> &Value {
    static NIL: Value = Value::Nil;
    args.get(index).unwrap_or(&NIL)
}

/// Go's words for a wrong number of arguments.
fn arity<T>(expected: &str, got: usize) -> Res<T> {
    fault(format!("invalid number of arguments (expected {expected}, got {got})"))
}

/// Runs a built-in. Arguments that may be pointers were dereferenced before.
pub(crate) fn run(run: &Run<'_>, builtin: Builtin, args: &[Value]) -> Res<Value> {
    let first = arg(args, 0);
    match builtin {
        Builtin::Len => collection::len(first),
        Builtin::Type => Ok(Value::str(collection::type_of(first))),
        Builtin::Abs => math::abs(first),
        Builtin::Ceil => math::rounded("ceil", first, f64::ceil),
        Builtin::Floor => math::rounded("floor", first, f64::floor),
        Builtin::Round => math::rounded("round", first, f64::round),
        Builtin::Int => math::int(first),
        Builtin::Float => math::float(first),
        Builtin::Max | Builtin::Min => math::extreme(run, builtin, args),
        Builtin::Mean => math::mean(run, args),
        Builtin::Median => math::median(run, args),
        Builtin::ToJSON | Builtin::FromJSON | Builtin::ToBase64 | Builtin::FromBase64 => {
            codec::run(run, builtin, first)
        }
        Builtin::Now | Builtin::Duration | Builtin::Date | Builtin::Timezone => moment::run(run, builtin, args),
        Builtin::First => Ok(collection::end(first, 0)),
        Builtin::Last => Ok(collection::end(first, -1)),
        Builtin::Get if args.len() < 2 => arity("2", args.len()),
        Builtin::Get => crate::eval::member::get(first, arg(args, 1)),
        Builtin::Keys | Builtin::Values | Builtin::ToPairs => collection::entries(run, builtin, first),
        Builtin::FromPairs => collection::from_pairs(run, first),
        Builtin::Take => list::take(run, args),
        Builtin::Reverse => list::reverse(run, first),
        Builtin::Uniq => list::uniq(run, first),
        Builtin::Concat => list::concat(run, args),
        Builtin::Flatten => list::flatten(run, first),
        Builtin::Sort => list::sort(run, args),
        Builtin::Join => list::join(run, args),
        Builtin::Bitand
        | Builtin::Bitor
        | Builtin::Bitxor
        | Builtin::Bitnand
        | Builtin::Bitshl
        | Builtin::Bitshr
        | Builtin::Bitushr
        | Builtin::Bitnot => bits::run(builtin, args),
        _ => text::run(run, builtin, args),
    }
}
