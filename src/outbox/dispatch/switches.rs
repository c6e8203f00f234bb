//! Destinations that are switched off: what the dispatcher does when one is, here, in another process, or by its receiver.
//!
//! The store says which are off; the dispatcher only keeps a copy. What waits stays as it is, it is just not claimed.

use super::super::delivery::Lane;
use super::super::destination::{Off, OffBy};
use super::super::lane::LaneQueue;
use super::super::sender::Event;
use super::Loop;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Pause between two looks at what other processes switched off.
const PAUSE: Duration = Duration::from_secs(1);

impl Loop {
    /// The receiver wants no more: kept in the store, so that other processes and the next one know.
    pub(super) async fn switch_off(&mut self, lane: Lane, cause: &str) {
        let off = Off::new(self.now_ms(), OffBy::Receiver, cause);
        match self.shared.store.switch(&lane, Some(&off)).await {
            Ok(true) => self.shared.observer.observe(&Event::SwitchedOff { lane: &lane, off: &off }),
            Ok(false) => {}
            Err(error) => {
                self.shared.observer.observe(&Event::StoreFailed { what: "switch a destination off", error: &error });
                return;
            }
        }
        self.stop(lane).await;
    }

    /// Nothing more is begun in this lane.
    async fn stop(&mut self, lane: Lane) {
        let unsent = self.lanes.get_mut(&lane).map(LaneQueue::drain).unwrap_or_default();
        self.off.insert(lane);
        self.put_back(unsent, "the destination is switched off").await;
    }

    /// Does as the store says. What other processes tell of is looked at once a second at most.
    pub(super) async fn follow_switches(&mut self) {
        let told = self.shared.switched.swap(false, Ordering::AcqRel);
        let due = self.look_at_switches && self.looked.elapsed() >= PAUSE;
        if !told && !due {
            return;
        }
        self.look_at_switches = false;
        self.looked = Instant::now();
        match self.shared.store.switched_off().await {
            Ok(now) => {
                let now: HashSet<Lane> = now.into_iter().map(|(lane, _)| lane).collect();
                let on_again = self.off.extract_if(|lane| !now.contains(lane)).count();
                self.want_claim |= on_again > 0;
                let stopped: Vec<Lane> = now.difference(&self.off).cloned().collect();
                for lane in stopped {
                    self.stop(lane).await;
                }
            }
            Err(error) => {
                self.shared.switched.store(true, Ordering::Release);
                self.shared.observer.observe(&Event::StoreFailed { what: "read what is switched off", error: &error });
            }
        }
    }
}
