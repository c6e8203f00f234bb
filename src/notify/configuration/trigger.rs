//! `trigger.<name>`: conditions and what they send.

use super::Fault;
use crate::notify::yaml::{self, Node};
use base64::Engine as _;
use gatepost_expr::{CompileOptions, Program};
use gatepost_value::Limits;
use sha1::{Digest, Sha1};

/// One condition of a trigger.
#[derive(Debug, Clone)]
pub struct Condition {
    /// `[<index>].<base64url of the SHA-1 of the when text>`.
    pub key: String,
    /// The `when` text; empty counts as false.
    pub when: String,
    /// The `oncePer` text; empty without one.
    pub once_per: String,
    /// Description.
    pub description: String,
    /// Templates to send.
    pub send: Vec<String>,
    /// Line of `when` in the key's value, from 1; 0 where it is not written.
    pub line: u32,
    /// Column where its text begins, from 1.
    pub column: u32,
    pub(crate) program: Option<Program>,
    pub(crate) once_per_program: Option<Program>,
}

/// A trigger.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Name.
    pub name: String,
    /// Conditions in order; all are evaluated.
    pub conditions: Vec<Condition>,
}

impl Trigger {
    /// Loads a trigger's key.
    pub(crate) fn load(name: &str, text: &str, limits: &Limits) -> Result<Self, Fault> {
        let failed = format!("failed to unmarshal trigger {name}: ");
        let node =
            yaml::parse(text).map_err(|fault| fault.within(&format!("{failed}error converting YAML to JSON: ")))?;
        let items = node.items("", "[]triggers.Condition").map_err(|fault| fault.within(&failed))?;
        let conditions = items.iter().enumerate().map(|(index, item)| {
            let raw = Raw::read(item).map_err(|fault| fault.within(&failed))?;
            raw.compile(index, limits)
        });
        Ok(Self { name: name.to_owned(), conditions: conditions.collect::<Result<_, _>>()? })
    }
    /// A trigger of the legacy key: `when`, description and template take their place in the first condition of the known
    /// one where they are not empty.
    pub(crate) fn overlaid(
        known: Option<&Self>,
        name: &str,
        [when, description, template]: [&str; 3],
        limits: &Limits,
    ) -> Result<Self, Fault> {
        let mut conditions = known.map(|trigger| trigger.conditions.clone()).unwrap_or_default();
        let first = conditions.first();
        let or = |text: &str, old: Option<&String>| match (text, old) {
            ("", Some(old)) => old.clone(),
            (text, _) => text.to_owned(),
        };
        let raw = Raw {
            when: (or(when, first.map(|c| &c.when)), None),
            once_per: (first.map(|c| c.once_per.clone()).unwrap_or_default(), None),
            description: or(description, first.map(|c| &c.description)),
            send: match (template, first) {
                ("", Some(first)) => first.send.clone(),
                ("", None) => Vec::new(),
                (template, _) => vec![template.to_owned()],
            },
        };
        let condition = raw.compile(0, limits)?;
        match conditions.first_mut() {
            Some(first) => *first = condition,
            None => conditions.push(condition),
        }
        Ok(Self { name: name.to_owned(), conditions })
    }
}

/// A condition before its expressions are compiled.
struct Raw<'a> {
    when: (String, Option<&'a Node>),
    once_per: (String, Option<&'a Node>),
    description: String,
    send: Vec<String>,
}

impl<'a> Raw<'a> {
    fn read(item: &'a Node) -> Result<Self, Fault> {
        let fields = item.fields("", "triggers.Condition")?;
        let send = fields.get("send").map_or_else(|| Ok(Vec::new()), |node| node.texts("Condition.send"))?;
        Ok(Self {
            when: (fields.text("Condition", "when")?, fields.get("when")),
            once_per: (fields.text("Condition", "oncePer")?, fields.get("oncePer")),
            description: fields.text("Condition", "description")?,
            send,
        })
    }
    fn compile(self, index: usize, limits: &Limits) -> Result<Condition, Fault> {
        Ok(Condition {
            key: key(index, &self.when.0),
            line: self.when.1.map_or(0, |node| node.place.line),
            column: self.when.1.map_or(0, |node| node.place.column),
            program: compile(&self.when.0, self.when.1, limits)?,
            once_per_program: compile(&self.once_per.0, self.once_per.1, limits)?,
            when: self.when.0,
            once_per: self.once_per.0,
            description: self.description,
            send: self.send,
        })
    }
}

/// The condition's key (`spec/notifications.md` 3.2).
fn key(index: usize, when: &str) -> String {
    let hash = Sha1::digest(when.as_bytes());
    format!("[{index}].{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash))
}

fn compile(text: &str, node: Option<&Node>, limits: &Limits) -> Result<Option<Program>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let options = CompileOptions { as_bool: false, limits: limits.clone() };
    Program::compile(text, &options).map(Some).map_err(|error| {
        let place = node.map(|node| node.place).unwrap_or_default();
        let advice = error.hint.clone().unwrap_or_default();
        let plain = gatepost_expr::Error { hint: None, ..error };
        Fault::at(place.line, place.column, plain.to_string()).advise(advice)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_those_of_the_go_controller() {
        assert_eq!(key(0, "app.status.operationState.phase in ['Succeeded']"), "[0].zxM90Et6k4Elb1-fHdjtDJq0xR0");
    }

    #[test]
    fn faults_point_to_the_line() {
        let text = "- when: 'true'\n- when: 1 + 'a' == 2\n";
        let fault = Trigger::load("t", text, &Limits::default()).unwrap_err();
        assert_eq!(fault.line, 2);
        assert!(fault.cause.contains("mismatched types"), "{}", fault.cause);
        let fault = Trigger::load("t", "when: x", &Limits::default()).unwrap_err();
        assert!(fault.cause.starts_with("failed to unmarshal trigger t: "), "{}", fault.cause);
    }
}
