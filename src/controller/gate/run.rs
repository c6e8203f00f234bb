//! The loop of gates: what watches see becomes what is wanted, what is wanted is done, so many gates at once.
//!
//! One task owns the queue; looks run beside it. A look that panics costs that look, nothing else.

use super::index::{Index, Name};
use super::lock;
use super::look::{Looked, Looker};
use super::queue::{Queue, Want};
use super::wake::{Wake, WakeReceiver};
use super::watch::{Change, Kind};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};

/// Pause after a look that broke off in a way that nobody thought of.
const PANIC_PAUSE: Duration = Duration::from_secs(60);
/// How long the loop sleeps where no timer runs.
const IDLE: Duration = Duration::from_secs(3600);

/// What the loop works with.
pub(super) struct Running<'a> {
    looker: Arc<Looker>,
    most: usize,
    queue: Queue,
    looks: JoinSet<Looked>,
    names: HashMap<Id, Name>,
    /// Versions of strategies that were seen while a gate of theirs was looked at: perhaps that look has read them.
    late: HashMap<Name, u64>,
    /// Lists that are complete: before that, what is seen is no change.
    listed: BTreeSet<&'static str>,
    /// CommitStatuses and their versions when a list of them began.
    before: Vec<(Name, u64)>,
    wakes: &'a mut WakeReceiver,
}

impl<'a> Running<'a> {
    /// A loop that looks at `most` gates at once.
    pub fn new(looker: Arc<Looker>, most: usize, wakes: &'a mut WakeReceiver) -> Self {
        Self {
            looker,
            most: most.max(1),
            queue: Queue::default(),
            looks: JoinSet::new(),
            names: HashMap::new(),
            late: HashMap::new(),
            listed: BTreeSet::new(),
            before: Vec::new(),
            wakes,
        }
    }

    /// Runs until the kind is not served any more, or the watches end.
    pub async fn run(&mut self, changes: &mut mpsc::Receiver<Change>) {
        loop {
            self.start_looks();
            let timer = self.queue.next_timer().unwrap_or_else(|| Instant::now() + IDLE);
            let has_room = self.looks.len() < self.most;
            tokio::select! {
                change = changes.recv() => match change {
                    None | Some(Change::Gone) => return,
                    Some(change) => self.see(change),
                },
                Some(done) = self.looks.join_next_with_id(), if !self.looks.is_empty() => self.done(done),
                Some(wake) = self.wakes.recv() => self.wake(wake),
                () = tokio::time::sleep_until(timer.into()), if has_room && self.is_synced() => {}
            }
        }
    }

    /// Looks begin when all that there is was listed once: before that, what is there already would be written again.
    fn is_synced(&self) -> bool {
        self.listed.len() == 3
    }

    fn start_looks(&mut self) {
        while self.is_synced() && self.looks.len() < self.most {
            let Some((name, want)) = self.queue.next(Instant::now()) else { return };
            let (looker, of) = (Arc::clone(&self.looker), name.clone());
            let handle = self.looks.spawn(async move { looker.look(&of, want).await });
            self.names.insert(handle.id(), name);
        }
    }

    fn done(&mut self, done: Result<(Id, Looked), JoinError>) {
        let (id, looked) = match done {
            Ok((id, looked)) => (id, looked),
            Err(error) => {
                tracing::error!(error = %error, "a look at a gate broke off");
                (error.id(), Looked::Done(Some(PANIC_PAUSE)))
            }
        };
        let Some(name) = self.names.remove(&id) else { return };
        if let Some(version) = self.late.remove(&name)
            && lock(&self.looker.index).is_news(&name, version)
        {
            self.queue.want(name.clone(), Want::Look);
        }
        match looked {
            Looked::Done(again) => self.queue.done(&name, again.map(|again| Instant::now() + again)),
            Looked::AsBefore => self.queue.done(&name, None),
            Looked::More(want) => {
                self.queue.done(&name, None);
                self.queue.want(name, want);
            }
            Looked::Gone => self.queue.done(&name, None),
        }
    }

    fn wake(&mut self, wake: Wake) {
        let name = Name { namespace: wake.namespace, name: wake.name };
        if lock(&self.looker.index).gate(&name).is_some() {
            self.queue.want(name, Want::Ask);
        }
    }

    fn see(&mut self, change: Change) {
        let index = Arc::clone(&self.looker.index);
        let mut index = lock(&index);
        match change {
            Change::Gate(name, Some(record)) => {
                if index.put_gate(name.clone(), record) {
                    self.look_at(name, 0);
                }
            }
            Change::Gate(name, None) => self.forget(&mut index, &name),
            Change::Strategy(name, Some(version)) => {
                for gate in index.put_strategy(&name, version) {
                    self.look_at(gate, version);
                }
            }
            Change::Strategy(name, None) => {
                let gates = index.drop_strategy(&name);
                self.want_all(gates, Want::Look);
            }
            Change::Child(name, Some(record)) => {
                let gates = index.put_child(name, *record);
                self.want_all(gates, Want::Readiness);
            }
            Change::Child(name, None) => {
                let gates = index.drop_child(&name);
                self.want_all(gates, Want::Readiness);
            }
            Change::Listing(kind) => {
                if kind == Kind::Child {
                    self.before = index.child_versions();
                }
            }
            Change::Listed(kind, names) => self.listed(&mut index, kind, &names),
            Change::Gone => {}
        }
    }

    /// What a complete list does not name is gone.
    fn listed(&mut self, index: &mut Index, kind: Kind, names: &BTreeSet<Name>) {
        match kind {
            Kind::Gate => {
                let gone: Vec<Name> =
                    index.gates().map(|(name, _)| name).filter(|name| !names.contains(name)).cloned().collect();
                gone.iter().for_each(|name| self.forget(index, name));
                self.listed.insert("gates");
            }
            Kind::Strategy => {
                let gone = index.strategies().into_iter().filter(|name| !names.contains(name));
                let gates: Vec<Name> = gone.flat_map(|name| index.drop_strategy(&name)).collect();
                self.want_all(gates, Want::Look);
                self.listed.insert("strategies");
            }
            Kind::Child => {
                let now: HashMap<Name, u64> = index.child_versions().into_iter().collect();
                // One that was written while the list was under way may be missing in it.
                let gone = std::mem::take(&mut self.before).into_iter();
                let gone = gone.filter(|(name, version)| !names.contains(name) && now.get(name) == Some(version));
                let gates: Vec<Name> = gone.flat_map(|(name, _)| index.drop_child(&name)).collect();
                self.want_all(gates, Want::Readiness);
                self.listed.insert("commit statuses");
                // Another list of them later tells nobody anything.
                let _ = self.looker.children_listed.set(());
            }
        }
    }

    fn forget(&mut self, index: &mut Index, name: &Name) {
        if let Some(record) = index.drop_gate(name) {
            for (child, _) in index.children_of(&record.uid) {
                index.forget_applied(&child);
            }
            self.looker.forget(name, &record.uid);
        }
        self.queue.forget(name);
    }

    /// A gate, or its strategy in this version, is new. Whether a look that is under way has read it shows when it is done.
    fn look_at(&mut self, gate: Name, version: u64) {
        if self.queue.is_running(&gate) {
            let late = self.late.entry(gate).or_default();
            *late = version.max(*late);
        } else {
            self.queue.want(gate, Want::Look);
        }
    }

    fn want_all(&mut self, gates: Vec<Name>, want: Want) {
        for name in gates {
            self.queue.want(name, want);
        }
    }
}
