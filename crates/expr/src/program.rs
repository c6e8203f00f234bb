//! A compiled expression and how it is made.

use crate::ast::Node;
use crate::{Error, checker, optimize, parser, resolve};
use gatepost_value::Limits;
use std::sync::Arc;

/// How an expression is compiled.
#[derive(Debug, Clone, Default)]
pub struct CompileOptions {
    /// The result must be a boolean (Go's `AsBool`): other known types are refused, nil counts as false when run.
    pub as_bool: bool,
    /// `parse_depth` bounds the nesting here; the others bound each run.
    pub limits: Limits,
}

/// A compiled expression. Cheap to clone, may be run from many threads.
#[derive(Debug, Clone)]
pub struct Program {
    pub(crate) root: Arc<Node>,
    pub(crate) source: Arc<str>,
    pub(crate) slots: u32,
    pub(crate) as_bool: bool,
}

impl Program {
    /// Parses, checks, optimizes and resolves an expression.
    ///
    /// # Errors
    /// What Go's `expr.Compile` refuses, and nesting beyond `limits.parse_depth`.
    pub fn compile(text: &str, options: &CompileOptions) -> Result<Self, Error> {
        Self::build(text, options).map_err(|error| error.bind(text))
    }
    fn build(text: &str, options: &CompileOptions) -> Result<Self, Error> {
        let mut root = parser::parse(text, options.limits.parse_depth)?;
        checker::check(&mut root, text, options.as_bool)?;
        optimize::optimize(&mut root)?;
        let slots = resolve::resolve(&mut root)?;
        Ok(Self { root: Arc::new(root), source: text.into(), slots, as_bool: options.as_bool })
    }
    /// The tree, for walkers.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }
    /// The text it was made from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
    /// How many variables a run needs room for.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.slots
    }
    /// Whether the result must be a boolean.
    #[must_use]
    pub const fn as_bool(&self) -> bool {
        self.as_bool
    }
}
