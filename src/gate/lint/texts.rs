//! Templates of a gate, and what they make.

use super::{Finding, Gate, templates};
use gatepost_template::{Profile, Template};
use gatepost_value::Limits;

pub(super) fn check(gate: &Gate) -> Vec<Finding> {
    templates(gate).iter().filter_map(|(field, text)| parse(field, text)).collect()
}

/// A template that cannot be parsed.
pub(super) fn parse(field: &str, text: &str) -> Option<Finding> {
    let error = Template::parse("", text, Profile::gates(), &Limits::default()).err()?;
    let mut found = Finding::error("gate-template", field, error.cause().to_string());
    found.place = Some((error.details().line, error.details().column.map_or(1, |column| column + 1)));
    found.fix = error.hint().unwrap_or_default().to_owned();
    if text.contains("\\\"") {
        found.fix =
            "write \" without the backslash: outside YAML's double quotes, as in a block scalar, it stays in the \
                     template"
                .to_owned();
    }
    Some(found)
}

/// A body that should be JSON, as it was rendered from made-up values.
pub(super) fn broken_json(body: &str) -> Option<Finding> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(body).err()?;
    let message = format!("Content-Type says JSON, and the body is none: {error}");
    let mut found = Finding::warning(
        "gate-body",
        "spec.httpRequest.bodyTemplate",
        message,
        "look for a missing comma or quote near there; toJson writes any value safely",
    );
    // The line is the rendered body's, which is the template's where no action spans lines.
    found.place = u32::try_from(error.line()).ok().zip(u32::try_from(error.column()).ok());
    Some(found)
}
