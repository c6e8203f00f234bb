//! Keeps the ring of keys: in one Secret that is made by create-only, or in the process where there is no cluster.

use super::keys::Ring;
use crate::clock;
use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Name of the Secret.
pub const SECRET: &str = "gatepost-callback-keys";
/// Its key.
const KEY: &str = "ring.json";
/// Pause between two looks at it: well under the time that a key is published before its use.
pub const PAUSE: Duration = Duration::from_secs(60);

/// Where a ring lies.
#[async_trait]
pub trait Home: Send + Sync + 'static {
    /// The ring, and what is to be given back to replace it.
    async fn read(&self) -> Result<Option<(Ring, String)>, String>;
    /// Makes it; false: it is there already.
    async fn create(&self, ring: &Ring) -> Result<bool, String>;
    /// Replaces the one that was read; false: another one is there now.
    async fn replace(&self, ring: &Ring, version: &str) -> Result<bool, String>;
}

/// The ring in use.
pub struct RingKeeper {
    home: Box<dyn Home>,
    ring: RwLock<Arc<Ring>>,
}

impl RingKeeper {
    /// A keeper without keys yet; [`RingKeeper::tend`] reads or makes them.
    #[must_use]
    pub fn new(home: Box<dyn Home>) -> Self {
        Self { home, ring: RwLock::default() }
    }

    /// The ring of now.
    #[must_use]
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the ring, and makes or rotates keys where it is time.
    ///
    /// # Errors
    /// It cannot be read or written; the one in use stays.
    pub async fn tend(&self) -> Result<(), String> {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            let held = self.home.read().await?;
            let (ring, version) = held.map_or((Ring::default(), None), |(ring, version)| (ring, Some(version)));
            let tended = ring.tended(clock::now().millis()).map_err(|error| error.to_string())?;
            let done = match (&tended, &version) {
                (None, _) => true,
                (Some(next), None) => self.home.create(next).await?,
                (Some(next), Some(version)) => self.home.replace(next, version).await?,
            };
            if done {
                *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tended.unwrap_or(ring));
                return Ok(());
            }
        }
        Err(format!("others changed it {TRIES} times in a row"))
    }

    /// Tends the ring until it is dropped.
    pub async fn run(self: Arc<Self>) {
        loop {
            let pause = match self.tend().await {
                Ok(()) => PAUSE,
                Err(cause) => {
                    tracing::warn!(cause, "failed to keep the keys of callbacks; those in use stay");
                    PAUSE / 10
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// In the process only.
#[derive(Default)]
pub struct Nowhere(std::sync::Mutex<Option<Ring>>);

#[async_trait]
impl Home for Nowhere {
    async fn read(&self) -> Result<Option<(Ring, String)>, String> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map(|ring| (ring, String::new())))
    }

    async fn create(&self, ring: &Ring) -> Result<bool, String> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ring.clone());
        Ok(true)
    }

    async fn replace(&self, ring: &Ring, _: &str) -> Result<bool, String> {
        self.create(ring).await
    }
}

/// In a Secret of Gatepost's namespace.
pub struct InSecret {
    api: Api<Secret>,
}

impl InSecret {
    /// In this namespace.
    #[must_use]
    pub fn new(client: kube::Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    fn secret(ring: &Ring, version: Option<&str>) -> Result<Secret, String> {
        let text = serde_json::to_vec(ring).map_err(|error| error.to_string())?;
        let mut secret =
            Secret { data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(text))])), ..Secret::default() };
        secret.metadata.name = Some(SECRET.to_owned());
        secret.metadata.resource_version = version.map(str::to_owned);
        secret.metadata.labels =
            Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "gatepost".to_owned())]));
        Ok(secret)
    }
}

/// True: done. False: somebody else was quicker.
fn settled(result: Result<Secret, kube::Error>) -> Result<bool, String> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(format!("failed to write the Secret {SECRET}: {error}")),
    }
}

#[async_trait]
impl Home for InSecret {
    async fn read(&self) -> Result<Option<(Ring, String)>, String> {
        let found = self.api.get_opt(SECRET).await;
        let Some(secret) = found.map_err(|error| format!("failed to read the Secret {SECRET}: {error}"))? else {
            return Ok(None);
        };
        let text = secret.data.as_ref().and_then(|data| data.get(KEY)).ok_or_else(|| {
            format!("the Secret {SECRET} has no key {KEY}; delete it, and it is made anew: tokens that are out are void then")
        })?;
        let ring = serde_json::from_slice(&text.0)
            .map_err(|_| format!("the key {KEY} of the Secret {SECRET} cannot be read; delete the Secret"))?;
        Ok(Some((ring, secret.metadata.resource_version.unwrap_or_default())))
    }

    async fn create(&self, ring: &Ring) -> Result<bool, String> {
        settled(self.api.create(&PostParams::default(), &Self::secret(ring, None)?).await)
    }

    async fn replace(&self, ring: &Ring, version: &str) -> Result<bool, String> {
        settled(self.api.replace(SECRET, &PostParams::default(), &Self::secret(ring, Some(version))?).await)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[tokio::test]
    async fn keys_are_made_once_and_kept() {
        let keeper = RingKeeper::new(Box::new(Nowhere::default()));
        assert_eq!(*keeper.ring(), Ring::default());
        keeper.tend().await.unwrap();
        let first = keeper.ring();
        keeper.tend().await.unwrap();
        assert_eq!((first.run_keys().len(), *keeper.ring() == *first), (1, true));
    }
}
