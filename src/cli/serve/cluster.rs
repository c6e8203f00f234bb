//! What runs only on a cluster: the Lease, the watches, annotations, gates and approvals.

use super::house::House;
use super::{Names, Plan, approvals, gates, rights, rounds};
use crate::controller::gate::Gates;
use crate::controller::identity::Cluster as Identities;
use crate::controller::{ClusterReports, CommitReports, KubernetesReporter, ObjectReader, Projector, Reporter};
use crate::coordination::{Guard, Status, lease_name};
use crate::source::kubernetes::{Kubernetes, Settings};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// An API server, and what is watched there.
pub(super) struct Cluster {
    pub(super) client: kube::Client,
    pub(super) watched: Settings,
    pub(super) source: Kubernetes,
    /// Who knows the cluster's people.
    pub(super) reviews: Arc<dyn Identities>,
}

impl Cluster {
    pub(super) fn reporter(&self) -> Arc<dyn Reporter> {
        Arc::new(KubernetesReporter::start(self.client.clone()))
    }

    pub(super) fn reader(&self) -> Arc<dyn ObjectReader> {
        Arc::new(self.source.clone())
    }

    pub(super) fn reports(&self) -> Arc<dyn CommitReports> {
        Arc::new(ClusterReports::new(self.client.clone()))
    }
}

/// What was opened besides notifications, where the settings ask for it.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) gates: Option<Arc<Gates>>,
    pub(super) approvals: Option<approvals::Serving>,
    /// What the cluster does not allow this process, once it is known.
    pub(super) limits: Arc<OnceLock<Vec<String>>>,
}

/// Starts everything that needs the API server.
pub(super) fn open(house: &House, cluster: &Cluster) -> anyhow::Result<Opened> {
    let opened = Opened {
        gates: open_gates(house, cluster)?,
        approvals: open_approvals(house, cluster)?,
        limits: Arc::default(),
    };
    let client = &cluster.client;
    let lease = (house.settings.coordination.lease > 0).then(|| lease_name(&house.names.config_map));
    let limits = Arc::clone(&opened.limits);
    tokio::spawn(tell_limits(client.clone(), house.names.namespace.clone(), lease, limits));
    let (projector, stop) = (Projector::for_cluster(&house.relay, client.clone()), house.stop.clone());
    tokio::spawn(async move { projector.run(stop).await });
    tokio::spawn(rounds::relist(cluster.source.clone(), Arc::clone(&house.relay), house.stop.clone()));
    tokio::spawn(watch(cluster.source.clone(), house.standing.clone(), house.stop.clone()));
    Ok(opened)
}

fn open_gates(house: &House, cluster: &Cluster) -> anyhow::Result<Option<Arc<Gates>>> {
    let shared = gates::Shared {
        client: cluster.client.clone(),
        store: Arc::clone(&house.store),
        door: Arc::clone(&house.door),
        standing: house.standing.clone(),
        metrics: Arc::clone(house.relay.metrics()),
        tracer: house.relay.tracer().clone(),
        issuers: Arc::clone(&house.issuers),
    };
    gates::start(&house.settings, &house.names.namespace, shared, &house.stop)
}

fn open_approvals(house: &House, cluster: &Cluster) -> anyhow::Result<Option<approvals::Serving>> {
    if !house.settings.callbacks.are_served() {
        return Ok(None);
    }
    let parts = approvals::Parts {
        settings: &house.settings,
        namespaces: &cluster.watched.namespaces,
        client: &cluster.client,
        store: &house.store,
        door: &house.door,
        relay: &house.relay,
        standing: &house.standing,
        reporter: Arc::clone(&house.reporter),
        issuers: &house.issuers,
        cluster: &cluster.reviews,
        people: house.people.clone(),
    };
    approvals::start(parts, &house.stop).map(Some)
}

/// Asks what this process may not do and says it, once.
async fn tell_limits(
    client: kube::Client,
    namespace: String,
    lease: Option<String>,
    limits: Arc<OnceLock<Vec<String>>>,
) {
    let found = rights::limits(client, &namespace, lease.as_deref()).await;
    for limit in &found {
        tracing::warn!("{limit}");
    }
    drop(limits.set(found));
}

/// Starts the guard of the Lease that says who decides; without a Lease nobody else is asked.
pub(super) fn guard(
    plan: &Plan,
    client: &kube::Client,
    install_id: &str,
    stop: &CancellationToken,
) -> (Status, Option<tokio::task::JoinHandle<()>>) {
    let seconds = plan.settings.coordination.lease;
    if seconds == 0 {
        return (Status::unguarded(), None);
    }
    let identity = super::house::identity(install_id);
    let Names { namespace, config_map, .. } = &plan.names;
    let (guard, status) = Guard::new(client.clone(), namespace, config_map, identity, Duration::from_secs(seconds));
    (status, Some(tokio::spawn(guard.run(stop.clone()))))
}

async fn watch(cluster: Kubernetes, standing: Status, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        end = async { standing.may_decide().await; cluster.run().await } => if let Err(error) = end { tracing::info!(error = %error, "the watches ended") },
    }
}
