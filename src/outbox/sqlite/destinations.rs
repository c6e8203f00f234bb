//! Destinations: what people see of them, and the switch.

use super::super::delivery::Lane;
use super::super::destination::{self, Destination, Off};
use super::super::rows;
use super::super::store::{DeadGroup, Error};
use super::writer::fault;
use sqlx::sqlite::SqliteConnection;

// What is pending is counted from the index of what is due and from the few in flight; the oldest is the first that was made.
const ALL: &str = "
SELECT l.config_namespace, l.service, l.host, l.breaker, l.off, coalesce(o.pending, 0) AS pending, h.created_ms AS oldest,
    t.id AS last_id, t.state AS last_state, t.reason AS last_reason, t.updated_ms AS last_ms
FROM lane l
LEFT JOIN (SELECT lane, sum(n) AS pending, min(head) AS head FROM (
        SELECT lane, count(*) AS n, min(seq) AS head FROM delivery WHERE state < 2 GROUP BY lane
        UNION ALL
        SELECT lane, count(*) AS n, min(seq) AS head FROM delivery WHERE state = 2 GROUP BY lane
    ) parts GROUP BY lane) o ON o.lane = l.id
LEFT JOIN delivery h ON h.seq = o.head
LEFT JOIN delivery t ON t.seq = (
    SELECT seq FROM delivery WHERE lane = l.id AND attempts > 0 ORDER BY updated_ms DESC LIMIT 1)
ORDER BY l.config_namespace, l.service, l.host";

// Without the hint every dead row is read, as there is nothing that tells SQLite how many there are.
const DEAD: &str = "
SELECT l.config_namespace, l.service, l.host, g.reason, g.n, o.created_ms AS oldest, w.created_ms AS newest
FROM (SELECT lane, reason, count(*) AS n, min(seq) AS head, max(seq) AS tail
    FROM delivery INDEXED BY delivery_dead WHERE state = 4 GROUP BY lane, reason) g
JOIN lane l ON l.id = g.lane
JOIN delivery o ON o.seq = g.head
JOIN delivery w ON w.seq = g.tail
ORDER BY g.n DESC, l.config_namespace, l.service, l.host, g.reason";

const SWITCH: &str = "
UPDATE lane SET off = $4
WHERE config_namespace = $1 AND service = $2 AND host = $3 AND (off IS NULL) = ($4 IS NOT NULL)";

pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Destination>, Error> {
    let rows = sqlx::query(ALL).fetch_all(connection).await.map_err(|error| fault("read destinations", &error))?;
    rows.iter().map(destination::read).collect()
}

/// Dead letters by destination and cause.
pub(super) async fn dead(connection: &mut SqliteConnection) -> Result<Vec<DeadGroup>, Error> {
    let rows = sqlx::query(DEAD).fetch_all(connection).await.map_err(|error| fault("count dead letters", &error))?;
    rows.iter().map(destination::dead_group).collect()
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
