//! Argo CD's outcomes as gates, on a cluster: `ApplicationGate` and the Promoter's `ArgoCDCommitStatus`. What a gate says of a commit
//! is decided in `crate::gate::application`, and so is in what the kinds differ.
//!
//! Watches ([`watch`]) keep a small record of each Application in the namespaces of gates; one task ([`run`]) gives each gate
//! its turn; [`look`] reads the gate and its strategy, lets decide, and writes through the one writer of CommitStatuses. A gate
//! sees Applications of its own namespace, and of others only by a grant of the operator.

pub mod crd;
mod look;
mod reach;
mod run;
mod view;
mod watch;

pub(super) use reach::Reach;
pub(super) use run::run;
pub(super) use view::Views;

use super::index::Name;
use crate::gate::application::Dialect;
use kube::api::ApiResource;
use kube::core::GroupVersionKind;

/// A gate of some kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    /// The kind.
    pub dialect: &'static Dialect,
    /// Which of them.
    pub name: Name,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.dialect.kind, self.name)
    }
}

/// A kind as the API server is asked for it.
fn resource(dialect: &Dialect) -> ApiResource {
    let (group, version) = dialect.group_version();
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, dialect.kind), dialect.plural)
}
