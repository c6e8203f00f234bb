//! Destinations: what people see of them, and the switch.

use super::super::delivery::Lane;
use super::super::destination::{self, Destination, Off};
use super::super::rows;
use super::super::store::Error;
use super::writer::fault;
use sqlx::sqlite::SqliteConnection;

// Where there is a maximum, SQLite takes the other columns from its row.
const ALL: &str = "
SELECT l.config_namespace, l.service, l.host, l.breaker, l.off, coalesce(o.pending, 0) AS pending, o.oldest,
    t.id AS last_id, t.state AS last_state, t.reason AS last_reason, t.at AS last_ms
FROM lane l
LEFT JOIN (SELECT lane, count(*) AS pending, min(created_ms) AS oldest FROM delivery WHERE state < 3 GROUP BY lane) o ON o.lane = l.id
LEFT JOIN (SELECT lane, id, state, reason, max(updated_ms) AS at FROM delivery WHERE attempts > 0 GROUP BY lane) t ON t.lane = l.id
ORDER BY l.config_namespace, l.service, l.host";

const SWITCH: &str = "
UPDATE lane SET off = $4
WHERE config_namespace = $1 AND service = $2 AND host = $3 AND (off IS NULL) = ($4 IS NOT NULL)";

pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Destination>, Error> {
    let rows = sqlx::query(ALL).fetch_all(connection).await.map_err(|error| fault("read destinations", &error))?;
    rows.iter().map(destination::read).collect()
}

pub(super) async fn switched_off(connection: &mut SqliteConnection) -> Result<Vec<(Lane, Off)>, Error> {
    let rows = sqlx::query("SELECT * FROM lane WHERE off IS NOT NULL").fetch_all(connection).await;
    let rows = rows.map_err(|error| fault("read which destinations are switched off", &error))?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        all.extend(destination::off(row)?.map(|off| rows::lane(row).map(|lane| (lane, off))).transpose()?);
    }
    Ok(all)
}

/// False: there is no such destination, or it is so already.
pub(super) async fn switch(connection: &mut SqliteConnection, lane: &Lane, off: Option<&Off>) -> Result<bool, Error> {
    let query = sqlx::query(SWITCH).bind(&lane.config_namespace).bind(&lane.service).bind(&lane.host);
    let done = query.bind(off.map(Off::to_text)).execute(connection).await;
    Ok(done.map_err(|error| fault("switch a destination", &error))?.rows_affected() > 0)
}
