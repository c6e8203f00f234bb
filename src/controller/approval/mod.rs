//! Approvals by callback at work: who is believed, what is asked, what is shown, what follows.
//!
//! Decides nothing itself: a run's rules are in `gate::approval`, and what the store holds is what was decided. Never here: a
//! listener; the server hands over what it received.

pub mod access;
mod api;
mod asking;
mod callers;
pub mod clients;
mod cluster_objects;
pub mod crd;
mod deed;
mod desk;
mod keeping;
pub mod keys;
mod opening;
mod pauses;
mod ringkeeper;
pub mod rollback;
mod shelf;
mod showing;
mod shown;
mod view;
mod watching;

pub use api::{Call, Claimed, Denied, RunList};
pub use asking::{AskingObserver, AskingSender};
pub use callers::{Admitted, Known, run_token, satisfies_one};
pub use desk::{Changed, Desk, Issued};
pub use keeping::{Keeper, ROLLBACKS};
pub use pauses::Pauses;
pub use ringkeeper::{Home, InSecret, Nowhere, RingKeeper};
pub use shelf::Shelf;
pub use shown::Shown;
pub use view::{RunDetail, RunSummary};
