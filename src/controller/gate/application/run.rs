//! The loop of gates by Argo CD's outcomes: what watches see says which gates are looked at, one after the other.
//!
//! A look is a few reads and seldom a write, so one at a time is enough. No gate is looked at before the Applications of its
//! namespaces were listed: until then it would seem to have none. One loop for every kind, so that an Application is watched and
//! kept once, whoever selects it.

use super::super::index::Name;
use super::super::look::Looker;
use super::super::support::{self, OfKind};
use super::Id;
use super::look::Look;
use super::reach::{Reach, Selection};
use super::watch::{Seen, Sink};
use crate::gate::application::{Dialect, KINDS, Record};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// How often it is looked whether a kind is served that was not.
const SUPPORT_PAUSE: Duration = Duration::from_secs(30);
/// Pause after a look that broke off in a way that nobody thought of.
const PANIC_PAUSE: Duration = Duration::from_secs(60);
/// How long the loop sleeps where no timer runs.
const IDLE: Duration = Duration::from_secs(3600);
/// What is seen and not yet taken.
const WAITING: usize = 64;

/// Handles gates by Argo CD's outcomes for as long as it is polled, whenever the cluster has them.
pub(in crate::controller::gate) async fn run(looker: Arc<Looker>, reach: Reach) {
    // What CommitStatuses say is what was said before.
    looker.children_listed.wait().await;
    let (send, seen) = mpsc::channel(WAITING);
    let sink = Sink { client: looker.client.clone(), send, metrics: Arc::clone(&looker.metrics) };
    let running = Running {
        look: Arc::new(Look { looker, reach }),
        sink,
        kinds: BTreeMap::new(),
        absent: BTreeSet::new(),
        gates: BTreeMap::new(),
        records: BTreeMap::new(),
        due: BTreeMap::new(),
        listed: BTreeSet::new(),
        watched: BTreeMap::new(),
        watches: JoinSet::new(),
    };
    running.run(seen).await;
}

/// What is known of a gate between two looks.
struct Known {
    generation: i64,
    strategy: Name,
    /// `Err` where it names what it may not see; the look says so.
    selection: Result<Selection, String>,
}

/// A kind that is served.
struct Served {
    watch: AbortHandle,
    /// Whether all gates of it were listed.
    synced: bool,
}

struct Running {
    look: Arc<Look>,
    sink: Sink,
    kinds: BTreeMap<&'static Dialect, Served>,
    /// Kinds of which it was said that they are not there.
    absent: BTreeSet<&'static Dialect>,
    gates: BTreeMap<Id, Known>,
    records: BTreeMap<Name, Arc<Record>>,
    due: BTreeMap<Id, Instant>,
    /// Namespaces whose Applications were listed.
    listed: BTreeSet<String>,
    watched: BTreeMap<String, AbortHandle>,
    watches: JoinSet<()>,
}

impl Running {
    async fn run(mut self, mut seen: mpsc::Receiver<Seen>) {
        self.watches.spawn(self.sink.clone().strategies());
        let mut support = tokio::time::interval(SUPPORT_PAUSE);
        support.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let next = self.next();
            let at = next.as_ref().map_or_else(|| Instant::now() + IDLE, |(at, _)| *at);
            tokio::select! {
                one = seen.recv() => match one {
                    None => return,
                    Some(one) => self.see(one),
                },
                _ = support.tick() => self.find_kinds().await,
                () = tokio::time::sleep_until(at.into()), if next.is_some() => {
                    if let Some((_, id)) = next {
                        self.turn(&id).await;
                    }
                }
            }
        }
    }

    /// Begins to watch what kinds are served by now.
    async fn find_kinds(&mut self) {
        for dialect in KINDS {
            if self.kinds.contains_key(dialect) {
                continue;
            }
            let looker = &self.look.looker;
            // An API server that does not answer says nothing of its kinds.
            let Ok(found) = support::of_kind(&looker.client, dialect).await else { continue };
            let refused = if let OfKind::Refused(why) = &found { why.as_str() } else { "" };
            if looker.application_views.note(dialect, refused) && !refused.is_empty() {
                tracing::error!("gates: {refused}");
            }
            match found {
                OfKind::Served => self.watch_kind(dialect),
                OfKind::Absent if self.absent.insert(dialect) => {
                    tracing::info!("gates: the cluster does not serve the kind {}", dialect.kind);
                }
                OfKind::Absent | OfKind::Refused(_) => {}
            }
        }
    }

    fn watch_kind(&mut self, dialect: &'static Dialect) {
        let ours = self.look.looker.partition.of_kind(dialect);
        let watch = self.watches.spawn(self.sink.clone().gates(dialect, ours));
        self.absent.remove(dialect);
        self.kinds.insert(dialect, Served { watch, synced: false });
    }

    /// A kind is not served any more.
    fn drop_kind(&mut self, dialect: &'static Dialect) {
        if let Some(served) = self.kinds.remove(dialect) {
            served.watch.abort();
        }
        self.drop_gates(|id| id.dialect == dialect);
    }

    /// The gate whose turn is next, of those that can have one.
    fn next(&self) -> Option<(Instant, Id)> {
        let is_listed = |of: &Selection| of.namespaces.iter().all(|namespace| self.listed.contains(namespace));
        let is_ready = |id: &Id| {
            self.kinds.get(id.dialect).is_some_and(|served| served.synced)
                && self.gates.get(id).is_some_and(|known| known.selection.as_ref().map_or(true, is_listed))
        };
        let due = self.due.iter().filter(|(id, _)| is_ready(id));
        due.min_by_key(|(_, at)| **at).map(|(id, at)| (*at, id.clone()))
    }

    async fn turn(&mut self, id: &Id) {
        self.due.remove(id);
        let Some(known) = self.gates.get(id) else { return };
        let selected: Vec<Arc<Record>> = match &known.selection {
            Ok(selection) => self.records.values().filter(|record| selection.holds(record)).cloned().collect(),
            Err(_) => Vec::new(),
        };
        let (look, of, refused) = (Arc::clone(&self.look), id.clone(), known.selection.as_ref().err().cloned());
        // A task of its own: a look that breaks off costs that look, nothing else.
        let looked = tokio::spawn(async move { look.look(&of, &selected, refused).await }).await;
        let again = looked.unwrap_or_else(|error| {
            tracing::error!(gate = %id, error = %error, "a look at a gate broke off");
            Some(PANIC_PAUSE)
        });
        if let Some(again) = again {
            self.due.insert(id.clone(), Instant::now() + again);
        }
    }

    fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Gate(id, Some(object)) => self.put_gate(id, &object),
            Seen::Gate(id, None) => self.drop_gates(|known| *known == id),
            Seen::Strategy(strategy) => self.want(|known| known.strategy == strategy),
            Seen::Application(name, record) => self.application(name, record.map(|record| Arc::new(*record))),
            Seen::Gates(dialect, names) => {
                self.drop_gates(|id| id.dialect == dialect && !names.contains(&id.name));
                if let Some(served) = self.kinds.get_mut(dialect) {
                    served.synced = true;
                }
            }
            Seen::Applications(namespace, names) => {
                let gone = self.records.keys().filter(|name| name.namespace == namespace && !names.contains(name));
                let gone: Vec<Name> = gone.cloned().collect();
                gone.into_iter().for_each(|name| self.application(name, None));
                self.listed.insert(namespace);
            }
            Seen::Gone(dialect) => self.drop_kind(dialect),
        }
    }

    fn put_gate(&mut self, id: Id, object: &Json) {
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        if self.gates.get(&id).is_some_and(|known| known.generation == generation) {
            return;
        }
        let own = &id.name.namespace;
        let strategy = object["spec"]["promotionStrategyRef"]["name"].as_str().unwrap_or_default().to_owned();
        let strategy = Name { namespace: own.clone(), name: strategy };
        let selection = Selection::of(id.dialect, &object["spec"], own, &self.look.reach);
        self.due.insert(id.clone(), Instant::now());
        self.gates.insert(id, Known { generation, strategy, selection });
        self.watch_what_is_selected();
    }

    fn drop_gates(&mut self, is_gone: impl Fn(&Id) -> bool) {
        let gone: Vec<Id> = self.gates.keys().filter(|id| is_gone(id)).cloned().collect();
        for id in &gone {
            self.gates.remove(id);
            self.due.remove(id);
            self.look.looker.application_views.remove(id);
        }
        if !gone.is_empty() {
            self.watch_what_is_selected();
        }
    }

    /// An Application changed, or is gone. What changed nothing that is kept of it changes nothing.
    fn application(&mut self, name: Name, record: Option<Arc<Record>>) {
        let before = match &record {
            Some(record) if self.records.get(&name) == Some(record) => return,
            Some(record) => self.records.insert(name, Arc::clone(record)),
            None => self.records.remove(&name),
        };
        self.want(|known| {
            let Ok(selection) = &known.selection else { return false };
            before.iter().chain(&record).any(|record| selection.holds(record))
        });
    }

    /// These gates are looked at as soon as they can be.
    fn want(&mut self, is_wanted: impl Fn(&Known) -> bool) {
        let now = Instant::now();
        let wanted = self.gates.iter().filter(|(_, known)| is_wanted(known));
        self.due.extend(wanted.map(|(id, _)| (id.clone(), now)));
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
