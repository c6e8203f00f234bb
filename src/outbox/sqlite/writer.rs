//! The one writer: it commits whatever waits in one transaction (group commit), each piece of work in a savepoint of its own.
//!
//! A piece that cannot be stored is rolled back alone; connection, disk and corruption errors fail the whole group, of which nothing is kept
//! then. Nobody is answered before the commit is on the disk. Outcomes go before decisions, and claims come last, so that what was just
//! decided is claimed in the same transaction: one fsync lies between a change and its POST.

use super::super::store::Error;
use super::log::Log;
use crate::failpoint;
use futures::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Most pieces of work in one transaction: bounds how long the first one waits for the last.
const GROUP_MAX: usize = 512;
/// A transaction with so many pieces takes no more while it runs.
const JOINING_MAX: usize = 64;
/// How long a piece for later waits for a transaction without decisions to go along with, before it gets one of its own.
const LATER_MAX: Duration = Duration::from_millis(50);
/// Pieces that may wait in each queue before callers are held back.
const QUEUE_LEN: usize = 4096;

/// Which queue a piece of work waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// Outcomes, people.
    First,
    /// Decisions.
    Second,
    /// Claims: never held back by decisions, but after those of their group.
    Claim,
    /// What is done again if it is lost, and nobody waits for: it keeps no decision waiting for its way to the disk.
    Later,
}

/// Hands work to the writer; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    first: mpsc::Sender<Box<dyn Job>>,
    second: mpsc::Sender<Box<dyn Job>>,
    claims: mpsc::Sender<Box<dyn Job>>,
    later: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the writer on its own connection; it ends when all handles are gone and the queues are empty. A store in memory has no log.
    pub(super) fn start(connection: SqliteConnection, log: Option<Log>) -> (Self, tokio::task::JoinHandle<()>) {
        let (first, first_rx) = mpsc::channel(QUEUE_LEN);
        let (second, second_rx) = mpsc::channel(QUEUE_LEN);
        let (claims, claims_rx) = mpsc::channel(QUEUE_LEN);
        let (later, later_rx) = mpsc::channel(QUEUE_LEN);
        let queues = Queues { first: first_rx, second: second_rx, claims: claims_rx, later: later_rx, held: None };
        let task = tokio::spawn(Loop { connection, log, queues }.run());
        (Self { first, second, claims, later }, task)
    }

    /// Runs a piece of work in the next group and waits for its commit.
    pub(super) async fn run<T, F>(&self, priority: Priority, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Piece { work: Some(work), result: None, reply });
        let queue = match priority {
            Priority::First => &self.first,
            Priority::Second => &self.second,
            Priority::Claim => &self.claims,
            Priority::Later => &self.later,
        };
        queue.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// A piece of work whose type of result is its own affair.
trait Job: Send {
    /// Runs it and keeps the result; an error is given back as well.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), Error>>;
    /// Answers, once the fate of the group is known.
    fn finish(self: Box<Self>, group: Result<(), Error>);
}

struct Piece<T, F> {
    work: Option<F>,
    result: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Job for Piece<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), Error>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Ok(()) };
            let result = work(connection).await;
            let told = result.as_ref().map(|_| ()).map_err(Clone::clone);
            self.result = Some(result);
            told
        })
    }

    fn finish(self: Box<Self>, group: Result<(), Error>) {
        let result = match (self.result, group) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(group)) => Err(group),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::Closed),
        };
        // Whoever asked may have gone; the work is done all the same.
        let _ = self.reply.send(result);
    }
}

struct Queues {
    first: mpsc::Receiver<Box<dyn Job>>,
    second: mpsc::Receiver<Box<dyn Job>>,
    claims: mpsc::Receiver<Box<dyn Job>>,
    later: mpsc::Receiver<Box<dyn Job>>,
    /// The first piece for later, and when it has waited long enough.
    held: Option<(Box<dyn Job>, Instant)>,
}

impl Queues {
    /// Waits for work, then takes all that waits, up to the group's size. False when there will be no more.
    async fn gather(&mut self, jobs: &mut Vec<Box<dyn Job>>) -> bool {
        let (mut claim, mut decides) = (None, false);
        loop {
            let due = self.held.as_ref().map(|(_, due)| *due);
            tokio::select! {
                biased;
                Some(job) = self.first.recv() => jobs.push(job),
                Some(job) = self.claims.recv() => claim = Some(job),
                Some(job) = self.second.recv() => { jobs.push(job); decides = true; }
                Some(job) = self.later.recv(), if due.is_none() => {
                    self.held = Some((job, Instant::now() + LATER_MAX));
                    continue;
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                else => return false,
            }
            decides |= self.take(jobs, GROUP_MAX, claim.take());
            if !decides || due.is_some_and(|due| due <= Instant::now()) {
                self.take_later(jobs);
            }
            return true;
        }
    }

    /// Takes what waits in the order in which it is to run, until there are `max`; a claim is always taken. Whether a decision or a claim
    /// is among it.
    fn take(&mut self, jobs: &mut Vec<Box<dyn Job>>, max: usize, claim: Option<Box<dyn Job>>) -> bool {
        let claims: Vec<_> = claim.into_iter().chain(std::iter::from_fn(|| self.claims.try_recv().ok())).collect();
        let mut decides = !claims.is_empty();
        for (queue, is_decision) in [(&mut self.first, false), (&mut self.second, true)] {
            while jobs.len() < max {
                let Ok(job) = queue.try_recv() else { break };
                jobs.push(job);
                decides |= is_decision;
            }
        }
        jobs.extend(claims);
        decides
    }

    fn take_later(&mut self, jobs: &mut Vec<Box<dyn Job>>) {
        let held = self.held.take().map(|(job, _)| job);
        let waiting = std::iter::from_fn(|| self.later.try_recv().ok());
        jobs.extend(held.into_iter().chain(waiting).take(GROUP_MAX));
    }
}

struct Loop {
    connection: SqliteConnection,
    log: Option<Log>,
    queues: Queues,
}

impl Loop {
    async fn run(mut self) {
        let mut jobs = Vec::with_capacity(GROUP_MAX);
        while self.queues.gather(&mut jobs).await {
            let fate = self.group(&mut jobs).await;
            if fate.is_err() {
                // Without a transaction to roll back this is an error that says nothing new.
                let _ = self.connection.execute("ROLLBACK").await;
            }
            let pieces = jobs.len();
            for job in jobs.drain(..) {
                job.finish(fate.clone());
            }
            if let Some(log) = &mut self.log {
                log.wrote(pieces);
            }
        }
        if let Some(log) = self.log {
            log.end().await;
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "failed to close the store");
        }
    }

    /// Runs the pieces, and those that come meanwhile, in one transaction. What stands between two pieces is one text: each text is a
    /// way to SQLite's thread and back, and a change waits for all of them.
    async fn group(&mut self, jobs: &mut Vec<Box<dyn Job>>) -> Result<(), Error> {
        self.execute("BEGIN IMMEDIATE; SAVEPOINT piece", "begin a transaction").await?;
        let mut done = 0;
        while let Some(job) = jobs.get_mut(done) {
            let kept = match job.run(&mut self.connection).await {
                Ok(()) => true,
                Err(error) if error.is_transient() => return Err(error),
                Err(_) => false,
            };
            done += 1;
            if done == jobs.len() && done < JOINING_MAX {
                self.queues.take(jobs, JOINING_MAX, None);
            }
            if done == jobs.len() {
                failpoint::pass("group.applied");
            }
            // A savepoint that was rolled back to is still there, and a commit takes the one that is there along.
            match (kept, done == jobs.len()) {
                (true, false) => self.execute("RELEASE piece; SAVEPOINT piece", "set a savepoint").await?,
                (false, false) => self.execute("ROLLBACK TO piece", "roll back to a savepoint").await?,
                (true, true) => self.execute("COMMIT", "commit").await?,
                (false, true) => self.execute("ROLLBACK TO piece; COMMIT", "commit").await?,
            }
        }
        failpoint::pass("group.committed");
        Ok(())
    }

    async fn execute(&mut self, sql: &'static str, what: &'static str) -> Result<(), Error> {
        sqlx::query(sql).execute(&mut self.connection).await.map_err(|error| fault(what, &error))?;
        Ok(())
    }
}

/// Tells what is wrong with the data (this piece alone) from what is wrong with the store (everybody).
pub(super) fn fault(what: &'static str, error: &sqlx::Error) -> Error {
    const DATA: [u8; 4] = [18, 19, 20, 25]; // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_RANGE
    const DAMAGED: [u8; 2] = [11, 26]; // SQLITE_CORRUPT, SQLITE_NOTADB
    let primary = error
        .as_database_error()
        .and_then(|database| database.code())
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| (code & 0xff) as u8);
    match (primary, error) {
        (Some(code), _) if DATA.contains(&code) => Error::Unstorable(format!("failed to {what}: {error}")),
        (None, sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
            Error::Unstorable(format!("failed to {what}: {error}"))
        }
        (Some(code), _) if DAMAGED.contains(&code) => Error::Damaged { what, cause: error.to_string() },
        _ => Error::Unavailable { what, cause: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{LATER_MAX, Priority, Writer};
    use crate::outbox::conformance::{all, deliver, new_delivery};
    use crate::outbox::{SqliteStore, Store};
    use sqlx::Connection as _;
    use sqlx::sqlite::SqliteConnection;
    use std::time::Duration;
    use tokio::time::Instant;

    async fn run(writer: &Writer, priority: Priority) -> Instant {
        writer.run(priority, |_| Box::pin(async { Ok(()) })).await.unwrap();
        Instant::now()
    }

    async fn writer() -> (Writer, tokio::task::JoinHandle<()>) {
        Writer::start(SqliteConnection::connect("sqlite::memory:").await.unwrap(), None)
    }

    #[tokio::test]
    async fn what_is_for_later_goes_with_outcomes_and_waits_while_there_are_decisions() {
        let (writer, _task) = writer().await;
        let began = Instant::now();
        let (later, _outcome) = tokio::join!(run(&writer, Priority::Later), run(&writer, Priority::First));
        assert!(later - began < LATER_MAX, "{:?}", later - began);
        let began = Instant::now();
        let (later, decision) = tokio::join!(run(&writer, Priority::Later), run(&writer, Priority::Second));
        assert!(later - began >= LATER_MAX && decision < later, "{:?}", later - began);
    }

    #[tokio::test]
    async fn decisions_without_end_do_not_starve_what_is_for_later() {
        let (writer, _task) = writer().await;
        let deciding = async {
            loop {
                run(&writer, Priority::Second).await;
            }
        };
        let later = tokio::time::timeout(Duration::from_secs(5), run(&writer, Priority::Later));
        tokio::select! { () = deciding => {}, later = later => drop(later.unwrap()) }
    }

    #[tokio::test]
    async fn what_is_for_later_is_written_before_the_store_closes() {
        let (writer, task) = writer().await;
        let other = writer.clone();
        let later = tokio::spawn(async move { run(&other, Priority::Later).await });
        tokio::task::yield_now().await;
        drop(writer);
        task.await.unwrap();
        later.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_decided_is_claimed_in_the_same_transaction() {
        let store = SqliteStore::in_memory().await.unwrap();
        let new = new_delivery("a", "on-x", 1);
        let object = new.occurrence.object.clone();
        // Both are in their queues before the writer, a task of the same thread, begins; a group of its own would make the claim empty.
        let (committed, claims) =
            tokio::join!(store.commit(&object, vec![deliver(new)], 1_000), store.claim(1_000, all()));
        assert_eq!(committed.unwrap().ids.len(), 1);
        assert_eq!(claims.unwrap().rows.len(), 1);
    }
}
