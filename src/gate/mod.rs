//! Pure decisions about gates: what a `WebRequestCommitStatus` asks, and what its answer means; what an `ApplicationGate`
//! or an `ArgoCDCommitStatus` makes of Argo CD's outcomes (`spec/gates.md`).
//!
//! Objects come in as JSON, time and randomness as arguments; requests, statuses, events and times to try again go out
//! as values. Never here: the clock, the network, the cluster, waiting. The controller calls
//! [`web_request::begin`], makes the requests that it names, and gives the answers to [`web_request::conclude`].

pub mod application;
pub mod approval;
pub mod engine;
pub mod lint;
pub mod memory;
pub mod names;
pub mod objects;
pub mod ready;
pub mod schedule;
pub mod spec;
pub mod status;
pub mod strategy;
pub mod web_request;

pub use engine::{Engine, Integers};
pub use memory::Memory;
pub use spec::{Gate, Spec};
pub use status::{Phase, Status};
pub use strategy::Strategy;
