//! What people and changed configurations do to rows: replay, discard, release. And the pages that people read.

use super::super::delivery::{Delivery, DeliveryId, State};
use super::super::people::{Dialect, GONE, REPLACED, Wish, narrow, refusal};
use super::super::rows::{self, select_delivery};
use super::super::seal::{Keys, Part};
use super::super::store::{Detail, Error, Filter, Moved, Release, Replay};
use super::writer::fault;
use sqlx::QueryBuilder;
use sqlx::sqlite::{Sqlite, SqliteConnection};

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

// No unique key: the occurrence has its delivery, this is another one that a person asked for.
const REPEAT: &str = "
INSERT INTO delivery (id, unique_key, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
    recipient, arming, state_key, service_kind, ordering, supersedes, idempotent, digest, process, state, reason, due_ms,
    created_ms, since_ms, updated_ms, body_bytes, key_id, lane, install)
SELECT $2, NULL, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
    recipient, arming, state_key, service_kind, ordering, supersedes, idempotent, digest, $3, 0, '', $4,
    $5, $4, $5, body_bytes, $6, lane, install
FROM delivery WHERE seq = $1;
INSERT INTO body (seq, payload) VALUES (last_insert_rowid(), $7);
UPDATE delivery SET state = 5, successor = $2, updated_ms = $5 WHERE seq = $1 AND state = 4;
UPDATE key_state SET phase = 'pending', changed_ms = $5
WHERE uid = $8 AND state_key = $9 AND armed = 1 AND arming = $10 AND phase = 'dead'";

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

// Which rows is found out without their texts: several states have to be sorted, and that in whole rows is slow.
const PAGE: &str = select_delivery!("WHERE d.seq IN (SELECT d.seq FROM delivery d WHERE 1 = 1");

fn failed(error: sqlx::Error) -> Error {
    fault("read or move deliveries", &error)
}

/// What `start` selects of one page, newest first.
fn page(start: &'static str, filter: &Filter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(start);
    // It has no statistics: which condition leaves the fewest rows is not its to say.
    narrow(&mut query, filter, Dialect { text: str::to_owned, by_hand: "+" });
    query.push(") ORDER BY d.seq DESC");
    query
}

/// One page, newest first.
pub(super) async fn list(connection: &mut SqliteConnection, filter: &Filter) -> Result<Vec<Delivery>, Error> {
    let rows = page(PAGE, filter).build().fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(rows::delivery).collect()
}

/// One delivery with its attempts and body.
pub(super) async fn get(
    connection: &mut SqliteConnection,
    id: DeliveryId,
    keys: &Keys,
) -> Result<Option<Detail>, Error> {
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
    connection: &mut SqliteConnection,
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
            None => shift(connection, REPLAY, &delivery, due_ms).await.map(|()| Ok(None))?,
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
    connection: &mut SqliteConnection,
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
    sqlx::query(REPEAT)
        .bind(delivery.sequence)
        .bind(&id.as_bytes()[..])
        .bind(replayer.process)
        .bind(due_ms)
        .bind(now_ms)
        .bind(body.key_id)
        .bind(body.bytes)
        .bind(&delivery.occurrence.object.uid)
        .bind(&delivery.state_key)
        .bind(delivery.occurrence.arming.cast_signed())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(Ok(id))
}

/// Throws away what the filter finds, or says what it would throw away.
pub(super) async fn discard(
    connection: &mut SqliteConnection,
    filter: &Filter,
    dry_run: bool,
    now_ms: i64,
) -> Result<Moved, Error> {
    let mut moved = Moved::default();
    for delivery in list(connection, filter).await? {
        if let Some(why) = obstacle(connection, Wish::Discard, &delivery).await? {
            moved.skipped.push((delivery.id, why));
            continue;
        }
        if !dry_run {
            shift(connection, DISCARD, &delivery, now_ms).await?;
        }
        moved.moved.push(delivery.id);
    }
    Ok(moved)
}

async fn obstacle(connection: &mut SqliteConnection, wish: Wish, delivery: &Delivery) -> Result<Option<String>, Error> {
    if let Some(why) = refusal(wish, delivery) {
        return Ok(Some(why));
    }
    let replaced = wish != Wish::Discard && has_newer(connection, delivery).await?;
    Ok(replaced.then(|| REPLACED.to_owned()))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use sqlx::Row as _;

    const EXPLAINED: &str =
        concat!("EXPLAIN QUERY PLAN ", select_delivery!("WHERE d.seq IN (SELECT d.seq FROM delivery d WHERE 1 = 1"));

    async fn plan(connection: &mut SqliteConnection, filter: &Filter) -> Vec<String> {
        let rows = page(EXPLAINED, filter).build().fetch_all(connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail")).collect()
    }

    fn filter(trigger: &str, service: &str, states: &[State]) -> Filter {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Filter { trigger: given(trigger), service: given(service), states: states.to_vec(), ..Filter::default() }
    }

    #[tokio::test]
    async fn no_list_reads_every_row_and_each_is_found_by_what_leaves_the_fewest() {
        let mut connection = super::super::open::connect(None, None).await.unwrap();
        let app = |more: Filter| Filter { object: Some(("argocd".into(), "a".into())), ..more };
        let group = Filter {
            host: Some("h".into()),
            config_namespace: Some(String::new()),
            reason: Some("gone".into()),
            ..filter("", "s", &[State::Dead])
        };
        let cases = [
            (filter("t", "", &[]), "COVERING INDEX delivery_trigger (trigger_name=?)"),
            (filter("", "s", &[]), "COVERING INDEX delivery_service (service=?)"),
            (filter("t", "s", &[]), "COVERING INDEX delivery_trigger (trigger_name=?)"),
            (filter("", "", &[State::Dead]), "COVERING INDEX delivery_state (state=?)"),
            (filter("", "", &[State::Prepared, State::Waiting]), "COVERING INDEX delivery_state (state=?)"),
            (filter("t", "", &[State::Delivered]), "INDEX delivery_trigger (trigger_name=?)"),
            (filter("t", "", &[State::Dead]), "INDEX delivery_state (state=?)"),
            (filter("t", "s", &[State::Waiting, State::Claimed]), "INDEX delivery_state (state=?)"),
            (filter("", "s", &[State::Delivered, State::Dead]), "INDEX delivery_service (service=?)"),
            (app(filter("t", "s", &[State::Dead])), "INDEX delivery_object (namespace=? AND name=?)"),
            (group, "INDEX delivery_dead (lane=? AND reason=?)"),
        ];
        for (filter, index) in cases {
            let plan = plan(&mut connection, &filter).await;
            assert!(plan.iter().any(|step| step.contains(index)), "{filter:?}: {plan:#?}");
            let reads_all = |step: &&String| step.starts_with("SCAN") && !step.contains("CONSTANT");
            assert_eq!(plan.iter().find(reads_all), None, "{filter:?}: {plan:#?}");
        }
        let plan = plan(&mut connection, &Filter::default()).await;
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "the newest are at the end: {plan:#?}");
    }
}
