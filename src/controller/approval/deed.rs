//! What somebody wants to do with an approval, and the right that the cluster is asked about.

use crate::controller::identity::Right;
use crate::gate::approval::ApprovalId;

/// What somebody wants to do with an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Read it and its runs.
    Read,
    /// Answer a run.
    Callback,
    /// Open a run.
    Run,
    /// Vote on a run.
    Approve,
    /// End a run.
    Cancel,
}

impl Deed {
    /// Verb and subresource.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Read => ("get", ""),
            Self::Callback => ("create", "callback"),
            Self::Run => ("create", "runs"),
            Self::Approve => ("create", "approve"),
            Self::Cancel => ("create", "cancel"),
        }
    }

    /// The right to do it with this approval.
    #[must_use]
    pub fn on(self, id: &ApprovalId) -> Right<'_> {
        let (verb, subresource) = self.words();
        Right { verb, resource: "webhookapprovals", subresource, namespace: &id.namespace, name: &id.name }
    }
}
