//! Tokens to a tree.
//!
//! Decides what is a template and what is not, with Go's error texts: grammar, known functions, known variables, nesting
//! of the text. It never evaluates anything.

use crate::error::{Cause, Details, Error, Stage};
use crate::function::Profile;
use crate::hint;
use crate::lex::{Kind as T, Lexer, Token};
use crate::literal;
use crate::node::{Branch, Form, Id, Kind, Node, Pipe, Tree, Variable, show};
use crate::scope::Scope;
use gatepost_value::{LimitError, Limits, Str};
use std::collections::HashMap;
use std::sync::Arc;

type Parsed<T> = Result<T, Error>;

/// Parses a text and the templates it defines.
pub(crate) fn parse(name: &str, text: &str, profile: &Profile, limits: &Limits) -> Parsed<Tree> {
    let mut parser = Parser {
        name,
        text,
        profile,
        allowed_depth: limits.parse_depth,
        depth: 0,
        lexer: Lexer::new(text),
        tokens: [Token::none(), Token::none(), Token::none()],
        peeked: 0,
        unit: Unit::new(),
        nodes: Vec::new(),
        templates: HashMap::new(),
    };
    if u32::try_from(text.len()).is_err() {
        return Err(parser.error("template text of more than 4 GiB"));
    }
    parser.whole()?;
    let Parser { nodes, templates, .. } = parser;
    Ok(Tree { name: name.into(), text: text.into(), nodes, templates })
}

/// What is particular to one template while its body is parsed.
struct Unit {
    scope: Scope,
    ranges: u32,
    /// Line of the action being parsed, 0 between actions.
    action_line: u32,
}

impl Unit {
    fn new() -> Self {
        Self { scope: Scope::new(), ranges: 0, action_line: 0 }
    }
}

struct Parser<'t> {
    name: &'t str,
    text: &'t str,
    profile: &'t Profile,
    allowed_depth: u32,
    depth: u32,
    lexer: Lexer<'t>,
    /// Look-ahead; index 0 is the latest token from the lexer, whose line errors give.
    tokens: [Token; 3],
    peeked: usize,
    unit: Unit,
    nodes: Vec<Node>,
    templates: HashMap<Arc<str>, Vec<Id>>,
}

/// What stands between two delimiters, or a piece of text.
enum Item {
    Node(Id),
    End,
    Else,
}

/// What ended a list of items.
#[derive(PartialEq, Eq)]
enum Stop {
    End,
    Else,
}

impl Stop {
    const fn show(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    With,
    Range,
}

impl Control {
    const fn name(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

/// Tokens.
impl Parser<'_> {
    fn next(&mut self) -> Token {
        if self.peeked > 0 {
            self.peeked -= 1;
        } else {
            self.tokens[0] = self.lexer.next_token();
        }
        self.tokens[self.peeked].clone()
    }
    fn peek(&mut self) -> T {
        if self.peeked == 0 {
            self.tokens[0] = self.lexer.next_token();
            self.peeked = 1;
        }
        self.tokens[self.peeked - 1].kind
    }
    const fn backup(&mut self) {
        self.peeked += 1;
    }
    /// Puts back the latest token and `before`, which came before it.
    fn backup2(&mut self, before: Token) {
        self.tokens[1] = before;
        self.peeked = 2;
    }
    fn backup3(&mut self, first: Token, second: Token) {
        self.tokens[1] = second;
        self.tokens[2] = first;
        self.peeked = 3;
    }
    fn next_word(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != T::Space {
                return token;
            }
        }
    }
    fn peek_word(&mut self) -> Token {
        let token = self.next_word();
        self.backup();
        token
    }
    fn expect(&mut self, kind: T, context: &str) -> Parsed<Token> {
        let token = self.next_word();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(&token, context)) }
    }
    fn word(&self, token: &Token) -> &str {
        &self.text[token.start..token.end]
    }
}

/// Errors and limits.
impl Parser<'_> {
    fn fail(&self, cause: Cause) -> Error {
        let hint = match &cause {
            Cause::Message(message) => hint::for_parse_error(message, self.profile),
            Cause::Limit(_) => None,
        };
        Error::new(Details {
            stage: Stage::Parse,
            name: self.name.to_owned(),
            running: self.name.to_owned(),
            line: self.tokens[0].line,
            column: None,
            context: String::new(),
            cause,
            hint,
        })
    }
    fn error(&self, message: impl Into<String>) -> Error {
        self.fail(Cause::text(message))
    }
    fn unexpected(&self, token: &Token, context: &str) -> Error {
        let shown = token.show(self.text);
        if token.kind != T::Error {
            return self.error(format!("unexpected {shown} in {context}"));
        }
        let started = self.unit.action_line;
        if started == 0 || started == token.line {
            return self.error(shown);
        }
        let link = if shown.ends_with(" action") { "" } else { " in action" };
        self.error(format!("{shown}{link} started at {}:{started}", self.name))
    }
    /// One level deeper in the nesting of the text.
    fn nested<R>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<R>) -> Parsed<R> {
        if self.depth >= self.allowed_depth {
            let allowed = u64::from(self.allowed_depth);
            return Err(self.fail(Cause::Limit(LimitError { limit: "parse_depth", allowed })));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }
    fn add(&mut self, at: usize, kind: Kind) -> Id {
        let id = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node { at: offset(at), kind });
        Id(id)
    }
    fn kind(&self, id: Id) -> &Kind {
        &self.nodes[id.0 as usize].kind
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Templates and lists.
impl Parser<'_> {
    fn whole(&mut self) -> Parsed<()> {
        let mut root = Vec::new();
        loop {
            match self.peek() {
                T::Eof => break,
                T::LeftDelim => {
                    let delim = self.next();
                    if self.next_word().kind == T::Define {
                        self.definition()?;
                        continue;
                    }
                    self.backup2(delim);
                }
                _ => {}
            }
            match self.item()? {
                Item::Node(id) => root.push(id),
                Item::End => return Err(self.error("unexpected {{end}}")),
                Item::Else => return Err(self.error("unexpected {{else}}")),
            }
        }
        self.define(self.name.into(), root)
    }
    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let outer = std::mem::replace(&mut self.unit, Unit::new());
        let token = self.next_word();
        let name = self.template_name(&token, context)?;
        self.expect(T::RightDelim, context)?;
        let (body, stop) = self.list()?;
        if stop != Stop::End {
            return Err(self.error(format!("unexpected {} in {context}", stop.show())));
        }
        self.unit = outer;
        self.define(name, body)
    }
    /// Keeps a template under its name. An empty one may be replaced; two with content are a mistake.
    fn define(&mut self, name: Arc<str>, body: Vec<Id>) -> Parsed<()> {
        let free = self.templates.get(&name).is_none_or(|present| self.is_empty(present));
        if free {
            self.templates.insert(name, body);
        } else if !self.is_empty(&body) {
            let quoted = gatepost_value::fmt::quote(name.as_bytes());
            return Err(self.error(format!("template: multiple definition of template {quoted}")));
        }
        Ok(())
    }
    /// Whether a list is only space.
    fn is_empty(&self, list: &[Id]) -> bool {
        list.iter().all(|id| match self.kind(*id) {
            Kind::Text(range) => self.text[range.start as usize..range.end as usize].trim().is_empty(),
            _ => false,
        })
    }
    /// Items up to `{{end}}` or `{{else}}`.
    fn list(&mut self) -> Parsed<(Vec<Id>, Stop)> {
        self.nested(|parser| {
            let mut list = Vec::new();
            while parser.peek_word().kind != T::Eof {
                match parser.item()? {
                    Item::Node(id) => list.push(id),
                    Item::End => return Ok((list, Stop::End)),
                    Item::Else => return Ok((list, Stop::Else)),
                }
            }
            Err(parser.error("unexpected EOF"))
        })
    }
    fn item(&mut self) -> Parsed<Item> {
        let token = self.next_word();
        match token.kind {
            T::Text => {
                let range = offset(token.start)..offset(token.end);
                Ok(Item::Node(self.add(token.start, Kind::Text(range))))
            }
            T::LeftDelim => {
                self.unit.action_line = token.line;
                let item = self.action()?;
                self.unit.action_line = 0;
                Ok(item)
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }
}

/// Actions.
impl Parser<'_> {
    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_word();
        let id = match token.kind {
            T::Block => self.block()?,
            T::Break => self.loop_control(&token, "{{break}}", Kind::Break)?,
            T::Continue => self.loop_control(&token, "{{continue}}", Kind::Continue)?,
            T::Else => return self.else_control(),
            T::End => return self.expect(T::RightDelim, "end").map(|_| Item::End),
            T::If => self.control(Control::If)?,
            T::Range => self.control(Control::Range)?,
            T::Template => self.template()?,
            T::With => self.control(Control::With)?,
            _ => {
                self.backup();
                self.peek();
                let at = self.tokens[self.peeked - 1].start;
                let pipe = self.pipeline("command", T::RightDelim)?;
                self.add(at, Kind::Action(pipe))
            }
        };
        Ok(Item::Node(id))
    }
    fn loop_control(&mut self, word: &Token, shown: &str, kind: Kind) -> Parsed<Id> {
        self.expect(T::RightDelim, shown)?;
        if self.unit.ranges == 0 {
            return Err(self.error(format!("{shown} outside {{{{range}}}}")));
        }
        Ok(self.add(word.start, kind))
    }
    fn else_control(&mut self) -> Parsed<Item> {
        if !matches!(self.peek_word().kind, T::If | T::With) {
            self.expect(T::RightDelim, "else")?;
        }
        Ok(Item::Else)
    }
    fn control(&mut self, control: Control) -> Parsed<Id> {
        let outer = self.unit.scope.mark();
        let pipe = self.pipeline(control.name(), T::RightDelim)?;
        let inner = self.unit.scope.slots();
        self.unit.ranges += u32::from(control == Control::Range);
        let (body, stop) = self.list()?;
        self.unit.ranges -= u32::from(control == Control::Range);
        let otherwise = if stop == Stop::Else { Some(self.otherwise(control)?) } else { None };
        self.unit.scope.back_to(outer);
        let at = self.nodes[pipe.0 as usize].at as usize;
        let branch = Branch { pipe, outer: outer.slots, inner, body, otherwise };
        Ok(self.add(
            at,
            match control {
                Control::If => Kind::If(branch),
                Control::With => Kind::With(branch),
                Control::Range => Kind::Range(branch),
            },
        ))
    }
    /// What follows `{{else`: the rest of a chain, which shares one `{{end}}`, or a list of its own.
    fn otherwise(&mut self, control: Control) -> Parsed<Vec<Id>> {
        let next = self.peek();
        let chained = matches!((control, next), (Control::If, T::If) | (Control::With, T::With));
        if chained {
            self.next();
            return self.nested(|parser| Ok(vec![parser.control(control)?]));
        }
        let (list, stop) = self.list()?;
        if stop != Stop::End {
            return Err(self.error(format!("expected end; found {}", stop.show())));
        }
        Ok(list)
    }
    fn block(&mut self) -> Parsed<Id> {
        let context = "block clause";
        let token = self.next_word();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipeline(context, T::RightDelim)?;
        let seen = self.tokens[0].clone();
        let outer = std::mem::replace(&mut self.unit, Unit::new());
        let (body, stop) = self.list()?;
        if stop != Stop::End {
            self.tokens[0] = seen;
            return Err(self.error(format!("unexpected {} in {context}", stop.show())));
        }
        self.unit = outer;
        self.define(Arc::clone(&name), body)?;
        Ok(self.add(token.start, Kind::Template { name, pipe: Some(pipe) }))
    }
    fn template(&mut self) -> Parsed<Id> {
        let context = "template clause";
        let token = self.next_word();
        let name = self.template_name(&token, context)?;
        let mut pipe = None;
        if self.next_word().kind != T::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(context, T::RightDelim)?);
        }
        Ok(self.add(token.start, Kind::Template { name, pipe }))
    }
    fn template_name(&self, token: &Token, context: &str) -> Parsed<Arc<str>> {
        if !matches!(token.kind, T::String | T::RawString) {
            return Err(self.unexpected(token, context));
        }
        let bytes = self.unquoted(token)?;
        Ok(String::from_utf8_lossy(&bytes).into())
    }
    fn unquoted(&self, token: &Token) -> Parsed<Vec<u8>> {
        literal::unquote(self.word(token)).ok_or_else(|| self.error("invalid syntax"))
    }
}

/// Names in front of `:=` or `=`.
#[derive(Default)]
struct Declared {
    names: Vec<Token>,
    assigns: bool,
}

/// Pipelines.
impl Parser<'_> {
    fn pipeline(&mut self, context: &str, end: T) -> Parsed<Id> {
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
