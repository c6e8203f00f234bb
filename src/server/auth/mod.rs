//! Who asks. Every handler of API and pages finds a [`Visitor`] in its request.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};

/// Who asks, as every handler of API and pages finds it: `visitor: web::ReqData<Visitor>`.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Who it is, for people and records.
    pub name: String,
    /// Whether this one may look.
    pub may_read: bool,
    /// Whether this one may change something.
    pub may_change: bool,
    /// Token that a change has to carry; `None`: not a browser session.
    pub csrf: Option<String>,
    /// Groups, as the login gave them.
    #[allow(dead_code)]
    pub groups: Vec<String>,
}

impl Visitor {
    /// Whoever reaches the loopback listener: all is allowed.
    #[must_use]
    pub fn local() -> Self {
        Self { name: "local".to_owned(), may_read: true, may_change: true, csrf: None, groups: Vec::new() }
    }
}

/// The listener is on loopback only: who reaches it is local.
pub(super) async fn recognise(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    request.extensions_mut().insert(Visitor::local());
    next.call(request).await
}
