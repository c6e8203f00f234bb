//! Who may vote on a run. Logins are compared, as the cluster or the issuer knows them; a git author is a text that anybody
//! can write and decides nothing.

use super::run::Run;
use serde::{Deserialize, Serialize};

/// A person who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Login name.
    pub user: String,
    /// Groups of the login.
    pub groups: Vec<String>,
}

/// The rules of `spec.manualApproval`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Voters {
    /// Logins that may vote.
    pub users: Vec<String>,
    /// Groups whose members may.
    pub groups: Vec<String>,
    /// Whether whoever opened the run may.
    pub allow_author: bool,
}

/// Why a person may not vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The approval asks nobody.
    #[error("this approval asks no people: spec.manualApproval is not set")]
    NobodyAsked,
    /// Neither the login nor one of its groups is listed.
    #[error(
        "you are not among the approvers: neither your login nor one of its groups is in spec.manualApproval.approvers"
    )]
    NotListed,
    /// The run is the person's own.
    #[error("you opened this run, and spec.manualApproval.allowAuthor is not set")]
    Author,
}

/// Whether a person may vote on a run. Empty lists of approvers leave it to the cluster's own authorisation.
///
/// # Errors
/// Why not.
pub fn may_vote(voters: Option<&Voters>, run: &Run, person: &Person) -> Result<(), Refusal> {
    let voters = voters.ok_or(Refusal::NobodyAsked)?;
    let everyone = voters.users.is_empty() && voters.groups.is_empty();
    let listed = voters.users.contains(&person.user) || person.groups.iter().any(|g| voters.groups.contains(g));
    if !everyone && !listed {
        return Err(Refusal::NotListed);
    }
    if !voters.allow_author && !run.opened_by.is_empty() && run.opened_by == person.user {
        return Err(Refusal::Author);
    }
    Ok(())
}
