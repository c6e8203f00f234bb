//! Go's text/template (1.26) with the sprig and slim-sprig function sets, over [`gatepost_value`].

mod builtin;
pub mod function;
mod overlay;
pub mod sprig;

pub use function::{Call, Effect, FunctionSpec, Offered, ParamType, Profile, SignatureSpec};
