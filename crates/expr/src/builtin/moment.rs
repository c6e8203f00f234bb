//! Times, durations and zones. The time of `now` comes from the call context, never from a clock.

use super::{arg, arity};
use crate::builtin_types::Builtin;
use crate::eval::Run;
use crate::eval::convert::{Res, as_text, fault};
use gatepost_value::{CallError, Location, Time, Value, time};

/// What `date` tries without a layout, in this order.
const LAYOUTS: [&str; 7] = [
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
];

/// `now`, `duration`, `date`, `timezone`
pub(super) fn run(run: &Run<'_>, builtin: Builtin, args: &[Value]) -> Res<Value> {
    match builtin {
        Builtin::Now => now(run, args),
        Builtin::Duration => {
            let text = as_text(arg(args, 0))?.to_lossy().into_owned();
            time::parse_duration(&text).map(Value::Duration).map_err(CallError::new)
        }
        Builtin::Timezone => zone(run, &as_text(arg(args, 0))?.to_lossy()).map(Value::Location),
        _ => date(run, args),
    }
}

fn now(run: &Run<'_>, args: &[Value]) -> Res<Value> {
    match args {
        [] => Ok(Value::Time(run.ctx.now.within(&run.ctx.local))),
        [Value::Location(zone)] => Ok(Value::Time(run.ctx.now.within(zone))),
        _ => arity("0", args.len()),
    }
}

fn zone(run: &Run<'_>, name: &str) -> Res<Location> {
    if name == "Local" {
        return Ok(run.ctx.local.clone());
    }
    if name.contains("..") || name.starts_with(['/', '\\']) {
        return fault("time: invalid location name");
    }
    Location::load(name).map_or_else(|| fault(format!("unknown time zone {name}")), Ok)
}

fn date(run: &Run<'_>, args: &[Value]) -> Res<Value> {
    let (location, args) = match args {
        [Value::Location(location), rest @ ..] => (Some(location.clone()), rest),
        all => (None, all),
    };
    let text = as_text(arg(args, 0))?.to_lossy().into_owned();
    match args.len() {
        2 => read(run, &as_text(arg(args, 1))?.to_lossy(), &text, location.as_ref()).map_err(CallError::new),
        3 => {
            let layout = as_text(arg(args, 1))?.to_lossy().into_owned();
            let location = zone(run, &as_text(arg(args, 2))?.to_lossy())?;
            read(run, &layout, &text, Some(&location)).map_err(CallError::new)
        }
        _ => match LAYOUTS.iter().find_map(|layout| read(run, layout, &text, location.as_ref()).ok()) {
            Some(time) => Ok(time),
            None => fault(format!("invalid date {text}")),
        },
    }
}

/// `time.Parse`, or `time.ParseInLocation` where there is a location.
fn read(run: &Run<'_>, layout: &str, text: &str, location: Option<&Location>) -> Result<Value, String> {
    let parsed = match location {
        Some(location) => Time::parse(layout, text, location, location),
        None => Time::parse(layout, text, &Location::Utc, &run.ctx.local),
    };
    parsed.map(Value::Time)
}
