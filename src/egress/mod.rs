//! The only door to the network outside: address guard, client pool, TLS, bounds, redaction.
//!
//! Every outgoing request is a [`Request`] that passes [`Egress::send`], a [`Mail`] that passes [`Egress::mail`] or a
//! [`Publish`] that passes [`Egress::publish`]: one parsed URL, literals judged before
//! connecting, our own resolver returning only allowed addresses, every redirect hop judged again. What is connected is
//! what was checked. This room knows nothing of notifications or gates.

pub mod address;
mod body;
mod client;
mod dial;
mod headers;
mod mail;
mod nats;
mod nkey;
pub mod policy;
pub mod redact;
mod redirect;
mod request;
mod resolver;
mod tls;

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tls_tests;

pub use client::Egress;
pub use headers::{Headers, Illegal, canonical};
pub use mail::Mail;
pub use nats::{Identity, Publish, Server};
pub use policy::{Policy, Rule, Tenants};
pub use request::{ClientCertificate, Error, Redirects, Request, Response, TlsOptions, Transport};
pub use tls::install_provider;
