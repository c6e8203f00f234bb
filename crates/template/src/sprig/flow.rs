//! `fail` and `hello`.

use super::{Answer, fail};
use crate::function::{Call, FunctionSpec, ParamType, SignatureSpec};
use gatepost_value::Value;

pub(super) const TABLE: &[FunctionSpec] = &[
    FunctionSpec::new("fail", SignatureSpec::fixed(&[ParamType::String]), fail_with),
    FunctionSpec::new("hello", SignatureSpec::fixed(&[]), |_| Ok(Value::str("Hello!"))),
];

fn fail_with(call: &mut Call<'_>) -> Answer {
    fail(call.text(0).to_lossy())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn fail_reports_its_argument() {
        assert_eq!(refused("fail", &[s("no owner")]), "no owner");
        assert_eq!(shown("hello", &[]), "Hello!");
    }
}
