//! The Promoter's API objects as Go structs over their Kubernetes JSON (`spec/gates.md` 6, 15).

mod argocd;
mod table;
#[cfg(test)]
mod tests;
mod view;

pub use argocd::ARGOCD_COMMIT_STATUS;
pub use table::{Field, GoStruct, PROMOTION_STRATEGY, Ty, WEB_REQUEST_COMMIT_STATUS};

use gatepost_value::Value;
use serde_json::Value as Json;

/// A pointer to a struct, as the Promoter hands objects to expressions and templates.
#[must_use]
pub fn object(of: &'static GoStruct, json: &Json) -> Value {
    view::object(of, json)
}
