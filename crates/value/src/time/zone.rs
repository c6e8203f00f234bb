//! Time zones: which abbreviation and offset holds at an instant. The rules are compiled in; the machine's are never read.

use std::sync::Arc;

/// A time zone as Go's `*time.Location`.
#[derive(Clone, Debug)]
pub enum Location {
    /// UTC.
    Utc,
    /// A fixed offset in seconds east of UTC, with its name (may be empty).
    Fixed(Arc<str>, i32),
    /// An IANA zone; `local` where it is `time.Local` (prints as `Local`).
    Zone {
        /// The rules.
        tz: jiff::tz::TimeZone,
        /// IANA name.
        name: Arc<str>,
        /// Whether this is time.Local.
        local: bool,
    },
}

impl Location {
    /// `time.LoadLocation`: IANA names as they are spelled; "" and "UTC" are UTC. "Local" is UTC under that name:
    /// who has a [`crate::CallContext`] answers its `local` instead.
    #[must_use]
    pub fn load(name: &str) -> Option<Self> {
        match name {
            "" | "UTC" => Some(Self::Utc),
            "Local" => Some(Self::Zone { tz: jiff::tz::TimeZone::UTC, name: "UTC".into(), local: true }),
            _ => {
                let tz = jiff::tz::db().get(name).ok()?;
                (tz.iana_name() == Some(name)).then(|| Self::Zone { tz, name: name.into(), local: false })
            }
        }
    }

    /// The same zone as Go's `time.Local`.
    #[must_use]
    pub fn into_local(self) -> Self {
        match self {
            Self::Zone { tz, name, .. } => Self::Zone { tz, name, local: true },
            other => other,
        }
    }

    /// Name as `Location.String()`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Utc => "UTC",
            Self::Fixed(name, _) => name,
            Self::Zone { local: true, .. } => "Local",
            Self::Zone { name, .. } => name,
        }
    }

    /// Abbreviation and offset in seconds at an instant.
    #[must_use]
    pub fn at(&self, secs: i64) -> (String, i32) {
        match self {
            Self::Utc => ("UTC".to_owned(), 0),
            Self::Fixed(name, offset) => (name.to_string(), *offset),
            Self::Zone { tz, .. } => {
                let info = tz.to_offset_info(timestamp(secs));
                (info.abbreviation().to_owned(), info.offset().seconds())
            }
        }
    }

    /// The offset alone.
    #[must_use]
    pub fn offset(&self, secs: i64) -> i32 {
        match self {
            Self::Utc => 0,
            Self::Fixed(_, offset) => *offset,
            Self::Zone { tz, .. } => tz.to_offset(timestamp(secs)).seconds(),
        }
    }

    /// Whether daylight saving time is in effect.
    #[must_use]
    pub fn is_dst(&self, secs: i64) -> bool {
        match self {
            Self::Zone { tz, .. } => tz.to_offset_info(timestamp(secs)).dst().is_dst(),
            Self::Utc | Self::Fixed(..) => false,
        }
    }

    /// The offset that an abbreviation stands for near a civil time given as if it were UTC: one that is in effect then
    /// goes before one that the zone had or will have at another time.
    pub(super) fn offset_of(&self, abbreviation: &str, civil_secs: i64) -> Option<i32> {
        let candidates = self.offsets_named(abbreviation, civil_secs);
        let in_effect = |offset: &i32| self.at(civil_secs.saturating_sub(i64::from(*offset))).0 == abbreviation;
        candidates.iter().copied().find(in_effect).or_else(|| candidates.first().copied())
    }

    fn offsets_named(&self, abbreviation: &str, secs: i64) -> Vec<i32> {
        /// Two centuries of two changes a year.
        const TRANSITIONS: usize = 400;
        let Self::Zone { tz, .. } = self else {
            let (name, offset) = self.at(secs);
            return if name == abbreviation { vec![offset] } else { Vec::new() };
        };
        let day_after = timestamp(secs.saturating_add(2 * 86_400));
        let after = tz.following(day_after).take(4);
        let around = tz.preceding(day_after).take(TRANSITIONS).chain(after);
        let mut offsets: Vec<i32> = Vec::new();
        for transition in around.filter(|t| t.abbreviation() == abbreviation) {
            let offset = transition.offset().seconds();
            if !offsets.contains(&offset) {
                offsets.push(offset);
            }
        }
        let (name, offset) = self.at(secs);
        if name == abbreviation && !offsets.contains(&offset) {
            offsets.insert(0, offset);
        }
        offsets
    }
}

/// The nearest instant that zone rules are known for (years -9999 to 9999).
fn timestamp(secs: i64) -> jiff::Timestamp {
    let (least, most) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
    jiff::Timestamp::from_second(secs).unwrap_or(if secs < 0 { least } else { most })
}
