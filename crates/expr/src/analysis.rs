//! What an expression will ask for, found without running it.
//!
//! Paths are reported as far as the text gives them; what is behind a computed key or a variable of unknown origin is
//! covered by a shorter path marked as whole. Nothing is guessed: a path that is reported may be unused at run time, but
//! no environment name is read that is not reported.

use crate::Program;
use crate::ast::{BinaryOp, Kind, Node, Pointer, Target};
use crate::builtin_types::Builtin;
use crate::error::Position;
use std::collections::{BTreeMap, BTreeSet};

/// A path of member names into the environment. An array's elements count as the array: `items[0].id` is `items.id`.
pub type Path = Vec<String>;

/// What an expression reads and calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Paths that are read, and whether everything behind them may be (the value itself is used, or a key is computed).
    pub paths: BTreeMap<Path, bool>,
    /// Functions of the environment that are called, such as `time.Now`, and built-ins by name, such as `len`.
    pub functions: BTreeSet<String>,
    /// The environment itself is used (`$env`), so any path may be read.
    pub whole_environment: bool,
    /// The result depends on when it is asked: `now()` or `time.Now()` is called.
    pub clock: bool,
    /// Members that are read off something that may be nil.
    pub nil_warnings: Vec<NilWarning>,
}

/// A member is read without `?.` although what it is read from may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NilWarning {
    /// What may be nil, such as `app.status.operationState`.
    pub path: String,
    /// The member that fails then.
    pub member: String,
    /// Where.
    pub position: Position,
}

impl Usage {
    /// Whether anything at or behind a path is read.
    #[must_use]
    pub fn reads(&self, path: &[&str]) -> bool {
        let covers = |known: &Path, whole: bool| {
            let shared = known.len().min(path.len());
            let agree = known.iter().zip(path).all(|(a, b)| a == b);
            agree && (known.len() >= path.len() || (whole && shared == known.len()))
        };
        self.whole_environment || self.paths.iter().any(|(known, whole)| covers(known, *whole))
    }
    /// Names that the environment is asked for and that a host does not offer, in order.
    #[must_use]
    pub fn unknown_names(&self, offered: &[&str]) -> Vec<String> {
        let roots: BTreeSet<&String> = self.paths.keys().filter_map(|path| path.first()).collect();
        roots.into_iter().filter(|name| !offered.contains(&name.as_str())).cloned().collect()
    }
}

impl Program {
    /// What the expression reads and calls.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let slots = usize::try_from(self.slots()).unwrap_or_default();
        let mut walker =
            Walker { usage: Usage::default(), slots: vec![Origin::default(); slots], elements: Vec::new() };
        let origin = walker.visit(self.root());
        walker.consume(&origin);
        walker.usage
    }
}

/// Which environment paths a value may come from.
#[derive(Debug, Clone, Default)]
struct Origin {
    paths: BTreeSet<Path>,
    /// The value itself is what `paths` name, reached by names only: it may be nil.
    fragile: bool,
}

/// Paths kept for one value; beyond that each one counts as read whole.
const MAX_PATHS: usize = 64;

struct Walker {
    usage: Usage,
    slots: Vec<Origin>,
    elements: Vec<Origin>,
}

impl Walker {
    /// Notes that everything behind a value may be read.
    fn consume(&mut self, origin: &Origin) {
        for path in &origin.paths {
            self.usage.paths.insert(path.clone(), true);
        }
    }
    /// Notes that a value is looked at, and nothing behind it.
    fn touch(&mut self, origin: &Origin) {
        for path in &origin.paths {
            self.usage.paths.entry(path.clone()).or_insert(false);
        }
    }
    fn visit_and_consume(&mut self, node: &Node) {
        let origin = self.visit(node);
        self.consume(&origin);
    }
    fn visit(&mut self, node: &Node) -> Origin {
        match &node.kind {
            Kind::Identifier { name, target } => self.identifier(&name.to_string(), *target),
            Kind::Pointer(Pointer::Element | Pointer::Acc) => self.elements.last().cloned().unwrap_or_default(),
            Kind::Member { object, property, optional, .. } => self.member(object, property, *optional),
            Kind::Chain(inner) => self.visit(inner),
            Kind::Slice { object, from, to } => {
                for bound in [from, to].into_iter().flatten() {
                    self.visit_and_consume(bound);
                }
                Origin { fragile: false, ..self.visit(object) }
            }
            Kind::Call { callee, args } => self.call(callee, args),
            Kind::Builtin(_) => self.builtin(node),
            Kind::Predicate(body) => self.visit(body),
            Kind::Binary { op: BinaryOp::Coalesce, left, right } => self.either(left, right),
            Kind::Binary { op: BinaryOp::Equal | BinaryOp::NotEqual, left, right } => self.compare(left, right),
            Kind::Conditional { condition, then, otherwise } => {
                self.visit_and_consume(condition);
                self.either(then, otherwise)
            }
            Kind::Let { slot, value, body, .. } => {
                let origin = self.visit(value);
                if let Some(kept) = usize::try_from(*slot).ok().and_then(|slot| self.slots.get_mut(slot)) {
                    *kept = origin;
                }
                self.visit(body)
            }
            Kind::Sequence(nodes) => {
                let mut last = Origin::default();
                for node in nodes {
                    self.consume(&last);
                    last = self.visit(node);
                }
                last
            }
            _ => {
                node.for_each_child(&mut |child| self.visit_and_consume(child));
                Origin::default()
            }
        }
    }
    fn identifier(&mut self, name: &str, target: Target) -> Origin {
        match target {
            Target::Env => Origin { paths: BTreeSet::from([vec![name.to_owned()]]), fragile: false },
            Target::Whole => {
                self.usage.whole_environment = true;
                Origin::default()
            }
            Target::Slot(slot) => {
                usize::try_from(slot).ok().and_then(|slot| self.slots.get(slot)).cloned().unwrap_or_default()
            }
        }
    }
    /// Of what is compared with nil only the presence is read.
    fn compare(&mut self, left: &Node, right: &Node) -> Origin {
        let against_nil = [left, right].iter().any(|side| matches!(side.kind, Kind::Nil));
        for side in [left, right] {
            let origin = self.visit(side);
            if against_nil { self.touch(&origin) } else { self.consume(&origin) }
        }
        Origin::default()
    }
    fn either(&mut self, first: &Node, second: &Node) -> Origin {
        let mut origin = self.visit(first);
        let other = self.visit(second);
        origin.fragile = false;
        origin.paths.extend(other.paths);
        if origin.paths.len() > MAX_PATHS {
            self.consume(&origin);
            return Origin::default();
        }
        origin
    }
    fn member(&mut self, object: &Node, property: &Node, optional: bool) -> Origin {
        if let (Kind::Identifier { target: Target::Whole, .. }, Some(name)) = (&object.kind, property.as_literal()) {
            return Origin { paths: BTreeSet::from([vec![name.to_string()]]), fragile: false };
        }
        let base = self.visit(object);
        let Some(name) = property.as_literal() else {
            self.visit_and_consume(property);
            let index = matches!(property.kind, Kind::Int(_));
            if !index {
                self.consume(&base);
            }
            return Origin { paths: base.paths, fragile: true };
        };
        if base.fragile && !optional {
            self.warn(&base, &name.to_string(), property.position);
        }
        let paths = base.paths.into_iter().map(|mut path| {
            path.push(name.to_string());
            path
        });
        Origin { paths: paths.collect(), fragile: true }
    }
    fn warn(&mut self, base: &Origin, member: &str, position: Position) {
        if let Some(path) = base.paths.iter().next() {
            let warning = NilWarning { path: path.join("."), member: member.to_owned(), position };
            self.usage.nil_warnings.push(warning);
        }
    }
    fn call(&mut self, callee: &Node, args: &[Node]) -> Origin {
        for arg in args {
            self.visit_and_consume(arg);
        }
        let origin = self.visit(callee);
        for path in origin.paths {
            if path.len() <= 2 {
                let name = path.join(".");
                self.usage.clock |= name == "time.Now";
                self.usage.functions.insert(name);
            }
            // What a method of a value reads is the value.
            let receiver = path.get(..path.len().saturating_sub(1)).unwrap_or_default();
            self.usage.paths.insert(if path.len() > 2 { receiver.to_vec() } else { path.clone() }, true);
        }
        Origin::default()
    }
    fn builtin(&mut self, node: &Node) -> Origin {
        let Kind::Builtin(call) = &node.kind else { return Origin::default() };
        self.usage.functions.insert(call.builtin.name().to_owned());
        self.usage.clock |= call.builtin == Builtin::Now;
        let Some((first, rest)) = call.args.split_first() else { return Origin::default() };
        let passes_on = matches!(
            call.builtin,
            Builtin::Filter | Builtin::Find | Builtin::FindLast | Builtin::SortBy | Builtin::First | Builtin::Last
        );
        if let (Builtin::Get, [object, key]) = (call.builtin, call.args.as_slice()) {
            return self.member(object, key, true);
        }
        let list = self.visit(first);
        if call.builtin.predicate_slots().is_none() && !passes_on {
            self.consume(&list);
        }
        let mapped = self.in_scope(&list, rest, call.map.as_deref());
        match (passes_on, mapped) {
            (_, Some(origin)) => origin,
            (true, None) => Origin { fragile: call.builtin != Builtin::Filter, paths: list.paths },
            (false, None) => {
                for path in list.paths {
                    self.usage.paths.entry(path).or_insert(false);
                }
                Origin::default()
            }
        }
    }
    /// Visits predicates and other arguments; gives the origin of what a fused `map` makes.
    fn in_scope(&mut self, list: &Origin, rest: &[Node], map: Option<&Node>) -> Option<Origin> {
        self.elements.push(Origin { paths: list.paths.clone(), fragile: false });
        for arg in rest {
            self.visit_and_consume(arg);
        }
        let mapped = map.map(|map| self.visit(map));
        self.elements.pop();
        mapped
    }
}
