//! The door itself: pools of guarded clients, our own redirect loop, capped answers.

use super::body;
use super::policy::{Policy, Refusal};
use super::redact;
use super::redirect::{self, Hop};
use super::request::{Error, Request, Response, Transport};
use super::resolver::{Guarded, Lookup, literal};
use reqwest::{Client, Url};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;
/// Response headers that are read.
const MAX_HEADERS: usize = 128;
/// hyper's words for a head that is over its bounds.
const HEAD_TOO_LARGE: &str = "message head is too large";
/// Pools kept; beyond it the least recently used is dropped.
const MAX_POOLS: usize = 1024;

/// A pool belongs to one transport (owner included) and one origin.
#[derive(Clone, PartialEq, Eq, Hash)]
struct PoolKey {
    transport: Transport,
    host: String,
    port: u16,
}

/// The guarded client. Cheap to share behind an `Arc`.
pub struct Egress {
    state: Mutex<State>,
    proxy: Option<Proxy>,
    lookup: Lookup,
}

struct State {
    policy: Arc<Policy>,
    pools: HashMap<PoolKey, (Client, u64)>,
    uses: u64,
}

/// Proxy as the environment sets it (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), as the Go controller reads it.
struct Proxy {
    http: Option<String>,
    https: Option<String>,
}

impl Proxy {
    fn from_env() -> Option<Self> {
        let read = |names: [&str; 2]| names.iter().find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()));
        let proxy = Self { http: read(["HTTP_PROXY", "http_proxy"]), https: read(["HTTPS_PROXY", "https_proxy"]) };
        (proxy.http.is_some() || proxy.https.is_some()).then_some(proxy)
    }
}

impl Egress {
    /// A door with a policy; the proxy settings of the environment and the system's certificates are read once.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        super::tls::read_system_roots();
        Self::with(policy, Proxy::from_env(), Lookup::default())
    }

    fn with(policy: Policy, proxy: Option<Proxy>, lookup: Lookup) -> Self {
        let state = State { policy: Arc::new(policy), pools: HashMap::new(), uses: 0 };
        Self { state: Mutex::new(state), proxy, lookup }
    }

    /// A door that asks somebody else for addresses, and perhaps has a proxy.
    #[cfg(test)]
    pub(super) fn for_tests(policy: Policy, lookup: Lookup, proxy: Option<&str>) -> Self {
        let proxy = proxy.map(|url| Proxy { http: Some(url.to_owned()), https: Some(url.to_owned()) });
        Self::with(policy, proxy, lookup)
    }

    /// Replaces the policy; all pools are dropped, so no connection made under the old one is used again.
    pub fn set_policy(&self, policy: Policy) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.policy = Arc::new(policy);
        state.pools.clear();
    }

    /// The policy of now for what is not HTTP; a tenant's where a namespace is named.
    pub(super) fn policy(&self, tenant: &str) -> Policy {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).policy.of_tenant(tenant)
    }

    /// Sends one request and reads the answer, following allowed redirects.
    ///
    /// # Errors
    /// Refused, unbuildable, unreachable, unanswered, or redirected elsewhere.
    pub async fn send(&self, request: &Request) -> Result<Response, Error> {
        let started = Instant::now();
        let mut hop = Hop::first(request)?;
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.once(&hop, started).await?;
            let Some((next, credentials)) = redirect::target(&hop, &answer)? else {
                return Ok(answer);
            };
            hop.redirected(answer.status, next, credentials);
        }
        Err(Error::Redirect {
            target: redact::target(&request.url),
            location: redact::target(hop.url.as_str()),
            why: format!("more than {MAX_REDIRECTS} redirects"),
        })
    }

    async fn once(&self, hop: &Hop, started: Instant) -> Result<Response, Error> {
        let client = self.client(&hop.transport, &hop.url)?;
        let mut headers = reqwest::header::HeaderMap::new();
        let url = handshake_url(&hop.url, &hop.transport, &mut headers)?;
        let mut built = client.request(hop.method.clone(), url);
        for (name, value) in &hop.headers {
            let (name, value) = header(name, value)?;
            headers.insert(name, value);
        }
        if !hop.body.is_empty() {
            built = built.body(hop.body.clone());
        }
        let target = redact::target(hop.url.as_str());
        let limit = hop.transport.connect_timeout + hop.transport.answer_timeout;
        let sent = tokio::time::timeout_at(started + limit, built.headers(headers).send()).await;
        let late = || format!("no complete answer within {} s", limit.as_secs_f64());
        let answer = sent.map_err(|_| Error::NoAnswer { target: target.clone(), cause: late() })?;
        let answer = answer.map_err(|error| failure(&error, target.clone()))?;
        body::read(answer, &hop.transport, target, started).await
    }

    fn client(&self, transport: &Transport, url: &Url) -> Result<Client, Error> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(0);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = match transport.tenant.as_str() {
            "" => Arc::clone(&state.policy),
            namespace => Arc::new(state.policy.of_tenant(namespace)),
        };
        if let Some(ip) = literal(url) {
            policy.judge(&host, ip, port).map_err(|no| refused(url, &no))?;
        }
        if self.proxy_for(url.scheme()).is_some() {
            policy.judge_proxy().map_err(|no| refused(url, &no))?;
            if !transport.tls.server_name.is_empty() {
                return Err(Error::Invalid("`tls.serverName` cannot be used behind a proxy".into()));
            }
        }
        let key = PoolKey { transport: transport.clone(), host, port };
        state.uses += 1;
        let uses = state.uses;
        if let Some((client, used)) = state.pools.get_mut(&key) {
            *used = uses;
            return Ok(client.clone());
        }
        let client = self.build(&key, url.scheme(), policy)?;
        state.make_room();
        state.pools.insert(key, (client.clone(), uses));
        Ok(client)
    }

    fn proxy_for(&self, scheme: &str) -> Option<&String> {
        self.proxy.as_ref().and_then(|p| if scheme == "https" { p.https.as_ref() } else { p.http.as_ref() })
    }

    #[allow(clippy::disallowed_methods)] // the one place where HTTP clients are made
    fn build(&self, key: &PoolKey, scheme: &str, policy: Arc<Policy>) -> Result<Client, Error> {
        let transport = &key.transport;
        let proxy = self.proxy_for(scheme);
        let instead = (!transport.tls.server_name.is_empty()).then(|| key.host.clone());
        let lookup = self.lookup.clone();
        let guarded = Guarded { policy, port: key.port, proxied: proxy.is_some(), instead, lookup };
        let mut builder = Client::builder()
            .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(guarded)
            .connect_timeout(transport.connect_timeout)
            .pool_idle_timeout(transport.idle_timeout)
            .pool_max_idle_per_host(transport.max_idle_per_host)
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(64 << 10)
            .no_proxy();
        if let Some(address) = proxy {
            let proxy = reqwest::Proxy::all(address)
                .map_err(|_| Error::Invalid("the proxy of the environment is not a URL".into()))?;
            builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_env()));
        }
        let builder = super::tls::apply(builder, &transport.tls)?;
        builder.build().map_err(|e| Error::Invalid(causes(&e)))
    }
}

impl State {
    fn make_room(&mut self) {
        while self.pools.len() >= MAX_POOLS {
            let Some(oldest) = self.pools.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone()) else {
                return;
            };
            self.pools.remove(&oldest);
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|e| Error::Invalid(format!("the URL cannot be parsed: {e}")))?;
    match url.scheme() {
        "http" | "https" if url.host().is_some() => Ok(url),
        other => Err(Error::Invalid(format!("unsupported protocol scheme \"{other}\": use http or https"))),
    }
}

fn header(name: &str, value: &[u8]) -> Result<(reqwest::header::HeaderName, reqwest::header::HeaderValue), Error> {
    let parsed = reqwest::header::HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Error::Invalid(format!("invalid header field name {name:?}")))?;
    let value = reqwest::header::HeaderValue::from_bytes(value).map_err(|_| {
        Error::Invalid(format!("invalid header field value for \"{name}\": it holds a line break or control character; a Secret made with `echo` ends in one"))
    })?;
    Ok((parsed, value))
}

fn refused(url: &Url, no: &Refusal) -> Error {
    Error::Refused { target: redact::target(url.as_str()), rule: no.rule.clone(), setting: no.setting.clone() }
}

/// The URL that the handshake is made with: where a service names another server, that name, which the resolver turns
/// into the address of the real host; the real one stays in `Host`.
fn handshake_url(url: &Url, transport: &Transport, headers: &mut reqwest::header::HeaderMap) -> Result<Url, Error> {
    let name = &transport.tls.server_name;
    if name.is_empty() || url.scheme() != "https" {
        return Ok(url.clone());
    }
    let unusable = || Error::Invalid(format!("`tls.serverName` {name:?} is no name of a server"));
    let mut other = url.clone();
    other.set_host(Some(name)).map_err(|_| unusable())?;
    // No resolver is asked for an address, so nobody would judge it.
    if literal(&other).is_some() {
        return Err(unusable());
    }
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let (name, value) = header("host", host.as_bytes())?;
    headers.insert(name, value);
    Ok(other)
}

fn failure(error: &reqwest::Error, target: String) -> Error {
    if let Some(no) = refusal_in(error) {
        return Error::Refused { target, rule: no.rule.clone(), setting: no.setting.clone() };
    }
    if error.is_builder() {
        return Error::Invalid(causes(error));
    }
    if error.is_connect() {
        Error::Connect { target, cause: causes(error) }
    } else {
        Error::NoAnswer { target, cause: causes(error) }
    }
}

fn refusal_in(error: &reqwest::Error) -> Option<&Refusal> {
    let mut at: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = at {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(refusal);
        }
        at = error.source();
    }
    None
}

/// The innermost cause: reqwest's outer texts repeat the URL, whose path may be a secret.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut last: &(dyn std::error::Error + 'static) = error;
    while let Some(next) = last.source() {
        last = next;
    }
    if std::ptr::addr_eq(last, error) {
        return "the connection failed".into();
    }
    match last.to_string() {
        cause if cause == HEAD_TOO_LARGE => format!("{cause}: more than {MAX_HEADERS} headers, or too long ones"),
        cause => cause,
    }
}
