//! What services remember from one delivery to the next, such as the first message of a thread: in the store, each value
//! with the time it was last used, and forgotten a month after that.
//!
//! Never here: what is remembered, and under which keys; `crate::service` says that.

use crate::notify::ServiceConfig;
use crate::outbox::{self, Claimed, Store};
use crate::service;
use std::collections::BTreeMap;

/// Where memories lie among the store's values.
const PREFIX: &str = "memory/";
/// How long a memory is kept that nothing uses.
const UNUSED_MAX_MS: i64 = 30 * 24 * 60 * 60 * 1000;

fn name(service: &ServiceConfig, key: &str) -> String {
    format!("{PREFIX}{}/{}/{key}", service.namespace, service.name)
}

/// What earlier deliveries left for this one.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn recall(
    store: &dyn Store,
    service: &ServiceConfig,
    claimed: &Claimed,
) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    for key in service::memories(service, &claimed.payload, &claimed.delivery.occurrence) {
        let bytes = store.value(&name(service, &key)).await.map_err(|error| error.to_string())?;
        if let Some(value) = bytes.and_then(|bytes| without_time(&bytes)) {
            out.insert(key, value);
        }
    }
    Ok(out)
}

/// Keeps what a delivery leaves. What cannot be kept costs a later delivery its thread, not this one.
pub(super) async fn keep(store: &dyn Store, service: &ServiceConfig, values: Vec<(String, String)>, now_ms: i64) {
    for (key, value) in values {
        if let Err(error) = store.set_value(&name(service, &key), with_time(&value, now_ms)).await {
            tracing::warn!(service = service.name, error = %error, "failed to remember what later notifications refer to");
        }
    }
}

/// Forgets what nothing has used for a month; returns how much.
///
/// # Errors
/// The store cannot be written.
pub async fn forget_unused(store: &dyn Store, now_ms: i64) -> Result<u64, outbox::Error> {
    store.forget_values(PREFIX, now_ms.saturating_sub(UNUSED_MAX_MS)).await
}

pub(super) fn with_time(value: &str, now_ms: i64) -> Vec<u8> {
    format!("{now_ms} {value}").into_bytes()
}

pub(super) fn without_time(bytes: &[u8]) -> Option<String> {
    let (_, value) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn service() -> ServiceConfig {
        let options = serde_json::Value::Null;
        ServiceConfig { namespace: "ns".into(), name: "s".into(), kind: "k".into(), options, digest: String::new() }
    }

    #[tokio::test]
    async fn a_memory_lasts_a_month_after_its_last_use() {
        let store = outbox::SqliteStore::in_memory().await.unwrap();
        let (service, now_ms) = (service(), 1_800_000_000_000);
        keep(&store, &service, vec![("a".into(), "old one".into()), ("b".into(), "x".into())], now_ms).await;
        let kept = store.value("memory/ns/s/a").await.unwrap().unwrap();
        assert_eq!(without_time(&kept).unwrap(), "old one");
        keep(&store, &service, vec![("b".into(), "y".into())], now_ms + 1).await;
        assert_eq!(forget_unused(&store, now_ms + UNUSED_MAX_MS).await.unwrap(), 0);
        assert_eq!(forget_unused(&store, now_ms + UNUSED_MAX_MS + 1).await.unwrap(), 1);
        assert!(store.value("memory/ns/s/a").await.unwrap().is_none());
        assert!(store.value("memory/ns/s/b").await.unwrap().is_some());
    }
}
