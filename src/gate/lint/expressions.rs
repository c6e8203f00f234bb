//! Expressions of a gate: whether they compile, and what their text shows.

use super::{Finding, Gate, Mode};
use crate::gate::spec::When;
use gatepost_expr::ast::{BinaryOp, Kind, Node, Pointer, Target};
use gatepost_expr::{CompileOptions, Error, Position, Program};
use std::collections::HashMap;

/// Names that every expression sees.
const NAMES: [&str; 7] = [
    "Branch",
    "Phase",
    "PromotionStrategy",
    "WebRequestCommitStatus",
    "TriggerOutput",
    "ResponseOutput",
    "SuccessOutput",
];
/// Names that the expressions of an ApplicationGate see.
const NAMES_OF_APPLICATIONS: [&str; 6] =
    ["app", "Environment", "Revision", "OperationRevision", "PromotionStrategy", "Phase"];
/// The object whose phases have a type of their own.
const GATE: &str = "WebRequestCommitStatus";
/// Members of it that are named strings.
const NAMED: [&str; 3] = ["Phase", "Context", "UID"];

/// An expression: its field, its text, whether it must be a boolean, the names that it sees.
struct Source<'g> {
    field: String,
    text: &'g str,
    as_bool: bool,
    names: Vec<&'static str>,
}

pub(super) fn check(gate: &Gate) -> Vec<Finding> {
    sources(gate).iter().flat_map(Source::check).collect()
}

/// What is found in the expressions that Applications are judged by.
pub(super) fn check_when(when: &When) -> Vec<Finding> {
    of_when("spec.when", when, false, &NAMES_OF_APPLICATIONS).iter().flat_map(Source::check).collect()
}

fn sources(gate: &Gate) -> Vec<Source<'_>> {
    let mut all = of_when("spec.success.when", &gate.spec.success, false, &[&NAMES[..], &["Response"]].concat());
    if let Mode::Trigger { when, response_output, .. } = &gate.spec.mode {
        all.extend(of_when("spec.mode.trigger.when", when, true, &NAMES));
        all.extend(response_output.as_ref().map(|text| Source {
            field: "spec.mode.trigger.response.output.expression".to_owned(),
            text,
            as_bool: false,
            names: vec!["Response"],
        }));
    }
    all
}

fn of_when<'g>(field: &str, when: &'g When, as_bool: bool, names: &[&'static str]) -> Vec<Source<'g>> {
    let names = names.to_vec();
    let mut with_variables = names.clone();
    with_variables.extend(when.variables.as_ref().map(|_| "Variables"));
    let part = |name: &str, text: &'g str, as_bool, names: &Vec<&'static str>| Source {
        field: format!("{field}.{name}"),
        text,
        as_bool,
        names: names.clone(),
    };
    let mut all = vec![part("expression", &when.expression, as_bool, &with_variables)];
    all.extend(when.variables.iter().map(|text| part("variables.expression", text, false, &names)));
    all.extend(when.output.iter().map(|text| part("output.expression", text, false, &with_variables)));
    all
}

impl Source<'_> {
    fn check(&self) -> Vec<Finding> {
        let options = CompileOptions { as_bool: self.as_bool, ..CompileOptions::default() };
        match Program::compile(self.text, &options) {
            Ok(program) => self.habits(&program),
            Err(error) => vec![self.broken(&error)],
        }
    }
    fn broken(&self, error: &Error) -> Finding {
        let mut found = Finding::error("gate-expression", &self.field, error.message.clone());
        found.place = error.position.map(place);
        found.fix = error.hint.clone().unwrap_or_default();
        if names_its_element(self.text) {
            found.fix = "a predicate has no parameter: write # for the element, or .field for its fields, as in \
                         all(list, #.status == \"completed\")"
                .to_owned();
        } else if self.text.contains("\\\"") {
            found.fix =
                "write \" without the backslash: outside YAML's double quotes it stays in the expression".to_owned();
        }
        found
    }
    fn habits(&self, program: &Program) -> Vec<Finding> {
        let usage = program.usage();
        let unknown = |name: String| {
            let seen = self.names.join(", ");
            let message = format!("{name} is not a name here, and always nil");
            Finding::warning("gate-unknown-name", &self.field, message, &format!("there are {seen}"))
        };
        let mut found: Vec<Finding> = usage.unknown_names(&self.names).into_iter().map(unknown).collect();
        let mut walker = Walker { slots: HashMap::new(), element: false, found: Vec::new() };
        walker.visit(program.root());
        found.extend(walker.found.into_iter().map(|(member, position)| {
            let message = format!("{member} of {GATE} has a type of its own: it never equals a text, and `in` fails");
            let fix = format!("write string(….{member})");
            let warning = Finding::warning("gate-named-string", &self.field, message, &fix);
            Finding { place: Some(place(position)), ..warning }
        }));
        found
    }
}

fn place(position: Position) -> (u32, u32) {
    (position.line, position.column)
}

/// Whether a predicate is written with a parameter, as in `all(list, # r, r.ok)`.
fn names_its_element(text: &str) -> bool {
    text.match_indices('#').any(|(at, _)| {
        let rest = text[at + 1..].trim_start();
        let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        name > 0 && rest[name..].trim_start().starts_with(',')
    })
}

/// Looks for comparisons of the gate's named strings with text.
struct Walker {
    /// Which variables hold something of the gate's status.
    slots: HashMap<u32, bool>,
    /// Whether the element of the innermost predicate is of the gate's status.
    element: bool,
    found: Vec<(String, Position)>,
}

impl Walker {
    fn visit(&mut self, node: &Node) {
        match &node.kind {
            Kind::Binary { op: BinaryOp::Equal | BinaryOp::NotEqual, left, right } => {
                for (one, other) in [(left, right), (right, left)] {
                    if other.as_literal().is_some() {
                        self.compared(one);
                    }
                }
            }
            Kind::InStrings { needle, .. } => self.compared(needle),
            Kind::Let { slot, value, body, .. } => {
                self.visit(value);
                let of_gate = self.is_of_gate(value);
                self.slots.insert(*slot, of_gate);
                return self.visit(body);
            }
            Kind::Builtin(call) => {
                let mut arguments = call.args.iter();
                let list = arguments.next();
                list.into_iter().for_each(|list| self.visit(list));
                let outer = self.element;
                self.element = list.is_some_and(|list| self.is_of_gate(list));
                arguments.chain(call.map.as_deref()).for_each(|argument| self.visit(argument));
                self.element = outer;
                return;
            }
            _ => {}
        }
        node.for_each_child(&mut |child| self.visit(child));
    }
    fn compared(&mut self, node: &Node) {
        let node = if let Kind::Chain(inner) = &node.kind { inner } else { node };
        let Kind::Member { object, property, .. } = &node.kind else { return };
        let Some(name) = property.as_literal().and_then(|name| name.as_str()) else { return };
        if NAMED.contains(&name) && self.is_of_gate(object) {
            self.found.push((name.to_owned(), node.position));
        }
    }
    /// Whether a value is the gate, or something inside it.
    fn is_of_gate(&self, node: &Node) -> bool {
        match &node.kind {
            Kind::Identifier { name, target: Target::Env } => *name == GATE,
            Kind::Identifier { target: Target::Slot(slot), .. } => self.slots.get(slot) == Some(&true),
            Kind::Pointer(Pointer::Element) => self.element,
            Kind::Chain(inner) | Kind::Member { object: inner, .. } | Kind::Slice { object: inner, .. } => {
                self.is_of_gate(inner)
            }
            Kind::Binary { op: BinaryOp::Coalesce, left, .. } => self.is_of_gate(left),
            Kind::Conditional { then, otherwise, .. } => self.is_of_gate(then) || self.is_of_gate(otherwise),
            Kind::Builtin(call) if call.builtin.name() != "string" => {
                call.map.is_none() && call.args.first().is_some_and(|list| self.is_of_gate(list))
            }
            _ => false,
        }
    }
}
