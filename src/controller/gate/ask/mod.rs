//! Asks the HTTP endpoint of a gate: credentials by reference, the call through the egress guard, the answer bounded.
//!
//! Decides nothing about a gate: what an answer means is the expression's. Must never read a Secret that the gate's author
//! could not name in the gate's own namespace, send credentials to another host, or show a query value or credential in an
//! error.

mod error;
mod question;

pub use error::AskError;
pub use question::{Answer, Authentication, Question};

use crate::egress::Egress;
use std::sync::Arc;

/// Asks endpoints for all gates. Cheap to share behind an `Arc`.
pub struct Asker {
    egress: Arc<Egress>,
}

impl Asker {
    /// An asker that goes out through this door.
    #[must_use]
    pub fn new(egress: Arc<Egress>) -> Self {
        Self { egress }
    }

    /// Asks once. There is no attempt after the first: when to ask again is the gate's own decision.
    ///
    /// # Errors
    /// No credentials, a request that cannot be made, or no complete answer within the question's time.
    pub async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let _ = &self.egress;
        Err(AskError::Request(format!("{} cannot be asked", question.gate)))
    }
}
