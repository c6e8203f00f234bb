//! A browser as far as it matters here: it keeps cookies, says where a request was made, and goes where it is sent only when told to.

use reqwest::{Method, RequestBuilder, StatusCode};
use std::collections::BTreeMap;

/// What one request came to.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, Vec<String>>,
    pub body: String,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |values| values[0].as_str())
    }

    /// The cookie of this name as it was set.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.headers.get("set-cookie")?;
        all.iter().find(|cookie| cookie.starts_with(&format!("{name}="))).map(String::as_str)
    }

    /// The value that a form's hidden field has.
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split('"').next()
    }
}

/// A browser at one Gatepost.
pub struct Browser {
    base: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn at(base: &str) -> Self {
        Self { base: base.to_owned(), cookies: BTreeMap::new() }
    }

    /// A cookie that it keeps.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Gives it a cookie.
    pub fn plant(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Begins a request with its cookies and nothing else.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = client().request(method, format!("{}{path}", self.base));
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    /// Opens a page, as a person does who types its address.
    pub async fn open(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).header("sec-fetch-site", "none").header("sec-fetch-mode", "navigate");
        self.take(request).await
    }

    /// Posts a form of one of Gatepost's own pages.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, path).header("sec-fetch-site", "same-origin").header("origin", "null");
        self.take(request.form(form)).await
    }

    /// Asks for a change, as the script of a page does.
    pub async fn change(&mut self, path: &str, csrf: &str, body: &serde_json::Value) -> Answer {
        let origin = self.base.clone();
        let request = self.request(Method::POST, path).header("sec-fetch-site", "same-origin").header("origin", origin);
        self.take(request.header("x-csrf-token", csrf).json(body)).await
    }

    /// Sends a request and keeps the cookies of the answer.
    pub async fn take(&mut self, request: RequestBuilder) -> Answer {
        let answer = send(request).await;
        for cookie in answer.headers.get("set-cookie").into_iter().flatten() {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            match cookie.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    /// Logs in by a token; the answer to the form.
    pub async fn log_in(&mut self, token: &str) -> Answer {
        self.post("/login", &[("token", token), ("next", "/deliveries")]).await
    }

    /// The token that changes of this session carry, from a page.
    pub async fn csrf(&mut self) -> String {
        let page = self.open("/").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let (_, rest) = page.body.split_once("name=\"csrf-token\" content=\"").expect("pages carry it");
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Sends a request; a redirect is not followed.
#[allow(clippy::disallowed_methods)]
pub async fn send(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("the server answers");
    let mut headers = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in answer.headers() {
        headers.entry(name.as_str().to_owned()).or_default().push(value.to_str().unwrap_or_default().to_owned());
    }
    let status = answer.status().as_u16();
    Answer { status, headers, body: answer.text().await.expect("the body arrives") }
}

/// A client that goes nowhere by itself.
#[allow(clippy::disallowed_methods)]
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client builds")
}
