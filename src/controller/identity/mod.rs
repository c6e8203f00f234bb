//! Who somebody is and what they may do: tokens of the cluster, tokens of OpenID Connect issuers, how often somebody may come.
//!
//! Shared by the listener of callbacks and by that of API and dashboard, so that there is one answer to the question. Decides
//! nothing about approvals, deliveries or pages, and knows no listener.

pub mod cluster;
pub mod flow;
mod limits;
pub mod oidc;
pub mod people;

pub use cluster::{Away, Cluster, Identity, KubernetesCluster, Right};
pub use limits::{Limits, TooMany};
pub use oidc::{Discovery, Expected, Issuers, Subject, claimed_issuer};
pub use people::{People, Recognised};
