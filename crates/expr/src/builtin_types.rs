//! The built-in functions by name. What they accept is decided in [`crate::checker`], what they do in [`crate::builtin`].

use std::collections::HashMap;
use std::sync::LazyLock;

/// A built-in function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum Builtin {
    All, None, Any, One, Filter, Map, Find, FindIndex, FindLast, FindLastIndex, Count, Sum, GroupBy, SortBy,
    Reduce, Len, Type, Abs, Ceil, Floor, Round, Int, Float, String, Trim, TrimPrefix, TrimSuffix, Upper, Lower,
    Split, SplitAfter, Replace, Repeat, Join, IndexOf, LastIndexOf, HasPrefix, HasSuffix, Max, Min, Mean, Median,
    ToJSON, FromJSON, ToBase64, FromBase64, Now, Duration, Date, Timezone, First, Last, Get, Take, Keys, Values,
    ToPairs, FromPairs, Reverse, Uniq, Concat, Flatten, Sort, Bitand, Bitor, Bitxor, Bitnand, Bitshl, Bitshr,
    Bitushr, Bitnot,
}

/// All built-ins with their names.
pub const ALL: [(Builtin, &str); 71] = [
    (Builtin::All, "all"),
    (Builtin::None, "none"),
    (Builtin::Any, "any"),
    (Builtin::One, "one"),
    (Builtin::Filter, "filter"),
    (Builtin::Map, "map"),
    (Builtin::Find, "find"),
    (Builtin::FindIndex, "findIndex"),
    (Builtin::FindLast, "findLast"),
    (Builtin::FindLastIndex, "findLastIndex"),
    (Builtin::Count, "count"),
    (Builtin::Sum, "sum"),
    (Builtin::GroupBy, "groupBy"),
    (Builtin::SortBy, "sortBy"),
    (Builtin::Reduce, "reduce"),
    (Builtin::Len, "len"),
    (Builtin::Type, "type"),
    (Builtin::Abs, "abs"),
    (Builtin::Ceil, "ceil"),
    (Builtin::Floor, "floor"),
    (Builtin::Round, "round"),
    (Builtin::Int, "int"),
    (Builtin::Float, "float"),
    (Builtin::String, "string"),
    (Builtin::Trim, "trim"),
    (Builtin::TrimPrefix, "trimPrefix"),
    (Builtin::TrimSuffix, "trimSuffix"),
    (Builtin::Upper, "upper"),
    (Builtin::Lower, "lower"),
    (Builtin::Split, "split"),
    (Builtin::SplitAfter, "splitAfter"),
    (Builtin::Replace, "replace"),
    (Builtin::Repeat, "repeat"),
    (Builtin::Join, "join"),
    (Builtin::IndexOf, "indexOf"),
    (Builtin::LastIndexOf, "lastIndexOf"),
    (Builtin::HasPrefix, "hasPrefix"),
    (Builtin::HasSuffix, "hasSuffix"),
    (Builtin::Max, "max"),
    (Builtin::Min, "min"),
    (Builtin::Mean, "mean"),
    (Builtin::Median, "median"),
    (Builtin::ToJSON, "toJSON"),
    (Builtin::FromJSON, "fromJSON"),
    (Builtin::ToBase64, "toBase64"),
    (Builtin::FromBase64, "fromBase64"),
    (Builtin::Now, "now"),
    (Builtin::Duration, "duration"),
    (Builtin::Date, "date"),
    (Builtin::Timezone, "timezone"),
    (Builtin::First, "first"),
    (Builtin::Last, "last"),
    (Builtin::Get, "get"),
    (Builtin::Take, "take"),
    (Builtin::Keys, "keys"),
    (Builtin::Values, "values"),
    (Builtin::ToPairs, "toPairs"),
    (Builtin::FromPairs, "fromPairs"),
    (Builtin::Reverse, "reverse"),
    (Builtin::Uniq, "uniq"),
    (Builtin::Concat, "concat"),
    (Builtin::Flatten, "flatten"),
    (Builtin::Sort, "sort"),
    (Builtin::Bitand, "bitand"),
    (Builtin::Bitor, "bitor"),
    (Builtin::Bitxor, "bitxor"),
    (Builtin::Bitnand, "bitnand"),
    (Builtin::Bitshl, "bitshl"),
    (Builtin::Bitshr, "bitshr"),
    (Builtin::Bitushr, "bitushr"),
    (Builtin::Bitnot, "bitnot"),
];

static BY_NAME: LazyLock<HashMap<&'static str, Builtin>> =
    LazyLock::new(|| ALL.iter().map(|(builtin, name)| (*name, *builtin)).collect());

/// Whether an argument of a predicate built-in is a plain expression or a predicate, and whether it may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub predicate: bool,
    pub optional: bool,
}

const EXPR: Slot = Slot { predicate: false, optional: false };
const PREDICATE: Slot = Slot { predicate: true, optional: false };
const OPTIONAL_PREDICATE: Slot = Slot { predicate: true, optional: true };
const OPTIONAL_EXPR: Slot = Slot { predicate: false, optional: true };

impl Builtin {
    /// The built-in of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        BY_NAME.get(name).copied()
    }
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(builtin, _)| *builtin == self).map_or("", |(_, name)| name)
    }
    /// The arguments of a built-in that takes a predicate; `None` for all others.
    pub(crate) const fn predicate_slots(self) -> Option<&'static [Slot]> {
        match self {
            Self::Count | Self::Sum => Some(&[EXPR, OPTIONAL_PREDICATE]),
            Self::SortBy | Self::Reduce => Some(&[EXPR, PREDICATE, OPTIONAL_EXPR]),
            Self::All
            | Self::None
            | Self::Any
            | Self::One
            | Self::Filter
            | Self::Map
            | Self::Find
            | Self::FindIndex
            | Self::FindLast
            | Self::FindLastIndex
            | Self::GroupBy => Some(&[EXPR, PREDICATE]),
            _ => None,
        }
    }
}
