//! Members, slices and calls of values.

use super::{Checker, method};
use crate::ast::{Kind, Node};
use crate::error::{Error, Position};
use crate::types::{GoKind, Type};

fn is_whole_environment(node: &Node) -> bool {
    matches!(&node.kind, Kind::Identifier { name, .. } if name.as_bytes() == b"$env")
}

impl Checker<'_> {
    /// A node of kind [`Kind::Member`].
    pub(super) fn member(&mut self, node: &mut Node) -> Type {
        let position = node.position;
        let Kind::Member { object, property, method, .. } = &mut node.kind else { return Type::Unknown };
        if is_whole_environment(object) {
            return Type::Unknown;
        }
        let base = self.visit(object);
        let prop = self.visit(property);
        if base.is_unknown() {
            return Type::Unknown;
        }
        let name = property.as_literal();
        if let Some(name) = name {
            if base == Type::Nil {
                return self.fail(position, format!("type nil has no field {name}"));
            }
            if let Some(method) = name.as_str().and_then(|name| method::of(&base, name)) {
                return method;
            }
        }
        let base = base.deref();
        if base.is_map() {
            return self.element(&base, &prop, property);
        }
        if base.is_array() {
            if !prop.is_integer() && !prop.is_unknown() {
                let message = format!("array elements can only be selected using an integer (got {prop})");
                return self.fail(property.position, message);
            }
            return base.elem();
        }
        let message = match name {
            Some(name) if *method => format!("type {base} has no method {name}"),
            Some(name) => format!("type {base} has no field {name}"),
            None => format!("type {base}[{prop}] is undefined"),
        };
        self.no_member(&base, name.is_some(), message, position)
    }
    fn no_member(&mut self, base: &Type, named: bool, message: String, position: Position) -> Type {
        let mut error = Error::compile(message).at(position);
        if *base == Type::Str && !named {
            error = error.with_hint("a text has no elements; a part of it is `text[from:to]`");
        } else if *base == Type::Str {
            error = error.with_hint("texts have no methods here; use the functions, for example `upper(text)`");
        }
        self.fail_with(error)
    }
    fn element(&mut self, base: &Type, prop: &Type, property: &Node) -> Type {
        if !prop.assignable_to(&base.key()) && !prop.is_unknown() {
            let message = format!("cannot use {prop} to get an element from {base}");
            return self.fail(property.position, message);
        }
        base.elem()
    }
    pub(super) fn slice(
        &mut self,
        object: &mut Node,
        from: Option<&mut Node>,
        to: Option<&mut Node>,
        position: Position,
    ) -> Type {
        let ty = self.visit(object);
        if ty.is_unknown() {
            return Type::Unknown;
        }
        if ty != Type::Str && !ty.is_array() {
            return self.fail(position, format!("cannot slice {ty}"));
        }
        for bound in [from, to].into_iter().flatten() {
            let index = self.visit(bound).deref();
            if !index.is_integer() && !index.is_unknown() {
                return self.fail(bound.position, format!("non-integer slice index {index}"));
            }
        }
        ty
    }
    /// Arguments of an unknown function are not checked, as Go does not.
    pub(super) fn call(&mut self, callee: &mut Node, args: &mut [Node], position: Position) -> Type {
        if is_whole_environment(callee) {
            return self.fail(position, "unknown is not callable");
        }
        let ty = self.visit(callee);
        if ty.is_unknown() {
            return Type::Unknown;
        }
        let name = match &callee.kind {
            Kind::Identifier { name, .. } => name.to_string(),
            Kind::Member { property, .. } => property.as_literal().map_or("function".to_owned(), ToString::to_string),
            _ => "function".to_owned(),
        };
        match &ty {
            Type::Func(func) => match func.builtin {
                Some(builtin) => self.function(builtin, args, position),
                None => self.overloads(&name, std::slice::from_ref(func), args, position),
            },
            Type::Nil => self.fail(position, format!("{name} is nil; cannot call nil as function")),
            _ => self.fail(position, format!("{ty} is not callable")),
        }
    }
    /// `get(object, key)`
    pub(super) fn get(&mut self, args: &mut [Node], position: Position) -> Type {
        let count = args.len();
        let [object, key] = args else {
            return self.fail(position, format!("invalid number of arguments (expected 2, got {count})"));
        };
        let base = self.visit(object);
        let prop = self.visit(key).deref();
        if is_whole_environment(object) || base.is_unknown() {
            return Type::Unknown;
        }
        match base.kind() {
            GoKind::Slice if !prop.is_integer() && !prop.is_unknown() => {
                self.fail(key.position, format!("non-integer slice index {prop}"))
            }
            GoKind::Slice => base.elem(),
            GoKind::Map => self.element(&base, &prop, key),
            _ => self.fail(object.position, format!("type {base} does not support indexing")),
        }
    }
}
