//! Calls of named functions, with predicates where the built-in takes one.

use super::{Parsed, Parser, Stop};
use crate::ast::{BuiltinCall, Kind, Node, Pointer, Target};
use crate::builtin_types::{Builtin, Slot};
use crate::error::Error;
use crate::lexer::{Token, TokenKind};

impl Parser {
    /// `name(…)` where the name has been read; `first` holds what a pipe puts in front of the arguments.
    #[inline(never)]
    pub(super) fn call(&mut self, name: &Token, first: Vec<Node>) -> Parsed {
        let builtin = Builtin::from_name(name.text());
        match builtin.map(|builtin| (builtin, builtin.predicate_slots())) {
            None => {
                let callee = self.callee(name)?;
                let args = self.arguments(first)?;
                self.call_node(callee, args, name.offset)
            }
            Some((builtin, None)) => {
                let args = self.arguments(first)?;
                self.builtin_node(builtin, args, name.offset)
            }
            Some((builtin, Some(slots))) => {
                let args = self.predicate_arguments(first, slots)?;
                self.builtin_node(builtin, args, name.offset)
            }
        }
    }
    #[inline(never)]
    fn callee(&mut self, name: &Token) -> Parsed {
        self.node(Kind::Identifier { name: name.value.clone(), target: Target::Env }, name.offset)
    }
    #[inline(never)]
    pub(super) fn call_node(&mut self, callee: Box<Node>, args: Vec<Node>, offset: usize) -> Parsed {
        self.node(Kind::Call { callee, args }, offset)
    }
    #[inline(never)]
    fn builtin_node(&mut self, builtin: Builtin, args: Vec<Node>, offset: usize) -> Parsed {
        let call = BuiltinCall { builtin, args, throws: false, map: None, threshold: None };
        self.node(Kind::Builtin(Box::new(call)), offset)
    }
    /// `(a, b,)` after what a pipe has given.
    #[inline(never)]
    pub(super) fn arguments(&mut self, first: Vec<Node>) -> Result<Vec<Node>, Stop> {
        let given = first.len();
        let mut args = first;
        self.expect_bracket("(")?;
        while !self.current.is_bracket(")") {
            if args.len() > given {
                self.expect_operator(",")?;
            }
            if self.current.is_bracket(")") {
                break;
            }
            args.push(*self.expression(0)?);
        }
        self.expect_bracket(")")?;
        Ok(args)
    }
    #[inline(never)]
    fn predicate_arguments(&mut self, first: Vec<Node>, slots: &[Slot]) -> Result<Vec<Node>, Stop> {
        self.expect_bracket("(")?;
        let slots = slots.get(first.len()..).unwrap_or_default();
        let mut args = first;
        for (i, slot) in slots.iter().enumerate() {
            if self.current.is_bracket(")") {
                if slot.optional {
                    break;
                }
                return self.fail_here(format!("expected at least {} arguments", slots.len()));
            }
            if i > 0 {
                self.expect_operator(",")?;
            }
            args.push(*if slot.predicate { self.predicate()? } else { self.expression(0)? });
        }
        if self.current.is_operator(",") {
            self.next()?;
        }
        if self.current.is_bracket(")") {
            self.next()?;
            return Ok(args);
        }
        self.after_arguments(&args)
    }
    /// Something stands where the call should end.
    #[inline(never)]
    fn after_arguments<T>(&mut self, args: &[Node]) -> Result<T, Stop> {
        let lambda = args.iter().find_map(|arg| match &arg.kind {
            Kind::Predicate(body) => match &body.kind {
                Kind::Pointer(Pointer::Unknown(name)) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        });
        let Some(name) = lambda else { return self.unexpected() };
        let error = Error::compile(format!("unexpected token {}", self.current.describe()))
            .at(self.lexer.position(self.current.offset))
            .with_hint(format!(
                "a predicate has no parameter list: drop `# {name},` and write `#` (or `.field`) instead of `{name}`"
            ));
        self.fail(error)
    }
    #[inline(never)]
    fn predicate(&mut self) -> Parsed {
        let offset = self.current.offset;
        let braces = self.current.is_bracket("{");
        if braces {
            self.next()?;
        }
        self.predicates += 1;
        let body = if braces { self.sequence() } else { self.expression(0) }?;
        if !braces && self.current.is_operator(";") {
            return self.fail_here("wrap predicate with brackets { and }");
        }
        self.predicates -= 1;
        if braces {
            self.closing_brace(&body)?;
        }
        self.node(Kind::Predicate(body), offset)
    }
    #[inline(never)]
    fn closing_brace(&mut self, body: &Node) -> Result<(), Stop> {
        let looks_like_map =
            self.current.is_operator(":") && matches!(body.kind, Kind::Identifier { .. } | Kind::Str(_));
        if !looks_like_map {
            return self.expect_bracket("}");
        }
        let error = Error::compile(format!("unexpected token {}", self.current.describe()))
            .at(self.lexer.position(self.current.offset))
            .with_hint("braces around a predicate are not a map; to make one, write two pairs: `{{key: value}}`");
        self.fail(error)
    }
    /// Whether the current token can name a member: a name or a word operator such as `not`.
    #[inline(never)]
    pub(super) fn at_name(&self) -> bool {
        match self.current.kind {
            TokenKind::Identifier => true,
            TokenKind::Operator => crate::lexer::is_name(&self.current.value),
            _ => false,
        }
    }
}
