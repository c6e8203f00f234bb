//! `/api/v1/log`: which targets are logged at which level; changed for a while, or until the process ends.

use super::parameters::Body;
use super::resource::Resource;
use super::{Answer, Kind, Problem, State, Visitor, may_change, shown};
use crate::telemetry::{self, FilterError, LogFilter};
use actix_web::web;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Longest time that a filter is set for: finer logs than usual cost disk, and are forgotten easily.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn resources() -> Vec<Resource> {
    vec![Resource::at("/api/v1/log").get(show).post(set)]
}

/// What is to be logged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogOrder {
    /// A level, or `target=level`, several parted by commas: `gatepost=debug,kube=warn,info`.
    filter: String,
    /// For how long, such as `10m`, at most `24h`; null: until the process ends.
    #[serde(rename = "for")]
    lasting: Option<String>,
}

/// What is logged.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct LogView {
    /// The filter in force.
    filter: String,
    /// When a filter for a while ends; null where it holds until the process ends.
    #[schema(required = true)]
    until: Option<String>,
    /// What follows then.
    #[schema(required = true)]
    afterwards: Option<String>,
}

/// Say which targets are logged at which level.
#[utoipa::path(get, path = "/api/v1/log", operation_id = "getLog", tag = "status",
    responses((status = 200, description = "What is logged.", body = LogView)))]
pub(super) async fn show(app: web::Data<State>) -> Answer {
    match telemetry::log_filter() {
        Some(filter) => shown(&app, &view(filter)),
        None => Err(unusable(&FilterError::NoLog)),
    }
}

/// Change which targets are logged at which level.
///
/// Only of the replica that is asked; the filter of the command line is in force again when it starts anew.
#[utoipa::path(post, path = "/api/v1/log", operation_id = "setLog", tag = "status", request_body = LogOrder,
    responses((status = 200, description = "What is logged now.", body = LogView)))]
pub(super) async fn set(app: web::Data<State>, visitor: web::ReqData<Visitor>, Body(order): Body<LogOrder>) -> Answer {
    may_change(&visitor)?;
    let lasting = order.lasting.as_deref().map(duration).transpose()?;
    let now_ms = crate::clock::now().millis();
    let until_ms = lasting.map(|lasting| now_ms.saturating_add_unsigned(whole_millis(lasting)));
    let edition = telemetry::set_log_filter(&order.filter, until_ms).map_err(|error| unusable(&error))?;
    tracing::info!(filter = order.filter, lasting = order.lasting, by = visitor.name, "the log filter was changed");
    if let Some(lasting) = lasting {
        tokio::spawn(async move {
            tokio::time::sleep(lasting).await;
            telemetry::fall_back(edition);
        });
    }
    show(app).await
}

fn duration(text: &str) -> Result<Duration, Problem> {
    let wrong = |why: &str| Problem::new(Kind::InvalidBody, format!("for: {text:?} {why}"));
    let nanos =
        gatepost_value::time::parse_duration(text).map_err(|_| wrong("is no duration; write 90s, 10m or 2h"))?;
    let lasting = Duration::from_nanos(nanos.max(0).unsigned_abs());
    match lasting.is_zero() || lasting > LONGEST {
        true => Err(wrong("is not between nothing and 24h; leave it out to set the filter for good")),
        false => Ok(lasting),
    }
}

fn whole_millis(lasting: Duration) -> u64 {
    u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX)
}

fn view(now: LogFilter) -> LogView {
    let LogFilter { filter, until } = now;
    let (until, afterwards) = match until {
        Some((until_ms, afterwards)) => {
            let until = jiff::Timestamp::from_millisecond(until_ms).map(|at| at.to_string());
            (Some(until.unwrap_or_default()), Some(afterwards))
        }
        None => (None, None),
    };
    LogView { filter, until, afterwards }
}

fn unusable(error: &FilterError) -> Problem {
    match error {
        FilterError::Part { .. } => Problem::new(Kind::InvalidBody, format!("filter, {error}")),
        FilterError::NoLog => Problem::new(Kind::SwitchedOff, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn durations_are_bounded() {
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("24h").unwrap(), LONGEST);
        for wrong in ["25h", "0s", "-1m"] {
            assert!(duration(wrong).unwrap_err().body().contains("24h"), "{wrong}");
        }
        for wrong in ["soon", "10"] {
            assert!(duration(wrong).unwrap_err().body().contains("no duration"), "{wrong}");
        }
    }

    #[test]
    fn a_filter_for_a_while_is_shown_with_its_end_and_what_follows() {
        let now = LogFilter { filter: "debug".into(), until: Some((1_000, "info".into())) };
        let shown = view(now);
        assert_eq!((shown.until.as_deref(), shown.afterwards.as_deref()), (Some("1970-01-01T00:00:01Z"), Some("info")));
        assert_eq!(view(LogFilter { filter: "info".into(), until: None }).until, None);
    }
}
