//! The door to regular expressions: Go's syntax, linear time.

/// A compiled pattern; matches byte strings.
pub type Regex = regex::bytes::Regex;

/// Compiles a pattern written in Go's (RE2) syntax.
///
/// # Errors
/// What is wrong with the pattern.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    gatepost_value::regex::compile(pattern)
}
