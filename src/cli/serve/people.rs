//! Puts together who may use API and dashboard, for `gatepost serve`.

use crate::controller::identity::{Cluster, Issuers, People, people::Login};
use crate::egress::address::Cidr;
use crate::server::auth::{Auth, LocalToken, Parts, Posture, StaticToken, Ways, posture};
use crate::settings::{Auth as Settings, Settings as All};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What it is made of.
pub(super) struct House<'a> {
    pub settings: &'a All,
    /// Gatepost's own namespace.
    pub namespace: &'a str,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Who knows the cluster's people; `None` on a folder.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// People of the issuer, where one is set up.
    pub people: Option<Arc<People>>,
}

/// Whether somebody has to log in; refused where everybody could do everything, or nobody anything.
pub(super) fn stance(settings: &All, on_cluster: bool, bind: SocketAddr) -> anyhow::Result<Posture> {
    let has_way = settings.auth.has_issuer() || !settings.auth.tokens.is_empty();
    Ok(posture(settings.auth.mode, on_cluster, bind, has_way)?)
}

/// The issuer's people.
pub(super) fn people(
    settings: &Settings,
    issuers: &Arc<Issuers>,
    namespace: &str,
) -> anyhow::Result<Option<Arc<People>>> {
    if !settings.has_issuer() {
        return Ok(None);
    }
    let login = Login {
        issuer: settings.issuer.clone(),
        client_id: settings.client_id.clone(),
        client_secret: settings.secret()?,
        device_client_id: settings.device_client_id.clone(),
        scopes: settings.scopes.clone(),
        user_claim: settings.user_claim.clone(),
        groups_claim: settings.groups_claim.clone(),
        user_prefix: settings.user_prefix.clone(),
        group_prefix: settings.group_prefix.clone(),
        readers: settings.readers.clone(),
        operators: settings.operators.clone(),
    };
    Ok(Some(Arc::new(People::new(login, Arc::clone(issuers), namespace.to_owned()))))
}

/// Who gets in, and the token of this machine, which lives as long as the answer is kept.
pub(super) fn auth(house: House<'_>) -> anyhow::Result<(Auth, Option<LocalToken>)> {
    let (server, settings) = (&house.settings.server, &house.settings.auth);
    let posture = stance(house.settings, house.cluster.is_some(), house.api)?;
    let local = (posture == Posture::Closed).then(|| local_token(house.api.port())).flatten();
    let proxies = server.trusted_proxies.iter().map(|text| {
        Cidr::parse(text).with_context(|| format!("server.trustedProxies: {text:?} is no address or range"))
    });
    let tokens = settings.tokens.iter().map(|text| {
        StaticToken::parse(text)
            .context("auth.tokens: an entry is <name>:<read or change>:<SHA-256 in hex>, and one is not")
    });
    let ways = Ways {
        local: local.as_ref().map(LocalToken::digest),
        tokens: tokens.collect::<anyhow::Result<_>>()?,
        people: house.people,
        cluster: house.cluster.filter(|_| settings.kubernetes),
        api_server_tokens: settings.accept_api_server_tokens,
        namespace: house.namespace.to_owned(),
    };
    let auth = Auth::new(Parts {
        posture,
        external_url: &server.external_url,
        hosts: &server.hosts,
        proxies: proxies.collect::<anyhow::Result<_>>()?,
        ways,
        session_idle: Duration::from_secs(settings.session_idle),
        session_longest: Duration::from_secs(settings.session_longest),
    });
    Ok((auth, local))
}

/// Without one the other ways remain: a read-only file system must not keep the relay from running.
fn local_token(port: u16) -> Option<LocalToken> {
    match LocalToken::make(port) {
        Ok(token) => {
            tracing::info!(path = %token.path().display(), "whoever can read this file may use the API");
            Some(token)
        }
        Err(error) => {
            tracing::warn!(%error, "no token of this machine: the command line needs --token or a login, also here");
            None
        }
    }
}
