//! States that others name: Argo CD's words for an Application, the phases of gates and of runs. The word is shown as it is; what this
//! code knows of it is its tone.

use super::{Text, Tone, Words};
use crate::gate::approval;
use std::fmt;

/// A word of others with a tone; `{{ outcome.tone }}` is a class, `{{ outcome }}` is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub word: Text,
    pub tone: Tone,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.word.fmt(f)
    }
}

impl Outcome {
    fn new(word: &str, tone: Tone, words: &Words) -> Self {
        let word = if word.is_empty() { "unknown" } else { word };
        Self { word: words.show(word), tone }
    }

    /// Argo CD's word for the health.
    pub fn health(word: &str, words: &Words) -> Self {
        let tone = match word {
            "Healthy" => Tone::Ok,
            "Degraded" | "Missing" => Tone::Bad,
            "Progressing" | "Suspended" => Tone::Warn,
            _ => Tone::Idle,
        };
        Self::new(word, tone, words)
    }

    /// Argo CD's word for the sync status.
    pub fn sync(word: &str, words: &Words) -> Self {
        let tone = match word {
            "Synced" => Tone::Ok,
            "OutOfSync" => Tone::Warn,
            _ => Tone::Idle,
        };
        Self::new(word, tone, words)
    }

    /// Argo CD's word for the phase of an operation.
    pub fn operation(word: &str, words: &Words) -> Self {
        let tone = match word {
            "Succeeded" => Tone::Ok,
            "Failed" | "Error" => Tone::Bad,
            "Running" | "Terminating" => Tone::Warn,
            _ => Tone::Idle,
        };
        Self::new(if word.is_empty() { "none" } else { word }, tone, words)
    }

    /// A gate's phase.
    pub fn gate(word: &str, words: &Words) -> Self {
        Self::new(word, gate_tone(word), words)
    }

    /// The status of a condition.
    pub fn condition(word: &str, words: &Words) -> Self {
        let tone = match word {
            "True" => Tone::Ok,
            "False" => Tone::Bad,
            _ => Tone::Warn,
        };
        Self::new(word, tone, words)
    }

    /// Where a run is.
    pub fn run(phase: approval::run::Phase, words: &Words) -> Self {
        use approval::run::Phase;
        let tone = match phase {
            Phase::Succeeded => Tone::Ok,
            Phase::Failed | Phase::TimedOut => Tone::Bad,
            Phase::Requesting | Phase::Waiting => Tone::Warn,
            Phase::Superseded | Phase::Cancelled => Tone::Idle,
        };
        let word = if phase == Phase::TimedOut { "timed out" } else { phase.as_str() };
        Self::new(word, tone, words)
    }
}

/// The tone of a gate's phase.
pub(super) fn gate_tone(phase: &str) -> Tone {
    match phase {
        "success" => Tone::Ok,
        "failure" => Tone::Bad,
        _ => Tone::Warn,
    }
}
