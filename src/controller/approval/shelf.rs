//! The approvals that there are, as last seen. Fed by a watch; every replica has its own.

use super::crd::WebhookApproval;
use crate::gate::approval::ApprovalId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Approvals by namespace and name.
#[derive(Default)]
pub struct Shelf {
    all: RwLock<HashMap<(String, String), Arc<WebhookApproval>>>,
}

impl Shelf {
    /// An approval is there, or has changed.
    pub fn put(&self, approval: WebhookApproval) {
        let id = approval.id();
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert((id.namespace, id.name), Arc::new(approval));
    }

    /// An approval was written, and is so now; one that was seen to be gone meanwhile stays gone.
    pub fn renew(&self, approval: WebhookApproval) {
        if self.of(&approval.id()).is_some() {
            self.put(approval);
        }
    }

    /// An approval is gone.
    pub fn remove(&self, id: &ApprovalId) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(id.namespace.clone(), id.name.clone()));
    }

    /// Only these are there.
    pub fn keep_only(&self, uids: &std::collections::HashSet<String>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, approval| uids.contains(&approval.id().uid));
    }

    /// The approval of a name.
    #[must_use]
    pub fn named(&self, namespace: &str, name: &str) -> Option<Arc<WebhookApproval>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// The approval of an identity: one of the same name made later is another one.
    #[must_use]
    pub fn of(&self, id: &ApprovalId) -> Option<Arc<WebhookApproval>> {
        self.named(&id.namespace, &id.name).filter(|approval| approval.id().uid == id.uid)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<WebhookApproval>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
