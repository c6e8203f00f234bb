//! Random texts and numbers, from the source of randomness that comes with the call.

use super::{Answer, cases, fail, text};
use crate::function::{Call, Effect, FunctionSpec, Offered::Notifications, ParamType, ParamType::*, SignatureSpec};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost_value::{CallError, Value};

const fn spec(name: &'static str, params: &'static [ParamType], run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run).effect(Effect::Random)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    spec("randAlphaNum", &[Int], |call| characters(call, |b| b.is_ascii_alphanumeric())).offered(Notifications),
    spec("randAlpha", &[Int], |call| characters(call, |b| b.is_ascii_alphabetic())).offered(Notifications),
    spec("randNumeric", &[Int], |call| characters(call, |b| b.is_ascii_digit())).offered(Notifications),
    spec("randAscii", &[Int], |call| characters(call, |b| (32..127).contains(b))).offered(Notifications),
    spec("randBytes", &[Int], bytes).offered(Notifications),
    spec("randInt", &[Int, Int], int),
    spec("shuffle", &[String], shuffle).offered(Notifications),
    spec("uuidv4", &[], uuid).offered(Notifications),
];

/// A number below `bound`, each equally likely.
fn below(call: &Call<'_>, bound: u64) -> u64 {
    let usable = u64::MAX - u64::MAX % bound;
    // A source that only ever answers unusable numbers is broken; the last one is taken then.
    let mut number = 0;
    for _ in 0..64 {
        let mut buffer = [0; 8];
        (call.context.random)(&mut buffer);
        number = u64::from_le_bytes(buffer);
        if number < usable {
            break;
        }
    }
    number % bound
}

/// A text of so many characters out of those of ASCII that are allowed; empty for a negative count.
fn characters(call: &Call<'_>, allowed: fn(&u8) -> bool) -> Answer {
    let count = u64::try_from(call.int(0)).unwrap_or(0);
    call.budget().allocate(count)?;
    call.budget().step(count)?;
    let set: Vec<u8> = (0..128).filter(allowed).collect();
    let picked: Vec<u8> = (0..count).map(|_| set[below(call, set.len() as u64) as usize]).collect();
    Ok(Value::str(picked))
}

fn bytes(call: &mut Call<'_>) -> Answer {
    let Ok(count) = u64::try_from(call.int(0)) else { return fail("runtime error: makeslice: len out of range") };
    call.budget().allocate(count.saturating_mul(2))?;
    let mut buffer = vec![0; count as usize];
    (call.context.random)(&mut buffer);
    Ok(Value::str(STANDARD.encode(buffer)))
}

fn int(call: &mut Call<'_>) -> Answer {
    let (min, max) = (call.int(0), call.int(1));
    match u64::try_from(max.wrapping_sub(min)) {
        Ok(range) if range > 0 => Ok(Value::int(min.wrapping_add(below(call, range) as i64))),
        _ => fail("invalid argument to Intn"),
    }
}

fn shuffle(call: &mut Call<'_>) -> Answer {
    let mut characters: Vec<char> = cases::characters(call.bytes(0)).collect();
    call.budget().step(characters.len() as u64)?;
    for last in (1..characters.len()).rev() {
        characters.swap(last, below(call, last as u64 + 1) as usize);
    }
    text(call, characters.into_iter().collect::<std::string::String>())
}

fn uuid(call: &mut Call<'_>) -> Result<Value, CallError> {
    let mut buffer = [0; 16];
    (call.context.random)(&mut buffer);
    // Version 4 and the variant of RFC 9562.
    let number = u128::from_be_bytes(buffer) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{number:032x}");
    let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
    Ok(Value::str(format!("{a}-{b}-{c}-{d}-{e}")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn lengths_and_alphabets() {
        let text = shown("randAlphaNum", &[i(40)]);
        assert!(text.len() == 40 && text.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(shown("randNumeric", &[i(9)]).parse::<u64>().is_ok());
        assert_eq!(shown("randAlpha", &[i(-1)]), "");
        assert_eq!(shown("randBytes", &[i(4)]).len(), 8);
        assert!(limited("randAscii", &[i(i64::MAX)]) && limited("randBytes", &[i(i64::MAX)]));
    }

    #[test]
    fn numbers_and_orders() {
        let number: i64 = shown("randInt", &[i(-3), i(2)]).parse().expect("number");
        assert!((-3..2).contains(&number));
        assert_eq!(refused("randInt", &[i(2), i(2)]), "invalid argument to Intn");
        let mut mixed: Vec<char> = shown("shuffle", &[s("édcba")]).chars().collect();
        mixed.sort_unstable();
        assert_eq!(mixed, ['a', 'b', 'c', 'd', 'é']);
        let uuid = shown("uuidv4", &[]);
        assert!(uuid.len() == 36 && &uuid[14..15] == "4" && "89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
