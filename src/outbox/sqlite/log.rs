//! SQLite's write-ahead log: how long it is made, and when what is in it is copied into the file. Never what is written.
//!
//! A change waits for one sync of the log. That is cheapest where the file system has nothing to note but the bytes: so the log is made
//! long at opening and overwritten in place from then on, and it is copied back beside the writer, not within one of its commits.

use super::super::rows::Columns as _;
use super::super::store::Error;
use super::open;
use super::sql::task;
use rusqlite::Connection;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// Length of the log from the start. More than is written between two copies, so that it seldom grows.
const LOG_BYTES: u64 = 16 << 20;
/// Pieces of work between two copies: a decision, a claim and an outcome write about ten pages of 8 KiB each.
const PIECES: usize = 192;
/// Rounds of one copy, while the writer goes on.
const ROUNDS: usize = 4;
/// Pages after which the writer copies back itself, because copying beside it does not keep up: 64 MiB.
pub(super) const PAGES_MAX: &str = "8192";

/// Counts what the writer commits. Its thread ends when this is dropped.
pub(super) struct Log {
    pieces: usize,
    due: mpsc::SyncSender<()>,
    copying: JoinHandle<()>,
}

impl Log {
    /// Makes the log of an open file long if that is wanted, and starts the thread that copies it back.
    pub(super) fn start(path: &Path, long: bool) -> Result<Self, Error> {
        let lengthened = if long { lengthen(path) } else { Ok(()) };
        if let Err(error) = lengthened {
            // It costs time at each commit until the log has grown by itself.
            tracing::warn!(path = %path.display(), %error, "failed to make the store's write-ahead log long in advance");
        }
        let connection = open::copying(path)?;
        let (due, wanted) = mpsc::sync_channel(1);
        let copying = thread::Builder::new().name("store-log".to_owned()).spawn(move || copy(connection, &wanted));
        let copying = copying
            .map_err(|error| Error::Unavailable { what: "start copying the store's log", cause: error.to_string() })?;
        Ok(Self { pieces: 0, due, copying })
    }

    /// So many pieces were committed.
    pub(super) fn wrote(&mut self, pieces: usize) {
        self.pieces += pieces;
        // A full queue says that a copy is about to begin.
        if self.pieces >= PIECES && self.due.try_send(()).is_ok() {
            self.pieces = 0;
        }
    }

    /// Waits until nothing is being copied.
    pub(super) fn end(self) {
        drop(self.due);
        if self.copying.join().is_err() {
            tracing::error!("the thread that copies the store's log ended badly");
        }
    }
}

fn copy(connection: Connection, wanted: &mpsc::Receiver<()>) {
    while wanted.recv().is_ok() {
        if let Err(error) = catch_up(&connection) {
            tracing::warn!(%error, "failed to copy the store's log into its file; it stays in the log");
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "failed to close the store");
    }
}

/// Only what is copied as a whole is overwritten: what was written during one round is copied by the next, which is shorter.
fn catch_up(connection: &Connection) -> Result<(), Error> {
    for _ in 0..ROUNDS {
        // Passive: it takes what nobody holds back and makes nobody wait.
        let (written, copied) = task(connection, "copy the log")
            .one("PRAGMA wal_checkpoint(PASSIVE)", &[], |row| Ok((row.int("log")?, row.int("checkpointed")?)))?;
        if copied >= written {
            break;
        }
    }
    Ok(())
}

/// Zeros behind the log's end are no frames: SQLite goes by its checksums, not by the length.
fn lengthen(path: &Path) -> std::io::Result<()> {
    let mut log = std::fs::OpenOptions::new().write(true).create(false).open(beside(path))?;
    let zeros = vec![0; 1 << 20];
    let mut length = log.seek(SeekFrom::End(0))?;
    while length < LOG_BYTES {
        let missing = usize::try_from(LOG_BYTES - length).unwrap_or(zeros.len()).min(zeros.len());
        log.write_all(&zeros[..missing])?;
        length += missing as u64;
    }
    log.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::outbox::conformance::{deliver, new_delivery, object};
    use crate::outbox::sqlite::SqliteOptions;
    use crate::outbox::{SqliteStore, Store};
    use futures::future::join_all;
    use std::time::Duration;

    async fn commit(store: &SqliteStore, arming: u64) {
        let new = new_delivery("log", "t", arming);
        assert_eq!(store.commit(&object("log"), vec![deliver(new)], 1_000).await.unwrap().ids.len(), 1);
    }

    #[tokio::test]
    async fn the_log_is_long_from_the_start_and_copied_back_beside_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db");
        let options = SqliteOptions { reserve_bytes: 0, long_log: true, ..SqliteOptions::default() };
        let store = SqliteStore::open_with(&path, options).await.unwrap();
        let size = |path: &Path| std::fs::metadata(path).unwrap().len();
        let (empty, log) = (size(&path), beside(&path));
        assert_eq!(size(&log), LOG_BYTES);
        join_all((1..=PIECES as u64).map(|arming| commit(&store, arming))).await;
        let copied = async {
            while size(&path) == empty {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), copied).await.unwrap();
        assert_eq!(size(&log), LOG_BYTES, "it is written in place");
        store.close().await;
        let store = SqliteStore::open(&path, 0).await.unwrap();
        commit(&store, PIECES as u64 + 1).await;
        store.close().await;
    }

    #[tokio::test]
    async fn what_a_crash_leaves_in_a_long_log_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db");
        let options = || SqliteOptions { reserve_bytes: 0, long_log: true, ..SqliteOptions::default() };
        let store = SqliteStore::open_with(&path, options()).await.unwrap();
        commit(&store, 1).await;
        // What is on the disk at this moment, as the next process would find it.
        let after = folder.path().join("after");
        std::fs::create_dir(&after).unwrap();
        for name in ["outbox.db", "outbox.db-wal"] {
            std::fs::copy(folder.path().join(name), after.join(name)).unwrap();
        }
        let next = SqliteStore::open_with(&after.join("outbox.db"), options()).await.unwrap();
        assert_eq!(next.list(&crate::outbox::store::Filter::default()).await.unwrap().len(), 1);
        next.close().await;
        store.close().await;
    }
}
