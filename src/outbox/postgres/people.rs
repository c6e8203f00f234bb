//! What people and changed configurations do to rows: replay, discard, release. And the pages that people read.

use super::super::delivery::{Delivery, DeliveryId};
use super::super::people::{Dialect, GONE, REPLACED, Wish, narrow, refusal};
use super::super::rows::{self, select_delivery};
use super::super::seal::{Keys, Part};
use super::super::statement::{Naming, Statement};
use super::super::store::{Detail, Error, Filter, Moved, Release, Replay};
use super::changes::{fence, key_hash};
use super::reading::query;
use super::text::write;
use super::writer::fault;
use sqlx::postgres::PgConnection;

// The unique key and the id stay: it is the same delivery. The state again: another process may have moved it.
const REPLAY: &str = "
WITH moved AS (
    UPDATE delivery SET state = 0, due_ms = $2, since_ms = $2, updated_ms = $2, step = 0, unknowns = 0, holder = $6,
        digest = coalesce($7, digest)
    WHERE seq = $1 AND state IN (4, 7) RETURNING seq),
settled AS (
    UPDATE key_state k SET phase = 'pending', changed_ms = $2 FROM moved
    WHERE k.uid = $3 AND k.key_hash = $4 AND k.armed AND k.arming = $5 AND k.phase IN ('dead', 'truncated'))
SELECT seq FROM moved";

// `truncated` is the phase that stays sent without being annotated.
const DISCARD: &str = "
WITH moved AS (
    UPDATE delivery SET state = 7, updated_ms = $2, holder = $6, digest = coalesce($7, digest)
    WHERE seq = $1 AND state IN (0, 1, 4) RETURNING seq),
settled AS (
    UPDATE key_state k SET phase = 'truncated', changed_ms = $2 FROM moved
    WHERE k.uid = $3 AND k.key_hash = $4 AND k.armed AND k.arming = $5 AND k.phase IN ('pending', 'dead'))
SELECT seq FROM moved";

// No unique key: the occurrence has its delivery, this is another one that a person asked for.
const REPEAT: &str = "
WITH made AS (
    INSERT INTO delivery (id, unique_key, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
        recipient, arming, state_key, service_kind, ordering, fence, supersedes, idempotent, digest, process, holder, lane, state,
        reason, due_ms, created_ms, since_ms, updated_ms, body_bytes, key_id, install)
    SELECT $2, NULL, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
        recipient, arming, state_key, service_kind, ordering, fence, supersedes, idempotent, digest, $3, $3, lane, 0,
        '', $4, $5, $4, $5, body_bytes, $6, install
    FROM delivery WHERE seq = $1
    RETURNING seq),
kept AS (INSERT INTO body (seq, payload) SELECT seq, $7 FROM made),
replaced AS (UPDATE delivery SET state = 5, successor = $2, updated_ms = $5, holder = $3 WHERE seq = $1 AND state = 4),
settled AS (
    UPDATE key_state k SET phase = 'pending', changed_ms = $5
    WHERE k.uid = $8 AND k.key_hash = $9 AND k.armed AND k.arming = $10 AND k.phase = 'dead')
SELECT seq FROM made";

const HAS_NEWER: &str = "
SELECT EXISTS (SELECT 1 FROM delivery n
    WHERE n.fence = $1 AND n.ordering = $2 AND n.config_namespace = $3 AND n.service = $4 AND n.recipient = $5 AND n.seq > $6
        AND n.supersedes AND n.state < 4)";

const PARKED: &str = select_delivery!(
    "WHERE d.state = 4 AND d.config_namespace = $1 AND d.service = $2 AND ($3::text IS NULL OR d.digest <> $3)
        AND d.created_ms >= $4 AND d.reason IN ('rejected', 'credentials', 'gaveUp')
     ORDER BY d.seq LIMIT $5"
);

const HASTEN: &str = "
UPDATE delivery SET due_ms = $3, updated_ms = $3, holder = $4
WHERE config_namespace = $1 AND service = $2 AND state = 1 AND due_ms > $3";

/// Said of a delivery that another process moved in between.
const MOVED_ON: &str = "it moved on meanwhile";

fn failed(error: sqlx::Error) -> Error {
    fault("read or move deliveries", &error)
}

/// One page, newest first.
pub(super) async fn list(connection: &mut PgConnection, filter: &Filter) -> Result<Vec<Delivery>, Error> {
    // Which rows is found out without their texts: several states have to be sorted, and that in whole rows is slow.
    let begun = select_delivery!("WHERE d.seq IN (SELECT d.seq FROM delivery d WHERE true");
    let mut statement = Statement::begin(begun, Naming::Numbered);
    narrow(&mut statement, filter, Dialect { text: write, by_hand: "" });
    statement.push(") ORDER BY d.seq DESC");
    let rows = query(statement).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(rows::delivery).collect()
}

/// One delivery with its attempts and body.
pub(super) async fn get(connection: &mut PgConnection, id: DeliveryId, keys: &Keys) -> Result<Option<Detail>, Error> {
    let page = list(connection, &Filter { ids: vec![id], ..Filter::default() }).await?;
    let Some(delivery) = page.into_iter().next() else { return Ok(None) };
    let body = sqlx::query("SELECT b.payload, d.key_id FROM body b JOIN delivery d ON d.seq = b.seq WHERE b.seq = $1")
        .bind(delivery.sequence)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let rows = sqlx::query("SELECT * FROM attempt WHERE seq = $1 ORDER BY number")
        .bind(delivery.sequence)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let attempts = rows.iter().map(|row| rows::attempt(row, id, keys)).collect::<Result<_, _>>()?;
    let (payload, locked) = match body {
        Some(row) => rows::body(&row, id, keys)?,
        None => (Vec::new(), None),
    };
    Ok(Some(Detail { delivery, attempts, payload, locked }))
}

/// Who replays.
pub(super) struct Replayer<'a> {
    pub keys: &'a Keys,
    pub process: i64,
}

/// Sends again what the filter finds, the oldest first, or says what it would send.
pub(super) async fn replay(
    connection: &mut PgConnection,
    filter: &Filter,
    how: Replay,
    replayer: Replayer<'_>,
) -> Result<Moved, Error> {
    let wish = if how.as_new { Wish::Repeat } else { Wish::Replay };
    let (mut moved, mut due_ms) = (Moved::default(), how.now_ms);
    for delivery in list(connection, filter).await?.into_iter().rev() {
        let done = match obstacle(connection, wish, &delivery).await? {
            Some(why) => Err(why),
            None if how.dry_run => Ok(None),
            None if how.as_new => repeat(connection, &delivery, (how.now_ms, due_ms), &replayer).await?.map(Some),
            None => match shift(connection, REPLAY, &delivery, None, (replayer.process, due_ms)).await? {
                true => Ok(None),
                false => Err(MOVED_ON.to_owned()),
            },
        };
        match done {
            Ok(made) => {
                moved.moved.push(delivery.id);
                moved.made.extend(made.map(|made| (delivery.id, made)));
                due_ms = due_ms.saturating_add(how.spacing_ms);
            }
            Err(why) => moved.skipped.push((delivery.id, why)),
        }
    }
    Ok(moved)
}

/// A new delivery with the body of this one; a dead letter gives way to it. The text: why there can be none.
async fn repeat(
    connection: &mut PgConnection,
    delivery: &Delivery,
    (now_ms, due_ms): (i64, i64),
    replayer: &Replayer<'_>,
) -> Result<Result<DeliveryId, String>, Error> {
    let Some(detail) = get(connection, delivery.id, replayer.keys).await? else { return Ok(Err(GONE.to_owned())) };
    if let Some(why) = detail.locked {
        return Ok(Err(why));
    }
    let id = DeliveryId::new(now_ms, rand::random());
    let body = replayer.keys.seal(id, Part::Body, &detail.payload)?;
    let made = sqlx::query(REPEAT)
        .bind(delivery.sequence)
        .bind(&id.as_bytes()[..])
        .bind(replayer.process)
        .bind(due_ms)
        .bind(now_ms)
        .bind(body.key_id)
        .bind(body.bytes)
        .bind(write(&delivery.occurrence.object.uid))
        .bind(key_hash(&delivery.state_key))
        .bind(delivery.occurrence.arming.cast_signed())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    Ok(made.map(|_| id).ok_or_else(|| GONE.to_owned()))
}

/// Throws away what the filter finds, or says what it would throw away.
pub(super) async fn discard(
    connection: &mut PgConnection,
    filter: &Filter,
    dry_run: bool,
    at: (i64, i64),
) -> Result<Moved, Error> {
    let mut moved = Moved::default();
    for delivery in list(connection, filter).await? {
        if let Some(why) = obstacle(connection, Wish::Discard, &delivery).await? {
            moved.skipped.push((delivery.id, why));
        } else if dry_run || shift(connection, DISCARD, &delivery, None, at).await? {
            moved.moved.push(delivery.id);
        } else {
            moved.skipped.push((delivery.id, MOVED_ON.to_owned()));
        }
    }
    Ok(moved)
}

async fn obstacle(connection: &mut PgConnection, wish: Wish, delivery: &Delivery) -> Result<Option<String>, Error> {
    if let Some(why) = refusal(wish, delivery) {
        return Ok(Some(why));
    }
    let replaced = wish != Wish::Discard && has_newer(connection, delivery).await?;
    Ok(replaced.then(|| REPLACED.to_owned()))
}

async fn has_newer(connection: &mut PgConnection, delivery: &Delivery) -> Result<bool, Error> {
    let (true, Some(ordering)) = (delivery.supersedes, &delivery.ordering) else { return Ok(false) };
    let lane = &delivery.lane;
    sqlx::query_scalar(HAS_NEWER)
        .bind(fence(&lane.config_namespace, &lane.service, ordering))
        .bind(write(ordering))
        .bind(write(&lane.config_namespace))
        .bind(write(&lane.service))
        .bind(write(&delivery.occurrence.destination.recipient))
        .bind(delivery.sequence)
        .fetch_one(connection)
        .await
        .map_err(failed)
}

/// False: the row had moved on.
async fn shift(
    connection: &mut PgConnection,
    sql: &'static str,
    delivery: &Delivery,
    digest: Option<&str>,
    (process, at_ms): (i64, i64),
) -> Result<bool, Error> {
    let moved: Option<i64> = sqlx::query_scalar(sql)
        .bind(delivery.sequence)
        .bind(at_ms)
        .bind(write(&delivery.occurrence.object.uid))
        .bind(key_hash(&delivery.state_key))
        .bind(delivery.occurrence.arming.cast_signed())
        .bind(process)
        .bind(digest.map(write))
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    Ok(moved.is_some())
}

/// Releases what a service refused, one after the other; what waits falls due now.
pub(super) async fn release(
    connection: &mut PgConnection,
    release: &Release,
    (process, now_ms): (i64, i64),
) -> Result<u64, Error> {
    let rows = sqlx::query(PARKED)
        .bind(write(&release.config_namespace))
        .bind(write(&release.service))
        .bind(release.digest.as_deref().map(write))
        .bind(release.since_ms)
        .bind(i64::try_from(release.limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let mut released = 0_u64;
    for row in &rows {
        let delivery = rows::delivery(row)?;
        if has_newer(connection, &delivery).await? {
            continue;
        }
        let due = now_ms.saturating_add(release.spacing_ms.saturating_mul(released.cast_signed()));
        let moved = shift(connection, REPLAY, &delivery, release.digest.as_deref(), (process, due)).await?;
        released += u64::from(moved);
    }
    let hastened = sqlx::query(HASTEN)
        .bind(write(&release.config_namespace))
        .bind(write(&release.service))
        .bind(now_ms)
        .bind(process)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(released + hastened.rows_affected())
}
