//! References to Backstage entities: `kind:namespace/name`, lower case, in full (`spec/backstage.md` 2).

/// Why a text is no usable reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing there, or what a template prints for a missing value.
    #[error("the entity reference is missing")]
    Missing,
    /// No kind.
    #[error("the entity reference '{0}' has no kind; write kind:namespace/name")]
    NoKind(String),
}

/// Whether a reference is absent: empty, or what templates print for a missing value.
#[must_use]
pub fn is_missing(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.contains("<no value>")
}

/// The full, lower-case form; the namespace is `default` unless named.
///
/// # Errors
/// Where it cannot be one.
pub fn normalise(text: &str) -> Result<String, Refused> {
    if is_missing(text) {
        return Err(Refused::Missing);
    }
    let text = text.trim().to_lowercase();
    let parts = text.split_once(':').filter(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
    let Some((kind, rest)) = parts else { return Err(Refused::NoKind(text)) };
    let (namespace, name) = rest.split_once('/').unwrap_or(("default", rest));
    if name.is_empty() || namespace.is_empty() {
        return Err(Refused::NoKind(text));
    }
    Ok(format!("{kind}:{namespace}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_made_full_and_lower_case() {
        assert_eq!(normalise("Component:Default/Order-Service").as_deref(), Ok("component:default/order-service"));
        assert_eq!(normalise("user:alice").as_deref(), Ok("user:default/alice"));
        assert_eq!(normalise(" <no value> "), Err(Refused::Missing));
        assert_eq!(normalise("order-service"), Err(Refused::NoKind("order-service".into())));
    }
}
