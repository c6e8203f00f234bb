//! Destinations: what people see of them, and the switch.

use super::super::delivery::Lane;
use super::super::destination::{self, Destination, Off};
use super::super::rows;
use super::super::store::Error;
use super::text::write;
use super::writer::fault;
use sqlx::postgres::PgConnection;

const ALL: &str = "
SELECT l.config_namespace, l.service, l.host, l.breaker, l.off, coalesce(o.pending, 0) AS pending, o.oldest,
    t.id AS last_id, t.state AS last_state, t.reason AS last_reason, t.at AS last_ms
FROM lane l
LEFT JOIN (SELECT lane, count(*) AS pending, min(created_ms) AS oldest FROM delivery WHERE state < 3 GROUP BY lane) o ON o.lane = l.id
LEFT JOIN (SELECT DISTINCT ON (lane) lane, id, state, reason, updated_ms AS at FROM delivery WHERE attempts > 0
    ORDER BY lane, updated_ms DESC) t ON t.lane = l.id
ORDER BY l.config_namespace, l.service, l.host";

const SWITCH: &str = "
UPDATE lane SET off = $4
WHERE config_namespace = $1 AND service = $2 AND host = $3 AND (off IS NULL) = ($4::text IS NOT NULL)";

pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<Destination>, Error> {
    let rows = sqlx::query(ALL).fetch_all(connection).await.map_err(|error| fault("read destinations", &error))?;
    rows.iter().map(destination::read).collect()
}

pub(super) async fn switched_off(connection: &mut PgConnection) -> Result<Vec<(Lane, Off)>, Error> {
    let rows = sqlx::query("SELECT * FROM lane WHERE off IS NOT NULL").fetch_all(connection).await;
    let rows = rows.map_err(|error| fault("read which destinations are switched off", &error))?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        all.extend(destination::off(row)?.map(|off| rows::lane(row).map(|lane| (lane, off))).transpose()?);
    }
    Ok(all)
}

/// False: there is no such destination, or it is so already.
pub(super) async fn switch(connection: &mut PgConnection, lane: &Lane, off: Option<&Off>) -> Result<bool, Error> {
    let query = sqlx::query(SWITCH).bind(write(&lane.config_namespace)).bind(write(&lane.service));
    let query = query.bind(write(&lane.host)).bind(off.map(|off| write(&off.to_text())));
    let done = query.execute(connection).await;
    Ok(done.map_err(|error| fault("switch a destination", &error))?.rows_affected() > 0)
}
