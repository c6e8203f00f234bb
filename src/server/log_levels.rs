//! `/api/v1/log`: which targets are logged at which level; changed for a while, or until the process ends.

use super::problem;
use crate::telemetry::{self, FilterError, LogFilter};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time that a filter is set for: finer logs than usual cost disk, and are forgotten easily.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/api/v1/log", web::get().to(show)).route("/api/v1/log", web::put().to(set));
}

/// What is to be logged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `gatepost=debug,kube=warn`
    filter: String,
    /// For how long, such as `10m`; absent: until the process ends.
    #[serde(rename = "for")]
    lasting: Option<String>,
}

async fn show() -> HttpResponse {
    match telemetry::log_filter() {
        Some(filter) => HttpResponse::Ok().json(view(&filter)),
        None => unusable(&FilterError::NoLog),
    }
}

async fn set(wanted: web::Json<Wanted>) -> HttpResponse {
    let lasting = match wanted.lasting.as_deref().map(duration).transpose() {
        Ok(lasting) => lasting,
        Err(why) => return problem::invalid(&why),
    };
    let now_ms = crate::clock::now().millis();
    let until_ms = lasting.map(|lasting| now_ms.saturating_add_unsigned(whole_millis(lasting)));
    let edition = match telemetry::set_log_filter(&wanted.filter, until_ms) {
        Ok(edition) => edition,
        Err(error) => return unusable(&error),
    };
    tracing::info!(filter = wanted.filter, lasting = wanted.lasting, "the log filter was changed");
    if let Some(lasting) = lasting {
        tokio::spawn(async move {
            tokio::time::sleep(lasting).await;
            telemetry::fall_back(edition);
        });
    }
    show().await
}

fn duration(text: &str) -> Result<Duration, String> {
    let nanos = gatepost_value::time::parse_duration(text)
        .map_err(|_| format!("\"for\": {text:?} is no duration; write 90s, 10m or 2h"))?;
    let lasting = Duration::from_nanos(nanos.max(0).unsigned_abs());
    match lasting.is_zero() || lasting > LONGEST {
        true => {
            Err(format!("\"for\": {text:?} is not between nothing and 24h; leave it out to set the filter for good"))
        }
        false => Ok(lasting),
    }
}

fn whole_millis(lasting: Duration) -> u64 {
    u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX)
}

fn view(now: &LogFilter) -> Value {
    match &now.until {
        Some((until_ms, afterwards)) => {
            let until = jiff::Timestamp::from_millisecond(*until_ms).map(|at| at.to_string()).unwrap_or_default();
            json!({"filter": now.filter, "until": until, "afterwards": afterwards})
        }
        None => json!({"filter": now.filter}),
    }
}

fn unusable(error: &FilterError) -> HttpResponse {
    match error {
        FilterError::Part { .. } => problem::invalid(&format!("\"filter\", {error}")),
        FilterError::NoLog => problem::answer(StatusCode::CONFLICT, "No log", &error.to_string()),
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
        for (wrong, told) in
            [("25h", "24h"), ("0s", "24h"), ("-1m", "24h"), ("soon", "no duration"), ("10", "no duration")]
        {
            assert!(duration(wrong).unwrap_err().contains(told), "{wrong}");
        }
    }

    #[test]
    fn a_filter_for_a_while_is_shown_with_its_end_and_what_follows() {
        let now = LogFilter { filter: "debug".into(), until: Some((1_000, "info".into())) };
        assert_eq!(view(&now), json!({"filter": "debug", "until": "1970-01-01T00:00:01Z", "afterwards": "info"}));
        assert_eq!(view(&LogFilter { filter: "info".into(), until: None }), json!({"filter": "info"}));
    }
}
