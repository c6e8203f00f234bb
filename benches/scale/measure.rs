//! The parts of a run, one function each. A figure is taken while nothing else of the run is going on.

use crate::cluster::Fleet;
use crate::process::{self, Process};
use crate::receiver::Receivers;
use crate::report::{Report, quantile};
use crate::{Options, Part, env, peer};
use futures::{StreamExt as _, stream};
use std::time::{Duration, Instant};

/// Receivers; the first one, or the first fifth, is made to hang.
const RECEIVERS: usize = 21;
const HANGING: usize = 4;
/// Writers of a burst.
const WRITERS: usize = 16;
/// How long one post is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two single changes.
const PAUSE: Duration = Duration::from_millis(20);
/// What one Application is of in the growth part, bytes.
const SMALL: usize = 2_000;
/// Figures of the Go controller on an idle machine, milliseconds.
const GO_MEDIAN_MS: f64 = 1.3;
const GO_P99_MS: f64 = 3.2;

/// Runs what was asked for.
pub async fn all(options: &Options) -> Report {
    let mut report = Report::default();
    report.note_load();
    let receivers = Receivers::start(RECEIVERS).await;
    let is_of_fleet = |part: &Part| !matches!(part, Part::Growth | Part::Gates | Part::Approvals);
    if options.parts.iter().any(is_of_fleet) {
        let fleet = Fleet::new(&receivers.urls, options.bytes).await;
        fleet.create(0, options.apps).await;
        if options.parts.iter().any(|part| is_of_fleet(part) && *part != Part::Pages) {
            on_one_fleet(options, &fleet, &receivers, &mut report).await;
        }
        if options.parts.contains(&Part::Pages) {
            crate::pages::pages(options, &fleet, &receivers, &mut report).await;
        }
    }
    if options.parts.contains(&Part::Growth) {
        growth(options, &receivers, &mut report).await;
    }
    if options.parts.contains(&Part::Gates) {
        crate::gates::gates(options, &mut report).await;
    }
    if options.parts.contains(&Part::Approvals) {
        crate::approvals::approvals(options, &mut report).await;
    }
    report.note_load();
    report
}

/// Who is measured.
pub struct Subject<'a> {
    /// Its name.
    pub name: &'static str,
    /// The process.
    pub process: Process,
    /// The Applications that it looks at.
    pub fleet: &'a Fleet,
    /// Whom it tells.
    pub receivers: &'a Receivers,
}

/// A row of single changes.
pub struct Singles<'a> {
    /// For the report.
    pub what: &'a str,
    /// What its revisions begin with, so that no post of another row is taken for one of these.
    pub mark: &'a str,
    /// So many of the first receivers hang; every change that goes to one of them is not measured.
    pub hanging: usize,
}

async fn on_one_fleet(options: &Options, fleet: &Fleet, receivers: &Receivers, report: &mut Report) {
    let kubeconfig = env::cluster().await.kubeconfig();
    let process = process::gatepost(&options.gatepost, kubeconfig, &fleet.namespace.name);
    let subject = Subject { name: "gatepost", process, fleet, receivers };
    let synced = subject.process.ready().await;
    report.add(subject.name, "seconds until all Applications have been looked at", synced.as_secs_f64(), "s", None);
    for part in &options.parts {
        match part {
            Part::Memory => subject.memory(options, report, true).await,
            Part::Latency => {
                let calm = subject.calm(options, report).await;
                if let Some(line) = &options.peer {
                    beside(options, &subject, line, report).await;
                }
                subject.hanging(options, report, calm).await;
            }
            Part::Hung => subject.hung(report).await,
            Part::Descriptors => subject.descriptors(options, report).await,
            Part::Growth | Part::Gates | Part::Approvals | Part::Pages => {}
        }
    }
    let was_beside = options.parts.contains(&Part::Latency);
    if let Some(line) = options.peer.as_ref().filter(|_| !was_beside) {
        beside(options, &subject, line, report).await;
    }
}

/// Another controller with as many Applications of its own: its memory, then both with one change in turns, so that whatever else goes on
/// meets both. Who is not measured stands still.
async fn beside(options: &Options, subject: &Subject<'_>, line: &str, report: &mut Report) {
    let kubeconfig = env::cluster().await.kubeconfig();
    let line = if line == "argocd" { peer::command(&peer::build()) } else { line.to_owned() };
    let fleet = Fleet::new(&subject.receivers.urls, options.bytes).await;
    fleet.create(0, options.apps).await;
    subject.process.halt(true);
    let process = process::peer(&line, kubeconfig, &fleet.namespace.name);
    let peer = Subject { name: "peer", process, fleet: &fleet, receivers: subject.receivers };
    peer.process.ready().await;
    // A controller that does not say when it is ready gets time to read everything.
    tokio::time::sleep(Duration::from_secs(10)).await;
    peer.process.quiet().await;
    if options.parts.contains(&Part::Memory) {
        peer.memory(options, report, false).await;
    }
    if options.parts.contains(&Part::Latency) {
        in_turns(options, subject, &peer, report).await;
    }
    subject.process.halt(false);
}

/// One change each, in turns; Gatepost is not to be slower than the other.
async fn in_turns(options: &Options, subject: &Subject<'_>, peer: &Subject<'_>, report: &mut Report) {
    let mut times = [Vec::new(), Vec::new()];
    for nth in 1..=options.changes {
        for (times, (subject, other)) in times.iter_mut().zip([(subject, peer), (peer, subject)]) {
            other.process.halt(true);
            subject.process.halt(false);
            // It finds itself awake before it is asked for anything.
            tokio::time::sleep(PAUSE).await;
            let row = Singles { what: "", mark: if subject.name == "peer" { "peer" } else { "turn" }, hanging: 0 };
            times.extend(subject.single(options, &row, nth).await);
            tokio::time::sleep(PAUSE).await;
        }
    }
    let [ours, theirs] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times
    });
    for (share, name) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")] {
        let what = format!("one change, in turns: answered write to POST, {name}");
        let limit = quantile(&theirs, share);
        report.add(peer.name, what.clone(), limit, "ms", None);
        report.add(subject.name, what, quantile(&ours, share), "ms", (share != 0.9).then_some(limit));
    }
}

impl Subject<'_> {
    /// An aim that only the product is held to.
    fn aim(&self, aim: f64) -> Option<f64> {
        (self.name == "gatepost").then_some(aim)
    }

    async fn memory(&self, options: &Options, report: &mut Report, with_aims: bool) {
        let size = format!("{} Applications of {} bytes", options.apps, options.bytes);
        let sample = self.process.sample();
        report.add(self.name, format!("RSS after the first list, {size}"), sample.rss, "MiB", self.aim(60.0));
        report.add(self.name, "peak of RSS until then", sample.peak, "MiB", None);
        let revision = if with_aims { "burst" } else { "burst-peer" };
        let (wrote, last) = self.burst(options.burst, revision).await;
        let after = last.saturating_duration_since(wrote).as_secs_f64();
        report.add(
            self.name,
            format!("last POST after the last of {} writes at once", options.burst),
            after,
            "s",
            self.aim(1.0),
        );
        self.process.quiet().await;
        let sample = self.process.sample();
        report.add(self.name, "RSS after the burst", sample.rss, "MiB", self.aim(60.0));
        report.add(self.name, "peak of RSS until then", sample.peak, "MiB", None);
        report.add(self.name, "CPU seconds until then", sample.cpu, "s", None);
    }

    /// Changes the first `count` Applications at once; when the last write was answered, and when the last post came.
    async fn burst(&self, count: usize, revision: &str) -> (Instant, Instant) {
        let writes = stream::iter(0..count).map(|nth| self.fleet.change(nth, revision));
        writes.buffer_unordered(WRITERS).collect::<Vec<()>>().await;
        let wrote = Instant::now();
        let mut last = wrote;
        for nth in 0..count {
            let path = self.fleet.path(nth, revision);
            last = last.max(self.receivers.wait(&path, PATIENCE).await.unwrap_or_else(|| panic!("{path} never came")));
        }
        (wrote, last)
    }

    /// Single changes, nothing else going on; answers with the median in milliseconds.
    async fn calm(&self, options: &Options, report: &mut Report) -> f64 {
        self.singles(options, report, &Singles { what: "one change", mark: "calm", hanging: 0 }).await
    }

    /// The same while some receivers hang. Their breakers stay open for a while.
    async fn hanging(&self, options: &Options, report: &mut Report, calm: f64) {
        for nth in 0..HANGING {
            self.receivers.hang(nth, true);
        }
        let what = format!("one change, {HANGING} of {RECEIVERS} receivers hang");
        let hung = self.singles(options, report, &Singles { what: &what, mark: "hung", hanging: HANGING }).await;
        for nth in 0..HANGING {
            self.receivers.hang(nth, false);
        }
        report.add(
            self.name,
            "the median with hanging receivers to that without",
            hung / calm.max(0.01),
            "times",
            None,
        );
    }

    /// Changes one Application after the other and waits for each post; answers with the median in milliseconds.
    pub async fn singles(&self, options: &Options, report: &mut Report, row: &Singles<'_>) -> f64 {
        let what = row.what;
        let mut times = Vec::with_capacity(options.changes);
        let mut nth = 0;
        while times.len() < options.changes {
            nth += 1;
            times.extend(self.single(options, row, nth).await);
            tokio::time::sleep(PAUSE).await;
        }
        times.sort_by(f64::total_cmp);
        let of = |share| quantile(&times, share);
        report.add(self.name, format!("{what}: answered write to POST, p50"), of(0.5), "ms", self.aim(GO_MEDIAN_MS));
        report.add(self.name, format!("{what}: answered write to POST, p99"), of(0.99), "ms", self.aim(GO_P99_MS));
        of(0.5)
    }

    /// The `nth` change of a row: milliseconds from its answered write to its post; nothing where its receiver hangs.
    async fn single(&self, options: &Options, row: &Singles<'_>, nth: usize) -> Option<f64> {
        let revision = format!("{}-{nth}", row.mark);
        let app = (nth * 7919) % options.apps;
        self.fleet.change(app, &revision).await;
        let answered = Instant::now();
        if self.fleet.receiver_of(app) < row.hanging {
            return None;
        }
        let path = self.fleet.path(app, &revision);
        let at = self.receivers.wait(&path, PATIENCE).await.unwrap_or_else(|| panic!("{path} never came"));
        Some(at.saturating_duration_since(answered).as_secs_f64() * 1000.0)
    }

    /// One change for each receiver at once, the first of which hangs.
    async fn hung(&self, report: &mut Report) {
        self.receivers.hang(0, true);
        let writes = stream::iter(0..RECEIVERS).map(|nth| self.fleet.change(nth, "hung"));
        writes.buffer_unordered(RECEIVERS).collect::<Vec<()>>().await;
        let wrote = Instant::now();
        let mut last = wrote;
        for nth in 1..RECEIVERS {
            let path = self.fleet.path(nth, "hung");
            last = last.max(self.receivers.wait(&path, PATIENCE).await.unwrap_or_else(|| panic!("{path} never came")));
        }
        self.receivers.hang(0, false);
        let after = last.saturating_duration_since(wrote).as_secs_f64();
        report.add(
            self.name,
            format!("one of {RECEIVERS} receivers hangs: the others have theirs after"),
            after,
            "s",
            self.aim(1.0),
        );
    }

    async fn descriptors(&self, options: &Options, report: &mut Report) {
        self.process.quiet().await;
        let before = self.process.sample().descriptors;
        let (mut done, mut most, mut round) = (0, before, 0);
        while done < options.deliveries {
            let count = options.apps.min(options.deliveries - done).min(1_000);
            self.burst(count, &format!("round-{round}")).await;
            self.receivers.forget();
            done += count;
            round += 1;
            most = most.max(self.process.sample().descriptors);
        }
        self.process.quiet().await;
        let after = self.process.sample();
        report.add(self.name, "descriptors before", before as f64, "open", None);
        report.add(self.name, format!("highest count over {done} deliveries"), most as f64, "open", None);
        report.add(self.name, "descriptors after", after.descriptors as f64, "open", self.aim(before as f64 + 40.0));
        report.add(self.name, "RSS after them", after.rss, "MiB", self.aim(60.0));
    }
}

/// RSS with a fifth of the small Applications, then with all: what each one costs.
async fn growth(options: &Options, receivers: &Receivers, report: &mut Report) {
    let fleet = Fleet::new(&receivers.urls, SMALL).await;
    let kubeconfig = env::cluster().await.kubeconfig();
    let few = options.many / 5;
    let mut resident = Vec::new();
    for (from, to) in [(0, few), (few, options.many)] {
        fleet.create(from, to).await;
        let process = process::gatepost(&options.gatepost, kubeconfig, &fleet.namespace.name);
        process.ready().await;
        let sample = process.sample();
        report.add("gatepost", format!("RSS with {to} Applications of {SMALL} bytes"), sample.rss, "MiB", None);
        resident.push(sample.rss);
    }
    let each = (resident[1] - resident[0]) * 1024.0 / (options.many - few).max(1) as f64;
    report.add("gatepost", "RSS for each further Application", each, "KiB", Some(2.0));
}
