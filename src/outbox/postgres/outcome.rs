//! Recording what became of a claimed row: the row, its attempt and the state of its key in one statement.

use super::super::delivery::{
    Arrow, Attempt, MAX_ATTEMPTS_KEPT, MAX_EXCERPT_BYTES, Replaceable, State, Transition, clip,
};
use super::super::rows::{self, Columns, code};
use super::super::seal::{Keys, Part, Stored};
use super::super::store::Error;
use super::changes::{fence, lock};
use super::text::write;
use super::writer::fault;
use crate::failpoint;
use sqlx::postgres::PgConnection;

/// Row, attempt, and what becomes of the key's state.
macro_rules! record {
    ($settle:literal) => {
        concat!(
            "WITH moved AS (
    UPDATE delivery SET state = $3, reason = $4, due_ms = coalesce($5, due_ms), step = coalesce($6, step),
        unknowns = unknowns + $7, attempts = attempts + $8, updated_ms = $9, successor = coalesce($10, successor),
        claim = 0, last_claim = $2
    WHERE seq = $1 AND claim = $2 AND state = 2
    RETURNING seq, uid, state_key, arming, digest, attempts),
tried AS (
    INSERT INTO attempt (seq, number, at_ms, duration_ms, status, target, excerpt, reason, sealed, key_id)
    SELECT seq, attempts, $11, $12, $13, $14, $15, $16, $17, $18 FROM moved WHERE $8 = 1
    ON CONFLICT (seq, number) DO NOTHING),
settled AS (UPDATE key_state k SET changed_ms = $9, ",
            $settle,
            ")
SELECT attempts FROM moved"
        )
    };
}

const DELIVERED: &str = record!(
    "phase = 'delivered', at = $19, owed = 1
    FROM moved m WHERE k.uid = m.uid AND k.state_key = m.state_key AND k.armed AND k.arming = m.arming
        AND k.phase IN ('pending', 'dead')"
);
const DEAD: &str = record!(
    "phase = 'dead', digest = m.digest
    FROM moved m WHERE k.uid = m.uid AND k.state_key = m.state_key AND k.armed AND k.arming = m.arming
        AND k.phase = 'pending' AND $19::bigint IS NOT NULL"
);
const TAKEN_OVER: &str = record!(
    "phase = 'annotated', at = $19, resource_version = '', owed = 0
    FROM moved m WHERE k.uid = m.uid AND k.state_key = m.state_key AND k.armed AND k.arming = m.arming
        AND k.phase IN ('pending', 'dead')"
);
const UNSETTLED: &str = record!("at = k.at FROM moved m WHERE false AND k.uid = m.uid AND $19::bigint IS NOT NULL");

// Those it replaced have reached their receiver through it.
const REPLACED_DELIVERED: &str = "
UPDATE key_state k SET phase = 'delivered', at = $2, owed = 1, changed_ms = $3
FROM delivery d
WHERE d.successor = $1 AND d.state = 5 AND k.uid = d.uid AND k.state_key = d.state_key AND k.arming = d.arming AND k.armed
    AND k.phase = 'pending'";

const NEWER: &str = "
SELECT id FROM delivery
WHERE fence = $1 AND ordering = $2 AND config_namespace = $3 AND service = $4 AND recipient = $5 AND seq > $6 AND supersedes
    AND state < 4
ORDER BY seq DESC LIMIT 1";

fn failed(error: sqlx::Error) -> Error {
    fault("record an outcome", &error)
}

/// Records one outcome and says in which state the row is now.
pub(super) async fn record(
    connection: &mut PgConnection,
    attempt: Option<&Attempt>,
    transition: &Transition,
    keys: &Keys,
) -> Result<State, Error> {
    let newer = match &transition.replaceable {
        Some(like) => newer(connection, like, transition).await?,
        None => None,
    };
    let state = if newer.is_some() { State::Superseded } else { transition.state() };
    let Some(attempts) = advance(connection, attempt, transition, newer.as_deref(), keys).await? else {
        return Err(Error::ClaimLost(transition.id));
    };
    if attempts > i64::try_from(MAX_ATTEMPTS_KEPT).unwrap_or(i64::MAX) {
        forget_old(connection, transition.sequence, attempts).await?;
    }
    let id = &transition.id.as_bytes()[..];
    if let Some(newer) = &newer {
        let query = sqlx::query("UPDATE delivery SET successor = $1 WHERE successor = $2").bind(newer).bind(id);
        query.execute(&mut *connection).await.map_err(failed)?;
    }
    if transition.replaceable.is_some() && state == State::Delivered {
        let query = sqlx::query(REPLACED_DELIVERED).bind(id).bind(transition.at_ms.div_euclid(1000));
        query.bind(transition.at_ms).execute(connection).await.map_err(failed)?;
    }
    failpoint::pass("outcome.written");
    Ok(state)
}

/// The state of a row whose record may have been committed before, if it was.
pub(super) async fn recorded(connection: &mut PgConnection, transition: &Transition) -> Result<Option<State>, Error> {
    let query = sqlx::query("SELECT state FROM delivery WHERE seq = $1 AND last_claim = $2");
    let row = query.bind(transition.sequence).bind(transition.token.0).fetch_optional(connection).await;
    row.map_err(failed)?.map(|row| rows::state(row.int("state")?)).transpose()
}

/// A newer state that came while this one was in flight: nothing of this one is to be sent again, not even by a replay.
/// Nobody adds another one before this transaction ends.
async fn newer(
    connection: &mut PgConnection,
    like: &Replaceable,
    transition: &Transition,
) -> Result<Option<Vec<u8>>, Error> {
    let key = fence(&like.config_namespace, &like.service, &like.ordering);
    lock(connection, key).await?;
    if matches!(transition.state(), State::Delivered | State::TakenOver) {
        return Ok(None);
    }
    sqlx::query_scalar(NEWER)
        .bind(key)
        .bind(write(&like.ordering))
        .bind(write(&like.config_namespace))
        .bind(write(&like.service))
        .bind(write(&like.recipient))
        .bind(transition.sequence)
        .fetch_optional(connection)
        .await
        .map_err(failed)
}

/// The number of attempts that the row has now; `None` if it is not held by this claim.
async fn advance(
    connection: &mut PgConnection,
    attempt: Option<&Attempt>,
    transition: &Transition,
    newer: Option<&[u8]>,
    keys: &Keys,
) -> Result<Option<i64>, Error> {
    let step = transition.step();
    let answer = attempt.map(|attempt| Answer::of(attempt, transition, keys)).transpose()?.unwrap_or_default();
    let (sql, state) = match (&transition.arrow, newer) {
        (_, Some(_)) => (UNSETTLED, State::Superseded),
        (Arrow::Delivered { .. }, None) => (DELIVERED, State::Delivered),
        (Arrow::Dead { .. }, None) => (DEAD, State::Dead),
        (Arrow::TakenOver { .. }, None) => (TAKEN_OVER, State::TakenOver),
        (Arrow::Waiting { .. } | Arrow::Released { .. }, None) => (UNSETTLED, State::Waiting),
    };
    let at = match &transition.arrow {
        Arrow::TakenOver { sent_at } => *sent_at,
        _ => transition.at_ms.div_euclid(1000),
    };
    let clipped = |text: fn(&Attempt) -> &str| attempt.map(|attempt| write(clip(text(attempt), MAX_EXCERPT_BYTES)));
    sqlx::query_scalar(sql)
        .bind(transition.sequence)
        .bind(transition.token.0)
        .bind(code(state))
        .bind(write(step.reason))
        .bind(step.due_ms)
        .bind(step.step)
        .bind(i64::from(step.unknown))
        .bind(i64::from(attempt.is_some()))
        .bind(transition.at_ms)
        .bind(newer)
        .bind(attempt.map(|attempt| attempt.at_ms))
        .bind(attempt.map(|attempt| i64::try_from(attempt.duration_ms).unwrap_or(i64::MAX)))
        .bind(attempt.and_then(|attempt| attempt.status).map(i64::from))
        .bind(clipped(|attempt| &attempt.target))
        .bind(answer.plain)
        .bind(clipped(|attempt| &attempt.reason))
        .bind(answer.sealed.as_ref().map(|stored| stored.bytes.as_slice()))
        .bind(answer.sealed.as_ref().and_then(|stored| stored.key_id.as_deref()))
        .bind(at)
        .fetch_optional(connection)
        .await
        .map_err(failed)
}

/// What is kept of an answer: sealed, or plain.
#[derive(Default)]
struct Answer {
    plain: String,
    sealed: Option<Stored>,
}

impl Answer {
    fn of(attempt: &Attempt, transition: &Transition, keys: &Keys) -> Result<Self, Error> {
        let excerpt = clip(&attempt.excerpt, MAX_EXCERPT_BYTES);
        if !keys.encrypts() {
            return Ok(Self { plain: write(excerpt), sealed: None });
        }
        let part = Part::Answer { at_ms: attempt.at_ms };
        Ok(Self { plain: String::new(), sealed: Some(keys.seal(transition.id, part, excerpt.as_bytes())?) })
    }
}

async fn forget_old(connection: &mut PgConnection, sequence: i64, attempts: i64) -> Result<(), Error> {
    let oldest = attempts.saturating_sub(i64::try_from(MAX_ATTEMPTS_KEPT).unwrap_or(i64::MAX));
    let query = sqlx::query("DELETE FROM attempt WHERE seq = $1 AND number <= $2").bind(sequence).bind(oldest);
    query.execute(connection).await.map_err(failed)?;
    Ok(())
}
