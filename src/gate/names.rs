//! Names of the objects that a gate writes, as the Promoter makes them (`spec/gates.md` 8).

/// What a name of a Kubernetes object may be long.
const LONGEST_NAME: usize = 253;
/// What a label's value may be long.
const LONGEST_LABEL: usize = 63;

/// Label that says which gate a CommitStatus answers.
pub const KEY_LABEL: &str = "promoter.argoproj.io/commit-status";
/// Label that says for which environment.
pub const ENVIRONMENT_LABEL: &str = "promoter.argoproj.io/environment";
/// Label that says by which object it was written.
pub const GATE_LABEL: &str = "promoter.argoproj.io/web-request-commit-status";
/// Label by which installations part their objects.
pub const INSTANCE_LABEL: &str = "promoter.argoproj.io/instance-id";

/// The name of the CommitStatus of a gate and a branch.
#[must_use]
pub fn commit_status(gate: &str, branch: &str) -> String {
    unique(&format!("{gate}-{branch}-web-request"))
}

/// The name of the ChangeTransferPolicy of a strategy and a branch.
#[must_use]
pub fn change_transfer_policy(strategy: &str, branch: &str) -> String {
    unique(&format!("{strategy}-{branch}"))
}

/// Any text as a name: lower case, `-` for what a name cannot hold, and a hash of that.
#[must_use]
pub fn unique(text: &str) -> String {
    let stem = dashed(text).to_lowercase();
    let hash = format!("{:x}", fnv1a(stem.as_bytes()));
    let stem = stem.trim_matches('-');
    let kept = stem.len().min(LONGEST_NAME - 1 - hash.len());
    match stem[..kept].trim_end_matches('-') {
        "" => format!("x-{hash}"),
        stem => format!("{stem}-{hash}"),
    }
}

/// Any text as a label's value: its last 63 characters with `-` for what a value cannot hold. The Promoter leaves a `-` at
/// the end, which the API server refuses; here it is dropped.
#[must_use]
pub fn label(text: &str) -> String {
    let dashed = dashed(text);
    let from = dashed.len().saturating_sub(LONGEST_LABEL);
    dashed[from..].trim_matches('-').to_owned()
}

/// Each run of what is no ASCII letter or digit becomes one `-`.
fn dashed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ if !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    out
}

/// FNV-1a with 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_the_promoter_was_seen_to_make() {
        assert_eq!(
            commit_status("gate", "environment/development"),
            "gate-environment-development-web-request-281364e5"
        );
        assert_eq!(commit_status("gate", "environment/production"), "gate-environment-production-web-request-6719d65");
    }

    #[test]
    fn names_fit() {
        let long = unique(&"é/Ab".repeat(200));
        assert!(long.len() <= LONGEST_NAME && long.starts_with("ab-ab-"), "{long}");
        assert_eq!(label(&format!("x/{}", "a".repeat(62))), "a".repeat(62));
        assert_eq!(label("Env/Prod_1"), "Env-Prod-1");
        assert_eq!((label("env/x/"), unique("//")), ("env-x".to_owned(), "x-280c9438".to_owned()));
    }
}
