//! Which instance a request goes to.

use std::fmt::Write as _;

use net::pick::{HashRing, RoundRobin, Tried};

use super::config::{Algorithm, InstanceConfig};

/// The instances in groups of equal priority, the most preferred group first.
///
/// Shared by all snapshots in which the instances are the same, so that turns go on when something
/// else is changed.
#[derive(Debug)]
pub(super) struct Balance {
    groups: Box<[Group]>,
}

/// Instances of one priority.
#[derive(Debug)]
struct Group {
    /// Indices of the instances, in the order of the configuration.
    members: Box<[usize]>,
    picker: Picker,
}

#[derive(Debug)]
enum Picker {
    RoundRobin(RoundRobin),
    Hash(HashRing),
}

// === impl Balance ===

impl Balance {
    /// Groups the instances.
    pub(super) fn new(instances: &[InstanceConfig], algorithm: Algorithm) -> Self {
        let mut priorities: Vec<_> = instances.iter().map(|instance| instance.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let group = |priority: &i64| {
            let members = instances.iter().enumerate();
            let members = members.filter(|(_, instance)| instance.priority == *priority);
            let (indices, members): (Vec<_>, Vec<_>) = members.unzip();
            Group {
                members: indices.into(),
                picker: Picker::new(&members, algorithm),
            }
        };
        Self {
            groups: priorities.iter().rev().map(group).collect(),
        }
    }

    /// What makes two balances interchangeable: everything that [`Balance::new`] looks at.
    pub(super) fn identity(
        resource: &str,
        instances: &[InstanceConfig],
        algorithm: Algorithm,
    ) -> String {
        let mut identity = format!("{resource} {algorithm:?}");
        for instance in instances {
            let InstanceConfig {
                name,
                weight,
                priority,
                ..
            } = instance;
            // Names are quoted, so that no name can look like two.
            _ = write!(identity, " {name:?}*{weight}@{priority}");
        }
        identity
    }

    /// The next instance that is not in `tried`, from the most preferred group that has one.
    pub(super) fn pick(&self, key: &[u8], tried: &Tried) -> Option<usize> {
        self.groups.iter().find_map(|group| group.pick(key, tried))
    }
}

// === impl Group ===

impl Group {
    fn pick(&self, key: &[u8], tried: &Tried) -> Option<usize> {
        let own = self.members.iter().enumerate();
        let tried: Tried = own
            .filter(|(_, index)| tried.contains(**index))
            .map(|(place, _)| place)
            .collect();
        let place = match &self.picker {
            Picker::RoundRobin(turns) => turns.pick(&tried),
            Picker::Hash(ring) => ring.pick(key, &tried),
        };
        self.members.get(place?).copied()
    }
}

// === impl Picker ===

impl Picker {
    fn new(members: &[&InstanceConfig], algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Chash => {
                let targets = members
                    .iter()
                    .map(|instance| (&*instance.name, instance.weight));
                Self::Hash(HashRing::new(targets))
            }
            Algorithm::Roundrobin | Algorithm::Semantic => Self::RoundRobin(RoundRobin::new(
                members.iter().map(|instance| instance.weight),
            )),
        }
    }
}
