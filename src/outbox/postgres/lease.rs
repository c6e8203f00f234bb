//! The lease of a process: while it is renewed nobody else takes what the process claimed; when it ends, its claims are put back.
//!
//! Leases are on the database's clock. The process itself counts from the moment *before* it asked for the renewal, on its monotonic clock,
//! and begins no attempt in the last four fifths: an attempt that began in time is over before others may begin the same one.

use super::super::delivery::{ClaimToken, Hold};
use super::super::store::Error;
use super::writer::fault;
use sqlx::postgres::PgConnection;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Part of the lease in which attempts may begin: one fifth.
const SURE_PART: u32 = 5;
/// Renewals in a lease.
const RENEWALS: u32 = 20;
/// Bits of a claim token that count the claims of its process.
const CLAIM_BITS: u32 = 32;

const REGISTER: &str = "
INSERT INTO process (lease_until) VALUES (clock_timestamp() + make_interval(secs => $1)) RETURNING id";
const RENEW: &str = "
UPDATE process SET lease_until = clock_timestamp() + make_interval(secs => $2)
WHERE id = $1 AND lease_until > clock_timestamp()";
const END: &str = "UPDATE process SET lease_until = clock_timestamp() WHERE id = $1";

const PUT_BACK: &str = "
WITH lost AS MATERIALIZED (
    SELECT d.seq FROM delivery d
    WHERE d.state = 2 AND NOT EXISTS (SELECT 1 FROM process p WHERE p.id = d.holder AND p.lease_until > clock_timestamp())
    ORDER BY d.seq FOR UPDATE SKIP LOCKED)
UPDATE delivery d SET state = 1, claim = 0 FROM lost WHERE d.seq = lost.seq
RETURNING d.seq";
// Unless a newer state came meanwhile.
const REPLACE: &str = "
UPDATE delivery d SET state = 5, successor = n.id
FROM (SELECT o.seq, (
        SELECT n.id FROM delivery n WHERE n.fence = o.fence AND n.ordering = o.ordering AND n.config_namespace = o.config_namespace
            AND n.service = o.service AND n.recipient = o.recipient AND n.seq > o.seq AND n.supersedes AND n.state < 4
        ORDER BY n.seq DESC LIMIT 1) AS id
    FROM delivery o WHERE o.seq = ANY($1) AND o.supersedes AND o.fence IS NOT NULL) AS n
WHERE d.seq = n.seq AND d.state = 1 AND n.id IS NOT NULL";
// A process that is long gone and made nothing that is still open.
const FORGET: &str = "
DELETE FROM process p WHERE p.lease_until < clock_timestamp() - interval '1 day'
    AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.state < 3 AND d.holder = p.id)";

/// The lease of this process, as far as it knows.
#[derive(Debug)]
pub(super) struct Lease {
    length: Duration,
    beat: Duration,
    process: AtomicI64,
    claims: AtomicI64,
    /// Milliseconds from `origin` to the last renewal.
    renewed_ms: AtomicU64,
    origin: Instant,
}

impl Lease {
    pub(super) fn new(length: Duration, beat: Duration) -> Self {
        let (process, claims, renewed_ms) = (AtomicI64::new(0), AtomicI64::new(0), AtomicU64::new(0));
        Self { length, beat, process, claims, renewed_ms, origin: Instant::now() }
    }

    /// Number of this process; another one after a lease that ran out.
    pub(super) fn process(&self) -> i64 {
        self.process.load(Ordering::Acquire)
    }

    /// A token that no other claim has; and how many claims there were before.
    pub(super) fn token(&self) -> (ClaimToken, usize) {
        let count = self.claims.fetch_add(1, Ordering::Relaxed) + 1;
        let low = count & ((1 << CLAIM_BITS) - 1);
        (ClaimToken((self.process() << CLAIM_BITS) | low), usize::try_from(low).unwrap_or(0))
    }

    /// Whether an attempt may begin under this claim.
    pub(super) fn hold(&self, token: ClaimToken) -> Hold {
        self.hold_at(token, self.origin.elapsed())
    }

    fn hold_at(&self, token: ClaimToken, since_origin: Duration) -> Hold {
        if token.0 >> CLAIM_BITS != self.process() {
            return Hold::Lost;
        }
        let renewed = Duration::from_millis(self.renewed_ms.load(Ordering::Acquire));
        match since_origin.saturating_sub(renewed) <= self.length / SURE_PART {
            true => Hold::Sure,
            false => Hold::Doubtful,
        }
    }

    /// Pause between two renewals.
    pub(super) fn pause(&self) -> Duration {
        (self.length / RENEWALS).min(self.beat)
    }

    /// Renews the lease; one that ran out meanwhile is a new process's, whose claims are none.
    pub(super) async fn renew(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let failed = |error| fault("renew the lease", &error);
        let asked = self.origin.elapsed();
        let seconds = self.length.as_secs_f64();
        let renewed = sqlx::query(RENEW).bind(self.process()).bind(seconds).execute(&mut *connection).await;
        if renewed.map_err(failed)?.rows_affected() == 0 {
            let process = sqlx::query_scalar(REGISTER).bind(seconds).fetch_one(connection).await.map_err(failed)?;
            if self.process.swap(process, Ordering::AcqRel) != 0 {
                tracing::warn!("the lease ran out: what was claimed and not yet tried is left to others");
            }
        }
        self.renewed_ms.store(u64::try_from(asked.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
        Ok(())
    }

    /// Ends the lease: others may take what this process still holds.
    pub(super) async fn end(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let query = sqlx::query(END).bind(self.process());
        query.execute(connection).await.map_err(|error| fault("end the lease", &error))?;
        Ok(())
    }
}

/// Puts back what processes hold whose lease has ended. Says how many rows.
pub(super) async fn put_back(connection: &mut PgConnection) -> Result<usize, Error> {
    let failed = |error| fault("release earlier claims", &error);
    let mut transaction = sqlx::Connection::begin(connection).await.map_err(failed)?;
    let lost: Vec<i64> = sqlx::query_scalar(PUT_BACK).fetch_all(&mut *transaction).await.map_err(failed)?;
    if !lost.is_empty() {
        sqlx::query(REPLACE).bind(&lost).execute(&mut *transaction).await.map_err(failed)?;
    }
    sqlx::query(FORGET).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(lost.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_begin_only_in_the_first_fifth_after_a_renewal() {
        let lease = Lease::new(Duration::from_secs(100), Duration::MAX);
        lease.process.store(7, Ordering::Release);
        lease.renewed_ms.store(50_000, Ordering::Release);
        let (token, _) = lease.token();
        assert_eq!(lease.hold_at(token, Duration::from_secs(70)), Hold::Sure);
        assert_eq!(lease.hold_at(token, Duration::from_secs(71)), Hold::Doubtful);
        lease.process.store(8, Ordering::Release);
        assert_eq!(lease.hold_at(token, Duration::from_secs(50)), Hold::Lost);
        assert!(lease.pause() * 4 <= lease.length / SURE_PART);
    }

    #[test]
    fn tokens_of_one_process_differ_and_name_it() {
        let lease = Lease::new(Duration::from_secs(1), Duration::MAX);
        lease.process.store(3, Ordering::Release);
        let ((first, _), (second, _)) = (lease.token(), lease.token());
        assert_ne!(first, second);
        assert_eq!((first.0 >> CLAIM_BITS, second.0 >> CLAIM_BITS), (3, 3));
    }
}
