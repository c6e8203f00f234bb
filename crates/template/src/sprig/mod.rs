//! The function library of sprig 3.3.0 and slim-sprig 3.0.0, one file a family.
//!
//! Decides what each function answers, byte for byte as the Go libraries do, panics included (an error here). Nothing
//! here may allocate by a number that a template chose before the budget was asked, read the wall clock, or change
//! data it was given other than through [`Call::thaw`]. Functions of which the two libraries differ are listed twice,
//! once for each profile.

mod cases;
mod certificates;
mod crypto;
mod dates;
mod decimals;
mod defaults;
mod dicts;
mod encoding;
mod flow;
mod keys;
mod lists;
mod merging;
mod numbers;
mod paths;
mod primes;
mod random;
mod reflection;
mod regexes;
mod semver;
mod strings;
mod url;
mod urls;
mod words;

use crate::function::{Call, FunctionSpec};
use gatepost_value::{Budget, CallError, GoType, LimitError, Str, Value};
use std::sync::OnceLock;

/// What every function answers.
type Answer = Result<Value, CallError>;

/// All functions, each with the profiles that offer it.
#[must_use]
pub fn table() -> &'static [FunctionSpec] {
    static TABLE: OnceLock<Vec<FunctionSpec>> = OnceLock::new();
    TABLE.get_or_init(|| {
        [
            certificates::TABLE,
            crypto::TABLE,
            dates::TABLE,
            defaults::TABLE,
            dicts::TABLE,
            encoding::TABLE,
            flow::TABLE,
            lists::TABLE,
            numbers::TABLE,
            paths::TABLE,
            random::TABLE,
            reflection::TABLE,
            regexes::TABLE,
            semver::TABLE,
            strings::TABLE,
            urls::TABLE,
            words::TABLE,
        ]
        .concat()
    })
}

/// A failure in the function's own words.
fn fail<T>(text: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::new(text))
}

/// A string result, counted against the memory of the run.
fn text(call: &Call<'_>, bytes: impl Into<Str>) -> Answer {
    let text = bytes.into();
    call.budget().allocate(text.len() as u64)?;
    Ok(Value::Str(text))
}

/// A `[]interface {}` result, counted against the memory of the run.
fn list(call: &Call<'_>, items: Vec<Value>) -> Answer {
    allocate_items(call, items.len())?;
    Ok(Value::list(items))
}

/// A `[]string` result, counted against the memory of the run.
fn strings(call: &Call<'_>, items: Vec<Value>) -> Answer {
    allocate_items(call, items.len())?;
    Ok(Value::list_of(GoType::String, items))
}

/// Asks for room for list elements, and for the time to visit them.
fn allocate_items(call: &Call<'_>, count: usize) -> Result<(), LimitError> {
    call.budget().step(count as u64)?;
    call.budget().allocate((count as u64).saturating_mul(16))
}

/// Runs something one level deeper.
fn nested<T>(budget: &Budget, run: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
    budget.enter()?;
    let answer = run();
    budget.leave();
    answer
}

/// Bytes being made piece by piece: asks the budget before each piece.
struct Output<'b> {
    budget: &'b Budget,
    bytes: Vec<u8>,
}

impl<'b> Output<'b> {
    const fn new(budget: &'b Budget) -> Self {
        Self { budget, bytes: Vec::new() }
    }
    fn push(&mut self, piece: &[u8]) -> Result<(), LimitError> {
        let total = self.bytes.len() + piece.len();
        // The limit of one call is on the sum, the memory of the run grows by the piece.
        let over = total as u64 > self.budget.limits().call_bytes;
        self.budget.allocate(if over { total } else { piece.len() } as u64)?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
    fn finish(self) -> Value {
        Value::str(self.bytes)
    }
}

/// Go's `strconv.ParseInt(text, base, 64)` without underscores and prefixes: the number (the nearest one where it is
/// out of range, 0 where it is none) and whether it was good.
fn parse_int(text: &[u8], radix: u32) -> (i64, bool) {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let valid = !digits.is_empty() && digits.iter().all(|&b| (b as char).is_digit(radix));
    let Some(digits) = std::str::from_utf8(digits).ok().filter(|_| valid) else { return (0, false) };
    let limit = if negative { i64::MIN } else { i64::MAX };
    let number = i128::from_str_radix(digits, radix).map(|n| if negative { -n } else { n });
    match number.map(i64::try_from) {
        Ok(Ok(number)) => (number, true),
        _ => (limit, false),
    }
}

#[cfg(test)]
mod testing {
    //! Calls a function by name, as a template would after the argument checks.
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::function::Offered;
    use crate::overlay::Overlay;
    use gatepost_value::{CallContext, Limits, Location, Time};

    /// 2026-03-04T05:06:07Z.
    pub(super) const NOW: i64 = 1_772_600_767;

    pub(super) fn call_with(limits: Limits, costly: bool, name: &str, args: &[Value]) -> Answer {
        let budget = Budget::new(limits);
        let random = |buffer: &mut [u8]| {
            for (i, byte) in buffer.iter_mut().enumerate() {
                *byte = (i * 37 + 11) as u8;
            }
        };
        let context =
            CallContext { budget: &budget, now: Time::unix(NOW, 0), local: Location::Utc, random: &random, costly };
        let overlay = Overlay::default();
        let spec = table().iter().find(|s| s.name == name && s.offered != Offered::Gates).expect(name);
        (spec.run)(&mut Call::new(&context, args, &overlay))
    }
    pub(super) fn call(name: &str, args: &[Value]) -> Answer {
        call_with(Limits::default(), true, name, args)
    }
    /// The result as `%v` prints it.
    pub(super) fn shown(name: &str, args: &[Value]) -> String {
        gatepost_value::fmt::sprint_v(&call(name, args).unwrap()).to_lossy().into_owned()
    }
    pub(super) fn refused(name: &str, args: &[Value]) -> String {
        call(name, args).expect_err(name).to_string()
    }
    /// Refused by a limit although the limits are the usual ones.
    pub(super) fn limited(name: &str, args: &[Value]) -> bool {
        matches!(call(name, args), Err(CallError::Limit(_)))
    }
    pub(super) fn s(text: &str) -> Value {
        Value::str(text)
    }
    pub(super) fn i(n: i64) -> Value {
        Value::int(n)
    }
    pub(super) fn f(n: f64) -> Value {
        Value::float(n)
    }
    pub(super) fn l(items: &[Value]) -> Value {
        Value::list(items.to_vec())
    }
    pub(super) fn m(entries: &[(&str, Value)]) -> Value {
        Value::map(entries.iter().map(|(k, v)| (Str::from(*k), v.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::{Offered, Profile};

    #[test]
    fn each_profile_has_the_functions_of_its_library() {
        let offered = |other| table().iter().filter(|f| f.offered != other).count();
        assert_eq!(offered(Offered::Gates), 209);
        assert_eq!(offered(Offered::Notifications), 164);
        assert!(Profile::notifications().get("semver").is_some() && Profile::gates().get("semver").is_none());
        assert!(Profile::gates().get("urlQueryEscape").is_some() && Profile::gates().get("env").is_none());
    }

    #[test]
    fn integers_are_parsed_as_strconv_does() {
        assert_eq!(parse_int(b"-12", 10), (-12, true));
        assert_eq!(parse_int(b"017", 8), (15, true));
        assert_eq!(parse_int(b"1_0", 10), (0, false));
        assert_eq!(parse_int(b"99999999999999999999", 10), (i64::MAX, false));
        assert_eq!(parse_int(b"", 10), (0, false));
    }
}
