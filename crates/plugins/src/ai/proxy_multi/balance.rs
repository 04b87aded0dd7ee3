//! Which instance a request goes to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use ai::{Instance, Seat};
use net::pick::{Ewma, HashRing, LeastBusy, Lineage, Outcome, Prefix, RoundRobin, Settle, Tried};
use plugin::{Ctx, Host, Living};

use super::config::{Algorithm, InstanceConfig};

/// The instances in groups of equal priority, the most preferred group first.
#[derive(Debug)]
pub(super) struct Balance {
    groups: Box<[Group]>,
    /// For each instance its group, and its place there.
    places: Box<[(usize, usize)]>,
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
    #[expect(
        dead_code,
        reason = "held so that the pickers of later configurations find it"
    )]
    line: Arc<Line>,
}

/// The pickers that one resource has had, as long as they are in use.
#[derive(Debug, Default)]
struct Line(Mutex<Vec<Weak<Named>>>);

/// A picker, and what it picks from. Shared by all snapshots in which the group is the same, so that
/// turns go on when something else is changed, another group included.
#[derive(Debug)]
struct Named {
    /// The instances, in the order of the configuration.
    names: Box<[String]>,
    picker: Picker,
}

#[derive(Debug)]
enum Picker {
    RoundRobin(RoundRobin),
    /// Nothing of it changes, so that all resources with the same instances share one.
    Hash(Arc<HashRing>),
    LeastBusy(LeastBusy),
    Ewma(Ewma),
    Prefix(Box<Prefix>),
}

// === impl Ask ===

impl<'a> Ask<'a> {
    pub(super) fn new(ctx: &'a Ctx, key: &'a [u8]) -> Self {
        let exchange = ctx.exchange.as_ref();
        Self {
            key,
            is_streamed: exchange.is_some_and(|exchange| exchange.streaming),
            blocks: exchange.map_or(&[], |exchange| &exchange.prompt_blocks),
        }
    }
}

// === impl Balance ===

impl Balance {
    /// Groups the instances; what is known of a group that was there before is taken over.
    pub(super) fn new(instances: &[InstanceConfig], algorithm: Algorithm, host: &Host<'_>) -> Self {
        let mut by_priority = BTreeMap::<_, (Vec<_>, Vec<_>)>::new();
        for (index, instance) in instances.iter().enumerate() {
            let (indices, members) = by_priority.entry(instance.priority).or_default();
            indices.push(index);
            members.push(instance);
        }
        let groups = by_priority.into_values().rev();
        let groups: Box<[Group]> = groups
            .map(|(indices, members)| Group::new(indices, &members, algorithm, host))
            .collect();
        let mut places = vec![(0, 0); instances.len()];
        for (number, group) in groups.iter().enumerate() {
            for (place, index) in group.members.iter().enumerate() {
                places[*index] = (number, place);
            }
        }
        Self {
            groups,
            places: places.into(),
        }
    }

    /// Has the instances tell how attempts go whose picker learns from it.
    pub(super) fn seat(self: &Arc<Self>, instances: &mut [Instance]) {
        for (index, instance) in instances.iter_mut().enumerate() {
            if self.learns(index) {
                instance.take_seat(Seat::new(self.clone(), index));
            }
        }
    }

    /// Writes the blocks of the prompt into the record, if a picker chooses by them.
    pub(super) fn cut_prompt(&self, ctx: &mut Ctx) {
        let mut groups = self.groups.iter();
        if !groups.any(|group| matches!(group.picker.picker, Picker::Prefix(_))) {
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

    /// Whether the picker of an instance wants to know how attempts go.
    fn learns(&self, index: usize) -> bool {
        let picker = self.picker(index).map(|(picker, _)| picker);
        matches!(
            picker,
            Some(Picker::LeastBusy(_) | Picker::Ewma(_) | Picker::Prefix(_))
        )
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

    fn wants_times(&self, target: usize) -> bool {
        matches!(self.picker(target), Some((Picker::Ewma(_), _)))
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
        let own = format!("{} {algorithm:?}", host.resource);
        let Ok(line) = host
            .living
            .share(&own, || Ok::<_, Infallible>(Line::default()));
        // Everything that a picker looks at.
        let mut identity = own;
        for InstanceConfig { name, weight, .. } in members {
            // Names are quoted, so that no name can look like two.
            _ = write!(identity, " {name:?}*{weight}");
        }
        let make = || {
            let before = line.nearest(members);
            let living = host.living;
            Ok::<_, Infallible>(Named::new(members, algorithm, living, before.as_deref()))
        };
        let Ok(picker) = host.living.share(&identity, make);
        line.add(&picker);
        let has_weight = members.iter().any(|instance| instance.weight > 0);
        let places = members.iter().enumerate();
        let chosen = places.filter(|(_, instance)| instance.weight > 0 || !has_weight);
        Self {
            chosen: chosen.map(|(place, _)| place).collect(),
            members: indices.into(),
            picker,
            line,
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

// === impl Line ===

impl Line {
    /// The picker that has most of the members, the latest of several.
    fn nearest(&self, members: &[&InstanceConfig]) -> Option<Arc<Named>> {
        let common = |named: &Arc<Named>| {
            let names = members.iter().map(|instance| instance.name.as_str());
            names.filter(|name| named.place(name).is_some()).count()
        };
        let pickers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let living = pickers.iter().filter_map(Weak::upgrade);
        living.max_by_key(common).filter(|named| common(named) > 0)
    }

    fn add(&self, named: &Arc<Named>) {
        let mut pickers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let this = Arc::as_ptr(named);
        pickers.retain(|other| other.strong_count() > 0 && other.as_ptr() != this);
        pickers.push(Arc::downgrade(named));
    }
}

// === impl Named ===

impl Named {
    /// Picks from `members`, and takes over what `before` has learnt of those among them.
    fn new(
        members: &[&InstanceConfig],
        algorithm: Algorithm,
        living: &Living,
        before: Option<&Self>,
    ) -> Self {
        let heir = before.and_then(|before| {
            let names = members.iter().map(|instance| instance.name.as_str());
            let lineage: Vec<_> = names.map(|name| before.place(name)).collect();
            before.picker.heir(members, &lineage)
        });
        Self {
            names: members
                .iter()
                .map(|instance| instance.name.clone())
                .collect(),
            picker: heir.unwrap_or_else(|| Picker::new(members, algorithm, living)),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|own| own == name)
    }
}

// === impl Picker ===

impl Picker {
    fn new(members: &[&InstanceConfig], algorithm: Algorithm, living: &Living) -> Self {
        let weights = members.iter().map(|instance| instance.weight);
        let named = members
            .iter()
            .map(|instance| (&*instance.name, instance.weight));
        match algorithm {
            // Where there is no choice there is nothing to learn.
            _ if members.len() < 2 => Self::RoundRobin(RoundRobin::new(weights)),
            Algorithm::Chash => {
                let identity = format!("{:?}", named.clone().collect::<Vec<_>>());
                let make = || Ok::<_, Infallible>(HashRing::new(named));
                let Ok(ring) = living.share(&identity, make);
                Self::Hash(ring)
            }
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
        if members.len() < 2 {
            return None;
        }
        Some(match self {
            Self::RoundRobin(_) | Self::Hash(_) => return None,
            Self::LeastBusy(before) => Self::LeastBusy(before.heir(weights, lineage)),
            Self::Ewma(before) => Self::Ewma(before.heir(weights, lineage)),
            Self::Prefix(before) => Self::Prefix(Box::new(before.heir(named, lineage))),
        })
    }
}

#[cfg(test)]
mod tests;
