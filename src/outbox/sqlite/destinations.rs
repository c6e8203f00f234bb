//! Destinations: what people see of them, and the switch.

use super::super::delivery::Lane;
use super::super::destination::{self, Destination, Off};
use super::super::rows;
use super::super::store::{DeadGroup, Error};
use super::sql::task;
use rusqlite::{Connection, params};

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

pub(super) fn all(connection: &Connection) -> Result<Vec<Destination>, Error> {
    task(connection, "read destinations").all(ALL, &[], |row| destination::read(row))
}

/// Dead letters by destination and cause.
pub(super) fn dead(connection: &Connection) -> Result<Vec<DeadGroup>, Error> {
    task(connection, "count dead letters").all(DEAD, &[], |row| destination::dead_group(row))
}

pub(super) fn switched_off(connection: &Connection) -> Result<Vec<(Lane, Off)>, Error> {
    let task = task(connection, "read which destinations are switched off");
    let found = task.all("SELECT * FROM lane WHERE off IS NOT NULL", &[], |row| {
        destination::off(row)?.map(|off| rows::lane(row).map(|lane| (lane, off))).transpose()
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// False: there is no such destination, or it is so already.
pub(super) fn switch(connection: &Connection, lane: &Lane, off: Option<&Off>) -> Result<bool, Error> {
    let values = params![lane.config_namespace, lane.service, lane.host, off.map(Off::to_text)];
    Ok(task(connection, "switch a destination").run(SWITCH, values)? > 0)
}
