//! `/api/v1/series`: how the last hour went, in samples of ten seconds, and how long deliveries took.

use super::resource::Resource;
use super::{Answer, State, shown};
use crate::controller::series::{EVERY, Latency, Sample};
use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

pub(super) fn resources() -> Vec<Resource> {
    vec![Resource::at("/api/v1/series").get(show)]
}

/// How it was at one time, and what happened since the sample before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Point {
    /// When, Unix milliseconds.
    at_ms: i64,
    /// Deliveries that reached their receiver since the sample before.
    delivered: u32,
    /// Attempts that did not, since the sample before.
    failed: u32,
    /// Deliveries that were never tried.
    prepared: u32,
    /// Deliveries in an attempt.
    claimed: u32,
    /// Deliveries that wait for their next try.
    waiting: u32,
    /// Dead letters.
    dead: u32,
    /// Age in seconds of the oldest delivery that is open; 0 without one.
    oldest_seconds: u32,
}

impl From<Sample> for Point {
    fn from(sample: Sample) -> Self {
        Self {
            at_ms: sample.at_ms,
            delivered: sample.delivered,
            failed: sample.failed,
            prepared: sample.prepared,
            claimed: sample.claimed,
            waiting: sample.waiting,
            dead: sample.dead,
            oldest_seconds: sample.oldest_secs,
        }
    }
}

/// Deliveries that took at most so long, and longer than the bucket before.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Bucket {
    /// Upper end in seconds; null for the last, which has none.
    #[schema(required = true)]
    seconds: Option<f64>,
    /// Deliveries.
    count: u64,
}

/// How the last hour went.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Series {
    /// Seconds between two samples.
    every_seconds: u64,
    /// Samples, oldest first; at most an hour.
    samples: Vec<Point>,
    /// How long it took from decisions to their deliveries since the process began.
    latency: Vec<Bucket>,
}

/// Show how the last hour went.
#[utoipa::path(get, path = "/api/v1/series", operation_id = "getSeries", tag = "status",
    responses((status = 200, description = "Samples of the last hour.", body = Series)))]
pub(super) async fn show(app: web::Data<State>) -> Answer {
    let latency = Latency::of(app.relay.metrics());
    let bucket = |(end, count): (f64, u64)| Bucket { seconds: end.is_finite().then_some(end), count };
    let view = Series {
        every_seconds: EVERY.as_secs(),
        samples: app.relay.series().samples().into_iter().map(Point::from).collect(),
        latency: latency.buckets.into_iter().map(bucket).collect(),
    };
    shown(&app, &view)
}
