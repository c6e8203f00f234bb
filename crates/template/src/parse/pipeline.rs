//! Pipelines, commands, operands: what stands between the delimiters.
//!
//! Decides which words make a command and which variables a pipeline declares; blocks and templates are the parent's.

use super::{Parsed, Parser, offset};
use crate::lex::{Kind as T, Token};
use crate::literal;
use crate::node::{Form, Id, Kind, Pipe, Variable, show};
use gatepost_value::Str;

/// Names in front of `:=` or `=`.
#[derive(Default)]
struct Declared {
    names: Vec<Token>,
    assigns: bool,
}

/// Pipelines.
impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: T) -> Parsed<Id> {
        let at = self.peek_word().start;
        let mark = self.unit.scope.mark();
        let declared = self.declarations(context)?;
        let variables = self.declare(&declared);
        let mut commands = Vec::new();
        loop {
            let token = self.next_word();
            match token.kind {
                kind if kind == end => break,
                T::Bool
                | T::CharConstant
                | T::Complex
                | T::Dot
                | T::Field
                | T::Identifier
                | T::Number
                | T::Nil
                | T::RawString
                | T::String
                | T::Variable
                | T::LeftParen => {
                    self.backup();
                    commands.push(self.command()?);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
        self.check_commands(&commands, context)?;
        self.unit.scope.settle(mark);
        Ok(self.add(at, Kind::Pipe(Pipe { assigns: declared.assigns, variables, commands })))
    }
    fn declarations(&mut self, context: &str) -> Parsed<Declared> {
        let mut declared = Declared::default();
        while self.peek_word().kind == T::Variable {
            let variable = self.next();
            let after_kind = self.peek();
            let after = self.tokens[self.peeked - 1].clone();
            let next = self.peek_word();
            match next.kind {
                T::Assign | T::Declare => {
                    self.next_word();
                    declared.assigns = next.kind == T::Assign;
                    declared.names.push(variable);
                    break;
                }
                T::Char if self.word(&next) == "," => {
                    self.next_word();
                    declared.names.push(variable);
                    self.second_name(context, declared.names.len())?;
                }
                _ if after_kind == T::Space => {
                    self.backup3(variable, after);
                    break;
                }
                _ => {
                    self.backup2(variable);
                    break;
                }
            }
        }
        Ok(declared)
    }
    /// After a comma: only `range` declares two variables.
    fn second_name(&mut self, context: &str, names: usize) -> Parsed<()> {
        if context != "range" || names >= 2 {
            return Err(self.error(format!("too many declarations in {context}")));
        }
        match self.peek_word().kind {
            T::Variable | T::RightDelim | T::RightParen => Ok(()),
            _ => Err(self.error("range can only initialize variables")),
        }
    }
    fn declare(&mut self, declared: &Declared) -> Vec<Id> {
        let mut ids = Vec::with_capacity(declared.names.len());
        for token in &declared.names {
            let name = self.word(token).to_owned();
            let scope = &mut self.unit.scope;
            let slot = if declared.assigns { scope.assign(&name) } else { scope.declare(&name) };
            let variable = Variable { name: name.into(), slot, fields: Box::default() };
            ids.push(self.add(token.start, Kind::Variable(variable)));
        }
        ids
    }
    fn check_commands(&self, commands: &[Id], context: &str) -> Parsed<()> {
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (i, command) in commands.iter().enumerate().skip(1) {
            let Kind::Command(words) = self.kind(*command) else { continue };
            let Some(first) = words.first() else { continue };
            let literal = matches!(
                self.kind(*first),
                Kind::Bool(_) | Kind::Dot | Kind::Nil | Kind::Number(_) | Kind::String { .. }
            );
            if literal {
                return Err(self.error(format!("non executable command in pipeline stage {}", i + 1)));
            }
        }
        Ok(())
    }
    fn command(&mut self) -> Parsed<Id> {
        let at = self.peek_word().start;
        let mut words = Vec::new();
        loop {
            self.peek_word();
            if let Some(operand) = self.operand()? {
                words.push(operand);
            }
            let token = self.next();
            match token.kind {
                T::Space => continue,
                T::RightDelim | T::RightParen => self.backup(),
                T::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if words.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(self.add(at, Kind::Command(words)))
    }
    /// A term and the fields that follow it.
    fn operand(&mut self) -> Parsed<Option<Id>> {
        let Some(term) = self.term()? else { return Ok(None) };
        if self.peek() != T::Field {
            return Ok(Some(term));
        }
        let at = self.tokens[self.peeked - 1].start;
        let mut fields: Vec<Str> = Vec::new();
        while self.peek() == T::Field {
            let token = self.next();
            fields.push(self.word(&token)[1..].into());
        }
        self.chain(at, term, fields).map(Some)
    }
    fn chain(&mut self, at: usize, term: Id, mut fields: Vec<Str>) -> Parsed<Id> {
        let kind = match self.kind(term) {
            Kind::Field(first) => Kind::Field(first.iter().cloned().chain(fields).collect()),
            Kind::Variable(variable) => {
                let mut all = variable.fields.to_vec();
                all.append(&mut fields);
                Kind::Variable(Variable { name: variable.name.clone(), slot: variable.slot, fields: all.into() })
            }
            Kind::Bool(_) | Kind::String { .. } | Kind::Number(_) | Kind::Nil | Kind::Dot => {
                let shown = show(&self.nodes, self.text, term);
                let quoted = gatepost_value::fmt::quote(shown.as_bytes());
                return Err(self.error(format!("unexpected . after term {quoted}")));
            }
            _ => Kind::Chain { term, fields: fields.into() },
        };
        Ok(self.add(at, kind))
    }
    fn term(&mut self) -> Parsed<Option<Id>> {
        let token = self.next_word();
        let at = token.start;
        let kind = match token.kind {
            T::Identifier => {
                let name = self.word(&token);
                let Some(spec) = self.profile.get(name) else {
                    let quoted = gatepost_value::fmt::quote(name.as_bytes());
                    return Err(self.error(format!("function {quoted} not defined")));
                };
                Kind::Identifier { spec, form: Form::of(name) }
            }
            T::Dot => Kind::Dot,
            T::Nil => Kind::Nil,
            T::Variable => self.variable(&token)?,
            T::Field => Kind::Field(Box::new([self.word(&token)[1..].into()])),
            T::Bool => Kind::Bool(self.word(&token) == "true"),
            T::CharConstant | T::Complex | T::Number => {
                Kind::Number(Box::new(literal::number(self.word(&token)).map_err(|message| self.error(message))?))
            }
            T::LeftParen => {
                return self.nested(|parser| parser.pipeline("parenthesized pipeline", T::RightParen)).map(Some);
            }
            T::String | T::RawString => {
                let text = self.unquoted(&token)?.into();
                Kind::String { quoted: offset(token.start)..offset(token.end), text }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(self.add(at, kind)))
    }
    fn variable(&self, token: &Token) -> Parsed<Kind> {
        let name = self.word(token);
        let Some(slot) = self.unit.scope.find(name) else {
            let quoted = gatepost_value::fmt::quote(name.as_bytes());
            return Err(self.error(format!("undefined variable {quoted}")));
        };
        Ok(Kind::Variable(Variable { name: name.into(), slot, fields: Box::default() }))
    }
}
