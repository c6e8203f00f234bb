//! From settings to running gates.

use super::house::run_server;
use super::listen;
use super::policy::rules;
use crate::controller::Links;
use crate::controller::gate::ask::{Asker, Cluster, Grant, Options};
use crate::controller::gate::{Gates, Parts, Settings, WakeSender, wakes};
use crate::controller::identity::Issuers;
use crate::coordination::Status;
use crate::egress::Egress;
use crate::egress::address::Cidr;
use crate::gate::Integers;
use crate::outbox::Store;
use crate::server::hooks;
use crate::settings::{self, GrantedThing};
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What gates share with the rest of a running Gatepost.
pub(super) struct Shared {
    pub client: kube::Client,
    pub store: Arc<dyn Store>,
    pub door: Arc<Egress>,
    pub standing: Status,
    pub metrics: Arc<Metrics>,
    pub tracer: Tracer,
    pub issuers: Arc<Issuers>,
}

/// Starts handling gates; `None` where the settings do not ask for it.
pub(super) fn start(
    settings: &settings::Settings,
    namespace: &str,
    shared: Shared,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Arc<Gates>>> {
    let wanted = &settings.gates;
    if !wanted.enabled {
        return Ok(None);
    }
    let Shared { client, store, door, standing, metrics, tracer, issuers } = shared;
    let objects = Arc::new(Cluster::new(client.clone()));
    let asker = Arc::new(Asker::new(door, objects, options(settings, namespace)?));
    let handled = Settings {
        instance_id: wanted.instance_id.clone(),
        take_over: wanted.take_over,
        integers: match wanted.integers {
            settings::Integers::Go => Integers::AsGo,
            settings::Integers::Exact => Integers::Exact,
        },
        concurrency: wanted.concurrency,
        namespace: namespace.to_owned(),
        grants: grants(settings, GrantedThing::Applications)?,
        links: Links::below(&settings.server.external_url),
    };
    let hooked = (client.clone(), issuers, Arc::clone(&metrics));
    let gates = Arc::new(Gates::new(Parts { client, store, asker, standing, metrics, tracer }, handled));
    let (sender, receiver) = wakes();
    if !settings.hooks.bind.is_empty() {
        start_hooks(&settings.hooks, hooked, sender, stop)?;
    }
    let (running, stop) = (Arc::clone(&gates), stop.clone());
    tokio::spawn(async move { running.run(receiver, stop).await });
    Ok(Some(gates))
}

/// Opens the listener of those who wake gates.
fn start_hooks(
    wanted: &settings::Hooks,
    (client, issuers, metrics): (kube::Client, Arc<Issuers>, Arc<Metrics>),
    wakes: WakeSender,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let address =
        wanted.bind.parse().with_context(|| format!("hooks.bind = {:?} is no address with a port", wanted.bind))?;
    let proxies = wanted.trusted_proxies.iter().map(|text| {
        Cidr::parse(text).with_context(|| format!("hooks.trustedProxies: {text:?} is no address or range"))
    });
    let trusted_proxies = proxies.collect::<anyhow::Result<_>>()?;
    let options = hooks::Options { body_limit: wanted.body_limit, trusted_proxies };
    let annotations = Arc::new(hooks::Gates::new(client.clone()));
    let lookup = hooks::Lookup::new(annotations, Arc::new(Cluster::new(client)));
    let hooks = Arc::new(hooks::Hooks::new(lookup, issuers, wakes, metrics, options));
    let server = hooks::hooks(listen(address)?, hooks).context("failed to start the hooks")?;
    run_server(server, stop);
    Ok(())
}

/// What gates, and approvals, may do when they ask.
pub(super) fn options(settings: &settings::Settings, namespace: &str) -> anyhow::Result<Options> {
    let wanted = &settings.gates.requests;
    let home = Some(&wanted.cluster_secrets).filter(|home| !home.is_empty());
    Ok(Options {
        namespace: namespace.to_owned(),
        answer_limit: wanted.answer_limit,
        longest_timeout: Duration::from_secs(wanted.longest_timeout),
        redirects: rules(&wanted.redirects, "gates.requests.redirects")?,
        places: wanted.places,
        places_of_a_namespace: wanted.places_of_a_namespace,
        cluster_secrets: home.map_or(namespace, String::as_str).to_owned(),
        grants: grants(settings, GrantedThing::ClusterScmProviders)?,
    })
}

/// Whose gates may use a thing of other namespaces.
fn grants(settings: &settings::Settings, what: GrantedThing) -> anyhow::Result<Vec<Grant>> {
    let of_it = settings.authority.grants.iter().filter(|grant| grant.what.contains(&what));
    let read = |grant: &settings::Grant| {
        let from = globset::Glob::new(&grant.from)
            .with_context(|| format!("authority.grants: from = {:?} is no glob of namespaces", grant.from))?;
        Ok(Grant { from: from.compile_matcher(), to: grant.to.clone() })
    };
    of_it.map(read).collect()
}
