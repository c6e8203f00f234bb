//! expr-lang 1.17.8: expressions over dynamic values, compiled once and run many times.
//!
//! What lives here: lexer, parser, checker, optimizer, static analysis and evaluator. What must never be here: I/O, the
//! clock, anything of Argo CD or Kubernetes; hosts hand in an environment of values and functions.

pub mod analysis;
pub mod ast;
pub mod builtin;
pub mod builtin_types;
mod checker;
pub mod error;
mod eval;
mod lexer;
mod optimize;
mod parser;
pub mod pattern;
mod program;
mod resolve;
pub mod types;

pub use error::{Error, ErrorKind, Position};
pub use eval::Trace;
pub use program::{CompileOptions, Program};
