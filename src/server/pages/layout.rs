//! What surrounds every page: title, menu, who looks, addresses of style sheet and script.

use super::{Text, Words};
use crate::server::assets;
use crate::server::auth::Visitor;

/// Where in the menu a page belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Section {
    /// What happens, and what needs attention.
    Overview,
    /// Applications and why they are told of.
    Applications,
    /// Every delivery.
    Deliveries,
    /// What was given up.
    DeadLetters,
    /// Receivers.
    Destinations,
    /// Gates of promotions.
    Gates,
    /// Runs that wait for a decision.
    Approvals,
    /// What is configured, and what is broken.
    Configuration,
    /// Nowhere: error pages, login.
    None,
}

impl Section {
    const MENU: [(Self, &'static str, &'static str); 8] = [
        (Self::Overview, "Overview", "/"),
        (Self::Applications, "Applications", "/applications"),
        (Self::Deliveries, "Deliveries", "/deliveries"),
        (Self::DeadLetters, "Dead letters", "/dead-letters"),
        (Self::Destinations, "Destinations", "/destinations"),
        (Self::Gates, "Gates", "/gates"),
        (Self::Approvals, "Approvals", "/approvals"),
        (Self::Configuration, "Configuration", "/configuration"),
    ];
}

impl Section {
    /// Which news a page of it follows (`gatepost.js`); error pages follow all.
    const fn watch(self) -> &'static str {
        match self {
            Self::Overview | Self::Destinations => "queue deliveries configuration",
            Self::Applications => "applications deliveries",
            Self::Deliveries | Self::DeadLetters => "deliveries",
            Self::Gates => "gates",
            Self::Approvals => "approvals",
            Self::Configuration => "configuration",
            Self::None => "queue deliveries applications gates approvals configuration",
        }
    }
}

/// An entry of the menu.
pub(super) struct Entry {
    pub name: &'static str,
    pub href: &'static str,
    pub is_current: bool,
}

/// The surroundings of a page; every page has one as its field `layout`.
#[derive(Clone)]
pub(in crate::server) struct Layout {
    /// Title and `h1`.
    pub title: Text,
    has_menu: bool,
    section: Section,
    /// Who looks.
    pub who: Text,
    /// Whether buttons that change something are shown.
    pub may_change: bool,
    csrf: Option<String>,
}

impl Layout {
    /// The surroundings for a visitor.
    pub fn new(title: &str, section: Section, visitor: &Visitor, words: &Words) -> Self {
        Self {
            title: words.show(title),
            has_menu: true,
            section,
            who: words.show(&visitor.name),
            may_change: visitor.may_change,
            csrf: visitor.csrf.clone(),
        }
    }

    /// The surroundings of a page for whom nobody knows: no menu, no script.
    pub fn bare(title: &str, words: &Words) -> Self {
        Self {
            title: words.show(title),
            has_menu: false,
            section: Section::None,
            who: Text::default(),
            may_change: false,
            csrf: None,
        }
    }

    /// Whether there is a menu, and a script that keeps the page fresh.
    pub(super) const fn has_menu(&self) -> bool {
        self.has_menu
    }

    /// The menu.
    pub(super) fn menu(&self) -> impl Iterator<Item = Entry> {
        let entry = |(section, name, href)| Entry { name, href, is_current: section == self.section };
        Section::MENU.map(entry).into_iter()
    }

    /// Which news the page follows.
    pub(super) const fn watch(&self) -> &'static str {
        self.section.watch()
    }

    /// Token that changes carry; empty without a session.
    pub(super) fn csrf(&self) -> &str {
        self.csrf.as_deref().unwrap_or_default()
    }

    /// Address of the style sheet.
    pub(super) fn style(&self) -> String {
        assets::style()
    }

    /// Address of the script.
    pub(super) fn script(&self) -> String {
        assets::script()
    }

    /// Address of the icon.
    pub(super) fn icon(&self) -> String {
        assets::icon()
    }

    /// One for tests: a local visitor who may change everything.
    #[cfg(test)]
    pub(super) fn sample(section: Section) -> Self {
        let name = "local".to_owned();
        let visitor = Visitor { name, may_read: true, may_change: true, csrf: None, groups: Vec::new() };
        Self::new("Sample", section, &visitor, &Words::default())
    }

    /// One for tests: a visitor who may change nothing.
    #[cfg(test)]
    pub(super) fn for_looking(section: Section) -> Self {
        Self { may_change: false, ..Self::sample(section) }
    }
}
