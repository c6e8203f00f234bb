//! What is wrong with one key of the configuration, said so that its owner can mend it.

/// What counts instead of a broken key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InForce {
    /// The text of the key that was good before.
    LastGood,
    /// Nothing: what needs the key is out of order.
    Nothing,
    /// The key itself; the problem is a warning.
    Itself,
}

/// Something wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Key of the ConfigMap.
    pub key: String,
    /// Line in the key's value, from 1, where known.
    pub line: Option<u32>,
    /// Column, from 1, where known.
    pub column: Option<u32>,
    /// What is wrong; the Go controller's own words where it has words for it.
    pub cause: String,
    /// What to do; may be empty.
    pub advice: String,
    /// What counts meanwhile.
    pub in_force: InForce,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.key)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.cause)?;
        if !self.advice.is_empty() {
            write!(f, " ({})", self.advice)?;
        }
        match self.in_force {
            InForce::LastGood => write!(f, "; the last good value stays in force"),
            InForce::Nothing => write!(f, "; what needs it is out of order"),
            InForce::Itself => Ok(()),
        }
    }
}

/// An error while a key is read, before it is known what takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fault {
    /// Line from 1; 0 where unknown.
    pub line: u32,
    /// Column from 1; 0 where unknown.
    pub column: u32,
    /// What is wrong.
    pub cause: String,
    /// What to do; may be empty.
    pub advice: String,
}

impl Fault {
    /// A fault without a place.
    pub(crate) fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), ..Self::default() }
    }
    /// A fault at a place.
    pub(crate) fn at(line: u32, column: u32, cause: impl Into<String>) -> Self {
        Self { line, column, cause: cause.into(), advice: String::new() }
    }
    /// The same with advice.
    pub(crate) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }
    /// The same with words put before the cause.
    pub(crate) fn within(self, prefix: &str) -> Self {
        Self { cause: format!("{prefix}{}", self.cause), ..self }
    }
    /// The problem it becomes.
    pub(crate) fn into_problem(self, key: &str, in_force: InForce) -> Problem {
        let known = |n: u32| (n > 0).then_some(n);
        Problem {
            key: key.to_owned(),
            line: known(self.line),
            column: known(self.column),
            cause: self.cause,
            advice: self.advice,
            in_force,
        }
    }
}
