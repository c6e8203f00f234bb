//! The methods of Go's time types, by name and type.

use super::signature::{self, parse_types};
use crate::types::Type;

/// The method of a type, as a function without its receiver.
pub(super) fn of(base: &Type, name: &str) -> Option<Type> {
    let table: &[(&str, &str, &str)] = match base {
        Type::Time => TIME,
        Type::Duration => DURATION,
        Type::Month | Type::Weekday | Type::Location => STRING,
        Type::Error => ERROR,
        _ => return None,
    };
    let (_, params, results) = table.iter().find(|(known, ..)| *known == name)?;
    let receiver = base.to_string();
    Some(signature::function(parse_types(params), false, parse_types(results), Some(&receiver)))
}

const ERROR: &[(&str, &str, &str)] = &[("Error", "", "string")];
const STRING: &[(&str, &str, &str)] = &[("String", "", "string")];

const DURATION: &[(&str, &str, &str)] = &[
    ("Abs", "", "time.Duration"),
    ("Hours", "", "float64"),
    ("Microseconds", "", "int64"),
    ("Milliseconds", "", "int64"),
    ("Minutes", "", "float64"),
    ("Nanoseconds", "", "int64"),
    ("Round", "time.Duration", "time.Duration"),
    ("Seconds", "", "float64"),
    ("String", "", "string"),
    ("Truncate", "time.Duration", "time.Duration"),
];

const TIME: &[(&str, &str, &str)] = &[
    ("Add", "time.Duration", "time.Time"),
    ("AddDate", "int int int", "time.Time"),
    ("After", "time.Time", "bool"),
    ("AppendBinary", "[]uint8", "[]uint8 error"),
    ("AppendFormat", "[]uint8 string", "[]uint8"),
    ("AppendText", "[]uint8", "[]uint8 error"),
    ("Before", "time.Time", "bool"),
    ("Clock", "", "int int int"),
    ("Compare", "time.Time", "int"),
    ("Date", "", "int time.Month int"),
    ("Day", "", "int"),
    ("Equal", "time.Time", "bool"),
    ("Format", "string", "string"),
    ("GoString", "", "string"),
    ("GobEncode", "", "[]uint8 error"),
    ("Hour", "", "int"),
    ("ISOWeek", "", "int int"),
    ("In", "*time.Location", "time.Time"),
    ("IsDST", "", "bool"),
    ("IsZero", "", "bool"),
    ("Local", "", "time.Time"),
    ("Location", "", "*time.Location"),
    ("MarshalBinary", "", "[]uint8 error"),
    ("MarshalJSON", "", "[]uint8 error"),
    ("MarshalText", "", "[]uint8 error"),
    ("Minute", "", "int"),
    ("Month", "", "time.Month"),
    ("Nanosecond", "", "int"),
    ("Round", "time.Duration", "time.Time"),
    ("Second", "", "int"),
    ("String", "", "string"),
    ("Sub", "time.Time", "time.Duration"),
    ("Truncate", "time.Duration", "time.Time"),
    ("UTC", "", "time.Time"),
    ("Unix", "", "int64"),
    ("UnixMicro", "", "int64"),
    ("UnixMilli", "", "int64"),
    ("UnixNano", "", "int64"),
    ("Weekday", "", "time.Weekday"),
    ("Year", "", "int"),
    ("YearDay", "", "int"),
    ("Zone", "", "string int"),
    ("ZoneBounds", "", "time.Time time.Time"),
];
