//! Where the picks of one cluster at one proxy can go: its lists of hosts, and how traffic is shared among them. Worked
//! out at each change of hosts, so that a pick only looks. Source: semantics S5.1, S6.1 to S6.4.
//!
//! Each priority has a list of its healthy hosts and one of all its hosts, for panic; where localities have weights, one
//! more for each of them. Lists are numbered so that each keeps its number, and with it its place in the sequence of
//! hosts, whatever befalls hosts.

use super::locality::LocalityHosts;
use super::priority::{Loads, OVERPROVISIONING, PreviousPriorities, PriorityHosts};
use crate::mesh::policy_spec::LocalityGroup;

/// Envoy's `update_frequency` as Istio writes it for `retryRemoteLocalities`. Source: semantics S9.1.
const ATTEMPTS_BEFORE_OTHERS: u32 = 2;

/// A host as balancers are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// Not in the list of hosts.
    Gone,
    /// Ejected, or not ready: it counts and is picked in panic alone.
    Unhealthy,
    Healthy,
}

/// One priority's part.
#[derive(Clone, Debug)]
struct Part {
    /// Number of the list of its healthy hosts; that of all its hosts follows, then those of its localities.
    first: u32,
    /// Empty where localities have no weights.
    localities: Vec<LocalityHosts>,
}

#[derive(Clone, Debug)]
pub struct Sources {
    loads: Loads,
    hosts: Vec<PriorityHosts>,
    parts: Vec<Part>,
    lists: Vec<Vec<u32>>,
}

impl Sources {
    /// `groups` stand in the order in which the hosts of a priority do. `panic_threshold` is in per cent.
    pub fn new(
        groups: &[LocalityGroup],
        is_weighted: bool,
        panic_threshold: u32,
        state: impl Fn(u32) -> HostState,
    ) -> Sources {
        let count = groups.iter().map(|group| group.priority + 1).max().unwrap_or(1);
        let (mut hosts, mut parts, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        for priority in 0..count {
            let first = lists.len() as u32;
            let (mut all, mut healthy, mut localities, mut by_locality) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for group in groups.iter().filter(|group| group.priority == priority) {
                let is_in = |wanted: fn(HostState) -> bool| {
                    group.hosts.iter().copied().filter(|host| wanted(state(*host))).collect::<Vec<u32>>()
                };
                let present = is_in(|state| state != HostState::Gone);
                let well = is_in(|state| state == HostState::Healthy);
                localities.push(LocalityHosts {
                    weight: group.weight,
                    hosts: present.len() as u32,
                    healthy: well.len() as u32,
                });
                all.extend(present);
                healthy.extend_from_slice(&well);
                by_locality.push(well);
            }
            let (present, well) = (all.len() as u32, healthy.len() as u32);
            hosts.push(PriorityHosts { hosts: present, healthy: well, ..PriorityHosts::default() });
            lists.extend([healthy, all]);
            if is_weighted {
                lists.extend(by_locality);
            } else {
                localities.clear();
            }
            parts.push(Part { first, localities });
        }
        Sources { loads: Loads::new(&hosts, panic_threshold, OVERPROVISIONING), hosts, parts, lists }
    }

    pub fn priorities(&self) -> usize {
        self.parts.len()
    }

    pub fn lists(&self) -> &[Vec<u32>] {
        &self.lists
    }

    pub fn list(&self, source: u32) -> &[u32] {
        &self.lists[source as usize]
    }

    /// The one list to which every first pick goes, whatever is drawn; `None` if there are several.
    pub fn only(&self) -> Option<u32> {
        let mut live = (0..self.parts.len()).filter(|priority| self.loads.healthy[*priority] > 0);
        match (live.next(), live.next()) {
            (Some(priority), None) if self.loads.panic[priority] => Some(self.parts[priority].first + 1),
            (Some(priority), None) if self.parts[priority].localities.is_empty() => {
                Some(self.parts[priority].first)
            }
            _ => None,
        }
    }

    /// The list that a pick goes to; `None`: no priority has any. `number` is the pick's first number. `turn` tells
    /// whose turn it is among these localities of a priority, if anybody's. Source: semantics S6.1 to S6.3.
    pub fn choose(
        &self,
        loads: &Loads,
        number: u64,
        turn: impl FnOnce(usize, &[LocalityHosts]) -> Option<u32>,
    ) -> Option<u32> {
        let (priority, _) = loads.choose(number)?;
        let Part { first, localities } = &self.parts[priority];
        if self.loads.panic[priority] {
            return Some(first + 1);
        }
        if localities.is_empty() {
            return Some(*first);
        }
        Some(turn(priority, localities).map_or(*first, |place| first + 2 + place))
    }

    pub fn loads(&self) -> &Loads {
        &self.loads
    }

    /// The loads for the next attempt of a call that has tried these priorities, the first one first.
    /// Source: semantics S9.6.
    pub fn loads_after(&self, tried: impl Iterator<Item = u32>) -> Loads {
        let mut previous = PreviousPriorities::new(ATTEMPTS_BEFORE_OTHERS);
        let next = |_, priority| previous.attempted(priority as usize, &self.hosts, &self.loads);
        tried.fold(self.loads.clone(), next)
    }

    /// The list whose table a hash looks into: localities have no turns there, their weights are in the table.
    /// Source: semantics S5.10.
    pub fn choose_table(&self, hash: u64) -> Option<u32> {
        self.choose(&self.loads, hash, |_, _| None)
    }

    /// The hosts of a table, and their shares where localities have weights. Hosts of a locality without weight have
    /// no place in it. Source: semantics S5.8, S6.3.
    pub fn table_hosts(&self, source: u32, weight: impl Fn(u32) -> u32) -> (Vec<u32>, Option<Vec<f64>>) {
        let part = self.parts.iter().find(|part| part.first == source && !part.localities.is_empty());
        let Some(part) = part else { return (self.list(source).to_vec(), None) };
        let total: f64 = part.localities.iter().map(|locality| f64::from(locality.weight)).sum();
        let (mut hosts, mut shares) = (Vec::new(), Vec::new());
        for (locality, place) in part.localities.iter().zip(source + 2..).filter(|(l, _)| l.weight > 0) {
            let own = self.list(place);
            let sum: f64 = own.iter().map(|host| f64::from(weight(*host))).sum();
            let share = f64::from(locality.weight) / total;
            hosts.extend_from_slice(own);
            shares.extend(own.iter().map(|host| share * f64::from(weight(*host)) / sum));
        }
        (hosts, Some(shares))
    }
}

/// The priority of a host.
pub fn priority_of(groups: &[LocalityGroup], host: u32) -> Option<u32> {
    groups.iter().find(|group| group.hosts.contains(&host)).map(|group| group.priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(priority: u32, weight: u32, hosts: &[u32]) -> LocalityGroup {
        LocalityGroup { priority, weight, hosts: hosts.to_vec() }
    }

    /// All healthy but these.
    fn sources(groups: &[LocalityGroup], is_weighted: bool, threshold: u32, ill: &[u32]) -> Sources {
        let state = |host| if ill.contains(&host) { HostState::Unhealthy } else { HostState::Healthy };
        Sources::new(groups, is_weighted, threshold, state)
    }

    fn zones() -> [LocalityGroup; 2] {
        [group(0, 5, &[0, 2, 4, 6, 8]), group(1, 5, &[1, 3, 5, 7, 9])]
    }

    fn share_of(sources: &Sources, source: u32) -> usize {
        let choose = |number| sources.choose(sources.loads(), number, |_, _| None);
        (0..100).filter(|number| choose(*number) == Some(source)).count()
    }

    #[test]
    fn the_example_of_two_zones_spills_over_with_the_second_ejection() {
        let one = sources(&zones(), false, 0, &[4]);
        assert_eq!((one.only(), one.list(0)), (Some(0), &[0, 2, 6, 8][..]));
        let two = sources(&zones(), false, 0, &[4, 0]);
        assert_eq!((two.only(), share_of(&two, 0), share_of(&two, 2)), (None, 84, 16));
        let none = sources(&zones(), false, 0, &[0, 2, 4, 6, 8]);
        assert_eq!((none.only(), none.list(2)), (Some(2), &[1, 3, 5, 7, 9][..]));
    }

    #[test]
    fn panic_takes_all_that_are_there() {
        let whole = [group(0, 0, &[0, 1, 2, 3])];
        assert_eq!(sources(&whole, false, 30, &[0, 1]).only(), Some(0));
        let panic = sources(&whole, false, 30, &[0, 1, 2]);
        assert_eq!((panic.only(), panic.list(1)), (Some(1), &[0, 1, 2, 3][..]));
        let state = |host| if host == 3 { HostState::Gone } else { HostState::Unhealthy };
        assert_eq!(Sources::new(&whole, false, 30, state).list(1), [0, 1, 2]);
        // Off: nobody is picked.
        let off = sources(&whole, false, 0, &[0, 1, 2, 3]);
        assert_eq!((off.only(), off.list(0)), (Some(0), &[0u32; 0][..]));
    }

    #[test]
    fn weighted_localities_take_turns_unless_none_can() {
        let both = [group(0, 80, &[0, 1]), group(0, 20, &[2, 3])];
        let sources = sources(&both, true, 0, &[]);
        let choose = |turn| sources.choose(sources.loads(), 7, |_, _| turn);
        assert_eq!(sources.only(), None);
        assert_eq!([choose(Some(0)), choose(Some(1)), choose(None)], [Some(2), Some(3), Some(0)]);
        assert_eq!((sources.list(3), sources.list(0)), (&[2, 3][..], &[0, 1, 2, 3][..]));
    }

    #[test]
    fn tables_hold_the_shares_of_localities() {
        let both = [group(0, 80, &[0, 1]), group(0, 20, &[2, 3]), group(0, 0, &[4])];
        let (hosts, shares) = sources(&both, true, 0, &[1]).table_hosts(0, |_| 1);
        assert_eq!((hosts, shares), (vec![0, 2, 3], Some(vec![0.8, 0.1, 0.1])));
        let (hosts, shares) = sources(&both, false, 0, &[1]).table_hosts(0, |_| 1);
        assert_eq!((hosts, shares), (vec![0, 2, 3, 4], None));
    }

    #[test]
    fn retries_turn_to_other_priorities() {
        let all = sources(&zones(), false, 0, &[]);
        assert_eq!(all.loads_after([].into_iter()).healthy, [100, 0]);
        assert_eq!(all.loads_after([0].into_iter()).healthy, [100, 0]);
        assert_eq!(all.loads_after([0, 0].into_iter()).healthy, [0, 100]);
        assert_eq!((priority_of(&zones(), 4), priority_of(&zones(), 10)), (Some(0), None));
    }
}
