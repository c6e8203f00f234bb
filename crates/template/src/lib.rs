//! Go's text/template (1.26) with the sprig and slim-sprig function sets, over [`gatepost_value`].
//!
//! [`Template::parse`] reads a text once; [`Template::render`] runs it, as often and on as many threads as needed, within
//! the limits of a [`gatepost_value::Budget`]. Output and error texts are Go's to the byte. Templates come from people who
//! are not trusted with the process: none may hang it, exhaust its memory or stack, or change the data it is given.

mod builtin;
mod compare;
mod error;
mod eval;
mod exec;
pub mod function;
mod hint;
mod lex;
mod literal;
mod node;
mod output;
mod overlay;
mod parse;
mod patterns;
mod reads;
mod scope;
pub mod sprig;
mod template;
mod want;

pub use error::{Cause, Details, Error, Stage};
pub use function::{Call, Effect, FunctionSpec, Offered, ParamType, Profile, SignatureSpec};
pub use output::SegmentKind;
pub use reads::Reads;
pub use template::{MissingKey, Segment, Template};
