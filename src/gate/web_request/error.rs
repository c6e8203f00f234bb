//! What may fail in a look, in words that say at which stage.

use crate::gate::strategy;

/// Why a step, or the gate as a whole, failed. The stages are the Promoter's words, so that people who search find them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The strategy is not there.
    #[error("referenced PromotionStrategy {name:?} not found: {reason}")]
    NoStrategy {
        /// Its name.
        name: String,
        /// The API server's words.
        reason: String,
    },
    /// What the gate or its surroundings are could not be read.
    #[error("{0}")]
    Unreadable(String),
    /// The last request failed with these words, and waits for its next try.
    #[error("{0}")]
    Still(String),
    /// The commits to judge cannot be told.
    #[error("failed to resolve current SHAs: {0}")]
    Shas(#[from] strategy::Error),
    /// `trigger.when` failed.
    #[error("failed to evaluate trigger.when: {0}")]
    Trigger(String),
    /// The request could not be rendered.
    #[error("HTTP request execution: failed to make HTTP request: failed to render HTTP request templates: {0}")]
    Render(String),
    /// The request was not answered.
    #[error("HTTP request execution: failed to make HTTP request: {0}")]
    Ask(String),
    /// `trigger.response.output` failed.
    #[error("failed to evaluate response data expression: {0}")]
    ResponseOutput(String),
    /// `success.when.variables` failed.
    #[error("failed to evaluate success.when.variables: {0}")]
    SuccessVariables(String),
    /// `success.when.expression` failed.
    #[error("failed to evaluate success.when expression: failed to evaluate validation expression: {0}")]
    Success(String),
    /// `success.when.output` failed.
    #[error("failed to evaluate success.when.output expression: {0}")]
    SuccessOutput(String),
    /// The CommitStatus could not be rendered.
    #[error("failed to upsert CommitStatus: {0}")]
    CommitStatus(String),
}

/// One failure and where it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The branch; empty where it is not one environment's.
    pub branch: String,
    /// Why.
    pub cause: Cause,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.branch.is_empty() {
            return write!(f, "{}", self.cause);
        }
        write!(f, "environment {:?}: {}", self.branch, self.cause)
    }
}
