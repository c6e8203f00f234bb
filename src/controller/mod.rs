//! What acts: events of the source become decisions, decisions become durable, outcomes come back to the Application.
//!
//! The rules themselves are in `notify`, `service` and `outbox`; here they are only connected.

mod ambient;
mod annotation;
mod answers;
mod relay;
mod report;
mod sender;
mod view;

pub use annotation::{Annotator, NoAnnotations, Projector};
pub use relay::{Decision, Relay, RelayOptions};
pub use report::{KubernetesReporter, LogReporter, Report, Reporter};
pub use sender::{ObjectReader, Outgoing};
pub use view::{config_view, evaluation_view};
