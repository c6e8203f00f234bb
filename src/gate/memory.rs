//! What is remembered of a gate beside its status: which commits were asked about, and when to try again.
//!
//! The custom resource's schema has no place for it, so the controller keeps it. What is lost costs a request sooner or
//! a success that has to be asked for again, never a commit that passes unasked.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Commits by branch.
pub type Commits = BTreeMap<String, String>;

/// What is remembered of one gate. To be stored as JSON, by the gate's UID.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Memory {
    /// Generation of the spec that it is about: a changed spec is tried at once.
    pub generation: i64,
    /// Failures of the gate as a whole, in a row.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// By branch, in context `environments`; under the empty name in context `promotionstrategy`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<String, Tries>,
}

/// What is remembered of one request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tries {
    /// The commits that the last judged answer was about.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: Commits,
    /// The commits of the last request, answered or not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tried: Commits,
    /// Requests for `tried`.
    #[serde(skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// When the last answer had been read, in Unix seconds: newer than the status where that was not worth a write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_request: Option<i64>,
    /// Failures in a row.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// The next try, where the last one came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What `success.when.variables` gave when the present success was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_variables: Option<Json>,
}

/// A try to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// When, in Unix milliseconds.
    pub at: i64,
    /// Whether the receiver named the time itself: then a new commit waits for it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// The commits that it is about.
    pub about: Commits,
    /// What came to nothing.
    pub why: Why,
}

/// Why something is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// The request was not answered, or its answer could not be judged: these words are reported until the next try.
    Failed(String),
    /// The answer was pending, with a status that says that the receiver is in trouble.
    Trouble,
    /// Without an answer the success expression fails: one is asked for.
    Unjudged,
    /// Something else failed, which may go otherwise the next time; nothing is asked for its sake.
    Undecided,
}

impl Memory {
    /// What is remembered of a request. A changed spec forgets failures and what they wait for.
    #[must_use]
    pub fn scope(&self, name: &str, generation: i64) -> Tries {
        let tries = self.scopes.get(name).cloned().unwrap_or_default();
        if self.generation == generation {
            return tries;
        }
        Tries { failures: 0, retry: None, success_variables: None, ..tries }
    }
    /// The earliest try to come, in Unix milliseconds.
    #[must_use]
    pub fn next_try(&self) -> Option<i64> {
        self.scopes.values().filter_map(|tries| Some(tries.retry.as_ref()?.at)).min()
    }
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn memory_goes_to_json_and_back_and_reads_what_is_older() {
        let retry = Retry { at: 1, told: true, about: Commits::new(), why: Why::Failed("no route".into()) };
        let tries = Tries { attempt: 2, retry: Some(retry), ..Tries::default() };
        let memory = Memory { generation: 3, failures: 0, scopes: [("b".to_owned(), tries)].into() };
        let text = serde_json::to_string(&memory).unwrap();
        assert!(text.contains(r#""retry":{"at":1,"told":true,"about":{},"why":{"failed":"no route"}}"#), "{text}");
        assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
        assert_eq!(serde_json::from_str::<Memory>("{}").unwrap(), Memory::default());
        assert_eq!(memory.next_try(), Some(1));
    }

    #[test]
    fn a_changed_spec_is_tried_at_once() {
        let retry = Retry { at: 1, told: false, about: Commits::new(), why: Why::Trouble };
        let tries = Tries { attempt: 2, failures: 4, retry: Some(retry), ..Tries::default() };
        let memory = Memory { generation: 3, failures: 0, scopes: [("b".to_owned(), tries)].into() };
        assert!(memory.scope("b", 3).retry.is_some());
        let scope = memory.scope("b", 4);
        assert_eq!((scope.retry, scope.failures, scope.attempt), (None, 0, 2));
    }
}
