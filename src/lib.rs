//! Gatepost relays Argo CD's outcomes to where people look, and turns what other systems say into gates.
//!
//! The map of the rooms and the way of one event are in `ARCHITECTURE.md`.

pub mod any_certificate;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod coordination;
pub mod egress;
pub mod failpoint;
pub mod gate;
pub mod notify;
pub mod outbox;
pub mod server;
pub mod service;
pub mod settings;
pub mod source;
pub mod telemetry;
pub mod trace;
