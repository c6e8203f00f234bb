//! Real SMTP servers: plain, with STARTTLS and a login, with TLS from the first byte.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;

use super::part::{self, Part};
use super::wait_for;

/// The servers of this test run.
pub struct Smtp {
    _part: Part,
    /// Takes anything from anybody.
    pub plain: u16,
    /// Takes nothing before STARTTLS, and nobody but the user `argocd` with the password `s3cr3t`.
    pub starttls: u16,
    /// TLS from the first byte.
    pub smtps: u16,
    inbox: PathBuf,
    /// PEM of the authority that signed the certificate for `localhost`.
    pub authority: PathBuf,
}

/// The servers, started by the first caller.
pub async fn smtp() -> &'static Smtp {
    static SMTP: OnceCell<Result<Smtp, String>> = OnceCell::const_new();
    match SMTP.get_or_init(start).await {
        Ok(smtp) => smtp,
        Err(reason) => panic!("{reason}"),
    }
}

async fn start() -> Result<Smtp, String> {
    let part = part::start("smtp.sh", Vec::new()).await?;
    let [plain, starttls, smtps, inbox, authority] = part.words.as_slice() else {
        return Err("smtp.sh did not name three ports, an inbox and a certificate".to_owned());
    };
    let port = |text: &String| text.parse::<u16>().map_err(|e| format!("smtp.sh named the port {text}: {e}"));
    let (plain, starttls, smtps) = (port(plain)?, port(starttls)?, port(smtps)?);
    let (inbox, authority) = (PathBuf::from(inbox), PathBuf::from(authority));
    Ok(Smtp { _part: part, plain, starttls, smtps, inbox, authority })
}

impl Smtp {
    /// Messages so far whose text holds `word`, oldest first: `server`, `authenticated`, `from`, `to`, `content`.
    pub fn messages(&self, word: &str) -> Vec<Value> {
        let files = std::fs::read_dir(&self.inbox).expect("the inbox is there");
        let mut paths: Vec<_> = files.map(|file| file.expect("the inbox can be read").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        let read = |path: PathBuf| serde_json::from_slice(&std::fs::read(path).expect("it stays")).expect("it is JSON");
        let messages = paths.into_iter().map(read);
        messages.filter(|message: &Value| message["content"].as_str().is_some_and(|text| text.contains(word))).collect()
    }

    /// Waits for the first message whose text holds `word`.
    pub async fn message(&self, word: &str, timeout: Duration) -> Value {
        let what = format!("a mail that holds {word}");
        wait_for(&what, timeout, || async { self.messages(word).into_iter().next() }).await
    }
}
