//! How the steps of a look become one outcome: status, memory, CommitStatuses, events, and when to look again.

use super::conclude::{Done, Ending};
use super::retry::{commits, try_again};
use super::{Decision, Event, Failure, Outcome, Step};
use crate::gate::memory::Why;
use crate::gate::names;
use crate::gate::spec::Context;
use crate::gate::status::{BranchPhase, BranchSha, EnvironmentStatus, Phase, StrategyContextStatus};
use crate::gate::strategy::Environment;
use std::collections::BTreeMap;
use std::time::Duration;

impl Ending<'_> {
    pub(super) fn add(&mut self, step: Step, mut done: Done) {
        for environment in &step.environments {
            let name = names::commit_status(&self.session.gate().name, &environment.branch);
            self.out.keep.get_or_insert_default().push(name);
        }
        match self.session.gate().spec.context {
            Context::Environments => self.add_environment(&step, &done),
            Context::PromotionStrategy => self.add_strategy(&step, &done),
        }
        if done.failure.is_some() && done.tries.retry.is_none() {
            try_again(&mut done.tries, &commits(&step.environments), &self.clock, Why::Undecided, None);
        }
        self.look_again(&step, &done);
        if let Some(cause) = done.failure {
            self.out.failures.push(Failure { branch: step.scope.clone(), cause });
        }
        for draft in done.drafts {
            match draft {
                Ok(draft) => self.out.commit_statuses.push(draft),
                Err(failure) => self.out.failures.push(failure),
            }
        }
        self.out.memory.scopes.insert(step.scope, done.tries);
        self.out.looks.push(done.look);
    }
    fn add_environment(&mut self, step: &Step, done: &Done) {
        let Some(Environment { branch, sha }) = step.environments.first() else { return };
        let stored = self.session.stored.environment(branch);
        let (Some(kept), Some(phase)) = (&done.kept, done.look.phases.get(branch).copied()) else {
            self.out.status.environments.extend(stored.cloned());
            return;
        };
        let last = stored.map(|entry| entry.last_successful_sha.clone()).unwrap_or_default();
        self.out.status.environments.push(EnvironmentStatus {
            branch: branch.clone(),
            reported_sha: sha.clone(),
            last_successful_sha: if phase == Phase::Success { sha.clone() } else { last },
            phase,
            kept: kept.clone(),
        });
    }
    fn add_strategy(&mut self, step: &Step, done: &Done) {
        let stored = self.session.stored.promotion_strategy_context.as_ref();
        let Some(kept) = &done.kept else {
            self.out.status.promotion_strategy_context = stored.cloned();
            return;
        };
        let old = stored.map(|context| context.last_successful_shas.as_slice()).unwrap_or_default();
        let mut shas: BTreeMap<_, _> =
            old.iter().map(|item| (item.branch.clone(), item.last_successful_sha.clone())).collect();
        for Environment { branch, sha } in &step.environments {
            if done.look.phases.get(branch) == Some(&Phase::Success) {
                shas.insert(branch.clone(), sha.clone());
            }
        }
        let item = |(branch, last_successful_sha)| BranchSha { branch, last_successful_sha };
        let phase = |(branch, phase): (&String, &Phase)| BranchPhase { branch: branch.clone(), phase: *phase };
        self.out.status.promotion_strategy_context = Some(StrategyContextStatus {
            phase_per_branch: done.look.phases.iter().map(phase).collect(),
            last_successful_shas: shas.into_iter().map(item).collect(),
            kept: kept.clone(),
        });
    }
    /// When this step wants the next look.
    fn look_again(&mut self, step: &Step, done: &Done) {
        let retry = done.tries.retry.as_ref().map(|retry| retry.at);
        let polled = match &step.decision {
            Decision::Carry { until } => *until,
            _ => None,
        };
        for at in retry.into_iter().chain(polled) {
            let wait = u64::try_from(at.saturating_sub(self.clock.now_ms)).unwrap_or(0);
            let wait = Duration::from_millis(wait.max(1));
            let sooner = self.out.requeue_after.map_or(wait, |other| other.min(wait));
            self.out.requeue_after = Some(sooner);
        }
        self.out.next_try = [self.out.next_try, retry].into_iter().flatten().min();
    }
    pub(super) fn finish(mut self) -> Outcome {
        let gate = self.session.gate();
        let nothing = self.out.looks.is_empty() && gate.spec.context == Context::PromotionStrategy;
        if !nothing {
            let soonest = [self.out.requeue_after, self.until_next()].into_iter().flatten().min();
            self.out.requeue_after = soonest;
        }
        self.tell_changes();
        self.out
    }
    /// Events for phases that changed, and the branches that became successful.
    fn tell_changes(&mut self) {
        let before: BTreeMap<&str, Phase> = self.session.stored.phases().collect();
        let changed = self.out.status.phases().filter(|(branch, phase)| before.get(branch) != Some(phase));
        let changed: Vec<_> = changed.map(|(branch, phase)| (branch.to_owned(), phase)).collect();
        for (branch, phase) in changed {
            let old = before.get(branch.as_str()).map_or("<none>", |phase| phase.as_str());
            let key = &self.session.gate().spec.key;
            self.out.events.push(Event {
                warning: phase == Phase::Failure,
                reason: "CommitStatusPhaseChanged",
                action: "EvaluatingCommitStatus",
                note: format!("Commit status {key:?} for environment branch {branch} changed from {old} to {phase}"),
            });
            if phase == Phase::Success {
                self.out.newly_successful.push(branch);
            }
        }
    }
}
