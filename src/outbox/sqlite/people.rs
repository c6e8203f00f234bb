//! What people and changed configurations do to rows: replay, discard, release. And the pages that people read.

use super::super::delivery::{Attempt, DeadReason, Delivery, DeliveryId, State};
use super::super::store::{Detail, Error, Filter, Moved, Release};
use super::rows::{self, code, select_delivery};
use super::writer::fault;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{QueryBuilder, Row};

// The unique key and the id stay: it is the same delivery.
const REPLAY: &str = "
UPDATE delivery SET state = 0, due_ms = $2, since_ms = $2, updated_ms = $2, step = 0, unknowns = 0 WHERE seq = $1;
UPDATE key_state SET phase = 'pending', changed_ms = $2
WHERE uid = $3 AND state_key = $4 AND armed = 1 AND arming = $5 AND phase IN ('dead', 'truncated')";

// `truncated` is the phase that stays sent without being annotated.
const DISCARD: &str = "
UPDATE delivery SET state = 7, updated_ms = $2 WHERE seq = $1;
UPDATE key_state SET phase = 'truncated', changed_ms = $2
WHERE uid = $3 AND state_key = $4 AND armed = 1 AND arming = $5 AND phase IN ('pending', 'dead')";

const HAS_NEWER: &str = "
SELECT EXISTS (SELECT 1 FROM delivery n
    WHERE n.ordering = $1 AND n.config_namespace = $2 AND n.service = $3 AND n.recipient = $4 AND n.seq > $5 AND n.supersedes = 1
        AND n.state < 4)";

const PARKED: &str = select_delivery!(
    "WHERE d.state = 4 AND d.config_namespace = $1 AND d.service = $2 AND ($3 IS NULL OR d.digest <> $3)
        AND d.created_ms >= $4 AND d.reason IN ('rejected', 'credentials', 'gaveUp')
     ORDER BY d.seq LIMIT $5"
);

const HASTEN: &str = "
UPDATE delivery SET due_ms = $3, updated_ms = $3 WHERE config_namespace = $1 AND service = $2 AND state = 1 AND due_ms > $3";

fn failed(error: sqlx::Error) -> Error {
    fault("read or move deliveries", &error)
}

/// One page, newest first.
pub(super) async fn list(connection: &mut SqliteConnection, filter: &Filter) -> Result<Vec<Delivery>, Error> {
    let mut query = QueryBuilder::<Sqlite>::new(select_delivery!("WHERE 1 = 1"));
    narrow(&mut query, filter);
    query.push(" ORDER BY d.seq DESC LIMIT ").push_bind(i64::try_from(filter.page()).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(rows::delivery).collect()
}

fn narrow(query: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    if let Some((namespace, name)) = &filter.object {
        query.push(" AND d.namespace = ").push_bind(namespace.clone()).push(" AND d.name = ").push_bind(name.clone());
    }
    let texts = [
        (" AND d.config_namespace = ", &filter.config_namespace),
        (" AND d.trigger_name = ", &filter.trigger),
        (" AND d.service = ", &filter.service),
    ];
    for (clause, value) in texts {
        if let Some(value) = value {
            query.push(clause).push_bind(value.clone());
        }
    }
    for (clause, value) in [(" AND d.created_ms >= ", filter.since_ms), (" AND d.created_ms < ", filter.until_ms)] {
        if let Some(value) = value {
            query.push(clause).push_bind(value);
        }
    }
    if let Some(after) = filter.after {
        query.push(" AND d.seq < (SELECT seq FROM delivery WHERE id = ").push_bind(after.as_bytes().to_vec()).push(")");
    }
    if !filter.states.is_empty() {
        let codes: Vec<i64> = filter.states.iter().map(|state| code(*state)).collect();
        query.push(" AND d.state IN (SELECT value FROM json_each(").push_bind(format!("{codes:?}")).push("))");
    }
    if !filter.ids.is_empty() {
        query.push(" AND d.id IN (");
        let mut list = query.separated(", ");
        for id in filter.ids.iter().take(10_000) {
            list.push_bind(id.as_bytes().to_vec());
        }
        query.push(")");
    }
}

/// One delivery with its attempts and body.
pub(super) async fn get(connection: &mut SqliteConnection, id: DeliveryId) -> Result<Option<Detail>, Error> {
    let page = list(connection, &Filter { ids: vec![id], limit: 1, ..Filter::default() }).await?;
    let Some(delivery) = page.into_iter().next() else { return Ok(None) };
    let payload: Option<Vec<u8>> = sqlx::query_scalar("SELECT payload FROM body WHERE seq = $1")
        .bind(delivery.sequence)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let rows = sqlx::query("SELECT * FROM attempt WHERE seq = $1 ORDER BY number")
        .bind(delivery.sequence)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let attempts = rows.iter().map(attempt).collect::<Result<_, _>>()?;
    Ok(Some(Detail { delivery, attempts, payload: payload.unwrap_or_default() }))
}

fn attempt(row: &sqlx::sqlite::SqliteRow) -> Result<Attempt, Error> {
    Ok(Attempt {
        at_ms: row.try_get("at_ms").map_err(failed)?,
        duration_ms: row.try_get::<i64, _>("duration_ms").map_err(failed)?.unsigned_abs(),
        status: row.try_get::<Option<i64>, _>("status").map_err(failed)?.and_then(|s| u16::try_from(s).ok()),
        target: row.try_get("target").map_err(failed)?,
        excerpt: row.try_get("excerpt").map_err(failed)?,
        reason: row.try_get("reason").map_err(failed)?,
    })
}

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Replay,
    Discard,
}

/// Moves what the filter finds, or says what it would move.
pub(super) async fn fulfil(
    connection: &mut SqliteConnection,
    wish: Wish,
    filter: &Filter,
    dry_run: bool,
    now_ms: i64,
) -> Result<Moved, Error> {
    let mut moved = Moved::default();
    for delivery in list(connection, filter).await? {
        match obstacle(connection, wish, &delivery).await? {
            Some(why) => moved.skipped.push((delivery.id, why)),
            None => {
                if !dry_run {
                    let sql = if wish == Wish::Replay { REPLAY } else { DISCARD };
                    shift(connection, sql, &delivery, now_ms).await?;
                }
                moved.moved.push(delivery.id);
            }
        }
    }
    Ok(moved)
}

async fn obstacle(connection: &mut SqliteConnection, wish: Wish, delivery: &Delivery) -> Result<Option<String>, Error> {
    let allowed = match wish {
        Wish::Replay => delivery.state.may_replay(),
        Wish::Discard => delivery.state.may_discard(),
    };
    if !allowed {
        return Ok(Some(format!("it is {}", delivery.state.as_str())));
    }
    if wish == Wish::Discard {
        return Ok(None);
    }
    if DeadReason::parse(&delivery.reason).is_some_and(|reason| !reason.has_body()) {
        return Ok(Some("it has no body to send; mend its template, then it is made anew".to_owned()));
    }
    let replaced = has_newer(connection, delivery).await?;
    Ok(replaced.then(|| "a newer state of the same thing was sent or is on its way".to_owned()))
}

async fn has_newer(connection: &mut SqliteConnection, delivery: &Delivery) -> Result<bool, Error> {
    let (true, Some(ordering)) = (delivery.supersedes, &delivery.ordering) else { return Ok(false) };
    sqlx::query_scalar(HAS_NEWER)
        .bind(ordering)
        .bind(&delivery.lane.config_namespace)
        .bind(&delivery.lane.service)
        .bind(&delivery.occurrence.destination.recipient)
        .bind(delivery.sequence)
        .fetch_one(connection)
        .await
        .map_err(failed)
}

async fn shift(
    connection: &mut SqliteConnection,
    sql: &'static str,
    delivery: &Delivery,
    at_ms: i64,
) -> Result<(), Error> {
    sqlx::query(sql)
        .bind(delivery.sequence)
        .bind(at_ms)
        .bind(&delivery.occurrence.object.uid)
        .bind(&delivery.state_key)
        .bind(delivery.occurrence.arming.cast_signed())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Releases what a service refused, one after the other; what waits falls due now.
pub(super) async fn release(connection: &mut SqliteConnection, release: &Release, now_ms: i64) -> Result<u64, Error> {
    let rows = sqlx::query(PARKED)
        .bind(&release.config_namespace)
        .bind(&release.service)
        .bind(&release.digest)
        .bind(release.since_ms)
        .bind(i64::try_from(release.limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let mut released = 0_u64;
    for row in &rows {
        let delivery = rows::delivery(row)?;
        debug_assert_eq!(delivery.state, State::Dead);
        if has_newer(connection, &delivery).await? {
            continue;
        }
        let due = now_ms.saturating_add(release.spacing_ms.saturating_mul(released.cast_signed()));
        shift(connection, REPLAY, &delivery, due).await?;
        if let Some(digest) = &release.digest {
            let query =
                sqlx::query("UPDATE delivery SET digest = $2 WHERE seq = $1").bind(delivery.sequence).bind(digest);
            query.execute(&mut *connection).await.map_err(failed)?;
        }
        released += 1;
    }
    let hastened = sqlx::query(HASTEN)
        .bind(&release.config_namespace)
        .bind(&release.service)
        .bind(now_ms)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(released + hastened.rows_affected())
}
