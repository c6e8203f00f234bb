//! The parsed template: nodes in one arena, so that deep trees cost no stack when they are dropped, and how each node is
//! written back as text in error messages.

use crate::function::FunctionSpec;
use crate::patterns::Patterns;
use gatepost_value::Str;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The place of a node in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(pub u32);

/// A node and the byte offset that errors give for it.
#[derive(Debug)]
pub(crate) struct Node {
    pub at: u32,
    pub kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// Literal text by its place in the source.
    Text(Range<u32>),
    Action(Id),
    Break,
    Continue,
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        name: Arc<str>,
        pipe: Option<Id>,
    },
    Pipe(Pipe),
    Command(Vec<Id>),
    Identifier {
        spec: &'static FunctionSpec,
        form: Form,
    },
    Variable(Variable),
    Dot,
    Nil,
    Field(Box<[Str]>),
    Chain {
        term: Id,
        fields: Box<[Str]>,
    },
    Bool(bool),
    Number(Box<Number>),
    String {
        quoted: Range<u32>,
        text: Str,
    },
}

/// Which functions the executor runs itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    And,
    Or,
    /// `call`
    Value,
    Ordinary,
}

impl Form {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "and" => Self::And,
            "or" => Self::Or,
            "call" => Self::Value,
            _ => Self::Ordinary,
        }
    }
}

/// `if`, `with` and `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub pipe: Id,
    /// Number of variables in scope before it.
    pub outer: u32,
    /// Number of variables in scope in its body.
    pub inner: u32,
    pub body: Vec<Id>,
    pub otherwise: Option<Vec<Id>>,
}

/// A pipeline with the variables it declares or assigns.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub assigns: bool,
    pub variables: Vec<Id>,
    pub commands: Vec<Id>,
}

/// A variable, its slot in the frame of its template, and the fields read from it.
#[derive(Debug)]
pub(crate) struct Variable {
    pub name: Str,
    pub slot: u32,
    pub fields: Box<[Str]>,
}

/// A number in every type it can stand for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Number {
    pub text: Box<str>,
    /// Whether it is a float where nothing says what type is wanted.
    pub is_float: bool,
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
}

/// One template text with the templates it defines.
#[derive(Debug)]
pub(crate) struct Tree {
    pub name: Arc<str>,
    pub text: Arc<str>,
    pub nodes: Vec<Node>,
    pub templates: HashMap<Arc<str>, Vec<Id>>,
    pub patterns: Patterns,
}

impl Tree {
    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }
    /// The parts of a pipeline; nothing for any other node.
    pub(crate) fn pipe(&self, id: Id) -> &Pipe {
        static EMPTY: Pipe = Pipe { assigns: false, variables: Vec::new(), commands: Vec::new() };
        match &self.node(id).kind {
            Kind::Pipe(pipe) => pipe,
            _ => &EMPTY,
        }
    }
    /// The words of a command; nothing for any other node.
    pub(crate) fn words(&self, id: Id) -> &[Id] {
        match &self.node(id).kind {
            Kind::Command(words) => words,
            _ => &[],
        }
    }
    /// Line from 1 and byte column from 0.
    pub(crate) fn position(&self, id: Id) -> (u32, u32) {
        let at = self.node(id).at as usize;
        let before = &self.text.as_bytes()[..at];
        let lines = before.iter().filter(|b| **b == b'\n').count();
        let column = before.iter().rev().take_while(|b| **b != b'\n').count();
        (u32::try_from(lines + 1).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
    /// The source text of a span.
    pub(crate) fn source(&self, span: &Range<u32>) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }
    /// The node as Go writes it back, for error messages.
    pub(crate) fn show(&self, id: Id) -> String {
        show(&self.nodes, &self.text, id)
    }
}

/// A piece of output of [`show`] that is still to be written.
enum Part<'n> {
    Node(Id),
    Text(&'static str),
    Fields(&'n [Str]),
}

/// Writes a node back as text; with a work list, so that depth costs no stack.
pub(crate) fn show(nodes: &[Node], text: &str, id: Id) -> String {
    let mut out = String::new();
    let mut work = vec![Part::Node(id)];
    while let Some(part) = work.pop() {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Fields(fields) => push_fields(fields, &mut out),
            Part::Node(id) => {
                let from = work.len();
                expand(nodes, text, id, &mut out, &mut work);
                work[from..].reverse();
            }
        }
    }
    out
}

fn expand<'n>(nodes: &'n [Node], text: &str, id: Id, out: &mut String, work: &mut Vec<Part<'n>>) {
    let span = |range: &Range<u32>| &text[range.start as usize..range.end as usize];
    match &nodes[id.0 as usize].kind {
        Kind::Text(range) => out.push_str(span(range)),
        Kind::Action(pipe) => work.extend([Part::Text("{{"), Part::Node(*pipe), Part::Text("}}")]),
        Kind::Break => out.push_str("{{break}}"),
        Kind::Continue => out.push_str("{{continue}}"),
        Kind::If(branch) => expand_branch("{{if ", branch, work),
        Kind::With(branch) => expand_branch("{{with ", branch, work),
        Kind::Range(branch) => expand_branch("{{range ", branch, work),
        Kind::Template { name, pipe } => {
            out.push_str("{{template ");
            out.push_str(&gatepost_value::fmt::quote(name.as_bytes()));
            if let Some(pipe) = pipe {
                work.extend([Part::Text(" "), Part::Node(*pipe)]);
            }
            work.push(Part::Text("}}"));
        }
        Kind::Pipe(pipe) => expand_pipe(pipe, work),
        Kind::Command(words) => {
            for (i, word) in words.iter().enumerate() {
                if i > 0 {
                    work.push(Part::Text(" "));
                }
                expand_word(nodes, *word, work);
            }
        }
        Kind::Identifier { spec, .. } => out.push_str(spec.name),
        Kind::Variable(variable) => {
            out.push_str(&variable.name.to_lossy());
            push_fields(&variable.fields, out);
        }
        Kind::Dot => out.push('.'),
        Kind::Nil => out.push_str("nil"),
        Kind::Field(fields) => push_fields(fields, out),
        Kind::Chain { term, fields } => {
            expand_word(nodes, *term, work);
            work.push(Part::Fields(fields));
        }
        Kind::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Kind::Number(number) => out.push_str(&number.text),
        Kind::String { quoted, .. } => out.push_str(span(quoted)),
    }
}

fn expand_branch(opening: &'static str, branch: &Branch, work: &mut Vec<Part<'_>>) {
    work.extend([Part::Text(opening), Part::Node(branch.pipe), Part::Text("}}")]);
    work.extend(branch.body.iter().map(|id| Part::Node(*id)));
    if let Some(otherwise) = &branch.otherwise {
        work.push(Part::Text("{{else}}"));
        work.extend(otherwise.iter().map(|id| Part::Node(*id)));
    }
    work.push(Part::Text("{{end}}"));
}

fn expand_pipe(pipe: &Pipe, work: &mut Vec<Part<'_>>) {
    for (i, variable) in pipe.variables.iter().enumerate() {
        if i > 0 {
            work.push(Part::Text(", "));
        }
        work.push(Part::Node(*variable));
    }
    if !pipe.variables.is_empty() {
        work.push(Part::Text(if pipe.assigns { " = " } else { " := " }));
    }
    for (i, command) in pipe.commands.iter().enumerate() {
        if i > 0 {
            work.push(Part::Text(" | "));
        }
        work.push(Part::Node(*command));
    }
}

fn expand_word(nodes: &[Node], word: Id, work: &mut Vec<Part<'_>>) {
    if matches!(nodes[word.0 as usize].kind, Kind::Pipe(_)) {
        work.extend([Part::Text("("), Part::Node(word), Part::Text(")")]);
    } else {
        work.push(Part::Node(word));
    }
}

fn push_fields(fields: &[Str], out: &mut String) {
    for field in fields {
        out.push('.');
        out.push_str(&field.to_lossy());
    }
}
