//! A writer on its own connection: it commits whatever waits in one transaction (group commit) and connects again when the connection is lost.
//!
//! If a piece of a group fails, the group is rolled back and each piece runs in a transaction of its own, so that a poison piece hurts nobody
//! else and a deadlock is got over. For that a piece may run more than once; only the run that commits counts. Where the connection broke
//! during a commit nobody knows whether it happened: the callers hear [`Error::Unavailable`] and the piece is told ([`Fate::Unknown`]).

use super::super::store::Error;
use super::open::Server;
use crate::failpoint;
use futures::future::BoxFuture;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Most pieces of work in one transaction: bounds how long the first one waits for the last, and what a rollback repeats.
const GROUP_MAX: usize = 128;
/// Pieces that may wait before callers are held back.
const QUEUE_LEN: usize = 4096;
/// Runs of one piece by itself before its trouble is its caller's.
const TRIES: usize = 3;

/// What became of a group.
#[derive(Debug, Clone)]
enum Fate {
    Committed,
    /// Nothing of it is kept.
    Failed(Error),
    /// It may have been committed.
    Unknown(Error),
}

/// What a piece of work does; it is run again when its transaction did not commit.
pub(super) type Work<T> = Box<dyn for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + Sync>;

/// Hands work to a writer; clones share it.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

/// How a writer is set up.
pub(super) struct Setup {
    pub server: Server,
    /// Longest that a transaction may take, the network included.
    pub patience: Duration,
    /// Run before the commit of a group that made rows fall due.
    pub notify: String,
}

/// A piece of work as it is handed over.
pub(super) struct Order<T> {
    pub work: Work<T>,
    /// Other processes are to be told: rows may have fallen due.
    pub wakes: bool,
    /// Called when the commit may or may not have happened.
    pub in_doubt: Option<Box<dyn FnOnce() + Send>>,
}

impl Writer {
    /// Starts a writer; it ends when all handles are gone and the queue is empty.
    pub(super) fn start(setup: Setup) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(QUEUE_LEN);
        let task = tokio::spawn(Loop { setup, connection: None, jobs }.run());
        (Self { queue }, task)
    }

    /// Runs a piece of work in the next group and waits for its commit.
    pub(super) async fn run<T: Send + 'static>(&self, order: Order<T>) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Box::new(Piece { order, result: None, reply })).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// A piece of work whose type of result is its own affair.
trait Job: Send {
    fn run<'c>(&'c mut self, connection: &'c mut PgConnection) -> BoxFuture<'c, Result<(), Error>>;
    fn wakes(&self) -> bool;
    fn finish(self: Box<Self>, fate: Fate);
}

struct Piece<T> {
    order: Order<T>,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T: Send> Job for Piece<T> {
    fn run<'c>(&'c mut self, connection: &'c mut PgConnection) -> BoxFuture<'c, Result<(), Error>> {
        Box::pin(async move {
            self.result = None;
            self.result = Some((self.order.work)(connection).await?);
            Ok(())
        })
    }

    fn wakes(&self) -> bool {
        self.order.wakes
    }

    fn finish(self: Box<Self>, fate: Fate) {
        let result = match fate {
            Fate::Committed => self.result.ok_or(Error::Closed),
            Fate::Failed(error) => Err(error),
            Fate::Unknown(error) => {
                if let Some(tell) = self.order.in_doubt {
                    tell();
                }
                Err(error)
            }
        };
        // Whoever asked may have gone; the work is done all the same.
        let _ = self.reply.send(result);
    }
}

struct Loop {
    setup: Setup,
    connection: Option<PgConnection>,
    jobs: mpsc::Receiver<Box<dyn Job>>,
}

impl Loop {
    async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while self.jobs.recv_many(&mut group, GROUP_MAX).await > 0 {
            match self.attempt(&mut group).await {
                Fate::Failed(error) => {
                    for job in group.drain(..) {
                        // Without a server each would wait for it in vain.
                        match error.is_transient() && self.connection.is_none() {
                            true => job.finish(Fate::Failed(error.clone())),
                            false => self.alone(job).await,
                        }
                    }
                }
                fate => group.drain(..).for_each(|job| job.finish(fate.clone())),
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "failed to close a connection to the store");
        }
    }

    /// One piece in a transaction of its own, again where that may help.
    async fn alone(&mut self, job: Box<dyn Job>) {
        let mut single = [job];
        let mut fate = self.attempt(&mut single).await;
        for _ in 1..TRIES {
            match &fate {
                Fate::Failed(error) if error.is_transient() && self.connection.is_some() => {}
                _ => break,
            }
            fate = self.attempt(&mut single).await;
        }
        let [job] = single;
        job.finish(fate);
    }

    /// One transaction. After any trouble with it the connection is given up: that rolls back whatever was begun.
    async fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> Fate {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.setup.server.connect().await {
                Ok(connection) => connection,
                Err(error) => return Fate::Failed(fault("connect to PostgreSQL", &error)),
            },
        };
        let patience = self.setup.patience;
        let in_time = |done: Result<Result<(), Error>, _>, what| {
            done.unwrap_or_else(|_: tokio::time::error::Elapsed| Err(late(what, patience)))
        };
        let applied = tokio::time::timeout(patience, apply(&mut connection, group)).await;
        if let Err(error) = in_time(applied, "write") {
            if error.is_transient() {
                return self.broken(connection, Fate::Failed(error)).await;
            }
            return match sqlx::query("ROLLBACK").execute(&mut connection).await {
                Ok(_) => {
                    self.connection = Some(connection);
                    Fate::Failed(error)
                }
                Err(_) => Fate::Failed(error),
            };
        }
        let ending = self.ending(group);
        failpoint::pass("group.applied");
        let committed = tokio::time::timeout(patience, finish(&mut connection, &ending)).await;
        match in_time(committed, "commit") {
            Ok(()) => {
                failpoint::pass("group.committed");
                self.connection = Some(connection);
                Fate::Committed
            }
            Err(error) => self.broken(connection, Fate::Unknown(error)).await,
        }
    }

    fn ending(&self, group: &[Box<dyn Job>]) -> String {
        let wakes = group.iter().any(|job| job.wakes());
        if wakes { format!("{}; COMMIT", self.setup.notify) } else { "COMMIT".to_owned() }
    }

    /// A connection that still answers is kept: the trouble was the transaction's (a deadlock, a timeout).
    async fn broken(&mut self, mut connection: PgConnection, fate: Fate) -> Fate {
        let answer = tokio::time::timeout(Duration::from_secs(2), sqlx::query("ROLLBACK").execute(&mut connection));
        if matches!(answer.await, Ok(Ok(_))) {
            self.connection = Some(connection);
        } else {
            // The next attempt makes a new one; a server that is there takes it at once.
            self.connection = self.setup.server.connect().await.ok();
        }
        fate
    }
}

fn late(what: &'static str, patience: Duration) -> Error {
    Error::Unavailable { what, cause: format!("PostgreSQL did not answer within {patience:?}") }
}

async fn apply(connection: &mut PgConnection, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
    sqlx::query("BEGIN").execute(&mut *connection).await.map_err(|error| fault("begin a transaction", &error))?;
    for job in group {
        job.run(connection).await?;
    }
    Ok(())
}

async fn finish(connection: &mut PgConnection, ending: &str) -> Result<(), Error> {
    // Not user input: a NOTIFY of a plain name and a number.
    let script = sqlx::raw_sql(sqlx::AssertSqlSafe(ending.to_owned()));
    script.execute(connection).await.map(|_| ()).map_err(|error| fault("commit", &error))
}

/// Tells what is wrong with the data (this piece alone) from what is wrong with the store (everybody).
pub(super) fn fault(what: &'static str, error: &sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|database| database.code()).map(std::borrow::Cow::into_owned);
    match code.as_deref() {
        // Data exceptions, broken constraints, a limit of the program.
        Some(code) if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => {
            Error::Unstorable(format!("failed to {what}: {error}"))
        }
        Some("XX001" | "XX002") => Error::Damaged { what, cause: error.to_string() },
        None if matches!(error, sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
            Error::Unstorable(format!("failed to {what}: {error}"))
        }
        _ => Error::Unavailable { what, cause: error.to_string() },
    }
}
