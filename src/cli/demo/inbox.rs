//! A Backstage-shaped inbox: takes what the notifications plugin takes, refuses what it refuses.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One notification that arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub title: String,
    pub description: String,
    pub severity: String,
    pub entity: String,
}

struct Shared {
    token: String,
    down: AtomicBool,
    refused: AtomicUsize,
    received: Mutex<Vec<Received>>,
}

/// The inbox; it ends with the process.
pub(super) struct Inbox {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Inbox {
    pub(super) fn start(token: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            token: token.into(),
            down: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            received: Mutex::default(),
        });
        let data = web::Data::from(Arc::clone(&shared));
        let app = move || {
            App::new()
                .app_data(data.clone())
                .route("/api/notifications/notifications", web::post().to(take))
                .route("/inbox", web::get().to(show))
        };
        tokio::spawn(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run());
        Ok(Self { address, shared })
    }
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    pub(super) fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Release);
    }
    pub(super) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Acquire)
    }
    pub(super) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn refusal(status: u16, name: &str, message: &str) -> HttpResponse {
    let code = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(code)
        .json(json!({"error": {"name": name, "message": message}, "response": {"statusCode": status}}))
}

async fn take(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    if shared.down.load(Ordering::Acquire) {
        shared.refused.fetch_add(1, Ordering::AcqRel);
        return refusal(503, "ServiceUnavailableError", "Service is shutting down");
    }
    let sent = request.headers().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if sent != format!("Bearer {}", shared.token) {
        return refusal(401, "AuthenticationError", "Illegal token");
    }
    let parsed: Value = match serde_json::from_slice(&body) {
        Ok(parsed) => parsed,
        Err(error) => return refusal(400, "InputError", &error.to_string()),
    };
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (payload, recipients) = (&parsed["payload"], &parsed["recipients"]);
    if text(&payload["title"]).is_empty() {
        return refusal(400, "InputError", "Invalid notification request received: missing title");
    }
    let received = Received {
        title: text(&payload["title"]),
        description: text(&payload["description"]),
        severity: text(&payload["severity"]),
        entity: text(&recipients["entityRef"]),
    };
    shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    HttpResponse::Ok()
        .json(json!([{"payload": payload, "origin": "argocd-notifications", "user": "user:default/demo"}]))
}

async fn show(shared: web::Data<Shared>) -> HttpResponse {
    let received = shared.received.lock().unwrap_or_else(PoisonError::into_inner);
    let items: Vec<Value> = received
        .iter()
        .map(|r| json!({"title": r.title, "description": r.description, "severity": r.severity, "entityRef": r.entity}))
        .collect();
    HttpResponse::Ok().json(items)
}
