//! Rules of the egress guard, from the settings.

use super::{Origin, Plan, own};
use crate::egress::{self, Policy, Rule};
use crate::outbox;
use crate::settings::Settings;
use anyhow::Context as _;
use std::net::SocketAddr;

/// Rules of the egress guard, from the setting of this name.
pub(super) fn rules(texts: &[String], key: &str) -> anyhow::Result<Vec<Rule>> {
    texts.iter().map(|text| Rule::parse(text).map_err(|error| anyhow::anyhow!("{key}: {error}"))).collect()
}

/// The egress guard's rules; loopback is allowed where there is no cluster.
pub(in crate::cli) fn policy(settings: &Settings, loopback_allowed: bool) -> anyhow::Result<Policy> {
    let tenants = settings.egress.tenants.iter().map(|(name, tenant)| {
        let key = format!("egress.tenants.\"{name}\"");
        let glob = globset::Glob::new(name).with_context(|| format!("{key}: this is no glob of namespaces"))?;
        Ok(egress::Tenants { namespaces: glob.compile_matcher(), allow: rules(&tenant.allow, &key)? })
    });
    Ok(Policy {
        allow: rules(&settings.egress.allow, "egress.allow")?,
        deny: rules(&settings.egress.deny, "egress.deny")?,
        loopback_allowed,
        own: Vec::new(),
        own_names: Vec::new(),
        tenants: tenants.collect::<anyhow::Result<_>>()?,
        proxy_enforces: settings.egress.proxy.enforces,
        tenant: String::new(),
    })
}

/// The policy of a running Gatepost, which knows where it is itself.
pub(super) async fn guarded(plan: &Plan) -> anyhow::Result<Policy> {
    let open = plan.metrics.iter().chain([&plan.api]).filter_map(|listener| listener.local_addr().ok());
    let listeners: Vec<_> = open.chain(opened_later(&plan.settings)).collect();
    let own = own::addresses(own::Own {
        api_server: plan.api_server.clone(),
        store: outbox::server(&plan.settings.store),
        listeners: &listeners,
    });
    let policy = policy(&plan.settings, matches!(plan.origin, Origin::Files(_)))?;
    // By name too: what it resolves to later is refused all the same.
    let own_names = plan.api_server.clone().into_iter().chain(outbox::server(&plan.settings.store)).collect();
    Ok(Policy { own: own.await, own_names, ..policy })
}

/// Where hooks and callbacks will be listened for.
fn opened_later(settings: &Settings) -> impl Iterator<Item = SocketAddr> {
    let hooks = settings.hooks.bind.parse().ok();
    let callbacks = settings.callbacks.are_served().then_some(settings.callbacks.bind);
    [hooks, callbacks].into_iter().flatten()
}
