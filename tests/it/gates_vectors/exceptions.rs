//! Where Gatepost differs from the reference on purpose (spec: "Where Gatepost is deliberately better").

use super::case::Case;
use super::compare;
use serde_json::Value;

/// A reason to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {}

impl Rule {
    /// The rule that a scenario falls under.
    pub fn of(_case: &Case) -> Option<Self> {
        None
    }

    /// Why.
    pub fn reason(self) -> &'static str {
        match self {}
    }

    /// Requests that a `waitRequests` waits for.
    pub fn requests(self, _case: &Case) -> Option<u64> {
        match self {}
    }

    /// Status that a `waitReady` waits for.
    pub fn ready<'a>(self, _case: &Case, _recorded: Option<&'a str>) -> Option<&'a str> {
        match self {}
    }

    /// What must hold at the checkpoint instead.
    pub fn check(self, case: &Case, nth: usize, actual: &Value) -> Result<(), String> {
        compare::same(case, &case.checkpoints()[nth], actual)
    }

    /// What must hold of the requests instead.
    pub fn check_requests(self, case: &Case, actual: &[Value]) -> Result<(), String> {
        compare::same_requests(case, actual)
    }
}
