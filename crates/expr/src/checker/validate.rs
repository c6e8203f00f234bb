//! Built-ins whose arguments are checked by kind rather than by signature.

use crate::builtin_types::Builtin;
use crate::types::{GoKind, Type};

type Answer = Result<Type, String>;

/// A type as Go's `%s` prints it: nil has none.
fn shown(ty: &Type) -> String {
    match ty {
        Type::Nil => "%!s(<nil>)".to_owned(),
        Type::Unknown => Type::Any.to_string(),
        ty => ty.to_string(),
    }
}

/// Go's kind of an argument, pointers followed and unknown taken for `interface {}`.
fn kind(ty: &Type) -> GoKind {
    match ty {
        Type::Unknown => GoKind::Interface,
        ty => ty.deref().kind(),
    }
}

const fn is_number(kind: GoKind) -> bool {
    matches!(kind, GoKind::Int | GoKind::Int64 | GoKind::OtherInt | GoKind::Float)
}

/// A type without what is known of its elements beyond Go's type.
fn plain(ty: &Type) -> Type {
    match ty {
        Type::Unknown => Type::Any,
        Type::Array(_) => Type::any_array(),
        ty => ty.clone(),
    }
}

fn one(args: &[Type]) -> Result<&Type, String> {
    match args {
        [one] => Ok(one),
        _ => Err(format!("invalid number of arguments (expected 1, got {})", args.len())),
    }
}

/// One argument of a kind that `fits`; the error begins with `refusal`, and the type follows as given or in brackets.
fn unary(args: &[Type], fits: fn(GoKind) -> bool, result: Type, refusal: &str) -> Answer {
    let arg = one(args)?;
    if fits(kind(arg)) { Ok(result) } else { Err(refusal.replace("{}", &shown(arg))) }
}

/// What a call gives, or why it cannot be made.
pub(super) fn validate(builtin: Builtin, args: &[Type]) -> Answer {
    use Builtin as B;
    let list: fn(GoKind) -> bool = |k| matches!(k, GoKind::Interface | GoKind::Slice);
    let map: fn(GoKind) -> bool = |k| matches!(k, GoKind::Interface | GoKind::Map);
    let number: fn(GoKind) -> bool = |k| k == GoKind::Interface || is_number(k);
    let scalar: fn(GoKind) -> bool = |k| matches!(k, GoKind::Interface | GoKind::String) || is_number(k);
    let sized: fn(GoKind) -> bool = |k| matches!(k, GoKind::Interface | GoKind::Slice | GoKind::Map | GoKind::String);
    let name = builtin.name();
    let invalid = format!("invalid argument for {name} (type {{}})");
    let array = Type::any_array();
    match builtin {
        B::Len => unary(args, sized, Type::Int, &invalid),
        B::Abs => unary(args, number, args.first().map_or(Type::Any, plain), &invalid),
        B::Ceil | B::Floor | B::Round => unary(args, number, Type::Float, &invalid),
        B::Int => unary(args, scalar, Type::Int, &invalid),
        B::Float => unary(args, scalar, Type::Float, &invalid),
        B::Max | B::Min | B::Mean | B::Median => aggregate(name, args),
        B::Now => now(args),
        B::Date => date(args),
        B::First => unary(args, list, element(args), "cannot get first element from {}"),
        B::Last => unary(args, list, element(args), "cannot get last element from {}"),
        B::Take => take(args),
        B::Keys => unary(args, map, array, "cannot get keys from {}"),
        B::Values => unary(args, map, array, "cannot get values from {}"),
        B::ToPairs => unary(args, map, array, "cannot transform {} to pairs"),
        B::FromPairs => unary(args, list, Type::AnyMap, "cannot transform {} from pairs"),
        B::Reverse => unary(args, list, array, "cannot reverse {}"),
        B::Uniq => unary(args, list, array, "cannot uniq {}"),
        B::Flatten => unary(args, list, array, "cannot flatten {}"),
        B::Concat => concat(args),
        // `get` under another name takes anything.
        _ => Ok(Type::Any),
    }
}

fn element(args: &[Type]) -> Type {
    match args.first() {
        Some(ty) if ty.is_array() => plain(ty).elem(),
        _ => Type::Any,
    }
}

fn aggregate(name: &str, args: &[Type]) -> Answer {
    let Some(first) = args.first() else { return Err(format!("not enough arguments to call {name}")) };
    for arg in args {
        match kind(arg) {
            GoKind::Interface | GoKind::Slice => return Ok(Type::Any),
            kind if is_number(kind) => {}
            _ => return Err(format!("invalid argument for {name} (type {})", shown(arg))),
        }
    }
    Ok(plain(first))
}

fn now(args: &[Type]) -> Answer {
    match args {
        [] | [Type::Location] => Ok(Type::Time),
        _ => Err(format!("invalid number of arguments (expected 0, got {})", args.len())),
    }
}

fn date(args: &[Type]) -> Answer {
    let rest = match args {
        [] => return Err("invalid number of arguments (expected at least 1, got 0)".to_owned()),
        [Type::Location, rest @ ..] => rest,
        all => all,
    };
    if rest.len() > 3 {
        return Err(format!("invalid number of arguments (expected at most 3, got {})", rest.len()));
    }
    Ok(Type::Time)
}

fn take(args: &[Type]) -> Answer {
    let [list, count] = args else {
        return Err(format!("invalid number of arguments (expected 2, got {})", args.len()));
    };
    if !matches!(kind(list), GoKind::Interface | GoKind::Slice) {
        return Err(format!("cannot take from {}", shown(list)));
    }
    // Unsigned counts are refused, as Go does.
    let fits = matches!(kind(count), GoKind::Interface | GoKind::Int | GoKind::Int64);
    if fits { Ok(plain(list)) } else { Err(format!("cannot take {} elements", shown(count))) }
}

fn concat(args: &[Type]) -> Answer {
    if args.is_empty() {
        return Err("invalid number of arguments (expected at least 1, got 0)".to_owned());
    }
    match args.iter().find(|arg| !matches!(kind(arg), GoKind::Interface | GoKind::Slice)) {
        Some(arg) => Err(format!("cannot concat {}", shown(arg))),
        None => Ok(Type::any_array()),
    }
}
