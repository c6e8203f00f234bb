//! `/api/v1/stream`: that something changed, as server-sent events. What it is now is read from the API.
//!
//! Each watcher looks once a second at a few counters in memory (`controller/changes.rs`), so that whoever changes something never
//! waits for, or even knows of, those who watch; and a watcher hears at most one message a second, however much happens.

use super::State;
use super::api::{Kind, Problem, Resource};
use crate::controller::What;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Watchers at once.
const WATCHERS_MAX: usize = 64;
/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Looks without news after which a watcher is told that the line stands.
const QUIET_LOOKS: u32 = 15;
/// Milliseconds after which a browser comes again when the line broke.
const RETRY_MS: u32 = 3_000;

pub(super) fn resources() -> Vec<Resource> {
    vec![Resource::at("/api/v1/stream").get(watch)]
}

/// How often each thing changed, in the order of [`What::ALL`].
type Counts = [u64; What::ALL.len()];

/// Who watches; shared by all of a server.
#[derive(Debug)]
pub struct Watchers {
    count: Arc<AtomicUsize>,
    /// Tells the counts of this process from those of another.
    process: String,
    stop: CancellationToken,
}

impl Watchers {
    /// Nobody yet; all go when `stop` says so.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { count: Arc::default(), process: format!("{:016x}", rand::random::<u64>()), stop }
    }

    /// A place among those who watch, if there is one.
    fn place(&self) -> Option<Place> {
        let taken = self
            .count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < WATCHERS_MAX).then_some(count + 1));
        taken.ok().map(|_| Place(Arc::clone(&self.count)))
    }
}

impl Default for Watchers {
    fn default() -> Self {
        Self::new(CancellationToken::new())
    }
}

/// A place, given back when it is dropped.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What one watcher has been told.
#[derive(Debug)]
struct Seen {
    /// Of which process the counts are.
    process: String,
    counts: Counts,
    quiet: u32,
}

impl Seen {
    /// Somebody who comes now, or comes again and says what was the last that they heard.
    fn new(process: &str, last_event: Option<&str>, now: Counts) -> Self {
        let counts = match last_event.map(|id| heard(process, id)) {
            None => now,
            Some(Some(counts)) => counts,
            // Of another process, or nonsense: everything may have changed.
            Some(None) => now.map(|count| count.wrapping_sub(1)),
        };
        Self { process: process.to_owned(), counts, quiet: 0 }
    }

    /// What is to be said at a look.
    fn look(&mut self, now: Counts) -> Option<Bytes> {
        let pairs = What::ALL.iter().zip(self.counts.iter().zip(&now));
        let what: Vec<&str> = pairs.filter(|(_, (old, new))| old != new).map(|(what, _)| what.as_str()).collect();
        if !what.is_empty() {
            (self.counts, self.quiet) = (now, 0);
            let data = serde_json::json!({"what": what});
            return Some(format!("event: changed\nid: {}\ndata: {data}\n\n", self.id()).into());
        }
        self.quiet += 1;
        (self.quiet >= QUIET_LOOKS).then(|| {
            self.quiet = 0;
            Bytes::from_static(b": still here\n\n")
        })
    }

    /// The first words.
    fn greeting(&self) -> Bytes {
        format!("retry: {RETRY_MS}\nid: {}\n: watching\n\n", self.id()).into()
    }

    fn id(&self) -> String {
        let counts: Vec<String> = self.counts.iter().map(ToString::to_string).collect();
        format!("{}-{}", self.process, counts.join("."))
    }
}

/// The counts of an id that this process gave.
fn heard(process: &str, id: &str) -> Option<Counts> {
    let counts = id.strip_prefix(process)?.strip_prefix('-')?;
    let counts: Result<Vec<u64>, _> = counts.split('.').map(str::parse).collect();
    counts.ok()?.try_into().ok()
}

/// How often each thing changed, wherever it did.
fn counts(state: &State) -> Counts {
    let gates = state.gates.iter().flat_map(|gates| gates.changes());
    let all = gates.chain(state.desk.iter().map(|desk| &desk.changes)).chain([&state.relay.changes]);
    all.fold(Counts::default(), |mut sum, changes| {
        sum.iter_mut().zip(changes.counts()).for_each(|(sum, more)| *sum = sum.wrapping_add(more));
        sum
    })
}

/// Watch what changes, as server-sent events.
///
/// An event `changed` says with `{"what": [...]}` what did: `queue`, `deliveries`, `applications`, `gates`, `approvals`,
/// `configuration`; at most one a second, and a comment every 15 seconds without one. Who comes again with `Last-Event-ID` hears of
/// what was missed. The stream ends when Gatepost does.
#[utoipa::path(get, path = "/api/v1/stream", operation_id = "watch", tag = "stream",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard.")),
    responses(
        (status = 200, description = "Events, without an end.", body = String, content_type = "text/event-stream")))]
pub(super) async fn watch(app: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let place = app.watchers.place().ok_or_else(|| {
        let detail =
            format!("{WATCHERS_MAX} watch already, as many as may; ask again later, or read the API from time to time");
        Problem::new(Kind::TooManyWatchers, detail)
    })?;
    let last_event = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let seen = Seen::new(&app.watchers.process, last_event, counts(&app));
    let greeting = seen.greeting();
    let events = futures::stream::unfold((app, seen, place), |(app, mut seen, place)| async move {
        loop {
            tokio::select! {
                () = app.watchers.stop.cancelled() => return None,
                () = tokio::time::sleep(PAUSE) => {}
            }
            if let Some(message) = seen.look(counts(&app)) {
                return Some((message, (app, seen, place)));
            }
        }
    });
    let body = futures::StreamExt::chain(futures::stream::iter([greeting]), events);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(futures::StreamExt::map(body, Ok::<Bytes, std::convert::Infallible>)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const NOW: Counts = [5, 5, 0, 0, 1, 2];

    fn text(message: Option<Bytes>) -> String {
        message.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default()
    }

    #[test]
    fn many_changes_between_two_looks_are_one_message() {
        let mut seen = Seen::new("p", None, NOW);
        assert_eq!(seen.look(NOW), None);
        let said = text(seen.look([900, 1_000, 0, 0, 1, 3]));
        assert_eq!(
            said,
            "event: changed\nid: p-900.1000.0.0.1.3\ndata: {\"what\":[\"queue\",\"deliveries\",\"configuration\"]}\n\n"
        );
        assert_eq!(seen.look([900, 1_000, 0, 0, 1, 3]), None);
    }

    #[test]
    fn who_comes_again_hears_what_was_missed() {
        let first = Seen::new("p", None, NOW);
        let (id, later) = (first.id(), [5, 5, 0, 1, 1, 2]);
        assert!(text(Seen::new("p", Some(&id), later).look(later)).contains("{\"what\":[\"gates\"]}"));
        assert_eq!(Seen::new("p", Some(&id), NOW).look(NOW), None);
        for other in ["q-5.5.0.0.1.2", "nonsense", "p-1.2", "p-x.5.0.0.1.2"] {
            let said = text(Seen::new("p", Some(other), NOW).look(NOW));
            assert!(What::ALL.iter().all(|what| said.contains(what.as_str())), "{other}: {said}");
        }
    }

    #[test]
    fn a_quiet_line_is_said_to_stand() {
        let mut seen = Seen::new("p", None, NOW);
        let said: Vec<bool> = (0..QUIET_LOOKS * 2).map(|_| seen.look(NOW).is_some()).collect();
        assert_eq!(said.iter().filter(|said| **said).count(), 2);
        assert!(said[14] && said[29] && text(Some(seen.greeting())).starts_with("retry: 3000\nid: p-"));
    }

    #[test]
    fn places_are_few_and_given_back() {
        let watchers = Watchers::default();
        let mut places: Vec<Place> = (0..WATCHERS_MAX).map(|_| watchers.place().unwrap()).collect();
        assert!(watchers.place().is_none());
        places.pop();
        assert!(watchers.place().is_some());
    }
}
