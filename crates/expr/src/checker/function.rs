//! Calls with known signatures: number and types of arguments, overloads tried in order.

use super::{Checker, signature};
use crate::ast::{BuiltinCall, Node};
use crate::builtin_types::Builtin;
use crate::error::{Error, Position};
use crate::types::{FuncType, GoKind, Type};
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn builtin(&mut self, call: &mut BuiltinCall, position: Position) -> Type {
        if call.builtin.predicate_slots().is_some() {
            return self.predicate_builtin(call, position);
        }
        match call.builtin {
            Builtin::Get => self.get(&mut call.args, position),
            builtin => self.function(builtin, &mut call.args, position),
        }
    }
    /// A built-in by its own rule or its signatures.
    pub(super) fn function(&mut self, builtin: Builtin, args: &mut [Node], position: Position) -> Type {
        let signatures = signature::overloads(builtin);
        if !signatures.is_empty() {
            return self.overloads(builtin.name(), &signatures, args, position);
        }
        let types: Vec<Type> = args.iter_mut().map(|arg| self.visit(arg)).collect();
        match super::validate::validate(builtin, &types) {
            Ok(ty) => ty,
            Err(message) => self.fail(position, message),
        }
    }
    /// The first signature that fits, or the last one's error.
    pub(super) fn overloads(
        &mut self,
        name: &str,
        signatures: &[Arc<FuncType>],
        args: &mut [Node],
        position: Position,
    ) -> Type {
        // Arguments are visited once, when they are first looked at: repeating it for each signature would make nested
        // calls exponential.
        let mut seen = vec![None; args.len()];
        let mut last = None;
        for func in signatures {
            match self.arguments(name, func, args, &mut seen, position) {
                Ok(ty) => return ty,
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) => self.fail_with(error),
            None => self.fail(position, format!("no matching overload for {name}")),
        }
    }
    fn arguments(
        &mut self,
        name: &str,
        func: &FuncType,
        args: &mut [Node],
        seen: &mut [Option<Type>],
        position: Position,
    ) -> Result<Type, Error> {
        arity(name, func, args.len(), position).inspect_err(|_| {
            for (arg, seen) in args.iter_mut().zip(seen.iter_mut()) {
                seen.get_or_insert_with(|| self.visit(arg));
            }
        })?;
        for (i, (arg, seen)) in args.iter_mut().zip(seen.iter_mut()).enumerate() {
            let given = seen.get_or_insert_with(|| self.visit(arg));
            let Some(wanted) = func.params.get(i).or(func.params.last()) else { continue };
            argument(name, given, wanted, arg.position)?;
        }
        Ok(func.results.first().cloned().unwrap_or_default())
    }
}

fn arity(name: &str, func: &FuncType, given: usize, position: Position) -> Result<(), Error> {
    let fail = |message: String| Err(Error::compile(message).at(position));
    let wanted = func.params.len();
    match func.results.len() {
        0 => return fail(format!("func {name} doesn't return value")),
        1 | 2 => {}
        _ => return fail(format!("func {name} returns more then two values")),
    }
    if given < wanted.saturating_sub(usize::from(func.variadic)) {
        return fail(format!("not enough arguments to call {name}"));
    }
    if given > wanted && !func.variadic {
        return fail(format!("too many arguments to call {name}"));
    }
    Ok(())
}

fn argument(name: &str, given: &Type, wanted: &Type, position: Position) -> Result<(), Error> {
    let message = match given {
        Type::Nil if matches!(wanted.kind(), GoKind::Pointer | GoKind::Interface) => return Ok(()),
        Type::Nil => format!("cannot use nil as argument (type {wanted}) to call {name}"),
        given if wanted.is_integer() && given.is_integer() => return Ok(()),
        given if given.is_unknown() || given.assignable_to(wanted) => return Ok(()),
        given => format!("cannot use {given} as argument (type {wanted}) to call {name} "),
    };
    Err(Error::compile(message).at(position))
}
