//! Settings: defaults, then a file, then the environment. Every key is documented in `config/gatepost.toml`, which *is* the defaults.

use serde::Deserialize;
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
    /// The store.
    pub store: Store,
    /// Deliveries.
    pub delivery: Delivery,
    /// The egress guard.
    pub egress: Egress,
    /// Templates.
    pub templates: Templates,
    /// Backstage.
    pub backstage: Backstage,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Metrics and health.
    pub metrics: SocketAddr,
    /// API and dashboard.
    pub api: SocketAddr,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// SQLite file; empty for memory.
    pub path: String,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Delivery {
    /// Seconds.
    pub give_up_after: u64,
    /// The JSON rule.
    pub json: Json,
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

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source could not be read or a value has the wrong form.
    #[error("failed to read the settings: {0}; config/gatepost.toml documents every key")]
    Read(#[from] config::ConfigError),
    /// The API has no authentication yet.
    #[error(
        "server.api = \"{0}\" is refused: the API has no authentication yet, so it listens on loopback only; use 127.0.0.1:<port> and a port-forward"
    )]
    Exposed(SocketAddr),
}

impl Settings {
    /// Reads defaults, the file if one is named, and `GATEPOST_…` variables.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong form, an exposed API.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut builder =
            config::Config::builder().add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file));
        }
        let environment = config::Environment::with_prefix("GATEPOST").prefix_separator("_").separator("__");
        let environment = environment
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("egress.allow")
            .with_list_parse_key("egress.deny");
        let settings: Self = builder.add_source(environment).build()?.try_deserialize()?;
        match settings.server.api.ip().is_loopback() {
            true => Ok(settings),
            false => Err(Error::Exposed(settings.server.api)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_exposed_api_is_refused() {
        assert!(matches!(load("[server]\napi = \"0.0.0.0:8080\""), Err(Error::Exposed(_))));
    }
}
