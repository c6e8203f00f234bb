//! JSON and base64.

use crate::builtin_types::Builtin;
use crate::eval::Run;
use crate::eval::convert::{Res, as_text, fault};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use gatepost_value::{CallError, LimitError, Str, Value, json};

/// As Go's StdEncoding: padding is asked for, bits after the last byte may be anything.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// `toJSON`, `fromJSON`, `toBase64`, `fromBase64`
pub(super) fn run(run: &Run<'_>, builtin: Builtin, value: &Value) -> Res<Value> {
    match builtin {
        Builtin::ToJSON => Ok(Value::Str(json::marshal_indent(run.ctx.budget, value, "  ")?.into())),
        Builtin::FromJSON => from_json(run, as_text(value)?),
        Builtin::ToBase64 => {
            let text = as_text(value)?;
            run.ctx.budget.allocate(text.len() as u64 / 3 * 4 + 4)?;
            Ok(Value::str(STANDARD.encode(text.as_bytes())))
        }
        _ => from_base64(run, as_text(value)?),
    }
}

fn from_json(run: &Run<'_>, text: &Str) -> Res<Value> {
    let (budget, bytes) = (run.ctx.budget, text.as_bytes());
    budget.step(bytes.len() as u64 / 8)?;
    budget.allocate(bytes.len() as u64)?;
    let allowed = budget.limits().depth;
    if nesting(bytes) > allowed {
        return Err(LimitError { limit: "depth", allowed: u64::from(allowed) }.into());
    }
    json::parse(bytes, json::Numbers::Float).map_err(|error| CallError::new(error.message))
}

/// The deepest nesting of brackets outside strings.
fn nesting(text: &[u8]) -> u32 {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_u32, 0_u32, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn from_base64(run: &Run<'_>, text: &Str) -> Res<Value> {
    run.ctx.budget.allocate(text.len() as u64)?;
    let clean: Vec<u8> = text.as_bytes().iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let offset = match LENIENT.decode(&clean) {
        Ok(bytes) => return Ok(Value::Str(bytes.into())),
        Err(base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol(offset, _)) => offset,
        Err(base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding) => clean.len() / 4 * 4,
    };
    fault(format!("illegal base64 data at input byte {offset}"))
}
