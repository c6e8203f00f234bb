//! Who asks the listener of API and dashboard, and may they: before any handler, for every route.
//!
//! `gate` is what every request passes: host, origin, login, rights. `known` says who a bearer is, `sessions` keep browsers, `login` is
//! the way in. Nothing here knows what a handler does; a handler finds a [`Visitor`] and may rely on it.

mod cookies;
mod gate;
mod hosts;
mod known;
mod local;
mod login;
mod posture;
mod sessions;

pub use known::{StaticToken, Ways};
pub use local::{LocalToken, find as local_token};
pub use posture::{Posture, Refusal, posture};

pub(super) use gate::{Vouched, recognise};
pub(super) use login::{routes, told as login_methods};

use crate::controller::identity::Limits;
use crate::egress::address::Cidr;
use cookies::Seal;
use hosts::Hosts;
use sessions::Sessions;
use std::time::Duration;

/// Calls a second of one caller; of the limits only those for the unknown matter here.
const CALLS_PER_SECOND: u32 = 1_000;

/// Who asks, as every handler of API and pages finds it: `visitor: web::ReqData<Visitor>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Who it is, for people and records.
    pub name: String,
    /// Whether this one may look.
    pub may_read: bool,
    /// Whether this one may change something.
    pub may_change: bool,
    /// Token that a change has to carry; `None`: not a browser session.
    pub csrf: Option<String>,
    /// Groups, as the login gave them.
    #[allow(dead_code)]
    pub groups: Vec<String>,
}

impl Visitor {
    /// Whoever reaches a listener that asks for no login: all is allowed.
    #[must_use]
    pub fn local() -> Self {
        Self { name: "local".to_owned(), may_read: true, may_change: true, csrf: None, groups: Vec::new() }
    }
}

/// What decides who gets in.
pub struct Auth {
    posture: Posture,
    hosts: Hosts,
    proxies: Vec<Cidr>,
    ways: Ways,
    sessions: Sessions,
    limits: Limits,
    seal: Seal,
}

/// What [`Auth`] is made of.
pub struct Parts<'a> {
    /// Whether somebody has to log in.
    pub posture: Posture,
    /// How people reach the listener; empty: by loopback.
    pub external_url: &'a str,
    /// Further hosts that it may be asked for by.
    pub hosts: &'a [String],
    /// Proxies whose `X-Forwarded-…` is believed.
    pub proxies: Vec<Cidr>,
    /// The ways of proving who one is.
    pub ways: Ways,
    /// How long a session lives unused.
    pub session_idle: Duration,
    /// How long it lives at most.
    pub session_longest: Duration,
}

impl Auth {
    /// Makes it.
    #[must_use]
    pub fn new(parts: Parts<'_>) -> Self {
        Self {
            posture: parts.posture,
            hosts: Hosts::new(parts.external_url, parts.hosts),
            proxies: parts.proxies,
            ways: parts.ways,
            sessions: Sessions::new(parts.session_idle, parts.session_longest),
            limits: Limits::new(CALLS_PER_SECOND),
            seal: Seal::new(),
        }
    }

    /// One that asks for no login, on loopback.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Parts {
            posture: Posture::Open,
            external_url: "",
            hosts: &[],
            proxies: Vec::new(),
            ways: Ways::default(),
            session_idle: Duration::from_secs(1),
            session_longest: Duration::from_secs(1),
        })
    }
}
