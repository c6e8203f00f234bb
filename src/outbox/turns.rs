//! Who comes next when many wait: tenants in turn, the lanes of each in turn; and who gives way when there is too much. Pure.

use super::delivery::Lane;
use super::store::ClaimLimits;
use std::collections::{BTreeMap, VecDeque};

/// A lane by the number that its store knows it by, and how many of its rows may be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub lane: i64,
    pub room: usize,
}

/// The lanes that a claim may take from, in the order of their turns; `start` begins each round elsewhere.
pub(super) fn turns(lanes: Vec<(i64, Lane)>, limits: &ClaimLimits, start: usize) -> Vec<Turn> {
    let open = in_turn(lanes, start).into_iter().filter(|(_, lane)| !limits.blocked.contains(lane));
    let turn = |(id, lane): (i64, Lane)| {
        let held = limits.held.get(&lane).copied().unwrap_or(0);
        Turn { lane: id, room: limits.per_lane.saturating_sub(held).min(limits.max) }
    };
    open.map(turn).collect()
}

/// One lane of each tenant in turn, beginning with another tenant and another lane each time.
fn in_turn(lanes: Vec<(i64, Lane)>, start: usize) -> Vec<(i64, Lane)> {
    let mut tenants: BTreeMap<String, VecDeque<(i64, Lane)>> = BTreeMap::new();
    for entry in lanes {
        tenants.entry(entry.1.config_namespace.clone()).or_default().push_back(entry);
    }
    let mut tenants: Vec<_> = tenants.into_values().collect();
    for lanes in &mut tenants {
        let by = start % lanes.len().max(1);
        lanes.rotate_left(by);
    }
    let by = start % tenants.len().max(1);
    tenants.rotate_left(by);
    one_each(tenants, usize::MAX)
}

/// Takes one from each queue, round after round, up to `max`.
pub(super) fn one_each<T, Q: IntoIterator<Item = T>>(queues: Vec<Q>, max: usize) -> Vec<T> {
    let mut queues: VecDeque<_> = queues.into_iter().map(IntoIterator::into_iter).collect();
    let mut taken = Vec::new();
    while let Some(mut queue) = queues.pop_front() {
        if taken.len() >= max {
            break;
        }
        if let Some(item) = queue.next() {
            taken.push(item);
            queues.push_back(queue);
        }
    }
    taken
}

/// How much each tenant has above the level to which `max` fills them all.
pub(super) fn excess_by_tenant(mut held: Vec<(String, u64)>, max: u64) -> Vec<(String, u64)> {
    if held.iter().map(|(_, amount)| amount).sum::<u64>() <= max {
        return Vec::new();
    }
    held.sort_by_key(|(_, amount)| *amount);
    let mut left = max;
    let mut tenants = held.len() as u64;
    let mut excess = Vec::new();
    for (tenant, amount) in held {
        let share = left.div_ceil(tenants.max(1)).min(left).min(amount);
        left -= share;
        tenants -= 1;
        if amount > share {
            excess.push((tenant, amount - share));
        }
    }
    excess
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(tenant: &str, host: &str) -> (i64, Lane) {
        (0, Lane { config_namespace: tenant.into(), service: "s".into(), host: host.into() })
    }

    #[test]
    fn a_tenant_with_many_lanes_gets_one_turn_a_round() {
        let lanes = vec![lane("a", "1"), lane("a", "2"), lane("a", "3"), lane("b", "1")];
        let order: Vec<_> =
            in_turn(lanes, 0).into_iter().map(|(_, l)| format!("{}{}", l.config_namespace, l.host)).collect();
        assert_eq!(order, ["a1", "b1", "a2", "a3"]);
    }

    #[test]
    fn a_short_budget_is_shared() {
        assert_eq!(one_each(vec![vec![1, 2, 3], vec![10], vec![20, 21]], 4), [1, 10, 20, 2]);
    }

    #[test]
    fn the_tenant_that_has_most_loses() {
        let held = vec![("a".to_owned(), 10), ("b".to_owned(), 1_000), ("c".to_owned(), 20)];
        assert_eq!(excess_by_tenant(held.clone(), 100), [("b".to_owned(), 930)]);
        assert!(excess_by_tenant(held, 1_030).is_empty());
    }
}
