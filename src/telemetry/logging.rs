//! The log: how lines look, what is masked in them, and which targets are logged at which level.
//!
//! The filter can be changed while the process runs, for good or for a while. Whoever sets one for a while says when it ends
//! ([`fall_back`]): no clock is read here.

use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, LevelFilter};

/// What is logged where the filter of the command line cannot be read.
const FALLBACK: &str = "info";
/// Every level, for people.
const LEVELS: &str = "off, error, warn, info, debug, trace";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A filter that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A part of it cannot be read.
    #[error("character {position}: {why}")]
    Part {
        /// Where the part begins, from 1.
        position: usize,
        /// What is wrong and what would be right.
        why: String,
    },
    /// There is no log whose filter could be changed.
    #[error("this process does not log")]
    NoLog,
}

/// Masks what must not be in the log.
type Masking = Box<dyn Fn(&str) -> String + Send + Sync>;

static MASKING: RwLock<Option<Masking>> = RwLock::new(None);

/// From now on every log line passes this, those of libraries at the finest level too.
pub fn mask_log_lines(mask: impl Fn(&str) -> String + Send + Sync + 'static) {
    *MASKING.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(mask));
}

/// Standard error behind the mask. A line comes in one piece.
#[derive(Debug, Clone, Copy)]
struct Masked;

impl Masked {
    const fn new() -> Self {
        Self
    }
}

impl std::io::Write for Masked {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let masking = MASKING.read().unwrap_or_else(PoisonError::into_inner);
        match masking.as_ref() {
            Some(mask) => std::io::stderr().write_all(mask(&String::from_utf8_lossy(line)).as_bytes())?,
            None => std::io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// The filter in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// As it was written.
    pub filter: String,
    /// For one that holds for a while: until when (Unix milliseconds), and what follows.
    pub until: Option<(i64, String)>,
}

/// Puts a filter in force.
type Apply = Box<dyn Fn(EnvFilter) -> bool + Send>;

/// The filters of a running log.
struct Levels {
    apply: Apply,
    standing: String,
    passing: Option<(String, i64)>,
    /// Counts the changes.
    edition: u64,
}

static LEVELS_NOW: OnceLock<Mutex<Levels>> = OnceLock::new();

impl Levels {
    fn now(&self) -> LogFilter {
        match &self.passing {
            Some((filter, until_ms)) => {
                LogFilter { filter: filter.clone(), until: Some((*until_ms, self.standing.clone())) }
            }
            None => LogFilter { filter: self.standing.clone(), until: None },
        }
    }

    fn set(&mut self, filter: &str, until_ms: Option<i64>) -> Result<u64, FilterError> {
        let parsed = parse(filter)?;
        if !(self.apply)(parsed) {
            return Err(FilterError::NoLog);
        }
        match until_ms {
            Some(until_ms) => self.passing = Some((filter.to_owned(), until_ms)),
            None => (self.standing, self.passing) = (filter.to_owned(), None),
        }
        self.edition += 1;
        Ok(self.edition)
    }

    /// Whether there was something to fall back from.
    fn fall_back(&mut self, edition: u64) -> bool {
        if edition != self.edition || self.passing.is_none() {
            return false;
        }
        let standing = self.standing.clone();
        self.set(&standing, None).is_ok()
    }
}

fn with_levels<T>(act: impl FnOnce(&mut Levels) -> T) -> Option<T> {
    let mut levels = LEVELS_NOW.get()?.lock().unwrap_or_else(PoisonError::into_inner);
    Some(act(&mut levels))
}

/// The filter in force; `None` where this process does not log.
#[must_use]
pub fn log_filter() -> Option<LogFilter> {
    with_levels(|levels| levels.now())
}

/// Sets the filter, for good or until a time (Unix milliseconds) at which [`fall_back`] has to be called with the answer.
///
/// # Errors
/// A part of it cannot be read; nothing is changed then.
pub fn set_log_filter(filter: &str, until_ms: Option<i64>) -> Result<u64, FilterError> {
    with_levels(|levels| levels.set(filter, until_ms)).unwrap_or(Err(FilterError::NoLog))
}

/// The time of a filter is over; of one that was replaced meanwhile it does not matter.
pub fn fall_back(edition: u64) {
    if let Some((true, filter)) = with_levels(|levels| (levels.fall_back(edition), levels.standing.clone())) {
        tracing::info!(filter, "the log filter is the one of before again");
    }
}

/// Starts logging to standard error at a level such as `info` or `gatepost=debug,kube=warn`. The names of levels that the Argo CD controller
/// takes are understood.
pub fn start_logging(level: &str, format: LogFormat) {
    let level = match level {
        "warning" => "warn",
        "fatal" | "panic" => "error",
        other => other,
    };
    let (standing, filter, wrong) = match parse(level) {
        Ok(filter) => (level, filter, None),
        Err(error) => (FALLBACK, EnvFilter::new(FALLBACK), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Masked::new);
    let (started, apply): (_, Apply) = match format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            (builder.try_init().is_ok(), Box::new(move |filter| heard(handle.reload(filter).is_ok())))
        }
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            (builder.try_init().is_ok(), Box::new(move |filter| heard(handle.reload(filter).is_ok())))
        }
    };
    if !started {
        tracing::debug!("logging was started before");
        return;
    }
    let levels = Levels { apply, standing: standing.to_owned(), passing: None, edition: 0 };
    if LEVELS_NOW.set(Mutex::new(levels)).is_err() {
        tracing::debug!("the filter of the log can be changed already");
    }
    if let Some(error) = wrong {
        tracing::warn!(filter = level, %error, "the log level cannot be read; {FALLBACK} is used");
    }
}

/// Libraries that log through `log` ask that crate whether a level is wanted at all.
fn heard(changed: bool) -> bool {
    let finest = LevelFilter::current().into_level().map_or(log::LevelFilter::Off, |level| match level {
        Level::ERROR => log::LevelFilter::Error,
        Level::WARN => log::LevelFilter::Warn,
        Level::INFO => log::LevelFilter::Info,
        Level::DEBUG => log::LevelFilter::Debug,
        Level::TRACE => log::LevelFilter::Trace,
    });
    log::set_max_level(finest);
    changed
}

/// Reads a filter: a level, or `target=level`, several parted by commas.
fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let parts = parts(filter);
    for (position, part) in &parts {
        check(part).map_err(|why| FilterError::Part { position: *position, why })?;
    }
    let trimmed: Vec<&str> = parts.iter().map(|(_, part)| part.trim()).collect();
    EnvFilter::try_new(trimmed.join(",")).map_err(|error| FilterError::Part { position: 1, why: error.to_string() })
}

/// The parts of a filter with the character that each begins at. Commas within the brackets of a span's fields part nothing.
fn parts(filter: &str) -> Vec<(usize, &str)> {
    let (mut found, mut depth, mut begin) = (Vec::new(), 0_usize, (0, 1));
    for (number, (at, character)) in filter.char_indices().enumerate() {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push((begin.1, &filter[begin.0..at]));
                begin = (at + 1, number + 2);
            }
            _ => {}
        }
    }
    found.push((begin.1, &filter[begin.0..]));
    found
}

/// Stricter than the library: a word that is no level is to it a target of which everything is logged.
fn check(part: &str) -> Result<(), String> {
    if part.trim().is_empty() {
        return Err(format!("a part is empty; write a level ({LEVELS}) or target=level"));
    }
    let (level, of_target) = match part.rsplit_once('=') {
        Some((_, level)) if !level.contains([']', '}']) => (level, true),
        _ => (part, false),
    };
    if level.trim().parse::<LevelFilter>().is_err() {
        return Err(match of_target {
            true => format!("{:?} is no level; use one of {LEVELS}", level.trim()),
            false => format!("{:?} is no level ({LEVELS}); for a target write {}=debug", part.trim(), part.trim()),
        });
    }
    part.trim().parse::<Directive>().map(|_| ()).map_err(|error| format!("{:?} cannot be read: {error}", part.trim()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::sync::Arc;

    fn levels() -> (Levels, Arc<Mutex<Vec<String>>>) {
        let applied = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&applied);
        let apply = move |filter: EnvFilter| {
            noted.lock().unwrap().push(filter.to_string());
            true
        };
        (Levels { apply: Box::new(apply), standing: "info".into(), passing: None, edition: 0 }, applied)
    }

    #[test]
    fn a_filter_is_set_for_good_or_for_a_while() {
        let (mut levels, applied) = levels();
        levels.set("warn", None).unwrap();
        let edition = levels.set("gatepost=debug", Some(5_000)).unwrap();
        let now = LogFilter { filter: "gatepost=debug".into(), until: Some((5_000, "warn".into())) };
        assert_eq!(levels.now(), now);
        assert!(levels.fall_back(edition));
        assert_eq!(levels.now(), LogFilter { filter: "warn".into(), until: None });
        assert_eq!(*applied.lock().unwrap(), ["warn", "gatepost=debug", "warn"]);
    }

    #[test]
    fn a_time_that_is_over_ends_only_the_filter_that_it_was_for() {
        let (mut levels, _) = levels();
        let first = levels.set("debug", Some(5_000)).unwrap();
        let second = levels.set("trace", Some(9_000)).unwrap();
        assert!(!levels.fall_back(first));
        assert_eq!(levels.now().filter, "trace");
        let good = levels.set("error", None).unwrap();
        assert!(!levels.fall_back(second) && !levels.fall_back(good));
        assert_eq!(levels.now(), LogFilter { filter: "error".into(), until: None });
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place_and_changes_nothing() {
        let (mut levels, applied) = levels();
        let told = [
            (
                "debgu",
                "character 1: \"debgu\" is no level (off, error, warn, info, debug, trace); for a target write debgu=debug",
            ),
            (
                "info,gatepost=debgu",
                "character 6: \"debgu\" is no level; use one of off, error, warn, info, debug, trace",
            ),
            ("é=info,,kube=warn", "character 8: a part is empty"),
            ("", "character 1: a part is empty"),
            ("info,a[b{c=1,d=2}]", "character 6: \"a[b{c=1,d=2}]\" is no level"),
        ];
        for (filter, error) in told {
            let found = levels.set(filter, None).unwrap_err().to_string();
            assert!(found.starts_with(error), "{filter}: {found}");
        }
        assert_eq!(levels.now().filter, "info");
        assert!(applied.lock().unwrap().is_empty());
    }

    #[test]
    fn levels_targets_and_spans_are_read() {
        for filter in [
            "info",
            "WARN",
            "off",
            "gatepost=debug,kube=warn,info",
            "a::b=trace",
            " info , x=error ",
            "a[b{c=1}]=debug",
        ] {
            assert!(parse(filter).is_ok(), "{filter}: {:?}", parse(filter).err());
        }
    }
}
