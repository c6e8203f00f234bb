//! What the engine says when it refuses an expression or stops running one.
//!
//! The text is laid out as Go's expr prints it (`message (1:5)`, the line, a caret); a hint may follow where users often
//! stumble. An error never carries values of the environment: secrets may be among them.

use std::fmt;

/// Where in the source something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Position {
    /// Characters before it in the whole text.
    pub offset: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// At which stage an expression failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Before any environment was known: the text is wrong.
    Compile,
    /// While running: the environment did not fit the text.
    Runtime,
    /// A limit of the host was hit, while compiling or while running.
    Limit,
}

/// An expression was refused or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The stage.
    pub kind: ErrorKind,
    /// What is wrong, in the words of Go's expr where it has words for it.
    pub message: String,
    /// Where, if it can be said.
    pub position: Option<Position>,
    /// The source line (tabs as spaces), without its line break; empty where there is nothing to show.
    pub snippet: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Error {
    /// An error of a kind without a place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), position: None, snippet: String::new(), hint: None }
    }
    /// A compile error.
    pub fn compile(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Compile, message)
    }
    /// A runtime error.
    pub fn runtime(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Runtime, message)
    }
    /// Adds the place, unless one is known already (the innermost wins).
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position.get_or_insert(position);
        self
    }
    /// Adds a hint, unless one is there already.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }
    /// Adds the source line of the place. In an empty text there is no place.
    #[must_use]
    pub fn bind(mut self, source: &str) -> Self {
        self.position = self.position.filter(|_| !source.is_empty());
        if let Some(at) = self.position {
            let line = usize::try_from(at.line).unwrap_or(usize::MAX).saturating_sub(1);
            self.snippet = source.split('\n').nth(line).unwrap_or_default().replace('\t', " ");
        }
        self
    }
}

impl From<gatepost_value::LimitError> for Error {
    fn from(limit: gatepost_value::LimitError) -> Self {
        Self::new(ErrorKind::Limit, limit.to_string())
    }
}

impl From<gatepost_value::CallError> for Error {
    fn from(error: gatepost_value::CallError) -> Self {
        match error {
            gatepost_value::CallError::Limit(limit) => limit.into(),
            gatepost_value::CallError::Message(text) => Self::runtime(text),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let (Some(at), false) = (self.position, self.snippet.is_empty()) {
            let dots = ".".repeat(usize::try_from(at.column.saturating_sub(1)).unwrap_or_default());
            write!(f, " ({}:{})\n | {}\n | {dots}^", at.line, at.column, self.snippet)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
