//! Settings: defaults, then a file, then the environment. Every key is documented in `config/gatepost.toml`, which *is* the defaults.

mod effective;

pub use effective::{Effective, effective};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

/// The defaults, and their documentation.
pub const DEFAULTS: &str = include_str!("../config/gatepost.toml");

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Listeners.
    pub server: Server,
    /// Who may use API and dashboard.
    pub auth: Auth,
    /// The store.
    pub store: Store,
    /// `[coordination]`
    pub coordination: Coordination,
    /// Decisions.
    pub notify: Notify,
    /// Deliveries.
    pub delivery: Delivery,
    /// The egress guard.
    pub egress: Egress,
    /// Gates.
    pub gates: Gates,
    /// Who may do what across namespaces.
    pub authority: Authority,
    /// Templates.
    pub templates: Templates,
    /// Backstage.
    pub backstage: Backstage,
    /// Hooks that wake gates.
    pub hooks: Hooks,
    /// Approvals by callback.
    pub callbacks: Callbacks,
    /// Traces.
    pub tracing: Tracing,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Server {
    /// Metrics and health.
    pub metrics: SocketAddr,
    /// API and dashboard.
    pub api: SocketAddr,
    /// How people reach API and dashboard; empty: on loopback only.
    pub external_url: String,
    /// Further hosts that they may be asked for by.
    pub hosts: Vec<String>,
    /// Proxies, as ranges, whose `X-Forwarded-…` is believed.
    pub trusted_proxies: Vec<String>,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Store {
    /// SQLite file; empty for memory.
    pub path: String,
    /// MiB that must stay free where the file lies.
    pub reserve: u64,
    /// PostgreSQL; empty for SQLite. May hold a password.
    pub url: SecretString,
    /// PostgreSQL schema.
    pub schema: String,
    /// Certificates that the PostgreSQL server's may be signed by.
    pub ca_file: String,
    /// Seconds.
    pub lease: u64,
    /// File with keys for what is stored.
    pub encryption_key_file: String,
    /// The keys themselves.
    pub encryption_keys: SecretString,
}

/// `[coordination]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coordination {
    /// Seconds that a Lease is good for without being renewed; 0: no Lease.
    pub lease: u64,
}

/// `[notify]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Notify {
    /// What follows when many Applications lose their annotation at once.
    pub annotation_lost: AnnotationLost,
    /// Where the AppProject of an Application is looked up.
    pub project_namespace: ProjectNamespace,
}

/// What is done when more than a tenth of the Applications lose their `notified` annotation at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnnotationLost {
    /// Nothing is sent again until somebody says what to do.
    #[default]
    Hold,
    /// It is written again from the store.
    Restore,
    /// Everything is sent again, as for a single Application.
    Resend,
}

/// Whose namespace an Application's AppProject is looked up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProjectNamespace {
    /// The controller's, as Argo CD does since 3.5.7.
    #[default]
    Controller,
    /// The Application's, as it did before.
    Application,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Delivery {
    /// Seconds.
    pub give_up_after: u64,
    /// Deliveries a second.
    pub replay_per_second: u32,
    /// The JSON rule.
    pub json: Json,
    /// Seconds that one attempt may take in all.
    pub attempt_limit: u64,
    /// Seconds.
    pub grace: u64,
}

/// What is done about JSON bodies that a value would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Json {
    /// Values are escaped.
    Repair,
    /// Exactly Go.
    Off,
    /// What cannot be repaired is a dead letter.
    Strict,
}

/// `[egress]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// Allowed beyond the rules.
    pub allow: Vec<String>,
    /// Denied whatever the rules say.
    pub deny: Vec<String>,
    /// What tenants may reach beyond the public internet, by a glob of their namespaces.
    pub tenants: std::collections::BTreeMap<String, Tenant>,
    /// The proxy of the environment.
    pub proxy: Proxy,
}

/// `[egress.tenants."<glob>"]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Allowed beyond public addresses.
    pub allow: Vec<String>,
}

/// `[egress.proxy]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// Whether it refuses what tenants may not reach.
    pub enforces: bool,
}

/// `[gates]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Gates {
    /// The switch.
    pub enabled: bool,
    /// Value of the label `promoter.argoproj.io/instance-id` of the gates that are handled.
    pub instance_id: String,
    /// Whether gates without the label are handled too.
    pub take_over: bool,
    /// How whole numbers of answers are read.
    pub integers: Integers,
    /// Gates that are looked at at once.
    pub concurrency: usize,
    /// Their requests.
    pub requests: GateRequests,
}

/// How whole numbers of answers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Integers {
    /// As Go does it: all numbers are floats.
    Go,
    /// Whole numbers stay whole.
    Exact,
}

/// `[gates.requests]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GateRequests {
    /// Bytes.
    pub answer_limit: usize,
    /// Seconds.
    pub longest_timeout: u64,
    /// Hosts that redirects may lead to.
    pub redirects: Vec<String>,
    /// At once, in all.
    pub places: usize,
    /// At once, of one namespace.
    pub places_of_a_namespace: usize,
    /// Namespace of the Secrets of ClusterScmProviders; empty for Gatepost's own.
    pub cluster_secrets: String,
}

/// `[authority]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// What namespaces may use of others.
    pub grants: Vec<Grant>,
}

/// `[[authority.grants]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Glob of the namespaces that may.
    pub from: String,
    /// Namespace of what they may use.
    pub to: String,
    /// What that is.
    pub what: Vec<GrantedThing>,
}

/// What can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GrantedThing {
    /// The credentials of ClusterScmProviders.
    ClusterScmProviders,
    /// What its Applications came to, for ApplicationGates and ArgoCDCommitStatuses.
    Applications,
}

/// `[templates]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Templates {
    /// The switch.
    pub costly_functions: bool,
}

/// `[backstage]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backstage {
    /// Name of the cluster.
    pub cluster: String,
}

/// `[hooks]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hooks {
    /// Address of the listener; empty for none.
    pub bind: String,
    /// Bytes of a body.
    pub body_limit: usize,
    /// Proxies, as ranges, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
}

/// `[callbacks]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Callbacks {
    /// Where callbacks are listened for.
    pub bind: SocketAddr,
    /// How the outside reaches that; empty: there are no approvals.
    pub external_url: String,
    /// Audiences of access tokens; empty: the external URL.
    pub audiences: Vec<String>,
    /// PEM file of the certificate chain; empty: no TLS.
    pub certificate: String,
    /// PEM file of its key.
    pub key: String,
    /// Proxies, as ranges, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Callbacks a second of one caller.
    pub caller_rate: u32,
    /// Days that decided runs are kept.
    pub retention: u32,
}

/// `[tracing]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tracing {
    /// Where OTLP is taken; empty: what the variables of OpenTelemetry say.
    pub endpoint: String,
    /// Headers of each request, `name=value` parted by commas. May hold credentials.
    pub headers: SecretString,
    /// Certificates that the collector's may be signed by.
    pub ca_file: String,
    /// Share of the traces that are recorded, 0 to 1.
    pub sampling: f64,
    /// Whether receivers and endpoints are told the trace.
    pub propagate: bool,
}

mod auth;
pub use auth::{Auth, AuthMode};

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source could not be read or a value has the wrong form.
    #[error("failed to read the settings: {0}; config/gatepost.toml documents every key")]
    Read(#[from] config::ConfigError),
    /// A key that there is not.
    #[error("unknown setting {key} in {source_name}: {advice}config/gatepost.toml documents every key")]
    Unknown {
        /// `section.key`
        key: String,
        /// The file's name, or the environment.
        source_name: String,
        /// The key that is probably meant, as a question; empty if none is like it.
        advice: String,
    },
    /// The URL is none that a caller could use.
    #[error(
        "{key} = \"{url}\" is refused: it is a URL such as https://gatepost.example.com, without query and without / at its end"
    )]
    ExternalUrl {
        /// The setting.
        key: &'static str,
        /// Its value.
        url: String,
    },
    /// `[auth]` or what belongs to it.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// A share above all or below none.
    #[error("tracing.sampling = {0} is refused: it is the share of traces that are recorded, from 0 (none) to 1 (all)")]
    Sampling(f64),
    /// One of two files.
    #[error("callbacks.certificate and callbacks.key go together: set both, or neither")]
    Certificate,
    /// Somebody else could begin an attempt that is still under way here.
    #[error(
        "store.lease = {lease} is too short: an attempt may take {limit} s (delivery.attemptLimit) and its claim has to hold 1.25 times as long, or two replicas could send the same; set store.lease to {} or more, or delivery.attemptLimit to {} or less", least_lease(*.limit), .lease.saturating_mul(4) / 5
    )]
    ShortLease {
        /// `store.lease`
        lease: u64,
        /// `delivery.attemptLimit`
        limit: u64,
    },
}

/// The shortest lease in seconds that outlasts an attempt of so many.
const fn least_lease(limit: u64) -> u64 {
    limit.saturating_mul(5).div_ceil(4)
}

impl Settings {
    /// Reads defaults, the file if one is named, and `GATEPOST_…` variables.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong form, a lease that an attempt may outlive.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        effective::refuse_unknown(file, std::env::vars_os())?;
        let mut builder =
            config::Config::builder().add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file));
        }
        for (key, value) in overrides(std::env::vars_os())? {
            builder = builder.set_override(key, value)?;
        }
        let settings: Self = builder.build()?.try_deserialize()?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Error> {
        self.callbacks.check()?;
        check_url("server.externalUrl", &self.server.external_url)?;
        self.auth.check()?;
        if !(0.0..=1.0).contains(&self.tracing.sampling) {
            return Err(Error::Sampling(self.tracing.sampling));
        }
        let (lease, limit) = (self.store.lease, self.delivery.attempt_limit);
        let is_shared = !self.store.url.expose_secret().is_empty();
        if is_shared && lease < least_lease(limit) {
            return Err(Error::ShortLease { lease, limit });
        }
        Ok(())
    }
}

impl Callbacks {
    /// Whether there are approvals.
    #[must_use]
    pub fn are_served(&self) -> bool {
        !self.external_url.is_empty()
    }

    fn check(&self) -> Result<(), Error> {
        check_url("callbacks.externalUrl", &self.external_url)?;
        if self.certificate.is_empty() != self.key.is_empty() {
            return Err(Error::Certificate);
        }
        Ok(())
    }
}

/// A URL that others can use, or none.
fn check_url(key: &'static str, text: &str) -> Result<(), Error> {
    let usable = url::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none());
    if text.is_empty() || (usable && !text.ends_with('/')) {
        return Ok(());
    }
    Err(Error::ExternalUrl { key, url: text.to_owned() })
}

/// What the variables `GATEPOST_<SECTION>__<KEY>` set, by the names that the defaults have: a variable's case says nothing. A section
/// in a section is one more `__`. A list is parted by commas. Variables without `__` are the command line's.
fn overrides(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, config::Value)>, Error> {
    let known = effective::known()?;
    let mut found = Vec::new();
    for (name, value) in variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value))) {
        let Some(path) = name.strip_prefix("GATEPOST_").filter(|path| path.contains("__")) else { continue };
        let value = value.into_string().map_err(|_| config::ConfigError::Message(format!("{name} is not UTF-8")))?;
        let path = path.replace("__", ".").to_lowercase();
        let meant = known.values().find(|one| one.key.to_lowercase() == path);
        let value = match meant.is_some_and(|one| one.value.is_array()) {
            true => value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>().into(),
            false => config::Value::from(value),
        };
        found.push((meant.map_or(path, |one| one.key.clone()), value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_set_keys_whatever_their_case_and_leave_the_command_lines_alone() {
        let variables = [
            ("GATEPOST_STORE__ENCRYPTIONKEYS", "k1 x"),
            ("GATEPOST_DELIVERY__GIVEUPAFTER", "60"),
            ("GATEPOST_EGRESS__ALLOW", "10.0.0.1, *.example.com"),
            ("GATEPOST_GATES__REQUESTS__ANSWERLIMIT", "7"),
            ("GATEPOST_GATES__REQUESTS__REDIRECTS", "a.example,b.example"),
            ("GATEPOST_EGRESS__PROXY__ENFORCES", "true"),
            ("GATEPOST_CONFIG", "x.toml"),
            ("PATH", "/bin"),
        ];
        let found = overrides(variables.iter().map(|(name, value)| (name.into(), value.into()))).unwrap();
        let mut builder =
            config::Config::builder().add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
        for (key, value) in found {
            builder = builder.set_override(key, value).unwrap();
        }
        let settings: Settings = builder.build().unwrap().try_deserialize().unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&settings.store.encryption_keys), "k1 x");
        assert_eq!((settings.delivery.give_up_after, settings.egress.allow.len()), (60, 2));
        let requests = &settings.gates.requests;
        assert_eq!((requests.answer_limit, requests.redirects.len(), settings.egress.proxy.enforces), (7, 2, true));
        let unknown = overrides([("GATEPOST_STORE__PAHT".into(), "x".into())].into_iter()).unwrap();
        assert_eq!(unknown[0].0, "store.paht", "left for the error about unknown keys");
    }

    fn load(text: &str) -> Result<Settings, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.toml");
        std::fs::write(&path, text).unwrap();
        Settings::load(Some(&path))
    }

    #[test]
    fn the_documented_defaults_load() {
        let settings = load("").unwrap();
        assert_eq!((settings.server.metrics.port(), settings.delivery.give_up_after), (9001, 86400));
    }
    #[test]
    fn a_file_overrides_and_unknown_keys_are_errors() {
        assert_eq!(load("[store]\npath = \"/x/y.db\"").unwrap().store.path, "/x/y.db");
        assert!(load("[store]\npaht = \"x\"").unwrap_err().to_string().contains("paht"));
    }
    #[test]
    fn tenants_are_listed_by_glob() {
        let settings = load("[egress.tenants.\"team-*\"]\nallow = [\"10.0.0.0/8\"]").unwrap();
        assert_eq!(settings.egress.tenants["team-*"].allow, ["10.0.0.0/8"]);
        assert!(load("[egress.tenants.x]\nalow = []").is_err());
    }
    #[test]
    fn callbacks_need_a_url_that_callers_can_use() {
        assert!(!load("").unwrap().callbacks.are_served());
        let url = |url: &str| load(&format!("[callbacks]\nexternalUrl = \"{url}\""));
        assert!(url("https://gatepost.example.com/under").unwrap().callbacks.are_served());
        for wrong in ["gatepost.example.com", "https://x.example/", "ftp://x.example", "https://x.example?a=b"] {
            assert!(matches!(url(wrong), Err(Error::ExternalUrl { .. })), "{wrong}");
        }
        assert!(matches!(load("[callbacks]\nkey = \"x\""), Err(Error::Certificate)));
    }
    #[test]
    fn a_lease_that_an_attempt_may_outlive_is_refused_where_there_is_one() {
        let short = "lease = 100\n[delivery]\nattemptLimit = 81";
        assert!(load(&format!("[store]\n{short}")).is_ok(), "SQLite has none");
        let told = load(&format!("[store]\nurl = \"postgres://h/x\"\n{short}")).unwrap_err().to_string();
        assert!(told.contains("store.lease to 102 or more, or delivery.attemptLimit to 80 or less"), "{told}");
        let enough = "[store]\nurl = \"postgres://h/x\"\nlease = 100\n[delivery]\nattemptLimit = 80";
        assert!(load(enough).is_ok() && load("[store]\nurl = \"postgres://h/x\"").is_ok());
    }
    #[test]
    fn decisions_have_words() {
        let notify = load("[notify]\nannotationLost = \"restore\"\nprojectNamespace = \"application\"").unwrap().notify;
        assert_eq!(
            (notify.annotation_lost, notify.project_namespace),
            (AnnotationLost::Restore, ProjectNamespace::Application)
        );
        assert_eq!(load("").unwrap().notify.annotation_lost, AnnotationLost::Hold);
        assert!(load("[notify]\nannotationLost = \"guess\"").is_err());
    }
    #[test]
    fn gates_are_off_until_asked_for_and_grants_are_named() {
        let settings = load("").unwrap();
        assert!(!settings.gates.enabled && !settings.gates.take_over && settings.authority.grants.is_empty());
        let grant = "[[authority.grants]]\nfrom = \"team-*\"\nto = \"promoter\"\nwhat = [\"clusterScmProviders\"]";
        assert_eq!(load(grant).unwrap().authority.grants[0].what, [GrantedThing::ClusterScmProviders]);
        assert!(load(&grant.replace("clusterScm", "all")).is_err());
    }
    #[test]
    fn people_log_in_at_an_issuer_that_nobody_can_listen_to() {
        let issuer = |url: &str| load(&format!("[auth]\nissuer = \"{url}\""));
        assert!(issuer("https://id.example.com/realms/x").is_ok() && issuer("http://127.0.0.1:5556/dex").is_ok());
        for wrong in ["http://id.example.com", "id.example.com", "ftp://id.example.com"] {
            assert!(matches!(issuer(wrong), Err(Error::Auth(auth::Error::Issuer(_)))), "{wrong}");
        }
        assert!(load("[server]\nexternalUrl = \"https://x/\"").unwrap_err().to_string().contains("server.externalUrl"));
        assert!(load("[auth]\nmode = \"off\"").is_err());
    }
}
