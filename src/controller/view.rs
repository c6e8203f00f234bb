//! What people and machines are shown of decisions and configuration: plain JSON, no secret in it.

use super::Explained;
use crate::notify::{Configuration, InForce, Reason};
use serde_json::{Value, json};

/// The whole chain of one Application: subscriptions, conditions with the values of their parts, what follows for whom.
/// `configuration` names the namespace whose configuration it is; empty for the controller's own.
#[must_use]
pub fn explained_view(explained: &[Explained]) -> Value {
    let (mut subscriptions, mut triggers, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    for one in explained {
        subscriptions.extend(one.evaluation.subscriptions.iter().map(|s| {
            json!({
                "configuration": one.namespace, "trigger": s.trigger, "service": s.destination.service,
                "recipient": s.destination.recipient, "origin": s.origin,
            })
        }));
        triggers.extend(one.evaluation.triggers.iter().map(|t| {
            json!({
                "configuration": one.namespace,
                "name": t.name,
                "reason": t.reason.as_str(),
                "message": t.message,
                "conditions": t.conditions.iter().map(condition_view).collect::<Vec<_>>(),
            })
        }));
        remarks.extend(
            one.evaluation.broken.iter().map(|broken| format!("{broken} ({})", Reason::SubscriptionBroken.as_str())),
        );
        remarks.extend(one.remarks.iter().cloned());
    }
    // Only if no configuration has anything to say is the Application as a whole skipped.
    let skipped = explained.iter().map(|one| one.evaluation.skipped).reduce(|a, b| a.and(b)).flatten();
    let skipped = skipped.map(crate::notify::Reason::as_str);
    json!({"skipped": skipped, "subscriptions": subscriptions, "triggers": triggers, "remarks": remarks})
}

fn condition_view(condition: &crate::notify::ConditionOutcome) -> Value {
    let destinations: Vec<Value> = condition
        .destinations
        .iter()
        .map(|d| {
            json!({
                "service": d.destination.service, "recipient": d.destination.recipient, "stateKey": d.state_key,
                "reason": d.reason.as_str(), "message": d.message,
            })
        })
        .collect();
    let trace: Vec<Value> =
        condition.trace.iter().map(|(text, value)| json!({"expression": text, "value": value})).collect();
    json!({
        "key": condition.key, "when": condition.when, "triggered": condition.triggered, "error": condition.error,
        "oncePer": condition.once_per, "templates": condition.templates, "trace": trace, "destinations": destinations,
    })
}

/// What is configured and what is broken. Service options are not shown: they hold credentials.
#[must_use]
pub fn config_view(config: &Configuration) -> Value {
    let problems: Vec<Value> = config
        .problems()
        .iter()
        .map(|p| {
            json!({
                "key": p.key, "line": p.line, "column": p.column, "cause": p.cause, "advice": p.advice,
                "inForce": match p.in_force {
                    InForce::Nothing => "nothing",
                    InForce::LastGood => "lastGood",
                    InForce::Itself => "itself",
                },
            })
        })
        .collect();
    let services: Vec<Value> = config.services().values().map(|s| json!({"name": s.name, "type": s.kind})).collect();
    json!({
        "namespace": config.namespace(),
        "services": services,
        "triggers": config.triggers().keys().collect::<Vec<_>>(),
        "templates": config.templates().keys().collect::<Vec<_>>(),
        "context": config.context(),
        "defaultTriggers": config.default_triggers(),
        "problems": problems,
    })
}
