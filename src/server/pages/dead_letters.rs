//! `/dead-letters`: what was given up, by destination and cause; to be replayed or discarded, some or all of a group.

use super::frame::render;
use super::{Count, DeliveryRow, Frame, Layout, Moment, PAGE_ROWS, Paging, Section, Text, Words, causes, href, rows};
use crate::outbox::store::{DeadGroup, Filter};
use crate::outbox::{Delivery, DeliveryId, Error, State};
use actix_web::HttpResponse;
use askama::Template;
use serde::Deserialize;
use serde_json::json;

const PATH: &str = "/dead-letters";
/// Most that one request moves.
const MOVED_MAX: usize = 10_000;

/// What the address asks for: one group, where it names a service.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Asked {
    service: String,
    config_namespace: String,
    host: String,
    reason: String,
    after: String,
}

impl Asked {
    fn group(group: &DeadGroup) -> Self {
        Self {
            service: group.lane.service.clone(),
            config_namespace: group.lane.config_namespace.clone(),
            host: group.lane.host.clone(),
            reason: group.reason.clone(),
            after: String::new(),
        }
    }

    fn is_all(&self) -> bool {
        self.service.is_empty()
    }

    fn is(&self, group: &DeadGroup) -> bool {
        Self { after: String::new(), ..self.clone() } == Self::group(group)
    }

    fn filter(&self) -> Result<Filter, String> {
        let after = Some(&self.after).filter(|after| !after.is_empty());
        let after = after.map(|id| id.parse::<DeliveryId>().map_err(|error| error.to_string())).transpose()?;
        let all = Filter { states: vec![State::Dead], after, limit: PAGE_ROWS + 1, ..Filter::default() };
        if self.is_all() {
            return Ok(all);
        }
        Ok(Filter {
            service: Some(self.service.clone()),
            config_namespace: Some(self.config_namespace.clone()),
            host: Some(self.host.clone()),
            reason: Some(self.reason.clone()),
            ..all
        })
    }

    /// What a button asks the API for: the whole group.
    fn body(&self) -> String {
        if self.is_all() {
            return json!({"state": "dead", "limit": MOVED_MAX}).to_string();
        }
        json!({
            "state": "dead", "service": self.service, "configNamespace": self.config_namespace, "host": self.host,
            "reason": self.reason, "limit": MOVED_MAX,
        })
        .to_string()
    }

    fn query(&self) -> [(&'static str, &str); 4] {
        [
            ("service", &self.service),
            ("configNamespace", &self.config_namespace),
            ("host", &self.host),
            ("reason", &self.reason),
        ]
    }
}

/// The page.
#[derive(Template)]
#[template(path = "dead_letters.html")]
struct Page {
    layout: Layout,
    groups: Vec<GroupRow>,
    more_groups: usize,
    /// The group that is shown; none: all of them.
    chosen: Option<Chosen>,
    total: Count,
    /// What a button asks for that means all that is shown.
    all: Option<String>,
    all_count: Count,
    may_replay_all: bool,
    rows: Vec<DeliveryRow>,
    paging: Paging,
}

/// One group.
struct GroupRow {
    service: Text,
    host: Text,
    cause: &'static str,
    count: Count,
    oldest: Moment,
    newest: Moment,
    /// Empty: its name holds what must not be in an address.
    href: String,
    is_chosen: bool,
}

/// The group that is shown.
struct Chosen {
    service: Text,
    host: Text,
    cause: &'static str,
    advice: &'static str,
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    let asked: Asked = match frame.query() {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let filter = match asked.filter() {
        Ok(filter) => filter,
        Err(detail) => return frame.invalid(&detail),
    };
    match read(&frame, &filter).await {
        Ok((groups, found)) => {
            let layout = frame.layout("Dead letters", Section::DeadLetters);
            render(&page(layout, &asked, &groups, found, &frame.words(), frame.now_ms))
        }
        Err(error) => frame.away(&error),
    }
}

async fn read(frame: &Frame, filter: &Filter) -> Result<(Vec<DeadGroup>, Vec<Delivery>), Error> {
    let store = frame.state.relay.store();
    Ok((store.dead_letters().await?, store.list(filter).await?))
}

fn page(
    layout: Layout,
    asked: &Asked,
    groups: &[DeadGroup],
    mut found: Vec<Delivery>,
    words: &Words,
    now_ms: i64,
) -> Page {
    let has_more = found.len() > PAGE_ROWS;
    found.truncate(PAGE_ROWS);
    let last = found.last().filter(|_| has_more).map(|delivery| delivery.id.to_string());
    let after = Some(asked.after.as_str()).filter(|after| !after.is_empty());
    let filters = asked.query().map(|(name, value)| (name, words.line(value).to_string()));
    let filters = filters.each_ref().map(|(name, value)| (*name, value.as_str()));
    let total = groups.iter().map(|group| group.count).sum();
    let chosen = groups.iter().find(|group| asked.is(group));
    let all_count = if asked.is_all() { total } else { chosen.map_or(0, |group| group.count) };
    Page {
        paging: Paging::new(PATH, &filters, after, last.as_deref()),
        groups: groups.iter().take(PAGE_ROWS).map(|group| group_row(group, asked, words, now_ms)).collect(),
        more_groups: groups.len().saturating_sub(PAGE_ROWS),
        chosen: (!asked.is_all()).then(|| shown(asked, words)),
        total: Count(total),
        all: words.exact(&asked.body()).filter(|_| layout.may_change && all_count > 0),
        all_count: Count(all_count),
        may_replay_all: asked.is_all() || causes::of(&asked.reason).has_body,
        rows: found.iter().map(|delivery| DeliveryRow::new(delivery, words, now_ms)).collect(),
        layout,
    }
}

fn group_row(group: &DeadGroup, asked: &Asked, words: &Words, now_ms: i64) -> GroupRow {
    let own = Asked::group(group);
    let address = words.exact(&own.body()).map(|_| href(PATH, &own.query()));
    GroupRow {
        service: words.show(&rows::service(&group.lane)),
        host: words.show(&group.lane.host),
        cause: causes::of(&group.reason).name,
        count: Count(group.count),
        oldest: Moment::new(group.oldest_ms, now_ms),
        newest: Moment::new(group.newest_ms, now_ms),
        href: address.unwrap_or_default(),
        is_chosen: asked.is(group),
    }
}

fn shown(asked: &Asked, words: &Words) -> Chosen {
    let cause = causes::of(&asked.reason);
    let (service, host) = (words.show(&asked.service), words.show(&asked.host));
    Chosen { service, host, cause: cause.name, advice: cause.advice }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::outbox::Lane;
    use crate::server::pages::tests::{check, deliveries, worst};

    fn group(service: &str, reason: &str) -> DeadGroup {
        let lane = Lane { config_namespace: String::new(), service: service.into(), host: "h.example".into() };
        DeadGroup { lane, reason: reason.into(), count: 7, oldest_ms: 1_799_000_000_000, newest_ms: 1_799_999_000_000 }
    }

    fn made(layout: Layout, asked: &Asked, groups: &[DeadGroup], found: Vec<Delivery>) -> String {
        page(layout, asked, groups, found, &Words::default(), 1_800_000_000_000).render().unwrap()
    }

    #[test]
    fn without_any_it_is_calm() {
        let html = made(Layout::sample(Section::DeadLetters), &Asked::default(), &[], Vec::new());
        assert!(check(&html).contains("Nothing was given up") && !html.contains("data-action"));
    }

    #[test]
    fn a_group_is_chosen_with_its_cause_and_its_buttons() {
        let groups = [group("slack", "gaveUp"), group("hook", "renderFailed")];
        let asked = Asked::group(&groups[0]);
        let html = made(Layout::sample(Section::DeadLetters), &asked, &groups, deliveries(3));
        check(&html);
        for part in ["Replay all 7", "tried until the time was over", "aria-current", "data-foresee", "data-picked"] {
            assert!(html.contains(part), "{part}");
        }
        assert!(html.contains("service=slack&#38;host=h.example&#38;reason=gaveUp"));
        let broken = made(Layout::sample(Section::DeadLetters), &Asked::group(&groups[1]), &groups, deliveries(1));
        assert!(!broken.contains("Replay all") && broken.contains("Discard all 7"));
        let looks_only = Layout::for_looking(Section::DeadLetters);
        assert!(!made(looks_only, &asked, &groups, deliveries(1)).contains("data-action"));
    }

    #[test]
    fn the_body_says_the_whole_group() {
        let body: serde_json::Value = serde_json::from_str(&Asked::group(&group("slack", "gone")).body()).unwrap();
        assert_eq!(
            body,
            json!({"state": "dead", "service": "slack", "configNamespace": "", "host": "h.example", "reason": "gone", "limit": 10_000})
        );
        let filter = Asked::group(&group("slack", "gone")).filter().unwrap();
        assert_eq!((filter.host.as_deref(), filter.config_namespace.as_deref()), (Some("h.example"), Some("")));
        assert!(Asked { after: "x".into(), ..Asked::default() }.filter().is_err());
    }

    #[test]
    fn many_with_the_longest_names_are_bounded() {
        let groups: Vec<_> = (0..60).map(|n| group(&format!("{n}{}", worst(10_000)), "rejected")).collect();
        let html = made(Layout::sample(Section::DeadLetters), &Asked::default(), &groups, deliveries(PAGE_ROWS + 1));
        check(&html);
        assert!(html.contains("10 more") && html.contains("Older"));
    }
}
