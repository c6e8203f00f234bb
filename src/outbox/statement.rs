//! A statement as a value: its text, and what `$1`, `$2`, … in it stand for. What is the same over every store is written as these;
//! each store binds and runs them with its own library. It decides nothing and runs nothing.

use std::borrow::Cow;

/// What a parameter stands for; a typed NULL, as PostgreSQL wants to know the type of nothing as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        Self::Bytes(bytes)
    }
}

/// How a text that is being made names its next parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// `$7`: PostgreSQL knows no other.
    Numbered,
    /// `?`: SQLite looks a name up among all that it has read, which is slow with thousands of them.
    InTurn,
}

/// A statement with its values.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub text: Cow<'static, str>,
    pub values: Vec<Value>,
    naming: Naming,
}

impl Statement {
    /// A text that is there; its parameters are numbered.
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), values: Vec::new(), naming: Naming::Numbered }
    }

    /// The beginning of a text that goes on as the wishes say.
    pub(super) const fn begin(text: &'static str, naming: Naming) -> Self {
        Self { text: Cow::Borrowed(text), values: Vec::new(), naming }
    }

    /// With the value of the next number.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds to the text; never what somebody sent.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds a parameter and its value.
    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        match self.naming {
            Naming::Numbered => self.push(&format!("${}", self.values.len())),
            Naming::InTurn => self.push("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_named_as_each_database_likes_it() {
        for (naming, expected) in [(Naming::Numbered, "a = $1 AND b = $2"), (Naming::InTurn, "a = ? AND b = ?")] {
            let mut statement = Statement::begin("a = ", naming);
            statement.push_bind("x").push(" AND b = ").push_bind(2);
            assert_eq!((statement.text.as_ref(), statement.values.len()), (expected, 2));
        }
    }
}
