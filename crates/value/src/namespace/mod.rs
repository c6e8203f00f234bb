//! The namespaces `time`, `strings` and `repo` that conditions and templates see, and structs that hosts hand out.
//!
//! All of it is pure: the time and the zone come from the call context, and what asks the repository (commits, application
//! details) is added by the host.

mod details;
mod repository;

pub use details::{AppDetails, FileParameter, HelmDetails, Parameter};

use crate::{CallContext, CallError, Func, GoType, Location, Signature, Str, StructView, Time, Value, time as clock};
use std::sync::Arc;

pub use repository::full_name_by_url;

const LAYOUTS: [&str; 16] = [
    "Layout",
    "ANSIC",
    "UnixDate",
    "RubyDate",
    "RFC822",
    "RFC822Z",
    "RFC850",
    "RFC1123",
    "RFC1123Z",
    "RFC3339",
    "RFC3339Nano",
    "Kitchen",
    "Stamp",
    "StampMilli",
    "StampMicro",
    "StampNano",
];

const UNITS: [(&str, i64); 6] = [
    ("Nanosecond", 1),
    ("Microsecond", 1_000),
    ("Millisecond", 1_000_000),
    ("Second", 1_000_000_000),
    ("Minute", 60_000_000_000),
    ("Hour", 3_600_000_000_000),
];

/// A function with declared types, so that engines report wrong arguments as Go does.
pub fn typed(
    name: &str,
    params: Vec<GoType>,
    result: GoType,
    call: impl Fn(&CallContext<'_>, &[Value]) -> Result<Value, CallError> + Send + Sync + 'static,
) -> Value {
    let signature = Signature { params, variadic: false, result };
    Value::Func(Func { name: name.into(), signature: Some(Arc::new(signature)), call: Arc::new(call) })
}

/// The text of a string argument; the empty one where it is missing or something else.
fn text(args: &[Value], index: usize) -> Str {
    match args.get(index) {
        Some(Value::Str(text)) => text.clone(),
        _ => Str::default(),
    }
}

/// `time`: `Parse` (RFC 3339 only), `Now`, the durations `Nanosecond` to `Hour`, Go's layouts.
#[must_use]
pub fn time() -> Value {
    let parse = typed("Parse", vec![GoType::String], GoType::Time, |ctx, args| {
        let layout = clock::layout("RFC3339").unwrap_or_default();
        let parsed = Time::parse(layout, &text(args, 0).to_lossy(), &Location::Utc, &ctx.local);
        parsed.map(Value::Time).map_err(CallError::new)
    });
    let now = typed("Now", Vec::new(), GoType::Time, |ctx, _| Ok(Value::Time(ctx.now.within(&ctx.local))));
    let mut members = vec![(Str::from_static("Parse"), parse), (Str::from_static("Now"), now)];
    members.extend(UNITS.map(|(name, nanoseconds)| (Str::from_static(name), Value::Duration(nanoseconds))));
    let layouts =
        LAYOUTS.into_iter().filter_map(|name| Some((Str::from_static(name), Value::str(clock::layout(name)?))));
    members.extend(layouts);
    Value::map(members)
}

/// `strings`: `ReplaceAll`, `ToUpper`, `ToLower`.
#[must_use]
pub fn strings() -> Value {
    let replace = typed("ReplaceAll", vec![GoType::String; 3], GoType::String, |ctx, args| {
        replace_all(ctx, &text(args, 0), &text(args, 1), &text(args, 2))
    });
    Value::map(vec![
        (Str::from_static("ReplaceAll"), replace),
        (Str::from_static("ToUpper"), cased("ToUpper", upper)),
        (Str::from_static("ToLower"), cased("ToLower", lower)),
    ])
}

fn cased(name: &str, map: fn(char) -> char) -> Value {
    typed(name, vec![GoType::String], GoType::String, move |ctx, args| {
        let text = text(args, 0);
        ctx.budget.step(text.len() as u64 / 16)?;
        ctx.budget.allocate(text.len() as u64)?;
        Ok(Value::str(text.to_lossy().chars().map(map).collect::<String>()))
    })
}

/// Go maps one character to one character: what has a longer form stays.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    mapped.next().filter(|_| mapped.next().is_none()).unwrap_or(c)
}

fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    if c == 'İ' { 'i' } else { mapped.next().filter(|_| mapped.next().is_none()).unwrap_or(c) }
}

fn replace_all(ctx: &CallContext<'_>, text: &Str, old: &Str, new: &Str) -> Result<Value, CallError> {
    let (text, old, new) = (text.to_lossy(), old.to_lossy(), new.to_lossy());
    let found = text.matches(&*old).count();
    ctx.budget.step((found + text.len() / 16) as u64)?;
    let size = text.len() - found * old.len() + found * new.len();
    ctx.budget.allocate(size as u64)?;
    Ok(Value::str(text.replace(&*old, &new)))
}

/// The members of `repo` that need no repository: `RepoURLToHTTPS`, `FullNameByRepoURL`, `QueryEscape`. The host adds
/// `GetCommitMetadata` and `GetAppDetails`.
#[must_use]
pub fn repo_pure() -> Vec<(Str, Value)> {
    let on_text = |name: &'static str, call: fn(&str) -> String| {
        let function = typed(name, vec![GoType::String], GoType::String, move |ctx, args| {
            let text = text(args, 0);
            ctx.budget.allocate(text.len() as u64 * 3)?;
            Ok(Value::str(call(&text.to_lossy())))
        });
        (Str::from_static(name), function)
    };
    let escape = typed("QueryEscape", vec![GoType::String], GoType::String, |ctx, args| {
        let text = text(args, 0);
        ctx.budget.allocate(text.len() as u64 * 3)?;
        Ok(Value::str(repository::query_escape(text.as_bytes())))
    });
    vec![
        on_text("RepoURLToHTTPS", repository::url_to_https),
        on_text("FullNameByRepoURL", repository::full_name_by_url),
        (Str::from_static("QueryEscape"), escape),
    ]
}

/// A Go struct whose fields are all there: what hosts return from functions.
pub struct Record {
    /// The printed type name without a pointer's star, such as `shared.CommitMetadata`.
    pub type_name: Arc<str>,
    /// Fields in declaration order by their Go names.
    pub fields: Vec<(Str, Value)>,
    /// Methods by name: functions that need no receiver.
    pub methods: Vec<(Str, Value)>,
    /// Whether Go code sees a pointer to it.
    pub pointer: bool,
}

impl Record {
    /// A struct without methods.
    #[must_use]
    pub fn value(type_name: &str, fields: Vec<(Str, Value)>) -> Value {
        Value::Struct(Arc::new(Self { type_name: type_name.into(), fields, methods: Vec::new(), pointer: false }))
    }
    /// What `repo.GetCommitMetadata` returns.
    #[must_use]
    pub fn commit(message: &str, author: &str, date: Time, tags: Vec<Value>) -> Value {
        let fields = vec![
            (Str::from_static("Message"), Value::str(message)),
            (Str::from_static("Author"), Value::str(author)),
            (Str::from_static("Date"), Value::Time(date)),
            (Str::from_static("Tags"), Value::list_of(GoType::String, tags)),
        ];
        Self::value("shared.CommitMetadata", fields)
    }
}

impl StructView for Record {
    fn type_name(&self) -> &str {
        &self.type_name
    }
    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone())
    }
    fn fields(&self) -> Vec<(Str, Value)> {
        self.fields.clone()
    }
    fn has_method(&self, name: &str) -> bool {
        self.methods.iter().any(|(method, _)| *method == name)
    }
    fn call(&self, name: &str, ctx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
        match self.methods.iter().find(|(method, _)| *method == name) {
            Some((_, Value::Func(func))) => (func.call)(ctx, args),
            _ => Err(CallError::new(format!("no method {name}"))),
        }
    }
    fn is_pointer(&self) -> bool {
        self.pointer
    }
}
