//! One installation that dies again and again: its process, how it is killed, and what is true when it has come to rest.

use super::story::{self, Told};
use super::tally::{Kill, Tally};
use crate::env::cluster::Cluster;
use crate::env::{Answer, Namespace, PATIENCE, Receiver, wait_for, wait_until};
use crate::promises::{applications, configure};
use crate::running::{Gatepost, Start, free_port};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a point is waited for: the story may first have to wait for the lease of the dead.
const POINT_PATIENCE: Duration = Duration::from_secs(120);
/// Longest time that a process lives before it is killed by the clock, from its start or from when it was ready.
const LIFE_MS: u64 = 1_500;
/// Seconds: short, so that claims of the dead come back soon.
const ATTEMPT_LIMIT: &str = "4";
const LEASE: &str = "5";

/// Where a site's deliveries are kept.
pub enum StorePlace {
    /// A SQLite file of its own.
    File,
    /// An empty PostgreSQL database.
    Url(String),
}

/// How a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// By itself at a fail point.
    Point(&'static str),
    /// By kill -9 when its request has arrived and is not answered.
    Written,
    /// By kill -9 at any time, also before it is ready.
    AnyTime,
}

impl Death {
    /// As the table names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Point(name) => name,
            Self::Written => "request.written",
            Self::AnyTime => "any time",
        }
    }

    /// Whether a delivery that is under way may have to be repeated after it.
    pub fn may_repeat(self) -> bool {
        // A decision's row is claimed in the transaction that decides it, or, by PostgreSQL, before the writer has heard of its commit: the
        // sending runs beside what the look and the writer do after the commit. And an annotation that a dead process did not get to record
        // is written once more, beside the sending of what was decided meanwhile.
        let inside = [
            "answer.received",
            "outcome.written",
            "group.applied",
            "group.committed",
            "decision.committed",
            "disarm.committed",
            "annotation.owed",
            "annotation.patched",
            "annotation.written",
            "annotation.recorded",
        ];
        match self {
            Self::Point(name) => inside.contains(&name),
            Self::Written | Self::AnyTime => true,
        }
    }
}

/// One installation.
pub struct Site {
    namespace: Arc<Namespace>,
    kubeconfig: PathBuf,
    receiver: Arc<Receiver>,
    folder: TempDir,
    /// Kept over its lives, so that no other process takes them.
    ports: [u16; 2],
    environment: Vec<(&'static str, OsString)>,
    process: Gatepost,
    stories: JoinSet<Told>,
    /// Tells the stories that the next end of theirs is the last.
    enough: CancellationToken,
    single: bool,
    kills: Vec<Kill>,
}

impl Site {
    /// Sets everything up and starts the stories of `apps` Applications.
    pub async fn new(cluster: &Cluster, place: StorePlace, apps: usize) -> Self {
        let (namespace, receiver) = (Arc::new(cluster.namespace().await), Arc::new(Receiver::start([]).await));
        configure(&namespace, &story::config(&receiver.url())).await;
        let folder = tempfile::tempdir().unwrap();
        let mut environment = vec![
            ("GATEPOST_FAILPOINTS", folder.path().join("point").into_os_string()),
            ("GATEPOST_DELIVERY__ATTEMPTLIMIT", ATTEMPT_LIMIT.into()),
            ("GATEPOST_STORE__LEASE", LEASE.into()),
        ];
        match place {
            StorePlace::File => environment.push(("GATEPOST_STORE__PATH", folder.path().join("outbox.db").into())),
            StorePlace::Url(url) => {
                environment.extend([("GATEPOST_STORE__PATH", "".into()), ("GATEPOST_STORE__URL", url.into())]);
            }
        }
        let (enough, kubeconfig) = (CancellationToken::new(), cluster.kubeconfig().to_owned());
        let ports = [free_port(), free_port()];
        let process = spawn(&kubeconfig, &namespace.name, &folder, ports, &environment);
        let mut stories = JoinSet::new();
        for number in 0..apps {
            let (namespace, receiver) = (Arc::clone(&namespace), Arc::clone(&receiver));
            let (enough, name) = (enough.clone(), format!("app{number}"));
            stories.spawn(async move { story::tell(&namespace, &receiver, name, enough).await });
        }
        let (single, kills) = (apps == 1, Vec::new());
        Self { namespace, kubeconfig, receiver, folder, ports, environment, process, stories, enough, single, kills }
    }

    /// Dies these deaths one after the other, as long as there is time.
    pub async fn live_through(&mut self, deaths: &[Death], until: Instant) {
        for death in deaths.iter().take_while(|_| Instant::now() < until) {
            match death {
                Death::Point(point) => self.die_at(point).await,
                Death::Written => self.die_unanswered().await,
                Death::AnyTime => self.die_any_time().await,
            }
            // What the dead one wrote last is read by now; what comes later is the next one's.
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.kills.push(Kill { death: *death, at: Instant::now() });
            self.revive();
        }
    }

    fn revive(&mut self) {
        self.process = spawn(&self.kubeconfig, &self.namespace.name, &self.folder, self.ports, &self.environment);
    }

    async fn die_at(&mut self, point: &str) {
        // With one Application few steps are passed between two rises; the first of many would always be the same one.
        let passes = rand::random_range(1..=if self.single { 2 } else { 6 });
        let file = self.folder.path().join("point");
        std::fs::write(&file, format!("{point} {passes}")).unwrap();
        let begun = Instant::now();
        loop {
            match self.process.end() {
                Some(end) if end.signal().is_some() => break,
                // It could not start: another process has its port.
                Some(_) => self.revive(),
                None => {}
            }
            assert!(begun.elapsed() < POINT_PATIENCE, "{point} was not passed {passes} times; {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        std::fs::remove_file(&file).unwrap();
    }

    /// One time in two while it starts; else at work, however long the start took.
    async fn die_any_time(&mut self) {
        if rand::random() {
            self.process.ready_within(POINT_PATIENCE).await;
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..LIFE_MS))).await;
        self.process.kill_now();
    }

    async fn die_unanswered(&mut self) {
        self.receiver.script([Answer::Hang]);
        self.receiver.wait_for(self.receiver.count() + 1, POINT_PATIENCE).await;
        self.process.kill_now();
        self.receiver.script([Answer::status(200)]);
    }

    /// Ends the stories, waits until nothing is owed any more, and says what came of it all.
    pub async fn settle(mut self) -> Tally {
        self.process.ready_within(POINT_PATIENCE).await;
        self.enough.cancel();
        let mut told = Vec::new();
        while let Some(one) = self.stories.join_next().await {
            told.push(one.unwrap());
        }
        let log = self.log();
        wait_until(&format!("nothing is pending or owed; {log}"), POINT_PATIENCE, || async {
            let status = self.process.get("status").await;
            let queue = status["queue"].as_object().unwrap();
            status["owedAnnotations"] == 0 && queue.keys().all(|state| state == "delivered")
        })
        .await;
        let rows = self.process.get("deliveries?limit=10000").await["items"].as_array().unwrap().clone();
        let apps = applications(&self.namespace).await;
        let left = wait_for("the Applications", PATIENCE, || async { apps.list(&Default::default()).await.ok() }).await;
        let left = left.items.iter().filter(|app| story::is_annotated(app)).count();
        let mut tally = Tally::of(&self.kills, &told, &self.receiver.requests(), &rows, self.single);
        if left > 0 {
            tally.wrong.push(format!("{left} annotations were left behind"));
        }
        let orderly = self.process.terminate().await;
        if orderly != Some(0) {
            tally.wrong.push(format!("the last process ended with {orderly:?}; {log}"));
        }
        if !tally.wrong.is_empty() {
            let kept = self.folder.keep();
            tally.wrong.push(format!(
                "what it held and said is in {}, namespace {}",
                kept.display(),
                self.namespace.name
            ));
        }
        tally
    }

    fn log(&self) -> String {
        format!("its log is {}", self.folder.path().join("log").display())
    }
}

fn spawn(
    kubeconfig: &Path,
    namespace: &str,
    folder: &TempDir,
    ports: [u16; 2],
    environment: &[(&'static str, OsString)],
) -> Gatepost {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log")).unwrap();
    Gatepost::spawn(Start { kubeconfig, namespace, store: None }, ports, environment, log)
}
