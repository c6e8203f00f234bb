//! The loop of ApplicationGates: what watches see says which gates are looked at, one after the other.
//!
//! A look is a few reads and seldom a write, so one at a time is enough. No gate is looked at before the Applications of its
//! namespaces were listed: until then it would seem to have none.

use super::super::index::Name;
use super::super::look::Looker;
use super::look::Look;
use super::reach::{Reach, Selection};
use super::watch::{Seen, Sink};
use crate::gate::application::Record;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// How often it is looked whether the kind is served.
const SUPPORT_PAUSE: Duration = Duration::from_secs(30);
/// Pause after a look that broke off in a way that nobody thought of.
const PANIC_PAUSE: Duration = Duration::from_secs(60);
/// How long the loop sleeps where no timer runs.
const IDLE: Duration = Duration::from_secs(3600);
/// What is seen and not yet taken.
const WAITING: usize = 64;

/// Handles ApplicationGates for as long as it is polled, whenever the cluster has them.
pub(in crate::controller::gate) async fn run(looker: Arc<Looker>, reach: Reach) {
    loop {
        if is_served(&looker.client).await {
            let (send, seen) = mpsc::channel(WAITING);
            let sink = Sink { client: looker.client.clone(), send, metrics: Arc::clone(&looker.metrics) };
            let look = Arc::new(Look { looker: Arc::clone(&looker), reach: reach.clone() });
            Running {
                look,
                sink,
                gates: BTreeMap::new(),
                records: BTreeMap::new(),
                due: BTreeMap::new(),
                synced: false,
                listed: BTreeSet::new(),
                watched: BTreeMap::new(),
                watches: JoinSet::new(),
            }
            .run(seen)
            .await;
        }
        tokio::time::sleep(SUPPORT_PAUSE).await;
    }
}

async fn is_served(client: &kube::Client) -> bool {
    let known = client.list_api_group_resources(super::API_VERSION).await;
    known.is_ok_and(|list| list.resources.iter().any(|resource| resource.kind == super::KIND))
}

/// What is known of a gate between two looks.
struct Known {
    generation: i64,
    strategy: Name,
    /// `Err` where it names what it may not see; the look says so.
    selection: Result<Selection, String>,
}

struct Running {
    look: Arc<Look>,
    sink: Sink,
    gates: BTreeMap<Name, Known>,
    records: BTreeMap<Name, Arc<Record>>,
    due: BTreeMap<Name, Instant>,
    /// Whether all gates were listed.
    synced: bool,
    /// Namespaces whose Applications were listed.
    listed: BTreeSet<String>,
    watched: BTreeMap<String, AbortHandle>,
    watches: JoinSet<()>,
}

impl Running {
    async fn run(mut self, mut seen: mpsc::Receiver<Seen>) {
        self.watches.spawn(self.sink.clone().gates());
        self.watches.spawn(self.sink.clone().strategies());
        loop {
            let next = self.next();
            let at = next.as_ref().map_or_else(|| Instant::now() + IDLE, |(at, _)| *at);
            tokio::select! {
                one = seen.recv() => match one {
                    None | Some(Seen::Gone) => return,
                    Some(one) => self.see(one),
                },
                () = tokio::time::sleep_until(at.into()), if next.is_some() => {
                    if let Some((_, name)) = next {
                        self.turn(&name).await;
                    }
                }
            }
        }
    }

    /// The gate whose turn is next, of those that can have one.
    fn next(&self) -> Option<(Instant, Name)> {
        let ready = |name: &Name| {
            self.gates.get(name).is_some_and(|known| {
                known.selection.as_ref().map_or(true, |of| of.namespaces.iter().all(|ns| self.listed.contains(ns)))
            })
        };
        let due = self.due.iter().filter(|(name, _)| self.synced && ready(name));
        due.min_by_key(|(_, at)| **at).map(|(name, at)| (*at, name.clone()))
    }

    async fn turn(&mut self, name: &Name) {
        self.due.remove(name);
        let Some(known) = self.gates.get(name) else { return };
        let selected: Vec<Arc<Record>> = match &known.selection {
            Ok(selection) => self.records.values().filter(|record| selection.holds(record)).cloned().collect(),
            Err(_) => Vec::new(),
        };
        let (look, of, refused) = (Arc::clone(&self.look), name.clone(), known.selection.as_ref().err().cloned());
        // A task of its own: a look that breaks off costs that look, nothing else.
        let looked = tokio::spawn(async move { look.look(&of, &selected, refused).await }).await;
        let again = looked.unwrap_or_else(|error| {
            tracing::error!(gate = %name, error = %error, "a look at an ApplicationGate broke off");
            Some(PANIC_PAUSE)
        });
        if let Some(again) = again {
            self.due.insert(name.clone(), Instant::now() + again);
        }
    }

    fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Gate(name, Some(object)) => self.put_gate(name, &object),
            Seen::Gate(name, None) => self.drop_gate(&name),
            Seen::Strategy(strategy) => {
                let gates: Vec<Name> = self
                    .gates
                    .iter()
                    .filter(|(_, known)| known.strategy == strategy)
                    .map(|(name, _)| name.clone())
                    .collect();
                self.want(gates);
            }
            Seen::Application(name, record) => self.application(name, record.map(|record| Arc::new(*record))),
            Seen::Gates(names) => {
                let gone: Vec<Name> = self.gates.keys().filter(|name| !names.contains(name)).cloned().collect();
                gone.iter().for_each(|name| self.drop_gate(name));
                self.synced = true;
            }
            Seen::Applications(namespace, names) => {
                let gone = self.records.keys().filter(|name| name.namespace == namespace && !names.contains(name));
                let gone: Vec<Name> = gone.cloned().collect();
                gone.into_iter().for_each(|name| self.application(name, None));
                self.listed.insert(namespace);
            }
            Seen::Gone => {}
        }
    }

    fn put_gate(&mut self, name: Name, object: &Json) {
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        if self.gates.get(&name).is_some_and(|known| known.generation == generation) {
            return;
        }
        let strategy = object["spec"]["promotionStrategyRef"]["name"].as_str().unwrap_or_default().to_owned();
        let strategy = Name { namespace: name.namespace.clone(), name: strategy };
        let selection = Selection::of(&object["spec"], &name.namespace, &self.look.reach);
        self.gates.insert(name.clone(), Known { generation, strategy, selection });
        self.watch_what_is_selected();
        self.want(vec![name]);
    }

    fn drop_gate(&mut self, name: &Name) {
        self.gates.remove(name);
        self.due.remove(name);
        self.look.looker.application_views.remove(name);
        self.watch_what_is_selected();
    }

    /// An Application changed, or is gone. What changed nothing that is kept of it changes nothing.
    fn application(&mut self, name: Name, record: Option<Arc<Record>>) {
        let before = match &record {
            Some(record) if self.records.get(&name) == Some(record) => return,
            Some(record) => self.records.insert(name, Arc::clone(record)),
            None => self.records.remove(&name),
        };
        let touched = |known: &Known| {
            let Ok(selection) = &known.selection else { return false };
            before.iter().chain(&record).any(|record| selection.holds(record))
        };
        let gates = self.gates.iter().filter(|(_, known)| touched(known)).map(|(name, _)| name.clone()).collect();
        self.want(gates);
    }

    fn want(&mut self, gates: Vec<Name>) {
        let now = Instant::now();
        for name in gates {
            self.due.insert(name, now);
        }
    }

    /// Begins and ends watches of Applications as gates come and go.
    fn watch_what_is_selected(&mut self) {
        let wanted: BTreeSet<String> = self
            .gates
            .values()
            .filter_map(|known| known.selection.as_ref().ok())
            .flat_map(|of| of.namespaces.clone())
            .collect();
        for namespace in &wanted {
            if !self.watched.contains_key(namespace) {
                let handle = self.watches.spawn(self.sink.clone().applications(namespace.clone()));
                self.watched.insert(namespace.clone(), handle);
            }
        }
        let unwanted: Vec<String> =
            self.watched.keys().filter(|namespace| !wanted.contains(*namespace)).cloned().collect();
        for namespace in unwanted {
            if let Some(handle) = self.watched.remove(&namespace) {
                handle.abort();
            }
            self.listed.remove(&namespace);
            self.records.retain(|name, _| name.namespace != namespace);
        }
    }
}
