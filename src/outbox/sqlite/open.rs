//! Opening the file: the right place, one process, private mode, migrations. Nothing else here touches the file system.

use super::super::store::Error;
use super::sql::{fault, keep_prepared};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Forward only; a file that a newer version wrote is refused.
const MIGRATIONS: [&str; 10] = [
    include_str!("../migrations/sqlite/0001_outbox.sql"),
    include_str!("../migrations/sqlite/0002_encryption.sql"),
    include_str!("../migrations/sqlite/0003_install.sql"),
    include_str!("../migrations/sqlite/0004_last_object.sql"),
    include_str!("../migrations/sqlite/0005_gate_questions.sql"),
    include_str!("../migrations/sqlite/0006_approval_run.sql"),
    include_str!("../migrations/sqlite/0007_destinations.sql"),
    include_str!("../migrations/sqlite/0008_pages.sql"),
    include_str!("../migrations/sqlite/0009_runs.sql"),
    include_str!("../migrations/sqlite/0010_filters.sql"),
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
/// How long a lock of another connection is waited for.
const BUSY_MAX: Duration = Duration::from_secs(5);

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

/// What the writer's connection is told first. The size of a page and the way to give pages back are fixed once there is a log.
fn pragmas(is_file: bool, max_pages: Option<u32>) -> String {
    let journal = if is_file { "WAL" } else { "MEMORY" };
    // SQLite's own limit is the largest number that it takes.
    let max_pages = max_pages.unwrap_or(u32::MAX - 1);
    let copied_at = super::log::PAGES_MAX;
    // The temporary store is what a savepoint may have to take back; a file for it would be made and removed in each transaction.
    format!(
        "PRAGMA page_size = {PAGE_SIZE};
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = {journal};
         PRAGMA foreign_keys = ON;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = {CACHE};
         PRAGMA journal_size_limit = 67108864;
         PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = {copied_at};
         PRAGMA max_page_count = {max_pages};"
    )
}

/// Opens a connection that one thread at a time uses; `None` is a store in memory.
fn plain(path: Option<&Path>, access: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match path {
        Some(path) => Connection::open_with_flags(path, flags)?,
        None => Connection::open_in_memory_with_flags(flags)?,
    };
    connection.busy_timeout(BUSY_MAX)?;
    keep_prepared(&connection);
    Ok(connection)
}

/// Opens the file for a reader, who changes nothing of it, its modes included.
pub(super) fn reading(path: &Path) -> Result<Connection, Error> {
    plain(Some(path), OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| fault("open the store for reading", &error))
}

/// Opens the file to copy its log back, which reads no page into memory.
pub(super) fn copying(path: &Path) -> Result<Connection, Error> {
    let failed = |error: rusqlite::Error| fault("open the store for copying its log", &error);
    let connection = plain(Some(path), OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -64;").map_err(failed)?;
    Ok(connection)
}

/// Opens the writer's connection and brings the schema up to date.
pub(super) fn connect(path: Option<&Path>, max_pages: Option<u32>) -> Result<Connection, Error> {
    let shown = path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string());
    let failed = |error: rusqlite::Error| Error::Open { path: shown.clone(), cause: error.to_string() };
    let access = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = plain(path, access).map_err(failed)?;
    connection.execute_batch(&pragmas(path.is_some(), max_pages)).map_err(failed)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        let cause =
            format!("its schema is version {version}, this Gatepost knows {}; run the newer one", MIGRATIONS.len());
        return Err(Error::Open { path: shown, cause });
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        migrate(&connection, sql, index + 1)?;
    }
    Ok(connection)
}

fn migrate(connection: &Connection, sql: &str, version: usize) -> Result<(), Error> {
    let script = format!("BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {version}; COMMIT;");
    connection.execute_batch(&script).map_err(|error| fault("migrate the store", &error))
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
