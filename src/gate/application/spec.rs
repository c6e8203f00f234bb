//! An object that gates by Argo CD's outcomes, as typed values. The API server's schema has checked what it can.

use super::dialect::Dialect;
use super::status::Status;
use crate::gate::spec::{ReportOn, When};
use gatepost_template::MissingKey;
use serde_json::Value as Json;
use std::time::Duration;

/// How long the health of Applications has to stand still before it is believed.
pub const DEFAULT_SETTLE: Duration = Duration::from_secs(5);

/// An object.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Of which kind it is.
    pub dialect: &'static Dialect,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// What it asks for.
    pub spec: Spec,
    /// What is stored of it.
    pub status: Status,
    /// The whole object, as templates see it.
    pub object: Json,
}

/// What a gate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Name of the PromotionStrategy, in the gate's namespace.
    pub strategy: String,
    /// The key that strategies name the gate by.
    pub key: String,
    /// Which commit is reported on. Judged is always the active one.
    pub report_on: ReportOn,
    /// What an Application is judged by.
    pub rule: Rule,
    /// Template of the description; empty for the gate's own words.
    pub description: String,
    /// The URL.
    pub url: Url,
    /// How long health has to stand still.
    pub settle: Duration,
}

/// What an Application is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// An expression.
    Expression(When),
    /// Healthy and Synced is a success, Degraded a failure, all else pending.
    HealthAndSync,
}

/// Where more can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Template; empty for none.
    pub template: String,
    /// What a key gives in it that is not there.
    pub missing: MissingKey,
}

/// An object is not a gate that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is not there.
    #[error("failed to read the {kind}: {field} is missing")]
    Missing {
        /// Of what.
        kind: &'static str,
        /// Its path.
        field: &'static str,
    },
    /// A field cannot be read.
    #[error("failed to read the {kind}: {field}: {reason}")]
    Field {
        /// Of what.
        kind: &'static str,
        /// Its path.
        field: &'static str,
        /// Why.
        reason: String,
    },
}

impl Gate {
    /// Reads an object of a kind.
    ///
    /// # Errors
    /// Where it is no gate.
    pub fn parse(dialect: &'static Dialect, object: &Json) -> Result<Self, Error> {
        let fields = Fields::of(dialect, object);
        let status = object.get("status").filter(|status| !status.is_null()).cloned();
        let status = status.map(serde_json::from_value).transpose();
        Ok(Self {
            dialect,
            name: fields.some("/metadata/name", "metadata.name")?,
            namespace: fields.text("/metadata/namespace"),
            uid: fields.text("/metadata/uid"),
            generation: object.pointer("/metadata/generation").and_then(Json::as_i64).unwrap_or_default(),
            spec: Spec::parse(dialect, object.get("spec").unwrap_or(&Json::Null))?,
            status: status.map_err(|error| fields.wrong("status", error.to_string()))?.unwrap_or_default(),
            object: object.clone(),
        })
    }
}

impl Spec {
    /// Reads a `spec` of a kind.
    ///
    /// # Errors
    /// What is missing or cannot be read.
    pub fn parse(dialect: &'static Dialect, spec: &Json) -> Result<Self, Error> {
        (dialect.read)(dialect, spec)
    }
}

/// The fields of an object, or of its `spec`.
pub(super) struct Fields<'a> {
    dialect: &'static Dialect,
    object: &'a Json,
}

impl<'a> Fields<'a> {
    pub(super) const fn of(dialect: &'static Dialect, object: &'a Json) -> Self {
        Self { dialect, object }
    }

    /// A text; empty where there is none.
    pub(super) fn text(&self, path: &str) -> String {
        self.object.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned()
    }

    /// A text that says something.
    pub(super) fn set(&self, path: &str) -> Option<String> {
        Some(self.text(path)).filter(|text| !text.trim().is_empty())
    }

    /// A text that has to be there.
    pub(super) fn some(&self, path: &str, field: &'static str) -> Result<String, Error> {
        let missing = Error::Missing { kind: self.dialect.kind, field };
        Some(self.text(path)).filter(|text| !text.is_empty()).ok_or(missing)
    }

    /// Name of the strategy.
    pub(super) fn strategy(&self) -> Result<String, Error> {
        self.some("/promotionStrategyRef/name", "spec.promotionStrategyRef.name")
    }

    /// The key, or the kind's own.
    pub(super) fn key(&self) -> String {
        self.set("/key").unwrap_or_else(|| self.dialect.default_key.to_owned())
    }

    /// A field that cannot be read.
    pub(super) fn wrong(&self, field: &'static str, reason: String) -> Error {
        Error::Field { kind: self.dialect.kind, field, reason }
    }
}
