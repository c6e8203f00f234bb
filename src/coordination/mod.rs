//! Who looks at the Applications of a namespace: one process, by a Kubernetes Lease.
//!
//! Decides whether this process may decide. Must never decide about an Application itself. A Lease cannot fence what was
//! begun before it was lost: the store's unique keys and the annotation do that.

mod lease;

pub use lease::{Guard, Standing, Status, lease_name};
