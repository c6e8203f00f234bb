//! What `explain` shows: the decision as it would be now, and what would be wrong with its notifications. Changes nothing.

use super::Relay;
use crate::notify::{self, Evaluation, Occurrence, World};
use crate::source::Object;
use crate::{outbox, service};
use std::sync::Arc;

/// What one configuration makes of an Application.
pub struct Explained {
    /// Namespace of the configuration; empty for the controller's own.
    pub namespace: String,
    /// The decisions as they would be now.
    pub evaluation: Evaluation,
    /// What would be wrong with the notifications of the conditions that hold now, whether they were sent before or not.
    pub remarks: Vec<String>,
}

impl Relay {
    /// Evaluates without doing anything, once for each configuration that applies: for `explain`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn explain(&self, object: &Object) -> Result<Vec<Explained>, outbox::Error> {
        let states = self.store.states(&object.id().uid).await?;
        let plans = self.plans(object.namespace());
        let one = |config: &notify::Configuration, repository: &Arc<notify::Repository>| {
            self.with_world(config, object, &states, false, true, repository, |world| {
                let evaluation = notify::evaluate(world);
                let remarks = self.remarks(world, &evaluation);
                Explained { namespace: config.namespace().to_owned(), evaluation, remarks }
            })
        };
        let look =
            |repository: &Arc<notify::Repository>| plans.iter().map(|plan| one(&plan.config, repository)).collect();
        Ok(self.options.repo_server.consult(look).await)
    }

    fn remarks(&self, world: &World<'_>, evaluation: &Evaluation) -> Vec<String> {
        let mut remarks = Vec::new();
        for trigger in &evaluation.triggers {
            for condition in trigger.conditions.iter().filter(|condition| condition.triggered) {
                for outcome in &condition.destinations {
                    let found = self.remarks_on(world, &trigger.name, &condition.templates, &outcome.destination);
                    remarks.extend(
                        found
                            .into_iter()
                            .map(|remark| format!("{} to {}: {remark}", trigger.name, outcome.destination.service)),
                    );
                }
            }
        }
        remarks
    }

    fn remarks_on(
        &self,
        world: &World<'_>,
        trigger: &str,
        templates: &[String],
        to: &notify::Destination,
    ) -> Vec<String> {
        let notification = match notify::evaluate::render_for(world, templates, to) {
            Ok(notification) => notification,
            Err(failure) => return vec![failure.message],
        };
        let Some(service) = world.config.service(&to.service) else {
            return vec![format!("notification service '{}' is not supported", to.service)];
        };
        let occurrence = Occurrence {
            object: world.id.clone(),
            config_namespace: world.config.namespace().to_owned(),
            trigger: trigger.to_owned(),
            condition_key: String::new(),
            once_per: String::new(),
            destination: to.clone(),
            arming: 0,
        };
        match service::prepare(service, &notification, &occurrence, &self.options.service) {
            Ok(_) => service::missing_values(&notification, service),
            Err(error) => vec![error.to_string()],
        }
    }
}
