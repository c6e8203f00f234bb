//! The only door to the network outside: address guard, client pool, TLS, bounds, redaction.
//!
//! Every outgoing request is an [`Request`] that passes [`Egress::send`]. What is connected is what was checked.

mod request;
pub use request::{Error, Request, Response, TlsOptions, Transport};
