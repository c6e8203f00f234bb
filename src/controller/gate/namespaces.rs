//! Labels and annotations of namespaces, read by name when a gate of one is looked at and kept for a few seconds.

use super::lock;
use crate::gate::web_request::NamespaceMetadata;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long what was read counts as new.
const FRESH: Duration = Duration::from_secs(5);

/// Reads namespaces.
pub(super) struct Namespaces {
    client: kube::Client,
    known: Mutex<HashMap<String, (Instant, NamespaceMetadata)>>,
}

impl Namespaces {
    /// Reads with this client.
    pub fn new(client: kube::Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// What templates see of a namespace; nothing of one that is gone.
    ///
    /// # Errors
    /// The API server's.
    pub async fn get(&self, name: &str) -> Result<NamespaceMetadata, kube::Error> {
        {
            let mut known = lock(&self.known);
            known.retain(|_, (at, _)| at.elapsed() < FRESH);
            if let Some((_, metadata)) = known.get(name) {
                return Ok(metadata.clone());
            }
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        let found = api.get_opt(name).await?.map(|namespace| namespace.metadata).unwrap_or_default();
        let metadata = NamespaceMetadata {
            labels: found.labels.unwrap_or_default(),
            annotations: found.annotations.unwrap_or_default(),
        };
        lock(&self.known).insert(name.to_owned(), (Instant::now(), metadata.clone()));
        Ok(metadata)
    }
}
