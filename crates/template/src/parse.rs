//! Tokens to a tree.
//!
//! Decides what is a template and what is not, with Go's error texts: grammar, known functions, known variables, nesting
//! of the text. It never evaluates anything.

mod pipeline;

use crate::error::{Cause, Details, Error, Stage};
use crate::function::Profile;
use crate::hint;
use crate::lex::{Kind as T, Lexer, Token};
use crate::literal;
use crate::node::{Branch, Id, Kind, Node, Tree};
use crate::patterns::Patterns;
use crate::scope::Scope;
use gatepost_value::{LimitError, Limits};
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
    let patterns = Patterns::of(&nodes);
    Ok(Tree { name: name.into(), text: text.into(), nodes, templates, patterns })
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
