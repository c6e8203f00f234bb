//! Watches of approvals and of the strategies that they refer to. What is seen goes to the shelf, and to who opens runs.

use super::cluster_objects as objects;
use super::crd::WebhookApproval;
use super::keeping::{Keeper, LOOK_PAUSE};
use crate::gate::approval::ApprovalId;
use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

impl Keeper {
    /// Every replica knows the approvals: any of them may be called back.
    pub(super) async fn watch_approvals(self: Arc<Self>, changes: mpsc::Sender<ApprovalId>) {
        let api: Api<WebhookApproval> = match self.namespaces.cluster_wide() {
            true => Api::all(self.client.clone()),
            false => Api::namespaced(self.client.clone(), &self.namespaces.own),
        };
        let mut stream = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
        let mut listed = HashSet::new();
        while let Some(next) = stream.next().await {
            let put = |approval: WebhookApproval| {
                let id = approval.id();
                let before = self.desk.shelf.of(&id).and_then(|before| before.metadata.generation);
                let changed = before != approval.metadata.generation;
                self.desk.shelf.put(approval);
                (id, changed)
            };
            match next {
                Ok(watcher::Event::Apply(other) | watcher::Event::InitApply(other))
                    if !self.namespaces.contains(&other.id().namespace) => {}
                Ok(watcher::Event::Apply(approval)) => {
                    let (id, changed) = put(approval);
                    if changed && changes.send(id).await.is_err() {
                        return;
                    }
                }
                Ok(watcher::Event::Delete(approval)) => self.desk.shelf.remove(&approval.id()),
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(approval)) => {
                    let (id, _) = put(approval);
                    listed.insert(id.uid.clone());
                    if changes.send(id).await.is_err() {
                        return;
                    }
                }
                Ok(watcher::Event::InitDone) => {
                    self.desk.shelf.keep_only(&listed);
                    self.synced.store(true, Ordering::Release);
                }
                Err(error) => tracing::debug!(%error, "the watch of WebhookApprovals broke off; it is begun anew"),
            }
            self.seen.notify_waiters();
        }
    }

    /// Strategies that an approval refers to: a change of one opens runs.
    pub(super) async fn watch_strategies(self: Arc<Self>, changes: mpsc::Sender<ApprovalId>) {
        while !self.desk.shelf.all().iter().any(|approval| approval.spec.promotion_strategy_ref.is_some()) {
            // A look from time to time finds what was told between the question and the wait.
            let _ = tokio::time::timeout(LOOK_PAUSE, self.seen.notified()).await;
        }
        let api: Api<PartialObjectMeta<DynamicObject>> = match self.namespaces.cluster_wide() {
            true => Api::all_with(self.client.clone(), &objects::strategy()),
            false => Api::namespaced_with(self.client.clone(), &self.namespaces.own, &objects::strategy()),
        };
        let mut stream = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
        while let Some(next) = stream.next().await {
            let strategy = match next {
                Ok(
                    watcher::Event::Apply(strategy)
                    | watcher::Event::InitApply(strategy)
                    | watcher::Event::Delete(strategy),
                ) => strategy,
                Ok(_) => continue,
                Err(error) => {
                    tracing::debug!(%error, "the watch of PromotionStrategies broke off; it is begun anew");
                    continue;
                }
            };
            let (namespace, name) = (strategy.namespace().unwrap_or_default(), strategy.name_any());
            let refers = |approval: &&Arc<WebhookApproval>| {
                approval.spec.promotion_strategy_ref.as_ref().is_some_and(|reference| reference.name == name)
                    && approval.id().namespace == namespace
            };
            for approval in self.desk.shelf.all().iter().filter(refers) {
                if changes.send(approval.id()).await.is_err() {
                    return;
                }
            }
        }
    }
}
