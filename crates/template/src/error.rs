//! What went wrong, where, and in whose words.
//!
//! `Display` is Go's text to the byte where Go has one, so that people who search for a message find it; what Gatepost adds
//! (which limit, what to write instead) is in fields of its own.

use gatepost_value::{CallError, LimitError};

/// When a template failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its text is not a template: it can never be rendered.
    Parse,
    /// Rendering it with these data failed.
    Execute,
}

/// Why a template failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The template, its data or a function is wrong.
    #[error("{0}")]
    Message(String),
    /// It wanted more than one render may use.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// A template could not be parsed or rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Details>);

/// The parts of an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// When it failed.
    pub stage: Stage,
    /// The name the text was parsed under.
    pub name: String,
    /// The template that was running: `name`, or one that the text defines.
    pub running: String,
    /// Line from 1.
    pub line: u32,
    /// Byte column from 0 of the node at fault; none for parse errors.
    pub column: Option<u32>,
    /// The node at fault as Go writes it.
    pub context: String,
    /// What is wrong.
    pub cause: Cause,
    /// What to write instead, where there is a usual answer.
    pub hint: Option<String>,
}

impl Error {
    pub(crate) fn new(details: Details) -> Self {
        Self(Box::new(details))
    }
    /// All parts.
    #[must_use]
    pub fn details(&self) -> &Details {
        &self.0
    }
    /// When it failed.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.0.stage
    }
    /// What is wrong, without the place.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }
    /// The limit that was hit, if one was.
    #[must_use]
    pub fn limit(&self) -> Option<&LimitError> {
        match &self.0.cause {
            Cause::Limit(limit) => Some(limit),
            Cause::Message(_) => None,
        }
    }
    /// What to write instead, where there is a usual answer.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
    /// `line` or `line:column`, as Go counts.
    #[must_use]
    pub fn position(&self) -> String {
        match self.0.column {
            Some(column) => format!("{}:{column}", self.0.line),
            None => self.0.line.to_string(),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Details { name, running, context, cause, .. } = self.details();
        write!(f, "template: {name}:{}: ", self.position())?;
        if self.stage() == Stage::Execute {
            let running = gatepost_value::fmt::quote(running.as_bytes());
            write!(f, "executing {running} at <{context}>: ")?;
        }
        write!(f, "{cause}")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.cause)
    }
}

impl Cause {
    /// A message.
    pub(crate) fn text(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }
}

impl From<CallError> for Cause {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Message(text) => Self::Message(text),
            CallError::Limit(limit) => Self::Limit(limit),
        }
    }
}
