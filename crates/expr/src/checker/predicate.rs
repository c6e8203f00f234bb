//! Built-ins that take a predicate: what they accept as collection and predicate, and what they give.

use super::{Checker, Scope};
use crate::ast::{BuiltinCall, Node};
use crate::builtin_types::Builtin;
use crate::error::Position;
use crate::types::Type;

/// A predicate's result as Go's function type carries it: what is known of elements is lost.
fn carried(ty: &Type) -> Type {
    match ty {
        Type::Unknown => Type::Any,
        Type::Array(_) => Type::any_array(),
        ty => ty.clone(),
    }
}

impl Checker<'_> {
    pub(super) fn predicate_builtin(&mut self, call: &mut BuiltinCall, position: Position) -> Type {
        let builtin = call.builtin;
        let [list, rest @ ..] = call.args.as_mut_slice() else {
            return self.fail(position, format!("not enough arguments to call {}", builtin.name()));
        };
        let collection = self.visit(list).deref();
        if !collection.is_array() && !collection.is_unknown() {
            let message = format!("builtin {} takes only array (got {collection})", builtin.name());
            return self.fail(list.position, message);
        }
        let [predicate, order @ ..] = rest else {
            return match builtin {
                Builtin::Count => Type::Int,
                _ => collection.elem(),
            };
        };
        let body = self.body(builtin, collection.clone(), predicate);
        self.last_argument(builtin, order);
        if body == Type::Nil {
            return self.no_result(call, position);
        }
        self.result(builtin, collection, &body, predicate.position)
    }
    fn body(&mut self, builtin: Builtin, collection: Type, predicate: &mut Node) -> Type {
        let acc = builtin == Builtin::Reduce;
        self.predicates.push(Scope { collection, index: acc || builtin == Builtin::Map, acc });
        let body = self.visit(predicate);
        self.predicates.pop();
        body
    }
    /// The order of `sortBy`, the start of `reduce`.
    fn last_argument(&mut self, builtin: Builtin, rest: &mut [Node]) {
        for node in rest {
            let ty = self.visit(node);
            if builtin == Builtin::SortBy && ty != Type::Str && !ty.is_unknown() {
                self.fail(node.position, format!("sortBy order argument must be a string (got {ty})"));
            }
        }
    }
    /// A predicate that is the literal nil makes a function without results.
    fn no_result(&mut self, call: &mut BuiltinCall, position: Position) -> Type {
        if call.builtin == Builtin::Sum {
            return self.function(call.builtin, &mut call.args, position);
        }
        let inputs = if call.builtin == Builtin::Reduce { "two" } else { "one" };
        let place = call.args.get(1).map_or(position, |predicate| predicate.position);
        self.fail(place, format!("predicate should has {inputs} input and one output param"))
    }
    fn result(&mut self, builtin: Builtin, collection: Type, body: &Type, place: Position) -> Type {
        use Builtin as B;
        let tests = !matches!(builtin, B::Map | B::Sum | B::GroupBy | B::SortBy | B::Reduce);
        if tests && *body != Type::Bool && !body.is_unknown() {
            return self.fail(place, format!("predicate should return boolean (got {body})"));
        }
        match builtin {
            B::Filter if collection.is_unknown() => Type::any_array(),
            B::Filter => Type::array_of(collection.elem()),
            B::Map => Type::array_of(body.clone()),
            B::Count | B::FindIndex | B::FindLastIndex => Type::Int,
            B::Sum => carried(body),
            B::Find | B::FindLast => collection.elem(),
            B::GroupBy => Type::Groups,
            B::SortBy => collection,
            B::Reduce => body.clone(),
            _ => Type::Bool,
        }
    }
}
