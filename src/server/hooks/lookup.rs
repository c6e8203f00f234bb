//! The keys of a gate: the Secret that its annotation names, of its own namespace.
//!
//! What was found, or not, is kept for a few seconds, so that a flood of requests does not become one of reads.

use crate::controller::gate::ask::{Data, Objects};
use async_trait::async_trait;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Annotation of a gate that names the Secret with its keys.
pub const ANNOTATION: &str = "gatepost.dev/hook-secret";
/// How long what was found is believed; a rotated key works after it.
const KEPT: Duration = Duration::from_secs(10);
/// Gates that are kept.
const MOST: usize = 4096;
/// Read where there is no gate, so that it takes as long as where there is one.
const NO_SUCH_SECRET: &str = "gatepost-no-such-hook-secret";

/// Reads annotations of gates.
#[async_trait]
pub trait Annotations: Send + Sync {
    /// The value of [`ANNOTATION`] of a gate; `None` where there is no gate or no annotation.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn hook_secret(&self, namespace: &str, name: &str) -> Result<Option<String>, String>;
}

/// What was found, and until when it is believed.
type Kept = (Arc<Data>, Instant);

/// Finds keys.
pub struct Lookup {
    annotations: Arc<dyn Annotations>,
    objects: Arc<dyn Objects>,
    known: Mutex<HashMap<(String, String), Kept>>,
}

impl Lookup {
    /// Reads annotations and Secrets there.
    #[must_use]
    pub fn new(annotations: Arc<dyn Annotations>, objects: Arc<dyn Objects>) -> Self {
        Self { annotations, objects, known: Mutex::default() }
    }

    /// The keys of a gate; none where there is no gate, no annotation or no Secret.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub(super) async fn keys(&self, namespace: &str, name: &str) -> Result<Arc<Data>, String> {
        let (id, now) = ((namespace.to_owned(), name.to_owned()), Instant::now());
        if let Some(found) = self.kept(&id, now) {
            return Ok(found);
        }
        let secret = self.annotations.hook_secret(namespace, name).await?;
        let found = match secret {
            Some(secret) => self.objects.secret(namespace, &secret).await?.unwrap_or_default(),
            None => {
                drop(self.objects.secret(namespace, NO_SUCH_SECRET).await);
                Data::new()
            }
        };
        let found = Arc::new(found);
        self.keep(id, Arc::clone(&found), now);
        Ok(found)
    }

    fn kept(&self, id: &(String, String), now: Instant) -> Option<Arc<Data>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).filter(|(_, until)| *until > now).map(|(found, _)| Arc::clone(found))
    }

    fn keep(&self, id: (String, String), found: Arc<Data>, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (_, until)| *until > now);
            if known.len() >= MOST {
                known.clear();
            }
        }
        known.insert(id, (found, now + KEPT));
    }
}

/// Reads annotations of WebRequestCommitStatuses from the API server, one by one.
pub struct Gates {
    client: kube::Client,
}

impl Gates {
    /// Reads with this client.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Annotations for Gates {
    async fn hook_secret(&self, namespace: &str, name: &str) -> Result<Option<String>, String> {
        let gvk = GroupVersionKind::gvk("promoter.argoproj.io", "v1alpha1", "WebRequestCommitStatus");
        let resource = ApiResource::from_gvk_with_plural(&gvk, "webrequestcommitstatuses");
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let found = api.get_metadata_opt(name).await.map_err(|error| error.to_string())?;
        Ok(found.and_then(|gate| gate.metadata.annotations?.remove(ANNOTATION)))
    }
}
