//! The answer table: every row, over HTTP and over TLS, with tokens of all four kinds, by curl.

use super::callers::access_token;
use super::house::{Called, House};
use crate::env::Issuer;
use gatepost::controller::approval::crd::WebhookApproval;
use gatepost::gate::approval::{Event, Run, RunId};
use serde_json::{Value, json};

/// An hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// A callback that lets it pass.
pub const YES: &str = r#"{"success": true, "mdMessage": "**fine**"}"#;
const NO: &str = r#"{"success": false, "mdMessage": "broken"}"#;
const SECRET: &str = "a-secret-of-32-random-bytes-say";
const KINDS: [Kind; 4] = [Kind::RunToken, Kind::OAuth, Kind::Kubernetes, Kind::Oidc];

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_answer_table_over_http() {
    rows(&House::start(false).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_answer_table_over_tls() {
    rows(&House::start(true).await).await;
}

async fn rows(house: &House) {
    let table = Table::lay(house).await;
    for kind in KINDS {
        table.decisions(kind).await;
        table.strangers(kind).await;
        table.bodies(kind).await;
        table.late(kind).await;
    }
    table.unshown().await;
    table.store_away().await;
    house.stop().await;
}

/// What a caller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RunToken,
    OAuth,
    Kubernetes,
    Oidc,
}

/// A house with callers of each kind: one that is believed, and one that is known and for something else.
struct Table<'a> {
    house: &'a House,
    issuer: Issuer,
    clients: [String; 2],
    tokens: [String; 2],
    accounts: [String; 2],
}

impl<'a> Table<'a> {
    async fn lay(house: &'a House) -> Self {
        let clients = [house.client("ci", SECRET).await, house.client("stranger", SECRET).await];
        let tokens = [access_token(house, &clients[0], SECRET).await, access_token(house, &clients[1], SECRET).await];
        let accounts = [house.account("runner", "gatepost").await, house.account("idle", "gatepost").await];
        house.allow("runner", &["callback"]).await;
        Self { house, issuer: Issuer::start().await, clients, tokens, accounts }
    }

    /// Believes callers of this kind only.
    fn believed(&self, kind: Kind) -> Value {
        match kind {
            Kind::RunToken => json!({"runToken": {}}),
            Kind::OAuth => json!({"oauth": {"clients": [self.clients[0]]}}),
            Kind::Kubernetes => json!({"kubernetes": {}}),
            Kind::Oidc => {
                json!({"oidc": [{"issuer": self.issuer.url(), "audience": "gatepost", "algorithms": ["ES256"],
                "claims": {"repository": ["org/app"]}}]})
            }
        }
    }

    async fn approval(&self, kind: Kind, name: &str) -> WebhookApproval {
        let name = format!("{name}-{kind:?}").to_lowercase();
        self.house.approval(&name, self.believed(kind)).await
    }

    async fn open(&self, kind: Kind, name: &str) -> (Run, String) {
        let run = self.house.open(&self.approval(kind, name).await, HOUR_MS).await;
        let token = self.token(kind, &run);
        (run, token)
    }

    /// The token of a caller that may answer this run.
    fn token(&self, kind: Kind, run: &Run) -> String {
        match kind {
            Kind::RunToken => self.house.token(run),
            Kind::OAuth => self.tokens[0].clone(),
            Kind::Kubernetes => self.accounts[0].clone(),
            Kind::Oidc => self.subject("org/app"),
        }
    }

    fn subject(&self, repository: &str) -> String {
        self.issuer.token(json!({"sub": "repo:org/app", "aud": "gatepost", "repository": repository}))
    }

    /// The token of a caller that is known, but not for a run: `other` is another run of the same approval.
    fn stranger(&self, kind: Kind, other: &Run) -> String {
        match kind {
            Kind::RunToken => self.house.token(other),
            Kind::OAuth => self.tokens[1].clone(),
            Kind::Kubernetes => self.accounts[1].clone(),
            Kind::Oidc => self.subject("org/other"),
        }
    }

    async fn call(&self, run: RunId, token: &str, body: &str) -> Called {
        self.house.call(&run.to_string(), Some(token), body).await
    }

    async fn decisions(&self, kind: Kind) {
        let approval = self.approval(kind, "decisions").await;
        let run = self.house.open(&approval, HOUR_MS).await;
        let token = self.token(kind, &run);
        let news = self.call(run.id, &token, r#"{"status": "pending", "mdMessage": "half"}"#).await;
        assert_eq!((news.status, &news.json()["phase"]), (202, &json!("requesting")), "{kind:?} {}", news.body);
        let first = self.call(run.id, &token, YES).await;
        assert_eq!((first.status, &first.json()["phase"]), (200, &json!("succeeded")), "{kind:?} {}", first.body);
        let same = self.call(run.id, &token, YES).await;
        assert_eq!((same.status, same.json()), (200, first.json()), "{kind:?}");
        let other = self.call(run.id, &token, NO).await;
        assert_eq!((other.status, &other.json()["success"]), (409, &json!(true)), "{kind:?}: the recorded decision");
        let run = self.house.open(&approval, HOUR_MS).await;
        let gone = Event::Superseded { by_sha: "b".into() };
        self.house.desk.apply(run.id, gone).await.unwrap().unwrap();
        let late = self.call(run.id, &self.token(kind, &run), YES).await;
        assert_eq!((late.status, &late.json()["phase"]), (409, &json!("superseded")), "{kind:?}");
    }

    async fn strangers(&self, kind: Kind) {
        let house = self.house;
        let approval = self.approval(kind, "strangers").await;
        let (run, other) = (house.open(&approval, HOUR_MS).await, house.open(&approval, HOUR_MS).await);
        let (id, token) = (run.id.to_string(), self.token(kind, &run));
        let unknown = Run { id: RunId::new([0; 16]), ..run.clone() };
        let mut answers = vec![
            house.call(&id, None, YES).await,
            house.call(&id, Some("nonsense"), YES).await,
            house.call(&id, Some(&forged(&token)), YES).await,
            house.call(&unknown.id.to_string(), None, YES).await,
            house.call("no-run-id", Some("nonsense"), YES).await,
        ];
        let of_nobody = self.call(unknown.id, &self.token(kind, &unknown), YES).await;
        match kind {
            Kind::RunToken => answers.push(of_nobody),
            _ => assert_eq!(of_nobody.status, 404, "{kind:?}: a known caller is told"),
        }
        for answer in &answers {
            assert_eq!((answer.status, &answer.body), (401, &answers[0].body), "{kind:?}: all alike");
        }
        let stranger = self.call(run.id, &self.stranger(kind, &other), YES).await;
        assert_eq!(stranger.status, 403, "{kind:?}: {}", stranger.body);
        let url = format!("{}/callbacks/v1/runs/{id}?token={token}", house.url);
        assert_eq!(house.curl(&["--data", YES], &url).await.status, 401, "{kind:?}: never in a query");
        assert_eq!(house.desk.store.run(run.id).await.unwrap().unwrap().run.answer, None, "{kind:?}");
    }

    async fn bodies(&self, kind: Kind) {
        let (run, token) = self.open(kind, "bodies").await;
        let long = format!(r#"{{"success": true, "mdMessage": "{}"}}"#, "x".repeat(17 << 10));
        let cases = [
            ("nonsense", 400, "not a JSON object"),
            (r#"{"mdMessage": "x"}"#, 400, "success is missing"),
            (r#"{"success": "true"}"#, 400, "not a boolean"),
            (long.as_str(), 413, "mdMessage has"),
        ];
        for (body, status, says) in cases {
            let answer = self.call(run.id, &token, body).await;
            assert_eq!(answer.status, status, "{kind:?} {body:.60}: {}", answer.body);
            assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{kind:?} {}", answer.body);
        }
        let huge = format!(r#"{{"success": true, "x": "{}"}}"#, "x".repeat(65 << 10));
        assert_eq!(self.call(run.id, &token, &huge).await.status, 413, "{kind:?}");
        assert_eq!(self.call(run.id, "nonsense", &huge).await.status, 401, "{kind:?}: nobody's body is read");
    }

    async fn late(&self, kind: Kind) {
        let run = self.house.open(&self.approval(kind, "late").await, 0).await;
        let answer = self.call(run.id, &self.token(kind, &run), YES).await;
        assert_eq!((answer.status, &answer.json()["phase"]), (410, &json!("timedOut")), "{kind:?}");
    }

    /// A run of a strategy whose CommitStatus nobody writes in time: taken all the same. One of each kind at once, as each waits.
    async fn unshown(&self) {
        let calls = KINDS.map(|kind| async move {
            let name = format!("unshown-{kind:?}").to_lowercase();
            let run =
                self.house.open(&self.house.approval_of_strategy(&name, self.believed(kind)).await, HOUR_MS).await;
            let answer = self.call(run.id, &self.token(kind, &run), YES).await;
            assert_eq!((answer.status, &answer.json()["commitStatus"]), (202, &json!("pending")), "{kind:?}");
            let kept = self.house.desk.store.run(run.id).await.unwrap().unwrap();
            assert_eq!(kept.run.answer.map(|answer| answer.success), Some(true), "{kind:?}: durable");
            let again = self.call(run.id, &self.token(kind, &run), YES).await;
            assert_eq!((again.status, &again.json()["phase"]), (200, &json!("succeeded")), "{kind:?}");
        });
        futures::future::join_all(calls).await;
    }

    async fn store_away(&self) {
        let mut runs = Vec::new();
        for kind in KINDS {
            runs.push((kind, self.open(kind, "away").await));
        }
        self.house.close_store().await;
        for (kind, (run, token)) in runs {
            let answer = self.call(run.id, &token, YES).await;
            assert_eq!(answer.status, 503, "{kind:?}");
            assert!(answer.head.contains("retry-after: 5"), "{kind:?} {}", answer.head);
        }
    }
}

/// A token with another signature.
fn forged(token: &str) -> String {
    let (said, signature) = token.rsplit_once('.').unwrap();
    let turned = if signature.starts_with('A') { "B" } else { "A" };
    format!("{said}.{turned}{}", &signature[1..])
}
