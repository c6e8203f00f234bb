//! Recording what became of a claimed row: the row, its attempt and the state of its key in one piece.

use super::super::delivery::{Arrow, Attempt, MAX_ATTEMPTS_KEPT, MAX_EXCERPT_BYTES, State, Transition, clip};
use super::super::rows::{Columns, code};
use super::super::seal::{Keys, Part};
use super::super::store::Error;
use super::sql::{Task, task};
use crate::failpoint;
use rusqlite::{Connection, Row, ToSql, params};

const MOVE: &str = "
UPDATE delivery SET state = $3, reason = $4, due_ms = coalesce($5, due_ms), step = coalesce($6, step), unknowns = unknowns + $7,
    attempts = attempts + $8, updated_ms = $9, claim = 0
WHERE seq = $1 AND claim = $2 AND state = 2
RETURNING uid, state_key, arming, digest, attempts";

const ATTEMPT: [&str; 2] = [
    "INSERT OR REPLACE INTO attempt (seq, number, at_ms, duration_ms, status, target, excerpt, reason, sealed, key_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    "DELETE FROM attempt WHERE seq = $1 AND number <= $2 - $11",
];

const NEWER: &str = "
SELECT id FROM delivery
WHERE ordering = $1 AND config_namespace = $2 AND service = $3 AND recipient = $4 AND seq > $5 AND supersedes = 1 AND state < 4
ORDER BY seq DESC LIMIT 1";

const OVERTAKEN: [&str; 2] = [
    "UPDATE delivery SET state = 5, successor = $2 WHERE seq = $1",
    "UPDATE delivery SET successor = $2 WHERE successor = $3",
];

// Those it replaced have reached their receiver through it.
const KEYS_DELIVERED: [&str; 2] = [
    "UPDATE key_state SET phase = 'delivered', at = $4, owed = 1, changed_ms = $5
     WHERE uid = $1 AND state_key = $2 AND armed = 1 AND arming = $3 AND phase IN ('pending', 'dead')",
    "UPDATE key_state SET phase = 'delivered', at = $4, owed = 1, changed_ms = $5
     WHERE armed = 1 AND phase = 'pending' AND (uid, state_key, arming) IN (
         SELECT uid, state_key, arming FROM delivery WHERE successor = (SELECT id FROM delivery WHERE seq = $6) AND state = 5)",
];

const KEY_DEAD: &str = "
UPDATE key_state SET phase = 'dead', digest = $4, changed_ms = $5
WHERE uid = $1 AND state_key = $2 AND armed = 1 AND arming = $3 AND phase = 'pending'";

const KEY_TAKEN_OVER: &str = "
UPDATE key_state SET phase = 'annotated', at = $4, resource_version = '', owed = 0, changed_ms = $5
WHERE uid = $1 AND state_key = $2 AND armed = 1 AND arming = $3 AND phase IN ('pending', 'dead')";

/// Records one outcome and says in which state the row is now.
pub(super) fn record(
    connection: &Connection,
    attempt: Option<&Attempt>,
    transition: &Transition,
    keys: &Keys,
) -> Result<State, Error> {
    let task = task(connection, "record an outcome");
    let row = advance(&task, attempt, transition)?.ok_or(Error::ClaimLost(transition.id))?;
    if let Some(attempt) = attempt {
        keep(&task, transition, row.attempts, attempt, keys)?;
    }
    if transition.state() != State::Delivered && overtaken(&task, transition)? {
        return Ok(State::Superseded);
    }
    settle_key(&task, &row, transition)?;
    failpoint::pass("outcome.written");
    Ok(transition.state())
}

/// What a row that moved tells of its key.
struct Advanced {
    uid: String,
    state_key: String,
    arming: i64,
    digest: String,
    attempts: i64,
}

fn advanced(row: &Row<'_>) -> Result<Advanced, Error> {
    Ok(Advanced {
        uid: row.text("uid")?,
        state_key: row.text("state_key")?,
        arming: row.int("arming")?,
        digest: row.text("digest")?,
        attempts: row.int("attempts")?,
    })
}

fn advance(task: &Task<'_>, attempt: Option<&Attempt>, transition: &Transition) -> Result<Option<Advanced>, Error> {
    let step = transition.step();
    let values = params![
        transition.sequence,
        transition.token.0,
        code(transition.state()),
        step.reason,
        step.due_ms,
        step.step,
        step.unknown,
        attempt.is_some(),
        transition.at_ms
    ];
    task.maybe(MOVE, values, advanced)
}

fn keep(task: &Task<'_>, transition: &Transition, number: i64, attempt: &Attempt, keys: &Keys) -> Result<(), Error> {
    let excerpt = clip(&attempt.excerpt, MAX_EXCERPT_BYTES);
    let part = Part::Answer { at_ms: attempt.at_ms };
    let sealed = if keys.encrypts() { Some(keys.seal(transition.id, part, excerpt.as_bytes())?) } else { None };
    let (sealed, key_id) = sealed.map_or((None, None), |stored| (Some(stored.bytes), stored.key_id));
    let values = params![
        transition.sequence,
        number,
        attempt.at_ms,
        i64::try_from(attempt.duration_ms).unwrap_or(i64::MAX),
        attempt.status,
        clip(&attempt.target, MAX_EXCERPT_BYTES),
        if sealed.is_some() { "" } else { excerpt },
        clip(&attempt.reason, MAX_EXCERPT_BYTES),
        sealed,
        key_id,
        i64::try_from(MAX_ATTEMPTS_KEPT).unwrap_or(i64::MAX)
    ];
    task.run_each(&ATTEMPT, values)
}

/// A newer state came while this one was in flight: nothing of this one is to be sent again, not even by a replay.
fn overtaken(task: &Task<'_>, transition: &Transition) -> Result<bool, Error> {
    let replaceable = transition.replaceable.as_ref().filter(|_| transition.state() != State::TakenOver);
    let Some(like) = replaceable else { return Ok(false) };
    let values = params![like.ordering, like.config_namespace, like.service, like.recipient, transition.sequence];
    let newer = task.maybe(NEWER, values, |row| row.bytes("id"))?;
    let Some(newer) = newer else { return Ok(false) };
    task.run_each(&OVERTAKEN, params![transition.sequence, newer, transition.id.as_bytes()])?;
    Ok(true)
}

fn settle_key(task: &Task<'_>, row: &Advanced, transition: &Transition) -> Result<(), Error> {
    let at = transition.at_ms.div_euclid(1000);
    let (texts, fourth): (&[&str], &dyn ToSql) = match &transition.arrow {
        Arrow::Delivered { .. } => (&KEYS_DELIVERED, &at),
        Arrow::Dead { .. } => (&[KEY_DEAD], &row.digest),
        Arrow::TakenOver { sent_at } => (&[KEY_TAKEN_OVER], sent_at),
        Arrow::Waiting { .. } | Arrow::Released { .. } => return Ok(()),
    };
    task.run_each(texts, params![row.uid, row.state_key, row.arming, fourth, transition.at_ms, transition.sequence])
}
