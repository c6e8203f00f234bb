//! What acts: events of the source become decisions, decisions become durable, outcomes come back to the Application.
//!
//! The rules themselves are in `notify`, `service` and `outbox`; here they are only connected.

mod ambient;
mod annotation;
mod answers;
pub mod approval;
mod changes;
mod commit_report;
pub mod gate;
pub mod identity;
mod links;
mod memory;
mod relay;
mod report;
mod sender;
pub mod series;
mod view;

pub use ambient::answer as ambient;
pub use annotation::{Annotator, NoAnnotations, Projector};
pub use changes::{Changes, What};
pub use commit_report::{ClusterReports, CommitReports};
pub use links::Links;
pub use memory::forget_unused;
pub use relay::{
    Decision, Explained, REMEMBERED, Relay, RelayOptions, Roster, RosterPage, RosterQuery, RosterRow, RosterTotals,
    Sightings, Subscribed,
};
pub use report::{KubernetesReporter, LogReporter, Report, Reporter};
pub use sender::{ObjectReader, Outgoing};
pub use view::{ConfigView, Explanation, config_view, explained_view};
