//! A real Backstage backend, one a test run, over the PostgreSQL of the run: who got which notification.
//!
//! All tests share its inboxes: give each notification a title or scope of its own.

use serde_json::Value;
use tokio::sync::OnceCell;

use super::part::{self, Part};
use super::{http, postgres};

/// The backend of this test run.
pub struct Backstage {
    _part: Part,
    url: String,
    token: String,
}

/// The backend, started by the first caller, once its catalog holds `tests/env/backstage/entities.yaml`.
pub async fn backstage() -> &'static Backstage {
    static BACKSTAGE: OnceCell<Result<Backstage, String>> = OnceCell::const_new();
    match BACKSTAGE.get_or_init(start).await {
        Ok(backstage) => backstage,
        Err(reason) => panic!("{reason}"),
    }
}

async fn start() -> Result<Backstage, String> {
    let part = part::start("backstage.sh", vec![postgres().await.url().to_owned()]).await?;
    match part.words.as_slice() {
        [url, token] => Ok(Backstage { url: url.clone(), token: token.clone(), _part: part }),
        other => Err(format!("backstage.sh named no URL and token: {other:?}")),
    }
}

impl Backstage {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where notifications are posted.
    pub fn notifications_url(&self) -> String {
        format!("{}/api/notifications/notifications", self.url)
    }

    /// The external caller's bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Posts one notification as the Argo CD side would; answers with what Backstage made of it.
    pub async fn post(&self, notification: &Value) -> Value {
        http::json(http::client().post(self.notifications_url()).bearer_auth(&self.token).json(notification)).await
    }

    /// The newest 100 notifications of a user, for example `user:default/alice`, newest first.
    pub async fn inbox(&self, user: &str) -> Vec<Value> {
        let client = http::client();
        let login = format!("{}/api/auth/test-token", self.url);
        let token = http::text(client.get(login).query(&[("user", user)])).await;
        let read = client.get(self.notifications_url()).query(&[("limit", "100")]).bearer_auth(token);
        let page = http::json(read).await;
        page["notifications"].as_array().expect("a page of notifications").clone()
    }

    /// Those of [`Self::inbox`] whose title is `title`.
    pub async fn titled(&self, user: &str, title: &str) -> Vec<Value> {
        let all = self.inbox(user).await;
        all.into_iter().filter(|one| one["payload"]["title"] == title).collect()
    }
}
