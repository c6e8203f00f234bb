//! From settings to an open store: which one, where, with which keys. Opens nothing itself.

use super::postgres::{PostgresOptions, PostgresStore};
use super::seal::Keys;
use super::sqlite::{SqliteOptions, SqliteStore};
use super::store::{Error, Store};
use crate::settings;
use secrecy::ExposeSecret as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Opens the store that the settings name.
///
/// # Errors
/// Settings that do not go together, keys that cannot be read, and what the store says.
pub async fn open(settings: &settings::Store) -> Result<Arc<dyn Store>, Error> {
    let keys = Arc::new(keys(settings)?);
    let url = settings.url.expose_secret();
    match (url.is_empty(), settings.path.is_empty()) {
        (false, false) => Err(Error::Settings(
            "store.path and store.url are both set; keep store.url for PostgreSQL or store.path for SQLite".to_owned(),
        )),
        (false, true) => Ok(Arc::new(PostgresStore::open(url, postgres(settings, keys)).await?)),
        (true, false) => {
            let reserve_bytes = settings.reserve.saturating_mul(1 << 20);
            let options = SqliteOptions { reserve_bytes, keys, long_log: true, ..SqliteOptions::default() };
            Ok(Arc::new(SqliteStore::open_with(Path::new(&settings.path), options).await?))
        }
        (true, true) => {
            tracing::warn!(
                "store.path and store.url are empty: deliveries are kept in memory and do not outlive this process"
            );
            Ok(Arc::new(SqliteStore::in_memory_with(keys).await?))
        }
    }
}

/// Host and port of the store, where it is a server that is reached over the network.
#[must_use]
pub fn server(settings: &settings::Store) -> Option<(String, u16)> {
    super::postgres::server(settings.url.expose_secret())
}

fn postgres(settings: &settings::Store, keys: Arc<Keys>) -> PostgresOptions {
    let ca_file = (!settings.ca_file.is_empty()).then(|| settings.ca_file.clone().into());
    let lease = Duration::from_secs(settings.lease.max(1));
    PostgresOptions { schema: settings.schema.clone(), ca_file, lease, keys, ..PostgresOptions::default() }
}

fn keys(settings: &settings::Store) -> Result<Keys, Error> {
    let (file, given) = (&settings.encryption_key_file, settings.encryption_keys.expose_secret());
    if !file.is_empty() && !given.is_empty() {
        return Err(Error::Settings(
            "store.encryptionKeyFile and store.encryptionKeys are both set; keep one".to_owned(),
        ));
    }
    if file.is_empty() {
        return Keys::parse(given).map_err(|error| Error::Settings(format!("store.encryptionKeys: {error}")));
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::Settings(format!("failed to read store.encryptionKeyFile {file}: {error}")))?;
    let keys =
        Keys::parse(&text).map_err(|error| Error::Settings(format!("store.encryptionKeyFile {file}: {error}")))?;
    if !keys.encrypts() {
        return Err(Error::Settings(format!("store.encryptionKeyFile {file} holds no key")));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::outbox::seal::tests::line;

    fn settings() -> settings::Store {
        settings::Settings::load(None).unwrap().store
    }

    async fn refusal(settings: &settings::Store) -> String {
        open(settings).await.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn what_does_not_go_together_is_refused_without_showing_secrets() {
        let url = "postgres://me:hunter2@127.0.0.1/x";
        let both = settings::Store { url: url.into(), path: "x.db".into(), ..settings() };
        assert!(refusal(&both).await.contains("both set"));
        let keys = settings::Store { encryption_keys: "k1 hunter2".into(), ..settings() };
        assert!(refusal(&keys).await.contains("store.encryptionKeys: "));
        for text in [refusal(&keys).await, refusal(&both).await, format!("{both:?}{keys:?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn the_stores_host_is_known() {
        let at = |url: &str| server(&settings::Store { url: url.into(), ..settings() });
        assert_eq!(at(""), None);
        assert_eq!(at("postgres://me:pw@db.example:6543/x"), Some(("db.example".into(), 6543)));
        assert_eq!(at("postgres://me@%2Fvar%2Frun/x"), None, "a socket");
    }

    #[tokio::test]
    async fn a_file_of_keys_is_read_and_an_empty_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let named = settings::Store { encryption_key_file: path.display().to_string(), ..settings() };
        assert!(refusal(&named).await.contains("failed to read store.encryptionKeyFile"));
        std::fs::write(&path, "# none yet\n").unwrap();
        assert!(refusal(&named).await.contains("holds no key"));
        std::fs::write(&path, line("k1", 1)).unwrap();
        open(&named).await.unwrap().close().await;
    }
}
