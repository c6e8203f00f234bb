//! Intents in PostgreSQL: one row a gate and branch. A statement that is run again because its commit is in doubt finds its own
//! intent open, and changes nothing.

use super::super::intents::{About, Intent, Intents};
use super::super::rows;
use super::super::store::Error;
use super::PostgresStore;
use super::text::write;
use super::writer::{Order, Work, fault};
use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use std::sync::Arc;

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
impl Intents for PostgresStore {
    async fn intend(&self, gate: &str, mut abouts: Vec<About>, now_ms: i64) -> Result<Vec<Intent>, Error> {
        // Two processes that want several rows want them in one order.
        let wanted = abouts.clone();
        abouts.sort_by(|a, b| a.branch.cmp(&b.branch));
        let asked = Arc::new((gate.to_owned(), abouts));
        let work: Work<Vec<Intent>> = Box::new(move |connection| {
            let asked = Arc::clone(&asked);
            Box::pin(async move { intend(connection, &asked.0, &asked.1, now_ms).await })
        });
        let kept = self.second(Order { work, wakes: false, in_doubt: None }).await?;
        Ok(wanted.iter().filter_map(|about| kept.iter().find(|intent| intent.about == *about).cloned()).collect())
    }

    async fn fulfil(&self, intents: Vec<Intent>) -> Result<(), Error> {
        let intents = Arc::new(intents);
        let work: Work<()> = Box::new(move |connection| {
            let intents = Arc::clone(&intents);
            Box::pin(async move { fulfil(connection, &intents).await })
        });
        self.first(Order { work, wakes: false, in_doubt: None }).await
    }

    async fn intents(&self, gate: &str) -> Result<Vec<Intent>, Error> {
        let gate = write(gate);
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
        let work: Work<u64> = Box::new(move |connection| {
            Box::pin(async move {
                let done = sqlx::query(FORGET).bind(before_ms).execute(connection).await;
                Ok(done.map_err(|error| fault("forget intents", &error))?.rows_affected())
            })
        });
        self.second(Order { work, wakes: false, in_doubt: None }).await
    }
}

async fn intend(
    connection: &mut PgConnection,
    gate: &str,
    abouts: &[About],
    now_ms: i64,
) -> Result<Vec<Intent>, Error> {
    let mut intents = Vec::with_capacity(abouts.len());
    for about in abouts {
        let query = sqlx::query(INTEND).bind(write(gate)).bind(write(&about.branch)).bind(write(&about.sha));
        let row = query.bind(now_ms).fetch_one(&mut *connection).await;
        intents.push(rows::intent(&row.map_err(|error| fault("keep an intent", &error))?)?);
    }
    Ok(intents)
}

async fn fulfil(connection: &mut PgConnection, intents: &[Intent]) -> Result<(), Error> {
    for intent in intents {
        let query = sqlx::query(FULFIL).bind(write(&intent.gate)).bind(write(&intent.about.branch));
        let done = query.bind(intent.attempt).execute(&mut *connection).await;
        done.map_err(|error| fault("end an intent", &error))?;
    }
    Ok(())
}
