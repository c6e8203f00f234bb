//! What `gatepost serve` does again and again beside its events: lists of all Applications, the clock's beat, samples, pruning.

use crate::controller::{Relay, series};
use crate::notify::ObjectId;
use crate::outbox::Store;
use crate::source::{self, kubernetes::Kubernetes};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pause between the change that asks for a list of all Applications and the list: a burst of changes is one list.
const RELIST_PAUSE: Duration = Duration::from_millis(200);
/// The Go controller's resync.
const BEAT: Duration = Duration::from_secs(60);
/// Pause between two Applications that are read because of the clock.
const REFRESH_PAUSE: Duration = Duration::from_millis(20);
/// How often what is over is pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// After a change of configuration every Application is looked at again, page by page.
pub(super) async fn relist(cluster: Kubernetes, relay: Arc<Relay>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = relay.relist.notified() => {}
        }
        tokio::time::sleep(RELIST_PAUSE).await;
        match cluster.relist().await {
            Ok(count) => tracing::info!(count, "all Applications were looked at again"),
            Err(source::Error::Closed) => return,
            Err(error) => {
                tracing::warn!(error = %error, "failed to look at all Applications again; trying again");
                relay.relist.notify_one();
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}

/// Conditions that read the clock are run again on the Go controller's beat; whoever they come to something else for is read anew.
pub(super) async fn beat(relay: Arc<Relay>, cluster: Option<Kubernetes>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BEAT) => {}
        }
        let due = relay.due_by_clock().await;
        // What waits for the repo-server is not known one by one.
        if relay.take_undecided() {
            relay.relist.notify_one();
        }
        match &cluster {
            Some(cluster) => refresh(cluster, &due).await,
            None if due.is_empty() => {}
            None => relay.relist.notify_one(),
        }
    }
}

/// Applications that the relay asks for are read anew.
pub(super) async fn refresh_asked(relay: Arc<Relay>, cluster: Option<Kubernetes>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = relay.refresh.notified() => {}
        }
        let asked = relay.take_refreshes();
        match &cluster {
            Some(cluster) => refresh(cluster, &asked).await,
            None => relay.relist.notify_one(),
        }
    }
}

async fn refresh(cluster: &Kubernetes, due: &[ObjectId]) {
    let mut pace = tokio::time::interval(REFRESH_PAUSE);
    for object in due {
        pace.tick().await;
        if let Err(error) = cluster.refresh(&object.namespace, &object.name).await {
            tracing::warn!(error = %error, "failed to look again at an Application; its next change or the next beat does");
        }
    }
}

/// Samples of the queue for the pages.
pub(super) async fn sample(relay: Arc<Relay>, stop: CancellationToken) {
    let mut pace = tokio::time::interval(series::EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = pace.tick() => {}
        }
        if let Err(error) = relay.sample().await {
            tracing::debug!(error = %error, "the store could not be sampled; the pictures of the last hour have a gap");
        }
    }
}

pub(super) async fn prune(store: Arc<dyn Store>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PRUNE_EVERY) => {}
        }
        let now_ms = crate::clock::now().millis();
        if let Err(error) = crate::controller::forget_unused(store.as_ref(), now_ms).await {
            tracing::warn!(error = %error, "failed to forget what services remember of old deliveries");
        }
        if let Err(error) = crate::controller::gate::forget_unused(store.as_ref(), now_ms).await {
            tracing::warn!(error = %error, "failed to forget what is remembered of old gates");
        }
        match store.prune(Default::default(), now_ms).await {
            Ok(pruned) if pruned.dead > 0 => {
                tracing::warn!(dropped = pruned.dead, "dead letters beyond the retention were dropped")
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error, "failed to prune what is over"),
        }
    }
}
