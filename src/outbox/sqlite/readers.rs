//! Connections that read what is committed: one for what is read in passing, one for what takes time. They change nothing.

use super::super::store::Error;
use super::open;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// None after the store was closed.
type Reader = Arc<Mutex<Option<Connection>>>;

#[derive(Debug)]
pub(super) struct Readers {
    quick: Reader,
    slow: Reader,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let reader = || open::reading(path).map(|connection| Arc::new(Mutex::new(Some(connection))));
        Ok(Self { quick: reader()?, slow: reader()? })
    }

    /// Reads a few rows that an index finds, where the caller stands: that takes less time than to wake another thread. No scan makes it wait.
    pub(super) async fn point<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        if let Some(reader) = [&self.quick, &self.slow].into_iter().find_map(|reader| reader.try_lock().ok()) {
            return work(reader.as_ref().ok_or(Error::Closed)?);
        }
        beside(&self.quick, work).await
    }

    /// Reads what may be much, on a thread that may take its time.
    pub(super) async fn scan<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        beside(&self.slow, work).await
    }

    /// Waits for what is being read, and lets go of the file.
    pub(super) async fn close(&self) {
        drop(self.quick.lock().await.take());
        drop(self.slow.lock().await.take());
    }
}

async fn beside<T, F>(reader: &Reader, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
{
    let reader = Arc::clone(reader).lock_owned().await;
    blocking(move || work(reader.as_ref().ok_or(Error::Closed)?)).await
}

/// Runs what waits for a disk where nobody else waits for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let ended = |error: tokio::task::JoinError| Error::Unavailable { what: "use the store", cause: error.to_string() };
    spawn_blocking(work).await.map_err(ended)?
}
