//! Intents in the SQLite file: one row a gate and branch.

use super::super::intents::{About, Intent, Intents};
use super::super::rows;
use super::super::store::Error;
use super::SqliteStore;
use super::writer::{Priority, fault};
use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

const INTEND: &str = "
INSERT INTO gate_question AS q (gate, branch, sha, attempt, since_ms, open) VALUES ($1, $2, $3, 1, $4, 1)
ON CONFLICT (gate, branch) DO UPDATE SET
    attempt = CASE WHEN q.open = 1 AND q.sha = excluded.sha THEN q.attempt ELSE q.attempt + 1 END,
    since_ms = CASE WHEN q.open = 1 AND q.sha = excluded.sha THEN q.since_ms ELSE excluded.since_ms END,
    sha = excluded.sha, open = 1
RETURNING *";
const FULFIL: &str = "UPDATE gate_question SET open = 0 WHERE gate = $1 AND branch = $2 AND attempt = $3";
const FORGET: &str = "
DELETE FROM gate_question WHERE (gate, branch) IN (SELECT gate, branch FROM gate_question WHERE since_ms < $1 LIMIT 10000)";

#[async_trait]
impl Intents for SqliteStore {
    async fn intend(&self, gate: &str, abouts: Vec<About>, now_ms: i64) -> Result<Vec<Intent>, Error> {
        let gate = gate.to_owned();
        self.write(Priority::Second, move |connection| {
            Box::pin(async move { intend(connection, &gate, &abouts, now_ms).await })
        })
        .await
    }

    async fn fulfil(&self, intents: Vec<Intent>) -> Result<(), Error> {
        self.write(Priority::First, move |connection| Box::pin(async move { fulfil(connection, &intents).await })).await
    }

    async fn intents(&self, gate: &str) -> Result<Vec<Intent>, Error> {
        let gate = gate.to_owned();
        self.read(move |connection| {
            Box::pin(async move {
                let query = sqlx::query("SELECT * FROM gate_question WHERE gate = $1 ORDER BY branch").bind(gate);
                let rows = query.fetch_all(connection).await.map_err(|error| fault("read intents", &error))?;
                rows.iter().map(rows::intent).collect()
            })
        })
        .await
    }

    async fn forget_intents(&self, before_ms: i64) -> Result<u64, Error> {
        self.write(Priority::Second, move |connection| {
            Box::pin(async move {
                let done = sqlx::query(FORGET).bind(before_ms).execute(connection).await;
                Ok(done.map_err(|error| fault("forget intents", &error))?.rows_affected())
            })
        })
        .await
    }
}

async fn intend(
    connection: &mut SqliteConnection,
    gate: &str,
    abouts: &[About],
    now_ms: i64,
) -> Result<Vec<Intent>, Error> {
    let mut intents = Vec::with_capacity(abouts.len());
    for about in abouts {
        let query = sqlx::query(INTEND).bind(gate).bind(&about.branch).bind(&about.sha).bind(now_ms);
        let row = query.fetch_one(&mut *connection).await.map_err(|error| fault("keep an intent", &error))?;
        intents.push(rows::intent(&row)?);
    }
    Ok(intents)
}

async fn fulfil(connection: &mut SqliteConnection, intents: &[Intent]) -> Result<(), Error> {
    for intent in intents {
        let query = sqlx::query(FULFIL).bind(&intent.gate).bind(&intent.about.branch).bind(intent.attempt);
        query.execute(&mut *connection).await.map_err(|error| fault("end an intent", &error))?;
    }
    Ok(())
}
