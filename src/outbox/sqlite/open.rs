//! Opening the file: the right place, one process, private mode, migrations. Nothing else here touches the file system.

use super::super::store::Error;
use super::writer::fault;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Forward only; a file that a newer version wrote is refused.
const MIGRATIONS: [&str; 9] = [
    include_str!("../migrations/sqlite/0001_outbox.sql"),
    include_str!("../migrations/sqlite/0002_encryption.sql"),
    include_str!("../migrations/sqlite/0003_install.sql"),
    include_str!("../migrations/sqlite/0004_last_object.sql"),
    include_str!("../migrations/sqlite/0005_gate_questions.sql"),
    include_str!("../migrations/sqlite/0006_approval_run.sql"),
    include_str!("../migrations/sqlite/0007_destinations.sql"),
    include_str!("../migrations/sqlite/0008_pages.sql"),
    include_str!("../migrations/sqlite/0009_filters.sql"),
];
/// Where SQLite's locks or its shared memory do not work.
const NETWORK_KINDS: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb2",
    "smb3",
    "smbfs",
    "ceph",
    "lustre",
    "afs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.s3fs",
];
/// Rows with a body of about a kilobyte: two to four a page, few overflow pages.
pub(super) const PAGE_SIZE: u32 = 8192;
/// Pages kept in memory, as SQLite writes kibibytes: the rows in work; what is over is in the system's cache anyway.
const CACHE: &str = "-4096";

/// The lock that keeps every other process out, until dropped or the process ends.
#[derive(Debug)]
pub(super) struct ProcessLock {
    _file: File,
}

/// Makes sure that the file is there, private, local and ours.
pub(super) fn secure(path: &Path) -> Result<ProcessLock, Error> {
    let failed = |error: std::io::Error| Error::Open { path: path.display().to_string(), cause: error.to_string() };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = private(Path::new(&beside)).map_err(failed)?;
    refuse_network(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::Locked { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // SQLite gives its WAL and shared memory the mode of the database.
    private(path).map_err(failed)?;
    Ok(ProcessLock { _file: file })
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn refuse_network(path: &Path) -> Result<(), Error> {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return Ok(()) };
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    let folder = folder.canonicalize().unwrap_or(folder);
    match kind_of(&mounts, &folder) {
        Some(kind) if NETWORK_KINDS.contains(&kind) => {
            Err(Error::NetworkFileSystem { path: path.display().to_string(), kind: kind.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Type of the file system that a folder lies on, from the text of `/proc/self/mountinfo`.
fn kind_of<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounted = mounts.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?.replace("\\040", " ");
        Some((PathBuf::from(point), source.split(' ').next()?))
    });
    // The later of two mounts on one point hides the earlier.
    mounted
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.components().count())
        .map(|(_, kind)| kind)
}

/// How the file is opened; `None` is a store in memory.
fn options(path: Option<&Path>, max_pages: Option<u32>) -> SqliteConnectOptions {
    let options = match path {
        Some(path) => SqliteConnectOptions::new().filename(path).create_if_missing(true),
        None => SqliteConnectOptions::new().in_memory(true).shared_cache(false),
    };
    // SQLite's own limit is the largest number that it takes.
    let max_pages = max_pages.unwrap_or(u32::MAX - 1);
    options
        .page_size(PAGE_SIZE)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(if path.is_some() { SqliteJournalMode::Wal } else { SqliteJournalMode::Memory })
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .pragma("cache_size", CACHE)
        .pragma("journal_size_limit", "67108864")
        .pragma("wal_autocheckpoint", super::log::PAGES_MAX)
        .pragma("max_page_count", max_pages.to_string())
        .disable_statement_logging()
}

/// How readers open the file: they change nothing of it, its modes included.
pub(super) fn reading(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(Duration::from_secs(5));
    options.disable_statement_logging()
}

/// How the file is opened to copy its log back, which reads no page into memory.
pub(super) fn copying(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5));
    options.synchronous(SqliteSynchronous::Full).pragma("cache_size", "-64").disable_statement_logging()
}

/// Opens the writer's connection and brings the schema up to date.
pub(super) async fn connect(path: Option<&Path>, max_pages: Option<u32>) -> Result<SqliteConnection, Error> {
    let shown = path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string());
    let failed = |error: sqlx::Error| Error::Open { path: shown.clone(), cause: error.to_string() };
    let mut connection = options(path, max_pages).connect().await.map_err(failed)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.map_err(failed)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        let cause =
            format!("its schema is version {version}, this Gatepost knows {}; run the newer one", MIGRATIONS.len());
        return Err(Error::Open { path: shown, cause });
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        migrate(&mut connection, sql, index + 1).await?;
    }
    Ok(connection)
}

async fn migrate(connection: &mut SqliteConnection, sql: &'static str, version: usize) -> Result<(), Error> {
    let script = format!("BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {version}; COMMIT");
    // Not user input: the text is compiled in.
    let run = connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(script))).await;
    run.map(|_| ()).map_err(|error| fault("migrate the store", &error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const MOUNTS: &str = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /data rw shared:2 - nfs4 server:/x rw
31 30 0:41 / /data/with\\040space rw - tmpfs tmpfs rw";

    #[test]
    fn the_innermost_mount_counts() {
        assert_eq!(kind_of(MOUNTS, Path::new("/data/gatepost")), Some("nfs4"));
        assert_eq!(kind_of(MOUNTS, Path::new("/data/with space/x")), Some("tmpfs"));
        assert_eq!(kind_of(MOUNTS, Path::new("/database")), Some("ext4"));
    }

    #[test]
    fn a_second_opener_is_refused_and_the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/outbox.db");
        let lock = secure(&path).unwrap();
        assert!(matches!(secure(&path), Err(Error::Locked { .. })));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(lock);
        secure(&path).unwrap();
    }
}
