//! Recording what became of a claimed row: the row, its attempt and the state of its key in one piece.

use super::super::delivery::{Arrow, Attempt, MAX_ATTEMPTS_KEPT, MAX_EXCERPT_BYTES, State, Transition, clip};
use super::super::rows::{Columns, code};
use super::super::seal::{Keys, Part};
use super::super::store::Error;
use super::writer::fault;
use crate::failpoint;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

const MOVE: &str = "
UPDATE delivery SET state = $3, reason = $4, due_ms = coalesce($5, due_ms), step = coalesce($6, step), unknowns = unknowns + $7,
    attempts = attempts + $8, updated_ms = $9, claim = 0
WHERE seq = $1 AND claim = $2 AND state = 2
RETURNING uid, state_key, arming, digest, attempts";

const ATTEMPT: &str = "
INSERT OR REPLACE INTO attempt (seq, number, at_ms, duration_ms, status, target, excerpt, reason, sealed, key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);
DELETE FROM attempt WHERE seq = $1 AND number <= $2 - $11";

const NEWER: &str = "
SELECT id FROM delivery
WHERE ordering = $1 AND config_namespace = $2 AND service = $3 AND recipient = $4 AND seq > $5 AND supersedes = 1 AND state < 4
ORDER BY seq DESC LIMIT 1";

// Those it replaced have reached their receiver through it.
const KEYS_DELIVERED: &str = "
UPDATE key_state SET phase = 'delivered', at = $4, owed = 1, changed_ms = $5
WHERE uid = $1 AND state_key = $2 AND armed = 1 AND arming = $3 AND phase IN ('pending', 'dead');
UPDATE key_state SET phase = 'delivered', at = $4, owed = 1, changed_ms = $5
WHERE armed = 1 AND phase = 'pending' AND (uid, state_key, arming) IN (
    SELECT uid, state_key, arming FROM delivery WHERE successor = (SELECT id FROM delivery WHERE seq = $6) AND state = 5)";

const KEY_DEAD: &str = "
UPDATE key_state SET phase = 'dead', digest = $4, changed_ms = $5
WHERE uid = $1 AND state_key = $2 AND armed = 1 AND arming = $3 AND phase = 'pending'";

const KEY_TAKEN_OVER: &str = "
UPDATE key_state SET phase = 'annotated', at = $4, resource_version = '', owed = 0, changed_ms = $5
WHERE uid = $1 AND state_key = $2 AND armed = 1 AND arming = $3 AND phase IN ('pending', 'dead')";

fn failed(error: sqlx::Error) -> Error {
    fault("record an outcome", &error)
}

/// Records one outcome and says in which state the row is now.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    attempt: Option<&Attempt>,
    transition: &Transition,
    keys: &Keys,
) -> Result<State, Error> {
    let row = advance(connection, attempt, transition).await?.ok_or(Error::ClaimLost(transition.id))?;
    if let Some(attempt) = attempt {
        keep(connection, transition, row.int("attempts")?, attempt, keys).await?;
    }
    if transition.state() != State::Delivered && overtaken(connection, transition).await? {
        return Ok(State::Superseded);
    }
    settle_key(connection, &row, transition).await?;
    failpoint::pass("outcome.written");
    Ok(transition.state())
}

async fn advance(
    connection: &mut SqliteConnection,
    attempt: Option<&Attempt>,
    transition: &Transition,
) -> Result<Option<SqliteRow>, Error> {
    let step = transition.step();
    sqlx::query(MOVE)
        .bind(transition.sequence)
        .bind(transition.token.0)
        .bind(code(transition.state()))
        .bind(step.reason)
        .bind(step.due_ms)
        .bind(step.step)
        .bind(i64::from(step.unknown))
        .bind(i64::from(attempt.is_some()))
        .bind(transition.at_ms)
        .fetch_optional(connection)
        .await
        .map_err(failed)
}

async fn keep(
    connection: &mut SqliteConnection,
    transition: &Transition,
    number: i64,
    attempt: &Attempt,
    keys: &Keys,
) -> Result<(), Error> {
    let excerpt = clip(&attempt.excerpt, MAX_EXCERPT_BYTES);
    let part = Part::Answer { at_ms: attempt.at_ms };
    let sealed = if keys.encrypts() { Some(keys.seal(transition.id, part, excerpt.as_bytes())?) } else { None };
    let (sealed, key_id) = sealed.map_or((None, None), |stored| (Some(stored.bytes), stored.key_id));
    sqlx::query(ATTEMPT)
        .bind(transition.sequence)
        .bind(number)
        .bind(attempt.at_ms)
        .bind(i64::try_from(attempt.duration_ms).unwrap_or(i64::MAX))
        .bind(attempt.status.map(i64::from))
        .bind(clip(&attempt.target, MAX_EXCERPT_BYTES))
        .bind(if sealed.is_some() { "" } else { excerpt })
        .bind(clip(&attempt.reason, MAX_EXCERPT_BYTES))
        .bind(sealed)
        .bind(key_id)
        .bind(i64::try_from(MAX_ATTEMPTS_KEPT).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

/// A newer state came while this one was in flight: nothing of this one is to be sent again, not even by a replay.
async fn overtaken(connection: &mut SqliteConnection, transition: &Transition) -> Result<bool, Error> {
    let replaceable = transition.replaceable.as_ref().filter(|_| transition.state() != State::TakenOver);
    let Some(like) = replaceable else { return Ok(false) };
    let newer: Option<Vec<u8>> = sqlx::query_scalar(NEWER)
        .bind(&like.ordering)
        .bind(&like.config_namespace)
        .bind(&like.service)
        .bind(&like.recipient)
        .bind(transition.sequence)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let Some(newer) = newer else { return Ok(false) };
    sqlx::query("UPDATE delivery SET state = 5, successor = $2 WHERE seq = $1; UPDATE delivery SET successor = $2 WHERE successor = $3")
        .bind(transition.sequence)
        .bind(newer)
        .bind(&transition.id.as_bytes()[..])
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(true)
}

async fn settle_key(connection: &mut SqliteConnection, row: &SqliteRow, transition: &Transition) -> Result<(), Error> {
    let (uid, state_key, arming, digest) =
        (row.text("uid")?, row.text("state_key")?, row.int("arming")?, row.text("digest")?);
    let sql = match &transition.arrow {
        Arrow::Delivered { .. } => KEYS_DELIVERED,
        Arrow::Dead { .. } => KEY_DEAD,
        Arrow::TakenOver { .. } => KEY_TAKEN_OVER,
        Arrow::Waiting { .. } | Arrow::Released { .. } => return Ok(()),
    };
    let query = sqlx::query(sql).bind(uid).bind(state_key).bind(arming);
    let query = match &transition.arrow {
        Arrow::Dead { .. } => query.bind(digest),
        Arrow::TakenOver { sent_at } => query.bind(*sent_at),
        _ => query.bind(transition.at_ms.div_euclid(1000)),
    };
    query.bind(transition.at_ms).bind(transition.sequence).execute(connection).await.map_err(failed)?;
    Ok(())
}
