//! Intents in the SQLite file: one row a gate and branch.

use super::super::intents::{About, Intent, Intents};
use super::super::rows;
use super::super::store::Error;
use super::SqliteStore;
use super::sql::task;
use super::writer::Priority;
use async_trait::async_trait;
use rusqlite::{Connection, params};

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
        // Lost with the machine, it is made again with the same number: nobody is asked twice under two keys.
        self.write(Priority::Unsynced, move |connection| intend(connection, &gate, &abouts, now_ms)).await
    }

    async fn fulfil(&self, intents: Vec<Intent>) -> Result<(), Error> {
        self.write(Priority::First, move |connection| fulfil(connection, &intents)).await
    }

    async fn intents(&self, gate: &str) -> Result<Vec<Intent>, Error> {
        let gate = gate.to_owned();
        self.scan(move |connection| {
            let text = "SELECT * FROM gate_question WHERE gate = $1 ORDER BY branch";
            task(connection, "read intents").all(text, params![gate], |row| rows::intent(row))
        })
        .await
    }

    async fn forget_intents(&self, before_ms: i64) -> Result<u64, Error> {
        let work = move |connection: &Connection| task(connection, "forget intents").run(FORGET, params![before_ms]);
        self.write(Priority::Second, work).await
    }
}

fn intend(connection: &Connection, gate: &str, abouts: &[About], now_ms: i64) -> Result<Vec<Intent>, Error> {
    let task = task(connection, "keep an intent");
    let keep =
        |about: &About| task.one(INTEND, params![gate, about.branch, about.sha, now_ms], |row| rows::intent(row));
    abouts.iter().map(keep).collect()
}

fn fulfil(connection: &Connection, intents: &[Intent]) -> Result<(), Error> {
    let task = task(connection, "end an intent");
    let end = |intent: &Intent| task.run(FULFIL, params![intent.gate, intent.about.branch, intent.attempt]).map(drop);
    intents.iter().try_for_each(end)
}
