//! `ApplicationGate`: Argo CD's outcomes as gates, on a cluster. What a gate says of a commit is decided in
//! `crate::gate::application`.
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

use kube::api::ApiResource;

/// API group and version.
const API_VERSION: &str = "gatepost.dev/v1alpha1";
/// Kind.
const KIND: &str = "ApplicationGate";
/// The field manager of statuses.
const MANAGER: &str = "gatepost.dev/application-gate";

/// `ApplicationGate`.
fn resource() -> ApiResource {
    ApiResource {
        group: "gatepost.dev".into(),
        version: "v1alpha1".into(),
        api_version: API_VERSION.into(),
        kind: KIND.into(),
        plural: "applicationgates".into(),
    }
}

/// `Application`.
fn applications() -> ApiResource {
    ApiResource {
        group: "argoproj.io".into(),
        version: "v1alpha1".into(),
        api_version: "argoproj.io/v1alpha1".into(),
        kind: "Application".into(),
        plural: "applications".into(),
    }
}
