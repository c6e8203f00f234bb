//! `ApplicationGate`: Argo CD's outcomes as gates, on a cluster. What a gate says of a commit is decided in
//! `crate::gate::application`.

pub mod crd;
