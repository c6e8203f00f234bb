//! Durable deliveries: what was decided is kept until a receiver has it, a newer state replaces it, or a person sees it as a dead letter.
//!
//! One delivery goes `prepared → claimed → delivered | waiting | dead | superseded | takenOver | discarded` ([`delivery`]).
//! Decisions come in as [`Change`]s and are committed in one transaction per evaluation ([`Store::commit`]); the [`Dispatcher`] claims due
//! rows, hands them to a [`Sender`] and records the outcome. No send starts unless its claim is committed, and no second delivery is ever
//! made for one occurrence: the row's unique key decides, whoever loses adopts the row that is there (`spec/delivery.md`).
//!
//! This room knows nothing of HTTP, Kubernetes or templates: bodies are bytes, destinations are names.

pub mod breaker;
pub mod change;
pub mod delivery;
pub mod destination;
pub mod dispatch;
pub mod intents;
mod lane;
mod opening;
mod people;
pub mod postgres;
mod rows;
pub mod runs;
pub mod schedule;
pub mod seal;
pub mod sender;
pub mod sqlite;
mod statement;
pub mod store;
mod turns;
mod verdict;

#[cfg(test)]
use crate::notify;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod dispatch_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod receiver_tests;
#[cfg(test)]
use crate::gate::approval;
#[cfg(test)]
mod people_conformance;
#[cfg(test)]
mod runs_conformance;
#[cfg(test)]
mod sqlite_tests;

pub use breaker::Breaker;
pub use change::{Change, Committed, NewDelivery};
pub use delivery::{Attempt, Claimed, DeadReason, Delivery, DeliveryId, Hold, Lane, State, Transition};
pub use destination::{Destination, Off, OffBy};
pub use dispatch::{Dispatcher, Settings};
pub use intents::{About, Intent, Intents};
pub use opening::{open, server};
pub use postgres::PostgresStore;
pub use runs::Runs;
pub use schedule::QuickRetry;
pub use sender::{Event, Observer, Policy, SendOutcome, Sender, Verdict};
pub use sqlite::SqliteStore;
pub use store::{Error, Store};
