//! `/api/v1/decisions`: what was decided lately, and why.

use super::parameters::Query;
use super::resource::Resource;
use super::{Answer, Kind, Page, Problem, State, deliveries, parameters, shown};
use crate::controller::{Decision, REMEMBERED};
use crate::notify::Reason;
use actix_web::web;
use serde::Deserialize;
use utoipa::IntoParams;

pub(super) fn resources() -> Vec<Resource> {
    vec![Resource::at("/api/v1/decisions").get(list)]
}

/// Which decisions; what is absent matches all.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `<namespace>/<name>` of the Application.
    #[param(value_type = String, pattern = r"^[^/]+/[^/]+$", example = "argocd/order-service")]
    app: Option<String>,
    /// Trigger.
    #[param(value_type = String)]
    trigger: Option<String>,
    /// Service.
    #[param(value_type = String)]
    service: Option<String>,
    /// Reason.
    #[param(value_type = Reason)]
    reason: Option<String>,
    /// Only those older than this one: the `next` of the page before.
    #[param(value_type = String, pattern = r"^(0|[1-9][0-9]{0,18})$")]
    after: Option<String>,
    /// Entries of a page; 0 and none read as 100.
    #[param(value_type = usize, minimum = 0, maximum = 2000)]
    limit: Option<usize>,
}

impl Which {
    fn chooses(&self, decision: &Decision, reason: Option<Reason>) -> bool {
        let same = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let service = decision.destination.split_once(':').map_or("", |(service, _)| service);
        same(&self.app, &decision.application)
            && same(&self.trigger, &decision.trigger)
            && same(&self.service, service)
            && reason.is_none_or(|reason| reason == decision.reason)
    }
}

/// The reason of this name.
fn reason(text: &str) -> Result<Reason, Problem> {
    use serde::de::IntoDeserializer as _;
    let read = Reason::deserialize(text.into_deserializer());
    read.map_err(|error: serde::de::value::Error| Problem::new(Kind::InvalidParameter, format!("reason: {error}")))
}

/// List the latest decisions, newest first.
///
/// The newest 2000 of this process are kept, in memory; those that only say that there is nothing to do are not.
#[utoipa::path(get, path = "/api/v1/decisions", operation_id = "listDecisions", tag = "decisions", params(Which),
    responses((status = 200, description = "A page of decisions.", body = Page<Decision>)))]
pub(super) async fn list(app: web::Data<State>, Query(which): Query<Which>) -> Answer {
    which.app.as_deref().map(deliveries::application).transpose()?;
    let reason = which.reason.as_deref().map(reason).transpose()?;
    let page = parameters::page(which.limit, REMEMBERED)?;
    let after = which.after.as_deref().map(number).transpose()?;
    let chosen = app.relay.decisions().into_iter();
    let chosen = chosen.filter(|decision| after.is_none_or(|after| decision.sequence < after));
    let chosen = chosen.filter(|decision| which.chooses(decision, reason));
    let found: Vec<Decision> = chosen.take(page + 1).collect();
    shown(&app, &super::cut(found, page, |decision| decision.sequence.to_string()))
}

fn number(text: &str) -> Result<u64, Problem> {
    let read = text.parse();
    read.map_err(|_| Problem::new(Kind::InvalidParameter, format!("after: `{text}` is not the `next` of a page")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn decision(application: &str, destination: &str) -> Decision {
        Decision {
            sequence: 1,
            at_ms: 0,
            application: application.into(),
            trigger: "on-failed".into(),
            condition: String::new(),
            destination: destination.into(),
            reason: Reason::Triggered,
            message: String::new(),
        }
    }

    #[test]
    fn each_filter_chooses() {
        let one = decision("argocd/a", "slack:#channel:x");
        let chooses = |query: &str| {
            let which: Which = parameters::read(query).unwrap();
            which.chooses(&one, which.reason.as_deref().map(|text| reason(text).unwrap()))
        };
        for yes in ["", "app=argocd/a", "trigger=on-failed", "service=slack", "reason=triggered"] {
            assert!(chooses(yes), "{yes}");
        }
        for no in ["app=argocd/b", "trigger=x", "service=slack:", "reason=quota"] {
            assert!(!chooses(no), "{no}");
        }
        assert!(reason("quotas").unwrap_err().to_string().contains("quota"));
    }
}
