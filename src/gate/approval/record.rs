//! What a run is made of: its identity, what it is bound to, its phases, and who said what. Values only; how a run goes on is in
//! [`super::run`].

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Identity of a run: 128 random bits in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId([u8; 16]);

impl RunId {
    /// The id of these bits; they are to be random.
    #[must_use]
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a run id: they are 32 hexadecimal digits in lower case")]
pub struct InvalidRunId;

impl FromStr for RunId {
    type Err = InvalidRunId;

    fn from_str(text: &str) -> Result<Self, InvalidRunId> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(InvalidRunId),
        };
        let digits: [u8; 32] = text.as_bytes().try_into().map_err(|_| InvalidRunId)?;
        let mut bits = [0; 16];
        for (byte, pair) in bits.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bits))
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Which `WebhookApproval` a run belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApprovalId {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: an approval of the same name made later is another one.
    pub uid: String,
}

/// What a run is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Branch of the environment; the Application's `<namespace>/<name>`; empty for a run opened through the API.
    pub branch: String,
    /// The SHA that is judged; for a run opened through the API the name that its caller gave it.
    pub sha: String,
}

/// When in a deployment the outside process is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// On the proposed SHA.
    BeforeDeployment,
    /// In a roll-out, opened through the API.
    WithinDeployment,
    /// On the active SHA.
    AfterDeployment,
}

impl Stage {
    /// The word of the spec field.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeDeployment => "beforeDeployment",
            Self::WithinDeployment => "withinDeployment",
            Self::AfterDeployment => "afterDeployment",
        }
    }
}

/// Where a run is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The request is on its way.
    Requesting,
    /// The request was delivered; the answer, or people, are waited for.
    Waiting,
    /// Everything that was needed said yes.
    Succeeded,
    /// Somebody said no, or the request can never be delivered.
    Failed,
    /// Nobody answered in time.
    TimedOut,
    /// A newer SHA took its place.
    Superseded,
    /// A person ended it, or what it belonged to is gone.
    Cancelled,
}

impl Phase {
    /// Every phase, in the order of the life.
    pub const ALL: [Self; 7] = [
        Self::Requesting,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Superseded,
        Self::Cancelled,
    ];

    /// Whether something may still happen.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requesting | Self::Waiting)
    }

    /// The word in status and API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requesting => "requesting",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timedOut",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        }
    }

    /// The phase of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }
}

/// Who called, as the audit trail keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// `runToken`, `oauth`, `kubernetes`, `oidc`, or `gatepost` for the product itself.
    pub kind: String,
    /// Name of the client, user or subject; empty for a run token.
    pub name: String,
    /// Address that the call came from.
    pub from: String,
}

impl Caller {
    /// Gatepost itself.
    #[must_use]
    pub fn own() -> Self {
        Self { kind: "gatepost".to_owned(), name: String::new(), from: String::new() }
    }

    /// Kind and name in one text.
    #[must_use]
    pub fn label(&self) -> String {
        if self.name.is_empty() { self.kind.clone() } else { format!("{}:{}", self.kind, self.name) }
    }
}

/// The outside process' decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Yes or no.
    pub success: bool,
    /// Who gave it.
    pub by: Caller,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// SHA-256 of the body, in hex.
    pub body_sha256: String,
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    /// The login name, as the cluster knows it.
    pub user: String,
    /// Yes or no.
    pub approve: bool,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Address that it came from.
    pub from: String,
    /// Why, in the person's words.
    pub reason: String,
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Who.
    pub by: Caller,
    /// What.
    pub what: String,
    /// SHA-256 of the body that said so, in hex; empty where there was none.
    pub body_sha256: String,
}
