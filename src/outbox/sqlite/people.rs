//! What people and changed configurations do to rows: replay, discard, release. And the pages that people read.

use super::super::delivery::{Delivery, DeliveryId, State};
use super::super::people::{Dialect, GONE, REPLACED, Wish, narrow, refusal};
use super::super::rows::{self, Columns as _, select_delivery};
use super::super::seal::{Keys, Part};
use super::super::statement::{Naming, Statement};
use super::super::store::{Detail, Error, Filter, Moved, Release, Replay};
use super::sql::{Task, task, values};
use rusqlite::{Connection, params};

// The unique key and the id stay: it is the same delivery.
const REPLAY: [&str; 2] = [
    "UPDATE delivery SET state = 0, due_ms = $2, since_ms = $2, updated_ms = $2, step = 0, unknowns = 0 WHERE seq = $1",
    "UPDATE key_state SET phase = 'pending', changed_ms = $2
     WHERE uid = $3 AND state_key = $4 AND armed = 1 AND arming = $5 AND phase IN ('dead', 'truncated')",
];

// `truncated` is the phase that stays sent without being annotated.
const DISCARD: [&str; 2] = [
    "UPDATE delivery SET state = 7, updated_ms = $2 WHERE seq = $1",
    "UPDATE key_state SET phase = 'truncated', changed_ms = $2
     WHERE uid = $3 AND state_key = $4 AND armed = 1 AND arming = $5 AND phase IN ('pending', 'dead')",
];

// No unique key: the occurrence has its delivery, this is another one that a person asked for.
const REPEAT: [&str; 4] = [
    "INSERT INTO delivery (id, unique_key, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
        recipient, arming, state_key, service_kind, ordering, supersedes, idempotent, digest, process, state, reason, due_ms,
        created_ms, since_ms, updated_ms, body_bytes, key_id, lane, install)
     SELECT $2, NULL, uid, namespace, name, config_namespace, trigger_name, condition_key, once_per, service,
        recipient, arming, state_key, service_kind, ordering, supersedes, idempotent, digest, $3, 0, '', $4,
        $5, $4, $5, body_bytes, $6, lane, install
     FROM delivery WHERE seq = $1",
    "INSERT INTO body (seq, payload) VALUES (last_insert_rowid(), $7)",
    "UPDATE delivery SET state = 5, successor = $2, updated_ms = $5 WHERE seq = $1 AND state = 4",
    "UPDATE key_state SET phase = 'pending', changed_ms = $5
     WHERE uid = $8 AND state_key = $9 AND armed = 1 AND arming = $10 AND phase = 'dead'",
];

const HAS_NEWER: &str = "
SELECT EXISTS (SELECT 1 FROM delivery n
    WHERE n.ordering = $1 AND n.config_namespace = $2 AND n.service = $3 AND n.recipient = $4 AND n.seq > $5 AND n.supersedes = 1
        AND n.state < 4) AS found";

const PARKED: &str = select_delivery!(
    "WHERE d.state = 4 AND d.config_namespace = $1 AND d.service = $2 AND ($3 IS NULL OR d.digest <> $3)
        AND d.created_ms >= $4 AND d.reason IN ('rejected', 'credentials', 'gaveUp')
     ORDER BY d.seq LIMIT $5"
);

const HASTEN: &str = "
UPDATE delivery SET due_ms = $3, updated_ms = $3 WHERE config_namespace = $1 AND service = $2 AND state = 1 AND due_ms > $3";

/// What is said of these statements when one fails.
const WORK: &str = "read or move deliveries";
// Which rows is found out without their texts: several states have to be sorted, and that in whole rows is slow.
const PAGE: &str = select_delivery!("WHERE d.seq IN (SELECT d.seq FROM delivery d WHERE 1 = 1");

/// What `start` selects of one page, newest first.
fn page(start: &'static str, filter: &Filter) -> Statement {
    let mut statement = Statement::begin(start, Naming::InTurn);
    // It has no statistics: which condition leaves the fewest rows is not its to say.
    narrow(&mut statement, filter, Dialect { text: str::to_owned, by_hand: "+" });
    statement.push(") ORDER BY d.seq DESC");
    statement
}

/// One page, newest first.
pub(super) fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Delivery>, Error> {
    let statement = page(PAGE, filter);
    task(connection, WORK).all(&statement.text, &values(&statement), |row| rows::delivery(row))
}

/// One delivery with its attempts and body.
pub(super) fn get(connection: &Connection, id: DeliveryId, keys: &Keys) -> Result<Option<Detail>, Error> {
    let page = list(connection, &Filter { ids: vec![id], ..Filter::default() })?;
    let Some(delivery) = page.into_iter().next() else { return Ok(None) };
    let task = task(connection, WORK);
    let body = "SELECT b.payload, d.key_id FROM body b JOIN delivery d ON d.seq = b.seq WHERE b.seq = $1";
    let body = task.maybe(body, params![delivery.sequence], |row| rows::body(row, id, keys))?;
    let (payload, locked) = body.unwrap_or_default();
    let attempts = "SELECT * FROM attempt WHERE seq = $1 ORDER BY number";
    let attempts = task.all(attempts, params![delivery.sequence], |row| rows::attempt(row, id, keys))?;
    Ok(Some(Detail { delivery, attempts, payload, locked }))
}

/// Who replays.
pub(super) struct Replayer<'a> {
    pub keys: &'a Keys,
    pub process: i64,
}

/// Sends again what the filter finds, the oldest first, or says what it would send.
pub(super) fn replay(
    connection: &Connection,
    filter: &Filter,
    how: Replay,
    replayer: &Replayer<'_>,
) -> Result<Moved, Error> {
    let wish = if how.as_new { Wish::Repeat } else { Wish::Replay };
    let (mut moved, mut due_ms) = (Moved::default(), how.now_ms);
    for delivery in list(connection, filter)?.into_iter().rev() {
        let done = match obstacle(connection, wish, &delivery)? {
            Some(why) => Err(why),
            None if how.dry_run => Ok(None),
            None if how.as_new => repeat(connection, &delivery, (how.now_ms, due_ms), replayer)?.map(Some),
            None => shift(&task(connection, WORK), &REPLAY, &delivery, due_ms).map(|()| Ok(None))?,
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
fn repeat(
    connection: &Connection,
    delivery: &Delivery,
    (now_ms, due_ms): (i64, i64),
    replayer: &Replayer<'_>,
) -> Result<Result<DeliveryId, String>, Error> {
    let Some(detail) = get(connection, delivery.id, replayer.keys)? else { return Ok(Err(GONE.to_owned())) };
    if let Some(why) = detail.locked {
        return Ok(Err(why));
    }
    let id = DeliveryId::new(now_ms, rand::random());
    let body = replayer.keys.seal(id, Part::Body, &detail.payload)?;
    let values = params![
        delivery.sequence,
        id.as_bytes(),
        replayer.process,
        due_ms,
        now_ms,
        body.key_id,
        body.bytes,
        delivery.occurrence.object.uid,
        delivery.state_key,
        delivery.occurrence.arming.cast_signed()
    ];
    task(connection, WORK).run_each(&REPEAT, values)?;
    Ok(Ok(id))
}

/// Throws away what the filter finds, or says what it would throw away.
pub(super) fn discard(connection: &Connection, filter: &Filter, dry_run: bool, now_ms: i64) -> Result<Moved, Error> {
    let mut moved = Moved::default();
    for delivery in list(connection, filter)? {
        if let Some(why) = obstacle(connection, Wish::Discard, &delivery)? {
            moved.skipped.push((delivery.id, why));
            continue;
        }
        if !dry_run {
            shift(&task(connection, WORK), &DISCARD, &delivery, now_ms)?;
        }
        moved.moved.push(delivery.id);
    }
    Ok(moved)
}

fn obstacle(connection: &Connection, wish: Wish, delivery: &Delivery) -> Result<Option<String>, Error> {
    if let Some(why) = refusal(wish, delivery) {
        return Ok(Some(why));
    }
    let replaced = wish != Wish::Discard && has_newer(&task(connection, WORK), delivery)?;
    Ok(replaced.then(|| REPLACED.to_owned()))
}

fn has_newer(task: &Task<'_>, delivery: &Delivery) -> Result<bool, Error> {
    let (true, Some(ordering)) = (delivery.supersedes, &delivery.ordering) else { return Ok(false) };
    let (lane, recipient) = (&delivery.lane, &delivery.occurrence.destination.recipient);
    let values = params![ordering, lane.config_namespace, lane.service, recipient, delivery.sequence];
    task.one(HAS_NEWER, values, |row| row.flag("found"))
}

fn shift(task: &Task<'_>, texts: &[&str], delivery: &Delivery, at_ms: i64) -> Result<(), Error> {
    let (uid, arming) = (&delivery.occurrence.object.uid, delivery.occurrence.arming.cast_signed());
    task.run_each(texts, params![delivery.sequence, at_ms, uid, delivery.state_key, arming])
}

/// Releases what a service refused, one after the other; what waits falls due now.
pub(super) fn release(connection: &Connection, release: &Release, now_ms: i64) -> Result<u64, Error> {
    let Release { config_namespace, service, digest, .. } = release;
    let task = task(connection, WORK);
    let limit = i64::try_from(release.limit).unwrap_or(i64::MAX);
    let values = params![config_namespace, service, digest, release.since_ms, limit];
    let parked = task.all(PARKED, values, |row| rows::delivery(row))?;
    let mut released = 0_u64;
    for delivery in &parked {
        debug_assert_eq!(delivery.state, State::Dead);
        if has_newer(&task, delivery)? {
            continue;
        }
        let due = now_ms.saturating_add(release.spacing_ms.saturating_mul(released.cast_signed()));
        shift(&task, &REPLAY, delivery, due)?;
        if let Some(digest) = digest {
            task.run("UPDATE delivery SET digest = $2 WHERE seq = $1", params![delivery.sequence, digest])?;
        }
        released += 1;
    }
    Ok(released + task.run(HASTEN, params![config_namespace, service, now_ms])?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const EXPLAINED: &str =
        concat!("EXPLAIN QUERY PLAN ", select_delivery!("WHERE d.seq IN (SELECT d.seq FROM delivery d WHERE 1 = 1"));

    fn plan(connection: &Connection, filter: &Filter) -> Vec<String> {
        let statement = page(EXPLAINED, filter);
        task(connection, WORK).all(&statement.text, &values(&statement), |row| row.text("detail")).unwrap()
    }

    fn filter(trigger: &str, service: &str, states: &[State]) -> Filter {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Filter { trigger: given(trigger), service: given(service), states: states.to_vec(), ..Filter::default() }
    }

    #[test]
    fn no_list_reads_every_row_and_each_is_found_by_what_leaves_the_fewest() {
        let connection = super::super::open::connect(None, None).unwrap();
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
            let plan = plan(&connection, &filter);
            assert!(plan.iter().any(|step| step.contains(index)), "{filter:?}: {plan:#?}");
            let reads_all = |step: &&String| step.starts_with("SCAN") && !step.contains("CONSTANT");
            assert_eq!(plan.iter().find(reads_all), None, "{filter:?}: {plan:#?}");
        }
        let plan = plan(&connection, &Filter::default());
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "the newest are at the end: {plan:#?}");
    }
}
