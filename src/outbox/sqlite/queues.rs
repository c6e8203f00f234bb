//! What waits for the writer, in which order it is taken, and what goes together. Runs nothing.

use super::writer::{Job, Priority};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Most pieces of work in one transaction: bounds how long the first one waits for the last.
const GROUP_MAX: usize = 512;
/// A transaction with so many pieces takes no more while it runs.
pub(super) const JOINING_MAX: usize = 64;
/// How long a piece for later waits for a transaction without decisions to go along with, before it gets one of its own, without a sync.
const LATER_MAX: Duration = Duration::from_millis(50);
/// Pieces that may wait in each queue before callers are held back.
const QUEUE_LEN: usize = 4096;

/// What the commit of a group has to outlive before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The machine: it is on the disk.
    Disk,
    /// The process.
    Process,
}

/// The queues, at the writer's end.
pub(super) struct Queues {
    first: mpsc::Receiver<Box<dyn Job>>,
    second: mpsc::Receiver<Box<dyn Job>>,
    claims: mpsc::Receiver<Box<dyn Job>>,
    later: mpsc::Receiver<Box<dyn Job>>,
    unsynced: mpsc::Receiver<Box<dyn Job>>,
    /// What needs no sync had its turn: the others come first now.
    served_unsynced: bool,
    /// The first piece for later, and when it has waited long enough.
    held: Option<(Box<dyn Job>, Instant)>,
    /// Something was made due that no claim came after.
    unclaimed: bool,
    /// Claims came since one was last waited for in vain.
    claims_follow: bool,
}

impl Queues {
    /// Empty ones, and the ends that they are filled at: first, second, claims, later, unsynced.
    pub(super) fn new() -> ([mpsc::Sender<Box<dyn Job>>; 5], Self) {
        let (first, first_rx) = mpsc::channel(QUEUE_LEN);
        let (second, second_rx) = mpsc::channel(QUEUE_LEN);
        let (claims, claims_rx) = mpsc::channel(QUEUE_LEN);
        let (later, later_rx) = mpsc::channel(QUEUE_LEN);
        let (unsynced, unsynced_rx) = mpsc::channel(QUEUE_LEN);
        let queues = Self {
            first: first_rx,
            second: second_rx,
            claims: claims_rx,
            later: later_rx,
            unsynced: unsynced_rx,
            served_unsynced: false,
            held: None,
            unclaimed: false,
            claims_follow: false,
        };
        ([first, second, claims, later, unsynced], queues)
    }

    /// Waits for work, then takes all of one kind that waits, up to the group's size. `None` when there will be no more.
    pub(super) fn gather(&mut self, jobs: &mut Vec<Box<dyn Job>>) -> Option<Until> {
        loop {
            // Asked first: what was handed over before the last handle went is found below.
            let is_closed = self.first.is_closed();
            if !self.served_unsynced {
                jobs.extend(std::iter::from_fn(|| self.unsynced.try_recv().ok()).take(GROUP_MAX));
                self.served_unsynced = !jobs.is_empty();
                if self.served_unsynced {
                    return Some(Until::Process);
                }
            }
            let served_unsynced = std::mem::take(&mut self.served_unsynced);
            let decides = self.take(jobs, GROUP_MAX);
            let due = self.later_due();
            let now = Instant::now();
            let is_alone = jobs.is_empty();
            let goes_along = !is_alone && !decides;
            if goes_along || is_closed || due.is_some_and(|due| due <= now) {
                self.take_later(jobs);
            }
            match due {
                _ if !jobs.is_empty() => return Some(if is_alone { Until::Process } else { Until::Disk }),
                _ if served_unsynced => {}
                _ if is_closed => return None,
                Some(due) => thread::park_timeout(due - now),
                None => thread::park(),
            }
        }
    }

    /// Takes what waits in the order in which it is to run, until there are `max`; a claim is always taken. Whether a decision or a claim
    /// is among it.
    fn take(&mut self, jobs: &mut Vec<Box<dyn Job>>, max: usize) -> bool {
        let claims: Vec<_> = std::iter::from_fn(|| self.claims.try_recv().ok()).collect();
        let mut decides = !claims.is_empty();
        for (queue, is_decision) in [(&mut self.first, false), (&mut self.second, true)] {
            while jobs.len() < max {
                let Ok(job) = queue.try_recv() else { break };
                self.unclaimed |= job.priority() == Priority::Due;
                jobs.push(job);
                decides |= is_decision;
            }
        }
        if !claims.is_empty() {
            (self.unclaimed, self.claims_follow) = (false, true);
        }
        jobs.extend(claims);
        decides
    }

    /// Takes what came while a group ran. If that is nothing, the claim of what was just decided is on its way, and is waited for until
    /// `due`: else it would have to wait for a sync of its own.
    pub(super) fn join(&mut self, jobs: &mut Vec<Box<dyn Job>>, due: Instant) {
        let done = jobs.len();
        loop {
            self.take(jobs, JOINING_MAX);
            let now = Instant::now();
            if jobs.len() > done || !self.unclaimed || !self.claims_follow {
                return;
            }
            if now >= due {
                self.claims_follow = false;
                return;
            }
            thread::park_timeout(due - now);
        }
    }

    /// Until when what is for later may wait, if there is any.
    fn later_due(&mut self) -> Option<Instant> {
        if self.held.is_none() {
            self.held = self.later.try_recv().ok().map(|job| (job, Instant::now() + LATER_MAX));
        }
        self.held.as_ref().map(|(_, due)| *due)
    }

    fn take_later(&mut self, jobs: &mut Vec<Box<dyn Job>>) {
        let held = self.held.take().map(|(job, _)| job);
        let waiting = std::iter::from_fn(|| self.later.try_recv().ok());
        jobs.extend(held.into_iter().chain(waiting).take(GROUP_MAX));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::writer::Piece;
    use super::*;
    use rusqlite::Connection;

    fn piece() -> Box<dyn Job> {
        let (reply, _) = tokio::sync::oneshot::channel();
        Box::new(Piece::new(|_: &Connection| Ok(()), Priority::Second, reply))
    }

    /// What the next group's commit has to outlive, and how many pieces it begins with.
    fn gathered(queues: &mut Queues) -> (Option<Until>, usize) {
        let mut jobs = Vec::new();
        let until = queues.gather(&mut jobs);
        (until, jobs.len())
    }

    #[test]
    fn what_is_for_later_goes_with_outcomes_and_waits_while_there_are_decisions() {
        let ([first, second, claims, later, _], mut queues) = Queues::new();
        for queue in [&later, &first, &later] {
            queue.try_send(piece()).unwrap();
        }
        let (disk, process) = (Some(Until::Disk), Some(Until::Process));
        assert_eq!(gathered(&mut queues), (disk, 3));
        for decision in [&second, &claims] {
            let began = Instant::now();
            later.try_send(piece()).unwrap();
            decision.try_send(piece()).unwrap();
            assert_eq!(gathered(&mut queues), (disk, 1));
            assert_eq!(gathered(&mut queues), (process, 1), "alone it needs no sync");
            assert!(began.elapsed() >= LATER_MAX);
        }
    }

    #[test]
    fn what_needs_no_sync_goes_alone_and_takes_turns_with_the_rest() {
        let ([first, _, _, _, unsynced], mut queues) = Queues::new();
        for queue in [&first, &unsynced, &unsynced] {
            queue.try_send(piece()).unwrap();
        }
        let mut gather = |more: Option<&mpsc::Sender<Box<dyn Job>>>| {
            let mut jobs = Vec::new();
            let until = queues.gather(&mut jobs);
            if let Some(queue) = more {
                queue.try_send(piece()).unwrap();
            }
            (until, jobs.len())
        };
        assert_eq!(gather(Some(&unsynced)), (Some(Until::Process), 2));
        assert_eq!(gather(None), (Some(Until::Disk), 1));
        assert_eq!(gather(Some(&unsynced)), (Some(Until::Process), 1));
        assert_eq!(gather(None), (Some(Until::Process), 1), "nothing else waits");
    }
}
