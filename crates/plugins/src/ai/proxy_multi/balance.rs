//! Which instance a request goes to.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use ai::{Instance, Seat};
use net::pick::{Ewma, HashRing, LeastBusy, Lineage, Outcome, Prefix, RoundRobin, Settle, Tried};
use plugin::{Ctx, Host};

use super::config::{Algorithm, InstanceConfig};

/// The instances in groups of equal priority, the most preferred group first.
#[derive(Debug)]
pub(super) struct Balance {
    groups: Box<[Group]>,
    /// For each instance its group, and its place there.
    places: Box<[(usize, usize)]>,
    algorithm: Algorithm,
}

/// What a request is chosen for by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// The key of `chash`.
    key: &'a [u8],
    is_streamed: bool,
    /// The blocks of its prompt, for `prefix`.
    blocks: &'a [u64],
}

/// Instances of one priority.
#[derive(Debug)]
struct Group {
    /// Indices of the instances, in the order of the configuration.
    members: Box<[usize]>,
    /// Those of the members that are ever chosen.
    chosen: Tried,
    picker: Arc<Named>,
}

/// A picker, and what it picks from. Shared by all snapshots in which the group is the same, so that
/// turns go on when something else is changed, another group included.
#[derive(Debug)]
struct Named {
    resource: Box<str>,
    /// The instances, in the order of the configuration.
    names: Box<[String]>,
    algorithm: Algorithm,
    born: Instant,
    picker: Picker,
}

#[derive(Debug)]
enum Picker {
    RoundRobin(RoundRobin),
    Hash(HashRing),
    LeastBusy(LeastBusy),
    Ewma(Ewma),
    Prefix(Box<Prefix>),
}

// === impl Ask ===

impl<'a> Ask<'a> {
    pub(super) fn new(ctx: &'a Ctx, key: &'a str) -> Self {
        let exchange = ctx.exchange.as_ref();
        Self {
            key: key.as_bytes(),
            is_streamed: exchange.is_some_and(|exchange| exchange.streaming),
            blocks: exchange.map_or(&[], |exchange| &exchange.prompt_blocks),
        }
    }
}

// === impl Balance ===

impl Balance {
    /// Groups the instances; what is known of a group that was there before is taken over.
    pub(super) fn new(instances: &[InstanceConfig], algorithm: Algorithm, host: &Host<'_>) -> Self {
        let mut priorities: Vec<_> = instances.iter().map(|instance| instance.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let group = |priority: &i64| {
            let members = instances.iter().enumerate();
            let members = members.filter(|(_, instance)| instance.priority == *priority);
            let (indices, members): (Vec<_>, Vec<_>) = members.unzip();
            Group::new(indices, &members, algorithm, host)
        };
        let groups: Box<[Group]> = priorities.iter().rev().map(group).collect();
        let mut places = vec![(0, 0); instances.len()];
        for (number, group) in groups.iter().enumerate() {
            for (place, index) in group.members.iter().enumerate() {
                places[*index] = (number, place);
            }
        }
        Self {
            groups,
            places: places.into(),
            algorithm,
        }
    }

    /// Has the instances tell how attempts go, if the algorithm learns from it and has a choice.
    pub(super) fn seat(self: &Arc<Self>, instances: &mut [Instance]) {
        if !learns(self.algorithm) || instances.len() < 2 {
            return;
        }
        for (index, instance) in instances.iter_mut().enumerate() {
            instance.take_seat(Seat::new(self.clone(), index));
        }
    }

    /// Writes the blocks of the prompt into the record, if the algorithm chooses by them.
    pub(super) fn cut_prompt(&self, ctx: &mut Ctx) {
        if self.algorithm != Algorithm::Prefix || self.places.len() < 2 {
            return;
        }
        if let (Some(exchange), Some(scan)) = (&mut ctx.exchange, ctx.body.scanned()) {
            exchange.prompt_blocks = llm::prompt::blocks(exchange.dialect, scan);
        }
    }

    /// The next instance that is not in `tried`, from the most preferred group that has one.
    pub(super) fn pick(&self, ask: &Ask<'_>, tried: &Tried) -> Option<usize> {
        self.groups.iter().find_map(|group| group.pick(ask, tried))
    }

    /// Whether the instance is ever chosen: one of weight 0 is not, beside others that have weight.
    pub(super) fn chooses(&self, index: usize) -> bool {
        let place = self.places.get(index);
        let group = place.and_then(|(group, place)| Some((self.groups.get(*group)?, place)));
        group.is_some_and(|(group, place)| group.chosen.contains(*place))
    }

    /// The picker of an instance, and its place there.
    fn picker(&self, index: usize) -> Option<(&Picker, usize)> {
        let (group, place) = *self.places.get(index)?;
        Some((&self.groups.get(group)?.picker.picker, place))
    }
}

impl Settle for Balance {
    fn begin(&self, target: usize, blocks: &[u64]) {
        match self.picker(target) {
            Some((Picker::LeastBusy(picker), place)) => picker.begin(place),
            Some((Picker::Ewma(picker), place)) => picker.begin(place),
            Some((Picker::Prefix(picker), place)) => picker.begin(place, blocks, Instant::now()),
            Some((Picker::RoundRobin(_) | Picker::Hash(_), _)) | None => {}
        }
    }

    fn settle(&self, target: usize, outcome: &Outcome) {
        match self.picker(target) {
            Some((Picker::LeastBusy(picker), place)) => picker.settle(place, outcome),
            Some((Picker::Ewma(picker), place)) => picker.settle(place, outcome, Instant::now()),
            Some((Picker::Prefix(picker), place)) => picker.settle(place, outcome),
            Some((Picker::RoundRobin(_) | Picker::Hash(_), _)) | None => {}
        }
    }

    fn fail(&self, target: usize) {
        if let Some((Picker::Ewma(picker), place)) = self.picker(target) {
            picker.fail(place, Instant::now());
        }
    }
}

// === impl Group ===

impl Group {
    fn new(
        indices: Vec<usize>,
        members: &[&InstanceConfig],
        algorithm: Algorithm,
        host: &Host<'_>,
    ) -> Self {
        // Everything that a picker looks at.
        let mut identity = format!("{} {algorithm:?}", host.resource);
        for InstanceConfig { name, weight, .. } in members {
            // Names are quoted, so that no name can look like two.
            _ = write!(identity, " {name:?}*{weight}");
        }
        let before = Named::before(members, algorithm, host);
        let make = || Ok::<_, Infallible>(Named::new(members, algorithm, host, before.as_deref()));
        let Ok(picker) = host.living.share(&identity, make);
        let has_weight = members.iter().any(|instance| instance.weight > 0);
        let places = members.iter().enumerate();
        let chosen = places.filter(|(_, instance)| instance.weight > 0 || !has_weight);
        Self {
            chosen: chosen.map(|(place, _)| place).collect(),
            members: indices.into(),
            picker,
        }
    }

    fn pick(&self, ask: &Ask<'_>, tried: &Tried) -> Option<usize> {
        let own = self.members.iter().enumerate();
        let tried: Tried = own
            .filter(|(_, index)| tried.contains(**index))
            .map(|(place, _)| place)
            .collect();
        let place = match &self.picker.picker {
            Picker::RoundRobin(turns) => turns.pick(&tried),
            Picker::Hash(ring) => ring.pick(ask.key, &tried),
            Picker::LeastBusy(picker) => picker.pick(&tried),
            Picker::Ewma(picker) => picker.pick(ask.is_streamed, &tried, Instant::now()),
            Picker::Prefix(picker) => picker.pick(ask.blocks, &tried, Instant::now()),
        };
        self.members.get(place?).copied()
    }
}

// === impl Named ===

impl Named {
    /// Picks from `members`, and takes over what `before` has learnt of those among them.
    fn new(
        members: &[&InstanceConfig],
        algorithm: Algorithm,
        host: &Host<'_>,
        before: Option<&Self>,
    ) -> Self {
        let heir = before.and_then(|before| {
            let names = members.iter().map(|instance| instance.name.as_str());
            let lineage: Vec<_> = names.map(|name| before.place(name)).collect();
            before.picker.heir(members, &lineage)
        });
        Self {
            resource: host.resource.into(),
            names: members
                .iter()
                .map(|instance| instance.name.clone())
                .collect(),
            algorithm,
            born: Instant::now(),
            picker: heir.unwrap_or_else(|| Picker::new(members, algorithm)),
        }
    }

    /// The picker that the same resource had for most of the members, the latest of several.
    fn before(
        members: &[&InstanceConfig],
        algorithm: Algorithm,
        host: &Host<'_>,
    ) -> Option<Arc<Self>> {
        if !learns(algorithm) {
            return None;
        }
        let common = |named: &Self| {
            let names = members.iter().map(|instance| instance.name.as_str());
            names.filter(|name| named.place(name).is_some()).count()
        };
        let is_its_own =
            |named: &Arc<Self>| *named.resource == *host.resource && named.algorithm == algorithm;
        let living = host.living.all::<Self>().into_iter().filter(is_its_own);
        living
            .filter(|named| common(named) > 0)
            .max_by_key(|named| (common(named), named.born))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|own| own == name)
    }
}

/// Whether pickers of this algorithm learn from how attempts go.
fn learns(algorithm: Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::LeastBusy | Algorithm::Ewma | Algorithm::Prefix
    )
}

// === impl Picker ===

impl Picker {
    fn new(members: &[&InstanceConfig], algorithm: Algorithm) -> Self {
        let weights = members.iter().map(|instance| instance.weight);
        let named = members
            .iter()
            .map(|instance| (&*instance.name, instance.weight));
        match algorithm {
            Algorithm::Chash => Self::Hash(HashRing::new(named)),
            Algorithm::Roundrobin | Algorithm::Semantic => {
                Self::RoundRobin(RoundRobin::new(weights))
            }
            Algorithm::LeastBusy => Self::LeastBusy(LeastBusy::new(weights)),
            Algorithm::Ewma => Self::Ewma(Ewma::new(weights)),
            Algorithm::Prefix => Self::Prefix(Box::new(Prefix::new(named))),
        }
    }
    /// A picker of other members, of the same kind, that takes over what this one has learnt; `None`
    /// for kinds that do not learn.
    fn heir(&self, members: &[&InstanceConfig], lineage: &Lineage) -> Option<Self> {
        let weights = members.iter().map(|instance| instance.weight);
        let named = members
            .iter()
            .map(|instance| (&*instance.name, instance.weight));
        Some(match self {
            Self::RoundRobin(_) | Self::Hash(_) => return None,
            Self::LeastBusy(before) => Self::LeastBusy(before.heir(weights, lineage)),
            Self::Ewma(before) => Self::Ewma(before.heir(weights, lineage)),
            Self::Prefix(before) => Self::Prefix(Box::new(before.heir(named, lineage))),
        })
    }
}
