//! The one writer, a thread of its own: it commits whatever waits in one transaction (group commit), each piece of work in a savepoint.
//!
//! A piece that cannot be stored, or that panics, is rolled back alone; connection, disk and corruption errors fail the whole group, of
//! which nothing is kept then. Nobody is answered before the commit is on the disk. Outcomes go before decisions, and claims come last, so
//! that what was just decided is claimed in the same transaction: one fsync lies between a change and its POST.
//!
//! What may be lost when the machine stops, and does no harm then, is committed in groups of its own, without a sync.
//!
//! A piece is handed over and its answer handed back, and between the two nobody else is woken: all its statements run on this thread.

use super::super::store::Error;
use super::log::Log;
use super::queues::{JOINING_MAX, Queues, Until};
use super::sql::{fault, task};
use crate::failpoint;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long after its begin a group still waits for the claim of what it made fall due: a third of what a second sync of the log takes.
const CLAIM_MAX: Duration = Duration::from_micros(300);

/// Which queue a piece of work waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// Outcomes, people.
    First,
    /// Decisions.
    Second,
    /// Decisions that make rows fall due, in the same queue: whoever claims is woken while they are on their way.
    Due,
    /// Claims: never held back by decisions, but after those of their group.
    Claim,
    /// What is found done if it is lost, and nobody waits for: it keeps no decision waiting, and goes to the disk with what comes after it.
    Later,
    /// What a crash of the process must not lose, and one of the machine may: nobody waits for the disk.
    Unsynced,
}

/// Hands work to the writer; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    first: mpsc::Sender<Box<dyn Job>>,
    second: mpsc::Sender<Box<dyn Job>>,
    claims: mpsc::Sender<Box<dyn Job>>,
    later: mpsc::Sender<Box<dyn Job>>,
    unsynced: mpsc::Sender<Box<dyn Job>>,
    /// Below the queues: they are closed before the last of the handles wakes the thread.
    thread: Arc<Wake>,
}

/// Wakes the writer's thread, at the latest to its end.
#[derive(Debug)]
struct Wake(Thread);

impl Drop for Wake {
    fn drop(&mut self) {
        self.0.unpark();
    }
}

impl Writer {
    /// Starts the writer on its own connection; it ends when all handles are gone and the queues are empty. A store in memory has no log.
    pub(super) fn start(connection: Connection, log: Option<Log>) -> Result<(Self, JoinHandle<()>), Error> {
        let ([first, second, claims, later, unsynced], queues) = Queues::new();
        let writing = move || Loop { connection, log, queues, outlives: Until::Disk }.run();
        let running = thread::Builder::new().name("store-writer".to_owned()).spawn(writing);
        let running = running
            .map_err(|error| Error::Unavailable { what: "start the store's writer", cause: error.to_string() })?;
        let thread = Arc::new(Wake(running.thread().clone()));
        Ok((Self { first, second, claims, later, unsynced, thread }, running))
    }

    /// Runs a piece of work in the next group and waits for its commit.
    pub(super) async fn run<T, F>(&self, priority: Priority, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        self.run_in_group(priority, work).await.map(|(value, _)| value)
    }

    /// The same; also whether a claim came after it in its group.
    pub(super) async fn run_in_group<T, F>(&self, priority: Priority, work: F) -> Result<(T, bool), Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Piece::new(work, priority, reply));
        let queue = match priority {
            Priority::First => &self.first,
            Priority::Second | Priority::Due => &self.second,
            Priority::Claim => &self.claims,
            Priority::Later => &self.later,
            Priority::Unsynced => &self.unsynced,
        };
        queue.send(job).await.map_err(|_| Error::Closed)?;
        self.thread.0.unpark();
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// A piece of work whose type of result is its own affair.
pub(super) trait Job: Send {
    /// Which queue it waits in.
    fn priority(&self) -> Priority;
    /// Runs it and keeps the result; an error is given back as well.
    fn run(&mut self, connection: &Connection) -> Result<(), Error>;
    /// Answers, once the fate of the group is known, and whether a claim came after this piece in it.
    fn finish(self: Box<Self>, group: Result<(), Error>, claimed: bool);
}

pub(super) struct Piece<T, F> {
    work: Option<F>,
    result: Option<Result<T, Error>>,
    priority: Priority,
    reply: oneshot::Sender<Result<(T, bool), Error>>,
}

impl<T, F> Piece<T, F> {
    pub(super) fn new(work: F, priority: Priority, reply: oneshot::Sender<Result<(T, bool), Error>>) -> Self {
        Self { work: Some(work), result: None, priority, reply }
    }
}

impl<T, F> Job for Piece<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
{
    fn priority(&self) -> Priority {
        self.priority
    }

    fn run(&mut self, connection: &Connection) -> Result<(), Error> {
        let Some(work) = self.work.take() else { return Ok(()) };
        // What it wrote is rolled back, and what it held of the connection was let go while it unwound.
        let result = catch_unwind(AssertUnwindSafe(|| work(connection)));
        let result = result.unwrap_or_else(|_| Err(Error::Unstorable("the work on it panicked".to_owned())));
        let told = result.as_ref().map(|_| ()).map_err(Clone::clone);
        self.result = Some(result);
        told
    }

    fn finish(self: Box<Self>, group: Result<(), Error>, claimed: bool) {
        let result = match (self.result, group) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(group)) => Err(group),
            (Some(Ok(value)), Ok(())) => Ok((value, claimed)),
            (None, Ok(())) => Err(Error::Closed),
        };
        // Whoever asked may have gone; the work is done all the same.
        let _ = self.reply.send(result);
    }
}

/// Answers all pieces of a group. Claims come first: what they got is sent while the others note what was decided.
fn answer(jobs: &mut Vec<Box<dyn Job>>, fate: &Result<(), Error>) {
    let last_claim = jobs.iter().rposition(|job| job.priority() == Priority::Claim);
    let placed = jobs.drain(..).enumerate();
    let (claims, others): (Vec<_>, Vec<_>) = placed.partition(|(_, job)| job.priority() == Priority::Claim);
    for (place, job) in claims.into_iter().chain(others) {
        job.finish(fate.clone(), last_claim.is_some_and(|claim| claim > place));
    }
}

struct Loop {
    connection: Connection,
    log: Option<Log>,
    queues: Queues,
    /// What commits are made to outlive now; the connection was opened for the disk.
    outlives: Until,
}

impl Loop {
    fn run(mut self) {
        let mut jobs = Vec::new();
        while let Some(until) = self.queues.gather(&mut jobs) {
            let fate = self.group(&mut jobs, until);
            let pieces = jobs.len();
            answer(&mut jobs, &fate);
            if let Some(log) = &mut self.log {
                log.wrote(pieces);
            }
        }
        if let Some(log) = self.log {
            log.end();
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "failed to close the store");
        }
    }

    /// While it is compiled, such a statement is carried out: a prepared one does nothing.
    fn commit_until(&mut self, until: Until) -> Result<(), Error> {
        if self.outlives == until {
            return Ok(());
        }
        let level = if until == Until::Disk { "FULL" } else { "NORMAL" };
        let set = self.connection.execute_batch(&format!("PRAGMA synchronous = {level}"));
        set.map_err(|error| fault("say what a commit waits for", &error))?;
        self.outlives = until;
        Ok(())
    }

    /// Runs the pieces, and those that come meanwhile where that matters, in one transaction, of which nothing is left if it fails.
    fn group(&mut self, jobs: &mut Vec<Box<dyn Job>>, until: Until) -> Result<(), Error> {
        self.commit_until(until)?;
        let fate = self.transaction(jobs, until);
        if fate.is_err() {
            // Without a transaction to roll back this is an error that says nothing new.
            let _ = self.execute(&["ROLLBACK"], "roll back");
        }
        fate
    }

    fn transaction(&mut self, jobs: &mut Vec<Box<dyn Job>>, until: Until) -> Result<(), Error> {
        self.execute(&["BEGIN IMMEDIATE", "SAVEPOINT piece"], "begin a transaction")?;
        let (mut done, claim_due) = (0, Instant::now() + CLAIM_MAX);
        while let Some(job) = jobs.get_mut(done) {
            let kept = match job.run(&self.connection) {
                Ok(()) => true,
                Err(error) if error.is_transient() => return Err(error),
                Err(_) => false,
            };
            done += 1;
            if until == Until::Disk && done == jobs.len() && done < JOINING_MAX {
                self.queues.join(jobs, claim_due);
            }
            if done == jobs.len() {
                failpoint::pass("group.applied");
            }
            // A savepoint that was rolled back to is still there, and a commit takes the one that is there along.
            match (kept, done == jobs.len()) {
                (true, false) => self.execute(&["RELEASE piece", "SAVEPOINT piece"], "set a savepoint")?,
                (false, false) => self.execute(&["ROLLBACK TO piece"], "roll back to a savepoint")?,
                (true, true) => self.execute(&["COMMIT"], "commit")?,
                (false, true) => self.execute(&["ROLLBACK TO piece", "COMMIT"], "commit")?,
            }
        }
        failpoint::pass("group.committed");
        Ok(())
    }

    fn execute(&self, texts: &[&str], what: &'static str) -> Result<(), Error> {
        task(&self.connection, what).run_each(texts, &[])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Priority, Writer};
    use crate::outbox::Error;
    use rusqlite::Connection;
    use std::sync::mpsc;
    use std::thread::JoinHandle;
    use std::time::Duration;

    async fn run(writer: &Writer, priority: Priority) {
        writer.run(priority, |_| Ok(())).await.unwrap();
    }

    fn writer() -> (Writer, JoinHandle<()>) {
        Writer::start(Connection::open_in_memory().unwrap(), None).unwrap()
    }

    #[tokio::test]
    async fn decisions_without_end_do_not_starve_what_is_for_later() {
        let (writer, _thread) = writer();
        let deciding = async {
            loop {
                run(&writer, Priority::Second).await;
            }
        };
        let later = tokio::time::timeout(Duration::from_secs(5), run(&writer, Priority::Later));
        tokio::select! { () = deciding => {}, later = later => later.unwrap() }
    }

    #[tokio::test]
    async fn what_is_for_later_is_written_before_the_store_closes() {
        let (writer, thread) = writer();
        let other = writer.clone();
        let later = tokio::spawn(async move { run(&other, Priority::Later).await });
        tokio::task::yield_now().await;
        drop(writer);
        later.await.unwrap();
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn what_is_decided_is_claimed_in_the_same_transaction() {
        let (writer, _thread) = writer();
        let (free, held) = mpsc::channel::<()>();
        let blocked = writer.run(Priority::First, move |_| {
            let _ = held.recv();
            Ok(())
        });
        // The claim fails its group, and the decision with it, if it is one group.
        let decided = writer.run(Priority::Second, |_| Ok(()));
        let claimed = writer.run(Priority::Claim, |connection| {
            assert!(!connection.is_autocommit());
            Err::<(), _>(Error::Unavailable { what: "claim", cause: "the disk".to_owned() })
        });
        let (_, decided, claimed, ()) = tokio::join!(blocked, decided, claimed, async { drop(free) });
        assert!(matches!(claimed, Err(Error::Unavailable { .. })), "{claimed:?}");
        assert!(matches!(decided, Err(Error::Unavailable { .. })), "{decided:?}");
    }

    #[tokio::test]
    async fn who_decides_knows_whether_a_claim_came_after_it() {
        let (writer, _thread) = writer();
        let alone = writer.run_in_group(Priority::Due, |_| Ok(())).await.unwrap();
        assert_eq!(alone, ((), false));
        let (free, held) = mpsc::channel::<()>();
        let blocked = writer.run(Priority::First, move |_| {
            let _ = held.recv();
            Ok(())
        });
        let decided = writer.run_in_group(Priority::Due, |_| Ok(()));
        let claimed = writer.run_in_group(Priority::Claim, |_| Ok(()));
        let (_, decided, claimed, ()) = tokio::join!(blocked, decided, claimed, async { drop(free) });
        assert_eq!((decided.unwrap(), claimed.unwrap()), (((), true), ((), false)));
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_piece_and_nothing_else() {
        let (writer, _thread) = writer();
        let run = |sql: &'static str| move |connection: &Connection| Ok(connection.execute(sql, []).unwrap());
        let panic = |connection: &Connection| -> Result<(), Error> {
            connection.execute("INSERT INTO t VALUES (2)", []).unwrap();
            panic!("on purpose")
        };
        writer.run(Priority::First, run("CREATE TABLE t (a)")).await.unwrap();
        let insert = writer.run(Priority::First, run("INSERT INTO t VALUES (1)"));
        let (kept, lost) = tokio::join!(insert, writer.run(Priority::First, panic));
        kept.unwrap();
        assert!(matches!(lost, Err(Error::Unstorable(_))), "{lost:?}");
        let count = |connection: &Connection| Ok(connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)));
        assert_eq!(writer.run(Priority::First, count).await.unwrap(), Ok(1_i64));
    }
}
