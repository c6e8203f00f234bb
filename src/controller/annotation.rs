//! The projector: what was delivered is written into the Application's `notified…` annotation, once it is durable.
//!
//! Written for the Go controller's sake and for store loss. No other annotation is ever written, at most one patch an
//! Application is in flight, and a patch that would overwrite somebody's edit fails its test and is made again.

use super::relay::{Found, Relay, Sightings};
use crate::failpoint;
use crate::notify::{KeyState, ObjectId, history};
use crate::outbox::{Change, Error as StoreError, Store, store::OwedAnnotation};
use crate::source::{Object, kubernetes};
use crate::telemetry::Metrics;
use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use kube::api::{Api, Patch, PatchParams};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Applications patched at once.
const PARALLEL: usize = 8;
/// Owed Applications looked at in one round.
const ROUND: usize = 256;
/// How often owed patches are looked for without being woken.
const BEAT: Duration = Duration::from_secs(5);
/// So many owed Applications are a burst: its annotations wait for its notifications, which people wait for.
const BURST: usize = 16;
/// Nothing was decided or delivered for so long: the burst is over.
const CALM: Duration = Duration::from_millis(200);
/// How long annotations wait for calm at most.
const BURST_MAX: Duration = Duration::from_secs(5);
/// Tries of one patch whose test failed.
const TRIES: usize = 4;

/// Why a patch was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error("failed to read what is owed: {0}")]
    Store(#[from] StoreError),
    /// The API server.
    #[error("failed to patch the annotation of Application {object}: {source}")]
    Patch {
        /// Which.
        object: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The annotation changed under every try.
    #[error("failed to patch the annotation of Application {0}: it changed at each of {TRIES} tries")]
    Contended(String),
}

/// Makes the owed projections come true.
#[async_trait]
pub trait Annotator: Send + Sync + 'static {
    /// Brings one object's annotation in line; the result says what is now in it.
    async fn annotate(&self, object: &ObjectId, states: &BTreeMap<String, KeyState>) -> Result<Annotated, Error>;

    /// What was written is on record in the store.
    fn recorded(&self, object: &ObjectId);
}

/// What became of one projection.
#[derive(Debug, Clone)]
pub enum Annotated {
    /// The annotation is in line; resourceVersion of the object with it.
    At(String),
    /// Nothing was written: these keys do not fit and have to be cut in the store first.
    Cut(Vec<String>),
}

/// Files mode: manifests are never written.
#[derive(Debug, Default)]
pub struct NoAnnotations;

#[async_trait]
impl Annotator for NoAnnotations {
    async fn annotate(&self, _: &ObjectId, _: &BTreeMap<String, KeyState>) -> Result<Annotated, Error> {
        // Else they would be owed for ever.
        Ok(Annotated::At(history::NOWHERE.into()))
    }

    fn recorded(&self, _: &ObjectId) {}
}

/// Annotates Applications on an API server.
pub struct KubernetesAnnotator {
    client: kube::Client,
    sightings: Arc<Sightings>,
}

impl KubernetesAnnotator {
    /// An annotator with this client; `sightings` are told of each patch before it is made, so that its echo is known.
    #[must_use]
    pub fn new(client: kube::Client, sightings: Arc<Sightings>) -> Self {
        Self { client, sightings }
    }

    async fn once(
        &self,
        api: &Api<Object>,
        object: &ObjectId,
        states: &BTreeMap<String, KeyState>,
        max: usize,
        found: Option<Found>,
    ) -> Result<Annotated, kube::Error> {
        let current = if found.is_some() { found } else { read(api, object).await? };
        let Some(Found { annotation: old, version }) = current else {
            return Ok(Annotated::At(String::new()));
        };
        let found = old.as_deref().map(history::parse).unwrap_or_default();
        let projection = history::project_bounded(states, &found, max);
        // Cut in the store first: the patch is seen by the watch at once, and a key that is only annotated and missing asks for a resend.
        if !projection.truncated.is_empty() {
            return Ok(Annotated::Cut(projection.truncated));
        }
        let text = projection.text.as_deref();
        if text.map(history::parse).unwrap_or_default() == found {
            return Ok(Annotated::At(version));
        }
        let parameters = PatchParams { field_manager: Some("gatepost".into()), ..PatchParams::default() };
        self.sightings.expect(&object.uid, text);
        let patch = match &old {
            Some(old) => Patch::Json(replacement(object, old, text)),
            None => Patch::Merge(addition(object, &version, text)),
        };
        let patched = api.patch_metadata(&object.name, &parameters, &patch).await?;
        Ok(Annotated::At(patched.metadata.resource_version.unwrap_or_default()))
    }
}

/// The annotation as it is now; `None` where the Application is gone.
async fn read(api: &Api<Object>, object: &ObjectId) -> Result<Option<Found>, kube::Error> {
    let current = api.get_metadata_opt(&object.name).await?.map(|current| current.metadata);
    let current = current.filter(|metadata| metadata.uid.as_deref() == Some(&object.uid));
    Ok(current.map(|metadata| Found {
        annotation: metadata.annotations.and_then(|mut all| all.remove(history::ANNOTATION)),
        version: metadata.resource_version.unwrap_or_default(),
    }))
}

/// Tests identity and the old value, so that an edit made meanwhile fails the patch.
fn replacement(object: &ObjectId, old: &str, text: Option<&str>) -> json_patch::Patch {
    let path = format!("/metadata/annotations/{}", history::ANNOTATION);
    let mut operations = vec![
        serde_json::json!({"op": "test", "path": "/metadata/uid", "value": object.uid}),
        serde_json::json!({"op": "test", "path": path, "value": old}),
    ];
    operations.push(match text {
        Some(text) => serde_json::json!({"op": "replace", "path": path, "value": text}),
        None => serde_json::json!({"op": "remove", "path": path}),
    });
    serde_json::from_value(serde_json::Value::Array(operations)).unwrap_or_default()
}

/// The same where there is no value to test.
fn addition(object: &ObjectId, version: &str, text: Option<&str>) -> serde_json::Value {
    serde_json::json!({"metadata": {
        "uid": object.uid,
        "resourceVersion": version,
        "annotations": {history::ANNOTATION: text},
    }})
}

#[async_trait]
impl Annotator for KubernetesAnnotator {
    async fn annotate(&self, object: &ObjectId, states: &BTreeMap<String, KeyState>) -> Result<Annotated, Error> {
        let api: Api<Object> = Api::namespaced_with(self.client.clone(), &object.namespace, &kubernetes::application());
        let shown = format!("{}/{}", object.namespace, object.name);
        let mut max = history::MAX_KEYS;
        let mut found = self.sightings.take_found(&object.uid);
        for _ in 0..TRIES {
            let remembered = found.is_some();
            match self.once(&api, object, states, max, found.take()).await {
                Ok(done) => return Ok(done),
                // 422 also answers a failed `test`; fewer keys help where the annotations are too large.
                Err(kube::Error::Api(status)) if status.code == 422 => {
                    max = if status.message.contains("Too long") { max / 2 } else { max }
                }
                Err(kube::Error::Api(status)) if status.code == 409 || (status.code == 404 && remembered) => {}
                Err(source) => return Err(Error::Patch { object: shown, source: Box::new(source) }),
            }
        }
        Err(Error::Contended(shown))
    }

    fn recorded(&self, object: &ObjectId) {
        self.sightings.recorded(&object.uid);
    }
}

/// Works off what is owed, also after a restart.
pub struct Projector {
    store: Arc<dyn Store>,
    annotator: Arc<dyn Annotator>,
    metrics: Arc<Metrics>,
    woken: Arc<Notify>,
}

impl Projector {
    /// A projector that looks when `woken` is notified, and on its own beat.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        annotator: Arc<dyn Annotator>,
        metrics: Arc<Metrics>,
        woken: Arc<Notify>,
    ) -> Self {
        Self { store, annotator, metrics, woken }
    }

    /// A projector for Applications on an API server.
    #[must_use]
    pub fn for_cluster(relay: &Relay, client: kube::Client) -> Self {
        let annotator = KubernetesAnnotator::new(client, Arc::clone(relay.sightings()));
        let (store, metrics) = (Arc::clone(relay.store()), Arc::clone(relay.metrics()));
        Self::new(store, Arc::new(annotator), metrics, Arc::clone(&relay.owed))
    }

    /// Runs until the process stops.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            let progressed = self.round().await;
            if progressed {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.woken.notified() => {}
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    /// One round; whether anything got better.
    async fn round(&self) -> bool {
        let mut owed = self.owed().await;
        if owed.len() >= BURST {
            self.calm().await;
            owed = self.owed().await;
        }
        let done = stream::iter(owed).map(|owed| self.settle(owed)).buffer_unordered(PARALLEL);
        done.fold(false, |any, ok| async move { any || ok }).await
    }

    async fn owed(&self) -> Vec<OwedAnnotation> {
        self.store.owed_annotations(ROUND).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "failed to read which annotations are owed");
            Vec::new()
        })
    }

    /// Returns when nobody has woken us for a while: patches would take the API server's time from the changes that come from it.
    async fn calm(&self) {
        let calm = async { while tokio::time::timeout(CALM, self.woken.notified()).await.is_ok() {} };
        // Too long is over as well.
        let _ = tokio::time::timeout(BURST_MAX, calm).await;
    }

    async fn settle(&self, owed: OwedAnnotation) -> bool {
        match self.project(&owed).await {
            Ok(()) => {
                self.metrics.annotation_patches.with_label_values(&["written"]).inc();
                true
            }
            Err(error) => {
                self.metrics.annotation_patches.with_label_values(&["failed"]).inc();
                tracing::warn!(error = %error, "the annotation stays owed");
                false
            }
        }
    }

    async fn project(&self, owed: &OwedAnnotation) -> Result<(), Error> {
        failpoint::pass("annotation.owed");
        let states = self.store.states(&owed.object.uid).await?;
        let done = self.annotator.annotate(&owed.object, &states).await?;
        failpoint::pass("annotation.patched");
        let change = match done {
            Annotated::Cut(state_keys) => Change::Truncated { state_keys },
            Annotated::At(resource_version) => Change::Annotated {
                state_keys: owed.set.iter().map(|(key, _)| key.clone()).collect(),
                removed: owed.remove.clone(),
                resource_version,
            },
        };
        self.store.commit(&owed.object, vec![change], crate::clock::now().millis()).await?;
        failpoint::pass("annotation.recorded");
        self.annotator.recorded(&owed.object);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::Phase;
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value as Json, json};
    use std::sync::Mutex;

    const OURS: &str = "default::t:[0].x:hook:";

    /// What the API server was asked, and how it answers a patch, in order.
    #[derive(Default)]
    struct Server {
        asked: Mutex<Vec<(String, Json)>>,
        refusals: Mutex<Vec<u16>>,
        gone: bool,
    }

    impl Server {
        fn answer(&self, method: &str, asked: Json) -> Response<Body> {
            self.asked.lock().unwrap().push((method.to_owned(), asked));
            let refused = (method == "PATCH").then(|| self.refusals.lock().unwrap().pop()).flatten();
            let status = refused.unwrap_or(if self.gone { 404 } else { 200 });
            let body = match status {
                200 => json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {
                    "name": "app", "uid": "u", "resourceVersion": "9", "annotations": {history::ANNOTATION: "{\"theirs\":1}"}}}),
                404 => {
                    json!({"kind": "Status", "status": "Failure", "code": 404, "message": "no", "reason": "NotFound"})
                }
                code => json!({"kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": ""}),
            };
            Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).unwrap()
        }
        fn methods(&self) -> Vec<String> {
            self.asked.lock().unwrap().iter().map(|(method, _)| method.clone()).collect()
        }
    }

    fn id() -> ObjectId {
        ObjectId { namespace: "argocd".into(), name: "app".into(), uid: "u".into() }
    }

    /// An Application as a look found it.
    fn object(annotation: Option<&str>) -> Object {
        let annotations = annotation.map(|text| json!({history::ANNOTATION: text}));
        let object = json!({"metadata": {"name": "app", "namespace": "argocd", "uid": "u", "resourceVersion": "7", "annotations": annotations}});
        serde_json::from_value(object).unwrap()
    }

    async fn annotate(server: Server, seen: Option<&Object>) -> (Arc<Server>, Annotated) {
        let (server, sightings) = (Arc::new(server), Arc::new(Sightings::default()));
        let asked = Arc::clone(&server);
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = Arc::clone(&asked);
            async move {
                let method = request.method().to_string();
                let body = request.into_body().collect_bytes().await.unwrap();
                Ok::<_, std::convert::Infallible>(
                    server.answer(&method, serde_json::from_slice(&body).unwrap_or_default()),
                )
            }
        });
        let annotator = KubernetesAnnotator::new(kube::Client::new(service, "argocd"), Arc::clone(&sightings));
        seen.into_iter().for_each(|seen| sightings.found(seen));
        let state = KeyState { armed: true, arming: 1, phase: Phase::Delivered { at: 5 } };
        let done = annotator.annotate(&id(), &BTreeMap::from([(OURS.to_owned(), state)])).await.unwrap();
        (server, done)
    }

    #[tokio::test]
    async fn what_the_look_found_is_not_read_again() {
        let (server, done) = annotate(Server::default(), Some(&object(Some("{\"theirs\":1}")))).await;
        assert!(matches!(done, Annotated::At(version) if version == "9"));
        assert_eq!(server.methods(), ["PATCH"]);
        let asked = server.asked.lock().unwrap()[0].1.clone();
        assert_eq!(asked[1]["value"], json!("{\"theirs\":1}"), "it tests what it was made of");
        let written: Json = serde_json::from_str(asked[2]["value"].as_str().unwrap()).unwrap();
        assert_eq!(written, json!({"theirs": 1, OURS: 5}));
    }

    #[tokio::test]
    async fn an_object_without_annotation_is_patched_at_its_version_only() {
        let (server, _) = annotate(Server::default(), Some(&object(None))).await;
        assert_eq!(server.methods(), ["PATCH"]);
        assert_eq!(server.asked.lock().unwrap()[0].1["metadata"]["resourceVersion"], json!("7"));
    }

    #[tokio::test]
    async fn what_somebody_changed_meanwhile_is_read_and_kept() {
        for refusal in [409, 422] {
            let server = Server { refusals: Mutex::new(vec![refusal]), ..Server::default() };
            let (server, done) = annotate(server, Some(&object(None))).await;
            assert!(matches!(done, Annotated::At(version) if version == "9"));
            assert_eq!(server.methods(), ["PATCH", "GET", "PATCH"]);
            let written = server.asked.lock().unwrap()[2].1[2]["value"].as_str().unwrap().to_owned();
            assert!(written.contains("\"theirs\":1") && written.contains(OURS), "{written}");
        }
    }

    #[tokio::test]
    async fn an_application_that_is_gone_is_owed_nothing() {
        let (server, done) = annotate(Server { gone: true, ..Server::default() }, Some(&object(None))).await;
        assert!(matches!(done, Annotated::At(version) if version.is_empty()));
        assert_eq!(server.methods(), ["PATCH", "GET"]);
    }

    #[tokio::test]
    async fn what_no_look_found_is_read() {
        let (server, _) = annotate(Server::default(), None).await;
        assert_eq!(server.methods(), ["GET", "PATCH"]);
    }
}
