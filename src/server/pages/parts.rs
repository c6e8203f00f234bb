//! Small things that pages share and that know how they look: times, badges, numbers, links, paging. What they print is made of
//! numbers and words of this file only, so it needs no escaping; texts of others are [`super::Text`].

use super::Text;
use crate::outbox::{Breaker, State};
use askama::filters::HtmlSafe;
use std::fmt;

/// A moment: how long ago, with the absolute time for those who point at it and for the script that keeps it fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Moment {
    at_ms: i64,
    now_ms: i64,
}

impl Moment {
    /// Both in Unix milliseconds.
    pub const fn new(at_ms: i64, now_ms: i64) -> Self {
        Self { at_ms, now_ms }
    }
}

impl HtmlSafe for Moment {}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = jiff::Timestamp::from_second(self.at_ms.div_euclid(1000));
        let Ok(at) = whole.map(|at| at.to_string()) else { return f.write_str("at an unknown time") };
        let shown = at.replace('T', " ").replace('Z', " UTC");
        let phrase = Phrase(self.now_ms.saturating_sub(self.at_ms).div_euclid(1000));
        write!(f, "<time datetime=\"{at}\" title=\"{shown}\">{phrase}</time>")
    }
}

/// Seconds ago in words; below zero: to come. `gatepost.js` says the same.
struct Phrase(i64);

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=4 => f.write_str("just now"),
            -4..=-1 => f.write_str("now"),
            5.. => write!(f, "{} ago", Span(self.0)),
            _ => write!(f, "in {}", Span(self.0.saturating_neg())),
        }
    }
}

/// A span of seconds in its largest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Span(pub i64);

impl HtmlSafe for Span {}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..=59 => write!(f, "{} s", self.0.max(0)),
            60..=3_599 => write!(f, "{} min", self.0 / 60),
            3_600..=172_799 => write!(f, "{} h", self.0 / 3_600),
            _ => write!(f, "{} d", self.0 / 86_400),
        }
    }
}

/// Milliseconds as people read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Millis(pub u64);

impl HtmlSafe for Millis {}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=9_999 => write!(f, "{} ms", Count(self.0)),
            long => Span(i64::try_from(long / 1000).unwrap_or(i64::MAX)).fmt(f),
        }
    }
}

/// A number, its thousands apart by narrow spaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::server) struct Count(pub u64);

impl HtmlSafe for Count {}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.char_indices() {
            if place > 0 && (digits.len() - place) % 3 == 0 {
                f.write_str("\u{202f}")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// What a colour says; the word beside it says it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Tone {
    /// As it should be.
    Ok,
    /// Look at it when there is time.
    Warn,
    /// Look at it now.
    Bad,
    /// Neither.
    Idle,
}

impl HtmlSafe for Tone {}

impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Idle => "idle",
        })
    }
}

/// A state: a word of ours with a tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Badge {
    pub word: &'static str,
    pub tone: Tone,
}

impl Badge {
    /// A word of this code, never of others.
    pub const fn new(word: &'static str, tone: Tone) -> Self {
        Self { word, tone }
    }
}

impl HtmlSafe for Badge {}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<span class=\"badge {}\">{}</span>", self.tone, self.word)
    }
}

impl From<State> for Badge {
    fn from(state: State) -> Self {
        match state {
            State::Prepared => Self::new("prepared", Tone::Idle),
            State::Claimed => Self::new("in flight", Tone::Idle),
            State::Waiting => Self::new("waiting", Tone::Warn),
            State::Delivered => Self::new("delivered", Tone::Ok),
            State::Dead => Self::new("dead", Tone::Bad),
            State::Superseded => Self::new("superseded", Tone::Idle),
            State::TakenOver => Self::new("taken over", Tone::Idle),
            State::Discarded => Self::new("discarded", Tone::Idle),
        }
    }
}

impl From<&Breaker> for Badge {
    fn from(breaker: &Breaker) -> Self {
        match breaker {
            Breaker::Closed { failures: 0 } => Self::new("sends", Tone::Ok),
            Breaker::Closed { .. } => Self::new("sends, with failures", Tone::Warn),
            Breaker::HalfOpen { .. } => Self::new("tries one", Tone::Warn),
            Breaker::Open { .. } => Self::new("paused", Tone::Bad),
        }
    }
}

/// A name that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Link {
    pub name: Text,
    pub href: String,
}

/// Where a page of a list leads on to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::server) struct Paging {
    /// The first page, where this is another.
    pub first: Option<String>,
    /// The next page, where there is one.
    pub next: Option<String>,
}

impl Paging {
    /// `filters` are the query without `after`; `after` is where this page began, `next` where the next one begins.
    pub fn new(path: &str, filters: &[(&str, &str)], after: Option<&str>, next: Option<&str>) -> Self {
        let next = next.map(|next| href(path, &[filters, &[("after", next)]].concat()));
        Self { first: after.map(|_| href(path, filters)), next }
    }

    /// Whether there is another page at all.
    pub fn is_needed(&self) -> bool {
        self.first.is_some() || self.next.is_some()
    }
}

/// An address with a query; empty values are left out.
pub(in crate::server) fn href(path: &str, query: &[(&str, &str)]) -> String {
    let given = query.iter().filter(|(_, value)| !value.is_empty());
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// An address of segments, each of which may hold anything.
pub(in crate::server) fn path(segments: &[&str]) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    segments.iter().map(|segment| format!("/{}", utf8_percent_encode(segment, KEPT))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_say_how_long_and_when() {
        let shown =
            |seconds_ago: i64| Moment::new(1_800_000_000_000 - seconds_ago * 1000, 1_800_000_000_000).to_string();
        assert_eq!(
            shown(180),
            "<time datetime=\"2027-01-15T07:57:00Z\" title=\"2027-01-15 07:57:00 UTC\">3 min ago</time>"
        );
        for (ago, phrase) in [
            (0, "just now"),
            (-3, "now"),
            (59, "59 s ago"),
            (7_200, "2 h ago"),
            (172_800, "2 d ago"),
            (-90, "in 1 min"),
            (-5, "in 5 s"),
        ] {
            assert!(shown(ago).contains(&format!(">{phrase}<")), "{ago}: {}", shown(ago));
        }
        assert_eq!(Moment::new(i64::MAX, 0).to_string(), "at an unknown time");
        assert!(Moment::new(0, i64::MIN).to_string().contains("1970"));
    }

    #[test]
    fn numbers_are_read_in_groups() {
        let shown = [0, 999, 1_000, 1_234_567].map(|number| Count(number).to_string());
        assert_eq!(shown, ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        assert_eq!([Millis(45).to_string(), Millis(61_000).to_string()], ["45 ms", "1 min"]);
    }

    #[test]
    fn links_hold_what_they_are_given_and_nothing_else() {
        assert_eq!(href("/d", &[("app", "a b&c"), ("state", "")]), "/d?app=a+b%26c");
        assert_eq!(path(&["applications", "a/b", "x?<"]), "/applications/a%2Fb/x%3F%3C");
        let paging = Paging::new("/d", &[("app", "a")], None, Some("dlv_1"));
        assert_eq!((paging.first.as_deref(), paging.next.as_deref()), (None, Some("/d?app=a&after=dlv_1")));
        assert!(!Paging::new("/d", &[], None, None).is_needed());
    }
}
