//! PostgreSQL: one server a test run, one empty database a test.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;

use super::part::{self, Part};

/// The server of this test run.
pub struct Postgres {
    part: Part,
    url: String,
}

/// The server, started by the first caller.
pub async fn postgres() -> &'static Postgres {
    static POSTGRES: OnceCell<Result<Postgres, String>> = OnceCell::const_new();
    match POSTGRES.get_or_init(|| start(Vec::new())).await {
        Ok(postgres) => postgres,
        Err(reason) => panic!("{reason}"),
    }
}

/// A server of one test's own, which may be restarted.
pub async fn own() -> Postgres {
    start(Vec::new()).await.unwrap_or_else(|reason| panic!("{reason}"))
}

/// A server of one test's own that has this certificate and key (PEM files) and talks to nobody without TLS.
pub async fn with_tls(certificate: &Path, key: &Path) -> Postgres {
    let files = [certificate, key].map(|path| path.display().to_string());
    start(files.into()).await.unwrap_or_else(|reason| panic!("{reason}"))
}

async fn start(arguments: Vec<String>) -> Result<Postgres, String> {
    let part = part::start("postgres.sh", arguments).await?;
    let url = part.words.first().cloned().ok_or("postgres.sh named no URL")?;
    Ok(Postgres { part, url })
}

impl Postgres {
    /// `postgres://USER:PASSWORD@127.0.0.1:PORT`, without a database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills the server as a crash does and starts it again; returns at once.
    pub fn restart(&mut self) {
        self.part.tell("restart");
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("it_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.query("postgres", &format!("CREATE DATABASE {name}")).await;
        format!("{}/{name}", self.url)
    }

    /// What `pg_dump` writes of a database.
    pub async fn dump(&self, database: &str) -> Vec<u8> {
        let mut dump = Command::new("pg_dump");
        dump.arg(format!("{}/{database}", self.url)).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || dump.output()).await.expect("pg_dump was waited for");
        let output = output.expect("pg_dump can be run: apt-get install postgresql-client");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// What `psql` answers to one statement in `database`: a row a line, columns parted by `|`.
    pub async fn query(&self, database: &str, statement: &str) -> String {
        let mut psql = Command::new("psql");
        psql.arg(format!("{}/{database}", self.url)).args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c"]);
        psql.arg(statement).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || psql.output()).await.expect("psql was waited for");
        let output = output.expect("psql can be run: apt-get install postgresql-client");
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}
