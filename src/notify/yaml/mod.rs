//! YAML as the Go controller reads it: YAML 1.1 scalars (go-yaml v2), aliases and merge keys, last duplicate key wins.
//!
//! A tree with positions. Depth and size are bounded, so that hostile text costs neither the stack nor the memory. Never
//! here: what the fields mean.

mod coerce;
mod parse;
mod scalar;

pub use coerce::{Fields, float32_text};
pub use parse::parse;
pub use scalar::{Scalar, resolve, same_in_yaml_1_2};

/// A place in a text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A value of a YAML document and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins; of a scalar, where its text does.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A scalar.
    Scalar {
        /// The text after quoting and folding are undone.
        text: String,
        /// Whether it was written plain (only then it can be anything but text).
        plain: bool,
        /// Explicit tag such as `!!str`, without the leading `!!`; empty without one.
        tag: String,
    },
    /// A list.
    List(Vec<Node>),
    /// Pairs in the order written; duplicates are still there.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What an empty document is.
    #[must_use]
    pub fn null() -> Self {
        Self {
            place: Place { line: 1, column: 1 },
            kind: Kind::Scalar { text: String::new(), plain: true, tag: String::new() },
        }
    }
    /// The scalar's value; `None` for lists and maps.
    #[must_use]
    pub fn scalar(&self) -> Option<Scalar> {
        match &self.kind {
            Kind::Scalar { text, plain, tag } => Some(resolve(text, *plain, tag)),
            _ => None,
        }
    }
    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }
    /// The JSON type's name as encoding/json says it.
    #[must_use]
    pub fn json_type(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "array",
            Kind::Map(_) => "object",
            Kind::Scalar { .. } => match self.scalar() {
                Some(Scalar::Null) | None => "null",
                Some(Scalar::Bool(_)) => "bool",
                Some(Scalar::Int(_) | Scalar::Uint(_) | Scalar::Float(_)) => "number",
                Some(Scalar::Text(_)) => "string",
            },
        }
    }
    /// As JSON, numbers and booleans resolved.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.kind {
            Kind::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(pairs) => {
                Json::Object(pairs.iter().map(|(key, value)| (key.key_text(), value.to_json())).collect())
            }
            Kind::Scalar { .. } => match self.scalar() {
                Some(Scalar::Bool(b)) => Json::Bool(b),
                Some(Scalar::Int(n)) => n.into(),
                Some(Scalar::Uint(n)) => n.into(),
                Some(Scalar::Float(f)) => serde_json::Number::from_f64(f).map_or(Json::Null, Json::Number),
                Some(Scalar::Text(text)) => Json::String(text),
                Some(Scalar::Null) | None => Json::Null,
            },
        }
    }
    /// The text of a map key.
    #[must_use]
    pub fn key_text(&self) -> String {
        match self.scalar() {
            Some(Scalar::Text(text)) => text,
            Some(Scalar::Bool(b)) => b.to_string(),
            Some(Scalar::Int(n)) => n.to_string(),
            Some(Scalar::Uint(n)) => n.to_string(),
            Some(Scalar::Float(f)) => float32_text(f),
            Some(Scalar::Null) => "null".to_owned(),
            None => String::new(),
        }
    }
}
