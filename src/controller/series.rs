//! How the last hour went: every ten seconds what was sent and what waits, in a ring of fixed size; and how long deliveries took since
//! the start, from the metric that is there anyway. Read by pages; decides nothing. Time comes in as an argument.

use crate::outbox::State;
use crate::outbox::store::Counts;
use crate::telemetry::Metrics;
use prometheus::core::{Collector as _, Metric as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two samples.
pub const EVERY: Duration = Duration::from_secs(10);
/// Samples of an hour.
const KEPT: usize = 360;

/// How it was at one time, and what happened since the sample before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Deliveries that reached their receiver since the sample before.
    pub delivered: u32,
    /// Attempts that did not, since the sample before.
    pub failed: u32,
    /// Deliveries that were never tried.
    pub prepared: u32,
    /// Deliveries in an attempt.
    pub claimed: u32,
    /// Deliveries that wait for their next try.
    pub waiting: u32,
    /// Dead letters.
    pub dead: u32,
    /// Age in seconds of the oldest delivery that is open; 0 without one.
    pub oldest_secs: u32,
}

/// Attempts since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Those that reached their receiver.
    pub delivered: u64,
    /// Those that did not.
    pub failed: u64,
}

impl Attempts {
    /// As the metrics have it.
    #[must_use]
    pub fn of(metrics: &Metrics) -> Self {
        let mut sum = Self::default();
        for family in metrics.deliveries.collect() {
            for metric in family.get_metric() {
                let succeeded = metric.get_label().iter().any(|l| l.name() == "succeeded" && l.value() == "true");
                let count = metric.get_counter().get_value();
                // Counters of whole numbers, far below where a float forgets one.
                let count = if count.is_finite() { count.max(0.0) as u64 } else { 0 };
                *if succeeded { &mut sum.delivered } else { &mut sum.failed } += count;
            }
        }
        sum
    }
}

#[derive(Debug)]
struct Ring {
    samples: Box<[Sample; KEPT]>,
    count: usize,
    next: usize,
    before: Attempts,
}

/// The samples.
#[derive(Debug)]
pub struct Series {
    ring: Mutex<Ring>,
}

impl Default for Series {
    fn default() -> Self {
        let samples = Box::new([Sample::default(); KEPT]);
        Self { ring: Mutex::new(Ring { samples, count: 0, next: 0, before: Attempts::default() }) }
    }
}

impl Series {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sample; the oldest makes room.
    pub fn note(&self, counts: &Counts, attempts: Attempts, now_ms: i64) {
        let of = |state: State| counts.by_state.get(&state).copied().map_or(0, clamped);
        let mut ring = self.lock();
        // The first sample tells of everything since the start of the process, with which the counters began.
        let before = std::mem::replace(&mut ring.before, attempts);
        let oldest_ms = counts.oldest_open_ms.map_or(0, |at| now_ms.saturating_sub(at).max(0));
        let sample = Sample {
            at_ms: now_ms,
            delivered: clamped(attempts.delivered.saturating_sub(before.delivered)),
            failed: clamped(attempts.failed.saturating_sub(before.failed)),
            prepared: of(State::Prepared),
            claimed: of(State::Claimed),
            waiting: of(State::Waiting),
            dead: of(State::Dead),
            oldest_secs: clamped(oldest_ms.unsigned_abs() / 1000),
        };
        let next = ring.next;
        ring.samples[next] = sample;
        ring.next = (next + 1) % KEPT;
        ring.count = (ring.count + 1).min(KEPT);
    }

    /// The samples, oldest first.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let ring = self.lock();
        let (newer, older) = ring.samples.split_at(ring.next);
        let all = older.iter().chain(newer);
        all.skip(KEPT - ring.count).copied().collect()
    }
}

fn clamped(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How long it took from decisions to their deliveries since the process began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latency {
    /// For each bucket its upper end in seconds, and the deliveries in it; the last one has no end.
    pub buckets: Vec<(f64, u64)>,
    /// All deliveries.
    pub count: u64,
    /// All their times together, in seconds.
    pub sum_secs: f64,
}

impl Latency {
    /// As the metrics have it.
    #[must_use]
    pub fn of(metrics: &Metrics) -> Self {
        let metric = metrics.change_to_delivered.metric();
        let histogram = metric.get_histogram();
        let mut below = 0;
        let mut buckets = Vec::new();
        for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()) {
            buckets.push((bucket.upper_bound(), bucket.cumulative_count().saturating_sub(below)));
            below = bucket.cumulative_count();
        }
        let count = histogram.get_sample_count();
        buckets.push((f64::INFINITY, count.saturating_sub(below)));
        Self { buckets, count, sum_secs: histogram.get_sample_sum() }
    }

    /// Within how many seconds this share (0 to 1) of all deliveries was made: the end of the bucket that it falls into. `None`
    /// where there were none.
    #[must_use]
    pub fn within(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let wanted = (self.count as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0);
        let mut so_far = 0;
        self.buckets.iter().find_map(|(end, count)| {
            so_far += count;
            (so_far as f64 >= wanted).then_some(*end)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn counts(waiting: u64) -> Counts {
        Counts { by_state: [(State::Waiting, waiting)].into(), oldest_open_ms: Some(5_000), owed_annotations: 0 }
    }

    #[test]
    fn a_sample_says_what_happened_since_the_one_before() {
        let series = Series::default();
        assert!(series.samples().is_empty());
        series.note(&counts(3), Attempts { delivered: 100, failed: 5 }, 10_000);
        series.note(&counts(4), Attempts { delivered: 107, failed: 5 }, 20_000);
        // The counters begin anew: nothing is invented.
        series.note(&Counts::default(), Attempts::default(), 30_000);
        let [first, second, third] = series.samples().try_into().unwrap();
        assert_eq!((first.at_ms, first.delivered, first.waiting, first.oldest_secs), (10_000, 100, 3, 5));
        assert_eq!((second.delivered, second.failed, second.waiting, second.oldest_secs), (7, 0, 4, 15));
        assert_eq!((third.delivered, third.waiting, third.oldest_secs), (0, 0, 0));
    }

    #[test]
    fn only_the_last_hour_is_kept() {
        let series = Series::default();
        for nth in 0..KEPT as i64 * 3 + 7 {
            series.note(&counts(u64::MAX), Attempts::default(), nth);
        }
        let samples = series.samples();
        let times: Vec<i64> = samples.iter().map(|sample| sample.at_ms).collect();
        let last = KEPT as i64 * 3 + 6;
        assert_eq!(times, (last - KEPT as i64 + 1..=last).collect::<Vec<_>>());
        assert_eq!(samples[0].waiting, u32::MAX);
    }

    #[test]
    fn attempts_and_latencies_are_read_from_the_metrics() {
        let metrics = Metrics::new().unwrap();
        assert_eq!(Latency::of(&metrics).within(0.5), None);
        metrics.deliveries.with_label_values(&["t", "s", "true"]).inc_by(3);
        metrics.deliveries.with_label_values(&["u", "s", "true"]).inc();
        metrics.deliveries.with_label_values(&["t", "s", "false"]).inc();
        assert_eq!(Attempts::of(&metrics), Attempts { delivered: 4, failed: 1 });
        for seconds in [0.001, 0.003, 0.003, 99_999.0] {
            metrics.change_to_delivered.observe(seconds);
        }
        let latency = Latency::of(&metrics);
        assert_eq!((latency.count, latency.buckets.iter().map(|(_, count)| count).sum::<u64>()), (4, 4));
        assert_eq!(latency.buckets[..2], [(0.002, 1), (0.005, 2)]);
        assert_eq!((latency.within(0.5), latency.within(1.0)), (Some(0.005), Some(f64::INFINITY)));
    }
}
