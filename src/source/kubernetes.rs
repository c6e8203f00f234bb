//! A Kubernetes API server as the source: streamed lists in pages, then watches. Nothing is cached here.
//!
//! ConfigMap, Secret and AppProjects come first, so that no Application is looked at before its configuration is known.

use super::{Cause, ConfigData, Error, Event, Namespaces, Object, SecretData};
use crate::telemetry::Metrics;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ApiResource, ListParams};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::MissedTickBehavior;

/// Objects in one page of a list: small pages keep the peak of memory low.
const PAGE: u32 = 50;
/// How often it is looked whether a CRD was installed.
const CRD_PAUSE: Duration = Duration::from_secs(10);
/// Pause before a watch that is not allowed is tried again: somebody may have given the right.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(300);
/// First pause before that question is asked again, where it had no answer.
const ASK_PAUSE: Duration = Duration::from_millis(100);
/// Applications that a list of all of them reads in a second, so that a changed configuration is no burst for the API server.
const RELISTED_PER_SECOND: u32 = 1_000;

/// What to watch.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The controller's namespace and the Applications' namespaces.
    pub namespaces: Namespaces,
    /// Name of the ConfigMap.
    pub config_map: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the `NotificationsConfiguration`.
    pub resource: String,
    /// Label selector for Applications; empty for all.
    pub selector: String,
    /// Whether each namespace has a configuration of its own.
    pub self_service: bool,
    /// Whether AppProjects are those of the Applications' namespaces, as before Argo CD 3.5.7.
    pub projects_everywhere: bool,
}

/// The source. Cheap to clone.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    settings: Arc<Settings>,
    events: mpsc::Sender<Event>,
    metrics: Arc<Metrics>,
}

/// `argoproj.io/v1alpha1` Application.
#[must_use]
pub fn application() -> ApiResource {
    argoproj("Application", "applications")
}

/// A kind of Argo CD's, in the one version that it has.
#[must_use]
pub fn argoproj(kind: &str, plural: &str) -> ApiResource {
    v1alpha1("argoproj.io", kind, plural)
}

/// A kind in the version that Argo CD and the Promoter have all of theirs in.
#[must_use]
pub fn v1alpha1(group: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1alpha1", kind), plural)
}

impl Kubernetes {
    /// A source that sends to `events`.
    #[must_use]
    pub fn new(client: Client, settings: Settings, events: mpsc::Sender<Event>, metrics: Arc<Metrics>) -> Self {
        Self { client, settings: Arc::new(settings), events, metrics }
    }

    /// Watches until the receiver is gone. Failures of the API server are logged and tried again with back-off.
    ///
    /// # Errors
    /// [`Error::Closed`] only.
    pub async fn run(&self) -> Result<(), Error> {
        let ready = [Gate::default(), Gate::default(), Gate::default(), Gate::default()];
        let [resource_ready, config_ready, secret_ready, projects_ready] = &ready;
        let applications = async {
            for gate in &ready {
                gate.wait().await;
            }
            self.watch_applications().await
        };
        tokio::select! {
            end = self.watch_resource(resource_ready) => end,
            end = self.watch_config_map(config_ready) => end,
            end = self.watch_secret(secret_ready) => end,
            end = self.watch_projects(projects_ready) => end,
            end = applications => end,
        }
    }

    /// The operator's resource, where its CRD is; it may also be installed later.
    async fn watch_resource(&self, ready: &Gate) -> Result<(), Error> {
        let kind = argoproj("NotificationsConfiguration", "notificationsconfigurations");
        let mut told = false;
        // Without a name none is wanted.
        while self.settings.resource.is_empty() || !self.serves(&kind).await? {
            if !told {
                let namespace = self.settings.namespaces.own.clone();
                self.send(Event::Resource { namespace, resource: None }).await?;
                (told, _) = (true, ready.open());
            }
            tokio::time::sleep(CRD_PAUSE).await;
        }
        let event = |namespace: String, found: Option<Object>| {
            let resource = found.map(|object| super::resource(object.value()));
            Event::Resource { namespace, resource }
        };
        let client = self.client.clone();
        let api: Api<Object> = match self.everywhere() {
            true => Api::all_with(client, &kind),
            false => Api::namespaced_with(client, &self.settings.namespaces.own, &kind),
        };
        self.watch_named("NotificationsConfiguration", api, &self.settings.resource, ready, event).await
    }

    /// Whether the API server knows a kind. What is no answer is asked again at once, then with growing pauses.
    async fn serves(&self, kind: &ApiResource) -> Result<bool, Error> {
        let mut pause = ASK_PAUSE;
        loop {
            match self.client.list_api_group_resources(&kind.api_version).await {
                Ok(list) => return Ok(list.resources.iter().any(|resource| resource.name == kind.plural)),
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(false),
                Err(error) if self.events.is_closed() => {
                    tracing::debug!(error = %error, "stopping");
                    return Err(Error::Closed);
                }
                Err(error) => {
                    tracing::warn!(error = %error, kind = kind.kind, "failed to ask whether the API server serves a kind; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(CRD_PAUSE);
                }
            }
        }
    }

    async fn watch_config_map(&self, ready: &Gate) -> Result<(), Error> {
        let event = |namespace: String, found: Option<ConfigMap>| {
            let uid = found.as_ref().and_then(|c| c.metadata.uid.clone()).unwrap_or_default();
            let data = found.map(|c| c.data.unwrap_or_default().into_iter().collect::<ConfigData>());
            Event::ConfigMap { namespace, data, uid }
        };
        let client = self.client.clone();
        let api: Api<ConfigMap> = match self.everywhere() {
            true => Api::all(client),
            false => Api::namespaced(client, &self.settings.namespaces.own),
        };
        self.watch_named("ConfigMap", api, &self.settings.config_map, ready, event).await
    }

    async fn watch_secret(&self, ready: &Gate) -> Result<(), Error> {
        let event = |namespace: String, found: Option<Secret>| {
            let data = found.map(|s| s.data.unwrap_or_default());
            let data = data.map(|data| data.into_iter().map(|(k, v)| (k, v.0)).collect::<SecretData>());
            Event::Secret { namespace, data }
        };
        let client = self.client.clone();
        let api: Api<Secret> = match self.everywhere() {
            true => Api::all(client),
            false => Api::namespaced(client, &self.settings.namespaces.own),
        };
        self.watch_named("Secret", api, &self.settings.secret, ready, event).await
    }

    /// Whether named objects are looked for in all namespaces: with self-service.
    fn everywhere(&self) -> bool {
        self.settings.self_service && self.settings.namespaces.cluster_wide()
    }

    /// Watches the objects of one name: in the controller's namespace, or with self-service in all that are served. The
    /// absence of the controller's own is told as well, and last of what is there at the start.
    async fn watch_named<K>(
        &self,
        kind: &str,
        api: Api<K>,
        name: &str,
        ready: &Gate,
        event: impl Fn(String, Option<K>) -> Event,
    ) -> Result<(), Error>
    where
        K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
    {
        let namespaces = &self.settings.namespaces;
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut stream = watcher(api, config).default_backoff().boxed();
        let optional = kind == "NotificationsConfiguration";
        let (mut known, mut listed) = (BTreeSet::new(), BTreeMap::new());
        while let Some(next) = stream.next().await {
            self.heard(kind, next.is_ok());
            match next {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => {
                    let namespace = object.namespace().unwrap_or_default();
                    if namespaces.contains(&namespace) {
                        listed.insert(namespace, object);
                    }
                }
                Ok(watcher::Event::InitDone) => {
                    let gone = known.iter().filter(|name| !listed.contains_key(*name)).cloned().collect::<Vec<_>>();
                    known = listed.keys().cloned().collect();
                    let own = listed.remove(&namespaces.own);
                    for namespace in gone.into_iter().filter(|name| *name != namespaces.own) {
                        self.send(event(namespace, None)).await?;
                    }
                    for (namespace, object) in std::mem::take(&mut listed) {
                        self.send(event(namespace, Some(object))).await?;
                    }
                    self.send(event(namespaces.own.clone(), own)).await?;
                    ready.open();
                }
                Ok(watcher::Event::Apply(object)) => {
                    let namespace = object.namespace().unwrap_or_default();
                    if namespaces.contains(&namespace) {
                        known.insert(namespace.clone());
                        self.send(event(namespace, Some(object))).await?;
                    }
                }
                Ok(watcher::Event::Delete(object)) => {
                    let namespace = object.namespace().unwrap_or_default();
                    if known.remove(&namespace) {
                        self.send(event(namespace, None)).await?;
                    }
                }
                // Under the Argo CD controller's own Role only what every installation has may be read.
                Err(error) if is_forbidden(&error) && optional => {
                    if !ready.is_open() {
                        warn(name, &error);
                        self.send(event(namespaces.own.clone(), None)).await?;
                        ready.open();
                    }
                    // No watch that failed, but none at all.
                    drop(self.metrics.watch_connected.remove_label_values(&[kind]));
                    tokio::time::sleep(FORBIDDEN_PAUSE).await;
                }
                Err(error) => warn(name, &error),
            }
        }
        Err(Error::Closed)
    }

    async fn watch_projects(&self, ready: &Gate) -> Result<(), Error> {
        let resource = argoproj("AppProject", "appprojects");
        let namespaces = &self.settings.namespaces;
        let api: Api<Object> = match self.settings.projects_everywhere && namespaces.cluster_wide() {
            true => Api::all_with(self.client.clone(), &resource),
            false => Api::namespaced_with(self.client.clone(), &namespaces.own, &resource),
        };
        let mut stream = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff().boxed();
        while let Some(next) = stream.next().await {
            self.heard("AppProject", next.is_ok());
            match next {
                Ok(watcher::Event::Init) => {}
                Ok(watcher::Event::InitDone) => ready.open(),
                Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object))
                    if self.is_served(object.namespace()) =>
                {
                    self.send(Event::Project(object)).await?
                }
                Ok(watcher::Event::InitApply(_) | watcher::Event::Apply(_)) => {}
                Ok(watcher::Event::Delete(object)) => self.send(Event::ProjectDeleted(object)).await?,
                Err(error) => {
                    // Without the CRD or the right to read projects, Applications are still served.
                    warn("AppProjects", &error);
                    ready.open();
                }
            }
        }
        Err(Error::Closed)
    }

    async fn watch_applications(&self) -> Result<(), Error> {
        let config = watcher::Config::default().page_size(PAGE).labels(&self.settings.selector);
        let mut stream = watcher(self.applications(), config).default_backoff().boxed();
        let mut synced = false;
        while let Some(next) = stream.next().await {
            self.heard("Application", next.is_ok());
            match next {
                Ok(watcher::Event::Init) => self.send(Event::Listing).await?,
                Ok(watcher::Event::InitApply(object)) => {
                    let cause = if synced { Cause::Again } else { Cause::FirstList };
                    self.application(object, cause).await?
                }
                Ok(watcher::Event::Apply(object)) => self.application(object, Cause::Change).await?,
                Ok(watcher::Event::Delete(object)) if self.settings.namespaces.contains(object.namespace()) => {
                    self.send(Event::ApplicationDeleted(object)).await?;
                }
                Ok(watcher::Event::Delete(_)) => {}
                Ok(watcher::Event::InitDone) => {
                    synced = true;
                    self.send(Event::Synced).await?;
                }
                Err(error) => warn("Applications", &error),
            }
        }
        Err(Error::Closed)
    }

    /// Sends every Application again, page by page, at most [`RELISTED_PER_SECOND`]: after a change of configuration.
    ///
    /// # Errors
    /// The list failed, or the relay is stopping.
    pub async fn relist(&self) -> Result<usize, Error> {
        let mut parameters = ListParams::default().limit(PAGE).labels(&self.settings.selector);
        let mut pace = tokio::time::interval(Duration::from_secs(1) * PAGE / RELISTED_PER_SECOND);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sent = 0;
        loop {
            pace.tick().await;
            let page = self.applications().list(&parameters).await.map_err(|e| failed("list Applications", e))?;
            sent += page.items.len();
            self.progress(sent, page.metadata.remaining_item_count.unwrap_or_default());
            for object in page.items {
                self.application(object, Cause::Again).await?;
            }
            match page.metadata.continue_ {
                Some(token) if !token.is_empty() => parameters = parameters.continue_token(&token),
                _ => return Ok(sent),
            }
        }
    }

    fn progress(&self, seen: usize, remaining: i64) {
        self.metrics.relist.with_label_values(&["seen"]).set(i64::try_from(seen).unwrap_or(i64::MAX));
        self.metrics.relist.with_label_values(&["remaining"]).set(remaining);
    }

    /// Reads one Application and sends it, as if it had changed; nothing where it is gone.
    ///
    /// # Errors
    /// The API server's answer, or the relay is stopping.
    pub async fn refresh(&self, namespace: &str, name: &str) -> Result<(), Error> {
        match self.get(namespace, name).await? {
            Some(object) => self.application(object, Cause::Again).await,
            None => Ok(()),
        }
    }

    /// Notes that a watch brought something, or failed.
    fn heard(&self, kind: &str, in_order: bool) {
        self.metrics.watch_connected.with_label_values(&[kind]).set(i64::from(in_order));
        if in_order {
            self.metrics.watch_last_event.with_label_values(&[kind]).set(crate::clock::now().secs);
        }
    }

    /// Reads one Application; `None` where there is none.
    ///
    /// # Errors
    /// The API server's answer.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<Object>, Error> {
        let api: Api<Object> = Api::namespaced_with(self.client.clone(), namespace, &application());
        api.get_opt(name).await.map_err(|e| failed(&format!("get Application {namespace}/{name}"), e))
    }

    /// Whether Applications of a namespace are this process's affair.
    #[must_use]
    pub fn is_served(&self, namespace: &str) -> bool {
        self.settings.namespaces.contains(namespace)
    }

    fn applications(&self) -> Api<Object> {
        let namespaces = &self.settings.namespaces;
        if namespaces.cluster_wide() {
            return Api::all_with(self.client.clone(), &application());
        }
        Api::namespaced_with(self.client.clone(), &namespaces.own, &application())
    }

    async fn application(&self, object: Object, cause: Cause) -> Result<(), Error> {
        if !self.settings.namespaces.contains(object.namespace()) {
            return Ok(());
        }
        self.send(Event::application(object, cause)).await
    }

    async fn send(&self, event: Event) -> Result<(), Error> {
        self.events.send(event).await.map_err(|_| Error::Closed)
    }
}

fn failed(action: &str, source: kube::Error) -> Error {
    Error::Kubernetes { action: action.to_owned(), source: Box::new(source) }
}

fn warn(what: &str, error: &watcher::Error) {
    tracing::warn!(what, error = %error, "failed to watch; trying again");
}

fn is_forbidden(error: &watcher::Error) -> bool {
    use watcher::Error as E;
    match error {
        E::InitialListFailed(kube::Error::Api(status)) | E::WatchStartFailed(kube::Error::Api(status)) => {
            status.code == 403
        }
        _ => false,
    }
}

/// Opens once and stays open.
#[derive(Default)]
struct Gate {
    open: AtomicBool,
    waiting: Notify,
}

impl Gate {
    fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.waiting.notify_waiters();
    }
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
    async fn wait(&self) {
        loop {
            let notified = self.waiting.notified();
            if self.is_open() {
                return;
            }
            notified.await;
        }
    }
}
