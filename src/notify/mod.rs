//! Pure decisions: configuration, subscriptions, triggers, templates, history. No clock, no I/O, no async.

pub mod configuration;
mod environment;
pub mod evaluate;
pub mod history;
pub mod interest;
pub mod json;
pub mod kind;
pub mod lint;
pub mod model;
pub mod notification;
mod render;
pub mod repository;
mod selector;
pub mod subscriptions;
pub(crate) mod yaml;

pub use configuration::{
    Condition, ConfigInput, Configuration, GlobalSubscription, InForce, LoadOptions, Origin, Problem, Resource,
    ServiceConfig, Template, Trigger,
};
pub use evaluate::{
    Change, ConditionOutcome, DestinationOutcome, Evaluation, RenderFailure, TriggerOutcome, World, evaluate,
    evaluate_gone, render_for, try_trigger,
};
pub use model::{Destination, KeyState, ObjectId, Occurrence, Phase, Reason};
pub use notification::{BackstageMessage, Notification, Rendered, Text, WebhookMessage};
pub use repository::Repository;
pub use subscriptions::{BrokenSubscription, Subscription};
