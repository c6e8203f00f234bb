//! Puts the rooms of approvals together for `gatepost serve`: keys, desk, listener, requests, what keeps runs going.

use super::house::run_server;
use super::{gates, listen};
use crate::clock;
use crate::controller::approval::access::Issuer;
use crate::controller::approval::clients::InSecrets;
use crate::controller::approval::{AskingSender, Desk, InSecret, Keeper, Pauses, RingKeeper, Shelf, Shown};
use crate::controller::gate::ask::{self, Asker};
use crate::controller::identity::{Cluster, Issuers, Limits, People};
use crate::controller::{Changes, Links, Relay, Reporter};
use crate::coordination::Status;
use crate::egress::Egress;
use crate::egress::address::Cidr;
use crate::gate::engine::{Engine, Integers};
use crate::outbox::{Runs, Sender, Store};
use crate::server::{self, Certificate, Reach};
use crate::settings::Settings;
use crate::source::Namespaces;
use crate::trace::Tracer;
use anyhow::Context as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Pause between two prunings of runs.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What approvals are made of.
pub(super) struct Parts<'a> {
    pub settings: &'a Settings,
    pub namespaces: &'a Namespaces,
    pub client: &'a kube::Client,
    pub store: &'a Arc<dyn Store>,
    pub door: &'a Arc<Egress>,
    pub relay: &'a Arc<Relay>,
    pub standing: &'a Status,
    pub reporter: Arc<dyn Reporter>,
    pub issuers: &'a Arc<Issuers>,
    pub cluster: &'a Arc<dyn Cluster>,
    pub people: Option<Arc<People>>,
}

/// Approvals that are served.
pub(super) struct Serving {
    desk: Arc<Desk>,
    asker: Arc<Asker>,
    engine: Arc<Engine>,
    tracer: Tracer,
}

impl Serving {
    /// Where people decide, for the dashboard.
    pub(super) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// The outbox's sender, requests of runs included.
    pub(super) fn sender(self, others: Arc<dyn Sender>) -> Arc<dyn Sender> {
        Arc::new(AskingSender::new(self.desk, self.asker, self.engine, others).traced(self.tracer))
    }
}

/// Starts everything but the sender.
pub(super) fn start(parts: Parts<'_>, stop: &CancellationToken) -> anyhow::Result<Serving> {
    let desk = Arc::new(desk(&parts));
    let engine = Arc::new(Engine::new(gatepost_value::Limits::default(), Integers::AsGo));
    let options = gates::options(parts.settings, &parts.namespaces.own)?;
    let objects = Arc::new(ask::Cluster::new(parts.client.clone()));
    let asker = Arc::new(Asker::new(Arc::clone(parts.door), objects, options));
    serve(&parts, &desk, stop)?;
    spawn(stop, Arc::clone(&desk.ring).run());
    spawn(stop, prune(Arc::clone(parts.store), parts.settings.callbacks.retention));
    let (relay, tracer) = (Arc::clone(parts.relay), parts.relay.tracer().clone());
    let keeper = Keeper {
        desk: Arc::clone(&desk),
        store: Arc::clone(parts.store),
        client: parts.client.clone(),
        engine: Arc::clone(&engine),
        standing: parts.standing.clone(),
        committed: Arc::new(move || relay.committed.notify_one()),
        reporter: parts.reporter,
        links: Links::below(&parts.settings.server.external_url),
        namespaces: parts.namespaces.clone(),
        pauses: Pauses::default(),
        synced: AtomicBool::new(false),
        seen: Notify::new(),
    };
    spawn(stop, Arc::new(keeper).run());
    Ok(Serving { desk, asker, engine, tracer })
}

fn desk(parts: &Parts<'_>) -> Desk {
    let settings = &parts.settings.callbacks;
    let url = settings.external_url.clone();
    let audiences = if settings.audiences.is_empty() { vec![url.clone()] } else { settings.audiences.clone() };
    let home = InSecret::new(parts.client.clone(), &parts.namespaces.own);
    let store: Arc<dyn Runs> = Arc::clone(parts.store) as _;
    Desk {
        store,
        shelf: Arc::new(Shelf::default()),
        ring: Arc::new(RingKeeper::new(Box::new(home))),
        issuer: Issuer { url, audiences },
        issuers: Arc::clone(parts.issuers),
        cluster: Some(Arc::clone(parts.cluster)),
        clients: Some(Arc::new(InSecrets::new(parts.client.clone()))),
        people: parts.people.clone(),
        limits: Limits::new(settings.caller_rate),
        changed: Notify::new(),
        changes: Changes::default(),
        shown: Shown::default(),
        metrics: Arc::clone(parts.relay.metrics()),
        links: Links::below(&parts.settings.server.external_url),
    }
}

fn serve(parts: &Parts<'_>, desk: &Arc<Desk>, stop: &CancellationToken) -> anyhow::Result<()> {
    let settings = &parts.settings.callbacks;
    let proxies = settings.trusted_proxies.iter().map(|text| {
        Cidr::parse(text).with_context(|| format!("callbacks.trustedProxies: {text:?} is no address or range"))
    });
    let trusted_proxies = proxies.collect::<anyhow::Result<_>>()?;
    let certificate = (!settings.certificate.is_empty())
        .then(|| Certificate { chain: settings.certificate.clone().into(), key: settings.key.clone().into() });
    let server =
        server::callbacks(listen(settings.bind)?, Arc::clone(desk), Reach { certificate, trusted_proxies }, |_| {})?;
    run_server(server, stop);
    Ok(())
}

fn spawn(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => tracing::error!("a part of the approvals ended"),
        }
    });
}

/// Forgets decided runs, and the marks of rollbacks, that are older than the retention.
async fn prune(store: Arc<dyn Store>, days: u32) {
    loop {
        tokio::time::sleep(PRUNE_EVERY).await;
        let before_ms = clock::now().millis().saturating_sub(i64::from(days.max(1)).saturating_mul(DAY_MS));
        let marks = crate::controller::approval::ROLLBACKS;
        for result in [store.prune_runs(before_ms).await, store.forget_values(marks, before_ms).await] {
            match result {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "what is known of old runs was forgotten"),
                Err(error) => tracing::warn!(%error, "failed to forget old runs"),
            }
        }
    }
}
