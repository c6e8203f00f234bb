//! What to write instead: answers to the mistakes that people make most.

use crate::function::Profile;

/// Names that people bring from Helm and other tools.
const ELSEWHERE: &[(&str, &str)] = &[
    ("toYaml", "use toJson or toPrettyJson: JSON is valid YAML"),
    ("fromYaml", "use fromJson where the text is JSON"),
    ("include", "use {{template \"name\" .}}"),
    ("tpl", "a text cannot be rendered from within a template: define it with {{define}}"),
    ("required", "use {{if not .x}}{{fail \"message\"}}{{end}}"),
    ("lookup", "templates cannot read the cluster: only the data they are given"),
    ("env", "environment variables are not readable from templates: put the value into `context`"),
    ("expandenv", "environment variables are not readable from templates: put the value into `context`"),
];

/// A hint for a parse error.
pub(crate) fn for_parse_error(message: &str, profile: &Profile) -> Option<String> {
    if message.starts_with("unexpected \"\\\\\" in ") {
        let advice = "between {{ and }} quotes take no backslash, also inside YAML block text and JSON bodies: ";
        return Some(format!("{advice}write {{{{ index .x \"team\" }}}}, not {{{{ index .x \\\"team\\\" }}}}"));
    }
    if message.starts_with("bad character U+002D") {
        return Some("a name cannot hold `-`: write {{ index .map \"a-b\" }} for the key a-b".to_owned());
    }
    let name = message.strip_prefix("function \"")?.strip_suffix("\" not defined")?;
    if let Some((_, advice)) = ELSEWHERE.iter().find(|(known, _)| *known == name) {
        return Some((*advice).to_owned());
    }
    for other in [Profile::notifications(), Profile::gates()] {
        if other.name() != profile.name() && other.get(name).is_some() {
            return Some(format!("{name} exists in {} templates only", other.name()));
        }
    }
    None
}

/// A hint for an error of execution.
pub(crate) fn for_exec_error(message: &str) -> Option<String> {
    if message.starts_with("incompatible types for comparison") {
        return Some("convert one side first, for example with int64, float64 or toString".to_owned());
    }
    if message.starts_with("nil pointer evaluating") {
        return Some("guard it: {{with .a}}{{.b}}{{end}}, or {{if .a}}…{{end}}".to_owned());
    }
    None
}
