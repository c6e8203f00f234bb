//! Watches of gates, strategies and CommitStatuses: what is seen becomes a small record, and for a moment stays at hand whole
//! ([`super::recent`]).
//!
//! Secrets and Namespaces are not watched: they are read by name when they are needed.

use super::index::{ChildRecord, GateRecord, Name};
use super::kinds;
use super::recent::Recent;
use crate::gate::application::Dialect;
use crate::gate::names::{INSTANCE_LABEL, KEY_LABEL};
use crate::gate::ready;
use crate::gate::status::{Condition, Phase};
use crate::telemetry::Metrics;
use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use serde::Deserialize as _;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Objects in one page of a list: small pages keep the peak of memory low.
const PAGE: u32 = 50;

/// What a watch saw. `None` stands for an object that is gone, or not ours.
#[derive(Debug)]
pub(super) enum Change {
    Gate(Name, Option<GateRecord>),
    Strategy(Name, Option<u64>),
    Child(Name, Option<Box<ChildRecord>>),
    /// A list of all objects of a kind begins.
    Listing(Kind),
    /// A list is complete: what it did not name is gone.
    Listed(Kind, BTreeSet<Name>),
    /// The kind is not served any more.
    Gone,
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Gate,
    Strategy,
    Child,
}

/// Which gates are ours.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    pub instance_id: String,
    /// Whether gates without an instance id are, too.
    pub unlabelled: bool,
}

impl Partition {
    /// Whether an object with these labels is ours.
    pub fn holds(&self, instance: Option<&str>) -> bool {
        instance.map_or(self.unlabelled, |instance| instance == self.instance_id)
    }

    /// The same for a kind that has its own rule: what is Gatepost's own and carries no id is everybody's.
    pub fn of_kind(&self, dialect: &Dialect) -> Self {
        Self { instance_id: self.instance_id.clone(), unlabelled: self.unlabelled || !dialect.is_promoters }
    }

    /// The label selector that finds them, and perhaps others.
    pub fn selector(&self) -> String {
        if self.unlabelled { String::new() } else { format!("{INSTANCE_LABEL}={}", self.instance_id) }
    }
}

/// Starts the watches; they end when the receiver is gone.
pub(super) fn start(
    client: &kube::Client,
    partition: Partition,
    metrics: &Arc<Metrics>,
    recent: &Arc<Recent>,
) -> (mpsc::Receiver<Change>, tokio::task::JoinSet<()>) {
    let (send, changes) = mpsc::channel(256);
    let mut tasks = tokio::task::JoinSet::new();
    let (gates, children) = (config().labels(&partition.selector()), config().labels(KEY_LABEL));
    for (kind, resource, config) in [
        (Kind::Gate, kinds::gate(), gates),
        (Kind::Child, kinds::commit_status(), children),
        (Kind::Strategy, kinds::strategy(), config()),
    ] {
        let (send, partition) = (send.clone(), partition.clone());
        let (metrics, recent) = (Arc::clone(metrics), Arc::clone(recent));
        let sink = Sink { kind, send, partition, metrics, recent, listed: BTreeSet::new() };
        tasks.spawn(sink.follow(Api::all_with(client.clone(), &resource), config));
    }
    (changes, tasks)
}

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// Where one watch sends what it sees.
struct Sink {
    kind: Kind,
    send: mpsc::Sender<Change>,
    partition: Partition,
    metrics: Arc<Metrics>,
    recent: Arc<Recent>,
    listed: BTreeSet<Name>,
}

impl Sink {
    async fn follow(mut self, api: Api<DynamicObject>, config: watcher::Config) {
        let mut stream = Box::pin(watcher(api, config).default_backoff());
        while let Some(next) = stream.next().await {
            self.heard(next.is_ok());
            let change = match next {
                Ok(watcher::Event::Init) => {
                    self.listed.clear();
                    Change::Listing(self.kind)
                }
                Ok(watcher::Event::InitApply(object)) => {
                    self.listed.insert(name(&object.metadata));
                    self.seen(&object)
                }
                Ok(watcher::Event::InitDone) => Change::Listed(self.kind, std::mem::take(&mut self.listed)),
                Ok(watcher::Event::Apply(mut object)) => {
                    object.metadata.managed_fields = None;
                    self.keep(&object);
                    self.seen(&object)
                }
                Ok(watcher::Event::Delete(object)) => self.gone(name(&object.metadata)),
                Err(error) => match self.failed(&error) {
                    Some(change) => change,
                    None => continue,
                },
            };
            if self.send.send(change).await.is_err() {
                return;
            }
        }
    }

    fn seen(&self, object: &DynamicObject) -> Change {
        let name = name(&object.metadata);
        match self.kind {
            Kind::Gate => {
                let is_ours = self.partition.holds(label(&object.metadata, INSTANCE_LABEL));
                Change::Gate(name, is_ours.then(|| gate(object)))
            }
            Kind::Strategy => Change::Strategy(name, Some(version(&object.metadata))),
            Kind::Child => Change::Child(name, Some(Box::new(child(object)))),
        }
    }

    /// Before anybody is told of it, so that the look that follows finds it. No look wants a whole CommitStatus.
    fn keep(&self, object: &DynamicObject) {
        if self.kind != Kind::Child {
            self.recent.put(self.kind, &name(&object.metadata), object, Instant::now());
        }
    }

    fn gone(&self, name: Name) -> Change {
        self.recent.remove(self.kind, &name);
        match self.kind {
            Kind::Gate => Change::Gate(name, None),
            Kind::Strategy => Change::Strategy(name, None),
            Kind::Child => Change::Child(name, None),
        }
    }

    fn failed(&self, error: &watcher::Error) -> Option<Change> {
        tracing::warn!(what = self.called(), error = %error, "failed to watch; trying again");
        let source = match error {
            watcher::Error::InitialListFailed(source) | watcher::Error::WatchStartFailed(source) => source,
            _ => return None,
        };
        matches!(source, kube::Error::Api(status) if status.code == 404).then_some(Change::Gone)
    }

    const fn called(&self) -> &'static str {
        match self.kind {
            Kind::Gate => "WebRequestCommitStatus",
            Kind::Strategy => "PromotionStrategy",
            Kind::Child => "CommitStatus",
        }
    }

    fn heard(&self, in_order: bool) {
        self.metrics.watch_connected.with_label_values(&[self.called()]).set(i64::from(in_order));
        if in_order {
            self.metrics.watch_last_event.with_label_values(&[self.called()]).set(crate::clock::now().secs);
            self.metrics.watch_events.with_label_values(&[self.called()]).inc();
        }
    }
}

fn gate(object: &DynamicObject) -> GateRecord {
    let text = |path| object.data.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    GateRecord {
        uid: object.metadata.uid.clone().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        strategy: text("/spec/promotionStrategyRef/name"),
        key: text("/spec/key"),
    }
}

/// A CommitStatus as it is remembered.
pub(super) fn child(DynamicObject { metadata, data, .. }: &DynamicObject) -> ChildRecord {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true));
    let mut dress = DefaultHasher::new();
    metadata.labels.hash(&mut dress);
    for owner in owners {
        (&owner.uid, owner.controller, owner.block_owner_deletion).hash(&mut dress);
    }
    let text = |path| data.pointer(path).and_then(Json::as_str).unwrap_or_default();
    let conditions = data.pointer("/status/conditions").and_then(Json::as_array).into_iter().flatten();
    let ready = conditions.filter(|condition| condition["type"] == ready::TYPE);
    ChildRecord {
        uid: metadata.uid.clone().unwrap_or_default(),
        owner: controller.map(|owner| owner.uid.clone()).unwrap_or_default(),
        key: label(metadata, KEY_LABEL).unwrap_or_default().to_owned(),
        sha: text("/spec/sha").to_owned(),
        phase: Phase::parse(text("/spec/phase")),
        version: version(metadata),
        generation: metadata.generation.unwrap_or_default(),
        dress: dress.finish(),
        ready: ready.filter_map(|condition| Condition::deserialize(condition).ok()).next(),
    }
}

fn label<'a>(metadata: &'a ObjectMeta, label: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(label).map(String::as_str)
}

fn name(metadata: &ObjectMeta) -> Name {
    Name { namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone().unwrap_or_default() }
}

/// Versions of one kind of objects can be compared as numbers (Kubernetes 1.35 promises it; etcd's revisions always were).
pub(super) fn version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default()
}
