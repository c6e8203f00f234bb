//! What a template reads, as far as its text tells: field paths, functions, whether its output changes by itself.
//!
//! The answer errs on the side of more: a path may be read that no run reaches. What cannot be known sets
//! [`Reads::whole`]. It never runs anything.

use crate::function::Effect;
use crate::node::{Branch, Id, Kind, Tree};
use gatepost_value::Str;
use std::collections::{BTreeSet, HashSet};

/// What a template reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Paths from the root, such as `["app", "metadata", "name"]`; constant keys of `index` count. All below is read too.
    pub paths: BTreeSet<Vec<String>>,
    /// Names of the functions that are called.
    pub functions: BTreeSet<&'static str>,
    /// Whether the same data can give another output: the clock, randomness or the network is asked.
    pub dynamic: bool,
    /// Whether the root as a whole is read, so that `paths` does not tell all.
    pub whole: bool,
}

/// Members of the notification helpers that ask the clock or the network.
const DYNAMIC: &[[&str; 2]] = &[["time", "Now"], ["repo", "GetCommitMetadata"], ["repo", "GetAppDetails"]];
/// Longer paths are cut; reading a prefix covers them.
const LONGEST: usize = 32;
/// Distinct pairs of template and dot that are looked into.
const VISITS: usize = 500;

/// Where a value comes from: a path from the root, or not from the data (or not known).
type Origin = Option<Vec<String>>;

pub(crate) fn reads(tree: &Tree) -> Reads {
    let mut reader = Reader { tree, reads: Reads::default(), visited: HashSet::new(), variables: Vec::new() };
    reader.template(&tree.name, Some(Vec::new()));
    let paths = &reader.reads.paths;
    reader.reads.dynamic |= DYNAMIC.iter().any(|d| paths.iter().any(|p| p.iter().eq(d.iter())));
    reader.reads
}

struct Reader<'t> {
    tree: &'t Tree,
    reads: Reads,
    visited: HashSet<(String, Origin)>,
    variables: Vec<Origin>,
}

impl<'t> Reader<'t> {
    fn template(&mut self, name: &str, dot: Origin) {
        let Some(body) = self.tree.templates.get(name) else { return };
        if self.visited.len() >= VISITS {
            self.reads.whole = true;
            return;
        }
        if !self.visited.insert((name.to_owned(), dot.clone())) {
            return;
        }
        let outer = std::mem::replace(&mut self.variables, vec![dot.clone()]);
        self.list(&dot, body);
        self.variables = outer;
    }
    fn list(&mut self, dot: &Origin, list: &'t [Id]) {
        for id in list {
            match &self.tree.node(*id).kind {
                Kind::Action(pipe) => self.read_pipe(dot, *pipe),
                Kind::If(branch) => {
                    self.read_pipe(dot, branch.pipe);
                    self.branch(dot, dot, branch);
                }
                Kind::With(branch) => {
                    let inner = self.pipe(dot, branch.pipe);
                    self.branch(dot, &inner, branch);
                }
                Kind::Range(branch) => {
                    let items = self.pipe(dot, branch.pipe);
                    self.read(&items);
                    self.branch(dot, &None, branch);
                }
                Kind::Template { name, pipe } => {
                    let data = pipe.and_then(|pipe| self.pipe(dot, pipe));
                    self.template(name, data);
                }
                _ => {}
            }
        }
    }
    fn branch(&mut self, dot: &Origin, inner: &Origin, branch: &'t Branch) {
        self.read(inner);
        self.list(inner, &branch.body);
        self.list(dot, branch.otherwise.as_deref().unwrap_or_default());
    }
    /// Notes that the value itself is used.
    fn read(&mut self, origin: &Origin) {
        match origin {
            Some(path) if path.is_empty() => self.reads.whole = true,
            Some(path) => {
                self.reads.paths.insert(path.clone());
            }
            None => {}
        }
    }
    fn read_pipe(&mut self, dot: &Origin, pipe: Id) {
        let declares = !self.tree.pipe(pipe).variables.is_empty();
        let origin = self.pipe(dot, pipe);
        if !declares {
            self.read(&origin);
        }
    }
    fn pipe(&mut self, dot: &Origin, id: Id) -> Origin {
        let pipe = self.tree.pipe(id);
        let mut last = None;
        for (i, command) in pipe.commands.iter().enumerate() {
            if i > 0 {
                self.read(&last);
            }
            last = self.command(dot, *command);
        }
        for variable in &pipe.variables {
            if let Kind::Variable(variable) = &self.tree.node(*variable).kind {
                self.set(variable.slot, last.clone());
            }
        }
        last
    }
    fn set(&mut self, slot: u32, origin: Origin) {
        let slot = slot as usize;
        if slot > self.tree.nodes.len() {
            return;
        }
        if self.variables.len() <= slot {
            self.variables.resize(slot + 1, None);
        }
        // Assigned twice, it may be either: both count as read.
        let before = std::mem::replace(&mut self.variables[slot], origin);
        self.read(&before);
    }
    fn command(&mut self, dot: &Origin, id: Id) -> Origin {
        let (first, arguments) = self.tree.words(id).split_first()?;
        if matches!(&self.tree.node(*first).kind, Kind::Identifier { spec, .. } if spec.name == "index") {
            self.term(dot, *first);
            return self.index(dot, arguments);
        }
        let origin = self.term(dot, *first);
        for argument in arguments {
            let used = self.term(dot, *argument);
            self.read(&used);
        }
        origin
    }
    /// `index x "a" "b"` reads `x.a.b`.
    fn index(&mut self, dot: &Origin, arguments: &'t [Id]) -> Origin {
        let (item, keys) = arguments.split_first()?;
        let mut origin = self.term(dot, *item);
        for key in keys {
            match (&self.tree.node(*key).kind, &mut origin) {
                (Kind::String { text, .. }, Some(path)) if path.len() < LONGEST => path.push(text.to_string()),
                _ => {
                    self.read(&origin);
                    origin = None;
                    let used = self.term(dot, *key);
                    self.read(&used);
                }
            }
        }
        origin
    }
    fn term(&mut self, dot: &Origin, id: Id) -> Origin {
        match &self.tree.node(id).kind {
            Kind::Dot => dot.clone(),
            Kind::Field(fields) => extend(dot, fields),
            Kind::Variable(variable) => {
                let origin = self.variables.get(variable.slot as usize).cloned().flatten();
                extend(&origin, &variable.fields)
            }
            Kind::Chain { term, fields } => {
                let origin = self.term(dot, *term);
                extend(&origin, fields)
            }
            Kind::Pipe(_) => self.pipe(dot, id),
            Kind::Identifier { spec, .. } => {
                self.reads.functions.insert(spec.name);
                self.reads.dynamic |= spec.effect != Effect::Pure;
                None
            }
            _ => None,
        }
    }
}

fn extend(origin: &Origin, fields: &[Str]) -> Origin {
    let mut path = origin.clone()?;
    path.extend(fields.iter().map(Str::to_string));
    path.truncate(LONGEST);
    Some(path)
}
