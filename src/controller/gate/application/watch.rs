//! Watches of gates, of the strategies that they name, and of Applications where gates look for them.

use super::super::index::Name;
use super::super::kinds;
use super::super::watch::Partition;
use super::Id;
use crate::gate::application::{Dialect, Record};
use crate::gate::names::INSTANCE_LABEL;
use crate::source::kubernetes;
use crate::telemetry::Metrics;
use futures::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Objects in one page of a list: Applications are large.
const PAGE: u32 = 50;

/// What a watch saw. `None` stands for an object that is gone, or not ours.
#[derive(Debug)]
pub(super) enum Seen {
    Gate(Id, Option<Box<Json>>),
    Strategy(Name),
    Application(Name, Option<Box<Record>>),
    /// A list of all gates of a kind is complete.
    Gates(&'static Dialect, BTreeSet<Name>),
    /// A list of all Applications of a namespace is complete.
    Applications(String, BTreeSet<Name>),
    /// A kind is not served any more.
    Gone(&'static Dialect),
}

/// Where watches send what they see.
#[derive(Clone)]
pub(super) struct Sink {
    pub client: kube::Client,
    pub send: mpsc::Sender<Seen>,
    pub metrics: Arc<Metrics>,
}

/// What one watch is of.
struct Watched {
    /// As metrics and the log call it.
    called: &'static str,
    config: watcher::Config,
    /// The kind that may not be served any more.
    gone: Option<&'static Dialect>,
}

impl Watched {
    fn all(called: &'static str) -> Self {
        Self { called, config: watcher::Config::default(), gone: None }
    }
}

impl Sink {
    /// Watches the gates of a kind that are ours.
    pub async fn gates(self, dialect: &'static Dialect, ours: Partition) {
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &super::resource(dialect));
        let config = watcher::Config::default().labels(&ours.selector());
        let is_ours = move |object: &&DynamicObject| {
            let labels = object.metadata.labels.as_ref();
            ours.holds(labels.and_then(|labels| labels.get(INSTANCE_LABEL)).map(String::as_str))
        };
        let whole = |object: &DynamicObject| Box::new(serde_json::to_value(object).unwrap_or_default());
        let seen = move |name, object: Option<&DynamicObject>| {
            Seen::Gate(Id { dialect, name }, object.filter(&is_ours).map(whole))
        };
        let listed = move |names| Seen::Gates(dialect, names);
        let watched = Watched { called: dialect.kind, config, gone: Some(dialect) };
        self.follow(api, watched, seen, listed).await;
    }

    /// Watches all strategies, by their metadata: each change of one may be a new commit.
    pub async fn strategies(self) {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(self.client.clone(), &kinds::strategy());
        let seen = |name, _: Option<&PartialObjectMeta<DynamicObject>>| Seen::Strategy(name);
        // What a list does not name is of no account: its gates find out when they look.
        let listed = |_| Seen::Strategy(Name { namespace: String::new(), name: String::new() });
        self.follow(api, Watched::all("PromotionStrategy (ApplicationGate)"), seen, listed).await;
    }

    /// Watches the Applications of a namespace.
    pub async fn applications(self, namespace: String) {
        let resource = kubernetes::application();
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &namespace, &resource);
        let kept = |object: &DynamicObject| Box::new(Record::of(&serde_json::to_value(object).unwrap_or_default()));
        let seen = move |name, object: Option<&DynamicObject>| Seen::Application(name, object.map(kept));
        let listed = move |names| Seen::Applications(namespace.clone(), names);
        self.follow(api, Watched::all("Application (ApplicationGate)"), seen, listed).await;
    }

    async fn follow<K>(
        self,
        api: Api<K>,
        watched: Watched,
        seen: impl Fn(Name, Option<&K>) -> Seen,
        listed: impl Fn(BTreeSet<Name>) -> Seen,
    ) where
        K: kube::Resource<DynamicType = ApiResource>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + Send
            + 'static,
    {
        let Watched { called, config, gone } = watched;
        let mut stream = Box::pin(watcher(api, config.page_size(PAGE)).default_backoff());
        let mut names = BTreeSet::new();
        while let Some(next) = stream.next().await {
            self.metrics.watch_connected.with_label_values(&[called]).set(i64::from(next.is_ok()));
            let seen = match next {
                Ok(watcher::Event::Init) => {
                    names.clear();
                    continue;
                }
                Ok(watcher::Event::InitApply(object)) => {
                    names.insert(name(&object));
                    seen(name(&object), Some(&object))
                }
                Ok(watcher::Event::InitDone) => listed(std::mem::take(&mut names)),
                Ok(watcher::Event::Apply(object)) => seen(name(&object), Some(&object)),
                Ok(watcher::Event::Delete(object)) => seen(name(&object), None),
                Err(error) => match gone.filter(|_| is_unknown(&error)) {
                    Some(dialect) => Seen::Gone(dialect),
                    None => {
                        tracing::warn!(what = called, error = %error, "failed to watch; trying again");
                        continue;
                    }
                },
            };
            if self.send.send(seen).await.is_err() {
                return;
            }
        }
    }
}

fn is_unknown(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(source) | watcher::Error::WatchStartFailed(source)) = error else {
        return false;
    };
    matches!(source, kube::Error::Api(status) if status.code == 404)
}

fn name<K: kube::Resource>(object: &K) -> Name {
    let metadata = object.meta();
    Name { namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone().unwrap_or_default() }
}
