//! What people and machines are shown of decisions and configuration: plain values, no secret in them.

use super::Explained;
use crate::notify::{ConditionOutcome, Configuration, InForce, Reason};
use serde::Serialize;
use utoipa::ToSchema;

/// The whole chain of one Application. `configuration` names the namespace whose configuration it is; empty for the controller's own.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Explanation {
    /// Why the Application as a whole is skipped; null where it is not.
    #[schema(required = true)]
    pub skipped: Option<Reason>,
    /// Who is told of what.
    pub subscriptions: Vec<SubscriptionView>,
    /// What is looked for.
    pub triggers: Vec<TriggerView>,
    /// What is wrong with it, in sentences.
    pub remarks: Vec<String>,
}

/// A subscription.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SubscriptionView {
    /// Whose configuration.
    pub configuration: String,
    /// Trigger.
    pub trigger: String,
    /// Service.
    pub service: String,
    /// Recipient; may be empty.
    pub recipient: String,
    /// What says so: a key of the ConfigMap or an annotation.
    pub origin: String,
}

/// A trigger.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TriggerView {
    /// Whose configuration.
    pub configuration: String,
    /// Its name.
    pub name: String,
    /// What came of it.
    pub reason: Reason,
    /// Error text; empty without one.
    pub message: String,
    /// Its conditions.
    pub conditions: Vec<ConditionView>,
}

/// A condition of a trigger.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionView {
    /// `[<index>].<hash of its text>`.
    pub key: String,
    /// Its text.
    pub when: String,
    /// Whether it holds.
    pub triggered: bool,
    /// Why it could not be evaluated; null where it could.
    #[schema(required = true)]
    pub error: Option<String>,
    /// Printed oncePer value; empty where there is none.
    pub once_per: String,
    /// Templates that are sent.
    pub templates: Vec<String>,
    /// The values of its parts.
    pub trace: Vec<PartView>,
    /// What follows for whom.
    pub destinations: Vec<DestinationView>,
}

/// A part of a condition, and its value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PartView {
    /// Text of the part.
    pub expression: String,
    /// Its value, printed.
    pub value: String,
}

/// What follows for one destination.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationView {
    /// Service.
    pub service: String,
    /// Recipient; may be empty.
    pub recipient: String,
    /// Key in the annotation.
    pub state_key: String,
    /// Why it is sent, or not.
    pub reason: Reason,
    /// Error text; empty without one.
    pub message: String,
}

/// The whole chain of one Application: subscriptions, conditions with the values of their parts, what follows for whom.
#[must_use]
pub fn explained_view(explained: &[Explained]) -> Explanation {
    let mut view = Explanation::default();
    for Explained { namespace, evaluation, remarks } in explained {
        view.subscriptions.extend(evaluation.subscriptions.iter().map(|s| SubscriptionView {
            configuration: namespace.clone(),
            trigger: s.trigger.clone(),
            service: s.destination.service.clone(),
            recipient: s.destination.recipient.clone(),
            origin: s.origin.clone(),
        }));
        view.triggers.extend(evaluation.triggers.iter().map(|t| TriggerView {
            configuration: namespace.clone(),
            name: t.name.clone(),
            reason: t.reason,
            message: t.message.clone(),
            conditions: t.conditions.iter().map(condition_view).collect(),
        }));
        let broken = evaluation.broken.iter();
        view.remarks.extend(broken.map(|broken| format!("{broken} ({})", Reason::SubscriptionBroken.as_str())));
        view.remarks.extend(remarks.iter().cloned());
    }
    // Only if no configuration has anything to say is the Application as a whole skipped.
    view.skipped = explained.iter().map(|one| one.evaluation.skipped).reduce(|a, b| a.and(b)).flatten();
    view
}

fn condition_view(condition: &ConditionOutcome) -> ConditionView {
    let destinations = condition.destinations.iter().map(|d| DestinationView {
        service: d.destination.service.clone(),
        recipient: d.destination.recipient.clone(),
        state_key: d.state_key.clone(),
        reason: d.reason,
        message: d.message.clone(),
    });
    let parts = condition.trace.iter();
    ConditionView {
        key: condition.key.clone(),
        when: condition.when.clone(),
        triggered: condition.triggered,
        error: condition.error.clone(),
        once_per: condition.once_per.clone(),
        templates: condition.templates.clone(),
        trace: parts.map(|(text, value)| PartView { expression: text.clone(), value: value.clone() }).collect(),
        destinations: destinations.collect(),
    }
}

/// A configuration in force.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigView {
    /// Its namespace; empty for the controller's own.
    pub namespace: String,
    /// Its services.
    pub services: Vec<ServiceView>,
    /// Names of its triggers.
    pub triggers: Vec<String>,
    /// Names of its templates.
    pub templates: Vec<String>,
    /// Its context.
    pub context: std::collections::BTreeMap<String, String>,
    /// Triggers of subscriptions that name none; null where there are none.
    #[schema(required = true)]
    pub default_triggers: Option<Vec<String>>,
    /// What is broken, or worth a warning.
    pub problems: Vec<ProblemView>,
}

/// A service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A key that is broken, or worth a warning.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemView {
    /// The key.
    pub key: String,
    /// Line, where it is known.
    #[schema(required = true)]
    pub line: Option<u32>,
    /// Column, where it is known.
    #[schema(required = true)]
    pub column: Option<u32>,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub advice: String,
    /// What is in force instead.
    pub in_force: InForceView,
}

/// What is in force of a key with a problem.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum InForceView {
    /// Nothing.
    Nothing,
    /// What it said when it was last in order.
    LastGood,
    /// What it says: it only deserves a warning.
    Itself,
}

impl From<InForce> for InForceView {
    fn from(in_force: InForce) -> Self {
        match in_force {
            InForce::Nothing => Self::Nothing,
            InForce::LastGood => Self::LastGood,
            InForce::Itself => Self::Itself,
        }
    }
}

/// What is configured and what is broken. Service options are not shown: they hold credentials.
#[must_use]
pub fn config_view(config: &Configuration) -> ConfigView {
    let problems = config.problems().iter().map(|p| ProblemView {
        key: p.key.clone(),
        line: p.line,
        column: p.column,
        cause: p.cause.clone(),
        advice: p.advice.clone(),
        in_force: p.in_force.into(),
    });
    let services = config.services().values();
    ConfigView {
        namespace: config.namespace().to_owned(),
        services: services.map(|s| ServiceView { name: s.name.clone(), kind: s.kind.clone() }).collect(),
        triggers: config.triggers().keys().cloned().collect(),
        templates: config.templates().keys().cloned().collect(),
        context: config.context().clone(),
        default_triggers: config.default_triggers().map(<[String]>::to_vec),
        problems: problems.collect(),
    }
}
