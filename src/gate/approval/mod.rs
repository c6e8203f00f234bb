//! Approvals by callback: ask an outside process, let it take its time, take its answer from a callback (`spec/approvals.md`).
//!
//! Here is decided what a run is and how it goes on ([`run`]), what a callback is answered ([`answer`]), what its body may hold
//! ([`body`]), which token proves a run ([`token`]), who may vote ([`people`]) and how Markdown from outside is shown
//! ([`markdown`]). Never here: who is asked, where a run is kept, what the time is.

pub mod answer;
pub mod body;
pub mod markdown;
pub mod people;
pub mod record;
pub mod request;
pub mod run;
#[cfg(test)]
mod run_tests;
pub mod token;

pub use answer::{Case, Reply};
pub use body::Body;
pub use run::{
    Answer, ApprovalId, Caller, Effect, Event, Opening, Outcome, Phase, Run, RunId, Stage, Step, Subject, Vote,
};
