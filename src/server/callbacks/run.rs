//! `POST /callbacks/v1/runs/<id>`: the answer table over HTTP. `GET` shows a page and changes nothing.

use super::{answered, bearer, from};
use crate::controller::approval::Desk;
use crate::gate::approval::answer::reply;
use crate::gate::approval::body::{BODY_MAX, Unusable};
use crate::gate::approval::{Case, RunId};
use crate::server::pages;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use std::time::Duration;

/// Time that a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes beyond a body's limit that are still received.
const THROWN_MAX: usize = 1 << 20;

/// Takes a callback.
pub(super) async fn answer(
    desk: web::Data<Desk>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let case = judged(&desk, &request, &path, payload).await;
    let reply = reply(&case);
    desk.metrics.callbacks.with_label_values(&[&reply.status.to_string()]).inc();
    answered(reply)
}

async fn judged(desk: &Desk, request: &HttpRequest, id: &str, payload: web::Payload) -> Case {
    let admitted = match desk.admit(id, bearer(request), from(request)).await {
        Ok(admitted) => admitted,
        Err(case) => return case,
    };
    match tokio::time::timeout(BODY_TIMEOUT, read(payload)).await {
        Ok(Ok(bytes)) => desk.take(admitted, &bytes).await,
        Ok(Err(why)) => Case::Unusable(why),
        Err(_) => Case::Unusable(Unusable::Form("the body did not come in time".to_owned())),
    }
}

/// A whole body of at most [`BODY_MAX`] bytes. Of a larger one the rest is thrown away, up to [`THROWN_MAX`] bytes: a caller that is
/// cut off while it still sends would not read the answer.
pub(super) async fn read(mut payload: web::Payload) -> Result<Bytes, Unusable> {
    let (mut body, mut thrown) = (BytesMut::new(), 0);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Unusable::Form("the body broke off".to_owned()))?;
        if thrown > 0 || body.len() + chunk.len() > BODY_MAX {
            thrown += chunk.len();
            if thrown > THROWN_MAX {
                break;
            }
            continue;
        }
        body.extend_from_slice(&chunk);
    }
    if thrown > 0 { Err(Unusable::TooLarge) } else { Ok(body.freeze()) }
}

/// Where a link in a message leads: it says how to decide, and decides nothing. The same for a run that is not there.
pub(super) async fn page(path: web::Path<String>) -> HttpResponse {
    match path.parse::<RunId>() {
        Ok(id) => pages::callback(&id),
        Err(_) => HttpResponse::build(StatusCode::NOT_FOUND).finish(),
    }
}
