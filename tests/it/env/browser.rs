//! A real browser: headless Chromium through chromedriver. Each test opens a window with a profile of its own.

use super::part::{self, Part};
use super::wait_for;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a page has to show what it should; a browser on a busy machine takes its time.
pub const PAGE_PATIENCE: Duration = Duration::from_secs(60);

/// The driver of this test run.
pub struct Browser {
    _part: Part,
    url: String,
    program: String,
    rules: String,
}

/// The driver, started by the first caller.
pub async fn browser() -> &'static Browser {
    static BROWSER: OnceCell<Result<Browser, String>> = OnceCell::const_new();
    match BROWSER.get_or_init(start).await {
        Ok(browser) => browser,
        Err(reason) => panic!("{reason}"),
    }
}

async fn start() -> Result<Browser, String> {
    let part = part::start("browser.sh", Vec::new()).await?;
    let [url, program, rules] = part.words.as_slice() else {
        return Err("browser.sh did not name a driver, a browser and rules".to_owned());
    };
    let text = std::fs::read_to_string(rules).map_err(|e| format!("{rules} cannot be read: {e}"))?;
    Ok(Browser { url: url.clone(), program: program.clone(), rules: text, _part: part })
}

impl Browser {
    /// A window of this size.
    pub async fn window(&'static self, (width, height): (u32, u32)) -> Window {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--force-device-scale-factor=1",
            &format!("--window-size={width},{height}"),
        ];
        let wanted = json!({
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": self.program, "args": arguments},
        });
        let mut connector = HttpConnector::new();
        connector.enforce_http(true);
        let mut builder = ClientBuilder::new(connector);
        let client = builder.capabilities(wanted.as_object().unwrap().clone()).connect(&self.url).await.unwrap();
        Window { client, rules: &self.rules }
    }
}

/// One window.
pub struct Window {
    client: Client,
    rules: &'static str,
}

impl Window {
    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Where it is.
    pub async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// The page's HTML as it is now.
    pub async fn source(&self) -> String {
        self.client.source().await.unwrap()
    }

    /// What a script answers.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// The text that is seen of the first element; empty where there is none.
    pub async fn text(&self, css: &str) -> String {
        match self.client.find(Locator::Css(css)).await {
            // It may have been replaced meanwhile.
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the first element's text has these words; answers with it.
    pub async fn says(&self, css: &str, words: &str) -> String {
        wait_for(&format!("{css} to say {words:?}"), PAGE_PATIENCE, || async {
            Some(self.text(css).await).filter(|text| text.contains(words))
        })
        .await
    }

    /// Clicks the first element, once it is there and can be clicked.
    pub async fn click(&self, css: &str) {
        wait_for(&format!("{css} to be clicked"), PAGE_PATIENCE, || async {
            let element = self.client.find(Locator::Css(css)).await.ok()?;
            element.is_enabled().await.ok().filter(|is| *is)?;
            element.click().await.ok()
        })
        .await;
    }

    /// Types into the first element.
    pub async fn write(&self, css: &str, text: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// Types into whatever has the focus.
    pub async fn type_on(&self, text: &str) {
        self.client.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    /// Shows pages as somebody sees them who prefers the dark.
    pub async fn prefer_dark(&self) {
        let features = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.client.issue_cmd(Extra { path: "goog/cdp/execute", body: command }).await.unwrap();
    }

    /// Errors and warnings of the console since it was last asked.
    pub async fn complaints(&self) -> Vec<String> {
        let command = Extra { path: "se/log", body: json!({"type": "browser"}) };
        let entries = self.client.issue_cmd(command).await.unwrap();
        let is_bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        entries.as_array().unwrap().iter().filter(is_bad).map(|entry| entry["message"].to_string()).collect()
    }

    /// Which accessibility rules the page breaks, and where.
    pub async fn barriers(&self) -> Vec<String> {
        self.client.execute(self.rules, Vec::new()).await.unwrap();
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, {resultTypes: ['violations']}).then(
              (found) => done(found.violations.map((rule) => `${rule.id}: ${rule.help}: ${rule.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | ')}`)),
              (error) => done([String(error)]));";
        let found = self.client.execute_async(script, Vec::new()).await.unwrap();
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Keeps a picture of what is seen as `screenshots/<name>.png` in the target folder.
    pub async fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await.unwrap()).unwrap();
    }

    /// Closes it.
    pub async fn close(self) {
        self.client.close().await.unwrap();
    }
}

/// A command of chromedriver that the standard does not have.
#[derive(Debug)]
struct Extra {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
