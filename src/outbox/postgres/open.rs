//! Reaching the server: how it is connected to, what a URL may show, the schema and its migrations. No rows are touched here.

use super::super::store::Error;
use super::PostgresOptions;
use super::writer::fault;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use std::str::FromStr;
use std::time::Duration;

/// Forward only; a schema that a newer version made is refused.
const MIGRATIONS: [&str; 9] = [
    include_str!("../migrations/postgres/0001_outbox.sql"),
    include_str!("../migrations/postgres/0002_install.sql"),
    include_str!("../migrations/postgres/0003_last_object.sql"),
    include_str!("../migrations/postgres/0004_gate_questions.sql"),
    include_str!("../migrations/postgres/0005_approval_run.sql"),
    include_str!("../migrations/postgres/0006_destinations.sql"),
    include_str!("../migrations/postgres/0007_pages.sql"),
    include_str!("../migrations/postgres/0008_runs.sql"),
    include_str!("../migrations/postgres/0009_filters.sql"),
];
/// Longest that a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two tries to reach a server at the start.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Longest name that PostgreSQL keeps whole.
const MAX_NAME_LEN: usize = 63;

/// A server as it is connected to. Does not print: it holds the password.
#[derive(Clone)]
pub(super) struct Server {
    options: PgConnectOptions,
    shown: String,
}

impl Server {
    /// From a URL; errors never repeat it, as it may hold a password.
    pub(super) fn new(url: &str, settings: &PostgresOptions) -> Result<Self, Error> {
        let is_meant = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let parsed = if is_meant { PgConnectOptions::from_str(url).ok() } else { None };
        let options = parsed.ok_or_else(|| {
            Error::Settings(
                "store.url cannot be read (it is not shown, as it may hold a password): it has the form \
                 postgres://user:password@host:5432/database?sslmode=verify-full, with special characters of the \
                 password percent-encoded"
                    .to_owned(),
            )
        })?;
        check_name(&settings.schema)?;
        let options = match &settings.ca_file {
            Some(path) => {
                // Read again at each connection; what is not there is told now, and by its name.
                let readable = std::fs::File::open(path);
                readable.map_err(|error| {
                    Error::Settings(format!("failed to read store.caFile {}: {error}", path.display()))
                })?;
                options.ssl_root_cert(path)
            }
            None => options,
        };
        let millis = |duration: Duration| duration.as_millis().to_string();
        let options = options
            .application_name("gatepost")
            .options([
                ("search_path", settings.schema.clone()),
                ("statement_timeout", millis(settings.statement_timeout)),
                ("lock_timeout", millis(settings.statement_timeout / 3)),
                ("idle_in_transaction_session_timeout", millis(settings.statement_timeout * 2)),
            ])
            .disable_statement_logging();
        Ok(Self { shown: shown(&options), options })
    }

    /// The server without the password.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// One connection.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, self.options.connect()).await;
        connected.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
    }

    /// Makes the schema and brings it up to date. A server that cannot be reached yet is waited for, for `patience`.
    pub(super) async fn prepare(&self, settings: &PostgresOptions) -> Result<(), Error> {
        let failed = |cause: String| Error::Open { path: self.shown.clone(), cause };
        let mut connection = self.reach(settings.patience).await.map_err(|error| failed(error.to_string()))?;
        let done = migrate(&mut connection, &settings.schema).await;
        let closed = connection.close().await;
        done.map_err(|error| match error {
            Migration::Newer(version) => failed(format!(
                "its schema {} is version {version}, this Gatepost knows {}; run the newer one",
                settings.schema,
                MIGRATIONS.len()
            )),
            Migration::Failed(error) => failed(error.to_string()),
        })?;
        closed.map_err(|error| fault("migrate the store", &error))
    }

    async fn reach(&self, patience: Duration) -> Result<PgConnection, sqlx::Error> {
        let begun = tokio::time::Instant::now();
        loop {
            match self.connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) if !may_come(&error) || begun.elapsed() >= patience => return Err(error),
                Err(error) => tracing::warn!(server = self.shown, %error, "PostgreSQL does not answer yet"),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// Whether waiting may help: nobody answers, the server starts or stops, or has no connection left.
fn may_come(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(database) => {
            database.code().is_some_and(|code| code.starts_with("57P0") || code.starts_with("53"))
        }
        _ => false,
    }
}

/// Host and port that a URL names; none for a socket, and for what is no URL.
pub(super) fn server(url: &str) -> Option<(String, u16)> {
    let options: PgConnectOptions = Some(url).filter(|url| !url.is_empty())?.parse().ok()?;
    options.get_socket().is_none().then(|| (options.get_host().to_owned(), options.get_port()))
}

fn shown(options: &PgConnectOptions) -> String {
    let place = match options.get_socket() {
        Some(path) => path.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let database = options.get_database().unwrap_or(options.get_username());
    format!("postgres://{}@{place}/{database}", options.get_username())
}

/// The name goes into statements as it is, so it is one that needs no quotes.
fn check_name(schema: &str) -> Result<(), Error> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts_well = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && !schema.starts_with("pg_");
    if starts_well && schema.len() <= MAX_NAME_LEN && schema.chars().all(is_plain) {
        return Ok(());
    }
    Err(Error::Settings(format!(
        "store.schema {schema:?} is no name for a schema here: a-z, 0-9 and _, not a digit first, not pg_, at most {MAX_NAME_LEN}"
    )))
}

enum Migration {
    Newer(i64),
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Migration {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// All in one transaction, one process at a time.
async fn migrate(connection: &mut PgConnection, schema: &str) -> Result<(), Migration> {
    let mut transaction = connection.begin().await?;
    transaction.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('gatepost.migrate.' || $1, 0))")
        .bind(schema)
        .execute(&mut *transaction)
        .await?;
    let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_namespace WHERE nspname = $1")
        .bind(schema)
        .fetch_optional(&mut *transaction)
        .await?;
    if known.is_none() {
        // A plain name, see `check_name`.
        transaction.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}")))).await?;
    }
    transaction.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)").await?;
    let version: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM schema_version").fetch_one(&mut *transaction).await?;
    let done = usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        return Err(Migration::Newer(version.unwrap_or(0)));
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        transaction.execute(sqlx::raw_sql(*sql)).await?;
        let version = i64::try_from(index + 1).unwrap_or(i64::MAX);
        let note = sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(version);
        note.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn server(url: &str, schema: &str) -> Result<Server, Error> {
        Server::new(url, &PostgresOptions { schema: schema.into(), ..PostgresOptions::default() })
    }

    #[test]
    fn a_password_is_never_shown() {
        let shown = server("postgres://me:hunter2@db.example:6543/post", "gatepost").unwrap().shown().to_owned();
        assert_eq!(shown, "postgres://me@db.example:6543/post");
        for broken in [
            "postgres://me:hunter2@:x/",
            "mysql://me:hunter2@h/",
            "me:hunter2",
            "postgres://me:hunter2@h/x?sslmode=hunter2",
        ] {
            let error = server(broken, "gatepost").err().unwrap().to_string();
            assert!(error.contains("store.url") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_missing_certificate_file_is_named() {
        let options = PostgresOptions { ca_file: Some("/nowhere.pem".into()), ..PostgresOptions::default() };
        let error = Server::new("postgres://h/x", &options).err().unwrap().to_string();
        assert!(error.contains("store.caFile /nowhere.pem"), "{error}");
    }

    #[test]
    fn a_schema_needs_no_quotes() {
        assert!(server("postgres://h/x", "gate_post2").is_ok());
        for name in ["", "Gate", "2x", "pg_x", "a\"b", "a b", &"x".repeat(64)] {
            assert!(server("postgres://h/x", name).is_err(), "{name}");
        }
    }
}
